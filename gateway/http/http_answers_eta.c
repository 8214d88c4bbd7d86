/* How sure a prediction is, and how right predictions were. */
#include "http_internal.h"
#include <math.h>
#include <stdio.h>

/* An accuracy is two standard deviations (95 %). */
#define DEVIATIONS 2.0
/* Between two reports the believed place is right to the bound that vehicles
 * keep by default, at most: 25 m, taken for two deviations, too. */
#define BELIEVED_M 12.5

/* Seconds of driving by which the unit may be nearer or farther than it is
 * believed to be: one standard deviation. Once it should have been heard
 * again, it may have driven on or back for all of that time. */
static double place_s(const struct http *http, const struct eta *eta)
{
    const struct fleet_unit *state = eta->state;
    double place_m = BELIEVED_M;
    double mps = eta->drive_s > 0 ? eta->distance_m / eta->drive_s : 0;
    double unheard_ms = (double)(eta->now_ms - state->fix_time_ms -
                                 fleet_quiet_ms(http->fleet, state));
    if (state->flags & PT_FLAG_ACCURACY)
        place_m = hypot(place_m, (double)state->accuracy_m / DEVIATIONS);
    double s = mps > 0 ? place_m / mps : 0;
    if (unheard_ms > 0)
        s = hypot(s, unheard_ms / 1000.0 / DEVIATIONS);
    return s;
}

void eta_judge(const struct http *http, struct eta *eta)
{
    struct learn_range range;
    const struct speeds *speeds = http->speeds == NULL ? NULL : *http->speeds;
    eta->p_within = -1;
    eta->has_range = speeds != NULL &&
                     speeds_range(speeds, eta->profile, eta->drive_s,
                                  eta->access_s, place_s(http, eta), &range);
    if (!eta->has_range)
        return;
    eta->low_s = range.low_s;
    eta->high_s = range.high_s;
    if (eta->promise_s > 0)
        eta->p_within =
            learn_within(&range, eta->access_s + eta->start_s, eta->promise_s);
}

static void write_or_null(struct json *json, const char *key, bool known,
                          double value, unsigned digits)
{
    if (known)
        jw_real(json, key, value, digits);
    else
        jw_null(json, key);
}

void write_eta(struct json *json, const struct eta *eta)
{
    write_or_null(json, "eta_low_s", eta->has_range, eta->low_s, 1);
    write_or_null(json, "eta_high_s", eta->has_range, eta->high_s, 1);
    write_or_null(json, "p_within_promise", eta->p_within >= 0, eta->p_within,
                  3);
}

void eta_note(struct http *http, const struct eta *eta, struct geo_point to,
              const struct catalog_mission *mission)
{
    const char *profile = eta->profile;
    if (http->arrivals == NULL)
        return;
    if (profile == NULL)
        profile = roads_profile_name(dispatch_roads(http->dispatch), 0);
    struct arrivals_prediction prediction = {
        .unit_id = eta->unit->unit_id,
        .asked_ms = eta->now_ms,
        .to = to,
        .mission_id = mission == NULL ? 0 : mission->mission_id,
        .eta_s = eta->drive_s + eta->access_s + eta->start_s,
        .has_range = eta->has_range,
        .low_s = eta->low_s,
        .high_s = eta->high_s,
        .promise_s = eta->promise_s,
        .p_within = eta->p_within,
        .position_age_s =
            fmax(0, (double)(eta->now_ms - eta->state->fix_time_ms) / 1000.0)};
    snprintf(prediction.profile, sizeof prediction.profile, "%s", profile);
    arrivals_note(http->arrivals, http->fleet, &prediction);
}

/* ------------------------------------------------------------------- report */
#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* By profile, and over all of them where the profile is null. The server
 * writes it; its text is taken as it is. */
static const char statement[] =
    "SELECT count(*), coalesce(json_agg(json_build_object("
    "'profile', profile, 'arrivals', arrivals, 'bias_s', bias_s,"
    " 'median_error_s', median_error_s, 'p90_error_s', p90_error_s,"
    " 'median_error_share', median_share, 'with_range', with_range,"
    " 'in_range', in_range, 'with_promise', with_promise,"
    " 'within_promise', within_promise, 'mean_p_within', mean_p)"
    " ORDER BY profile NULLS FIRST), '[]')::text"
    " FROM (SELECT profile, count(*) AS arrivals,"
    " round(percentile_cont(0.5) WITHIN GROUP (ORDER BY eta_s - took_s)"
    "  ::numeric, 1) AS bias_s,"
    " round(percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(eta_s - took_s))"
    "  ::numeric, 1) AS median_error_s,"
    " round(percentile_cont(0.9) WITHIN GROUP (ORDER BY abs(eta_s - took_s))"
    "  ::numeric, 1) AS p90_error_s,"
    " round(percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(eta_s - took_s) /"
    "  nullif(took_s, 0))::numeric, 3) AS median_share,"
    " count(low_s) AS with_range,"
    " round(avg((took_s BETWEEN low_s AND high_s)::integer), 3) AS in_range,"
    " count(p_within) AS with_promise,"
    " round(avg((took_s <= promise_s)::integer)"
    "  FILTER (WHERE p_within IS NOT NULL), 3) AS within_promise,"
    " round(avg(p_within)::numeric, 3) AS mean_p"
    " FROM patrol.eta_prediction WHERE $1::text IS NULL"
    " AND asked_at >= $2::timestamptz AND asked_at < $3::timestamptz"
    " GROUP BY GROUPING SETS ((profile), ())) r WHERE arrivals > 0";

static void write_report(struct request *rq, int64_t from_ms, int64_t to_ms,
                         const PGresult *result)
{
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_time(json, "from", from_ms);
    jw_time(json, "to", to_ms);
    jw_raw(json, "profiles", PQgetvalue(result, 0, 1),
           (size_t)PQgetlength(result, 0, 1));
    jw_object_end(json);
}

void answer_eta_report(struct request *rq)
{
    static const struct question question = {"report", statement, 2,
                                             write_report};
    int64_t from_ms, to_ms;

    if (ask_span(rq, 28 * DAY_MS, 3660 * DAY_MS,
                 "a report spans at most 3,660 days", &from_ms, &to_ms))
        ask_database(rq, &question, NULL, from_ms, to_ms);
}

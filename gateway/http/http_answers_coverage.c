/* What is within reach in time, what is not, and what would be lost. */
#include "http_internal.h"
#include <math.h>
#include <string.h>

/* Of the missions that a unit would uncover so many are named. */
#define NAMED_MAX 20

void http_use_coverage(struct http *http, struct http_coverage *coverage)
{
    http->coverage = coverage;
}

struct coverage_basis *coverage_basis_of(const struct http *http)
{
    return http->coverage == NULL ? NULL
                                  : coverage_basis(http->coverage->coverage);
}

/* ----------------------------------------------------------------- the problem
 */
void reply_no_coverage(struct request *rq)
{
    const struct http *http = rq->http;

    if (dispatch_roads(http->dispatch) == NULL)
        reply_problem(rq, PROBLEM_NO_ROADS,
                      "patrolctl roads import brings one in");
    else if (http->coverage != NULL && http->coverage->no_profile)
        reply_problem(rq, PROBLEM_NO_COVERAGE,
                      "the network has no profile \"%s\" (coverage.profile)",
                      http->coverage->profile);
    else
        reply_problem(rq, PROBLEM_NO_COVERAGE,
                      "the missions' time tables are being made; should that "
                      "last, the gateway's log says why");
}

bool request_coverage_now(struct request *rq)
{
    const struct coverage_basis *basis = coverage_basis_of(rq->http);

    if (basis != NULL &&
        roads_metric_roads(coverage_basis_metrics(basis)->now) ==
            dispatch_roads(rq->http->dispatch))
        return true;
    reply_no_coverage(rq);
    return false;
}

/* --------------------------------------------------------------------- zones
 */
static void write_share(struct json *json, const char *key, double part,
                        double of)
{
    if (of > 0)
        jw_real(json, key, part / of, 4);
    else
        jw_null(json, key);
}

static void write_zone_missions(struct json *json,
                                const struct coverage_zone *zone)
{
    jw_object(json, "missions");
    jw_int(json, "total", (int64_t)zone->missions);
    jw_int(json, "off_road", (int64_t)zone->off_road);
    jw_int(json, "promised", (int64_t)zone->promised);
    jw_array(json, "within");
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        jw_int(json, NULL, (int64_t)zone->within[k]);
    jw_array_end(json);
    jw_array(json, "share");
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        write_share(json, NULL, (double)zone->within[k],
                    (double)zone->promised);
    jw_array_end(json);
    jw_object_end(json);
}

static void write_zone_streets(struct json *json,
                               const struct coverage_zone *zone)
{
    jw_object(json, "streets");
    jw_real(json, "length_m", zone->length_m, 0);
    jw_array(json, "within_m");
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        jw_real(json, NULL, zone->within_m[k], 0);
    jw_array_end(json);
    jw_array(json, "share");
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        write_share(json, NULL, zone->within_m[k], zone->length_m);
    jw_array_end(json);
    jw_object_end(json);
}

static void write_since(struct json *json, bool alarm, int64_t since_ms)
{
    jw_bool(json, "alarm", alarm);
    if (since_ms > 0)
        jw_time(json, "below_since", since_ms);
    else
        jw_null(json, "below_since");
}

void write_cover_zone(struct json *json, const char *key,
                      const struct coverage *coverage, size_t index, bool live)
{
    struct coverage_zone zone = coverage_zone(coverage, index);

    jw_object(json, key);
    if (zone.zone != NULL) {
        jw_int(json, "zone_id", zone.zone->zone_id);
        jw_text(json, "name", zone.zone->name);
        if (zone.promise_s > 0)
            jw_int(json, "promise_s", zone.promise_s);
        else
            jw_null(json, "promise_s");
        if (live)
            write_since(json, zone.lost, zone.since_ms);
    }
    write_zone_missions(json, &zone);
    if (coverage_streets_ms(coverage) > 0)
        write_zone_streets(json, &zone);
    else
        jw_null(json, "streets");
    jw_object_end(json);
}

/* ------------------------------------------------------------------- missions
 */
static const char *call_sign_of(const void *context, uint32_t slot)
{
    const struct http *http = context;
    const struct catalog_unit *unit = NULL;

    if (slot < fleet_count(http->fleet))
        unit = catalog_unit_by_id(*http->catalog,
                                  fleet_at(http->fleet, slot)->unit_id);
    return unit == NULL ? NULL : unit->call_sign;
}

int is_covered(const struct coverage_mission *mission, unsigned level)
{
    if (mission->off_road || mission->promise_s == 0)
        return -1;
    return mission->within >= level;
}

void write_cover(struct json *json, const struct coverage_mission *mission,
                 unsigned level)
{
    int covered = is_covered(mission, level);

    jw_bool(json, "off_road", mission->off_road);
    if (covered < 0) {
        jw_null(json, "promise_s");
        jw_null(json, "covered");
    } else {
        jw_int(json, "promise_s", mission->promise_s);
        jw_bool(json, "covered", covered);
    }
    jw_int(json, "within", (int64_t)mission->within);
}

void write_arrivals(struct json *json, const struct coverage_mission *mission,
                    unit_name name, const void *context)
{
    jw_array(json, "units");
    for (size_t i = 0; i < mission->found; i++) {
        jw_object(json, NULL);
        jw_text(json, "call_sign", name(context, mission->first[i].slot));
        jw_real(json, "eta_s", mission->first[i].eta_ms / 1e3, 1);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static void write_covered(struct json *json, const struct http *http,
                          const struct coverage_mission *m)
{
    jw_object(json, NULL);
    jw_int(json, "mission_id", m->mission->mission_id);
    jw_text(json, "name", m->mission->name);
    jw_text(json, "zone",
            m->mission->zone == NULL ? NULL : m->mission->zone->name);
    write_cover(json, m, http->coverage->level);
    write_since(json, m->lost, m->since_ms);
    write_arrivals(json, m, call_sign_of, http);
    jw_object_end(json);
}

/* ---------------------------------------------------------------- the answers
 */
/* The zone as the basis' catalog has it: that may be an older one than the
 * request's. */
static bool same_zone(const struct catalog_zone *zone,
                      const struct catalog_zone *wanted)
{
    return wanted == NULL || zone->zone_id == wanted->zone_id;
}

static void write_missions(struct json *json, const struct http *http,
                           const struct catalog_zone *wanted)
{
    const struct coverage *coverage = http->coverage->coverage;
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis_of(http));

    jw_array(json, "missions");
    for (size_t i = 0; i < catalog_mission_count(catalog); i++) {
        struct coverage_mission m = coverage_mission(coverage, i);
        bool is_in =
            wanted == NULL ||
            (m.mission->zone != NULL && same_zone(m.mission->zone, wanted)) ||
            catalog_zone_holds(wanted, m.mission->at);
        if (is_in)
            write_covered(json, http, &m);
    }
    jw_array_end(json);
}

void write_coverage_made_by(struct json *json, const struct http *http,
                            int64_t streets_ms)
{
    const struct http_coverage *c = http->coverage;
    const struct roads *roads = roads_metric_roads(
        coverage_basis_metrics(coverage_basis_of(http))->now);

    jw_object(json, "units");
    jw_int(json, "counted", (int64_t)coverage_unit_count(c->coverage));
    jw_array(json, "statuses");
    jw_text(json, NULL, pt_status_name(PT_STATUS_AVAILABLE));
    if (c->rule->busy_too)
        jw_text(json, NULL, pt_status_name(PT_STATUS_BUSY));
    jw_array_end(json);
    jw_int(json, "turnout_s", c->rule->turnout_s);
    if (c->rule->busy_too)
        jw_int(json, "busy_turnout_s", c->rule->busy_turnout_s);
    jw_int(json, "position_max_s", c->rule->position_max_s);
    jw_object_end(json);
    jw_int(json, "level", c->level);
    jw_int(json, "zone_percent", c->zone_percent);
    if (streets_ms > 0)
        jw_time(json, "streets_at", streets_ms);
    else
        jw_null(json, "streets_at");
    jw_bool(json, "renewing", c->renewing);
    write_degraded(json, http);
    jw_int(json, "network_id", roads_network_id(roads));
    jw_text(json, "profile",
            c->profile != NULL ? c->profile : roads_profile_name(roads, 0));
    jw_time(json, "answered_at", http_wall_ms());
}

void answer_coverage(struct request *rq)
{
    const struct http *http = rq->http;
    const struct catalog_zone *wanted;
    const char *at = params_get(&rq->params, "at");

    if (at != NULL) {
        answer_coverage_at(rq, at);
        return;
    }
    if (params_get(&rq->params, "clock") != NULL) {
        reply_parameter(rq, "clock", "only with at");
        return;
    }
    if (coverage_basis_of(http) == NULL) {
        reply_no_coverage(rq);
        return;
    }
    if (!request_zone(rq, &wanted))
        return;
    const struct coverage *coverage = http->coverage->coverage;
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis_of(http));
    size_t zones = catalog_zone_count(catalog);
    struct json *json = reply_json(rq);
    jw_object(json, NULL);
    write_cover_zone(json, "total", coverage, zones, true);
    jw_array(json, "zones");
    for (size_t z = 0; z < zones; z++) {
        if (same_zone(catalog_zone(catalog, z), wanted))
            write_cover_zone(json, NULL, coverage, z, true);
    }
    jw_array_end(json);
    write_missions(json, http, wanted);
    write_coverage_made_by(json, http, coverage_streets_ms(coverage));
    jw_object_end(json);
}

/* -------------------------------------------------------------- loss if sent
 */
/* As the basis' catalog has it; ROADS_NONE: it does not. */
static uint32_t index_of(const struct catalog *catalog,
                         const struct catalog_mission *mission)
{
    if (mission == NULL)
        return ROADS_NONE;
    for (size_t i = 0; i < catalog_mission_count(catalog); i++)
        if (catalog_mission(catalog, i)->mission_id == mission->mission_id)
            return (uint32_t)i;
    return ROADS_NONE;
}

static int64_t find_losses(const struct http *http,
                           const struct fleet_unit *state,
                           const struct catalog_mission *target,
                           struct coverage_loss *losses, size_t max)
{
    const struct coverage_basis *basis = coverage_basis_of(http);
    uint32_t slot;

    if (basis == NULL || !fleet_slot(http->fleet, state->unit_id, &slot))
        return -1;
    return (int64_t)coverage_uncovers(
        http->coverage->coverage, slot,
        index_of(coverage_basis_catalog(basis), target), losses, max);
}

int64_t uncovers_count(const struct http *http, const struct fleet_unit *state,
                       const struct catalog_mission *target)
{
    return find_losses(http, state, target, NULL, 0);
}

void write_uncovers(struct json *json, const struct http *http,
                    const struct fleet_unit *state,
                    const struct catalog_mission *target)
{
    struct coverage_loss losses[NAMED_MAX];
    int64_t count = find_losses(http, state, target, losses, NAMED_MAX);

    if (count < 0) {
        jw_null(json, "uncovers");
        jw_null(json, "uncovers_count");
        return;
    }
    jw_array(json, "uncovers");
    for (int64_t i = 0; i < count && i < NAMED_MAX; i++) {
        const struct catalog_mission *m = catalog_mission(
            coverage_basis_catalog(coverage_basis_of(http)), losses[i].mission);
        jw_object(json, NULL);
        jw_int(json, "mission_id", m->mission_id);
        jw_text(json, "name", m->name);
        if (losses[i].next_ms == ROADS_NONE)
            jw_null(json, "next_eta_s");
        else
            jw_real(json, "next_eta_s", losses[i].next_ms / 1e3, 1);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_int(json, "uncovers_count", count);
}

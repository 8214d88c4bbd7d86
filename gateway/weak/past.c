/* Hours of the week, from what past cover is stored. */
#include "weak_internal.h"

#include "asking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double real_at(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column)
               ? (double)NAN
               : strtod(PQgetvalue(rows, row, column), NULL);
}

static long whole_at(const PGresult *rows, int row, int column)
{
    return strtol(PQgetvalue(rows, row, column), NULL, 10);
}

/* --------------------------------------------------------------- the newest
 * run
 */
/* Run, its span, and the time zone of the most missions. */
static const char run_sql[] =
    "SELECT run_id, extract(epoch FROM \"from\") * 1000,"
    " extract(epoch FROM \"to\") * 1000, (SELECT time_zone"
    "  FROM patrol.coverage_run_mission m WHERE m.run_id = r.run_id"
    "  GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)"
    " FROM patrol.coverage_run r WHERE EXISTS (SELECT"
    "  FROM patrol.coverage_run_hour h WHERE h.run_id = r.run_id)"
    " ORDER BY made_at DESC, run_id DESC LIMIT 1";

/* Seconds with 0, 1, 2, 3 or more units in time, of missions with a promise. */
static const char hours_sql[] =
    "SELECT mission_id, hour, seconds[1], seconds[2], seconds[3], seconds[4]"
    " FROM patrol.coverage_run_hour JOIN patrol.coverage_run_mission"
    " USING (run_id, mission_id) WHERE run_id = $1 AND promise_s IS NOT NULL"
    " AND NOT off_road ORDER BY 1, 2";

static struct weak_mission *mission_of(struct weak *weak, uint32_t mission_id)
{
    const struct catalog *catalog = coverage_basis_catalog(weak->basis);
    for (size_t m = 0; m < weak->mission_count; m++)
        if (catalog_mission(catalog, m)->mission_id == mission_id)
            return &weak->missions[m];
    return NULL;
}

/* An hour of one mission; `units` are seconds with 0 to 3 units in time. */
struct hour {
    double units[4];
    double all;
};

/* Share of the time with fewer than so many. */
static double share_below(const struct hour *hour, unsigned units)
{
    double below = 0;
    for (unsigned k = 0; k < units && k < 4; k++)
        below += hour->units[k];
    return hour->all > 0 ? below / hour->all : 0;
}

static void note_hour(struct weak *weak, struct weak_mission *mission,
                      unsigned at, const struct hour *hour)
{
    unsigned level = weak->settings.level, sure = 3;
    double out = share_below(hour, level);
    struct weak_hours *hours = &weak->hours;
    hours->out[at] = (hours->out[at] < 0 ? 0 : hours->out[at]) + out;
    hours->thin[at] = (hours->thin[at] < 0 ? 0 : hours->thin[at]) +
                      share_below(hour, level + 1);
    if (mission == NULL)
        return;
    while (sure > 0 && share_below(hour, sure) > 1 - WEAK_SURE)
        sure--;
    mission->has_past = true;
    mission->by_hour[at] = (int8_t)(sure < level ? -1 : (int)sure - (int)level);
    if (out > mission->worst_share) {
        mission->worst_share = out;
        mission->worst_hour = (int)at;
    }
}

static void take_hours(struct weak *weak, const PGresult *rows)
{
    struct weak_mission *mission = NULL;
    double out_s = 0, all_s = 0;
    long id = -1;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct hour hour = {.all = 0};
        long at = whole_at(rows, row, 1);
        for (int k = 0; k < 4; k++) {
            hour.units[k] = real_at(rows, row, 2 + k);
            hour.all += hour.units[k];
        }
        if (at < 0 || at >= (long)WEAK_HOURS || !(hour.all > 0))
            continue;
        if (whole_at(rows, row, 0) != id) {
            id = whole_at(rows, row, 0);
            mission = mission_of(weak, (uint32_t)id);
            out_s = all_s = 0;
        }
        out_s += share_below(&hour, weak->settings.level) * hour.all;
        all_s += hour.all;
        note_hour(weak, mission, (unsigned)at, &hour);
        if (mission != NULL)
            mission->out_share = out_s / all_s;
    }
}

static void take_span(struct weak *weak, const PGresult *rows, int column)
{
    struct weak_hours *hours = &weak->hours;
    hours->from_ms = (int64_t)real_at(rows, 0, column);
    hours->to_ms = (int64_t)real_at(rows, 0, column + 1);
    snprintf(hours->time_zone, sizeof(hours->time_zone), "%s",
             PQgetvalue(rows, 0, column + 2));
}

static enum pt_err read_run(struct weak *weak, const struct asking *a)
{
    PGresult *run = asking_query(a, run_sql, 0, NULL, false);
    if (run == NULL)
        return PT_E_DB;
    enum pt_err err = PQntuples(run) == 0 ? PT_E_NOTFOUND : PT_OK;
    if (err == PT_OK) {
        const char *id = PQgetvalue(run, 0, 0);
        PGresult *rows = asking_query(a, hours_sql, 1, &id, false);
        if (rows != NULL) {
            take_hours(weak, rows);
            take_span(weak, run, 1);
            weak->hours.source = WEAK_RUN;
        } else {
            err = PT_E_DB;
        }
        PQclear(rows);
    }
    PQclear(run);
    return err;
}

/* ------------------------------------------------------------ the snapshots
 */
/* Of all missions together, by each gateway's own hours of the most zones. */
static const char snapshots_sql[] =
    "WITH z AS (SELECT coalesce((SELECT time_zone FROM patrol.zone"
    "  JOIN pg_timezone_names n ON n.name = time_zone GROUP BY 1"
    "  ORDER BY count(*) DESC, 1 LIMIT 1), 'UTC') AS name),"
    " s AS (SELECT taken_at, taken_at AT TIME ZONE z.name AS at,"
    "  promised, within FROM patrol.coverage_snapshot, z WHERE zone_id = 0"
    "  AND taken_at > to_timestamp($1::float8 / 1000) - $2::integer *"
    "  interval '1 day')"
    " SELECT (24 * (extract(isodow FROM at) - 1)"
    "  + extract(hour FROM at))::integer,"
    " avg(promised - within[$3::integer]),"
    " avg(promised - coalesce(within[$3::integer + 1], 0)),"
    " extract(epoch FROM (SELECT min(taken_at) FROM s)) * 1000,"
    " extract(epoch FROM (SELECT max(taken_at) FROM s)) * 1000,"
    " (SELECT name FROM z) FROM s GROUP BY 1 ORDER BY 1";

static enum pt_err read_snapshots(struct weak *weak, const struct asking *a)
{
    char now[24], days[8], level[8];
    const char *const params[] = {now, days, level};
    snprintf(now, sizeof(now), "%lld", (long long)weak->wish.now_ms);
    snprintf(days, sizeof(days), "%d", WEAK_PAST_DAYS);
    snprintf(level, sizeof(level), "%u", weak->settings.level);
    PGresult *rows = asking_query(a, snapshots_sql, 3, params, false);
    if (rows == NULL)
        return PT_E_DB;
    for (int row = 0; row < PQntuples(rows); row++) {
        long at = whole_at(rows, row, 0);
        if (at < 0 || at >= (long)WEAK_HOURS)
            continue;
        weak->hours.out[at] = real_at(rows, row, 1);
        /* of four units in time no snapshot tells */
        weak->hours.thin[at] =
            weak->settings.level < COVERAGE_FOLD ? real_at(rows, row, 2) : -1;
    }
    if (PQntuples(rows) > 0) {
        take_span(weak, rows, 3);
        weak->hours.source = WEAK_SNAPSHOTS;
    }
    PQclear(rows);
    return PT_OK;
}

/* --------------------------------------------------------------- the worst one
 */
static void find_worst(struct weak_hours *hours)
{
    for (int h = 0; h < (int)WEAK_HOURS; h++) {
        int w = hours->worst;
        if (hours->out[h] < 0)
            continue;
        if (w < 0 || hours->out[h] > hours->out[w] ||
            (!(hours->out[h] < hours->out[w]) &&
             hours->thin[h] > hours->thin[w]))
            hours->worst = h;
    }
}

enum pt_err weak_read_past(struct weak *weak)
{
    struct asking a = {0};
    struct weak_hours *hours = &weak->hours;
    hours->worst = -1;
    for (size_t h = 0; h < WEAK_HOURS; h++)
        hours->out[h] = hours->thin[h] = -1;
    if (weak->wish.conninfo == NULL)
        return PT_OK;
    enum pt_err err = asking_open(&a, weak->wish.conninfo, "patrol weak points",
                                  weak->message, sizeof(weak->message));
    if (err == PT_OK)
        err = asking_run(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (err == PT_OK)
        err = read_run(weak, &a);
    if (err == PT_E_NOTFOUND)
        err = read_snapshots(weak, &a);
    asking_close(&a);
    find_worst(hours);
    return err;
}

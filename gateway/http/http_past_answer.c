/* What a replay found, as the database tells it. */
#include "http_past.h"
#include "http_sql.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */ /* it would cut the statement into syllables */
/* $1 the run, $2 a zone, $3 a mission; null: all. The server writes it. */
static const char answer_sql[] =
    "WITH r AS (SELECT * FROM patrol.coverage_run WHERE run_id ="
    " $1::integer),"
    " m AS (SELECT m.*, ST_Y(geom) AS lat, ST_X(geom) AS lon"
    "  FROM patrol.coverage_run_mission m WHERE run_id = $1::integer"
    "  AND ($3::integer IS NULL OR mission_id = $3::integer)"
    "  AND ($2::integer IS NULL OR zone_id = $2::integer OR EXISTS (SELECT"
    "   FROM patrol.coverage_run_zone z WHERE z.run_id = m.run_id"
    "   AND z.zone_id = $2::integer AND ST_Covers(z.geom, m.geom)))),"
    " h AS (SELECT h.* FROM patrol.coverage_run_hour h"
    "  JOIN m USING (run_id, mission_id)),"
    " s AS (SELECT s.*, z.name, z.promise_s, z.missions, z.promised,"
    "  (extract(isodow FROM t) - 1) * 24 + extract(hour FROM t) AS hour"
    "  FROM patrol.coverage_run_snapshot s"
    "  JOIN patrol.coverage_run_zone z USING (run_id, zone_id),"
    "  LATERAL (SELECT s.taken_at AT TIME ZONE z.time_zone AS t) l"
    "  WHERE run_id = $1::integer"
    "  AND zone_id = coalesce($2::integer, zone_id)),"
    " mean AS (SELECT zone_id, hour, count(*) AS snapshots,"
    "  avg(units) AS units,"
    "  ARRAY[avg(within[1]), avg(within[2]), avg(within[3])] AS within,"
    "  ARRAY[avg(within_m[1]), avg(within_m[2]), avg(within_m[3])] AS"
    " within_m,"
    "  avg(length_m) AS length_m FROM s GROUP BY GROUPING SETS"
    "  ((zone_id, hour), (zone_id))),"
    " row AS (SELECT zone_id, hour, json_build_object('hour', hour,"
    "  'snapshots', snapshots,"
    " 'units', round(units, 2),"
    "  'missions_share', CASE WHEN promised > 0 THEN (SELECT"
    "   json_agg(round(w / promised, 4) ORDER BY k)"
    "   FROM unnest(within) WITH ORDINALITY AS x (w, k)) END,"
    "  'streets_share', CASE WHEN length_m > 0 THEN (SELECT"
    "   json_agg(round((w / length_m)::numeric, 4) ORDER BY k)"
    "   FROM unnest(within_m) WITH ORDINALITY AS x (w, k)) END) AS what"
    "  FROM mean JOIN patrol.coverage_run_zone z USING (zone_id)"
    "  WHERE z.run_id = $1::integer)"
    " SELECT json_build_object('run_id', run_id, 'from', " SQL_TIME("\"from\"")
    ", 'to', " SQL_TIME("\"to\"") ","
    " 'clock', clock, 'step_s', step_s,"
    " 'network_id', network_id, 'networks_since', networks,"
    " 'profile', profile, 'settings', settings, 'made_at', " SQL_TIME("made_at")
    ","
    " 'read_at', " SQL_TIME("read_at") ", 'took_s', round(took_s::numeric, 3),"
    " 'fixes', fixes, 'first_fix', " SQL_TIME("first_fix") ", 'last_fix', "
    SQL_TIME("last_fix") ","
    " 'units', json_build_object('reported', units,"
    "  'counted_mean', round(units_mean::numeric, 2),"
    "  'nobody_s', round(nobody_s::numeric, 1)),"
    " 'missions', (SELECT coalesce(json_agg(json_build_object("
    "  'mission_id', mission_id, 'name', name, 'zone', zone,"
    "  'lat', round(lat::numeric, 6), 'lon', round(lon::numeric, 6),"
    "  'off_road', off_road, 'promise_s', promise_s,"
    "  'out_s', round(out_s::numeric, 1), 'out_share', round((out_s /"
    "   extract(epoch FROM r.\"to\" - r.\"from\"))::numeric, 5),"
    "  'outages', outages, 'longest_s', round(longest_s::numeric, 1),"
    "  'longest_from', " SQL_TIME("longest_from") ", 'passes', passes,"
    "  'unpassed_s', round(unpassed_s::numeric, 1),"
    "  'unpassed_from', " SQL_TIME("unpassed_from") ")"
    "  ORDER BY out_s DESC NULLS LAST, name), '[]') FROM m),"
    " 'hours', (SELECT coalesce(json_agg(json_build_object('hour', hour,"
    "  'watched_s', round(watched::numeric, 1),"
    "  'seconds', ARRAY(SELECT round(x::numeric, 1)"
    "   FROM unnest(seconds) x),"
    "  'passes', passes) ORDER BY hour), '[]')"
    "  FROM (SELECT hour, ARRAY[sum(seconds[1]), sum(seconds[2]),"
    "   sum(seconds[3]), sum(seconds[4])] AS seconds, sum(seconds[1] +"
    "   seconds[2] + seconds[3] + seconds[4]) AS watched, sum(h.passes) AS"
    "   passes FROM h JOIN m USING (run_id, mission_id)"
    "   WHERE promise_s IS NOT NULL GROUP BY hour) x),"
    " 'zones', (SELECT coalesce(json_agg(json_build_object("
    "  'zone_id', nullif(zone_id, 0), 'name', z.name,"
    "  'promise_s', z.promise_s,"
    " 'missions', z.missions,"
    "  'promised', z.promised,"
    "  'mean', (SELECT what FROM row WHERE row.zone_id = z.zone_id"
    "   AND hour IS NULL),"
    "  'hours', (SELECT coalesce(json_agg(what ORDER BY hour), '[]') FROM row"
    "   WHERE row.zone_id = z.zone_id AND hour IS NOT NULL))"
    "  ORDER BY zone_id <> 0, z.name), '[]') FROM patrol.coverage_run_zone z"
    "  WHERE z.run_id = r.run_id"
    "  AND z.zone_id = coalesce($2::integer, z.zone_id)),"
    " 'gaps', CASE WHEN $3 IS NOT NULL THEN (SELECT coalesce(json_agg("
    "  json_build_object('from', " SQL_TIME("started_at") ", 'to', "
    SQL_TIME("ended_at") ")"
    "  ORDER BY started_at), '[]') FROM (SELECT * FROM"
    " patrol.coverage_run_gap"
    "  WHERE run_id = r.run_id AND mission_id = $3::integer"
    "  ORDER BY ended_at - started_at DESC LIMIT 1000) g) END) FROM r";
/* clang-format on */

static void on_answer(void *context, enum pt_err err, PGresult *result)
{
    struct past_waiter *waiter = context;
    struct request *rq = later_take(&waiter->waiter.later);

    free(waiter);
    if (rq == NULL)
        return;
    if (err != PT_OK || PQntuples(result) != 1) {
        pt_log(PT_LOG_WARN, "http: past coverage: %s",
               pt_strerror(err == PT_OK ? PT_E_NOTFOUND : err));
        reply_problem(rq, PROBLEM_DATABASE, "the answer could not be read");
    } else {
        struct json *json = reply_json(rq);
        jw_raw(json, NULL, PQgetvalue(result, 0, 0),
               (size_t)PQgetlength(result, 0, 0));
    }
    later_done(rq);
}

void reply_no_past(struct request *rq, enum pt_err err, const char *message)
{
    switch (err) {
    case PT_E_FULL:
        reply_problem(rq, PROBLEM_BUSY,
                      "too much happened in that time; ask for a shorter one");
        return;
    case PT_E_DB:
        reply_problem(rq, PROBLEM_DATABASE, "the positions could not be read");
        break;
    case PT_E_AGAIN:
        reply_problem(rq, PROBLEM_BUSY, "it was given up");
        return;
    default:
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
    }
    pt_log(PT_LOG_WARN, "http: past coverage: %s", message);
}

void past_answer(struct http *http, uint32_t run_id, struct past_waiter *waiter)
{
    char run[16], zone[16], mission[16];
    const char *const values[] = {
        run,
        waiter->zone_id != 0 ? zone : NULL,
        waiter->mission_id != 0 ? mission : NULL,
    };
    snprintf(run, sizeof run, "%" PRIu32, run_id);
    snprintf(zone, sizeof zone, "%" PRIu32, waiter->zone_id);
    snprintf(mission, sizeof mission, "%" PRIu32, waiter->mission_id);
    if (db_query(http->db, answer_sql, 3, values, on_answer, waiter) == PT_OK)
        return;
    struct request *rq = later_take(&waiter->waiter.later);
    if (rq != NULL) {
        reply_problem(rq, PROBLEM_DATABASE, "the database does not answer");
        later_done(rq);
    }
    free(waiter);
}

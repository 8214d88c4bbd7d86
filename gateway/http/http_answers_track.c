/* Where a unit was. */
#include "http_internal.h"
#include <inttypes.h>
#include <stdio.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define SPAN_MAX_MS (24 * HOUR_MS)

/* The server writes the points: 20,000 rows would hold up the loop for
 * several ms, and its text is taken as it is. One row more than the limit is
 * read, to know from where to go on. 65536: BATCH_FLAG_JUMP. */
static const char statement[] =
    "SELECT count(*) > 20000,"
    " '[' || coalesce(string_agg(point, ',' ORDER BY n)"
    "  FILTER (WHERE n <= 20000), '') || ']',"
    " max(time) FILTER (WHERE n = 20001) "
    "FROM (SELECT n, time, json_build_object("
    "  'time', time,"
    "  'lat', round(ST_Y(geom)::numeric, 6),"
    "  'lon', round(ST_X(geom)::numeric, 6),"
    "  'speed_mps', speed_mps, 'course_deg', course_deg,"
    "  'accuracy_m', accuracy_m, 'status', status,"
    "  'jump', flags & 65536 <> 0)::text AS point "
    " FROM (SELECT *, row_number() OVER (ORDER BY fix_time, generation, seq)"
    "   AS n, to_char(fix_time AT TIME ZONE 'UTC',"
    "   'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS time"
    "  FROM patrol.position WHERE unit_id = $1::integer"
    "   AND fix_time >= $2::timestamptz AND fix_time < $3::timestamptz"
    "  ORDER BY fix_time, generation, seq LIMIT 20001) numbered) points";

static void write_track(struct request *rq, int64_t from_ms, int64_t to_ms,
                        const PGresult *result)
{
    bool truncated = *PQgetvalue(result, 0, 0) == 't';
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_text(json, "call_sign", rq->argument);
    jw_time(json, "from", from_ms);
    jw_time(json, "to", to_ms);
    jw_bool(json, "truncated", truncated);
    jw_text(json, "next_from", truncated ? PQgetvalue(result, 0, 2) : NULL);
    jw_raw(json, "points", PQgetvalue(result, 0, 1),
           (size_t)PQgetlength(result, 0, 1));
    jw_object_end(json);
}

void answer_track(struct request *rq)
{
    static const struct question question = {"track", statement, 3,
                                             write_track};
    char id[16];
    int64_t from_ms, to_ms;
    const struct catalog_unit *unit = request_unit(rq, rq->argument);

    if (unit == NULL ||
        !ask_span(rq, HOUR_MS, SPAN_MAX_MS, "a track spans at most 24 hours",
                  &from_ms, &to_ms))
        return;
    snprintf(id, sizeof id, "%" PRIu32, unit->unit_id);
    ask_database(rq, &question, id, from_ms, to_ms);
}

/* Where a unit was: the only answer that the database gives. */
#include "http_internal.h"
#include "http_rfc3339.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define SPAN_MAX_MS (24 * HOUR_MS)
#define TRACK_POINTS_MAX 20000 /* also in the statement below */

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

/* Lives until the database has answered, also when the request does not. */
struct track_job {
    struct later later;
    int64_t from_ms, to_ms;
    char call_sign[PARAMS_VALUE_BYTES_MAX + 1];
};

static void write_track(struct request *rq, const struct track_job *job,
                        const PGresult *result)
{
    bool truncated = *PQgetvalue(result, 0, 0) == 't';
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_text(json, "call_sign", job->call_sign);
    jw_time(json, "from", job->from_ms);
    jw_time(json, "to", job->to_ms);
    jw_bool(json, "truncated", truncated);
    jw_text(json, "next_from", truncated ? PQgetvalue(result, 0, 2) : NULL);
    jw_raw(json, "points", PQgetvalue(result, 0, 1),
           (size_t)PQgetlength(result, 0, 1));
    jw_object_end(json);
}

static void on_rows(void *context, enum pt_err err, PGresult *result)
{
    struct track_job *job = context;
    struct request *rq = later_take(&job->later);

    if (rq != NULL) {
        if (err != PT_OK || PQntuples(result) != 1 || PQnfields(result) != 3) {
            pt_log(PT_LOG_WARN, "http: track of %s: %s", job->call_sign,
                   pt_strerror(err == PT_OK ? PT_E_DB : err));
            reply_problem(rq, PROBLEM_DATABASE, "the track could not be read");
        } else {
            write_track(rq, job, result);
        }
        later_done(rq);
    }
    free(job);
}

/* from <= time < to; without them the last hour. */
static bool parse_span(struct request *rq, int64_t *from_ms, int64_t *to_ms)
{
    static const char expected[] =
        "an RFC 3339 date-time from 1970 to 9999 is expected, such as "
        "2024-05-01T12:00:00Z (a + of an offset is written %2B)";
    const char *from = params_get(&rq->params, "from");
    const char *to = params_get(&rq->params, "to");

    *to_ms = http_wall_ms();
    if (to != NULL && !rfc3339_parse(to, to_ms)) {
        reply_parameter(rq, "to", expected);
        return false;
    }
    *from_ms = *to_ms > HOUR_MS ? *to_ms - HOUR_MS : 0;
    if (from != NULL && !rfc3339_parse(from, from_ms)) {
        reply_parameter(rq, "from", expected);
        return false;
    }
    if (*from_ms > *to_ms) {
        reply_parameter(rq, "from", "it lies after the end");
        return false;
    }
    if (*to_ms - *from_ms > SPAN_MAX_MS) {
        reply_parameter(rq, "from", "a track spans at most 24 hours");
        return false;
    }
    return true;
}

static enum pt_err ask(struct request *rq, struct track_job *job,
                       uint32_t unit_id)
{
    char id[16], from[RFC3339_SIZE], to[RFC3339_SIZE];
    const char *values[] = {id, from, to};

    snprintf(id, sizeof id, "%" PRIu32, unit_id);
    if (!rfc3339_format(job->from_ms, from) || !rfc3339_format(job->to_ms, to))
        return PT_E_RANGE;
    return db_query(rq->http->db, statement, 3, values, on_rows, job);
}

void answer_track(struct request *rq)
{
    int64_t from_ms, to_ms;
    const struct catalog_unit *unit = request_unit(rq, rq->argument);

    if (unit == NULL || !parse_span(rq, &from_ms, &to_ms))
        return;
    struct track_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    *job = (struct track_job){.from_ms = from_ms, .to_ms = to_ms};
    memcpy(job->call_sign, rq->argument_text, sizeof job->call_sign);
    enum pt_err err = ask(rq, job, unit->unit_id);
    if (err != PT_OK) {
        free(job);
        reply_problem(rq, PROBLEM_DATABASE, "%s",
                      db_is_up(rq->http->db)
                          ? "too many questions wait for the database"
                          : "the database is not connected");
        return;
    }
    later_attach(rq, &job->later);
}

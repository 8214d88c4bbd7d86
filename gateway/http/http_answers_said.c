/* Units heard by voice radio, and what was seen of what crews said: stored, and
 * taken over from the database by every gateway, this one as well. */
#include "http_internal.h"
#include "http_rfc3339.h"
#include "http_said_body.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lives until the database has answered, also when the request does not. */
struct said_job {
    struct later later; /* first */
    uint32_t unit_id;
    void (*answer)(struct request *rq, const struct said_job *job,
                   const PGresult *result);
    struct fleet_radio radio; /* of what was heard */
};

static void on_stored(void *context, enum pt_err err, PGresult *result)
{
    struct said_job *job = context;
    struct request *rq = later_take(&job->later);

    if (rq != NULL) {
        if (err != PT_OK) {
            pt_log(PT_LOG_WARN, "http: what was said of %s: %s", rq->argument,
                   db_error(rq->http->db));
            reply_problem(rq, PROBLEM_DATABASE, "the database did not take it");
        } else {
            job->answer(rq, job, result);
        }
        later_done(rq);
    }
    free(job);
}

/* NULL after a problem. */
static struct said_job *new_job(struct request *rq,
                                const struct catalog_unit *unit)
{
    struct said_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
    else
        job->unit_id = unit->unit_id;
    return job;
}

/* The request waits, or has a problem. */
static void ask(struct request *rq, struct said_job *job, const char *sql,
                size_t count, const char *const *values)
{
    if (db_query(rq->http->db, sql, count, values, on_stored, job) == PT_OK) {
        later_attach(rq, &job->later);
        return;
    }
    free(job);
    reply_problem(rq, PROBLEM_DATABASE, "%s",
                  db_is_up(rq->http->db)
                      ? "too many questions wait for the database"
                      : "the database is not connected");
}

static const char *or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

/* -------------------------------------------------------------------- heard */
static const char heard_sql[] =
    "INSERT INTO patrol.heard (unit_id, heard_at, status, place, geom,"
    " mission_id, note, who) VALUES ($1::integer, $2::timestamptz,"
    " $3::patrol.unit_status, $4, ST_SetSRID(ST_MakePoint($6::float8,"
    " $5::float8), 4326), $7::integer, $8, $9) RETURNING"
    " round(extract(epoch FROM noted_at) * 1000)::bigint";

/* "shown": no fix is newer. */
static void answer_noted(struct request *rq, const struct said_job *job,
                         const PGresult *result)
{
    const struct fleet_unit *state = fleet_find(rq->http->fleet, job->unit_id);
    struct fleet_radio radio = job->radio;
    struct json *json = reply_json(rq);

    radio.noted_ms = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    jw_object(json, NULL);
    jw_text(json, "call_sign", rq->argument);
    jw_bool(json, "shown",
            state == NULL || !state->has_fix ||
                state->fix_time_ms < radio.heard_ms);
    write_radio(json, &radio, radio.status, http_wall_ms());
    jw_object_end(json);
}

static void store_heard(struct request *rq, struct said_job *job)
{
    const struct fleet_radio *radio = &job->radio;
    char unit_id[16], at[RFC3339_SIZE], lat[24], lon[24], mission[16];
    bool said = radio->status != PT_STATUS_UNKNOWN;
    const char *const values[] = {
        unit_id,
        at,
        said ? pt_status_name(radio->status) : NULL,
        or_null(radio->place),
        radio->has_point ? lat : NULL,
        radio->has_point ? lon : NULL,
        radio->mission_id != 0 ? mission : NULL,
        or_null(radio->note),
        or_null(radio->who),
    };

    snprintf(unit_id, sizeof unit_id, "%" PRIu32, job->unit_id);
    snprintf(mission, sizeof mission, "%" PRIu32, radio->mission_id);
    snprintf(lat, sizeof lat, "%.6f", geo_lat_deg(radio->at));
    snprintf(lon, sizeof lon, "%.6f", geo_lon_deg(radio->at));
    if (!rfc3339_format(radio->heard_ms, at)) { /* our clock is wrong */
        free(job);
        reply_problem(rq, PROBLEM_FAILED, "the gateway's clock is wrong");
        return;
    }
    ask(rq, job, heard_sql, sizeof values / sizeof *values, values);
}

void answer_heard(struct request *rq)
{
    const struct catalog_mission *mission = NULL;
    struct heard_body body;
    struct body_fault fault;
    const struct catalog_unit *unit = request_unit(rq, rq->argument);

    if (unit == NULL || !request_is_json(rq))
        return;
    if (!heard_body_parse(rq->body, rq->body_bytes, http_wall_ms(), &body,
                          &fault)) {
        reply_parameter(rq, fault.member, fault.what);
        return;
    }
    if (body.mission[0] != '\0' && !find_mission(rq, body.mission, &mission))
        return;
    struct said_job *job = new_job(rq, unit);
    if (job == NULL)
        return;
    job->answer = answer_noted;
    job->radio = body.radio;
    if (mission != NULL) {
        job->radio.mission_id = mission->mission_id;
        job->radio.has_point = true;
        job->radio.at = mission->at;
    }
    store_heard(rq, job);
}

/* ---------------------------------------------------------------- withdrawn */
static const char withdraw_sql[] =
    "UPDATE patrol.heard SET withdrawn_at = now(), withdrawn_by = $2"
    " WHERE unit_id = $1::integer AND heard_id = (SELECT heard_id"
    "  FROM patrol.heard WHERE unit_id = $1::integer AND withdrawn_at IS NULL"
    "  AND heard_at > now() - interval '1 day'"
    "  ORDER BY heard_at DESC, heard_id DESC LIMIT 1) RETURNING heard_id";

static void answer_withdrawn(struct request *rq, const struct said_job *job,
                             const PGresult *result)
{
    (void)job;
    if (PQntuples(result) == 0) {
        reply_problem(rq, PROBLEM_NOT_HEARD,
                      "nothing of the last 24 hours is noted of %s",
                      rq->argument);
        return;
    }
    struct json *json = reply_json(rq);
    jw_object(json, NULL);
    jw_text(json, "call_sign", rq->argument);
    jw_bool(json, "withdrawn", true);
    jw_object_end(json);
}

void answer_unheard(struct request *rq)
{
    const char *who = params_get(&rq->params, "who");
    const struct catalog_unit *unit = request_unit(rq, rq->argument);
    char unit_id[16];
    const char *const values[] = {unit_id, who};

    if (unit == NULL)
        return;
    if (who != NULL && (*who == '\0' || strlen(who) >= FLEET_WHO_BYTES)) {
        reply_parameter(rq, "who", "a name of up to 100 bytes is expected");
        return;
    }
    struct said_job *job = new_job(rq, unit);
    if (job == NULL)
        return;
    job->answer = answer_withdrawn;
    snprintf(unit_id, sizeof unit_id, "%" PRIu32, unit->unit_id);
    ask(rq, job, withdraw_sql, 2, values);
}

/* --------------------------------------------------------------------- seen */
/* Who saw it first stays. */
static const char seen_sql[] =
    "INSERT INTO patrol.seen AS s (unit_id, generation, seq, who)"
    " VALUES ($1::integer, $2::bigint, $3::bigint, $4)"
    " ON CONFLICT (unit_id, generation, seq) DO UPDATE SET seen_at = s.seen_at"
    " RETURNING round(extract(epoch FROM seen_at) * 1000)::bigint, who";

static void write_seen_answer(struct request *rq, int64_t seen_ms,
                              const char *who)
{
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_text(json, "call_sign", rq->argument);
    jw_time(json, "seen_at", seen_ms);
    jw_text(json, "seen_by", or_null(who));
    jw_object_end(json);
}

static void answer_noted_seen(struct request *rq, const struct said_job *job,
                              const PGresult *result)
{
    (void)job;
    write_seen_answer(rq, strtoll(PQgetvalue(result, 0, 0), NULL, 10),
                      PQgetvalue(result, 0, 1));
}

void answer_seen(struct request *rq)
{
    struct seen_body body;
    struct body_fault fault;
    const struct catalog_unit *unit = request_unit(rq, rq->argument);
    char unit_id[16], generation[24], seq[24];

    if (unit == NULL || !request_is_json(rq))
        return;
    if (!seen_body_parse(rq->body, rq->body_bytes, &body, &fault)) {
        reply_parameter(rq, fault.member, fault.what);
        return;
    }
    const char *const values[] = {unit_id, generation, seq, or_null(body.who)};
    const struct fleet_unit *state = fleet_find(rq->http->fleet, unit->unit_id);
    const struct fleet_said *said =
        state == NULL ? NULL : fleet_said(state, body.what);
    if (said == NULL || said->time_ms != body.at_ms) {
        reply_problem(rq, PROBLEM_NO_ACT,
                      "the newest of its kind is of another time; look again");
        return;
    }
    if (said->seen_ms != 0) {
        write_seen_answer(rq, said->seen_ms, said->seen_by);
        return;
    }
    struct said_job *job = new_job(rq, unit);
    if (job == NULL)
        return;
    job->answer = answer_noted_seen;
    snprintf(unit_id, sizeof unit_id, "%" PRIu32, unit->unit_id);
    snprintf(generation, sizeof generation, "%" PRId64,
             (int64_t)said->generation);
    snprintf(seq, sizeof seq, "%" PRIu64, said->seq);
    ask(rq, job, seen_sql, 4, values);
}

/* Streets are closed and opened again.
 *
 * A closure is found on the network by a thread of the pool, then stored; the
 * answer waits until the gateway itself reckons with it. */
#include "http_closure_body.h"
#include "http_internal.h"
#include "http_rfc3339.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* At a time: each takes a thread of the pool for some ms, up to seconds on a
 * country's network. */
#define JOBS_MAX 4u
/* After so long it is said that it is stored, and not yet in force. */
#define APPLY_MS 5000

enum stage { FINDING, STORING, APPLYING };

/* Lives until pool and database are done with it, also when the request does
 * not. */
struct closure_job {
    struct later later;                  /* who waits */
    struct closure_job *next, *previous; /* http.closing */
    struct http *http;                   /* NULL: has gone */
    enum stage stage;
    uv_work_t work;
    struct roads *roads;
    struct closure_body body;
    struct closures_found found;
    enum pt_err err;
    bool removes;
    uint32_t closure_id; /* once it is stored, or what is to go */
    int64_t stored_ms;   /* loop time */
};

/* ----------------------------------------------------------------- the waiting
 */
static void detach(struct closure_job *job)
{
    struct http *http = job->http;

    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        http->closing = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    http->closing_count--;
    job->http = NULL;
}

static void free_job(struct closure_job *job)
{
    if (job->http != NULL)
        detach(job);
    closures_found_clear(&job->found);
    roads_unref(job->roads);
    free(job);
}

/* The reply is written: whoever waits gets it. Frees the job. */
static void answer_job(struct closure_job *job)
{
    struct request *rq = later_take(&job->later);

    free_job(job);
    if (rq != NULL)
        later_done(rq);
}

/* Pool and database call back to what is left. */
void closures_end_all(struct http *http)
{
    while (http->closing != NULL) {
        struct closure_job *job = http->closing;
        if (job->stage == APPLYING)
            free_job(job);
        else
            detach(job);
    }
}

/* NULL after a problem. */
static struct closure_job *new_job(struct request *rq)
{
    struct http *http = rq->http;

    if (http->closing_count >= JOBS_MAX) {
        reply_problem(rq, PROBLEM_BUSY, "%u closures are being made already",
                      JOBS_MAX);
        return NULL;
    }
    struct closure_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return NULL;
    }
    job->http = http;
    job->next = http->closing;
    if (job->next != NULL)
        job->next->previous = job;
    http->closing = job;
    http->closing_count++;
    return job;
}

/* --------------------------------------------------------------- taken over */
static void write_applied(struct closure_job *job)
{
    const struct closures_match *match =
        job->removes
            ? NULL
            : closures_view_find(*job->http->closures, job->closure_id);
    struct request *rq = job->later.request;

    struct json *json = reply_json(rq);
    if (match != NULL) {
        write_closure(json, NULL, match);
    } else {
        jw_object(json, NULL);
        jw_int(json, "closure_id", job->closure_id);
        jw_bool(json, "removed", job->removes);
        jw_object_end(json);
    }
    if (!job->removes) {
        rq->reply.status = MHD_HTTP_CREATED;
        snprintf(rq->reply.location, sizeof rq->reply.location,
                 "/v1/closures/%" PRIu32, job->closure_id);
    }
}

/* What is to begin later is reckoned with by being known. */
static bool is_applied(const struct closure_job *job)
{
    const struct closures_view *view = *job->http->closures;
    const struct closures_match *match =
        view == NULL ? NULL : closures_view_find(view, job->closure_id);

    if (job->removes)
        return view != NULL && match == NULL;
    return match != NULL &&
           (match->in_force || match->closure->from_ms > http_wall_ms());
}

/* Stored, but the network that takes it over is being made: 202. */
static void write_stored(struct closure_job *job)
{
    struct json *json = reply_json(job->later.request);

    jw_object(json, NULL);
    jw_int(json, "closure_id", job->closure_id);
    jw_bool(json, "removed", job->removes);
    jw_object_end(json);
    job->later.request->reply.status = MHD_HTTP_ACCEPTED;
}

static void look_at_waiting(struct http *http, bool late_too)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    for (struct closure_job *job = http->closing, *next; job != NULL;
         job = next) {
        next = job->next;
        if (job->stage != APPLYING)
            continue;
        bool late = late_too && now_ms - job->stored_ms >= APPLY_MS;
        if (job->later.request != NULL) {
            if (is_applied(job))
                write_applied(job);
            else if (late)
                write_stored(job);
            else
                continue;
        }
        answer_job(job);
    }
}

void http_closures(struct http *http)
{
    http_event(http, "closures", "{}");
    look_at_waiting(http, false);
}

void closures_every_second(struct http *http)
{
    look_at_waiting(http, true);
}

/* The database has it: now it is waited for. */
static void wait_applied(struct closure_job *job)
{
    job->stage = APPLYING;
    job->stored_ms = (int64_t)uv_now(job->http->loop);
    look_at_waiting(job->http, false);
}

/* ------------------------------------------------------------------- storing
 */
/* In force or to come: so many, and so many pieces, are what gateways take. */
static const char add_sql[] =
    "WITH room AS (SELECT count(DISTINCT closure_id) < 1000"
    "  AND count(*) + jsonb_array_length($10::jsonb) <= 20000 AS is"
    "  FROM patrol.closure c LEFT JOIN patrol.closure_edge USING (closure_id)"
    "  WHERE c.removed_at IS NULL AND (c.until IS NULL OR c.until > now())),"
    " c AS (INSERT INTO patrol.closure (kind, factor, speed_mps, direction,"
    "  \"from\", until, street, who, reason)"
    "  SELECT $1, $2::real, $3::real, $4, $5::timestamptz, $6::timestamptz,"
    "  $7, $8, $9 FROM room WHERE room.is RETURNING closure_id),"
    " e AS (INSERT INTO patrol.closure_edge"
    "  SELECT closure_id, n, (p->>'way_id')::bigint,"
    "  (p->>'from_node')::bigint, (p->>'to_node')::bigint,"
    "  ST_SetSRID(ST_GeomFromGeoJSON(p->'line'), 4326) FROM c,"
    "  jsonb_array_elements($10::jsonb) WITH ORDINALITY AS x (p, n))"
    " SELECT closure_id FROM c";

static const char remove_sql[] =
    "UPDATE patrol.closure SET removed_at = now()"
    " WHERE closure_id = $1::integer AND removed_at IS NULL"
    " AND (until IS NULL OR until > now()) RETURNING closure_id";

static void write_stored_pieces(struct json *json,
                                const struct closures_found *found)
{
    jw_array(json, NULL);
    for (size_t i = 0; i < found->piece_count; i++) {
        const struct closures_piece *piece = &found->pieces[i];
        jw_object(json, NULL);
        jw_int(json, "way_id", piece->way_id);
        jw_int(json, "from_node", piece->from_node);
        jw_int(json, "to_node", piece->to_node);
        jw_object(json, "line");
        jw_text(json, "type", "LineString");
        jw_array(json, "coordinates");
        for (size_t p = 0; p < piece->point_count; p++)
            jw_position(json, piece->points[p]);
        jw_array_end(json);
        jw_object_end(json);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_bytes(json, "", 1); /* ends the text */
}

static void on_stored(void *context, enum pt_err err, PGresult *result)
{
    struct closure_job *job = context;
    struct request *rq = job->later.request;
    bool stored = err == PT_OK && PQntuples(result) == 1;

    if (stored) {
        job->closure_id = (uint32_t)strtoul(PQgetvalue(result, 0, 0), NULL, 10);
        if (job->http != NULL)
            wait_applied(job);
        else
            free_job(job);
        return;
    }
    if (rq != NULL && err != PT_OK) {
        pt_log(PT_LOG_WARN, "http: a closure: %s", db_error(job->http->db));
        reply_problem(rq, PROBLEM_DATABASE, "the database did not take it");
    } else if (rq != NULL && job->removes) {
        reply_problem(rq, PROBLEM_NO_CLOSURE,
                      "none of that number is in force or to come");
    } else if (rq != NULL) {
        reply_problem(rq, PROBLEM_CLOSURES,
                      "at most %d closures with %d pieces of street together "
                      "are in force or to come: remove some",
                      CLOSURES_MAX, CLOSURES_ALL_PIECES_MAX);
    }
    answer_job(job);
}

static void reply_no_database(struct request *rq)
{
    reply_problem(rq, PROBLEM_DATABASE, "%s",
                  db_is_up(rq->http->db)
                      ? "too many questions wait for the database"
                      : "the database is not connected");
}

static const char *number(char text[32], double value)
{
    snprintf(text, 32, "%.6f", value);
    return value > 0 ? text : NULL;
}

static const char *or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

/* The job is there, and somebody waits. */
static enum pt_err store(struct closure_job *job)
{
    const struct closure_body *body = &job->body;
    struct json pieces = {0};
    char factor[32], speed[32], from[RFC3339_SIZE], until[RFC3339_SIZE];
    bool open = body->until_ms == INT64_MAX;

    write_stored_pieces(&pieces, &job->found);
    const char *const values[] = {
        body->closed ? "closed" : "slowed",
        number(factor, body->factor),
        number(speed, body->speed_mps),
        closures_direction_word(body->direction),
        from,
        open ? NULL : until,
        job->found.street,
        or_null(body->who),
        or_null(body->reason),
        pieces.text,
    };
    enum pt_err err = PT_E_RANGE;
    if (pieces.failed)
        err = PT_E_NOMEM;
    else if (rfc3339_format(body->from_ms, from) &&
             (open || rfc3339_format(body->until_ms, until)))
        err = db_query(job->http->db, add_sql, 10, values, on_stored, job);
    jw_clear(&pieces);
    if (err == PT_OK)
        job->stage = STORING;
    return err;
}

/* ------------------------------------------------------------------- finding
 */
static void find_work(uv_work_t *work) /* on the pool */
{
    struct closure_job *job = work->data;
    const struct closure_body *body = &job->body;
    struct closures_wish wish = {
        .street = or_null(body->street),
        .has_point = body->has_point,
        .at = body->at,
        .way_count = body->way_count,
        .ways = body->ways,
    };
    job->err = closures_find(job->roads, &wish, &job->found);
}

static void reply_choices(struct request *rq,
                          const struct closures_found *found,
                          const char *parameter)
{
    struct json *json = reply_json(rq);

    rq->reply.status = problem_status(PROBLEM_STREETS);
    rq->reply.content_type = PROBLEM_JSON;
    problem_begin(json, PROBLEM_STREETS,
                  "several places fit; name cross streets (\"between L and "
                  "M\"), the whole name, or a point");
    jw_text(json, "parameter", parameter);
    jw_array(json, "candidates");
    for (size_t i = 0; i < found->choice_count; i++) {
        const struct closures_choice *choice = &found->choices[i];
        const struct catalog_zone *zone =
            catalog_zone_at(*rq->http->catalog, choice->at);
        jw_object(json, NULL);
        jw_text(json, "name", choice->name);
        jw_lat_lon(json, choice->at);
        jw_text(json, "zone", zone == NULL ? NULL : zone->name);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
}

void reply_no_street(struct request *rq, enum pt_err err,
                     const struct closures_found *found, const char *parameter)
{
    switch (err) {
    case PT_E_NOTFOUND:
        reply_problem(rq, PROBLEM_NO_STREET, "nothing is called \"%s\"",
                      found->missing);
        return;
    case PT_E_UNREACHABLE:
        reply_problem(rq, PROBLEM_NO_MEETING,
                      "\"%s\" does not meet it, or both are the same corner",
                      found->missing);
        return;
    case PT_E_RANGE:
        reply_choices(rq, found, parameter);
        return;
    case PT_E_OFFROAD:
        reply_problem(rq, PROBLEM_OFF_ROAD,
                      "no street within %.0f m of the point",
                      CLOSURES_POINT_REACH_M);
        return;
    case PT_E_MALFORMED:
        reply_parameter(rq, parameter,
                        "a street is expected: \"Calle 23 between L and M\"");
        return;
    case PT_E_FULL:
        reply_problem(rq, PROBLEM_CLOSURES,
                      "a closure has at most %d pieces of street; name cross "
                      "streets",
                      CLOSURES_PIECES_MAX);
        return;
    default:
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
        return;
    }
}

static void find_done(uv_work_t *work, int status)
{
    struct closure_job *job = work->data;
    struct request *rq = job->later.request;

    if (rq == NULL || status != 0) { /* who left wants nothing closed */
        free_job(job);
        return;
    }
    enum pt_err err = job->err;
    if (err != PT_OK) {
        reply_no_street(rq, err, &job->found, "street");
    } else if (!job->found.has_direction &&
               job->body.direction != CLOSURES_BOTH) {
        reply_parameter(rq, "direction",
                        "which way is forward is known between two streets "
                        "only (and of ways)");
        err = PT_E_RANGE;
    } else {
        err = store(job);
        if (err != PT_OK)
            reply_no_database(rq);
    }
    if (err != PT_OK)
        answer_job(job);
}

bool request_is_json(struct request *rq)
{
    const char *type = rq->content_type;
    size_t length = strlen(PLAIN_JSON);

    if (type != NULL && strncasecmp(type, PLAIN_JSON, length) == 0 &&
        strchr("; \t", type[length]) != NULL)
        return true;
    reply_problem(rq, PROBLEM_TYPE, "Content-Type: " PLAIN_JSON);
    return false;
}

void answer_close(struct request *rq)
{
    const struct roads *roads = dispatch_roads(rq->http->dispatch);
    struct closure_body body;
    struct body_fault fault;

    if (!request_is_json(rq))
        return;
    if (!closure_body_parse(rq->body, rq->body_bytes, http_wall_ms(), &body,
                            &fault)) {
        reply_parameter(rq, fault.member, fault.what);
        return;
    }
    if (roads == NULL) {
        reply_problem(rq, PROBLEM_NO_ROADS,
                      "patrolctl roads import brings one in");
        return;
    }
    struct closure_job *job = new_job(rq);
    if (job == NULL)
        return;
    job->body = body;
    job->roads = roads_ref((struct roads *)roads);
    job->work.data = job;
    if (uv_queue_work(rq->http->loop, &job->work, find_work, find_done) != 0) {
        free_job(job);
        reply_problem(rq, PROBLEM_FAILED, "no thread");
        return;
    }
    later_attach(rq, &job->later);
}

void answer_reopen(struct request *rq)
{
    const char *const values[] = {rq->argument};
    uint32_t id = 0;

    if (!params_count(rq->argument, 1, INT32_MAX, &id)) {
        reply_problem(rq, PROBLEM_NO_CLOSURE, "its number is malformed");
        return;
    }
    struct closure_job *job = new_job(rq);
    if (job == NULL)
        return;
    job->removes = true;
    job->closure_id = id;
    job->stage = STORING;
    if (db_query(rq->http->db, remove_sql, 1, values, on_stored, job) !=
        PT_OK) {
        free_job(job);
        reply_no_database(rq);
        return;
    }
    later_attach(rq, &job->later);
}

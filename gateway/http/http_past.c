/* GET /v1/coverage/history: spans of the past, replayed on the pool.
 *
 * A replay may take minutes: who asks waits for HOLD_MS, is then told how far
 * it is (202), and asks the same again. One is under way at a time, a few wait;
 * one that nobody has asked for in UNWANTED_MS is given up. */
#include "http_past.h"
#include "http_rfc3339.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The one under way, and those that wait. */
#define PASTS_MAX 4u
#define HOLD_MS 2000
#define UNWANTED_MS 30000
#define USUAL_MS (7 * HISTORY_DAY_MS)
#define STEP_USUAL_S 300u

/* What is asked; two who ask the same get the same. */
struct past_question {
    int64_t from_ms, to_ms;
    enum history_clock clock;
    int64_t step_s;
};

/* Lives until the pool is done with it. */
struct past_job {
    struct past_job *next; /* http.pasts: the first is under way */
    struct http *http;     /* NULL: has gone */
    struct past_question question;
    uv_work_t work;
    bool under_way;
    struct history_wish wish; /* cleared with it */
    atomic_bool stop;
    atomic_uint done; /* in thousandths */
    _Atomic(const char *) phase;
    struct past_waiter *waiters;
    int64_t wanted_ms; /* loop time: somebody asked, or waited */
    uint32_t run_id;
    enum pt_err err;
    char message[256];
};

/* -------------------------------------------------------------- the answer */
static void answer_waiter(struct http *http, const struct past_job *job,
                          struct past_waiter *waiter)
{
    struct request *rq = waiter->later.request;

    if (rq != NULL && job->err == PT_OK) {
        past_answer(http, job->run_id, waiter);
        return;
    }
    if (rq != NULL) {
        later_take(&waiter->later);
        reply_no_past(rq, job->err, job->message);
        later_done(rq);
    }
    free(waiter);
}

/* ------------------------------------------------------------------ the pool
 */
static bool go_on(void *context, double share, const char *phase)
{
    struct past_job *job = context;

    atomic_store(&job->done, (unsigned)(share * 1000));
    atomic_store(&job->phase, phase);
    return !atomic_load(&job->stop);
}

static void past_work(uv_work_t *work) /* on the pool */
{
    struct past_job *job = work->data;

    job->err = history_run(&job->wish, &job->run_id, job->message,
                           sizeof job->message);
}

static void free_job(struct past_job *job)
{
    past_wish_clear(&job->wish);
    free(job);
}

static void begin_next(struct http *http);

static void past_done(uv_work_t *work, int status)
{
    struct past_job *job = work->data;
    struct http *http = job->http;

    if (status != 0)
        job->err = PT_E_AGAIN;
    while (job->waiters != NULL) {
        struct past_waiter *waiter = job->waiters;
        job->waiters = waiter->next;
        if (http != NULL)
            answer_waiter(http, job, waiter);
        else
            free(waiter);
    }
    if (http != NULL) {
        http->pasts = job->next;
        http->pasts_here--;
        http->pasts_done += job->err == PT_OK;
        begin_next(http);
    }
    free_job(job);
}

static void begin_next(struct http *http)
{
    struct past_job *job = http->pasts;

    if (job == NULL || job->under_way)
        return;
    job->work.data = job;
    job->under_way = true;
    if (uv_queue_work(http->loop, &job->work, past_work, past_done) != 0)
        past_done(&job->work, UV_EIO);
}

/* ---------------------------------------------------------------- the waiting
 */
/* How far it is: 202. */
static void reply_progress(struct request *rq, const struct past_job *job)
{
    struct json *json = reply_json(rq);
    const char *phase = atomic_load(&job->phase);

    jw_object(json, NULL);
    jw_text(json, "state", job->under_way ? "under_way" : "waiting");
    jw_text(json, "phase", job->under_way ? phase : NULL);
    jw_real(json, "share", atomic_load(&job->done) / 1e3, 3);
    jw_time(json, "from", job->question.from_ms);
    jw_time(json, "to", job->question.to_ms);
    jw_object_end(json);
    rq->reply.status = MHD_HTTP_ACCEPTED;
    rq->reply.retry_after_s = 1;
}

/* Those who have waited long enough are told; who left is forgotten. Whether
 * anybody waits still. */
static bool look_at_waiters(struct past_job *job, int64_t now_ms)
{
    struct past_waiter **at = &job->waiters;

    while (*at != NULL) {
        struct past_waiter *waiter = *at;
        if (waiter->later.request != NULL &&
            now_ms - waiter->since_ms < HOLD_MS) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        struct request *rq = later_take(&waiter->later);
        if (rq != NULL) {
            reply_progress(rq, job);
            later_done(rq);
            job->wanted_ms = now_ms;
        }
        free(waiter);
    }
    return job->waiters != NULL;
}

void pasts_every_second(struct http *http)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    for (struct past_job **at = &http->pasts; *at != NULL;) {
        struct past_job *job = *at;
        if (look_at_waiters(job, now_ms))
            job->wanted_ms = now_ms;
        bool unwanted = now_ms - job->wanted_ms >= UNWANTED_MS;
        if (unwanted && job->under_way)
            atomic_store(&job->stop, true);
        if (!unwanted || job->under_way) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        http->pasts_here--;
        free_job(job);
    }
}

/* After later_end_all(): the one under way comes back to nobody. */
void pasts_end_all(struct http *http)
{
    struct past_job *job = http->pasts;

    while (job != NULL) {
        struct past_job *next = job->next;
        job->http = NULL;
        atomic_store(&job->stop, true);
        if (!job->under_way) {
            while (job->waiters != NULL) {
                struct past_waiter *waiter = job->waiters;
                job->waiters = waiter->next;
                free(waiter);
            }
            free_job(job);
        }
        job = next;
    }
    http->pasts = NULL;
    http->pasts_here = 0;
}

/* --------------------------------------------------------------- the question
 */
bool past_clock(struct request *rq, enum history_clock *ret)
{
    const char *typed = params_get(&rq->params, "clock");

    *ret = HISTORY_BY_FIX;
    if (typed == NULL || strcmp(typed, "fix") == 0)
        return true;
    *ret = HISTORY_BY_RECEIVED;
    if (strcmp(typed, "received") == 0)
        return true;
    reply_parameter(rq, "clock", "fix or received is expected");
    return false;
}

static bool read_step(struct request *rq, struct past_question *q)
{
    const char *typed = params_get(&rq->params, "step");
    size_t zones = catalog_zone_count(*rq->http->catalog);
    uint32_t step_s = STEP_USUAL_S;

    if (typed != NULL &&
        (!params_count(typed, 0, 86400, &step_s) || step_s % 60 != 0)) {
        reply_parameter(rq, "step",
                        "0, or whole minutes up to a day, in seconds, are "
                        "expected");
        return false;
    }
    q->step_s = step_s;
    if (step_s > 0 && ((q->to_ms - q->from_ms) / (1000 * q->step_s) + 1) *
                              ((int64_t)zones + 1) >
                          HISTORY_SNAPSHOTS_MAX) {
        reply_parameter(rq, "step",
                        "so many snapshots of so many zones are too many; ask "
                        "for a longer step or a shorter time");
        return false;
    }
    return true;
}

static bool read_question(struct request *rq, struct past_question *q)
{
    int64_t now_ms = http_wall_ms();

    if (!ask_span(rq, USUAL_MS, HISTORY_SPAN_MAX_MS,
                  "past coverage spans at most 92 days", &q->from_ms,
                  &q->to_ms))
        return false;
    if (q->to_ms > now_ms) {
        reply_parameter(rq, q->from_ms > now_ms ? "from" : "to",
                        "it lies in the future");
        return false;
    }
    if (q->from_ms == q->to_ms) {
        reply_parameter(rq, "from", "it is the end, too: the time is empty");
        return false;
    }
    return past_clock(rq, &q->clock) && read_step(rq, q);
}

bool past_wish(struct request *rq, struct history_wish *ret)
{
    const struct http *http = rq->http;
    const struct http_coverage *c = http->coverage;
    struct roads *roads = (struct roads *)dispatch_roads(http->dispatch);
    const struct roads_metric *metric =
        roads == NULL || c == NULL ? NULL : roads_profile(roads, c->profile);

    if (metric == NULL || !roads_prepared(metric)) {
        reply_no_coverage(rq);
        return false;
    }
    *ret = (struct history_wish){
        .conninfo = c->conninfo,
        .coverage = *c->settings,
        .rule = *c->rule,
        .pass_m = c->pass_m,
        .threads = c->history_threads,
        .catalog = catalog_ref(*http->catalog),
        .roads = roads_ref(roads),
        .profile = c->profile,
    };
    return true;
}

void past_wish_clear(struct history_wish *wish)
{
    catalog_free(wish->catalog);
    roads_unref(wish->roads);
}

/* NULL after a problem. */
static struct past_job *new_job(struct request *rq,
                                const struct past_question *q)
{
    struct http *http = rq->http;
    struct past_job **last = &http->pasts;

    if (http->pasts_here >= PASTS_MAX) {
        reply_problem(rq, PROBLEM_BUSY,
                      "%u other times are being replayed or wait", PASTS_MAX);
        return NULL;
    }
    struct past_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return NULL;
    }
    if (!past_wish(rq, &job->wish)) {
        free(job);
        return NULL;
    }
    job->http = http;
    job->question = *q;
    atomic_init(&job->phase, "looking for it");
    job->wish.clock = q->clock;
    job->wish.from_ms = q->from_ms;
    job->wish.to_ms = q->to_ms;
    job->wish.step_s = q->step_s;
    job->wish.progress = go_on;
    job->wish.context = job;
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    http->pasts_here++;
    return job;
}

static struct past_job *find_job(const struct http *http,
                                 const struct past_question *q)
{
    struct past_job *job = http->pasts;

    while (job != NULL &&
           (job->question.from_ms != q->from_ms ||
            job->question.to_ms != q->to_ms ||
            job->question.clock != q->clock ||
            job->question.step_s != q->step_s || atomic_load(&job->stop)))
        job = job->next;
    return job;
}

void answer_coverage_history(struct request *rq)
{
    struct http *http = rq->http;
    const struct catalog_zone *zone;
    const struct catalog_mission *mission;
    struct past_question q;

    if (!read_question(rq, &q) || !request_zone(rq, &zone) ||
        !request_mission(rq, &mission))
        return;
    struct past_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    struct past_job *job = find_job(http, &q);
    if (job == NULL)
        job = new_job(rq, &q);
    if (job == NULL) {
        free(waiter);
        return;
    }
    job->wanted_ms = waiter->since_ms = (int64_t)uv_now(http->loop);
    waiter->zone_id = zone == NULL ? 0 : zone->zone_id;
    waiter->mission_id = mission == NULL ? 0 : mission->mission_id;
    waiter->next = job->waiters;
    job->waiters = waiter;
    later_attach(rq, &waiter->later);
    begin_next(http);
}

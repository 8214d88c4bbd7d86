#include "http_long.h"
#include <stdlib.h>

/* -------------------------------------------------------------- the answer */
static void answer_waiter(struct long_job *job, struct long_waiter *waiter)
{
    struct request *rq = waiter->later.request;

    if (rq != NULL && job->err == PT_OK) {
        job->kind->answer(job, waiter);
        return;
    }
    if (rq != NULL) {
        later_take(&waiter->later);
        job->kind->refuse(rq, job);
        later_done(rq);
    }
    free(waiter);
}

/* ------------------------------------------------------------------ the pool
 */
bool long_go_on(void *context, double share, const char *phase)
{
    struct long_job *job = context;

    atomic_store(&job->done, (unsigned)(share * 1000));
    atomic_store(&job->phase, phase);
    return !atomic_load(&job->stop);
}

static void long_work(uv_work_t *work) /* on the pool */
{
    struct long_job *job = work->data;

    job->kind->run(job);
}

/* Of one that is over. */
static void forget(struct http *http, struct long_job *job)
{
    struct long_job **at = &http->longs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    job->kind->release(job);
}

static void begin_next(struct http *http);

static void long_done(uv_work_t *work, int status)
{
    struct long_job *job = work->data;
    struct http *http = job->http;

    if (status != 0)
        job->err = PT_E_AGAIN;
    job->under_way = false;
    job->over = true;
    while (job->waiters != NULL) {
        struct long_waiter *waiter = job->waiters;
        job->waiters = waiter->next;
        job->heard |= waiter->later.request != NULL;
        if (http != NULL)
            answer_waiter(job, waiter);
        else
            free(waiter);
    }
    if (http == NULL) {
        job->kind->release(job);
        return;
    }
    http->longs_here--;
    http->longs_done += job->err == PT_OK;
    job->wanted_ms = (int64_t)uv_now(http->loop);
    if (!job->kind->kept || job->heard || atomic_load(&job->stop))
        forget(http, job);
    begin_next(http);
}

static void begin_next(struct http *http)
{
    struct long_job *job = http->longs;

    while (job != NULL && job->over)
        job = job->next;
    if (job == NULL || job->under_way)
        return;
    job->work.data = job;
    job->under_way = true;
    if (uv_queue_work(http->loop, &job->work, long_work, long_done) != 0)
        long_done(&job->work, UV_EIO);
}

/* ---------------------------------------------------------------- the waiting
 */
/* How far it is: 202. */
static void reply_progress(struct request *rq, const struct long_job *job)
{
    struct json *json = reply_json(rq);
    const char *phase = atomic_load(&job->phase);

    jw_object(json, NULL);
    jw_text(json, "state", job->under_way ? "under_way" : "waiting");
    jw_text(json, "phase", job->under_way ? phase : NULL);
    jw_real(json, "share", atomic_load(&job->done) / 1e3, 3);
    if (job->kind->about != NULL)
        job->kind->about(json, job);
    jw_object_end(json);
    rq->reply.status = MHD_HTTP_ACCEPTED;
    rq->reply.retry_after_s = 1;
}

/* Those who have waited long enough are told; who left is forgotten. Whether
 * anybody waits still. */
static bool look_at_waiters(struct long_job *job, int64_t now_ms)
{
    struct long_waiter **at = &job->waiters;

    while (*at != NULL) {
        struct long_waiter *waiter = *at;
        if (waiter->later.request != NULL &&
            now_ms - waiter->since_ms < LONG_HOLD_MS) {
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

void longs_every_second(struct http *http)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    for (struct long_job **at = &http->longs; *at != NULL;) {
        struct long_job *job = *at;
        if (look_at_waiters(job, now_ms))
            job->wanted_ms = now_ms;
        bool unwanted = now_ms - job->wanted_ms >=
                        (job->over ? LONG_KEPT_MS : LONG_UNWANTED_MS);
        if (unwanted && job->under_way)
            atomic_store(&job->stop, true);
        if (!unwanted || job->under_way) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        http->longs_here -= !job->over;
        job->kind->release(job);
    }
}

/* After later_end_all(): the one under way comes back to nobody. */
void longs_end_all(struct http *http)
{
    struct long_job *job = http->longs;

    while (job != NULL) {
        struct long_job *next = job->next;
        job->http = NULL;
        atomic_store(&job->stop, true);
        while (!job->under_way && job->waiters != NULL) {
            struct long_waiter *waiter = job->waiters;
            job->waiters = waiter->next;
            free(waiter);
        }
        if (!job->under_way)
            job->kind->release(job);
        job = next;
    }
    http->longs = NULL;
    http->longs_here = 0;
}

/* --------------------------------------------------------------- the question
 */
static struct long_job *find_job(const struct http *http,
                                 const struct long_job *asked)
{
    struct long_job *job = http->longs;

    while (job != NULL &&
           (job->kind != asked->kind || atomic_load(&job->stop) ||
            !job->kind->same(job, asked)))
        job = job->next;
    return job;
}

/* False after a problem. */
static bool add_job(struct request *rq, struct long_job *job)
{
    struct http *http = rq->http;
    struct long_job **last = &http->longs;

    if (http->longs_here >= LONGS_MAX) {
        reply_problem(rq, PROBLEM_BUSY,
                      "%u other times are being replayed or planned, or wait",
                      LONGS_MAX);
        return false;
    }
    job->http = http;
    atomic_init(&job->phase, "looking for it");
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    http->longs_here++;
    return true;
}

void long_ask(struct request *rq, struct long_job *job,
              struct long_waiter *waiter)
{
    struct http *http = rq->http;
    struct long_job *same = find_job(http, job);

    if (same == NULL && !add_job(rq, job)) {
        job->kind->release(job);
        free(waiter);
        return;
    }
    if (same != NULL) {
        job->kind->release(job);
        job = same;
    }
    job->wanted_ms = waiter->since_ms = (int64_t)uv_now(http->loop);
    later_attach(rq, &waiter->later);
    if (job->over) {
        answer_waiter(job, waiter);
        forget(http, job);
        return;
    }
    waiter->next = job->waiters;
    job->waiters = waiter;
    begin_next(http);
}

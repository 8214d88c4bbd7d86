/* GET /v1/coverage/history: spans of the past, replayed on the pool. */
#include "http_past.h"
#include "http_rfc3339.h"
#include <stdlib.h>
#include <string.h>

#define USUAL_MS (7 * HISTORY_DAY_MS)
#define STEP_USUAL_S 300u

/* What is asked; two who ask the same get the same. */
struct past_question {
    int64_t from_ms, to_ms;
    enum history_clock clock;
    int64_t step_s;
    bool at_steps;
};

struct past_job {
    struct long_job job;
    struct past_question question;
    struct history_wish wish; /* cleared with it */
    uint32_t run_id;
};

static bool same(const struct long_job *one, const struct long_job *other)
{
    const struct past_question *a = &((const struct past_job *)one)->question;
    const struct past_question *b = &((const struct past_job *)other)->question;

    return a->from_ms == b->from_ms && a->to_ms == b->to_ms &&
           a->clock == b->clock && a->step_s == b->step_s &&
           a->at_steps == b->at_steps;
}

static void run(struct long_job *job) /* on the pool */
{
    struct past_job *past = (struct past_job *)job;

    job->err = history_run(&past->wish, &past->run_id, job->message,
                           sizeof job->message);
}

static void answer(struct long_job *job, struct long_waiter *waiter)
{
    const struct past_job *past = (const struct past_job *)job;

    past_answer(job->http, past->run_id, (struct past_waiter *)waiter);
}

static void refuse(struct request *rq, const struct long_job *job)
{
    reply_no_past(rq, job->err, job->message);
}

static void about(struct json *json, const struct long_job *job)
{
    const struct past_job *past = (const struct past_job *)job;

    jw_time(json, "from", past->question.from_ms);
    jw_time(json, "to", past->question.to_ms);
}

static void release(struct long_job *job)
{
    past_wish_clear(&((struct past_job *)job)->wish);
    free(job);
}

static const struct long_kind kind = {.same = same,
                                      .run = run,
                                      .answer = answer,
                                      .refuse = refuse,
                                      .about = about,
                                      .release = release};

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

static bool read_follow(struct request *rq, struct past_question *q)
{
    const char *typed = params_get(&rq->params, "follow");

    q->at_steps = typed != NULL && strcmp(typed, "step") == 0;
    if (typed != NULL && !q->at_steps && strcmp(typed, "reports") != 0) {
        reply_parameter(rq, "follow", "reports or step is expected");
        return false;
    }
    if (q->at_steps && q->step_s == 0) {
        reply_parameter(rq, "follow", "without steps there is nothing to see");
        return false;
    }
    return true;
}

bool past_span(struct request *rq, int64_t usual_ms, int64_t *from_ms,
               int64_t *to_ms)
{
    int64_t now_ms = http_wall_ms();

    if (!ask_span(rq, usual_ms, HISTORY_SPAN_MAX_MS,
                  "past coverage spans at most 92 days", from_ms, to_ms))
        return false;
    if (*to_ms > now_ms) {
        reply_parameter(rq, *from_ms > now_ms ? "from" : "to",
                        "it lies in the future");
        return false;
    }
    if (*from_ms == *to_ms) {
        reply_parameter(rq, "from", "it is the end, too: the time is empty");
        return false;
    }
    return true;
}

static bool read_question(struct request *rq, struct past_question *q)
{
    return past_span(rq, USUAL_MS, &q->from_ms, &q->to_ms) &&
           past_clock(rq, &q->clock) && read_step(rq, q) && read_follow(rq, q);
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
    struct past_job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return NULL;
    }
    if (!past_wish(rq, &job->wish)) {
        free(job);
        return NULL;
    }
    job->job.kind = &kind;
    job->question = *q;
    job->wish.clock = q->clock;
    job->wish.from_ms = q->from_ms;
    job->wish.to_ms = q->to_ms;
    job->wish.step_s = q->step_s;
    job->wish.at_steps = q->at_steps;
    job->wish.progress = long_go_on;
    job->wish.context = job;
    return job;
}

void answer_coverage_history(struct request *rq)
{
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
    struct past_job *job = new_job(rq, &q);
    if (job == NULL) {
        free(waiter);
        return;
    }
    waiter->zone_id = zone == NULL ? 0 : zone->zone_id;
    waiter->mission_id = mission == NULL ? 0 : mission->mission_id;
    long_ask(rq, &job->job, &waiter->waiter);
}

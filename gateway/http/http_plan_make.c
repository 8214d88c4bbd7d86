/* POST /v1/coverage/plans: posts by hour of the week and number of units. */
#include "http_plan_body.h"
#include "http_plans.h"
#include "http_rfc3339.h"
#include "http_sought.h"
#include "http_terms.h"
#include "pt_log.h"
#include <stdlib.h>
#include <string.h>

struct plan_job {
    struct long_job job;
    char *asked; /* the body as it came */
    size_t asked_bytes;
    struct plan_body body;
    struct posts_sought sought;
    uint32_t plan_id;
    size_t fault;
};

static bool same(const struct long_job *one, const struct long_job *other)
{
    const struct plan_job *a = (const struct plan_job *)one;
    const struct plan_job *b = (const struct plan_job *)other;

    return a->asked_bytes == b->asked_bytes &&
           memcmp(a->asked, b->asked, a->asked_bytes) == 0;
}

static void release(struct long_job *job)
{
    struct plan_job *plan = (struct plan_job *)job;

    posts_sought_clear(&plan->sought);
    plan_body_clear(&plan->body);
    free(plan->asked);
    free(plan);
}

/* ------------------------------------------------------------------ the pool
 */
static enum pt_err keep(struct plan_job *job, const struct plan *plan,
                        uint64_t began_ns)
{
    const struct posts_sought *sought = &job->sought;
    const struct roads *roads = terms_roads(sought->terms);
    char now[RFC3339_SIZE] = "";
    const struct plan_head head = {
        .name = job->body.name[0] != '\0' ? job->body.name : now,
        .network_id = roads_network_id(roads),
        .profile = job->body.posts.profile[0] != '\0'
                       ? job->body.posts.profile
                       : profile_name(
                             coverage_basis_metrics(terms_live(sought->terms))),
        .unit_count = job->body.unit_count,
        .units = job->body.units,
        .settings = job->body.settings,
        .took_s = (double)(uv_hrtime() - began_ns) / 1e9,
    };
    (void)rfc3339_format(sought->now_ms, now);
    return plan_keep(job->sought.conninfo, &head, plan, &job->plan_id,
                     job->job.message, sizeof job->job.message);
}

static void run(struct long_job *base) /* on the pool */
{
    struct plan_job *job = (struct plan_job *)base;
    struct posts_sought *sought = &job->sought;
    const struct posts_body *posts = &job->body.posts;
    struct plan *plan = NULL;
    uint64_t began_ns = uv_hrtime();
    const struct plan_wish wish = {
        .terms = sought->terms,
        .settings = &sought->settings,
        .now_ms = sought->now_ms,
        .with_closures = job->body.with_closures,
        .profile = posts->profile[0] == '\0' ? NULL : posts->profile,
        .siting = &sought->wish,
        .kept_posts = sought->kept_posts,
        .candidate_posts = sought->candidate_posts,
        .group_count = job->body.group_count,
        .groups = job->body.groups,
        .unit_count = job->body.unit_count,
        .units = job->body.units,
        .limit_ms = (int64_t)1000 * posts->seconds,
        .progress = long_go_on,
        .context = base,
    };

    sought->wish.cancelled = &base->stop;
    base->err = plan_make(&wish, &plan, &job->fault, base->message,
                          sizeof base->message);
    if (base->err == PT_OK)
        base->err = keep(job, plan, began_ns);
    plan_free(plan);
}

/* ---------------------------------------------------------------- the answer
 */
static void answer(struct long_job *job, struct long_waiter *waiter)
{
    plan_answer(job->http, ((struct plan_job *)job)->plan_id, waiter);
}

static void refuse(struct request *rq, const struct long_job *base)
{
    const struct plan_job *job = (const struct plan_job *)base;

    switch (base->err) {
    case PT_E_AGAIN:
        reply_problem(rq, PROBLEM_BUSY, "it was given up");
        return;
    case PT_E_DB:
        pt_log(PT_LOG_WARN, "http: a plan: %s", base->message);
        reply_problem(rq, PROBLEM_DATABASE,
                      "the times of its hours could not be read, or the plan "
                      "not be written");
        return;
    case PT_E_FULL:
        reply_parameter(rq, "",
                        "more than can be planned at once: take fewer hours, "
                        "numbers of units or candidates, or a zone");
        return;
    default:
        reply_not_found(rq, base->err, job->fault, &job->body.posts,
                        &job->sought);
    }
}

static const struct long_kind kind = {.same = same,
                                      .run = run,
                                      .answer = answer,
                                      .refuse = refuse,
                                      .release = release,
                                      .kept = true};

/* --------------------------------------------------------------- the question
 */
static bool read_body(struct request *rq, struct plan_job *job)
{
    struct body_fault fault;
    int turnout_s = (int)rq->http->coverage->rule->turnout_s;

    if (!plan_body_parse(rq->body, rq->body_bytes, turnout_s, &job->body,
                         &fault)) {
        reply_parameter(rq, fault.member, fault.what);
        return false;
    }
    job->asked = malloc(rq->body_bytes);
    if (job->asked == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    memcpy(job->asked, rq->body, rq->body_bytes);
    job->asked_bytes = rq->body_bytes;
    return true;
}

void answer_plan_make(struct request *rq)
{
    if (!request_is_json(rq) || !request_coverage_now(rq))
        return;
    struct plan_job *job = calloc(1, sizeof *job);
    struct long_waiter *waiter = calloc(1, sizeof *waiter);
    if (job == NULL || waiter == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        free(job);
        free(waiter);
        return;
    }
    job->job.kind = &kind;
    if (!read_body(rq, job) ||
        !posts_seek(rq, &job->body.posts, &job->sought)) {
        release(&job->job);
        free(waiter);
        return;
    }
    long_ask(rq, &job->job, waiter);
}

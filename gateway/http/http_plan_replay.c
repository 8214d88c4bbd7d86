/* GET /v1/coverage/plans/{plan_id}/replay: what a plan would have done. */
#include "http_past.h"
#include "http_plans.h"
#include "plan.h"
#include "pt_log.h"
#include <stdlib.h>
#include <string.h>

#define USUAL_MS (28 * HISTORY_DAY_MS)
#define STEP_USUAL_S 300u
#define NEAR_MIN_M 10u
#define NEAR_MAX_M 2000u

struct replay_job {
    struct long_job job;
    /* What is asked, with the wish's span, step and clock. */
    uint32_t plan_id, near_m;
    struct history_wish wish; /* cleared with it */
    /* The answer, and what it is written from. */
    struct json json;
    struct plan *plan;
    struct plan_replay *replay;
    double took_s;
};

static bool same(const struct long_job *one, const struct long_job *other)
{
    const struct replay_job *a = (const struct replay_job *)one;
    const struct replay_job *b = (const struct replay_job *)other;

    return a->plan_id == b->plan_id && a->near_m == b->near_m &&
           a->wish.from_ms == b->wish.from_ms &&
           a->wish.to_ms == b->wish.to_ms && a->wish.clock == b->wish.clock &&
           a->wish.step_s == b->wish.step_s;
}

static void release(struct long_job *base)
{
    struct replay_job *job = (struct replay_job *)base;

    past_wish_clear(&job->wish);
    plan_replay_free(job->replay);
    plan_free(job->plan);
    jw_clear(&job->json);
    free(job);
}

/* --------------------------------------------------------------- the answer */
static void write_side(struct json *json, const char *key,
                       const struct plan_sums *sums, enum plan_side side)
{
    jw_object(json, key);
    jw_real(json, "out_s", sums->out_s[side], 0);
    jw_real(json, "unit_s", sums->unit_s[side], 0);
    if (side == PLAN_REAL)
        jw_null(json, "stood_s");
    else
        jw_real(json, "stood_s", sums->stood_s[side], 0);
    if (side == PLAN_REAL || !(sums->unit_s[side] > 0))
        jw_null(json, "stood_share");
    else
        jw_real(json, "stood_share", sums->stood_s[side] / sums->unit_s[side],
                4);
    jw_object_end(json);
}

static void write_sides(struct json *json, const struct replay_job *job,
                        const struct plan_sums *sums)
{
    jw_object(json, "sides");
    write_side(json, "real", sums, PLAN_REAL);
    write_side(json, "plan", sums, PLAN_PLAN);
    if (job->replay->post_count > 0)
        write_side(json, "posts", sums, PLAN_POSTS);
    else
        jw_null(json, "posts");
    jw_object_end(json);
}

static void write_mean(struct json *json, uint64_t units, uint64_t looks)
{
    if (looks > 0)
        jw_real(json, "units_mean", (double)units / (double)looks, 2);
    else
        jw_null(json, "units_mean");
}

static void write_avoided(struct json *json, const struct replay_job *job)
{
    const double *out_s = job->replay->sums.out_s;

    jw_object(json, "avoided");
    jw_real(json, "beside_real_s", out_s[PLAN_REAL] - out_s[PLAN_PLAN], 0);
    if (job->replay->post_count > 0)
        jw_real(json, "beside_posts_s", out_s[PLAN_POSTS] - out_s[PLAN_PLAN],
                0);
    else
        jw_null(json, "beside_posts_s");
    jw_object_end(json);
}

/* By how much the plan would have mended it. */
struct mended {
    size_t mission;
    double by_s;
};

static int by_mended(const void *left, const void *right)
{
    const struct mended *a = left, *b = right;

    if (a->by_s < b->by_s || a->by_s > b->by_s)
        return a->by_s > b->by_s ? -1 : 1;
    return (a->mission > b->mission) - (a->mission < b->mission);
}

static void write_mended(struct json *json, const struct replay_job *job,
                         size_t index)
{
    const struct catalog_mission *known =
        catalog_mission(job->wish.catalog, index);
    const double *out_s = job->replay->missions[index].out_s;

    jw_object(json, NULL);
    jw_int(json, "mission_id", known->mission_id);
    jw_text(json, "name", known->name);
    jw_text(json, "zone", known->zone == NULL ? NULL : known->zone->name);
    jw_real(json, "real_out_s", out_s[PLAN_REAL], 0);
    jw_real(json, "plan_out_s", out_s[PLAN_PLAN], 0);
    if (job->replay->post_count > 0)
        jw_real(json, "posts_out_s", out_s[PLAN_POSTS], 0);
    else
        jw_null(json, "posts_out_s");
    jw_object_end(json);
}

static void write_missions(struct json *json, const struct replay_job *job)
{
    const struct plan_replay *replay = job->replay;
    struct mended *list = calloc(replay->mission_count + 1, sizeof *list);
    size_t count = 0;

    if (list == NULL) {
        json->failed = true;
        return;
    }
    for (size_t m = 0; m < replay->mission_count; m++) {
        const struct plan_mission *mission = &replay->missions[m];
        if (mission->judged)
            list[count++] = (struct mended){m, mission->out_s[PLAN_REAL] -
                                                   mission->out_s[PLAN_PLAN]};
    }
    qsort(list, count, sizeof *list, by_mended);
    jw_array(json, "missions");
    for (size_t i = 0; i < count; i++)
        write_mended(json, job, list[i].mission);
    jw_array_end(json);
    free(list);
}

static void write_hours(struct json *json, const struct replay_job *job)
{
    jw_array(json, "hours");
    for (unsigned h = 0; h < PLAN_HOURS; h++) {
        const struct plan_hour *hour = &job->replay->hours[h];
        if (hour->looks == 0)
            continue;
        jw_object(json, NULL);
        jw_int(json, "hour", h);
        jw_int(json, "looks", (int64_t)hour->looks);
        write_mean(json, hour->units, hour->looks);
        write_sides(json, job, &hour->sums);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static void write_stood(struct json *json, const struct plan_stood *stood)
{
    jw_real(json, "unit_s", stood->unit_s, 0);
    jw_real(json, "stood_s", stood->stood_s, 0);
    jw_object_end(json);
}

static void write_plan_post(struct json *json, const char *group,
                            unsigned units, const struct plan_post *post)
{
    jw_object(json, NULL);
    jw_text(json, "group", group);
    jw_int(json, "units", units);
    jw_lat_lon(json, post->at);
    jw_text(json, "street", post->street);
    jw_text(json, "name", post->name);
    if (post->post_id > 0)
        jw_int(json, "post_id", post->post_id);
    else
        jw_null(json, "post_id");
}

static void write_plan_posts(struct json *json, const struct replay_job *job)
{
    const struct plan_stood *stood = job->replay->plan_posts;

    for (size_t g = 0; g < job->plan->group_count; g++) {
        const struct plan_group *group = &job->plan->groups[g];
        for (size_t i = 0; i < group->choice_count; i++) {
            const struct plan_choice *choice = &group->choices[i];
            for (size_t p = 0; p < choice->post_count; p++, stood++) {
                if (!(stood->unit_s > 0))
                    continue;
                write_plan_post(json, group->name, choice->units,
                                &choice->posts[p]);
                write_stood(json, stood);
            }
        }
    }
}

static void write_posts(struct json *json, const struct replay_job *job)
{
    jw_array(json, "posts");
    write_plan_posts(json, job);
    for (size_t i = 0; i < job->replay->post_count; i++) {
        const struct catalog_post *post = catalog_post(job->wish.catalog, i);
        jw_object(json, NULL);
        jw_null(json, "group");
        jw_null(json, "units");
        jw_lat_lon(json, post->at);
        jw_null(json, "street");
        jw_text(json, "name", post->name);
        jw_int(json, "post_id", post->post_id);
        write_stood(json, &job->replay->posts[i]);
    }
    jw_array_end(json);
}

static void write_replay(struct replay_job *job) /* on the pool */
{
    const struct plan_replay *replay = job->replay;
    const struct history_wish *wish = &job->wish;
    struct json *json = &job->json;

    jw_object(json, NULL);
    jw_int(json, "plan_id", job->plan_id);
    jw_time(json, "from", wish->from_ms);
    jw_time(json, "to", wish->to_ms);
    jw_text(json, "clock", history_clock_word(wish->clock));
    jw_int(json, "step_s", wish->step_s);
    jw_int(json, "near_m", job->near_m);
    jw_int(json, "level", wish->coverage.level);
    jw_text(json, "time_zone", replay->time_zone);
    jw_int(json, "network_id", roads_network_id(wish->roads));
    jw_text(json, "profile",
            wish->profile != NULL ? wish->profile
                                  : roads_profile_name(wish->roads, 0));
    jw_int(json, "looks", (int64_t)replay->looks);
    jw_int(json, "unplanned_looks", (int64_t)replay->unplanned_looks);
    write_mean(json, replay->units, replay->looks);
    jw_int(json, "posts_in_force", (int64_t)replay->post_count);
    write_sides(json, job, &replay->sums);
    write_avoided(json, job);
    write_missions(json, job);
    write_hours(json, job);
    write_posts(json, job);
    jw_real(json, "took_s", job->took_s, 3);
    jw_object_end(json);
}

static void run(struct long_job *base) /* on the pool */
{
    struct replay_job *job = (struct replay_job *)base;
    uint64_t began_ns = uv_hrtime();

    base->err = plan_load(job->wish.conninfo, job->plan_id, &job->plan,
                          base->message, sizeof base->message);
    const struct plan_replay_wish wish = {
        .history = &job->wish, .plan = job->plan, .near_m = job->near_m};
    if (base->err == PT_OK)
        base->err = plan_replay(&wish, &job->replay, base->message,
                                sizeof base->message);
    job->took_s = (double)(uv_hrtime() - began_ns) / 1e9;
    if (base->err == PT_OK)
        write_replay(job);
}

static void answer(struct long_job *base, struct long_waiter *waiter)
{
    const struct replay_job *job = (const struct replay_job *)base;
    struct request *rq = later_take(&waiter->later);

    if (job->json.failed)
        reply_problem(rq, PROBLEM_FAILED, "the answer could not be written");
    else
        jw_raw(reply_json(rq), NULL, job->json.text, job->json.size);
    later_done(rq);
    free(waiter);
}

static void refuse(struct request *rq, const struct long_job *job)
{
    if (job->err == PT_E_NOTFOUND)
        reply_problem(rq, PROBLEM_NO_PLAN, "there is no plan of that number");
    else
        reply_no_past(rq, job->err, job->message);
}

static const struct long_kind kind = {.same = same,
                                      .run = run,
                                      .answer = answer,
                                      .refuse = refuse,
                                      .release = release,
                                      .kept = true};

/* --------------------------------------------------------------- the question
 */
static bool read_step(struct request *rq, struct history_wish *wish)
{
    const char *typed = params_get(&rq->params, "step");
    uint32_t step_s = STEP_USUAL_S;

    if (typed != NULL &&
        (!params_count(typed, 60, 86400, &step_s) || step_s % 60 != 0)) {
        reply_parameter(rq, "step",
                        "whole minutes up to a day, in seconds, are expected");
        return false;
    }
    wish->step_s = step_s;
    return true;
}

static bool read_question(struct request *rq, struct replay_job *job)
{
    struct history_wish *wish = &job->wish;
    const char *near = params_get(&rq->params, "near_m");

    job->near_m = PLAN_NEAR_M;
    if (near != NULL &&
        !params_count(near, NEAR_MIN_M, NEAR_MAX_M, &job->near_m)) {
        reply_parameter(rq, "near_m", "metres from 10 to 2,000 are expected");
        return false;
    }
    return request_plan(rq, &job->plan_id) &&
           past_span(rq, USUAL_MS, &wish->from_ms, &wish->to_ms) &&
           past_clock(rq, &wish->clock) && read_step(rq, wish);
}

void answer_plan_replay(struct request *rq)
{
    struct replay_job *job = calloc(1, sizeof *job);
    struct long_waiter *waiter = calloc(1, sizeof *waiter);

    if (job == NULL || waiter == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        free(job);
        free(waiter);
        return;
    }
    job->job.kind = &kind;
    if (!past_wish(rq, &job->wish) || !read_question(rq, job)) {
        release(&job->job);
        free(waiter);
        return;
    }
    job->wish.coverage.missions_only = true; /* nothing is asked of streets */
    job->wish.progress = long_go_on;
    job->wish.context = job;
    long_ask(rq, &job->job, waiter);
}

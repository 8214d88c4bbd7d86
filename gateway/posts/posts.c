/* One after the other: a good choice, how good it is, whether there is a
 * better one. */
#include "posts_internal.h"

#include <stdlib.h>
#include <string.h>

struct found { /* the best so far, with the problem's numbers */
    uint32_t *posts;
    size_t count;
    uint64_t covered;
};

static void take(struct found *found, const struct state *state)
{
    for (size_t i = 0; i < state->count; i++)
        found->posts[i] = state->instance->number[state->posts[i]];
    found->count = state->count;
    found->covered = state->covered;
}

/* ------------------------------------------------------------------ the steps
 */
static enum pt_err seek(const struct instance *in, struct pacer *pacer,
                        struct found *found)
{
    struct state *state = NULL;
    enum pt_err err = state_new(in, &state);
    if (err != PT_OK)
        return err;
    search_greedy(state);
    search_exchange(state, pacer);
    err = search_again(state, pacer);
    if (err == PT_OK)
        take(found, state);
    state_free(state);
    return err;
}

static enum pt_err close_gap(const struct instance *less, struct pacer *pacer,
                             struct found *found, struct posts_answer *ret)
{
    struct state *state = NULL;
    uint64_t most = 0;
    bool better = false;
    enum pt_err err = state_new(less, &state);
    if (err == PT_OK)
        err = branch(state, found->covered, pacer, &better, &most, &ret->nodes);
    if (err == PT_OK && better)
        take(found, state);
    if (err == PT_OK && most < ret->bound)
        ret->bound = most;
    state_free(state);
    return err;
}

/* Prices on the demand give a first bound, and rule out most candidates. */
static enum pt_err prove(const struct instance *in, struct pacer *pacer,
                         struct found *found, struct posts_answer *ret)
{
    struct prices *prices = NULL;
    struct instance *less = NULL;
    struct bound bound;
    bool *out = calloc(in->candidates + 1, sizeof(*out));
    bool *kept = calloc(in->candidates + 1, sizeof(*kept));
    enum pt_err err = out == NULL || kept == NULL ? PT_E_NOMEM : PT_OK;
    if (err == PT_OK)
        err = prices_new(in, &prices);
    if (err == PT_OK)
        err = prices_lower(prices, found->covered, pacer, &bound);
    if (err == PT_OK) {
        ret->bound = bound.most;
        prices_rule_out(prices, &bound, found->covered, out, kept);
    }
    if (err == PT_OK && bound.most > found->covered)
        err = instance_reduce(in, out, kept, &less);
    if (less != NULL &&
        less->first[less->candidates] <= pacer->limits->relaxed_pairs)
        err = close_gap(less, pacer, found, ret);
    prices_free(prices);
    instance_free(less);
    free(out);
    free(kept);
    return err;
}

/* ----------------------------------------------------------------- the answer
 */
struct account {
    const struct posts_problem *problem;
    uint32_t *cover; /* by demand */
};

/* Of what a post covers, what has `cover` posts already; `below`: or fewer. */
static uint64_t weight_at(const struct account *a, uint32_t post,
                          uint32_t cover, bool below)
{
    const struct posts_problem *p = a->problem;
    uint64_t sum = 0;
    for (size_t i = p->first[post]; i < p->first[post + 1]; i++) {
        uint32_t d = p->covers[i];
        if (a->cover[d] == cover || (below && a->cover[d] < cover))
            sum += p->weight[d];
    }
    return sum;
}

static void count_post(struct account *a, uint32_t post, bool comes)
{
    const struct posts_problem *p = a->problem;
    for (size_t i = p->first[post]; i < p->first[post + 1]; i++) {
        if (comes)
            a->cover[p->covers[i]]++;
        else
            a->cover[p->covers[i]]--;
    }
}

/* Leaves out what is not needed: where fewer posts do as much, that is worth
 * knowing. */
static void leave_out_idle(struct account *a, struct found *found)
{
    const struct posts_problem *p = a->problem;
    for (size_t i = found->count; i-- > p->kept_count;) {
        if (weight_at(a, found->posts[i], p->fold, false) > 0)
            continue;
        count_post(a, found->posts[i], false);
        memmove(&found->posts[i], &found->posts[i + 1],
                (found->count - i - 1) * sizeof(*found->posts));
        found->count--;
    }
}

/* Puts at `index` who adds most to those before it. */
static void choose_next(const struct account *a, struct found *found,
                        size_t index)
{
    unsigned fold = a->problem->fold;
    size_t best = index;
    struct worth most = {0, 0};
    for (size_t i = index; i < found->count; i++) {
        uint32_t post = found->posts[i];
        struct worth worth = {weight_at(a, post, fold - 1, false),
                              weight_at(a, post, fold - 1, true)};
        if (is_worth_more(worth, most)) {
            most = worth;
            best = i;
        }
    }
    uint32_t post = found->posts[best];
    found->posts[best] = found->posts[index];
    found->posts[index] = post;
}

/* Worked out from the problem itself, not from what the search believes. */
static enum pt_err account_for(const struct posts_problem *problem,
                               struct found *found, struct posts_answer *ret)
{
    struct account a = {
        .problem = problem,
        .cover = calloc(problem->demand_count + 1, sizeof(*a.cover)),
    };
    ret->adds = calloc(found->count + 1, sizeof(*ret->adds));
    ret->holds = calloc(found->count + 1, sizeof(*ret->holds));
    if (a.cover == NULL || ret->adds == NULL || ret->holds == NULL) {
        free(a.cover);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < problem->kept_count; i++)
        found->posts[i] = problem->kept[i];
    for (size_t i = 0; i < found->count; i++)
        count_post(&a, found->posts[i], true);
    leave_out_idle(&a, found);
    memset(a.cover, 0, problem->demand_count * sizeof(*a.cover));
    for (size_t i = 0; i < found->count; i++) {
        if (i >= problem->kept_count)
            choose_next(&a, found, i);
        ret->adds[i] = weight_at(&a, found->posts[i], problem->fold - 1, false);
        ret->covered += ret->adds[i];
        count_post(&a, found->posts[i], true);
    }
    for (size_t i = 0; i < found->count; i++)
        ret->holds[i] = weight_at(&a, found->posts[i], problem->fold, false);
    for (size_t d = 0; d < problem->demand_count; d++)
        ret->total += problem->weight[d];
    free(a.cover);
    return PT_OK;
}

enum pt_err posts_solve(const struct posts_problem *problem,
                        const struct posts_limits *limits,
                        struct posts_answer *ret)
{
    struct pacer pacer = {.limits = limits};
    struct posts_answer answer = {0};
    struct found found = {0};
    struct instance *in = NULL;
    enum pt_err err = instance_new(problem, &in);
    if (err != PT_OK)
        return err;
    found.posts = calloc(in->candidates + 1, sizeof(*found.posts));
    if (found.posts == NULL)
        err = PT_E_NOMEM;
    if (err == PT_OK)
        err = seek(in, &pacer, &found);
    if (err == PT_OK)
        err = prove(in, &pacer, &found, &answer);
    if (err == PT_OK)
        err = account_for(problem, &found, &answer);
    instance_free(in);
    if (err != PT_OK) {
        free(found.posts);
        posts_answer_clear(&answer);
        return err;
    }
    answer.posts = found.posts;
    answer.count = found.count;
    answer.stopped = pacer.stopped;
    /* when there is no gap at all, the prices may say a little less */
    if (answer.bound < answer.covered)
        answer.bound = answer.covered;
    *ret = answer;
    return PT_OK;
}

void posts_answer_clear(struct posts_answer *answer)
{
    free(answer->posts);
    free(answer->adds);
    free(answer->holds);
    *answer = (struct posts_answer){0};
}

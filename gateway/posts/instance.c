/* The problem as it is worked on. */
#include "posts_internal.h"

#include <stdlib.h>
#include <string.h>

void instance_free(struct instance *instance)
{
    if (instance == NULL)
        return;
    free(instance->weight);
    free(instance->first);
    free(instance->covers);
    free(instance->demand_first);
    free(instance->by);
    free(instance->kept);
    free(instance->number);
    free(instance);
}

/* ------------------------------------------------------------------ checks */
static enum pt_err check_lists(const struct posts_problem *p)
{
    if (p->first[0] != 0)
        return PT_E_RANGE;
    for (size_t c = 0; c < p->candidate_count; c++) {
        size_t from = p->first[c], to = p->first[c + 1];
        if (to < from || to > POSTS_PAIRS_MAX)
            return to < from ? PT_E_RANGE : PT_E_FULL;
        for (size_t i = from; i < to; i++)
            if (p->covers[i] >= p->demand_count ||
                (i > from && p->covers[i] <= p->covers[i - 1]))
                return PT_E_RANGE;
    }
    for (size_t i = 0; i < p->kept_count; i++)
        if (p->kept[i] >= p->candidate_count)
            return PT_E_RANGE;
    return PT_OK;
}

static enum pt_err check(const struct posts_problem *p)
{
    uint64_t total = 0;
    if (p->fold < 1 || p->fold > POSTS_FOLD_MAX ||
        p->kept_count > p->post_count)
        return PT_E_RANGE;
    if (p->candidate_count > POSTS_CANDIDATES_MAX ||
        p->demand_count > POSTS_DEMAND_MAX)
        return PT_E_FULL;
    for (size_t i = 0; i < p->demand_count; i++) {
        if (p->weight[i] > POSTS_WEIGHT_MAX - total)
            return PT_E_FULL;
        total += p->weight[i];
    }
    return check_lists(p);
}

/* ------------------------------------------------------- who covers a demand
 */
struct group { /* demand that the same candidates cover */
    uint64_t hash;
    uint32_t demand;
    uint32_t is; /* its number in the instance; UINT32_MAX: left out */
};

struct turned { /* candidates by demand */
    size_t *first;
    uint32_t *by;
};

static enum pt_err turn(size_t candidates, size_t demands, const size_t *first,
                        const uint32_t *covers, struct turned *ret)
{
    ret->first = calloc(demands + 2, sizeof(*ret->first));
    ret->by = malloc((first[candidates] + 1) * sizeof(*ret->by));
    if (ret->first == NULL || ret->by == NULL)
        return PT_E_NOMEM;
    /* first[d + 1] is where the next of d goes, and ends as its end */
    for (size_t i = 0; i < first[candidates]; i++)
        ret->first[covers[i] + 2]++;
    for (size_t d = 0; d < demands; d++)
        ret->first[d + 2] += ret->first[d + 1];
    for (size_t c = 0; c < candidates; c++)
        for (size_t i = first[c]; i < first[c + 1]; i++)
            ret->by[ret->first[covers[i] + 1]++] = (uint32_t)c;
    return PT_OK;
}

static uint64_t hash_of(const struct turned *t, size_t demand)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a, a candidate at a time */
    for (size_t i = t->first[demand]; i < t->first[demand + 1]; i++)
        hash = (hash ^ t->by[i]) * 1099511628211u;
    return hash;
}

static int by_hash(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->demand > y->demand) - (x->demand < y->demand);
}

static bool are_alike(const struct turned *t, uint32_t a, uint32_t b)
{
    size_t n = t->first[a + 1] - t->first[a];
    return t->first[b + 1] - t->first[b] == n &&
           memcmp(&t->by[t->first[a]], &t->by[t->first[b]],
                  n * sizeof(*t->by)) == 0;
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Numbers those that are worked on, by `groups` in the order of their hash;
 * two of one hash that are not alike stay apart, which costs only room. */
static enum pt_err number_demands(struct instance *in, const uint64_t *weight,
                                  const struct turned *t, struct group *groups,
                                  size_t count, uint32_t *is)
{
    in->weight = calloc(count + 1, sizeof(*in->weight));
    if (in->weight == NULL)
        return PT_E_NOMEM;
    for (size_t d = 0; d < count; d++)
        groups[d] =
            (struct group){.hash = hash_of(t, d), .demand = (uint32_t)d};
    if (count > 0)
        qsort(groups, count, sizeof(*groups), by_hash);
    for (size_t i = 0; i < count; i++) {
        uint32_t d = groups[i].demand;
        is[d] = UINT32_MAX;
        if (in->post_count < in->fold || weight[d] == 0 ||
            t->first[d + 1] - t->first[d] < in->fold)
            continue;
        bool is_new = i == 0 || is[groups[i - 1].demand] == UINT32_MAX ||
                      !are_alike(t, groups[i - 1].demand, d);
        is[d] = is_new ? (uint32_t)in->demands++ : is[groups[i - 1].demand];
        in->weight[is[d]] += weight[d];
    }
    for (size_t d = 0; d < in->demands; d++)
        in->unit = divisor(in->weight[d], in->unit);
    return PT_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The candidates' lists with the new numbers, each once. */
static enum pt_err take_lists(struct instance *in, const size_t *first,
                              const uint32_t *covers, const uint32_t *is)
{
    size_t used = 0;
    in->first = calloc(in->candidates + 1, sizeof(*in->first));
    in->covers = malloc((first[in->candidates] + 1) * sizeof(*in->covers));
    if (in->first == NULL || in->covers == NULL)
        return PT_E_NOMEM;
    for (size_t c = 0; c < in->candidates; c++) {
        size_t from = used, kept = used;
        for (size_t i = first[c]; i < first[c + 1]; i++)
            if (is[covers[i]] != UINT32_MAX)
                in->covers[used++] = is[covers[i]];
        if (used > from)
            qsort(&in->covers[from], used - from, sizeof(*in->covers),
                  by_number);
        for (size_t i = from; i < used; i++)
            if (i == from || in->covers[i] != in->covers[i - 1])
                in->covers[kept++] = in->covers[i];
        used = kept;
        in->first[c + 1] = used;
    }
    return PT_OK;
}

/* Once candidates, fold, kept and number are set. */
static enum pt_err fill(struct instance *in, size_t demand_count,
                        const uint64_t *weight, const size_t *first,
                        const uint32_t *covers)
{
    struct turned before = {NULL, NULL}, after = {NULL, NULL};
    struct group *groups = calloc(demand_count + 1, sizeof(*groups));
    uint32_t *is = calloc(demand_count + 1, sizeof(*is));
    enum pt_err err = groups == NULL || is == NULL ? PT_E_NOMEM : PT_OK;
    if (err == PT_OK)
        err = turn(in->candidates, demand_count, first, covers, &before);
    if (err == PT_OK)
        err = number_demands(in, weight, &before, groups, demand_count, is);
    if (err == PT_OK)
        err = take_lists(in, first, covers, is);
    if (err == PT_OK)
        err = turn(in->candidates, in->demands, in->first, in->covers, &after);
    in->demand_first = after.first;
    in->by = after.by;
    free(before.first);
    free(before.by);
    free(groups);
    free(is);
    return err;
}

static struct instance *make(size_t candidates, size_t post_count,
                             unsigned fold)
{
    struct instance *in = calloc(1, sizeof(*in));
    if (in == NULL)
        return NULL;
    in->candidates = candidates;
    in->post_count = post_count < candidates ? post_count : candidates;
    in->fold = fold;
    in->kept = calloc(candidates + 1, sizeof(*in->kept));
    in->number = calloc(candidates + 1, sizeof(*in->number));
    if (in->kept == NULL || in->number == NULL) {
        instance_free(in);
        return NULL;
    }
    return in;
}

enum pt_err instance_new(const struct posts_problem *problem,
                         struct instance **ret)
{
    enum pt_err err = check(problem);
    if (err != PT_OK)
        return err;
    struct instance *in =
        make(problem->candidate_count, problem->post_count, problem->fold);
    if (in == NULL)
        return PT_E_NOMEM;
    for (size_t c = 0; c < in->candidates; c++)
        in->number[c] = (uint32_t)c;
    for (size_t i = 0; i < problem->kept_count; i++) {
        in->kept_count += !in->kept[problem->kept[i]];
        in->kept[problem->kept[i]] = true;
    }
    err = in->kept_count < problem->kept_count
              ? PT_E_RANGE
              : fill(in, problem->demand_count, problem->weight, problem->first,
                     problem->covers);
    if (err != PT_OK) {
        instance_free(in);
        return err;
    }
    *ret = in;
    return PT_OK;
}

enum pt_err instance_reduce(const struct instance *whole, const bool *out,
                            const bool *in, struct instance **ret)
{
    struct instance *less =
        make(whole->candidates, whole->post_count, whole->fold);
    size_t *first = calloc(whole->candidates + 1, sizeof(*first));
    uint32_t *covers =
        calloc(whole->first[whole->candidates] + 1, sizeof(*covers));
    enum pt_err err =
        less == NULL || first == NULL || covers == NULL ? PT_E_NOMEM : PT_OK;
    size_t used = 0;
    if (err == PT_OK)
        less->candidates = 0;
    for (size_t c = 0; err == PT_OK && c < whole->candidates; c++) {
        if (out[c])
            continue;
        size_t from = whole->first[c], n = whole->first[c + 1] - from;
        if (n > 0)
            memcpy(&covers[used], &whole->covers[from], n * sizeof(*covers));
        used += n;
        less->kept[less->candidates] = whole->kept[c] || in[c];
        less->kept_count += whole->kept[c] || in[c];
        less->number[less->candidates] = whole->number[c];
        first[++less->candidates] = used;
    }
    if (err == PT_OK)
        err = fill(less, whole->demands, whole->weight, first, covers);
    free(first);
    free(covers);
    if (err != PT_OK) {
        instance_free(less);
        return err;
    }
    if (less->post_count > less->candidates)
        less->post_count = less->candidates;
    *ret = less;
    return PT_OK;
}

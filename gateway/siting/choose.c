/* Which candidates cover most, by one basis or several. */
#include "siting_internal.h"

#include <stdlib.h>
#include <string.h>

/* The bound's linear relaxation takes seconds beyond. */
#define RELAXED_PAIRS_MAX 400000u
#define BEGINNINGS 40u
#define SEED 1u

/* The parts' demand one behind the other. */
struct choice {
    const struct siting_part *parts;
    size_t part_count;
    const struct siting *whole; /* the first: candidates are the same of all */
    size_t *offset;             /* of a part's demand */
    size_t demand_count, pair_count;
    uint64_t *weight;
    size_t *first;
    uint32_t *covers;
    unsigned *cover; /* by demand: posts that cover it */
    int64_t began_ms, limit_ms;
};

static bool is_cancelled(const struct siting_wish *wish)
{
    return wish->cancelled != NULL && atomic_load(wish->cancelled);
}

static bool is_enough(void *context)
{
    const struct choice *c = context;
    return is_cancelled(c->whole->wish) ||
           siting_clock_ms() - c->began_ms >= c->limit_ms;
}

static void clear(struct choice *c)
{
    free(c->offset);
    free(c->weight);
    free(c->first);
    free(c->covers);
    free(c->cover);
}

/* ------------------------------------------------------------- put together */
static enum pt_err measure(struct choice *c)
{
    c->offset = calloc(c->part_count, sizeof(*c->offset));
    if (c->offset == NULL)
        return PT_E_NOMEM;
    for (size_t p = 0; p < c->part_count; p++) {
        const struct siting *s = c->parts[p].siting;
        if (s->candidate_count != c->whole->candidate_count ||
            c->parts[p].times == 0)
            return PT_E_RANGE;
        c->offset[p] = c->demand_count;
        c->demand_count += s->demand_count;
        c->pair_count += s->pair_count;
    }
    return c->demand_count <= POSTS_DEMAND_MAX &&
                   c->pair_count <= POSTS_PAIRS_MAX
               ? PT_OK
               : PT_E_FULL;
}

static void add_candidate(struct choice *c, size_t candidate)
{
    size_t at = c->first[candidate];
    for (size_t p = 0; p < c->part_count; p++) {
        const struct siting *s = c->parts[p].siting;
        for (size_t i = s->first[candidate]; i < s->first[candidate + 1]; i++)
            c->covers[at++] = (uint32_t)c->offset[p] + s->covers[i];
    }
    c->first[candidate + 1] = at;
}

static enum pt_err put_together(struct choice *c)
{
    enum pt_err err = measure(c);
    if (err != PT_OK)
        return err;
    size_t candidates = c->whole->candidate_count;
    c->weight = calloc(c->demand_count + 1, sizeof(*c->weight));
    c->first = calloc(candidates + 1, sizeof(*c->first));
    c->covers = calloc(c->pair_count + 1, sizeof(*c->covers));
    c->cover = calloc(c->demand_count + 1, sizeof(*c->cover));
    if (c->weight == NULL || c->first == NULL || c->covers == NULL ||
        c->cover == NULL)
        return PT_E_NOMEM;
    for (size_t p = 0; p < c->part_count; p++) {
        const struct siting *s = c->parts[p].siting;
        for (size_t d = 0; d < s->demand_count; d++)
            c->weight[c->offset[p] + d] = s->weight[d] * c->parts[p].times;
    }
    for (size_t i = 0; i < candidates; i++)
        add_candidate(c, i);
    return PT_OK;
}

/* ----------------------------------------------------------------- the answer
 */
static void add_sum(struct siting_sum *sum, const struct siting_part *part,
                    size_t d)
{
    const struct siting *s = part->siting;
    sum->count += part->times;
    sum->length_m += s->demands[d].stop.length_m * part->times;
    sum->weight += (double)s->weight[d] * part->times / SITING_UNITS_OF_WEIGHT;
}

/* `missed` is by mission. */
static void tell_part(const struct choice *c, size_t p, bool *missed,
                      struct siting_answer *ret)
{
    const struct siting_part *part = &c->parts[p];
    const struct siting *s = part->siting;
    for (size_t d = 0; d < s->demand_count; d++) {
        enum siting_kind kind = s->demands[d].kind;
        add_sum(&ret->all[kind], part, d);
        if (c->cover[c->offset[p] + d] >= s->wish->fold)
            add_sum(&ret->within[kind], part, d);
        else if (kind == SITING_MISSION)
            missed[s->demands[d].index] = true;
    }
}

static enum pt_err tell_demand(const struct choice *c,
                               const struct posts_answer *found,
                               struct siting_answer *ret)
{
    size_t missions = c->whole->mission_count;
    bool *missed = calloc(missions + 1, sizeof(*missed));
    ret->missed = calloc(missions + 1, sizeof(*ret->missed));
    if (missed == NULL || ret->missed == NULL) {
        free(missed);
        return PT_E_NOMEM;
    }
    for (size_t p = 0; p < found->count; p++) {
        uint32_t post = found->posts[p];
        for (size_t i = c->first[post]; i < c->first[post + 1]; i++)
            c->cover[c->covers[i]]++;
    }
    for (size_t p = 0; p < c->part_count; p++)
        tell_part(c, p, missed, ret);
    for (size_t m = 0; m < missions; m++)
        if (missed[m])
            ret->missed[ret->missed_count++] = (uint32_t)m;
    free(missed);
    return PT_OK;
}

/* Missions that a candidate has in time, over all parts. */
static size_t missions_of(const struct choice *c, uint32_t candidate)
{
    size_t count = 0;
    for (size_t p = 0; p < c->part_count; p++) {
        const struct siting *s = c->parts[p].siting;
        for (size_t i = s->first[candidate]; i < s->first[candidate + 1]; i++)
            if (s->covers[i] < s->mission_demands)
                count += c->parts[p].times;
    }
    return count;
}

static enum pt_err tell_posts(const struct choice *c,
                              const struct posts_answer *found,
                              struct siting_answer *ret)
{
    ret->posts = calloc(found->count + 1, sizeof(*ret->posts));
    if (ret->posts == NULL)
        return PT_E_NOMEM;
    for (size_t p = 0; p < found->count; p++) {
        const struct candidate *from = &c->whole->candidates[found->posts[p]];
        ret->posts[ret->post_count++] = (struct siting_post){
            .place = from->unit.place,
            .kept = from->kept,
            .index = from->index,
            .adds = (double)found->adds[p] / SITING_UNITS_OF_WEIGHT,
            .holds = (double)found->holds[p] / SITING_UNITS_OF_WEIGHT,
            .missions = missions_of(c, found->posts[p]),
        };
    }
    return PT_OK;
}

static enum pt_err search(struct choice *c, size_t post_count,
                          struct siting_answer *ret)
{
    const struct siting_wish *wish = c->whole->wish;
    uint32_t kept[SITING_POSTS_MAX];
    for (size_t i = 0; i < wish->kept_count; i++)
        kept[i] = (uint32_t)i;
    const struct posts_problem problem = {
        .demand_count = c->demand_count,
        .weight = c->weight,
        .candidate_count = c->whole->candidate_count,
        .first = c->first,
        .covers = c->covers,
        .kept_count = wish->kept_count,
        .kept = kept,
        .post_count = post_count,
        .fold = wish->fold,
    };
    const struct posts_limits limits = {
        .seed = SEED,
        .beginnings = BEGINNINGS,
        .relaxed_pairs = RELAXED_PAIRS_MAX,
        .enough = is_enough,
        .context = c,
    };
    struct posts_answer found = {0};
    enum pt_err err = posts_solve(&problem, &limits, &found);
    if (err == PT_OK && is_cancelled(wish))
        err = PT_E_AGAIN;
    if (err == PT_OK)
        err = tell_posts(c, &found, ret);
    if (err == PT_OK)
        err = tell_demand(c, &found, ret);
    ret->total = (double)found.total / SITING_UNITS_OF_WEIGHT;
    ret->covered = (double)found.covered / SITING_UNITS_OF_WEIGHT;
    ret->bound = (double)found.bound / SITING_UNITS_OF_WEIGHT;
    ret->stopped = found.stopped;
    ret->nodes = found.nodes;
    posts_answer_clear(&found);
    return err;
}

enum pt_err siting_search(const struct siting_part *parts, size_t part_count,
                          size_t post_count, int64_t limit_ms,
                          struct siting_answer *ret)
{
    struct choice c = {.parts = parts,
                       .part_count = part_count,
                       .whole = parts[0].siting,
                       .began_ms = siting_clock_ms(),
                       .limit_ms = limit_ms};
    struct siting_answer answer = {0};
    if (post_count < 1 || post_count > SITING_POSTS_MAX ||
        c.whole->wish->kept_count > post_count)
        return PT_E_RANGE;
    enum pt_err err = put_together(&c);
    if (err == PT_OK)
        err = search(&c, post_count, &answer);
    answer.candidate_count = c.whole->candidate_count;
    answer.spacing_m = c.whole->spacing_m;
    answer.off_road = c.whole->off_road;
    answer.matrix_ms = c.whole->matrix_ms;
    answer.search_ms = siting_clock_ms() - c.began_ms;
    clear(&c);
    if (err == PT_OK)
        *ret = answer;
    else
        siting_clear(&answer);
    return err;
}

enum pt_err siting_run(const struct siting_wish *wish,
                       struct siting_answer *ret, size_t *fault)
{
    struct siting *siting;
    enum pt_err err = siting_new(wish, &siting, fault);
    if (err != PT_OK)
        return err;
    const struct siting_part part = {.siting = siting, .times = 1};
    err = siting_search(&part, 1, wish->post_count,
                        wish->limit_ms - siting->matrix_ms, ret);
    siting_free(siting);
    return err;
}

void siting_clear(struct siting_answer *answer)
{
    free(answer->posts);
    free(answer->missed);
    *answer = (struct siting_answer){0};
}

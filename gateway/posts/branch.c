/* Branching on the relaxation: depth first, the post that is most in doubt is
 * there, then it is not. What cannot be better than the best is left. */
#include "posts_internal.h"

#include <math.h>
#include <stdlib.h>

#define WHOLE 1e-6 /* a share that is no farther from 0 or 1 */

struct level {
    uint32_t candidate;
    bool turned;   /* in was tried, it is out now */
    uint64_t most; /* of what is below it, either way */
};

struct tree {
    const struct instance *instance;
    struct relaxed *relaxed;
    struct pacer *pacer;
    struct state *best, *trial;
    uint64_t covered; /* to be bettered */
    bool better;
    struct level *levels;
    size_t depth;
    uint64_t left; /* the most of nodes that could not be solved */
    unsigned nodes;
};

/* ----------------------------------------------------------- a choice from it
 */
static uint32_t greatest(const struct state *s, const double *share)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t c = 0; c < s->instance->candidates; c++)
        if (!s->in[c] && share[c] > WHOLE &&
            (best == UINT32_MAX || share[c] > share[best]))
            best = c;
    return best;
}

/* The posts of which there is most. */
static void try_rounded(struct tree *t, const double *share)
{
    struct state *s = t->trial;
    while (s->count > t->instance->kept_count)
        state_remove(s, s->count - 1);
    uint32_t next = greatest(s, share);
    while (s->count < t->instance->post_count && next != UINT32_MAX) {
        state_add(s, next);
        next = greatest(s, share);
    }
    search_greedy(s);
    if (t->nodes == 1 || s->covered > t->covered)
        search_exchange(s, t->pacer);
    if (s->covered <= t->covered)
        return;
    t->covered = s->covered;
    t->better = true;
    state_copy(t->best, s);
}

/* ------------------------------------------------------------------- the tree
 */
static bool is_fixed(const struct tree *t, uint32_t candidate)
{
    if (t->instance->kept[candidate])
        return true;
    for (size_t i = 0; i < t->depth; i++)
        if (t->levels[i].candidate == candidate)
            return true;
    return false;
}

/* UINT32_MAX: all posts are fixed. Where none is in doubt the relaxation can
 * still cover more than its posts do when two and more are needed: then the
 * one of which there is most. */
static uint32_t most_in_doubt(const struct tree *t, const double *share)
{
    uint32_t chosen = UINT32_MAX, greatest_free = UINT32_MAX;
    size_t in_count = t->instance->kept_count;
    double least = 0.5 - WHOLE;
    for (size_t i = 0; i < t->depth; i++)
        in_count += !t->levels[i].turned;
    if (in_count >= t->instance->post_count)
        return UINT32_MAX;
    for (uint32_t c = 0; c < t->instance->candidates; c++) {
        double off = fabs(share[c] - 0.5);
        if (off < least) {
            least = off;
            chosen = c;
        }
        if (chosen == UINT32_MAX && !is_fixed(t, c) &&
            (greatest_free == UINT32_MAX || share[c] > share[greatest_free]))
            greatest_free = c;
    }
    return chosen != UINT32_MAX ? chosen : greatest_free;
}

static void descend(struct tree *t, uint32_t candidate, uint64_t most)
{
    t->levels[t->depth++] =
        (struct level){.candidate = candidate, .most = most};
    relaxed_fix(t->relaxed, candidate, FIX_IN);
}

/* To the next that may hold something better; false: there is none. */
static bool turn_back(struct tree *t)
{
    while (t->depth > 0) {
        struct level *level = &t->levels[t->depth - 1];
        if (!level->turned && level->most > t->covered) {
            level->turned = true;
            relaxed_fix(t->relaxed, level->candidate, FIX_OUT);
            return true;
        }
        relaxed_fix(t->relaxed, level->candidate, FIX_FREE);
        t->depth--;
    }
    return false;
}

/* Solves the node it stands at, and goes on to the next. */
static enum pt_err visit(struct tree *t, bool *more)
{
    const double *share = NULL;
    struct bound bound;
    bool solved = false;
    enum pt_err err =
        relaxed_solve(t->relaxed, t->pacer, &solved, &share, &bound);
    if (err != PT_OK)
        return err;
    t->nodes++;
    /* the whole cannot be better than what it is part of */
    if (t->depth > 0 && t->levels[t->depth - 1].most < bound.most)
        bound.most = t->levels[t->depth - 1].most;
    if (solved && bound.most > t->covered)
        try_rounded(t, share);
    uint32_t doubtful = solved && bound.most > t->covered
                            ? most_in_doubt(t, share)
                            : UINT32_MAX;
    if (doubtful != UINT32_MAX) {
        descend(t, doubtful, bound.most);
        *more = true;
        return PT_OK;
    }
    /* with all posts fixed what they cover is known */
    if (!solved && bound.most > t->covered && bound.most > t->left)
        t->left = bound.most;
    *more = turn_back(t);
    return PT_OK;
}

/* Nothing covers more than this, when it is left where it stands. */
static uint64_t most_of(const struct tree *t, bool more)
{
    uint64_t most = t->covered > t->left ? t->covered : t->left;
    for (size_t i = 0; more && i < t->depth; i++) {
        /* the last one's is that of the node itself, too */
        bool open = !t->levels[i].turned || i + 1 == t->depth;
        if (open && t->levels[i].most > most)
            most = t->levels[i].most;
    }
    return most;
}

enum pt_err branch(struct state *best, uint64_t covered, struct pacer *pacer,
                   bool *better, uint64_t *most, unsigned *nodes)
{
    struct tree t = {
        .instance = best->instance,
        .pacer = pacer,
        .best = best,
        .covered = covered,
        .levels = calloc(best->instance->candidates + 1, sizeof(*t.levels)),
    };
    bool more = true;
    enum pt_err err = t.levels == NULL ? PT_E_NOMEM : PT_OK;
    if (err == PT_OK)
        err = state_new(best->instance, &t.trial);
    if (err == PT_OK)
        err = relaxed_new(best->instance, &t.relaxed);
    /* one node at least: what its bound is worth is known only then */
    while (err == PT_OK && more && (t.nodes == 0 || !pacer_enough(pacer)))
        err = visit(&t, &more);
    if (err == PT_OK) {
        *better = t.better;
        *most = most_of(&t, more);
        *nodes = t.nodes;
    }
    relaxed_free(t.relaxed);
    state_free(t.trial);
    free(t.levels);
    return err;
}

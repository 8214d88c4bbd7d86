#ifndef POSTS_H
#define POSTS_H
/* posts: where to stand so that most is in cover (maximal covering location).
 *
 * Of some candidate posts, each of which covers some of the demand (missions,
 * streets, past incidents), those are sought that cover most of its weight
 * together, each demand by `fold` posts at least. A good answer comes from a
 * greedy choice, exchanges of one post for another and new beginnings from a
 * fixed seed. How good it is at least is proved: by prices on the demand
 * (Lagrange multipliers), from a subgradient method and from the linear
 * relaxation as CLP solves it. A bound is always worked out from the prices by
 * this module itself, in exact units of weight, so that it holds whatever
 * tolerance CLP works with. Branching on the relaxation then seeks to close
 * what is left between the two.
 *
 * Knows no roads and no clock. Any thread; each call on its own. Source of
 * the problem: Church and ReVelle, The maximal covering location problem,
 * Papers of the Regional Science Association 32 (1974). */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSTS_CANDIDATES_MAX 20000u
#define POSTS_DEMAND_MAX 300000u
#define POSTS_PAIRS_MAX 16000000u /* candidate covers demand; 16 bytes each */
#define POSTS_FOLD_MAX 3u
#define POSTS_WEIGHT_MAX 1000000000000u /* of all demand together */

/* Borrowed while posts_solve() runs. */
struct posts_problem {
    size_t demand_count;
    const uint64_t *weight; /* of each demand, in units of the caller's */
    size_t candidate_count;
    /* Candidate c covers covers[first[c]] to covers[first[c + 1] - 1], numbers
     * of demand in rising order. */
    const size_t *first;
    const uint32_t *covers;
    size_t kept_count; /* candidates that are posts in any case, each once */
    const uint32_t *kept;
    size_t post_count; /* at most so many posts, the kept ones among them */
    unsigned fold;     /* 1 to POSTS_FOLD_MAX */
};

struct posts_limits {
    uint64_t seed;
    unsigned beginnings; /* of the exchange, beside the greedy one */
    /* The linear relaxation is set up for so many pairs of candidate and
     * demand at most, once what cannot be in a better answer is left out;
     * beyond it the bound is that of the subgradient method. */
    size_t relaxed_pairs;
    /* True: the answer found so far will do, and its bound. Asked every few
     * milliseconds; NULL: never. */
    bool (*enough)(void *context);
    void *context;
};

struct posts_answer {
    size_t count;    /* fewer than asked for when more would add nothing */
    uint32_t *posts; /* kept ones first, then who adds most to those before */
    uint64_t *adds;  /* by each to those before it */
    uint64_t *holds; /* what would fall out of cover without it alone */
    uint64_t total, covered;
    uint64_t bound; /* nobody can cover more; covered: it is the best */
    bool stopped;   /* `enough` said so */
    unsigned nodes; /* of the branching; 1: the relaxation was enough */
};

/* PT_E_RANGE: numbers out of range, a list not in rising order, more kept than
 * posts; PT_E_FULL: larger than the limits above; PT_E_NOMEM. The caller gives
 * `ret` to posts_answer_clear(). */
PT_MUST_CHECK enum pt_err posts_solve(const struct posts_problem *problem,
                                      const struct posts_limits *limits,
                                      struct posts_answer *ret);
void posts_answer_clear(struct posts_answer *answer); /* cleared is fine */

#endif

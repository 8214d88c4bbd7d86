#ifndef POSTS_INTERNAL_H
#define POSTS_INTERNAL_H
/* What the files of posts share.
 *
 * instance.c  the problem as it is worked on: what is alike made one
 * state.c     a choice of posts, and what a change to it would bring
 * search.c    greedy, exchange, new beginnings
 * prices.c    bounds from prices on the demand, and what they rule out
 * relaxed.c   the linear relaxation, by CLP
 * branch.c    branching on it
 * posts.c     one after the other */
#include "posts.h"

/* Demand that the same candidates cover is one; what fewer than `fold` cover
 * is left out. Candidates that may still be in a better answer, with the
 * numbers they have in the problem. */
struct instance {
    size_t candidates, demands, post_count;
    unsigned fold;
    uint64_t *weight;     /* by demand */
    uint64_t unit;        /* all weights are multiples of it */
    size_t *first;        /* by candidate: its demand */
    uint32_t *covers;     /* in rising order */
    size_t *demand_first; /* by demand: its candidates */
    uint32_t *by;         /* in rising order */
    bool *kept;           /* by candidate */
    size_t kept_count;
    uint32_t *number; /* by candidate: in the problem */
};

PT_MUST_CHECK enum pt_err instance_new(const struct posts_problem *problem,
                                       struct instance **ret);
/* Without the candidates that are `out`, and with those that are `in` kept. */
PT_MUST_CHECK enum pt_err instance_reduce(const struct instance *whole,
                                          const bool *out, const bool *in,
                                          struct instance **ret);
void instance_free(struct instance *instance);

/* ------------------------------------------------------------- a choice */
/* What a candidate would add, or takes with it when it goes: weight in cover,
 * and among equals weight that is one post nearer to it. */
struct worth {
    uint64_t covered, nearer;
};

struct state {
    const struct instance *instance;
    uint32_t *posts; /* in the order they came in; kept ones first */
    size_t count;
    bool *in;        /* by candidate */
    uint32_t *cover; /* by demand: posts that cover it */
    struct worth *worth;
    uint64_t covered;
};

/* The kept ones are in. */
PT_MUST_CHECK enum pt_err state_new(const struct instance *instance,
                                    struct state **ret);
void state_free(struct state *state);
void state_add(struct state *state, uint32_t candidate);
void state_remove(struct state *state, size_t index); /* of `posts` */
/* The same posts; both of one instance. */
void state_copy(struct state *to, const struct state *from);

static inline bool is_worth_more(struct worth a, struct worth b)
{
    return a.covered > b.covered ||
           (a.covered == b.covered && a.nearer > b.nearer);
}

/* --------------------------------------------------------------- searching */
struct pacer { /* when to stop */
    const struct posts_limits *limits;
    bool stopped;
};
bool pacer_enough(struct pacer *pacer);

/* From the kept ones to a choice that no exchange of one post betters. */
void search_greedy(struct state *state);
void search_exchange(struct state *state, struct pacer *pacer);
PT_MUST_CHECK enum pt_err search_again(struct state *best, struct pacer *pacer);

/* ------------------------------------------------------------------ prices */
/* A demand is in cover when its row holds; `without` up to two candidates that
 * row leaves out: whichever fold - 1 are there, one more is needed. */
struct row {
    uint32_t demand;
    uint32_t without_count;
    uint32_t without[POSTS_FOLD_MAX - 1];
};

/* What each candidate is worth at the prices, and what the bound is of that.
 * Prices are weight for one post that covers. */
struct prices {
    const struct instance *instance;
    size_t row_count; /* beside the one of each demand that leaves none out */
    const struct row *rows;
    double *price;  /* by demand, then by row */
    double *charge; /* by demand: its rows' prices, as often as they need */
    double *worth;  /* by candidate */
};

/* A candidate may be fixed: in or out; else free. */
enum fix { FIX_FREE, FIX_IN, FIX_OUT };

struct bound {
    uint64_t most; /* nothing that fits the fixes covers more */
    double value;
    /* Of the free: the least worth of those that it takes, and the most of
     * those that it leaves. */
    double last_in, first_out;
};

PT_MUST_CHECK enum pt_err prices_new(const struct instance *instance,
                                     struct prices **ret);
void prices_free(struct prices *prices);
/* After `price` was set: prices below 0 count as 0. `fix` is by candidate. */
PT_MUST_CHECK enum pt_err prices_bound(struct prices *prices,
                                       const enum fix *fix, struct bound *ret);
/* By the subgradient method: prices with a low bound, which is `ret`. */
PT_MUST_CHECK enum pt_err prices_lower(struct prices *prices, uint64_t covered,
                                       struct pacer *pacer, struct bound *ret);
/* What at these prices cannot be in, or be missing in, an answer that covers
 * more than `covered`. */
void prices_rule_out(const struct prices *prices, const struct bound *bound,
                     uint64_t covered, bool *out, bool *in);

/* ------------------------------------------------------------- relaxation */
struct relaxed;
PT_MUST_CHECK enum pt_err relaxed_new(const struct instance *instance,
                                      struct relaxed **ret);
void relaxed_free(struct relaxed *relaxed);
void relaxed_fix(struct relaxed *relaxed, uint32_t candidate, enum fix fix);
/* `share` by candidate: 0 to 1; the bound is that of CLP's prices under the
 * fixes. False: stopped before it was solved; the bound holds all the same,
 * and `share` means nothing. */
PT_MUST_CHECK enum pt_err relaxed_solve(struct relaxed *relaxed,
                                        struct pacer *pacer, bool *solved,
                                        const double **share,
                                        struct bound *ret);

/* Seeks what covers more than `covered`; `better`: `best` is that, found. Of
 * this instance nothing covers more than `most`, which is `covered` at least.
 */
PT_MUST_CHECK enum pt_err branch(struct state *best, uint64_t covered,
                                 struct pacer *pacer, bool *better,
                                 uint64_t *most, unsigned *nodes);

#endif

#ifndef SITING_H
#define SITING_H
/* siting: which posts cover most, by road: the missions, streets and points
 * that a unit standing by at each candidate would reach within the promise, as
 * live coverage has it (coverage.h), given to the search for the best of them
 * (posts.h).
 *
 * What weights: a mission, a kilometre of street, a point each have one, to
 * thousandths. Candidates are points given, or any street: then pieces of
 * street are taken so that none is nearer to another one taken than a spacing,
 * and every other is nearer than that to one.
 *
 * On the pool, one thread each. */
#include "coverage.h"
#include "posts.h"
#include "pt_err.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITING_POSTS_MAX 100u
#define SITING_GIVEN_MAX 2000u   /* candidates */
#define SITING_STREETS_MAX 3000u /* likewise, when any street is one */
#define SITING_POINTS_MAX 2000u
#define SITING_SPACING_MIN_M 20.0
#define SITING_SPACING_MAX_M 20000.0
#define SITING_WEIGHT_MAX 1000000.0

struct siting_point {
    struct geo_point at;
    double weight; /* 0 to SITING_WEIGHT_MAX; of a candidate unused */
};

struct siting_weight {
    uint32_t mission_id;
    double weight;
};

/* Borrowed while siting_run() runs. */
struct siting_wish {
    struct coverage_basis *basis; /* filled */
    uint32_t late_ms;             /* from the order until a unit drives */
    size_t post_count;            /* with the kept ones */
    unsigned fold;                /* 1 to COVERAGE_FOLD units in time */

    size_t kept_count; /* where units stand by in any case */
    const struct siting_point *kept;
    size_t candidate_count; /* 0: any street */
    const struct siting_point *candidates;
    double spacing_m;      /* of any street; 0: as few metres as the most
                              candidates allow */
    size_t candidates_max; /* of any street */

    const struct catalog_zone *zone; /* what counts lies in it, and where any
                                        street may be a post; NULL: anywhere */
    double mission_weight, km_weight;
    size_t weight_count; /* of missions that weigh otherwise */
    const struct siting_weight *weights;
    size_t point_count;
    const struct siting_point *points;

    int64_t limit_ms; /* after so long the best found so far is the answer */
    const atomic_bool *cancelled; /* nobody waits; NULL: not to be known */
};

enum siting_kind { SITING_MISSION, SITING_POINT, SITING_STREET, SITING_KINDS };

struct siting_sum {  /* of what has a promise and a weight */
    size_t count;    /* missions, points, pieces of street */
    double length_m; /* of streets */
    double weight;
};

struct siting_post {
    struct roads_place place;
    bool kept;
    size_t index; /* in `kept` or `candidates`; of any street: no meaning */
    double adds, holds; /* weight; see posts.h */
    size_t missions;    /* in time of it, whoever else is */
};

struct siting_answer {
    size_t post_count;
    struct siting_post *posts;
    size_t candidate_count; /* that were looked at, the kept ones among them */
    double spacing_m;       /* of any street; 0: they were given */
    double total, covered, bound; /* weight; see posts.h */
    struct siting_sum all[SITING_KINDS], within[SITING_KINDS];
    size_t missed_count; /* missions that are not covered, by index */
    uint32_t *missed;
    size_t off_road; /* missions and points that no road leads to */
    bool stopped;    /* the time was over */
    unsigned nodes;
    int64_t matrix_ms, search_ms; /* what it took */
};

/* PT_E_RANGE: a number out of range; PT_E_OFFROAD: `*fault` is the index of
 * what is too far from any road, of `kept`, or of `candidates` after those;
 * PT_E_FULL: candidates cover more together than POSTS_PAIRS_MAX; PT_E_AGAIN:
 * cancelled, or the time was over before there was an answer; PT_E_NOMEM. The
 * caller gives `ret` to siting_clear(). */
PT_MUST_CHECK enum pt_err siting_run(const struct siting_wish *wish,
                                     struct siting_answer *ret, size_t *fault);
void siting_clear(struct siting_answer *answer); /* cleared is fine */

/* The same in two steps, for several searches: what each candidate covers by
 * the wish's basis, which is not needed afterwards; all else of the wish is
 * borrowed while there is a siting. Its post_count does not matter, but that
 * the kept ones are no more. */
struct siting;
PT_MUST_CHECK enum pt_err siting_new(const struct siting_wish *wish,
                                     struct siting **ret, size_t *fault);
void siting_free(struct siting *siting);          /* NULL is fine */
size_t siting_bytes(const struct siting *siting); /* of memory */
/* Whether every candidate covers the same by both bases. */
bool siting_same(const struct siting *a, const struct siting *b);

/* Several hours at once: what is in cover by each, so many times over. */
struct siting_part {
    const struct siting *siting; /* of one wish but for its basis */
    unsigned times;              /* 1 at least */
};
/* Posts that cover most by all parts together: all sums of the answer are over
 * the parts and their times; `missed` are those that are not covered by some
 * part. One part at least. Errors as above; PT_E_RANGE, too: parts of other
 * candidates. */
PT_MUST_CHECK enum pt_err siting_search(const struct siting_part *parts,
                                        size_t part_count, size_t post_count,
                                        int64_t limit_ms,
                                        struct siting_answer *ret);

/* The middles of pieces of street in `zone` (NULL: anywhere), no two nearer to
 * each other than the spacing and no other piece farther than it from one;
 * `*spacing_m` 0: the least of 20 m and up by quarters of which there are no
 * more than `max`. The caller frees `ret`. PT_E_FULL: a given spacing makes
 * more. */
PT_MUST_CHECK enum pt_err siting_sample(const struct coverage_basis *basis,
                                        const struct catalog_zone *zone,
                                        size_t max, double *spacing_m,
                                        struct roads_place **ret,
                                        size_t *count);

#endif

#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H
/* What the files of plan share.
 *
 * make.c    the searches
 * keep.c    plans in the database
 * stand.c   what posts have in time, by the tables of a moment
 * replay.c  the past, beside what it would have been */
#include "plan.h"

/* Posts that are manned: which of a list, and the missions out of cover then.
 */
struct stand {
    bool known; /* else it is still to be found */
    size_t count;
    size_t *posts; /* indexes into the list */
    bool *out;     /* by mission; only of those that are judged */
};

/* What is known by one basis, of which one is counted. */
struct stands {
    struct coverage_basis *basis; /* NULL: it is free */
    uint64_t used;                /* when */
    size_t plan_count;            /* choices of all groups, in their order */
    struct stand *plan;
    size_t force_count; /* by number of units: 0 to as many as there are */
    struct stand *force;
};

PT_MUST_CHECK enum pt_err stands_begin(struct stands *stands,
                                       struct coverage_basis *basis,
                                       size_t plan_count, size_t force_count);
void stands_clear(struct stands *stands); /* zeroed is fine */

/* All of these points. */
PT_MUST_CHECK enum pt_err stand_at_all(struct stand *stand,
                                       struct coverage_basis *basis,
                                       const struct history_wish *history,
                                       const struct geo_point *points,
                                       size_t count);
/* Of these points those that hold most missions together. */
PT_MUST_CHECK enum pt_err stand_at_best(struct stand *stand,
                                        struct coverage_basis *basis,
                                        const struct history_wish *history,
                                        const struct geo_point *points,
                                        size_t count, size_t units);

#endif

#ifndef SPREAD_INTERNAL_H
#define SPREAD_INTERNAL_H
/* What the two halves of a spread share: spread.c and near.c. */
#include "roads_internal.h"

/* Who stands on an edge may turn off at its ends: the arcs that it then goes
 * on to, each with the drive to its start. */
typedef void (*roads_leaving)(void *context, uint32_t arc, uint32_t drive_ms);
void roads_leave(const struct roads_metric *metric,
                 const struct roads_stand *stand, roads_leaving call,
                 void *context);
/* The same from an arc's end, `left_ms` from where the drive began. */
void roads_turn_off(const struct roads_metric *metric, uint32_t arc,
                    uint32_t left_ms, roads_leaving call, void *context);

/* ------------------------------------------------------ around the corner */
/* Arcs that a slot comes to before it has the whole of a start to add. */
struct near_arc {
    uint32_t slot;
    uint32_t drive_ms; /* to the arc's start */
    uint32_t next;     /* of the same arc; ROADS_NONE */
    uint32_t arc;
};

struct near {
    const struct roads *roads;
    uint32_t *first; /* for each arc, of found; ROADS_NONE */
    size_t count, room;
    struct near_arc *found;
    uint32_t *settled; /* for each arc: by which search */
    uint32_t search;   /* the last */
    size_t queued, queue_room;
    uint64_t *queue; /* a heap: time << 32 | arc */
};

PT_MUST_CHECK enum pt_err roads_near_new(const struct roads *roads,
                                         struct near *ret);
void roads_near_clear(struct near *near);
void roads_near_forget(struct near *near);
PT_MUST_CHECK enum pt_err roads_near_from(struct near *near,
                                          const struct roads_metric *metric,
                                          const struct roads_stand *stand,
                                          uint32_t slot, uint32_t start_ms,
                                          uint32_t share);

/* The fold that every street is told of; others are a little slower. */
#define ROADS_USUAL_K 3u

struct roads_spread {
    struct roads *roads;
    struct roads_metric *metric; /* of the last run; NULL: none yet */
    size_t k;
    uint32_t start_ms, share;
    uint32_t limit_ms;
    uint64_t nobody; /* as a label: after all that are within the limit */
    /* time << 32 | slot, k for each rank, ascending, and once more as one that
     * nobody comes to */
    uint64_t *labels;
    uint64_t *touched; /* a bit for each rank: somebody comes to it */
    size_t max_slots;
    uint64_t *taken;   /* a bit for each slot: it was in the last run */
    uint32_t *late_ms; /* for each slot */
    struct near near;
};

#endif

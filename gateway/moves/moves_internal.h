#ifndef MOVES_INTERNAL_H
#define MOVES_INTERNAL_H
/* What the files of moves share.
 *
 * search.c  sets of moves, tried in order of their number; knows no roads
 * moves.c   who is in time where, and on the way */
#include "moves.h"

/* Bits of missions, `words` words a row. */
struct moves_problem {
    size_t missions, words;
    unsigned level;
    size_t most;
    size_t units;
    const uint64_t *now; /* by unit: in time now */
    const bool *may_move;
    size_t places;
    size_t classes;           /* of units that are equally late */
    const uint32_t *class_of; /* by unit */
    const uint64_t *there;    /* by class and place: in time from there */
    /* By unit and place: until it stands there; ROADS_NONE: it cannot. */
    const uint32_t *arrive_ms;
    const uint64_t *promised; /* missions that count */
    /* What a unit has in time all along its way: `words` words. False: not
     * known. Asked once for each that it may depend on. */
    bool (*on_way)(void *context, uint32_t unit, uint32_t place, uint64_t *ret);
    bool (*enough)(void *context); /* asked now and then */
    void *context;
};

struct moves_found {
    size_t count;
    uint32_t unit[MOVES_MAX], place[MOVES_MAX];
    bool complete, stopped;
};

/* `lacking` and `beyond`: bits of missions, written. */
PT_MUST_CHECK enum pt_err moves_search(const struct moves_problem *problem,
                                       uint64_t *lacking, uint64_t *beyond,
                                       struct moves_found *ret);

static inline bool moves_has(const uint64_t *bits, size_t index)
{
    return bits[index / 64] >> (index % 64) & 1;
}

static inline void moves_set(uint64_t *bits, size_t index)
{
    bits[index / 64] |= UINT64_C(1) << (index % 64);
}

#endif

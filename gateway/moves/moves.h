#ifndef MOVES_H
#define MOVES_H
/* moves: the fewest moves of units that bring missions back into cover.
 *
 * A move sends a unit to a place where it then stands by. No mission that has
 * enough units in time now may have too few because of the moves, neither when
 * they are done nor on the way: on its way a unit is counted only for what it
 * has in time all along (looked at every MOVES_STEP_M of its route and at every
 * corner), with the turnout it has now. Missions are restored when as many
 * units as the level asks are in time once all moves are done.
 *
 * Sets of one move, then two, and so on are tried, each to its end, so what is
 * found first is the least; of those of that number the one that is done
 * soonest. Where no set restores all that can be, or that would take more than
 * MOVES_TRIED_MAX tries, those are told that restore most one after the other,
 * and that it is so.
 *
 * On the pool, one thread each. */
#include "coverage.h"
#include "pt_err.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOVES_MAX 5u
#define MOVES_UNITS_MAX 2000u
#define MOVES_PLACES_MAX 400u
#define MOVES_STEP_M 100.0
#define MOVES_TRIED_MAX 20000000u

struct moves_unit {
    struct coverage_unit unit; /* as it counts now */
    uint32_t turnout_ms;       /* of its late_ms what is not its way to the
                                  road */
    bool may_move;
};

/* Borrowed while moves_run() runs. */
struct moves_wish {
    struct coverage_basis *basis; /* filled */
    unsigned level;               /* units in time at each mission: 1..3 */
    size_t most;                  /* moves: 1..MOVES_MAX */
    size_t unit_count;
    const struct moves_unit *units;
    /* Where units may stand by. None: any street from which one that lacks
     * units is in time. */
    size_t place_count;
    const struct coverage_stop *places;
    int64_t limit_ms; /* after so long the best found so far is the answer */
    const atomic_bool *cancelled; /* NULL: not to be known */
};

struct moves_move {
    uint32_t unit; /* index of the wish */
    /* Where it is to stand by; of the wish's places the index, of any street
     * no meaning. */
    struct roads_place to;
    uint32_t place;
    uint32_t arrive_ms; /* from now until it stands there */
    uint32_t drive_ms;
    double distance_m;
    size_t gained_count; /* missions it has in time there and not now */
};

struct moves_answer {
    size_t lacking; /* missions that have too few now, and a promise */
    size_t beyond;  /* of those no unit could be in time from any place */
    size_t count;
    struct moves_move moves[MOVES_MAX];
    size_t restored_count; /* missions by index */
    uint32_t *restored;
    size_t remaining_count; /* lacking still, also those beyond */
    uint32_t *remaining;
    /* All are restored but those beyond, by the fewest moves. Else no set of
     * as many as were allowed does it, unless it was stopped: these restore
     * some. */
    bool complete;
    bool stopped; /* the tries or the time were over */
};

/* PT_E_RANGE: a number out of range; PT_E_AGAIN: cancelled; PT_E_NOMEM. The
 * caller gives `ret` to moves_clear(). */
PT_MUST_CHECK enum pt_err moves_run(const struct moves_wish *wish,
                                    struct moves_answer *ret);
void moves_clear(struct moves_answer *answer); /* cleared is fine */

#endif

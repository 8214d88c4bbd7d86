#ifndef WHATIF_H
#define WHATIF_H
/* whatif: cover as it is now, and beside it as it would be: with units added,
 * taken away, moved or of another status, streets closed or slowed, other
 * promises, by another profile, in another hour of the week.
 *
 * Both are a struct coverage over the same missions, worked out by the code of
 * the live one, which is not touched; only what differs is made anew: nothing
 * for units, the promises over the same time tables, and a metric with its
 * tables for streets, profile and hour.
 *
 * One thread at a time. Memory, beside the two coverages: for another metric
 * once more what coverage.tables_max_mb allows, and a metric a profile. */
#include "closures.h"
#include "coverage.h"
#include "geo.h"
#include "pt_err.h"
#include "roads.h"
#include "terms.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHATIF_CLOSURES_MAX 20u

struct whatif_unit {
    /* As it counts now; edge ROADS_NONE: it does not. */
    struct coverage_unit now;
    /* As it would. */
    bool counts;
    uint32_t turnout_ms;
    int64_t until_ms;         /* UTC; INT64_MAX: it is there by assumption */
    bool placed;              /* at `at`, and not where it stands */
    struct geo_point at;      /* if so */
    struct roads_place stood; /* else; edge ROADS_NONE: nowhere */
};

struct whatif_closure {
    struct closures_wish where; /* what it points to is borrowed */
    bool closed;                /* else slowed, as in struct closure */
    double factor, speed_mps;
    enum closures_direction direction;
};

struct whatif_wish {
    int64_t now_ms; /* UTC */
    struct terms_now in_force;
    const struct coverage_settings *settings; /* of the live one; copied */

    /* Slots of both coverages are indexes. Copied. */
    const struct whatif_unit *units;
    size_t unit_count;
    /* From here on all is borrowed while there is a whatif. */
    const struct whatif_closure *more_closures;
    size_t more_closure_count; /* up to WHATIF_CLOSURES_MAX */
    const struct coverage_promise *promises;
    size_t promise_count;
    int every_promise_s;     /* 0: as they are */
    const char *profile;     /* NULL: as now */
    int hour;                /* of the week, as speeds_load_hour(); TERMS_NOW */
    int64_t limit_ms;        /* after so long no further step is begun ... */
    const atomic_bool *stop; /* ... nor once this is set; NULL: never */
};

struct whatif;

/* Holds what is counted; any thread. */
PT_MUST_CHECK enum pt_err whatif_new(const struct whatif_wish *wish,
                                     struct whatif **ret);
void whatif_free(struct whatif *whatif); /* NULL is fine */

/* On the pool, once: a tenth of a second for a city where the metric stays,
 * else as long as its time tables take. PT_E_NOTFOUND, PT_E_UNREACHABLE,
 * PT_E_RANGE, PT_E_OFFROAD, PT_E_MALFORMED and PT_E_FULL of closures_find() are
 * about the closure of whatif_fault(); where it has none: PT_E_NOTFOUND, there
 * is no such profile; PT_E_FULL, the time tables would be too large; PT_E_DB,
 * the hour's times could not be read; PT_E_AGAIN, it took too long
 * or was stopped. */
PT_MUST_CHECK enum pt_err whatif_run(struct whatif *whatif);

/* The closure at which whatif_run() failed; `found` says why. `direction`: it
 * has one, and its streets have not. */
struct whatif_fault {
    bool at_closure, direction;
    size_t index;
    const struct closures_found *found;
};
struct whatif_fault whatif_fault(const struct whatif *whatif);
/* In words, of PT_E_DB. */
const char *whatif_message(const struct whatif *whatif);

/* After PT_OK, borrowed. */
const struct coverage *whatif_before(const struct whatif *whatif);
const struct coverage *whatif_after(const struct whatif *whatif);
const struct closures_found *whatif_closure(const struct whatif *whatif,
                                            size_t index);
/* Whether the other hour's times were ever learned; else those of the profile
 * count. */
bool whatif_hour_learned(const struct whatif *whatif);

#endif

#ifndef PATROLCTL_PLACES_H
#define PATROLCTL_PLACES_H
/* What the readers of place lists share. */
#include "patrolctl.h"

/* Appends a fault; PT_E_NOMEM. */
__attribute__((format(printf, 3, 4))) PT_MUST_CHECK enum pt_err
ctl_fault(struct ctl_places *places, size_t where, const char *format, ...);

/* What was read of one place, not yet believed. Borrowed; NULL: not there. */
struct ctl_place_draft {
    size_t where;
    const char *name, *kind, *ref;
    bool has_point;
    double lat_deg, lon_deg;
    const char *time_zone;
    long promise_s;
    const char *geometry;
};

/* Checks name and texts and appends a copy, or a fault. */
PT_MUST_CHECK enum pt_err ctl_place_add(struct ctl_places *places,
                                        const struct ctl_place_draft *draft,
                                        size_t limit);

/* Turns places whose key (ref, else name) came before into faults. */
PT_MUST_CHECK enum pt_err ctl_places_once(struct ctl_places *places);

#endif

#ifndef PATROLCTL_CLOSURE_TEXT_H
#define PATROLCTL_CLOSURE_TEXT_H
/* What is closed, in words and by this terminal's clock. */
#include "patrolctl_internal.h"

/* "50%" of the usual speed, or "20km/h". False: neither, or none between. */
bool ctl_parse_slow(const char *text, double *factor, double *speed_mps);

/* "closed", "50 % of the usual speed, forward only": of an object of a
 * closure. Returns `out`. */
const char *ctl_closure_kind(char *out, size_t size, const json_t *closure);
/* "2026-01-31 18:30" of an RFC 3339 time in UTC; "until it is removed" for
 * none. Returns `out`. */
const char *ctl_local_time(char *out, size_t size, const char *time);

/* A line for each closure that an answer names. */
void ctl_print_closures(const json_t *answer);

#endif

#ifndef RECEIVER_INTERNAL_H
#define RECEIVER_INTERNAL_H
/* The pure part of receiver, for receiver.c and its unit test. */
#include "receiver.h"
#include <gps.h>

/* What a TPV of libgps says, as we understand it. A position counts only with
 * mode 2D or 3D, a time and coordinates on the globe; else `mode` is at most
 * RECEIVER_NO_FIX and no flag is set, whatever else the message carries (an
 * old position must not look new). */
void receiver_fix_from_tpv(const struct gps_fix_t *tpv,
                           struct receiver_fix *ret);

/* Is `path` a device we listen to? `wanted` NULL or "": every one is. */
bool receiver_device_is_ours(const char *path, const char *wanted);

/* Does gpsd's list hold one of ours that is active? */
bool receiver_list_has_ours(const struct gps_data_t *data, const char *wanted);

/* -1: not said. */
int receiver_satellites_used(const struct gps_data_t *data);

/* Before the `failures`th try in a row (1 or more): 1 s doubled up to 15 s. */
uint64_t receiver_wait_ms(unsigned failures);

#endif

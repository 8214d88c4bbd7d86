#ifndef TWINS_H
#define TWINS_H
/* twins: two vehicles under one device's name. Pure; loop thread.
 *
 * Each outbox has a random generation, and every report is of one. An outbox
 * that is lost begins another one, and a vehicle without its disk goes on in
 * memory under one of its own and returns to the file's when it can: A, B, and
 * A once more. Two vehicles that throw each other out at the broker come again
 * and again: A, B, A, B. So whoever returns to the generation before the last
 * for the second time within TWINS_WITHIN_MS of one another is two.
 *
 * Only what is newer than all before counts: one vehicle's backlog, of the
 * generation before, may well take turns with what it says now.
 *
 * Copies of one disk have one generation; their numbers collide, and the store
 * tells (repeat_differs) or the outbox draws another generation. */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Agents give way for 60 to 75 s once they know (link.h). */
#define TWINS_WITHIN_MS 600000
/* While it goes on it is told again, but not more often. */
#define TWINS_AGAIN_MS 600000

struct twins;

PT_MUST_CHECK enum pt_err twins_new(size_t max_devices, struct twins **ret);
void twins_free(struct twins *twins); /* NULL is fine */

/* A report of the device came, its newest entry of `newest_ms`, UTC (one that
 * cannot be must not come here: nothing would be newer). `alarm`: there are two
 * of it, and it is time to say so. `now_ms` is of a clock that never goes back.
 * PT_E_FULL beyond max_devices, PT_E_NOMEM: this device is not watched. */
PT_MUST_CHECK enum pt_err twins_hear(struct twins *twins, uint32_t device_id,
                                     uint64_t generation, int64_t newest_ms,
                                     int64_t now_ms, bool *alarm);

#endif

#ifndef PACING_H
#define PACING_H
/* pacing: tells vehicles how closely to report (catalog_unit.pace), and sees
 * from the revision that their state names which settings are in force there.
 * Knows no socket. Loop thread only. */
#include "catalog.h"
#include "fleet.h"
#include "pt_err.h"
#include <stddef.h>
#include <stdint.h>

/* To a vehicle that goes on naming another revision (an older agent never
 * names any) they are said again, but not more often. */
#define PACING_AGAIN_MS 300000

/* Hands a device its settings, to be kept for it by the broker; `size` 0:
 * there are none any more. Anything but PT_OK: it is tried again. */
typedef enum pt_err (*pacing_say)(void *context, const char *device,
                                  const uint8_t *bytes, size_t size);

/* Zeroed to begin with. */
struct pacing {
    uint64_t catalog_generation; /* all units were looked at with this one */
    uint64_t said;
    uint64_t unsaid; /* tries that failed */
    uint64_t behind; /* vehicles met whose settings are newer than ours */
};

/* Tick step: of the units that changed since the last tick (all of them with
 * a new catalog) those whose vehicle names another revision than is wanted
 * are told: at once when the wanted one is new, else after PACING_AGAIN_MS.
 * A unit whose vehicle has not yet said its state is left alone: it says it
 * with its first report. `now_ms` is UTC.
 *
 * A vehicle takes no revision below the one it has, so that the words of two
 * gateways cannot change places on the way. Where a lower one is wanted (the
 * vehicle is another unit now) its settings are withdrawn first. A vehicle that
 * names a revision beyond catalog_pace_revision() has heard from a gateway with
 * a newer catalog, and is left to that one. */
void pacing_follow(struct pacing *pacing, const struct catalog *catalog,
                   struct fleet *fleet, int64_t now_ms, pacing_say say,
                   void *context);

#endif

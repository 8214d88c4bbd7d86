#ifndef PT_RECKON_H
#define PT_RECKON_H
/* reckon: where a unit is believed to be some time after its last report.
 * Vehicle and gateway share this one function: the vehicle sends when it is
 * not where the gateway believes it to be. Pure functions, any thread.
 *
 * Dead reckoning (Bowditch, "The American Practical Navigator", NGA Pub. 9,
 * ch. 7): constant speed on a constant course from the last known place, on
 * the plane at it (geo_ahead(), with its errors). Only what the wire carries
 * counts: the report's rounded place, speed and course. */
#include "geo.h"
#include "report.h"
#include <stdbool.h>
#include <stdint.h>

/* Slower than this a report's course means nothing: the unit stands. */
#define RECKON_MOVING_MPS 1.5
/* Nobody is moved farther forward than so long: twice what a moving vehicle
 * may keep silent by default. Afterwards it is believed to stand where it was
 * then. */
#define RECKON_HORIZON_MS 20000

struct reckon {
    int64_t time_ms; /* UTC, of the fix */
    struct geo_point at;
    double speed_mps; /* 0: believed to stand */
    double course_deg;
};

/* From the values of a report; `flags` (enum pt_flag) say which of speed and
 * course are there. Without either one the unit stands. */
struct reckon reckon_from(int64_t time_ms, struct geo_point at, uint32_t flags,
                          double speed_mps, double course_deg);
struct reckon reckon_from_entry(const struct pt_entry *entry);

bool reckon_moves(const struct reckon *reckon);

/* How long it is moved forward for an answer at `now_ms`: 0 when the unit
 * stands or the report's time is not past yet, at most RECKON_HORIZON_MS. */
int64_t reckon_forward_ms(const struct reckon *reckon, int64_t now_ms);
struct geo_point reckon_at(const struct reckon *reckon, int64_t now_ms);

#endif

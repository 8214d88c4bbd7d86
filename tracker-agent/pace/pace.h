#ifndef PACE_H
#define PACE_H
/* pace: which fixes are worth sending. Pure, no clock of its own, no I/O:
 * time is the fixes' own.
 *
 * The gateway moves the last report forward (reckon.h); here the same is done
 * and compared with each fix. A fix is sent when the gateway's idea would
 * otherwise be wrong by more than the bound before the next fix can say so,
 * and when it is due by time. */
#include "receiver.h"
#include "reckon.h"
#include <stdbool.h>
#include <stdint.h>

/* Bounds that can be set. */
#define PACE_BOUND_MIN_M 1.0
#define PACE_BOUND_MAX_M 10000.0

struct pace_settings {
    double bound_m;          /* the gateway's error stays below this ... */
    double bound_assigned_m; /* ... or this, while assigned */
    int64_t moving_ms;       /* a report at least so often, moving ... */
    int64_t parked_ms;       /* ... or standing still */
    double accuracy_max_m;   /* a fix vaguer than this is sent only when due by
                                time */
};

/* How the vehicle moves over ground, as far as its fixes tell. */
struct pace_motion {
    bool known; /* the next two are there */
    double east_mps, north_mps;
};

/* Callers read `sent`; the rest is pace's own. */
struct pace {
    struct pace_settings settings;
    bool assigned;
    bool has_sent;
    struct reckon sent; /* what the gateway reckons from */
    bool has_before;    /* the fix before this one: */
    int64_t before_ms;
    bool fast_before; /* it was above RECKON_MOVING_MPS */
    struct geo_point before_at;
    struct pace_motion motion_before;
    bool held; /* it was due and held back as a doubtful one */
};

void pace_init(struct pace *pace, const struct pace_settings *settings);
/* Other settings from now on; what was sent stays. */
void pace_set(struct pace *pace, const struct pace_settings *settings);
/* Assigned: the closer bound counts. */
void pace_assign(struct pace *pace, bool assigned);

/* Is this fix due? If so it becomes the last sent. The first one always is.
 *
 * Never due: a fix without position or time (saying so is the heartbeat's
 * work); one whose time is not after the last sent's (a receiver that repeats
 * itself), unless the clock has gone back by more than a minute.
 *
 * Moving is two fixes in a row above RECKON_MOVING_MPS: receivers that stand
 * still report single spikes of speed, with any course. A spike, or a place
 * that a standing receiver leaps to, waits for the next fix. Standing still,
 * a wander within the receiver's own accuracy is no news. */
bool pace_due(struct pace *pace, const struct receiver_fix *fix);

/* This fix was sent for another reason (the crew acted): the gateway reckons
 * from it. Nothing changes when it has no position or time. */
void pace_sent(struct pace *pace, const struct receiver_fix *fix);

/* Milliseconds after `sent` at which the next report is due at the latest,
 * as long as there are fixes: moving_ms when `sent` says that it moves, even
 * if it has stopped since, else parked_ms; a doubtful fix may make it one fix
 * later. 0: nothing was sent yet. */
int64_t pace_next_due_ms(const struct pace *pace);

#endif

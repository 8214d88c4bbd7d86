#ifndef PACE_H
#define PACE_H
/* pace: which fixes are worth sending. Pure, no clock of its own, no I/O:
 * time is the fixes' own. */
#include "receiver.h"
#include <stdbool.h>
#include <stdint.h>

struct pace_settings {
    double distance_m;     /* moved this far since the last sent, ... */
    double heading_deg;    /* or turned this much while moving, ... */
    int64_t moving_ms;     /* or this long since, while moving, ... */
    int64_t parked_ms;     /* or this long since, standing still */
    double moving_mps;     /* above this speed one is moving */
    double accuracy_max_m; /* a fix vaguer than this is sent only when due by
                              time */
};

/* Callers read `sent`; the rest is pace's own. */
struct pace {
    struct pace_settings settings;
    bool has_sent;
    struct receiver_fix sent;
    bool sent_moving; /* `sent` promised the next within moving_ms */
    bool fast_before; /* the fix before this one was above moving_mps */
};

void pace_init(struct pace *pace, const struct pace_settings *settings);

/* Is this fix due? If so it becomes the last sent. The first one always is.
 *
 * Never due: a fix without position or time (saying so is the heartbeat's
 * work); one whose time is not after the last sent's (a receiver that repeats
 * itself), unless the clock has gone back by more than a minute.
 *
 * Moving is two fixes in a row above moving_mps: receivers that stand still
 * report single spikes of speed, with any course. Without a speed, the way
 * from the last sent over the time since stands in for it. */
bool pace_due(struct pace *pace, const struct receiver_fix *fix);

/* Milliseconds after `sent` at which the next report is due at the latest,
 * as long as there are fixes: moving_ms when it was moving, even if it has
 * stopped since, else parked_ms. 0: nothing was sent yet. */
int64_t pace_next_due_ms(const struct pace *pace);

#endif

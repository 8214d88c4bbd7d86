#ifndef PACE_H
#define PACE_H
/* pace: which fixes are worth sending. Pure, no clock of its own, no I/O. */
#include "receiver.h"
#include <stdbool.h>
#include <stdint.h>

struct pace_settings {
    double distance_m;   /* moved this far since the last sent, ... */
    double heading_deg;  /* or turned this much while moving, ... */
    int64_t moving_ms;   /* or this long since, while moving, ... */
    int64_t parked_ms;   /* or this long since, standing still */
    double moving_mps;   /* above this speed one is moving */
    double accuracy_max_m; /* a fix vaguer than this is sent only when due */
};

struct pace {
    struct pace_settings settings;
    bool has_sent;
    struct receiver_fix sent;
};

void pace_init(struct pace *pace, const struct pace_settings *settings);

/* Is this fix due? If so it becomes the last sent. A fix whose time is not
 * after the last sent's is never due (a receiver that repeats itself), unless
 * the clock has gone back by more than a minute. */
bool pace_due(struct pace *pace, const struct receiver_fix *fix);

/* Milliseconds after `sent` at which the next report is due at the latest. */
int64_t pace_next_due_ms(const struct pace *pace);

#endif

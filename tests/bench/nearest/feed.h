#ifndef FEED_H
#define FEED_H
/* A fleet that says where it is, over one MQTT connection of a process of its
 * own: one fix a message. */
#include "geo.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_UNITS 2000

/* Where a unit drives to and fro. */
struct feed_beat {
    struct geo_point from, to;
};

/* Shared with the process that measures. */
struct feed_orders {
    atomic_uint busy_each; /* every so many-th unit is busy; 0: none */
    atomic_ullong sent;
};

/* The device of a unit, from 0: "bench-0001", ... */
void feed_device(size_t unit, char ret[16]);

/* Does not return. All units once, then `per_second` in turn. */
_Noreturn void feed(int broker_port, unsigned per_second,
                    const struct feed_beat beats[FEED_UNITS],
                    struct feed_orders *orders);

#endif

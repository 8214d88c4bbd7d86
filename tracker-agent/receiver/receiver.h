#ifndef RECEIVER_H
#define RECEIVER_H
/* receiver: fixes from gpsd (libgps) on a libuv loop. Connects again by
 * itself; a gpsd that is gone, a receiver unplugged and no fix are states,
 * not errors. Loop thread only. */
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum receiver_mode { /* gpsd's */
    RECEIVER_NOT_SEEN = 0,
    RECEIVER_NO_FIX = 1,
    RECEIVER_2D = 2,
    RECEIVER_3D = 3,
};

/* Absent is never 0: each value has its own flag in `flags` (enum pt_flag of
 * report.h). */
struct receiver_fix {
    enum receiver_mode mode;
    int64_t time_ms; /* receiver's UTC; 0 when it gave none */
    struct geo_point at;
    double speed_mps, course_deg, accuracy_m;
    uint8_t flags;
};

struct receiver_events {
    void *context;
    /* Every TPV of ours: with a position (mode 2D or 3D and a time) or
     * without. */
    void (*fix)(void *context, const struct receiver_fix *fix);
    void (*satellites)(void *context, int used);
    /* gpsd reached or lost, a device attached or gone. */
    void (*state)(void *context, bool gpsd_up, bool device_present);
};

struct receiver;

/* `device` NULL: all of gpsd's devices, else only that path. */
PT_MUST_CHECK enum pt_err receiver_new(uv_loop_t *loop, const char *host,
                                       const char *port, const char *device,
                                       const struct receiver_events *events,
                                       struct receiver **ret);
void receiver_close(struct receiver *receiver, void (*done)(void *),
                    void *context);

#endif

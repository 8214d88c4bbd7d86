#ifndef RECEIVER_H
#define RECEIVER_H
/* receiver: fixes from gpsd (libgps) on a libuv loop. Connects again by
 * itself; a gpsd that is gone, a receiver unplugged and no fix are states,
 * not errors. Loop thread only. */
#include "geo.h"
#include "pt_err.h"
#include "report.h"
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
 * report.h). `mode` 2D or 3D means that there is a position with the
 * receiver's time; whatever lacks one of them is RECEIVER_NO_FIX here. */
struct receiver_fix {
    enum receiver_mode mode;
    int64_t time_ms; /* receiver's UTC; 0 when it gave none */
    struct geo_point at;
    double speed_mps, course_deg;
    double accuracy_m; /* 95 %, as far as gpsd knows */
    uint8_t flags;
};

/* What is sent of a fix: rounded to the wire's units, the speed capped at
 * 655.35 m/s and the accuracy at 1000 km, 360 degrees north again; what has
 * no flag stays 0. The outbox gives it its number. Pure, any thread. */
struct pt_entry receiver_entry(const struct receiver_fix *fix,
                               enum pt_status status);

struct receiver_events {
    void *context;
    /* Every TPV of ours: with a position (mode 2D or 3D and a time) or
     * without. The same epoch can come more than once. */
    void (*fix)(void *context, const struct receiver_fix *fix);
    /* -1: the receiver does not say. */
    void (*satellites)(void *context, int used);
    /* gpsd reached or lost, a device attached or gone (unplugged, or silent
     * for 10 s). */
    void (*state)(void *context, bool gpsd_up, bool device_present);
};

struct receiver;

/* `device` NULL or "": all of gpsd's devices, else only that path. Copies its
 * arguments; connects from the loop, again and again (1 s doubled up to 15 s
 * between tries). */
PT_MUST_CHECK enum pt_err receiver_new(uv_loop_t *loop, const char *host,
                                       const char *port, const char *device,
                                       const struct receiver_events *events,
                                       struct receiver **ret);

/* No event comes after this call; `done` (or NULL) is called from the loop
 * when all is freed. NULL receiver is fine. Allowed inside an event. */
void receiver_close(struct receiver *receiver, void (*done)(void *),
                    void *context);

#endif

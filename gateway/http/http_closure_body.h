#ifndef HTTP_CLOSURE_BODY_H
#define HTTP_CLOSURE_BODY_H
/* closure_body: what strangers send to have a street closed, taken apart and
 * checked. Pure, any thread. Private to http. */
#include "closures.h"
#include "http_body.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A start so long ago counts as now: clocks differ. */
#define CLOSURE_LATE_MS (5 * 60 * 1000)
/* Nothing begins or ends later than this. */
#define CLOSURE_AHEAD_MS ((int64_t)366 * 24 * 3600 * 1000)
/* Street text: up to CLOSURES_STREET_BYTES, as typed. */

struct closure_body {
    char street[CLOSURES_STREET_BYTES]; /* "": a point or ways */
    bool has_point;
    struct geo_point at;
    size_t way_count;
    int64_t ways[CLOSURES_WAYS_MAX];
    bool closed;
    double factor, speed_mps; /* 0: not given */
    enum closures_direction direction;
    int64_t from_ms, until_ms;          /* INT64_MAX: open */
    char who[CLOSURES_WHO_BYTES];       /* "": not said */
    char reason[CLOSURES_REASON_BYTES]; /* likewise */
};

/* False with the reason in `fault`. `now_ms` is UTC. */
bool closure_body_parse(const char *bytes, size_t size, int64_t now_ms,
                        struct closure_body *ret, struct body_fault *fault);
/* The same of an object; without `now_ms` it may not say from when or until
 * when. */
bool closure_body_take(const json_t *body, const int64_t *now_ms,
                       struct closure_body *ret, struct body_fault *fault);

#endif

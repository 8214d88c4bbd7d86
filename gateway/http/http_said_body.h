#ifndef HTTP_SAID_BODY_H
#define HTTP_SAID_BODY_H
/* said_body: what strangers send of a unit that was heard by radio, or of what
 * was seen, taken apart and checked. Pure, any thread. Private to http. */
#include "fleet.h"
#include "http_body.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was heard no longer ago than it is shown; so much in the future counts
 * as now: clocks differ. */
#define HEARD_AHEAD_MS 60000
#define HEARD_MISSION_BYTES 201

struct heard_body {
    struct fleet_radio radio;          /* but for mission_id and noted_ms */
    char mission[HEARD_MISSION_BYTES]; /* number or name, as typed; "": none */
};

/* False with the reason in `fault`. `now_ms` is UTC. */
bool heard_body_parse(const char *bytes, size_t size, int64_t now_ms,
                      struct heard_body *ret, struct body_fault *fault);

struct seen_body {
    enum fleet_saying what;
    int64_t at_ms; /* of what was said */
    char who[FLEET_WHO_BYTES];
};

bool seen_body_parse(const char *bytes, size_t size, struct seen_body *ret,
                     struct body_fault *fault);

#endif

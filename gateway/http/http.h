#ifndef HTTP_H
#define HTTP_H
/* http: the API of schema/openapi.yaml on libmicrohttpd, driven by the
 * gateway's loop, and the console's pages. It may ask dispatch, fleet,
 * catalog, tiles and the database (for tracks); nobody asks it. Loop thread
 * only.
 *
 * Limits: a request line and headers of 32 KiB together, `connections_max`
 * connections (32 more are told 503 with Retry-After, others wait),
 * `streams_max` open /v1/events (beyond: 503), 30 s for a request to be
 * complete, 120 s for its answer to be taken; the others stand in
 * schema/openapi.yaml and http_internal.h. */
#include "arrivals.h"
#include "catalog.h"
#include "closures.h"
#include "counts.h"
#include "coverage.h"
#include "db.h"
#include "dispatch.h"
#include "fleet.h"
#include "metrics.h"
#include "pt_err.h"
#include "pulse.h"
#include "speeds.h"
#include "tiles.h"
#include <stdbool.h>
#include <uv.h>

struct http_settings {
    const char *listen; /* "127.0.0.1:8080", "[::1]:8080"; loopback only */
    unsigned connections_max;
    unsigned streams_max;
};

/* What the gateway needs to do its work, for /readyz and for answers that are
 * not what they should be for want of it. */
#define HTTP_PARTS(X)            \
    X(HTTP_BROKER, "broker")     \
    X(HTTP_DATABASE, "database") \
    X(HTTP_ROADS, "roads")

enum http_part_id {
#define HTTP_PART_ENUM(name, word) name,
    HTTP_PARTS(HTTP_PART_ENUM)
#undef HTTP_PART_ENUM
        HTTP_PART_COUNT
};

struct http_part {
    enum pulse_state state;
    int64_t since_ms; /* UTC: it has been so since then, as far as is known */
};

struct http_health {
    struct http_part parts[HTTP_PART_COUNT];
};

struct http;

/* `catalog` and `closures` are the addresses of the gateway's pointers, which
 * may be swapped between ticks (of closures: NULL until a network is in force);
 * `health` is borrowed and looked at with each answer.
 * PT_E_NETWORK: address in use (logged with the address); PT_E_CONFIG: not a
 * loopback address. */
PT_MUST_CHECK enum pt_err
http_new(uv_loop_t *loop, const struct http_settings *settings,
         struct catalog *const *catalog, struct fleet *fleet,
         struct dispatch *dispatch, struct closures_view *const *closures,
         struct db *db, struct tiles *tiles, struct metrics *metrics,
         const struct http_health *health, struct http **ret);
/* Ranges beside predictions, from the learned times at the address of the
 * gateway's pointer (NULL there: none); and predictions told to `arrivals`.
 * Both borrowed. Without this call there are neither. */
void http_predict(struct http *http, struct speeds *const *speeds,
                  struct arrivals *arrivals);
void http_close(struct http *http, void (*done)(void *), void *context);

/* What answers tell of coverage. */
struct http_coverage {
    struct coverage *coverage;
    const char *profile; /* NULL: the first */
    bool no_profile;     /* the network does not have that one */
    bool renewing;       /* its tables are being made, anew or for the first
                            time */
    const struct counts_rule *rule;
    unsigned level, zone_percent;
    int rank_weight_s;
    const struct coverage_settings *settings;
    const char *conninfo;   /* for answers from the database on pool threads */
    int64_t study_limit_ms; /* of what is worked out there for one request */
    double pass_m;          /* a unit that comes so near has passed by */
    unsigned history_threads;

    struct coverage_areas *areas; /* the last that were made, or NULL */
    bool areas_wanted; /* set by answers: of the last streets, soon */
};
/* Borrowed and looked at with each answer; until then there is none. */
void http_use_coverage(struct http *http, struct http_coverage *coverage);
/* Areas were made, or could not be: whoever waits for them is answered. */
void http_areas(struct http *http, enum pt_err err);

/* Tick step: tells the units that changed (fleet_changes()) to the open
 * event streams. */
void http_events(struct http *http);
/* Another kind of event, `json` one line: "catalog", "roads", ... */
void http_event(struct http *http, const char *type, const char *json);
/* Other closures are in force, or known: those who made them are answered, and
 * the event "closures" is told. */
void http_closures(struct http *http);
/* `unit.silent` or `unit.heard`, as the state says. */
void http_hearing(struct http *http, const struct catalog_unit *unit,
                  const struct fleet_unit *state);
/* `coverage.lost` or `coverage.regained`. */
void http_coverage_alarm(struct http *http, const struct coverage_alarm *alarm);
/* `broker.lost` and the like when the part of the health is not up, else
 * `broker.back`; it was lost since then. */
void http_part_changed(struct http *http, enum http_part_id id,
                       int64_t lost_since_ms);
/* `device.two_places`: two vehicles report under the name of one device;
 * `unit` may be NULL. */
void http_two_places(struct http *http, const char *device,
                     const struct catalog_unit *unit);
/* Tick step: answers what libmicrohttpd has ready. */
void http_serve(struct http *http);

#endif

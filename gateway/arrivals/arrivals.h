#ifndef ARRIVALS_H
#define ARRIVALS_H
/* arrivals: which predictions came true. Follows units of which it was told
 * when they would be where, and says when they were. Knows no socket and no
 * SQL. Loop thread only.
 *
 * A prediction is a test of what was predicted only if the unit then goes
 * there: it has to say en_route within ARRIVALS_SETS_OFF_MS of being asked
 * about, or be en route already; and counts as arrived with its first fix
 * within ARRIVALS_NEAR_M of the point, as long as it is en route or on scene.
 * Until it sets off the newest prediction for the point counts, after that the
 * one that there is. What does not set off, takes up something else, is not
 * there after ARRIVALS_LONGEST_MS, or was there already, is dropped. */
#include "fleet.h"
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRIVALS_NEAR_M 75.0
#define ARRIVALS_SETS_OFF_MS INT64_C(120000)
#define ARRIVALS_LONGEST_MS INT64_C(7200000)
#define ARRIVALS_PROFILE_BYTES 32

struct arrivals_prediction {
    uint32_t unit_id;
    int64_t asked_ms; /* UTC */
    struct geo_point to;
    uint32_t mission_id; /* 0: a point, no mission */
    char profile[ARRIVALS_PROFILE_BYTES];
    double eta_s;
    bool has_range;
    double low_s, high_s; /* with has_range */
    int promise_s;        /* 0: none */
    double p_within;      /* below 0: not known */
    double position_age_s;
};

struct arrivals_arrival {
    struct arrivals_prediction of;
    int64_t departed_ms; /* it said en_route, by its own time of that */
    int64_t arrived_ms;  /* the fix's time */
    double arrived_m;    /* of the fix from the point */
    double took_s;       /* from asked or departed, whichever is later */
};

struct arrivals;

/* At most `max` at a time: beyond it the oldest that has not set off gives
 * way. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err arrivals_new(size_t max, struct arrivals **ret);
void arrivals_free(struct arrivals *arrivals); /* NULL is fine */

/* Copies it. */
void arrivals_note(struct arrivals *arrivals, const struct fleet *fleet,
                   const struct arrivals_prediction *prediction);

/* Tick step: `arrived` is called for each that came true. */
typedef void (*arrivals_told)(void *context,
                              const struct arrivals_arrival *arrival);
void arrivals_follow(struct arrivals *arrivals, const struct fleet *fleet,
                     int64_t now_ms, arrivals_told arrived, void *context);

size_t arrivals_waiting(const struct arrivals *arrivals);
/* For /metrics; live as long as `arrivals`. */
struct arrivals_counts {
    uint64_t noted, arrived;
    uint64_t given_up; /* set off, but did not arrive */
};
struct arrivals_counts *arrivals_counts(struct arrivals *arrivals);

#endif

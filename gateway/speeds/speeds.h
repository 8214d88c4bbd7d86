#ifndef SPEEDS_H
#define SPEEDS_H
/* speeds: learns from the positions in the database how fast the fleet drives
 * (learn.h), keeps it there by OpenStreetMap's ids, and puts it onto the
 * network in force.
 *
 * A drive is a unit's fixes while it moves: it ends where the unit says
 * nothing for SPEEDS_SILENT_S, stays within SPEEDS_STANDS_M for
 * SPEEDS_STANDS_S (longer than signals hold anybody), or goes to or comes from
 * en_route. What was driven en_route is a blue-light drive, and teaches the
 * first profile that is one; all else teaches the first of all. Drives shorter
 * than SPEEDS_SHORTEST_M or slower than SPEEDS_SLOWEST_MPS on the whole tell
 * nothing about the streets, nor do units on foot. */
#include "learn.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEEDS_SILENT_S 180
#define SPEEDS_STANDS_S 180
#define SPEEDS_STANDS_M 40.0
#define SPEEDS_SHORTEST_M 300.0
#define SPEEDS_SLOWEST_MPS 1.5
/* Where there are about more fixes the newest days count, and of a day that
 * alone has more, every n-th unit: at 40 us a fix some minutes. */
#define SPEEDS_FIXES_MAX 5000000

#define SPEEDS_ZONE_BYTES 64

/* ------------------------------------------------------------- learning */
/* False: stop. `share` of the fixes is done, 0..1. */
typedef bool (*speeds_progress)(void *context, double share, const char *phase);

struct speeds_wish {
    const char *conninfo;
    int64_t from_ms, to_ms;   /* UTC: fixes from, and before */
    speeds_progress progress; /* may be NULL */
    void *context;
};

struct speeds_kind {
    char profile[ROADS_PROFILE_NAME];
    size_t drives;
    double km;
    bool learned;     /* else too few drives: what was there stays */
    double ratio;     /* took / the profile's time, all in all */
    size_t edges;     /* directed, that were driven */
    unsigned hours;   /* of the week, in which somebody drove */
    unsigned dates;   /* of the hour with most of them */
    double low, high; /* the 80 % range of five minutes, in that hour */
};

struct speeds_told {
    int64_t from_ms, to_ms;
    bool newest_only; /* from_ms is later than wished: there was too much */
    unsigned every;   /* n-th unit; 1: all */
    uint64_t fixes;
    char time_zone[SPEEDS_ZONE_BYTES]; /* that of the most zones, or UTC */
    size_t kind_count;
    struct speeds_kind kinds[2]; /* the first profile's; blue light */
};

/* Reads, matches, learns and writes; blocks for seconds to minutes: pool
 * thread, or a program of its own. PT_E_NOTFOUND: no network. PT_E_AGAIN: was
 * stopped, or another one is under way; nothing is written. PT_E_DB,
 * PT_E_NOMEM; PT_E_FULL: more drives than learn takes. `message` says more. */
PT_MUST_CHECK enum pt_err speeds_learn(const struct speeds_wish *wish,
                                       struct speeds_told *ret, char *message,
                                       size_t message_size);

/* ----------------------------------------------------------------- in use */
/* What was learned, on a network, in one hour of the week. Never changes; any
 * thread. Counts the network. */
struct speeds;

/* Pool thread: some hundred ms a profile. PT_E_NOTFOUND: nothing was learned.
 * PT_E_AGAIN: `roads` is not the network in force. PT_E_DB, PT_E_NOMEM,
 * PT_E_CORRUPT. */
PT_MUST_CHECK enum pt_err speeds_load(const char *conninfo, struct roads *roads,
                                      int64_t now_ms, struct speeds **ret,
                                      char *message, size_t message_size);
/* As it is in an hour of the week: 0 is Monday's first, by the clocks of the
 * most zones. speeds_until_ms() is 0 then. */
PT_MUST_CHECK enum pt_err speeds_load_hour(const char *conninfo,
                                           struct roads *roads, unsigned hour,
                                           struct speeds **ret, char *message,
                                           size_t message_size);
void speeds_free(struct speeds *speeds); /* NULL is fine */
const struct roads *speeds_roads(const struct speeds *speeds);
/* When its hour is over. */
int64_t speeds_until_ms(const struct speeds *speeds);
/* Whether its metrics answer as fast as the network's own do. */
bool speeds_prepared(const struct speeds *speeds);
/* One for each profile of the network, in their order; NULL where nothing was
 * learned. Borrowed. */
struct roads_metric *const *speeds_metrics(const struct speeds *speeds,
                                           size_t *count);
/* learn_range_of() for a profile (NULL: the first); false when nothing was
 * learned of it. */
bool speeds_range(const struct speeds *speeds, const char *profile,
                  double drive_s, double other_s, double place_s,
                  struct learn_range *ret);

#endif

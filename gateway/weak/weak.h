#ifndef WEAK_H
#define WEAK_H
/* weak: where cover hangs by a thread: how many units may fail before a mission
 * is out of it, which unit and which street uncover most, and the hours of the
 * week in which there was least.
 *
 * Units and streets are those of now, by the code of the live coverage. What is
 * closed is one piece of street from junction to junction, both ways, and with
 * it the pieces that are its other carriageways: those of which it, or which of
 * it, lie alongside for half of their length at least (within 30 degrees of its
 * course), where both are driven one way only or are bridges, and
 *   - have the same name and are within WEAK_BESIDE_M of each other; or
 *   - are both bridges, or both nameless and driven opposite ways, and within
 *     WEAK_CLOSE_BESIDE_M.
 * A mission can be uncovered by a closing only if so many of its units in time
 * depend on what is closed that, without them, too few are left; so for each
 * piece it is known which missions those are, and it is closed on trial: a
 * search backwards from each of them tells how many units are still in time,
 * to the tenth of a second as time tables of a network without it would. All
 * such pieces are tried, those that could uncover most first, unless half of
 * the time is spent before (`is_worst` false if another could be worse).
 *
 * The past is that of the newest run of past cover (patrol.coverage_run), which
 * knows each mission by hour; without one, of the stored snapshots, of all
 * missions together. One thread at a time. Memory: two metrics and what a
 * search takes, some 30 bytes an arc. */
#include "coverage.h"
#include "pt_err.h"
#include "roads.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAK_BESIDE_M 40.0
#define WEAK_CLOSE_BESIDE_M 25.0
#define WEAK_LIST_MAX 10u /* units, and streets, that are told of */
#define WEAK_HOURS 168u
#define WEAK_PAST_DAYS 28 /* of the stored snapshots */
/* An hour's units are those that were there for this share of its time. */
#define WEAK_SURE 0.95

struct weak_unit { /* one that counts */
    struct coverage_unit now;
    struct roads_place stood; /* itself, also on a closed street */
    uint32_t turnout_ms;
};

struct weak_wish {
    int64_t now_ms;
    struct coverage_basis *basis;             /* the live one; held */
    const struct coverage_settings *settings; /* copied */
    const struct weak_unit *units;            /* copied; by index */
    size_t unit_count;
    const char *conninfo; /* borrowed, as `stop`; NULL: without the past */
    int64_t limit_ms;
    const atomic_bool *stop;
};

/* `can_fail`: units that may fail while it stays covered; -1: it is out. */
struct weak_mission {
    bool judged;    /* has a road and a promise; else the rest is 0 */
    size_t in_time; /* units, all of them */
    int can_fail;
    /* In the past. */
    bool has_past;
    double out_share;           /* of its time out of cover */
    int8_t by_hour[WEAK_HOURS]; /* can_fail, as WEAK_SURE; WEAK_UNKNOWN */
    int worst_hour;             /* most of its time out; -1: never out */
    double worst_share;         /* of that hour */
};
#define WEAK_UNKNOWN INT8_MIN

/* What is uncovered if it fails or is closed; missions by index, ascending. */
struct weak_loss {
    uint32_t what; /* index of the unit; undirected edge */
    size_t with_count;
    uint32_t *with; /* edges that are closed with it: other carriageways */
    size_t count;
    uint32_t *missions;
};

struct weak_hours {
    enum { WEAK_NO_PAST, WEAK_RUN, WEAK_SNAPSHOTS } source;
    int64_t from_ms, to_ms; /* UTC; of what there is */
    char time_zone[64];     /* whose hours; the most zones' */
    /* By hour, mean numbers of missions; below 0: not known. */
    double out[WEAK_HOURS];  /* out of cover */
    double thin[WEAK_HOURS]; /* that any one unit's failure would uncover, or
                                that are out */
    int worst;               /* most out, then most thin; -1: none is known */
};

struct weak;
PT_MUST_CHECK enum pt_err weak_new(const struct weak_wish *wish,
                                   struct weak **ret);
void weak_free(struct weak *weak); /* NULL is fine */
/* On the pool, once: some ms a mission, and for each piece that is tried up to
 * as much for each mission that it could uncover. PT_E_DB: the past could not
 * be read (weak_message()); PT_E_AGAIN: stopped, or too late before there was
 * anything; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err weak_run(struct weak *weak);
const char *weak_message(const struct weak *weak);

/* After PT_OK, borrowed. */
const struct weak_mission *weak_mission(const struct weak *weak, size_t index);
/* Those that uncover at least one, most first; the same missions only once,
 * by the longest of the streets. */
size_t weak_units(const struct weak *weak, const struct weak_loss **ret);
size_t weak_streets(const struct weak *weak, const struct weak_loss **ret);
struct weak_tried {
    size_t candidates; /* that could uncover any */
    size_t tried;
    bool is_worst; /* no other piece uncovers more than the first */
};
struct weak_tried weak_tried(const struct weak *weak);
const struct weak_hours *weak_hours(const struct weak *weak);

/* The name of a street that meets a piece of another name where it begins, or
 * ends; borrowed from the network. NULL: none does. Any thread. */
const char *weak_cross_street(const struct roads *roads, uint32_t edge,
                              bool at_end);

#endif

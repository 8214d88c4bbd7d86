#ifndef ROADS_H
#define ROADS_H
/* roads: the street network in memory and the questions asked of it.
 *
 * A street piece between two junctions is an `edge`; travelled one way it is
 * a `directed edge`, numbered 2*edge + (0 forward | 1 backward). Searches go
 * from directed edge to directed edge through allowed turns (edge-based), in
 * integer milliseconds. The graph never changes once made; it may be read
 * from any thread, and is counted: roads_ref() / roads_unref().
 *
 * Turns: from an edge into every edge that leaves the junction it leads to,
 * at the cost that the profile sets for its kind. What is forbidden may not
 * be done, unless the profile says at what cost it is. Turning round, back
 * into the edge one came on, has a cost of its own where no other turn is
 * allowed (a dead end), and another one everywhere else.
 *
 * Who may drive where, and how fast, is a `profile`; with what is closed or
 * slowed just now it becomes a `metric`, on which searches run. */
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROADS_NONE UINT32_MAX /* no edge; also "unknown" as a time */
/* A drive of this and more (24 days) counts as none at all. */
#define ROADS_FAR_MS 0x7fffffffu
#define ROADS_EDGES_MAX 50000000u
#define ROADS_TURNS_MAX 50000000u

/* ------------------------------------------------------------- making one */
struct roads_edge_row {
    int64_t way_id;
    int64_t source, target;           /* node ids */
    uint32_t forward_ms, backward_ms; /* 0: not allowed that way */
    float length_m;
    bool apart; /* not of the main part: see roads_snap() */
    bool bridge;
    uint32_t point_count;           /* 2 or more */
    const char *name;               /* NULL: none; copied */
    const struct geo_point *points; /* from source to target; copied */
};

/* Edges that may not be driven one after the other: from, the via ways if
 * there are any, to. Directed edges, each beginning where the last ends. */
struct roads_turn_row {
    uint32_t from;
    uint32_t to;
    const uint32_t *via; /* borrowed until roads_new() is done */
    uint32_t via_count;  /* up to ROADS_VIA_MAX */
    bool not_emergency;  /* "except" emergency vehicles */
};
#define ROADS_VIA_MAX 16u

/* What stands at a junction. */
enum roads_control {
    ROADS_UNCONTROLLED,
    ROADS_SIGNALS,
    ROADS_STOP,
    ROADS_GIVE_WAY,
    ROADS_CONTROLS
};

struct roads_junction_row { /* those that have one; any order */
    int64_t node_id;
    enum roads_control control;
};

/* Kinds of turns. Straight on is up to 30 degrees to either side, and
 * wherever there is no other way on; sharp is more than 120. The course is
 * that of the last and first 12 m. */
enum roads_turn {
    ROADS_AHEAD,
    ROADS_RIGHT,
    ROADS_LEFT,
    ROADS_SHARP_RIGHT,
    ROADS_SHARP_LEFT,
    ROADS_ROUND_AT_END, /* back, at a dead end */
    ROADS_ROUND,        /* back, anywhere else */
    ROADS_TURNS
};

#define ROADS_PROFILES_MAX 8u
#define ROADS_PROFILE_NAME 32u
struct roads_profile {
    char name[ROADS_PROFILE_NAME];
    /* For each directed edge; 0: not allowed. NULL: the rows' forward_ms and
     * backward_ms. Borrowed until roads_new() is done. */
    const uint32_t *edge_ms;
    uint32_t turn_ms[ROADS_TURNS];       /* ROADS_NONE: not made */
    uint32_t control_ms[ROADS_CONTROLS]; /* on top of it, but for U-turns */
    uint32_t forbidden_ms;               /* on top of it; ROADS_NONE */
    bool emergency;                      /* not_emergency is not for it */
    uint32_t start_ms;                   /* see roads_start_ms() */
};
#define ROADS_TURN_MS_MAX 3600000u /* the most of each, an hour */

struct roads_rows {
    const struct roads_edge_row *edges;
    size_t edge_count;
    const struct roads_turn_row *turns;
    size_t turn_count;
    const struct roads_junction_row *junctions;
    size_t junction_count;
    /* None: one that is called "patrol", with the rows' times, turns that
     * take none, and no turning round but at dead ends. */
    const struct roads_profile *profiles;
    size_t profile_count;
};

struct roads;

/* Edge i of the graph is edges[i] (the database's edge_id i + 1); to one that
 * the first profile does not drive nothing snaps. PT_E_RANGE
 * when there is no row, or an impossible one (a time above INT32_MAX, fewer
 * than two points, turns between edges that do not meet), no edge that the
 * first profile may drive, two profiles of one name, or more than the limits.
 * A ban on a direction that is not driven anyway is fine. */
PT_MUST_CHECK enum pt_err roads_new(const struct roads_rows *rows,
                                    struct roads **ret);
/* The network in force, by binary COPY over a connection of its own, all of
 * it from one snapshot. Blocks: pool thread. PT_E_NOTFOUND when none was
 * imported; PT_E_DB; PT_E_CORRUPT when the tables do not hold what they
 * promise. `message` says more, also about success. */
PT_MUST_CHECK enum pt_err roads_load(const char *conninfo, struct roads **ret,
                                     char *message, size_t message_size);
/* Builds what searches over long ways, time tables and spreads need: a
 * hierarchy over the arcs. Searches may run meanwhile, and are the faster
 * once it is there; their answers stay the same. Pool thread: a second or two
 * for a city. One call at a time; what is there already is kept. */
PT_MUST_CHECK enum pt_err roads_prepare(struct roads *roads);
struct roads *roads_ref(struct roads *roads);
void roads_unref(struct roads *roads); /* NULL is fine */

size_t roads_edge_count(const struct roads *roads);
size_t roads_node_count(const struct roads *roads);
uint32_t roads_network_id(const struct roads *roads); /* 0: not loaded */
size_t roads_bytes(const struct roads *roads);

/* ------------------------------------------------------ facts of one edge */
static inline uint32_t roads_reverse(uint32_t directed)
{
    return directed ^ 1u;
}
/* Milliseconds to travel it with the first profile; ROADS_NONE when not
 * allowed that way. */
uint32_t roads_edge_ms(const struct roads *roads, uint32_t directed);
bool roads_edge_apart(const struct roads *roads, uint32_t directed);
bool roads_edge_bridge(const struct roads *roads, uint32_t directed);
double roads_edge_length_m(const struct roads *roads, uint32_t directed);
const char *roads_edge_name(const struct roads *roads, uint32_t directed);
int64_t roads_edge_way(const struct roads *roads, uint32_t directed);
/* OpenStreetMap's id of the junction that a directed edge leads to; 0 for an
 * edge that no profile drives. */
int64_t roads_edge_node(const struct roads *roads, uint32_t directed);
/* The same junction's number on this network, below roads_node_count();
 * ROADS_NONE. */
uint32_t roads_edge_junction(const struct roads *roads, uint32_t directed);
/* The line from source to target, of `*count` points; borrowed from the
 * network. */
const struct geo_point *roads_edge_line(const struct roads *roads,
                                        uint32_t edge, size_t *count);
/* Course at a place, in the direction of travel; degrees from true north. */
double roads_course_deg(const struct roads *roads, uint32_t directed,
                        double travelled);
/* Those from which one may turn into `directed` with the first profile.
 * Writes at most `max`, returns how many there are; 0 when it is not driven. */
size_t roads_turns_into(const struct roads *roads, uint32_t directed,
                        uint32_t *ret, size_t max);

/* --------------------------------------------------------------- snapping */
/* A place on the network: along which edge, how far. Every direction that
 * the edge allows may be taken from here: a car can turn round in the
 * street. A place belongs to its edge also where that edge ends in a
 * junction.
 *
 * An edge that takes T ms in some direction is entered 0 and left T ms from
 * its start; a place that has the share f of it behind is llround(f * T) ms
 * from there. So the pieces of a way add up without a rounding error, and a
 * drive of 0 ms is shorter than one. */
struct roads_place {
    uint32_t edge;     /* undirected edge number, or ROADS_NONE */
    double fraction;   /* 0 at its source, 1 at its target */
    double distance_m; /* from the point that was snapped */
    struct geo_point at;
};

/* The nearest edge of the main part within `reach_m` (0 to 50 km: distances are
 * those of the plane at the point); where there is none, the nearest of those
 * apart, between which and the rest nobody drives: a yard behind a gate that
 * the first profile may not pass is left for the street outside. PT_E_OFFROAD
 * when there is none at all. Ties go to the lower edge number, and on it to the
 * place nearer its source. Any thread. */
PT_MUST_CHECK enum pt_err roads_snap(const struct roads *roads,
                                     struct geo_point point, double reach_m,
                                     struct roads_place *ret);

/* The place of which the share `travelled` of a directed edge lies behind;
 * its distance_m is 0. */
struct roads_place roads_place_on(const struct roads *roads, uint32_t directed,
                                  double travelled);

/* The nearest place of every edge within `reach_m`, of any part, nearest first
 * (ties:
 * lower edge number); of more than `max` (1..ROADS_AROUND_MAX) the nearest
 * ones. `ret` has room for `max`. PT_E_OFFROAD when there is none. Any
 * thread. */
#define ROADS_AROUND_MAX 64
PT_MUST_CHECK enum pt_err roads_around(const struct roads *roads,
                                       struct geo_point point, double reach_m,
                                       size_t max, struct roads_place *ret,
                                       size_t *found);

/* ------------------------------------------------------ who is on an edge */
/* Which units stand where: kept up with every fix, read by searches.
 * One thread. Slots are the caller's, 0..max_slots-1. Counts the network.
 * A slot put again moves; put with a place that is none (edge ROADS_NONE, or
 * not of this network) it is removed. */
struct roads_standing;
PT_MUST_CHECK enum pt_err roads_standing_new(const struct roads *roads,
                                             size_t max_slots,
                                             struct roads_standing **ret);
void roads_standing_free(struct roads_standing *standing);
void roads_standing_put(struct roads_standing *standing, uint32_t slot,
                        const struct roads_place *place);
void roads_standing_remove(struct roads_standing *standing, uint32_t slot);

/* ----------------------------------------------------------------- metrics */
/* What a search's times are: a profile on this network, with or without
 * closures. Never changes; any thread; counted. */
struct roads_metric;

/* A street that is closed or slowed. */
struct roads_slowing {
    uint32_t directed;
    uint32_t ms; /* to travel it now; ROADS_NONE: closed */
};

/* The network's own, without closures; NULL when no profile has that name.
 * NULL for `name`: the first. Lives as long as the network. */
const struct roads_metric *roads_profile(const struct roads *roads,
                                         const char *name);
/* What a drive takes beside the driving, by a profile of the network's own: to
 * get under way and, at the end, to be there. In no time that roads tells. */
uint32_t roads_start_ms(const struct roads_metric *metric);
/* The names in their order; NULL past the last. */
const char *roads_profile_name(const struct roads *roads, size_t index);

/* `base` with other times on some directed edges; a later one of the same
 * edge counts. What `base` does not allow stays so. PT_E_RANGE: an edge that
 * is none, a time of 0 or above INT32_MAX. Prepared when the network is: pool
 * thread. The caller gives it to roads_metric_unref(). */
PT_MUST_CHECK enum pt_err
roads_metric_slowed(const struct roads_metric *base,
                    const struct roads_slowing *slowings, size_t count,
                    struct roads_metric **ret);
/* `base` with other times: `ms` for each directed edge, 1 to INT32_MAX, or 0
 * for as it is there. What `base` does not allow stays so, and turns cost what
 * they cost there. As above otherwise. */
PT_MUST_CHECK enum pt_err roads_metric_timed(const struct roads_metric *base,
                                             const uint32_t *ms,
                                             struct roads_metric **ret);
struct roads_metric *roads_metric_ref(const struct roads_metric *metric);
void roads_metric_unref(struct roads_metric *metric); /* NULL is fine */
const struct roads *roads_metric_roads(const struct roads_metric *metric);
size_t roads_metric_bytes(const struct roads_metric *metric);
bool roads_prepared(const struct roads_metric *metric);
/* Milliseconds to travel a directed edge; ROADS_NONE. */
uint32_t roads_metric_ms(const struct roads_metric *metric, uint32_t directed);
/* To turn from one directed edge into another; ROADS_NONE where one may not,
 * or where they do not meet so. */
uint32_t roads_metric_turn_ms(const struct roads_metric *metric, uint32_t from,
                              uint32_t to);

/* Whether it may be driven, either way. */
bool roads_drives(const struct roads_metric *metric, uint32_t edge);
/* Where a place is come to and left by road now: itself while its edge is
 * driven and not apart; else the place nearest to `point` on an edge that is
 * both, within `reach_m` and of the ROADS_AROUND_MAX nearest. Where there is
 * none, itself all the same if its edge is driven, else PT_E_OFFROAD. `place`
 * NULL: where roads_snap() puts the point. Any thread. */
PT_MUST_CHECK enum pt_err roads_snap_open(const struct roads_metric *metric,
                                          struct geo_point point,
                                          double reach_m,
                                          const struct roads_place *place,
                                          struct roads_place *ret);

/* --------------------------------------------------------------- searches */
/* Working memory, reused between searches: no allocation per query. One
 * thread at a time. Counts the network. */
struct roads_search;
PT_MUST_CHECK enum pt_err roads_search_new(const struct roads *roads,
                                           struct roads_search **ret);
void roads_search_free(struct roads_search *search);
/* What later searches run on; the first profile until then. Counts it.
 * PT_E_RANGE when it is not of the search's network. */
PT_MUST_CHECK enum pt_err roads_search_use(struct roads_search *search,
                                           const struct roads_metric *metric);
/* How roads_nearest() finds its answer, which is the same by either: by a
 * search from the target until it has met k, or by asking the hierarchy about
 * each unit. Left alone, it takes what is likely to be cheaper. */
enum roads_method { ROADS_CHEAPER, ROADS_BY_SEARCH, ROADS_BY_HIERARCHY };
void roads_search_by(struct roads_search *search, enum roads_method method);

struct roads_arrival {
    uint32_t slot;
    uint32_t drive_ms; /* from the unit's place to the target */
    double distance_m; /* along that way */
};

/* The `k` slots that reach `target` first, by one search backwards from it
 * that stops at the k-th; slots that `wanted(context, slot)` denies are
 * passed over (NULL: all wanted; it may be asked twice about a slot). `ret`
 * has room for k, comes back in order of arrival (ties: lower slot), `found`
 * says how many. Who would need more than `limit_ms` is not found. PT_E_RANGE
 * when the target or `standing` is not of the search's network. */
PT_MUST_CHECK enum pt_err
roads_nearest(struct roads_search *search,
              const struct roads_standing *standing,
              const struct roads_place *target, size_t k, uint32_t limit_ms,
              bool (*wanted)(void *context, uint32_t slot), void *context,
              struct roads_arrival *ret, size_t *found);

struct roads_leg {
    uint32_t directed;    /* edge */
    double from_fraction; /* in the direction of travel, 0..1 */
    double to_fraction;
    uint32_t ms;
    uint32_t turn_ms; /* to turn into it; not part of `ms` */
    double length_m;
};

struct roads_route {
    uint32_t drive_ms;
    double distance_m;
    size_t leg_count;
    struct roads_leg *legs;
    size_t point_count;
    struct geo_point *points; /* the line from start to end */
};

/* The fastest way: the one whose time and distance roads_nearest() tells. At
 * least one leg and two points; legs of no length are left out beside others,
 * unless the last is turned into at a cost. drive_ms is the sum of their ms and
 * turn_ms.
 * PT_E_UNREACHABLE when there is none: never 0 s. PT_E_RANGE as above. The
 * caller gives `ret` to roads_route_clear(). */
PT_MUST_CHECK enum pt_err roads_route(struct roads_search *search,
                                      const struct roads_place *from,
                                      const struct roads_place *to,
                                      struct roads_route *ret);
void roads_route_clear(struct roads_route *route); /* cleared is fine */

/* ------------------------------------------------------------ time tables */
/* How long from anywhere to each of some places that do not move, missions:
 * one backward sweep over the network each, in tenths of a second up to
 * ROADS_TABLE_MS. Never changes; any thread; counts its metric. */
struct roads_tables;
#define ROADS_TABLE_MS 6553400u /* what takes longer counts as unknown */

/* `targets` is copied; one that is no place (edge ROADS_NONE) is unknown from
 * everywhere. Pool thread: some ms a target. PT_E_RANGE when a target is not
 * of the network or `metric` is not prepared; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err roads_tables_new(const struct roads_metric *metric,
                                           const struct roads_place *targets,
                                           size_t count,
                                           struct roads_tables **ret);
void roads_tables_free(struct roads_tables *tables); /* NULL is fine */
size_t roads_tables_bytes(const struct roads_tables *tables);
const struct roads_metric *
roads_tables_metric(const struct roads_tables *tables);

/* Milliseconds from a place to each target, right to 50 ms; ROADS_NONE where
 * there is no way, and everywhere from what is no place. `ret` has room for
 * as many as there are targets. */
void roads_tables_from(const struct roads_tables *tables,
                       const struct roads_place *from, uint32_t *ret);

/* The same to one of them. */
uint32_t roads_tables_one(const struct roads_tables *tables,
                          const struct roads_place *from, size_t index);

/* ---------------------------------------------------------- streets on trial
 */
/* What if these were closed: a metric with some streets closed for a moment,
 * both ways, and who is where in time on it, by the times that tables of such a
 * metric would tell. Closing takes microseconds where a metric and its tables
 * take a second. One thread at a time. */
struct roads_trial;

/* Counts the metric, which need not be prepared; nothing is closed. */
PT_MUST_CHECK enum pt_err roads_trial_new(const struct roads_metric *metric,
                                          struct roads_trial **ret);
void roads_trial_free(struct roads_trial *trial); /* NULL is fine */
/* Opens what it closed before, and closes these edges. PT_E_RANGE: one is none
 * of the network; PT_E_NOMEM: nothing is closed. */
PT_MUST_CHECK enum pt_err roads_trial_close(struct roads_trial *trial,
                                            const uint32_t *edges,
                                            size_t count);
/* For roads_snap_open() and the like: changes with roads_trial_close(), lives
 * as long as the trial, and is not to be counted or searched on. */
const struct roads_metric *roads_trial_metric(const struct roads_trial *trial);

/* By one search backwards from the target: `met` is called for each slot that
 * has at most limit_ms[slot] to drive to it (ROADS_NONE: it is not asked
 * about), in no order, once for each direction in which it may set out for
 * that: by directed edge. `ahead`: the target lies before it on this edge.
 * False ends the search. PT_E_RANGE: the target or `standing` is of another
 * network; PT_E_NOMEM. */
typedef bool (*roads_met)(void *context, uint32_t slot, uint32_t directed,
                          bool ahead);
PT_MUST_CHECK enum pt_err
roads_trial_reach(struct roads_trial *trial,
                  const struct roads_standing *standing,
                  const struct roads_place *target, const uint32_t *limit_ms,
                  roads_met met, void *context);
/* The edges on whose being open it depends that one who was met is there in
 * that time, setting out so; some perhaps twice. After the search, until the
 * next. */
void roads_trial_way(const struct roads_trial *trial, uint32_t directed,
                     bool ahead, void (*each)(void *context, uint32_t edge),
                     void *context);

/* ---------------------------------------------------------------- spreads */
/* The first few units to arrive at every street, by one sweep from all of
 * them at once. Working memory and result in one, for one thread; counts the
 * network. */
struct roads_spread;
#define ROADS_SPREAD_MAX 8u

struct roads_reach {
    uint32_t ms;   /* ROADS_NONE: nobody (else) */
    uint32_t slot; /* ROADS_NONE */
};

/* For standings of up to `max_slots`; `k` is 1 to ROADS_SPREAD_MAX. */
PT_MUST_CHECK enum pt_err roads_spread_new(const struct roads *roads,
                                           size_t max_slots, size_t k,
                                           struct roads_spread **ret);
void roads_spread_free(struct roads_spread *spread);
/* By how much later than at once a slot sets out in later runs; 0 unless set.
 */
void roads_spread_late(struct roads_spread *spread, uint32_t slot, uint32_t ms);
/* What a drive takes beside the driving in later runs: `start_ms`, but at most
 * `share` times the drive. 0 unless set. */
void roads_spread_start(struct roads_spread *spread, uint32_t start_ms,
                        uint32_t share);
static inline uint32_t roads_start_of(uint32_t drive_ms, uint32_t start_ms,
                                      uint32_t share)
{
    return (uint64_t)share * drive_ms < start_ms ? share * drive_ms : start_ms;
}
/* Sweeps. `standing` and `wanted` as in roads_nearest(); who needs more than
 * `limit_ms`, all told, does not arrive. PT_E_RANGE when the two or the metric
 * are not of its network, or that is not prepared; PT_E_NOMEM: the result is
 * not right. Else it stands until the next. */
PT_MUST_CHECK enum pt_err
roads_spread_run(struct roads_spread *spread, const struct roads_metric *metric,
                 const struct roads_standing *standing, uint32_t limit_ms,
                 bool (*wanted)(void *context, uint32_t slot), void *context);
/* The k first at a place; it may be on an edge on which some stand (as they
 * did when it was run: `standing` as then). `ret` has room for k. */
void roads_spread_to(const struct roads_spread *spread,
                     const struct roads_standing *standing,
                     const struct roads_place *place, struct roads_reach *ret);
/* How many of the k first arrive within a limit, of places by the thousand,
 * each with a limit of its own: several times as fast as asking one by one.
 * What is made of the places holds for one metric, which it counts. For one
 * thread at a time. */
struct roads_places;
/* `count` of both; of a place off the network, or with a limit of 0, nobody is
 * asked. PT_E_RANGE: the metric is not prepared; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err roads_places_new(const struct roads_metric *metric,
                                           const struct roads_place *places,
                                           const uint32_t *limit_ms,
                                           size_t count,
                                           struct roads_places **ret);
void roads_places_free(struct roads_places *places);
/* Into `within`, one for each place as they were given: how many arrive there
 * within its limit. PT_E_RANGE: the last run was by another metric. */
PT_MUST_CHECK enum pt_err
roads_spread_count(const struct roads_spread *spread,
                   const struct roads_standing *standing,
                   struct roads_places *places, uint8_t *within);

#endif

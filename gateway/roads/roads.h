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
 * except what is forbidden. Turning round, back into the edge one came on,
 * is allowed only where no other turn is (a dead end), unless it is
 * forbidden, too. */
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROADS_NONE UINT32_MAX /* no edge; also "unknown" as a time */
#define ROADS_EDGES_MAX 50000000u
#define ROADS_TURNS_MAX 50000000u

/* ------------------------------------------------------------- making one */
struct roads_edge_row {
    int64_t way_id;
    int64_t source, target;           /* node ids */
    uint32_t forward_ms, backward_ms; /* 0: not allowed that way */
    float length_m;
    uint32_t point_count;           /* 2 or more */
    const char *name;               /* NULL: none; copied */
    const struct geo_point *points; /* from source to target; copied */
};

struct roads_turn_row { /* a turn that may not be made */
    uint32_t from;      /* directed edges */
    uint32_t to;
};

struct roads;

/* Edge i of the graph is rows[i] (the database's edge_id i + 1); one that is
 * driven neither way is there, but nothing snaps to it. PT_E_RANGE
 * when there is no row that is driven, or an impossible one (a time above
 * INT32_MAX, fewer than two points, a turn between edges that do not meet;
 * a ban on a direction that is not driven anyway is fine). */
PT_MUST_CHECK enum pt_err roads_new(const struct roads_edge_row *rows,
                                    size_t edge_count,
                                    const struct roads_turn_row *turns,
                                    size_t turn_count, struct roads **ret);
/* The network in force, by binary COPY over a connection of its own, all of
 * it from one snapshot. Blocks: pool thread. PT_E_NOTFOUND when none was
 * imported; PT_E_DB; PT_E_CORRUPT when the tables do not hold what they
 * promise. `message` says more, also about success. */
PT_MUST_CHECK enum pt_err roads_load(const char *conninfo, struct roads **ret,
                                     char *message, size_t message_size);
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
/* Milliseconds to travel it; ROADS_NONE when not allowed that way. */
uint32_t roads_edge_ms(const struct roads *roads, uint32_t directed);
double roads_edge_length_m(const struct roads *roads, uint32_t directed);
const char *roads_edge_name(const struct roads *roads, uint32_t directed);
int64_t roads_edge_way(const struct roads *roads, uint32_t directed);
/* Course at a place, in the direction of travel; degrees from true north. */
double roads_course_deg(const struct roads *roads, uint32_t directed,
                        double travelled);
/* Those from which one may turn into `directed`. Writes at most `max`,
 * returns how many there are; 0 when it is not driven. */
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

/* The nearest edge within `reach_m` (0 to 50 km: distances are those of the
 * plane at the point). PT_E_OFFROAD when there is none. Ties go to the lower
 * edge number, and on it to the place nearer its source. Any thread. */
PT_MUST_CHECK enum pt_err roads_snap(const struct roads *roads,
                                     struct geo_point point, double reach_m,
                                     struct roads_place *ret);

/* The place of which the share `travelled` of a directed edge lies behind;
 * its distance_m is 0. */
struct roads_place roads_place_on(const struct roads *roads, uint32_t directed,
                                  double travelled);

/* The nearest place of every edge within `reach_m`, nearest first (ties:
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

/* --------------------------------------------------------------- searches */
/* Working memory, reused between searches: no allocation per query. One
 * thread at a time. Counts the network. */
struct roads_search;
PT_MUST_CHECK enum pt_err roads_search_new(const struct roads *roads,
                                           struct roads_search **ret);
void roads_search_free(struct roads_search *search);

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
 * least one leg and two points; legs of no length are left out beside others.
 * PT_E_UNREACHABLE when there is none: never 0 s. PT_E_RANGE as above. The
 * caller gives `ret` to roads_route_clear(). */
PT_MUST_CHECK enum pt_err roads_route(struct roads_search *search,
                                      const struct roads_place *from,
                                      const struct roads_place *to,
                                      struct roads_route *ret);
void roads_route_clear(struct roads_route *route); /* cleared is fine */

#endif

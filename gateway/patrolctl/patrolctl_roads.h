#ifndef PATROLCTL_ROADS_H
#define PATROLCTL_ROADS_H
/* The tables of the street network, as `roads import` and `roads profiles`
 * write them. */
#include "osm.h"
#include "patrolctl_internal.h"
#include "profile.h"

/* How facts are read now: road_network.facts. */
#define CTL_ROAD_FACTS "1"

/* What each edge takes by each profile; index 0 forward, 1 backward, 0: not
 * that way. */
struct ctl_costs {
    size_t edge_count;
    size_t profile_count;
    uint32_t (*ms[PROFILE_COUNT_MAX])[2];
    /* of edges not driven at all, why not (forward) */
    uint64_t not_driven[PROFILE_COUNT_MAX][PROFILE_WHY_COUNT];
    uint64_t driven[PROFILE_COUNT_MAX];
    double driven_m[PROFILE_COUNT_MAX];
};

bool ctl_costs_new(size_t edge_count, size_t profile_count,
                   struct ctl_costs *ret); /* a complaint is made */
void ctl_costs_clear(struct ctl_costs *costs);
/* The next edge's, by all profiles. */
void ctl_costs_set(struct ctl_costs *costs, size_t edge,
                   const struct profiles *profiles,
                   const struct profile_facts *facts);
json_t *ctl_costs_json(const struct ctl_costs *costs,
                       const struct profiles *profiles);
void ctl_costs_print(const struct ctl_costs *costs,
                     const struct profiles *profiles);

/* What the first profile cannot come to from the longest part of the network
 * within which it gets everywhere, or not back from; forbidden turns are not
 * looked at. */
struct ctl_islands {
    struct osm_parts parts; /* the first is the main one */
    bool *main;             /* of each edge: driven, and in the main part */
    size_t edges;           /* driven, and not in it */
    double length_m;        /* of those */
    long long missions;     /* that have one of them as the nearest */
};

/* Of the network only its nodes' places, and its edges' ends and lengths are
 * looked at. A complaint is made. */
bool ctl_islands_find(const struct osm_network *network,
                      const struct ctl_costs *costs, struct ctl_islands *ret);
void ctl_islands_clear(struct ctl_islands *islands); /* cleared is fine */
/* Once the edges are written. */
bool ctl_islands_missions(PGconn *conn, struct ctl_islands *islands);
json_t *ctl_islands_json(const struct ctl_islands *islands);
void ctl_islands_print(const struct ctl_islands *islands,
                       const struct profiles *profiles);

/* Those in force, or the built-in ones when there are none. NULL, and a
 * complaint made, when the database refused. profiles_free() them. */
struct profiles *ctl_profiles_in_force(PGconn *conn);

struct ctl_writing {
    PGconn *conn;
    struct ctl_progress *progress;
    size_t written, total; /* rows */
    struct ctl_copy copy;
};

/* Only one at a time changes the streets; the lock goes with the
 * transaction. */
bool ctl_roads_lock(PGconn *conn);
bool ctl_write_nodes(struct ctl_writing *writing,
                     const struct osm_network *network);
/* With the first profile's costs. */
bool ctl_write_edges(struct ctl_writing *writing,
                     const struct osm_network *network,
                     const struct ctl_costs *costs,
                     const struct ctl_islands *islands);
bool ctl_write_turns(struct ctl_writing *writing,
                     const struct osm_network *network);
/* In place of those that are there. */
bool ctl_write_profiles(struct ctl_writing *writing,
                        const struct profiles *profiles,
                        const struct ctl_costs *costs);

#endif

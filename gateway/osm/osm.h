#ifndef OSM_H
#define OSM_H
/* osm: an OpenStreetMap file as a network of streets: ways that somebody may
 * drive, cut at junctions and barriers, with the facts by which profiles
 * judge them, and forbidden sequences of turns. Objects may come in any
 * order; .osm, .osm.gz, .osm.bz2 and .osm.pbf. Blocks; one thread.
 *
 * Kept: highway = motorway, trunk, primary, secondary, tertiary and their
 * links, unclassified, residential, living_street, service, road, pedestrian
 * and busway; track where tracktype or surface promise firm ground; footway,
 * path, cycleway and bridleway where the emergency tag opens them. No areas,
 * no ferries, nothing planned, being built, given up or impassable. Who may
 * drive there is not judged here, so access tags leave nothing out. Tags that
 * hold at some hours only (access:conditional and the like) are passed over.
 *
 * A barrier on a node where no more than two pieces of street meet gets a
 * piece of its own: the last 2 m before it (less where the street is
 * shorter), so that the streets on both sides stay in the network whether it
 * is passed or not.
 *
 * Restrictions hold for cars at all times, or they are left out; via a node
 * or via ways. "Only" forbids every other way on from the end of what it
 * names, the way back too. Everything left out is counted with its reason in
 * the tally. */
#include "geo.h"
#include "profile.h"
#include "pt_err.h"
#include <stddef.h>
#include <stdint.h>

/* Limits: a file that has more is refused with PT_E_RANGE. */
#define OSM_NODES_MAX 400000000u
#define OSM_EDGES_MAX 50000000u

/* The place before a barrier: this more than the barrier's node id. */
#define OSM_BARRIER_PLACE (INT64_C(1) << 62)

/* What a way's tags say, once for all its edges. */
struct osm_street {
    const char *highway;
    const char *name, *ref; /* NULL: none, as for all below */
    const char *surface, *smoothness, *tracktype, *service;
    const char *access;        /* profile.h has how it is written */
    const char *oneway_except; /* "bus", "emergency", "bus emergency" */
    enum profile_oneway oneway;
    enum profile_limit limit;
    float limit_kmh[PROFILE_DIRECTIONS]; /* 0: not known */
    uint8_t lanes;                       /* 0: not tagged */
    int8_t layer;
    bool bridge, tunnel, roundabout;
};

struct osm_edge {
    int64_t way_id;
    uint32_t source, target; /* indexes into nodes */
    uint32_t street;         /* into streets */
    float length_m;
    uint32_t first_point, point_count; /* into points */
    const char *barrier;               /* NULL: none */
    /* met strictly between its ends; at most 255 of each are counted */
    uint8_t signals[PROFILE_DIRECTIONS];
    uint8_t stops[PROFILE_DIRECTIONS];
    uint8_t give_ways[PROFILE_DIRECTIONS];
    uint8_t crossings, calmings;
};

struct osm_turn { /* forbidden, from the one over all of via into the other */
    uint32_t from_edge, to_edge;
    uint8_t from_forward, to_forward;
    uint16_t via_count;
    uint32_t first_via; /* into vias */
    int64_t relation_id;
    const char *except; /* the tag's value; NULL: none */
};

enum osm_control {
    OSM_NO_CONTROL,
    OSM_SIGNALS,
    OSM_STOP,
    OSM_GIVE_WAY,
    OSM_MINI_ROUNDABOUT
};

struct osm_node {
    int64_t id;
    struct geo_point at;
    enum osm_control control;
    const char *barrier; /* NULL: none */
};

/* What was read and what was left out, with the reason as key: printed as
 * the import's summary and kept in road_network.summary. */
struct osm_count {
    const char *what; /* "ways skipped: track", ... */
    uint64_t count;
};

struct osm_network {
    size_t node_count;
    struct osm_node *nodes;
    size_t street_count;
    struct osm_street *streets;
    size_t edge_count;
    struct osm_edge *edges;
    size_t point_count;
    struct geo_point *points;
    size_t turn_count;
    struct osm_turn *turns;
    size_t via_count;
    uint32_t *vias; /* 2 * edge + (0 forward | 1 backward) */
    double length_m;
    size_t tally_count;
    struct osm_count *tally;
    void *memory; /* texts; what osm_network_free() frees */
};

/* Progress: share of the file read, 0..1. May be NULL. */
typedef void (*osm_progress)(void *context, double share, const char *phase);

/* PT_E_DISK: not readable; PT_E_CORRUPT: damaged or truncated; PT_E_RANGE: a
 * name that does not say what is in it, or more than the limits;
 * PT_E_MALFORMED: a kind of .pbf that is not supported; PT_E_NOTFOUND: no
 * drivable road in it. `message` says more. Edges come in order of their
 * ways' ids, nodes in order of theirs, whatever the order in the file. The
 * caller gives `ret` to osm_network_free(). */
PT_MUST_CHECK enum pt_err osm_read(const char *path, osm_progress progress,
                                   void *context, struct osm_network **ret,
                                   char *message, size_t message_size);
void osm_network_free(struct osm_network *network);

/* What a profile is to judge; its texts are the network's. */
struct profile_facts osm_edge_facts(const struct osm_network *network,
                                    const struct osm_edge *edge);

/* ----------------------------------------------------------------- parts */
/* The network falls into parts within which one gets from everywhere to
 * everywhere (strongly connected, forbidden turns not looked at). */
struct osm_part {
    size_t edge_count; /* of which both ends are in it */
    double length_m;
    struct geo_point at; /* one end of its longest edge */
};

struct osm_parts {
    size_t count; /* of those with an edge; the longest first */
    struct osm_part *items;
    uint32_t *of_node; /* into items; UINT32_MAX: no edge of its own */
};

/* `ms`: of each edge, the milliseconds forward and backward, 0: not that
 * way. PT_E_NOMEM. The caller gives `ret` to osm_parts_clear(). */
PT_MUST_CHECK enum pt_err osm_find_parts(const struct osm_network *network,
                                         const uint32_t (*ms)[2],
                                         struct osm_parts *ret);
void osm_parts_clear(struct osm_parts *parts); /* cleared is fine */

#endif

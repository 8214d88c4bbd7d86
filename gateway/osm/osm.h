#ifndef OSM_H
#define OSM_H
/* osm: an OpenStreetMap file as a drivable network: ways that cars may use,
 * cut at junctions, with lengths, directions, speeds and forbidden turns.
 * Objects may come in any order; .osm, .osm.gz, .osm.bz2 and .osm.pbf.
 * Blocks; one thread.
 *
 * Kept: highway = motorway, trunk, primary, secondary, tertiary and their
 * links, unclassified, residential, living_street, service, road; no tracks,
 * no areas. Access by the most specific of motorcar, motor_vehicle, vehicle,
 * access: "no", "private" and what is for others only (buses, farmers,
 * emergency) are left out; destination, delivery, customers stay. One-way by
 * oneway (and oneway:motor_vehicle), -1 too, implied for roundabouts and
 * motorways; what changes by the clock is left out. Times are from maxspeed
 * where it is understood, else from the class (table in osm_tags.c).
 * Restrictions with a via node that hold for cars at all times become
 * forbidden turns; "only" forbids every other way on, the way back too.
 * Everything left out is counted with its reason in the tally. */
#include "geo.h"
#include "pt_err.h"
#include <stddef.h>
#include <stdint.h>

/* Limits: a file that has more is refused with PT_E_RANGE. */
#define OSM_NODES_MAX 400000000u
#define OSM_EDGES_MAX 50000000u

struct osm_edge {
    int64_t way_id;
    uint32_t source, target;          /* indexes into nodes */
    uint32_t forward_ms, backward_ms; /* 0: not allowed that way */
    float length_m;
    float maxspeed_forward_kmh, maxspeed_backward_kmh; /* 0: not tagged */
    const char *highway;                               /* "residential", ... */
    const char *name;                                  /* NULL: none */
    const char *ref;
    uint32_t first_point, point_count; /* into points */
};

struct osm_turn { /* forbidden */
    uint32_t from_edge, to_edge;
    uint8_t from_forward, to_forward;
    int64_t relation_id;
};

struct osm_node {
    int64_t id;
    struct geo_point at;
};

/* What was read and what was left out, with the reason as key: printed as
 * the import's summary and kept in road_network.summary. */
struct osm_count {
    const char *what; /* "ways skipped: reversible", ... */
    uint64_t count;
};

struct osm_network {
    size_t node_count;
    struct osm_node *nodes;
    size_t edge_count;
    struct osm_edge *edges;
    size_t point_count;
    struct geo_point *points;
    size_t turn_count;
    struct osm_turn *turns;
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

#endif

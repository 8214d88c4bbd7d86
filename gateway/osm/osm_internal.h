#ifndef OSM_INTERNAL_H
#define OSM_INTERNAL_H
/* What the parts of the OpenStreetMap reader share. In the order a file goes
 * through them: osm_file.c opens it, osm_tags.c judges a way's tags, osm.c
 * collects ways, restrictions and nodes in two passes, osm_cut.c cuts the
 * ways at junctions, osm_turns.c turns restrictions into forbidden turns. */
#include "osm.h"
#include <readosm.h>
#include <stdbool.h>

#define OSM_NO_NODE UINT32_MAX
#define OSM_NO_TEXT SIZE_MAX

/* What is counted, and the words for it. Ways that are no road at all
 * (buildings, rivers) are the difference between read and the rest. */
#define OSM_TALLY(X)                                                           \
    X(NODES_READ, "nodes read")                                                \
    X(WAYS_READ, "ways read")                                                  \
    X(RELATIONS_READ, "relations read")                                        \
    X(WAYS_KEPT, "ways kept")                                                  \
    X(WAYS_NOT_HIGHWAY, "ways skipped: no highway")                            \
    X(WAYS_NOT_FOR_CARS, "ways skipped: highway not for cars")                 \
    X(WAYS_TRACK, "ways skipped: track")                                       \
    X(WAYS_UNFINISHED, "ways skipped: planned, being built or disused")        \
    X(WAYS_AREA, "ways skipped: area")                                         \
    X(WAYS_IMPASSABLE, "ways skipped: impassable")                             \
    X(WAYS_ACCESS_NO, "ways skipped: access no")                               \
    X(WAYS_ACCESS_PRIVATE, "ways skipped: access private")                     \
    X(WAYS_ACCESS_OTHERS, "ways skipped: access for others only")              \
    X(WAYS_REVERSIBLE, "ways skipped: reversible one-way")                     \
    X(WAYS_TOO_SHORT, "ways skipped: fewer than two nodes")                    \
    X(WAYS_OUTSIDE, "ways skipped: no two nodes in a row in the file")         \
    X(WAYS_REPEATED, "ways skipped: id came before")                           \
    X(WAYS_ONE_WAY, "ways one-way")                                            \
    X(WAYS_BORDER, "ways cut where nodes are not in the file")                 \
    X(NODES_MISSING, "way nodes not in the file")                              \
    X(NODES_IN_A_ROW, "way nodes repeated in a row, dropped")                  \
    X(NODES_REPEATED, "nodes whose id came before, dropped")                   \
    X(ONEWAY_UNKNOWN, "oneway not understood, both directions used")           \
    X(MAXSPEED_USED, "ways with a maxspeed")                                   \
    X(MAXSPEED_UNKNOWN, "maxspeed not understood, class default used")         \
    X(TEXTS_DROPPED, "names and refs dropped: not UTF-8")                      \
    X(TEXTS_CUT, "names and refs cut to 255 characters")                       \
    X(LOOPS, "edges that end where they start")                                \
    X(ZERO_LENGTH, "edges without length, 1 ms used")                          \
    X(RESTRICTIONS_READ, "restrictions read")                                  \
    X(RESTRICTIONS_KEPT, "restrictions kept")                                  \
    X(RESTRICTIONS_IDLE, "restrictions that forbid nothing that was allowed")  \
    X(RESTRICTIONS_OTHERS, "restrictions skipped: not for cars")               \
    X(RESTRICTIONS_CONDITIONAL, "restrictions skipped: conditional")           \
    X(RESTRICTIONS_VIA_WAY, "restrictions skipped: via a way")                 \
    X(RESTRICTIONS_KIND, "restrictions skipped: kind not understood")          \
    X(RESTRICTIONS_MEMBERS, "restrictions skipped: members missing or double") \
    X(RESTRICTIONS_OFF_NETWORK,                                                \
      "restrictions skipped: member not in the network")                       \
    X(RESTRICTIONS_AMBIGUOUS,                                                  \
      "restrictions skipped: member goes on beyond the via node")

enum osm_tally {
#define OSM_TALLY_ENUM(name, words) OSM_##name,
    OSM_TALLY(OSM_TALLY_ENUM)
#undef OSM_TALLY_ENUM
        OSM_TALLY_COUNT
};

/* ----------------------------------------------------------- osm_tags.c */
struct osm_class {
    const char *highway;
    float kmh; /* used where maxspeed is not tagged */
};

struct osm_rule { /* what a way's tags say about driving on it */
    const struct osm_class *class;
    bool forward, backward;
    float maxspeed_forward_kmh, maxspeed_backward_kmh; /* 0: not tagged */
    const char *name; /* borrowed from the tags, not yet checked */
    const char *ref;
};

/* The value of `key`; NULL when the way or relation has none. */
const char *osm_tag(const readosm_tag *tags, int count, const char *key);

/* True when cars may drive there; else the reason is counted. */
bool osm_way_rule(const readosm_tag *tags, int count, uint64_t *tally,
                  struct osm_rule *ret);

/* Kilometres per hour of a maxspeed value; 0 when it is not understood. */
float osm_parse_maxspeed(const char *value);

enum osm_restriction_sort { OSM_FORBIDS, OSM_FORBIDS_U_TURN, OSM_DEMANDS };

/* True when the relation is a restriction that holds for cars at all
 * times; else, if it is a restriction, the reason is counted. */
bool osm_restriction_rule(const readosm_tag *tags, int count, uint64_t *tally,
                          enum osm_restriction_sort *ret);

/* ------------------------------------------------------------ osm_file.c */
struct osm_file { /* the same file, open for both passes */
    const void *handle[2];
    int descriptor[2]; /* readosm's own, only to see how far it is; -1 */
    uint64_t size;     /* bytes of what readosm reads */
};

PT_MUST_CHECK enum pt_err osm_file_open(struct osm_file *file, const char *path,
                                        osm_progress progress, void *context,
                                        char *message, size_t message_size);
/* Share of the pass that is read, 0..1. */
double osm_file_share(const struct osm_file *file, int pass);
void osm_file_close(struct osm_file *file);
/* readosm's answer as ours; `message` says it in words. */
enum pt_err osm_file_error(int code, const char *path, char *message,
                           size_t message_size);

/* ------------------------------------------------------------- osm_pbf.c */
/* PT_E_MALFORMED: a .pbf that libreadosm would read wrongly. */
PT_MUST_CHECK enum pt_err osm_pbf_check(const char *path, char *message,
                                        size_t message_size);

/* --------------------------------------------------------------- osm.c */
struct osm_way {
    int64_t id;
    size_t first_ref;
    uint32_t ref_count;
    bool forward, backward;
    const struct osm_class *class;
    float maxspeed_forward_kmh, maxspeed_backward_kmh;
    size_t name, ref;    /* offsets into the texts, or OSM_NO_TEXT */
    uint32_t first_edge; /* osm_cut.c: its pieces are numbered in a row */
    uint32_t edge_count;
};

struct osm_restriction {
    int64_t relation_id;
    int64_t via;
    enum osm_restriction_sort sort;
    size_t first_member; /* ways, the `from` ones first */
    uint32_t from_count, to_count;
};

struct osm_work {
    size_t way_count, way_room;
    struct osm_way *ways; /* by id, once pass one is over */
    size_t ref_count, ref_room;
    int64_t *refs; /* node ids of all kept ways, way after way */
    size_t restriction_count, restriction_room;
    struct osm_restriction *restrictions;
    size_t member_count, member_room;
    int64_t *members;
    size_t text_size, text_room;
    char *texts;
    size_t id_count;
    int64_t *ids;         /* of the needed nodes, ascending, once each */
    struct geo_point *at; /* of ids[i] */
    bool *found;          /* ids[i] is in the file */
    uint64_t tally[OSM_TALLY_COUNT];
    enum pt_err err; /* why a callback gave up */
    char message[160];
    const struct osm_file *file;
    int pass;
    uint64_t objects;
    osm_progress progress;
    void *context;
};

/* Room for `more` elements behind the `count` that `*items` holds; doubles.
 * Any failure leaves the array as it was. */
PT_MUST_CHECK enum pt_err osm_grow(void **items, size_t *room, size_t count,
                                   size_t more, size_t size);

/* Index into work->ids, or OSM_NO_NODE. */
uint32_t osm_node_index(const struct osm_work *work, int64_t id);
/* The way of that id among those kept; NULL. */
const struct osm_way *osm_find_way(const struct osm_work *work, int64_t id);

/* ----------------------------------------------------------- osm_cut.c */
/* Fills the network's nodes, edges and points, and each way's edges.
 * `vertex`, of work->id_count, gets the place in network->nodes of every
 * needed node that is an end of an edge, else OSM_NO_NODE. */
PT_MUST_CHECK enum pt_err
osm_cut(struct osm_work *work, struct osm_network *network, uint32_t *vertex);

/* --------------------------------------------------------- osm_turns.c */
PT_MUST_CHECK enum pt_err osm_turns(struct osm_work *work,
                                    const uint32_t *vertex,
                                    struct osm_network *network);

#endif

#ifndef OSM_INTERNAL_H
#define OSM_INTERNAL_H
/* What the parts of the OpenStreetMap reader share. In the order a file goes
 * through them: osm_file.c opens it, osm_tags.c and osm_speed.c judge tags,
 * osm.c collects ways, restrictions and nodes in two passes, osm_cut.c cuts
 * the ways at junctions, osm_turns.c turns restrictions into forbidden
 * sequences. */
#include "osm.h"
#include <readosm.h>
#include <stdbool.h>

#define OSM_NO_NODE UINT32_MAX
#define OSM_NO_TEXT UINT32_MAX

/* What is counted, and the words for it. Ways that are no road at all
 * (buildings, rivers) are the difference between read and the rest. */
#define OSM_TALLY(X)                                                           \
    X(NODES_READ, "nodes read")                                                \
    X(WAYS_READ, "ways read")                                                  \
    X(RELATIONS_READ, "relations read")                                        \
    X(WAYS_KEPT, "ways kept")                                                  \
    X(WAYS_NOT_HIGHWAY, "ways skipped: no highway")                            \
    X(WAYS_FERRY, "ways skipped: ferry or car train")                          \
    X(WAYS_NOT_FOR_CARS, "ways skipped: highway not for cars")                 \
    X(WAYS_TRACK, "ways skipped: track not known to be firm")                  \
    X(WAYS_UNFINISHED, "ways skipped: planned, being built or disused")        \
    X(WAYS_AREA, "ways skipped: area")                                         \
    X(WAYS_IMPASSABLE, "ways skipped: impassable")                             \
    X(WAYS_TOO_SHORT, "ways skipped: fewer than two nodes")                    \
    X(WAYS_OUTSIDE, "ways skipped: no two nodes in a row in the file")         \
    X(WAYS_REPEATED, "ways skipped: id came before")                           \
    X(WAYS_ONE_WAY, "ways one-way")                                            \
    X(WAYS_REVERSIBLE, "ways whose direction changes with the hour")           \
    X(WAYS_BORDER, "ways cut where nodes are not in the file")                 \
    X(NODES_MISSING, "way nodes not in the file")                              \
    X(NODES_IN_A_ROW, "way nodes repeated in a row, dropped")                  \
    X(NODES_REPEATED, "nodes whose id came before, dropped")                   \
    X(ONEWAY_UNKNOWN, "oneway not understood, both directions used")           \
    X(ONEWAY_CONDITIONAL, "oneway:conditional passed over")                    \
    X(ACCESS_CONDITIONAL, "access:conditional and the like passed over")       \
    X(MAXSPEED_USED, "ways with a maxspeed")                                   \
    X(MAXSPEED_IMPLICIT, "of them by a country's code or a zone")              \
    X(MAXSPEED_VARIABLE, "maxspeed that changes, class default used")          \
    X(MAXSPEED_UNKNOWN, "maxspeed not understood, class default used")         \
    X(MAXSPEED_CONDITIONAL, "maxspeed:conditional passed over")                \
    X(TEXTS_DROPPED, "names and refs dropped: not UTF-8")                      \
    X(TEXTS_CUT, "names and refs cut to 255 characters")                       \
    X(SIGNALS_MET, "traffic signals on streets")                               \
    X(STOPS, "stop signs on streets")                                          \
    X(GIVE_WAYS, "give-way signs on streets")                                  \
    X(BARRIERS, "barriers across a street")                                    \
    X(BARRIERS_JUNCTION, "barriers where three or more meet, not used")        \
    X(BARRIERS_END, "barriers at the end of a street, not used")               \
    X(LOOPS, "edges that end where they start")                                \
    X(ZERO_LENGTH, "edges without length")                                     \
    X(RESTRICTIONS_READ, "restrictions read")                                  \
    X(RESTRICTIONS_KEPT, "restrictions kept")                                  \
    X(RESTRICTIONS_VIA_WAY, "of them via a way")                               \
    X(RESTRICTIONS_IDLE, "restrictions that forbid nothing that was allowed")  \
    X(RESTRICTIONS_OTHERS, "restrictions skipped: not for cars")               \
    X(RESTRICTIONS_CONDITIONAL, "restrictions skipped: conditional")           \
    X(RESTRICTIONS_KIND, "restrictions skipped: kind not understood")          \
    X(RESTRICTIONS_MEMBERS, "restrictions skipped: members missing or double") \
    X(RESTRICTIONS_OFF_NETWORK,                                                \
      "restrictions skipped: member not in the network")                       \
    X(RESTRICTIONS_APART, "restrictions skipped: members do not meet")         \
    X(RESTRICTIONS_AMBIGUOUS,                                                  \
      "restrictions skipped: member goes on beyond the via node or way")

enum osm_tally {
#define OSM_TALLY_ENUM(name, words) OSM_##name,
    OSM_TALLY(OSM_TALLY_ENUM)
#undef OSM_TALLY_ENUM
        OSM_TALLY_COUNT
};

/* ----------------------------------------------------------- osm_tags.c */
/* Longest that is kept of the tags about access; more is no road. */
#define OSM_WORDS_MAX 400

struct osm_rule {             /* what a way's tags say about driving on it */
    struct osm_street street; /* texts borrowed, not yet checked */
    char access[OSM_WORDS_MAX];
};

/* The value of `key`; NULL when the way or relation has none. */
const char *osm_tag(const readosm_tag *tags, int count, const char *key);
/* The first of `keys` (most specific first, NULL at the end) that is
 * tagged. */
const char *osm_first_tag(const readosm_tag *tags, int count,
                          const char *const *keys);
bool osm_is(const char *value, const char *word);
/* One of `words`, which stand between single blanks. */
bool osm_is_one_of(const char *value, size_t length, const char *words);

/* True when somebody may drive there; else the reason is counted. `ret` is
 * not to be copied: its street points into it. */
bool osm_way_rule(const readosm_tag *tags, int count, uint64_t *tally,
                  struct osm_rule *ret);

struct osm_node_rule { /* what stands on a node */
    enum osm_control control;
    enum profile_oneway direction; /* whom control is for, if it says so */
    bool both_ways;                /* it says: both */
    bool crossing, calming;
    char barrier[OSM_WORDS_MAX]; /* "": none */
};

/* True when there is something that a driver meets; what of it holds at some
 * hours only is counted. */
bool osm_node_rule(const readosm_tag *tags, int count, uint64_t *tally,
                   struct osm_node_rule *ret);

enum osm_restriction_sort { OSM_FORBIDS, OSM_FORBIDS_U_TURN, OSM_DEMANDS };

/* True when the relation is a restriction that holds for cars at all
 * times; else, if it is a restriction, the reason is counted. */
bool osm_restriction_rule(const readosm_tag *tags, int count, uint64_t *tally,
                          enum osm_restriction_sort *ret);

/* ----------------------------------------------------------- osm_speed.c */
/* Kilometres per hour of a maxspeed value and what kind it is; 0 when it is
 * not understood (PROFILE_LIMIT_UNKNOWN) or not known (PROFILE_VARIABLE). */
float osm_parse_maxspeed(const char *value, enum profile_limit *limit);

/* Fills the street's limits. */
void osm_way_speeds(const readosm_tag *tags, int count, uint64_t *tally,
                    struct osm_street *street);

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

/* -------------------------------------------------- what is collected */
enum osm_text { /* of a way */
                OSM_HIGHWAY,
                OSM_NAME,
                OSM_REF,
                OSM_SURFACE,
                OSM_SMOOTHNESS,
                OSM_TRACKTYPE,
                OSM_SERVICE,
                OSM_ACCESS,
                OSM_TEXT_COUNT
};

struct osm_way {
    int64_t id;
    size_t first_ref;
    uint32_t ref_count;
    uint32_t text[OSM_TEXT_COUNT]; /* offsets into the texts, OSM_NO_TEXT */
    const char *oneway_except;     /* one of few, not among the texts */
    float limit_kmh[PROFILE_DIRECTIONS];
    uint8_t oneway, limit; /* enum profile_oneway, enum profile_limit */
    uint8_t lanes;
    int8_t layer;
    bool bridge, tunnel, roundabout;
    uint32_t first_edge; /* osm_cut.c: its pieces are numbered in a row */
    uint32_t edge_count;
};

struct osm_restriction {
    int64_t relation_id;
    int64_t via; /* node, when there are no via ways */
    enum osm_restriction_sort sort;
    uint32_t except;     /* offset into the texts, OSM_NO_TEXT */
    size_t first_member; /* ways: `from`, then `to`, then `via` */
    uint32_t from_count, to_count, via_count;
};

struct osm_mark {  /* what stands on a node that a street passes */
    uint32_t node; /* into work->ids */
    uint8_t control, direction;
    bool both_ways, crossing, calming;
    uint32_t barrier; /* offset into the texts, OSM_NO_TEXT */
    uint32_t place;   /* osm_cut.c: the vertex before the barrier */
};

#define OSM_NODE_FOUND 1  /* in the file */
#define OSM_NODE_MARKED 2 /* has an osm_mark */

#define OSM_RECENT_TEXTS 4096u

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
    uint32_t *recent; /* OSM_RECENT_TEXTS offsets of texts, by hash */
    size_t id_count;
    int64_t *ids;         /* of the needed nodes, ascending, once each */
    struct geo_point *at; /* of ids[i] */
    uint8_t *flags;       /* of ids[i] */
    size_t mark_count, mark_room;
    struct osm_mark *marks; /* by node, once pass two is over */
    uint64_t tally[OSM_TALLY_COUNT];
    enum pt_err err; /* why a callback gave up */
    char message[160];
    const struct osm_file *file;
    int pass;
    uint64_t objects;
    osm_progress progress;
    void *context;
};

/* ------------------------------------------------------- osm_collect.c */
/* readosm's callbacks; the context is an osm_work. */
int osm_take_way(const void *context, const readosm_way *way);
int osm_take_relation(const void *context, const readosm_relation *relation);
int osm_take_node(const void *context, const readosm_node *node);

/* --------------------------------------------------------------- osm.c */
/* Index into work->ids, or OSM_NO_NODE. */
uint32_t osm_node_index(const struct osm_work *work, int64_t id);
/* The way of that id among those kept; NULL. */
const struct osm_way *osm_find_way(const struct osm_work *work, int64_t id);
/* What stands on a node; NULL. */
struct osm_mark *osm_find_mark(const struct osm_work *work, uint32_t node);
/* The text at an offset; NULL for OSM_NO_TEXT. Once both passes are over it
 * stays where it is. */
const char *osm_text_at(const struct osm_work *work, uint32_t offset);

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

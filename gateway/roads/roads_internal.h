#ifndef ROADS_INTERNAL_H
#define ROADS_INTERNAL_H
/* What the parts of roads share.
 *
 * Two numberings live side by side. Edges keep the database's order: that is
 * what callers see. The search has `arcs`: directed edges that may be
 * driven, sorted by the junction they lead to, junctions along a Hilbert
 * curve. So the arcs that end in one junction lie next to each other, and
 * junctions that are near in the city are near in memory. */
#include "roads.h"
#include <math.h>
#include <stdatomic.h>

/* In roads_arc.bits; the directed edge stands above them. */
#define ARC_BANNED_INTO 1u /* some turn into this arc is forbidden */
#define ARC_TURNS_ROUND 2u /* its end offers no other way on */
#define ARC_TO_BAN 4u      /* some turn is forbidden where it leads */
#define ARC_FROM_END 8u    /* nothing but its reverse leads to its start */
#define ARC_LAST 16u       /* the last of those that lead to its junction */
#define ARC_SHIFT 5u       /* 2 * ROADS_EDGES_MAX < 2^27 */

struct roads_arc {
    uint32_t before;  /* first of the arcs that lead to its start: they go
                         on to the one marked ARC_LAST; or ROADS_NONE */
    uint32_t ms;      /* to travel all of it; never 0 */
    uint32_t reverse; /* the same street the other way, or ROADS_NONE */
    uint32_t bits;
};

struct roads_edge {
    int64_t way_id;
    uint32_t first_point; /* the next edge's is the end */
    uint32_t name;        /* into names; 0: none */
    uint32_t arc[2];      /* forward, backward; or ROADS_NONE */
    float length_m;
};

struct roads_ban {
    uint32_t to; /* arcs */
    uint32_t from;
};

/* Boxes in 1e-6 degrees. Longitudes are unrolled along a line that crosses
 * the 180th meridian, so they may lie outside +-180. */
struct roads_box {
    int32_t south, west, north, east;
};

#define RUN_SEGMENTS 8u /* at most, in one leaf of the index */
struct roads_run {
    uint32_t edge;
    uint32_t first_point; /* of points; segment i is i to i + 1 */
    uint32_t segments;
};

/* A packed Hilbert R-tree (Kamel and Faloutsos 1994): boxes of all levels in
 * one array, leaves first; entry i of a level covers entries FAN*i ..
 * FAN*i + FAN-1 of the level below. */
#define TREE_FAN 16u
#define TREE_LEVELS 9u /* 16^8 leaves are more than 2^32 */
struct roads_tree {
    uint32_t levels;
    uint32_t count[TREE_LEVELS];
    size_t first[TREE_LEVELS]; /* into boxes */
    struct roads_box *boxes;
    struct roads_run *runs;
};

struct roads {
    atomic_uint references;
    uint32_t network_id;
    size_t bytes;

    uint32_t edge_count;
    struct roads_edge *edges; /* one more, for the end of the last's points */
    struct geo_point *points;
    float *along_m; /* metres from its edge's source, for each point */
    char *names;

    uint32_t node_count, arc_count;
    struct roads_arc *arcs;
    uint32_t ban_count;
    struct roads_ban *bans; /* sorted by to, from */
    uint32_t longest_ms;

    struct roads_tree tree;
};

/* Graph building, snap.c. */
PT_MUST_CHECK enum pt_err roads_tree_build(struct roads *roads);

/* Distance along a curve that fills a square of 2^16 by 2^16: near in the
 * plane, mostly near in the result (Warren, "Hacker's Delight", ch. 16). */
uint32_t roads_hilbert(uint32_t x, uint32_t y);
/* The same for a position within a box. */
uint32_t roads_hilbert_at(const struct roads_box *box, int64_t lat_e6,
                          int64_t lon_e6);
void roads_sort_keys(uint64_t *keys, size_t count);

/* The point at a fraction of an edge's length, seen from its source. */
struct geo_point roads_point_at(const struct roads *roads, uint32_t edge,
                                double fraction);
/* Longitude b as it continues from a: b, or b a full turn away. */
static inline int64_t roads_lon_beside(int64_t a_e6, int32_t b_e6)
{
    int64_t turn = 360000000;
    int64_t b = b_e6;
    while (b - a_e6 > turn / 2)
        b -= turn;
    while (a_e6 - b > turn / 2)
        b += turn;
    return b;
}

static inline uint32_t roads_arc_directed(const struct roads_arc *arc)
{
    return arc->bits >> ARC_SHIFT;
}

/* An edge's share in the direction of travel. */
static inline double roads_travelled(uint32_t directed, double fraction)
{
    return directed & 1u ? 1.0 - fraction : fraction;
}

/* Rounding is done here and nowhere else: a place on an arc is so many whole
 * milliseconds from its start. Pieces of a way then add up exactly. */
static inline uint32_t roads_ms_to(uint32_t ms, double travelled)
{
    return (uint32_t)llround((double)ms * travelled);
}

bool roads_place_valid(const struct roads *roads,
                       const struct roads_place *place);
bool roads_turn_banned(const struct roads *roads, uint32_t from, uint32_t to);

/* ------------------------------------------------------------ who is where */
struct roads_stand {
    uint32_t edge;           /* ROADS_NONE: not standing */
    uint32_t next, previous; /* slots on the same edge */
    double fraction;
};

struct roads_standing {
    struct roads *roads;
    size_t max_slots;
    struct roads_stand *slots;
    uint32_t *first;    /* for each edge; ROADS_NONE: nobody */
    uint64_t *occupied; /* a bit for each arc: someone stands on it */
};

/* -------------------------------------------------------------- the search */
#define LABEL_PAST_BAN 0x80000000u /* a junction with a ban lies ahead */
#define LABEL_ARC 0x7fffffffu

/* Marks of an arc, a byte each so that many fit into the nearest cache: the
 * search's generation above them, else they are an older search's. */
#define MARK_KNOWN 1u /* it has its time */
#define MARK_DONE                                               \
    2u /* on the first of the arcs that lead to a junction: all \
          of them have what they need */
#define MARKS 3u
#define MARK_GENERATIONS 64u

/* What a search knows of an arc that is marked MARK_KNOWN. */
struct roads_label {
    uint32_t start_ms; /* from the arc's start to the target: final. Modulo
                          2^32, so that less its ms is always right */
    uint32_t next;     /* arc to take at its end, LABEL_ bits */
    uint32_t queued;   /* next of its bucket */
};

/* Arcs by the time from their start to the target. Buckets hold what is
 * later, each a list; the bucket being worked on is a heap, so the order is
 * exact whatever the buckets' width. */
#define QUEUE_RING 4096u
struct roads_queue {
    uint32_t shift; /* a bucket is 2^shift ms */
    uint32_t now;   /* number of the bucket in the heap */
    size_t heap_count;
    uint64_t *heap; /* time << 32 | arc */
    uint64_t used[QUEUE_RING / 64];
    uint32_t first[QUEUE_RING];
};

struct roads_search {
    struct roads *roads;
    uint32_t generation;        /* 1 to MARK_GENERATIONS - 1 */
    uint8_t *marks;             /* for each arc */
    struct roads_label *labels; /* arc_count + 2: see `goal` */
    struct roads_queue queue;

    /* The target. Its edge's directions stand in the queue as arcs number
     * arc_count and arc_count + 1: they end at the target, half-way. */
    struct roads_place target;
    uint32_t goal[2];    /* arcs, or ROADS_NONE */
    uint32_t goal_ms[2]; /* from the arc's start to the target */

    struct roads_standing *alone; /* where roads_route() starts */
};

/* How a place got its arrival: the arc it leaves on. `straight`: the target
 * lies ahead on the same arc. */
struct roads_departure {
    uint32_t arc;
    bool straight;
};
static inline bool roads_marked(const struct roads_search *search, uint32_t arc,
                                uint32_t mark)
{
    uint32_t marks = search->marks[arc];
    return marks / (MARKS + 1) == search->generation && (marks & mark) != 0;
}

static inline uint32_t roads_next_arc(const struct roads_search *search,
                                      uint32_t arc)
{
    return search->labels[arc].next & LABEL_ARC;
}
struct roads_departure roads_departure_of(const struct roads_search *search,
                                          uint32_t edge, double fraction,
                                          uint32_t drive_ms);

#endif

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

/* An arc is a directed edge that some profile may drive, or one of its
 * `ghosts`: the same piece of street for those who came by the first part of
 * a forbidden sequence of three and more edges, and may go on differently. */
struct roads_arc {
    uint32_t tail, head; /* junctions */
    uint32_t turns;      /* into roads.turns: see there */
    uint32_t bits;       /* the directed edge, ARC_GHOST */
};
#define ARC_GHOST 0x80000000u

struct roads_ghost {
    uint32_t directed;
    uint32_t arc;
};

struct roads_edge {
    int64_t way_id;
    uint32_t first_point; /* the next edge's is the end */
    uint32_t name;        /* into names; 0: none */
    uint32_t arc[2];      /* forward, backward; or ROADS_NONE */
    float length_m;
    bool apart, bridge;
};

/* A turn in a byte: what it costs is up to the metric. */
#define TURN_CLASS                                              \
    7u /* enum roads_turn; ROADS_ROUND_AT_END never stands here \
          but is told from ROADS_ROUND by the metric */
#define TURN_CONTROL_SHIFT 3u /* enum roads_control */
#define TURN_FORBIDDEN 0x20u
#define TURN_NOT_EMERGENCY 0x40u /* forbidden, but not for emergencies */
#define TURN_NEVER 0xffu         /* the arcs do not follow each other */

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

    /* Arcs are numbered by the junction they lead to: those that lead to
     * junction n are first_in[n] to first_in[n + 1] - 1, those that leave it
     * stand in out[], first_out[n] to first_out[n + 1] - 1. */
    uint32_t node_count, arc_count;
    struct roads_arc *arcs;
    uint32_t *first_in, *first_out, *out;
    int64_t *node_ids; /* OpenStreetMap's, of each junction */
    /* For each arc, one byte for each arc that leads to its tail: the turn
     * from that one into it. */
    size_t turn_count;
    uint8_t *turns;
    uint32_t ghost_count;
    struct roads_ghost *ghosts; /* by directed edge, then arc */

    _Atomic(struct roads_hierarchy *) hierarchy; /* NULL until prepared */
    uint32_t profile_count;
    struct roads_metric *profiles[ROADS_PROFILES_MAX];

    struct roads_tree tree;
};

struct roads_metric {
    atomic_uint references; /* of one that is not the network's own */
    bool own;               /* the network's: lives and dies with it */
    struct roads *roads;
    char name[ROADS_PROFILE_NAME];
    uint32_t *ms;          /* for each arc; ROADS_NONE: closed; never 0 */
    uint64_t *at_end;      /* a bit for each arc: turning round is all */
    uint32_t turn_ms[256]; /* ROADS_NONE: not made */
    uint32_t longest_ms;   /* of an arc with a turn */
    uint32_t start_ms;     /* the profile's */
    size_t bytes;
    _Atomic(struct roads_weights *) weights; /* NULL until prepared */
};

/* Building, each from what those before it have made: build.c, arcs.c,
 * turns.c, metric.c, hierarchy.c, snap.c. */
struct roads_builder {
    struct roads *roads;
    const struct roads_rows *rows;
    uint32_t *tail;   /* junction that a directed edge leaves */
    uint8_t *control; /* for each junction */
    struct roads_states *states;
};
PT_MUST_CHECK enum pt_err roads_arcs_build(struct roads_builder *b);
PT_MUST_CHECK enum pt_err roads_turns_build(struct roads_builder *b);
PT_MUST_CHECK enum pt_err roads_metrics_build(struct roads_builder *b);
PT_MUST_CHECK enum pt_err roads_tree_build(struct roads *roads);
/* All closed, but with room; roads_metric_settle() once its times are set. */
PT_MUST_CHECK enum pt_err roads_metric_new(struct roads *roads,
                                           struct roads_metric **ret);
void roads_metric_settle(struct roads_metric *metric);
/* All of `base` but what makes it fast; NULL for its weights. */
PT_MUST_CHECK enum pt_err roads_metric_copy(const struct roads_metric *base,
                                            struct roads_metric **ret);
/* The time of a directed edge, its ghosts too. */
void roads_metric_set(struct roads_metric *metric, uint32_t directed,
                      uint32_t ms);
/* Notes at which arcs into a junction turning round is all, as
 * roads_metric_settle() does at every junction. */
void roads_metric_settle_at(struct roads_metric *metric, uint32_t node);
/* One whose times are all set: settled, made fast if the network is, counts
 * the network. Taken over, also when it fails. */
PT_MUST_CHECK enum pt_err roads_metric_made(struct roads_metric *metric,
                                            struct roads_metric **ret);
void roads_metric_free(struct roads_metric *metric);

/* turns.c: what a driver remembers who has begun a forbidden sequence. State
 * i is the sequence of turn row `row`, up to its `length`-th edge. */
struct roads_state {
    uint32_t directed; /* the last edge of it */
    uint32_t row;
    uint32_t length;
    uint32_t arc; /* the ghost */
};
struct roads_states {
    uint32_t count;
    struct roads_state *states; /* by directed, longest first */
};
PT_MUST_CHECK enum pt_err roads_states_new(struct roads_builder *b);

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
    return arc->bits & ~ARC_GHOST;
}

/* Which of the bytes at an arc's `turns` is the turn from `in` into it. */
static inline const uint8_t *roads_turns_of(const struct roads *roads,
                                            const struct roads_arc *arc)
{
    return roads->turns + arc->turns;
}

/* Milliseconds to turn from an arc, by the turn's byte; ROADS_NONE. */
static inline uint32_t roads_turn_cost(const struct roads_metric *metric,
                                       uint8_t turn, uint32_t from)
{
    if (turn != TURN_NEVER && (turn & TURN_CLASS) == ROADS_ROUND &&
        metric->at_end[from / 64] >> (from % 64) & 1u)
        turn = (uint8_t)(turn - ROADS_ROUND + ROADS_ROUND_AT_END);
    return metric->turn_ms[turn];
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
    double exact = (double)ms * travelled; /* not negative */
    uint32_t whole = (uint32_t)exact;
    return whole + (exact - whole >= 0.5); /* as llround(), but inline */
}

bool roads_place_valid(const struct roads *roads,
                       const struct roads_place *place);
/* A time as tables keep it: in tenths; ROADS_TABLE_UNKNOWN beyond
 * ROADS_TABLE_MS. */
#define ROADS_TABLE_UNKNOWN 65535u
#define ROADS_TENTH_MS 100u
static inline uint16_t roads_in_tenths(uint32_t ms)
{
    if (ms > ROADS_TABLE_MS)
        return ROADS_TABLE_UNKNOWN;
    return (uint16_t)((ms + ROADS_TENTH_MS / 2) / ROADS_TENTH_MS);
}
/* What is left to drive of such a time from the start of an arc, for one who
 * has so much of it behind; ROADS_NONE. */
static inline uint32_t roads_left_ms(uint32_t tenths, uint32_t gone_ms)
{
    uint32_t start_ms = tenths * ROADS_TENTH_MS;
    if (tenths == ROADS_TABLE_UNKNOWN)
        return ROADS_NONE;
    return start_ms > gone_ms ? start_ms - gone_ms : 0;
}
/* The first ghost of a directed edge, or ghost_count; more may follow. */
uint32_t roads_first_ghost(const struct roads *roads, uint32_t directed);

/* ------------------------------------------------------------ who is where */
struct roads_stand {
    uint32_t edge;           /* ROADS_NONE: not standing */
    uint32_t next, previous; /* slots on the same edge */
    double fraction;
};

struct roads_standing {
    struct roads *roads;
    size_t max_slots;
    size_t count; /* of slots that stand somewhere */
    struct roads_stand *slots;
    uint32_t *first;    /* for each edge; ROADS_NONE: nobody */
    uint64_t *occupied; /* a bit for each arc: someone stands on it */
};

/* ----------------------------------------------------------- the hierarchy */
/* Arcs in the order in which they are contracted: rank r is arc at[r]. Each
 * has edges to those of higher rank that its contraction joins: a customizable
 * contraction hierarchy (Dibbelt, Strasser, Wagner 2016) on arcs and turns, in
 * an order by nested cuts of the streets (Buchhold, Wagner, Zeitz, Zuendorf
 * 2020). The same for all metrics. */
struct roads_hierarchy {
    uint32_t *rank;  /* of arcs */
    uint32_t *at;    /* arcs by rank */
    uint32_t *first; /* arc_count + 1: into head */
    uint32_t *head;  /* ranks, ascending */
    size_t bytes;
};

struct roads_up {
    uint32_t head; /* a higher rank */
    uint32_t ms;
};

/* The edges that are needed, with a metric's times: between the starts of two
 * arcs. `out` leads up, `in` comes down. The middles tell what an edge stands
 * for: the rank over which it goes, or ROADS_NONE for a turn. */
struct roads_weights {
    uint32_t *first_out, *first_in; /* arc_count + 1 */
    struct roads_up *out, *in;
    uint32_t *out_middle, *in_middle;
    /* The heads of what comes down into a block of ranks from outside of it,
     * each once: above[first_above[b]] to above[first_above[b + 1] - 1]. Where
     * nobody has come to any of them nobody comes into the block. */
    uint32_t *first_above, *above;
    size_t bytes;
};
/* As many as there are bits in a word; the last block may have fewer. */
#define ROADS_BLOCK 64u
static inline uint32_t roads_blocks(uint32_t ranks)
{
    return ranks / ROADS_BLOCK + (ranks % ROADS_BLOCK > 0);
}
#define ROADS_FAR ROADS_FAR_MS /* two of them still fit */

PT_MUST_CHECK enum pt_err roads_order(const struct roads *roads,
                                      uint32_t *rank);
PT_MUST_CHECK enum pt_err roads_hierarchy_new(const struct roads *roads,
                                              struct roads_hierarchy **ret);
/* The metric's network has its hierarchy. */
PT_MUST_CHECK enum pt_err roads_weights_new(const struct roads_metric *metric,
                                            struct roads_weights **ret);
void roads_weights_free(struct roads_weights *weights);
void roads_hierarchy_free(struct roads_hierarchy *hierarchy);

/* ------------------------------------------------------------------- heaps */
/* A binary heap of `count` keys, the lowest on top; there is room for one more.
 */
static inline void roads_heap_insert(uint64_t *heap, size_t count, uint64_t key)
{
    size_t at = count;
    for (; at > 0 && heap[(at - 1) / 2] > key; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = key;
}

static inline uint64_t roads_heap_pop(uint64_t *heap, size_t count)
{
    uint64_t top = heap[0];
    uint64_t key = heap[--count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
    return top;
}

/* -------------------------------------------------------------- the search */
/* Marks of an arc, a byte each so that many fit into the nearest cache: the
 * search's generation above them, else they are an older search's. */
#define MARK_KNOWN 1u /* it has a time */
#define MARK_DONE 2u  /* which is final */
#define MARK_QUEUED 4u
#define MARKS 7u
#define MARK_GENERATIONS 32u

#define NEXT_IS_GOAL 0x80000000u /* in a `next`: the target lies on it */

/* What a search knows of an arc that is marked MARK_KNOWN. */
struct roads_label {
    uint32_t end_ms;         /* from the arc's end to the target */
    uint32_t next;           /* arc to take at its end, NEXT_IS_GOAL */
    uint32_t later, earlier; /* in its bucket's list */
};

/* Arcs by the time from their start to the target. Buckets hold what is
 * later, each a list; the bucket being worked on is a heap, so the order is
 * exact whatever the buckets' width. An arc whose time falls leaves its list;
 * in the heap, its old entry is passed over. */
#define QUEUE_RING 4096u
struct roads_queue {
    uint32_t shift; /* a bucket is 2^shift ms */
    uint32_t now;   /* number of the bucket in the heap */
    size_t heap_count, heap_room;
    uint64_t *heap; /* time << 32 | arc */
    uint64_t used[QUEUE_RING / 64];
    uint32_t first[QUEUE_RING];
};

/* What the hierarchy's part of a search knows of a rank. */
struct roads_far {
    uint32_t stamp; /* twice the search's number, +1 when ms is final */
    uint32_t ms;    /* from its start to the target */
    uint32_t next;  /* rank, or NEXT_IS_GOAL and the arc */
};

struct roads_search {
    struct roads *roads;
    struct roads_metric *metric;
    /* Of this search: what was ready as it began. NULL: none yet. */
    const struct roads_hierarchy *hierarchy;
    const struct roads_weights *weights;
    enum roads_method method;
    uint32_t generation;        /* 1 to MARK_GENERATIONS - 1 */
    uint8_t *marks;             /* for each arc */
    struct roads_label *labels; /* for each arc */
    struct roads_queue queue;

    uint32_t number;       /* of the search, for the stamps */
    struct roads_far *far; /* for each rank */
    uint32_t *stack;       /* room for arc_count */

    /* The target, and the arcs it lies on: each direction of its edge with
     * its ghosts. */
    struct roads_place target;
    uint32_t goal_ms[2]; /* from the edge's start that way; or ROADS_NONE */
    bool climbed;        /* this search's answers are the hierarchy's */

    uint32_t reached_count;       /* ranks that roads_climb_start() came to */
    uint32_t *reached;            /* ascending; room for arc_count */
    uint32_t way_count;           /* the last way that was asked for */
    uint32_t *way;                /* arcs; room for arc_count + 1 */
    struct roads_standing *alone; /* where roads_route() starts */
};

/* The arcs a target lies on, each with the time from its start: `goal_ms` for
 * the two directions of its edge, of which one that is not driven has
 * ROADS_NONE. */
typedef void (*roads_goal)(void *context, uint32_t arc, uint32_t ms);
void roads_each_goal(const struct roads *roads, uint32_t edge,
                     const uint32_t goal_ms[2], roads_goal call, void *context);
void roads_goal_ms(const struct roads_metric *metric,
                   const struct roads_place *target, uint32_t ret[2]);

/* Makes a place the target. */
void roads_search_aim(struct roads_search *search,
                      const struct roads_place *target);

/* climb.c: milliseconds from the start of an arc to the target, by another
 * arc than the one it lies on; ROADS_FAR. */
void roads_climb_start(struct roads_search *search);
uint32_t roads_climb(struct roads_search *search, uint32_t arc);
/* Appends the arcs from (not with) `arc` to the target's to search->way. */
void roads_climb_way(struct roads_search *search, uint32_t arc);

/* search.c: the way of an arrival, from and with the arc it leaves on to the
 * one that the target lies on, in search->way. */
void roads_way_of(struct roads_search *search, uint32_t edge, double fraction,
                  uint32_t drive_ms);

#endif

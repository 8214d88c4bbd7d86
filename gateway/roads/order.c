/* The order in which arcs are contracted: streets are cut into halves by few
 * cuts, those again, and so on; what is cut comes after both halves.
 *
 * A half is found by inertial flow (Schild and Sommer, "On balanced separators
 * in road networks", 2015): of the junctions sorted along a line, the first
 * quarter is a source and the last a sink, and the fewest streets whose
 * removal parts them (Ford and Fulkerson; paths by Dinic) are cut. Four lines
 * are tried. Every arc of a cut street goes above what it parted: whoever goes
 * from one half to the other by arcs and turns drives one of them. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

#define LINES 4u
#define SOURCE_SHARE 4u /* one in so many */
#define FEW 512u        /* junctions for which half the lines will do */

struct link { /* one end of a street, seen from a junction */
    uint32_t to;
    uint32_t street; /* 2 * edge, +1 at the edge's target */
};

struct cutter {
    const struct roads *roads;
    uint32_t *first; /* node_count + 1 */
    struct link *links;
    struct geo_point *at; /* junctions */
    uint32_t *cell;       /* the one each junction is in */
    /* Junctions along each line, those of a cell in a row. */
    uint32_t *sorted[LINES];
    int8_t *flow;    /* along each edge: 1 from source to target, -1 back */
    uint32_t *level; /* Dinic's; 0: not reached */
    uint32_t *next;  /* the link to try */
    uint8_t *side;   /* 2: sink; when a cell is parted 1: the source's */
    uint8_t *best;   /* the best cut's: 1 where the source is */
    uint32_t *queue;
    uint32_t *path;
    uint32_t cells;
    uint32_t rank_left; /* ranks are given from the highest down */
    uint32_t *rank;
};

/* ------------------------------------------------------------- the streets */
static void add_links(struct cutter *c, bool writing)
{
    const struct roads *roads = c->roads;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        const struct roads_arc *a = &roads->arcs[arc];
        uint32_t directed = roads_arc_directed(a);
        const uint32_t *both = roads->edges[directed >> 1].arc;
        /* each street once, by the first of its arcs that there is */
        if (a->bits & ARC_GHOST ||
            arc != (both[0] != ROADS_NONE ? both[0] : both[1]))
            continue;
        if (writing) {
            c->links[c->next[a->tail]++] = (struct link){a->head, directed};
            c->links[c->next[a->head]++] =
                (struct link){a->tail, roads_reverse(directed)};
        } else {
            c->first[a->tail + 1]++;
            c->first[a->head + 1]++;
        }
    }
}

static void place_nodes(struct cutter *c)
{
    const struct roads *roads = c->roads;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        const struct roads_arc *a = &roads->arcs[arc];
        uint32_t d = roads_arc_directed(a);
        c->at[a->tail] = roads_point_at(roads, d >> 1, d & 1u ? 1.0 : 0.0);
        c->at[a->head] = roads_point_at(roads, d >> 1, d & 1u ? 0.0 : 1.0);
    }
}

/* ----------------------------------------------------------------- the flow */
struct cell {
    uint32_t begin, end; /* of nodes */
    uint32_t number;
};

static bool has_room(const struct cutter *c, const struct link *link)
{
    int8_t flow = c->flow[link->street >> 1];
    return link->street & 1u ? flow > -1 : flow < 1;
}

static void push_flow(struct cutter *c, const struct link *link)
{
    int8_t *flow = &c->flow[link->street >> 1];
    *flow = (int8_t)(*flow + (link->street & 1u ? -1 : 1));
}

/* Sets the levels by breadth from the first `ends` of the cell's junctions;
 * true when one of the last `ends` is reached, and then no farther. */
static bool reach(struct cutter *c, const struct cell *cell,
                  const uint32_t *nodes, uint32_t ends)
{
    uint32_t count = 0;
    uint32_t reached = UINT32_MAX; /* the level of the first sink */
    for (uint32_t i = cell->begin; i < cell->end; i++)
        c->level[nodes[i]] = 0;
    for (uint32_t i = cell->begin; i < cell->begin + ends; i++) {
        c->level[nodes[i]] = 1;
        c->queue[count++] = nodes[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = c->queue[i];
        if (c->level[node] >= reached)
            break;
        for (uint32_t l = c->first[node]; l < c->first[node + 1]; l++) {
            const struct link *link = &c->links[l];
            if (c->cell[link->to] != cell->number || c->level[link->to] != 0 ||
                !has_room(c, link))
                continue;
            c->level[link->to] = c->level[node] + 1;
            if (c->side[link->to] == 2)
                reached = c->level[link->to];
            c->queue[count++] = link->to;
        }
    }
    return reached != UINT32_MAX;
}

/* One path from `start` down the levels to a sink; false: none is left. */
static bool find_path(struct cutter *c, const struct cell *cell, uint32_t start)
{
    uint32_t depth = 0;
    uint32_t node = start;
    while (c->side[node] != 2) {
        uint32_t l = c->next[node];
        for (; l < c->first[node + 1]; l++) {
            const struct link *link = &c->links[l];
            if (c->cell[link->to] == cell->number &&
                c->level[link->to] == c->level[node] + 1 && has_room(c, link))
                break;
        }
        c->next[node] = l;
        if (l < c->first[node + 1]) {
            c->path[depth++] = l;
            node = c->links[l].to;
        } else if (depth == 0) {
            return false;
        } else { /* back, and never here again */
            depth--;
            node = depth > 0 ? c->links[c->path[depth - 1]].to : start;
            c->next[node]++;
        }
    }
    for (uint32_t i = 0; i < depth; i++)
        push_flow(c, &c->links[c->path[i]]);
    return true;
}

static void reset_cell(struct cutter *c, const struct cell *cell,
                       const uint32_t *nodes, uint32_t ends)
{
    for (uint32_t i = cell->begin; i < cell->end; i++) {
        uint32_t node = nodes[i];
        c->side[node] = i >= cell->end - ends ? 2 : 0; /* sinks */
        for (uint32_t l = c->first[node]; l < c->first[node + 1]; l++)
            c->flow[c->links[l].street >> 1] = 0;
    }
}

/* The fewest streets that part the two ends of the cell's junctions, in the
 * order given; `most` or more: given up. Leaves the levels: 0 behind the
 * cut. */
static uint32_t max_flow(struct cutter *c, const struct cell *cell,
                         const uint32_t *nodes, uint32_t ends, uint32_t most)
{
    uint32_t flow = 0;
    reset_cell(c, cell, nodes, ends);
    while (reach(c, cell, nodes, ends)) {
        for (uint32_t i = cell->begin; i < cell->end; i++)
            c->next[nodes[i]] = c->first[nodes[i]];
        for (uint32_t i = cell->begin; i < cell->begin + ends; i++) {
            while (find_path(c, cell, nodes[i])) {
                if (++flow >= most)
                    return flow;
            }
        }
    }
    return flow;
}

/* ------------------------------------------------------------------ the cut */
/* Sorts all junctions along each line. False: no memory. */
static bool sort_along(struct cutter *c)
{
    uint32_t nodes = c->roads->node_count;
    uint64_t *keys = calloc(nodes, sizeof(*keys));
    for (uint32_t line = 0; keys != NULL && line < LINES; line++) {
        for (uint32_t node = 0; node < nodes; node++) {
            int64_t north = c->at[node].lat_e6;
            int64_t east =
                roads_lon_beside(c->at[0].lon_e6, c->at[node].lon_e6);
            int64_t along = line == 0   ? north
                            : line == 1 ? east
                            : line == 2 ? north + east
                                        : north - east;
            /* never negative: +-90 and +-360 degrees and their sum */
            keys[node] = (uint64_t)(along + 1000000000) << 32 | node;
        }
        roads_sort_keys(keys, nodes);
        for (uint32_t i = 0; i < nodes; i++)
            c->sorted[line][i] = (uint32_t)keys[i];
    }
    free(keys);
    return keys != NULL;
}

/* Gives a street's arcs the highest ranks that are left. */
static void rank_street(struct cutter *c, uint32_t edge)
{
    const struct roads *roads = c->roads;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * edge + way;
        uint32_t arc = roads->edges[edge].arc[way];
        if (arc != ROADS_NONE)
            c->rank[arc] = --c->rank_left;
        for (uint32_t i = roads_first_ghost(roads, directed);
             i < roads->ghost_count && roads->ghosts[i].directed == directed;
             i++)
            c->rank[roads->ghosts[i].arc] = --c->rank_left;
    }
}

/* Ranks what leads from the cell's `kept` junctions to its others, and loops
 * once a junction is alone. */
static void rank_cut(struct cutter *c, const struct cell *cell,
                     const struct cell *kept)
{
    bool alone = cell->end - cell->begin == 1;
    for (uint32_t i = kept->begin; i < kept->end; i++) {
        uint32_t node = c->sorted[0][i];
        for (uint32_t l = c->first[node]; l < c->first[node + 1]; l++) {
            const struct link *link = &c->links[l];
            bool loop = link->to == node && link->street % 2 == 0;
            if (alone ? loop : c->cell[link->to] == cell->number)
                rank_street(c, link->street >> 1);
        }
    }
}

/* Moves the junctions that `side` names to the front, in their order; where
 * they end. */
static uint32_t part_nodes(struct cutter *c, const struct cell *cell)
{
    uint32_t front = cell->begin;
    for (uint32_t line = 0; line < LINES; line++) {
        uint32_t *nodes = c->sorted[line];
        uint32_t behind = 0;
        front = cell->begin;
        for (uint32_t i = cell->begin; i < cell->end; i++) {
            if (c->side[nodes[i]] == 1)
                nodes[front++] = nodes[i];
            else
                c->queue[behind++] = nodes[i];
        }
        memcpy(nodes + front, c->queue, behind * sizeof(*nodes));
    }
    return front;
}

/* The best of the lines' cuts: the junctions on one side come to the front,
 * returned is where they end. A smaller cut that is far from the middle is
 * worth less: streets cut for each junction of the smaller side. */
static uint32_t bisect(struct cutter *c, const struct cell *cell)
{
    uint32_t size = cell->end - cell->begin;
    uint32_t ends = size / SOURCE_SHARE > 0 ? size / SOURCE_SHARE : 1;
    uint32_t lines = size > FEW ? LINES : LINES / 2;
    double best = INFINITY;
    uint32_t most = UINT32_MAX;
    for (uint32_t line = 0; line < lines; line++) {
        uint32_t flow = max_flow(c, cell, c->sorted[line], ends, most);
        if (flow >= most)
            continue;
        uint32_t here = 0;
        for (uint32_t i = cell->begin; i < cell->end; i++)
            here += c->level[c->sorted[0][i]] != 0;
        uint32_t smaller = here < size - here ? here : size - here;
        double price = (double)flow / (double)smaller;
        if (price >= best)
            continue;
        best = price;
        /* no cut of more streets can have a better price, even in the middle */
        most = (uint32_t)ceil(price * (double)(size / 2));
        most = most > 0 ? most : 1;
        for (uint32_t i = cell->begin; i < cell->end; i++)
            c->best[c->sorted[0][i]] = c->level[c->sorted[0][i]] != 0;
    }
    for (uint32_t i = cell->begin; i < cell->end; i++)
        c->side[c->sorted[0][i]] = c->best[c->sorted[0][i]];
    return part_nodes(c, cell);
}

/* Depth is that of halving, a side keeping a quarter at least. */
static void dissect(struct cutter *c, struct cell cell)
{
    while (cell.end - cell.begin > 1) {
        uint32_t middle = bisect(c, &cell);
        struct cell front = {cell.begin, middle, ++c->cells};
        struct cell back = {middle, cell.end, ++c->cells};
        for (uint32_t i = front.begin; i < front.end; i++)
            c->cell[c->sorted[0][i]] = front.number;
        rank_cut(c, &cell, &front);
        for (uint32_t i = back.begin; i < back.end; i++)
            c->cell[c->sorted[0][i]] = back.number;
        dissect(c, front);
        cell = back;
    }
    rank_cut(c, &cell, &cell);
}

static bool make_room(struct cutter *c)
{
    size_t nodes = c->roads->node_count;
    c->first = calloc(nodes + 1, sizeof(*c->first));
    c->links = calloc(2 * (size_t)c->roads->edge_count, sizeof(*c->links));
    c->at = calloc(nodes, sizeof(*c->at));
    c->cell = calloc(nodes, sizeof(*c->cell));
    c->flow = calloc(c->roads->edge_count, sizeof(*c->flow));
    c->level = calloc(nodes, sizeof(*c->level));
    c->next = calloc(nodes, sizeof(*c->next));
    c->side = calloc(nodes, sizeof(*c->side));
    c->best = calloc(nodes, sizeof(*c->best));
    c->queue = calloc(nodes, sizeof(*c->queue));
    c->path = calloc(nodes, sizeof(*c->path));
    bool all = true;
    for (uint32_t line = 0; line < LINES; line++) {
        c->sorted[line] = calloc(nodes, sizeof(*c->sorted[line]));
        all = all && c->sorted[line] != NULL;
    }
    return all && c->first != NULL && c->links != NULL && c->at != NULL &&
           c->cell != NULL && c->flow != NULL && c->level != NULL &&
           c->next != NULL && c->side != NULL && c->best != NULL &&
           c->queue != NULL && c->path != NULL;
}

enum pt_err roads_order(const struct roads *roads, uint32_t *rank)
{
    struct cutter c = {
        .roads = roads, .rank = rank, .rank_left = roads->arc_count};
    enum pt_err err = PT_E_NOMEM;
    if (!make_room(&c))
        goto out;
    place_nodes(&c);
    if (!sort_along(&c))
        goto out;
    add_links(&c, false);
    for (uint32_t n = 0; n < roads->node_count; n++)
        c.first[n + 1] += c.first[n];
    memcpy(c.next, c.first, roads->node_count * sizeof(*c.next));
    add_links(&c, true);
    dissect(&c, (struct cell){0, roads->node_count, 0});
    err = PT_OK;
out:
    free(c.first);
    free(c.links);
    free(c.at);
    free(c.cell);
    for (uint32_t line = 0; line < LINES; line++)
        free(c.sorted[line]);
    free(c.flow);
    free(c.level);
    free(c.next);
    free(c.side);
    free(c.best);
    free(c.queue);
    free(c.path);
    return err;
}

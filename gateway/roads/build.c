/* Rows of edges and forbidden turns become a network. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

struct end { /* where an edge meets a junction */
    int64_t id;
    uint32_t directed; /* the direction that leaves the junction here */
};

struct builder {
    struct roads *roads;
    const struct roads_edge_row *rows;
    uint32_t edge_count;
    uint32_t *tail;     /* node that a directed edge leaves */
    uint32_t *first_in; /* node_count + 1: the arcs that lead there */
    uint32_t *arc_tail;
    uint32_t *scratch;
};

/* ---------------------------------------------------------------- checks */
static bool row_possible(const struct roads_edge_row *row)
{
    if (row->forward_ms > INT32_MAX || row->backward_ms > INT32_MAX)
        return false;
    if (row->point_count < 2 || !isfinite(row->length_m) || row->length_m < 0)
        return false;
    for (uint32_t i = 0; i < row->point_count; i++) {
        if (!geo_valid(row->points[i]))
            return false;
    }
    return true;
}

static enum pt_err check_rows(const struct roads_edge_row *rows, size_t count,
                              uint64_t *point_count)
{
    if (count == 0 || count > ROADS_EDGES_MAX)
        return PT_E_RANGE;
    *point_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!row_possible(&rows[i]))
            return PT_E_RANGE;
        *point_count += rows[i].point_count;
    }
    return *point_count < UINT32_MAX ? PT_OK : PT_E_RANGE;
}

/* ------------------------------------------------------ facts of the edges */
/* Copies the lines and measures along them. */
static void copy_lines(struct roads *roads, const struct roads_edge_row *rows)
{
    uint32_t at = 0;
    for (uint32_t e = 0; e < roads->edge_count; e++) {
        const struct roads_edge_row *row = &rows[e];
        double along = 0.0;
        roads->edges[e].first_point = at;
        for (uint32_t i = 0; i < row->point_count; i++, at++) {
            if (i > 0)
                along += geo_distance_m(row->points[i - 1], row->points[i]);
            roads->points[at] = row->points[i];
            roads->along_m[at] = (float)along;
        }
    }
    roads->edges[roads->edge_count].first_point = at;
}

/* Pieces of one street mostly follow each other: its name is kept once. */
static bool same_name(const struct roads_edge_row *rows, uint32_t e)
{
    return e > 0 && rows[e - 1].name != NULL &&
           strcmp(rows[e - 1].name, rows[e].name) == 0;
}

static enum pt_err copy_names(struct roads *roads,
                              const struct roads_edge_row *rows)
{
    size_t size = 1; /* offset 0 says "none" */
    for (uint32_t e = 0; e < roads->edge_count; e++) {
        if (rows[e].name != NULL && !same_name(rows, e))
            size += strlen(rows[e].name) + 1;
    }
    if (size > UINT32_MAX)
        return PT_E_RANGE;
    roads->names = calloc(size, 1);
    if (roads->names == NULL)
        return PT_E_NOMEM;
    roads->bytes += size;

    size_t at = 1;
    for (uint32_t e = 0; e < roads->edge_count; e++) {
        if (rows[e].name == NULL)
            continue;
        if (same_name(rows, e)) {
            roads->edges[e].name = roads->edges[e - 1].name;
            continue;
        }
        size_t length = strlen(rows[e].name) + 1;
        memcpy(roads->names + at, rows[e].name, length);
        roads->edges[e].name = (uint32_t)at;
        at += length;
    }
    return PT_OK;
}

static enum pt_err copy_edges(struct roads *roads,
                              const struct roads_edge_row *rows,
                              size_t point_count)
{
    size_t edges = (size_t)roads->edge_count + 1;
    roads->edges = calloc(edges, sizeof(*roads->edges));
    roads->points = calloc(point_count, sizeof(*roads->points));
    roads->along_m = calloc(point_count, sizeof(*roads->along_m));
    if (roads->edges == NULL || roads->points == NULL || roads->along_m == NULL)
        return PT_E_NOMEM;
    roads->bytes +=
        edges * sizeof(*roads->edges) +
        point_count * (sizeof(*roads->points) + sizeof(*roads->along_m));

    for (uint32_t e = 0; e < roads->edge_count; e++) {
        roads->edges[e].way_id = rows[e].way_id;
        roads->edges[e].length_m = rows[e].length_m;
    }
    copy_lines(roads, rows);
    return copy_names(roads, rows);
}

/* ------------------------------------------------------------- junctions */
static int by_id(const void *a, const void *b)
{
    const struct end *x = a;
    const struct end *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->directed < y->directed ? -1 : x->directed > y->directed;
}

static int by_key(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

void roads_sort_keys(uint64_t *keys, size_t count)
{
    qsort(keys, count, sizeof(*keys), by_key);
}

static struct geo_point end_point(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = &roads->edges[directed >> 1];
    return roads
        ->points[directed & 1u ? edge[1].first_point - 1 : edge->first_point];
}

/* Numbers junctions along a Hilbert curve. `ends` is sorted by id; `tail`
 * holds numbers by id and gets those. */
static enum pt_err order_nodes(struct builder *b, const struct end *ends,
                               size_t end_count)
{
    struct roads_box all = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};
    uint32_t nodes = b->roads->node_count;
    uint64_t *keys = calloc(nodes, sizeof(*keys));
    uint32_t *rank = calloc(nodes, sizeof(*rank));
    enum pt_err err = PT_E_NOMEM;
    if (keys == NULL || rank == NULL)
        goto out;

    for (size_t i = 0; i < end_count; i++) {
        struct geo_point p = end_point(b->roads, ends[i].directed);
        all.south = p.lat_e6 < all.south ? p.lat_e6 : all.south;
        all.north = p.lat_e6 > all.north ? p.lat_e6 : all.north;
        all.west = p.lon_e6 < all.west ? p.lon_e6 : all.west;
        all.east = p.lon_e6 > all.east ? p.lon_e6 : all.east;
    }
    for (size_t i = 0; i < end_count; i++) {
        uint32_t node = b->tail[ends[i].directed];
        struct geo_point p = end_point(b->roads, ends[i].directed);
        uint32_t curve = roads_hilbert_at(&all, p.lat_e6, p.lon_e6);
        keys[node] = (uint64_t)curve << 32 | node;
    }
    roads_sort_keys(keys, nodes);
    for (uint32_t i = 0; i < nodes; i++)
        rank[(uint32_t)keys[i]] = i;
    for (size_t i = 0; i < end_count; i++)
        b->tail[i] = rank[b->tail[i]];
    err = PT_OK;
out:
    free(keys);
    free(rank);
    return err;
}

static enum pt_err number_nodes(struct builder *b)
{
    size_t end_count = 2 * (size_t)b->edge_count;
    struct end *ends = calloc(end_count, sizeof(*ends));
    if (ends == NULL)
        return PT_E_NOMEM;
    for (uint32_t e = 0; e < b->edge_count; e++) {
        struct end *pair = ends + 2 * (size_t)e;
        pair[0] = (struct end){b->rows[e].source, 2 * e};
        pair[1] = (struct end){b->rows[e].target, 2 * e + 1};
    }
    qsort(ends, end_count, sizeof(*ends), by_id);
    uint32_t nodes = 0;
    for (size_t i = 0; i < end_count; i++) {
        nodes += i == 0 || ends[i].id != ends[i - 1].id;
        b->tail[ends[i].directed] = nodes - 1;
    }
    b->roads->node_count = nodes;
    enum pt_err err = order_nodes(b, ends, end_count);
    free(ends);
    return err;
}

/* ------------------------------------------------------------------ arcs */
static uint32_t row_ms(const struct roads_edge_row *rows, uint32_t directed)
{
    const struct roads_edge_row *row = &rows[directed >> 1];
    return directed & 1u ? row->backward_ms : row->forward_ms;
}

/* Counting sort of the drivable directions by the junction they lead to. */
static enum pt_err make_arcs(struct builder *b)
{
    struct roads *roads = b->roads;
    uint32_t directions = 2 * b->edge_count;
    size_t nodes = (size_t)roads->node_count + 1;
    size_t count = 0; /* one at least: rows without a direction are refused */
    for (uint32_t d = 0; d < directions; d++)
        count += row_ms(b->rows, d) > 0;
    if (count == 0)
        return PT_E_RANGE;
    roads->arc_count = (uint32_t)count;
    b->first_in = calloc(nodes, sizeof(*b->first_in));
    b->arc_tail = calloc(count, sizeof(*b->arc_tail));
    roads->arcs = calloc(count, sizeof(*roads->arcs));
    if (b->first_in == NULL || b->arc_tail == NULL || roads->arcs == NULL)
        return PT_E_NOMEM;
    roads->bytes += count * sizeof(*roads->arcs);

    for (uint32_t d = 0; d < directions; d++)
        b->first_in[b->tail[d ^ 1u] + 1] += row_ms(b->rows, d) > 0;
    for (uint32_t n = 0; n < roads->node_count; n++)
        b->first_in[n + 1] += b->first_in[n];
    memcpy(b->scratch, b->first_in, roads->node_count * sizeof(uint32_t));
    for (uint32_t d = 0; d < directions; d++) {
        uint32_t ms = row_ms(b->rows, d);
        uint32_t arc = ROADS_NONE;
        if (ms > 0) {
            arc = b->scratch[b->tail[d ^ 1u]]++;
            roads->arcs[arc] =
                (struct roads_arc){.ms = ms, .bits = d << ARC_SHIFT};
            b->arc_tail[arc] = b->tail[d];
        }
        roads->longest_ms = ms > roads->longest_ms ? ms : roads->longest_ms;
        roads->edges[d >> 1].arc[d & 1u] = arc;
    }
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        uint32_t back = roads_reverse(roads_arc_directed(&roads->arcs[arc]));
        roads->arcs[arc].reverse = roads->edges[back >> 1].arc[back & 1u];
    }
    return PT_OK;
}

/* ----------------------------------------------------------------- turns */
static enum pt_err make_bans(struct builder *b,
                             const struct roads_turn_row *turns, size_t count)
{
    struct roads *roads = b->roads;
    uint32_t directions = 2 * b->edge_count;
    uint64_t *keys = calloc(count + 1, sizeof(*keys));
    enum pt_err err = PT_E_NOMEM;
    size_t kept = 0;
    size_t unique = 0;
    if (keys == NULL)
        goto out;

    err = PT_E_RANGE;
    for (size_t i = 0; i < count; i++) {
        uint32_t from = turns[i].from;
        uint32_t to = turns[i].to;
        if (from >= directions || to >= directions ||
            b->tail[from ^ 1u] != b->tail[to])
            goto out;
        uint32_t from_arc = roads->edges[from >> 1].arc[from & 1u];
        uint32_t to_arc = roads->edges[to >> 1].arc[to & 1u];
        if (from_arc != ROADS_NONE && to_arc != ROADS_NONE)
            keys[kept++] = (uint64_t)to_arc << 32 | from_arc;
    }
    roads_sort_keys(keys, kept);

    err = PT_E_NOMEM;
    roads->bans = calloc(kept + 1, sizeof(*roads->bans));
    if (roads->bans == NULL)
        goto out;
    for (size_t i = 0; i < kept; i++) {
        if (i > 0 && keys[i] == keys[i - 1])
            continue;
        uint32_t to = (uint32_t)(keys[i] >> 32);
        roads->bans[unique++] = (struct roads_ban){to, (uint32_t)keys[i]};
        roads->arcs[to].bits |= ARC_BANNED_INTO;
    }
    roads->ban_count = (uint32_t)unique;
    roads->bytes += (kept + 1) * sizeof(*roads->bans);
    err = PT_OK;
out:
    free(keys);
    return err;
}

/* Turning round at a junction is allowed where there is no other way on:
 * dead ends, a street that meets only streets which lead here, or one whose
 * every other turn is forbidden. */
static void mark_turns_round(struct builder *b)
{
    struct roads *roads = b->roads;
    uint32_t *ways_on = b->scratch; /* for each node: arcs that leave it */
    uint32_t *forbidden = b->tail;  /* for each arc; tails have served */
    memset(ways_on, 0, roads->node_count * sizeof(*ways_on));
    memset(forbidden, 0, roads->arc_count * sizeof(*forbidden));
    for (uint32_t arc = 0; arc < roads->arc_count; arc++)
        ways_on[b->arc_tail[arc]]++;
    for (uint32_t i = 0; i < roads->ban_count; i++) {
        const struct roads_ban *ban = &roads->bans[i];
        forbidden[ban->from] += ban->to != roads->arcs[ban->from].reverse;
    }
    for (uint32_t node = 0; node < roads->node_count; node++) {
        for (uint32_t arc = b->first_in[node]; arc < b->first_in[node + 1];
             arc++) {
            if (roads->arcs[arc].reverse != ROADS_NONE &&
                ways_on[node] == forbidden[arc] + 1)
                roads->arcs[arc].bits |= ARC_TURNS_ROUND;
        }
    }
}

/* What lets the search leave things out (search.c). */
static void mark_shortcuts(struct builder *b)
{
    struct roads *roads = b->roads;
    for (uint32_t i = 0; i < roads->ban_count; i++) {
        uint32_t node = b->arc_tail[roads->bans[i].to];
        for (uint32_t arc = b->first_in[node]; arc < b->first_in[node + 1];
             arc++)
            roads->arcs[arc].bits |= ARC_TO_BAN;
    }
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        struct roads_arc *a = &roads->arcs[arc];
        uint32_t first = b->first_in[b->arc_tail[arc]];
        uint32_t end = b->first_in[b->arc_tail[arc] + 1];
        a->before = first < end ? first : ROADS_NONE;
        if (end - first == (a->reverse != ROADS_NONE ? 1 : 0))
            a->bits |= ARC_FROM_END;
    }
    for (uint32_t node = 0; node < roads->node_count; node++) {
        if (b->first_in[node] < b->first_in[node + 1])
            roads->arcs[b->first_in[node + 1] - 1].bits |= ARC_LAST;
    }
}

/* -------------------------------------------------------------- together */
static enum pt_err build(struct builder *b, const struct roads_turn_row *turns,
                         size_t turn_count, size_t point_count)
{
    enum pt_err err = copy_edges(b->roads, b->rows, point_count);
    if (err == PT_OK)
        err = number_nodes(b);
    if (err == PT_OK)
        err = make_arcs(b);
    if (err == PT_OK)
        err = make_bans(b, turns, turn_count);
    if (err != PT_OK)
        return err;
    mark_turns_round(b);
    mark_shortcuts(b);
    return roads_tree_build(b->roads);
}

enum pt_err roads_new(const struct roads_edge_row *rows, size_t edge_count,
                      const struct roads_turn_row *turns, size_t turn_count,
                      struct roads **ret)
{
    uint64_t point_count = 0;
    enum pt_err err = check_rows(rows, edge_count, &point_count);
    if (err == PT_OK && turn_count > ROADS_TURNS_MAX)
        err = PT_E_RANGE;
    if (err != PT_OK)
        return err;

    struct builder b = {.rows = rows, .edge_count = (uint32_t)edge_count};
    b.roads = calloc(1, sizeof(*b.roads));
    if (b.roads == NULL)
        return PT_E_NOMEM;
    atomic_init(&b.roads->references, 1);
    b.tail = calloc(2 * edge_count, sizeof(*b.tail));
    b.scratch = calloc(2 * edge_count, sizeof(*b.scratch));
    err = PT_E_NOMEM;
    if (b.tail == NULL || b.scratch == NULL)
        goto out;
    b.roads->edge_count = b.edge_count;
    b.roads->bytes = sizeof(*b.roads);
    err = build(&b, turns, turn_count, point_count);
    if (err != PT_OK)
        goto out;
    *ret = b.roads;
    b.roads = NULL;
out:
    roads_unref(b.roads);
    free(b.tail);
    free(b.first_in);
    free(b.arc_tail);
    free(b.scratch);
    return err;
}

/* Rows of edges and forbidden turns become a network. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

struct end { /* where an edge meets a junction */
    int64_t id;
    uint32_t directed; /* the direction that leaves the junction here */
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
        roads->edges[e].apart = rows[e].apart;
        roads->edges[e].bridge = rows[e].bridge;
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
static enum pt_err order_nodes(struct roads_builder *b, const struct end *ends,
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

static enum pt_err keep_ids(struct roads_builder *b, const struct end *ends,
                            size_t end_count)
{
    struct roads *roads = b->roads;
    roads->node_ids = calloc(roads->node_count, sizeof(*roads->node_ids));
    if (roads->node_ids == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < end_count; i++)
        roads->node_ids[b->tail[ends[i].directed]] = ends[i].id;
    roads->bytes += roads->node_count * sizeof(*roads->node_ids);
    return PT_OK;
}

static enum pt_err number_nodes(struct roads_builder *b)
{
    const struct roads_edge_row *rows = b->rows->edges;
    uint32_t edge_count = b->roads->edge_count;
    size_t end_count = 2 * (size_t)edge_count;
    struct end *ends = calloc(end_count, sizeof(*ends));
    if (ends == NULL)
        return PT_E_NOMEM;
    for (uint32_t e = 0; e < edge_count; e++) {
        struct end *pair = ends + 2 * (size_t)e;
        pair[0] = (struct end){rows[e].source, 2 * e};
        pair[1] = (struct end){rows[e].target, 2 * e + 1};
    }
    qsort(ends, end_count, sizeof(*ends), by_id);
    uint32_t nodes = 0;
    for (size_t i = 0; i < end_count; i++) {
        nodes += i == 0 || ends[i].id != ends[i - 1].id;
        b->tail[ends[i].directed] = nodes - 1;
    }
    b->roads->node_count = nodes;
    enum pt_err err = order_nodes(b, ends, end_count);
    if (err == PT_OK)
        err = keep_ids(b, ends, end_count);
    free(ends);
    return err;
}

static int by_node_id(const void *a, const void *b)
{
    const struct roads_junction_row *x = a;
    const struct roads_junction_row *y = b;
    return x->node_id < y->node_id ? -1 : x->node_id > y->node_id;
}

/* What stands at each junction. Those at no end of an edge are no matter. */
static enum pt_err place_controls(struct roads_builder *b)
{
    size_t count = b->rows->junction_count;
    struct roads_junction_row *sorted = calloc(count + 1, sizeof(*sorted));
    b->control = calloc(b->roads->node_count, sizeof(*b->control));
    if (sorted == NULL || b->control == NULL) {
        free(sorted);
        return PT_E_NOMEM;
    }
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = b->rows->junctions[i];
        if ((unsigned)sorted[i].control >= ROADS_CONTROLS)
            err = PT_E_RANGE;
    }
    qsort(sorted, count, sizeof(*sorted), by_node_id);
    for (uint32_t d = 0; err == PT_OK && d < 2 * b->roads->edge_count; d++) {
        const struct roads_edge_row *row = &b->rows->edges[d >> 1];
        struct roads_junction_row key = {d & 1u ? row->target : row->source, 0};
        const struct roads_junction_row *found =
            bsearch(&key, sorted, count, sizeof(*sorted), by_node_id);
        if (found != NULL)
            b->control[b->tail[d]] = (uint8_t)found->control;
    }
    free(sorted);
    return err;
}

/* -------------------------------------------------------------- together */
static enum pt_err build(struct roads_builder *b, size_t point_count)
{
    enum pt_err err = copy_edges(b->roads, b->rows->edges, point_count);
    if (err == PT_OK)
        err = number_nodes(b);
    if (err == PT_OK)
        err = place_controls(b);
    if (err == PT_OK)
        err = roads_states_new(b);
    if (err == PT_OK)
        err = roads_arcs_build(b);
    if (err == PT_OK)
        err = roads_turns_build(b);
    if (err == PT_OK)
        err = roads_metrics_build(b);
    if (err == PT_OK)
        err = roads_tree_build(b->roads);
    return err;
}

enum pt_err roads_new(const struct roads_rows *rows, struct roads **ret)
{
    uint64_t point_count = 0;
    enum pt_err err = check_rows(rows->edges, rows->edge_count, &point_count);
    if (err == PT_OK && (rows->turn_count > ROADS_TURNS_MAX ||
                         rows->profile_count > ROADS_PROFILES_MAX))
        err = PT_E_RANGE;
    if (err != PT_OK)
        return err;

    struct roads_builder b = {.rows = rows};
    b.roads = calloc(1, sizeof(*b.roads));
    if (b.roads == NULL)
        return PT_E_NOMEM;
    atomic_init(&b.roads->references, 1);
    b.roads->edge_count = (uint32_t)rows->edge_count;
    b.roads->bytes = sizeof(*b.roads);
    b.tail = calloc(2 * rows->edge_count, sizeof(*b.tail));
    err = b.tail == NULL ? PT_E_NOMEM : build(&b, (size_t)point_count);
    if (err == PT_OK) {
        *ret = b.roads;
        b.roads = NULL;
    }
    roads_unref(b.roads);
    if (b.states != NULL)
        free(b.states->states);
    free(b.states);
    free(b.tail);
    free(b.control);
    return err;
}

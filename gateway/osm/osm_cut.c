/* Ways become edges: cut wherever two streets meet. */
#include "osm_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NODE_NEVER 0
#define NODE_ONCE 1
#define NODE_JUNCTION 2

struct cut {
    struct osm_work *work;
    struct osm_network *network;
    uint32_t *nodes; /* the refs of all ways as indexes into work->ids, each
                        way's behind way->first_ref */
    uint8_t *use;    /* of work->ids: NODE_NEVER, _ONCE, _JUNCTION */
    size_t edge_room, point_room;
};

/* Turns ids into indexes and drops what cannot be part of a line: the same
 * node twice in a row. Nodes that are not in the file become OSM_NO_NODE,
 * once for each gap. */
static void resolve_way(struct cut *cut, struct osm_way *way)
{
    struct osm_work *work = cut->work;
    uint32_t kept = 0;
    bool gaps = false;
    for (uint32_t i = 0; i < way->ref_count; i++) {
        uint32_t node = osm_node_index(work, work->refs[way->first_ref + i]);
        if (!work->found[node]) {
            node = OSM_NO_NODE;
            gaps = true;
            work->tally[OSM_NODES_MISSING]++;
        }
        if (kept > 0 && cut->nodes[way->first_ref + kept - 1] == node) {
            work->tally[OSM_NODES_IN_A_ROW] += node != OSM_NO_NODE;
            continue;
        }
        cut->nodes[way->first_ref + kept++] = node;
    }
    way->ref_count = kept;
    work->tally[OSM_WAYS_BORDER] += gaps;
}

/* The next run of two or more nodes without a gap, from *first on; false
 * when there is none. The run is [*first, *end). */
static bool next_run(const struct cut *cut, const struct osm_way *way,
                     uint32_t *first, uint32_t *end)
{
    const uint32_t *nodes = cut->nodes + way->first_ref;
    for (uint32_t at = *first; at < way->ref_count; at++) {
        uint32_t start = at;
        while (at < way->ref_count && nodes[at] != OSM_NO_NODE)
            at++;
        if (at - start >= 2) {
            *first = start;
            *end = at;
            return true;
        }
    }
    return false;
}

/* A node is a junction when streets pass it twice (two ways, or one that
 * crosses itself), and at the ends of a street. */
static void mark_uses(struct cut *cut, const struct osm_way *way)
{
    const uint32_t *nodes = cut->nodes + way->first_ref;
    uint32_t end = 0;
    for (uint32_t first = 0; next_run(cut, way, &first, &end); first = end) {
        for (uint32_t i = first; i < end; i++) {
            uint8_t *use = &cut->use[nodes[i]];
            *use = *use == NODE_NEVER ? NODE_ONCE : NODE_JUNCTION;
        }
        cut->use[nodes[first]] = NODE_JUNCTION;
        cut->use[nodes[end - 1]] = NODE_JUNCTION;
    }
}

static enum pt_err list_vertices(struct cut *cut, uint32_t *vertex)
{
    struct osm_network *network = cut->network;
    size_t count = 0;
    for (size_t i = 0; i < cut->work->id_count; i++)
        count += cut->use[i] == NODE_JUNCTION;
    network->nodes = malloc((count + 1) * sizeof *network->nodes);
    if (network->nodes == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < cut->work->id_count; i++) {
        vertex[i] = OSM_NO_NODE;
        if (cut->use[i] != NODE_JUNCTION)
            continue;
        vertex[i] = (uint32_t)network->node_count;
        network->nodes[network->node_count++] =
            (struct osm_node){.id = cut->work->ids[i], .at = cut->work->at[i]};
    }
    return PT_OK;
}

/* 0 stays "not allowed": a piece without length still takes 1 ms. The
 * database's column holds 31 bits (24 days). */
static uint32_t travel_ms(bool allowed, double length_m, float tagged_kmh,
                          float class_kmh)
{
    if (!allowed)
        return 0;
    double kmh = tagged_kmh > 0 ? (double)tagged_kmh : (double)class_kmh;
    double ms = round(length_m * 3600.0 / kmh);
    return ms < 1 ? 1 : ms > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)ms;
}

static enum pt_err append_points(struct cut *cut, const uint32_t *nodes,
                                 uint32_t count, double *length_m)
{
    struct osm_network *network = cut->network;
    if (count >= UINT32_MAX - network->point_count)
        return PT_E_RANGE;
    enum pt_err err =
        osm_grow((void **)&network->points, &cut->point_room,
                 network->point_count, count, sizeof *network->points);
    if (err != PT_OK)
        return err;
    *length_m = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct geo_point at = cut->work->at[nodes[i]];
        if (i > 0)
            *length_m +=
                geo_distance_m(network->points[network->point_count - 1], at);
        network->points[network->point_count++] = at;
    }
    return PT_OK;
}

static enum pt_err append_edge(struct cut *cut, const struct osm_way *way,
                               const uint32_t *nodes, uint32_t count,
                               const uint32_t *vertex)
{
    struct osm_network *network = cut->network;
    double length_m = 0;
    size_t first_point = network->point_count;
    if (network->edge_count >= OSM_EDGES_MAX)
        return PT_E_RANGE;
    enum pt_err err = osm_grow((void **)&network->edges, &cut->edge_room,
                               network->edge_count, 1, sizeof *network->edges);
    if (err == PT_OK)
        err = append_points(cut, nodes, count, &length_m);
    if (err != PT_OK)
        return err;
    cut->work->tally[OSM_LOOPS] += nodes[0] == nodes[count - 1];
    cut->work->tally[OSM_ZERO_LENGTH] += length_m <= 0;
    network->length_m += length_m;
    network->edges[network->edge_count++] = (struct osm_edge){
        .way_id = way->id,
        .source = vertex[nodes[0]],
        .target = vertex[nodes[count - 1]],
        .forward_ms = travel_ms(way->forward, length_m,
                                way->maxspeed_forward_kmh, way->class->kmh),
        .backward_ms = travel_ms(way->backward, length_m,
                                 way->maxspeed_backward_kmh, way->class->kmh),
        .length_m = (float)length_m,
        .maxspeed_forward_kmh = way->maxspeed_forward_kmh,
        .maxspeed_backward_kmh = way->maxspeed_backward_kmh,
        .highway = way->class->highway,
        .first_point = (uint32_t)first_point,
        .point_count = count,
    };
    return PT_OK;
}

static enum pt_err cut_way(struct cut *cut, struct osm_way *way,
                           const uint32_t *vertex)
{
    const uint32_t *nodes = cut->nodes + way->first_ref;
    uint32_t end = 0;
    way->first_edge = (uint32_t)cut->network->edge_count;
    for (uint32_t first = 0; next_run(cut, way, &first, &end); first = end) {
        uint32_t start = first;
        for (uint32_t i = first + 1; i < end; i++) {
            if (cut->use[nodes[i]] != NODE_JUNCTION)
                continue;
            enum pt_err err =
                append_edge(cut, way, nodes + start, i - start + 1, vertex);
            if (err != PT_OK)
                return err;
            start = i;
        }
    }
    way->edge_count = (uint32_t)cut->network->edge_count - way->first_edge;
    uint64_t *tally = cut->work->tally;
    tally[way->edge_count > 0 ? OSM_WAYS_KEPT : OSM_WAYS_OUTSIDE]++;
    tally[OSM_WAYS_ONE_WAY] +=
        way->edge_count > 0 && way->forward != way->backward;
    return PT_OK;
}

enum pt_err osm_cut(struct osm_work *work, struct osm_network *network,
                    uint32_t *vertex)
{
    struct cut cut = {.work = work, .network = network};
    enum pt_err err = PT_E_NOMEM;
    cut.nodes = malloc((work->ref_count + 1) * sizeof *cut.nodes);
    cut.use = calloc(work->id_count + 1, sizeof *cut.use);
    if (cut.nodes == NULL || cut.use == NULL)
        goto done;
    for (size_t w = 0; w < work->way_count; w++) {
        resolve_way(&cut, &work->ways[w]);
        mark_uses(&cut, &work->ways[w]);
    }
    err = list_vertices(&cut, vertex);
    for (size_t w = 0; err == PT_OK && w < work->way_count; w++)
        err = cut_way(&cut, &work->ways[w], vertex);
done:
    free(cut.nodes);
    free(cut.use);
    return err;
}

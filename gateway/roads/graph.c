/* Lifetime and facts of a network; build.c makes it. */
#include "roads_internal.h"
#include <stdlib.h>

struct roads *roads_ref(struct roads *roads)
{
    atomic_fetch_add_explicit(&roads->references, 1, memory_order_relaxed);
    return roads;
}

void roads_unref(struct roads *roads)
{
    if (roads == NULL || atomic_fetch_sub_explicit(&roads->references, 1,
                                                   memory_order_acq_rel) != 1)
        return;
    free(roads->edges);
    free(roads->points);
    free(roads->along_m);
    free(roads->names);
    free(roads->arcs);
    free(roads->first_in);
    free(roads->first_out);
    free(roads->out);
    free(roads->node_ids);
    free(roads->turns);
    free(roads->ghosts);
    for (uint32_t i = 0; i < roads->profile_count; i++)
        roads_metric_free(roads->profiles[i]);
    roads_hierarchy_free(atomic_load(&roads->hierarchy));
    free(roads->tree.boxes);
    free(roads->tree.runs);
    free(roads);
}

size_t roads_edge_count(const struct roads *roads)
{
    return roads->edge_count;
}

size_t roads_node_count(const struct roads *roads)
{
    return roads->node_count;
}

uint32_t roads_network_id(const struct roads *roads)
{
    return roads->network_id;
}

size_t roads_bytes(const struct roads *roads)
{
    const struct roads_hierarchy *hierarchy =
        atomic_load_explicit(&roads->hierarchy, memory_order_acquire);
    size_t bytes = roads->bytes + (hierarchy != NULL ? hierarchy->bytes : 0);
    for (uint32_t i = 0; i < roads->profile_count; i++)
        bytes += roads_metric_bytes(roads->profiles[i]);
    return bytes;
}

static const struct roads_edge *edge_of(const struct roads *roads,
                                        uint32_t directed)
{
    uint32_t edge = directed >> 1;
    return edge < roads->edge_count ? &roads->edges[edge] : NULL;
}

uint32_t roads_edge_ms(const struct roads *roads, uint32_t directed)
{
    return roads_metric_ms(roads->profiles[0], directed);
}

bool roads_edge_apart(const struct roads *roads, uint32_t directed)
{
    return roads->edges[directed >> 1].apart;
}

bool roads_edge_bridge(const struct roads *roads, uint32_t directed)
{
    return roads->edges[directed >> 1].bridge;
}

double roads_edge_length_m(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    return edge == NULL ? 0.0 : (double)edge->length_m;
}

const char *roads_edge_name(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    if (edge == NULL || edge->name == 0)
        return NULL;
    return roads->names + edge->name;
}

int64_t roads_edge_way(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    return edge == NULL ? 0 : edge->way_id;
}

uint32_t roads_edge_junction(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    if (edge == NULL)
        return ROADS_NONE;
    uint32_t there = edge->arc[directed & 1u];
    uint32_t back = edge->arc[(directed & 1u) ^ 1u];
    if (there != ROADS_NONE)
        return roads->arcs[there].head;
    return back == ROADS_NONE ? ROADS_NONE : roads->arcs[back].tail;
}

int64_t roads_edge_node(const struct roads *roads, uint32_t directed)
{
    uint32_t junction = roads_edge_junction(roads, directed);
    return junction == ROADS_NONE ? 0 : roads->node_ids[junction];
}

const struct geo_point *roads_edge_line(const struct roads *roads,
                                        uint32_t edge, size_t *count)
{
    *count = 0;
    if (edge >= roads->edge_count)
        return NULL;
    uint32_t first = roads->edges[edge].first_point;
    *count = roads->edges[edge + 1].first_point - first;
    return roads->points + first;
}

bool roads_place_valid(const struct roads *roads,
                       const struct roads_place *place)
{
    return place->edge < roads->edge_count && place->fraction >= 0.0 &&
           place->fraction <= 1.0; /* false for NaN, too */
}

uint32_t roads_first_ghost(const struct roads *roads, uint32_t directed)
{
    uint32_t low = 0;
    uint32_t high = roads->ghost_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (roads->ghosts[middle].directed < directed)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Can one get onto an arc, or one of its ghosts, from `in`? */
static bool may_turn(const struct roads_metric *metric, uint32_t in,
                     uint32_t arc)
{
    const struct roads *roads = metric->roads;
    uint32_t directed = roads_arc_directed(&roads->arcs[arc]);
    uint32_t ghost = roads_first_ghost(roads, directed);
    uint32_t entry = in - roads->first_in[roads->arcs[arc].tail];
    for (;;) {
        const uint8_t *turns = roads_turns_of(roads, &roads->arcs[arc]);
        if (roads_turn_cost(metric, turns[entry], in) != ROADS_NONE)
            return true;
        if (ghost == roads->ghost_count ||
            roads->ghosts[ghost].directed != directed)
            return false;
        arc = roads->ghosts[ghost++].arc;
    }
}

size_t roads_turns_into(const struct roads *roads, uint32_t directed,
                        uint32_t *ret, size_t max)
{
    const struct roads_metric *metric = roads->profiles[0];
    if (roads_edge_ms(roads, directed) == ROADS_NONE)
        return 0;
    uint32_t arc = roads->edges[directed >> 1].arc[directed & 1u];
    uint32_t node = roads->arcs[arc].tail;
    size_t count = 0;
    for (uint32_t in = roads->first_in[node]; in < roads->first_in[node + 1];
         in++) {
        if (roads->arcs[in].bits & ARC_GHOST || metric->ms[in] == ROADS_NONE ||
            !may_turn(metric, in, arc))
            continue;
        if (count < max)
            ret[count] = roads_arc_directed(&roads->arcs[in]);
        count++;
    }
    return count;
}

/* The segment of an edge in which a way of `along` metres from its source
 * ends: the last one that starts at or before it. */
static uint32_t segment_at(const struct roads *roads, uint32_t edge,
                           double along)
{
    uint32_t low = roads->edges[edge].first_point;
    uint32_t high = roads->edges[edge + 1].first_point - 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if ((double)roads->along_m[middle] <= along)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct geo_point roads_point_at(const struct roads *roads, uint32_t edge,
                                double fraction)
{
    uint32_t last = roads->edges[edge + 1].first_point - 1;
    double along = fraction * (double)roads->along_m[last];
    uint32_t i = segment_at(roads, edge, along);
    struct geo_point a = roads->points[i];
    struct geo_point b = roads->points[i + 1];
    double start = (double)roads->along_m[i];
    double piece = (double)roads->along_m[i + 1] - start;
    double share = piece > 0.0 ? (along - start) / piece : 0.0;
    if (fraction >= 1.0)
        return b;

    double lat = a.lat_e6 + share * ((double)b.lat_e6 - a.lat_e6);
    double east = (double)(roads_lon_beside(a.lon_e6, b.lon_e6) - a.lon_e6);
    long lon = lround(a.lon_e6 + share * east);
    if (lon > 180000000)
        lon -= 360000000;
    else if (lon < -180000000)
        lon += 360000000;
    return (struct geo_point){.lat_e6 = (int32_t)lround(lat),
                              .lon_e6 = (int32_t)lon};
}

double roads_course_deg(const struct roads *roads, uint32_t directed,
                        double travelled)
{
    uint32_t edge = directed >> 1;
    uint32_t last = roads->edges[edge + 1].first_point - 1;
    double along =
        roads_travelled(directed, travelled) * (double)roads->along_m[last];
    uint32_t i = segment_at(roads, edge, along);
    return directed & 1u
               ? geo_course_deg(roads->points[i + 1], roads->points[i])
               : geo_course_deg(roads->points[i], roads->points[i + 1]);
}

struct roads_place roads_place_on(const struct roads *roads, uint32_t directed,
                                  double travelled)
{
    double fraction = roads_travelled(directed, travelled);
    return (struct roads_place){
        .edge = directed >> 1,
        .fraction = fraction,
        .at = roads_point_at(roads, directed >> 1, fraction)};
}

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
    free(roads->bans);
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
    return roads->bytes;
}

static const struct roads_edge *edge_of(const struct roads *roads,
                                        uint32_t directed)
{
    uint32_t edge = directed >> 1;
    return edge < roads->edge_count ? &roads->edges[edge] : NULL;
}

uint32_t roads_edge_ms(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    if (edge == NULL || edge->arc[directed & 1u] == ROADS_NONE)
        return ROADS_NONE;
    return roads->arcs[edge->arc[directed & 1u]].ms;
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

bool roads_place_valid(const struct roads *roads,
                       const struct roads_place *place)
{
    return place->edge < roads->edge_count && place->fraction >= 0.0 &&
           place->fraction <= 1.0; /* false for NaN, too */
}

/* First ban with a key of at least (to, from). */
static size_t ban_position(const struct roads *roads, uint32_t to,
                           uint32_t from)
{
    size_t low = 0;
    size_t high = roads->ban_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct roads_ban *ban = &roads->bans[middle];
        if (ban->to < to || (ban->to == to && ban->from < from))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool roads_turn_banned(const struct roads *roads, uint32_t from, uint32_t to)
{
    size_t at = ban_position(roads, to, from);
    return at < roads->ban_count && roads->bans[at].to == to &&
           roads->bans[at].from == from;
}

/* See roads.h on turns: back into the same street only where nothing else is
 * allowed. */
static bool may_turn(const struct roads *roads, uint32_t from, uint32_t into)
{
    const struct roads_arc *a = &roads->arcs[from];
    const struct roads_arc *b = &roads->arcs[into];
    if (from == b->reverse && !(a->bits & ARC_TURNS_ROUND))
        return false;
    return !(b->bits & ARC_BANNED_INTO) ||
           !roads_turn_banned(roads, from, into);
}

size_t roads_turns_into(const struct roads *roads, uint32_t directed,
                        uint32_t *ret, size_t max)
{
    const struct roads_edge *edge = edge_of(roads, directed);
    if (edge == NULL || edge->arc[directed & 1u] == ROADS_NONE)
        return 0;
    uint32_t into = edge->arc[directed & 1u];
    uint32_t from = roads->arcs[into].before;
    size_t count = 0;
    if (from == ROADS_NONE)
        return 0;
    do {
        if (!may_turn(roads, from, into))
            continue;
        if (count < max)
            ret[count] = roads_arc_directed(&roads->arcs[from]);
        count++;
    } while (!(roads->arcs[from++].bits & ARC_LAST));
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

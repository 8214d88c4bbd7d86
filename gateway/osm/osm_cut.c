/* Ways become edges: cut wherever two streets meet, and at barriers. */
#include "osm_internal.h"
#include "pt_room.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of street that meet at a node, counted up to ARMS_MAX; a way that
 * passes it is two. A node is a junction when it ends a piece or when more
 * than two meet. */
#define ARMS_MAX 0x7fu
#define ENDS_HERE 0x80u

/* A barrier's own piece; never more than a third of the stretch it is cut
 * from, so that two of them find room between two nodes. */
#define BARRIER_PIECE_M 2.0

struct cut {
    struct osm_work *work;
    struct osm_network *network;
    uint32_t *nodes; /* the refs of all ways as indexes into work->ids, each
                        way's behind way->first_ref */
    uint8_t *use;    /* of work->ids: arms and ENDS_HERE */
    uint32_t *vertex;
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
        if (work->flags[node] == 0) {
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

static void add_arms(uint8_t *use, unsigned arms)
{
    unsigned sum = (*use & ARMS_MAX) + arms;
    *use = (uint8_t)((*use & ENDS_HERE) | (sum < ARMS_MAX ? sum : ARMS_MAX));
}

static void mark_uses(struct cut *cut, const struct osm_way *way)
{
    const uint32_t *nodes = cut->nodes + way->first_ref;
    uint32_t end = 0;
    for (uint32_t first = 0; next_run(cut, way, &first, &end); first = end) {
        for (uint32_t i = first; i < end; i++) {
            bool ends = i == first || i == end - 1;
            add_arms(&cut->use[nodes[i]], ends ? 1 : 2);
            cut->use[nodes[i]] |= ends ? ENDS_HERE : 0;
        }
    }
}

static bool is_junction(const struct cut *cut, uint32_t node)
{
    return (cut->use[node] & ENDS_HERE) != 0 || cut->use[node] > 2;
}

/* ------------------------------------------------------------------ vertices
 */
/* Barriers cut their street, where that is but one. */
static size_t cut_at_barriers(struct cut *cut)
{
    struct osm_work *work = cut->work;
    size_t places = 0;
    for (size_t i = 0; i < work->mark_count; i++) {
        struct osm_mark *mark = &work->marks[i];
        unsigned arms = cut->use[mark->node] & ARMS_MAX;
        if (mark->barrier == OSM_NO_TEXT || arms == 0)
            continue;
        work->tally[arms == 2  ? OSM_BARRIERS
                    : arms > 2 ? OSM_BARRIERS_JUNCTION
                               : OSM_BARRIERS_END]++;
        if (arms != 2)
            continue;
        cut->use[mark->node] |= ENDS_HERE;
        mark->place = OSM_NO_NODE - 1; /* numbered below */
        places++;
    }
    return places;
}

static void add_vertex(struct cut *cut, uint32_t node)
{
    struct osm_work *work = cut->work;
    struct osm_network *network = cut->network;
    const struct osm_mark *mark = osm_find_mark(work, node);
    struct osm_node *vertex = &network->nodes[network->node_count];
    *vertex = (struct osm_node){.id = work->ids[node], .at = work->at[node]};
    if (mark != NULL) {
        vertex->control = (enum osm_control)mark->control;
        vertex->barrier = osm_text_at(work, mark->barrier);
    }
    cut->vertex[node] = (uint32_t)network->node_count++;
}

/* Junctions in order of their ids, then the places before barriers, whose
 * ids are above all others. */
static enum pt_err list_vertices(struct cut *cut)
{
    struct osm_work *work = cut->work;
    struct osm_network *network = cut->network;
    size_t count = cut_at_barriers(cut);
    for (uint32_t i = 0; i < work->id_count; i++)
        count += is_junction(cut, i);
    network->nodes = malloc((count + 1) * sizeof *network->nodes);
    if (network->nodes == NULL)
        return PT_E_NOMEM;
    for (uint32_t i = 0; i < work->id_count; i++) {
        cut->vertex[i] = OSM_NO_NODE;
        if (is_junction(cut, i))
            add_vertex(cut, i);
    }
    for (size_t i = 0; i < work->mark_count; i++) {
        struct osm_mark *mark = &work->marks[i];
        if (mark->place == OSM_NO_NODE)
            continue;
        mark->place = (uint32_t)network->node_count;
        network->nodes[network->node_count++] = (struct osm_node){
            .id = OSM_BARRIER_PLACE + work->ids[mark->node],
            .at = work->at[mark->node]}; /* until its street is cut */
    }
    return PT_OK;
}

/* --------------------------------------------------------------- what is met
 */
static void count_up(uint8_t *count)
{
    if (*count < UINT8_MAX)
        ++*count;
}

/* A sign that does not say whom it is for is for those who come to the
 * nearer end (wiki, highway=stop); signals stop both. */
static void count_control(const struct osm_mark *mark, bool near_target,
                          struct osm_edge *edge)
{
    uint8_t *counts = mark->control == OSM_SIGNALS ? edge->signals
                      : mark->control == OSM_STOP  ? edge->stops
                                                   : edge->give_ways;
    bool forward = mark->direction == PROFILE_FORWARD;
    bool backward = mark->direction == PROFILE_BACKWARD;
    if (!forward && !backward) {
        bool both = mark->both_ways || mark->control == OSM_SIGNALS;
        forward = both || near_target;
        backward = both || !near_target;
    }
    if (forward)
        count_up(&counts[0]);
    if (backward)
        count_up(&counts[1]);
}

static void count_mark(struct cut *cut, const struct osm_mark *mark,
                       bool near_target, struct osm_edge *edge)
{
    uint64_t *tally = cut->work->tally;
    if (mark->control != OSM_NO_CONTROL) {
        count_control(mark, near_target, edge);
        tally[OSM_SIGNALS_MET] += mark->control == OSM_SIGNALS;
        tally[OSM_STOPS] += mark->control == OSM_STOP;
        tally[OSM_GIVE_WAYS] += mark->control == OSM_GIVE_WAY;
    }
    if (mark->crossing)
        count_up(&edge->crossings);
    if (mark->calming)
        count_up(&edge->calmings);
}

/* Everything strictly between the two ends. */
static void count_marks(struct cut *cut, const uint32_t *nodes, uint32_t count,
                        double length_m, struct osm_edge *edge)
{
    double along_m = 0;
    for (uint32_t i = 1; i + 1 < count; i++) {
        along_m += geo_distance_m(cut->work->at[nodes[i - 1]],
                                  cut->work->at[nodes[i]]);
        const struct osm_mark *mark = osm_find_mark(cut->work, nodes[i]);
        if (mark != NULL)
            count_mark(cut, mark, along_m * 2 >= length_m, edge);
    }
}

/* --------------------------------------------------------------------- edges
 */
static enum pt_err append_points(struct cut *cut,
                                 const struct geo_point *points, uint32_t count,
                                 double *length_m)
{
    struct osm_network *network = cut->network;
    if (count >= UINT32_MAX - network->point_count)
        return PT_E_RANGE;
    enum pt_err err =
        pt_room(&network->points, &cut->point_room,
                network->point_count + count, sizeof *network->points);
    if (err != PT_OK)
        return err;
    *length_m = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            *length_m += geo_distance_m(points[i - 1], points[i]);
        network->points[network->point_count++] = points[i];
    }
    return PT_OK;
}

static enum pt_err append_edge(struct cut *cut, const struct osm_way *way,
                               uint32_t source, uint32_t target,
                               const struct geo_point *points, uint32_t count,
                               struct osm_edge **ret)
{
    struct osm_network *network = cut->network;
    double length_m = 0;
    size_t first_point = network->point_count;
    if (network->edge_count >= OSM_EDGES_MAX)
        return PT_E_RANGE;
    enum pt_err err = pt_room(&network->edges, &cut->edge_room,
                              network->edge_count + 1, sizeof *network->edges);
    if (err == PT_OK)
        err = append_points(cut, points, count, &length_m);
    if (err != PT_OK)
        return err;
    cut->work->tally[OSM_LOOPS] += source == target;
    cut->work->tally[OSM_ZERO_LENGTH] += length_m <= 0;
    network->length_m += length_m;
    struct osm_edge *edge = &network->edges[network->edge_count++];
    *edge = (struct osm_edge){
        .way_id = way->id,
        .source = source,
        .target = target,
        .street = (uint32_t)(way - cut->work->ways),
        .length_m = (float)length_m,
        .first_point = (uint32_t)first_point,
        .point_count = count,
    };
    *ret = edge;
    return PT_OK;
}

/* The place before the barrier at `node`, when it is still to be cut: the
 * first piece of street that comes to the node gives the room. */
static uint32_t take_place(const struct cut *cut, uint32_t node,
                           struct osm_mark **mark)
{
    *mark = osm_find_mark(cut->work, node);
    if (*mark == NULL || (*mark)->place == OSM_NO_NODE)
        return OSM_NO_NODE;
    uint32_t place = (*mark)->place;
    (*mark)->place = OSM_NO_NODE;
    return place;
}

static struct geo_point towards(struct geo_point from, struct geo_point to)
{
    double length_m = geo_distance_m(from, to);
    double share =
        length_m > 3 * BARRIER_PIECE_M ? BARRIER_PIECE_M / length_m : 1.0 / 3;
    double lat_e6 = (double)(to.lat_e6 - from.lat_e6) * share;
    double lon_e6 = (double)to.lon_e6 - (double)from.lon_e6;
    if (fabs(lon_e6) > 180e6) /* across the date line */
        lon_e6 -= copysign(360e6, lon_e6);
    double lon = (double)from.lon_e6 + lon_e6 * share;
    if (fabs(lon) > 180e6)
        lon -= copysign(360e6, lon);
    return (struct geo_point){
        .lat_e6 = from.lat_e6 + (int32_t)lround(lat_e6),
        .lon_e6 = (int32_t)lround(lon),
    };
}

/* The piece between a barrier's place and its node. */
static enum pt_err append_barrier(struct cut *cut, const struct osm_way *way,
                                  const struct osm_mark *mark, uint32_t place,
                                  bool place_first)
{
    const struct geo_point *at = &cut->network->nodes[place].at;
    struct geo_point node = cut->work->at[mark->node];
    uint32_t vertex = cut->vertex[mark->node];
    struct geo_point points[2] = {place_first ? *at : node,
                                  place_first ? node : *at};
    struct osm_edge *edge = NULL;
    enum pt_err err =
        append_edge(cut, way, place_first ? place : vertex,
                    place_first ? vertex : place, points, 2, &edge);
    if (err == PT_OK)
        edge->barrier = osm_text_at(cut->work, mark->barrier);
    return err;
}

/* The street between two junctions: one edge, and one more for a barrier at
 * either end. */
static enum pt_err append_stretch(struct cut *cut, const struct osm_way *way,
                                  const uint32_t *nodes, uint32_t count,
                                  struct geo_point *points)
{
    struct osm_node *vertices = cut->network->nodes;
    uint32_t source = cut->vertex[nodes[0]];
    uint32_t target = cut->vertex[nodes[count - 1]];
    struct osm_mark *at_source;
    struct osm_mark *at_target;
    uint32_t before = take_place(cut, nodes[0], &at_source);
    uint32_t behind = take_place(cut, nodes[count - 1], &at_target);
    enum pt_err err = PT_OK;
    for (uint32_t i = 0; i < count; i++)
        points[i] = cut->work->at[nodes[i]];
    struct geo_point last = points[count - 1];
    if (behind != OSM_NO_NODE) {
        vertices[behind].at = towards(last, points[count - 2]);
        target = behind;
    }
    if (before != OSM_NO_NODE) {
        vertices[before].at = towards(points[0], points[1]);
        points[0] = vertices[before].at;
        source = before;
        err = append_barrier(cut, way, at_source, before, false);
    }
    if (behind != OSM_NO_NODE)
        points[count - 1] = vertices[behind].at;
    struct osm_edge *edge = NULL;
    if (err == PT_OK)
        err = append_edge(cut, way, source, target, points, count, &edge);
    if (err == PT_OK)
        count_marks(cut, nodes, count, (double)edge->length_m, edge);
    if (err == PT_OK && behind != OSM_NO_NODE)
        err = append_barrier(cut, way, at_target, behind, true);
    return err;
}

static enum pt_err cut_way(struct cut *cut, struct osm_way *way,
                           struct geo_point *points)
{
    const uint32_t *nodes = cut->nodes + way->first_ref;
    uint32_t end = 0;
    way->first_edge = (uint32_t)cut->network->edge_count;
    for (uint32_t first = 0; next_run(cut, way, &first, &end); first = end) {
        uint32_t start = first;
        for (uint32_t i = first + 1; i < end; i++) {
            if (!is_junction(cut, nodes[i]))
                continue;
            enum pt_err err =
                append_stretch(cut, way, nodes + start, i - start + 1, points);
            if (err != PT_OK)
                return err;
            start = i;
        }
    }
    way->edge_count = (uint32_t)cut->network->edge_count - way->first_edge;
    uint64_t *tally = cut->work->tally;
    tally[way->edge_count > 0 ? OSM_WAYS_KEPT : OSM_WAYS_OUTSIDE]++;
    tally[OSM_WAYS_ONE_WAY] +=
        way->edge_count > 0 &&
        (way->oneway == PROFILE_FORWARD || way->oneway == PROFILE_BACKWARD);
    tally[OSM_WAYS_REVERSIBLE] += way->oneway > PROFILE_BACKWARD;
    return PT_OK;
}

static uint32_t longest_way(const struct osm_work *work)
{
    uint32_t longest = 0;
    for (size_t w = 0; w < work->way_count; w++) {
        if (work->ways[w].ref_count > longest)
            longest = work->ways[w].ref_count;
    }
    return longest;
}

enum pt_err osm_cut(struct osm_work *work, struct osm_network *network,
                    uint32_t *vertex)
{
    struct cut cut = {.work = work, .network = network, .vertex = vertex};
    struct geo_point *points =
        malloc(((size_t)longest_way(work) + 1) * sizeof *points);
    enum pt_err err = PT_E_NOMEM;
    cut.nodes = malloc((work->ref_count + 1) * sizeof *cut.nodes);
    cut.use = calloc(work->id_count + 1, sizeof *cut.use);
    if (points == NULL || cut.nodes == NULL || cut.use == NULL)
        goto done;
    for (size_t w = 0; w < work->way_count; w++) {
        resolve_way(&cut, &work->ways[w]);
        mark_uses(&cut, &work->ways[w]);
    }
    err = list_vertices(&cut);
    for (size_t w = 0; err == PT_OK && w < work->way_count; w++)
        err = cut_way(&cut, &work->ways[w], points);
done:
    free(points);
    free(cut.nodes);
    free(cut.use);
    return err;
}

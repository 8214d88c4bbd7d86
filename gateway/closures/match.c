/* The pieces of closures on a network that may be another than the one they
 * were made on: by the ids of way and junctions; where the way is cut
 * otherwise, along it from junction to junction; where those are gone, by the
 * line. */
#include "closures_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A line is looked along in steps of so much, and in so many at most. */
#define STEP_M 5.0
#define STEPS_MAX 400
/* A street that is the same lies within so much of its old line (OpenStreetMap
 * lines move by some metres when somebody has better pictures), and runs along
 * it; neighbouring carriageways are farther apart or nearer to their own. */
#define BESIDE_M 12.0
#define ALONG_DEG 35.0
/* Of an edge or of the piece, whichever is shorter, so much lies on the other:
 * a street that only crosses does not. */
#define COVERED_LEAST 0.5
/* A way round by other pieces of the same way is none of the closed piece. */
#define LONGER_SHARE 0.2
#define LONGER_M 30.0

/* ------------------------------------------------------- edges by their way */
static int by_way(const void *left, const void *right)
{
    const struct closures_way *a = left;
    const struct closures_way *b = right;
    if (a->way_id != b->way_id)
        return a->way_id < b->way_id ? -1 : 1;
    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

static int by_number(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The ids of all ways that pieces name, sorted; `*ret` is the caller's. */
static enum pt_err name_ways(const struct closures *closures, int64_t **ret,
                             size_t *count)
{
    size_t pieces = 0;
    for (size_t i = 0; i < closures->count; i++)
        pieces += closures->items[i].piece_count;
    int64_t *ids = calloc(pieces + 1, sizeof(*ids));
    if (ids == NULL)
        return PT_E_NOMEM;
    *count = 0;
    for (size_t i = 0; i < closures->count; i++) {
        const struct closure *c = &closures->items[i];
        for (size_t p = 0; p < c->piece_count; p++)
            ids[(*count)++] = c->pieces[p].way_id;
    }
    qsort(ids, *count, sizeof(*ids), by_number);
    *ret = ids;
    return PT_OK;
}

enum pt_err closures_ways_new(const struct roads *roads,
                              const struct closures *closures,
                              struct closures_ways *ret)
{
    struct closures_ways ways = {.roads = roads};
    size_t edges = roads_edge_count(roads);
    int64_t *ids = NULL;
    size_t id_count = 0;
    size_t room = 0;
    enum pt_err err = name_ways(closures, &ids, &id_count);
    for (size_t e = 0; e < edges && err == PT_OK && id_count > 0; e++) {
        int64_t way_id = roads_edge_way(roads, 2 * (uint32_t)e);
        if (bsearch(&way_id, ids, id_count, sizeof(*ids), by_number) == NULL)
            continue;
        if (ways.count == room) {
            room = room == 0 ? 256 : 2 * room;
            void *more = reallocarray(ways.items, room, sizeof(*ways.items));
            if (more == NULL) {
                err = PT_E_NOMEM;
                break;
            }
            ways.items = more;
        }
        ways.items[ways.count++] = (struct closures_way){way_id, (uint32_t)e};
    }
    free(ids);
    if (err != PT_OK) {
        free(ways.items);
        return err;
    }
    if (ways.count > 1)
        qsort(ways.items, ways.count, sizeof(*ways.items), by_way);
    *ret = ways;
    return PT_OK;
}

void closures_ways_clear(struct closures_ways *ways)
{
    free(ways->items);
    *ways = (struct closures_ways){0};
}

/* The edges of one way. */
static const struct closures_way *edges_of(const struct closures_ways *ways,
                                           int64_t way_id, size_t *count)
{
    size_t low = 0;
    size_t high = ways->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ways->items[middle].way_id < way_id)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < ways->count && ways->items[end].way_id == way_id)
        end++;
    *count = end - low;
    return ways->items + low;
}

/* ---------------------------------------------------------------- the line */
/* The point that has the share `share` of the line behind it, and the course
 * there. */
static struct geo_point line_at(const struct closures_piece *piece,
                                double length_m, double share,
                                double *course_deg)
{
    double left_m = share * length_m;
    size_t last = piece->point_count - 1;
    for (size_t i = 0; i < last; i++) {
        struct geo_point a = piece->points[i];
        struct geo_point b = piece->points[i + 1];
        double step_m = geo_distance_m(a, b);
        if (left_m <= step_m || i + 1 == last) {
            *course_deg = geo_course_deg(a, b);
            return geo_ahead(a, *course_deg, fmin(left_m, step_m));
        }
        left_m -= step_m;
    }
    *course_deg = 0.0;
    return piece->points[last];
}

/* Metres between a directed edge and a piece, summed over three places. */
static double apart_m(const struct roads *roads, uint32_t directed,
                      const struct closures_piece *piece)
{
    double length_m = closures_line_m(piece->points, piece->point_count);
    double sum = 0.0;
    for (int i = 1; i <= 3; i++) {
        double course_deg;
        struct geo_point p = line_at(piece, length_m, i / 4.0, &course_deg);
        sum += geo_distance_m(p, roads_place_on(roads, directed, i / 4.0).at);
    }
    return sum;
}

static enum pt_err add_part(struct closures_parts *parts, uint32_t directed,
                            double share)
{
    for (size_t i = parts->count; i-- > 0;) {
        struct closures_part *part = &parts->items[i];
        if (part->directed == directed) {
            part->share = fmin(1.0, part->share + share);
            return PT_OK;
        }
    }
    if (parts->count == parts->room) {
        size_t room = parts->room == 0 ? 16 : 2 * parts->room;
        void *more = reallocarray(parts->items, room, sizeof(*parts->items));
        if (more == NULL)
            return PT_E_NOMEM;
        parts->items = more;
        parts->room = room;
    }
    parts->items[parts->count++] = (struct closures_part){directed, share};
    return PT_OK;
}

/* ---------------------------------------------------------------- by its ids
 */
/* Two pieces of a way may join the same junctions (a loop, a lay-by), and one
 * may lead from a junction to itself: then the nearer line it is. */
static bool by_ends(const struct closures_ways *ways,
                    const struct closures_piece *piece, uint32_t *ret)
{
    const struct roads *roads = ways->roads;
    size_t count = 0;
    const struct closures_way *edges = edges_of(ways, piece->way_id, &count);
    double best_m = INFINITY;
    for (size_t i = 0; i < 2 * count; i++) {
        uint32_t directed = 2 * edges[i / 2].edge + (uint32_t)(i % 2);
        if (roads_edge_node(roads, directed) != piece->to_node ||
            roads_edge_node(roads, roads_reverse(directed)) != piece->from_node)
            continue;
        double m = apart_m(roads, directed, piece);
        if (m < best_m) {
            best_m = m;
            *ret = directed;
        }
    }
    return best_m < INFINITY;
}

/* ------------------------------------------------------------- along its way
 */
/* The shortest way from junction to junction over the edges of one way. */
struct walk {
    const struct roads *roads;
    size_t count;
    const struct closures_way *edges;
    size_t node_count;
    int64_t *nodes; /* sorted */
    double *m;      /* from the start */
    uint32_t *by;   /* the directed edge that leads there so */
};

static size_t node_of(const struct walk *w, int64_t id)
{
    const int64_t *found =
        bsearch(&id, w->nodes, w->node_count, sizeof(id), by_number);
    return found == NULL ? SIZE_MAX : (size_t)(found - w->nodes);
}

static enum pt_err walk_start(struct walk *w, int64_t from)
{
    w->nodes = calloc(2 * w->count + 1, sizeof(*w->nodes));
    w->m = calloc(2 * w->count + 1, sizeof(*w->m));
    w->by = calloc(2 * w->count + 1, sizeof(*w->by));
    if (w->nodes == NULL || w->m == NULL || w->by == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < 2 * w->count; i++)
        w->nodes[w->node_count++] = roads_edge_node(
            w->roads, 2 * w->edges[i / 2].edge + (uint32_t)(i % 2));
    if (w->node_count > 1)
        qsort(w->nodes, w->node_count, sizeof(*w->nodes), by_number);
    for (size_t i = 0; i < w->node_count; i++) {
        w->m[i] = w->nodes[i] == from ? 0.0 : INFINITY;
        w->by[i] = ROADS_NONE;
    }
    return PT_OK;
}

/* Equal ids stand more than once in `nodes`; node_of() finds the same one of
 * them each time. */
static void walk_spread(struct walk *w, int64_t from)
{
    bool lowered = true;
    size_t start = node_of(w, from);
    if (start == SIZE_MAX)
        return;
    w->m[start] = 0.0;
    while (lowered) {
        lowered = false;
        for (size_t i = 0; i < 2 * w->count; i++) {
            uint32_t directed = 2 * w->edges[i / 2].edge + (uint32_t)(i % 2);
            size_t a =
                node_of(w, roads_edge_node(w->roads, roads_reverse(directed)));
            size_t b = node_of(w, roads_edge_node(w->roads, directed));
            double m = w->m[a] + roads_edge_length_m(w->roads, directed);
            if (m < w->m[b]) {
                w->m[b] = m;
                w->by[b] = directed;
                lowered = true;
            }
        }
    }
}

/* False, and nothing appended: there is no such way, or it leads elsewhere. */
static enum pt_err by_walk(const struct closures_ways *ways,
                           const struct closures_piece *piece,
                           struct closures_parts *parts, bool *found)
{
    struct walk w = {.roads = ways->roads};
    double length_m = closures_line_m(piece->points, piece->point_count);
    *found = false;
    w.edges = edges_of(ways, piece->way_id, &w.count);
    enum pt_err err = walk_start(&w, piece->from_node);
    if (err == PT_OK)
        walk_spread(&w, piece->from_node);
    size_t at = err == PT_OK ? node_of(&w, piece->to_node) : SIZE_MAX;
    *found = at != SIZE_MAX && node_of(&w, piece->from_node) != SIZE_MAX &&
             piece->from_node != piece->to_node &&
             fabs(w.m[at] - length_m) <= LONGER_SHARE * length_m + LONGER_M;
    while (*found && err == PT_OK && w.by[at] != ROADS_NONE) {
        uint32_t directed = w.by[at];
        err = add_part(parts, directed, 1.0);
        at = node_of(&w, roads_edge_node(w.roads, roads_reverse(directed)));
    }
    free(w.nodes);
    free(w.m);
    free(w.by);
    return err;
}

/* --------------------------------------------------------------- by its line
 */
struct hits {
    size_t count;
    uint32_t directed[STEPS_MAX];
    unsigned number[STEPS_MAX]; /* of steps that lie on it */
};

static void add_hit(struct hits *hits, uint32_t directed)
{
    size_t i = 0;
    while (i < hits->count && hits->directed[i] != directed)
        i++;
    if (i == hits->count) {
        hits->directed[hits->count++] = directed;
        hits->number[i] = 0;
    }
    hits->number[i]++;
}

/* The street that runs along the line here: the piece's own way if any (not one
 * that has ended before), else the nearest. ROADS_NONE. */
static uint32_t street_at(const struct roads *roads, struct geo_point at,
                          double course_deg, int64_t way_id)
{
    struct roads_place around[ROADS_AROUND_MAX];
    uint32_t nearest = ROADS_NONE;
    size_t found = 0;
    if (roads_around(roads, at, BESIDE_M, ROADS_AROUND_MAX, around, &found) !=
        PT_OK)
        return ROADS_NONE;
    for (size_t i = 0; i < found; i++) {
        uint32_t directed = 2 * around[i].edge;
        double street_deg =
            roads_course_deg(roads, directed, around[i].fraction);
        double apart_deg = geo_course_difference_deg(street_deg, course_deg);
        if (apart_deg > 90.0) {
            directed = roads_reverse(directed);
            apart_deg = 180.0 - apart_deg;
        }
        if (apart_deg > ALONG_DEG)
            continue;
        bool beside = around[i].fraction > 0.0 && around[i].fraction < 1.0;
        if (beside && roads_edge_way(roads, directed) == way_id)
            return directed;
        if (nearest == ROADS_NONE)
            nearest = directed;
    }
    return nearest;
}

static enum pt_err by_line(const struct roads *roads,
                           const struct closures_piece *piece,
                           struct closures_parts *parts, double *lost_m)
{
    struct hits hits = {0};
    double length_m = closures_line_m(piece->points, piece->point_count);
    size_t steps = (size_t)ceil(fmin(length_m / STEP_M, STEPS_MAX));
    steps = steps == 0 ? 1 : steps;
    double step_m = length_m / (double)steps;
    for (size_t i = 0; i < steps; i++) {
        double course_deg;
        struct geo_point at = line_at(
            piece, length_m, ((double)i + 0.5) / (double)steps, &course_deg);
        uint32_t directed = street_at(roads, at, course_deg, piece->way_id);
        if (directed != ROADS_NONE)
            add_hit(&hits, directed);
    }
    *lost_m = length_m;
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < hits.count && err == PT_OK; i++) {
        double edge_m = roads_edge_length_m(roads, hits.directed[i]);
        double covered_m = hits.number[i] * step_m;
        if (covered_m < COVERED_LEAST * fmin(edge_m, length_m))
            continue;
        *lost_m = fmax(0.0, *lost_m - covered_m);
        err = add_part(parts, hits.directed[i],
                       edge_m > covered_m ? covered_m / edge_m : 1.0);
    }
    return err;
}

enum pt_err closures_match_piece(const struct closures_ways *ways,
                                 const struct closures_piece *piece,
                                 struct closures_parts *parts, double *lost_m)
{
    uint32_t directed = ROADS_NONE;
    bool found = false;
    *lost_m = 0.0;
    if (by_ends(ways, piece, &directed))
        return add_part(parts, directed, 1.0);
    enum pt_err err = by_walk(ways, piece, parts, &found);
    return err != PT_OK || found ? err
                                 : by_line(ways->roads, piece, parts, lost_m);
}

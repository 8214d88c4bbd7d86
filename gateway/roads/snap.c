/* The nearest street to a point: an R-tree over runs of segments. */
#include "roads_internal.h"
#include <stdlib.h>

#define TURN_E6 360000000 /* once round, in millionths of a degree */

uint32_t roads_hilbert(uint32_t x, uint32_t y)
{
    uint32_t d = 0;
    for (uint32_t s = 1u << 15; s > 0; s >>= 1) {
        uint32_t right = (x & s) != 0;
        uint32_t up = (y & s) != 0;
        d = d << 2 | ((3 * right) ^ up);
        if (up == 0) { /* turn the quadrant, so that the curve connects */
            if (right) {
                x = ~x;
                y = ~y;
            }
            uint32_t swap = x;
            x = y;
            y = swap;
        }
    }
    return d;
}

static uint32_t share16(int64_t value, int64_t low, int64_t high)
{
    return high > low ? (uint32_t)((value - low) * 65535 / (high - low)) : 0;
}

uint32_t roads_hilbert_at(const struct roads_box *box, int64_t lat_e6,
                          int64_t lon_e6)
{
    return roads_hilbert(share16(lon_e6, box->west, box->east),
                         share16(lat_e6, box->south, box->north));
}

/* --------------------------------------------------------------- building */
static struct roads_box box_union(struct roads_box a, struct roads_box b)
{
    a.south = b.south < a.south ? b.south : a.south;
    a.west = b.west < a.west ? b.west : a.west;
    a.north = b.north > a.north ? b.north : a.north;
    a.east = b.east > a.east ? b.east : a.east;
    return a;
}

/* At most eight segments of less than half a turn each: no overflow. */
static struct roads_box box_of_run(const struct roads *roads,
                                   const struct roads_run *run)
{
    struct geo_point p = roads->points[run->first_point];
    struct roads_box box = {p.lat_e6, p.lon_e6, p.lat_e6, p.lon_e6};
    int64_t lon = p.lon_e6;
    for (uint32_t i = 1; i <= run->segments; i++) {
        p = roads->points[run->first_point + i];
        lon = roads_lon_beside(lon, p.lon_e6);
        struct roads_box at = {p.lat_e6, (int32_t)lon, p.lat_e6, (int32_t)lon};
        box = box_union(box, at);
    }
    return box;
}

/* Where nobody may drive nobody is looked for. */
static bool is_driven(const struct roads *roads, uint32_t edge)
{
    return roads_edge_ms(roads, 2 * edge) != ROADS_NONE ||
           roads_edge_ms(roads, 2 * edge + 1) != ROADS_NONE;
}

static uint32_t count_runs(const struct roads *roads)
{
    uint32_t count = 0;
    for (uint32_t e = 0; e < roads->edge_count; e++) {
        if (!is_driven(roads, e))
            continue;
        uint32_t segments =
            roads->edges[e + 1].first_point - roads->edges[e].first_point - 1;
        count += (segments + RUN_SEGMENTS - 1) / RUN_SEGMENTS;
    }
    return count;
}

static void cut_runs(const struct roads *roads, struct roads_run *runs)
{
    for (uint32_t e = 0; e < roads->edge_count; e++) {
        if (!is_driven(roads, e))
            continue;
        uint32_t last = roads->edges[e + 1].first_point - 1;
        uint32_t at = roads->edges[e].first_point;
        while (at < last) {
            uint32_t left = last - at;
            uint32_t take = left < RUN_SEGMENTS ? left : RUN_SEGMENTS;
            *runs++ = (struct roads_run){e, at, take};
            at += take;
        }
    }
}

/* The sizes of the levels; returns how many boxes they have together. */
static size_t plan_levels(struct roads_tree *tree, uint32_t leaves)
{
    size_t total = 0;
    uint32_t count = leaves;
    tree->levels = 0;
    for (;;) {
        tree->count[tree->levels] = count;
        tree->first[tree->levels++] = total;
        total += count;
        if (count <= TREE_FAN)
            return total;
        count = (count + TREE_FAN - 1) / TREE_FAN;
    }
}

static void fill_upper_levels(struct roads_tree *tree)
{
    for (uint32_t level = 1; level < tree->levels; level++) {
        struct roads_box *boxes = tree->boxes + tree->first[level];
        const struct roads_box *below = tree->boxes + tree->first[level - 1];
        for (uint32_t i = 0; i < tree->count[level - 1]; i++) {
            struct roads_box *box = &boxes[i / TREE_FAN];
            *box = i % TREE_FAN == 0 ? below[i] : box_union(*box, below[i]);
        }
    }
}

static void sort_leaves(const struct roads *roads, struct roads_tree *tree,
                        const struct roads_run *cut, uint64_t *keys)
{
    struct roads_box all = box_of_run(roads, &cut[0]);
    for (uint32_t i = 1; i < tree->count[0]; i++)
        all = box_union(all, box_of_run(roads, &cut[i]));
    for (uint32_t i = 0; i < tree->count[0]; i++) {
        struct roads_box box = box_of_run(roads, &cut[i]);
        int64_t lat = ((int64_t)box.south + box.north) / 2;
        int64_t lon = ((int64_t)box.west + box.east) / 2;
        keys[i] = (uint64_t)roads_hilbert_at(&all, lat, lon) << 32 | i;
    }
    roads_sort_keys(keys, tree->count[0]);
    for (uint32_t i = 0; i < tree->count[0]; i++) {
        tree->runs[i] = cut[(uint32_t)keys[i]];
        tree->boxes[i] = box_of_run(roads, &tree->runs[i]);
    }
}

enum pt_err roads_tree_build(struct roads *roads)
{
    struct roads_tree *tree = &roads->tree;
    uint32_t leaves = count_runs(roads);
    if (leaves == 0)
        return PT_E_RANGE;
    if (leaves == 0) /* every edge has two points */
        return PT_E_RANGE;
    size_t boxes = plan_levels(tree, leaves);
    struct roads_run *cut = calloc(leaves, sizeof(*cut));
    uint64_t *keys = calloc(leaves, sizeof(*keys));
    tree->boxes = calloc(boxes, sizeof(*tree->boxes));
    tree->runs = calloc(leaves, sizeof(*tree->runs));
    enum pt_err err = PT_E_NOMEM;
    if (cut == NULL || keys == NULL || tree->boxes == NULL ||
        tree->runs == NULL)
        goto out;
    roads->bytes += boxes * sizeof(*tree->boxes) + leaves * sizeof(*tree->runs);
    cut_runs(roads, cut);
    sort_leaves(roads, tree, cut, keys);
    fill_upper_levels(tree);
    err = PT_OK;
out:
    free(cut);
    free(keys);
    return err;
}

/* ---------------------------------------------------------------- asking */
struct hit {
    double squared_m2;
    uint32_t edge;
    uint32_t segment; /* point it starts at */
    double share;     /* along that segment */
};

struct quest {
    const struct roads *roads;
    struct geo_plane plane;
    int64_t lat_e6, lon_e6; /* lon may be moved by whole turns */
    struct hit best;        /* farther is not looked at */
    struct gathering *all; /* roads_around(): the best of every edge; or NULL */
    bool main_part;        /* of that only */
};

/* Sorted as the answer is. */
struct gathering {
    struct hit hits[ROADS_AROUND_MAX];
    size_t max;
    size_t count;
    double reach2_m2;
};

struct visit { /* a box to look into */
    double squared_m2;
    uint32_t level, index;
};

static double gap(int64_t value, int64_t low, int64_t high)
{
    if (value < low)
        return (double)(low - value);
    return value > high ? (double)(value - high) : 0.0;
}

/* No point of the box is nearer than this. */
static double box_squared_m2(const struct quest *q, const struct roads_box *box)
{
    double y = gap(q->lat_e6, box->south, box->north) * q->plane.north_m_per_e6;
    double x = gap(q->lon_e6, box->west, box->east) * q->plane.east_m_per_e6;
    return x * x + y * y;
}

/* Boxes and segments round differently in the last digit: a box must not be
 * passed over for that when it holds a tie. */
static bool worth_a_look(const struct quest *q, double squared_m2)
{
    return squared_m2 <= q->best.squared_m2 * (1.0 + 1e-9) + 1e-12;
}

static void look_at_segment(struct quest *q, uint32_t edge, uint32_t segment,
                            const double a[2], const double b[2])
{
    double dx = b[0] - a[0];
    double dy = b[1] - a[1];
    double length2 = dx * dx + dy * dy;
    double share = length2 > 0.0 ? -(a[0] * dx + a[1] * dy) / length2 : 0.0;
    double x = a[0] + share * dx;
    double y = a[1] + share * dy;
    if (share <= 0.0) { /* exactly the corner: streets meet there and tie */
        share = 0.0;
        x = a[0];
        y = a[1];
    } else if (share >= 1.0) {
        share = 1.0;
        x = b[0];
        y = b[1];
    }
    double squared = x * x + y * y;
    bool before = edge < q->best.edge ||
                  (edge == q->best.edge && segment < q->best.segment);
    if (squared < q->best.squared_m2 ||
        (squared == q->best.squared_m2 && before))
        q->best = (struct hit){squared, edge, segment, share};
}

static void look_at_run(struct quest *q, const struct roads_run *run)
{
    if (q->main_part && q->roads->edges[run->edge].apart)
        return;
    const struct geo_point *p = &q->roads->points[run->first_point];
    int64_t lon = p->lon_e6;
    double a[2] = {(double)(lon - q->lon_e6) * q->plane.east_m_per_e6,
                   (double)(p->lat_e6 - q->lat_e6) * q->plane.north_m_per_e6};
    for (uint32_t i = 0; i < run->segments; i++) {
        p++;
        lon = roads_lon_beside(lon, p->lon_e6);
        double b[2] = {(double)(lon - q->lon_e6) * q->plane.east_m_per_e6,
                       (double)(p->lat_e6 - q->lat_e6) *
                           q->plane.north_m_per_e6};
        look_at_segment(q, run->edge, run->first_point + i, a, b);
        a[0] = b[0];
        a[1] = b[1];
    }
}

static bool hit_before(const struct hit *a, const struct hit *b)
{
    if (a->squared_m2 != b->squared_m2)
        return a->squared_m2 < b->squared_m2;
    return a->edge < b->edge;
}

/* Takes the hit in; an edge of several runs keeps its nearest. */
static void gather_hit(struct gathering *all, const struct hit *hit)
{
    size_t at = 0;
    while (at < all->count && all->hits[at].edge != hit->edge)
        at++;
    if (at == all->count) {
        if (all->count == all->max) {
            at = all->count - 1;
            if (!hit_before(hit, &all->hits[at]))
                return;
        } else {
            all->count++;
        }
    } else if (!hit_before(hit, &all->hits[at])) {
        return;
    }
    while (at > 0 && hit_before(hit, &all->hits[at - 1])) {
        all->hits[at] = all->hits[at - 1];
        at--;
    }
    all->hits[at] = *hit;
}

static void gather_run(struct quest *q, const struct roads_run *run)
{
    struct gathering *all = q->all;
    look_at_run(q, run);
    if (q->best.edge != ROADS_NONE)
        gather_hit(all, &q->best);
    double limit = all->count == all->max ? all->hits[all->count - 1].squared_m2
                                          : all->reach2_m2;
    q->best = (struct hit){
        .squared_m2 = limit, .edge = ROADS_NONE, .segment = UINT32_MAX};
}

/* Puts those of the boxes from `first` on that are worth it onto the stack,
 * the nearest on top. */
static size_t push_boxes(const struct quest *q, uint32_t level, uint32_t first,
                         struct visit *stack, size_t depth)
{
    const struct roads_tree *tree = &q->roads->tree;
    uint32_t end = tree->count[level] - first < TREE_FAN ? tree->count[level]
                                                         : first + TREE_FAN;
    size_t bottom = depth;
    for (uint32_t i = first; i < end; i++) {
        double squared =
            box_squared_m2(q, &tree->boxes[tree->first[level] + i]);
        if (!worth_a_look(q, squared))
            continue;
        size_t at = depth++;
        while (at > bottom && stack[at - 1].squared_m2 < squared) {
            stack[at] = stack[at - 1];
            at--;
        }
        stack[at] = (struct visit){squared, level, i};
    }
    return depth;
}

static void search_tree(struct quest *q)
{
    struct visit stack[TREE_LEVELS * TREE_FAN];
    size_t depth = push_boxes(q, q->roads->tree.levels - 1, 0, stack, 0);
    while (depth > 0) {
        struct visit v = stack[--depth];
        if (!worth_a_look(q, v.squared_m2))
            continue;
        if (v.level == 0 && q->all != NULL)
            gather_run(q, &q->roads->tree.runs[v.index]);
        else if (v.level == 0)
            look_at_run(q, &q->roads->tree.runs[v.index]);
        else
            depth =
                push_boxes(q, v.level - 1, v.index * TREE_FAN, stack, depth);
    }
}

static struct roads_place place_of(const struct roads *roads,
                                   const struct hit *hit)
{
    const struct roads_edge *edge = &roads->edges[hit->edge];
    double all = (double)roads->along_m[edge[1].first_point - 1];
    double start = (double)roads->along_m[hit->segment];
    double piece = (double)roads->along_m[hit->segment + 1] - start;
    double fraction = all > 0.0 ? (start + hit->share * piece) / all : 0.0;
    struct roads_place place = {.edge = hit->edge,
                                .fraction = fraction > 1.0 ? 1.0 : fraction,
                                .distance_m = sqrt(hit->squared_m2)};
    place.at = roads_point_at(roads, hit->edge, place.fraction);
    return place;
}

static void search_all_turns(struct quest *q, struct geo_point point)
{
    /* A street may be near round the back of the 180th meridian. */
    for (int turn = -1; turn <= 1; turn++) {
        q->lon_e6 = point.lon_e6 + (int64_t)turn * TURN_E6;
        search_tree(q);
    }
}

enum pt_err roads_around(const struct roads *roads, struct geo_point point,
                         double reach_m, size_t max, struct roads_place *ret,
                         size_t *found)
{
    if (!geo_valid(point) || !(reach_m >= 0.0) || max == 0 ||
        max > ROADS_AROUND_MAX)
        return PT_E_RANGE;
    struct gathering all = {.max = max, .reach2_m2 = reach_m * reach_m};
    struct quest q = {.roads = roads,
                      .plane = geo_plane_at(point),
                      .lat_e6 = point.lat_e6,
                      .best = {.squared_m2 = all.reach2_m2,
                               .edge = ROADS_NONE,
                               .segment = UINT32_MAX},
                      .all = &all};
    search_all_turns(&q, point);
    for (size_t i = 0; i < all.count; i++)
        ret[i] = place_of(roads, &all.hits[i]);
    *found = all.count;
    return all.count > 0 ? PT_OK : PT_E_OFFROAD;
}

enum pt_err roads_snap(const struct roads *roads, struct geo_point point,
                       double reach_m, struct roads_place *ret)
{
    if (!geo_valid(point) || !(reach_m >= 0.0))
        return PT_E_RANGE;
    struct quest q = {.roads = roads,
                      .plane = geo_plane_at(point),
                      .lat_e6 = point.lat_e6,
                      .best = {.squared_m2 = reach_m * reach_m,
                               .edge = ROADS_NONE,
                               .segment = UINT32_MAX},
                      .main_part = true};
    search_all_turns(&q, point);
    if (q.best.edge == ROADS_NONE) {
        q.main_part = false;
        search_all_turns(&q, point);
    }
    if (q.best.edge == ROADS_NONE)
        return PT_E_OFFROAD;
    *ret = place_of(roads, &q.best);
    return PT_OK;
}

/* ------------------------------------------------------------ as it is now */
static bool goes_on(const struct roads_metric *metric, uint32_t edge)
{
    return !roads_edge_apart(metric->roads, 2 * edge) &&
           roads_drives(metric, edge);
}

enum pt_err roads_snap_open(const struct roads_metric *metric,
                            struct geo_point point, double reach_m,
                            const struct roads_place *place,
                            struct roads_place *ret)
{
    struct roads_place around[ROADS_AROUND_MAX], first;
    size_t found = 0;
    enum pt_err err = PT_OK;
    if (place == NULL)
        err = roads_snap(metric->roads, point, reach_m, &first);
    else
        first = *place;
    if (err == PT_OK && !goes_on(metric, first.edge))
        err = roads_around(metric->roads, point, reach_m, ROADS_AROUND_MAX,
                           around, &found);
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < found; i++) {
        if (goes_on(metric, around[i].edge)) {
            *ret = around[i];
            return PT_OK;
        }
    }
    if (found > 0 && !roads_drives(metric, first.edge))
        return PT_E_OFFROAD;
    *ret = first;
    return PT_OK;
}

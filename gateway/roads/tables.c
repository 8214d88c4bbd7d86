/* Time tables: from everywhere to a few places (PHAST: Delling, Goldberg,
 * Nowatzyk, Werneck, "PHAST: hardware-accelerated shortest path trees", 2011).
 *
 * From each place the search goes up the hierarchy; then one sweep from the
 * highest rank to the lowest gives each rank its time by those above it, for
 * LANES places at once.
 *
 * The tables are kept by directed edge, all places' times in a row: a unit
 * that moves reads two rows. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

#define LANES 8u
#define NO_WAY 0x3fffffff /* two of them fit into an int32_t */

/* Signed: that comparison is in every x86-64. */
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

struct target { /* those that lie on one edge are neighbours */
    uint32_t edge;
    uint32_t index;
    double fraction;
};

struct roads_tables {
    struct roads_metric *metric;
    size_t count;
    uint16_t *tenths;       /* for each directed edge, `count` */
    struct target *targets; /* by edge */
};

static void sweep_down(const struct roads_weights *w, uint32_t arcs,
                       lanes *times)
{
    for (uint32_t v = arcs; v-- > 0;) {
        lanes best = times[v];
        for (uint32_t e = w->first_out[v]; e < w->first_out[v + 1]; e++) {
            int32_t ms = w->out[e].ms < NO_WAY ? (int32_t)w->out[e].ms : NO_WAY;
            lanes by_way = times[w->out[e].head] + ms;
            lanes less = by_way < best;
            best = (by_way & less) | (best & ~less);
        }
        times[v] = best;
    }
}

static bool is_place(const struct roads_place *place)
{
    return place->edge != ROADS_NONE;
}

/* What is known of the way up from each of the LANES places. */
static void start_lane(struct roads_search *search,
                       const struct roads_place *target, lanes *times,
                       uint32_t lane)
{
    roads_search_aim(search, target);
    roads_climb_start(search);
    for (uint32_t i = 0; i < search->reached_count; i++) {
        uint32_t rank = search->reached[i];
        uint32_t ms = search->far[rank].ms;
        times[rank][lane] = ms < NO_WAY ? (int32_t)ms : NO_WAY;
    }
}

static void write_lanes(struct roads_tables *tables, size_t first,
                        size_t lane_count, const lanes *times)
{
    const struct roads *roads = tables->metric->roads;
    const struct roads_hierarchy *h = atomic_load(&roads->hierarchy);
    for (uint32_t d = 0; d < 2 * roads->edge_count; d++) {
        uint32_t arc = roads->edges[d >> 1].arc[d & 1u];
        uint16_t *row = tables->tenths + d * tables->count + first;
        for (size_t lane = 0; lane < lane_count; lane++)
            row[lane] =
                arc == ROADS_NONE
                    ? ROADS_TABLE_UNKNOWN
                    : roads_in_tenths((uint32_t)times[h->rank[arc]][lane]);
    }
}

static void fill(struct roads_tables *tables, struct roads_search *search,
                 const struct roads_place *targets, lanes *times)
{
    uint32_t arcs = tables->metric->roads->arc_count;
    for (size_t first = 0; first < tables->count; first += LANES) {
        size_t left = tables->count - first;
        size_t lane_count = left < LANES ? left : LANES;
        for (uint32_t v = 0; v < arcs; v++)
            times[v] = (lanes){0} + NO_WAY;
        for (uint32_t lane = 0; lane < lane_count; lane++) {
            if (is_place(&targets[first + lane]))
                start_lane(search, &targets[first + lane], times, lane);
        }
        sweep_down(atomic_load(&tables->metric->weights), arcs, times);
        write_lanes(tables, first, lane_count, times);
    }
}

static int by_edge(const void *a, const void *b)
{
    const struct target *x = a;
    const struct target *y = b;
    if (x->edge != y->edge)
        return x->edge < y->edge ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static enum pt_err make(const struct roads_metric *metric,
                        const struct roads_place *targets, size_t count,
                        struct roads_tables *tables)
{
    size_t rows = 2 * (size_t)metric->roads->edge_count;
    if (count > SIZE_MAX / sizeof(*tables->tenths) / rows)
        return PT_E_RANGE;
    tables->metric = roads_metric_ref(metric);
    tables->count = count;
    tables->tenths = calloc(rows * count + 1, sizeof(*tables->tenths));
    tables->targets = calloc(count + 1, sizeof(*tables->targets));
    if (tables->tenths == NULL || tables->targets == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        tables->targets[i] =
            (struct target){targets[i].edge, (uint32_t)i, targets[i].fraction};
    qsort(tables->targets, count, sizeof(*tables->targets), by_edge);

    lanes *times =
        aligned_alloc(sizeof(lanes), metric->roads->arc_count * sizeof(lanes));
    struct roads_search *search = NULL;
    enum pt_err err =
        times == NULL ? PT_E_NOMEM : roads_search_new(metric->roads, &search);
    if (err == PT_OK)
        err = roads_search_use(search, metric);
    if (err == PT_OK)
        fill(tables, search, targets, times);
    roads_search_free(search);
    free(times);
    return err;
}

enum pt_err roads_tables_new(const struct roads_metric *metric,
                             const struct roads_place *targets, size_t count,
                             struct roads_tables **ret)
{
    if (!roads_prepared(metric) || count >= ROADS_NONE)
        return PT_E_RANGE;
    for (size_t i = 0; i < count; i++) {
        if (is_place(&targets[i]) &&
            !roads_place_valid(metric->roads, &targets[i]))
            return PT_E_RANGE;
    }
    struct roads_tables *tables = calloc(1, sizeof(*tables));
    if (tables == NULL)
        return PT_E_NOMEM;
    enum pt_err err = make(metric, targets, count, tables);
    if (err != PT_OK) {
        roads_tables_free(tables);
        return err;
    }
    *ret = tables;
    return PT_OK;
}

void roads_tables_free(struct roads_tables *tables)
{
    if (tables == NULL)
        return;
    roads_metric_unref(tables->metric);
    free(tables->tenths);
    free(tables->targets);
    free(tables);
}

size_t roads_tables_bytes(const struct roads_tables *tables)
{
    size_t rows = 2 * (size_t)tables->metric->roads->edge_count;
    return sizeof(*tables) + rows * tables->count * sizeof(*tables->tenths) +
           tables->count * sizeof(*tables->targets);
}

const struct roads_metric *
roads_tables_metric(const struct roads_tables *tables)
{
    return tables->metric;
}

/* Of those on an edge the first. */
static size_t first_on(const struct roads_tables *tables, uint32_t edge)
{
    size_t low = 0;
    size_t high = tables->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tables->targets[middle].edge < edge)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* To one that lies ahead on the unit's own edge; ROADS_NONE. */
static uint32_t ahead_ms(const struct target *t, uint32_t way, double gone,
                         uint32_t ms)
{
    double goal = roads_travelled(way, t->fraction);
    return gone > goal ? ROADS_NONE
                       : roads_ms_to(ms, goal) - roads_ms_to(ms, gone);
}

static void straight(const struct roads_tables *tables,
                     const struct roads_place *from, uint32_t way, uint32_t ms,
                     uint32_t *ret)
{
    double gone = roads_travelled(way, from->fraction);
    for (size_t i = first_on(tables, from->edge);
         i < tables->count && tables->targets[i].edge == from->edge; i++) {
        const struct target *t = &tables->targets[i];
        uint32_t left = ahead_ms(t, way, gone, ms);
        ret[t->index] = left < ret[t->index] ? left : ret[t->index];
    }
}

uint32_t roads_tables_one(const struct roads_tables *tables,
                          const struct roads_place *from, size_t index)
{
    uint32_t best = ROADS_NONE;
    if (!roads_place_valid(tables->metric->roads, from))
        return best;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * from->edge + way;
        uint32_t ms = roads_metric_ms(tables->metric, directed);
        if (ms == ROADS_NONE)
            continue;
        double gone = roads_travelled(way, from->fraction);
        uint32_t left =
            roads_left_ms(tables->tenths[directed * tables->count + index],
                          roads_ms_to(ms, gone));
        best = left < best ? left : best;
        for (size_t i = first_on(tables, from->edge);
             i < tables->count && tables->targets[i].edge == from->edge; i++) {
            const struct target *t = &tables->targets[i];
            left = ahead_ms(t, way, gone, ms);
            if (t->index == index && left < best)
                best = left;
        }
    }
    return best;
}

void roads_tables_from(const struct roads_tables *tables,
                       const struct roads_place *from, uint32_t *ret)
{
    memset(ret, 0xff, tables->count * sizeof(*ret)); /* ROADS_NONE */
    if (!roads_place_valid(tables->metric->roads, from))
        return;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * from->edge + way;
        uint32_t ms = roads_metric_ms(tables->metric, directed);
        if (ms == ROADS_NONE)
            continue;
        const uint16_t *row = tables->tenths + directed * tables->count;
        uint32_t gone = roads_ms_to(ms, roads_travelled(way, from->fraction));
        for (size_t i = 0; i < tables->count; i++) {
            uint32_t left = roads_left_ms(row[i], gone);
            ret[i] = left < ret[i] ? left : ret[i];
        }
        straight(tables, from, way, ms, ret);
    }
}

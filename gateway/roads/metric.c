/* Metrics: the times of a profile, as they are and with streets closed. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

enum pt_err roads_metric_new(struct roads *roads, struct roads_metric **ret)
{
    size_t arcs = roads->arc_count;
    struct roads_metric *metric = calloc(1, sizeof(*metric));
    if (metric == NULL)
        return PT_E_NOMEM;
    metric->ms = calloc(arcs, sizeof(*metric->ms));
    metric->at_end = calloc(arcs / 64 + 1, sizeof(*metric->at_end));
    if (metric->ms == NULL || metric->at_end == NULL) {
        roads_metric_free(metric);
        return PT_E_NOMEM;
    }
    atomic_init(&metric->references, 1);
    metric->roads = roads;
    metric->bytes = sizeof(*metric) + arcs * sizeof(*metric->ms) +
                    (arcs / 64 + 1) * sizeof(*metric->at_end);
    *ret = metric;
    return PT_OK;
}

void roads_metric_free(struct roads_metric *metric)
{
    if (metric == NULL)
        return;
    roads_weights_free(atomic_load(&metric->weights));
    free(metric->ms);
    free(metric->at_end);
    free(metric);
}

/* True when an arc's end offers another way on than back. */
static bool goes_on(const struct roads_metric *metric, uint32_t arc)
{
    const struct roads *roads = metric->roads;
    uint32_t node = roads->arcs[arc].head;
    uint32_t entry = arc - roads->first_in[node];
    for (uint32_t i = roads->first_out[node]; i < roads->first_out[node + 1];
         i++) {
        uint32_t to = roads->out[i];
        uint8_t turn = roads_turns_of(roads, &roads->arcs[to])[entry];
        if ((turn & TURN_CLASS) != ROADS_ROUND &&
            metric->turn_ms[turn] != ROADS_NONE && metric->ms[to] != ROADS_NONE)
            return true;
    }
    return false;
}

void roads_metric_settle_at(struct roads_metric *metric, uint32_t node)
{
    const struct roads *roads = metric->roads;
    for (uint32_t arc = roads->first_in[node]; arc < roads->first_in[node + 1];
         arc++) {
        uint64_t bit = UINT64_C(1) << (arc % 64);
        if (goes_on(metric, arc))
            metric->at_end[arc / 64] &= ~bit;
        else
            metric->at_end[arc / 64] |= bit;
    }
}

void roads_metric_settle(struct roads_metric *metric)
{
    uint32_t longest = 0;
    uint32_t turn = 0;
    for (uint32_t node = 0; node < metric->roads->node_count; node++)
        roads_metric_settle_at(metric, node);
    for (uint32_t arc = 0; arc < metric->roads->arc_count; arc++) {
        if (metric->ms[arc] != ROADS_NONE && metric->ms[arc] > longest)
            longest = metric->ms[arc];
    }
    for (int i = 0; i < 256; i++) {
        if (metric->turn_ms[i] != ROADS_NONE && metric->turn_ms[i] > turn)
            turn = metric->turn_ms[i];
    }
    metric->longest_ms = longest + turn;
}

static enum pt_err weigh(struct roads_metric *metric)
{
    struct roads_weights *weights = NULL;
    enum pt_err err = roads_weights_new(metric, &weights);
    if (err == PT_OK)
        atomic_store_explicit(&metric->weights, weights, memory_order_release);
    return err;
}

enum pt_err roads_prepare(struct roads *roads)
{
    struct roads_hierarchy *hierarchy = atomic_load(&roads->hierarchy);
    enum pt_err err = PT_OK;
    if (hierarchy == NULL) {
        err = roads_hierarchy_new(roads, &hierarchy);
        if (err != PT_OK)
            return err;
        atomic_store_explicit(&roads->hierarchy, hierarchy,
                              memory_order_release);
    }
    for (uint32_t i = 0; i < roads->profile_count && err == PT_OK; i++) {
        if (atomic_load(&roads->profiles[i]->weights) == NULL)
            err = weigh(roads->profiles[i]);
    }
    return err;
}

enum pt_err roads_metric_made(struct roads_metric *metric,
                              struct roads_metric **ret)
{
    enum pt_err err = PT_OK;
    roads_metric_settle(metric);
    if (atomic_load_explicit(&metric->roads->hierarchy, memory_order_acquire) !=
        NULL)
        err = weigh(metric);
    if (err != PT_OK) {
        roads_metric_free(metric);
        return err;
    }
    roads_ref(metric->roads);
    *ret = metric;
    return PT_OK;
}

bool roads_prepared(const struct roads_metric *metric)
{
    return atomic_load_explicit(&metric->weights, memory_order_acquire) != NULL;
}

/* -------------------------------------------------------------- the public */
const struct roads_metric *roads_profile(const struct roads *roads,
                                         const char *name)
{
    for (uint32_t i = 0; i < roads->profile_count; i++) {
        if (name == NULL || strcmp(roads->profiles[i]->name, name) == 0)
            return roads->profiles[i];
    }
    return NULL;
}

uint32_t roads_start_ms(const struct roads_metric *metric)
{
    return metric->start_ms;
}

const char *roads_profile_name(const struct roads *roads, size_t index)
{
    return index < roads->profile_count ? roads->profiles[index]->name : NULL;
}

void roads_metric_set(struct roads_metric *metric, uint32_t directed,
                      uint32_t ms)
{
    const struct roads *roads = metric->roads;
    uint32_t arc = roads->edges[directed >> 1].arc[directed & 1u];
    if (arc == ROADS_NONE)
        return;
    metric->ms[arc] = ms;
    for (uint32_t i = roads_first_ghost(roads, directed);
         i < roads->ghost_count && roads->ghosts[i].directed == directed; i++)
        metric->ms[roads->ghosts[i].arc] = ms;
}

/* Those that `base` does not allow stay closed, and of one edge the last
 * counts: so each is done on the base's time, from the last on backwards. */
static enum pt_err slow_all(struct roads_metric *metric,
                            const struct roads_slowing *slowings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct roads_slowing *s = &slowings[i];
        if (s->directed >= 2 * metric->roads->edge_count || s->ms == 0 ||
            (s->ms > INT32_MAX && s->ms != ROADS_NONE))
            return PT_E_RANGE;
        bool again = false;
        for (size_t j = i + 1; j < count && !again; j++)
            again = slowings[j].directed == s->directed;
        if (!again && roads_metric_ms(metric, s->directed) != ROADS_NONE)
            roads_metric_set(metric, s->directed, s->ms);
    }
    return PT_OK;
}

enum pt_err roads_metric_copy(const struct roads_metric *base,
                              struct roads_metric **ret)
{
    struct roads_metric *metric = NULL;
    size_t arcs = base->roads->arc_count;
    enum pt_err err = roads_metric_new(base->roads, &metric);
    if (err != PT_OK)
        return err;
    memcpy(metric->name, base->name, sizeof(metric->name));
    memcpy(metric->turn_ms, base->turn_ms, sizeof(metric->turn_ms));
    metric->start_ms = base->start_ms;
    metric->longest_ms = base->longest_ms;
    memcpy(metric->ms, base->ms, arcs * sizeof(*metric->ms));
    memcpy(metric->at_end, base->at_end,
           (arcs / 64 + 1) * sizeof(*metric->at_end));
    *ret = metric;
    return PT_OK;
}

enum pt_err roads_metric_slowed(const struct roads_metric *base,
                                const struct roads_slowing *slowings,
                                size_t count, struct roads_metric **ret)
{
    struct roads_metric *metric = NULL;
    enum pt_err err = roads_metric_copy(base, &metric);
    if (err != PT_OK)
        return err;
    err = slow_all(metric, slowings, count);
    if (err != PT_OK) {
        roads_metric_free(metric);
        return err;
    }
    return roads_metric_made(metric, ret);
}

struct roads_metric *roads_metric_ref(const struct roads_metric *metric)
{
    /* Counting changes nothing that a reader can see. */
    struct roads_metric *counted = (struct roads_metric *)metric;
    if (counted->own)
        roads_ref(counted->roads);
    else
        atomic_fetch_add_explicit(&counted->references, 1,
                                  memory_order_relaxed);
    return counted;
}

void roads_metric_unref(struct roads_metric *metric)
{
    if (metric == NULL)
        return;
    struct roads *roads = metric->roads;
    if (metric->own) {
        roads_unref(roads);
    } else if (atomic_fetch_sub_explicit(&metric->references, 1,
                                         memory_order_acq_rel) == 1) {
        roads_metric_free(metric);
        roads_unref(roads);
    }
}

const struct roads *roads_metric_roads(const struct roads_metric *metric)
{
    return metric->roads;
}

size_t roads_metric_bytes(const struct roads_metric *metric)
{
    const struct roads_weights *weights =
        atomic_load_explicit(&metric->weights, memory_order_acquire);
    return metric->bytes + (weights != NULL ? weights->bytes : 0);
}

bool roads_drives(const struct roads_metric *metric, uint32_t edge)
{
    return roads_metric_ms(metric, 2 * edge) != ROADS_NONE ||
           roads_metric_ms(metric, 2 * edge + 1) != ROADS_NONE;
}

uint32_t roads_metric_ms(const struct roads_metric *metric, uint32_t directed)
{
    uint32_t edge = directed >> 1;
    if (edge >= metric->roads->edge_count)
        return ROADS_NONE;
    uint32_t arc = metric->roads->edges[edge].arc[directed & 1u];
    return arc == ROADS_NONE ? ROADS_NONE : metric->ms[arc];
}

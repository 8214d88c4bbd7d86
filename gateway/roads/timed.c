/* A profile with other times for its streets, and what its turns cost. */
#include "roads_internal.h"
#include <string.h>

enum pt_err roads_metric_timed(const struct roads_metric *base,
                               const uint32_t *ms, struct roads_metric **ret)
{
    struct roads *roads = base->roads;
    struct roads_metric *metric = NULL;
    for (uint32_t d = 0; d < 2 * roads->edge_count; d++)
        if (ms[d] > INT32_MAX)
            return PT_E_RANGE;
    enum pt_err err = roads_metric_new(roads, &metric);
    if (err != PT_OK)
        return err;
    memcpy(metric->name, base->name, sizeof(metric->name));
    memcpy(metric->turn_ms, base->turn_ms, sizeof(metric->turn_ms));
    metric->start_ms = base->start_ms;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        uint32_t directed = roads_arc_directed(&roads->arcs[arc]);
        bool keeps = base->ms[arc] == ROADS_NONE || ms[directed] == 0;
        metric->ms[arc] = keeps ? base->ms[arc] : ms[directed];
    }
    return roads_metric_made(metric, ret);
}

uint32_t roads_metric_turn_ms(const struct roads_metric *metric, uint32_t from,
                              uint32_t to)
{
    const struct roads *roads = metric->roads;
    if (from >> 1 >= roads->edge_count || to >> 1 >= roads->edge_count)
        return ROADS_NONE;
    uint32_t out = roads->edges[from >> 1].arc[from & 1u];
    uint32_t in = roads->edges[to >> 1].arc[to & 1u];
    if (out == ROADS_NONE || in == ROADS_NONE ||
        roads->arcs[out].head != roads->arcs[in].tail)
        return ROADS_NONE;
    const struct roads_arc *arc = &roads->arcs[in];
    uint8_t turn = roads_turns_of(roads, arc)[out - roads->first_in[arc->tail]];
    return roads_turn_cost(metric, turn, out);
}

/* Around the corner from each unit: a search from it, as far as it has not the
 * whole of a start to add to its drive. That is a few streets. */
#include "pt_room.h"
#include "spread_internal.h"
#include <stdlib.h>
#include <string.h>

enum pt_err roads_near_new(const struct roads *roads, struct near *ret)
{
    struct near near = {
        .roads = roads,
        .first = malloc(roads->arc_count * sizeof(*near.first)),
        .settled = calloc(roads->arc_count, sizeof(*near.settled)),
    };
    if (near.first == NULL || near.settled == NULL) {
        roads_near_clear(&near);
        return PT_E_NOMEM;
    }
    memset(near.first, 0xff, roads->arc_count * sizeof(*near.first));
    *ret = near;
    return PT_OK;
}

void roads_near_clear(struct near *near)
{
    free(near->first);
    free(near->found);
    free(near->settled);
    free(near->queue);
}

void roads_near_forget(struct near *near)
{
    for (size_t i = 0; i < near->count; i++)
        near->first[near->found[i].arc] = ROADS_NONE;
    near->count = 0;
}

/* ----------------------------------------------------------- ways to go on */
void roads_turn_off(const struct roads_metric *metric, uint32_t arc,
                    uint32_t left_ms, roads_leaving call, void *context)
{
    const struct roads *roads = metric->roads;
    uint32_t node = roads->arcs[arc].head;
    for (uint32_t i = roads->first_out[node]; i < roads->first_out[node + 1];
         i++) {
        uint32_t to = roads->out[i];
        uint8_t turn = roads_turns_of(
            roads, &roads->arcs[to])[arc - roads->first_in[node]];
        uint32_t cost = roads_turn_cost(metric, turn, arc);
        if (cost == ROADS_NONE || metric->ms[to] == ROADS_NONE)
            continue;
        uint64_t ms = (uint64_t)left_ms + cost;
        if (ms < ROADS_FAR)
            call(context, to, (uint32_t)ms);
    }
}

void roads_leave(const struct roads_metric *metric,
                 const struct roads_stand *stand, roads_leaving call,
                 void *context)
{
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t ms = roads_metric_ms(metric, 2 * stand->edge + way);
        if (ms == ROADS_NONE)
            continue;
        uint32_t gone = roads_ms_to(ms, roads_travelled(way, stand->fraction));
        roads_turn_off(metric, metric->roads->edges[stand->edge].arc[way],
                       ms - gone, call, context);
    }
}

/* ------------------------------------------------------------ the search */
struct nearby {
    struct near *near;
    uint32_t start_ms, share;
    enum pt_err err;
};

static void queue(void *context, uint32_t arc, uint32_t drive_ms)
{
    struct nearby *n = context;
    struct near *near = n->near;
    uint64_t key = (uint64_t)drive_ms << 32 | arc;
    if (n->err != PT_OK || near->settled[arc] == near->search ||
        roads_start_of(drive_ms, n->start_ms, n->share) == n->start_ms)
        return;
    n->err = pt_room(&near->queue, &near->queue_room, near->queued + 1,
                     sizeof(*near->queue));
    if (n->err != PT_OK)
        return;
    roads_heap_insert(near->queue, near->queued++, key);
}

/* A ghost is where its street is. */
static void note(struct nearby *n, uint32_t arc, uint32_t slot,
                 uint32_t drive_ms)
{
    struct near *near = n->near;
    uint32_t directed = roads_arc_directed(&near->roads->arcs[arc]);
    uint32_t street = near->roads->edges[directed >> 1].arc[directed & 1u];
    n->err = pt_room(&near->found, &near->room, near->count + 1,
                     sizeof(*near->found));
    if (n->err != PT_OK)
        return;
    near->found[near->count] =
        (struct near_arc){slot, drive_ms, near->first[street], street};
    near->first[street] = (uint32_t)near->count++;
}

/* Forgets which arcs earlier searches have settled. */
static void next_search(struct near *near)
{
    near->queued = 0;
    if (++near->search != 0)
        return;
    memset(near->settled, 0, near->roads->arc_count * sizeof(*near->settled));
    near->search = 1;
}

enum pt_err roads_near_from(struct near *near,
                            const struct roads_metric *metric,
                            const struct roads_stand *stand, uint32_t slot,
                            uint32_t start_ms, uint32_t share)
{
    struct nearby n = {near, start_ms, share, PT_OK};
    next_search(near);
    roads_leave(metric, stand, queue, &n);
    while (near->queued > 0 && n.err == PT_OK) {
        uint64_t key = roads_heap_pop(near->queue, near->queued--);
        uint32_t arc = (uint32_t)key;
        uint32_t drive_ms = (uint32_t)(key >> 32);
        if (near->settled[arc] == near->search)
            continue;
        near->settled[arc] = near->search;
        note(&n, arc, slot, drive_ms);
        uint64_t end_ms = (uint64_t)drive_ms + metric->ms[arc];
        if (end_ms < ROADS_FAR)
            roads_turn_off(metric, arc, (uint32_t)end_ms, queue, &n);
    }
    return n.err;
}

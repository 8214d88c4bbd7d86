/* Who stands on which edge: a doubly linked list for each edge. */
#include "roads_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum pt_err roads_standing_new(const struct roads *roads, size_t max_slots,
                               struct roads_standing **ret)
{
    if (max_slots >= ROADS_NONE)
        return PT_E_RANGE;
    struct roads_standing *standing = calloc(1, sizeof(*standing));
    if (standing == NULL)
        return PT_E_NOMEM;
    size_t words = (size_t)roads->arc_count / 64 + 1;
    standing->max_slots = max_slots;
    standing->slots = calloc(max_slots + 1, sizeof(*standing->slots));
    standing->first = calloc(roads->edge_count, sizeof(*standing->first));
    standing->occupied = calloc(words, sizeof(*standing->occupied));
    if (standing->slots == NULL || standing->first == NULL ||
        standing->occupied == NULL) {
        roads_standing_free(standing);
        return PT_E_NOMEM;
    }
    /* Counting changes nothing that a reader of the network can see. */
    standing->roads = roads_ref((struct roads *)roads);
    memset(standing->first, 0xff, roads->edge_count * sizeof(*standing->first));
    for (size_t i = 0; i < max_slots; i++)
        standing->slots[i].edge = ROADS_NONE;
    *ret = standing;
    return PT_OK;
}

void roads_standing_free(struct roads_standing *standing)
{
    if (standing == NULL)
        return;
    roads_unref(standing->roads);
    free(standing->slots);
    free(standing->first);
    free(standing->occupied);
    free(standing);
}

/* Tells the search, which looks at arcs, whether anybody is there. */
static void mark_occupied(struct roads_standing *standing, uint32_t edge)
{
    const uint32_t *arcs = standing->roads->edges[edge].arc;
    for (int way = 0; way < 2; way++) {
        if (arcs[way] == ROADS_NONE)
            continue;
        uint64_t bit = UINT64_C(1) << (arcs[way] % 64);
        if (standing->first[edge] != ROADS_NONE)
            standing->occupied[arcs[way] / 64] |= bit;
        else
            standing->occupied[arcs[way] / 64] &= ~bit;
    }
}

void roads_standing_remove(struct roads_standing *standing, uint32_t slot)
{
    assert(slot < standing->max_slots);
    struct roads_stand *stand = &standing->slots[slot];
    uint32_t edge = stand->edge;
    if (edge == ROADS_NONE)
        return;
    standing->count--;
    if (stand->previous != ROADS_NONE)
        standing->slots[stand->previous].next = stand->next;
    else
        standing->first[edge] = stand->next;
    if (stand->next != ROADS_NONE)
        standing->slots[stand->next].previous = stand->previous;
    stand->edge = ROADS_NONE;
    mark_occupied(standing, edge);
}

void roads_standing_put(struct roads_standing *standing, uint32_t slot,
                        const struct roads_place *place)
{
    roads_standing_remove(standing, slot);
    if (!roads_place_valid(standing->roads, place))
        return;
    struct roads_stand *stand = &standing->slots[slot];
    uint32_t first = standing->first[place->edge];
    *stand = (struct roads_stand){.edge = place->edge,
                                  .next = first,
                                  .previous = ROADS_NONE,
                                  .fraction = place->fraction};
    if (first != ROADS_NONE)
        standing->slots[first].previous = slot;
    standing->first[place->edge] = slot;
    standing->count++;
    mark_occupied(standing, place->edge);
}

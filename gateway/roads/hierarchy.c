/* The hierarchy that is the same for all metrics: which arcs are joined when
 * arcs are contracted one after the other, whatever their times.
 *
 * A rank's edges lead to what it was joined to among the higher ranks: its own
 * neighbours and those that the contraction of lower ranks gave it. All of a
 * rank's edges but the one to its lowest are edges of that lowest, too; so
 * each rank takes over from those of which it is the lowest neighbour. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

struct joiner {
    const struct roads *roads;
    struct roads_hierarchy *h;
    uint32_t *first; /* own higher neighbours of each rank: into own */
    uint32_t *own;
    uint32_t *child, *sibling; /* ranks whose lowest neighbour is this one */
    uint32_t *seen;
    size_t room;
};

static int by_rank(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Each turn counts for the lower of its arcs' ranks. */
static void list_own(struct joiner *j, uint32_t *next, bool writing)
{
    const struct roads *roads = j->roads;
    const uint32_t *rank = j->h->rank;
    for (uint32_t to = 0; to < roads->arc_count; to++) {
        const struct roads_arc *arc = &roads->arcs[to];
        const uint8_t *turn = roads_turns_of(roads, arc);
        for (uint32_t in = roads->first_in[arc->tail];
             in < roads->first_in[arc->tail + 1]; in++, turn++) {
            if (*turn == TURN_NEVER || in == to)
                continue;
            uint32_t low = rank[in] < rank[to] ? rank[in] : rank[to];
            uint32_t high = rank[in] < rank[to] ? rank[to] : rank[in];
            if (writing)
                j->own[next[low]++] = high;
            else
                j->first[low + 1]++;
        }
    }
}

static enum pt_err take_own(struct joiner *j)
{
    uint32_t arcs = j->roads->arc_count;
    list_own(j, NULL, false);
    for (uint32_t v = 0; v < arcs; v++)
        j->first[v + 1] += j->first[v];
    j->own = calloc((size_t)j->first[arcs] + 1, sizeof(*j->own));
    uint32_t *next = calloc(arcs, sizeof(*next));
    if (j->own != NULL && next != NULL) {
        memcpy(next, j->first, arcs * sizeof(*next));
        list_own(j, next, true);
    }
    free(next);
    return j->own != NULL && next != NULL ? PT_OK : PT_E_NOMEM;
}

/* Adds what is not there yet to the edges of rank `v`. */
static size_t add_heads(struct joiner *j, uint32_t v, const uint32_t *heads,
                        size_t count, size_t end)
{
    for (size_t i = 0; i < count; i++) {
        if (heads[i] == v || j->seen[heads[i]] == v + 1)
            continue;
        j->seen[heads[i]] = v + 1;
        j->h->head[end++] = heads[i];
    }
    return end;
}

static enum pt_err make_room(struct joiner *j, size_t need)
{
    if (need <= j->room)
        return PT_OK;
    size_t room = 2 * need;
    if (need >= UINT32_MAX)
        return PT_E_RANGE;
    uint32_t *bigger = realloc(j->h->head, room * sizeof(*bigger));
    if (bigger == NULL)
        return PT_E_NOMEM;
    j->h->head = bigger;
    j->room = room;
    return PT_OK;
}

/* The edges of rank `v`, from `begin` on. */
static enum pt_err join(struct joiner *j, uint32_t v, size_t begin, size_t *end)
{
    struct roads_hierarchy *h = j->h;
    size_t most = j->first[v + 1] - j->first[v];
    for (uint32_t c = j->child[v]; c != ROADS_NONE; c = j->sibling[c])
        most += h->first[c + 1] - h->first[c];
    enum pt_err err = make_room(j, begin + most);
    if (err != PT_OK)
        return err;
    size_t at = add_heads(j, v, j->own + j->first[v],
                          j->first[v + 1] - j->first[v], begin);
    for (uint32_t c = j->child[v]; c != ROADS_NONE; c = j->sibling[c])
        at = add_heads(j, v, h->head + h->first[c],
                       h->first[c + 1] - h->first[c], at);
    if (at > begin)
        qsort(h->head + begin, at - begin, sizeof(*h->head), by_rank);
    *end = at;
    return PT_OK;
}

static enum pt_err join_all(struct joiner *j)
{
    uint32_t arcs = j->roads->arc_count;
    size_t at = 0;
    enum pt_err err = PT_OK;
    memset(j->child, 0xff, arcs * sizeof(*j->child));
    for (uint32_t v = 0; v < arcs && err == PT_OK; v++) {
        j->h->first[v] = (uint32_t)at;
        size_t begin = at;
        err = join(j, v, begin, &at);
        j->h->first[v + 1] = (uint32_t)at;
        if (err == PT_OK && at > begin) {
            uint32_t lowest = j->h->head[begin];
            j->sibling[v] = j->child[lowest];
            j->child[lowest] = v;
        }
    }
    if (err != PT_OK)
        return err;
    uint32_t *exact = realloc(j->h->head, (at + 1) * sizeof(*exact));
    if (exact != NULL)
        j->h->head = exact;
    return PT_OK;
}

static enum pt_err order_arcs(const struct roads *roads,
                              struct roads_hierarchy *h)
{
    enum pt_err err = roads_order(roads, h->rank);
    if (err != PT_OK)
        return err;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++)
        h->at[h->rank[arc]] = arc;
    return PT_OK;
}

enum pt_err roads_hierarchy_new(const struct roads *roads,
                                struct roads_hierarchy **ret)
{
    size_t arcs = roads->arc_count;
    struct roads_hierarchy *h = calloc(1, sizeof(*h));
    struct joiner j = {.roads = roads, .h = h};
    if (h == NULL)
        return PT_E_NOMEM;
    h->rank = calloc(arcs, sizeof(*h->rank));
    h->at = calloc(arcs, sizeof(*h->at));
    h->first = calloc(arcs + 1, sizeof(*h->first));
    j.first = calloc(arcs + 1, sizeof(*j.first));
    j.child = calloc(arcs, sizeof(*j.child));
    j.sibling = calloc(arcs, sizeof(*j.sibling));
    j.seen = calloc(arcs, sizeof(*j.seen));
    enum pt_err err = PT_E_NOMEM;
    if (h->rank != NULL && h->at != NULL && h->first != NULL &&
        j.first != NULL && j.child != NULL && j.sibling != NULL &&
        j.seen != NULL)
        err = order_arcs(roads, h);
    if (err == PT_OK)
        err = take_own(&j);
    if (err == PT_OK)
        err = join_all(&j);
    if (err == PT_OK) {
        h->bytes = sizeof(*h) + (3 * arcs + 1) * sizeof(uint32_t) +
                   ((size_t)h->first[arcs] + 1) * sizeof(*h->head);
        *ret = h;
        h = NULL;
    }
    roads_hierarchy_free(h);
    free(j.first);
    free(j.own);
    free(j.child);
    free(j.sibling);
    free(j.seen);
    return err;
}

void roads_hierarchy_free(struct roads_hierarchy *hierarchy)
{
    if (hierarchy == NULL)
        return;
    free(hierarchy->rank);
    free(hierarchy->at);
    free(hierarchy->first);
    free(hierarchy->head);
    free(hierarchy);
}

/* Times to the target from anywhere, one place at a time: from the target the
 * search goes up the hierarchy once; a place then goes up from where it is,
 * and every rank on its way remembers its time for the next place (Strasser
 * and Zeitz, "A fast and tight heuristic for A* in road networks", 2021). */
#include "roads_internal.h"
#include <string.h>

static uint32_t tentative(const struct roads_search *s)
{
    return 2 * s->number;
}

static bool is_final(const struct roads_search *s, uint32_t rank)
{
    return s->far[rank].stamp == tentative(s) + 1;
}

/* ------------------------------------------------------- up from the target */
/* A binary heap of ranks, the lowest on top, in the search's stack. */
static void heap_add(uint32_t *heap, uint32_t count, uint32_t rank)
{
    uint32_t at = count;
    for (; at > 0 && heap[(at - 1) / 2] > rank; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = rank;
}

static uint32_t heap_take(uint32_t *heap, uint32_t count)
{
    uint32_t top = heap[0];
    uint32_t last = heap[--count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            break;
        child += child + 1 < count && heap[child + 1] < heap[child];
        if (heap[child] >= last)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

struct ascent {
    struct roads_search *search;
    uint32_t count; /* of ranks in the heap */
};

static void reach(struct ascent *a, uint32_t rank, uint32_t ms, uint32_t next)
{
    struct roads_far *far = &a->search->far[rank];
    if (far->stamp != tentative(a->search)) {
        *far = (struct roads_far){tentative(a->search), ms, next};
        heap_add(a->search->stack, a->count++, rank);
    } else if (ms < far->ms) {
        far->ms = ms;
        far->next = next;
    }
}

/* Whoever may turn into an arc the target lies on. */
static void reach_goal(void *context, uint32_t arc, uint32_t goal_ms)
{
    struct ascent *a = context;
    const struct roads_metric *metric = a->search->metric;
    const struct roads *roads = metric->roads;
    uint32_t node = roads->arcs[arc].tail;
    const uint8_t *turn = roads_turns_of(roads, &roads->arcs[arc]);
    for (uint32_t in = roads->first_in[node]; in < roads->first_in[node + 1];
         in++, turn++) {
        uint32_t cost = roads_turn_cost(metric, *turn, in);
        if (cost == ROADS_NONE || metric->ms[in] == ROADS_NONE)
            continue;
        uint64_t ms = (uint64_t)metric->ms[in] + cost + goal_ms;
        if (ms < ROADS_FAR)
            reach(a, a->search->hierarchy->rank[in], (uint32_t)ms,
                  arc | NEXT_IS_GOAL);
    }
}

void roads_climb_start(struct roads_search *search)
{
    const struct roads_weights *w = search->weights;
    struct ascent a = {.search = search};
    if (++search->number >= UINT32_MAX / 2) {
        memset(search->far, 0, search->roads->arc_count * sizeof(*search->far));
        search->number = 1;
    }
    search->reached_count = 0;
    roads_each_goal(search->roads, search->target.edge, search->goal_ms,
                    reach_goal, &a);
    while (a.count > 0) {
        uint32_t rank = heap_take(search->stack, a.count--);
        search->reached[search->reached_count++] = rank;
        for (uint32_t e = w->first_in[rank]; e < w->first_in[rank + 1]; e++) {
            uint32_t ms = w->in[e].ms + search->far[rank].ms;
            if (ms < ROADS_FAR)
                reach(&a, w->in[e].head, ms, rank);
        }
    }
}

/* -------------------------------------------------------- up from a place */
/* The first of the ranks that one may go up to and that is not final yet. */
static uint32_t above(const struct roads_search *s, uint32_t rank)
{
    const struct roads_weights *w = s->weights;
    for (uint32_t e = w->first_out[rank]; e < w->first_out[rank + 1]; e++) {
        if (!is_final(s, w->out[e].head))
            return w->out[e].head;
    }
    return ROADS_NONE;
}

/* All the ranks above it are final. */
static void settle(struct roads_search *s, uint32_t rank)
{
    const struct roads_weights *w = s->weights;
    struct roads_far *far = &s->far[rank];
    if (far->stamp != tentative(s))
        *far = (struct roads_far){.ms = ROADS_FAR, .next = ROADS_NONE};
    for (uint32_t e = w->first_out[rank]; e < w->first_out[rank + 1]; e++) {
        uint32_t ms = w->out[e].ms + s->far[w->out[e].head].ms;
        if (ms < far->ms) {
            far->ms = ms;
            far->next = w->out[e].head;
        }
    }
    far->stamp = tentative(s) + 1;
}

uint32_t roads_climb(struct roads_search *search, uint32_t arc)
{
    uint32_t start = search->hierarchy->rank[arc];
    uint32_t depth = 0;
    if (!is_final(search, start))
        search->stack[depth++] = start;
    while (depth > 0) {
        uint32_t higher = above(search, search->stack[depth - 1]);
        if (higher != ROADS_NONE)
            search->stack[depth++] = higher; /* no rank twice: always up */
        else
            settle(search, search->stack[--depth]);
    }
    return search->far[start].ms;
}

/* ------------------------------------------------------------- the way there
 */
/* What an edge of the hierarchy goes over, ROADS_NONE: a turn. */
static uint32_t middle_of(const struct roads_weights *w, uint32_t from,
                          uint32_t to)
{
    bool up = from < to;
    const uint32_t *first = up ? w->first_out : w->first_in;
    const struct roads_up *edges = up ? w->out : w->in;
    uint32_t low = up ? from : to;
    uint32_t high = up ? to : from;
    uint32_t begin = first[low];
    uint32_t end = first[low + 1];
    while (end - begin > 1) {
        uint32_t half = begin + (end - begin) / 2;
        if (edges[half].head <= high)
            begin = half;
        else
            end = half;
    }
    return up ? w->out_middle[begin] : w->in_middle[begin];
}

/* Appends the arcs that an edge stands for, but its first. Those still ahead
 * wait on the stack, each of a lower rank than what lies under it. */
static void unpack(struct roads_search *s, uint32_t from, uint32_t to)
{
    const uint32_t *at = s->hierarchy->at;
    uint32_t depth = 0;
    s->stack[depth++] = to;
    while (depth > 0) {
        uint32_t next = s->stack[depth - 1];
        uint32_t middle = middle_of(s->weights, from, next);
        if (middle == ROADS_NONE) {
            s->way[s->way_count++] = at[next];
            from = next;
            depth--;
        } else {
            s->stack[depth++] = middle;
        }
    }
}

void roads_climb_way(struct roads_search *search, uint32_t arc)
{
    uint32_t rank = search->hierarchy->rank[arc];
    while (!(search->far[rank].next & NEXT_IS_GOAL)) {
        uint32_t next = search->far[rank].next;
        unpack(search, rank, next);
        rank = next;
    }
    search->way[search->way_count++] = search->far[rank].next & ~NEXT_IS_GOAL;
}

/* Shortest ways by length: Dijkstra over directed edges, bounded. */
#include "match_internal.h"
#include <math.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ the heap
 */
static enum pt_err push(struct match *m, double start_m, uint32_t directed)
{
    if (m->heap_count == m->heap_room) {
        size_t room = m->heap_room == 0 ? 1024 : 2 * m->heap_room;
        void *heap = reallocarray(m->heap, room, sizeof(*m->heap));
        if (heap == NULL)
            return PT_E_NOMEM;
        m->heap = heap;
        m->heap_room = room;
    }
    size_t at = m->heap_count++;
    while (at > 0 && m->heap[(at - 1) / 2].start_m > start_m) {
        m->heap[at] = m->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->heap[at] = (struct match_queued){start_m, directed};
    return PT_OK;
}

static struct match_queued pop(struct match *m)
{
    struct match_queued top = m->heap[0];
    struct match_queued last = m->heap[--m->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count &&
            m->heap[child + 1].start_m < m->heap[child].start_m)
            child++;
        if (m->heap[child].start_m >= last.start_m)
            break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = last;
    return top;
}

/* ----------------------------------------------------------------- the search
 */
static enum pt_err reach(struct match *m, uint32_t directed, double start_m,
                         uint32_t before, bool first)
{
    struct match_label *label = &m->labels[directed];
    if (label->search == m->search &&
        (label->settled || label->start_m <= start_m))
        return PT_OK;
    label->search = m->search;
    label->settled = false;
    label->before = before;
    label->first = first;
    label->start_m = start_m;
    return push(m, start_m, directed);
}

/* Into every street at the end of `directed`, which is `end_m` away. */
static enum pt_err go_on(struct match *m, uint32_t directed, double end_m,
                         bool first)
{
    const struct match_label *label = &m->labels[directed];
    enum pt_err err = PT_OK;
    for (uint32_t i = label->first_turn;
         i < label[1].first_turn && err == PT_OK; i++)
        err = reach(m, m->turns[i], end_m, directed, first);
    return err;
}

size_t match_want(struct match *m, const struct match_layer *layer)
{
    size_t count = 0;
    m->layer++;
    for (size_t i = 0; i < layer->count; i++) {
        struct match_label *label = &m->labels[layer->candidates[i].directed];
        count += label->wanted != m->layer;
        label->wanted = m->layer;
    }
    return count;
}

enum pt_err match_search(struct match *m, const struct match_candidate *from,
                         size_t wanted)
{
    double length_m = (double)m->labels[from->directed].length_m;
    uint32_t back = roads_reverse(from->directed);
    m->search++;
    m->heap_count = 0;
    m->wanted = wanted;
    enum pt_err err =
        go_on(m, from->directed, (1.0 - from->travelled) * length_m, true);
    if (err == PT_OK && m->labels[back].driven)
        err = go_on(m, back, from->travelled * length_m + MATCH_TURN_ROUND_M,
                    true);
    return err;
}

enum pt_err match_search_to(struct match *m, double limit_m, bool *over)
{
    enum pt_err err = PT_OK;
    while (err == PT_OK && m->heap_count > 0 && m->wanted > 0 &&
           m->heap[0].start_m <= limit_m) {
        struct match_queued next = pop(m);
        struct match_label *label = &m->labels[next.directed];
        if (label->settled)
            continue;
        label->settled = true;
        m->wanted -= label->wanted == m->layer;
        err = go_on(m, next.directed, next.start_m + (double)label->length_m,
                    false);
    }
    *over = m->heap_count == 0 || m->wanted == 0;
    return err;
}

double match_way_m(const struct match *m, const struct match_candidate *from,
                   const struct match_candidate *to, double slack_m,
                   bool *straight)
{
    const struct match_label *label = &m->labels[to->directed];
    double length_m = (double)label->length_m;
    double way_m = INFINITY;
    if (label->search == m->search && label->settled)
        way_m = label->start_m + to->travelled * length_m;
    double direct_m = INFINITY;
    if (to->directed == from->directed) {
        direct_m = (to->travelled - from->travelled) * length_m;
        if (direct_m < 0)
            direct_m = -direct_m <= slack_m ? 0 : INFINITY;
    } else if (to->directed == roads_reverse(from->directed)) {
        double on_m = (to->travelled - (1.0 - from->travelled)) * length_m;
        direct_m = on_m >= 0 ? on_m + MATCH_TURN_ROUND_M : INFINITY;
    }
    *straight = direct_m <= way_m;
    return *straight ? direct_m : way_m;
}

/* ---------------------------------------------------------- turns, turned
 * round
 */
#define TURNS_AT_ONCE 64

/* roads tells who turns into an edge; ways go the other way. First pass
 * counts (`turns` NULL), second fills. */
static void for_each_turn(const struct match *m, uint32_t *next,
                          uint32_t *turns)
{
    uint32_t from[TURNS_AT_ONCE];
    uint32_t count = (uint32_t)(2 * roads_edge_count(m->roads));
    for (uint32_t into = 0; into < count; into++) {
        size_t found = roads_turns_into(m->roads, into, from, TURNS_AT_ONCE);
        for (size_t i = 0; i < found && i < TURNS_AT_ONCE; i++) {
            if (turns != NULL)
                turns[next[from[i]]] = into;
            next[from[i]]++;
        }
    }
}

static enum pt_err turn_round(struct match *m)
{
    uint32_t count = (uint32_t)(2 * roads_edge_count(m->roads));
    uint32_t *next = calloc((size_t)count + 1, sizeof(*next));
    if (next == NULL)
        return PT_E_NOMEM;
    for_each_turn(m, next, NULL);
    uint32_t sum = 0;
    for (uint32_t d = 0; d <= count; d++) {
        m->labels[d].first_turn = sum;
        sum += next[d];
        next[d] = m->labels[d].first_turn;
    }
    m->turns = calloc(sum > 0 ? sum : 1, sizeof(*m->turns));
    if (m->turns != NULL)
        for_each_turn(m, next, m->turns);
    free(next);
    return m->turns == NULL ? PT_E_NOMEM : PT_OK;
}

static void know_edges(struct match *m)
{
    uint32_t count = (uint32_t)(2 * roads_edge_count(m->roads));
    for (uint32_t d = 0; d < count; d++) {
        m->labels[d].length_m = (float)roads_edge_length_m(m->roads, d);
        m->labels[d].driven = roads_edge_ms(m->roads, d) != ROADS_NONE;
    }
}

/* ------------------------------------------------------------- start and end
 */
enum pt_err match_new(struct roads *roads,
                      const struct match_settings *settings, struct match **ret)
{
    struct match *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return PT_E_NOMEM;
    m->roads = roads_ref(roads);
    m->settings = *settings;
    m->labels = calloc(2 * roads_edge_count(roads) + 1, sizeof(*m->labels));
    enum pt_err err = m->labels == NULL ? PT_E_NOMEM : turn_round(m);
    if (err != PT_OK) {
        match_free(m);
        return err;
    }
    know_edges(m);
    *ret = m;
    return PT_OK;
}

void match_free(struct match *m)
{
    if (m == NULL)
        return;
    roads_unref(m->roads);
    free(m->turns);
    free(m->labels);
    free(m->heap);
    free(m);
}

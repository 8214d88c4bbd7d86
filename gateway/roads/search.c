/* Dijkstra's search, backwards from a place over arcs and turns.
 *
 * The queue orders arcs by the time from their start to the target. When an
 * arc comes out of it, every arc that may turn into it and has no label yet
 * gets its final label there and then: nothing that comes later is faster.
 * So an arc enters the queue once and its time is never lowered.
 *
 * The first arc a that comes out at a junction serves all that lead there,
 * but its own reverse, which would have to turn round. That one can do
 * without: who stands on it has a in front of him, and is sooner at the
 * target by a than by coming here and taking another arc, all of which take
 * at least as long as the whole of a. Who comes onto it from its start, a's
 * end, would be sooner by what a does next there - unless that turn is
 * forbidden to him. So only past a junction with a forbidden turn
 * (LABEL_PAST_BAN) a junction waits for its second arc. */
#include "roads_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- queue */
static void heap_push(struct roads_queue *q, uint64_t key)
{
    size_t at = q->heap_count++;
    while (at > 0 && q->heap[(at - 1) / 2] > key) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = key;
}

static uint64_t heap_pop(struct roads_queue *q)
{
    uint64_t top = q->heap[0];
    uint64_t key = q->heap[--q->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= q->heap_count)
            break;
        if (child + 1 < q->heap_count && q->heap[child + 1] < q->heap[child])
            child++;
        if (q->heap[child] >= key)
            break;
        q->heap[at] = q->heap[child];
        at = child;
    }
    q->heap[at] = key;
    return top;
}

static void queue_start(struct roads_queue *q, uint32_t ms)
{
    memset(q->used, 0, sizeof(q->used));
    q->heap_count = 0;
    q->now = ms >> q->shift;
}

/* `ms` is no less than that of the last taken, and no more than the longest
 * arc beyond it: it falls within the ring. */
static void queue_push(struct roads_search *s, uint32_t item, uint32_t ms)
{
    struct roads_queue *q = &s->queue;
    uint32_t bucket = ms >> q->shift;
    if (bucket == q->now) {
        heap_push(q, (uint64_t)ms << 32 | item);
        return;
    }
    uint32_t slot = bucket % QUEUE_RING;
    uint64_t bit = UINT64_C(1) << (slot % 64);
    s->labels[item].start_ms = ms;
    s->labels[item].queued =
        q->used[slot / 64] & bit ? q->first[slot] : ROADS_NONE;
    q->first[slot] = item;
    q->used[slot / 64] |= bit;
}

/* The next bucket in use after `now`, counted from it; 0: none. */
static uint32_t steps_to_next(const struct roads_queue *q)
{
    uint32_t start = (q->now + 1) % QUEUE_RING;
    uint32_t word = start / 64;
    uint64_t bits = q->used[word] & (UINT64_MAX << (start % 64));
    for (uint32_t looked = 0; looked <= QUEUE_RING / 64; looked++) {
        if (bits != 0) {
            uint32_t slot = 64 * word + (uint32_t)__builtin_ctzll(bits);
            return (slot - start) % QUEUE_RING + 1;
        }
        word = (word + 1) % (QUEUE_RING / 64);
        bits = q->used[word];
    }
    return 0;
}

/* Moves the next bucket into the heap. False: nothing is left. */
static bool queue_refill(struct roads_search *s)
{
    struct roads_queue *q = &s->queue;
    uint32_t steps = steps_to_next(q);
    if (steps == 0)
        return false;
    q->now += steps;
    uint32_t slot = q->now % QUEUE_RING;
    q->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    uint32_t item = q->first[slot];
    while (item != ROADS_NONE) {
        const struct roads_label *label = &s->labels[item];
        heap_push(q, (uint64_t)label->start_ms << 32 | item);
        item = label->queued;
    }
    return true;
}

/* ---------------------------------------------------------------- memory */
enum pt_err roads_search_new(const struct roads *roads,
                             struct roads_search **ret)
{
    struct roads_search *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PT_E_NOMEM;
    size_t items = (size_t)roads->arc_count + 2;
    s->roads = roads_ref((struct roads *)roads);
    s->labels = calloc(items, sizeof(*s->labels));
    s->marks = calloc(items, sizeof(*s->marks));
    s->queue.heap = calloc(items, sizeof(*s->queue.heap));
    if (s->labels == NULL || s->marks == NULL || s->queue.heap == NULL ||
        roads_standing_new(roads, 1, &s->alone) != PT_OK) {
        roads_search_free(s);
        return PT_E_NOMEM;
    }
    /* The ring must be longer than the longest arc; 16 ms where that is
     * short: a finer order than the heap needs costs empty buckets. */
    s->queue.shift = 4;
    while ((roads->longest_ms >> s->queue.shift) >= QUEUE_RING - 2)
        s->queue.shift++;
    *ret = s;
    return PT_OK;
}

void roads_search_free(struct roads_search *search)
{
    if (search == NULL)
        return;
    roads_standing_free(search->alone);
    roads_unref(search->roads);
    free(search->labels);
    free(search->marks);
    free(search->queue.heap);
    free(search);
}

/* Forgets the last search: its marks count as none. */
static void next_generation(struct roads_search *s)
{
    if (++s->generation < MARK_GENERATIONS)
        return;
    memset(s->marks, 0, s->roads->arc_count);
    s->generation = 1;
}

static void mark(struct roads_search *s, uint32_t arc, uint32_t what)
{
    uint32_t marks = s->marks[arc];
    if (marks / (MARKS + 1) != s->generation)
        marks = s->generation * (MARKS + 1);
    s->marks[arc] = (uint8_t)(marks | what);
}

static void set_target(struct roads_search *s, const struct roads_place *target)
{
    next_generation(s);
    s->target = *target;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = s->roads->edges[target->edge].arc[way];
        s->goal[way] = arc;
        s->goal_ms[way] =
            arc == ROADS_NONE
                ? ROADS_NONE
                : roads_ms_to(s->roads->arcs[arc].ms,
                              roads_travelled(way, target->fraction));
    }
}

/* ---------------------------------------------------------- the k nearest */
struct nearest { /* one question's state */
    struct roads_search *search;
    const struct roads_standing *standing;
    bool (*wanted)(void *context, uint32_t slot);
    void *context;
    size_t k;
    struct roads_arrival *best; /* sorted by drive_ms, slot */
    size_t found;
    uint32_t bound_ms; /* later arrivals are of no interest */
};

static bool arrives_before(const struct roads_arrival *a, uint32_t ms,
                           uint32_t slot)
{
    return a->drive_ms < ms || (a->drive_ms == ms && a->slot < slot);
}

/* Takes an arrival into the best k. A slot may come twice, once for each
 * direction of its edge; the earlier counts. */
static void offer(struct nearest *n, uint32_t slot, uint64_t ms64)
{
    if (ms64 > n->bound_ms)
        return;
    uint32_t ms = (uint32_t)ms64;
    if (n->found == n->k && arrives_before(&n->best[n->k - 1], ms, slot))
        return;
    size_t at = 0;
    while (at < n->found && n->best[at].slot != slot)
        at++;
    if (at < n->found) { /* known: moves up from its place, or stays */
        if (n->best[at].drive_ms <= ms)
            return;
    } else {
        if (n->wanted != NULL && !n->wanted(n->context, slot))
            return;
        at = n->found < n->k ? n->found++ : n->k - 1;
    }
    while (at > 0 && !arrives_before(&n->best[at - 1], ms, slot)) {
        n->best[at] = n->best[at - 1];
        at--;
    }
    n->best[at] = (struct roads_arrival){.slot = slot, .drive_ms = ms};
    if (n->found == n->k)
        n->bound_ms = n->best[n->k - 1].drive_ms;
}

/* Those who stand on an arc, now that the time from its end is known. */
static void offer_arc(struct nearest *n, uint32_t arc, uint32_t after_ms)
{
    const struct roads_arc *a = &n->search->roads->arcs[arc];
    uint32_t directed = roads_arc_directed(a);
    uint32_t slot = n->standing->first[directed >> 1];
    while (slot != ROADS_NONE) {
        const struct roads_stand *stand = &n->standing->slots[slot];
        uint32_t gone =
            roads_ms_to(a->ms, roads_travelled(directed, stand->fraction));
        offer(n, slot, (uint64_t)after_ms + a->ms - gone);
        slot = stand->next;
    }
}

/* Those who have the target before them on its own edge. */
static void offer_straight(struct nearest *n)
{
    const struct roads_search *s = n->search;
    for (uint32_t way = 0; way < 2; way++) {
        if (s->goal[way] == ROADS_NONE)
            continue;
        uint32_t ms = s->roads->arcs[s->goal[way]].ms;
        double goal = roads_travelled(way, s->target.fraction);
        uint32_t slot = n->standing->first[s->target.edge];
        while (slot != ROADS_NONE) {
            const struct roads_stand *stand = &n->standing->slots[slot];
            double from = roads_travelled(way, stand->fraction);
            if (from <= goal)
                offer(n, slot, s->goal_ms[way] - roads_ms_to(ms, from));
            slot = stand->next;
        }
    }
}

/* `in` may turn into an arc out of the queue: its time is final. */
static void label_arc(struct nearest *n, uint32_t in, uint32_t next,
                      uint32_t ms)
{
    struct roads_search *s = n->search;
    const struct roads_arc *from = &s->roads->arcs[in];
    struct roads_label *label = &s->labels[in];
    if (from->bits & ARC_TO_BAN)
        next |= LABEL_PAST_BAN;
    mark(s, in, MARK_KNOWN);
    label->start_ms = ms + from->ms;
    label->next = next;
    if (n->standing->occupied[in / 64] >> (in % 64) & 1u)
        offer_arc(n, in, ms);

    /* Nobody comes from a dead end but who stands there, and he has been
     * offered; past a ban, cars turn round in it. An arc of the target's own
     * edge may come by here, too, but later than its `goal`, which has
     * labelled all that may turn into it. */
    uint64_t start_ms = (uint64_t)ms + from->ms;
    if (start_ms <= n->bound_ms &&
        (!(from->bits & ARC_FROM_END) || next & LABEL_PAST_BAN) &&
        from->before != ROADS_NONE &&
        !roads_marked(s, from->before, MARK_DONE)) {
        __builtin_prefetch(&s->roads->arcs[from->before]);
        queue_push(s, in, (uint32_t)start_ms);
    }
}

/* `arc`, whose start is `ms` from the target, came out of the queue: labels
 * what turns into it. `past_ban`: LABEL_PAST_BAN or 0. */
static void settle(struct nearest *n, uint32_t arc, uint32_t past_ban,
                   uint32_t ms)
{
    struct roads_search *s = n->search;
    const struct roads *roads = s->roads;
    const struct roads_arc *to = &roads->arcs[arc];
    uint32_t first = to->before;
    if (first == ROADS_NONE || roads_marked(s, first, MARK_DONE))
        return;
    bool done = true;
    uint32_t in = first;
    do {
        if (roads_marked(s, in, MARK_KNOWN))
            continue;
        if (in == to->reverse && !(roads->arcs[in].bits & ARC_TURNS_ROUND))
            done = done && past_ban == 0;
        else if (to->bits & ARC_BANNED_INTO &&
                 roads_turn_banned(roads, in, arc))
            done = false;
        else
            label_arc(n, in, arc | past_ban, ms);
    } while (!(roads->arcs[in++].bits & ARC_LAST));
    if (done)
        mark(s, first, MARK_DONE);
}

static void search_backwards(struct nearest *n)
{
    struct roads_search *s = n->search;
    uint32_t arcs = s->roads->arc_count;
    uint32_t first =
        s->goal_ms[0] < s->goal_ms[1] ? s->goal_ms[0] : s->goal_ms[1];
    queue_start(&s->queue, first);
    for (uint32_t way = 0; way < 2; way++) {
        if (s->goal[way] != ROADS_NONE && s->goal_ms[way] <= n->bound_ms)
            queue_push(s, arcs + way, s->goal_ms[way]);
    }
    while (s->queue.heap_count > 0 || queue_refill(s)) {
        uint64_t key = heap_pop(&s->queue);
        uint32_t ms = (uint32_t)(key >> 32);
        uint32_t item = (uint32_t)key;
        if (ms > n->bound_ms)
            break;
        if (item < arcs)
            settle(n, item, s->labels[item].next & LABEL_PAST_BAN, ms);
        else /* who came back over the target's edge would have arrived */
            settle(n, s->goal[item - arcs], 0, ms);
    }
}

struct roads_departure roads_departure_of(const struct roads_search *s,
                                          uint32_t edge, double fraction,
                                          uint32_t drive_ms)
{
    const struct roads *roads = s->roads;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = roads->edges[edge].arc[way];
        if (arc == ROADS_NONE)
            continue;
        uint32_t ms = roads->arcs[arc].ms;
        double from = roads_travelled(way, fraction);
        uint32_t gone = roads_ms_to(ms, from);
        if (edge == s->target.edge &&
            from <= roads_travelled(way, s->target.fraction) &&
            s->goal_ms[way] - gone == drive_ms)
            return (struct roads_departure){arc, true};
        uint32_t after_ms = s->labels[arc].start_ms - ms;
        if (roads_marked(s, arc, MARK_KNOWN) &&
            (uint64_t)after_ms + ms - gone == drive_ms)
            return (struct roads_departure){arc, false};
    }
    assert(false); /* every arrival came from a label or from straight */
    return (struct roads_departure){ROADS_NONE, false};
}

/* Metres along the way that took `drive_ms`. */
static double way_length_m(const struct roads_search *s, uint32_t edge,
                           double fraction, uint32_t drive_ms)
{
    const struct roads *roads = s->roads;
    struct roads_departure from =
        roads_departure_of(s, edge, fraction, drive_ms);
    uint32_t directed = roads_arc_directed(&roads->arcs[from.arc]);
    double gone = roads_travelled(directed, fraction);
    double goal = roads_travelled(directed, s->target.fraction);
    double length = (double)roads->edges[edge].length_m;
    if (from.straight)
        return (goal - gone) * length;

    double sum = (1.0 - gone) * length;
    uint32_t arc = roads_next_arc(s, from.arc);
    while (arc != s->goal[0] && arc != s->goal[1]) {
        directed = roads_arc_directed(&roads->arcs[arc]);
        sum += (double)roads->edges[directed >> 1].length_m;
        arc = roads_next_arc(s, arc);
    }
    directed = roads_arc_directed(&roads->arcs[arc]);
    goal = roads_travelled(directed, s->target.fraction);
    return sum + goal * (double)roads->edges[directed >> 1].length_m;
}

enum pt_err roads_nearest(struct roads_search *search,
                          const struct roads_standing *standing,
                          const struct roads_place *target, size_t k,
                          uint32_t limit_ms,
                          bool (*wanted)(void *context, uint32_t slot),
                          void *context, struct roads_arrival *ret,
                          size_t *found)
{
    if (standing->roads != search->roads ||
        !roads_place_valid(search->roads, target))
        return PT_E_RANGE;
    struct nearest n = {.search = search,
                        .standing = standing,
                        .wanted = wanted,
                        .context = context,
                        .k = k,
                        .best = ret,
                        /* ROADS_NONE is "unknown", never an arrival */
                        .bound_ms =
                            limit_ms == ROADS_NONE ? ROADS_NONE - 1 : limit_ms};
    if (k > 0) {
        set_target(search, target);
        offer_straight(&n);
        search_backwards(&n);
    }
    for (size_t i = 0; i < n.found; i++) {
        const struct roads_stand *stand = &standing->slots[ret[i].slot];
        ret[i].distance_m =
            way_length_m(search, stand->edge, stand->fraction, ret[i].drive_ms);
    }
    *found = n.found;
    return PT_OK;
}

/* Who reaches a place first.
 *
 * Where units are many, Dijkstra's search, backwards from the place over arcs
 * and turns: it ends with the k-th unit it meets. An arc that comes out of the
 * queue has its final time; whoever may turn into it gets a time by it.
 *
 * Where units are few, that search would go over half the network; there each
 * unit's time is asked of the hierarchy (climb.c). Which it will be is guessed
 * from how thinly they stand; a search that has met fewer than it should have
 * by then gives up, and the hierarchy goes on. */
#include "roads_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- queue */
static void heap_insert(struct roads_queue *q, uint64_t key)
{
    roads_heap_insert(q->heap, q->heap_count++, key);
}

static uint64_t heap_pop(struct roads_queue *q)
{
    return roads_heap_pop(q->heap, q->heap_count--);
}

/* ------------------------------------------------------------------ labels */
static bool is_marked(const struct roads_search *s, uint32_t arc, uint32_t mark)
{
    uint32_t marks = s->marks[arc];
    return marks / (MARKS + 1) == s->generation && (marks & mark) != 0;
}

static void mark(struct roads_search *s, uint32_t arc, uint32_t what)
{
    uint32_t marks = s->marks[arc];
    if (marks / (MARKS + 1) != s->generation)
        marks = s->generation * (MARKS + 1);
    s->marks[arc] = (uint8_t)(marks | what);
}

static uint64_t start_ms(const struct roads_search *s, uint32_t arc)
{
    return (uint64_t)s->labels[arc].end_ms + s->metric->ms[arc];
}

/* Leaves out the entries of arcs whose time has fallen since. */
static void heap_tidy(struct roads_search *s)
{
    struct roads_queue *q = &s->queue;
    size_t count = q->heap_count;
    q->heap_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t arc = (uint32_t)q->heap[i];
        if (!is_marked(s, arc, MARK_DONE) &&
            start_ms(s, arc) == q->heap[i] >> 32)
            heap_insert(q, q->heap[i]);
    }
}

/* There is room for twice as many entries as there are arcs. */
static void heap_push(struct roads_search *s, uint64_t key)
{
    if (s->queue.heap_count == s->queue.heap_room)
        heap_tidy(s);
    __builtin_prefetch(&s->roads->arcs[(uint32_t)key]);
    heap_insert(&s->queue, key);
}

/* Places are anywhere in the city, so a search finds little of the network in
 * the cache: what the next arc needs is on its way while this one is dealt
 * with. Its own facts have been since it came into the heap. */
static void look_ahead(const struct roads_search *s)
{
    if (s->queue.heap_count == 0)
        return;
    const struct roads_arc *next = &s->roads->arcs[(uint32_t)s->queue.heap[0]];
    __builtin_prefetch(&s->roads->first_in[next->tail]);
    __builtin_prefetch(roads_turns_of(s->roads, next));
}

static void queue_start(struct roads_queue *q, uint32_t ms)
{
    memset(q->used, 0, sizeof(q->used));
    q->heap_count = 0;
    q->now = ms >> q->shift;
}

static void list_remove(struct roads_search *s, uint32_t arc, uint32_t bucket)
{
    struct roads_queue *q = &s->queue;
    const struct roads_label *label = &s->labels[arc];
    uint32_t slot = bucket % QUEUE_RING;
    if (label->later != ROADS_NONE)
        s->labels[label->later].earlier = label->earlier;
    if (label->earlier != ROADS_NONE)
        s->labels[label->earlier].later = label->later;
    else
        q->first[slot] = label->later;
    if (q->first[slot] == ROADS_NONE)
        q->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* Queues an arc, anew when it was there with a time (`before`, else
 * ROADS_NONE). `ms` is no less than that of the last taken, or of the goal
 * that is nearer its edge's start; and no more than two longest arcs and turns
 * beyond it: it falls within the ring. */
static void queue_push(struct roads_search *s, uint32_t arc, uint32_t ms,
                       uint32_t before)
{
    struct roads_queue *q = &s->queue;
    uint32_t bucket = ms >> q->shift;
    if (before != ROADS_NONE && before >> q->shift != q->now)
        list_remove(s, arc, before >> q->shift);
    if (bucket == q->now) {
        heap_push(s, (uint64_t)ms << 32 | arc);
        return;
    }
    uint32_t slot = bucket % QUEUE_RING;
    uint64_t bit = UINT64_C(1) << (slot % 64);
    uint32_t first = q->used[slot / 64] & bit ? q->first[slot] : ROADS_NONE;
    s->labels[arc].later = first;
    s->labels[arc].earlier = ROADS_NONE;
    if (first != ROADS_NONE)
        s->labels[first].earlier = arc;
    q->first[slot] = arc;
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
    for (uint32_t arc = q->first[slot]; arc != ROADS_NONE;
         arc = s->labels[arc].later)
        heap_push(s, start_ms(s, arc) << 32 | arc);
    return true;
}

/* ---------------------------------------------------------------- memory */
enum pt_err roads_search_new(const struct roads *roads,
                             struct roads_search **ret)
{
    struct roads_search *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PT_E_NOMEM;
    size_t arcs = roads->arc_count;
    s->roads = roads_ref((struct roads *)roads);
    s->labels = calloc(arcs, sizeof(*s->labels));
    s->marks = calloc(arcs, sizeof(*s->marks));
    s->queue.heap_room = 2 * arcs;
    s->queue.heap = calloc(s->queue.heap_room, sizeof(*s->queue.heap));
    s->far = calloc(arcs, sizeof(*s->far));
    s->stack = calloc(arcs, sizeof(*s->stack));
    s->reached = calloc(arcs, sizeof(*s->reached));
    s->way = calloc(arcs + 1, sizeof(*s->way));
    enum pt_err err = PT_E_NOMEM;
    if (s->labels != NULL && s->marks != NULL && s->queue.heap != NULL &&
        s->far != NULL && s->stack != NULL && s->reached != NULL &&
        s->way != NULL)
        err = roads_standing_new(roads, 1, &s->alone);
    if (err == PT_OK)
        err = roads_search_use(s, roads_profile(roads, NULL));
    if (err != PT_OK) {
        roads_search_free(s);
        return err;
    }
    *ret = s;
    return PT_OK;
}

void roads_search_free(struct roads_search *search)
{
    if (search == NULL)
        return;
    roads_metric_unref(search->metric);
    roads_standing_free(search->alone);
    roads_unref(search->roads);
    free(search->labels);
    free(search->marks);
    free(search->queue.heap);
    free(search->far);
    free(search->stack);
    free(search->reached);
    free(search->way);
    free(search);
}

enum pt_err roads_search_use(struct roads_search *search,
                             const struct roads_metric *metric)
{
    if (metric->roads != search->roads)
        return PT_E_RANGE;
    struct roads_metric *before = search->metric;
    search->metric = roads_metric_ref(metric);
    roads_metric_unref(before);
    /* The ring must be longer than two of the longest arc and turn; 16 ms
     * where that is short: finer than the heap needs costs empty buckets. */
    search->queue.shift = 4;
    while (2 * (uint64_t)metric->longest_ms >> search->queue.shift >=
           QUEUE_RING - 2)
        search->queue.shift++;
    return PT_OK;
}

void roads_search_by(struct roads_search *search, enum roads_method method)
{
    search->method = method;
}

/* Forgets the last search: its marks count as none. */
static void next_generation(struct roads_search *s)
{
    if (++s->generation < MARK_GENERATIONS)
        return;
    memset(s->marks, 0, s->roads->arc_count);
    s->generation = 1;
}

void roads_search_aim(struct roads_search *s, const struct roads_place *target)
{
    next_generation(s);
    s->target = *target;
    s->climbed = false;
    s->weights =
        atomic_load_explicit(&s->metric->weights, memory_order_acquire);
    s->hierarchy =
        atomic_load_explicit(&s->roads->hierarchy, memory_order_acquire);
    roads_goal_ms(s->metric, target, s->goal_ms);
}

void roads_goal_ms(const struct roads_metric *metric,
                   const struct roads_place *target, uint32_t ret[2])
{
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t ms = roads_metric_ms(metric, 2 * target->edge + way);
        ret[way] =
            ms == ROADS_NONE
                ? ROADS_NONE
                : roads_ms_to(ms, roads_travelled(way, target->fraction));
    }
}

void roads_each_goal(const struct roads *roads, uint32_t edge,
                     const uint32_t goal_ms[2], roads_goal call, void *context)
{
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * edge + way;
        if (goal_ms[way] == ROADS_NONE)
            continue;
        call(context, roads->edges[edge].arc[way], goal_ms[way]);
        for (uint32_t i = roads_first_ghost(roads, directed);
             i < roads->ghost_count && roads->ghosts[i].directed == directed;
             i++)
            call(context, roads->ghosts[i].arc, goal_ms[way]);
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

/* Those who stand on an arc, which the time to its end is known of. What an
 * arc's ghosts can do, it can, too, and sooner: who stands there has no past.
 */
static void offer_arc(struct nearest *n, uint32_t arc, uint32_t after_ms)
{
    uint32_t ms = n->search->metric->ms[arc];
    uint32_t bits = n->search->roads->arcs[arc].bits;
    uint32_t slot =
        bits & ARC_GHOST ? ROADS_NONE : n->standing->first[bits >> 1];
    while (slot != ROADS_NONE) {
        const struct roads_stand *stand = &n->standing->slots[slot];
        uint32_t gone = roads_ms_to(ms, roads_travelled(bits, stand->fraction));
        offer(n, slot, (uint64_t)after_ms + ms - gone);
        slot = stand->next;
    }
}

/* Those who have the target before them on its own edge. */
static void offer_straight(struct nearest *n)
{
    const struct roads_search *s = n->search;
    for (uint32_t way = 0; way < 2; way++) {
        if (s->goal_ms[way] == ROADS_NONE)
            continue;
        uint32_t ms = roads_metric_ms(s->metric, 2 * s->target.edge + way);
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

/* `in` may turn into an arc and has `end_ms` from its own end by that. */
static void label_arc(struct nearest *n, uint32_t in, uint32_t next,
                      uint64_t end_ms)
{
    struct roads_search *s = n->search;
    struct roads_label *label = &s->labels[in];
    uint32_t before = ROADS_NONE;
    if (end_ms > n->bound_ms)
        return;
    if (is_marked(s, in, MARK_KNOWN) && label->end_ms <= end_ms)
        return;
    if (is_marked(s, in, MARK_QUEUED))
        before = (uint32_t)start_ms(s, in);
    mark(s, in, MARK_KNOWN);
    label->end_ms = (uint32_t)end_ms;
    label->next = next;
    if (n->standing->occupied[in / 64] >> (in % 64) & 1u)
        offer_arc(n, in, (uint32_t)end_ms);
    if (start_ms(s, in) > n->bound_ms && before == ROADS_NONE)
        return;
    mark(s, in, MARK_QUEUED);
    queue_push(s, in, (uint32_t)start_ms(s, in), before);
}

/* Gives a time to those who may turn into `arc`, whose start, or on which the
 * target, is `ms` from it. */
static void settle(struct nearest *n, uint32_t arc, uint32_t ms, uint32_t next)
{
    const struct roads_metric *metric = n->search->metric;
    const struct roads *roads = metric->roads;
    const struct roads_arc *to = &roads->arcs[arc];
    const uint8_t *turn = roads_turns_of(roads, to);
    uint32_t end = roads->first_in[to->tail + 1];
    for (uint32_t in = roads->first_in[to->tail]; in < end; in++, turn++) {
        if (metric->ms[in] == ROADS_NONE || is_marked(n->search, in, MARK_DONE))
            continue;
        uint32_t cost = roads_turn_cost(metric, *turn, in);
        if (cost != ROADS_NONE)
            label_arc(n, in, next, (uint64_t)ms + cost);
    }
}

static void settle_goal(void *context, uint32_t arc, uint32_t ms)
{
    settle(context, arc, ms, arc | NEXT_IS_GOAL);
}

/* False: gave up after `most` arcs. */
static bool search_backwards(struct nearest *n, uint32_t most)
{
    struct roads_search *s = n->search;
    uint32_t first =
        s->goal_ms[0] < s->goal_ms[1] ? s->goal_ms[0] : s->goal_ms[1];
    queue_start(&s->queue, first);
    roads_each_goal(s->roads, s->target.edge, s->goal_ms, settle_goal, n);
    for (uint32_t count = 0; s->queue.heap_count > 0 || queue_refill(s);) {
        uint64_t key = heap_pop(&s->queue);
        uint32_t ms = (uint32_t)(key >> 32);
        uint32_t arc = (uint32_t)key;
        if (is_marked(s, arc, MARK_DONE))
            continue; /* its time had fallen: this is an old entry */
        if (ms > n->bound_ms)
            break;
        if (++count > most)
            return false;
        mark(s, arc, MARK_DONE);
        look_ahead(s);
        settle(n, arc, ms, arc);
    }
    return true;
}

/* ------------------------------------------------------ by the hierarchy */
static void climb_from(struct nearest *n, uint32_t slot)
{
    struct roads_search *s = n->search;
    const struct roads_stand *stand = &n->standing->slots[slot];
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * stand->edge + way;
        uint32_t ms = roads_metric_ms(s->metric, directed);
        if (ms == ROADS_NONE)
            continue;
        uint32_t start = roads_climb(s, s->roads->edges[stand->edge].arc[way]);
        uint32_t gone = roads_ms_to(ms, roads_travelled(way, stand->fraction));
        if (start < ROADS_FAR)
            offer(n, slot, start - gone);
    }
}

static void climb_all(struct nearest *n)
{
    roads_climb_start(n->search);
    n->search->climbed = true;
    for (uint32_t slot = 0; slot < n->standing->max_slots; slot++) {
        if (n->standing->slots[slot].edge != ROADS_NONE &&
            (n->wanted == NULL || n->wanted(n->context, slot)))
            climb_from(n, slot);
    }
}

/* What the hierarchy costs, in arcs that the search backwards looks at for it:
 * a beginning, and so much a unit. On Havana an arc took 75 ns, the beginning
 * 80 us, a unit 3.6 us; 100 units of which 5 are wanted are where both take the
 * same, 40 of which 1 is. The rows of tests/bench/roads show it. */
#define ARCS_A_CLIMB 48u
#define ARCS_AT_LEAST 1024u

static void find_nearest(struct nearest *n)
{
    uint64_t count = n->standing->count;
    uint64_t climbing = ARCS_AT_LEAST + ARCS_A_CLIMB * count;
    uint64_t arcs = n->search->roads->arc_count;
    uint64_t expected = count > 0 ? arcs * n->k / count : arcs;
    bool climb = expected > climbing;
    uint64_t most = 2 * climbing; /* it may be sparse just here */
    if (n->search->method != ROADS_CHEAPER) {
        climb = n->search->method == ROADS_BY_HIERARCHY;
        most = UINT32_MAX;
    }
    if (n->search->weights == NULL) {
        climb = false;
        most = UINT32_MAX;
    }
    if (climb ||
        !search_backwards(n, most < UINT32_MAX ? (uint32_t)most : UINT32_MAX))
        climb_all(n);
}

/* ----------------------------------------------------------------- the way */
/* Milliseconds from an arc's start to the target by other arcs; ROADS_FAR. */
static uint64_t known_ms(const struct roads_search *s, uint32_t arc)
{
    if (s->climbed)
        return s->far[s->hierarchy->rank[arc]].ms;
    return is_marked(s, arc, MARK_KNOWN) ? start_ms(s, arc) : ROADS_FAR;
}

/* The arc on which a place has its arrival; `straight`: the target lies
 * ahead on the same. */
static uint32_t departure(const struct roads_search *s, uint32_t edge,
                          double fraction, uint32_t drive_ms, bool *straight)
{
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t ms = roads_metric_ms(s->metric, 2 * edge + way);
        if (ms == ROADS_NONE)
            continue;
        uint32_t arc = s->roads->edges[edge].arc[way];
        double from = roads_travelled(way, fraction);
        uint32_t gone = roads_ms_to(ms, from);
        *straight = edge == s->target.edge &&
                    from <= roads_travelled(way, s->target.fraction) &&
                    s->goal_ms[way] - gone == drive_ms;
        if (*straight || known_ms(s, arc) == (uint64_t)drive_ms + gone)
            return arc;
    }
    assert(false); /* every arrival came from one of the two */
    return ROADS_NONE;
}

void roads_way_of(struct roads_search *s, uint32_t edge, double fraction,
                  uint32_t drive_ms)
{
    bool straight = false;
    uint32_t arc = departure(s, edge, fraction, drive_ms, &straight);
    s->way_count = 0;
    s->way[s->way_count++] = arc;
    if (straight)
        return;
    if (s->climbed) {
        roads_climb_way(s, arc);
        return;
    }
    uint32_t next;
    do {
        next = s->labels[arc].next;
        arc = next & ~NEXT_IS_GOAL;
        s->way[s->way_count++] = arc;
    } while (!(next & NEXT_IS_GOAL));
}

/* Metres along the way that took `drive_ms`. */
static double way_length_m(struct roads_search *s, uint32_t edge,
                           double fraction, uint32_t drive_ms)
{
    const struct roads *roads = s->roads;
    roads_way_of(s, edge, fraction, drive_ms);
    double sum = 0.0;
    for (uint32_t i = 0; i < s->way_count; i++) {
        uint32_t directed = roads_arc_directed(&roads->arcs[s->way[i]]);
        double from = i == 0 ? roads_travelled(directed, fraction) : 0.0;
        double to = i + 1 == s->way_count
                        ? roads_travelled(directed, s->target.fraction)
                        : 1.0;
        sum += (to - from) * (double)roads->edges[directed >> 1].length_m;
    }
    return sum;
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
                        /* ROADS_FAR is "no way", never an arrival */
                        .bound_ms =
                            limit_ms < ROADS_FAR ? limit_ms : ROADS_FAR - 1};
    if (k > 0) {
        roads_search_aim(search, target);
        offer_straight(&n);
        find_nearest(&n);
    }
    for (size_t i = 0; i < n.found; i++) {
        const struct roads_stand *stand = &standing->slots[ret[i].slot];
        ret[i].distance_m =
            way_length_m(search, stand->edge, stand->fraction, ret[i].drive_ms);
    }
    *found = n.found;
    return PT_OK;
}

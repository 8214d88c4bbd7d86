/* Streets closed for a moment: the metric is copied once, and of the copy only
 * the closed arcs change, and where they were the last way on. Nothing is made
 * fast for so little: Dijkstra's search backwards from the target ends with the
 * last that could be there in time. */
#include "pt_room.h"
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

struct mark {
    uint32_t stamp; /* twice the search's number, +1 when ms is final */
    uint32_t ms;    /* from the arc's start to the target */
    uint32_t next;  /* arc to take at its end; NEXT_IS_GOAL: it is the last */
};

struct roads_trial {
    struct roads_metric *base; /* counted */
    struct roads_metric *metric;
    size_t closed_count, closed_room;
    uint32_t *closed;

    uint32_t number; /* of the search */
    struct mark *marks;
    size_t heap_count, heap_room;
    uint64_t *heap; /* time << 32 | arc */
};

/* ------------------------------------------------------------------- closing
 */
enum pt_err roads_trial_new(const struct roads_metric *metric,
                            struct roads_trial **ret)
{
    struct roads_trial *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return PT_E_NOMEM;
    t->base = roads_metric_ref(metric);
    t->marks = calloc(metric->roads->arc_count, sizeof(*t->marks));
    enum pt_err err =
        t->marks == NULL ? PT_E_NOMEM : roads_metric_copy(metric, &t->metric);
    if (err != PT_OK) {
        roads_trial_free(t);
        return err;
    }
    *ret = t;
    return PT_OK;
}

void roads_trial_free(struct roads_trial *trial)
{
    if (trial == NULL)
        return;
    roads_metric_free(trial->metric);
    roads_metric_unref(trial->base);
    free(trial->closed);
    free(trial->marks);
    free(trial->heap);
    free(trial);
}

/* An edge's two directions, and at its ends who may turn round; an edge that
 * nobody drives has no arc, and no junction. */
static void set(struct roads_trial *trial, uint32_t edge, bool closed)
{
    const struct roads *roads = trial->metric->roads;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = roads->edges[edge].arc[way];
        if (arc != ROADS_NONE)
            roads_metric_set(trial->metric, 2 * edge + way,
                             closed ? ROADS_NONE : trial->base->ms[arc]);
    }
}

static void settle_ends(struct roads_trial *trial, uint32_t edge)
{
    const struct roads *roads = trial->metric->roads;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = roads->edges[edge].arc[way];
        if (arc == ROADS_NONE)
            continue;
        roads_metric_settle_at(trial->metric, roads->arcs[arc].head);
        roads_metric_settle_at(trial->metric, roads->arcs[arc].tail);
    }
}

static void set_all(struct roads_trial *trial, bool closed)
{
    for (size_t i = 0; i < trial->closed_count; i++)
        set(trial, trial->closed[i], closed);
    for (size_t i = 0; i < trial->closed_count; i++)
        settle_ends(trial, trial->closed[i]);
}

enum pt_err roads_trial_close(struct roads_trial *trial, const uint32_t *edges,
                              size_t count)
{
    set_all(trial, false);
    trial->closed_count = 0;
    for (size_t i = 0; i < count; i++)
        if (edges[i] >= trial->metric->roads->edge_count)
            return PT_E_RANGE;
    enum pt_err err = pt_room(&trial->closed, &trial->closed_room, count + 1,
                              sizeof(*trial->closed));
    if (err != PT_OK)
        return err;
    if (count > 0)
        memcpy(trial->closed, edges, count * sizeof(*edges));
    trial->closed_count = count;
    set_all(trial, true);
    return PT_OK;
}

const struct roads_metric *roads_trial_metric(const struct roads_trial *trial)
{
    return trial->metric;
}

/* -------------------------------------------------------------- who is there
 */
struct reach {
    struct roads_trial *trial;
    const struct roads_standing *standing;
    const uint32_t *limit_ms;
    roads_met met;
    void *context;
    uint64_t bound_ms; /* from an arc's start; what is later meets nobody */
    bool ended;
    enum pt_err err;
};

static void next_search(struct roads_trial *trial)
{
    trial->heap_count = 0;
    if (++trial->number < UINT32_MAX / 2)
        return;
    memset(trial->marks, 0,
           trial->metric->roads->arc_count * sizeof(*trial->marks));
    trial->number = 1;
}

/* Whoever has yet to drive a whole edge and what is left of his time. */
static void find_bound(struct reach *r)
{
    for (uint32_t slot = 0; slot < r->standing->max_slots; slot++) {
        uint32_t edge = r->standing->slots[slot].edge;
        if (edge == ROADS_NONE || r->limit_ms[slot] == ROADS_NONE)
            continue;
        for (uint32_t way = 0; way < 2; way++) {
            uint32_t ms = roads_metric_ms(r->trial->metric, 2 * edge + way);
            uint64_t bound = (uint64_t)r->limit_ms[slot] + ms + ROADS_TENTH_MS;
            if (ms != ROADS_NONE && bound > r->bound_ms)
                r->bound_ms = bound;
        }
    }
}

static void tell(struct reach *r, uint32_t slot, uint32_t left_ms,
                 uint32_t directed, bool ahead)
{
    if (!r->ended && r->limit_ms[slot] != ROADS_NONE &&
        left_ms <= r->limit_ms[slot])
        r->ended = !r->met(r->context, slot, directed, ahead);
}

static void meet_ahead(struct reach *r, const struct roads_place *target,
                       const uint32_t goal_ms[2])
{
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t directed = 2 * target->edge + way;
        uint32_t ms = roads_metric_ms(r->trial->metric, directed);
        double goal = roads_travelled(way, target->fraction);
        uint32_t slot = r->standing->first[target->edge];
        for (; goal_ms[way] != ROADS_NONE && slot != ROADS_NONE;
             slot = r->standing->slots[slot].next) {
            double gone =
                roads_travelled(way, r->standing->slots[slot].fraction);
            if (gone <= goal)
                tell(r, slot, goal_ms[way] - roads_ms_to(ms, gone), directed,
                     true);
        }
    }
}

/* Those who stand on an arc that is `start_ms` from the target; a ghost's are
 * those of its street, which is no later. */
static void meet_on(struct reach *r, uint32_t arc, uint32_t start_ms)
{
    uint32_t directed = r->trial->metric->roads->arcs[arc].bits;
    uint32_t ms = r->trial->metric->ms[arc];
    if (directed & ARC_GHOST ||
        !(r->standing->occupied[arc / 64] >> (arc % 64) & 1u))
        return;
    for (uint32_t slot = r->standing->first[directed >> 1]; slot != ROADS_NONE;
         slot = r->standing->slots[slot].next) {
        double gone =
            roads_travelled(directed, r->standing->slots[slot].fraction);
        uint32_t left =
            roads_left_ms(roads_in_tenths(start_ms), roads_ms_to(ms, gone));
        if (left != ROADS_NONE)
            tell(r, slot, left, directed, false);
    }
}

/* Those who may turn into an arc whose start, or on which the target, is `ms`
 * from it. */
static void relax(struct reach *r, uint32_t arc, uint32_t ms, uint32_t next)
{
    struct roads_trial *t = r->trial;
    const struct roads_metric *metric = t->metric;
    const struct roads *roads = metric->roads;
    uint32_t node = roads->arcs[arc].tail;
    const uint8_t *turn = roads_turns_of(roads, &roads->arcs[arc]);
    for (uint32_t in = roads->first_in[node]; in < roads->first_in[node + 1];
         in++, turn++) {
        struct mark *mark = &t->marks[in];
        uint32_t cost = roads_turn_cost(metric, *turn, in);
        if (cost == ROADS_NONE || metric->ms[in] == ROADS_NONE)
            continue;
        uint64_t start = (uint64_t)ms + cost + metric->ms[in];
        if (start > r->bound_ms || (mark->stamp >> 1 == t->number &&
                                    (mark->stamp & 1u || mark->ms <= start)))
            continue;
        *mark = (struct mark){2 * t->number, (uint32_t)start, next};
        if (r->err == PT_OK)
            r->err = pt_room(&t->heap, &t->heap_room, t->heap_count + 1,
                             sizeof(*t->heap));
        if (r->err == PT_OK)
            roads_heap_insert(t->heap, t->heap_count++, start << 32 | in);
    }
}

static void relax_goal(void *context, uint32_t arc, uint32_t ms)
{
    relax(context, arc, ms, arc | NEXT_IS_GOAL);
}

enum pt_err roads_trial_reach(struct roads_trial *trial,
                              const struct roads_standing *standing,
                              const struct roads_place *target,
                              const uint32_t *limit_ms, roads_met met,
                              void *context)
{
    struct reach r = {.trial = trial,
                      .standing = standing,
                      .limit_ms = limit_ms,
                      .met = met,
                      .context = context};
    const struct roads *roads = trial->metric->roads;
    uint32_t goal_ms[2];
    if (standing->roads != roads || !roads_place_valid(roads, target))
        return PT_E_RANGE;
    next_search(trial);
    find_bound(&r);
    /* times are kept in 32 bits, and what is beyond is no way at all */
    r.bound_ms = r.bound_ms < ROADS_FAR ? r.bound_ms : ROADS_FAR - 1;
    roads_goal_ms(trial->metric, target, goal_ms);
    meet_ahead(&r, target, goal_ms);
    roads_each_goal(roads, target->edge, goal_ms, relax_goal, &r);
    while (trial->heap_count > 0 && r.err == PT_OK && !r.ended) {
        uint64_t key = roads_heap_pop(trial->heap, trial->heap_count--);
        uint32_t arc = (uint32_t)key, ms = (uint32_t)(key >> 32);
        if (trial->marks[arc].stamp & 1u)
            continue; /* its time had fallen: this is an old entry */
        trial->marks[arc].stamp |= 1u;
        meet_on(&r, arc, ms);
        relax(&r, arc, ms, arc);
    }
    return r.err;
}

/* ------------------------------------------------------------------- the way
 */
void roads_trial_way(const struct roads_trial *trial, uint32_t directed,
                     bool ahead, void (*each)(void *context, uint32_t edge),
                     void *context)
{
    const struct roads *roads = trial->metric->roads;
    uint32_t arc = roads->edges[directed >> 1].arc[directed & 1u];
    each(context, directed >> 1);
    if (ahead)
        return;
    for (bool last = false; !last;) {
        uint32_t next = trial->marks[arc].next;
        uint32_t node = roads->arcs[arc].head;
        last = next & NEXT_IS_GOAL;
        next &= ~NEXT_IS_GOAL;
        directed = roads_arc_directed(&roads->arcs[next]);
        each(context, directed >> 1);
        /* to turn round has its price while there are other ways on */
        if (directed == roads_reverse(roads_arc_directed(&roads->arcs[arc]))) {
            for (uint32_t i = roads->first_out[node];
                 i < roads->first_out[node + 1]; i++)
                each(context,
                     roads_arc_directed(&roads->arcs[roads->out[i]]) >> 1);
        }
        arc = next;
    }
}

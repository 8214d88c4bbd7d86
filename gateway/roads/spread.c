/* Spreads: the first k units at every street, by one sweep up the hierarchy
 * from all of them and one down again. A rank keeps its k first only: who is
 * later there than k others is later than they wherever they all go on to. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT64_MAX

struct roads_spread {
    struct roads *roads;
    struct roads_metric *metric; /* of the last run; NULL: none yet */
    size_t k;
    uint32_t limit_ms;
    /* time << 32 | slot, k for each rank, ascending; NOBODY */
    uint64_t *labels;
    struct roads_reach *reaches; /* k for each directed edge */
    size_t max_slots;
    uint64_t *taken;   /* a bit for each slot: it was in the last run */
    uint32_t *late_ms; /* for each slot */
};

enum pt_err roads_spread_new(const struct roads *roads, size_t max_slots,
                             size_t k, struct roads_spread **ret)
{
    if (k == 0 || k > ROADS_SPREAD_MAX || max_slots >= ROADS_NONE)
        return PT_E_RANGE;
    struct roads_spread *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PT_E_NOMEM;
    s->roads = roads_ref((struct roads *)roads);
    s->k = k;
    s->max_slots = max_slots;
    s->taken = calloc(max_slots / 64 + 1, sizeof(*s->taken));
    s->late_ms = calloc(max_slots + 1, sizeof(*s->late_ms));
    s->labels = calloc(roads->arc_count * k, sizeof(*s->labels));
    s->reaches = calloc(2 * (size_t)roads->edge_count * k, sizeof(*s->reaches));
    if (s->taken == NULL || s->late_ms == NULL || s->labels == NULL ||
        s->reaches == NULL) {
        roads_spread_free(s);
        return PT_E_NOMEM;
    }
    memset(s->reaches, 0xff,
           2 * (size_t)roads->edge_count * k * sizeof(*s->reaches));
    *ret = s;
    return PT_OK;
}

void roads_spread_free(struct roads_spread *spread)
{
    if (spread == NULL)
        return;
    roads_metric_unref(spread->metric);
    roads_unref(spread->roads);
    free(spread->labels);
    free(spread->reaches);
    free(spread->taken);
    free(spread->late_ms);
    free(spread);
}

void roads_spread_late(struct roads_spread *spread, uint32_t slot, uint32_t ms)
{
    spread->late_ms[slot] = ms;
}

/* Takes one arrival into k of them, of each slot the earliest. */
static void insert(uint64_t *labels, size_t k, uint64_t label)
{
    size_t at = 0;
    while (labels[at] < label) {
        if ((uint32_t)labels[at] == (uint32_t)label)
            return; /* sooner already */
        if (++at == k)
            return;
    }
    size_t last = at; /* its own later arrival makes room, or the last does */
    while (last + 1 < k && (uint32_t)labels[last] != (uint32_t)label)
        last++;
    memmove(labels + at + 1, labels + at, (last - at) * sizeof(*labels));
    labels[at] = label;
}

/* Who is at one rank is, `ms` later, at another. */
static void pass_on(const struct roads_spread *s, const uint64_t *from,
                    uint32_t ms, uint64_t *to)
{
    for (size_t i = 0; i < s->k && from[i] != NOBODY; i++) {
        uint64_t label = from[i] + ((uint64_t)ms << 32);
        if (label >= to[s->k - 1] || label >> 32 > s->limit_ms)
            return;
        insert(to, s->k, label);
    }
}

static uint64_t *labels_of(const struct roads_spread *s, uint32_t rank)
{
    return s->labels + rank * s->k;
}

/* Whoever stands on an arc may turn off at its end. */
static void start_from(struct roads_spread *s, uint32_t arc, uint32_t left_ms,
                       uint32_t slot)
{
    const struct roads *roads = s->roads;
    const struct roads_hierarchy *h = atomic_load(&roads->hierarchy);
    uint32_t node = roads->arcs[arc].head;
    for (uint32_t i = roads->first_out[node]; i < roads->first_out[node + 1];
         i++) {
        uint32_t to = roads->out[i];
        uint8_t turn = roads_turns_of(
            roads, &roads->arcs[to])[arc - roads->first_in[node]];
        uint32_t cost = roads_turn_cost(s->metric, turn, arc);
        if (cost == ROADS_NONE || s->metric->ms[to] == ROADS_NONE)
            continue;
        uint64_t ms = (uint64_t)left_ms + cost + s->late_ms[slot];
        if (ms <= s->limit_ms)
            insert(labels_of(s, h->rank[to]), s->k, ms << 32 | slot);
    }
}

static void start(struct roads_spread *s, const struct roads_stand *stand,
                  uint32_t slot)
{
    s->taken[slot / 64] |= UINT64_C(1) << (slot % 64);
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t ms = roads_metric_ms(s->metric, 2 * stand->edge + way);
        if (ms == ROADS_NONE)
            continue;
        uint32_t gone = roads_ms_to(ms, roads_travelled(way, stand->fraction));
        start_from(s, s->roads->edges[stand->edge].arc[way], ms - gone, slot);
    }
}

static void sweep(struct roads_spread *s)
{
    const struct roads_weights *w = atomic_load(&s->metric->weights);
    uint32_t arcs = s->roads->arc_count;
    for (uint32_t v = 0; v < arcs; v++) {
        const uint64_t *labels = labels_of(s, v);
        if (labels[0] == NOBODY)
            continue;
        for (uint32_t e = w->first_out[v]; e < w->first_out[v + 1]; e++)
            pass_on(s, labels, w->out[e].ms, labels_of(s, w->out[e].head));
    }
    for (uint32_t v = arcs; v-- > 0;) {
        uint64_t *labels = labels_of(s, v);
        for (uint32_t e = w->first_in[v]; e < w->first_in[v + 1]; e++)
            pass_on(s, labels_of(s, w->in[e].head), w->in[e].ms, labels);
    }
}

/* Arrivals by arc become arrivals by edge; a ghost's arrivals are its
 * street's. */
static void write_reaches(struct roads_spread *s)
{
    const struct roads *roads = s->roads;
    const struct roads_hierarchy *h = atomic_load(&roads->hierarchy);
    for (uint32_t i = 0; i < roads->ghost_count; i++) {
        const struct roads_ghost *ghost = &roads->ghosts[i];
        uint32_t arc =
            roads->edges[ghost->directed >> 1].arc[ghost->directed & 1u];
        if (arc != ROADS_NONE)
            pass_on(s, labels_of(s, h->rank[ghost->arc]), 0,
                    labels_of(s, h->rank[arc]));
    }
    for (uint32_t d = 0; d < 2 * roads->edge_count; d++) {
        uint32_t arc = roads->edges[d >> 1].arc[d & 1u];
        if (arc == ROADS_NONE)
            continue; /* as it was made */
        const uint64_t *labels = labels_of(s, h->rank[arc]);
        struct roads_reach *reach = s->reaches + d * s->k;
        for (size_t i = 0; i < s->k; i++)
            reach[i] = (struct roads_reach){(uint32_t)(labels[i] >> 32),
                                            (uint32_t)labels[i]};
    }
}

enum pt_err
roads_spread_run(struct roads_spread *spread, const struct roads_metric *metric,
                 const struct roads_standing *standing, uint32_t limit_ms,
                 bool (*wanted)(void *context, uint32_t slot), void *context)
{
    if (metric->roads != spread->roads || standing->roads != spread->roads ||
        standing->max_slots > spread->max_slots || !roads_prepared(metric))
        return PT_E_RANGE;
    struct roads_metric *before = spread->metric;
    spread->metric = roads_metric_ref(metric);
    roads_metric_unref(before);
    spread->limit_ms = limit_ms < ROADS_FAR ? limit_ms : ROADS_FAR - 1;
    memset(spread->labels, 0xff,
           spread->roads->arc_count * spread->k * sizeof(*spread->labels));
    memset(spread->taken, 0,
           (spread->max_slots / 64 + 1) * sizeof(*spread->taken));
    for (uint32_t slot = 0; slot < standing->max_slots; slot++) {
        if (standing->slots[slot].edge != ROADS_NONE &&
            (wanted == NULL || wanted(context, slot)))
            start(spread, &standing->slots[slot], slot);
    }
    sweep(spread);
    write_reaches(spread);
    return PT_OK;
}

const struct roads_reach *roads_spread_at(const struct roads_spread *spread,
                                          uint32_t directed)
{
    return spread->reaches + directed * spread->k;
}

/* Those who have the place before them on its own edge. */
static void insert_straight(const struct roads_spread *s,
                            const struct roads_standing *standing,
                            const struct roads_place *place, uint32_t way,
                            uint32_t ms, uint64_t *labels)
{
    double goal = roads_travelled(way, place->fraction);
    uint32_t slot = standing->first[place->edge];
    for (; slot != ROADS_NONE; slot = standing->slots[slot].next) {
        double gone = roads_travelled(way, standing->slots[slot].fraction);
        uint64_t left = roads_ms_to(ms, goal) -
                        (uint64_t)roads_ms_to(ms, gone) + s->late_ms[slot];
        if (gone <= goal && left <= s->limit_ms &&
            s->taken[slot / 64] >> (slot % 64) & 1u)
            insert(labels, s->k, left << 32 | slot);
    }
}

void roads_spread_to(const struct roads_spread *spread,
                     const struct roads_standing *standing,
                     const struct roads_place *place, struct roads_reach *ret)
{
    uint64_t labels[ROADS_SPREAD_MAX];
    memset(labels, 0xff, sizeof(labels));
    for (uint32_t way = 0; way < 2 && spread->metric != NULL &&
                           roads_place_valid(spread->roads, place);
         way++) {
        uint32_t directed = 2 * place->edge + way;
        uint32_t ms = roads_metric_ms(spread->metric, directed);
        if (ms == ROADS_NONE)
            continue;
        const struct roads_reach *at = roads_spread_at(spread, directed);
        uint64_t on = roads_ms_to(ms, roads_travelled(way, place->fraction));
        for (size_t i = 0; i < spread->k && at[i].slot != ROADS_NONE; i++) {
            if (at[i].ms + on <= spread->limit_ms)
                insert(labels, spread->k, (at[i].ms + on) << 32 | at[i].slot);
        }
        insert_straight(spread, standing, place, way, ms, labels);
    }
    for (size_t i = 0; i < spread->k; i++)
        ret[i] = (struct roads_reach){(uint32_t)(labels[i] >> 32),
                                      (uint32_t)labels[i]};
}

/* Spreads: the first k units at every street, by one sweep up the hierarchy
 * from all of them and one down again (PHAST, as in tables.c, with k labels a
 * rank). A rank keeps its k first only: who is later there than k others is
 * later than they wherever they all go on to.
 *
 * That holds for times to which every unit has the same to add. What a drive
 * takes beside the driving is less around the corner: the sweeps take it to be
 * the whole of it everywhere, and where it is less near.c knows who is there.
 * Whoever has the whole of it to a place and is among its k first has fewer
 * than k before it in the sweeps' times, too, for those are never too low. */
#include "spread_internal.h"
#include <stdlib.h>
#include <string.h>

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
    s->nobody = UINT64_MAX;
    s->max_slots = max_slots;
    s->taken = calloc(max_slots / 64 + 1, sizeof(*s->taken));
    s->late_ms = calloc(max_slots + 1, sizeof(*s->late_ms));
    s->labels = calloc(((size_t)roads->arc_count + 1) * k, sizeof(*s->labels));
    s->touched = calloc(roads->arc_count / 64 + 1, sizeof(*s->touched));
    enum pt_err err = PT_E_NOMEM;
    if (s->taken != NULL && s->late_ms != NULL && s->labels != NULL &&
        s->touched != NULL)
        err = roads_near_new(roads, &s->near);
    if (err != PT_OK) {
        roads_spread_free(s);
        return err;
    }
    *ret = s;
    return PT_OK;
}

void roads_spread_free(struct roads_spread *spread)
{
    if (spread == NULL)
        return;
    roads_metric_unref(spread->metric);
    roads_unref(spread->roads);
    roads_near_clear(&spread->near);
    free(spread->labels);
    free(spread->touched);
    free(spread->taken);
    free(spread->late_ms);
    free(spread);
}

void roads_spread_late(struct roads_spread *spread, uint32_t slot, uint32_t ms)
{
    spread->late_ms[slot] = ms;
}

void roads_spread_start(struct roads_spread *spread, uint32_t start_ms,
                        uint32_t share)
{
    spread->start_ms = share == 0 ? 0 : start_ms;
    spread->share = share;
}

/* ------------------------------------------------------------------ labels */
/* Takes one arrival into k of them, of each slot the earliest: what it comes
 * before moves on by one, up to where its own slot was, or off the end. */
static inline void insert(uint64_t *labels, size_t k, uint64_t label)
{
    uint32_t slot = (uint32_t)label;
    for (size_t i = 0; i < k; i++) {
        uint64_t here = labels[i];
        labels[i] = here < label ? here : label;
        if ((uint32_t)here == slot)
            return;
        label = here < label ? label : here;
    }
}

/* Who is at one rank is, `later` (in a label's unit) on, at another. Neighbours
 * mostly have the same first, in the same order. */
static inline void merge(uint64_t *to, const uint64_t *from, uint64_t later,
                         size_t k)
{
    uint32_t others = 0;
    if (from[0] + later >= to[k - 1])
        return;
    for (size_t i = 0; i < k; i++)
        others |= (uint32_t)to[i] ^ (uint32_t)from[i];
    for (size_t i = 0; i < k && others == 0; i++)
        to[i] = from[i] + later < to[i] ? from[i] + later : to[i];
    if (others == 0)
        return;
    for (size_t i = 0; i < k && from[i] + later < to[k - 1]; i++)
        insert(to, k, from[i] + later);
}

static bool is_touched(const struct roads_spread *s, uint32_t rank)
{
    return s->touched[rank / 64] >> (rank % 64) & 1u;
}

static inline void copy(uint64_t *to, const uint64_t *from, size_t k)
{
    for (size_t i = 0; i < k; i++)
        to[i] = from[i];
}

static inline void nobody(const struct roads_spread *s, uint64_t *labels,
                          size_t k)
{
    for (size_t i = 0; i < k; i++)
        labels[i] = s->nobody;
}

/* The labels of a rank, none at first. */
static inline uint64_t *touch(struct roads_spread *s, uint32_t rank, size_t k)
{
    uint64_t *labels = s->labels + rank * k;
    if (!is_touched(s, rank)) {
        s->touched[rank / 64] |= UINT64_C(1) << (rank % 64);
        nobody(s, labels, k);
    }
    return labels;
}

/* --------------------------------------------------------------- the sweeps */
struct setting_out {
    struct roads_spread *spread;
    uint32_t slot;
};

static void start_at(void *context, uint32_t arc, uint32_t drive_ms)
{
    const struct setting_out *from = context;
    struct roads_spread *s = from->spread;
    const struct roads_hierarchy *h = atomic_load(&s->roads->hierarchy);
    uint64_t ms = (uint64_t)drive_ms + s->start_ms + s->late_ms[from->slot];
    if (ms <= s->limit_ms)
        insert(touch(s, h->rank[arc], s->k), s->k, ms << 32 | from->slot);
}

static enum pt_err start(struct roads_spread *s,
                         const struct roads_stand *stand, uint32_t slot)
{
    struct setting_out from = {s, slot};
    s->taken[slot / 64] |= UINT64_C(1) << (slot % 64);
    roads_leave(s->metric, stand, start_at, &from);
    return s->start_ms == 0 ? PT_OK
                            : roads_near_from(&s->near, s->metric, stand, slot,
                                              s->start_ms, s->share);
}

/* One rank's labels at a time are in `mine`, where the compiler can keep them
 * in registers: k is known when it inlines this. From the lowest rank on, those
 * that somebody has come to: */
static inline void sweep_up(struct roads_spread *s,
                            const struct roads_weights *w, size_t k)
{
    uint64_t mine[ROADS_SPREAD_MAX];
    for (uint32_t word = 0; word <= s->roads->arc_count / 64; word++) {
        uint64_t ahead = UINT64_MAX; /* more may be touched on the way */
        uint64_t bits;
        while ((bits = s->touched[word] & ahead) != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(bits);
            uint32_t v = 64 * word + bit;
            ahead = UINT64_MAX << bit << 1;
            copy(mine, s->labels + v * k, k);
            for (uint32_t e = w->first_out[v]; e < w->first_out[v + 1]; e++) {
                uint64_t later = (uint64_t)w->out[e].ms << 32;
                if (mine[0] + later < s->nobody)
                    merge(touch(s, w->out[e].head, k), mine, later, k);
            }
        }
    }
}

/* Whether anybody has come into a block of ranks, or may. */
static inline bool is_alive(const struct roads_spread *s,
                            const struct roads_weights *w, uint32_t block)
{
    if (s->touched[block] != 0)
        return true;
    for (uint32_t i = w->first_above[block]; i < w->first_above[block + 1]; i++)
        if (is_touched(s, w->above[i]))
            return true;
    return false;
}

static inline void sweep_block(struct roads_spread *s,
                               const struct roads_weights *w, uint32_t first,
                               uint32_t end, size_t k)
{
    uint64_t mine[ROADS_SPREAD_MAX];
    for (uint32_t v = end; v-- > first;) {
        if (is_touched(s, v))
            copy(mine, s->labels + v * k, k);
        else
            nobody(s, mine, k);
        for (uint32_t e = w->first_in[v]; e < w->first_in[v + 1]; e++)
            merge(mine, s->labels + w->in[e].head * k,
                  (uint64_t)w->in[e].ms << 32, k);
        copy(s->labels + v * k, mine, k);
        s->touched[v / 64] |= (uint64_t)(mine[0] != s->nobody) << (v % 64);
    }
}

static inline void sweep_down(struct roads_spread *s,
                              const struct roads_weights *w, size_t k)
{
    uint32_t ranks = s->roads->arc_count;
    for (uint32_t block = roads_blocks(ranks); block-- > 0;) {
        uint32_t first = block * ROADS_BLOCK;
        uint32_t end =
            first + ROADS_BLOCK < ranks ? first + ROADS_BLOCK : ranks;
        if (is_alive(s, w, block))
            sweep_block(s, w, first, end, k);
        else
            for (size_t i = first * k; i < end * k; i++)
                s->labels[i] = s->nobody;
    }
}

/* A ghost's arrivals are its street's. */
static void end_ghosts(struct roads_spread *s)
{
    const struct roads *roads = s->roads;
    const struct roads_hierarchy *h = atomic_load(&roads->hierarchy);
    for (uint32_t i = 0; i < roads->ghost_count; i++) {
        const struct roads_ghost *ghost = &roads->ghosts[i];
        uint32_t arc =
            roads->edges[ghost->directed >> 1].arc[ghost->directed & 1u];
        if (arc != ROADS_NONE)
            merge(s->labels + h->rank[arc] * s->k,
                  s->labels + h->rank[ghost->arc] * s->k, 0, s->k);
    }
}

static void sweep(struct roads_spread *s)
{
    const struct roads_weights *w = atomic_load(&s->metric->weights);
    if (s->k == ROADS_USUAL_K) { /* known when compiled: nearly twice as fast */
        sweep_up(s, w, ROADS_USUAL_K);
        sweep_down(s, w, ROADS_USUAL_K);
    } else {
        sweep_up(s, w, s->k);
        sweep_down(s, w, s->k);
    }
    end_ghosts(s);
}

enum pt_err
roads_spread_run(struct roads_spread *spread, const struct roads_metric *metric,
                 const struct roads_standing *standing, uint32_t limit_ms,
                 bool (*wanted)(void *context, uint32_t slot), void *context)
{
    struct roads_spread *s = spread;
    enum pt_err err = PT_OK;
    if (metric->roads != s->roads || standing->roads != s->roads ||
        standing->max_slots > s->max_slots || !roads_prepared(metric))
        return PT_E_RANGE;
    struct roads_metric *before = s->metric;
    s->metric = roads_metric_ref(metric);
    roads_metric_unref(before);
    s->limit_ms = limit_ms < ROADS_FAR ? limit_ms : ROADS_FAR - 1;
    s->nobody = (uint64_t)s->limit_ms << 32 | ROADS_NONE;
    roads_near_forget(&s->near);
    memset(s->touched, 0, (s->roads->arc_count / 64 + 1) * sizeof(*s->touched));
    memset(s->taken, 0, (s->max_slots / 64 + 1) * sizeof(*s->taken));
    for (uint32_t slot = 0; slot < standing->max_slots && err == PT_OK;
         slot++) {
        if (standing->slots[slot].edge != ROADS_NONE &&
            (wanted == NULL || wanted(context, slot)))
            err = start(s, &standing->slots[slot], slot);
    }
    sweep(s); /* also of what there was no memory for: all labels are known */
    nobody(s, s->labels + (size_t)s->roads->arc_count * s->k, s->k);
    return err;
}

/* ------------------------------------------------------------ the arrivals */
/* `drive_ms` by road brings a slot to a place. */
static inline void arrive(const struct roads_spread *s, uint64_t *labels,
                          size_t k, uint32_t slot, uint32_t drive_ms)
{
    uint64_t ms =
        (uint64_t)drive_ms + s->late_ms[slot] +
        (s->start_ms == 0 ? 0
                          : roads_start_of(drive_ms, s->start_ms, s->share));
    if (ms <= s->limit_ms)
        insert(labels, k, ms << 32 | slot);
}

/* Those who come to a place along its edge from the start of it. */
static inline void come(const struct roads_spread *s, uint32_t arc,
                        uint32_t on_ms, uint64_t *labels, size_t k)
{
    const struct roads_hierarchy *h = atomic_load(&s->roads->hierarchy);
    merge(labels, s->labels + h->rank[arc] * k, (uint64_t)on_ms << 32, k);
    for (uint32_t i = s->near.first[arc]; i != ROADS_NONE;
         i = s->near.found[i].next)
        arrive(s, labels, k, s->near.found[i].slot,
               s->near.found[i].drive_ms + on_ms);
}

/* Those who have the place before them on its own edge. */
static void come_straight(const struct roads_spread *s,
                          const struct roads_standing *standing,
                          const struct roads_place *place, uint32_t way,
                          uint32_t ms, uint64_t *labels)
{
    double goal = roads_travelled(way, place->fraction);
    uint32_t slot = standing->first[place->edge];
    for (; slot != ROADS_NONE; slot = standing->slots[slot].next) {
        double gone = roads_travelled(way, standing->slots[slot].fraction);
        if (gone <= goal && s->taken[slot / 64] >> (slot % 64) & 1u)
            arrive(s, labels, s->k, slot,
                   roads_ms_to(ms, goal) - roads_ms_to(ms, gone));
    }
}

static inline void gather(const struct roads_spread *s,
                          const struct roads_standing *standing,
                          const struct roads_place *place, uint64_t *labels,
                          size_t k)
{
    nobody(s, labels, k);
    if (s->metric == NULL || !roads_place_valid(s->roads, place))
        return;
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = s->roads->edges[place->edge].arc[way];
        uint32_t ms = arc == ROADS_NONE ? ROADS_NONE : s->metric->ms[arc];
        if (ms == ROADS_NONE)
            continue;
        come(s, arc, roads_ms_to(ms, roads_travelled(way, place->fraction)),
             labels, k);
        if (standing->first[place->edge] != ROADS_NONE)
            come_straight(s, standing, place, way, ms, labels);
    }
}

void roads_spread_to(const struct roads_spread *spread,
                     const struct roads_standing *standing,
                     const struct roads_place *place, struct roads_reach *ret)
{
    uint64_t labels[ROADS_SPREAD_MAX];
    if (spread->k == ROADS_USUAL_K)
        gather(spread, standing, place, labels, ROADS_USUAL_K);
    else
        gather(spread, standing, place, labels, spread->k);
    for (size_t i = 0; i < spread->k; i++)
        ret[i] = (uint32_t)labels[i] == ROADS_NONE
                     ? (struct roads_reach){ROADS_NONE, ROADS_NONE}
                     : (struct roads_reach){(uint32_t)(labels[i] >> 32),
                                            (uint32_t)labels[i]};
}

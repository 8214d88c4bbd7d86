/* Places by the thousand, and how many arrive at each. What is asked of each
 * is little; the time goes into coming to its labels in memory. So the places
 * lie here in the order of the labels, with no more than is needed of each. */
#include "spread_internal.h"
#include <stdlib.h>
#include <string.h>

/* A way that cannot be driven comes from a rank where nobody is. */
struct prepared {
    uint32_t rank[2];  /* of the arcs of its edge; arc_count: none */
    uint32_t on_ms[2]; /* from their starts */
    uint32_t limit_ms;
    uint32_t index; /* among those that were given */
};

struct roads_places {
    struct roads_metric *metric;
    size_t count;
    size_t item_count;      /* of those that anybody may come to */
    struct prepared *items; /* by rank */
    struct roads_place *places;
    uint64_t *close; /* a bit for each rank: ask roads_spread_to() */
};

void roads_places_free(struct roads_places *places)
{
    if (places == NULL)
        return;
    roads_metric_unref(places->metric);
    free(places->items);
    free(places->places);
    free(places->close);
    free(places);
}

static struct prepared prepare(const struct roads_metric *metric,
                               const struct roads_place *place,
                               uint32_t limit_ms, uint32_t index)
{
    const struct roads *roads = metric->roads;
    const struct roads_hierarchy *h = atomic_load(&roads->hierarchy);
    struct prepared p = {.rank = {roads->arc_count, roads->arc_count},
                         .limit_ms = limit_ms,
                         .index = index};
    for (uint32_t way = 0; way < 2; way++) {
        uint32_t arc = roads->edges[place->edge].arc[way];
        uint32_t ms = arc == ROADS_NONE ? ROADS_NONE : metric->ms[arc];
        if (ms == ROADS_NONE)
            continue;
        p.rank[way] = h->rank[arc];
        p.on_ms[way] = roads_ms_to(ms, roads_travelled(way, place->fraction));
    }
    return p;
}

static int by_rank(const void *a, const void *b)
{
    const struct prepared *x = a;
    const struct prepared *y = b;
    if (x->rank[0] != y->rank[0])
        return x->rank[0] < y->rank[0] ? -1 : 1;
    return x->rank[1] < y->rank[1] ? -1 : x->rank[1] > y->rank[1];
}

enum pt_err roads_places_new(const struct roads_metric *metric,
                             const struct roads_place *places,
                             const uint32_t *limit_ms, size_t count,
                             struct roads_places **ret)
{
    if (count >= UINT32_MAX || !roads_prepared(metric))
        return PT_E_RANGE;
    struct roads_places *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return PT_E_NOMEM;
    p->metric = roads_metric_ref(metric);
    p->count = count;
    p->items = calloc(count + 1, sizeof(*p->items));
    p->places = calloc(count + 1, sizeof(*p->places));
    p->close = calloc(metric->roads->arc_count / 64 + 1, sizeof(*p->close));
    if (p->items == NULL || p->places == NULL || p->close == NULL) {
        roads_places_free(p);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        p->places[i] = places[i];
        if (limit_ms[i] > 0 && roads_place_valid(metric->roads, &places[i]))
            p->items[p->item_count++] =
                prepare(metric, &places[i], limit_ms[i], (uint32_t)i);
    }
    qsort(p->items, p->item_count, sizeof(*p->items), by_rank);
    *ret = p;
    return PT_OK;
}

/* ------------------------------------------------------------------ counting
 */
static void mark(struct roads_places *p, uint32_t arc)
{
    const struct roads_hierarchy *h = atomic_load(&p->metric->roads->hierarchy);
    if (arc != ROADS_NONE)
        p->close[h->rank[arc] / 64] |= UINT64_C(1) << (h->rank[arc] % 64);
}

/* Near its start a drive takes less than the labels say, and who stands on a
 * place's own edge is in none of them: there it is asked one by one. */
static void mark_close(struct roads_places *p, const struct roads_spread *s,
                       const struct roads_standing *standing)
{
    const struct roads *roads = p->metric->roads;
    memset(p->close, 0, (roads->arc_count / 64 + 1) * sizeof(*p->close));
    for (size_t i = 0; i < s->near.count; i++)
        mark(p, s->near.found[i].arc);
    for (size_t slot = 0; slot < standing->max_slots; slot++) {
        uint32_t edge = standing->slots[slot].edge;
        for (uint32_t way = 0; edge != ROADS_NONE && way < 2; way++)
            mark(p, roads->edges[edge].arc[way]);
    }
}

static bool is_close(const struct roads_places *p, uint32_t rank)
{
    return p->close[rank / 64] >> (rank % 64) & 1u;
}

/* What a label must be below to be there in time by that way. */
static inline uint64_t before(uint32_t limit_ms, uint32_t on_ms)
{
    return limit_ms < on_ms ? 0
                            : (uint64_t)(limit_ms - on_ms) << 32 | ROADS_NONE;
}

static inline size_t count_before(const uint64_t *labels, uint64_t limit,
                                  size_t k)
{
    size_t count = 0;
    while (count < k && labels[count] < limit)
        count++;
    return count;
}

/* Who comes both ways counts once. */
static inline size_t count_both(const uint64_t *a, size_t a_count,
                                const uint64_t *b, size_t b_count)
{
    size_t count = a_count;
    for (size_t i = 0; i < b_count; i++) {
        bool other = true;
        for (size_t j = 0; j < a_count; j++)
            other &= (uint32_t)a[j] != (uint32_t)b[i];
        count += other;
    }
    return count;
}

static inline size_t count_at(const struct roads_spread *s,
                              const struct prepared *p, size_t k)
{
    const uint64_t *a = s->labels + p->rank[0] * k;
    const uint64_t *b = s->labels + p->rank[1] * k;
    uint32_t limit_ms = p->limit_ms < s->limit_ms ? p->limit_ms : s->limit_ms;
    size_t a_count = count_before(a, before(limit_ms, p->on_ms[0]), k);
    if (a_count == k)
        return k;
    size_t b_count = count_before(b, before(limit_ms, p->on_ms[1]), k);
    if (a_count == 0 || b_count == 0)
        return a_count + b_count;
    size_t count = count_both(a, a_count, b, b_count);
    return count < k ? count : k;
}

static size_t count_close(const struct roads_spread *s,
                          const struct roads_standing *standing,
                          const struct roads_place *place, uint32_t limit_ms)
{
    struct roads_reach first[ROADS_SPREAD_MAX];
    size_t count = 0;
    roads_spread_to(s, standing, place, first);
    while (count < s->k && first[count].slot != ROADS_NONE &&
           first[count].ms <= limit_ms)
        count++;
    return count;
}

static inline void count_all(const struct roads_places *p,
                             const struct roads_spread *s,
                             const struct roads_standing *standing,
                             uint8_t *within, size_t k)
{
    for (size_t i = 0; i < p->item_count; i++) {
        const struct prepared *item = &p->items[i];
        if (is_close(p, item->rank[0]) || is_close(p, item->rank[1]))
            within[item->index] = (uint8_t)count_close(
                s, standing, &p->places[item->index], item->limit_ms);
        else
            within[item->index] = (uint8_t)count_at(s, item, k);
    }
}

enum pt_err roads_spread_count(const struct roads_spread *spread,
                               const struct roads_standing *standing,
                               struct roads_places *places, uint8_t *within)
{
    const struct roads_spread *s = spread;
    if (s->metric != places->metric)
        return PT_E_RANGE;
    memset(within, 0, places->count);
    mark_close(places, s, standing);
    if (s->k == ROADS_USUAL_K)
        count_all(places, s, standing, within, ROADS_USUAL_K);
    else
        count_all(places, s, standing, within, s->k);
    return PT_OK;
}

/* A metric's times on the edges of the hierarchy (Dibbelt, Strasser, Wagner,
 * "Customizable contraction hierarchies", 2016, sections 7.2 and 7.5).
 *
 * Upwards over the ranks: an edge between two ranks is no slower than the way
 * over a lower one that both are joined to. Then downwards: nor than the way
 * over a higher one; what becomes faster by that is needed by no search, and
 * is left out, as is what nobody can drive. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

/* Both ways of an edge side by side: they are looked at together. */
struct pair {
    uint32_t up; /* from the lower rank */
    uint32_t down;
};

struct times { /* of each edge of the hierarchy */
    struct pair *ms;
    struct pair *middle;
};

static inline uint32_t sum(uint32_t a, uint32_t b)
{
    uint32_t ms = a + b; /* ROADS_FAR at most each: fits */
    return ms < ROADS_FAR ? ms : ROADS_FAR;
}

/* The hierarchy's edge between two ranks that it joins. */
static uint32_t edge_between(const struct roads_hierarchy *h, uint32_t low,
                             uint32_t high)
{
    uint32_t begin = h->first[low];
    uint32_t end = h->first[low + 1];
    while (end - begin > 1) {
        uint32_t middle = begin + (end - begin) / 2;
        if (h->head[middle] <= high)
            begin = middle;
        else
            end = middle;
    }
    return begin;
}

/* A turn, with the arc before it, is the way from start to start. */
static void take_turns(const struct roads_metric *metric, struct times *t)
{
    const struct roads *roads = metric->roads;
    const struct roads_hierarchy *h = roads->hierarchy;
    for (uint32_t to = 0; to < roads->arc_count; to++) {
        const struct roads_arc *arc = &roads->arcs[to];
        const uint8_t *turn = roads_turns_of(roads, arc);
        for (uint32_t in = roads->first_in[arc->tail];
             in < roads->first_in[arc->tail + 1]; in++, turn++) {
            uint32_t cost = roads_turn_cost(metric, *turn, in);
            if (cost == ROADS_NONE || in == to ||
                metric->ms[in] == ROADS_NONE || metric->ms[to] == ROADS_NONE)
                continue;
            uint32_t a = h->rank[in];
            uint32_t b = h->rank[to];
            uint32_t ms = sum(metric->ms[in], cost);
            if (a < b)
                t->ms[edge_between(h, a, b)].up = ms;
            else
                t->ms[edge_between(h, b, a)].down = ms;
        }
    }
}

#define NOT_NEEDED (ROADS_NONE - 1) /* as a middle */

/* For each triangle low < x < y of the hierarchy, with its edges. */
struct triangle {
    uint32_t low, vx, vy, xy;
};

static inline void lower_by_low(struct times *t, const struct triangle *a)
{
    struct pair vx = t->ms[a->vx], vy = t->ms[a->vy];
    uint32_t up = sum(vx.down, vy.up);
    uint32_t down = sum(vy.down, vx.up);
    if (up < t->ms[a->xy].up) {
        t->ms[a->xy].up = up;
        t->middle[a->xy].up = a->low;
    }
    if (down < t->ms[a->xy].down) {
        t->ms[a->xy].down = down;
        t->middle[a->xy].down = a->low;
    }
}

static inline void lower_one(uint32_t *ms, uint32_t *middle, uint32_t by_way)
{
    if (by_way < *ms) {
        *ms = by_way;
        *middle = NOT_NEEDED;
    }
}

static inline void lower_by_high(struct times *t, const struct triangle *a)
{
    struct pair xy = t->ms[a->xy];
    struct pair *vx = &t->ms[a->vx], *vy = &t->ms[a->vy];
    lower_one(&vx->up, &t->middle[a->vx].up, sum(vy->up, xy.down));
    lower_one(&vy->up, &t->middle[a->vy].up, sum(vx->up, xy.up));
    lower_one(&vx->down, &t->middle[a->vx].down, sum(xy.up, vy->down));
    lower_one(&vy->down, &t->middle[a->vy].down, sum(xy.down, vx->down));
}

/* The triangles whose lowest rank is `v`. The edges of x hold all that v has
 * above x, in the same order. */
static inline void
each_triangle(const struct roads_hierarchy *h, uint32_t v, struct times *t,
              void (*call)(struct times *t, const struct triangle *a))
{
    uint32_t end = h->first[v + 1];
    for (uint32_t vx = h->first[v]; vx < end; vx++) {
        uint32_t xy = h->first[h->head[vx]];
        for (uint32_t vy = vx + 1; vy < end; vy++) {
            while (h->head[xy] != h->head[vy])
                xy++;
            call(t, &(struct triangle){v, vx, vy, xy});
        }
    }
}

static bool needed(uint32_t ms, uint32_t middle)
{
    return ms < ROADS_FAR && middle != NOT_NEEDED;
}

static void write_needed(const struct roads_hierarchy *h, uint32_t arcs,
                         const struct times *t, struct roads_weights *w)
{
    uint32_t out = 0;
    uint32_t in = 0;
    for (uint32_t v = 0; v < arcs; v++) {
        w->first_out[v] = out;
        w->first_in[v] = in;
        for (uint32_t e = h->first[v]; e < h->first[v + 1]; e++) {
            if (needed(t->ms[e].up, t->middle[e].up)) {
                w->out[out] = (struct roads_up){h->head[e], t->ms[e].up};
                w->out_middle[out++] = t->middle[e].up;
            }
            if (needed(t->ms[e].down, t->middle[e].down)) {
                w->in[in] = (struct roads_up){h->head[e], t->ms[e].down};
                w->in_middle[in++] = t->middle[e].down;
            }
        }
    }
    w->first_out[arcs] = out;
    w->first_in[arcs] = in;
}

/* Finds, or with `writing` writes, what lies above each block. `seen` has
 * for each rank the last block, from 1 on, above which it was. */
static void list_above(uint32_t arcs, struct roads_weights *w, uint32_t *seen,
                       bool writing)
{
    uint32_t count = 0;
    memset(seen, 0, arcs * sizeof(*seen));
    for (uint32_t b = 0; b < roads_blocks(arcs); b++) {
        uint32_t end = (b + 1) * ROADS_BLOCK;
        end = end < arcs ? end : arcs;
        w->first_above[b] = count;
        for (uint32_t e = w->first_in[b * ROADS_BLOCK]; e < w->first_in[end];
             e++) {
            uint32_t head = w->in[e].head;
            if (head < end || seen[head] == b + 1)
                continue;
            seen[head] = b + 1;
            if (writing)
                w->above[count] = head;
            count++;
        }
    }
    w->first_above[roads_blocks(arcs)] = count;
}

static enum pt_err find_above(uint32_t arcs, struct roads_weights *w)
{
    uint32_t blocks = roads_blocks(arcs);
    uint32_t *seen = calloc((size_t)arcs + 1, sizeof(*seen));
    w->first_above = calloc((size_t)blocks + 1, sizeof(*w->first_above));
    if (seen != NULL && w->first_above != NULL) {
        list_above(arcs, w, seen, false);
        w->above =
            calloc((size_t)w->first_above[blocks] + 1, sizeof(*w->above));
    }
    if (w->above != NULL)
        list_above(arcs, w, seen, true);
    free(seen);
    if (w->above == NULL)
        return PT_E_NOMEM;
    w->bytes +=
        ((size_t)blocks + w->first_above[blocks] + 2) * sizeof(uint32_t);
    return PT_OK;
}

static enum pt_err keep_needed(const struct roads_metric *metric,
                               const struct times *t,
                               struct roads_weights **ret)
{
    const struct roads_hierarchy *h = metric->roads->hierarchy;
    uint32_t arcs = metric->roads->arc_count;
    struct roads_weights *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return PT_E_NOMEM;
    size_t out = 0;
    size_t in = 0;
    for (uint32_t e = 0; e < h->first[arcs]; e++) {
        out += needed(t->ms[e].up, t->middle[e].up);
        in += needed(t->ms[e].down, t->middle[e].down);
    }
    w->first_out = calloc((size_t)arcs + 1, sizeof(*w->first_out));
    w->first_in = calloc((size_t)arcs + 1, sizeof(*w->first_in));
    w->out = calloc(out + 1, sizeof(*w->out));
    w->in = calloc(in + 1, sizeof(*w->in));
    w->out_middle = calloc(out + 1, sizeof(*w->out_middle));
    w->in_middle = calloc(in + 1, sizeof(*w->in_middle));
    if (w->first_out == NULL || w->first_in == NULL || w->out == NULL ||
        w->in == NULL || w->out_middle == NULL || w->in_middle == NULL) {
        roads_weights_free(w);
        return PT_E_NOMEM;
    }
    write_needed(h, arcs, t, w);
    w->bytes = sizeof(*w) + 2 * ((size_t)arcs + 1) * sizeof(uint32_t) +
               (out + in + 2) * (sizeof(*w->out) + sizeof(uint32_t));
    enum pt_err err = find_above(arcs, w);
    if (err != PT_OK)
        roads_weights_free(w);
    else
        *ret = w;
    return err;
}

enum pt_err roads_weights_new(const struct roads_metric *metric,
                              struct roads_weights **ret)
{
    const struct roads_hierarchy *h = metric->roads->hierarchy;
    uint32_t arcs = metric->roads->arc_count;
    size_t edges = (size_t)h->first[arcs] + 1;
    struct times t = {.ms = malloc(edges * sizeof(*t.ms)),
                      .middle = malloc(edges * sizeof(*t.middle))};
    enum pt_err err = PT_E_NOMEM;
    if (t.ms == NULL || t.middle == NULL)
        goto out;
    for (size_t e = 0; e < edges; e++) {
        t.ms[e] = (struct pair){ROADS_FAR, ROADS_FAR};
        t.middle[e] = (struct pair){ROADS_NONE, ROADS_NONE};
    }
    take_turns(metric, &t);
    for (uint32_t v = 0; v < arcs; v++)
        each_triangle(h, v, &t, lower_by_low);
    for (uint32_t v = arcs; v-- > 0;)
        each_triangle(h, v, &t, lower_by_high);
    err = keep_needed(metric, &t, ret);
out:
    free(t.ms);
    free(t.middle);
    return err;
}

void roads_weights_free(struct roads_weights *weights)
{
    if (weights == NULL)
        return;
    free(weights->first_out);
    free(weights->first_in);
    free(weights->out);
    free(weights->in);
    free(weights->out_middle);
    free(weights->in_middle);
    free(weights->first_above);
    free(weights->above);
    free(weights);
}

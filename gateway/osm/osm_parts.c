/* The parts of a network within which one gets everywhere: strongly connected
 * components, by Tarjan's algorithm (SIAM Journal on Computing 1, 1972) with
 * a stack of its own, for streets are deeper than the C stack. */
#include "osm.h"
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct search {
    const struct osm_network *network;
    const uint32_t (*ms)[2];
    uint32_t *first; /* of each node: its ways out begin here */
    uint32_t *heads; /* where they lead */
    uint32_t *order; /* in which nodes were come to; NONE: not yet */
    uint32_t *low;
    uint32_t *next;  /* the way out to look at next */
    uint32_t *open;  /* nodes whose part is not known yet */
    uint32_t *trail; /* nodes from the start to here */
    uint32_t *part;
    uint32_t open_count, part_count, order_count;
};

static enum pt_err make_room(struct search *s)
{
    size_t nodes = s->network->node_count + 2;
    size_t ways = s->network->edge_count * 2 + 1;
    s->first = calloc(nodes, sizeof *s->first);
    s->heads = malloc(ways * sizeof *s->heads);
    s->order = malloc(nodes * sizeof *s->order);
    s->low = malloc(nodes * sizeof *s->low);
    s->next = malloc(nodes * sizeof *s->next);
    s->open = malloc(nodes * sizeof *s->open);
    s->trail = malloc(nodes * sizeof *s->trail);
    s->part = malloc(nodes * sizeof *s->part);
    if (s->first == NULL || s->heads == NULL || s->order == NULL ||
        s->low == NULL || s->next == NULL || s->open == NULL ||
        s->trail == NULL || s->part == NULL)
        return PT_E_NOMEM;
    memset(s->order, 0xff, nodes * sizeof *s->order);
    memset(s->part, 0xff, nodes * sizeof *s->part);
    return PT_OK;
}

static void list_ways(struct search *s)
{
    const struct osm_network *network = s->network;
    for (size_t e = 0; e < network->edge_count; e++) {
        const struct osm_edge *edge = &network->edges[e];
        s->first[edge->source + 2] += s->ms[e][0] > 0;
        s->first[edge->target + 2] += s->ms[e][1] > 0;
    }
    for (size_t n = 2; n < network->node_count + 2; n++)
        s->first[n] += s->first[n - 1];
    for (size_t e = 0; e < network->edge_count; e++) {
        const struct osm_edge *edge = &network->edges[e];
        if (s->ms[e][0] > 0)
            s->heads[s->first[edge->source + 1]++] = edge->target;
        if (s->ms[e][1] > 0)
            s->heads[s->first[edge->target + 1]++] = edge->source;
    }
}

static void come_to(struct search *s, uint32_t node)
{
    s->order[node] = s->low[node] = s->order_count++;
    s->next[node] = s->first[node];
    s->open[s->open_count++] = node;
}

static void close_part(struct search *s, uint32_t root)
{
    uint32_t node;
    do {
        node = s->open[--s->open_count];
        s->part[node] = s->part_count;
    } while (node != root);
    s->part_count++;
}

/* Everything that can be come to from `start`. */
static void walk(struct search *s, uint32_t start)
{
    uint32_t depth = 0;
    s->trail[depth++] = start;
    come_to(s, start);
    while (depth > 0) {
        uint32_t node = s->trail[depth - 1];
        if (s->next[node] < s->first[node + 1]) {
            uint32_t head = s->heads[s->next[node]++];
            if (s->order[head] == NONE) {
                s->trail[depth++] = head;
                come_to(s, head);
            } else if (s->part[head] == NONE && s->order[head] < s->low[node]) {
                s->low[node] = s->order[head];
            }
            continue;
        }
        depth--;
        if (s->low[node] == s->order[node])
            close_part(s, node);
        if (depth > 0 && s->low[node] < s->low[s->trail[depth - 1]])
            s->low[s->trail[depth - 1]] = s->low[node];
    }
}

/* ------------------------------------------------------------------- summary
 */
struct ranked {
    struct osm_part part;
    double longest_m;
    uint32_t number;
};

static int by_length(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->part.length_m != right->part.length_m)
        return left->part.length_m > right->part.length_m ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static void measure(const struct search *s, struct ranked *ranked)
{
    const struct osm_network *network = s->network;
    for (uint32_t p = 0; p < s->part_count; p++)
        ranked[p] = (struct ranked){.number = p, .longest_m = -1};
    for (size_t e = 0; e < network->edge_count; e++) {
        const struct osm_edge *edge = &network->edges[e];
        uint32_t part = s->part[edge->source];
        if (part != s->part[edge->target] ||
            (s->ms[e][0] == 0 && s->ms[e][1] == 0))
            continue;
        struct ranked *of = &ranked[part];
        double length_m = (double)edge->length_m;
        of->part.edge_count++;
        of->part.length_m += length_m;
        if (length_m > of->longest_m) {
            of->longest_m = length_m;
            of->part.at = network->nodes[edge->source].at;
        }
    }
}

static enum pt_err rank(const struct search *s, struct osm_parts *parts)
{
    size_t count = (size_t)s->part_count + 1;
    struct ranked *ranked = malloc(count * sizeof *ranked);
    uint32_t *place = malloc(count * sizeof *place);
    parts->items = malloc(count * sizeof *parts->items);
    parts->of_node = malloc((s->network->node_count + 1) * sizeof(uint32_t));
    enum pt_err err = PT_E_NOMEM;
    if (ranked == NULL || place == NULL || parts->items == NULL ||
        parts->of_node == NULL)
        goto done;
    measure(s, ranked);
    if (s->part_count > 0)
        qsort(ranked, s->part_count, sizeof *ranked, by_length);
    for (uint32_t p = 0; p < s->part_count; p++) {
        bool has_edges = ranked[p].part.edge_count > 0;
        place[ranked[p].number] = has_edges ? (uint32_t)parts->count : NONE;
        if (has_edges)
            parts->items[parts->count++] = ranked[p].part;
    }
    for (size_t n = 0; n < s->network->node_count; n++)
        parts->of_node[n] = place[s->part[n]];
    err = PT_OK;
done:
    free(ranked);
    free(place);
    return err;
}

enum pt_err osm_find_parts(const struct osm_network *network,
                           const uint32_t (*ms)[2], struct osm_parts *ret)
{
    struct search search = {.network = network, .ms = ms};
    struct osm_parts parts = {0};
    enum pt_err err = make_room(&search);
    if (err == PT_OK) {
        list_ways(&search);
        for (uint32_t n = 0; n < network->node_count; n++) {
            if (search.order[n] == NONE)
                walk(&search, n);
        }
        err = rank(&search, &parts);
    }
    if (err == PT_OK)
        *ret = parts;
    else
        osm_parts_clear(&parts);
    free(search.first);
    free(search.heads);
    free(search.order);
    free(search.low);
    free(search.next);
    free(search.open);
    free(search.trail);
    free(search.part);
    return err;
}

void osm_parts_clear(struct osm_parts *parts)
{
    free(parts->items);
    free(parts->of_node);
    *parts = (struct osm_parts){0};
}

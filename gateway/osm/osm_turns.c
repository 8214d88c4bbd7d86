/* Restrictions become forbidden turns: pairs of directed edges that meet at
 * the via node. */
#include "osm_internal.h"
#include <stdlib.h>

/* A directed edge: 2 * edge + (0 forward | 1 backward). */
struct turns {
    struct osm_work *work;
    struct osm_network *network;
    uint32_t *first; /* of each vertex: its ends begin here */
    uint32_t *ends;  /* directed edges that leave the vertex, if allowed */
    size_t turn_room;
};

static bool allowed(const struct turns *turns, uint32_t directed)
{
    const struct osm_edge *edge = &turns->network->edges[directed / 2];
    return (directed % 2 == 0 ? edge->forward_ms : edge->backward_ms) > 0;
}

static uint32_t start_of(const struct osm_network *network, uint32_t directed)
{
    const struct osm_edge *edge = &network->edges[directed / 2];
    return directed % 2 == 0 ? edge->source : edge->target;
}

/* Every edge leaves both of its ends; by counting, so linear. */
static enum pt_err list_ends(struct turns *turns)
{
    struct osm_network *network = turns->network;
    size_t ends = network->edge_count * 2;
    turns->first = calloc(network->node_count + 2, sizeof *turns->first);
    turns->ends = malloc((ends + 1) * sizeof *turns->ends);
    if (turns->first == NULL || turns->ends == NULL)
        return PT_E_NOMEM;
    for (uint32_t d = 0; d < ends; d++)
        turns->first[start_of(network, d) + 2]++;
    for (size_t n = 2; n < network->node_count + 2; n++)
        turns->first[n] += turns->first[n - 1];
    for (uint32_t d = 0; d < ends; d++)
        turns->ends[turns->first[start_of(network, d) + 1]++] = d;
    return PT_OK;
}

/* The directed edge of `way` that leaves `vertex` (or with `enters`, that
 * arrives there) when there is exactly one; `count` says how many. */
static uint32_t member_edge(const struct turns *turns,
                            const struct osm_way *way, uint32_t vertex,
                            bool enters, size_t *count)
{
    uint32_t found = UINT32_MAX;
    *count = 0;
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t directed = turns->ends[i] ^ (enters ? 1u : 0u);
        uint32_t edge = directed / 2;
        if (edge < way->first_edge ||
            edge - way->first_edge >= way->edge_count ||
            !allowed(turns, directed))
            continue;
        found = directed;
        ++*count;
    }
    return found;
}

static enum pt_err forbid(struct turns *turns, uint32_t from, uint32_t to,
                          int64_t relation_id)
{
    struct osm_network *network = turns->network;
    enum pt_err err = osm_grow((void **)&network->turns, &turns->turn_room,
                               network->turn_count, 1, sizeof *network->turns);
    if (err != PT_OK)
        return err;
    network->turns[network->turn_count++] = (struct osm_turn){
        .from_edge = from / 2,
        .to_edge = to / 2,
        .from_forward = from % 2 == 0,
        .to_forward = to % 2 == 0,
        .relation_id = relation_id,
    };
    return PT_OK;
}

/* "Only there" forbids every other way on, the way back included. */
static enum pt_err forbid_others(struct turns *turns, uint32_t from,
                                 uint32_t to, uint32_t vertex,
                                 int64_t relation_id)
{
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t other = turns->ends[i];
        if (other == to || !allowed(turns, other))
            continue;
        enum pt_err err = forbid(turns, from, other, relation_id);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

/* A U-turn forbidden within one way: back along each of its edges at the
 * via node, wherever the way goes on. */
static enum pt_err forbid_turning_back(struct turns *turns,
                                       const struct osm_way *way,
                                       uint32_t vertex, int64_t relation_id)
{
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t out = turns->ends[i];
        uint32_t edge = out / 2;
        if (edge < way->first_edge ||
            edge - way->first_edge >= way->edge_count || !allowed(turns, out) ||
            !allowed(turns, out ^ 1u))
            continue;
        enum pt_err err = forbid(turns, out ^ 1u, out, relation_id);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

/* One `from` and one `to`. Where a member goes on beyond the via node in
 * both directions, the relation does not say which half it means. */
static enum pt_err apply_pair(struct turns *turns,
                              const struct osm_restriction *restriction,
                              const struct osm_way *from,
                              const struct osm_way *to, uint32_t vertex,
                              bool *ambiguous)
{
    size_t from_count;
    size_t to_count;
    if (restriction->sort == OSM_FORBIDS_U_TURN && from == to)
        return forbid_turning_back(turns, from, vertex,
                                   restriction->relation_id);
    uint32_t in = member_edge(turns, from, vertex, true, &from_count);
    uint32_t out = member_edge(turns, to, vertex, false, &to_count);
    if (from_count == 0 || to_count == 0)
        return PT_OK; /* a one-way already forbids it */
    if (from_count > 1 || to_count > 1) {
        *ambiguous = true;
        return PT_OK;
    }
    if (restriction->sort == OSM_DEMANDS)
        return forbid_others(turns, in, out, vertex, restriction->relation_id);
    return forbid(turns, in, out, restriction->relation_id);
}

static enum pt_err apply(struct turns *turns,
                         const struct osm_restriction *restriction,
                         uint32_t vertex)
{
    struct osm_work *work = turns->work;
    const int64_t *from = work->members + restriction->first_member;
    const int64_t *to = from + restriction->from_count;
    size_t before = turns->network->turn_count;
    bool off = false;
    bool ambiguous = false;
    for (uint32_t f = 0; f < restriction->from_count; f++) {
        for (uint32_t t = 0; t < restriction->to_count; t++) {
            const struct osm_way *from_way = osm_find_way(work, from[f]);
            const struct osm_way *to_way = osm_find_way(work, to[t]);
            off = from_way == NULL || to_way == NULL;
            if (off)
                continue;
            enum pt_err err = apply_pair(turns, restriction, from_way, to_way,
                                         vertex, &ambiguous);
            if (err != PT_OK)
                return err;
        }
    }
    work->tally[turns->network->turn_count > before ? OSM_RESTRICTIONS_KEPT
                : ambiguous                         ? OSM_RESTRICTIONS_AMBIGUOUS
                : off ? OSM_RESTRICTIONS_OFF_NETWORK
                      : OSM_RESTRICTIONS_IDLE]++;
    return PT_OK;
}

static int by_turn(const void *a, const void *b)
{
    const struct osm_turn *left = a;
    const struct osm_turn *right = b;
    uint64_t l = (uint64_t)left->from_edge << 32 | left->to_edge;
    uint64_t r = (uint64_t)right->from_edge << 32 | right->to_edge;
    if (l != r)
        return l < r ? -1 : 1;
    int ways = (left->from_forward * 2 + left->to_forward) -
               (right->from_forward * 2 + right->to_forward);
    if (ways != 0)
        return ways;
    return left->relation_id < right->relation_id   ? -1
           : left->relation_id > right->relation_id ? 1
                                                    : 0;
}

/* Two relations may forbid the same turn; the lower one is named. */
static void drop_repeats(struct osm_network *network)
{
    size_t kept = 0;
    if (network->turn_count > 0)
        qsort(network->turns, network->turn_count, sizeof *network->turns,
              by_turn);
    for (size_t i = 0; i < network->turn_count; i++) {
        const struct osm_turn *turn = &network->turns[i];
        const struct osm_turn *last =
            kept > 0 ? &network->turns[kept - 1] : NULL;
        if (last != NULL && last->from_edge == turn->from_edge &&
            last->to_edge == turn->to_edge &&
            last->from_forward == turn->from_forward &&
            last->to_forward == turn->to_forward)
            continue;
        network->turns[kept++] = *turn;
    }
    network->turn_count = kept;
}

enum pt_err osm_turns(struct osm_work *work, const uint32_t *vertex,
                      struct osm_network *network)
{
    struct turns turns = {.work = work, .network = network};
    enum pt_err err = list_ends(&turns);
    for (size_t i = 0; err == PT_OK && i < work->restriction_count; i++) {
        const struct osm_restriction *restriction = &work->restrictions[i];
        uint32_t node = osm_node_index(work, restriction->via);
        if (node == OSM_NO_NODE || vertex[node] == OSM_NO_NODE)
            work->tally[OSM_RESTRICTIONS_OFF_NETWORK]++;
        else
            err = apply(&turns, restriction, vertex[node]);
    }
    drop_repeats(network);
    free(turns.first);
    free(turns.ends);
    return err;
}

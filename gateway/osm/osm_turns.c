/* Restrictions become forbidden sequences of directed edges. A directed edge
 * is 2 * edge + (0 forward | 1 backward). */
#include "osm_turns_internal.h"
#include "pt_room.h"
#include <stdlib.h>
#include <string.h>

bool osm_turns_legal(const struct osm_turns *turns, uint32_t directed)
{
    const struct osm_network *network = turns->network;
    const struct osm_edge *edge = &network->edges[directed / 2];
    uint8_t oneway = turns->work->ways[edge->street].oneway;
    return oneway != (directed % 2 == 0 ? PROFILE_BACKWARD : PROFILE_FORWARD);
}

uint32_t osm_turns_start(const struct osm_network *network, uint32_t directed)
{
    const struct osm_edge *edge = &network->edges[directed / 2];
    return directed % 2 == 0 ? edge->source : edge->target;
}

bool osm_turns_is_of(const struct osm_way *way, uint32_t directed)
{
    uint32_t edge = directed / 2;
    return edge >= way->first_edge && edge - way->first_edge < way->edge_count;
}

/* Every edge leaves both of its ends; by counting, so linear. */
static enum pt_err list_ends(struct osm_turns *turns)
{
    struct osm_network *network = turns->network;
    size_t ends = network->edge_count * 2;
    turns->first = calloc(network->node_count + 2, sizeof *turns->first);
    turns->ends = malloc((ends + 1) * sizeof *turns->ends);
    if (turns->first == NULL || turns->ends == NULL)
        return PT_E_NOMEM;
    for (uint32_t d = 0; d < ends; d++)
        turns->first[osm_turns_start(network, d) + 2]++;
    for (size_t n = 2; n < network->node_count + 2; n++)
        turns->first[n] += turns->first[n - 1];
    for (uint32_t d = 0; d < ends; d++)
        turns->ends[turns->first[osm_turns_start(network, d) + 1]++] = d;
    return PT_OK;
}

uint32_t osm_turns_member_edge(const struct osm_turns *turns,
                               const struct osm_way *way, uint32_t vertex,
                               bool enters, size_t *count)
{
    uint32_t found = UINT32_MAX;
    *count = 0;
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t directed = turns->ends[i] ^ (enters ? 1u : 0u);
        if (!osm_turns_is_of(way, directed) ||
            !osm_turns_legal(turns, directed))
            continue;
        found = directed;
        ++*count;
    }
    return found;
}

enum pt_err osm_turns_forbid(struct osm_turns *turns,
                             const struct osm_sequence *sequence, uint32_t to)
{
    struct osm_network *network = turns->network;
    uint32_t first = (uint32_t)network->via_count;
    enum pt_err err = pt_room(&network->turns, &turns->turn_room,
                              network->turn_count + 1, sizeof *network->turns);
    if (err == PT_OK)
        err = pt_room(&network->vias, &turns->via_room,
                      network->via_count + sequence->via_count,
                      sizeof *network->vias);
    if (err != PT_OK)
        return err;
    if (network->via_count > UINT32_MAX - sequence->via_count)
        return PT_E_RANGE;
    if (sequence->via_count > 0)
        memcpy(network->vias + first, sequence->via,
               sequence->via_count * sizeof *sequence->via);
    network->via_count += sequence->via_count;
    network->turns[network->turn_count++] = (struct osm_turn){
        .from_edge = sequence->from / 2,
        .to_edge = to / 2,
        .from_forward = sequence->from % 2 == 0,
        .to_forward = to % 2 == 0,
        .via_count = (uint16_t)sequence->via_count,
        .first_via = first,
        .relation_id = turns->restriction->relation_id,
        .except = osm_text_at(turns->work, turns->restriction->except),
    };
    return PT_OK;
}

/* "Only there" forbids every other way on, the way back included. */
static enum pt_err forbid_others(struct osm_turns *turns,
                                 const struct osm_sequence *sequence,
                                 uint32_t to, uint32_t vertex)
{
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t other = turns->ends[i];
        if (other == to || !osm_turns_legal(turns, other))
            continue;
        enum pt_err err = osm_turns_forbid(turns, sequence, other);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

enum pt_err osm_turns_apply(struct osm_turns *turns,
                            const struct osm_sequence *sequence,
                            const struct osm_way *to, uint32_t vertex)
{
    size_t count;
    uint32_t out = osm_turns_member_edge(turns, to, vertex, false, &count);
    if (count == 0)
        return PT_OK; /* a one-way already forbids it */
    if (count > 1) {
        turns->ambiguous = true;
        return PT_OK;
    }
    if (turns->restriction->sort == OSM_DEMANDS)
        return forbid_others(turns, sequence, out, vertex);
    return osm_turns_forbid(turns, sequence, out);
}

/* A U-turn forbidden within one way: back along each of its edges at the
 * via node, wherever the way goes on. */
static enum pt_err forbid_turning_back(struct osm_turns *turns,
                                       const struct osm_way *way,
                                       uint32_t vertex)
{
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        uint32_t out = turns->ends[i];
        struct osm_sequence back = {.from = out ^ 1u};
        if (!osm_turns_is_of(way, out) || !osm_turns_legal(turns, out) ||
            !osm_turns_legal(turns, out ^ 1u))
            continue;
        enum pt_err err = osm_turns_forbid(turns, &back, out);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

/* One `from` and one `to`. Where a member goes on beyond the via node in
 * both directions, the relation does not say which half it means. */
static enum pt_err apply_at_node(struct osm_turns *turns,
                                 const struct osm_way *from,
                                 const struct osm_way *to, uint32_t vertex)
{
    size_t count;
    if (turns->restriction->sort == OSM_FORBIDS_U_TURN && from == to)
        return forbid_turning_back(turns, from, vertex);
    struct osm_sequence sequence = {
        .from = osm_turns_member_edge(turns, from, vertex, true, &count)};
    if (count > 1)
        turns->ambiguous = true;
    if (count != 1)
        return PT_OK;
    return osm_turns_apply(turns, &sequence, to, vertex);
}

static enum pt_err apply_pair(struct osm_turns *turns,
                              const struct osm_way *from,
                              const struct osm_way *to, const uint32_t *vertex)
{
    if (turns->restriction->via_count > 0)
        return osm_turns_via_ways(turns, from, to);
    uint32_t node = osm_node_index(turns->work, turns->restriction->via);
    if (node == OSM_NO_NODE || vertex[node] == OSM_NO_NODE) {
        turns->off = true;
        return PT_OK;
    }
    return apply_at_node(turns, from, to, vertex[node]);
}

/* What became of a restriction that forbids nothing new. */
static enum osm_tally why_none(const struct osm_turns *turns)
{
    return turns->ambiguous ? OSM_RESTRICTIONS_AMBIGUOUS
           : turns->apart   ? OSM_RESTRICTIONS_APART
           : turns->off     ? OSM_RESTRICTIONS_OFF_NETWORK
                            : OSM_RESTRICTIONS_IDLE;
}

static enum pt_err apply(struct osm_turns *turns, const uint32_t *vertex)
{
    struct osm_work *work = turns->work;
    const struct osm_restriction *restriction = turns->restriction;
    const int64_t *from = work->members + restriction->first_member;
    const int64_t *to = from + restriction->from_count;
    size_t before = turns->network->turn_count;
    turns->off = turns->ambiguous = turns->apart = false;
    for (uint32_t f = 0; f < restriction->from_count; f++) {
        for (uint32_t t = 0; t < restriction->to_count; t++) {
            const struct osm_way *from_way = osm_find_way(work, from[f]);
            const struct osm_way *to_way = osm_find_way(work, to[t]);
            if (from_way == NULL || to_way == NULL) {
                turns->off = true;
                continue;
            }
            enum pt_err err = apply_pair(turns, from_way, to_way, vertex);
            if (err != PT_OK)
                return err;
        }
    }
    bool kept = turns->network->turn_count > before;
    work->tally[kept ? OSM_RESTRICTIONS_KEPT : why_none(turns)]++;
    work->tally[OSM_RESTRICTIONS_VIA_WAY] += kept && restriction->via_count > 0;
    return PT_OK;
}

/* ------------------------------------------------------------- in order */
static int by_number(uint64_t left, uint64_t right)
{
    return left < right ? -1 : left > right;
}

/* The sequence alone, whoever forbids it. */
static int by_sequence(const struct osm_turn *left,
                       const struct osm_turn *right, const uint32_t *vias)
{
    int order = by_number((uint64_t)left->from_edge << 32 | left->to_edge,
                          (uint64_t)right->from_edge << 32 | right->to_edge);
    if (order == 0)
        order = (left->from_forward * 2 + left->to_forward) -
                (right->from_forward * 2 + right->to_forward);
    if (order == 0)
        order = left->via_count - right->via_count;
    for (uint32_t i = 0; order == 0 && i < left->via_count; i++)
        order =
            by_number(vias[left->first_via + i], vias[right->first_via + i]);
    return order;
}

static int by_turn(const void *a, const void *b, void *vias)
{
    const struct osm_turn *left = a;
    const struct osm_turn *right = b;
    int order = by_sequence(left, right, vias);
    if (order != 0)
        return order;
    return left->relation_id < right->relation_id   ? -1
           : left->relation_id > right->relation_id ? 1
                                                    : 0;
}

/* Two relations may forbid the same; the lower one is named, and whom one of
 * them binds is bound: exceptions that are not the same are none. */
static void drop_repeats(struct osm_network *network)
{
    size_t kept = 0;
    if (network->turn_count > 0)
        qsort_r(network->turns, network->turn_count, sizeof *network->turns,
                by_turn, network->vias);
    for (size_t i = 0; i < network->turn_count; i++) {
        const struct osm_turn *turn = &network->turns[i];
        struct osm_turn *last = kept > 0 ? &network->turns[kept - 1] : NULL;
        if (last == NULL || by_sequence(last, turn, network->vias) != 0)
            network->turns[kept++] = *turn;
        else if (last->except != NULL &&
                 (turn->except == NULL ||
                  strcmp(last->except, turn->except) != 0))
            last->except = NULL;
    }
    network->turn_count = kept;
}

enum pt_err osm_turns(struct osm_work *work, const uint32_t *vertex,
                      struct osm_network *network)
{
    struct osm_turns turns = {.work = work, .network = network};
    enum pt_err err = list_ends(&turns);
    for (size_t i = 0; err == PT_OK && i < work->restriction_count; i++) {
        turns.restriction = &work->restrictions[i];
        err = apply(&turns, vertex);
    }
    drop_repeats(network);
    free(turns.first);
    free(turns.ends);
    return err;
}

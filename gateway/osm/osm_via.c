/* Restrictions via ways (wiki, Relation:restriction): from the end of one way
 * along others, in the order of the relation, into the last. The way there is
 * looked for on the cut streets, and used when there is but one. */
#include "osm_turns_internal.h"

struct tracing {
    const struct osm_turns *turns;
    const struct osm_way *via[OSM_VIA_EDGES_MAX]; /* and `to` behind them */
    uint32_t via_count;
    struct osm_sequence at;    /* so far */
    struct osm_sequence found; /* the first whole one */
    uint32_t vertex;           /* where it ends */
    size_t count;              /* of whole ones */
};

static uint32_t end_of(const struct tracing *t, uint32_t directed)
{
    return osm_turns_start(t->turns->network, directed ^ 1u);
}

static bool touches(const struct tracing *t, const struct osm_way *way,
                    uint32_t vertex)
{
    const struct osm_turns *turns = t->turns;
    for (uint32_t i = turns->first[vertex]; i < turns->first[vertex + 1]; i++) {
        if (osm_turns_is_of(way, turns->ends[i]))
            return true;
    }
    return false;
}

/* The next piece of the same way, in the same direction; UINT32_MAX where it
 * ends. */
static uint32_t next_piece(const struct tracing *t, const struct osm_way *way,
                           uint32_t directed)
{
    uint32_t next = directed % 2 == 0 ? directed + 2 : directed - 2;
    if (!osm_turns_is_of(way, next) ||
        osm_turns_start(t->turns->network, next) != end_of(t, directed))
        return UINT32_MAX;
    return next;
}

/* Along via way number `i` from its piece `directed` until the next member
 * begins. False when it never does. */
static bool follow(struct tracing *t, uint32_t i, uint32_t directed)
{
    while (directed != UINT32_MAX && osm_turns_legal(t->turns, directed) &&
           t->at.via_count < OSM_VIA_EDGES_MAX) {
        t->at.via[t->at.via_count++] = directed;
        if (touches(t, t->via[i + 1], end_of(t, directed)))
            return true;
        directed = next_piece(t, t->via[i], directed);
    }
    return false;
}

/* All ways on from `vertex` over via way number `i`. At most MEMBERS_MAX
 * deep, and two ways on from each. */
static void trace(struct tracing *t, uint32_t i, uint32_t vertex)
{
    const struct osm_turns *turns = t->turns;
    if (i == t->via_count) {
        if (t->count++ == 0) {
            t->found = t->at;
            t->vertex = vertex;
        }
        return;
    }
    uint32_t before = t->at.via_count;
    for (uint32_t n = turns->first[vertex];
         n < turns->first[vertex + 1] && t->count < 2; n++) {
        uint32_t directed = turns->ends[n];
        if (!osm_turns_is_of(t->via[i], directed))
            continue;
        if (follow(t, i, directed))
            trace(t, i + 1, end_of(t, t->at.via[t->at.via_count - 1]));
        t->at.via_count = before;
    }
}

static bool find_members(struct tracing *t, const struct osm_way *to)
{
    const struct osm_turns *turns = t->turns;
    const struct osm_restriction *restriction = turns->restriction;
    const int64_t *members = turns->work->members + restriction->first_member +
                             restriction->from_count + restriction->to_count;
    t->via_count = restriction->via_count;
    for (uint32_t i = 0; i < t->via_count; i++) {
        t->via[i] = osm_find_way(turns->work, members[i]);
        if (t->via[i] == NULL)
            return false;
    }
    t->via[t->via_count] = to;
    return true;
}

enum pt_err osm_turns_via_ways(struct osm_turns *turns,
                               const struct osm_way *from,
                               const struct osm_way *to)
{
    struct tracing t = {.turns = turns};
    if (!find_members(&t, to)) {
        turns->off = true;
        return PT_OK;
    }
    for (uint32_t e = 0; e < from->edge_count * 2; e++) {
        uint32_t directed = from->first_edge * 2 + e;
        if (!osm_turns_legal(turns, directed))
            continue;
        t.at = (struct osm_sequence){.from = directed};
        trace(&t, 0, end_of(&t, directed));
    }
    if (t.count == 0)
        turns->apart = true;
    else if (t.count > 1)
        turns->ambiguous = true;
    if (t.count != 1)
        return PT_OK;
    return osm_turns_apply(turns, &t.found, to, t.vertex);
}

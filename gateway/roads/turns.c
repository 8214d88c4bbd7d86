/* Turns: what each is, and which are forbidden.
 *
 * A forbidden sequence of three and more edges cannot be told from the last
 * two. So whoever has driven the beginning of one is on a `ghost` of the
 * street, from which the forbidden way on is missing: the states are those of
 * Aho and Corasick (1975), for edges in place of letters. */
#include "roads_internal.h"
#include <stdlib.h>

#define STRAIGHT_DEG 30.0
#define SHARP_DEG 120.0
#define COURSE_M 12.0 /* the course of a turn is that of so much street */

/* -------------------------------------------------------------- sequences */
static uint32_t element(const struct roads_turn_row *row, uint32_t i)
{
    if (i == 0)
        return row->from;
    return i <= row->via_count ? row->via[i - 1] : row->to;
}

static bool row_possible(const struct roads_builder *b,
                         const struct roads_turn_row *row)
{
    uint32_t directions = 2 * b->roads->edge_count;
    if (row->via_count > ROADS_VIA_MAX || row->from >= directions)
        return false;
    for (uint32_t i = 1; i < row->via_count + 2; i++) {
        uint32_t next = element(row, i);
        if (next >= directions ||
            b->tail[element(row, i - 1) ^ 1u] != b->tail[next])
            return false;
    }
    return true;
}

static bool same_beginning(const struct roads_turn_row *a,
                           const struct roads_turn_row *b, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        if (element(a, i) != element(b, i))
            return false;
    }
    return true;
}

static int by_state(const void *a, const void *b)
{
    const struct roads_state *x = a;
    const struct roads_state *y = b;
    if (x->directed != y->directed)
        return x->directed < y->directed ? -1 : 1;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Leaves one state of those that stand for the same beginning. */
static uint32_t drop_repeats(const struct roads_turn_row *rows,
                             struct roads_state *states, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool known = false;
        for (uint32_t j = kept; j-- > 0 && !known &&
                                states[j].directed == states[i].directed &&
                                states[j].length == states[i].length;)
            known = same_beginning(&rows[states[j].row], &rows[states[i].row],
                                   states[i].length);
        if (!known)
            states[kept++] = states[i];
    }
    return kept;
}

enum pt_err roads_states_new(struct roads_builder *b)
{
    const struct roads_turn_row *rows = b->rows->turns;
    size_t count = 0;
    for (size_t i = 0; i < b->rows->turn_count; i++) {
        if (!row_possible(b, &rows[i]))
            return PT_E_RANGE;
        count += rows[i].via_count;
    }
    if (count > ROADS_TURNS_MAX)
        return PT_E_RANGE;
    b->states = calloc(1, sizeof(*b->states));
    if (b->states == NULL)
        return PT_E_NOMEM;
    b->states->states = calloc(count + 1, sizeof(*b->states->states));
    if (b->states->states == NULL)
        return PT_E_NOMEM;
    uint32_t at = 0;
    for (size_t i = 0; i < b->rows->turn_count; i++) {
        for (uint32_t v = 0; v < rows[i].via_count; v++)
            b->states->states[at++] =
                (struct roads_state){.directed = rows[i].via[v],
                                     .row = (uint32_t)i,
                                     .length = v + 2};
    }
    qsort(b->states->states, at, sizeof(*b->states->states), by_state);
    b->states->count = drop_repeats(rows, b->states->states, at);
    return PT_OK;
}

/* --------------------------------------------------------------- building */
struct ban {      /* a turn row by its last turn */
    uint64_t key; /* to << 32 | the edge before it */
    uint32_t row;
};

struct turning {
    struct roads *roads;
    const struct roads_builder *b;
    uint32_t *state;      /* of each arc: into states, or ROADS_NONE */
    uint32_t *first;      /* of each directed edge: its first state */
    float *starts, *ends; /* courses of each directed edge */
    size_t ban_count;
    struct ban *bans;
};

/* Are the edges before the last of `row`'s first `length` those that a driver
 * on `arc` has behind him? */
static bool remembers(const struct turning *t, uint32_t arc,
                      const struct roads_turn_row *row, uint32_t length)
{
    uint32_t state = t->state[arc];
    if (state == ROADS_NONE)
        return length == 2 &&
               element(row, 0) == roads_arc_directed(&t->roads->arcs[arc]);
    const struct roads_state *s = &t->b->states->states[state];
    if (s->length < length - 1)
        return false;
    const struct roads_turn_row *known = &t->b->rows->turns[s->row];
    for (uint32_t i = 1; i < length; i++) {
        if (element(known, s->length - i) != element(row, length - 1 - i))
            return false;
    }
    return true;
}

/* The arc of a directed edge on which one comes from another arc: the ghost
 * that remembers most. */
static uint32_t follow(const struct turning *t, uint32_t from,
                       uint32_t directed)
{
    const struct roads_states *states = t->b->states;
    for (uint32_t i = t->first[directed];
         i < states->count && states->states[i].directed == directed; i++) {
        const struct roads_state *s = &states->states[i];
        if (remembers(t, from, &t->b->rows->turns[s->row], s->length))
            return s->arc;
    }
    return t->roads->edges[directed >> 1].arc[directed & 1u];
}

static int by_ban(const void *a, const void *b)
{
    const struct ban *x = a;
    const struct ban *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static size_t first_ban(const struct turning *t, uint64_t key)
{
    size_t low = 0;
    size_t high = t->ban_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->bans[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* TURN_FORBIDDEN, TURN_NOT_EMERGENCY or 0. */
static uint32_t forbidden(const struct turning *t, uint32_t from,
                          uint32_t directed)
{
    const struct roads_turn_row *rows = t->b->rows->turns;
    uint64_t key =
        (uint64_t)directed << 32 | roads_arc_directed(&t->roads->arcs[from]);
    uint32_t bits = 0;
    for (size_t i = first_ban(t, key);
         i < t->ban_count && t->bans[i].key == key; i++) {
        const struct roads_turn_row *row = &rows[t->bans[i].row];
        if (remembers(t, from, row, row->via_count + 2))
            bits |= row->not_emergency ? TURN_NOT_EMERGENCY : TURN_FORBIDDEN;
    }
    return bits & TURN_FORBIDDEN ? TURN_FORBIDDEN : bits;
}

static enum roads_turn by_angle(double from_deg, double to_deg)
{
    double turn = remainder(to_deg - from_deg, 360.0);
    double size = fabs(turn);
    if (size <= STRAIGHT_DEG)
        return ROADS_AHEAD;
    if (size > SHARP_DEG)
        return turn > 0.0 ? ROADS_SHARP_RIGHT : ROADS_SHARP_LEFT;
    return turn > 0.0 ? ROADS_RIGHT : ROADS_LEFT;
}

/* True when one directed edge at most leaves where `arc` ends, back apart. */
static bool no_choice(const struct roads *roads, uint32_t arc)
{
    uint32_t node = roads->arcs[arc].head;
    uint32_t back = roads_reverse(roads_arc_directed(&roads->arcs[arc]));
    uint32_t only = ROADS_NONE;
    for (uint32_t i = roads->first_out[node]; i < roads->first_out[node + 1];
         i++) {
        uint32_t out = roads_arc_directed(&roads->arcs[roads->out[i]]);
        if (out == back || out == only)
            continue;
        if (only != ROADS_NONE)
            return false;
        only = out;
    }
    return true;
}

static uint8_t turn_from(const struct turning *t, uint32_t from, uint32_t to)
{
    const struct roads *roads = t->roads;
    uint32_t into = roads_arc_directed(&roads->arcs[to]);
    uint32_t out_of = roads_arc_directed(&roads->arcs[from]);
    if (follow(t, from, into) != to)
        return TURN_NEVER;
    uint32_t class = ROADS_AHEAD;
    if (into == roads_reverse(out_of))
        class = ROADS_ROUND;
    else if (!no_choice(roads, from))
        class = by_angle((double)t->ends[out_of], (double)t->starts[into]);
    uint32_t control = t->b->control[roads->arcs[to].tail];
    return (uint8_t)(class | control << TURN_CONTROL_SHIFT |
                     forbidden(t, from, into));
}

static void fill_turns(struct turning *t)
{
    struct roads *roads = t->roads;
    size_t at = 0;
    for (uint32_t to = 0; to < roads->arc_count; to++) {
        uint32_t node = roads->arcs[to].tail;
        roads->arcs[to].turns = (uint32_t)at;
        for (uint32_t in = roads->first_in[node];
             in < roads->first_in[node + 1]; in++)
            roads->turns[at++] = turn_from(t, in, to);
    }
}

/* From where a directed edge begins to the place COURSE_M along it, or its
 * end. Not by places: theirs are 0.1 m apart, half a degree at that distance.
 */
static double course_from_start(const struct roads *roads, uint32_t directed)
{
    const struct roads_edge *edge = &roads->edges[directed >> 1];
    uint32_t count = edge[1].first_point - edge->first_point;
    bool back = directed & 1u;
    uint32_t at = back ? edge[1].first_point - 1 : edge->first_point;
    struct geo_plane plane = geo_plane_at(roads->points[at]);
    double left = COURSE_M;
    double east = 0.0;
    double north = 0.0;
    for (uint32_t i = 1; i < count && left > 0.0; i++) {
        double to_east, to_north;
        at = back ? at - 1 : at + 1;
        geo_to_plane(&plane, roads->points[at], &to_east, &to_north);
        double length = hypot(to_east - east, to_north - north);
        double share = length > left ? left / length : 1.0;
        east += share * (to_east - east);
        north += share * (to_north - north);
        left -= length;
    }
    return atan2(east, north) * (180.0 / 3.14159265358979323846);
}

static void take_courses(struct turning *t)
{
    for (uint32_t d = 0; d < 2 * t->roads->edge_count; d++) {
        double course = course_from_start(t->roads, d);
        t->starts[d] = (float)course;
        t->ends[d ^ 1u] = (float)remainder(course + 180.0, 360.0);
    }
}

static void index_states(struct turning *t)
{
    const struct roads_states *states = t->b->states;
    for (uint32_t d = 0; d < 2 * t->roads->edge_count; d++)
        t->first[d] = states->count;
    for (uint32_t i = states->count; i-- > 0;) {
        t->first[states->states[i].directed] = i;
        t->state[states->states[i].arc] = i;
    }
}

static void index_bans(struct turning *t)
{
    const struct roads_turn_row *rows = t->b->rows->turns;
    t->ban_count = t->b->rows->turn_count;
    for (size_t i = 0; i < t->ban_count; i++) {
        uint64_t before = element(&rows[i], rows[i].via_count);
        t->bans[i] =
            (struct ban){(uint64_t)rows[i].to << 32 | before, (uint32_t)i};
    }
    qsort(t->bans, t->ban_count, sizeof(*t->bans), by_ban);
}

/* Bytes for all pairs of arcs that meet. */
static uint64_t count_turns(const struct roads *roads)
{
    uint64_t count = 0;
    for (uint32_t n = 0; n < roads->node_count; n++)
        count += (uint64_t)(roads->first_in[n + 1] - roads->first_in[n]) *
                 (roads->first_out[n + 1] - roads->first_out[n]);
    return count;
}

enum pt_err roads_turns_build(struct roads_builder *b)
{
    struct roads *roads = b->roads;
    size_t directions = 2 * (size_t)roads->edge_count;
    uint64_t count = count_turns(roads);
    if (count >= UINT32_MAX)
        return PT_E_RANGE;
    struct turning t = {.roads = roads, .b = b};
    enum pt_err err = PT_E_NOMEM;
    roads->turn_count = (size_t)count;
    roads->turns = calloc(roads->turn_count + 1, 1);
    roads->bytes += roads->turn_count + 1;
    t.state = malloc(roads->arc_count * sizeof(*t.state));
    t.first = calloc(directions, sizeof(*t.first));
    t.starts = calloc(directions, sizeof(*t.starts));
    t.ends = calloc(directions, sizeof(*t.ends));
    t.bans = calloc(b->rows->turn_count + 1, sizeof(*t.bans));
    if (roads->turns == NULL || t.state == NULL || t.first == NULL ||
        t.starts == NULL || t.ends == NULL || t.bans == NULL)
        goto out;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++)
        t.state[arc] = ROADS_NONE;
    index_states(&t);
    index_bans(&t);
    take_courses(&t);
    fill_turns(&t);
    err = PT_OK;
out:
    free(t.state);
    free(t.first);
    free(t.starts);
    free(t.ends);
    free(t.bans);
    return err;
}

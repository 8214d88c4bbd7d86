/* roads: against a model that knows nothing of search orders: it writes down
 * every directed edge and every turn and lowers times until none can be
 * lowered (Bellman and Ford), and looks at every segment to snap. */
#include "fail_alloc.h"
#include "roads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_EDGES 40
#define MAX_TURNS 60
#define MAX_POINTS 12
#define MAX_UNITS 16
#define NEVER UINT64_MAX

/* ------------------------------------------------------------ random input */
/* Marsaglia, "Xorshift RNGs" (2003): the same numbers on every machine. */
/* How often by chance: tests/run --full asks more. */
static int thorough(int quick, int full)
{
    return getenv("PATROL_FULL") == NULL ? quick : full;
}

static uint64_t random_state = 1;

static uint32_t any(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % below);
}

struct town {
    size_t edges, turns, nodes;
    struct roads_edge_row rows[MAX_EDGES];
    struct geo_point points[MAX_EDGES][MAX_POINTS];
    struct roads_turn_row banned[MAX_TURNS];
    struct geo_point at[MAX_EDGES];
};

static struct geo_point near(struct geo_point p, uint32_t spread)
{
    int64_t lon = (int64_t)p.lon_e6 + any(2 * spread) - spread;
    if (lon > 180000000)
        lon -= 360000000;
    if (lon < -180000000)
        lon += 360000000;
    return (struct geo_point){
        p.lat_e6 + (int32_t)any(2 * spread) - (int32_t)spread, (int32_t)lon};
}

static int64_t tail_id(const struct town *t, uint32_t directed)
{
    const struct roads_edge_row *row = &t->rows[directed / 2];
    return directed % 2 == 0 ? row->source : row->target;
}

static int64_t head_id(const struct town *t, uint32_t directed)
{
    return tail_id(t, directed ^ 1u);
}

static uint32_t ms_of(const struct town *t, uint32_t directed)
{
    const struct roads_edge_row *row = &t->rows[directed / 2];
    return directed % 2 == 0 ? row->forward_ms : row->backward_ms;
}

static void random_edge(struct town *t, uint32_t e, uint32_t longest_ms)
{
    struct roads_edge_row *row = &t->rows[e];
    uint32_t a = any((uint32_t)t->nodes);
    uint32_t b = any((uint32_t)t->nodes); /* loops and parallels happen */
    uint32_t oneway = any(5);
    uint32_t count = 2 + any(MAX_POINTS - 1);
    t->points[e][0] = t->at[a];
    for (uint32_t i = 1; i + 1 < count; i++)
        t->points[e][i] = near(t->at[a], 4000);
    t->points[e][count - 1] = t->at[b];
    *row = (struct roads_edge_row){.way_id = 1000 + e,
                                   .source = 70000 - 13 * (int64_t)a,
                                   .target = 70000 - 13 * (int64_t)b,
                                   .length_m = (float)(1 + any(500)),
                                   .points = t->points[e],
                                   .point_count = count};
    if (oneway != 0)
        row->forward_ms = 1 + any(longest_ms);
    if (oneway != 1)
        row->backward_ms = 1 + any(longest_ms);
}

static void random_town(struct town *t, struct geo_point centre,
                        uint32_t longest_ms)
{
    t->nodes = 2 + any(14);
    t->edges = 1 + any(MAX_EDGES);
    t->turns = 0;
    for (size_t n = 0; n < t->nodes; n++)
        t->at[n] = near(centre, 5000);
    for (uint32_t e = 0; e < t->edges; e++)
        random_edge(t, e, longest_ms);
    uint32_t tries = any(3) == 0 ? 0 : any(200);
    for (uint32_t i = 0; i < tries && t->turns < MAX_TURNS; i++) {
        uint32_t from = any(2 * (uint32_t)t->edges);
        uint32_t to = any(2 * (uint32_t)t->edges);
        if (head_id(t, from) == tail_id(t, to))
            t->banned[t->turns++] =
                (struct roads_turn_row){.from = from, .to = to};
    }
}

static struct roads *town_roads(const struct town *t)
{
    struct roads *roads = NULL;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = t->rows,
                                                    .edge_count = t->edges,
                                                    .turns = t->banned,
                                                    .turn_count = t->turns},
                               &roads),
                     PT_OK);
    return roads;
}

/* ---------------------------------------------------------- the naive model */
static bool is_banned(const struct town *t, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < t->turns; i++) {
        if (t->banned[i].from == from && t->banned[i].to == to)
            return true;
    }
    return false;
}

static bool may_follow(const struct town *t, uint32_t from, uint32_t to)
{
    return ms_of(t, from) > 0 && ms_of(t, to) > 0 &&
           head_id(t, from) == tail_id(t, to) && !is_banned(t, from, to);
}

static bool turn_allowed(const struct town *t, uint32_t from, uint32_t to)
{
    if (!may_follow(t, from, to))
        return false;
    for (uint32_t other = 0; to == (from ^ 1u) && other < 2 * t->edges;
         other++) {
        if (other != to && may_follow(t, from, other))
            return false; /* turns round only where nothing else is left */
    }
    return true;
}

/* The share of an edge that lies behind, and the ms, seen along `directed`. */
static double behind(const struct roads_place *p, uint32_t directed)
{
    return directed % 2 == 0 ? p->fraction : 1.0 - p->fraction;
}

static uint64_t ms_behind(const struct town *t, const struct roads_place *p,
                          uint32_t directed)
{
    return (uint64_t)llround((double)ms_of(t, directed) * behind(p, directed));
}

/* after[d]: from the end of d to the target; NEVER where there is no way. */
static void lower_all(const struct town *t, const struct roads_place *target,
                      uint64_t *after)
{
    uint32_t count = 2 * (uint32_t)t->edges;
    static bool turn[2 * MAX_EDGES][2 * MAX_EDGES];
    for (uint32_t a = 0; a < count; a++) {
        after[a] = NEVER;
        for (uint32_t b = 0; b < count; b++)
            turn[a][b] = turn_allowed(t, a, b);
    }
    for (bool lowered = true; lowered;) {
        lowered = false;
        for (uint32_t a = 0; a < count; a++) {
            for (uint32_t b = 0; b < count; b++) {
                if (!turn[a][b])
                    continue;
                uint64_t ms = NEVER;
                if (after[b] != NEVER)
                    ms = ms_of(t, b) + after[b];
                if (b / 2 == target->edge && ms_behind(t, target, b) < ms)
                    ms = ms_behind(t, target, b);
                if (ms < after[a]) {
                    after[a] = ms;
                    lowered = true;
                }
            }
        }
    }
}

static uint64_t naive_ms(const struct town *t, const struct roads_place *from,
                         const struct roads_place *target,
                         const uint64_t *after)
{
    uint64_t best = NEVER;
    for (uint32_t d = 2 * from->edge; d <= 2 * from->edge + 1; d++) {
        if (ms_of(t, d) == 0)
            continue;
        uint64_t gone = ms_behind(t, from, d);
        if (after[d] != NEVER && after[d] + ms_of(t, d) - gone < best)
            best = after[d] + ms_of(t, d) - gone;
        if (from->edge == target->edge &&
            behind(from, d) <= behind(target, d) &&
            ms_behind(t, target, d) - gone < best)
            best = ms_behind(t, target, d) - gone;
    }
    return best;
}

static struct roads_place random_place(const struct town *t)
{
    static const double shares[] = {0.0, 1.0, 0.5, 0.25};
    uint32_t pick = any(8);
    return (struct roads_place){.edge = any((uint32_t)t->edges),
                                .fraction = pick < 4 ? shares[pick]
                                                     : any(1000001) / 1e6};
}

/* ------------------------------------------------------ nearest and route */
struct model_arrival {
    uint64_t ms;
    uint32_t slot;
};

static int by_ms_slot(const void *a, const void *b)
{
    const struct model_arrival *x = a;
    const struct model_arrival *y = b;
    if (x->ms != y->ms)
        return x->ms < y->ms ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static bool masked(void *context, uint32_t slot)
{
    return *(const uint32_t *)context >> slot & 1u;
}

/* The way is one: pieces join, turns are allowed, times and metres add up. */
static void check_route(const struct town *t, const struct roads_route *r,
                        const struct roads_place *from,
                        const struct roads_place *to)
{
    uint64_t ms = 0;
    double metres = 0.0;
    assert_true(r->leg_count >= 1);
    assert_true(r->point_count >= 2);
    for (size_t i = 0; i < r->leg_count; i++) {
        const struct roads_leg *leg = &r->legs[i];
        double share = leg->to_fraction - leg->from_fraction;
        double length = (double)t->rows[leg->directed / 2].length_m;
        assert_true(share > 0.0 || (share == 0.0 && r->leg_count == 1));
        assert_true(fabs(leg->length_m - share * length) < 1e-6);
        if (i > 0) {
            assert_true(leg->from_fraction == 0.0);
            assert_true(r->legs[i - 1].to_fraction == 1.0);
            assert_true(
                turn_allowed(t, r->legs[i - 1].directed, leg->directed));
        }
        ms += leg->ms;
        metres += leg->length_m;
    }
    const struct roads_leg *first = &r->legs[0];
    const struct roads_leg *last = &r->legs[r->leg_count - 1];
    if (first->directed / 2 == from->edge && first->from_fraction > 0.0)
        assert_true(first->from_fraction == behind(from, first->directed));
    if (last->directed / 2 == to->edge && last->to_fraction < 1.0)
        assert_true(last->to_fraction == behind(to, last->directed));
    assert_int_equal(ms, r->drive_ms);
    assert_true(fabs(metres - r->distance_m) < 1e-6);
}

struct fleet_model {
    struct town *town;
    struct roads_search *search;
    struct roads_standing *standing;
    struct roads_place places[MAX_UNITS];
    uint32_t standing_mask;
};

static void check_nearest(struct fleet_model *f, uint32_t limit_ms)
{
    uint64_t after[2 * MAX_EDGES];
    struct model_arrival expect[MAX_UNITS];
    struct roads_arrival got[MAX_UNITS + 2];
    uint32_t mask = any(2) ? UINT32_MAX : any(1u << MAX_UNITS);
    struct roads_place target = random_place(f->town);
    size_t k = any(MAX_UNITS + 2);
    size_t expected = 0;
    size_t found = 99;
    lower_all(f->town, &target, after);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
        uint64_t ms = naive_ms(f->town, &f->places[slot], &target, after);
        if ((f->standing_mask & mask) >> slot & 1u && ms <= limit_ms &&
            ms < ROADS_FAR_MS)
            expect[expected++] = (struct model_arrival){ms, slot};
    }
    qsort(expect, expected, sizeof(expect[0]), by_ms_slot);
    expected = expected < k ? expected : k;

    assert_int_equal(roads_nearest(f->search, f->standing, &target, k, limit_ms,
                                   masked, &mask, got, &found),
                     PT_OK);
    assert_int_equal(found, expected);
    double metres[MAX_UNITS];
    for (size_t i = 0; i < found; i++) {
        assert_int_equal(got[i].drive_ms, expect[i].ms);
        assert_int_equal(got[i].slot, expect[i].slot);
        metres[i] = got[i].distance_m;
    }
    for (size_t i = 0; i < found; i++) {
        struct roads_route route;
        assert_int_equal(
            roads_route(f->search, &f->places[got[i].slot], &target, &route),
            PT_OK);
        assert_int_equal(route.drive_ms, got[i].drive_ms);
        assert_true(fabs(route.distance_m - metres[i]) < 1e-6);
        check_route(f->town, &route, &f->places[got[i].slot], &target);
        roads_route_clear(&route);
    }
}

static void check_all_routes(struct fleet_model *f)
{
    uint64_t after[2 * MAX_EDGES];
    struct roads_place target = random_place(f->town);
    lower_all(f->town, &target, after);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
        struct roads_route route = {.drive_ms = 12345};
        uint64_t ms = naive_ms(f->town, &f->places[slot], &target, after);
        enum pt_err err =
            roads_route(f->search, &f->places[slot], &target, &route);
        if (ms >= ROADS_FAR_MS) {
            assert_int_equal(err, PT_E_UNREACHABLE);
            assert_int_equal(route.drive_ms, 12345); /* untouched */
            continue;
        }
        assert_int_equal(err, PT_OK);
        assert_int_equal(route.drive_ms, ms);
        check_route(f->town, &route, &f->places[slot], &target);
        roads_route_clear(&route);
    }
}

static void move_units(struct fleet_model *f)
{
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
        uint32_t act = any(4);
        f->places[slot] = random_place(f->town);
        if (act == 0) {
            roads_standing_remove(f->standing, slot);
            f->standing_mask &= ~(1u << slot);
        } else {
            roads_standing_put(f->standing, slot, &f->places[slot]);
            f->standing_mask |= 1u << slot;
        }
    }
}

/* Time tables from every unit's place to a few, against the same model. */
static void check_tables(struct fleet_model *f, const struct roads *roads)
{
    struct roads_place targets[12];
    uint32_t got[MAX_UNITS][12];
    uint64_t after[2 * MAX_EDGES];
    size_t count = any(13);
    uint32_t longest = 0;
    struct roads_tables *tables = NULL;
    for (uint32_t d = 0; d < 2 * f->town->edges; d++)
        longest = ms_of(f->town, d) > longest ? ms_of(f->town, d) : longest;
    for (size_t i = 0; i < count; i++) {
        targets[i] = random_place(f->town);
        if (any(10) == 0)
            targets[i].edge = ROADS_NONE;
    }
    assert_int_equal(
        roads_tables_new(roads_profile(roads, NULL), targets, count, &tables),
        PT_OK);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++)
        roads_tables_from(tables, &f->places[slot], got[slot]);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++)
        for (size_t i = 0; i < count; i++)
            assert_int_equal(roads_tables_one(tables, &f->places[slot], i),
                             got[slot][i]);
    for (size_t i = 0; i < count; i++) {
        bool is_place = targets[i].edge != ROADS_NONE;
        if (is_place)
            lower_all(f->town, &targets[i], after);
        for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
            uint64_t ms = is_place ? naive_ms(f->town, &f->places[slot],
                                              &targets[i], after)
                                   : NEVER;
            /* the cap is on the time from an edge's start */
            if (ms == NEVER)
                assert_int_equal(got[slot][i], ROADS_NONE);
            else if (ms + longest <= ROADS_TABLE_MS)
                assert_true(llabs((long long)(ms - got[slot][i])) <= 50);
            else
                assert_true(got[slot][i] + 50ull >= ms);
        }
    }
    roads_tables_free(tables);
}

/* Who is first at places anywhere, against the nearest of the same. */
static void check_spread(struct fleet_model *f, const struct roads *roads)
{
    size_t k = 1 + any(ROADS_SPREAD_MAX);
    uint32_t limit_ms = any(2) ? ROADS_NONE : any(200);
    uint32_t mask = any(2) ? UINT32_MAX : any(1u << MAX_UNITS);
    struct roads_spread *spread = NULL;
    assert_int_equal(roads_spread_new(roads, MAX_UNITS, k, &spread), PT_OK);
    assert_int_equal(roads_spread_run(spread, roads_profile(roads, NULL),
                                      f->standing, limit_ms, masked, &mask),
                     PT_OK);
    for (int i = 0; i < 10; i++) {
        struct roads_arrival expect[ROADS_SPREAD_MAX];
        struct roads_reach got[ROADS_SPREAD_MAX];
        struct roads_place place = random_place(f->town);
        size_t found = 0;
        assert_int_equal(roads_nearest(f->search, f->standing, &place, k,
                                       limit_ms, masked, &mask, expect, &found),
                         PT_OK);
        roads_spread_to(spread, f->standing, &place, got);
        for (size_t j = 0; j < k; j++) {
            assert_int_equal(got[j].ms,
                             j < found ? expect[j].drive_ms : ROADS_NONE);
            assert_int_equal(got[j].slot,
                             j < found ? expect[j].slot : ROADS_NONE);
        }
    }
    roads_spread_free(spread);
}

/* A drive with what it takes beside the driving, by one who sets out late. */
static uint64_t all_told_ms(const struct roads_arrival *arrival,
                            uint32_t start_ms, uint32_t share,
                            const uint32_t *late_ms)
{
    uint64_t more = (uint64_t)share * arrival->drive_ms;
    return arrival->drive_ms + (more < start_ms ? more : start_ms) +
           late_ms[arrival->slot];
}

/* Who sets out later arrives so much later, and is passed by others; what a
 * drive takes beside the driving is less for those around the corner. */
static void check_late(struct fleet_model *f, const struct roads *roads)
{
    struct roads_spread *spread = NULL;
    struct roads_reach got[ROADS_SPREAD_MAX];
    uint32_t late_ms[MAX_UNITS];
    uint32_t start_ms = any(300), share = any(5);
    size_t k = any(2) ? 3 : 1 + any(ROADS_SPREAD_MAX);
    assert_int_equal(roads_spread_new(roads, MAX_UNITS, k, &spread), PT_OK);
    roads_spread_start(spread, start_ms, share);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
        late_ms[slot] = any(2) ? any(100) : 0;
        roads_spread_late(spread, slot, late_ms[slot]);
    }
    assert_int_equal(roads_spread_run(spread, roads_profile(roads, NULL),
                                      f->standing, ROADS_NONE, NULL, NULL),
                     PT_OK);
    for (int i = 0; i < 10; i++) {
        struct roads_arrival all[MAX_UNITS];
        struct roads_place place = random_place(f->town);
        size_t found = 0;
        assert_int_equal(roads_nearest(f->search, f->standing, &place,
                                       MAX_UNITS, ROADS_NONE, NULL, NULL, all,
                                       &found),
                         PT_OK);
        roads_spread_to(spread, f->standing, &place, got);
        for (size_t j = 0; j < k; j++) {
            uint64_t first = NEVER;
            size_t who = 0;
            for (size_t a = 0; a < found; a++) {
                uint64_t key = all_told_ms(&all[a], start_ms, share, late_ms)
                                   << 32 |
                               all[a].slot;
                if (all[a].drive_ms != ROADS_NONE && key < first) {
                    first = key;
                    who = a;
                }
            }
            assert_int_equal(got[j].ms,
                             first == NEVER ? ROADS_NONE : first >> 32);
            assert_int_equal(got[j].slot,
                             first == NEVER ? ROADS_NONE : all[who].slot);
            if (first != NEVER)
                all[who].drive_ms = ROADS_NONE;
        }
    }
    roads_spread_free(spread);
}

#define COUNTED 20
/* How many arrive in time at places of an edge each, against the times of all
 * who stand somewhere. Up to `far_ms` is asked for, which reaches some. */
static void check_counts(struct roads_search *search,
                         const struct roads_standing *standing,
                         const struct roads *roads, uint32_t far_ms)
{
    const struct roads_metric *metric = roads_profile(roads, NULL);
    uint32_t start_ms = any(far_ms / 2 + 1), share = any(5);
    uint32_t run_ms = any(2) ? ROADS_NONE : any(far_ms);
    uint32_t late_ms[MAX_UNITS], limit_ms[COUNTED];
    size_t k = any(2) ? 3 : 1 + any(ROADS_SPREAD_MAX);
    struct roads_place places[COUNTED];
    struct roads_spread *spread = NULL;
    struct roads_places *counted = NULL;
    uint8_t within[COUNTED];
    assert_int_equal(roads_spread_new(roads, MAX_UNITS, k, &spread), PT_OK);
    roads_spread_start(spread, start_ms, share);
    for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
        late_ms[slot] = any(2) ? any(far_ms / 2 + 1) : 0;
        roads_spread_late(spread, slot, late_ms[slot]);
    }
    for (int i = 0; i < COUNTED; i++) {
        places[i] = (struct roads_place){
            .edge = any(10) == 0 ? ROADS_NONE
                                 : any((uint32_t)roads_edge_count(roads)),
            .fraction = any(1000001) / 1e6};
        limit_ms[i] = any(10) == 0 ? 0 : any(far_ms);
    }
    assert_int_equal(
        roads_places_new(metric, places, limit_ms, COUNTED, &counted), PT_OK);
    assert_int_equal(
        roads_spread_run(spread, metric, standing, run_ms, NULL, NULL), PT_OK);
    assert_int_equal(roads_spread_count(spread, standing, counted, within),
                     PT_OK);
    for (int i = 0; i < COUNTED; i++) {
        struct roads_arrival all[MAX_UNITS];
        size_t found = 0, expect = 0;
        uint64_t most = limit_ms[i] < run_ms ? limit_ms[i] : run_ms;
        if (places[i].edge != ROADS_NONE && limit_ms[i] > 0)
            assert_int_equal(roads_nearest(search, standing, &places[i],
                                           MAX_UNITS, ROADS_NONE, NULL, NULL,
                                           all, &found),
                             PT_OK);
        for (size_t a = 0; a < found; a++)
            expect += all_told_ms(&all[a], start_ms, share, late_ms) <= most;
        assert_int_equal(within[i], expect < k ? expect : k);
    }
    roads_places_free(counted);
    roads_spread_free(spread);
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    static struct town town;
    static const uint32_t longest[] = {4, 60, 5000, 1000000, 40000000};
    random_state = 20240601;
    for (int round = 0; round < thorough(1000, 3000); round++) {
        random_town(&town, (struct geo_point){23130000, -82380000},
                    longest[any(5)]);
        struct roads *roads = town_roads(&town);
        struct fleet_model f = {.town = &town};
        assert_int_equal(roads_search_new(roads, &f.search), PT_OK);
        assert_int_equal(roads_standing_new(roads, MAX_UNITS, &f.standing),
                         PT_OK);
        for (int query = 0; query < 4; query++) {
            if (query == 1)
                assert_int_equal(roads_prepare(roads), PT_OK);
            roads_search_by(f.search, (enum roads_method)any(3));
            move_units(&f);
            check_nearest(&f, any(2) ? ROADS_NONE : any(200));
            check_all_routes(&f);
            if (query > 1 && round % 4 == 0) {
                check_tables(&f, roads);
                check_spread(&f, roads);
                check_late(&f, roads);
                check_counts(f.search, f.standing, roads, 400);
            }
        }
        roads_unref(roads); /* the two hold it */
        roads_search_free(f.search);
        roads_standing_free(f.standing);
    }
}

/* ------------------------------------------------------- drawn situations */
/* Junctions 1 to 9 on a grid of about 100 m; 1 2 3 are the southern row. */
static void street(struct town *t, int64_t from, int64_t to,
                   uint32_t forward_ms, uint32_t backward_ms)
{
    size_t e = t->edges++;
    int64_t ends[2] = {from, to};
    for (int i = 0; i < 2; i++) {
        t->points[e][i] =
            (struct geo_point){23130000 + (int32_t)((ends[i] - 1) / 3) * 900,
                               -82380000 + (int32_t)((ends[i] - 1) % 3) * 980};
    }
    t->rows[e] = (struct roads_edge_row){.way_id = 5,
                                         .source = from,
                                         .target = to,
                                         .forward_ms = forward_ms,
                                         .backward_ms = backward_ms,
                                         .length_m = 100,
                                         .name = "Calle 23",
                                         .points = t->points[e],
                                         .point_count = 2};
}

static uint32_t drive(const struct town *t, uint32_t from_edge, double from,
                      uint32_t to_edge, double to)
{
    struct roads *roads = town_roads(t);
    struct roads_search *search;
    struct roads_route route = {.drive_ms = ROADS_NONE};
    struct roads_place a = {.edge = from_edge, .fraction = from};
    struct roads_place b = {.edge = to_edge, .fraction = to};
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    enum pt_err err = roads_route(search, &a, &b, &route);
    assert_true(err == PT_OK || err == PT_E_UNREACHABLE);
    uint32_t ms = route.drive_ms;
    roads_route_clear(&route);
    roads_search_free(search);
    roads_unref(roads);
    return ms;
}

static void goes_round_the_block(void **state)
{
    (void)state;
    static struct town t; /* 1 -> 2 -> 5 -> 4 -> 1, one way */
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 0);
    street(&t, 2, 5, 1000, 0);
    street(&t, 5, 4, 1000, 0);
    street(&t, 4, 1, 1000, 0);
    assert_int_equal(drive(&t, 0, 0.25, 0, 0.75), 500);
    assert_int_equal(drive(&t, 0, 0.75, 0, 0.25), 250 + 3000 + 250);
    assert_int_equal(drive(&t, 0, 0.5, 0, 0.5), 0);
    assert_int_equal(drive(&t, 1, 1.0, 1, 0.0), 3000);
}

static void knows_islands(void **state)
{
    (void)state;
    static struct town t;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 1000);
    street(&t, 4, 5, 1000, 1000);
    street(&t, 2, 3, 1000, 0);
    assert_int_equal(drive(&t, 0, 0.5, 1, 0.5), ROADS_NONE);
    assert_int_equal(drive(&t, 0, 0.5, 2, 0.5), 1000);
    assert_int_equal(drive(&t, 2, 0.5, 0, 0.5), ROADS_NONE);
}

/* 2 is a crossing of 1, 3 and 5; from 1 to 5 is forbidden. 3 is a dead end:
 * there, and only there, one turns round. */
static void turns_round_at_dead_ends_only(void **state)
{
    (void)state;
    static struct town t;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 1000); /* 0 */
    street(&t, 2, 3, 700, 700);   /* 1 */
    street(&t, 2, 5, 1000, 1000); /* 2 */
    t.turns = 1;
    t.banned[0] = (struct roads_turn_row){.from = 0, .to = 4};
    assert_int_equal(drive(&t, 0, 1.0, 2, 0.5), 700 + 700 + 500);
    /* The dead end gets a way on: 3 -> 6. It is none for turning now. */
    street(&t, 3, 6, 10000, 10000);
    assert_int_equal(drive(&t, 0, 1.0, 2, 0.5), 2 * 10700 + 500);
    /* One way towards 3 is no way on, so it is a dead end again. */
    t.rows[3].forward_ms = 0;
    assert_int_equal(drive(&t, 0, 1.0, 2, 0.5), 700 + 700 + 500);
    /* Turning round is forbidden there, too: no way is left. */
    t.turns = 2;
    t.banned[1] = (struct roads_turn_row){.from = 2, .to = 3};
    assert_int_equal(drive(&t, 0, 1.0, 2, 0.5), ROADS_NONE);
}

/* ------------------------------------------- turns that cost, and profiles */
static const struct roads_profile costly = {
    .name = "costly",
    .turn_ms = {[ROADS_AHEAD] = 10,
                [ROADS_RIGHT] = 200,
                [ROADS_LEFT] = 3000,
                [ROADS_SHARP_RIGHT] = 40000,
                [ROADS_SHARP_LEFT] = 500000,
                [ROADS_ROUND_AT_END] = 1500000,
                [ROADS_ROUND] = 2500000},
    .control_ms = {[ROADS_SIGNALS] = 7, [ROADS_STOP] = 8, [ROADS_GIVE_WAY] = 9},
    .forbidden_ms = ROADS_NONE,
};

/* From the start of an edge to the end of another, with one profile. */
static uint32_t drive_by(const struct town *t, const struct roads_profile *by,
                         enum roads_control at_5, uint32_t from, uint32_t to)
{
    struct roads_junction_row junction = {5, at_5};
    struct roads_rows rows = {.edges = t->rows,
                              .edge_count = t->edges,
                              .turns = t->banned,
                              .turn_count = t->turns,
                              .junctions = &junction,
                              .junction_count = 1,
                              .profiles = by,
                              .profile_count = 1};
    struct roads *roads = NULL;
    struct roads_search *search = NULL;
    uint32_t ms[2];
    assert_int_equal(roads_new(&rows, &roads), PT_OK);
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    for (int i = 0; i < 2; i++) {
        struct roads_route route = {.drive_ms = ROADS_NONE};
        struct roads_place a = {.edge = from / 2, .fraction = from % 2};
        struct roads_place b = {.edge = to / 2, .fraction = !(to % 2)};
        roads_search_by(search, i == 0 ? ROADS_BY_SEARCH : ROADS_BY_HIERARCHY);
        enum pt_err err = roads_route(search, &a, &b, &route);
        assert_true(err == PT_OK || err == PT_E_UNREACHABLE);
        ms[i] = route.drive_ms;
        uint64_t sum = 0;
        for (size_t leg = 0; leg < route.leg_count; leg++)
            sum += route.legs[leg].ms + route.legs[leg].turn_ms;
        for (size_t leg = 1; leg < route.leg_count; leg++)
            assert_int_equal(route.legs[leg].turn_ms,
                             roads_metric_turn_ms(roads_profile(roads, NULL),
                                                  route.legs[leg - 1].directed,
                                                  route.legs[leg].directed));
        assert_true(err != PT_OK || sum == route.drive_ms);
        roads_route_clear(&route);
    }
    assert_int_equal(ms[0], ms[1]);
    roads_search_free(search);
    roads_unref(roads);
    return ms[0];
}

/* 5 in the middle of 2 (south), 4 (west), 6 (east), 8 (north), 3 (south-east)
 * and 1 (south-west); all seconds of 1,000 ms. */
static void star(struct town *t)
{
    memset(t, 0, sizeof(*t));
    street(t, 2, 5, 1000, 1000); /* 0 */
    street(t, 5, 8, 1000, 1000); /* 1 */
    street(t, 5, 6, 1000, 1000); /* 2 */
    street(t, 5, 4, 1000, 1000); /* 3 */
    street(t, 5, 3, 1000, 1000); /* 4 */
    street(t, 5, 1, 1000, 1000); /* 5 */
}

static void turns_cost_what_the_profile_says(void **state)
{
    (void)state;
    static struct town t;
    star(&t);
    const enum roads_control none = ROADS_UNCONTROLLED;
    assert_int_equal(drive_by(&t, &costly, none, 0, 2), 2010);  /* ahead */
    assert_int_equal(drive_by(&t, &costly, none, 0, 4), 2200);  /* right */
    assert_int_equal(drive_by(&t, &costly, none, 0, 6), 5000);  /* left */
    assert_int_equal(drive_by(&t, &costly, none, 0, 8), 42000); /* sharp */
    /* Sharp left would cost 500,000 ms; there is no way round. */
    assert_int_equal(drive_by(&t, &costly, none, 0, 10), 502000);
    assert_int_equal(drive_by(&t, &costly, none, 3, 1), 2010); /* 8 to 2 */
    assert_int_equal(drive_by(&t, &costly, none, 3, 6), 2200); /* 8 to 4 */
    assert_int_equal(drive_by(&t, &costly, ROADS_SIGNALS, 0, 2), 2017);
    assert_int_equal(drive_by(&t, &costly, ROADS_STOP, 0, 4), 2208);
    assert_int_equal(drive_by(&t, &costly, ROADS_GIVE_WAY, 0, 6), 5009);

    /* Right is forbidden: on to 8, a dead end, round, and left. */
    t.turns = 1;
    t.banned[0] = (struct roads_turn_row){.from = 0, .to = 4};
    assert_int_equal(drive_by(&t, &costly, none, 0, 4),
                     1000 + 10 + 1000 + 1500000 + 1000 + 3000 + 1000);
    /* 8 gets a way on: round in it costs more, and signals nothing. */
    street(&t, 8, 9, 90000000, 0);
    struct roads_profile p = costly;
    p.turn_ms[ROADS_ROUND_AT_END] = ROADS_NONE;
    assert_int_equal(drive_by(&t, &p, none, 0, 4),
                     1000 + 10 + 1000 + 2500000 + 1000 + 3000 + 1000);
    p.control_ms[ROADS_UNCONTROLLED] = 1; /* at 5 twice; at 8 none */
    assert_int_equal(drive_by(&t, &p, none, 0, 4),
                     1000 + 11 + 1000 + 2500000 + 1000 + 3001 + 1000);
    t.turns = 0;

    struct roads *roads = town_roads(&t);
    const struct roads_metric *metric = roads_profile(roads, NULL);
    assert_int_equal(roads_metric_turn_ms(metric, 0, 3), ROADS_NONE);
    assert_int_equal(roads_metric_turn_ms(metric, 0, 1000), ROADS_NONE);
    roads_unref(roads);

    /* Where there is no other way on, a bend is no turn. */
    t.edges = 1;
    street(&t, 5, 4, 1000, 1000);
    assert_int_equal(drive_by(&t, &costly, none, 0, 2), 2010);
    assert_int_equal(drive_by(&t, &costly, ROADS_STOP, 0, 2), 2018);
}

static void a_detour_may_be_cheaper_than_a_turn(void **state)
{
    (void)state;
    static struct town t;
    star(&t);
    street(&t, 2, 1, 3000, 3000); /* 6 */
    street(&t, 1, 4, 3000, 3000); /* 7 */
    const enum roads_control none = ROADS_UNCONTROLLED;
    assert_int_equal(drive_by(&t, &costly, none, 0, 6), 1000 + 3000 + 1000);
    /* By 1, where it is a right turn; at 2 and 4 there is one way on. */
    struct roads_profile dear = costly;
    dear.turn_ms[ROADS_LEFT] = 20000;
    assert_int_equal(drive_by(&t, &dear, none, 0, 6),
                     10 + 3000 + 200 + 3000 + 10);
}

static void who_may_breaks_a_rule_at_its_cost(void **state)
{
    (void)state;
    static struct town t;
    star(&t);
    t.turns = 1;
    t.banned[0] = (struct roads_turn_row){.from = 0, .to = 6};
    struct roads_profile p = costly;
    p.turn_ms[ROADS_ROUND_AT_END] = ROADS_NONE;
    p.turn_ms[ROADS_ROUND] = ROADS_NONE;
    const enum roads_control none = ROADS_UNCONTROLLED;
    assert_int_equal(drive_by(&t, &p, none, 0, 6), ROADS_NONE);
    p.emergency = true;
    assert_int_equal(drive_by(&t, &p, none, 0, 6), ROADS_NONE);
    t.banned[0].not_emergency = true;
    assert_int_equal(drive_by(&t, &p, none, 0, 6), 5000);
    p.emergency = false;
    assert_int_equal(drive_by(&t, &p, none, 0, 6), ROADS_NONE);
    p.forbidden_ms = 600;
    assert_int_equal(drive_by(&t, &p, none, 0, 6), 5600);
}

static void profiles_have_their_own_streets(void **state)
{
    (void)state;
    static struct town t;
    star(&t);
    t.rows[1].forward_ms = 0; /* the rows' times are the first profile's */
    uint32_t ms[12];
    for (uint32_t d = 0; d < 12; d++)
        ms[d] = d == 4 ? 0 : 500;
    struct roads_profile both[2] = {costly, costly};
    memcpy(both[1].name, "other", sizeof("other"));
    both[1].edge_ms = ms;
    struct roads_rows rows = {.edges = t.rows,
                              .edge_count = t.edges,
                              .profiles = both,
                              .profile_count = 2};
    struct roads *roads = NULL;
    struct roads_search *search = NULL;
    struct roads_route route;
    struct roads_place south = {.edge = 0, .fraction = 0.0};
    struct roads_place north = {.edge = 1, .fraction = 1.0};
    struct roads_place east = {.edge = 2, .fraction = 1.0};
    assert_int_equal(roads_new(&rows, &roads), PT_OK);
    assert_string_equal(roads_profile_name(roads, 1), "other");
    assert_null(roads_profile_name(roads, 2));
    assert_null(roads_profile(roads, "othe"));
    assert_int_equal(roads_edge_ms(roads, 2), ROADS_NONE);
    assert_int_equal(roads_metric_ms(roads_profile(roads, "other"), 2), 500);
    assert_int_equal(roads_metric_ms(roads_profile(roads, "other"), 4),
                     ROADS_NONE);

    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(roads_route(search, &south, &north, &route),
                     PT_E_UNREACHABLE);
    assert_int_equal(roads_route(search, &south, &east, &route), PT_OK);
    roads_route_clear(&route);
    assert_int_equal(roads_search_use(search, roads_profile(roads, "other")),
                     PT_OK);
    assert_int_equal(roads_route(search, &south, &east, &route),
                     PT_E_UNREACHABLE);
    assert_int_equal(roads_route(search, &south, &north, &route), PT_OK);
    assert_int_equal(route.drive_ms, 1010);
    roads_route_clear(&route);
    roads_search_free(search);
    roads_unref(roads);

    memcpy(both[1].name, both[0].name, sizeof(both[1].name));
    assert_int_equal(roads_new(&rows, &roads), PT_E_RANGE);
    memcpy(both[1].name, "other", sizeof("other"));
    both[1].turn_ms[0] = ROADS_TURN_MS_MAX + 1;
    assert_int_equal(roads_new(&rows, &roads), PT_E_RANGE);
}

/* --------------------------------------------------- forbidden sequences */
/* The model drives forward and remembers up to four edges, the last in the
 * lowest byte, 0xff for none; what it has been on with what time it keeps in
 * a table. Turns cost nothing here. */
#define MEMORIES 65536u

struct memory {
    uint32_t known[MEMORIES]; /* edges; UINT32_MAX: free */
    uint64_t ms[MEMORIES];    /* at the end of the last edge */
};

static uint64_t *memory_of(struct memory *m, uint32_t edges)
{
    uint32_t at = edges * 2654435761u >> 16; /* Knuth, vol. 3, 6.4 */
    while (m->known[at] != UINT32_MAX && m->known[at] != edges)
        at = (at + 1) % MEMORIES;
    if (m->known[at] == UINT32_MAX) {
        m->known[at] = edges;
        m->ms[at] = NEVER;
    }
    return &m->ms[at];
}

/* Does going on to `next` complete a forbidden sequence? */
static bool completes(const struct town *t, uint32_t edges, uint32_t next)
{
    for (size_t i = 0; i < t->turns; i++) {
        const struct roads_turn_row *row = &t->banned[i];
        bool same = row->to == next;
        for (uint32_t back = 0; same && back <= row->via_count; back++) {
            uint32_t at = row->via_count - back; /* of from and the vias */
            uint32_t edge = at == 0 ? row->from : row->via[at - 1];
            same = (edges >> (8 * back) & 0xffu) == edge;
        }
        if (same)
            return true;
    }
    return false;
}

/* No turning round but at a dead end: where nothing else may be done by one
 * with this memory. */
static bool may_go_on(const struct town *t, uint32_t edges, uint32_t next)
{
    uint32_t last = edges & 0xffu;
    if (ms_of(t, next) == 0 || head_id(t, last) != tail_id(t, next) ||
        completes(t, edges, next))
        return false;
    for (uint32_t d = 0; next == (last ^ 1u) && d < 2 * t->edges; d++) {
        if (d != next && ms_of(t, d) > 0 && head_id(t, last) == tail_id(t, d) &&
            !completes(t, edges, d))
            return false;
    }
    return true;
}

static uint64_t remembering_ms(const struct town *t,
                               const struct roads_place *from,
                               const struct roads_place *to)
{
    static struct memory m;
    static uint32_t todo[MEMORIES]; /* first come, first served */
    uint32_t count = 0;
    uint32_t done = 0;
    uint64_t best = NEVER;
    memset(m.known, 0xff, sizeof(m.known));
    for (uint32_t d = 2 * from->edge; d <= 2 * from->edge + 1; d++) {
        if (ms_of(t, d) == 0)
            continue;
        uint64_t gone = ms_behind(t, from, d);
        if (from->edge == to->edge && behind(from, d) <= behind(to, d) &&
            ms_behind(t, to, d) - gone < best)
            best = ms_behind(t, to, d) - gone;
        *memory_of(&m, 0xffffff00u | d) = ms_of(t, d) - gone;
        todo[count++] = 0xffffff00u | d;
    }
    while (done != count) {
        uint32_t edges = todo[done++ % MEMORIES];
        uint64_t ms = *memory_of(&m, edges);
        for (uint32_t next = 0; next < 2 * t->edges; next++) {
            if (!may_go_on(t, edges, next))
                continue;
            if (next / 2 == to->edge && ms + ms_behind(t, to, next) < best)
                best = ms + ms_behind(t, to, next);
            uint64_t *then = memory_of(&m, edges << 8 | next);
            if (ms + ms_of(t, next) < *then) {
                *then = ms + ms_of(t, next);
                assert_true(count - done < MEMORIES);
                todo[count++ % MEMORIES] = edges << 8 | next;
            }
        }
    }
    return best;
}

/* A walk of `length` edges, none of them back at once; false: stuck. */
static bool random_walk(const struct town *t, uint32_t *edges, uint32_t length)
{
    uint32_t count = 2 * (uint32_t)t->edges;
    edges[0] = any(count);
    for (uint32_t i = 1; i < length; i++) {
        uint32_t first = any(count);
        uint32_t d = 0;
        while (d < count &&
               (head_id(t, edges[i - 1]) != tail_id(t, (first + d) % count) ||
                (first + d) % count == (edges[i - 1] ^ 1u)))
            d++;
        if (d == count)
            return false;
        edges[i] = (first + d) % count;
    }
    return true;
}

static void remembers_forbidden_sequences(void **state)
{
    (void)state;
    static struct town t;
    static uint32_t vias[MAX_TURNS][ROADS_VIA_MAX];
    random_state = 20261121;
    for (int round = 0; round < 100; round++) {
        do
            random_town(&t, (struct geo_point){23130000, -82380000}, 60);
        while (t.edges > 9 || t.nodes < 5);
        t.turns = t.turns > 4 ? 4 : t.turns;
        for (uint32_t i = 0; i < 12; i++) {
            uint32_t edges[5];
            uint32_t length = 3 + any(3);
            if (!random_walk(&t, edges, length))
                continue;
            memcpy(vias[t.turns], edges + 1, sizeof(edges) - sizeof(edges[0]));
            t.banned[t.turns] =
                (struct roads_turn_row){.from = edges[0],
                                        .to = edges[length - 1],
                                        .via = vias[t.turns],
                                        .via_count = length - 2};
            t.turns++;
        }
        struct roads *roads = town_roads(&t);
        struct roads_search *search = NULL;
        assert_int_equal(roads_search_new(roads, &search), PT_OK);
        assert_int_equal(roads_prepare(roads), PT_OK);
        for (int i = 0; i < 8; i++) {
            struct roads_place from = random_place(&t);
            struct roads_place to = random_place(&t);
            struct roads_route route = {.drive_ms = ROADS_NONE};
            uint64_t expect = remembering_ms(&t, &from, &to);
            roads_search_by(search,
                            i % 2 ? ROADS_BY_SEARCH : ROADS_BY_HIERARCHY);
            enum pt_err err = roads_route(search, &from, &to, &route);
            assert_int_equal(err, expect == NEVER ? PT_E_UNREACHABLE : PT_OK);
            if (err == PT_OK)
                assert_int_equal(route.drive_ms, expect);
            roads_route_clear(&route);
        }
        roads_search_free(search);
        roads_unref(roads);
    }
}

/* ----------------------------------------------------------------- closures */
/* A network with streets closed and slowed, or with other times on every
 * street, answers as one that was made with those times. */
static struct roads_metric *some_closed(struct town *town,
                                        const struct roads *roads)
{
    struct roads_slowing slowings[10];
    struct roads_metric *metric = NULL;
    size_t count = any(11);
    for (size_t i = 0; i < count; i++)
        slowings[i] =
            (struct roads_slowing){any(2 * (uint32_t)town->edges),
                                   any(2) ? ROADS_NONE : 1 + any(20000)};
    assert_int_equal(roads_metric_slowed(roads_profile(roads, NULL), slowings,
                                         count, &metric),
                     PT_OK);
    for (size_t i = 0; i < count; i++) {
        struct roads_edge_row *row = &town->rows[slowings[i].directed / 2];
        uint32_t *ms =
            slowings[i].directed % 2 ? &row->backward_ms : &row->forward_ms;
        bool last = true;
        for (size_t j = i + 1; j < count; j++)
            last = last && slowings[j].directed != slowings[i].directed;
        if (last && *ms != 0)
            *ms = slowings[i].ms == ROADS_NONE ? 0 : slowings[i].ms;
    }
    return metric;
}

static struct roads_metric *all_timed(struct town *town,
                                      const struct roads *roads)
{
    uint32_t ms[2 * MAX_EDGES];
    struct roads_metric *metric = NULL;
    for (size_t d = 0; d < 2 * town->edges; d++)
        ms[d] = any(3) ? 1 + any(20000) : 0;
    assert_int_equal(
        roads_metric_timed(roads_profile(roads, NULL), ms, &metric), PT_OK);
    for (size_t d = 0; d < 2 * town->edges; d++) {
        struct roads_edge_row *row = &town->rows[d / 2];
        uint32_t *own = d % 2 ? &row->backward_ms : &row->forward_ms;
        if (*own != 0 && ms[d] != 0)
            *own = ms[d];
    }
    return metric;
}

static void check_as_if_built_so(
    struct roads_metric *(*change)(struct town *, const struct roads *))
{
    static struct town town;
    random_town(&town, (struct geo_point){-33900000, 18400000}, 5000);
    struct roads *roads = town_roads(&town);
    struct fleet_model f = {.town = &town};
    assert_int_equal(roads_search_new(roads, &f.search), PT_OK);
    assert_int_equal(roads_standing_new(roads, MAX_UNITS, &f.standing), PT_OK);
    if (any(2))
        assert_int_equal(roads_prepare(roads), PT_OK);
    struct roads_metric *metric = change(&town, roads);
    assert_int_equal(roads_search_use(f.search, metric), PT_OK);
    roads_metric_unref(metric); /* the search holds it */
    roads_unref(roads);
    for (int query = 0; query < 4; query++) {
        roads_search_by(f.search, (enum roads_method)any(3));
        move_units(&f);
        check_nearest(&f, ROADS_NONE);
        check_all_routes(&f);
    }
    roads_search_free(f.search);
    roads_standing_free(f.standing);
}

static void closures_are_as_if_built_so(void **state)
{
    (void)state;
    random_state = 77;
    for (int round = 0; round < 300; round++)
        check_as_if_built_so(some_closed);
}

/* Faster and slower. */
static void other_times_are_as_if_built_so(void **state)
{
    (void)state;
    random_state = 78;
    for (int round = 0; round < 200; round++)
        check_as_if_built_so(all_timed);
}

/* ---------------------------------------------------------- streets on trial
 */
/* Some streets closed for a moment, against tables of a metric without them. */
struct trial_model {
    struct roads *roads;
    struct roads_place targets[3], units[MAX_UNITS];
    uint32_t limit_ms[MAX_UNITS];
    uint32_t closed[4];
    size_t closed_count;
    struct roads_trial *trial;
    /* Of the last search: by unit, a bit for each edge that every way of it
     * depends on, and how many ways it has. */
    uint64_t needs[MAX_UNITS], way_needs;
    unsigned ways[MAX_UNITS];
};

static struct roads *roads_with_turns(const struct town *t)
{
    struct roads *roads = NULL;
    uint32_t round_ms = any(2) ? 1 + any(3000) : ROADS_NONE;
    const struct roads_profile profile = {
        .name = "patrol",
        .turn_ms = {[ROADS_LEFT] = any(2000),
                    [ROADS_ROUND_AT_END] = any(3000),
                    [ROADS_ROUND] = round_ms},
        .forbidden_ms = any(2) ? any(9000) : ROADS_NONE};
    assert_int_equal(roads_new(&(struct roads_rows){.edges = t->rows,
                                                    .edge_count = t->edges,
                                                    .turns = t->banned,
                                                    .turn_count = t->turns,
                                                    .profiles = &profile,
                                                    .profile_count = 1},
                               &roads),
                     PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

/* By tables of a metric with these and one more (ROADS_NONE) closed: a bit for
 * each unit that is at a target in time. */
static uint32_t in_time_without(const struct trial_model *m, size_t target,
                                uint32_t more)
{
    struct roads_slowing closed[10];
    struct roads_metric *metric = NULL;
    struct roads_tables *tables = NULL;
    size_t count = 0;
    uint32_t in_time = 0;
    for (size_t i = 0; i <= m->closed_count; i++) {
        uint32_t edge = i < m->closed_count ? m->closed[i] : more;
        for (uint32_t way = 0; way < 2 && edge != ROADS_NONE; way++)
            closed[count++] =
                (struct roads_slowing){2 * edge + way, ROADS_NONE};
    }
    assert_int_equal(roads_metric_slowed(roads_profile(m->roads, NULL), closed,
                                         count, &metric),
                     PT_OK);
    assert_int_equal(roads_tables_new(metric, &m->targets[target], 1, &tables),
                     PT_OK);
    for (uint32_t u = 0; u < MAX_UNITS; u++) {
        uint32_t ms = roads_tables_one(tables, &m->units[u], 0);
        if (m->limit_ms[u] != ROADS_NONE && ms <= m->limit_ms[u])
            in_time |= 1u << u;
    }
    roads_tables_free(tables);
    roads_metric_unref(metric);
    return in_time;
}

static void note_need(void *context, uint32_t edge)
{
    struct trial_model *m = context;
    m->way_needs |= UINT64_C(1) << edge;
}

static bool note_met(void *context, uint32_t slot, uint32_t directed,
                     bool ahead)
{
    struct trial_model *m = context;
    assert_int_equal(directed / 2, m->units[slot].edge);
    m->way_needs = 0;
    roads_trial_way(m->trial, directed, ahead, note_need, m);
    m->needs[slot] =
        m->ways[slot]++ == 0 ? m->way_needs : m->needs[slot] & m->way_needs;
    return true;
}

static void check_on_trial(struct trial_model *m,
                           const struct roads_standing *standing)
{
    for (size_t t = 0; t < 3; t++) {
        uint32_t met = 0;
        memset(m->ways, 0, sizeof(m->ways));
        assert_int_equal(roads_trial_reach(m->trial, standing, &m->targets[t],
                                           m->limit_ms, note_met, m),
                         PT_OK);
        for (uint32_t u = 0; u < MAX_UNITS; u++)
            met |= (m->ways[u] > 0 ? 1u : 0) << u;
        assert_int_equal(met, in_time_without(m, t, ROADS_NONE));
        /* who does not depend on a street is there in time without it */
        uint32_t edge = any((uint32_t)roads_edge_count(m->roads));
        uint32_t still = in_time_without(m, t, edge);
        for (uint32_t u = 0; u < MAX_UNITS; u++)
            if (met >> u & 1u && !(m->needs[u] >> edge & 1u))
                assert_true(still >> u & 1u);
    }
}

static void trials_are_as_if_closed(void **state)
{
    (void)state;
    static struct town town;
    random_state = 79;
    for (int round = 0; round < 300; round++) {
        struct trial_model m = {0};
        struct roads_standing *standing = NULL;
        random_town(&town, (struct geo_point){-33900000, 18400000}, 5000);
        m.roads = roads_with_turns(&town);
        assert_int_equal(
            roads_trial_new(roads_profile(m.roads, NULL), &m.trial), PT_OK);
        assert_int_equal(roads_standing_new(m.roads, MAX_UNITS, &standing),
                         PT_OK);
        for (uint32_t u = 0; u < MAX_UNITS; u++) {
            m.units[u] = random_place(&town);
            m.limit_ms[u] = any(8) ? any(20000) : ROADS_NONE;
            roads_standing_put(standing, u, &m.units[u]);
        }
        for (int query = 0; query < 4; query++) {
            m.closed_count = any(5);
            for (size_t i = 0; i < m.closed_count; i++)
                m.closed[i] = any((uint32_t)town.edges);
            for (size_t t = 0; t < 3; t++)
                m.targets[t] = random_place(&town);
            assert_int_equal(
                roads_trial_close(m.trial, m.closed, m.closed_count), PT_OK);
            check_on_trial(&m, standing);
        }
        const uint32_t none[] = {0, (uint32_t)town.edges};
        assert_int_equal(roads_trial_close(m.trial, none, 2), PT_E_RANGE);
        m.closed_count = 0;
        check_on_trial(&m, standing);
        roads_standing_free(standing);
        roads_trial_free(m.trial);
        roads_unref(m.roads);
    }
}

/* 1 > 2 - 3 - 5 and 2 - 4, of a second each; from 1 one may not turn to 4, and
 * has to turn round for it: at 3 while that is allowed or 3 - 5 is closed, else
 * at 5. */
static void a_closing_changes_where_to_turn_round(void **state)
{
    (void)state;
    static struct town t;
    enum { TO_5 = 2 };
    static const struct {
        uint32_t anywhere_ms, at_end_ms, open_ms, closed_ms;
    } rows[] = {{ROADS_NONE, 0, 6000, 4000}, {100, 3000, 4100, 7000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial_model m = {.closed = {TO_5}};
        struct roads_standing *standing = NULL;
        memset(&t, 0, sizeof(t));
        street(&t, 1, 2, 1000, 0);
        street(&t, 2, 3, 1000, 1000);
        street(&t, 3, 5, 1000, 1000);
        street(&t, 2, 4, 1000, 1000);
        t.turns = 1;
        t.banned[0] = (struct roads_turn_row){.from = 0, .to = 6};
        const struct roads_profile profile = {
            .name = "patrol",
            .turn_ms = {[ROADS_ROUND_AT_END] = rows[i].at_end_ms,
                        [ROADS_ROUND] = rows[i].anywhere_ms},
            .forbidden_ms = ROADS_NONE};
        const struct roads_rows all = {t.rows, 4, t.banned, 1,
                                       NULL,   0, &profile, 1};
        assert_int_equal(roads_new(&all, &m.roads), PT_OK);
        assert_int_equal(
            roads_trial_new(roads_profile(m.roads, NULL), &m.trial), PT_OK);
        assert_int_equal(roads_standing_new(m.roads, MAX_UNITS, &standing),
                         PT_OK);
        memset(m.limit_ms, 0xff, sizeof(m.limit_ms));
        for (uint32_t u = 0; u < 4; u++)
            roads_standing_put(standing, u, &m.units[u]);
        m.limit_ms[0] = rows[i].open_ms;
        m.limit_ms[1] = rows[i].open_ms - 100;
        m.limit_ms[2] = rows[i].closed_ms;
        m.limit_ms[3] = rows[i].closed_ms - 100;
        const struct roads_place target = {.edge = 3, .fraction = 1};
        for (size_t closed = 0; closed < 2; closed++) {
            memset(m.ways, 0, sizeof(m.ways));
            assert_int_equal(roads_trial_close(m.trial, m.closed, closed),
                             PT_OK);
            assert_int_equal(roads_trial_reach(m.trial, standing, &target,
                                               m.limit_ms, note_met, &m),
                             PT_OK);
            assert_int_equal(m.ways[2 * closed], 1);
            assert_int_equal(m.ways[2 * closed + 1], 0);
            if (closed == 0)
                assert_true(m.needs[0] >> TO_5 & 1);
        }
        roads_standing_free(standing);
        roads_trial_free(m.trial);
        roads_unref(m.roads);
    }
}

static bool nobody_more(void *context, uint32_t slot, uint32_t directed,
                        bool ahead)
{
    (void)slot;
    (void)directed;
    (void)ahead;
    ++*(unsigned *)context;
    return false;
}

static void a_trial_ends_when_it_is_told_to(void **state)
{
    (void)state;
    static struct town t;
    const uint32_t limit_ms[] = {60000, 60000, 60000};
    struct roads_standing *standing = NULL, *other = NULL;
    struct roads_trial *trial = NULL;
    unsigned met = 0;
    star(&t);
    struct roads *roads = town_roads(&t), *another = town_roads(&t);
    const struct roads_place place = {.edge = 0, .fraction = 0.5};
    const struct roads_place nowhere = {.edge = 1000};
    assert_int_equal(roads_trial_new(roads_profile(roads, NULL), &trial),
                     PT_OK);
    assert_int_equal(roads_standing_new(roads, 3, &standing), PT_OK);
    assert_int_equal(roads_standing_new(another, 3, &other), PT_OK);
    for (uint32_t slot = 0; slot < 3; slot++)
        roads_standing_put(standing, slot, &place);
    assert_int_equal(
        roads_trial_reach(trial, standing, &place, limit_ms, nobody_more, &met),
        PT_OK);
    assert_int_equal(met, 1);
    assert_int_equal(roads_trial_reach(trial, standing, &nowhere, limit_ms,
                                       nobody_more, &met),
                     PT_E_RANGE);
    assert_int_equal(
        roads_trial_reach(trial, other, &place, limit_ms, nobody_more, &met),
        PT_E_RANGE);
    assert_int_equal(met, 1);
    roads_standing_free(standing);
    roads_standing_free(other);
    roads_trial_free(trial);
    roads_unref(roads);
    roads_unref(another);
}

static void refuses_impossible_closures(void **state)
{
    (void)state;
    static struct town t;
    star(&t);
    struct roads *roads = town_roads(&t);
    struct roads *other = town_roads(&t);
    struct roads_metric *metric = NULL;
    struct roads_search *search = NULL;
    const struct roads_slowing bad[] = {
        {12, 1000}, {3, 0}, {3, (uint32_t)INT32_MAX + 1}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(roads_metric_slowed(roads_profile(roads, NULL),
                                             &bad[i], 1, &metric),
                         PT_E_RANGE);
    uint32_t ms[2 * MAX_EDGES] = {[3] = (uint32_t)INT32_MAX + 1};
    assert_int_equal(
        roads_metric_timed(roads_profile(roads, NULL), ms, &metric),
        PT_E_RANGE);
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(roads_search_use(search, roads_profile(other, NULL)),
                     PT_E_RANGE);
    /* What is not prepared gives no tables and no spreads. */
    struct roads_tables *tables = NULL;
    struct roads_places *places = NULL;
    struct roads_spread *spread = NULL;
    struct roads_standing *standing = NULL;
    assert_int_equal(
        roads_tables_new(roads_profile(roads, NULL), NULL, 0, &tables),
        PT_E_RANGE);
    assert_int_equal(roads_spread_new(roads, 2, 0, &spread), PT_E_RANGE);
    assert_int_equal(roads_spread_new(roads, 2, ROADS_SPREAD_MAX + 1, &spread),
                     PT_E_RANGE);
    assert_int_equal(roads_spread_new(roads, 2, 1, &spread), PT_OK);
    assert_int_equal(roads_standing_new(roads, 2, &standing), PT_OK);
    assert_int_equal(
        roads_places_new(roads_profile(roads, NULL), NULL, NULL, 0, &places),
        PT_E_RANGE);
    assert_int_equal(roads_spread_run(spread, roads_profile(roads, NULL),
                                      standing, ROADS_NONE, NULL, NULL),
                     PT_E_RANGE);
    roads_standing_free(standing);
    roads_spread_free(spread);
    roads_search_free(search);
    roads_unref(roads);
    roads_unref(other);
}

static void follows_the_line(void **state)
{
    (void)state;
    static struct town t; /* along 1 - 2, then back down 5 - 2 to its middle */
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 1000);
    street(&t, 5, 2, 3000, 2000);
    t.points[0][2] = t.points[0][1];
    t.points[0][1] = (struct geo_point){23130400, -82379510};
    t.rows[0].point_count = 3;
    struct roads *roads = town_roads(&t);
    struct roads_search *search;
    struct roads_route r;
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(
        roads_route(search, &(struct roads_place){.edge = 0, .fraction = 0.0},
                    &(struct roads_place){.edge = 1, .fraction = 0.5}, &r),
        PT_OK);
    assert_int_equal(r.drive_ms, 1000 + 1000);
    assert_int_equal(r.leg_count, 2);
    assert_int_equal(r.legs[0].directed, 0);
    assert_int_equal(r.legs[1].directed, 3);
    assert_true(r.distance_m == 150.0);
    const struct geo_point line[] = {{23130000, -82380000},
                                     {23130400, -82379510},
                                     {23130000, -82379020},
                                     {23130450, -82379020}};
    assert_int_equal(r.point_count, 4);
    assert_memory_equal(r.points, line, sizeof(line));
    roads_route_clear(&r);
    roads_route_clear(&r);
    /* Backwards from behind the corner: it is no part of the way. */
    assert_int_equal(
        roads_route(search, &(struct roads_place){.edge = 0, .fraction = 0.25},
                    &(struct roads_place){.edge = 0, .fraction = 0.0}, &r),
        PT_OK);
    assert_int_equal(r.drive_ms, 250);
    assert_int_equal(r.legs[0].directed, 1);
    assert_int_equal(r.point_count, 2);
    assert_memory_equal(&r.points[1], line, sizeof(line[0]));
    roads_route_clear(&r);
    roads_search_free(search);
    roads_unref(roads);
}

static void tells_facts(void **state)
{
    (void)state;
    static struct town t;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1500, 0);
    street(&t, 2, 3, 1000, 900);
    t.rows[1].name = NULL;
    t.rows[1].way_id = -7;
    struct roads *roads = town_roads(&t);
    assert_int_equal(roads_edge_count(roads), 2);
    assert_int_equal(roads_node_count(roads), 3);
    assert_int_equal(roads_network_id(roads), 0);
    assert_true(roads_bytes(roads) > 0);
    assert_int_equal(roads_edge_ms(roads, 0), 1500);
    assert_int_equal(roads_edge_ms(roads, 1), ROADS_NONE);
    assert_int_equal(roads_edge_ms(roads, 3), 900);
    assert_int_equal(roads_edge_ms(roads, 4), ROADS_NONE);
    assert_true(roads_edge_length_m(roads, 3) == 100.0);
    assert_string_equal(roads_edge_name(roads, 1), "Calle 23");
    assert_null(roads_edge_name(roads, 2));
    assert_int_equal(roads_edge_way(roads, 2), -7);
    /* 0 is driven one way only, and leads from 1 to 2 all the same */
    assert_int_equal(roads_edge_node(roads, 0), 2);
    assert_int_equal(roads_edge_node(roads, 1), 1);
    assert_int_equal(roads_edge_node(roads, 2), 3);
    assert_int_equal(roads_edge_node(roads, 3), 2);
    assert_int_equal(roads_edge_node(roads, 4), 0);
    size_t count = 0;
    const struct geo_point *line = roads_edge_line(roads, 1, &count);
    assert_int_equal(count, t.rows[1].point_count);
    assert_memory_equal(line, t.points[1], count * sizeof(*line));
    assert_null(roads_edge_line(roads, 2, &count));
    assert_int_equal(count, 0);
    roads_unref(roads);
    roads_unref(NULL);
}

static void refuses_impossible_rows(void **state)
{
    (void)state;
    static struct town good;
    memset(&good, 0, sizeof(good));
    street(&good, 1, 2, 1000, 0);
    street(&good, 2, 3, 1000, 0);
    for (int fault = 0; fault < 9; fault++) {
        struct town t = good;
        struct roads *roads = NULL;
        struct roads_edge_row *row = &t.rows[1];
        row->points = t.points[1];
        t.turns = 1;
        t.banned[0] = (struct roads_turn_row){.from = 0, .to = 2};
        switch (fault) {
        case 0: /* nobody may drive anywhere */
            t.rows[0].forward_ms = 0;
            row->forward_ms = 0;
            break;
        case 1:
            row->point_count = 1;
            break;
        case 2:
            row->forward_ms = (uint32_t)INT32_MAX + 1;
            break;
        case 3:
            row->length_m = NAN;
            break;
        case 4:
            row->length_m = -1;
            break;
        case 5:
            t.points[1][1].lat_e6 = 90000001;
            break;
        case 6:
            t.banned[0].to = 4; /* no such edge */
            break;
        case 7:
            t.banned[0].to = 3; /* leaves 3, where 0 does not lead */
            break;
        default:
            t.edges = 0;
        }
        assert_int_equal(roads_new(&(struct roads_rows){.edges = t.rows,
                                                        .edge_count = t.edges,
                                                        .turns = t.banned,
                                                        .turn_count = t.turns},
                                   &roads),
                         PT_E_RANGE);
        assert_null(roads);
    }
    /* A ban on what may not be driven anyway says nothing new. */
    struct town t = good;
    t.turns = 1;
    t.banned[0] = (struct roads_turn_row){.from = 3, .to = 1};
    roads_unref(town_roads(&t));
}

static void refuses_places_of_other_networks(void **state)
{
    (void)state;
    static struct town t;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 1000);
    struct roads *roads = town_roads(&t);
    struct roads *other = town_roads(&t);
    struct roads_search *search;
    struct roads_standing *standing;
    struct roads_route route;
    struct roads_arrival arrival;
    size_t found = 7;
    struct roads_place good = {.edge = 0, .fraction = 0.5};
    const struct roads_place bad[] = {{.edge = ROADS_NONE},
                                      {.edge = 1},
                                      {.edge = 0, .fraction = NAN},
                                      {.edge = 0, .fraction = 1.5}};
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(roads_standing_new(other, 1, &standing), PT_OK);
    assert_int_equal(roads_nearest(search, standing, &good, 1, 1000, NULL, NULL,
                                   &arrival, &found),
                     PT_E_RANGE);
    roads_standing_free(standing);
    assert_int_equal(roads_standing_new(roads, 1, &standing), PT_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(roads_route(search, &bad[i], &good, &route),
                         PT_E_RANGE);
        assert_int_equal(roads_route(search, &good, &bad[i], &route),
                         PT_E_RANGE);
        assert_int_equal(roads_nearest(search, standing, &bad[i], 1, 1000, NULL,
                                       NULL, &arrival, &found),
                         PT_E_RANGE);
        assert_int_equal(found, 7);
        /* A unit without a place stands nowhere. */
        roads_standing_put(standing, 0, &good);
        roads_standing_put(standing, 0, &bad[i]);
        size_t count = 7;
        assert_int_equal(roads_nearest(search, standing, &good, 1, 1000, NULL,
                                       NULL, &arrival, &count),
                         PT_OK);
        assert_int_equal(count, 0);
    }
    roads_standing_free(standing);
    roads_search_free(search);
    roads_unref(roads);
    roads_unref(other);
}

/* ---------------------------------------------------------------- snapping */
/* Metres from the plane's centre to a segment. */
static double segment_m(const struct geo_plane *plane, struct geo_point a,
                        struct geo_point b)
{
    double ax, ay, bx, by;
    geo_to_plane(plane, a, &ax, &ay);
    geo_to_plane(plane, b, &bx, &by);
    double dx = bx - ax;
    double dy = by - ay;
    double squared = dx * dx + dy * dy;
    double share = squared == 0 ? 0 : -(ax * dx + ay * dy) / squared;
    share = fmin(1.0, fmax(0.0, share));
    return hypot(ax + share * dx, ay + share * dy);
}

static double edge_m(const struct town *t, const struct geo_plane *plane,
                     size_t e)
{
    double best = INFINITY;
    for (uint32_t i = 0; i + 1 < t->rows[e].point_count; i++) {
        best =
            fmin(best, segment_m(plane, t->points[e][i], t->points[e][i + 1]));
    }
    return best;
}

static void check_snap(const struct town *t, const struct roads *roads,
                       struct geo_point p)
{
    struct geo_plane plane = geo_plane_at(p);
    struct roads_place place = {.edge = 77};
    double reach = any(2) ? 100000.0 : any(600);
    double best = INFINITY;
    bool apart = false; /* those apart count only if no other is near */
    for (size_t e = 0; e < t->edges; e++)
        if (!t->rows[e].apart)
            best = fmin(best, edge_m(t, &plane, e));
    if (best > reach) {
        apart = true;
        for (size_t e = 0; e < t->edges; e++)
            best = fmin(best, edge_m(t, &plane, e));
    }
    enum pt_err err = roads_snap(roads, p, reach, &place);
    if (best > reach) {
        assert_int_equal(err, PT_E_OFFROAD);
        assert_int_equal(place.edge, 77);
        return;
    }
    assert_int_equal(err, PT_OK);
    assert_true(fabs(place.distance_m - best) < 1e-6);
    assert_true(edge_m(t, &plane, place.edge) < best + 1e-6);
    assert_true(apart || !roads_edge_apart(roads, 2 * place.edge));
    /* No lower edge is clearly as near: the corner that several streets
     * share is the same point for each. */
    for (uint32_t e = 0; e < place.edge; e++)
        assert_true((t->rows[e].apart && !apart) ||
                    edge_m(t, &plane, e) > best - 1e-9);
    /* The place is where it says: within the rounding to 1e-6 degree. */
    double east, north;
    geo_to_plane(&plane, place.at, &east, &north);
    assert_true(fabs(hypot(east, north) - best) < 0.16);
    assert_true(place.fraction >= 0.0 && place.fraction <= 1.0);
}

static void snaps_like_brute_force(void **state)
{
    (void)state;
    static struct town town;
    static const struct geo_point centres[] = {
        {23130000, -82380000},  {0, 0},
        {60170000, 24940000},   {78220000, 15640000},
        {-16500000, 180000000}, {65000000, -179999000},
        {-77850000, 179995000}};
    random_state = 7;
    for (int round = 0; round < 400; round++) {
        struct geo_point centre =
            centres[round % (int)(sizeof(centres) / sizeof(centres[0]))];
        random_town(&town, centre, 1000);
        for (size_t e = 0; e < town.edges; e++)
            town.rows[e].apart = any(4) < (uint32_t)round % 4;
        struct roads *roads = town_roads(&town);
        for (int query = 0; query < 100; query++)
            check_snap(&town, roads, near(centre, 20000));
        for (size_t n = 0; n < town.nodes; n++)
            check_snap(&town, roads, town.at[n]);
        roads_unref(roads);
    }
}

/* Each edge within reach once, with its own distance, nearest first; of too
 * many the nearest. */
static void check_around(const struct town *t, const struct roads *roads,
                         struct geo_point p)
{
    struct geo_plane plane = geo_plane_at(p);
    struct roads_place places[MAX_EDGES];
    bool told[MAX_EDGES] = {false};
    double reach = any(2) ? 100000.0 : any(600);
    size_t max = 1 + any(MAX_EDGES);
    size_t found = 0;
    enum pt_err err = roads_around(roads, p, reach, max, places, &found);
    assert_int_equal(err, found > 0 ? PT_OK : PT_E_OFFROAD);
    assert_true(found <= max);
    for (size_t i = 0; i < found; i++) {
        double distance = edge_m(t, &plane, places[i].edge);
        assert_true(fabs(places[i].distance_m - distance) < 1e-6);
        assert_true(places[i].distance_m <= reach);
        assert_false(told[places[i].edge]);
        told[places[i].edge] = true;
        assert_true(i == 0 || places[i].distance_m >= places[i - 1].distance_m);
    }
    double last = found == max ? places[max - 1].distance_m : reach;
    for (size_t e = 0; e < t->edges; e++)
        assert_true(told[e] || edge_m(t, &plane, e) > last - 1e-6);
}

static void finds_all_streets_around(void **state)
{
    (void)state;
    static struct town town;
    static const struct geo_point centres[] = {{23130000, -82380000},
                                               {-16500000, 180000000}};
    random_state = 8;
    for (int round = 0; round < 100; round++) {
        random_town(&town, centres[round % 2], 1000);
        struct roads *roads = town_roads(&town);
        for (int query = 0; query < 50; query++)
            check_around(&town, roads, near(centres[round % 2], 20000));
        roads_unref(roads);
    }
    struct roads *roads = town_roads(&town);
    struct roads_place place;
    size_t found;
    assert_int_equal(roads_around(roads, centres[0], 9, 0, &place, &found),
                     PT_E_RANGE);
    assert_int_equal(roads_around(roads, centres[0], 9, ROADS_AROUND_MAX + 1,
                                  &place, &found),
                     PT_E_RANGE);
    assert_int_equal(roads_around(roads, centres[0], NAN, 1, &place, &found),
                     PT_E_RANGE);
    roads_unref(roads);
}

static void tells_the_turns_into_an_edge(void **state)
{
    (void)state;
    static struct town t;
    random_state = 9;
    size_t seen = 0;
    for (int round = 0; round < 200; round++) {
        random_town(&t, (struct geo_point){23130000, -82380000}, 1000);
        struct roads *roads = town_roads(&t);
        for (uint32_t into = 0; into < 2 * t.edges; into++) {
            uint32_t from[2 * MAX_EDGES];
            bool told[2 * MAX_EDGES] = {false};
            size_t count = roads_turns_into(roads, into, from, 2 * MAX_EDGES);
            assert_true(count <= 2 * MAX_EDGES);
            for (size_t i = 0; i < count; i++)
                told[from[i]] = true;
            for (uint32_t a = 0; a < 2 * t.edges; a++)
                assert_int_equal(told[a], turn_allowed(&t, a, into));
            assert_int_equal(roads_turns_into(roads, into, NULL, 0), count);
            seen += count;
        }
        assert_int_equal(
            roads_turns_into(roads, 2 * (uint32_t)t.edges, NULL, 0), 0);
        roads_unref(roads);
    }
    assert_true(seen > 1000);
}

/* Of streets that meet in the nearest point, the lowest number counts. */
static void snaps_ties_to_the_lower_edge(void **state)
{
    (void)state;
    static struct town t;
    struct roads_place place;
    memset(&t, 0, sizeof(t));
    street(&t, 4, 1, 1000, 1000);
    street(&t, 1, 2, 1000, 1000);
    street(&t, 4, 1, 1000, 1000);
    struct roads *roads = town_roads(&t);
    struct geo_point below = {23129000, -82381000};
    assert_int_equal(roads_snap(roads, below, 500, &place), PT_OK);
    assert_int_equal(place.edge, 0);
    assert_true(place.fraction == 1.0);
    assert_int_equal(place.at.lat_e6, 23130000);
    assert_int_equal(place.at.lon_e6, -82380000);
    assert_true(fabs(place.distance_m - geo_distance_m(below, place.at)) <
                0.01);
    assert_int_equal(roads_snap(roads, below, 100, &place), PT_E_OFFROAD);
    assert_int_equal(roads_snap(roads, below, NAN, &place), PT_E_RANGE);
    assert_int_equal(
        roads_snap(roads, (struct geo_point){91000000, 0}, 9, &place),
        PT_E_RANGE);
    roads_unref(roads);
}

/* A line whose ends are one point has no length to be a share of. */
static void bears_streets_without_length(void **state)
{
    (void)state;
    static struct town t;
    struct roads_place place;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 1, 10, 10);
    street(&t, 1, 2, 1000, 1000);
    t.rows[0].length_m = 0;
    struct roads *roads = town_roads(&t);
    assert_int_equal(roads_snap(roads, t.points[0][0], 10, &place), PT_OK);
    assert_int_equal(place.edge, 0);
    assert_true(place.fraction == 0.0);
    assert_true(place.distance_m == 0.0);
    assert_int_equal(drive(&t, 0, 0.0, 1, 0.5), 500);
    roads_unref(roads);
}

/* A big town: many levels of the index, long lists of edges. */
#define BLOCKS 60
static struct roads *grid_roads(void)
{
    static struct roads_edge_row rows[2 * BLOCKS * BLOCKS];
    static struct geo_point points[2 * BLOCKS * BLOCKS][2];
    size_t count = 0;
    for (int32_t y = 0; y < BLOCKS; y++) {
        for (int32_t x = 0; x < BLOCKS; x++) {
            for (int32_t up = 0; up < 2; up++) {
                if ((up ? y : x) == BLOCKS - 1)
                    continue;
                points[count][0] = (struct geo_point){y * 1000, x * 1000};
                points[count][1] =
                    (struct geo_point){(y + up) * 1000, (x + !up) * 1000};
                rows[count] = (struct roads_edge_row){
                    .source = y * BLOCKS + x,
                    .target = (y + up) * BLOCKS + x + !up,
                    .forward_ms = 1000,
                    .backward_ms = 1000,
                    .length_m = 111,
                    .points = points[count],
                    .point_count = 2};
                count++;
            }
        }
    }
    struct roads *roads = NULL;
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = count},
                  &roads),
        PT_OK);
    assert_int_equal(roads_node_count(roads), BLOCKS * BLOCKS);
    return roads;
}

/* The first few units of a limit that leaves most of the town without. */
static void knows_where_nobody_comes(void **state)
{
    (void)state;
    struct roads *roads = grid_roads();
    struct roads_search *search;
    struct roads_standing *standing;
    random_state = 7;
    assert_int_equal(roads_prepare(roads), PT_OK);
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    assert_int_equal(roads_standing_new(roads, MAX_UNITS, &standing), PT_OK);
    for (int round = 0; round < thorough(30, 100); round++) {
        for (uint32_t slot = 0; slot < MAX_UNITS; slot++) {
            struct roads_place place = {
                .edge = any((uint32_t)roads_edge_count(roads)),
                .fraction = any(1000001) / 1e6};
            roads_standing_put(standing, slot, &place);
        }
        check_counts(search, standing, roads, 2000 + any(30000));
    }
    roads_standing_free(standing);
    roads_search_free(search);
    roads_unref(roads);
}

static void handles_a_grid(void **state)
{
    (void)state;
    struct roads *roads = grid_roads();
    struct roads_search *search;
    assert_int_equal(roads_search_new(roads, &search), PT_OK);
    random_state = 99;
    for (int i = 0; i < 300; i++) {
        /* Between junctions the way is the blocks east plus those north:
         * from (x + 1/4, y) to (u + 1/4, v), v != y and u > x or u = x. */
        int32_t x = (int32_t)any(BLOCKS - 1);
        int32_t u = x + (int32_t)any((uint32_t)(BLOCKS - 1 - x));
        int32_t y = (int32_t)any(BLOCKS / 2);
        int32_t v = BLOCKS / 2 + (int32_t)any(BLOCKS / 2);
        struct roads_place a, b;
        struct roads_route r;
        assert_int_equal(
            roads_snap(roads, (struct geo_point){y * 1000 + 9, x * 1000 + 250},
                       5, &a),
            PT_OK);
        assert_int_equal(
            roads_snap(roads, (struct geo_point){v * 1000 - 9, u * 1000 + 250},
                       5, &b),
            PT_OK);
        assert_int_equal(roads_route(search, &a, &b, &r), PT_OK);
        uint32_t blocks = (uint32_t)(u - x + v - y);
        /* On the same column: to the nearer corner, 1/4, and back. */
        assert_int_equal(r.drive_ms, 1000 * blocks + (u == x ? 500 : 0));
        roads_route_clear(&r);
        if (i == 100)
            assert_int_equal(roads_prepare(roads), PT_OK);
        if (i >= 100)
            roads_search_by(search,
                            i % 2 ? ROADS_BY_HIERARCHY : ROADS_BY_SEARCH);
    }
    roads_search_free(search);
    roads_unref(roads);
}

/* ------------------------------------------------------- failing allocation */
static enum pt_err make_everything(const struct town *t)
{
    struct roads *roads = NULL;
    struct roads_search *search = NULL;
    struct roads_standing *standing = NULL;
    struct roads_route route = {0};
    struct roads_metric *metric = NULL;
    struct roads_metric *timed = NULL;
    struct roads_tables *tables = NULL;
    struct roads_places *places = NULL;
    struct roads_spread *spread = NULL;
    struct roads_trial *trial = NULL;
    struct roads_place place = {.edge = 0, .fraction = 0.5};
    const uint32_t edge = 0, limits_ms[5] = {9000};
    unsigned met = 0;
    enum pt_err err = roads_new(&(struct roads_rows){.edges = t->rows,
                                                     .edge_count = t->edges,
                                                     .turns = t->banned,
                                                     .turn_count = t->turns},
                                &roads);
    if (err == PT_OK)
        err = roads_search_new(roads, &search);
    if (err == PT_OK)
        err = roads_standing_new(roads, 5, &standing);
    if (err == PT_OK)
        err = roads_route(search, &place, &place, &route);
    if (err == PT_OK)
        err = roads_prepare(roads);
    if (err == PT_OK)
        err = roads_metric_slowed(roads_profile(roads, NULL), NULL, 0, &metric);
    if (err == PT_OK)
        err = roads_metric_timed(metric, (uint32_t[4]){0}, &timed);
    if (err == PT_OK)
        err = roads_tables_new(metric, &place, 1, &tables);
    if (err == PT_OK)
        err = roads_spread_new(roads, 5, 3, &spread);
    if (err == PT_OK)
        err = roads_places_new(metric, &place, limits_ms, 1, &places);
    if (err == PT_OK)
        err = roads_trial_new(metric, &trial);
    if (err == PT_OK)
        err = roads_trial_close(trial, &edge, 1);
    if (err == PT_OK)
        err = roads_trial_close(trial, &edge, 0);
    if (err == PT_OK)
        err = roads_trial_reach(trial, standing, &place, limits_ms, nobody_more,
                                &met);
    roads_trial_free(trial);
    roads_places_free(places);
    roads_spread_free(spread);
    roads_tables_free(tables);
    roads_metric_unref(timed);
    roads_metric_unref(metric);
    roads_route_clear(&route);
    roads_standing_free(standing);
    roads_search_free(search);
    roads_unref(roads);
    return err;
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    static struct town t;
    memset(&t, 0, sizeof(t));
    street(&t, 1, 2, 1000, 1000);
    street(&t, 2, 3, 1000, 1000);
    t.turns = 1;
    t.banned[0] = (struct roads_turn_row){.from = 0, .to = 2};
    long fail = -1;
    enum pt_err err = PT_E_NOMEM;
    while (err != PT_OK) {
        fail_alloc_after((size_t)++fail);
        err = make_everything(&t);
        fail_alloc_never();
        assert_true(err == PT_OK || err == PT_E_NOMEM);
    }
    assert_true(fail > 15); /* it did fail here and there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(goes_round_the_block),
        cmocka_unit_test(knows_islands),
        cmocka_unit_test(turns_round_at_dead_ends_only),
        cmocka_unit_test(turns_cost_what_the_profile_says),
        cmocka_unit_test(a_detour_may_be_cheaper_than_a_turn),
        cmocka_unit_test(who_may_breaks_a_rule_at_its_cost),
        cmocka_unit_test(profiles_have_their_own_streets),
        cmocka_unit_test(remembers_forbidden_sequences),
        cmocka_unit_test(closures_are_as_if_built_so),
        cmocka_unit_test(other_times_are_as_if_built_so),
        cmocka_unit_test(trials_are_as_if_closed),
        cmocka_unit_test(a_closing_changes_where_to_turn_round),
        cmocka_unit_test(a_trial_ends_when_it_is_told_to),
        cmocka_unit_test(refuses_impossible_closures),
        cmocka_unit_test(follows_the_line),
        cmocka_unit_test(tells_facts),
        cmocka_unit_test(refuses_impossible_rows),
        cmocka_unit_test(refuses_places_of_other_networks),
        cmocka_unit_test(snaps_like_brute_force),
        cmocka_unit_test(finds_all_streets_around),
        cmocka_unit_test(tells_the_turns_into_an_edge),
        cmocka_unit_test(snaps_ties_to_the_lower_edge),
        cmocka_unit_test(bears_streets_without_length),
        cmocka_unit_test(knows_where_nobody_comes),
        cmocka_unit_test(handles_a_grid),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* moves: sets of moves against trying all of them; on a network against a
 * coverage that is told of each step. */
#include "moves_internal.h"

#include "catalog_internal.h"
#include "fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ----------------------------------------------------------- sets, plain bits
 */
#define UNITS 4
#define PLACES 4
#define MISSIONS 9

struct plain {
    uint64_t now[UNITS], there[PLACES], way[UNITS][PLACES], promised;
    uint32_t arrive_ms[UNITS * PLACES];
    bool may_move[UNITS];
    uint32_t class_of[UNITS];
    struct moves_problem problem;
};

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

static uint64_t some(uint32_t percent)
{
    uint64_t bits = 0;
    for (size_t m = 0; m < MISSIONS; m++)
        bits |= (uint64_t)(any(100) < percent) << m;
    return bits;
}

static bool plain_way(void *context, uint32_t unit, uint32_t place,
                      uint64_t *ret)
{
    const struct plain *p = context;
    *ret = p->way[unit][place];
    return true;
}

static void make_plain(struct plain *p)
{
    memset(p, 0, sizeof(*p));
    for (size_t c = 0; c < PLACES; c++)
        p->there[c] = some(35);
    p->promised = some(90);
    for (size_t u = 0; u < UNITS; u++) {
        p->now[u] = some(35);
        p->may_move[u] = any(6) > 0;
        for (size_t c = 0; c < PLACES; c++) {
            p->way[u][c] = p->now[u] & p->there[c] & some(80);
            p->arrive_ms[u * PLACES + c] =
                any(9) == 0 ? ROADS_NONE : 10 + any(40);
        }
    }
    p->problem = (struct moves_problem){
        .missions = MISSIONS,
        .words = 1,
        .level = 1 + any(2),
        .most = 3,
        .units = UNITS,
        .now = p->now,
        .may_move = p->may_move,
        .places = PLACES,
        .classes = 1,
        .class_of = p->class_of,
        .there = p->there,
        .arrive_ms = p->arrive_ms,
        .promised = &p->promised,
        .on_way = plain_way,
        .context = p,
    };
}

/* Where each unit goes: PLACES is nowhere. */
static unsigned in_time(const struct plain *p, const uint32_t *to, size_t m,
                        bool on_way)
{
    unsigned count = 0;
    for (size_t u = 0; u < UNITS; u++) {
        uint64_t bits = to[u] == PLACES ? p->now[u]
                        : on_way        ? p->way[u][to[u]]
                                        : p->there[to[u]];
        count += (unsigned)(bits >> m & 1);
    }
    return count;
}

static const uint32_t stay[UNITS] = {PLACES, PLACES, PLACES, PLACES};

static bool keeps(const struct plain *p, const uint32_t *to)
{
    for (size_t m = 0; m < MISSIONS; m++)
        if (p->promised >> m & 1 &&
            in_time(p, stay, m, false) >= p->problem.level &&
            (in_time(p, to, m, false) < p->problem.level ||
             in_time(p, to, m, true) < p->problem.level))
            return false;
    return true;
}

static size_t lack(const struct plain *p, const uint32_t *to, uint64_t beyond)
{
    size_t count = 0;
    for (size_t m = 0; m < MISSIONS; m++)
        count += (p->promised & ~beyond) >> m & 1 &&
                 in_time(p, to, m, false) < p->problem.level;
    return count;
}

struct best {
    size_t count; /* moves; SIZE_MAX: none */
    uint32_t last_ms;
};

static bool next_set(uint32_t *to)
{
    for (size_t u = 0; u < UNITS; u++) {
        to[u] = (to[u] + 1) % (PLACES + 1);
        if (to[u] != 0)
            return true;
    }
    return false;
}

/* All sets of at most three. */
static struct best try_all(const struct plain *p, uint64_t beyond)
{
    struct best best = {SIZE_MAX, 0};
    uint32_t to[UNITS] = {0};
    do {
        size_t count = 0;
        uint32_t last_ms = 0;
        bool possible = true;
        for (size_t u = 0; u < UNITS; u++) {
            if (to[u] == PLACES)
                continue;
            uint32_t ms = p->arrive_ms[u * PLACES + to[u]];
            count++;
            last_ms = ms > last_ms ? ms : last_ms;
            possible = possible && p->may_move[u] && ms != ROADS_NONE;
        }
        if (possible && count <= 3 && keeps(p, to) &&
            lack(p, to, beyond) == 0 &&
            (count < best.count ||
             (count == best.count && last_ms < best.last_ms)))
            best = (struct best){count, last_ms};
    } while (next_set(to));
    return best;
}

/* What no set of whatever moves, kept or not, would restore alone. */
static uint64_t never(const struct plain *p)
{
    uint64_t bits = 0;
    for (size_t m = 0; m < MISSIONS; m++) {
        unsigned could = 0;
        for (size_t u = 0; u < UNITS; u++) {
            bool can = p->now[u] >> m & 1;
            for (size_t c = 0; c < PLACES; c++)
                can = can || (p->may_move[u] && p->there[c] >> m & 1 &&
                              p->arrive_ms[u * PLACES + c] != ROADS_NONE);
            could += can;
        }
        bits |= (uint64_t)(could < p->problem.level) << m;
    }
    return bits & p->promised;
}

static void check_plain(const struct plain *p, size_t *complete)
{
    uint64_t lacking = 0, beyond = 0;
    uint32_t to[UNITS] = {PLACES, PLACES, PLACES, PLACES};
    struct moves_found found;
    assert_int_equal(moves_search(&p->problem, &lacking, &beyond, &found),
                     PT_OK);
    assert_int_equal(beyond, never(p));
    struct best best = try_all(p, beyond);
    uint32_t last_ms = 0;
    for (size_t i = 0; i < found.count; i++) {
        assert_int_equal(to[found.unit[i]], PLACES);
        to[found.unit[i]] = found.place[i];
        uint32_t ms = p->arrive_ms[found.unit[i] * PLACES + found.place[i]];
        last_ms = ms > last_ms ? ms : last_ms;
    }
    assert_true(keeps(p, to));
    assert_int_equal(found.complete, best.count != SIZE_MAX);
    if (found.complete) {
        assert_int_equal(found.count, best.count);
        assert_int_equal(last_ms, best.last_ms);
        assert_int_equal(lack(p, to, beyond), 0);
    } else {
        assert_true(found.count == 0 || lack(p, to, 0) < lack(p, stay, 0));
    }
    *complete += found.complete && found.count > 1;
}

static void test_all_sets(void **state)
{
    struct plain p;
    size_t complete = 0;
    (void)state;
    srandom(21);
    for (int i = 0; i < 3000; i++) {
        make_plain(&p);
        check_plain(&p, &complete);
    }
    assert_true(complete > 20); /* of two moves and more */
}

/* ---------------------------------------------------------------- on a street
 */
#define NOW_MS INT64_C(1718000000000)
#define STREET_M 2000.0

/* Two kilometres, a minute each way for each of ten pieces, seen from the
 * west. */
static struct geo_point at_m(double east_m)
{
    struct geo_plane plane = geo_plane_at((struct geo_point){9900000, -500000});
    return geo_from_plane(&plane, east_m, 0);
}

static double no_access(double off_road_m)
{
    (void)off_road_m;
    return 0;
}

static const struct coverage_settings settings = {
    .promise_s = 120,
    .level = 1,
    .zone_percent = 80,
    .reach_m = 50,
    .access_s = no_access,
    .start_share = 4,
    .tables_max_bytes = 1 << 20,
};

struct street {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_basis *basis;
    struct moves_unit units[3];
    struct coverage_stop places[8];
    struct moves_wish wish;
};

static void build(struct street *s, const double *missions, size_t count)
{
    static struct geo_point ends[10][2];
    struct roads_edge_row rows[10];
    for (int i = 0; i < 10; i++) {
        ends[i][0] = at_m(200 * i);
        ends[i][1] = at_m(200 * i + 200);
        rows[i] = (struct roads_edge_row){.way_id = i + 1,
                                          .source = i + 1,
                                          .target = i + 2,
                                          .forward_ms = 60000,
                                          .backward_ms = 60000,
                                          .length_m = 200,
                                          .points = ends[i],
                                          .point_count = 2};
    }
    const struct roads_rows all = {.edges = rows, .edge_count = 10};
    const struct catalog_counts counts = {.missions = count};
    *s = (struct street){.wish = {.level = 1, .most = 3, .limit_ms = 60000}};
    assert_int_equal(roads_new(&all, &s->roads), PT_OK);
    assert_int_equal(roads_prepare(s->roads), PT_OK);
    assert_int_equal(catalog_new(&s->catalog), PT_OK);
    assert_int_equal(catalog_reserve(s->catalog, &counts), PT_OK);
    for (size_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "m%zu", i);
        assert_int_equal(catalog_add_mission(s->catalog, (uint32_t)i + 1, NULL,
                                             name, "embassy", at_m(missions[i]),
                                             CATALOG_NO_ZONE),
                         PT_OK);
    }
    catalog_finish(s->catalog);
    const struct roads_metric *metric = roads_profile(s->roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    assert_int_equal(
        coverage_basis_new(&settings, s->catalog, &metrics, &s->basis), PT_OK);
    assert_int_equal(coverage_basis_fill(s->basis), PT_OK);
    s->wish.basis = s->basis;
    s->wish.units = s->units;
    s->wish.places = s->places;
}

static void tear_down(struct street *s)
{
    coverage_basis_unref(s->basis);
    roads_unref(s->roads);
    catalog_free(s->catalog);
}

static void add_unit(struct street *s, double east_m)
{
    struct coverage_stop stop = coverage_stop_at(s->basis, at_m(east_m));
    s->units[s->wish.unit_count++] = (struct moves_unit){
        .unit = {.place = stop.place, .until_ms = INT64_MAX},
        .may_move = true,
    };
}

static void add_place(struct street *s, double east_m)
{
    s->places[s->wish.place_count++] = coverage_stop_at(s->basis, at_m(east_m));
}

/* A unit has 400 m either way in time. */
static void test_street(void **state)
{
    struct street s;
    struct moves_answer a;
    (void)state;
    /* One at 300 m keeps the mission at 100 m and may go on to 500 m, but no
     * farther; the mission at 850 m is then in time. */
    build(&s, (double[]){100, 850}, 2);
    add_unit(&s, 300);
    add_place(&s, 700);
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_int_equal(a.lacking, 1);
    assert_int_equal(a.beyond, 0);
    assert_int_equal(a.count, 0); /* 700 m would strip the one at 100 m */
    assert_false(a.complete);
    assert_int_equal(a.remaining_count, 1);
    moves_clear(&a);
    add_place(&s, 490);
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_true(a.complete && !a.stopped);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.moves[0].place, 1);
    assert_in_range(a.moves[0].arrive_ms, 56900, 57100); /* 190 m */
    assert_int_equal(a.moves[0].gained_count, 1);
    assert_int_equal(a.restored_count, 1);
    moves_clear(&a);
    /* where two are to be in time, both have to go to 490 m */
    add_unit(&s, 0);
    s.wish.level = 2;
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_int_equal(a.lacking, 1);
    assert_true(a.complete);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.moves[0].place, 1);
    assert_int_equal(a.moves[1].place, 1);
    moves_clear(&a);
    tear_down(&s);
}

/* The nearest may not go, for it would strip a mission, until another has that
 * in time, too. */
static void test_donor(void **state)
{
    struct street s;
    struct moves_answer a;
    (void)state;
    /* at 1000 m both 700 and 1300 m are in time; at 1120 m 700 m is not */
    build(&s, (double[]){700, 1300, 1500}, 3);
    add_unit(&s, 1000);
    add_place(&s, 1120);
    add_place(&s, 620);
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_int_equal(a.count, 0);
    assert_false(a.complete);
    moves_clear(&a);
    /* one from 100 m takes five minutes, and strips nobody */
    add_unit(&s, 100);
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_true(a.complete);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.moves[0].unit, 1);
    assert_in_range(a.moves[0].arrive_ms, 305900, 306100);
    moves_clear(&a);
    /* at 400 m it has 700 m in time: the nearer may go */
    s.wish.unit_count = 1;
    add_unit(&s, 400);
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_true(a.complete);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.moves[0].unit, 0);
    assert_in_range(a.moves[0].arrive_ms, 35900, 36100);
    moves_clear(&a);
    tear_down(&s);
}

static void test_any_place(void **state)
{
    struct street s;
    struct moves_answer a;
    struct coverage *c;
    (void)state;
    build(&s, (double[]){100, 1900}, 2);
    add_unit(&s, 200);
    add_unit(&s, 400);
    s.units[1].may_move = true;
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_true(a.complete);
    assert_int_equal(a.count, 1);
    assert_int_equal(coverage_new(&settings, 4, &c), PT_OK);
    assert_int_equal(coverage_set_basis(c, s.basis, NOW_MS), PT_OK);
    for (uint32_t i = 0; i < 2; i++) {
        struct coverage_unit unit = s.units[i].unit;
        if (a.moves[0].unit == i)
            unit.place = a.moves[0].to;
        assert_int_equal(coverage_put(c, i, &unit, NOW_MS), PT_OK);
    }
    assert_int_equal(coverage_zone(c, 0).within[0], 2);
    coverage_free(c);
    moves_clear(&a);
    /* nobody may go: it is beyond reach */
    s.units[0].may_move = s.units[1].may_move = false;
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_int_equal(a.beyond, 1);
    assert_int_equal(a.count, 0);
    assert_true(a.complete);
    moves_clear(&a);
    s.wish.unit_count = 0;
    assert_int_equal(moves_run(&s.wish, &a), PT_OK);
    assert_int_equal(a.lacking, 2);
    moves_clear(&a);
    tear_down(&s);
}

static void test_refused(void **state)
{
    struct street s;
    struct moves_answer a;
    const atomic_bool cancelled = true;
    (void)state;
    build(&s, (double[]){100}, 1);
    add_unit(&s, 200);
    add_place(&s, 300);
    s.wish.level = 0;
    assert_int_equal(moves_run(&s.wish, &a), PT_E_RANGE);
    s.wish.level = 1;
    s.wish.most = MOVES_MAX + 1;
    assert_int_equal(moves_run(&s.wish, &a), PT_E_RANGE);
    s.wish.most = 1;
    s.wish.cancelled = &cancelled;
    assert_int_equal(moves_run(&s.wish, &a), PT_E_AGAIN);
    tear_down(&s);
}

static void test_no_memory(void **state)
{
    struct street s;
    size_t failed = 0;
    (void)state;
    build(&s, (double[]){100, 850}, 2);
    add_unit(&s, 300);
    add_place(&s, 490);
    for (size_t i = 0; i < 1000; i++) {
        struct moves_answer a;
        fail_alloc_after(i);
        enum pt_err err = moves_run(&s.wish, &a);
        fail_alloc_never();
        if (err == PT_OK) {
            bool complete = a.complete;
            moves_clear(&a);
            if (complete)
                break;
            continue; /* a route that there was no memory for is none */
        }
        assert_int_equal(err, PT_E_NOMEM);
        failed++;
    }
    assert_in_range(failed, 20, 900);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sets), cmocka_unit_test(test_street),
        cmocka_unit_test(test_donor),    cmocka_unit_test(test_any_place),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* weak: in a small town (small_town.h) with missions at crossings 4 and 6, each
 * promised 70 s. A unit at 1 is at 4 after 60 s, and too late at 6 (80 s); one
 * at 6 is at 4 after 40 s. */
#include "weak.h"

#include "catalog_internal.h"
#include "dispatch.h"
#include "fail_alloc.h"
#include "small_town.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
enum { WEST, BRIDGE, EAST, UP, ROUND, DOWN }; /* edges */

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_basis *basis;
    struct weak_unit units[2];
    struct weak_wish wish;
};

static void build(struct town *town, size_t missions, size_t units)
{
    static const int crossings[] = {4, 6};
    *town = (struct town){.roads = make_small_town(),
                          .catalog = make_missions(crossings, missions)};
    town->basis = make_basis(town->roads, town->catalog);
    for (int i = 0; i < 2; i++) {
        struct roads_place place =
            roads_place_on(town->roads, 2 * (i == 0 ? WEST : DOWN), 0.0);
        town->units[i] = (struct weak_unit){
            .now = {.place = place, .until_ms = INT64_MAX}, .stood = place};
    }
    town->wish = (struct weak_wish){.now_ms = NOW_MS,
                                    .basis = town->basis,
                                    .settings = &small_town_settings,
                                    .units = town->units,
                                    .unit_count = units,
                                    .limit_ms = 60000};
}

static void tear_down(struct town *town)
{
    coverage_basis_unref(town->basis);
    catalog_free(town->catalog);
    roads_unref(town->roads);
}

static struct weak *run(const struct town *town)
{
    struct weak *weak;
    assert_int_equal(weak_new(&town->wish, &weak), PT_OK);
    assert_int_equal(weak_run(weak), PT_OK);
    assert_int_equal(weak_hours(weak)->source, WEAK_NO_PAST);
    assert_int_equal(weak_hours(weak)->worst, -1);
    assert_true(weak_tried(weak).is_worst);
    return weak;
}

static void check_loss(const struct weak_loss *loss, uint32_t what,
                       size_t count, uint32_t first)
{
    assert_int_equal(loss->what, what);
    assert_int_equal(loss->count, count);
    assert_int_equal(loss->missions[0], first);
}

/* West, bridge and East are its only way in time; they uncover the same, so
 * that one of them is told. */
static void one_unit_and_one_way(void **state)
{
    (void)state;
    struct town town;
    const struct weak_loss *losses;
    build(&town, 1, 1);
    struct weak *weak = run(&town);
    assert_int_equal(weak_mission(weak, 0)->in_time, 1);
    assert_int_equal(weak_mission(weak, 0)->can_fail, 0);
    assert_int_equal(weak_units(weak, &losses), 1);
    check_loss(losses, 0, 1, 0);
    assert_int_equal(weak_tried(weak).candidates, 3);
    assert_int_equal(weak_tried(weak).tried, 3);
    assert_int_equal(weak_streets(weak, &losses), 1);
    check_loss(losses, WEST, 1, 0);
    weak_free(weak);
    tear_down(&town);
}

/* At both missions one of the two may fail. To 4 only East is on both ways; to
 * 6 no closing is in the way of the one that stands there. */
static void two_units(void **state)
{
    (void)state;
    struct town town;
    const struct weak_loss *losses;
    build(&town, 2, 2);
    struct weak *weak = run(&town);
    assert_int_equal(weak_mission(weak, 0)->can_fail, 1);
    assert_int_equal(weak_mission(weak, 1)->can_fail, 1);
    assert_int_equal(weak_units(weak, &losses), 0);
    assert_int_equal(weak_streets(weak, &losses), 1);
    check_loss(losses, EAST, 1, 0);
    weak_free(weak);
    tear_down(&town);
}

/* West meets Bridge and Up at its end, of which Bridge is the lower. */
static void pieces_lie_between_streets(void **state)
{
    (void)state;
    struct roads *roads = make_small_town();
    assert_null(weak_cross_street(roads, WEST, false));
    assert_string_equal(weak_cross_street(roads, WEST, true), "Bridge");
    assert_string_equal(weak_cross_street(roads, ROUND, false), "Up");
    assert_string_equal(weak_cross_street(roads, ROUND, true), "Down");
    roads_unref(roads);
}

static void no_units_or_missions(void **state)
{
    (void)state;
    struct town town;
    const struct weak_loss *losses;
    build(&town, 2, 0);
    struct weak *weak = run(&town);
    assert_int_equal(weak_mission(weak, 0)->can_fail, -1);
    assert_int_equal(weak_units(weak, &losses), 0);
    assert_int_equal(weak_streets(weak, &losses), 0);
    assert_int_equal(weak_tried(weak).candidates, 0);
    weak_free(weak);
    tear_down(&town);
    build(&town, 0, 2);
    weak_free(run(&town));
    tear_down(&town);
}

/* ------------------------------------------------------- closing each in turn
 */
/* A town of SIDE by SIDE crossings, blocks of 200 m, with random times; every
 * fifth street is one way, U-turns are made at dead ends only, and left turns
 * take 5 s. Its middle is an avenue of two carriageways 20 m apart, one way
 * each, of which one has half as many crossings. */
enum {
    SIDE = 6,
    UNITS = 5,
    MISSIONS = 8,
    STREETS_MAX = 2 * SIDE * SIDE,
    AVENUE = SIDE / 2
};

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

struct grid {
    struct geo_point ends[STREETS_MAX][2];
    struct roads_edge_row rows[STREETS_MAX];
    size_t count;
};

static void add_street(struct grid *g, int from, int to, bool one_way,
                       const char *name)
{
    const int ends[] = {from, to};
    struct roads_edge_row *row = &g->rows[g->count];
    for (int i = 0; i < 2; i++) {
        bool is_second = ends[i] >= SIDE * SIDE; /* carriageway */
        int at = is_second ? ends[i] - SIDE * SIDE : ends[i];
        double north = is_second ? AVENUE * 0.5 + 0.05 : at / SIDE * 0.5;
        g->ends[g->count][i] =
            at_block(is_second ? at * 0.5 : at % SIDE * 0.5, north);
    }
    *row = (struct roads_edge_row){
        .way_id = (int64_t)g->count + 1,
        .source = from + 1,
        .target = to + 1,
        .forward_ms = 5000 + any(20000),
        .backward_ms = one_way ? 0 : 5000 + any(20000),
        .length_m =
            (float)geo_distance_m(g->ends[g->count][0], g->ends[g->count][1]),
        .name = name,
        .points = g->ends[g->count],
        .point_count = 2,
    };
    g->count++;
}

static void add_avenue(struct grid *g)
{
    int row = AVENUE * SIDE, second = SIDE * SIDE;
    for (int x = 0; x + 1 < SIDE; x++)
        add_street(g, row + x, row + x + 1, true, "Avenue");
    /* at its ends and at its middle it meets the other */
    add_street(g, row, second, false, "End");
    add_street(g, row + SIDE - 1, second + SIDE - 1, false, "End");
    add_street(g, row + SIDE / 2, second + SIDE / 2, false, "Gap");
    add_street(g, second + SIDE - 1, second + SIDE / 2, true, "Avenue");
    add_street(g, second + SIDE / 2, second, true, "Avenue");
}

static struct roads *make_grid(struct grid *g)
{
    struct roads *roads;
    g->count = 0;
    for (int at = 0; at < SIDE * SIDE; at++) {
        if (at % SIDE + 1 < SIDE && at / SIDE != AVENUE)
            add_street(g, at, at + 1, any(5) == 0, NULL);
        if (at / SIDE + 1 < SIDE)
            add_street(g, at, at + SIDE, any(5) == 0, NULL);
    }
    add_avenue(g);
    const struct roads_profile profile = {
        .name = "patrol",
        .turn_ms = {[ROADS_LEFT] = 5000,
                    [ROADS_SHARP_LEFT] = 5000,
                    [ROADS_ROUND_AT_END] = 8000,
                    [ROADS_ROUND] = ROADS_NONE},
        .forbidden_ms = ROADS_NONE,
        .start_ms = 9000};
    const struct roads_rows all = {.edges = g->rows,
                                   .edge_count = g->count,
                                   .profiles = &profile,
                                   .profile_count = 1};
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

static struct catalog *make_any_missions(void)
{
    const struct catalog_counts counts = {.missions = MISSIONS};
    struct catalog *catalog;
    assert_int_equal(catalog_new(&catalog), PT_OK);
    assert_int_equal(catalog_reserve(catalog, &counts), PT_OK);
    for (uint32_t m = 1; m <= MISSIONS; m++)
        assert_int_equal(catalog_add_mission(
                             catalog, m, NULL, "M", "embassy",
                             at_block(any(2500) / 1000.0, any(2500) / 1000.0),
                             CATALOG_NO_ZONE),
                         PT_OK);
    catalog_finish(catalog);
    return catalog;
}

static double access_s(double off_road_m)
{
    return off_road_m / 10;
}

static struct coverage_unit stand(const struct roads_metric *metric,
                                  const struct roads_place *stood)
{
    struct coverage_unit unit = {.until_ms = INT64_MAX};
    if (dispatch_join(metric, stood, &unit.place) != PT_OK)
        unit.place.edge = ROADS_NONE;
    else
        unit.late_ms = (uint32_t)lround(1000 * access_s(unit.place.distance_m));
    return unit;
}

/* Which missions have enough units in time, by a coverage with time tables of
 * their own, as a bit each. */
static unsigned covered_by(const struct town *town,
                           const struct coverage_settings *how,
                           const struct roads_metric *metric)
{
    const struct coverage_metrics metrics = {
        metric, roads_profile(town->roads, NULL), metric};
    struct coverage_basis *basis;
    struct coverage *coverage;
    unsigned covered = 0;
    assert_int_equal(coverage_basis_new(how, town->catalog, &metrics, &basis),
                     PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_OK);
    assert_int_equal(coverage_new(how, UNITS, &coverage), PT_OK);
    assert_int_equal(coverage_set_basis(coverage, basis, NOW_MS), PT_OK);
    for (uint32_t u = 0; u < UNITS; u++) {
        struct coverage_unit unit = stand(metric, &town->wish.units[u].stood);
        assert_int_equal(coverage_put(coverage, u, &unit, NOW_MS), PT_OK);
    }
    for (size_t m = 0; m < MISSIONS; m++) {
        struct coverage_mission mission = coverage_mission(coverage, m);
        if (!mission.off_road && mission.within >= how->level)
            covered |= 1u << m;
    }
    coverage_free(coverage);
    coverage_basis_unref(basis);
    return covered;
}

/* The carriageway of the avenue that a piece of it is not on has these beside
 * it: its first three blocks, or its last two, by the gap in the middle. */
static size_t close_with(const struct grid *g, uint32_t edge,
                         struct roads_slowing *ret)
{
    size_t count = 0;
    for (uint32_t other = 0; other < g->count; other++) {
        const struct roads_edge_row *a = &g->rows[edge], *b = &g->rows[other];
        bool is_a_second = a->source > SIDE * SIDE;
        bool is_avenue = a->name != NULL && b->name != NULL &&
                         strcmp(a->name, "Avenue") == 0 &&
                         strcmp(b->name, "Avenue") == 0;
        int32_t gap = at_block(SIDE / 2 * 0.5, 0).lon_e6;
        bool same_half =
            (a->points[0].lon_e6 + a->points[1].lon_e6 > 2 * gap) ==
            (b->points[0].lon_e6 + b->points[1].lon_e6 > 2 * gap);
        if (other != edge &&
            !(is_avenue && is_a_second != (b->source > SIDE * SIDE) &&
              same_half))
            continue;
        ret[count++] = (struct roads_slowing){2 * other, ROADS_NONE};
        ret[count++] = (struct roads_slowing){2 * other + 1, ROADS_NONE};
    }
    return count;
}

static unsigned lost_by(const struct town *town, const struct grid *g,
                        const struct coverage_settings *how, uint32_t edge)
{
    struct roads_slowing closed[2 * STREETS_MAX];
    struct roads_metric *metric;
    size_t count = close_with(g, edge, closed);
    assert_int_equal(roads_metric_slowed(roads_profile(town->roads, NULL),
                                         closed, count, &metric),
                     PT_OK);
    unsigned lost = covered_by(town, how, roads_profile(town->roads, NULL)) &
                    ~covered_by(town, how, metric);
    roads_metric_unref(metric);
    return lost;
}

static unsigned bits_of(const struct weak_loss *loss)
{
    unsigned bits = 0;
    for (size_t i = 0; i < loss->count; i++)
        bits |= 1u << loss->missions[i];
    return bits;
}

struct told {
    size_t losses, of_several_pieces;
};

/* The losses that are told are those of closing each, most first; each once. */
static void check_each_street(const struct town *town, const struct grid *g,
                              const struct coverage_settings *how,
                              struct told *all)
{
    const struct weak_loss *losses;
    struct weak *weak;
    unsigned lost[STREETS_MAX], different[STREETS_MAX];
    size_t counts[MISSIONS + 1] = {0}, known = 0;
    assert_int_equal(weak_new(&town->wish, &weak), PT_OK);
    assert_int_equal(weak_run(weak), PT_OK);
    assert_int_equal(weak_tried(weak).tried, weak_tried(weak).candidates);
    for (uint32_t e = 0; e < g->count; e++) {
        lost[e] = lost_by(town, g, how, e);
        size_t i = 0;
        while (i < known && different[i] != lost[e])
            i++;
        if (i == known && lost[e] != 0) {
            different[known++] = lost[e];
            counts[__builtin_popcount(lost[e])]++;
        }
    }
    size_t told = weak_streets(weak, &losses);
    assert_int_equal(told, known < WEAK_LIST_MAX ? known : WEAK_LIST_MAX);
    for (size_t i = 0, most = MISSIONS; i < told; i++) {
        while (counts[most] == 0)
            most--;
        counts[most]--;
        assert_int_equal(losses[i].count, most);
        assert_int_equal(bits_of(&losses[i]), lost[losses[i].what]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(bits_of(&losses[i]), bits_of(&losses[j]));
        all->losses++;
        all->of_several_pieces += losses[i].with_count > 0;
    }
    weak_free(weak);
}

static void as_if_each_were_closed(void **state)
{
    (void)state;
    static struct grid g;
    struct told all = {0};
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct coverage_settings how = small_town_settings;
        struct weak_unit units[UNITS];
        struct town town = {0};
        srandom(seed);
        how.promise_s = 40 + (int)any(60);
        how.level = 1 + any(2);
        how.access_s = access_s;
        town.roads = make_grid(&g);
        town.catalog = make_any_missions();
        const struct roads_metric *metric = roads_profile(town.roads, NULL);
        const struct coverage_metrics metrics = {metric, metric, metric};
        assert_int_equal(
            coverage_basis_new(&how, town.catalog, &metrics, &town.basis),
            PT_OK);
        assert_int_equal(coverage_basis_fill(town.basis), PT_OK);
        for (int u = 0; u < UNITS; u++) {
            struct roads_place stood = roads_place_on(
                town.roads, 2 * any((uint32_t)g.count), any(11) / 10.0);
            units[u] = (struct weak_unit){stand(metric, &stood), stood, 0};
        }
        town.wish = (struct weak_wish){.now_ms = NOW_MS,
                                       .basis = town.basis,
                                       .settings = &how,
                                       .units = units,
                                       .unit_count = UNITS,
                                       .limit_ms = 600000};
        check_each_street(&town, &g, &how, &all);
        tear_down(&town);
    }
    assert_true(all.losses > 100 && all.of_several_pieces > 5);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct town town;
    struct weak *weak;
    atomic_bool stop = true;
    build(&town, 1, 1);
    town.wish.stop = &stop;
    assert_int_equal(weak_new(&town.wish, &weak), PT_OK);
    assert_int_equal(weak_run(weak), PT_E_AGAIN);
    weak_free(weak);
    town.wish.stop = NULL;
    town.wish.conninfo = "host=/nowhere";
    assert_int_equal(weak_new(&town.wish, &weak), PT_OK);
    assert_int_equal(weak_run(weak), PT_E_DB);
    assert_true(weak_message(weak)[0] != '\0');
    weak_free(weak);
    tear_down(&town);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct town town;
    build(&town, 2, 2);
    enum pt_err err = PT_E_NOMEM;
    for (unsigned long n = 0; err != PT_OK; n++) {
        struct weak *weak = NULL;
        fail_alloc_after(n);
        err = weak_new(&town.wish, &weak);
        if (err == PT_OK)
            err = weak_run(weak);
        fail_alloc_never();
        weak_free(weak);
        assert_true(err == PT_OK || err == PT_E_NOMEM);
        assert_true(n < 5000);
    }
    tear_down(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_unit_and_one_way),
        cmocka_unit_test(two_units),
        cmocka_unit_test(pieces_lie_between_streets),
        cmocka_unit_test(no_units_or_missions),
        cmocka_unit_test(as_if_each_were_closed),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

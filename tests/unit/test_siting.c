/* siting: against a coverage with units at every choice of candidates, which
 * is told by its own code who is in time where. */
#include "siting.h"

#include "catalog_internal.h"
#include "fail_alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define SIDE 7
#define BLOCK_M 300.0
#define MISSIONS 24
#define CANDIDATES 9
#define POINTS 6
#define LATE_MS 15000u

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

static void near(double got, double wanted, double by)
{
    assert_true(fabs(got - wanted) <= by);
}

static double access_s(double off_road_m)
{
    return off_road_m / 2;
}

static const struct coverage_settings settings = {
    .promise_s = 90,
    .level = 1,
    .zone_percent = 80,
    .reach_m = 200,
    .access_s = access_s,
    .start_share = 4,
    .tables_max_bytes = 1 << 20,
};

/* -------------------------------------------------------------------- a town
 */
static struct geo_point at_m(double east_m, double north_m)
{
    struct geo_plane plane = geo_plane_at((struct geo_point){9900000, -500000});
    return geo_from_plane(&plane, east_m, north_m);
}

static struct geo_point anywhere(void)
{
    return at_m(any(1900), any(1900)); /* all within reach of a street */
}

/* Streets between neighbours of a square, each of its own speed. */
static struct roads *make_streets(void)
{
    static struct geo_point ends[2 * SIDE * SIDE][2];
    static struct roads_edge_row rows[2 * SIDE * SIDE];
    size_t count = 0;
    for (int from = 0; from < SIDE * SIDE; from++) {
        for (int north = 0; north < 2; north++) {
            int x = from % SIDE, y = from / SIDE;
            int to = north ? from + SIDE : from + 1;
            if (north ? y + 1 == SIDE : x + 1 == SIDE)
                continue;
            uint32_t ms = 20000 + any(40000);
            ends[count][0] = at_m(x * BLOCK_M, y * BLOCK_M);
            ends[count][1] =
                at_m((x + !north) * BLOCK_M, (y + north) * BLOCK_M);
            rows[count] = (struct roads_edge_row){
                .way_id = (int64_t)count + 1,
                .source = from + 1,
                .target = to + 1,
                .forward_ms = ms,
                .backward_ms = any(5) == 0 ? 0 : ms,
                .length_m = (float)BLOCK_M,
                .points = ends[count],
                .point_count = 2,
            };
            count++;
        }
    }
    const struct roads_profile profile = {.name = "patrol",
                                          .start_ms = 8000,
                                          .turn_ms[ROADS_ROUND] = ROADS_NONE,
                                          .forbidden_ms = ROADS_NONE};
    const struct roads_rows all = {rows, count, NULL, 0, NULL, 0, &profile, 1};
    struct roads *roads;
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

/* The western half is promised less than the rest; one mission is off the
 * road. */
static struct catalog *make_catalog(void)
{
    const struct catalog_counts counts = {.missions = MISSIONS, .zones = 1};
    struct geo_point ring[] = {at_m(-100, -100), at_m(900, -100),
                               at_m(900, 3000), at_m(-100, 3000),
                               at_m(-100, -100)};
    uint32_t starts[] = {0, 5};
    char name[] = "west", zone_time[] = "UTC", text[] = "{}";
    struct catalog_zone zone = {.zone_id = 4,
                                .name = name,
                                .promise_s = 60,
                                .time_zone = zone_time,
                                .geojson = text,
                                .points = ring,
                                .ring_start = starts,
                                .ring_count = 1};
    struct catalog *catalog;
    assert_int_equal(catalog_new(&catalog), PT_OK);
    assert_int_equal(catalog_reserve(catalog, &counts), PT_OK);
    assert_int_equal(catalog_add_zone(catalog, &zone, 1e6), PT_OK);
    for (uint32_t i = 0; i < MISSIONS; i++) {
        char called[16];
        snprintf(called, sizeof(called), "m %02u", i);
        assert_int_equal(
            catalog_add_mission(catalog, i + 1, NULL, called, "embassy",
                                i == 5 ? at_m(-4000, 0) : anywhere(),
                                CATALOG_NO_ZONE),
            PT_OK);
    }
    catalog_finish(catalog);
    return catalog;
}

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_basis *basis;
    struct siting_point candidates[CANDIDATES], kept[2], points[POINTS];
    struct siting_weight weights[2];
    struct siting_wish wish;
};

static void build(struct town *t)
{
    *t = (struct town){.roads = make_streets(), .catalog = make_catalog()};
    const struct roads_metric *metric = roads_profile(t->roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    assert_int_equal(
        coverage_basis_new(&settings, t->catalog, &metrics, &t->basis), PT_OK);
    assert_int_equal(coverage_basis_fill(t->basis), PT_OK);
    for (size_t i = 0; i < CANDIDATES; i++)
        t->candidates[i].at = anywhere();
    for (size_t i = 0; i < 2; i++)
        t->kept[i].at = anywhere();
    for (size_t i = 0; i < POINTS; i++)
        t->points[i] = (struct siting_point){anywhere(), 0.25 * any(5)};
    t->weights[0] = (struct siting_weight){3, 2.5};
    t->weights[1] = (struct siting_weight){9, 0};
    t->wish = (struct siting_wish){
        .basis = t->basis,
        .late_ms = LATE_MS,
        .post_count = 3,
        .fold = 1,
        .candidate_count = CANDIDATES,
        .candidates = t->candidates,
        .mission_weight = 1,
        .weight_count = 2,
        .weights = t->weights,
        .limit_ms = 60000,
    };
}

static void tear_down(struct town *t)
{
    coverage_basis_unref(t->basis);
    roads_unref(t->roads);
    catalog_free(t->catalog);
}

/* ------------------------------------------------------- what coverage says
 */
static void stand(struct town *t, struct coverage *c, uint32_t slot,
                  struct geo_point at)
{
    struct coverage_unit unit = {.until_ms = INT64_MAX};
    const struct roads_metric *metric = roads_profile(t->roads, NULL);
    assert_int_equal(
        roads_snap_open(metric, at, settings.reach_m, NULL, &unit.place),
        PT_OK);
    unit.late_ms =
        LATE_MS + (uint32_t)lround(1000 * access_s(unit.place.distance_m));
    assert_int_equal(coverage_put(c, slot, &unit, NOW_MS), PT_OK);
}

static double weight_in_time(const struct town *t, const struct coverage *c)
{
    double sum = 0;
    for (size_t i = 0; i < MISSIONS; i++) {
        struct coverage_mission m = coverage_mission(c, i);
        uint32_t id = m.mission->mission_id;
        double weight = id == 3 ? 2.5 : id == 9 ? 0 : 1;
        sum += m.within >= t->wish.fold ? weight : 0;
    }
    return sum;
}

/* The kept ones and those of a set of bits. */
static double covered_by(struct town *t, uint32_t set)
{
    struct coverage *c;
    uint32_t slot = 0;
    assert_int_equal(coverage_new(&settings, 16, &c), PT_OK);
    assert_int_equal(coverage_set_basis(c, t->basis, NOW_MS), PT_OK);
    for (size_t i = 0; i < t->wish.kept_count; i++)
        stand(t, c, slot++, t->kept[i].at);
    for (size_t i = 0; i < CANDIDATES; i++)
        if (set >> i & 1)
            stand(t, c, slot++, t->candidates[i].at);
    double sum = weight_in_time(t, c);
    coverage_free(c);
    return sum;
}

static double best_of_all(struct town *t)
{
    size_t free_count = t->wish.post_count - t->wish.kept_count;
    double best = 0;
    for (uint32_t set = 0; set < 1u << CANDIDATES; set++)
        if ((size_t)__builtin_popcount(set) == free_count)
            best = fmax(best, covered_by(t, set));
    return best;
}

static void check_given(struct town *t)
{
    struct siting_answer a;
    size_t fault = 0;
    uint32_t set = 0;
    assert_int_equal(siting_run(&t->wish, &a, &fault), PT_OK);
    assert_true(a.post_count <= t->wish.post_count);
    for (size_t i = 0; i < a.post_count; i++) {
        assert_int_equal(a.posts[i].kept, i < t->wish.kept_count);
        if (!a.posts[i].kept)
            set |= 1u << a.posts[i].index;
    }
    near(a.covered, covered_by(t, set), 1e-9);
    near(a.covered, best_of_all(t), 1e-9);
    near(a.bound, a.covered, 1e-9);
    /* 22 of 1 and one of 2.5, without the one in the sea */
    near(a.total, 23.5, 1e-9);
    assert_int_equal(a.all[SITING_MISSION].count, MISSIONS - 2);
    assert_int_equal(a.all[SITING_MISSION].count,
                     a.within[SITING_MISSION].count + a.missed_count);
    assert_int_equal(a.off_road, 1);
    siting_clear(&a);
}

static void test_given(void **state)
{
    (void)state;
    srandom(3);
    for (int round = 0; round < 5; round++) {
        struct town t;
        build(&t);
        t.wish.fold = 1 + (unsigned)round % 2;
        t.wish.kept = t.kept;
        t.wish.kept_count = (size_t)round % 3;
        check_given(&t);
        tear_down(&t);
    }
}

/* ------------------------------------------------------------ several hours */
/* By another basis, as of another hour. */
static double covered_then(struct town *t, struct coverage_basis *then,
                           uint32_t set)
{
    struct coverage_basis *now = t->basis;
    t->basis = then;
    double sum = covered_by(t, set);
    t->basis = now;
    return sum;
}

/* Three hours as now and two in which all is promised within 45 s: posts hold
 * most over the five of them. */
static void test_several_hours(void **state)
{
    struct town t;
    struct coverage_basis *then;
    struct siting *now_siting, *same, *then_siting;
    struct siting_answer a;
    struct coverage_settings other = settings;
    size_t fault = 0;
    uint32_t set = 0;
    double best = 0;
    (void)state;
    srandom(8);
    build(&t);
    const struct roads_metric *metric = roads_profile(t.roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    other.every_promise_s = 45;
    assert_int_equal(coverage_basis_new(&other, t.catalog, &metrics, &then),
                     PT_OK);
    assert_int_equal(coverage_basis_fill(then), PT_OK);
    assert_int_equal(siting_new(&t.wish, &now_siting, &fault), PT_OK);
    assert_int_equal(siting_new(&t.wish, &same, &fault), PT_OK);
    t.wish.basis = then;
    assert_int_equal(siting_new(&t.wish, &then_siting, &fault), PT_OK);
    t.wish.basis = NULL; /* it is not looked at any more */
    assert_true(siting_same(now_siting, same));
    assert_false(siting_same(now_siting, then_siting));
    assert_true(siting_bytes(now_siting) > 0);
    const struct siting_part parts[] = {{now_siting, 3}, {then_siting, 2}};
    assert_int_equal(siting_search(parts, 2, 3, 60000, &a), PT_OK);
    for (size_t i = 0; i < a.post_count; i++)
        set |= 1u << a.posts[i].index;
    for (uint32_t any_set = 0; any_set < 1u << CANDIDATES; any_set++)
        if (__builtin_popcount(any_set) == 3)
            best = fmax(best, 3 * covered_by(&t, any_set) +
                                  2 * covered_then(&t, then, any_set));
    near(a.covered, 3 * covered_by(&t, set) + 2 * covered_then(&t, then, set),
         1e-9);
    near(a.covered, best, 1e-9);
    near(a.bound, best, 1e-9);
    near(a.total, 5 * 23.5, 1e-9);
    assert_int_equal(a.all[SITING_MISSION].count, 5 * (MISSIONS - 2));
    siting_clear(&a);
    const struct siting_part none[] = {{now_siting, 0}};
    assert_int_equal(siting_search(none, 1, 3, 60000, &a), PT_E_RANGE);
    assert_int_equal(siting_search(parts, 2, 0, 60000, &a), PT_E_RANGE);
    siting_free(now_siting);
    siting_free(same);
    siting_free(then_siting);
    coverage_basis_unref(then);
    tear_down(&t);
}

/* -------------------------------------------------------------- any street */
static struct coverage *stand_at(struct town *t, const struct siting_answer *a)
{
    struct coverage *c;
    struct coverage_streets *job;
    assert_int_equal(coverage_new(&settings, 16, &c), PT_OK);
    assert_int_equal(coverage_set_basis(c, t->basis, NOW_MS), PT_OK);
    for (size_t i = 0; i < a->post_count; i++)
        stand(t, c, (uint32_t)i, a->posts[i].place.at);
    assert_int_equal(coverage_streets_begin(c, NOW_MS, &job), PT_OK);
    enum pt_err err = coverage_streets_run(job);
    coverage_streets_end(c, job, err);
    assert_int_equal(err, PT_OK);
    return c;
}

/* Streets and missions in cover are those that coverage tells. */
static void test_any_street(void **state)
{
    (void)state;
    srandom(4);
    for (int round = 0; round < 4; round++) {
        struct town t;
        struct siting_answer a;
        size_t fault = 0;
        build(&t);
        t.wish.fold = 1 + (unsigned)round % 2;
        t.wish.candidate_count = 0;
        t.wish.candidates_max = 40;
        t.wish.km_weight = 3;
        t.wish.weight_count = 0;
        assert_int_equal(siting_run(&t.wish, &a, &fault), PT_OK);
        assert_true(a.candidate_count <= 40 && a.candidate_count > 10);
        struct coverage *c = stand_at(&t, &a);
        struct coverage_zone all = coverage_zone(c, 1);
        assert_int_equal(a.within[SITING_MISSION].count,
                         all.within[t.wish.fold - 1]);
        near(a.within[SITING_STREET].length_m, all.within_m[t.wish.fold - 1],
             1);
        near(a.all[SITING_STREET].length_m, all.length_m, 1);
        near(a.total,
             (double)all.promised + 3 * a.all[SITING_STREET].length_m / 1000,
             0.1);
        assert_true(a.bound >= a.covered);
        coverage_free(c);
        siting_clear(&a);
        tear_down(&t);
    }
}

/* Points count as missions in their places would. */
static void test_points(void **state)
{
    struct town t;
    struct siting_answer a, b;
    struct siting_point points[MISSIONS];
    size_t fault = 0;
    (void)state;
    srandom(5);
    build(&t);
    t.wish.weight_count = 0;
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_OK);
    for (size_t i = 0; i < MISSIONS; i++)
        points[i] = (struct siting_point){catalog_mission(t.catalog, i)->at, 1};
    t.wish.mission_weight = 0;
    t.wish.points = points;
    t.wish.point_count = MISSIONS;
    assert_int_equal(siting_run(&t.wish, &b, &fault), PT_OK);
    assert_int_equal(b.all[SITING_POINT].count, a.all[SITING_MISSION].count);
    assert_int_equal(b.all[SITING_MISSION].count, 0);
    near(a.covered, b.covered, 1e-9);
    assert_int_equal(b.off_road, 2); /* and the mission */
    siting_clear(&a);
    siting_clear(&b);
    tear_down(&t);
}

/* ---------------------------------------------------------------------- zones
 */
static void test_zone(void **state)
{
    struct town t;
    struct siting_answer a;
    size_t fault = 0, inside = 0;
    (void)state;
    srandom(6);
    build(&t);
    const struct catalog_zone *west = catalog_zone(t.catalog, 0);
    t.wish.weight_count = 0;
    t.wish.zone = west;
    t.wish.candidate_count = 0;
    t.wish.candidates_max = 200;
    t.wish.spacing_m = 250;
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_OK);
    for (size_t i = 0; i < MISSIONS; i++)
        inside += catalog_zone_holds(west, catalog_mission(t.catalog, i)->at);
    assert_int_equal(a.all[SITING_MISSION].count, inside);
    near(a.spacing_m, 250, 1e-9);
    for (size_t i = 0; i < a.post_count; i++)
        assert_true(catalog_zone_holds(west, a.posts[i].place.at));
    siting_clear(&a);
    tear_down(&t);
}

/* ----------------------------------------------------------------- refusals */
static void test_refused(void **state)
{
    struct town t;
    struct siting_answer a;
    const atomic_bool cancelled = true;
    size_t fault = 99;
    (void)state;
    srandom(7);
    build(&t);
    t.candidates[4].at = at_m(-5000, 0);
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_OFFROAD);
    assert_int_equal(fault, 4);
    t.wish.kept = t.kept;
    t.wish.kept_count = 2;
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_OFFROAD);
    assert_int_equal(fault, 6);
    t.candidates[4].at = anywhere();
    t.wish.cancelled = &cancelled;
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_AGAIN);
    t.wish.cancelled = NULL;
    t.wish.fold = COVERAGE_FOLD + 1;
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_RANGE);
    t.wish.fold = 1;
    t.wish.post_count = 1; /* fewer than are kept */
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_RANGE);
    t.wish.post_count = 3;
    t.wish.candidate_count = 0;
    t.wish.candidates_max = 3;
    t.wish.spacing_m = 20; /* more than three */
    assert_int_equal(siting_run(&t.wish, &a, &fault), PT_E_FULL);
    tear_down(&t);
}

static void test_no_memory(void **state)
{
    struct town t;
    size_t failed = 0;
    (void)state;
    srandom(8);
    build(&t);
    t.wish.km_weight = 1;
    for (size_t i = 0; i < 5000; i += i < 60 ? 1 : 17) {
        struct siting_answer a;
        size_t fault = 0;
        fail_alloc_after(i);
        enum pt_err err = siting_run(&t.wish, &a, &fault);
        fail_alloc_never();
        if (err == PT_OK) {
            siting_clear(&a);
            break;
        }
        assert_int_equal(err, PT_E_NOMEM);
        failed++;
    }
    assert_true(failed > 20);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),      cmocka_unit_test(test_several_hours),
        cmocka_unit_test(test_any_street), cmocka_unit_test(test_points),
        cmocka_unit_test(test_zone),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

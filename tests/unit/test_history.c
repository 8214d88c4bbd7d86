/* history: hours, sums and frontages; the replay as a whole needs a database
 * (tests/integration/test_history.py). */
#include "history_internal.h"

#include "catalog_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)
/* 2026-10-26 00:00 UTC, a Monday: date -ud '2026-10-26' +%s */
#define MONDAY_MS INT64_C(1792972800000)

static const struct geo_point corner = {23100000, -82400000};

static struct geo_point at_m(double east_m, double north_m)
{
    struct geo_plane plane = geo_plane_at(corner);
    return geo_from_plane(&plane, east_m, north_m);
}

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage *coverage;
};

static double no_access(double off_road_m)
{
    (void)off_road_m;
    return 0;
}

static const struct coverage_settings settings = {
    .promise_s = 100,
    .level = 1,
    .zone_percent = 80,
    .reach_m = 300,
    .access_s = no_access,
    .start_share = 4,
    .tables_max_bytes = 1 << 20,
};

/* Two streets of 400 m that meet in the corner, "North" and "East"; a lane
 * behind, 70 m from East. */
static struct roads *make_streets(void)
{
    struct geo_point north[2] = {corner, at_m(0, 400)};
    struct geo_point east[2] = {corner, at_m(400, 0)};
    struct geo_point lane[2] = {at_m(0, 70), at_m(400, 70)};
    const struct roads_edge_row rows[] = {
        {1, 1, 2, 60000, 60000, 400, false, false, 2, "North", north},
        {2, 1, 3, 60000, 60000, 400, false, false, 2, "East", east},
        {3, 4, 5, 60000, 60000, 400, false, false, 2, "Lane", lane},
    };
    const struct roads_rows all = {.edges = rows, .edge_count = 3};
    struct roads *roads;
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

/* A mission at the corner, one along East, 20 m in front of it, one far off. */
static void open_town(struct town *t)
{
    const struct catalog_counts counts = {.missions = 3, .units = 1};
    const struct geo_point places[] = {at_m(3, 3), at_m(200, 20),
                                       at_m(0, -9000)};
    char name[] = "A";
    t->roads = make_streets();
    assert_int_equal(catalog_new(&t->catalog), PT_OK);
    assert_int_equal(catalog_reserve(t->catalog, &counts), PT_OK);
    assert_int_equal(catalog_add_unit(t->catalog, 1, "P-1", "car", NULL, 0),
                     PT_OK);
    for (uint32_t i = 0; i < 3; i++, name[0]++)
        assert_int_equal(catalog_add_mission(t->catalog, i + 1, NULL, name,
                                             "embassy", places[i],
                                             CATALOG_NO_ZONE),
                         PT_OK);
    catalog_finish(t->catalog);
    const struct roads_metric *own = roads_profile(t->roads, NULL);
    const struct coverage_metrics metrics = {own, own, own};
    struct coverage_basis *basis;
    assert_int_equal(
        coverage_basis_new(&settings, t->catalog, &metrics, &basis), PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_OK);
    assert_int_equal(coverage_new(&settings, 2, &t->coverage), PT_OK);
    assert_int_equal(coverage_set_basis(t->coverage, basis, MONDAY_MS), PT_OK);
    coverage_basis_unref(basis);
}

static void close_town(struct town *t)
{
    coverage_free(t->coverage);
    catalog_free(t->catalog);
    roads_unref(t->roads);
}

/* -------------------------------------------------------------------- hours */
/* A clock that is put back by an hour at 06:00 UTC, from UTC - 4. */
static char zone_name[1][64] = {"Somewhere"};
static int32_t offsets_s[] = {-14400, -14400, -14400, -14400, -14400,
                              -14400, -18000, -18000, -18000};
static size_t of_mission[] = {0, 0, 0};
static const struct hours hours = {.first_ms = MONDAY_MS,
                                   .hour_count = 9,
                                   .zone_count = 1,
                                   .names = zone_name,
                                   .offsets_s = offsets_s,
                                   .of_mission = of_mission};

static void hours_are_local(void **state)
{
    (void)state;
    int64_t end_ms;
    /* 00:00 UTC is 20:00 on Sunday */
    assert_int_equal(hours_at(&hours, 0, MONDAY_MS, &end_ms), 6 * 24 + 20);
    assert_int_equal(end_ms, MONDAY_MS + HOUR_MS);
    assert_int_equal(hours_at(&hours, 0, MONDAY_MS + 5 * HOUR_MS - 1, &end_ms),
                     0);
    assert_int_equal(end_ms, MONDAY_MS + 5 * HOUR_MS);
    /* 01:59:59 is followed by 01:00 */
    assert_int_equal(hours_at(&hours, 0, MONDAY_MS + 6 * HOUR_MS - 1, &end_ms),
                     1);
    assert_int_equal(hours_at(&hours, 0, MONDAY_MS + 6 * HOUR_MS, &end_ms), 1);
    assert_int_equal(end_ms, MONDAY_MS + 7 * HOUR_MS);
}

/* --------------------------------------------------------------------- sums */
static struct event within(uint32_t mission, int64_t after_s, uint16_t count)
{
    return (struct event){MONDAY_MS + 1000 * after_s, mission, EVENT_WITHIN,
                          count};
}

static void what_happened_is_added_up(void **state)
{
    (void)state;
    struct town t;
    struct sums *sums;
    uint8_t reported[2] = {1};
    struct event events[] = {
        within(0, 0, 0),
        within(1, 0, 2),
        within(2, 0, 0), /* nobody can reach it: not judged */
        within(0, 600, 1),
        within(0, 1200, 3),
        within(1, 1800, 0),
        within(1, 1800, 1), /* for no time */
        within(0, 3000, 0),
        {MONDAY_MS, 0, EVENT_UNITS, 0},
        {MONDAY_MS + 600000, 0, EVENT_UNITS, 3},
        {MONDAY_MS + 900000, 1, EVENT_PASS, 0},
        {MONDAY_MS + 900000, 1, EVENT_THERE, 1},
        {MONDAY_MS + 1000000, 1, EVENT_THERE, 0},
    };
    struct slice slice = {.events = events,
                          .event_count = sizeof(events) / sizeof(*events),
                          .fixes = 7,
                          .first_fix_ms = MONDAY_MS + 1,
                          .last_fix_ms = MONDAY_MS + 2,
                          .reported = reported};
    open_town(&t);
    const struct history_wish wish = {.from_ms = MONDAY_MS,
                                      .to_ms = MONDAY_MS + 5400000,
                                      .coverage = settings,
                                      .catalog = t.catalog};
    assert_int_equal(sums_new(&wish, &hours, t.coverage, &sums), PT_OK);
    assert_int_equal(sums_add(sums, &slice), PT_OK);
    assert_int_equal(sums_end(sums), PT_OK);
    const struct mission_sum *m = sums->missions;
    assert_int_equal(m[0].out_ms, 600000 + 2400000);
    assert_int_equal(m[0].outages, 2);
    assert_int_equal(m[0].longest_ms, 2400000);
    assert_int_equal(m[0].longest_from_ms, MONDAY_MS + 3000000);
    assert_int_equal(m[1].out_ms, 0);
    assert_int_equal(m[1].outages, 0);
    assert_false(m[2].judged);
    assert_int_equal(m[2].outages, 0);
    assert_int_equal(sums->gap_count, 2);
    const uint32_t first[] = {600000 + 600000, 600000, 0, 1800000};
    const uint32_t second[] = {1800000, 0, 0, 0};
    assert_memory_equal(sums->hour_ms[0][164], first, sizeof(first));
    assert_memory_equal(sums->hour_ms[0][165], second, sizeof(second));
    assert_int_equal(m[1].passes, 1);
    assert_int_equal(m[1].unpassed_ms, 4400000);
    assert_int_equal(m[1].unpassed_from_ms, MONDAY_MS + 1000000);
    assert_int_equal(m[0].unpassed_ms, 5400000);
    assert_int_equal(sums->hour_passes[1][164], 1);
    assert_int_equal(sums->nobody_ms, 600000);
    assert_int_equal(sums->unit_ms, 3 * 4800000);
    assert_int_equal(sums->fixes, 7);
    assert_int_equal(sums->reported[0], 1);
    sums_free(sums);
    close_town(&t);
}

/* --------------------------------------------------------------- frontages */
static void frontages_are_the_streets_in_front(void **state)
{
    (void)state;
    struct town t;
    struct frontages *f;
    open_town(&t);
    assert_int_equal(frontages_new(t.roads, t.catalog, 60, &f), PT_OK);
    /* the corner's two; of the one along East, 50 m from Lane, only East */
    const struct frontage expected[] = {{0, 0}, {1, 0}, {1, 1}};
    assert_int_equal(f->count, 3);
    assert_memory_equal(f->items, expected, sizeof(expected));
    assert_true(f->has_any[0] && f->has_any[1] && !f->has_any[2]);
    frontages_free(f);
    close_town(&t);
}

static void impossible_spans_are_refused(void **state)
{
    (void)state;
    struct town t;
    char message[64];
    uint32_t run_id;
    open_town(&t);
    struct history_wish wish = {.conninfo = "host=/nowhere",
                                .from_ms = MONDAY_MS,
                                .to_ms = MONDAY_MS,
                                .threads = 1,
                                .coverage = settings,
                                .catalog = t.catalog,
                                .roads = t.roads};
    assert_int_equal(history_run(&wish, &run_id, message, sizeof(message)),
                     PT_E_RANGE);
    wish.to_ms = MONDAY_MS + HISTORY_SPAN_MAX_MS + 1;
    assert_int_equal(history_run(&wish, &run_id, message, sizeof(message)),
                     PT_E_RANGE);
    wish.to_ms = MONDAY_MS + HISTORY_SPAN_MAX_MS;
    wish.step_s = 1; /* too many snapshots */
    assert_int_equal(history_run(&wish, &run_id, message, sizeof(message)),
                     PT_E_RANGE);
    wish.step_s = 300;
    assert_int_equal(history_run(&wish, &run_id, message, sizeof(message)),
                     PT_E_DB);
    assert_non_null(strstr(message, "connecting"));
    close_town(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_are_local),
        cmocka_unit_test(what_happened_is_added_up),
        cmocka_unit_test(frontages_are_the_streets_in_front),
        cmocka_unit_test(impossible_spans_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* counts: who counts, and when it could drive. */
#include "counts.h"

#include "catalog_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct fleet *fleet;
    struct dispatch *dispatch;
};

static const struct geo_point west = {23100000, -82400000};

static struct geo_point at_m(double east_m, double north_m)
{
    struct geo_plane plane = geo_plane_at(west);
    return geo_from_plane(&plane, east_m, north_m);
}

/* One street of 1 km from west to east; units 1 to 3 are cars, 4 walks. */
static void set_up(struct town *t)
{
    const struct geo_point ends[2] = {west, at_m(1000, 0)};
    const struct roads_edge_row row = {.way_id = 1,
                                       .source = 1,
                                       .target = 2,
                                       .forward_ms = 100000,
                                       .backward_ms = 100000,
                                       .length_m = 1000,
                                       .points = ends,
                                       .point_count = 2};
    const struct roads_rows rows = {.edges = &row, .edge_count = 1};
    const struct dispatch_settings settings = {.limit_ms = 3600000};
    const struct catalog_counts counts = {.units = 4};
    assert_int_equal(roads_new(&rows, &t->roads), PT_OK);
    assert_int_equal(catalog_new(&t->catalog), PT_OK);
    assert_int_equal(catalog_reserve(t->catalog, &counts), PT_OK);
    for (uint32_t id = 1; id <= 4; id++) {
        char call_sign[] = {'P', (char)('0' + id), '\0'};
        assert_int_equal(catalog_add_unit(t->catalog, id, call_sign,
                                          id == 4 ? "foot" : "car", NULL, 0),
                         PT_OK);
    }
    catalog_finish(t->catalog);
    assert_int_equal(fleet_new(8, &t->fleet), PT_OK);
    assert_int_equal(dispatch_new(&settings, 8, &t->dispatch), PT_OK);
    assert_int_equal(dispatch_set_roads(t->dispatch, t->roads, t->fleet),
                     PT_OK);
}

static void tear_down(struct town *t)
{
    dispatch_free(t->dispatch);
    fleet_free(t->fleet);
    catalog_free(t->catalog);
    roads_unref(t->roads);
}

/* The unit reports, and is put onto its street; its slot. */
static uint32_t report(struct town *t, uint32_t unit_id, enum pt_status status,
                       struct geo_point at)
{
    struct batch batch;
    uint32_t slot;
    const struct batch_item item = {
        .unit_id = unit_id,
        .generation = 1,
        .flags = PT_FLAG_POSITION,
        .entry = {.seq = unit_id,
                  .time_ms = NOW_MS,
                  .at = at,
                  .flags = PT_FLAG_POSITION,
                  .status = (uint8_t)status},
    };
    assert_int_equal(batch_init(&batch, 1), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_int_equal(fleet_apply(t->fleet, &batch), PT_OK);
    batch_clear(&batch);
    (void)dispatch_follow(t->dispatch, t->fleet, NOW_MS);
    fleet_changes_take(t->fleet);
    assert_true(fleet_slot(t->fleet, unit_id, &slot));
    return slot;
}

static const struct counts_rule available_only = {
    .turnout_s = 20, .busy_turnout_s = 60, .position_max_s = 300};
static const struct counts_rule busy_too = {.busy_too = true,
                                            .turnout_s = 20,
                                            .busy_turnout_s = 60,
                                            .position_max_s = 300};

static struct coverage_unit
counted(struct town *t, const struct counts_rule *rule, uint32_t slot)
{
    return counts_unit(rule, t->catalog, t->dispatch, t->fleet, slot);
}

static void available_units_count_and_busy_ones_by_the_rule(void **state)
{
    (void)state;
    struct town t;
    set_up(&t);
    uint32_t free = report(&t, 1, PT_STATUS_AVAILABLE, at_m(250, 0));
    uint32_t busy = report(&t, 2, PT_STATUS_BUSY, at_m(500, 0));
    struct coverage_unit unit = counted(&t, &available_only, free);
    assert_int_equal(unit.place.edge, 0);
    assert_float_equal(unit.place.fraction, 0.25, 0.001);
    assert_int_equal(unit.late_ms, 20000);
    assert_int_equal(unit.until_ms, NOW_MS + 300000);
    assert_int_equal(counted(&t, &available_only, busy).place.edge, ROADS_NONE);
    unit = counted(&t, &busy_too, busy);
    assert_int_equal(unit.place.edge, 0);
    assert_int_equal(unit.late_ms, 60000);
    tear_down(&t);
}

/* 114 m from the street: 84 m at 2.8 m/s are 30 s. */
static void the_way_to_the_road_is_counted(void **state)
{
    (void)state;
    struct town t;
    set_up(&t);
    uint32_t slot = report(&t, 1, PT_STATUS_AVAILABLE, at_m(250, 114));
    assert_in_range(counted(&t, &available_only, slot).late_ms, 49900, 50100);
    tear_down(&t);
}

static void the_others_do_not_count(void **state)
{
    (void)state;
    struct town t;
    set_up(&t);
    const uint32_t slots[] = {
        report(&t, 1, PT_STATUS_EN_ROUTE, at_m(250, 0)),
        report(&t, 2, PT_STATUS_AVAILABLE, at_m(250, 900)), /* off the road */
        report(&t, 4, PT_STATUS_AVAILABLE, at_m(250, 0)),   /* on foot */
        report(&t, 9, PT_STATUS_AVAILABLE, at_m(250, 0)),   /* not known */
        7,                                                  /* nobody */
    };
    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++)
        assert_int_equal(counted(&t, &busy_too, slots[i]).place.edge,
                         ROADS_NONE);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(available_units_count_and_busy_ones_by_the_rule),
        cmocka_unit_test(the_way_to_the_road_is_counted),
        cmocka_unit_test(the_others_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

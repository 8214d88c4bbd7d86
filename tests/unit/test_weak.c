/* weak: in a small town (small_town.h) with missions at crossings 4 and 6, each
 * promised 70 s. A unit at 1 is at 4 after 60 s, and too late at 6 (80 s); one
 * at 6 is at 4 after 40 s. */
#include "weak.h"

#include "fail_alloc.h"
#include "small_town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

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
        cmocka_unit_test(no_units_or_missions),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

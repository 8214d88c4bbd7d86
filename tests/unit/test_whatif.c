/* whatif: in a small town (small_town.h) with a mission at crossing 4, promised
 * 70 s. From 1 to 4 it is 60 s; with the bridge from 2 to 3 closed 20 + 20 + 60
 * + 20 + 20 = 140 s. */
#include "whatif.h"

#include "fail_alloc.h"
#include "small_town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define CLOSED_MS 140000
/* Tables are in tenths of a second, points in millionths of a degree. */
#define FUZZ_MS 100

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_basis *basis;
    struct whatif_unit unit; /* at crossing 1, and counts */
    struct whatif_wish wish; /* that it stays so */
};

static void build(struct town *town)
{
    static struct roads_metric *own[2]; /* none in force but the network's */
    memset(town, 0, sizeof(*town));
    const int crossing = 4;
    town->roads = make_small_town();
    town->catalog = make_missions(&crossing, 1);
    town->basis = make_basis(town->roads, town->catalog);
    town->unit = (struct whatif_unit){
        .now = {.place = roads_place_on(town->roads, 0, 0.0),
                .until_ms = INT64_MAX},
        .counts = true,
        .until_ms = INT64_MAX,
        .stood = roads_place_on(town->roads, 0, 0.0),
    };
    town->wish = (struct whatif_wish){.now_ms = NOW_MS,
                                      .in_force = {.basis = town->basis,
                                                   .metrics = own,
                                                   .learned = own,
                                                   .profile_count = 2},
                                      .settings = &small_town_settings,
                                      .units = &town->unit,
                                      .unit_count = 1,
                                      .hour = TERMS_NOW,
                                      .limit_ms = 60000};
}

static void tear_down(struct town *town)
{
    coverage_basis_unref(town->basis);
    catalog_free(town->catalog);
    roads_unref(town->roads);
}

static struct whatif *run(const struct town *town)
{
    struct whatif *whatif;
    assert_int_equal(whatif_new(&town->wish, &whatif), PT_OK);
    assert_int_equal(whatif_run(whatif), PT_OK);
    struct coverage_mission before = coverage_mission(whatif_before(whatif), 0);
    assert_int_equal(before.found, 1);
    assert_int_equal(before.first[0].eta_ms, 60000);
    assert_int_equal(before.within, 1);
    return whatif;
}

static void check_after(struct whatif *whatif, uint32_t eta_ms, size_t within)
{
    struct coverage_mission after = coverage_mission(whatif_after(whatif), 0);
    assert_int_equal(after.found, eta_ms == ROADS_NONE ? 0 : 1);
    if (after.found > 0)
        assert_true(abs((int)after.first[0].eta_ms - (int)eta_ms) <= FUZZ_MS);
    assert_int_equal(after.within, within);
    whatif_free(whatif);
}

static void units_elsewhere(void **state)
{
    (void)state;
    struct town town;
    build(&town);
    check_after(run(&town), 60000, 1);
    town.unit.placed = true; /* on Round: 0.4 * 60 + 20 + 20 */
    town.unit.at = at_block(1.6, 1);
    check_after(run(&town), 64000, 1);
    town.unit.turnout_ms = 7000;
    check_after(run(&town), 71000, 0);
    town.unit.at = at_block(20, 20); /* off the road */
    check_after(run(&town), ROADS_NONE, 0);
    town.unit.placed = false;
    town.unit.turnout_ms = 0;
    town.unit.until_ms = NOW_MS;
    check_after(run(&town), ROADS_NONE, 0);
    town.unit.counts = false;
    check_after(run(&town), ROADS_NONE, 0);
    tear_down(&town);
}

/* The bridge is the edge number 1. */
static void streets_closed(void **state)
{
    (void)state;
    struct town town;
    struct whatif_closure closures[2] = {
        {.where = {.street = "Bridge"}, .closed = true}};
    build(&town);
    town.wish.more_closures = closures;
    town.wish.more_closure_count = 1;
    struct whatif *whatif = run(&town);
    assert_string_equal(whatif_closure(whatif, 0)->street, "Bridge");
    check_after(whatif, CLOSED_MS, 0);
    closures[0].closed = false;
    closures[0].factor = 0.5; /* 20 + 40 + 20 */
    check_after(run(&town), 80000, 0);
    /* the slower of two */
    closures[1] = (struct whatif_closure){
        .where = {.way_count = 1, .ways = (const int64_t[]){11}},
        .factor = 0.25};
    town.wish.more_closure_count = 2;
    check_after(run(&town), 120000, 0);
    /* its way round is closed already: then there is none */
    struct geo_point line[2] = {at_block(1, 1), at_block(2, 1)};
    struct closures_piece piece = {14, 5, 6, 2, line};
    const struct closure live = {.closure_id = 1,
                                 .closed = true,
                                 .until_ms = INT64_MAX,
                                 .street = (char *)(uintptr_t) "Round",
                                 .piece_count = 1,
                                 .pieces = &piece};
    assert_int_equal(closures_new(&live, 1, &town.wish.in_force.closures),
                     PT_OK);
    closures[0] =
        (struct whatif_closure){.where = {.street = "Bridge"}, .closed = true};
    town.wish.more_closure_count = 1;
    check_after(run(&town), ROADS_NONE, 0);
    closures_unref(town.wish.in_force.closures);
    tear_down(&town);
}

/* A unit on a street that would be closed goes to the nearest that is not: from
 * West's middle to its end, which is a corner of the bridge. */
static void a_unit_on_a_closed_street_is_beside_it(void **state)
{
    (void)state;
    struct town town;
    const struct whatif_closure closure = {.where = {.street = "West"},
                                           .closed = true};
    build(&town);
    town.unit.stood = roads_place_on(town.roads, 0, 0.75);
    town.wish.more_closures = &closure;
    town.wish.more_closure_count = 1;
    check_after(run(&town), 40000, 1);
    tear_down(&town);
}

static void another_promise_or_profile(void **state)
{
    (void)state;
    struct town town;
    build(&town);
    town.wish.every_promise_s = 59;
    check_after(run(&town), 60000, 0);
    town.wish.profile = "fast";
    check_after(run(&town), 30000, 1);
    town.wish.every_promise_s = 0;
    check_after(run(&town), 30000, 1);
    tear_down(&town);
}

static enum pt_err refused(const struct town *town, struct whatif **ret)
{
    assert_int_equal(whatif_new(&town->wish, ret), PT_OK);
    return whatif_run(*ret);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    struct town town;
    struct whatif *whatif;
    struct whatif_closure closures[2] = {
        {.where = {.street = "Bridge"}, .closed = true},
        {.where = {.street = "Nowhere"}, .closed = true}};
    build(&town);
    town.wish.more_closures = closures;
    town.wish.more_closure_count = 2;
    assert_int_equal(refused(&town, &whatif), PT_E_NOTFOUND);
    struct whatif_fault fault = whatif_fault(whatif);
    assert_true(fault.at_closure && !fault.direction);
    assert_int_equal(fault.index, 1);
    assert_string_equal(fault.found->missing, "nowhere");
    whatif_free(whatif);
    closures[0].direction = CLOSURES_FORWARD;
    assert_int_equal(refused(&town, &whatif), PT_E_MALFORMED);
    fault = whatif_fault(whatif);
    assert_true(fault.at_closure && fault.direction && fault.index == 0);
    whatif_free(whatif);
    town.wish.more_closure_count = 0;
    town.wish.profile = "horse";
    assert_int_equal(refused(&town, &whatif), PT_E_NOTFOUND);
    assert_false(whatif_fault(whatif).at_closure);
    whatif_free(whatif);
    town.wish.profile = "fast";
    town.wish.limit_ms = 0;
    assert_int_equal(refused(&town, &whatif), PT_E_AGAIN);
    whatif_free(whatif);
    atomic_bool stop = true;
    town.wish.limit_ms = 60000;
    town.wish.stop = &stop;
    assert_int_equal(refused(&town, &whatif), PT_E_AGAIN);
    whatif_free(whatif);
    town.wish.stop = NULL;
    town.wish.hour = 8;
    town.wish.in_force.conninfo = "host=/nowhere";
    assert_int_equal(refused(&town, &whatif), PT_E_DB);
    assert_true(whatif_message(whatif)[0] != '\0');
    whatif_free(whatif);
    town.wish.more_closure_count = WHATIF_CLOSURES_MAX + 1;
    assert_int_equal(whatif_new(&town.wish, &whatif), PT_E_RANGE);
    tear_down(&town);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct town town;
    const struct whatif_closure closure = {.where = {.street = "Bridge"},
                                           .closed = true};
    build(&town);
    town.wish.more_closures = &closure;
    town.wish.more_closure_count = 1;
    enum pt_err err = PT_E_NOMEM;
    for (unsigned long n = 0; err != PT_OK; n++) {
        struct whatif *whatif = NULL;
        fail_alloc_after(n);
        err = whatif_new(&town.wish, &whatif);
        if (err == PT_OK)
            err = whatif_run(whatif);
        fail_alloc_never();
        whatif_free(whatif);
        assert_true(err == PT_OK || err == PT_E_NOMEM);
        assert_true(n < 5000);
    }
    tear_down(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_elsewhere),
        cmocka_unit_test(streets_closed),
        cmocka_unit_test(a_unit_on_a_closed_street_is_beside_it),
        cmocka_unit_test(another_promise_or_profile),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

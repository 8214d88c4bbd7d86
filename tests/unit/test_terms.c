/* terms: in a small town (small_town.h) with a mission at crossing 4: from
 * crossing 1 it is 60 s, by the profile fast 30 s, and with the bridge from 2
 * to 3 closed 20 + 20 + 60 + 20 + 20 = 140 s. */
#include "terms.h"

#include "fail_alloc.h"
#include "small_town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define FUZZ_MS 100 /* tables are in tenths of a second */

/* The bridge is closed: from 2 to 3, way 11. */
static struct geo_point bridge_line[2];
static struct closures_piece bridge_piece;

static struct closure bridge(void)
{
    bridge_line[0] = at_block(1, 0);
    bridge_line[1] = at_block(2, 0);
    bridge_piece = (struct closures_piece){11, 2, 3, 2, bridge_line};
    return (struct closure){.closure_id = 1,
                            .closed = true,
                            .until_ms = INT64_MAX,
                            .street = (char *)(uintptr_t) "Bridge",
                            .piece_count = 1,
                            .pieces = &bridge_piece};
}

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct terms_now now;
    struct terms_wish wish; /* all as it is */
};

static void build(struct town *town)
{
    static struct roads_metric *own[2]; /* none in force but the network's */
    const int crossing = 4;
    *town = (struct town){.roads = make_small_town(),
                          .catalog = make_missions(&crossing, 1)};
    town->now =
        (struct terms_now){.metrics = own, .learned = own, .profile_count = 2};
    town->now.basis = make_basis(town->roads, town->catalog);
    town->wish = (struct terms_wish){
        .now_ms = NOW_MS, .settings = &small_town_settings, .hour = TERMS_NOW};
}

static void tear_down(struct town *town)
{
    coverage_basis_unref(town->now.basis);
    catalog_free(town->catalog);
    roads_unref(town->roads);
}

static enum pt_err make(const struct town *town, struct coverage_basis **ret)
{
    struct terms *terms;
    bool hour_learned = true;
    char message[256] = "";
    enum pt_err err = terms_new(&town->now, &terms);
    if (err != PT_OK)
        return err;
    err = terms_basis(terms, &town->wish, ret, &hour_learned, message,
                      sizeof(message));
    assert_false(hour_learned);
    assert_int_equal(message[0] != '\0', err == PT_E_DB);
    terms_free(terms);
    return err;
}

/* From crossing 1 to the mission. */
static void check_drive(const struct town *town, uint32_t wanted_ms)
{
    struct coverage_basis *basis;
    uint32_t eta_ms;
    assert_int_equal(make(town, &basis), PT_OK);
    const struct coverage_unit unit = {
        .place = roads_place_on(town->roads, 0, 0.0), .until_ms = INT64_MAX};
    coverage_reach_missions(basis, &unit, &eta_ms);
    assert_true(abs((int)eta_ms - (int)wanted_ms) <= FUZZ_MS);
    coverage_basis_unref(basis);
}

static void only_what_differs_is_made(void **state)
{
    (void)state;
    struct town town;
    struct coverage_basis *basis;
    build(&town);
    assert_int_equal(make(&town, &basis), PT_OK);
    assert_ptr_equal(basis, town.now.basis);
    coverage_basis_unref(basis);
    town.wish.open = true; /* nothing is closed */
    assert_int_equal(make(&town, &basis), PT_OK);
    assert_ptr_equal(basis, town.now.basis);
    coverage_basis_unref(basis);
    struct coverage_settings other = small_town_settings;
    other.every_promise_s = 20;
    town.wish.settings = &other;
    assert_int_equal(make(&town, &basis), PT_OK);
    assert_ptr_not_equal(basis, town.now.basis);
    assert_int_equal(coverage_stop_mission(basis, 0).promise_ms, 20000);
    coverage_basis_unref(basis);
    tear_down(&town);
}

static void another_profile(void **state)
{
    (void)state;
    struct town town;
    struct terms *terms;
    build(&town);
    check_drive(&town, 60000);
    town.wish.profile = "fast";
    check_drive(&town, 30000);
    assert_int_equal(terms_new(&town.now, &terms), PT_OK);
    assert_true(terms_knows(terms, "fast") && terms_knows(terms, NULL));
    assert_false(terms_knows(terms, "horse"));
    assert_ptr_equal(terms_roads(terms), town.roads);
    terms_free(terms);
    tear_down(&town);
}

static void closed_besides_and_open_again(void **state)
{
    (void)state;
    struct town town;
    build(&town);
    const struct closure closed = bridge();
    town.wish.more = &closed;
    town.wish.more_count = 1;
    check_drive(&town, 140000);
    town.wish.more_count = 0;
    struct closures_view *view;
    assert_int_equal(closures_new(&closed, 1, &town.now.closures), PT_OK);
    assert_int_equal(closures_view_new(town.now.closures, town.roads,
                                       town.now.learned, 2, NOW_MS, &view),
                     PT_OK);
    town.now.metrics = closures_view_metrics(view, &town.now.profile_count);
    town.wish.profile = "fast"; /* what is in force counts for it, too */
    check_drive(&town, 70000);
    town.wish.open = true;
    check_drive(&town, 30000);
    town.wish.profile = NULL;
    check_drive(&town, 60000);
    closures_view_free(view);
    closures_unref(town.now.closures);
    tear_down(&town);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    struct town town;
    struct coverage_basis *basis;
    build(&town);
    town.wish.profile = "horse";
    assert_int_equal(make(&town, &basis), PT_E_NOTFOUND);
    town.wish.profile = "fast";
    town.wish.go_on = never;
    assert_int_equal(make(&town, &basis), PT_E_AGAIN);
    town.wish.go_on = NULL;
    town.wish.hour = 8;
    town.now.conninfo = "host=/nowhere";
    assert_int_equal(make(&town, &basis), PT_E_DB);
    tear_down(&town);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct town town;
    build(&town);
    const struct closure closed = bridge();
    town.wish.more = &closed;
    town.wish.more_count = 1;
    town.wish.profile = "fast";
    enum pt_err err = PT_E_NOMEM;
    for (size_t n = 0; err != PT_OK; n++) {
        struct coverage_basis *basis = NULL;
        fail_alloc_after(n);
        err = make(&town, &basis);
        fail_alloc_never();
        coverage_basis_unref(basis);
        assert_true(err == PT_OK || err == PT_E_NOMEM);
        assert_true(n < 5000);
    }
    tear_down(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_differs_is_made),
        cmocka_unit_test(another_profile),
        cmocka_unit_test(closed_besides_and_open_again),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "pacing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "catalog_internal.h"

#include <cmocka.h>

#define NOW_MS INT64_C(1700000000000)
#define UNIT 7u
#define KNOWN 9 /* the last revision that was given */

/* What was said last, and how often. */
struct ear {
    int count;
    enum pt_err answer;
    char device[65];
    bool withdrawn;
    struct pt_settings settings;
};

static enum pt_err hear(void *context, const char *device, const uint8_t *bytes,
                        size_t size)
{
    struct ear *ear = context;
    if (ear->answer != PT_OK)
        return ear->answer;
    ear->count++;
    snprintf(ear->device, sizeof(ear->device), "%s", device);
    ear->withdrawn = size == 0;
    if (size > 0)
        assert_int_equal(pt_settings_decode(bytes, size, &ear->settings),
                         PT_OK);
    return PT_OK;
}

static struct catalog *catalog_with(uint64_t revision)
{
    const struct catalog_counts counts = {
        .units = 1, .devices = 1, .periods = 1};
    const struct pt_settings pace = {.revision = revision, .bound_dm = 100};
    struct catalog *catalog;
    assert_int_equal(catalog_new(&catalog), PT_OK);
    assert_int_equal(catalog_reserve(catalog, &counts), PT_OK);
    assert_int_equal(catalog_add_unit(catalog, UNIT, "P-07", "car", NULL, 0),
                     PT_OK);
    catalog_set_pace(catalog, &pace);
    catalog->pace_revision = KNOWN;
    assert_int_equal(catalog_add_device(catalog, 3, "car-7"), PT_OK);
    catalog_add_period(catalog,
                       &(struct catalog_period){UNIT, 3, 0, INT64_MAX});
    catalog_finish(catalog);
    return catalog;
}

struct world {
    struct pacing pacing;
    struct catalog *catalog;
    struct fleet *fleet;
    struct ear ear;
    int64_t now_ms;
};

static void start(struct world *w, uint64_t revision)
{
    *w = (struct world){.now_ms = NOW_MS};
    w->catalog = catalog_with(revision);
    assert_int_equal(fleet_new(10, &w->fleet), PT_OK);
}

static void stop(struct world *w)
{
    fleet_free(w->fleet);
    catalog_free(w->catalog);
}

static void report(struct world *w, uint64_t revision)
{
    const struct pt_vehicle_state state = {.present = true,
                                           .settings_revision = revision};
    assert_int_equal(fleet_heard(w->fleet, UNIT, &state, w->now_ms), PT_OK);
}

static int said(struct world *w)
{
    w->ear.count = 0;
    pacing_follow(&w->pacing, w->catalog, w->fleet, w->now_ms, hear, &w->ear);
    fleet_changes_take(w->fleet);
    return w->ear.count;
}

static void test_says_and_hears(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    assert_int_equal(said(&w), 0); /* never heard */
    assert_int_equal(fleet_connected(w.fleet, UNIT, true), PT_OK);
    assert_int_equal(said(&w), 0); /* its state not known */
    report(&w, 0);
    assert_int_equal(said(&w), 1);
    assert_string_equal(w.ear.device, "car-7");
    assert_int_equal(w.ear.settings.revision, 4);
    assert_int_equal(w.ear.settings.bound_dm, 100);
    report(&w, 4);
    assert_int_equal(said(&w), 0);
    stop(&w);
}

/* An older agent names none, ever. */
static void test_not_too_often(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    report(&w, 0);
    assert_int_equal(said(&w), 1);
    w.now_ms += PACING_AGAIN_MS - 1;
    report(&w, 0);
    assert_int_equal(said(&w), 0);
    w.now_ms++;
    report(&w, 0);
    assert_int_equal(said(&w), 1);
    stop(&w);
}

static void test_new_ones_at_once(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    report(&w, 4);
    assert_int_equal(said(&w), 0);
    catalog_free(w.catalog);
    w.catalog = catalog_with(5);
    assert_int_equal(said(&w), 1); /* without a report */
    assert_int_equal(w.ear.settings.revision, 5);
    assert_int_equal(said(&w), 0);
    catalog_free(w.catalog);
    w.catalog = catalog_with(0);
    assert_int_equal(said(&w), 1);
    assert_true(w.ear.withdrawn);
    report(&w, 0);
    assert_int_equal(said(&w), 0);
    stop(&w);
}

static void test_broker_away(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    report(&w, 0);
    w.ear.answer = PT_E_AGAIN;
    assert_int_equal(said(&w), 0);
    assert_int_equal(w.pacing.unsaid, 1);
    w.ear.answer = PT_OK;
    assert_int_equal(said(&w), 1); /* the catalog is not done with */
    stop(&w);
}

/* The vehicle was another unit, with settings of a higher revision. */
static void test_lower_after_withdrawal(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    report(&w, KNOWN);
    assert_int_equal(said(&w), 1);
    assert_true(w.ear.withdrawn);
    report(&w, KNOWN);
    assert_int_equal(said(&w), 0); /* not too often, either */
    report(&w, 0);
    assert_int_equal(said(&w), 1);
    assert_false(w.ear.withdrawn);
    assert_int_equal(w.ear.settings.revision, 4);
    report(&w, 4);
    assert_int_equal(said(&w), 0);
    stop(&w);
}

/* Another gateway's catalog is newer. */
static void test_left_to_who_knows_more(void **state)
{
    (void)state;
    struct world w;
    start(&w, 4);
    report(&w, KNOWN + 1);
    assert_int_equal(said(&w), 0);
    assert_int_equal(w.pacing.behind, 1);
    w.now_ms += PACING_AGAIN_MS;
    report(&w, KNOWN + 1);
    assert_int_equal(said(&w), 0);
    catalog_free(w.catalog);
    w.catalog = catalog_with(KNOWN + 1);
    w.catalog->pace_revision = KNOWN + 1;
    assert_int_equal(said(&w), 0);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_and_hears),
        cmocka_unit_test(test_not_too_often),
        cmocka_unit_test(test_new_ones_at_once),
        cmocka_unit_test(test_broker_away),
        cmocka_unit_test(test_lower_after_withdrawal),
        cmocka_unit_test(test_left_to_who_knows_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

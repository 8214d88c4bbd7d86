/* arrivals: a unit that is asked about, sets off, and is there or is not. */
#include "arrivals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON INT64_C(1794830400000) /* 2026-11-16T12:00:00Z */
#define S INT64_C(1000)

static const struct geo_point door = {23130000, -82380000};

struct world {
    struct fleet *fleet;
    struct arrivals *arrivals;
    size_t told;
    struct arrivals_arrival last;
};

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(fleet_new(10, &w->fleet), PT_OK);
    assert_int_equal(arrivals_new(3, &w->arrivals), PT_OK);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    fleet_free(w->fleet);
    arrivals_free(w->arrivals);
    free(w);
    return 0;
}

/* 0.001 degree of latitude is 111 m. */
static void report(struct world *w, uint32_t unit, int64_t time_ms,
                   enum pt_status status, int32_t north_e6)
{
    struct fleet_unit state = {.unit_id = unit,
                               .has_fix = true,
                               .fix_time_ms = time_ms,
                               .at = {door.lat_e6 + north_e6, door.lon_e6},
                               .flags = PT_FLAG_POSITION,
                               .status = status,
                               .status_time_ms = time_ms,
                               .generation = 1,
                               .seq = (uint64_t)(time_ms - NOON + 1000 * S),
                               .status_generation = 1,
                               .status_seq =
                                   (uint64_t)(time_ms - NOON + 1000 * S)};
    const struct fleet_unit *now = fleet_find(w->fleet, unit);
    if (now != NULL && now->status == status) /* it says it with each report */
        state.status_time_ms = now->status_time_ms;
    assert_int_equal(fleet_restore(w->fleet, &state), PT_OK);
}

static struct arrivals_prediction ask(uint32_t unit, int64_t asked_ms,
                                      double eta_s)
{
    return (struct arrivals_prediction){.unit_id = unit,
                                        .asked_ms = asked_ms,
                                        .to = door,
                                        .profile = "patrol",
                                        .eta_s = eta_s,
                                        .p_within = -1};
}

static void note(struct world *w, uint32_t unit, int64_t asked_ms, double eta_s)
{
    struct arrivals_prediction p = ask(unit, asked_ms, eta_s);
    arrivals_note(w->arrivals, w->fleet, &p);
}

static void tell(void *context, const struct arrivals_arrival *arrival)
{
    struct world *w = context;
    w->told++;
    w->last = *arrival;
}

static void follow(struct world *w, int64_t now_ms)
{
    arrivals_follow(w->arrivals, w->fleet, now_ms, tell, w);
}

static void tells_when_it_arrived(void **state)
{
    struct world *w = *state;
    report(w, 1, NOON, PT_STATUS_AVAILABLE, 10000);
    note(w, 1, NOON + 1 * S, 200); /* replaced by the newer one */
    note(w, 1, NOON + 5 * S, 190);
    assert_int_equal(arrivals_waiting(w->arrivals), 1);
    follow(w, NOON + 5 * S);
    report(w, 1, NOON + 20 * S, PT_STATUS_EN_ROUTE, 9900);
    follow(w, NOON + 21 * S);
    note(w, 1, NOON + 100 * S, 90); /* on its way: the first one counts */
    report(w, 1, NOON + 150 * S, PT_STATUS_EN_ROUTE, 800); /* 89 m */
    follow(w, NOON + 151 * S);
    assert_int_equal(w->told, 0);
    report(w, 1, NOON + 170 * S, PT_STATUS_ON_SCENE, 450); /* 50 m */
    follow(w, NOON + 171 * S);
    assert_int_equal(w->told, 1);
    assert_true(w->last.of.eta_s > 189 && w->last.of.eta_s < 191);
    assert_int_equal(w->last.departed_ms, NOON + 20 * S);
    assert_int_equal(w->last.arrived_ms, NOON + 170 * S);
    assert_true(w->last.took_s > 149.9 && w->last.took_s < 150.1);
    assert_true(w->last.arrived_m > 49 && w->last.arrived_m < 51);
    assert_int_equal(arrivals_waiting(w->arrivals), 0);
    follow(w, NOON + 200 * S);
    assert_int_equal(w->told, 1);
    assert_int_equal(arrivals_counts(w->arrivals)->arrived, 1);
}

static void asked_on_the_way_counts_from_then(void **state)
{
    struct world *w = *state;
    report(w, 1, NOON, PT_STATUS_EN_ROUTE, 10000);
    note(w, 1, NOON + 60 * S, 100);
    follow(w, NOON + 60 * S);
    report(w, 1, NOON + 150 * S, PT_STATUS_EN_ROUTE, 0);
    follow(w, NOON + 150 * S);
    assert_int_equal(w->told, 1);
    assert_true(w->last.took_s > 89.9 && w->last.took_s < 90.1);
}

static void who_does_not_go_there_is_no_test(void **state)
{
    struct world *w = *state;
    /* passes by on patrol, two minutes later */
    report(w, 1, NOON, PT_STATUS_AVAILABLE, 10000);
    note(w, 1, NOON, 100);
    report(w, 1, NOON + 110 * S, PT_STATUS_AVAILABLE, 0);
    follow(w, NOON + 110 * S);
    follow(w, NOON + 121 * S);
    assert_int_equal(arrivals_waiting(w->arrivals), 0);
    /* sets off and takes up something else */
    report(w, 2, NOON, PT_STATUS_EN_ROUTE, 10000);
    note(w, 2, NOON, 100);
    follow(w, NOON);
    report(w, 2, NOON + 50 * S, PT_STATUS_AVAILABLE, 5000);
    follow(w, NOON + 50 * S);
    assert_int_equal(arrivals_waiting(w->arrivals), 0);
    /* was there already, was never heard */
    report(w, 3, NOON, PT_STATUS_EN_ROUTE, 100);
    note(w, 3, NOON, 1);
    note(w, 9, NOON, 100);
    assert_int_equal(arrivals_waiting(w->arrivals), 0);
    /* never comes */
    report(w, 4, NOON, PT_STATUS_EN_ROUTE, 10000);
    note(w, 4, NOON, 100);
    follow(w, NOON + ARRIVALS_LONGEST_MS);
    assert_int_equal(arrivals_waiting(w->arrivals), 1);
    follow(w, NOON + ARRIVALS_LONGEST_MS + 1);
    assert_int_equal(arrivals_waiting(w->arrivals), 0);
    assert_int_equal(w->told, 0);
    assert_int_equal(arrivals_counts(w->arrivals)->given_up, 2);
}

static void the_oldest_gives_way(void **state)
{
    struct world *w = *state;
    for (uint32_t unit = 1; unit <= 5; unit++)
        report(w, unit, NOON,
               unit == 1 ? PT_STATUS_EN_ROUTE : PT_STATUS_AVAILABLE, 10000);
    note(w, 1, NOON, 100);
    follow(w, NOON); /* 1 has set off */
    for (uint32_t unit = 2; unit <= 5; unit++)
        note(w, unit, NOON + unit, 100);
    assert_int_equal(arrivals_waiting(w->arrivals), 3);
    report(w, 1, NOON + 60 * S, PT_STATUS_EN_ROUTE, 0);
    report(w, 5, NOON + 60 * S, PT_STATUS_EN_ROUTE, 0);
    report(w, 3, NOON + 60 * S, PT_STATUS_EN_ROUTE, 0);
    follow(w, NOON + 61 * S);
    assert_int_equal(w->told, 2); /* 1 and 5; 2 and 3 had to give way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_when_it_arrived, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(asked_on_the_way_counts_from_then,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(who_does_not_go_there_is_no_test,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(the_oldest_gives_way, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "reckon.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define T0_MS INT64_C(1700000000000)
#define BOTH (PT_FLAG_SPEED | PT_FLAG_COURSE)

static const struct geo_point havana = {23130000, -82380000};

static void assert_place(struct geo_point at, int lat_e6, int lon_e6)
{
    assert_in_range(at.lat_e6, lat_e6 - 1, lat_e6 + 1);
    assert_in_range(at.lon_e6 + 180000000, lon_e6 - 1 + 180000000,
                    lon_e6 + 1 + 180000000);
}

/* echo "23.13 -82.38 60 150" | geod +ellps=WGS84 -f %.7f      (PROJ)
 * 23.1306772  -82.3787317  -119.9995018 */
static void test_forward(void **state)
{
    (void)state;
    struct reckon r = reckon_from(T0_MS, havana, BOTH, 15.0, 60.0);
    assert_true(reckon_moves(&r));
    assert_place(reckon_at(&r, T0_MS + 10000), 23130677, -82378732);
    assert_int_equal(reckon_forward_ms(&r, T0_MS + 10000), 10000);
}

static void test_before_the_report(void **state)
{
    (void)state;
    struct reckon r = reckon_from(T0_MS, havana, BOTH, 15.0, 60.0);
    assert_place(reckon_at(&r, T0_MS), 23130000, -82380000);
    assert_place(reckon_at(&r, T0_MS - 5000), 23130000, -82380000);
    assert_int_equal(reckon_forward_ms(&r, T0_MS - 5000), 0);
}

static void test_horizon(void **state)
{
    (void)state;
    struct reckon r = reckon_from(T0_MS, havana, BOTH, 15.0, 60.0);
    struct geo_point last = reckon_at(&r, T0_MS + RECKON_HORIZON_MS);
    struct geo_point later = reckon_at(&r, T0_MS + 86400000);
    assert_place(later, last.lat_e6, last.lon_e6);
    assert_in_range((int)geo_distance_m(havana, later), 299, 301);
    assert_int_equal(reckon_forward_ms(&r, INT64_MAX - 1), RECKON_HORIZON_MS);
}

static void test_stands(void **state)
{
    (void)state;
    struct reckon slow = reckon_from(T0_MS, havana, BOTH, 1.49, 60.0);
    struct reckon no_course =
        reckon_from(T0_MS, havana, PT_FLAG_SPEED, 15.0, 0.0);
    struct reckon no_speed =
        reckon_from(T0_MS, havana, PT_FLAG_COURSE, 0.0, 60.0);
    const struct reckon *all[] = {&slow, &no_course, &no_speed};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_false(reckon_moves(all[i]));
        assert_place(reckon_at(all[i], T0_MS + 10000), 23130000, -82380000);
    }
}

static void test_from_the_wire(void **state)
{
    (void)state;
    struct pt_entry entry = {.seq = 1,
                             .time_ms = T0_MS,
                             .at = havana,
                             .flags = PT_FLAG_POSITION | BOTH,
                             .speed_cmps = 1500,
                             .course_cdeg = 6000};
    struct reckon r = reckon_from_entry(&entry);
    assert_place(reckon_at(&r, T0_MS + 10000), 23130677, -82378732);
    entry.flags = PT_FLAG_POSITION;
    r = reckon_from_entry(&entry);
    assert_false(reckon_moves(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_before_the_report),
        cmocka_unit_test(test_horizon),
        cmocka_unit_test(test_stands),
        cmocka_unit_test(test_from_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Expected waits are counted by hand: the first one times 2, 4, 8 ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

#include <limits.h>

static const struct backoff tenth_to_ten_s = {.first_ms = 100, .max_ms = 10000};

static void doubles_up_to_the_limit(void **state)
{
    static const uint32_t longest[] = {100,  200,  400,   800,   1600,
                                       3200, 6400, 10000, 10000, 10000};

    (void)state;
    for (unsigned i = 0; i < sizeof longest / sizeof longest[0]; i++)
        assert_int_equal(backoff_longest_ms(&tenth_to_ten_s, i), longest[i]);
}

/* A limit that is a power of two times the first wait is reached, not passed
 * over. */
static void reaches_a_limit_that_fits(void **state)
{
    static const struct backoff fits = {.first_ms = 1000, .max_ms = 4000};

    (void)state;
    assert_int_equal(backoff_longest_ms(&fits, 1), 2000);
    assert_int_equal(backoff_longest_ms(&fits, 2), 4000);
    assert_int_equal(backoff_longest_ms(&fits, 3), 4000);
}

/* 31 doublings of 1 are 2^31; 32 would be shifted out. */
static void never_wraps_round(void **state)
{
    static const struct backoff widest = {.first_ms = 1, .max_ms = UINT32_MAX};
    static const struct backoff odd = {.first_ms = 3, .max_ms = UINT32_MAX};

    (void)state;
    assert_int_equal(backoff_longest_ms(&widest, 31), UINT32_C(1) << 31);
    assert_int_equal(backoff_longest_ms(&widest, 32), UINT32_MAX);
    assert_int_equal(backoff_longest_ms(&widest, UINT_MAX), UINT32_MAX);
    assert_int_equal(backoff_longest_ms(&odd, 30), UINT32_C(3) << 30);
    assert_int_equal(backoff_longest_ms(&odd, 31), UINT32_MAX);
    assert_int_equal(backoff_longest_ms(&tenth_to_ten_s, UINT_MAX), 10000);
}

static void chance_chooses_the_upper_half(void **state)
{
    (void)state;
    assert_int_equal(backoff_wait_ms(&tenth_to_ten_s, 0, 0), 50);
    assert_int_equal(backoff_wait_ms(&tenth_to_ten_s, 0, 7), 57);
    assert_int_equal(backoff_wait_ms(&tenth_to_ten_s, 0, 50), 100);
    assert_int_equal(backoff_wait_ms(&tenth_to_ten_s, 0, 51), 50);
    assert_int_equal(backoff_wait_ms(&tenth_to_ten_s, 20, 5000), 10000);
    for (uint32_t r = 0; r < 100000; r += 997)
        assert_in_range(backoff_wait_ms(&tenth_to_ten_s, 3, r), 400, 800);
}

/* An odd wait loses its half millisecond; 1 ms may be none. */
static void short_waits_stay_in_bounds(void **state)
{
    static const struct backoff shortest = {.first_ms = 1, .max_ms = 3};

    (void)state;
    assert_int_equal(backoff_wait_ms(&shortest, 0, UINT32_MAX), 0);
    assert_int_equal(backoff_wait_ms(&shortest, 2, 0), 1);
    assert_int_equal(backoff_wait_ms(&shortest, 2, 1), 2);
}

/* Eight equal draws in a row come once in 2^224. */
static void draws_differ(void **state)
{
    uint32_t first = backoff_random();
    int others = 0;

    (void)state;
    for (int i = 0; i < 7; i++)
        others += backoff_random() != first;
    assert_true(others > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_the_limit),
        cmocka_unit_test(reaches_a_limit_that_fits),
        cmocka_unit_test(never_wraps_round),
        cmocka_unit_test(chance_chooses_the_upper_half),
        cmocka_unit_test(short_waits_stay_in_bounds),
        cmocka_unit_test(draws_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

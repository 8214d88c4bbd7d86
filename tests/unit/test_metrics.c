/* The metrics page against Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#include "metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    struct metrics *metrics;

    if (metrics_new(&metrics) != PT_OK)
        return -1;
    *state = metrics;
    return 0;
}

static int teardown(void **state)
{
    metrics_free(*state);
    metrics_free(NULL);
    return 0;
}

static void check_page(const struct metrics *metrics, const char *expected)
{
    size_t size = 0;
    char *page = metrics_page(metrics, &size);

    assert_non_null(page);
    assert_string_equal(page, expected);
    assert_int_equal(size, strlen(expected));
    free(page);
}

static double answer(void *context)
{
    return *(double *)context;
}

static void empty_page(void **state)
{
    check_page(*state, "");
}

static void values_are_read_when_the_page_is_made(void **state)
{
    uint64_t entries = 1;

    assert_int_equal(metrics_add(*state, METRICS_COUNTER, "patrol_a_total",
                                 NULL, "Entries.", &entries),
                     PT_OK);
    entries = UINT64_MAX;
    check_page(*state, "# HELP patrol_a_total Entries.\n"
                       "# TYPE patrol_a_total counter\n"
                       "patrol_a_total 18446744073709551615\n");
}

static void one_name_stands_together(void **state)
{
    uint64_t one = 1;
    uint64_t two = 2;
    uint64_t three = 3;

    assert_int_equal(
        metrics_add(*state, METRICS_COUNTER, "a", "r=\"x\"", "first", &one),
        PT_OK);
    assert_int_equal(
        metrics_add(*state, METRICS_GAUGE, "b", NULL, "other", &two), PT_OK);
    assert_int_equal(
        metrics_add(*state, METRICS_COUNTER, "a", "r=\"y\"", "ignored", &three),
        PT_OK);
    check_page(*state, "# HELP a first\n"
                       "# TYPE a counter\n"
                       "a{r=\"x\"} 1\n"
                       "a{r=\"y\"} 3\n"
                       "# HELP b other\n"
                       "# TYPE b gauge\n"
                       "b 2\n");
}

static void worked_out_numbers(void **state)
{
    static double values[] = {0.25, NAN, INFINITY, -INFINITY};
    static const char *const labels[] = {"v=\"0\"", "v=\"1\"", "v=\"2\"",
                                         "v=\"3\""};

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(metrics_add_call(*state, METRICS_GAUGE, "g", labels[i],
                                          "a\\b\nc", answer, &values[i]),
                         PT_OK);
    check_page(*state, "# HELP g a\\\\b\\nc\n"
                       "# TYPE g gauge\n"
                       "g{v=\"0\"} 0.25\n"
                       "g{v=\"1\"} NaN\n"
                       "g{v=\"2\"} +Inf\n"
                       "g{v=\"3\"} -Inf\n");
}

static void what_prometheus_would_refuse_is_refused(void **state)
{
    static const char *const bad[] = {"", "1a", "a-b", "a b", "\xc3\xa9"};
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            metrics_add(*state, METRICS_GAUGE, bad[i], NULL, "h", &n),
            PT_E_RANGE);
    assert_int_equal(metrics_add(*state, METRICS_GAUGE, "a", NULL, "h", &n),
                     PT_OK);
    assert_int_equal(metrics_add(*state, METRICS_GAUGE, "a", NULL, "h", &n),
                     PT_E_RANGE);
    assert_int_equal(
        metrics_add(*state, METRICS_COUNTER, "a", "x=\"1\"", "h", &n),
        PT_E_RANGE);
    check_page(*state, "# HELP a h\n# TYPE a gauge\na 0\n");
}

static void the_bound_is_kept(void **state)
{
    static char names[METRICS_MAX + 1][16];
    uint64_t n = 0;

    for (int i = 0; i < METRICS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        assert_int_equal(
            metrics_add(*state, METRICS_GAUGE, names[i], NULL, "h", &n), PT_OK);
    }
    assert_int_equal(metrics_add(*state, METRICS_GAUGE, "z", NULL, "h", &n),
                     PT_E_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_page, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_read_when_the_page_is_made,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(one_name_stands_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(worked_out_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(what_prometheus_would_refuse_is_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_bound_is_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

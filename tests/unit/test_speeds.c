/* speeds: what it says when there is no database. What it does with one:
 * tests/integration/test_learn.py. */
#include "speeds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* No server has its socket there. */
static const char nowhere[] = "host=/nonexistent dbname=none";

static struct roads *small(void)
{
    static const struct geo_point points[2] = {{0, 0}, {0, 1000}};
    const struct roads_edge_row row = {.way_id = 1,
                                       .source = 1,
                                       .target = 2,
                                       .forward_ms = 10000,
                                       .length_m = 111,
                                       .point_count = 2,
                                       .points = points};
    struct roads *roads = NULL;
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = &row, .edge_count = 1}, &roads),
        PT_OK);
    return roads;
}

static void says_that_there_is_no_database(void **state)
{
    (void)state;
    struct speeds_wish wish = {.conninfo = nowhere, .to_ms = 1};
    struct speeds_told told;
    struct speeds *speeds = NULL;
    struct roads *roads = small();
    char message[256] = "";
    assert_int_equal(speeds_learn(&wish, &told, message, sizeof(message)),
                     PT_E_DB);
    assert_non_null(strstr(message, "connecting: "));
    assert_null(strchr(message, '\n'));
    message[0] = '\0';
    assert_int_equal(
        speeds_load(nowhere, roads, 0, &speeds, message, sizeof(message)),
        PT_E_DB);
    assert_non_null(strstr(message, "connecting: "));
    assert_null(speeds);
    speeds_free(speeds);
    roads_unref(roads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_that_there_is_no_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

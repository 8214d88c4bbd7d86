/* mvt: against the examples of the specification (2.1, 4.3.5), and what is on a
 * tile. */
#include "mvt.h"

#include "fail_alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Where a place of a tile's 4,096 parts lies (OpenStreetMap's wiki, "Slippy map
 * tilenames"). */
static struct geo_point at(unsigned z, double x, double y)
{
    double parts = 4096.0 * (1u << z);
    return geo_from_deg(atan(sinh(M_PI * (1 - 2 * y / parts))) * 180 / M_PI,
                        x / parts * 360 - 180);
}

static void add_line(struct mvt *mvt, unsigned z, const double (*places)[2],
                     size_t count, const int32_t *values)
{
    for (size_t i = 0; i < count; i++)
        mvt_point(mvt, at(z, places[i][0], places[i][1]));
    mvt_line(mvt, values);
}

static const char *const keys[] = {"s1", "s2"};

static const void *find(const char *bytes, size_t size, const void *what,
                        size_t what_size)
{
    return memmem(bytes, size, what, what_size);
}

static void as_the_specification_has_it(void **state)
{
    (void)state;
    static const double first[][2] = {{2, 2}, {2, 10}, {10, 10}};
    static const double second[][2] = {{1, 1}, {3, 5}};
    /* "Example Multi Linestring", in a packed field 4 of 14 bytes; then a
     * line's own type, 2 */
    static const unsigned char geometry[] = {0x22, 14, 9, 4,  4,  18, 0, 16,
                                             16,   0,  9, 17, 17, 10, 4, 8};
    static const unsigned char kind[] = {0x18, 2};
    /* key 0 has value 1, key 1 value 0 */
    static const unsigned char tags[] = {0x12, 4, 0, 1, 1, 0};
    /* values: sint64 70 and 300 by zigzag, 140 and 600 as varints */
    static const unsigned char values[] = {0x22, 3, 0x30, 0x8c, 0x01,
                                           0x22, 3, 0x30, 0xd8, 0x04};
    static const int32_t has[] = {300, 70};
    struct mvt *mvt;
    char *tile;
    size_t size;
    assert_int_equal(mvt_new("coverage", 6, 0, 0, keys, 2, &mvt), PT_OK);
    add_line(mvt, 6, first, 3, has);
    add_line(mvt, 6, second, 2, has);
    assert_int_equal(mvt_finish(mvt, &tile, &size), PT_OK);
    assert_int_equal((unsigned char)tile[0], 0x1a); /* Tile.layers */
    assert_int_equal((size_t)(unsigned char)tile[1] + 2, size);
    assert_non_null(find(tile, size, geometry, sizeof(geometry)));
    assert_non_null(find(tile, size, kind, sizeof(kind)));
    assert_non_null(find(tile, size, tags, sizeof(tags)));
    assert_non_null(find(tile, size, values, sizeof(values)));
    assert_non_null(find(tile, size,
                         "\x78\x02\x0a\x08"
                         "coverage",
                         12));
    free(tile);
    mvt_free(mvt);
}

static void only_what_is_on_the_tile(void **state)
{
    (void)state;
    static const struct {
        double line[2][2];
        bool is_on;
    } cases[] = {
        {{{4096 * 9, 4096 * 9}, {4096 * 9 + 5, 4096 * 9}}, true},
        {{{4096 * 9 - 64, 4096 * 9}, {4096 * 9 - 70, 4096 * 9}}, true},
        {{{4096 * 9 - 66, 4096 * 9}, {4096 * 9 - 70, 4096 * 9}}, false},
        {{{4096 * 10 + 66, 4096 * 9}, {4096 * 10 + 70, 4096 * 9}}, false},
        {{{4096 * 9, 4096 * 9 - 66}, {4096 * 9 + 5, 4096 * 9 - 99}}, false},
        {{{4096 * 9, 4096 * 10 + 66}, {4096 * 9, 4096 * 10 + 99}}, false},
        /* no longer than a point */
        {{{4096 * 9 + 9, 4096 * 9}, {4096 * 9 + 9.2, 4096 * 9}}, false},
    };
    static const int32_t has[] = {MVT_ABSENT, 5};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mvt *mvt;
        char *tile;
        size_t size;
        assert_int_equal(mvt_new("l", 12, 9, 9, keys, 2, &mvt), PT_OK);
        add_line(mvt, 12, cases[i].line, 2, has);
        assert_int_equal(mvt_finish(mvt, &tile, &size), PT_OK);
        assert_int_equal(size > 0, cases[i].is_on);
        free(tile);
        mvt_free(mvt);
    }
}

static void what_may_reach_it(void **state)
{
    (void)state;
    struct mvt *mvt;
    /* of 10 km a side at the equator, 5 km at 60 degrees (40,075 km / 4,096) */
    assert_int_equal(mvt_new("l", 12, 2048, 2047, keys, 2, &mvt), PT_OK);
    assert_true(mvt_reaches(mvt, (struct geo_point){40000, 40000}, 0));
    assert_true(mvt_reaches(mvt, (struct geo_point){87000, 87000}, 0));
    assert_false(mvt_reaches(mvt, (struct geo_point){40000, 200000}, 5000));
    assert_true(mvt_reaches(mvt, (struct geo_point){40000, 200000}, 12000));
    mvt_free(mvt);
    assert_int_equal(mvt_new("l", 12, 4096, 0, keys, 2, &mvt), PT_E_RANGE);
    assert_int_equal(mvt_new("l", 23, 0, 0, keys, 2, &mvt), PT_E_RANGE);
    assert_int_equal(mvt_new("l", 2, 0, 4, keys, 2, &mvt), PT_E_RANGE);
    assert_int_equal(mvt_new("l", 2, 0, 0, keys, 9, &mvt), PT_E_RANGE);
    mvt_free(NULL);
}

static enum pt_err whole_life(void)
{
    static const double line[][2] = {{10, 10}, {700, 700}, {20, 9}};
    struct mvt *mvt = NULL;
    char *tile = NULL;
    size_t size = 0;
    enum pt_err err = mvt_new("l", 12, 0, 0, keys, 2, &mvt);
    for (int32_t i = 0; err == PT_OK && i < 300; i++) {
        const int32_t has[] = {i % 100, i};
        add_line(mvt, 12, line, 3, has);
    }
    if (err == PT_OK)
        err = mvt_finish(mvt, &tile, &size);
    if (err == PT_OK)
        assert_true(size > 3000);
    free(tile);
    mvt_free(mvt);
    return err;
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    enum pt_err err = PT_E_NOMEM;
    size_t n = 0;
    while (err == PT_E_NOMEM) {
        fail_alloc_after(n++);
        err = whole_life();
        fail_alloc_never();
        assert_true(n < 1000);
    }
    assert_int_equal(err, PT_OK);
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_specification_has_it),
        cmocka_unit_test(only_what_is_on_the_tile),
        cmocka_unit_test(what_may_reach_it),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

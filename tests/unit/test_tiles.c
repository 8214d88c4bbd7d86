/* tiles without a database: names of tiles, and what is kept of them. */
#include "tiles_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names_that_are_tiles(void **state)
{
    (void)state;
    struct tile tile = {.edition = 7};

    assert_true(tiles_parse("streets/14/4430/7093.mvt", &tile));
    assert_int_equal(tile.layer, TILES_STREETS);
    assert_int_equal(tile.z, 14);
    assert_int_equal(tile.x, 4430);
    assert_int_equal(tile.y, 7093);
    assert_int_equal(tile.edition, 7);
    assert_true(tiles_parse("zones/6/0/63.mvt", &tile));
    assert_int_equal(tile.layer, TILES_ZONES);
    assert_true(tiles_parse("missions/16/65535/0.mvt", &tile));
    assert_int_equal(tile.layer, TILES_MISSIONS);
}

static void names_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "streets",
        "streets/",
        "streets/14/4430",
        "streets/14/4430/7093",
        "streets/14/4430/7093.png",
        "streets/14/4430/7093.mvt.mvt",
        "streets/14/4430/7093.mvt/",
        "street/14/4430/7093.mvt",
        "streets2/14/4430/7093.mvt",
        "/14/4430/7093.mvt",
        "streets/5/0/0.mvt",
        "streets/17/0/0.mvt",
        "streets/6/64/0.mvt", /* two to the sixth columns: 0 to 63 */
        "streets/6/0/64.mvt",
        "streets/014/4430/7093.mvt",
        "streets/14/-1/7093.mvt",
        "streets/14/+1/7093.mvt",
        "streets/14/ 1/7093.mvt",
        "streets/14/4430/7093.5.mvt",
        "streets/14/4294971726/7093.mvt", /* 2^32 more than a good one */
        "streets/14/%34/7093.mvt",
    };
    struct tile tile;

    memset(&tile, 0x5a, sizeof tile);
    struct tile before = tile;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tiles_parse(bad[i], &tile));
    assert_memory_equal(&tile, &before, sizeof tile);
}

static struct kept *new_kept(void)
{
    struct kept *kept = calloc(1, sizeof *kept);
    assert_non_null(kept);
    return kept;
}

static void kept_of_one_edition_only(void **state)
{
    (void)state;
    struct kept *kept = new_kept();
    struct tile tile = {TILES_STREETS, 14, 4430, 7093, 1};
    struct tile newer = tile, other = tile;

    newer.edition = 2;
    other.layer = TILES_ZONES;
    assert_null(kept_find(kept, &tile));
    kept_put(kept, &tile, "abc", 3);
    const struct kept_slot *slot = kept_find(kept, &tile);
    assert_non_null(slot);
    assert_int_equal(slot->size, 3);
    assert_memory_equal(slot->bytes, "abc", 3);
    assert_null(kept_find(kept, &newer));
    assert_null(kept_find(kept, &other));
    kept_put(kept, &newer, NULL, 0); /* a tile on which nothing is */
    assert_null(kept_find(kept, &tile));
    assert_non_null(kept_find(kept, &newer));
    assert_int_equal(kept->count, 1);
    assert_int_equal(kept->bytes, 0);
    kept_clear(kept);
    assert_int_equal(kept->count, 0);
    free(kept);
}

/* More tiles than fit: the sum stays below the limit and is what is there. */
static void kept_within_their_limit(void **state)
{
    (void)state;
    enum { SIZE = 128 * 1024, PUT = 1000 };
    struct kept *kept = new_kept();
    char *bytes = calloc(1, SIZE);
    struct tile tile = {TILES_STREETS, 15, 0, 9000, 1};

    assert_non_null(bytes);
    for (unsigned i = 0; i < PUT; i++) {
        tile.x = i;
        kept_put(kept, &tile, bytes, SIZE);
        assert_true(kept->bytes <= TILES_KEPT_BYTES_MAX);
        assert_non_null(kept_find(kept, &tile));
    }
    uint64_t count = 0;
    for (unsigned i = 0; i < PUT; i++) {
        tile.x = i;
        count += kept_find(kept, &tile) != NULL;
    }
    assert_int_equal(count, kept->count);
    assert_int_equal(count * SIZE, kept->bytes);
    assert_true(kept->bytes > TILES_KEPT_BYTES_MAX / 2);
    kept_clear(kept);
    free(bytes);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_tiles),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(kept_of_one_edition_only),
        cmocka_unit_test(kept_within_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

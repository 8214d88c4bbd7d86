#include "pt_room.h"

#include "fail_alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void grows_one_by_one(void **state)
{
    (void)state;
    uint32_t *items = NULL;
    size_t room = 0;
    size_t moves = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        size_t before = room;
        assert_int_equal(pt_room(&items, &room, i + 1, sizeof(*items)), PT_OK);
        assert_true(room > i);
        moves += room != before;
        items[i] = i;
    }
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(items[i], i);
    assert_true(moves <= 17); /* it doubles: 2^17 > 100,000 */
    free(items);
}

static void grows_by_much_and_not_without_need(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t room = 0;
    assert_int_equal(pt_room(&bytes, &room, 0, 1), PT_OK);
    assert_null(bytes);
    assert_int_equal(pt_room(&bytes, &room, 1000000, 1), PT_OK);
    assert_true(room >= 1000000);
    char *before = bytes;
    size_t had = room;
    assert_int_equal(pt_room(&bytes, &room, had, 1), PT_OK);
    assert_ptr_equal(bytes, before);
    assert_int_equal(room, had);
    free(bytes);
}

/* Without memory, and beyond what there can be, all is as it was. */
static void failures_change_nothing(void **state)
{
    (void)state;
    uint64_t *items = NULL;
    size_t room = 0;
    assert_int_equal(pt_room(&items, &room, 10, sizeof(*items)), PT_OK);
    uint64_t *before = items;
    size_t had = room;
    items[9] = 7;
    fail_alloc_after(0);
    assert_int_equal(pt_room(&items, &room, had + 1, sizeof(*items)),
                     PT_E_NOMEM);
    fail_alloc_never();
    static const size_t too_many[] = {SIZE_MAX, SIZE_MAX / 2,
                                      SIZE_MAX / 2 / sizeof(uint64_t) + 1};
    for (size_t i = 0; i < sizeof too_many / sizeof too_many[0]; i++)
        assert_int_equal(pt_room(&items, &room, too_many[i], sizeof(*items)),
                         PT_E_NOMEM);
    assert_ptr_equal(items, before);
    assert_int_equal(room, had);
    assert_int_equal(items[9], 7);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_one_by_one),
        cmocka_unit_test(grows_by_much_and_not_without_need),
        cmocka_unit_test(failures_change_nothing),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}

/* The batch: words of the refusals, the bound, and who owns the texts. */
#include "batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void words_are_those_of_the_contract(void **state)
{
    (void)state;
    /* DESIGN section 3: unknown device, impossible coordinates, a fix_time
     * outside a window, a repeat that differs. */
    assert_string_equal(batch_refusal_word(REFUSED_NOT), "accepted");
    assert_string_equal(batch_refusal_word(REFUSED_UNKNOWN_DEVICE),
                        "unknown_device");
    assert_string_equal(batch_refusal_word(REFUSED_COORDINATES),
                        "impossible_coordinates");
    assert_string_equal(batch_refusal_word(REFUSED_TIME_PAST),
                        "fix_time_too_old");
    assert_string_equal(batch_refusal_word(REFUSED_REPEAT_DIFFERS),
                        "repeat_differs");
    assert_string_equal(batch_refusal_word(REFUSED_COUNT), "unknown");
    assert_string_equal(batch_refusal_word((enum batch_refusal) - 1),
                        "unknown");
}

static struct batch_item item_with(uint64_t seq, const char *detail)
{
    struct batch_item item = {
        .device_id = 7, .unit_id = BATCH_NO_UNIT, .generation = 9};

    strcpy(item.device_name, "car-7");
    item.entry.seq = seq;
    item.entry.detail = detail;
    return item;
}

static void details_are_copied(void **state)
{
    char text[] = "order 12 accepted";
    struct batch_item item = item_with(1, text);
    struct batch batch;

    (void)state;
    assert_int_equal(batch_init(&batch, 2), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    memset(text, 'x', sizeof text - 1);
    assert_string_equal(batch.items[0].entry.detail, "order 12 accepted");
    assert_string_equal(batch.items[0].device_name, "car-7");
    assert_int_equal(batch.items[0].device_id, 7);
    batch_clear(&batch);
}

static void full_is_said_and_reset_makes_room(void **state)
{
    struct batch_item item = item_with(1, "a");
    struct batch batch;

    (void)state;
    assert_int_equal(batch_init(&batch, 2), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_E_FULL);
    assert_int_equal(batch.count, 2);
    batch_reset(&batch);
    assert_int_equal(batch.count, 0);
    item = item_with(2, NULL);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_null(batch.items[0].entry.detail);
    assert_int_equal(batch.items[0].entry.seq, 2);
    batch_clear(&batch);
}

static void a_capacity_that_cannot_be_is_an_error(void **state)
{
    struct batch batch = {0};

    (void)state;
    assert_int_equal(batch_init(&batch, SIZE_MAX / 2), PT_E_NOMEM);
    assert_null(batch.items);
    batch_clear(&batch);
    batch_clear(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_contract),
        cmocka_unit_test(details_are_copied),
        cmocka_unit_test(full_is_said_and_reset_makes_room),
        cmocka_unit_test(a_capacity_that_cannot_be_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

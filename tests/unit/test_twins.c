#include "twins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct twins *new_twins(size_t max_devices)
{
    struct twins *twins;
    assert_int_equal(twins_new(max_devices, &twins), PT_OK);
    return twins;
}

static bool hear_of(struct twins *twins, uint32_t device, uint64_t generation,
                    int64_t newest_ms, int64_t now_ms)
{
    bool alarm = true;
    assert_int_equal(
        twins_hear(twins, device, generation, newest_ms, now_ms, &alarm),
        PT_OK);
    return alarm;
}

/* Of something that was just then. */
static bool hear(struct twins *twins, uint32_t device, uint64_t generation,
                 int64_t now_ms)
{
    return hear_of(twins, device, generation, now_ms + 1, now_ms);
}

static void two_outboxes_in_turns_are_two_vehicles(void **state)
{
    struct twins *twins = new_twins(10);
    (void)state;
    assert_false(hear(twins, 7, 5, 1000));
    assert_false(hear(twins, 7, 5, 2000));
    assert_false(hear(twins, 7, 6, 3000));
    assert_false(hear(twins, 7, 5, 4000));
    assert_true(hear(twins, 7, 6, 5000));
    /* It goes on, a takeover a minute: told every ten. */
    int64_t now_ms = 5000;
    for (int i = 1; i < 10; i++)
        assert_false(hear(twins, 7, i % 2 ? 5 : 6, now_ms += 60000));
    assert_true(hear(twins, 7, 6, now_ms + 60000));
    twins_free(twins);
}

/* A lost outbox; one without its disk, there and back, and once more with
 * another generation in memory. */
static void one_vehicle_is_one(void **state)
{
    static const uint64_t said[] = {5, 6, 6, 7, 8, 7, 7, 9, 7, 10, 7, 7};
    struct twins *twins = new_twins(10);
    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        assert_false(hear(twins, 7, said[i], 1000 * (int64_t)(i + 1)));
    twins_free(twins);
}

/* What it has in the file, of a generation before, goes out batch by batch
 * between what it says now, and again when no receipt came. */
static void backlog_between_the_present_is_one_vehicle(void **state)
{
    struct twins *twins = new_twins(10);
    (void)state;
    for (int64_t now_ms = 1000000; now_ms < 2000000; now_ms += 1000) {
        assert_false(hear(twins, 7, 6, now_ms));
        assert_false(hear_of(twins, 7, 5, now_ms - 900000, now_ms));
        assert_false(hear_of(twins, 7, 6, now_ms - 1000, now_ms));
    }
    twins_free(twins);
}

/* Within ten minutes of each other. */
static void what_was_long_ago_does_not_count(void **state)
{
    struct twins *twins = new_twins(10);
    int64_t now_ms = 1000;
    (void)state;
    for (int i = 0; i < 20; i++, now_ms += TWINS_WITHIN_MS + 1)
        assert_false(hear(twins, 7, i % 2 ? 5 : 6, now_ms));
    assert_false(hear(twins, 7, 5, now_ms += TWINS_WITHIN_MS));
    assert_false(hear(twins, 7, 6, now_ms += TWINS_WITHIN_MS));
    assert_true(hear(twins, 7, 5, now_ms += TWINS_WITHIN_MS));
    twins_free(twins);
}

/* Each device by itself, and as many as are allowed. */
static void devices_do_not_mix(void **state)
{
    enum { DEVICES = 5000 };
    struct twins *twins = new_twins(DEVICES);
    bool alarm;
    (void)state;
    for (uint32_t turn = 0; turn < 4; turn++)
        for (uint32_t device = 1; device <= DEVICES; device++) {
            uint64_t generation = device % 2 == 0 ? 3 : 3 + turn % 2;
            assert_int_equal(hear(twins, device * 977, generation, 1000 + turn),
                             device % 2 == 1 && turn == 3);
        }
    assert_int_equal(twins_hear(twins, 1, 3, 9000, 9000, &alarm), PT_E_FULL);
    assert_false(alarm);
    twins_free(twins);
    twins_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_outboxes_in_turns_are_two_vehicles),
        cmocka_unit_test(one_vehicle_is_one),
        cmocka_unit_test(backlog_between_the_present_is_one_vehicle),
        cmocka_unit_test(what_was_long_ago_does_not_count),
        cmocka_unit_test(devices_do_not_mix),
    };

    return cmocka_run_group_tests_name("twins", tests, NULL, NULL);
}

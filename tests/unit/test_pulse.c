#include "pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EVERY_MS 10000

static struct pulse connected_at(int64_t now_ms)
{
    struct pulse pulse;
    pulse_init(&pulse, EVERY_MS);
    pulse_connected(&pulse, now_ms);
    return pulse;
}

static void not_connected_is_down(void **state)
{
    struct pulse pulse;
    (void)state;
    pulse_init(&pulse, EVERY_MS);
    assert_int_equal(pulse_state(&pulse, 100000), PULSE_DOWN);
    assert_false(pulse_due(&pulse, 100000));
    pulse_connected(&pulse, 100000);
    assert_int_equal(pulse_state(&pulse, 100000), PULSE_UP);
    pulse_lost(&pulse);
    assert_int_equal(pulse_state(&pulse, 100000), PULSE_DOWN);
    assert_false(pulse_due(&pulse, 900000));
}

/* Traffic is a sign of life: nothing is asked while there is any. */
static void whoever_talks_is_not_asked(void **state)
{
    struct pulse pulse = connected_at(0);
    (void)state;
    for (int64_t now_ms = 0; now_ms < 200000; now_ms += EVERY_MS - 1) {
        assert_false(pulse_due(&pulse, now_ms));
        pulse_alive(&pulse, now_ms);
    }
}

static void silent_when_the_question_is_not_answered(void **state)
{
    struct pulse pulse = connected_at(0);
    (void)state;
    assert_false(pulse_due(&pulse, EVERY_MS - 1));
    assert_true(pulse_due(&pulse, EVERY_MS));
    pulse_asked(&pulse, EVERY_MS);
    assert_false(pulse_due(&pulse, EVERY_MS + 1)); /* one at a time */
    pulse_answered(&pulse, EVERY_MS + 20);
    assert_true(pulse_due(&pulse, 2 * EVERY_MS + 20));
    pulse_asked(&pulse, 2 * EVERY_MS + 20);
    assert_int_equal(pulse_state(&pulse, 3 * EVERY_MS + 19), PULSE_UP);
    assert_int_equal(pulse_state(&pulse, 3 * EVERY_MS + 20), PULSE_SILENT);
    pulse_alive(&pulse, 4 * EVERY_MS); /* it only hung */
    assert_int_equal(pulse_state(&pulse, 4 * EVERY_MS), PULSE_UP);
}

/* An access list without our topic, say: no reason to break what works. */
static void who_never_answered_is_not_silent(void **state)
{
    struct pulse pulse = connected_at(0);
    (void)state;
    pulse_asked(&pulse, EVERY_MS);
    assert_false(pulse_mute(&pulse, 2 * EVERY_MS - 1));
    assert_true(pulse_mute(&pulse, 2 * EVERY_MS));
    assert_int_equal(pulse_state(&pulse, 9 * EVERY_MS), PULSE_UP);
    /* Once it has, it is expected to, also after it was connected anew. */
    pulse_answered(&pulse, 10 * EVERY_MS);
    pulse_lost(&pulse);
    pulse_connected(&pulse, 20 * EVERY_MS);
    pulse_asked(&pulse, 21 * EVERY_MS);
    assert_false(pulse_mute(&pulse, 22 * EVERY_MS));
    assert_int_equal(pulse_state(&pulse, 22 * EVERY_MS), PULSE_SILENT);
}

static void what_was_asked_before_a_loss_is_forgotten(void **state)
{
    struct pulse pulse = connected_at(0);
    (void)state;
    pulse_answered(&pulse, 1);
    assert_true(pulse_proven(&pulse));
    pulse_asked(&pulse, EVERY_MS);
    pulse_lost(&pulse);
    pulse_connected(&pulse, 5 * EVERY_MS);
    assert_int_equal(pulse_state(&pulse, 6 * EVERY_MS), PULSE_UP);
    assert_true(pulse_due(&pulse, 6 * EVERY_MS));
}

static void who_hangs_up_on_the_first_question_is_asked_no_more(void **state)
{
    struct pulse pulse = connected_at(0);
    (void)state;
    assert_false(pulse_mute(&pulse, EVERY_MS));
    pulse_asked(&pulse, EVERY_MS);
    pulse_lost(&pulse);
    pulse_connected(&pulse, 2 * EVERY_MS);
    assert_false(pulse_due(&pulse, 90 * EVERY_MS));
    assert_int_equal(pulse_state(&pulse, 90 * EVERY_MS), PULSE_UP);
    assert_true(pulse_mute(&pulse, 2 * EVERY_MS));
    assert_false(pulse_proven(&pulse));
}

static void never_is_never(void **state)
{
    struct pulse pulse;
    (void)state;
    pulse_init(&pulse, 0);
    pulse_connected(&pulse, 0);
    assert_false(pulse_due(&pulse, INT64_MAX));
    assert_int_equal(pulse_state(&pulse, INT64_MAX), PULSE_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_connected_is_down),
        cmocka_unit_test(whoever_talks_is_not_asked),
        cmocka_unit_test(silent_when_the_question_is_not_answered),
        cmocka_unit_test(who_never_answered_is_not_silent),
        cmocka_unit_test(what_was_asked_before_a_loss_is_forgotten),
        cmocka_unit_test(who_hangs_up_on_the_first_question_is_asked_no_more),
        cmocka_unit_test(never_is_never),
    };

    return cmocka_run_group_tests_name("pulse", tests, NULL, NULL);
}

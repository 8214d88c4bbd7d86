/* power: against directories as the kernel lays them out
 * (Documentation/ABI/testing/sysfs-class-power). */
#include "power.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/test-power-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

/* One file of a supply, with the line feed that the kernel writes. */
static void say(const char *supply, const char *name, const char *value)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, supply);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", root, supply, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", value);
    assert_int_equal(fclose(file), 0);
}

static void feed(const char *supply, const char *type, const char *online)
{
    say(supply, "type", type);
    say(supply, "online", online);
}

static void battery(const char *supply, const char *status,
                    const char *capacity)
{
    say(supply, "type", "Battery");
    say(supply, "status", status);
    say(supply, "capacity", capacity);
}

static void assert_power(enum pt_power source, int percent)
{
    struct power_state state = power_read(root);
    assert_int_equal(state.source, source);
    assert_int_equal(state.battery_percent, percent);
}

static void nothing_there_is_unknown(void **state)
{
    (void)state;
    assert_power(PT_POWER_UNKNOWN, -1);
    say("strange", "type", "Battery");
    assert_power(PT_POWER_UNKNOWN, -1);
    strcat(root, "/none");
    assert_power(PT_POWER_UNKNOWN, -1);
    *strrchr(root, '/') = '\0';
}

static void ignition_on_and_off(void **state)
{
    (void)state;
    feed("AC", "Mains", "1");
    battery("BAT0", "Full", "100");
    assert_power(PT_POWER_EXTERNAL, 100);
    feed("AC", "Mains", "0");
    battery("BAT0", "Discharging", "97");
    assert_power(PT_POWER_BATTERY, 97);
    feed("usb", "USB", "2"); /* programmable, negotiated */
    assert_power(PT_POWER_EXTERNAL, 97);
}

/* Boards that show a gauge and no feed. */
static void battery_alone(void **state)
{
    (void)state;
    battery("gauge", "Charging", "0");
    assert_power(PT_POWER_EXTERNAL, 0);
    battery("gauge", "Not charging", "80");
    assert_power(PT_POWER_EXTERNAL, 80);
    battery("gauge", "Unknown", "80");
    assert_power(PT_POWER_UNKNOWN, 80);
    battery("gauge", "Discharging", "80");
    assert_power(PT_POWER_BATTERY, 80);
    say("gauge", "present", "0");
    assert_power(PT_POWER_UNKNOWN, -1);
}

/* Boards that show a feed and no gauge. */
static void feed_alone(void **state)
{
    (void)state;
    feed("dc-in", "Mains", "0");
    assert_power(PT_POWER_BATTERY, -1);
    feed("dc-in", "Mains", "1");
    assert_power(PT_POWER_EXTERNAL, -1);
}

static void emptiest_battery_counts_and_no_mouse(void **state)
{
    (void)state;
    battery("BAT0", "Discharging", "60");
    battery("BAT1", "Discharging", "40");
    battery("hid-mouse", "Discharging", "5");
    say("hid-mouse", "scope", "Device");
    assert_power(PT_POWER_BATTERY, 40);
}

static void what_cannot_be_is_not_said(void **state)
{
    (void)state;
    battery("BAT0", "Discharging", "101");
    assert_power(PT_POWER_BATTERY, -1);
    battery("BAT0", "Discharging", "-5");
    assert_power(PT_POWER_BATTERY, -1);
    battery("BAT0", "Unknown", "4x");
    feed("AC", "Mains", "yes");
    assert_power(PT_POWER_UNKNOWN, -1);
}

/* ------------------------------------------------------------ on the loop */
static void stop_loop(void *loop)
{
    uv_stop(loop);
}

static void wait_for_source(uv_loop_t *loop, const struct power *power,
                            enum pt_power source)
{
    for (int i = 0; i < 100000 && power_last(power).source != source; i++)
        uv_run(loop, UV_RUN_ONCE);
    assert_int_equal(power_last(power).source, source);
}

static void read_off_the_loop(void **state)
{
    uv_loop_t loop;
    struct power *power;
    (void)state;
    feed("AC", "Mains", "1");
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(power_new(&loop, root, &power), PT_OK);
    assert_int_equal(power_last(power).source, PT_POWER_UNKNOWN);
    assert_int_equal(power_last(power).battery_percent, -1);
    wait_for_source(&loop, power, PT_POWER_EXTERNAL);
    power_close(power, stop_loop, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    /* Closed before it was ever read, and with the reading under way. */
    for (int turns = 0; turns < 3; turns++) {
        assert_int_equal(power_new(&loop, root, &power), PT_OK);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        power_close(power, NULL, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void not_asked_for(void **state)
{
    uv_loop_t loop;
    struct power *power = (struct power *)&loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(power_new(&loop, "", &power), PT_OK);
    assert_null(power);
    assert_int_equal(power_last(power).source, PT_POWER_UNKNOWN);
    assert_int_equal(power_last(power).battery_percent, -1);
    power_close(power, stop_loop, &loop);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(nothing_there_is_unknown),
        TEST(ignition_on_and_off),
        TEST(battery_alone),
        TEST(feed_alone),
        TEST(emptiest_battery_counts_and_no_mouse),
        TEST(what_cannot_be_is_not_said),
        TEST(read_off_the_loop),
        TEST(not_asked_for),
    };

    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}

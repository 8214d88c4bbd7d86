#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receiver_internal.h"
#include "report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As libgps leaves it when a TPV carries nothing: NAN everywhere. */
static struct gps_fix_t nothing(void)
{
    struct gps_fix_t tpv;
    memset(&tpv, 0, sizeof(tpv));
    tpv.mode = MODE_NOT_SEEN;
    tpv.latitude = tpv.longitude = NAN;
    tpv.epx = tpv.epy = tpv.eph = tpv.epv = NAN;
    tpv.speed = tpv.track = NAN;
    tpv.altHAE = tpv.altMSL = NAN;
    return tpv;
}

static struct gps_fix_t everything(void)
{
    struct gps_fix_t tpv = nothing();
    tpv.mode = MODE_3D;
    tpv.time.tv_sec = 1700000000;
    tpv.time.tv_nsec = 250000000;
    tpv.latitude = 23.1234567;
    tpv.longitude = -82.3876543;
    tpv.speed = 12.5;
    tpv.track = 271.25;
    tpv.eph = 4.5;
    return tpv;
}

static struct receiver_fix understood(const struct gps_fix_t *tpv)
{
    struct receiver_fix fix;
    memset(&fix, 0xa5, sizeof(fix)); /* nothing may be left over */
    receiver_fix_from_tpv(tpv, &fix);
    return fix;
}

static void assert_no_position(const struct gps_fix_t *tpv,
                               enum receiver_mode mode)
{
    struct receiver_fix fix = understood(tpv);
    assert_int_equal(fix.mode, mode);
    assert_int_equal(fix.flags, 0);
    assert_int_equal(fix.at.lat_e6, 0);
    assert_int_equal(fix.at.lon_e6, 0);
}

static void complete_fix(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    struct receiver_fix fix = understood(&tpv);
    assert_int_equal(fix.mode, RECEIVER_3D);
    assert_true(fix.time_ms == INT64_C(1700000000250));
    /* 23.1234567 and -82.3876543 in millionths, rounded to the nearest */
    assert_int_equal(fix.at.lat_e6, 23123457);
    assert_int_equal(fix.at.lon_e6, -82387654);
    assert_float_equal(fix.speed_mps, 12.5, 0);
    assert_float_equal(fix.course_deg, 271.25, 0);
    assert_float_equal(fix.accuracy_m, 4.5, 0);
    assert_int_equal(fix.flags, PT_FLAG_POSITION | PT_FLAG_SPEED |
                                    PT_FLAG_COURSE | PT_FLAG_ACCURACY |
                                    PT_FLAG_3D);
}

static void empty_message(void **state)
{
    (void)state;
    struct gps_fix_t tpv = nothing();
    assert_no_position(&tpv, RECEIVER_NOT_SEEN);
    tpv.mode = MODE_NO_FIX;
    assert_no_position(&tpv, RECEIVER_NO_FIX);
}

/* gpsd says 0 or 1 while it still holds where the receiver once was. */
static void old_position_without_fix(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    tpv.mode = MODE_NO_FIX;
    assert_no_position(&tpv, RECEIVER_NO_FIX);
    assert_true(understood(&tpv).time_ms == INT64_C(1700000000250));
    tpv.mode = MODE_NOT_SEEN;
    assert_no_position(&tpv, RECEIVER_NOT_SEEN);
}

static void position_without_time(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    tpv.time.tv_sec = 0;
    tpv.time.tv_nsec = 0;
    assert_no_position(&tpv, RECEIVER_NO_FIX);
    assert_true(understood(&tpv).time_ms == 0);
    tpv.time.tv_sec = -1;
    assert_no_position(&tpv, RECEIVER_NO_FIX);
    tpv.time.tv_sec = INT64_MAX; /* nor a time that cannot be */
    assert_no_position(&tpv, RECEIVER_NO_FIX);
    assert_true(understood(&tpv).time_ms == 0);
}

static void coordinates_missing_or_off_the_globe(void **state)
{
    (void)state;
    static const double bad[][2] = {
        {NAN, -82},      {23, NAN},      {NAN, NAN}, {INFINITY, 0},
        {0, -INFINITY},  {90.000001, 0}, {-90.1, 0}, {0, 180.000001},
        {0, -180.00001}, {1e300, 1e300},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gps_fix_t tpv = everything();
        tpv.latitude = bad[i][0];
        tpv.longitude = bad[i][1];
        assert_no_position(&tpv, RECEIVER_NO_FIX);
    }
    struct gps_fix_t tpv = everything();
    tpv.latitude = -90;
    tpv.longitude = 180;
    assert_int_equal(understood(&tpv).at.lat_e6, -90000000);
    assert_int_equal(understood(&tpv).at.lon_e6, 180000000);
}

static void two_dimensional_fix(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    tpv.mode = MODE_2D;
    struct receiver_fix fix = understood(&tpv);
    assert_int_equal(fix.mode, RECEIVER_2D);
    assert_int_equal(fix.flags & PT_FLAG_3D, 0);
    assert_int_equal(fix.flags & PT_FLAG_POSITION, PT_FLAG_POSITION);
}

static void missing_values_have_no_flag(void **state)
{
    (void)state;
    static const double no_speed[] = {NAN, INFINITY, -0.1};
    static const double no_track[] = {NAN, -INFINITY, -1, 360.5};
    for (size_t i = 0; i < sizeof(no_speed) / sizeof(no_speed[0]); i++) {
        struct gps_fix_t tpv = everything();
        tpv.speed = no_speed[i];
        assert_int_equal(understood(&tpv).flags & PT_FLAG_SPEED, 0);
        assert_float_equal(understood(&tpv).speed_mps, 0, 0);
        assert_int_equal(understood(&tpv).flags & PT_FLAG_COURSE,
                         PT_FLAG_COURSE);
    }
    for (size_t i = 0; i < sizeof(no_track) / sizeof(no_track[0]); i++) {
        struct gps_fix_t tpv = everything();
        tpv.track = no_track[i];
        assert_int_equal(understood(&tpv).flags & PT_FLAG_COURSE, 0);
        assert_float_equal(understood(&tpv).course_deg, 0, 0);
    }
    struct gps_fix_t tpv = everything();
    tpv.track = 360;
    assert_float_equal(understood(&tpv).course_deg, 0, 0);
    assert_int_equal(understood(&tpv).flags & PT_FLAG_COURSE, PT_FLAG_COURSE);
    tpv.speed = 0; /* standing still is a speed */
    assert_int_equal(understood(&tpv).flags & PT_FLAG_SPEED, PT_FLAG_SPEED);
}

/* eph when there is one; else both axes: sqrt(3^2 + 4^2) = 5. */
static void accuracy_from_what_there_is(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    tpv.epx = 3;
    tpv.epy = 4;
    assert_float_equal(understood(&tpv).accuracy_m, 4.5, 0);
    tpv.eph = NAN;
    assert_float_equal(understood(&tpv).accuracy_m, 5.0, 1e-9);
    tpv.eph = 0; /* no receiver is perfect: a zero is a missing value */
    assert_float_equal(understood(&tpv).accuracy_m, 5.0, 1e-9);
    tpv.epy = NAN;
    assert_int_equal(understood(&tpv).flags & PT_FLAG_ACCURACY, 0);
    tpv.eph = INFINITY;
    assert_int_equal(understood(&tpv).flags & PT_FLAG_ACCURACY, 0);
    assert_float_equal(understood(&tpv).accuracy_m, 0, 0);
}

/* What libgps 3.22 makes of ".095": 94,999,999 ns. */
static void milliseconds_are_rounded(void **state)
{
    (void)state;
    struct gps_fix_t tpv = everything();
    tpv.time.tv_nsec = 94999999;
    assert_true(understood(&tpv).time_ms == INT64_C(1700000000095));
    tpv.time.tv_nsec = 999999999;
    assert_true(understood(&tpv).time_ms == INT64_C(1700000001000));
    tpv.time.tv_nsec = 0;
    assert_true(understood(&tpv).time_ms == INT64_C(1700000000000));
}

static struct receiver_fix driving(void)
{
    return (struct receiver_fix){
        .mode = RECEIVER_3D,
        .time_ms = 1700000000250,
        .at = {23123457, -82387654},
        .speed_mps = 12.346,
        .course_deg = 271.254,
        .accuracy_m = 4.56,
        .flags = PT_FLAG_POSITION | PT_FLAG_3D | PT_FLAG_SPEED |
                 PT_FLAG_COURSE | PT_FLAG_ACCURACY,
    };
}

/* cm/s, hundredths of a degree and decimetres, to the nearest. */
static void entry_in_the_units_of_the_wire(void **state)
{
    (void)state;
    struct receiver_fix fix = driving();
    struct pt_entry entry = receiver_entry(&fix, PT_STATUS_BUSY);
    assert_int_equal(entry.seq, 0);
    assert_int_equal(entry.time_ms, 1700000000250);
    assert_int_equal(entry.at.lat_e6, 23123457);
    assert_int_equal(entry.at.lon_e6, -82387654);
    assert_int_equal(entry.speed_cmps, 1235);
    assert_int_equal(entry.course_cdeg, 27125);
    assert_int_equal(entry.accuracy_dm, 46);
    assert_int_equal(entry.flags, fix.flags);
    assert_int_equal(entry.status, PT_STATUS_BUSY);
    assert_int_equal(entry.kind, PT_KIND_FIX);
    assert_null(entry.detail);
}

static void entry_says_nothing_without_a_flag(void **state)
{
    (void)state;
    struct receiver_fix fix = driving();
    fix.flags = PT_FLAG_POSITION;
    struct pt_entry entry = receiver_entry(&fix, PT_STATUS_AVAILABLE);
    assert_int_equal(entry.flags, PT_FLAG_POSITION);
    assert_int_equal(entry.speed_cmps, 0);
    assert_int_equal(entry.course_cdeg, 0);
    assert_int_equal(entry.accuracy_dm, 0);
}

/* An entry beyond a limit would be refused whole (pt_entry_valid). */
static void entry_stays_within_the_limits(void **state)
{
    (void)state;
    struct receiver_fix fix = driving();
    fix.speed_mps = 1e12;
    fix.course_deg = 359.996; /* to the nearest: north */
    fix.accuracy_m = 1e12;
    struct pt_entry entry = receiver_entry(&fix, PT_STATUS_OFF_DUTY);
    assert_int_equal(entry.speed_cmps, 65535);
    assert_int_equal(entry.course_cdeg, 0);
    assert_int_equal(entry.accuracy_dm, 10000000);
    entry.seq = 1;
    assert_true(pt_entry_valid(&entry));
}

static void only_our_device(void **state)
{
    (void)state;
    assert_true(receiver_device_is_ours("/dev/ttyUSB0", NULL));
    assert_true(receiver_device_is_ours("/dev/ttyUSB0", ""));
    assert_true(receiver_device_is_ours("/dev/ttyUSB0", "/dev/ttyUSB0"));
    assert_false(receiver_device_is_ours("/dev/ttyUSB0", "/dev/ttyUSB1"));
    assert_false(receiver_device_is_ours("", "/dev/ttyUSB1"));
}

static void device_list(void **state)
{
    (void)state;
    struct gps_data_t *data = calloc(1, sizeof(*data));
    assert_non_null(data);
    assert_false(receiver_list_has_ours(data, NULL));
    data->devices.ndevices = 2;
    strcpy(data->devices.list[0].path, "/dev/a");
    strcpy(data->devices.list[1].path, "/dev/b");
    assert_false(receiver_list_has_ours(data, NULL)); /* none is active */
    data->devices.list[1].activated.tv_sec = 1700000000;
    assert_true(receiver_list_has_ours(data, NULL));
    assert_true(receiver_list_has_ours(data, "/dev/b"));
    assert_false(receiver_list_has_ours(data, "/dev/a"));
    data->devices.ndevices = MAXUSERDEVS + 100; /* more than the list holds */
    assert_false(receiver_list_has_ours(data, "/dev/c"));
    free(data);
}

static void satellites_not_said_is_not_none(void **state)
{
    (void)state;
    struct gps_data_t *data = calloc(1, sizeof(*data));
    assert_non_null(data);
    assert_int_equal(receiver_satellites_used(data), -1);
    data->satellites_visible = 9;
    assert_int_equal(receiver_satellites_used(data), 0);
    data->satellites_used = 7;
    assert_int_equal(receiver_satellites_used(data), 7);
    free(data);
}

static void waits_between_tries(void **state)
{
    (void)state;
    static const uint64_t expected[] = {0,    1000,  2000,  4000,
                                        8000, 15000, 15000, 15000};
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(receiver_wait_ms(i), expected[i]);
    assert_int_equal(receiver_wait_ms(UINT32_MAX), 15000);
}

static void any_fix(void *context, const struct receiver_fix *fix)
{
    (void)context;
    (void)fix;
}

static void any_satellites(void *context, int used)
{
    (void)context;
    (void)used;
}

static void any_state(void *context, bool gpsd_up, bool device_present)
{
    (void)context;
    (void)gpsd_up;
    (void)device_present;
}

static void count_call(void *context)
{
    ++*(int *)context;
}

/* Closed before, while and after it tries; port 1 on loopback is nobody's. */
static void closes_at_any_time(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct receiver_events events = {
        .fix = any_fix, .satellites = any_satellites, .state = any_state};
    for (int turns = 0; turns < 4; turns++) {
        struct receiver *receiver = NULL;
        assert_int_equal(
            receiver_new(&loop, "127.0.0.1", "1", NULL, &events, &receiver),
            PT_OK);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_ONCE);
        int closed = 0;
        receiver_close(receiver, count_call, &closed);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(closed, 1);
    }
    receiver_close(NULL, NULL, NULL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_fix),
        cmocka_unit_test(empty_message),
        cmocka_unit_test(old_position_without_fix),
        cmocka_unit_test(position_without_time),
        cmocka_unit_test(coordinates_missing_or_off_the_globe),
        cmocka_unit_test(two_dimensional_fix),
        cmocka_unit_test(missing_values_have_no_flag),
        cmocka_unit_test(accuracy_from_what_there_is),
        cmocka_unit_test(milliseconds_are_rounded),
        cmocka_unit_test(entry_in_the_units_of_the_wire),
        cmocka_unit_test(entry_says_nothing_without_a_flag),
        cmocka_unit_test(entry_stays_within_the_limits),
        cmocka_unit_test(only_our_device),
        cmocka_unit_test(device_list),
        cmocka_unit_test(satellites_not_said_is_not_none),
        cmocka_unit_test(waits_between_tries),
        cmocka_unit_test(closes_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

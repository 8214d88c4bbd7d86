#include "pace.h"
#include "report.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0_MS INT64_C(1700000000000)

static const struct pace_settings settings = {
    .bound_m = 100.0,
    .bound_assigned_m = 30.0,
    .moving_ms = 10000,
    .parked_ms = 60000,
    .accuracy_max_m = 50.0,
};

static const struct geo_point havana = {23130000, -82380000};

/* `east_m`, `north_m` from a corner in Havana, `s` seconds after T0. */
static struct receiver_fix fix_at(double s, double east_m, double north_m,
                                  double speed_mps, double course_deg)
{
    struct geo_plane plane = geo_plane_at(havana);
    return (struct receiver_fix){
        .mode = RECEIVER_3D,
        .time_ms = T0_MS + (int64_t)(s * 1000.0),
        .at = geo_from_plane(&plane, east_m, north_m),
        .speed_mps = speed_mps,
        .course_deg = course_deg,
        .accuracy_m = 5.0,
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE |
                 PT_FLAG_ACCURACY | PT_FLAG_3D,
    };
}

static bool due(struct pace *pace, struct receiver_fix fix)
{
    return pace_due(pace, &fix);
}

static struct pace fresh(void)
{
    struct pace pace;
    pace_init(&pace, &settings);
    return pace;
}

/* Sent at 0 s while standing. */
static struct pace parked(void)
{
    struct pace pace = fresh();
    assert_true(due(&pace, fix_at(0, 0, 0, 0, 0)));
    return pace;
}

/* Two fast fixes, the second 60 s after the first and so due: sent at 0 s,
 * moving, course 0. */
static struct pace driving(void)
{
    struct pace pace = fresh();
    assert_true(due(&pace, fix_at(-60, 0, -600, 10, 0)));
    assert_true(due(&pace, fix_at(0, 0, 0, 10, 0)));
    assert_int_equal(pace_next_due_ms(&pace), 10000);
    return pace;
}

static void test_first(void **state)
{
    (void)state;
    struct pace pace = fresh();
    assert_int_equal(pace_next_due_ms(&pace), 0);
    struct receiver_fix none = {.mode = RECEIVER_NO_FIX, .time_ms = T0_MS};
    assert_false(due(&pace, none));
    struct receiver_fix vague = fix_at(0, 0, 0, 0, 0);
    vague.accuracy_m = 900;
    assert_true(due(&pace, vague)); /* better than nothing */
    assert_int_equal(pace_next_due_ms(&pace), 60000);
}

static void test_no_place_or_time(void **state)
{
    (void)state;
    struct pace pace = parked();
    struct receiver_fix fix = fix_at(100, 500, 0, 0, 0);
    fix.flags &= (uint8_t)~PT_FLAG_POSITION;
    assert_false(due(&pace, fix));
    fix = fix_at(100, 500, 0, 0, 0);
    fix.mode = RECEIVER_NO_FIX;
    assert_false(due(&pace, fix));
    fix.mode = RECEIVER_2D;
    fix.time_ms = 0; /* absent, not a clock that went back to 1970 */
    assert_false(due(&pace, fix));
}

static void test_two_dimensions_are_enough(void **state)
{
    (void)state;
    struct pace pace = parked();
    struct receiver_fix fix = fix_at(5, 150, 0, 0, 0);
    fix.mode = RECEIVER_2D;
    fix.flags &= (uint8_t)~PT_FLAG_3D;
    assert_true(due(&pace, fix));
    /* From 2D to 3D at the same place is no news. */
    assert_false(due(&pace, fix_at(6, 150, 0, 0, 0)));
}

static void test_bound(void **state)
{
    (void)state;
    struct pace pace = parked();
    /* geo's plane is right to 0.3 %: 99 and 101 m are on either side. */
    assert_false(due(&pace, fix_at(1, 90, 0, 0, 0)));
    assert_false(due(&pace, fix_at(2, 99, 0, 0, 0)));
    assert_true(due(&pace, fix_at(3, 101, 0, 0, 0)));
    assert_false(due(&pace, fix_at(10, 101, 99, 0, 0))); /* from the new one */
    assert_true(due(&pace, fix_at(20, 101, 101, 0, 0)));
}

static void test_assigned(void **state)
{
    (void)state;
    struct pace pace = parked();
    assert_false(due(&pace, fix_at(1, 9, 0, 0, 0)));
    assert_false(due(&pace, fix_at(2, 18, 0, 0, 0)));
    assert_false(due(&pace, fix_at(3, 27, 0, 0, 0)));
    assert_false(due(&pace, fix_at(4, 31, 0, 0, 0)));
    pace_assign(&pace, true);
    assert_true(due(&pace, fix_at(5, 31, 0, 0, 0)));
    pace_assign(&pace, false);
    assert_false(due(&pace, fix_at(6, 31, 35, 0, 0)));
    struct pace_settings closer = settings;
    closer.bound_m = 30.0;
    pace_set(&pace, &closer);
    assert_true(due(&pace, fix_at(7, 31, 35, 0, 0)));
}

/* The gateway is told before it is wrong: 12 m/s faster than believed, the
 * error of 96 m would be 108 m with the next fix. */
static void test_looks_ahead(void **state)
{
    (void)state;
    struct pace pace = driving();
    for (int s = 1; s <= 7; s++)
        assert_false(due(&pace, fix_at(s, 0, 22 * s, 22, 0)));
    assert_true(due(&pace, fix_at(8, 0, 22 * 8, 22, 0)));
    /* Along a straight street at a steady speed only the time is due. */
    for (int s = 9; s <= 17; s++)
        assert_false(due(&pace, fix_at(s, 0, 22 * s, 22, 0)));
    assert_true(due(&pace, fix_at(18, 0, 22 * 18, 22, 0)));
}

/* What the crew did was sent with a place: it is reckoned from that one. */
static void test_sent_by_the_crew(void **state)
{
    (void)state;
    struct pace pace = parked();
    struct receiver_fix fix = fix_at(30, 90, 0, 0, 0);
    pace_sent(&pace, &fix);
    assert_false(due(&pace, fix_at(60, 180, 0, 0, 0)));
    assert_true(due(&pace, fix_at(90, 180, 0, 0, 0)));
    struct receiver_fix none = {.mode = RECEIVER_NO_FIX, .time_ms = T0_MS};
    pace_sent(&pace, &none);
    assert_int_equal(pace.sent.time_ms, T0_MS + 90000);
}

static void test_time_parked(void **state)
{
    (void)state;
    struct pace pace = parked();
    assert_false(due(&pace, fix_at(59.999, 0, 0, 0, 0)));
    assert_true(due(&pace, fix_at(60, 0, 0, 0, 0)));
    assert_int_equal(pace_next_due_ms(&pace), 60000);
}

static void test_time_moving(void **state)
{
    (void)state;
    struct pace pace = driving();
    assert_false(due(&pace, fix_at(9.9, 0, 50, 5, 0)));
    assert_true(due(&pace, fix_at(10, 0, 51, 5, 0)));
    /* It stops: the promise of the last report (10 s) is kept once, and the
     * fix that keeps it promises 60 s. */
    assert_false(due(&pace, fix_at(15, 0, 60, 0, 0)));
    assert_true(due(&pace, fix_at(20, 0, 60, 0, 0)));
    assert_int_equal(pace_next_due_ms(&pace), 60000);
    assert_false(due(&pace, fix_at(79, 0, 60, 0, 0)));
    assert_true(due(&pace, fix_at(80, 0, 60, 0, 0)));
}

static void test_sets_off(void **state)
{
    (void)state;
    struct pace pace = parked();
    /* Slowly, so that the bound does not do it: 30 s after the last sent the
     * second fast fix finds the 10 s of moving long over. */
    assert_false(due(&pace, fix_at(29, 0, 0, 0.5, 0)));
    assert_false(due(&pace, fix_at(30, 0, 1, 1.6, 0)));
    assert_true(due(&pace, fix_at(31, 0, 3, 1.6, 0)));
    assert_int_equal(pace_next_due_ms(&pace), 10000);
}

/* Round the corner at 20 m/s: believed 20 s north, in truth 20 s east, the
 * error grows by 28 m a second. */
static void test_turn(void **state)
{
    (void)state;
    struct pace pace = fresh();
    assert_true(due(&pace, fix_at(-60, 0, -1200, 20, 0)));
    assert_true(due(&pace, fix_at(0, 0, 0, 20, 0)));
    assert_false(due(&pace, fix_at(1, 20, 0, 20, 90)));
    assert_false(due(&pace, fix_at(2, 40, 0, 20, 90)));
    assert_true(due(&pace, fix_at(3, 60, 0, 20, 90)));
    assert_false(due(&pace, fix_at(4, 80, 0, 20, 90)));
}

/* A receiver that stands still: speeds of 8 m/s for one fix, courses all
 * over. One minute gives nothing but the minute's report. */
static void test_spikes_while_standing(void **state)
{
    (void)state;
    struct pace pace = parked();
    unsigned seed = 3;
    for (int s = 1; s < 60; s++) {
        double speed = s % 7 == 0 ? 8.0 : 0.2;
        double course = rand_r(&seed) % 360;
        double east = rand_r(&seed) % 10;
        assert_false(due(&pace, fix_at(s, east, 0, speed, course)));
    }
    assert_true(due(&pace, fix_at(60, 0, 0, 0.1, 0)));
}

static void test_vague(void **state)
{
    (void)state;
    struct pace pace = parked();
    struct receiver_fix fix = fix_at(30, 400, 0, 0, 0);
    fix.accuracy_m = 51;
    assert_false(due(&pace, fix));
    fix.time_ms = T0_MS + 60000;
    assert_true(due(&pace, fix)); /* due by time */
    fix = fix_at(70, 0, 0, 0, 0);
    fix.accuracy_m = 50; /* not worse than the limit */
    assert_true(due(&pace, fix));
}

/* A standing receiver wanders as far as it says that it may, and leaps: by
 * 150 m for a single fix. */
static void test_wanders_while_standing(void **state)
{
    (void)state;
    struct pace pace = parked();
    pace_assign(&pace, true);
    unsigned seed = 5;
    double east = 0;
    for (int s = 1; s < 60; s++) {
        east += rand_r(&seed) % 9 - 4.0;
        struct receiver_fix fix =
            fix_at(s, s % 20 == 0 ? 150.0 : east, 0, 0.2, 0);
        fix.accuracy_m = 45.0;
        assert_false(due(&pace, fix));
    }
    assert_false(due(&pace, fix_at(59.5, east, 0, 0, 0)));
    /* Moved on a trailer, it stays there: the second fix is believed. */
    assert_false(due(&pace, fix_at(59.7, 150, 0, 0, 0)));
    assert_true(due(&pace, fix_at(59.9, 150, 0, 0, 0)));
}

/* A spike with the report that is due by time would send the gateway off. */
static void test_spike_when_due(void **state)
{
    (void)state;
    struct pace pace = parked();
    assert_false(due(&pace, fix_at(59, 0, 0, 0, 0)));
    assert_false(due(&pace, fix_at(60, 0, 0, 30, 77)));
    assert_true(due(&pace, fix_at(61, 0, 0, 0, 0)));
    assert_false(reckon_moves(&pace.sent));
}

static void test_clock(void **state)
{
    (void)state;
    struct pace pace = parked();
    assert_false(due(&pace, fix_at(0, 500, 0, 0, 0)));  /* repeats itself */
    assert_false(due(&pace, fix_at(-5, 500, 0, 0, 0))); /* out of order */
    assert_false(due(&pace, fix_at(-60, 500, 0, 0, 0)));
    assert_true(due(&pace, fix_at(-61, 500, 0, 0, 0))); /* was ahead */
    assert_false(due(&pace, fix_at(-60, 500, 0, 0, 0)));
    assert_true(due(&pace, fix_at(86400, 500, 0, 0, 0))); /* jumps ahead */
}

static void test_without_speed(void **state)
{
    (void)state;
    struct pace pace = parked();
    struct receiver_fix fix;
    /* 2 m/s from the last sent, twice in a row: moving, and 10 s are over. */
    for (int s = 10; s <= 11; s++) {
        fix = fix_at(s, 2 * s, 0, 0, 0);
        fix.flags &= (uint8_t) ~(PT_FLAG_SPEED | PT_FLAG_COURSE);
        assert_int_equal(due(&pace, fix), s == 11);
    }
    /* Half a metre a second: parked. */
    for (int s = 12; s <= 20; s++) {
        fix = fix_at(s, 22 + (s - 11) * 0.5, 0, 0, 0);
        fix.flags &= (uint8_t) ~(PT_FLAG_SPEED | PT_FLAG_COURSE);
        assert_false(due(&pace, fix));
    }
}

/* ---- replay over drives that a generator makes ---- */

struct drive {
    unsigned seed;
    double east_m, north_m, speed_mps, course_deg;
    int left_s; /* of what the vehicle is doing */
    double goal_mps, turn_dps;
};

static double below(struct drive *drive, int n)
{
    return rand_r(&drive->seed) % n;
}

/* One second: stands, goes straight or turns, for some seconds each. */
static void drive_on(struct drive *drive)
{
    if (drive->left_s-- <= 0) {
        drive->left_s = 3 + (int)below(drive, 60);
        drive->goal_mps = below(drive, 3) == 0.0 ? 0.0 : 3 + below(drive, 20);
        drive->turn_dps = below(drive, 3) == 0.0 ? below(drive, 31) - 15 : 0.0;
    }
    double change = drive->goal_mps - drive->speed_mps;
    drive->speed_mps += fmin(fmax(change, -3.0), 2.0);
    if (drive->speed_mps > 0)
        drive->course_deg =
            fmod(drive->course_deg + drive->turn_dps + 360.0, 360.0);
    double radians = drive->course_deg * 3.14159265358979 / 180.0;
    drive->east_m += drive->speed_mps * sin(radians);
    drive->north_m += drive->speed_mps * cos(radians);
}

/* At 1 Hz the gateway is never wrong by more than the bound but for what a
 * vehicle can do within a second that nobody foresees (it begins to brake or
 * to turn), nor told later than promised. */
static void replay(unsigned seed)
{
    struct drive drive = {.seed = seed};
    struct pace pace = fresh();
    int sent = 0;
    for (int s = 0; s < 3600; s++) {
        drive_on(&drive);
        struct receiver_fix fix = fix_at(s, drive.east_m, drive.north_m,
                                         drive.speed_mps, drive.course_deg);
        if (s > 0) {
            struct geo_point believed = reckon_at(&pace.sent, fix.time_ms);
            /* 3 m/s less and 23 m/s turned by 15 degrees are 7 m; and as
             * the generator's speed is that of the second gone by, half of
             * the change before is not foreseen either. */
            assert_true(geo_distance_m(believed, fix.at) < 100.0 + 10.5);
        }
        sent += pace_due(&pace, &fix);
        /* A doubtful fix makes it one fix later. */
        assert_true(fix.time_ms - pace.sent.time_ms <
                    pace_next_due_ms(&pace) + 1000);
    }
    /* Each 10 s while it moves; and a drive of 23 m/s that turns by 15
     * degrees a second stays within 100 m of a straight line for 5 s. */
    assert_true(sent > 60 && sent < 3600 / 5);
}

static void test_replay_drives(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++)
        replay(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_no_place_or_time),
        cmocka_unit_test(test_two_dimensions_are_enough),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_assigned),
        cmocka_unit_test(test_looks_ahead),
        cmocka_unit_test(test_sent_by_the_crew),
        cmocka_unit_test(test_time_parked),
        cmocka_unit_test(test_time_moving),
        cmocka_unit_test(test_sets_off),
        cmocka_unit_test(test_turn),
        cmocka_unit_test(test_spikes_while_standing),
        cmocka_unit_test(test_vague),
        cmocka_unit_test(test_wanders_while_standing),
        cmocka_unit_test(test_spike_when_due),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_without_speed),
        cmocka_unit_test(test_replay_drives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

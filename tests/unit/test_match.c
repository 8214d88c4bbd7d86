/* match: on small drawn networks where anybody can say which street a car was
 * on. Places are metres east and north of a corner in Havana. */
#include "fail_alloc.h"
#include "match.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_EDGES 64
#define MAX_FIXES 400

struct town {
    size_t edges;
    struct roads_edge_row rows[MAX_EDGES];
    struct geo_point points[MAX_EDGES][2];
};

static struct geo_point at(double east_m, double north_m)
{
    struct geo_plane plane =
        geo_plane_at((struct geo_point){23130000, -82380000});
    return geo_from_plane(&plane, east_m, north_m);
}

/* A straight street between two junctions; their numbers are the caller's. */
static uint32_t street(struct town *t, int64_t from, const double a[2],
                       int64_t to, const double b[2], bool oneway)
{
    size_t e = t->edges++;
    t->points[e][0] = at(a[0], a[1]);
    t->points[e][1] = at(b[0], b[1]);
    double length_m = hypot(b[0] - a[0], b[1] - a[1]);
    t->rows[e] = (struct roads_edge_row){
        .way_id = 1,
        .source = from,
        .target = to,
        .forward_ms = (uint32_t)(length_m * 72),
        .backward_ms = oneway ? 0 : (uint32_t)(length_m * 72),
        .length_m = (float)length_m,
        .point_count = 2,
        .points = t->points[e]};
    return (uint32_t)(2 * e);
}

static struct match *matcher(const struct town *t)
{
    struct roads *roads = NULL;
    struct match *match = NULL;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = t->rows,
                                                    .edge_count = t->edges},
                               &roads),
                     PT_OK);
    assert_int_equal(match_new(roads, &match_defaults, &match), PT_OK);
    roads_unref(roads);
    return match;
}

static struct match_fix fix(double t_s, double east_m, double north_m)
{
    return (struct match_fix){.time_ms = (int64_t)(t_s * 1000),
                              .at = at(east_m, north_m),
                              .accuracy_m = -1,
                              .course_deg = -1,
                              .speed_mps = -1};
}

/* One road goes over the other: they cross without a junction. */
static void stays_on_the_bridge(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t east =
        street(&t, 1, (double[]){-300, 0}, 2, (double[]){300, 0}, false);
    (void)street(&t, 3, (double[]){0, -300}, 4, (double[]){0, 300}, false);
    struct match *match = matcher(&t);
    struct match_track track = {0};
    struct match_place place;
    for (int i = 0; i <= 40; i++) {
        /* 6 m beside the road: in the middle the one below is nearer. */
        struct match_fix f = fix(i, -200 + 10 * i, 6);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
        if (i >= 2) {
            assert_int_equal(place.directed, east);
            assert_true(fabs(place.travelled * 600 - (100 + 10 * i)) < 1);
            assert_true(fabs(place.distance_m - 6) < 0.5);
        }
    }
    match_free(match);
}

/* Two carriageways 20 m apart; the receiver is 14 m off, towards the wrong
 * one. */
static void keeps_to_its_carriageway(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t east =
        street(&t, 1, (double[]){0, 0}, 2, (double[]){800, 0}, true);
    uint32_t west =
        street(&t, 3, (double[]){800, 20}, 4, (double[]){0, 20}, true);
    struct match *match = matcher(&t);
    for (int way = 0; way < 2; way++) {
        struct match_track track = {0};
        struct match_place place = {.directed = ROADS_NONE};
        for (int i = 0; i < 30; i++) {
            double along = way == 0 ? 50 + 20 * i : 750 - 20 * i;
            struct match_fix f = fix(i, along, way == 0 ? 14 : 6);
            assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
        }
        assert_int_equal(place.directed, way == 0 ? east : west);
    }
    /* With a course it is right from the first fix. */
    struct match_track track = {0};
    struct match_place place;
    struct match_fix f = fix(0, 400, 14);
    f.course_deg = 91;
    f.speed_mps = 15;
    assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
    assert_int_equal(place.directed, east);
    match_free(match);
}

static void goes_round_a_roundabout(void **state)
{
    (void)state;
    enum { ARMS = 8 };
    struct town t = {0};
    uint32_t ring[ARMS];
    double corner[ARMS][2];
    for (int i = 0; i < ARMS; i++) { /* counter-clockwise, 30 m */
        corner[i][0] = 30 * cos(i * 2 * M_PI / ARMS);
        corner[i][1] = 30 * sin(i * 2 * M_PI / ARMS);
    }
    for (int i = 0; i < ARMS; i++)
        ring[i] = street(&t, i + 1, corner[i], (i + 1) % ARMS + 1,
                         corner[(i + 1) % ARMS], true);
    /* In from the south, out to the west: three quarters of the ring. */
    uint32_t in =
        street(&t, 50, (double[]){0, -300}, 7, (double[]){0, -30}, false);
    uint32_t out =
        street(&t, 5, (double[]){-30, 0}, 51, (double[]){-300, 0}, false);
    struct match *match = matcher(&t);
    struct match_fix fixes[MAX_FIXES];
    size_t count = 0;
    for (int i = 0; i < 20; i++, count++)
        fixes[count] = fix((double)count, 3, -230 + 10 * i);
    for (int i = 0; i < 14; i++, count++) { /* from -90 to 180 degrees */
        double angle = (-90 + i * 270.0 / 14) * M_PI / 180;
        fixes[count] = fix((double)count, 33 * cos(angle), 33 * sin(angle));
    }
    for (int i = 0; i < 20; i++, count++)
        fixes[count] = fix((double)count, -35 - 10 * i, -3);
    struct match_drive drive;
    assert_int_equal(match_drive(match, fixes, count, &drive), PT_OK);
    assert_int_equal(drive.piece_count, 1);
    uint32_t expected[] = {in,      ring[6], ring[7], ring[0],
                           ring[1], ring[2], ring[3], out};
    assert_int_equal(drive.edge_count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(drive.edges[i], expected[i]);
    match_drive_clear(&drive);
    match_free(match);
}

/* Ten by ten metres of noise for ten minutes do not turn a car round. */
static void a_standing_car_keeps_its_way(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t east =
        street(&t, 1, (double[]){0, 0}, 2, (double[]){1000, 0}, false);
    struct match *match = matcher(&t);
    struct match_track track = {0};
    struct match_place place;
    for (int i = 0; i < 20; i++) {
        struct match_fix f = fix(i, 20 * i, 2);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
    }
    uint32_t noise = 12345;
    for (int i = 20; i < 620; i++) {
        noise = noise * 1664525u + 1013904223u; /* Numerical Recipes */
        double x = (noise >> 24) / 25.5 - 5, y = (noise >> 16 & 255) / 25.5 - 5;
        struct match_fix f = fix(i, 380 + x, 2 + y);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
        assert_int_equal(place.directed, east);
    }
    /* A real change of mind is believed. */
    for (int i = 0; i < 20; i++) {
        struct match_fix f = fix(620 + i, 380 - 15 * i, 2);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
    }
    assert_int_equal(place.directed, roads_reverse(east));
    match_free(match);
}

static void begins_anew_after_a_gap(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t here =
        street(&t, 1, (double[]){0, 0}, 2, (double[]){500, 0}, false);
    uint32_t far =
        street(&t, 3, (double[]){0, 9000}, 4, (double[]){500, 9000}, true);
    struct match *match = matcher(&t);
    struct match_fix fixes[] = {fix(0, 50, 3),       fix(5, 150, 3),
                                fix(10, 250, 3),     fix(900, 100, 9003),
                                fix(905, 200, 9003), fix(910, 300, 9003)};
    struct match_track track = {0};
    struct match_place place;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(match_follow(match, &track, &fixes[i], &place), PT_OK);
        assert_int_equal(place.directed / 2, (i < 3 ? here : far) / 2);
    }
    struct match_drive drive;
    assert_int_equal(match_drive(match, fixes, 6, &drive), PT_OK);
    assert_int_equal(drive.piece_count, 2);
    assert_int_equal(drive.edge_count, 2);
    assert_int_equal(drive.edges[0], here);
    assert_int_equal(drive.edges[1], far);
    assert_int_equal(drive.pieces[1].first_edge, 1);
    assert_int_equal(drive.pieces[1].first_fix, 3);
    assert_int_equal(drive.pieces[1].last_fix, 5);
    match_drive_clear(&drive);
    match_free(match);
}

/* A single fix that nobody can have driven to is left out. */
static void leaves_strays_out(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t a = street(&t, 1, (double[]){0, 0}, 2, (double[]){300, 0}, true);
    uint32_t b = street(&t, 2, (double[]){300, 0}, 3, (double[]){600, 0}, true);
    (void)street(&t, 4, (double[]){0, 2000}, 5, (double[]){600, 2000}, true);
    struct match *match = matcher(&t);
    struct match_fix fixes[MAX_FIXES];
    for (int i = 0; i < 25; i++)
        fixes[i] = i == 12 ? fix(i, 250, 2001) : fix(i, 20 + 20 * i, 4);
    struct match_drive drive;
    assert_int_equal(match_drive(match, fixes, 25, &drive), PT_OK);
    assert_int_equal(drive.piece_count, 1);
    assert_int_equal(drive.edge_count, 2);
    assert_int_equal(drive.edges[0], a);
    assert_int_equal(drive.edges[1], b);
    assert_int_equal(drive.places[12].directed, ROADS_NONE);
    assert_int_equal(drive.places[11].directed, a);
    match_drive_clear(&drive);
    match_free(match);
}

static void says_when_there_is_no_street(void **state)
{
    (void)state;
    struct town t = {0};
    (void)street(&t, 1, (double[]){0, 0}, 2, (double[]){300, 0}, true);
    struct match *match = matcher(&t);
    struct match_track track = {0};
    struct match_place place = {.directed = 77};
    struct match_fix away = fix(0, 0, 5000);
    assert_int_equal(match_follow(match, &track, &away, &place), PT_E_OFFROAD);
    assert_int_equal(place.directed, 77);
    struct match_drive drive;
    assert_int_equal(match_drive(match, &away, 1, &drive), PT_OK);
    assert_int_equal(drive.piece_count, 0);
    assert_int_equal(drive.edge_count, 0);
    match_drive_clear(&drive);
    assert_int_equal(match_drive(match, NULL, 0, &drive), PT_OK);
    match_drive_clear(&drive);
    assert_int_equal(match_drive(match, NULL, MATCH_FIXES_MAX + 1, &drive),
                     PT_E_RANGE);
    match_free(match);
    match_free(NULL);
}

/* Late fixes are placed, but change nothing. */
static void late_fixes_change_no_belief(void **state)
{
    (void)state;
    struct town t = {0};
    uint32_t east =
        street(&t, 1, (double[]){0, 0}, 2, (double[]){1000, 0}, false);
    struct match *match = matcher(&t);
    struct match_track track = {0};
    struct match_place place;
    for (int i = 0; i < 20; i++) {
        struct match_fix f = fix(i, 20 * i, 2);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
    }
    for (int i = 18; i > 2; i--) { /* the drive again, backwards */
        struct match_fix f = fix(i, 20 * i, 2);
        assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
        assert_true(place.distance_m < 2.1);
    }
    struct match_fix f = fix(20, 400, 2);
    assert_int_equal(match_follow(match, &track, &f, &place), PT_OK);
    assert_int_equal(place.directed, east);
    match_free(match);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct town t = {0};
    (void)street(&t, 1, (double[]){0, 0}, 2, (double[]){300, 0}, false);
    (void)street(&t, 2, (double[]){300, 0}, 3, (double[]){600, 0}, false);
    struct match_fix fixes[20];
    for (int i = 0; i < 20; i++)
        fixes[i] = fix(i, 20 + 25 * i, 4);
    struct roads *roads = NULL;
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = t.rows, .edge_count = t.edges},
                  &roads),
        PT_OK);
    enum pt_err err = PT_E_NOMEM;
    size_t fail;
    for (fail = 0; err == PT_E_NOMEM && fail < 100; fail++) {
        struct match *match = NULL;
        struct match_drive drive;
        fail_alloc_after(fail);
        err = match_new(roads, &match_defaults, &match);
        if (err == PT_OK)
            err = match_drive(match, fixes, 20, &drive);
        fail_alloc_never();
        if (err == PT_OK)
            match_drive_clear(&drive);
        match_free(match);
    }
    assert_int_equal(err, PT_OK);
    assert_true(fail > 6); /* it did fail here and there */
    roads_unref(roads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_on_the_bridge),
        cmocka_unit_test(keeps_to_its_carriageway),
        cmocka_unit_test(goes_round_a_roundabout),
        cmocka_unit_test(a_standing_car_keeps_its_way),
        cmocka_unit_test(begins_anew_after_a_gap),
        cmocka_unit_test(leaves_strays_out),
        cmocka_unit_test(says_when_there_is_no_street),
        cmocka_unit_test(late_fixes_change_no_belief),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

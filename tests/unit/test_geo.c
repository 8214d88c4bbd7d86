/* Expected values are PROJ 9.1.1's (Karney's geodesics on WGS84). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "geo.h"

#include <math.h>

#define CHECK_NEAR(is, expected, within)                                \
    do {                                                                \
        double is_ = (is), expected_ = (expected), within_ = (within);  \
        if (!(fabs(is_ - expected_) <= within_))                        \
            fail_msg("%s is %.9g, expected %.9g within %.3g", #is, is_, \
                     expected_, within_);                               \
    } while (0)

static struct geo_point at(double lat_deg, double lon_deg)
{
    return geo_from_deg(lat_deg, lon_deg);
}

/* echo "A_LAT A_LON B_LAT B_LON" | geod -I +ellps=WGS84 -f %.4f -F %.3f
 * gives course there (360 added below 0), course back, metres. */
static const struct {
    double a_lat, a_lon, b_lat, b_lon;
    double course_deg, distance_m;
    double course_within_deg; /* geo.h: by plane in proportion, or sphere */
} pairs[] = {
    /* Havana, across a street's length, the city, the province */
    {23.133, -82.383, 23.1375, -82.379, 39.4216, 645.134, 0.01},
    {23.133, -82.383, 23.1099, -82.4412, 246.7859, 6487.182, 0.05},
    {23.133, -82.383, 23.4, -82.1, 44.3441, 41386.551, 0.4},
    /* equator, south, middle latitudes, north */
    {0, 0, 0.1, 0.1, 45.1924, 15690.343, 0.1},
    {-33.9, 18.4, -33.95, 18.3, 239.0170, 10782.305, 0.1},
    {45, 7, 45.01, 7.01, 35.3494, 1362.572, 0.02},
    {60.17, 24.94, 60.3, 25.6, 68.1051, 39330.415, 0.4},
    /* across the 180th meridian, both ways */
    {16.8, 179.99, 16.85, -179.97, 37.6079, 6985.303, 0.1},
    {-16.8, -179.9, -16.7, 179.9, 297.3981, 24025.713, 0.2},
    /* Svalbard; about the north pole; over the south pole */
    {78.22, 15.65, 78.3, 15.4, 327.6650, 10585.275, 0.3},
    {89.5, 10, 89.6, -100, 329.4479, 82593.467, 0.3},
    {-89.9, 0, -89.9, 180, 180.0000, 22338.796, 0.3},
    /* Havana to Madrid, Moscow to Sydney */
    {23.133, -82.383, 40.4168, -3.7038, 54.2961, 7452945.762, 0.3},
    {55.75, 37.62, -33.87, 151.21, 92.7333, 14484060.347, 0.3},
};

static void test_distance_and_course(void **context)
{
    (void)context;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct geo_point a = at(pairs[i].a_lat, pairs[i].a_lon);
        struct geo_point b = at(pairs[i].b_lat, pairs[i].b_lon);
        double expected = pairs[i].distance_m;
        bool plane = expected <= 50000 && fabs(pairs[i].a_lat) < 84;
        double within = expected * (plane ? 0.0004 : 0.0057);

        CHECK_NEAR(geo_distance_m(a, b), expected, within);
        CHECK_NEAR(geo_distance_m(b, a), expected, within);
        CHECK_NEAR(geo_course_difference_deg(geo_course_deg(a, b),
                                             pairs[i].course_deg),
                   0, pairs[i].course_within_deg);
    }
}

/* The plane at one end instead of in the middle: 0.3 % up to 50 km within
 * +-60 degrees (above, 60.3 is the northernmost that claims it). */
static void test_plane(void **context)
{
    (void)context;
    for (size_t i = 0; i < 9; i++) {
        struct geo_plane plane =
            geo_plane_at(at(pairs[i].a_lat, pairs[i].a_lon));
        double east_m, north_m;
        geo_to_plane(&plane, at(pairs[i].b_lat, pairs[i].b_lon), &east_m,
                     &north_m);
        CHECK_NEAR(hypot(east_m, north_m), pairs[i].distance_m,
                   0.003 * pairs[i].distance_m);
        assert_true((sin(pairs[i].course_deg * M_PI / 180) > 0) ==
                    (east_m > 0));
        assert_true((cos(pairs[i].course_deg * M_PI / 180) > 0) ==
                    (north_m > 0));
    }
}

/* What goes into a plane comes out again, to the millionth. */
static void test_plane_and_back(void **context)
{
    (void)context;
    for (double lat = -80; lat <= 80; lat += 7.5) {
        for (double lon = -179.95; lon <= 180; lon += 44.9875) {
            struct geo_plane plane = geo_plane_at(at(lat, lon));
            for (int i = 0; i < 16; i++) {
                struct geo_point p =
                    geo_ahead(plane.centre, 22.5 * i, 3000.0 * i);
                double east_m, north_m;
                struct geo_point q;
                geo_to_plane(&plane, p, &east_m, &north_m);
                q = geo_from_plane(&plane, east_m, north_m);
                assert_true(geo_valid(p));
                assert_int_equal(q.lat_e6, p.lat_e6);
                assert_int_equal(q.lon_e6, p.lon_e6);
            }
        }
    }
}

/* echo "LAT LON COURSE METRES" | geod +ellps=WGS84 -f %.6f */
static void test_ahead(void **context)
{
    static const struct {
        double lat, lon, course_deg, distance_m;
        double to_lat, to_lon;
    } legs[] = {
        {23.133, -82.383, 0, 1000, 23.142030, -82.383000},
        {23.133, -82.383, 90, 1000, 23.133000, -82.373236},
        {23.133, -82.383, 225, 10000, 23.069135, -82.452006},
        {60.17, 24.94, 60, 5000, 60.192416, 25.018055},
        {-16.8, 179.99, 90, 3000, -16.799998, -179.981857},
        {0, 0, 270, 50000, 0.000000, -0.449158},
    };

    (void)context;
    for (size_t i = 0; i < sizeof legs / sizeof legs[0]; i++) {
        struct geo_point p = geo_ahead(at(legs[i].lat, legs[i].lon),
                                       legs[i].course_deg, legs[i].distance_m);
        /* 0.06 % up to 10 km, sideways as well as along; and rounding. */
        CHECK_NEAR(geo_distance_m(p, at(legs[i].to_lat, legs[i].to_lon)), 0,
                   0.001 * legs[i].distance_m + 0.2);
    }
}

static void test_same_point(void **context)
{
    struct geo_point p = at(23.133, -82.383);

    (void)context;
    assert_true(geo_distance_m(p, p) == 0);
    assert_true(geo_course_deg(p, p) == 0);
    /* Both are the antimeridian. */
    CHECK_NEAR(geo_distance_m(at(10, 180), at(10, -180)), 0, 0.01);
}

static void test_courses(void **context)
{
    struct geo_point p = at(23, -82);

    (void)context;
    CHECK_NEAR(geo_course_deg(p, at(23.01, -82)), 0, 1e-9);
    CHECK_NEAR(geo_course_deg(p, at(23, -81.99)), 90, 1e-9);
    CHECK_NEAR(geo_course_deg(p, at(22.99, -82)), 180, 1e-9);
    CHECK_NEAR(geo_course_deg(p, at(23, -82.01)), 270, 1e-9);
    CHECK_NEAR(geo_course_difference_deg(350, 10), 20, 1e-9);
    CHECK_NEAR(geo_course_difference_deg(10, 350), 20, 1e-9);
    CHECK_NEAR(geo_course_difference_deg(0, 180), 180, 1e-9);
    CHECK_NEAR(geo_course_difference_deg(725, 0), 5, 1e-9);
}

static void test_degrees(void **context)
{
    struct geo_point p = at(-23.1330005, 82.3830005);

    (void)context;
    assert_int_equal(p.lat_e6, -23133001); /* half away from zero */
    assert_int_equal(p.lon_e6, 82383001);
    CHECK_NEAR(geo_lat_deg(p), -23.133001, 1e-12);
    CHECK_NEAR(geo_lon_deg(p), 82.383001, 1e-12);
}

static void test_valid(void **context)
{
    (void)context;
    assert_true(geo_deg_valid(90, -180));
    assert_true(geo_deg_valid(-90, 180));
    assert_false(geo_deg_valid(90.0000001, 0));
    assert_false(geo_deg_valid(0, -180.0000001));
    assert_false(geo_deg_valid((double)NAN, 0));
    assert_false(geo_deg_valid(0, (double)NAN));
    assert_false(geo_deg_valid((double)INFINITY, 0));
    assert_true(geo_valid((struct geo_point){90000000, -180000000}));
    assert_false(geo_valid((struct geo_point){90000001, 0}));
    assert_false(geo_valid((struct geo_point){-90000001, 0}));
    assert_false(geo_valid((struct geo_point){0, 180000001}));
    assert_false(geo_valid((struct geo_point){0, INT32_MIN}));
}

/* Nonsense in is a number out, and no undefined conversion on the way (the
 * sanitizer build watches). */
static void test_off_the_globe(void **context)
{
    static const int32_t extremes[] = {INT32_MIN, -90000000, 0, 90000000,
                                       INT32_MAX};

    (void)context;
    for (size_t i = 0; i < 25; i++) {
        struct geo_point p = {extremes[i / 5], extremes[i % 5]};
        for (size_t j = 0; j < 25; j++) {
            struct geo_point q = {extremes[j / 5], extremes[j % 5]};
            double course_deg = geo_course_deg(p, q);
            assert_true(isfinite(geo_distance_m(p, q)));
            assert_true(course_deg >= 0 && course_deg < 360);
        }
        assert_true(geo_valid(geo_ahead(p, 45, 1e9)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_and_course),
        cmocka_unit_test(test_plane),
        cmocka_unit_test(test_plane_and_back),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_same_point),
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_degrees),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_off_the_globe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

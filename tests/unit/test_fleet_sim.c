/* The parts of fleet-sim that others' trust rests on: the outbox in memory,
 * repeatable chance, drives, NMEA. */
#include "sim.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- chance ------------------------------------------------------------- */

/* Rosetta Code, "Pseudo-random numbers/Splitmix64": the first five for the
 * seed 1234567. */
static void random_is_splitmix64(void **state)
{
    (void)state;
    struct rng rng = {.state = 1234567};
    assert_true(rng_next(&rng) == UINT64_C(6457827717110365317));
    assert_true(rng_next(&rng) == UINT64_C(3203168211198807973));
    assert_true(rng_next(&rng) == UINT64_C(9817491932198370423));
    assert_true(rng_next(&rng) == UINT64_C(4593380528125082431));
    assert_true(rng_next(&rng) == UINT64_C(16408922859458223821));
}

/* Bounds of five standard errors: chance breaks them once in two million. */
static void draws_have_the_stated_moments(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct rng rng;
    double sum = 0.0;
    double squares = 0.0;
    double waits = 0.0;
    rng_init(&rng, 42, 1);
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&rng);
        sum += x;
        squares += x * x;
        waits += rng_exponential(&rng, 3.0);
        double share = rng_share(&rng);
        assert_true(share >= 0.0 && share < 1.0);
        assert_true(rng_below(&rng, 7) < 7);
    }
    assert_true(fabs(sum / N) < 5.0 / sqrt(N));
    assert_true(fabs(squares / N - 1.0) < 5.0 * sqrt(2.0 / N));
    assert_true(fabs(waits / N - 3.0) < 5.0 * 3.0 / sqrt(N));
}

/* --- outbox -----------------------------------------------------------------
 */

#define NUMBERS 4000

/* What the box holds, kept the simple way. */
struct naive {
    bool held[NUMBERS + 1];
    uint64_t highest;
};

static size_t naive_held(const struct naive *naive)
{
    size_t count = 0;
    for (uint64_t seq = 1; seq <= naive->highest; seq++)
        count += naive->held[seq];
    return count;
}

static uint64_t naive_lowest(const struct naive *naive)
{
    uint64_t seq = 1;
    while (seq <= naive->highest && !naive->held[seq])
        seq++;
    return seq;
}

static void put(struct box *box, struct naive *naive, size_t max)
{
    struct pt_entry entry = {.time_ms = (int64_t)naive->highest + 1000};
    uint64_t seq = 0;
    assert_int_equal(box_put(box, &entry, max, &seq), PT_OK);
    assert_int_equal(seq, ++naive->highest);
    naive->held[seq] = true;
}

static void forget(struct box *box, struct naive *naive, struct rng *rng)
{
    struct pt_receipt receipt = {
        .generation = 1, .stored_to = rng_below(rng, naive->highest + 1)};
    uint64_t first = receipt.stored_to + 2 + rng_below(rng, 20);
    uint64_t last = first + rng_below(rng, 10);
    size_t expected = 0;
    size_t count = 0;
    if (last <= naive->highest) {
        receipt.range_count = 1;
        receipt.ranges[0] = (struct pt_range){first, last};
    }
    for (uint64_t seq = 1; seq <= naive->highest; seq++) {
        bool named = seq <= receipt.stored_to ||
                     (receipt.range_count == 1 && seq >= first && seq <= last);
        expected += named && naive->held[seq];
        naive->held[seq] = naive->held[seq] && !named;
    }
    assert_int_equal(box_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, expected);
}

static void compare(const struct box *box, const struct naive *naive)
{
    static struct pt_entry entries[NUMBERS];
    assert_int_equal(box->held, naive_held(naive));
    assert_int_equal(box_lowest(box), naive_lowest(naive));
    assert_int_equal(box_highest(box), naive->highest);
    size_t count = box_read(box, 1, UINT64_MAX, NUMBERS, entries);
    assert_int_equal(count, box->held);
    for (size_t i = 0; i < count; i++) {
        assert_true(naive->held[entries[i].seq]);
        assert_int_equal(entries[i].time_ms, entries[i].seq + 999);
        assert_true(i == 0 || entries[i].seq > entries[i - 1].seq);
    }
}

static void outbox_is_as_a_naive_one(void **state)
{
    (void)state;
    static struct naive naive;
    struct box box;
    struct rng rng;
    rng_init(&rng, 3, 0);
    box_init(&box);
    while (naive.highest < NUMBERS) {
        size_t puts = 1 + rng_below(&rng, 100);
        for (size_t i = 0; i < puts && naive.highest < NUMBERS; i++)
            put(&box, &naive, NUMBERS);
        if (rng_share(&rng) < 0.7)
            forget(&box, &naive, &rng);
        compare(&box, &naive);
    }
    assert_int_equal(box.dropped, 0);
    box_clear(&box);
}

static void full_outbox_drops_the_oldest(void **state)
{
    (void)state;
    struct box box;
    struct pt_entry entry = {.time_ms = 1};
    struct pt_entry read[4];
    uint64_t seq = 0;
    box_init(&box);
    for (int i = 0; i < 25; i++)
        assert_int_equal(box_put(&box, &entry, 10, &seq), PT_OK);
    assert_int_equal(box.dropped, 15);
    assert_int_equal(box.held, 10);
    assert_int_equal(box_lowest(&box), 16);
    assert_int_equal(box_read(&box, 1, 17, 4, read), 2);
    assert_int_equal(read[0].seq, 16);
    assert_false(box_note_sent(&box, 16));
    assert_true(box_note_sent(&box, 16));
    assert_false(box_note_sent(&box, 15)); /* gone */
    box_clear(&box);
}

static void receipt_for_the_future_is_refused(void **state)
{
    (void)state;
    struct box box;
    struct pt_entry entry = {.time_ms = 1};
    uint64_t seq = 0;
    size_t count = 77;
    box_init(&box);
    assert_int_equal(box_put(&box, &entry, 10, &seq), PT_OK);
    struct pt_receipt receipt = {.generation = 1, .stored_to = 2};
    assert_int_equal(box_forget(&box, &receipt, &count), PT_E_RANGE);
    receipt = (struct pt_receipt){
        .generation = 1, .range_count = 1, .ranges = {{2, 3}}};
    assert_int_equal(box_forget(&box, &receipt, &count), PT_E_RANGE);
    assert_int_equal(count, 77);
    assert_int_equal(box.held, 1);
    box_clear(&box);
}

/* --- drives ------------------------------------------------------------------
 */

/* 0.009 degree of latitude at 23 north are 996.7 m, 0.0097 of longitude
 * 994.4 m:
 *   echo "23 -82 23.009 -82" | geod -I +ellps=WGS84 -F %.1f
 *   echo "23.009 -82 23.009 -81.9903" | geod -I +ellps=WGS84 -F %.1f
 * Both at 15 m/s, with a right angle between them. */
static struct world angle_of_streets(void)
{
    static const struct geo_point north[] = {{23000000, -82000000},
                                             {23009000, -82000000}};
    static const struct geo_point east[] = {{23009000, -82000000},
                                            {23009000, -81990300}};
    const struct roads_edge_row rows[] = {
        {.way_id = 1,
         .source = 1,
         .target = 2,
         .forward_ms = 66447,
         .backward_ms = 66447,
         .length_m = 996.7f,
         .name = "Norte",
         .points = north,
         .point_count = 2},
        {.way_id = 2,
         .source = 2,
         .target = 3,
         .forward_ms = 66293,
         .backward_ms = 66293,
         .length_m = 994.4f,
         .name = "Túnel del Este",
         .points = east,
         .point_count = 2},
    };
    struct world world = {0};
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = 2},
                  &world.roads),
        PT_OK);
    assert_int_equal(roads_search_new(world.roads, &world.search), PT_OK);
    return world;
}

static void drive_obeys_cars_and_corners(void **state)
{
    (void)state;
    struct world world = angle_of_streets();
    const struct roads_place from = {.edge = 0, .fraction = 0.0};
    const struct roads_place to = {.edge = 1, .fraction = 1.0};
    struct path path;
    double before = 0.0;
    double slowest_at_corner = 100.0;
    double fastest = 0.0;
    int seconds = 0;
    assert_int_equal(path_plan(&world, &from, &to, 1.0, &path), PT_OK);
    assert_int_equal(path.count, 3);
    while (path_drive(&path, 1.0)) {
        double gained = path.speed_mps - before;
        /* 1.6 and 2.0 m/s2, but for starts: at once 0.8 m/s and three
         * quarters of a second more. */
        assert_true(gained <= (seconds == 0 ? 2.0 : 1.6) + 1e-6);
        assert_true(gained >= -2.5);
        if (fabs(path.along_m - 996.7) < 5.0)
            slowest_at_corner = fmin(slowest_at_corner, path.speed_mps);
        assert_true(path_in_tunnel(&path) == (path.piece == 1));
        fastest = fmax(fastest, path.speed_mps);
        before = path.speed_mps;
        seconds++;
    }
    assert_true(slowest_at_corner < 6.4); /* 4.5 within 5 m of it */
    assert_true(fabs(fastest - 15.0) < 0.1);
    /* By hand: 1991.1 m at 15 m/s are 132.7 s. Reaching 15 from 0 costs
     * 15/(2*1.6) = 4.7 s, stopping 15/(2*2.0) = 3.8 s; down to 4.5 and up
     * again (15-4.5)^2/(2*15) * (1/2.0 + 1/1.6) = 4.1 s: 145.3 s. */
    assert_true(abs(seconds - 145) <= 3);
    struct geo_point end = path_at(&path);
    assert_true(abs(end.lat_e6 - 23009000) <= 1);
    assert_true(abs(end.lon_e6 + 81990300) <= 1);
    path_clear(&path);
    path_clear(&path);
    world_clear(&world);
}

static void drive_to_where_one_is_ends(void **state)
{
    (void)state;
    struct world world = angle_of_streets();
    const struct roads_place here = {.edge = 0, .fraction = 0.5};
    struct path path;
    assert_int_equal(path_plan(&world, &here, &here, 1.0, &path), PT_OK);
    assert_false(path_drive(&path, 1.0));
    assert_int_equal(path_at(&path).lat_e6, 23004500);
    path_clear(&path);
    world_clear(&world);
}

/* --- NMEA
 * --------------------------------------------------------------------- */

/* The reference is NMEA's own rule (exclusive or between $ and *), and the
 * angles are sums by hand: 23.130001 degrees are 23 and 7.800060 minutes. */
static void nmea_says_what_the_fix_is(void **state)
{
    (void)state;
    const struct receiver_fix fix = {
        .mode = RECEIVER_3D,
        .time_ms = INT64_C(1790000000000), /* date -u -d @1790000000 */
        .at = {23130001, -82383000},
        .speed_mps = 10.0,
        .course_deg = 271.5,
        .accuracy_m = 4.9,
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE};
    char text[NMEA_BYTES_MAX];
    size_t size = nmea_text(&fix, text);
    assert_int_equal(size, strlen(text));
    assert_non_null(strstr(text, "$GPRMC,141320.00,A,2307.800060,N,"
                                 "08222.980000,W,19.44,271.5,210926,,,A*"));
    assert_non_null(strstr(text, "$GPGST,141320.00,2.0,2.0,"));
    for (char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$')) {
        unsigned sum = 0;
        char *c = at + 1;
        for (; *c != '*'; c++)
            sum ^= (unsigned char)*c;
        assert_int_equal(strtoul(c + 1, NULL, 16), sum);
        assert_memory_equal(c + 3, "\r\n", 2);
    }
}

static void nmea_without_a_fix_has_no_place(void **state)
{
    (void)state;
    const struct receiver_fix fix = {.mode = RECEIVER_NO_FIX,
                                     .time_ms = 1790000000000};
    char text[NMEA_BYTES_MAX];
    assert_true(nmea_text(&fix, text) > 0);
    assert_non_null(strstr(text, "GPRMC,141320.00,V,,,"));
    assert_null(strstr(text, ",N,"));
}

static void nmea_near_the_equator_keeps_its_sign(void **state)
{
    (void)state;
    const struct receiver_fix fix = {
        .mode = RECEIVER_3D, .at = {-1, 179999999}, .flags = PT_FLAG_POSITION};
    char text[NMEA_BYTES_MAX];
    nmea_text(&fix, text);
    assert_non_null(strstr(text, "0000.000060,S,17959.999940,E"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_is_splitmix64),
        cmocka_unit_test(draws_have_the_stated_moments),
        cmocka_unit_test(outbox_is_as_a_naive_one),
        cmocka_unit_test(full_outbox_drops_the_oldest),
        cmocka_unit_test(receipt_for_the_future_is_refused),
        cmocka_unit_test(drive_obeys_cars_and_corners),
        cmocka_unit_test(drive_to_where_one_is_ends),
        cmocka_unit_test(nmea_says_what_the_fix_is),
        cmocka_unit_test(nmea_without_a_fix_has_no_place),
        cmocka_unit_test(nmea_near_the_equator_keeps_its_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

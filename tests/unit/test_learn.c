/* learn: on a drawn street, with drives whose times are known. */
#include "fail_alloc.h"
#include "learn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define EDGES 12
#define EDGE_MS 10000u /* 100 m each, at 36 km/h */
/* date -u -d 2026-11-16T08:00:00 +%s%3N, a Monday */
#define MONDAY_8_MS INT64_C(1794816000000)
#define WEEK_MS INT64_C(604800000)
#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

/* A street of EDGES pieces in a row, numbered from the west; way 1 is the
 * first half of it, way 2 the second. */
struct street {
    struct roads *roads;
    struct learn_streets streets;
    uint8_t class_of[EDGES];
};

static void draw(struct street *s)
{
    struct roads_edge_row rows[EDGES];
    struct geo_point points[EDGES][2];
    struct geo_plane plane =
        geo_plane_at((struct geo_point){23130000, -82380000});
    for (int i = 0; i < EDGES; i++) {
        points[i][0] = geo_from_plane(&plane, 100.0 * i, 0);
        points[i][1] = geo_from_plane(&plane, 100.0 * (i + 1), 0);
        rows[i] = (struct roads_edge_row){.way_id = i < EDGES / 2 ? 1 : 2,
                                          .source = i + 1,
                                          .target = i + 2,
                                          .forward_ms = EDGE_MS,
                                          .backward_ms = EDGE_MS,
                                          .length_m = 100,
                                          .point_count = 2,
                                          .points = points[i]};
        s->class_of[i] = 0;
    }
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = EDGES},
                  &s->roads),
        PT_OK);
    s->streets =
        (struct learn_streets){roads_profile(s->roads, NULL), s->class_of};
}

/* The drive from edge `first` to before `end`, a fix at each junction. */
struct drive {
    struct match_fix fixes[EDGES + 1];
    struct match_place places[EDGES + 1];
    uint32_t edges[EDGES];
    struct match_piece piece;
    struct match_drive drive;
};

static void make(struct drive *d, int first, int end, int64_t start_ms,
                 const double *seconds)
{
    int count = end - first;
    int64_t now_ms = start_ms;
    for (int i = 0; i <= count; i++) {
        int edge = first + (i < count ? i : i - 1);
        d->fixes[i] = (struct match_fix){.time_ms = now_ms,
                                         .accuracy_m = -1,
                                         .course_deg = -1,
                                         .speed_mps = -1};
        d->places[i] = (struct match_place){(uint32_t)(2 * edge),
                                            i < count ? 0.0 : 1.0, 0};
        if (i < count) {
            d->edges[i] = (uint32_t)(2 * edge);
            now_ms += llround(seconds[edge] * 1000);
        }
    }
    d->piece = (struct match_piece){0, (size_t)count, 0, (size_t)count};
    d->drive = (struct match_drive){.piece_count = 1,
                                    .pieces = &d->piece,
                                    .edge_count = (size_t)count,
                                    .edges = d->edges,
                                    .fix_count = (size_t)count + 1,
                                    .places = d->places};
}

/* Numbers that look drawn by lot, the same in every run (Knuth's MMIX
 * constants); the normal ones by the sum of twelve. */
static double uniform(uint64_t *state)
{
    *state =
        *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

static struct learn *learner(const struct street *s)
{
    struct learn *learn = NULL;
    assert_int_equal(learn_new(&s->streets, &learn), PT_OK);
    return learn;
}

static void end(struct learn_table *table, struct learn *learn,
                struct street *s)
{
    learn_table_clear(table);
    learn_free(learn);
    roads_unref(s->roads);
}

static void add(struct learn *learn, int first, int end, int64_t start_ms,
                const double *seconds)
{
    struct drive d;
    make(&d, first, end, start_ms, seconds);
    assert_int_equal(learn_add(learn, d.fixes, &d.drive, 0), PT_OK);
}

/* -------------------------------------------------------------------- clocks
 */
static void knows_the_hour_of_the_week(void **state)
{
    (void)state;
    /* date -u -d @0: Thursday 00:00 */
    assert_int_equal(learn_hour(0, 0), 3 * 24);
    assert_int_equal(learn_hour(-1, 0), 3 * 24 - 1);
    assert_int_equal(learn_hour(MONDAY_8_MS, 0), 8);
    /* Havana in winter: Monday 03:00 */
    assert_int_equal(learn_hour(MONDAY_8_MS, -5 * 3600), 3);
    /* and on Sunday evening where it is nine hours earlier */
    assert_int_equal(learn_hour(MONDAY_8_MS, -9 * 3600), 6 * 24 + 23);
    assert_int_equal(learn_period(8), 1);
    assert_int_equal(learn_period(4 * 24 + 17), 3);
    assert_int_equal(learn_period(5 * 24 + 7), 5);
    assert_int_equal(learn_period(6 * 24 + 21), 6);
    unsigned seen = 0;
    for (unsigned h = 0; h < LEARN_HOURS; h++)
        seen |= 1u << learn_period(h);
    assert_int_equal(seen, (1u << LEARN_PERIODS) - 1);
}

/* ----------------------------------------------------------------- passages */
/* 10 m/s throughout, a fix each 7 s: each of the edges takes 10 s. */
static void shares_time_between_fixes(void **state)
{
    (void)state;
    enum { FIXES = 11 };
    struct street s;
    draw(&s);
    struct match_fix fixes[FIXES];
    struct match_place places[FIXES];
    uint32_t edges[8];
    for (int i = 0; i < FIXES; i++) {
        double at_m = 50 + 70.0 * i;
        fixes[i] = (struct match_fix){.time_ms = 7000 * i};
        places[i] = (struct match_place){2 * (uint32_t)(at_m / 100),
                                         fmod(at_m, 100) / 100, 0};
    }
    for (uint32_t i = 0; i < 8; i++)
        edges[i] = 2 * i;
    places[3].directed = ROADS_NONE; /* one that was not used */
    struct match_piece piece = {0, 8, 0, FIXES - 1};
    struct match_drive drive = {1, &piece, 8, edges, FIXES, places};
    struct learn_passage *p = NULL;
    size_t count = 0;
    assert_int_equal(
        learn_passages(s.streets.metric, fixes, &drive, &p, &count), PT_OK);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        double share = i == 0 || i == 7 ? 0.5 : 1.0;
        assert_int_equal(p[i].directed, 2 * i);
        assert_true(fabs(p[i].share - share) < 1e-9);
        assert_true(fabs(p[i].took_s - 10 * share) < 1e-6);
    }
    free(p);
    roads_unref(s.roads);
}

/* Whoever waits in a street spends the time there, not before or after; a
 * fix that noise puts behind the last changes nothing. */
static void waits_where_it_stood(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    const double at[] = {0, 0.5, 0.45, 0.5};
    struct match_fix fixes[6];
    struct match_place places[6];
    const int64_t when_ms[] = {0, 5000, 35000, 65000};
    for (int i = 0; i < 4; i++) {
        fixes[i] = (struct match_fix){.time_ms = when_ms[i]};
        places[i] = (struct match_place){2, at[i], 0};
    }
    places[0] = (struct match_place){0, 0, 0};
    fixes[0].time_ms = -10000; /* one edge before: 10 s and half of 10 */
    fixes[4] = (struct match_fix){.time_ms = 80000};
    places[4] = (struct match_place){4, 1, 0};
    uint32_t edges[] = {0, 2, 4};
    struct match_piece piece = {0, 3, 0, 4};
    struct match_drive drive = {1, &piece, 3, edges, 5, places};
    struct learn_passage *p = NULL;
    size_t count = 0;
    assert_int_equal(
        learn_passages(s.streets.metric, fixes, &drive, &p, &count), PT_OK);
    assert_int_equal(count, 3);
    assert_true(fabs(p[0].took_s - 10) < 1e-6);
    assert_true(fabs(p[1].took_s - 70) < 1e-6);
    assert_true(fabs(p[2].took_s - 10) < 1e-6);
    free(p);
    roads_unref(s.roads);
}

/* ------------------------------------------------------------------ learning
 */
static void with_few_drives_nothing_is_learned(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn *learn = learner(&s);
    struct learn_table table;
    double seconds[EDGES];
    for (int i = 0; i < EDGES; i++)
        seconds[i] = 10;
    for (unsigned i = 0; i + 1 < LEARN_DRIVES_MIN; i++)
        add(learn, 0, EDGES, MONDAY_8_MS + i * HOUR_MS, seconds);
    assert_int_equal(learn_fit(learn, &table), PT_E_NOTFOUND);
    /* a drive without a way, and one without time, are none */
    struct match_drive nothing = {0};
    assert_int_equal(learn_add(learn, NULL, &nothing, 0), PT_OK);
    for (int i = 0; i < EDGES; i++)
        seconds[i] = 0;
    add(learn, 0, EDGES, MONDAY_8_MS, seconds);
    assert_int_equal(learn_drives(learn), LEARN_DRIVES_MIN - 1);
    assert_int_equal(learn_fit(learn, &table), PT_E_NOTFOUND);
    learn_free(learn);
    roads_unref(s.roads);
}

/* Edge 2 takes 30 s, all others 15; nobody drives the last two edges, and
 * nobody westwards. */
static void finds_the_slow_edge(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn *learn = learner(&s);
    struct learn_table table;
    double seconds[EDGES];
    uint64_t lot = 1;
    for (int n = 0; n < 200; n++) {
        for (int i = 0; i < EDGES; i++)
            seconds[i] = (i == 2 ? 30 : 15) * (0.9 + 0.2 * uniform(&lot));
        add(learn, 0, EDGES - 2, MONDAY_8_MS + n * DAY_MS / 3, seconds);
    }
    assert_int_equal(learn_fit(learn, &table), PT_OK);
    assert_int_equal(table.drives, 200);
    uint32_t ms[2 * EDGES];
    assert_int_equal(learn_times(&table, &s.streets, 8, ms), PT_OK);
    for (uint32_t i = 0; i < EDGES - 2; i++)
        assert_true(fabs(ms[2 * i] - (i == 2 ? 30000.0 : 15000.0)) < 900);
    /* What nobody drove is as its street (that half of it takes 1.5 times the
     * profile's time), or, the other way, as its class. */
    assert_true(fabs(ms[2 * (EDGES - 1)] - 15000.0) < 900);
    assert_true(ms[1] > 14000 && ms[1] < 17500);
    end(&table, learn, &s);
}

/* Three passages that took thrice as long on one edge do not make it three
 * times as slow where places hardly differ; three hundred do. */
static void little_seen_leans_on_the_rest(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    double slow[2];
    for (int round = 0; round < 2; round++) {
        struct learn *learn = learner(&s);
        struct learn_table table;
        double seconds[EDGES];
        uint64_t lot = 2;
        for (int n = 0; n < 300; n++) {
            for (int i = 0; i < EDGES; i++)
                seconds[i] = 10 * exp(0.4 * normal(&lot));
            add(learn, 0, EDGES - 1, MONDAY_8_MS + n * DAY_MS / 3, seconds);
        }
        for (int n = 0; n < (round == 0 ? 3 : 300); n++) {
            seconds[EDGES - 1] = 30 * exp(0.4 * normal(&lot));
            add(learn, EDGES - 1, EDGES, MONDAY_8_MS + n * DAY_MS / 3, seconds);
        }
        uint32_t ms[2 * EDGES];
        assert_int_equal(learn_fit(learn, &table), PT_OK);
        assert_int_equal(learn_times(&table, &s.streets, 8, ms), PT_OK);
        slow[round] = (double)ms[2 * (EDGES - 1)] / ms[0];
        learn_table_clear(&table);
        learn_free(learn);
    }
    assert_true(slow[0] > 1.0 && slow[0] < 2.6);
    assert_true(slow[1] > 2.7 && slow[1] < 3.3);
    roads_unref(s.roads);
}

/* Mornings take twice the time; noon was never seen and is told as such. */
static void hours_differ(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn *learn = learner(&s);
    struct learn_table table;
    double seconds[EDGES];
    uint64_t lot = 3;
    for (int n = 0; n < 150; n++) {
        bool morning = n % 2 == 0;
        for (int i = 0; i < EDGES; i++)
            seconds[i] = (morning ? 20 : 10) * (0.95 + 0.1 * uniform(&lot));
        add(learn, 0, EDGES,
            MONDAY_8_MS + (n / 2 % 5) * DAY_MS + n / 10 * WEEK_MS +
                (morning ? 0 : 12 * HOUR_MS),
            seconds);
    }
    uint32_t at_8[2 * EDGES], at_20[2 * EDGES];
    assert_int_equal(learn_fit(learn, &table), PT_OK);
    assert_int_equal(learn_times(&table, &s.streets, 8, at_8), PT_OK);
    assert_int_equal(learn_times(&table, &s.streets, 20, at_20), PT_OK);
    assert_true(fabs(at_8[6] - 20000.0) < 1200);
    assert_true(fabs(at_20[6] - 10000.0) < 600);
    assert_int_equal(table.hours[8].dates, 75);
    assert_int_equal(table.hours[20].dates, 75);
    assert_int_equal(table.hours[14].dates, 0);
    assert_int_equal(table.hours[14].of.passages, 0);
    assert_int_equal(table.hours[5 * 24 + 8].dates, 0); /* Saturday */
    end(&table, learn, &s);
}

/* ------------------------------------------------------------------- ranges */
/* A whole drive is slower or faster by exp(0.3 z), z normal: 10 % take less
 * than exp(-1.2816 * 0.3) = 0.681 of the middle, 10 % more than 1.469. */
static void ranges_hold(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn *learn = learner(&s);
    struct learn_table table;
    uint64_t lot = 4;
    double seconds[EDGES];
    for (int n = 0; n < 2000; n++) {
        double factor = exp(0.3 * normal(&lot));
        for (int i = 0; i < EDGES; i++)
            seconds[i] = 10 * factor;
        add(learn, 0, EDGES, MONDAY_8_MS + n * DAY_MS, seconds);
    }
    assert_int_equal(learn_fit(learn, &table), PT_OK);
    struct learn_range range = learn_range_of(&table, 8, 120, 0, 0);
    assert_true(fabs(range.low_s / 120 - 0.681) < 0.04);
    assert_true(fabs(range.high_s / 120 - 1.469) < 0.08);
    int held = 0;
    for (int n = 0; n < 1000; n++) {
        double took_s = 120 * exp(0.3 * normal(&lot));
        held += took_s >= range.low_s && took_s <= range.high_s;
    }
    assert_in_range(held, 750, 850);
    /* What does not vary is before or after, and shifts both ends. */
    struct learn_range later = learn_range_of(&table, 8, 120, 60, 0);
    assert_true(fabs(later.low_s - range.low_s - 60) < 1e-9);
    assert_true(fabs(later.high_s - range.high_s - 60) < 1e-9);
    /* A place that is not known well: 40 s of 120 are another 0.333. */
    struct learn_range vague = learn_range_of(&table, 8, 120, 0, 40);
    double wide = log(vague.high_s / 120) / 1.2815515655446004;
    double was = log(range.high_s / 120) / 1.2815515655446004;
    assert_true(fabs(wide * wide - was * was - 1.0 / 9.0) < 1e-9);
    /* Chances at the range's own ends and middle, and beside the promise. */
    assert_true(fabs(learn_within(&range, 0, range.low_s) - 0.1) < 1e-9);
    assert_true(fabs(learn_within(&range, 0, 120) - 0.5) < 1e-9);
    assert_true(fabs(learn_within(&later, 60, later.high_s) - 0.9) < 1e-9);
    assert_true(learn_within(&later, 60, 60) <= 0.0);
    assert_true(learn_within(&range, 0, 1200) > 0.999);
    end(&table, learn, &s);
}

/* Each street differs by itself: over more of them it evens out. Were the
 * errors of 12 edges all one, 1 edge and 12 would have the same range. */
static void longer_ways_even_out(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn *learn = learner(&s);
    struct learn_table table;
    uint64_t lot = 5;
    double seconds[EDGES];
    for (int n = 0; n < 1000; n++) {
        for (int i = 0; i < EDGES; i++)
            seconds[i] = 10 * exp(0.5 * normal(&lot));
        add(learn, 0, EDGES, MONDAY_8_MS + n * DAY_MS / 10, seconds);
    }
    assert_int_equal(learn_fit(learn, &table), PT_OK);
    assert_true(table.phi_s > 1);
    struct learn_range of_short = learn_range_of(&table, 8, 12, 0, 0);
    struct learn_range of_long = learn_range_of(&table, 8, 1200, 0, 0);
    assert_true(of_short.spread_above > 2 * of_long.spread_above);
    end(&table, learn, &s);
}

/* On one date only: nobody knows how other dates are. */
static void one_date_says_less(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    struct learn_table table = {.tau2 = 0.01};
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        table.hours[h].low = -1.2815515655446004;
        table.hours[h].high = 1.2815515655446004;
        table.hours[h].dates = (uint8_t)h;
    }
    const double more[] = {0.06, 0.04, 0.02, 0, 0};
    for (unsigned dates = 0; dates < 5; dates++) {
        struct learn_range range = learn_range_of(&table, dates, 100, 0, 0);
        assert_true(fabs(range.spread_above * range.spread_above - 0.01 -
                         more[dates]) < 1e-9);
        assert_true(fabs(range.spread_below * range.spread_below - 0.01 -
                         more[dates]) < 1e-9);
    }
    roads_unref(s.roads);
}

/* -------------------------------------------------------------- out of memory
 */
static enum pt_err run_once(const struct street *s)
{
    struct learn *learn = NULL;
    struct learn_table table = {0};
    uint32_t ms[2 * EDGES];
    double seconds[EDGES];
    for (int i = 0; i < EDGES; i++)
        seconds[i] = 12;
    enum pt_err err = learn_new(&s->streets, &learn);
    for (unsigned n = 0; n < LEARN_DRIVES_MIN && err == PT_OK; n++) {
        struct drive d;
        make(&d, 0, EDGES, MONDAY_8_MS + n * HOUR_MS, seconds);
        err = learn_add(learn, d.fixes, &d.drive, 0);
    }
    if (err == PT_OK)
        err = learn_fit(learn, &table);
    if (err == PT_OK)
        err = learn_times(&table, &s->streets, 8, ms);
    learn_table_clear(&table);
    learn_free(learn);
    return err;
}

static void runs_out_of_memory(void **state)
{
    (void)state;
    struct street s;
    draw(&s);
    size_t fails = 0;
    enum pt_err err = PT_E_NOMEM;
    for (; fails < 1000 && err != PT_OK; fails++) {
        fail_alloc_after(fails);
        err = run_once(&s);
        fail_alloc_never();
        if (err != PT_OK)
            assert_int_equal(err, PT_E_NOMEM);
    }
    assert_in_range(fails, 10, 999);
    roads_unref(s.roads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_hour_of_the_week),
        cmocka_unit_test(shares_time_between_fixes),
        cmocka_unit_test(waits_where_it_stood),
        cmocka_unit_test(with_few_drives_nothing_is_learned),
        cmocka_unit_test(finds_the_slow_edge),
        cmocka_unit_test(little_seen_leans_on_the_rest),
        cmocka_unit_test(hours_differ),
        cmocka_unit_test(ranges_hold),
        cmocka_unit_test(longer_ways_even_out),
        cmocka_unit_test(one_date_says_less),
        cmocka_unit_test(runs_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

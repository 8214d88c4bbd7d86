/* dispatch: against a ranking that asks for the route of every unit and sorts
 * them all. The catalog is one of this file: what the linker finds here it
 * does not take from pt_catalog. */
#include "dispatch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define OLD_AFTER_MS 90000 /* 1.5 times the minute of who promises none */
#define STALE_AFTER_MS 3600000
#define LIMIT_MS 3600000

/* ------------------------------------------------------------------ the
 * catalog */
#define UNITS_MAX 400

struct catalog {
    uint64_t generation;
    size_t count;
    struct catalog_unit units[UNITS_MAX];
    const struct catalog_zone *zone;
};

static char *armed[] = {"armed", NULL};
static char *nothing[] = {NULL};

size_t catalog_unit_count(const struct catalog *catalog)
{
    return catalog->count;
}

const struct catalog_unit *catalog_unit(const struct catalog *catalog,
                                        size_t index)
{
    return &catalog->units[index];
}

uint64_t catalog_generation(const struct catalog *catalog)
{
    return catalog->generation;
}

/* Every other catalog's capabilities are beyond the first 64. */
uint64_t catalog_capability_bit(const struct catalog *catalog,
                                const char *capability)
{
    bool told = catalog->generation % 2 == 0;
    return told && strcmp(capability, "armed") == 0 ? 4 : 0;
}

bool catalog_unit_can(const struct catalog_unit *unit, const char *capability)
{
    for (char **c = unit->capabilities; *c != NULL; c++) {
        if (strcmp(*c, capability) == 0)
            return true;
    }
    return false;
}

const struct catalog_zone *catalog_zone_at(const struct catalog *catalog,
                                           struct geo_point at)
{
    (void)at;
    return catalog->zone;
}

/* Some ids have no unit, and the order is not that of the fleet's slots. */
static void fill_catalog(struct catalog *catalog, size_t count)
{
    static uint64_t last;
    catalog->generation = ++last;
    catalog->count = count;
    catalog->zone = NULL;
    for (size_t i = 0; i < count; i++)
        catalog->units[i] = (struct catalog_unit){
            .unit_id = (uint32_t)(1000 + 3 * (count - i)),
            .call_sign = (char *)"unit",
            .kind = (char *)"car",
            .capabilities = i % 2 == 0 ? armed : nothing,
            .capability_bits = i % 2 == 0 ? 4 : 2,
        };
}

/* ------------------------------------------------------------------ the
 * streets */
#define SIDE 7
#define APART_M 650.0 /* so that some units stand beyond the reach */

static const struct geo_point corner = {23100000, -82400000};

static struct geo_point at_m(double east_m, double north_m)
{
    struct geo_plane plane = geo_plane_at(corner);
    return geo_from_plane(&plane, east_m, north_m);
}

struct street {
    struct geo_point ends[2];
};

/* A square of streets with `one_way_share` of them one-way and speeds of 3 to
 * 20 m/s; the last row hangs on nothing when `island`. */
static struct roads *make_grid(double one_way_share, bool island,
                               uint32_t start_ms)
{
    static struct street streets[2 * SIDE * SIDE];
    static struct roads_edge_row rows[2 * SIDE * SIDE];
    size_t count = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            for (int way = 0; way < 2; way++) {
                int x2 = x + (way == 0), y2 = y + (way == 1);
                if (x2 == SIDE || y2 == SIDE ||
                    (island && way == 1 && y2 == SIDE - 1))
                    continue;
                double length_m = APART_M;
                double mps = 3 + (double)(random() % 18);
                uint32_t ms = (uint32_t)(length_m / mps * 1000);
                bool one_way = (double)(random() % 1000) < one_way_share * 1000;
                bool turned = one_way && random() % 2 == 0;
                streets[count].ends[0] = at_m(x * APART_M, y * APART_M);
                streets[count].ends[1] = at_m(x2 * APART_M, y2 * APART_M);
                rows[count] = (struct roads_edge_row){
                    .way_id = (int64_t)count + 1,
                    .source = y * SIDE + x,
                    .target = y2 * SIDE + x2,
                    .forward_ms = turned ? 0 : ms,
                    .backward_ms = one_way && !turned ? 0 : ms,
                    .length_m = (float)length_m,
                    .points = streets[count].ends,
                    .point_count = 2,
                };
                count++;
            }
        }
    }
    struct roads_profile profile = {.name = "patrol",
                                    .turn_ms = {[ROADS_ROUND] = ROADS_NONE},
                                    .forbidden_ms = ROADS_NONE,
                                    .start_ms = start_ms};
    struct roads *roads;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = rows,
                                                    .edge_count = count,
                                                    .profiles = &profile,
                                                    .profile_count = 1},
                               &roads),
                     PT_OK);
    return roads;
}

/* -------------------------------------------------------------------- the
 * units */
struct world {
    struct catalog catalog;
    struct fleet *fleet;
    struct dispatch *dispatch;
    struct roads *roads;
};

static void start(struct world *w, struct roads *roads)
{
    struct dispatch_settings settings = {.stale_after_ms = STALE_AFTER_MS,
                                         .limit_ms = LIMIT_MS};
    memset(w, 0, sizeof(*w));
    w->roads = roads;
    assert_int_equal(fleet_new(UNITS_MAX, &w->fleet), PT_OK);
    assert_int_equal(dispatch_new(&settings, UNITS_MAX, &w->dispatch), PT_OK);
    if (roads != NULL)
        assert_int_equal(dispatch_set_roads(w->dispatch, roads, w->fleet),
                         PT_OK);
}

static void stop(struct world *w)
{
    dispatch_free(w->dispatch);
    fleet_free(w->fleet);
    roads_unref(w->roads);
}

static void place(struct world *w, uint32_t unit_id, struct geo_point at,
                  int64_t age_ms, enum pt_status status)
{
    static uint64_t seq;
    struct batch batch;
    struct batch_item item = {
        .unit_id = unit_id,
        .generation = 1,
        .flags = PT_FLAG_POSITION,
        .entry = {.seq = ++seq,
                  .time_ms = NOW_MS - age_ms,
                  .at = at,
                  .flags = PT_FLAG_POSITION,
                  .status = (uint8_t)status},
    };
    assert_int_equal(batch_init(&batch, 1), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_int_equal(fleet_apply(w->fleet, &batch), PT_OK);
    batch_clear(&batch);
}

static void tick(struct world *w)
{
    (void)dispatch_follow(w->dispatch, w->fleet, NOW_MS);
    fleet_changes_take(w->fleet);
}

static enum pt_err ask(struct world *w, struct geo_point at, size_t k,
                       const char *capability, struct dispatch_answer *ret)
{
    struct dispatch_query query = {
        .at = at, .k = k, .capability = capability, .now_ms = NOW_MS};
    return dispatch_nearest(w->dispatch, &w->catalog, w->fleet, &query, ret);
}

/* -------------------------------------------------------------- the naive
 * ranking */
struct naive {
    const struct catalog_unit *unit;
    int why; /* enum dispatch_exclusion, or -1 */
    bool old;
    double eta_s;
    double drive_s;
};

static double naive_access_s(double off_road_m)
{
    return off_road_m > 30 ? (off_road_m - 30) / 2.8 : 0;
}

static void naive_unit(struct world *w, struct roads_search *search,
                       const struct roads_place *target, const char *capability,
                       struct naive *n)
{
    const struct fleet_unit *state = fleet_find(w->fleet, n->unit->unit_id);
    struct roads_place from;
    struct roads_route route;
    n->why = -1;
    if (strcmp(n->unit->kind, "foot") == 0)
        n->why = LEFT_OUT_KIND;
    else if (capability != NULL && n->unit->capabilities != armed)
        n->why = LEFT_OUT_CAPABILITY;
    else if (state == NULL || !state->has_fix)
        n->why = LEFT_OUT_NO_FIX;
    else if (state->status != PT_STATUS_AVAILABLE)
        n->why = LEFT_OUT_STATUS;
    else if (NOW_MS - state->fix_time_ms > STALE_AFTER_MS)
        n->why = LEFT_OUT_STALE;
    else if (roads_snap(w->roads, state->at, 300, &from) != PT_OK)
        n->why = LEFT_OUT_OFF_ROAD;
    else if (roads_route(search, &from, target, &route) != PT_OK)
        n->why = LEFT_OUT_NO_WAY;
    if (n->why != -1)
        return;
    n->old = NOW_MS - state->fix_time_ms > OLD_AFTER_MS;
    n->drive_s = route.drive_ms / 1000.0;
    n->eta_s = n->drive_s + naive_access_s(from.distance_m) +
               naive_access_s(target->distance_m) +
               fmin(4 * n->drive_s,
                    roads_start_ms(roads_profile(w->roads, NULL)) / 1000.0);
    if (route.drive_ms > LIMIT_MS)
        n->why = LEFT_OUT_NO_WAY;
    roads_route_clear(&route);
}

static int naive_order(const void *left, const void *right)
{
    const struct naive *a = left, *b = right;
    if ((a->why == -1) != (b->why == -1))
        return a->why == -1 ? -1 : 1;
    if (a->old != b->old)
        return a->old ? 1 : -1;
    return a->eta_s < b->eta_s ? -1 : a->eta_s > b->eta_s;
}

/* Access is rounded to ms, once for the unit and once for the target. */
#define ROUNDING_S 0.0021

/* A search that stops at the k-th does not know whether the others have a way:
 * only an answer that is short of units must say so. */
static void compare_left_out(struct world *w,
                             const struct dispatch_answer *answer,
                             const struct naive *out, size_t count,
                             bool is_short)
{
    size_t must = 0;
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        if (out[i].why == LEFT_OUT_NO_WAY && !is_short)
            continue;
        must++;
        for (size_t j = 0; j < answer->left_out_count; j++)
            told += answer->left_out[j].unit == out[i].unit &&
                    (int)answer->left_out[j].why == out[i].why;
    }
    assert_int_equal(told, must);
    assert_true(answer->left_out_count + answer->count <= w->catalog.count);
    if (is_short)
        assert_int_equal(answer->left_out_count, must);
}

static void compare(struct world *w, struct geo_point at, size_t k,
                    const char *capability)
{
    static struct naive all[UNITS_MAX];
    struct roads_search *search;
    struct roads_place target;
    struct dispatch_answer answer;
    assert_int_equal(roads_search_new(w->roads, &search), PT_OK);
    enum pt_err err = roads_snap(w->roads, at, 300, &target);
    assert_int_equal(ask(w, at, k, capability, &answer), err);
    if (err != PT_OK) {
        roads_search_free(search);
        return;
    }
    size_t candidates = 0;
    for (size_t i = 0; i < w->catalog.count; i++) {
        all[i] = (struct naive){.unit = &w->catalog.units[i]};
        naive_unit(w, search, &target, capability, &all[i]);
        if (all[i].why == -1)
            candidates++;
    }
    qsort(all, w->catalog.count, sizeof(all[0]), naive_order);
    assert_int_equal(answer.count, candidates < k ? candidates : k);
    for (size_t i = 0; i < answer.count; i++) {
        const struct dispatch_candidate *c = &answer.units[i];
        assert_true(fabs(c->eta_s - all[i].eta_s) <= ROUNDING_S);
        assert_true(fabs(c->drive_s + c->access_s + c->start_s - c->eta_s) <
                    1e-6);
        assert_int_equal(c->old, all[i].old);
        bool tied =
            i + 1 < candidates && all[i + 1].eta_s - all[i].eta_s <= ROUNDING_S;
        tied |= i > 0 && all[i].eta_s - all[i - 1].eta_s <= ROUNDING_S;
        if (!tied)
            assert_ptr_equal(c->unit, all[i].unit);
    }
    compare_left_out(w, &answer, all + candidates,
                     w->catalog.count - candidates, candidates < k);
    roads_search_free(search);
}

/* Off the streets by up to 325 m: access counts up to 105 s, streets take 32
 * to 216 s, so the order by drive is often not that by arrival. */
static void scatter(struct world *w, size_t units)
{
    fill_catalog(&w->catalog, units);
    for (size_t i = 0; i < units; i++) {
        struct catalog_unit *unit = &w->catalog.units[i];
        if (random() % 20 == 0)
            unit->kind = (char *)"foot";
        if (random() % 20 == 0)
            continue; /* never heard */
        double span = (SIDE - 1) * APART_M + 400;
        struct geo_point at = at_m((double)(random() % (long)span) - 200,
                                   (double)(random() % (long)span) - 200);
        long dice = random() % 10;
        int64_t age_ms = dice < 7   ? random() % OLD_AFTER_MS
                         : dice < 9 ? OLD_AFTER_MS + 1 + random() % 1000000
                                    : STALE_AFTER_MS + 1;
        place(w, unit->unit_id, at, age_ms,
              random() % 6 == 0 ? (enum pt_status)(random() % PT_STATUS_COUNT)
                                : PT_STATUS_AVAILABLE);
    }
    tick(w);
}

static void ranks_as_the_naive_one(void **state)
{
    (void)state;
    srandom(4711);
    static const size_t sizes[] = {1, 3, 30, 300};
    for (int round = 0; round < 24; round++) {
        struct world w;
        start(&w, make_grid(round % 3 * 0.3, round % 4 == 3,
                            round % 2 == 0 ? 0 : 64000));
        scatter(&w, sizes[round % 4]);
        for (int query = 0; query < 25; query++) {
            double span = (SIDE - 1) * APART_M + 700;
            struct geo_point at = at_m((double)(random() % (long)span) - 350,
                                       (double)(random() % (long)span) - 350);
            compare(&w, at, 1 + (size_t)random() % 12,
                    random() % 4 == 0 ? "armed" : NULL);
        }
        stop(&w);
    }
}

/* -------------------------------------------------------------- one thing at a
 * time */
static void assert_near(double actual, double expected)
{
    assert_true(fabs(actual - expected) < 0.1); /* 1 m at 10 m/s */
}

/* One street of 1,000 m at 10 m/s, from the corner to the east. */
static struct roads *make_street(void)
{
    struct geo_point points[] = {at_m(0, 0), at_m(1000, 0)};
    struct roads_edge_row row = {.way_id = 1,
                                 .source = 1,
                                 .target = 2,
                                 .forward_ms = 100000,
                                 .backward_ms = 100000,
                                 .length_m = 1000,
                                 .points = points,
                                 .point_count = 2};
    struct roads *roads;
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = &row, .edge_count = 1}, &roads),
        PT_OK);
    return roads;
}

/* 286 m from the street: (286 - 30) / 2.8 = 91.4 s of access beat 40 s of
 * driving, although the first has no drive at all. */
static void a_yard_is_not_the_street(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, 2);
    place(&w, w.catalog.units[0].unit_id, at_m(500, 286), 0,
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(100, 0), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_true(fabs(answer.units[0].eta_s - 40) < 0.1);
    assert_true(fabs(answer.units[0].distance_m - 400) < 1);
    assert_int_equal(ask(&w, at_m(500, 0), 2, NULL, &answer), PT_OK);
    assert_true(fabs(answer.units[1].eta_s - 91.43) < 0.3);
    assert_int_equal(answer.left_out_count, 0);
    stop(&w);
}

/* A street that is one-way to the east, but not for blue light, which also
 * drives it twice as fast. */
static void by_another_profile(void **state)
{
    (void)state;
    struct geo_point points[] = {at_m(0, 0), at_m(1000, 0)};
    struct roads_edge_row row = {.way_id = 1,
                                 .source = 1,
                                 .target = 2,
                                 .forward_ms = 100000,
                                 .length_m = 1000,
                                 .points = points,
                                 .point_count = 2};
    const uint32_t blue_ms[] = {50000, 50000};
    struct roads_profile profiles[] = {
        {.name = "patrol", .forbidden_ms = ROADS_NONE},
        {.name = "emergency",
         .forbidden_ms = ROADS_NONE,
         .edge_ms = blue_ms,
         .start_ms = 64000}};
    struct world w;
    struct roads *roads;
    struct roads_route route;
    struct dispatch_answer answer;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = &row,
                                                    .edge_count = 1,
                                                    .profiles = profiles,
                                                    .profile_count = 2},
                               &roads),
                     PT_OK);
    start(&w, roads);
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    place(&w, unit_id, at_m(900, 0), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    struct dispatch_query query = {
        .at = at_m(500, 0), .k = 1, .profile = "emergency", .now_ms = NOW_MS};
    assert_int_equal(
        dispatch_nearest(w.dispatch, &w.catalog, w.fleet, &query, &answer),
        PT_OK);
    assert_int_equal(answer.count, 1);
    assert_near(answer.units[0].drive_s, 20);
    assert_near(answer.units[0].start_s, 64);
    assert_near(answer.units[0].eta_s, 84);
    /* four times the 5 s of driving, and none where it is */
    query.at = at_m(800, 0);
    assert_int_equal(
        dispatch_nearest(w.dispatch, &w.catalog, w.fleet, &query, &answer),
        PT_OK);
    assert_near(answer.units[0].eta_s, 5 + 20);
    query.at = at_m(900, 0);
    assert_int_equal(
        dispatch_nearest(w.dispatch, &w.catalog, w.fleet, &query, &answer),
        PT_OK);
    assert_near(answer.units[0].eta_s, 0);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.left_out[0].why, LEFT_OUT_NO_WAY);

    const struct fleet_unit *unit = fleet_find(w.fleet, unit_id);
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, at_m(500, 0), NULL, &route),
        PT_E_UNREACHABLE);
    assert_int_equal(dispatch_route(w.dispatch, w.fleet, unit, at_m(500, 0),
                                    "emergency", &route),
                     PT_OK);
    assert_in_range(route.drive_ms, 19900, 20100);
    roads_route_clear(&route);
    query.profile = "taxi";
    assert_int_equal(
        dispatch_nearest(w.dispatch, &w.catalog, w.fleet, &query, &answer),
        PT_E_RANGE);
    assert_false(dispatch_knows(w.dispatch, "taxi"));
    assert_true(dispatch_knows(w.dispatch, NULL));
    stop(&w);
}

/* A yard behind a gate that is not passed, with a lane of its own: whoever is
 * there is taken to the street outside, 100 m away, (100 - 30) / 2.8 = 25 s,
 * and so is a call from there. Far from any street the lane is all there is. */
static void a_lane_that_leads_nowhere(void **state)
{
    (void)state;
    struct geo_point street[] = {at_m(0, 0), at_m(1000, 0)};
    struct geo_point lane[] = {at_m(400, 100), at_m(600, 100)};
    struct geo_point far_lane[] = {at_m(400, 900), at_m(600, 900)};
    struct roads_edge_row rows[] = {
        {.way_id = 1, .source = 1, .target = 2, .points = street},
        {.way_id = 2, .source = 3, .target = 4, .points = lane, .apart = true},
        {.way_id = 3,
         .source = 5,
         .target = 6,
         .points = far_lane,
         .apart = true},
    };
    struct world w;
    struct roads *roads;
    struct dispatch_answer answer;
    for (size_t i = 0; i < 3; i++) {
        rows[i].point_count = 2;
        rows[i].length_m = i == 0 ? 1000 : 200;
        rows[i].forward_ms = rows[i].backward_ms = i == 0 ? 100000 : 20000;
    }
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = 3}, &roads),
        PT_OK);
    start(&w, roads);
    fill_catalog(&w.catalog, 2);
    place(&w, w.catalog.units[0].unit_id, at_m(500, 100), 0,
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(450, 900), 0,
          PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(700, 0), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[0]);
    assert_true(fabs(answer.units[0].eta_s - 45) < 0.3);
    assert_int_equal(ask(&w, at_m(500, 100), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_true(fabs(answer.units[0].eta_s - 50) < 0.5);
    assert_int_equal(ask(&w, at_m(550, 900), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_true(fabs(answer.units[0].eta_s - 10) < 0.1);
    stop(&w);
}

static void old_positions_stand_below(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, 3);
    place(&w, w.catalog.units[0].unit_id, at_m(500, 0), OLD_AFTER_MS + 1,
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(900, 0), OLD_AFTER_MS,
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[2].unit_id, at_m(500, 0), STALE_AFTER_MS + 1,
          PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(500, 0), 5, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 2);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_false(answer.units[0].old);
    assert_ptr_equal(answer.units[1].unit, &w.catalog.units[0]);
    assert_true(answer.units[1].old);
    assert_true(fabs(answer.units[1].position_age_s - 90.001) < 1e-6);
    assert_int_equal(answer.left_out_count, 1);
    assert_int_equal(answer.left_out[0].why, LEFT_OUT_STALE);
    stop(&w);
}

static void note_nothing(void *context, const struct fleet_unit *unit)
{
    (void)context;
    (void)unit;
}

/* Who promised 10 s and kept quiet for longer stands below who is far away,
 * however fresh its last position; so does one that is heard and has not said
 * its place for as long. */
static void silent_units_stand_below_all_others(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    struct pt_vehicle_state said = PT_VEHICLE_STATE_UNSAID;
    start(&w, make_street());
    fill_catalog(&w.catalog, 3);
    said.present = true;
    said.next_due_s = 10;
    fleet_set_listening(w.fleet, 1, INT64_MAX);
    place(&w, w.catalog.units[0].unit_id, at_m(500, 0), 0, /* clocks differ */
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(900, 0), 80000,
          PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[2].unit_id, at_m(600, 0), 15001,
          PT_STATUS_AVAILABLE);
    for (int i = 0; i < 3; i += 2) {
        int64_t heard_ms = i == 0 ? NOW_MS - 15001 : NOW_MS - 1000;
        assert_int_equal(
            fleet_heard(w.fleet, w.catalog.units[i].unit_id, &said, heard_ms),
            PT_OK);
    }
    (void)fleet_listen(w.fleet, NOW_MS, note_nothing, NULL);
    tick(&w);
    assert_int_equal(ask(&w, at_m(500, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 3);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_ptr_equal(answer.units[1].unit, &w.catalog.units[0]);
    assert_ptr_equal(answer.units[2].unit, &w.catalog.units[2]);
    assert_false(answer.units[0].old);
    assert_true(answer.units[1].old && answer.units[2].old);
    assert_int_equal(answer.units[1].state->hearing, FLEET_SILENT);
    assert_int_equal(answer.units[2].state->hearing, FLEET_HEARD);
    stop(&w);
}

static void tells_why_not(void **state)
{
    (void)state;
    static const struct {
        enum dispatch_exclusion why;
        enum pt_status status;
        double north_m;
    } cases[] = {
        {LEFT_OUT_STATUS, PT_STATUS_UNKNOWN, 0},
        {LEFT_OUT_STATUS, PT_STATUS_EN_ROUTE, 0},
        {LEFT_OUT_STATUS, PT_STATUS_ON_SCENE, 0},
        {LEFT_OUT_STATUS, PT_STATUS_BUSY, 0},
        {LEFT_OUT_STATUS, PT_STATUS_OFF_DUTY, 0},
        {LEFT_OUT_OFF_ROAD, PT_STATUS_AVAILABLE, 302},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        struct dispatch_answer answer;
        start(&w, make_street());
        fill_catalog(&w.catalog, 1);
        place(&w, w.catalog.units[0].unit_id, at_m(500, cases[i].north_m), 0,
              cases[i].status);
        tick(&w);
        assert_int_equal(ask(&w, at_m(500, 0), 5, NULL, &answer), PT_OK);
        assert_int_equal(answer.count, 0);
        assert_int_equal(answer.left_out_count, 1);
        assert_int_equal(answer.left_out[0].why, cases[i].why);
        stop(&w);
    }
    assert_string_equal(dispatch_exclusion_word(LEFT_OUT_STATUS),
                        "not_available");
    assert_string_equal(dispatch_exclusion_word(LEFT_OUT_COUNT), "unknown");
}

static void within_the_promise(void **state)
{
    (void)state;
    struct catalog_zone zone = {.promise_s = 40};
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, 2);
    place(&w, w.catalog.units[0].unit_id, at_m(101, 0), 0, PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(902, 0), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(500, 0), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.units[0].within_promise, -1);
    w.catalog.zone = &zone;
    assert_int_equal(ask(&w, at_m(500, 0), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.promise_s, 40);
    assert_int_equal(answer.units[0].within_promise, 1);
    assert_int_equal(answer.units[1].within_promise, 0);
    stop(&w);
}

static void says_what_it_cannot(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, NULL);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_E_NOTFOUND);
    w.roads = make_street();
    assert_int_equal(dispatch_set_roads(w.dispatch, w.roads, w.fleet), PT_OK);
    assert_int_equal(ask(&w, at_m(500, 301), 1, NULL, &answer), PT_E_OFFROAD);
    assert_int_equal(ask(&w, at_m(500, 0), 0, NULL, &answer), PT_E_RANGE);
    assert_int_equal(ask(&w, at_m(500, 0), DISPATCH_K_MAX + 1, NULL, &answer),
                     PT_E_RANGE);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 0);
    stop(&w);
}

/* --------------------------------------------------------------------
 * following */
static bool all_but_first(void *context, uint32_t unit_id)
{
    const struct catalog *catalog = context;
    return unit_id != catalog->units[0].unit_id;
}

static void follows_the_fleet(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, 3);
    for (size_t i = 0; i < 3; i++)
        place(&w, w.catalog.units[i].unit_id, at_m(100 + 100 * (double)i, 0),
              1000, PT_STATUS_AVAILABLE);
    tick(&w);
    const struct fleet_unit *unit =
        fleet_find(w.fleet, w.catalog.units[2].unit_id);
    assert_int_equal(unit->edge, 0);
    assert_true(abs((int)unit->offset_ms - 30000) < 20);
    /* The last moves into the slot of the first, which is forgotten. */
    fleet_keep(w.fleet, all_but_first, &w.catalog);
    tick(&w);
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 2);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_ptr_equal(answer.units[1].unit, &w.catalog.units[2]);
    assert_int_equal(answer.left_out_count, 1);
    assert_int_equal(answer.left_out[0].why, LEFT_OUT_NO_FIX);
    /* Into the sea. */
    place(&w, w.catalog.units[1].unit_id, at_m(0, 5000), 0,
          PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(fleet_find(w.fleet, w.catalog.units[1].unit_id)->edge,
                     FLEET_NO_EDGE);
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    stop(&w);
}

/* Ten fixes a second: where it is on the street follows within half a second,
 * all else at once. */
static void follows_fast_fixes_at_leisure(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    place(&w, unit_id, at_m(100, 0), 1000, PT_STATUS_AVAILABLE);
    tick(&w);
    const struct fleet_unit *unit = fleet_find(w.fleet, unit_id);
    assert_true(abs((int)unit->offset_ms - 10000) < 20);
    place(&w, unit_id, at_m(110, 0), 900, PT_STATUS_BUSY);
    assert_in_range(dispatch_follow(w.dispatch, w.fleet, NOW_MS), 1, 500);
    fleet_changes_take(w.fleet);
    assert_true(abs((int)unit->offset_ms - 10000) < 20);
    assert_int_equal(ask(&w, at_m(0, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.left_out[0].why, LEFT_OUT_STATUS);
    assert_int_equal(dispatch_follow(w.dispatch, w.fleet, NOW_MS + 500), -1);
    assert_true(abs((int)unit->offset_ms - 11000) < 20);
    stop(&w);
}

static void takes_a_new_network(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    srandom(5);
    start(&w, make_grid(0, false, 0));
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    place(&w, unit_id, at_m(500, 2000), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_not_equal(fleet_find(w.fleet, unit_id)->edge, FLEET_NO_EDGE);
    struct roads *street = make_street();
    assert_int_equal(dispatch_set_roads(w.dispatch, street, w.fleet), PT_OK);
    assert_ptr_equal(dispatch_roads(w.dispatch), street);
    assert_int_equal(fleet_find(w.fleet, unit_id)->edge, FLEET_NO_EDGE);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 0);
    assert_int_equal(dispatch_set_roads(w.dispatch, w.roads, w.fleet), PT_OK);
    roads_unref(street);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(dispatch_set_roads(w.dispatch, NULL, w.fleet), PT_OK);
    assert_int_equal(ask(&w, at_m(500, 0), 1, NULL, &answer), PT_E_NOTFOUND);
    stop(&w);
}

static void report_moving(struct world *w, uint32_t unit_id, int64_t at_ms,
                          struct geo_point at, unsigned mps)
{
    static uint64_t seq = 2000000;
    enum pt_flag flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE;
    struct batch batch;
    struct batch_item item = {
        .unit_id = unit_id,
        .generation = 1,
        .flags = flags,
        .entry = {.seq = ++seq,
                  .time_ms = NOW_MS + at_ms,
                  .at = at,
                  .speed_cmps = 100 * mps,
                  .course_cdeg = mps % 2 == 0 ? 9000 : 27000,
                  .flags = (uint8_t)flags,
                  .status = PT_STATUS_AVAILABLE},
    };
    assert_int_equal(batch_init(&batch, 1), PT_OK);
    assert_int_equal(batch_add(&batch, &item), PT_OK);
    assert_int_equal(fleet_apply(w->fleet, &batch), PT_OK);
    batch_clear(&batch);
}

/* Reported at 100 m, driving 20 m/s towards 900 m. */
static void place_driving(struct world *w, uint32_t unit_id, int64_t age_ms)
{
    report_moving(w, unit_id, -age_ms, at_m(100, 10), 20);
}

/* The street takes 1 s for 10 m (routes_one_unit). */
static void assert_drive(struct world *w, double drive_s)
{
    struct dispatch_answer answer;
    assert_int_equal(ask(w, at_m(900, 0), 1, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_true(fabs(answer.units[0].drive_s - drive_s) < 0.1);
}

static void stands_where_it_is_believed(void **state)
{
    (void)state;
    struct world w;
    struct roads_route route;
    start(&w, make_street());
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    const int64_t follow = NOW_MS;
    place_driving(&w, unit_id, 5000);
    /* 5 s at 20 m/s: at 200 m. 10 m more are done in half a second. */
    assert_in_range(dispatch_follow(w.dispatch, w.fleet, follow), 499, 502);
    fleet_changes_take(w.fleet);
    assert_drive(&w, 70);
    const struct fleet_unit *unit = fleet_find(w.fleet, unit_id);
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, at_m(900, 0), NULL, &route),
        PT_OK);
    assert_true(abs((int)route.drive_ms - 70000) < 100);
    roads_route_clear(&route);
    /* By the clock alone, no report. */
    (void)dispatch_follow(w.dispatch, w.fleet, follow + 400);
    assert_drive(&w, 70);
    (void)dispatch_follow(w.dispatch, w.fleet, follow + 5000);
    assert_drive(&w, 60);
    /* 20 s after its report it stays: at 500 m. */
    assert_int_equal(dispatch_follow(w.dispatch, w.fleet, follow + 86400000),
                     -1);
    assert_drive(&w, 40);
    stop(&w);
}

/* Along the street's end it is moved off every road; then what it said
 * counts. */
static void stands_where_it_said_where_no_road_is(void **state)
{
    (void)state;
    struct world w;
    start(&w, make_street());
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    place_driving(&w, unit_id, 0);
    struct fleet_unit *unit = fleet_at(w.fleet, 0);
    unit->course_deg = 0.0f; /* north, where there is nothing for 400 m */
    (void)dispatch_follow(w.dispatch, w.fleet, NOW_MS + 20000);
    assert_drive(&w, 80);
    assert_true(unit->off_road_m < 11.0f);
    stop(&w);
}

/* Two roads cross without a junction. Driving on the one, 6 m beside it, a
 * unit comes to where the other is nearer. */
static void a_bridge_is_not_the_road_below(void **state)
{
    (void)state;
    struct world w;
    struct geo_point east[] = {at_m(0, 0), at_m(1000, 0)};
    struct geo_point north[] = {at_m(500, -500), at_m(500, 500)};
    struct roads_edge_row rows[] = {{.way_id = 1,
                                     .source = 1,
                                     .target = 2,
                                     .forward_ms = 100000,
                                     .backward_ms = 100000,
                                     .length_m = 1000,
                                     .points = east,
                                     .point_count = 2},
                                    {.way_id = 2,
                                     .source = 3,
                                     .target = 4,
                                     .forward_ms = 100000,
                                     .backward_ms = 100000,
                                     .length_m = 1000,
                                     .points = north,
                                     .point_count = 2}};
    struct roads *roads;
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = 2}, &roads),
        PT_OK);
    start(&w, roads);
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    for (int i = 0; i <= 8; i++) {
        double x = 100 + 50 * i; /* to x = 500, 5 s apart */
        place(&w, unit_id, at_m(x, 6), 40000 - 5000 * i, PT_STATUS_AVAILABLE);
        tick(&w);
    }
    const struct fleet_unit *unit = fleet_find(w.fleet, unit_id);
    assert_int_equal(unit->edge, 0); /* and eastwards */
    assert_true(abs((int)unit->offset_ms - 50000) < 20);
    /* Nobody who comes there out of nowhere is on the bridge. */
    place(&w, w.catalog.units[0].unit_id + 1, at_m(500, 6), 0,
          PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(
        fleet_find(w.fleet, w.catalog.units[0].unit_id + 1)->edge / 2, 1);
    stop(&w);
}

/* More units than one call snaps: the next ones do the rest. */
static void moves_on_all_of_a_fleet(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_street());
    fill_catalog(&w.catalog, UNITS_MAX);
    for (size_t i = 0; i < UNITS_MAX; i++)
        place_driving(&w, w.catalog.units[i].unit_id, 0);
    (void)dispatch_follow(w.dispatch, w.fleet, NOW_MS);
    fleet_changes_take(w.fleet);
    int64_t now_ms = NOW_MS + 10000; /* 200 m on, all of them */
    for (int calls = 0; calls < 100; calls++)
        if (dispatch_follow(w.dispatch, w.fleet, now_ms) > 0)
            break;
    assert_int_equal(ask(&w, at_m(900, 0), 20, NULL, &answer), PT_OK);
    assert_true(answer.count > 1);
    for (size_t i = 0; i < answer.count; i++)
        assert_true(fabs(answer.units[i].drive_s - 60) < 0.1);
    stop(&w);
}

static void settle_both(struct world *now, struct world *later,
                        size_t *elsewhere)
{
    dispatch_settle(later->dispatch, later->fleet);
    for (uint32_t slot = 0; slot < fleet_count(now->fleet); slot++) {
        const struct roads_place *a = dispatch_place(now->dispatch, slot);
        const struct roads_place *b = dispatch_place(later->dispatch, slot);
        *elsewhere += a == NULL;
        assert_int_equal(a == NULL, b == NULL);
        if (a == NULL)
            continue;
        assert_int_equal(a->edge, b->edge);
        assert_memory_equal(&a->fraction, &b->fraction, sizeof(a->fraction));
        assert_memory_equal(&a->distance_m, &b->distance_m,
                            sizeof(a->distance_m));
    }
}

/* Two fleets that hear the same; of one it is asked now and then where its
 * units stand, and then all is as in the other. */
static void stands_the_same_when_asked(void **state)
{
    (void)state;
    struct world now, later;
    const struct dispatch_settings settings = {.stale_after_ms = STALE_AFTER_MS,
                                               .limit_ms = LIMIT_MS,
                                               .when_asked = true};
    size_t asked = 0, elsewhere = 0;
    srandom(7);
    start(&now, make_street());
    start(&later, make_street());
    fill_catalog(&now.catalog, 20);
    dispatch_free(later.dispatch);
    assert_int_equal(dispatch_new(&settings, UNITS_MAX, &later.dispatch),
                     PT_OK);
    assert_int_equal(
        dispatch_set_roads(later.dispatch, later.roads, later.fleet), PT_OK);
    for (int64_t at_ms = 0; at_ms < 120000; at_ms += 100 + random() % 400) {
        uint32_t unit_id = now.catalog.units[random() % 20].unit_id;
        /* now and then too far off for matching, or for any road */
        double north_m = random() % 8 > 0 ? 10 : (double)(random() % 500);
        struct geo_point at = at_m((double)(random() % 1000), north_m);
        unsigned mps = random() % 3 > 0 ? (unsigned)random() % 30 : 0;
        report_moving(&now, unit_id, at_ms, at, mps);
        report_moving(&later, unit_id, at_ms, at, mps);
        assert_int_equal(
            dispatch_follow(now.dispatch, now.fleet, NOW_MS + at_ms),
            dispatch_follow(later.dispatch, later.fleet, NOW_MS + at_ms));
        fleet_changes_take(now.fleet);
        fleet_changes_take(later.fleet);
        if (random() % 20 == 0) {
            asked++;
            settle_both(&now, &later, &elsewhere);
        }
    }
    assert_true(asked > 5 && elsewhere > 0);
    stop(&now);
    stop(&later);
}

static void routes_one_unit(void **state)
{
    (void)state;
    struct world w;
    struct roads_route route;
    start(&w, make_street());
    fill_catalog(&w.catalog, 1);
    uint32_t unit_id = w.catalog.units[0].unit_id;
    struct fleet_unit nowhere = {.unit_id = unit_id};
    assert_int_equal(dispatch_route(w.dispatch, w.fleet, &nowhere, at_m(900, 0),
                                    NULL, &route),
                     PT_E_NOTFOUND);
    place(&w, unit_id, at_m(100, 10), 0, PT_STATUS_BUSY);
    tick(&w);
    const struct fleet_unit *unit = fleet_find(w.fleet, unit_id);
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, at_m(900, 0), NULL, &route),
        PT_OK);
    assert_true(abs((int)route.drive_ms - 80000) < 50);
    roads_route_clear(&route);
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, at_m(900, 400), NULL, &route),
        PT_E_OFFROAD);
    stop(&w);
}

/* ------------------------------------------------------------------ closures
 */
/* Two streets, 1000 m at 10 m/s, and two bridges between them, 500 m: at 0 m
 * (edge 2) and at 1000 m (edge 3). */
#define BRIDGE 2u
static struct roads *make_banks(void)
{
    struct geo_point south[] = {at_m(0, 0), at_m(1000, 0)};
    struct geo_point north[] = {at_m(0, 500), at_m(1000, 500)};
    struct geo_point west[] = {south[0], north[0]};
    struct geo_point east[] = {south[1], north[1]};
    const struct {
        const struct geo_point *line;
        int64_t source, target;
        uint32_t ms;
    } streets[] = {{south, 1, 2, 100000},
                   {north, 3, 4, 100000},
                   {west, 1, 3, 50000},
                   {east, 2, 4, 50000}};
    struct roads_edge_row rows[4];
    struct roads *roads = NULL;
    for (size_t i = 0; i < 4; i++)
        rows[i] = (struct roads_edge_row){
            .way_id = (int64_t)i + 1,
            .source = streets[i].source,
            .target = streets[i].target,
            .forward_ms = streets[i].ms,
            .backward_ms = streets[i].ms,
            .length_m = i < 2 ? 1000 : 500,
            .points = streets[i].line,
            .point_count = 2,
        };
    assert_int_equal(
        roads_new(&(struct roads_rows){.edges = rows, .edge_count = 4}, &roads),
        PT_OK);
    return roads;
}

/* Both ways; ROADS_NONE closes. */
static void slow_bridge(struct world *w, uint32_t ms)
{
    const struct roads_slowing slowings[] = {{2 * BRIDGE, ms},
                                             {2 * BRIDGE + 1, ms}};
    struct roads_metric *metric = NULL;
    assert_int_equal(roads_metric_slowed(roads_profile(w->roads, NULL),
                                         slowings, 2, &metric),
                     PT_OK);
    assert_int_equal(dispatch_set_metrics(w->dispatch, &metric, 1, w->fleet),
                     PT_OK);
    roads_metric_unref(metric);
}

static void open_bridge(struct world *w)
{
    assert_int_equal(dispatch_set_metrics(w->dispatch, NULL, 0, w->fleet),
                     PT_OK);
}

/* One unit in the south, one in the north; the north's comes second to
 * at_m(100, 500) while the bridge is open. */
static void start_on_banks(struct world *w)
{
    start(w, make_banks());
    fill_catalog(&w->catalog, 2);
    place(w, w->catalog.units[0].unit_id, at_m(100, 0), 0, PT_STATUS_AVAILABLE);
    place(w, w->catalog.units[1].unit_id, at_m(900, 500), 0,
          PT_STATUS_AVAILABLE);
    tick(w);
}

static void a_closed_bridge_changes_the_ranking(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start_on_banks(&w);
    const struct catalog_unit *south = &w.catalog.units[0];
    const struct catalog_unit *north = &w.catalog.units[1];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ask(&w, at_m(100, 500), 2, NULL, &answer), PT_OK);
        assert_ptr_equal(answer.units[0].unit, south);
        assert_near(answer.units[0].drive_s, 10 + 50 + 10);
        assert_near(answer.units[1].drive_s, 80);
        assert_int_equal(answer.changed_count, 0);

        slow_bridge(&w, ROADS_NONE);
        assert_int_equal(ask(&w, at_m(100, 500), 2, NULL, &answer), PT_OK);
        assert_ptr_equal(answer.units[0].unit, north);
        assert_near(answer.units[0].drive_s, 80);
        assert_int_equal(answer.units[0].changed_count, 0);
        assert_near(answer.units[1].drive_s, 90 + 50 + 90);
        assert_int_equal(answer.units[1].changed_count, 1);
        assert_int_equal(answer.units[1].changed[0], 2 * BRIDGE);

        /* The one that it has pushed out counts, too. */
        assert_int_equal(ask(&w, at_m(100, 500), 1, NULL, &answer), PT_OK);
        assert_ptr_equal(answer.units[0].unit, north);
        assert_int_equal(answer.changed_count, 1);
        /* Where nobody would drive over it, it is not named. */
        assert_int_equal(ask(&w, at_m(900, 0), 2, NULL, &answer), PT_OK);
        assert_near(answer.units[0].drive_s, 10 + 50 + 10);
        assert_int_equal(answer.changed_count, 0);

        slow_bridge(&w, 55000);
        assert_int_equal(ask(&w, at_m(100, 500), 2, NULL, &answer), PT_OK);
        assert_ptr_equal(answer.units[0].unit, south);
        assert_near(answer.units[0].drive_s, 10 + 55 + 10);
        assert_int_equal(answer.units[0].changed_count, 1);
        assert_int_equal(answer.units[1].changed_count, 0);
        open_bridge(&w);
    }
    stop(&w);
}

static void a_route_tells_what_it_goes_around(void **state)
{
    (void)state;
    struct world w;
    struct roads_route route = {0};
    const uint32_t *changed = NULL;
    size_t count = 9;
    start_on_banks(&w);
    const struct fleet_unit *unit =
        fleet_find(w.fleet, w.catalog.units[0].unit_id);
    struct geo_point goal = at_m(100, 500);
    assert_int_equal(dispatch_route_changed(w.dispatch, w.fleet, unit, goal,
                                            NULL, &changed, &count),
                     PT_OK);
    assert_int_equal(count, 0);
    slow_bridge(&w, ROADS_NONE);
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, goal, NULL, &route), PT_OK);
    assert_near(route.drive_ms / 1000.0, 90 + 50 + 90);
    roads_route_clear(&route);
    assert_int_equal(dispatch_route_changed(w.dispatch, w.fleet, unit, goal,
                                            NULL, &changed, &count),
                     PT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(changed[0], 2 * BRIDGE);
    /* and the search goes on with what is closed */
    assert_int_equal(
        dispatch_route(w.dispatch, w.fleet, unit, goal, NULL, &route), PT_OK);
    assert_near(route.drive_ms / 1000.0, 90 + 50 + 90);
    roads_route_clear(&route);
    stop(&w);
}

/* Who stands in a closed street, and who calls from there, is reached from and
 * to the nearest open one. */
static void a_closed_street_has_its_ends(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start_on_banks(&w);
    uint32_t inside = w.catalog.units[1].unit_id;
    place(&w, inside, at_m(0, 100), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    slow_bridge(&w, ROADS_NONE);
    /* 100 m to the street in the south, 30 of them free; 30 m along it */
    assert_int_equal(ask(&w, at_m(30, 0), 2, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.units[1].unit->unit_id, inside);
    assert_near(answer.units[1].drive_s, 3);
    assert_near(answer.units[1].access_s, 70 / 2.8);
    assert_int_equal(answer.units[1].changed_count, 1);
    /* to a place on it, 200 m from the south */
    assert_int_equal(ask(&w, at_m(0, 200), 1, NULL, &answer), PT_OK);
    assert_near(answer.units[0].drive_s, 10);
    assert_near(answer.units[0].access_s, 170 / 2.8);
    assert_int_equal(answer.target.edge, 0);
    assert_int_equal(answer.units[0].changed_count, 1);
    open_bridge(&w);
    assert_int_equal(ask(&w, at_m(30, 0), 2, NULL, &answer), PT_OK);
    assert_near(answer.units[1].drive_s, 13);
    assert_near(answer.units[1].access_s, 0);
    stop(&w);
}

static void takes_no_metric_of_another_network(void **state)
{
    (void)state;
    struct world w;
    struct roads *other = make_banks();
    struct roads_metric *metric = NULL;
    start_on_banks(&w);
    assert_int_equal(
        roads_metric_slowed(roads_profile(other, NULL), NULL, 0, &metric),
        PT_OK);
    assert_int_equal(dispatch_set_metrics(w.dispatch, &metric, 1, w.fleet),
                     PT_E_RANGE);
    struct roads_metric *own = NULL;
    assert_int_equal(
        roads_metric_slowed(roads_profile(w.roads, NULL), NULL, 0, &own),
        PT_OK);
    assert_int_equal(dispatch_set_metrics(w.dispatch, &own, 1, w.fleet), PT_OK);
    roads_metric_unref(own);
    /* another network has none of them */
    assert_int_equal(dispatch_set_roads(w.dispatch, other, w.fleet), PT_OK);
    assert_int_equal(dispatch_set_metrics(w.dispatch, &metric, 1, w.fleet),
                     PT_OK);
    roads_metric_unref(metric);
    roads_unref(other);
    stop(&w);
}

/* What is kept from query to query is made anew when a unit is heard for the
 * first time, when slots move and when another catalog is in force. */
static void follows_catalog_and_fleet(void **state)
{
    (void)state;
    struct world w;
    struct dispatch_answer answer;
    start(&w, make_grid(0, false, 0));
    fill_catalog(&w.catalog, 3);
    place(&w, w.catalog.units[0].unit_id, at_m(100, 0), 0, PT_STATUS_AVAILABLE);
    place(&w, w.catalog.units[1].unit_id, at_m(200, 0), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.left_out_count, 1);
    assert_ptr_equal(answer.left_out[0].unit, &w.catalog.units[2]);
    assert_null(answer.left_out[0].state);

    place(&w, w.catalog.units[2].unit_id, at_m(300, 0), 0, PT_STATUS_AVAILABLE);
    tick(&w);
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 3);
    assert_ptr_equal(answer.units[2].unit, &w.catalog.units[2]);

    fleet_keep(w.fleet, all_but_first, &w.catalog);
    tick(&w);
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 2);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_ptr_equal(answer.units[1].unit, &w.catalog.units[2]);

    uint32_t on_foot = w.catalog.units[1].unit_id;
    fill_catalog(&w.catalog, 3);
    w.catalog.units[1].unit_id = w.catalog.units[2].unit_id;
    w.catalog.units[2].unit_id = on_foot;
    w.catalog.units[2].kind = (char *)"foot";
    assert_int_equal(ask(&w, at_m(0, 0), 3, NULL, &answer), PT_OK);
    assert_int_equal(answer.count, 1);
    assert_ptr_equal(answer.units[0].unit, &w.catalog.units[1]);
    assert_int_equal(answer.left_out_count, 2);
    assert_int_equal(answer.left_out[1].why, LEFT_OUT_KIND);
    assert_int_equal(answer.left_out[1].state->unit_id, on_foot);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_as_the_naive_one),
        cmocka_unit_test(a_yard_is_not_the_street),
        cmocka_unit_test(old_positions_stand_below),
        cmocka_unit_test(silent_units_stand_below_all_others),
        cmocka_unit_test(tells_why_not),
        cmocka_unit_test(within_the_promise),
        cmocka_unit_test(says_what_it_cannot),
        cmocka_unit_test(follows_the_fleet),
        cmocka_unit_test(follows_fast_fixes_at_leisure),
        cmocka_unit_test(takes_a_new_network),
        cmocka_unit_test(routes_one_unit),
        cmocka_unit_test(stands_where_it_is_believed),
        cmocka_unit_test(stands_where_it_said_where_no_road_is),
        cmocka_unit_test(a_bridge_is_not_the_road_below),
        cmocka_unit_test(moves_on_all_of_a_fleet),
        cmocka_unit_test(stands_the_same_when_asked),
        cmocka_unit_test(by_another_profile),
        cmocka_unit_test(a_lane_that_leads_nowhere),
        cmocka_unit_test(a_closed_bridge_changes_the_ranking),
        cmocka_unit_test(a_route_tells_what_it_goes_around),
        cmocka_unit_test(a_closed_street_has_its_ends),
        cmocka_unit_test(takes_no_metric_of_another_network),
        cmocka_unit_test(follows_catalog_and_fleet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

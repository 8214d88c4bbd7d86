/* coverage: against asking for every unit's way to every mission and street
 * piece, and counting; alarms on a clock of our own. */
#include "coverage.h"

#include "catalog_internal.h"
#include "fail_alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define SIDE 8
#define APART_M 400.0 /* two pieces of street */
#define EDGES_MAX (2 * SIDE * SIDE)
#define UNITS 45 /* more than a mission keeps */
#define MISSIONS 70
#define REACH_M 300.0

static uint32_t start_ms; /* of the profile of grids made from now on */

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

static double access_s(double off_road_m)
{
    return off_road_m <= 30 ? 0 : (off_road_m - 30) / 2.8;
}

static const struct coverage_settings settings = {
    .promise_s = 100,
    .level = 1,
    .zone_percent = 80,
    .lost_after_ms = 10000,
    .regained_after_ms = 20000,
    .reach_m = REACH_M,
    .access_s = access_s,
    .start_share = 4,
    .tables_max_bytes = 1 << 20,
};

/* ------------------------------------------------------------------- a city */
static const struct geo_point corner = {23100000, -82400000};

static struct geo_point at_m(double east_m, double north_m)
{
    struct geo_plane plane = geo_plane_at(corner);
    return geo_from_plane(&plane, east_m, north_m);
}

static struct roads *make_grid(double one_way_share)
{
    static struct geo_point ends[EDGES_MAX][2];
    static struct roads_edge_row rows[EDGES_MAX];
    size_t count = 0;
    for (int i = 0; i < 2 * SIDE * SIDE; i++) {
        int x = i / 2 % SIDE, y = i / 2 / SIDE;
        int x2 = x + (i % 2 == 0), y2 = y + (i % 2 == 1);
        if (x2 == SIDE || y2 == SIDE)
            continue;
        uint32_t ms = (uint32_t)(APART_M / (4 + any(16)) * 1000);
        bool one_way = any(1000) < one_way_share * 1000;
        ends[count][0] = at_m(x * APART_M, y * APART_M);
        ends[count][1] = at_m(x2 * APART_M, y2 * APART_M);
        rows[count] = (struct roads_edge_row){
            .way_id = (int64_t)count + 1,
            .source = y * SIDE + x + 1,
            .target = y2 * SIDE + x2 + 1,
            .forward_ms = ms,
            .backward_ms = one_way ? 0 : ms,
            .length_m = (float)APART_M,
            .points = ends[count],
            .point_count = 2,
        };
        count++;
    }
    const struct roads_profile profile = {
        .name = "patrol",
        .start_ms = start_ms,
        .turn_ms[ROADS_ROUND] = ROADS_NONE,
        .forbidden_ms = ROADS_NONE,
    };
    const struct roads_rows all = {.edges = rows,
                                   .edge_count = count,
                                   .profiles = &profile,
                                   .profile_count = 1};
    struct roads *roads;
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

static void add_zone(struct catalog *catalog, uint32_t id, const char *name,
                     int promise_s, const struct geo_point *points,
                     uint32_t count, double area_m2)
{
    uint32_t starts[] = {0, count};
    struct catalog_zone zone = {.zone_id = id,
                                .name = (char *)(uintptr_t)name,
                                .promise_s = promise_s,
                                .time_zone = (char *)(uintptr_t) "UTC",
                                .geojson = (char *)(uintptr_t) "{}",
                                .points = (struct geo_point *)(uintptr_t)points,
                                .ring_start = starts,
                                .ring_count = 1};
    assert_int_equal(catalog_add_zone(catalog, &zone, area_m2), PT_OK);
}

static void add_box(struct catalog *catalog, uint32_t id, const char *name,
                    int promise_s, double west_m, double south_m, double east_m,
                    double north_m)
{
    const struct geo_point points[] = {
        at_m(west_m, south_m), at_m(east_m, south_m), at_m(east_m, north_m),
        at_m(west_m, north_m), at_m(west_m, south_m)};
    add_zone(catalog, id, name, promise_s, points, 5,
             (east_m - west_m) * (north_m - south_m));
}

static struct catalog *reserve(size_t missions, size_t zones)
{
    const struct catalog_counts counts = {.missions = missions, .zones = zones};
    struct catalog *catalog;
    assert_int_equal(catalog_new(&catalog), PT_OK);
    assert_int_equal(catalog_reserve(catalog, &counts), PT_OK);
    return catalog;
}

static void add_mission(struct catalog *catalog, uint32_t id,
                        struct geo_point at)
{
    char name[32];
    snprintf(name, sizeof(name), "mission %03u", id);
    assert_int_equal(catalog_add_mission(catalog, id, NULL, name, "embassy", at,
                                         CATALOG_NO_ZONE),
                     PT_OK);
}

/* A ward in a town, one zone apart, and a mission in seven in the sea. */
static struct catalog *make_catalog(void)
{
    struct catalog *catalog = reserve(MISSIONS, 3);
    add_box(catalog, 1, "town", 120, -500, -500, 2100, 2100);
    add_box(catalog, 2, "ward", 60, 300, 300, 1100, 1100);
    add_box(catalog, 3, "apart", 0, 2200, 0, 3000, 3000);
    for (uint32_t i = 0; i < MISSIONS; i++)
        add_mission(catalog, i + 1,
                    i % 7 == 6 ? at_m(-5000, i * 10.0)
                               : at_m(any(2800), any(2800)));
    catalog_finish(catalog);
    return catalog;
}

struct city {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage *coverage;
    struct coverage_basis *basis;
    struct roads_standing *standing;
    struct roads_search *search;
    bool there[UNITS];
    struct coverage_unit units[UNITS];
};

static struct coverage_basis *make_basis(const struct coverage_settings *s,
                                         struct catalog *catalog,
                                         const struct roads *roads)
{
    const struct roads_metric *metric = roads_profile(roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    struct coverage_basis *basis;
    assert_int_equal(coverage_basis_new(s, catalog, &metrics, &basis), PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_OK);
    return basis;
}

static void build(struct city *city, const struct coverage_settings *s,
                  struct catalog *catalog)
{
    memset(city, 0, sizeof(*city));
    city->roads = make_grid(0.3);
    city->catalog = catalog;
    assert_int_equal(coverage_new(s, UNITS, &city->coverage), PT_OK);
    assert_int_equal(roads_standing_new(city->roads, UNITS, &city->standing),
                     PT_OK);
    assert_int_equal(roads_search_new(city->roads, &city->search), PT_OK);
    city->basis = make_basis(s, catalog, city->roads);
    assert_int_equal(coverage_set_basis(city->coverage, city->basis, NOW_MS),
                     PT_OK);
}

static void tear_down(struct city *city)
{
    coverage_free(city->coverage);
    coverage_basis_unref(city->basis);
    roads_search_free(city->search);
    roads_standing_free(city->standing);
    roads_unref(city->roads);
    catalog_free(city->catalog);
}

static void put(struct city *city, uint32_t slot, const struct coverage_unit *u)
{
    const struct roads_place nowhere = {.edge = ROADS_NONE};
    city->there[slot] = u != NULL;
    if (u != NULL)
        city->units[slot] = *u;
    roads_standing_put(city->standing, slot, u == NULL ? &nowhere : &u->place);
    assert_int_equal(coverage_put(city->coverage, slot, u, NOW_MS), PT_OK);
}

static struct coverage_unit any_unit(const struct roads *roads)
{
    struct coverage_unit unit = {.until_ms = INT64_MAX};
    unit.place.edge = any((uint32_t)roads_edge_count(roads));
    unit.place.fraction = any(4) == 0 ? any(2) : any(1000) / 1000.0;
    unit.place =
        roads_place_on(roads, 2 * unit.place.edge, unit.place.fraction);
    unit.late_ms = any(3) == 0 ? any(60000) : 0;
    return unit;
}

/* ------------------------------------------------------------ the plain count
 */
struct plain {
    size_t count;
    struct coverage_arrival all[UNITS];
};

static int by_eta(const void *left, const void *right)
{
    const struct coverage_arrival *a = left, *b = right;
    if (a->eta_ms != b->eta_ms)
        return a->eta_ms < b->eta_ms ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static uint32_t with_start(uint32_t drive_ms)
{
    return drive_ms + (4 * drive_ms < start_ms ? 4 * drive_ms : start_ms);
}

static struct plain ask_all(const struct city *city,
                            const struct roads_place *to)
{
    struct roads_arrival arrivals[UNITS];
    struct plain plain = {0};
    assert_int_equal(roads_nearest(city->search, city->standing, to, UNITS,
                                   ROADS_NONE, NULL, NULL, arrivals,
                                   &plain.count),
                     PT_OK);
    for (size_t i = 0; i < plain.count; i++)
        plain.all[i] = (struct coverage_arrival){
            arrivals[i].slot, with_start(arrivals[i].drive_ms) +
                                  city->units[arrivals[i].slot].late_ms};
    qsort(plain.all, plain.count, sizeof(plain.all[0]), by_eta);
    return plain;
}

/* Time tables are right to 50 ms, of a short drive with its start to five times
 * that: so near the promise either may be. */
#define FUZZ_MS 250

static bool may_be(const struct plain *plain, uint32_t promise_ms,
                   size_t within, size_t most)
{
    size_t least = 0, greatest = 0;
    for (size_t i = 0; i < plain->count; i++) {
        least += plain->all[i].eta_ms + FUZZ_MS <= promise_ms;
        greatest += plain->all[i].eta_ms <= promise_ms + FUZZ_MS;
    }
    least = least < most ? least : most;
    greatest = greatest < most ? greatest : most;
    return within >= least && within <= greatest;
}

static int promise_at(const struct city *city, struct geo_point at)
{
    const struct catalog_zone *zone = catalog_zone_at(city->catalog, at);
    return zone != NULL && zone->promise_s > 0 ? zone->promise_s
                                               : settings.promise_s;
}

static void check_mission(const struct city *city, size_t index)
{
    struct coverage_mission got = coverage_mission(city->coverage, index);
    const struct catalog_mission *m = catalog_mission(city->catalog, index);
    struct roads_place place;
    bool off = roads_snap(city->roads, m->at, REACH_M, &place) != PT_OK;
    assert_int_equal(got.off_road, off);
    if (off) {
        assert_int_equal(got.found, 0);
        assert_int_equal(got.within, 0);
        return;
    }
    assert_int_equal(got.promise_s, promise_at(city, m->at));
    struct plain plain = ask_all(city, &place);
    uint32_t access_ms = (uint32_t)lround(access_s(place.distance_m) * 1000);
    for (size_t i = 0; i < plain.count; i++)
        plain.all[i].eta_ms += access_ms;
    assert_int_equal(got.found, plain.count < 3 ? plain.count : 3);
    for (size_t i = 0; i < got.found; i++) {
        uint32_t own_ms = 0;
        for (size_t j = 0; j < plain.count; j++)
            if (plain.all[j].slot == got.first[i].slot)
                own_ms = plain.all[j].eta_ms;
        assert_true(abs((int)own_ms - (int)got.first[i].eta_ms) <= FUZZ_MS);
        assert_true(abs((int)plain.all[i].eta_ms - (int)own_ms) <= 2 * FUZZ_MS);
    }
    assert_true(may_be(&plain, (uint32_t)got.promise_s * 1000, got.within, 3));
}

/* Zones' counts are those of their missions. */
static void check_zones(const struct city *city)
{
    size_t zones = catalog_zone_count(city->catalog);
    for (size_t z = 0; z <= zones; z++) {
        struct coverage_zone got = coverage_zone(city->coverage, z);
        size_t missions = 0, off_road = 0, within[3] = {0};
        for (size_t i = 0; i < catalog_mission_count(city->catalog); i++) {
            struct coverage_mission m = coverage_mission(city->coverage, i);
            if (z < zones && !catalog_zone_holds(got.zone, m.mission->at))
                continue;
            missions++;
            off_road += m.off_road;
            for (size_t k = 0; k < m.within; k++)
                within[k]++;
        }
        assert_int_equal(got.missions, missions);
        assert_int_equal(got.off_road, off_road);
        assert_int_equal(got.promised, missions - off_road);
        assert_memory_equal(got.within, within, sizeof(within));
    }
}

/* What is lost without a unit: take it away, look, and put it back. */
static void check_uncovers(struct city *city, uint32_t slot)
{
    struct coverage_loss losses[MISSIONS];
    size_t before[MISSIONS], lost = 0;
    size_t count =
        coverage_uncovers(city->coverage, slot, ROADS_NONE, losses, MISSIONS);
    struct coverage_unit unit = city->units[slot];
    if (count > 0)
        assert_int_equal(
            coverage_uncovers(city->coverage, slot, losses[0].mission, NULL, 0),
            count - 1);
    for (size_t i = 0; i < MISSIONS; i++)
        before[i] = coverage_mission(city->coverage, i).within;
    put(city, slot, NULL);
    for (uint32_t i = 0; i < MISSIONS; i++) {
        struct coverage_mission m = coverage_mission(city->coverage, i);
        if (before[i] < settings.level || m.within >= settings.level)
            continue;
        assert_true(lost < count);
        assert_int_equal(losses[lost].mission, i);
        assert_int_equal(losses[lost++].next_ms,
                         m.found > 0 ? m.first[0].eta_ms : ROADS_NONE);
    }
    assert_int_equal(lost, count);
    put(city, slot, &unit);
}

static void check_piece(const struct city *city, uint32_t index,
                        const struct plain *plain, uint32_t promise_ms)
{
    const struct coverage_streets *streets = coverage_streets(city->coverage);
    struct coverage_piece piece = coverage_piece(streets, index);
    assert_int_equal(coverage_piece_count(streets),
                     2 * roads_edge_count(city->roads));
    assert_int_equal(piece.line.edge, index / 2);
    assert_true(piece.line.from == (index % 2 == 0 ? 0.0f : 0.5f));
    assert_true(piece.line.to == (index % 2 == 0 ? 0.5f : 1.0f));
    assert_true(fabs(piece.length_m - APART_M / 2) < 0.1);
    assert_int_equal(piece.promise_ms, promise_ms);
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        assert_int_equal(piece.first_ms[k],
                         k < plain->count ? plain->all[k].eta_ms : ROADS_NONE);
}

static void check_streets(struct city *city)
{
    struct coverage_streets *job;
    const struct coverage_gap *gaps;
    double length_m[4] = {0}, within_m[4][3] = {{0}}, out_m = 0;
    size_t zones = catalog_zone_count(city->catalog);
    assert_int_equal(coverage_streets_begin(city->coverage, NOW_MS, &job),
                     PT_OK);
    coverage_streets_end(city->coverage, job, coverage_streets_run(job));
    assert_int_equal(coverage_streets_ms(city->coverage), NOW_MS);
    for (uint32_t piece = 0; piece < 2 * roads_edge_count(city->roads);
         piece++) {
        struct roads_place place = roads_place_on(city->roads, piece & ~1u,
                                                  piece % 2 == 0 ? 0.25 : 0.75);
        struct plain plain = ask_all(city, &place);
        uint32_t promise_ms = (uint32_t)promise_at(city, place.at) * 1000;
        size_t n = 0;
        while (n < plain.count && n < 3 && plain.all[n].eta_ms <= promise_ms)
            n++;
        out_m += n == 0 ? APART_M / 2 : 0;
        check_piece(city, piece, &plain, promise_ms);
        for (size_t z = 0; z <= zones; z++) {
            if (z < zones &&
                !catalog_zone_holds(catalog_zone(city->catalog, z), place.at))
                continue;
            length_m[z] += APART_M / 2;
            for (size_t k = 0; k < n; k++)
                within_m[z][k] += APART_M / 2;
        }
    }
    for (size_t z = 0; z <= zones; z++) {
        struct coverage_zone got = coverage_zone(city->coverage, z);
        assert_true(fabs(got.length_m - length_m[z]) < 0.1);
        for (size_t k = 0; k < 3; k++)
            assert_true(fabs(got.within_m[k] - within_m[z][k]) < 0.1);
    }
    size_t count = coverage_gaps(city->coverage, &gaps);
    for (size_t i = 0; i < count; i++)
        out_m -= gaps[i].length_m;
    assert_true(fabs(out_m) < 0.1);
}

/* The same figures without what they are made of. */
static void check_figures(struct city *city)
{
    struct coverage_streets *job;
    struct coverage_zone before[4];
    size_t zones = catalog_zone_count(city->catalog);
    for (size_t z = 0; z <= zones; z++)
        before[z] = coverage_zone(city->coverage, z);
    assert_int_equal(coverage_streets_begin(city->coverage, NOW_MS, &job),
                     PT_OK);
    coverage_streets_figures(job);
    coverage_streets_end(city->coverage, job, coverage_streets_run(job));
    for (size_t z = 0; z <= zones; z++) {
        struct coverage_zone now = coverage_zone(city->coverage, z);
        assert_memory_equal(now.within_m, before[z].within_m,
                            sizeof(now.within_m));
        assert_memory_equal(&now.length_m, &before[z].length_m,
                            sizeof(now.length_m));
    }
}

/* ------------------------------------------------------------------- areas */
static double from_segment_m(struct geo_point p, struct geo_point a,
                             struct geo_point b)
{
    struct geo_plane plane = geo_plane_at(p);
    double ax, ay, bx, by;
    geo_to_plane(&plane, a, &ax, &ay);
    geo_to_plane(&plane, b, &bx, &by);
    double dx = bx - ax, dy = by - ay, length2 = dx * dx + dy * dy;
    double t = length2 > 0 ? -(ax * dx + ay * dy) / length2 : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return hypot(ax + t * dx, ay + t * dy);
}

struct nearest {
    struct geo_point to, last;
    bool has_last;
    double least_m;
};

static void look_at(void *context, struct geo_point at)
{
    struct nearest *n = context;
    if (n->has_last)
        n->least_m = fmin(n->least_m, from_segment_m(n->to, n->last, at));
    n->last = at;
    n->has_last = true;
}

/* Streets, and the ways to the missions. */
static double from_gap_m(const struct city *city,
                         const struct coverage_gap *gap, struct geo_point p)
{
    struct nearest n = {.to = p, .least_m = INFINITY};
    for (size_t i = 0; i < gap->line_count; i++) {
        n.has_last = false;
        coverage_line_points(city->roads, &gap->lines[i], look_at, &n);
    }
    for (size_t i = 0; i < gap->mission_count; i++) {
        struct geo_point at =
            catalog_mission(city->catalog, gap->missions[i])->at;
        struct roads_place place;
        assert_int_equal(roads_snap(city->roads, at, REACH_M, &place), PT_OK);
        n.least_m = fmin(n.least_m, from_segment_m(p, at, place.at));
    }
    return n.least_m;
}

/* By the number of outlines crossed on the way north. */
static bool lies_in(const struct coverage_ring *rings, size_t count,
                    struct geo_point p)
{
    bool in = false;
    for (size_t r = 0; r < count; r++)
        for (uint32_t i = 1; i < rings[r].point_count; i++) {
            struct geo_point a = rings[r].points[i - 1], b = rings[r].points[i];
            if ((a.lon_e6 > p.lon_e6) == (b.lon_e6 > p.lon_e6))
                continue;
            double at = a.lat_e6 + (double)(b.lat_e6 - a.lat_e6) *
                                       (p.lon_e6 - a.lon_e6) /
                                       (b.lon_e6 - a.lon_e6);
            in ^= at > p.lat_e6;
        }
    return in;
}

/* Twice what it encloses; above 0 when that is to its left. */
static double turned(const struct coverage_ring *ring)
{
    double sum = 0;
    const struct geo_point *p = ring->points;
    for (uint32_t i = 1; i < ring->point_count; i++)
        sum += (double)(p[i - 1].lon_e6 - p[0].lon_e6) *
                   (p[i].lat_e6 - p[0].lat_e6) -
               (double)(p[i].lon_e6 - p[0].lon_e6) *
                   (p[i - 1].lat_e6 - p[0].lat_e6);
    return sum;
}

/* A quarter of a circle has two sides, whose middles are
 * 30 cos(pi / 8) = 27.7 m from its centre; then 0.2 m for rounding. */
static void check_area(const struct city *city, const struct coverage_gap *gap,
                       const struct coverage_ring *rings, size_t count)
{
    assert_true(count > 0 && !rings[0].is_hole);
    for (size_t r = 0; r < count; r++) {
        assert_true(rings[r].point_count >= 4);
        assert_memory_equal(&rings[r].points[0],
                            &rings[r].points[rings[r].point_count - 1],
                            sizeof(struct geo_point));
        assert_int_equal(turned(&rings[r]) < 0, rings[r].is_hole);
    }
    for (int i = 0; i < 300; i++) {
        struct geo_point p = at_m(any(3200) - 200.0, any(3200) - 200.0);
        double off_m = from_gap_m(city, gap, p);
        if (off_m < 27.5)
            assert_true(lies_in(rings, count, p));
        else if (off_m > 30.2)
            assert_false(lies_in(rings, count, p));
    }
    for (size_t i = 0; i < gap->mission_count; i++)
        assert_true(
            lies_in(rings, count,
                    catalog_mission(city->catalog, gap->missions[i])->at));
}

static struct coverage_areas *make_areas(struct city *city,
                                         const struct coverage_areas *before)
{
    struct coverage_streets *job;
    struct coverage_areas *areas;
    assert_int_equal(coverage_streets_begin(city->coverage, NOW_MS, &job),
                     PT_OK);
    coverage_streets_end(city->coverage, job, coverage_streets_run(job));
    assert_int_equal(
        coverage_areas_new(coverage_streets(city->coverage), &areas), PT_OK);
    assert_int_equal(coverage_areas_fill(areas, before), PT_OK);
    return areas;
}

static bool same_areas(const struct coverage_areas *a,
                       const struct coverage_areas *b, size_t gaps)
{
    for (size_t i = 0; i < gaps; i++) {
        const struct coverage_ring *left, *right;
        size_t count = coverage_area(a, i, &left);
        if (coverage_area(b, i, &right) != count)
            return false;
        for (size_t r = 0; r < count; r++)
            if (left[r].is_hole != right[r].is_hole ||
                left[r].point_count != right[r].point_count ||
                memcmp(left[r].points, right[r].points,
                       left[r].point_count * sizeof(*left[r].points)) != 0)
                return false;
    }
    return true;
}

static void areas_hold_their_streets_and_missions(void **state)
{
    (void)state;
    struct city city;
    struct coverage_areas *before = NULL;
    size_t seen = 0, named = 0, holes = 0;
    srandom(7);
    start_ms = 0;
    build(&city, &settings, make_catalog());
    for (uint32_t round = 0; round < 6; round++) {
        const struct coverage_gap *gaps;
        struct coverage_unit unit = any_unit(city.roads);
        if (round > 0) /* the first has nobody: all is one gap */
            put(&city, round, &unit);
        struct coverage_areas *areas = make_areas(&city, before);
        struct coverage_areas *anew = make_areas(&city, NULL);
        size_t count =
            coverage_streets_gaps(coverage_areas_streets(areas), &gaps);
        assert_true(same_areas(areas, anew, count));
        for (size_t i = 0; i < count; i++) {
            const struct coverage_ring *rings;
            size_t ring_count = coverage_area(areas, i, &rings);
            check_area(&city, &gaps[i], rings, ring_count);
            seen++;
            named += gaps[i].mission_count;
            for (size_t r = 0; r < ring_count; r++)
                holes += rings[r].is_hole;
        }
        coverage_areas_unref(anew);
        coverage_areas_unref(before);
        before = areas;
    }
    assert_true(seen > 6 && named > 6 && holes > 6);
    /* held, they outlive the coverage */
    struct coverage_streets *kept =
        coverage_streets_ref(coverage_areas_streets(before));
    coverage_areas_unref(before);
    tear_down(&city);
    assert_int_equal(coverage_streets_at_ms(kept), NOW_MS);
    coverage_streets_unref(kept);
    coverage_areas_unref(NULL);
    coverage_streets_unref(NULL);
}

static void agrees_with_asking_for_every_way(void **state)
{
    (void)state;
    srandom(20261121);
    for (int round = 0; round < 6; round++) {
        struct city city;
        start_ms = round < 2 ? 0 : 20000;
        build(&city, &settings, make_catalog());
        for (int step = 0; step < 400; step++) {
            uint32_t slot = any(UNITS);
            struct coverage_unit unit = any_unit(city.roads);
            /* few now and then, so that lists run dry */
            put(&city, slot, any(step % 100 < 50 ? 10 : 2) == 0 ? NULL : &unit);
            check_mission(&city, any(MISSIONS));
            if (step % 50 != 49)
                continue;
            for (size_t i = 0; i < MISSIONS; i++)
                check_mission(&city, i);
            check_zones(&city);
            for (slot = 0; slot < UNITS; slot++)
                if (city.there[slot])
                    check_uncovers(&city, slot);
        }
        check_streets(&city);
        check_figures(&city);
        tear_down(&city);
    }
}

/* A new basis on the same network answers as if all were put again. */
static void a_new_basis_keeps_the_units(void **state)
{
    (void)state;
    struct city city;
    srandom(4);
    start_ms = 0;
    build(&city, &settings, make_catalog());
    for (uint32_t slot = 0; slot < UNITS; slot++) {
        struct coverage_unit unit = any_unit(city.roads);
        put(&city, slot, &unit);
    }
    struct catalog *other = make_catalog();
    struct coverage_basis *basis = make_basis(&settings, other, city.roads);
    assert_int_equal(coverage_set_basis(city.coverage, basis, NOW_MS), PT_OK);
    coverage_basis_unref(city.basis);
    catalog_free(city.catalog);
    city.basis = basis;
    city.catalog = other;
    assert_int_equal(coverage_unit_count(city.coverage), UNITS);
    for (size_t i = 0; i < MISSIONS; i++)
        check_mission(&city, i);
    check_zones(&city);
    coverage_trim(city.coverage, 0, NOW_MS);
    assert_int_equal(coverage_unit_count(city.coverage), 0);
    for (size_t i = 0; i < MISSIONS; i++)
        assert_int_equal(coverage_mission(city.coverage, i).found, 0);
    tear_down(&city);
}

/* -------------------------------------------------------- a street by hand */
/* One street of two edges, west to east, a minute each; 400 m each. */
static struct roads *make_street(void)
{
    static struct geo_point ends[2][2];
    static struct roads_edge_row rows[2];
    for (int i = 0; i < 2; i++) {
        ends[i][0] = at_m(i * 400.0, 0);
        ends[i][1] = at_m((i + 1) * 400.0, 0);
        rows[i] = (struct roads_edge_row){
            .way_id = 1,
            .source = i + 1,
            .target = i + 2,
            .forward_ms = 60000,
            .backward_ms = 60000,
            .length_m = 400,
            .points = ends[i],
            .point_count = 2,
        };
    }
    const struct roads_rows all = {.edges = rows, .edge_count = 2};
    struct roads *roads;
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

struct heard {
    int count;
    struct coverage_alarm last[8];
};

static void hear(void *context, const struct coverage_alarm *alarm)
{
    struct heard *heard = context;
    assert_true(heard->count < 8);
    heard->last[heard->count++] = *alarm;
}

static struct coverage_unit unit_at(const struct roads *roads, uint32_t edge,
                                    double fraction)
{
    return (struct coverage_unit){
        .place = roads_place_on(roads, 2 * edge, fraction),
        .until_ms = INT64_MAX,
    };
}

struct street {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage *coverage;
    struct heard heard;
};

/* A mission at the eastern end, promised a minute and a half, in a zone. */
static void open_street(struct street *s)
{
    *s = (struct street){.roads = make_street(), .catalog = reserve(1, 1)};
    add_box(s->catalog, 7, "east", 90, 400, -100, 900, 100);
    add_mission(s->catalog, 5, at_m(800, 0));
    catalog_finish(s->catalog);
    assert_int_equal(coverage_new(&settings, 4, &s->coverage), PT_OK);
    struct coverage_basis *basis = make_basis(&settings, s->catalog, s->roads);
    assert_int_equal(coverage_set_basis(s->coverage, basis, NOW_MS), PT_OK);
    coverage_basis_unref(basis);
}

static void close_street(struct street *s)
{
    coverage_free(s->coverage);
    catalog_free(s->catalog);
    roads_unref(s->roads);
}

static int64_t follow(struct street *s, int64_t after_ms)
{
    s->heard.count = 0;
    return coverage_follow(s->coverage, NOW_MS + after_ms, hear, &s->heard);
}

static void put_at(struct street *s, double fraction, int64_t after_ms)
{
    struct coverage_unit unit = unit_at(s->roads, 0, fraction);
    assert_int_equal(coverage_put(s->coverage, 0, &unit, NOW_MS + after_ms),
                     PT_OK);
}

/* The town promises 120 s, the ward in it 60, the zone apart none, and what
 * lies in none of them is promised 100. */
static int promised_instead(const struct catalog_zone *zone, int town_s,
                            int else_s)
{
    if (zone != NULL && zone->zone_id == 2)
        return 30;
    return zone != NULL && zone->zone_id == 1 ? town_s : else_s;
}

static void other_promises_use_the_same_tables(void **state)
{
    (void)state;
    struct city city;
    struct coverage_promise promises[] = {{2, 30}, {3, 0}};
    struct coverage_settings other = settings;
    struct coverage_basis *basis;
    srandom(5);
    start_ms = 0;
    build(&city, &settings, make_catalog());
    for (uint32_t slot = 0; slot < 20; slot++) {
        struct coverage_unit unit = any_unit(city.roads);
        put(&city, slot, &unit);
    }
    other.promises = promises;
    other.promise_count = 2;
    for (int round = 0; round < 2; round++) {
        other.every_promise_s = round == 0 ? 0 : 45;
        const struct coverage_metrics *metrics =
            coverage_basis_metrics(city.basis);
        assert_int_equal(
            coverage_basis_new(&other, city.catalog, metrics, &basis), PT_OK);
        assert_int_equal(coverage_basis_share(basis, city.basis), PT_OK);
        assert_int_equal(coverage_basis_fill(basis), PT_OK);
        struct coverage *c;
        assert_int_equal(coverage_new(&other, UNITS, &c), PT_OK);
        assert_int_equal(coverage_set_basis(c, basis, NOW_MS), PT_OK);
        for (uint32_t slot = 0; slot < 20; slot++)
            assert_int_equal(coverage_put(c, slot, &city.units[slot], NOW_MS),
                             PT_OK);
        for (size_t i = 0; i < MISSIONS; i++) {
            struct coverage_mission was = coverage_mission(city.coverage, i);
            struct coverage_mission is = coverage_mission(c, i);
            assert_int_equal(is.found, was.found);
            for (size_t k = 0; k < is.found; k++)
                assert_int_equal(is.first[k].eta_ms, was.first[k].eta_ms);
            if (is.off_road)
                continue;
            assert_int_equal(
                is.promise_s,
                promised_instead(catalog_zone_at(city.catalog, is.mission->at),
                                 round == 0 ? 120 : 45, round == 0 ? 100 : 45));
        }
        assert_int_equal(coverage_zone(c, 1).promise_s, round == 0 ? 120 : 45);
        assert_int_equal(coverage_zone(c, 2).promise_s, 30);
        assert_int_equal(coverage_zone(c, 0).promise_s, 0);
        coverage_free(c);
        coverage_basis_unref(basis);
    }
    tear_down(&city);
}

static void alarms_wait_until_it_has_lasted(void **state)
{
    (void)state;
    struct street s;
    open_street(&s);
    assert_int_equal(follow(&s, 0), 10000);
    assert_int_equal(s.heard.count, 0);
    follow(&s, 9999);
    assert_int_equal(s.heard.count, 0);
    follow(&s, 10000); /* the mission, and its zone */
    assert_int_equal(s.heard.count, 2);
    assert_int_equal(s.heard.last[0].mission->mission_id, 5);
    assert_int_equal(s.heard.last[1].zone->zone_id, 7);
    assert_true(s.heard.last[0].lost && s.heard.last[1].lost);
    assert_int_equal(s.heard.last[0].since_ms, NOW_MS);

    /* 30 s + 60 s: just in time; gone again before it is told */
    put_at(&s, 0.5, 20000);
    assert_int_equal(coverage_mission(s.coverage, 0).within, 1);
    assert_int_equal(coverage_mission(s.coverage, 0).first[0].eta_ms, 90000);
    assert_int_equal(follow(&s, 20000), 20000);
    put_at(&s, 0.4, 39999);
    assert_int_equal(coverage_mission(s.coverage, 0).within, 0);
    assert_int_equal(follow(&s, 41000), -1);
    assert_int_equal(s.heard.count, 0);
    put_at(&s, 0.6, 50000);
    follow(&s, 70000);
    assert_int_equal(s.heard.count, 2);
    assert_false(s.heard.last[0].lost);
    assert_int_equal(s.heard.last[0].since_ms, NOW_MS);
    assert_int_equal(s.heard.last[0].at_ms, NOW_MS + 70000);
    close_street(&s);
}

static void a_unit_counts_until_its_time_is_over(void **state)
{
    (void)state;
    struct street s;
    open_street(&s);
    struct coverage_unit unit = unit_at(s.roads, 1, 0.5);
    unit.until_ms = NOW_MS + 5000;
    assert_int_equal(coverage_put(s.coverage, 3, &unit, NOW_MS), PT_OK);
    assert_int_equal(follow(&s, 0), 5000);
    assert_int_equal(coverage_unit_count(s.coverage), 1);
    assert_int_equal(follow(&s, 5000), 10000); /* then it is lost */
    assert_int_equal(coverage_unit_count(s.coverage), 0);
    assert_null(coverage_unit(s.coverage, 3));
    unit.late_ms = 90000; /* by the crew alone too late */
    unit.until_ms = INT64_MAX;
    assert_int_equal(coverage_put(s.coverage, 3, &unit, NOW_MS), PT_OK);
    assert_int_equal(coverage_mission(s.coverage, 0).first[0].eta_ms, 120000);
    assert_int_equal(coverage_mission(s.coverage, 0).within, 0);
    assert_int_equal(coverage_put(s.coverage, 4, &unit, NOW_MS), PT_E_FULL);
    close_street(&s);
}

static void count_turn(void *context, size_t mission, unsigned within,
                       int64_t now_ms)
{
    int64_t *said = context;
    assert_int_equal(mission, 0);
    said[0]++;
    said[1] = within;
    said[2] = now_ms - NOW_MS;
}

static void every_turn_is_told_at_once(void **state)
{
    (void)state;
    struct street s;
    int64_t said[3] = {0};
    open_street(&s);
    coverage_on_turn(s.coverage, count_turn, said);
    put_at(&s, 0.6, 100); /* from 0.5 on it is in time: 90 s */
    assert_memory_equal(said, ((int64_t[]){1, 1, 100}), sizeof(said));
    put_at(&s, 0.7, 200);
    assert_int_equal(said[0], 1);
    put_at(&s, 0.4, 300);
    assert_memory_equal(said, ((int64_t[]){2, 0, 300}), sizeof(said));
    coverage_on_turn(s.coverage, NULL, NULL);
    put_at(&s, 0.6, 400);
    assert_int_equal(said[0], 2);
    close_street(&s);
}

static void what_is_taken_off_the_list_is_told(void **state)
{
    (void)state;
    struct street s;
    open_street(&s);
    follow(&s, 10000);
    assert_int_equal(s.heard.count, 2);
    struct catalog *empty = reserve(0, 0);
    catalog_finish(empty);
    struct coverage_basis *basis = make_basis(&settings, empty, s.roads);
    assert_int_equal(coverage_set_basis(s.coverage, basis, NOW_MS + 11000),
                     PT_OK);
    coverage_basis_unref(basis);
    catalog_free(empty);
    follow(&s, 11000);
    assert_int_equal(s.heard.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(s.heard.last[i].gone);
        assert_false(s.heard.last[i].lost);
        assert_int_equal(s.heard.last[i].is_zone, i == 1);
        assert_int_equal(s.heard.last[i].id, i == 1 ? 7 : 5);
        assert_int_equal(s.heard.last[i].since_ms, NOW_MS);
    }
    close_street(&s);
}

static void run_streets(struct coverage *coverage)
{
    struct coverage_streets *job;
    assert_int_equal(coverage_streets_begin(coverage, NOW_MS, &job), PT_OK);
    coverage_streets_end(coverage, job, coverage_streets_run(job));
}

struct line {
    size_t count;
    struct geo_point points[8];
};

static void note_point(void *context, struct geo_point at)
{
    struct line *line = context;
    assert_true(line->count < 8);
    line->points[line->count++] = at;
}

/* From the western end 100 s, the setting's promise, reach 667 m. The pieces'
 * middles lie at 100, 300, 500 and 700 m: 15, 45, 75 and 105 s. In the zone,
 * from 400 m on, 90 s are promised. */
static void a_gap_is_what_lies_beyond(void **state)
{
    (void)state;
    struct street s;
    const struct coverage_gap *gaps;
    open_street(&s);
    put_at(&s, 0, 0);
    run_streets(s.coverage);
    struct coverage_zone all = coverage_zone(s.coverage, 1);
    struct coverage_zone east = coverage_zone(s.coverage, 0);
    assert_null(all.zone);
    assert_true(fabs(all.length_m - 800) < 0.1);
    assert_true(fabs(all.within_m[0] - 600) < 0.1);
    assert_true(fabs(all.within_m[1]) < 0.1);
    assert_true(fabs(east.length_m - 400) < 0.1);
    assert_true(fabs(east.within_m[0] - 200) < 0.1);
    assert_int_equal(coverage_gaps(s.coverage, &gaps), 1);
    assert_true(fabs(gaps[0].length_m - 200) < 0.1);
    assert_int_equal(gaps[0].worst_ms, 105000);
    assert_int_equal(gaps[0].mission_count, 1);
    assert_int_equal(gaps[0].missions[0], 0);
    assert_int_equal(gaps[0].line_count, 1);
    struct line line = {0};
    coverage_line_points(s.roads, gaps[0].lines, note_point, &line);
    assert_int_equal(line.count, 2);
    assert_true(geo_distance_m(line.points[0], at_m(600, 0)) < 0.5);
    assert_true(geo_distance_m(line.points[1], at_m(800, 0)) < 0.5);
    close_street(&s);
}

/* ------------------------------------------------------ what may not be there
 */
static void no_units_are_a_gap_everywhere(void **state)
{
    (void)state;
    struct street s;
    const struct coverage_gap *gaps;
    open_street(&s);
    run_streets(s.coverage);
    assert_int_equal(coverage_mission(s.coverage, 0).found, 0);
    assert_int_equal(coverage_gaps(s.coverage, &gaps), 1);
    assert_true(fabs(gaps[0].length_m - 800) < 0.1);
    assert_int_equal(gaps[0].worst_ms, ROADS_NONE);
    assert_int_equal(coverage_uncovers(s.coverage, 0, ROADS_NONE, NULL, 0), 0);
    close_street(&s);
}

/* A zone without streets, a mission in the sea, a zone that crosses itself: a
 * bow tie holds what lies in its two wings, and not its waist's sides. */
static void odd_places_have_clear_answers(void **state)
{
    (void)state;
    const struct geo_point bow[] = {at_m(0, -300), at_m(800, 300),
                                    at_m(800, -300), at_m(0, 300),
                                    at_m(0, -300)};
    struct catalog *catalog = reserve(2, 2);
    struct roads *roads = make_street();
    struct coverage *coverage;
    struct heard heard = {0};
    add_box(catalog, 1, "a sea", 60, -9000, -9000, -5000, -5000);
    add_zone(catalog, 2, "b bow tie", 60, bow, 5, 240000);
    add_mission(catalog, 1, at_m(-6000, -6000));
    add_mission(catalog, 2, at_m(400, 200)); /* between the wings */
    catalog_finish(catalog);
    struct coverage_basis *basis = make_basis(&settings, catalog, roads);
    assert_int_equal(coverage_new(&settings, 4, &coverage), PT_OK);
    assert_int_equal(coverage_set_basis(coverage, basis, NOW_MS), PT_OK);
    struct coverage_unit unit = unit_at(roads, 0, 0.5);
    assert_int_equal(coverage_put(coverage, 0, &unit, NOW_MS), PT_OK);
    run_streets(coverage);

    struct coverage_zone sea = coverage_zone(coverage, 0);
    assert_int_equal(sea.missions, 1);
    assert_int_equal(sea.off_road, 1);
    assert_int_equal(sea.promised, 0);
    assert_true(fabs(sea.length_m) < 0.1);
    struct coverage_zone wings = coverage_zone(coverage, 1);
    assert_int_equal(wings.missions, 0);
    assert_true(fabs(wings.length_m - 800) < 0.1);
    assert_int_equal(coverage_mission(coverage, 1).promise_s, 100);
    assert_int_equal(coverage_mission(coverage, 1).within, 1);
    /* nobody can be at sea in time, so nobody is told that nobody is */
    assert_true(coverage_mission(coverage, 0).off_road);
    assert_int_equal(coverage_follow(coverage, NOW_MS + 60000, hear, &heard),
                     -1);
    assert_int_equal(heard.count, 0);
    coverage_free(coverage);
    coverage_basis_unref(basis);
    roads_unref(roads);
    catalog_free(catalog);
}

static void nothing_at_all(void **state)
{
    (void)state;
    struct catalog *catalog = reserve(0, 0);
    struct roads *roads = make_street();
    struct coverage_streets *job;
    struct coverage *coverage;
    struct heard heard = {0};
    catalog_finish(catalog);
    assert_int_equal(coverage_new(&settings, 4, &coverage), PT_OK);
    struct coverage_unit unit = unit_at(roads, 0, 0.5);
    assert_int_equal(coverage_put(coverage, 0, &unit, NOW_MS), PT_OK);
    assert_int_equal(coverage_follow(coverage, NOW_MS, hear, &heard), -1);
    assert_int_equal(coverage_streets_begin(coverage, NOW_MS, &job),
                     PT_E_NOTFOUND);
    struct coverage_basis *basis = make_basis(&settings, catalog, roads);
    assert_int_equal(coverage_set_basis(coverage, basis, NOW_MS), PT_OK);
    assert_int_equal(coverage_put(coverage, 0, &unit, NOW_MS), PT_OK);
    run_streets(coverage);
    struct coverage_zone all = coverage_zone(coverage, 0);
    assert_int_equal(all.missions, 0);
    assert_true(fabs(all.within_m[0] - 800) < 0.1);
    assert_int_equal(coverage_set_basis(coverage, NULL, NOW_MS), PT_OK);
    assert_int_equal(coverage_unit_count(coverage), 0);
    coverage_free(coverage);
    coverage_basis_unref(basis);
    roads_unref(roads);
    catalog_free(catalog);
}

static void limits_are_said(void **state)
{
    (void)state;
    struct coverage_settings tight = settings;
    struct coverage *coverage;
    struct catalog *catalog = reserve(1, 0);
    struct roads *roads = make_street();
    const struct roads_metric *metric = roads_profile(roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    struct coverage_basis *basis;
    add_mission(catalog, 1, at_m(0, 0));
    catalog_finish(catalog);
    tight.tables_max_bytes = 7; /* four directed edges, two bytes each */
    assert_int_equal(coverage_basis_new(&tight, catalog, &metrics, &basis),
                     PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_E_FULL);
    coverage_basis_unref(basis);
    tight.tables_max_bytes = 8;
    assert_int_equal(coverage_basis_new(&tight, catalog, &metrics, &basis),
                     PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_OK);
    coverage_basis_unref(basis);
    tight.level = 4;
    assert_int_equal(coverage_new(&tight, 4, &coverage), PT_E_RANGE);
    tight.level = 1;
    tight.zone_percent = 101;
    assert_int_equal(coverage_new(&tight, 4, &coverage), PT_E_RANGE);
    roads_unref(roads);
    catalog_free(catalog);
}

/* Each allocation fails in turn; nothing leaks, nothing half-made is used. */
static enum pt_err whole_life(struct catalog *catalog,
                              const struct roads *roads)
{
    const struct roads_metric *metric = roads_profile(roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    struct coverage_basis *basis = NULL;
    struct coverage *coverage = NULL;
    struct coverage_streets *job = NULL;
    struct coverage_areas *areas = NULL;
    struct coverage_unit unit = unit_at(roads, 0, 0.5);
    enum pt_err err = coverage_new(&settings, 4, &coverage);
    if (err == PT_OK)
        err = coverage_basis_new(&settings, catalog, &metrics, &basis);
    if (err == PT_OK)
        err = coverage_basis_fill(basis);
    if (err == PT_OK)
        err = coverage_set_basis(coverage, basis, NOW_MS);
    if (err == PT_OK)
        err = coverage_put(coverage, 2, &unit, NOW_MS);
    if (err == PT_OK)
        err = coverage_streets_begin(coverage, NOW_MS, &job);
    if (job != NULL) {
        err = coverage_streets_run(job);
        coverage_streets_end(coverage, job, err);
    }
    if (err == PT_OK)
        err = coverage_areas_new(coverage_streets(coverage), &areas);
    if (err == PT_OK)
        err = coverage_areas_fill(areas, NULL);
    coverage_areas_unref(areas);
    coverage_free(coverage);
    coverage_basis_unref(basis);
    return err;
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct roads *roads = make_street();
    struct catalog *catalog = make_catalog();
    enum pt_err err = PT_E_NOMEM;
    size_t n = 0;
    while (err == PT_E_NOMEM) {
        fail_alloc_after(n++);
        err = whole_life(catalog, roads);
        fail_alloc_never();
        assert_true(n < 1000);
    }
    assert_int_equal(err, PT_OK);
    assert_true(n > 10);
    roads_unref(roads);
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_asking_for_every_way),
        cmocka_unit_test(areas_hold_their_streets_and_missions),
        cmocka_unit_test(a_new_basis_keeps_the_units),
        cmocka_unit_test(other_promises_use_the_same_tables),
        cmocka_unit_test(alarms_wait_until_it_has_lasted),
        cmocka_unit_test(a_unit_counts_until_its_time_is_over),
        cmocka_unit_test(every_turn_is_told_at_once),
        cmocka_unit_test(what_is_taken_off_the_list_is_told),
        cmocka_unit_test(a_gap_is_what_lies_beyond),
        cmocka_unit_test(no_units_are_a_gap_everywhere),
        cmocka_unit_test(odd_places_have_clear_answers),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(limits_are_said),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

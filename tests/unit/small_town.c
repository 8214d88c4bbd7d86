#include "small_town.h"

#include "catalog_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* By crossing. */
static const double x[] = {0, 0, 1, 2, 3, 1, 2}, y[] = {0, 0, 0, 0, 0, 1, 1};

static const struct geo_point corner = {23100000, -82400000};

struct geo_point at_block(double east, double north)
{
    struct geo_plane plane = geo_plane_at(corner);
    return geo_from_plane(&plane, east * BLOCK_M, north * BLOCK_M);
}

struct roads *make_small_town(void)
{
    static const struct {
        int from, to;
        uint32_t ms;
        const char *name;
    } streets[] = {{1, 2, 20000, "West"},  {2, 3, 20000, "Bridge"},
                   {3, 4, 20000, "East"},  {2, 5, 20000, "Up"},
                   {5, 6, 60000, "Round"}, {6, 3, 20000, "Down"}};
    struct geo_point ends[6][2];
    struct roads_edge_row rows[6];
    uint32_t half_ms[12];
    for (int i = 0; i < 6; i++) {
        ends[i][0] = at_block(x[streets[i].from], y[streets[i].from]);
        ends[i][1] = at_block(x[streets[i].to], y[streets[i].to]);
        half_ms[2 * i] = half_ms[2 * i + 1] = streets[i].ms / 2;
        rows[i] = (struct roads_edge_row){.way_id = 10 + i,
                                          .source = streets[i].from,
                                          .target = streets[i].to,
                                          .forward_ms = streets[i].ms,
                                          .backward_ms = streets[i].ms,
                                          .length_m = (float)BLOCK_M,
                                          .name = streets[i].name,
                                          .points = ends[i],
                                          .point_count = 2};
    }
    const struct roads_profile profiles[] = {
        {.name = "patrol", .forbidden_ms = ROADS_NONE},
        {.name = "fast", .edge_ms = half_ms, .forbidden_ms = ROADS_NONE}};
    const struct roads_rows all = {.edges = rows,
                                   .edge_count = 6,
                                   .profiles = profiles,
                                   .profile_count = 2};
    struct roads *roads;
    assert_int_equal(roads_new(&all, &roads), PT_OK);
    assert_int_equal(roads_prepare(roads), PT_OK);
    return roads;
}

struct catalog *make_missions(const int *crossings, size_t count)
{
    const struct catalog_counts counts = {.missions = count};
    struct catalog *catalog;
    assert_int_equal(catalog_new(&catalog), PT_OK);
    assert_int_equal(catalog_reserve(catalog, &counts), PT_OK);
    for (size_t i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "Mission %zu", i + 1);
        assert_int_equal(
            catalog_add_mission(catalog, 7 + (uint32_t)i, NULL, name, "embassy",
                                at_block(x[crossings[i]], y[crossings[i]]),
                                CATALOG_NO_ZONE),
            PT_OK);
    }
    catalog_finish(catalog);
    return catalog;
}

static double no_access_s(double off_road_m)
{
    (void)off_road_m;
    return 0;
}

const struct coverage_settings small_town_settings = {
    .promise_s = 70,
    .level = 1,
    .zone_percent = 80,
    .reach_m = 100,
    .access_s = no_access_s,
    .start_share = 4,
    .tables_max_bytes = 1 << 20,
};

struct coverage_basis *make_basis(struct roads *roads, struct catalog *catalog)
{
    const struct roads_metric *metric = roads_profile(roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    struct coverage_basis *basis;
    assert_int_equal(
        coverage_basis_new(&small_town_settings, catalog, &metrics, &basis),
        PT_OK);
    assert_int_equal(coverage_basis_fill(basis), PT_OK);
    return basis;
}

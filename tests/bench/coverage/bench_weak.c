/* What it costs to find where cover hangs by a thread: every piece of street
 * that could uncover a mission closed on trial. Beside it the same for those
 * that are told, by a metric and time tables made for each, which must agree.
 */
#include "bench.h"
#include "coverage.h"
#include "dispatch.h"
#include "weak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1718000000000)
#define UNITS_MAX 200u
#define CLOSED_MAX 64u

static const struct coverage_settings settings = {
    .promise_s = 300,
    .level = 1,
    .zone_percent = 90,
    .reach_m = 300,
    .access_s = dispatch_access_s,
    .start_share = 4,
    .tables_max_bytes = (size_t)1 << 30,
    .missions_only = true,
};

struct city {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_basis *basis;
    uint32_t unit_count;
    struct weak_unit units[UNITS_MAX];
};

static void must(const char *what, enum pt_err err)
{
    if (err != PT_OK)
        bench_die(what, pt_strerror(err));
}

static void make_basis(const struct city *city,
                       const struct roads_metric *metric,
                       struct coverage_basis **ret)
{
    const struct coverage_metrics metrics = {
        metric, roads_profile(city->roads, NULL), metric};
    must("basis", coverage_basis_new(&settings, city->catalog, &metrics, ret));
    must("fill", coverage_basis_fill(*ret));
}

static struct coverage_unit stand(const struct roads_metric *metric,
                                  const struct roads_place *stood)
{
    struct coverage_unit unit = {.until_ms = INT64_MAX};
    if (dispatch_join(metric, stood, &unit.place) != PT_OK)
        unit.place.edge = ROADS_NONE;
    else
        unit.late_ms =
            (uint32_t)lround(1000 * dispatch_access_s(unit.place.distance_m));
    return unit;
}

static void put_units(struct city *city, uint32_t count)
{
    const struct roads_metric *metric = roads_profile(city->roads, NULL);
    city->unit_count = count;
    for (uint32_t u = 0; u < count; u++) {
        uint32_t edge;
        do
            edge = (uint32_t)random() % (uint32_t)roads_edge_count(city->roads);
        while (!roads_drives(metric, edge) ||
               roads_edge_apart(city->roads, 2 * edge));
        struct roads_place stood =
            roads_place_on(city->roads, 2 * edge, (double)(random() % 11) / 10);
        city->units[u] = (struct weak_unit){stand(metric, &stood), stood, 0};
    }
}

/* By mission, whether it has a unit in time. */
static void cover(const struct city *city, const struct coverage_basis *basis,
                  bool *ret)
{
    size_t missions = catalog_mission_count(city->catalog);
    uint32_t *eta_ms = calloc(missions + 1, sizeof(*eta_ms));
    if (eta_ms == NULL)
        bench_die("cover", "out of memory");
    memset(ret, 0, missions * sizeof(*ret));
    for (uint32_t u = 0; u < city->unit_count; u++) {
        struct coverage_unit unit =
            stand(coverage_basis_metrics(basis)->first, &city->units[u].stood);
        if (unit.place.edge == ROADS_NONE)
            continue;
        coverage_reach_missions(basis, &unit, eta_ms);
        for (size_t m = 0; m < missions; m++)
            ret[m] = ret[m] ||
                     eta_ms[m] <= coverage_stop_mission(basis, m).promise_ms;
    }
    free(eta_ms);
}

static size_t lost_by_tables(const struct city *city,
                             const struct weak_loss *loss)
{
    struct roads_slowing closed[2 * CLOSED_MAX];
    struct roads_metric *metric;
    struct coverage_basis *basis;
    size_t missions = catalog_mission_count(city->catalog), lost = 0;
    size_t pieces = loss->with_count + 1;
    bool *before = calloc(missions + 1, 1), *after = calloc(missions + 1, 1);
    if (before == NULL || after == NULL || pieces > CLOSED_MAX)
        bench_die("closing", "out of memory");
    for (size_t i = 0; i < 2 * pieces; i++)
        closed[i] = (struct roads_slowing){
            2 * (i < 2 ? loss->what : loss->with[i / 2 - 1]) + (i & 1 ? 1u : 0),
            ROADS_NONE};
    must("metric", roads_metric_slowed(roads_profile(city->roads, NULL), closed,
                                       2 * pieces, &metric));
    make_basis(city, metric, &basis);
    cover(city, city->basis, before);
    cover(city, basis, after);
    for (size_t m = 0; m < missions; m++)
        lost += before[m] && !after[m];
    coverage_basis_unref(basis);
    roads_metric_unref(metric);
    free(before);
    free(after);
    return lost;
}

static void measure(struct city *city, uint32_t units)
{
    const struct weak_loss *losses;
    struct weak *weak;
    put_units(city, units);
    const struct weak_wish wish = {.now_ms = NOW_MS,
                                   .basis = city->basis,
                                   .settings = &settings,
                                   .units = city->units,
                                   .unit_count = units,
                                   .limit_ms = 1000000};
    uint64_t began_ns = bench_now_ns();
    must("new", weak_new(&wish, &weak));
    must("run", weak_run(weak));
    double took_s = (double)(bench_now_ns() - began_ns) / 1e9;
    struct weak_tried tried = weak_tried(weak);
    size_t told = weak_streets(weak, &losses), several = 0;
    began_ns = bench_now_ns();
    for (size_t i = 0; i < told; i++) {
        several += losses[i].with_count > 0;
        if (lost_by_tables(city, &losses[i]) != losses[i].count)
            bench_die("weak", "by time tables it is another loss");
    }
    double each_s =
        told == 0 ? 0
                  : (double)(bench_now_ns() - began_ns) / 1e9 / (double)told;
    printf("weak points, %4u units: %5zu pieces, %5zu tried %8.3f s; the worst "
           "uncovers %zu\n"
           "  beside it: %zu of them (%zu with other carriageways) by time "
           "tables, the same; %.3f s each, all would be %.1f s: %.0f times\n",
           units, tried.candidates, tried.tried, took_s,
           told == 0 ? 0 : losses[0].count, told, several, each_s,
           each_s * (double)tried.candidates,
           each_s * (double)tried.candidates / took_s);
    weak_free(weak);
}

int main(int argc, char **argv)
{
    static const uint32_t fleets[] = {25, 70, UNITS_MAX};
    static struct city city;
    char message[256] = "";
    if (argc != 2) {
        fputs("usage: bench_weak CONNINFO\n", stderr);
        return 2;
    }
    must("roads", roads_load(argv[1], &city.roads, message, sizeof(message)));
    must("catalog",
         catalog_load(argv[1], &city.catalog, message, sizeof(message)));
    must("prepare", roads_prepare(city.roads));
    make_basis(&city, roads_profile(city.roads, NULL), &city.basis);
    for (size_t i = 0; i < sizeof(fleets) / sizeof(*fleets); i++)
        measure(&city, fleets[i]);
    coverage_basis_unref(city.basis);
    catalog_free(city.catalog);
    roads_unref(city.roads);
    return EXIT_SUCCESS;
}

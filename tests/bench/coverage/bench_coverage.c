/* What live coverage costs: the missions after each fix of a unit that drives
 * on, and all streets three units deep. Beside the latter, one search backwards
 * over the whole network, which is what the same machine does for one place.
 * Times are this thread's on the processor: what else runs does not count. */
#include "bench.h"
#include "coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOW_MS INT64_C(1718000000000)
#define UNITS_MAX 2000
#define FIXES 200000
#define RUNS 30

static double no_access(double off_road_m)
{
    (void)off_road_m;
    return 0;
}

static const struct coverage_settings settings = {
    .promise_s = 300,
    .level = 1,
    .zone_percent = 90,
    .reach_m = 300,
    .access_s = no_access,
    .start_share = 4,
    .tables_max_bytes = (size_t)1 << 30,
};

static uint64_t samples[RUNS];

static void must(const char *what, enum pt_err err)
{
    if (err != PT_OK)
        bench_die(what, pt_strerror(err));
}

/* Of this thread alone: others on the machine do not count. */
static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

struct driver {
    uint32_t directed;
    double travelled;
};

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

static struct driver anywhere(const struct roads *roads)
{
    struct driver d = {.travelled = any(1000) / 1000.0};
    do
        d.directed = any(2 * (uint32_t)roads_edge_count(roads));
    while (roads_edge_ms(roads, d.directed) == ROADS_NONE ||
           roads_edge_apart(roads, d.directed));
    return d;
}

/* Some 50 m on; what can be turned from is driven backwards: it is all the
 * same to the tables. */
static void drive_on(const struct roads *roads, struct driver *d)
{
    uint32_t before[8];
    d->travelled -= 50.0 / roads_edge_length_m(roads, d->directed);
    if (d->travelled >= 0)
        return;
    size_t count = roads_turns_into(roads, d->directed, before, 8);
    count = count < 8 ? count : 8;
    if (count == 0)
        *d = anywhere(roads);
    else
        *d = (struct driver){before[any((uint32_t)count)], 1.0};
}

static void put(struct coverage *coverage, const struct roads *roads,
                uint32_t slot, const struct driver *d)
{
    const struct coverage_unit unit = {
        .place = roads_place_on(roads, d->directed, d->travelled),
        .until_ms = INT64_MAX,
    };
    must("put", coverage_put(coverage, slot, &unit, NOW_MS));
}

static void measure_fixes(struct coverage *coverage, const struct roads *roads,
                          uint32_t units)
{
    static struct driver drivers[UNITS_MAX];
    static struct coverage_unit steps[FIXES];
    for (uint32_t slot = 0; slot < units; slot++) {
        drivers[slot] = anywhere(roads);
        put(coverage, roads, slot, &drivers[slot]);
    }
    for (uint32_t i = 0; i < FIXES; i++) {
        struct driver *d = &drivers[i % units];
        drive_on(roads, d);
        steps[i] = (struct coverage_unit){
            .place = roads_place_on(roads, d->directed, d->travelled),
            .until_ms = INT64_MAX,
        };
    }
    uint64_t began = cpu_ns();
    for (uint32_t i = 0; i < FIXES; i++)
        must("put", coverage_put(coverage, i % units, &steps[i], NOW_MS));
    printf("missions after a fix, %4u units %26.2f us\n", units,
           (double)(cpu_ns() - began) / FIXES / 1e3);
}

static void measure_streets(struct coverage *coverage, size_t units)
{
    char what[64];
    struct coverage_streets *job;
    for (size_t i = 0; i <= RUNS; i++) { /* the first makes its memory */
        uint64_t began = cpu_ns();
        must("begin", coverage_streets_begin(coverage, NOW_MS, &job));
        enum pt_err err = coverage_streets_run(job);
        coverage_streets_end(coverage, job, err);
        must("streets", err);
        samples[i % RUNS] = cpu_ns() - began;
    }
    snprintf(what, sizeof(what), "all streets, zones and gaps, %zu units",
             units);
    bench_tell(what, samples, RUNS);
}

static bool nobody(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
    return false;
}

static void measure_one_search(const struct roads *roads)
{
    struct roads_search *search;
    struct roads_standing *standing;
    struct roads_arrival best;
    size_t found;
    must("search", roads_search_new(roads, &search));
    must("standing", roads_standing_new(roads, 1, &standing));
    roads_search_by(search, ROADS_BY_SEARCH);
    for (size_t i = 0; i < RUNS; i++) {
        struct driver d = anywhere(roads);
        struct roads_place place =
            roads_place_on(roads, d.directed, d.travelled);
        uint64_t began = cpu_ns();
        must("nearest", roads_nearest(search, standing, &place, 1, ROADS_NONE,
                                      nobody, NULL, &best, &found));
        samples[i] = cpu_ns() - began;
    }
    bench_tell("beside it: one search over the network", samples, RUNS);
    roads_standing_free(standing);
    roads_search_free(search);
}

int main(int argc, char **argv)
{
    static const uint32_t fleets[] = {25, UNITS_MAX};
    char message[256] = "";
    struct roads *roads;
    struct catalog *catalog;
    struct coverage *coverage;
    struct coverage_basis *basis;
    if (argc != 2) {
        fputs("usage: bench_coverage CONNINFO\n", stderr);
        return 2;
    }
    must("roads", roads_load(argv[1], &roads, message, sizeof(message)));
    must("catalog", catalog_load(argv[1], &catalog, message, sizeof(message)));
    must("prepare", roads_prepare(roads));
    const struct roads_metric *metric = roads_profile(roads, NULL);
    const struct coverage_metrics metrics = {metric, metric, metric};
    must("basis", coverage_basis_new(&settings, catalog, &metrics, &basis));
    uint64_t began = cpu_ns();
    must("fill", coverage_basis_fill(basis));
    printf("%zu missions, %zu zones: time tables and streets %8.1f ms, %zu "
           "MB\n",
           catalog_mission_count(catalog), catalog_zone_count(catalog),
           (double)(cpu_ns() - began) / 1e6, coverage_basis_bytes(basis) >> 20);
    measure_one_search(roads);
    for (size_t i = 0; i < sizeof(fleets) / sizeof(*fleets); i++) {
        must("new", coverage_new(&settings, UNITS_MAX, &coverage));
        must("set", coverage_set_basis(coverage, basis, NOW_MS));
        measure_fixes(coverage, roads, fleets[i]);
        measure_streets(coverage, fleets[i]);
        coverage_free(coverage);
    }
    coverage_basis_unref(basis);
    catalog_free(catalog);
    roads_unref(roads);
    return EXIT_SUCCESS;
}

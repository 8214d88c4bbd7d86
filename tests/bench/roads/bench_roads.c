/* How long the road engine takes, on the network that stands in a database:
 *
 *   bench_roads CONNINFO
 *
 * Places are drawn evenly over the edges, from a fixed seed. Every figure is
 * one call's wall-clock time on one thread, the others' included that share
 * the machine. */
#include "bench_roads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LOADS 5
#define QUERIES 20000
#define FULL_QUERIES 200

static uint64_t samples[QUERIES];

static void must(const char *what, enum pt_err err)
{
    if (err != PT_OK)
        bench_die(what, pt_strerror(err));
}

/* Marsaglia, "Xorshift RNGs" (2003). */
static uint32_t any(uint32_t below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

struct roads_place bench_place(const struct roads *roads)
{
    return (struct roads_place){.edge = any((uint32_t)roads_edge_count(roads)),
                                .fraction = any(1000001) / 1e6};
}

static struct roads *measure_load(const char *conninfo)
{
    struct roads *roads = NULL;
    char message[256];
    for (int i = 0; i < LOADS; i++) {
        roads_unref(roads);
        uint64_t start = bench_now_ns();
        enum pt_err err =
            roads_load(conninfo, &roads, message, sizeof(message));
        samples[i] = bench_now_ns() - start;
        if (err != PT_OK)
            bench_die("loading", message);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s\nmemory: the network %.1f MB, this process at most %.1f MB\n\n"
           "%-44s %6s %10s %10s %10s\n",
           message, (double)roads_bytes(roads) / 1e6,
           (double)usage.ru_maxrss / 1e3, "", "calls", "p50 us", "p99 us",
           "max us");
    bench_tell("load from the database", samples, LOADS);
    return roads;
}

static bool nobody(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
    return false;
}

static void place_units(const struct roads *roads,
                        struct roads_standing *standing, size_t units)
{
    for (uint32_t slot = 0; slot < units; slot++) {
        struct roads_place place = bench_place(roads);
        roads_standing_put(standing, slot, &place);
    }
}

static void measure_prepare(struct roads *roads)
{
    size_t before = roads_bytes(roads);
    uint64_t start = bench_now_ns();
    must("prepare", roads_prepare(roads));
    samples[0] = bench_now_ns() - start;
    bench_tell("prepare for long ways", samples, 1);
    printf("%-44s %17.1f MB more\n", "",
           (double)(roads_bytes(roads) - before) / 1e6);
    struct roads_slowing closed = {0, ROADS_NONE};
    for (int i = 0; i < LOADS; i++) {
        struct roads_metric *metric;
        start = bench_now_ns();
        must("closure", roads_metric_slowed(roads_profile(roads, NULL), &closed,
                                            1, &metric));
        samples[i] = bench_now_ns() - start;
        roads_metric_unref(metric);
    }
    bench_tell("close a street", samples, LOADS);
}

#define TABLES 100
static void measure_tables(const struct roads *roads)
{
    struct roads_place targets[TABLES];
    struct roads_tables *tables = NULL;
    static uint32_t ms[TABLES];
    for (size_t i = 0; i < TABLES; i++)
        targets[i] = bench_place(roads);
    for (int i = 0; i < LOADS; i++) {
        roads_tables_free(tables);
        uint64_t start = bench_now_ns();
        must("tables", roads_tables_new(roads_profile(roads, NULL), targets,
                                        TABLES, &tables));
        samples[i] = bench_now_ns() - start;
    }
    bench_tell("time tables of 100 missions", samples, LOADS);
    printf("%-44s %17.1f MB\n", "", (double)roads_tables_bytes(tables) / 1e6);
    for (size_t i = 0; i < QUERIES; i++) {
        struct roads_place from = bench_place(roads);
        uint64_t start = bench_now_ns();
        roads_tables_from(tables, &from, ms);
        samples[i] = bench_now_ns() - start;
    }
    bench_tell("from a unit to 100 missions, by the tables", samples, QUERIES);
    roads_tables_free(tables);
}

static void measure_spread(const struct roads *roads, size_t units)
{
    struct roads_spread *spread;
    struct roads_standing *standing;
    char what[64];
    must("standing", roads_standing_new(roads, units, &standing));
    must("spread", roads_spread_new(roads, units, 3, &spread));
    for (size_t i = 0; i < FULL_QUERIES; i++) {
        place_units(roads, standing, units);
        uint64_t start = bench_now_ns();
        must("spread", roads_spread_run(spread, roads_profile(roads, NULL),
                                        standing, ROADS_NONE, NULL, NULL));
        samples[i] = bench_now_ns() - start;
    }
    snprintf(what, sizeof(what), "all streets, first three of %zu units",
             units);
    bench_tell(what, samples, FULL_QUERIES);
    roads_spread_free(spread);
    roads_standing_free(standing);
}

/* Returns the seconds that the fifth needs in 99 of 100 questions. */
static double measure_nearest(const struct roads *roads,
                              struct roads_search *search, size_t units,
                              enum roads_method method)
{
    static const char *const by[] = {"", ", by search", ", by hierarchy"};
    static uint64_t fifth_ms[QUERIES];
    struct roads_standing *standing;
    struct roads_arrival best[BENCH_NEAREST];
    size_t known = 0;
    size_t found = 0;
    char what[64];
    must("standing", roads_standing_new(roads, units, &standing));
    place_units(roads, standing, units);
    roads_search_by(search, method);
    for (size_t i = 0; i < QUERIES; i++) {
        struct roads_place target = bench_place(roads);
        uint64_t start = bench_now_ns();
        must("nearest", roads_nearest(search, standing, &target, BENCH_NEAREST,
                                      ROADS_NONE, NULL, NULL, best, &found));
        samples[i] = bench_now_ns() - start;
        if (found == BENCH_NEAREST)
            fifth_ms[known++] = best[found - 1].drive_ms;
    }
    snprintf(what, sizeof(what), "nearest %d of %zu units%s", BENCH_NEAREST,
             units, by[method]);
    bench_tell(what, samples, QUERIES);
    if (known == 0)
        bench_die("nearest", "no place is reached by five");
    bench_sort(fifth_ms, known);
    roads_standing_free(standing);
    size_t high = known * 99 / 100;
    return (double)fifth_ms[high] / 1e3;
}

/* Nobody is wanted, so the search ends where the roads end. */
static void measure_everywhere(const struct roads *roads,
                               struct roads_search *search)
{
    struct roads_standing *standing;
    struct roads_arrival best;
    size_t found = 0;
    must("standing", roads_standing_new(roads, 1, &standing));
    roads_search_by(search, ROADS_BY_SEARCH);
    for (size_t i = 0; i < FULL_QUERIES; i++) {
        struct roads_place target = bench_place(roads);
        uint64_t start = bench_now_ns();
        must("nearest", roads_nearest(search, standing, &target, 1, ROADS_NONE,
                                      nobody, NULL, &best, &found));
        samples[i] = bench_now_ns() - start;
    }
    bench_tell("backward search over the whole network", samples, FULL_QUERIES);
    roads_standing_free(standing);
}

static void measure_routes(const struct roads *roads,
                           struct roads_search *search)
{
    struct roads_route route;
    size_t reached = 0;
    for (size_t i = 0; i < FULL_QUERIES; i++) {
        struct roads_place from = bench_place(roads);
        struct roads_place to = bench_place(roads);
        uint64_t start = bench_now_ns();
        enum pt_err err = roads_route(search, &from, &to, &route);
        if (err == PT_E_UNREACHABLE)
            continue;
        must("route", err);
        samples[reached++] = bench_now_ns() - start;
        roads_route_clear(&route);
    }
    if (reached > 0)
        bench_tell("route between any two places, with its line", samples,
                   reached);
}

/* Fixes up to some 60 m off a street. */
static void measure_snaps(const struct roads *roads,
                          struct roads_search *search)
{
    for (size_t i = 0; i < QUERIES; i++) {
        struct roads_place place = bench_place(roads);
        struct roads_route here;
        must("route", roads_route(search, &place, &place, &here));
        struct geo_point near = here.points[0];
        roads_route_clear(&here);
        near.lat_e6 += (int32_t)any(800) - 400;
        near.lon_e6 += (int32_t)any(800) - 400;
        uint64_t start = bench_now_ns();
        enum pt_err err = roads_snap(roads, near, 300, &place);
        samples[i] = bench_now_ns() - start;
        if (err != PT_OK && err != PT_E_OFFROAD)
            must("snap", err);
    }
    bench_tell("snap a fix within 300 m", samples, QUERIES);
}

int main(int argc, char **argv)
{
    struct roads_search *search;
    if (argc != 2) {
        fputs("usage: bench_roads CONNINFO\n", stderr);
        return 2;
    }
    struct roads *roads = measure_load(argv[1]);
    must("search", roads_search_new(roads, &search));
    measure_prepare(roads);
    double needed_s =
        measure_nearest(roads, search, BENCH_UNITS, ROADS_CHEAPER);
    static const size_t sparse[] = {250, 25, 5};
    for (size_t i = 0; i < sizeof(sparse) / sizeof(sparse[0]); i++) {
        measure_nearest(roads, search, sparse[i], ROADS_BY_SEARCH);
        measure_nearest(roads, search, sparse[i], ROADS_BY_HIERARCHY);
        measure_nearest(roads, search, sparse[i], ROADS_CHEAPER);
    }
    measure_everywhere(roads, search);
    roads_search_by(search, ROADS_CHEAPER);
    measure_routes(roads, search);
    measure_tables(roads);
    measure_spread(roads, 25);
    measure_spread(roads, BENCH_UNITS);
    measure_snaps(roads, search);
    bench_sql(argv[1], roads, needed_s);
    roads_search_free(search);
    roads_unref(roads);
    return EXIT_SUCCESS;
}

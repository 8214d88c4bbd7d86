/* How long the road engine takes, on the network that stands in a database:
 *
 *   bench_roads CONNINFO
 *
 * Places are drawn evenly over the edges of the main part, the same ones for
 * every row. Every figure is of one call on one thread. */
#include "bench_roads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LOADS 5
#define QUERIES ROW_CALLS
#define FULL_QUERIES 200

static void must(const char *what, enum pt_err err)
{
    if (err != PT_OK)
        bench_die(what, pt_strerror(err));
}

static uint64_t state;

void bench_again(void)
{
    state = 88172645463325252u;
}

/* Marsaglia, "Xorshift RNGs" (2003). */
static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

struct roads_place bench_place(const struct roads *roads)
{
    const struct roads_metric *metric = roads_profile(roads, NULL);
    struct roads_place place;
    do
        place = (struct roads_place){
            .edge = any((uint32_t)roads_edge_count(roads)),
            .fraction = any(1000001) / 1e6,
        };
    while (!roads_drives(metric, place.edge) ||
           roads_edge_apart(roads, 2 * place.edge));
    return place;
}

static struct roads *measure_load(const char *conninfo)
{
    struct roads *roads = NULL;
    char message[256];
    row_begin();
    while (row_goes_on(LOADS)) {
        roads_unref(roads);
        row_call();
        enum pt_err err =
            roads_load(conninfo, &roads, message, sizeof(message));
        row_called();
        if (err != PT_OK)
            bench_die("loading", message);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s\nmemory: the network %.1f MB, this process at most %.1f MB\n\n",
           message, (double)roads_bytes(roads) / 1e6,
           (double)usage.ru_maxrss / 1e3);
    row_title();
    row_tell("load from the database", false);
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

/* As a gateway does it when a dispatcher closes one: for every profile. */
static void measure_closure(const struct roads *roads)
{
    struct roads_slowing closed = {0, ROADS_NONE};
    const char *name;
    row_begin();
    while (row_goes_on(LOADS)) {
        row_call();
        for (size_t i = 0; (name = roads_profile_name(roads, i)) != NULL; i++) {
            struct roads_metric *metric;
            must("closure", roads_metric_slowed(roads_profile(roads, name),
                                                &closed, 1, &metric));
            roads_metric_unref(metric);
        }
        row_called();
    }
    row_tell("close a street, all profiles", false);
}

static void measure_prepare(struct roads *roads)
{
    size_t before = roads_bytes(roads);
    row_begin();
    row_call();
    must("prepare", roads_prepare(roads));
    row_called();
    row_tell("prepare for long ways", false);
    printf("%-44s %17.1f MB more\n", "",
           (double)(roads_bytes(roads) - before) / 1e6);
    measure_closure(roads);
}

#define TABLES 100
static void measure_tables(const struct roads *roads)
{
    struct roads_place targets[TABLES];
    struct roads_tables *tables = NULL;
    static uint32_t ms[TABLES];
    bench_again();
    for (size_t i = 0; i < TABLES; i++)
        targets[i] = bench_place(roads);
    row_begin();
    while (row_goes_on(LOADS)) {
        roads_tables_free(tables);
        row_call();
        must("tables", roads_tables_new(roads_profile(roads, NULL), targets,
                                        TABLES, &tables));
        row_called();
    }
    row_tell("time tables of 100 missions", false);
    printf("%-44s %17.1f MB\n", "", (double)roads_tables_bytes(tables) / 1e6);
    row_begin();
    while (row_goes_on(QUERIES)) {
        struct roads_place from = bench_place(roads);
        row_call();
        roads_tables_from(tables, &from, ms);
        row_called();
    }
    row_tell("from a unit to 100 missions, by the tables", false);
    roads_tables_free(tables);
}

static void measure_spread(const struct roads *roads, size_t units)
{
    struct roads_spread *spread;
    struct roads_standing *standing;
    char what[64];
    must("standing", roads_standing_new(roads, units, &standing));
    must("spread", roads_spread_new(roads, units, 3, &spread));
    bench_again();
    row_begin();
    while (row_goes_on(FULL_QUERIES)) {
        place_units(roads, standing, units);
        row_call();
        must("spread", roads_spread_run(spread, roads_profile(roads, NULL),
                                        standing, ROADS_NONE, NULL, NULL));
        row_called();
    }
    snprintf(what, sizeof(what), "all streets, first three of %zu units",
             units);
    row_tell(what, false);
    roads_spread_free(spread);
    roads_standing_free(standing);
}

/* Of fewer than five units all are asked for. Returns the seconds that the last
 * of them needs in 99 of 100 questions in which all were found. */
static double measure_nearest(const struct roads *roads,
                              struct roads_search *search, size_t units,
                              enum roads_method method)
{
    static const char *const by[] = {"", ", by search", ", by hierarchy"};
    static uint64_t last_ms[QUERIES];
    struct roads_standing *standing;
    struct roads_arrival best[BENCH_NEAREST];
    size_t k = units < BENCH_NEAREST ? units : BENCH_NEAREST;
    size_t known = 0;
    size_t found = 0;
    char what[64];
    must("standing", roads_standing_new(roads, units, &standing));
    bench_again();
    place_units(roads, standing, units);
    roads_search_by(search, method);
    row_begin();
    while (row_goes_on(QUERIES)) {
        struct roads_place target = bench_place(roads);
        row_call();
        must("nearest", roads_nearest(search, standing, &target, k, ROADS_NONE,
                                      NULL, NULL, best, &found));
        row_called();
        if (found == k)
            last_ms[known++] = best[found - 1].drive_ms;
    }
    snprintf(what, sizeof(what), "nearest %zu of %zu units%s", k, units,
             by[method]);
    row_tell(what, false);
    if (known == 0)
        bench_die("nearest", "no place is reached by all");
    bench_sort(last_ms, known);
    roads_standing_free(standing);
    size_t high = known * 99 / 100;
    return (double)last_ms[high] / 1e3;
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
    bench_again();
    row_begin();
    while (row_goes_on(FULL_QUERIES)) {
        struct roads_place target = bench_place(roads);
        row_call();
        must("nearest", roads_nearest(search, standing, &target, 1, ROADS_NONE,
                                      nobody, NULL, &best, &found));
        row_called();
    }
    row_tell("backward search over the whole network", false);
    roads_standing_free(standing);
}

static void measure_routes(const struct roads *roads,
                           struct roads_search *search)
{
    struct roads_route route;
    bench_again();
    row_begin();
    while (row_goes_on(FULL_QUERIES)) {
        struct roads_place from = bench_place(roads);
        struct roads_place to = bench_place(roads);
        row_call();
        enum pt_err err = roads_route(search, &from, &to, &route);
        row_called();
        if (err == PT_E_UNREACHABLE)
            continue;
        must("route", err);
        roads_route_clear(&route);
    }
    row_tell("route between any two places, its line too", false);
}

/* Fixes up to some 60 m off a street. */
static void measure_snaps(const struct roads *roads)
{
    bench_again();
    row_begin();
    while (row_goes_on(QUERIES)) {
        struct roads_place place = bench_place(roads);
        struct geo_point near =
            roads_place_on(roads, 2 * place.edge, place.fraction).at;
        near.lat_e6 += (int32_t)any(800) - 400;
        near.lon_e6 += (int32_t)any(800) - 400;
        row_call();
        enum pt_err err = roads_snap(roads, near, 300, &place);
        row_called();
        if (err != PT_OK && err != PT_E_OFFROAD)
            must("snap", err);
    }
    row_tell("snap a fix within 300 m", false);
}

int main(int argc, char **argv)
{
    struct roads_search *search;
    if (argc != 2) {
        fputs("usage: bench_roads CONNINFO\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* a row is told when it is there */
    struct roads *roads = measure_load(argv[1]);
    must("search", roads_search_new(roads, &search));
    measure_prepare(roads);
    double needed_s =
        measure_nearest(roads, search, BENCH_UNITS, ROADS_CHEAPER);
    static const size_t sparse[] = {250, 100, 25, 3, 1};
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
    measure_snaps(roads);
    bench_sql(argv[1], roads, needed_s);
    roads_search_free(search);
    roads_unref(roads);
    return EXIT_SUCCESS;
}

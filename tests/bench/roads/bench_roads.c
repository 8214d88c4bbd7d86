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

/* Returns the seconds that the fifth needs in 99 of 100 questions. */
static double measure_nearest(const struct roads *roads,
                              struct roads_search *search, size_t units)
{
    static uint64_t fifth_ms[QUERIES];
    struct roads_standing *standing;
    struct roads_arrival best[BENCH_NEAREST];
    size_t known = 0;
    size_t found = 0;
    char what[64];
    must("standing", roads_standing_new(roads, units, &standing));
    for (uint32_t slot = 0; slot < units; slot++) {
        struct roads_place place = bench_place(roads);
        roads_standing_put(standing, slot, &place);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        struct roads_place target = bench_place(roads);
        uint64_t start = bench_now_ns();
        must("nearest", roads_nearest(search, standing, &target, BENCH_NEAREST,
                                      ROADS_NONE, NULL, NULL, best, &found));
        samples[i] = bench_now_ns() - start;
        if (found == BENCH_NEAREST)
            fifth_ms[known++] = best[found - 1].drive_ms;
    }
    snprintf(what, sizeof(what), "nearest %d of %zu units", BENCH_NEAREST,
             units);
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
    double needed_s = measure_nearest(roads, search, BENCH_UNITS);
    measure_nearest(roads, search, 25);
    measure_everywhere(roads, search);
    measure_routes(roads, search);
    measure_snaps(roads, search);
    bench_sql(argv[1], roads, needed_s);
    roads_search_free(search);
    roads_unref(roads);
    return EXIT_SUCCESS;
}

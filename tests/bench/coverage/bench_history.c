/* What a replay of the past costs: the positions of units that drive about and
 * stand, as agents report them (a fix at every corner and every 10 s, one a
 * minute at rest), written into the database for so many days, and then
 * replayed: missions at every fix, with streets every five minutes, and both
 * every five minutes only. */
#include "asking.h"
#include "bench.h"
#include "dispatch.h"
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_MS HISTORY_DAY_MS
#define UNITS 25

static const struct coverage_settings settings = {
    .promise_s = 300,
    .level = 1,
    .zone_percent = 90,
    .lost_after_ms = 15000,
    .regained_after_ms = 30000,
    .reach_m = DISPATCH_ACCESS_MAX_M,
    .access_s = dispatch_access_s,
    .start_share = DISPATCH_START_SHARE,
    .tables_max_bytes = (size_t)1 << 30,
};

static void must(const char *what, enum pt_err err, const char *message)
{
    if (err != PT_OK)
        bench_die(what, message[0] != '\0' ? message : pt_strerror(err));
}

static uint32_t any(uint32_t below)
{
    return (uint32_t)random() % below;
}

/* ------------------------------------------------------------------- driving
 */
struct driver {
    uint32_t directed;
    double travelled;
    int64_t at_ms, rests_ms; /* it drives until then */
    uint64_t seq;
};

static uint32_t any_street(const struct roads *roads)
{
    uint32_t directed;
    do
        directed = any(2 * (uint32_t)roads_edge_count(roads));
    while (roads_edge_ms(roads, directed) == ROADS_NONE ||
           roads_edge_apart(roads, directed));
    return directed;
}

/* Whoever may turn into the reverse of a street may be turned into from it. */
static uint32_t any_turn(const struct roads *roads, uint32_t directed)
{
    uint32_t next[8];
    size_t count = roads_turns_into(roads, roads_reverse(directed), next, 8);
    count = count < 8 ? count : 8;
    for (size_t tries = 0; tries < 8 && count > 0; tries++) {
        uint32_t into = roads_reverse(next[any((uint32_t)count)]);
        if (roads_edge_ms(roads, into) != ROADS_NONE)
            return into;
    }
    return roads_edge_ms(roads, roads_reverse(directed)) != ROADS_NONE
               ? roads_reverse(directed)
               : any_street(roads);
}

static void write_fix(struct asking_copy *copy, const struct roads *roads,
                      unsigned unit, struct driver *d, double mps)
{
    struct geo_point at = roads_place_on(roads, d->directed, d->travelled).at;
    char time_text[40];
    time_t seconds = (time_t)(d->at_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S+00", &parts);
    /* some metres beside the street, as receivers are */
    asking_copy_row(copy,
                    "%u\t%s\t%s\tSRID=4326;POINT(%.6f %.6f)\t%.2f\t%.1f\t5"
                    "\tavailable\t1\t%llu\t15\n",
                    unit, time_text, time_text,
                    at.lon_e6 / 1e6 + ((double)any(80) - 40) / 1e6,
                    at.lat_e6 / 1e6 + ((double)any(80) - 40) / 1e6, mps,
                    roads_course_deg(roads, d->directed, d->travelled),
                    (unsigned long long)++d->seq);
}

/* To the corner, or 10 s on, whichever comes first. */
static void drive_on(struct asking_copy *copy, const struct roads *roads,
                     unsigned unit, struct driver *d)
{
    double edge_ms = roads_edge_ms(roads, d->directed);
    double length_m = roads_edge_length_m(roads, d->directed);
    double left_ms = (1 - d->travelled) * edge_ms;
    double step_ms = left_ms < 10000 ? left_ms : 10000;
    d->at_ms += (int64_t)step_ms + 1;
    d->travelled += step_ms / edge_ms;
    if (d->travelled >= 0.999) {
        d->directed = any_turn(roads, d->directed);
        d->travelled = 0;
    }
    write_fix(copy, roads, unit, d, length_m / edge_ms * 1000);
}

static uint64_t write_unit(struct asking_copy *copy, const struct roads *roads,
                           unsigned unit, int64_t from_ms, int64_t to_ms)
{
    struct driver d = {.directed = any_street(roads), .at_ms = from_ms};
    while (d.at_ms < to_ms) {
        d.rests_ms = d.at_ms + 60000 * (5 + any(15));
        while (d.at_ms < d.rests_ms && d.at_ms < to_ms)
            drive_on(copy, roads, unit, &d);
        /* a third of the time on the road */
        for (uint32_t minutes = 10 + any(30); minutes > 0 && d.at_ms < to_ms;
             minutes--) {
            d.at_ms += 60000;
            if (d.at_ms < to_ms)
                write_fix(copy, roads, unit, &d, 0);
        }
    }
    return d.seq;
}

static void write_days(const char *conninfo, const struct roads *roads,
                       int64_t from_ms, int64_t to_ms)
{
    struct asking a;
    struct asking_copy copy;
    char message[256] = "", sql[256];
    uint64_t fixes = 0;
    must("database",
         asking_open(&a, conninfo, "bench", message, sizeof(message)), message);
    snprintf(sql, sizeof(sql),
             "SELECT patrol.make_partitions(to_timestamp(%lld)::date - 1,"
             " to_timestamp(%lld)::date + 1)",
             (long long)(from_ms / 1000), (long long)(to_ms / 1000));
    must("partitions", asking_run(&a, sql), message);
    must("units",
         asking_run(&a, "INSERT INTO patrol.unit (call_sign) SELECT 'B-' || n"
                        " FROM generate_series(1, 25) n"),
         message);
    must("copy",
         asking_copy_begin(&copy, &a, "COPY patrol.position FROM STDIN"),
         message);
    for (unsigned unit = 1; unit <= UNITS; unit++)
        fixes += write_unit(&copy, roads, unit, from_ms, to_ms);
    must("copy", asking_copy_end(&copy), message);
    must("analyze", asking_run(&a, "ANALYZE patrol.position"), message);
    asking_close(&a);
    printf("%d units, %.0f days: %llu fixes\n", UNITS,
           (double)(to_ms - from_ms) / (double)DAY_MS,
           (unsigned long long)fixes);
}

/* -------------------------------------------------------------------- replay
 */
static void replay(struct history_wish *wish, const char *what)
{
    char message[256];
    uint32_t run_id;
    struct timespec began, ended, cpu_before, cpu_after;
    clock_gettime(CLOCK_MONOTONIC, &began);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
    must(what, history_run(wish, &run_id, message, sizeof(message)), message);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
    printf("%-44s %8.2f s, %8.2f s of processor, run %u\n", what,
           (double)(ended.tv_sec - began.tv_sec) +
               (double)(ended.tv_nsec - began.tv_nsec) / 1e9,
           (double)(cpu_after.tv_sec - cpu_before.tv_sec) +
               (double)(cpu_after.tv_nsec - cpu_before.tv_nsec) / 1e9,
           run_id);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char message[256] = "";
    struct roads *roads;
    struct catalog *catalog;
    if (argc != 3) {
        fputs("usage: bench_history CONNINFO DAYS\n", stderr);
        return 2;
    }
    int64_t to_ms = (int64_t)time(NULL) * 1000 / DAY_MS * DAY_MS;
    int64_t from_ms = to_ms - strtol(argv[2], NULL, 10) * DAY_MS;
    must("roads", roads_load(argv[1], &roads, message, sizeof(message)),
         message);
    must("prepare", roads_prepare(roads), "");
    write_days(argv[1], roads, from_ms - 3600000, to_ms);
    must("catalog", catalog_load(argv[1], &catalog, message, sizeof(message)),
         message);
    struct history_wish wish = {
        .conninfo = argv[1],
        .coverage = settings,
        .rule = {.position_max_s = 300},
        .from_ms = from_ms,
        .to_ms = to_ms,
        .pass_m = 60,
        .threads = 2,
        .catalog = catalog,
        .roads = roads,
    };
    printf("%zu missions, %zu zones\n", catalog_mission_count(catalog),
           catalog_zone_count(catalog));
    replay(&wish, "missions at every fix");
    wish.step_s = 300;
    replay(&wish, "and streets every five minutes");
    replay(&wish, "the same asked again");
    wish.at_steps = true;
    replay(&wish, "both every five minutes only");
    catalog_free(catalog);
    roads_unref(roads);
    return EXIT_SUCCESS;
}

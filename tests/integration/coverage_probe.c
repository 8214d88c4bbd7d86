/* Coverage of fleets that are told, on the network and the catalog of a
 * database, one command a line:
 *
 *   coverage_probe CONNINFO PROMISE_S   -> loaded MISSIONS ZONES
 *
 *   unit SLOT EDGE FRACTION LATE_MS     (slots below 1000)
 *   clear                               no unit is there any more
 *   run    -> mission ID WITHIN [SLOT MS]...     for each
 *             zone ID MISSIONS WITHIN*3 LENGTH_M WITHIN_M*3   0: everything
 *             pieces DIGITS   of street in time by so many (up to 3), or -:
 *                             nothing is promised
 *             gaps LENGTH_M
 *
 * A failure is told as "error ...", and ends it. */
#include "coverage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1000
#define NOW_MS INT64_C(1718000000000)

static double no_access(double off_road_m)
{
    (void)off_road_m;
    return 0;
}

struct probe {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage *coverage;
    struct coverage_basis *basis;
};

static enum pt_err start(struct probe *p, const char *conninfo, int promise_s,
                         char *message, size_t size)
{
    const struct coverage_settings settings = {
        .promise_s = promise_s,
        .level = 1,
        .zone_percent = 100,
        .reach_m = 300,
        .access_s = no_access,
        .start_share = 4,
        .tables_max_bytes = (size_t)1 << 30,
    };
    enum pt_err err = roads_load(conninfo, &p->roads, message, size);
    if (err == PT_OK)
        err = catalog_load(conninfo, &p->catalog, message, size);
    if (err == PT_OK)
        err = roads_prepare(p->roads);
    if (err == PT_OK)
        err = coverage_new(&settings, SLOTS, &p->coverage);
    if (err == PT_OK) {
        const struct roads_metric *metric = roads_profile(p->roads, NULL);
        const struct coverage_metrics metrics = {metric, metric, metric};
        err = coverage_basis_new(&settings, p->catalog, &metrics, &p->basis);
    }
    if (err == PT_OK)
        err = coverage_basis_fill(p->basis);
    if (err == PT_OK)
        err = coverage_set_basis(p->coverage, p->basis, NOW_MS);
    return err;
}

static enum pt_err do_unit(struct probe *p, const char *words)
{
    uint32_t slot;
    struct coverage_unit unit = {.until_ms = INT64_MAX};
    if (sscanf(words, "%" SCNu32 " %" SCNu32 " %lf %" SCNu32, &slot,
               &unit.place.edge, &unit.place.fraction, &unit.late_ms) != 4)
        return PT_E_MALFORMED;
    return coverage_put(p->coverage, slot, &unit, NOW_MS);
}

static void tell_missions(const struct probe *p)
{
    for (size_t i = 0; i < catalog_mission_count(p->catalog); i++) {
        struct coverage_mission m = coverage_mission(p->coverage, i);
        printf("mission %" PRIu32 " %zu", m.mission->mission_id, m.within);
        for (size_t k = 0; k < m.found; k++)
            printf(" %" PRIu32 " %" PRIu32, m.first[k].slot, m.first[k].eta_ms);
        puts("");
    }
}

static void tell_zones(const struct probe *p)
{
    for (size_t z = 0; z <= catalog_zone_count(p->catalog); z++) {
        struct coverage_zone zone = coverage_zone(p->coverage, z);
        printf("zone %" PRIu32 " %zu %zu %zu %zu %.3f %.3f %.3f %.3f\n",
               zone.zone == NULL ? 0 : zone.zone->zone_id, zone.missions,
               zone.within[0], zone.within[1], zone.within[2], zone.length_m,
               zone.within_m[0], zone.within_m[1], zone.within_m[2]);
    }
}

static void tell_pieces(const struct probe *p)
{
    const struct coverage_streets *streets = coverage_streets(p->coverage);
    printf("pieces ");
    for (size_t i = 0; i < coverage_piece_count(streets); i++) {
        struct coverage_piece piece = coverage_piece(streets, i);
        int within = 0;
        while (within < (int)COVERAGE_FOLD &&
               piece.first_ms[within] <= piece.promise_ms)
            within++;
        putchar(piece.promise_ms == 0 ? '-' : '0' + within);
    }
    puts("");
}

static enum pt_err do_run(struct probe *p)
{
    struct coverage_streets *job;
    const struct coverage_gap *gaps = NULL;
    double length_m = 0;
    enum pt_err err = coverage_streets_begin(p->coverage, NOW_MS, &job);
    if (err != PT_OK)
        return err;
    err = coverage_streets_run(job);
    coverage_streets_end(p->coverage, job, err);
    if (err != PT_OK)
        return err;
    tell_missions(p);
    tell_zones(p);
    tell_pieces(p);
    size_t count = coverage_gaps(p->coverage, &gaps);
    for (size_t i = 0; i < count; i++)
        length_m += gaps[i].length_m;
    printf("gaps %.3f\n", length_m);
    return PT_OK;
}

static enum pt_err run_line(struct probe *p, const char *line)
{
    if (strncmp(line, "unit ", 5) == 0)
        return do_unit(p, line + 5);
    if (strcmp(line, "run\n") == 0)
        return do_run(p);
    if (strcmp(line, "clear\n") != 0)
        return PT_E_MALFORMED;
    coverage_trim(p->coverage, 0, NOW_MS);
    return PT_OK;
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    char message[256] = "", line[256] = "";
    if (argc != 3) {
        fputs("usage: coverage_probe CONNINFO PROMISE_S\n", stderr);
        return 2;
    }
    enum pt_err err = start(&p, argv[1], (int)strtol(argv[2], NULL, 10),
                            message, sizeof(message));
    if (err == PT_OK)
        printf("loaded %zu %zu\n", catalog_mission_count(p.catalog),
               catalog_zone_count(p.catalog));
    while (err == PT_OK && fgets(line, sizeof(line), stdin) != NULL)
        err = run_line(&p, line);
    if (err != PT_OK)
        printf("error %s (%s) %s\n", pt_strerror(err), message, line);
    coverage_free(p.coverage);
    coverage_basis_unref(p.basis);
    catalog_free(p.catalog);
    roads_unref(p.roads);
    return err == PT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

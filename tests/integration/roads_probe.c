/* A network from the database and the questions asked of it, one a line:
 *
 *   roads_probe CONNINFO   -> loaded EDGES JUNCTIONS NETWORK_ID
 *
 *   unit SLOT EDGE FRACTION      (slots below 100000)
 *   nearest EDGE FRACTION K      -> nearest N [SLOT MS METRES]...
 *   route EDGE FRACTION EDGE FRACTION
 *                                -> route MS METRES LEGS POINTS | unreachable
 *   by search | by hierarchy     how the answers after it are found
 *   profile NAME                 by whose rules
 *   snap LAT_E6 LON_E6 REACH_M   -> snap EDGE FRACTION METRES | offroad
 *
 * A failure is told as "error ...", and ends it. */
#include "roads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 100000
#define K_MAX 1000

struct probe {
    struct roads *roads;
    struct roads_search *search;
    struct roads_standing *standing;
};

static enum pt_err do_unit(struct probe *p, const char *words)
{
    uint32_t slot;
    struct roads_place place = {0};
    if (sscanf(words, "%" SCNu32 " %" SCNu32 " %lf", &slot, &place.edge,
               &place.fraction) != 3 ||
        slot >= SLOTS)
        return PT_E_MALFORMED;
    roads_standing_put(p->standing, slot, &place);
    return PT_OK;
}

static enum pt_err do_nearest(struct probe *p, const char *words)
{
    static struct roads_arrival best[K_MAX];
    struct roads_place place = {0};
    size_t k;
    size_t found = 0;
    if (sscanf(words, "%" SCNu32 " %lf %zu", &place.edge, &place.fraction,
               &k) != 3 ||
        k > K_MAX)
        return PT_E_MALFORMED;
    enum pt_err err = roads_nearest(p->search, p->standing, &place, k,
                                    ROADS_NONE, NULL, NULL, best, &found);
    if (err != PT_OK)
        return err;
    printf("nearest %zu", found);
    for (size_t i = 0; i < found; i++) {
        printf(" %" PRIu32 " %" PRIu32 " %.3f", best[i].slot, best[i].drive_ms,
               best[i].distance_m);
    }
    puts("");
    return PT_OK;
}

static enum pt_err do_route(struct probe *p, const char *words)
{
    struct roads_place a = {0};
    struct roads_place b = {0};
    struct roads_route route;
    if (sscanf(words, "%" SCNu32 " %lf %" SCNu32 " %lf", &a.edge, &a.fraction,
               &b.edge, &b.fraction) != 4)
        return PT_E_MALFORMED;
    enum pt_err err = roads_route(p->search, &a, &b, &route);
    if (err == PT_E_UNREACHABLE) {
        puts("unreachable");
        return PT_OK;
    }
    if (err != PT_OK)
        return err;
    printf("route %" PRIu32 " %.3f %zu %zu\n", route.drive_ms, route.distance_m,
           route.leg_count, route.point_count);
    roads_route_clear(&route);
    return PT_OK;
}

static enum pt_err do_by(struct probe *p, const char *words)
{
    bool search = strncmp(words, "search", strlen("search")) == 0;
    if (!search && strncmp(words, "hierarchy", strlen("hierarchy")) != 0)
        return PT_E_MALFORMED;
    roads_search_by(p->search, search ? ROADS_BY_SEARCH : ROADS_BY_HIERARCHY);
    return PT_OK;
}

static enum pt_err do_profile(struct probe *p, const char *words)
{
    char name[ROADS_PROFILE_NAME];
    const struct roads_metric *metric = NULL;
    if (sscanf(words, "%31s", name) == 1)
        metric = roads_profile(p->roads, name);
    return metric == NULL ? PT_E_MALFORMED
                          : roads_search_use(p->search, metric);
}

static enum pt_err do_snap(struct probe *p, const char *words)
{
    struct geo_point point;
    struct roads_place place;
    double reach_m;
    if (sscanf(words, "%" SCNd32 " %" SCNd32 " %lf", &point.lat_e6,
               &point.lon_e6, &reach_m) != 3)
        return PT_E_MALFORMED;
    enum pt_err err = roads_snap(p->roads, point, reach_m, &place);
    if (err == PT_E_OFFROAD) {
        puts("offroad");
        return PT_OK;
    }
    if (err == PT_OK)
        printf("snap %" PRIu32 " %.17g %.3f\n", place.edge, place.fraction,
               place.distance_m);
    return err;
}

static const struct command {
    const char *word;
    enum pt_err (*run)(struct probe *p, const char *words);
} commands[] = {
    {"unit ", do_unit}, {"nearest ", do_nearest}, {"route ", do_route},
    {"by ", do_by},     {"snap ", do_snap},       {"profile ", do_profile},
};

static enum pt_err run_line(struct probe *p, const char *line)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        size_t length = strlen(commands[i].word);
        if (strncmp(line, commands[i].word, length) == 0)
            return commands[i].run(p, line + length);
    }
    return PT_E_MALFORMED;
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    char message[256] = "";
    char line[256] = "";
    if (argc != 2) {
        fputs("usage: roads_probe CONNINFO\n", stderr);
        return 2;
    }
    enum pt_err err = roads_load(argv[1], &p.roads, message, sizeof(message));
    if (err == PT_OK) {
        printf("loaded %zu %zu %" PRIu32 "\n", roads_edge_count(p.roads),
               roads_node_count(p.roads), roads_network_id(p.roads));
        message[0] = '\0';
        err = roads_prepare(p.roads);
    }
    if (err == PT_OK)
        err = roads_search_new(p.roads, &p.search);
    if (err == PT_OK)
        err = roads_standing_new(p.roads, SLOTS, &p.standing);
    while (err == PT_OK && fgets(line, sizeof(line), stdin) != NULL)
        err = run_line(&p, line);
    if (err != PT_OK)
        printf("error %s (%s) %s\n", pt_strerror(err), message, line);
    roads_standing_free(p.standing);
    roads_search_free(p.search);
    roads_unref(p.roads);
    return err == PT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

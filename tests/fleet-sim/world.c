/* The network, and the places that units go to. */
#include "catalog.h"
#include "pt_log.h"
#include "sim.h"
#include <math.h>
#include <stdlib.h>

#define REACH_M 200.0 /* from a mission to a street */
#define CORNERS_LEAST 60
#define UNITS_A_CORNER 5
#define HOUR_LIMIT_MS (2u * 3600u * 1000u)
#define DAY_MS INT64_C(86400000)

static struct roads_place *room_for(size_t count)
{
    return calloc(count, sizeof(struct roads_place));
}

static enum pt_err load_missions(const char *conninfo, struct world *world,
                                 size_t corners)
{
    struct catalog *catalog = NULL;
    char message[256];
    double sum_deg = 0.0;
    enum pt_err err =
        catalog_load(conninfo, &catalog, message, sizeof(message));
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "missions: %s", message);
        return err;
    }
    size_t count = catalog_mission_count(catalog);
    world->places = room_for(count + corners);
    if (world->places == NULL) {
        err = PT_E_NOMEM;
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        const struct catalog_mission *mission = catalog_mission(catalog, i);
        struct roads_place *place = &world->places[world->place_count];
        if (roads_snap(world->roads, mission->at, REACH_M, place) != PT_OK)
            continue;
        sum_deg += geo_lon_deg(mission->at);
        world->place_count++;
    }
    world->mission_count = world->place_count;
    if (world->mission_count < 2) {
        pt_log(PT_LOG_ERROR,
               "%zu of %zu missions lie on the roads; units need two "
               "(patrolctl missions import)",
               world->mission_count, count);
        err = PT_E_NOTFOUND;
        goto out;
    }
    world->longitude_deg = sum_deg / (double)world->mission_count;
out:
    catalog_free(catalog);
    return err;
}

/* The middles of some streets: a route from there to itself says where that
 * is. */
static void draw_corners(struct world *world, uint64_t seed, size_t count)
{
    struct rng rng;
    rng_init(&rng, seed, UINT64_C(0x636f726e657273));
    for (size_t i = 0; i < count; i++) {
        struct roads_place *place = &world->places[world->place_count];
        struct roads_route route = {0};
        place->edge = (uint32_t)rng_below(&rng, roads_edge_count(world->roads));
        place->fraction = 0.5;
        if (roads_route(world->search, place, place, &route) != PT_OK)
            continue;
        place->at = route.points[0];
        world->place_count++;
        roads_route_clear(&route);
    }
}

/* Which places reach place number `to`: one search. */
static enum pt_err who_reaches(struct world *world, size_t to,
                               struct roads_standing *standing,
                               struct roads_arrival *arrivals, size_t *ret)
{
    return roads_nearest(world->search, standing, &world->places[to],
                         world->place_count, HOUR_LIMIT_MS, NULL, NULL,
                         arrivals, ret);
}

static int by_slot(const void *a, const void *b)
{
    const struct roads_arrival *x = a;
    const struct roads_arrival *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Islands are left out: what cannot reach the mission that most can reach.
 * Two thirds of all are a mainland; no other has to be looked for then. */
static enum pt_err keep_mainland(struct world *world)
{
    struct roads_standing *standing = NULL;
    struct roads_arrival *arrivals =
        calloc(world->place_count, sizeof(*arrivals));
    size_t best = 0;
    size_t best_count = 0;
    size_t found = 0;
    enum pt_err err =
        roads_standing_new(world->roads, world->place_count, &standing);
    if (err != PT_OK || arrivals == NULL)
        goto out;
    for (size_t i = 0; i < world->place_count; i++)
        roads_standing_put(standing, (uint32_t)i, &world->places[i]);
    for (size_t i = 0; i < world->mission_count && err == PT_OK &&
                       3 * best_count < 2 * world->place_count;
         i++) {
        err = who_reaches(world, i, standing, arrivals, &found);
        if (err == PT_OK && found > best_count) {
            best = i;
            best_count = found;
        }
    }
    if (err == PT_OK)
        err = who_reaches(world, best, standing, arrivals, &found);
    if (err != PT_OK)
        goto out;
    qsort(arrivals, found, sizeof(*arrivals), by_slot);
    size_t missions = 0;
    for (size_t i = 0; i < found; i++) {
        missions += arrivals[i].slot < world->mission_count;
        world->places[i] = world->places[arrivals[i].slot];
    }
    world->place_count = found;
    world->mission_count = missions;
    if (missions < 2)
        err = PT_E_NOTFOUND;
out:
    if (arrivals == NULL)
        err = PT_E_NOMEM;
    roads_standing_free(standing);
    free(arrivals);
    return err;
}

enum pt_err world_load(const struct sim_options *options, struct world *ret)
{
    struct world world = {0};
    char message[256];
    size_t corners = CORNERS_LEAST + (size_t)options->units / UNITS_A_CORNER;
    enum pt_err err =
        roads_load(options->database, &world.roads, message, sizeof(message));
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "roads: %s", message);
        return err;
    }
    err = roads_search_new(world.roads, &world.search);
    if (err == PT_OK)
        err = load_missions(options->database, &world, corners);
    if (err != PT_OK)
        goto out;
    draw_corners(&world, options->seed, corners);
    err = keep_mainland(&world);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "no two missions are joined by roads: %s",
               pt_strerror(err));
        goto out;
    }
    *ret = world;
    return PT_OK;
out:
    world_clear(&world);
    return err;
}

void world_clear(struct world *world)
{
    roads_search_free(world->search);
    roads_unref(world->roads);
    free(world->places);
    *world = (struct world){0};
}

double world_hour(const struct world *world, int64_t time_ms)
{
    double day = (double)(time_ms % DAY_MS) / (double)DAY_MS;
    double hour = fmod(day * 24.0 + world->longitude_deg / 15.0, 24.0);
    return hour < 0 ? hour + 24.0 : hour;
}

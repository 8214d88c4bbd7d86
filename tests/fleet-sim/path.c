/* A route by road as a drive: a speed for each point of its line, from the
 * streets' own speeds, corners, and the room that brakes need. */
#include "sim.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What patrols do, not what cars can. */
#define ACCELERATION_MPS2 1.6
#define BRAKING_MPS2 2.0
#define CREEP_MPS 0.8 /* slower than this nobody drives up to a door */
#define FASTEST_MPS 40.0
#define SLOWEST_MPS 2.0
#define ARRIVED_M 0.3
#define SAME_POINT_M 0.3
#define SLICE_S 0.25 /* of integration: 2 m at town speed */

/* --- planning ----------------------------------------------------------- */

/* Corners by the angle between two pieces; gentle bends cost nothing. */
static double corner_mps(double turn_deg)
{
    if (turn_deg < 20.0)
        return FASTEST_MPS;
    if (turn_deg < 45.0)
        return 9.0;
    return turn_deg < 110.0 ? 4.5 : 2.5;
}

static bool is_tunnel(const struct roads *roads, uint32_t directed)
{
    const char *name = roads_edge_name(roads, directed);
    return name != NULL && (strncmp(name, "Túnel", strlen("Túnel")) == 0 ||
                            strncmp(name, "Tunel", strlen("Tunel")) == 0);
}

/* The line without points that fall together. */
static void copy_line(const struct roads_route *route, struct path *path)
{
    double along = 0.0;
    path->points[0].at = route->points[0];
    path->count = 1;
    for (size_t i = 1; i < route->point_count; i++) {
        struct path_point *last = &path->points[path->count - 1];
        double piece = geo_distance_m(last->at, route->points[i]);
        if (piece < SAME_POINT_M && i + 1 < route->point_count)
            continue;
        along += piece;
        path->points[path->count++] = (struct path_point){
            .at = route->points[i], .along_m = (float)along};
    }
}

/* Legs are measured in the streets' stated lengths, the line in its own:
 * they are laid over each other by their shares of the whole. */
static void set_cruise(const struct roads *roads,
                       const struct roads_route *route, double haste,
                       struct path *path)
{
    double total = path->points[path->count - 1].along_m;
    double scale = route->distance_m > 0 ? total / route->distance_m : 0.0;
    size_t leg = 0;
    double leg_end = route->legs[0].length_m * scale;
    for (uint32_t i = 0; i + 1 < path->count; i++) {
        double middle =
            (path->points[i].along_m + path->points[i + 1].along_m) / 2.0;
        while (middle > leg_end && leg + 1 < route->leg_count)
            leg_end += route->legs[++leg].length_m * scale;
        uint32_t directed = route->legs[leg].directed;
        double mps = roads_edge_length_m(roads, directed) * 1000.0 /
                     (double)roads_edge_ms(roads, directed) * haste;
        mps = fmin(fmax(mps, SLOWEST_MPS), FASTEST_MPS);
        path->points[i].cruise_cmps = (uint16_t)lround(mps * 100.0);
        path->points[i].tunnel = is_tunnel(roads, directed);
    }
}

static void set_corners(struct path *path)
{
    for (uint32_t i = 1; i + 1 < path->count; i++) {
        double in = geo_course_deg(path->points[i - 1].at, path->points[i].at);
        double out = geo_course_deg(path->points[i].at, path->points[i + 1].at);
        path->points[i].most_mps =
            (float)corner_mps(geo_course_difference_deg(in, out));
    }
    path->points[0].most_mps = FASTEST_MPS;
    path->points[path->count - 1].most_mps = 0.0f;
}

static double brake_from_mps(double to_mps, double over_m)
{
    return sqrt(to_mps * to_mps + 2.0 * BRAKING_MPS2 * fmax(over_m, 0.0));
}

static void leave_room_to_brake(struct path *path)
{
    for (uint32_t i = path->count - 1; i > 0; i--) {
        struct path_point *here = &path->points[i - 1];
        const struct path_point *next = &path->points[i];
        double most = brake_from_mps((double)next->most_mps,
                                     (double)(next->along_m - here->along_m));
        if (most < (double)here->most_mps)
            here->most_mps = (float)most;
    }
}

enum pt_err path_plan(struct world *world, const struct roads_place *from,
                      const struct roads_place *to, double haste,
                      struct path *ret)
{
    struct roads_route route = {0};
    struct path path = {0};
    enum pt_err err = roads_route(world->search, from, to, &route);
    if (err != PT_OK)
        return err;
    path.points = calloc(route.point_count, sizeof(*path.points));
    if (path.points == NULL) {
        err = PT_E_NOMEM;
        goto out;
    }
    copy_line(&route, &path);
    set_cruise(world->roads, &route, haste, &path);
    set_corners(&path);
    leave_room_to_brake(&path);
    *ret = path;
out:
    roads_route_clear(&route);
    return err;
}

void path_clear(struct path *path)
{
    free(path->points);
    *path = (struct path){0};
}

/* --- driving -------------------------------------------------------------- */

static const struct path_point *piece_end(const struct path *path)
{
    return &path->points[path->piece + 1];
}

static void drive_slice(struct path *path)
{
    const struct path_point *next = piece_end(path);
    double cruise = path->points[path->piece].cruise_cmps / 100.0;
    double room = (double)next->along_m - path->along_m;
    double most = fmin(cruise, brake_from_mps((double)next->most_mps, room));
    double mps = fmin(path->speed_mps + ACCELERATION_MPS2 * SLICE_S, most);
    path->speed_mps = fmax(mps, CREEP_MPS);
    path->along_m += path->speed_mps * SLICE_S;
    while (path->piece + 2 < path->count &&
           path->along_m >= (double)piece_end(path)->along_m)
        path->piece++;
}

bool path_drive(struct path *path, double seconds)
{
    double end = (double)path->points[path->count - 1].along_m - ARRIVED_M;
    for (double left = seconds; left > 0.0; left -= SLICE_S) {
        if (path->along_m >= end) {
            path->along_m = end + ARRIVED_M;
            path->speed_mps = 0.0;
            return false;
        }
        drive_slice(path);
    }
    return true;
}

struct geo_point path_at(const struct path *path)
{
    const struct path_point *a = &path->points[path->piece];
    const struct path_point *b = piece_end(path);
    double length = (double)(b->along_m - a->along_m);
    double share =
        length > 0 ? (path->along_m - (double)a->along_m) / length : 1.0;
    struct geo_plane plane = geo_plane_at(a->at);
    double east_m = 0.0;
    double north_m = 0.0;
    share = fmin(fmax(share, 0.0), 1.0);
    geo_to_plane(&plane, b->at, &east_m, &north_m);
    return geo_from_plane(&plane, east_m * share, north_m * share);
}

double path_course_deg(const struct path *path)
{
    return geo_course_deg(path->points[path->piece].at, piece_end(path)->at);
}

bool path_in_tunnel(const struct path *path)
{
    return path->points[path->piece].tunnel != 0;
}

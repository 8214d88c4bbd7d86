#ifndef PT_GEO_H
#define PT_GEO_H
/* geo: positions on the WGS84 ellipsoid as integer millionths of a degree,
 * as on the wire, and the metres between them. Pure functions, any thread.
 *
 * 1e-6 degree is 0.11 m: below what a receiver can tell. */
#include <stdbool.h>
#include <stdint.h>

struct geo_point {
    int32_t lat_e6; /* -90 000 000 .. 90 000 000 */
    int32_t lon_e6; /* -180 000 000 .. 180 000 000 */
};

/* Degrees to millionths, rounded half away from zero. The caller has made
 * sure that the values are finite and within range (geo_deg_valid). */
struct geo_point geo_from_deg(double lat_deg, double lon_deg);
double geo_lat_deg(struct geo_point p);
double geo_lon_deg(struct geo_point p);

/* Finite, latitude within +-90, longitude within +-180. */
bool geo_deg_valid(double lat_deg, double lon_deg);
bool geo_valid(struct geo_point p);

/* A plane that touches the ellipsoid at a latitude: metres per degree east
 * and north from the ellipsoid's two radii of curvature (Snyder, "Map
 * Projections: A Working Manual", USGS 1395, eq. 4-18 and 4-20 for the
 * radii). A distance from its centre is right to 0.3 % up to 50 km for
 * latitudes within +-60 (0.07 % at 23), to 0.06 % up to 10 km. */
struct geo_plane {
    struct geo_point centre;
    double east_m_per_e6;  /* metres per 1e-6 degree of longitude */
    double north_m_per_e6; /* metres per 1e-6 degree of latitude */
};

struct geo_plane geo_plane_at(struct geo_point centre);

/* Offsets in metres from the plane's centre; longitudes are taken the short
 * way round, so the 180th meridian is no edge. */
void geo_to_plane(const struct geo_plane *plane, struct geo_point p,
                  double *east_m, double *north_m);
struct geo_point geo_from_plane(const struct geo_plane *plane, double east_m,
                                double north_m);

/* Metres between two points: up to 50 km and within +-84 degrees of latitude
 * by the plane that touches in their middle (0.04 %), else by the haversine on
 * the mean sphere (0.57 %; Sinnott 1984). */
double geo_distance_m(struct geo_point a, struct geo_point b);

/* Course from a to b, degrees clockwise from true north, [0, 360), by the same
 * plane (right to 0.4 degrees at 50 km within +-60 of latitude, 2.3 at 84; in
 * proportion to the distance) or by the great circle where it leaves a (0.3
 * degrees). 0 when both are the same point. */
double geo_course_deg(struct geo_point a, struct geo_point b);

/* Smallest angle between two courses, [0, 180]. */
double geo_course_difference_deg(double a_deg, double b_deg);

/* Where one gets from `p` by `distance_m` on `course_deg`: dead reckoning on
 * the plane at p, with its errors. */
struct geo_point geo_ahead(struct geo_point p, double course_deg,
                           double distance_m);

#endif

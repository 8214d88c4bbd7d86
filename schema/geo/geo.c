#include "geo.h"

#include <math.h>

/* WGS84 (NIMA TR8350.2): semi-major axis and first eccentricity squared. */
static const double semi_major_m = 6378137.0;
static const double eccentricity2 = 0.00669437999014;
/* Mean radius (2a + b) / 3 of the same ellipsoid, for the haversine. */
static const double mean_radius_m = 6371008.7714;

static const double rad_per_deg = 0.017453292519943295; /* pi / 180 */
static const double rad_per_e6 = 0.017453292519943295e-6;

/* Beyond these a plane is no longer good enough (geo.h). */
static const double plane_reach_m = 50000;
static const double plane_lat_e6 = 84e6;

static const int32_t half_turn_e6 = 180000000;
static const int32_t quarter_turn_e6 = 90000000;

struct geo_point geo_from_deg(double lat_deg, double lon_deg)
{
    return (struct geo_point){.lat_e6 = (int32_t)lround(lat_deg * 1e6),
                              .lon_e6 = (int32_t)lround(lon_deg * 1e6)};
}

double geo_lat_deg(struct geo_point p)
{
    return p.lat_e6 / 1e6;
}

double geo_lon_deg(struct geo_point p)
{
    return p.lon_e6 / 1e6;
}

/* Comparisons with NaN are false, so these refuse it, too. */
bool geo_deg_valid(double lat_deg, double lon_deg)
{
    return lat_deg >= -90 && lat_deg <= 90 && lon_deg >= -180 && lon_deg <= 180;
}

bool geo_valid(struct geo_point p)
{
    return p.lat_e6 >= -quarter_turn_e6 && p.lat_e6 <= quarter_turn_e6 &&
           p.lon_e6 >= -half_turn_e6 && p.lon_e6 <= half_turn_e6;
}

/* A difference of longitudes, the short way round: in +-180 degrees. Points
 * off the globe (a stranger's) stay finite and in range, too. */
static int32_t wrap_e6(int64_t lon_e6)
{
    const int64_t turn = 2 * (int64_t)half_turn_e6;

    lon_e6 %= turn;
    if (lon_e6 > half_turn_e6)
        lon_e6 -= turn;
    else if (lon_e6 < -half_turn_e6)
        lon_e6 += turn;
    return (int32_t)lon_e6;
}

/* Snyder: M, the radius in the meridian (4-18), and N, the one across it
 * (4-20). */
static struct geo_plane plane_at_lat(double lat_rad)
{
    double s = sin(lat_rad);
    double w2 = 1 - eccentricity2 * s * s;
    double w = sqrt(w2);

    return (struct geo_plane){
        .east_m_per_e6 = semi_major_m / w * cos(lat_rad) * rad_per_e6,
        .north_m_per_e6 =
            semi_major_m * (1 - eccentricity2) / (w2 * w) * rad_per_e6,
    };
}

struct geo_plane geo_plane_at(struct geo_point centre)
{
    struct geo_plane plane = plane_at_lat(centre.lat_e6 * rad_per_e6);

    plane.centre = centre;
    return plane;
}

void geo_to_plane(const struct geo_plane *plane, struct geo_point p,
                  double *east_m, double *north_m)
{
    int64_t east_e6 = (int64_t)p.lon_e6 - plane->centre.lon_e6;
    int64_t north_e6 = (int64_t)p.lat_e6 - plane->centre.lat_e6;

    *east_m = wrap_e6(east_e6) * plane->east_m_per_e6;
    *north_m = (double)north_e6 * plane->north_m_per_e6;
}

static double clamp(double value, double limit)
{
    return fmax(-limit, fmin(limit, value));
}

struct geo_point geo_from_plane(const struct geo_plane *plane, double east_m,
                                double north_m)
{
    /* At a pole a metre east is no longitude at all: the clamp keeps the
     * conversion to an integer defined. */
    double east_e6 =
        clamp(east_m / fmax(plane->east_m_per_e6, 1e-9), half_turn_e6);
    double lat_e6 =
        clamp(plane->centre.lat_e6 + north_m / plane->north_m_per_e6,
              quarter_turn_e6);

    return (struct geo_point){
        .lat_e6 = (int32_t)lround(lat_e6),
        .lon_e6 = wrap_e6((int64_t)plane->centre.lon_e6 + llround(east_e6)),
    };
}

/* Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984). */
static double haversine_m(struct geo_point a, struct geo_point b)
{
    double lat_a = a.lat_e6 * rad_per_e6, lat_b = b.lat_e6 * rad_per_e6;
    double dlon = wrap_e6((int64_t)b.lon_e6 - a.lon_e6) * rad_per_e6;
    double sin_lat = sin((lat_b - lat_a) / 2), sin_lon = sin(dlon / 2);
    double h = sin_lat * sin_lat + cos(lat_a) * cos(lat_b) * sin_lon * sin_lon;

    return 2 * mean_radius_m * asin(sqrt(fmin(1, h)));
}

/* Spherical trigonometry: the great circle's course where it leaves a. */
static double sphere_course_rad(struct geo_point a, struct geo_point b)
{
    double lat_a = a.lat_e6 * rad_per_e6, lat_b = b.lat_e6 * rad_per_e6;
    double dlon = wrap_e6((int64_t)b.lon_e6 - a.lon_e6) * rad_per_e6;

    return atan2(sin(dlon) * cos(lat_b),
                 cos(lat_a) * sin(lat_b) - sin(lat_a) * cos(lat_b) * cos(dlon));
}

/* From a to b on the plane that touches at the latitude in their middle;
 * false where that is not good enough. */
static bool offset_m(struct geo_point a, struct geo_point b, double *east_m,
                     double *north_m)
{
    double middle_e6 = ((double)a.lat_e6 + b.lat_e6) / 2;
    struct geo_plane plane = plane_at_lat(middle_e6 * rad_per_e6);

    plane.centre = a;
    geo_to_plane(&plane, b, east_m, north_m);
    return fabs(middle_e6) <= plane_lat_e6 &&
           hypot(*east_m, *north_m) <= plane_reach_m;
}

double geo_distance_m(struct geo_point a, struct geo_point b)
{
    double east_m, north_m;

    if (offset_m(a, b, &east_m, &north_m))
        return hypot(east_m, north_m);
    return haversine_m(a, b);
}

double geo_course_deg(struct geo_point a, struct geo_point b)
{
    double east_m, north_m, course_deg;
    bool near = offset_m(a, b, &east_m, &north_m);

    if (east_m == 0 && north_m == 0)
        return 0;
    course_deg =
        (near ? atan2(east_m, north_m) : sphere_course_rad(a, b)) / rad_per_deg;
    if (course_deg < 0)
        course_deg += 360;
    /* A course of -1e-15 rounds up to 360 itself. */
    return course_deg < 360 ? course_deg : 0;
}

double geo_course_difference_deg(double a_deg, double b_deg)
{
    double difference = fmod(fabs(a_deg - b_deg), 360);

    return difference > 180 ? 360 - difference : difference;
}

struct geo_point geo_ahead(struct geo_point p, double course_deg,
                           double distance_m)
{
    struct geo_plane plane = geo_plane_at(p);

    return geo_from_plane(&plane, distance_m * sin(course_deg * rad_per_deg),
                          distance_m * cos(course_deg * rad_per_deg));
}

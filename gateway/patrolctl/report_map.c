/* The map of a coverage report, as SVG. */
#include "report.h"
#include <math.h>
#include <string.h>

#define WIDTH 1000.0
#define HEIGHT_MAX 1300.0
#define STEPS 6

/* As the console has them: ColorBrewer's YlGnBu (Brewer, Penn State; Apache
 * 2.0); later is darker and wider, which black and white shows, too. */
static const double most_s[STEPS] = {60, 120, 180, 300, 600, INFINITY};
static const char *const shades[STEPS] = {"#7fcdbb", "#41b6c4", "#1d91c0",
                                          "#225ea8", "#253494", "#081d58"};
static const char nobody[] = "#8c2d04";

/* A plane that has its scale in the middle of the box. */
struct plan {
    const struct report *r;
    double west, north; /* degrees */
    double per_lon, per_lat;
    double height;
};

static double width_of(size_t step)
{
    return 0.9 + 0.35 * (double)step;
}

/* ------------------------------------------------------------------- the box
 */
static void widen(double box[4], double lon, double lat)
{
    box[0] = fmin(box[0], lon);
    box[1] = fmin(box[1], lat);
    box[2] = fmax(box[2], lon);
    box[3] = fmax(box[3], lat);
}

/* All points within arrays of arrays. */
static void widen_by(double box[4], const json_t *coordinates)
{
    const json_t *first = json_array_get(coordinates, 0);
    if (json_is_number(first)) {
        widen(box, json_number_value(first),
              json_number_value(json_array_get(coordinates, 1)));
        return;
    }
    for (size_t i = 0; i < json_array_size(coordinates); i++)
        widen_by(box, json_array_get(coordinates, i));
}

static bool is_shown(const struct report *r, const json_t *zone)
{
    const json_t *asked = json_object_get(r->coverage, "zones");
    for (size_t i = 0; i < json_array_size(asked); i++)
        if (json_equal(json_object_get(zone, "zone_id"),
                       json_object_get(json_array_get(asked, i), "zone_id")))
            return true;
    return false;
}

/* The mission as `missions` has it, with its place; NULL: not any more. */
static const json_t *place_of(const struct report *r, const json_t *mission)
{
    for (size_t i = 0; i < json_array_size(r->missions); i++) {
        const json_t *one = json_array_get(r->missions, i);
        if (json_equal(json_object_get(one, "mission_id"),
                       json_object_get(mission, "mission_id")))
            return one;
    }
    return NULL;
}

bool report_box(const struct report *r, double box[4])
{
    const json_t *missions = json_object_get(r->coverage, "missions");
    double lat, lon;
    box[0] = box[1] = INFINITY;
    box[2] = box[3] = -INFINITY;
    for (size_t i = 0; i < json_array_size(r->zones); i++)
        if (is_shown(r, json_array_get(r->zones, i)))
            widen_by(box, json_object_get(
                              json_object_get(json_array_get(r->zones, i),
                                              "geometry"),
                              "coordinates"));
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const json_t *place = place_of(r, json_array_get(missions, i));
        if (!json_is_true(
                json_object_get(json_array_get(missions, i), "off_road")) &&
            ctl_number(place, "lat", &lat) && ctl_number(place, "lon", &lon))
            widen(box, lon, lat);
    }
    if (!(box[0] <= box[2]))
        return false;
    double more_lon = 0.03 * (box[2] - box[0]) + 0.002;
    double more_lat = 0.03 * (box[3] - box[1]) + 0.002;
    box[0] = fmax(box[0] - more_lon, -180);
    box[1] = fmax(box[1] - more_lat, -85);
    box[2] = fmin(box[2] + more_lon, 180);
    box[3] = fmin(box[3] + more_lat, 85);
    return true;
}

static struct plan plan_of(const struct report *r, const double box[4])
{
    double narrow = cos((box[1] + box[3]) / 2 * M_PI / 180);
    double per_lon = WIDTH / (box[2] - box[0]);
    double height = (box[3] - box[1]) * per_lon / narrow;
    if (height > HEIGHT_MAX) {
        per_lon *= HEIGHT_MAX / height;
        height = HEIGHT_MAX;
    }
    height = ceil(height);
    return (struct plan){.r = r,
                         .west = box[0],
                         .north = box[3],
                         .per_lon = per_lon,
                         .per_lat = per_lon / narrow,
                         .height = height};
}

/* ---------------------------------------------------------------------- lines
 */
static void to_plan(const struct plan *p, const json_t *position, double *x,
                    double *y)
{
    *x =
        (json_number_value(json_array_get(position, 0)) - p->west) * p->per_lon;
    *y = (p->north - json_number_value(json_array_get(position, 1))) *
         p->per_lat;
}

/* The points of a line that are apart on paper. */
static void put_line(const struct plan *p, const json_t *points, bool closed)
{
    double last_x = 0, last_y = 0;
    size_t count = json_array_size(points);
    for (size_t i = 0; i < count; i++) {
        double x, y;
        to_plan(p, json_array_get(points, i), &x, &y);
        if (i > 0 && i + 1 < count && hypot(x - last_x, y - last_y) < 0.7)
            continue;
        fprintf(p->r->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', x, y);
        last_x = x;
        last_y = y;
    }
    if (closed)
        fputc('Z', p->r->out);
}

/* Rings of a Polygon's or MultiPolygon's coordinates, whatever their depth. */
static void put_rings(const struct plan *p, const json_t *coordinates)
{
    const json_t *inside = json_array_get(json_array_get(coordinates, 0), 0);
    if (json_is_number(inside)) {
        put_line(p, coordinates, true);
        return;
    }
    for (size_t i = 0; i < json_array_size(coordinates); i++)
        put_rings(p, json_array_get(coordinates, i));
}

/* Where a piece of street belongs; STEPS: nobody comes. */
static size_t step_of(const json_t *street)
{
    const json_t *first = json_array_get(
        json_object_get(json_object_get(street, "properties"), "seconds"), 0);
    size_t step = 0;
    if (!json_is_number(first))
        return STEPS;
    while (json_number_value(first) > most_s[step])
        step++;
    return step;
}

static void put_streets(const struct plan *p)
{
    const json_t *streets = json_object_get(p->r->streets, "features");
    for (size_t step = 0; step <= STEPS; step++) {
        fprintf(p->r->out,
                "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%.2f\"%s "
                "d=\"",
                step < STEPS ? shades[step] : nobody,
                step < STEPS ? width_of(step) : 1.6,
                step < STEPS ? "" : " stroke-dasharray=\"4 3\"");
        for (size_t i = 0; i < json_array_size(streets); i++) {
            const json_t *street = json_array_get(streets, i);
            if (step_of(street) == step)
                put_line(p,
                         json_object_get(json_object_get(street, "geometry"),
                                         "coordinates"),
                         false);
        }
        fputs("\"/>\n", p->r->out);
    }
}

/* ------------------------------------------------------------ what lies on it
 */
static void put_zones(const struct plan *p)
{
    for (size_t i = 0; i < json_array_size(p->r->zones); i++) {
        const json_t *zone = json_array_get(p->r->zones, i);
        if (!is_shown(p->r, zone))
            continue;
        fputs("<path fill=\"none\" stroke=\"#7a5c99\" stroke-width=\"1.5\" "
              "stroke-dasharray=\"7 5\" d=\"",
              p->r->out);
        put_rings(p, json_object_get(json_object_get(zone, "geometry"),
                                     "coordinates"));
        fputs("\"/>\n", p->r->out);
    }
}

static void put_number(const struct plan *p, size_t number, double x, double y)
{
    if (x < 0 || y < 0 || x > WIDTH || y > p->height)
        return;
    fprintf(p->r->out, "<text x=\"%.0f\" y=\"%.0f\" class=\"gap\">%zu</text>\n",
            x, y, number);
}

/* Areas of the gaps that are listed, and on a place of each its number. */
static void put_gaps(const struct plan *p)
{
    const json_t *gaps = json_object_get(p->r->gaps, "features");
    for (size_t i = 0; i < json_array_size(gaps) && i < REPORT_GAPS_MAX; i++) {
        const json_t *at = json_object_get(
            json_object_get(json_array_get(gaps, i), "geometry"),
            "coordinates");
        fputs("<path class=\"area\" d=\"", p->r->out);
        put_rings(p, at);
        fputs("\"/>\n", p->r->out);
    }
    for (size_t i = 0; i < json_array_size(gaps) && i < REPORT_GAPS_MAX; i++) {
        const json_t *ring = json_array_get(
            json_array_get(
                json_object_get(
                    json_object_get(json_array_get(gaps, i), "geometry"),
                    "coordinates"),
                0),
            0);
        double x, y;
        to_plan(p, json_array_get(ring, json_array_size(ring) / 2), &x, &y);
        put_number(p, i + 1, x, y);
    }
}

static void put_mission(const struct report *r, double x, double y, bool out)
{
    if (out)
        fprintf(r->out, "<path class=\"out\" d=\"M%.1f %.1fl8 14h-16Z\"/>\n", x,
                y - 9);
    else
        fprintf(r->out,
                "<circle class=\"in\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x,
                y);
}

static void put_missions(const struct plan *p)
{
    const json_t *missions = json_object_get(p->r->coverage, "missions");
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const json_t *m = json_array_get(missions, i);
        const json_t *place = place_of(p->r, m);
        double lat, lon;
        if (ctl_number(place, "lat", &lat) && ctl_number(place, "lon", &lon))
            put_mission(p->r, (lon - p->west) * p->per_lon,
                        (p->north - lat) * p->per_lat,
                        json_is_false(json_object_get(m, "covered")));
    }
}

/* ----------------------------------------------------------------- the legend
 */
static void sample(const struct report *r, size_t step)
{
    fprintf(r->out,
            "<li><svg viewBox=\"0 0 48 14\"><path stroke=\"%s\" "
            "stroke-width=\"%.1f\"%s d=\"M0 7H48\"/></svg>",
            step < STEPS ? shades[step] : nobody,
            step < STEPS ? 2 * width_of(step) : 3.2,
            step < STEPS ? "" : " stroke-dasharray=\"8 6\"");
}

static void put_legend(const struct report *r)
{
    fputs("<ul class=\"legend\">", r->out);
    for (size_t step = 0; step <= STEPS; step++) {
        char text[16];
        const char *const texts[] = {text};
        bool last = step + 1 == STEPS;
        if (step < STEPS)
            (void)ctl_format_clock(text, sizeof text,
                                   most_s[last ? step - 1 : step]);
        sample(r, step);
        if (step < STEPS)
            report_fill(r, last ? WORD_LONGER : WORD_UP_TO, texts);
        else
            fputs(report_say(r, WORD_NOBODY), r->out);
        fputs("</li>\n", r->out);
    }
    fprintf(r->out,
            "<li><svg viewBox=\"0 0 48 14\"><path class=\"area\" "
            "d=\"M2 2H46V12H2Z\"/></svg>%s</li>\n",
            report_say(r, WORD_GAP_AREA));
    fputs("<li><svg viewBox=\"0 0 48 20\">", r->out);
    put_mission(r, 24, 10, false);
    fprintf(r->out, "</svg>%s</li>\n<li><svg viewBox=\"0 0 48 20\">",
            report_say(r, WORD_MISSION_IN));
    put_mission(r, 24, 12, true);
    fprintf(r->out, "</svg>%s</li>\n</ul>\n", report_say(r, WORD_MISSION_OUT));
}

void report_map(const struct report *r)
{
    double box[4];
    if (!report_box(r, box))
        return;
    struct plan plan = plan_of(r, box);
    fprintf(r->out,
            "<figure><style>.area{fill:#c04a00;fill-opacity:.22;stroke:#c04a00;"
            "stroke-width:.8}.gap{font:700 20px sans-serif;text-anchor:middle;"
            "fill:#7a2e00;stroke:#fff;stroke-width:5px;paint-order:stroke}"
            ".in{fill:#fff;stroke:#7a1f5c;stroke-width:2}.out{fill:#c04a00;"
            "stroke:#3d1400;stroke-width:1.5}</style>\n"
            "<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %.0f %.0f\">\n"
            "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fbfaf7\" "
            "stroke=\"#8b929c\"/>\n",
            report_say(r, WORD_MAP), WIDTH, plan.height, WIDTH, plan.height);
    put_streets(&plan);
    put_gaps(&plan);
    put_zones(&plan);
    put_missions(&plan);
    fputs("</svg>\n", r->out);
    put_legend(r);
    fputs("</figure>\n", r->out);
}

/* The way of one: the same search, then followed forward. */
#include "roads_internal.h"
#include <stdlib.h>

/* Legs and points are counted first and written then, by the same walk. */
struct walk {
    struct roads_search *search;
    struct roads_route *route;
    bool writing;
};

static void add_point(struct walk *w, struct geo_point p)
{
    if (w->writing)
        w->route->points[w->route->point_count] = p;
    w->route->point_count++;
}

/* The corners of an edge strictly between two fractions, as travelled. */
static void add_corners(struct walk *w, const struct roads_leg *leg)
{
    const struct roads *roads = w->search->roads;
    const struct roads_edge *edge = &roads->edges[leg->directed >> 1];
    uint32_t first = edge->first_point;
    uint32_t last = edge[1].first_point - 1;
    double all = (double)roads->along_m[last];
    for (uint32_t i = first + 1; i < last; i++) {
        uint32_t corner = leg->directed & 1u ? first + last - i : i;
        double at = all > 0.0 ? (double)roads->along_m[corner] / all : 0.0;
        at = roads_travelled(leg->directed, at);
        if (at > leg->from_fraction && at < leg->to_fraction)
            add_point(w, roads->points[corner]);
    }
}

static struct geo_point leg_point(const struct walk *w,
                                  const struct roads_leg *leg, double fraction)
{
    return roads_point_at(w->search->roads, leg->directed >> 1,
                          roads_travelled(leg->directed, fraction));
}

/* Milliseconds to turn into the arc number `i` of the way. */
static uint32_t turn_into(const struct walk *w, uint32_t i)
{
    const struct roads_search *s = w->search;
    const struct roads *roads = s->roads;
    if (i == 0)
        return 0;
    const struct roads_arc *to = &roads->arcs[s->way[i]];
    uint32_t from = s->way[i - 1];
    uint8_t turn = roads_turns_of(roads, to)[from - roads->first_in[to->tail]];
    return roads_turn_cost(s->metric, turn, from);
}

/* Travels arc number `i` of the way between two fractions of it. */
static void add_leg(struct walk *w, uint32_t i, double from, double to)
{
    uint32_t arc = w->search->way[i];
    const struct roads *roads = w->search->roads;
    const struct roads_arc *a = &roads->arcs[arc];
    struct roads_leg leg = {.directed = roads_arc_directed(a),
                            .from_fraction = from,
                            .to_fraction = to};
    uint32_t ms = w->search->metric->ms[arc];
    leg.ms = roads_ms_to(ms, to) - roads_ms_to(ms, from);
    leg.turn_ms = turn_into(w, i);
    leg.length_m =
        (to - from) * (double)roads->edges[leg.directed >> 1].length_m;
    if (w->route->point_count == 0)
        add_point(w, leg_point(w, &leg, from));
    add_corners(w, &leg);
    add_point(w, leg_point(w, &leg, to));
    if (w->writing) {
        w->route->legs[w->route->leg_count] = leg;
        w->route->distance_m += leg.length_m;
    }
    w->route->leg_count++;
}

/* Along search->way, from the share `gone` of its first arc. */
static void walk_way(struct walk *w, double gone)
{
    const struct roads_search *s = w->search;
    w->route->leg_count = 0;
    w->route->point_count = 0;
    w->route->distance_m = 0.0;
    for (uint32_t i = 0; i < s->way_count; i++) {
        uint32_t directed = roads_arc_directed(&s->roads->arcs[s->way[i]]);
        bool last = i + 1 == s->way_count;
        double from = i == 0 ? gone : 0.0;
        double to = last ? roads_travelled(directed, s->target.fraction) : 1.0;
        if (from < to ||
            (last && (w->route->leg_count == 0 || turn_into(w, i) > 0)))
            add_leg(w, i, from, to);
    }
}

enum pt_err roads_route(struct roads_search *search,
                        const struct roads_place *from,
                        const struct roads_place *to, struct roads_route *ret)
{
    if (!roads_place_valid(search->roads, from))
        return PT_E_RANGE;
    struct roads_arrival arrival;
    size_t found = 0;
    roads_standing_put(search->alone, 0, from);
    enum pt_err err = roads_nearest(search, search->alone, to, 1, ROADS_NONE,
                                    NULL, NULL, &arrival, &found);
    if (err != PT_OK)
        return err;
    if (found == 0)
        return PT_E_UNREACHABLE;

    roads_way_of(search, from->edge, from->fraction, arrival.drive_ms);
    uint32_t first = roads_arc_directed(&search->roads->arcs[search->way[0]]);
    double gone = roads_travelled(first, from->fraction);
    struct roads_route route = {.drive_ms = arrival.drive_ms};
    struct walk w = {.search = search, .route = &route};
    walk_way(&w, gone);
    route.legs = calloc(route.leg_count, sizeof(*route.legs));
    route.points = calloc(route.point_count, sizeof(*route.points));
    if (route.legs == NULL || route.points == NULL) {
        roads_route_clear(&route);
        return PT_E_NOMEM;
    }
    w.writing = true;
    walk_way(&w, gone);
    *ret = route;
    return PT_OK;
}

void roads_route_clear(struct roads_route *route)
{
    if (route == NULL)
        return;
    free(route->legs);
    free(route->points);
    *route = (struct roads_route){0};
}

#include "arrivals.h"

#include <stdlib.h>

struct waiting {
    struct arrivals_prediction of;
    bool departed;
    int64_t departed_ms;
};

struct arrivals {
    size_t max, count;
    struct waiting *items; /* in the order in which they were noted */
    struct arrivals_counts counts;
};

enum pt_err arrivals_new(size_t max, struct arrivals **ret)
{
    struct arrivals *arrivals = calloc(1, sizeof(*arrivals));
    if (arrivals == NULL)
        return PT_E_NOMEM;
    arrivals->max = max;
    arrivals->items = calloc(max, sizeof(*arrivals->items));
    if (arrivals->items == NULL) {
        free(arrivals);
        return PT_E_NOMEM;
    }
    *ret = arrivals;
    return PT_OK;
}

void arrivals_free(struct arrivals *arrivals)
{
    if (arrivals == NULL)
        return;
    free(arrivals->items);
    free(arrivals);
}

size_t arrivals_waiting(const struct arrivals *arrivals)
{
    return arrivals->count;
}

struct arrivals_counts *arrivals_counts(struct arrivals *arrivals)
{
    return &arrivals->counts;
}

/* ------------------------------------------------------------------- noting */
static void drop(struct arrivals *arrivals, size_t index)
{
    for (size_t i = index + 1; i < arrivals->count; i++)
        arrivals->items[i - 1] = arrivals->items[i];
    arrivals->count--;
}

static bool is_near(struct geo_point a, struct geo_point b)
{
    return geo_distance_m(a, b) <= ARRIVALS_NEAR_M;
}

/* Its place in `items`; count: none. */
static size_t find(const struct arrivals *arrivals,
                   const struct arrivals_prediction *p)
{
    for (size_t i = 0; i < arrivals->count; i++) {
        const struct arrivals_prediction *of = &arrivals->items[i].of;
        if (of->unit_id == p->unit_id && is_near(of->to, p->to))
            return i;
    }
    return arrivals->count;
}

static void make_room(struct arrivals *arrivals)
{
    size_t oldest = 0;
    if (arrivals->count < arrivals->max)
        return;
    while (oldest + 1 < arrivals->count && arrivals->items[oldest].departed)
        oldest++;
    drop(arrivals, arrivals->items[oldest].departed ? 0 : oldest);
}

void arrivals_note(struct arrivals *arrivals, const struct fleet *fleet,
                   const struct arrivals_prediction *prediction)
{
    const struct fleet_unit *unit = fleet_find(fleet, prediction->unit_id);
    size_t index = find(arrivals, prediction);
    if (unit == NULL || !unit->has_fix || is_near(unit->at, prediction->to))
        return;
    if (index < arrivals->count) {
        if (arrivals->items[index].departed)
            return;
        drop(arrivals, index);
    }
    make_room(arrivals);
    arrivals->items[arrivals->count++] = (struct waiting){.of = *prediction};
    arrivals->counts.noted++;
}

/* ---------------------------------------------------------------- following */
enum outcome { STILL_WAITING, ARRIVED, GIVEN_UP, NEVER_SET_OFF };

static enum outcome look(struct waiting *w, const struct fleet_unit *unit,
                         int64_t now_ms)
{
    bool en_route = unit != NULL && unit->status == PT_STATUS_EN_ROUTE;
    bool there = unit != NULL && unit->has_fix &&
                 unit->fix_time_ms >= w->of.asked_ms &&
                 is_near(unit->at, w->of.to);
    if (!w->departed && en_route) {
        w->departed = true;
        w->departed_ms = unit->status_time_ms;
    }
    if (!w->departed)
        return now_ms - w->of.asked_ms > ARRIVALS_SETS_OFF_MS ? NEVER_SET_OFF
                                                              : STILL_WAITING;
    if (!en_route && (unit == NULL || unit->status != PT_STATUS_ON_SCENE))
        return GIVEN_UP;
    if (there)
        return ARRIVED;
    return now_ms - w->of.asked_ms > ARRIVALS_LONGEST_MS ? GIVEN_UP
                                                         : STILL_WAITING;
}

static void tell(const struct waiting *w, const struct fleet_unit *unit,
                 arrivals_told arrived, void *context)
{
    int64_t from_ms =
        w->departed_ms > w->of.asked_ms ? w->departed_ms : w->of.asked_ms;
    int64_t took_ms = unit->fix_time_ms - from_ms;
    struct arrivals_arrival arrival = {
        .of = w->of,
        .departed_ms = w->departed_ms,
        .arrived_ms = unit->fix_time_ms,
        .arrived_m = geo_distance_m(unit->at, w->of.to),
        .took_s = took_ms > 0 ? (double)took_ms / 1000.0 : 0.0,
    };
    arrived(context, &arrival);
}

void arrivals_follow(struct arrivals *arrivals, const struct fleet *fleet,
                     int64_t now_ms, arrivals_told arrived, void *context)
{
    for (size_t i = 0; i < arrivals->count;) {
        struct waiting *w = &arrivals->items[i];
        const struct fleet_unit *unit = fleet_find(fleet, w->of.unit_id);
        enum outcome outcome = look(w, unit, now_ms);
        if (outcome == STILL_WAITING) {
            i++;
            continue;
        }
        if (outcome == ARRIVED) {
            arrivals->counts.arrived++;
            tell(w, unit, arrived, context);
        }
        arrivals->counts.given_up += outcome == GIVEN_UP;
        drop(arrivals, i);
    }
}

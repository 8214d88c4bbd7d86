#include "follow.h"

#include "dispatch.h"
#include "match.h"
#include "reckon.h"
#include <math.h>
#include <stdlib.h>

struct trail {
    uint32_t unit_id; /* 0: nobody yet; database numbers begin at 1 */
    bool placed;      /* `last` is where the newest report was put */
    uint64_t generation, seq;
    struct match_place last;
    struct match_track track;
};

struct follow {
    struct roads *roads;
    struct match *match;
    size_t max_units;
    struct trail *trails; /* by slot */
};

void follow_free(struct follow *follow)
{
    if (follow == NULL)
        return;
    match_free(follow->match);
    roads_unref(follow->roads);
    free(follow->trails);
    free(follow);
}

enum pt_err follow_new(struct roads *roads, size_t max_units,
                       struct follow **ret)
{
    struct follow *follow = calloc(1, sizeof(*follow));
    if (follow == NULL)
        return PT_E_NOMEM;
    follow->roads = roads_ref(roads);
    follow->max_units = max_units;
    follow->trails = calloc(max_units, sizeof(*follow->trails));
    enum pt_err err = PT_E_NOMEM;
    if (follow->trails != NULL)
        err = match_new(roads, &match_defaults, &follow->match);
    if (err != PT_OK) {
        follow_free(follow);
        return err;
    }
    *ret = follow;
    return PT_OK;
}

static double said(const struct fleet_unit *unit, enum pt_flag flag,
                   float value)
{
    return unit->flags & flag ? (double)value : -1.0;
}

static struct match_fix fix_of(const struct fleet_unit *unit)
{
    return (struct match_fix){
        .time_ms = unit->fix_time_ms,
        .at = unit->at,
        .accuracy_m = said(unit, PT_FLAG_ACCURACY, unit->accuracy_m),
        .course_deg = said(unit, PT_FLAG_COURSE, unit->course_deg),
        .speed_mps = said(unit, PT_FLAG_SPEED, unit->speed_mps),
    };
}

/* A report is taken in once; a slot may have got another unit. */
static void take_report(struct follow *follow, struct trail *trail,
                        const struct fleet_unit *unit)
{
    if (trail->unit_id != unit->unit_id)
        *trail = (struct trail){.unit_id = unit->unit_id};
    else if (trail->seq == unit->seq && trail->generation == unit->generation)
        return;
    struct match_fix fix = fix_of(unit);
    trail->generation = unit->generation;
    trail->seq = unit->seq;
    trail->placed =
        match_follow(follow->match, &trail->track, &fix, &trail->last) == PT_OK;
}

/* A unit whose course is so far off its street's is not driving along it. */
#define ACROSS_DEG 45.0

/* On along the street while it lasts. Beyond its end nobody knows where the
 * unit turns: then where it would be put if it said the reckoned place. */
static struct match_place move_on(struct follow *follow,
                                  const struct trail *trail,
                                  const struct fleet_unit *unit,
                                  const struct reckon *reckon, int64_t now_ms)
{
    struct match_place place = trail->last;
    int64_t forward_ms = reckon_forward_ms(reckon, now_ms);
    if (forward_ms == 0)
        return place;
    double ahead_m = reckon->speed_mps * (double)forward_ms / 1000.0;
    double length_m = roads_edge_length_m(follow->roads, place.directed);
    double street_deg =
        roads_course_deg(follow->roads, place.directed, place.travelled);
    if (ahead_m <= (1.0 - place.travelled) * length_m &&
        geo_course_difference_deg(street_deg, reckon->course_deg) <=
            ACROSS_DEG) {
        place.travelled = fmin(1.0, place.travelled + ahead_m / length_m);
        return place;
    }
    struct match_fix fix = fix_of(unit);
    fix.time_ms += forward_ms;
    fix.at = reckon_at(reckon, now_ms);
    if (match_guess(follow->match, &trail->track, &fix, &place) != PT_OK)
        place = trail->last; /* reckoned off the road: where it reported */
    return place;
}

/* Yards and forecourts farther from any street than matching looks. */
static bool snap_far(const struct follow *follow, struct geo_point at,
                     struct follow_place *ret)
{
    if (roads_snap(follow->roads, at, DISPATCH_ACCESS_MAX_M, &ret->place) !=
        PT_OK)
        return false;
    ret->directed = 2 * ret->place.edge;
    if (roads_edge_ms(follow->roads, ret->directed) == ROADS_NONE)
        ret->directed = roads_reverse(ret->directed);
    return true;
}

bool follow_report(struct follow *follow, uint32_t slot,
                   const struct fleet_unit *unit, uint32_t *edge)
{
    struct trail *trail = &follow->trails[slot];
    take_report(follow, trail, unit);
    if (trail->placed)
        *edge = trail->last.directed;
    return trail->placed;
}

bool follow_unit(struct follow *follow, uint32_t slot,
                 const struct fleet_unit *unit, int64_t now_ms,
                 struct follow_place *ret)
{
    struct trail *trail = &follow->trails[slot];
    struct reckon reckon = fleet_reckon(unit);
    take_report(follow, trail, unit);
    if (!trail->placed)
        return snap_far(follow, reckon_at(&reckon, now_ms), ret) ||
               snap_far(follow, unit->at, ret);
    struct match_place on = move_on(follow, trail, unit, &reckon, now_ms);
    ret->place = roads_place_on(follow->roads, on.directed, on.travelled);
    ret->place.distance_m = on.distance_m;
    ret->directed = on.directed;
    return true;
}

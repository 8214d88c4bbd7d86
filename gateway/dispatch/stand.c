/* Units onto streets, whenever they report, have moved on, or a street has
 * been closed or opened. */
#include "dispatch_internal.h"

#include <math.h>
#include <string.h>

/* Units that moved on, snapped in one call; the rest have theirs in the next.
 * A snap takes some microseconds. */
#define RESNAPS_MAX 128
/* Who is due is looked for at most so often. */
#define RESNAP_GRAIN_MS 100
/* A fix so soon after the one that was last put onto a street tells nothing
 * new about it; to match it costs more than to take it in and store it. */
#define SAME_PLACE_MS 500

/* ------------------------------------------------------------ closed streets
 */
/* The profile's number; ROADS_PROFILES_MAX: there is none of that name. */
static size_t profile_index(const struct dispatch *dispatch,
                            const char *profile)
{
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(dispatch->roads, i)) != NULL;
         i++) {
        if (profile == NULL || strcmp(profile, name) == 0)
            return i;
    }
    return ROADS_PROFILES_MAX;
}

const struct roads_metric *dispatch_open(const struct dispatch *dispatch,
                                         const char *profile)
{
    size_t i = profile_index(dispatch, profile);
    if (i < ROADS_PROFILES_MAX && dispatch->learned[i] != NULL)
        return dispatch->learned[i];
    return roads_profile(dispatch->roads, profile);
}

const struct roads_metric *dispatch_metric(const struct dispatch *dispatch,
                                           const char *profile)
{
    if (dispatch->roads == NULL)
        return NULL;
    size_t i = profile_index(dispatch, profile);
    if (i < ROADS_PROFILES_MAX && dispatch->metrics[i] != NULL)
        return dispatch->metrics[i];
    return dispatch_open(dispatch, profile);
}

enum pt_err dispatch_use(struct dispatch *dispatch,
                         const struct roads_metric *metric)
{
    return metric == NULL ? PT_E_RANGE
                          : roads_search_use(dispatch->search, metric);
}

enum pt_err dispatch_snap(const struct dispatch *dispatch,
                          struct geo_point point, struct roads_place *ret)
{
    if (dispatch->roads == NULL)
        return PT_E_NOTFOUND;
    return roads_snap_open(dispatch_metric(dispatch, NULL), point,
                           DISPATCH_ACCESS_MAX_M, NULL, ret);
}

/* ---------------------------------------------------------- onto the streets
 */
/* A car can turn round in the street: searches take it from its place either
 * way, whichever it drives. */
static void write_place(const struct roads *roads,
                        const struct follow_place *found,
                        struct fleet_unit *unit)
{
    double fraction = found->place.fraction;
    double behind = found->directed & 1u ? 1.0 - fraction : fraction;
    unit->edge = found->directed;
    unit->offset_ms =
        (uint32_t)lround(behind * roads_edge_ms(roads, found->directed));
    unit->off_road_m = (float)found->place.distance_m;
}

static uint8_t verdict_of(const struct fleet_unit *unit, bool on_road)
{
    if (!unit->has_fix)
        return LEFT_OUT_NO_FIX;
    if (unit->status != PT_STATUS_AVAILABLE)
        return LEFT_OUT_STATUS;
    return on_road ? WANTED_FRESH : LEFT_OUT_OFF_ROAD;
}

/* When the unit will have gone DISPATCH_RESNAP_M from where it stands now, or
 * will have come to its end. */
static int64_t moved_on_ms(const struct reckon *reckon, int64_t now_ms)
{
    int64_t end_ms = reckon->time_ms + RECKON_HORIZON_MS;
    if (!reckon_moves(reckon) || now_ms >= end_ms)
        return NEVER;
    int64_t from_ms = now_ms > reckon->time_ms ? now_ms : reckon->time_ms;
    double step_ms = DISPATCH_RESNAP_M / reckon->speed_mps * 1000.0;
    int64_t next_ms = from_ms + (int64_t)step_ms + 1;
    return next_ms < end_ms ? next_ms : end_ms;
}

static void note_standing(struct dispatch *dispatch, struct fleet *fleet,
                          uint32_t slot)
{
    const struct fleet_unit *unit = fleet_at(fleet, slot);
    dispatch->standings[slot] = (struct standing_of){
        unit->fix_time_ms, fleet_old_at_ms(fleet, unit),
        verdict_of(unit, dispatch->from_at[slot].edge != ROADS_NONE)};
    uint64_t bit = UINT64_C(1) << (slot % 64);
    if (!(dispatch->has_moved[slot / 64] & bit))
        dispatch->moved[dispatch->moved_count++] = slot;
    dispatch->has_moved[slot / 64] |= bit;
}

size_t dispatch_moved(const struct dispatch *dispatch, const uint32_t **slots)
{
    *slots = dispatch->moved;
    return dispatch->moved_count;
}

void dispatch_moved_take(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->moved_count; i++)
        dispatch->has_moved[dispatch->moved[i] / 64] = 0;
    dispatch->moved_count = 0;
}

const struct roads_place *dispatch_place(const struct dispatch *dispatch,
                                         uint32_t slot)
{
    if (dispatch->roads == NULL || slot >= dispatch->stood ||
        dispatch->from_at[slot].edge == ROADS_NONE)
        return NULL;
    return &dispatch->from_at[slot];
}

const struct roads_place *dispatch_stood(const struct dispatch *dispatch,
                                         uint32_t slot)
{
    if (dispatch->roads == NULL || slot >= dispatch->stood ||
        dispatch->stood_at[slot].edge == ROADS_NONE)
        return NULL;
    return &dispatch->stood_at[slot];
}

/* All profiles stand where the first one's units can. */
enum pt_err dispatch_join(const struct roads_metric *first,
                          const struct roads_place *stood,
                          struct roads_place *ret)
{
    struct roads_place place;
    enum pt_err err =
        roads_snap_open(first, stood->at, DISPATCH_ACCESS_MAX_M, stood, &place);
    if (err != PT_OK)
        return err;
    if (place.edge != stood->edge)
        place.distance_m += stood->distance_m;
    *ret = place;
    return PT_OK;
}

/* Where searches take a unit from: its place, or what is open beside it. */
static void join(struct dispatch *dispatch, struct fleet *fleet, uint32_t slot)
{
    struct fleet_unit *unit = fleet_at(fleet, slot);
    const struct roads_place *at = &dispatch->stood_at[slot];
    struct roads_place *from = &dispatch->from_at[slot];
    if (at->edge == ROADS_NONE ||
        dispatch_join(dispatch_metric(dispatch, NULL), at, from) != PT_OK) {
        from->edge = ROADS_NONE;
        roads_standing_remove(dispatch->standing, slot);
        return;
    }
    unit->off_road_m = (float)from->distance_m;
    roads_standing_put(dispatch->standing, slot, from);
}

/* Onto the street where it is at `now_ms`, as `unit` tells: the unit of the
 * slot, or what that was then. */
static void find_street(struct dispatch *dispatch, struct fleet *fleet,
                        uint32_t slot, const struct fleet_unit *unit,
                        int64_t now_ms)
{
    struct fleet_unit *state = fleet_at(fleet, slot);
    struct follow_place found;
    if (unit->has_fix &&
        follow_unit(dispatch->follow, slot, unit, now_ms, &found)) {
        write_place(dispatch->roads, &found, state);
        dispatch->stood_at[slot] = found.place;
    } else {
        dispatch->stood_at[slot].edge = ROADS_NONE;
        state->edge = FLEET_NO_EDGE;
        state->offset_ms = 0;
        state->off_road_m = 0;
    }
    join(dispatch, fleet, slot);
}

/* Later, if it is on a street at all: which one it is on is known by its
 * reports alone, all of which count. */
static bool leave_unsettled(struct dispatch *dispatch, struct fleet *fleet,
                            uint32_t slot)
{
    struct fleet_unit *unit = fleet_at(fleet, slot);
    if (dispatch->unsettled == NULL)
        return false;
    struct unsettled *later = &dispatch->unsettled[slot];
    later->waits = unit->has_fix &&
                   follow_report(dispatch->follow, slot, unit, &unit->edge);
    if (later->waits) {
        later->now_ms = dispatch->now_ms;
        later->unit = *unit;
    }
    return later->waits;
}

void dispatch_settle(struct dispatch *dispatch, struct fleet *fleet)
{
    if (dispatch->roads == NULL || dispatch->unsettled == NULL)
        return;
    for (uint32_t slot = 0; slot < fleet_count(fleet); slot++) {
        struct unsettled *later = &dispatch->unsettled[slot];
        if (!later->waits)
            continue;
        later->waits = false;
        find_street(dispatch, fleet, slot, &later->unit, later->now_ms);
        note_standing(dispatch, fleet, slot);
    }
}

static void stand(struct dispatch *dispatch, struct fleet *fleet, uint32_t slot)
{
    const struct fleet_unit *unit = fleet_at(fleet, slot);
    struct reckon reckon = fleet_reckon(unit);
    if (!leave_unsettled(dispatch, fleet, slot))
        find_street(dispatch, fleet, slot, unit, dispatch->now_ms);
    note_standing(dispatch, fleet, slot);
    dispatch->placed[slot] = (struct placed){unit->fix_time_ms, unit->unit_id};
    int64_t moved_ms =
        unit->has_fix ? moved_on_ms(&reckon, dispatch->now_ms) : NEVER;
    dispatch->moved_ms[slot] = moved_ms;
    if (moved_ms < dispatch->resnap_ms)
        dispatch->resnap_ms = moved_ms;
}

static bool is_placed(const struct dispatch *dispatch,
                      const struct fleet_unit *unit, uint32_t slot)
{
    const struct placed *placed = &dispatch->placed[slot];
    int64_t since_ms = unit->fix_time_ms - placed->fix_time_ms;
    return placed->unit_id == unit->unit_id && unit->edge != FLEET_NO_EDGE &&
           since_ms > 0 && since_ms < SAME_PLACE_MS;
}

/* What else is new of it counts at once; its street is looked at a little
 * later. */
static void stand_later(struct dispatch *dispatch, struct fleet *fleet,
                        uint32_t slot)
{
    int64_t later_ms = dispatch->now_ms + SAME_PLACE_MS;
    note_standing(dispatch, fleet, slot);
    if (dispatch->moved_ms[slot] > later_ms)
        dispatch->moved_ms[slot] = later_ms;
    if (dispatch->resnap_ms > later_ms)
        dispatch->resnap_ms = later_ms;
}

/* Slots past the fleet's end belonged to units that it has forgotten. */
static void clear_forgotten(struct dispatch *dispatch, size_t count)
{
    for (size_t slot = count; slot < dispatch->stood; slot++)
        roads_standing_remove(dispatch->standing, (uint32_t)slot);
    dispatch->stood = count;
}

static void leave_streets(struct fleet *fleet)
{
    for (size_t slot = 0; slot < fleet_count(fleet); slot++)
        fleet_at(fleet, slot)->edge = FLEET_NO_EDGE;
}

static void drop_metrics(struct roads_metric *metrics[ROADS_PROFILES_MAX])
{
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++) {
        roads_metric_unref(metrics[i]);
        metrics[i] = NULL;
    }
}

/* Takes the place of those that were there. */
static enum pt_err swap_metrics(const struct dispatch *dispatch,
                                struct roads_metric *const *metrics,
                                size_t count,
                                struct roads_metric *in[ROADS_PROFILES_MAX])
{
    if (dispatch->roads == NULL || count > ROADS_PROFILES_MAX)
        return PT_E_RANGE;
    for (size_t i = 0; i < count; i++) {
        if (metrics[i] != NULL &&
            roads_metric_roads(metrics[i]) != dispatch->roads)
            return PT_E_RANGE;
    }
    drop_metrics(in);
    for (size_t i = 0; i < count; i++) {
        if (metrics[i] != NULL)
            in[i] = roads_metric_ref(metrics[i]);
    }
    return PT_OK;
}

void dispatch_drop_roads(struct dispatch *dispatch)
{
    drop_metrics(dispatch->metrics);
    drop_metrics(dispatch->learned);
    roads_search_free(dispatch->search);
    roads_standing_free(dispatch->standing);
    follow_free(dispatch->follow);
    roads_unref(dispatch->roads);
    dispatch->search = NULL;
    dispatch->follow = NULL;
    dispatch->standing = NULL;
    dispatch->roads = NULL;
    dispatch->stood = 0;
}

enum pt_err dispatch_set_learned(struct dispatch *dispatch,
                                 struct roads_metric *const *metrics,
                                 size_t count)
{
    return swap_metrics(dispatch, metrics, count, dispatch->learned);
}

enum pt_err dispatch_set_metrics(struct dispatch *dispatch,
                                 struct roads_metric *const *metrics,
                                 size_t count, struct fleet *fleet)
{
    enum pt_err err = swap_metrics(dispatch, metrics, count, dispatch->metrics);
    if (err != PT_OK)
        return err;
    for (size_t slot = 0; slot < dispatch->stood; slot++) {
        join(dispatch, fleet, (uint32_t)slot);
        note_standing(dispatch, fleet, (uint32_t)slot);
    }
    return PT_OK;
}

enum pt_err dispatch_set_roads(struct dispatch *dispatch, struct roads *roads,
                               struct fleet *fleet)
{
    struct roads_standing *standing = NULL;
    struct roads_search *search = NULL;
    struct follow *follow = NULL;
    if (roads == NULL) {
        dispatch_drop_roads(dispatch);
        leave_streets(fleet);
        return PT_OK;
    }
    enum pt_err err = roads_standing_new(roads, dispatch->max_units, &standing);
    if (err == PT_OK)
        err = roads_search_new(roads, &search);
    if (err == PT_OK)
        err = follow_new(roads, dispatch->max_units, &follow);
    if (err != PT_OK) {
        roads_search_free(search);
        roads_standing_free(standing);
        return err;
    }
    struct roads *kept = roads_ref(roads); /* it may be the one in force */
    dispatch_drop_roads(dispatch);
    dispatch->roads = kept;
    dispatch->standing = standing;
    dispatch->search = search;
    dispatch->follow = follow;
    dispatch->resnap_ms = NEVER;
    dispatch->resnap_next = 0;
    for (size_t slot = 0; slot < fleet_count(fleet); slot++)
        stand(dispatch, fleet, (uint32_t)slot);
    dispatch->stood = fleet_count(fleet);
    return PT_OK;
}

/* Whom the clock alone has moved on. One pass over the slots, interrupted
 * where enough has been done for one call. */
static void follow_moving(struct dispatch *dispatch, struct fleet *fleet)
{
    size_t count = fleet_count(fleet), done = 0;
    size_t slot = dispatch->resnap_next;
    if (dispatch->now_ms < dispatch->resnap_ms)
        return;
    for (; slot < count && done < RESNAPS_MAX; slot++) {
        if (dispatch->moved_ms[slot] > dispatch->now_ms)
            continue;
        stand(dispatch, fleet, (uint32_t)slot);
        done++;
    }
    dispatch->resnap_next = slot < count ? slot : 0;
    if (dispatch->resnap_next != 0)
        return; /* due still */
    dispatch->resnap_ms = NEVER;
    for (slot = 0; slot < count; slot++)
        if (dispatch->moved_ms[slot] < dispatch->resnap_ms)
            dispatch->resnap_ms = dispatch->moved_ms[slot];
    if (dispatch->resnap_ms < dispatch->now_ms + RESNAP_GRAIN_MS)
        dispatch->resnap_ms = dispatch->now_ms + RESNAP_GRAIN_MS;
}

int64_t dispatch_follow(struct dispatch *dispatch, struct fleet *fleet,
                        int64_t now_ms)
{
    if (dispatch->roads == NULL)
        return -1;
    dispatch->now_ms = now_ms;
    const uint32_t *slots;
    size_t count = fleet_changes(fleet, &slots);
    clear_forgotten(dispatch, fleet_count(fleet));
    for (size_t i = 0; i < count; i++) {
        const struct fleet_unit *unit = fleet_at(fleet, slots[i]);
        if (is_placed(dispatch, unit, slots[i]))
            stand_later(dispatch, fleet, slots[i]);
        else
            stand(dispatch, fleet, slots[i]);
    }
    follow_moving(dispatch, fleet);
    if (dispatch->resnap_ms == NEVER)
        return -1;
    return dispatch->resnap_ms > now_ms ? dispatch->resnap_ms - now_ms : 0;
}

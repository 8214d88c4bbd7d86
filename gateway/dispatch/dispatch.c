#include "dispatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* What is known of a catalog unit while a query runs: a reason to leave it
 * out (enum dispatch_exclusion), or one of these. */
enum verdict {
    WANTED_FRESH = LEFT_OUT_COUNT,
    WANTED_OLD,
    CHOSEN,
};

/* The scratch below is made with the first query that needs it and grows with
 * the fleet and the catalog: a query itself allocates nothing. */
struct dispatch {
    struct dispatch_settings settings;
    size_t max_units;
    struct roads *roads; /* NULL: none loaded */
    struct roads_standing *standing;
    struct roads_search *search;
    size_t stood; /* slots at or above this are not on `standing` */

    size_t slot_room;
    uint32_t *index_of; /* by slot: index in the catalog, or NONE */
    struct roads_arrival *arrivals;
    struct ranked *ranked;
    size_t unit_room;
    uint8_t *verdicts; /* by index in the catalog */
    struct dispatch_left_out *left_out;
    struct dispatch_candidate units[DISPATCH_K_MAX];
};

struct ranked {
    uint32_t slot;
    uint32_t drive_ms;
    int64_t eta_ms; /* with the unit's own access; not the target's */
    double distance_m;
};

const char *dispatch_exclusion_word(enum dispatch_exclusion why)
{
#define DISPATCH_EXCLUSION_WORD(name, word) [name] = (word),
    static const char *const words[] = {
        DISPATCH_EXCLUSIONS(DISPATCH_EXCLUSION_WORD)};
#undef DISPATCH_EXCLUSION_WORD
    return (unsigned)why < LEFT_OUT_COUNT ? words[why] : "unknown";
}

static int64_t access_ms(double off_road_m)
{
    if (off_road_m <= DISPATCH_ON_ROAD_M)
        return 0;
    return llround((off_road_m - DISPATCH_ON_ROAD_M) / DISPATCH_ACCESS_MPS *
                   1000.0);
}

double dispatch_access_s(double off_road_m)
{
    return (double)access_ms(off_road_m) / 1000.0;
}

/* ------------------------------------------------------------- start and end
 */
enum pt_err dispatch_new(const struct dispatch_settings *settings,
                         size_t max_units, struct dispatch **ret)
{
    struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
    if (dispatch == NULL)
        return PT_E_NOMEM;
    dispatch->settings = *settings;
    dispatch->max_units = max_units;
    *ret = dispatch;
    return PT_OK;
}

static void drop_roads(struct dispatch *dispatch)
{
    roads_search_free(dispatch->search);
    roads_standing_free(dispatch->standing);
    roads_unref(dispatch->roads);
    dispatch->search = NULL;
    dispatch->standing = NULL;
    dispatch->roads = NULL;
    dispatch->stood = 0;
}

void dispatch_free(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return;
    drop_roads(dispatch);
    free(dispatch->index_of);
    free(dispatch->arrivals);
    free(dispatch->ranked);
    free(dispatch->verdicts);
    free(dispatch->left_out);
    free(dispatch);
}

const struct roads *dispatch_roads(const struct dispatch *dispatch)
{
    return dispatch->roads;
}

/* ---------------------------------------------------------- units onto streets
 */
/* The direction that the edge allows, forward when it allows both: a car can
 * turn round in the street, and searches take it from its place either way. */
static void write_place(const struct roads *roads,
                        const struct roads_place *place,
                        struct fleet_unit *unit)
{
    uint32_t directed = 2 * place->edge;
    double behind = place->fraction;
    if (roads_edge_ms(roads, directed) == ROADS_NONE) {
        directed = roads_reverse(directed);
        behind = 1.0 - behind;
    }
    unit->edge = directed;
    unit->offset_ms = (uint32_t)lround(behind * roads_edge_ms(roads, directed));
    unit->off_road_m = (float)place->distance_m;
}

static void stand(struct dispatch *dispatch, struct fleet *fleet, uint32_t slot)
{
    struct fleet_unit *unit = fleet_at(fleet, slot);
    struct roads_place place;
    if (unit->has_fix && roads_snap(dispatch->roads, unit->at,
                                    DISPATCH_ACCESS_MAX_M, &place) == PT_OK) {
        roads_standing_put(dispatch->standing, slot, &place);
        write_place(dispatch->roads, &place, unit);
    } else {
        roads_standing_remove(dispatch->standing, slot);
        unit->edge = FLEET_NO_EDGE;
        unit->offset_ms = 0;
        unit->off_road_m = 0;
    }
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

enum pt_err dispatch_set_roads(struct dispatch *dispatch, struct roads *roads,
                               struct fleet *fleet)
{
    struct roads_standing *standing = NULL;
    struct roads_search *search = NULL;
    if (roads == NULL) {
        drop_roads(dispatch);
        leave_streets(fleet);
        return PT_OK;
    }
    enum pt_err err = roads_standing_new(roads, dispatch->max_units, &standing);
    if (err == PT_OK)
        err = roads_search_new(roads, &search);
    if (err != PT_OK) {
        roads_standing_free(standing);
        return err;
    }
    struct roads *kept = roads_ref(roads); /* it may be the one in force */
    drop_roads(dispatch);
    dispatch->roads = kept;
    dispatch->standing = standing;
    dispatch->search = search;
    for (size_t slot = 0; slot < fleet_count(fleet); slot++)
        stand(dispatch, fleet, (uint32_t)slot);
    dispatch->stood = fleet_count(fleet);
    return PT_OK;
}

void dispatch_follow(struct dispatch *dispatch, struct fleet *fleet)
{
    if (dispatch->roads == NULL)
        return;
    const uint32_t *slots;
    size_t count = fleet_changes(fleet, &slots);
    clear_forgotten(dispatch, fleet_count(fleet));
    for (size_t i = 0; i < count; i++)
        stand(dispatch, fleet, slots[i]);
}

/* --------------------------------------------------------------------- scratch
 */
static enum pt_err resize(void *pointer_to_array, size_t count, size_t size)
{
    void **array = pointer_to_array;
    void *bigger = reallocarray(*array, count, size);
    if (bigger == NULL)
        return PT_E_NOMEM;
    *array = bigger;
    return PT_OK;
}

static enum pt_err grow_slots(struct dispatch *dispatch, size_t slots)
{
    if (slots <= dispatch->slot_room)
        return PT_OK;
    size_t room = 2 * slots;
    enum pt_err err =
        resize(&dispatch->index_of, room, sizeof(*dispatch->index_of));
    if (err == PT_OK)
        err = resize(&dispatch->arrivals, room, sizeof(*dispatch->arrivals));
    if (err == PT_OK)
        err = resize(&dispatch->ranked, room, sizeof(*dispatch->ranked));
    if (err == PT_OK)
        dispatch->slot_room = room;
    return err;
}

static enum pt_err grow_units(struct dispatch *dispatch, size_t units)
{
    if (units <= dispatch->unit_room)
        return PT_OK;
    size_t room = 2 * units;
    enum pt_err err =
        resize(&dispatch->verdicts, room, sizeof(*dispatch->verdicts));
    if (err == PT_OK)
        err = resize(&dispatch->left_out, room, sizeof(*dispatch->left_out));
    if (err == PT_OK)
        dispatch->unit_room = room;
    return err;
}

/* ------------------------------------------------------------ who may be asked
 */
static int64_t age_ms(const struct fleet_unit *state, int64_t now_ms)
{
    int64_t age = now_ms - state->fix_time_ms;
    return age > 0 ? age : 0; /* a vehicle's clock may run ahead of ours */
}

/* What does not change by waiting is said first. A unit that never said its
 * status is not available: nobody knows of a crew in it. */
static uint8_t judge(const struct dispatch *dispatch,
                     const struct catalog_unit *unit,
                     const struct fleet_unit *state,
                     const struct dispatch_query *query)
{
    if (strcmp(unit->kind, "foot") == 0)
        return LEFT_OUT_KIND;
    if (query->capability != NULL && !catalog_unit_can(unit, query->capability))
        return LEFT_OUT_CAPABILITY;
    if (state == NULL || !state->has_fix)
        return LEFT_OUT_NO_FIX;
    if (state->status != PT_STATUS_AVAILABLE)
        return LEFT_OUT_STATUS;
    int64_t age = age_ms(state, query->now_ms);
    if (age > dispatch->settings.stale_after_ms)
        return LEFT_OUT_STALE;
    if (state->edge == FLEET_NO_EDGE)
        return LEFT_OUT_OFF_ROAD;
    return age > dispatch->settings.old_after_ms ? WANTED_OLD : WANTED_FRESH;
}

/* Slots of units that the catalog does not have are no candidates. */
static void judge_all(struct dispatch *dispatch, const struct catalog *catalog,
                      struct fleet *fleet, const struct dispatch_query *query)
{
    for (size_t slot = 0; slot < fleet_count(fleet); slot++)
        dispatch->index_of[slot] = NONE;
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        const struct catalog_unit *unit = catalog_unit(catalog, i);
        const struct fleet_unit *state = NULL;
        uint32_t slot;
        if (fleet_slot(fleet, unit->unit_id, &slot)) {
            dispatch->index_of[slot] = (uint32_t)i;
            state = fleet_at(fleet, slot);
        }
        dispatch->verdicts[i] = judge(dispatch, unit, state, query);
    }
}

/* ------------------------------------------------------------------ the
 * ranking */
struct wish {
    const struct dispatch *dispatch;
    size_t slots;
    uint8_t verdict;
};

static bool is_wanted(void *context, uint32_t slot)
{
    const struct wish *wish = context;
    const struct dispatch *dispatch = wish->dispatch;
    if (slot >= wish->slots || dispatch->index_of[slot] == NONE)
        return false;
    return dispatch->verdicts[dispatch->index_of[slot]] == wish->verdict;
}

static int by_eta(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->eta_ms != b->eta_ms)
        return a->eta_ms < b->eta_ms ? -1 : 1;
    if (a->drive_ms != b->drive_ms)
        return a->drive_ms < b->drive_ms ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* One search into dispatch->ranked; how many it found. */
static enum pt_err search(struct dispatch *dispatch, struct fleet *fleet,
                          const struct roads_place *target, struct wish *wish,
                          size_t k, uint32_t limit_ms, size_t *found)
{
    enum pt_err err =
        roads_nearest(dispatch->search, dispatch->standing, target, k, limit_ms,
                      is_wanted, wish, dispatch->arrivals, found);
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < *found; i++) {
        const struct roads_arrival *a = &dispatch->arrivals[i];
        double off_road_m = fleet_at(fleet, a->slot)->off_road_m;
        dispatch->ranked[i] = (struct ranked){
            .slot = a->slot,
            .drive_ms = a->drive_ms,
            .eta_ms = a->drive_ms + access_ms(off_road_m),
            .distance_m = a->distance_m,
        };
    }
    qsort(dispatch->ranked, *found, sizeof(*dispatch->ranked), by_eta);
    return PT_OK;
}

/* The k first to arrive, access counted, in dispatch->ranked.
 *
 * The network search knows the drive only. Let W be the worst eta among the
 * k it finds first: they show that the true k-th eta is at most W, and since
 * no unit arrives before its drive is done, whoever belongs to the true k
 * has a drive of at most W. So a second search for everybody within W holds
 * them all. It is not needed when the worst eta is the longest drive found:
 * everybody else drives at least as long. `exhausted`: there are no others. */
static enum pt_err first_to_arrive(struct dispatch *dispatch,
                                   struct fleet *fleet,
                                   const struct roads_place *target,
                                   uint8_t verdict, size_t k, size_t *found,
                                   bool *exhausted)
{
    struct wish wish = {dispatch, fleet_count(fleet), verdict};
    uint32_t limit_ms = dispatch->settings.limit_ms;
    if (wish.slots == 0) {
        *exhausted = true;
        return PT_OK;
    }
    k = k < wish.slots ? k : wish.slots;
    enum pt_err err =
        search(dispatch, fleet, target, &wish, k, limit_ms, found);
    if (err != PT_OK)
        return err;
    *exhausted = *found < k || k == wish.slots;
    if (*exhausted)
        return PT_OK;
    int64_t worst_ms = dispatch->ranked[k - 1].eta_ms;
    uint32_t longest_ms = dispatch->arrivals[k - 1].drive_ms;
    if (worst_ms <= longest_ms)
        return PT_OK;
    if (worst_ms < limit_ms)
        limit_ms = (uint32_t)worst_ms;
    err = search(dispatch, fleet, target, &wish, wish.slots, limit_ms, found);
    if (*found > k)
        *found = k;
    return err;
}

/* ------------------------------------------------------------------- the
 * answer */
static void choose(struct dispatch *dispatch, const struct catalog *catalog,
                   struct fleet *fleet, const struct dispatch_query *query,
                   const struct ranked *ranked, struct dispatch_answer *answer)
{
    uint32_t index = dispatch->index_of[ranked->slot];
    const struct fleet_unit *state = fleet_at(fleet, ranked->slot);
    int64_t target_ms = access_ms(answer->target.distance_m);
    int64_t eta_ms = ranked->eta_ms + target_ms;
    int64_t age = age_ms(state, query->now_ms);
    int within = -1;
    if (answer->promise_s > 0)
        within = eta_ms <= (int64_t)answer->promise_s * 1000;
    dispatch->units[answer->count++] = (struct dispatch_candidate){
        .unit = catalog_unit(catalog, index),
        .state = state,
        .eta_s = (double)eta_ms / 1000.0,
        .drive_s = ranked->drive_ms / 1000.0,
        .access_s = (double)(eta_ms - ranked->drive_ms) / 1000.0,
        .distance_m = ranked->distance_m,
        .position_age_s = (double)age / 1000.0,
        .old = dispatch->verdicts[index] == WANTED_OLD,
        .within_promise = within,
    };
    dispatch->verdicts[index] = CHOSEN;
}

/* Candidates that a search did not find: there is no way, or others were
 * first. */
static void settle_rest(struct dispatch *dispatch,
                        const struct catalog *catalog, uint8_t verdict,
                        bool exhausted)
{
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        if (dispatch->verdicts[i] == verdict)
            dispatch->verdicts[i] =
                exhausted ? LEFT_OUT_NO_WAY : LEFT_OUT_FARTHER;
    }
}

/* Fills the answer up to query->k with units of one verdict. */
static enum pt_err rank(struct dispatch *dispatch,
                        const struct catalog *catalog, struct fleet *fleet,
                        const struct dispatch_query *query, uint8_t verdict,
                        struct dispatch_answer *answer)
{
    size_t found = 0;
    bool exhausted = false;
    if (answer->count < query->k) {
        enum pt_err err =
            first_to_arrive(dispatch, fleet, &answer->target, verdict,
                            query->k - answer->count, &found, &exhausted);
        if (err != PT_OK)
            return err;
    }
    for (size_t i = 0; i < found; i++)
        choose(dispatch, catalog, fleet, query, &dispatch->ranked[i], answer);
    settle_rest(dispatch, catalog, verdict, exhausted);
    return PT_OK;
}

static void tell_left_out(struct dispatch *dispatch,
                          const struct catalog *catalog,
                          struct dispatch_answer *answer)
{
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        uint8_t verdict = dispatch->verdicts[i];
        if (verdict == CHOSEN || verdict == LEFT_OUT_FARTHER)
            continue;
        dispatch->left_out[answer->left_out_count++] =
            (struct dispatch_left_out){catalog_unit(catalog, i),
                                       (enum dispatch_exclusion)verdict};
    }
}

enum pt_err dispatch_nearest(struct dispatch *dispatch,
                             const struct catalog *catalog, struct fleet *fleet,
                             const struct dispatch_query *query,
                             struct dispatch_answer *ret)
{
    if (query->k < 1 || query->k > DISPATCH_K_MAX || !geo_valid(query->at))
        return PT_E_RANGE;
    if (dispatch->roads == NULL)
        return PT_E_NOTFOUND;
    struct dispatch_answer answer = {0};
    enum pt_err err = roads_snap(dispatch->roads, query->at,
                                 DISPATCH_ACCESS_MAX_M, &answer.target);
    if (err == PT_OK)
        err = grow_slots(dispatch, fleet_count(fleet));
    if (err == PT_OK)
        err = grow_units(dispatch, catalog_unit_count(catalog));
    if (err != PT_OK)
        return err;
    answer.units = dispatch->units;
    answer.left_out = dispatch->left_out;
    answer.zone = catalog_zone_at(catalog, query->at);
    answer.promise_s = answer.zone == NULL ? 0 : answer.zone->promise_s;
    judge_all(dispatch, catalog, fleet, query);
    err = rank(dispatch, catalog, fleet, query, WANTED_FRESH, &answer);
    if (err == PT_OK)
        err = rank(dispatch, catalog, fleet, query, WANTED_OLD, &answer);
    if (err != PT_OK)
        return err;
    tell_left_out(dispatch, catalog, &answer);
    *ret = answer;
    return PT_OK;
}

enum pt_err dispatch_route(struct dispatch *dispatch,
                           const struct fleet_unit *unit, struct geo_point at,
                           struct roads_route *ret)
{
    struct roads_place from, to;
    if (dispatch->roads == NULL || !unit->has_fix)
        return PT_E_NOTFOUND;
    enum pt_err err =
        roads_snap(dispatch->roads, unit->at, DISPATCH_ACCESS_MAX_M, &from);
    if (err == PT_OK)
        err = roads_snap(dispatch->roads, at, DISPATCH_ACCESS_MAX_M, &to);
    if (err == PT_OK)
        err = roads_route(dispatch->search, &from, &to, ret);
    return err;
}

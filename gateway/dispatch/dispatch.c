#include "dispatch_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    dispatch->standings = calloc(max_units, sizeof(*dispatch->standings));
    dispatch->stood_at = calloc(max_units, sizeof(*dispatch->stood_at));
    dispatch->from_at = calloc(max_units, sizeof(*dispatch->from_at));
    dispatch->placed = calloc(max_units, sizeof(*dispatch->placed));
    dispatch->moved_ms = calloc(max_units, sizeof(*dispatch->moved_ms));
    dispatch->moved = calloc(max_units, sizeof(*dispatch->moved));
    dispatch->has_moved =
        calloc(max_units / 64 + 1, sizeof(*dispatch->has_moved));
    if (settings->when_asked)
        dispatch->unsettled = calloc(max_units, sizeof(*dispatch->unsettled));
    if (dispatch->standings == NULL || dispatch->stood_at == NULL ||
        dispatch->from_at == NULL || dispatch->placed == NULL ||
        dispatch->moved_ms == NULL || dispatch->moved == NULL ||
        dispatch->has_moved == NULL ||
        (settings->when_asked && dispatch->unsettled == NULL)) {
        dispatch_free(dispatch);
        return PT_E_NOMEM;
    }
    dispatch->resnap_ms = NEVER;
    *ret = dispatch;
    return PT_OK;
}

void dispatch_free(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return;
    dispatch_drop_roads(dispatch);
    free(dispatch->standings);
    free(dispatch->stood_at);
    free(dispatch->from_at);
    free(dispatch->placed);
    free(dispatch->unsettled);
    free(dispatch->moved_ms);
    free(dispatch->moved);
    free(dispatch->has_moved);
    free(dispatch->known);
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
        err = resize(&dispatch->known, room, sizeof(*dispatch->known));
    if (err == PT_OK)
        err = resize(&dispatch->left_out, room, sizeof(*dispatch->left_out));
    if (err == PT_OK)
        dispatch->unit_room = room;
    return err;
}

/* ------------------------------------------------------------ who may be asked
 */
/* Slots of units that the catalog does not have are no candidates. */
static void know_units(struct dispatch *dispatch, const struct catalog *catalog,
                       const struct fleet *fleet)
{
    if (dispatch->catalog_generation == catalog_generation(catalog) &&
        dispatch->fleet_shape == fleet_shape(fleet))
        return;
    for (size_t slot = 0; slot < fleet_count(fleet); slot++)
        dispatch->index_of[slot] = NONE;
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        const struct catalog_unit *unit = catalog_unit(catalog, i);
        struct known *known = &dispatch->known[i];
        *known = (struct known){.capability_bits = unit->capability_bits,
                                .slot = NONE,
                                .on_foot = strcmp(unit->kind, "foot") == 0};
        if (fleet_slot(fleet, unit->unit_id, &known->slot))
            dispatch->index_of[known->slot] = (uint32_t)i;
    }
    dispatch->catalog_generation = catalog_generation(catalog);
    dispatch->fleet_shape = fleet_shape(fleet);
}

static int64_t age_ms(int64_t fix_time_ms, int64_t now_ms)
{
    int64_t age = now_ms - fix_time_ms;
    return age > 0 ? age : 0; /* a vehicle's clock may run ahead of ours */
}

static bool lacks(const struct catalog *catalog, size_t index,
                  const struct known *known, const char *capability,
                  uint64_t bit)
{
    if (bit != 0)
        return !(known->capability_bits & bit);
    return !catalog_unit_can(catalog_unit(catalog, index), capability);
}

/* What does not change by waiting is said first: kind and capability before
 * this. A unit that never said its status is not available: nobody knows of a
 * crew in it. */
static uint8_t judge_state(const struct dispatch *dispatch, uint32_t slot,
                           int64_t now_ms)
{
    if (slot == NONE)
        return LEFT_OUT_NO_FIX;
    struct standing_of state = dispatch->standings[slot];
    if (state.verdict == LEFT_OUT_NO_FIX || state.verdict == LEFT_OUT_STATUS)
        return state.verdict;
    int64_t age = age_ms(state.fix_time_ms, now_ms);
    if (age > dispatch->settings.stale_after_ms)
        return LEFT_OUT_STALE;
    if (state.verdict == LEFT_OUT_OFF_ROAD)
        return LEFT_OUT_OFF_ROAD;
    return now_ms >= state.old_at_ms ? WANTED_OLD : WANTED_FRESH;
}

/* `counts`: how many got each verdict. */
static void judge_all(struct dispatch *dispatch, const struct catalog *catalog,
                      const struct dispatch_query *query,
                      size_t counts[VERDICT_COUNT])
{
    uint64_t bit = query->capability == NULL
                       ? 0
                       : catalog_capability_bit(catalog, query->capability);
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        const struct known *known = &dispatch->known[i];
        uint8_t verdict;
        if (known->on_foot)
            verdict = LEFT_OUT_KIND;
        else if (query->capability != NULL &&
                 lacks(catalog, i, known, query->capability, bit))
            verdict = LEFT_OUT_CAPABILITY;
        else
            verdict = judge_state(dispatch, known->slot, query->now_ms);
        dispatch->verdicts[i] = verdict;
        counts[verdict]++;
    }
}

/* ------------------------------------------------------------------ the
 * ranking */
struct wish {
    const struct dispatch *dispatch;
    size_t slots;
    uint8_t verdict;
    uint32_t start_ms;
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

/* Never less for a longer drive. */
static uint32_t start_of(uint32_t all_ms, uint32_t drive_ms)
{
    return drive_ms < all_ms / DISPATCH_START_SHARE
               ? drive_ms * DISPATCH_START_SHARE
               : all_ms;
}

static uint32_t start_ms(const struct wish *wish, uint32_t drive_ms)
{
    return start_of(wish->start_ms, drive_ms);
}

double dispatch_start_s(const struct dispatch *dispatch, const char *profile,
                        uint32_t drive_ms)
{
    const struct roads_metric *metric =
        dispatch->roads == NULL ? NULL : dispatch_open(dispatch, profile);
    return metric == NULL ? 0.0
                          : start_of(roads_start_ms(metric), drive_ms) / 1000.0;
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
        uint32_t start = start_ms(wish, a->drive_ms);
        dispatch->ranked[i] = (struct ranked){
            .slot = a->slot,
            .drive_ms = a->drive_ms,
            .start_ms = start,
            .eta_ms = (int64_t)start + a->drive_ms + access_ms(off_road_m),
            .distance_m = a->distance_m,
        };
    }
    qsort(dispatch->ranked, *found, sizeof(*dispatch->ranked), by_eta);
    return PT_OK;
}

/* The k first to arrive, start and access counted, in dispatch->ranked.
 *
 * The network search knows the drive only. Let W be the worst eta among the
 * k it finds first, less the start of the longest drive among them: they show
 * that the true k-th eta is at most that, and since everybody else drives at
 * least as long, and so has at least that start, whoever belongs to the true
 * k has a drive of at most W. So a second search for everybody within W holds
 * them all. It is not needed when W is the longest drive found. `exhausted`:
 * there are no others. */
static enum pt_err first_to_arrive(struct dispatch *dispatch,
                                   struct fleet *fleet,
                                   const struct roads_place *target,
                                   const struct dispatch_query *query,
                                   uint8_t verdict, size_t candidates, size_t k,
                                   size_t *found, bool *exhausted)
{
    struct wish wish = {
        .dispatch = dispatch,
        .slots = fleet_count(fleet),
        .verdict = verdict,
        .start_ms = roads_start_ms(dispatch_open(dispatch, query->profile)),
    };
    uint32_t limit_ms = dispatch->settings.limit_ms;
    k = k < candidates ? k : candidates;
    enum pt_err err =
        search(dispatch, fleet, target, &wish, k, limit_ms, found);
    if (err != PT_OK)
        return err;
    *exhausted = *found < k || k == candidates;
    if (*exhausted)
        return PT_OK;
    uint32_t longest_ms = dispatch->arrivals[k - 1].drive_ms;
    int64_t worst_ms =
        dispatch->ranked[k - 1].eta_ms - start_ms(&wish, longest_ms);
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
    int64_t age = age_ms(state->fix_time_ms, query->now_ms);
    struct reckon reckon = fleet_reckon(state);
    int within = -1;
    if (answer->promise_s > 0)
        within = eta_ms <= (int64_t)answer->promise_s * 1000;
    dispatch->units[answer->count++] = (struct dispatch_candidate){
        .unit = catalog_unit(catalog, index),
        .state = state,
        .eta_s = (double)eta_ms / 1000.0,
        .drive_s = ranked->drive_ms / 1000.0,
        .access_s =
            (double)(eta_ms - ranked->drive_ms - ranked->start_ms) / 1000.0,
        .start_s = ranked->start_ms / 1000.0,
        .distance_m = ranked->distance_m,
        .position_age_s = (double)age / 1000.0,
        .believed = reckon_at(&reckon, query->now_ms),
        .forward_s = (double)reckon_forward_ms(&reckon, query->now_ms) / 1000.0,
        .old = dispatch->verdicts[index] == WANTED_OLD,
        .within_promise = within,
    };
    dispatch->verdicts[index] = CHOSEN;
}

/* Fills the answer up to query->k with units of one verdict, of which there
 * are `candidates`. `rest`: why those that were not found are left out: there
 * is no way, or others were first. */
static enum pt_err rank(struct dispatch *dispatch,
                        const struct catalog *catalog, struct fleet *fleet,
                        const struct dispatch_query *query, uint8_t verdict,
                        size_t candidates, struct dispatch_answer *answer,
                        uint8_t *rest)
{
    size_t found = 0;
    bool exhausted = false;
    if (answer->count < query->k && candidates > 0) {
        enum pt_err err = first_to_arrive(
            dispatch, fleet, &answer->target, query, verdict, candidates,
            query->k - answer->count, &found, &exhausted);
        if (err != PT_OK)
            return err;
    }
    for (size_t i = 0; i < found; i++)
        choose(dispatch, catalog, fleet, query, &dispatch->ranked[i], answer);
    *rest = exhausted ? LEFT_OUT_NO_WAY : LEFT_OUT_FARTHER;
    return PT_OK;
}

/* `told`: for each verdict, what is said of the units that still have it. */
static void tell_left_out(struct dispatch *dispatch,
                          const struct catalog *catalog, struct fleet *fleet,
                          const uint8_t told[VERDICT_COUNT],
                          struct dispatch_answer *answer)
{
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        uint8_t why = told[dispatch->verdicts[i]];
        if (why == CHOSEN || why == LEFT_OUT_FARTHER)
            continue;
        uint32_t slot = dispatch->known[i].slot;
        dispatch->left_out[answer->left_out_count++] =
            (struct dispatch_left_out){catalog_unit(catalog, i),
                                       slot == NONE ? NULL
                                                    : fleet_at(fleet, slot),
                                       (enum dispatch_exclusion)why};
    }
}

/* Judges, ranks and tells why not; the answer's target is known. */
static enum pt_err answer_query(struct dispatch *dispatch,
                                const struct catalog *catalog,
                                struct fleet *fleet,
                                const struct dispatch_query *query,
                                struct dispatch_answer *answer)
{
    size_t counts[VERDICT_COUNT] = {0};
    uint8_t told[VERDICT_COUNT];
    for (size_t verdict = 0; verdict < VERDICT_COUNT; verdict++)
        told[verdict] = (uint8_t)verdict;
    know_units(dispatch, catalog, fleet);
    judge_all(dispatch, catalog, query, counts);
    enum pt_err err = rank(dispatch, catalog, fleet, query, WANTED_FRESH,
                           counts[WANTED_FRESH], answer, &told[WANTED_FRESH]);
    if (err == PT_OK)
        err = rank(dispatch, catalog, fleet, query, WANTED_OLD,
                   counts[WANTED_OLD], answer, &told[WANTED_OLD]);
    if (err == PT_OK)
        tell_left_out(dispatch, catalog, fleet, told, answer);
    return err;
}

bool dispatch_knows(const struct dispatch *dispatch, const char *profile)
{
    return dispatch->roads != NULL && dispatch_open(dispatch, profile) != NULL;
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
    struct roads_place target;
    enum pt_err err =
        dispatch_use(dispatch, dispatch_metric(dispatch, query->profile));
    if (err == PT_OK)
        err = roads_snap(dispatch->roads, query->at, DISPATCH_ACCESS_MAX_M,
                         &target);
    if (err == PT_OK)
        err = dispatch_snap(dispatch, query->at, &answer.target);
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
    err = answer_query(dispatch, catalog, fleet, query, &answer);
    if (err == PT_OK)
        err = dispatch_compare(dispatch, fleet, query, &target, &answer);
    if (err == PT_OK)
        *ret = answer;
    return err;
}

enum pt_err dispatch_route(struct dispatch *dispatch, const struct fleet *fleet,
                           const struct fleet_unit *unit, struct geo_point at,
                           const char *profile, struct roads_route *ret)
{
    struct roads_place to;
    uint32_t slot;
    if (dispatch->roads == NULL || !unit->has_fix ||
        !fleet_slot(fleet, unit->unit_id, &slot))
        return PT_E_NOTFOUND;
    const struct roads_place *from = &dispatch->from_at[slot];
    if (from->edge == ROADS_NONE)
        return PT_E_OFFROAD;
    enum pt_err err =
        dispatch_use(dispatch, dispatch_metric(dispatch, profile));
    if (err == PT_OK)
        err = dispatch_snap(dispatch, at, &to);
    if (err == PT_OK)
        err = roads_route(dispatch->search, from, &to, ret);
    return err;
}

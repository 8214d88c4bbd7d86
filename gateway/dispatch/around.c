/* What is closed or slowed where units would drive were it not: their ways on
 * the network as it is without closures, and which streets of those take
 * another time now. */
#include "dispatch_internal.h"

#include <math.h>

struct comparison {
    struct dispatch *dispatch;
    const struct roads_metric *now, *open; /* by the query's profile */
    struct dispatch_answer *answer;
    const struct roads_place *target; /* were nothing closed */
    size_t routes;                    /* that may still be looked at */
};

static size_t add_changed(struct dispatch *dispatch,
                          const struct roads_metric *now,
                          const struct roads_metric *open, size_t count,
                          const struct roads_route *route)
{
    for (size_t i = 0; i < route->leg_count && count < DISPATCH_CHANGED_MAX;
         i++) {
        uint32_t directed = route->legs[i].directed;
        if (roads_metric_ms(now, directed) != roads_metric_ms(open, directed))
            dispatch->changed[count++] = directed;
    }
    return count;
}

/* The search runs on the open network. `candidate` may be NULL. */
static enum pt_err look_at_way(struct comparison *c, uint32_t slot,
                               struct dispatch_candidate *candidate)
{
    struct dispatch *dispatch = c->dispatch;
    size_t before = c->answer->changed_count;
    struct roads_route route;
    if (c->routes == 0)
        return PT_OK;
    c->routes--;
    enum pt_err err = roads_route(dispatch->search, &dispatch->stood_at[slot],
                                  c->target, &route);
    if (err == PT_E_UNREACHABLE)
        return PT_OK;
    if (err != PT_OK)
        return err;
    c->answer->changed_count =
        add_changed(dispatch, c->now, c->open, before, &route);
    roads_route_clear(&route);
    if (candidate != NULL) {
        candidate->changed = dispatch->changed + before;
        candidate->changed_count = c->answer->changed_count - before;
    }
    return PT_OK;
}

/* Who may be in the answer, closed or open: those that are, and the fresh
 * ones that are not. */
struct rivals {
    const struct dispatch *dispatch;
    size_t slots;
};

static bool is_rival(void *context, uint32_t slot)
{
    const struct rivals *rivals = context;
    const struct dispatch *dispatch = rivals->dispatch;
    uint32_t index =
        slot < rivals->slots ? dispatch->index_of[slot] : (uint32_t)NONE;
    return index != NONE && (dispatch->verdicts[index] == WANTED_FRESH ||
                             dispatch->verdicts[index] == CHOSEN);
}

static struct dispatch_candidate *candidate_of(struct comparison *c,
                                               const struct fleet_unit *state)
{
    for (size_t i = 0; i < c->answer->count; i++) {
        if (c->dispatch->units[i].state == state)
            return &c->dispatch->units[i];
    }
    return NULL;
}

/* Nothing that is closed matters to who comes at the same time as without
 * it. */
static bool is_same(const struct comparison *c, uint32_t slot,
                    const struct dispatch_candidate *candidate,
                    uint32_t drive_ms)
{
    const struct dispatch *dispatch = c->dispatch;
    return candidate != NULL && c->target->edge == c->answer->target.edge &&
           dispatch->stood_at[slot].edge == dispatch->from_at[slot].edge &&
           llround(candidate->drive_s * 1000.0) == (long long)drive_ms;
}

static enum pt_err compare(struct comparison *c, struct fleet *fleet, size_t k)
{
    struct dispatch *dispatch = c->dispatch;
    struct rivals rivals = {dispatch, fleet_count(fleet)};
    bool seen[DISPATCH_K_MAX] = {false};
    size_t found = 0;
    enum pt_err err =
        roads_nearest(dispatch->search, dispatch->standing, c->target, k,
                      dispatch->settings.limit_ms, is_rival, &rivals,
                      dispatch->arrivals, &found);
    for (size_t i = 0; err == PT_OK && i < found; i++) {
        uint32_t slot = dispatch->arrivals[i].slot;
        struct dispatch_candidate *candidate =
            candidate_of(c, fleet_at(fleet, slot));
        if (candidate != NULL)
            seen[candidate - dispatch->units] = true;
        if (!is_same(c, slot, candidate, dispatch->arrivals[i].drive_ms))
            err = look_at_way(c, slot, candidate);
    }
    for (size_t i = 0; err == PT_OK && i < c->answer->count; i++) {
        struct dispatch_candidate *candidate = &dispatch->units[i];
        uint32_t slot;
        if (!seen[i] && fleet_slot(fleet, candidate->state->unit_id, &slot))
            err = look_at_way(c, slot, candidate);
    }
    return err;
}

enum pt_err dispatch_compare(struct dispatch *dispatch, struct fleet *fleet,
                             const struct dispatch_query *query,
                             const struct roads_place *target,
                             struct dispatch_answer *answer)
{
    struct comparison c = {.dispatch = dispatch,
                           .now = dispatch_metric(dispatch, query->profile),
                           .open = dispatch_open(dispatch, query->profile),
                           .answer = answer,
                           .target = target,
                           .routes = DISPATCH_COMPARED_MAX};
    answer->changed = dispatch->changed;
    if (c.now == c.open)
        return PT_OK;
    enum pt_err err = dispatch_use(dispatch, c.open);
    return err == PT_OK ? compare(&c, fleet, query->k) : err;
}

enum pt_err dispatch_route_changed(struct dispatch *dispatch,
                                   const struct fleet *fleet,
                                   const struct fleet_unit *unit,
                                   struct geo_point at, const char *profile,
                                   const uint32_t **ret, size_t *count)
{
    struct roads_place to;
    struct roads_route route;
    uint32_t slot;
    *ret = dispatch->changed;
    *count = 0;
    if (dispatch->roads == NULL || !fleet_slot(fleet, unit->unit_id, &slot))
        return PT_E_NOTFOUND;
    const struct roads_metric *now = dispatch_metric(dispatch, profile);
    const struct roads_metric *open = dispatch_open(dispatch, profile);
    if (dispatch->stood_at[slot].edge == ROADS_NONE || now == open)
        return PT_OK;
    enum pt_err err = dispatch_use(dispatch, open);
    if (err == PT_OK)
        err = roads_snap(dispatch->roads, at, DISPATCH_ACCESS_MAX_M, &to);
    if (err != PT_OK)
        return err;
    err = roads_route(dispatch->search, &dispatch->stood_at[slot], &to, &route);
    if (err == PT_OK) {
        *count = add_changed(dispatch, now, open, 0, &route);
        roads_route_clear(&route);
    }
    return err == PT_E_UNREACHABLE ? PT_OK : err;
}

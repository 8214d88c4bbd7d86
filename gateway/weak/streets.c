/* Which streets to try, and what their closing uncovers. */
#include "weak_internal.h"

#include "dispatch.h"
#include "pt_room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Closing the edge could uncover the mission. */
struct pair {
    uint32_t edge, mission;
};

struct candidate {
    uint32_t edge;
    size_t most; /* missions that it could uncover */
};

struct search {
    struct weak *weak;
    const uint64_t *in_time;
    struct roads_search *roads;
    uint32_t *crossing; /* by edge: ways of one mission's units over it */
    uint32_t *touched;  /* edges of which that is not 0 */
    size_t touched_count, touched_room;
    struct pair *pairs;
    size_t pair_count, pair_room;
    struct candidate *candidates;
    size_t candidate_count;
};

/* ------------------------------------------------------------- who goes where
 */
static enum pt_err touch(struct search *s, uint32_t edge)
{
    if (s->crossing[edge] == 0) {
        enum pt_err err = pt_room(&s->touched, &s->touched_room,
                                  s->touched_count + 1, sizeof(*s->touched));
        if (err != PT_OK)
            return err;
        s->touched[s->touched_count++] = edge;
    }
    s->crossing[edge]++;
    return PT_OK;
}

/* A way may go over an edge twice, there and back: it counts once. */
static enum pt_err follow_way(struct search *s, const struct roads_route *route)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < route->leg_count && err == PT_OK; i++) {
        uint32_t edge = route->legs[i].directed >> 1;
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = route->legs[j].directed >> 1 == edge;
        if (!again)
            err = touch(s, edge);
    }
    return err;
}

static enum pt_err follow_units(struct search *s, size_t mission)
{
    const struct weak *w = s->weak;
    const uint64_t *bits = s->in_time + mission * weak_words(w);
    enum pt_err err = PT_OK;
    for (size_t u = 0; u < w->wish.unit_count && err == PT_OK; u++) {
        struct roads_route route = {0};
        if (!(bits[u / 64] >> (u % 64) & UINT64_C(1)))
            continue;
        err = roads_route(s->roads, &w->units[u].now.place,
                          &w->stops[mission].place, &route);
        if (err == PT_OK)
            err = follow_way(s, &route);
        roads_route_clear(&route);
        if (err == PT_E_UNREACHABLE) /* by a hair: tables are in tenths */
            err = PT_OK;
    }
    return err;
}

/* Without those that go over it fewer than the level are left. */
static enum pt_err take_pairs(struct search *s, size_t mission)
{
    size_t needed = (size_t)s->weak->missions[mission].can_fail + 1;
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < s->touched_count; i++) {
        uint32_t edge = s->touched[i];
        if (err == PT_OK && s->crossing[edge] >= needed) {
            err = pt_room(&s->pairs, &s->pair_room, s->pair_count + 1,
                          sizeof(*s->pairs));
            if (err == PT_OK)
                s->pairs[s->pair_count++] =
                    (struct pair){edge, (uint32_t)mission};
        }
        s->crossing[edge] = 0;
    }
    s->touched_count = 0;
    return err;
}

static enum pt_err find_pairs(struct search *s)
{
    struct weak *w = s->weak;
    enum pt_err err = PT_OK;
    for (size_t m = 0; m < w->mission_count && err == PT_OK; m++) {
        const struct weak_mission *mission = &w->missions[m];
        if (!mission->judged || mission->can_fail < 0 ||
            mission->in_time > WEAK_WAYS_MAX)
            continue;
        if (weak_is_stopped(w) || weak_spent_ms(w) > w->wish.limit_ms / 2)
            return PT_E_AGAIN;
        err = follow_units(s, m);
        if (err == PT_OK)
            err = take_pairs(s, m);
    }
    return err;
}

/* ----------------------------------------------------------------- candidates
 */
static int by_edge(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

/* Of as many missions the longer street is tried first. */
static int by_most(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->most != b->most)
        return a->most > b->most ? -1 : 1;
    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

static enum pt_err rank_candidates(struct search *s)
{
    s->candidates = calloc(s->pair_count + 1, sizeof(*s->candidates));
    if (s->candidates == NULL)
        return PT_E_NOMEM;
    if (s->pair_count > 1)
        qsort(s->pairs, s->pair_count, sizeof(*s->pairs), by_edge);
    for (size_t i = 0; i < s->pair_count; i++) {
        if (i == 0 || s->pairs[i].edge != s->pairs[i - 1].edge)
            s->candidates[s->candidate_count++].edge = s->pairs[i].edge;
        s->candidates[s->candidate_count - 1].most++;
    }
    if (s->candidate_count > 1)
        qsort(s->candidates, s->candidate_count, sizeof(*s->candidates),
              by_most);
    return PT_OK;
}

/* -------------------------------------------------------------------- closing
 */
static enum pt_err close_edge(const struct weak *w, uint32_t edge,
                              struct coverage_basis **ret)
{
    const struct coverage_metrics *now = coverage_basis_metrics(w->basis);
    const struct roads_slowing both[] = {{2 * edge, ROADS_NONE},
                                         {2 * edge + 1, ROADS_NONE}};
    struct coverage_settings settings = w->settings;
    struct roads_metric *closed = NULL, *first = NULL;
    struct coverage_basis *basis = NULL;
    settings.missions_only = true;
    enum pt_err err = roads_metric_slowed(now->now, both, 2, &closed);
    if (err == PT_OK && now->first != now->now)
        err = roads_metric_slowed(now->first, both, 2, &first);
    const struct coverage_metrics metrics = {
        .now = closed,
        .open = now->open,
        .first = now->first == now->now ? closed : first,
    };
    if (err == PT_OK)
        err = coverage_basis_new(
            &settings,
            (struct catalog *)(uintptr_t)coverage_basis_catalog(w->basis),
            &metrics, &basis);
    if (err == PT_OK)
        err = coverage_basis_fill(basis);
    roads_metric_unref(closed);
    roads_metric_unref(first);
    if (err == PT_OK)
        *ret = basis;
    else
        coverage_basis_unref(basis);
    return err;
}

/* Who stands on what is closed sets out from beside it. */
static void place_units(const struct weak *w,
                        const struct coverage_basis *basis,
                        struct coverage_unit *units)
{
    const struct roads_metric *first = coverage_basis_metrics(basis)->first;
    for (size_t u = 0; u < w->wish.unit_count; u++) {
        struct coverage_unit *unit = &units[u];
        *unit = w->units[u].now;
        if (dispatch_join(first, &w->units[u].stood, &unit->place) != PT_OK)
            unit->place.edge = ROADS_NONE;
        else
            unit->late_ms =
                w->units[u].turnout_ms +
                (uint32_t)lround(1000 *
                                 w->settings.access_s(unit->place.distance_m));
    }
}

static enum pt_err list_lost(const struct weak *w, const uint64_t *in_time,
                             struct weak_loss *ret)
{
    size_t words = weak_words(w);
    ret->missions = calloc(w->mission_count + 1, sizeof(*ret->missions));
    if (ret->missions == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < w->mission_count; m++) {
        if (w->missions[m].judged && w->missions[m].can_fail >= 0 &&
            weak_count(in_time + m * words, words) < w->settings.level)
            ret->missions[ret->count++] = (uint32_t)m;
    }
    return PT_OK;
}

static enum pt_err try_edge(struct weak *w, uint32_t edge,
                            struct weak_loss *ret)
{
    struct coverage_basis *basis = NULL;
    struct coverage_unit *units =
        calloc(w->wish.unit_count + 1, sizeof(*units));
    uint64_t *in_time =
        calloc(w->mission_count * weak_words(w) + 1, sizeof(*in_time));
    enum pt_err err = PT_E_NOMEM;
    if (units != NULL && in_time != NULL)
        err = close_edge(w, edge, &basis);
    if (err == PT_OK) {
        place_units(w, basis, units);
        err = weak_in_time(w, basis, units, in_time);
    }
    if (err == PT_OK)
        err = list_lost(w, in_time, ret);
    coverage_basis_unref(basis);
    free(units);
    free(in_time);
    ret->what = edge;
    return err;
}

/* Streets in a row uncover the same: one of them is told, the longest. */
static bool is_known(struct weak *w, const struct weak_loss *loss)
{
    for (size_t i = 0; i < w->lost_street_count; i++) {
        struct weak_loss *known = &w->lost_streets[i];
        if (!weak_same(known, loss))
            continue;
        if (roads_edge_length_m(w->roads, 2 * loss->what) >
            roads_edge_length_m(w->roads, 2 * known->what))
            known->what = loss->what;
        return true;
    }
    return false;
}

static enum pt_err note_street(struct weak *w, struct weak_loss *loss)
{
    if (loss->count == 0 || is_known(w, loss))
        free(loss->missions);
    else
        weak_note(w->lost_streets, &w->lost_street_count, loss);
    return PT_OK;
}

static enum pt_err try_candidates(struct search *s)
{
    struct weak *w = s->weak;
    enum pt_err err = PT_OK;
    size_t i = 0;
    for (; i < s->candidate_count && err == PT_OK; i++) {
        struct weak_loss loss = {0};
        if (i == WEAK_TRIED_MAX || weak_spent_ms(w) > w->wish.limit_ms / 2)
            break;
        if (weak_is_stopped(w))
            return PT_E_AGAIN;
        err = try_edge(w, s->candidates[i].edge, &loss);
        if (err == PT_OK)
            err = note_street(w, &loss);
        else
            free(loss.missions);
    }
    size_t worst = w->lost_street_count == 0 ? 0 : w->lost_streets[0].count;
    w->tried = (struct weak_tried){
        .candidates = s->candidate_count,
        .tried = i,
        .is_worst = i == s->candidate_count || s->candidates[i].most <= worst,
    };
    return err;
}

enum pt_err weak_try_streets(struct weak *weak, const uint64_t *in_time)
{
    struct search s = {.weak = weak, .in_time = in_time};
    s.crossing = calloc(roads_edge_count(weak->roads), sizeof(*s.crossing));
    enum pt_err err = s.crossing == NULL
                          ? PT_E_NOMEM
                          : roads_search_new(weak->roads, &s.roads);
    if (err == PT_OK)
        err =
            roads_search_use(s.roads, coverage_basis_metrics(weak->basis)->now);
    if (err == PT_OK)
        err = find_pairs(&s);
    if (err == PT_OK)
        err = rank_candidates(&s);
    if (err == PT_OK)
        err = try_candidates(&s);
    roads_search_free(s.roads);
    free(s.crossing);
    free(s.touched);
    free(s.pairs);
    free(s.candidates);
    return err;
}

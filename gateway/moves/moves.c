/* Who is in time where, and on the way. */
#include "moves_internal.h"

#include "siting.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Times from all units to so many places at once are kept: each takes four
 * bytes an edge. */
#define TABLES_AT_ONCE 16u
/* Of any street so many places are looked at, those in reach of a mission that
 * lacks units are taken. */
#define STREETS_MAX 3000u
#define CLASSES_MAX 8u

struct work {
    const struct moves_wish *wish;
    const struct catalog *catalog;
    struct moves_problem problem;
    struct roads_search *search; /* for routes */
    int64_t began_ms;
    const struct coverage_stop *places;
    struct coverage_stop *streets; /* when the wish has none */
    uint64_t *now, *there, *promised;
    bool *may_move;
    uint32_t *class_of, *class_ms;
    uint32_t *arrive_ms;           /* by unit and place */
    uint32_t *promise_ms, *eta_ms; /* by mission */
};

static int64_t clock_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static bool is_enough(void *context)
{
    const struct work *w = context;
    return (w->wish->cancelled != NULL && atomic_load(w->wish->cancelled)) ||
           clock_ms() - w->began_ms >= w->wish->limit_ms;
}

/* ------------------------------------------------------------- who is in time
 */
static void set_in_time(const struct work *w, const struct coverage_unit *unit,
                        uint64_t *bits)
{
    coverage_reach_missions(w->wish->basis, unit, w->eta_ms);
    for (size_t m = 0; m < w->problem.missions; m++)
        if (w->promise_ms[m] > 0 && w->eta_ms[m] <= w->promise_ms[m])
            moves_set(bits, m);
}

/* Where it would stand by, as late as units of that class are. */
static struct coverage_unit standing_by(const struct coverage_stop *place,
                                        uint32_t turnout_ms)
{
    return (struct coverage_unit){
        .place = place->place,
        .late_ms = turnout_ms + place->access_ms,
        .until_ms = INT64_MAX,
    };
}

static void find_promises(struct work *w)
{
    for (size_t m = 0; m < w->problem.missions; m++) {
        struct coverage_stop stop = coverage_stop_mission(w->wish->basis, m);
        w->promise_ms[m] = stop.promise_ms;
        if (stop.promise_ms > 0)
            moves_set(w->promised, m);
    }
}

static enum pt_err find_in_time(struct work *w)
{
    struct moves_problem *p = &w->problem;
    for (size_t u = 0; u < p->units; u++) {
        const struct moves_unit *unit = &w->wish->units[u];
        size_t class = 0;
        while (class < p->classes && w->class_ms[class] != unit->turnout_ms)
            class ++;
        if (class == CLASSES_MAX)
            return PT_E_RANGE;
        if (class == p->classes)
            w->class_ms[p->classes++] = unit->turnout_ms;
        w->class_of[u] = (uint32_t) class;
        w->may_move[u] = unit->may_move && unit->unit.place.edge != ROADS_NONE;
        if (unit->unit.place.edge != ROADS_NONE)
            set_in_time(w, &unit->unit, &w->now[u * p->words]);
    }
    return PT_OK;
}

/* --------------------------------------------------------------- any street
 */
struct reached {
    struct coverage_stop stop;
    size_t count; /* missions that lack units and are in time from there */
};

static int by_count(const void *a, const void *b)
{
    const struct reached *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->stop.place.edge != y->stop.place.edge)
        return x->stop.place.edge < y->stop.place.edge ? -1 : 1;
    return 0;
}

static bool lacks(const struct work *w, size_t mission)
{
    const struct moves_problem *p = &w->problem;
    unsigned count = 0;
    for (size_t u = 0; u < p->units && count < p->level; u++)
        count += moves_has(&w->now[u * p->words], mission);
    return moves_has(w->promised, mission) && count < p->level;
}

static uint32_t least_turnout_ms(const struct work *w)
{
    uint32_t least = w->problem.classes == 0 ? 0 : UINT32_MAX;
    for (size_t k = 0; k < w->problem.classes; k++)
        if (w->class_ms[k] < least)
            least = w->class_ms[k];
    return least;
}

static void count_reached(const struct work *w, const bool *lacking,
                          struct reached *street)
{
    struct coverage_unit unit = standing_by(&street->stop, least_turnout_ms(w));
    coverage_reach_missions(w->wish->basis, &unit, w->eta_ms);
    street->count = 0;
    for (size_t m = 0; m < w->problem.missions; m++)
        street->count += lacking[m] && w->eta_ms[m] <= w->promise_ms[m];
}

static enum pt_err take_streets(struct work *w, const bool *lacking,
                                const struct roads_place *places, size_t count)
{
    struct reached *all = calloc(count + 1, sizeof(*all));
    size_t *taken = &w->problem.places;
    w->streets = calloc(MOVES_PLACES_MAX, sizeof(*w->streets));
    if (all == NULL || w->streets == NULL) {
        free(all);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        all[i].stop.place = places[i];
        count_reached(w, lacking, &all[i]);
    }
    if (count > 0)
        qsort(all, count, sizeof(*all), by_count);
    for (*taken = 0;
         *taken < count && *taken < MOVES_PLACES_MAX && all[*taken].count > 0;
         ++*taken)
        w->streets[*taken] = all[*taken].stop;
    w->places = w->streets;
    free(all);
    return PT_OK;
}

static enum pt_err find_streets(struct work *w)
{
    struct roads_place *places = NULL;
    double spacing_m = 0;
    size_t count = 0;
    bool *lacking = calloc(w->problem.missions + 1, sizeof(*lacking));
    if (lacking == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < w->problem.missions; m++)
        lacking[m] = lacks(w, m);
    enum pt_err err = siting_sample(w->wish->basis, NULL, STREETS_MAX,
                                    &spacing_m, &places, &count);
    if (err == PT_OK)
        err = take_streets(w, lacking, places, count);
    free(places);
    free(lacking);
    return err;
}

static enum pt_err find_there(struct work *w)
{
    struct moves_problem *p = &w->problem;
    w->there = calloc(p->classes * p->places * p->words + 1, sizeof(*w->there));
    if (w->there == NULL)
        return PT_E_NOMEM;
    for (size_t k = 0; k < p->classes; k++) {
        for (size_t c = 0; c < p->places; c++) {
            struct coverage_unit unit =
                standing_by(&w->places[c], w->class_ms[k]);
            set_in_time(w, &unit, &w->there[(k * p->places + c) * p->words]);
        }
    }
    return PT_OK;
}

/* ------------------------------------------------------------------ how long
 */
static void take_times(struct work *w, const struct roads_tables *tables,
                       size_t from, size_t count)
{
    const struct moves_problem *p = &w->problem;
    uint32_t drive_ms[TABLES_AT_ONCE];
    for (size_t u = 0; u < p->units; u++) {
        const struct moves_unit *unit = &w->wish->units[u];
        if (!w->may_move[u])
            continue;
        roads_tables_from(tables, &unit->unit.place, drive_ms);
        for (size_t i = 0; i < count; i++) {
            uint32_t ms = coverage_drive_ms(w->wish->basis, drive_ms[i]);
            if (ms == ROADS_NONE)
                continue;
            w->arrive_ms[u * p->places + from + i] =
                ms + unit->unit.late_ms + w->places[from + i].access_ms;
        }
    }
}

static enum pt_err find_times(struct work *w)
{
    const struct moves_problem *p = &w->problem;
    const struct roads_metric *metric =
        coverage_basis_metrics(w->wish->basis)->now;
    w->arrive_ms = calloc(p->units * p->places + 1, sizeof(*w->arrive_ms));
    if (w->arrive_ms == NULL)
        return PT_E_NOMEM;
    memset(w->arrive_ms, 0xff, p->units * p->places * sizeof(*w->arrive_ms));
    for (size_t from = 0; from < p->places; from += TABLES_AT_ONCE) {
        struct roads_place places[TABLES_AT_ONCE];
        struct roads_tables *tables = NULL;
        size_t count = p->places - from;
        count = count < TABLES_AT_ONCE ? count : TABLES_AT_ONCE;
        for (size_t i = 0; i < count; i++)
            places[i] = w->places[from + i].place;
        enum pt_err err = roads_tables_new(metric, places, count, &tables);
        if (err != PT_OK)
            return err;
        take_times(w, tables, from, count);
        roads_tables_free(tables);
        if (is_enough(w))
            return PT_E_AGAIN;
    }
    return PT_OK;
}

/* ------------------------------------------------------------------ on the way
 */
static void keep_in_time(const struct work *w, const struct coverage_unit *unit,
                         uint64_t *bits)
{
    coverage_reach_missions(w->wish->basis, unit, w->eta_ms);
    for (size_t m = 0; m < w->problem.missions; m++)
        if (w->eta_ms[m] > w->promise_ms[m])
            bits[m / 64] &= ~(UINT64_C(1) << (m % 64));
}

static void keep_along(const struct work *w, const struct roads_leg *leg,
                       uint32_t turnout_ms, uint64_t *bits)
{
    const struct roads *roads =
        roads_metric_roads(coverage_basis_metrics(w->wish->basis)->now);
    size_t steps = 1 + (size_t)(leg->length_m / MOVES_STEP_M);
    for (size_t i = 0; i <= steps; i++) {
        double share = (double)i / (double)steps;
        double at = leg->from_fraction +
                    share * (leg->to_fraction - leg->from_fraction);
        struct coverage_unit unit = {
            .place = roads_place_on(roads, leg->directed, at),
            .late_ms = turnout_ms,
            .until_ms = INT64_MAX,
        };
        keep_in_time(w, &unit, bits);
    }
}

static bool route_of(const struct work *w, uint32_t unit, uint32_t place,
                     struct roads_route *ret)
{
    return roads_route(w->search, &w->wish->units[unit].unit.place,
                       &w->places[place].place, ret) == PT_OK;
}

static bool find_on_way(void *context, uint32_t unit, uint32_t place,
                        uint64_t *ret)
{
    struct work *w = context;
    const struct moves_problem *p = &w->problem;
    const uint64_t *to =
        &w->there[(w->class_of[unit] * p->places + place) * p->words];
    struct roads_route route = {0};
    if (!route_of(w, unit, place, &route))
        return false;
    for (size_t i = 0; i < p->words; i++)
        ret[i] = w->now[unit * p->words + i] & to[i];
    for (size_t i = 0; i < route.leg_count; i++)
        keep_along(w, &route.legs[i], w->wish->units[unit].turnout_ms, ret);
    roads_route_clear(&route);
    return true;
}

/* ----------------------------------------------------------------- the answer
 */
static size_t gained_by(const struct work *w, uint32_t unit, uint32_t place)
{
    const struct moves_problem *p = &w->problem;
    const uint64_t *to =
        &w->there[(w->class_of[unit] * p->places + place) * p->words];
    size_t gained = 0;
    for (size_t i = 0; i < p->words; i++)
        gained += (size_t)__builtin_popcountll(
            to[i] & ~w->now[unit * p->words + i] & w->promised[i]);
    return gained;
}

static void tell_moves(const struct work *w, const struct moves_found *found,
                       struct moves_answer *ret)
{
    for (size_t i = 0; i < found->count; i++) {
        struct moves_move *move = &ret->moves[ret->count++];
        struct roads_route route = {0};
        *move = (struct moves_move){
            .unit = found->unit[i],
            .to = w->places[found->place[i]].place,
            .place = found->place[i],
            .arrive_ms = w->arrive_ms[found->unit[i] * w->problem.places +
                                      found->place[i]],
            .gained_count = gained_by(w, found->unit[i], found->place[i]),
        };
        if (route_of(w, move->unit, move->place, &route)) {
            move->drive_ms = route.drive_ms;
            move->distance_m = route.distance_m;
        }
        roads_route_clear(&route);
    }
    ret->complete = found->complete;
    ret->stopped = found->stopped;
}

static bool has_enough(const struct work *w, const struct moves_found *found,
                       size_t mission)
{
    const struct moves_problem *p = &w->problem;
    unsigned count = 0;
    for (size_t u = 0; u < p->units; u++) {
        const uint64_t *bits = &w->now[u * p->words];
        for (size_t i = 0; i < found->count; i++)
            if (found->unit[i] == u)
                bits =
                    &w->there[(w->class_of[u] * p->places + found->place[i]) *
                              p->words];
        count += moves_has(bits, mission);
    }
    return count >= p->level;
}

static enum pt_err tell_missions(const struct work *w,
                                 const struct moves_found *found,
                                 const uint64_t *lacking,
                                 const uint64_t *beyond,
                                 struct moves_answer *ret)
{
    size_t missions = w->problem.missions;
    ret->restored = calloc(missions + 1, sizeof(*ret->restored));
    ret->remaining = calloc(missions + 1, sizeof(*ret->remaining));
    if (ret->restored == NULL || ret->remaining == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < missions; m++) {
        if (!moves_has(lacking, m))
            continue;
        ret->lacking++;
        ret->beyond += moves_has(beyond, m);
        if (has_enough(w, found, m))
            ret->restored[ret->restored_count++] = (uint32_t)m;
        else
            ret->remaining[ret->remaining_count++] = (uint32_t)m;
    }
    return PT_OK;
}

/* ------------------------------------------------------------------ all of it
 */
static enum pt_err begin(struct work *w)
{
    const struct moves_wish *wish = w->wish;
    struct moves_problem *p = &w->problem;
    const struct coverage_metrics *metrics =
        coverage_basis_metrics(wish->basis);
    p->missions = catalog_mission_count(w->catalog);
    p->words = p->missions / 64 + 1;
    w->now = calloc(wish->unit_count * p->words + 1, sizeof(*w->now));
    w->promised = calloc(p->words, sizeof(*w->promised));
    w->may_move = calloc(wish->unit_count + 1, sizeof(*w->may_move));
    w->class_of = calloc(wish->unit_count + 1, sizeof(*w->class_of));
    w->class_ms = calloc(CLASSES_MAX, sizeof(*w->class_ms));
    w->promise_ms = calloc(p->missions + 1, sizeof(*w->promise_ms));
    w->eta_ms = calloc(p->missions + 1, sizeof(*w->eta_ms));
    if (w->now == NULL || w->promised == NULL || w->may_move == NULL ||
        w->class_of == NULL || w->class_ms == NULL || w->promise_ms == NULL ||
        w->eta_ms == NULL)
        return PT_E_NOMEM;
    enum pt_err err =
        roads_search_new(roads_metric_roads(metrics->now), &w->search);
    if (err == PT_OK)
        err = roads_search_use(w->search, metrics->now);
    return err;
}

static void end(struct work *w)
{
    roads_search_free(w->search);
    free(w->streets);
    free(w->now);
    free(w->there);
    free(w->promised);
    free(w->may_move);
    free(w->class_of);
    free(w->class_ms);
    free(w->arrive_ms);
    free(w->promise_ms);
    free(w->eta_ms);
}

static enum pt_err prepare(struct work *w)
{
    const struct moves_wish *wish = w->wish;
    struct moves_problem *p = &w->problem;
    *p = (struct moves_problem){
        .level = wish->level,
        .most = wish->most,
        .units = wish->unit_count,
        .places = wish->place_count,
        .on_way = find_on_way,
        .enough = is_enough,
        .context = w,
    };
    enum pt_err err = begin(w);
    if (err != PT_OK)
        return err;
    find_promises(w);
    err = find_in_time(w);
    w->places = wish->places;
    if (err == PT_OK && wish->place_count == 0)
        err = find_streets(w);
    if (err == PT_OK)
        err = find_there(w);
    if (err == PT_OK)
        err = find_times(w);
    p->now = w->now;
    p->may_move = w->may_move;
    p->class_of = w->class_of;
    p->there = w->there;
    p->arrive_ms = w->arrive_ms;
    p->promised = w->promised;
    return err;
}

enum pt_err moves_run(const struct moves_wish *wish, struct moves_answer *ret)
{
    struct work w = {
        .wish = wish,
        .catalog = coverage_basis_catalog(wish->basis),
        .began_ms = clock_ms(),
    };
    struct moves_answer answer = {0};
    struct moves_found found;
    uint64_t *lacking = NULL, *beyond = NULL;
    if (wish->level < 1 || wish->level > COVERAGE_FOLD || wish->most < 1 ||
        wish->most > MOVES_MAX || wish->unit_count > MOVES_UNITS_MAX ||
        wish->place_count > MOVES_PLACES_MAX)
        return PT_E_RANGE;
    enum pt_err err = prepare(&w);
    if (err == PT_OK) {
        lacking = calloc(w.problem.words, sizeof(*lacking));
        beyond = calloc(w.problem.words, sizeof(*beyond));
        err = lacking == NULL || beyond == NULL ? PT_E_NOMEM : PT_OK;
    }
    if (err == PT_OK)
        err = moves_search(&w.problem, lacking, beyond, &found);
    if (err == PT_OK && wish->cancelled != NULL && atomic_load(wish->cancelled))
        err = PT_E_AGAIN;
    if (err == PT_OK) {
        tell_moves(&w, &found, &answer);
        err = tell_missions(&w, &found, lacking, beyond, &answer);
    }
    free(lacking);
    free(beyond);
    end(&w);
    if (err != PT_OK) {
        moves_clear(&answer);
        return err;
    }
    *ret = answer;
    return PT_OK;
}

void moves_clear(struct moves_answer *answer)
{
    free(answer->restored);
    free(answer->remaining);
    *answer = (struct moves_answer){0};
}

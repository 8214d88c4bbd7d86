/* What each candidate covers. */
#include "siting_internal.h"

#include "pt_room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t siting_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_enough(const struct siting *s)
{
    return (s->wish->cancelled != NULL && atomic_load(s->wish->cancelled)) ||
           siting_clock_ms() - s->began_ms >= s->wish->limit_ms;
}

/* ---------------------------------------------------------------- what counts
 */
static double weight_of(const struct siting_wish *wish,
                        const struct catalog_mission *mission)
{
    for (size_t i = 0; i < wish->weight_count; i++)
        if (wish->weights[i].mission_id == mission->mission_id)
            return wish->weights[i].weight;
    return wish->mission_weight;
}

static bool counts_in(const struct catalog_zone *zone, struct geo_point at)
{
    return zone == NULL || catalog_zone_holds(zone, at);
}

/* What has no weight or no promise does not count. */
static enum pt_err add_demand(struct siting *s, enum siting_kind kind,
                              size_t index, const struct coverage_stop *stop,
                              double weight)
{
    uint64_t units = (uint64_t)llround(weight * SITING_UNITS_OF_WEIGHT);
    if (units == 0 || stop->promise_ms == 0)
        return PT_OK;
    enum pt_err err = pt_room(&s->demands, &s->demand_room, s->demand_count + 1,
                              sizeof(*s->demands));
    if (err == PT_OK)
        err = pt_room(&s->weight, &s->weight_room, s->demand_count + 1,
                      sizeof(*s->weight));
    if (err != PT_OK)
        return err;
    s->weight[s->demand_count] = units;
    s->demands[s->demand_count++] =
        (struct demand){.kind = kind, .index = (uint32_t)index, .stop = *stop};
    return PT_OK;
}

static enum pt_err add_missions(struct siting *s)
{
    const struct siting_wish *wish = s->wish;
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < catalog_mission_count(s->catalog);
         i++) {
        const struct catalog_mission *m = catalog_mission(s->catalog, i);
        if (m->zone != wish->zone && !counts_in(wish->zone, m->at))
            continue;
        struct coverage_stop stop = coverage_stop_mission(wish->basis, i);
        s->off_road += stop.place.edge == ROADS_NONE;
        err = add_demand(s, SITING_MISSION, i, &stop, weight_of(wish, m));
    }
    s->mission_demands = s->demand_count;
    return err;
}

static enum pt_err add_others(struct siting *s)
{
    const struct siting_wish *wish = s->wish;
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < wish->point_count; i++) {
        struct coverage_stop stop =
            coverage_stop_at(wish->basis, wish->points[i].at);
        s->off_road += stop.place.edge == ROADS_NONE;
        if (counts_in(wish->zone, wish->points[i].at))
            err = add_demand(s, SITING_POINT, i, &stop, wish->points[i].weight);
    }
    size_t pieces =
        wish->km_weight > 0 ? coverage_stop_streets(wish->basis) : 0;
    for (size_t i = 0; err == PT_OK && i < pieces; i++) {
        struct coverage_stop stop = coverage_stop_street(wish->basis, i);
        if (counts_in(wish->zone, stop.place.at))
            err = add_demand(s, SITING_STREET, i, &stop,
                             wish->km_weight * stop.length_m / 1000);
    }
    return err;
}

/* ----------------------------------------------------------------- candidates
 */
static struct coverage_unit stands_at(const struct siting_wish *wish,
                                      const struct coverage_stop *stop)
{
    return (struct coverage_unit){
        .place = stop->place,
        .late_ms = wish->late_ms + stop->access_ms,
        .until_ms = INT64_MAX,
    };
}

static enum pt_err add_points(struct siting *s,
                              const struct siting_point *points, size_t count,
                              bool kept, size_t *fault)
{
    for (size_t i = 0; i < count; i++) {
        struct coverage_stop stop =
            coverage_stop_at(s->wish->basis, points[i].at);
        if (stop.place.edge == ROADS_NONE) {
            *fault = s->candidate_count;
            return PT_E_OFFROAD;
        }
        s->candidates[s->candidate_count++] = (struct candidate){
            .unit = stands_at(s->wish, &stop), .kept = kept, .index = i};
    }
    return PT_OK;
}

static enum pt_err find_candidates(struct siting *s, size_t *fault)
{
    const struct siting_wish *wish = s->wish;
    struct roads_place *places = NULL;
    size_t count = 0;
    enum pt_err err = PT_OK;
    if (wish->candidate_count == 0) {
        s->spacing_m = wish->spacing_m;
        err = siting_sample(wish->basis, wish->zone, wish->candidates_max,
                            &s->spacing_m, &places, &count);
    }
    if (err == PT_OK) {
        s->candidates =
            calloc(wish->kept_count + wish->candidate_count + count + 1,
                   sizeof(*s->candidates));
        err = s->candidates == NULL ? PT_E_NOMEM : PT_OK;
    }
    if (err == PT_OK)
        err = add_points(s, wish->kept, wish->kept_count, true, fault);
    if (err == PT_OK)
        err = add_points(s, wish->candidates, wish->candidate_count, false,
                         fault);
    for (size_t i = 0; err == PT_OK && i < count; i++) {
        struct coverage_stop stop = {.place = places[i]};
        s->candidates[s->candidate_count++] =
            (struct candidate){.unit = stands_at(wish, &stop), .index = i};
    }
    free(places);
    return err;
}

/* ----------------------------------------------------------- who covers what
 */
static enum pt_err add_pair(struct siting *s, size_t demand)
{
    if (s->pair_count == POSTS_PAIRS_MAX)
        return PT_E_FULL;
    enum pt_err err = pt_room(&s->covers, &s->pair_room, s->pair_count + 1,
                              sizeof(*s->covers));
    if (err == PT_OK)
        s->covers[s->pair_count++] = (uint32_t)demand;
    return err;
}

/* Missions by their time tables, all else by a spread. */
static enum pt_err add_covered(struct siting *s, struct coverage_reach *reach,
                               size_t candidate)
{
    const struct coverage_unit *unit = &s->candidates[candidate].unit;
    enum pt_err err = PT_OK;
    coverage_reach_missions(s->wish->basis, unit, s->eta_ms);
    for (size_t d = 0; err == PT_OK && d < s->mission_demands; d++)
        if (s->eta_ms[s->demands[d].index] <= s->demands[d].stop.promise_ms)
            err = add_pair(s, d);
    if (err == PT_OK && s->mission_demands < s->demand_count)
        err = coverage_reach_from(reach, unit);
    for (size_t d = s->mission_demands; err == PT_OK && d < s->demand_count;
         d++) {
        const struct coverage_stop *stop = &s->demands[d].stop;
        if (coverage_reach_to(reach, stop) <= stop->promise_ms)
            err = add_pair(s, d);
    }
    s->first[candidate + 1] = s->pair_count;
    return err;
}

static enum pt_err fill_matrix(struct siting *s)
{
    struct coverage_reach *reach = NULL;
    s->first = calloc(s->candidate_count + 1, sizeof(*s->first));
    s->eta_ms =
        calloc(catalog_mission_count(s->catalog) + 1, sizeof(*s->eta_ms));
    /* none is NULL, whatever there is */
    enum pt_err err = pt_room(&s->covers, &s->pair_room, 1, sizeof(*s->covers));
    if (err == PT_OK)
        err = pt_room(&s->weight, &s->weight_room, 1, sizeof(*s->weight));
    if (s->first == NULL || s->eta_ms == NULL)
        err = PT_E_NOMEM;
    if (err == PT_OK)
        err = coverage_reach_new(s->wish->basis, &reach);
    for (size_t c = 0; err == PT_OK && c < s->candidate_count; c++) {
        err = add_covered(s, reach, c);
        if (err == PT_OK && is_enough(s))
            err = PT_E_AGAIN;
    }
    coverage_reach_free(reach);
    return err;
}

static bool is_within(const struct siting_wish *w)
{
    bool streets =
        w->candidate_count > 0 ||
        (w->candidates_max >= 1 && w->candidates_max <= SITING_STREETS_MAX &&
         (w->spacing_m == 0 || (w->spacing_m >= SITING_SPACING_MIN_M &&
                                w->spacing_m <= SITING_SPACING_MAX_M)));
    return streets && w->post_count >= 1 && w->post_count <= SITING_POSTS_MAX &&
           w->kept_count <= w->post_count &&
           w->candidate_count <= SITING_GIVEN_MAX &&
           w->point_count <= SITING_POINTS_MAX && w->fold >= 1 &&
           w->fold <= COVERAGE_FOLD && w->mission_weight >= 0 &&
           w->mission_weight <= SITING_WEIGHT_MAX && w->km_weight >= 0 &&
           w->km_weight <= SITING_WEIGHT_MAX;
}

void siting_free(struct siting *siting)
{
    if (siting == NULL)
        return;
    free(siting->demands);
    free(siting->weight);
    free(siting->candidates);
    free(siting->first);
    free(siting->covers);
    free(siting->eta_ms);
    free(siting);
}

enum pt_err siting_new(const struct siting_wish *wish, struct siting **ret,
                       size_t *fault)
{
    if (!is_within(wish))
        return PT_E_RANGE;
    struct siting *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PT_E_NOMEM;
    s->wish = wish;
    s->catalog = coverage_basis_catalog(wish->basis);
    s->mission_count = catalog_mission_count(s->catalog);
    s->began_ms = siting_clock_ms();
    enum pt_err err = add_missions(s);
    if (err == PT_OK)
        err = add_others(s);
    if (err == PT_OK)
        err = find_candidates(s, fault);
    if (err == PT_OK)
        err = fill_matrix(s);
    s->catalog = NULL; /* goes with the basis */
    s->matrix_ms = siting_clock_ms() - s->began_ms;
    if (err == PT_OK)
        *ret = s;
    else
        siting_free(s);
    return err;
}

size_t siting_bytes(const struct siting *siting)
{
    return siting->pair_room * sizeof(*siting->covers) +
           siting->demand_room * sizeof(*siting->demands) +
           siting->weight_room * sizeof(*siting->weight) +
           siting->candidate_count *
               (sizeof(*siting->candidates) + sizeof(*siting->first)) +
           siting->mission_count * sizeof(*siting->eta_ms);
}

static bool same_demand(const struct siting *a, const struct siting *b)
{
    if (a->demand_count != b->demand_count)
        return false;
    for (size_t d = 0; d < a->demand_count; d++)
        if (a->demands[d].kind != b->demands[d].kind ||
            a->demands[d].index != b->demands[d].index ||
            a->weight[d] != b->weight[d])
            return false;
    return true;
}

bool siting_same(const struct siting *a, const struct siting *b)
{
    if (a->candidate_count != b->candidate_count ||
        a->pair_count != b->pair_count || !same_demand(a, b))
        return false;
    for (size_t c = 0; c <= a->candidate_count; c++)
        if (a->first[c] != b->first[c])
            return false;
    for (size_t i = 0; i < a->pair_count; i++)
        if (a->covers[i] != b->covers[i])
            return false;
    return true;
}

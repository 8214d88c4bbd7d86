/* What each candidate covers, and the answer. */
#include "siting.h"

#include "pt_room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNITS_OF_WEIGHT 1000.0 /* the search counts in whole ones */
/* The bound's linear relaxation takes seconds beyond. */
#define RELAXED_PAIRS_MAX 400000u
#define BEGINNINGS 40u
#define SEED 1u

struct demand {
    enum siting_kind kind;
    uint32_t index; /* mission, point or piece of street */
    struct coverage_stop stop;
};

struct candidate {
    struct coverage_unit unit; /* as it would stand by there */
    bool kept;
    size_t index;
};

struct siting {
    const struct siting_wish *wish;
    const struct catalog *catalog;
    int64_t began_ms;
    size_t demand_count, demand_room;
    struct demand *demands; /* missions, then the others */
    size_t mission_demands;
    uint64_t *weight; /* by demand */
    size_t weight_room;
    size_t candidate_count;
    struct candidate *candidates; /* kept ones first */
    size_t *first;
    uint32_t *covers;
    size_t pair_count, pair_room;
    uint32_t *eta_ms; /* of one candidate, by mission */
};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_cancelled(const struct siting_wish *wish)
{
    return wish->cancelled != NULL && atomic_load(wish->cancelled);
}

static bool is_enough(void *context)
{
    const struct siting *s = context;
    return is_cancelled(s->wish) ||
           clock_ms() - s->began_ms >= s->wish->limit_ms;
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
    uint64_t units = (uint64_t)llround(weight * UNITS_OF_WEIGHT);
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

static enum pt_err add_missions(struct siting *s, struct siting_answer *ret)
{
    const struct siting_wish *wish = s->wish;
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < catalog_mission_count(s->catalog);
         i++) {
        const struct catalog_mission *m = catalog_mission(s->catalog, i);
        if (m->zone != wish->zone && !counts_in(wish->zone, m->at))
            continue;
        struct coverage_stop stop = coverage_stop_mission(wish->basis, i);
        ret->off_road += stop.place.edge == ROADS_NONE;
        err = add_demand(s, SITING_MISSION, i, &stop, weight_of(wish, m));
    }
    s->mission_demands = s->demand_count;
    return err;
}

static enum pt_err add_others(struct siting *s, struct siting_answer *ret)
{
    const struct siting_wish *wish = s->wish;
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < wish->point_count; i++) {
        struct coverage_stop stop =
            coverage_stop_at(wish->basis, wish->points[i].at);
        ret->off_road += stop.place.edge == ROADS_NONE;
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

static enum pt_err find_candidates(struct siting *s, struct siting_answer *ret,
                                   size_t *fault)
{
    const struct siting_wish *wish = s->wish;
    struct roads_place *places = NULL;
    size_t count = 0;
    enum pt_err err = PT_OK;
    if (wish->candidate_count == 0) {
        ret->spacing_m = wish->spacing_m;
        err = siting_sample(wish->basis, wish->zone, wish->candidates_max,
                            &ret->spacing_m, &places, &count);
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

/* ----------------------------------------------------------------- the answer
 */
static void add_sum(struct siting_sum *sum, const struct siting *s, size_t d)
{
    sum->count++;
    sum->length_m += s->demands[d].stop.length_m;
    sum->weight += (double)s->weight[d] / UNITS_OF_WEIGHT;
}

static enum pt_err tell_demand(const struct siting *s,
                               const struct posts_answer *found,
                               struct siting_answer *ret)
{
    unsigned *cover = calloc(s->demand_count + 1, sizeof(*cover));
    ret->missed = calloc(s->mission_demands + 1, sizeof(*ret->missed));
    if (cover == NULL || ret->missed == NULL) {
        free(cover);
        return PT_E_NOMEM;
    }
    for (size_t p = 0; p < found->count; p++) {
        uint32_t c = found->posts[p];
        for (size_t i = s->first[c]; i < s->first[c + 1]; i++)
            cover[s->covers[i]]++;
    }
    for (size_t d = 0; d < s->demand_count; d++) {
        enum siting_kind kind = s->demands[d].kind;
        add_sum(&ret->all[kind], s, d);
        if (cover[d] >= s->wish->fold)
            add_sum(&ret->within[kind], s, d);
        else if (kind == SITING_MISSION)
            ret->missed[ret->missed_count++] = s->demands[d].index;
    }
    free(cover);
    return PT_OK;
}

static enum pt_err tell_posts(const struct siting *s,
                              const struct posts_answer *found,
                              struct siting_answer *ret)
{
    ret->posts = calloc(found->count + 1, sizeof(*ret->posts));
    if (ret->posts == NULL)
        return PT_E_NOMEM;
    for (size_t p = 0; p < found->count; p++) {
        uint32_t c = found->posts[p];
        struct siting_post *post = &ret->posts[ret->post_count++];
        *post = (struct siting_post){
            .place = s->candidates[c].unit.place,
            .kept = s->candidates[c].kept,
            .index = s->candidates[c].index,
            .adds = (double)found->adds[p] / UNITS_OF_WEIGHT,
            .holds = (double)found->holds[p] / UNITS_OF_WEIGHT,
        };
        for (size_t i = s->first[c]; i < s->first[c + 1]; i++)
            post->missions += s->covers[i] < s->mission_demands;
    }
    return PT_OK;
}

static enum pt_err search(struct siting *s, struct siting_answer *ret)
{
    const struct siting_wish *wish = s->wish;
    uint32_t kept[SITING_POSTS_MAX];
    for (size_t i = 0; i < wish->kept_count; i++)
        kept[i] = (uint32_t)i;
    const struct posts_problem problem = {
        .demand_count = s->demand_count,
        .weight = s->weight,
        .candidate_count = s->candidate_count,
        .first = s->first,
        .covers = s->covers,
        .kept_count = wish->kept_count,
        .kept = kept,
        .post_count = wish->post_count,
        .fold = wish->fold,
    };
    const struct posts_limits limits = {
        .seed = SEED,
        .beginnings = BEGINNINGS,
        .relaxed_pairs = RELAXED_PAIRS_MAX,
        .enough = is_enough,
        .context = s,
    };
    struct posts_answer found = {0};
    enum pt_err err = posts_solve(&problem, &limits, &found);
    if (err == PT_OK && is_cancelled(wish))
        err = PT_E_AGAIN;
    if (err == PT_OK)
        err = tell_posts(s, &found, ret);
    if (err == PT_OK)
        err = tell_demand(s, &found, ret);
    ret->total = (double)found.total / UNITS_OF_WEIGHT;
    ret->covered = (double)found.covered / UNITS_OF_WEIGHT;
    ret->bound = (double)found.bound / UNITS_OF_WEIGHT;
    ret->stopped = found.stopped;
    ret->nodes = found.nodes;
    posts_answer_clear(&found);
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

static void clear(struct siting *s)
{
    free(s->demands);
    free(s->weight);
    free(s->candidates);
    free(s->first);
    free(s->covers);
    free(s->eta_ms);
}

enum pt_err siting_run(const struct siting_wish *wish,
                       struct siting_answer *ret, size_t *fault)
{
    struct siting s = {
        .wish = wish,
        .catalog = coverage_basis_catalog(wish->basis),
        .began_ms = clock_ms(),
    };
    struct siting_answer answer = {0};
    if (!is_within(wish))
        return PT_E_RANGE;
    enum pt_err err = add_missions(&s, &answer);
    if (err == PT_OK)
        err = add_others(&s, &answer);
    if (err == PT_OK)
        err = find_candidates(&s, &answer, fault);
    if (err == PT_OK)
        err = fill_matrix(&s);
    answer.candidate_count = s.candidate_count;
    answer.matrix_ms = clock_ms() - s.began_ms;
    if (err == PT_OK)
        err = search(&s, &answer);
    answer.search_ms = clock_ms() - s.began_ms - answer.matrix_ms;
    clear(&s);
    if (err != PT_OK) {
        siting_clear(&answer);
        return err;
    }
    *ret = answer;
    return PT_OK;
}

void siting_clear(struct siting_answer *answer)
{
    free(answer->posts);
    free(answer->missed);
    *answer = (struct siting_answer){0};
}

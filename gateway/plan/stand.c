/* What posts have in time, by the time tables of a moment. */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

/* Of the posts in force; there are few. */
#define SEARCH_MS 2000

static void clear_all(struct stand *stands, size_t count)
{
    for (size_t i = 0; stands != NULL && i < count; i++) {
        free(stands[i].posts);
        free(stands[i].out);
    }
    free(stands);
}

void stands_clear(struct stands *stands)
{
    clear_all(stands->plan, stands->plan_count);
    clear_all(stands->force, stands->force_count);
    coverage_basis_unref(stands->basis);
    *stands = (struct stands){.basis = NULL};
}

enum pt_err stands_begin(struct stands *stands, struct coverage_basis *basis,
                         size_t plan_count, size_t force_count)
{
    stands->plan = calloc(plan_count + 1, sizeof(*stands->plan));
    stands->force = calloc(force_count + 1, sizeof(*stands->force));
    stands->plan_count = plan_count;
    stands->force_count = force_count;
    stands->basis = coverage_basis_ref(basis);
    return stands->plan == NULL || stands->force == NULL ? PT_E_NOMEM : PT_OK;
}

/* ----------------------------------------------------------- missions in time
 */
/* Adds to each mission's units in time what one at the point has. A point
 * without a road has none. */
static void add_unit(const struct coverage_basis *basis,
                     const struct history_wish *history, struct geo_point at,
                     uint32_t *eta_ms, unsigned *within)
{
    struct coverage_stop stop = coverage_stop_at(basis, at);
    size_t missions = catalog_mission_count(history->catalog);
    if (stop.place.edge == ROADS_NONE)
        return;
    const struct coverage_unit unit = {
        .place = stop.place,
        .late_ms = (uint32_t)(1000 * history->rule.turnout_s) + stop.access_ms,
        .until_ms = INT64_MAX,
    };
    coverage_reach_missions(basis, &unit, eta_ms);
    for (size_t m = 0; m < missions; m++)
        within[m] += eta_ms[m] <= coverage_stop_mission(basis, m).promise_ms;
}

/* `posts` are taken over. */
static enum pt_err tell(struct stand *stand, const struct coverage_basis *basis,
                        const struct history_wish *history,
                        const struct geo_point *points, size_t *posts,
                        size_t count)
{
    size_t missions = catalog_mission_count(history->catalog);
    uint32_t *eta_ms = calloc(missions + 1, sizeof(*eta_ms));
    unsigned *within = calloc(missions + 1, sizeof(*within));
    enum pt_err err = PT_E_NOMEM;
    stand->posts = posts;
    stand->count = count;
    stand->out = calloc(missions + 1, sizeof(*stand->out));
    if (eta_ms != NULL && within != NULL && stand->out != NULL) {
        for (size_t i = 0; i < count; i++)
            add_unit(basis, history, points[posts[i]], eta_ms, within);
        for (size_t m = 0; m < missions; m++)
            stand->out[m] = within[m] < history->coverage.level;
        stand->known = true;
        err = PT_OK;
    }
    free(eta_ms);
    free(within);
    return err;
}

enum pt_err stand_at_all(struct stand *stand, struct coverage_basis *basis,
                         const struct history_wish *history,
                         const struct geo_point *points, size_t count)
{
    size_t *posts = calloc(count + 1, sizeof(*posts));
    if (posts == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        posts[i] = i;
    return tell(stand, basis, history, points, posts, count);
}

/* ------------------------------------------------------------------- the best
 */
/* Those that have a road; `number` is what each is in the list. */
static size_t on_road(const struct coverage_basis *basis,
                      const struct geo_point *points, size_t count,
                      struct siting_point *ret, size_t *number)
{
    size_t found = 0;
    for (size_t i = 0; i < count && found < SITING_GIVEN_MAX; i++) {
        if (coverage_stop_at(basis, points[i]).place.edge == ROADS_NONE)
            continue;
        ret[found] = (struct siting_point){.at = points[i]};
        number[found++] = i;
    }
    return found;
}

static enum pt_err choose(struct coverage_basis *basis,
                          const struct history_wish *history,
                          const struct siting_point *candidates, size_t count,
                          size_t units, struct siting_answer *ret)
{
    size_t fault;
    const struct siting_wish wish = {
        .basis = basis,
        .late_ms = (uint32_t)(1000 * history->rule.turnout_s),
        .post_count = units < SITING_POSTS_MAX ? units : SITING_POSTS_MAX,
        .fold = history->coverage.level,
        .candidate_count = count,
        .candidates = candidates,
        .mission_weight = 1,
        .limit_ms = SEARCH_MS,
    };
    return units == 0 || count == 0 ? PT_OK : siting_run(&wish, ret, &fault);
}

enum pt_err stand_at_best(struct stand *stand, struct coverage_basis *basis,
                          const struct history_wish *history,
                          const struct geo_point *points, size_t count,
                          size_t units)
{
    struct siting_point *candidates = calloc(count + 1, sizeof(*candidates));
    size_t *number = calloc(count + 1, sizeof(*number));
    struct siting_answer found = {.post_count = 0};
    enum pt_err err = candidates == NULL || number == NULL ? PT_E_NOMEM : PT_OK;
    if (err == PT_OK) {
        size_t roads = on_road(basis, points, count, candidates, number);
        err = choose(basis, history, candidates, roads, units, &found);
    }
    size_t *posts =
        err == PT_OK ? calloc(found.post_count + 1, sizeof(*posts)) : NULL;
    if (err == PT_OK && posts == NULL)
        err = PT_E_NOMEM;
    for (size_t i = 0; err == PT_OK && i < found.post_count; i++)
        posts[i] = number[found.posts[i].index];
    if (err == PT_OK)
        err = tell(stand, basis, history, points, posts, found.post_count);
    siting_clear(&found);
    free(candidates);
    free(number);
    return err;
}

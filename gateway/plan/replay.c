/* The past, beside what it would have been. */
#include "plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the choices of a group, and where its posts are in the list of all. */
struct chosen {
    const struct plan_choice *choice;
    size_t first;
    struct geo_point *points;
};

struct work {
    const struct plan_replay_wish *wish;
    const struct history_wish *history;
    struct plan_replay *replay;
    int group_of[PLAN_HOURS];                 /* -1: none */
    size_t first_choice[PLAN_GROUPS_MAX + 1]; /* of a group */
    size_t chosen_count;
    struct chosen *chosen;
    size_t post_count; /* in force */
    struct geo_point *posts;
    bool *stood; /* by post of a list, of one look */
    size_t stands_max;
    struct stands stands[HISTORY_THREADS_MAX];
    uint64_t turn;
};

/* ------------------------------------------------------------------ beginning
 */
static enum pt_err list_choices(struct work *w)
{
    const struct plan *plan = w->wish->plan;
    size_t count = 0, posts = 0, most = 0;
    for (size_t g = 0; g < plan->group_count; g++)
        count += plan->groups[g].choice_count;
    w->chosen = calloc(count + 1, sizeof(*w->chosen));
    if (w->chosen == NULL)
        return PT_E_NOMEM;
    for (size_t g = 0; g < plan->group_count; g++) {
        w->first_choice[g] = w->chosen_count;
        for (size_t i = 0; i < plan->groups[g].choice_count; i++) {
            const struct plan_choice *choice = &plan->groups[g].choices[i];
            struct chosen *c = &w->chosen[w->chosen_count++];
            *c = (struct chosen){.choice = choice, .first = posts};
            c->points = calloc(choice->post_count + 1, sizeof(*c->points));
            if (c->points == NULL)
                return PT_E_NOMEM;
            for (size_t p = 0; p < choice->post_count; p++)
                c->points[p] = choice->posts[p].at;
            posts += choice->post_count;
            most = choice->post_count > most ? choice->post_count : most;
        }
    }
    w->first_choice[plan->group_count] = w->chosen_count;
    most = w->post_count > most ? w->post_count : most;
    w->stood = calloc(most + 1, sizeof(*w->stood));
    w->replay->plan_post_count = posts;
    w->replay->plan_posts = calloc(posts + 1, sizeof(*w->replay->plan_posts));
    return w->stood == NULL || w->replay->plan_posts == NULL ? PT_E_NOMEM
                                                             : PT_OK;
}

static enum pt_err list_posts(struct work *w)
{
    const struct catalog *catalog = w->history->catalog;
    w->post_count = catalog_post_count(catalog);
    w->posts = calloc(w->post_count + 1, sizeof(*w->posts));
    w->replay->post_count = w->post_count;
    w->replay->posts = calloc(w->post_count + 1, sizeof(*w->replay->posts));
    if (w->posts == NULL || w->replay->posts == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < w->post_count; i++)
        w->posts[i] = catalog_post(catalog, i)->at;
    return PT_OK;
}

static void find_groups(struct work *w)
{
    const struct plan *plan = w->wish->plan;
    for (unsigned h = 0; h < PLAN_HOURS; h++) {
        w->group_of[h] = -1;
        for (size_t g = 0; g < plan->group_count; g++)
            if (plan->groups[g].hours[h])
                w->group_of[h] = (int)g;
    }
}

static enum pt_err begin(struct work *w)
{
    size_t missions = catalog_mission_count(w->history->catalog);
    w->stands_max = w->history->threads;
    w->replay->mission_count = missions;
    w->replay->missions = calloc(missions + 1, sizeof(*w->replay->missions));
    if (w->replay->missions == NULL)
        return PT_E_NOMEM;
    find_groups(w);
    enum pt_err err = list_posts(w);
    return err == PT_OK ? list_choices(w) : err;
}

static void clear(struct work *w)
{
    for (size_t i = 0; w->chosen != NULL && i < w->chosen_count; i++)
        free(w->chosen[i].points);
    for (size_t i = 0; i < HISTORY_THREADS_MAX; i++)
        stands_clear(&w->stands[i]);
    free(w->chosen);
    free(w->posts);
    free(w->stood);
}

void plan_replay_free(struct plan_replay *replay)
{
    if (replay == NULL)
        return;
    free(replay->missions);
    free(replay->plan_posts);
    free(replay->posts);
    free(replay);
}

/* --------------------------------------------------------------------- stands
 */
/* What is known by that basis; the one that was not asked for longest gives
 * way. */
static enum pt_err stands_of(struct work *w, struct coverage_basis *basis,
                             struct stands **ret)
{
    struct stands *oldest = &w->stands[0];
    for (size_t i = 0; i < w->stands_max; i++) {
        struct stands *s = &w->stands[i];
        if (s->basis == basis) {
            s->used = ++w->turn;
            *ret = s;
            return PT_OK;
        }
        if (s->used < oldest->used)
            oldest = s;
    }
    stands_clear(oldest);
    enum pt_err err =
        stands_begin(oldest, basis, w->chosen_count, w->post_count + 1);
    oldest->used = ++w->turn;
    *ret = oldest;
    return err;
}

static enum pt_err stand_of_plan(struct work *w, struct stands *stands,
                                 size_t chosen, const struct stand **ret)
{
    struct stand *stand = &stands->plan[chosen];
    const struct chosen *c = &w->chosen[chosen];
    *ret = stand;
    return stand->known ? PT_OK
                        : stand_at_all(stand, stands->basis, w->history,
                                       c->points, c->choice->post_count);
}

static enum pt_err stand_in_force(struct work *w, struct stands *stands,
                                  size_t units, const struct stand **ret)
{
    units = units < w->post_count ? units : w->post_count;
    struct stand *stand = &stands->force[units];
    *ret = stand;
    if (stand->known)
        return PT_OK;
    return units == w->post_count
               ? stand_at_all(stand, stands->basis, w->history, w->posts, units)
               : stand_at_best(stand, stands->basis, w->history, w->posts,
                               w->post_count, units);
}

/* --------------------------------------------------------------------- a look
 */
/* Which of the manned posts a unit stands at: each unit at the nearest only. */
static void find_standing(struct work *w, const struct coverage *coverage,
                          const struct stand *stand,
                          const struct geo_point *points)
{
    for (size_t i = 0; i < stand->count; i++)
        w->stood[i] = false;
    for (size_t slot = 0; slot < coverage_slots(coverage); slot++) {
        const struct coverage_unit *unit =
            coverage_unit(coverage, (uint32_t)slot);
        size_t nearest = stand->count;
        double least_m = w->wish->near_m;
        if (unit == NULL || unit->place.edge == ROADS_NONE)
            continue;
        for (size_t i = 0; i < stand->count; i++) {
            double away_m =
                geo_distance_m(unit->place.at, points[stand->posts[i]]);
            if (away_m <= least_m) {
                least_m = away_m;
                nearest = i;
            }
        }
        if (nearest < stand->count)
            w->stood[nearest] = true;
    }
}

struct look {
    const struct history_look *at;
    struct plan_hour *hour;
    double step_s;
};

static void add_units(struct work *w, const struct look *look,
                      enum plan_side side, size_t units)
{
    w->replay->sums.unit_s[side] += look->step_s * (double)units;
    look->hour->sums.unit_s[side] += look->step_s * (double)units;
}

static void add_out(struct work *w, const struct look *look,
                    enum plan_side side, size_t mission)
{
    w->replay->missions[mission].out_s[side] += look->step_s;
    w->replay->sums.out_s[side] += look->step_s;
    look->hour->sums.out_s[side] += look->step_s;
}

/* One of the sides that were not; `told` is by post of the list. */
static void add_stand(struct work *w, const struct look *look,
                      enum plan_side side, const struct stand *stand,
                      const struct geo_point *points, struct plan_stood *told)
{
    for (size_t m = 0; m < w->replay->mission_count; m++)
        if (w->replay->missions[m].judged && stand->out[m])
            add_out(w, look, side, m);
    add_units(w, look, side, stand->count);
    find_standing(w, look->at->coverage, stand, points);
    for (size_t i = 0; i < stand->count; i++) {
        double stood_s = w->stood[i] ? look->step_s : 0;
        told[stand->posts[i]].unit_s += look->step_s;
        told[stand->posts[i]].stood_s += stood_s;
        w->replay->sums.stood_s[side] += stood_s;
        look->hour->sums.stood_s[side] += stood_s;
    }
}

static void add_real(struct work *w, const struct look *look, size_t units)
{
    unsigned level = w->history->coverage.level;
    for (size_t m = 0; m < w->replay->mission_count; m++) {
        struct coverage_mission state = coverage_mission(look->at->coverage, m);
        struct plan_mission *mission = &w->replay->missions[m];
        mission->judged = state.promise_s > 0 && !state.off_road;
        if (mission->judged && state.within < level)
            add_out(w, look, PLAN_REAL, m);
    }
    add_units(w, look, PLAN_REAL, units);
}

/* Nobody is there to stand anywhere. */
static void add_nobody(struct work *w, const struct look *look)
{
    for (size_t m = 0; m < w->replay->mission_count; m++) {
        if (!w->replay->missions[m].judged)
            continue;
        add_out(w, look, PLAN_PLAN, m);
        if (w->post_count > 0)
            add_out(w, look, PLAN_POSTS, m);
    }
}

static enum pt_err add_others(struct work *w, const struct look *look,
                              size_t chosen, size_t units)
{
    struct stands *stands;
    const struct stand *stand;
    enum pt_err err = stands_of(w, coverage_basis(look->at->coverage), &stands);
    if (err == PT_OK)
        err = stand_of_plan(w, stands, chosen, &stand);
    if (err == PT_OK)
        add_stand(w, look, PLAN_PLAN, stand, w->chosen[chosen].points,
                  w->replay->plan_posts + w->chosen[chosen].first);
    if (err != PT_OK || w->post_count == 0)
        return err;
    err = stand_in_force(w, stands, units, &stand);
    if (err == PT_OK)
        add_stand(w, look, PLAN_POSTS, stand, w->posts, w->replay->posts);
    return err;
}

/* That of as many units, or of the next smaller number; SIZE_MAX: none. */
static size_t choice_for(const struct work *w, unsigned hour, size_t units)
{
    size_t found = SIZE_MAX;
    int group = w->group_of[hour];
    if (group < 0)
        return SIZE_MAX;
    for (size_t i = w->first_choice[group]; i < w->first_choice[group + 1]; i++)
        if (w->chosen[i].choice->units <= units)
            found = i;
    return found;
}

static enum pt_err on_look(void *context, const struct history_look *at)
{
    struct work *w = context;
    struct plan_replay *replay = w->replay;
    size_t units = coverage_unit_count(at->coverage);
    size_t chosen = choice_for(w, at->hour, units);
    const struct look look = {.at = at,
                              .hour = &replay->hours[at->hour],
                              .step_s = (double)w->history->step_s};
    snprintf(replay->time_zone, sizeof(replay->time_zone), "%s", at->time_zone);
    if (w->group_of[at->hour] < 0 || (units > 0 && chosen == SIZE_MAX)) {
        replay->unplanned_looks++;
        return PT_OK;
    }
    replay->looks++;
    replay->units += units;
    look.hour->looks++;
    look.hour->units += units;
    add_real(w, &look, units);
    if (units > 0)
        return add_others(w, &look, chosen, units);
    add_nobody(w, &look);
    return PT_OK;
}

enum pt_err plan_replay(const struct plan_replay_wish *wish,
                        struct plan_replay **ret, char *message,
                        size_t message_size)
{
    struct work *w = calloc(1, sizeof(*w));
    struct plan_replay *replay = calloc(1, sizeof(*replay));
    enum pt_err err = w == NULL || replay == NULL ? PT_E_NOMEM : PT_OK;
    message[0] = '\0';
    if (err == PT_OK) {
        w->wish = wish;
        w->history = wish->history;
        w->replay = replay;
        err = begin(w);
    }
    if (err == PT_OK)
        err = history_watch(wish->history, on_look, w, message, message_size);
    if (w != NULL)
        clear(w);
    free(w);
    if (err == PT_OK)
        *ret = replay;
    else
        plan_replay_free(replay);
    return err;
}

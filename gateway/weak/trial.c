/* Units and missions while some streets are closed: those that are on them set
 * out, and are come to, from beside. */
#include "weak_internal.h"

#include "dispatch.h"

#include <math.h>
#include <stdlib.h>

struct weak_trial {
    const struct weak *weak;
    struct roads_trial *now,
        *first; /* the same one where they are one metric */
    struct roads_standing *standing;
    uint32_t *late_ms;  /* by unit */
    uint32_t *limit_ms; /* by unit: of the mission that is asked about */
    const uint32_t *closed;
    size_t closed_count;

    unsigned level; /* of what is counted */
    unsigned in_time;
    uint32_t *counted; /* by that many: slots */
};

static void stand(struct weak_trial *t, uint32_t unit,
                  const struct coverage_unit *as)
{
    roads_standing_put(t->standing, unit, &as->place);
    t->late_ms[unit] = as->late_ms;
}

enum pt_err weak_trial_new(const struct weak *weak, struct weak_trial **ret)
{
    const struct coverage_metrics *metrics =
        coverage_basis_metrics(weak->basis);
    size_t units = weak->wish.unit_count;
    struct weak_trial *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return PT_E_NOMEM;
    t->weak = weak;
    t->level = weak->settings.level;
    t->late_ms = calloc(units + 1, sizeof(*t->late_ms));
    t->limit_ms = calloc(units + 1, sizeof(*t->limit_ms));
    t->counted = calloc(t->level + 1, sizeof(*t->counted));
    enum pt_err err =
        t->late_ms == NULL || t->limit_ms == NULL || t->counted == NULL
            ? PT_E_NOMEM
            : roads_standing_new(weak->roads, units, &t->standing);
    if (err == PT_OK)
        err = roads_trial_new(metrics->now, &t->now);
    if (err == PT_OK && metrics->first != metrics->now)
        err = roads_trial_new(metrics->first, &t->first);
    if (err != PT_OK) {
        weak_trial_free(t);
        return err;
    }
    if (t->first == NULL)
        t->first = t->now;
    for (uint32_t u = 0; u < units; u++)
        stand(t, u, &weak->units[u].now);
    *ret = t;
    return PT_OK;
}

void weak_trial_free(struct weak_trial *trial)
{
    if (trial == NULL)
        return;
    if (trial->first != trial->now)
        roads_trial_free(trial->first);
    roads_trial_free(trial->now);
    roads_standing_free(trial->standing);
    free(trial->late_ms);
    free(trial->limit_ms);
    free(trial->counted);
    free(trial);
}

static bool is_closed(const struct weak_trial *t, uint32_t edge)
{
    for (size_t i = 0; i < t->closed_count; i++)
        if (t->closed[i] == edge)
            return true;
    return false;
}

/* As a unit that stands on what is closed sets out. */
static struct coverage_unit unit_then(const struct weak_trial *t,
                                      const struct weak_unit *unit)
{
    const struct weak *w = t->weak;
    struct coverage_unit then = unit->now;
    if (dispatch_join(roads_trial_metric(t->first), &unit->stood,
                      &then.place) != PT_OK)
        then.place.edge = ROADS_NONE;
    else
        then.late_ms = unit->turnout_ms +
                       (uint32_t)lround(
                           1000 * w->settings.access_s(then.place.distance_m));
    return then;
}

enum pt_err weak_trial_close(struct weak_trial *trial, const uint32_t *edges,
                             size_t count)
{
    struct weak_trial *t = trial;
    const struct weak *w = t->weak;
    for (uint32_t u = 0; u < w->wish.unit_count; u++)
        if (is_closed(t, w->units[u].now.place.edge))
            stand(t, u, &w->units[u].now);
    t->closed = edges;
    t->closed_count = count;
    enum pt_err err = roads_trial_close(t->now, edges, count);
    if (err == PT_OK && t->first != t->now)
        err = roads_trial_close(t->first, edges, count);
    for (uint32_t u = 0; u < w->wish.unit_count && err == PT_OK; u++) {
        if (!is_closed(t, w->units[u].now.place.edge))
            continue;
        struct coverage_unit then = unit_then(t, &w->units[u]);
        stand(t, u, &then);
    }
    return err;
}

enum pt_err weak_trial_meet(struct weak_trial *trial, size_t mission,
                            roads_met met, void *context)
{
    struct weak_trial *t = trial;
    const struct weak *w = t->weak;
    struct coverage_stop stop = w->stops[mission];
    if (is_closed(t, stop.place.edge))
        stop = coverage_stop_on(
            w->basis, roads_trial_metric(t->first),
            catalog_mission(coverage_basis_catalog(w->basis), mission)->at);
    if (stop.place.edge == ROADS_NONE)
        return PT_OK;
    for (size_t u = 0; u < w->wish.unit_count; u++) {
        uint64_t besides_ms = (uint64_t)t->late_ms[u] + stop.access_ms;
        t->limit_ms[u] =
            besides_ms > stop.promise_ms
                ? ROADS_NONE
                : coverage_longest_drive_ms(w->basis, stop.promise_ms -
                                                          (uint32_t)besides_ms);
    }
    return roads_trial_reach(t->now, t->standing, &stop.place, t->limit_ms, met,
                             context);
}

void weak_trial_way(const struct weak_trial *trial, uint32_t directed,
                    bool ahead, void (*each)(void *context, uint32_t edge),
                    void *context)
{
    roads_trial_way(trial->now, directed, ahead, each, context);
}

/* One may be met in either direction; it counts once. */
static bool count_unit(void *context, uint32_t slot, uint32_t directed,
                       bool ahead)
{
    struct weak_trial *t = context;
    (void)directed;
    (void)ahead;
    for (unsigned i = 0; i < t->in_time; i++)
        if (t->counted[i] == slot)
            return true;
    t->counted[t->in_time++] = slot;
    return t->in_time < t->level;
}

enum pt_err weak_trial_uncovers(struct weak_trial *trial, size_t mission,
                                bool *ret)
{
    trial->in_time = 0;
    enum pt_err err = weak_trial_meet(trial, mission, count_unit, trial);
    if (err == PT_OK)
        *ret = trial->in_time < trial->level;
    return err;
}

#include "whatif.h"

#include "dispatch.h"
#include "speeds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct whatif {
    struct whatif_wish wish;
    struct coverage_settings settings; /* of what would be */
    struct whatif_unit *units;
    struct coverage_basis *live; /* counted, as all that follows */
    struct closures *closures;
    struct roads *roads;
    struct roads_metric *metrics[ROADS_PROFILES_MAX]; /* NULL: its own */
    struct roads_metric *learned[ROADS_PROFILES_MAX];
    bool hour_learned;

    struct closures_found found[WHATIF_CLOSURES_MAX];
    size_t found_count;
    struct whatif_fault fault;
    char message[256];

    int64_t began_ms;
    struct coverage_basis *basis;
    struct coverage *before, *after;
};

/* -------------------------------------------------------------- start and end
 */
static void hold(struct roads_metric *const *metrics, size_t count,
                 struct roads_metric *ret[ROADS_PROFILES_MAX])
{
    for (size_t i = 0; i < count && i < ROADS_PROFILES_MAX; i++)
        ret[i] = metrics[i] == NULL ? NULL : roads_metric_ref(metrics[i]);
}

static void let_go(struct roads_metric *metrics[ROADS_PROFILES_MAX])
{
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++) {
        roads_metric_unref(metrics[i]);
        metrics[i] = NULL;
    }
}

enum pt_err whatif_new(const struct whatif_wish *wish, struct whatif **ret)
{
    if (wish->more_closure_count > WHATIF_CLOSURES_MAX)
        return PT_E_RANGE;
    struct whatif *w = calloc(1, sizeof(*w));
    struct whatif_unit *units = calloc(wish->unit_count + 1, sizeof(*units));
    if (w == NULL || units == NULL) {
        free(w);
        free(units);
        return PT_E_NOMEM;
    }
    if (wish->unit_count > 0)
        memcpy(units, wish->units, wish->unit_count * sizeof(*units));
    w->wish = *wish;
    w->units = units;
    w->settings = *wish->settings;
    w->settings.promises = wish->promises;
    w->settings.promise_count = wish->promise_count;
    w->settings.every_promise_s = wish->every_promise_s;
    w->live = coverage_basis_ref(wish->basis);
    w->roads = roads_ref((struct roads *)roads_metric_roads(
        coverage_basis_metrics(wish->basis)->now));
    if (wish->closures != NULL)
        w->closures = closures_ref(wish->closures);
    hold(wish->metrics, wish->profile_count, w->metrics);
    hold(wish->learned, wish->profile_count, w->learned);
    *ret = w;
    return PT_OK;
}

void whatif_free(struct whatif *whatif)
{
    struct whatif *w = whatif;
    if (w == NULL)
        return;
    coverage_free(w->before);
    coverage_free(w->after);
    coverage_basis_unref(w->basis);
    coverage_basis_unref(w->live);
    for (size_t i = 0; i < WHATIF_CLOSURES_MAX; i++)
        closures_found_clear(&w->found[i]);
    let_go(w->metrics);
    let_go(w->learned);
    closures_unref(w->closures);
    roads_unref(w->roads);
    free(w->units);
    free(w);
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum pt_err in_time(const struct whatif *w)
{
    if (w->wish.stop != NULL && atomic_load(w->wish.stop))
        return PT_E_AGAIN;
    return clock_ms() - w->began_ms < w->wish.limit_ms ? PT_OK : PT_E_AGAIN;
}

/* -------------------------------------------------------------------- streets
 */
static enum pt_err find_streets(struct whatif *w)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < w->wish.more_closure_count && err == PT_OK; i++) {
        const struct whatif_closure *closure = &w->wish.more_closures[i];
        struct closures_found *found = &w->found[i];
        w->fault = (struct whatif_fault){true, false, i, found};
        err = in_time(w);
        if (err == PT_OK)
            err = closures_find(w->roads, &closure->where, found);
        if (err == PT_OK && !found->has_direction &&
            closure->direction != CLOSURES_BOTH) {
            w->fault.direction = true;
            err = PT_E_MALFORMED;
        }
    }
    if (err == PT_OK || err == PT_E_AGAIN)
        w->fault = (struct whatif_fault){.at_closure = false};
    return err;
}

/* Those in force, and those that would be. */
static enum pt_err all_closures(const struct whatif *w, struct closures **ret)
{
    struct closure items[WHATIF_CLOSURES_MAX];
    size_t count = w->wish.more_closure_count;
    for (size_t i = 0; i < count; i++) {
        const struct whatif_closure *wish = &w->wish.more_closures[i];
        items[i] = (struct closure){
            .closure_id = UINT32_MAX - (uint32_t)i,
            .closed = wish->closed,
            .factor = wish->factor,
            .speed_mps = wish->speed_mps,
            .direction = wish->direction,
            .until_ms = INT64_MAX,
            .street = (char *)(uintptr_t)w->found[i].street,
            .piece_count = w->found[i].piece_count,
            .pieces = w->found[i].pieces,
        };
    }
    return w->closures == NULL ? closures_new(items, count, ret)
                               : closures_with(w->closures, items, count, ret);
}

/* What was learned for the other hour takes the place of what was for this
 * one. */
static enum pt_err take_hour(struct whatif *w)
{
    struct speeds *speeds = NULL;
    size_t count = 0;
    enum pt_err err =
        speeds_load_hour(w->wish.conninfo, w->roads, (unsigned)w->wish.hour,
                         &speeds, w->message, sizeof(w->message));
    if (err != PT_OK && err != PT_E_NOTFOUND)
        return err == PT_E_AGAIN ? PT_E_DB : err;
    let_go(w->learned);
    w->hour_learned = err == PT_OK;
    if (w->hour_learned) {
        struct roads_metric *const *metrics = speeds_metrics(speeds, &count);
        hold(metrics, count, w->learned);
    }
    speeds_free(speeds);
    return PT_OK;
}

static enum pt_err close_streets(struct whatif *w)
{
    struct closures *closures = NULL;
    struct closures_view *view = NULL;
    size_t count = 0;
    enum pt_err err = all_closures(w, &closures);
    if (err == PT_OK)
        err = closures_view_new(closures, w->roads, w->learned,
                                ROADS_PROFILES_MAX, w->wish.now_ms, &view);
    if (err == PT_OK) {
        struct roads_metric *const *metrics =
            closures_view_metrics(view, &count);
        let_go(w->metrics);
        hold(w->learned, ROADS_PROFILES_MAX, w->metrics);
        for (size_t i = 0; i < count; i++) {
            if (metrics[i] == NULL)
                continue;
            roads_metric_unref(w->metrics[i]);
            w->metrics[i] = roads_metric_ref(metrics[i]);
        }
    }
    closures_view_free(view);
    closures_unref(closures);
    return err;
}

/* ---------------------------------------------------------------------- basis
 */
/* NULL: the network has no such profile. */
static const struct roads_metric *metric_of(const struct whatif *w,
                                            const char *profile)
{
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(w->roads, i)) != NULL; i++) {
        if (profile == NULL || strcmp(profile, name) == 0)
            return w->metrics[i] != NULL ? w->metrics[i]
                                         : roads_profile(w->roads, name);
    }
    return NULL;
}

/* The profile by which coverage is told now. */
static const char *profile_now(const struct whatif *w)
{
    const struct roads_metric *open = coverage_basis_metrics(w->live)->open;
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(w->roads, i)) != NULL; i++)
        if (roads_profile(w->roads, name) == open)
            return name;
    return NULL;
}

static bool keeps_promises(const struct whatif *w)
{
    return w->wish.promise_count == 0 && w->wish.every_promise_s == 0;
}

static enum pt_err new_basis(struct whatif *w,
                             const struct coverage_metrics *metrics,
                             bool same_times)
{
    struct catalog *catalog =
        (struct catalog *)(uintptr_t)coverage_basis_catalog(w->live);
    enum pt_err err =
        coverage_basis_new(&w->settings, catalog, metrics, &w->basis);
    if (err == PT_OK && same_times)
        err = coverage_basis_share(w->basis, w->live);
    return err == PT_OK ? coverage_basis_fill(w->basis) : err;
}

static enum pt_err make_basis(struct whatif *w)
{
    const char *profile =
        w->wish.profile != NULL ? w->wish.profile : profile_now(w);
    bool same_times = w->wish.more_closure_count == 0 &&
                      w->wish.hour == WHATIF_NOW &&
                      roads_profile(w->roads, profile) ==
                          coverage_basis_metrics(w->live)->open;
    if (same_times && keeps_promises(w)) {
        w->basis = coverage_basis_ref(w->live);
        return PT_OK;
    }
    if (same_times)
        return new_basis(w, coverage_basis_metrics(w->live), true);
    const struct coverage_metrics metrics = {
        .now = metric_of(w, profile),
        .open = roads_profile(w->roads, profile),
        .first = metric_of(w, NULL),
    };
    if (metrics.now == NULL)
        return PT_E_NOTFOUND;
    return new_basis(w, &metrics, false);
}

/* ---------------------------------------------------------------------- cover
 */
/* Where it would set out from, and when; edge ROADS_NONE: it would not. */
static struct coverage_unit unit_then(const struct whatif *w,
                                      const struct whatif_unit *unit)
{
    const struct roads_metric *first = coverage_basis_metrics(w->basis)->first;
    struct coverage_unit then = {.place = {.edge = ROADS_NONE},
                                 .until_ms = unit->until_ms};
    enum pt_err err = PT_E_OFFROAD;
    if (!unit->counts)
        return then;
    if (unit->placed)
        err = roads_snap_open(first, unit->at, w->settings.reach_m, NULL,
                              &then.place);
    else if (unit->stood.edge != ROADS_NONE)
        err = dispatch_join(first, &unit->stood, &then.place);
    if (err != PT_OK)
        then.place.edge = ROADS_NONE;
    else
        then.late_ms = unit->turnout_ms +
                       (uint32_t)lround(
                           1000 * w->settings.access_s(then.place.distance_m));
    return then;
}

static enum pt_err put_units(const struct whatif *w, bool then,
                             struct coverage *coverage)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < w->wish.unit_count && err == PT_OK; i++) {
        struct coverage_unit unit =
            then ? unit_then(w, &w->units[i]) : w->units[i].now;
        err = coverage_put(coverage, (uint32_t)i, &unit, w->wish.now_ms);
    }
    return err;
}

static enum pt_err cover(struct whatif *w, bool then, struct coverage **ret)
{
    struct coverage_streets *streets = NULL;
    size_t room = w->wish.unit_count > 0 ? w->wish.unit_count : 1;
    enum pt_err err = in_time(w);
    if (err == PT_OK)
        err = coverage_new(&w->settings, room, ret);
    if (err == PT_OK)
        err =
            coverage_set_basis(*ret, then ? w->basis : w->live, w->wish.now_ms);
    if (err == PT_OK)
        err = put_units(w, then, *ret);
    if (err == PT_OK)
        err = coverage_streets_begin(*ret, w->wish.now_ms, &streets);
    if (err == PT_OK) {
        err = coverage_streets_run(streets);
        coverage_streets_end(*ret, streets, err);
    }
    return err;
}

enum pt_err whatif_run(struct whatif *whatif)
{
    struct whatif *w = whatif;
    w->began_ms = clock_ms();
    enum pt_err err = find_streets(w);
    if (err == PT_OK && w->wish.hour != WHATIF_NOW)
        err = take_hour(w);
    if (err == PT_OK)
        err = in_time(w);
    if (err == PT_OK &&
        (w->wish.more_closure_count > 0 || w->wish.hour != WHATIF_NOW))
        err = close_streets(w);
    if (err == PT_OK)
        err = in_time(w);
    if (err == PT_OK)
        err = make_basis(w);
    if (err == PT_OK)
        err = cover(w, false, &w->before);
    if (err == PT_OK)
        err = cover(w, true, &w->after);
    return err;
}

/* -------------------------------------------------------------- what it tells
 */
struct whatif_fault whatif_fault(const struct whatif *whatif)
{
    return whatif->fault;
}

const char *whatif_message(const struct whatif *whatif)
{
    return whatif->message;
}

const struct coverage *whatif_before(const struct whatif *whatif)
{
    return whatif->before;
}

const struct coverage *whatif_after(const struct whatif *whatif)
{
    return whatif->after;
}

const struct closures_found *whatif_closure(const struct whatif *whatif,
                                            size_t index)
{
    return &whatif->found[index];
}

bool whatif_hour_learned(const struct whatif *whatif)
{
    return whatif->hour_learned;
}

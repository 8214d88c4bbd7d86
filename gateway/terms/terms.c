#include "terms.h"

#include "speeds.h"

#include <stdlib.h>
#include <string.h>

struct terms {
    struct coverage_basis *live; /* counted, as all that follows */
    struct closures *closures;
    struct roads *roads;
    struct roads_metric *metrics[ROADS_PROFILES_MAX]; /* NULL: its own */
    struct roads_metric *learned[ROADS_PROFILES_MAX];
    const char *conninfo;
};

/* What one basis is made of. */
struct making {
    const struct terms *terms;
    const struct terms_wish *wish;
    struct roads_metric *metrics[ROADS_PROFILES_MAX]; /* counted */
    struct roads_metric *learned[ROADS_PROFILES_MAX];
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

enum pt_err terms_new(const struct terms_now *now, struct terms **ret)
{
    struct terms *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return PT_E_NOMEM;
    t->live = coverage_basis_ref(now->basis);
    t->roads = roads_ref((struct roads *)roads_metric_roads(
        coverage_basis_metrics(now->basis)->now));
    if (now->closures != NULL)
        t->closures = closures_ref(now->closures);
    hold(now->metrics, now->profile_count, t->metrics);
    hold(now->learned, now->profile_count, t->learned);
    t->conninfo = now->conninfo;
    *ret = t;
    return PT_OK;
}

void terms_free(struct terms *terms)
{
    if (terms == NULL)
        return;
    coverage_basis_unref(terms->live);
    let_go(terms->metrics);
    let_go(terms->learned);
    closures_unref(terms->closures);
    roads_unref(terms->roads);
    free(terms);
}

struct roads *terms_roads(const struct terms *terms)
{
    return terms->roads;
}

struct coverage_basis *terms_live(const struct terms *terms)
{
    return terms->live;
}

/* -------------------------------------------------------------------- metrics
 */
/* The profile by which coverage is told now. */
static const char *profile_now(const struct terms *t)
{
    const struct roads_metric *open = coverage_basis_metrics(t->live)->open;
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(t->roads, i)) != NULL; i++)
        if (roads_profile(t->roads, name) == open)
            return name;
    return NULL;
}

bool terms_knows(const struct terms *terms, const char *profile)
{
    const char *name;
    if (profile == NULL)
        return true;
    for (size_t i = 0; (name = roads_profile_name(terms->roads, i)) != NULL;
         i++)
        if (strcmp(profile, name) == 0)
            return true;
    return false;
}

/* NULL: the network has no such profile. */
static const struct roads_metric *metric_of(const struct making *m,
                                            const char *profile)
{
    struct roads *roads = m->terms->roads;
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(roads, i)) != NULL; i++) {
        if (profile == NULL || strcmp(profile, name) == 0)
            return m->metrics[i] != NULL ? m->metrics[i]
                                         : roads_profile(roads, name);
    }
    return NULL;
}

/* What was learned for the other hour takes the place of what was for this
 * one. */
static enum pt_err take_hour(struct making *m, bool *hour_learned,
                             char *message, size_t message_size)
{
    struct speeds *speeds = NULL;
    size_t count = 0;
    enum pt_err err = PT_E_NOTFOUND;
    if (m->terms->conninfo != NULL)
        err = speeds_load_hour(m->terms->conninfo, m->terms->roads,
                               (unsigned)m->wish->hour, &speeds, message,
                               message_size);
    if (err != PT_OK && err != PT_E_NOTFOUND)
        return err == PT_E_AGAIN ? PT_E_DB : err;
    let_go(m->learned);
    *hour_learned = err == PT_OK;
    if (err == PT_OK) {
        struct roads_metric *const *metrics = speeds_metrics(speeds, &count);
        hold(metrics, count, m->learned);
    }
    speeds_free(speeds);
    return PT_OK;
}

/* Those in force, unless they are open, and those besides. */
static enum pt_err all_closures(const struct making *m, struct closures **ret)
{
    const struct terms_wish *wish = m->wish;
    if (m->terms->closures == NULL || wish->open)
        return closures_new(wish->more, wish->more_count, ret);
    return closures_with(m->terms->closures, wish->more, wish->more_count, ret);
}

static enum pt_err close_streets(struct making *m)
{
    struct closures *closures = NULL;
    struct closures_view *view = NULL;
    size_t count = 0;
    enum pt_err err = all_closures(m, &closures);
    if (err == PT_OK)
        err = closures_view_new(closures, m->terms->roads, m->learned,
                                ROADS_PROFILES_MAX, m->wish->now_ms, &view);
    if (err == PT_OK) {
        struct roads_metric *const *metrics =
            closures_view_metrics(view, &count);
        let_go(m->metrics);
        hold(m->learned, ROADS_PROFILES_MAX, m->metrics);
        for (size_t i = 0; i < count; i++) {
            if (metrics[i] == NULL)
                continue;
            roads_metric_unref(m->metrics[i]);
            m->metrics[i] = roads_metric_ref(metrics[i]);
        }
    }
    closures_view_free(view);
    closures_unref(closures);
    return err;
}

/* ---------------------------------------------------------------------- basis
 */
static enum pt_err new_basis(const struct making *m,
                             const struct coverage_metrics *metrics,
                             bool same_times, struct coverage_basis **ret)
{
    struct coverage_basis *live = m->terms->live, *basis;
    struct catalog *catalog =
        (struct catalog *)(uintptr_t)coverage_basis_catalog(live);
    enum pt_err err =
        coverage_basis_new(m->wish->settings, catalog, metrics, &basis);
    if (err != PT_OK)
        return err;
    if (same_times)
        err = coverage_basis_share(basis, live);
    if (err == PT_OK)
        err = coverage_basis_fill(basis);
    if (err == PT_OK)
        *ret = basis;
    else
        coverage_basis_unref(basis);
    return err;
}

static bool keeps_streets(const struct making *m)
{
    const struct terms_wish *wish = m->wish;
    return wish->more_count == 0 && wish->hour == TERMS_NOW &&
           (!wish->open || m->terms->closures == NULL);
}

static enum pt_err make(struct making *m, struct coverage_basis **ret)
{
    const struct terms *t = m->terms;
    const struct coverage_settings *settings = m->wish->settings;
    const char *profile =
        m->wish->profile != NULL ? m->wish->profile : profile_now(t);
    bool same_times =
        keeps_streets(m) && roads_profile(t->roads, profile) ==
                                coverage_basis_metrics(t->live)->open;
    if (same_times && settings->promise_count == 0 &&
        settings->every_promise_s == 0) {
        *ret = coverage_basis_ref(t->live);
        return PT_OK;
    }
    if (same_times)
        return new_basis(m, coverage_basis_metrics(t->live), true, ret);
    const struct coverage_metrics metrics = {
        .now = metric_of(m, profile),
        .open = roads_profile(t->roads, profile),
        .first = metric_of(m, NULL),
    };
    if (metrics.now == NULL)
        return PT_E_NOTFOUND;
    return new_basis(m, &metrics, false, ret);
}

static enum pt_err look(const struct making *m)
{
    const struct terms_wish *wish = m->wish;
    return wish->go_on == NULL || wish->go_on(wish->context) ? PT_OK
                                                             : PT_E_AGAIN;
}

enum pt_err terms_basis(const struct terms *terms,
                        const struct terms_wish *wish,
                        struct coverage_basis **ret, bool *hour_learned,
                        char *message, size_t message_size)
{
    struct making m = {.terms = terms, .wish = wish};
    enum pt_err err = PT_OK;
    *hour_learned = false;
    hold(terms->metrics, ROADS_PROFILES_MAX, m.metrics);
    hold(terms->learned, ROADS_PROFILES_MAX, m.learned);
    if (wish->hour != TERMS_NOW)
        err = take_hour(&m, hour_learned, message, message_size);
    if (err == PT_OK)
        err = look(&m);
    if (err == PT_OK && !keeps_streets(&m))
        err = close_streets(&m);
    if (err == PT_OK)
        err = look(&m);
    if (err == PT_OK)
        err = make(&m, ret);
    let_go(m.metrics);
    let_go(m.learned);
    return err;
}

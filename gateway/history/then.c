/* By what cover was judged then: the times of an hour of the week, where any
 * were learned, and the streets that were closed or slowed. One thread's slice
 * needs one after the other, several threads' slices often the same: what was
 * made last is kept for whoever asks next. */
#include "history_internal.h"

#include "closures.h"
#include "speeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define NOT_LEARNED LEARN_HOURS
/* That nobody uses any more; a city's has 30 MB, with 100 missions. */
#define KEPT_MAX 4u
/* So many are in use and kept, at most. */
#define TERMS_MAX (HISTORY_THREADS_MAX + KEPT_MAX)

struct then {
    const struct history_wish *wish;
    struct coverage_basis *fixed; /* all is judged by it; NULL: by what was */
    struct closures *closures;
    bool learned;
    struct hours hours; /* of the learned times */
    char *made_of;
    uv_mutex_t lock; /* of what follows */
    uv_cond_t made;
    bool locked; /* there are the two */
    struct then_terms *terms[TERMS_MAX];
    uint64_t uses; /* counts up */
};

/* Streets closed and times learned, and what cover is judged by with them. */
struct then_terms {
    struct then *then;
    unsigned hour; /* of the week; NOT_LEARNED */
    int64_t at_ms; /* closures are those of then */
    unsigned users;
    uint64_t used; /* last */
    bool made;
    enum pt_err err;
    char message[200];
    struct speeds *speeds; /* NULL: nothing was learned */
    struct closures_view *view;
    struct coverage_basis *basis;
};

/* -------------------------------------------------------------- start and end
 */
static void free_terms(struct then_terms *terms)
{
    if (terms == NULL)
        return;
    coverage_basis_unref(terms->basis);
    closures_view_free(terms->view);
    speeds_free(terms->speeds);
    free(terms);
}

void then_free(struct then *then)
{
    if (then == NULL)
        return;
    for (size_t i = 0; i < TERMS_MAX; i++)
        free_terms(then->terms[i]);
    if (then->locked) {
        uv_cond_destroy(&then->made);
        uv_mutex_destroy(&then->lock);
    }
    coverage_basis_unref(then->fixed);
    closures_unref(then->closures);
    hours_clear(&then->hours);
    free(then->made_of);
    free(then);
}

/* One row a profile that cover is judged by and that was learned. The clock is
 * the one by which speeds_load() tells the hour. */
static enum pt_err read_learned(const struct asking *asking, struct then *then)
{
    const struct history_wish *wish = then->wish;
    const char *const params[] = {wish->profile != NULL
                                      ? wish->profile
                                      : roads_profile_name(wish->roads, 0),
                                  roads_profile_name(wish->roads, 0)};
    PGresult *rows = asking_query(
        asking,
        "SELECT string_agg(profile || ' ' || learned_at, ', ' ORDER BY"
        " profile), coalesce((SELECT time_zone FROM patrol.zone z"
        " JOIN pg_timezone_names n ON n.name = z.time_zone"
        " GROUP BY time_zone ORDER BY count(*) DESC, time_zone LIMIT 1),"
        " 'UTC') FROM patrol.learned_profile WHERE profile IN ($1, $2)",
        2, params, false);
    if (rows == NULL)
        return PT_E_DB;
    enum pt_err err = PT_OK;
    then->learned = !PQgetisnull(rows, 0, 0);
    if (then->learned &&
        asprintf(&then->made_of, "learned %s\n", PQgetvalue(rows, 0, 0)) < 0) {
        then->made_of = NULL;
        err = PT_E_NOMEM;
    }
    if (err == PT_OK && then->learned)
        err = hours_of_zone(asking, PQgetvalue(rows, 0, 1), wish->from_ms,
                            wish->to_ms, &then->hours);
    PQclear(rows);
    return err;
}

/* What is closed does not change but in when. */
static enum pt_err name_closures(struct then *then)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return PT_E_NOMEM;
    if (then->made_of != NULL)
        fputs(then->made_of, out);
    for (size_t i = 0; i < closures_count(then->closures); i++) {
        const struct closure *c = closures_at(then->closures, i);
        fprintf(out, "c%" PRIu32 " %" PRId64 " %" PRId64 "\n", c->closure_id,
                c->from_ms, c->until_ms);
    }
    if (fclose(out) != 0) {
        free(text);
        return PT_E_NOMEM;
    }
    free(then->made_of);
    then->made_of = text;
    return PT_OK;
}

enum pt_err then_new(const struct asking *asking,
                     const struct history_wish *wish, struct then **ret)
{
    struct then *then = calloc(1, sizeof(*then));
    enum pt_err err = PT_OK;
    if (then == NULL)
        return PT_E_NOMEM;
    then->wish = wish;
    if (uv_mutex_init(&then->lock) != 0) {
        err = PT_E_NOMEM;
    } else if (uv_cond_init(&then->made) != 0) {
        uv_mutex_destroy(&then->lock);
        err = PT_E_NOMEM;
    }
    then->locked = err == PT_OK;
    if (err == PT_OK && wish->basis != NULL) {
        then->fixed = coverage_basis_ref(wish->basis);
        err = closures_new(NULL, 0, &then->closures);
    } else if (err == PT_OK) {
        err = read_learned(asking, then);
        if (err == PT_OK)
            err = closures_load_past(
                wish->conninfo, wish->from_ms, wish->to_ms + 1,
                wish->clock == HISTORY_BY_RECEIVED, &then->closures,
                asking->message, asking->message_size);
    }
    if (err == PT_OK)
        err = name_closures(then);
    if (err == PT_OK)
        *ret = then;
    else
        then_free(then);
    return err;
}

const char *then_made_of(const struct then *then)
{
    return then->made_of;
}

/* ---------------------------------------------------------------- what it was
 */
static bool in_force(const struct closure *closure, int64_t at_ms)
{
    return closure->from_ms <= at_ms && at_ms < closure->until_ms;
}

static bool same_closures(const struct then *then, int64_t a_ms, int64_t b_ms)
{
    for (size_t i = 0; i < closures_count(then->closures); i++) {
        const struct closure *c = closures_at(then->closures, i);
        if (in_force(c, a_ms) != in_force(c, b_ms))
            return false;
    }
    return true;
}

static int64_t next_change_ms(const struct then *then, int64_t at_ms,
                              int64_t next_ms)
{
    for (size_t i = 0; i < closures_count(then->closures); i++) {
        const struct closure *c = closures_at(then->closures, i);
        if (c->from_ms > at_ms && c->from_ms < next_ms)
            next_ms = c->from_ms;
        if (c->until_ms > at_ms && c->until_ms < next_ms)
            next_ms = c->until_ms;
    }
    return next_ms;
}

static const struct roads_metric *metric_of(const struct then_terms *terms,
                                            const char *profile)
{
    const struct roads *roads = terms->then->wish->roads;
    const char *name;
    for (size_t i = 0; (name = roads_profile_name(roads, i)) != NULL; i++) {
        if (profile != NULL && strcmp(profile, name) != 0)
            continue;
        size_t count;
        struct roads_metric *const *closed = then_closed(terms, &count);
        if (i < count && closed[i] != NULL)
            return closed[i];
        struct roads_metric *const *learned = then_learned(terms, &count);
        return i < count && learned[i] != NULL ? learned[i]
                                               : roads_profile(roads, name);
    }
    return NULL;
}

static enum pt_err make_basis(struct then_terms *terms)
{
    const struct history_wish *wish = terms->then->wish;
    const struct coverage_metrics metrics = {
        .now = metric_of(terms, wish->profile),
        .open = roads_profile(wish->roads, wish->profile),
        .first = metric_of(terms, NULL)};
    if (metrics.now == NULL)
        return PT_E_RANGE;
    enum pt_err err = coverage_basis_new(&wish->coverage, wish->catalog,
                                         &metrics, &terms->basis);
    return err == PT_OK ? coverage_basis_fill(terms->basis) : err;
}

static enum pt_err make(struct then_terms *terms)
{
    const struct history_wish *wish = terms->then->wish;
    size_t count;
    enum pt_err err = PT_OK;
    if (terms->hour != NOT_LEARNED)
        err = speeds_load_hour(wish->conninfo, wish->roads, terms->hour,
                               &terms->speeds, terms->message,
                               sizeof(terms->message));
    if (err == PT_E_NOTFOUND) /* has gone since the beginning */
        err = PT_OK;
    if (err == PT_OK) {
        struct roads_metric *const *learned = then_learned(terms, &count);
        err = closures_view_new(terms->then->closures, wish->roads, learned,
                                count, terms->at_ms, &terms->view);
    }
    return err == PT_OK ? make_basis(terms) : err;
}

/* The lock is held, here and below. */
static struct then_terms *find(struct then *then, unsigned hour, int64_t at_ms)
{
    for (size_t i = 0; i < TERMS_MAX; i++) {
        struct then_terms *terms = then->terms[i];
        if (terms != NULL && terms->hour == hour &&
            same_closures(then, terms->at_ms, at_ms) &&
            (!terms->made || terms->err == PT_OK))
            return terms;
    }
    return NULL;
}

/* A place for one: an empty one, else that of what nobody has used for the
 * longest time. Every thread uses one at a time, so there is one. */
static struct then_terms **find_place(struct then *then)
{
    struct then_terms **oldest = NULL;
    size_t idle = 0;
    for (size_t i = 0; i < TERMS_MAX; i++) {
        struct then_terms *terms = then->terms[i];
        if (terms == NULL || terms->users > 0)
            continue;
        idle++;
        if (oldest == NULL || terms->used < (*oldest)->used)
            oldest = &then->terms[i];
    }
    if (idle >= KEPT_MAX) {
        free_terms(*oldest);
        *oldest = NULL;
        return oldest;
    }
    for (size_t i = 0; i < TERMS_MAX; i++)
        if (then->terms[i] == NULL)
            return &then->terms[i];
    return NULL;
}

static struct then_terms *add(struct then *then, unsigned hour, int64_t at_ms)
{
    struct then_terms **place = find_place(then);
    struct then_terms *terms = place == NULL ? NULL : calloc(1, sizeof(*terms));
    if (terms == NULL)
        return NULL;
    *terms = (struct then_terms){.then = then, .hour = hour, .at_ms = at_ms};
    *place = terms;
    return terms;
}

enum pt_err then_at(struct then *then, int64_t at_ms, struct then_terms **ret,
                    int64_t *until_ms, char *message, size_t message_size)
{
    unsigned hour = NOT_LEARNED;
    int64_t end_ms = INT64_MAX;
    if (then->learned)
        hour = hours_at(&then->hours, 0, at_ms, &end_ms);
    *until_ms = next_change_ms(then, at_ms, end_ms);
    uv_mutex_lock(&then->lock);
    struct then_terms *terms = find(then, hour, at_ms);
    bool mine = terms == NULL;
    if (mine)
        terms = add(then, hour, at_ms);
    if (terms == NULL) {
        uv_mutex_unlock(&then->lock);
        return PT_E_NOMEM;
    }
    terms->users++;
    terms->used = ++then->uses;
    if (mine) {
        uv_mutex_unlock(&then->lock);
        enum pt_err err = then->fixed == NULL ? make(terms) : PT_OK;
        uv_mutex_lock(&then->lock);
        terms->err = err;
        terms->made = true;
        uv_cond_broadcast(&then->made);
    }
    while (!terms->made)
        uv_cond_wait(&then->made, &then->lock);
    enum pt_err err = terms->err;
    if (err != PT_OK)
        snprintf(message, message_size, "%s", terms->message);
    uv_mutex_unlock(&then->lock);
    if (err == PT_OK)
        *ret = terms;
    else
        then_let_go(terms);
    return err;
}

void then_let_go(struct then_terms *terms)
{
    if (terms == NULL)
        return;
    struct then *then = terms->then;
    uv_mutex_lock(&then->lock);
    terms->users--;
    uv_mutex_unlock(&then->lock);
}

struct coverage_basis *then_basis(const struct then_terms *terms)
{
    return terms->then->fixed != NULL ? terms->then->fixed : terms->basis;
}

struct roads_metric *const *then_learned(const struct then_terms *terms,
                                         size_t *count)
{
    *count = 0;
    return terms->speeds == NULL ? NULL : speeds_metrics(terms->speeds, count);
}

struct roads_metric *const *then_closed(const struct then_terms *terms,
                                        size_t *count)
{
    *count = 0;
    return terms->view == NULL ? NULL
                               : closures_view_metrics(terms->view, count);
}

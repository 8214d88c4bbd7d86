#include "whatif.h"

#include "dispatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct whatif {
    struct whatif_wish wish;
    struct coverage_settings settings; /* of what would be */
    struct whatif_unit *units;
    struct terms *terms;
    bool hour_learned;

    struct closures_found found[WHATIF_CLOSURES_MAX];
    size_t found_count;
    struct whatif_fault fault;
    char message[256];

    int64_t began_ms;
    struct coverage_basis *basis; /* counted */
    struct coverage *before, *after;
};

/* -------------------------------------------------------------- start and end
 */
enum pt_err whatif_new(const struct whatif_wish *wish, struct whatif **ret)
{
    if (wish->more_closure_count > WHATIF_CLOSURES_MAX)
        return PT_E_RANGE;
    struct whatif *w = calloc(1, sizeof(*w));
    struct whatif_unit *units = calloc(wish->unit_count + 1, sizeof(*units));
    enum pt_err err = w == NULL || units == NULL
                          ? PT_E_NOMEM
                          : terms_new(&wish->in_force, &w->terms);
    if (err != PT_OK) {
        free(w);
        free(units);
        return err;
    }
    if (wish->unit_count > 0)
        memcpy(units, wish->units, wish->unit_count * sizeof(*units));
    w->wish = *wish;
    w->units = units;
    w->settings = *wish->settings;
    w->settings.promises = wish->promises;
    w->settings.promise_count = wish->promise_count;
    w->settings.every_promise_s = wish->every_promise_s;
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
    for (size_t i = 0; i < WHATIF_CLOSURES_MAX; i++)
        closures_found_clear(&w->found[i]);
    terms_free(w->terms);
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
            err = closures_find(terms_roads(w->terms), &closure->where, found);
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

static bool go_on(void *context)
{
    return in_time(context) == PT_OK;
}

static enum pt_err make_basis(struct whatif *w)
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
    const struct terms_wish wish = {
        .now_ms = w->wish.now_ms,
        .settings = &w->settings,
        .more = items,
        .more_count = count,
        .profile = w->wish.profile,
        .hour = w->wish.hour,
        .go_on = go_on,
        .context = w,
    };
    return terms_basis(w->terms, &wish, &w->basis, &w->hour_learned, w->message,
                       sizeof(w->message));
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
        err = coverage_set_basis(*ret, then ? w->basis : terms_live(w->terms),
                                 w->wish.now_ms);
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

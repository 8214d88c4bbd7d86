/* Units in time at each mission, and what is uncovered when one fails. */
#include "weak_internal.h"

#include "dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t weak_spent_ms(const struct weak *weak)
{
    return clock_ms() - weak->began_ms;
}

bool weak_is_stopped(const struct weak *weak)
{
    return weak->wish.stop != NULL && atomic_load(weak->wish.stop);
}

/* -------------------------------------------------------------- start and end
 */
enum pt_err weak_new(const struct weak_wish *wish, struct weak **ret)
{
    struct weak *w = calloc(1, sizeof(*w));
    struct weak_unit *units = calloc(wish->unit_count + 1, sizeof(*units));
    if (w == NULL || units == NULL) {
        free(w);
        free(units);
        return PT_E_NOMEM;
    }
    if (wish->unit_count > 0)
        memcpy(units, wish->units, wish->unit_count * sizeof(*units));
    w->wish = *wish;
    w->settings = *wish->settings;
    w->units = units;
    w->basis = coverage_basis_ref(wish->basis);
    w->roads = roads_ref((struct roads *)roads_metric_roads(
        coverage_basis_metrics(wish->basis)->now));
    *ret = w;
    return PT_OK;
}

void weak_loss_clear(struct weak_loss *loss)
{
    free(loss->missions);
    free(loss->with);
}

static void free_losses(struct weak_loss *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weak_loss_clear(&list[i]);
    free(list);
}

void weak_free(struct weak *weak)
{
    if (weak == NULL)
        return;
    free_losses(weak->lost_units, weak->lost_unit_count);
    free_losses(weak->lost_streets, weak->lost_street_count);
    free(weak->stops);
    free(weak->missions);
    free(weak->units);
    coverage_basis_unref(weak->basis);
    roads_unref(weak->roads);
    free(weak);
}

/* -------------------------------------------------------------- the first few
 */
bool weak_same(const struct weak_loss *a, const struct weak_loss *b)
{
    return a->count == b->count && memcmp(a->missions, b->missions,
                                          a->count * sizeof(*a->missions)) == 0;
}

void weak_note(struct weak_loss *list, size_t *count, struct weak_loss *loss)
{
    size_t at = *count;
    if (at == WEAK_LIST_MAX) {
        if (list[at - 1].count >= loss->count) {
            weak_loss_clear(loss);
            return;
        }
        weak_loss_clear(&list[--at]);
    } else {
        ++*count;
    }
    for (; at > 0 && list[at - 1].count < loss->count; at--)
        list[at] = list[at - 1];
    list[at] = *loss;
}

/* -------------------------------------------------------------- units in time
 */
size_t weak_words(const struct weak *weak)
{
    return weak->wish.unit_count / 64 + 1;
}

size_t weak_count(const uint64_t *bits, size_t words)
{
    size_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += (size_t)__builtin_popcountll(bits[i]);
    return count;
}

enum pt_err weak_in_time(const struct weak *weak,
                         const struct coverage_basis *basis,
                         const struct coverage_unit *units, uint64_t *ret)
{
    size_t words = weak_words(weak);
    uint32_t *eta_ms = calloc(weak->mission_count + 1, sizeof(*eta_ms));
    if (eta_ms == NULL)
        return PT_E_NOMEM;
    memset(ret, 0, weak->mission_count * words * sizeof(*ret));
    for (size_t u = 0; u < weak->wish.unit_count; u++) {
        if (units[u].place.edge == ROADS_NONE)
            continue;
        coverage_reach_missions(basis, &units[u], eta_ms);
        for (size_t m = 0; m < weak->mission_count; m++) {
            uint32_t promise_ms = weak->stops[m].promise_ms;
            if (promise_ms > 0 && eta_ms[m] <= promise_ms)
                ret[m * words + u / 64] |= UINT64_C(1) << (u % 64);
        }
    }
    free(eta_ms);
    return PT_OK;
}

static void judge_missions(struct weak *weak, const uint64_t *in_time)
{
    size_t words = weak_words(weak);
    for (size_t m = 0; m < weak->mission_count; m++) {
        struct weak_mission *mission = &weak->missions[m];
        mission->judged = weak->stops[m].promise_ms > 0;
        mission->worst_hour = -1;
        memset(mission->by_hour, WEAK_UNKNOWN, sizeof(mission->by_hour));
        if (!mission->judged)
            continue;
        mission->in_time = weak_count(in_time + m * words, words);
        mission->can_fail =
            mission->in_time < weak->settings.level
                ? -1
                : (int)mission->in_time - (int)weak->settings.level;
    }
}

/* -------------------------------------------------------------- units that
 * fail
 */
static enum pt_err try_unit(struct weak *weak, const uint64_t *in_time,
                            uint32_t unit)
{
    size_t words = weak_words(weak);
    struct weak_loss loss = {.what = unit};
    loss.missions = calloc(weak->mission_count + 1, sizeof(*loss.missions));
    if (loss.missions == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < weak->mission_count; m++) {
        bool is_there =
            in_time[m * words + unit / 64] >> (unit % 64) & UINT64_C(1);
        if (weak->missions[m].judged && is_there &&
            weak->missions[m].can_fail == 0)
            loss.missions[loss.count++] = (uint32_t)m;
    }
    if (loss.count > 0)
        weak_note(weak->lost_units, &weak->lost_unit_count, &loss);
    else
        free(loss.missions);
    return PT_OK;
}

static enum pt_err try_units(struct weak *weak, const uint64_t *in_time)
{
    enum pt_err err = PT_OK;
    for (size_t u = 0; u < weak->wish.unit_count && err == PT_OK; u++)
        err = try_unit(weak, in_time, (uint32_t)u);
    return err;
}

/* ------------------------------------------------------------------ the whole
 */
static enum pt_err make_room(struct weak *weak)
{
    weak->mission_count =
        catalog_mission_count(coverage_basis_catalog(weak->basis));
    weak->stops = calloc(weak->mission_count + 1, sizeof(*weak->stops));
    weak->missions = calloc(weak->mission_count + 1, sizeof(*weak->missions));
    weak->lost_units = calloc(WEAK_LIST_MAX, sizeof(*weak->lost_units));
    weak->lost_streets = calloc(WEAK_LIST_MAX, sizeof(*weak->lost_streets));
    if (weak->stops == NULL || weak->missions == NULL ||
        weak->lost_units == NULL || weak->lost_streets == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < weak->mission_count; m++)
        weak->stops[m] = coverage_stop_mission(weak->basis, m);
    return PT_OK;
}

static enum pt_err look_at_now(struct weak *weak)
{
    struct coverage_unit *units =
        calloc(weak->wish.unit_count + 1, sizeof(*units));
    uint64_t *in_time =
        calloc(weak->mission_count * weak_words(weak) + 1, sizeof(*in_time));
    enum pt_err err = PT_E_NOMEM;
    if (units != NULL && in_time != NULL) {
        for (size_t u = 0; u < weak->wish.unit_count; u++)
            units[u] = weak->units[u].now;
        err = weak_in_time(weak, weak->basis, units, in_time);
    }
    if (err == PT_OK) {
        judge_missions(weak, in_time);
        err = try_units(weak, in_time);
    }
    if (err == PT_OK)
        err = weak_try_streets(weak);
    free(units);
    free(in_time);
    return err;
}

enum pt_err weak_run(struct weak *weak)
{
    weak->began_ms = clock_ms();
    enum pt_err err = make_room(weak);
    if (err == PT_OK)
        err = look_at_now(weak);
    if (err == PT_OK && weak_is_stopped(weak))
        err = PT_E_AGAIN;
    return err == PT_OK ? weak_read_past(weak) : err;
}

/* -------------------------------------------------------------- what it tells
 */
const char *weak_message(const struct weak *weak)
{
    return weak->message;
}

const struct weak_mission *weak_mission(const struct weak *weak, size_t index)
{
    return &weak->missions[index];
}

size_t weak_units(const struct weak *weak, const struct weak_loss **ret)
{
    *ret = weak->lost_units;
    return weak->lost_unit_count;
}

size_t weak_streets(const struct weak *weak, const struct weak_loss **ret)
{
    *ret = weak->lost_streets;
    return weak->lost_street_count;
}

struct weak_tried weak_tried(const struct weak *weak)
{
    return weak->tried;
}

const struct weak_hours *weak_hours(const struct weak *weak)
{
    return &weak->hours;
}

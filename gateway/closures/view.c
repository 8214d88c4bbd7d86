/* Closures on a network at one moment: which edges, and the metrics. */
#include "closures_internal.h"

#include <math.h>
#include <stdlib.h>

/* A piece counts as lost when more of it was not found. */
#define LOST_SHARE 0.2

/* A directed edge whose time a closure in force changes. */
struct change {
    uint32_t directed;
    uint32_t match; /* index */
    double share;
};

struct closures_view {
    struct closures *closures;
    struct roads *roads;
    size_t count; /* of closures */
    struct closures_match *matches;
    size_t change_count, change_room;
    struct change *changes; /* by directed edge */
    struct roads_metric *bases[ROADS_PROFILES_MAX];
    struct roads_metric *metrics[ROADS_PROFILES_MAX];
    size_t metric_count;
    int64_t next_ms;
};

void closures_view_free(struct closures_view *view)
{
    if (view == NULL)
        return;
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++) {
        roads_metric_unref(view->bases[i]);
        roads_metric_unref(view->metrics[i]);
    }
    for (size_t i = 0; i < view->count && view->matches != NULL; i++) {
        free((void *)view->matches[i].edges);
        free((void *)view->matches[i].lost);
    }
    free(view->matches);
    free(view->changes);
    closures_unref(view->closures);
    roads_unref(view->roads);
    free(view);
}

/* ------------------------------------------------------------- the matching */
static enum pt_err add_change(struct closures_view *view,
                              const struct change *change)
{
    if (view->change_count == view->change_room) {
        size_t room = view->change_room == 0 ? 64 : 2 * view->change_room;
        void *more = reallocarray(view->changes, room, sizeof(*view->changes));
        if (more == NULL)
            return PT_E_NOMEM;
        view->changes = more;
        view->change_room = room;
    }
    view->changes[view->change_count++] = *change;
    return PT_OK;
}

static enum pt_err add_changes(struct closures_view *view, uint32_t index,
                               const struct closures_parts *parts)
{
    enum closures_direction direction = view->matches[index].closure->direction;
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < parts->count && err == PT_OK; i++) {
        struct change change = {parts->items[i].directed, index,
                                parts->items[i].share};
        if (direction != CLOSURES_BACKWARD)
            err = add_change(view, &change);
        change.directed = roads_reverse(change.directed);
        if (direction != CLOSURES_FORWARD && err == PT_OK)
            err = add_change(view, &change);
    }
    return err;
}

/* `parts` is empty but for its room. */
static enum pt_err match_one(struct closures_view *view, uint32_t index,
                             const struct closures_ways *ways,
                             struct closures_parts *parts)
{
    struct closures_match *match = &view->matches[index];
    const struct closure *closure = match->closure;
    uint32_t *lost = calloc(closure->piece_count + 1, sizeof(*lost));
    enum pt_err err = lost == NULL ? PT_E_NOMEM : PT_OK;
    match->lost = lost;
    for (size_t i = 0; i < closure->piece_count && err == PT_OK; i++) {
        const struct closures_piece *piece = &closure->pieces[i];
        double lost_m = 0.0;
        err = closures_match_piece(ways, piece, parts, &lost_m);
        match->lost_m += lost_m;
        if (lost_m >
            LOST_SHARE * closures_line_m(piece->points, piece->point_count))
            lost[match->lost_count++] = (uint32_t)i;
    }
    uint32_t *edges = calloc(parts->count + 1, sizeof(*edges));
    match->edges = edges;
    if (err == PT_OK && edges == NULL)
        err = PT_E_NOMEM;
    for (size_t i = 0; i < parts->count && err == PT_OK; i++)
        edges[match->edge_count++] = parts->items[i].directed;
    return err == PT_OK && match->in_force ? add_changes(view, index, parts)
                                           : err;
}

static enum pt_err match_all(struct closures_view *view, int64_t now_ms)
{
    struct closures_ways ways = {0};
    struct closures_parts parts = {0};
    enum pt_err err = closures_ways_new(view->roads, view->closures, &ways);
    view->next_ms = INT64_MAX;
    for (size_t i = 0; i < view->count && err == PT_OK; i++) {
        const struct closure *closure = &view->closures->items[i];
        int64_t next_ms =
            closure->from_ms > now_ms ? closure->from_ms : closure->until_ms;
        if (next_ms > now_ms && next_ms < view->next_ms)
            view->next_ms = next_ms;
        view->matches[i].closure = closure;
        view->matches[i].in_force =
            closure->from_ms <= now_ms && now_ms < closure->until_ms;
        parts.count = 0;
        err = match_one(view, (uint32_t)i, &ways, &parts);
    }
    free(parts.items);
    closures_ways_clear(&ways);
    return err;
}

/* -------------------------------------------------------------- the metrics */
static int by_edge(const void *left, const void *right)
{
    const struct change *a = left;
    const struct change *b = right;
    if (a->directed != b->directed)
        return a->directed < b->directed ? -1 : 1;
    return a->match < b->match ? -1 : a->match > b->match;
}

/* Where only a part of an edge is slowed, the rest of it is as it was; through
 * a part that is closed nobody comes. */
static uint32_t slowed_ms(const struct roads *roads,
                          const struct closure *closure,
                          const struct change *change, uint32_t ms)
{
    if (closure->closed)
        return ROADS_NONE;
    double part_ms = ms * change->share;
    double now_ms = part_ms;
    if (closure->factor > 0.0)
        now_ms = part_ms / closure->factor;
    if (closure->speed_mps > 0.0)
        now_ms =
            fmax(part_ms, change->share *
                              roads_edge_length_m(roads, change->directed) /
                              closure->speed_mps * 1000.0);
    double all_ms = ceil(ms - part_ms + now_ms);
    return all_ms < INT32_MAX ? (uint32_t)all_ms : ROADS_NONE;
}

/* One for each edge: where several closures meet, the slowest counts. */
static size_t write_slowings(const struct closures_view *view,
                             const struct roads_metric *base,
                             struct roads_slowing *slowings)
{
    size_t count = 0;
    for (size_t i = 0; i < view->change_count; i++) {
        const struct change *change = &view->changes[i];
        uint32_t ms = roads_metric_ms(base, change->directed);
        if (ms == ROADS_NONE)
            continue;
        uint32_t now_ms = slowed_ms(
            view->roads, view->matches[change->match].closure, change, ms);
        struct roads_slowing *last = count > 0 ? &slowings[count - 1] : NULL;
        if (last == NULL || last->directed != change->directed)
            slowings[count++] =
                (struct roads_slowing){change->directed, now_ms};
        else if (now_ms > last->ms)
            last->ms = now_ms;
    }
    return count;
}

static const struct roads_metric *base_of(const struct closures_view *view,
                                          size_t profile)
{
    const char *name = roads_profile_name(view->roads, profile);
    return view->bases[profile] != NULL ? view->bases[profile]
                                        : roads_profile(view->roads, name);
}

static enum pt_err make_metrics(struct closures_view *view)
{
    struct roads_slowing *slowings =
        calloc(view->change_count + 1, sizeof(*slowings));
    enum pt_err err = slowings == NULL ? PT_E_NOMEM : PT_OK;
    if (view->change_count > 1)
        qsort(view->changes, view->change_count, sizeof(*view->changes),
              by_edge);
    for (size_t i = 0; err == PT_OK; i++) {
        const char *name = roads_profile_name(view->roads, i);
        if (name == NULL)
            break;
        const struct roads_metric *base = base_of(view, i);
        size_t count = write_slowings(view, base, slowings);
        view->metric_count = i + 1;
        if (count > 0)
            err = roads_metric_slowed(base, slowings, count, &view->metrics[i]);
    }
    free(slowings);
    return err;
}

static enum pt_err take_bases(struct closures_view *view,
                              struct roads_metric *const *bases, size_t count)
{
    if (count > ROADS_PROFILES_MAX)
        return PT_E_RANGE;
    for (size_t i = 0; i < count; i++) {
        if (bases[i] == NULL)
            continue;
        if (roads_metric_roads(bases[i]) != view->roads)
            return PT_E_RANGE;
        view->bases[i] = roads_metric_ref(bases[i]);
    }
    return PT_OK;
}

enum pt_err closures_view_new(struct closures *closures, struct roads *roads,
                              struct roads_metric *const *bases,
                              size_t base_count, int64_t now_ms,
                              struct closures_view **ret)
{
    struct closures_view *view = calloc(1, sizeof(*view));
    if (view == NULL)
        return PT_E_NOMEM;
    view->closures = closures_ref(closures);
    view->roads = roads_ref(roads);
    view->count = closures->count;
    view->matches = calloc(view->count + 1, sizeof(*view->matches));
    enum pt_err err = view->matches == NULL
                          ? PT_E_NOMEM
                          : take_bases(view, bases, base_count);
    if (err == PT_OK)
        err = match_all(view, now_ms);
    if (err == PT_OK)
        err = make_metrics(view);
    if (err != PT_OK) {
        closures_view_free(view);
        return err;
    }
    *ret = view;
    return PT_OK;
}

/* -------------------------------------------------------------- what it tells
 */
const struct roads *closures_view_roads(const struct closures_view *view)
{
    return view->roads;
}

const struct roads_metric *closures_view_base(const struct closures_view *view,
                                              size_t profile)
{
    return view->bases[profile];
}

const struct closures *closures_view_of(const struct closures_view *view)
{
    return view->closures;
}

size_t closures_view_count(const struct closures_view *view)
{
    return view->count;
}

const struct closures_match *closures_view_at(const struct closures_view *view,
                                              size_t index)
{
    return &view->matches[index];
}

const struct closures_match *
closures_view_find(const struct closures_view *view, uint32_t closure_id)
{
    size_t low = 0;
    size_t high = view->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->matches[middle].closure->closure_id < closure_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->count &&
                   view->matches[low].closure->closure_id == closure_id
               ? &view->matches[low]
               : NULL;
}

int64_t closures_view_next_ms(const struct closures_view *view)
{
    return view->next_ms;
}

struct roads_metric *const *
closures_view_metrics(const struct closures_view *view, size_t *count)
{
    *count = view->metric_count;
    return view->metrics;
}

bool closures_view_prepared(const struct closures_view *view)
{
    for (size_t i = 0; i < view->metric_count; i++) {
        if (view->metrics[i] != NULL && !roads_prepared(view->metrics[i]) &&
            roads_prepared(base_of(view, i)))
            return false;
    }
    return true;
}

size_t closures_view_on(const struct closures_view *view, uint32_t directed,
                        const struct closures_match **ret, size_t max)
{
    size_t low = 0;
    size_t high = view->change_count;
    size_t count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->changes[middle].directed < directed)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < view->change_count && count < max &&
           view->changes[low].directed == directed;
         low++)
        ret[count++] = &view->matches[view->changes[low].match];
    return count;
}

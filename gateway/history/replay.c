/* A slice of time, gone through as the live gateway does: reports into live
 * state, units onto streets and on along them, who counts into coverage. */
#include "history_internal.h"

#include "pt_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX
/* For the streets of units whose fixes came before (match.h) to be told. */
#define MATCHED_MS INT64_C(600000)
/* So often it is looked at whether to go on. */
#define LOOK_MS INT64_C(60000)
/* Of a slice; 128 MB. */
#define EVENTS_MAX ((size_t)8 << 20)

struct replay {
    struct made_by *by;
    struct slice *slice;
    struct rows rows;
    struct fleet *fleet;
    struct dispatch *dispatch;
    struct coverage *coverage;
    struct then_terms *terms; /* in force */
    int64_t change_ms;        /* until then */
    struct batch batch;
    struct passes_unit *passing; /* by slot */
    uint16_t *there;             /* by mission */
    size_t max_units;
    bool asks;          /* by itself whether to go on */
    uint64_t fixes;     /* with those of the lead */
    bool telling;       /* the slice has begun */
    uint32_t units;     /* as last told */
    int64_t wake_ms;    /* something moves on by the clock alone */
    int64_t passing_ms; /* nobody's position grows too old before */
    int64_t looked_ms;
    /* Where units stood for the streets. */
    size_t stood_count;
    struct coverage_unit *stood;
    enum pt_err err; /* the first; sticks */
};

int64_t replay_lead_ms(const struct history_wish *wish)
{
    return 1000 * wish->rule.position_max_s + MATCHED_MS;
}

void slice_clear(struct slice *slice)
{
    free(slice->events);
    free(slice->snapshots);
    free(slice->reported);
    slice->events = NULL;
    slice->snapshots = NULL;
    slice->reported = NULL;
    slice->event_count = slice->event_room = 0;
    slice->snapshot_count = slice->snapshot_room = 0;
}

static void fail(struct replay *r, enum pt_err err)
{
    if (r->err == PT_OK)
        r->err = err;
}

/* -------------------------------------------------------------- what is told
 */
static void tell(struct replay *r, enum event_kind kind, uint32_t mission,
                 uint32_t count, int64_t at_ms)
{
    struct slice *s = r->slice;
    enum pt_err err = PT_E_FULL;
    if (!r->telling || r->by->look != NULL)
        return;
    if (s->event_count < EVENTS_MAX)
        err = pt_room(&s->events, &s->event_room, s->event_count + 1,
                      sizeof(*s->events));
    if (err != PT_OK) {
        fail(r, err);
        return;
    }
    s->events[s->event_count++] = (struct event){
        .at_ms = at_ms,
        .mission = mission,
        .kind = (uint16_t)kind,
        .count = (uint16_t)(count < UINT16_MAX ? count : UINT16_MAX),
    };
}

static void on_turn(void *context, size_t mission, unsigned within,
                    int64_t now_ms)
{
    tell(context, EVENT_WITHIN, (uint32_t)mission, within, now_ms);
}

static void on_alarm(void *context, const struct coverage_alarm *alarm)
{
    (void)context;
    (void)alarm; /* those who read the past see what was, and for how long */
}

/* ------------------------------------------------------------------ passes */
static void leave(struct replay *r, uint32_t mission, int64_t now_ms)
{
    tell(r, EVENT_THERE, mission, --r->there[mission], now_ms);
}

static void arrive(struct replay *r, uint32_t mission, int64_t now_ms)
{
    tell(r, EVENT_PASS, mission, 0, now_ms);
    tell(r, EVENT_THERE, mission, ++r->there[mission], now_ms);
}

static bool is_among(const uint32_t *missions, unsigned count, uint32_t mission)
{
    for (unsigned i = 0; i < count; i++)
        if (missions[i] == mission)
            return true;
    return false;
}

static size_t first_of_edge(const struct frontages *f, uint32_t edge)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->items[middle].edge < edge)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Missions in front of which a place is. */
static unsigned missions_at(const struct replay *r,
                            const struct roads_place *place, uint32_t *ret)
{
    const struct frontages *f = r->by->frontages;
    const struct catalog *catalog = r->by->wish->catalog;
    unsigned count = 0;
    if (place == NULL)
        return 0;
    for (size_t i = first_of_edge(f, place->edge);
         i < f->count && f->items[i].edge == place->edge &&
         count < PASSES_THERE_MAX;
         i++) {
        struct geo_point at = catalog_mission(catalog, f->items[i].mission)->at;
        if (geo_distance_m(at, place->at) <= f->pass_m)
            ret[count++] = f->items[i].mission;
    }
    return count;
}

static void pass_by(struct replay *r, uint32_t slot, int64_t now_ms)
{
    const struct fleet_unit *state = fleet_at(r->fleet, slot);
    const struct roads_place *place = dispatch_place(r->dispatch, slot);
    struct passes_unit *unit = &r->passing[slot];
    uint32_t now[PASSES_THERE_MAX];
    unit->until_ms =
        state->fix_time_ms + 1000 * r->by->wish->rule.position_max_s;
    if (unit->until_ms <= now_ms || state->status == PT_STATUS_OFF_DUTY)
        place = NULL;
    unsigned count = missions_at(r, place, now);
    for (unsigned i = 0; i < unit->count; i++)
        if (!is_among(now, count, unit->missions[i]))
            leave(r, unit->missions[i], now_ms);
    for (unsigned i = 0; i < count; i++)
        if (!is_among(unit->missions, unit->count, now[i]))
            arrive(r, now[i], now_ms);
    unit->count = count;
    memcpy(unit->missions, now, count * sizeof(*now));
    if (count > 0 && unit->until_ms < r->passing_ms)
        r->passing_ms = unit->until_ms;
}

/* Whose position has grown too old is nowhere. */
static void expire_passes(struct replay *r, int64_t now_ms)
{
    if (now_ms < r->passing_ms)
        return;
    r->passing_ms = NEVER;
    for (size_t slot = 0; slot < fleet_count(r->fleet); slot++) {
        struct passes_unit *unit = &r->passing[slot];
        if (unit->count > 0 && unit->until_ms <= now_ms) {
            for (unsigned i = 0; i < unit->count; i++)
                leave(r, unit->missions[i], now_ms);
            unit->count = 0;
        } else if (unit->count > 0 && unit->until_ms < r->passing_ms) {
            r->passing_ms = unit->until_ms;
        }
    }
}

/* ------------------------------------------------------------------ a step */
static void put_moved(struct replay *r, int64_t now_ms)
{
    const struct history_wish *wish = r->by->wish;
    const uint32_t *slots;
    size_t count = dispatch_moved(r->dispatch, &slots);
    for (size_t i = 0; i < count; i++) {
        const struct coverage_unit unit = counts_unit(
            &wish->rule, wish->catalog, r->dispatch, r->fleet, slots[i]);
        fail(r, coverage_put(r->coverage, slots[i], &unit, now_ms));
        if (r->by->frontages != NULL)
            pass_by(r, slots[i], now_ms);
    }
    dispatch_moved_take(r->dispatch);
}

static void tell_units(struct replay *r, int64_t now_ms)
{
    uint32_t units = (uint32_t)coverage_unit_count(r->coverage);
    if (units == r->units)
        return;
    r->units = units;
    tell(r, EVENT_UNITS, 0, units, now_ms);
}

/* What the gateway's tick does with its units. */
static void step(struct replay *r, int64_t now_ms)
{
    int64_t move_ms = dispatch_follow(r->dispatch, r->fleet, now_ms);
    if (r->by->wish->at_steps) {
        fleet_changes_take(r->fleet);
        r->wake_ms = move_ms < 0 ? NEVER : now_ms + (move_ms > 1 ? move_ms : 1);
        return;
    }
    put_moved(r, now_ms);
    fleet_changes_take(r->fleet);
    int64_t wait_ms = coverage_follow(r->coverage, now_ms, on_alarm, NULL);
    expire_passes(r, now_ms);
    tell_units(r, now_ms);
    if (wait_ms < 0 || (move_ms >= 0 && move_ms < wait_ms))
        wait_ms = move_ms;
    /* a tick takes some time, too */
    r->wake_ms = wait_ms < 0 ? NEVER : now_ms + (wait_ms > 1 ? wait_ms : 1);
    if (r->passing_ms < r->wake_ms)
        r->wake_ms = r->passing_ms;
}

/* How it is at each mission. */
static void tell_all(struct replay *r, int64_t now_ms)
{
    size_t missions = catalog_mission_count(r->by->wish->catalog);
    for (size_t m = 0; m < missions; m++) {
        struct coverage_mission state = coverage_mission(r->coverage, m);
        tell(r, EVENT_WITHIN, (uint32_t)m, (uint32_t)state.within, now_ms);
    }
}

/* ------------------------------------------------------------ another hour */
/* What learning and closures do in the gateway when an hour or a closure begins
 * or ends, at the very moment. */
static enum pt_err use_terms(struct replay *r, struct then_terms *terms,
                             int64_t now_ms)
{
    size_t learned_count, closed_count;
    struct roads_metric *const *learned = then_learned(terms, &learned_count);
    struct roads_metric *const *closed = then_closed(terms, &closed_count);
    enum pt_err err = dispatch_set_learned(r->dispatch, learned, learned_count);
    if (err == PT_OK)
        err = dispatch_set_metrics(r->dispatch, closed, closed_count, r->fleet);
    if (err == PT_OK)
        err = coverage_set_basis(r->coverage, then_basis(terms), now_ms);
    return err;
}

static void change_terms(struct replay *r, int64_t now_ms)
{
    struct then_terms *before = r->terms;
    fail(r, then_at(r->by->then, now_ms, &r->terms, &r->change_ms,
                    r->slice->message, sizeof(r->slice->message)));
    if (r->err == PT_OK && r->terms != before)
        fail(r, use_terms(r, r->terms, now_ms));
    then_let_go(before);
    if (r->err != PT_OK || r->by->wish->at_steps)
        return;
    put_moved(r, now_ms);
    tell_units(r, now_ms);
    tell_all(r, now_ms);
}

/* What was left out at the steps since one looked last. */
static void catch_up(struct replay *r, int64_t now_ms)
{
    step(r, now_ms);
    if (!r->by->wish->at_steps)
        return;
    dispatch_settle(r->dispatch, r->fleet);
    put_moved(r, now_ms);
    (void)coverage_follow(r->coverage, now_ms, on_alarm, NULL);
    tell_units(r, now_ms);
}

static void look_whether_to_stop(struct replay *r, int64_t now_ms)
{
    if (now_ms - r->looked_ms < LOOK_MS)
        return;
    atomic_fetch_add(&r->by->done_ms, now_ms - r->looked_ms);
    r->looked_ms = now_ms;
    if (atomic_load(&r->by->stop) ||
        (r->asks && !r->by->wish->progress(r->by->wish->context, 0, "")))
        fail(r, PT_E_AGAIN);
}

/* Whatever falls due by the clock alone before `until_ms`. */
static void go_to(struct replay *r, int64_t until_ms)
{
    while (r->err == PT_OK &&
           (r->wake_ms < until_ms || r->change_ms < until_ms)) {
        int64_t now_ms = r->wake_ms < r->change_ms ? r->wake_ms : r->change_ms;
        if (r->change_ms <= r->wake_ms)
            change_terms(r, now_ms);
        if (r->err == PT_OK)
            step(r, now_ms);
        look_whether_to_stop(r, now_ms);
    }
    look_whether_to_stop(r, until_ms);
}

/* ----------------------------------------------------------------- snapshots
 */
static bool same_place(const struct coverage_unit *a,
                       const struct coverage_unit *b)
{
    if (a == NULL || b == NULL || b->place.edge == ROADS_NONE)
        return a == NULL && (b == NULL || b->place.edge == ROADS_NONE);
    return a->place.edge == b->place.edge && a->late_ms == b->late_ms &&
           !(a->place.fraction < b->place.fraction) &&
           !(a->place.fraction > b->place.fraction);
}

/* Whether units stand as they did for the streets that there are. */
static bool stand_as_before(const struct replay *r)
{
    if (coverage_streets_ms(r->coverage) == 0)
        return false;
    for (size_t slot = 0; slot < r->max_units; slot++) {
        const struct coverage_unit *before =
            slot < r->stood_count ? &r->stood[slot] : NULL;
        if (!same_place(coverage_unit(r->coverage, (uint32_t)slot), before))
            return false;
    }
    return true;
}

static void note_standing(struct replay *r)
{
    r->stood_count = coverage_slots(r->coverage);
    for (size_t slot = 0; slot < r->stood_count; slot++) {
        const struct coverage_unit *unit =
            coverage_unit(r->coverage, (uint32_t)slot);
        r->stood[slot] =
            unit != NULL
                ? *unit
                : (struct coverage_unit){.place = {.edge = ROADS_NONE}};
    }
}

static enum pt_err look_at_streets(struct replay *r, int64_t now_ms,
                                   bool figures_only)
{
    struct coverage_streets *job;
    if (stand_as_before(r))
        return PT_OK;
    note_standing(r);
    enum pt_err err = coverage_streets_begin(r->coverage, now_ms, &job);
    if (err != PT_OK)
        return err;
    if (figures_only)
        coverage_streets_figures(job);
    err = coverage_streets_run(job);
    coverage_streets_end(r->coverage, job, err);
    return err;
}

static enum pt_err take_snapshot(struct replay *r, int64_t now_ms)
{
    struct slice *s = r->slice;
    size_t zones = catalog_zone_count(r->by->wish->catalog);
    enum pt_err err = look_at_streets(r, now_ms, true);
    if (err == PT_OK)
        err = pt_room(&s->snapshots, &s->snapshot_room,
                      s->snapshot_count + zones + 1, sizeof(*s->snapshots));
    for (size_t z = 0; z <= zones && err == PT_OK; z++) {
        struct coverage_zone zone = coverage_zone(r->coverage, z);
        struct snapshot *shot = &s->snapshots[s->snapshot_count++];
        *shot = (struct snapshot){
            .at_ms = now_ms,
            .zone = (uint32_t)z,
            .units = (uint32_t)coverage_unit_count(r->coverage),
            .length_m = (float)zone.length_m,
        };
        for (size_t k = 0; k < COVERAGE_FOLD; k++) {
            shot->within[k] = (uint32_t)zone.within[k];
            shot->within_m[k] = (float)zone.within_m[k];
        }
    }
    return err;
}

static enum pt_err look(struct replay *r, int64_t now_ms)
{
    const struct made_by *by = r->by;
    int64_t end_ms;
    if (by->look == NULL)
        return take_snapshot(r, now_ms);
    const struct history_look at = {
        .at_ms = now_ms,
        .hour = hours_at(by->look_hours, 0, now_ms, &end_ms),
        .time_zone = by->look_hours->names[0],
        .coverage = r->coverage,
    };
    uv_mutex_lock(by->look_lock);
    enum pt_err err = by->look(by->look_context, &at);
    uv_mutex_unlock(by->look_lock);
    return err;
}

/* ---------------------------------------------------------------- the reports
 */
static void take_report(struct replay *r, const struct batch_item *item,
                        int64_t at_ms)
{
    struct slice *s = r->slice;
    const struct catalog *catalog = r->by->wish->catalog;
    const struct catalog_unit *unit =
        catalog_unit_by_id(catalog, item->unit_id);
    if (unit == NULL)
        return;
    if (r->telling && (item->flags & PT_FLAG_POSITION)) {
        s->fixes++;
        if (s->first_fix_ms < 0 || at_ms < s->first_fix_ms)
            s->first_fix_ms = at_ms;
        if (at_ms > s->last_fix_ms)
            s->last_fix_ms = at_ms;
        s->reported[unit - catalog_unit(catalog, 0)] = 1;
    }
    r->fixes += (item->flags & PT_FLAG_POSITION) != 0;
    batch_reset(&r->batch);
    enum pt_err err = batch_add(&r->batch, item);
    if (err == PT_OK)
        err = fleet_apply(r->fleet, &r->batch);
    fail(r, err);
    step(r, at_ms);
}

/* Reports before `until_ms`; the first one after it waits in `next`. */
struct waiting {
    bool there, over;
    struct batch_item item;
    int64_t at_ms;
};

static void take_until(struct replay *r, struct waiting *next, int64_t until_ms)
{
    while (r->err == PT_OK) {
        if (!next->there && !next->over) {
            enum pt_err err = rows_next(&r->rows, &next->item, &next->at_ms);
            next->over = err == PT_E_NOTFOUND;
            next->there = err == PT_OK;
            if (err != PT_OK && !next->over)
                fail(r, err);
        }
        if (!next->there || next->at_ms >= until_ms)
            break;
        go_to(r, next->at_ms);
        take_report(r, &next->item, next->at_ms);
        next->there = false;
    }
    go_to(r, until_ms);
}

static void begin_telling(struct replay *r, int64_t now_ms)
{
    size_t missions = catalog_mission_count(r->by->wish->catalog);
    r->telling = true;
    r->units = (uint32_t)coverage_unit_count(r->coverage);
    tell(r, EVENT_UNITS, 0, r->units, now_ms);
    tell_all(r, now_ms);
    for (size_t m = 0; m < missions; m++)
        tell(r, EVENT_THERE, (uint32_t)m, r->there[m], now_ms);
}

static int64_t first_snapshot_ms(const struct replay *r)
{
    const struct history_wish *wish = r->by->wish;
    int64_t step_ms = 1000 * wish->step_s;
    int64_t since_ms = r->slice->from_ms - wish->from_ms;
    if (step_ms == 0)
        return NEVER;
    return wish->from_ms + (since_ms + step_ms - 1) / step_ms * step_ms;
}

static void go_through(struct replay *r)
{
    const struct slice *s = r->slice;
    struct waiting next = {.there = false};
    r->looked_ms = s->from_ms - replay_lead_ms(r->by->wish);
    r->wake_ms = r->passing_ms = NEVER;
    take_until(r, &next, s->from_ms);
    catch_up(r, s->from_ms);
    begin_telling(r, s->from_ms);
    for (int64_t at_ms = first_snapshot_ms(r);
         r->err == PT_OK && at_ms < s->to_ms;
         at_ms += 1000 * r->by->wish->step_s) {
        take_until(r, &next, at_ms + 1); /* with the reports of then */
        catch_up(r, at_ms);
        if (r->err == PT_OK)
            fail(r, look(r, at_ms));
    }
    take_until(r, &next, s->to_ms);
    atomic_fetch_add(&r->by->done_ms, s->to_ms - r->looked_ms);
}

/* -------------------------------------------------------------- start and end
 */
static enum pt_err open_replay(struct replay *r)
{
    const struct history_wish *wish = r->by->wish;
    const struct dispatch_settings settings = {.limit_ms = ROADS_FAR_MS,
                                               .when_asked = wish->at_steps};
    size_t units = catalog_unit_count(wish->catalog);
    r->max_units = units + 1;
    r->slice->first_fix_ms = r->slice->last_fix_ms = -1;
    r->passing = calloc(r->max_units, sizeof(*r->passing));
    r->stood = calloc(r->max_units, sizeof(*r->stood));
    r->there =
        calloc(catalog_mission_count(wish->catalog) + 1, sizeof(*r->there));
    r->slice->reported = calloc(r->max_units, 1);
    if (r->passing == NULL || r->stood == NULL || r->there == NULL ||
        r->slice->reported == NULL)
        return PT_E_NOMEM;
    enum pt_err err = batch_init(&r->batch, 1);
    if (err == PT_OK)
        err = fleet_new(r->max_units, &r->fleet);
    if (err == PT_OK)
        err = dispatch_new(&settings, r->max_units, &r->dispatch);
    if (err == PT_OK)
        err = dispatch_set_roads(r->dispatch, wish->roads, r->fleet);
    if (err == PT_OK)
        err = coverage_new(&wish->coverage, r->max_units, &r->coverage);
    /* What is in force when the slice begins is before it, too: of that time
     * only what was matched to which street is left by then. */
    if (err == PT_OK)
        err = then_at(r->by->then, r->slice->from_ms, &r->terms, &r->change_ms,
                      r->slice->message, sizeof(r->slice->message));
    if (err == PT_OK)
        err = use_terms(r, r->terms, r->slice->from_ms - replay_lead_ms(wish));
    if (err == PT_OK) {
        coverage_on_turn(r->coverage, on_turn, r);
        err = rows_open(
            &r->rows, wish, r->slice->from_ms - replay_lead_ms(wish),
            r->slice->to_ms, r->slice->message, sizeof(r->slice->message));
    }
    return err;
}

static void close_replay(struct replay *r)
{
    rows_close(&r->rows);
    coverage_free(r->coverage);
    then_let_go(r->terms);
    dispatch_free(r->dispatch);
    fleet_free(r->fleet);
    batch_clear(&r->batch);
    free(r->passing);
    free(r->stood);
    free(r->there);
}

void replay_slice(struct made_by *by, struct slice *slice)
{
    struct replay r = {.by = by, .slice = slice};
    r.err = open_replay(&r);
    if (r.err == PT_OK)
        go_through(&r);
    slice->err = r.err;
    close_replay(&r);
}

/* -------------------------------------------------------------- one moment */
static enum pt_err unit_ids(const struct replay *r,
                            struct history_moment *moment)
{
    moment->unit_count = fleet_count(r->fleet);
    moment->unit_ids =
        calloc(moment->unit_count + 1, sizeof(*moment->unit_ids));
    if (moment->unit_ids == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < moment->unit_count; i++)
        moment->unit_ids[i] = fleet_at(r->fleet, i)->unit_id;
    return PT_OK;
}

enum pt_err replay_moment(struct made_by *by, struct history_moment *moment,
                          char *message, size_t message_size)
{
    int64_t at_ms = by->wish->to_ms;
    struct slice slice = {.from_ms = at_ms, .to_ms = at_ms + 1};
    struct replay r = {
        .by = by, .slice = &slice, .asks = by->wish->progress != NULL};
    struct waiting next = {.there = false};
    r.err = open_replay(&r);
    if (r.err == PT_OK) {
        r.looked_ms = at_ms - replay_lead_ms(by->wish);
        r.wake_ms = r.passing_ms = NEVER;
        take_until(&r, &next, at_ms + 1);
        catch_up(&r, at_ms);
    }
    if (r.err == PT_OK)
        r.err = look_at_streets(&r, at_ms, false);
    if (r.err == PT_OK)
        r.err = unit_ids(&r, moment);
    if (r.err == PT_OK) {
        coverage_on_turn(r.coverage, NULL, NULL);
        moment->fixes = r.fixes;
        moment->coverage = r.coverage;
        r.coverage = NULL;
    }
    snprintf(message, message_size, "%s", slice.message);
    slice_clear(&slice);
    close_replay(&r);
    return r.err;
}

/* What is below its level, and for how long: told only once it has lasted, so
 * that a unit that goes back and forth on the edge of a promise is no storm of
 * alarms. */
#include "coverage_internal.h"

#include <stdlib.h>

#define NEVER INT64_MAX

/* When the state that came last has lasted for long enough to be told. */
static int64_t due_ms(const struct coverage *c, const struct watched *w)
{
    if (w->below == w->lost)
        return NEVER;
    return w->turned_ms + (w->below ? c->settings.lost_after_ms
                                    : c->settings.regained_after_ms);
}

static void judge(struct coverage *c, struct watched *w, bool below,
                  int64_t now_ms)
{
    if (w->below == below)
        return;
    w->below = below;
    w->turned_ms = now_ms;
    if (due_ms(c, w) < c->alarm_ms)
        c->alarm_ms = due_ms(c, w);
}

static bool mission_below(const struct coverage *c, size_t index)
{
    return c->basis->missions[index].promise_ms > 0 &&
           c->within[index] < c->settings.level;
}

static bool zone_below(const struct coverage *c, size_t zone)
{
    const struct zone_count *count = &c->counts[zone];
    return count->within[c->settings.level - 1] * 100 <
           count->promised * c->settings.zone_percent;
}

void coverage_judge_mission(struct coverage *c, size_t index, int64_t now_ms)
{
    judge(c, &c->missions[index], mission_below(c, index), now_ms);
}

void coverage_judge_zone(struct coverage *c, size_t zone, int64_t now_ms)
{
    judge(c, &c->zones[zone], zone_below(c, zone), now_ms);
}

/* ----------------------------------------------------------------- a new basis
 */
static uint32_t id_of(const struct coverage_basis *basis, bool zones, size_t i)
{
    return zones ? catalog_zone(basis->catalog, i)->zone_id
                 : catalog_mission(basis->catalog, i)->mission_id;
}

struct key {
    uint32_t id;
    uint32_t index;
};

static int by_id(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static enum pt_err note_gone(struct coverage *c, bool zone, uint32_t id,
                             int64_t since_ms, int64_t now_ms)
{
    struct coverage_alarm *more =
        reallocarray(c->gone, c->gone_count + 1, sizeof(*more));
    if (more == NULL)
        return PT_E_NOMEM;
    c->gone = more;
    c->gone[c->gone_count++] = (struct coverage_alarm){
        .id = id,
        .gone = true,
        .is_zone = zone,
        .since_ms = since_ms,
        .at_ms = now_ms,
    };
    c->alarm_ms = INT64_MIN;
    return PT_OK;
}

static enum pt_err keep(struct coverage *c, const struct coverage_basis *old,
                        bool zones, const struct watched *before,
                        struct watched *after, int64_t now_ms)
{
    size_t old_count = zones ? old->zone_count : old->mission_count;
    size_t count = zones ? c->basis->zone_count : c->basis->mission_count;
    struct key *keys = calloc(count + 1, sizeof(*keys));
    enum pt_err err = PT_OK;
    if (keys == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct key){id_of(c->basis, zones, i), (uint32_t)i};
    qsort(keys, count, sizeof(*keys), by_id);
    for (size_t i = 0; err == PT_OK && i < old_count; i++) {
        struct key wanted = {.id = id_of(old, zones, i)};
        const struct key *found =
            bsearch(&wanted, keys, count, sizeof(*keys), by_id);
        if (found != NULL)
            after[found->index] = before[i];
        else if (before[i].lost)
            err = note_gone(c, zones, wanted.id, before[i].since_ms, now_ms);
    }
    free(keys);
    return err;
}

enum pt_err coverage_keep_alarms(struct coverage *c,
                                 const struct coverage_basis *old,
                                 const struct watched *missions,
                                 const struct watched *zones, int64_t now_ms)
{
    enum pt_err err = PT_OK;
    if (old != NULL)
        err = keep(c, old, false, missions, c->missions, now_ms);
    if (err == PT_OK && old != NULL)
        err = keep(c, old, true, zones, c->zones, now_ms);
    for (size_t i = 0; i < c->basis->mission_count; i++)
        coverage_judge_mission(c, i, now_ms);
    for (size_t i = 0; i < c->basis->zone_count; i++)
        coverage_judge_zone(c, i, now_ms);
    /* what was turning before goes on turning */
    if (c->alarm_ms > now_ms)
        c->alarm_ms = now_ms;
    return err;
}

/* ------------------------------------------------------------------ the tick
 */
static void turn(struct watched *w, int64_t now_ms,
                 struct coverage_alarm *alarm)
{
    w->lost = w->below;
    if (w->lost)
        w->since_ms = w->turned_ms;
    alarm->lost = w->lost;
    alarm->since_ms = w->since_ms;
    alarm->at_ms = now_ms;
}

static void look_at_missions(struct coverage *c, int64_t now_ms,
                             coverage_told told, void *context)
{
    for (size_t i = 0; i < c->basis->mission_count; i++) {
        struct watched *w = &c->missions[i];
        int64_t due = due_ms(c, w);
        if (due > now_ms) {
            c->alarm_ms = due < c->alarm_ms ? due : c->alarm_ms;
            continue;
        }
        struct coverage_alarm alarm = {
            .mission = catalog_mission(c->basis->catalog, i),
            .within = c->within[i],
            .of = c->settings.level,
        };
        alarm.id = alarm.mission->mission_id;
        turn(w, now_ms, &alarm);
        told(context, &alarm);
    }
}

static void look_at_zones(struct coverage *c, int64_t now_ms,
                          coverage_told told, void *context)
{
    for (size_t i = 0; i < c->basis->zone_count; i++) {
        struct watched *w = &c->zones[i];
        int64_t due = due_ms(c, w);
        if (due > now_ms) {
            c->alarm_ms = due < c->alarm_ms ? due : c->alarm_ms;
            continue;
        }
        struct coverage_alarm alarm = {
            .zone = catalog_zone(c->basis->catalog, i),
            .is_zone = true,
            .within = c->counts[i].within[c->settings.level - 1],
            .of = c->counts[i].promised,
        };
        alarm.id = alarm.zone->zone_id;
        turn(w, now_ms, &alarm);
        told(context, &alarm);
    }
}

static void expire(struct coverage *c, int64_t now_ms)
{
    if (now_ms < c->expiry_ms)
        return;
    c->expiry_ms = NEVER;
    for (size_t slot = 0; slot < c->slots; slot++) {
        const struct coverage_unit *unit = &c->units[slot];
        if (unit->place.edge == ROADS_NONE)
            continue;
        if (unit->until_ms > now_ms) {
            if (unit->until_ms < c->expiry_ms)
                c->expiry_ms = unit->until_ms;
            continue;
        }
        enum pt_err err = coverage_put(c, (uint32_t)slot, NULL, now_ms);
        (void)err; /* taking away needs no memory */
    }
}

int64_t coverage_follow(struct coverage *coverage, int64_t now_ms,
                        coverage_told told, void *context)
{
    struct coverage *c = coverage;
    if (c->basis == NULL)
        return -1;
    expire(c, now_ms);
    if (now_ms >= c->alarm_ms) {
        c->alarm_ms = NEVER;
        for (size_t i = 0; i < c->gone_count; i++)
            told(context, &c->gone[i]);
        c->gone_count = 0;
        look_at_missions(c, now_ms, told, context);
        look_at_zones(c, now_ms, told, context);
    }
    int64_t next = c->alarm_ms < c->expiry_ms ? c->alarm_ms : c->expiry_ms;
    if (next == NEVER)
        return -1;
    return next > now_ms ? next - now_ms : 0;
}

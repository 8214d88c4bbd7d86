/* What happened, added up. */
#include "history_internal.h"

#include "pt_room.h"

#include <stdlib.h>
#include <string.h>

#define NOT INT64_C(-1)

void sums_free(struct sums *sums)
{
    if (sums == NULL)
        return;
    free(sums->missions);
    free(sums->hour_ms);
    free(sums->hour_passes);
    free(sums->gaps);
    free(sums->snapshots);
    free(sums->reported);
    free(sums);
}

static void begin_missions(struct sums *sums, const struct coverage *coverage)
{
    for (size_t i = 0; i < sums->mission_count; i++) {
        struct coverage_mission m = coverage_mission(coverage, i);
        sums->missions[i] = (struct mission_sum){
            .judged = m.promise_s > 0 && !m.off_road,
            .since_ms = sums->wish->from_ms,
            .out_from_ms = NOT,
            .away_from_ms = sums->wish->from_ms,
        };
    }
}

enum pt_err sums_new(const struct history_wish *wish, const struct hours *hours,
                     const struct coverage *coverage, struct sums **ret)
{
    struct sums *sums = calloc(1, sizeof(*sums));
    size_t count = catalog_mission_count(wish->catalog);
    if (sums == NULL)
        return PT_E_NOMEM;
    sums->wish = wish;
    sums->hours = hours;
    sums->mission_count = count;
    sums->first_fix_ms = sums->last_fix_ms = NOT;
    sums->units_since_ms = wish->from_ms;
    sums->missions = calloc(count + 1, sizeof(*sums->missions));
    sums->hour_ms = calloc(count + 1, sizeof(*sums->hour_ms));
    sums->hour_passes = calloc(count + 1, sizeof(*sums->hour_passes));
    sums->reported = calloc(catalog_unit_count(wish->catalog) + 1, 1);
    if (sums->missions == NULL || sums->hour_ms == NULL ||
        sums->hour_passes == NULL || sums->reported == NULL) {
        sums_free(sums);
        return PT_E_NOMEM;
    }
    begin_missions(sums, coverage);
    *ret = sums;
    return PT_OK;
}

/* ------------------------------------------------------------- one mission */
/* Until then it was as it is. */
static void count_until(struct sums *sums, size_t mission, int64_t until_ms)
{
    struct mission_sum *m = &sums->missions[mission];
    size_t zone = sums->hours->of_mission[mission];
    unsigned fold = m->within < COVERAGE_FOLD ? m->within : COVERAGE_FOLD;
    while (m->since_ms < until_ms) {
        int64_t end_ms;
        unsigned hour = hours_at(sums->hours, zone, m->since_ms, &end_ms);
        end_ms = end_ms < until_ms ? end_ms : until_ms;
        sums->hour_ms[mission][hour][fold] += (uint32_t)(end_ms - m->since_ms);
        m->since_ms = end_ms;
    }
}

static enum pt_err end_outage(struct sums *sums, size_t mission, int64_t at_ms)
{
    struct mission_sum *m = &sums->missions[mission];
    int64_t lasted_ms = at_ms - m->out_from_ms;
    int64_t from_ms = m->out_from_ms;
    m->out_from_ms = NOT;
    if (lasted_ms <= 0)
        return PT_OK;
    m->out_ms += lasted_ms;
    m->outages++;
    if (lasted_ms > m->longest_ms) {
        m->longest_ms = lasted_ms;
        m->longest_from_ms = from_ms;
    }
    if (sums->gap_count == HISTORY_GAPS_MAX)
        return PT_E_FULL;
    enum pt_err err = pt_room(&sums->gaps, &sums->gap_room, sums->gap_count + 1,
                              sizeof(*sums->gaps));
    if (err == PT_OK)
        sums->gaps[sums->gap_count++] =
            (struct gap){(uint32_t)mission, from_ms, at_ms};
    return err;
}

static enum pt_err turn(struct sums *sums, const struct event *e)
{
    struct mission_sum *m = &sums->missions[e->mission];
    count_until(sums, e->mission, e->at_ms);
    m->within = e->count;
    bool out = m->judged && e->count < sums->wish->coverage.level;
    if (out && m->out_from_ms == NOT)
        m->out_from_ms = e->at_ms;
    else if (!out && m->out_from_ms != NOT)
        return end_outage(sums, e->mission, e->at_ms);
    return PT_OK;
}

static void end_absence(struct mission_sum *m, int64_t at_ms)
{
    int64_t lasted_ms = at_ms - m->away_from_ms;
    if (lasted_ms > m->unpassed_ms) {
        m->unpassed_ms = lasted_ms;
        m->unpassed_from_ms = m->away_from_ms;
    }
    m->away_from_ms = NOT;
}

static void is_there(struct sums *sums, const struct event *e)
{
    struct mission_sum *m = &sums->missions[e->mission];
    m->there = e->count;
    if (e->count > 0 && m->away_from_ms != NOT)
        end_absence(m, e->at_ms);
    else if (e->count == 0 && m->away_from_ms == NOT)
        m->away_from_ms = e->at_ms;
}

static void passed(struct sums *sums, const struct event *e)
{
    int64_t end_ms;
    size_t zone = sums->hours->of_mission[e->mission];
    unsigned hour = hours_at(sums->hours, zone, e->at_ms, &end_ms);
    sums->missions[e->mission].passes++;
    if (sums->hour_passes[e->mission][hour] < UINT16_MAX)
        sums->hour_passes[e->mission][hour]++;
}

/* ---------------------------------------------------------------- all of it */
static void units_until(struct sums *sums, int64_t at_ms)
{
    int64_t lasted_ms = at_ms - sums->units_since_ms;
    sums->unit_ms += (double)lasted_ms * sums->units;
    sums->nobody_ms += sums->units == 0 ? lasted_ms : 0;
    sums->units_since_ms = at_ms;
}

static enum pt_err take(struct sums *sums, const struct event *e)
{
    switch ((enum event_kind)e->kind) {
    case EVENT_WITHIN:
        return turn(sums, e);
    case EVENT_UNITS:
        units_until(sums, e->at_ms);
        sums->units = e->count;
        return PT_OK;
    case EVENT_PASS:
        passed(sums, e);
        return PT_OK;
    case EVENT_THERE:
        is_there(sums, e);
        return PT_OK;
    }
    return PT_OK;
}

static void add_fixes(struct sums *sums, const struct slice *slice)
{
    sums->fixes += slice->fixes;
    if (slice->first_fix_ms >= 0 && sums->first_fix_ms < 0)
        sums->first_fix_ms = slice->first_fix_ms;
    if (slice->last_fix_ms > sums->last_fix_ms)
        sums->last_fix_ms = slice->last_fix_ms;
    for (size_t i = 0; i < catalog_unit_count(sums->wish->catalog); i++)
        sums->reported[i] |= slice->reported[i];
}

enum pt_err sums_add(struct sums *sums, const struct slice *slice)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < slice->event_count && err == PT_OK; i++)
        err = take(sums, &slice->events[i]);
    if (err == PT_OK)
        err = pt_room(&sums->snapshots, &sums->snapshot_room,
                      sums->snapshot_count + slice->snapshot_count + 1,
                      sizeof(*sums->snapshots));
    if (err != PT_OK)
        return err;
    if (slice->snapshot_count > 0)
        memcpy(sums->snapshots + sums->snapshot_count, slice->snapshots,
               slice->snapshot_count * sizeof(*slice->snapshots));
    sums->snapshot_count += slice->snapshot_count;
    add_fixes(sums, slice);
    return PT_OK;
}

enum pt_err sums_end(struct sums *sums)
{
    int64_t end_ms = sums->wish->to_ms;
    enum pt_err err = PT_OK;
    units_until(sums, end_ms);
    for (size_t i = 0; i < sums->mission_count && err == PT_OK; i++) {
        struct mission_sum *m = &sums->missions[i];
        count_until(sums, i, end_ms);
        if (m->out_from_ms != NOT)
            err = end_outage(sums, i, end_ms);
        if (m->away_from_ms != NOT)
            end_absence(m, end_ms);
    }
    return err;
}

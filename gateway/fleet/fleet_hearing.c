/* Who is heard, and what the vehicles say of themselves as a whole. */
#include "fleet_internal.h"

#include <math.h>
#include <stdlib.h>

#define NEVER INT64_MAX

void fleet_set_silent_factor(struct fleet *fleet, double factor)
{
    fleet->silent_factor = factor;
    fleet->listen_again_ms = 0;
}

void fleet_set_listening(struct fleet *fleet, int64_t since_ms,
                         int64_t until_ms)
{
    fleet->listening_until_ms = until_ms;
    if (fleet->listening_since_ms == since_ms)
        return;
    fleet->listening_since_ms = since_ms;
    fleet->listen_again_ms = 0;
}

int64_t fleet_quiet_ms(const struct fleet *fleet, const struct fleet_unit *unit)
{
    int64_t promise_s = unit->vehicle.next_due_s;

    if (promise_s == 0)
        promise_s = FLEET_PROMISE_DEFAULT_S;
    else if (promise_s > FLEET_PROMISE_MAX_S)
        promise_s = FLEET_PROMISE_MAX_S;
    return llround((double)promise_s * 1000.0 * fleet->silent_factor);
}

void fleet_note_heard(struct fleet *fleet, struct slot *slot, int64_t now_ms)
{
    struct fleet_unit *unit = &slot->unit;
    unit->heard_ms = now_ms;
    unit->heard_restored = false;
    unit->hearing = FLEET_HEARD;
    /* It may have promised a shorter interval than before. */
    int64_t silent_at_ms = now_ms + fleet_quiet_ms(fleet, unit) + 1;
    if (silent_at_ms < fleet->listen_again_ms)
        fleet->listen_again_ms = silent_at_ms;
}

/* `again_ms`: it stays so until then, unless it is heard. Silence is what the
 * gateway did not hear while it listened: a connection to the broker that was
 * gone, or a gateway that has just begun, says nothing about a vehicle. What
 * was judged before the gateway became deaf stands. */
static enum fleet_hearing judge(const struct fleet *fleet,
                                const struct fleet_unit *unit, int64_t now_ms,
                                int64_t *again_ms)
{
    int64_t quiet_ms = fleet_quiet_ms(fleet, unit);
    int64_t since_ms = unit->heard_ms;
    *again_ms = NEVER;
    if (unit->heard_ms == 0)
        return FLEET_UNKNOWN;
    if (now_ms - since_ms <= quiet_ms) {
        *again_ms = since_ms + quiet_ms + 1;
        return FLEET_HEARD;
    }
    if (unit->hearing == FLEET_SILENT)
        return FLEET_SILENT;
    if (fleet->listening_since_ms == 0)
        return FLEET_UNKNOWN;
    if (fleet->listening_since_ms > since_ms)
        since_ms = fleet->listening_since_ms;
    if (now_ms - since_ms > quiet_ms)
        return FLEET_SILENT;
    *again_ms = since_ms + quiet_ms + 1;
    return FLEET_UNKNOWN;
}

/* `heard_to_ms`: until when nothing can have been missed. */
static void judge_all(struct fleet *fleet, int64_t heard_to_ms, int64_t now_ms)
{
    int64_t next_ms = NEVER;
    for (size_t i = 0; i < fleet->count; i++) {
        struct slot *slot = &fleet->slots[i];
        struct fleet_unit *unit = &slot->unit;
        int64_t again_ms;
        if (unit->heard_ms > now_ms) /* our clock was set back */
            unit->heard_ms = now_ms;
        enum fleet_hearing hearing = judge(fleet, unit, heard_to_ms, &again_ms);
        if (again_ms < next_ms)
            next_ms = again_ms;
        if (hearing == unit->hearing)
            continue;
        unit->hearing = hearing;
        fleet_mark_changed(fleet, slot);
    }
    fleet->listen_again_ms = next_ms;
}

int64_t fleet_listen(struct fleet *fleet, int64_t now_ms, fleet_told told,
                     void *context)
{
    /* What was not heard after the last that was is not yet missed. */
    int64_t heard_to_ms = now_ms;
    if (fleet->listening_since_ms != 0 && fleet->listening_until_ms < now_ms)
        heard_to_ms = fleet->listening_until_ms;
    if (heard_to_ms >= fleet->listen_again_ms)
        judge_all(fleet, heard_to_ms, now_ms);
    for (size_t i = 0; i < fleet->change_count; i++) {
        struct slot *slot = &fleet->slots[fleet->changes[i]];
        enum fleet_hearing before = slot->told, now = slot->unit.hearing;
        slot->told = now;
        if ((before == FLEET_SILENT) != (now == FLEET_SILENT))
            told(context, &slot->unit);
    }
    if (fleet->listen_again_ms == NEVER || fleet->listen_again_ms <= now_ms)
        return -1; /* until something comes */
    return fleet->listen_again_ms - now_ms;
}

int64_t fleet_old_at_ms(const struct fleet *fleet,
                        const struct fleet_unit *unit)
{
    if (unit->hearing == FLEET_SILENT)
        return INT64_MIN;
    return unit->fix_time_ms + fleet_quiet_ms(fleet, unit) + 1;
}

/* ------------------------------------------------------------- as a whole */
static void count_vehicle(const struct pt_vehicle_state *v,
                          struct fleet_tally *tally)
{
    if (!v->present)
        return;
    tally->without_fix += v->receiver_mode == 0 || v->receiver_mode == 1;
    tally->on_battery += v->power == PT_POWER_BATTERY;
    tally->clock_wrong +=
        v->clock_known && llabs(v->clock_offset_ms) > FLEET_CLOCK_WRONG_MS;
    tally->outbox_entries += (double)v->outbox_depth;
    tally->outbox_dropped += (double)v->dropped;
    if (v->oldest_age_s >= 0) /* fmax() of NaN and a number is the number */
        tally->outbox_oldest_s =
            fmax(tally->outbox_oldest_s, (double)v->oldest_age_s);
}

struct fleet_tally fleet_count_up(const struct fleet *fleet)
{
    struct fleet_tally tally = {.outbox_oldest_s = NAN};
    for (size_t slot = 0; slot < fleet->count; slot++) {
        const struct fleet_unit *unit = &fleet->slots[slot].unit;
        tally.silent += unit->hearing == FLEET_SILENT;
        count_vehicle(&unit->vehicle, &tally);
    }
    return tally;
}

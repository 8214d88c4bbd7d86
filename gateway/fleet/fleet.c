#include "fleet_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX
#define FIRST_ROOM 64u

/* ------------------------------------------------------------- the index */
/* Fibonacci hashing (Knuth, TAOCP 3, 6.4): consecutive ids lie apart. */
static size_t place_of(const struct fleet *fleet, uint32_t unit_id)
{
    return (size_t)((unit_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
           fleet->index_mask;
}

static uint32_t slot_of(const struct fleet *fleet, uint32_t unit_id)
{
    for (size_t i = place_of(fleet, unit_id);;
         i = (i + 1) & fleet->index_mask) {
        uint32_t slot = fleet->index[i];
        if (slot == NO_SLOT || fleet->slots[slot].unit.unit_id == unit_id)
            return slot;
    }
}

static void index_put(struct fleet *fleet, uint32_t slot)
{
    size_t i = place_of(fleet, fleet->slots[slot].unit.unit_id);
    while (fleet->index[i] != NO_SLOT)
        i = (i + 1) & fleet->index_mask;
    fleet->index[i] = slot;
}

static void index_fill(struct fleet *fleet)
{
    memset(fleet->index, 0xFF, (fleet->index_mask + 1) * sizeof(*fleet->index));
    for (size_t slot = 0; slot < fleet->count; slot++)
        index_put(fleet, (uint32_t)slot);
}

/* ------------------------------------------------------------ room to grow */
/* `room` stays a power of two, the index twice that. What has grown before
 * an allocation fails stays grown: nothing is lost. */
static enum pt_err grow(struct fleet *fleet, size_t room)
{
    struct slot *slots = realloc(fleet->slots, room * sizeof(*slots));
    if (slots == NULL)
        return PT_E_NOMEM;
    fleet->slots = slots;
    uint32_t *changes = realloc(fleet->changes, room * sizeof(*changes));
    if (changes == NULL)
        return PT_E_NOMEM;
    fleet->changes = changes;
    uint32_t *index = malloc(2 * room * sizeof(*index));
    if (index == NULL)
        return PT_E_NOMEM;
    free(fleet->index);
    fleet->index = index;
    fleet->index_mask = 2 * room - 1;
    fleet->room = room;
    index_fill(fleet);
    return PT_OK;
}

enum pt_err fleet_new(size_t max_units, struct fleet **ret)
{
    /* NO_SLOT is no slot, and rooms are powers of two. */
    if (max_units == 0 || max_units > UINT32_MAX / 4)
        return PT_E_RANGE;
    struct fleet *fleet = calloc(1, sizeof(*fleet));
    if (fleet == NULL)
        return PT_E_NOMEM;
    fleet->max_units = max_units;
    fleet->silent_factor = FLEET_SILENT_FACTOR;
    enum pt_err err = grow(fleet, FIRST_ROOM);
    if (err != PT_OK) {
        fleet_free(fleet);
        return err;
    }
    *ret = fleet;
    return PT_OK;
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    for (size_t slot = 0; slot < fleet->count; slot++)
        fleet_words_unref(fleet->slots[slot].unit.words);
    free(fleet->slots);
    free(fleet->changes);
    free(fleet->index);
    free(fleet);
}

enum pt_err fleet_slot_get(struct fleet *fleet, uint32_t unit_id,
                           struct slot **ret)
{
    uint32_t known = slot_of(fleet, unit_id);
    if (known != NO_SLOT) {
        *ret = &fleet->slots[known];
        return PT_OK;
    }
    if (fleet->count >= fleet->max_units)
        return PT_E_FULL;
    if (fleet->count == fleet->room) {
        enum pt_err err = grow(fleet, 2 * fleet->room);
        if (err != PT_OK)
            return err;
    }
    struct slot *slot = &fleet->slots[fleet->count];
    *slot = (struct slot){
        .unit = {.unit_id = unit_id,
                 .status = PT_STATUS_UNKNOWN,
                 .vehicle = PT_VEHICLE_STATE_UNSAID,
                 .edge = FLEET_NO_EDGE},
    };
    index_put(fleet, (uint32_t)fleet->count++);
    fleet->shape++;
    *ret = slot;
    return PT_OK;
}

void fleet_mark_changed(struct fleet *fleet, struct slot *slot)
{
    slot->unit.revision++;
    if (slot->changed)
        return;
    slot->changed = true;
    fleet->changes[fleet->change_count++] = (uint32_t)(slot - fleet->slots);
}

/* --------------------------------------------------------------- the order */
struct moment {
    int64_t time_ms;
    uint64_t generation;
    uint64_t seq;
};

/* Later is newer; at one instant the higher generation, then the higher
 * number. Generations compare as the database's bigint, so that
 * latest_position and every gateway settle on the same entry. */
static bool is_newer(struct moment a, struct moment b)
{
    if (a.time_ms != b.time_ms)
        return a.time_ms > b.time_ms;
    if (a.generation != b.generation)
        return (int64_t)a.generation > (int64_t)b.generation;
    return a.seq > b.seq;
}

static struct moment fix_moment(const struct fleet_unit *unit)
{
    return (struct moment){unit->fix_time_ms, unit->generation, unit->seq};
}

static struct moment status_moment(const struct fleet_unit *unit)
{
    return (struct moment){unit->status_time_ms, unit->status_generation,
                           unit->status_seq};
}

/* A time that the gateway gave tells when an entry arrived, and an old one
 * may arrive last: within a generation the numbers tell the order. */
static bool is_newer_status(const struct fleet_unit *a,
                            const struct fleet_unit *b)
{
    if (b->status_time_ms == 0)
        return a->status_time_ms != 0;
    if ((a->status_gateway_time || b->status_gateway_time) &&
        a->status_generation == b->status_generation)
        return a->status_seq > b->status_seq;
    return is_newer(status_moment(a), status_moment(b));
}

static void copy_status(struct fleet_unit *to, const struct fleet_unit *from)
{
    to->status = from->status;
    to->status_time_ms = from->status_time_ms;
    to->status_generation = from->status_generation;
    to->status_seq = from->status_seq;
    to->status_gateway_time = from->status_gateway_time;
}

/* ----------------------------------------------------------- what changes it
 */
static bool take_fix(struct fleet_unit *unit, const struct batch_item *item)
{
    const struct pt_entry *e = &item->entry;
    struct moment m = {e->time_ms, item->generation, e->seq};
    if (item->refusal != REFUSED_NOT || !(e->flags & PT_FLAG_POSITION) ||
        (unit->has_fix && !is_newer(m, fix_moment(unit))))
        return false;
    unit->has_fix = true;
    unit->fix_time_ms = e->time_ms;
    unit->received_ms = item->received_ms;
    unit->at = e->at;
    unit->flags = item->flags;
    unit->speed_mps = (float)e->speed_cmps / 100.0f;
    unit->course_deg = (float)e->course_cdeg / 100.0f;
    unit->accuracy_m = (float)e->accuracy_dm / 10.0f;
    unit->generation = item->generation;
    unit->seq = e->seq;
    return true;
}

/* Every entry says a status, and "unknown" is one: a vehicle that no longer
 * knows what its crew does is not offered on what it said an hour ago. */
static bool take_status(struct fleet_unit *unit, const struct batch_item *item)
{
    struct fleet_unit said = {
        .status = (enum pt_status)item->entry.status,
        .status_time_ms = batch_act_ms(item),
        .status_generation = item->generation,
        .status_seq = item->entry.seq,
        .status_gateway_time = item->flags & BATCH_FLAG_GATEWAY_TIME,
    };
    if (!is_newer_status(&said, unit))
        return false;
    copy_status(unit, &said);
    return true;
}

static bool counts(const struct batch_item *item)
{
    return item->unit_id != BATCH_NO_UNIT &&
           (item->refusal == REFUSED_NOT || item->act_kept);
}

enum pt_err fleet_apply(struct fleet *fleet, const struct batch *batch)
{
    enum pt_err worst = PT_OK;
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_item *item = &batch->items[i];
        if (!counts(item))
            continue;
        struct slot *slot;
        enum pt_err err = fleet_slot_get(fleet, item->unit_id, &slot);
        if (err != PT_OK) {
            worst = err;
            continue;
        }
        bool fix = take_fix(&slot->unit, item);
        bool status = take_status(&slot->unit, item);
        bool words = false;
        err = fleet_take_words(&slot->unit, item, &words);
        if (err != PT_OK)
            worst = err;
        if (fix || status || words)
            fleet_mark_changed(fleet, slot);
    }
    return worst;
}

enum pt_err fleet_heard(struct fleet *fleet, uint32_t unit_id,
                        const struct pt_vehicle_state *state, int64_t now_ms)
{
    struct slot *slot;
    enum pt_err err = fleet_slot_get(fleet, unit_id, &slot);
    if (err != PT_OK)
        return err;
    if (state != NULL && state->present) {
        slot->unit.vehicle = *state;
        slot->unit.vehicle_said_ms = now_ms;
    }
    fleet_note_heard(fleet, slot, now_ms);
    fleet_mark_changed(fleet, slot);
    return PT_OK;
}

enum pt_err fleet_connected(struct fleet *fleet, uint32_t unit_id,
                            bool connected)
{
    struct slot *slot;
    enum pt_err err = fleet_slot_get(fleet, unit_id, &slot);
    if (err != PT_OK)
        return err;
    if (slot->unit.connected != connected) {
        slot->unit.connected = connected;
        fleet_mark_changed(fleet, slot);
    }
    return PT_OK;
}

static void restore_fix(struct fleet_unit *to, const struct fleet_unit *from)
{
    to->has_fix = true;
    to->fix_time_ms = from->fix_time_ms;
    to->received_ms = from->received_ms;
    to->at = from->at;
    to->flags = from->flags;
    to->speed_mps = from->speed_mps;
    to->course_deg = from->course_deg;
    to->accuracy_m = from->accuracy_m;
    to->generation = from->generation;
    to->seq = from->seq;
}

enum pt_err fleet_restore(struct fleet *fleet, const struct fleet_unit *unit)
{
    struct slot *slot;
    enum pt_err err = fleet_slot_get(fleet, unit->unit_id, &slot);
    if (err != PT_OK)
        return err;
    struct fleet_unit *live = &slot->unit;
    if (unit->has_fix &&
        (!live->has_fix || is_newer(fix_moment(unit), fix_moment(live)))) {
        restore_fix(live, unit);
        fleet_mark_changed(fleet, slot);
    }
    if (is_newer_status(unit, live)) {
        copy_status(live, unit);
        fleet_mark_changed(fleet, slot);
    }
    if (unit->has_fix && unit->received_ms > live->heard_ms) {
        live->heard_ms = unit->received_ms;
        live->heard_restored = true;
        fleet->listen_again_ms = 0;
    }
    return PT_OK;
}

/* The last unit fills the hole, and counts as changed: its slot is new. */
static void forget(struct fleet *fleet, size_t hole)
{
    size_t last = --fleet->count;
    fleet_words_unref(fleet->slots[hole].unit.words);
    if (hole == last)
        return;
    fleet->slots[hole] = fleet->slots[last];
    fleet->slots[hole].changed = true;
}

void fleet_keep(struct fleet *fleet, bool (*known)(void *, uint32_t),
                void *context)
{
    size_t before = fleet->count;
    for (size_t slot = 0; slot < fleet->count;) {
        if (known(context, fleet->slots[slot].unit.unit_id))
            slot++;
        else
            forget(fleet, slot);
    }
    if (fleet->count == before)
        return;
    fleet->shape++;
    index_fill(fleet);
    /* Slots have moved, so the list is made anew from the marks; the order
     * of change within it is lost this once. */
    fleet->change_count = 0;
    for (size_t slot = 0; slot < fleet->count; slot++) {
        if (fleet->slots[slot].changed)
            fleet->changes[fleet->change_count++] = (uint32_t)slot;
    }
}

/* -------------------------------------------------------------- what reads it
 */
size_t fleet_count(const struct fleet *fleet)
{
    return fleet->count;
}

struct fleet_unit *fleet_at(struct fleet *fleet, size_t slot)
{
    return &fleet->slots[slot].unit;
}

const struct fleet_unit *fleet_find(const struct fleet *fleet, uint32_t unit_id)
{
    uint32_t slot = slot_of(fleet, unit_id);
    return slot == NO_SLOT ? NULL : &fleet->slots[slot].unit;
}

struct reckon fleet_reckon(const struct fleet_unit *unit)
{
    return reckon_from(unit->fix_time_ms, unit->at, unit->flags,
                       (double)unit->speed_mps, (double)unit->course_deg);
}

uint64_t fleet_shape(const struct fleet *fleet)
{
    return fleet->shape;
}

bool fleet_slot(const struct fleet *fleet, uint32_t unit_id, uint32_t *ret)
{
    uint32_t slot = slot_of(fleet, unit_id);
    if (slot == NO_SLOT)
        return false;
    *ret = slot;
    return true;
}

size_t fleet_changes(const struct fleet *fleet, const uint32_t **slots)
{
    *slots = fleet->changes;
    return fleet->change_count;
}

void fleet_changes_take(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->change_count; i++)
        fleet->slots[fleet->changes[i]].changed = false;
    fleet->change_count = 0;
}

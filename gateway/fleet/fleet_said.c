/* What people said of units: crews by their vehicles, dispatchers of what they
 * heard by radio and what they have seen. Few units have any of it at a time,
 * so that it stands aside and costs the others a pointer. */
#include "fleet_internal.h"

#include <stdlib.h>
#include <string.h>

struct fleet_words *fleet_words_ref(struct fleet_words *words)
{
    if (words != NULL)
        words->holders++;
    return words;
}

void fleet_words_unref(struct fleet_words *words)
{
    if (words != NULL && --words->holders == 0)
        free(words);
}

/* The unit's own, to be changed: what others hold stays as it is. NULL: out
 * of memory. */
static struct fleet_words *words_to_change(struct fleet_unit *unit)
{
    struct fleet_words *old = unit->words;
    if (old != NULL && old->holders == 1)
        return old;
    struct fleet_words *words = calloc(1, sizeof(*words));
    if (words == NULL)
        return NULL;
    if (old != NULL)
        *words = *old;
    words->holders = 1;
    fleet_words_unref(old);
    unit->words = words;
    return words;
}

const struct fleet_said *fleet_said(const struct fleet_unit *unit,
                                    enum fleet_saying what)
{
    if (unit->words == NULL || unit->words->said[what].time_ms == 0)
        return NULL;
    return &unit->words->said[what];
}

/* At one instant the higher number of a generation, else who came first. */
static bool is_newer(const struct fleet_said *a, const struct fleet_said *b)
{
    if (b == NULL || a->time_ms != b->time_ms)
        return b == NULL || a->time_ms > b->time_ms;
    return a->generation == b->generation && a->seq > b->seq;
}

enum pt_err fleet_say_to(struct fleet_unit *unit, enum fleet_saying what,
                         const struct fleet_said *said, bool *news)
{
    if (said->time_ms <= 0 || !is_newer(said, fleet_said(unit, what)))
        return PT_OK;
    struct fleet_words *words = words_to_change(unit);
    if (words == NULL)
        return PT_E_NOMEM;
    words->said[what] = *said;
    *news = true;
    return PT_OK;
}

/* False: an entry that says nothing of the kind. */
static bool saying_of(const struct pt_entry *entry, enum fleet_saying *ret)
{
    if (entry->kind == PT_KIND_PANIC)
        *ret = FLEET_PANIC;
    else if (entry->kind == PT_KIND_LOGON)
        *ret = FLEET_CREW;
    else if (entry->kind == PT_KIND_STATUS && entry->detail != NULL)
        *ret = FLEET_PLACE;
    else
        return false;
    return true;
}

enum pt_err fleet_take_words(struct fleet_unit *unit,
                             const struct batch_item *item, bool *news)
{
    enum fleet_saying what;
    if (!saying_of(&item->entry, &what))
        return PT_OK;
    struct fleet_said said = {
        .time_ms = batch_act_ms(item),
        .generation = item->generation,
        .seq = item->entry.seq,
    };
    if (item->entry.detail != NULL)
        memccpy(said.text, item->entry.detail, '\0', sizeof(said.text) - 1);
    return fleet_say_to(unit, what, &said, news);
}

enum pt_err fleet_say(struct fleet *fleet, uint32_t unit_id,
                      enum fleet_saying what, const struct fleet_said *said)
{
    struct slot *slot;
    bool news = false;
    enum pt_err err = fleet_slot_get(fleet, unit_id, &slot);
    if (err == PT_OK)
        err = fleet_say_to(&slot->unit, what, said, &news);
    if (news)
        fleet_mark_changed(fleet, slot);
    return err;
}

static bool is_act(const struct fleet_said *said, const struct fleet_act *act)
{
    return said->time_ms != 0 && said->generation == act->generation &&
           said->seq == act->seq;
}

enum pt_err fleet_seen(struct fleet *fleet, uint32_t unit_id,
                       const struct fleet_act *act)
{
    struct slot *slot;
    enum pt_err err = fleet_slot_get(fleet, unit_id, &slot);
    if (err != PT_OK)
        return err;
    struct fleet_unit *unit = &slot->unit;
    for (size_t i = 0; unit->words != NULL && i < FLEET_SAYINGS; i++) {
        const struct fleet_said *said = &unit->words->said[i];
        if (!is_act(said, act) || said->seen_ms != 0)
            continue;
        struct fleet_words *words = words_to_change(unit);
        if (words == NULL)
            return PT_E_NOMEM;
        words->said[i].seen_ms = act->seen_ms;
        memcpy(words->said[i].seen_by, act->who, sizeof(act->who));
        unit->seen_due = true;
        fleet_mark_changed(fleet, slot);
    }
    return PT_OK;
}

void fleet_seen_again(struct fleet *fleet, uint32_t unit_id)
{
    uint32_t index;
    if (!fleet_slot(fleet, unit_id, &index))
        return;
    struct slot *slot = &fleet->slots[index];
    if (slot->unit.words == NULL)
        return;
    slot->unit.seen_due = true;
    fleet_mark_changed(fleet, slot);
}

/* ---------------------------------------------------------------- by radio */
enum pt_err fleet_set_radio(struct fleet *fleet, uint32_t unit_id,
                            const struct fleet_radio *radio)
{
    static const struct fleet_radio none;
    struct slot *slot;
    enum pt_err err = fleet_slot_get(fleet, unit_id, &slot);
    if (err != PT_OK)
        return err;
    struct fleet_unit *unit = &slot->unit;
    if (memcmp(unit->words == NULL ? &none : &unit->words->radio, radio,
               sizeof(*radio)) == 0)
        return PT_OK;
    struct fleet_words *words = words_to_change(unit);
    if (words == NULL)
        return PT_E_NOMEM;
    memcpy(&words->radio, radio, sizeof(*radio));
    fleet_mark_changed(fleet, slot);
    return PT_OK;
}

const struct fleet_radio *fleet_radio(const struct fleet_unit *unit,
                                      int64_t now_ms)
{
    if (unit->words == NULL || unit->words->radio.heard_ms == 0)
        return NULL;
    const struct fleet_radio *radio = &unit->words->radio;
    bool old = now_ms - radio->heard_ms > FLEET_RADIO_MAX_MS;
    bool superseded = unit->has_fix && unit->fix_time_ms >= radio->heard_ms;
    return old || superseded ? NULL : radio;
}

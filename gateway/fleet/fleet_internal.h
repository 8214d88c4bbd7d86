#ifndef FLEET_INTERNAL_H
#define FLEET_INTERNAL_H
/* What the files of fleet share: fleet.c keeps units, fleet_hearing.c judges
 * who is heard, fleet_said.c keeps what people said. */
#include "fleet.h"

struct slot {
    struct fleet_unit unit;
    bool changed;            /* stands in `changes` already */
    enum fleet_hearing told; /* what fleet_listen() last told of it */
};

/* Units lie dense in `slots`; `index` finds them by unit_id: open addressing,
 * linear probing, at most half full. It is made anew when units are
 * forgotten, so there are no tombstones. */
struct fleet {
    struct slot *slots;
    size_t count;
    size_t room; /* of slots and changes */
    size_t max_units;
    uint32_t *index; /* slot or NO_SLOT; index_mask + 1 places */
    size_t index_mask;
    uint32_t *changes;
    size_t change_count;
    uint64_t shape;
    double silent_factor;
    int64_t listening_since_ms; /* 0: deaf */
    int64_t listening_until_ms;
    int64_t listen_again_ms; /* nobody falls silent before */
};

/* The unit stands in fleet_changes() from now on. */
void fleet_mark_changed(struct fleet *fleet, struct slot *slot);
/* The unit's slot, made when it is not there yet. PT_E_FULL, PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err fleet_slot_get(struct fleet *fleet, uint32_t unit_id,
                                         struct slot **ret);
/* Takes it over if it is newer; `news` becomes true then. */
PT_MUST_CHECK enum pt_err fleet_say_to(struct fleet_unit *unit,
                                       enum fleet_saying what,
                                       const struct fleet_said *said,
                                       bool *news);
/* The same of what an entry says. */
PT_MUST_CHECK enum pt_err fleet_take_words(struct fleet_unit *unit,
                                           const struct batch_item *item,
                                           bool *news);
/* A message of it came; its vehicle state is in place. */
void fleet_note_heard(struct fleet *fleet, struct slot *slot, int64_t now_ms);

#endif

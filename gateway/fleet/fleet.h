#ifndef FLEET_H
#define FLEET_H
/* fleet: the newest that is known of every unit, in memory.
 * Knows no socket and no SQL. Loop thread only. */
#include "batch.h"
#include "geo.h"
#include "pt_err.h"
#include "reckon.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLEET_NO_EDGE UINT32_MAX

/* Unknown: never heard, or the gateway has not listened for long enough. */
enum fleet_hearing { FLEET_UNKNOWN, FLEET_HEARD, FLEET_SILENT };

/* What crews say beside their status, each as newest said. */
enum fleet_saying {
    FLEET_PANIC,
    FLEET_PLACE, /* `text`: where, in words; "" takes it back */
    FLEET_CREW,  /* `text`: who; "": nobody is logged on */
    FLEET_SAYINGS
};

#define FLEET_WHO_BYTES 101 /* with its end, as the texts below */
#define FLEET_PLACE_BYTES 201
#define FLEET_NOTE_BYTES 501

struct fleet_said {
    int64_t time_ms; /* 0: never */
    uint64_t generation, seq;
    char text[PT_DETAIL_BYTES_MAX + 1];
    int64_t seen_ms;               /* somebody said that he saw it; 0: nobody */
    char seen_by[FLEET_WHO_BYTES]; /* "": he did not say who he is */
};

/* An act that somebody in the control room has seen. */
struct fleet_act {
    uint64_t generation, seq;
    int64_t seen_ms;
    char who[FLEET_WHO_BYTES];
};

/* What a dispatcher heard of a unit by voice radio. It is shown and never
 * counted: neither as a fix nor as a status. Compared byte by byte: begin with
 * a zeroed one. */
struct fleet_radio {
    int64_t heard_ms; /* 0: nothing */
    int64_t noted_ms;
    struct geo_point at;   /* with has_point */
    uint32_t mission_id;   /* that it is a place of; 0: none */
    enum pt_status status; /* PT_STATUS_UNKNOWN: not said */
    bool has_point;
    char place[FLEET_PLACE_BYTES]; /* these three "": not said */
    char note[FLEET_NOTE_BYTES];
    char who[FLEET_WHO_BYTES]; /* noted it */
};

/* Never changes while anybody but the fleet holds it. */
struct fleet_words {
    unsigned holders;
    struct fleet_said said[FLEET_SAYINGS];
    struct fleet_radio radio;
};

struct fleet_unit {
    uint32_t unit_id;
    bool has_fix;
    int64_t fix_time_ms; /* of the newest fix */
    int64_t received_ms;
    struct geo_point at;
    uint32_t flags; /* which of the next three are there: enum pt_flag */
    float speed_mps;
    float course_deg;
    float accuracy_m;
    enum pt_status status;      /* newest said, with or without a fix */
    int64_t status_time_ms;     /* 0: never said */
    uint64_t status_generation; /* of the entry that said it */
    uint64_t status_seq;
    bool status_gateway_time;  /* its time is when it came in */
    struct fleet_words *words; /* NULL: nobody said anything */
    bool seen_due;             /* its vehicle is to be told what was seen */
    bool connected;            /* the device's presence at the broker */
    struct pt_vehicle_state vehicle; /* as last reported ... */
    int64_t vehicle_said_ms;         /* ... then, by the gateway's clock */
    int64_t heard_ms;    /* gateway's time of the last message; 0 never */
    bool heard_restored; /* that is the database's, of the newest fix */
    enum fleet_hearing hearing; /* as fleet_listen() judged it */
    uint64_t generation, seq;   /* of the newest fix */
    /* What it was last told of how closely to report (pacing writes it). */
    uint64_t settings_said;   /* the revision; 0: none, or withdrawn */
    int64_t settings_said_ms; /* 0: never */
    /* Where on the road graph (roads_snap writes it). */
    uint32_t edge;      /* directed edge, or FLEET_NO_EDGE */
    uint32_t offset_ms; /* travel time already behind us on it */
    float off_road_m;   /* distance from the edge */
    uint64_t revision;  /* counts up with every change of this unit */
};

struct fleet;

PT_MUST_CHECK enum pt_err fleet_new(size_t max_units, struct fleet **ret);
void fleet_free(struct fleet *fleet); /* NULL is fine */

/* Takes over a fix or a status unless a newer one is known: late and
 * repeated deliveries are normal after a radio gap, and never move live
 * state backwards. Newer is the later time; at the same time the higher
 * generation (as the database's bigint), then the higher number; a status
 * whose time is the gateway's by its number alone, within a generation.
 * Refused items are passed over, but for the status of an act that is kept.
 * What a crew says counts unless something as late is known of its kind.
 * PT_E_FULL beyond max_units; the rest of the batch is still applied. */
PT_MUST_CHECK enum pt_err fleet_apply(struct fleet *fleet,
                                      const struct batch *batch);

/* Presence and vehicle state; unknown units are made. A `state` that is NULL
 * or not present leaves the last one standing. */
PT_MUST_CHECK enum pt_err fleet_heard(struct fleet *fleet, uint32_t unit_id,
                                      const struct pt_vehicle_state *state,
                                      int64_t now_ms);
PT_MUST_CHECK enum pt_err fleet_connected(struct fleet *fleet, uint32_t unit_id,
                                          bool connected);

/* At start, from the database: fix and status, each unless a newer one
 * is known already, and when the fix was received, unless it was heard since.
 * The other fields of `unit` are passed over. */
PT_MUST_CHECK enum pt_err fleet_restore(struct fleet *fleet,
                                        const struct fleet_unit *unit);

/* ---- what people said, beside what vehicles measure */

/* To be held while the fleet goes on; each ref has its unref. NULL is fine. */
struct fleet_words *fleet_words_ref(struct fleet_words *words);
void fleet_words_unref(struct fleet_words *words);

/* NULL: never said. Borrowed until the next call that changes the fleet. */
const struct fleet_said *fleet_said(const struct fleet_unit *unit,
                                    enum fleet_saying what);

/* From the database: takes it over unless one as late is known. PT_E_NOMEM,
 * PT_E_FULL, as the next two. */
PT_MUST_CHECK enum pt_err fleet_say(struct fleet *fleet, uint32_t unit_id,
                                    enum fleet_saying what,
                                    const struct fleet_said *said);
/* That act was seen; nothing happens when a newer one of its kind is known.
 * The first to have seen it stays. */
PT_MUST_CHECK enum pt_err fleet_seen(struct fleet *fleet, uint32_t unit_id,
                                     const struct fleet_act *act);
/* Its vehicle connects anew: it may have missed what was seen. */
void fleet_seen_again(struct fleet *fleet, uint32_t unit_id);

/* What was heard last, in place of what was before; heard_ms 0: nothing. */
PT_MUST_CHECK enum pt_err fleet_set_radio(struct fleet *fleet, uint32_t unit_id,
                                          const struct fleet_radio *radio);
/* What of it is to be shown: nothing once a fix is newer, and nothing older
 * than this. NULL: nothing. Borrowed likewise. */
#define FLEET_RADIO_MAX_MS ((int64_t)24 * 3600 * 1000)
const struct fleet_radio *fleet_radio(const struct fleet_unit *unit,
                                      int64_t now_ms);

/* Forgets units that `known(context, unit_id)` denies (deleted). Units whose
 * slot moved by that stand in fleet_changes(). */
void fleet_keep(struct fleet *fleet, bool (*known)(void *, uint32_t),
                void *context);

size_t fleet_count(const struct fleet *fleet);
/* Borrowed until the next call that changes the fleet. Slots are dense,
 * 0..fleet_count()-1, and keep their unit until fleet_keep(). */
struct fleet_unit *fleet_at(struct fleet *fleet, size_t slot);
/* NULL when never heard. */
const struct fleet_unit *fleet_find(const struct fleet *fleet,
                                    uint32_t unit_id);

/* What its place is reckoned from; only with a fix. */
struct reckon fleet_reckon(const struct fleet_unit *unit);

/* How long a unit may be quiet: the factor times the interval that it promised
 * last, of which no more than an hour is believed (no setting allows more); a
 * minute counts for who promised none, as parked vehicles do by default. The
 * one rule by which a unit is silent and a position is old. */
#define FLEET_SILENT_FACTOR 1.5 /* unless set otherwise */
#define FLEET_PROMISE_DEFAULT_S 60
#define FLEET_PROMISE_MAX_S 3600
void fleet_set_silent_factor(struct fleet *fleet, double factor);
int64_t fleet_quiet_ms(const struct fleet *fleet,
                       const struct fleet_unit *unit);

/* From when to when all that vehicles say has come in, by the gateway's clock;
 * since 0: nothing does. Nobody falls silent while nothing does, nor before it
 * has for as long as the unit may be quiet. */
void fleet_set_listening(struct fleet *fleet, int64_t since_ms,
                         int64_t until_ms);

/* Tick step: who has been quiet for too long becomes silent, and whoever is
 * heard is not; both stand in fleet_changes(), and `told` is called for each
 * that has become or was silent. In how many ms it wants to be called again,
 * -1: not before a message comes. `told` must not change the fleet. */
typedef void (*fleet_told)(void *context, const struct fleet_unit *unit);
int64_t fleet_listen(struct fleet *fleet, int64_t now_ms, fleet_told told,
                     void *context);

/* From when on, by the gateway's clock, its place is no longer known: its fix
 * is then older than the unit may be quiet. INT64_MIN when it is silent. Only
 * with a fix. */
int64_t fleet_old_at_ms(const struct fleet *fleet,
                        const struct fleet_unit *unit);

/* A vehicle's clock farther than this from its receiver's time is wrong. */
#define FLEET_CLOCK_WRONG_MS 5000

/* What its vehicles say of themselves, as a whole: for alarms, whatever the
 * number of units. Each as last reported, however long ago. */
struct fleet_tally {
    double silent;
    double without_fix; /* the receiver not seen, or without a fix */
    double on_battery;
    double clock_wrong;
    double outbox_entries; /* that all hold */
    double outbox_dropped;
    double outbox_oldest_s; /* the oldest of all; NaN: none is held */
};
struct fleet_tally fleet_count_up(const struct fleet *fleet);

/* Counts up whenever a slot gets another unit than it had, or none. */
uint64_t fleet_shape(const struct fleet *fleet);

/* The unit's slot; false when never heard. */
bool fleet_slot(const struct fleet *fleet, uint32_t unit_id, uint32_t *ret);

/* Slots changed since the last fleet_changes_take(), each once, oldest
 * change first: what roads snaps again and events tell. Borrowed until the
 * next change. */
size_t fleet_changes(const struct fleet *fleet, const uint32_t **slots);
void fleet_changes_take(struct fleet *fleet);

#endif

/* fleet: against a model that keeps every entry it was ever given and looks
 * for the newest by reading all of them. */
#include "fleet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct batch_item item_of(uint32_t unit_id, uint64_t generation,
                                 uint64_t seq, int64_t time_ms)
{
    return (struct batch_item){
        .device_name = "car",
        .device_id = unit_id,
        .unit_id = unit_id,
        .generation = generation,
        .received_ms = time_ms + 100,
        .flags = PT_FLAG_POSITION,
        .refusal = REFUSED_NOT,
        .entry = {.seq = seq,
                  .time_ms = time_ms,
                  .at = {23000000, -82000000},
                  .flags = PT_FLAG_POSITION,
                  .status = PT_STATUS_AVAILABLE},
    };
}

static void apply_one(struct fleet *fleet, const struct batch_item *item)
{
    struct batch batch;
    assert_int_equal(batch_init(&batch, 1), PT_OK);
    assert_int_equal(batch_add(&batch, item), PT_OK);
    assert_int_equal(fleet_apply(fleet, &batch), PT_OK);
    batch_clear(&batch);
}

static struct fleet *new_fleet(size_t max_units)
{
    struct fleet *fleet;
    assert_int_equal(fleet_new(max_units, &fleet), PT_OK);
    return fleet;
}

static void takes_a_fix_over(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item item = item_of(7, 5, 3, 1000000);
    item.entry.flags |= PT_FLAG_SPEED | PT_FLAG_COURSE | PT_FLAG_ACCURACY;
    item.flags = item.entry.flags | BATCH_FLAG_JUMP;
    item.entry.speed_cmps = 1250;
    item.entry.course_cdeg = 9050;
    item.entry.accuracy_dm = 45;
    apply_one(fleet, &item);
    const struct fleet_unit *unit = fleet_find(fleet, 7);
    assert_non_null(unit);
    assert_true(unit->has_fix);
    assert_int_equal(unit->fix_time_ms, 1000000);
    assert_int_equal(unit->received_ms, 1000100);
    assert_int_equal(unit->at.lat_e6, 23000000);
    assert_int_equal(unit->at.lon_e6, -82000000);
    assert_true(unit->speed_mps == 12.5f);
    assert_true(unit->course_deg == 90.5f);
    assert_true(unit->accuracy_m == 4.5f);
    assert_int_equal(unit->flags, item.flags);
    assert_int_equal(unit->status, PT_STATUS_AVAILABLE);
    assert_int_equal(unit->edge, FLEET_NO_EDGE);
    assert_int_equal(unit->vehicle.receiver_mode, -1);
    assert_null(fleet_find(fleet, 8));
    fleet_free(fleet);
}

static void late_entries_move_nothing_back(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item now = item_of(1, 5, 30, 50000);
    struct batch_item late = item_of(1, 5, 12, 20000);
    late.entry.at.lat_e6 = 24000000;
    late.entry.status = PT_STATUS_BUSY;
    apply_one(fleet, &now);
    fleet_changes_take(fleet);
    apply_one(fleet, &late);
    apply_one(fleet, &now); /* a repeat */
    const struct fleet_unit *unit = fleet_find(fleet, 1);
    assert_int_equal(unit->fix_time_ms, 50000);
    assert_int_equal(unit->at.lat_e6, 23000000);
    assert_int_equal(unit->status, PT_STATUS_AVAILABLE);
    const uint32_t *slots;
    assert_int_equal(fleet_changes(fleet, &slots), 0);
    fleet_free(fleet);
}

/* A generation with the top bit set is a negative bigint: below the other. */
static void one_instant_has_one_winner(void **state)
{
    (void)state;
    struct batch_item items[] = {
        item_of(1, 5, 1, 50000),
        item_of(1, 5, 2, 50000),
        item_of(1, 6, 1, 50000), /* wins */
        item_of(1, UINT64_C(0x8000000000000001), 9, 50000),
    };
    for (int order = 0; order < 4; order++) {
        struct fleet *fleet = new_fleet(10);
        for (int i = 0; i < 4; i++)
            apply_one(fleet, &items[(i + order) % 4]);
        assert_int_equal(fleet_find(fleet, 1)->generation, 6);
        assert_int_equal(fleet_find(fleet, 1)->seq, 1);
        fleet_free(fleet);
    }
}

/* ------------------------------------------------------- what people said */
static const struct fleet_said *said_of(struct fleet *fleet,
                                        enum fleet_saying what)
{
    return fleet_said(fleet_find(fleet, 5), what);
}

/* Also one that is late, or told before the fix that is known; a repeat is
 * none. */
static void a_panic_is_kept(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item item = item_of(5, 1, 1, 1000);
    struct fleet_said restored = {.time_ms = 850, .generation = 1, .seq = 9};
    const uint32_t *slots;

    apply_one(fleet, &item);
    assert_null(said_of(fleet, FLEET_PANIC));
    item.entry.kind = PT_KIND_PANIC;
    item.entry.seq = 2;
    item.entry.time_ms = 900;
    apply_one(fleet, &item);
    item.entry.seq = 3;
    item.entry.time_ms = 800;
    apply_one(fleet, &item);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->time_ms, 900);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->seq, 2);
    fleet_changes_take(fleet);
    assert_int_equal(fleet_say(fleet, 5, FLEET_PANIC, &restored), PT_OK);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->time_ms, 900);
    assert_int_equal(fleet_changes(fleet, &slots), 0);
    restored.time_ms = 950;
    assert_int_equal(fleet_say(fleet, 5, FLEET_PANIC, &restored), PT_OK);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->time_ms, 950);
    assert_int_equal(fleet_changes(fleet, &slots), 1);
    fleet_free(fleet);
}

static void what_was_seen_is_that_act_alone(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item item = item_of(5, 7, 1, 1000);
    struct fleet_act act = {
        .generation = 7, .seq = 1, .seen_ms = 1500, .who = "Ana"};

    item.entry.kind = PT_KIND_PANIC;
    apply_one(fleet, &item);
    act.seq = 2;
    assert_int_equal(fleet_seen(fleet, 5, &act), PT_OK);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->seen_ms, 0);
    assert_false(fleet_find(fleet, 5)->seen_due);
    act.seq = 1;
    assert_int_equal(fleet_seen(fleet, 5, &act), PT_OK);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->seen_ms, 1500);
    assert_string_equal(said_of(fleet, FLEET_PANIC)->seen_by, "Ana");
    assert_true(fleet_find(fleet, 5)->seen_due);
    act.seen_ms = 1600; /* who saw it first stays */
    assert_int_equal(fleet_seen(fleet, 5, &act), PT_OK);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->seen_ms, 1500);
    item.entry.seq = 3; /* another panic: nobody has seen it yet */
    item.entry.time_ms = 2000;
    apply_one(fleet, &item);
    assert_int_equal(said_of(fleet, FLEET_PANIC)->seen_ms, 0);
    fleet_free(fleet);
}

static void places_and_crews_are_said_and_taken_back(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item item = item_of(5, 7, 1, 1000);

    item.entry.kind = PT_KIND_LOGON;
    item.entry.detail = "P\u00e9rez, 1402";
    apply_one(fleet, &item);
    item.entry.kind = PT_KIND_STATUS;
    item.entry.seq = 2; /* in the same second */
    item.entry.detail = "23 y L";
    apply_one(fleet, &item);
    assert_string_equal(said_of(fleet, FLEET_CREW)->text, "P\u00e9rez, 1402");
    assert_string_equal(said_of(fleet, FLEET_PLACE)->text, "23 y L");
    item.entry.seq = 3; /* a status alone leaves the place */
    item.entry.time_ms = 2000;
    item.entry.detail = NULL;
    apply_one(fleet, &item);
    assert_string_equal(said_of(fleet, FLEET_PLACE)->text, "23 y L");
    struct fleet_words *held =
        fleet_words_ref(fleet_find(fleet, 5)->words); /* for an answer */
    item.entry.seq = 4;
    item.entry.detail = "";
    apply_one(fleet, &item);
    assert_string_equal(said_of(fleet, FLEET_PLACE)->text, "");
    assert_string_equal(held->said[FLEET_PLACE].text, "23 y L");
    fleet_words_unref(held);
    item.entry.kind = PT_KIND_LOGON;
    item.entry.seq = 5;
    apply_one(fleet, &item);
    assert_string_equal(said_of(fleet, FLEET_CREW)->text, "");
    fleet_free(fleet);
}

static void radio_is_shown_until_a_newer_fix(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    static const struct fleet_radio none;
    static const struct fleet_radio radio = {
        .heard_ms = 5000, .status = PT_STATUS_BUSY, .place = "23 y L"};
    struct batch_item item = item_of(5, 7, 1, 4999);
    const uint32_t *slots;

    apply_one(fleet, &item);
    assert_int_equal(fleet_set_radio(fleet, 5, &radio), PT_OK);
    const struct fleet_unit *unit = fleet_find(fleet, 5);
    assert_string_equal(fleet_radio(unit, 6000)->place, "23 y L");
    assert_int_equal(unit->status, item.entry.status); /* it never counts */
    assert_int_equal(unit->fix_time_ms, 4999);
    assert_non_null(fleet_radio(unit, 5000 + FLEET_RADIO_MAX_MS));
    assert_null(fleet_radio(unit, 5001 + FLEET_RADIO_MAX_MS));
    fleet_changes_take(fleet);
    assert_int_equal(fleet_set_radio(fleet, 5, &radio), PT_OK);
    assert_int_equal(fleet_changes(fleet, &slots), 0); /* no news */
    item.entry.seq = 2;
    item.entry.time_ms = 5000;
    apply_one(fleet, &item);
    assert_null(fleet_radio(fleet_find(fleet, 5), 6000));
    assert_int_equal(fleet_set_radio(fleet, 5, &none), PT_OK);
    assert_null(fleet_radio(fleet_find(fleet, 5), 6000));
    fleet_free(fleet);
}

static void status_comes_without_a_fix(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item fix = item_of(1, 5, 1, 50000);
    struct batch_item said = item_of(1, 5, 2, 60000);
    said.entry.flags = 0;
    said.flags = 0;
    said.entry.kind = PT_KIND_STATUS;
    said.entry.status = PT_STATUS_EN_ROUTE;
    apply_one(fleet, &fix);
    apply_one(fleet, &said);
    const struct fleet_unit *unit = fleet_find(fleet, 1);
    assert_int_equal(unit->status, PT_STATUS_EN_ROUTE);
    assert_int_equal(unit->status_time_ms, 60000);
    assert_int_equal(unit->fix_time_ms, 50000);
    assert_int_equal(unit->seq, 1);
    fleet_free(fleet);
}

static void refused_items_are_passed_over(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item item = item_of(1, 5, 1, 50000);
    item.refusal = REFUSED_COORDINATES;
    apply_one(fleet, &item);
    item = item_of(BATCH_NO_UNIT, 5, 1, 50000);
    apply_one(fleet, &item);
    assert_int_equal(fleet_count(fleet), 0);
    fleet_free(fleet);
}

static void full_still_takes_the_known(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(2);
    struct batch batch;
    assert_int_equal(batch_init(&batch, 4), PT_OK);
    struct batch_item items[] = {item_of(1, 5, 1, 1000), item_of(2, 5, 1, 1000),
                                 item_of(3, 5, 1, 1000),
                                 item_of(1, 5, 2, 2000)};
    for (int i = 0; i < 4; i++)
        assert_int_equal(batch_add(&batch, &items[i]), PT_OK);
    assert_int_equal(fleet_apply(fleet, &batch), PT_E_FULL);
    assert_int_equal(fleet_count(fleet), 2);
    assert_int_equal(fleet_find(fleet, 1)->fix_time_ms, 2000);
    assert_null(fleet_find(fleet, 3));
    assert_int_equal(fleet_heard(fleet, 3, NULL, 1), PT_E_FULL);
    batch_clear(&batch);
    fleet_free(fleet);
}

static void presence_and_vehicle(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct pt_vehicle_state said = {.present = true,
                                    .receiver_mode = 3,
                                    .satellites_used = 9,
                                    .outbox_depth = 4,
                                    .next_due_s = 10};
    assert_int_equal(fleet_heard(fleet, 9, &said, 777), PT_OK);
    said = (struct pt_vehicle_state){.present = false};
    assert_int_equal(fleet_heard(fleet, 9, &said, 888), PT_OK);
    const struct fleet_unit *unit = fleet_find(fleet, 9);
    assert_int_equal(unit->heard_ms, 888);
    assert_int_equal(unit->vehicle.outbox_depth, 4);
    assert_false(unit->has_fix);
    fleet_changes_take(fleet);
    const uint32_t *slots;
    assert_int_equal(fleet_connected(fleet, 9, false), PT_OK);
    assert_int_equal(fleet_changes(fleet, &slots), 0);
    assert_int_equal(fleet_connected(fleet, 9, true), PT_OK);
    assert_int_equal(fleet_changes(fleet, &slots), 1);
    assert_true(fleet_find(fleet, 9)->connected);
    fleet_free(fleet);
}

/* ------------------------------------------------------------- who is heard */
struct told {
    size_t silent, heard;
    uint32_t last;
};

static void note_told(void *context, const struct fleet_unit *unit)
{
    struct told *told = context;
    told->last = unit->unit_id;
    if (unit->hearing == FLEET_SILENT)
        told->silent++;
    else
        told->heard++;
}

/* A tick of which only the hearing counts. */
static struct told listen_at(struct fleet *fleet, int64_t now_ms)
{
    struct told told = {0};
    (void)fleet_listen(fleet, now_ms, note_told, &told);
    fleet_changes_take(fleet);
    return told;
}

static void hear(struct fleet *fleet, uint32_t unit_id, uint32_t next_due_s,
                 int64_t now_ms)
{
    struct pt_vehicle_state said = PT_VEHICLE_STATE_UNSAID;
    said.present = true;
    said.next_due_s = next_due_s;
    assert_int_equal(fleet_heard(fleet, unit_id, &said, now_ms), PT_OK);
}

static enum fleet_hearing hearing_of(const struct fleet *fleet,
                                     uint32_t unit_id)
{
    return fleet_find(fleet, unit_id)->hearing;
}

/* 1.5 * 10 s, 1.5 * 60 s where nothing is promised, 1.5 * 3600 s at most. */
static void silent_is_past_the_promise(void **state)
{
    (void)state;
    static const struct {
        uint32_t next_due_s;
        double factor;
        int64_t quiet_ms;
    } cases[] = {{10, 1.5, 15000},
                 {0, 1.5, 90000},
                 {3600, 1.5, 5400000},
                 {UINT32_MAX, 1.5, 5400000},
                 {10, 1, 10000},
                 {10, 2.25, 22500},
                 {UINT32_MAX, 100, 360000000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet *fleet = new_fleet(2);
        const int64_t heard_ms = 1000000000;
        int64_t last_ms = heard_ms + cases[i].quiet_ms;
        fleet_set_silent_factor(fleet, cases[i].factor);
        fleet_set_listening(fleet, 1, INT64_MAX);
        hear(fleet, 7, cases[i].next_due_s, heard_ms);
        assert_int_equal(listen_at(fleet, heard_ms).silent, 0);
        struct told told = {0};
        assert_int_equal(fleet_listen(fleet, last_ms, note_told, &told), 1);
        assert_int_equal(hearing_of(fleet, 7), FLEET_HEARD);
        assert_int_equal(fleet_listen(fleet, last_ms + 1, note_told, &told),
                         -1);
        assert_int_equal(hearing_of(fleet, 7), FLEET_SILENT);
        assert_true(told.silent == 1 && told.heard == 0 && told.last == 7);
        const uint32_t *slots; /* so that streams tell the unit */
        assert_int_equal(fleet_changes(fleet, &slots), 1);
        assert_int_equal(listen_at(fleet, last_ms + 900000000).silent, 0);
        hear(fleet, 7, cases[i].next_due_s, last_ms + 900000001);
        assert_int_equal(hearing_of(fleet, 7), FLEET_HEARD);
        assert_int_equal(listen_at(fleet, last_ms + 900000001).heard, 1);
        fleet_free(fleet);
    }
}

/* A tunnel is not a lost network. */
static void a_heartbeat_without_a_fix_is_heard(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(2);
    fleet_set_listening(fleet, 1, INT64_MAX);
    hear(fleet, 9, 10, 1000);
    assert_int_equal(fleet_heard(fleet, 9, NULL, 16000), PT_OK);
    listen_at(fleet, 31000);
    assert_int_equal(hearing_of(fleet, 9), FLEET_HEARD);
    assert_false(fleet_find(fleet, 9)->has_fix);
    fleet_free(fleet);
}

/* Whoever was not listening cannot say who was silent. */
static void a_deaf_gateway_calls_nobody_silent(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(3);
    fleet_set_listening(fleet, 1, INT64_MAX);
    hear(fleet, 1, 10, 100000);
    hear(fleet, 2, 10, 110000);
    assert_int_equal(listen_at(fleet, 115001).silent, 1);
    assert_int_equal(hearing_of(fleet, 1), FLEET_SILENT);
    fleet_set_listening(fleet, 0, INT64_MAX);
    assert_int_equal(listen_at(fleet, 500000).silent, 0);
    assert_int_equal(hearing_of(fleet, 1), FLEET_SILENT); /* was before */
    assert_int_equal(hearing_of(fleet, 2), FLEET_UNKNOWN);
    fleet_set_listening(fleet, 500000, INT64_MAX);
    assert_int_equal(listen_at(fleet, 515000).silent, 0);
    assert_int_equal(hearing_of(fleet, 2), FLEET_UNKNOWN);
    struct told told = listen_at(fleet, 515001);
    assert_true(told.silent == 1 && told.last == 2);
    /* Presence alone is no promise. */
    assert_int_equal(fleet_connected(fleet, 3, true), PT_OK);
    assert_int_equal(listen_at(fleet, INT64_C(1) << 50).silent, 0);
    assert_int_equal(hearing_of(fleet, 3), FLEET_UNKNOWN);
    fleet_free(fleet);
}

/* After a start it is the database that says when a unit was last heard. */
static void restored_units_are_judged_by_their_last_fix(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(4);
    struct fleet_unit recent = {
        .unit_id = 1, .has_fix = true, .received_ms = 950000};
    struct fleet_unit past = {
        .unit_id = 2, .has_fix = true, .received_ms = 800000};
    hear(fleet, 3, 10, 999000);
    struct fleet_unit heard = {
        .unit_id = 3, .has_fix = true, .received_ms = 998000};
    fleet_set_listening(fleet, 999000, INT64_MAX);
    assert_int_equal(fleet_restore(fleet, &recent), PT_OK);
    assert_int_equal(fleet_restore(fleet, &past), PT_OK);
    assert_int_equal(fleet_restore(fleet, &heard), PT_OK);
    listen_at(fleet, 1000000);
    assert_int_equal(hearing_of(fleet, 1), FLEET_HEARD); /* within 90 s */
    assert_int_equal(hearing_of(fleet, 2), FLEET_UNKNOWN);
    assert_true(fleet_find(fleet, 1)->heard_restored);
    assert_false(fleet_find(fleet, 3)->heard_restored);
    assert_int_equal(fleet_find(fleet, 3)->heard_ms, 999000);
    hear(fleet, 1, 60, 1010000);
    assert_false(fleet_find(fleet, 1)->heard_restored);
    struct told told = listen_at(fleet, 999000 + 90001);
    assert_int_equal(told.silent, 2);
    assert_int_equal(hearing_of(fleet, 1), FLEET_HEARD);
    assert_int_equal(hearing_of(fleet, 2), FLEET_SILENT);
    assert_int_equal(hearing_of(fleet, 3), FLEET_SILENT); /* by its 15 s */
    fleet_free(fleet);
}

/* The same rule, of the position. */
static void old_is_by_the_same_rule(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(2);
    struct batch_item item = item_of(1, 5, 1, 1000000);
    fleet_set_listening(fleet, 1, INT64_MAX);
    apply_one(fleet, &item);
    const struct fleet_unit *unit = fleet_find(fleet, 1);
    assert_int_equal(fleet_old_at_ms(fleet, unit), 1090001);
    hear(fleet, 1, 10, 1000100);
    assert_int_equal(fleet_old_at_ms(fleet, unit), 1015001);
    fleet_set_silent_factor(fleet, 3);
    assert_int_equal(fleet_old_at_ms(fleet, unit), 1030001);
    listen_at(fleet, 1030101);
    assert_int_equal(fleet_old_at_ms(fleet, unit), INT64_MIN); /* silent */
    fleet_free(fleet);
}

/* Asked only when it wants to be, and with each message, it is never late:
 * against the rule itself, looked at every 100 ms. */
static void silence_is_never_missed(void **state)
{
    (void)state;
    enum { UNITS = 40 };
    struct fleet *fleet = new_fleet(UNITS);
    int64_t heard_ms[UNITS] = {0}, quiet_ms[UNITS] = {0}, due_ms = 0;
    size_t silent = 0;
    srandom(31);
    fleet_set_listening(fleet, 1, INT64_MAX);
    for (int64_t now_ms = 1000000; now_ms < 3000000; now_ms += 100) {
        bool came = random() % 20 == 0;
        if (came) {
            uint32_t promise_s = 1 + (uint32_t)random() % 90;
            long unit = random() % UNITS;
            hear(fleet, 1 + (uint32_t)unit, promise_s, now_ms);
            heard_ms[unit] = now_ms;
            quiet_ms[unit] = (int64_t)promise_s * 1500;
        }
        if (came || now_ms >= due_ms) {
            struct told told = {0};
            int64_t wait_ms = fleet_listen(fleet, now_ms, note_told, &told);
            fleet_changes_take(fleet);
            due_ms = wait_ms < 0 ? INT64_MAX : now_ms + wait_ms;
            silent += told.silent;
        }
        for (uint32_t i = 0; i < UNITS; i++)
            if (heard_ms[i] != 0)
                assert_int_equal(hearing_of(fleet, i + 1),
                                 now_ms - heard_ms[i] > quiet_ms[i]
                                     ? FLEET_SILENT
                                     : FLEET_HEARD);
    }
    assert_true(silent > 100);
    fleet_free(fleet);
}

/* Alarms are on these: who said nothing counts in none of them. */
static void vehicles_are_counted_up(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(5);
    fleet_set_listening(fleet, 1, INT64_MAX);
    struct pt_vehicle_state unsaid = PT_VEHICLE_STATE_UNSAID;
    unsaid.present = true;
    assert_int_equal(fleet_heard(fleet, 1, &unsaid, 1000), PT_OK);
    struct fleet_tally t = fleet_count_up(fleet);
    assert_true(t.silent == 0 && t.without_fix == 0 && t.on_battery == 0 &&
                t.clock_wrong == 0 && t.outbox_entries == 0 &&
                t.outbox_dropped == 0 && isnan(t.outbox_oldest_s));
    struct pt_vehicle_state said = unsaid;
    said.receiver_mode = 1;
    said.power = PT_POWER_BATTERY;
    said.outbox_depth = 4;
    said.oldest_age_s = 30;
    said.clock_known = true;
    said.clock_offset_ms = -5001;
    assert_int_equal(fleet_heard(fleet, 2, &said, 1000), PT_OK);
    said.receiver_mode = 2;
    said.power = PT_POWER_EXTERNAL;
    said.oldest_age_s = 20;
    said.clock_offset_ms = 5000;
    said.dropped = 3;
    assert_int_equal(fleet_heard(fleet, 3, &said, 95000), PT_OK);
    listen_at(fleet, 95000); /* 1 and 2 were last heard 94 s ago */
    t = fleet_count_up(fleet);
    assert_true(t.silent == 2 && t.without_fix == 1 && t.on_battery == 1 &&
                t.clock_wrong == 1 && t.outbox_entries == 8 &&
                t.outbox_dropped == 3 && t.outbox_oldest_s == 30);
    assert_int_equal(fleet_find(fleet, 3)->vehicle_said_ms, 95000);
    fleet_free(fleet);
}

static struct batch_item act_of(uint64_t seq, enum pt_status status,
                                int64_t received_ms)
{
    struct batch_item act = item_of(1, 5, seq, 0); /* a clock at 1970 */
    act.received_ms = received_ms;
    act.entry.kind = PT_KIND_STATUS;
    act.entry.status = (uint8_t)status;
    act.entry.at = (struct geo_point){0, 0};
    act.refusal = REFUSED_TIME_PAST;
    act.act_kept = true;
    act.flags |= BATCH_FLAG_GATEWAY_TIME;
    return act;
}

static void an_act_counts_without_its_place(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item fix = item_of(1, 4, 90, 50000);
    struct batch_item act = act_of(7, PT_STATUS_BUSY, 60000);
    apply_one(fleet, &fix);
    apply_one(fleet, &act);
    const struct fleet_unit *unit = fleet_find(fleet, 1);
    assert_int_equal(unit->status, PT_STATUS_BUSY);
    assert_int_equal(unit->status_time_ms, 60000);
    assert_int_equal(unit->fix_time_ms, 50000);
    assert_int_equal(unit->at.lat_e6, 23000000);
    fleet_free(fleet);
}

/* Newest first, then what is older, some of it twice: when it came in says
 * nothing of what came after what. */
static void gateway_times_yield_to_numbers(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item newest = act_of(7, PT_STATUS_BUSY, 60000);
    struct batch_item older = act_of(6, PT_STATUS_AVAILABLE, 61000);
    struct batch_item fix = item_of(1, 5, 8, 59000); /* its clock was right */
    fix.entry.status = PT_STATUS_ON_SCENE;
    apply_one(fleet, &newest);
    apply_one(fleet, &older);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_BUSY);
    apply_one(fleet, &fix);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_ON_SCENE);
    newest.received_ms = older.received_ms = 70000; /* repeats */
    apply_one(fleet, &older);
    apply_one(fleet, &newest);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_ON_SCENE);
    fleet_free(fleet);
}

/* After a restart, too. */
static void restored_statuses_keep_their_numbers(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct fleet_unit kept = {.unit_id = 1,
                              .status = PT_STATUS_BUSY,
                              .status_time_ms = 60000,
                              .status_generation = 5,
                              .status_seq = 7,
                              .status_gateway_time = true};
    struct batch_item repeat = act_of(6, PT_STATUS_AVAILABLE, 70000);
    struct batch_item next = act_of(8, PT_STATUS_OFF_DUTY, 71000);
    assert_int_equal(fleet_restore(fleet, &kept), PT_OK);
    apply_one(fleet, &repeat);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_BUSY);
    apply_one(fleet, &next);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_OFF_DUTY);
    fleet_free(fleet);
}

static void restore_yields_to_what_is_newer(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    struct batch_item live = item_of(1, 5, 9, 50000);
    apply_one(fleet, &live);
    struct fleet_unit old = {.unit_id = 1,
                             .has_fix = true,
                             .fix_time_ms = 40000,
                             .status = PT_STATUS_BUSY,
                             .status_time_ms = 60000,
                             .generation = 5,
                             .seq = 8};
    assert_int_equal(fleet_restore(fleet, &old), PT_OK);
    assert_int_equal(fleet_find(fleet, 1)->fix_time_ms, 50000);
    assert_int_equal(fleet_find(fleet, 1)->status, PT_STATUS_BUSY);
    old.unit_id = 2;
    assert_int_equal(fleet_restore(fleet, &old), PT_OK);
    assert_int_equal(fleet_find(fleet, 2)->fix_time_ms, 40000);
    assert_int_equal(fleet_find(fleet, 2)->edge, FLEET_NO_EDGE);
    fleet_free(fleet);
}

/* ------------------------------------------------------------ random model */
#define MODEL_UNITS 300
#define MODEL_ENTRIES 20000

struct model_entry {
    uint32_t unit_id;
    int64_t time_ms;
    uint64_t generation, seq;
    enum pt_status status;
    bool position;
    bool forgotten;
};

static struct model_entry model[MODEL_ENTRIES];
static size_t model_count;

static bool beats(const struct model_entry *a, const struct model_entry *b)
{
    if (b == NULL || a->time_ms > b->time_ms)
        return true;
    if (a->time_ms < b->time_ms)
        return false;
    return a->generation > b->generation ||
           (a->generation == b->generation && a->seq > b->seq);
}

static const struct model_entry *model_newest(uint32_t unit_id, bool position)
{
    const struct model_entry *best = NULL;
    for (size_t i = 0; i < model_count; i++) {
        const struct model_entry *e = &model[i];
        if (e->unit_id == unit_id && !e->forgotten &&
            (e->position || !position) && beats(e, best))
            best = e;
    }
    return best;
}

static void check_against_model(struct fleet *fleet)
{
    size_t count = 0;
    for (uint32_t id = 0; id < MODEL_UNITS; id++) {
        const struct model_entry *any = model_newest(id, false);
        const struct model_entry *fix = model_newest(id, true);
        const struct fleet_unit *unit = fleet_find(fleet, id);
        assert_int_equal(unit != NULL, any != NULL);
        if (unit == NULL)
            continue;
        count++;
        uint32_t slot;
        assert_true(fleet_slot(fleet, id, &slot));
        assert_ptr_equal(fleet_at(fleet, slot), unit);
        assert_int_equal(unit->status, any->status);
        assert_int_equal(unit->has_fix, fix != NULL);
        if (fix == NULL)
            continue;
        assert_int_equal(unit->fix_time_ms, fix->time_ms);
        assert_int_equal(unit->generation, fix->generation);
        assert_int_equal(unit->seq, fix->seq);
    }
    assert_int_equal(fleet_count(fleet), count);
}

static bool model_keeps(void *context, uint32_t unit_id)
{
    return unit_id % *(uint32_t *)context != 0;
}

static void random_operations(void **state)
{
    (void)state;
    srandom(20240611);
    struct fleet *fleet = new_fleet(MODEL_UNITS);
    model_count = 0;
    while (model_count < MODEL_ENTRIES) {
        struct model_entry e = {
            .unit_id = (uint32_t)random() % MODEL_UNITS,
            .time_ms = 1 + random() % 500,
            .generation = 1 + (uint64_t)random() % 3,
            .seq = model_count + 1,
            .status = (enum pt_status)(random() % PT_STATUS_COUNT),
            .position = random() % 4 != 0,
        };
        model[model_count++] = e;
        struct batch_item item =
            item_of(e.unit_id, e.generation, e.seq, e.time_ms);
        item.entry.status = (uint8_t)e.status;
        item.entry.flags = e.position ? PT_FLAG_POSITION : 0;
        apply_one(fleet, &item);
        if (random() % 4 == 0) /* a repeat of anything before */
            apply_one(fleet, &item);
        if (model_count % 4000 != 0)
            continue;
        check_against_model(fleet);
        uint32_t divisor = 2 + (uint32_t)random() % 5;
        fleet_keep(fleet, model_keeps, &divisor);
        for (size_t i = 0; i < model_count; i++)
            model[i].forgotten |= model[i].unit_id % divisor == 0;
        check_against_model(fleet);
    }
    fleet_free(fleet);
}

/* ----------------------------------------------------------------- changes */
static bool not_ten(void *context, uint32_t unit_id)
{
    (void)context;
    return unit_id != 10;
}

static void changes_come_once_and_in_order(void **state)
{
    (void)state;
    struct fleet *fleet = new_fleet(10);
    for (uint32_t id = 10; id < 13; id++) {
        struct batch_item item = item_of(id, 1, 1, 1000);
        apply_one(fleet, &item);
        item = item_of(id, 1, 2, 2000);
        apply_one(fleet, &item);
    }
    const uint32_t *slots;
    assert_int_equal(fleet_changes(fleet, &slots), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(fleet_at(fleet, slots[i])->unit_id, 10 + i);
    assert_int_equal(fleet_find(fleet, 10)->revision, 2);
    fleet_changes_take(fleet);
    assert_int_equal(fleet_changes(fleet, &slots), 0);
    /* 12 moves into the slot of 10, and must be told although it said
     * nothing new. */
    uint64_t shape = fleet_shape(fleet);
    fleet_keep(fleet, not_ten, NULL);
    assert_true(fleet_shape(fleet) != shape);
    shape = fleet_shape(fleet);
    fleet_keep(fleet, not_ten, NULL); /* nothing moves */
    assert_true(fleet_shape(fleet) == shape);
    assert_int_equal(fleet_changes(fleet, &slots), 1);
    assert_int_equal(fleet_at(fleet, slots[0])->unit_id, 12);
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_fix_over),
        cmocka_unit_test(late_entries_move_nothing_back),
        cmocka_unit_test(one_instant_has_one_winner),
        cmocka_unit_test(a_panic_is_kept),
        cmocka_unit_test(what_was_seen_is_that_act_alone),
        cmocka_unit_test(places_and_crews_are_said_and_taken_back),
        cmocka_unit_test(radio_is_shown_until_a_newer_fix),
        cmocka_unit_test(status_comes_without_a_fix),
        cmocka_unit_test(refused_items_are_passed_over),
        cmocka_unit_test(full_still_takes_the_known),
        cmocka_unit_test(presence_and_vehicle),
        cmocka_unit_test(silent_is_past_the_promise),
        cmocka_unit_test(a_deaf_gateway_calls_nobody_silent),
        cmocka_unit_test(restored_units_are_judged_by_their_last_fix),
        cmocka_unit_test(old_is_by_the_same_rule),
        cmocka_unit_test(silence_is_never_missed),
        cmocka_unit_test(vehicles_are_counted_up),
        cmocka_unit_test(a_heartbeat_without_a_fix_is_heard),
        cmocka_unit_test(an_act_counts_without_its_place),
        cmocka_unit_test(gateway_times_yield_to_numbers),
        cmocka_unit_test(restored_statuses_keep_their_numbers),
        cmocka_unit_test(restore_yields_to_what_is_newer),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(changes_come_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

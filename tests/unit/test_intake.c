/* intake: the ring, the judge and the receipts' schedule. What needs a broker
 * stands in tests/integration/test_gateway.py. */
#include "intake_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)
#define DAY_MS INT64_C(86400000)

/* -------------------------------------------------------------------- the ring
 */
static struct inbox_message message_of(uint32_t number, const uint8_t *payload,
                                       uint32_t size)
{
    struct inbox_message message = {
        .kind = number % 2 == 0 ? LINK_REPORT : LINK_PRESENCE,
        .retained = number % 3 == 0,
        .received_ms = NOW_MS + number,
        .size = size,
        .payload = payload,
    };
    snprintf(message.device, sizeof(message.device), "car-%u", number);
    return message;
}

/* A queue of the messages' numbers is the model: a payload is its number,
 * repeated. */
static void inbox_is_a_queue(void **state)
{
    (void)state;
    struct inbox inbox;
    uint8_t payload[300];
    uint32_t first = 0, next = 0;
    size_t refused = 0;
    srandom(7);
    assert_int_equal(inbox_init(&inbox, 2000), PT_OK);
    for (int i = 0; i < 200000; i++) {
        if (random() % 2 == 0) {
            uint32_t size = next % 11 == 0 ? 0 : next * 7 % 300;
            memset(payload, (int)(next % 251), size);
            struct inbox_message message = message_of(next, payload, size);
            if (inbox_put(&inbox, &message) == PT_OK)
                next++;
            else
                refused++;
            continue;
        }
        struct inbox_message got;
        assert_int_equal(inbox_peek(&inbox, &got), first != next);
        if (first == next)
            continue;
        uint32_t size = first % 11 == 0 ? 0 : first * 7 % 300;
        memset(payload, (int)(first % 251), size);
        struct inbox_message want = message_of(first, payload, size);
        assert_int_equal(got.size, size);
        assert_int_equal(got.kind, want.kind);
        assert_int_equal(got.retained, want.retained);
        assert_int_equal(got.received_ms, want.received_ms);
        assert_string_equal(got.device, want.device);
        assert_memory_equal(got.payload, payload, size);
        inbox_drop(&inbox);
        first++;
        assert_int_equal(inbox.waiting, next - first);
    }
    assert_true(refused > 100); /* the bound was met, and often */
    assert_true(next > 10000);
    inbox_clear(&inbox);
}

static void inbox_refuses_what_never_fits(void **state)
{
    (void)state;
    struct inbox inbox;
    uint8_t payload[500] = {0};
    assert_int_equal(inbox_init(&inbox, 500), PT_OK);
    struct inbox_message message = message_of(1, payload, 500);
    assert_int_equal(inbox_put(&inbox, &message), PT_E_FULL);
    message.size = 100;
    assert_int_equal(inbox_put(&inbox, &message), PT_OK);
    inbox_clear(&inbox);
}

/* ------------------------------------------------------------------- the judge
 */
static const struct judge_limits limits = {
    .past_max_ms = 30 * DAY_MS, .future_max_ms = 300000, .jump_mps = 80};

static struct pt_entry good_entry(void)
{
    return (struct pt_entry){
        .seq = 1,
        .time_ms = NOW_MS - 1000,
        .at = {23113000, -82366000},
        .speed_cmps = 1400,
        .course_cdeg = 9000,
        .accuracy_dm = 50,
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE |
                 PT_FLAG_ACCURACY | PT_FLAG_3D,
        .status = PT_STATUS_AVAILABLE,
        .kind = PT_KIND_FIX,
    };
}

static void judges_coordinates(void **state)
{
    (void)state;
    static const struct {
        struct geo_point at;
        enum batch_refusal want;
    } cases[] = {
        {{90000000, 180000000}, REFUSED_NOT},
        {{-90000000, -180000000}, REFUSED_NOT},
        {{90000001, 0}, REFUSED_COORDINATES},
        {{-90000001, 0}, REFUSED_COORDINATES},
        {{0, 180000001}, REFUSED_COORDINATES},
        {{0, -180000001}, REFUSED_COORDINATES},
        {{INT32_MIN, INT32_MAX}, REFUSED_COORDINATES},
        {{0, 0}, REFUSED_COORDINATES},
        {{0, 1}, REFUSED_NOT},
        {{1, 0}, REFUSED_NOT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_entry entry = good_entry();
        entry.at = cases[i].at;
        assert_int_equal(judge_entry(&limits, &entry, NOW_MS), cases[i].want);
    }
    /* Without a position there is none to judge: a status, a heartbeat. */
    struct pt_entry entry = good_entry();
    entry.flags = 0;
    entry.at = (struct geo_point){0, 0};
    assert_int_equal(judge_entry(&limits, &entry, NOW_MS), REFUSED_NOT);
}

static void judges_values(void **state)
{
    (void)state;
    struct pt_entry entry = good_entry();
    entry.speed_cmps = 15000;
    assert_int_equal(judge_entry(&limits, &entry, NOW_MS), REFUSED_NOT);
    entry.speed_cmps = 15001;
    assert_int_equal(judge_entry(&limits, &entry, NOW_MS), REFUSED_VALUE);
    entry.flags &= (uint8_t)~PT_FLAG_SPEED; /* not said */
    assert_int_equal(judge_entry(&limits, &entry, NOW_MS), REFUSED_NOT);
    entry.accuracy_dm = 1000001;
    assert_int_equal(judge_entry(&limits, &entry, NOW_MS), REFUSED_VALUE);
}

static void judges_times(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ms;
        enum batch_refusal want;
    } cases[] = {
        {NOW_MS, REFUSED_NOT},
        {NOW_MS - 30 * DAY_MS, REFUSED_NOT},
        {NOW_MS - 30 * DAY_MS - 1, REFUSED_TIME_PAST},
        {NOW_MS + 300000, REFUSED_NOT},
        {NOW_MS + 300001, REFUSED_TIME_FUTURE},
        {0, REFUSED_TIME_PAST},
        {INT64_MIN, REFUSED_TIME_PAST},
        {INT64_MAX, REFUSED_TIME_FUTURE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_entry entry = good_entry();
        entry.time_ms = cases[i].time_ms;
        assert_int_equal(judge_entry(&limits, &entry, NOW_MS), cases[i].want);
        entry.flags |= PT_FLAG_CLOCK_UNSURE; /* no wider window */
        assert_int_equal(judge_entry(&limits, &entry, NOW_MS), cases[i].want);
    }
}

/* One degree of latitude is 110.57 km at the equator and 111.69 km at the
 * poles (WGS84): 0.01 degree is some 1,100 m, at 80 m/s about 13 s away once
 * the slack is off. */
static void judges_jumps(void **state)
{
    (void)state;
    struct geo_point a = {23000000, -82000000}, b = {23010000, -82000000};
    assert_true(judge_jump(&limits, a, NOW_MS, b, NOW_MS + 12000));
    assert_true(judge_jump(&limits, b, NOW_MS + 12000, a, NOW_MS));
    assert_false(judge_jump(&limits, a, NOW_MS, b, NOW_MS + 14000));
    assert_true(judge_jump(&limits, a, NOW_MS, b, NOW_MS));
    /* 45 m at one instant is noise. */
    struct geo_point c = {23000400, -82000000};
    assert_false(judge_jump(&limits, a, NOW_MS, c, NOW_MS));
}

static void judges_numbers_beyond_bigint(void **state)
{
    (void)state;
    struct pt_entry entry = good_entry();
    struct pt_report report = {
        .generation = 1, .lowest_held = 1, .count = 1, .entries = &entry};
    assert_true(judge_report(&report));
    entry.seq = (uint64_t)INT64_MAX + 1;
    assert_false(judge_report(&report));
    entry.seq = INT64_MAX;
    assert_true(judge_report(&report));
    report.lowest_held = (uint64_t)INT64_MAX + 1;
    assert_false(judge_report(&report));
    report.lowest_held = 0;
    report.count = 0;
    assert_true(judge_report(&report));
}

/* ---------------------------------------------------------------- the schedule
 */
#define EVERY_MS 30000

static struct store_receipt receipt_of(const char *device, uint64_t generation,
                                       uint64_t stored_to, bool at_once)
{
    struct store_receipt receipt = {
        .receipt = {.generation = generation, .stored_to = stored_to},
        .backlog = at_once,
    };
    snprintf(receipt.device_name, sizeof(receipt.device_name), "%s", device);
    return receipt;
}

static void put(struct receipts *receipts, const char *device,
                uint64_t generation, uint64_t stored_to, bool at_once,
                int64_t now_ms)
{
    struct store_receipt receipt =
        receipt_of(device, generation, stored_to, at_once);
    assert_int_equal(receipts_put(receipts, &receipt, now_ms), PT_OK);
}

/* What is due, published; 0 when nothing is. */
static uint64_t send_one(struct receipts *receipts, int64_t now_ms,
                         const char *device)
{
    struct receipts_due due;
    struct pt_receipt receipt;
    if (!receipts_next(receipts, now_ms, &due))
        return 0;
    assert_string_equal(due.device, device);
    assert_int_equal(pt_receipt_decode(due.bytes, due.size, &receipt), PT_OK);
    receipts_sent(receipts, due.slot, now_ms);
    return receipt.stored_to;
}

static struct receipts *new_receipts(size_t max)
{
    struct receipts *receipts;
    assert_int_equal(receipts_new(max, EVERY_MS, &receipts), PT_OK);
    return receipts;
}

static void routine_keeps_its_distance(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(10);
    assert_int_equal(receipts_wait(receipts, 1000), -1);
    put(receipts, "a", 1, 5, false, 1000);
    assert_int_equal(receipts_wait(receipts, 1000), 0);
    assert_int_equal(send_one(receipts, 1000, "a"), 5); /* the first at once */
    put(receipts, "a", 1, 6, false, 2000);
    put(receipts, "a", 1, 7, false, 3000); /* replaces 6 */
    assert_int_equal(receipts_waiting(receipts), 1);
    assert_int_equal(send_one(receipts, 30999, "a"), 0);
    assert_int_equal(receipts_wait(receipts, 30999), 1);
    assert_int_equal(send_one(receipts, 31000, "a"), 7);
    assert_int_equal(receipts_wait(receipts, 31000), -1);
    put(receipts, "a", 1, 8, false, 90000); /* long after: at once */
    assert_int_equal(send_one(receipts, 90000, "a"), 8);
    receipts_free(receipts);
}

static void urgent_goes_at_once(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(10);
    put(receipts, "a", 1, 5, false, 1000);
    assert_int_equal(send_one(receipts, 1000, "a"), 5);
    put(receipts, "a", 1, 6, false, 2000);
    assert_int_equal(send_one(receipts, 2000, "a"), 0);
    put(receipts, "a", 1, 7, true, 2000);
    put(receipts, "a", 1, 8, false, 2001); /* newer, and no less urgent */
    assert_int_equal(send_one(receipts, 2001, "a"), 8);
    assert_int_equal(send_one(receipts, 2001, "a"), 0);
    receipts_free(receipts);
}

static void waits_until_it_is_sent(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(10);
    struct receipts_due due;
    put(receipts, "a", 1, 5, false, 1000);
    assert_true(receipts_next(receipts, 1000, &due));
    assert_true(receipts_next(receipts, 1000, &due)); /* the broker is away */
    put(receipts, "a", 1, 6, false, 500000);
    assert_int_equal(send_one(receipts, 500000, "a"), 6);
    receipts_free(receipts);
}

static void bounded_and_forgets_the_idle(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(100);
    char device[16];
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(device, sizeof(device), "car-%u", (unsigned)i);
        put(receipts, device, 1, i + 1, false, 1000);
    }
    struct store_receipt one_more = receipt_of("late", 1, 1, false);
    assert_int_equal(receipts_put(receipts, &one_more, 1000), PT_E_FULL);
    put(receipts, "car-7", 1, 700, false, 1000); /* the known are taken */
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(device, sizeof(device), "car-%u", (unsigned)i);
        assert_int_equal(send_one(receipts, 1000, device),
                         i == 7 ? 700 : i + 1);
    }
    assert_int_equal(receipts_put(receipts, &one_more, 30999), PT_E_FULL);
    assert_int_equal(receipts_put(receipts, &one_more, 31000), PT_OK);
    assert_int_equal(send_one(receipts, 31000, "late"), 1);
    receipts_free(receipts);
}

static void generations_are_apart(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(10);
    put(receipts, "a", 1, 5, false, 1000);
    put(receipts, "a", 2, 3, false, 1000);
    assert_int_equal(receipts_waiting(receipts), 2);
    assert_int_equal(send_one(receipts, 1000, "a"), 5);
    assert_int_equal(send_one(receipts, 1000, "a"), 3);
    receipts_free(receipts);
}

/* A model with one record a device: nothing is late, nothing goes before its
 * time, the newest number is what goes. */
#define MODEL_DEVICES 40

struct model_device {
    uint64_t newest;
    int64_t due_ms, sent_ms;
    bool waiting, sent;
};

static void model_sends(struct receipts *receipts, struct model_device *model,
                        int64_t now_ms)
{
    struct receipts_due due;
    while (receipts_next(receipts, now_ms, &due)) {
        struct model_device *d = &model[atoi(due.device)];
        struct pt_receipt got;
        assert_int_equal(pt_receipt_decode(due.bytes, due.size, &got), PT_OK);
        assert_true(d->waiting && d->due_ms <= now_ms);
        assert_int_equal(got.stored_to, d->newest);
        d->waiting = false;
        d->sent = true;
        d->sent_ms = now_ms;
        receipts_sent(receipts, due.slot, now_ms);
    }
    for (int i = 0; i < MODEL_DEVICES; i++)
        assert_false(model[i].waiting &&
                     model[i].due_ms + RECEIPTS_GRAIN_MS <= now_ms);
}

static void random_schedule(void **state)
{
    (void)state;
    struct receipts *receipts = new_receipts(MODEL_DEVICES);
    struct model_device model[MODEL_DEVICES] = {0};
    int64_t now_ms = 0;
    srandom(11);
    for (uint64_t n = 1; n < 100000; n++) {
        now_ms += random() % 400;
        int which = (int)(random() % MODEL_DEVICES);
        bool at_once = random() % 10 == 0;
        char device[16];
        snprintf(device, sizeof(device), "%d", which);
        put(receipts, device, 9, n, at_once, now_ms);
        struct model_device *d = &model[which];
        int64_t due_ms = at_once || !d->sent || now_ms >= d->sent_ms + EVERY_MS
                             ? now_ms
                             : d->sent_ms + EVERY_MS;
        d->due_ms = d->waiting && d->due_ms < due_ms ? d->due_ms : due_ms;
        d->newest = n;
        d->waiting = true;
        if (random() % 3 == 0)
            model_sends(receipts, model, now_ms);
    }
    receipts_free(receipts);
}

/* -------------------------------------------------------------------- the cost
 */
static uint64_t cost_of(const struct cost *cost, enum cost_kind kind)
{
    uint64_t bytes = 0;
    for (int layer = 0; layer < COST_LAYERS; layer++)
        bytes += cost->bytes[kind][layer];
    return bytes;
}

/* 40 bytes of payload: MQTT 8 (2, topic of length 0: 2, properties 1 + 3), TLS
 * 22 (RFC 8446: 5 + 1 + 16), 52 of IP and TCP with time stamps, an
 * acknowledgement of 52. */
static void a_fix_costs_its_layers(void **state)
{
    (void)state;
    struct cost cost = {.with_tls = true};
    cost_report(&cost, 40, 1);
    assert_int_equal(cost.messages[COST_FIX], 1);
    assert_int_equal(cost.entries[COST_FIX], 1);
    assert_int_equal(cost.bytes[COST_FIX][COST_PAYLOAD], 40);
    assert_int_equal(cost.bytes[COST_FIX][COST_MQTT], 8);
    assert_int_equal(cost.bytes[COST_FIX][COST_TLS], 22);
    assert_int_equal(cost.bytes[COST_FIX][COST_TCP_IP], 104);
    assert_int_equal(cost_of(&cost, COST_FIX), 174);
    cost_report(&cost, 20, 0);
    assert_int_equal(cost.messages[COST_HEARTBEAT], 1);
    assert_int_equal(cost_of(&cost, COST_HEARTBEAT), 154);
    assert_int_equal(cost.messages[COST_BATCH], 0);
    assert_int_equal(cost_of(&cost, COST_FIX), 174);
}

/* 20,000 bytes, MQTT 10 (its length takes 3 bytes): two records of TLS, 14
 * packets of 1,448 bytes, 7 acknowledgements. */
static void a_batch_takes_many_packets(void **state)
{
    (void)state;
    struct cost cost = {.with_tls = true};
    cost_report(&cost, 20000, 2000);
    assert_int_equal(cost.entries[COST_BATCH], 2000);
    assert_int_equal(cost.bytes[COST_BATCH][COST_MQTT], 10);
    assert_int_equal(cost.bytes[COST_BATCH][COST_TLS], 44);
    assert_int_equal(cost.bytes[COST_BATCH][COST_TCP_IP], (14 + 7) * 52);
}

/* A receipt's topic is written out (24 bytes); without TLS there is none. */
static void a_receipt_costs_its_topic(void **state)
{
    (void)state;
    struct cost cost = {0};
    cost_receipt(&cost, strlen("patrol/v1/car-77/receipt"), 12);
    assert_int_equal(cost.messages[COST_RECEIPT], 1);
    assert_int_equal(cost.bytes[COST_RECEIPT][COST_MQTT], 2 + 2 + 24 + 1);
    assert_int_equal(cost.bytes[COST_RECEIPT][COST_TLS], 0);
    assert_int_equal(cost.bytes[COST_RECEIPT][COST_TCP_IP], 104);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_is_a_queue),
        cmocka_unit_test(inbox_refuses_what_never_fits),
        cmocka_unit_test(judges_coordinates),
        cmocka_unit_test(judges_values),
        cmocka_unit_test(judges_times),
        cmocka_unit_test(judges_jumps),
        cmocka_unit_test(judges_numbers_beyond_bigint),
        cmocka_unit_test(routine_keeps_its_distance),
        cmocka_unit_test(urgent_goes_at_once),
        cmocka_unit_test(waits_until_it_is_sent),
        cmocka_unit_test(bounded_and_forgets_the_idle),
        cmocka_unit_test(generations_are_apart),
        cmocka_unit_test(random_schedule),
        cmocka_unit_test(a_fix_costs_its_layers),
        cmocka_unit_test(a_batch_takes_many_packets),
        cmocka_unit_test(a_receipt_costs_its_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

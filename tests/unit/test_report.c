/* Golden bytes come from protoc 3.21.12, the command and the text beside
 * them; random reports are compared with protobuf-c's own packer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fail_alloc.h"
#include "report.h"
#include "report.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* protoc --encode patrol.v1.Report report.proto <<'END'
 * generation: 0x1122334455667788 held_below: 2 count: 1 seq: 300
 * time_ms: 1767225600250 lat_e6: 23133000 lon_e6: -82383000
 * speed_cmps: 1250 course_cdeg: 27000 accuracy_dm: 45 flags: 0x11f
 * END */
static const uint8_t single_bytes[] = {
    0x09, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x10, 0x02, 0x18,
    0x01, 0x20, 0xac, 0x02, 0x28, 0xfa, 0xd1, 0xea, 0xb6, 0xb7, 0x33, 0x30,
    0x90, 0xed, 0x87, 0x16, 0x38, 0xaf, 0xc2, 0xc8, 0x4e, 0x40, 0xe2, 0x09,
    0x48, 0xf8, 0xd2, 0x01, 0x50, 0x2d, 0x58, 0x9f, 0x02};

#define ALL_VALUES                                                          \
    (PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE | PT_FLAG_ACCURACY | \
     PT_FLAG_3D)

static const struct pt_entry first = {.seq = 300,
                                      .time_ms = 1767225600250,
                                      .at = {23133000, -82383000},
                                      .speed_cmps = 1250,
                                      .course_cdeg = 27000,
                                      .accuracy_dm = 45,
                                      .flags = ALL_VALUES,
                                      .status = PT_STATUS_AVAILABLE};

/* protoc --encode patrol.v1.Report report.proto <<'END'
 * generation: 0x8000000000000001 count: 4 seq: 5
 * time_ms: 1767225600250 lat_e6: 23133000 lon_e6: -82383000
 * speed_cmps: 1250 course_cdeg: 27000 accuracy_dm: 45 flags: 0x11f
 * seq_delta: [1, 3, 1]
 * time_delta_ms: [1000, -4000, 5000]
 * lat_delta_e6: [10, 0, -90]
 * lon_delta_e6: [-100, 0, 0]
 * speed_delta_cmps: [0, 0, -1250]
 * course_delta_cdeg: [-100, 0, 9000]
 * flags_delta: [0, 0x1101, -0x1101]
 * details { text: "turno 7" }
 * details { index: 2 text: "h\303\251" }
 * state { now_ms: 1767225605000 receiver_mode: 4 satellites_used: 1
 *         outbox_depth: 4 oldest_age_s: 5 dropped: 6 next_due_s: 10 }
 * END
 * (0x1101 takes 0x011f, all values and available, to 0x1220, kind status,
 * en route, clock unsure.) */
static const uint8_t batch_bytes[] = {
    0x09, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x18, 0x04, 0x20,
    0x05, 0x28, 0xfa, 0xd1, 0xea, 0xb6, 0xb7, 0x33, 0x30, 0x90, 0xed, 0x87,
    0x16, 0x38, 0xaf, 0xc2, 0xc8, 0x4e, 0x40, 0xe2, 0x09, 0x48, 0xf8, 0xd2,
    0x01, 0x50, 0x2d, 0x58, 0x9f, 0x02, 0xa2, 0x01, 0x03, 0x01, 0x03, 0x01,
    0xaa, 0x01, 0x06, 0xd0, 0x0f, 0xbf, 0x3e, 0x90, 0x4e, 0xb2, 0x01, 0x04,
    0x14, 0x00, 0xb3, 0x01, 0xba, 0x01, 0x04, 0xc7, 0x01, 0x00, 0x00, 0xc2,
    0x01, 0x04, 0x00, 0x00, 0xc3, 0x13, 0xca, 0x01, 0x06, 0xc7, 0x01, 0x00,
    0xd0, 0x8c, 0x01, 0xda, 0x01, 0x05, 0x00, 0x82, 0x44, 0x81, 0x44, 0xc2,
    0x02, 0x09, 0x12, 0x07, 0x74, 0x75, 0x72, 0x6e, 0x6f, 0x20, 0x37, 0xc2,
    0x02, 0x07, 0x08, 0x02, 0x12, 0x03, 0x68, 0xc3, 0xa9, 0xca, 0x02, 0x13,
    0x08, 0x88, 0xf7, 0xea, 0xb6, 0xb7, 0x33, 0x10, 0x04, 0x18, 0x01, 0x20,
    0x04, 0x28, 0x05, 0x30, 0x06, 0x38, 0x0a};

static const struct pt_entry batch_entries[4] = {
    {.seq = 5,
     .time_ms = 1767225600250,
     .at = {23133000, -82383000},
     .speed_cmps = 1250,
     .course_cdeg = 27000,
     .accuracy_dm = 45,
     .flags = ALL_VALUES,
     .status = PT_STATUS_AVAILABLE,
     .detail = "turno 7"},
    {.seq = 6,
     .time_ms = 1767225601250,
     .at = {23133010, -82383100},
     .speed_cmps = 1250,
     .course_cdeg = 26900,
     .accuracy_dm = 45,
     .flags = ALL_VALUES,
     .status = PT_STATUS_AVAILABLE},
    {.seq = 9,
     .time_ms = 1767225597250,
     .flags = PT_FLAG_CLOCK_UNSURE,
     .status = PT_STATUS_EN_ROUTE,
     .kind = PT_KIND_STATUS,
     .detail = "h\303\251"},
    {.seq = 10,
     .time_ms = 1767225602250,
     .at = {23132920, -82383100},
     .speed_cmps = 0,
     .course_cdeg = 35900,
     .accuracy_dm = 45,
     .flags = ALL_VALUES,
     .status = PT_STATUS_AVAILABLE},
};

static struct pt_report batch_report(void)
{
    return (struct pt_report){.generation = 0x8000000000000001,
                              .lowest_held = 5,
                              .state = {.present = true,
                                        .now_ms = 1767225605000,
                                        .receiver_mode = 3,
                                        .satellites_used = 0,
                                        .outbox_depth = 4,
                                        .oldest_age_s = 5,
                                        .dropped = 6,
                                        .next_due_s = 10,
                                        .battery_percent = -1},
                              .count = 4,
                              .entries = (struct pt_entry *)batch_entries};
}

/* protoc --encode patrol.v1.Report report.proto <<'END'
 * generation: 7 seq: 41 state { now_ms: 1767225605000 receiver_mode: 1 }
 * END */
static const uint8_t heartbeat_bytes[] = {
    0x09, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x29, 0xca,
    0x02, 0x09, 0x08, 0x88, 0xf7, 0xea, 0xb6, 0xb7, 0x33, 0x10, 0x01};

/* protoc --encode patrol.v1.Report report.proto <<'END'
 * generation: 7 seq: 41
 * state { now_ms: 1767225605000 receiver_mode: 1 oldest_age_s: 0
 *         settings_revision: 7 clock_offset_ms: 0 power: 1
 *         battery_percent: 1 }
 * END */
static const uint8_t zeros_bytes[] = {
    0x09, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x29,
    0xca, 0x02, 0x13, 0x08, 0x88, 0xf7, 0xea, 0xb6, 0xb7, 0x33, 0x10,
    0x01, 0x28, 0x00, 0x40, 0x07, 0x48, 0x00, 0x50, 0x01, 0x58, 0x01};

/* protoc --encode patrol.v1.Receipt report.proto <<'END'
 * generation: 0x1122334455667788 stored_to: 1000 ranges: [1, 3, 5, 1]
 * END */
static const uint8_t receipt_bytes[] = {0x09, 0x88, 0x77, 0x66, 0x55, 0x44,
                                        0x33, 0x22, 0x11, 0x10, 0xe8, 0x07,
                                        0x1a, 0x04, 0x01, 0x03, 0x05, 0x01};

static void assert_entry(const struct pt_entry *a, const struct pt_entry *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->at.lat_e6, b->at.lat_e6);
    assert_int_equal(a->at.lon_e6, b->at.lon_e6);
    assert_int_equal(a->speed_cmps, b->speed_cmps);
    assert_int_equal(a->course_cdeg, b->course_cdeg);
    assert_int_equal(a->accuracy_dm, b->accuracy_dm);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->kind, b->kind);
    if (a->detail == NULL || b->detail == NULL)
        assert_ptr_equal(a->detail, b->detail);
    else
        assert_string_equal(a->detail, b->detail);
}

static void assert_report(const struct pt_report *a, const struct pt_report *b)
{
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->lowest_held, b->lowest_held);
    assert_int_equal(a->state.present, b->state.present);
    if (a->state.present) {
        assert_int_equal(a->state.now_ms, b->state.now_ms);
        assert_int_equal(a->state.receiver_mode, b->state.receiver_mode);
        assert_int_equal(a->state.satellites_used, b->state.satellites_used);
        assert_int_equal(a->state.outbox_depth, b->state.outbox_depth);
        assert_int_equal(a->state.oldest_age_s, b->state.oldest_age_s);
        assert_int_equal(a->state.dropped, b->state.dropped);
        assert_int_equal(a->state.next_due_s, b->state.next_due_s);
        assert_int_equal(a->state.settings_revision,
                         b->state.settings_revision);
        assert_int_equal(a->state.clock_known, b->state.clock_known);
        assert_int_equal(a->state.clock_offset_ms, b->state.clock_offset_ms);
        assert_int_equal(a->state.power, b->state.power);
        assert_int_equal(a->state.battery_percent, b->state.battery_percent);
    }
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_entry(&a->entries[i], &b->entries[i]);
}

/* Both ways between a report and its golden bytes. */
static void assert_golden(const struct pt_report *report, const uint8_t *bytes,
                          size_t size)
{
    uint8_t out[1024];
    size_t used = 0;
    struct pt_report decoded;

    assert_true(pt_report_bound(report) >= size);
    assert_int_equal(pt_report_encode(report, out, sizeof out, &used), PT_OK);
    assert_int_equal(used, size);
    assert_memory_equal(out, bytes, size);
    assert_int_equal(pt_report_decode(bytes, size, &decoded), PT_OK);
    assert_report(&decoded, report);
    pt_report_clear(&decoded);
    pt_report_clear(&decoded);
}

static void test_single(void **context)
{
    struct pt_entry entry = first;
    struct pt_report report = {.generation = 0x1122334455667788,
                               .lowest_held = 298,
                               .count = 1,
                               .entries = &entry};

    (void)context;
    assert_golden(&report, single_bytes, sizeof single_bytes);
}

static void test_batch(void **context)
{
    struct pt_report report = batch_report();

    (void)context;
    assert_golden(&report, batch_bytes, sizeof batch_bytes);
}

static void test_heartbeat(void **context)
{
    struct pt_report report = {.generation = 7,
                               .lowest_held = 41,
                               .state = {.present = true,
                                         .now_ms = 1767225605000,
                                         .receiver_mode = 0,
                                         .satellites_used = -1,
                                         .oldest_age_s = -1,
                                         .battery_percent = -1}};

    (void)context;
    assert_golden(&report, heartbeat_bytes, sizeof heartbeat_bytes);
}

/* What is 0 and said is not what is not said, as in the heartbeat. */
static void test_zeros_are_said(void **context)
{
    struct pt_report report = {.generation = 7,
                               .lowest_held = 41,
                               .state = {.present = true,
                                         .now_ms = 1767225605000,
                                         .receiver_mode = 0,
                                         .satellites_used = -1,
                                         .oldest_age_s = 0,
                                         .settings_revision = 7,
                                         .clock_known = true,
                                         .clock_offset_ms = 0,
                                         .power = PT_POWER_EXTERNAL,
                                         .battery_percent = 0}};

    (void)context;
    assert_golden(&report, zeros_bytes, sizeof zeros_bytes);
}

/* What report.proto says that it costs. As protoc --encode has it: 45 bytes
 * without a state, 72 and 88 with these. */
static void test_cost_of_a_state(void **context)
{
    struct pt_entry entry = first;
    struct pt_report report = {.generation = 0x1122334455667788,
                               .lowest_held = 298,
                               .count = 1,
                               .entries = &entry};
    uint8_t out[256];
    size_t used;

    (void)context;
    assert_int_equal(pt_report_encode(&report, out, sizeof out, &used), PT_OK);
    assert_int_equal(used, 45);
    report.state = (struct pt_vehicle_state){.present = true,
                                             .now_ms = 1767225605000,
                                             .receiver_mode = 3,
                                             .satellites_used = 9,
                                             .outbox_depth = 4,
                                             .oldest_age_s = 25,
                                             .next_due_s = 10,
                                             .clock_known = true,
                                             .clock_offset_ms = 310,
                                             .power = PT_POWER_EXTERNAL,
                                             .battery_percent = 100};
    assert_int_equal(pt_report_encode(&report, out, sizeof out, &used), PT_OK);
    assert_int_equal(used, 72);
    report.state.outbox_depth = 500000;
    report.state.oldest_age_s = 1000000;
    report.state.dropped = 100000;
    report.state.next_due_s = 900;
    report.state.settings_revision = 1000;
    report.state.clock_offset_ms = -1767225605000; /* at 1970 */
    assert_int_equal(pt_report_encode(&report, out, sizeof out, &used), PT_OK);
    assert_int_equal(used, 88);
}

/* It is encoded so; `ret` is what is read from that. */
static void check_receipt(const struct pt_receipt *receipt,
                          const uint8_t *bytes, size_t size,
                          struct pt_receipt *ret)
{
    uint8_t out[PT_RECEIPT_BYTES_MAX];
    size_t used = 0;

    assert_int_equal(pt_receipt_encode(receipt, out, sizeof out, &used), PT_OK);
    assert_int_equal(used, size);
    assert_memory_equal(out, bytes, used);
    assert_int_equal(pt_receipt_decode(out, used, ret), PT_OK);
}

static void test_receipt(void **context)
{
    struct pt_receipt receipt = {.generation = 0x1122334455667788,
                                 .stored_to = 1000,
                                 .range_count = 2,
                                 .ranges = {{1002, 1004}, {1010, 1010}}};
    struct pt_receipt decoded;

    (void)context;
    check_receipt(&receipt, receipt_bytes, sizeof receipt_bytes, &decoded);
    assert_int_equal(decoded.generation, receipt.generation);
    assert_int_equal(decoded.stored_to, 1000);
    assert_int_equal(decoded.range_count, 2);
    assert_memory_equal(decoded.ranges, receipt.ranges,
                        2 * sizeof receipt.ranges[0]);
}

/* echo 'generation: 0x1122334455667788 stored_to: 1000 ranges: [1, 3]
 * seen: [1002, 1718452800000]' | protoc --encode=patrol.v1.Receipt
 * report.proto */
static const uint8_t seen_bytes[] = {0x09, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33,
                                     0x22, 0x11, 0x10, 0xe8, 0x07, 0x1a, 0x02,
                                     0x01, 0x03, 0x22, 0x08, 0xea, 0x07, 0x80,
                                     0x94, 0x93, 0xde, 0x81, 0x32};

static void test_receipt_seen(void **context)
{
    struct pt_receipt receipt = {.generation = 0x1122334455667788,
                                 .stored_to = 1000,
                                 .range_count = 1,
                                 .ranges = {{1002, 1004}},
                                 .seen_count = 1,
                                 .seen = {{1002, 1718452800000}}};
    struct pt_receipt decoded;

    (void)context;
    check_receipt(&receipt, seen_bytes, sizeof seen_bytes, &decoded);
    assert_int_equal(decoded.seen_count, 1);
    assert_int_equal(decoded.seen[0].seq, 1002);
    assert_int_equal(decoded.seen[0].time_ms, 1718452800000);
}

/* The widest receipt there can be: it must fit what the header promises. */
static void test_receipt_widest(void **context)
{
    struct pt_receipt receipt = {.generation = UINT64_MAX, .stored_to = 0};
    struct pt_receipt decoded;
    uint8_t out[PT_RECEIPT_BYTES_MAX];
    uint64_t step = PT_SEQ_MAX / PT_RECEIPT_RANGES_MAX;
    size_t used = 0;

    (void)context;
    for (uint64_t i = 0; i < PT_RECEIPT_RANGES_MAX; i++)
        receipt.ranges[receipt.range_count++] =
            (struct pt_range){i * step + step / 2, (i + 1) * step};
    while (receipt.seen_count < PT_RECEIPT_SEEN_MAX)
        receipt.seen[receipt.seen_count++] =
            (struct pt_seen){PT_SEQ_MAX, PT_TIME_MS_MAX};
    assert_int_equal(pt_receipt_encode(&receipt, out, sizeof out, &used),
                     PT_OK);
    assert_int_equal(pt_receipt_decode(out, used, &decoded), PT_OK);
    assert_int_equal(decoded.range_count, PT_RECEIPT_RANGES_MAX);
    assert_memory_equal(decoded.ranges, receipt.ranges, sizeof receipt.ranges);
    assert_int_equal(decoded.seen_count, PT_RECEIPT_SEEN_MAX);
    assert_memory_equal(decoded.seen, receipt.seen, sizeof receipt.seen);
    for (size_t size = 0; size < used; size++)
        assert_int_equal(pt_receipt_encode(&receipt, out, size, &(size_t){0}),
                         PT_E_FULL);
}

/* echo 'revision: 7 bound_dm: 250 bound_assigned_dm: 100 moving_s: 10
 * parked_s: 60 assigned: true' | protoc --encode=patrol.v1.Settings
 * schema/report/report.proto | xxd -i */
static const uint8_t settings_bytes[] = {0x08, 0x07, 0x10, 0xfa, 0x01,
                                         0x18, 0x64, 0x20, 0x0a, 0x28,
                                         0x3c, 0x30, 0x01};

static void test_settings(void **context)
{
    const struct pt_settings settings = {.revision = 7,
                                         .bound_dm = 250,
                                         .bound_assigned_dm = 100,
                                         .moving_s = 10,
                                         .parked_s = 60,
                                         .assigned = true};
    struct pt_settings decoded;
    uint8_t out[PT_SETTINGS_BYTES_MAX];
    size_t used;

    (void)context;
    assert_int_equal(pt_settings_encode(&settings, out, sizeof out, &used),
                     PT_OK);
    assert_int_equal(used, sizeof settings_bytes);
    assert_memory_equal(out, settings_bytes, used);
    assert_int_equal(pt_settings_decode(out, used, &decoded), PT_OK);
    assert_int_equal(decoded.revision, 7);
    assert_int_equal(decoded.bound_dm, 250);
    assert_int_equal(decoded.bound_assigned_dm, 100);
    assert_int_equal(decoded.moving_s, 10);
    assert_int_equal(decoded.parked_s, 60);
    assert_true(decoded.assigned);
    for (size_t size = 0; size < used; size++)
        assert_int_equal(pt_settings_encode(&settings, out, size, &(size_t){0}),
                         PT_E_FULL);
}

static void test_settings_refused(void **context)
{
    const struct pt_settings bad[] = {
        {.revision = 0},
        {.revision = UINT64_MAX},
        {.revision = 1, .bound_dm = PT_SETTINGS_BOUND_DM_MAX + 1},
        {.revision = 1, .bound_assigned_dm = UINT32_MAX},
        {.revision = 1, .moving_s = PT_SETTINGS_INTERVAL_S_MAX + 1},
        {.revision = 1, .parked_s = UINT32_MAX},
    };
    static const struct {
        const char *bytes;
        size_t size;
        enum pt_err err;
    } wire[] = {
        {"", 0, PT_E_RANGE},                         /* no revision */
        {"\x08\x01\x10\xa1\x8d\x06", 6, PT_E_RANGE}, /* 100001 dm */
        {"\x08\x01\x20\x91\x1c", 5, PT_E_RANGE},     /* 3601 s */
        {"\x08", 1, PT_E_MALFORMED},
        {"\xff\xff\xff", 3, PT_E_MALFORMED},
        {"\x08\x01\x78\x05", 4, PT_OK}, /* a field of a later version */
    };
    struct pt_settings decoded;
    uint8_t out[PT_SETTINGS_BYTES_MAX + 1] = {0};
    size_t used;

    (void)context;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pt_settings_encode(&bad[i], out, sizeof out, &used),
                         PT_E_RANGE);
    for (size_t i = 0; i < sizeof wire / sizeof wire[0]; i++)
        assert_int_equal(pt_settings_decode((const uint8_t *)wire[i].bytes,
                                            wire[i].size, &decoded),
                         wire[i].err);
    assert_int_equal(pt_settings_decode(out, sizeof out, &decoded), PT_E_RANGE);
}

static void test_receipt_refused(void **context)
{
    const struct pt_receipt bad[] = {
        {.generation = 0, .stored_to = 1},
        {.generation = 1, .stored_to = PT_SEQ_MAX + 1},
        {.generation = 1, .range_count = PT_RECEIPT_RANGES_MAX + 1},
        {.generation = 1, .stored_to = 5, .range_count = 1, .ranges = {{6, 7}}},
        {.generation = 1, .stored_to = 5, .range_count = 1, .ranges = {{9, 8}}},
        {.generation = 1, .range_count = 2, .ranges = {{5, 6}, {3, 3}}},
        {.generation = 1, .range_count = 1, .ranges = {{5, PT_SEQ_MAX + 1}}},
        {.generation = 1, .seen_count = PT_RECEIPT_SEEN_MAX + 1},
        {.generation = 1, .seen_count = 1, .seen = {{0, 1}}},
        {.generation = 1, .seen_count = 1, .seen = {{1, -1}}},
    };
    /* protoc --encode patrol.v1.Receipt, of generation: 1 and: nothing that
     * pairs; a gap of 0; a length of 0; a sum above 2^63 - 2; seen that does
     * not pair; of number 0; nine times; in year 10889. */
    const struct {
        uint8_t bytes[32];
        size_t size;
    } wire[] = {
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 1, 1}, 12},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, 0, 1}, 13},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, 1, 0}, 13},
        {{9,    1,    0,    0,    0,    0,    0,    0,    0,    0x1a, 10,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1},
         21},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x22, 1, 1}, 12},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x22, 2, 0, 1}, 13},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x22, 18, 1, 1, 1, 1,
          1, 1, 1, 1, 1, 1, 1, 1, 1, 1,    1,  1, 1, 1},
         29},
        {{9, 1, 0, 0, 0, 0, 0, 0, 0, 0x22, 8, 1, 0x80, 0x80, 0x80, 0x80, 0x80,
          0x80, 0x40},
         19},
    };
    uint8_t out[PT_RECEIPT_BYTES_MAX + 1] = {0};
    struct pt_receipt decoded;
    size_t used;

    (void)context;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pt_receipt_encode(&bad[i], out, sizeof out, &used),
                         PT_E_RANGE);
    for (size_t i = 0; i < sizeof wire / sizeof wire[0]; i++)
        assert_int_equal(
            pt_receipt_decode(wire[i].bytes, wire[i].size, &decoded),
            PT_E_RANGE);
    assert_int_equal(pt_receipt_decode(out, sizeof out, &decoded), PT_E_RANGE);
    assert_int_equal(pt_receipt_decode(out, 0, &decoded), PT_E_RANGE);
    assert_int_equal(
        pt_receipt_decode((const uint8_t *)"\x1a\x05", 2, &decoded),
        PT_E_MALFORMED);
}

static uint64_t random_state = 88172645463325252;

/* Marsaglia's xorshift64: the same numbers in every run. */
static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t below(uint64_t limit)
{
    return random_number() % limit;
}

static struct pt_entry random_entry(uint64_t seq)
{
    static const char *const details[] = {"", "x", "¡Ánimo!", "\U0001F693"};
    struct pt_entry e = {.seq = seq,
                         .time_ms = (int64_t)below(PT_TIME_MS_MAX + 1),
                         .flags = (uint8_t)random_number(),
                         .status = (uint8_t)below(PT_STATUS_COUNT),
                         .kind = (uint8_t)below(PT_KIND_COUNT)};

    if (e.flags & PT_FLAG_POSITION)
        e.at = (struct geo_point){(int32_t)below(180000001) - 90000000,
                                  (int32_t)below(360000001) - 180000000};
    if (e.flags & PT_FLAG_SPEED)
        e.speed_cmps = (uint32_t)below((uint64_t)PT_SPEED_CMPS_MAX + 1);
    if (e.flags & PT_FLAG_COURSE)
        e.course_cdeg = (uint32_t)below(36000);
    if (e.flags & PT_FLAG_ACCURACY)
        e.accuracy_dm = (uint32_t)below((uint64_t)PT_ACCURACY_DM_MAX + 1);
    if (below(4) == 0)
        e.detail = details[below(4)];
    return e;
}

static struct pt_report random_report(struct pt_entry *entries, size_t max)
{
    struct pt_report report = {.generation = random_number(),
                               .count = below(max + 1),
                               .entries = entries};
    uint64_t seq = below(2) ? below(1000) : below(PT_SEQ_MAX / 2);

    for (size_t i = 0; i < report.count; i++) {
        seq += 1 + (below(3) == 0 ? below(1000000) : 0);
        entries[i] = random_entry(seq);
    }
    report.lowest_held =
        report.count > 0 ? 1 + below(entries[0].seq) : below(PT_SEQ_MAX + 1);
    if (below(2))
        report.state = (struct pt_vehicle_state){
            .present = true,
            .now_ms = (int64_t)below(PT_TIME_MS_MAX + 1),
            .receiver_mode = (int)below(5) - 1,
            .satellites_used = (int)below(40) - 1,
            .outbox_depth = below(INT64_MAX),
            .oldest_age_s = (int64_t)below(1000) - 1,
            .dropped = below(10),
            .next_due_s = (uint32_t)random_number(),
            .settings_revision = below(3),
            .clock_known = below(2),
            .power = (enum pt_power)below(PT_POWER_COUNT),
            .battery_percent = (int)below(102) - 1};
    if (report.state.clock_known)
        report.state.clock_offset_ms =
            (int64_t)below(2 * PT_TIME_MS_MAX + 1) - PT_TIME_MS_MAX;
    return report;
}

/* protobuf-c reads our bytes and packs the same again; the decoder gives the
 * report back. */
static void test_random_round_trip(void **context)
{
    static struct pt_entry entries[40];
    static uint8_t bytes[8192], packed[8192];

    (void)context;
    for (int round = 0; round < 3000; round++) {
        struct pt_report report = random_report(entries, 40), decoded;
        Patrol__V1__Report *m;
        size_t used = 0;

        assert_int_equal(pt_report_encode(&report, bytes, sizeof bytes, &used),
                         PT_OK);
        assert_true(used <= pt_report_bound(&report));
        m = patrol__v1__report__unpack(NULL, used, bytes);
        assert_non_null(m);
        assert_int_equal(patrol__v1__report__get_packed_size(m), used);
        patrol__v1__report__pack(m, packed);
        patrol__v1__report__free_unpacked(m, NULL);
        assert_memory_equal(packed, bytes, used);
        assert_int_equal(pt_report_decode(bytes, used, &decoded), PT_OK);
        assert_report(&decoded, &report);
        pt_report_clear(&decoded);
        if (used > 0)
            assert_int_equal(
                pt_report_encode(&report, packed, below(used), &used),
                PT_E_FULL);
    }
}

/* As many entries as there may be, and the wildest jumps between them. */
static void test_largest(void **context)
{
    struct pt_report report = {
        .generation = 1, .lowest_held = 1, .count = PT_REPORT_ENTRIES_MAX};
    uint8_t *bytes = malloc(PT_REPORT_BYTES_MAX);
    struct pt_report decoded;
    size_t used = 0;

    (void)context;
    report.entries = calloc(report.count, sizeof *report.entries);
    assert_non_null(bytes);
    assert_non_null(report.entries);
    for (size_t i = 0; i < report.count; i++) {
        int32_t side = i % 2 == 0 ? 1 : -1;
        report.entries[i] = first;
        report.entries[i].seq = 1 + i * (PT_SEQ_MAX / PT_REPORT_ENTRIES_MAX);
        report.entries[i].time_ms = i % 2 == 0 ? 0 : PT_TIME_MS_MAX;
        report.entries[i].at =
            (struct geo_point){side * 90000000, side * 180000000};
        report.entries[i].speed_cmps = i % 2 == 0 ? 0 : PT_SPEED_CMPS_MAX;
        report.entries[i].detail = "x";
    }
    assert_int_equal(
        pt_report_encode(&report, bytes, PT_REPORT_BYTES_MAX, &used), PT_OK);
    assert_true(used <= pt_report_bound(&report));
    assert_int_equal(pt_report_decode(bytes, used, &decoded), PT_OK);
    assert_report(&decoded, &report);
    pt_report_clear(&decoded);
    free(report.entries);
    free(bytes);
}

/* What one entry of the batch is changed to, and must be refused for. */
static void test_encode_refuses(void **context)
{
    char long_text[PT_DETAIL_BYTES_MAX + 2];
    struct pt_entry bad[] = {first, first, first, first, first, first,
                             first, first, first, first, first};
    size_t count = sizeof bad / sizeof bad[0];
    uint8_t out[1024];
    size_t used = 77;

    (void)context;
    memset(long_text, 'x', sizeof long_text);
    long_text[PT_DETAIL_BYTES_MAX + 1] = '\0';
    bad[0].seq = 0;
    bad[1].seq = PT_SEQ_MAX + 1;
    bad[2].time_ms = -1;
    bad[3].time_ms = PT_TIME_MS_MAX + 1;
    bad[4].course_cdeg = 36000;
    bad[5].status = PT_STATUS_COUNT;
    bad[6].kind = PT_KIND_COUNT;
    bad[7].detail = "\xff";
    bad[8].detail = long_text;
    bad[9].speed_cmps = PT_SPEED_CMPS_MAX + 1;
    bad[10].accuracy_dm = PT_ACCURACY_DM_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        struct pt_report report = {
            .generation = 1, .lowest_held = 1, .count = 1, .entries = &bad[i]};
        assert_false(pt_entry_valid(&bad[i]));
        assert_int_equal(pt_report_encode(&report, out, sizeof out, &used),
                         PT_E_RANGE);
    }
    assert_int_equal(used, 77);
    long_text[PT_DETAIL_BYTES_MAX] = '\0';
    assert_true(pt_entry_valid(&bad[8]));
}

static void assert_encode_range(const struct pt_report *report)
{
    uint8_t out[1024];
    size_t used;

    assert_int_equal(pt_report_encode(report, out, sizeof out, &used),
                     PT_E_RANGE);
}

static void test_encode_refuses_report(void **context)
{
    struct pt_entry two[2] = {first, first};
    struct pt_report report = {
        .generation = 1, .lowest_held = 1, .count = 2, .entries = two};

    (void)context;
    assert_encode_range(&report); /* equal numbers */
    two[1].seq = 301;
    report.generation = 0;
    assert_encode_range(&report);
    report.generation = 1;
    report.lowest_held = 301;
    assert_encode_range(&report);
    report.lowest_held = 0;
    assert_encode_range(&report);
    report.lowest_held = 1;
    two[0].at.lon_e6 = INT32_MIN;
    two[1].at.lon_e6 = INT32_MAX;
    assert_encode_range(&report);
    two[0].at.lon_e6 = 0;
    report.state =
        (struct pt_vehicle_state){.present = true, .receiver_mode = 4};
    assert_encode_range(&report);
    report.state = (struct pt_vehicle_state){
        .present = true, .dropped = (uint64_t)INT64_MAX + 1};
    assert_encode_range(&report);
    report.state =
        (struct pt_vehicle_state){.present = true, .oldest_age_s = -2};
    assert_encode_range(&report);
    report.state =
        (struct pt_vehicle_state){.present = true, .battery_percent = 101};
    assert_encode_range(&report);
    report.state =
        (struct pt_vehicle_state){.present = true, .power = PT_POWER_COUNT};
    assert_encode_range(&report);
    report.state = (struct pt_vehicle_state){
        .present = true, .clock_offset_ms = -PT_TIME_MS_MAX - 1};
    assert_encode_range(&report);
    report.count = PT_REPORT_ENTRIES_MAX + 1;
    assert_encode_range(&report);
}

/* Decodes what protobuf-c packs of `m`, which need not make sense. */
static enum pt_err decode_packed(const Patrol__V1__Report *m)
{
    uint8_t bytes[2048];
    struct pt_report decoded;
    enum pt_err err;

    assert_true(patrol__v1__report__get_packed_size(m) <= sizeof bytes);
    err = pt_report_decode(bytes, patrol__v1__report__pack(m, bytes), &decoded);
    if (err == PT_OK)
        pt_report_clear(&decoded);
    return err;
}

/* A sender that says what cannot be: each change of a good report alone. */
static void test_decode_refuses(void **context)
{
    uint64_t zero = 0, one = 1, wide[2] = {1, PT_SEQ_MAX};
    int64_t past[2] = {INT64_MIN, INT64_MIN}, later = INT64_MAX;
    int32_t jump[2] = {INT32_MAX, INT32_MAX}, much = 0x10000;
    Patrol__V1__VehicleState state = PATROL__V1__VEHICLE_STATE__INIT;
    Patrol__V1__Report good = PATROL__V1__REPORT__INIT, m;

    (void)context;
#define ASSERT_REFUSED(...)                              \
    do {                                                 \
        m = good;                                        \
        __VA_ARGS__;                                     \
        assert_int_equal(decode_packed(&m), PT_E_RANGE); \
    } while (0)
    good.generation = 1;
    good.count = 3;
    good.seq = 5;
    good.lat_e6 = 10;
    good.flags = PT_FLAG_POSITION;
    assert_int_equal(decode_packed(&good), PT_OK);
    ASSERT_REFUSED(m.generation = 0);
    ASSERT_REFUSED(m.seq = 0);
    ASSERT_REFUSED(m.seq = PT_SEQ_MAX);
    ASSERT_REFUSED(m.seq = UINT64_MAX);
    ASSERT_REFUSED(m.held_below = 5);
    ASSERT_REFUSED(m.held_below = UINT64_MAX);
    ASSERT_REFUSED(m.count = PT_REPORT_ENTRIES_MAX + 1);
    ASSERT_REFUSED(m.count = UINT32_MAX);
    ASSERT_REFUSED(m.count = 0; m.held_below = 1);
    ASSERT_REFUSED(m.count = 0; m.n_seq_delta = 1; m.seq_delta = &one);
    ASSERT_REFUSED(m.time_ms = UINT64_MAX);
    ASSERT_REFUSED(m.time_ms = PT_TIME_MS_MAX + 1ull);
    ASSERT_REFUSED(m.speed_cmps = UINT32_MAX);
    ASSERT_REFUSED(m.course_cdeg = 36000);
    ASSERT_REFUSED(m.accuracy_dm = UINT32_MAX);
    ASSERT_REFUSED(m.flags = 0x10000);
    ASSERT_REFUSED(m.flags = PT_STATUS_COUNT << 8);
    ASSERT_REFUSED(m.flags = PT_KIND_COUNT << 12);
    ASSERT_REFUSED(m.n_seq_delta = 1; m.seq_delta = &one);
    ASSERT_REFUSED(m.n_seq_delta = 2; m.seq_delta = wide);
    ASSERT_REFUSED(m.count = 2; m.n_seq_delta = 1; m.seq_delta = &zero);
    ASSERT_REFUSED(m.n_time_delta_ms = 2; m.time_delta_ms = past);
    ASSERT_REFUSED(m.count = 2; m.n_time_delta_ms = 1; m.time_delta_ms = &later;
                   m.time_ms = 1);
    ASSERT_REFUSED(m.n_lat_delta_e6 = 2; m.lat_delta_e6 = jump);
    ASSERT_REFUSED(m.n_lon_delta_e6 = 1; m.lon_delta_e6 = jump);
    ASSERT_REFUSED(m.count = 2; m.n_flags_delta = 1; m.flags_delta = &much);
    ASSERT_REFUSED(m.state = &state; state.receiver_mode = 5);
    state.receiver_mode = 4;
    ASSERT_REFUSED(m.state = &state; state.satellites_used = UINT32_MAX);
    state.satellites_used = 0;
    ASSERT_REFUSED(m.state = &state; state.dropped = UINT64_MAX);
    state.dropped = 0;
    ASSERT_REFUSED(m.state = &state; state.now_ms = UINT64_MAX);
    state.now_ms = 0;
    ASSERT_REFUSED(m.state = &state; state.battery_percent = 102);
    state.battery_percent = 0;
    state.clock_case = PATROL__V1__VEHICLE_STATE__CLOCK_CLOCK_OFFSET_MS;
    ASSERT_REFUSED(m.state = &state; state.clock_offset_ms = INT64_MIN);
    state.clock_offset_ms = -PT_TIME_MS_MAX;
    state.oldest_case = PATROL__V1__VEHICLE_STATE__OLDEST_OLDEST_AGE_S;
    ASSERT_REFUSED(m.state = &state; state.oldest_age_s = UINT64_MAX);
    state.oldest_age_s = INT64_MAX;
    m.state = &state;
    assert_int_equal(decode_packed(&m), PT_OK);
#undef ASSERT_REFUSED
}

static enum pt_err decode_detail(uint32_t index, const char *text, size_t size)
{
    Patrol__V1__Detail detail = PATROL__V1__DETAIL__INIT;
    Patrol__V1__Detail *details[2] = {&detail, &detail};
    Patrol__V1__Report m = PATROL__V1__REPORT__INIT;

    m.generation = m.seq = 1;
    m.count = 2;
    m.n_details = index == 1 ? 2 : 1; /* 1: the same one twice */
    m.details = details;
    detail.index = index;
    detail.text = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)text};
    return decode_packed(&m);
}

static void test_decode_details(void **context)
{
    char text[PT_DETAIL_BYTES_MAX + 1];

    (void)context;
    memset(text, 'x', sizeof text);
    assert_int_equal(decode_detail(0, text, PT_DETAIL_BYTES_MAX), PT_OK);
    assert_int_equal(decode_detail(0, text, sizeof text), PT_E_RANGE);
    assert_int_equal(decode_detail(0, "", 0), PT_OK);
    assert_int_equal(decode_detail(0, "a\0b", 3), PT_E_RANGE);
    assert_int_equal(decode_detail(0, "\xc3", 1), PT_E_RANGE);
    assert_int_equal(decode_detail(1, "x", 1), PT_E_RANGE);
    assert_int_equal(decode_detail(2, "x", 1), PT_E_RANGE);
    assert_int_equal(decode_detail(UINT32_MAX, "x", 1), PT_E_RANGE);
}

/* Coordinates off the globe are intake's matter, and unknown fields those of
 * a newer sender: 0xf8 0x7f 0x01 is field 2047 with the value 1. */
static void test_decode_passes_on(void **context)
{
    uint8_t bytes[64];
    struct pt_entry entry = first;
    struct pt_report report = {
        .generation = 1, .lowest_held = 300, .count = 1, .entries = &entry};
    struct pt_report decoded;
    size_t used = 0;

    (void)context;
    entry.at = (struct geo_point){INT32_MIN, INT32_MAX};
    assert_int_equal(pt_report_encode(&report, bytes, sizeof bytes, &used),
                     PT_OK);
    memcpy(bytes + used, "\xf8\x7f\x01", 3);
    assert_int_equal(pt_report_decode(bytes, used + 3, &decoded), PT_OK);
    assert_report(&decoded, &report);
    pt_report_clear(&decoded);
}

/* Every shorter part of a message, and every message with one bit wrong. */
static void test_damaged(void **context)
{
    uint8_t bytes[sizeof batch_bytes];
    struct pt_report decoded;
    size_t refused = 0;

    (void)context;
    for (size_t size = 0; size < sizeof bytes; size++) {
        /* A copy of this size, so that a sanitizer sees a read past it. */
        uint8_t *part = malloc(size + 1);
        assert_non_null(part);
        memcpy(part, batch_bytes, size);
        if (pt_report_decode(part, size, &decoded) == PT_OK)
            pt_report_clear(&decoded);
        else
            refused++;
        free(part);
    }
    /* Whole are only the parts that end behind the generation (a heartbeat
     * that says nothing), one of the eight scalars from seq on, one of the
     * seven columns, or one of the two details. */
    assert_int_equal(refused, sizeof bytes - (1 + 8 + 7 + 2));
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        memcpy(bytes, batch_bytes, sizeof bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (pt_report_decode(bytes, sizeof bytes, &decoded) == PT_OK)
            pt_report_clear(&decoded);
    }
}

static void test_noise(void **context)
{
    uint8_t bytes[300];
    struct pt_report decoded;

    (void)context;
    for (int round = 0; round < 20000; round++) {
        size_t size = below(sizeof bytes + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random_number();
        if (pt_report_decode(bytes, size, &decoded) == PT_OK)
            pt_report_clear(&decoded);
    }
}

/* The bytes `unit` over and over, as long as a message may be. */
static void assert_bomb(const char *unit, size_t unit_size)
{
    uint8_t *bytes = malloc(PT_REPORT_BYTES_MAX);
    size_t size = 0;
    struct pt_report decoded;

    assert_non_null(bytes);
    for (; size + unit_size <= PT_REPORT_BYTES_MAX; size += unit_size)
        memcpy(bytes + size, unit, unit_size);
    size_t before = fail_alloc_bytes();
    assert_int_equal(pt_report_decode(bytes, size, &decoded), PT_E_RANGE);
    /* 2 MiB, and the one refusal that ends it. */
    assert_true(fail_alloc_bytes() - before <= (size_t)2 << 20);
    free(bytes);
}

/* Without the bound the second would take 5 MB of details and 8 of
 * protobuf-c's list of fields. */
static void test_bombs(void **context)
{
    static uint8_t too_long[PT_REPORT_BYTES_MAX + 1];
    struct pt_report decoded;

    (void)context;
    assert_bomb("\xa0\x01\x01", 3); /* seq_delta: 1, not packed */
    assert_bomb("\xc2\x02\x00", 3); /* details {} */
    assert_bomb("\xf8\x7f\x01", 3); /* field 2047, which nobody knows */
    assert_bomb("\xca\x02\x00", 3); /* state {}, merged again and again */
    assert_int_equal(pt_report_decode(too_long, sizeof too_long, &decoded),
                     PT_E_RANGE);
}

/* A packed column costs 8 bytes for each of its own, at most 2 MiB. */
static void test_bomb_packed(void **context)
{
    uint8_t *bytes = malloc(PT_REPORT_BYTES_MAX);
    struct pt_report decoded;

    (void)context;
    assert_non_null(bytes);
    /* seq_delta, 262139 bytes of the number 1 */
    memset(bytes, 1, PT_REPORT_BYTES_MAX);
    memcpy(bytes, "\xa2\x01\xfb\xff\x0f", 5);
    size_t before = fail_alloc_bytes();
    assert_int_equal(pt_report_decode(bytes, PT_REPORT_BYTES_MAX, &decoded),
                     PT_E_RANGE);
    assert_true(fail_alloc_bytes() - before <= (size_t)2 << 20);
    free(bytes);
}

static void test_allocations_fail(void **context)
{
    struct pt_report report = batch_report(), decoded;
    struct pt_receipt receipt;
    enum pt_err err = PT_E_NOMEM;
    size_t failed = 0;

    (void)context;
    for (size_t n = 0; err != PT_OK; n++) {
        fail_alloc_after(n);
        err = pt_report_decode(batch_bytes, sizeof batch_bytes, &decoded);
        fail_alloc_never();
        if (err != PT_OK) {
            assert_int_equal(err, PT_E_NOMEM);
            failed++;
        }
    }
    /* The message, seven columns, two details and their texts, their list,
     * the state; the entries; protobuf-c's list of fields. */
    assert_true(failed >= 15);
    assert_report(&decoded, &report);
    pt_report_clear(&decoded);
    fail_alloc_after(0);
    err = pt_receipt_decode(receipt_bytes, sizeof receipt_bytes, &receipt);
    fail_alloc_never();
    assert_int_equal(err, PT_E_NOMEM);
}

/* A kind of power that only a newer agent knows spoils nothing. */
static void test_power_of_tomorrow(void **context)
{
    uint8_t bytes[sizeof zeros_bytes];
    struct pt_report decoded;

    (void)context;
    memcpy(bytes, zeros_bytes, sizeof bytes);
    bytes[sizeof bytes - 3] = 9;
    assert_int_equal(pt_report_decode(bytes, sizeof bytes, &decoded), PT_OK);
    assert_int_equal(decoded.state.power, PT_POWER_UNKNOWN);
    assert_int_equal(decoded.state.battery_percent, 0);
    pt_report_clear(&decoded);
}

static void test_words(void **context)
{
    enum pt_status status = PT_STATUS_BUSY;

    (void)context;
    assert_string_equal(pt_power_name(PT_POWER_BATTERY), "battery");
    assert_string_equal(pt_power_name(PT_POWER_EXTERNAL), "external");
    assert_null(pt_power_name(PT_POWER_UNKNOWN));
    assert_null(pt_power_name((enum pt_power)77));
    for (unsigned i = 0; i < PT_STATUS_COUNT; i++) {
        assert_true(
            pt_status_parse(pt_status_name((enum pt_status)i), &status));
        assert_int_equal(status, i);
    }
    assert_string_equal(pt_status_name(PT_STATUS_EN_ROUTE), "en_route");
    assert_string_equal(pt_status_name((enum pt_status)99), "unknown");
    assert_string_equal(pt_kind_name(PT_KIND_PANIC), "panic");
    assert_string_equal(pt_kind_name((enum pt_kind) - 1), "unknown");
    status = PT_STATUS_BUSY;
    assert_false(pt_status_parse("Busy", &status));
    assert_false(pt_status_parse("", &status));
    assert_int_equal(status, PT_STATUS_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_zeros_are_said),
        cmocka_unit_test(test_cost_of_a_state),
        cmocka_unit_test(test_power_of_tomorrow),
        cmocka_unit_test(test_receipt),
        cmocka_unit_test(test_receipt_seen),
        cmocka_unit_test(test_receipt_widest),
        cmocka_unit_test(test_receipt_refused),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_random_round_trip),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_encode_refuses_report),
        cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_decode_details),
        cmocka_unit_test(test_decode_passes_on),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_bomb_packed),
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Written by hand, where protobuf-c would first want the message built in
 * memory: nothing is allocated, and fields come out in the order of their
 * numbers, byte for byte as protoc --encode writes them. */
#include "report.h"
#include "report_internal.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

/* Where bytes go. The first failure sticks; later writes are harmless. With
 * `at` NULL it only counts. */
struct sink {
    uint8_t *at;
    size_t left;
    size_t used;
    enum pt_err err;
};

static void put_bytes(struct sink *sink, const void *bytes, size_t size)
{
    if (sink->err == PT_OK && sink->left < size)
        sink->err = PT_E_FULL;
    if (sink->err != PT_OK)
        return;
    if (sink->at != NULL)
        memcpy(sink->at + sink->used, bytes, size);
    sink->used += size;
    sink->left -= size;
}

static void put_varint(struct sink *sink, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;

    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    put_bytes(sink, bytes, size);
}

static void put_tag(struct sink *sink, uint32_t field, enum wire_type type)
{
    put_varint(sink, field << 3 | type);
}

/* Also when it is 0, as a field that is `optional`. */
static void put_said(struct sink *sink, uint32_t field, uint64_t value)
{
    put_tag(sink, field, WIRE_VARINT);
    put_varint(sink, value);
}

/* proto3 leaves a scalar that is 0 out. */
static void put_number(struct sink *sink, uint32_t field, uint64_t value)
{
    if (value != 0)
        put_said(sink, field, value);
}

static void put_fixed64(struct sink *sink, uint32_t field, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put_tag(sink, field, WIRE_FIXED64);
    put_bytes(sink, bytes, sizeof bytes);
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

/* How a column stands on the wire: the scalar of the first entry, and the
 * repeated field of the differences. */
static const struct {
    uint32_t first_field;
    uint32_t delta_field;
    bool first_signed;
    bool delta_signed;
} columns[COLUMN_COUNT] = {
    [COLUMN_SEQ] = {4, 20, false, false},
    [COLUMN_TIME] = {5, 21, false, true},
    [COLUMN_LAT] = {6, 22, true, true},
    [COLUMN_LON] = {7, 23, true, true},
    [COLUMN_SPEED] = {8, 24, false, true},
    [COLUMN_COURSE] = {9, 25, false, true},
    [COLUMN_ACCURACY] = {10, 26, false, true},
    [COLUMN_FLAGS] = {11, 27, false, true},
};

/* An entry's value in a column; a value whose flag is off keeps the one
 * before it, so that the difference is 0. */
static int64_t column_value(enum column column, const struct pt_entry *entry,
                            int64_t before)
{
    switch (column) {
    case COLUMN_SEQ:
        return (int64_t)entry->seq;
    case COLUMN_TIME:
        return entry->time_ms;
    case COLUMN_LAT:
        return entry->flags & PT_FLAG_POSITION ? entry->at.lat_e6 : before;
    case COLUMN_LON:
        return entry->flags & PT_FLAG_POSITION ? entry->at.lon_e6 : before;
    case COLUMN_SPEED:
        return entry->flags & PT_FLAG_SPEED ? entry->speed_cmps : before;
    case COLUMN_COURSE:
        return entry->flags & PT_FLAG_COURSE ? entry->course_cdeg : before;
    case COLUMN_ACCURACY:
        return entry->flags & PT_FLAG_ACCURACY ? entry->accuracy_dm : before;
    case COLUMN_FLAGS:
        return entry->flags | entry->status << 8 | entry->kind << 12;
    case COLUMN_COUNT:
        break;
    }
    return before;
}

static void put_first(struct sink *sink, enum column column, int64_t value)
{
    put_number(sink, columns[column].first_field,
               columns[column].first_signed ? zigzag(value) : (uint64_t)value);
}

/* The differences of one column, one varint each; true when all of them are
 * the usual one. Coordinates are the only values whose difference can leave
 * the sint32 of the wire (limits.c bounds the others). */
static bool put_deltas(struct sink *sink, enum column column,
                       const struct pt_report *report)
{
    int64_t before = column_value(column, &report->entries[0], 0);
    bool narrow = column != COLUMN_SEQ && column != COLUMN_TIME;
    bool usual = true;

    for (size_t i = 1; i < report->count; i++) {
        int64_t value = column_value(column, &report->entries[i], before);
        int64_t delta = value - before;
        if (narrow && (delta < INT32_MIN || delta > INT32_MAX))
            sink->err = PT_E_RANGE;
        usual = usual && delta == column_usual(column);
        put_varint(sink, columns[column].delta_signed ? zigzag(delta)
                                                      : (uint64_t)delta);
        before = value;
    }
    return usual;
}

/* A packed field begins with its length, so it is counted first. */
static void put_column(struct sink *sink, enum column column,
                       const struct pt_report *report)
{
    struct sink count = {.left = SIZE_MAX};
    bool usual = put_deltas(&count, column, report);

    if (count.err != PT_OK)
        sink->err = count.err;
    if (usual)
        return;
    put_tag(sink, columns[column].delta_field, WIRE_BYTES);
    put_varint(sink, count.used);
    (void)put_deltas(sink, column, report);
}

static void put_detail_fields(struct sink *sink, size_t index, const char *text)
{
    size_t size = strlen(text);

    put_number(sink, 1, index);
    if (size > 0) {
        put_tag(sink, 2, WIRE_BYTES);
        put_varint(sink, size);
        put_bytes(sink, text, size);
    }
}

static void put_detail(struct sink *sink, size_t index, const char *text)
{
    struct sink count = {.left = SIZE_MAX};

    put_detail_fields(&count, index, text);
    put_tag(sink, 40, WIRE_BYTES);
    put_varint(sink, count.used);
    put_detail_fields(sink, index, text);
}

static void put_state_fields(struct sink *sink,
                             const struct pt_vehicle_state *state)
{
    put_number(sink, 1, (uint64_t)state->now_ms);
    /* -1, not said, becomes 0: unsigned numbers wrap. */
    put_number(sink, 2, (uint64_t)state->receiver_mode + 1);
    put_number(sink, 3, (uint64_t)state->satellites_used + 1);
    put_number(sink, 4, state->outbox_depth);
    if (state->oldest_age_s >= 0)
        put_said(sink, 5, (uint64_t)state->oldest_age_s);
    put_number(sink, 6, state->dropped);
    put_number(sink, 7, state->next_due_s);
    put_number(sink, 8, state->settings_revision);
    if (state->clock_known)
        put_said(sink, 9, zigzag(state->clock_offset_ms));
    put_number(sink, 10, state->power);
    put_number(sink, 11, (uint64_t)state->battery_percent + 1);
}

static void put_state(struct sink *sink, const struct pt_vehicle_state *state)
{
    struct sink count = {.left = SIZE_MAX};

    put_state_fields(&count, state);
    put_tag(sink, 41, WIRE_BYTES);
    put_varint(sink, count.used);
    put_state_fields(sink, state);
}

static void put_entries(struct sink *sink, const struct pt_report *report)
{
    for (enum column c = 0; c < COLUMN_COUNT; c++)
        put_first(sink, c, column_value(c, &report->entries[0], 0));
    for (enum column c = 0; c < COLUMN_COUNT; c++)
        put_column(sink, c, report);
    for (size_t i = 0; i < report->count; i++)
        if (report->entries[i].detail != NULL)
            put_detail(sink, i, report->entries[i].detail);
}

static bool report_valid(const struct pt_report *report)
{
    if (report->generation == 0 || report->count > PT_REPORT_ENTRIES_MAX ||
        (report->state.present && !state_valid(&report->state)))
        return false;
    for (size_t i = 0; i < report->count; i++) {
        const struct pt_entry *entry = &report->entries[i];
        if (!pt_entry_valid(entry) || (i > 0 && entry->seq <= entry[-1].seq))
            return false;
    }
    return held_valid(report);
}

/* Tag and longest value of each: generation 9; ten scalars of 11; eight
 * column heads of 2 + 4; state 2 + 1 + 11 * 11; then an entry's differences,
 * two of 10 bytes and six of 5, and a detail's tags, lengths and index. */
size_t pt_report_bound(const struct pt_report *report)
{
    size_t bound = 9 + 10 * 11 + COLUMN_COUNT * 6 + 124;

    for (size_t i = 0; i < report->count; i++) {
        bound += 50;
        if (report->entries[i].detail != NULL)
            bound += 12 + strlen(report->entries[i].detail);
    }
    return bound;
}

enum pt_err pt_report_encode(const struct pt_report *report, uint8_t *out,
                             size_t size, size_t *ret)
{
    struct sink sink = {.at = out, .left = size};

    if (!report_valid(report))
        return PT_E_RANGE;
    if (size > PT_REPORT_BYTES_MAX)
        sink.left = PT_REPORT_BYTES_MAX;
    put_fixed64(&sink, 1, report->generation);
    if (report->count == 0) {
        put_number(&sink, 4, report->lowest_held);
    } else {
        put_number(&sink, 2, report->entries[0].seq - report->lowest_held);
        put_number(&sink, 3, report->count);
        put_entries(&sink, report);
    }
    if (report->state.present)
        put_state(&sink, &report->state);
    if (sink.err == PT_OK)
        *ret = sink.used;
    return sink.err;
}

static void put_ranges(struct sink *sink, const struct pt_receipt *receipt)
{
    uint64_t end = receipt->stored_to;

    for (size_t i = 0; i < receipt->range_count; i++) {
        const struct pt_range *r = &receipt->ranges[i];
        put_varint(sink, r->first - end - 1);
        put_varint(sink, r->last - r->first + 1);
        end = r->last;
    }
}

static void put_seen(struct sink *sink, const struct pt_receipt *receipt)
{
    for (size_t i = 0; i < receipt->seen_count; i++) {
        put_varint(sink, receipt->seen[i].seq);
        put_varint(sink, (uint64_t)receipt->seen[i].time_ms);
    }
}

/* A packed column, if there is anything in it. */
static void put_packed(struct sink *sink, uint32_t field,
                       const struct pt_receipt *receipt,
                       void (*put)(struct sink *, const struct pt_receipt *))
{
    struct sink count = {.left = SIZE_MAX};

    put(&count, receipt);
    if (count.used == 0)
        return;
    put_tag(sink, field, WIRE_BYTES);
    put_varint(sink, count.used);
    put(sink, receipt);
}

static bool receipt_valid(const struct pt_receipt *receipt)
{
    uint64_t end = receipt->stored_to;

    if (receipt->generation == 0 || end > PT_SEQ_MAX ||
        receipt->range_count > PT_RECEIPT_RANGES_MAX ||
        receipt->seen_count > PT_RECEIPT_SEEN_MAX)
        return false;
    for (size_t i = 0; i < receipt->range_count; i++) {
        const struct pt_range *r = &receipt->ranges[i];
        if (r->first <= end + 1 || r->last < r->first || r->last > PT_SEQ_MAX)
            return false;
        end = r->last;
    }
    for (size_t i = 0; i < receipt->seen_count; i++)
        if (!seen_valid(&receipt->seen[i]))
            return false;
    return true;
}

enum pt_err pt_receipt_encode(const struct pt_receipt *receipt, uint8_t *out,
                              size_t size, size_t *ret)
{
    struct sink sink = {.at = out, .left = size};

    if (!receipt_valid(receipt))
        return PT_E_RANGE;
    put_fixed64(&sink, 1, receipt->generation);
    put_number(&sink, 2, receipt->stored_to);
    put_packed(&sink, 3, receipt, put_ranges);
    put_packed(&sink, 4, receipt, put_seen);
    if (sink.err == PT_OK)
        *ret = sink.used;
    return sink.err;
}

enum pt_err pt_settings_encode(const struct pt_settings *settings, uint8_t *out,
                               size_t size, size_t *ret)
{
    struct sink sink = {.at = out, .left = size};

    if (!pt_settings_valid(settings))
        return PT_E_RANGE;
    put_number(&sink, 1, settings->revision);
    put_number(&sink, 2, settings->bound_dm);
    put_number(&sink, 3, settings->bound_assigned_dm);
    put_number(&sink, 4, settings->moving_s);
    put_number(&sink, 5, settings->parked_s);
    put_number(&sink, 6, settings->assigned);
    if (sink.err == PT_OK)
        *ret = sink.used;
    return sink.err;
}

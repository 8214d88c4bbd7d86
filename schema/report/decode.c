/* Over protobuf-c's generated code, with an allocator that stops counting
 * out memory where an honest message needs no more. */
#include "report.h"
#include "report_internal.h"

#include "report.pb-c.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* What taking the largest honest message apart costs: columns 4096 * (2 * 8 +
 * 6 * 4), details 4096 * (8 + 48) and their text (at most the message), and
 * protobuf-c's list of fields, 48 bytes each in slabs that double: about
 * 1.2 MB. Columns of one-byte numbers in a hostile one would ask for 8 bytes
 * for each of its own, empty details for 56 for each two. */
#define DECODE_BUDGET_BYTES ((size_t)2 << 20)

struct budget {
    size_t left;
    enum pt_err err; /* why the last allocation failed, PT_OK when none did */
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    void *memory;

    if (size > budget->left) {
        budget->err = PT_E_RANGE;
        return NULL;
    }
    budget->left -= size;
    memory = malloc(size);
    if (memory == NULL)
        budget->err = PT_E_NOMEM;
    return memory;
}

/* Nothing is given back to the budget: the sizes are not known here. */
static void budget_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

static ProtobufCAllocator allocator_of(struct budget *budget)
{
    return (ProtobufCAllocator){
        .alloc = budget_alloc, .free = budget_free, .allocator_data = budget};
}

/* One column of a message: protobuf-c has three types of array for them. */
struct deltas {
    size_t count;
    const uint64_t *u64;
    const int64_t *i64;
    const int32_t *i32;
};

static void list_columns(const Patrol__V1__Report *m,
                         struct deltas ret[COLUMN_COUNT])
{
    ret[COLUMN_SEQ] =
        (struct deltas){.count = m->n_seq_delta, .u64 = m->seq_delta};
    ret[COLUMN_TIME] =
        (struct deltas){.count = m->n_time_delta_ms, .i64 = m->time_delta_ms};
    ret[COLUMN_LAT] =
        (struct deltas){.count = m->n_lat_delta_e6, .i32 = m->lat_delta_e6};
    ret[COLUMN_LON] =
        (struct deltas){.count = m->n_lon_delta_e6, .i32 = m->lon_delta_e6};
    ret[COLUMN_SPEED] = (struct deltas){.count = m->n_speed_delta_cmps,
                                        .i32 = m->speed_delta_cmps};
    ret[COLUMN_COURSE] = (struct deltas){.count = m->n_course_delta_cdeg,
                                         .i32 = m->course_delta_cdeg};
    ret[COLUMN_ACCURACY] = (struct deltas){.count = m->n_accuracy_delta_dm,
                                           .i32 = m->accuracy_delta_dm};
    ret[COLUMN_FLAGS] =
        (struct deltas){.count = m->n_flags_delta, .i32 = m->flags_delta};
}

/* What each column's value may be after the differences are added. */
static const struct {
    int64_t min, max;
} column_limits[COLUMN_COUNT] = {
    [COLUMN_SEQ] = {1, (int64_t)PT_SEQ_MAX},
    [COLUMN_TIME] = {0, PT_TIME_MS_MAX},
    [COLUMN_LAT] = {INT32_MIN, INT32_MAX},
    [COLUMN_LON] = {INT32_MIN, INT32_MAX},
    [COLUMN_SPEED] = {0, PT_SPEED_CMPS_MAX},
    [COLUMN_COURSE] = {0, 35999},
    [COLUMN_ACCURACY] = {0, PT_ACCURACY_DM_MAX},
    [COLUMN_FLAGS] = {0, WIRE_FLAGS_MAX},
};

static bool row_possible(const int64_t row[COLUMN_COUNT])
{
    for (enum column c = 0; c < COLUMN_COUNT; c++)
        if (row[c] < column_limits[c].min || row[c] > column_limits[c].max)
            return false;
    return true;
}

/* The first entry. What does not fit an int64 is no possible value. */
static bool first_row(const Patrol__V1__Report *m, int64_t row[COLUMN_COUNT])
{
    if (m->seq > PT_SEQ_MAX || m->time_ms > PT_TIME_MS_MAX)
        return false;
    row[COLUMN_SEQ] = (int64_t)m->seq;
    row[COLUMN_TIME] = (int64_t)m->time_ms;
    row[COLUMN_LAT] = m->lat_e6;
    row[COLUMN_LON] = m->lon_e6;
    row[COLUMN_SPEED] = m->speed_cmps;
    row[COLUMN_COURSE] = m->course_cdeg;
    row[COLUMN_ACCURACY] = m->accuracy_dm;
    row[COLUMN_FLAGS] = m->flags;
    return row_possible(row);
}

/* Adds the differences of entry `at` (the first further one is 0). */
static bool next_row(const struct deltas columns[COLUMN_COUNT], size_t at,
                     int64_t row[COLUMN_COUNT])
{
    for (enum column c = 0; c < COLUMN_COUNT; c++) {
        int64_t delta = column_usual(c);
        if (columns[c].count > 0 && columns[c].u64 != NULL) {
            /* Numbers ascend. */
            if (columns[c].u64[at] == 0 || columns[c].u64[at] > PT_SEQ_MAX)
                return false;
            delta = (int64_t)columns[c].u64[at];
        } else if (columns[c].count > 0 && columns[c].i64 != NULL) {
            delta = columns[c].i64[at];
        } else if (columns[c].count > 0) {
            delta = columns[c].i32[at];
        }
        if (__builtin_add_overflow(row[c], delta, &row[c]))
            return false;
    }
    return row_possible(row);
}

static bool entry_of(const int64_t row[COLUMN_COUNT], struct pt_entry *ret)
{
    uint32_t bits = (uint32_t)row[COLUMN_FLAGS];
    struct pt_entry entry = {
        .seq = (uint64_t)row[COLUMN_SEQ],
        .time_ms = row[COLUMN_TIME],
        .flags = (uint8_t)(bits & 0xFF),
        .status = (uint8_t)(bits >> 8 & 0xF),
        .kind = (uint8_t)(bits >> 12 & 0xF),
    };

    if (entry.status >= PT_STATUS_COUNT || entry.kind >= PT_KIND_COUNT)
        return false;
    if (entry.flags & PT_FLAG_POSITION)
        entry.at = (struct geo_point){(int32_t)row[COLUMN_LAT],
                                      (int32_t)row[COLUMN_LON]};
    if (entry.flags & PT_FLAG_SPEED)
        entry.speed_cmps = (uint32_t)row[COLUMN_SPEED];
    if (entry.flags & PT_FLAG_COURSE)
        entry.course_cdeg = (uint32_t)row[COLUMN_COURSE];
    if (entry.flags & PT_FLAG_ACCURACY)
        entry.accuracy_dm = (uint32_t)row[COLUMN_ACCURACY];
    *ret = entry;
    return true;
}

static enum pt_err take_entries(const Patrol__V1__Report *m,
                                struct pt_report *report)
{
    struct deltas columns[COLUMN_COUNT];
    int64_t row[COLUMN_COUNT];

    list_columns(m, columns);
    for (enum column c = 0; c < COLUMN_COUNT; c++)
        if (columns[c].count != 0 && columns[c].count + 1 != report->count)
            return PT_E_RANGE;
    for (size_t i = 0; i < report->count; i++)
        if (!(i == 0 ? first_row(m, row) : next_row(columns, i - 1, row)) ||
            !entry_of(row, &report->entries[i]))
            return PT_E_RANGE;
    return PT_OK;
}

/* Copies the texts behind the entries, where take_report() left room. */
static enum pt_err take_details(const Patrol__V1__Report *m,
                                struct pt_report *report)
{
    char *text = (char *)(report->entries + report->count);

    for (size_t i = 0; i < m->n_details; i++) {
        const Patrol__V1__Detail *detail = m->details[i];
        const char *bytes = (const char *)detail->text.data;
        size_t size = detail->text.len;

        if (detail->index >= report->count ||
            report->entries[detail->index].detail != NULL ||
            size > PT_DETAIL_BYTES_MAX || !text_utf8_valid(bytes, size))
            return PT_E_RANGE;
        if (size > 0)
            memcpy(text, bytes, size);
        text[size] = '\0';
        report->entries[detail->index].detail = text;
        text += size + 1;
    }
    return PT_OK;
}

static enum pt_err take_state(const Patrol__V1__VehicleState *m,
                              struct pt_vehicle_state *ret)
{
    if (m == NULL)
        return PT_OK;
    bool is_aged =
        m->oldest_case == PATROL__V1__VEHICLE_STATE__OLDEST_OLDEST_AGE_S;
    bool is_timed =
        m->clock_case == PATROL__V1__VEHICLE_STATE__CLOCK_CLOCK_OFFSET_MS;
    if (m->now_ms > PT_TIME_MS_MAX || m->receiver_mode > 4 ||
        m->satellites_used > PT_SATELLITES_MAX + 1 ||
        m->battery_percent > 101 || (is_aged && m->oldest_age_s > INT64_MAX))
        return PT_E_RANGE;
    *ret = (struct pt_vehicle_state){
        .present = true,
        .now_ms = (int64_t)m->now_ms,
        .receiver_mode = (int)m->receiver_mode - 1,
        .satellites_used = (int)m->satellites_used - 1,
        .outbox_depth = m->outbox_depth,
        .oldest_age_s = is_aged ? (int64_t)m->oldest_age_s : -1,
        .dropped = m->dropped,
        .next_due_s = m->next_due_s,
        .settings_revision = m->settings_revision,
        .clock_known = is_timed,
        .clock_offset_ms = is_timed ? m->clock_offset_ms : 0,
        /* A newer agent may know of others. */
        .power = m->power < PT_POWER_COUNT ? (enum pt_power)m->power
                                           : PT_POWER_UNKNOWN,
        .battery_percent = (int)m->battery_percent - 1,
    };
    return state_valid(ret) ? PT_OK : PT_E_RANGE;
}

/* Entries and texts in one block. The counts are bounded: entries by their
 * limit, the texts by the message's own length and its count of details. */
static enum pt_err allocate(const Patrol__V1__Report *m,
                            struct pt_report *report)
{
    size_t size = report->count * sizeof report->entries[0];

    for (size_t i = 0; i < m->n_details; i++)
        size += m->details[i]->text.len + 1;
    if (size == 0)
        return PT_OK;
    report->memory = calloc(1, size);
    if (report->memory == NULL)
        return PT_E_NOMEM;
    report->entries = report->memory;
    return PT_OK;
}

static enum pt_err take_report(const Patrol__V1__Report *m,
                               struct pt_report *report)
{
    enum pt_err err;

    report->generation = m->generation;
    report->count = m->count;
    if (m->generation == 0 || m->count > PT_REPORT_ENTRIES_MAX ||
        m->held_below > m->seq)
        return PT_E_RANGE;
    report->lowest_held = m->seq - m->held_below;
    err = allocate(m, report);
    if (err == PT_OK && report->count > 0)
        err = take_entries(m, report);
    if (err == PT_OK && m->n_details > 0)
        err = take_details(m, report);
    if (err == PT_OK)
        err = take_state(m->state, &report->state);
    if (err == PT_OK && !held_valid(report))
        err = PT_E_RANGE;
    return err;
}

/* A heartbeat says its lowest number in `seq` and has nothing else. */
static bool heartbeat_plain(const Patrol__V1__Report *m)
{
    return m->held_below == 0 && m->n_seq_delta == 0 &&
           m->n_time_delta_ms == 0 && m->n_lat_delta_e6 == 0 &&
           m->n_lon_delta_e6 == 0 && m->n_speed_delta_cmps == 0 &&
           m->n_course_delta_cdeg == 0 && m->n_accuracy_delta_dm == 0 &&
           m->n_flags_delta == 0 && m->n_details == 0;
}

enum pt_err pt_report_decode(const uint8_t *bytes, size_t size,
                             struct pt_report *ret)
{
    struct budget budget = {.left = DECODE_BUDGET_BYTES};
    ProtobufCAllocator allocator = allocator_of(&budget);
    struct pt_report report = {0};
    Patrol__V1__Report *m;
    enum pt_err err;

    if (size > PT_REPORT_BYTES_MAX)
        return PT_E_RANGE;
    m = patrol__v1__report__unpack(&allocator, size, bytes);
    if (m == NULL)
        return budget.err != PT_OK ? budget.err : PT_E_MALFORMED;
    err = m->count == 0 && !heartbeat_plain(m) ? PT_E_RANGE
                                               : take_report(m, &report);
    patrol__v1__report__free_unpacked(m, &allocator);
    if (err == PT_OK)
        *ret = report;
    else
        pt_report_clear(&report);
    return err;
}

void pt_report_clear(struct pt_report *report)
{
    if (report == NULL)
        return;
    free(report->memory);
    *report = (struct pt_report){0};
}

static enum pt_err take_seen(const Patrol__V1__Receipt *m,
                             struct pt_receipt *receipt)
{
    if (m->n_seen % 2 != 0 || m->n_seen / 2 > PT_RECEIPT_SEEN_MAX)
        return PT_E_RANGE;
    for (size_t i = 0; i < m->n_seen; i += 2) {
        if (m->seen[i + 1] > PT_TIME_MS_MAX)
            return PT_E_RANGE;
        struct pt_seen seen = {m->seen[i], (int64_t)m->seen[i + 1]};
        if (!seen_valid(&seen))
            return PT_E_RANGE;
        receipt->seen[receipt->seen_count++] = seen;
    }
    return PT_OK;
}

static enum pt_err take_receipt(const Patrol__V1__Receipt *m,
                                struct pt_receipt *receipt)
{
    uint64_t end = m->stored_to;

    if (m->generation == 0 || end > PT_SEQ_MAX || m->n_ranges % 2 != 0 ||
        m->n_ranges / 2 > PT_RECEIPT_RANGES_MAX)
        return PT_E_RANGE;
    receipt->generation = m->generation;
    receipt->stored_to = m->stored_to;
    for (size_t i = 0; i < m->n_ranges; i += 2) {
        uint64_t gap = m->ranges[i], length = m->ranges[i + 1];
        if (gap == 0 || length == 0 || gap > PT_SEQ_MAX - end ||
            length > PT_SEQ_MAX - end - gap)
            return PT_E_RANGE;
        receipt->ranges[receipt->range_count++] =
            (struct pt_range){end + gap + 1, end + gap + length};
        end += gap + length;
    }
    return take_seen(m, receipt);
}

enum pt_err pt_receipt_decode(const uint8_t *bytes, size_t size,
                              struct pt_receipt *ret)
{
    struct budget budget = {.left = DECODE_BUDGET_BYTES};
    ProtobufCAllocator allocator = allocator_of(&budget);
    struct pt_receipt receipt = {0};
    Patrol__V1__Receipt *m;
    enum pt_err err;

    if (size > PT_RECEIPT_BYTES_MAX)
        return PT_E_RANGE;
    m = patrol__v1__receipt__unpack(&allocator, size, bytes);
    if (m == NULL)
        return budget.err != PT_OK ? budget.err : PT_E_MALFORMED;
    err = take_receipt(m, &receipt);
    patrol__v1__receipt__free_unpacked(m, &allocator);
    if (err == PT_OK)
        *ret = receipt;
    return err;
}

enum pt_err pt_settings_decode(const uint8_t *bytes, size_t size,
                               struct pt_settings *ret)
{
    struct budget budget = {.left = DECODE_BUDGET_BYTES};
    ProtobufCAllocator allocator = allocator_of(&budget);
    struct pt_settings settings;
    Patrol__V1__Settings *m;

    if (size > PT_SETTINGS_BYTES_MAX)
        return PT_E_RANGE;
    m = patrol__v1__settings__unpack(&allocator, size, bytes);
    if (m == NULL)
        return budget.err != PT_OK ? budget.err : PT_E_MALFORMED;
    settings = (struct pt_settings){
        .revision = m->revision,
        .bound_dm = m->bound_dm,
        .bound_assigned_dm = m->bound_assigned_dm,
        .moving_s = m->moving_s,
        .parked_s = m->parked_s,
        .assigned = m->assigned,
    };
    patrol__v1__settings__free_unpacked(m, &allocator);
    if (!pt_settings_valid(&settings))
        return PT_E_RANGE;
    *ret = settings;
    return PT_OK;
}

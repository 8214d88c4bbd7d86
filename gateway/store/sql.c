#include "store_internal.h"

#include "geo.h"
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A gateway that stands still must not hold the ledger against the others
 * for ever, nor wait for ever itself. */
const char sql_begin[] =
    "BEGIN; SET LOCAL lock_timeout = '10s'; "
    "SET LOCAL statement_timeout = '60s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/* Rows are made and locked in key order, so that two gateways with the same
 * vehicles wait for each other instead of deadlocking. (Only a new key among
 * old ones is locked after them; that deadlock is rare, and tried again.) A
 * device that was deleted meanwhile gets no row. */
static const char make_rows[] =
    "INSERT INTO patrol.receipt (device_id, generation) "
    "SELECT k.d, k.g FROM unnest($1::int[], $2::bigint[]) AS k (d, g) "
    "JOIN patrol.device v ON v.device_id = k.d ORDER BY 1, 2 "
    "ON CONFLICT DO NOTHING";

static const char lock_rows[] =
    "SELECT r.device_id, r.generation, r.stored_to, r.ranges, r.lost "
    "FROM unnest($1::int[], $2::bigint[]) AS k (d, g) "
    "JOIN patrol.receipt r ON r.device_id = k.d AND r.generation = k.g "
    "ORDER BY r.device_id, r.generation FOR UPDATE OF r";

static const char write_rows[] =
    "UPDATE patrol.receipt r SET stored_to = k.s, "
    "ranges = k.m::int8multirange, lost = k.l, updated_at = now() "
    "FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], "
    "$5::bigint[]) AS k (d, g, s, m, l) "
    "WHERE r.device_id = k.d AND r.generation = k.g";

/* Units in order, for the same reason as above. */
static const char write_latest[] =
    "INSERT INTO patrol.latest_position AS l (unit_id, fix_time, received_at, "
    "geom, speed_mps, course_deg, accuracy_m, status, generation, seq, flags) "
    "SELECT unit_id, to_timestamp(t / 1000::float8), "
    "to_timestamp(r / 1000::float8), "
    "ST_SetSRID(ST_MakePoint(x / 1e6::float8, y / 1e6::float8), 4326), "
    "v / 100::float8, c / 100::float8, a / 10::float8, s, g, q, f "
    "FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], "
    "$6::int[], $7::int[], $8::int[], $9::patrol.unit_status[], "
    "$10::bigint[], $11::bigint[], $12::int[]) "
    "AS k (unit_id, t, r, x, y, v, c, a, s, g, q, f) "
    "JOIN patrol.unit USING (unit_id) ORDER BY unit_id "
    "ON CONFLICT (unit_id) DO UPDATE SET fix_time = EXCLUDED.fix_time, "
    "received_at = EXCLUDED.received_at, geom = EXCLUDED.geom, "
    "speed_mps = EXCLUDED.speed_mps, course_deg = EXCLUDED.course_deg, "
    "accuracy_m = EXCLUDED.accuracy_m, status = EXCLUDED.status, "
    "generation = EXCLUDED.generation, seq = EXCLUDED.seq, "
    "flags = EXCLUDED.flags "
    "WHERE (EXCLUDED.fix_time, EXCLUDED.generation, EXCLUDED.seq) > "
    "(l.fix_time, l.generation, l.seq)";

/* What stands under a repeat's own key. Nothing there ('stray') is no proof
 * of anything: the number may have been closed or quarantined, the day's
 * partition dropped, or the time changed. An event without its position has
 * lost that with its day's partition, or it was refused; its time may be one
 * that a gateway gave. LIMIT keeps it one look-up an entry, whatever the
 * planner thinks. */
static const char compare[] =
    "SELECT k.i, CASE "
    "WHEN p.lat IS NULL AND e.kind IS NULL THEN 'stray' "
    "WHEN p.lat IS NOT NULL "
    "AND (p.lat, p.lon) IS DISTINCT FROM (k.lat, k.lon) "
    "OR e.kind IS DISTINCT FROM k.kind "
    "OR coalesce(e.detail, '') <> coalesce(k.detail, '') "
    "THEN 'differs' ELSE 'same' END "
    "FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], "
    "$5::bigint[], $6::int[], $7::int[], $8::text[], $9::text[]) "
    "AS k (i, u, t, g, s, lat, lon, kind, detail) "
    "LEFT JOIN LATERAL (SELECT round(ST_Y(geom) * 1e6)::int AS lat, "
    "round(ST_X(geom) * 1e6)::int AS lon FROM patrol.position "
    "WHERE unit_id = k.u AND fix_time = to_timestamp(k.t / 1000.0) "
    "AND generation = k.g AND seq = k.s LIMIT 1) p ON true "
    "LEFT JOIN LATERAL (SELECT kind, detail FROM patrol.unit_event "
    "WHERE unit_id = k.u AND generation = k.g AND seq = k.s "
    "AND (event_time = to_timestamp(k.t / 1000.0) OR time_from_gateway) "
    "LIMIT 1) e ON true";

static const char find_strays[] =
    "SELECT k.i FROM unnest($1::int[], $2::int[], $3::bigint[], "
    "$4::bigint[], $5::bigint[]) AS k (i, u, t, g, s) "
    "WHERE EXISTS (SELECT FROM patrol.position p WHERE p.unit_id = k.u "
    "AND p.fix_time BETWEEN to_timestamp(k.t / 1000.0) - interval '1 day' "
    "AND to_timestamp(k.t / 1000.0) + interval '1 day' "
    "AND p.generation = k.g AND p.seq = k.s) "
    "OR EXISTS (SELECT FROM patrol.unit_event e WHERE e.unit_id = k.u "
    "AND e.generation = k.g AND e.seq = k.s)";

/* Days as far from today as no vehicle's fix can be are left out: what
 * stands there is quarantined. */
static const char partitions[] =
    "SELECT patrol.make_partitions(d, d) FROM (SELECT DISTINCT "
    "(to_timestamp(t / 1000.0) AT TIME ZONE 'UTC')::date AS d "
    "FROM unnest($1::bigint[]) AS k (t)) days "
    "WHERE d BETWEEN (now() AT TIME ZONE 'UTC')::date - 3660 "
    "AND (now() AT TIME ZONE 'UTC')::date + 31 ORDER BY d";

/* ---- array parameters, as PostgreSQL's text form */

/* A text that grows; the first failure sticks. */
struct text {
    char *data;
    size_t size;
    size_t capacity;
    bool failed;
};

static bool make_room(struct text *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : 4096;
    char *data;

    if (text->failed)
        return false;
    while (capacity - text->size < more)
        capacity *= 2; /* rows and their texts are bounded: below 2^32 */
    if (capacity == text->capacity)
        return true;
    data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

static void put_char(struct text *text, char c)
{
    if (make_room(text, 1))
        text->data[text->size++] = c;
}

static void put_number(struct text *text, int64_t number)
{
    if (make_room(text, TEXT_INT64_MAX))
        text->size += text_put_int64(number, text->data + text->size);
}

static void put_null(struct text *text)
{
    for (const char *c = "NULL"; *c != '\0'; c++)
        put_char(text, *c);
}

static void put_text(struct text *text, const char *value)
{
    if (!value) {
        put_null(text);
        return;
    }
    put_char(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            put_char(text, '\\');
        put_char(text, *value);
    }
    put_char(text, '"');
}

/* Columns one after another, each "{...}" and a final 0, in one block. */
struct columns {
    struct text text;
    size_t starts[SQL_PARAMS_MAX];
    size_t count;
    bool open; /* something stands in the column already */
};

static void column(struct columns *columns)
{
    if (columns->count > 0) {
        put_char(&columns->text, '}');
        put_char(&columns->text, '\0');
    }
    columns->starts[columns->count++] = columns->text.size;
    put_char(&columns->text, '{');
    columns->open = false;
}

static struct text *cell(struct columns *columns)
{
    if (columns->open)
        put_char(&columns->text, ',');
    columns->open = true;
    return &columns->text;
}

static enum pt_err finish(struct columns *columns, const char *statement,
                          size_t rows, struct sql *ret)
{
    put_char(&columns->text, '}');
    put_char(&columns->text, '\0');
    if (columns->text.failed) {
        free(columns->text.data);
        return PT_E_NOMEM;
    }
    *ret = (struct sql){.text = statement,
                        .param_count = columns->count,
                        .rows = rows,
                        .memory = columns->text.data};
    for (size_t i = 0; i < columns->count; i++)
        ret->params[i] = columns->text.data + columns->starts[i];
    return PT_OK;
}

/* ---- the receipt rows */

static void put_keys(const struct plan *plan, bool changed_only,
                     struct columns *c)
{
    column(c);
    for (size_t i = 0; i < plan->ledger_groups; i++)
        if (!changed_only || plan->groups[i].changed)
            put_number(cell(c), plan->groups[i].device_id);
    column(c);
    for (size_t i = 0; i < plan->ledger_groups; i++)
        if (!changed_only || plan->groups[i].changed)
            put_number(cell(c), (int64_t)plan->groups[i].generation);
}

enum pt_err sql_make_rows(const struct plan *plan, struct sql *ret)
{
    struct columns c = {0};

    put_keys(plan, false, &c);
    return finish(&c, make_rows, plan->ledger_groups, ret);
}

enum pt_err sql_lock_rows(const struct plan *plan, struct sql *ret)
{
    struct columns c = {0};

    put_keys(plan, false, &c);
    return finish(&c, lock_rows, plan->ledger_groups, ret);
}

enum pt_err sql_write_rows(const struct plan *plan, struct sql *ret)
{
    char ranges[LEDGER_TEXT_MAX];
    struct columns c = {0};
    size_t rows = 0;

    put_keys(plan, true, &c);
    column(&c);
    for (size_t i = 0; i < plan->ledger_groups; i++)
        if (plan->groups[i].changed)
            put_number(cell(&c), (int64_t)plan->groups[i].ledger.stored_to);
    column(&c);
    for (size_t i = 0; i < plan->ledger_groups; i++) {
        if (!plan->groups[i].changed)
            continue;
        if (ledger_ranges_text(&plan->groups[i].ledger, ranges,
                               sizeof ranges) != PT_OK)
            c.text.failed = true;
        else
            put_text(cell(&c), ranges);
        rows++;
    }
    column(&c);
    for (size_t i = 0; i < plan->ledger_groups; i++)
        if (plan->groups[i].changed)
            put_number(cell(&c), (int64_t)plan->groups[i].lost);
    return finish(&c, write_rows, rows, ret);
}

/* ---- latest_position */

enum latest_column {
    LATEST_UNIT,
    LATEST_TIME,
    LATEST_RECEIVED,
    LATEST_LON,
    LATEST_LAT,
    LATEST_SPEED,
    LATEST_COURSE,
    LATEST_ACCURACY,
    LATEST_STATUS,
    LATEST_GENERATION,
    LATEST_SEQ,
    LATEST_FLAGS,
    LATEST_COLUMNS
};

static void put_said(struct text *text, bool said, uint32_t value)
{
    if (said)
        put_number(text, value);
    else
        put_null(text);
}

static void put_latest(struct text *text, const struct batch_item *item,
                       enum latest_column which)
{
    const struct pt_entry *e = &item->entry;

    switch (which) {
    case LATEST_UNIT:
        put_number(text, item->unit_id);
        break;
    case LATEST_TIME:
        put_number(text, e->time_ms);
        break;
    case LATEST_RECEIVED:
        put_number(text, item->received_ms);
        break;
    case LATEST_LON:
        put_number(text, e->at.lon_e6);
        break;
    case LATEST_LAT:
        put_number(text, e->at.lat_e6);
        break;
    case LATEST_SPEED:
        put_said(text, e->flags & PT_FLAG_SPEED, e->speed_cmps);
        break;
    case LATEST_COURSE:
        put_said(text, e->flags & PT_FLAG_COURSE, e->course_cdeg);
        break;
    case LATEST_ACCURACY:
        put_said(text, e->flags & PT_FLAG_ACCURACY, e->accuracy_dm);
        break;
    case LATEST_STATUS:
        put_text(text, pt_status_name(e->status));
        break;
    case LATEST_GENERATION:
        put_number(text, (int64_t)item->generation);
        break;
    case LATEST_SEQ:
        put_number(text, (int64_t)e->seq);
        break;
    case LATEST_FLAGS:
    case LATEST_COLUMNS:
        put_number(text, (int32_t)item->flags);
        break;
    }
}

enum pt_err sql_write_latest(const struct plan *plan, struct sql *ret)
{
    struct columns c = {0};

    for (int which = 0; which < LATEST_COLUMNS; which++) {
        column(&c);
        for (size_t i = 0; i < plan->latest_count; i++)
            put_latest(cell(&c), plan->latest[i], (enum latest_column)which);
    }
    return finish(&c, write_latest, plan->latest_count, ret);
}

/* ---- repeats */

static void put_identity(struct columns *c, const struct plan *plan,
                         const size_t *indexes, size_t count)
{
    column(c);
    for (size_t i = 0; i < count; i++)
        put_number(cell(c), (int64_t)indexes[i]);
    column(c);
    for (size_t i = 0; i < count; i++)
        put_number(cell(c), plan->items[indexes[i]].item->unit_id);
    column(c);
    for (size_t i = 0; i < count; i++)
        put_number(cell(c), plan->items[indexes[i]].item->entry.time_ms);
    column(c);
    for (size_t i = 0; i < count; i++)
        put_number(cell(c), (int64_t)plan->items[indexes[i]].item->generation);
    column(c);
    for (size_t i = 0; i < count; i++)
        put_number(cell(c), (int64_t)plan->items[indexes[i]].item->entry.seq);
}

static void put_place(struct columns *c, const struct plan *plan,
                      const size_t *indexes, size_t count, bool lat)
{
    column(c);
    for (size_t i = 0; i < count; i++) {
        const struct batch_item *item = plan->items[indexes[i]].item;

        if (plan_has_position(item))
            put_number(cell(c),
                       lat ? item->entry.at.lat_e6 : item->entry.at.lon_e6);
        else
            put_null(cell(c));
    }
}

static void put_event(struct columns *c, const struct plan *plan,
                      const size_t *indexes, size_t count, bool kind)
{
    column(c);
    for (size_t i = 0; i < count; i++) {
        const struct batch_item *item = plan->items[indexes[i]].item;
        const struct pt_entry *e = &item->entry;

        if (!plan_has_event(item))
            put_null(cell(c));
        else
            put_text(cell(c), kind ? pt_kind_name(e->kind) : e->detail);
    }
}

enum pt_err sql_compare(const struct plan *plan, struct sql *ret)
{
    size_t *asked = malloc((plan->count + 1) * sizeof *asked);
    struct columns c = {0};
    size_t count = 0;
    enum pt_err err;

    if (!asked)
        return PT_E_NOMEM;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].ask)
            asked[count++] = i;
    put_identity(&c, plan, asked, count);
    put_place(&c, plan, asked, count, true);
    put_place(&c, plan, asked, count, false);
    put_event(&c, plan, asked, count, true);
    put_event(&c, plan, asked, count, false);
    err = finish(&c, compare, count, ret);
    free(asked);
    return err;
}

enum pt_err sql_find_strays(const struct plan *plan, const size_t *strays,
                            size_t count, struct sql *ret)
{
    struct columns c = {0};

    put_identity(&c, plan, strays, count);
    return finish(&c, find_strays, count, ret);
}

enum pt_err sql_partitions(const struct plan *plan, struct sql *ret)
{
    struct columns c = {0};
    size_t rows = 0;

    column(&c);
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].verdict != VERDICT_STORE ||
            !plan_has_position(plan->items[i].item))
            continue;
        put_number(cell(&c), plan->items[i].item->entry.time_ms);
        rows++;
    }
    return finish(&c, partitions, rows, ret);
}

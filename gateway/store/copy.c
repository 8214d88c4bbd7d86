/* PostgreSQL's binary COPY format (manual, "COPY", Binary Format): a
 * signature of 11 bytes, flags, the length of an extension; then each row as
 * a count of fields and each field as a length (-1: null) and its bytes, all
 * in network order; at the end a count of -1. */
#include "store_internal.h"

#include "geo.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES (11 + 4 + 4)
#define TRAILER_BYTES 2
/* Count of fields, each field's length and what stands in it; texts come on
 * top. A status has at most 9 letters, a kind and a reason fewer than 32. */
#define POSITION_BYTES \
    (2 + 11 * 4 + 4 + 8 + 8 + 25 + 4 + 4 + 4 + 16 + 8 + 8 + 4)
#define EVENT_BYTES (2 + 9 * 4 + 4 + 8 + 8 + 8 + 32 + 16 + 1 + 8)
#define QUARANTINE_BYTES (2 + 9 * 4 + 8 + 64 + 32 + 8 + 8 + 8 + 4 + 4)

/* PostgreSQL counts from 2000-01-01. */
#define EPOCH_2000_MS INT64_C(946684800000)

/* Room is made for all rows first, so that writing cannot fail. */
struct writer {
    char *at;
};

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    memcpy(w->at, bytes, size);
    w->at += size;
}

static void put16(struct writer *w, int16_t value)
{
    uint16_t be = htobe16((uint16_t)value);

    put_bytes(w, &be, sizeof be);
}

static void put32(struct writer *w, int32_t value)
{
    uint32_t be = htobe32((uint32_t)value);

    put_bytes(w, &be, sizeof be);
}

static void put64(struct writer *w, int64_t value)
{
    uint64_t be = htobe64((uint64_t)value);

    put_bytes(w, &be, sizeof be);
}

static void field_null(struct writer *w)
{
    put32(w, -1);
}

static void field_int4(struct writer *w, int32_t value)
{
    put32(w, sizeof value);
    put32(w, value);
}

static void field_int8(struct writer *w, int64_t value)
{
    put32(w, sizeof value);
    put64(w, value);
}

static void field_bool(struct writer *w, bool value)
{
    put32(w, 1);
    put_bytes(w, value ? "\1" : "\0", 1);
}

static void field_time_ms(struct writer *w, int64_t time_ms)
{
    field_int8(w, (time_ms - EPOCH_2000_MS) * 1000);
}

static void field_text(struct writer *w, const char *text)
{
    size_t length;

    if (!text) {
        field_null(w);
        return;
    }
    length = strlen(text);
    put32(w, (int32_t)length);
    put_bytes(w, text, length);
}

/* A whole number of `per_unit`-ths as float4; null when it was not said. */
static void field_real(struct writer *w, bool said, uint32_t value,
                       double per_unit)
{
    float real = (float)(value / per_unit);
    uint32_t bits;

    if (!said) {
        field_null(w);
        return;
    }
    memcpy(&bits, &real, sizeof bits);
    put32(w, sizeof bits);
    put32(w, (int32_t)bits);
}

/* Extended WKB (PostGIS, "lwgeom WKB"): little-endian, a point with SRID. */
static void field_point(struct writer *w, struct geo_point at)
{
    const double xy[2] = {geo_lon_deg(at), geo_lat_deg(at)};
    uint32_t type = htole32(0x20000001);
    uint32_t srid = htole32(4326);

    put32(w, 1 + 4 + 4 + 16);
    put_bytes(w, "\1", 1);
    put_bytes(w, &type, sizeof type);
    put_bytes(w, &srid, sizeof srid);
    for (size_t i = 0; i < 2; i++) {
        uint64_t bits;

        memcpy(&bits, &xy[i], sizeof bits);
        bits = htole64(bits);
        put_bytes(w, &bits, sizeof bits);
    }
}

/* A device's name comes from a topic; what does not belong into one is not
 * kept. */
static void field_name(struct writer *w, const char *name)
{
    size_t length = strnlen(name, 64);

    put32(w, (int32_t)length);
    for (size_t i = 0; i < length; i++) {
        char c = name[i];

        *w->at++ = c > ' ' && c < 0x7f ? c : '?';
    }
}

/* ---- rows */

static void put_position(struct writer *w, const struct batch_item *item)
{
    const struct pt_entry *e = &item->entry;

    put16(w, 11);
    field_int4(w, (int32_t)item->unit_id);
    field_time_ms(w, e->time_ms);
    field_time_ms(w, item->received_ms);
    field_point(w, e->at);
    field_real(w, e->flags & PT_FLAG_SPEED, e->speed_cmps, 100);
    field_real(w, e->flags & PT_FLAG_COURSE, e->course_cdeg, 100);
    field_real(w, e->flags & PT_FLAG_ACCURACY, e->accuracy_dm, 10);
    field_text(w, pt_status_name(e->status));
    field_int8(w, (int64_t)item->generation);
    field_int8(w, (int64_t)e->seq);
    field_int4(w, (int32_t)item->flags);
}

static void put_event(struct writer *w, const struct batch_item *item)
{
    const struct pt_entry *e = &item->entry;

    put16(w, 9);
    field_int4(w, (int32_t)item->unit_id);
    field_int8(w, (int64_t)item->generation);
    field_int8(w, (int64_t)e->seq);
    field_time_ms(w, batch_act_ms(item));
    field_text(w, pt_kind_name(e->kind));
    field_text(w, pt_status_name(e->status));
    field_text(w, e->detail);
    field_bool(w, item->flags & BATCH_FLAG_GATEWAY_TIME);
    field_time_ms(w, item->received_ms);
}

static void put_quarantine(struct writer *w, const struct batch_item *item,
                           enum batch_refusal reason)
{
    const struct pt_entry *e = &item->entry;
    bool named = item->generation != 0;
    bool placed = plan_has_position(item);

    put16(w, 9);
    field_time_ms(w, item->received_ms);
    field_name(w, item->device_name);
    field_text(w, batch_refusal_word(reason));
    if (named) {
        field_int8(w, (int64_t)item->generation);
        field_int8(w, (int64_t)e->seq);
        field_int8(w, e->time_ms);
    } else {
        field_null(w);
        field_null(w);
        field_null(w);
    }
    if (named && placed) {
        field_int4(w, e->at.lat_e6);
        field_int4(w, e->at.lon_e6);
    } else {
        field_null(w);
        field_null(w);
    }
    field_text(w, e->detail);
}

/* ---- copies */

static bool is_position(const struct planned *planned)
{
    return planned->verdict == VERDICT_STORE &&
           plan_has_position(planned->item);
}

static bool is_event(const struct planned *planned)
{
    return planned->verdict == VERDICT_ACT ||
           (planned->verdict == VERDICT_STORE && plan_has_event(planned->item));
}

static bool is_quarantine(const struct planned *planned)
{
    return planned->verdict == VERDICT_QUARANTINE ||
           planned->verdict == VERDICT_ACT ||
           planned->verdict == VERDICT_DIFFERS;
}

/* Room for all rows that `wanted` picks, with the header written. */
static enum pt_err open_copy(const struct plan *plan,
                             bool (*wanted)(const struct planned *),
                             size_t row_bytes, struct writer *w,
                             struct copy *ret)
{
    size_t size = HEADER_BYTES + TRAILER_BYTES;

    *ret = (struct copy){0};
    for (size_t i = 0; i < plan->count; i++) {
        const char *detail = plan->items[i].item->entry.detail;

        if (!wanted(&plan->items[i]))
            continue;
        ret->rows++;
        size += row_bytes + (detail ? strlen(detail) : 0);
    }
    if (ret->rows == 0)
        return PT_OK;
    ret->data = malloc(size);
    if (!ret->data)
        return PT_E_NOMEM;
    w->at = ret->data;
    put_bytes(w, "PGCOPY\n\377\r\n\0", 11);
    put32(w, 0);
    put32(w, 0);
    return PT_OK;
}

static void close_copy(struct writer *w, struct copy *ret)
{
    put16(w, -1);
    ret->size = (size_t)(w->at - ret->data);
}

enum pt_err copy_positions(const struct plan *plan, struct copy *ret)
{
    struct writer w;
    enum pt_err err = open_copy(plan, is_position, POSITION_BYTES, &w, ret);

    if (err != PT_OK || ret->rows == 0)
        return err;
    for (size_t i = 0; i < plan->count; i++)
        if (is_position(&plan->items[i]))
            put_position(&w, plan->items[i].item);
    close_copy(&w, ret);
    return PT_OK;
}

enum pt_err copy_events(const struct plan *plan, struct copy *ret)
{
    struct writer w;
    enum pt_err err = open_copy(plan, is_event, EVENT_BYTES, &w, ret);

    if (err != PT_OK || ret->rows == 0)
        return err;
    for (size_t i = 0; i < plan->count; i++)
        if (is_event(&plan->items[i]))
            put_event(&w, plan->items[i].item);
    close_copy(&w, ret);
    return PT_OK;
}

enum pt_err copy_quarantine(const struct plan *plan, struct copy *ret)
{
    struct writer w;
    enum pt_err err = open_copy(plan, is_quarantine, QUARANTINE_BYTES, &w, ret);

    if (err != PT_OK || ret->rows == 0)
        return err;
    for (size_t i = 0; i < plan->count; i++)
        if (is_quarantine(&plan->items[i]))
            put_quarantine(&w, plan->items[i].item,
                           plan_reason(plan, &plan->items[i]));
    close_copy(&w, ret);
    return PT_OK;
}

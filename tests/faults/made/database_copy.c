/* The rows of COPY's binary format, as store writes them (PostgreSQL's manual,
 * COPY, "Binary Format"). */
#include "database_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_2000_MS INT64_C(946684800000)

struct reader {
    const uint8_t *at;
};

static uint64_t take_be(struct reader *r, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | *r->at++;
    return value;
}

/* A field's bytes; NULL when it is null. */
static const uint8_t *take_field(struct reader *r, size_t *size)
{
    int32_t length = (int32_t)take_be(r, 4);
    const uint8_t *at = r->at;
    *size = length > 0 ? (size_t)length : 0;
    r->at += *size;
    return length < 0 ? NULL : at;
}

static int64_t take_number(struct reader *r, bool *there)
{
    size_t size;
    const uint8_t *at = take_field(r, &size);
    *there = at != NULL;
    if (at == NULL)
        return 0;
    uint64_t value = take_be(&(struct reader){at}, size);
    return size == 4 ? (int32_t)value : (int64_t)value;
}

static int64_t take_int(struct reader *r)
{
    bool there;
    return take_number(r, &there);
}

static int64_t take_time_ms(struct reader *r)
{
    return take_int(r) / 1000 + EPOCH_2000_MS;
}

static void take_text(struct reader *r, char *out, size_t room)
{
    size_t size;
    const uint8_t *at = take_field(r, &size);
    if (size >= room)
        size = room - 1;
    if (at != NULL)
        memcpy(out, at, size);
    out[size] = '\0';
}

static int32_t degrees_e6(const uint8_t *at)
{
    uint64_t bits;
    double value;
    memcpy(&bits, at, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return (int32_t)(value * 1e6 + (value < 0 ? -0.5 : 0.5));
}

static void take_position(struct reader *r, struct row *row)
{
    size_t size;
    row->table = TABLE_POSITION;
    row->unit = (uint32_t)take_int(r);
    row->time_ms = take_time_ms(r);
    take_time_ms(r);
    const uint8_t *point = take_field(r, &size);
    row->placed = true;
    row->lon_e6 = degrees_e6(point + 9);
    row->lat_e6 = degrees_e6(point + 17);
    for (int i = 0; i < 4; i++)
        take_field(r, &size);
    row->generation = (uint64_t)take_int(r);
    row->seq = (uint64_t)take_int(r);
    take_int(r);
}

static void take_act(struct reader *r, struct row *row)
{
    size_t size;
    row->table = TABLE_ACT;
    row->unit = (uint32_t)take_int(r);
    row->generation = (uint64_t)take_int(r);
    row->seq = (uint64_t)take_int(r);
    row->time_ms = take_time_ms(r);
    take_text(r, row->kind, sizeof row->kind);
    take_field(r, &size);
    take_text(r, row->detail, sizeof row->detail);
    const uint8_t *gateway = take_field(r, &size);
    row->time_from_gateway = gateway != NULL && *gateway != 0;
    take_field(r, &size); /* received_at */
}

static void take_quarantine(struct reader *r, struct row *row)
{
    char device[8] = "";
    row->table = TABLE_QUARANTINE;
    take_time_ms(r);
    take_text(r, device, sizeof device);
    row->unit = (uint32_t)atoi(device + 1);
    take_text(r, row->reason, sizeof row->reason);
    row->generation = (uint64_t)take_int(r);
    row->seq = (uint64_t)take_int(r);
    row->time_ms = take_int(r);
    row->lat_e6 = (int32_t)take_number(r, &row->placed);
    row->lon_e6 = (int32_t)take_int(r);
    take_text(r, row->detail, sizeof row->detail);
}

const uint8_t *copy_row(const uint8_t *at, struct row *ret)
{
    struct reader r = {at};
    int16_t fields = (int16_t)take_be(&r, 2);
    *ret = (struct row){0};
    if (fields == -1)
        return NULL;
    /* Of the two with nine fields an act begins with the unit, four bytes. */
    struct reader first = r;
    if (fields == 11)
        take_position(&r, ret);
    else if (take_be(&first, 4) == 4)
        take_act(&r, ret);
    else
        take_quarantine(&r, ret);
    return r.at;
}

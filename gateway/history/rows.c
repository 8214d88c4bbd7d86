/* Reports out of the database. Rows come in binary: for a month of them text
 * would cost the server more than the replay. */
#include "history_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FETCH "FETCH 5000 FROM reports"
#define EPOCH_2000_US INT64_C(946684800000000)
/* What intake lets be ahead of our clock, at most. */
#define AHEAD "interval '1 day'"

enum column {
    COL_UNIT,
    COL_TIME,
    COL_RECEIVED,
    COL_GEOM,
    COL_SPEED,
    COL_COURSE,
    COL_ACCURACY,
    COL_STATUS,
    COL_GENERATION,
    COL_SEQ,
    COL_FLAGS,
    COLUMNS
};

#define POSITIONS                                                          \
    "DECLARE reports NO SCROLL CURSOR FOR SELECT unit_id, fix_time,"       \
    " received_at, geom, speed_mps, course_deg, accuracy_m, status::text," \
    " generation, seq, flags FROM patrol.position WHERE "
/* 131072: BATCH_FLAG_GATEWAY_TIME. */
#define EVENTS                                                             \
    " UNION ALL SELECT unit_id, event_time, coalesce(received_at,"         \
    " event_time), NULL, NULL, NULL, NULL, status::text, generation, seq," \
    " CASE WHEN time_from_gateway THEN 131072 ELSE 0 END"                  \
    " FROM patrol.unit_event WHERE "
#define FROM "to_timestamp($1::float8 / 1000)"
#define TO "to_timestamp($2::float8 / 1000)"

static const char *const rows_sql[] = {
    [HISTORY_BY_FIX] = POSITIONS
    "fix_time >= " FROM " AND fix_time < " TO EVENTS "event_time >= " FROM
    " AND event_time < " TO " AND $3::float8 IS NOT NULL ORDER BY 2, 1, 9, 10",
    /* The days' partitions are by fix: what is older than it may be for
     * anybody to count need not be looked for. */
    [HISTORY_BY_RECEIVED] = POSITIONS
    "received_at >= " FROM " AND received_at < " TO
    " AND fix_time >= to_timestamp($3::float8 / 1000)"
    " AND fix_time < " TO " + " AHEAD EVENTS
    "coalesce(received_at, event_time) >= " FROM
    " AND coalesce(received_at, event_time) < " TO " ORDER BY 3, 1, 9, 10",
};

enum pt_err rows_open(struct rows *rows, const struct history_wish *wish,
                      int64_t from_ms, int64_t to_ms, char *message,
                      size_t message_size)
{
    char from[24], to[24], oldest[24];
    const char *const params[] = {from, to, oldest};
    *rows = (struct rows){.clock = wish->clock};
    snprintf(from, sizeof(from), "%" PRId64, from_ms);
    snprintf(to, sizeof(to), "%" PRId64, to_ms);
    snprintf(oldest, sizeof(oldest), "%" PRId64,
             from_ms - 1000 * wish->rule.position_max_s);
    enum pt_err err = asking_open(&rows->asking, wish->conninfo,
                                  "patrol history", message, message_size);
    if (err == PT_OK)
        err = asking_run(&rows->asking, "BEGIN READ ONLY");
    if (err == PT_OK) /* a day's reports are sorted without a file */
        err = asking_run(&rows->asking, "SET LOCAL work_mem = '64MB'");
    if (err != PT_OK)
        return err;
    PGresult *result =
        asking_query(&rows->asking, rows_sql[wish->clock], 3, params, false);
    PQclear(result);
    return result == NULL ? PT_E_DB : PT_OK;
}

void rows_close(struct rows *rows)
{
    PQclear(rows->chunk);
    rows->chunk = NULL;
    asking_close(&rows->asking);
}

static uint64_t be(const unsigned char *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static const unsigned char *field(const struct rows *rows, enum column column)
{
    return (const unsigned char *)PQgetvalue(rows->chunk, rows->next,
                                             (int)column);
}

static int64_t time_ms(const struct rows *rows, enum column column)
{
    int64_t us = (int64_t)be(field(rows, column), 8) + EPOCH_2000_US;
    return (us + (us >= 0 ? 500 : -500)) / 1000;
}

/* A null is 0, as in an entry that does not say it. */
static uint32_t scaled(const struct rows *rows, enum column column, double by)
{
    if (PQgetisnull(rows->chunk, rows->next, (int)column))
        return 0;
    uint32_t bits = (uint32_t)be(field(rows, column), 4);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return (uint32_t)lround((double)value * by);
}

/* PostGIS' EWKB of a point in EPSG:4326, as it sends it: in the server's byte
 * order, which the first byte names. */
#define POINT_BYTES 25
static bool read_point(const struct rows *rows, struct geo_point *ret)
{
    const unsigned char *at = field(rows, COL_GEOM);
    double xy[2];
    if (PQgetlength(rows->chunk, rows->next, COL_GEOM) != POINT_BYTES)
        return false;
    for (int i = 0; i < 2; i++) {
        uint64_t bits = be(at + 9 + 8 * i, 8);
        if (at[0] == 1)
            bits = __builtin_bswap64(bits);
        memcpy(&xy[i], &bits, sizeof(bits));
    }
    if (!(fabs(xy[0]) <= 180.0) || !(fabs(xy[1]) <= 90.0))
        return false;
    *ret = (struct geo_point){.lat_e6 = (int32_t)lround(xy[1] * 1e6),
                              .lon_e6 = (int32_t)lround(xy[0] * 1e6)};
    return true;
}

static struct batch_item item_of(const struct rows *rows)
{
    uint32_t flags = (uint32_t)be(field(rows, COL_FLAGS), 4);
    enum pt_status status = PT_STATUS_UNKNOWN;
    (void)pt_status_parse((const char *)field(rows, COL_STATUS), &status);
    struct batch_item item = {
        .unit_id = (uint32_t)be(field(rows, COL_UNIT), 4),
        .generation = be(field(rows, COL_GENERATION), 8),
        .received_ms = time_ms(rows, COL_RECEIVED),
        .flags = flags,
        .entry = {.seq = be(field(rows, COL_SEQ), 8),
                  .time_ms = time_ms(rows, COL_TIME),
                  .speed_cmps = scaled(rows, COL_SPEED, 100),
                  .course_cdeg = scaled(rows, COL_COURSE, 100),
                  .accuracy_dm = scaled(rows, COL_ACCURACY, 10),
                  .status = (uint8_t)status},
    };
    if (PQgetisnull(rows->chunk, rows->next, COL_GEOM) ||
        !read_point(rows, &item.entry.at))
        item.flags &= ~(uint32_t)PT_FLAG_POSITION;
    else
        item.flags |= PT_FLAG_POSITION;
    item.entry.flags = (uint8_t)item.flags;
    if (item.flags & BATCH_FLAG_GATEWAY_TIME)
        item.received_ms = item.entry.time_ms;
    return item;
}

enum pt_err rows_next(struct rows *rows, struct batch_item *item,
                      int64_t *at_ms)
{
    if (rows->chunk != NULL && rows->next == PQntuples(rows->chunk)) {
        rows->over = rows->next == 0;
        PQclear(rows->chunk);
        rows->chunk = NULL;
    }
    if (rows->over)
        return PT_E_NOTFOUND;
    if (rows->chunk == NULL) {
        rows->chunk = asking_query(&rows->asking, FETCH, 0, NULL, true);
        rows->next = 0;
        if (rows->chunk == NULL)
            return PT_E_DB;
        if (PQntuples(rows->chunk) == 0)
            return PT_E_NOTFOUND;
    }
    *item = item_of(rows);
    *at_ms =
        time_ms(rows, rows->clock == HISTORY_BY_FIX ? COL_TIME : COL_RECEIVED);
    rows->next++;
    return PT_OK;
}

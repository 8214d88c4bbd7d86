/* Positions, unit by unit and in order of time, cut into drives. */
#include "speeds_internal.h"

#include "geo.h"
#include "match.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH "5000"
/* Of one drive: twelve hours at two a second. */
#define DRIVE_FIXES_MAX 86400u
/* position.flags: the jump flag that intake sets. */
#define JUMP "65536"

enum column {
    COL_UNIT,
    COL_TIME,
    COL_LAT,
    COL_LON,
    COL_SPEED,
    COL_COURSE,
    COL_ACCURACY,
    COL_EN_ROUTE,
    COL_OFFSET
};

/* Days from the newest on, as far as there are no more fixes in them than so
 * many, by what the server reckons each day's partition to hold (a fix takes
 * some 120 bytes); of a newest day that alone holds more, every n-th unit. Not
 * one fix is read for it. */
static const char window_sql[] =
    "WITH part AS (SELECT (to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp"
    " AT TIME ZONE 'UTC') AS day, greatest(c.reltuples,"
    " pg_relation_size(c.oid) / 120.0) AS held FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'patrol.position'::regclass"
    " AND c.relname ~ '^position_[0-9]{8}$'),"
    " sums AS (SELECT day, held, sum(held) OVER (ORDER BY day DESC) AS so_far"
    " FROM part WHERE held > 0 AND day < to_timestamp($2::float8 / 1000)"
    " AND day + interval '1 day' > to_timestamp($1::float8 / 1000))"
    " SELECT coalesce((extract(epoch FROM min(day) FILTER"
    " (WHERE so_far <= $3::float8 OR so_far = held)) * 1000)::bigint, 0),"
    " coalesce(sum(held) FILTER (WHERE so_far <= $3::float8), 0)::bigint,"
    " greatest(1, ceil(max(held) FILTER (WHERE so_far = held) /"
    " $3::float8))::integer, coalesce(bool_or(so_far > $3::float8), false)"
    " FROM sums";

static const char fixes_sql[] =
    "DECLARE fixes NO SCROLL CURSOR FOR SELECT unit_id,"
    " (extract(epoch FROM fix_time) * 1000)::bigint,"
    " round(ST_Y(geom) * 1e6)::integer, round(ST_X(geom) * 1e6)::integer,"
    " coalesce(speed_mps, -1), coalesce(course_deg, -1),"
    " coalesce(accuracy_m, -1), (status = 'en_route')::integer,"
    " extract(epoch FROM (fix_time AT TIME ZONE $3::text) -"
    " (fix_time AT TIME ZONE 'UTC'))::integer"
    " FROM patrol.position p JOIN patrol.unit u USING (unit_id)"
    " WHERE u.kind <> 'foot' AND p.flags & " JUMP " = 0"
    " AND p.fix_time >= to_timestamp($1::float8 / 1000)"
    " AND p.fix_time < to_timestamp($2::float8 / 1000)"
    " AND unit_id % $4::integer = 0 ORDER BY unit_id, fix_time, generation, "
    "seq";

/* The drive under way. */
struct cut {
    struct drives *drives;
    int64_t unit_id;
    bool en_route;
    int32_t utc_offset_s; /* where it began */
    size_t count;
    struct match_fix *fixes; /* DRIVE_FIXES_MAX */
    size_t stands_from;      /* since this one within SPEEDS_STANDS_M of it */
};

/* ---------------------------------------------------------------- one drive */
static double driven_m(const struct match_fix *fixes, size_t count)
{
    double sum_m = 0;
    for (size_t i = 1; i < count; i++)
        sum_m += geo_distance_m(fixes[i - 1].at, fixes[i].at);
    return sum_m;
}

/* The first `count` fixes are a drive, if they are one. */
static enum pt_err end_drive(struct cut *cut, size_t count)
{
    struct drives *d = cut->drives;
    int kind = cut->en_route && d->learners[1] != NULL;
    if (count < 3 || (cut->en_route && kind == 0))
        return PT_OK;
    double took_s =
        (double)(cut->fixes[count - 1].time_ms - cut->fixes[0].time_ms) / 1e3;
    double length_m = driven_m(cut->fixes, count);
    if (length_m < SPEEDS_SHORTEST_M || length_m < SPEEDS_SLOWEST_MPS * took_s)
        return PT_OK;
    struct match_drive drive;
    enum pt_err err = match_drive(d->match, cut->fixes, count, &drive);
    if (err != PT_OK)
        return err;
    size_t before = learn_drives(d->learners[kind]);
    err = learn_add(d->learners[kind], cut->fixes, &drive, cut->utc_offset_s);
    if (err == PT_OK && learn_drives(d->learners[kind]) > before)
        d->km[kind] += length_m / 1000.0;
    match_drive_clear(&drive);
    return err;
}

/* -------------------------------------------------------------- fix after fix
 */
static bool stands(const struct cut *cut, const struct match_fix *fix)
{
    return cut->count > 0 && geo_distance_m(cut->fixes[cut->stands_from].at,
                                            fix->at) < SPEEDS_STANDS_M;
}

static bool stood_long(const struct cut *cut)
{
    return cut->count > 0 && cut->fixes[cut->count - 1].time_ms -
                                     cut->fixes[cut->stands_from].time_ms >=
                                 SPEEDS_STANDS_S * INT64_C(1000);
}

/* Begins anew with the place where the last one stood, if it stood. */
static enum pt_err begin_anew(struct cut *cut, bool from_last)
{
    size_t last = cut->count - 1;
    bool stood = cut->count > 0 && stood_long(cut);
    enum pt_err err = end_drive(cut, stood ? cut->stands_from + 1 : cut->count);
    if (from_last && cut->count > 0) {
        cut->fixes[0] = cut->fixes[last];
        cut->count = 1;
    } else {
        cut->count = 0;
    }
    cut->stands_from = 0;
    return err;
}

static enum pt_err take_fix(struct cut *cut, int64_t unit_id, bool en_route,
                            int32_t utc_offset_s, const struct match_fix *fix)
{
    enum pt_err err = PT_OK;
    const struct match_fix *last =
        cut->count > 0 ? &cut->fixes[cut->count - 1] : NULL;
    if (last != NULL && unit_id == cut->unit_id &&
        fix->time_ms <= last->time_ms)
        return PT_OK;
    if (unit_id != cut->unit_id || en_route != cut->en_route ||
        cut->count == DRIVE_FIXES_MAX ||
        (last != NULL &&
         fix->time_ms - last->time_ms > SPEEDS_SILENT_S * INT64_C(1000)))
        err = begin_anew(cut, false);
    else if (!stands(cut, fix) && stood_long(cut))
        err = begin_anew(cut, true); /* it sets off from where it stood */
    if (cut->count == 0)
        cut->utc_offset_s = utc_offset_s;
    cut->unit_id = unit_id;
    cut->en_route = en_route;
    if (!stands(cut, fix))
        cut->stands_from = cut->count;
    cut->fixes[cut->count++] = *fix;
    return err;
}

static int64_t int_at(const PGresult *rows, int row, int column)
{
    return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static double real_at(const PGresult *rows, int row, int column)
{
    return strtod(PQgetvalue(rows, row, column), NULL);
}

static enum pt_err take_row(struct cut *cut, const PGresult *rows, int row)
{
    struct match_fix fix = {.time_ms = int_at(rows, row, COL_TIME),
                            .at = {(int32_t)int_at(rows, row, COL_LAT),
                                   (int32_t)int_at(rows, row, COL_LON)},
                            .accuracy_m = real_at(rows, row, COL_ACCURACY),
                            .course_deg = real_at(rows, row, COL_COURSE),
                            .speed_mps = real_at(rows, row, COL_SPEED)};
    return take_fix(cut, int_at(rows, row, COL_UNIT),
                    int_at(rows, row, COL_EN_ROUTE) != 0,
                    (int32_t)int_at(rows, row, COL_OFFSET), &fix);
}

static bool go_on(const struct drives *d, uint64_t done)
{
    const struct speeds_wish *wish = d->wish;
    double all = d->expected > done ? (double)d->expected : (double)done + 1;
    return wish->progress == NULL ||
           wish->progress(wish->context, (double)done / all, "matching drives");
}

static enum pt_err take_all(struct cut *cut)
{
    struct drives *d = cut->drives;
    uint64_t done = 0;
    for (;;) {
        PGresult *rows = asking_query(d->asking, "FETCH " FETCH " FROM fixes",
                                      0, NULL, false);
        if (rows == NULL)
            return PT_E_DB;
        int count = PQntuples(rows);
        enum pt_err err = PT_OK;
        for (int row = 0; row < count && err == PT_OK; row++)
            err = take_row(cut, rows, row);
        PQclear(rows);
        done += (uint64_t)count;
        d->told->fixes = done;
        if (err != PT_OK)
            return err;
        if (!go_on(d, done))
            return asking_fail(d->asking, PT_E_AGAIN, "learning", "stopped");
        if (count == 0)
            return begin_anew(cut, false);
    }
}

/* -------------------------------------------------------------- the window */
struct window {
    char from[24], to[24], every[24];
};

static enum pt_err find_window(struct drives *d, struct window *ret)
{
    char most[24];
    const char *const params[] = {ret->from, ret->to, most};
    snprintf(ret->from, sizeof(ret->from), "%" PRId64, d->wish->from_ms);
    snprintf(ret->to, sizeof(ret->to), "%" PRId64, d->wish->to_ms);
    snprintf(most, sizeof(most), "%d", SPEEDS_FIXES_MAX);
    PGresult *rows = asking_query(d->asking, window_sql, 3, params, false);
    if (rows == NULL)
        return PT_E_DB;
    int64_t from_ms = int_at(rows, 0, 0);
    d->expected = (uint64_t)int_at(rows, 0, 1);
    d->told->every = (unsigned)int_at(rows, 0, 2);
    d->told->newest_only = *PQgetvalue(rows, 0, 3) == 't';
    snprintf(ret->every, sizeof(ret->every), "%u", d->told->every);
    if (d->told->newest_only && from_ms > d->wish->from_ms)
        snprintf(ret->from, sizeof(ret->from), "%" PRId64, from_ms);
    d->told->from_ms = strtoll(ret->from, NULL, 10);
    d->told->to_ms = d->wish->to_ms;
    PQclear(rows);
    return PT_OK;
}

enum pt_err drives_take(struct drives *drives)
{
    struct window window;
    const char *const params[] = {window.from, window.to, drives->time_zone,
                                  window.every};
    struct cut cut = {
        .drives = drives,
        .fixes = calloc(DRIVE_FIXES_MAX, sizeof(*cut.fixes)),
    };
    if (cut.fixes == NULL)
        return PT_E_NOMEM;
    enum pt_err err = find_window(drives, &window);
    if (err == PT_OK) {
        PGresult *done =
            asking_query(drives->asking, fixes_sql, 4, params, false);
        err = done == NULL ? PT_E_DB : take_all(&cut);
        PQclear(done);
    }
    free(cut.fixes);
    return err;
}

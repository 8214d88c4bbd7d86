/* The closures that are not over, from the database. */
#include "closures_internal.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which closures, and from and until when they are. */
struct span_sql {
    const char *begins, *ends, *where;
};
/* A minute more than what is over by the database's clock: the gateway's own
 * decides. */
static const struct span_sql not_over = {
    .begins = "c.\"from\"",
    .ends = "c.until",
    .where = "c.removed_at IS NULL AND"
             " (c.until IS NULL OR c.until > now() - interval '1 minute')"};
#define ENDED "least(c.until, c.removed_at)"
static const struct span_sql as_they_were = {.begins = "c.\"from\"",
                                             .ends = ENDED};
static const struct span_sql as_known_then = {
    .begins = "greatest(c.\"from\", c.created_at)", .ends = ENDED};

#define MS(column) "round(extract(epoch FROM " column ") * 1000)::bigint"
/* One row more than the limits shows that they are passed. Begins, ends, where.
 */
static const char items_sql[] =
    "SELECT closure_id, kind = 'closed', factor, speed_mps, direction,"
    " " MS("%s") ", " MS("%s") ", " MS(
        "created_at") ", street, who, reason FROM patrol.closure c WHERE %s"
                      " ORDER BY closure_id LIMIT %d + 1";
static const char pieces_sql[] =
    "SELECT closure_id, way_id, from_node, to_node,"
    " (SELECT string_agg(round(ST_Y(d.geom) * 1e6)::integer || ' ' ||"
    "  round(ST_X(d.geom) * 1e6)::integer, ' ' ORDER BY d.path)"
    "  FROM ST_DumpPoints(e.geom) d)"
    " FROM patrol.closure_edge e JOIN patrol.closure c USING (closure_id)"
    " WHERE %s ORDER BY closure_id, number LIMIT %d + 1";
#define SQL_BYTES 1600

struct loader {
    PGconn *conn;
    struct span_sql span;
    char *message;
    size_t message_size;
    size_t count;
    struct closure *items; /* texts are the result's */
    size_t piece_count;
    struct closures_piece *pieces;
};

static enum pt_err say(struct loader *l, enum pt_err err, const char *what)
{
    snprintf(l->message, l->message_size, "%s", what);
    for (char *c = l->message; *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c; /* libpq's texts have several lines */
    return err;
}

static int64_t number(const PGresult *rows, int row, int column,
                      int64_t if_null)
{
    return PQgetisnull(rows, row, column)
               ? if_null
               : strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static double real(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column)
               ? 0.0
               : strtod(PQgetvalue(rows, row, column), NULL);
}

static char *text(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL
                                          : PQgetvalue(rows, row, column);
}

static enum pt_err take_items(struct loader *l, const PGresult *rows)
{
    size_t count = (size_t)PQntuples(rows);
    if (count > CLOSURES_MAX)
        return say(l, PT_E_FULL, "more closures than are taken");
    l->items = calloc(count + 1, sizeof(*l->items));
    if (l->items == NULL)
        return say(l, PT_E_NOMEM, pt_strerror(PT_E_NOMEM));
    for (int row = 0; row < (int)count; row++) {
        struct closure *item = &l->items[l->count++];
        *item = (struct closure){
            .closure_id = (uint32_t)number(rows, row, 0, 0),
            .closed = *PQgetvalue(rows, row, 1) == 't',
            .factor = real(rows, row, 2),
            .speed_mps = real(rows, row, 3),
            .from_ms = number(rows, row, 5, 0),
            .until_ms = number(rows, row, 6, INT64_MAX),
            .created_ms = number(rows, row, 7, 0),
            .street = text(rows, row, 8),
            .who = text(rows, row, 9),
            .reason = text(rows, row, 10),
        };
        if (!closures_direction_parse(PQgetvalue(rows, row, 4),
                                      &item->direction))
            return say(l, PT_E_CORRUPT, "closure: an unknown direction");
    }
    return PT_OK;
}

/* "lat lon lat lon ..." in 1e-6 degrees. */
static enum pt_err take_line(const char *from, struct closures_piece *piece)
{
    size_t spaces = 0;
    for (const char *c = from; *c != '\0'; c++)
        spaces += *c == ' ';
    size_t count = (spaces + 1) / 2;
    if (spaces % 2 == 0 || count < 2)
        return PT_E_CORRUPT;
    piece->points = calloc(count, sizeof(*piece->points));
    if (piece->points == NULL)
        return PT_E_NOMEM;
    char *at = (char *)from;
    for (; piece->point_count < count; piece->point_count++) {
        struct geo_point *p = &piece->points[piece->point_count];
        p->lat_e6 = (int32_t)strtol(at, &at, 10);
        p->lon_e6 = (int32_t)strtol(at, &at, 10);
        if (!geo_valid(*p))
            return PT_E_CORRUPT;
    }
    return PT_OK;
}

/* Both are in order of the closures. */
static enum pt_err take_pieces(struct loader *l, const PGresult *rows)
{
    size_t count = (size_t)PQntuples(rows);
    struct closure *item = l->items;
    if (count > CLOSURES_ALL_PIECES_MAX)
        return say(l, PT_E_FULL, "more closed pieces of street than are taken");
    l->pieces = calloc(count + 1, sizeof(*l->pieces));
    if (l->pieces == NULL)
        return say(l, PT_E_NOMEM, pt_strerror(PT_E_NOMEM));
    for (int row = 0; row < (int)count; row++) {
        struct closures_piece *piece = &l->pieces[l->piece_count++];
        uint32_t id = (uint32_t)number(rows, row, 0, 0);
        *piece = (struct closures_piece){
            .way_id = number(rows, row, 1, 0),
            .from_node = number(rows, row, 2, 0),
            .to_node = number(rows, row, 3, 0),
        };
        enum pt_err err = take_line(PQgetvalue(rows, row, 4), piece);
        if (err != PT_OK)
            return say(l, err, "closure_edge: not a line");
        while (item < l->items + l->count && item->closure_id != id)
            item++;
        if (item == l->items + l->count)
            return say(l, PT_E_CORRUPT, "closure_edge: of no closure");
        if (item->piece_count++ == 0)
            item->pieces = piece;
    }
    return PT_OK;
}

static enum pt_err ask(struct loader *l, const char *sql, PGresult **ret)
{
    *ret = PQexec(l->conn, sql);
    ExecStatusType status = PQresultStatus(*ret);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK
               ? PT_OK
               : say(l, PT_E_DB, PQerrorMessage(l->conn));
}

static enum pt_err load(struct loader *l, struct closures **ret)
{
    char sql[SQL_BYTES];
    PGresult *begun = NULL;
    PGresult *items = NULL;
    PGresult *pieces = NULL;
    enum pt_err err =
        ask(l, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &begun);
    snprintf(sql, sizeof(sql), items_sql, l->span.begins, l->span.ends,
             l->span.where, CLOSURES_MAX);
    if (err == PT_OK)
        err = ask(l, sql, &items);
    snprintf(sql, sizeof(sql), pieces_sql, l->span.where,
             CLOSURES_ALL_PIECES_MAX);
    if (err == PT_OK)
        err = ask(l, sql, &pieces);
    if (err == PT_OK)
        err = take_items(l, items);
    if (err == PT_OK)
        err = take_pieces(l, pieces);
    if (err == PT_OK) {
        err = closures_new(l->items, l->count, ret);
        if (err != PT_OK)
            say(l, err, pt_strerror(err));
    }
    PQclear(begun);
    PQclear(items);
    PQclear(pieces);
    return err;
}

static enum pt_err load_span(const char *conninfo, const struct span_sql *span,
                             struct closures **ret, char *message,
                             size_t message_size)
{
    /* Before `dbname`, so that what the setting says prevails. */
    const char *const keys[] = {"connect_timeout", "application_name",
                                "client_encoding", "dbname", NULL};
    const char *const values[] = {"10", "patrol closures", "UTF8", conninfo,
                                  NULL};
    struct loader l = {
        .span = *span, .message = message, .message_size = message_size};
    l.conn = PQconnectdbParams(keys, values, 1);
    enum pt_err err = PT_E_DB;
    if (PQstatus(l.conn) == CONNECTION_OK)
        err = load(&l, ret);
    else
        say(&l, err, l.conn != NULL ? PQerrorMessage(l.conn) : "no memory");
    PQfinish(l.conn);
    for (size_t i = 0; i < l.piece_count; i++)
        closures_piece_clear(&l.pieces[i]);
    free(l.pieces);
    free(l.items);
    return err;
}

enum pt_err closures_load(const char *conninfo, struct closures **ret,
                          char *message, size_t message_size)
{
    return load_span(conninfo, &not_over, ret, message, message_size);
}

enum pt_err closures_load_past(const char *conninfo, int64_t from_ms,
                               int64_t to_ms, bool as_known,
                               struct closures **ret, char *message,
                               size_t message_size)
{
    struct span_sql span = as_known ? as_known_then : as_they_were;
    char where[SQL_BYTES / 2];
    snprintf(where, sizeof(where),
             "%s < to_timestamp(%" PRId64 " / 1000.0) AND (%s IS NULL OR"
             " %s > greatest(%s, to_timestamp(%" PRId64 " / 1000.0)))",
             span.begins, to_ms, span.ends, span.ends, span.begins, from_ms);
    span.where = where;
    return load_span(conninfo, &span, ret, message, message_size);
}

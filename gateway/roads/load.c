/* The network in force, read from the database by binary COPY. What comes is
 * checked field by field: a table may have been filled by anybody. */
#include "roads_internal.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row: a street's line has at most some 2,000 points in OpenStreetMap
 * (16 bytes each); more than this is damage. */
#define ROW_BYTES_MAX (16u << 20)

/* ----------------------------------------------------------------- cursor */
/* The first failure sticks; later reads are harmless and return 0. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool short_of;  /* ended before its last field: more may come */
    bool malformed; /* no more bytes will mend it */
};

static const unsigned char *take(struct cursor *c, size_t n)
{
    if (c->left < n)
        c->short_of = true;
    if (c->short_of || c->malformed)
        return NULL;
    const unsigned char *at = c->at;
    c->at += n;
    c->left -= n;
    return at;
}

static uint64_t take_int(struct cursor *c, size_t n, bool little)
{
    const unsigned char *at = take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; at != NULL && i < n; i++)
        v = v << 8 | at[little ? n - 1 - i : i];
    return v;
}

static uint64_t take_be(struct cursor *c, size_t n)
{
    return take_int(c, n, false);
}

static double take_double(struct cursor *c, bool little)
{
    uint64_t bits = take_int(c, 8, little);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* The next field of a row as a cursor of its own. False: NULL. */
static bool take_field(struct cursor *c, struct cursor *field)
{
    int32_t size = (int32_t)take_be(c, 4);
    *field = (struct cursor){0};
    if (size == -1)
        return false;
    if (size < 0 || (uint32_t)size > ROW_BYTES_MAX) {
        c->malformed = true;
        return false;
    }
    field->at = take(c, (size_t)size);
    field->left = field->at != NULL ? (size_t)size : 0;
    return true;
}

/* An integer column of `n` bytes; `null` is what NULL stands for, or the row
 * is malformed when there is none. */
static int64_t take_column(struct cursor *c, size_t n, const int64_t *null)
{
    struct cursor field;
    bool present = take_field(c, &field);
    if (c->short_of || c->malformed)
        return 0;
    if (!present && null != NULL)
        return *null;
    c->malformed = !present || field.left != n;
    uint64_t v = take_be(&field, n);
    return n == 4 ? (int32_t)v : (int64_t)v;
}

/* ------------------------------------------------------------------ loader */
struct loader {
    PGconn *db;
    char *message;
    size_t message_size;

    size_t edge_count, edge_room;
    struct roads_edge_row *edges;
    /* Until all are there, a row's line and name are offsets: the arrays
     * move as they grow. */
    size_t *first_point;
    size_t *name_at; /* SIZE_MAX: none */
    size_t point_count, point_room;
    struct geo_point *points;
    size_t name_count, name_room;
    char *names;
    size_t turn_count, turn_room;
    struct roads_turn_row *turns;
};

static enum pt_err say(struct loader *l, enum pt_err err, const char *what,
                       const char *detail)
{
    snprintf(l->message, l->message_size, "%s: %s", what, detail);
    for (char *p = l->message; l->message_size > 0 && *p != '\0'; p++)
        *p = *p == '\n' ? ' ' : *p; /* libpq's texts have several lines */
    return err;
}

static enum pt_err say_row(struct loader *l, const char *table, size_t row,
                           const char *what)
{
    snprintf(l->message, l->message_size, "%s, row %zu: %s", table, row, what);
    return PT_E_CORRUPT;
}

/* Room for `need` elements of `size` bytes; doubles. */
static bool grow(void **array, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return true;
    size_t more = *room < 1024 ? 1024 : 2 * *room;
    more = more < need ? need : more;
    if (more > SIZE_MAX / 2 / size)
        return false;
    void *bigger = realloc(*array, more * size);
    if (bigger == NULL)
        return false;
    *array = bigger;
    *room = more;
    return true;
}

static bool grow_edges(struct loader *l)
{
    size_t need = l->edge_count + 1;
    size_t room_points = l->edge_room;
    size_t room_names = l->edge_room;
    return grow((void **)&l->first_point, &room_points, need,
                sizeof(*l->first_point)) &&
           grow((void **)&l->name_at, &room_names, need, sizeof(*l->name_at)) &&
           grow((void **)&l->edges, &l->edge_room, need, sizeof(*l->edges));
}

/* --------------------------------------------------------------- geometry */
#define EWKB_LINESTRING 2u
#define EWKB_SRID 0x20000000u
#define WGS84 4326u

/* PostGIS's extended well-known binary (doc/ZMSgeoms.txt in its sources):
 * byte order, type, SRID if flagged, count, pairs of x and y. */
static enum pt_err take_line(struct loader *l, struct cursor *c,
                             uint32_t *count)
{
    uint64_t order = take_be(c, 1);
    bool little = order == 1;
    uint64_t type = take_int(c, 4, little);
    uint64_t srid = type & EWKB_SRID ? take_int(c, 4, little) : 0;
    uint64_t points = take_int(c, 4, little);
    if (order > 1 || type != (EWKB_LINESTRING | EWKB_SRID) || srid != WGS84 ||
        points < 2 || c->left != points * 16)
        return PT_E_CORRUPT;
    if (!grow((void **)&l->points, &l->point_room, l->point_count + points,
              sizeof(*l->points)))
        return PT_E_NOMEM;
    for (uint64_t i = 0; i < points; i++) {
        double lon = take_double(c, little);
        double lat = take_double(c, little);
        if (!geo_deg_valid(lat, lon))
            return PT_E_CORRUPT;
        l->points[l->point_count + i] = geo_from_deg(lat, lon);
    }
    l->point_count += points;
    *count = (uint32_t)points;
    return PT_OK;
}

static enum pt_err take_name(struct loader *l, const struct cursor *field,
                             size_t *at)
{
    if (!grow((void **)&l->names, &l->name_room,
              l->name_count + field->left + 1, 1))
        return PT_E_NOMEM;
    *at = l->name_count;
    memcpy(l->names + l->name_count, field->at, field->left);
    l->names[l->name_count + field->left] = '\0';
    l->name_count += field->left + 1;
    return PT_OK;
}

/* ------------------------------------------------------------------- rows */
#define EDGE_COLUMNS 9
static const char edge_sql[] =
    "COPY (SELECT edge_id, way_id, source, target, forward_ms, backward_ms,"
    " length_m, name, geom FROM patrol.road_edge ORDER BY edge_id)"
    " TO STDOUT (FORMAT binary)";

/* Appends the edge whose fields stand at the cursor; nothing when it comes
 * out short or malformed. */
static enum pt_err edge_row(struct loader *l, struct cursor *c)
{
    static const int64_t not_allowed = 0;
    struct roads_edge_row row = {0};
    struct cursor name, line;
    int64_t edge_id = take_column(c, 4, NULL);
    row.way_id = take_column(c, 8, NULL);
    row.source = take_column(c, 8, NULL);
    row.target = take_column(c, 8, NULL);
    int64_t forward = take_column(c, 4, &not_allowed);
    int64_t backward = take_column(c, 4, &not_allowed);
    uint32_t length_bits = (uint32_t)take_column(c, 4, NULL);
    bool named = take_field(c, &name);
    bool drawn = take_field(c, &line);
    if (c->short_of || c->malformed)
        return PT_OK;

    if (edge_id != (int64_t)l->edge_count + 1)
        return say_row(l, "road_edge", l->edge_count + 1,
                       "edge_id is not the row's number");
    memcpy(&row.length_m, &length_bits, sizeof(row.length_m));
    if (l->edge_count >= ROADS_EDGES_MAX || forward < 0 || backward < 0)
        return say_row(l, "road_edge", l->edge_count + 1, "out of range");
    row.forward_ms = (uint32_t)forward;
    row.backward_ms = (uint32_t)backward;
    if (!grow_edges(l))
        return PT_E_NOMEM;
    l->first_point[l->edge_count] = l->point_count;
    l->name_at[l->edge_count] = SIZE_MAX;
    enum pt_err err = PT_OK;
    if (named)
        err = take_name(l, &name, &l->name_at[l->edge_count]);
    if (err == PT_OK)
        err = drawn ? take_line(l, &line, &row.point_count) : PT_E_CORRUPT;
    if (err == PT_E_CORRUPT)
        return say_row(l, "road_edge", l->edge_count + 1,
                       "geom is no line of EPSG:4326");
    l->edges[l->edge_count++] = row;
    return err;
}

#define TURN_COLUMNS 2
static const char turn_sql[] =
    "COPY (SELECT from_edge * 2::bigint - 2 + (NOT from_forward)::integer,"
    " to_edge * 2::bigint - 2 + (NOT to_forward)::integer"
    " FROM patrol.road_turn WHERE via = '{}') TO STDOUT (FORMAT binary)";

static enum pt_err turn_row(struct loader *l, struct cursor *c)
{
    int64_t from = take_column(c, 8, NULL);
    int64_t to = take_column(c, 8, NULL);
    if (c->short_of || c->malformed)
        return PT_OK;
    if (from < 0 || from > UINT32_MAX || to < 0 || to > UINT32_MAX)
        return say_row(l, "road_turn", l->turn_count + 1, "out of range");
    if (!grow((void **)&l->turns, &l->turn_room, l->turn_count + 1,
              sizeof(*l->turns)))
        return PT_E_NOMEM;
    l->turns[l->turn_count++] =
        (struct roads_turn_row){.from = (uint32_t)from, .to = (uint32_t)to};
    return PT_OK;
}

/* ------------------------------------------------------------------- COPY */
struct copy { /* bytes may be cut anywhere between two messages */
    const char *table;
    int columns;
    enum pt_err (*row)(struct loader *l, struct cursor *c);
    bool header_seen, trailer_seen;
    size_t row_count;
    char *pending;
    size_t size, room;
};

/* The signature, flags and the extension's length of a binary COPY. */
static void take_header(struct copy *copy, struct cursor *c)
{
    const unsigned char *signature = take(c, 11);
    uint64_t flags = take_be(c, 4);
    uint64_t extension = take_be(c, 4);
    take(c, extension);
    if (c->short_of)
        return;
    c->malformed = c->malformed ||
                   memcmp(signature, "PGCOPY\n\377\r\n", 11) != 0 ||
                   (flags & 0xffff0000u) != 0;
    copy->header_seen = true;
}

/* Takes up what is complete among the pending bytes. */
static enum pt_err take_rows(struct loader *l, struct copy *copy)
{
    struct cursor c = {(const unsigned char *)copy->pending, copy->size, false,
                       false};
    enum pt_err err = PT_OK;
    struct cursor done = c;
    while (err == PT_OK && !c.short_of && !c.malformed) {
        done = c;
        if (!copy->header_seen) {
            take_header(copy, &c);
            continue;
        }
        int64_t columns = (int16_t)take_be(&c, 2);
        if (c.short_of)
            break;
        c.malformed =
            copy->trailer_seen || (columns != copy->columns && columns != -1);
        if (columns == -1)
            copy->trailer_seen = true;
        else if (!c.malformed)
            err = copy->row(l, &c);
        copy->row_count += !c.short_of && !c.malformed;
    }
    if (err == PT_OK && c.malformed)
        return say_row(l, copy->table, copy->row_count + 1, "unexpected form");
    copy->size = done.left;
    memmove(copy->pending, done.at, done.left);
    if (err == PT_OK && copy->size > ROW_BYTES_MAX)
        return say_row(l, copy->table, copy->row_count + 1, "too long");
    return err;
}

static enum pt_err take_message(struct loader *l, struct copy *copy,
                                const char *bytes, size_t size)
{
    if (!grow((void **)&copy->pending, &copy->room, copy->size + size, 1))
        return PT_E_NOMEM;
    memcpy(copy->pending + copy->size, bytes, size);
    copy->size += size;
    return take_rows(l, copy);
}

static enum pt_err copy_out(struct loader *l, const char *sql,
                            struct copy *copy)
{
    PGresult *result = PQexec(l->db, sql);
    bool started = PQresultStatus(result) == PGRES_COPY_OUT;
    PQclear(result);
    if (!started)
        return say(l, PT_E_DB, copy->table, PQerrorMessage(l->db));

    enum pt_err err = PT_OK;
    char *bytes = NULL;
    int size;
    while (err == PT_OK && (size = PQgetCopyData(l->db, &bytes, 0)) > 0) {
        err = take_message(l, copy, bytes, (size_t)size);
        PQfreemem(bytes);
    }
    free(copy->pending);
    copy->pending = NULL;
    if (err != PT_OK)
        return err; /* the connection is closed in the middle of it */
    if (size == -2)
        return say(l, PT_E_DB, copy->table, PQerrorMessage(l->db));
    while ((result = PQgetResult(l->db)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            err = say(l, PT_E_DB, copy->table, PQerrorMessage(l->db));
        PQclear(result);
    }
    if (err == PT_OK && (!copy->trailer_seen || copy->size > 0))
        err = say_row(l, copy->table, copy->row_count + 1, "cut short");
    return err;
}

/* --------------------------------------------------------------- together */
static enum pt_err open_snapshot(struct loader *l, const char *conninfo)
{
    /* Before `dbname`, so that what the setting says prevails. */
    const char *const keys[] = {"connect_timeout", "application_name",
                                "client_encoding", "dbname", NULL};
    const char *const values[] = {"10", "patrol roads", "UTF8", conninfo, NULL};
    l->db = PQconnectdbParams(keys, values, 1);
    if (l->db == NULL)
        return PT_E_NOMEM;
    if (PQstatus(l->db) != CONNECTION_OK)
        return say(l, PT_E_DB, "connecting", PQerrorMessage(l->db));
    PGresult *result =
        PQexec(l->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    bool begun = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return begun ? PT_OK : say(l, PT_E_DB, "BEGIN", PQerrorMessage(l->db));
}

static enum pt_err newest_network(struct loader *l, uint32_t *network_id)
{
    PGresult *result =
        PQexec(l->db, "SELECT network_id FROM patrol.road_network"
                      " ORDER BY network_id DESC LIMIT 1");
    enum pt_err err = PT_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        err = say(l, PT_E_DB, "road_network", PQerrorMessage(l->db));
    else if (PQntuples(result) == 0)
        err = say(l, PT_E_NOTFOUND, "road_network",
                  "no network was imported yet");
    else
        *network_id = (uint32_t)strtoul(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return err;
}

static void settle_rows(struct loader *l)
{
    for (size_t i = 0; i < l->edge_count; i++) {
        l->edges[i].points = l->points + l->first_point[i];
        l->edges[i].name =
            l->name_at[i] == SIZE_MAX ? NULL : l->names + l->name_at[i];
    }
}

static enum pt_err load(struct loader *l, const char *conninfo,
                        struct roads **ret)
{
    struct copy edges = {
        .table = "road_edge", .columns = EDGE_COLUMNS, .row = edge_row};
    struct copy turns = {
        .table = "road_turn", .columns = TURN_COLUMNS, .row = turn_row};
    uint32_t network_id = 0;
    enum pt_err err = open_snapshot(l, conninfo);
    if (err == PT_OK)
        err = newest_network(l, &network_id);
    if (err == PT_OK)
        err = copy_out(l, edge_sql, &edges);
    if (err == PT_OK)
        err = copy_out(l, turn_sql, &turns);
    if (err != PT_OK)
        return err;

    settle_rows(l);
    err = roads_new(&(struct roads_rows){.edges = l->edges,
                                         .edge_count = l->edge_count,
                                         .turns = l->turns,
                                         .turn_count = l->turn_count},
                    ret);
    if (err == PT_E_RANGE)
        return say(l, PT_E_CORRUPT, "network",
                   l->edge_count == 0 ? "has no edges"
                                      : "an impossible edge or turn");
    if (err != PT_OK)
        return err;
    (*ret)->network_id = network_id;
    snprintf(l->message, l->message_size,
             "network %u: %zu edges, %u junctions, %zu forbidden turns",
             network_id, l->edge_count, (*ret)->node_count, l->turn_count);
    return PT_OK;
}

enum pt_err roads_load(const char *conninfo, struct roads **ret, char *message,
                       size_t message_size)
{
    struct loader l = {.message = message, .message_size = message_size};
    snprintf(message, message_size, "%s", "");
    enum pt_err err = load(&l, conninfo, ret);
    if (err != PT_OK && message_size > 0 && message[0] == '\0')
        snprintf(message, message_size, "%s", pt_strerror(err));
    PQfinish(l.db);
    free(l.edges);
    free(l.first_point);
    free(l.name_at);
    free(l.points);
    free(l.names);
    free(l.turns);
    return err;
}

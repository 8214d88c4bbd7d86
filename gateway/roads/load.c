/* The network in force, read from the database. */
#include "copy.h"
#include "pt_room.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ loader */
struct loader {
    PGconn *db;
    struct telling telling;

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
    size_t *first_via; /* of each turn, likewise */
    size_t via_count, via_room;
    uint32_t *via;
    size_t junction_count, junction_room;
    struct roads_junction_row *junctions;
    size_t profile_count;
    struct roads_profile profiles[ROADS_PROFILES_MAX];
    int profile_ids[ROADS_PROFILES_MAX];
    uint32_t *edge_ms[ROADS_PROFILES_MAX];
};

static bool grow_edges(struct loader *l)
{
    size_t need = l->edge_count + 1;
    size_t room_points = l->edge_room;
    size_t room_names = l->edge_room;
    return pt_room(&l->first_point, &room_points, need,
                   sizeof(*l->first_point)) == PT_OK &&
           pt_room(&l->name_at, &room_names, need, sizeof(*l->name_at)) ==
               PT_OK &&
           pt_room(&l->edges, &l->edge_room, need, sizeof(*l->edges)) == PT_OK;
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
    uint64_t order = copy_be(c, 1);
    bool little = order == 1;
    uint64_t type = copy_int(c, 4, little);
    uint64_t srid = type & EWKB_SRID ? copy_int(c, 4, little) : 0;
    uint64_t points = copy_int(c, 4, little);
    if (order > 1 || type != (EWKB_LINESTRING | EWKB_SRID) || srid != WGS84 ||
        points < 2 || c->left != points * 16)
        return PT_E_CORRUPT;
    if (pt_room(&l->points, &l->point_room, l->point_count + points,
                sizeof(*l->points)) != PT_OK)
        return PT_E_NOMEM;
    for (uint64_t i = 0; i < points; i++) {
        double lon = copy_double(c, little);
        double lat = copy_double(c, little);
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
    if (pt_room(&l->names, &l->name_room, l->name_count + field->left + 1, 1) !=
        PT_OK)
        return PT_E_NOMEM;
    *at = l->name_count;
    memcpy(l->names + l->name_count, field->at, field->left);
    l->names[l->name_count + field->left] = '\0';
    l->name_count += field->left + 1;
    return PT_OK;
}

/* ------------------------------------------------------------------- rows */
#define EDGE_COLUMNS 10
static const char edge_sql[] =
    "COPY (SELECT edge_id, way_id, source, target, forward_ms, backward_ms,"
    " length_m, (NOT is_main)::integer + 2 * bridge::integer, name, geom"
    " FROM patrol.road_edge ORDER BY edge_id)"
    " TO STDOUT (FORMAT binary)";

/* Appends the edge whose fields stand at the cursor; nothing when it comes
 * out short or malformed. */
static enum pt_err edge_row(void *context, struct cursor *c)
{
    struct loader *l = context;
    static const int64_t not_allowed = 0;
    struct roads_edge_row row = {0};
    struct cursor name, line;
    int64_t edge_id = copy_column(c, 4, NULL);
    row.way_id = copy_column(c, 8, NULL);
    row.source = copy_column(c, 8, NULL);
    row.target = copy_column(c, 8, NULL);
    int64_t forward = copy_column(c, 4, &not_allowed);
    int64_t backward = copy_column(c, 4, &not_allowed);
    uint32_t length_bits = (uint32_t)copy_column(c, 4, NULL);
    int64_t flags = copy_column(c, 4, NULL);
    row.apart = flags & 1;
    row.bridge = flags & 2;
    bool named = copy_field(c, &name);
    bool drawn = copy_field(c, &line);
    if (c->short_of || c->malformed)
        return PT_OK;

    if (edge_id != (int64_t)l->edge_count + 1)
        return copy_tell_row(&l->telling, "road_edge", l->edge_count + 1,
                             "edge_id is not the row's number");
    memcpy(&row.length_m, &length_bits, sizeof(row.length_m));
    if (l->edge_count >= ROADS_EDGES_MAX || forward < 0 || backward < 0)
        return copy_tell_row(&l->telling, "road_edge", l->edge_count + 1,
                             "out of range");
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
        return copy_tell_row(&l->telling, "road_edge", l->edge_count + 1,
                             "geom is no line of EPSG:4326");
    l->edges[l->edge_count++] = row;
    return err;
}

#define TURN_COLUMNS 4
static const char turn_sql[] =
    "COPY (SELECT from_edge * 2::bigint - 2 + (NOT from_forward)::integer,"
    " to_edge * 2::bigint - 2 + (NOT to_forward)::integer, via,"
    " ('emergency' = ANY (except_classes))::integer"
    " FROM patrol.road_turn) TO STDOUT (FORMAT binary)";

static bool grow_turns(struct loader *l)
{
    size_t need = l->turn_count + 1;
    size_t room = l->turn_room;
    return pt_room(&l->first_via, &room, need, sizeof(*l->first_via)) ==
               PT_OK &&
           pt_room(&l->turns, &l->turn_room, need, sizeof(*l->turns)) ==
               PT_OK &&
           pt_room(&l->via, &l->via_room, l->via_count + ROADS_VIA_MAX,
                   sizeof(*l->via)) == PT_OK;
}

static enum pt_err turn_row(void *context, struct cursor *c)
{
    struct loader *l = context;
    int32_t via[ROADS_VIA_MAX];
    int64_t from = copy_column(c, 8, NULL);
    int64_t to = copy_column(c, 8, NULL);
    uint32_t count = copy_array(c, via, ROADS_VIA_MAX);
    int64_t not_emergency = copy_column(c, 4, NULL);
    if (c->short_of || c->malformed)
        return PT_OK;
    if (from < 0 || from > UINT32_MAX || to < 0 || to > UINT32_MAX)
        return copy_tell_row(&l->telling, "road_turn", l->turn_count + 1,
                             "out of range");
    if (!grow_turns(l))
        return PT_E_NOMEM;
    l->first_via[l->turn_count] = l->via_count;
    for (uint32_t i = 0; i < count; i++) {
        /* edge_id, or -edge_id against its direction; of 0 comes an edge that
         * is none. */
        int64_t id = via[i];
        l->via[l->via_count++] = (uint32_t)(id > 0 ? 2 * id - 2 : -2 * id - 1);
    }
    l->turns[l->turn_count++] =
        (struct roads_turn_row){.from = (uint32_t)from,
                                .to = (uint32_t)to,
                                .via_count = count,
                                .not_emergency = not_emergency != 0};
    return PT_OK;
}

/* In roads_control's order; a small roundabout is given way at. */
#define JUNCTION_COLUMNS 2
static const char junction_sql[] =
    "COPY (SELECT node_id, CASE control WHEN 'signals' THEN 1"
    " WHEN 'stop' THEN 2 ELSE 3 END FROM patrol.road_node"
    " WHERE control IS NOT NULL) TO STDOUT (FORMAT binary)";

static enum pt_err junction_row(void *context, struct cursor *c)
{
    static const enum roads_control controls[] = {
        ROADS_UNCONTROLLED, ROADS_SIGNALS, ROADS_STOP, ROADS_GIVE_WAY};
    struct loader *l = context;
    int64_t node_id = copy_column(c, 8, NULL);
    int64_t control = copy_column(c, 4, NULL);
    if (c->short_of || c->malformed)
        return PT_OK;
    if (pt_room(&l->junctions, &l->junction_room, l->junction_count + 1,
                sizeof(*l->junctions)) != PT_OK)
        return PT_E_NOMEM;
    l->junctions[l->junction_count++] =
        (struct roads_junction_row){node_id, controls[control & 3]};
    return PT_OK;
}

/* --------------------------------------------------------------- profiles */
struct costs {
    struct loader *l;
    uint32_t *edge_ms;
    size_t row_count;
};

#define COST_COLUMNS 3
static enum pt_err cost_row(void *context, struct cursor *c)
{
    struct costs *costs = context;
    int64_t edge_id = copy_column(c, 4, NULL);
    int64_t forward = copy_column(c, 4, NULL);
    int64_t backward = copy_column(c, 4, NULL);
    if (c->short_of || c->malformed)
        return PT_OK;
    costs->row_count++;
    if (edge_id < 1 || (uint64_t)edge_id > costs->l->edge_count ||
        forward < 0 || backward < 0)
        return copy_tell_row(&costs->l->telling, "road_cost", costs->row_count,
                             "out of range");
    costs->edge_ms[2 * (edge_id - 1)] = (uint32_t)forward;
    costs->edge_ms[2 * (edge_id - 1) + 1] = (uint32_t)backward;
    return PT_OK;
}

/* What each edge costs by one profile. The first's stand with the edges. */
static enum pt_err load_costs(struct loader *l, size_t index)
{
    char sql[256];
    struct costs costs = {.l = l};
    costs.edge_ms = calloc(2 * l->edge_count + 1, sizeof(*costs.edge_ms));
    if (costs.edge_ms == NULL)
        return PT_E_NOMEM;
    l->edge_ms[index] = costs.edge_ms;
    l->profiles[index].edge_ms = costs.edge_ms;
    snprintf(sql, sizeof(sql),
             "COPY (SELECT edge_id, coalesce(forward_ms, 0),"
             " coalesce(backward_ms, 0) FROM patrol.road_cost"
             " WHERE profile_id = %d) TO STDOUT (FORMAT binary)",
             l->profile_ids[index]);
    return copy_out(l->db, sql,
                    &(struct copy){"road_cost", COST_COLUMNS, cost_row, &costs},
                    &l->telling);
}

/* -1 stands for null: such a turn is not made. */
#define PROFILE_TURN_AT 3
#define PROFILE_FORBIDDEN_AT (PROFILE_TURN_AT + ROADS_TURNS)
#define PROFILE_CONTROL_AT (PROFILE_FORBIDDEN_AT + 1)
#define PROFILE_START_AT (PROFILE_CONTROL_AT + ROADS_CONTROLS)
static const char profile_sql[] =
    "SELECT profile_id, name, is_emergency::integer, coalesce(turn_ms[1], -1),"
    " coalesce(turn_ms[2], -1), coalesce(turn_ms[3], -1),"
    " coalesce(turn_ms[4], -1), coalesce(turn_ms[5], -1),"
    " coalesce(turn_ms[6], -1), coalesce(turn_ms[7], -1),"
    " coalesce(turn_ms[8], -1), control_ms[1], control_ms[2], control_ms[3],"
    " control_ms[4], start_ms FROM patrol.road_profile ORDER BY profile_id";

static uint32_t ms_of(const PGresult *result, int row, int column)
{
    long ms = strtol(PQgetvalue(result, row, column), NULL, 10);
    return ms < 0 ? ROADS_NONE : (uint32_t)ms;
}

static void take_profile(struct loader *l, const PGresult *result, int row)
{
    struct roads_profile *profile = &l->profiles[row];
    l->profile_ids[row] = atoi(PQgetvalue(result, row, 0));
    snprintf(profile->name, sizeof(profile->name), "%s",
             PQgetvalue(result, row, 1));
    profile->emergency = PQgetvalue(result, row, 2)[0] == '1';
    for (int i = 0; i < ROADS_TURNS; i++)
        profile->turn_ms[i] = ms_of(result, row, PROFILE_TURN_AT + i);
    profile->forbidden_ms = ms_of(result, row, PROFILE_FORBIDDEN_AT);
    for (int i = 0; i < ROADS_CONTROLS; i++)
        profile->control_ms[i] = ms_of(result, row, PROFILE_CONTROL_AT + i);
    profile->start_ms = ms_of(result, row, PROFILE_START_AT);
}

/* None where the network was imported before there were any. */
static enum pt_err load_profiles(struct loader *l)
{
    PGresult *result = PQexec(l->db, profile_sql);
    enum pt_err err = PT_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        err = copy_tell(&l->telling, PT_E_DB, "road_profile",
                        PQerrorMessage(l->db));
    else if (PQntuples(result) > (int)ROADS_PROFILES_MAX)
        err = copy_tell(&l->telling, PT_E_CORRUPT, "road_profile",
                        "more than 8 profiles");
    else
        l->profile_count = (size_t)PQntuples(result);
    for (size_t i = 0; i < l->profile_count; i++)
        take_profile(l, result, (int)i);
    PQclear(result);
    for (size_t i = 1; i < l->profile_count && err == PT_OK; i++)
        err = load_costs(l, i);
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
        return copy_tell(&l->telling, PT_E_DB, "connecting",
                         PQerrorMessage(l->db));
    PGresult *result =
        PQexec(l->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    bool begun = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return begun ? PT_OK
                 : copy_tell(&l->telling, PT_E_DB, "BEGIN",
                             PQerrorMessage(l->db));
}

static enum pt_err newest_network(struct loader *l, uint32_t *network_id)
{
    PGresult *result =
        PQexec(l->db, "SELECT network_id FROM patrol.road_network"
                      " ORDER BY network_id DESC LIMIT 1");
    enum pt_err err = PT_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        err = copy_tell(&l->telling, PT_E_DB, "road_network",
                        PQerrorMessage(l->db));
    else if (PQntuples(result) == 0)
        err = copy_tell(&l->telling, PT_E_NOTFOUND, "road_network",
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
    for (size_t i = 0; i < l->turn_count; i++)
        l->turns[i].via = l->via + l->first_via[i];
}

static enum pt_err load_tables(struct loader *l)
{
    enum pt_err err = copy_out(
        l->db, edge_sql, &(struct copy){"road_edge", EDGE_COLUMNS, edge_row, l},
        &l->telling);
    if (err == PT_OK)
        err = copy_out(l->db, turn_sql,
                       &(struct copy){"road_turn", TURN_COLUMNS, turn_row, l},
                       &l->telling);
    if (err == PT_OK)
        err = copy_out(
            l->db, junction_sql,
            &(struct copy){"road_node", JUNCTION_COLUMNS, junction_row, l},
            &l->telling);
    if (err == PT_OK)
        err = load_profiles(l);
    settle_rows(l);
    return err;
}

static enum pt_err make(struct loader *l, uint32_t network_id,
                        struct roads **ret)
{
    const struct roads_rows rows = {.edges = l->edges,
                                    .edge_count = l->edge_count,
                                    .turns = l->turns,
                                    .turn_count = l->turn_count,
                                    .junctions = l->junctions,
                                    .junction_count = l->junction_count,
                                    .profiles = l->profiles,
                                    .profile_count = l->profile_count};
    enum pt_err err = roads_new(&rows, ret);
    if (err == PT_E_RANGE)
        return copy_tell(&l->telling, PT_E_CORRUPT, "network",
                         l->edge_count == 0
                             ? "has no edges"
                             : "an impossible edge, turn or profile");
    if (err != PT_OK)
        return err;
    (*ret)->network_id = network_id;
    snprintf(l->telling.message, l->telling.size,
             "network %u: %zu edges, %u junctions, %zu forbidden turns,"
             " %u profile%s",
             network_id, l->edge_count, (*ret)->node_count, l->turn_count,
             (*ret)->profile_count, (*ret)->profile_count == 1 ? "" : "s");
    return PT_OK;
}

static enum pt_err load(struct loader *l, const char *conninfo,
                        struct roads **ret)
{
    uint32_t network_id = 0;
    enum pt_err err = open_snapshot(l, conninfo);
    if (err == PT_OK)
        err = newest_network(l, &network_id);
    if (err == PT_OK)
        err = load_tables(l);
    if (err == PT_OK)
        err = make(l, network_id, ret);
    return err;
}

enum pt_err roads_load(const char *conninfo, struct roads **ret, char *message,
                       size_t message_size)
{
    struct loader l = {.telling = {message, message_size}};
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
    free(l.first_via);
    free(l.via);
    free(l.junctions);
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++)
        free(l.edge_ms[i]);
    return err;
}

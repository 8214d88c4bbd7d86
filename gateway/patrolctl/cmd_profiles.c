/* patrolctl roads profiles: who drives, and by which rules. */
#include "patrolctl_roads.h"
#include <stdlib.h>
#include <string.h>

/* Rows of facts that are fetched at once. */
#define FETCH_SQL "FETCH 20000 FROM facts"

/* ------------------------------------------------------------------ facts */
enum column {
    CLASS,
    SURFACE,
    SMOOTHNESS,
    TRACKTYPE,
    SERVICE,
    ACCESS,
    BARRIER,
    ONEWAY_EXCEPT,
    ONEWAY,
    MAXSPEED_KIND,
    MAXSPEED, /* forward, then backward; as the next three */
    SIGNALS = MAXSPEED + PROFILE_DIRECTIONS,
    STOPS = SIGNALS + PROFILE_DIRECTIONS,
    GIVE_WAYS = STOPS + PROFILE_DIRECTIONS,
    CROSSINGS = GIVE_WAYS + PROFILE_DIRECTIONS,
    CALMINGS,
    ROUNDABOUT,
    LENGTH_M,
    EDGE_ID,
    SOURCE,
    TARGET,
    START_LAT,
    START_LON
};

static const char facts_sql[] =
    "DECLARE facts NO SCROLL CURSOR FOR WITH place AS (SELECT node_id, "
    "row_number() OVER () - 1 AS number FROM patrol.road_node) SELECT class, "
    "surface, smoothness, "
    "tracktype, service, access, barrier, oneway_except, CASE oneway WHEN "
    "'forward' THEN 1 WHEN 'backward' THEN 2 WHEN 'reversible' THEN 3 WHEN "
    "'alternating' THEN 4 ELSE 0 END, CASE maxspeed_kind WHEN 'posted' THEN 1 "
    "WHEN 'implicit' THEN 2 WHEN 'walk' THEN 3 WHEN 'none' THEN 4 WHEN "
    "'variable' THEN 5 ELSE 0 END, maxspeed_forward_kmh, "
    "maxspeed_backward_kmh, signals_forward, signals_backward, stops_forward, "
    "stops_backward, give_ways_forward, give_ways_backward, crossings, "
    "calmings, roundabout, length_m, edge_id, s.number, t.number, "
    "ST_Y(ST_StartPoint(geom)), ST_X(ST_StartPoint(geom)) "
    "FROM patrol.road_edge LEFT JOIN place s ON s.node_id = source "
    "LEFT JOIN place t ON t.node_id = target ORDER BY edge_id";

static const char *text_at(const PGresult *rows, int row, enum column column)
{
    return PQgetisnull(rows, row, (int)column)
               ? NULL
               : PQgetvalue(rows, row, (int)column);
}

static unsigned number_at(const PGresult *rows, int row, size_t column)
{
    return (unsigned)strtoul(PQgetvalue(rows, row, (int)column), NULL, 10);
}

/* As a float, which is what the column holds and what an import reckons
 * with. */
static double real_at(const PGresult *rows, int row, size_t column)
{
    return (double)strtof(PQgetvalue(rows, row, (int)column), NULL);
}

static struct profile_facts facts_at(const PGresult *rows, int row)
{
    struct profile_facts facts = {
        .highway = text_at(rows, row, CLASS),
        .surface = text_at(rows, row, SURFACE),
        .smoothness = text_at(rows, row, SMOOTHNESS),
        .tracktype = text_at(rows, row, TRACKTYPE),
        .service = text_at(rows, row, SERVICE),
        .access = text_at(rows, row, ACCESS),
        .barrier = text_at(rows, row, BARRIER),
        .oneway_except = text_at(rows, row, ONEWAY_EXCEPT),
        .oneway = (enum profile_oneway)number_at(rows, row, ONEWAY),
        .limit = (enum profile_limit)number_at(rows, row, MAXSPEED_KIND),
        .crossings = number_at(rows, row, CROSSINGS),
        .calmings = number_at(rows, row, CALMINGS),
        .roundabout = *PQgetvalue(rows, row, ROUNDABOUT) == 't',
        .length_m = real_at(rows, row, LENGTH_M),
    };
    for (size_t d = 0; d < PROFILE_DIRECTIONS; d++) {
        facts.limit_kmh[d] = real_at(rows, row, MAXSPEED + d);
        facts.signals[d] = number_at(rows, row, SIGNALS + d);
        facts.stops[d] = number_at(rows, row, STOPS + d);
        facts.give_ways[d] = number_at(rows, row, GIVE_WAYS + d);
    }
    return facts;
}

/* What changing the profiles works with. */
struct change {
    const struct profiles *profiles;
    struct osm_network *streets; /* as far as ctl_islands_find() needs it */
    struct ctl_costs costs;
    struct ctl_islands islands;
};

/* False when the row is not that of edge number `edge`. */
static bool set_street(struct osm_network *streets, const PGresult *rows,
                       int row, size_t edge)
{
    if (edge >= streets->edge_count ||
        number_at(rows, row, EDGE_ID) != edge + 1 ||
        PQgetisnull(rows, row, SOURCE) || PQgetisnull(rows, row, TARGET))
        return false;
    struct osm_edge *of = &streets->edges[edge];
    of->source = number_at(rows, row, SOURCE);
    of->target = number_at(rows, row, TARGET);
    of->length_m = (float)real_at(rows, row, LENGTH_M);
    if (of->source >= streets->node_count || of->target >= streets->node_count)
        return false;
    streets->nodes[of->source].at =
        geo_from_deg(strtod(PQgetvalue(rows, row, START_LAT), NULL),
                     strtod(PQgetvalue(rows, row, START_LON), NULL));
    return true;
}

/* False, and a complaint made, when the rows are not edges 1..n. */
static bool set_costs(struct change *change, const PGresult *rows,
                      size_t before)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        size_t edge = before + (size_t)row;
        if (!set_street(change->streets, rows, row, edge)) {
            ctl_complain("patrol.road_edge: edge_id is not 1..n, or an end is "
                         "not in patrol.road_node; import the streets again");
            return false;
        }
        struct profile_facts facts = facts_at(rows, row);
        ctl_costs_set(&change->costs, edge, change->profiles, &facts);
    }
    return true;
}

static bool judge_all(struct ctl_writing *writing, struct change *change)
{
    bool good = ctl_run(writing->conn, facts_sql);
    for (size_t seen = 0; good;) {
        PGresult *rows = ctl_query(writing->conn, FETCH_SQL, 0, NULL);
        size_t count = rows != NULL ? (size_t)PQntuples(rows) : 0;
        good = rows != NULL && set_costs(change, rows, seen);
        PQclear(rows);
        seen += count;
        if (count == 0)
            break;
        ctl_progress_show(writing->progress,
                          (double)seen / (double)change->costs.edge_count,
                          "judging");
    }
    return good && ctl_run(writing->conn, "CLOSE facts");
}

/* Room for as many nodes and edges; a complaint is made. */
static struct osm_network *new_streets(size_t nodes, size_t edges)
{
    struct osm_network *streets = calloc(1, sizeof *streets);
    if (streets != NULL) {
        streets->node_count = nodes;
        streets->edge_count = edges;
        streets->nodes = calloc(nodes + 1, sizeof *streets->nodes);
        streets->edges = calloc(edges + 1, sizeof *streets->edges);
        if (streets->nodes != NULL && streets->edges != NULL)
            return streets;
    }
    osm_network_free(streets);
    ctl_complain("out of memory");
    return NULL;
}

/* ----------------------------------------------------------------- change */
/* How large the network in force is; 0 edges when there is none. */
static enum ctl_exit find_network(PGconn *conn, size_t *nodes, size_t *edges)
{
    enum ctl_exit end = CTL_OK;
    PGresult *rows = ctl_query(conn,
                               "SELECT facts, (SELECT count(*) FROM "
                               "patrol.road_edge), (SELECT count(*) FROM "
                               "patrol.road_node) FROM patrol.road_network "
                               "ORDER BY network_id DESC LIMIT 1",
                               0, NULL);
    if (rows == NULL)
        return ctl_database_exit(conn);
    *nodes = *edges = 0;
    if (PQntuples(rows) > 0) {
        *edges = strtoull(PQgetvalue(rows, 0, 1), NULL, 10);
        *nodes = strtoull(PQgetvalue(rows, 0, 2), NULL, 10);
        if (strcmp(PQgetvalue(rows, 0, 0), CTL_ROAD_FACTS) != 0) {
            ctl_complain("the streets were imported by an older patrolctl, "
                         "which did not keep what profiles judge: import "
                         "them again");
            end = CTL_REFUSED;
        }
    }
    PQclear(rows);
    return end;
}

/* The first profile's costs stand with the edges, too, and what it comes
 * to. */
static const char edges_sql[] =
    "UPDATE patrol.road_edge e SET forward_ms = n.forward_ms, "
    "backward_ms = n.backward_ms, is_main = n.is_main FROM (SELECT x.edge_id, "
    "c.forward_ms, c.backward_ms, m.edge_id IS NOT NULL AS is_main "
    "FROM patrol.road_edge x LEFT JOIN patrol.road_cost c "
    "ON c.edge_id = x.edge_id AND c.profile_id = 1 "
    "LEFT JOIN main_edge m ON m.edge_id = x.edge_id) n "
    "WHERE n.edge_id = e.edge_id AND (e.forward_ms, e.backward_ms, e.is_main) "
    "IS DISTINCT FROM (n.forward_ms, n.backward_ms, n.is_main)";

static bool update_edges(struct ctl_writing *writing,
                         const struct change *change)
{
    struct ctl_copy *copy = &writing->copy;
    if (!ctl_run(writing->conn, "CREATE TEMPORARY TABLE main_edge "
                                "(edge_id integer PRIMARY KEY) ON COMMIT DROP"))
        return false;
    ctl_copy_begin(copy, writing->conn,
                   "COPY main_edge FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < change->costs.edge_count && !copy->failed; i++) {
        if (!change->islands.main[i])
            continue;
        ctl_copy_row(copy, 1);
        ctl_copy_int4(copy, (int32_t)(i + 1));
    }
    return ctl_copy_end(copy) && ctl_run(writing->conn, edges_sql);
}

/* What was judged, as it is told and kept. */
static json_t *change_json(const struct change *change)
{
    return json_pack("{s:o, s:o}", "profiles",
                     ctl_costs_json(&change->costs, change->profiles),
                     "islands", ctl_islands_json(&change->islands));
}

/* Its INSERT tells the gateways, at COMMIT. */
static bool renew_network(PGconn *conn, const struct change *change)
{
    json_t *judged = change_json(change);
    char *text = json_dumps(judged, JSON_COMPACT | JSON_REAL_PRECISION(12));
    const char *const params[] = {text};
    PGresult *result =
        text == NULL
            ? NULL
            : ctl_query(conn,
                        "INSERT INTO patrol.road_network (source, nodes, "
                        "edges, turns, length_m, summary, facts) SELECT "
                        "source, nodes, edges, turns, length_m, "
                        "coalesce(summary, '{}') || $1::jsonb, facts FROM "
                        "patrol.road_network ORDER BY network_id DESC LIMIT 1",
                        1, params);
    PQclear(result);
    free(text);
    json_decref(judged);
    return result != NULL;
}

/* What each street takes by the new rules, and what is an island by them. */
static enum ctl_exit judge(struct ctl_writing *writing, struct change *change)
{
    const struct profiles *profiles = change->profiles;
    size_t nodes = 0;
    size_t edges = 0;
    enum ctl_exit end = find_network(writing->conn, &nodes, &edges);
    if (end != CTL_OK)
        return end;
    change->streets = new_streets(nodes, edges);
    if (change->streets == NULL ||
        !ctl_costs_new(edges, profiles->count, &change->costs))
        return CTL_REFUSED;
    if (edges > 0 && !judge_all(writing, change))
        return ctl_database_exit(writing->conn);
    if (edges > 0 && change->costs.driven[0] == 0) {
        ctl_complain("by these rules %s may use no street at all",
                     profiles->items[0].name);
        return CTL_BAD_INPUT;
    }
    return ctl_islands_find(change->streets, &change->costs, &change->islands)
               ? CTL_OK
               : CTL_REFUSED;
}

static enum ctl_exit put_into_force(struct ctl_writing *writing,
                                    struct change *change)
{
    PGconn *conn = writing->conn;
    if (!ctl_run(conn, "BEGIN") || !ctl_roads_lock(conn))
        return ctl_database_exit(conn);
    enum ctl_exit end = judge(writing, change);
    if (end != CTL_OK)
        return end; /* closing the connection rolls back */
    size_t edges = change->costs.edge_count;
    writing->total = edges * change->profiles->count + 1;
    if (!ctl_write_profiles(writing, change->profiles, &change->costs) ||
        !update_edges(writing, change) ||
        !ctl_islands_missions(conn, &change->islands) ||
        (edges > 0 && !renew_network(conn, change)) || !ctl_run(conn, "COMMIT"))
        return ctl_database_exit(conn);
    ctl_progress_show(writing->progress, 1, "tidying up");
    if (!ctl_run(conn, "VACUUM ANALYZE patrol.road_edge, patrol.road_cost"))
        ctl_complain("the profiles are in force, but the tables could not be "
                     "vacuumed");
    return CTL_OK;
}

static void tell(const struct ctl *ctl, const struct change *change)
{
    if (ctl->json) {
        json_t *answer = change_json(change);
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        putchar('\n');
        json_decref(answer);
    } else if (change->costs.edge_count == 0) {
        printf("%zu profiles in force; no streets were imported yet\n",
               change->profiles->count);
    } else {
        ctl_costs_print(&change->costs, change->profiles);
        ctl_islands_print(&change->islands, change->profiles);
    }
}

static enum ctl_exit change_profiles(const struct ctl *ctl, PGconn *conn,
                                     const struct profiles *profiles)
{
    struct ctl_progress progress;
    struct change change = {.profiles = profiles};
    struct ctl_writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        ctl_complain("out of memory");
        return CTL_REFUSED;
    }
    ctl_progress_start(&progress);
    writing->conn = conn;
    writing->progress = &progress;
    enum ctl_exit end = put_into_force(writing, &change);
    ctl_progress_end(&progress);
    if (end == CTL_OK)
        tell(ctl, &change);
    ctl_islands_clear(&change.islands);
    ctl_costs_clear(&change.costs);
    osm_network_free(change.streets);
    free(writing);
    return end;
}

/* The whole file is found good before the database is asked for anything. */
static enum ctl_exit read_profiles(const char *path, struct profiles **ret)
{
    char message[512] = "";
    size_t size = 0;
    char *text = ctl_read_file(path, &size);
    if (text == NULL)
        return CTL_BAD_INPUT;
    enum pt_err err = PT_E_CONFIG;
    if (strlen(text) != size)
        snprintf(message, sizeof message, "%s: expected text, found a 0 byte",
                 path);
    else
        err = profiles_parse(text, path, ret, message, sizeof message);
    if (err != PT_OK)
        ctl_complain("%s", message);
    free(text);
    return err == PT_OK ? CTL_OK : CTL_BAD_INPUT;
}

/* ------------------------------------------------------------------- list */
static const char list_sql[] =
    "SELECT p.name, CASE WHEN is_emergency THEN 'yes' ELSE 'no' END, "
    "CASE WHEN keeps_turns THEN 'yes' ELSE 'no' END, count(e.edge_id), "
    "round((coalesce(sum(length_m::double precision), 0) / 1000)::numeric, 1), "
    "json_build_object('name', p.name, 'is_emergency', is_emergency, "
    "'keeps_turns', keeps_turns, 'edges', count(e.edge_id), 'length_m', "
    "coalesce(sum(length_m::double precision), 0)) "
    "FROM patrol.road_profile p LEFT JOIN patrol.road_cost USING (profile_id) "
    "LEFT JOIN patrol.road_edge e USING (edge_id) GROUP BY p.profile_id "
    "ORDER BY p.profile_id";

static enum ctl_exit print_list(const struct ctl *ctl, const PGresult *rows)
{
    struct ctl_table *table = NULL;
    if (ctl->json) {
        putchar('[');
        for (int row = 0; row < PQntuples(rows); row++)
            printf("%s%s", row > 0 ? ",\n " : "", PQgetvalue(rows, row, 5));
        puts("]");
        return CTL_OK;
    }
    if (PQntuples(rows) == 0) {
        puts("none yet: the first import of streets puts the built-in ones "
             "into force");
        return CTL_OK;
    }
    if (ctl_table_new("profile|emergency|keeps turn restrictions|>edges|>km",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (int row = 0; row < PQntuples(rows); row++) {
        for (int column = 0; column < 5; column++)
            ctl_table_cell(table, PQgetvalue(rows, row, column));
    }
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static enum ctl_exit list(const struct ctl *ctl, PGconn *conn)
{
    PGresult *rows = ctl_query(conn, list_sql, 0, NULL);
    enum ctl_exit end =
        rows != NULL ? print_list(ctl, rows) : ctl_database_exit(conn);
    PQclear(rows);
    return end;
}

static enum ctl_exit print_text(PGconn *conn)
{
    struct profiles *profiles = ctl_profiles_in_force(conn);
    if (profiles == NULL)
        return ctl_database_exit(conn);
    for (size_t p = 0; p < profiles->count; p++)
        fputs(profiles->items[p].text, stdout);
    profiles_free(profiles);
    return CTL_OK;
}

enum ctl_exit cmd_roads_profiles(struct ctl *ctl, int argc, char **argv)
{
    bool text = false;
    struct profiles *profiles = NULL;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"text", 0, CTL_FLAG, &text, NULL, "print them as a file to edit", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    if (ctl->argc > 0 && text) {
        ctl_complain("--text and a file exclude each other");
        return CTL_USAGE;
    }
    end = ctl->argc > 0 ? read_profiles(ctl->argv[0], &profiles) : CTL_OK;
    if (end != CTL_OK)
        return end;
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        end = CTL_UNREACHABLE;
    else if (profiles != NULL)
        end = change_profiles(ctl, conn, profiles);
    else
        end = text ? print_text(conn) : list(ctl, conn);
    PQfinish(conn);
    profiles_free(profiles);
    return end;
}

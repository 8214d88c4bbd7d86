/* patrolctl roads import: an OpenStreetMap file becomes the street network
 * in force. */
#include "patrolctl_roads.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Islands told one by one. */
#define ISLANDS_TOLD 5

struct import {
    const char *path;
    const struct osm_network *network;
    struct profiles *profiles;
    struct ctl_costs costs;
    struct osm_parts parts;
    double islands_m;   /* streets on islands */
    long long missions; /* that lie nearest to an island's street */
    double started_s;   /* monotonic */
};

static void show_reading(void *context, double share, const char *phase)
{
    const char *words = strcmp(phase, "ways") == 0    ? "reading streets"
                        : strcmp(phase, "nodes") == 0 ? "reading their places"
                                                      : phase;
    ctl_progress_show(context, share, words);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---------------------------------------------------------------- judging */
/* Which part of the network is the main one, for the first profile, shows
 * what cannot be come to. */
static bool find_parts(struct import *import)
{
    enum pt_err err = osm_find_parts(import->network,
                                     (const uint32_t(*)[2])import->costs.ms[0],
                                     &import->parts);
    if (err != PT_OK) {
        ctl_complain("%s", pt_strerror(err));
        return false;
    }
    for (size_t i = 1; i < import->parts.count; i++)
        import->islands_m += import->parts.items[i].length_m;
    return true;
}

static enum ctl_exit judge(struct import *import, PGconn *conn)
{
    const struct osm_network *network = import->network;
    import->profiles = ctl_profiles_in_force(conn);
    if (import->profiles == NULL)
        return ctl_database_exit(conn);
    if (!ctl_costs_new(network->edge_count, import->profiles->count,
                       &import->costs))
        return CTL_REFUSED;
    for (size_t i = 0; i < network->edge_count; i++) {
        struct profile_facts facts =
            osm_edge_facts(network, &network->edges[i]);
        ctl_costs_set(&import->costs, i, import->profiles, &facts);
    }
    if (import->costs.driven[0] == 0) {
        ctl_complain("%s: no drivable road in it: none that the profile %s "
                     "may use",
                     import->path, import->profiles->items[0].name);
        return CTL_BAD_INPUT;
    }
    return find_parts(import) ? CTL_OK : CTL_REFUSED;
}

/* The island that an edge is on; 0 when it is on none. */
static uint32_t island_of(const struct import *import, size_t edge)
{
    const struct osm_edge *of = &import->network->edges[edge];
    const uint32_t *ms = import->costs.ms[0][edge];
    uint32_t part = import->parts.of_node[of->source];
    return (ms[0] > 0 || ms[1] > 0) && part != UINT32_MAX &&
                   part == import->parts.of_node[of->target]
               ? part
               : 0;
}

/* ---------------------------------------------------------------- summary */
static json_t *islands_json(const struct import *import)
{
    const struct osm_parts *parts = &import->parts;
    json_t *biggest = json_array();
    for (size_t i = 1; i < parts->count && i <= ISLANDS_TOLD; i++) {
        const struct osm_part *part = &parts->items[i];
        json_array_append_new(
            biggest,
            json_pack("{s:f, s:f, s:f, s:I}", "lat", geo_lat_deg(part->at),
                      "lon", geo_lon_deg(part->at), "length_m", part->length_m,
                      "edges", (json_int_t)part->edge_count));
    }
    return json_pack("{s:I, s:f, s:I, s:o}", "count",
                     (json_int_t)(parts->count > 0 ? parts->count - 1 : 0),
                     "length_m", import->islands_m, "missions",
                     (json_int_t)import->missions, "biggest", biggest);
}

static json_t *summary_json(const struct import *import)
{
    const struct osm_network *network = import->network;
    json_t *summary = json_object();
    for (size_t i = 0; i < network->tally_count; i++)
        json_object_set_new(summary, network->tally[i].what,
                            json_integer((json_int_t)network->tally[i].count));
    json_object_set_new(summary, "profiles",
                        ctl_costs_json(&import->costs, import->profiles));
    json_object_set_new(summary, "islands", islands_json(import));
    return summary;
}

static void print_islands(const struct import *import)
{
    const struct osm_parts *parts = &import->parts;
    if (parts->count < 2)
        return;
    printf("%12zu  islands, %.1f km: parts that %s cannot come to from the "
           "main one, or not back\n",
           parts->count - 1, import->islands_m / 1000,
           import->profiles->items[0].name);
    for (size_t i = 1; i < parts->count && i <= ISLANDS_TOLD; i++) {
        const struct osm_part *part = &parts->items[i];
        printf("%12.1f  km of them at %.6f,%.6f\n", part->length_m / 1000,
               geo_lat_deg(part->at), geo_lon_deg(part->at));
    }
    printf("%12lld  missions lie nearest to an island\n", import->missions);
}

static void print_people(const struct import *import)
{
    const struct osm_network *network = import->network;
    printf("%zu edges between %zu nodes, %.1f km; %zu turns forbidden; "
           "%.1f s\n",
           network->edge_count, network->node_count, network->length_m / 1000,
           network->turn_count, now_s() - import->started_s);
    for (size_t i = 0; i < network->tally_count; i++)
        printf("%12" PRIu64 "  %s\n", network->tally[i].count,
               network->tally[i].what);
    ctl_costs_print(&import->costs, import->profiles);
    print_islands(import);
}

static void print_json(const struct import *import)
{
    const struct osm_network *network = import->network;
    json_t *answer =
        json_pack("{s:I, s:I, s:I, s:f, s:f, s:o}", "nodes",
                  (json_int_t)network->node_count, "edges",
                  (json_int_t)network->edge_count, "turns",
                  (json_int_t)network->turn_count, "length_m",
                  network->length_m, "seconds", now_s() - import->started_s,
                  "summary", summary_json(import));
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(answer);
}

/* ---------------------------------------------------------------- writing */
/* Its INSERT tells the gateways, at COMMIT. */
static bool insert_network(PGconn *conn, const struct import *import)
{
    const struct osm_network *network = import->network;
    const char *slash = strrchr(import->path, '/');
    char nodes[24], edges[24], turns[24], length[40];
    snprintf(nodes, sizeof nodes, "%zu", network->node_count);
    snprintf(edges, sizeof edges, "%zu", network->edge_count);
    snprintf(turns, sizeof turns, "%zu", network->turn_count);
    snprintf(length, sizeof length, "%.3f", network->length_m);
    json_t *summary = summary_json(import);
    char *text = json_dumps(summary, JSON_COMPACT | JSON_REAL_PRECISION(12));
    const char *const params[] = {slash != NULL ? slash + 1 : import->path,
                                  nodes,
                                  edges,
                                  turns,
                                  length,
                                  text};
    PGresult *result =
        text == NULL
            ? NULL
            : ctl_query(conn,
                        "INSERT INTO patrol.road_network (source, nodes, "
                        "edges, turns, length_m, summary, facts) "
                        "VALUES ($1, $2, $3, $4, $5, $6, " CTL_ROAD_FACTS ")",
                        6, params);
    PQclear(result);
    free(text);
    json_decref(summary);
    return result != NULL;
}

/* How many missions have an island's street as the nearest that may be
 * used. */
static bool count_missions(struct ctl_writing *writing, struct import *import)
{
    struct ctl_copy *copy = &writing->copy;
    if (!ctl_run(writing->conn, "CREATE TEMPORARY TABLE island_edge "
                                "(edge_id integer PRIMARY KEY) ON COMMIT DROP"))
        return false;
    ctl_copy_begin(copy, writing->conn,
                   "COPY island_edge FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < import->network->edge_count && !copy->failed; i++) {
        if (island_of(import, i) == 0)
            continue;
        ctl_copy_row(copy, 1);
        ctl_copy_int4(copy, (int32_t)(i + 1));
    }
    if (!ctl_copy_end(copy))
        return false;
    PGresult *rows = ctl_query(
        writing->conn,
        "SELECT count(*) FROM patrol.mission m CROSS JOIN LATERAL (SELECT "
        "edge_id FROM patrol.road_edge WHERE forward_ms IS NOT NULL OR "
        "backward_ms IS NOT NULL ORDER BY geom <-> m.geom LIMIT 1) e "
        "JOIN island_edge USING (edge_id)",
        0, NULL);
    if (rows != NULL)
        import->missions = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return rows != NULL;
}

/* DELETE, not TRUNCATE: a gateway that is just loading the old network keeps
 * seeing it whole, and need not wait either. */
static bool replace_network(struct ctl_writing *writing, struct import *import)
{
    PGconn *conn = writing->conn;
    const struct osm_network *network = import->network;
    ctl_progress_show(writing->progress, 0, "clearing the old network");
    return ctl_run(conn, "DELETE FROM patrol.road_turn") &&
           ctl_run(conn, "DELETE FROM patrol.road_edge") &&
           ctl_run(conn, "DELETE FROM patrol.road_node") &&
           ctl_write_nodes(writing, network) &&
           ctl_write_edges(writing, network, &import->costs) &&
           ctl_write_turns(writing, network) &&
           ctl_write_profiles(writing, import->profiles, &import->costs) &&
           count_missions(writing, import) && insert_network(conn, import) &&
           (ctl_progress_show(writing->progress, 1, "checking"), true) &&
           ctl_run(conn, "COMMIT");
}

static enum ctl_exit write_network(struct ctl_writing *writing,
                                   struct import *import)
{
    const struct osm_network *network = import->network;
    PGconn *conn = writing->conn;
    if (!ctl_run(conn, "BEGIN") || !ctl_roads_lock(conn))
        return ctl_database_exit(conn);
    enum ctl_exit end = judge(import, conn);
    if (end != CTL_OK)
        return end; /* closing the connection rolls back */
    writing->total = network->node_count + network->turn_count +
                     network->edge_count * (1 + import->profiles->count);
    if (!replace_network(writing, import))
        return ctl_database_exit(conn);
    /* The old rows' room; the network is in force whether it works or not. */
    ctl_progress_show(writing->progress, 1, "tidying up");
    if (!ctl_run(conn, "VACUUM ANALYZE patrol.road_turn, patrol.road_edge, "
                       "patrol.road_node, patrol.road_cost"))
        ctl_complain("the network is in force, but its tables could not be "
                     "vacuumed");
    return CTL_OK;
}

static enum ctl_exit import_network(const struct ctl *ctl,
                                    struct import *import,
                                    struct ctl_progress *progress)
{
    enum ctl_exit end = CTL_REFUSED;
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    struct ctl_writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        ctl_complain("out of memory");
    } else {
        writing->conn = conn;
        writing->progress = progress;
        end = write_network(writing, import);
    }
    free(writing);
    PQfinish(conn);
    return end;
}

enum ctl_exit cmd_roads_import(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    enum ctl_exit end;
    struct ctl_progress progress;
    struct osm_network *network = NULL;
    struct import import = {.started_s = now_s()};
    char message[512] = "";
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    ctl_progress_start(&progress);
    enum pt_err err = osm_read(ctl->argv[0], show_reading, &progress, &network,
                               message, sizeof message);
    if (err != PT_OK) {
        ctl_progress_end(&progress);
        ctl_complain("%s", message);
        return CTL_BAD_INPUT;
    }
    import.path = ctl->argv[0];
    import.network = network;
    end = import_network(ctl, &import, &progress);
    ctl_progress_end(&progress);
    if (end == CTL_OK && ctl->json)
        print_json(&import);
    else if (end == CTL_OK)
        print_people(&import);
    osm_parts_clear(&import.parts);
    ctl_costs_clear(&import.costs);
    profiles_free(import.profiles);
    osm_network_free(network);
    return end;
}

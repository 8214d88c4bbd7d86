/* patrolctl roads import: an OpenStreetMap file becomes the street network
 * in force. */
#include "patrolctl_roads.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct import {
    const char *path;
    const struct osm_network *network;
    struct profiles *profiles;
    struct ctl_costs costs;
    struct ctl_islands islands;
    PGresult *before; /* the network that is replaced: a row, or none */
    double started_s; /* monotonic */
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
    return ctl_islands_find(network, &import->costs, &import->islands)
               ? CTL_OK
               : CTL_REFUSED;
}

/* ----------------------------------------------------------------- before */
static bool find_before(struct import *import, PGconn *conn)
{
    import->before = ctl_query(conn,
                               "SELECT source, edges, length_m FROM "
                               "patrol.road_network ORDER BY network_id DESC "
                               "LIMIT 1",
                               0, NULL);
    return import->before != NULL;
}

static bool has_before(const struct import *import)
{
    return PQntuples(import->before) > 0;
}

static double before_m(const struct import *import)
{
    return strtod(PQgetvalue(import->before, 0, 2), NULL);
}

static json_t *before_json(const struct import *import)
{
    if (!has_before(import))
        return json_null();
    return json_pack(
        "{s:s, s:I, s:f}", "source", PQgetvalue(import->before, 0, 0), "edges",
        (json_int_t)strtoll(PQgetvalue(import->before, 0, 1), NULL, 10),
        "length_m", before_m(import));
}

/* A .pbf that ends where one of its blocks does looks whole, and another
 * city's looks like this one's: the length shows it. */
static void compare_with_before(const struct import *import)
{
    if (has_before(import) && import->network->length_m < before_m(import) / 2)
        ctl_complain("the streets are in force, but less than half as long as "
                     "those of %s before: is %s whole?",
                     PQgetvalue(import->before, 0, 0), import->path);
}

/* ---------------------------------------------------------------- summary */
static json_t *summary_json(const struct import *import)
{
    const struct osm_network *network = import->network;
    json_t *summary = json_object();
    for (size_t i = 0; i < network->tally_count; i++)
        json_object_set_new(summary, network->tally[i].what,
                            json_integer((json_int_t)network->tally[i].count));
    json_object_set_new(summary, "profiles",
                        ctl_costs_json(&import->costs, import->profiles));
    json_object_set_new(summary, "islands", ctl_islands_json(&import->islands));
    return summary;
}

static void print_people(const struct import *import)
{
    const struct osm_network *network = import->network;
    printf("%zu edges between %zu nodes, %.1f km; %zu turns forbidden; "
           "%.1f s\n",
           network->edge_count, network->node_count, network->length_m / 1000,
           network->turn_count, now_s() - import->started_s);
    if (has_before(import))
        printf("in place of %s edges, %.1f km, of %s\n",
               PQgetvalue(import->before, 0, 1), before_m(import) / 1000,
               PQgetvalue(import->before, 0, 0));
    for (size_t i = 0; i < network->tally_count; i++)
        printf("%12" PRIu64 "  %s\n", network->tally[i].count,
               network->tally[i].what);
    ctl_costs_print(&import->costs, import->profiles);
    ctl_islands_print(&import->islands, import->profiles);
}

static void print_json(const struct import *import)
{
    const struct osm_network *network = import->network;
    json_t *answer = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:o, s:o}", "nodes",
        (json_int_t)network->node_count, "edges",
        (json_int_t)network->edge_count, "turns",
        (json_int_t)network->turn_count, "length_m", network->length_m,
        "seconds", now_s() - import->started_s, "summary", summary_json(import),
        "before", before_json(import));
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
           ctl_write_edges(writing, network, &import->costs,
                           &import->islands) &&
           ctl_write_turns(writing, network) &&
           ctl_write_profiles(writing, import->profiles, &import->costs) &&
           ctl_islands_missions(conn, &import->islands) &&
           insert_network(conn, import) &&
           (ctl_progress_show(writing->progress, 1, "checking"), true) &&
           ctl_run(conn, "COMMIT");
}

static enum ctl_exit write_network(struct ctl_writing *writing,
                                   struct import *import)
{
    const struct osm_network *network = import->network;
    PGconn *conn = writing->conn;
    if (!ctl_run(conn, "BEGIN") || !ctl_roads_lock(conn) ||
        !find_before(import, conn))
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
    if (end == CTL_OK)
        compare_with_before(&import);
    PQclear(import.before);
    ctl_islands_clear(&import.islands);
    ctl_costs_clear(&import.costs);
    profiles_free(import.profiles);
    osm_network_free(network);
    return end;
}

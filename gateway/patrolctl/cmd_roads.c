/* patrolctl roads import: an OpenStreetMap file becomes the street network
 * in force. */
#include "osm.h"
#include "patrolctl_internal.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rows between two looks at the progress bar. */
#define SHOW_EVERY 1024

struct writing {
    PGconn *conn;
    const struct osm_network *network;
    struct ctl_progress *progress;
    size_t written, total; /* rows */
    struct ctl_copy copy;
};

static void show_reading(void *context, double share, const char *phase)
{
    const char *words = strcmp(phase, "ways") == 0    ? "reading streets"
                        : strcmp(phase, "nodes") == 0 ? "reading their places"
                                                      : phase;
    ctl_progress_show(context, share, words);
}

static void show_writing(struct writing *writing)
{
    if (writing->written++ % SHOW_EVERY == 0)
        ctl_progress_show(writing->progress,
                          (double)writing->written / (double)writing->total,
                          "writing");
}

static bool copy_nodes(struct writing *writing)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_node (node_id, geom) "
                   "FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < writing->network->node_count && !copy->failed; i++) {
        const struct osm_node *node = &writing->network->nodes[i];
        ctl_copy_row(copy, 2);
        ctl_copy_int8(copy, node->id);
        ctl_copy_geometry(copy, &node->at, 1);
        show_writing(writing);
    }
    return ctl_copy_end(copy);
}

/* 0 is osm's "not there"; the database's is null. */
static void copy_ms(struct ctl_copy *copy, uint32_t ms)
{
    if (ms > 0)
        ctl_copy_int4(copy, (int32_t)ms);
    else
        ctl_copy_null(copy);
}

static void copy_kmh(struct ctl_copy *copy, float kmh)
{
    if (kmh > 0)
        ctl_copy_real(copy, kmh);
    else
        ctl_copy_null(copy);
}

static bool copy_edges(struct writing *writing)
{
    const struct osm_network *network = writing->network;
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_edge (edge_id, way_id, source, target, "
                   "class, name, ref, length_m, forward_ms, backward_ms, "
                   "maxspeed_forward_kmh, maxspeed_backward_kmh, geom) "
                   "FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < network->edge_count && !copy->failed; i++) {
        const struct osm_edge *edge = &network->edges[i];
        ctl_copy_row(copy, 13);
        ctl_copy_int4(copy, (int32_t)(i + 1));
        ctl_copy_int8(copy, edge->way_id);
        ctl_copy_int8(copy, network->nodes[edge->source].id);
        ctl_copy_int8(copy, network->nodes[edge->target].id);
        ctl_copy_text(copy, edge->highway);
        ctl_copy_text(copy, edge->name);
        ctl_copy_text(copy, edge->ref);
        ctl_copy_real(copy, edge->length_m);
        copy_ms(copy, edge->forward_ms);
        copy_ms(copy, edge->backward_ms);
        copy_kmh(copy, edge->maxspeed_forward_kmh);
        copy_kmh(copy, edge->maxspeed_backward_kmh);
        ctl_copy_geometry(copy, network->points + edge->first_point,
                          edge->point_count);
        show_writing(writing);
    }
    return ctl_copy_end(copy);
}

static bool copy_turns(struct writing *writing)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_turn (from_edge, from_forward, to_edge, "
                   "to_forward, relation_id) FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < writing->network->turn_count && !copy->failed; i++) {
        const struct osm_turn *turn = &writing->network->turns[i];
        ctl_copy_row(copy, 5);
        ctl_copy_int4(copy, (int32_t)(turn->from_edge + 1));
        ctl_copy_bool(copy, turn->from_forward);
        ctl_copy_int4(copy, (int32_t)(turn->to_edge + 1));
        ctl_copy_bool(copy, turn->to_forward);
        ctl_copy_int8(copy, turn->relation_id);
        show_writing(writing);
    }
    return ctl_copy_end(copy);
}

static json_t *summary_json(const struct osm_network *network)
{
    json_t *summary = json_object();
    for (size_t i = 0; i < network->tally_count; i++)
        json_object_set_new(summary, network->tally[i].what,
                            json_integer((json_int_t)network->tally[i].count));
    return summary;
}

/* Its INSERT tells the gateways, at COMMIT. */
static bool insert_network(struct writing *writing, const char *path)
{
    const struct osm_network *network = writing->network;
    const char *slash = strrchr(path, '/');
    char nodes[24], edges[24], turns[24], length[40];
    snprintf(nodes, sizeof nodes, "%zu", network->node_count);
    snprintf(edges, sizeof edges, "%zu", network->edge_count);
    snprintf(turns, sizeof turns, "%zu", network->turn_count);
    snprintf(length, sizeof length, "%.3f", network->length_m);
    json_t *summary = summary_json(network);
    char *text = json_dumps(summary, JSON_COMPACT);
    const char *const params[] = {
        slash != NULL ? slash + 1 : path, nodes, edges, turns, length, text};
    PGresult *result =
        text == NULL
            ? NULL
            : ctl_query(writing->conn,
                        "INSERT INTO patrol.road_network (source, nodes, "
                        "edges, turns, length_m, summary) "
                        "VALUES ($1, $2, $3, $4, $5, $6)",
                        6, params);
    PQclear(result);
    free(text);
    json_decref(summary);
    return result != NULL;
}

/* Only one import at a time; the lock goes with the transaction. */
static bool lock_import(PGconn *conn)
{
    PGresult *result = ctl_query(conn,
                                 "SELECT pg_try_advisory_xact_lock("
                                 "hashtext('patrol.roads_import'))",
                                 0, NULL);
    bool locked = result != NULL && *PQgetvalue(result, 0, 0) == 't';
    if (result != NULL && !locked)
        ctl_complain("another import of streets is under way");
    PQclear(result);
    return locked;
}

/* DELETE, not TRUNCATE: a gateway that is just loading the old network keeps
 * seeing it whole, and need not wait either. */
static bool replace_network(struct writing *writing, const char *path)
{
    PGconn *conn = writing->conn;
    ctl_progress_show(writing->progress, 0, "clearing the old network");
    return ctl_run(conn, "BEGIN") && lock_import(conn) &&
           ctl_run(conn, "DELETE FROM patrol.road_turn") &&
           ctl_run(conn, "DELETE FROM patrol.road_edge") &&
           ctl_run(conn, "DELETE FROM patrol.road_node") &&
           copy_nodes(writing) && copy_edges(writing) && copy_turns(writing) &&
           insert_network(writing, path) &&
           (ctl_progress_show(writing->progress, 1, "checking"), true) &&
           ctl_run(conn, "COMMIT");
}

static enum ctl_exit write_network(const struct ctl *ctl, const char *path,
                                   const struct osm_network *network,
                                   struct ctl_progress *progress)
{
    enum ctl_exit end = CTL_REFUSED;
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    struct writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        ctl_complain("out of memory");
        goto done;
    }
    writing->conn = conn;
    writing->network = network;
    writing->progress = progress;
    writing->total =
        network->node_count + network->edge_count + network->turn_count;
    if (!replace_network(writing, path)) {
        end = ctl_database_exit(conn);
        goto done; /* closing the connection rolls back */
    }
    end = CTL_OK;
    /* The old rows' room; the network is in force whether it works or not. */
    ctl_progress_show(progress, 1, "tidying up");
    if (!ctl_run(conn, "VACUUM ANALYZE patrol.road_turn, patrol.road_edge, "
                       "patrol.road_node"))
        ctl_complain("the network is in force, but its tables could not be "
                     "vacuumed");
done:
    free(writing);
    PQfinish(conn);
    return end;
}

static void print_people(const struct osm_network *network, double seconds)
{
    printf("%zu edges between %zu nodes, %.1f km; %zu turns forbidden; "
           "%.1f s\n",
           network->edge_count, network->node_count, network->length_m / 1000,
           network->turn_count, seconds);
    for (size_t i = 0; i < network->tally_count; i++)
        printf("%12" PRIu64 "  %s\n", network->tally[i].count,
               network->tally[i].what);
}

static void print_json(const struct osm_network *network, double seconds)
{
    json_t *answer = json_pack("{s:I, s:I, s:I, s:f, s:f, s:o}", "nodes",
                               (json_int_t)network->node_count, "edges",
                               (json_int_t)network->edge_count, "turns",
                               (json_int_t)network->turn_count, "length_m",
                               network->length_m, "seconds", seconds, "summary",
                               summary_json(network));
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(answer);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum ctl_exit cmd_roads_import(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    enum ctl_exit end;
    struct ctl_progress progress;
    struct osm_network *network = NULL;
    char message[512] = "";
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    double started_s = now_s();
    ctl_progress_start(&progress);
    enum pt_err err = osm_read(ctl->argv[0], show_reading, &progress, &network,
                               message, sizeof message);
    if (err != PT_OK) {
        ctl_progress_end(&progress);
        ctl_complain("%s", message);
        return CTL_BAD_INPUT;
    }
    end = write_network(ctl, ctl->argv[0], network, &progress);
    ctl_progress_end(&progress);
    if (end == CTL_OK && ctl->json)
        print_json(network, now_s() - started_s);
    else if (end == CTL_OK)
        print_people(network, now_s() - started_s);
    osm_network_free(network);
    return end;
}

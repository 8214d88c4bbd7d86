/* The street network on its way into the database. */
#include "patrolctl_roads.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows between two looks at the progress bar. */
#define SHOW_EVERY 1024

/* ------------------------------------------------------------------ costs */
bool ctl_costs_new(size_t edge_count, size_t profile_count,
                   struct ctl_costs *ret)
{
    *ret = (struct ctl_costs){.edge_count = edge_count,
                              .profile_count = profile_count};
    for (size_t p = 0; p < profile_count; p++) {
        ret->ms[p] = calloc(edge_count + 1, sizeof *ret->ms[p]);
        if (ret->ms[p] == NULL) {
            ctl_costs_clear(ret);
            ctl_complain("out of memory");
            return false;
        }
    }
    return true;
}

void ctl_costs_clear(struct ctl_costs *costs)
{
    for (size_t p = 0; p < costs->profile_count; p++)
        free(costs->ms[p]);
    *costs = (struct ctl_costs){0};
}

void ctl_costs_set(struct ctl_costs *costs, size_t edge,
                   const struct profiles *profiles,
                   const struct profile_facts *facts)
{
    for (size_t p = 0; p < costs->profile_count; p++) {
        const struct profile *profile = &profiles->items[p];
        enum profile_why why = PROFILE_DRIVEN;
        uint32_t *ms = costs->ms[p][edge];
        ms[1] = profile_edge_ms(profile, facts, false, NULL);
        ms[0] = profile_edge_ms(profile, facts, true, &why);
        if (ms[0] == 0 && ms[1] == 0) {
            costs->not_driven[p][why]++;
        } else {
            costs->driven[p]++;
            costs->driven_m[p] += facts->length_m;
        }
    }
}

static const char *const why_words[PROFILE_WHY_COUNT] = {
    [PROFILE_DRIVEN] = "",
    [PROFILE_NOT_CLASS] = "class",
    [PROFILE_NOT_SURFACE] = "surface",
    [PROFILE_NOT_ACCESS] = "access",
    [PROFILE_NOT_BARRIER] = "barrier",
    [PROFILE_NOT_THAT_WAY] = "direction",
};

json_t *ctl_costs_json(const struct ctl_costs *costs,
                       const struct profiles *profiles)
{
    json_t *all = json_array();
    for (size_t p = 0; p < costs->profile_count; p++) {
        json_t *not_driven = json_object();
        for (size_t w = PROFILE_DRIVEN + 1; w < PROFILE_WHY_COUNT; w++)
            json_object_set_new(
                not_driven, why_words[w],
                json_integer((json_int_t)costs->not_driven[p][w]));
        json_array_append_new(all, json_pack("{s:s, s:I, s:f, s:o}", "name",
                                             profiles->items[p].name, "edges",
                                             (json_int_t)costs->driven[p],
                                             "length_m", costs->driven_m[p],
                                             "edges_not_used", not_driven));
    }
    return all;
}

void ctl_costs_print(const struct ctl_costs *costs,
                     const struct profiles *profiles)
{
    for (size_t p = 0; p < costs->profile_count; p++) {
        const char *name = profiles->items[p].name;
        printf("%12" PRIu64 "  edges that %s may use, %.1f km\n",
               costs->driven[p], name, costs->driven_m[p] / 1000);
        for (size_t w = PROFILE_DRIVEN + 1; w < PROFILE_WHY_COUNT; w++) {
            if (costs->not_driven[p][w] > 0)
                printf("%12" PRIu64 "  edges not for %s: %s\n",
                       costs->not_driven[p][w], name, why_words[w]);
        }
    }
}

/* --------------------------------------------------------------- profiles */
struct profiles *ctl_profiles_in_force(PGconn *conn)
{
    struct profiles *profiles = NULL;
    char message[512] = "";
    PGresult *rows = ctl_query(conn,
                               "SELECT string_agg(source, '' ORDER BY "
                               "profile_id) FROM patrol.road_profile",
                               0, NULL);
    if (rows == NULL)
        return NULL;
    bool none = PQgetisnull(rows, 0, 0) == 1;
    enum pt_err err =
        profiles_parse(none ? profiles_built_in : PQgetvalue(rows, 0, 0),
                       none ? "the built-in profiles" : "patrol.road_profile",
                       &profiles, message, sizeof message);
    if (err != PT_OK)
        ctl_complain("%s", message);
    PQclear(rows);
    return profiles;
}

/* ------------------------------------------------------------------- rows */
static void show(struct ctl_writing *writing)
{
    if (writing->written++ % SHOW_EVERY == 0)
        ctl_progress_show(writing->progress,
                          (double)writing->written / (double)writing->total,
                          "writing");
}

bool ctl_roads_lock(PGconn *conn)
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

static const char *control_word(enum osm_control control)
{
    static const char *const words[] = {
        [OSM_NO_CONTROL] = NULL,
        [OSM_SIGNALS] = "signals",
        [OSM_STOP] = "stop",
        [OSM_GIVE_WAY] = "give_way",
        [OSM_MINI_ROUNDABOUT] = "mini_roundabout",
    };
    return words[control];
}

bool ctl_write_nodes(struct ctl_writing *writing,
                     const struct osm_network *network)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_node (node_id, geom, control, barrier) "
                   "FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < network->node_count && !copy->failed; i++) {
        const struct osm_node *node = &network->nodes[i];
        ctl_copy_row(copy, 4);
        ctl_copy_int8(copy, node->id);
        ctl_copy_geometry(copy, &node->at, 1);
        ctl_copy_text(copy, control_word(node->control));
        ctl_copy_text(copy, node->barrier);
        show(writing);
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

static const char *const oneway_words[] = {
    [PROFILE_BOTH_WAYS] = NULL,
    [PROFILE_FORWARD] = "forward",
    [PROFILE_BACKWARD] = "backward",
    [PROFILE_REVERSIBLE] = "reversible",
    [PROFILE_ALTERNATING] = "alternating",
};

static const char *const limit_words[] = {
    [PROFILE_LIMIT_UNKNOWN] = NULL,  [PROFILE_POSTED] = "posted",
    [PROFILE_IMPLICIT] = "implicit", [PROFILE_WALK] = "walk",
    [PROFILE_NO_LIMIT] = "none",     [PROFILE_VARIABLE] = "variable",
};

#define EDGE_COLUMNS 36
static const char edge_sql[] =
    "COPY patrol.road_edge (edge_id, way_id, source, target, length_m, "
    "forward_ms, backward_ms, is_main, geom, barrier, signals_forward, "
    "signals_backward, stops_forward, stops_backward, give_ways_forward, "
    "give_ways_backward, crossings, calmings, class, name, ref, surface, "
    "smoothness, tracktype, service, access, oneway, oneway_except, "
    "maxspeed_forward_kmh, maxspeed_backward_kmh, maxspeed_kind, lanes, "
    "layer, bridge, tunnel, roundabout) FROM STDIN (FORMAT binary)";

/* The columns from class on. */
static void copy_street(struct ctl_copy *copy, const struct osm_street *street)
{
    ctl_copy_text(copy, street->highway);
    ctl_copy_text(copy, street->name);
    ctl_copy_text(copy, street->ref);
    ctl_copy_text(copy, street->surface);
    ctl_copy_text(copy, street->smoothness);
    ctl_copy_text(copy, street->tracktype);
    ctl_copy_text(copy, street->service);
    ctl_copy_text(copy, street->access);
    ctl_copy_text(copy, oneway_words[street->oneway]);
    ctl_copy_text(copy, street->oneway_except);
    copy_kmh(copy, street->limit_kmh[0]);
    copy_kmh(copy, street->limit_kmh[1]);
    ctl_copy_text(copy, limit_words[street->limit]);
    if (street->lanes > 0)
        ctl_copy_int2(copy, street->lanes);
    else
        ctl_copy_null(copy);
    ctl_copy_int2(copy, street->layer);
    ctl_copy_bool(copy, street->bridge);
    ctl_copy_bool(copy, street->tunnel);
    ctl_copy_bool(copy, street->roundabout);
}

bool ctl_write_edges(struct ctl_writing *writing,
                     const struct osm_network *network,
                     const struct ctl_costs *costs,
                     const struct ctl_islands *islands)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn, edge_sql);
    for (size_t i = 0; i < network->edge_count && !copy->failed; i++) {
        const struct osm_edge *edge = &network->edges[i];
        ctl_copy_row(copy, EDGE_COLUMNS);
        ctl_copy_int4(copy, (int32_t)(i + 1));
        ctl_copy_int8(copy, edge->way_id);
        ctl_copy_int8(copy, network->nodes[edge->source].id);
        ctl_copy_int8(copy, network->nodes[edge->target].id);
        ctl_copy_real(copy, edge->length_m);
        copy_ms(copy, costs->ms[0][i][0]);
        copy_ms(copy, costs->ms[0][i][1]);
        ctl_copy_bool(copy, islands->main[i]);
        ctl_copy_geometry(copy, network->points + edge->first_point,
                          edge->point_count);
        ctl_copy_text(copy, edge->barrier);
        for (size_t d = 0; d < 2; d++)
            ctl_copy_int2(copy, edge->signals[d]);
        for (size_t d = 0; d < 2; d++)
            ctl_copy_int2(copy, edge->stops[d]);
        for (size_t d = 0; d < 2; d++)
            ctl_copy_int2(copy, edge->give_ways[d]);
        ctl_copy_int2(copy, edge->crossings);
        ctl_copy_int2(copy, edge->calmings);
        copy_street(copy, &network->streets[edge->street]);
        show(writing);
    }
    return ctl_copy_end(copy);
}

/* edge_id forward, its negative backward. */
static void copy_via(struct ctl_copy *copy, const struct osm_network *network,
                     const struct osm_turn *turn)
{
    int32_t signed_ids[UINT8_MAX];
    uint32_t count = turn->via_count < UINT8_MAX ? turn->via_count : UINT8_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t directed = network->vias[turn->first_via + i];
        int32_t edge_id = (int32_t)(directed / 2 + 1);
        signed_ids[i] = directed % 2 == 0 ? edge_id : -edge_id;
    }
    ctl_copy_int4_array(copy, signed_ids, count);
}

bool ctl_write_turns(struct ctl_writing *writing,
                     const struct osm_network *network)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_turn (from_edge, from_forward, to_edge, "
                   "to_forward, relation_id, via, except_classes) "
                   "FROM STDIN (FORMAT binary)");
    for (size_t i = 0; i < network->turn_count && !copy->failed; i++) {
        const struct osm_turn *turn = &network->turns[i];
        ctl_copy_row(copy, 7);
        ctl_copy_int4(copy, (int32_t)(turn->from_edge + 1));
        ctl_copy_bool(copy, turn->from_forward);
        ctl_copy_int4(copy, (int32_t)(turn->to_edge + 1));
        ctl_copy_bool(copy, turn->to_forward);
        ctl_copy_int8(copy, turn->relation_id);
        copy_via(copy, network, turn);
        ctl_copy_words(copy, turn->except);
        show(writing);
    }
    return ctl_copy_end(copy);
}

/* Seconds, below 0 for never, as an array of milliseconds: "{0,2100,NULL}". */
#define ARRAY_TEXT_MAX 256
static void ms_array(const double *seconds, size_t count,
                     char text[ARRAY_TEXT_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        char number[24] = "NULL";
        if (seconds[i] >= 0)
            snprintf(number, sizeof number, "%.0f", round(seconds[i] * 1000));
        used += (size_t)snprintf(text + used, ARRAY_TEXT_MAX - used, "%c%s",
                                 i == 0 ? '{' : ',', number);
    }
    snprintf(text + used, ARRAY_TEXT_MAX - used, "}");
}

static bool insert_profile(PGconn *conn, size_t number,
                           const struct profile *profile)
{
    char id[24];
    char turns[ARRAY_TEXT_MAX];
    char controls[ARRAY_TEXT_MAX];
    char start[24];
    snprintf(start, sizeof start, "%.0f", round(profile->start_s * 1000));
    snprintf(id, sizeof id, "%zu", number);
    ms_array(profile->turn_s, PROFILE_TURN_COUNT, turns);
    ms_array(profile->control_s, PROFILE_CONTROL_COUNT, controls);
    const char *const params[] = {id,
                                  profile->name,
                                  profile->is_emergency ? "t" : "f",
                                  profile_keeps_turns(profile) ? "t" : "f",
                                  turns,
                                  controls,
                                  profile->text,
                                  start};
    PGresult *result =
        ctl_query(conn,
                  "INSERT INTO patrol.road_profile (profile_id, name, "
                  "is_emergency, keeps_turns, turn_ms, control_ms, source, "
                  "start_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                  8, params);
    PQclear(result);
    return result != NULL;
}

static bool copy_costs(struct ctl_writing *writing,
                       const struct ctl_costs *costs)
{
    struct ctl_copy *copy = &writing->copy;
    ctl_copy_begin(copy, writing->conn,
                   "COPY patrol.road_cost (profile_id, edge_id, forward_ms, "
                   "backward_ms) FROM STDIN (FORMAT binary)");
    for (size_t p = 0; p < costs->profile_count; p++) {
        for (size_t i = 0; i < costs->edge_count && !copy->failed; i++) {
            const uint32_t *ms = costs->ms[p][i];
            show(writing);
            if (ms[0] == 0 && ms[1] == 0)
                continue;
            ctl_copy_row(copy, 4);
            ctl_copy_int2(copy, (int16_t)(p + 1));
            ctl_copy_int4(copy, (int32_t)(i + 1));
            copy_ms(copy, ms[0]);
            copy_ms(copy, ms[1]);
        }
    }
    return ctl_copy_end(copy);
}

bool ctl_write_profiles(struct ctl_writing *writing,
                        const struct profiles *profiles,
                        const struct ctl_costs *costs)
{
    if (!ctl_run(writing->conn, "DELETE FROM patrol.road_cost") ||
        !ctl_run(writing->conn, "DELETE FROM patrol.road_profile"))
        return false;
    for (size_t p = 0; p < profiles->count; p++) {
        if (!insert_profile(writing->conn, p + 1, &profiles->items[p]))
            return false;
    }
    return copy_costs(writing, costs);
}

#include "city.h"

#include "profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench_learn: %s: %s\n", what, why);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *array = calloc(count > 0 ? count : 1, size);
    if (array == NULL)
        give_up("memory", "none left");
    return array;
}

static uint32_t milliseconds(double seconds)
{
    return seconds < 0 ? ROADS_NONE : (uint32_t)lround(seconds * 1000);
}

/* roads names turns and controls in the order of profile. */
static struct roads_profile rules_of(const struct profile *profile)
{
    struct roads_profile rules = {.emergency = profile->is_emergency};
    snprintf(rules.name, sizeof(rules.name), "%s", profile->name);
    for (int i = 0; i < ROADS_TURNS; i++)
        rules.turn_ms[i] = milliseconds(profile->turn_s[i]);
    for (int i = 0; i < ROADS_CONTROLS; i++)
        rules.control_ms[i] = milliseconds(profile->control_s[i]);
    rules.forbidden_ms = milliseconds(profile->turn_s[PROFILE_FORBIDDEN_TURN]);
    return rules;
}

static struct roads_edge_row *edges_of(const struct osm_network *map,
                                       const struct profile *profile)
{
    struct roads_edge_row *rows = room(map->edge_count, sizeof(*rows));
    for (size_t i = 0; i < map->edge_count; i++) {
        const struct osm_edge *edge = &map->edges[i];
        struct profile_facts facts = osm_edge_facts(map, edge);
        rows[i] = (struct roads_edge_row){
            .way_id = edge->way_id,
            .source = map->nodes[edge->source].id,
            .target = map->nodes[edge->target].id,
            .forward_ms = profile_edge_ms(profile, &facts, true, NULL),
            .backward_ms = profile_edge_ms(profile, &facts, false, NULL),
            .length_m = edge->length_m,
            .point_count = edge->point_count,
            .name = map->streets[edge->street].name,
            .points = map->points + edge->first_point};
    }
    return rows;
}

static struct roads_turn_row *turns_of(const struct osm_network *map,
                                       size_t *count)
{
    struct roads_turn_row *rows = room(map->turn_count, sizeof(*rows));
    *count = 0;
    for (size_t i = 0; i < map->turn_count; i++) {
        const struct osm_turn *turn = &map->turns[i];
        if (turn->via_count > ROADS_VIA_MAX)
            continue;
        rows[(*count)++] = (struct roads_turn_row){
            .from = 2 * turn->from_edge + !turn->from_forward,
            .to = 2 * turn->to_edge + !turn->to_forward,
            .via = map->vias + turn->first_via,
            .via_count = turn->via_count};
    }
    return rows;
}

static struct roads_junction_row *junctions_of(const struct osm_network *map,
                                               size_t *count)
{
    static const enum roads_control control[] = {
        [OSM_NO_CONTROL] = ROADS_UNCONTROLLED,
        [OSM_SIGNALS] = ROADS_SIGNALS,
        [OSM_STOP] = ROADS_STOP,
        [OSM_GIVE_WAY] = ROADS_GIVE_WAY,
        [OSM_MINI_ROUNDABOUT] = ROADS_GIVE_WAY};
    struct roads_junction_row *rows = room(map->node_count, sizeof(*rows));
    *count = 0;
    for (size_t i = 0; i < map->node_count; i++) {
        if (map->nodes[i].control != OSM_NO_CONTROL)
            rows[(*count)++] = (struct roads_junction_row){
                map->nodes[i].id, control[map->nodes[i].control]};
    }
    return rows;
}

void city_read(const char *path, struct city *ret)
{
    char message[512] = "";
    struct profiles *profiles = NULL;
    struct roads_profile rules;
    struct roads_rows rows = {.profiles = &rules, .profile_count = 1};
    if (profiles_parse(profiles_built_in, "built in", &profiles, message,
                       sizeof(message)) != PT_OK ||
        osm_read(path, NULL, NULL, &ret->map, message, sizeof(message)) !=
            PT_OK)
        give_up(path, message);
    rules = rules_of(&profiles->items[0]);
    struct roads_edge_row *edges = edges_of(ret->map, &profiles->items[0]);
    struct roads_turn_row *turns = turns_of(ret->map, &rows.turn_count);
    struct roads_junction_row *junctions =
        junctions_of(ret->map, &rows.junction_count);
    rows.edges = edges;
    rows.edge_count = ret->map->edge_count;
    rows.turns = turns;
    rows.junctions = junctions;
    enum pt_err err = roads_new(&rows, &ret->roads);
    if (err != PT_OK)
        give_up(path, pt_strerror(err));
    free(edges);
    free(turns);
    free(junctions);
    profiles_free(profiles);
}

void city_clear(struct city *city)
{
    roads_unref(city->roads);
    osm_network_free(city->map);
}

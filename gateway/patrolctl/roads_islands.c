/* Streets that the first profile cannot come to from the main part of the
 * network, or not back from. */
#include "patrolctl_roads.h"
#include <inttypes.h>
#include <stdlib.h>

/* Islands told one by one. */
#define ISLANDS_TOLD 5

static bool is_driven(const struct ctl_costs *costs, size_t edge)
{
    return costs->ms[0][edge][0] > 0 || costs->ms[0][edge][1] > 0;
}

/* Both ends in the part suffice: whoever drives from one into the other
 * comes from there and gets back there. */
static bool is_in_main(const struct osm_network *network,
                       const struct osm_parts *parts, size_t edge)
{
    const struct osm_edge *of = &network->edges[edge];
    return parts->of_node[of->source] == 0 && parts->of_node[of->target] == 0;
}

bool ctl_islands_find(const struct osm_network *network,
                      const struct ctl_costs *costs, struct ctl_islands *ret)
{
    struct ctl_islands islands = {.main = calloc(network->edge_count + 1, 1)};
    enum pt_err err =
        islands.main == NULL
            ? PT_E_NOMEM
            : osm_find_parts(network, (const uint32_t(*)[2])costs->ms[0],
                             &islands.parts);
    if (err != PT_OK) {
        ctl_islands_clear(&islands);
        ctl_complain("%s", pt_strerror(err));
        return false;
    }
    for (size_t i = 0; i < network->edge_count; i++) {
        if (!is_driven(costs, i))
            continue;
        islands.main[i] = is_in_main(network, &islands.parts, i);
        if (islands.main[i])
            continue;
        islands.edges++;
        islands.length_m += (double)network->edges[i].length_m;
    }
    *ret = islands;
    return true;
}

void ctl_islands_clear(struct ctl_islands *islands)
{
    osm_parts_clear(&islands->parts);
    free(islands->main);
    *islands = (struct ctl_islands){.missions = 0};
}

bool ctl_islands_missions(PGconn *conn, struct ctl_islands *islands)
{
    PGresult *rows = ctl_query(
        conn,
        "SELECT count(*) FROM patrol.mission m CROSS JOIN LATERAL (SELECT "
        "is_main FROM patrol.road_edge WHERE forward_ms IS NOT NULL OR "
        "backward_ms IS NOT NULL ORDER BY geom <-> m.geom LIMIT 1) e "
        "WHERE NOT is_main",
        0, NULL);
    if (rows != NULL)
        islands->missions = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return rows != NULL;
}

json_t *ctl_islands_json(const struct ctl_islands *islands)
{
    const struct osm_parts *parts = &islands->parts;
    json_t *longest = json_array();
    for (size_t i = 1; i < parts->count && i <= ISLANDS_TOLD; i++) {
        const struct osm_part *part = &parts->items[i];
        json_array_append_new(
            longest,
            json_pack("{s:f, s:f, s:f, s:I}", "lat", geo_lat_deg(part->at),
                      "lon", geo_lon_deg(part->at), "length_m", part->length_m,
                      "edges", (json_int_t)part->edge_count));
    }
    return json_pack(
        "{s:I, s:f, s:I, s:I, s:o}", "edges", (json_int_t)islands->edges,
        "length_m", islands->length_m, "count",
        (json_int_t)(parts->count > 0 ? parts->count - 1 : 0), "missions",
        (json_int_t)islands->missions, "longest", longest);
}

void ctl_islands_print(const struct ctl_islands *islands,
                       const struct profiles *profiles)
{
    const struct osm_parts *parts = &islands->parts;
    printf("%12zu  edges outside the main part, %.1f km: %s cannot come to "
           "them from it, or not back\n",
           islands->edges, islands->length_m / 1000, profiles->items[0].name);
    if (islands->edges == 0)
        return;
    if (parts->count > 1)
        printf("%12zu  islands among them; the longest:\n", parts->count - 1);
    for (size_t i = 1; i < parts->count && i <= ISLANDS_TOLD; i++) {
        const struct osm_part *part = &parts->items[i];
        printf("%12.1f  km at %.6f,%.6f, %zu edges\n", part->length_m / 1000,
               geo_lat_deg(part->at), geo_lon_deg(part->at), part->edge_count);
    }
    printf("%12lld  missions to which such a street is the nearest\n",
           islands->missions);
}

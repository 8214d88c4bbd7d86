/* What the database knows of the streets. */
#include "speeds_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum pt_err check_network(const struct asking *a,
                                 const struct roads *roads)
{
    PGresult *rows = asking_query(
        a,
        "SELECT max(network_id), (SELECT count(*) FROM patrol.road_edge)"
        " FROM patrol.road_network",
        0, NULL, false);
    if (rows == NULL)
        return PT_E_DB;
    bool same =
        strtoul(PQgetvalue(rows, 0, 0), NULL, 10) == roads_network_id(roads) &&
        strtoull(PQgetvalue(rows, 0, 1), NULL, 10) == roads_edge_count(roads);
    PQclear(rows);
    return same ? PT_OK
                : asking_fail(a, PT_E_AGAIN, "network",
                              "another one has come into force");
}

static enum pt_err read_names(const struct asking *a, struct streets *streets)
{
    PGresult *rows = asking_query(
        a, "SELECT DISTINCT class FROM patrol.road_edge ORDER BY class", 0,
        NULL, false);
    if (rows == NULL)
        return PT_E_DB;
    int count = PQntuples(rows);
    enum pt_err err = PT_OK;
    if (count > (int)LEARN_CLASSES_MAX)
        err = asking_fail(a, PT_E_CORRUPT, "road_edge", "too many classes");
    for (int i = 0; i < count && err == PT_OK; i++)
        snprintf(streets->classes[i], CLASS_BYTES, "%s",
                 PQgetvalue(rows, i, 0));
    streets->class_count = (size_t)count;
    PQclear(rows);
    return err;
}

/* A byte an edge, in their order. */
static enum pt_err read_classes(const struct asking *a,
                                const struct roads *roads,
                                struct streets *streets)
{
    size_t edges = roads_edge_count(roads);
    enum pt_err err = PT_OK;
    PGresult *rows =
        asking_query(a,
                     "SELECT string_agg(set_byte('\\x00', 0, n::integer), ''"
                     " ORDER BY edge_id) FROM (SELECT edge_id,"
                     " dense_rank() OVER (ORDER BY class) - 1 AS n"
                     " FROM patrol.road_edge) c",
                     0, NULL, true);
    if (rows == NULL)
        return PT_E_DB;
    streets->class_of = calloc(edges, 1);
    if (streets->class_of == NULL)
        err = PT_E_NOMEM;
    else if ((size_t)PQgetlength(rows, 0, 0) != edges)
        err = asking_fail(a, PT_E_CORRUPT, "road_edge", "edges are missing");
    else
        memcpy(streets->class_of, PQgetvalue(rows, 0, 0), edges);
    PQclear(rows);
    return err;
}

static enum pt_err read_rest(const struct asking *a, struct streets *streets)
{
    PGresult *rows = asking_query(
        a,
        "SELECT coalesce((SELECT time_zone FROM patrol.zone z"
        " JOIN pg_timezone_names n ON n.name = z.time_zone"
        " GROUP BY time_zone ORDER BY count(*) DESC, time_zone LIMIT 1),"
        " 'UTC'), coalesce((SELECT name FROM patrol.road_profile"
        " WHERE is_emergency ORDER BY profile_id LIMIT 1), '')",
        0, NULL, false);
    if (rows == NULL)
        return PT_E_DB;
    snprintf(streets->time_zone, sizeof(streets->time_zone), "%s",
             PQgetvalue(rows, 0, 0));
    snprintf(streets->emergency, sizeof(streets->emergency), "%s",
             PQgetvalue(rows, 0, 1));
    PQclear(rows);
    return PT_OK;
}

enum pt_err streets_read(const struct asking *a, const struct roads *roads,
                         struct streets *ret)
{
    struct streets streets = {0};
    enum pt_err err = check_network(a, roads);
    if (err == PT_OK)
        err = read_names(a, &streets);
    if (err == PT_OK)
        err = read_classes(a, roads, &streets);
    if (err == PT_OK)
        err = read_rest(a, &streets);
    if (err == PT_OK)
        *ret = streets;
    else
        streets_clear(&streets);
    return err;
}

void streets_clear(struct streets *streets)
{
    free(streets->class_of);
    streets->class_of = NULL;
}

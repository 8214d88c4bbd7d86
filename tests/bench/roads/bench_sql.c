/* What PostGIS and pgRouting take for the nearest five, over one connection
 * on a socket, prepared statements, everything in memory. */
#include "bench_roads.h"

#include <libpq-fe.h>
#include <stdio.h>

#define LINE_QUERIES 2000
#define ROAD_QUERIES 20

static void run(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK &&
        PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("SQL", PQerrorMessage(db));
    PQclear(result);
}

static void prepare(PGconn *db, const char *name, const char *sql)
{
    PGresult *result = PQprepare(db, name, sql, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        bench_die("SQL", PQerrorMessage(db));
    PQclear(result);
}

static void put_units(PGconn *db, const struct roads *roads)
{
    char sql[160];
    run(db, "SET search_path = pg_temp, patrol, public;"
            "CREATE TEMP TABLE bench_unit (slot integer, node bigint,"
            " geom geometry(Point, 4326)); BEGIN");
    for (int slot = 0; slot < BENCH_UNITS; slot++) {
        struct roads_place place = bench_place(roads);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO bench_unit SELECT %d, source,"
                 " ST_LineInterpolatePoint(geom, %.6f) FROM road_edge"
                 " WHERE edge_id = %u",
                 slot, place.fraction, place.edge + 1);
        run(db, sql);
    }
    run(db, "COMMIT; CREATE INDEX ON bench_unit USING gist (geom);"
            "CREATE INDEX ON bench_unit (node); ANALYZE bench_unit");
}

static void ask(PGconn *db, const struct roads *roads, const char *statement,
                const char *what, size_t count)
{
    size_t asked = 0;
    size_t answered = 0;
    row_begin();
    for (; row_goes_on(count); asked++) {
        char edge[16];
        const char *params[] = {edge};
        struct roads_place place = bench_place(roads);
        snprintf(edge, sizeof(edge), "%u", place.edge + 1);
        row_call();
        PGresult *result =
            PQexecPrepared(db, statement, 1, params, NULL, NULL, 0);
        row_called();
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            bench_die(what, PQerrorMessage(db));
        answered += PQntuples(result) == BENCH_NEAREST;
        PQclear(result);
    }
    row_tell(what, true);
    if (answered < asked)
        printf("%-44s %6zu of them found five\n", "", answered);
}

void bench_sql(const char *conninfo, const struct roads *roads, double needed_s)
{
    char sql[700];
    PGconn *db = PQconnectdb(conninfo);
    if (PQstatus(db) != CONNECTION_OK)
        bench_die("connecting", PQerrorMessage(db));
    bench_again();
    run(db, "CREATE EXTENSION IF NOT EXISTS pgrouting");
    put_units(db, roads);
    prepare(db, "line",
            "SELECT slot FROM bench_unit ORDER BY geom <-> (SELECT"
            " ST_StartPoint(geom) FROM road_edge WHERE edge_id = $1) LIMIT 5");
    /* Backwards, from junction to junction, without turns. */
    snprintf(sql, sizeof(sql),
             "SELECT slot FROM bench_unit JOIN pgr_drivingDistance("
             "'SELECT edge_id AS id, target AS source, source AS target,"
             " coalesce(forward_ms, -1) AS cost,"
             " coalesce(backward_ms, -1) AS reverse_cost FROM road_edge',"
             " (SELECT source FROM road_edge WHERE edge_id = $1), %.0f) d"
             " USING (node) ORDER BY agg_cost LIMIT 5",
             needed_s * 1e3);
    prepare(db, "road", sql);
    printf("\nin PostgreSQL, %d units\n", BENCH_UNITS);
    ask(db, roads, "line", "PostGIS <->, straight line", LINE_QUERIES);
    ask(db, roads, "road", "pgr_drivingDistance, without turns", ROAD_QUERIES);
    PQfinish(db);
}

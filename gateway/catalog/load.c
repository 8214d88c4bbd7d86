#include "catalog_internal.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x

/* Milliseconds since 1970, also of the infinite times. */
#define TIME_MS(column)                                               \
    "CASE WHEN isfinite(" column ") THEN (extract(epoch FROM " column \
    ") * 1000)::bigint WHEN " column " < now() "                      \
    "THEN -9223372036854775807 ELSE 9223372036854775807 END"

/* One row more than allowed is enough to see that there are too many. */
#define LIMIT(max) " LIMIT " STRING(max) " + 1"

enum table { UNITS, DEVICES, PERIODS, ZONES, MISSIONS, POSTS, TABLE_COUNT };

static const char *const queries[TABLE_COUNT] = {
    [UNITS] = "SELECT u.unit_id, call_sign, kind, array_to_json(capabilities),"
              " greatest(revision, withdrawn, 0), round(bound_m * 10)::integer,"
              " round(bound_assigned_m * 10)::integer, moving_s, parked_s,"
              " coalesce(assigned, false)::integer,"
              " (SELECT CASE WHEN is_called THEN last_value ELSE 0 END"
              " FROM patrol.pace_setting_revision) "
              "FROM patrol.unit u LEFT JOIN LATERAL (SELECT * "
              "FROM patrol.pace_setting s WHERE s.unit_id = u.unit_id "
              "OR s.unit_id IS NULL ORDER BY s.unit_id NULLS LAST LIMIT 1) p "
              "ON true LEFT JOIN LATERAL (SELECT max(w.revision) AS withdrawn "
              "FROM patrol.pace_withdrawn w WHERE w.unit_id = u.unit_id "
              "OR w.unit_id IS NULL AND p.unit_id IS NULL) w ON true" LIMIT(
                  CATALOG_UNITS_MAX),
    [DEVICES] =
        "SELECT device_id, name FROM patrol.device" LIMIT(CATALOG_DEVICES_MAX),
    [PERIODS] = "SELECT unit_id, device_id, " TIME_MS("\"from\"") ", " TIME_MS(
        "coalesce(\"to\", 'infinity')") " FROM patrol.unit_device" LIMIT(CATALOG_PERIODS_MAX),
    [ZONES] = "SELECT zone_id, name, coalesce(promise_s, 0), time_zone, "
              "ST_AsGeoJSON(geom), ST_Area(geom::geography) "
              "FROM patrol.zone" LIMIT(CATALOG_ZONES_MAX),
    [MISSIONS] = "SELECT mission_id, ref, name, kind, zone_id, "
                 "round(ST_Y(geom) * 1e6)::int, round(ST_X(geom) * 1e6)::int "
                 "FROM patrol.mission" LIMIT(CATALOG_MISSIONS_MAX),
    [POSTS] = "SELECT post_id, ref, name, kind, round(ST_Y(geom) * 1e6)::int, "
              "round(ST_X(geom) * 1e6)::int "
              "FROM patrol.post" LIMIT(CATALOG_POSTS_MAX),
};

struct loader {
    struct catalog *catalog;
    char *message;
    size_t message_size;
};

static enum pt_err say(struct loader *loader, enum pt_err err, const char *what)
{
    snprintf(loader->message, loader->message_size, "%s", what);
    for (char *c = loader->message; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    return err;
}

static uint32_t number(const PGresult *rows, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(rows, row, column), NULL, 10);
}

/* ---- units, devices, periods */

/* A null is the empty text to libpq, hence 0: not said. */
static struct pt_settings pace_from_row(const PGresult *rows, int row)
{
    return (struct pt_settings){
        .revision = strtoull(PQgetvalue(rows, row, 4), NULL, 10),
        .bound_dm = number(rows, row, 5),
        .bound_assigned_dm = number(rows, row, 6),
        .moving_s = number(rows, row, 7),
        .parked_s = number(rows, row, 8),
        .assigned = number(rows, row, 9) != 0,
    };
}

static enum pt_err load_unit(struct loader *loader, const PGresult *rows,
                             int row)
{
    json_t *list = json_loads(PQgetvalue(rows, row, 3), 0, NULL);
    size_t count = json_array_size(list);
    const char **texts = calloc(count + 1, sizeof *texts);
    size_t used = 0;
    enum pt_err err = PT_E_NOMEM;

    if (!list || !texts)
        goto out;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text) /* an array may hold nulls */
            texts[used++] = text;
    }
    err = catalog_add_unit(loader->catalog, number(rows, row, 0),
                           PQgetvalue(rows, row, 1), PQgetvalue(rows, row, 2),
                           texts, used);
    if (err == PT_OK) {
        const struct pt_settings pace = pace_from_row(rows, row);

        catalog_set_pace(loader->catalog, &pace);
        loader->catalog->pace_revision =
            strtoull(PQgetvalue(rows, row, 10), NULL, 10);
    }
out:
    free(texts);
    json_decref(list);
    return err;
}

static enum pt_err load_device(struct loader *loader, const PGresult *rows,
                               int row)
{
    return catalog_add_device(loader->catalog, number(rows, row, 0),
                              PQgetvalue(rows, row, 1));
}

static enum pt_err load_period(struct loader *loader, const PGresult *rows,
                               int row)
{
    catalog_add_period(
        loader->catalog,
        &(struct catalog_period){
            .unit_id = number(rows, row, 0),
            .device_id = number(rows, row, 1),
            .from_ms = strtoll(PQgetvalue(rows, row, 2), NULL, 10),
            .to_ms = strtoll(PQgetvalue(rows, row, 3), NULL, 10)});
    return PT_OK;
}

/* ---- zones */

/* Rings of a GeoJSON MultiPolygon (RFC 7946, 3.1.7): polygons, rings,
 * positions. */
struct rings {
    struct geo_point *points;
    uint32_t *starts;
    uint32_t point_count;
    uint32_t ring_count;
};

static enum pt_err count_rings(const json_t *polygons, struct rings *rings)
{
    size_t points = 0;
    size_t count = 0;

    for (size_t p = 0; p < json_array_size(polygons); p++) {
        const json_t *polygon = json_array_get(polygons, p);

        count += json_array_size(polygon);
        for (size_t r = 0; r < json_array_size(polygon); r++)
            points += json_array_size(json_array_get(polygon, r));
    }
    if (points > CATALOG_ZONE_POINTS_MAX || count > CATALOG_ZONE_POINTS_MAX)
        return PT_E_FULL;
    rings->points = calloc(points + 1, sizeof *rings->points);
    rings->starts = calloc(count + 1, sizeof *rings->starts);
    return rings->points && rings->starts ? PT_OK : PT_E_NOMEM;
}

static enum pt_err take_ring(const json_t *ring, struct rings *rings)
{
    for (size_t i = 0; i < json_array_size(ring); i++) {
        const json_t *position = json_array_get(ring, i);
        double lon_deg = json_number_value(json_array_get(position, 0));
        double lat_deg = json_number_value(json_array_get(position, 1));

        if (json_array_size(position) < 2 || !geo_deg_valid(lat_deg, lon_deg))
            return PT_E_CORRUPT;
        rings->points[rings->point_count++] = geo_from_deg(lat_deg, lon_deg);
    }
    rings->starts[++rings->ring_count] = rings->point_count;
    return PT_OK;
}

static enum pt_err take_rings(const json_t *geometry, struct rings *rings)
{
    const json_t *polygons = json_object_get(geometry, "coordinates");
    enum pt_err err = count_rings(polygons, rings);

    for (size_t p = 0; err == PT_OK && p < json_array_size(polygons); p++) {
        const json_t *polygon = json_array_get(polygons, p);

        for (size_t r = 0; err == PT_OK && r < json_array_size(polygon); r++)
            err = take_ring(json_array_get(polygon, r), rings);
    }
    return err;
}

static enum pt_err load_zone(struct loader *loader, const PGresult *rows,
                             int row)
{
    json_t *geometry = json_loads(PQgetvalue(rows, row, 4), 0, NULL);
    struct rings rings = {0};
    enum pt_err err = take_rings(geometry, &rings);

    if (err == PT_OK) {
        const struct catalog_zone zone = {
            .zone_id = number(rows, row, 0),
            .name = PQgetvalue(rows, row, 1),
            .promise_s = (int)number(rows, row, 2),
            .time_zone = PQgetvalue(rows, row, 3),
            .geojson = PQgetvalue(rows, row, 4),
            .points = rings.points,
            .ring_start = rings.starts,
            .ring_count = rings.ring_count,
        };

        err = catalog_add_zone(loader->catalog, &zone,
                               strtod(PQgetvalue(rows, row, 5), NULL));
    }
    free(rings.points);
    free(rings.starts);
    json_decref(geometry);
    return err;
}

/* ---- missions, posts */

static struct geo_point point(const PGresult *rows, int row, int column)
{
    return (struct geo_point){
        .lat_e6 = (int32_t)strtol(PQgetvalue(rows, row, column), NULL, 10),
        .lon_e6 = (int32_t)strtol(PQgetvalue(rows, row, column + 1), NULL, 10)};
}

static const char *text_or_null(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL
                                          : PQgetvalue(rows, row, column);
}

static enum pt_err load_post(struct loader *loader, const PGresult *rows,
                             int row)
{
    return catalog_add_post(loader->catalog, number(rows, row, 0),
                            text_or_null(rows, row, 1),
                            PQgetvalue(rows, row, 2), PQgetvalue(rows, row, 3),
                            point(rows, row, 4));
}

static enum pt_err load_mission(struct loader *loader, const PGresult *rows,
                                int row)
{
    return catalog_add_mission(
        loader->catalog, number(rows, row, 0), text_or_null(rows, row, 1),
        PQgetvalue(rows, row, 2), PQgetvalue(rows, row, 3), point(rows, row, 5),
        PQgetisnull(rows, row, 4) ? CATALOG_NO_ZONE : number(rows, row, 4));
}

/* ---- all of it */

static enum pt_err (*const loads[TABLE_COUNT])(struct loader *,
                                               const PGresult *, int) = {
    [UNITS] = load_unit, [DEVICES] = load_device,   [PERIODS] = load_period,
    [ZONES] = load_zone, [MISSIONS] = load_mission, [POSTS] = load_post,
};

static const char *const table_names[TABLE_COUNT] = {
    "unit", "device", "unit_device", "zone", "mission", "post"};

static enum pt_err take_rows(struct loader *loader,
                             PGresult *const results[TABLE_COUNT])
{
    enum pt_err err = catalog_reserve(
        loader->catalog, &(struct catalog_counts){
                             .units = (size_t)PQntuples(results[UNITS]),
                             .devices = (size_t)PQntuples(results[DEVICES]),
                             .periods = (size_t)PQntuples(results[PERIODS]),
                             .zones = (size_t)PQntuples(results[ZONES]),
                             .missions = (size_t)PQntuples(results[MISSIONS]),
                             .posts = (size_t)PQntuples(results[POSTS])});
    char where[64];

    if (err != PT_OK)
        return say(loader, err, "more rows than the catalog holds");
    for (int table = 0; table < TABLE_COUNT; table++) {
        for (int row = 0; row < PQntuples(results[table]); row++) {
            err = loads[table](loader, results[table], row);
            if (err == PT_OK)
                continue;
            snprintf(where, sizeof where, "patrol.%s, number %s: %s",
                     table_names[table], PQgetvalue(results[table], row, 0),
                     pt_strerror(err));
            return say(loader, err, where);
        }
    }
    return PT_OK;
}

static enum pt_err read_tables(struct loader *loader, PGconn *conn)
{
    PGresult *results[TABLE_COUNT] = {0};
    PGresult *begun = NULL;
    enum pt_err err = PT_E_DB;

    begun = PQexec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (PQresultStatus(begun) != PGRES_COMMAND_OK) {
        say(loader, err, PQerrorMessage(conn));
        goto out;
    }
    for (int table = 0; table < TABLE_COUNT; table++) {
        results[table] = PQexec(conn, queries[table]);
        if (PQresultStatus(results[table]) != PGRES_TUPLES_OK) {
            say(loader, err, PQerrorMessage(conn));
            goto out;
        }
    }
    err = take_rows(loader, results);
out:
    PQclear(begun);
    for (int table = 0; table < TABLE_COUNT; table++)
        PQclear(results[table]);
    return err;
}

static PGconn *connect_to(const char *conninfo)
{
    /* A later word goes before an earlier one. */
    const char *const keywords[] = {"connect_timeout", "dbname",
                                    "application_name", "client_encoding",
                                    NULL};
    const char *const values[] = {"10", conninfo, "patrol catalog", "UTF8",
                                  NULL};

    return PQconnectdbParams(keywords, values, 1);
}

enum pt_err catalog_load(const char *conninfo, struct catalog **ret,
                         char *message, size_t message_size)
{
    struct loader loader = {.message = message, .message_size = message_size};
    PGconn *conn = NULL;
    enum pt_err err = catalog_new(&loader.catalog);

    if (err != PT_OK)
        return say(&loader, err, pt_strerror(err));
    conn = connect_to(conninfo);
    if (PQstatus(conn) == CONNECTION_OK)
        err = read_tables(&loader, conn);
    else
        err = say(&loader, PT_E_DB, conn ? PQerrorMessage(conn) : "no memory");
    PQfinish(conn);
    if (err != PT_OK) {
        catalog_free(loader.catalog);
        return err;
    }
    catalog_finish(loader.catalog);
    *ret = loader.catalog;
    return PT_OK;
}

/* patrolctl missions import, posts import, zones import. */
#include "patrolctl_internal.h"
#include <stdlib.h>
#include <string.h>

struct tally {
    size_t inserted, updated, reassigned;
};

/* The smallest zone that holds the point. */
#define ZONE_OF(point)                                                    \
    "(SELECT z.zone_id FROM patrol.zone z WHERE ST_Covers(z.geom, " point \
    ") ORDER BY ST_Area(z.geom::geography), z.zone_id LIMIT 1)"

#define POINT "ST_SetSRID(ST_MakePoint($4::float8, $5::float8), 4326)"

/* ------------------------------------------------------------- faults */
static void print_faults(const struct ctl_places *places, const char *path)
{
    for (size_t i = 0; i < places->fault_count; i++)
        ctl_complain("%s, %s %zu: %s", path, places->unit,
                     places->faults[i].where, places->faults[i].text);
}

static json_t *faults_json(const struct ctl_places *places)
{
    json_t *faults = json_array();
    for (size_t i = 0; i < places->fault_count; i++)
        json_array_append_new(faults,
                              json_pack("{s:I, s:s}", places->unit,
                                        (json_int_t)places->faults[i].where,
                                        "reason", places->faults[i].text));
    return faults;
}

static void say(const struct ctl *ctl, const struct ctl_places *places,
                const struct tally *tally, const char *what)
{
    if (ctl->json) {
        json_t *answer = json_pack(
            "{s:I, s:I, s:I, s:o}", "new", (json_int_t)tally->inserted,
            "changed", (json_int_t)tally->updated, "missions_reassigned",
            (json_int_t)tally->reassigned, "refused", faults_json(places));
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }
    printf("%zu %s: %zu new, %zu brought up to date; %zu refused\n",
           tally->inserted + tally->updated, what, tally->inserted,
           tally->updated, places->fault_count);
    if (tally->reassigned > 0)
        printf("%zu missions have another zone now\n", tally->reassigned);
}

/* After a fault was added to what the reader found: out of memory there is
 * the end of the import. */
static bool add_fault(struct ctl_places *places, size_t where, const char *text)
{
    if (ctl_places_fault(places, where, text) == PT_OK)
        return true;
    ctl_complain("out of memory");
    return false;
}

/* True and the row's first value counted; the query's answer is freed. */
static bool count_upsert(PGresult *result, struct tally *tally)
{
    if (result == NULL)
        return false;
    bool inserted = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
    tally->inserted += inserted;
    tally->updated += !inserted;
    PQclear(result);
    return true;
}

/* ------------------------------------------------------ missions, posts */
/* A list's mistake puts an embassy on another continent; where streets or
 * zones are known, a mission or post has to lie within about 10 km of one. */
static bool far_away(PGconn *conn, const char *lon, const char *lat, bool *ret)
{
    const char *const params[] = {lon, lat};
    PGresult *result = ctl_query(
        conn,
        "SELECT (EXISTS (SELECT FROM patrol.road_edge) OR "
        "        EXISTS (SELECT FROM patrol.zone)) AND NOT "
        "       (EXISTS (SELECT FROM patrol.road_edge WHERE geom && box) OR "
        "        EXISTS (SELECT FROM patrol.zone WHERE geom && box)) "
        "FROM ST_Expand(ST_SetSRID(ST_MakePoint($1::float8, $2::float8), "
        "4326), 0.1) box",
        2, params);
    if (result != NULL)
        *ret = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    return result != NULL;
}

/* $1 ref, $2 name, $3 kind, $4 lon, $5 lat */
struct upsert {
    const char *by_name, *by_ref;
};

#define BY_NAME(table)                                    \
    "UPDATE patrol." table                                \
    " SET kind = coalesce($3::text, kind), geom = " POINT \
    ", zone_id = " ZONE_OF(                               \
        POINT) " WHERE ref IS NULL AND "                  \
               "$1::text IS NULL AND name = $2 RETURNING false"
#define BY_REF(table, kind)                                                    \
    "INSERT INTO patrol." table " (ref, name, kind, geom, zone_id) VALUES "    \
    "($1, $2, coalesce($3, '" kind "'), " POINT ", " ZONE_OF(                  \
        POINT) ") "                                                            \
               "ON CONFLICT (ref) DO UPDATE SET name = excluded.name, kind = " \
               "coalesce($3, " table                                           \
               ".kind), geom = excluded.geom, zone_id = "                      \
               "excluded.zone_id RETURNING xmax = 0"

static const struct upsert missions = {BY_NAME("mission"),
                                       BY_REF("mission", "embassy")};
static const struct upsert posts = {BY_NAME("post"), BY_REF("post", "post")};

/* By its ref when it has one, else by its name among those without. */
static bool upsert_place(PGconn *conn, const struct upsert *upsert,
                         const struct ctl_place *place, const char *lon,
                         const char *lat, struct tally *tally)
{
    const char *const params[] = {place->ref, place->name, place->kind, lon,
                                  lat};
    if (place->ref == NULL) {
        PGresult *result = ctl_query(conn, upsert->by_name, 5, params);
        if (result == NULL)
            return false;
        if (PQntuples(result) > 0)
            return count_upsert(result, tally);
        PQclear(result);
    }
    return count_upsert(ctl_query(conn, upsert->by_ref, 5, params), tally);
}

static bool write_points(PGconn *conn, struct ctl_places *places,
                         const struct upsert *upsert, bool anywhere,
                         struct tally *tally)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct ctl_place *place = &places->places[i];
        char lon[40], lat[40];
        bool is_far = false;
        snprintf(lon, sizeof lon, "%.9f", place->lon_deg);
        snprintf(lat, sizeof lat, "%.9f", place->lat_deg);
        if (!anywhere && !far_away(conn, lon, lat, &is_far))
            return false;
        if (is_far) {
            if (!add_fault(places, place->where,
                           "no street and no zone within 10 km: wrong "
                           "coordinates? (--anywhere takes it)"))
                return false;
        } else if (!upsert_place(conn, upsert, place, lon, lat, tally)) {
            return false;
        }
    }
    return true;
}

static enum pt_err read_points(const char *path, struct ctl_places *ret,
                               char *message, size_t message_size)
{
    size_t size = 0;
    char *bytes = ctl_read_file(path, &size);
    *message = 0;
    if (bytes == NULL)
        return PT_E_DISK;
    enum pt_err err =
        ctl_ends_with(path, ".csv")
            ? ctl_missions_csv(bytes, size, ret, message, message_size)
            : ctl_missions_geojson(bytes, size, ret, message, message_size);
    free(bytes);
    return err;
}

/* What of an import is the same for missions, posts and zones. */
struct import {
    const char *what;
    bool (*write)(PGconn *conn, struct ctl_places *places,
                  const struct import *import, struct tally *tally);
    bool anywhere;
    const char *time_zone;
    long promise_s;
};

static enum ctl_exit run_import(const struct ctl *ctl,
                                struct ctl_places *places,
                                const struct import *import)
{
    struct tally tally = {0};
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    enum ctl_exit end = CTL_OK;
    if (!ctl_run(conn, "BEGIN") ||
        !import->write(conn, places, import, &tally) ||
        !ctl_run(conn, "COMMIT"))
        end = ctl_database_exit(conn);
    PQfinish(conn);
    if (end != CTL_OK)
        return end;
    if (!ctl->json)
        print_faults(places, ctl->argv[0]);
    say(ctl, places, &tally, import->what);
    return tally.inserted + tally.updated > 0 ? CTL_OK : CTL_BAD_INPUT;
}

static bool write_missions_import(PGconn *conn, struct ctl_places *places,
                                  const struct import *import,
                                  struct tally *tally)
{
    return write_points(conn, places, &missions, import->anywhere, tally);
}

static bool write_posts_import(PGconn *conn, struct ctl_places *places,
                               const struct import *import, struct tally *tally)
{
    return write_points(conn, places, &posts, import->anywhere, tally);
}

/* The reader's answer as ours; complains when the file is of no use. */
static bool readable(enum pt_err err, const char *path, const char *message)
{
    if (err != PT_OK && *message != 0)
        ctl_complain("%s: %s", path, message);
    return err == PT_OK;
}

static enum ctl_exit import_points(struct ctl *ctl, int argc, char **argv,
                                   struct import *import, const char *anywhere)
{
    struct ctl_places places = {0};
    enum ctl_exit end;
    char message[256];
    const struct ctl_option options[] = {
        {"anywhere", 0, CTL_FLAG, &import->anywhere, NULL, anywhere, 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    const char *path = ctl->argv[0];
    if (!ctl_ends_with(path, ".csv") && !ctl_ends_with(path, ".geojson") &&
        !ctl_ends_with(path, ".json")) {
        ctl_complain("%s: its name must end in .csv, .geojson or .json", path);
        return CTL_BAD_INPUT;
    }
    enum pt_err err = read_points(path, &places, message, sizeof message);
    if (!readable(err, path, message))
        return CTL_BAD_INPUT;
    end = run_import(ctl, &places, import);
    ctl_places_clear(&places);
    return end;
}

enum ctl_exit cmd_missions_import(struct ctl *ctl, int argc, char **argv)
{
    struct import import = {.what = "missions", .write = write_missions_import};
    return import_points(ctl, argc, argv, &import,
                         "take missions far from every street and zone");
}

enum ctl_exit cmd_posts_import(struct ctl *ctl, int argc, char **argv)
{
    struct import import = {.what = "posts", .write = write_posts_import};
    return import_points(ctl, argc, argv, &import,
                         "take posts far from every street and zone");
}

/* ---------------------------------------------------------------- zones */
/* Whether the database knows the time zone; asked once for each in a row. */
static bool known_time_zone(PGconn *conn, const char *name, bool *ret)
{
    const char *const params[] = {name};
    PGresult *result = ctl_query(conn,
                                 "SELECT EXISTS (SELECT FROM pg_timezone_names "
                                 "WHERE name = $1)",
                                 1, params);
    if (result != NULL)
        *ret = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    return result != NULL;
}

/* Why PostGIS would not take the area, "" when it does. A ring that crosses
 * itself has no inside: guessing one would move a zone's border. */
static bool area_fault(PGconn *conn, const struct ctl_place *place, char *fault,
                       size_t fault_size)
{
    const char *const params[] = {place->geometry};
    PGresult *result =
        ctl_query(conn,
                  "SELECT CASE WHEN ST_IsValid(g) THEN '' "
                  "ELSE ST_IsValidReason(g) END "
                  "FROM ST_SetSRID(ST_GeomFromGeoJSON($1), 4326) g",
                  1, params);
    if (result == NULL)
        return false;
    const char *reason = PQgetvalue(result, 0, 0);
    if (*reason != 0)
        snprintf(fault, fault_size, "the area is not valid: %s", reason);
    PQclear(result);
    return true;
}

static bool upsert_zone(PGconn *conn, const struct ctl_place *place,
                        const struct import *import, struct tally *tally)
{
    char promise[24];
    long promise_s =
        place->promise_s > 0 ? place->promise_s : import->promise_s;
    snprintf(promise, sizeof promise, "%ld", promise_s);
    const char *const params[] = {place->name, promise_s > 0 ? promise : NULL,
                                  place->time_zone != NULL ? place->time_zone
                                                           : import->time_zone,
                                  place->geometry};
    return count_upsert(
        ctl_query(conn,
                  "INSERT INTO patrol.zone (name, promise_s, time_zone, geom) "
                  "VALUES ($1, $2::integer, coalesce($3, 'UTC'), "
                  "ST_Multi(ST_Force2D(ST_SetSRID(ST_GeomFromGeoJSON($4), "
                  "4326)))) ON CONFLICT (name) DO UPDATE SET "
                  "promise_s = coalesce($2::integer, zone.promise_s), "
                  "time_zone = coalesce($3, zone.time_zone), "
                  "geom = excluded.geom RETURNING xmax = 0",
                  4, params),
        tally);
}

static bool reassign_missions(PGconn *conn, struct tally *tally)
{
    PGresult *result =
        ctl_query(conn,
                  "UPDATE patrol.mission m SET zone_id = n.zone_id FROM "
                  "(SELECT mission_id, " ZONE_OF(
                      "o.geom") " AS zone_id FROM patrol.mission o) n WHERE "
                                "n.mission_id = m.mission_id AND "
                                "m.zone_id IS DISTINCT FROM n.zone_id",
                  0, NULL);
    if (result != NULL)
        tally->reassigned = strtoul(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return result != NULL;
}

static bool write_zones(PGconn *conn, struct ctl_places *places,
                        const struct import *import, struct tally *tally)
{
    const char *checked = NULL; /* the last time zone that is one */
    for (size_t i = 0; i < places->count; i++) {
        const struct ctl_place *place = &places->places[i];
        char fault[160] = "";
        bool known = true;
        if (place->time_zone != NULL &&
            (checked == NULL || strcmp(checked, place->time_zone) != 0)) {
            if (!known_time_zone(conn, place->time_zone, &known))
                return false;
            checked = known ? place->time_zone : checked;
        }
        if (!known)
            snprintf(fault, sizeof fault, "no time zone \"%.100s\"",
                     place->time_zone);
        else if (!area_fault(conn, place, fault, sizeof fault))
            return false;
        if (*fault != 0 ? !add_fault(places, place->where, fault)
                        : !upsert_zone(conn, place, import, tally))
            return false;
    }
    return reassign_missions(conn, tally);
}

static bool option_time_zone_known(const struct ctl *ctl, const char *name,
                                   enum ctl_exit *ret)
{
    bool known = false;
    if (name == NULL)
        return true;
    PGconn *conn = ctl_database(ctl);
    *ret = CTL_UNREACHABLE;
    if (conn == NULL)
        return false;
    if (!known_time_zone(conn, name, &known)) {
        *ret = ctl_database_exit(conn);
    } else if (!known) {
        ctl_complain("no time zone \"%s\" (such as America/Havana)", name);
        *ret = CTL_USAGE;
    }
    PQfinish(conn);
    return known;
}

enum ctl_exit cmd_zones_import(struct ctl *ctl, int argc, char **argv)
{
    struct import import = {.what = "zones", .write = write_zones};
    struct ctl_places places = {0};
    enum ctl_exit end;
    char message[256] = "";
    const struct ctl_option options[] = {
        {"promise", 0, CTL_NUMBER, &import.promise_s, "SECONDS",
         "for zones whose properties have no promise_s", 1, 86400},
        {"time-zone", 0, CTL_TEXT, &import.time_zone, "NAME",
         "for zones whose properties have no time_zone", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    size_t size = 0;
    char *bytes = ctl_read_file(ctl->argv[0], &size);
    if (bytes == NULL)
        return CTL_BAD_INPUT;
    enum pt_err err =
        ctl_zones_geojson(bytes, size, &places, message, sizeof message);
    free(bytes);
    if (!readable(err, ctl->argv[0], message))
        return CTL_BAD_INPUT;
    if (option_time_zone_known(ctl, import.time_zone, &end))
        end = run_import(ctl, &places, &import);
    ctl_places_clear(&places);
    return end;
}

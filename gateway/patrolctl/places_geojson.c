/* Missions and zones from GeoJSON (RFC 7946). */
#include "patrolctl_places.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The first of `keys` (NULL at the end) that is a text or a number; a number
 * is written to `room`. NULL when none is. */
static const char *property(const json_t *properties, const char *const *keys,
                            char room[32])
{
    for (; *keys != NULL; keys++) {
        const json_t *value = json_object_get(properties, *keys);
        if (json_is_string(value) && *json_string_value(value) != 0)
            return json_string_value(value);
        if (json_is_integer(value)) {
            snprintf(room, 32, "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value));
            return room;
        }
    }
    return NULL;
}

static bool is_type(const json_t *object, const char *type)
{
    const char *value = json_string_value(json_object_get(object, "type"));
    return value != NULL && strcmp(value, type) == 0;
}

/* Longitude, latitude, maybe a height. */
static bool read_position(const json_t *position, double *lat_deg,
                          double *lon_deg)
{
    const json_t *lon = json_array_get(position, 0);
    const json_t *lat = json_array_get(position, 1);
    if (!json_is_number(lon) || !json_is_number(lat))
        return false;
    *lon_deg = json_number_value(lon);
    *lat_deg = json_number_value(lat);
    return true;
}

static bool on_globe(double lat_deg, double lon_deg)
{
    return lat_deg >= -90 && lat_deg <= 90 && lon_deg >= -180 && lon_deg <= 180;
}

/* ------------------------------------------------------------- missions */
static enum pt_err add_mission(struct ctl_places *places, size_t number,
                               const json_t *feature)
{
    static const char *const names[] = {"name", "operator", "sending_state",
                                        "mission", NULL};
    static const char *const kinds[] = {"kind", "type", NULL};
    static const char *const refs[] = {"ref", "qid", "wikidata_qid",
                                       "@id", "id",  NULL};
    static const char *const own_id[] = {"id", NULL};
    char name[32], kind[32], ref[32];
    const json_t *properties = json_object_get(feature, "properties");
    const json_t *geometry = json_object_get(feature, "geometry");
    struct ctl_place_draft draft = {
        .where = number,
        .name = property(properties, names, name),
        .kind = property(properties, kinds, kind),
        .ref = property(properties, refs, ref),
    };
    if (draft.ref == NULL)
        draft.ref = property(feature, own_id, ref);
    if (!json_is_null(geometry) && !is_type(geometry, "Point"))
        return ctl_fault(places, number, "its geometry is no Point");
    draft.has_point = read_position(json_object_get(geometry, "coordinates"),
                                    &draft.lat_deg, &draft.lon_deg);
    return ctl_place_add(places, &draft, CTL_MISSIONS_MAX);
}

/* ---------------------------------------------------------------- zones */
/* What is wrong with a ring; NULL when nothing is. */
static const char *wrong_ring(const json_t *ring)
{
    size_t count = json_array_size(ring);
    double first_lat = 0, first_lon = 0, lat = 0, lon = 0;
    if (count < 4)
        return "a ring has fewer than four positions";
    for (size_t i = 0; i < count; i++) {
        if (!read_position(json_array_get(ring, i), &lat, &lon))
            return "a position is not two numbers";
        if (!on_globe(lat, lon))
            return "a position is not on the globe";
        if (i == 0) {
            first_lat = lat;
            first_lon = lon;
        }
    }
    /* Exactly: PostGIS asks for no less. */
    return lat < first_lat || lat > first_lat || lon < first_lon ||
                   lon > first_lon
               ? "a ring does not end where it begins"
               : NULL;
}

static const char *wrong_polygon(const json_t *rings)
{
    if (json_array_size(rings) == 0)
        return "an area without a ring";
    for (size_t i = 0; i < json_array_size(rings); i++) {
        const char *wrong = wrong_ring(json_array_get(rings, i));
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *wrong_area(const json_t *geometry)
{
    const json_t *coordinates = json_object_get(geometry, "coordinates");
    if (is_type(geometry, "Polygon"))
        return wrong_polygon(coordinates);
    if (!is_type(geometry, "MultiPolygon"))
        return "its geometry is no Polygon or MultiPolygon";
    if (json_array_size(coordinates) == 0)
        return "an area without a ring";
    for (size_t i = 0; i < json_array_size(coordinates); i++) {
        const char *wrong = wrong_polygon(json_array_get(coordinates, i));
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static enum pt_err add_zone(struct ctl_places *places, size_t number,
                            const json_t *feature)
{
    static const char *const names[] = {"name", NULL};
    static const char *const time_zones[] = {"time_zone", NULL};
    char name[32], time_zone[32];
    const json_t *properties = json_object_get(feature, "properties");
    const json_t *geometry = json_object_get(feature, "geometry");
    const json_t *promise = json_object_get(properties, "promise_s");
    const char *wrong = wrong_area(geometry);
    if (wrong != NULL)
        return ctl_fault(places, number, "%s", wrong);
    struct ctl_place_draft draft = {
        .where = number,
        .name = property(properties, names, name),
        .time_zone = property(properties, time_zones, time_zone),
    };
    if (promise != NULL && !json_is_null(promise)) {
        json_int_t promise_s = json_integer_value(promise);
        if (promise_s < 1 || promise_s > 86400)
            return ctl_fault(places, number,
                             "promise_s is not a number from 1 to 86400");
        draft.promise_s = (long)promise_s;
    }
    /* Only type and coordinates: other members could hold anything. */
    json_t *bare =
        json_pack("{s:O, s:O}", "type", json_object_get(geometry, "type"),
                  "coordinates", json_object_get(geometry, "coordinates"));
    char *text = json_dumps(bare, JSON_COMPACT);
    json_decref(bare);
    if (text == NULL)
        return PT_E_NOMEM;
    draft.geometry = text;
    enum pt_err err = ctl_place_add(places, &draft, CTL_ZONES_MAX);
    free(text);
    return err;
}

/* ---------------------------------------------------------------- files */
typedef enum pt_err (*add_feature)(struct ctl_places *places, size_t number,
                                   const json_t *feature);

static enum pt_err add_all(const json_t *root, add_feature add,
                           struct ctl_places *places, char *message,
                           size_t message_size)
{
    const json_t *features = json_object_get(root, "features");
    enum pt_err err = PT_OK;
    if (is_type(root, "Feature"))
        return add(places, 1, root);
    if (!is_type(root, "FeatureCollection") || !json_is_array(features)) {
        snprintf(message, message_size, "no GeoJSON FeatureCollection");
        return PT_E_MALFORMED;
    }
    for (size_t i = 0; i < json_array_size(features) && err == PT_OK; i++) {
        const json_t *feature = json_array_get(features, i);
        err = is_type(feature, "Feature")
                  ? add(places, i + 1, feature)
                  : ctl_fault(places, i + 1, "no Feature");
    }
    return err;
}

static enum pt_err read_features(const char *bytes, size_t size,
                                 add_feature add, struct ctl_places *ret,
                                 char *message, size_t message_size)
{
    struct ctl_places places = {.unit = "feature"};
    json_error_t error;
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    json_t *root = json_loadb(bytes, size, 0, &error);
    if (root == NULL) {
        snprintf(message, message_size, "line %d: %s", error.line, error.text);
        return PT_E_MALFORMED;
    }
    *message = 0;
    enum pt_err err = add_all(root, add, &places, message, message_size);
    if (err == PT_OK)
        err = ctl_places_once(&places);
    json_decref(root);
    if (err != PT_OK) {
        if (*message == 0)
            snprintf(message, message_size, "%s", pt_strerror(err));
        ctl_places_clear(&places);
        return err;
    }
    *ret = places;
    return PT_OK;
}

enum pt_err ctl_missions_geojson(const char *bytes, size_t size,
                                 struct ctl_places *ret, char *message,
                                 size_t message_size)
{
    return read_features(bytes, size, add_mission, ret, message, message_size);
}

enum pt_err ctl_zones_geojson(const char *bytes, size_t size,
                              struct ctl_places *ret, char *message,
                              size_t message_size)
{
    return read_features(bytes, size, add_zone, ret, message, message_size);
}

/* What posts are sought, as the gateway takes it. */
#include "posts_wish.h"
#include <stdlib.h>
#include <string.h>

static json_t *place_of(double lat_deg, double lon_deg)
{
    return json_pack("{s:f, s:f}", "lat", lat_deg, "lon", lon_deg);
}

/* LAT,LON or a post's number. */
static bool add_kept(json_t *body, const struct ctl_list *list)
{
    json_t *kept = json_array();
    json_object_set_new(body, "keep", kept);
    for (size_t i = 0; i < list->count; i++) {
        double lat_deg, lon_deg;
        char *end = NULL;
        long id = strtol(list->items[i], &end, 10);
        if (ctl_parse_point(list->items[i], &lat_deg, &lon_deg)) {
            json_array_append_new(kept, place_of(lat_deg, lon_deg));
        } else if (id > 0 && *end == '\0') {
            json_array_append_new(
                kept, json_pack("{s:I}", "post_id", (json_int_t)id));
        } else {
            ctl_complain("--keep: \"%s\" is neither LAT,LON nor a post's "
                         "number",
                         list->items[i]);
            return false;
        }
    }
    return true;
}

/* Places of a CSV or GeoJSON, as missions import reads them. */
static bool add_file(json_t *body, const char *member, const char *path)
{
    struct ctl_places places = {0};
    char message[256] = "";
    size_t size = 0;
    char *bytes = ctl_read_file(path, &size);
    if (bytes == NULL)
        return false;
    enum pt_err err =
        ctl_ends_with(path, ".csv")
            ? ctl_missions_csv(bytes, size, &places, message, sizeof message)
            : ctl_missions_geojson(bytes, size, &places, message,
                                   sizeof message);
    free(bytes);
    if (err != PT_OK) {
        ctl_complain("%s: %s", path, message);
        return false;
    }
    bool good = places.fault_count == 0 && places.count > 0;
    if (places.fault_count > 0)
        ctl_complain("%s, %s %zu: %s", path, places.unit,
                     places.faults[0].where, places.faults[0].text);
    else if (places.count == 0)
        ctl_complain("%s: there is no place in it", path);
    json_t *list = json_array();
    json_object_set_new(body, member, list);
    for (size_t i = 0; good && i < places.count; i++)
        json_array_append_new(
            list, place_of(places.places[i].lat_deg, places.places[i].lon_deg));
    ctl_places_clear(&places);
    return good;
}

static bool add_weight(json_t *weights, const char *option, const char *member,
                       const char *typed)
{
    char *end = NULL;
    if (typed == NULL)
        return true;
    double weight = strtod(typed, &end);
    if (end == typed || *end != '\0') {
        ctl_complain("--%s: \"%s\" is not a number", option, typed);
        return false;
    }
    json_object_set_new(weights, member, json_real(weight));
    return true;
}

static bool add_candidates(json_t *body, const char *candidates)
{
    if (candidates == NULL || strcmp(candidates, "streets") == 0 ||
        strcmp(candidates, "posts") == 0) {
        json_object_set_new(
            body, "candidates",
            json_string(candidates == NULL ? "streets" : candidates));
        return true;
    }
    return add_file(body, "candidates", candidates);
}

static void add_number(json_t *body, const char *member, long value, long none)
{
    if (value != none)
        json_object_set_new(body, member, json_integer(value));
}

json_t *ctl_posts_body(const struct posts_wish *wish, enum ctl_exit *end)
{
    json_t *body = json_pack("{s:I}", "fold", (json_int_t)wish->fold);
    json_t *weights = json_object();
    json_object_set_new(body, "weights", weights);
    add_number(body, "spacing_m", wish->spacing_m, 0);
    add_number(body, "turnout_s", wish->turnout_s, -1);
    add_number(body, "limit_s", wish->limit_s, 0);
    if (wish->zone != NULL)
        json_object_set_new(body, "zone", json_string(wish->zone));
    if (wish->profile != NULL)
        json_object_set_new(body, "profile", json_string(wish->profile));
    *end = CTL_USAGE;
    if (add_kept(body, &wish->keep) &&
        add_weight(weights, "mission-weight", "mission",
                   wish->mission_weight) &&
        add_weight(weights, "street-weight", "street_km", wish->km_weight)) {
        *end = CTL_BAD_INPUT;
        if (add_candidates(body, wish->candidates) &&
            (wish->points == NULL || add_file(body, "points", wish->points)))
            *end = CTL_OK;
    }
    if (*end == CTL_OK)
        return body;
    json_decref(body);
    return NULL;
}

/* Missions and zones, and how requests name them. */
#include "http_internal.h"
#include <string.h>

#define CANDIDATES_MAX 20

void write_mission(struct json *json, const char *key,
                   const struct catalog_mission *mission)
{
    jw_object(json, key);
    jw_int(json, "mission_id", mission->mission_id);
    jw_text(json, "ref", mission->ref);
    jw_text(json, "name", mission->name);
    jw_text(json, "kind", mission->kind);
    jw_lat_lon(json, mission->at);
    jw_text(json, "zone", mission->zone == NULL ? NULL : mission->zone->name);
    jw_object_end(json);
}

bool folded_has_words(const char *folded, const char *folded_words)
{
    char word[4 * PARAMS_VALUE_BYTES_MAX + 1];

    for (;;) {
        folded_words += strspn(folded_words, " ");
        size_t length = strcspn(folded_words, " ");
        if (length == 0)
            return true;
        if (length >= sizeof word)
            return false;
        memcpy(word, folded_words, length);
        word[length] = '\0';
        if (strstr(folded, word) == NULL)
            return false;
        folded_words += length;
    }
}

const struct catalog_zone *zone_of(const struct catalog *catalog,
                                   const char *typed)
{
    char wanted[4 * PARAMS_VALUE_BYTES_MAX + 1];
    char name[1024];
    uint32_t number = 0;

    bool by_number = params_count(typed, 1, UINT32_MAX, &number);
    catalog_fold(typed, wanted, sizeof wanted);
    for (size_t i = 0; i < catalog_zone_count(catalog); i++) {
        const struct catalog_zone *zone = catalog_zone(catalog, i);
        catalog_fold(zone->name, name, sizeof name);
        if (by_number ? zone->zone_id == number : strcmp(name, wanted) == 0)
            return zone;
    }
    return NULL;
}

bool request_zone(struct request *rq, const struct catalog_zone **ret)
{
    const char *typed = params_get(&rq->params, "zone");

    *ret = NULL;
    if (typed == NULL)
        return true;
    *ret = zone_of(*rq->http->catalog, typed);
    if (*ret != NULL)
        return true;
    reply_parameter(rq, "zone", "no zone has that number or name");
    return false;
}

void answer_missions(struct request *rq)
{
    const struct catalog *catalog = *rq->http->catalog;
    const char *typed = params_get(&rq->params, "q");
    char words[4 * PARAMS_VALUE_BYTES_MAX + 1] = "";
    const struct catalog_zone *zone;

    if (!request_zone(rq, &zone))
        return;
    if (typed != NULL)
        catalog_fold(typed, words, sizeof words);
    struct json *json = reply_json(rq);
    jw_object(json, NULL);
    jw_array(json, "missions");
    for (size_t i = 0; i < catalog_mission_count(catalog); i++) {
        const struct catalog_mission *mission = catalog_mission(catalog, i);
        if ((zone == NULL || mission->zone == zone ||
             catalog_zone_holds(zone, mission->at)) &&
            folded_has_words(mission->folded, words))
            write_mission(json, NULL, mission);
    }
    jw_array_end(json);
    jw_object_end(json);
}

void answer_zones(struct request *rq)
{
    const struct catalog *catalog = *rq->http->catalog;
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_array(json, "zones");
    for (size_t i = 0; i < catalog_zone_count(catalog); i++) {
        const struct catalog_zone *zone = catalog_zone(catalog, i);
        jw_object(json, NULL);
        jw_int(json, "zone_id", zone->zone_id);
        jw_text(json, "name", zone->name);
        if (zone->promise_s > 0)
            jw_int(json, "promise_s", zone->promise_s);
        else
            jw_null(json, "promise_s");
        jw_text(json, "time_zone", zone->time_zone);
        jw_raw(json, "geometry", zone->geojson, strlen(zone->geojson));
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
}

/* ----------------------------------------------------- a request's target */
/* 409 with the missions that hold all the words, the first twenty. */
static void reply_ambiguous(struct request *rq, const char *typed)
{
    const struct catalog *catalog = *rq->http->catalog;
    char words[4 * PARAMS_VALUE_BYTES_MAX + 1];
    size_t told = 0;

    reply_problem(rq, PROBLEM_AMBIGUOUS, "several missions fit");
    struct json *json = &rq->reply.body;
    jw_reset(json);
    problem_begin(json, PROBLEM_AMBIGUOUS,
                  "several missions fit; name one more closely or by its "
                  "mission_id");
    jw_text(json, "parameter", "mission");
    jw_array(json, "candidates");
    catalog_fold(typed, words, sizeof words);
    for (size_t i = 0;
         i < catalog_mission_count(catalog) && told < CANDIDATES_MAX; i++) {
        const struct catalog_mission *mission = catalog_mission(catalog, i);
        if (!folded_has_words(mission->folded, words))
            continue;
        write_mission(json, NULL, mission);
        told++;
    }
    jw_array_end(json);
    jw_object_end(json);
}

bool find_mission(struct request *rq, const char *typed,
                  const struct catalog_mission **ret)
{
    switch (catalog_mission_find(*rq->http->catalog, typed, ret)) {
    case PT_OK:
        return true;
    case PT_E_RANGE:
        reply_ambiguous(rq, typed);
        return false;
    default:
        reply_problem(rq, PROBLEM_NO_MISSION, "no mission is called %s", typed);
        return false;
    }
}

bool request_mission(struct request *rq, const struct catalog_mission **ret)
{
    const char *typed = params_get(&rq->params, "mission");

    *ret = NULL;
    return typed == NULL || find_mission(rq, typed, ret);
}

static bool coordinate(struct request *rq, const char *name, double limit_deg,
                       double *ret)
{
    const char *value = params_get(&rq->params, name);

    if (value == NULL) {
        reply_parameter(rq, name, "lat and lon, or mission, are needed");
        return false;
    }
    if (!params_number(value, -limit_deg, limit_deg, ret)) {
        reply_parameter(rq, name,
                        limit_deg < 100
                            ? "a decimal number from -90 to 90 is expected"
                            : "a decimal number from -180 to 180 is expected");
        return false;
    }
    return true;
}

bool request_target(struct request *rq, struct geo_point *at,
                    const struct catalog_mission **ret)
{
    double lat_deg, lon_deg;

    *ret = NULL;
    if (params_get(&rq->params, "mission") != NULL) {
        if (params_get(&rq->params, "lat") != NULL ||
            params_get(&rq->params, "lon") != NULL) {
            reply_parameter(rq, "mission",
                            "either a mission or lat and lon, not both");
            return false;
        }
        if (!request_mission(rq, ret))
            return false;
        *at = (*ret)->at;
        return true;
    }
    if (!coordinate(rq, "lat", 90, &lat_deg) ||
        !coordinate(rq, "lon", 180, &lon_deg))
        return false;
    *at = geo_from_deg(lat_deg, lon_deg);
    return true;
}

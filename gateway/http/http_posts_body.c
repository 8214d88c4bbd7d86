#include "http_posts_body.h"

#include "http_whatif_body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_USUAL 20

/* A whole number of a range; `ret` stays as it is when not given. */
static bool take_count(const json_t *body, const char *member, json_int_t least,
                       json_int_t most, json_int_t *ret,
                       struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return body_refuse(fault, member,
                           "a whole number within the range is expected");
    *ret = json_integer_value(value);
    return true;
}

static bool take_weight(const json_t *body, const char *member, double *ret,
                        struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    if (value == NULL)
        return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0) ||
        !(number <= SITING_WEIGHT_MAX))
        return body_refuse(fault, member,
                           "a weight from 0 to 1,000,000 is expected");
    *ret = number;
    return true;
}

/* An array of at most `max` items of `size` bytes; `*ret` NULL when not given.
 */
static bool take_array(const json_t *body, const char *member, size_t max,
                       size_t size, const json_t **items, void **ret,
                       struct body_fault *fault)
{
    *items = body_given(body, member);
    if (*items == NULL)
        return true;
    if (!json_is_array(*items))
        return body_refuse(fault, member, "an array is expected");
    if (json_array_size(*items) > max)
        return body_refuse(fault, member, "there are too many");
    *ret = calloc(json_array_size(*items) + 1, size);
    return *ret != NULL || body_refuse(fault, member, "out of memory");
}

/* ------------------------------------------------------------------- places
 */
static bool take_place(const json_t *item, struct posts_place *ret,
                       struct body_fault *fault)
{
    static const char *const names[] = {"post_id", "lat", "lon"};
    json_int_t id = 0;
    bool has_point = false;

    if (!json_is_object(item))
        return body_refuse(fault, "", "an object is expected");
    if (!body_known(item, names, 3, fault) ||
        !take_count(item, "post_id", 1, INT32_MAX, &id, fault) ||
        !body_point(item, &has_point, &ret->at, fault))
        return false;
    if (has_point == (id > 0))
        return body_refuse(fault, "", "either post_id, or lat and lon");
    ret->by_id = id > 0;
    ret->post_id = (uint32_t)id;
    return true;
}

static bool take_places(const json_t *body, const char *member, size_t max,
                        struct posts_place **ret, size_t *count,
                        struct body_fault *fault)
{
    const json_t *items;
    void *places = NULL;

    if (!take_array(body, member, max, sizeof **ret, &items, &places, fault))
        return false;
    *ret = places;
    for (; *count < json_array_size(items); ++*count)
        if (!take_place(json_array_get(items, *count), &(*ret)[*count], fault))
            return body_refuse_in(fault, member, *count);
    return true;
}

/* "streets", "posts", or an array of places. */
static bool take_candidates(const json_t *body, struct posts_body *ret,
                            struct body_fault *fault)
{
    const json_t *value = body_given(body, "candidates");
    const char *word = json_string_value(value);

    if (word != NULL) {
        ret->from_posts = strcmp(word, "posts") == 0;
        return ret->from_posts || strcmp(word, "streets") == 0 ||
               body_refuse(fault, "candidates",
                           "streets, posts or an array is expected");
    }
    if (!take_places(body, "candidates", SITING_GIVEN_MAX, &ret->candidates,
                     &ret->candidate_count, fault))
        return false;
    return ret->candidates == NULL || ret->candidate_count > 0 ||
           body_refuse(fault, "candidates", "one at least is needed");
}

/* ------------------------------------------------------------------- weights
 */
static bool take_points(const json_t *body, struct posts_body *ret,
                        struct body_fault *fault)
{
    static const char *const names[] = {"lat", "lon", "weight"};
    const json_t *items;
    void *points = NULL;

    if (!take_array(body, "points", SITING_POINTS_MAX, sizeof *ret->points,
                    &items, &points, fault))
        return false;
    ret->points = points;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        struct siting_point *point = &ret->points[ret->point_count++];
        bool has_point = false;
        point->weight = 1;
        if (!json_is_object(item))
            body_refuse(fault, "", "an object is expected");
        else if (body_known(item, names, 3, fault) &&
                 take_weight(item, "weight", &point->weight, fault) &&
                 body_point(item, &has_point, &point->at, fault) && !has_point)
            body_refuse(fault, "lat", "lat and lon are needed");
        if (!has_point)
            return body_refuse_in(fault, "points", i);
    }
    return true;
}

static bool take_missions(const json_t *weights, struct posts_body *ret,
                          struct body_fault *fault)
{
    static const char *const names[] = {"mission_id", "weight"};
    const json_t *items;
    void *list = NULL;

    if (!take_array(weights, "missions", SITING_GIVEN_MAX, sizeof *ret->weights,
                    &items, &list, fault))
        return false;
    ret->weights = list;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        struct siting_weight *weight = &ret->weights[ret->weight_count++];
        json_int_t id = 0;
        weight->weight = -1;
        bool good =
            json_is_object(item)
                ? body_known(item, names, 2, fault) &&
                      take_count(item, "mission_id", 1, INT32_MAX, &id,
                                 fault) &&
                      take_weight(item, "weight", &weight->weight, fault)
                : body_refuse(fault, "", "an object is expected");
        if (good && (id == 0 || weight->weight < 0))
            good = body_refuse(fault, "", "mission_id and weight are needed");
        if (!good)
            return body_refuse_in(fault, "missions", i);
        weight->mission_id = (uint32_t)id;
    }
    return true;
}

static bool take_weights(const json_t *body, struct posts_body *ret,
                         struct body_fault *fault)
{
    static const char *const names[] = {"mission", "street_km", "missions"};
    const json_t *weights = body_given(body, "weights");

    if (weights == NULL)
        return true;
    if (!json_is_object(weights))
        return body_refuse(fault, "weights", "an object is expected");
    return body_known(weights, names, 3, fault) &&
           take_weight(weights, "mission", &ret->mission_weight, fault) &&
           take_weight(weights, "street_km", &ret->km_weight, fault) &&
           take_missions(weights, ret, fault);
}

/* ------------------------------------------------------------------ all of it
 */
static bool take_numbers(const json_t *body, struct posts_body *ret,
                         struct body_fault *fault)
{
    json_int_t count = 0, fold = 1, turnout = -1, seconds = SECONDS_USUAL;

    if (!take_count(body, "posts", 1, SITING_POSTS_MAX, &count, fault) ||
        !take_count(body, "fold", 1, COVERAGE_FOLD, &fold, fault) ||
        !take_count(body, "turnout_s", 0, POSTS_BODY_TURNOUT_MAX_S, &turnout,
                    fault) ||
        !take_count(body, "limit_s", 1, POSTS_BODY_SECONDS_MAX, &seconds,
                    fault) ||
        !body_number(body, "spacing_m", 0, INFINITY, &ret->spacing_m, fault))
        return false;
    if (ret->spacing_m > 0 && (ret->spacing_m < SITING_SPACING_MIN_M ||
                               ret->spacing_m > SITING_SPACING_MAX_M))
        return body_refuse(fault, "spacing_m", "metres from 20 to 20,000");
    if (count == 0)
        return body_refuse(fault, "posts", "how many, from 1 to 100");
    ret->post_count = (size_t)count;
    ret->fold = (unsigned)fold;
    ret->turnout_s = (int)turnout;
    ret->seconds = (int)seconds;
    return true;
}

static bool take_all(const json_t *body, struct posts_body *ret,
                     struct body_fault *fault)
{
    static const char *const names[] = {
        "posts",   "fold",   "keep",      "candidates", "spacing_m", "at",
        "weights", "points", "turnout_s", "limit_s",    "zone",      "profile"};

    if (!body_known(body, names, sizeof names / sizeof *names, fault) ||
        !take_numbers(body, ret, fault) ||
        !take_places(body, "keep", SITING_POSTS_MAX, &ret->kept,
                     &ret->kept_count, fault) ||
        !take_candidates(body, ret, fault) || !take_weights(body, ret, fault) ||
        !take_points(body, ret, fault) ||
        !body_text(body, "zone", ret->zone, sizeof ret->zone, fault) ||
        !body_text(body, "profile", ret->profile, sizeof ret->profile, fault) ||
        !whatif_hour_take(body, &ret->hour, fault))
        return false;
    if (ret->kept_count > ret->post_count)
        return body_refuse(fault, "keep", "more are kept than posts asked for");
    if (ret->spacing_m > 0 && (ret->from_posts || ret->candidates != NULL))
        return body_refuse(fault, "spacing_m", "only when any street may do");
    return true;
}

bool posts_body_take(const json_t *body, struct posts_body *ret,
                     struct body_fault *fault)
{
    *ret = (struct posts_body){.mission_weight = 1, .hour = TERMS_NOW};
    bool good = take_all(body, ret, fault);
    if (!good)
        posts_body_clear(ret);
    return good;
}

bool posts_body_parse(const char *bytes, size_t size, struct posts_body *ret,
                      struct body_fault *fault)
{
    json_t *body = body_parse(bytes, size, fault);

    *ret = (struct posts_body){.mission_weight = 1};
    bool good = body != NULL && posts_body_take(body, ret, fault);
    json_decref(body);
    return good;
}

void posts_body_clear(struct posts_body *body)
{
    free(body->kept);
    free(body->candidates);
    free(body->weights);
    free(body->points);
    *body = (struct posts_body){0};
}

#include "http_closure_body.h"

#include "http_rfc3339.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct closure_fault *fault, const char *member,
                   const char *what)
{
    snprintf(fault->member, sizeof fault->member, "%s", member);
    fault->what = what;
    return false;
}

/* Names a member that we do not have only when that is plain text. */
static bool refuse_unknown(struct closure_fault *fault, const char *member)
{
    for (const char *c = member; *c != '\0'; c++)
        if (*c < 'a' || *c > 'z')
            if (*c != '_')
                member = "";
    return refuse(fault, member, "there is no member of that name");
}

static bool known(const json_t *body, struct closure_fault *fault)
{
    static const char *const names[] = {
        "street",    "lat",       "lon",  "ways",  "kind", "factor",
        "speed_mps", "direction", "from", "until", "who",  "reason"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)body, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            found |= strcmp(key, names[i]) == 0;
        if (!found)
            return refuse_unknown(fault, key);
    }
    return true;
}

/* ------------------------------------------------------------------ members */
/* Null counts as not given. */
static const json_t *given(const json_t *body, const char *member)
{
    const json_t *value = json_object_get(body, member);

    return json_is_null(value) ? NULL : value;
}

/* `ret` is "" when it is not given. */
static bool take_text(const json_t *body, const char *member, char *ret,
                      size_t size, struct closure_fault *fault)
{
    const json_t *value = given(body, member);

    ret[0] = '\0';
    if (value == NULL)
        return true;
    const char *text = json_string_value(value);
    if (text == NULL || *text == '\0')
        return refuse(fault, member, "a text is expected");
    if (strlen(text) >= size)
        return refuse(fault, member, "the text is too long");
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return refuse(fault, member, "it holds control characters");
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

static bool take_number(const json_t *body, const char *member, double above,
                        double below, double *ret, struct closure_fault *fault)
{
    const json_t *value = given(body, member);

    *ret = 0;
    if (value == NULL)
        return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number > above) || !(number < below))
        return refuse(fault, member, "a number within the range is expected");
    *ret = number;
    return true;
}

static bool take_time(const json_t *body, const char *member, int64_t absent_ms,
                      int64_t *ret, struct closure_fault *fault)
{
    const json_t *value = given(body, member);

    *ret = absent_ms;
    if (value == NULL)
        return true;
    if (!json_is_string(value) || !rfc3339_parse(json_string_value(value), ret))
        return refuse(fault, member,
                      "an RFC 3339 date-time is expected, such as "
                      "2024-05-01T18:30:00Z");
    return true;
}

/* -------------------------------------------------------------- what, where */
static bool take_point(const json_t *body, struct closure_body *ret,
                       struct closure_fault *fault)
{
    const json_t *lat = given(body, "lat");
    const json_t *lon = given(body, "lon");

    ret->has_point = lat != NULL || lon != NULL;
    if (!ret->has_point)
        return true;
    if (!json_is_number(lat) || fabs(json_number_value(lat)) > 90)
        return refuse(fault, "lat", "degrees from -90 to 90 are expected");
    if (!json_is_number(lon) || fabs(json_number_value(lon)) > 180)
        return refuse(fault, "lon", "degrees from -180 to 180 are expected");
    ret->at = geo_from_deg(json_number_value(lat), json_number_value(lon));
    return true;
}

static bool take_ways(const json_t *body, struct closure_body *ret,
                      struct closure_fault *fault)
{
    const json_t *ways = given(body, "ways");
    size_t count = json_array_size(ways);

    ret->way_count = 0;
    if (ways == NULL)
        return true;
    if (!json_is_array(ways) || count == 0 || count > CLOSURES_WAYS_MAX)
        return refuse(fault, "ways",
                      "1 to 100 numbers of OpenStreetMap ways are expected");
    for (size_t i = 0; i < count; i++) {
        const json_t *way = json_array_get(ways, i);
        if (!json_is_integer(way))
            return refuse(fault, "ways", "a way has a whole number");
        ret->ways[ret->way_count++] = json_integer_value(way);
    }
    return true;
}

static bool take_place(const json_t *body, struct closure_body *ret,
                       struct closure_fault *fault)
{
    if (!take_text(body, "street", ret->street, sizeof ret->street, fault) ||
        !take_point(body, ret, fault) || !take_ways(body, ret, fault))
        return false;
    int places =
        (ret->street[0] != '\0') + ret->has_point + (ret->way_count > 0);
    return places == 1 ||
           refuse(fault, "street",
                  "one of street, lat and lon, or ways is needed");
}

/* ------------------------------------------------------------- how, since when
 */
static bool take_kind(const json_t *body, struct closure_body *ret,
                      struct closure_fault *fault)
{
    char kind[16];
    char direction[16];

    if (!take_text(body, "kind", kind, sizeof kind, fault) ||
        !take_number(body, "factor", 0, 1, &ret->factor, fault) ||
        !take_number(body, "speed_mps", 0, CLOSURES_SPEED_MAX_MPS,
                     &ret->speed_mps, fault) ||
        !take_text(body, "direction", direction, sizeof direction, fault))
        return false;
    bool slows = ret->factor > 0 || ret->speed_mps > 0;
    ret->closed = kind[0] == '\0' ? !slows : strcmp(kind, "closed") == 0;
    if (!ret->closed && kind[0] != '\0' && strcmp(kind, "slowed") != 0)
        return refuse(fault, "kind", "closed or slowed is expected");
    if (ret->closed && slows)
        return refuse(fault, "kind", "what is closed has no speed");
    if (!ret->closed && (ret->factor > 0) == (ret->speed_mps > 0))
        return refuse(fault, "factor",
                      "a slowed street needs either factor or speed_mps");
    ret->direction = CLOSURES_BOTH;
    return direction[0] == '\0' ||
           closures_direction_parse(direction, &ret->direction) ||
           refuse(fault, "direction", "both, forward or backward is expected");
}

static bool take_times(const json_t *body, int64_t now_ms,
                       struct closure_body *ret, struct closure_fault *fault)
{
    if (!take_time(body, "from", now_ms, &ret->from_ms, fault) ||
        !take_time(body, "until", INT64_MAX, &ret->until_ms, fault))
        return false;
    if (ret->from_ms < now_ms - CLOSURE_LATE_MS)
        return refuse(fault, "from", "it lies in the past");
    if (ret->until_ms <= now_ms)
        return refuse(fault, "until", "it lies in the past");
    if (ret->until_ms <= ret->from_ms)
        return refuse(fault, "until", "it lies before the beginning");
    if (ret->from_ms > now_ms + CLOSURE_AHEAD_MS)
        return refuse(fault, "from", "it lies more than 366 days ahead");
    if (ret->until_ms != INT64_MAX && ret->until_ms > now_ms + CLOSURE_AHEAD_MS)
        return refuse(fault, "until", "it lies more than 366 days ahead");
    return true;
}

bool closure_body_parse(const char *bytes, size_t size, int64_t now_ms,
                        struct closure_body *ret, struct closure_fault *fault)
{
    json_t *body = size == 0
                       ? NULL
                       : json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
    bool good = false;

    *ret = (struct closure_body){0};
    *fault = (struct closure_fault){.what = ""};
    if (!json_is_object(body))
        refuse(fault, "", "the body is not a JSON object");
    else
        good =
            known(body, fault) && take_place(body, ret, fault) &&
            take_kind(body, ret, fault) &&
            take_times(body, now_ms, ret, fault) &&
            take_text(body, "who", ret->who, sizeof ret->who, fault) &&
            take_text(body, "reason", ret->reason, sizeof ret->reason, fault);
    json_decref(body);
    return good;
}

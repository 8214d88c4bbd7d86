#include "http_closure_body.h"

#include <string.h>

/* -------------------------------------------------------------- what, where */
static bool take_ways(const json_t *body, struct closure_body *ret,
                      struct body_fault *fault)
{
    const json_t *ways = body_given(body, "ways");
    size_t count = json_array_size(ways);

    ret->way_count = 0;
    if (ways == NULL)
        return true;
    if (!json_is_array(ways) || count == 0 || count > CLOSURES_WAYS_MAX)
        return body_refuse(
            fault, "ways",
            "1 to 100 numbers of OpenStreetMap ways are expected");
    for (size_t i = 0; i < count; i++) {
        const json_t *way = json_array_get(ways, i);
        if (!json_is_integer(way))
            return body_refuse(fault, "ways", "a way has a whole number");
        ret->ways[ret->way_count++] = json_integer_value(way);
    }
    return true;
}

static bool take_place(const json_t *body, struct closure_body *ret,
                       struct body_fault *fault)
{
    if (!body_text(body, "street", ret->street, sizeof ret->street, fault) ||
        !body_point(body, &ret->has_point, &ret->at, fault) ||
        !take_ways(body, ret, fault))
        return false;
    int places =
        (ret->street[0] != '\0') + ret->has_point + (ret->way_count > 0);
    return places == 1 ||
           body_refuse(fault, "street",
                       "one of street, lat and lon, or ways is needed");
}

/* ------------------------------------------------------------- how, since when
 */
static bool take_kind(const json_t *body, struct closure_body *ret,
                      struct body_fault *fault)
{
    char kind[16];
    char direction[16];

    if (!body_text(body, "kind", kind, sizeof kind, fault) ||
        !body_number(body, "factor", 0, 1, &ret->factor, fault) ||
        !body_number(body, "speed_mps", 0, CLOSURES_SPEED_MAX_MPS,
                     &ret->speed_mps, fault) ||
        !body_text(body, "direction", direction, sizeof direction, fault))
        return false;
    bool slows = ret->factor > 0 || ret->speed_mps > 0;
    ret->closed = kind[0] == '\0' ? !slows : strcmp(kind, "closed") == 0;
    if (!ret->closed && kind[0] != '\0' && strcmp(kind, "slowed") != 0)
        return body_refuse(fault, "kind", "closed or slowed is expected");
    if (ret->closed && slows)
        return body_refuse(fault, "kind", "what is closed has no speed");
    if (!ret->closed && (ret->factor > 0) == (ret->speed_mps > 0))
        return body_refuse(fault, "factor",
                           "a slowed street needs either factor or speed_mps");
    ret->direction = CLOSURES_BOTH;
    return direction[0] == '\0' ||
           closures_direction_parse(direction, &ret->direction) ||
           body_refuse(fault, "direction",
                       "both, forward or backward is expected");
}

static bool take_times(const json_t *body, int64_t now_ms,
                       struct closure_body *ret, struct body_fault *fault)
{
    if (!body_time(body, "from", now_ms, &ret->from_ms, fault) ||
        !body_time(body, "until", INT64_MAX, &ret->until_ms, fault))
        return false;
    if (ret->from_ms < now_ms - CLOSURE_LATE_MS)
        return body_refuse(fault, "from", "it lies in the past");
    if (ret->until_ms <= now_ms)
        return body_refuse(fault, "until", "it lies in the past");
    if (ret->until_ms <= ret->from_ms)
        return body_refuse(fault, "until", "it lies before the beginning");
    if (ret->from_ms > now_ms + CLOSURE_AHEAD_MS)
        return body_refuse(fault, "from", "it lies more than 366 days ahead");
    if (ret->until_ms != INT64_MAX && ret->until_ms > now_ms + CLOSURE_AHEAD_MS)
        return body_refuse(fault, "until", "it lies more than 366 days ahead");
    return true;
}

bool closure_body_take(const json_t *body, const int64_t *now_ms,
                       struct closure_body *ret, struct body_fault *fault)
{
    static const char *const names[] = {
        "street",    "lat",       "lon", "ways",   "kind", "factor",
        "speed_mps", "direction", "who", "reason", "from", "until"};
    size_t count = sizeof names / sizeof *names;

    *ret = (struct closure_body){.until_ms = INT64_MAX};
    return body_known(body, names, now_ms == NULL ? count - 2 : count, fault) &&
           take_place(body, ret, fault) && take_kind(body, ret, fault) &&
           (now_ms == NULL || take_times(body, *now_ms, ret, fault)) &&
           body_text(body, "who", ret->who, sizeof ret->who, fault) &&
           body_text(body, "reason", ret->reason, sizeof ret->reason, fault);
}

bool closure_body_parse(const char *bytes, size_t size, int64_t now_ms,
                        struct closure_body *ret, struct body_fault *fault)
{
    *ret = (struct closure_body){0};
    *fault = (struct body_fault){.what = ""};
    json_t *body = body_parse(bytes, size, fault);
    bool good = body != NULL && closure_body_take(body, &now_ms, ret, fault);
    json_decref(body);
    return good;
}

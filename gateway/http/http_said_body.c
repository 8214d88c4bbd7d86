#include "http_said_body.h"

#include <stdio.h>
#include <string.h>

static bool take_status(const json_t *body, enum pt_status *ret,
                        struct body_fault *fault)
{
    char word[16];

    if (!body_text(body, "status", word, sizeof word, fault))
        return false;
    return word[0] == '\0' ||
           (pt_status_parse(word, ret) && *ret != PT_STATUS_UNKNOWN) ||
           body_refuse(fault, "status",
                       "one of available, en_route, on_scene, busy, off_duty "
                       "is expected");
}

/* A number or a name. */
static bool take_mission(const json_t *body, struct heard_body *ret,
                         struct body_fault *fault)
{
    const json_t *value = body_given(body, "mission");

    if (!json_is_integer(value))
        return body_text(body, "mission", ret->mission, sizeof ret->mission,
                         fault);
    snprintf(ret->mission, sizeof ret->mission, "%" JSON_INTEGER_FORMAT,
             json_integer_value(value));
    return true;
}

static bool take_place(const json_t *body, struct heard_body *ret,
                       struct body_fault *fault)
{
    struct fleet_radio *radio = &ret->radio;

    return body_text(body, "place", radio->place, sizeof radio->place, fault) &&
           body_point(body, &radio->has_point, &radio->at, fault) &&
           take_mission(body, ret, fault) &&
           (ret->mission[0] == '\0' || !radio->has_point ||
            body_refuse(fault, "mission",
                        "either a mission or lat and lon is expected"));
}

static bool take_time(const json_t *body, int64_t now_ms, int64_t *ret,
                      struct body_fault *fault)
{
    if (!body_time(body, "at", now_ms, ret, fault))
        return false;
    if (*ret > now_ms + HEARD_AHEAD_MS)
        return body_refuse(fault, "at", "it lies in the future");
    if (*ret < now_ms - FLEET_RADIO_MAX_MS)
        return body_refuse(fault, "at", "it is more than 24 hours ago");
    if (*ret > now_ms)
        *ret = now_ms;
    return true;
}

static bool take_heard(const json_t *body, int64_t now_ms,
                       struct heard_body *ret, struct body_fault *fault)
{
    static const char *const names[] = {"at",  "status",  "place", "lat",
                                        "lon", "mission", "note",  "who"};
    struct fleet_radio *radio = &ret->radio;

    return body_known(body, names, sizeof names / sizeof *names, fault) &&
           take_time(body, now_ms, &radio->heard_ms, fault) &&
           take_status(body, &radio->status, fault) &&
           take_place(body, ret, fault) &&
           body_text(body, "note", radio->note, sizeof radio->note, fault) &&
           body_text(body, "who", radio->who, sizeof radio->who, fault);
}

bool heard_body_parse(const char *bytes, size_t size, int64_t now_ms,
                      struct heard_body *ret, struct body_fault *fault)
{
    memset(ret, 0, sizeof *ret);
    *fault = (struct body_fault){.what = ""};
    json_t *body = body_parse(bytes, size, fault);
    bool good = body != NULL && take_heard(body, now_ms, ret, fault);
    json_decref(body);
    return good;
}

static bool take_what(const json_t *body, enum fleet_saying *ret,
                      struct body_fault *fault)
{
    static const char *const words[FLEET_SAYINGS] = {
        [FLEET_PANIC] = "panic",
        [FLEET_PLACE] = "place",
        [FLEET_CREW] = "crew",
    };
    char word[16];

    if (!body_text(body, "what", word, sizeof word, fault))
        return false;
    for (int i = 0; i < FLEET_SAYINGS; i++)
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum fleet_saying)i;
            return true;
        }
    return body_refuse(fault, "what", "panic, place or crew is expected");
}

static bool take_seen(const json_t *body, struct seen_body *ret,
                      struct body_fault *fault)
{
    static const char *const names[] = {"what", "at", "who"};

    return body_known(body, names, sizeof names / sizeof *names, fault) &&
           take_what(body, &ret->what, fault) &&
           body_time(body, "at", -1, &ret->at_ms, fault) &&
           (ret->at_ms >= 0 ||
            body_refuse(fault, "at", "the time of what was said is needed")) &&
           body_text(body, "who", ret->who, sizeof ret->who, fault);
}

bool seen_body_parse(const char *bytes, size_t size, struct seen_body *ret,
                     struct body_fault *fault)
{
    *ret = (struct seen_body){0};
    *fault = (struct body_fault){.what = ""};
    json_t *body = body_parse(bytes, size, fault);
    bool good = body != NULL && take_seen(body, ret, fault);
    json_decref(body);
    return good;
}

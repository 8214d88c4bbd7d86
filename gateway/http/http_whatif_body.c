#include "http_whatif_body.h"

#include "http_words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROMISE_MAX_S 86400

/* ----------------------------------------------------------------- the hour */
bool whatif_hour_parse(const char *text, int *ret)
{
    char day[4], ours[WORDS_HOUR_BYTES];
    unsigned hour, minute = 0;
    int used = 0;

    if (sscanf(text, "%3[A-Za-z] %2u:%2u%n", day, &hour, &minute, &used) != 3 ||
        text[used] != '\0' || hour > 23 || minute > 59)
        return false;
    for (unsigned i = 0; i < 7; i++) {
        words_hour(LANGUAGE_EN, 24 * i, ours);
        if (strlen(day) == 3 && strncasecmp(day, ours, 3) == 0) {
            *ret = (int)(24 * i + hour);
            return true;
        }
    }
    return false;
}

/* --------------------------------------------------------------------- units
 */
static bool take_name(const json_t *body, struct whatif_change *ret,
                      struct body_fault *fault)
{
    char label[WHATIF_NAME_BYTES];

    if (!body_text(body, "call_sign", ret->name, sizeof ret->name, fault) ||
        !body_text(body, "label", label, sizeof label, fault))
        return false;
    ret->added = label[0] != '\0';
    if (ret->added == (ret->name[0] != '\0'))
        return body_refuse(fault, "call_sign",
                           "either the call_sign of a unit or the label of one "
                           "that is added is needed");
    if (ret->added)
        memcpy(ret->name, label, sizeof label);
    return true;
}

static bool take_status(const json_t *body, struct whatif_change *ret,
                        struct body_fault *fault)
{
    char word[32];

    if (!body_text(body, "status", word, sizeof word, fault))
        return false;
    ret->has_status = word[0] != '\0';
    return !ret->has_status || pt_status_parse(word, &ret->status) ||
           body_refuse(fault, "status", "there is no such status");
}

static bool take_change(const json_t *body, void *item,
                        struct body_fault *fault)
{
    static const char *const names[] = {"call_sign", "label",  "lat", "lon",
                                        "removed",   "status", "kind"};
    struct whatif_change *ret = item;
    const json_t *removed = body_given(body, "removed");

    if (!body_known(body, names, sizeof names / sizeof *names, fault) ||
        !take_name(body, ret, fault) ||
        !body_point(body, &ret->has_point, &ret->at, fault) ||
        !take_status(body, ret, fault) ||
        !body_text(body, "kind", ret->kind, sizeof ret->kind, fault))
        return false;
    if (removed != NULL && !json_is_boolean(removed))
        return body_refuse(fault, "removed", "true or false is expected");
    ret->removed = json_is_true(removed);
    if (ret->removed && (ret->added || ret->has_point || ret->has_status))
        return body_refuse(fault, "removed",
                           "what is taken away is nowhere and does nothing");
    if (ret->added && !ret->has_point)
        return body_refuse(fault, "lat", "what is added needs a place");
    if (!ret->added && ret->kind[0] != '\0')
        return body_refuse(fault, "kind", "of a unit that there is it stays");
    return ret->added || ret->removed || ret->has_point || ret->has_status ||
           body_refuse(fault, "call_sign",
                       "removed, lat and lon, or status is needed");
}

/* ------------------------------------------------------------------ promises
 */
static bool take_seconds(const json_t *body, int *ret, struct body_fault *fault)
{
    const json_t *seconds = body_given(body, "promise_s");

    if (!json_is_integer(seconds) || json_integer_value(seconds) < 1 ||
        json_integer_value(seconds) > PROMISE_MAX_S)
        return body_refuse(fault, "promise_s",
                           "whole seconds from 1 to 86400 are expected");
    *ret = (int)json_integer_value(seconds);
    return true;
}

static bool take_promise(const json_t *body, void *item,
                         struct body_fault *fault)
{
    static const char *const names[] = {"zone", "promise_s"};
    struct whatif_zone_promise *ret = item;

    return body_known(body, names, 2, fault) &&
           body_text(body, "zone", ret->zone, sizeof ret->zone, fault) &&
           (ret->zone[0] != '\0' ||
            body_refuse(fault, "zone", "a zone's name or number is needed")) &&
           take_seconds(body, &ret->promise_s, fault);
}

static bool take_closure(const json_t *body, void *item,
                         struct body_fault *fault)
{
    return closure_body_take(body, NULL, item, fault);
}

/* --------------------------------------------------------------------- lists
 */
struct list {
    const char *member;
    size_t max, size; /* items; bytes of one */
    const char *too_many;
    bool (*take)(const json_t *body, void *item, struct body_fault *fault);
};

static bool take_list(const json_t *body, const struct list *list,
                      void **ret_items, size_t *ret_count,
                      struct body_fault *fault)
{
    const json_t *array = body_given(body, list->member);
    size_t count = json_array_size(array);

    if (array == NULL)
        return true;
    if (!json_is_array(array))
        return body_refuse(fault, list->member, "an array is expected");
    if (count > list->max)
        return body_refuse(fault, list->member, list->too_many);
    char *items = calloc(count + 1, list->size);
    *ret_items = items;
    if (items == NULL)
        return body_refuse(fault, list->member, "there is no memory for it");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        *ret_count = i + 1;
        if (!json_is_object(item)) {
            body_refuse(fault, "", "an object is expected");
            return body_refuse_in(fault, list->member, i);
        }
        if (!list->take(item, items + i * list->size, fault))
            return body_refuse_in(fault, list->member, i);
    }
    return true;
}

static bool take_lists(const json_t *body, struct whatif_body *ret,
                       struct body_fault *fault)
{
    static const struct list units = {"units", WHATIF_CHANGES_MAX,
                                      sizeof(struct whatif_change),
                                      "at most 200 units", take_change};
    static const struct list closures = {"closures", WHATIF_CLOSURES_MAX,
                                         sizeof(struct closure_body),
                                         "at most 20 closures", take_closure};
    static const struct list promises = {"promises", WHATIF_PROMISES_MAX,
                                         sizeof(struct whatif_zone_promise),
                                         "at most 200 zones", take_promise};
    void *items[3] = {NULL, NULL, NULL};

    bool good =
        take_list(body, &units, &items[0], &ret->change_count, fault) &&
        take_list(body, &closures, &items[1], &ret->closure_count, fault) &&
        take_list(body, &promises, &items[2], &ret->promise_count, fault);
    ret->changes = items[0];
    ret->closures = items[1];
    ret->promises = items[2];
    return good;
}

/* ------------------------------------------------------------------ the whole
 */
bool whatif_hour_take(const json_t *body, int *ret, struct body_fault *fault)
{
    char text[16];

    *ret = TERMS_NOW;
    if (!body_text(body, "at", text, sizeof text, fault))
        return false;
    return text[0] == '\0' || whatif_hour_parse(text, ret) ||
           body_refuse(fault, "at",
                       "an hour of the week is expected, such as Mon 08:00");
}

static bool take_rest(const json_t *body, struct whatif_body *ret,
                      struct body_fault *fault)
{
    const json_t *gaps = body_given(body, "gaps");

    if (gaps != NULL && !json_is_boolean(gaps))
        return body_refuse(fault, "gaps", "true or false is expected");
    ret->gaps = json_is_true(gaps);
    return (body_given(body, "promise_s") == NULL ||
            take_seconds(body, &ret->every_promise_s, fault)) &&
           body_text(body, "profile", ret->profile, sizeof ret->profile,
                     fault) &&
           whatif_hour_take(body, &ret->hour, fault);
}

bool whatif_body_parse(const char *bytes, size_t size, struct whatif_body *ret,
                       struct body_fault *fault)
{
    static const char *const names[] = {
        "units", "closures", "promises", "promise_s", "profile", "at", "gaps"};

    *ret = (struct whatif_body){.hour = TERMS_NOW};
    *fault = (struct body_fault){.what = ""};
    json_t *body = body_parse(bytes, size, fault);
    bool good = body != NULL &&
                body_known(body, names, sizeof names / sizeof *names, fault) &&
                take_lists(body, ret, fault) && take_rest(body, ret, fault);
    json_decref(body);
    return good;
}

void whatif_body_clear(struct whatif_body *body)
{
    free(body->changes);
    free(body->closures);
    free(body->promises);
}

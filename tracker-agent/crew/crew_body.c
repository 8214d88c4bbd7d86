/* What a page sends is from strangers: every member is checked before it is
 * believed. */
#include "crew.h"
#include "text.h"
#include <jansson.h>
#include <string.h>

static bool is_clean(const char *text, size_t size, size_t size_max)
{
    if (size > size_max || !text_utf8_valid(text, size))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

/* A string of `min`..`max` bytes into `ret`. */
static bool take_text(const json_t *value, size_t min, size_t max, char *ret)
{
    if (!json_is_string(value))
        return false;
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (size < min || !is_clean(text, size, max))
        return false;
    memcpy(ret, text, size);
    ret[size] = '\0';
    return true;
}

static bool take_key(const json_t *value, char *ret)
{
    if (!take_text(value, 1, CREW_KEY_MAX, ret))
        return false;
    for (const char *c = ret; *c != '\0'; c++)
        if ((unsigned char)*c > '~' || *c == ' ')
            return false;
    return true;
}

static bool take_what(const json_t *value, enum crew_what *ret)
{
    if (!json_is_string(value))
        return false;
    for (int i = 0; i < CREW_WHAT_COUNT; i++)
        if (strcmp(json_string_value(value),
                   crew_what_name((enum crew_what)i)) == 0) {
            *ret = (enum crew_what)i;
            return true;
        }
    return false;
}

/* Nobody says that he does not know what he is doing. */
static bool take_status(const json_t *value, enum pt_status *ret)
{
    return json_is_string(value) &&
           pt_status_parse(json_string_value(value), ret) &&
           *ret != PT_STATUS_UNKNOWN;
}

/* How many members it has beside key and act. */
static bool take_rest(const json_t *body, struct crew_say *say, size_t *ret)
{
    const json_t *ago = json_object_get(body, "ago_ms");
    size_t count = 0;
    if (ago != NULL) {
        if (!json_is_integer(ago) || json_integer_value(ago) < 0 ||
            json_integer_value(ago) > CREW_AGO_MAX_MS)
            return false;
        say->ago_ms = json_integer_value(ago);
        count++;
    }
    if (say->what == CREW_STATUS) {
        if (!take_status(json_object_get(body, "status"), &say->status))
            return false;
        count++;
    }
    if (say->what == CREW_LOGON || say->what == CREW_PLACE) {
        if (!take_text(json_object_get(body, "text"), say->what == CREW_LOGON,
                       CREW_TEXT_MAX, say->text))
            return false;
        count++;
    }
    *ret = count;
    return true;
}

enum pt_err crew_body_parse(const char *bytes, size_t size,
                            struct crew_say *ret)
{
    if (size == 0 || size > CREW_BODY_MAX)
        return PT_E_MALFORMED;
    json_error_t error;
    json_t *body = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (body == NULL)
        return json_error_code(&error) == json_error_out_of_memory
                   ? PT_E_NOMEM
                   : PT_E_MALFORMED;
    struct crew_say say = {0};
    size_t others = 0;
    enum pt_err err = PT_OK;
    if (!json_is_object(body))
        err = PT_E_MALFORMED;
    else if (!take_key(json_object_get(body, "key"), say.key) ||
             !take_what(json_object_get(body, "act"), &say.what) ||
             !take_rest(body, &say, &others) ||
             json_object_size(body) != 2 + others)
        err = PT_E_RANGE;
    json_decref(body);
    if (err == PT_OK)
        *ret = say;
    return err;
}

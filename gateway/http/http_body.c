#include "http_body.h"

#include "http_rfc3339.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

bool body_refuse(struct body_fault *fault, const char *member, const char *what)
{
    snprintf(fault->member, sizeof fault->member, "%s", member);
    fault->what = what;
    return false;
}

/* Names a member that we do not have only when that is plain text. */
static bool refuse_unknown(struct body_fault *fault, const char *member)
{
    for (const char *c = member; *c != '\0'; c++)
        if (*c < 'a' || *c > 'z')
            if (*c != '_')
                member = "";
    return body_refuse(fault, member, "there is no member of that name");
}

bool body_refuse_in(struct body_fault *fault, const char *list, size_t index)
{
    char member[sizeof fault->member];

    snprintf(member, sizeof member, "%.20s[%zu]%s%.36s", list, index,
             *fault->member == '\0' ? "" : ".", fault->member);
    memcpy(fault->member, member, sizeof member);
    return false;
}

json_t *body_parse(const char *bytes, size_t size, struct body_fault *fault)
{
    json_t *body = size == 0
                       ? NULL
                       : json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(body))
        return body;
    body_refuse(fault, "", "the body is not a JSON object");
    json_decref(body);
    return NULL;
}

bool body_known(const json_t *body, const char *const *names, size_t count,
                struct body_fault *fault)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)body, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found |= strcmp(key, names[i]) == 0;
        if (!found)
            return refuse_unknown(fault, key);
    }
    return true;
}

const json_t *body_given(const json_t *body, const char *member)
{
    const json_t *value = json_object_get(body, member);

    return json_is_null(value) ? NULL : value;
}

bool body_text(const json_t *body, const char *member, char *ret, size_t size,
               struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    ret[0] = '\0';
    if (value == NULL)
        return true;
    const char *text = json_string_value(value);
    if (text == NULL || *text == '\0')
        return body_refuse(fault, member, "a text is expected");
    if (strlen(text) >= size)
        return body_refuse(fault, member, "the text is too long");
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return body_refuse(fault, member, "it holds control characters");
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

bool body_number(const json_t *body, const char *member, double above,
                 double below, double *ret, struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    *ret = 0;
    if (value == NULL)
        return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number > above) || !(number < below))
        return body_refuse(fault, member,
                           "a number within the range is expected");
    *ret = number;
    return true;
}

bool body_time(const json_t *body, const char *member, int64_t absent_ms,
               int64_t *ret, struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    *ret = absent_ms;
    if (value == NULL)
        return true;
    if (!json_is_string(value) || !rfc3339_parse(json_string_value(value), ret))
        return body_refuse(fault, member,
                           "an RFC 3339 date-time is expected, such as "
                           "2024-05-01T18:30:00Z");
    return true;
}

bool body_point(const json_t *body, bool *has, struct geo_point *ret,
                struct body_fault *fault)
{
    const json_t *lat = body_given(body, "lat");
    const json_t *lon = body_given(body, "lon");

    *has = lat != NULL || lon != NULL;
    if (!*has)
        return true;
    if (!json_is_number(lat) || fabs(json_number_value(lat)) > 90)
        return body_refuse(fault, "lat", "degrees from -90 to 90 are expected");
    if (!json_is_number(lon) || fabs(json_number_value(lon)) > 180)
        return body_refuse(fault, "lon",
                           "degrees from -180 to 180 are expected");
    *ret = geo_from_deg(json_number_value(lat), json_number_value(lon));
    return true;
}

#include "http_json.h"
#include "http_rfc3339.h"
#include "text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void jw_clear(struct json *json)
{
    free(json->text);
    *json = (struct json){0};
}

void jw_reset(struct json *json)
{
    json->size = 0;
    json->comma = false;
    json->failed = false;
}

char *jw_take(struct json *json, size_t *size)
{
    if (json->failed || json->size == 0) {
        jw_clear(json);
        return NULL;
    }
    char *text = json->text;
    *size = json->size;
    *json = (struct json){0};
    return text;
}

/* Makes room for `more` bytes; false (and failed) when there is none. */
static bool grow(struct json *json, size_t more)
{
    if (json->failed)
        return false;
    if (more <= json->room - json->size)
        return true;
    if (more > JSON_BYTES_MAX - json->size) {
        json->failed = true;
        return false;
    }
    size_t room = json->room == 0 ? 4096 : json->room;
    while (room < json->size + more)
        room *= 2;
    char *text = realloc(json->text, room);
    if (text == NULL) {
        json->failed = true;
        return false;
    }
    json->text = text;
    json->room = room;
    return true;
}

void jw_bytes(struct json *json, const char *bytes, size_t size)
{
    if (!grow(json, size))
        return;
    memcpy(json->text + json->size, bytes, size);
    json->size += size;
}

static void put(struct json *json, char c)
{
    if (grow(json, 1))
        json->text[json->size++] = c;
}

/* What stands before a value: the comma and the key. */
static void lead(struct json *json, const char *key)
{
    size_t length = key == NULL ? 0 : strlen(key);
    if (!grow(json, length + 4))
        return;
    char *at = json->text + json->size;
    if (json->comma)
        *at++ = ',';
    if (key != NULL) {
        *at++ = '"';
        memcpy(at, key, length);
        at += length;
        *at++ = '"';
        *at++ = ':';
    }
    json->size = (size_t)(at - json->text);
    json->comma = true;
}

void jw_object(struct json *json, const char *key)
{
    lead(json, key);
    put(json, '{');
    json->comma = false;
}

void jw_object_end(struct json *json)
{
    put(json, '}');
    json->comma = true;
}

void jw_array(struct json *json, const char *key)
{
    lead(json, key);
    put(json, '[');
    json->comma = false;
}

void jw_array_end(struct json *json)
{
    put(json, ']');
    json->comma = true;
}

void jw_null(struct json *json, const char *key)
{
    lead(json, key);
    jw_bytes(json, "null", 4);
}

void jw_bool(struct json *json, const char *key, bool value)
{
    lead(json, key);
    if (value)
        jw_bytes(json, "true", 4);
    else
        jw_bytes(json, "false", 5);
}

/* The digits of `value` with a point before the last `decimals`. printf()
 * takes ten times as long, and there are eight numbers a unit. */
static void put_fixed(struct json *json, int64_t value, unsigned decimals)
{
    char digits[32];
    char *at = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned count = 0;

    do {
        if (count == decimals && decimals > 0)
            *--at = '.';
        *--at = (char)('0' + left % 10);
        left /= 10;
        count++;
    } while (left > 0 || count <= decimals);
    if (value < 0)
        *--at = '-';
    jw_bytes(json, at, (size_t)(digits + sizeof digits - at));
}

void jw_int(struct json *json, const char *key, int64_t value)
{
    lead(json, key);
    put_fixed(json, value, 0);
}

void jw_real(struct json *json, const char *key, double value,
             unsigned decimals)
{
    static const double scale[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

    if (decimals > 6 || !isfinite(value) || fabs(value) > 9e12) {
        jw_null(json, key);
        return;
    }
    lead(json, key);
    put_fixed(json, llround(value * scale[decimals]), decimals);
}

void jw_time(struct json *json, const char *key, int64_t time_ms)
{
    char text[RFC3339_SIZE];

    if (!rfc3339_format(time_ms, text)) {
        jw_null(json, key);
        return;
    }
    lead(json, key);
    put(json, '"');
    jw_bytes(json, text, RFC3339_SIZE - 1);
    put(json, '"');
}

/* One character that cannot stand as it is; moves on behind it. */
static void put_special(struct json *json, const char **at, const char *end)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)**at;
    size_t length = text_utf8_step(*at, (size_t)(end - *at));

    if (length == 0) {
        jw_bytes(json, "\xef\xbf\xbd", 3);
        length = 1;
    } else if (c == '"' || c == '\\') {
        char escaped[2] = {'\\', (char)c};
        jw_bytes(json, escaped, 2);
    } else if (c < 0x20 || c == 0x7f) {
        char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        jw_bytes(json, escaped, 6);
    } else {
        jw_bytes(json, *at, length);
    }
    *at += length;
}

void jw_text(struct json *json, const char *key, const char *text)
{
    if (text == NULL) {
        jw_null(json, key);
        return;
    }
    const char *end = text + strlen(text);
    lead(json, key);
    put(json, '"');
    while (text < end) {
        size_t plain = 0;
        while (text[plain] >= ' ' && text[plain] < 0x7f && text[plain] != '"' &&
               text[plain] != '\\')
            plain++;
        jw_bytes(json, text, plain);
        text += plain;
        if (text < end)
            put_special(json, &text, end);
    }
    put(json, '"');
}

void jw_raw(struct json *json, const char *key, const char *text, size_t size)
{
    lead(json, key);
    jw_bytes(json, text, size);
}

void jw_lat_lon(struct json *json, struct geo_point at)
{
    lead(json, "lat");
    put_fixed(json, at.lat_e6, 6);
    lead(json, "lon");
    put_fixed(json, at.lon_e6, 6);
}

void jw_position(struct json *json, struct geo_point at)
{
    jw_array(json, NULL);
    lead(json, NULL);
    put_fixed(json, at.lon_e6, 6);
    lead(json, NULL);
    put_fixed(json, at.lat_e6, 6);
    jw_array_end(json);
}

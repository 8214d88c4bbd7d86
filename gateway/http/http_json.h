#ifndef HTTP_JSON_H
#define HTTP_JSON_H
/* jw (JSON writer): appends JSON text to a buffer that grows up to
 * JSON_BYTES_MAX.
 *
 * jansson builds a tree first: a page of 2,000 units of seven members took
 * it 17 to 21 ms, this 1.1 ms (gcc 12 -O2, jansson 2.14, json_pack() and
 * json_dumps()). Private to http; one thread.
 *
 * The first failure sticks: later calls do nothing, and the caller checks
 * `failed` once, at the end. */
#include "geo.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 100,000 units (CATALOG_UNITS_MAX) of 600 bytes fit. */
#define JSON_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct json {
    char *text; /* not terminated */
    size_t size;
    size_t room;
    bool comma;  /* a value precedes in the same object or array */
    bool failed; /* out of memory, or longer than JSON_BYTES_MAX */
};

/* A zeroed struct json is an empty one. */
void jw_clear(struct json *json);
/* Forgets the text, keeps the room. */
void jw_reset(struct json *json);
/* Hands the text over: the caller frees it. NULL when failed or empty. */
char *jw_take(struct json *json, size_t *size);

/* `key` is one of our own words and is not escaped; NULL within an array and
 * at the root. */
void jw_object(struct json *json, const char *key);
void jw_object_end(struct json *json);
void jw_array(struct json *json, const char *key);
void jw_array_end(struct json *json);
void jw_null(struct json *json, const char *key);
void jw_bool(struct json *json, const char *key, bool value);
void jw_int(struct json *json, const char *key, int64_t value);
/* With `decimals` (0..6) digits behind the point; null when not finite or
 * beyond 9e12. */
void jw_real(struct json *json, const char *key, double value,
             unsigned decimals);
/* RFC 3339, UTC, milliseconds; null outside the years 1970 to 9999. */
void jw_time(struct json *json, const char *key, int64_t time_ms);
/* Escaped; what is not UTF-8 becomes U+FFFD. NULL becomes null. */
void jw_text(struct json *json, const char *key, const char *text);
/* Text that is JSON already. */
void jw_raw(struct json *json, const char *key, const char *text, size_t size);
/* "lat":...,"lon":... of six decimals each. */
void jw_lat_lon(struct json *json, struct geo_point at);
/* [lon,lat], as GeoJSON has it. */
void jw_position(struct json *json, struct geo_point at);
/* Bytes as they are, outside of JSON: the frame of an event. */
void jw_bytes(struct json *json, const char *bytes, size_t size);

#endif

#ifndef HTTP_RFC3339_H
#define HTTP_RFC3339_H
/* rfc3339: times as the API writes and reads them (RFC 3339). Pure, any
 * thread. Private to http. */
#include <stdbool.h>
#include <stdint.h>

#define RFC3339_SIZE 25 /* "2024-01-31T12:34:56.789Z" and its end */

/* UTC with milliseconds, terminated. False, and nothing written, outside the
 * years 1970 to 9999. */
bool rfc3339_format(int64_t time_ms, char ret[RFC3339_SIZE]);

/* A date-time with an offset or Z, 'T' and 'Z' in either case, any number of
 * decimals up to nine (below a millisecond they are cut off), from 1970 to
 * 9999. A leap second (:60) counts as the first of the next minute, as in
 * POSIX time. False, `ret` untouched, for anything else. */
bool rfc3339_parse(const char *text, int64_t *ret);

#endif

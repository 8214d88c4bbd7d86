#ifndef HTTP_PARAMS_H
#define HTTP_PARAMS_H
/* params: what strangers write into a request's address and Host header,
 * taken apart and checked. Pure, any thread. Private to http.
 *
 * libmicrohttpd's own decoding lets broken percent signs and zero bytes
 * through, so requests are read from the address as it was sent. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Limits; what is longer is refused (414 for the address, 400 else). */
#define PARAMS_TARGET_BYTES_MAX 2048 /* path and query, as sent */
#define PARAMS_COUNT_MAX 16
#define PARAMS_VALUE_BYTES_MAX 256 /* decoded */

struct param {
    const char *name;
    const char *value;
};

struct params {
    size_t count;
    struct param items[PARAMS_COUNT_MAX];
    char path[PARAMS_TARGET_BYTES_MAX + 1]; /* as sent, without the query */
    char text[PARAMS_TARGET_BYTES_MAX + 1]; /* what items point into */
};

/* Why an address was refused. */
struct params_fault {
    char parameter[64]; /* "" when it is none in particular; valid UTF-8 */
    const char *what;   /* a constant sentence without a full stop */
};

/* Takes `target` ("/v1/units?status=busy") apart. Values are decoded: percent
 * signs, '+' for a space; they are UTF-8 without control characters. False
 * with the reason in `fault`. */
bool params_parse(const char *target, struct params *ret,
                  struct params_fault *fault);

/* False when a parameter is not among `allowed` (NULL-terminated). */
bool params_known(const struct params *params, const char *const *allowed,
                  struct params_fault *fault);

/* NULL when it was not given. */
const char *params_get(const struct params *params, const char *name);

/* Decodes one segment of a path ("P%2D12"); false when it is malformed,
 * empty, longer than PARAMS_VALUE_BYTES_MAX, not UTF-8 or holds control
 * characters. */
bool params_segment(const char *segment, size_t length,
                    char ret[PARAMS_VALUE_BYTES_MAX + 1]);

/* [-]digits[.digits] within [min, max]; neither exponent nor anything else
 * that strtod() would take. */
bool params_number(const char *value, double min, double max, double *ret);
bool params_count(const char *value, uint32_t min, uint32_t max, uint32_t *ret);

/* The Host header names this machine's loopback: localhost, 127.0.0.0/8 or
 * [::1], each with or without a port. A page of a foreign site that has its
 * own name point at 127.0.0.1 (DNS rebinding) sends its own name. */
bool params_host_is_loopback(const char *host);

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (127.0.0.1). False when
 * it is no loopback address with a port of 0..65535. */
bool params_listen(const char *text, struct sockaddr_storage *ret,
                   socklen_t *size);

#endif

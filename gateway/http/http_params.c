#include "http_params.h"
#include "text.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes `length` bytes into `ret`, which has room for as many and the end.
 * A percent sign needs two hex digits behind it and may not make a zero. */
static bool decode(const char *text, size_t length, bool plus_is_space,
                   char *ret)
{
    const char *end = text + length;

    while (text < end) {
        char c = *text++;
        if (c == '%') {
            if (end - text < 2)
                return false;
            int high = hex_digit(text[0]);
            int low = hex_digit(text[1]);
            if (high < 0 || low < 0 || high + low == 0)
                return false;
            c = (char)(high * 16 + low);
            text += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *ret++ = c;
    }
    *ret = '\0';
    return true;
}

/* UTF-8 without control characters. */
static bool is_text(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return text_utf8_valid(text, strlen(text));
}

static bool refuse(struct params_fault *fault, const char *parameter,
                   const char *what)
{
    size_t size = strlen(parameter), length = 0;

    /* Whole characters only, so that the problem's body stays UTF-8. */
    while (length < size) {
        size_t step = text_utf8_step(parameter + length, size - length);
        if (length + step >= sizeof fault->parameter)
            break;
        length += step;
    }
    memcpy(fault->parameter, parameter, length);
    fault->parameter[length] = '\0';
    fault->what = what;
    return false;
}

const char *params_get(const struct params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i].name, name) == 0)
            return params->items[i].value;
    return NULL;
}

/* One "name=value" of `length` bytes, decoded to `at` (room for length + 2). */
static bool take_pair(const char *pair, size_t length, char *at,
                      struct params *ret, struct params_fault *fault)
{
    const char *equals = memchr(pair, '=', length);
    size_t name_length = equals == NULL ? length : (size_t)(equals - pair);
    char *value = at + name_length + 1;

    if (!decode(pair, name_length, true, at) || !is_text(at))
        return refuse(fault, "", "a parameter's name is malformed");
    if (name_length == 0)
        return refuse(fault, "", "a parameter has no name");
    if (equals == NULL)
        return refuse(fault, at, "the parameter has no value");
    if (!decode(equals + 1, length - name_length - 1, true, value) ||
        !is_text(value))
        return refuse(fault, at,
                      "malformed: percent-encoded UTF-8 without control "
                      "characters is expected");
    if (strlen(value) > PARAMS_VALUE_BYTES_MAX)
        return refuse(fault, at, "longer than 256 bytes");
    if (*value == '\0')
        return refuse(fault, at, "the parameter has no value");
    if (params_get(ret, at) != NULL)
        return refuse(fault, at, "given more than once");
    if (ret->count == PARAMS_COUNT_MAX)
        return refuse(fault, at, "more than 16 parameters");
    ret->items[ret->count++] = (struct param){at, value};
    return true;
}

bool params_parse(const char *target, struct params *ret,
                  struct params_fault *fault)
{
    ret->count = 0;
    if (strlen(target) > PARAMS_TARGET_BYTES_MAX)
        return refuse(fault, "", "the address is longer than 2048 bytes");
    size_t path_length = strcspn(target, "?");
    memcpy(ret->path, target, path_length);
    ret->path[path_length] = '\0';
    if (target[path_length] == '\0')
        return true;

    /* A decoded pair with its two ends is never longer than "name=value&". */
    const char *pair = target + path_length + 1;
    char *at = ret->text;
    while (*pair != '\0') {
        size_t length = strcspn(pair, "&");
        if (!take_pair(pair, length, at, ret, fault))
            return false;
        at += length + 1;
        pair += length;
        if (*pair == '&')
            pair++;
    }
    return true;
}

bool params_known(const struct params *params, const char *const *allowed,
                  struct params_fault *fault)
{
    for (size_t i = 0; i < params->count; i++) {
        const char *const *name = allowed;
        while (*name != NULL && strcmp(*name, params->items[i].name) != 0)
            name++;
        if (*name == NULL)
            return refuse(fault, params->items[i].name,
                          "no such parameter here");
    }
    return true;
}

bool params_segment(const char *segment, size_t length,
                    char ret[PARAMS_VALUE_BYTES_MAX + 1])
{
    char decoded[PARAMS_TARGET_BYTES_MAX + 1];

    if (length == 0 || length > PARAMS_TARGET_BYTES_MAX ||
        !decode(segment, length, false, decoded) || !is_text(decoded) ||
        strlen(decoded) > PARAMS_VALUE_BYTES_MAX)
        return false;
    memcpy(ret, decoded, strlen(decoded) + 1);
    return true;
}

bool params_number(const char *value, double min, double max, double *ret)
{
    const char *at = value;

    if (*at == '-')
        at++;
    size_t whole = strspn(at, "0123456789");
    at += whole;
    size_t decimals = 0;
    if (*at == '.') {
        decimals = strspn(++at, "0123456789");
        at += decimals;
        if (decimals == 0)
            return false;
    }
    if (whole == 0 || *at != '\0' || at - value > 32)
        return false;
    double number = strtod(value, NULL);
    if (number < min || number > max)
        return false;
    *ret = number;
    return true;
}

bool params_count(const char *value, uint32_t min, uint32_t max, uint32_t *ret)
{
    size_t digits = strspn(value, "0123456789");

    if (digits == 0 || digits > 10 || value[digits] != '\0')
        return false;
    unsigned long long number = strtoull(value, NULL, 10);
    if (number < min || number > max)
        return false;
    *ret = (uint32_t)number;
    return true;
}

/* Splits "host:port", "[host]:port" and both without a port. `host` has room
 * for 64 bytes; `port` is NULL when there is none. */
static bool split_host(const char *text, char host[64], const char **port)
{
    const char *end;

    if (*text == '[') {
        end = strchr(++text, ']');
        if (end == NULL)
            return false;
        *port = end[1] == ':' ? end + 2 : NULL;
        if (end[1] != ':' && end[1] != '\0')
            return false;
    } else {
        end = strchr(text, ':');
        *port = end == NULL ? NULL : end + 1;
        if (end == NULL)
            end = text + strlen(text);
    }
    size_t length = (size_t)(end - text);
    if (length == 0 || length >= 64)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    return true;
}

/* 4 or 6: a loopback address of that family; 0: none. */
static int loopback_family(const char *text, const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (*text == '[')
        return inet_pton(AF_INET6, host, &six) == 1 &&
                       IN6_IS_ADDR_LOOPBACK(&six)
                   ? 6
                   : 0;
    if (strcasecmp(host, "localhost") == 0)
        return 4;
    return inet_pton(AF_INET, host, &four) == 1 &&
                   (ntohl(four.s_addr) >> 24) == 127
               ? 4
               : 0;
}

bool params_host_is_loopback(const char *host)
{
    char name[64];
    const char *port;
    uint32_t number;

    return split_host(host, name, &port) && loopback_family(host, name) != 0 &&
           (port == NULL || params_count(port, 1, 65535, &number));
}

bool params_listen(const char *text, struct sockaddr_storage *ret,
                   socklen_t *size)
{
    char host[64];
    const char *port;
    uint32_t number;

    if (!split_host(text, host, &port) || port == NULL ||
        !params_count(port, 0, 65535, &number))
        return false;
    memset(ret, 0, sizeof *ret);
    switch (loopback_family(text, host)) {
    case 4: {
        struct sockaddr_in *four = (struct sockaddr_in *)ret;
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)number);
        if (strcasecmp(host, "localhost") == 0)
            four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        else
            inet_pton(AF_INET, host, &four->sin_addr);
        *size = sizeof *four;
        return true;
    }
    case 6: {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)number);
        six->sin6_addr = in6addr_loopback;
        *size = sizeof *six;
        return true;
    }
    default:
        return false;
    }
}

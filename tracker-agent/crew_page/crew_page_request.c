/* The part of HTTP/1.1 (RFC 9112) that the page needs. What could be read two
 * ways is refused: a bare line feed, a folded line, a space before the colon,
 * a header of ours twice, a length beside chunks. */
#include "crew_page_internal.h"
#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
    return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* Where the head ends, behind its empty line; 0: not in these bytes. */
static size_t head_end(const char *bytes, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i++)
        if (memcmp(bytes + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

/* Ends the line at `at` with a 0; where the next one begins. NULL: a control
 * character, such as a line feed or return of its own, is in it. */
static char *cut_line(char *at)
{
    for (;; at++) {
        if (at[0] == '\r' && at[1] == '\n') {
            *at = '\0';
            return at + 2;
        }
        unsigned char c = (unsigned char)*at;
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return NULL;
    }
}

static enum page_method method_of(const char *word)
{
    if (strcmp(word, "GET") == 0)
        return PAGE_GET;
    if (strcmp(word, "HEAD") == 0)
        return PAGE_HEAD;
    return strcmp(word, "POST") == 0 ? PAGE_POST : PAGE_OTHER;
}

/* METHOD SP /path[?query] SP HTTP/1.1 */
static int parse_first(char *line, struct page_request *rq)
{
    char *path = strchr(line, ' ');
    char *version = path == NULL ? NULL : strchr(path + 1, ' ');
    if (version == NULL || path == line)
        return 400;
    *path++ = '\0';
    *version++ = '\0';
    for (const char *c = line; *c != '\0'; c++)
        if (!is_token(*c))
            return 400;
    if (*path != '/')
        return 400;
    for (const char *c = path; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return 400;
    if (strncmp(version, "HTTP/", 5) != 0)
        return 400;
    if (strcmp(version, "HTTP/1.1") != 0)
        return 505;
    path[strcspn(path, "?")] = '\0';
    rq->method = method_of(line);
    rq->path = path;
    return 200;
}

/* A number of bytes, as Content-Length has it. */
static int parse_length(const char *text, size_t *ret)
{
    size_t length = 0;
    if (*text == '\0')
        return 400;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 400;
        if (length <= CREW_BODY_MAX)
            length = length * 10 + (size_t)(*text - '0');
    }
    *ret = length;
    return length > CREW_BODY_MAX ? 413 : 200;
}

struct headers {
    const char *host, *origin, *content_type, *authorization, *if_none_match;
    const char *connection, *length, *encoding, *expect;
};

static int note_header(struct headers *headers, const char *name,
                       const char *value)
{
    const struct {
        const char *name;
        const char **place;
    } ours[] = {
        {"Host", &headers->host},
        {"Origin", &headers->origin},
        {"Content-Type", &headers->content_type},
        {"Authorization", &headers->authorization},
        {"If-None-Match", &headers->if_none_match},
        {"Connection", &headers->connection},
        {"Content-Length", &headers->length},
        {"Transfer-Encoding", &headers->encoding},
        {"Expect", &headers->expect},
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcasecmp(name, ours[i].name) != 0)
            continue;
        if (*ours[i].place != NULL)
            return 400;
        *ours[i].place = value;
    }
    return 200;
}

/* NAME ":" OWS VALUE OWS */
static int parse_header(char *line, struct headers *headers)
{
    char *colon = line;
    while (is_token(*colon))
        colon++;
    if (*colon != ':' || colon == line)
        return 400;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    value[size] = '\0';
    return note_header(headers, line, value);
}

static int parse_head(char *at, const char *end, struct page_request *rq,
                      struct headers *headers)
{
    char *next = cut_line(at);
    int status = next == NULL ? 400 : parse_first(at, rq);
    while (status == 200 && next < end - 2) {
        at = next;
        next = cut_line(at);
        status = next == NULL ? 400 : parse_header(at, headers);
    }
    return status;
}

/* How long the body is, by a head that is left as it is: bodies come in
 * pieces, and the head is read again with each. */
static int body_length(const char *bytes, size_t head, size_t *ret)
{
    char copy[CREW_PAGE_HEAD_MAX];
    struct page_request rq = {0};
    struct headers headers = {0};
    memcpy(copy, bytes, head);
    int status = parse_head(copy, copy + head, &rq, &headers);
    if (status != 200)
        return status;
    if (headers.encoding != NULL)
        return 501;
    if (headers.expect != NULL)
        return 417;
    *ret = 0;
    return headers.length == NULL ? 200 : parse_length(headers.length, ret);
}

int page_parse(char *bytes, size_t size, struct page_request *ret)
{
    size_t looked = size < CREW_PAGE_HEAD_MAX ? size : CREW_PAGE_HEAD_MAX;
    size_t head = head_end(bytes, looked), body = 0;
    if (head == 0)
        return size >= CREW_PAGE_HEAD_MAX ? 431 : 0;
    int status = body_length(bytes, head, &body);
    if (status != 200)
        return status;
    if (size - head < body)
        return 0;
    struct page_request rq = {0};
    struct headers headers = {0};
    status = parse_head(bytes, bytes + head, &rq, &headers);
    rq.host = headers.host;
    rq.origin = headers.origin;
    rq.content_type = headers.content_type;
    rq.authorization = headers.authorization;
    rq.if_none_match = headers.if_none_match;
    rq.close = headers.connection != NULL &&
               strcasecmp(headers.connection, "close") == 0;
    rq.body = bytes + head;
    rq.body_bytes = body;
    rq.bytes = head + body;
    *ret = rq;
    return status;
}

bool page_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    if (content_type == NULL ||
        strncasecmp(content_type, json, sizeof(json) - 1) != 0)
        return false;
    const char *rest = content_type + sizeof(json) - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

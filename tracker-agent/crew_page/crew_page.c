/* The connections: each reads one request, answers it, and reads on. */
#include "crew_page_internal.h"
#include "pt_log.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SWEEP_MS 1000
#define WAITING_MAX 16 /* connections that the kernel keeps for us */
#define ANSWER_HEAD_MAX 768
/* Refusals are told in the log at most so often: strangers cause them. */
#define REFUSALS_TOLD_MS 60000

union channel {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

enum visit { VISIT_QUIET, VISIT_ASKING, VISIT_ANSWERED };

struct visitor {
    union channel channel; /* first: a handle is its visitor */
    struct crew_page *page;
    struct visitor *next;
    bool local;
    enum visit visit;
    uint64_t since_ms;  /* in it */
    bool closing, last; /* last: closed behind its answer */
    size_t got;
    char bytes[CREW_PAGE_HEAD_MAX + CREW_BODY_MAX];
    uv_write_t write;
    char head[ANSWER_HEAD_MAX];
    struct page_reply reply;
};

struct door {
    union channel channel;
    struct crew_page *page;
    bool wanted, local;
    bool is_open; /* a handle, which has to be closed */
    bool told;    /* that it does not listen */
    uint64_t again_ms;
};

enum { DOOR_TCP, DOOR_LOCAL, DOOR_COUNT };

struct crew_page {
    uv_loop_t *loop;
    uv_timer_t sweep;
    struct door doors[DOOR_COUNT];
    struct sockaddr_storage address;
    char socket[CREW_PAGE_SOCKET_MAX + 1];
    struct visitor *visitors;
    unsigned count;
    struct page_desk desk;
    uint64_t told_ms;
    struct crew_page_refused told;
    unsigned handles;
    bool closing;
    void (*done)(void *context);
    void *context;
};

/* --- settings ------------------------------------------------------------ */

/* Numbers only: a name could stand for any address. */
static bool parse_listen(const char *text, struct sockaddr_storage *ret)
{
    char host[CREW_PAGE_LISTEN_MAX + 1];
    const char *colon = strrchr(text, ':');
    char *rest;
    if (colon == NULL || strlen(text) > CREW_PAGE_LISTEN_MAX)
        return false;
    size_t size = (size_t)(colon - text);
    unsigned long port = strtoul(colon + 1, &rest, 10);
    if (colon[1] < '1' || colon[1] > '9' || *rest != '\0' || port > 65535)
        return false;
    bool bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    memcpy(host, text + bracketed, size - 2 * bracketed);
    host[size - 2 * bracketed] = '\0';
    *ret = (struct sockaddr_storage){0};
    return (bracketed
                ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret)
                : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret)) == 0;
}

static bool is_every_address(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(
            &((const struct sockaddr_in6 *)address)->sin6_addr);
    return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
}

enum pt_err crew_page_check(const struct crew_page_settings *settings,
                            char *message, size_t size)
{
    struct sockaddr_storage address;
    if (settings->listen[0] != '\0' &&
        !parse_listen(settings->listen, &address)) {
        snprintf(message, size,
                 "crew_page.listen \"%s\": expected ADDRESS:PORT in numbers",
                 settings->listen);
        return PT_E_CONFIG;
    }
    if (settings->listen[0] != '\0' && is_every_address(&address)) {
        snprintf(message, size,
                 "crew_page.listen \"%s\" is every address of this machine, "
                 "the mobile network's too; name that of the vehicle's link",
                 settings->listen);
        return PT_E_CONFIG;
    }
    if (!page_pin_valid(settings->pin)) {
        snprintf(message, size, "crew_page.pin: expected 4 to %d digits",
                 CREW_PAGE_PIN_MAX);
        return PT_E_CONFIG;
    }
    if (strlen(settings->socket) > CREW_PAGE_SOCKET_MAX) {
        snprintf(message, size, "crew_page.socket is longer than %d bytes",
                 CREW_PAGE_SOCKET_MAX);
        return PT_E_CONFIG;
    }
    return PT_OK;
}

/* --- the end ------------------------------------------------------------- */

static void gone(struct crew_page *page)
{
    if (--page->handles > 0 || !page->closing)
        return;
    if (page->done != NULL)
        page->done(page->context);
    free(page);
}

static void on_visitor_gone(uv_handle_t *handle)
{
    struct visitor *visitor = handle->data;
    struct crew_page *page = visitor->page;
    free(visitor->reply.owned);
    free(visitor);
    gone(page);
}

static void dismiss(struct visitor *visitor)
{
    struct crew_page *page = visitor->page;
    if (visitor->closing)
        return;
    visitor->closing = true;
    for (struct visitor **at = &page->visitors; *at != NULL; at = &(*at)->next)
        if (*at == visitor) {
            *at = visitor->next;
            break;
        }
    page->count--;
    uv_close(&visitor->channel.handle, on_visitor_gone);
}

/* --- a visit ------------------------------------------------------------- */

static void enter(struct visitor *visitor, enum visit visit)
{
    visitor->visit = visit;
    visitor->since_ms = uv_now(visitor->page->loop);
}

static void read_on(struct visitor *visitor);

static void on_written(uv_write_t *write, int status)
{
    struct visitor *visitor = write->data;
    free(visitor->reply.owned);
    visitor->reply.owned = NULL;
    if (status != 0 || visitor->last)
        dismiss(visitor);
    else if (!visitor->closing)
        read_on(visitor);
}

/* The page may load what it is made of and speak to its agent, and no more;
 * no other page may show it in a frame. */
static int write_head(struct visitor *visitor)
{
    const struct page_reply *reply = &visitor->reply;
    return snprintf(
        visitor->head, sizeof(visitor->head),
        "HTTP/1.1 %d %s\r\n"
        "Content-Type: %s\r\n"
        "Content-Length: %zu\r\n"
        "%s%s%s"
        "Cache-Control: %s\r\n"
        "Content-Security-Policy: default-src 'none'; script-src 'self'; "
        "style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "%s%s\r\n",
        reply->status, page_reason(reply->status), reply->content_type,
        reply->size, reply->etag != NULL ? "ETag: " : "",
        reply->etag != NULL ? reply->etag : "",
        reply->etag != NULL ? "\r\n" : "",
        reply->etag != NULL ? "no-cache" : "no-store",
        visitor->last ? "Connection: close\r\n" : "",
        reply->status == 429 ? "Retry-After: 60\r\n" : "");
}

static void send_reply(struct visitor *visitor)
{
    struct page_reply *reply = &visitor->reply;
    int head = write_head(visitor);
    uv_buf_t parts[2] = {
        uv_buf_init(visitor->head, (unsigned)head),
        {.base = (char *)reply->body, .len = reply->size},
    };
    enter(visitor, VISIT_ANSWERED);
    uv_read_stop(&visitor->channel.stream);
    visitor->write.data = visitor;
    if (uv_write(&visitor->write, &visitor->channel.stream, parts,
                 reply->body != NULL && reply->size > 0 ? 2 : 1,
                 on_written) != 0)
        dismiss(visitor);
}

/* What has been read, if it is a whole request. */
static void look(struct visitor *visitor)
{
    struct page_desk *desk = &visitor->page->desk;
    struct page_request rq;
    int status = page_parse(visitor->bytes, visitor->got, &rq);
    if (status == 0)
        return;
    if (status != 200) {
        page_refuse(desk, status, &visitor->reply);
        visitor->last = true;
    } else {
        rq.local = visitor->local;
        page_answer(desk, &rq, uv_now(visitor->page->loop), &visitor->reply);
        visitor->last = rq.close;
        visitor->got -= rq.bytes;
        memmove(visitor->bytes, visitor->bytes + rq.bytes, visitor->got);
    }
    send_reply(visitor);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct visitor *visitor = handle->data;
    (void)suggested;
    *ret = uv_buf_init(visitor->bytes + visitor->got,
                       (unsigned)(sizeof(visitor->bytes) - visitor->got));
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct visitor *visitor = stream->data;
    (void)buf;
    if (count < 0) {
        dismiss(visitor);
        return;
    }
    visitor->got += (size_t)count;
    if (count > 0 && visitor->visit == VISIT_QUIET)
        enter(visitor, VISIT_ASKING);
    look(visitor);
}

/* The next request may be here already. */
static void read_on(struct visitor *visitor)
{
    enter(visitor, visitor->got > 0 ? VISIT_ASKING : VISIT_QUIET);
    if (visitor->got > 0)
        look(visitor);
    if (!visitor->closing && visitor->visit != VISIT_ANSWERED &&
        uv_read_start(&visitor->channel.stream, on_room, on_bytes) != 0)
        dismiss(visitor);
}

/* --- who comes ----------------------------------------------------------- */

/* Quiet ones first, then whoever takes longest: a crowd of strangers so keeps
 * nobody from the page who asks at once. */
static struct visitor *longest(const struct crew_page *page)
{
    struct visitor *found = page->visitors;
    for (struct visitor *v = page->visitors; v != NULL; v = v->next) {
        bool quiet = v->visit == VISIT_QUIET;
        bool found_quiet = found->visit == VISIT_QUIET;
        if (quiet != found_quiet ? quiet : v->since_ms < found->since_ms)
            found = v;
    }
    return found;
}

static int init_channel(struct crew_page *page, union channel *channel,
                        bool local, void *owner)
{
    int failed = local ? uv_pipe_init(page->loop, &channel->pipe, 0)
                       : uv_tcp_init(page->loop, &channel->tcp);
    channel->handle.data = owner;
    if (failed == 0)
        page->handles++;
    return failed;
}

static void on_door_gone(uv_handle_t *handle)
{
    struct door *door = handle->data;
    door->is_open = false;
    gone(door->page);
}

static void shut(struct door *door)
{
    if (door->is_open && !uv_is_closing(&door->channel.handle))
        uv_close(&door->channel.handle, on_door_gone);
}

/* libuv waits until whoever stands there is let in: without memory for him the
 * door is shut, and opened again later. */
static void on_visitor(uv_stream_t *stream, int status)
{
    struct door *door = stream->data;
    struct crew_page *page = door->page;
    struct visitor *visitor = status == 0 ? calloc(1, sizeof(*visitor)) : NULL;
    if (visitor == NULL ||
        init_channel(page, &visitor->channel, door->local, visitor) != 0) {
        free(visitor);
        shut(door);
        return;
    }
    if (page->count >= CREW_PAGE_VISITORS_MAX) {
        page->desk.refused.crowd++;
        dismiss(longest(page));
    }
    visitor->page = page;
    visitor->local = door->local;
    visitor->next = page->visitors;
    page->visitors = visitor;
    page->count++;
    if (uv_accept(stream, &visitor->channel.stream) != 0)
        dismiss(visitor);
    else
        read_on(visitor);
}

/* --- listening ----------------------------------------------------------- */

/* A socket that an agent left behind. */
static void clear_socket(const char *path)
{
    struct stat found;
    if (lstat(path, &found) == 0 && S_ISSOCK(found.st_mode))
        (void)unlink(path);
}

static int bind_door(struct door *door)
{
    struct crew_page *page = door->page;
    if (!door->local)
        return uv_tcp_bind(&door->channel.tcp,
                           (const struct sockaddr *)&page->address, 0);
    clear_socket(page->socket);
    mode_t before = umask(0117); /* from the start, not a moment later */
    int failed = uv_pipe_bind(&door->channel.pipe, page->socket);
    umask(before);
    return failed;
}

static void open_door(struct door *door)
{
    struct crew_page *page = door->page;
    const char *where = door->local ? page->socket : page->desk.host;
    if (init_channel(page, &door->channel, door->local, door) != 0)
        return;
    door->is_open = true;
    int failed = bind_door(door);
    if (failed == 0)
        failed = uv_listen(&door->channel.stream, WAITING_MAX, on_visitor);
    if (failed == 0) {
        pt_log(PT_LOG_NOTICE, "crew page: listening on %s", where);
        door->told = false;
        return;
    }
    if (!door->told)
        pt_log(PT_LOG_WARN, "crew page: cannot listen on %s: %s; tried again",
               where, uv_strerror(failed));
    door->told = true;
    shut(door);
}

static void mind_door(struct door *door)
{
    uint64_t now = uv_now(door->page->loop);
    if (!door->wanted || door->is_open || now < door->again_ms)
        return;
    door->again_ms = now + CREW_PAGE_AGAIN_MS;
    open_door(door);
}

static void mind_doors(struct crew_page *page)
{
    for (int i = 0; i < DOOR_COUNT; i++)
        mind_door(&page->doors[i]);
}

/* --- once a second ------------------------------------------------------- */

static void tell_refused(struct crew_page *page)
{
    const struct crew_page_refused *r = &page->desk.refused;
    uint64_t now = uv_now(page->loop);
    if (memcmp(r, &page->told, sizeof(*r)) == 0 ||
        (page->told_ms != 0 && now - page->told_ms < REFUSALS_TOLD_MS))
        return;
    pt_log(PT_LOG_WARN,
           "crew page: refused so far: %" PRIu64 " of a foreign host, %" PRIu64
           " of a foreign page, %" PRIu64 " malformed, %" PRIu64
           " too long, %" PRIu64 " too slow, %" PRIu64 " to make room, %" PRIu64
           " without the number",
           r->host, r->origin, r->malformed, r->too_long, r->slow, r->crowd,
           r->locked);
    page->told = *r;
    page->told_ms = now;
}

static void on_sweep(uv_timer_t *timer)
{
    struct crew_page *page = timer->data;
    uint64_t now = uv_now(page->loop);
    struct visitor *next;
    for (struct visitor *v = page->visitors; v != NULL; v = next) {
        next = v->next;
        bool quiet = v->visit == VISIT_QUIET;
        if (now - v->since_ms <
            (quiet ? CREW_PAGE_QUIET_MS : CREW_PAGE_SLOW_MS))
            continue;
        page->desk.refused.slow += !quiet;
        dismiss(v);
    }
    mind_doors(page);
    tell_refused(page);
}

/* --- begin and end ------------------------------------------------------- */

static void on_sweep_gone(uv_handle_t *handle)
{
    gone(handle->data);
}

/* A browser does not name the usual port. */
static void note_host(struct crew_page *page, const char *listen)
{
    static const char usual[] = ":80";
    size_t size = strlen(listen);
    if (size >= sizeof(usual) &&
        strcmp(listen + size - (sizeof(usual) - 1), usual) == 0)
        size -= sizeof(usual) - 1;
    memcpy(page->desk.host, listen, size);
}

enum pt_err crew_page_new(uv_loop_t *loop,
                          const struct crew_page_settings *settings,
                          const struct crew_page_calls *calls,
                          struct crew_page **ret)
{
    char message[256];
    enum pt_err err = crew_page_check(settings, message, sizeof(message));
    if (err != PT_OK)
        return err;
    if (settings->listen[0] == '\0' && settings->socket[0] == '\0') {
        *ret = NULL;
        return PT_OK;
    }
    struct crew_page *page = calloc(1, sizeof(*page));
    if (page == NULL)
        return PT_E_NOMEM;
    page->loop = loop;
    page->desk.calls = *calls;
    page->doors[DOOR_TCP].wanted =
        settings->listen[0] != '\0' &&
        parse_listen(settings->listen, &page->address);
    page->doors[DOOR_LOCAL].local = true;
    page->doors[DOOR_LOCAL].wanted = settings->socket[0] != '\0';
    page->doors[DOOR_TCP].page = page->doors[DOOR_LOCAL].page = page;
    note_host(page, settings->listen);
    snprintf(page->desk.pin.number, sizeof(page->desk.pin.number), "%s",
             settings->pin);
    snprintf(page->socket, sizeof(page->socket), "%s", settings->socket);
    uv_timer_init(loop, &page->sweep);
    page->sweep.data = page;
    page->handles = 1;
    uv_timer_start(&page->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    mind_doors(page);
    *ret = page;
    return PT_OK;
}

void crew_page_close(struct crew_page *page, void (*done)(void *),
                     void *context)
{
    if (page == NULL) {
        if (done != NULL)
            done(context);
        return;
    }
    page->closing = true;
    page->done = done;
    page->context = context;
    while (page->visitors != NULL)
        dismiss(page->visitors);
    for (int i = 0; i < DOOR_COUNT; i++)
        shut(&page->doors[i]);
    uv_close((uv_handle_t *)&page->sweep, on_sweep_gone);
}

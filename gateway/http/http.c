#include "http_internal.h"
#include "http_study.h"
#include "pt_log.h"
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* libmicrohttpd asks to be run again at once while it has something left;
 * after so many rounds the other steps of the tick get their turn. */
#define ROUNDS_MAX 8

int64_t http_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool http_peer_has_left(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
                        errno != EINTR);
}

/* ------------------------------------------------------------- connections */
/* Nothing is under way: the next request has its time. */
static void begin_waiting(struct http *http, struct client *client)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    client->deadline_ms = now_ms + HTTP_REQUEST_WITHIN_MS;
    client->look_ms = now_ms + HTTP_LOOK_AFTER_MS;
}

static void begin_answer(struct http *http, struct client *client)
{
    client->deadline_ms = (int64_t)uv_now(http->loop) + HTTP_ANSWER_WITHIN_MS;
    client->look_ms = INT64_MAX;
}

static void on_connection(void *context, struct MHD_Connection *connection,
                          void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    struct client *client = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client == NULL)
            return;
        if (client->previous != NULL)
            client->previous->next = client->next;
        else
            http->clients = client->next;
        if (client->next != NULL)
            client->next->previous = client->previous;
        http->client_count--;
        free(client);
        return;
    }
    client = calloc(1, sizeof *client);
    if (client == NULL)
        return; /* its requests are answered 500 */
    client->fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
            ->connect_fd;
    begin_waiting(http, client);
    client->next = http->clients;
    if (client->next != NULL)
        client->next->previous = client;
    http->clients = client;
    client->surplus = ++http->client_count > http->connections_max;
    *socket_context = client;
}

/* libmicrohttpd closes what is silent, but neither what trickles nor, until
 * then, a client that closed together with its last bytes: it takes a short
 * read for the end of what there is, and with edge-triggered epoll nobody
 * tells it again. A shut socket is an event that it handles. */
static void look_after_clients(struct http *http)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    for (struct client *c = http->clients; c != NULL; c = c->next) {
        bool late = c->deadline_ms <= now_ms;
        bool look = c->look_ms <= now_ms;
        if (look)
            c->look_ms = INT64_MAX;
        if (late) {
            c->deadline_ms = INT64_MAX;
            http->cut_off++;
        }
        if (late || (look && http_peer_has_left(c->fd)))
            shutdown(c->fd, SHUT_RDWR);
    }
}

/* ---------------------------------------------------------------- requests */
/* The first that is heard of a request: its address as it was sent. */
static void *on_target(void *context, const char *target,
                       struct MHD_Connection *connection)
{
    struct request *rq = calloc(1, sizeof *rq);

    if (rq == NULL)
        return NULL;
    rq->http = context;
    rq->connection = connection;
    rq->route = ROUTE_NONE;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    rq->client = info == NULL ? NULL : info->socket_context;
    rq->target = strdup(target);
    return rq;
}

static void on_completed(void *context, struct MHD_Connection *connection,
                         void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    struct http *http = context;
    struct request *rq = *request_context;

    if (rq == NULL)
        return;
    if (rq->client != NULL)
        begin_waiting(http, rq->client);
    later_cancel(rq);
    jw_clear(&rq->reply.body);
    free(rq->target);
    free(rq->body);
    free(rq);
    *request_context = NULL;
}

static struct MHD_Response *body_response(struct reply *reply)
{
    size_t size = 0;

    if (reply->kind == REPLY_FIXED)
        return MHD_create_response_from_buffer(reply->fixed_size,
                                               (void *)(uintptr_t)reply->fixed,
                                               MHD_RESPMEM_PERSISTENT);
    char *text = jw_take(&reply->body, &size);

    if (text == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    return response;
}

static void add_headers(struct MHD_Response *response,
                        const struct reply *reply)
{
    char seconds[16];

    if (reply->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                reply->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            *reply->etag == '\0' ? "no-store" : "no-cache");
    if (*reply->etag != '\0')
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, reply->etag);
    if (reply->policy != NULL)
        MHD_add_response_header(response, "Content-Security-Policy",
                                reply->policy);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    if (reply->location[0] != '\0')
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION,
                                reply->location);
    if (reply->retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%u", reply->retry_after_s);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (reply->close)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* MHD_NO closes the connection: all that is left without memory. */
static enum MHD_Result send_reply(struct request *rq)
{
    struct reply *reply = &rq->reply;
    bool streams = reply->kind == REPLY_STREAM;

    if (reply->kind == REPLY_BODY &&
        (reply->body.failed || reply->body.size == 0))
        reply_problem(rq, PROBLEM_FAILED, "no memory for the answer");
    struct MHD_Response *response =
        streams ? sse_response(rq) : body_response(reply);
    if (response == NULL)
        return MHD_NO;
    add_headers(response, reply);
    enum MHD_Result queued =
        MHD_queue_response(rq->connection, reply->status, response);
    MHD_destroy_response(response);
    if (queued == MHD_YES) {
        rq->http->requests[rq->route]++;
        rq->http->answers[reply->status / 100]++;
        begin_answer(rq->http, rq->client);
        if (streams)
            rq->client->deadline_ms = INT64_MAX;
    }
    return queued;
}

/* Kept for the methods that have one. False: too long, or no memory. */
static bool take_body(struct request *rq, const char *method, const char *bytes,
                      size_t size)
{
    if (size > HTTP_BODY_BYTES_MAX - rq->body_bytes)
        return false;
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 ||
        strcmp(method, MHD_HTTP_METHOD_PUT) == 0) {
        char *more = realloc(rq->body, rq->body_bytes + size);
        if (more == NULL)
            return false;
        memcpy(more + rq->body_bytes, bytes, size);
        rq->body = more;
    }
    rq->body_bytes += size;
    return true;
}

/* Called with the headers, with each piece of a body, at its end, and again
 * when a suspended connection goes on. */
static enum MHD_Result on_request(void *context,
                                  struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **request_context)
{
    (void)context;
    (void)url;
    (void)version;
    struct request *rq = *request_context;

    if (rq == NULL || rq->target == NULL || rq->client == NULL)
        return MHD_NO; /* out of memory */
    if (!rq->headers_seen) {
        /* An answer now would leave a body to be read as the next request. */
        rq->headers_seen = true;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        bool taken = take_body(rq, method, upload, *upload_size);
        *upload_size = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (!rq->answered) {
        rq->last_event_id = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, "Last-Event-ID");
        rq->if_none_match = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
        rq->content_type = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
        routes_answer(rq, method,
                      MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                  MHD_HTTP_HEADER_HOST));
        if (rq->reply.kind == REPLY_LATER && !rq->answered) {
            begin_answer(rq->http, rq->client);
            rq->suspended = true;
            MHD_suspend_connection(connection);
            return MHD_YES;
        }
    }
    return send_reply(rq);
}

/* --------------------------------------------------------------------- loop */
/* Wakes the loop; http_serve() does the work in its step of the tick. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void on_due(uv_timer_t *timer)
{
    (void)timer;
}

static void on_second(uv_timer_t *timer)
{
    struct http *http = timer->data;

    look_after_clients(http);
    closures_every_second(http);
    studies_every_second(http);
    longs_every_second(http);
    sse_every_second(http);
}

void http_serve(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    bool waits = true;

    for (int round = 0; round < ROUNDS_MAX && waits && wait_ms == 0; round++) {
        if (MHD_run(http->daemon) != MHD_YES)
            break;
        waits = MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES;
    }
    if (waits)
        uv_timer_start(&http->due, on_due, wait_ms, 0);
    else
        uv_timer_stop(&http->due);
}

__attribute__((format(printf, 2, 0))) static void
library_log(void *context, const char *format, va_list args)
{
    (void)context;
    char line[512];

    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    pt_log(PT_LOG_DEBUG, "http: libmicrohttpd: %s", line);
}

/* ---------------------------------------------------------- start and stop */
static enum pt_err open_listener(const char *listen_on, int *ret)
{
    struct sockaddr_storage address;
    socklen_t size;
    int one = 1;

    if (!params_listen(listen_on, &address, &size)) {
        pt_log(PT_LOG_ERROR,
               "http: %s: HTTP on loopback only until accounts exist; "
               "127.0.0.1:PORT or [::1]:PORT is expected",
               listen_on);
        return PT_E_CONFIG;
    }
    int fd = socket(address.ss_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        pt_log(PT_LOG_ERROR, "http: cannot listen on %s: %s", listen_on,
               strerror(errno));
        if (fd >= 0)
            close(fd);
        return PT_E_NETWORK;
    }
    *ret = fd;
    return PT_OK;
}

static enum pt_err start_daemon(struct http *http, int listener)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
        http->connections_max + HTTP_SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, HTTP_SILENT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        pt_log(PT_LOG_ERROR, "http: libmicrohttpd does not start: %s",
               strerror(errno));
        return PT_E_SYSTEM;
    }
    return PT_OK;
}

static enum pt_err watch_daemon(struct http *http)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (info == NULL ||
        uv_poll_init(http->loop, &http->ready, info->epoll_fd) != 0)
        return PT_E_SYSTEM;
    uv_timer_init(http->loop, &http->due);
    uv_timer_init(http->loop, &http->second);
    uv_timer_init(http->loop, &http->wake);
    http->open_handles = 4;
    http->ready.data = http->due.data = http->second.data = http->wake.data =
        http;
    uv_poll_start(&http->ready, UV_READABLE, on_ready);
    uv_timer_start(&http->second, on_second, 1000, 1000);
    return PT_OK;
}

static double studies_seconds(void *context)
{
    const struct http *http = context;

    return (double)http->studies_ns / 1e9;
}

static enum pt_err add_metrics(struct http *http)
{
    static const char *const operations[ROUTE_COUNT] = {
#define ROUTE_LABEL(name, operation) [name] = "operation=\"" operation "\"",
        HTTP_ROUTES(ROUTE_LABEL)
#undef ROUTE_LABEL
    };
    static const char *const classes[6] = {
        NULL, NULL, "class=\"2xx\"", NULL, "class=\"4xx\"", "class=\"5xx\""};
    const struct {
        enum metrics_type type;
        const char *name, *help;
        const uint64_t *value;
    } single[] = {
        {METRICS_GAUGE, "patrol_http_connections", "Open HTTP connections",
         &http->client_count},
        {METRICS_GAUGE, "patrol_http_event_streams", "Open event streams",
         &http->stream_count},
        {METRICS_COUNTER, "patrol_http_event_resets_total",
         "Event streams that began anew because they fell behind",
         &http->resets},
        {METRICS_COUNTER, "patrol_http_foreign_hosts_total",
         "Requests refused for their Host header", &http->refused_hosts},
        {METRICS_GAUGE, "patrol_http_studies",
         "Long answers that are worked out or wait", &http->studies_here},
        {METRICS_COUNTER, "patrol_http_studies_total",
         "Long answers that were worked out", &http->studies_done},
        {METRICS_COUNTER, "patrol_http_studies_refused_total",
         "Requests for long answers refused because too many waited",
         &http->studies_refused},
        {METRICS_GAUGE, "patrol_http_replays",
         "Times of the past that are replayed and plans that are made, or wait",
         &http->longs_here},
        {METRICS_COUNTER, "patrol_http_replays_total",
         "Times of the past that were replayed or found kept, and plans made",
         &http->longs_done},
        {METRICS_COUNTER, "patrol_http_cut_off_total",
         "Connections closed for being too slow", &http->cut_off},
    };
    enum pt_err err = PT_OK;

    for (size_t i = 0; i < ROUTE_COUNT && err == PT_OK; i++)
        err = metrics_add(http->metrics, METRICS_COUNTER,
                          "patrol_http_requests_total", operations[i],
                          "HTTP requests answered", &http->requests[i]);
    for (size_t i = 0; i < 6 && err == PT_OK; i++)
        if (classes[i] != NULL)
            err = metrics_add(http->metrics, METRICS_COUNTER,
                              "patrol_http_answers_total", classes[i],
                              "HTTP answers by class of status",
                              &http->answers[i]);
    for (size_t i = 0; i < sizeof single / sizeof *single && err == PT_OK; i++)
        err = metrics_add(http->metrics, single[i].type, single[i].name, NULL,
                          single[i].help, single[i].value);
    if (err == PT_OK)
        err = metrics_add_call(http->metrics, METRICS_COUNTER,
                               "patrol_http_studies_seconds_total", NULL,
                               "Time that pool threads spent on long answers",
                               studies_seconds, http);
    return err;
}

static void free_parts(struct http *http)
{
    http_ring_free(http->ring);
    jw_clear(&http->scratch);
    free(http);
}

enum pt_err http_new(uv_loop_t *loop, const struct http_settings *settings,
                     struct catalog *const *catalog, struct fleet *fleet,
                     struct dispatch *dispatch,
                     struct closures_view *const *closures, struct db *db,
                     struct tiles *tiles, struct metrics *metrics,
                     const struct http_health *health, struct http **ret)
{
    int listener = -1;
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL)
        return PT_E_NOMEM;
    http->loop = loop;
    http->catalog = catalog;
    http->fleet = fleet;
    http->dispatch = dispatch;
    http->closures = closures;
    http->db = db;
    http->tiles = tiles;
    http->metrics = metrics;
    http->health = health;
    http->connections_max = settings->connections_max;
    http->streams_max = settings->streams_max;
    /* Ids go on rising when the gateway is started again, so that an id of
     * an earlier run is never taken for one of this. */
    enum pt_err err =
        http_ring_new((uint64_t)http_wall_ms() * 1000, RING_EVENTS_MAX,
                      RING_BYTES_MAX, &http->ring);
    if (err == PT_OK)
        err = open_listener(settings->listen, &listener);
    if (err == PT_OK) {
        err = start_daemon(http, listener);
        if (err != PT_OK)
            close(listener); /* else the daemon's */
    }
    if (err == PT_OK)
        err = watch_daemon(http);
    if (err == PT_OK)
        err = add_metrics(http);
    if (err != PT_OK) {
        http_close(http, NULL, NULL);
        return err;
    }
    pt_log(PT_LOG_NOTICE, "http: listening on %s", settings->listen);
    *ret = http;
    return PT_OK;
}

void http_part_closed(struct http *http)
{
    if (--http->open_handles > 0)
        return;
    if (http->closed != NULL)
        http->closed(http->closed_context);
    free_parts(http);
}

static void on_handle_closed(uv_handle_t *handle)
{
    http_part_closed(handle->data);
}

void http_predict(struct http *http, struct speeds *const *speeds,
                  struct arrivals *arrivals)
{
    http->speeds = speeds;
    http->arrivals = arrivals;
}

void http_close(struct http *http, void (*done)(void *), void *context)
{
    if (http == NULL) {
        if (done != NULL)
            done(context);
        return;
    }
    http->closed = done;
    http->closed_context = context;
    later_end_all(http);
    closures_end_all(http);
    areas_end_all(http);
    studies_end_all(http);
    longs_end_all(http);
    sse_end_all(http);
    if (http->open_handles > 0) {
        /* Before the daemon closes the descriptor that is watched. */
        uv_close((uv_handle_t *)&http->ready, on_handle_closed);
        uv_close((uv_handle_t *)&http->due, on_handle_closed);
        uv_close((uv_handle_t *)&http->second, on_handle_closed);
        uv_close((uv_handle_t *)&http->wake, on_handle_closed);
    }
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    if (http->open_handles == 0)
        free_parts(http);
}

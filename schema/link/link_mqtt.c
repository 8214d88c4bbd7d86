/* One connection of libmosquitto, on the loop.
 *
 * libmosquitto's threads are not used. Its callbacks run inside
 * mosquitto_loop_read() or _write() and hold one of its locks, so they only
 * note what happened (on_message() excepted, which may publish: libmosquitto
 * queues that); what closes or destroys a connection runs after the library
 * has returned (link_mqtt_left()).
 *
 * What libmosquitto 2.0.11 does that shaped this: it sends at once when it is
 * not inside a callback; in a TLS handshake it wants to write also while it
 * waits for the peer (a busy loop if believed) and takes a refused connection
 * for one under way (another); it reads one packet a call; it closes its socket
 * itself and leaves it to us to stop polling it before anything else can open
 * that descriptor. */
#include "link_internal.h"
#include "pt_log.h"
#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKETS_A_TURN 256 /* read before others on the loop have a turn */
#define SILENCE_MAX_MS 30000

/* --- libmosquitto's callbacks: inside the library ----------------------- */

static void on_connack(struct mosquitto *mosq, void *context, int reason,
                       int flags, const mosquitto_property *properties)
{
    (void)flags;
    struct link *link = context;
    link->reason = reason;
    /* Absent means none (MQTT 5, 3.2.2.3.8). */
    mosquitto_property_read_int16(properties, MQTT_PROP_TOPIC_ALIAS_MAXIMUM,
                                  &link->alias_max, false);
    if (reason != 0) {
        snprintf(link->why, sizeof(link->why), "refused: %s",
                 mosquitto_reason_string(reason));
        return;
    }
    if (link->state != LINK_CONNECTING)
        return;
    link->state = LINK_UP;
    link->past.connections++;
    /* It told why a connection fails. Left in place, libmosquitto would put
     * each message that comes or goes into a line that nobody reads. */
    mosquitto_log_callback_set(mosq, NULL);
}

static void on_disconnect(struct mosquitto *mosq, void *context, int reason,
                          const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    struct link *link = context;
    link->lost = true;
    link->closed_by_peer = reason == MOSQ_ERR_CONN_LOST;
    if (reason >= 128) { /* MQTT 5: the server said why */
        link->reason = reason;
        snprintf(link->why, sizeof(link->why), "broker said: %s",
                 mosquitto_reason_string(reason));
    } else if (link->why[0] == '\0') {
        snprintf(link->why, sizeof(link->why), "%s",
                 mosquitto_strerror(reason));
    }
}

static void on_message(struct mosquitto *mosq, void *context,
                       const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    struct link *link = context;
    link_traffic_in(link, message);
    if (link->state == LINK_UP)
        link->events.message(link->events.context, message->topic,
                             message->payload, (size_t)message->payloadlen,
                             message->retain);
}

static void on_publish(struct mosquitto *mosq, void *context, int mid,
                       int reason, const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    struct link *link = context;
    if (reason >= 128)
        pt_log(PT_LOG_WARN, "broker did not take a message: %s",
               mosquitto_reason_string(reason));
    link_waiting_done(&link->waiting, mid);
}

static void on_subscribe(struct mosquitto *mosq, void *context, int mid,
                         int count, const int *granted,
                         const mosquitto_property *properties)
{
    (void)mosq;
    (void)context;
    (void)mid;
    (void)properties;
    for (int i = 0; i < count; i++)
        if (granted[i] >= 128)
            pt_log(PT_LOG_ERROR, "broker refused a subscription: %s",
                   mosquitto_reason_string(granted[i]));
}

/* The only place where libmosquitto says what OpenSSL did not like. */
static void on_log(struct mosquitto *mosq, void *context, int level,
                   const char *text)
{
    struct link *link = context;
    if (level != MOSQ_LOG_ERR)
        return;
    SSL *ssl = mosquitto_ssl_get(mosq);
    long verdict = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK)
        snprintf(link->why, sizeof(link->why), "the broker's certificate: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(link->why, sizeof(link->why), "%s", text);
}

/* --- the socket on the loop ------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Also when libmosquitto has closed its socket already: libuv must forget
 * the descriptor before its number comes back for something else. */
void link_mqtt_drop(struct link *link)
{
    if (link->watch != NULL) {
        uv_poll_stop(&link->watch->poll);
        link->watch->link = NULL;
        uv_close((uv_handle_t *)&link->watch->poll, on_watch_closed);
        link->watch = NULL;
    }
    link_traffic_end(link);
    if (link->mosq != NULL)
        mosquitto_destroy(link->mosq); /* without DISCONNECT: will is sent */
    link->mosq = NULL;
    link_waiting_clear(&link->waiting);
}

static bool want_write(const struct link *link)
{
    SSL *ssl = mosquitto_ssl_get(link->mosq);
    if (ssl != NULL && SSL_in_init(ssl) && SSL_want_read(ssl))
        return false;
    return mosquitto_want_write(link->mosq);
}

static void on_poll(uv_poll_t *poll, int status, int events);

void link_mqtt_poll(struct link *link)
{
    int events = UV_READABLE | (want_write(link) ? UV_WRITABLE : 0);
    int err = uv_poll_start(&link->watch->poll, events, on_poll);
    if (err != 0) {
        snprintf(link->why, sizeof(link->why), "poll: %s", uv_strerror(err));
        link->lost = true;
        link_timer_in(link, 0);
    }
}

/* After each turn inside the library. */
void link_mqtt_left(struct link *link, enum link_state before)
{
    link->in_library = false;
    bool gone = link->lost || mosquitto_socket(link->mosq) < 0;
    if (link->state == LINK_CLOSING) {
        if (gone || !mosquitto_want_write(link->mosq))
            link_finish_close(link);
        else
            link_mqtt_poll(link);
        return;
    }
    if (gone) {
        link_lose(link);
        return;
    }
    link_mqtt_poll(link);
    if (before != LINK_UP && link->state == LINK_UP)
        link_tell_up(link);
}

/* Decrypted bytes that no poll will tell of. */
static bool tls_pending(const struct link *link)
{
    SSL *ssl = mosquitto_ssl_get(link->mosq);
    return ssl != NULL && SSL_pending(ssl) > 0;
}

static bool in_handshake(const struct link *link)
{
    SSL *ssl = mosquitto_ssl_get(link->mosq);
    return ssl != NULL && SSL_in_init(ssl);
}

/* One TLS record holds 16 kB at most, so this ends. */
static void read_turn(struct link *link)
{
    for (int i = 0; i < PACKETS_A_TURN || tls_pending(link); i++) {
        errno = 0;
        int rc = mosquitto_loop_read(link->mosq, 1);
        if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(link->mosq) < 0) {
            link->lost = true;
            return;
        }
        if (in_handshake(link) || (errno == EAGAIN && !tls_pending(link)))
            return;
    }
}

/* libuv reports POLLERR as a status; the socket knows what it was, unless a
 * write has asked before us. */
static void note_socket_error(struct link *link)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(mosquitto_socket(link->mosq), SOL_SOCKET, SO_ERROR, &error,
               &size);
    snprintf(link->why, sizeof(link->why), "%s",
             error == 0 ? "connection refused or reset" : strerror(error));
    link->lost = true;
}

/* libmosquitto takes a socket that could not be connected for one that is
 * still connecting when TLS is on, and would try for ever. */
static bool has_peer(const struct link *link)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return getpeername(mosquitto_socket(link->mosq), (struct sockaddr *)&peer,
                       &size) == 0;
}

/* A handshake goes on in mosquitto_loop_read() alone, also when it is for
 * writing that it waited. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = ((struct link_watch *)poll->data)->link;
    enum link_state before = link->state;
    link_traffic_sample(link);
    link->in_library = true;
    if (status < 0 || (before == LINK_CONNECTING && !has_peer(link)))
        note_socket_error(link);
    if (!link->lost && ((events & UV_READABLE) != 0 || in_handshake(link)))
        read_turn(link);
    if (!link->lost && ((events & UV_WRITABLE) != 0 || want_write(link)) &&
        mosquitto_loop_write(link->mosq, 1) != MOSQ_ERR_SUCCESS)
        link->lost = true;
    link_mqtt_left(link, before);
}

static enum pt_err watch_start(struct link *link)
{
    struct link_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return PT_E_NOMEM;
    int fd = mosquitto_socket(link->mosq);
    /* Data that the peer does not acknowledge for so long: the path is gone,
     * and a new connection is sooner through than TCP's own retries, whose
     * waits double up to minutes. */
    unsigned silence_ms = SILENCE_MAX_MS;
    if (link->keepalive_s * 1000 < SILENCE_MAX_MS)
        silence_ms = (unsigned)link->keepalive_s * 1000;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms,
               sizeof(silence_ms));
    /* What the kernel has not sent yet cannot be overtaken: beyond this much
     * it waits in link_backlog(), where the sender sees it and holds older
     * entries back. A batch of 500 entries is 4.5 kB. */
    int unsent_max = LINK_UNSENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max,
               sizeof(unsent_max));
    if (uv_poll_init(link->loop, &watch->poll, fd) != 0) {
        free(watch);
        return PT_E_SYSTEM;
    }
    watch->poll.data = watch;
    watch->link = link;
    link->watch = watch;
    link_mqtt_poll(link);
    return PT_OK;
}

static int mosquitto_set_up(struct link *link)
{
    struct mosquitto *mosq = link->mosq;
    mosquitto_connect_v5_callback_set(mosq, on_connack);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_publish_v5_callback_set(mosq, on_publish);
    mosquitto_subscribe_v5_callback_set(mosq, on_subscribe);
    mosquitto_log_callback_set(mosq, on_log);
    int rc =
        mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
    if (rc == MOSQ_ERR_SUCCESS && link->tls != NULL)
        rc = mosquitto_int_option(mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    if (rc == MOSQ_ERR_SUCCESS && link->tls != NULL)
        rc = mosquitto_void_option(mosq, MOSQ_OPT_SSL_CTX, link->tls);
    if (rc == MOSQ_ERR_SUCCESS && link->will_topic != NULL)
        rc = mosquitto_will_set_v5(mosq, link->will_topic,
                                   (int)strlen(link->will_text),
                                   link->will_text, 1, true, NULL);
    return rc;
}

/* `address` is numeric, so libmosquitto's own look-up does not block; the
 * session ends with the connection (MQTT 5: no expiry interval means 0). */
enum pt_err link_mqtt_connect(struct link *link, const char *address)
{
    link->mosq = mosquitto_new(link->client_id, true, link);
    if (link->mosq == NULL)
        return PT_E_NOMEM;
    link->state = LINK_CONNECTING;
    link->alias_max = 0;
    link->alias_topic[0] = '\0';
    int rc = mosquitto_set_up(link);
    link->in_library = true;
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_connect_bind_async(link->mosq, address,
                                          link_broker(link)->port,
                                          link->keepalive_s, NULL);
    int error = errno;
    link->in_library = false;
    if (rc == MOSQ_ERR_SUCCESS)
        return watch_start(link);
    if (link->why[0] == '\0')
        snprintf(link->why, sizeof(link->why), "%s",
                 rc == MOSQ_ERR_ERRNO ? strerror(error)
                                      : mosquitto_strerror(rc));
    return PT_E_NETWORK;
}

/* --- sending ------------------------------------------------------------- */

/* One alias is enough: what is sent often at QoS 0 is a vehicle's reports.
 * Not at QoS 1: libmosquitto may hold such a message back until others are
 * acknowledged, so that the order here is not the order on the wire. */
static bool takes_alias(const struct link *link, const char *topic, int qos)
{
    if (qos != 0 || link->alias_max == 0 || strlen(topic) >= LINK_TOPIC_MAX)
        return false;
    return link->alias_topic[0] == '\0' ||
           strcmp(link->alias_topic, topic) == 0;
}

static int publish_with_alias(struct link *link, int *mid, const char *topic,
                              const void *payload, size_t size, bool retain)
{
    mosquitto_property *properties = NULL;
    int rc =
        mosquitto_property_add_int16(&properties, MQTT_PROP_TOPIC_ALIAS, 1);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_publish_v5(link->mosq, mid, topic, (int)size, payload, 0,
                                  retain, properties);
    mosquitto_property_free_all(&properties);
    return rc;
}

int link_mqtt_publish(struct link *link, int *mid, const char *topic,
                      const void *payload, size_t size, int qos, bool retain)
{
    int rc;
    size_t written = strlen(topic);
    bool alias = takes_alias(link, topic, qos);
    if (!alias) {
        rc = mosquitto_publish_v5(link->mosq, mid, topic, (int)size, payload,
                                  qos, retain, NULL);
    } else {
        bool known = link->alias_topic[0] != '\0';
        if (known)
            written = 0;
        rc = publish_with_alias(link, mid, known ? "" : topic, payload, size,
                                retain);
        if (rc == MOSQ_ERR_SUCCESS && !known)
            snprintf(link->alias_topic, sizeof(link->alias_topic), "%s", topic);
    }
    if (rc == MOSQ_ERR_SUCCESS)
        link_traffic_out(link, size,
                         link_publish_bytes(written, size, qos, alias));
    return rc;
}

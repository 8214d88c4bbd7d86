/* Attempts, waits and the list of brokers:
 *
 *   WAITING --timer--> RESOLVING --address--> CONNECTING --CONNACK--> UP
 *      ^                   |                      |                   |
 *      '-------------------+------- lost ---------+-------------------'
 *
 * A connection is one `struct mosquitto`, made for an attempt and destroyed
 * after it, so that nothing of a lost connection (half a packet, a QoS 1
 * message from before) turns up in the next. link_mqtt.c drives it. */
#include "backoff.h"
#include "link_internal.h"
#include "pt_log.h"
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 20000 /* look-up, TCP, TLS and CONNACK together */
#define TICK_MS 1000     /* keepalive check */
#define FAREWELL_MS 2000 /* at most, to get DISCONNECT out */

const struct link_broker *link_broker(const struct link *link)
{
    return &link->brokers[link->current];
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const char *text_or_null(const char *text)
{
    return is_set(text) ? text : NULL;
}

/* --- an attempt -------------------------------------------------------- */

static void lookup_forget(struct link *link)
{
    if (link->lookup == NULL)
        return;
    link->lookup->link = NULL;
    uv_cancel((uv_req_t *)&link->lookup->request); /* if not yet begun */
    link->lookup = NULL;
}

/* A certificate renewed in place is taken with the next connection; a file
 * that has become unreadable leaves the one in memory. */
static enum pt_err tls_refresh(struct link *link)
{
    char why[160];
    SSL_CTX *fresh;
    if (link_tls_new(link->ca_file, link->cert_file, link->key_file, why,
                     sizeof(why), &fresh) == PT_OK) {
        SSL_CTX_free(link->tls);
        link->tls = fresh;
    } else {
        pt_log(PT_LOG_ERROR, "TLS: %s (using what was read before)", why);
    }
    return link_tls_expect(link->tls, link_broker(link)->host);
}

static enum pt_err connect_to(struct link *link, const char *address)
{
    if (link->tls != NULL && tls_refresh(link) != PT_OK)
        return PT_E_NOMEM;
    return link_mqtt_connect(link, address);
}

/* Of several addresses the one that follows the last that failed. */
static const struct addrinfo *address_pick(const struct addrinfo *list,
                                           unsigned turn)
{
    unsigned count = 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        count++;
    for (turn %= count; turn > 0; turn--)
        list = list->ai_next;
    return list;
}

static void on_resolved(uv_getaddrinfo_t *request, int status,
                        struct addrinfo *list)
{
    struct link_lookup *lookup = request->data;
    struct link *link = lookup->link;
    free(lookup);
    if (link == NULL) { /* closed or timed out meanwhile */
        uv_freeaddrinfo(list);
        return;
    }
    link->lookup = NULL;
    enum pt_err err = PT_E_NETWORK;
    if (status != 0 || list == NULL) {
        snprintf(link->why, sizeof(link->why), "name look-up: %s",
                 uv_strerror(status));
    } else {
        const struct addrinfo *pick =
            address_pick(list, link_broker(link)->address_next);
        char address[NI_MAXHOST];
        if (getnameinfo(pick->ai_addr, pick->ai_addrlen, address,
                        sizeof(address), NULL, 0, NI_NUMERICHOST) == 0)
            err = connect_to(link, address);
    }
    uv_freeaddrinfo(list);
    if (err != PT_OK) {
        if (link->why[0] == '\0')
            snprintf(link->why, sizeof(link->why), "%s", pt_strerror(err));
        link_lose(link);
    }
}

static enum pt_err resolve(struct link *link)
{
    struct link_lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return PT_E_NOMEM;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    lookup->link = link;
    lookup->request.data = lookup;
    int err = uv_getaddrinfo(link->loop, &lookup->request, on_resolved,
                             link_broker(link)->host, NULL, &hints);
    if (err != 0) {
        free(lookup);
        return PT_E_NETWORK;
    }
    link->lookup = lookup;
    return PT_OK;
}

/* --- again and again ---------------------------------------------------- */

static void try_next(struct link *link)
{
    link->lost = false;
    link->closed_by_peer = false;
    link->reason = 0;
    link->why[0] = '\0';
    link->state = LINK_RESOLVING;
    link_timer_in(link, CONNECT_MS);
    pt_log(PT_LOG_DEBUG, "connecting to broker %s:%u", link_broker(link)->host,
           link_broker(link)->port);
    enum pt_err err = resolve(link);
    if (err != PT_OK) {
        snprintf(link->why, sizeof(link->why), "%s", pt_strerror(err));
        link_lose(link);
    }
}

static void log_lost(const struct link *link, bool was_up, bool taken_over,
                     uint64_t wait_ms)
{
    const struct link_broker *broker = link_broker(link);
    if (taken_over)
        pt_log(PT_LOG_ERROR,
               "another client came to broker %s:%u under our name %s; next "
               "try in %llu s",
               broker->host, broker->port, link->client_id,
               (unsigned long long)(wait_ms / 1000));
    else
        pt_log(PT_LOG_WARN, "%s broker %s:%u: %s%s; next try in %.1f s",
               was_up ? "lost" : "could not connect to", broker->host,
               broker->port, link->why[0] == '\0' ? "no reason" : link->why,
               was_up ? "" : link_tls_own_time(link->tls),
               (double)wait_ms / 1000);
}

void link_tell_up(struct link *link)
{
    link->up_since_ms = uv_now(link->loop);
    link_timer_in(link, TICK_MS);
    pt_log(PT_LOG_NOTICE, "connected to broker %s:%u as %s",
           link_broker(link)->host, link_broker(link)->port, link->client_id);
    link->events.connected(link->events.context);
}

/* The attempt or the connection is over; the next one is on the timer. */
void link_lose(struct link *link)
{
    bool was_up = link->state == LINK_UP && link->up_since_ms != 0;
    bool refused = link->state == LINK_CONNECTING && link->reason != 0;
    uint64_t up_ms = was_up ? uv_now(link->loop) - link->up_since_ms : 0;
    bool taken_over =
        link_tries_lost(&link->tries, up_ms, was_up && link->closed_by_peer) ||
        link->reason == MQTT_RC_SESSION_TAKEN_OVER;
    uint64_t wait_ms = link_wait_ms(link->tries.failures, link->broker_count,
                                    taken_over, backoff_random());
    log_lost(link, was_up, taken_over, wait_ms);

    lookup_forget(link);
    link_mqtt_drop(link);
    if (!was_up)
        link->brokers[link->current].address_next++;
    link->current = (link->current + 1) % link->broker_count;
    link->up_since_ms = 0;
    link->state = LINK_WAITING;
    link_timer_in(link, wait_ms);
    if (was_up || refused)
        link->events.disconnected(link->events.context, taken_over);
}

static void misc(struct link *link)
{
    link_traffic_sample(link);
    link->in_library = true;
    if (!link->lost && mosquitto_loop_misc(link->mosq) != MOSQ_ERR_SUCCESS)
        link->lost = true;
    link_timer_in(link, TICK_MS);
    link_mqtt_left(link, LINK_UP);
}

static void on_timer(uv_timer_t *timer)
{
    struct link *link = timer->data;
    switch (link->state) {
    case LINK_WAITING:
        try_next(link);
        break;
    case LINK_RESOLVING:
    case LINK_CONNECTING:
        if (!link->lost)
            snprintf(link->why, sizeof(link->why), "no answer within %d s",
                     CONNECT_MS / 1000);
        link_lose(link);
        break;
    case LINK_UP:
        misc(link);
        break;
    case LINK_CLOSING:
        link_finish_close(link);
        break;
    }
}

void link_timer_in(struct link *link, uint64_t ms)
{
    /* Fails only without a callback or on a closing handle. */
    (void)uv_timer_start(&link->timer, on_timer, ms, 0);
}

/* --- for the caller ----------------------------------------------------- */

static bool copy_text(const char *text, char **ret)
{
    if (!is_set(text))
        return true;
    *ret = strdup(text);
    return *ret != NULL;
}

static bool copy_settings(struct link *link, const struct link_settings *from)
{
    link->keepalive_s = from->keepalive_s;
    return copy_text(from->client_id, &link->client_id) &&
           copy_text(from->ca_file, &link->ca_file) &&
           copy_text(from->cert_file, &link->cert_file) &&
           copy_text(from->key_file, &link->key_file) &&
           copy_text(from->will_topic, &link->will_topic) &&
           copy_text(from->will_text, &link->will_text);
}

static void link_free(struct link *link)
{
    SSL_CTX_free(link->tls);
    free(link->client_id);
    free(link->ca_file);
    free(link->cert_file);
    free(link->key_file);
    free(link->will_topic);
    free(link->will_text);
    free(link);
}

static enum pt_err refuse(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return PT_E_CONFIG;
}

/* What stands in `settings` by itself, then the files it names. */
static enum pt_err parse(const struct link_settings *settings,
                         struct link_broker *brokers, size_t *broker_count,
                         SSL_CTX **tls, char *why, size_t why_size)
{
    if (settings->client_id == NULL || settings->client_id[0] == '\0')
        return refuse(why, why_size, "no name to connect under");
    /* libmosquitto takes 0 (never) or 5 s and more. */
    if (settings->keepalive_s < 5 || settings->keepalive_s > UINT16_MAX)
        return refuse(why, why_size, "keepalive is not within 5..65535 s");
    if (is_set(settings->will_topic) && !is_set(settings->will_text))
        return refuse(why, why_size, "a will without text");
    if (!is_set(settings->brokers))
        return refuse(why, why_size, "no broker named");
    bool with_tls = is_set(settings->ca_file);
    if (is_set(settings->cert_file) != is_set(settings->key_file) ||
        (is_set(settings->cert_file) && !with_tls))
        return refuse(why, why_size,
                      "a certificate needs its key and a CA file");
    enum pt_err err = link_brokers_parse(
        settings->brokers, with_tls ? 8883 : 1883, brokers, broker_count);
    if (err != PT_OK)
        snprintf(why, why_size, "broker list \"%s\": %s", settings->brokers,
                 err == PT_E_FULL ? "more than 8" : "not \"host[:port] ...\"");
    if (err == PT_OK && with_tls)
        err =
            link_tls_new(settings->ca_file, text_or_null(settings->cert_file),
                         text_or_null(settings->key_file), why, why_size, tls);
    return err;
}

enum pt_err link_check(const struct link_settings *settings, char *why,
                       size_t why_size)
{
    struct link_broker brokers[LINK_BROKERS_MAX];
    size_t count;
    SSL_CTX *tls = NULL;
    enum pt_err err = parse(settings, brokers, &count, &tls, why, why_size);
    SSL_CTX_free(tls);
    return err;
}

enum pt_err link_new(uv_loop_t *loop, const struct link_settings *settings,
                     const struct link_events *events, struct link **ret)
{
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return PT_E_NOMEM;
    link->loop = loop;
    link->events = *events;
    char why[200] = "out of memory";
    enum pt_err err = PT_E_NOMEM;
    if (copy_settings(link, settings))
        err = parse(settings, link->brokers, &link->broker_count, &link->tls,
                    why, sizeof(why));
    /* libmosquitto counts its users itself. */
    if (err == PT_OK && mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
        err = PT_E_SYSTEM;
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "broker connection: %s", why);
        link_free(link);
        return err;
    }
    uv_timer_init(loop, &link->timer);
    link->timer.data = link;
    link_timer_in(link, 0); /* events only from the loop, never from in here */
    *ret = link;
    return PT_OK;
}

bool link_is_up(const struct link *link)
{
    return link->state == LINK_UP && !link->lost;
}

size_t link_backlog(const struct link *link)
{
    return link->waiting.bytes;
}

void link_give_up(struct link *link, const char *why)
{
    if (!link_is_up(link))
        return;
    snprintf(link->why, sizeof(link->why), "%s", why);
    link->lost = true;
    link_timer_in(link, 0);
}

/* Sent outside a callback it may have met a dead socket. */
static void after_sending(struct link *link, int rc)
{
    if (link->in_library)
        return; /* link_mqtt_left() will see to it */
    if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosq) >= 0) {
        link_mqtt_poll(link);
        return;
    }
    link->lost = true;
    link_timer_in(link, 0);
}

/* What libmosquitto refuses for the message's own sake is not the
 * connection's end. */
static enum pt_err sent(struct link *link, int rc)
{
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
        after_sending(link, rc);
        return PT_OK;
    case MOSQ_ERR_NOMEM:
        return PT_E_NOMEM;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return PT_E_RANGE;
    default:
        after_sending(link, rc);
        return PT_E_AGAIN;
    }
}

enum pt_err link_publish(struct link *link, const char *topic,
                         const void *payload, size_t size, int qos, bool retain)
{
    if (size > LINK_WAITING_BYTES_MAX)
        return PT_E_RANGE;
    size_t bytes = size + strlen(topic) + 8; /* MQTT's header at most */
    if (!link_is_up(link) || !link_waiting_room(&link->waiting, bytes))
        return PT_E_AGAIN;
    int *mid = link_waiting_push(&link->waiting, bytes);
    int rc = link_mqtt_publish(link, mid, topic, payload, size, qos, retain);
    enum pt_err err = sent(link, rc);
    if (err == PT_E_RANGE || err == PT_E_NOMEM)
        link_waiting_unpush(&link->waiting); /* never got a number */
    return err;
}

enum pt_err link_subscribe(struct link *link, const char *topic, int qos)
{
    if (!link_is_up(link))
        return PT_E_AGAIN;
    return sent(link,
                mosquitto_subscribe_v5(link->mosq, NULL, topic, qos, 0, NULL));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    void (*closed)(void *) = link->closed;
    void *context = link->closed_context;
    link_free(link);
    mosquitto_lib_cleanup();
    if (closed != NULL)
        closed(context);
}

/* Never inside the library: it destroys the connection. */
void link_finish_close(struct link *link)
{
    lookup_forget(link);
    link_mqtt_drop(link);
    uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}

void link_close(struct link *link, void (*done)(void *context), void *context)
{
    if (link == NULL || link->state == LINK_CLOSING)
        return;
    link->closed = done;
    link->closed_context = context;
    bool was_up = link_is_up(link);
    link->state = LINK_CLOSING;
    link_timer_in(link, was_up || link->in_library ? FAREWELL_MS : 0);
    if (!was_up)
        return;
    bool nested = link->in_library;
    link->in_library = true;
    if (mosquitto_disconnect_v5(link->mosq, 0, NULL) != MOSQ_ERR_SUCCESS)
        link->lost = true;
    link->in_library = nested;
    if (!nested)
        link_mqtt_left(link, LINK_CLOSING);
}

#ifndef LINK_INTERNAL_H
#define LINK_INTERNAL_H
/* What link.c shares with its own parts and its unit test. */
#include "link.h"
#include <mosquitto.h>
#include <openssl/ssl.h>

/* --- link_names.c: pure functions -------------------------------------- */

#define LINK_BROKERS_MAX 8
#define LINK_HOST_MAX 255 /* RFC 1035: a name has at most 255 octets */

struct link_broker {
    char host[LINK_HOST_MAX + 1];
    uint16_t port;
    unsigned address_next; /* which of its addresses to try next */
};

/* "host[:port] ..."; separated by blanks or commas; an IPv6 address with a
 * port stands in brackets. PT_E_CONFIG: none, a bad port, a name too long;
 * PT_E_FULL: more than LINK_BROKERS_MAX. */
PT_MUST_CHECK enum pt_err link_brokers_parse(const char *list,
                                             uint16_t default_port,
                                             struct link_broker *brokers,
                                             size_t *ret);

/* Up for so long, a connection was one: what was before is forgotten. Long
 * enough for two clients under one name to throw each other out three times
 * (they wait 1, 2 and 4 s at most before it); short enough for a radio that
 * comes and goes, and for a broker that is started again and again. */
#define LINK_STABLE_MS 10000

struct link_tries {
    unsigned failures; /* in a row */
    unsigned kicked;   /* closed early by the broker, in a row */
};

/* An attempt (`up_ms` 0) or a connection has ended. True: another client has
 * our name. MQTT 5 has a reason code for that, but mosquitto 2.0.11 just
 * closes the connection: then it is told by being closed by the broker soon
 * after each of several connections, with no failed attempt between them as a
 * broker that restarts would have. */
bool link_tries_lost(struct link_tries *tries, uint64_t up_ms,
                     bool closed_by_peer);

/* How long to wait after the `failures`th try in a row (1 or more) on a list
 * of `brokers`: 1 s doubled once a round through the list, up to 60 s, of
 * which `random` chooses the upper half; 60..75 s when taken over. */
uint64_t link_wait_ms(unsigned failures, size_t brokers, bool taken_over,
                      uint32_t random);

/* --- link_waiting.c: pure functions ------------------------------------ */

/* Messages handed to libmosquitto and not yet written (QoS 0) or
 * acknowledged (QoS 1), in the order they came. libmosquitto itself has no
 * bound for them and no public count. */
#define LINK_WAITING_BYTES_MAX ((size_t)1024 * 1024)
#define LINK_WAITING_MAX 4096 /* so that small messages are bounded too */

struct link_waiting {
    struct {
        int mid; /* 0: done, but behind one that is not */
        uint32_t bytes;
    } slots[LINK_WAITING_MAX];
    size_t head, count, bytes;
};

void link_waiting_clear(struct link_waiting *w);
/* One message always has room when nothing else waits. */
bool link_waiting_room(const struct link_waiting *w, size_t bytes);
/* Only when there is room. The message's number goes where this points,
 * before it can be done. */
int *link_waiting_push(struct link_waiting *w, size_t bytes);
/* Takes back the last push whose message never got a number. */
void link_waiting_unpush(struct link_waiting *w);
void link_waiting_done(struct link_waiting *w, int mid);

/* --- link_tls.c -------------------------------------------------------- */

/* A client context from PEM files (cert and key may be NULL): TLS 1.2 or
 * later, the peer's chain is checked. `why` (of `why_size` bytes) says which
 * file is at fault. The caller frees `ret` with SSL_CTX_free(). */
PT_MUST_CHECK enum pt_err link_tls_new(const char *ca_file,
                                       const char *cert_file,
                                       const char *key_file, char *why,
                                       size_t why_size, SSL_CTX **ret);

/* From the next connection on the peer's certificate must be for `host` (a
 * name or a numeric address), and the server is told that name. `host` is
 * borrowed as long as `context` is used. */
PT_MUST_CHECK enum pt_err link_tls_expect(SSL_CTX *context, const char *host);

/* What is wrong with the time of our own certificate, by our own clock; "":
 * nothing, or there is none. A broker that refuses it may say no more than
 * that the connection is closed. */
const char *link_tls_own_time(const SSL_CTX *context);

/* --- link.c and link_mqtt.c --------------------------------------------- */

enum link_state {
    LINK_WAITING,
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_UP,
    LINK_CLOSING
};

/* A name look-up on the pool cannot be stopped; a link closed meanwhile takes
 * itself out of it and the answer is dropped. */
struct link_lookup {
    uv_getaddrinfo_t request;
    struct link *link;
};

/* The poll handle outlives its connection until libuv has closed it. */
struct link_watch {
    uv_poll_t poll;
    struct link *link;
};

struct link {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct link_events events;
    char *client_id, *ca_file, *cert_file, *key_file, *will_topic, *will_text;
    int keepalive_s;
    struct link_broker brokers[LINK_BROKERS_MAX];
    size_t broker_count;
    size_t current; /* index of the broker tried or used */

    enum link_state state;
    SSL_CTX *tls; /* NULL: without TLS */
    struct link_lookup *lookup;
    struct link_watch *watch;
    struct mosquitto *mosq;
    struct link_tries tries;
    uint64_t up_since_ms;
    struct link_waiting waiting;
    uint16_t alias_max; /* the broker's, of this connection; 0: none */
    char alias_topic[LINK_TOPIC_MAX]; /* stands for alias 1; "": not yet */

    struct link_traffic past;    /* connections that are over; messages of
                                    all */
    struct link_traffic present; /* this connection's, as last looked at */

    /* Noted by callbacks, taken up by link_mqtt_left(). */
    bool in_library;
    bool lost;
    bool closed_by_peer; /* without a word */
    int reason;          /* of the server's DISCONNECT or CONNACK; 0: none */
    char why[160];

    void (*closed)(void *context);
    void *closed_context;
};

/* link_mqtt.c: one connection of libmosquitto. */
PT_MUST_CHECK enum pt_err link_mqtt_connect(struct link *link,
                                            const char *address);
void link_mqtt_drop(struct link *link);
/* To libmosquitto, with a topic alias where one helps; its MOSQ_ERR_. */
int link_mqtt_publish(struct link *link, int *mid, const char *topic,
                      const void *payload, size_t size, int qos, bool retain);
/* Polls the socket for what libmosquitto wants now. */
void link_mqtt_poll(struct link *link);
/* After each turn inside the library; `before`: the state at its begin. */
void link_mqtt_left(struct link *link, enum link_state before);

/* link_traffic.c */
void link_traffic_out(struct link *link, size_t payload, size_t packet);
void link_traffic_in(struct link *link,
                     const struct mosquitto_message *message);
/* Looks at the socket, which libmosquitto may close at any time. */
void link_traffic_sample(struct link *link);
void link_traffic_end(struct link *link); /* before the socket is closed */

/* link.c: what link_mqtt.c reports back; each is the caller's last act. */
const struct link_broker *link_broker(const struct link *link);
void link_timer_in(struct link *link, uint64_t ms);
void link_tell_up(struct link *link);
void link_lose(struct link *link);
void link_finish_close(struct link *link);

#endif

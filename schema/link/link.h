#ifndef PT_LINK_H
#define PT_LINK_H
/* link: one MQTT 5 connection (libmosquitto) on a libuv loop, with TLS and a
 * certificate, that connects again by itself: bounded back-off with jitter,
 * through a list of brokers. Loop thread only; name look-ups run on libuv's
 * pool, nothing here blocks the loop.
 *
 * Topics are the contract of both programs, so they are made here. */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* A device's name: 1..64 of [A-Za-z0-9._-]. The certificate's common name,
 * the MQTT client id and the topic's third level are all this. */
#define LINK_DEVICE_MAX 64
bool link_device_valid(const char *name);

/* The common name of the first certificate in a PEM file. PT_E_TLS: not
 * readable, no certificate, or its name is not a device's. Any thread. */
PT_MUST_CHECK enum pt_err link_certificate_name(const char *file,
                                                char ret[LINK_DEVICE_MAX + 1]);

enum link_topic {
    LINK_REPORT,
    LINK_RECEIPT,
    LINK_ORDER,
    LINK_SETTINGS,
    LINK_PRESENCE,
    LINK_PROBE, /* a gateway's to itself; never a device's */
    LINK_TOPIC_COUNT
};
#define LINK_TOPIC_MAX 96 /* bytes with the final 0 */
/* "patrol/v1/<device>/report"; `device` "+" for a subscription to all. */
void link_topic(enum link_topic kind, const char *device,
                char ret[LINK_TOPIC_MAX]);
/* Takes a topic apart; false when it is none of ours. `device` of
 * LINK_DEVICE_MAX + 1 bytes. */
bool link_topic_parse(const char *topic, enum link_topic *kind, char *device);

struct link_settings {
    const char *brokers; /* "host[:port] host[:port] ..."; port 8883 with
                            TLS, 1883 without */
    const char *client_id;
    const char *ca_file;   /* NULL or "": no TLS */
    const char *cert_file; /* client certificate and key, PEM */
    const char *key_file;
    int keepalive_s;        /* 5..65535 */
    const char *will_topic; /* NULL: none; retained, QoS 1 */
    const char *will_text;
};

struct link_events {
    void *context;
    /* CONNACK with success: subscribe here. */
    void (*connected)(void *context);
    /* After connected() the connection is lost, or the broker refused us
     * (CONNACK); not for an attempt that did not get that far. `taken_over`:
     * another client came with our name (MQTT 5 reason 142, or closed by the
     * broker three times in a row soon after connecting), the next try waits
     * a minute. */
    void (*disconnected)(void *context, bool taken_over);
    /* Payload is borrowed for the call. */
    void (*message)(void *context, const char *topic, const void *payload,
                    size_t size, bool retained);
};

struct link;

/* What link_new() would refuse, without a loop: PT_OK, or an error and a
 * sentence about it in `why` (of `why_size` bytes). */
PT_MUST_CHECK enum pt_err link_check(const struct link_settings *settings,
                                     char *why, size_t why_size);

/* Copies the settings. Begins to connect at once, from the loop: no event
 * comes before this has returned. Errors as link_check(), and logged with
 * its sentence. The
 * files are read again before each connection, so a renewed certificate needs
 * no restart. Between two tries pass 0.5..60 s. */
PT_MUST_CHECK enum pt_err link_new(uv_loop_t *loop,
                                   const struct link_settings *settings,
                                   const struct link_events *events,
                                   struct link **ret);

bool link_is_up(const struct link *link);

/* The connection is of no use to the caller: it ends, from the loop, as one
 * that was lost, with `why` in the log, and the next broker is tried. Nothing
 * happens when it is not up. */
void link_give_up(struct link *link, const char *why);

/* Hands a message to libmosquitto. PT_E_AGAIN when not connected or when more
 * than the bound is already waiting (1 MiB or 4096 messages): the caller
 * keeps it and tries again. PT_E_RANGE: never possible (too long for us or
 * for the broker, not a topic). QoS 0 or 1; nothing outlives its connection,
 * also at QoS 1. May be called from inside the events. Where the broker
 * allows topic aliases (MQTT 5, 3.3.2.3.4) the topic of a connection's first
 * message at QoS 0 is written out once and costs 3 bytes from then on. */
PT_MUST_CHECK enum pt_err link_publish(struct link *link, const char *topic,
                                       const void *payload, size_t size,
                                       int qos, bool retain);
PT_MUST_CHECK enum pt_err link_subscribe(struct link *link, const char *topic,
                                         int qos);

/* The kernel holds back so many bytes, and one write more, for a path that
 * takes no more (TCP_NOTSENT_LOWAT). */
#define LINK_UNSENT_MAX 4096

/* Bytes handed to link_publish() that the socket has not taken yet (QoS 0) or
 * the broker has not acknowledged (QoS 1). */
size_t link_backlog(const struct link *link);

/* Bytes of a PUBLISH packet (MQTT 5, 3.3), whole. `topic_length` 0 and
 * `has_alias` when an alias stands for the topic. Any thread. */
size_t link_publish_bytes(size_t topic_length, size_t size, int qos,
                          bool has_alias);

/* What a link has carried since link_new(), over all its connections and
 * tries. Bytes by layer, of both directions:
 *
 *   payload   payload_out + payload_in
 *   MQTT      publish_out + publish_in - payload
 *   TLS       stream_out + stream_in - publish_out - publish_in: also its
 *             handshakes, and MQTT's packets other than PUBLISH
 *   TCP/IP    header_bytes
 *
 * `messages` and `publish` are of what was handed to the socket or came; the
 * stream's and the segments' numbers are the kernel's (TCP_INFO), what was
 * sent again in them, up to a second before a connection was lost. Not in
 * them: 8 bytes of options more in either SYN, selective acknowledgements'
 * options, and the segments that close a connection, four at the most. */
struct link_traffic {
    uint64_t connections; /* CONNACKs with success */
    uint64_t messages_out, messages_in;
    uint64_t payload_out, payload_in;
    uint64_t publish_out, publish_in; /* the PUBLISH packets of them, whole */
    uint64_t stream_out, stream_in;
    uint64_t segments_out, segments_in;
    uint64_t header_bytes;
};
struct link_traffic link_traffic(struct link *link);

/* Sends what waits and DISCONNECT (the will is not published) for at most
 * 2 s, closes and frees; `done` may be NULL and is called from the loop when
 * all is freed. No event comes after this call. NULL link is fine. A name
 * look-up under way stays on the pool until it ends and only then lets the
 * loop end. */
void link_close(struct link *link, void (*done)(void *context), void *context);

#endif

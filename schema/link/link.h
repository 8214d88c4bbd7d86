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

enum link_topic {
    LINK_REPORT,
    LINK_RECEIPT,
    LINK_ORDER,
    LINK_SETTINGS,
    LINK_PRESENCE,
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
    const char *brokers;   /* "host[:port] host[:port] ..."; port 8883 with
                              TLS, 1883 without */
    const char *client_id;
    const char *ca_file;   /* NULL or "": no TLS */
    const char *cert_file; /* client certificate and key, PEM */
    const char *key_file;
    int keepalive_s;
    const char *will_topic; /* NULL: none; retained, QoS 1 */
    const char *will_text;
};

struct link_events {
    void *context;
    /* CONNACK with success: subscribe here. */
    void (*connected)(void *context);
    /* Connection lost or refused; `taken_over`: another client came with our
     * name (MQTT 5 reason 142), the next try waits a minute. */
    void (*disconnected)(void *context, bool taken_over);
    /* Payload is borrowed for the call. */
    void (*message)(void *context, const char *topic, const void *payload,
                    size_t size, bool retained);
};

struct link;

/* Copies the settings. Begins to connect at once. PT_E_TLS when a
 * certificate cannot be read. */
PT_MUST_CHECK enum pt_err link_new(uv_loop_t *loop,
                                   const struct link_settings *settings,
                                   const struct link_events *events,
                                   struct link **ret);

bool link_is_up(const struct link *link);

/* Hands a message to libmosquitto. PT_E_AGAIN when not connected or when more
 * than the bound is already waiting in the socket's queue (1 MiB): the
 * caller keeps it and tries again. QoS 0 or 1. */
PT_MUST_CHECK enum pt_err link_publish(struct link *link, const char *topic,
                                       const void *payload, size_t size,
                                       int qos, bool retain);
PT_MUST_CHECK enum pt_err link_subscribe(struct link *link, const char *topic,
                                         int qos);

/* Bytes handed to link_publish() that the socket has not taken yet. */
size_t link_backlog(const struct link *link);

/* Sends DISCONNECT (the will is not published), closes and frees; `done` may
 * be NULL and is called from the loop when all handles are closed. NULL link
 * is fine. */
void link_close(struct link *link, void (*done)(void *context),
                void *context);

#endif

#ifndef MQTT_H
#define MQTT_H
/* As much of MQTT 5 as a vehicle and a counter need, packets written out by
 * hand (OASIS MQTT 5.0, chapter 3): a client library's own cost would be
 * counted with what is to be measured. Whatever fails ends the program. */
#include "bench_ingest.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct peer {
    int fd;
    SSL *ssl; /* NULL: without TLS */
};

/* NULL without certificates. */
SSL_CTX *peer_tls(const struct where *where, const char *name);
/* Connects, says `client_id`, subscribes to `topic` at `qos` and waits for
 * the answers; the socket does not block from then on. */
void peer_open(struct peer *peer, const struct where *where, SSL_CTX *tls,
               const char *client_id, const char *topic, uint8_t qos);
/* Writes all of it, waiting for room. */
void peer_put(struct peer *peer, const void *bytes, size_t size);
/* What is there; 0: nothing now. */
size_t peer_get(struct peer *peer, void *bytes, size_t size);
/* Nothing is there that no poll would tell of. */
bool peer_drained(const struct peer *peer);

/* The header of a PUBLISH at QoS 0 with `topic` under alias 1 ("": as said
 * before), for `size` bytes that follow; returns its length. */
#define PUBLISH_HEAD_MAX 128
size_t publish_head(const char *topic, size_t size,
                    uint8_t ret[PUBLISH_HEAD_MAX]);

/* The remaining length at `at`; the bytes it takes, 0 when not all are
 * there. */
size_t length_at(const uint8_t *at, size_t size, size_t *ret);

#endif

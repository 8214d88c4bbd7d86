#include "mqtt.h"

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPALIVE_S 60
#define ANSWERS_MAX 1024

SSL_CTX *peer_tls(const struct where *where, const char *name)
{
    char file[512];
    if (where->certs == NULL)
        return NULL;
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    snprintf(file, sizeof(file), "%s/%s.crt", where->certs, name);
    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, file) != 1)
        bench_die(file, "cannot be used");
    snprintf(file, sizeof(file), "%s/%s.key", where->certs, name);
    if (SSL_CTX_use_PrivateKey_file(tls, file, SSL_FILETYPE_PEM) != 1)
        bench_die(file, "cannot be used");
    return tls;
}

static void dial(struct peer *peer, int port, SSL_CTX *tls)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->fd < 0 ||
        connect(peer->fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        bench_die("the broker", strerror(errno));
    if (tls == NULL)
        return;
    peer->ssl = SSL_new(tls);
    if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1 ||
        SSL_connect(peer->ssl) != 1)
        bench_die("the broker", "no TLS");
}

/* --- bytes */

static void wait_for_room(const struct peer *peer)
{
    struct pollfd room = {.fd = peer->fd, .events = POLLOUT};
    if (poll(&room, 1, 60000) <= 0)
        bench_die("the broker", "takes nothing for a minute");
}

/* Bytes written; 0: no room. */
static size_t try_put(struct peer *peer, const uint8_t *bytes, size_t size)
{
    if (peer->ssl == NULL) {
        ssize_t written = write(peer->fd, bytes, size);
        if (written < 0 && errno != EAGAIN)
            bench_die("the broker", strerror(errno));
        return written < 0 ? 0 : (size_t)written;
    }
    int written = SSL_write(peer->ssl, bytes, (int)size);
    if (written <= 0 &&
        SSL_get_error(peer->ssl, written) != SSL_ERROR_WANT_WRITE)
        bench_die("the broker", "closed a TLS connection");
    return written <= 0 ? 0 : (size_t)written;
}

void peer_put(struct peer *peer, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        size_t written = try_put(peer, at, size);
        if (written == 0)
            wait_for_room(peer);
        at += written;
        size -= written;
    }
}

size_t peer_get(struct peer *peer, void *bytes, size_t size)
{
    if (peer->ssl == NULL) {
        ssize_t got = read(peer->fd, bytes, size);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            bench_die("the broker", "closed a connection");
        return got < 0 ? 0 : (size_t)got;
    }
    int got = SSL_read(peer->ssl, bytes, (int)size);
    if (got <= 0 && SSL_get_error(peer->ssl, got) != SSL_ERROR_WANT_READ)
        bench_die("the broker", "closed a TLS connection");
    return got <= 0 ? 0 : (size_t)got;
}

bool peer_drained(const struct peer *peer)
{
    return peer->ssl == NULL || SSL_pending(peer->ssl) == 0;
}

/* --- packets */

size_t length_at(const uint8_t *at, size_t size, size_t *ret)
{
    size_t value = 0;
    for (size_t i = 0; i < size && i < 4; i++) {
        value |= (size_t)(at[i] & 0x7f) << (7 * i);
        if ((at[i] & 0x80) == 0) {
            *ret = value;
            return i + 1;
        }
    }
    return 0;
}

static size_t put_length(uint8_t *at, size_t value)
{
    size_t used = 0;
    do {
        at[used] = (uint8_t)(value & 0x7f);
        value >>= 7;
        at[used++] |= value > 0 ? 0x80 : 0;
    } while (value > 0);
    return used;
}

static size_t put_text(uint8_t *at, const char *text)
{
    size_t length = strlen(text);
    at[0] = (uint8_t)(length >> 8);
    at[1] = (uint8_t)length;
    memcpy(at + 2, text, length);
    return length + 2;
}

size_t publish_head(const char *topic, size_t size,
                    uint8_t ret[PUBLISH_HEAD_MAX])
{
    static const uint8_t alias[] = {3, 0x23, 0, 1};
    size_t used = 1;
    ret[0] = 0x30;
    used += put_length(ret + used, 2 + strlen(topic) + sizeof(alias) + size);
    used += put_text(ret + used, topic);
    memcpy(ret + used, alias, sizeof(alias));
    return used + sizeof(alias);
}

/* A packet of the kind `type` whose byte at `reason_at` says that all is
 * well. */
static void expect(struct peer *peer, uint8_t type, size_t reason_at,
                   uint8_t most)
{
    uint8_t answer[ANSWERS_MAX];
    size_t size = 0;
    size_t body = 0;
    do {
        size += peer_get(peer, answer + size, sizeof(answer) - size);
    } while (size < 2 || length_at(answer + 1, size - 1, &body) == 0 ||
             size < 2 + body);
    size_t at = reason_at == 0 ? size - 1 : reason_at;
    if (answer[0] != type || answer[at] > most)
        bench_die("the broker", "refused a vehicle or the counter");
}

void peer_open(struct peer *peer, const struct where *where, SSL_CTX *tls,
               const char *client_id, const char *topic, uint8_t qos)
{
    /* MQTT 5, clean start, no properties */
    static const uint8_t protocol[] = {
        0, 4, 'M', 'Q', 'T', 'T', 5, 0x02, KEEPALIVE_S >> 8, KEEPALIVE_S, 0};
    uint8_t packet[256];
    dial(peer, where->port, tls);
    packet[0] = 0x10;
    packet[1] = (uint8_t)(sizeof(protocol) + 2 + strlen(client_id));
    memcpy(packet + 2, protocol, sizeof(protocol));
    size_t size = 2 + sizeof(protocol);
    size += put_text(packet + size, client_id);
    peer_put(peer, packet, size);
    expect(peer, 0x20, 3, 0);
    size = 5 + put_text(packet + 5, topic);
    packet[size++] = qos;
    packet[0] = 0x82;
    packet[1] = (uint8_t)(size - 2);
    packet[2] = packet[4] = 0; /* packet 1, no properties */
    packet[3] = 1;
    peer_put(peer, packet, size);
    expect(peer, 0x90, 0, 1);
    if (fcntl(peer->fd, F_SETFL, O_NONBLOCK) != 0)
        bench_die("the broker", strerror(errno));
}

/* The cheapest subscriber there can be: as many bytes at a time as come, of
 * which only the packets' lengths are looked at. */
#include "mqtt.h"

#include "bench.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#define PUBLISH 3u
#define TELL_MS 20
#define BUFFER ((size_t)1 << 20)

struct counter {
    struct peer peer;
    uint64_t messages;
    uint64_t told_ns;
    /* the packet under way */
    unsigned shift;
    uint64_t left;
    enum { IN_TYPE, IN_LENGTH, IN_BODY } state;
};

static void tell(struct counter *c)
{
    uint64_t now_ns = bench_now_ns();
    if (now_ns - c->told_ns < UINT64_C(1000000) * TELL_MS)
        return;
    c->told_ns = now_ns;
    printf("%" PRIu64 "\n", c->messages);
}

/* Goes on in a packet whose parts may come in any pieces. */
static void take(struct counter *c, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (c->state == IN_BODY) {
            uint64_t part = (uint64_t)(end - at);
            part = part < c->left ? part : c->left;
            at += part;
            c->left -= part;
        } else if (c->state == IN_TYPE) {
            c->messages += *at++ >> 4 == PUBLISH;
            c->state = IN_LENGTH;
            c->left = c->shift = 0;
            continue;
        } else {
            c->left |= (uint64_t)(*at & 0x7f) << c->shift;
            c->shift += 7;
            c->state = *at++ & 0x80 ? IN_LENGTH : IN_BODY;
        }
        if (c->state == IN_BODY && c->left == 0)
            c->state = IN_TYPE;
    }
}

int count(const struct where *where)
{
    static uint8_t buffer[BUFFER];
    struct counter c = {0};
    peer_open(&c.peer, where, peer_tls(where, "patrol-gateway"), "counter",
              "patrol/v1/+/report", 0);
    puts("ready");
    for (;;) {
        struct pollfd ready = {.fd = c.peer.fd, .events = POLLIN};
        if (peer_drained(&c.peer))
            poll(&ready, 1, TELL_MS);
        size_t got = peer_get(&c.peer, buffer, sizeof(buffer));
        take(&c, buffer, buffer + got);
        tell(&c);
    }
}

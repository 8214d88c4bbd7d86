#include "http_ring.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct event {
    char *text;
    size_t size;
};

struct http_ring {
    uint64_t first, next; /* ids */
    size_t events_max, bytes_max, bytes;
    struct event events[];
};

static struct event *slot(const struct http_ring *ring, uint64_t id)
{
    return (struct event *)&ring->events[id & (ring->events_max - 1)];
}

enum pt_err http_ring_new(uint64_t first_id, size_t events_max,
                          size_t bytes_max, struct http_ring **ret)
{
    assert(events_max > 0 && (events_max & (events_max - 1)) == 0);
    struct http_ring *ring =
        calloc(1, sizeof *ring + events_max * sizeof *ring->events);
    if (ring == NULL)
        return PT_E_NOMEM;
    ring->first = ring->next = first_id;
    ring->events_max = events_max;
    ring->bytes_max = bytes_max;
    *ret = ring;
    return PT_OK;
}

static void drop_first(struct http_ring *ring)
{
    struct event *event = slot(ring, ring->first++);

    ring->bytes -= event->size;
    free(event->text);
    *event = (struct event){0};
}

void http_ring_free(struct http_ring *ring)
{
    if (ring == NULL)
        return;
    while (ring->first < ring->next)
        drop_first(ring);
    free(ring);
}

void http_ring_forget(struct http_ring *ring)
{
    while (ring->first < ring->next)
        drop_first(ring);
    ring->first = ++ring->next;
}

enum pt_err http_ring_put(struct http_ring *ring, const char *text, size_t size)
{
    char *copy = size > ring->bytes_max ? NULL : malloc(size > 0 ? size : 1);

    if (copy == NULL) {
        http_ring_forget(ring);
        return size > ring->bytes_max ? PT_E_RANGE : PT_E_NOMEM;
    }
    while (ring->next - ring->first == ring->events_max ||
           ring->bytes + size > ring->bytes_max)
        drop_first(ring);
    memcpy(copy, text, size);
    *slot(ring, ring->next++) = (struct event){copy, size};
    ring->bytes += size;
    return PT_OK;
}

uint64_t http_ring_next_id(const struct http_ring *ring)
{
    return ring->next;
}

uint64_t http_ring_first_id(const struct http_ring *ring)
{
    return ring->first;
}

const char *http_ring_get(const struct http_ring *ring, uint64_t id,
                          size_t *size)
{
    if (id < ring->first || id >= ring->next)
        return NULL;
    *size = slot(ring, id)->size;
    return slot(ring, id)->text;
}

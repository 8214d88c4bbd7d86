#ifndef HTTP_RING_H
#define HTTP_RING_H
/* ring: the last events told, for streams that are a little behind. Private
 * to http; loop thread. */
#include "pt_err.h"
#include <stddef.h>
#include <stdint.h>

/* At 2,000 changes a second of 450 bytes: more than four seconds. */
#define RING_EVENTS_MAX 16384u
#define RING_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct http_ring;

/* Events are numbered from `first_id` on; `events_max` a power of two. */
PT_MUST_CHECK enum pt_err http_ring_new(uint64_t first_id, size_t events_max,
                                        size_t bytes_max,
                                        struct http_ring **ret);
void http_ring_free(struct http_ring *ring);

/* Copies the event; the oldest make room for it. PT_E_RANGE when it alone is
 * longer than the ring. When an event cannot be kept, all before it are
 * forgotten too: streams then start anew instead of missing one. */
PT_MUST_CHECK enum pt_err http_ring_put(struct http_ring *ring,
                                        const char *text, size_t size);

/* Something happened that nobody wrote down: whoever asks to go on from
 * before it has to start anew. */
void http_ring_forget(struct http_ring *ring);

/* The id that the next event will have. */
uint64_t http_ring_next_id(const struct http_ring *ring);
/* The oldest event still here; http_ring_next_id() when there is none. */
uint64_t http_ring_first_id(const struct http_ring *ring);

/* Borrowed until the next http_ring_put(); NULL when it is not here. */
const char *http_ring_get(const struct http_ring *ring, uint64_t id,
                          size_t *size);

#endif

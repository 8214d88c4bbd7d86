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

struct ring;

/* Events are numbered from `first_id` on; `events_max` a power of two. */
PT_MUST_CHECK enum pt_err ring_new(uint64_t first_id, size_t events_max,
                                   size_t bytes_max, struct ring **ret);
void ring_free(struct ring *ring);

/* Copies the event; the oldest make room for it. PT_E_RANGE when it alone is
 * longer than the ring. When an event cannot be kept, all before it are
 * forgotten too: streams then start anew instead of missing one. */
PT_MUST_CHECK enum pt_err ring_put(struct ring *ring, const char *text,
                                   size_t size);

/* Something happened that nobody wrote down: whoever asks to go on from
 * before it has to start anew. */
void ring_forget(struct ring *ring);

/* The id that the next event will have. */
uint64_t ring_next_id(const struct ring *ring);
/* The oldest event still here; ring_next_id() when there is none. */
uint64_t ring_first_id(const struct ring *ring);

/* Borrowed until the next ring_put(); NULL when it is not here. */
const char *ring_get(const struct ring *ring, uint64_t id, size_t *size);

#endif

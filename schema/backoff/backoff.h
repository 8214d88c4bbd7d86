#ifndef BACKOFF_H
#define BACKOFF_H
/* backoff: how long to wait before the next try. Keeps no count: whoever
 * tries knows what counts as a failure, and what ends a row of them. Any
 * thread. */
#include <stdint.h>

struct backoff {
    uint32_t first_ms; /* longest wait before anything is doubled; 1 or more */
    uint32_t max_ms;   /* no wait is longer; at least first_ms */
};

/* first_ms doubled `doublings` times, at most max_ms. Pure. */
uint32_t backoff_longest_ms(const struct backoff *limits, unsigned doublings);

/* Of that the upper half, evenly by `random` (32 random bits), both ends
 * included: those who lost the same peer do not come back in step, and none
 * comes back at once. Pure. */
uint32_t backoff_wait_ms(const struct backoff *limits, unsigned doublings,
                         uint32_t random);

/* For backoff_wait_ms(): the kernel's random bits; before it has any (early
 * boot), the monotonic clock's nanoseconds. Never blocks. No secret may come
 * of it. */
uint32_t backoff_random(void);

#endif

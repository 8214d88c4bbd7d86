#include "backoff.h"
#include <sys/random.h>
#include <time.h>

uint32_t backoff_longest_ms(const struct backoff *limits, unsigned doublings)
{
    /* Compared before shifting, so that nothing is shifted out. */
    if (doublings >= 32 || limits->first_ms > limits->max_ms >> doublings)
        return limits->max_ms;
    return limits->first_ms << doublings;
}

uint32_t backoff_wait_ms(const struct backoff *limits, unsigned doublings,
                         uint32_t random)
{
    uint32_t half_ms = backoff_longest_ms(limits, doublings) / 2;
    return half_ms + random % (half_ms + 1);
}

uint32_t backoff_random(void)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value)) {
        struct timespec now = {0};
        clock_gettime(CLOCK_MONOTONIC, &now);
        value = (uint32_t)now.tv_nsec;
    }
    return value;
}

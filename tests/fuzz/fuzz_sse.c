/* The event stream that patrolctl watch reads: the same events whatever the
 * pieces it comes in. */
#include "fuzz.h"
#include "patrolctl.h"

#include <string.h>

struct heard {
    size_t count;
    uint64_t sum;
};

static void hear(void *context, const char *type, const char *data)
{
    struct heard *heard = context;

    FUZZ_CHECK(*type != 0 && strlen(data) < CTL_SSE_BYTES_MAX);
    heard->count++;
    for (const char *at = data; *at != 0; at++)
        heard->sum = heard->sum * 31 + (unsigned char)*at;
}

static struct heard feed(const char *bytes, size_t size, size_t piece)
{
    struct heard heard = {0};
    struct ctl_sse sse = {.event = hear, .context = &heard};

    for (size_t at = 0; at < size; at += piece) {
        size_t part = piece < size - at ? piece : size - at;
        if (ctl_sse_feed(&sse, bytes + at, part) != PT_OK)
            break;
    }
    ctl_sse_clear(&sse);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct heard whole = feed(bytes, size, size > 0 ? size : 1);
    struct heard single = feed(bytes, size, 1);
    struct heard some = feed(bytes, size, 7);

    FUZZ_CHECK(whole.count == single.count && whole.sum == single.sum);
    FUZZ_CHECK(whole.count == some.count && whole.sum == some.sum);
    return 0;
}

#include "batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *batch_refusal_word(enum batch_refusal refusal)
{
    static const char *const words[REFUSED_COUNT] = {
#define BATCH_REFUSAL_WORD(name, word) [name] = (word),
        BATCH_REFUSALS(BATCH_REFUSAL_WORD)
#undef BATCH_REFUSAL_WORD
    };

    if ((unsigned)refusal >= REFUSED_COUNT)
        return "unknown";
    return words[refusal];
}

int64_t batch_act_ms(const struct batch_item *item)
{
    return item->flags & BATCH_FLAG_GATEWAY_TIME ? item->received_ms
                                                 : item->entry.time_ms;
}

enum pt_err batch_init(struct batch *batch, size_t capacity)
{
    struct batch_item *items;

    assert(capacity > 0);
    if (capacity > PTRDIFF_MAX / sizeof *items)
        return PT_E_NOMEM;
    items = calloc(capacity, sizeof *items);
    if (!items)
        return PT_E_NOMEM;
    *batch = (struct batch){.items = items, .capacity = capacity};
    return PT_OK;
}

enum pt_err batch_add(struct batch *batch, const struct batch_item *item)
{
    struct batch_item *copy;
    char *detail = NULL;

    if (batch->count == batch->capacity)
        return PT_E_FULL;
    if (item->entry.detail) {
        detail = strdup(item->entry.detail);
        if (!detail)
            return PT_E_NOMEM;
    }
    copy = &batch->items[batch->count++];
    *copy = *item;
    copy->entry.detail = detail;
    return PT_OK;
}

void batch_reset(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free((char *)batch->items[i].entry.detail); /* ours: batch_add() */
    batch->count = 0;
}

void batch_clear(struct batch *batch)
{
    if (!batch)
        return;
    batch_reset(batch);
    free(batch->items);
    *batch = (struct batch){0};
}

#include "tiles_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct tile *tile)
{
    /* x and y of neighbours differ in few bits: a multiplicative hash
     * (Knuth, TAOCP vol. 3, 6.4) spreads them. */
    uint64_t key = ((uint64_t)tile->layer << 48) ^ ((uint64_t)tile->z << 40) ^
                   ((uint64_t)tile->x << 20) ^ tile->y;
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 40) &
           (KEPT_SLOTS - 1);
}

static bool same_place(const struct tile *a, const struct tile *b)
{
    return a->layer == b->layer && a->z == b->z && a->x == b->x && a->y == b->y;
}

static void forget(struct kept *kept, struct kept_slot *slot)
{
    if (slot->bytes == NULL)
        return;
    free(slot->bytes);
    slot->bytes = NULL;
    kept->bytes -= slot->size;
    kept->count--;
}

const struct kept_slot *kept_find(const struct kept *kept,
                                  const struct tile *tile)
{
    const struct kept_slot *slot = &kept->slots[place_of(tile)];

    if (slot->bytes == NULL || !same_place(&slot->tile, tile) ||
        slot->tile.edition != tile->edition)
        return NULL;
    return slot;
}

void kept_put(struct kept *kept, const struct tile *tile, const void *bytes,
              size_t size)
{
    struct kept_slot *slot = &kept->slots[place_of(tile)];
    char *copy = malloc(size + 1); /* an empty tile is a tile, too */

    if (copy == NULL)
        return;
    if (size > 0)
        memcpy(copy, bytes, size);
    forget(kept, slot);
    while (kept->count > 0 && kept->bytes + size > TILES_KEPT_BYTES_MAX) {
        forget(kept, &kept->slots[kept->hand]);
        kept->hand = (kept->hand + 1) & (KEPT_SLOTS - 1);
    }
    *slot = (struct kept_slot){.tile = *tile, .bytes = copy, .size = size};
    kept->bytes += size;
    kept->count++;
}

void kept_clear(struct kept *kept)
{
    for (size_t i = 0; i < KEPT_SLOTS; i++)
        forget(kept, &kept->slots[i]);
}

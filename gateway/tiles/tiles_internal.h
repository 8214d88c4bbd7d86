#ifndef TILES_INTERNAL_H
#define TILES_INTERNAL_H
/* What the files of tiles share: tiles.c asks the database, tiles_kept.c
 * remembers. */
#include "tiles.h"

#define KEPT_SLOTS 8192u /* a power of two */

/* One place for each tile's hash: two tiles that meet there take turns. */
struct kept_slot {
    struct tile tile;
    char *bytes; /* NULL: empty place */
    size_t size;
};

struct kept {
    struct kept_slot slots[KEPT_SLOTS];
    uint64_t bytes; /* of all */
    uint64_t count;
    size_t hand; /* where the next to go is looked for */
};

const struct kept_slot *kept_find(const struct kept *kept,
                                  const struct tile *tile);
/* Copies; what does not fit makes others go. Without memory nothing is kept. */
void kept_put(struct kept *kept, const struct tile *tile, const void *bytes,
              size_t size);
void kept_clear(struct kept *kept);

#endif

#include "intake_internal.h"

#include <stdlib.h>
#include <string.h>

#define NOTHING_DUE INT64_MAX
#define FIRST_ROOM 64u

/* A device and generation, with the receipt that waits (size > 0) and when
 * the last one went out: the next routine one keeps its distance. */
struct waiting {
    char device[LINK_DEVICE_MAX + 1];
    uint64_t generation;
    bool sent_before;
    int64_t sent_ms;
    uint8_t *bytes; /* as published; NULL: none waits */
    size_t size;
};

/* `due_ms` stands beside `slots` in an array of its own: looking for what is
 * due reads 8 bytes a slot. `index` as in fleet: open addressing, at most
 * half full, made anew when slots are given up. */
struct receipts {
    struct waiting *slots;
    int64_t *due_ms;
    size_t count;
    size_t room;
    size_t max;
    size_t waiting;
    int64_t every_ms;
    int64_t next_due_ms; /* no slot is due before */
    size_t scanned;      /* slots that a search under way has passed */
    int64_t scan_due_ms; /* the earliest due among them */
    uint32_t *index;
    size_t index_mask;
};

/* ------------------------------------------------------------------ the index
 */
/* FNV-1a over the name, the generation folded in (Fowler, Noll, Vo). */
static uint64_t hash_of(const char *device, uint64_t generation)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ generation;
    for (; *device != '\0'; device++)
        hash = (hash ^ (uint8_t)*device) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot's place in the index, or the free place where it would go. */
static size_t find_place(const struct receipts *receipts, const char *device,
                         uint64_t generation)
{
    size_t i = (size_t)hash_of(device, generation) & receipts->index_mask;
    for (;; i = (i + 1) & receipts->index_mask) {
        uint32_t slot = receipts->index[i];
        if (slot == UINT32_MAX)
            return i;
        const struct waiting *w = &receipts->slots[slot];
        if (w->generation == generation && strcmp(w->device, device) == 0)
            return i;
    }
}

static void index_fill(struct receipts *receipts)
{
    memset(receipts->index, 0xFF,
           (receipts->index_mask + 1) * sizeof(*receipts->index));
    for (size_t slot = 0; slot < receipts->count; slot++) {
        const struct waiting *w = &receipts->slots[slot];
        receipts->index[find_place(receipts, w->device, w->generation)] =
            (uint32_t)slot;
    }
}

static enum pt_err grow(struct receipts *receipts, size_t room)
{
    struct waiting *slots = realloc(receipts->slots, room * sizeof(*slots));
    if (slots == NULL)
        return PT_E_NOMEM;
    receipts->slots = slots;
    int64_t *due_ms = realloc(receipts->due_ms, room * sizeof(*due_ms));
    if (due_ms == NULL)
        return PT_E_NOMEM;
    receipts->due_ms = due_ms;
    uint32_t *index = malloc(2 * room * sizeof(*index));
    if (index == NULL)
        return PT_E_NOMEM;
    free(receipts->index);
    receipts->index = index;
    receipts->index_mask = 2 * room - 1;
    receipts->room = room;
    index_fill(receipts);
    return PT_OK;
}

enum pt_err receipts_new(size_t max, int64_t every_ms, struct receipts **ret)
{
    if (max == 0 || max > UINT32_MAX / 4 || every_ms < 0)
        return PT_E_RANGE;
    struct receipts *receipts = calloc(1, sizeof(*receipts));
    if (receipts == NULL)
        return PT_E_NOMEM;
    receipts->max = max;
    receipts->every_ms = every_ms;
    receipts->next_due_ms = NOTHING_DUE;
    enum pt_err err = grow(receipts, FIRST_ROOM);
    if (err != PT_OK) {
        receipts_free(receipts);
        return err;
    }
    *ret = receipts;
    return PT_OK;
}

void receipts_free(struct receipts *receipts)
{
    if (receipts == NULL)
        return;
    for (size_t slot = 0; slot < receipts->count; slot++)
        free(receipts->slots[slot].bytes);
    free(receipts->slots);
    free(receipts->due_ms);
    free(receipts->index);
    free(receipts);
}

/* Gives up the slots that only remember a sending long past. */
static void forget_idle(struct receipts *receipts, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t slot = 0; slot < receipts->count; slot++) {
        const struct waiting *w = &receipts->slots[slot];
        if (w->bytes == NULL && now_ms - w->sent_ms >= receipts->every_ms)
            continue;
        receipts->slots[kept] = *w;
        receipts->due_ms[kept++] = receipts->due_ms[slot];
    }
    receipts->count = kept;
    receipts->scanned = 0;
    index_fill(receipts);
}

static enum pt_err make_room(struct receipts *receipts, int64_t now_ms)
{
    if (receipts->count < receipts->room && receipts->count < receipts->max)
        return PT_OK;
    /* Only worth its reading of all slots when some are given up by it. */
    forget_idle(receipts, now_ms);
    if (receipts->count >= receipts->max)
        return PT_E_FULL;
    if (receipts->count <= receipts->room / 2)
        return PT_OK;
    return grow(receipts, 2 * receipts->room);
}

static enum pt_err slot_get(struct receipts *receipts, const char *device,
                            uint64_t generation, int64_t now_ms, uint32_t *ret)
{
    uint32_t known = receipts->index[find_place(receipts, device, generation)];
    if (known != UINT32_MAX) {
        *ret = known;
        return PT_OK;
    }
    enum pt_err err = make_room(receipts, now_ms);
    if (err != PT_OK)
        return err;
    uint32_t slot = (uint32_t)receipts->count;
    struct waiting *w = &receipts->slots[slot];
    *w = (struct waiting){.generation = generation};
    memccpy(w->device, device, '\0', sizeof(w->device) - 1);
    receipts->due_ms[slot] = NOTHING_DUE;
    receipts->index[find_place(receipts, w->device, generation)] = slot;
    receipts->count++;
    *ret = slot;
    return PT_OK;
}

/* ------------------------------------------------------------------ the
 * schedule */
static int64_t due_at(const struct receipts *receipts, const struct waiting *w,
                      bool at_once, int64_t now_ms)
{
    if (at_once || !w->sent_before || now_ms - w->sent_ms >= receipts->every_ms)
        return now_ms;
    int64_t due_ms = w->sent_ms + receipts->every_ms + RECEIPTS_GRAIN_MS - 1;
    return due_ms - due_ms % RECEIPTS_GRAIN_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum pt_err receipts_put(struct receipts *receipts,
                         const struct store_receipt *receipt, int64_t now_ms)
{
    uint8_t bytes[PT_RECEIPT_BYTES_MAX];
    size_t size;
    enum pt_err err =
        pt_receipt_encode(&receipt->receipt, bytes, sizeof(bytes), &size);
    if (err != PT_OK)
        return err;
    uint32_t slot;
    err = slot_get(receipts, receipt->device_name, receipt->receipt.generation,
                   now_ms, &slot);
    if (err != PT_OK)
        return err;
    struct waiting *w = &receipts->slots[slot];
    uint8_t *copy = realloc(w->bytes, size);
    if (copy == NULL)
        return PT_E_NOMEM;
    memcpy(copy, bytes, size);
    if (w->bytes == NULL)
        receipts->waiting++;
    w->bytes = copy;
    w->size = size;
    int64_t due_ms =
        due_at(receipts, w, receipt->urgent || receipt->backlog, now_ms);
    /* One that was urgent stays so when a routine one replaces it. */
    receipts->due_ms[slot] = earlier(due_ms, receipts->due_ms[slot]);
    receipts->next_due_ms = earlier(due_ms, receipts->next_due_ms);
    receipts->scan_due_ms = earlier(due_ms, receipts->scan_due_ms);
    return PT_OK;
}

/* One pass over the slots, interrupted at each that is due: a thousand due at
 * once are still one pass. */
bool receipts_next(struct receipts *receipts, int64_t now_ms,
                   struct receipts_due *ret)
{
    if (now_ms < receipts->next_due_ms)
        return false;
    if (receipts->scanned == 0)
        receipts->scan_due_ms = NOTHING_DUE;
    for (; receipts->scanned < receipts->count; receipts->scanned++) {
        size_t slot = receipts->scanned;
        int64_t due_ms = receipts->due_ms[slot];
        if (due_ms <= now_ms) {
            const struct waiting *w = &receipts->slots[slot];
            *ret = (struct receipts_due){slot, w->device, w->bytes, w->size};
            return true;
        }
        receipts->scan_due_ms = earlier(due_ms, receipts->scan_due_ms);
    }
    receipts->scanned = 0;
    receipts->next_due_ms = receipts->scan_due_ms;
    return false;
}

void receipts_sent(struct receipts *receipts, size_t slot, int64_t now_ms)
{
    struct waiting *w = &receipts->slots[slot];
    free(w->bytes);
    w->bytes = NULL;
    w->size = 0;
    w->sent_before = true;
    w->sent_ms = now_ms;
    receipts->due_ms[slot] = NOTHING_DUE;
    receipts->waiting--;
}

int64_t receipts_wait(const struct receipts *receipts, int64_t now_ms)
{
    if (receipts->waiting == 0)
        return -1;
    int64_t wait_ms = receipts->next_due_ms - now_ms;
    return wait_ms > 0 ? wait_ms : 0;
}

size_t receipts_waiting(const struct receipts *receipts)
{
    return receipts->waiting;
}

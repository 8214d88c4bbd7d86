#include "sim.h"
#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 8
#define CAPACITY_KEPT 64 /* when empty; more goes back after an outage */

void box_init(struct box *box)
{
    *box = (struct box){.next = 1};
}

void box_clear(struct box *box)
{
    free(box->slots);
    box->slots = NULL;
    box->capacity = box->first = box->used = 0;
}

static struct box_slot *slot(const struct box *box, size_t i)
{
    return &box->slots[(box->first + i) % box->capacity];
}

static enum pt_err grow(struct box *box)
{
    size_t capacity = box->capacity == 0 ? CAPACITY_LEAST : 2 * box->capacity;
    struct box_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < box->used; i++)
        slots[i] = *slot(box, i);
    free(box->slots);
    box->slots = slots;
    box->capacity = capacity;
    box->first = 0;
    return PT_OK;
}

/* What is receipted at the front leaves the ring. */
static void tidy(struct box *box)
{
    while (box->used > 0 && box->slots[box->first].entry.seq == 0) {
        box->first = (box->first + 1) % box->capacity;
        box->used--;
    }
    if (box->used == 0 && box->capacity > CAPACITY_KEPT)
        box_clear(box);
}

enum pt_err box_put(struct box *box, const struct pt_entry *entry, size_t max,
                    uint64_t *seq)
{
    if (box->used == box->capacity && box->used < max) {
        enum pt_err err = grow(box);
        if (err != PT_OK)
            return err;
    }
    if (box->used == box->capacity || box->used >= max) {
        box->slots[box->first].entry.seq = 0;
        box->held--;
        box->dropped++;
        tidy(box);
    }
    struct box_slot *at = slot(box, box->used);
    *at = (struct box_slot){.entry = *entry};
    at->entry.seq = box->next++;
    box->used++;
    box->held++;
    *seq = at->entry.seq;
    return PT_OK;
}

/* Numbers in the ring follow each other without a hole, receipted or not, so
 * an entry's place follows from its number. */
static uint64_t front(const struct box *box)
{
    return box->next - box->used;
}

size_t box_read(const struct box *box, uint64_t from, uint64_t to, size_t max,
                struct pt_entry *entries)
{
    uint64_t low = from > front(box) ? from : front(box);
    size_t count = 0;
    for (uint64_t seq = low; seq < box->next && seq <= to && count < max;
         seq++) {
        const struct pt_entry *entry =
            &slot(box, (size_t)(seq - front(box)))->entry;
        if (entry->seq != 0)
            entries[count++] = *entry;
    }
    return count;
}

bool box_note_sent(struct box *box, uint64_t seq)
{
    if (seq < front(box) || seq >= box->next)
        return false;
    struct box_slot *at = slot(box, (size_t)(seq - front(box)));
    bool before = at->sent;
    at->sent = true;
    return before;
}

static size_t forget_range(struct box *box, uint64_t first, uint64_t last)
{
    size_t count = 0;
    uint64_t low = first > front(box) ? first : front(box);
    for (uint64_t seq = low; seq < box->next && seq <= last; seq++) {
        struct pt_entry *entry = &slot(box, (size_t)(seq - front(box)))->entry;
        count += entry->seq != 0;
        entry->seq = 0;
    }
    return count;
}

enum pt_err box_forget(struct box *box, const struct pt_receipt *receipt,
                       size_t *ret)
{
    uint64_t highest = receipt->stored_to;
    if (receipt->range_count > 0)
        highest = receipt->ranges[receipt->range_count - 1].last;
    if (highest >= box->next)
        return PT_E_RANGE;
    size_t count = forget_range(box, 1, receipt->stored_to);
    for (size_t i = 0; i < receipt->range_count; i++)
        count += forget_range(box, receipt->ranges[i].first,
                              receipt->ranges[i].last);
    box->held -= count;
    tidy(box);
    *ret = count;
    return PT_OK;
}

uint64_t box_lowest(const struct box *box)
{
    return front(box);
}

uint64_t box_highest(const struct box *box)
{
    return box->next - 1;
}

int64_t box_oldest_ms(const struct box *box)
{
    return box->used == 0 ? 0 : box->slots[box->first].entry.time_ms;
}

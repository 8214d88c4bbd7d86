#include "ledger.h"
#include "outbox_internal.h"
#include <string.h>

/* An entry keeps the generation and the number that it was first sent under,
 * whatever becomes of the file: under another it would be stored once more.
 * So what is carried into a file stays of the generation it was put in, and
 * the outbox's own numbers, by which it orders all it holds, are those of the
 * wire plus what the generation's era says. */

/* ---- the list ---- */

size_t era_of(const struct file_meta *meta, uint64_t number)
{
    size_t i = meta->era_count - 1;
    while (i > 0 && meta->eras[i].first > number)
        i--;
    return i;
}

struct pt_range era_numbers(const struct file_meta *meta, size_t i)
{
    uint64_t last =
        i + 1 < meta->era_count ? meta->eras[i + 1].first - 1 : INT64_MAX;
    return (struct pt_range){meta->eras[i].first, last};
}

void eras_shorten(struct file_meta *meta, size_t by)
{
    meta->era_count -= by;
    memmove(meta->eras, meta->eras + by, meta->era_count * sizeof *meta->eras);
}

void eras_trim(struct file_meta *meta, uint64_t lowest)
{
    eras_shorten(meta, era_of(meta, lowest));
}

const struct era *era_in_use(const struct file_meta *meta)
{
    return &meta->eras[meta->era_count - 1];
}

/* ---- who is who ---- */

uint64_t outbox_generation(const struct outbox *box)
{
    return era_in_use(&box->meta)->generation;
}

/* Where older generations are still held, their successor's lowest is not
 * looked for: its first number closes nothing, and its turn comes. */
static uint64_t lowest_held(const struct outbox *box, uint64_t generation)
{
    uint64_t lowest = box->unseen > 0 ? box->unseen : outbox_lowest(box);
    const struct file_meta *meta = &box->meta;
    for (size_t i = era_of(meta, lowest); i < meta->era_count; i++) {
        const struct era *era = &meta->eras[i];
        if (era->generation == generation)
            return (era->first > lowest ? era->first : lowest) - era->shift;
    }
    return 1; /* not reached: what is held is of a known generation */
}

uint64_t outbox_sign(const struct outbox *box, struct pt_report *report)
{
    const struct file_meta *meta = &box->meta;
    const struct era *era = era_in_use(meta);
    struct pt_entry *entries = report->entries;
    uint64_t last = 0;
    size_t count = 0;
    if (report->count > 0) {
        size_t i = era_of(meta, entries[0].seq);
        era = &meta->eras[i];
        uint64_t end = era_numbers(meta, i).last;
        while (count < report->count && entries[count].seq <= end) {
            last = entries[count].seq;
            entries[count++].seq -= era->shift;
        }
    }
    report->count = count;
    report->generation = era->generation;
    report->lowest_held = lowest_held(box, era->generation);
    return last;
}

/* The range as numbers of ours, as far as they are of era `i`; false: none
 * are. */
static bool range_here(const struct file_meta *meta, size_t i,
                       struct pt_range named, struct pt_range *ret)
{
    struct pt_range own = era_numbers(meta, i);
    uint64_t shift = meta->eras[i].shift;
    ret->first =
        named.first + shift > own.first ? named.first + shift : own.first;
    ret->last = named.last + shift < own.last ? named.last + shift : own.last;
    return ret->first <= ret->last;
}

void named_here(const struct file_meta *meta, size_t i,
                const struct ledger *receipt, struct named *ret)
{
    struct pt_range range = {1, receipt->stored_to};
    ret->count = 0;
    if (receipt->stored_to > 0 && range_here(meta, i, range, &ret->ranges[0]))
        ret->count = 1;
    ret->from_the_first = ret->count == 1;
    for (size_t k = 0; k < receipt->range_count; k++) {
        if (range_here(meta, i, receipt->ranges[k], &ret->ranges[ret->count]))
            ret->count++;
    }
}

bool is_named(const struct named *named, uint64_t number)
{
    for (size_t i = 0; i < named->count; i++) {
        if (number >= named->ranges[i].first && number <= named->ranges[i].last)
            return true;
    }
    return false;
}

uint64_t era_highest(const struct outbox *box, uint64_t generation)
{
    const struct file_meta *meta = &box->meta;
    uint64_t highest = 0;
    for (size_t i = 0; i < meta->era_count; i++) {
        const struct era *era = &meta->eras[i];
        bool in_use = i + 1 == meta->era_count;
        uint64_t end = in_use ? box->next - 1 : era_numbers(meta, i).last;
        if (era->generation == generation && end - era->shift > highest)
            highest = end - era->shift;
    }
    return highest;
}

bool era_is_known(const struct outbox *box, uint64_t generation)
{
    for (size_t i = 0; i < box->meta.era_count; i++) {
        if (box->meta.eras[i].generation == generation)
            return true;
    }
    return false;
}

bool outbox_place(const struct outbox *box, const struct pt_receipt *receipt,
                  struct pt_receipt *ret)
{
    const struct file_meta *meta = &box->meta;
    struct ledger ledger;
    struct named named = {0};
    ledger_init(&ledger);
    if (!era_is_known(box, receipt->generation) ||
        ledger_merge(&ledger, receipt) != PT_OK)
        return false;
    for (size_t i = 0; i < meta->era_count; i++) {
        if (meta->eras[i].generation == receipt->generation)
            named_here(meta, i, &ledger, &named);
    }
    *ret = (struct pt_receipt){.generation = receipt->generation};
    while (ret->range_count < named.count &&
           ret->range_count < PT_RECEIPT_RANGES_MAX) {
        ret->ranges[ret->range_count] = named.ranges[ret->range_count];
        ret->range_count++;
    }
    return true;
}

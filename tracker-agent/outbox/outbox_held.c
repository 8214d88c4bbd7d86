#include "ledger.h"
#include "outbox_internal.h"
#include <stdlib.h>
#include <string.h>

/* A put drops at most this many, so that a limit that was lowered, or a
 * vehicle that stood for weeks, does not hold up the loop. */
#define DROPS_A_PUT 256

void held_free_details(struct outbox *box)
{
    details_free(box->details);
    box->details = NULL;
}

/* ---- dropping, and what is lowest ---- */

/* Rows at or below `floor` are gone, read again or not. */
static void raise_floor(struct outbox *box, uint64_t to)
{
    if (to > box->floor) {
        box->floor = to;
        box->floor_moved = true;
    }
}

static void drop_row(struct outbox *box, uint64_t seq)
{
    raise_floor(box, seq);
    box->dropped++;
    if (box->rows > 0)
        box->rows--;
}

void held_drop_pending(struct outbox *box)
{
    free((char *)box->pending[0].detail);
    box->pending_count--;
    memmove(box->pending, box->pending + 1,
            box->pending_count * sizeof *box->pending);
    box->dropped++;
    if (box->rows == 0 && box->pending_count > 0)
        box->head = box->pending[0];
}

/* Reads the lowest row; rows that do not fit their checksum go. */
static enum pt_err find_head_row(struct outbox *box)
{
    enum pt_err err = PT_OK;
    size_t count = 0;
    uint64_t bad = 0;
    do {
        struct detail *details = NULL;
        err = file_read(&box->file, box->floor + 1, 1, &box->head, &details,
                        &count, &bad);
        details_free(details);
        if (err == PT_OK && bad != 0)
            drop_row(box, bad);
    } while (err == PT_OK && bad != 0);
    if (err == PT_OK && count == 0)
        box->rows = 0; /* fewer than counted: a row was lost to damage */
    return err;
}

/* After anything that may have taken the lowest away. */
enum pt_err held_find_head(struct outbox *box)
{
    enum pt_err err = PT_OK;
    if (box->rows > 0)
        err = find_head_row(box);
    if (err == PT_OK && box->rows == 0 && box->pending_count > 0)
        box->head = box->pending[0];
    box->head.detail = NULL;
    return err;
}

void held_drop_pending_below(struct outbox *box, uint64_t number)
{
    while (box->pending_count > 0 && box->pending[0].seq < number)
        held_drop_pending(box);
}

static enum pt_err drop_oldest(struct outbox *box)
{
    if (box->rows > 0)
        drop_row(box, box->head.seq);
    else
        held_drop_pending(box);
    return held_find_head(box);
}

static bool now_by_entries(const struct outbox *box, int64_t *ret)
{
    if (box->recent_count < RECENT)
        return false;
    *ret = box->recent_ms[0];
    for (size_t i = 1; i < RECENT; i++) {
        if (box->recent_ms[i] < *ret)
            *ret = box->recent_ms[i];
    }
    return true;
}

static bool head_is_old(const struct outbox *box)
{
    int64_t now_ms = 0;
    return box->settings.age_max_ms > 0 &&
           (box->head.flags & PT_FLAG_CLOCK_UNSURE) == 0 &&
           now_by_entries(box, &now_ms) &&
           box->head.time_ms < now_ms - box->settings.age_max_ms;
}

enum pt_err held_keep_limits(struct outbox *box)
{
    enum pt_err err = PT_OK;
    for (int i = 0; i < DROPS_A_PUT && err == PT_OK; i++) {
        uint64_t depth = outbox_depth(box);
        if (depth <= 1 ||
            (depth <= box->settings.entries_max && !head_is_old(box)))
            break;
        err = drop_oldest(box);
    }
    return err;
}

void held_note_time(struct outbox *box, const struct pt_entry *entry)
{
    if ((entry->flags & PT_FLAG_CLOCK_UNSURE) == 0)
        box->recent_ms[box->recent_count++ % RECENT] = entry->time_ms;
}

/* ---- read ---- */

/* One row in the middle, unlike the lowest, leaves no floor behind. */
static enum pt_err drop_bad_row(struct outbox *box, uint64_t seq)
{
    struct pt_range range = {seq, seq};
    enum pt_err err = file_delete(&box->file, &range, 1);
    if (err != PT_OK)
        return err;
    box->dropped++;
    if (box->rows > 0)
        box->rows--;
    return seq == box->head.seq ? held_find_head(box) : PT_OK;
}

static enum pt_err read_rows(struct outbox *box, uint64_t from, size_t max,
                             struct pt_entry *entries, size_t *ret)
{
    enum pt_err err = PT_OK;
    size_t count = 0;
    uint64_t bad = 0;
    do {
        size_t more = 0;
        err = file_read(&box->file, from, max - count, entries + count,
                        &box->details, &more, &bad);
        if (err == PT_OK)
            count += more;
        if (err == PT_OK && bad != 0) {
            from = bad + 1;
            err = drop_bad_row(box, bad);
        }
    } while (err == PT_OK && bad != 0);
    if (err == PT_OK)
        *ret = count;
    return err;
}

enum pt_err outbox_read(struct outbox *box, uint64_t from, size_t max,
                        struct pt_entry *entries, size_t *ret)
{
    size_t count = 0;
    held_free_details(box);
    if (from <= box->floor)
        from = box->floor + 1;
    if (box->rows > 0 && max > 0) {
        enum pt_err err = read_rows(box, from, max, entries, &count);
        if (err != PT_OK)
            return outbox_mind_damage(box, err);
    }
    for (size_t i = 0; i < box->pending_count && count < max; i++) {
        if (box->pending[i].seq >= from)
            entries[count++] = box->pending[i];
    }
    *ret = count;
    return PT_OK;
}

/* ---- forget ---- */

static size_t forget_pending(struct outbox *box, const struct named *named)
{
    size_t kept = 0;
    size_t count = box->pending_count;
    for (size_t i = 0; i < count; i++) {
        if (is_named(named, box->pending[i].seq))
            free((char *)box->pending[i].detail);
        else
            box->pending[kept++] = box->pending[i];
    }
    box->pending_count = kept;
    return count - kept;
}

/* What is named above the floor. */
static size_t ranges_above(const struct outbox *box, const struct named *named,
                           struct pt_range *ranges)
{
    size_t count = 0;
    for (size_t i = 0; i < named->count; i++) {
        struct pt_range range = named->ranges[i];
        if (range.first <= box->floor)
            range.first = box->floor + 1;
        if (range.first <= range.last)
            ranges[count++] = range;
    }
    return count;
}

/* The rows stay in the file, and must not block those behind them. */
static void forget_in_memory(struct outbox *box, const struct named *named)
{
    struct pt_range first = named->ranges[0];
    uint64_t left = 0;
    if (!named->from_the_first || first.first > box->head.seq ||
        first.last <= box->floor ||
        file_count(&box->file, (struct pt_range){first.last + 1, INT64_MAX},
                   &left) != PT_OK)
        return;
    raise_floor(box, first.last);
    box->rows = left;
}

static enum pt_err forget_rows(struct outbox *box, const struct named *named,
                               size_t *ret)
{
    struct pt_range ranges[PT_RECEIPT_RANGES_MAX + 1];
    size_t range_count = ranges_above(box, named, ranges);
    enum pt_err err = PT_OK;
    uint64_t rows = 0;
    for (size_t i = 0; i < range_count && err == PT_OK; i++) {
        uint64_t more = 0;
        err = file_count(&box->file, ranges[i], &more);
        rows += more;
    }
    if (err == PT_OK && rows > 0) {
        err = file_delete(&box->file, ranges, range_count);
        if (err != PT_OK && err != PT_E_CORRUPT)
            forget_in_memory(box, named);
    }
    if (err != PT_OK)
        return err;
    box->rows -= rows < box->rows ? rows : box->rows;
    *ret += rows;
    return PT_OK;
}

/* Of each era that is of the receipt's generation. */
static enum pt_err forget_named(struct outbox *box, uint64_t generation,
                                const struct ledger *receipt, size_t *ret)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < box->meta.era_count && err == PT_OK; i++) {
        struct named named;
        if (box->meta.eras[i].generation != generation)
            continue;
        named_here(&box->meta, i, receipt, &named);
        *ret += forget_pending(box, &named);
        if (box->rows > 0)
            err = forget_rows(box, &named, ret);
    }
    /* Also after a failure: memory has changed. */
    enum pt_err head_err = held_find_head(box);
    return err == PT_OK ? head_err : err;
}

static uint64_t highest_named(const struct pt_receipt *receipt)
{
    size_t count = receipt->range_count;
    return count > 0 ? receipt->ranges[count - 1].last : receipt->stored_to;
}

enum pt_err outbox_forget(struct outbox *box, const struct pt_receipt *receipt,
                          size_t *ret)
{
    struct ledger named;
    size_t count = 0;
    held_free_details(box);
    if (!era_is_known(box, receipt->generation)) {
        *ret = 0;
        return PT_OK;
    }
    ledger_init(&named);
    if (ledger_merge(&named, receipt) != PT_OK)
        return PT_E_RANGE;
    /* Every receipt would name them from now on, so none could be believed:
     * in a generation of its own the outbox can be receipted again. */
    if (highest_named(receipt) > era_highest(box, receipt->generation)) {
        enum pt_err left = outbox_leave_generation(box, receipt->generation);
        (void)left; /* the next receipt tries again */
        return PT_E_RANGE;
    }
    enum pt_err err = forget_named(box, receipt->generation, &named, &count);
    if (err == PT_OK)
        *ret = count;
    return outbox_mind_damage(box, err);
}

/* ---- what is held ---- */

bool outbox_in_memory(const struct outbox *box)
{
    return !outbox_on_disk(box);
}

unsigned outbox_numbering(const struct outbox *box)
{
    return box->numbering;
}

size_t outbox_uncommitted(const struct outbox *box)
{
    return box->pending_count;
}

uint64_t outbox_depth(const struct outbox *box)
{
    return box->rows + box->pending_count;
}

uint64_t outbox_lowest(const struct outbox *box)
{
    return outbox_depth(box) > 0 ? box->head.seq : box->next;
}

uint64_t outbox_highest(const struct outbox *box)
{
    return box->last_put;
}

uint64_t outbox_dropped(const struct outbox *box)
{
    return box->dropped;
}

int64_t outbox_oldest_ms(const struct outbox *box)
{
    return outbox_depth(box) > 0 ? box->head.time_ms : 0;
}

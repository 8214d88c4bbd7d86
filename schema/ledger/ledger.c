#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){0};
}

/* The first range that ends at `seq` or above it; range_count when none. */
static size_t range_at(const struct ledger *ledger, uint64_t seq)
{
    size_t low = 0, high = ledger->range_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ledger->ranges[middle].last < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ledger_has(const struct ledger *ledger, uint64_t seq)
{
    size_t i = range_at(ledger, seq);

    return seq <= ledger->stored_to ||
           (i < ledger->range_count && ledger->ranges[i].first <= seq);
}

static void remove_ranges(struct ledger *ledger, size_t at, size_t count)
{
    memmove(&ledger->ranges[at], &ledger->ranges[at + count],
            (ledger->range_count - at - count) * sizeof ledger->ranges[0]);
    ledger->range_count -= count;
}

/* Ranges that stored_to has reached become part of it. */
static void absorb(struct ledger *ledger)
{
    size_t count = 0;

    while (count < ledger->range_count &&
           ledger->ranges[count].first <= ledger->stored_to + 1) {
        if (ledger->ranges[count].last > ledger->stored_to)
            ledger->stored_to = ledger->ranges[count].last;
        count++;
    }
    remove_ranges(ledger, 0, count);
}

/* Adds [first, last], both above stored_to + 1, joining what it touches. */
static enum pt_err add_range(struct ledger *ledger, struct pt_range added)
{
    size_t at = range_at(ledger, added.first - 1);
    size_t end = at;

    while (end < ledger->range_count &&
           ledger->ranges[end].first <= added.last + 1)
        end++;
    if (at == end) {
        if (ledger->range_count == LEDGER_RANGES_MAX)
            return PT_E_FULL;
        memmove(&ledger->ranges[at + 1], &ledger->ranges[at],
                (ledger->range_count - at) * sizeof ledger->ranges[0]);
        ledger->range_count++;
        ledger->ranges[at] = added;
        return PT_OK;
    }
    if (ledger->ranges[at].first < added.first)
        added.first = ledger->ranges[at].first;
    if (ledger->ranges[end - 1].last > added.last)
        added.last = ledger->ranges[end - 1].last;
    ledger->ranges[at] = added;
    remove_ranges(ledger, at + 1, end - at - 1);
    return PT_OK;
}

enum pt_err ledger_add(struct ledger *ledger, uint64_t seq)
{
    if (seq == 0 || seq > PT_SEQ_MAX)
        return PT_E_RANGE;
    if (seq <= ledger->stored_to)
        return PT_OK;
    if (seq > ledger->stored_to + 1)
        return add_range(ledger, (struct pt_range){seq, seq});
    ledger->stored_to = seq;
    absorb(ledger);
    return PT_OK;
}

uint64_t ledger_close_below(struct ledger *ledger, uint64_t lowest)
{
    uint64_t closed, last;

    if (lowest > PT_SEQ_MAX + 1)
        lowest = PT_SEQ_MAX + 1;
    if (lowest <= ledger->stored_to + 1)
        return 0;
    last = lowest - 1;
    closed = last - ledger->stored_to;
    for (size_t i = 0; i < ledger->range_count; i++) {
        struct pt_range r = ledger->ranges[i];
        if (r.first > last)
            break;
        closed -= (r.last < last ? r.last : last) - r.first + 1;
    }
    ledger->stored_to = last;
    absorb(ledger);
    return closed;
}

void ledger_to_receipt(const struct ledger *ledger, uint64_t generation,
                       struct pt_receipt *ret)
{
    *ret = (struct pt_receipt){.generation = generation,
                               .stored_to = ledger->stored_to,
                               .range_count = ledger->range_count};
    memcpy(ret->ranges, ledger->ranges,
           ledger->range_count * sizeof ledger->ranges[0]);
}

/* Appends a range that begins at or above all that `ledger` has. */
static enum pt_err append(struct ledger *ledger, struct pt_range r)
{
    uint64_t *end = ledger->range_count == 0
                        ? &ledger->stored_to
                        : &ledger->ranges[ledger->range_count - 1].last;

    if (r.first <= *end + 1) {
        if (r.last > *end)
            *end = r.last;
        return PT_OK;
    }
    if (ledger->range_count == LEDGER_RANGES_MAX)
        return PT_E_FULL;
    ledger->ranges[ledger->range_count++] = r;
    return PT_OK;
}

static bool receipt_possible(const struct pt_receipt *receipt)
{
    uint64_t end = receipt->stored_to;

    if (end > PT_SEQ_MAX || receipt->range_count > PT_RECEIPT_RANGES_MAX)
        return false;
    for (size_t i = 0; i < receipt->range_count; i++) {
        struct pt_range r = receipt->ranges[i];
        if (r.first <= end || r.last < r.first || r.last > PT_SEQ_MAX)
            return false;
        end = r.last;
    }
    return true;
}

/* Both lists ascend: the one that begins lower goes first. Adding range by
 * range in place could need more room on the way than the union does. */
enum pt_err ledger_merge(struct ledger *ledger,
                         const struct pt_receipt *receipt)
{
    struct ledger merged = {.stored_to = ledger->stored_to};
    size_t a = 0, b = 0;
    enum pt_err err = PT_OK;

    if (!receipt_possible(receipt))
        return PT_E_RANGE;
    if (receipt->stored_to > merged.stored_to)
        merged.stored_to = receipt->stored_to;
    while (err == PT_OK &&
           (a < ledger->range_count || b < receipt->range_count)) {
        if (b == receipt->range_count ||
            (a < ledger->range_count &&
             ledger->ranges[a].first <= receipt->ranges[b].first))
            err = append(&merged, ledger->ranges[a++]);
        else
            err = append(&merged, receipt->ranges[b++]);
    }
    if (err == PT_OK)
        *ledger = merged;
    return err;
}

enum pt_err ledger_ranges_text(const struct ledger *ledger, char *out,
                               size_t size)
{
    size_t used = 0;

    if (size < 3)
        return PT_E_FULL;
    out[used++] = '{';
    for (size_t i = 0; i < ledger->range_count; i++) {
        const struct pt_range *r = &ledger->ranges[i];
        int n = snprintf(out + used, size - used, "%s[%" PRIu64 ",%" PRIu64 ")",
                         i > 0 ? "," : "", r->first, r->last + 1);
        /* Room must stay for the closing brace and the final 0. */
        if (n < 0 || (size_t)n + 2 > size - used)
            return PT_E_FULL;
        used += (size_t)n;
    }
    out[used++] = '}';
    out[used] = '\0';
    return PT_OK;
}

/* Takes the text `expected` at *at. */
static bool take_char(const char **at, char expected)
{
    if (**at != expected)
        return false;
    ++*at;
    return true;
}

/* Takes a number of 1..PT_SEQ_MAX + 1, digits only. */
static bool take_number(const char **at, uint64_t *ret)
{
    char *end;

    if (**at < '1' || **at > '9')
        return false;
    errno = 0;
    *ret = strtoull(*at, &end, 10);
    if (errno != 0 || *ret > PT_SEQ_MAX + 1)
        return false;
    *at = end;
    return true;
}

static bool take_range(const char **at, struct ledger *ledger)
{
    uint64_t first, end;
    uint64_t least = ledger->range_count == 0
                         ? ledger->stored_to
                         : ledger->ranges[ledger->range_count - 1].last;

    if (ledger->range_count == LEDGER_RANGES_MAX || !take_char(at, '[') ||
        !take_number(at, &first) || !take_char(at, ',') ||
        !take_number(at, &end) || !take_char(at, ')'))
        return false;
    /* Apart: at least one number is missing before each range. */
    if (first <= least + 1 || end <= first)
        return false;
    ledger->ranges[ledger->range_count++] = (struct pt_range){first, end - 1};
    return true;
}

enum pt_err ledger_parse(uint64_t stored_to, const char *ranges,
                         struct ledger *ret)
{
    struct ledger ledger = {.stored_to = stored_to};

    if (stored_to > PT_SEQ_MAX || !take_char(&ranges, '{'))
        return PT_E_MALFORMED;
    while (*ranges != '}') {
        if (ledger.range_count > 0 && !take_char(&ranges, ','))
            return PT_E_MALFORMED;
        if (!take_range(&ranges, &ledger))
            return PT_E_MALFORMED;
    }
    if (ranges[1] != '\0')
        return PT_E_MALFORMED;
    *ret = ledger;
    return PT_OK;
}

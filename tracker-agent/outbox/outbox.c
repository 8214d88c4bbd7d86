#include "outbox.h"
#include "outbox_internal.h"
#include "pt_log.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PATH_BYTES_MAX 1000
/* Puts whose least time is "now" for the age limit. */
#define RECENT 8
/* A put drops at most this many, so that a limit that was lowered, or a
 * vehicle that stood for weeks, does not hold up the loop. */
#define DROPS_A_PUT 256

/* Held are the file's rows above `floor` and, all numbered higher, the
 * entries in `pending`. Raising `floor` is how rows are dropped: at once, and
 * on disk together with the count in the next commit. */
struct outbox {
    char *path;
    struct outbox_settings settings; /* its path is not used */
    struct file file;                /* not open: memory alone */
    bool file_is_other;    /* PATH holds another generation: not ours again */
    struct file_meta meta; /* as it stands in the file, or would */
    uint64_t dropped;      /* meta.dropped and what no commit told yet */
    uint64_t next;
    uint64_t last_put;
    uint64_t floor;
    uint64_t rows;
    struct pt_entry *pending; /* ascending; owns its details */
    size_t pending_count, pending_room;
    struct pt_entry head; /* the lowest held, without its detail */
    bool unsafe;          /* the last writing failed */
    bool floor_moved;     /* rows at or below `floor` are still in the file */
    int64_t recent_ms[RECENT];
    size_t recent_count; /* since the start; the last RECENT are kept */
    struct detail *details;
};

static bool on_disk(const struct outbox *box)
{
    return box->file.db != NULL;
}

static void free_details(struct outbox *box)
{
    details_free(box->details);
    box->details = NULL;
}

/* 63 bits, not 0. */
static enum pt_err draw_generation(uint64_t *ret)
{
    uint64_t drawn = 0;
    do {
        if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
            return PT_E_SYSTEM;
        drawn &= INT64_MAX;
    } while (drawn == 0);
    *ret = drawn;
    return PT_OK;
}

/* ---- a new generation under way ---- */

static enum pt_err renumber(struct outbox *box)
{
    enum pt_err err = draw_generation(&box->meta.generation);
    if (err != PT_OK)
        return err;
    box->meta.reserved_to = OUTBOX_BLOCK;
    box->meta.dropped = box->dropped = 0;
    box->next = 1;
    box->floor = box->rows = 0;
    box->floor_moved = false;
    for (size_t i = 0; i < box->pending_count; i++)
        box->pending[i].seq = box->next++;
    box->last_put = box->next - 1;
    if (box->pending_count > 0)
        box->head = box->pending[0];
    return PT_OK;
}

/* Makes the file of a generation that so far lived in memory alone. */
static enum pt_err make_file(struct outbox *box)
{
    struct file_meta meta = box->meta;
    meta.reserved_to = box->next - 1 + OUTBOX_BLOCK;
    enum pt_err err = file_open(&box->file, box->path, &meta);
    if (err == PT_OK && meta.generation != box->meta.generation) {
        file_close(&box->file);
        box->file_is_other = true;
        err = PT_E_DISK;
    }
    if (err == PT_OK)
        box->meta = meta;
    box->unsafe = err != PT_OK;
    return err;
}

/* The numbers are used up and the disk takes no reservation. */
static enum pt_err go_on_in_memory(struct outbox *box)
{
    unsigned long long rows = box->rows;
    enum pt_err err = renumber(box);
    if (err != PT_OK)
        return err;
    file_close(&box->file);
    box->file_is_other = true;
    box->unsafe = true;
    pt_log(PT_LOG_ERROR,
           "outbox %s cannot be written, goes on in memory; %llu entries stay"
           " in the file until the next start",
           box->path, rows);
    return PT_OK;
}

/* Passes `err` on; when it says that the file is damaged, a new one stands
 * (or at least a new generation in memory) before the caller hears of it. */
static enum pt_err mind_damage(struct outbox *box, enum pt_err err)
{
    if (err != PT_E_CORRUPT || !on_disk(box))
        return err;
    free_details(box);
    file_close(&box->file);
    box->file_is_other = true;
    if (renumber(box) != PT_OK)
        return PT_E_SYSTEM;
    box->file_is_other = false;
    if (file_put_aside(box->path) != PT_OK)
        box->file_is_other = true;
    else if (make_file(box) != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox %s cannot be made anew yet", box->path);
    if (!on_disk(box))
        box->unsafe = true;
    return PT_E_CORRUPT;
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

static void drop_pending(struct outbox *box)
{
    free((char *)box->pending[0].detail);
    box->pending_count--;
    memmove(box->pending, box->pending + 1,
            box->pending_count * sizeof *box->pending);
    box->dropped++;
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
static enum pt_err find_head(struct outbox *box)
{
    enum pt_err err = PT_OK;
    if (box->rows > 0)
        err = find_head_row(box);
    if (err == PT_OK && box->rows == 0 && box->pending_count > 0)
        box->head = box->pending[0];
    box->head.detail = NULL;
    return err;
}

static enum pt_err drop_oldest(struct outbox *box)
{
    if (box->rows > 0)
        drop_row(box, box->head.seq);
    else
        drop_pending(box);
    return find_head(box);
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

static enum pt_err keep_limits(struct outbox *box)
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

/* ---- open and close ---- */

/* What the last run may have used is skipped; a clean close left nothing to
 * skip. */
static enum pt_err take_up(struct outbox *box)
{
    box->dropped = box->meta.dropped;
    box->next = box->meta.reserved_to + 1;
    box->meta.reserved_to += OUTBOX_BLOCK;
    box->last_put = box->meta.last > 0 ? box->meta.last : box->next - 1;
    enum pt_err err = file_write(&box->file, 0, NULL, 0, &box->meta, true);
    if (err == PT_OK)
        err =
            file_count(&box->file, (struct pt_range){0, INT64_MAX}, &box->rows);
    return err == PT_OK ? find_head(box) : err;
}

static enum pt_err open_file(struct outbox *box)
{
    box->meta = (struct file_meta){0};
    enum pt_err err = draw_generation(&box->meta.generation);
    if (err == PT_OK)
        err = file_open(&box->file, box->path, &box->meta);
    if (err == PT_OK)
        err = take_up(box);
    return err;
}

static enum pt_err settings_check(const struct outbox_settings *settings)
{
    bool right = settings->path != NULL && settings->path[0] != 0 &&
                 strlen(settings->path) <= PATH_BYTES_MAX &&
                 settings->entries_max > 0 && settings->age_max_ms >= 0;
    return right ? PT_OK : PT_E_CONFIG;
}

static void dispose(struct outbox *box)
{
    if (box == NULL)
        return;
    free_details(box);
    file_close(&box->file);
    for (size_t i = 0; i < box->pending_count; i++)
        free((char *)box->pending[i].detail);
    free(box->pending);
    free(box->path);
    free(box);
}

enum pt_err outbox_open(const struct outbox_settings *settings,
                        struct outbox **ret, _Bool *was_damaged)
{
    bool damaged = false;
    enum pt_err err = settings_check(settings);
    if (err != PT_OK)
        return err;
    struct outbox *box = calloc(1, sizeof *box);
    if (box == NULL)
        return PT_E_NOMEM;
    box->settings = *settings;
    box->path = strdup(settings->path);
    if (box->path == NULL) {
        err = PT_E_NOMEM;
        goto out;
    }
    err = open_file(box);
    if (err == PT_E_CORRUPT) {
        damaged = true;
        file_close(&box->file);
        err = file_put_aside(box->path);
        if (err == PT_OK)
            err = open_file(box);
    }
    if (err != PT_OK)
        goto out;
    *ret = box;
    *was_damaged = damaged;
    box = NULL;
out:
    dispose(box);
    return err;
}

/* ---- commit ---- */

static void clear_pending(struct outbox *box)
{
    for (size_t i = 0; i < box->pending_count; i++)
        free((char *)box->pending[i].detail);
    box->pending_count = 0;
}

/* Pending entries become rows, with numbers reserved up to `reserve_to`. */
static enum pt_err write_group(struct outbox *box, uint64_t reserve_to)
{
    struct file_meta meta = box->meta;
    meta.reserved_to = reserve_to;
    meta.dropped = box->dropped;
    enum pt_err err = file_write(&box->file, box->floor_moved ? box->floor : 0,
                                 box->pending, box->pending_count, &meta,
                                 reserve_to != box->meta.reserved_to);
    box->unsafe = err != PT_OK;
    if (err != PT_OK)
        return err;
    box->meta = meta;
    box->floor_moved = false;
    box->rows += box->pending_count;
    clear_pending(box);
    return PT_OK;
}

/* A group takes the next block along when half of the last is used. */
static uint64_t reservation(const struct outbox *box)
{
    uint64_t used = box->next - 1;
    if (box->meta.reserved_to - used < OUTBOX_BLOCK / 2)
        return used + OUTBOX_BLOCK;
    return box->meta.reserved_to;
}

enum pt_err outbox_commit(struct outbox *box)
{
    enum pt_err err = PT_OK;
    free_details(box);
    if (!on_disk(box))
        err = box->file_is_other ? PT_E_DISK : make_file(box);
    if (err != PT_OK)
        return PT_E_DISK;
    if (box->pending_count == 0 && !box->floor_moved &&
        box->dropped == box->meta.dropped && !box->unsafe)
        return PT_OK;
    return mind_damage(box, write_group(box, reservation(box)));
}

void outbox_close(struct outbox *box)
{
    if (box == NULL)
        return;
    enum pt_err err = outbox_commit(box);
    if (err == PT_OK) /* gives back what was reserved and not used */
        err = write_group(box, box->next - 1);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox %s closed with %zu entries unwritten: %s",
               box->path, box->pending_count, pt_strerror(err));
    dispose(box);
}

/* ---- put ---- */

static enum pt_err make_room(struct outbox *box)
{
    if (box->pending_count < box->pending_room)
        return PT_OK;
    size_t room = box->pending_room > 0 ? box->pending_room * 2 : 64;
    struct pt_entry *pending =
        realloc(box->pending, room * sizeof *box->pending);
    if (pending == NULL)
        return PT_E_NOMEM;
    box->pending = pending;
    box->pending_room = room;
    return PT_OK;
}

/* Numbers are used only after a committed transaction has reserved them. In
 * memory alone nothing can be read twice, so nothing is reserved. */
static enum pt_err ensure_number(struct outbox *box)
{
    if (!on_disk(box) || box->next <= box->meta.reserved_to)
        return PT_OK;
    enum pt_err err =
        mind_damage(box, write_group(box, box->next - 1 + OUTBOX_BLOCK));
    if (err == PT_OK || err == PT_E_CORRUPT) /* damaged: there is a new one */
        return PT_OK;
    return err == PT_E_NOMEM ? err : go_on_in_memory(box);
}

static void note_time(struct outbox *box, const struct pt_entry *entry)
{
    if ((entry->flags & PT_FLAG_CLOCK_UNSURE) == 0)
        box->recent_ms[box->recent_count++ % RECENT] = entry->time_ms;
}

/* There is room, and a number. Takes `detail` over. */
static void append(struct outbox *box, const struct pt_entry *entry,
                   char *detail)
{
    struct pt_entry *mine = &box->pending[box->pending_count++];
    *mine = *entry;
    mine->seq = box->next++;
    mine->detail = detail;
    if (box->unsafe)
        mine->flags |= PT_FLAG_UNSAFE;
    box->last_put = mine->seq;
    note_time(box, mine);
    if (box->rows == 0 && box->pending_count == 1)
        box->head = *mine;
}

enum pt_err outbox_put(struct outbox *box, const struct pt_entry *entry,
                       uint64_t *seq)
{
    char *detail = NULL;
    free_details(box);
    if (entry->detail != NULL && strlen(entry->detail) > PT_DETAIL_BYTES_MAX)
        return PT_E_RANGE;
    if (entry->detail != NULL && (detail = strdup(entry->detail)) == NULL)
        return PT_E_NOMEM;
    enum pt_err err = ensure_number(box);
    if (err == PT_OK && box->pending_count == OUTBOX_PENDING_MAX) {
        drop_pending(box);
        err = find_head(box);
    }
    if (err == PT_OK)
        err = make_room(box);
    if (err != PT_OK) {
        free(detail);
        return err;
    }
    append(box, entry, detail);
    /* What this finds wrong with the disk is the commit's to report: the
     * entry is held. */
    err = mind_damage(box, keep_limits(box));
    *seq = box->last_put;
    return PT_OK;
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
    return seq == box->head.seq ? find_head(box) : PT_OK;
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
    free_details(box);
    if (from <= box->floor)
        from = box->floor + 1;
    if (box->rows > 0 && max > 0) {
        enum pt_err err = read_rows(box, from, max, entries, &count);
        if (err != PT_OK)
            return mind_damage(box, err);
    }
    for (size_t i = 0; i < box->pending_count && count < max; i++) {
        if (box->pending[i].seq >= from)
            entries[count++] = box->pending[i];
    }
    *ret = count;
    return PT_OK;
}

/* ---- forget ---- */

static size_t forget_pending(struct outbox *box, const struct ledger *named)
{
    size_t kept = 0;
    size_t count = box->pending_count;
    for (size_t i = 0; i < count; i++) {
        if (ledger_has(named, box->pending[i].seq))
            free((char *)box->pending[i].detail);
        else
            box->pending[kept++] = box->pending[i];
    }
    box->pending_count = kept;
    return count - kept;
}

/* What is named, as ranges above the floor. */
static size_t ranges_named(const struct outbox *box, const struct ledger *named,
                           struct pt_range ranges[LEDGER_RANGES_MAX + 1])
{
    size_t count = 0;
    if (named->stored_to > box->floor)
        ranges[count++] = (struct pt_range){box->floor + 1, named->stored_to};
    for (size_t i = 0; i < named->range_count; i++) {
        struct pt_range range = named->ranges[i];
        if (range.first <= box->floor)
            range.first = box->floor + 1;
        if (range.first <= range.last)
            ranges[count++] = range;
    }
    return count;
}

/* The rows stay in the file, and must not block those behind them. */
static void forget_in_memory(struct outbox *box, uint64_t stored_to)
{
    uint64_t left = 0;
    if (stored_to <= box->floor ||
        file_count(&box->file, (struct pt_range){stored_to + 1, INT64_MAX},
                   &left) != PT_OK)
        return;
    raise_floor(box, stored_to);
    box->rows = left;
}

static enum pt_err forget_rows(struct outbox *box, const struct ledger *named,
                               size_t *ret)
{
    struct pt_range ranges[LEDGER_RANGES_MAX + 1];
    size_t range_count = ranges_named(box, named, ranges);
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
            forget_in_memory(box, named->stored_to);
    }
    if (err != PT_OK)
        return err;
    box->rows -= rows < box->rows ? rows : box->rows;
    *ret += rows;
    return PT_OK;
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
    free_details(box);
    if (receipt->generation != box->meta.generation) {
        *ret = 0;
        return PT_OK;
    }
    ledger_init(&named);
    if (highest_named(receipt) >= box->next ||
        ledger_merge(&named, receipt) != PT_OK)
        return PT_E_RANGE;
    enum pt_err err = PT_OK;
    count = forget_pending(box, &named);
    if (box->rows > 0)
        err = forget_rows(box, &named, &count);
    /* Also after a failure: memory has changed. */
    enum pt_err head_err = find_head(box);
    if (err == PT_OK)
        err = head_err;
    if (err == PT_OK)
        *ret = count;
    return mind_damage(box, err);
}

/* ---- what is held ---- */

uint64_t outbox_generation(const struct outbox *box)
{
    return box->meta.generation;
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

#ifndef OUTBOX_INTERNAL_H
#define OUTBOX_INTERNAL_H
/* Four parts: outbox_file.c and outbox_meta.c keep rows and who they are in
 * SQLite and know nothing of groups, limits and receipts; outbox_era.c knows
 * the numbers of each generation; outbox_held.c what is held (reading,
 * dropping, forgetting); outbox.c the rest (opening, putting, committing, and a
 * new generation under way). */
#include "outbox.h"
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

/* From number `first` on, to where the next era begins, entries are of
 * `generation`; there their numbers are less by `shift`. A generation may have
 * two: what of it stood in memory when its file was lost sight of comes after
 * what the file holds. */
struct era {
    uint64_t first, generation, shift;
};

struct file_meta {
    uint64_t reserved_to; /* numbers up to here may have been used */
    uint64_t dropped;
    uint64_t last; /* highest number in the file, 0 when empty; not written */
    size_t era_count; /* 1 or more; the last one is in use */
    struct era eras[OUTBOX_GENERATIONS_MAX];
};

enum file_statement {
    FILE_BEGIN,
    FILE_COMMIT,
    FILE_ROLLBACK,
    FILE_CHECKPOINT,
    FILE_PUT,
    FILE_READ,
    FILE_COUNT,
    FILE_DELETE,
    FILE_META_READ,
    FILE_META_WRITE,
    FILE_ERAS_READ,
    FILE_ERAS_DELETE,
    FILE_ERA_PUT,
    FILE_STATEMENTS
};

struct file {
    struct sqlite3 *db; /* NULL: not open */
    struct sqlite3_stmt *statements[FILE_STATEMENTS];
    bool lazy;        /* commits may be lost in a power cut, but never torn */
    size_t era_count; /* as they stand in it */
    struct era eras[OUTBOX_GENERATIONS_MAX];
};

/* Texts of what was read last; freed with the next reading. */
struct detail {
    struct detail *next;
    char text[];
};

/* ---- outbox_file.c, outbox_meta.c ---- */

/* Opens PATH and checks it; an absent or empty one is made with `meta`.
 * On success `meta` is the file's. PT_E_CORRUPT: damaged, file_put_aside()
 * it. On failure `file` is closed. */
PT_MUST_CHECK enum pt_err file_open(struct file *file, const char *path,
                                    struct file_meta *meta);
void file_close(struct file *file);

/* outbox_aside.c: renames PATH and what SQLite keeps beside it to
 * PATH.damaged-<time>, and removes the oldest of more than OUTBOX_DAMAGED_MAX.
 */
PT_MUST_CHECK enum pt_err file_put_aside(const char *path);

/* One transaction: rows up to `floor` go, `entries` come, `meta` stands. On
 * failure nothing has changed. `reserve`: also out of the write-ahead log
 * into the file itself, so that no loss of the log can take it back. */
PT_MUST_CHECK enum pt_err file_write(struct file *file, uint64_t floor,
                                     const struct pt_entry *entries,
                                     size_t count, const struct file_meta *meta,
                                     bool reserve);

/* Rows of the closed ranges go, in one transaction that need not survive a
 * power cut. */
PT_MUST_CHECK enum pt_err
file_delete(struct file *file, const struct pt_range *ranges, size_t count);

PT_MUST_CHECK enum pt_err file_count(struct file *file, struct pt_range range,
                                     uint64_t *ret);

/* Up to `max` rows with seq >= from. Stops before a row that cannot be
 * believed: `bad` is its number then, else 0. */
PT_MUST_CHECK enum pt_err file_read(struct file *file, uint64_t from,
                                    size_t max, struct pt_entry *entries,
                                    struct detail **details, size_t *ret,
                                    uint64_t *bad);

void details_free(struct detail *details);

/* ---- outbox_era.c ---- */

/* The era of a number; the first one's also for lower numbers. */
size_t era_of(const struct file_meta *meta, uint64_t number);
struct pt_range era_numbers(const struct file_meta *meta, size_t i);
const struct era *era_in_use(const struct file_meta *meta);

void eras_shorten(struct file_meta *meta, size_t by); /* the oldest go */
/* Those go that end below `lowest`. */
void eras_trim(struct file_meta *meta, uint64_t lowest);

/* What a receipt names of one era, in our numbers. */
struct named {
    size_t count;
    bool from_the_first; /* the first range begins where the era does */
    struct pt_range ranges[PT_RECEIPT_RANGES_MAX + 1];
};

struct ledger;
void named_here(const struct file_meta *meta, size_t i,
                const struct ledger *receipt, struct named *ret);
bool is_named(const struct named *named, uint64_t number);

/* ---- outbox.c ---- */

/* Puts whose least time is "now" for the age limit. */
#define RECENT 8

/* Held are the file's rows above `floor` and, all numbered higher, the
 * entries in `pending`. Raising `floor` is how rows are dropped: at once, and
 * on disk together with the count in the next commit. */
struct outbox {
    char *path;
    struct outbox_settings settings; /* its path is not used */
    struct file file;                /* not open: memory alone */
    struct file_meta meta;           /* as it stands in the file, or would */
    unsigned numbering;              /* outbox_numbering() */
    uint64_t dropped; /* meta.dropped and what no commit told yet */
    uint64_t next;
    uint64_t last_put;
    uint64_t floor;
    uint64_t rows;
    uint64_t unseen; /* the lowest row when the file was last seen, while it
                        is not; 0: none */
    struct pt_entry *pending; /* ascending; owns its details */
    size_t pending_count, pending_room;
    struct pt_entry head; /* the lowest held, without its detail */
    bool unsafe;          /* the last writing failed */
    bool floor_moved;     /* rows at or below `floor` are still in the file */
    int64_t recent_ms[RECENT];
    size_t recent_count; /* since the start; the last RECENT are kept */
    struct detail *details;
};

static inline bool outbox_on_disk(const struct outbox *box)
{
    return box->file.db != NULL;
}

/* Passes `err` on; when it says that the file is damaged, a new one stands
 * (or at least a new generation in memory) before the caller hears of it. */
PT_MUST_CHECK enum pt_err outbox_mind_damage(struct outbox *box,
                                             enum pt_err err);

/* All that is held of `generation` goes on under the same numbers in a new
 * one. On failure nothing has changed. */
PT_MUST_CHECK enum pt_err outbox_leave_generation(struct outbox *box,
                                                  uint64_t generation);

bool era_is_known(const struct outbox *box, uint64_t generation);
/* The highest number that was given in it, and may have been. */
uint64_t era_highest(const struct outbox *box, uint64_t generation);

/* ---- outbox_held.c ---- */

/* After anything that may have taken the lowest away: finds it again. */
PT_MUST_CHECK enum pt_err held_find_head(struct outbox *box);

/* Drops what is too much or too old, some of it at a time. */
PT_MUST_CHECK enum pt_err held_keep_limits(struct outbox *box);
void held_drop_pending(struct outbox *box); /* the oldest not on disk */
/* All in memory that is numbered below. */
void held_drop_pending_below(struct outbox *box, uint64_t number);

/* The age limit's clock. */
void held_note_time(struct outbox *box, const struct pt_entry *entry);

void held_free_details(struct outbox *box);

#endif

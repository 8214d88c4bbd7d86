#ifndef OUTBOX_INTERNAL_H
#define OUTBOX_INTERNAL_H
/* The outbox's file: rows and the one row of identity, in SQLite. Knows
 * nothing of groups, limits and receipts; outbox.c does. */
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

struct file_meta {
    uint64_t generation;
    uint64_t reserved_to; /* numbers up to here may have been used */
    uint64_t dropped;
    uint64_t last; /* highest number in the file, 0 when empty; not written */
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
    FILE_STATEMENTS
};

struct file {
    struct sqlite3 *db; /* NULL: not open */
    struct sqlite3_stmt *statements[FILE_STATEMENTS];
    bool lazy; /* commits may be lost in a power cut, but never torn */
};

/* Texts of what was read last; freed with the next reading. */
struct detail {
    struct detail *next;
    char text[];
};

/* Opens PATH and checks it; an absent or empty one is made with `meta`.
 * On success `meta` is the file's. PT_E_CORRUPT: damaged, file_put_aside()
 * it. On failure `file` is closed. */
PT_MUST_CHECK enum pt_err file_open(struct file *file, const char *path,
                                    struct file_meta *meta);
void file_close(struct file *file);

/* Renames PATH and what SQLite keeps beside it to PATH.damaged-<time>, and
 * removes the oldest of more than OUTBOX_DAMAGED_MAX. */
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

/* Up to `max` rows with seq >= from. Stops before a row whose checksum does
 * not fit: `bad` is its number then, else 0. */
PT_MUST_CHECK enum pt_err file_read(struct file *file, uint64_t from,
                                    size_t max, struct pt_entry *entries,
                                    struct detail **details, size_t *ret,
                                    uint64_t *bad);

void details_free(struct detail *details);

#endif

#ifndef OUTBOX_FILE_INTERNAL_H
#define OUTBOX_FILE_INTERNAL_H
/* What outbox_file.c (opening, rows) and outbox_meta.c (the row of identity
 * and the eras) share of SQLite. */
#include "outbox_internal.h"

/* ---- outbox_file.c ---- */

PT_MUST_CHECK enum pt_err file_err_of(int rc); /* SQLite's */
struct sqlite3_stmt *file_bound(struct file *file, enum file_statement which,
                                const int64_t *values, int count);
/* Steps once and resets: for all that gives no rows of interest. */
PT_MUST_CHECK enum pt_err file_run(struct file *file, enum file_statement which,
                                   const int64_t *values, int count);
uint32_t file_sum(const int64_t *numbers, size_t count);

/* ---- outbox_meta.c ---- */

/* Within a transaction; when it stands, meta_note_eras(). */
PT_MUST_CHECK enum pt_err meta_write(struct file *file,
                                     const struct file_meta *meta);
void meta_note_eras(struct file *file, const struct file_meta *meta);
/* PT_E_CORRUPT: cannot come from us. */
PT_MUST_CHECK enum pt_err meta_read(struct file *file, struct file_meta *ret);

#endif

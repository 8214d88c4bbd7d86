#ifndef OUTBOX_H
#define OUTBOX_H
/* outbox: what the vehicle has to say and the gateway has not yet receipted,
 * on disk (SQLite). One thread.
 *
 * A generation is drawn when the file is made. Numbers are reserved on disk
 * in blocks before use, so that a power cut before a group commit cannot
 * make a number serve twice; numbers skipped that way are holes the gateway
 * closes by `lowest`. */
#include "ledger.h"
#include "pt_err.h"
#include "report.h"
#include <stddef.h>
#include <stdint.h>

struct outbox_settings {
    const char *path;
    uint64_t entries_max; /* beyond it the oldest is dropped and counted */
    int64_t age_max_ms;   /* likewise what is older; 0: no limit */
};

struct outbox;

/* Opens or makes it. A damaged file is put aside as PATH.damaged-<time> and a
 * new one made with a new generation; `*was_damaged` tells. */
PT_MUST_CHECK enum pt_err outbox_open(const struct outbox_settings *settings,
                                      struct outbox **ret,
                                      _Bool *was_damaged);
void outbox_close(struct outbox *box); /* commits; NULL is fine */

uint64_t outbox_generation(const struct outbox *box);

/* Gives the entry its number and holds it: at once readable, safe on disk
 * after the next outbox_commit(). */
PT_MUST_CHECK enum pt_err outbox_put(struct outbox *box,
                                     const struct pt_entry *entry,
                                     uint64_t *seq);
/* PT_OK: all that was put survives a power cut. */
PT_MUST_CHECK enum pt_err outbox_commit(struct outbox *box);
size_t outbox_uncommitted(const struct outbox *box);

/* Up to `max` held entries with seq >= `from`, ascending. Details are
 * borrowed until the next call on the outbox. */
PT_MUST_CHECK enum pt_err outbox_read(struct outbox *box, uint64_t from,
                                      size_t max, struct pt_entry *entries,
                                      size_t *ret);

/* Deletes what the receipt names and nothing else; another generation's
 * receipt is ignored. `ret` says how many. */
PT_MUST_CHECK enum pt_err outbox_forget(struct outbox *box,
                                        const struct pt_receipt *receipt,
                                        size_t *ret);

uint64_t outbox_lowest(const struct outbox *box);  /* next number when empty */
uint64_t outbox_highest(const struct outbox *box); /* 0 when never used */
uint64_t outbox_depth(const struct outbox *box);
uint64_t outbox_dropped(const struct outbox *box);
int64_t outbox_oldest_ms(const struct outbox *box); /* time_ms; 0 when empty */

#endif

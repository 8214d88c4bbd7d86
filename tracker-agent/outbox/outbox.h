#ifndef OUTBOX_H
#define OUTBOX_H
/* outbox: what the vehicle has to say and the gateway has not yet receipted,
 * on disk (SQLite). One thread; one process a file.
 *
 * Identity. A generation is drawn when the file is made: 63 random bits, not
 * 0 (PostgreSQL's bigint, where it is stored, is signed). Numbers are
 * reserved on disk in blocks before use, so that a power cut before a group
 * commit cannot make a number serve twice. Numbers skipped that way are holes
 * that the gateway closes by the report's `lowest_held`; a clean close gives
 * them back.
 *
 * The generation may change under way: after any call compare
 * outbox_generation(); when it is another one, tell the uplink
 * (uplink_new_generation). It changes
 *  - when the file turns out to be damaged: it is put aside (as at open) and
 *    a new one begun;
 *  - when the disk has taken no write for so long that the reserved numbers
 *    are used up (OUTBOX_BLOCK / 2 at least): the outbox then goes on in
 *    memory alone, under a generation of its own;
 *  - when an outbox in memory alone, since then or since a start without its
 *    file, finds a file that it can write: the file's generation goes on.
 *  - when a receipt names numbers that were never given: a copy of the disk
 *    is in use elsewhere under the same identity, and its numbers would keep
 *    ours from ever being receipted. What is held keeps its numbers.
 * What was not yet committed (there: receipted) is carried over under new
 * numbers: it may then be stored twice, once under each identity, rather than
 * not at all.
 *
 * Disk full or read-only: outbox_put() goes on from memory, up to
 * OUTBOX_PENDING_MAX entries, which carry PT_FLAG_UNSAFE; beyond it the
 * oldest of these is dropped and counted. outbox_commit() says PT_E_DISK and
 * writes them when it can again, be it that the file has to be opened or made
 * first. Receipts count at once; rows that the disk
 * will not let go are not read again while the program runs. Deleting needs
 * room, too, and so does opening: a partition of the outbox's own must have
 * room for `entries_max` at 45 bytes (more with details) and 1 MB.
 *
 * A row whose checksum does not fit, or that pt_entry_valid() denies, is
 * dropped and counted, never read.
 *
 * Memory: SQLite's page cache is limited to 256 kB, nothing is mapped;
 * OUTBOX_PENDING_MAX entries are 256 kB. */
#include "ledger.h"
#include "pt_err.h"
#include "report.h"
#include <stddef.h>
#include <stdint.h>

/* Numbers reserved at a time: at 1 Hz an hour and eight minutes. */
#define OUTBOX_BLOCK 4096
/* Entries in memory and not yet on disk. */
#define OUTBOX_PENDING_MAX 4096
/* Damaged files kept beside the outbox; the oldest goes first. */
#define OUTBOX_DAMAGED_MAX 4

struct outbox_settings {
    const char *path;     /* copied; at most 1000 bytes */
    uint64_t entries_max; /* 1 or more; beyond it the oldest is dropped and
                             counted */
    /* Likewise what is older; 0: no limit. The age of an entry is the time
     * since then by the entries' own clock: the least of the times of the
     * last eight entries put, so that a clock which jumps ahead for a moment
     * makes nothing old. What was made under an unsure clock
     * (PT_FLAG_CLOCK_UNSURE) has no age: it neither tells the time nor
     * grows old, and keeps what follows it until its receipt. */
    int64_t age_max_ms;
};

struct outbox;

/* Opens or makes it. A damaged file is put aside as PATH.damaged-<time> (with
 * its -wal or -journal) and a new one made with a new generation;
 * `*was_damaged` tells. What cannot be opened, made or written there, be it
 * for want of a folder, a right or room, is no error: the outbox begins in
 * memory, outbox_in_memory() tells. PT_E_AGAIN: another process has it.
 * PT_E_CONFIG: another program's SQLite file, or settings outside the limits
 * above. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err outbox_open(const struct outbox_settings *settings,
                                      struct outbox **ret, _Bool *was_damaged);
void outbox_close(struct outbox *box); /* commits; NULL is fine */

/* Nothing that is put now survives the program: the file is not open. Every
 * outbox_commit() tries to open it, which reads all of the file. */
_Bool outbox_in_memory(const struct outbox *box);

uint64_t outbox_generation(const struct outbox *box);

/* Gives the entry its number and holds a copy: at once readable, safe on disk
 * after the next outbox_commit(). `entry->seq` is ignored. What is sent must
 * be read back by outbox_read(): the flags may have gained PT_FLAG_UNSAFE.
 * PT_E_RANGE: pt_entry_valid() denies it; held, it would keep every report it
 * stands in from being encoded. PT_E_NOMEM. A disk that fails is no error
 * here. */
PT_MUST_CHECK enum pt_err
outbox_put(struct outbox *box, const struct pt_entry *entry, uint64_t *seq);
/* PT_OK: all that was put survives a power cut. PT_E_DISK, PT_E_NOMEM, and
 * from memory alone PT_E_AGAIN and PT_E_CONFIG as outbox_open(): it does not
 * yet; call again later (a second or more; a minute in memory alone).
 * PT_E_CORRUPT: the file was damaged and has been put aside, see above; call
 * again. */
PT_MUST_CHECK enum pt_err outbox_commit(struct outbox *box);
size_t outbox_uncommitted(const struct outbox *box); /* entries */

/* Up to `max` held entries with seq >= `from`, ascending. Details are
 * borrowed until the next call that may change the outbox. PT_E_DISK,
 * PT_E_NOMEM; PT_E_CORRUPT as above. */
PT_MUST_CHECK enum pt_err outbox_read(struct outbox *box, uint64_t from,
                                      size_t max, struct pt_entry *entries,
                                      size_t *ret);

/* Deletes what the receipt names and nothing else; another generation's
 * receipt is ignored. `ret` says how many. The deletion itself need not
 * survive a power cut: what comes back is sent and receipted again.
 * PT_E_RANGE: a receipt with ranges that do not ascend, or that names numbers
 * never given (then there is a new generation, see above); nothing is
 * deleted. PT_E_DISK: only memory could be changed,
 * see above. PT_E_CORRUPT, PT_E_NOMEM as above. */
PT_MUST_CHECK enum pt_err outbox_forget(struct outbox *box,
                                        const struct pt_receipt *receipt,
                                        size_t *ret);

uint64_t outbox_lowest(const struct outbox *box); /* held; next number when
                                                     empty */
/* Last number given, receipted meanwhile or not. After an open: the highest
 * held, or the one before the next when empty. 0: none was ever given. */
uint64_t outbox_highest(const struct outbox *box);
uint64_t outbox_depth(const struct outbox *box);
uint64_t outbox_dropped(const struct outbox *box);  /* this generation */
int64_t outbox_oldest_ms(const struct outbox *box); /* time_ms; 0 when empty */

#endif

#ifndef OUTBOX_H
#define OUTBOX_H
/* outbox: what the vehicle has to say and the gateway has not yet receipted,
 * on disk (SQLite). One thread; one process a file.
 *
 * Identity. An entry is known to the gateway by a generation and a number in
 * it, and keeps both from its put to its receipt, whatever becomes of the
 * disk: under others it would be stored once more. A generation is drawn when
 * an outbox begins: 63 random bits, not 0 (PostgreSQL's bigint, where it is
 * stored, is signed). Numbers are reserved on disk in blocks before use, so
 * that a power cut before a group commit cannot make a number serve twice.
 * Numbers skipped that way are holes that the gateway closes by the report's
 * `lowest_held`; a clean close gives them back.
 *
 * A new generation begins for what is put from then on
 *  - when the file turns out to be damaged: it is put aside (as at open) and
 *    a new one made, with what was not yet in the old one;
 *  - when the disk has taken no write for so long that the reserved numbers
 *    are used up (OUTBOX_BLOCK / 2 at least): the outbox then goes on in
 *    memory alone, and does not see what is in the file;
 *  - at a start without the file, in memory alone.
 * When it has a file again, what is in memory follows what that holds; if
 * there is nothing in memory the file's generation goes on. So what is held
 * may be of several generations, at most OUTBOX_GENERATIONS_MAX; of one more
 * the oldest is dropped and counted.
 *
 * One thing breaks this: a receipt that names numbers never given. A copy of
 * the disk is in use elsewhere under the same identity, and its numbers would
 * keep ours from ever being receipted; what is held of that generation goes
 * over to a new one, with the numbers it has. It may then be stored twice,
 * once under each, rather than not at all.
 *
 * Numbers. Here all that is held has one ascending order over all
 * generations; these are the numbers of all functions but outbox_sign() and
 * those that take a receipt. When outbox_numbering() has changed after a call,
 * what was known of them is void: tell the uplink (uplink_renumbered).
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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers reserved at a time: at 1 Hz an hour and eight minutes. */
#define OUTBOX_BLOCK 4096
/* Entries in memory and not yet on disk. */
#define OUTBOX_PENDING_MAX 4096
/* Generations of what is held. */
#define OUTBOX_GENERATIONS_MAX 16
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
                                      struct outbox **ret, bool *was_damaged);
void outbox_close(struct outbox *box); /* commits; NULL is fine */

/* Nothing that is put now survives the program: the file is not open. Every
 * outbox_commit() tries to open it, which reads all of the file. */
bool outbox_in_memory(const struct outbox *box);

/* Of what is put now. */
uint64_t outbox_generation(const struct outbox *box);

/* Another value: see "Numbers" above. */
unsigned outbox_numbering(const struct outbox *box);

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

/* After outbox_read(), and before the outbox is changed: what was read becomes
 * a report. `report->entries` and `count` are given; `count` is lowered to
 * those of the first entry's generation, they get the numbers they have there,
 * and generation and lowest_held are filled in. Without entries: of the
 * generation in use. Returns the number here of the last one left; 0: none. */
uint64_t outbox_sign(const struct outbox *box, struct pt_report *report);

/* A receipt in the numbers here; false when it does not ascend, or nothing is
 * held of its generation. Before outbox_forget(). */
bool outbox_place(const struct outbox *box, const struct pt_receipt *receipt,
                  struct pt_receipt *ret);

/* Deletes what the receipt names and nothing else; that of a generation of
 * which nothing is held is ignored. `ret` says how many. The deletion itself
 * need not survive a power cut: what comes back is sent and receipted again.
 * PT_E_RANGE: a receipt with ranges that do not ascend, or that names numbers
 * never given (see above); nothing is deleted. PT_E_DISK: only memory could be
 * changed, see above. PT_E_CORRUPT, PT_E_NOMEM as above. */
PT_MUST_CHECK enum pt_err outbox_forget(struct outbox *box,
                                        const struct pt_receipt *receipt,
                                        size_t *ret);

uint64_t outbox_lowest(const struct outbox *box); /* held; next number when
                                                     empty */
/* Last number given, receipted meanwhile or not. After an open: the highest
 * held, or the one before the next when empty. 0: none was ever given. */
uint64_t outbox_highest(const struct outbox *box);
uint64_t outbox_depth(const struct outbox *box);
uint64_t outbox_dropped(const struct outbox *box);  /* since the file was
                                                       made, or is missing */
int64_t outbox_oldest_ms(const struct outbox *box); /* time_ms; 0 when empty */

#endif

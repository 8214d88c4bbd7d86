#ifndef STORE_H
#define STORE_H
/* store: entries into PostgreSQL, each exactly once, and the word that they
 * are. A batch is one transaction: lock the receipt rows of the batch in key
 * order, drop what the ledger already has, COPY the rest, quarantine what
 * intake refused, move the ledger, write latest_position, COMMIT. Only after
 * COMMIT is a receipt due. What fails is tried again whole; an entry that the
 * database refuses for what it holds is found by halving the batch and
 * quarantined, so that nothing waits for it.
 *
 * Refused entries of known devices go through the ledger like all others:
 * quarantined once, receipted. Of a crew's act whose place or time is refused
 * (act_kept) the act goes to unit_event all the same, under the same number;
 * its time is then the gateway's where it was sent with one that cannot be.
 * Devices that are not known have no ledger:
 * what is written to quarantine (600 rows a minute and device) is receipted
 * as it is, the rest stays with the vehicle. A repeat is compared with the
 * row under its own key, and a few of those without such a row with what has
 * its number within a day of its time; a repeat whose number was closed or
 * quarantined before is dropped in silence. Loop thread only. */
#include "batch.h"
#include "ledger.h"
#include "metrics.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Several transactions at a time, each over a connection of its own, so that
 * the database works on one while the next is made ready or waits for the
 * disk. */
#define STORE_LANES_MAX 8

struct store_settings {
    const char *conninfo;
    size_t lanes;         /* 1..STORE_LANES_MAX */
    size_t queue_max;     /* entries waiting or being written; beyond it
                             store_append() takes no more */
    size_t batch_max;     /* entries in one transaction */
    int keep_past_days;   /* partitions are made this far back ... */
    int keep_future_days; /* ... and ahead */
};

struct store_receipt {
    char device_name[65];
    struct pt_receipt receipt;
    bool urgent;  /* the transaction held what a crew did (no fix) */
    bool backlog; /* the device is catching up (8 entries and more, or late
                     ones) or has missed a receipt: receipt at once */
};

struct store_events {
    void *context;
    /* After COMMIT, once per (device, generation) of the transaction. */
    void (*stored)(void *context, const struct store_receipt *receipt);
};

struct store;

PT_MUST_CHECK enum pt_err store_new(uv_loop_t *loop,
                                    const struct store_settings *settings,
                                    const struct store_events *events,
                                    struct metrics *metrics,
                                    struct store **ret);
void store_close(struct store *store, void (*done)(void *), void *context);

/* Copies the batch into the queue. Returns how many items it took, from the
 * front; the rest is not receipted, so vehicles send it again. Written after
 * 20 ms, or after as long as the lane's last transaction took, 250 ms at most;
 * at once when a panic or an answer comes, or when batch_max of one lane
 * wait. */
size_t store_append(struct store *store, const struct batch *batch);

bool store_is_up(const struct store *store);
size_t store_queued(const struct store *store);
/* Wall-clock ms of the last COMMIT; 0 when none yet. */
int64_t store_last_commit_ms(const struct store *store);

#endif

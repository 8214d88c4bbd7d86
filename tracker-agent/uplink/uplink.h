#ifndef UPLINK_H
#define UPLINK_H
/* uplink: when to send which entries: the agent's half of the delivery
 * protocol as a state machine without I/O. Events and the time go in, one
 * action at a time comes out; whoever drives it (main with a real socket, a
 * simulator with a seed) does what the action says.
 *
 *  - A new entry goes out at once while connected ("live").
 *  - What has no receipt `resend_ms` after it was sent goes again, with the
 *    wait doubled up to `resend_max_ms` and jittered.
 *  - After a connection the newest entry goes first; the backlog follows in
 *    batches, oldest first, one batch at a time: the next when the receipt
 *    of the last has come.
 *  - Nothing is deleted but by a receipt.
 */
#include "report.h"
#include <stdbool.h>
#include <stdint.h>

struct uplink_settings {
    int64_t resend_ms;
    int64_t resend_max_ms;
    uint32_t batch_max;     /* entries in a batch */
    int64_t heartbeat_ms;   /* say something at least this often */
};

enum uplink_state { UPLINK_OFFLINE, UPLINK_LIVE, UPLINK_CATCHING_UP };

enum uplink_action_kind {
    UPLINK_NOTHING,
    UPLINK_SEND_NEWEST,  /* the entry `from` alone */
    UPLINK_SEND_BATCH,   /* up to `max` entries from `from` on, to `to` */
    UPLINK_SEND_HEARTBEAT,
};

struct uplink_action {
    enum uplink_action_kind kind;
    uint64_t from, to;
    uint32_t max;
};

struct uplink {
    struct uplink_settings settings;
    enum uplink_state state;
    uint64_t lowest;  /* lowest held */
    uint64_t highest; /* highest put; 0: none */
    uint64_t live_sent; /* highest sent live in this connection */
    bool newest_due;
    uint64_t batch_from, batch_to; /* the batch under way; from 0: none */
    uint64_t backlog_to; /* entries up to here need the backlog's way */
    int64_t batch_sent_ms;
    int64_t last_sent_ms;
    int64_t oldest_live_sent_ms; /* of what is sent and not receipted; 0 none */
    uint32_t tries;
    uint64_t random; /* state of the jitter's generator */
};

void uplink_init(struct uplink *up, const struct uplink_settings *settings,
                 uint64_t seed);

/* Events. */
void uplink_connected(struct uplink *up, int64_t now_ms);
void uplink_disconnected(struct uplink *up);
/* The outbox now holds lowest..highest (entries put, or dropped). */
void uplink_held(struct uplink *up, uint64_t lowest, uint64_t highest,
                 int64_t now_ms);
/* After the outbox took a receipt: what it still holds. */
void uplink_receipted(struct uplink *up, const struct pt_receipt *receipt,
                      uint64_t lowest, int64_t now_ms);

/* What to do now. The driver reports back with exactly one of the next two
 * before it asks again (unless UPLINK_NOTHING). */
struct uplink_action uplink_next(struct uplink *up, int64_t now_ms);
/* Handed to the socket; `to` is the highest number that was in it. */
void uplink_sent(struct uplink *up, const struct uplink_action *action,
                 uint64_t to, int64_t now_ms);
/* The socket would not take it: ask again later. */
void uplink_refused(struct uplink *up, const struct uplink_action *action,
                    int64_t now_ms);

/* Milliseconds until uplink_next() may have something; -1: only an event
 * changes anything. */
int64_t uplink_wait_ms(const struct uplink *up, int64_t now_ms);

#endif

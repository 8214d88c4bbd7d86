#ifndef UPLINK_H
#define UPLINK_H
/* uplink: when to send which entries: the agent's half of the delivery
 * protocol as a state machine without I/O. Events and the time go in, one
 * action at a time comes out; whoever drives it (main with a real socket, a
 * simulator with a seed) does what the action says. Pure, one thread; times
 * are milliseconds of a clock that never goes back (uv_now(), not UTC).
 *
 *  - A new entry goes out at once while connected ("live"), together with
 *    the few others put since the last live message; never behind the
 *    backlog.
 *  - After a connection, or when more than UPLINK_LIVE_MAX entries have
 *    piled up, the newest goes first; the rest is backlog.
 *  - The backlog follows in batches, oldest first, from the lowest entry
 *    held; one batch is under way at a time, the next follows when receipts
 *    have taken it out of the outbox.
 *  - What has no receipt `resend_ms` after it was sent goes again: a batch
 *    as the same batch, live entries as a batch from the lowest held. The
 *    wait doubles up to `resend_max_ms` while nothing at the low end is
 *    receipted, each prolonged by up to a quarter at random.
 *  - Nothing is deleted but by a receipt, and that is the outbox's work.
 */
#include "report.h"
#include <stdbool.h>
#include <stdint.h>

/* Entries in a live message. Two or three are the usual most (a fix and what
 * the crew does in the same second); more than this is a gap. */
#define UPLINK_LIVE_MAX 8

struct uplink_settings {
    int64_t resend_ms;     /* above the receipts' interval (30 s), e.g. 45 s */
    int64_t resend_max_ms; /* at least resend_ms */
    uint32_t batch_max;    /* entries in a batch, 1 or more */
    int64_t heartbeat_ms;  /* say something at least this often; 0: never */
};

enum uplink_state { UPLINK_OFFLINE, UPLINK_LIVE, UPLINK_CATCHING_UP };

enum uplink_action_kind {
    UPLINK_NOTHING,
    UPLINK_SEND_NEWEST, /* held entries of from..to (1..UPLINK_LIVE_MAX) */
    UPLINK_SEND_BATCH,  /* the first `max` held entries of from..to */
    UPLINK_SEND_HEARTBEAT,
};

/* Both kinds of sending are read alike: up to `max` held entries with
 * from <= seq <= to, in one message. */
struct uplink_action {
    enum uplink_action_kind kind;
    uint64_t from, to;
    uint32_t max;
};

/* Callers read `state`; the rest is uplink's own. */
struct uplink {
    struct uplink_settings settings;
    enum uplink_state state;
    uint64_t lowest;     /* lowest held; highest + 1 or more: none */
    uint64_t highest;    /* highest put; 0: none */
    uint64_t live_to;    /* sent live, or left to the backlog, up to here */
    uint64_t backlog_to; /* what is held up to here goes by batches */
    uint64_t batch_to;   /* the batch under way ends here; 0: none */
    int64_t due_ms;      /* the batch or the live tail goes again; 0: nothing is
                            unreceipted */
    int64_t refused_until_ms;
    int64_t last_sent_ms;
    uint32_t tries;  /* doublings of resend_ms */
    uint64_t random; /* state of the jitter's generator */
};

/* Offline and empty. Tell it with uplink_held() what the outbox holds. */
void uplink_init(struct uplink *up, const struct uplink_settings *settings,
                 uint64_t seed);

/* Events. */
void uplink_connected(struct uplink *up, int64_t now_ms);
void uplink_disconnected(struct uplink *up);
/* The outbox now holds lowest..highest (entries put, or dropped):
 * outbox_lowest() and outbox_highest(). */
void uplink_held(struct uplink *up, uint64_t lowest, uint64_t highest,
                 int64_t now_ms);
/* After the outbox took a receipt: as outbox_place() has it, and
 * outbox_lowest(). */
void uplink_receipted(struct uplink *up, const struct pt_receipt *receipt,
                      uint64_t lowest, int64_t now_ms);
/* outbox_numbering() has changed: what was known of numbers is void;
 * everything held goes out as after a connection. */
void uplink_renumbered(struct uplink *up, uint64_t lowest, uint64_t highest,
                       int64_t now_ms);

/* What to do now. The driver reports back with exactly one of the next two
 * before it asks again (unless UPLINK_NOTHING), and asks until NOTHING. */
struct uplink_action uplink_next(struct uplink *up, int64_t now_ms);
/* Handed to the socket; `to` is the highest number that was in it. When the
 * outbox held nothing of from..to (receipted meanwhile) nothing is sent and
 * `to` is action->to. For a heartbeat `to` means nothing. */
void uplink_sent(struct uplink *up, const struct uplink_action *action,
                 uint64_t to, int64_t now_ms);
/* The socket would not take it: uplink_next() keeps quiet for
 * UPLINK_REFUSED_MS, then asks for what is newest by then. */
#define UPLINK_REFUSED_MS 250
void uplink_refused(struct uplink *up, const struct uplink_action *action,
                    int64_t now_ms);

/* Milliseconds until uplink_next() may have something; -1: only an event
 * changes anything. */
int64_t uplink_wait_ms(const struct uplink *up, int64_t now_ms);

#endif

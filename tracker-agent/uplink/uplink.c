#include "uplink.h"
#include <assert.h>
#include <stddef.h>

/* Numbers are compared and never subtracted to count entries: what was
 * reserved and not used, dropped or receipted leaves holes. Only the live
 * tail, numbered in one run of the program, has none. */

enum event {
    EV_CONNECTED,
    EV_DISCONNECTED,
    EV_HELD,      /* more held, or less: dropped */
    EV_RECEIPTED, /* less held, maybe */
    EV_OVERDUE,   /* resend_ms passed without the receipt */
    EV_LIVE_SENT,
    EV_BATCH_SENT,
    EV_COUNT
};

/* What an event brings along. */
struct news {
    int64_t now_ms;
    bool moved;  /* the lowest held is another one than before */
    uint64_t to; /* EV_LIVE_SENT, EV_BATCH_SENT: highest number sent */
};

static bool holds_any(const struct uplink *up)
{
    return up->lowest <= up->highest;
}

/* xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's
 * xorshift generators, scrambled"): jitter needs no more. */
static uint64_t next_random(struct uplink *up)
{
    up->random ^= up->random >> 12;
    up->random ^= up->random << 25;
    up->random ^= up->random >> 27;
    return up->random * UINT64_C(0x2545F4914F6CDD1D);
}

/* Only ever later than asked: earlier than resend_ms a receipt that comes
 * every 30 s would not have had its chance. */
static void arm(struct uplink *up, int64_t now_ms)
{
    const struct uplink_settings *s = &up->settings;
    int64_t wait_ms = s->resend_ms;
    for (uint32_t i = 0; i < up->tries && wait_ms < s->resend_max_ms; i++)
        wait_ms =
            wait_ms > s->resend_max_ms / 2 ? s->resend_max_ms : wait_ms * 2;
    uint64_t spread = (uint64_t)(wait_ms / 4) + 1;
    up->due_ms = now_ms + wait_ms + (int64_t)(next_random(up) % spread);
}

/* The live tail has a clock of its own only when no batch has it. */
static void go_live(struct uplink *up, int64_t now_ms)
{
    up->state = UPLINK_LIVE;
    up->batch_to = 0;
    up->due_ms = 0;
    if (holds_any(up) && up->lowest <= up->live_to)
        arm(up, now_ms);
}

static void go_catching_up(struct uplink *up)
{
    up->state = UPLINK_CATCHING_UP;
    up->batch_to = 0;
    up->due_ms = 0;
}

/* Everything held below the newest has to wait for its batch. */
static void leave_gap_to_backlog(struct uplink *up)
{
    up->live_to = holds_any(up) ? up->highest - 1 : up->highest;
    up->backlog_to = up->live_to;
}

static void do_connect(struct uplink *up, const struct news *news)
{
    up->tries = 0;
    up->refused_until_ms = news->now_ms;
    leave_gap_to_backlog(up);
    if (holds_any(up) && up->lowest <= up->backlog_to)
        go_catching_up(up);
    else
        go_live(up, news->now_ms);
}

static void do_disconnect(struct uplink *up, const struct news *news)
{
    (void)news;
    up->state = UPLINK_OFFLINE;
    up->batch_to = 0;
    up->due_ms = 0;
}

static void do_nothing(struct uplink *up, const struct news *news)
{
    (void)up;
    (void)news;
}

/* While live, a gap opens when more piles up than one live message takes.
 * What was dropped and not receipted leaves the tail's clock alone: an outbox
 * that drops with every put would never send again. */
static void do_notice_gap(struct uplink *up, const struct news *news)
{
    if (news->moved && up->lowest > up->live_to)
        go_live(up, news->now_ms);
    if (!holds_any(up) || up->highest - up->live_to <= UPLINK_LIVE_MAX)
        return;
    leave_gap_to_backlog(up);
    if (up->lowest <= up->backlog_to)
        go_catching_up(up);
}

static void do_follow_tail(struct uplink *up, const struct news *news)
{
    if (news->moved)
        go_live(up, news->now_ms);
}

/* The batch is done when nothing of it is held any more. */
static void do_follow_batch(struct uplink *up, const struct news *news)
{
    if (!holds_any(up) || up->lowest > up->backlog_to)
        go_live(up, news->now_ms);
    else if (up->batch_to > 0 && up->lowest > up->batch_to)
        go_catching_up(up);
}

/* More piles up behind a backlog: it becomes longer, its batch stays. A batch
 * whose entries were all dropped still waits for its receipt or its time: a
 * full outbox would send one with every put. */
static void do_lengthen_backlog(struct uplink *up, const struct news *news)
{
    if (holds_any(up) && up->highest - up->live_to > UPLINK_LIVE_MAX)
        leave_gap_to_backlog(up);
    if (!holds_any(up) || up->lowest > up->backlog_to)
        go_live(up, news->now_ms);
}

static void do_resend_tail(struct uplink *up, const struct news *news)
{
    (void)news;
    if (up->tries < UINT32_MAX)
        up->tries++;
    up->backlog_to = up->live_to;
    go_catching_up(up);
}

static void do_resend_batch(struct uplink *up, const struct news *news)
{
    (void)news;
    if (up->tries < UINT32_MAX)
        up->tries++;
    go_catching_up(up);
}

static void note_live(struct uplink *up, const struct news *news)
{
    if (news->to > up->live_to)
        up->live_to = news->to;
}

static void do_live_sent(struct uplink *up, const struct news *news)
{
    note_live(up, news);
    if (up->due_ms == 0 && holds_any(up) && up->lowest <= up->live_to)
        arm(up, news->now_ms);
}

static void do_live_sent_aside(struct uplink *up, const struct news *news)
{
    note_live(up, news);
}

static void do_batch_sent(struct uplink *up, const struct news *news)
{
    up->batch_to = news->to;
    arm(up, news->now_ms);
}

static void (*const table[][EV_COUNT])(struct uplink *, const struct news *) = {
    [UPLINK_OFFLINE] =
        {
            [EV_CONNECTED] = do_connect,
            [EV_DISCONNECTED] = do_nothing,
            [EV_HELD] = do_nothing,
            [EV_RECEIPTED] = do_nothing, /* a late one, before the loss */
            [EV_OVERDUE] = do_nothing,
            [EV_LIVE_SENT] = do_nothing, /* lost with the connection */
            [EV_BATCH_SENT] = do_nothing,
        },
    [UPLINK_LIVE] =
        {
            [EV_CONNECTED] = do_connect,
            [EV_DISCONNECTED] = do_disconnect,
            [EV_HELD] = do_notice_gap,
            [EV_RECEIPTED] = do_follow_tail,
            [EV_OVERDUE] = do_resend_tail,
            [EV_LIVE_SENT] = do_live_sent,
            [EV_BATCH_SENT] = do_nothing, /* its receipt came first */
        },
    [UPLINK_CATCHING_UP] =
        {
            [EV_CONNECTED] = do_connect,
            [EV_DISCONNECTED] = do_disconnect,
            [EV_HELD] = do_lengthen_backlog,
            [EV_RECEIPTED] = do_follow_batch,
            [EV_OVERDUE] = do_resend_batch,
            [EV_LIVE_SENT] = do_live_sent_aside,
            [EV_BATCH_SENT] = do_batch_sent,
        },
};

static void happen(struct uplink *up, enum event event, const struct news *news)
{
    table[up->state][event](up, news);
}

void uplink_init(struct uplink *up, const struct uplink_settings *settings,
                 uint64_t seed)
{
    assert(settings->resend_ms > 0 && settings->batch_max > 0);
    assert(settings->resend_max_ms >= settings->resend_ms);
    *up = (struct uplink){
        .settings = *settings,
        .state = UPLINK_OFFLINE,
        .lowest = 1,
        .random = seed != 0 ? seed : 1, /* xorshift's one fixed point is 0 */
    };
}

void uplink_connected(struct uplink *up, int64_t now_ms)
{
    up->last_sent_ms = now_ms;
    happen(up, EV_CONNECTED, &(struct news){.now_ms = now_ms});
}

void uplink_disconnected(struct uplink *up)
{
    happen(up, EV_DISCONNECTED, &(struct news){0});
}

void uplink_held(struct uplink *up, uint64_t lowest, uint64_t highest,
                 int64_t now_ms)
{
    struct news news = {.now_ms = now_ms};
    /* An empty outbox's lowest is a number not yet given; the put that gives
     * it moves nothing. */
    news.moved = holds_any(up) && lowest != up->lowest;
    up->lowest = lowest;
    up->highest = highest;
    happen(up, EV_HELD, &news);
}

static bool names(const struct pt_receipt *receipt, uint64_t seq)
{
    bool named = seq <= receipt->stored_to;
    for (size_t i = 0; i < receipt->range_count && !named; i++)
        named =
            seq >= receipt->ranges[i].first && seq <= receipt->ranges[i].last;
    return named;
}

void uplink_receipted(struct uplink *up, const struct pt_receipt *receipt,
                      uint64_t lowest, int64_t now_ms)
{
    struct news news = {.now_ms = now_ms, .moved = lowest != up->lowest};
    up->lowest = lowest;
    if (news.moved)
        up->tries = 0;
    /* Sent before the connection was lost, and stored: need not go again. */
    while (up->live_to < up->highest && names(receipt, up->live_to + 1))
        up->live_to++;
    happen(up, EV_RECEIPTED, &news);
}

void uplink_renumbered(struct uplink *up, uint64_t lowest, uint64_t highest,
                       int64_t now_ms)
{
    up->lowest = lowest;
    up->highest = highest;
    if (up->state != UPLINK_OFFLINE)
        happen(up, EV_CONNECTED, &(struct news){.now_ms = now_ms});
}

static bool live_wanted(const struct uplink *up)
{
    return holds_any(up) && up->highest > up->live_to;
}

static bool batch_wanted(const struct uplink *up)
{
    return up->state == UPLINK_CATCHING_UP && up->batch_to == 0;
}

static int64_t heartbeat_at_ms(const struct uplink *up)
{
    return up->last_sent_ms + up->settings.heartbeat_ms;
}

static bool heartbeat_wanted(const struct uplink *up, int64_t now_ms)
{
    return up->settings.heartbeat_ms > 0 && now_ms >= heartbeat_at_ms(up);
}

struct uplink_action uplink_next(struct uplink *up, int64_t now_ms)
{
    struct uplink_action action = {.kind = UPLINK_NOTHING};
    if (up->state == UPLINK_OFFLINE || now_ms < up->refused_until_ms)
        return action;
    if (up->due_ms != 0 && now_ms >= up->due_ms)
        happen(up, EV_OVERDUE, &(struct news){.now_ms = now_ms});
    if (live_wanted(up)) {
        action.kind = UPLINK_SEND_NEWEST;
        action.from = up->live_to + 1;
        action.to = up->highest;
        action.max = UPLINK_LIVE_MAX;
    } else if (batch_wanted(up)) {
        action.kind = UPLINK_SEND_BATCH;
        action.from = up->lowest;
        action.to = up->backlog_to;
        action.max = up->settings.batch_max;
    } else if (heartbeat_wanted(up, now_ms)) {
        action.kind = UPLINK_SEND_HEARTBEAT;
    }
    return action;
}

void uplink_sent(struct uplink *up, const struct uplink_action *action,
                 uint64_t to, int64_t now_ms)
{
    struct news news = {.now_ms = now_ms, .to = to};
    up->last_sent_ms = now_ms;
    if (action->kind == UPLINK_SEND_NEWEST)
        happen(up, EV_LIVE_SENT, &news);
    else if (action->kind == UPLINK_SEND_BATCH)
        happen(up, EV_BATCH_SENT, &news);
}

void uplink_refused(struct uplink *up, const struct uplink_action *action,
                    int64_t now_ms)
{
    (void)action; /* what is newest then is asked for, not this one again */
    up->refused_until_ms = now_ms + UPLINK_REFUSED_MS;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

int64_t uplink_wait_ms(const struct uplink *up, int64_t now_ms)
{
    int64_t at_ms = INT64_MAX;
    if (up->state == UPLINK_OFFLINE)
        return -1;
    if (live_wanted(up) || batch_wanted(up))
        at_ms = now_ms;
    if (up->due_ms != 0)
        at_ms = sooner(at_ms, up->due_ms);
    if (up->settings.heartbeat_ms > 0)
        at_ms = sooner(at_ms, heartbeat_at_ms(up));
    if (at_ms == INT64_MAX)
        return -1;
    if (at_ms < up->refused_until_ms)
        at_ms = up->refused_until_ms;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

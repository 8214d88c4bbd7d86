#include "ledger.h"
#include "uplink.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct uplink_settings plain = {
    .resend_ms = 45000,
    .resend_max_ms = 600000,
    .batch_max = 500,
    .heartbeat_ms = 60000,
};

/* ---- sequences by hand ---- */

static struct uplink_action next_is(struct uplink *up, int64_t now_ms,
                                    enum uplink_action_kind kind)
{
    struct uplink_action action = uplink_next(up, now_ms);
    assert_int_equal(action.kind, kind);
    return action;
}

/* Expects to send `from`..`to`, and reports it sent. */
static void sends(struct uplink *up, int64_t now_ms,
                  enum uplink_action_kind kind, uint64_t from, uint64_t to)
{
    struct uplink_action action = next_is(up, now_ms, kind);
    uint64_t last = action.to;
    assert_int_equal(action.from, from);
    if (kind == UPLINK_SEND_BATCH && last - from >= action.max)
        last = from + action.max - 1;
    assert_int_equal(last, to);
    assert_int_equal(uplink_wait_ms(up, now_ms), 0);
    uplink_sent(up, &action, last, now_ms);
}

static void quiet(struct uplink *up, int64_t now_ms)
{
    next_is(up, now_ms, UPLINK_NOTHING);
    int64_t wait_ms = uplink_wait_ms(up, now_ms);
    assert_true(wait_ms > 0);
}

static void receipted(struct uplink *up, int64_t now_ms, uint64_t stored_to)
{
    struct pt_receipt receipt = {.stored_to = stored_to};
    uplink_receipted(up, &receipt, stored_to + 1, now_ms);
}

static struct uplink with(uint64_t lowest, uint64_t highest)
{
    struct uplink up;
    uplink_init(&up, &plain, 1);
    uplink_held(&up, lowest, highest, 0);
    return up;
}

static void test_offline(void **state)
{
    (void)state;
    struct uplink up = with(1, 10);
    next_is(&up, 0, UPLINK_NOTHING);
    assert_int_equal(uplink_wait_ms(&up, 0), -1);
    assert_int_equal(up.state, UPLINK_OFFLINE);
}

static void test_live(void **state)
{
    (void)state;
    struct uplink up = with(1, 0);
    uplink_connected(&up, 0);
    assert_int_equal(up.state, UPLINK_LIVE);
    quiet(&up, 0);
    uplink_held(&up, 1, 1, 1000);
    sends(&up, 1000, UPLINK_SEND_NEWEST, 1, 1);
    quiet(&up, 1000);
    /* A fix and a status in the same second are one message. */
    uplink_held(&up, 1, 2, 2000);
    uplink_held(&up, 1, 3, 2000);
    sends(&up, 2000, UPLINK_SEND_NEWEST, 2, 3);
    receipted(&up, 30000, 3);
    quiet(&up, 30000);
    assert_int_equal(up.due_ms, 0); /* nothing to send again */
}

static void test_newest_first_then_backlog(void **state)
{
    (void)state;
    struct uplink up = with(1, 1200);
    uplink_connected(&up, 0);
    assert_int_equal(up.state, UPLINK_CATCHING_UP);
    sends(&up, 0, UPLINK_SEND_NEWEST, 1200, 1200);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 500);
    quiet(&up, 0); /* one at a time */
    uplink_held(&up, 1, 1201, 500);
    sends(&up, 500, UPLINK_SEND_NEWEST, 1201, 1201); /* not behind it */
    quiet(&up, 500);
    receipted(&up, 1000, 500);
    sends(&up, 1000, UPLINK_SEND_BATCH, 501, 1000);
    receipted(&up, 2000, 1000);
    sends(&up, 2000, UPLINK_SEND_BATCH, 1001, 1199);
    receipted(&up, 3000, 1201);
    assert_int_equal(up.state, UPLINK_LIVE);
    quiet(&up, 3000);
}

static void test_batch_goes_again(void **state)
{
    (void)state;
    struct uplink up = with(1, 100);
    uplink_connected(&up, 0);
    sends(&up, 0, UPLINK_SEND_NEWEST, 100, 100);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 99);
    int64_t now_ms = 0;
    /* 45 s, 90, 180, 360, then 600 at most, each up to a quarter longer. */
    const int64_t waits_s[] = {45, 90, 180, 360, 600, 600};
    for (size_t i = 0; i < 6; i++) {
        int64_t wait_ms = up.due_ms - now_ms;
        assert_in_range(wait_ms, waits_s[i] * 1000, waits_s[i] * 1250);
        next_is(&up, now_ms + 1, UPLINK_NOTHING);
        now_ms += wait_ms;
        if (i == 0) /* the heartbeat is not in the way, and comes later */
            assert_int_equal(uplink_wait_ms(&up, now_ms), 0);
        up.last_sent_ms = now_ms;
        sends(&up, now_ms, UPLINK_SEND_BATCH, 1, 99);
    }
    receipted(&up, now_ms + 1, 50); /* progress: the wait starts anew */
    now_ms = up.due_ms;
    sends(&up, now_ms, UPLINK_SEND_BATCH, 51, 99);
    assert_in_range(up.due_ms - now_ms, 90000, 112500);
}

static void test_lost_live_message(void **state)
{
    (void)state;
    struct uplink up = with(1, 0);
    uplink_connected(&up, 0);
    for (uint64_t n = 1; n <= 3; n++) {
        uplink_held(&up, 1, n, (int64_t)n * 1000);
        sends(&up, (int64_t)n * 1000, UPLINK_SEND_NEWEST, n, n);
    }
    /* 2 did not arrive: 1 and 3 are receipted, 2 is lowest held. */
    struct pt_receipt receipt = {
        .stored_to = 1, .range_count = 1, .ranges = {{3, 3}}};
    uplink_receipted(&up, &receipt, 2, 30000);
    next_is(&up, 30000, UPLINK_NOTHING);
    assert_in_range(up.due_ms - 30000, 45000, 56250);
    sends(&up, up.due_ms, UPLINK_SEND_BATCH, 2, 3);
    receipted(&up, 100000, 3);
    assert_int_equal(up.state, UPLINK_LIVE);
}

static void test_connection_lost(void **state)
{
    (void)state;
    struct uplink up = with(1, 20);
    uplink_connected(&up, 0);
    sends(&up, 0, UPLINK_SEND_NEWEST, 20, 20);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 19);
    uplink_disconnected(&up);
    next_is(&up, 10, UPLINK_NOTHING);
    receipted(&up, 20, 10); /* one that was read before the loss */
    uplink_held(&up, 11, 21, 30);
    uplink_connected(&up, 5000);
    sends(&up, 5000, UPLINK_SEND_NEWEST, 21, 21);
    sends(&up, 5000, UPLINK_SEND_BATCH, 11, 20);
}

static void test_newest_already_stored(void **state)
{
    (void)state;
    struct uplink up = with(1, 20);
    uplink_connected(&up, 0);
    struct pt_receipt receipt = {
        .stored_to = 0, .range_count = 1, .ranges = {{20, 20}}};
    uplink_receipted(&up, &receipt, 1, 0);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 19);
}

static void test_socket_refuses(void **state)
{
    (void)state;
    struct uplink up = with(1, 20);
    uplink_connected(&up, 0);
    struct uplink_action action = next_is(&up, 0, UPLINK_SEND_NEWEST);
    uplink_refused(&up, &action, 0);
    next_is(&up, 1, UPLINK_NOTHING);
    assert_int_equal(uplink_wait_ms(&up, 1), UPLINK_REFUSED_MS - 1);
    uplink_held(&up, 1, 21, 100); /* newest by then */
    sends(&up, UPLINK_REFUSED_MS, UPLINK_SEND_NEWEST, 20, 21);
    sends(&up, UPLINK_REFUSED_MS, UPLINK_SEND_BATCH, 1, 19);
}

/* Refused for so long that it is a gap: the newest alone, the rest by batch. */
static void test_pile_while_connected(void **state)
{
    (void)state;
    struct uplink up = with(1, 0);
    uplink_connected(&up, 0);
    for (uint64_t n = 1; n <= UPLINK_LIVE_MAX; n++)
        uplink_held(&up, 1, n, 0);
    assert_int_equal(up.state, UPLINK_LIVE);
    uplink_held(&up, 1, UPLINK_LIVE_MAX + 1, 0);
    sends(&up, 0, UPLINK_SEND_NEWEST, UPLINK_LIVE_MAX + 1, UPLINK_LIVE_MAX + 1);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, UPLINK_LIVE_MAX);
}

/* The same behind a backlog: its batch stays the only one under way. */
static void test_pile_while_catching_up(void **state)
{
    (void)state;
    struct uplink up = with(1, 20);
    uplink_connected(&up, 0);
    sends(&up, 0, UPLINK_SEND_NEWEST, 20, 20);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 19);
    uplink_held(&up, 1, 40, 100);
    sends(&up, 100, UPLINK_SEND_NEWEST, 40, 40);
    quiet(&up, 100);
    receipted(&up, 200, 19);
    sends(&up, 200, UPLINK_SEND_BATCH, 20, 39);
}

static void test_heartbeat(void **state)
{
    (void)state;
    struct uplink up = with(1, 0);
    uplink_connected(&up, 0);
    assert_int_equal(uplink_wait_ms(&up, 0), 60000);
    next_is(&up, 59999, UPLINK_NOTHING);
    struct uplink_action action = next_is(&up, 60000, UPLINK_SEND_HEARTBEAT);
    uplink_sent(&up, &action, 0, 60000);
    assert_int_equal(uplink_wait_ms(&up, 60000), 60000);
    uplink_held(&up, 1, 1, 100000); /* whatever is sent is a sign of life */
    sends(&up, 100000, UPLINK_SEND_NEWEST, 1, 1);
    receipted(&up, 110000, 1);
    next_is(&up, 159999, UPLINK_NOTHING);
    next_is(&up, 160000, UPLINK_SEND_HEARTBEAT);
}

/* Full, and dropping with every put: what was sent still goes again. */
static void test_dropping_does_not_stop_resends(void **state)
{
    (void)state;
    struct uplink up = with(1, 0);
    uplink_connected(&up, 0);
    bool batched = false;
    for (uint64_t n = 1; n <= 100; n++) {
        int64_t now_ms = (int64_t)n * 1000;
        uplink_held(&up, n > 50 ? n - 49 : 1, n, now_ms);
        sends(&up, now_ms, UPLINK_SEND_NEWEST, n, n);
        struct uplink_action action = uplink_next(&up, now_ms);
        if (action.kind == UPLINK_SEND_BATCH) {
            batched = true;
            uplink_sent(&up, &action, action.to, now_ms);
        }
    }
    assert_true(batched);
}

static void test_renumbered(void **state)
{
    (void)state;
    struct uplink up = with(1, 5000);
    uplink_connected(&up, 0);
    sends(&up, 0, UPLINK_SEND_NEWEST, 5000, 5000);
    sends(&up, 0, UPLINK_SEND_BATCH, 1, 500);
    uplink_renumbered(&up, 1, 3, 1000);
    sends(&up, 1000, UPLINK_SEND_NEWEST, 3, 3);
    sends(&up, 1000, UPLINK_SEND_BATCH, 1, 2);
    uplink_disconnected(&up);
    uplink_renumbered(&up, 1, 0, 2000);
    assert_int_equal(up.state, UPLINK_OFFLINE);
    uplink_connected(&up, 3000);
    quiet(&up, 3000);
}

/* ---- a simulated network ----
 *
 * One vehicle (an outbox as flags a number, and the uplink under test), one
 * gateway (the ledger, and how often each number was stored), and between
 * them messages that are lost, doubled, late and out of order. Everything
 * follows from the seed. */

#define NUMBERS 8192 /* of one run */
#define FLIGHT_MAX 512
#define ENTRIES_MAX 64 /* of a message */
#define BLOCK 32       /* numbers reserved at a time */

struct message {
    int64_t at_ms;
    bool up;
    uint32_t connection; /* a receipt dies with its connection */
    uint64_t lowest;
    size_t count;
    uint64_t seqs[ENTRIES_MAX];
    struct pt_receipt receipt;
};

struct chances { /* of 1000 */
    unsigned loss, twice, refused, crash, outage, stuffed;
    int64_t delay_ms, put_ms, up_ms, down_ms;
    uint64_t held_max;
};

struct vehicle {
    struct uplink up;
    bool online;
    uint32_t connection;
    uint64_t next, reserved_to, lowest, highest;
    bool given[NUMBERS];
    bool held[NUMBERS];
    bool on_disk[NUMBERS];
    bool dropped[NUMBERS];
    bool lost[NUMBERS];               /* in a power cut, before its commit */
    uint32_t handed_over[NUMBERS];    /* in which connection, last */
    uint64_t batch_first, batch_last; /* of this connection; 0: none */
    int64_t batch_ms;
};

struct gateway {
    struct ledger ledger;
    uint8_t stored[NUMBERS];
    int64_t last_receipt_ms, receipt_at_ms; /* INT64_MAX: none is due */
    int64_t down_until_ms;
};

struct world {
    uint64_t random;
    int64_t now_ms, put_at_ms, turn_at_ms, commit_at_ms;
    int64_t stuffed_until_ms; /* the socket takes nothing */
    int steps_at_once;        /* without time going on */
    struct chances chances;
    struct uplink_settings settings;
    struct vehicle car;
    struct gateway gate;
    struct message flight[FLIGHT_MAX];
    size_t flying;
    bool calm; /* no more faults, no more puts */
    uint64_t puts, connects, lives, batches, forgotten;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(struct world *w, uint64_t below)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static int64_t draw_ms(struct world *w, int64_t mean_ms)
{
    return 1 + (int64_t)draw(w, (uint64_t)mean_ms * 2);
}

static bool strikes(struct world *w, unsigned chance)
{
    return !w->calm && draw(w, 1000) < chance;
}

/* -- network -- */

static void fly(struct world *w, const struct message *message)
{
    int copies = strikes(w, w->chances.loss) ? 0 : 1;
    if (copies > 0 && strikes(w, w->chances.twice))
        copies = 2;
    for (; copies > 0 && w->flying < FLIGHT_MAX; copies--) {
        struct message *mine = &w->flight[w->flying++];
        *mine = *message;
        mine->at_ms =
            w->now_ms + (w->calm ? 50 : draw_ms(w, w->chances.delay_ms));
    }
}

static size_t first_to_land(const struct world *w)
{
    size_t first = 0;
    for (size_t i = 1; i < w->flying; i++) {
        if (w->flight[i].at_ms < w->flight[first].at_ms)
            first = i;
    }
    return first;
}

/* -- gateway -- */

static void gateway_take(struct world *w, const struct message *message)
{
    struct gateway *gate = &w->gate;
    if (w->now_ms < gate->down_until_ms)
        return; /* no database: nothing stored, no receipt */
    ledger_close_below(&gate->ledger, message->lowest);
    for (size_t i = 0; i < message->count; i++) {
        uint64_t seq = message->seqs[i];
        if (!ledger_has(&gate->ledger, seq) &&
            ledger_add(&gate->ledger, seq) == PT_OK)
            gate->stored[seq]++;
    }
    /* At once for a backlog, else at most every 30 s. */
    int64_t at_ms = gate->last_receipt_ms + 30000;
    if (message->count > UPLINK_LIVE_MAX || at_ms < w->now_ms)
        at_ms = w->now_ms;
    if (message->count > 0 && at_ms < gate->receipt_at_ms)
        gate->receipt_at_ms = at_ms;
}

static void gateway_send_receipt(struct world *w)
{
    struct message message = {.connection = w->car.connection};
    ledger_to_receipt(&w->gate.ledger, 1, &message.receipt);
    w->gate.last_receipt_ms = w->now_ms;
    w->gate.receipt_at_ms = INT64_MAX;
    fly(w, &message);
}

/* -- vehicle -- */

static void find_lowest(struct vehicle *car)
{
    while (car->lowest < car->next && !car->held[car->lowest])
        car->lowest++;
}

static void tell_held(struct world *w)
{
    find_lowest(&w->car);
    uplink_held(&w->car.up, w->car.lowest, w->car.highest, w->now_ms);
}

static void vehicle_commit(struct vehicle *car)
{
    memcpy(car->on_disk, car->held, sizeof car->held);
}

static void vehicle_put(struct world *w)
{
    struct vehicle *car = &w->car;
    if (car->next > car->reserved_to) {
        vehicle_commit(car);
        car->reserved_to += BLOCK;
    }
    uint64_t seq = car->next++;
    assert_true(seq < NUMBERS);
    car->given[seq] = car->held[seq] = true;
    car->highest = seq;
    w->puts++;
    find_lowest(car);
    if (seq - car->lowest >= w->chances.held_max) {
        car->held[car->lowest] = false;
        car->dropped[car->lowest] = true;
    }
    tell_held(w);
}

/* The newest stands before everything else: no batch goes while it waits. */
static void expect_newest_out(const struct vehicle *car)
{
    assert_true(!car->held[car->highest] ||
                car->handed_over[car->highest] == car->connection);
}

static bool batch_is_open(const struct vehicle *car)
{
    for (uint64_t seq = car->batch_first; seq <= car->batch_last; seq++) {
        if (seq > 0 && car->held[seq])
            return true;
    }
    return false;
}

/* One batch under way: the last is receipted, or its time is over. */
static void expect_batch_allowed(const struct world *w,
                                 const struct uplink_action *action)
{
    const struct vehicle *car = &w->car;
    expect_newest_out(car);
    assert_int_equal(action->from, car->lowest); /* oldest first */
    assert_true(!batch_is_open(car) ||
                w->now_ms - car->batch_ms >= w->settings.resend_ms);
}

static void vehicle_send(struct world *w, const struct uplink_action *action)
{
    struct vehicle *car = &w->car;
    struct message message = {.up = true, .lowest = car->lowest};
    uint64_t last = action->to;
    for (uint64_t seq = action->from;
         seq <= action->to && message.count < action->max && seq > 0; seq++) {
        if (!car->held[seq])
            continue;
        message.seqs[message.count++] = last = seq;
        car->handed_over[seq] = car->connection;
    }
    if (action->kind == UPLINK_SEND_BATCH) {
        car->batch_first = action->from;
        car->batch_last = last;
        car->batch_ms = w->now_ms;
        w->batches++;
    } else if (action->kind == UPLINK_SEND_NEWEST) {
        assert_true(last == car->highest || !car->held[car->highest]);
        w->lives++;
    }
    if (action->kind == UPLINK_SEND_HEARTBEAT || message.count > 0)
        fly(w, &message);
    uplink_sent(&car->up, action, last, w->now_ms);
}

/* Asks until there is nothing more: must come to an end. */
static void vehicle_pump(struct world *w)
{
    struct vehicle *car = &w->car;
    for (int i = 0;; i++) {
        assert_true(i < 4); /* newest, batch, heartbeat, nothing */
        struct uplink_action action = uplink_next(&car->up, w->now_ms);
        if (action.kind == UPLINK_NOTHING)
            break;
        assert_true(car->online);
        if (action.kind == UPLINK_SEND_BATCH)
            expect_batch_allowed(w, &action);
        if (w->now_ms < w->stuffed_until_ms || strikes(w, w->chances.refused)) {
            uplink_refused(&car->up, &action, w->now_ms);
            return;
        }
        vehicle_send(w, &action);
    }
    if (car->online && w->now_ms >= car->up.refused_until_ms)
        expect_newest_out(car);
}

static void vehicle_take_receipt(struct world *w, const struct message *message)
{
    struct vehicle *car = &w->car;
    struct ledger named;
    ledger_init(&named);
    assert_int_equal(ledger_merge(&named, &message->receipt), PT_OK);
    for (uint64_t seq = car->lowest; seq < car->next; seq++) {
        if (!car->held[seq] || !ledger_has(&named, seq))
            continue;
        /* The promise: nothing is deleted that is not stored. */
        assert_true(w->gate.stored[seq] == 1 || car->dropped[seq]);
        car->held[seq] = false;
        w->forgotten++;
    }
    find_lowest(car);
    uplink_receipted(&car->up, &message->receipt, car->lowest, w->now_ms);
}

static void vehicle_turn_connection(struct world *w)
{
    struct vehicle *car = &w->car;
    car->online = !car->online;
    if (car->online) {
        car->connection++;
        car->batch_first = car->batch_last = 0;
        w->connects++;
        uplink_connected(&car->up, w->now_ms);
    } else {
        uplink_disconnected(&car->up);
    }
    w->turn_at_ms = w->now_ms + draw_ms(w, car->online ? w->chances.up_ms
                                                       : w->chances.down_ms);
}

/* Power cut and start: memory is gone, the disk's state comes back, and with
 * it what was receipted or dropped since the last commit. */
static void vehicle_crash(struct world *w)
{
    struct vehicle *car = &w->car;
    for (uint64_t seq = 1; seq < car->next; seq++) {
        if (car->held[seq] && !car->on_disk[seq])
            car->lost[seq] = true;
    }
    memcpy(car->held, car->on_disk, sizeof car->held);
    car->next = car->reserved_to + 1;
    car->reserved_to += BLOCK;
    car->online = false;
    car->lowest = 1;
    car->highest = car->next - 1;
    find_lowest(car);
    while (car->highest >= car->lowest && !car->held[car->highest])
        car->highest--;
    if (car->highest < car->lowest)
        car->highest = car->next - 1;
    uplink_init(&car->up, &w->settings, draw(w, UINT64_MAX));
    tell_held(w);
    w->turn_at_ms = w->now_ms + draw_ms(w, w->chances.down_ms);
}

/* -- the world's clock -- */

static void land(struct world *w)
{
    size_t first = first_to_land(w);
    struct message message = w->flight[first];
    w->flight[first] = w->flight[--w->flying];
    if (message.up)
        gateway_take(w, &message);
    else if (w->car.online && message.connection == w->car.connection)
        vehicle_take_receipt(w, &message);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t next_event_ms(const struct world *w)
{
    int64_t at_ms = earlier(w->put_at_ms, w->turn_at_ms);
    int64_t wait_ms = uplink_wait_ms(&w->car.up, w->now_ms);
    at_ms = earlier(at_ms, w->commit_at_ms);
    at_ms = earlier(at_ms, w->gate.receipt_at_ms);
    if (w->flying > 0)
        at_ms = earlier(at_ms, w->flight[first_to_land(w)].at_ms);
    if (wait_ms >= 0) /* the only alarm clock the driver has */
        at_ms = earlier(at_ms, w->now_ms + wait_ms);
    return at_ms > w->now_ms ? at_ms : w->now_ms;
}

static void step(struct world *w)
{
    int64_t at_ms = next_event_ms(w);
    w->steps_at_once = at_ms > w->now_ms ? 0 : w->steps_at_once + 1;
    assert_true(w->steps_at_once < 100); /* wait_ms 0, and nothing to do */
    w->now_ms = at_ms;
    if (w->now_ms >= w->put_at_ms) {
        vehicle_put(w);
        w->put_at_ms = w->now_ms + draw_ms(w, w->chances.put_ms);
    }
    if (w->now_ms >= w->commit_at_ms) {
        vehicle_commit(&w->car);
        w->commit_at_ms = w->now_ms + 10000;
        if (strikes(w, w->chances.outage))
            w->gate.down_until_ms = w->now_ms + draw_ms(w, 300000);
        if (strikes(w, w->chances.stuffed))
            w->stuffed_until_ms = w->now_ms + draw_ms(w, 60000);
        if (strikes(w, w->chances.crash))
            vehicle_crash(w);
    }
    if (w->now_ms >= w->turn_at_ms)
        vehicle_turn_connection(w);
    if (w->flying > 0 && w->now_ms >= w->flight[first_to_land(w)].at_ms)
        land(w);
    if (w->now_ms >= w->gate.receipt_at_ms)
        gateway_send_receipt(w);
    vehicle_pump(w);
}

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->chances = (struct chances){
        .loss = (unsigned)draw(w, 300),
        .twice = (unsigned)draw(w, 200),
        .refused = (unsigned)draw(w, 100),
        .crash = (unsigned)draw(w, 20),
        .outage = (unsigned)draw(w, 20),
        .stuffed = (unsigned)draw(w, 30),
        .delay_ms = 10 + (int64_t)draw(w, 20000),
        .put_ms = 500 + (int64_t)draw(w, 5000),
        .up_ms = 2000 + (int64_t)draw(w, 600000),
        .down_ms = 1000 + (int64_t)draw(w, 300000),
        .held_max = 20 + draw(w, 1000),
    };
    w->settings = plain;
    w->settings.heartbeat_ms = (int64_t)draw(w, 2) * 60000;
    w->settings.batch_max = 1 + (uint32_t)draw(w, ENTRIES_MAX);
    w->car.next = w->car.lowest = 1;
    w->turn_at_ms = 1;
    w->commit_at_ms = 10000;
    w->gate.last_receipt_ms = -30000;
    w->gate.receipt_at_ms = INT64_MAX;
    ledger_init(&w->gate.ledger);
    uplink_init(&w->car.up, &w->settings, seed);
}

/* No more puts and faults; the link stays up. */
static void calm_down(struct world *w)
{
    w->calm = true;
    w->put_at_ms = INT64_MAX;
    w->gate.down_until_ms = w->stuffed_until_ms = 0;
    w->turn_at_ms = w->car.online ? INT64_MAX : w->now_ms + 1;
    while (!w->car.online)
        step(w);
    w->turn_at_ms = INT64_MAX;
}

static void expect_all_stored(const struct world *w)
{
    const struct vehicle *car = &w->car;
    assert_int_equal(car->lowest, car->next);
    for (uint64_t seq = 1; seq < car->next; seq++) {
        assert_false(car->held[seq]);
        assert_true(w->gate.stored[seq] <= 1);
        assert_true(w->gate.stored[seq] == 1 || car->dropped[seq] ||
                    car->lost[seq] || !car->given[seq]);
    }
}

/* A live message has a put or a connection as its reason; a batch a
 * connection, the receipt of the one before, or a timeout. Gaps that open in
 * a connection by refusals are bounded by puts, too. */
static void expect_few_sends(const struct world *w)
{
    uint64_t timeouts = (uint64_t)(w->now_ms / w->settings.resend_ms) + 1;
    assert_true(w->lives <= w->puts + w->connects);
    assert_true(w->batches <= w->connects + w->forgotten + timeouts +
                                  w->puts / UPLINK_LIVE_MAX);
}

static void simulate(struct world *w, uint64_t seed)
{
    begin(w, seed);
    int64_t chaos_ms = 600000 + (int64_t)draw(w, 3000000);
    while (w->now_ms < chaos_ms)
        step(w);
    calm_down(w);
    /* The longest wait (10 min and a quarter), then all batches there can
     * be, each with its receipt at the latest 30 s later; a batch that a
     * full ledger refused in part waits once more. */
    int64_t end_ms = w->now_ms + INT64_C(1500000) +
                     (int64_t)(w->car.next / w->settings.batch_max + 4) * 30200;
    while (w->car.lowest < w->car.next && w->now_ms < end_ms)
        step(w);
    expect_all_stored(w);
    expect_few_sends(w);
}

static uint64_t seed_under_test; /* 0: none failed */

static void test_simulated_network(void **state)
{
    (void)state;
    struct world *w = malloc(sizeof *w);
    const char *wish = getenv("TEST_UPLINK_SEEDS");
    uint64_t seeds = wish != NULL ? strtoull(wish, NULL, 10) : 2000;
    uint64_t puts = 0, connects = 0, batches = 0;
    assert_non_null(w);
    for (seed_under_test = 1; seed_under_test <= seeds; seed_under_test++) {
        simulate(w, seed_under_test);
        puts += w->puts;
        connects += w->connects;
        batches += w->batches;
    }
    print_message("%llu runs: %llu entries, %llu connections, %llu batches\n",
                  (unsigned long long)seeds, (unsigned long long)puts,
                  (unsigned long long)connects, (unsigned long long)batches);
    seed_under_test = 0;
    free(w);
}

static int name_seed(void **state)
{
    (void)state;
    if (seed_under_test != 0)
        print_message("it was seed %llu\n",
                      (unsigned long long)seed_under_test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_newest_first_then_backlog),
        cmocka_unit_test(test_batch_goes_again),
        cmocka_unit_test(test_lost_live_message),
        cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_newest_already_stored),
        cmocka_unit_test(test_socket_refuses),
        cmocka_unit_test(test_pile_while_connected),
        cmocka_unit_test(test_pile_while_catching_up),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_dropping_does_not_stop_resends),
        cmocka_unit_test(test_renumbered),
        cmocka_unit_test_teardown(test_simulated_network, name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

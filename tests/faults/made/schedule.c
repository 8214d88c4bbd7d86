/* What happens when: drawn whole before the world begins, so that a failing
 * schedule can be made shorter event by event. */
#include "sim.h"

#include <stdlib.h>

#define LENGTH_MS 600000
#define MINUTE_MS 60000

static const char *const words[EV_KINDS] = {
#define FAULT_WORDS(name, text) [name] = text,
    FAULTS(FAULT_WORDS)
#undef FAULT_WORDS
};

const char *event_words(enum event_kind kind)
{
    return words[kind];
}

/* How often each kind is drawn; a schedule leaves half of the faults out, so
 * that few of them meet often and all of them meet at times. */
static const unsigned weights[EV_KINDS] = {
    [EV_LINK_CUT] = 10,      [EV_LINK_SILENT] = 6, [EV_LOSSY] = 5,
    [EV_STUFFED] = 4,        [EV_AGENT_KILL] = 6,  [EV_AGENT_STOP] = 3,
    [EV_POWER_CUT] = 8,      [EV_CLOCK_1970] = 2,  [EV_CLOCK_JUMP] = 3,
    [EV_DISK_FULL] = 3,      [EV_DISK_ERRORS] = 3, [EV_DAMAGE] = 1,
    [EV_CLONE] = 1,          [EV_GATE_KILL] = 6,   [EV_DB_AWAY] = 3,
    [EV_DB_CUT] = 5,         [EV_COMMIT_LOST] = 6, [EV_DB_ERROR] = 5,
    [EV_BROKER_RESTART] = 3, [EV_REPLAY] = 5,      [EV_ALTER] = 3,
};

static void draw_circumstances(struct circumstances *in)
{
    static const uint32_t limits[] = {3, 10, 40, 1000};
    in->vehicles = 1 + (unsigned)draw(2);
    in->gates = 1 + (unsigned)draw(2);
    in->shared = draw(3) == 0;
    in->resend_s = 5 + (int64_t)draw(40);
    in->resend_max_s = in->resend_s * (1 + (int64_t)draw(8));
    in->heartbeat_s = draw(2) == 0 ? 0 : 60;
    in->batch = 8 + (uint32_t)draw(40);
    in->entries_max = limits[draw(4)];
    in->commit_entries = 1 + (uint32_t)draw(20);
    in->commit_s = 1 + (uint32_t)draw(15);
    in->store_batch = 4 + (uint32_t)draw(28);
    in->store_queue = in->store_batch + (uint32_t)draw(200);
    in->receipt_every_ms = 1000 + (int64_t)draw(30000);
    in->loss = draw(2) == 0 ? 0 : (unsigned)draw(200);
    in->twice = draw(2) == 0 ? 0 : (unsigned)draw(200);
    in->delay_ms = draw(2) == 0 ? 100 : 100 + (int64_t)draw(10000);
}

static enum event_kind draw_kind(uint64_t left_out)
{
    for (;;) {
        enum event_kind kind = (enum event_kind)draw(EV_SETTINGS);
        if ((left_out >> kind & 1) == 0 && draw(10) < weights[kind])
            return kind;
    }
}

static int by_time(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    return (a->at_ms > b->at_ms) - (a->at_ms < b->at_ms);
}

static void add(struct schedule *schedule, enum event_kind kind, unsigned who)
{
    struct event *event = &schedule->events[schedule->count++];
    *event = (struct event){.kind = kind, .who = (uint8_t)who};
    event->at_ms = 1000 + (int64_t)draw(LENGTH_MS);
    event->a = (uint32_t)draw(UINT32_MAX);
    event->b = (uint32_t)draw(UINT32_MAX);
}

void schedule_draw(uint64_t seed, struct schedule *ret)
{
    sim.random = seed;
    *ret = (struct schedule){.seed = seed};
    draw_circumstances(&ret->in);
    uint64_t left_out = draw(UINT64_MAX);
    if (draw(4) == 0)
        left_out = 0;
    left_out &= ~(UINT64_C(1) << EV_LINK_CUT);
    size_t puts = 5 + draw(25), bursts = draw(3), faults = draw(14);
    size_t settings = draw(2) == 0 ? 0 : 1 + draw(4);
    unsigned most =
        ret->in.vehicles > ret->in.gates ? ret->in.vehicles : ret->in.gates;
    for (size_t i = 0; i < puts; i++)
        add(ret, EV_PUT, (unsigned)draw(ret->in.vehicles));
    for (size_t i = 0; i < bursts; i++)
        add(ret, EV_PUT_MANY, (unsigned)draw(ret->in.vehicles));
    for (size_t i = 0; i < faults; i++) {
        enum event_kind kind = draw_kind(left_out);
        add(ret, kind, (unsigned)draw(most));
    }
    for (size_t i = 0; i < settings; i++)
        add(ret, EV_SETTINGS, (unsigned)draw(ret->in.vehicles));
    qsort(ret->events, ret->count, sizeof ret->events[0], by_time);
}

void schedule_print(const struct schedule *schedule, FILE *out)
{
    const struct circumstances *in = &schedule->in;
    fprintf(out,
            "  %u vehicles, %u gateways%s; resend %lld..%lld s, batch %u, "
            "outbox %u, commit %u or %u s,\n  store %u of %u, receipts every "
            "%lld ms; loss %u, twice %u of 1000, delay %lld ms\n",
            in->vehicles, in->gates, in->shared ? " sharing" : "",
            (long long)in->resend_s, (long long)in->resend_max_s, in->batch,
            in->entries_max, in->commit_entries, in->commit_s, in->store_batch,
            in->store_queue, (long long)in->receipt_every_ms, in->loss,
            in->twice, (long long)in->delay_ms);
    for (size_t i = 0; i < schedule->count; i++) {
        const struct event *e = &schedule->events[i];
        fprintf(out, "  %8.3f s  %-38s  %u  %u %u\n", (double)e->at_ms / 1000,
                words[e->kind], e->who, e->a, e->b);
    }
}

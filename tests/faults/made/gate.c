/* A gateway: the stages of gateway/tick.c that delivery passes, and what live
 * state must hold. */
#include "sim.h"

#include "pacing.h"
#include "store_internal.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_CAPACITY 64
#define INBOX_BYTES 32768

struct newest {
    bool any;
    int64_t time_ms;
    uint64_t generation, seq;
};

static struct gate {
    bool runs;
    uv_loop_t loop;
    struct intake *intake;
    struct store *store;
    struct fleet *fleet;
    struct batch batch;
    struct pacing pacing;
    int64_t wake_ms;
    struct newest newest[VEHICLES + 1]; /* by unit, since the start */
} gates[GATES];
static unsigned starting;

unsigned gate_starting(void)
{
    return starting;
}

bool gate_runs(unsigned gate)
{
    return gates[gate].runs;
}

void gate_enter(unsigned gate)
{
    sim.wall_ahead_ms = 0;
    sim.program = VEHICLES + gate;
}

unsigned gate_of_loop(const uv_loop_t *loop)
{
    unsigned gate = 0;
    while (gate < GATES - 1 && loop != &gates[gate].loop)
        gate++;
    return gate;
}

void gate_is_stored(unsigned gate, const struct store_receipt *receipt)
{
    intake_receipt(gates[gate].intake, receipt);
}

static void on_stored(void *context, const struct store_receipt *receipt)
{
    const struct gate *gate = context;
    intake_receipt(gate->intake, receipt);
}

/* ---- live state */

static bool is_older(const struct fleet_unit *unit, const struct newest *known)
{
    if (unit->fix_time_ms != known->time_ms)
        return unit->fix_time_ms < known->time_ms;
    if (unit->generation != known->generation)
        return (int64_t)unit->generation < (int64_t)known->generation;
    return unit->seq < known->seq;
}

static void look_at_fleet(struct gate *gate)
{
    for (uint32_t u = 1; u <= VEHICLES; u++) {
        const struct fleet_unit *unit = fleet_find(gate->fleet, u);
        struct newest *known = &gate->newest[u];
        if (unit == NULL || !unit->has_fix)
            continue;
        if (known->any && is_older(unit, known))
            violated("live state of unit %u goes back in time", (unsigned)u);
        *known = (struct newest){true, unit->fix_time_ms, unit->generation,
                                 unit->seq};
    }
}

/* The rule broken: what comes last is taken for the newest. */
static void break_live_state(struct gate *gate)
{
    const struct batch *batch = &gate->batch;
    if (sim.broken != BREAK_LIVE_BACKWARDS || batch->count == 0)
        return;
    const struct batch_item *item = &batch->items[batch->count - 1];
    uint32_t slot;
    if (item->refusal != REFUSED_NOT ||
        !fleet_slot(gate->fleet, item->unit_id, &slot))
        return;
    struct fleet_unit *unit = fleet_at(gate->fleet, slot);
    unit->fix_time_ms = item->entry.time_ms;
    unit->seq = item->entry.seq;
}

/* ---- the tick */

/* Devices do not change their units here, so that a vehicle is never to be
 * told less than it has. */
static enum pt_err say_settings(void *context, const char *device,
                                const uint8_t *bytes, size_t size)
{
    const struct gate *gate = context;
    if (size == 0)
        violated("a gateway takes settings of %s away that it does not know",
                 device);
    sim.totals.settings_said++;
    return intake_say_settings(gate->intake, device, bytes, size);
}

static void look_at_queues(const struct gate *gate)
{
    if (gate->store->count > gate->store->settings.queue_max)
        violated("the store's queue is over its limit");
    if (gate->batch.count > gate->batch.capacity)
        violated("a batch is over its limit");
}

void gate_tick(unsigned number)
{
    struct gate *gate = &gates[number];
    const struct catalog *catalog = control_catalog(number);
    int64_t now_ms = WALL_AT_START_MS + sim.now_ms;
    if (!gate->runs)
        return;
    gate_enter(number);
    do {
        intake_take(gate->intake, catalog, gate->fleet, now_ms, &gate->batch);
        if (fleet_apply(gate->fleet, &gate->batch) != PT_OK)
            violated("live state takes no more units");
        break_live_state(gate);
        pacing_follow(&gate->pacing, catalog, gate->fleet, now_ms, say_settings,
                      gate);
        fleet_changes_take(gate->fleet);
        if (gate->batch.count == 0)
            continue;
        look_at_fleet(gate);
        (void)store_append(gate->store, &gate->batch);
        batch_reset(&gate->batch);
        look_at_queues(gate);
    } while (intake_has_more(gate->intake));
    int64_t wait_ms = intake_receipts_due(gate->intake);
    gate->wake_ms = wait_ms < 0 ? NEVER : sim.now_ms + wait_ms;
}

int64_t gate_next_ms(unsigned gate)
{
    return gates[gate].runs ? gates[gate].wake_ms : NEVER;
}

bool gate_quiet(unsigned gate)
{
    return !gates[gate].runs || gates[gate].store->count == 0;
}

/* ---- begin and end */

static void restore_live_state(struct gate *gate)
{
    for (uint32_t u = 1; u <= VEHICLES; u++) {
        const struct latest *latest = database_latest(u);
        struct fleet_unit unit = {
            .unit_id = u,
            .has_fix = true,
            .fix_time_ms = latest->time_ms,
            .at = {latest->lat_e6, latest->lon_e6},
            .generation = latest->generation,
            .seq = latest->seq,
        };
        if (latest->any && fleet_restore(gate->fleet, &unit) != PT_OK)
            abort();
    }
}

void gate_start(unsigned number)
{
    struct gate *gate = &gates[number];
    const struct circumstances *in = sim.in;
    const struct store_settings store = {
        .conninfo = "",
        .lanes = STORE_LANES,
        .queue_max = in->store_queue,
        .batch_max = in->store_batch,
        .keep_past_days = 30,
        .keep_future_days = 2,
    };
    const struct store_events events = {gate, on_stored};
    const struct intake_settings intake = {
        .queue_max_bytes = INBOX_BYTES,
        .past_max_ms = INT64_C(30) * 86400000,
        .future_max_ms = 600000,
        .jump_mps = 100,
        .receipt_every_ms = in->receipt_every_ms,
    };
    starting = number;
    gate_enter(number);
    gate->wake_ms = NEVER;
    memset(gate->newest, 0, sizeof gate->newest);
    if (fleet_new(VEHICLES + 1, &gate->fleet) != PT_OK ||
        store_new(&gate->loop, &store, &events, NULL, &gate->store) != PT_OK ||
        intake_new(&gate->loop, &intake, NULL, &gate->intake) != PT_OK ||
        batch_init(&gate->batch, BATCH_CAPACITY) != PT_OK)
        abort();
    gate->pacing = (struct pacing){0};
    control_read(number);
    restore_live_state(gate);
    look_at_fleet(gate);
    gate->runs = true;
}

void gate_kill(unsigned number)
{
    struct gate *gate = &gates[number];
    if (!gate->runs)
        return;
    gate_enter(number);
    gate->runs = false;
    store_close(gate->store, NULL, NULL);
    intake_close(gate->intake, NULL, NULL);
    loop_forget(&gate->loop);
    fleet_free(gate->fleet);
    batch_clear(&gate->batch);
#ifdef SIM_HEAPS
    if (heap_count(VEHICLES + number) > 0 && !sim.failed)
        violated("a gateway that was closed holds %zu blocks of memory",
                 heap_count(VEHICLES + number));
#endif
}

/* With heaps of their own what they hold goes with the world. */
void gates_end(void)
{
    for (unsigned g = 0; g < GATES; g++) {
#ifdef SIM_HEAPS
        gates[g].runs = false;
#else
        gate_kill(g);
#endif
    }
}

/* A vehicle: tracker-agent's delivery.c on a disk and a link of this world,
 * and what must hold of its outbox and of each message. */
#include "sim.h"

#include "outbox_internal.h"
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 4096 /* numbers sent, hashed */

static struct vehicle {
    bool runs;
    struct agent agent;
    char path[32];
    int64_t clock_ahead_ms;
    int64_t tick_ms;
    bool damaged;        /* its disk was, once */
    unsigned numbering;  /* at the last look, like the next ones */
    uint64_t generation; /* in use then */
    uint64_t lowest, highest, depth, dropped;
    size_t pending;
    struct thing *newest;
    bool newest_sent;  /* over this connection */
    uint64_t batch_to; /* of the batch under way; 0: none */
    int64_t batch_ms;
    unsigned batch_numbering;
    uint64_t last_sent; /* by its number in the outbox */
} vehicles[VEHICLES];

/* Where each thing was when it was last seen. */
static struct {
    uint64_t seq;  /* its number in the outbox */
    uint32_t seen; /* the look that saw it */
} places[THINGS_MAX];
static uint32_t looks;

/* Which content went out under which number. */
static struct number {
    uint32_t schedule;
    uint32_t device;
    uint64_t generation, seq;
    struct thing *thing;
    struct thing *other; /* of a vehicle on a copy of the disk */
} numbers[NAMES_SIZE];
static uint32_t schedules;

const char *vehicle_name(unsigned vehicle)
{
    return vehicle == 1 ? "v2" : "v1";
}

uint32_t vehicle_device(unsigned vehicle)
{
    return vehicle == 1 ? 2 : 1;
}

bool vehicle_runs(unsigned vehicle)
{
    return vehicles[vehicle].runs;
}

struct agent *vehicle_agent(unsigned vehicle)
{
    return &vehicles[vehicle].agent;
}

void vehicle_enter(unsigned vehicle)
{
    sim.wall_ahead_ms = vehicles[vehicle].clock_ahead_ms;
    sim.program = vehicle;
}

void vehicle_clock(unsigned vehicle, int64_t ahead_ms)
{
    vehicles[vehicle].clock_ahead_ms = ahead_ms;
}

void vehicle_damaged(unsigned vehicle)
{
    vehicles[vehicle].damaged = true;
}

void vehicle_copied(unsigned from, unsigned to)
{
    vehicles[to].damaged = vehicles[from].damaged;
}

/* ---- what delivery.c asks of the agent's other parts */

struct power_state power_last(const struct power *power)
{
    (void)power;
    return (struct power_state){.battery_percent = -1};
}

struct pace_settings agent_pace_settings(const struct agent_settings *s)
{
    return (struct pace_settings){.bound_m = s->pace_bound_m};
}

struct uplink_settings agent_uplink_settings(const struct agent_settings *s)
{
    return (struct uplink_settings){
        .resend_ms = s->uplink_resend_s * 1000,
        .resend_max_ms = s->uplink_resend_max_s * 1000,
        .batch_max = (uint32_t)s->uplink_batch,
        .heartbeat_ms = s->uplink_heartbeat_s * 1000,
    };
}

/* ---- things */

static bool is_stored(const struct thing *thing)
{
    return thing->positions + thing->acts + thing->quarantined > 0;
}

bool has_a_twin(const struct thing *thing)
{
    return sim.cloned && vehicle_device(thing->vehicle) == 1;
}

/* What was once dropped may come back when the power goes before that is on
 * disk; the gateway may have closed and counted its number by then.
 * Of two that share a cloned disk either may close or take the other's
 * numbers before that shows. */
static bool may_be_deleted(const struct thing *thing)
{
    return is_stored(thing) || thing->dropped || has_a_twin(thing);
}

/* ---- looking into the outbox */

static struct pt_entry held[THINGS_MAX * 2];

static bool has_changed(const struct vehicle *v)
{
    const struct outbox *box = v->agent.outbox;
    return v->numbering != outbox_numbering(box) ||
           v->lowest != outbox_lowest(box) ||
           v->highest != outbox_highest(box) || v->depth != outbox_depth(box) ||
           v->dropped != outbox_dropped(box) ||
           v->pending != outbox_uncommitted(box);
}

static void see_entry(struct vehicle *v, const struct pt_entry *entry,
                      bool durable)
{
    struct thing *thing = thing_of_entry(entry);
    if (thing == NULL) {
        violated("the outbox holds what nobody put");
        return;
    }
    if (&vehicles[thing->vehicle] != v)
        return; /* the clone's disk holds what was put into the first one */
    size_t i = thing_index(thing);
    thing->held = true;
    thing->durable = durable;
    thing->lost = false;
    places[i].seq = entry->seq;
    places[i].seen = looks;
}

/* Gone since the last look: by a receipt, or by a full outbox that counts. */
static void see_gone(struct vehicle *v, struct thing *thing, uint64_t *budget)
{
    const struct outbox *box = v->agent.outbox;
    size_t i = thing_index(thing);
    if (outbox_in_memory(box) && thing->durable)
        return; /* in the file, which is not open just now */
    thing->held = false;
    if (may_be_deleted(thing))
        return;
    if (v->damaged) {
        thing->lost = true;
        return;
    }
    if (*budget == 0) {
        violated("entry %zu (number %llu) was deleted before it was committed",
                 i, (unsigned long long)places[i].seq);
        return;
    }
    (*budget)--;
    thing->dropped = true;
    sim.totals.dropped++;
    if (v->numbering == outbox_numbering(box) &&
        places[i].seq >= outbox_lowest(box))
        violated("entry %zu was dropped, and was not the oldest", i);
}

static uint64_t dropped_since(const struct vehicle *v)
{
    const struct outbox *box = v->agent.outbox;
    uint64_t dropped = outbox_dropped(box);
    if (v->numbering != outbox_numbering(box))
        return dropped;
    return dropped > v->dropped ? dropped - v->dropped : 0;
}

/* Into `held`; false when the file is damaged: the next look sees the new
 * one. */
static bool read_from(const struct vehicle *v, uint64_t from, size_t *count)
{
    disk_honest(false);
    enum pt_err err =
        outbox_read(v->agent.outbox, from, THINGS_MAX * 2, held, count);
    disk_honest(true);
    if (err != PT_OK && !v->damaged)
        violated("the outbox cannot be read: %s", pt_strerror(err));
    return err == PT_OK;
}

static void look_for_all(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    struct outbox *box = v->agent.outbox;
    uint64_t budget = dropped_since(v);
    size_t count = 0;
    looks++;
    if (!read_from(v, 1, &count))
        return;
    if (count != outbox_depth(box) && !v->damaged)
        violated("the outbox says %llu and holds %zu",
                 (unsigned long long)outbox_depth(box), count);
    size_t durable = count - outbox_uncommitted(box);
    for (size_t i = 0; i < count; i++)
        see_entry(v, &held[i], i < durable);
    for (size_t i = 0; i < sim.thing_count; i++)
        if (sim.things[i].vehicle == number && sim.things[i].held &&
            places[i].seen != looks)
            see_gone(v, &sim.things[i], &budget);
}

/* By its own counts nothing has gone since the last look. */
static bool has_only_gained(const struct vehicle *v)
{
    const struct outbox *box = v->agent.outbox;
    return v->depth > 0 && v->numbering == outbox_numbering(box) &&
           v->lowest == outbox_lowest(box) &&
           v->dropped == outbox_dropped(box) &&
           outbox_depth(box) - v->depth == outbox_highest(box) - v->highest;
}

/* What is new; the others are read again when anything goes, which also shows
 * whether the counts were right. */
static void look_for_new(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    const struct outbox *box = v->agent.outbox;
    size_t count = 0, pending = outbox_uncommitted(box);
    if (outbox_highest(box) > v->highest &&
        !read_from(v, v->highest + 1, &count))
        return;
    if (count != outbox_highest(box) - v->highest && !v->damaged)
        violated("of %llu entries just put %zu can be read",
                 (unsigned long long)(outbox_highest(box) - v->highest), count);
    for (size_t i = 0; i < count; i++)
        see_entry(v, &held[i], count - i > pending);
    for (size_t i = 0; pending <= count && i < sim.thing_count; i++)
        if (sim.things[i].vehicle == number && sim.things[i].held &&
            places[i].seq <= v->highest)
            sim.things[i].durable = true;
}

static void note_look(struct vehicle *v)
{
    const struct outbox *box = v->agent.outbox;
    if (v->numbering != outbox_numbering(box))
        v->batch_to = 0;
    sim.totals.generations +=
        v->generation != 0 && v->generation != outbox_generation(box);
    v->numbering = outbox_numbering(box);
    v->generation = outbox_generation(box);
    v->lowest = outbox_lowest(box);
    v->highest = outbox_highest(box);
    v->depth = outbox_depth(box);
    v->dropped = outbox_dropped(box);
    v->pending = outbox_uncommitted(box);
}

/* The rules broken: old entries first, or twice. */
static void send_oldest(struct vehicle *v)
{
    static uint8_t bytes[4096];
    struct pt_entry entries[8];
    char topic[LINK_TOPIC_MAX];
    size_t size, count = 0;
    if (outbox_read(v->agent.outbox, 1, 8, entries, &count) != PT_OK ||
        count == 0)
        return;
    struct pt_report report = {.count = count, .entries = entries};
    (void)outbox_sign(v->agent.outbox, &report);
    link_topic(LINK_REPORT, vehicle_name((unsigned)(v - vehicles)), topic);
    if (pt_report_encode(&report, bytes, sizeof bytes, &size) == PT_OK)
        (void)!link_publish(v->agent.link, topic, bytes, size, 0, false);
}

/* The rules broken that have their place here. */
static void break_rules(struct vehicle *v)
{
    struct outbox *box = v->agent.outbox;
    size_t count;
    if (sim.broken == BREAK_ACKNOWLEDGE_UNKEPT)
        v->agent.remote_kept = v->agent.remote.revision;
    if (sim.broken == BREAK_CARRY_RENAMED &&
        v->numbering != outbox_numbering(box))
        for (size_t i = 0; i < box->meta.era_count; i++)
            box->meta.eras[i].generation ^= draw(INT64_MAX);
    if (sim.broken == BREAK_DROP_UNCOUNTED && box->dropped > v->dropped)
        box->dropped = v->dropped;
    if (sim.broken == BREAK_TWO_BATCHES && v->batch_to != 0 &&
        v->batch_ms == sim.now_ms && link_is_up(v->agent.link))
        send_oldest(v);
    if (sim.broken != BREAK_DELETE_BEFORE_RECEIPT || v->last_sent < 2)
        return;
    const struct era *era = &box->meta.eras[era_of(&box->meta, v->last_sent)];
    uint64_t seq = v->last_sent - era->shift;
    struct pt_receipt receipt = {
        .generation = era->generation,
        .range_count = 1,
        .ranges = {{seq, seq}},
    };
    (void)!outbox_forget(box, &receipt, &count);
    v->last_sent = 0;
}

void vehicle_look(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    if (!v->runs)
        return;
    vehicle_enter(number);
    if (disk_is_dead(number)) {
        sim.totals.faults[EV_POWER_CUT]++;
        vehicle_kill(number, true);
        return;
    }
    break_rules(v);
    control_looks(number);
    if (has_changed(v) && has_only_gained(v))
        look_for_new(number);
    else if (has_changed(v))
        look_for_all(number);
    note_look(v);
    if (v->agent.outbox->pending_count > OUTBOX_PENDING_MAX)
        violated("more than %d entries in memory", OUTBOX_PENDING_MAX);
    if (v->tick_ms == NEVER &&
        (v->pending > 0 || outbox_in_memory(v->agent.outbox)))
        v->tick_ms = sim.now_ms + 1000;
}

/* ---- each message */

static struct number *find_number(uint32_t device, uint64_t generation,
                                  uint64_t seq)
{
    uint64_t hash = (generation ^ seq * UINT64_C(0x9E3779B97F4A7C15)) + device;
    for (size_t i = (size_t)(hash >> 20) % NAMES_SIZE;;
         i = (i + 1) % NAMES_SIZE) {
        struct number *n = &numbers[i];
        if (n->schedule != schedules)
            return n;
        if (n->device == device && n->generation == generation && n->seq == seq)
            return n;
    }
}

static void check_number(unsigned number, uint64_t generation,
                         const struct pt_entry *entry)
{
    struct thing *thing = thing_of_entry(entry);
    struct number *n =
        find_number(vehicle_device(number), generation, entry->seq);
    if (thing == NULL) {
        violated("sent what nobody put");
        return;
    }
    if (n->schedule != schedules) {
        *n = (struct number){schedules,  vehicle_device(number),
                             generation, entry->seq,
                             thing,      NULL};
        thing->identities++;
    }
    if (n->thing != thing && !sim.cloned)
        violated("number %llu stands for entry %zu and for entry %zu",
                 (unsigned long long)entry->seq, thing_index(n->thing),
                 thing_index(thing));
    if (n->thing != thing) {
        if (n->other != thing) { /* its number, too: it may be the one kept */
            n->other = thing;
            thing->identities++;
        }
        sim.totals.clones_seen += !thing->twin;
        thing->twin = n->thing->twin = true;
    }
    if (thing->identities > 1 && !has_a_twin(thing))
        violated("entry %zu has two numbers", thing_index(thing));
}

static bool contains(const struct pt_report *report, const struct thing *thing)
{
    for (size_t i = report->count; i-- > 0;)
        if (thing_of_entry(&report->entries[i]) == thing)
            return true;
    return false;
}

/* The number in the outbox of what is sent as the report's `i`th. */
static uint64_t number_of(const struct outbox *box,
                          const struct pt_report *report, size_t i)
{
    uint64_t seq = report->entries[i].seq, found = 0;
    for (size_t k = 0; k < box->meta.era_count; k++) {
        const struct era *era = &box->meta.eras[k];
        if (era->generation == report->generation &&
            seq + era->shift >= era->first)
            found = seq + era->shift;
    }
    return found;
}

static void check_batch(struct vehicle *v)
{
    int64_t age_ms = sim.now_ms - v->batch_ms;
    uint64_t lowest = outbox_lowest(v->agent.outbox);
    if (v->batch_to != 0 && lowest <= v->batch_to &&
        v->batch_numbering == outbox_numbering(v->agent.outbox) &&
        age_ms < sim.in->resend_s * 1000)
        violated("a second batch %lld ms after the one up to %llu",
                 (long long)age_ms, (unsigned long long)v->batch_to);
    sim.totals.batches++;
    v->batch_to = v->last_sent;
    v->batch_ms = sim.now_ms;
    v->batch_numbering = outbox_numbering(v->agent.outbox);
}

void vehicle_sends(unsigned number, const struct pt_report *report)
{
    struct vehicle *v = &vehicles[number];
    if (report->state.present)
        control_hears(number, report->state.settings_revision);
    for (size_t i = 0; i < report->count; i++)
        check_number(number, report->generation, &report->entries[i]);
    if (report->count == 0)
        return;
    v->last_sent = number_of(v->agent.outbox, report, report->count - 1);
    if (v->newest == NULL || contains(report, v->newest) ||
        v->last_sent == outbox_highest(v->agent.outbox)) {
        v->newest_sent = true;
        return;
    }
    if (!v->newest_sent && !may_be_deleted(v->newest))
        violated("the newest entry, %zu, goes behind the backlog",
                 thing_index(v->newest));
    check_batch(v);
}

void vehicle_connected(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    v->newest_sent = false;
    v->batch_to = 0;
    if (sim.broken == BREAK_BACKLOG_FIRST)
        send_oldest(v);
}

/* ---- its life */

static void set_up(struct vehicle *v, unsigned number)
{
    const struct circumstances *in = sim.in;
    struct agent_settings *s = &v->agent.settings;
    snprintf(v->path, sizeof v->path, "/sim/%u/outbox.db", number);
    s->device_name = (char *)vehicle_name(number);
    s->outbox_path = v->path;
    s->outbox_entries_max = in->entries_max;
    s->outbox_commit_entries = in->commit_entries;
    s->outbox_commit_s = in->commit_s;
    s->uplink_resend_s = in->resend_s;
    s->uplink_resend_max_s = in->resend_max_s;
    s->uplink_heartbeat_s = in->heartbeat_s;
    s->uplink_batch = in->batch;
    s->pace_bound_m = 25;
    v->agent.satellites_used = -1;
    v->agent.gpsd_up = v->agent.device_present = true;
    v->agent.fix_mode = RECEIVER_3D;
}

/* As if the disk had taken nothing for hours: all but `left` of the reserved
 * numbers are used, and their entries receipted. */
void vehicle_spend_numbers(unsigned number, uint64_t left)
{
    struct outbox *box = vehicles[number].agent.outbox;
    if (!vehicles[number].runs || outbox_in_memory(box) ||
        box->meta.reserved_to < box->next + left)
        return;
    box->next = box->meta.reserved_to + 1 - left;
}

static void find_newest(struct vehicle *v, unsigned number)
{
    uint64_t highest = 0;
    v->newest = NULL;
    for (size_t i = 0; i < sim.thing_count; i++) {
        if (sim.things[i].vehicle != number || !sim.things[i].held ||
            places[i].seen != looks || places[i].seq <= highest)
            continue;
        highest = places[i].seq;
        v->newest = &sim.things[i];
    }
}

/* The rule broken: what was given and not yet on disk is given again. */
static void break_reservation(struct vehicle *v)
{
    struct outbox *box = v->agent.outbox;
    if (sim.broken == BREAK_REUSE_IDENTITY && box->pending_count == 0 &&
        box->next > OUTBOX_BLOCK)
        box->next = box->last_put + 1 < box->next ? box->last_put + 1
                                                  : box->next - OUTBOX_BLOCK;
}

void vehicle_start(unsigned number, bool first)
{
    struct vehicle *v = &vehicles[number];
    _Bool damaged = false;
    memset(&v->agent, 0, sizeof v->agent);
    set_up(v, number);
    vehicle_enter(number);
    const struct outbox_settings settings = {
        .path = v->path,
        .entries_max = sim.in->entries_max,
    };
    enum pt_err err = PT_OK;
    if (first)
        v->agent.outbox = fresh_outbox(number, &settings);
    else
        err = outbox_open(&settings, &v->agent.outbox, &damaged);
    if (err != PT_OK) {
        violated("outbox_open: %s", pt_strerror(err));
        return;
    }
    if (damaged && !v->damaged)
        violated("the outbox calls its file damaged, which it was not");
    if (disk_is_dead(number)) { /* the power went while it started */
        v->runs = true;
        v->agent.link = NULL;
        vehicle_kill(number, true);
        sim.totals.faults[EV_POWER_CUT]++;
        return;
    }
    break_reservation(v);
    uv_timer_init(&v->agent.loop, &v->agent.next);
    v->agent.next.data = &v->agent;
    struct pace_settings pace = agent_pace_settings(&v->agent.settings);
    pace_init(&v->agent.pace, &pace);
    control_starts(number);
    crew_init(&v->agent.crew, PT_STATUS_AVAILABLE);
    agent_remote_open(&v->agent);
    control_looks(number);
    if (agent_delivery_open(&v->agent) != PT_OK)
        abort();
    v->runs = true;
    v->tick_ms = NEVER;
    v->batch_to = v->last_sent = 0;
    struct link_events events = agent_link_events(&v->agent);
    (void)!link_new(&v->agent.loop, NULL, &events, &v->agent.link);
    look_for_all(number);
    note_look(v);
    find_newest(v, number);
    if (outbox_in_memory(v->agent.outbox))
        v->tick_ms = sim.now_ms + 1000;
}

static void end_process(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    vehicle_enter(number);
    v->runs = false;
    if (v->agent.link != NULL)
        network_drop(v->agent.link);
    loop_forget(&v->agent.loop);
    agent_delivery_close(&v->agent);
    outbox_close(v->agent.outbox);
#ifdef SIM_HEAPS
    if (heap_count(number) > 0 && !sim.failed)
        violated("an agent that was closed holds %zu blocks of memory",
                 heap_count(number));
#endif
}

void vehicle_kill(unsigned number, bool power)
{
    struct vehicle *v = &vehicles[number];
    if (!v->runs)
        return;
    disk_cut_after(number, 0); /* a dead program writes nothing */
    end_process(number);
    disk_crash(number, power);
    for (size_t i = 0; i < sim.thing_count; i++) {
        struct thing *thing = &sim.things[i];
        if (thing->vehicle != number || !thing->held || thing->durable)
            continue;
        thing->held = false;
        thing->lost = true;
        sim.totals.lost_with_power++;
    }
}

void vehicle_stop(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    if (!v->runs)
        return;
    vehicle_enter(number);
    bool written = outbox_commit(v->agent.outbox) == PT_OK;
    vehicle_look(number);
    if (!v->runs)
        return;
    if (!written) {
        vehicle_kill(number, false);
        return;
    }
    end_process(number);
    if (disk_is_dead(number))
        disk_crash(number, true);
}

int64_t vehicle_next_ms(unsigned number)
{
    return vehicles[number].runs ? vehicles[number].tick_ms : NEVER;
}

void vehicle_tick(unsigned number)
{
    struct vehicle *v = &vehicles[number];
    v->tick_ms = NEVER;
    vehicle_enter(number);
    agent_commit_due(&v->agent);
    agent_pump(&v->agent);
    vehicle_look(number);
}

bool vehicle_put(unsigned number, uint32_t shape)
{
    struct vehicle *v = &vehicles[number];
    char detail[16];
    if (!v->runs || sim.thing_count == THINGS_MAX)
        return false;
    struct thing *thing = &sim.things[sim.thing_count++];
    memset(&places[thing_index(thing)], 0, sizeof places[0]);
    *thing = (struct thing){.vehicle = (uint8_t)number, .held = true};
    thing_make(thing, v->clock_ahead_ms, shape);
    snprintf(detail, sizeof detail, "e%zu", thing_index(thing));
    if (thing->entry.kind != PT_KIND_FIX)
        thing->entry.detail = detail;
    sim.totals.entries++;
    v->newest = thing;
    v->newest_sent = false;
    vehicle_enter(number);
    agent_put(&v->agent, &thing->entry);
    thing->entry.detail = NULL;
    vehicle_look(number);
    if (v->runs && v->depth > sim.in->entries_max)
        violated("the outbox holds %llu of %u at most",
                 (unsigned long long)v->depth, sim.in->entries_max);
    return true;
}

bool vehicle_quiet(unsigned number)
{
    const struct vehicle *v = &vehicles[number];
    return !v->runs || (v->depth == 0 && !outbox_in_memory(v->agent.outbox));
}

void vehicles_reset(void)
{
    schedules++;
    for (unsigned n = 0; n < VEHICLES; n++) {
        struct vehicle *v = &vehicles[n];
        v->runs = v->damaged = v->newest_sent = false;
        v->clock_ahead_ms = 0;
        v->numbering = 0;
        v->generation = v->lowest = v->highest = v->depth = v->dropped = 0;
        v->pending = 0;
        v->newest = NULL;
    }
}

/* With heaps of their own what they hold goes with the world. */
void vehicles_end(void)
{
    for (unsigned n = 0; n < VEHICLES; n++) {
#ifdef SIM_HEAPS
        vehicles[n].runs = false;
#else
        vehicle_kill(n, false);
#endif
    }
}

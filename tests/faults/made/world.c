/* The order of things, and what must hold when all has become quiet. */
#include "sim.h"

#include <string.h>

#define STEPS_MAX 200000

static int64_t restart_vehicle_ms[VEHICLES], restart_gate_ms[GATES];
static bool clone_exists;

/* ---- faults */

static bool is_up(unsigned vehicle)
{
    return vehicle_runs(vehicle) && link_is_up(network_link(vehicle));
}

static int64_t seconds(uint32_t number, int64_t most_s)
{
    return 1000 + (int64_t)number % (most_s * 1000);
}

static bool put_many(unsigned vehicle, uint32_t count, uint32_t shape)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++)
        any |= vehicle_put(vehicle, (shape >> 3) + i);
    return any;
}

static bool make_clone(void)
{
    if (clone_exists || !vehicle_runs(0))
        return false;
    clone_exists = sim.cloned = true;
    disk_clone(0, CLONE);
    vehicle_copied(0, CLONE);
    vehicle_start(CLONE, false);
    return true;
}

static bool cut_power(const struct event *e)
{
    if (!vehicle_runs(e->who))
        return false;
    uint32_t writes = e->a % 4 == 0 ? 0 : 1 + e->a % 40;
    disk_cut_after(e->who, writes);
    if (writes == 0)
        vehicle_look(e->who); /* counts it */
    return false;
}

static bool jump_clock(const struct event *e)
{
    static const int64_t jumps_ms[] = {
        0, -3600000, 240000, INT64_C(40) * 86400000, 0, -60000,
    };
    if (sim.cloned) /* which of two fixes is refused must be plain */
        return false;
    vehicle_clock(e->who, jumps_ms[e->a % 6]);
    return true;
}

static bool kill_gate(unsigned gate, uint32_t down)
{
    if (!gate_runs(gate))
        return false;
    gate_kill(gate);
    restart_gate_ms[gate] = sim.now_ms + seconds(down, 60);
    return true;
}

static bool strike_vehicle(const struct event *e)
{
    unsigned v = e->who % sim.in->vehicles;
    int64_t for_ms = seconds(e->a, 120);
    bool ran = vehicle_runs(v), was_up = is_up(v);
    switch (e->kind) {
    case EV_PUT:
        if (clone_exists && e->b % 2 == 0 && v == 0)
            v = CLONE;
        return vehicle_put(v, e->a);
    case EV_PUT_MANY:
        return put_many(v, 5 + e->a % 30, e->b);
    case EV_LINK_CUT:
        network_cut(v, for_ms);
        return was_up;
    case EV_LINK_SILENT:
        network_silence(v, for_ms);
        return was_up;
    case EV_STUFFED:
        network_stuff(v, for_ms);
        return ran;
    case EV_AGENT_KILL:
        vehicle_kill(v, false);
        return ran;
    case EV_AGENT_STOP:
        vehicle_stop(v);
        return ran;
    case EV_CLOCK_1970:
        vehicle_clock(v, -WALL_AT_START_MS);
        return true;
    case EV_DISK_FULL:
        disk_full_until(v, sim.now_ms + for_ms);
        if (e->b % 4 == 0)
            vehicle_spend_numbers(v, e->b / 4 % 8);
        return true;
    case EV_DISK_ERRORS:
        disk_errors_until(v, sim.now_ms + for_ms, 50 + e->b % 900);
        return true;
    case EV_DAMAGE:
        vehicle_damaged(v);
        return disk_damage(v, e->a, e->b);
    case EV_REPLAY:
        return network_replay(v, e->a);
    case EV_ALTER:
        return network_alter(v, e->a);
    case EV_SETTINGS:
        return control_sets(v, e->a, e->b);
    default:
        return false;
    }
}

static bool strike(const struct event *e)
{
    static const char *const states[] = {"53100", "40001", "57014", "55P03"};
    unsigned g = e->who % sim.in->gates;
    switch (e->kind) {
    case EV_LOSSY:
        sim.lossy_until_ms = sim.now_ms + seconds(e->a, 120);
        return true;
    case EV_BROKER_RESTART:
        network_broker_restart(seconds(e->a, 60));
        return true;
    case EV_POWER_CUT:
        return cut_power(e);
    case EV_CLOCK_JUMP:
        return jump_clock(e);
    case EV_CLONE:
        return make_clone();
    case EV_GATE_KILL:
        return kill_gate(g, e->a);
    case EV_DB_AWAY:
        database_away(sim.now_ms + seconds(e->a, 180));
        return true;
    case EV_DB_CUT:
        database_cut(g, seconds(e->a, 10));
        return true;
    case EV_COMMIT_LOST: /* counted where they take effect */
        database_lose_commit(g);
        return false;
    case EV_DB_ERROR:
        database_refuse(g, states[e->a % 4]);
        return false;
    default:
        return strike_vehicle(e);
    }
}

/* ---- steps */

static void restart_what_is_down(void)
{
    for (unsigned v = 0; v < VEHICLES; v++) {
        bool wanted = v < sim.in->vehicles || (v == CLONE && clone_exists);
        if (!wanted || vehicle_runs(v) || sim.failed)
            continue;
        if (restart_vehicle_ms[v] == NEVER)
            restart_vehicle_ms[v] = sim.now_ms + 1000 + (int64_t)draw(20000);
        if (sim.now_ms < restart_vehicle_ms[v])
            continue;
        restart_vehicle_ms[v] = NEVER;
        vehicle_start(v, false);
    }
    for (unsigned g = 0; g < sim.in->gates; g++) {
        if (gate_runs(g) || sim.now_ms < restart_gate_ms[g])
            continue;
        restart_gate_ms[g] = NEVER;
        gate_start(g);
    }
}

static int64_t next_ms(void)
{
    int64_t at_ms = soonest(loop_next_ms(), database_next_ms());
    at_ms = soonest(at_ms, network_next_ms());
    at_ms = soonest(at_ms, control_next_ms());
    for (unsigned v = 0; v < VEHICLES; v++) {
        at_ms = soonest(at_ms, vehicle_next_ms(v));
        at_ms = soonest(at_ms, restart_vehicle_ms[v]);
    }
    for (unsigned g = 0; g < GATES; g++) {
        at_ms = soonest(at_ms, gate_next_ms(g));
        at_ms = soonest(at_ms, restart_gate_ms[g]);
    }
    return at_ms;
}

/* One thing that is due; false when none is. */
static bool run_one(void)
{
    if (network_run_one() || database_run_one() || loop_run_one() ||
        control_run_one())
        return true;
    for (unsigned v = 0; v < VEHICLES; v++) {
        if (vehicle_next_ms(v) > sim.now_ms)
            continue;
        vehicle_tick(v);
        return true;
    }
    for (unsigned g = 0; g < GATES; g++) {
        if (gate_next_ms(g) > sim.now_ms)
            continue;
        gate_tick(g);
        return true;
    }
    return false;
}

/* Runs until `end_ms`, or until `done` says so. */
static void run(int64_t end_ms, bool (*done)(void))
{
    static unsigned steps;
    if (sim.now_ms <= 1000)
        steps = 0;
    while (!sim.failed && (done == NULL || !done())) {
        restart_what_is_down();
        int64_t at_ms = next_ms();
        if (at_ms > end_ms)
            break;
        if (at_ms > sim.now_ms)
            sim.now_ms = at_ms;
        (void)run_one();
        if (++steps > STEPS_MAX)
            violated("%d steps and no end", STEPS_MAX);
    }
    if (done == NULL && sim.now_ms < end_ms)
        sim.now_ms = end_ms;
}

/* ---- the end */

static bool all_quiet(void)
{
    for (unsigned v = 0; v < VEHICLES; v++)
        if (!vehicle_quiet(v) || restart_vehicle_ms[v] != NEVER)
            return false;
    for (unsigned v = 0; v < sim.in->vehicles; v++)
        if (!vehicle_runs(v))
            return false;
    for (unsigned g = 0; g < sim.in->gates; g++)
        if (!gate_quiet(g))
            return false;
    return network_quiet() && control_quiet();
}

static void become_calm(void)
{
    sim.calm = true;
    sim.lossy_until_ms = 0;
    for (unsigned v = 0; v < VEHICLES; v++) {
        disk_full_until(v, 0);
        disk_errors_until(v, 0, 0);
        if (!disk_is_dead(v))
            disk_cut_after(v, UINT32_MAX); /* never comes */
    }
    for (unsigned g = 0; g < GATES; g++)
        database_connect(g);
    network_calm();
}

/* The longest wait for a receipt and a quarter, three times (what was in
 * flight when all became calm, a ledger that was full); a minute for an
 * outbox that has lost its file, two while twins take the name from each
 * other; and for each batch a receipt. */
static int64_t patience_ms(void)
{
    int64_t wait_ms = sim.in->resend_max_s * 1250 * 3 + 180000;
    int64_t batches = (int64_t)(sim.thing_count / sim.in->batch) + 4;
    wait_ms += batches * (sim.in->receipt_every_ms + 2000);
    wait_ms += control_patience_ms();
    return sim.cloned ? wait_ms * 3 + batches * 120000 : wait_ms;
}

static void check_count(size_t i, const char *what, unsigned count)
{
    const struct thing *t = &sim.things[i];
    unsigned most = has_a_twin(t) && t->identities > 1 ? t->identities : 1;
    if (count > most)
        violated("entry %zu has %u rows as %s", i, count, what);
}

static void check_thing(size_t i)
{
    const struct thing *t = &sim.things[i];
    bool is_act = t->entry.kind != PT_KIND_FIX;
    bool placed = (t->entry.flags & PT_FLAG_POSITION) != 0;
    int rows = t->positions + t->acts + t->quarantined;
    check_count(i, "position", t->positions);
    check_count(i, "act", t->acts);
    check_count(i, "quarantined", t->quarantined);
    if (t->positions > 1 || t->acts > 1 || t->quarantined > 1)
        sim.totals.stored_twice++;
    if (rows == 0) {
        if (!t->dropped && !t->lost && !has_a_twin(t))
            violated("entry %zu of vehicle %u is lost", i, t->vehicle);
        return;
    }
    if (t->refused && t->quarantined == 0)
        violated("entry %zu should be in quarantine", i);
    if (!t->refused && placed && t->positions == 0)
        violated("entry %zu should be among the positions", i);
    if (is_act && t->acts == 0)
        violated("entry %zu should be among the acts", i);
    if (!t->refused && t->quarantined > 0)
        violated("entry %zu is quarantined for nothing", i);
}

static void check_row(const struct row *row)
{
    const struct thing *t = thing_of(row->placed, row->lon_e6, row->detail);
    if (t == NULL || strcmp(row->reason, "repeat_differs") == 0)
        return;
    if (row->unit != vehicle_device(t->vehicle))
        violated("entry %td stands under another's name", t - sim.things);
    if (row->placed && row->lat_e6 != t->entry.at.lat_e6)
        violated("entry %td is stored with other content", t - sim.things);
    if (!row->time_from_gateway && row->time_ms != t->entry.time_ms)
        violated("entry %td is stored with another time", t - sim.things);
}

static void check_latest(const struct row *rows, size_t count)
{
    for (uint32_t unit = 1; unit <= VEHICLES; unit++) {
        const struct latest *latest = database_latest(unit);
        int64_t newest_ms = -1;
        for (size_t i = 0; i < count; i++)
            if (rows[i].table == TABLE_POSITION && rows[i].unit == unit &&
                rows[i].time_ms > newest_ms)
                newest_ms = rows[i].time_ms;
        if (newest_ms >= 0 && (!latest->any || latest->time_ms != newest_ms))
            violated("latest_position of unit %u is not the latest",
                     (unsigned)unit);
    }
}

static void check_end(void)
{
    const struct row *rows;
    size_t count = database_rows(&rows);
    size_t differing = 0;
    if (!all_quiet())
        violated("not quiet after %lld s of calm",
                 (long long)patience_ms() / 1000);
    for (size_t i = 0; i < sim.thing_count; i++)
        check_thing(i);
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i]);
        differing += strcmp(rows[i].reason, "repeat_differs") == 0;
        sim.totals.quarantined += rows[i].table == TABLE_QUARANTINE;
    }
    check_latest(rows, count);
    if (differing > 0 && sim.altered == 0 && !sim.cloned)
        violated("%zu repeats are said to differ", differing);
    if (database_ranges_max() > LEDGER_RANGES_MAX)
        violated("a ledger of %zu ranges", database_ranges_max());
}

/* ---- a schedule */

static void begin(const struct schedule *schedule)
{
    sim.schedule = schedule;
    sim.in = &schedule->in;
    sim.random = schedule->seed ^ UINT64_C(0xA5A5A5A5);
    sim.now_ms = 1000;
    sim.wall_ahead_ms = sim.lossy_until_ms = 0;
    sim.calm = sim.failed = sim.cloned = clone_exists = false;
    sim.thing_count = 0;
    sim.altered = 0;
#ifdef SIM_HEAPS
    heaps_reset();
#endif
    loop_reset();
    disk_reset();
    database_reset();
    network_reset();
    control_reset();
    vehicles_reset();
    for (unsigned v = 0; v < VEHICLES; v++)
        restart_vehicle_ms[v] = NEVER;
    for (unsigned g = 0; g < GATES; g++)
        restart_gate_ms[g] = NEVER;
    for (unsigned g = 0; g < sim.in->gates; g++)
        gate_start(g);
    for (unsigned v = 0; v < sim.in->vehicles; v++)
        vehicle_start(v, true);
}

bool world_run(const struct schedule *schedule)
{
    begin(schedule);
    for (size_t i = 0; i < schedule->count && !sim.failed; i++) {
        const struct event *e = &schedule->events[i];
        run(e->at_ms, NULL);
        if (sim.failed)
            break;
        say("== %s, %u", event_words(e->kind), e->who);
        if (strike(e))
            sim.totals.faults[e->kind]++;
    }
    become_calm();
    if (!sim.failed)
        run(sim.now_ms + patience_ms(), all_quiet);
    if (!sim.failed)
        check_end();
    sim.totals.simulated_s += (uint64_t)sim.now_ms / 1000;
    sim.totals.schedules++;
    sim.totals.fingerprint += sim.random ^ (uint64_t)sim.now_ms << 32;
    vehicles_end();
    gates_end();
    return !sim.failed;
}

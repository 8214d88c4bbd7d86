/* The control room: how closely it wants to be told, and what each gateway
 * knows of that (catalog.h). A gateway hears of a change at once, late, or
 * when it next starts.
 *
 * What must hold of a vehicle's settings, whatever is lost, doubled or late,
 * and whatever dies: they are some that the control room gave for it, never
 * older than before; what is acknowledged would survive a power cut; in the
 * end they are the newest. */
#include "sim.h"

#include "catalog.h"
#include "pacing.h"
#include <inttypes.h>
#include <string.h>

#define UNITS CLONE
#define REVISIONS_MAX 64
#define NUDGE_MS 60000 /* a parked vehicle reports so often */

struct catalog {
    uint64_t generation;
    uint64_t revision;
    struct catalog_unit units[UNITS];
};

static struct catalog wanted, known[GATES];
static int64_t hears_ms[GATES]; /* NEVER: nothing new */
static int64_t nudge_ms;
static struct given {
    uint32_t unit;
    struct pt_settings settings;
} given[REVISIONS_MAX]; /* by revision */

static struct {
    uint64_t in_force;     /* since the start of the program */
    uint64_t acknowledged; /* ever */
} seen[VEHICLES];

static const struct catalog_unit *unit_of(const struct catalog *catalog,
                                          unsigned vehicle)
{
    return &catalog->units[vehicle_device(vehicle) - 1];
}

void control_reset(void)
{
    memset(&wanted, 0, sizeof wanted);
    memset(seen, 0, sizeof seen);
    for (uint32_t u = 0; u < UNITS; u++)
        wanted.units[u].unit_id = u + 1;
    for (unsigned g = 0; g < GATES; g++)
        hears_ms[g] = NEVER;
    nudge_ms = 0;
}

bool control_sets(unsigned vehicle, uint32_t a, uint32_t b)
{
    struct catalog_unit *unit = &wanted.units[vehicle_device(vehicle) - 1];
    if (wanted.revision == REVISIONS_MAX - 1)
        return false;
    wanted.revision++;
    unit->pace = (struct pt_settings){.revision = wanted.revision};
    if (a % 4 != 0) { /* else they are taken away */
        unit->pace.bound_dm = 50 + a % 1000;
        unit->pace.moving_s = b % 30;
        unit->pace.assigned = b % 2 != 0;
    }
    given[wanted.revision] = (struct given){unit->unit_id, unit->pace};
    say("settings %" PRIu64 " for unit %" PRIu32, wanted.revision,
        unit->unit_id);
    for (unsigned g = 0; g < sim.in->gates; g++) {
        uint64_t within_ms = draw(4) == 0 ? 180000 : 2000;
        int64_t at_ms = sim.now_ms + (int64_t)draw(within_ms);
        hears_ms[g] = soonest(hears_ms[g], at_ms);
    }
    return true;
}

/* ---- what a gateway knows */

void control_read(unsigned gate)
{
    static uint64_t generation;
    known[gate] = wanted;
    known[gate].generation = ++generation;
    hears_ms[gate] = NEVER;
}

const struct catalog *control_catalog(unsigned gate)
{
    return &known[gate];
}

uint64_t catalog_generation(const struct catalog *catalog)
{
    return catalog->generation;
}

uint64_t catalog_pace_revision(const struct catalog *catalog)
{
    return sim.broken == BREAK_GATEWAY_BEHIND ? UINT64_MAX : catalog->revision;
}

/* Device "v1" is number 1, and unit 1 for ever. */
bool catalog_device(const struct catalog *catalog, const char *name,
                    uint32_t *device_id)
{
    (void)catalog;
    for (unsigned v = 0; v < CLONE; v++) {
        if (strcmp(name, vehicle_name(v)) != 0)
            continue;
        *device_id = vehicle_device(v);
        return true;
    }
    return false;
}

bool catalog_device_unit(const struct catalog *catalog, uint32_t device_id,
                         int64_t time_ms, uint32_t *unit_id)
{
    (void)catalog;
    (void)time_ms;
    *unit_id = device_id;
    return true;
}

const struct catalog_unit *catalog_unit_by_id(const struct catalog *catalog,
                                              uint32_t unit_id)
{
    return &catalog->units[unit_id - 1];
}

const char *catalog_unit_device(const struct catalog *catalog, uint32_t unit_id,
                                int64_t now_ms)
{
    (void)catalog;
    (void)now_ms;
    return vehicle_name(unit_id - 1);
}

/* ---- what the vehicles make of it */

static bool same(const struct pt_settings *a, const struct pt_settings *b)
{
    return a->revision == b->revision && a->bound_dm == b->bound_dm &&
           a->moving_s == b->moving_s && a->assigned == b->assigned;
}

void control_starts(unsigned vehicle)
{
    seen[vehicle].in_force = seen[vehicle].acknowledged;
}

void control_looks(unsigned vehicle)
{
    const struct pt_settings *now = &vehicle_agent(vehicle)->remote;
    if (now->revision == seen[vehicle].in_force)
        return;
    if (now->revision < seen[vehicle].in_force)
        violated("settings %" PRIu64 " of vehicle %u go back to %" PRIu64,
                 seen[vehicle].in_force, vehicle, now->revision);
    else if (now->revision > wanted.revision ||
             given[now->revision].unit != vehicle_device(vehicle) ||
             !same(&given[now->revision].settings, now))
        violated("settings %" PRIu64 " of vehicle %u were never given",
                 now->revision, vehicle);
    seen[vehicle].in_force = now->revision;
}

void control_hears(unsigned vehicle, uint64_t revision)
{
    struct pt_settings kept;
    if (revision < seen[vehicle].acknowledged)
        violated("vehicle %u acknowledges settings %" PRIu64 " after %" PRIu64,
                 vehicle, revision, seen[vehicle].acknowledged);
    if (revision > 0 &&
        (!disk_settings(vehicle, &kept) || kept.revision < revision))
        violated("vehicle %u acknowledges settings %" PRIu64
                 " and does not hold them on disk",
                 vehicle, revision);
    sim.totals.acknowledged += revision > seen[vehicle].acknowledged;
    seen[vehicle].acknowledged = revision;
}

static bool is_settled(unsigned vehicle)
{
    const struct agent *agent = vehicle_agent(vehicle);
    uint64_t revision = unit_of(&wanted, vehicle)->pace.revision;
    return !vehicle_runs(vehicle) || (agent->remote.revision == revision &&
                                      agent->remote_kept == revision);
}

/* Twins take each other's name and messages. */
bool control_quiet(void)
{
    for (unsigned v = 0; v < sim.in->vehicles; v++)
        if (!is_settled(v) && !(sim.cloned && vehicle_device(v) == 1))
            return false;
    return true;
}

int64_t control_patience_ms(void)
{
    return wanted.revision > 0 ? 3 * PACING_AGAIN_MS + 3 * NUDGE_MS : 0;
}

/* ---- time */

int64_t control_next_ms(void)
{
    int64_t at_ms = sim.calm && !control_quiet() ? nudge_ms : NEVER;
    for (unsigned g = 0; g < sim.in->gates; g++)
        at_ms = soonest(at_ms, gate_runs(g) ? hears_ms[g] : NEVER);
    return at_ms;
}

static void nudge(void)
{
    nudge_ms = sim.now_ms + NUDGE_MS;
    for (unsigned v = 0; v < sim.in->vehicles; v++)
        if (!is_settled(v))
            (void)vehicle_put(v, 0);
}

bool control_run_one(void)
{
    for (unsigned g = 0; g < sim.in->gates; g++) {
        if (!gate_runs(g) || hears_ms[g] > sim.now_ms)
            continue;
        if (database_is_up(g)) {
            control_read(g);
            gate_tick(g);
        } else {
            hears_ms[g] = sim.now_ms + 5000;
        }
        return true;
    }
    if (!sim.calm || nudge_ms > sim.now_ms || control_quiet())
        return false;
    nudge();
    return true;
}

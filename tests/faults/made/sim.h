#ifndef SIM_H
#define SIM_H
/* simulate: the delivery protocol under faults, from a seed.
 *
 * The programs' own objects run here whole: delivery.c, outbox, uplink,
 * intake, store, fleet and what they use. What they call of the world is
 * played by
 *
 *   loop.c      libuv's timers, clocks, randomness, log
 *   heap.c      memory; fresh.c: an outbox just made, kept and put back
 *   disk.c      files in memory under SQLite, power cuts; disk_calls.c:
 *               the same under libc
 *   database.c  PostgreSQL: sessions; database_sql.c: locks, tables;
 *               database_copy.c: COPY's rows
 *   network.c   links, broker, what is in flight
 *   things.c    what vehicles put
 *   vehicle.c   starting and ending an agent; what its outbox must hold
 *   gate.c      starting and ending a gateway, its tick
 *   control.c   the control room's settings, and what gateways know of them
 *   schedule.c  what happens when, drawn from a seed
 *   world.c     the order of events, and what must hold in the end
 *   main.c      many schedules in several processes, and making a failing
 *               one shorter
 *
 * One world at a time, in the one global `sim`: the functions that are played
 * have no context to hang it on. */
#include "agent.h"
#include "fleet.h"
#include "intake.h"
#include "store.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VEHICLES 3 /* the last is the clone of the first one's disk */
#define CLONE 2
#define GATES 2
#define STORE_LANES 2  /* connections to the database, of a gateway */
#define THINGS_MAX 512 /* entries a schedule puts */
#define EVENTS_MAX 512

/* The programs that run in this world: vehicles, then gateways. */
#define PROGRAMS (VEHICLES + GATES)
#define NO_PROGRAM PROGRAMS

#define WALL_AT_START_MS INT64_C(1767225600000) /* 2026-01-01 */
#define NEVER INT64_MAX

/* ---- what can be broken on purpose: tests of the tester */
#define BREAKS(X)                                           \
    X(BREAK_NOTHING, "nothing")                             \
    X(BREAK_DELETE_BEFORE_RECEIPT, "delete-before-receipt") \
    X(BREAK_RECEIPT_BEFORE_COMMIT, "receipt-before-commit") \
    X(BREAK_REUSE_IDENTITY, "reuse-identity")               \
    X(BREAK_CARRY_RENAMED, "carry-renamed")                 \
    X(BREAK_FORGET_LEDGER, "forget-ledger")                 \
    X(BREAK_LYING_SYNC, "lying-sync")                       \
    X(BREAK_DROP_UNCOUNTED, "drop-uncounted")               \
    X(BREAK_BACKLOG_FIRST, "backlog-first")                 \
    X(BREAK_TWO_BATCHES, "two-batches")                     \
    X(BREAK_LIVE_BACKWARDS, "live-backwards")               \
    X(BREAK_DEAF_TO_RECEIPTS, "deaf-to-receipts")           \
    X(BREAK_DEAF_TO_SETTINGS, "deaf-to-settings")           \
    X(BREAK_OLDER_SETTINGS, "older-settings")               \
    X(BREAK_ACKNOWLEDGE_UNKEPT, "acknowledge-unkept")       \
    X(BREAK_GATEWAY_BEHIND, "gateway-behind")
enum broken {
#define BREAK_ENUM(name, word) name,
    BREAKS(BREAK_ENUM)
#undef BREAK_ENUM
        BREAK_COUNT
};

/* ---- faults, as the schedule draws them and as they took effect */
#define FAULTS(X)                                            \
    X(EV_PUT, "entries put")                                 \
    X(EV_PUT_MANY, "bursts of entries put")                  \
    X(EV_LINK_CUT, "connections cut")                        \
    X(EV_LINK_SILENT, "connections gone silent")             \
    X(EV_LOSSY, "spells of lost, late and doubled messages") \
    X(EV_STUFFED, "sockets that take no more")               \
    X(EV_BROKER_RESTART, "brokers restarted")                \
    X(EV_AGENT_KILL, "agents killed")                        \
    X(EV_AGENT_STOP, "agents stopped and started")           \
    X(EV_POWER_CUT, "power cuts")                            \
    X(EV_CLOCK_1970, "vehicles' clocks at 1970")             \
    X(EV_CLOCK_JUMP, "vehicles' clocks that jump")           \
    X(EV_DISK_FULL, "disks full")                            \
    X(EV_DISK_ERRORS, "disks with errors")                   \
    X(EV_DAMAGE, "outbox files damaged")                     \
    X(EV_CLONE, "disks cloned")                              \
    X(EV_GATE_KILL, "gateways killed")                       \
    X(EV_DB_AWAY, "databases away")                          \
    X(EV_DB_CUT, "database connections cut")                 \
    X(EV_COMMIT_LOST, "COMMITs whose answer was lost")       \
    X(EV_DB_ERROR, "statements refused")                     \
    X(EV_REPLAY, "old reports delivered again")              \
    X(EV_ALTER, "repeats with other content")                \
    X(EV_SETTINGS, "settings changed or taken away")
enum event_kind {
#define FAULT_ENUM(name, word) name,
    FAULTS(FAULT_ENUM)
#undef FAULT_ENUM
        EV_KINDS
};

struct event {
    int64_t at_ms;
    enum event_kind kind;
    uint8_t who;   /* vehicle or gateway */
    uint32_t a, b; /* what they mean is the kind's: see world.c */
};

/* What stays the same for all of a schedule. */
struct circumstances {
    unsigned vehicles; /* 1..2, without the clone */
    unsigned gates;
    bool shared; /* each report goes to one gateway, not to all */
    int64_t resend_s, resend_max_s, heartbeat_s;
    uint32_t batch;
    uint32_t entries_max;
    uint32_t commit_entries, commit_s;
    uint32_t store_batch, store_queue;
    int64_t receipt_every_ms;
    unsigned loss, twice; /* of a thousand messages, always */
    int64_t delay_ms;     /* up to */
};

struct schedule {
    uint64_t seed;
    struct circumstances in;
    size_t count;
    struct event events[EVENTS_MAX];
};

void schedule_draw(uint64_t seed, struct schedule *ret);
void schedule_print(const struct schedule *schedule, FILE *out);
const char *event_words(enum event_kind kind);

/* ---- entries */
struct thing {
    uint8_t vehicle;
    struct pt_entry entry; /* as put; its detail is not kept */
    bool refused;          /* its place or time cannot be */
    bool held;             /* in the outbox at the last look */
    bool durable;          /* a commit said so */
    bool dropped;          /* by a full outbox, which counted it */
    bool lost;             /* with its process or its disk: not promised */
    bool twin;             /* its number is also another's: a cloned disk */
    uint16_t identities;   /* numbers under which it was sent */
    uint16_t positions, acts, quarantined; /* committed rows */
};

/* ---- what is counted over all schedules; nothing but uint64_t */
struct totals {
    uint64_t schedules;
    uint64_t entries;
    uint64_t faults[EV_KINDS];
    uint64_t sent, lost, doubled, batches, receipts;
    uint64_t settings_said, settings_came, acknowledged;
    uint64_t commits, rollbacks, conflicts, repeats_differ, quarantined;
    uint64_t dropped, lost_with_power, stored_twice, clones_seen;
    uint64_t generations; /* begun under way */
    uint64_t simulated_s;
    uint64_t fingerprint; /* of all that was drawn, in whatever order */
};

/* ---- the world */
struct sim {
    enum broken broken;
    bool verbose;
    struct totals totals;
    bool failed;
    char violation[400];

    /* reset for each schedule */
    const struct schedule *schedule;
    const struct circumstances *in;
    uint64_t random;
    unsigned program;      /* whose code runs */
    int64_t now_ms;        /* a clock that never jumps */
    int64_t wall_ahead_ms; /* of the program that runs now */
    bool calm;             /* no more faults */
    int64_t lossy_until_ms;
    size_t thing_count;
    struct thing things[THINGS_MAX];
    uint64_t altered; /* messages with other content that were delivered */
    bool cloned;
};
extern struct sim sim;

uint64_t draw(uint64_t below); /* 0 for 0 */
bool strikes(unsigned of_thousand);
static inline int64_t soonest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first violation is kept; the schedule ends soon after. */
__attribute__((format(printf, 1, 2))) void violated(const char *format, ...);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* ---- loop.c */
void loop_reset(void);
void loop_forget(const uv_loop_t *loop); /* its program has died */
int64_t loop_next_ms(void);
bool loop_run_one(void); /* a timer that is due */

/* ---- heap.c; SIM_HEAPS: unless a sanitizer looks after each block */
void *own_realloc(void *block, size_t size); /* the simulator's own memory */
#ifdef SIM_HEAPS
struct heap_copy;
void heaps_register(void); /* SQLite's memory comes from them, too */
void heaps_reset(void);
size_t heap_count(unsigned program); /* blocks in use */
struct heap_copy *heap_save(unsigned program);
void heap_restore(unsigned program, const struct heap_copy *copy);
#endif

/* ---- fresh.c */
/* outbox_open() for a vehicle whose disk is empty. */
struct outbox *fresh_outbox(unsigned vehicle,
                            const struct outbox_settings *settings);

/* ---- disk.c */
struct disk_copy;
void disk_register(void);
void disk_reset(void);
/* All handles die. `power`: writes that were not synced are lost, whole or
 * in part; else they stay. */
void disk_crash(unsigned disk, bool power);
void disk_cut_after(unsigned disk, uint32_t writes); /* then disk_is_dead() */
bool disk_is_dead(unsigned disk);
void disk_full_until(unsigned disk, int64_t at_ms);
void disk_errors_until(unsigned disk, int64_t at_ms, unsigned of_thousand);
void disk_honest(bool honest); /* false: faults take no effect just now */
bool disk_damage(unsigned disk, uint32_t where, uint32_t bits);
/* The control room's settings that would survive a power cut now. */
bool disk_settings(unsigned disk, struct pt_settings *ret);
void disk_clone(unsigned from, unsigned to);
struct disk_copy *disk_save(unsigned disk);
void disk_restore(unsigned disk, const struct disk_copy *copy);

/* ---- database.c */
enum table { TABLE_POSITION, TABLE_ACT, TABLE_QUARANTINE };
struct row {
    enum table table;
    uint32_t unit;
    uint64_t generation, seq;
    int64_t time_ms;
    bool placed;
    int32_t lat_e6, lon_e6;
    char kind[16];
    char detail[16];
    char reason[32];
    bool time_from_gateway;
};
struct latest {
    bool any;
    int64_t time_ms;
    int32_t lat_e6, lon_e6;
    uint64_t generation, seq;
};
void database_reset(void);
int64_t database_next_ms(void);
bool database_run_one(void);
void database_away(int64_t until_ms);
void database_cut(unsigned gate, int64_t away_ms);
void database_lose_commit(unsigned gate);
void database_refuse(unsigned gate, const char *sqlstate);
void database_connect(unsigned gate); /* at calm */
bool database_is_up(unsigned gate);
const struct latest *database_latest(uint32_t unit);
/* Whether the number was committed, as whatever content. */
bool database_has(uint32_t device, uint64_t generation, uint64_t seq);
size_t database_rows(const struct row **ret);
size_t database_ranges_max(void); /* the longest ledger */

/* ---- network.c */
struct link *network_link(unsigned vehicle);
void network_reset(void);
int64_t network_next_ms(void);
bool network_run_one(void);
void network_cut(unsigned vehicle, int64_t for_ms);
void network_silence(unsigned vehicle, int64_t for_ms);
void network_stuff(unsigned vehicle, int64_t for_ms);
void network_broker_restart(int64_t for_ms);
bool network_replay(unsigned vehicle, uint32_t which);
bool network_alter(unsigned vehicle, uint32_t which);
void network_drop(struct link *link); /* its program has died */
bool network_quiet(void);
void network_calm(void);

/* ---- vehicle.c */
const char *vehicle_name(unsigned vehicle);
uint32_t vehicle_device(unsigned vehicle);
void vehicles_reset(void);
void vehicle_start(unsigned vehicle, bool first);
void vehicle_kill(unsigned vehicle, bool power);
void vehicle_stop(unsigned vehicle);
bool vehicle_runs(unsigned vehicle);
struct agent *vehicle_agent(unsigned vehicle);
bool vehicle_put(unsigned vehicle, uint32_t shape);
void vehicle_clock(unsigned vehicle, int64_t ahead_ms);
void vehicle_spend_numbers(unsigned vehicle, uint64_t left);
void vehicle_damaged(unsigned vehicle); /* what it held may be gone */
/* One has got a copy of the other's disk, with its damage. */
void vehicle_copied(unsigned from, unsigned to);
void vehicle_enter(unsigned vehicle); /* its clock; before its code runs */
void vehicle_look(unsigned vehicle);  /* after its code has run */
int64_t vehicle_next_ms(unsigned vehicle);
void vehicle_tick(unsigned vehicle);
bool vehicle_quiet(unsigned vehicle);
/* Each report on its way out, and each receipt on its way in. */
void vehicle_sends(unsigned vehicle, const struct pt_report *report);
void vehicle_connected(unsigned vehicle);
void vehicles_end(void);
bool has_a_twin(const struct thing *thing); /* its vehicle's disk was copied */

/* ---- things.c */
static inline size_t thing_index(const struct thing *thing)
{
    return (size_t)(thing - sim.things);
}
/* The entry whose content it is; NULL when none. */
struct thing *thing_of(bool placed, int32_t lon_e6, const char *detail);
struct thing *thing_of_entry(const struct pt_entry *entry);
/* What a receiver or a crew would say now; `shape` is any number. */
void thing_make(struct thing *thing, int64_t clock_ahead_ms, uint32_t shape);

/* ---- gate.c */
void gate_start(unsigned gate);
void gate_kill(unsigned gate);
bool gate_runs(unsigned gate);
void gate_tick(unsigned gate);
void gate_enter(unsigned gate);
int64_t gate_next_ms(unsigned gate);
unsigned gate_of_loop(const uv_loop_t *loop);
unsigned gate_of_link(const struct link *link);
void gate_is_stored(unsigned gate, const struct store_receipt *receipt);
bool gate_quiet(unsigned gate);
void gates_end(void);
unsigned gate_starting(void); /* whose modules are being made */

/* ---- control.c */
struct catalog;
void control_reset(void);
bool control_sets(unsigned vehicle, uint32_t a, uint32_t b);
void control_read(unsigned gate); /* what is wanted now */
const struct catalog *control_catalog(unsigned gate);
int64_t control_next_ms(void);
bool control_run_one(void);
void control_starts(unsigned vehicle);
void control_looks(unsigned vehicle); /* what is in force there */
void control_hears(unsigned vehicle, uint64_t acknowledged);
bool control_quiet(void); /* the newest are in force everywhere */
int64_t control_patience_ms(void);

/* ---- world.c */
bool world_run(const struct schedule *schedule); /* false: violation */

#endif

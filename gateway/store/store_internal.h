#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H
/* What the files of store share.
 *
 *   plan.c  what is to become of each entry of a transaction: no I/O
 *   copy.c  rows in COPY's binary format
 *   sql.c   statements and their array parameters
 *   transaction.c  one attempt at writing a batch, and what to do when it
 *                  fails
 *   store.c queues, life and numbers
 */
#include "db.h"
#include "store.h"

/* Entries of one device in a transaction that tell of a device catching
 * up; fewer do when one of them was LATE_MS old on arrival. A repeat tells
 * so, too: its receipt was lost. */
#define BACKLOG_ENTRIES 8
#define LATE_MS 30000

/* Repeats of a transaction that are not found where they should stand are
 * looked for in a day around it; not more of them, each may read thousands
 * of index entries. */
#define STRAY_MAX 4

/* So long a first entry waits for company: at low rates this makes 50
 * transactions a second and lane at most. Where a transaction takes longer,
 * entries are gathered as long as the last one took: what it costs for each
 * vehicle in it is then paid for more entries. Panics and answers do not
 * wait, nor does a full batch. */
#define LINGER_MS 20
#define LINGER_MAX_MS 250

/* Rows of quarantine a minute for a device that is not known or sends what
 * is no report: there is no ledger to keep repeats out. Beyond it they are
 * counted and not receipted, so what a vehicle sent stays with the vehicle.
 * Devices share a counter when their names' hashes meet. */
#define QUARANTINE_PER_MINUTE 600
#define QUARANTINE_COUNTERS 4096

/* ---- plan */

enum verdict {
    VERDICT_NONE,       /* not judged, or no room in the ledger: no receipt */
    VERDICT_STORE,      /* new */
    VERDICT_ACT,        /* new; its place is refused, the act is stored */
    VERDICT_QUARANTINE, /* new and refused */
    VERDICT_REPEAT,     /* the ledger has it */
    VERDICT_DIFFERS,    /* ... with another content: quarantined, alarmed */
};

struct planned {
    const struct batch_item *item;
    enum verdict verdict;
    uint32_t group;
    bool ask; /* a repeat whose first coming is in the database */
};

/* Entries of one (device, generation). */
struct plan_group {
    uint32_t device_id; /* BATCH_NO_DEVICE: no ledger */
    uint64_t generation;
    size_t first; /* into plan.items */
    size_t count;
    struct ledger ledger;
    uint64_t lost; /* total, as it will stand in receipt.lost */
    bool has_row;  /* the ledger comes from the database */
    bool changed;  /* and is to be written back */
    bool urgent;   /* holds a panic or an answer */
    bool backlog;
    bool receipted; /* something of it may be receipted */
};

/* Arrays are made once for `capacity` entries. */
struct plan {
    size_t capacity;
    size_t count;
    struct planned *items; /* by device, generation, seq */
    size_t group_count;
    size_t ledger_groups; /* the first ones: those with a ledger */
    struct plan_group *groups;
    size_t latest_count;
    const struct batch_item **latest; /* newest fix of each unit, by unit */
    uint64_t closed;                  /* numbers lost with full outboxes */
    uint64_t ledger_full;             /* entries sent away */
};

/* Whether a ledger can hold its number. */
bool plan_has_ledger(const struct batch_item *item);

PT_MUST_CHECK enum pt_err plan_init(struct plan *plan, size_t capacity);
void plan_clear(struct plan *plan);

/* Takes up `count` entries of the ring `items` from `first` on. Borrowed
 * until the next call. */
void plan_begin(struct plan *plan, const struct batch_item *items,
                size_t ring_size, size_t first, size_t count);

/* The database's row for a group, in the groups' order: rows of keys the
 * plan does not have are an error, keys without a row are unknown devices.
 * `cursor` starts at 0. */
PT_MUST_CHECK enum pt_err plan_row(struct plan *plan, size_t *cursor,
                                   uint32_t device_id, uint64_t generation,
                                   uint64_t stored_to, const char *ranges,
                                   uint64_t lost);

/* Verdicts, new ledgers, newest fixes. */
void plan_judge(struct plan *plan);

/* Whether it goes into the position table. */
bool plan_has_position(const struct batch_item *item);
/* Whether it goes into unit_event: what the crew did, and the status that an
 * entry without a fix says, which stands nowhere else. An act with a fix goes
 * into both. */
bool plan_has_event(const struct batch_item *item);

/* The receipt that `group` is due. */
void plan_receipt(const struct plan *plan, const struct plan_group *group,
                  struct store_receipt *ret);

enum batch_refusal plan_reason(const struct plan *plan,
                               const struct planned *planned);

/* ---- copy: a whole binary COPY for the entries of a kind; NULL data and
 * PT_OK when there is none. The caller frees `data`. */
struct copy {
    char *data;
    size_t size;
    size_t rows;
};

#define COPY_POSITION_SQL                                                     \
    "COPY patrol.position (unit_id, fix_time, received_at, geom, speed_mps, " \
    "course_deg, accuracy_m, status, generation, seq, flags) "                \
    "FROM STDIN WITH (FORMAT binary)"
#define COPY_EVENT_SQL                                                         \
    "COPY patrol.unit_event (unit_id, generation, seq, event_time, kind, "     \
    "status, detail, time_from_gateway, received_at) FROM STDIN WITH (FORMAT " \
    "binary)"
#define COPY_QUARANTINE_SQL                                                  \
    "COPY patrol.quarantine (received_at, device, reason, generation, seq, " \
    "fix_time_ms, lat_e6, lon_e6, detail) FROM STDIN WITH (FORMAT binary)"

PT_MUST_CHECK enum pt_err copy_positions(const struct plan *plan,
                                         struct copy *ret);
PT_MUST_CHECK enum pt_err copy_events(const struct plan *plan,
                                      struct copy *ret);
PT_MUST_CHECK enum pt_err copy_quarantine(const struct plan *plan,
                                          struct copy *ret);

/* ---- sql: a statement with its array parameters */
#define SQL_PARAMS_MAX 12

struct sql {
    const char *text;
    size_t param_count;
    size_t rows;
    const char *params[SQL_PARAMS_MAX];
    char *memory; /* of the parameters; free() */
};

extern const char sql_begin[];

PT_MUST_CHECK enum pt_err sql_make_rows(const struct plan *plan,
                                        struct sql *ret);
PT_MUST_CHECK enum pt_err sql_lock_rows(const struct plan *plan,
                                        struct sql *ret);
PT_MUST_CHECK enum pt_err sql_write_rows(const struct plan *plan,
                                         struct sql *ret);
PT_MUST_CHECK enum pt_err sql_write_latest(const struct plan *plan,
                                           struct sql *ret);
/* Answers (index into plan.items, 'same' | 'differs' | 'stray'). */
PT_MUST_CHECK enum pt_err sql_compare(const struct plan *plan, struct sql *ret);
/* The same for STRAY_MAX strays, given as indexes. Answers the index of
 * those that were found under another time. */
PT_MUST_CHECK enum pt_err sql_find_strays(const struct plan *plan,
                                          const size_t *strays, size_t count,
                                          struct sql *ret);
/* Partitions for the days of what is to be stored. */
PT_MUST_CHECK enum pt_err sql_partitions(const struct plan *plan,
                                         struct sql *ret);

/* ---- store and transaction */
struct store_numbers {
    uint64_t stored;
    uint64_t repeats;
    uint64_t quarantined[REFUSED_COUNT];
    uint64_t not_quarantined; /* beyond QUARANTINE_PER_MINUTE */
    uint64_t ledger_full;
    uint64_t lost;
    uint64_t dropped;
    uint64_t queue_full;
    uint64_t transactions;
    uint64_t failures;
    uint64_t retries;
    uint64_t queued;
    uint64_t commit_ms;
    uint64_t last_commit_ms;
};

/* A connection with a queue of its own. All of a device goes to one lane, so
 * its ledgers are written in order; lanes do not wait for each other but where
 * two devices are one unit, for its row of latest_position. */
struct lane {
    struct store *store;
    struct db *db;
    uv_timer_t timer; /* linger or back-off */
    bool backing_off;

    struct batch_item *ring; /* settings.queue_max of them */
    size_t first;
    size_t count;
    bool hurry; /* a panic or an answer is waiting */

    /* the transaction under way */
    struct plan plan;
    bool busy;
    bool open;      /* BEGIN has been sent, its end has not been answered */
    bool rows_made; /* ledgers' rows that were missing */
    bool failed;    /* the first failure is kept here */
    char sqlstate[6];
    char error[256];
    unsigned outstanding; /* requests not yet answered */
    size_t strays[STRAY_MAX];
    size_t stray_count;
    uint64_t began_ns;

    /* between tries */
    size_t limit;         /* entries of the next transaction */
    unsigned tries;       /* failed in a row */
    bool partitions_made; /* for this batch */
    bool poisoned;        /* the first entry failed alone */
    uint64_t linger_ms;
};

struct store {
    uv_loop_t *loop;
    struct store_settings settings;
    struct store_events events;
    unsigned handles; /* not closed yet */
    bool closing;
    void (*done)(void *context);
    void *done_context;

    struct lane lanes[STORE_LANES_MAX]; /* settings.lanes of them */
    size_t count;                       /* entries in all queues */

    int64_t made_day;     /* UTC day on which partitions were made ahead */
    int64_t make_next_ms; /* not again before */
    bool making;

    int64_t quarantine_minute;
    uint16_t quarantine_rows[QUARANTINE_COUNTERS];
    struct store_numbers numbers;
};

/* Begins a transaction when there is something to write and nothing in the
 * way. */
void lane_kick(struct lane *lane);

/* Makes partitions ahead when a new day has come. */
void lane_make_partitions(struct lane *lane);

/* Takes the first entries out of the queue. */
void lane_pop(struct lane *lane, size_t count);

int64_t store_wall_ms(void);

#endif

#ifndef INTAKE_INTERNAL_H
#define INTAKE_INTERNAL_H
/* What the files of intake share. Its parts that touch no socket and no clock:
 * the inbox of waiting messages, the judge, the schedule of receipts, the count
 * of what messages cost; and the struct itself, for intake.c and probe.c. Loop
 * thread only. */
#include "batch.h"
#include "geo.h"
#include "intake.h"
#include "link.h"
#include "metrics.h"
#include "pulse.h"
#include "report.h"
#include "store.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------- inbox: messages as raw
 * bytes
 */
struct inbox_message {
    enum link_topic kind; /* LINK_REPORT or LINK_PRESENCE */
    bool retained;
    int64_t received_ms;
    uint64_t aside_ns; /* when it was put aside; uv_hrtime() */
    char device[LINK_DEVICE_MAX + 1];
    uint32_t size;
    const uint8_t *payload; /* borrowed until inbox_drop() */
};

/* Messages lie whole, one behind the other, in one block of memory; one that
 * does not fit before the block's end begins at its start. */
struct inbox {
    uint8_t *bytes;
    size_t size;
    size_t head;    /* oldest message */
    size_t tail;    /* where the next goes */
    size_t wrap;    /* where the messages before the block's end stop */
    size_t waiting; /* messages */
};

PT_MUST_CHECK enum pt_err inbox_init(struct inbox *inbox, size_t size);
void inbox_clear(struct inbox *inbox);
/* Copies the message in. PT_E_FULL when there is no room. */
PT_MUST_CHECK enum pt_err inbox_put(struct inbox *inbox,
                                    const struct inbox_message *message);
/* The oldest; false when none waits. */
bool inbox_peek(const struct inbox *inbox, struct inbox_message *ret);
void inbox_drop(struct inbox *inbox); /* the oldest */

/* ------------------------------------------------------------------ the judge
 */
struct judge_limits {
    int64_t past_max_ms;
    int64_t future_max_ms;
    double jump_mps;
};

/* No vehicle of ours is faster (540 km/h); receivers that lost the sky say
 * such things. */
#define JUDGE_SPEED_MAX_CMPS 15000u
/* A fix that may be 100 km off is none. */
#define JUDGE_ACCURACY_MAX_DM 1000000u
/* So far two fixes may lie apart by the receiver's noise alone: no jump,
 * however short the time between them. */
#define JUDGE_JUMP_SLACK_M 50.0

/* Whether the report can be kept at all: numbers that the database's bigint
 * does not hold make it malformed. */
bool judge_report(const struct pt_report *report);
/* Of one entry, by itself: REFUSED_NOT, or the first reason against it in
 * the order coordinates, value, time. */
enum batch_refusal judge_entry(const struct judge_limits *limits,
                               const struct pt_entry *entry, int64_t now_ms);
/* Its time alone. */
enum batch_refusal judge_time(const struct judge_limits *limits,
                              int64_t time_ms, int64_t now_ms);
/* Faster than a vehicle can be between two fixes of one unit, in either
 * order of time. */
bool judge_jump(const struct judge_limits *limits, struct geo_point from,
                int64_t from_ms, struct geo_point to, int64_t to_ms);

/* ------------------------------------------------------ the receipts' schedule
 */
/* The newest receipt of each (device, generation), kept until it is
 * published. A receipt names everything stored so far, so a newer one
 * replaces one that waits. All times are of a clock that never jumps. */
struct receipts;

/* Times are rounded up to this, so that a tick's search for what is due
 * finds many at once. */
#define RECEIPTS_GRAIN_MS 100

PT_MUST_CHECK enum pt_err receipts_new(size_t max, int64_t every_ms,
                                       struct receipts **ret);
void receipts_free(struct receipts *receipts);
/* Urgent and backlog ones are due now, others `every_ms` after the last one
 * of the same (device, generation). PT_E_FULL when `max` others wait or were
 * sent within `every_ms`; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err receipts_put(struct receipts *receipts,
                                       const struct store_receipt *receipt,
                                       int64_t now_ms);
struct receipts_due {
    size_t slot;
    const char *device; /* borrowed until the next call */
    const uint8_t *bytes;
    size_t size;
};
/* One that is due; false when none is. It stays until receipts_sent(). */
bool receipts_next(struct receipts *receipts, int64_t now_ms,
                   struct receipts_due *ret);
void receipts_sent(struct receipts *receipts, size_t slot, int64_t now_ms);
/* When to ask receipts_next() again, ms from now; 0: at once, -1: nothing
 * waits. */
int64_t receipts_wait(const struct receipts *receipts, int64_t now_ms);
size_t receipts_waiting(const struct receipts *receipts);

/* ------------------------------------------------------------------ the cost
 */
enum cost_kind {
    COST_FIX,       /* a report with one entry */
    COST_BATCH,     /* with several */
    COST_HEARTBEAT, /* with none */
    COST_RECEIPT,
    COST_KINDS
};
enum cost_layer { COST_PAYLOAD, COST_MQTT, COST_TLS, COST_TCP_IP, COST_LAYERS };

/* Bytes between vehicles and the broker, both directions; cost.c says what is
 * counted and what is worked out. */
struct cost {
    bool with_tls;
    uint64_t messages[COST_KINDS];
    uint64_t entries[COST_KINDS];
    uint64_t bytes[COST_KINDS][COST_LAYERS];
};

void cost_report(struct cost *cost, size_t payload, size_t entries);
void cost_receipt(struct cost *cost, size_t topic_length, size_t payload);
/* Registers the numbers; `cost` must outlive the registry. */
PT_MUST_CHECK enum pt_err cost_metrics(const struct cost *cost,
                                       struct metrics *metrics);

/* ------------------------------------------------------------------ the whole
 */
int64_t intake_wall_ms(void); /* UTC */

#define INTAKE_TWINS_MAX 16

struct counts {
    uint64_t reports;
    uint64_t presences;
    uint64_t strange;                /* on a topic that is none of ours */
    uint64_t dropped;                /* the ring was full */
    uint64_t deferred;               /* reports, until a newer catalog */
    uint64_t verdict[REFUSED_COUNT]; /* entries */
    uint64_t jumps;
    uint64_t acts_kept;
    uint64_t fleet_full;
    uint64_t receipts_sent;
    uint64_t receipts_dropped;
    uint64_t probes_answered;
};

/* The report that is being taken: it may need several batches. */
struct reading {
    bool under_way;
    struct pt_report report;
    size_t next; /* entry */
    char device[LINK_DEVICE_MAX + 1];
    int64_t received_ms;
    /* The fix before, for jumps. */
    bool has_last;
    uint32_t last_unit_id;
    struct geo_point last_at;
    int64_t last_ms;
};

struct intake {
    uv_loop_t *loop;
    struct link *link;
    struct inbox inbox;
    struct inbox undecided; /* reports of devices that nobody knows */
    uint64_t catalog_ns;    /* see intake_catalog() */
    bool asks_catalog;
    struct judge_limits limits;
    struct receipts *receipts;
    struct reading reading;
    struct counts counts;
    struct cost cost;
    struct pulse pulse;
    char probe_topic[LINK_TOPIC_MAX];
    int64_t connected_ms; /* UTC, of the last time */
    int64_t life_ms;      /* UTC, when anything last came */
    bool gone_silent;     /* given up for that, and not yet back */
    bool told_mute;
    struct twins *twins;
    /* Found and not yet told; those beyond it are found again. */
    char found_twins[INTAKE_TWINS_MAX][LINK_DEVICE_MAX + 1];
    size_t found_twin_count;
    int64_t refusals_logged_ms;
    uint64_t refusals_unlogged;
    void (*closed)(void *context);
    void *closed_context;
};

#endif

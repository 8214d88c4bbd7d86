#ifndef BATCH_H
#define BATCH_H
/* batch: what one tick carries from step to step: report entries as intake
 * judged them. Loop thread only. */
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why intake refused an entry; the words are quarantine.reason and the label
 * of the metric. */
#define BATCH_REFUSALS(X)                                                \
    X(REFUSED_NOT, "accepted")                                           \
    X(REFUSED_UNKNOWN_DEVICE, "unknown_device") /* no unit has it now */ \
    X(REFUSED_MALFORMED, "malformed")           /* no report at all */   \
    X(REFUSED_COORDINATES, "impossible_coordinates")                     \
    X(REFUSED_TIME_PAST, "fix_time_too_old")                             \
    X(REFUSED_TIME_FUTURE, "fix_time_in_future")                         \
    X(REFUSED_VALUE, "impossible_value") /* speed, accuracy, text */     \
    X(REFUSED_REPEAT_DIFFERS, "repeat_differs")

enum batch_refusal {
#define BATCH_REFUSAL_ENUM(name, word) name,
    BATCH_REFUSALS(BATCH_REFUSAL_ENUM)
#undef BATCH_REFUSAL_ENUM
        REFUSED_COUNT
};
/* "unknown" outside the list; never NULL. */
const char *batch_refusal_word(enum batch_refusal refusal);

#define BATCH_NO_UNIT UINT32_MAX
#define BATCH_NO_DEVICE UINT32_MAX

/* bits 16.. of position.flags are the gateway's */
#define BATCH_FLAG_JUMP (1u << 16)
/* Of a crew's act: the time it was sent with cannot be. */
#define BATCH_FLAG_GATEWAY_TIME (1u << 17)

struct batch_item {
    char device_name[65]; /* as the topic named it */
    uint32_t device_id;   /* device.device_id, or BATCH_NO_DEVICE */
    uint32_t unit_id;     /* unit.unit_id, or BATCH_NO_UNIT */
    uint64_t generation;  /* 0 only with REFUSED_MALFORMED */
    uint64_t lowest_held;
    int64_t received_ms; /* UTC */
    uint32_t flags;      /* entry flags and BATCH_FLAG_* */
    enum batch_refusal refusal;
    /* With a refusal, on what a crew did (any kind but a fix): only the
     * place and time are refused, the act counts. */
    bool act_kept;
    struct pt_entry entry; /* detail: owned by the batch */
};

/* When the crew acted: the entry's time, or when it came in where that time
 * cannot be. */
int64_t batch_act_ms(const struct batch_item *item);

struct batch {
    struct batch_item *items;
    size_t count;
    size_t capacity; /* the bound: intake stops taking when full */
};

/* Makes room for `capacity` items (1 or more) at once: batch_add() allocates
 * only for a detail. */
PT_MUST_CHECK enum pt_err batch_init(struct batch *batch, size_t capacity);
/* Appends a copy (the detail's text too). PT_E_FULL at capacity. */
PT_MUST_CHECK enum pt_err batch_add(struct batch *batch,
                                    const struct batch_item *item);
/* Forgets the items, keeps the room. */
void batch_reset(struct batch *batch);
/* Frees all; the struct is zeroed. NULL and a zeroed one are fine. */
void batch_clear(struct batch *batch);

#endif

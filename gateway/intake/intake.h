#ifndef INTAKE_H
#define INTAKE_H
/* intake: reports from the broker, decoded and judged, and receipts back.
 * Loop thread only.
 *
 * Bounded: messages wait as they came in a ring of `queue_max` bytes and
 * entries; what does not fit is dropped and counted: without a receipt the
 * vehicle sends it again. */
#include "batch.h"
#include "catalog.h"
#include "fleet.h"
#include "link.h"
#include "metrics.h"
#include "pt_err.h"
#include "store.h"
#include <stdbool.h>
#include <uv.h>

struct intake_settings {
    struct link_settings link;
    size_t queue_max_bytes;
    int64_t past_max_ms;   /* a fix older than this is refused ... */
    int64_t future_max_ms; /* ... and one farther ahead of our clock */
    double jump_mps;       /* faster than this between two fixes: flagged */
    int64_t receipt_every_ms; /* routine receipts at most this often */
};

struct intake;

PT_MUST_CHECK enum pt_err intake_new(uv_loop_t *loop,
                                     const struct intake_settings *settings,
                                     struct metrics *metrics,
                                     struct intake **ret);
void intake_close(struct intake *intake, void (*done)(void *), void *context);

/* Tick step: decodes and judges what has come in until `batch` is full.
 * Presence and vehicle state go straight to the fleet. */
void intake_take(struct intake *intake, const struct catalog *catalog,
                 struct fleet *fleet, int64_t now_ms, struct batch *batch);
bool intake_has_more(const struct intake *intake);

/* From the store's event: publishes now or within receipt_every_ms. */
void intake_receipt(struct intake *intake, const struct store_receipt *receipt,
                    int64_t now_ms);
/* Tick step: routine receipts that are due. Returns ms until the next, or
 * -1 when none waits. */
int64_t intake_receipts_due(struct intake *intake, int64_t now_ms);

bool intake_is_up(const struct intake *intake); /* broker connected */

#endif

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
#include "pulse.h"
#include "store.h"
#include "twins.h"
#include <stdbool.h>
#include <uv.h>

#define INTAKE_RECEIPTS_MAX 200000
/* Reports of devices that the catalog does not know wait in as much for a
 * newer one. What does not fit is dropped, as above. */
#define INTAKE_UNDECIDED_BYTES ((size_t)1 << 20)

struct intake_settings {
    struct link_settings link;
    size_t queue_max_bytes;
    int64_t past_max_ms;      /* a fix older than this is refused ... */
    int64_t future_max_ms;    /* ... and one farther ahead of our clock */
    double jump_mps;          /* faster than this between two fixes: flagged */
    int64_t receipt_every_ms; /* routine receipts at most this often */
    int64_t probe_ms; /* nothing heard of the broker for so long: it is asked;
                         0: never */
};

struct intake;

PT_MUST_CHECK enum pt_err intake_new(uv_loop_t *loop,
                                     const struct intake_settings *settings,
                                     struct metrics *metrics,
                                     struct intake **ret);
void intake_close(struct intake *intake, void (*done)(void *), void *context);

/* Tick step: decodes and judges what has come in until `batch` is full; a
 * report that does not fit whole goes on with the next call. Presence and
 * vehicle state go straight to the fleet. `now_ms` is UTC. Not to be called
 * before a catalog is loaded: every device would be unknown. */
void intake_take(struct intake *intake, const struct catalog *catalog,
                 struct fleet *fleet, int64_t now_ms, struct batch *batch);
bool intake_has_more(const struct intake *intake);

/* The catalog of the next intake_take() was read from this moment of
 * uv_hrtime() on: who is unknown to it and reported before is refused, with a
 * receipt. Reports of an unknown device that came later wait. */
void intake_catalog(struct intake *intake, uint64_t read_from_ns);
/* True once after such a report came: the catalog is to be read again. */
bool intake_asks_catalog(struct intake *intake);

/* From the store's event: keeps the receipt for intake_receipts_due(). Due at
 * once when urgent or backlog, else `receipt_every_ms` after the last one of
 * the device. Bounded at INTAKE_RECEIPTS_MAX devices; beyond it receipts are
 * dropped and counted, and come again when the vehicle repeats. */
void intake_receipt(struct intake *intake, const struct store_receipt *receipt);
/* Tick step: publishes the receipts that are due; while the broker is away
 * they wait. Returns ms until the next, or -1 when none waits. */
int64_t intake_receipts_due(struct intake *intake);

/* Publishes on the device's settings topic, retained; `size` 0 takes the
 * retained ones away. Errors of link_publish(). */
PT_MUST_CHECK enum pt_err intake_say_settings(struct intake *intake,
                                              const char *device,
                                              const uint8_t *bytes,
                                              size_t size);

/* Publishes a receipt of the caller's own. Errors of link_publish(). */
PT_MUST_CHECK enum pt_err intake_say_receipt(struct intake *intake,
                                             const char *device,
                                             const uint8_t *bytes, size_t size);

/* To be called about once a second: asks a broker from which nothing came for
 * `probe_ms`, by a message to ourselves, and gives up the connection to one
 * that does not answer; the next broker of the list is tried then. */
void intake_probe(struct intake *intake);
/* PULSE_SILENT: it was connected and nothing came, until it is connected and
 * answers again. */
enum pulse_state intake_broker(const struct intake *intake);
int64_t intake_life_ms(const struct intake *intake); /* UTC; 0: never up */

/* True, with the name of a device under which two vehicles report (twins.h),
 * until all are told. */
bool intake_next_twin(struct intake *intake, char device[LINK_DEVICE_MAX + 1]);

/* From when to when, UTC, all that vehicles said has come in and been taken;
 * 0, 0: nothing comes in. A broker may be silent for a while before that is
 * noticed, so `until` is the last that is certain. */
struct intake_listening {
    int64_t since_ms, until_ms;
};
struct intake_listening intake_listening(const struct intake *intake);

#endif

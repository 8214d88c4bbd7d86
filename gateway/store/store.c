#include "store_internal.h"

#include "pt_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t store_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- numbers */

static const char *const refusal_labels[REFUSED_COUNT] = {
#define REFUSAL_LABEL(name, word) [name] = "reason=\"" word "\"",
    BATCH_REFUSALS(REFUSAL_LABEL)
#undef REFUSAL_LABEL
};

static double commit_seconds(void *context)
{
    return (double)((struct store *)context)->numbers.commit_ms / 1e3;
}

static double last_commit_time(void *context)
{
    return (double)((struct store *)context)->numbers.last_commit_ms / 1e3;
}

static double is_up(void *context)
{
    return store_is_up(context);
}

static enum pt_err register_counters(struct store_numbers *n,
                                     struct metrics *metrics)
{
    const struct {
        const char *name;
        const char *help;
        const uint64_t *value;
    } counters[] = {
        {"patrol_store_entries_total", "Entries stored, each once.",
         &n->stored},
        {"patrol_store_repeats_total", "Entries that were stored already.",
         &n->repeats},
        {"patrol_store_not_quarantined_total",
         "Refused entries beyond a device's rate; not receipted.",
         &n->not_quarantined},
        {"patrol_store_ledger_full_total",
         "Entries sent away because their ledger has too many holes.",
         &n->ledger_full},
        {"patrol_store_lost_total",
         "Numbers that will not come: given up by vehicles, or reserved by "
         "an agent whose power was cut.",
         &n->lost},
        {"patrol_store_given_up_total",
         "Entries that the database takes in no form.", &n->dropped},
        {"patrol_store_queue_full_total",
         "Entries not taken because the queue was full.", &n->queue_full},
        {"patrol_store_transactions_total", "Transactions committed.",
         &n->transactions},
        {"patrol_store_failures_total", "Transactions that failed.",
         &n->failures},
        {"patrol_store_retries_total", "Transactions begun after a failure.",
         &n->retries},
    };
    enum pt_err err = PT_OK;

    for (size_t i = 0; err == PT_OK && i < sizeof counters / sizeof *counters;
         i++)
        err = metrics_add(metrics, METRICS_COUNTER, counters[i].name, NULL,
                          counters[i].help, counters[i].value);
    return err;
}

static enum pt_err register_metrics(struct store *store,
                                    struct metrics *metrics)
{
    struct store_numbers *n = &store->numbers;
    enum pt_err err = register_counters(n, metrics);

    for (int i = REFUSED_NOT + 1; err == PT_OK && i < REFUSED_COUNT; i++)
        err = metrics_add(metrics, METRICS_COUNTER,
                          "patrol_store_quarantined_total", refusal_labels[i],
                          "Refused entries written to quarantine.",
                          &n->quarantined[i]);
    if (err == PT_OK)
        err = metrics_add(metrics, METRICS_GAUGE, "patrol_store_queued", NULL,
                          "Entries waiting or being written.", &n->queued);
    if (err == PT_OK)
        err = metrics_add_call(
            metrics, METRICS_COUNTER, "patrol_store_transaction_seconds_total",
            NULL, "Time from BEGIN to COMMIT's answer.", commit_seconds, store);
    if (err == PT_OK)
        err = metrics_add_call(metrics, METRICS_GAUGE,
                               "patrol_store_last_commit_time_seconds", NULL,
                               "Unix time of the last COMMIT; 0: none yet.",
                               last_commit_time, store);
    if (err == PT_OK)
        err = metrics_add_call(metrics, METRICS_GAUGE, "patrol_store_up", NULL,
                               "1 when the database takes entries.", is_up,
                               store);
    return err;
}

/* ---- queues */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* For entries without a ledger: false when the device has had its share of
 * this minute. */
static bool quarantine_allows(struct store *store, const char *device)
{
    int64_t minute = store_wall_ms() / 60000;
    uint32_t hash = hash_of(device) % QUARANTINE_COUNTERS;

    if (minute != store->quarantine_minute) {
        memset(store->quarantine_rows, 0, sizeof store->quarantine_rows);
        store->quarantine_minute = minute;
    }
    if (store->quarantine_rows[hash] == QUARANTINE_PER_MINUTE)
        return false;
    store->quarantine_rows[hash]++;
    return true;
}

static struct lane *lane_of(struct store *store, const struct batch_item *item)
{
    uint32_t key = item->device_id == BATCH_NO_DEVICE
                       ? hash_of(item->device_name)
                       : item->device_id;

    return &store->lanes[key % store->settings.lanes];
}

static enum pt_err push(struct lane *lane, const struct batch_item *item)
{
    size_t at = (lane->first + lane->count) % lane->store->settings.queue_max;
    struct batch_item *slot = &lane->ring[at];
    char *detail = NULL;

    if (item->entry.detail) {
        detail = strdup(item->entry.detail);
        if (!detail)
            return PT_E_NOMEM;
    }
    *slot = *item;
    slot->entry.detail = detail;
    /* What would spoil the transaction is found here, not by its failure. */
    if (slot->refusal == REFUSED_NOT && !pt_entry_valid(&slot->entry))
        slot->refusal = REFUSED_VALUE;
    if (slot->refusal == REFUSED_NOT && slot->unit_id == BATCH_NO_UNIT)
        slot->refusal = REFUSED_UNKNOWN_DEVICE;
    if (item->entry.kind == PT_KIND_PANIC || item->entry.kind == PT_KIND_ANSWER)
        lane->hurry = true;
    lane->count++;
    lane->store->count++;
    return PT_OK;
}

void lane_pop(struct lane *lane, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct batch_item *item = &lane->ring[lane->first];

        free((char *)item->entry.detail); /* ours: push() */
        item->entry.detail = NULL;
        lane->first++;
        if (lane->first == lane->store->settings.queue_max)
            lane->first = 0;
    }
    lane->count -= count;
    lane->store->count -= count;
    /* Empty, it begins at its first slot again: what never has much to wait
     * for touches a few pages of the ring and not, in time, all of it. */
    if (lane->count == 0)
        lane->first = 0;
    lane->store->numbers.queued = lane->store->count;
}

size_t store_append(struct store *store, const struct batch *batch)
{
    size_t taken = 0;

    while (taken < batch->count && store->count < store->settings.queue_max) {
        const struct batch_item *item = &batch->items[taken];

        if (!plan_has_ledger(item) &&
            !quarantine_allows(store, item->device_name))
            store->numbers.not_quarantined++;
        else if (push(lane_of(store, item), item) != PT_OK)
            break;
        taken++;
    }
    store->numbers.queue_full += batch->count - taken;
    store->numbers.queued = store->count;
    for (size_t i = 0; i < store->settings.lanes; i++)
        lane_kick(&store->lanes[i]);
    return taken;
}

/* ---- life and end */

static void on_up(void *context)
{
    struct lane *lane = context;

    lane_make_partitions(lane);
    lane_kick(lane);
}

static void lane_clear(struct lane *lane)
{
    lane_pop(lane, lane->count);
    plan_clear(&lane->plan);
    free(lane->ring);
}

static void store_release(struct store *store)
{
    for (size_t i = 0; i < store->settings.lanes; i++)
        lane_clear(&store->lanes[i]);
    free((char *)store->settings.conninfo);
    free(store);
}

static enum pt_err lane_init(struct lane *lane, struct store *store)
{
    lane->store = store;
    lane->limit = store->settings.batch_max;
    lane->linger_ms = LINGER_MS;
    lane->ring = calloc(store->settings.queue_max, sizeof *lane->ring);
    if (!lane->ring)
        return PT_E_NOMEM;
    return plan_init(&lane->plan, store->settings.batch_max);
}

static void finish_close(struct store *store)
{
    store->handles--;
    if (store->handles > 0)
        return;
    if (store->done)
        store->done(store->done_context);
    store_release(store);
}

static void on_db_closed(void *context)
{
    finish_close(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct lane *lane = handle->data;

    finish_close(lane->store);
}

/* From here on the loop has handles of ours, which only it can close. */
static enum pt_err open_lanes(struct store *store)
{
    for (size_t i = 0; i < store->settings.lanes; i++) {
        struct lane *lane = &store->lanes[i];
        const struct db_events events = {.context = lane, .up = on_up};
        enum pt_err err = db_new(store->loop, store->settings.conninfo,
                                 "patrol store", &events, &lane->db);

        if (err != PT_OK)
            return err;
        uv_timer_init(store->loop, &lane->timer);
        lane->timer.data = lane;
        store->handles += 2;
    }
    return PT_OK;
}

static void close_lanes(struct store *store)
{
    size_t lanes = store->settings.lanes; /* it may go with the last one */

    store->closing = true;
    for (size_t i = 0; i < lanes; i++) {
        struct lane *lane = &store->lanes[i];

        if (!lane->db)
            break;
        uv_close((uv_handle_t *)&lane->timer, on_timer_closed);
        db_close(lane->db, on_db_closed, store);
    }
}

enum pt_err store_new(uv_loop_t *loop, const struct store_settings *settings,
                      const struct store_events *events,
                      struct metrics *metrics, struct store **ret)
{
    struct store *store;
    enum pt_err err;

    assert(settings->queue_max > 0 && settings->batch_max > 0);
    assert(settings->lanes > 0 && settings->lanes <= STORE_LANES_MAX);
    store = calloc(1, sizeof *store);
    if (!store)
        return PT_E_NOMEM;
    store->loop = loop;
    store->settings = *settings;
    store->events = *events;
    store->made_day = -1;
    store->settings.conninfo = strdup(settings->conninfo);
    err = store->settings.conninfo ? PT_OK : PT_E_NOMEM;
    for (size_t i = 0; i < settings->lanes && err == PT_OK; i++)
        err = lane_init(&store->lanes[i], store);
    if (err == PT_OK)
        err = register_metrics(store, metrics);
    if (err == PT_OK)
        err = open_lanes(store);
    if (err == PT_OK)
        *ret = store;
    else if (store->handles > 0)
        close_lanes(store); /* frees it */
    else
        store_release(store);
    return err;
}

void store_close(struct store *store, void (*done)(void *), void *context)
{
    if (!store) {
        if (done)
            done(context);
        return;
    }
    assert(!store->closing);
    store->done = done;
    store->done_context = context;
    close_lanes(store);
}

bool store_is_up(const struct store *store)
{
    for (size_t i = 0; i < store->settings.lanes; i++)
        if (!db_is_up(store->lanes[i].db) || store->lanes[i].backing_off)
            return false;
    return true;
}

size_t store_queued(const struct store *store)
{
    return store->count;
}

int64_t store_last_commit_ms(const struct store *store)
{
    return (int64_t)store->numbers.last_commit_ms;
}

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
         "Numbers that vehicles gave up before they were stored.", &n->lost},
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

/* ---- queue */

/* For entries without a ledger: false when the device has had its share of
 * this minute. */
static bool quarantine_allows(struct store *store, const char *device)
{
    int64_t minute = store_wall_ms() / 60000;
    uint32_t hash = 2166136261u; /* FNV-1a */

    if (minute != store->quarantine_minute) {
        memset(store->quarantine_rows, 0, sizeof store->quarantine_rows);
        store->quarantine_minute = minute;
    }
    for (; *device != '\0'; device++)
        hash = (hash ^ (unsigned char)*device) * 16777619u;
    hash %= QUARANTINE_COUNTERS;
    if (store->quarantine_rows[hash] == QUARANTINE_PER_MINUTE)
        return false;
    store->quarantine_rows[hash]++;
    return true;
}

static enum pt_err push(struct store *store, const struct batch_item *item)
{
    size_t at = (store->first + store->count) % store->settings.queue_max;
    struct batch_item *slot = &store->ring[at];
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
        store->hurry = true;
    store->count++;
    return PT_OK;
}

void store_pop(struct store *store, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct batch_item *item = &store->ring[store->first];

        free((char *)item->entry.detail); /* ours: push() */
        item->entry.detail = NULL;
        store->first = (store->first + 1) % store->settings.queue_max;
        store->count--;
    }
    /* Empty, it begins at its first slot again: what never has much to wait
     * for touches a few pages of the ring and not, in time, all of it. */
    if (store->count == 0)
        store->first = 0;
    store->numbers.queued = store->count;
}

size_t store_append(struct store *store, const struct batch *batch)
{
    size_t taken = 0;

    while (taken < batch->count && store->count < store->settings.queue_max) {
        const struct batch_item *item = &batch->items[taken];

        if (!plan_has_ledger(item) &&
            !quarantine_allows(store, item->device_name))
            store->numbers.not_quarantined++;
        else if (push(store, item) != PT_OK)
            break;
        taken++;
    }
    store->numbers.queue_full += batch->count - taken;
    store->numbers.queued = store->count;
    store_kick(store);
    return taken;
}

/* ---- life and end */

static void on_up(void *context)
{
    struct store *store = context;

    store_make_partitions(store);
    store_kick(store);
}

static void store_release(struct store *store)
{
    store_pop(store, store->count);
    plan_clear(&store->plan);
    free(store->ring);
    free((char *)store->settings.conninfo);
    free(store);
}

enum pt_err store_new(uv_loop_t *loop, const struct store_settings *settings,
                      const struct store_events *events,
                      struct metrics *metrics, struct store **ret)
{
    struct store *store;
    enum pt_err err = PT_E_NOMEM;

    assert(settings->queue_max > 0 && settings->batch_max > 0);
    store = calloc(1, sizeof *store);
    if (!store)
        return PT_E_NOMEM;
    store->loop = loop;
    store->settings = *settings;
    store->events = *events;
    store->limit = settings->batch_max;
    store->made_day = -1;
    store->settings.conninfo = strdup(settings->conninfo);
    store->ring = calloc(settings->queue_max, sizeof *store->ring);
    if (!store->settings.conninfo || !store->ring)
        goto fail;
    err = plan_init(&store->plan, settings->batch_max);
    if (err == PT_OK)
        err = register_metrics(store, metrics);
    if (err == PT_OK)
        err = db_new(loop, settings->conninfo, "patrol store",
                     &(struct db_events){.context = store, .up = on_up},
                     &store->db);
    if (err != PT_OK)
        goto fail;
    uv_timer_init(loop, &store->timer);
    store->timer.data = store;
    store->handles = 2;
    *ret = store;
    return PT_OK;
fail:
    store_release(store);
    return err;
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
    finish_close(handle->data);
}

void store_close(struct store *store, void (*done)(void *), void *context)
{
    if (!store) {
        if (done)
            done(context);
        return;
    }
    assert(!store->closing);
    store->closing = true;
    store->done = done;
    store->done_context = context;
    uv_close((uv_handle_t *)&store->timer, on_timer_closed);
    db_close(store->db, on_db_closed, store);
}

bool store_is_up(const struct store *store)
{
    return db_is_up(store->db) && !store->backing_off;
}

size_t store_queued(const struct store *store)
{
    return store->count;
}

int64_t store_last_commit_ms(const struct store *store)
{
    return (int64_t)store->numbers.last_commit_ms;
}

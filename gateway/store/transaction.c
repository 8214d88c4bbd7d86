/* One transaction at a time: BEGIN, lock the ledgers, judge, compare repeats,
 * write, COMMIT. Requests that need no answer in between are queued at once;
 * after a failure the server refuses the rest of them, and the first failure
 * decides how to go on. */
#include "store_internal.h"

#include "backoff.h"
#include "pt_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AT_ONCE 5 /* deadlocks and serialization failures in a row */
#define DAY_MS 86400000
#define MAKE_AGAIN_MS 60000

static const struct backoff retry = {.first_ms = 100, .max_ms = 10000};

static void settle(struct store *store);
static void write_all(struct store *store);

/* ---- requests */

static void fail(struct store *store, const char *sqlstate, const char *error)
{
    if (store->failed)
        return;
    store->failed = true;
    snprintf(store->sqlstate, sizeof store->sqlstate, "%s", sqlstate);
    snprintf(store->error, sizeof store->error, "%s", error);
}

static void note(struct store *store, enum pt_err err)
{
    store->outstanding--;
    if (err != PT_OK)
        fail(store, db_sqlstate(store->db), db_error(store->db));
}

static void note_sent(struct store *store, enum pt_err err)
{
    if (err == PT_OK)
        store->outstanding++;
    else
        fail(store, "", pt_strerror(err));
}

static void send_text(struct store *store, const char *sql, db_answer answer)
{
    if (!store->failed)
        note_sent(store, db_query(store->db, sql, 0, NULL, answer, store));
}

/* Sends what `make` makes; nothing when that has no rows and `always` is
 * off. */
static void send_sql(struct store *store,
                     enum pt_err (*make)(const struct plan *, struct sql *),
                     bool always, db_answer answer)
{
    struct sql sql;
    enum pt_err err;

    if (store->failed)
        return;
    err = make(&store->plan, &sql);
    if (err != PT_OK) {
        fail(store, "", pt_strerror(err));
        return;
    }
    if (always || sql.rows > 0)
        note_sent(store, db_query(store->db, sql.text, sql.param_count,
                                  sql.params, answer, store));
    free(sql.memory);
}

static void send_copy(struct store *store, const char *text,
                      enum pt_err (*make)(const struct plan *, struct copy *),
                      db_answer answer)
{
    struct copy copy;
    enum pt_err err;

    if (store->failed)
        return;
    err = make(&store->plan, &copy);
    if (err != PT_OK)
        fail(store, "", pt_strerror(err));
    else if (copy.rows > 0)
        note_sent(store, db_copy(store->db, text, copy.data, copy.size, answer,
                                 store));
}

static void on_step(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    (void)result;
    note(store, err);
    settle(store);
}

/* ---- after a failure */

static void on_back_off_over(uv_timer_t *timer)
{
    struct store *store = timer->data;

    store->backing_off = false;
    store_kick(store);
}

static void back_off(struct store *store)
{
    uint64_t wait_ms = backoff_wait_ms(&retry, store->tries, backoff_random());

    store->backing_off = true;
    uv_timer_start(&store->timer, on_back_off_over, wait_ms, 0);
}

static void on_partitions(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    (void)result;
    store->outstanding--;
    store->busy = false;
    if (store->closing)
        return;
    if (err != PT_OK)
        pt_log(PT_LOG_WARN, "store: partitions could not be made: %s",
               db_error(store->db));
    store_kick(store);
}

/* A day without a partition: vehicles may be older than what was made
 * ahead, and the day's partition may have been dropped. */
static bool make_missing_partitions(struct store *store)
{
    if (strcmp(store->sqlstate, "23514") != 0 || store->partitions_made)
        return false;
    store->partitions_made = true;
    store->failed = false;
    send_sql(store, sql_partitions, false, on_partitions);
    if (store->outstanding == 0)
        return false;
    store->busy = true;
    return true;
}

/* The first entry failed alone: it is quarantined, at first without taking
 * what the crew did along; when even that fails it is given up, because
 * nothing behind it must wait for it. */
static void poison_first(struct store *store)
{
    struct batch_item *item = &store->ring[store->first];

    if (store->poisoned) {
        pt_log(PT_LOG_ERROR,
               "store: gave up an entry of %s, generation %016" PRIx64
               ", number %" PRIu64 ": %s",
               item->device_name, item->generation, item->entry.seq,
               store->error);
        store->numbers.dropped++;
        store->poisoned = false;
        store_pop(store, 1);
        return;
    }
    pt_log(PT_LOG_ERROR,
           "store: the database refuses an entry of %s, generation %016" PRIx64
           ", number %" PRIu64 "; to quarantine: %s",
           item->device_name, item->generation, item->entry.seq, store->error);
    if (item->entry.kind != PT_KIND_FIX && item->refusal == REFUSED_NOT) {
        item->refusal = REFUSED_VALUE;
        item->act_kept = true;
        return;
    }
    store->poisoned = true;
    item->refusal = REFUSED_VALUE;
    item->act_kept = false;
    free((char *)item->entry.detail); /* may be what is wrong with it */
    item->entry.detail = NULL;
}

static void split(struct store *store)
{
    if (store->plan.count == 1)
        poison_first(store);
    store->limit = store->plan.count > 1 ? store->plan.count / 2 : 1;
}

/* "" is a lost connection, which comes back by itself; while it is up the
 * failure was ours: no memory, or an answer we cannot read. */
static bool must_wait(const struct store *store, bool in_conflict)
{
    if (store->sqlstate[0] == '\0')
        return db_is_up(store->db);
    return !in_conflict || store->tries > RETRY_AT_ONCE;
}

static void recover(struct store *store)
{
    const char *state = store->sqlstate;
    bool in_conflict = strcmp(state, "40P01") == 0 ||
                       strcmp(state, "40001") == 0 ||
                       strcmp(state, "55P03") == 0;

    store->busy = false;
    store->numbers.failures++;
    if (store->tries == 0 && !in_conflict)
        pt_log(PT_LOG_WARN, "store: transaction of %zu entries failed: %s%s%s",
               store->plan.count, state, *state ? " " : "", store->error);
    store->tries++;
    if (make_missing_partitions(store))
        return;
    if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0)
        split(store);
    else if (must_wait(store, in_conflict))
        back_off(store);
    store_kick(store);
}

static void on_rolled_back(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    (void)err; /* then the connection is gone, and the transaction with it */
    (void)result;
    store->outstanding--;
    if (!store->closing)
        recover(store);
}

/* When nothing is under way any more: a failed transaction is ended. */
static void settle(struct store *store)
{
    if (!store->busy || !store->failed || store->outstanding > 0 ||
        store->closing)
        return;
    if (store->open) {
        store->open = false;
        if (db_query(store->db, "ROLLBACK", 0, NULL, on_rolled_back, store) ==
            PT_OK) {
            store->outstanding++;
            return;
        }
    }
    recover(store);
}

/* ---- the transaction, step by step */

static void count_verdicts(struct store *store)
{
    const struct plan *plan = &store->plan;
    struct store_numbers *numbers = &store->numbers;

    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *planned = &plan->items[i];

        switch (planned->verdict) {
        case VERDICT_NONE:
            break;
        case VERDICT_STORE:
            numbers->stored++;
            break;
        case VERDICT_REPEAT:
            numbers->repeats++;
            break;
        case VERDICT_ACT:
            numbers->stored++;
            numbers->quarantined[plan_reason(plan, planned)]++;
            break;
        case VERDICT_QUARANTINE:
        case VERDICT_DIFFERS:
            numbers->quarantined[plan_reason(plan, planned)]++;
            break;
        }
    }
    numbers->lost += plan->closed;
    numbers->ledger_full += plan->ledger_full;
}

/* Somebody must look: a vehicle's outbox, or its identity, is not its own. */
static void alarm_differing(const struct plan *plan)
{
    const struct batch_item *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].verdict != VERDICT_DIFFERS)
            continue;
        if (!first)
            first = plan->items[i].item;
        count++;
    }
    if (first)
        pt_log(PT_LOG_ERROR,
               "store: %zu repeats with another content, the first from %s, "
               "generation %016" PRIx64 ", number %" PRIu64,
               count, first->device_name, first->generation, first->entry.seq);
}

static void tell_receipts(struct store *store)
{
    struct store_receipt receipt;

    if (!store->events.stored)
        return;
    for (size_t i = 0; i < store->plan.group_count && !store->closing; i++) {
        if (!store->plan.groups[i].receipted)
            continue;
        plan_receipt(&store->plan, &store->plan.groups[i], &receipt);
        store->events.stored(store->events.context, &receipt);
    }
}

static void committed(struct store *store)
{
    struct store_numbers *numbers = &store->numbers;

    numbers->transactions++;
    numbers->commit_ms += (uv_hrtime() - store->began_ns) / 1000000;
    numbers->last_commit_ms = (uint64_t)store_wall_ms();
    count_verdicts(store);
    alarm_differing(&store->plan);
    if (store->tries > 0)
        pt_log(PT_LOG_NOTICE, "store: storing again after %u failures",
               store->tries);
    store->tries = 0;
    store->partitions_made = false;
    store->poisoned = false;
    store->limit = store->limit * 2 < store->settings.batch_max
                       ? store->limit * 2
                       : store->settings.batch_max;
    tell_receipts(store);
    if (store->closing)
        return;
    store_pop(store, store->plan.count);
    store->busy = false;
    store_kick(store);
}

static void on_commit(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    note(store, err);
    store->open = false;
    /* COMMIT of a failed transaction succeeds and says ROLLBACK. */
    if (err == PT_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        fail(store, "", "rolled back");
    if (store->failed)
        settle(store);
    else
        committed(store);
}

static void write_all(struct store *store)
{
    send_copy(store, COPY_POSITION_SQL, copy_positions, on_step);
    send_copy(store, COPY_EVENT_SQL, copy_events, on_step);
    send_copy(store, COPY_QUARANTINE_SQL, copy_quarantine, on_step);
    send_sql(store, sql_write_rows, false, on_step);
    send_sql(store, sql_write_latest, false, on_step);
    send_text(store, "COMMIT", on_commit);
    settle(store);
}

static void on_strays(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    note(store, err);
    if (!store->failed) {
        for (int row = 0; row < PQntuples(result); row++) {
            size_t at = strtoul(PQgetvalue(result, row, 0), NULL, 10);

            if (at < store->plan.count)
                store->plan.items[at].verdict = VERDICT_DIFFERS;
        }
        write_all(store);
    }
    settle(store);
}

static void find_strays(struct store *store)
{
    struct sql sql;
    enum pt_err err =
        sql_find_strays(&store->plan, store->strays, store->stray_count, &sql);

    if (err != PT_OK) {
        fail(store, "", pt_strerror(err));
        return;
    }
    note_sent(store, db_query(store->db, sql.text, sql.param_count, sql.params,
                              on_strays, store));
    free(sql.memory);
}

static void take_comparison(struct store *store, const PGresult *result)
{
    store->stray_count = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        size_t at = strtoul(PQgetvalue(result, row, 0), NULL, 10);
        const char *word = PQgetvalue(result, row, 1);

        if (at >= store->plan.count)
            continue;
        if (strcmp(word, "differs") == 0)
            store->plan.items[at].verdict = VERDICT_DIFFERS;
        else if (strcmp(word, "stray") == 0 && store->stray_count < STRAY_MAX)
            store->strays[store->stray_count++] = at;
    }
}

static void on_compared(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    note(store, err);
    if (!store->failed) {
        take_comparison(store, result);
        if (store->stray_count > 0)
            find_strays(store);
        else
            write_all(store);
    }
    settle(store);
}

static enum pt_err take_ledgers(struct store *store, const PGresult *result)
{
    enum pt_err err = PT_OK;
    size_t cursor = 0;

    for (int row = 0; row < PQntuples(result) && err == PT_OK; row++)
        err = plan_row(&store->plan, &cursor,
                       (uint32_t)strtoul(PQgetvalue(result, row, 0), NULL, 10),
                       (uint64_t)strtoll(PQgetvalue(result, row, 1), NULL, 10),
                       strtoull(PQgetvalue(result, row, 2), NULL, 10),
                       PQgetvalue(result, row, 3),
                       strtoull(PQgetvalue(result, row, 4), NULL, 10));
    return err;
}

static void on_locked(void *context, enum pt_err err, PGresult *result);

/* Keys without a row: new generations, or devices that were deleted. Rows
 * are made for the former and all are locked again. */
static void make_rows(struct store *store)
{
    store->rows_made = true;
    send_sql(store, sql_make_rows, false, on_step);
    send_sql(store, sql_lock_rows, false, on_locked);
}

static void judge(struct store *store)
{
    unsigned before = store->outstanding;

    plan_judge(&store->plan);
    send_sql(store, sql_compare, false, on_compared);
    if (store->outstanding == before)
        write_all(store);
}

static void on_locked(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    note(store, err);
    if (!store->failed && !store->rows_made &&
        (size_t)PQntuples(result) < store->plan.ledger_groups) {
        make_rows(store);
    } else if (!store->failed) {
        if (take_ledgers(store, result) != PT_OK)
            fail(store, "", "a row of patrol.receipt cannot be read");
        else
            judge(store);
    }
    settle(store);
}

static void on_made_ahead(void *context, enum pt_err err, PGresult *result)
{
    struct store *store = context;

    (void)result;
    store->outstanding--;
    store->making = false;
    if (err == PT_OK)
        store->made_day = store_wall_ms() / DAY_MS;
    else if (!store->closing)
        pt_log(PT_LOG_WARN, "store: partitions could not be made ahead: %s",
               db_error(store->db));
    settle(store);
}

/* Once a day; what fails is tried again a minute later. */
void store_make_partitions(struct store *store)
{
    char past[16];
    char future[16];
    const char *const params[] = {past, future};
    int64_t now_ms = store_wall_ms();

    if (store->making || store->made_day == now_ms / DAY_MS ||
        now_ms < store->make_next_ms)
        return;
    snprintf(past, sizeof past, "%d", store->settings.keep_past_days);
    snprintf(future, sizeof future, "%d", store->settings.keep_future_days);
    if (db_query(store->db,
                 "SELECT patrol.make_partitions("
                 "(now() AT TIME ZONE 'UTC')::date - $1::int, "
                 "(now() AT TIME ZONE 'UTC')::date + $2::int)",
                 2, params, on_made_ahead, store) != PT_OK)
        return;
    store->make_next_ms = now_ms + MAKE_AGAIN_MS;
    store->making = true;
    store->outstanding++;
}

static void begin(struct store *store)
{
    size_t count = store->count < store->limit ? store->count : store->limit;

    uv_timer_stop(&store->timer);
    store->busy = true;
    store->failed = false;
    store->hurry = false;
    store->numbers.retries += store->tries > 0;
    store->began_ns = uv_hrtime();
    plan_begin(&store->plan, store->ring, store->settings.queue_max,
               store->first, count);
    store_make_partitions(store);
    store->open = true;
    send_text(store, sql_begin, on_step);
    store->rows_made = false;
    send_sql(store, sql_lock_rows, true, on_locked);
    settle(store);
}

static void on_lingered(uv_timer_t *timer)
{
    struct store *store = timer->data;

    store->hurry = true;
    store_kick(store);
}

void store_kick(struct store *store)
{
    if (store->closing || store->busy || store->backing_off ||
        store->count == 0 || !db_is_up(store->db))
        return;
    if (store->hurry || store->tries > 0 || store->count >= store->limit)
        begin(store);
    else if (!uv_is_active((uv_handle_t *)&store->timer))
        uv_timer_start(&store->timer, on_lingered, LINGER_MS, 0);
}

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

static void settle(struct lane *lane);
static void write_all(struct lane *lane);

/* ---- requests */

static void fail(struct lane *lane, const char *sqlstate, const char *error)
{
    if (lane->failed)
        return;
    lane->failed = true;
    snprintf(lane->sqlstate, sizeof lane->sqlstate, "%s", sqlstate);
    snprintf(lane->error, sizeof lane->error, "%s", error);
}

static void note(struct lane *lane, enum pt_err err)
{
    lane->outstanding--;
    if (err != PT_OK)
        fail(lane, db_sqlstate(lane->db), db_error(lane->db));
}

static void note_sent(struct lane *lane, enum pt_err err)
{
    if (err == PT_OK)
        lane->outstanding++;
    else
        fail(lane, "", pt_strerror(err));
}

static void send_text(struct lane *lane, const char *sql, db_answer answer)
{
    if (!lane->failed)
        note_sent(lane, db_query(lane->db, sql, 0, NULL, answer, lane));
}

/* Sends what `make` makes; nothing when that has no rows and `always` is
 * off. */
static void send_sql(struct lane *lane,
                     enum pt_err (*make)(const struct plan *, struct sql *),
                     bool always, db_answer answer)
{
    struct sql sql;
    enum pt_err err;

    if (lane->failed)
        return;
    err = make(&lane->plan, &sql);
    if (err != PT_OK) {
        fail(lane, "", pt_strerror(err));
        return;
    }
    if (always || sql.rows > 0)
        note_sent(lane, db_query(lane->db, sql.text, sql.param_count,
                                 sql.params, answer, lane));
    free(sql.memory);
}

static void send_copy(struct lane *lane, const char *text,
                      enum pt_err (*make)(const struct plan *, struct copy *),
                      db_answer answer)
{
    struct copy copy;
    enum pt_err err;

    if (lane->failed)
        return;
    err = make(&lane->plan, &copy);
    if (err != PT_OK)
        fail(lane, "", pt_strerror(err));
    else if (copy.rows > 0)
        note_sent(lane,
                  db_copy(lane->db, text, copy.data, copy.size, answer, lane));
}

static void on_step(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    (void)result;
    note(lane, err);
    settle(lane);
}

/* ---- after a failure */

static void on_back_off_over(uv_timer_t *timer)
{
    struct lane *lane = timer->data;

    lane->backing_off = false;
    lane_kick(lane);
}

static void back_off(struct lane *lane)
{
    uint64_t wait_ms = backoff_wait_ms(&retry, lane->tries, backoff_random());

    lane->backing_off = true;
    uv_timer_start(&lane->timer, on_back_off_over, wait_ms, 0);
}

static void on_partitions(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    (void)result;
    lane->outstanding--;
    lane->busy = false;
    if (lane->store->closing)
        return;
    if (err != PT_OK)
        pt_log(PT_LOG_WARN, "store: partitions could not be made: %s",
               db_error(lane->db));
    lane_kick(lane);
}

/* A day without a partition: vehicles may be older than what was made
 * ahead, and the day's partition may have been dropped. */
static bool make_missing_partitions(struct lane *lane)
{
    if (strcmp(lane->sqlstate, "23514") != 0 || lane->partitions_made)
        return false;
    lane->partitions_made = true;
    lane->failed = false;
    send_sql(lane, sql_partitions, false, on_partitions);
    if (lane->outstanding == 0)
        return false;
    lane->busy = true;
    return true;
}

/* The first entry failed alone: it is quarantined, at first without taking
 * what the crew did along; when even that fails it is given up, because
 * nothing behind it must wait for it. */
static void poison_first(struct lane *lane)
{
    struct batch_item *item = &lane->ring[lane->first];

    if (lane->poisoned) {
        pt_log(PT_LOG_ERROR,
               "store: gave up an entry of %s, generation %016" PRIx64
               ", number %" PRIu64 ": %s",
               item->device_name, item->generation, item->entry.seq,
               lane->error);
        lane->store->numbers.dropped++;
        lane->poisoned = false;
        lane_pop(lane, 1);
        return;
    }
    pt_log(PT_LOG_ERROR,
           "store: the database refuses an entry of %s, generation %016" PRIx64
           ", number %" PRIu64 "; to quarantine: %s",
           item->device_name, item->generation, item->entry.seq, lane->error);
    if (item->entry.kind != PT_KIND_FIX && item->refusal == REFUSED_NOT) {
        item->refusal = REFUSED_VALUE;
        item->act_kept = true;
        return;
    }
    lane->poisoned = true;
    item->refusal = REFUSED_VALUE;
    item->act_kept = false;
    free((char *)item->entry.detail); /* may be what is wrong with it */
    item->entry.detail = NULL;
}

static void split(struct lane *lane)
{
    if (lane->plan.count == 1)
        poison_first(lane);
    lane->limit = lane->plan.count > 1 ? lane->plan.count / 2 : 1;
}

/* "" is a lost connection, which comes back by itself; while it is up the
 * failure was ours: no memory, or an answer we cannot read. */
static bool must_wait(const struct lane *lane, bool in_conflict)
{
    if (lane->sqlstate[0] == '\0')
        return db_is_up(lane->db);
    return !in_conflict || lane->tries > RETRY_AT_ONCE;
}

static void recover(struct lane *lane)
{
    const char *state = lane->sqlstate;
    bool in_conflict = strcmp(state, "40P01") == 0 ||
                       strcmp(state, "40001") == 0 ||
                       strcmp(state, "55P03") == 0;

    lane->busy = false;
    lane->store->numbers.failures++;
    if (lane->tries == 0 && !in_conflict)
        pt_log(PT_LOG_WARN, "store: transaction of %zu entries failed: %s%s%s",
               lane->plan.count, state, *state ? " " : "", lane->error);
    lane->tries++;
    if (make_missing_partitions(lane))
        return;
    if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0)
        split(lane);
    else if (must_wait(lane, in_conflict))
        back_off(lane);
    lane_kick(lane);
}

static void on_rolled_back(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    (void)err; /* then the connection is gone, and the transaction with it */
    (void)result;
    lane->outstanding--;
    if (!lane->store->closing)
        recover(lane);
}

/* When nothing is under way any more: a failed transaction is ended. */
static void settle(struct lane *lane)
{
    if (!lane->busy || !lane->failed || lane->outstanding > 0 ||
        lane->store->closing)
        return;
    if (lane->open) {
        lane->open = false;
        if (db_query(lane->db, "ROLLBACK", 0, NULL, on_rolled_back, lane) ==
            PT_OK) {
            lane->outstanding++;
            return;
        }
    }
    recover(lane);
}

/* ---- the transaction, step by step */

static void count_verdicts(struct lane *lane)
{
    const struct plan *plan = &lane->plan;
    struct store_numbers *numbers = &lane->store->numbers;

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

static void tell_receipts(struct lane *lane)
{
    struct store_receipt receipt;

    if (!lane->store->events.stored)
        return;
    for (size_t i = 0; i < lane->plan.group_count && !lane->store->closing;
         i++) {
        if (!lane->plan.groups[i].receipted)
            continue;
        plan_receipt(&lane->plan, &lane->plan.groups[i], &receipt);
        lane->store->events.stored(lane->store->events.context, &receipt);
    }
}

static uint64_t linger_after(uint64_t took_ms)
{
    if (took_ms < LINGER_MS)
        return LINGER_MS;
    return took_ms < LINGER_MAX_MS ? took_ms : LINGER_MAX_MS;
}

static void committed(struct lane *lane)
{
    struct store_numbers *numbers = &lane->store->numbers;
    uint64_t took_ms = (uv_hrtime() - lane->began_ns) / 1000000;

    numbers->transactions++;
    numbers->commit_ms += took_ms;
    lane->linger_ms = linger_after(took_ms);
    numbers->last_commit_ms = (uint64_t)store_wall_ms();
    count_verdicts(lane);
    alarm_differing(&lane->plan);
    if (lane->tries > 0)
        pt_log(PT_LOG_NOTICE, "store: storing again after %u failures",
               lane->tries);
    lane->tries = 0;
    lane->partitions_made = false;
    lane->poisoned = false;
    lane->limit = lane->limit * 2 < lane->store->settings.batch_max
                      ? lane->limit * 2
                      : lane->store->settings.batch_max;
    tell_receipts(lane);
    if (lane->store->closing)
        return;
    lane_pop(lane, lane->plan.count);
    lane->busy = false;
    lane_kick(lane);
}

static void on_commit(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    note(lane, err);
    lane->open = false;
    /* COMMIT of a failed transaction succeeds and says ROLLBACK. */
    if (err == PT_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        fail(lane, "", "rolled back");
    if (lane->failed)
        settle(lane);
    else
        committed(lane);
}

static void write_all(struct lane *lane)
{
    send_copy(lane, COPY_POSITION_SQL, copy_positions, on_step);
    send_copy(lane, COPY_EVENT_SQL, copy_events, on_step);
    send_copy(lane, COPY_QUARANTINE_SQL, copy_quarantine, on_step);
    send_sql(lane, sql_write_rows, false, on_step);
    send_sql(lane, sql_write_latest, false, on_step);
    send_text(lane, "COMMIT", on_commit);
    settle(lane);
}

static void on_strays(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    note(lane, err);
    if (!lane->failed) {
        for (int row = 0; row < PQntuples(result); row++) {
            size_t at = strtoul(PQgetvalue(result, row, 0), NULL, 10);

            if (at < lane->plan.count)
                lane->plan.items[at].verdict = VERDICT_DIFFERS;
        }
        write_all(lane);
    }
    settle(lane);
}

static void find_strays(struct lane *lane)
{
    struct sql sql;
    enum pt_err err =
        sql_find_strays(&lane->plan, lane->strays, lane->stray_count, &sql);

    if (err != PT_OK) {
        fail(lane, "", pt_strerror(err));
        return;
    }
    note_sent(lane, db_query(lane->db, sql.text, sql.param_count, sql.params,
                             on_strays, lane));
    free(sql.memory);
}

static void take_comparison(struct lane *lane, const PGresult *result)
{
    lane->stray_count = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        size_t at = strtoul(PQgetvalue(result, row, 0), NULL, 10);
        const char *word = PQgetvalue(result, row, 1);

        if (at >= lane->plan.count)
            continue;
        if (strcmp(word, "differs") == 0)
            lane->plan.items[at].verdict = VERDICT_DIFFERS;
        else if (strcmp(word, "stray") == 0 && lane->stray_count < STRAY_MAX)
            lane->strays[lane->stray_count++] = at;
    }
}

static void on_compared(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    note(lane, err);
    if (!lane->failed) {
        take_comparison(lane, result);
        if (lane->stray_count > 0)
            find_strays(lane);
        else
            write_all(lane);
    }
    settle(lane);
}

static enum pt_err take_ledgers(struct lane *lane, const PGresult *result)
{
    enum pt_err err = PT_OK;
    size_t cursor = 0;

    for (int row = 0; row < PQntuples(result) && err == PT_OK; row++)
        err = plan_row(&lane->plan, &cursor,
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
static void make_rows(struct lane *lane)
{
    lane->rows_made = true;
    send_sql(lane, sql_make_rows, false, on_step);
    send_sql(lane, sql_lock_rows, false, on_locked);
}

static void judge(struct lane *lane)
{
    unsigned before = lane->outstanding;

    plan_judge(&lane->plan);
    send_sql(lane, sql_compare, false, on_compared);
    if (lane->outstanding == before)
        write_all(lane);
}

static void on_locked(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    note(lane, err);
    if (!lane->failed && !lane->rows_made &&
        (size_t)PQntuples(result) < lane->plan.ledger_groups) {
        make_rows(lane);
    } else if (!lane->failed) {
        if (take_ledgers(lane, result) != PT_OK)
            fail(lane, "", "a row of patrol.receipt cannot be read");
        else
            judge(lane);
    }
    settle(lane);
}

static void on_made_ahead(void *context, enum pt_err err, PGresult *result)
{
    struct lane *lane = context;

    (void)result;
    lane->outstanding--;
    lane->store->making = false;
    if (err == PT_OK)
        lane->store->made_day = store_wall_ms() / DAY_MS;
    else if (!lane->store->closing)
        pt_log(PT_LOG_WARN, "store: partitions could not be made ahead: %s",
               db_error(lane->db));
    settle(lane);
}

/* Once a day; what fails is tried again a minute later. */
void lane_make_partitions(struct lane *lane)
{
    char past[16];
    char future[16];
    const char *const params[] = {past, future};
    int64_t now_ms = store_wall_ms();

    if (lane->store->making || lane->store->made_day == now_ms / DAY_MS ||
        now_ms < lane->store->make_next_ms)
        return;
    snprintf(past, sizeof past, "%d", lane->store->settings.keep_past_days);
    snprintf(future, sizeof future, "%d",
             lane->store->settings.keep_future_days);
    if (db_query(lane->db,
                 "SELECT patrol.make_partitions("
                 "(now() AT TIME ZONE 'UTC')::date - $1::int, "
                 "(now() AT TIME ZONE 'UTC')::date + $2::int)",
                 2, params, on_made_ahead, lane) != PT_OK)
        return;
    lane->store->make_next_ms = now_ms + MAKE_AGAIN_MS;
    lane->store->making = true;
    lane->outstanding++;
}

static void begin(struct lane *lane)
{
    size_t count = lane->count < lane->limit ? lane->count : lane->limit;

    uv_timer_stop(&lane->timer);
    lane->busy = true;
    lane->failed = false;
    lane->hurry = false;
    lane->store->numbers.retries += lane->tries > 0;
    lane->began_ns = uv_hrtime();
    plan_begin(&lane->plan, lane->ring, lane->store->settings.queue_max,
               lane->first, count);
    lane_make_partitions(lane);
    lane->open = true;
    send_text(lane, sql_begin, on_step);
    lane->rows_made = false;
    send_sql(lane, sql_lock_rows, true, on_locked);
    settle(lane);
}

static void on_lingered(uv_timer_t *timer)
{
    struct lane *lane = timer->data;

    lane->hurry = true;
    lane_kick(lane);
}

void lane_kick(struct lane *lane)
{
    if (lane->store->closing || lane->busy || lane->backing_off ||
        lane->count == 0 || !db_is_up(lane->db))
        return;
    if (lane->hurry || lane->tries > 0 || lane->count >= lane->limit)
        begin(lane);
    else if (!uv_is_active((uv_handle_t *)&lane->timer))
        uv_timer_start(&lane->timer, on_lingered, lane->linger_ms, 0);
}

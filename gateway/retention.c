/* What is old goes: positions by the day, what was answered and noted row by
 * row, as long as the settings say. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_MS 2000
#define EVERY_MS INT64_C(3600000)
/* While there is more to delete; after a failure. */
#define AGAIN_MS 2000
#define RETRY_MS 60000

static void on_due(uv_timer_t *timer);

static void again(struct gateway *gw, int64_t wait_ms)
{
    if (!gw->retention.closing)
        uv_timer_start(&gw->retention.timer, on_due, (uint64_t)wait_ms, 0);
}

static bool failed(struct gateway *gw, enum pt_err err, const char *what)
{
    gw->retention.asking = false;
    if (err == PT_OK)
        return false;
    gw->retention.failed++;
    pt_log(PT_LOG_WARN, "gateway: old %s could not be deleted: %s", what,
           db_error(gw->db));
    again(gw, RETRY_MS);
    return true;
}

static void on_dropped(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    if (failed(gw, err, "positions"))
        return;
    uint64_t days = strtoull(PQgetvalue(rows, 0, 0), NULL, 10);
    if (days > 0)
        pt_log(PT_LOG_NOTICE,
               "gateway: positions of %" PRIu64 " days were deleted, being "
               "older than retention.positions_days",
               days);
    gw->retention.days += days;
    again(gw, EVERY_MS);
}

/* One statement; its parameter is a number of days. */
static bool ask(struct gateway *gw, const char *sql, int64_t days,
                db_answer answer)
{
    char text[24];
    const char *const params[] = {text};
    snprintf(text, sizeof(text), "%" PRId64, days);
    gw->retention.asking =
        db_query(gw->db, sql, 1, params, answer, gw) == PT_OK;
    return gw->retention.asking;
}

static void drop_positions(struct gateway *gw)
{
    int64_t days = gw->settings->positions_days;
    if (days == 0)
        again(gw, EVERY_MS);
    else if (!ask(gw, "SELECT patrol.forget_positions($1::integer)", days,
                  on_dropped))
        again(gw, RETRY_MS);
}

/* So many at a time that others need not wait for long. */
static void on_forgotten(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    if (failed(gw, err, "answers"))
        return;
    uint64_t gone = strtoull(PQgetvalue(rows, 0, 0), NULL, 10);
    gw->retention.rows += gone;
    if (gone > 0)
        again(gw, AGAIN_MS);
    else
        drop_positions(gw);
}

static void on_due(uv_timer_t *timer)
{
    struct gateway *gw = timer->data;
    int64_t days = gw->settings->answers_days;
    if (gw->retention.asking)
        return;
    if (!db_is_up(gw->db))
        again(gw, AGAIN_MS);
    else if (days == 0)
        drop_positions(gw);
    else if (!ask(gw,
                  "SELECT patrol.forget(now() -"
                  " $1::integer * interval '1 day')",
                  days, on_forgotten))
        again(gw, RETRY_MS);
}

/* --------------------------------------------------------------- start and end
 */
enum pt_err retention_open(struct gateway *gw)
{
    struct retention *r = &gw->retention;
    enum pt_err err =
        metrics_add(gw->metrics, METRICS_COUNTER, "patrol_retention_rows_total",
                    NULL, "Old answers and notes that were deleted", &r->rows);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_retention_days_total", NULL,
                          "Days whose positions were deleted", &r->days);
    if (err == PT_OK)
        err = metrics_add(
            gw->metrics, METRICS_COUNTER, "patrol_retention_failed_total", NULL,
            "Times that what is old could not be deleted", &r->failed);
    if (err != PT_OK)
        return err;
    uv_timer_init(&gw->loop, &r->timer);
    r->timer.data = gw;
    again(gw, FIRST_MS);
    return PT_OK;
}

void retention_close(struct gateway *gw)
{
    gw->retention.closing = true;
    uv_close((uv_handle_t *)&gw->retention.timer, NULL);
}

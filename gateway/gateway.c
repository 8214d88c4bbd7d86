#include "gateway.h"

#include "pt_log.h"

#include <stdlib.h>

#define MS_PER_DAY INT64_C(86400000)
/* Predictions of which it is not known yet whether they come true. */
#define PREDICTIONS_MAX 1024

/* A part that closes over several rounds of the loop says so here. */
static void set_true(void *flag)
{
    *(bool *)flag = true;
}

static void run_until(struct gateway *gw, const bool *done)
{
    while (!*done)
        uv_run(&gw->loop, UV_RUN_ONCE);
}

/* ------------------------------------------------------------------- event
 * loop */
static void on_signal(uv_signal_t *handle, int number)
{
    struct gateway *gw = handle->data;
    pt_log(PT_LOG_NOTICE, "gateway: signal %d, stopping", number);
    gw->stop = true;
}

static enum pt_err open_loop(struct gateway *gw)
{
    if (uv_loop_init(&gw->loop) != 0)
        return PT_E_SYSTEM;
    uv_timer_init(&gw->loop, &gw->wake);
    uv_timer_init(&gw->loop, &gw->move);
    uv_timer_init(&gw->loop, &gw->watch.again);
    uv_signal_init(&gw->loop, &gw->on_term);
    uv_signal_init(&gw->loop, &gw->on_int);
    gw->on_term.data = gw;
    gw->on_int.data = gw;
    uv_signal_start(&gw->on_term, on_signal, SIGTERM);
    uv_signal_start(&gw->on_int, on_signal, SIGINT);
    return PT_OK;
}

static void close_loop(struct gateway *gw)
{
    uv_close((uv_handle_t *)&gw->wake, NULL);
    uv_close((uv_handle_t *)&gw->move, NULL);
    uv_close((uv_handle_t *)&gw->watch.again, NULL);
    uv_close((uv_handle_t *)&gw->on_term, NULL);
    uv_close((uv_handle_t *)&gw->on_int, NULL);
    uv_run(&gw->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&gw->loop) != 0)
        pt_log(PT_LOG_ERROR, "gateway: something is still open at the end");
}

/* ----------------------------------------------------------------------
 * metrics */
static enum pt_err open_metrics(struct gateway *gw)
{
    return metrics_new(&gw->metrics);
}

static void close_metrics(struct gateway *gw)
{
    metrics_free(gw->metrics);
}

/* ------------------------------------------------------------------- live
 * state */
static void close_live(struct gateway *gw)
{
    batch_clear(&gw->batch);
    arrivals_free(gw->arrivals);
    fleet_free(gw->fleet);
    catalog_free(gw->catalog);
}

/* An empty catalog until the database has told its own; intake waits for
 * that. */
static enum pt_err open_live(struct gateway *gw)
{
    enum pt_err err = catalog_new(&gw->catalog);
    if (err == PT_OK)
        err = fleet_new((size_t)gw->settings->max_units, &gw->fleet);
    if (err == PT_OK)
        fleet_set_silent_factor(gw->fleet, gw->settings->silent_factor);
    if (err == PT_OK)
        err = arrivals_new(PREDICTIONS_MAX, &gw->arrivals);
    if (err == PT_OK)
        err = batch_init(&gw->batch, GATEWAY_BATCH_MAX);
    if (err != PT_OK)
        close_live(gw);
    return err;
}

/* ---------------------------------------------------------------------
 * dispatch */
static enum pt_err open_dispatch(struct gateway *gw)
{
    const struct settings *s = gw->settings;
    struct dispatch_settings settings = {
        .stale_after_ms = s->stale_after_s * 1000,
        .limit_ms = (uint32_t)(s->limit_s * 1000),
    };
    enum pt_err err =
        dispatch_new(&settings, (size_t)s->max_units, &gw->dispatch);
    if (err == PT_OK)
        err = tick_metrics(gw);
    if (err != PT_OK)
        dispatch_free(gw->dispatch);
    return err;
}

static void close_dispatch(struct gateway *gw)
{
    dispatch_free(gw->dispatch);
}

/* -------------------------------------------------------------------------
 * store */
/* May come while the rest is closing, after intake has gone. */
static void on_stored(void *context, const struct store_receipt *receipt)
{
    struct gateway *gw = context;
    if (gw->intake != NULL)
        intake_receipt(gw->intake, receipt);
}

static enum pt_err open_store(struct gateway *gw)
{
    const struct settings *s = gw->settings;
    struct store_settings settings = {
        .conninfo = s->conninfo,
        .lanes = (size_t)s->store_connections,
        .queue_max = (size_t)s->store_queue_max,
        .batch_max = (size_t)s->store_batch_max,
        /* The day that the window begins in, whatever the hour. */
        .keep_past_days = (int)s->past_max_days + 1,
        .keep_future_days = (int)s->keep_future_days,
    };
    struct store_events events = {.context = gw, .stored = on_stored};
    return store_new(&gw->loop, &settings, &events, gw->metrics, &gw->store);
}

static void close_store(struct gateway *gw)
{
    bool closed = false;
    store_close(gw->store, set_true, &closed);
    run_until(gw, &closed);
}

/* ------------------------------------------------------------------------
 * intake */
static enum pt_err open_intake(struct gateway *gw)
{
    const struct settings *s = gw->settings;
    struct intake_settings settings = {
        .link = {.brokers = s->brokers,
                 .client_id = s->client_id,
                 .ca_file = s->ca_file,
                 .cert_file = s->cert_file,
                 .key_file = s->key_file,
                 .keepalive_s = (int)s->keepalive_s},
        .queue_max_bytes = (size_t)s->intake_queue_mb << 20,
        .past_max_ms = s->past_max_days * MS_PER_DAY,
        .future_max_ms = s->future_max_s * 1000,
        .jump_mps = s->jump_mps,
        .receipt_every_ms = s->receipt_every_s * 1000,
        .probe_ms = s->broker_probe_s * 1000,
    };
    return intake_new(&gw->loop, &settings, gw->metrics, &gw->intake);
}

static void close_intake(struct gateway *gw)
{
    bool closed = false;
    struct intake *intake = gw->intake;
    gw->intake = NULL;
    intake_close(intake, set_true, &closed);
    run_until(gw, &closed);
}

/* ----------------------------------------------------------------------
 * database */
static void close_database(struct gateway *gw)
{
    bool closed = false;
    loads_stop(gw);
    learning_stop(gw);
    db_close(gw->db, set_true, &closed);
    run_until(gw, &closed);
    loads_close(gw);
    learning_close(gw);
}

static void database_up(void *context)
{
    watch_database_up(context);
    loads_database_up(context);
}

static enum pt_err open_database(struct gateway *gw)
{
    struct db_events events = {
        .context = gw,
        .up = database_up,
        .down = watch_database_down,
        .notified = loads_notified,
    };
    enum pt_err err = db_new(&gw->loop, gw->settings->conninfo,
                             "patrol-gateway", &events, &gw->db);
    if (err == PT_OK) {
        loads_open(gw);
        learning_open(gw);
    }
    pulse_init(&gw->watch.database, gw->settings->database_probe_s * 1000);
    return err;
}

/* --------------------------------------------------------------------------
 * tiles */
static enum pt_err open_tiles(struct gateway *gw)
{
    return tiles_new(&gw->loop, gw->settings->conninfo, gw->metrics,
                     &gw->tiles);
}

static void close_tiles(struct gateway *gw)
{
    bool closed = false;
    tiles_close(gw->tiles, set_true, &closed);
    run_until(gw, &closed);
}

/* --------------------------------------------------------------------------
 * http */
static enum pt_err open_http(struct gateway *gw)
{
    const struct settings *s = gw->settings;
    struct http_settings settings = {
        .listen = s->listen,
        .connections_max = (unsigned)s->connections_max,
        .streams_max = (unsigned)s->streams_max,
    };
    enum pt_err err = http_new(&gw->loop, &settings, &gw->catalog, gw->fleet,
                               gw->dispatch, &gw->closures, gw->db, gw->tiles,
                               gw->metrics, &gw->watch.health, &gw->http);
    if (err == PT_OK)
        http_predict(gw->http, &gw->learning.speeds, gw->arrivals);
    if (err == PT_OK)
        http_use_coverage(gw->http, &gw->cover.view);
    return err;
}

static void close_http(struct gateway *gw)
{
    bool closed = false;
    struct http *http = gw->http;
    gw->http = NULL;
    http_close(http, set_true, &closed);
    run_until(gw, &closed);
}

/* A step may use only what stands above it. Closed in reverse, so a start
 * that fails half-way and a normal stop take the same road out. Traffic starts
 * last: a second gateway, started by mistake, must fail on the busy address
 * before it takes over the first one's name at the broker. Pages are answered
 * in the tick alone, so none reads from a part that is not there yet. */
const struct step gateway_steps[] = {
    {"event loop", open_loop, close_loop},
    {"metrics", open_metrics, close_metrics},
    {"live state", open_live, close_live},
    {"dispatch", open_dispatch, close_dispatch},
    {"report store", open_store, close_store},
    {"database", open_database, close_database},
    {"retention", retention_open, retention_close},
    {"map tiles", open_tiles, close_tiles},
    {"coverage", cover_open, cover_close},
    {"HTTP API", open_http, close_http},
    {"report intake", open_intake, close_intake}, /* traffic starts here */
};
const size_t gateway_step_count =
    sizeof(gateway_steps) / sizeof(gateway_steps[0]);

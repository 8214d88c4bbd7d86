#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <time.h>

/* ------------------------------------------------------------------ the stages
 */
static void take_reports(struct gateway *gw)
{
    if (loads_ready(gw))
        intake_take(gw->intake, gw->catalog, gw->fleet, gw->now_ms, &gw->batch);
    if (intake_asks_catalog(gw->intake))
        loads_ask_catalog(gw);
}

/* Units beyond fleet.max_units are counted and logged by intake, which meets
 * them first. */
static void apply_to_fleet(struct gateway *gw)
{
    if (fleet_apply(gw->fleet, &gw->batch) != PT_OK)
        pt_log(PT_LOG_DEBUG, "gateway: live state takes no more units");
}

static void wake_up(uv_timer_t *timer)
{
    (void)timer; /* the tick that follows does the work */
}

void tick_again(uv_timer_t *timer, int64_t wait_ms)
{
    if (wait_ms >= 0)
        uv_timer_start(timer, wake_up, (uint64_t)wait_ms, 0);
    else
        uv_timer_stop(timer);
}

static void follow_on_roads(struct gateway *gw)
{
    closures_follow(gw);
    tick_again(&gw->move, dispatch_follow(gw->dispatch, gw->fleet, gw->now_ms));
}

/* What the queue has no room for gets no receipt, so vehicles send it
 * again. */
static void append_to_store(struct gateway *gw)
{
    size_t count = gw->batch.count;
    if (count == 0)
        return;
    size_t taken = store_append(gw->store, &gw->batch);
    gw->dropped += count - taken;
    if (taken < count && !gw->dropping)
        pt_log(PT_LOG_ERROR, "gateway: the store's queue is full: vehicles "
                             "keep their reports");
    if (taken == count && gw->dropping)
        pt_log(PT_LOG_NOTICE,
               "gateway: the store's queue takes entries again, "
               "%" PRIu64 " were dropped so far",
               gw->dropped);
    gw->dropping = taken < count;
    batch_reset(&gw->batch);
}

static void send_receipts(struct gateway *gw)
{
    tick_again(&gw->wake, intake_receipts_due(gw->intake));
}

static enum pt_err say_settings(void *context, const char *device,
                                const uint8_t *bytes, size_t size)
{
    struct gateway *gw = context;
    return intake_say_settings(gw->intake, device, bytes, size);
}

static void send_settings(struct gateway *gw)
{
    if (loads_ready(gw))
        pacing_follow(&gw->pacing, gw->catalog, gw->fleet, gw->now_ms,
                      say_settings, gw);
}

static void tell_events(struct gateway *gw)
{
    http_events(gw->http);
    fleet_changes_take(gw->fleet);
}

static void serve(struct gateway *gw)
{
    http_serve(gw->http);
}

/* Report in -> decode -> live state + store -> receipts and answers out. No
 * step calls the next; what one leaves in the batch the next takes up. The
 * map is fresh even when SQL lags. */
static const struct stage {
    const char *label;
    void (*run)(struct gateway *gw);
} stages[] = {
    {"stage=\"intake_take\"", take_reports},
    {"stage=\"fleet_apply\"", apply_to_fleet},
    {"stage=\"watch\"", watch_follow},
    {"stage=\"dispatch_follow\"", follow_on_roads},
    {"stage=\"coverage_follow\"", cover_follow},
    {"stage=\"live\"", live_follow},
    {"stage=\"predictions\"", predictions_follow},
    {"stage=\"store_append\"", append_to_store},
    {"stage=\"receipts\"", send_receipts},
    {"stage=\"settings\"", send_settings},
    {"stage=\"said\"", said_follow},
    {"stage=\"events\"", tell_events},
    {"stage=\"http_serve\"", serve},
    {"stage=\"coverage_serve\"", cover_serve},
};
#define STAGE_COUNT (sizeof(stages) / sizeof(stages[0]))
_Static_assert(STAGE_COUNT <= TICK_STAGES_MAX, "stage_ns is too short");

int64_t gateway_wall_ms(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
}

void gateway_tick(struct gateway *gw)
{
    gw->now_ms = gateway_wall_ms();
    uint64_t before_ns = uv_hrtime();
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        stages[i].run(gw);
        uint64_t after_ns = uv_hrtime();
        gw->stage_ns[i] += after_ns - before_ns;
        before_ns = after_ns;
    }
    gw->ticks++;
}

void gateway_wait(struct gateway *gw)
{
    bool more = loads_ready(gw) && intake_has_more(gw->intake);
    uv_run(&gw->loop, more ? UV_RUN_NOWAIT : UV_RUN_ONCE);
}

/* --------------------------------------------------------------------- metrics
 */
static double seconds(void *context)
{
    const uint64_t *ns = context;
    return (double)*ns / 1e9;
}

static double units_live(void *context)
{
    return (double)fleet_count(context);
}

static double road_edges(void *context)
{
    const struct roads *roads = dispatch_roads(context);
    return roads == NULL ? 0 : (double)roads_edge_count(roads);
}

enum pt_err tick_metrics(struct gateway *gw)
{
    enum pt_err err =
        metrics_add(gw->metrics, METRICS_COUNTER, "patrol_ticks_total", NULL,
                    "Rounds of the gateway's loop", &gw->ticks);
    for (size_t i = 0; i < STAGE_COUNT && err == PT_OK; i++)
        err = metrics_add_call(
            gw->metrics, METRICS_COUNTER, "patrol_tick_stage_seconds_total",
            stages[i].label, "Time spent in each stage of the loop", seconds,
            &gw->stage_ns[i]);
    if (err == PT_OK)
        err = metrics_add(
            gw->metrics, METRICS_COUNTER, "patrol_store_refused_total", NULL,
            "Entries that the store's queue had no room for", &gw->dropped);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_settings_said_total", NULL,
                          "Settings published to vehicles", &gw->pacing.said);
    if (err == PT_OK)
        err = metrics_add(
            gw->metrics, METRICS_COUNTER, "patrol_settings_behind_total", NULL,
            "Times that a vehicle named settings newer than the catalog's",
            &gw->pacing.behind);
    if (err == PT_OK)
        err = metrics_add_call(gw->metrics, METRICS_GAUGE, "patrol_units_live",
                               NULL, "Units in live state", units_live,
                               gw->fleet);
    if (err == PT_OK)
        err = said_metrics(gw);
    if (err == PT_OK)
        err = watch_metrics(gw);
    if (err == PT_OK)
        err = learning_metrics(gw);
    if (err == PT_OK)
        err = live_metrics(gw);
    if (err == PT_OK)
        err = closures_metrics(gw);
    if (err == PT_OK)
        err = predictions_metrics(gw);
    if (err == PT_OK)
        err = metrics_add_call(gw->metrics, METRICS_GAUGE, "patrol_road_edges",
                               NULL, "Street pieces in the network in force",
                               road_edges, gw->dispatch);
    return err;
}

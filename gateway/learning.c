/* Times learned from the fleet's own drives: put into force for the hour, and
 * learned anew now and then, both on the pool. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
/* After a load that failed. */
#define RETRY_MS 30000
/* Whether it is time to learn anew is looked at so often. */
#define LOOK_MS 60000

/* ------------------------------------------------------------ into force */
static void load_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    l->load_err =
        speeds_load(gw->settings->conninfo, l->load_roads, gateway_wall_ms(),
                    &l->loaded, l->load_message, sizeof(l->load_message));
}

static void on_hour(uv_timer_t *timer)
{
    learning_load(timer->data);
}

static void use(struct gateway *gw, struct speeds *speeds)
{
    struct learning *l = &gw->learning;
    size_t count = 0;
    struct roads_metric *const *metrics = NULL;
    if (speeds != NULL)
        metrics = speeds_metrics(speeds, &count);
    enum pt_err err = dispatch_set_learned(gw->dispatch, metrics, count);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "gateway: learned times: %s", pt_strerror(err));
        speeds_free(speeds);
        return;
    }
    speeds_free(l->speeds);
    l->speeds = speeds;
    closures_turn(gw); /* what is slowed is slower than these */
    if (speeds == NULL)
        return;
    int64_t wait_ms = speeds_until_ms(speeds) - gateway_wall_ms();
    uv_timer_start(&l->hour, on_hour, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* A network that came meanwhile has its own load: whoever installed it asked
 * for it. */
static void take_loaded(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    struct speeds *speeds = l->loaded;
    l->loaded = NULL;
    if (l->load_err == PT_E_NOTFOUND) {
        use(gw, NULL);
    } else if (l->load_err == PT_E_AGAIN) {
        pt_log(PT_LOG_DEBUG, "gateway: learned times: %s", l->load_message);
    } else if (l->load_err != PT_OK) {
        pt_log(PT_LOG_WARN, "gateway: learned times could not be loaded: %s",
               l->load_message[0] != '\0' ? l->load_message
                                          : pt_strerror(l->load_err));
        uv_timer_start(&l->hour, on_hour, RETRY_MS, 0);
    } else if (speeds_roads(speeds) != dispatch_roads(gw->dispatch)) {
        l->load_wanted = true;
        speeds_free(speeds);
    } else {
        bool first = l->speeds == NULL;
        use(gw, speeds);
        pt_log(first ? PT_LOG_NOTICE : PT_LOG_DEBUG,
               "gateway: counts with learned times");
    }
}

static void load_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    work->data = NULL;
    roads_unref(l->load_roads);
    l->load_roads = NULL;
    if (l->closing)
        return;
    if (status == 0)
        take_loaded(gw);
    if (l->load_wanted)
        learning_load(gw);
}

void learning_load(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    const struct roads *roads = dispatch_roads(gw->dispatch);
    if (l->closing || roads == NULL)
        return;
    l->load_wanted = l->load_work.data != NULL;
    if (l->load_wanted)
        return;
    l->load_message[0] = '\0';
    l->load_roads = roads_ref((struct roads *)roads);
    l->load_work.data = gw;
    if (uv_queue_work(&gw->loop, &l->load_work, load_work, load_done) != 0)
        load_done(&l->load_work, UV_EIO);
}

void learning_roads_changed(struct gateway *gw)
{
    speeds_free(gw->learning.speeds); /* dispatch has dropped its metrics */
    gw->learning.speeds = NULL;
    learning_load(gw);
}

/* ------------------------------------------------------------ learned anew */
static bool go_on(void *context, double share, const char *phase)
{
    struct learning *l = context;
    (void)share;
    (void)phase;
    return !atomic_load(&l->stop);
}

static void learn_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    int64_t now_ms = gateway_wall_ms();
    struct speeds_wish wish = {
        .conninfo = gw->settings->conninfo,
        .from_ms = now_ms - gw->settings->learn_days * DAY_MS,
        .to_ms = now_ms,
        .progress = go_on,
        .context = l,
    };
    l->learn_err = speeds_learn(&wish, &l->told, l->learn_message,
                                sizeof(l->learn_message));
}

static void learn_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    work->data = NULL;
    if (status != 0 || l->closing)
        return;
    if (l->learn_err == PT_E_AGAIN || l->learn_err == PT_E_NOTFOUND) {
        pt_log(PT_LOG_INFO, "gateway: nothing learned: %s", l->learn_message);
        return;
    }
    if (l->learn_err != PT_OK) {
        l->failed++;
        pt_log(PT_LOG_WARN, "gateway: learning from drives failed: %s",
               l->learn_message);
        return;
    }
    l->learned++;
    for (size_t i = 0; i < l->told.kind_count; i++)
        pt_log(PT_LOG_NOTICE, "gateway: %s learned from %zu drives as %s",
               l->told.kinds[i].learned ? "times" : "nothing",
               l->told.kinds[i].drives, l->told.kinds[i].profile);
}

/* Another gateway, or an operator, may have learned meanwhile. */
static void age_known(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    struct learning *l = &gw->learning;
    l->asking = false;
    if (err != PT_OK || l->closing || l->learn_work.data != NULL)
        return;
    int64_t every_ms = gw->settings->learn_every_h * HOUR_MS;
    if (!PQgetisnull(rows, 0, 0) &&
        strtoll(PQgetvalue(rows, 0, 0), NULL, 10) < every_ms)
        return;
    l->began_ms = (int64_t)uv_now(&gw->loop);
    l->tried = true;
    l->learn_message[0] = '\0';
    l->learn_work.data = gw;
    if (uv_queue_work(&gw->loop, &l->learn_work, learn_work, learn_done) != 0)
        l->learn_work.data = NULL;
}

static void on_look(uv_timer_t *timer)
{
    struct gateway *gw = timer->data;
    struct learning *l = &gw->learning;
    int64_t since_ms = (int64_t)uv_now(&gw->loop) - l->began_ms;
    if (l->asking || l->learn_work.data != NULL || !db_is_up(gw->db) ||
        (l->tried && since_ms < gw->settings->learn_every_h * HOUR_MS))
        return;
    l->asking = db_query(gw->db,
                         "SELECT (extract(epoch FROM now() - max(learned_at))"
                         " * 1000)::bigint FROM patrol.learned_profile",
                         0, NULL, age_known, gw) == PT_OK;
}

/* --------------------------------------------------------------- start and end
 */
void learning_open(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    uv_timer_init(&gw->loop, &l->hour);
    uv_timer_init(&gw->loop, &l->look);
    l->hour.data = gw;
    l->look.data = gw;
    l->open_timers = 2;
    if (gw->settings->learn_every_h > 0)
        uv_timer_start(&l->look, on_look,
                       (uint64_t)gw->settings->learn_after_s * 1000, LOOK_MS);
}

static void timer_closed(uv_handle_t *handle)
{
    struct gateway *gw = handle->data;
    gw->learning.open_timers--;
}

void learning_stop(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    l->closing = true;
    atomic_store(&l->stop, true);
    uv_close((uv_handle_t *)&l->hour, timer_closed);
    uv_close((uv_handle_t *)&l->look, timer_closed);
    if (l->load_work.data != NULL)
        uv_cancel((uv_req_t *)&l->load_work);
    if (l->learn_work.data != NULL)
        uv_cancel((uv_req_t *)&l->learn_work);
}

void learning_close(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    while (l->open_timers > 0 || l->load_work.data != NULL ||
           l->learn_work.data != NULL)
        uv_run(&gw->loop, UV_RUN_ONCE);
    speeds_free(l->loaded);
    speeds_free(l->speeds);
    l->speeds = NULL;
}

static double in_use(void *context)
{
    const struct learning *l = context;
    return l->speeds != NULL;
}

enum pt_err learning_metrics(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    enum pt_err err = metrics_add(
        gw->metrics, METRICS_COUNTER, "patrol_speeds_learned_total", NULL,
        "Times that the fleet's drives were learned from", &l->learned);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_speeds_failed_total", NULL,
                          "Times that learning from drives failed", &l->failed);
    if (err == PT_OK)
        err = metrics_add_call(gw->metrics, METRICS_GAUGE,
                               "patrol_speeds_in_use", NULL,
                               "Answers count with learned times", in_use, l);
    return err;
}

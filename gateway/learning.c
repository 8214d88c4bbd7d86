/* Times learned from the fleet's own drives: put into force for the hour, and
 * learned anew now and then, both on the pool. Those of the next hour, with
 * what will be closed then, are made ahead, and take over when it begins. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
/* After a load that failed. */
#define RETRY_MS 30000
/* So long before an hour begins its times are made. */
#define AHEAD_MS INT64_C(300000)
/* A clock that was set is noticed within. */
#define CLOCK_LOOK_MS INT64_C(5000)
/* Whether it is time to learn anew is looked at so often. */
#define LOOK_MS 60000

/* ------------------------------------------------------------ into force */
static void load_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    bool ahead = l->load_closed != NULL;
    l->load_err = speeds_load(gw->settings->conninfo, l->load_roads,
                              ahead ? l->load_at_ms : gateway_wall_ms(),
                              &l->loaded.speeds, l->load_message,
                              sizeof(l->load_message));
    if (!ahead || l->load_err != PT_OK)
        return;
    size_t count;
    struct roads_metric *const *metrics =
        speeds_metrics(l->loaded.speeds, &count);
    l->load_err = closures_view_new(l->load_closed, l->load_roads, metrics,
                                    count, l->load_at_ms, &l->loaded.view);
}

static void drop_hour(struct learned_hour *hour)
{
    closures_view_free(hour->view);
    speeds_free(hour->speeds);
    *hour = (struct learned_hour){0};
}

static void begin_load(struct gateway *gw, struct closures *closed,
                       int64_t at_ms);
static void begin_hour(struct gateway *gw);
static void on_hour(uv_timer_t *timer);

/* A clock may be set back, too. */
static bool is_hour_of(const struct speeds *speeds, int64_t now_ms)
{
    int64_t left_ms = speeds_until_ms(speeds) - now_ms;
    return left_ms > 0 && left_ms <= HOUR_MS;
}

/* Whether what is ready for the next hour reckons with what is closed. */
static bool is_ahead(const struct gateway *gw)
{
    const struct learned_hour *next = &gw->learning.next;
    return next->speeds != NULL &&
           closures_view_of(next->view) == gw->loads.closed;
}

/* What is to be done, and when to look again. */
static void plan(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    int64_t now_ms = gateway_wall_ms();
    if (l->closing || l->speeds == NULL || l->load_work.data != NULL)
        return; /* there is no hour, or it is looked at once that is done */
    int64_t until_ms = speeds_until_ms(l->speeds);
    int64_t begin_ms = until_ms - AHEAD_MS;
    if (!is_hour_of(l->speeds, now_ms)) {
        begin_hour(gw);
        return;
    }
    if (begin_ms < l->ahead_after_ms)
        begin_ms = l->ahead_after_ms;
    if (now_ms >= begin_ms && !is_ahead(gw) && gw->loads.closed != NULL) {
        drop_hour(&l->next);
        begin_load(gw, closures_ref(gw->loads.closed), until_ms);
    }
    int64_t wait_ms = until_ms - now_ms;
    uv_timer_start(
        &l->hour, on_hour,
        (uint64_t)(wait_ms < CLOCK_LOOK_MS ? wait_ms : CLOCK_LOOK_MS), 0);
}

static void use(struct gateway *gw, struct learned_hour *hour)
{
    struct speeds *speeds = hour->speeds;
    struct learning *l = &gw->learning;
    size_t count = 0;
    struct roads_metric *const *metrics = NULL;
    if (speeds != NULL)
        metrics = speeds_metrics(speeds, &count);
    enum pt_err err = dispatch_set_learned(gw->dispatch, metrics, count);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "gateway: learned times: %s", pt_strerror(err));
        drop_hour(hour);
        uv_timer_start(&l->hour, on_hour, RETRY_MS, 0);
        return;
    }
    speeds_free(l->speeds);
    l->speeds = speeds;
    closures_use(gw, hour->view); /* what is slowed is slower than these */
    *hour = (struct learned_hour){0};
    plan(gw);
}

/* The next hour is there: with what is ready for it, else once it is loaded. */
static void begin_hour(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    struct learned_hour next = l->next;
    l->next = (struct learned_hour){0};
    if (next.speeds != NULL && is_hour_of(next.speeds, gateway_wall_ms())) {
        l->switched++;
        use(gw, &next);
        pt_log(PT_LOG_DEBUG, "gateway: counts with the new hour's times");
        return;
    }
    drop_hour(&next);
    learning_load(gw);
}

static void on_hour(uv_timer_t *timer)
{
    struct gateway *gw = timer->data;
    if (gw->learning.speeds != NULL)
        plan(gw);
    else
        learning_load(gw);
}

/* A network that came meanwhile has its own load: whoever installed it asked
 * for it. */
static void take_loaded(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    struct learned_hour loaded = l->loaded;
    l->loaded = (struct learned_hour){0};
    if (l->load_err == PT_E_NOTFOUND) {
        use(gw, &loaded);
    } else if (l->load_err == PT_E_AGAIN) {
        pt_log(PT_LOG_DEBUG, "gateway: learned times: %s", l->load_message);
    } else if (l->load_err != PT_OK) {
        pt_log(PT_LOG_WARN, "gateway: learned times could not be loaded: %s",
               l->load_message[0] != '\0' ? l->load_message
                                          : pt_strerror(l->load_err));
        uv_timer_start(&l->hour, on_hour, RETRY_MS, 0);
    } else if (speeds_roads(loaded.speeds) != dispatch_roads(gw->dispatch)) {
        l->load_wanted = true;
        drop_hour(&loaded);
    } else {
        bool first = l->speeds == NULL;
        use(gw, &loaded);
        pt_log(first ? PT_LOG_NOTICE : PT_LOG_DEBUG,
               "gateway: counts with learned times");
    }
}

/* Without it the hour is loaded when it begins. */
static void take_ahead(struct gateway *gw, int status)
{
    struct learning *l = &gw->learning;
    if (status == 0 && l->load_err == PT_OK && !l->load_wanted &&
        speeds_roads(l->loaded.speeds) == dispatch_roads(gw->dispatch)) {
        l->next = l->loaded;
        l->loaded = (struct learned_hour){0};
    } else {
        drop_hour(&l->loaded);
        l->ahead_after_ms = gateway_wall_ms() + RETRY_MS;
        pt_log(PT_LOG_DEBUG, "gateway: the next hour's times: %s",
               l->load_message);
    }
}

static void load_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct learning *l = &gw->learning;
    bool ahead = l->load_closed != NULL;
    work->data = NULL;
    roads_unref(l->load_roads);
    closures_unref(l->load_closed);
    l->load_roads = NULL;
    l->load_closed = NULL;
    if (l->closing)
        return;
    if (ahead)
        take_ahead(gw, status);
    else if (status == 0)
        take_loaded(gw);
    if (l->load_wanted)
        learning_load(gw);
    else if (ahead)
        plan(gw);
}

/* With `closed` (taken over): ahead, as it will be at `at_ms`; NULL: now. */
static void begin_load(struct gateway *gw, struct closures *closed,
                       int64_t at_ms)
{
    struct learning *l = &gw->learning;
    l->load_closed = closed;
    l->load_at_ms = at_ms;
    l->load_message[0] = '\0';
    l->load_roads = roads_ref((struct roads *)dispatch_roads(gw->dispatch));
    l->load_work.data = gw;
    if (uv_queue_work(&gw->loop, &l->load_work, load_work, load_done) != 0)
        load_done(&l->load_work, UV_EIO);
}

void learning_load(struct gateway *gw)
{
    struct learning *l = &gw->learning;
    if (l->closing || dispatch_roads(gw->dispatch) == NULL)
        return;
    drop_hour(&l->next); /* of what was learned before */
    l->load_wanted = l->load_work.data != NULL;
    if (!l->load_wanted)
        begin_load(gw, NULL, 0);
}

void learning_roads_changed(struct gateway *gw)
{
    speeds_free(gw->learning.speeds); /* dispatch has dropped its metrics */
    gw->learning.speeds = NULL;
    learning_load(gw);
}

const struct roads_metric *learning_next(const struct gateway *gw,
                                         const char *profile)
{
    const struct roads *roads = dispatch_roads(gw->dispatch);
    const char *name;
    if (!is_ahead(gw))
        return NULL;
    for (size_t i = 0; (name = roads_profile_name(roads, i)) != NULL; i++) {
        if (profile != NULL && strcmp(profile, name) != 0)
            continue;
        size_t count;
        struct roads_metric *const *closed =
            closures_view_metrics(gw->learning.next.view, &count);
        if (i < count && closed[i] != NULL)
            return closed[i];
        struct roads_metric *const *learned =
            speeds_metrics(gw->learning.next.speeds, &count);
        return i < count && learned[i] != NULL ? learned[i]
                                               : roads_profile(roads, name);
    }
    return NULL;
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
    drop_hour(&l->loaded);
    drop_hour(&l->next);
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
        err = metrics_add(
            gw->metrics, METRICS_COUNTER, "patrol_speeds_switched_total", NULL,
            "Hours that began with learned times made ahead", &l->switched);
    if (err == PT_OK)
        err = metrics_add_call(gw->metrics, METRICS_GAUGE,
                               "patrol_speeds_in_use", NULL,
                               "Answers count with learned times", in_use, l);
    return err;
}

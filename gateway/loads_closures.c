/* What is closed: read when the database says that it changed, looked for on
 * every network before that takes over, and in force from and until its time.
 * One job at a time on the pool; all else happens between two ticks. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>

/* ------------------------------------------------------------- on the pool */
static void work(uv_work_t *request)
{
    struct gateway *gw = request->data;
    struct closures_job *job = &gw->loads.job;
    struct closures *read = NULL;
    if (job->read)
        job->read_err = closures_load(gw->settings->conninfo, &read,
                                      job->message, sizeof(job->message));
    /* What cannot be read is no reason for no answers at all. */
    if (read == NULL && job->closures == NULL)
        job->view_err = closures_new(NULL, 0, &read);
    if (read != NULL) {
        closures_unref(job->closures);
        job->closures = read;
    }
    /* Now, and not when the job was asked for: what was read may have begun
     * since. */
    if (job->view_err == PT_OK && job->roads != NULL)
        job->view_err = closures_view_new(job->closures, job->roads,
                                          job->learned, ROADS_PROFILES_MAX,
                                          gateway_wall_ms(), &job->view);
}

/* ------------------------------------------------------------------- and back
 */
static struct roads *roads_to_look_on(const struct gateway *gw)
{
    struct roads *fresh = gw->loads.roads_new;
    return fresh != NULL && loads_ready(gw)
               ? fresh
               : (struct roads *)dispatch_roads(gw->dispatch);
}

/* Once on each network. */
static void log_lost(const struct closures_view *view,
                     const struct closures_view *before)
{
    bool same = before != NULL &&
                closures_view_roads(before) == closures_view_roads(view);
    for (size_t i = 0; i < closures_view_count(view); i++) {
        const struct closures_match *match = closures_view_at(view, i);
        uint32_t id = match->closure->closure_id;
        if (match->lost_count == 0 ||
            (same && closures_view_find(before, id) != NULL))
            continue;
        pt_log(PT_LOG_WARN,
               "gateway: closure %" PRIu32 " (%s): %zu of %zu pieces are not "
               "on road network %" PRIu32 ", %.0f m",
               id, match->closure->street, match->lost_count,
               match->closure->piece_count,
               roads_network_id(closures_view_roads(view)), match->lost_m);
    }
}

static size_t count_in_force(const struct closures_view *view)
{
    size_t count = 0;
    for (size_t i = 0; view != NULL && i < closures_view_count(view); i++)
        count += closures_view_at(view, i)->in_force;
    return count;
}

/* False: it is of a network that is not wanted any more, or dispatch has no
 * memory for it. */
static bool install(struct gateway *gw, const struct closures_view *view)
{
    const struct roads *roads = closures_view_roads(view);
    size_t count = 0;
    struct roads_metric *const *metrics = closures_view_metrics(view, &count);
    if (roads == gw->loads.roads_new && loads_ready(gw))
        return loads_install_roads(gw, view);
    if (roads != dispatch_roads(gw->dispatch))
        return false;
    enum pt_err err =
        dispatch_set_metrics(gw->dispatch, metrics, count, gw->fleet);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "gateway: closures are not in force: %s",
               pt_strerror(err));
    return err == PT_OK;
}

static void take_view(struct gateway *gw, struct closures_view *view)
{
    struct closures_view *before = gw->closures;
    if (!install(gw, view)) {
        closures_view_free(view);
        return;
    }
    gw->closures = view;
    log_lost(view, before);
    if (count_in_force(view) != count_in_force(before))
        pt_log(PT_LOG_NOTICE, "gateway: %zu closures in force",
               count_in_force(view));
    closures_view_free(before);
    if (gw->http != NULL)
        http_closures(gw->http);
}

static void drop_job(struct closures_job *job)
{
    closures_view_free(job->view);
    closures_unref(job->closures);
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++)
        roads_metric_unref(job->learned[i]);
    roads_unref(job->roads);
    *job = (struct closures_job){0};
}

static void done(uv_work_t *request, int status)
{
    struct gateway *gw = request->data;
    struct loads *loads = &gw->loads;
    struct closures_job *job = &loads->job;
    request->data = NULL;
    if (status != 0 || loads->closing) {
        drop_job(job);
        return;
    }
    bool unread = job->read && job->read_err != PT_OK;
    bool failed = unread || job->view_err != PT_OK;
    if (job->read)
        loads->closures_unread = unread;
    if (failed)
        loads_failed(gw, &loads->closures, "closures",
                     unread ? job->message : pt_strerror(job->view_err));
    if (job->closures != NULL) {
        closures_unref(loads->closed);
        loads->closed = closures_ref(job->closures);
    }
    struct closures_view *view = job->view;
    job->view = NULL;
    drop_job(job);
    if (view != NULL)
        take_view(gw, view);
    if (!failed) /* else once the timer has run */
        closures_turn(gw);
}

/* ------------------------------------------------------------------- in turn
 */
/* What was learned on a network, for each of its profiles. */
static void find_learned(const struct gateway *gw, const struct roads *roads,
                         struct roads_metric *ret[ROADS_PROFILES_MAX])
{
    const struct speeds *speeds = gw->learning.speeds;
    size_t count = 0;
    if (speeds == NULL || speeds_roads(speeds) != roads)
        return;
    struct roads_metric *const *metrics = speeds_metrics(speeds, &count);
    for (size_t i = 0; i < count && i < ROADS_PROFILES_MAX; i++)
        ret[i] = metrics[i];
}

/* The view is not what it should be. */
static bool is_stale(const struct gateway *gw, const struct roads *roads,
                     const struct closures_view *view)
{
    struct roads_metric *learned[ROADS_PROFILES_MAX] = {NULL};
    find_learned(gw, roads, learned);
    for (size_t i = 0; view != NULL && i < ROADS_PROFILES_MAX; i++) {
        if (closures_view_base(view, i) != learned[i])
            return true;
    }
    return view == NULL || closures_view_roads(view) != roads ||
           closures_view_of(view) != gw->loads.closed ||
           closures_view_next_ms(view) <= gateway_wall_ms() ||
           !closures_view_prepared(view);
}

void closures_turn(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    struct roads *roads = roads_to_look_on(gw);
    bool read = loads->closures.wanted && db_is_up(gw->db);
    if (loads->closing || loads->closures_work.data != NULL)
        return;
    if (!read && (loads->closed == NULL || roads == NULL ||
                  !is_stale(gw, roads, gw->closures)))
        return;
    loads->job = (struct closures_job){
        .read = read,
        .closures = loads->closed == NULL ? NULL : closures_ref(loads->closed),
        .roads = roads == NULL ? NULL : roads_ref(roads),
    };
    if (roads != NULL)
        find_learned(gw, roads, loads->job.learned);
    for (size_t i = 0; i < ROADS_PROFILES_MAX; i++) {
        if (loads->job.learned[i] != NULL)
            (void)roads_metric_ref(loads->job.learned[i]);
    }
    loads->closures.wanted &= !read;
    loads->closures_work.data = gw;
    if (uv_queue_work(&gw->loop, &loads->closures_work, work, done) != 0)
        done(&loads->closures_work, UV_EIO);
}

void closures_use(struct gateway *gw, struct closures_view *view)
{
    if (view != NULL && !is_stale(gw, dispatch_roads(gw->dispatch), view))
        take_view(gw, view);
    else
        closures_view_free(view);
    closures_turn(gw);
}

void closures_follow(struct gateway *gw)
{
    if (gw->closures != NULL &&
        closures_view_next_ms(gw->closures) <= gw->now_ms)
        closures_turn(gw);
}

void closures_stop(struct gateway *gw)
{
    if (closures_under_way(gw))
        uv_cancel((uv_req_t *)&gw->loads.closures_work);
}

bool closures_under_way(const struct gateway *gw)
{
    return gw->loads.closures_work.data != NULL;
}

void closures_close(struct gateway *gw)
{
    closures_view_free(gw->closures);
    closures_unref(gw->loads.closed);
    gw->closures = NULL;
    gw->loads.closed = NULL;
}

/* -------------------------------------------------------------------- metrics
 */
static double in_force(void *context)
{
    const struct gateway *gw = context;
    return (double)count_in_force(gw->closures);
}

static double lost(void *context)
{
    const struct gateway *gw = context;
    size_t count = 0;
    for (size_t i = 0;
         gw->closures != NULL && i < closures_view_count(gw->closures); i++)
        count += closures_view_at(gw->closures, i)->lost_count;
    return (double)count;
}

static double unread(void *context)
{
    const struct gateway *gw = context;
    return gw->loads.closures_unread ? 1 : 0;
}

enum pt_err closures_metrics(struct gateway *gw)
{
    enum pt_err err = metrics_add_call(
        gw->metrics, METRICS_GAUGE, "patrol_closures_in_force", NULL,
        "Closures that answers reckon with now", in_force, gw);
    if (err == PT_OK)
        err = metrics_add_call(
            gw->metrics, METRICS_GAUGE, "patrol_closure_pieces_lost", NULL,
            "Closed pieces of street that are not on the network in force",
            lost, gw);
    if (err == PT_OK)
        err = metrics_add_call(
            gw->metrics, METRICS_GAUGE, "patrol_closures_unread", NULL,
            "1 while what is closed could not be read anew", unread, gw);
    return err;
}

/* A span cut into slices, replayed by some threads, and put together again in
 * order. */
#include "history_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* A slice repeats the lead before it: not too short. What happens in it is
 * kept until it is added up: not too long, with many missions. */
#define SLICE_MIN_MS INT64_C(3600000)
#define MISSIONS_A_DAY 500u
/* Slices that wait to be added up, for each thread. */
#define AHEAD 2u
#define TELL_MS 200
/* Live answers come first. */
#define NICE 10

struct job {
    struct made_by by;
    struct slice *slices;
    size_t count;
    bool *done; /* by slice */
    uv_mutex_t lock;
    uv_cond_t changed;
    size_t next;  /* to be replayed */
    size_t added; /* up to there; the rest waits */
    size_t ahead;
};

/* ------------------------------------------------------------------ slices */
static int64_t slice_ms(const struct history_wish *wish)
{
    size_t missions = catalog_mission_count(wish->catalog);
    int64_t span_ms = wish->to_ms - wish->from_ms;
    int64_t most_ms = HISTORY_DAY_MS;
    if (missions > MISSIONS_A_DAY)
        most_ms = HISTORY_DAY_MS * MISSIONS_A_DAY / (int64_t)missions;
    int64_t each_ms = (span_ms + wish->threads - 1) / wish->threads;
    each_ms = each_ms < most_ms ? each_ms : most_ms;
    each_ms = each_ms > SLICE_MIN_MS ? each_ms : SLICE_MIN_MS;
    /* so that at the beginning of each one looks, too */
    int64_t step_ms = wish->at_steps ? 1000 * wish->step_s : 1;
    return (each_ms + step_ms - 1) / step_ms * step_ms;
}

static enum pt_err cut(struct job *job)
{
    const struct history_wish *wish = job->by.wish;
    int64_t each_ms = slice_ms(wish);
    int64_t span_ms = wish->to_ms - wish->from_ms;
    job->count = (size_t)((span_ms + each_ms - 1) / each_ms);
    job->slices = calloc(job->count, sizeof(*job->slices));
    job->done = calloc(job->count, sizeof(*job->done));
    if (job->slices == NULL || job->done == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < job->count; i++) {
        struct slice *s = &job->slices[i];
        s->from_ms = wish->from_ms + (int64_t)i * each_ms;
        s->to_ms = s->from_ms + each_ms;
        if (s->to_ms > wish->to_ms)
            s->to_ms = wish->to_ms;
    }
    return PT_OK;
}

static void work(void *argument) /* a thread of its own */
{
    struct job *job = argument;
    /* Linux: of this thread alone. It does no harm where it fails. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    uv_mutex_lock(&job->lock);
    while (job->next < job->count && !atomic_load(&job->by.stop)) {
        if (job->next >= job->added + job->ahead) {
            uv_cond_wait(&job->changed, &job->lock);
            continue;
        }
        size_t mine = job->next++;
        uv_mutex_unlock(&job->lock);
        replay_slice(&job->by, &job->slices[mine]);
        uv_mutex_lock(&job->lock);
        job->done[mine] = true;
        uv_cond_broadcast(&job->changed);
    }
    uv_mutex_unlock(&job->lock);
}

static bool tell(const struct job *job)
{
    const struct history_wish *wish = job->by.wish;
    int64_t all_ms = wish->to_ms - wish->from_ms +
                     (int64_t)job->count * replay_lead_ms(wish);
    int64_t done_ms = atomic_load(&job->by.done_ms);
    double share = (double)done_ms / (double)all_ms;
    return wish->progress == NULL ||
           wish->progress(wish->context, share < 1 ? share : 1, "replaying");
}

/* The next one in order is there; the lock is held. */
static enum pt_err add_next(struct job *job, struct sums *sums)
{
    struct slice *slice = &job->slices[job->added];
    enum pt_err err = slice->err;
    if (err == PT_OK && sums != NULL)
        err = sums_add(sums, slice);
    if (err == PT_OK)
        slice_clear(slice);
    job->added++;
    uv_cond_broadcast(&job->changed);
    return err;
}

static enum pt_err add_all(struct job *job, struct sums *sums)
{
    enum pt_err err = PT_OK;
    uv_mutex_lock(&job->lock);
    while (err == PT_OK && job->added < job->count) {
        if (job->done[job->added]) {
            err = add_next(job, sums);
            continue;
        }
        (void)uv_cond_timedwait(&job->changed, &job->lock,
                                (uint64_t)TELL_MS * 1000000);
        if (!tell(job))
            err = PT_E_AGAIN;
    }
    if (err != PT_OK)
        atomic_store(&job->by.stop, true);
    uv_cond_broadcast(&job->changed);
    uv_mutex_unlock(&job->lock);
    return err;
}

static enum pt_err run_threads(struct job *job, struct sums *sums)
{
    uv_thread_t threads[HISTORY_THREADS_MAX];
    unsigned started = 0;
    enum pt_err err = PT_OK;
    job->ahead = AHEAD * job->by.wish->threads;
    if (uv_mutex_init(&job->lock) != 0)
        return PT_E_NOMEM;
    if (uv_cond_init(&job->changed) != 0) {
        uv_mutex_destroy(&job->lock);
        return PT_E_NOMEM;
    }
    while (started < job->by.wish->threads && started < job->count &&
           uv_thread_create(&threads[started], work, job) == 0)
        started++;
    err = started > 0 ? add_all(job, sums) : PT_E_NOMEM;
    for (unsigned i = 0; i < started; i++)
        uv_thread_join(&threads[i]);
    uv_cond_destroy(&job->changed);
    uv_mutex_destroy(&job->lock);
    return err;
}

static void told_why(char *message, size_t size, enum pt_err err)
{
    if (message[0] == '\0')
        snprintf(message, size, "%s", pt_strerror(err));
}

/* ------------------------------------------------------------------ a moment
 */
void history_moment_free(struct history_moment *moment)
{
    if (moment == NULL)
        return;
    coverage_free(moment->coverage);
    free(moment->unit_ids);
    free(moment);
}

enum pt_err history_at(const struct history_wish *wish,
                       struct history_moment **ret, char *message,
                       size_t message_size)
{
    struct made_by by = {.wish = wish};
    struct asking asking;
    struct history_moment *moment = calloc(1, sizeof(*moment));
    message[0] = '\0';
    if (moment == NULL)
        return PT_E_NOMEM;
    enum pt_err err = asking_open(&asking, wish->conninfo, "patrol history",
                                  message, message_size);
    if (err == PT_OK)
        err = then_new(&asking, wish, &by.then);
    asking_close(&asking);
    if (err == PT_OK)
        err = replay_moment(&by, moment, message, message_size);
    then_free(by.then);
    if (err == PT_OK) {
        *ret = moment;
    } else {
        told_why(message, message_size, err);
        history_moment_free(moment);
    }
    return err;
}

/* -------------------------------------------------------------------- a span
 */
static bool span_is_right(const struct history_wish *wish)
{
    int64_t span_ms = wish->to_ms - wish->from_ms;
    if (wish->at_steps && wish->step_s == 0)
        return false;
    if (wish->from_ms < 0 || span_ms <= 0 || span_ms > HISTORY_SPAN_MAX_MS ||
        wish->step_s < 0 || wish->threads < 1 ||
        wish->threads > HISTORY_THREADS_MAX)
        return false;
    return wish->step_s == 0 ||
           (span_ms / (1000 * wish->step_s) + 1) *
                   ((int64_t)catalog_zone_count(wish->catalog) + 1) <=
               HISTORY_SNAPSHOTS_MAX;
}

struct run {
    struct job job;
    struct asking asking;
    struct kept kept;
    struct hours hours;
    struct sums *sums;
    struct coverage *coverage; /* without units: what is judged */
};

/* What is judged is the same by whatever was in force. */
static enum pt_err find_judged(struct run *run, const struct history_wish *wish,
                               struct then *then)
{
    struct then_terms *terms = NULL;
    int64_t until_ms;
    enum pt_err err = then_at(then, wish->from_ms, &terms, &until_ms,
                              run->asking.message, run->asking.message_size);
    if (err == PT_OK)
        err = coverage_new(&wish->coverage, 1, &run->coverage);
    if (err == PT_OK)
        err =
            coverage_set_basis(run->coverage, then_basis(terms), wish->from_ms);
    then_let_go(terms);
    return err;
}

static enum pt_err prepare(struct run *run, const struct history_wish *wish)
{
    struct made_by *by = &run->job.by;
    enum pt_err err = find_judged(run, wish, by->then);
    if (err == PT_OK && !wish->at_steps)
        err = frontages_new(wish->roads, wish->catalog, wish->pass_m,
                            &by->frontages);
    if (err == PT_OK)
        err = hours_read(&run->asking, wish, &run->hours);
    if (err == PT_OK)
        err = sums_new(wish, &run->hours, run->coverage, &run->sums);
    if (err == PT_OK)
        err = cut(&run->job);
    return err;
}

static enum pt_err answer(struct run *run, const struct history_wish *wish,
                          uint32_t *ret)
{
    uint64_t began_ns = uv_hrtime();
    enum pt_err err = prepare(run, wish);
    if (err == PT_OK)
        err = run_threads(&run->job, run->sums);
    if (err == PT_OK)
        err = sums_end(run->sums);
    if (err == PT_OK && wish->progress != NULL &&
        !wish->progress(wish->context, 1, "keeping it"))
        err = PT_E_AGAIN;
    if (err == PT_OK)
        err = keep_write(&run->asking, &run->kept, run->sums, run->coverage,
                         run->job.by.frontages,
                         (double)(uv_hrtime() - began_ns) / 1e9, ret);
    return err;
}

static void clear_run(struct run *run)
{
    for (size_t i = 0; run->job.slices != NULL && i < run->job.count; i++)
        slice_clear(&run->job.slices[i]);
    free(run->job.slices);
    free(run->job.done);
    frontages_free(run->job.by.frontages);
    coverage_free(run->coverage);
    then_free(run->job.by.then);
    sums_free(run->sums);
    hours_clear(&run->hours);
    keep_clear(&run->kept);
    asking_close(&run->asking);
}

/* The first slice that failed knows more than that it failed. */
static void slice_message(const struct run *run, char *message, size_t size)
{
    for (size_t i = 0; run->job.slices != NULL && i < run->job.count; i++) {
        const struct slice *s = &run->job.slices[i];
        if (message[0] == '\0' && s->err != PT_OK && s->message[0] != '\0')
            snprintf(message, size, "%s", s->message);
    }
}

enum pt_err history_run(const struct history_wish *wish, uint32_t *ret,
                        char *message, size_t message_size)
{
    struct run run = {.job = {.by = {.wish = wish}}};
    uint32_t run_id = 0;
    message[0] = '\0';
    if (!span_is_right(wish))
        return PT_E_RANGE;
    enum pt_err err = asking_open(&run.asking, wish->conninfo, "patrol history",
                                  message, message_size);
    if (err == PT_OK)
        err = then_new(&run.asking, wish, &run.job.by.then);
    if (err == PT_OK)
        err = keep_find(&run.asking, wish, run.job.by.then, &run.kept, &run_id);
    if (err == PT_OK && run_id == 0)
        err = answer(&run, wish, &run_id);
    if (err == PT_OK)
        *ret = run_id;
    else
        slice_message(&run, message, message_size);
    if (err != PT_OK)
        told_why(message, message_size, err);
    clear_run(&run);
    return err;
}

/* ------------------------------------------------------------ looks on its way
 */
static enum pt_err watch(struct run *run, const struct history_wish *wish)
{
    uv_mutex_t lock;
    enum pt_err err = then_new(&run->asking, wish, &run->job.by.then);
    if (err == PT_OK)
        err = hours_read(&run->asking, wish, &run->hours);
    if (err == PT_OK)
        err = cut(&run->job);
    if (err != PT_OK)
        return err;
    if (uv_mutex_init(&lock) != 0)
        return PT_E_NOMEM;
    run->job.by.look_hours = &run->hours;
    run->job.by.look_lock = &lock;
    err = run_threads(&run->job, NULL);
    uv_mutex_destroy(&lock);
    return err;
}

enum pt_err history_watch(const struct history_wish *wish, history_looker look,
                          void *context, char *message, size_t message_size)
{
    struct history_wish at_steps = *wish; /* between them nobody looks */
    struct run run = {
        .job = {
            .by = {.wish = &at_steps, .look = look, .look_context = context}}};
    at_steps.at_steps = true;
    message[0] = '\0';
    if (!span_is_right(&at_steps))
        return PT_E_RANGE;
    enum pt_err err = asking_open(&run.asking, wish->conninfo, "patrol history",
                                  message, message_size);
    if (err == PT_OK)
        err = watch(&run, &at_steps);
    if (err != PT_OK)
        slice_message(&run, message, message_size);
    if (err != PT_OK)
        told_why(message, message_size, err);
    clear_run(&run);
    return err;
}

/* fleet-sim: a fleet that drives itself, and reports through the real code. */
#include "pt_log.h"
#include "sim.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define STEP_EVERY_MS 20
#define STEPS_A_TURN 5000 /* the radio has its turn between */
#define RADIO_EVERY_MS 100
#define RADIO_TURNS 10 /* in which each unit is asked once */
/* Handshakes cost both sides about a millisecond; with a fleet that all
 * connects at once nobody would get through within its time limit. */
#define CONNECTS_A_TURN 10
#define STATUS_EVERY_MS 10000
#define FILES_BESIDE 64 /* descriptors that are no unit's */

/* --- clocks -------------------------------------------------------------- */

static int64_t utc_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Never ahead of the real time: the gateway would refuse it. */
static int64_t sim_now_ms(const struct sim *sim)
{
    uint64_t elapsed_ms = uv_now(&sim->loop) - sim->begun_ms;
    int64_t simulated_ms =
        sim->start_ms + (int64_t)((double)elapsed_ms * sim->options.speed);
    int64_t now_ms = utc_now_ms();
    return simulated_ms < now_ms ? simulated_ms : now_ms;
}

static void set_clock(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    sim->start_ms = options->start_ms;
    if (sim->start_ms == 0 && options->speed > 1)
        sim->start_ms = utc_now_ms() - options->duration_ms;
    else if (sim->start_ms == 0)
        sim->start_ms = utc_now_ms();
    if (options->duration_ms != 0)
        sim->end_ms = sim->start_ms + options->duration_ms;
}

/* --- how it goes -----------------------------------------------------------
 */

static size_t awake(const struct sim *sim)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->unit_count; i++)
        count += !sim->units[i].device.asleep;
    return count;
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 ? (double)(now - before) / seconds : 0.0;
}

/* What a machine that is too slow for the fleet shows. */
static double behind_s(const struct sim *sim)
{
    if (sim->options.dry_run || sim->stopping)
        return 0.0;
    int64_t behind_ms = sim_now_ms(sim) - sim->second_ms;
    return behind_ms > SIM_STEP_MS ? (double)behind_ms / 1000.0 : 0.0;
}

static void say_status(struct sim *sim)
{
    const struct counts *c = &sim->counts;
    const struct counts *b = &sim->before;
    uint64_t now_ms = uv_now(&sim->loop);
    double seconds = (double)(now_ms - sim->before_ms) / 1000.0;
    time_t clock = (time_t)(sim->second_ms / 1000);
    struct tm utc;
    char when[32];
    gmtime_r(&clock, &utc);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    printf(
        "%s units=%zu awake=%zu connected=%zu fixes/s=%.0f entries=%" PRIu64
        " entries/s=%.0f receipted=%" PRIu64 " waiting=%" PRIu64
        " resent=%" PRIu64 " dropped=%" PRIu64 " messages/s=%.0f lost=%" PRIu64
        " outages=%" PRIu64 " said=%" PRIu64 " behind=%.1f\n",
        when, sim->unit_count, awake(sim), sim->connected,
        rate(c->fixes, b->fixes, seconds), c->entries,
        rate(c->entries, b->entries, seconds), c->receipted, fleet_waiting(sim),
        c->resent, c->dropped, rate(c->messages, b->messages, seconds), c->lost,
        c->outages, c->said, behind_s(sim));
    fflush(stdout);
    if (sim->truth != NULL)
        fflush(sim->truth);
    sim->before = *c;
    sim->before_ms = now_ms;
}

static void on_status(uv_timer_t *timer)
{
    say_status(timer->data);
}

/* --- the loop's timers ------------------------------------------------------
 */

static void begin_end(struct sim *sim, const char *why)
{
    if (sim->stopping)
        return;
    sim->stopping = true;
    sim->stop_ms = uv_now(&sim->loop);
    uv_timer_stop(&sim->step);
    pt_log(PT_LOG_NOTICE, "%s: units stop, %" PRIu64 " entries to be receipted",
           why, fleet_waiting(sim));
}

static bool is_over(const struct sim *sim)
{
    return sim->end_ms != 0 &&
           sim->second_ms + sim->units[sim->next_unit].phase_ms >= sim->end_ms;
}

static void on_step(uv_timer_t *timer)
{
    struct sim *sim = timer->data;
    (void)fleet_advance(sim, sim_now_ms(sim), STEPS_A_TURN);
    if (is_over(sim))
        begin_end(sim, "duration over");
}

static void on_radio(uv_timer_t *timer)
{
    struct sim *sim = timer->data;
    size_t count = sim->unit_count / RADIO_TURNS + 1;
    sim->connects_left = CONNECTS_A_TURN;
    for (size_t i = 0; i < count; i++) {
        radio_tick(&sim->units[sim->radio_next]);
        sim->radio_next = (sim->radio_next + 1) % sim->unit_count;
    }
    if (!sim->stopping)
        return;
    uint64_t waited_ms = uv_now(&sim->loop) - sim->stop_ms;
    if (sim->in_a_hurry || fleet_waiting(sim) == 0 ||
        waited_ms >= (uint64_t)sim->options.drain_s * 1000)
        uv_stop(&sim->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct sim *sim = handle->data;
    sim->in_a_hurry = sim->stopping;
    begin_end(sim, number == SIGINT ? "interrupt" : "signal");
}

/* --- steps ------------------------------------------------------------------
 */

static enum pt_err open_files(struct sim *sim)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)sim->options.units + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return PT_E_SYSTEM;
    if (limit.rlim_cur >= wanted || sim->options.dry_run)
        return PT_OK;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        pt_log(PT_LOG_ERROR,
               "%ld units need %ju open files, %ju are allowed (ulimit -n)",
               sim->options.units, (uintmax_t)wanted,
               (uintmax_t)limit.rlim_max);
        return PT_E_FULL;
    }
    return PT_OK;
}

static void close_nothing(struct sim *sim)
{
    (void)sim;
}

static enum pt_err open_world(struct sim *sim)
{
    return world_load(&sim->options, &sim->world);
}

static void close_world(struct sim *sim)
{
    world_clear(&sim->world);
}

static void close_truth(struct sim *sim)
{
    sim->truth_failed = !truth_close(sim);
}

static void on_handle_gone(uv_handle_t *handle)
{
    struct sim *sim = handle->data;
    sim->closing--;
}

static void wait_gone(struct sim *sim)
{
    while (sim->closing > 0)
        uv_run(&sim->loop, UV_RUN_ONCE);
}

static enum pt_err open_loop(struct sim *sim)
{
    if (uv_loop_init(&sim->loop) != 0)
        return PT_E_SYSTEM;
    uv_signal_init(&sim->loop, &sim->on_term);
    uv_signal_init(&sim->loop, &sim->on_int);
    uv_timer_init(&sim->loop, &sim->step);
    uv_timer_init(&sim->loop, &sim->radio);
    uv_timer_init(&sim->loop, &sim->status);
    sim->on_term.data = sim->on_int.data = sim;
    sim->step.data = sim->radio.data = sim->status.data = sim;
    if (uv_signal_start(&sim->on_term, on_signal, SIGTERM) != 0 ||
        uv_signal_start(&sim->on_int, on_signal, SIGINT) != 0)
        return PT_E_SYSTEM;
    return PT_OK;
}

static void close_loop(struct sim *sim)
{
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&sim->on_term, (uv_handle_t *)&sim->on_int,
        (uv_handle_t *)&sim->step, (uv_handle_t *)&sim->radio,
        (uv_handle_t *)&sim->status};
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        sim->closing++;
        uv_close(handles[i], on_handle_gone);
    }
    wait_gone(sim);
    (void)uv_loop_close(&sim->loop); /* a name look-up may still hang on it */
}

static enum pt_err open_fleet(struct sim *sim)
{
    set_clock(sim);
    return fleet_open(sim);
}

static void close_fleet(struct sim *sim)
{
    for (size_t i = 0; i < sim->unit_count; i++)
        radio_hang_up(&sim->units[i]);
    wait_gone(sim);
    fleet_close(sim);
}

/* A step may use only what stands above it; closed in reverse. */
static const struct step {
    const char *name;
    enum pt_err (*open)(struct sim *sim);
    void (*close)(struct sim *sim);
} steps[] = {
    {"open files", open_files, close_nothing},
    {"roads and missions", open_world, close_world},
    {"truth", truth_open, close_truth},
    {"event loop", open_loop, close_loop},
    {"radio", radio_open, radio_close},
    {"fleet", open_fleet, close_fleet},
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

static size_t open_in_order(struct sim *sim)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        enum pt_err err = steps[i].open(sim);
        if (err == PT_OK)
            continue;
        pt_log(PT_LOG_ERROR, "cannot start: %s: %s", steps[i].name,
               pt_strerror(err));
        return i;
    }
    return STEP_COUNT;
}

static void close_in_reverse(struct sim *sim, size_t up)
{
    while (up > 0)
        steps[--up].close(sim);
}

/* --- together
 * ------------------------------------------------------------------ */

static void run(struct sim *sim)
{
    if (sim->options.dry_run) {
        (void)fleet_advance(sim, INT64_MAX, SIZE_MAX);
        return;
    }
    uv_update_time(&sim->loop);
    sim->begun_ms = sim->before_ms = uv_now(&sim->loop);
    if (sim->options.start_ms == 0 && sim->options.speed <= 1) {
        /* Loading took its time: the units start now. */
        int64_t late_ms = utc_now_ms() - sim->start_ms;
        sim->begun_ms -= (uint64_t)(late_ms > 0 ? late_ms : 0);
    }
    (void)uv_timer_start(&sim->step, on_step, STEP_EVERY_MS, STEP_EVERY_MS);
    (void)uv_timer_start(&sim->radio, on_radio, RADIO_EVERY_MS, RADIO_EVERY_MS);
    (void)uv_timer_start(&sim->status, on_status, STATUS_EVERY_MS,
                         STATUS_EVERY_MS);
    uv_run(&sim->loop, UV_RUN_DEFAULT);
}

static bool all_receipted(struct sim *sim)
{
    uint64_t left = fleet_waiting(sim);
    if (left > 0)
        pt_log(PT_LOG_ERROR, "%" PRIu64 " entries were not receipted", left);
    if (sim->counts.dropped > 0)
        pt_log(PT_LOG_ERROR, "%" PRIu64 " entries were dropped",
               sim->counts.dropped);
    return left == 0 && sim->counts.dropped == 0;
}

int main(int argc, char **argv)
{
    static struct sim sim;
    options_parse(argc, argv, &sim.options);
    pt_log_set_level(sim.options.verbose ? PT_LOG_DEBUG : PT_LOG_WARN);
    signal(SIGPIPE, SIG_IGN);
    bool good = false;
    size_t up = open_in_order(&sim);
    if (up == STEP_COUNT) {
        run(&sim);
        say_status(&sim);
        good = all_receipted(&sim);
    }
    close_in_reverse(&sim, up);
    return good && !sim.truth_failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

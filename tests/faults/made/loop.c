/* libuv's timers, clocks and randomness for the programs under test. */
#include "sim.h"

#include "metrics.h"
#include "pt_log.h"
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define TIMERS_MAX 32

static struct {
    uv_timer_t *timer;
    uv_timer_cb call;
    int64_t at_ms;
} timers[TIMERS_MAX];
static size_t timer_count;

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(void)
{
    uint64_t z = sim.random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t draw(uint64_t below)
{
    uint64_t drawn = next_random();
    return below == 0 ? 0 : drawn % below;
}

bool strikes(unsigned of_thousand)
{
    return draw(1000) < of_thousand;
}

/* ---- timers */

void loop_reset(void)
{
    timer_count = 0;
}

static void remove_at(size_t i)
{
    timers[i] = timers[--timer_count];
}

void loop_forget(const uv_loop_t *loop)
{
    for (size_t i = timer_count; i-- > 0;)
        if (timers[i].timer->loop == loop)
            remove_at(i);
}

static size_t find(const void *timer)
{
    size_t i = 0;
    while (i < timer_count && (const void *)timers[i].timer != timer)
        i++;
    return i;
}

int64_t loop_next_ms(void)
{
    int64_t at_ms = NEVER;
    for (size_t i = 0; i < timer_count; i++)
        at_ms = soonest(at_ms, timers[i].at_ms);
    return at_ms;
}

static void run_for_owner(uv_timer_t *timer, uv_timer_cb call)
{
    for (unsigned v = 0; v < VEHICLES; v++) {
        if (!vehicle_runs(v) || timer->loop != &vehicle_agent(v)->loop)
            continue;
        vehicle_enter(v);
        call(timer);
        vehicle_look(v);
        return;
    }
    unsigned gate = gate_of_loop(timer->loop);
    gate_enter(gate);
    call(timer);
    gate_tick(gate);
}

bool loop_run_one(void)
{
    for (size_t i = 0; i < timer_count; i++) {
        if (timers[i].at_ms > sim.now_ms)
            continue;
        uv_timer_t *timer = timers[i].timer;
        uv_timer_cb call = timers[i].call;
        remove_at(i);
        run_for_owner(timer, call);
        return true;
    }
    return false;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    timer->loop = loop;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb call, uint64_t timeout,
                   uint64_t repeat)
{
    size_t i = find(timer);
    (void)repeat;
    if (i == timer_count && timer_count == TIMERS_MAX) {
        violated("more than %d timers", TIMERS_MAX);
        return 0;
    }
    if (i == timer_count)
        timer_count++;
    timers[i].timer = timer;
    timers[i].call = call;
    timers[i].at_ms = sim.now_ms + (int64_t)timeout;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    size_t i = find(timer);
    if (i < timer_count)
        remove_at(i);
    return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
    return find(handle) < timer_count;
}

void uv_close(uv_handle_t *handle, uv_close_cb done)
{
    size_t i = find(handle);
    if (i < timer_count)
        remove_at(i);
    done(handle);
}

/* ---- clocks and chance */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return (uint64_t)sim.now_ms;
}

uint64_t uv_hrtime(void)
{
    return (uint64_t)sim.now_ms * 1000000;
}

int uv_random(uv_loop_t *loop, uv_random_t *request, void *bytes, size_t size,
              unsigned flags, uv_random_cb call)
{
    (void)loop;
    (void)request;
    (void)flags;
    (void)call;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)draw(256);
    return 0;
}

/* The linker sends these through here (--wrap), for our objects alone. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int64_t wall_ms = WALL_AT_START_MS + sim.now_ms + sim.wall_ahead_ms;
    (void)clock;
    ret->tv_sec = (time_t)(wall_ms / 1000);
    ret->tv_nsec = (long)(wall_ms % 1000) * 1000000;
    return 0;
}

time_t __wrap_time(time_t *ret);
time_t __wrap_time(time_t *ret)
{
    struct timespec now;
    __wrap_clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    (void)uv_random(NULL, NULL, bytes, size, flags, NULL);
    return (ssize_t)size;
}

/* ---- what is said */

__attribute__((format(printf, 1, 0))) static void say_line(const char *format,
                                                           va_list arguments)
{
    printf("%10.3f  ", (double)sim.now_ms / 1000);
    vprintf(format, arguments);
    putchar('\n');
}

void say(const char *format, ...)
{
    if (!sim.verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    say_line(format, arguments);
    va_end(arguments);
}

void pt_log(enum pt_log_level level, const char *format, ...)
{
    if (!sim.verbose)
        return;
    va_list arguments;
    printf("%d ", (int)level);
    va_start(arguments, format);
    say_line(format, arguments);
    va_end(arguments);
}

void violated(const char *format, ...)
{
    if (sim.failed)
        return;
    va_list arguments;
    sim.failed = true;
    int used = snprintf(sim.violation, sizeof sim.violation,
                        "at %.3f s: ", (double)sim.now_ms / 1000);
    va_start(arguments, format);
    vsnprintf(sim.violation + used, sizeof sim.violation - (size_t)used, format,
              arguments);
    va_end(arguments);
    say("VIOLATION %s", sim.violation);
}

/* ---- what the gateway's modules ask and this world has little of */

enum pt_err metrics_add(struct metrics *metrics, enum metrics_type type,
                        const char *name, const char *labels, const char *help,
                        const uint64_t *value)
{
    (void)metrics;
    (void)type;
    (void)name;
    (void)labels;
    (void)help;
    (void)value;
    return PT_OK;
}

enum pt_err metrics_add_call(struct metrics *metrics, enum metrics_type type,
                             const char *name, const char *labels,
                             const char *help, double (*value)(void *context),
                             void *context)
{
    (void)metrics;
    (void)type;
    (void)name;
    (void)labels;
    (void)help;
    (void)value;
    (void)context;
    return PT_OK;
}

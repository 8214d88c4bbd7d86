/* How it works
 *
 *   WAITING --timer--> OPENING --socket--> UP --lost--> WAITING
 *
 * gps_open() looks a name up and connects with blocking calls, so it runs on
 * libuv's pool; from then on the socket is polled and gps_read() takes one
 * line a call. libgps keeps what an earlier message said in its struct: only
 * what `set` flags (cleared before each read) belongs to this message.
 *
 * gpsd may say the same epoch more than once while it learns a receiver's
 * sentence cycle, the later ones more complete. All are passed on: holding
 * one back would cost latency at each fix, and pace drops what is not newer
 * than what it has sent. */
#include "pt_log.h"
#include "receiver_internal.h"
#include <stdlib.h>
#include <string.h>

#define SILENCE_MS 10000 /* no TPV for so long: nothing is attached */
#define LINES_A_TURN 256 /* read before others on the loop have a turn */

enum state { WAITING, OPENING, UP, CLOSING };

/* Work on the pool. A receiver closed meanwhile takes itself out of it. */
struct opening {
    uv_work_t work;
    struct receiver *receiver;
    struct gps_data_t *gps;
    char *host, *port;
    int status; /* of gps_open(), then of gps_stream() */
    const char *why;
};

/* The poll handle outlives its connection until libuv has closed it. */
struct watch {
    uv_poll_t poll;
    struct receiver *receiver;
};

struct receiver {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct receiver_events events;
    char *host, *port, *device;
    enum state state;
    struct opening *opening;
    struct watch *watch;
    struct gps_data_t *gps; /* when UP */
    unsigned failures;      /* in a row */
    bool device_present;
    void (*closed)(void *context);
    void *closed_context;
};

static void on_timer(uv_timer_t *timer);

static void timer_in(struct receiver *r, uint64_t ms)
{
    /* Fails only without a callback or on a closing handle. */
    (void)uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void tell_state(struct receiver *r)
{
    r->events.state(r->events.context, r->state == UP, r->device_present);
}

static void device_is(struct receiver *r, bool present, const char *how)
{
    if (r->device_present == present)
        return;
    r->device_present = present;
    pt_log(PT_LOG_NOTICE, "receiver %s: %s", present ? "attached" : "gone",
           how);
    tell_state(r);
}

/* --- what gpsd says ----------------------------------------------------- */

static void take_tpv(struct receiver *r)
{
    struct receiver_fix fix;
    receiver_fix_from_tpv(&r->gps->fix, &fix);
    r->failures = 0;
    timer_in(r, SILENCE_MS);
    device_is(r, true, r->gps->dev.path);
    if (r->state == UP)
        r->events.fix(r->events.context, &fix);
}

static void take_device(struct receiver *r)
{
    if (!receiver_device_is_ours(r->gps->dev.path, r->device))
        return;
    device_is(r, r->gps->dev.activated.tv_sec > 0, r->gps->dev.path);
}

/* Each event may close us: then the rest of the message is nobody's. */
static void take_message(struct receiver *r)
{
    gps_mask_t set = r->gps->set;
    if ((set & DEVICELIST_SET) != 0)
        device_is(r, receiver_list_has_ours(r->gps, r->device), "gpsd's list");
    else if ((set & DEVICE_SET) != 0)
        take_device(r);
    else if (!receiver_device_is_ours(r->gps->dev.path, r->device))
        return;
    else if ((set & STATUS_SET) != 0) /* libgps: set by TPV and only there */
        take_tpv(r);
    else if ((set & SATELLITE_SET) != 0)
        r->events.satellites(r->events.context,
                             receiver_satellites_used(r->gps));
}

/* --- the connection ----------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop(struct receiver *r)
{
    if (r->watch != NULL) {
        uv_poll_stop(&r->watch->poll);
        r->watch->receiver = NULL;
        uv_close((uv_handle_t *)&r->watch->poll, on_watch_closed);
        r->watch = NULL;
    }
    if (r->gps != NULL)
        gps_close(r->gps);
    free(r->gps);
    r->gps = NULL;
}

/* Not reached or lost; the next try is on the timer. */
static void lose(struct receiver *r, const char *why)
{
    bool was_up = r->state == UP;
    r->failures++;
    uint64_t wait_ms = receiver_wait_ms(r->failures);
    pt_log(PT_LOG_WARN, "%s gpsd %s:%s: %s; next try in %llu s",
           was_up ? "lost" : "could not reach", r->host, r->port, why,
           (unsigned long long)(wait_ms / 1000));
    drop(r);
    r->state = WAITING;
    r->device_present = false;
    timer_in(r, wait_ms);
    if (was_up)
        tell_state(r);
}

/* What gpsd sends faster than LINES_A_TURN waits in the socket or in libgps'
 * buffer for the next turn. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct receiver *r = ((struct watch *)poll->data)->receiver;
    (void)events;
    if (status < 0) { /* libuv's word for POLLERR, whatever it was */
        lose(r, "connection broken");
        return;
    }
    for (int i = 0; i < LINES_A_TURN; i++) {
        r->gps->set = 0;
        int got = gps_read(r->gps, NULL, 0);
        if (got < 0) {
            lose(r, "connection closed");
            return;
        }
        if (got == 0)
            return;
        take_message(r);
        if (r->state != UP)
            return;
    }
}

static enum pt_err watch_start(struct receiver *r)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return PT_E_NOMEM;
    if (uv_poll_init(r->loop, &watch->poll, r->gps->gps_fd) != 0) {
        free(watch);
        return PT_E_SYSTEM;
    }
    watch->poll.data = watch;
    watch->receiver = r;
    r->watch = watch;
    return uv_poll_start(&watch->poll, UV_READABLE, on_poll) == 0 ? PT_OK
                                                                  : PT_E_SYSTEM;
}

/* --- opening, on the pool ------------------------------------------------ */

static void opening_free(struct opening *opening)
{
    if (opening == NULL)
        return;
    if (opening->gps != NULL && opening->status == 0)
        gps_close(opening->gps);
    free(opening->gps);
    free(opening->host);
    free(opening->port);
    free(opening);
}

static void open_on_pool(uv_work_t *work)
{
    struct opening *opening = work->data;
    opening->status = gps_open(opening->host, opening->port, opening->gps);
    if (opening->status != 0) {
        opening->why = "not reachable";
        return;
    }
    if (gps_stream(opening->gps, WATCH_ENABLE | WATCH_JSON, NULL) >= 0)
        return;
    opening->why = "does not take commands";
    gps_close(opening->gps);
    opening->status = -1;
}

static void on_opened(uv_work_t *work, int status)
{
    struct opening *opening = work->data;
    struct receiver *r = opening->receiver;
    if (status != 0) /* cancelled before it began */
        opening->status = -1;
    if (r == NULL) {
        opening_free(opening);
        return;
    }
    r->opening = NULL;
    if (opening->status != 0) {
        const char *why = opening->why;
        opening_free(opening);
        lose(r, why == NULL ? "cancelled" : why);
        return;
    }
    r->gps = opening->gps;
    opening->gps = NULL;
    opening_free(opening);
    enum pt_err err = watch_start(r);
    if (err != PT_OK) {
        lose(r, pt_strerror(err));
        return;
    }
    r->state = UP;
    timer_in(r, SILENCE_MS);
    pt_log(PT_LOG_NOTICE, "connected to gpsd %s:%s", r->host, r->port);
    tell_state(r);
}

static enum pt_err open_later(struct receiver *r)
{
    struct opening *opening = calloc(1, sizeof(*opening));
    if (opening == NULL)
        return PT_E_NOMEM;
    opening->status = -1;
    opening->work.data = opening;
    opening->receiver = r;
    opening->gps = calloc(1, sizeof(*opening->gps));
    opening->host = strdup(r->host);
    opening->port = strdup(r->port);
    if (opening->gps == NULL || opening->host == NULL ||
        opening->port == NULL ||
        uv_queue_work(r->loop, &opening->work, open_on_pool, on_opened) != 0) {
        opening_free(opening);
        return PT_E_NOMEM;
    }
    r->opening = opening;
    r->state = OPENING;
    return PT_OK;
}

static void on_timer(uv_timer_t *timer)
{
    struct receiver *r = timer->data;
    if (r->state == WAITING) {
        enum pt_err err = open_later(r);
        if (err != PT_OK)
            lose(r, pt_strerror(err));
    } else if (r->state == UP) {
        timer_in(r, SILENCE_MS);
        device_is(r, false, "nothing heard for 10 s");
    }
}

/* --- for the caller ----------------------------------------------------- */

static void receiver_free(struct receiver *r)
{
    free(r->host);
    free(r->port);
    free(r->device);
    free(r);
}

enum pt_err receiver_new(uv_loop_t *loop, const char *host, const char *port,
                         const char *device,
                         const struct receiver_events *events,
                         struct receiver **ret)
{
    struct receiver *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return PT_E_NOMEM;
    r->loop = loop;
    r->events = *events;
    r->host = strdup(host);
    r->port = strdup(port);
    r->device = strdup(device == NULL ? "" : device);
    if (r->host == NULL || r->port == NULL || r->device == NULL) {
        receiver_free(r);
        return PT_E_NOMEM;
    }
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    timer_in(r, 0); /* events only from the loop, never from in here */
    *ret = r;
    return PT_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct receiver *r = handle->data;
    void (*closed)(void *) = r->closed;
    void *context = r->closed_context;
    receiver_free(r);
    if (closed != NULL)
        closed(context);
}

/* From inside an event libgps is not running: it has returned before we look
 * at what it read, so its connection can go. */
void receiver_close(struct receiver *r, void (*done)(void *), void *context)
{
    if (r == NULL || r->state == CLOSING)
        return;
    r->closed = done;
    r->closed_context = context;
    r->state = CLOSING;
    if (r->opening != NULL) {
        r->opening->receiver = NULL;
        uv_cancel((uv_req_t *)&r->opening->work); /* if not yet begun */
        r->opening = NULL;
    }
    drop(r);
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

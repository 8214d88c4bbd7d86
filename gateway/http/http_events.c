/* Event streams (/v1/events, server-sent events of the HTML standard).
 *
 * A stream begins with `reset`, one `unit` for each unit and `ready`; then
 * come the events of the ring as they are told. A stream that falls out of
 * the ring begins anew. What a stream is about to send stands in its own
 * buffer, so an event is never cut in two by the ring going on. */
#include "http_internal.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_MS 15000
#define WAKE_EVERY_MS                                                      \
    100                   /* told together, so that 2,000 changes a second \
                             are ten wakings of a stream, not 2,000 */
#define FILL_BYTES 16384u /* a stream's buffer, plus one event */

struct stream {
    struct stream *next, *previous;
    struct http *http;
    struct MHD_Connection *connection;
    int fd;
    bool suspended;
    bool over;                     /* the client went away, or we stop */
    bool snapshot;                 /* telling all units */
    size_t next_unit;              /* of the catalog */
    size_t told;                   /* units of this snapshot */
    const struct catalog *catalog; /* whose units are counted */
    uint64_t catalog_changes;
    uint64_t next_id; /* of the ring */
    int64_t sent_ms;  /* loop time */
    struct json buffer;
    size_t offset; /* what of the buffer is sent */
};

/* --------------------------------------------------------------- one event */
static void event_line(struct json *json, const char *name, const char *value,
                       size_t size)
{
    jw_bytes(json, name, strlen(name));
    jw_bytes(json, ": ", 2);
    jw_bytes(json, value, size);
    jw_bytes(json, "\n", 1);
}

static void event_begin(struct json *json, const char *type)
{
    event_line(json, "event", type, strlen(type));
    jw_bytes(json, "data: ", 6);
    json->comma = false;
}

static void event_id(struct json *json, uint64_t id)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRIu64, id);

    event_line(json, "id", text, (size_t)size);
}

/* ------------------------------------------------------------ the snapshot */
/* An empty id: until `ready` a browser that reconnects shall not ask to go
 * on from where it was. */
static void begin_snapshot(struct stream *stream, const char *reason)
{
    struct json *json = &stream->buffer;

    stream->snapshot = true;
    stream->next_unit = stream->told = 0;
    stream->catalog = *stream->http->catalog;
    stream->catalog_changes = stream->http->catalog_changes;
    stream->next_id = http_ring_next_id(stream->http->ring);
    jw_bytes(json, "id\n", 3);
    event_begin(json, "reset");
    jw_object(json, NULL);
    jw_text(json, "reason", reason);
    jw_object_end(json);
    jw_bytes(json, "\n\n", 2);
}

static void write_part_event(struct json *json, const struct http *http,
                             enum http_part_id id, int64_t lost_since_ms)
{
    const struct http_part *part = &http->health->parts[id];
    bool lost = part->state != PULSE_UP;
    char type[32];

    snprintf(type, sizeof type, "%s.%s", part_word(id), lost ? "lost" : "back");
    event_begin(json, type);
    jw_object(json, NULL);
    jw_text(json, "part", part_word(id));
    jw_text(json, "state", part_state_word(part->state));
    jw_time(json, "since", part->since_ms);
    if (!lost)
        jw_time(json, "lost_since", lost_since_ms);
    jw_object_end(json);
}

/* What is missing now, too, belongs to the beginning. */
static void end_snapshot(struct stream *stream)
{
    struct json *json = &stream->buffer;

    for (size_t id = 0; id < HTTP_ROADS; id++) {
        if (stream->http->health->parts[id].state == PULSE_UP)
            continue;
        write_part_event(json, stream->http, (enum http_part_id)id, 0);
        jw_bytes(json, "\n\n", 2);
    }
    stream->snapshot = false;
    event_id(json, stream->next_id - 1);
    event_begin(json, "ready");
    jw_object(json, NULL);
    jw_int(json, "units", (int64_t)stream->told);
    jw_object_end(json);
    jw_bytes(json, "\n\n", 2);
}

static void fill_from_snapshot(struct stream *stream)
{
    struct http *http = stream->http;
    int64_t now_ms = http_wall_ms();

    if (stream->catalog != *http->catalog ||
        stream->catalog_changes != http->catalog_changes)
        begin_snapshot(stream, "catalog_changed");
    while (stream->next_unit < catalog_unit_count(stream->catalog)) {
        const struct catalog_unit *unit =
            catalog_unit(stream->catalog, stream->next_unit++);
        event_begin(&stream->buffer, "unit");
        write_unit(&stream->buffer, unit,
                   fleet_find(http->fleet, unit->unit_id), now_ms);
        jw_bytes(&stream->buffer, "\n\n", 2);
        stream->told++;
        if (stream->buffer.size >= FILL_BYTES)
            return;
    }
    end_snapshot(stream);
}

/* ------------------------------------------------------------- one stream */
static void fill_from_ring(struct stream *stream)
{
    const struct http_ring *ring = stream->http->ring;
    size_t size;

    while (stream->buffer.size < FILL_BYTES) {
        const char *event = http_ring_get(ring, stream->next_id, &size);
        if (event == NULL)
            return;
        jw_bytes(&stream->buffer, event, size);
        stream->next_id++;
    }
}

static void fill(struct stream *stream)
{
    const struct http_ring *ring = stream->http->ring;

    jw_reset(&stream->buffer);
    stream->offset = 0;
    if (!stream->snapshot && stream->next_id < http_ring_first_id(ring)) {
        stream->http->resets++;
        begin_snapshot(stream, "fell_behind");
    }
    if (stream->snapshot)
        fill_from_snapshot(stream);
    else
        fill_from_ring(stream);
}

/* Must the stream be woken: is there something to send? */
static bool has_something(const struct stream *stream)
{
    return stream->over || stream->snapshot ||
           stream->offset < stream->buffer.size ||
           stream->next_id != http_ring_next_id(stream->http->ring);
}

static void resume(struct stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
}

/* libmicrohttpd asks for up to `max` bytes. */
static ssize_t on_content(void *context, uint64_t position, char *out,
                          size_t max)
{
    (void)position;
    struct stream *stream = context;

    if (stream->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->offset == stream->buffer.size)
        fill(stream);
    if (stream->buffer.failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = stream->buffer.size - stream->offset;
    if (size == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    if (size > max)
        size = max;
    memcpy(out, stream->buffer.text + stream->offset, size);
    stream->offset += size;
    stream->sent_ms = (int64_t)uv_now(stream->http->loop);
    return (ssize_t)size;
}

static void on_stream_freed(void *context)
{
    struct stream *stream = context;
    struct http *http = stream->http;

    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        http->streams = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    http->stream_count--;
    jw_clear(&stream->buffer);
    free(stream);
}

/* ---------------------------------------------------------------- the route */
static bool is_id(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= 19 && strspn(text, "0123456789") == length;
}

void answer_events(struct request *rq)
{
    struct http *http = rq->http;
    const char *after = params_get(&rq->params, "after");

    if (after != NULL && !is_id(after)) {
        reply_parameter(rq, "after", "an event's id: 1 to 19 digits");
        return;
    }
    if (http->stream_count >= http->streams_max) {
        reply_problem(rq, PROBLEM_BUSY, "more than %u event streams",
                      http->streams_max);
        return;
    }
    rq->reply.kind = REPLY_STREAM;
    rq->reply.status = MHD_HTTP_OK;
    rq->reply.content_type = "text/event-stream";
}

/* Goes on behind the last event when that is still known; else from the
 * beginning. A browser that connects again says by the header what it has seen
 * since it was given the address. */
static void begin_stream(struct stream *stream, const struct request *rq)
{
    const struct http_ring *ring = stream->http->ring;
    const char *last = rq->last_event_id != NULL
                           ? rq->last_event_id
                           : params_get(&rq->params, "after");
    uint64_t id = 0;

    if (last != NULL && is_id(last))
        id = strtoull(last, NULL, 10);
    if (id + 1 >= http_ring_first_id(ring) && id < http_ring_next_id(ring)) {
        stream->next_id = id + 1;
        jw_bytes(&stream->buffer, ": goes on\n\n", 11);
    } else {
        begin_snapshot(stream, "connected");
    }
}

struct MHD_Response *sse_response(struct request *rq)
{
    struct http *http = rq->http;

    if (rq->head)
        return MHD_create_response_from_buffer(0, (void *)"",
                                               MHD_RESPMEM_PERSISTENT);
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, FILL_BYTES, on_content, stream, on_stream_freed);
    if (response == NULL) {
        free(stream);
        return NULL;
    }
    stream->http = http;
    stream->connection = rq->connection;
    stream->fd = rq->client->fd;
    stream->sent_ms = (int64_t)uv_now(http->loop);
    stream->next = http->streams;
    if (stream->next != NULL)
        stream->next->previous = stream;
    http->streams = stream;
    http->stream_count++;
    begin_stream(stream, rq);
    return response;
}

/* ------------------------------------------------------------- all streams */
static void wake_all(struct http *http)
{
    http->woken_ms = (int64_t)uv_now(http->loop);
    for (struct stream *s = http->streams; s != NULL; s = s->next)
        if (has_something(s))
            resume(s);
}

static void on_wake(uv_timer_t *timer)
{
    wake_all(timer->data);
}

static void wake_soon(struct http *http)
{
    int64_t since_ms = (int64_t)uv_now(http->loop) - http->woken_ms;

    if (since_ms >= WAKE_EVERY_MS)
        wake_all(http);
    else if (!uv_is_active((uv_handle_t *)&http->wake))
        uv_timer_start(&http->wake, on_wake,
                       (uint64_t)(WAKE_EVERY_MS - since_ms), 0);
}

void sse_every_second(struct http *http)
{
    int64_t now_ms = (int64_t)uv_now(http->loop);

    for (struct stream *s = http->streams; s != NULL; s = s->next) {
        if (!s->suspended)
            continue;
        /* libmicrohttpd does not watch a suspended connection. */
        s->over = s->over || http_peer_has_left(s->fd);
        if (!s->over && now_ms - s->sent_ms >= HEARTBEAT_MS) {
            jw_reset(&s->buffer);
            s->offset = 0;
            jw_bytes(&s->buffer, ": still here\n\n", 14);
        }
        if (has_something(s))
            resume(s);
    }
}

void sse_end_all(struct http *http)
{
    for (struct stream *s = http->streams; s != NULL; s = s->next) {
        s->over = true;
        resume(s);
    }
}

/* ------------------------------------------------------------- what is told */
static void tell(struct http *http)
{
    jw_bytes(&http->scratch, "\n\n", 2);
    if (http->scratch.failed)
        return;
    /* A failure empties the ring, and every stream begins anew. */
    enum pt_err err =
        http_ring_put(http->ring, http->scratch.text, http->scratch.size);
    (void)err;
}

void http_event(struct http *http, const char *type, const char *json)
{
    assert(strpbrk(json, "\r\n") == NULL); /* would end the event */
    if (strcmp(type, "catalog") == 0)
        http->catalog_changes++;
    jw_reset(&http->scratch);
    event_id(&http->scratch, http_ring_next_id(http->ring));
    event_begin(&http->scratch, type);
    jw_bytes(&http->scratch, json, strlen(json));
    tell(http);
    wake_soon(http);
}

void http_part_changed(struct http *http, enum http_part_id id,
                       int64_t lost_since_ms)
{
    jw_reset(&http->scratch);
    event_id(&http->scratch, http_ring_next_id(http->ring));
    write_part_event(&http->scratch, http, id, lost_since_ms);
    tell(http);
    wake_soon(http);
}

void http_two_places(struct http *http, const char *device,
                     const struct catalog_unit *unit)
{
    jw_reset(&http->scratch);
    event_id(&http->scratch, http_ring_next_id(http->ring));
    event_begin(&http->scratch, "device.two_places");
    jw_object(&http->scratch, NULL);
    jw_text(&http->scratch, "device", device);
    jw_text(&http->scratch, "call_sign", unit == NULL ? NULL : unit->call_sign);
    jw_object_end(&http->scratch);
    tell(http);
    wake_soon(http);
}

/* Of what is not on the list any more, there is only the number. */
void http_coverage_alarm(struct http *http, const struct coverage_alarm *alarm)
{
    struct json *json = &http->scratch;

    jw_reset(json);
    event_id(json, http_ring_next_id(http->ring));
    event_begin(json, alarm->lost ? "coverage.lost" : "coverage.regained");
    jw_object(json, NULL);
    jw_int(json, alarm->is_zone ? "zone_id" : "mission_id", alarm->id);
    if (alarm->mission != NULL) {
        jw_text(json, "name", alarm->mission->name);
        jw_text(json, "zone",
                alarm->mission->zone == NULL ? NULL
                                             : alarm->mission->zone->name);
    }
    if (alarm->zone != NULL)
        jw_text(json, "name", alarm->zone->name);
    jw_bool(json, "gone", alarm->gone);
    jw_time(json, "since", alarm->since_ms);
    jw_time(json, "at", alarm->at_ms);
    jw_int(json, "within", (int64_t)alarm->within);
    jw_int(json, "of", (int64_t)alarm->of);
    jw_object_end(json);
    tell(http);
    wake_soon(http);
}

void http_hearing(struct http *http, const struct catalog_unit *unit,
                  const struct fleet_unit *state)
{
    bool silent = state->hearing == FLEET_SILENT;

    jw_reset(&http->scratch);
    event_id(&http->scratch, http_ring_next_id(http->ring));
    event_begin(&http->scratch, silent ? "unit.silent" : "unit.heard");
    jw_object(&http->scratch, NULL);
    jw_text(&http->scratch, "call_sign", unit->call_sign);
    jw_time(&http->scratch, "heard_at", state->heard_ms);
    jw_real(&http->scratch, "quiet_s",
            (double)fleet_quiet_ms(http->fleet, state) / 1e3, 1);
    jw_object_end(&http->scratch);
    tell(http);
    wake_soon(http);
}

void http_events(struct http *http)
{
    const uint32_t *slots;
    size_t count = fleet_changes(http->fleet, &slots);
    int64_t now_ms = http_wall_ms();

    if (count == 0)
        return;
    if (http->stream_count == 0) { /* nobody listens: save the writing */
        http_ring_forget(http->ring);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct fleet_unit *state = fleet_at(http->fleet, slots[i]);
        const struct catalog_unit *unit =
            catalog_unit_by_id(*http->catalog, state->unit_id);
        if (unit == NULL)
            continue;
        jw_reset(&http->scratch);
        event_id(&http->scratch, http_ring_next_id(http->ring));
        event_begin(&http->scratch, "unit");
        write_unit(&http->scratch, unit, state, now_ms);
        tell(http);
    }
    wake_soon(http);
}

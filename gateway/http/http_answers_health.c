/* Whether the gateway lives, whether it can do its work, and its numbers. */
#include "http_internal.h"
#include <stdlib.h>

void answer_health(struct request *rq)
{
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_text(json, "status", "ok");
    jw_text(json, "version", PT_VERSION);
    jw_object_end(json);
}

const char *part_word(enum http_part_id id)
{
    static const char *const words[] = {
#define PART_WORD(name, word) [name] = (word),
        HTTP_PARTS(PART_WORD)
#undef PART_WORD
    };
    return words[id];
}

const char *part_state_word(enum pulse_state state)
{
    switch (state) {
    case PULSE_UP:
        return "up";
    case PULSE_SILENT:
        return "silent";
    case PULSE_DOWN:
        break;
    }
    return "down";
}

/* For people. Without streets there is no answer that could be degraded. */
static const char *const consequences[HTTP_PART_COUNT] = {
    [HTTP_BROKER] = "no reports come in: positions and statuses may be old",
    [HTTP_DATABASE] = "reports wait in the vehicles, and changes of units, "
                      "missions and streets are not seen",
};

void write_degraded(struct json *json, const struct http *http)
{
    jw_array(json, "degraded");
    for (size_t id = 0; id < HTTP_PART_COUNT; id++) {
        const struct http_part *part = &http->health->parts[id];
        if (part->state == PULSE_UP || consequences[id] == NULL)
            continue;
        jw_object(json, NULL);
        jw_text(json, "part", part_word((enum http_part_id)id));
        jw_text(json, "state", part_state_word(part->state));
        jw_time(json, "since", part->since_ms);
        jw_text(json, "consequence", consequences[id]);
        jw_object_end(json);
    }
    jw_array_end(json);
}

void answer_ready(struct request *rq)
{
    const struct http_part *parts = rq->http->health->parts;
    struct json *json = reply_json(rq);
    bool ready = true;

    for (size_t id = 0; id < HTTP_PART_COUNT; id++)
        ready = ready && parts[id].state == PULSE_UP;
    if (!ready) {
        rq->reply.status = MHD_HTTP_SERVICE_UNAVAILABLE;
        rq->reply.retry_after_s = 5;
    }
    jw_object(json, NULL);
    jw_bool(json, "ready", ready);
    jw_object(json, "parts");
    for (size_t id = 0; id < HTTP_PART_COUNT; id++)
        jw_text(json, part_word((enum http_part_id)id),
                part_state_word(parts[id].state));
    jw_object_end(json);
    jw_object(json, "since");
    for (size_t id = 0; id < HTTP_PART_COUNT; id++)
        jw_time(json, part_word((enum http_part_id)id), parts[id].since_ms);
    jw_object_end(json);
    jw_object_end(json);
}

void answer_metrics(struct request *rq)
{
    size_t size = 0;
    char *page = metrics_page(rq->http->metrics, &size);

    if (page == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    jw_bytes(reply_json(rq), page, size);
    rq->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    free(page);
}

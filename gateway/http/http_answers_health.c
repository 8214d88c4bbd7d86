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

void answer_ready(struct request *rq)
{
    const struct http_health *health = &rq->http->health;
    bool broker = health->broker_up(health->context);
    bool database = health->database_up(health->context);
    bool roads = health->roads_up(health->context);
    struct json *json = reply_json(rq);

    if (!broker || !database || !roads) {
        rq->reply.status = MHD_HTTP_SERVICE_UNAVAILABLE;
        rq->reply.retry_after_s = 5;
    }
    jw_object(json, NULL);
    jw_bool(json, "ready", broker && database && roads);
    jw_object(json, "parts");
    jw_text(json, "broker", broker ? "up" : "down");
    jw_text(json, "database", database ? "up" : "down");
    jw_text(json, "roads", roads ? "up" : "down");
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

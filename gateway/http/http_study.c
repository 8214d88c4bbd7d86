#include "http_study.h"
#include <stdlib.h>

/* With the limit of one that is worked out (55 s at most) below
 * HTTP_ANSWER_WITHIN_MS. */
#define WAIT_MS 60000

static void take_out(struct http *http, const struct study *study)
{
    struct study **at = &http->studies;

    while (*at != study)
        at = &(*at)->next;
    *at = study->next;
    http->studies_here--;
}

/* Who left does not want his any more. */
static void begin_next(struct http *http)
{
    struct study *study = http->studies;

    for (; study != NULL; study = http->studies) {
        int64_t waited_ms = (int64_t)uv_now(http->loop) - study->asked_ms;
        if (study->made.later.request != NULL && waited_ms <= WAIT_MS)
            break;
        made_drop(&study->made, PROBLEM_BUSY, "others took too long");
    }
    if (study == NULL)
        return;
    study->under_way = true;
    made_start(&study->made);
}

static void work(struct made *made) /* on the pool */
{
    struct study *study = (struct study *)made;
    uint64_t began_ns = uv_hrtime();

    study->run(study);
    study->took_ns = uv_hrtime() - began_ns;
    study->write(study);
}

static void release(struct made *made)
{
    struct study *study = (struct study *)made;
    struct http *http = made->http;
    bool was_under_way = study->under_way;

    if (study->is_queued)
        take_out(http, study);
    if (was_under_way) {
        http->studies_done++;
        http->studies_ns += study->took_ns;
    }
    jw_clear(&made->json); /* of one that had no room */
    study->release(study);
    if (was_under_way)
        begin_next(http);
}

void *study_new(struct request *rq, size_t size, const struct study_kind *kind)
{
    struct study *study = calloc(1, size);

    if (study == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return NULL;
    }
    study->run = kind->run;
    study->write = kind->write;
    study->release = kind->release;
    study->made.refuse = kind->refuse;
    study->made.content_type = PLAIN_JSON;
    return study;
}

bool study_room(struct request *rq)
{
    if (rq->http->studies_here < STUDIES_MAX)
        return true;
    rq->http->studies_refused++;
    reply_problem(rq, PROBLEM_BUSY,
                  "%u long answers are being worked out or wait already",
                  STUDIES_MAX);
    return false;
}

void study_begin(struct request *rq, struct study *study)
{
    struct http *http = rq->http;
    struct study **last = &http->studies;

    study->made.write = work;
    study->made.release = release;
    study->asked_ms = (int64_t)uv_now(http->loop);
    atomic_init(&study->stop, false);
    if (!made_attach(rq, &study->made))
        return;
    while (*last != NULL)
        last = &(*last)->next;
    *last = study;
    study->is_queued = true;
    http->studies_here++;
    if (http->studies == study)
        begin_next(http);
}

void studies_every_second(struct http *http)
{
    struct study *study = http->studies;

    if (study != NULL && study->under_way && study->made.later.request == NULL)
        atomic_store(&study->stop, true);
}

void studies_end_all(struct http *http)
{
    while (http->studies != NULL && http->studies->next != NULL)
        made_drop(&http->studies->next->made, PROBLEM_BUSY,
                  "the gateway is stopping");
    if (http->studies != NULL)
        atomic_store(&http->studies->stop, true);
}

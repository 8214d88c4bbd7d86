/* Answers that a pool thread writes. */
#include "http_made.h"
#include <assert.h>

bool made_attach(struct request *rq, struct made *made)
{
    struct http *http = rq->http;

    made->http = http;
    if (http->made_count >= HTTP_MADE_MAX) {
        reply_problem(rq, PROBLEM_BUSY, "%u long answers are being made",
                      HTTP_MADE_MAX);
        rq->reply.retry_after_s = 1;
        jw_clear(&made->json);
        made->release(made);
        return false;
    }
    http->made_count++;
    http->open_handles++; /* http is there until the pool is done with it */
    later_attach(rq, &made->later);
    return true;
}

static void end(struct made *made)
{
    struct http *http = made->http;

    jw_clear(&made->json);
    made->release(made);
    http->made_count--;
    http_part_closed(http);
}

void made_drop(struct made *made, enum problem problem, const char *detail)
{
    struct request *rq = later_take(&made->later);

    if (rq != NULL) {
        reply_problem(rq, problem, "%s", detail);
        later_done(rq);
    }
    end(made);
}

static void on_pool(uv_work_t *work)
{
    struct made *made = work->data;

    made->write(made);
}

static void give(struct request *rq, struct made *made)
{
    if (made->refuse != NULL && made->refuse(rq, made))
        return;
    if (made->json.failed) {
        reply_problem(rq, PROBLEM_FAILED, "the answer could not be written");
        return;
    }
    if (made->reply != NULL) {
        made->reply(rq, made->json.text, made->json.size);
        return;
    }
    jw_clear(reply_json(rq));
    rq->reply.body = made->json;
    rq->reply.content_type = made->content_type;
    made->json = (struct json){0};
}

void made_now(struct request *rq, struct made *made)
{
    made->write(made);
    give(rq, made);
    jw_clear(&made->json);
    made->release(made);
}

static void on_made(uv_work_t *work, int status)
{
    struct made *made = work->data;
    struct request *rq = later_take(&made->later);

    if (rq != NULL) {
        if (status == 0)
            give(rq, made);
        else
            reply_problem(rq, PROBLEM_FAILED, "no thread");
        later_done(rq);
    }
    end(made);
}

void made_start(struct made *made)
{
    made->work.data = made;
    int refused =
        uv_queue_work(made->http->loop, &made->work, on_pool, on_made);
    assert(refused == 0); /* it is, of work without a function */
    (void)refused;
}

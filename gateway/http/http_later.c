/* Answers that have to be waited for: the request's connection is suspended
 * until the one who was asked calls back, or nobody waits any more. */
#include "http_internal.h"

void later_attach(struct request *rq, struct later *later)
{
    struct http *http = rq->http;

    later->request = rq;
    later->next = http->laters;
    if (later->next != NULL)
        later->next->previous = later;
    http->laters = later;
    rq->later = later;
    rq->reply.kind = REPLY_LATER;
}

struct request *later_take(struct later *later)
{
    struct request *rq = later->request;

    if (rq == NULL)
        return NULL;
    if (later->previous != NULL)
        later->previous->next = later->next;
    else
        rq->http->laters = later->next;
    if (later->next != NULL)
        later->next->previous = later->previous;
    rq->later = NULL;
    later->request = NULL;
    return rq;
}

void later_cancel(struct request *rq)
{
    if (rq->later != NULL)
        later_take(rq->later);
}

void later_end_all(struct http *http)
{
    while (http->laters != NULL) {
        struct request *rq = later_take(http->laters);
        reply_problem(rq, PROBLEM_BUSY, "the gateway is stopping");
        later_done(rq);
    }
}

void later_done(struct request *rq)
{
    rq->answered = true;
    /* One that was never suspended would stay marked as to be resumed, and the
     * next question on it would be asked twice. */
    if (rq->suspended)
        MHD_resume_connection(rq->connection);
}

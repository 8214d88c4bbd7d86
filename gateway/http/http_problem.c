#include "http_internal.h"
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *slug;
    unsigned status;
    const char *title;
} kinds[PROBLEM_COUNT] = {
#define PROBLEM_ROW(name, slug, status, title) [name] = {slug, status, title},
    PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
};

unsigned problem_status(enum problem problem)
{
    return kinds[problem].status;
}

void problem_begin(struct json *json, enum problem problem, const char *detail)
{
    char type[96];

    snprintf(type, sizeof type, "urn:patrol:problem:%s", kinds[problem].slug);
    jw_object(json, NULL);
    jw_text(json, "type", type);
    jw_text(json, "title", kinds[problem].title);
    jw_int(json, "status", kinds[problem].status);
    jw_text(json, "detail", detail);
}

static struct json *reply_begin(struct request *rq, unsigned status,
                                const char *content_type)
{
    jw_reset(&rq->reply.body);
    rq->reply.kind = REPLY_BODY;
    rq->reply.status = status;
    rq->reply.content_type = content_type;
    return &rq->reply.body;
}

struct json *reply_json(struct request *rq)
{
    return reply_begin(rq, MHD_HTTP_OK, PLAIN_JSON);
}

void reply_problem(struct request *rq, enum problem problem, const char *format,
                   ...)
{
    char detail[512];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct json *body = reply_begin(rq, problem_status(problem), PROBLEM_JSON);
    problem_begin(body, problem, detail);
    jw_object_end(body);
    if (problem_status(problem) == MHD_HTTP_SERVICE_UNAVAILABLE)
        rq->reply.retry_after_s = 5;
}

void reply_parameter(struct request *rq, const char *parameter,
                     const char *what)
{
    struct json *body =
        reply_begin(rq, problem_status(PROBLEM_PARAMETER), PROBLEM_JSON);

    problem_begin(body, PROBLEM_PARAMETER, what);
    if (parameter != NULL && *parameter != '\0')
        jw_text(body, "parameter", parameter);
    jw_object_end(body);
}

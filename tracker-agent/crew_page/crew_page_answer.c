#include "crew_page_internal.h"
#include "embed.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define START "index.html"
#define JSON "application/json"

extern const struct embed_files crew_page_files; /* pt_embed() makes it */

const char *page_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Service Unavailable";
}

/* `problem` is a constant. */
static void problem(struct page_reply *ret, int status, const char *text)
{
    *ret = (struct page_reply){
        .status = status,
        .content_type = JSON,
        .body = text,
        .size = strlen(text),
    };
}

void page_refuse(struct page_desk *desk, int status, struct page_reply *ret)
{
    if (status == 413 || status == 431) {
        desk->refused.too_long++;
        problem(ret, status, "{\"problem\":\"too-long\"}");
        return;
    }
    desk->refused.malformed++;
    problem(ret, status, "{\"problem\":\"malformed\"}");
}

static void answer_file(const struct page_request *rq, struct page_reply *ret)
{
    const char *name = rq->path[1] == '\0' ? START : rq->path + 1;
    const struct embed_file *file = embed_find(&crew_page_files, name);
    if (file == NULL) {
        problem(ret, 404, "{\"problem\":\"no-such-path\"}");
        return;
    }
    bool known =
        rq->if_none_match != NULL && strcmp(rq->if_none_match, file->etag) == 0;
    *ret = (struct page_reply){
        .status = known ? 304 : 200,
        .content_type = file->content_type,
        .etag = file->etag,
        .body = (const char *)file->bytes,
        .size = known ? 0 : file->size,
    };
}

static void answer_state(struct page_desk *desk, bool locked,
                         struct page_reply *ret)
{
    char *state =
        desk->calls.state(desk->calls.context, locked, &desk->refused);
    if (state == NULL) {
        problem(ret, 503, "{\"problem\":\"no-memory\"}");
        return;
    }
    *ret = (struct page_reply){
        .status = 200,
        .content_type = JSON,
        .body = state,
        .size = strlen(state),
        .owned = state,
    };
}

static void answer_locked(struct page_desk *desk, struct page_reply *ret)
{
    desk->refused.locked++;
    problem(ret, 401, "{\"problem\":\"number-wanted\"}");
}

static void answer_act(struct page_desk *desk, const struct page_request *rq,
                       bool locked, struct page_reply *ret)
{
    struct crew_say say;
    enum pt_err err = crew_body_parse(rq->body, rq->body_bytes, &say);
    if (err == PT_E_MALFORMED || err == PT_E_RANGE) {
        page_refuse(desk, 400, ret);
        return;
    }
    if (err == PT_OK && locked && say.what != CREW_PANIC) {
        answer_locked(desk, ret);
        return;
    }
    if (err == PT_OK)
        err = desk->calls.act(desk->calls.context, &say);
    if (err == PT_OK)
        answer_state(desk, locked, ret);
    else
        problem(ret, 503, "{\"problem\":\"not-taken\"}");
}

static void tell_token(const char *token, struct page_reply *ret)
{
    char text[sizeof("{\"token\":\"\"}") + PAGE_TOKEN_TEXT];
    snprintf(text, sizeof(text), "{\"token\":\"%s\"}", token);
    char *body = strdup(text);
    if (body == NULL) {
        problem(ret, 503, "{\"problem\":\"no-memory\"}");
        return;
    }
    *ret = (struct page_reply){
        .status = 200,
        .content_type = JSON,
        .body = body,
        .size = strlen(body),
        .owned = body,
    };
}

/* {"pin":"1234"} */
static void answer_session(struct page_desk *desk,
                           const struct page_request *rq, uint64_t now_ms,
                           struct page_reply *ret)
{
    char token[PAGE_TOKEN_TEXT];
    json_t *body = json_loadb(rq->body, rq->body_bytes, 0, NULL);
    const char *number = json_string_value(json_object_get(body, "pin"));
    enum pt_err err = PT_E_MALFORMED;
    if (number != NULL)
        err = page_pin_open(&desk->pin, number, now_ms, token);
    json_decref(body);
    if (err == PT_OK) {
        tell_token(token, ret);
        return;
    }
    if (err == PT_E_MALFORMED) {
        page_refuse(desk, 400, ret);
        return;
    }
    desk->refused.locked++;
    if (err == PT_E_AGAIN)
        problem(ret, 429, "{\"problem\":\"too-many-tries\"}");
    else if (err == PT_E_RANGE)
        problem(ret, 401, "{\"problem\":\"number-wrong\"}");
    else
        problem(ret, 503, "{\"problem\":\"no-random-number\"}");
}

/* "http://" and the host that the page was asked at. */
static bool is_same_origin(const struct page_desk *desk, const char *origin)
{
    static const char scheme[] = "http://";
    return strncmp(origin, scheme, sizeof(scheme) - 1) == 0 &&
           strcasecmp(origin + sizeof(scheme) - 1, desk->host) == 0;
}

/* True: another site's, and refused. */
static bool is_foreign(struct page_desk *desk, const struct page_request *rq,
                       struct page_reply *ret)
{
    if (rq->local)
        return false;
    if (rq->host == NULL || strcasecmp(rq->host, desk->host) != 0) {
        desk->refused.host++;
        problem(ret, 403, "{\"problem\":\"foreign-host\"}");
        return true;
    }
    bool wanted = rq->method == PAGE_POST;
    if (rq->origin == NULL ? wanted : !is_same_origin(desk, rq->origin)) {
        desk->refused.origin++;
        problem(ret, 403, "{\"problem\":\"foreign-origin\"}");
        return true;
    }
    return false;
}

static void answer_post(struct page_desk *desk, const struct page_request *rq,
                        bool locked, uint64_t now_ms, struct page_reply *ret)
{
    bool act = strcmp(rq->path, "/acts") == 0;
    if (!act && strcmp(rq->path, "/session") != 0)
        problem(ret, 405, "{\"problem\":\"method-not-allowed\"}");
    else if (!page_is_json(rq->content_type))
        problem(ret, 415, "{\"problem\":\"not-json\"}");
    else if (act)
        answer_act(desk, rq, locked, ret);
    else
        answer_session(desk, rq, now_ms, ret);
}

void page_answer(struct page_desk *desk, const struct page_request *rq,
                 uint64_t now_ms, struct page_reply *ret)
{
    if (is_foreign(desk, rq, ret))
        return;
    bool locked =
        !rq->local && !page_pin_knows(&desk->pin, rq->authorization, now_ms);
    if (rq->method == PAGE_POST)
        answer_post(desk, rq, locked, now_ms, ret);
    else if (rq->method == PAGE_OTHER)
        problem(ret, 405, "{\"problem\":\"method-not-allowed\"}");
    else if (strcmp(rq->path, "/state") == 0)
        answer_state(desk, locked, ret);
    else
        answer_file(rq, ret);
    /* The length is told all the same. */
    if (rq->method == PAGE_HEAD)
        ret->body = NULL;
}

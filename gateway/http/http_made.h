#ifndef HTTP_MADE_H
#define HTTP_MADE_H
/* Answers that a pool thread writes, for they are long. Private to http; loop
 * thread but for what says otherwise. */
#include "http_internal.h"
#include <uv.h>

/* Under way at the same time, of all connections; more are told 503. */
#define HTTP_MADE_MAX 64u

/* First in what a handler allocates. */
struct made {
    struct later later;
    uv_work_t work;
    struct http *http;
    const char *content_type;
    struct json json;
    /* On the pool: writes `json`, from nothing that the loop may change. */
    void (*write)(struct made *made);
    /* In place of an answer, when there is none; may be NULL. */
    bool (*refuse)(struct request *rq, const struct made *made);
    /* The reply is `json`; NULL: it is sent as it is. */
    void (*reply)(struct request *rq, const void *bytes, size_t size);
    void (*release)(struct made *made); /* what it holds, and itself */
};

/* The request waits for it from here on; made_start() is to follow, at once or
 * later. False, and released, after a problem: too many are under way. */
bool made_attach(struct request *rq, struct made *made);
void made_start(struct made *made);
/* One that is short after all, neither attached nor started: written at once,
 * and released. */
void made_now(struct request *rq, struct made *made);
/* It will not be started: whoever waits is told, and it is released. */
void made_drop(struct made *made, enum problem problem, const char *detail);

#endif

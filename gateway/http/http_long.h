#ifndef HTTP_LONG_H
#define HTTP_LONG_H
/* Answers that may take minutes: who asks waits for LONG_HOLD_MS, is then told
 * how far it is (202), and asks the same again. One is under way at a time, a
 * few wait; one that nobody has asked for in LONG_UNWANTED_MS is given up.
 * Private to http; loop thread but for what says otherwise. */
#include "http_internal.h"
#include <stdatomic.h>
#include <uv.h>

/* The one under way, and those that wait. */
#define LONGS_MAX 4u
#define LONG_HOLD_MS 2000
#define LONG_UNWANTED_MS 30000
/* One that came to its end while nobody waited is there for who asks the same
 * next. */
#define LONG_KEPT_MS 60000

struct long_job;

/* Somebody who waits for it; first in what a handler allocates. */
struct long_waiter {
    struct later later;
    struct long_waiter *next;
    int64_t since_ms;
};

struct long_kind {
    /* Two of this kind ask the same. */
    bool (*same)(const struct long_job *one, const struct long_job *other);
    void (*run)(struct long_job *job); /* on the pool; sets job->err */
    /* It went well: answers the waiter's request, now or later, and frees the
     * waiter. */
    void (*answer)(struct long_job *job, struct long_waiter *waiter);
    /* It did not: replies. */
    void (*refuse)(struct request *rq, const struct long_job *job);
    /* What is told of it beside how far it is; may be NULL. */
    void (*about)(struct json *json, const struct long_job *job);
    void (*release)(struct long_job *job); /* what it holds, and itself */
    bool kept; /* its answer, until it was heard; else it is found otherwise */
};

/* First in what a handler allocates, zeroed but for its kind. Lives until the
 * pool is done with it, and as long as it is kept. */
struct long_job {
    const struct long_kind *kind;
    struct long_job *next; /* http.longs, in the order they came */
    struct http *http;     /* NULL: has gone */
    uv_work_t work;
    bool under_way, over, heard;
    atomic_bool stop;
    atomic_uint done; /* in thousandths */
    _Atomic(const char *) phase;
    struct long_waiter *waiters;
    int64_t wanted_ms; /* loop time: somebody asked, or waited */
    enum pt_err err;
    char message[256];
};

/* The request waits for the job, or for one there is that is the same. Both are
 * taken, whatever comes of it. */
void long_ask(struct request *rq, struct long_job *job,
              struct long_waiter *waiter);
/* How far it is; whether to go on. Any thread. */
bool long_go_on(void *job, double share, const char *phase);

#endif

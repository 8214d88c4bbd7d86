#ifndef HTTP_STUDY_H
#define HTTP_STUDY_H
/* Answers that have to be worked out first, for as long as a second and more:
 * one at a time, for they are to leave the pool's other threads to what is
 * live; a few wait. Private to http; loop thread but for what says otherwise.
 */
#include "http_made.h"
#include <stdatomic.h>

/* Those that are here, with the one that is worked out. */
#define STUDIES_MAX 5u

/* First in what a handler allocates, and zeroed but for the last two. */
struct study {
    struct made made; /* first; its `write` and `release` are the queue's */
    struct study *next;
    bool is_queued, under_way;
    int64_t asked_ms;                 /* loop time */
    atomic_bool stop;                 /* set when the gateway stops, and
                                         when nobody waits any more */
    uint64_t took_ns;                 /* before `write` */
    void (*run)(struct study *study); /* on the pool */
    /* On the pool, afterwards: the answer, unless made.refuse() will have none;
     * what is written before study_begin() stands before it. */
    void (*write)(struct study *study);
    void (*release)(struct study *study); /* what it holds, and itself */
};

/* What such answers have in common but for what they hold. */
struct study_kind {
    void (*run)(struct study *study);
    void (*write)(struct study *study);
    bool (*refuse)(struct request *rq, const struct made *made);
    void (*release)(struct study *study);
};

/* JSON that is worked out so: `size` zeroed bytes that begin with a study; the
 * caller's until study_begin(). NULL after a problem. */
void *study_new(struct request *rq, size_t size, const struct study_kind *kind);
/* Whether there is room for another; else 503, counted. */
bool study_room(struct request *rq);
/* The request waits for it, which is released in any case. */
void study_begin(struct request *rq, struct study *study);
/* Whoever left wants no answer: the one under way is told. */
void studies_every_second(struct http *http);
void studies_end_all(struct http *http); /* after later_end_all() */

#endif

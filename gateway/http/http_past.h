#ifndef HTTP_PAST_H
#define HTTP_PAST_H
/* What questions about the past have in common. Private to http; loop thread.
 */
#include "history.h"
#include "http_long.h"

/* What is judged, and by which rules: as it is now. The catalog and the network
 * are counted. False with a problem: there is no network yet. */
bool past_wish(struct request *rq, struct history_wish *ret);
void past_wish_clear(struct history_wish *wish); /* zeroed is fine */

/* The parameter `clock`; false with a problem. */
bool past_clock(struct request *rq, enum history_clock *ret);

/* from <= time < to of the parameters: in the past, not empty, at most 92 days;
 * false with a problem. */
bool past_span(struct request *rq, int64_t usual_ms, int64_t *from_ms,
               int64_t *to_ms);

/* Somebody who waits for it, and what of it he wants. */
struct past_waiter {
    struct long_waiter waiter;
    uint32_t zone_id, mission_id; /* 0: all */
};

/* Answers with what the run found: later, from the database, which then frees
 * the waiter. */
void past_answer(struct http *http, uint32_t run_id,
                 struct past_waiter *waiter);

/* A replay failed. */
void reply_no_past(struct request *rq, enum pt_err err, const char *message);

#endif

#ifndef HTTP_PLANS_H
#define HTTP_PLANS_H
/* What questions about plans have in common. Private to http; loop thread. */
#include "http_long.h"

/* Answers with the plan, from the database; frees the waiter, who is attached.
 */
void plan_answer(struct http *http, uint32_t plan_id,
                 struct long_waiter *waiter);
/* The number in the path; false with a problem. */
bool request_plan(struct request *rq, uint32_t *ret);

#endif

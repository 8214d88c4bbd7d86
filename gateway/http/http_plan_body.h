#ifndef HTTP_PLAN_BODY_H
#define HTTP_PLAN_BODY_H
/* plan_body: what strangers send to have a plan made, taken apart and checked.
 * Pure, any thread. Private to http. */
#include "http_posts_body.h"
#include "plan.h"

#define PLAN_BODY_NAME_CHARS 100

struct plan_body {
    char name[4 * PLAN_BODY_NAME_CHARS + 1]; /* "": not given */
    size_t unit_count;
    unsigned units[PLAN_UNITS_MAX]; /* rising */
    size_t group_count;             /* 0: each hour on its own */
    struct plan_group *groups;
    bool with_closures;
    struct posts_body posts;
    char *settings; /* JSON: what is sought, the usual filled in */
};

/* `turnout_s` is the usual one. False with the reason in `fault`; `ret` is
 * cleared then. */
bool plan_body_parse(const char *bytes, size_t size, int turnout_s,
                     struct plan_body *ret, struct body_fault *fault);
void plan_body_clear(struct plan_body *body); /* zeroed is fine */

#endif

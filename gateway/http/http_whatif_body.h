#ifndef HTTP_WHATIF_BODY_H
#define HTTP_WHATIF_BODY_H
/* whatif_body: what a planner would like to be otherwise, taken apart and
 * checked. What it names is looked up later. Pure, any thread. Private to http.
 */
#include "http_closure_body.h"
#include "report.h"
#include "whatif.h"

#define WHATIF_CHANGES_MAX 200u
#define WHATIF_PROMISES_MAX 200u
#define WHATIF_NAME_BYTES 65
#define WHATIF_ZONE_BYTES 257

/* A unit, moved, taken away or of another status; or one that there is not. */
struct whatif_change {
    bool added;                   /* `name` is its label, else a call sign */
    char name[WHATIF_NAME_BYTES]; /* as typed */
    bool removed, has_point, has_status;
    struct geo_point at;
    enum pt_status status;
    char kind[WHATIF_NAME_BYTES]; /* of one that is added; "": car */
};

struct whatif_zone_promise {
    char zone[WHATIF_ZONE_BYTES]; /* its name or number */
    int promise_s;
};

struct whatif_body {
    size_t change_count;
    struct whatif_change *changes;
    size_t closure_count;
    struct closure_body *closures;
    size_t promise_count;
    struct whatif_zone_promise *promises;
    int every_promise_s;              /* 0: not given */
    char profile[ROADS_PROFILE_NAME]; /* "": not given */
    int hour;                         /* of the week, or TERMS_NOW */
    bool gaps;
};

/* False with the reason in `fault`; `ret` needs whatif_body_clear() either way.
 */
bool whatif_body_parse(const char *bytes, size_t size, struct whatif_body *ret,
                       struct body_fault *fault);
void whatif_body_clear(struct whatif_body *body);
/* "Mon 08:00", as 0 to 167 from Monday's first hour on; the minutes do not
 * matter. */
bool whatif_hour_parse(const char *text, int *ret);
/* The member `at` as such an hour; `ret` stays as it is when not given. */
bool whatif_hour_take(const json_t *body, int *ret, struct body_fault *fault);

#endif

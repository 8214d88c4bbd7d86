#ifndef HTTP_TERMS_H
#define HTTP_TERMS_H
/* What is in force now, for those who ask what would be. Private to http; loop
 * thread. */
#include "http_internal.h"
#include "terms.h"

struct in_force {
    struct terms_now now; /* points into what stands below */
    struct roads_metric *metrics[ROADS_PROFILES_MAX];
    struct roads_metric *learned[ROADS_PROFILES_MAX];
};
/* There is a basis; nothing is counted. */
void take_in_force(const struct http *http, struct in_force *ret);

/* By which profile; any thread. */
const char *profile_name(const struct coverage_metrics *metrics);
/* "at" and "hour_learned": which hour of the week, null when it is now; any
 * thread. */
void write_hour(struct json *json, int hour, bool learned);
/* terms_basis() failed; `message` of PT_E_DB. */
void reply_no_terms(struct request *rq, enum pt_err err, const char *message);

#endif

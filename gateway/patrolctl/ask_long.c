/* Questions whose answers take the gateway minutes. */
#include "http_client.h"
#include <string.h>
#include <time.h>

struct ctl_request ctl_with_end(const struct ctl_request *request, char *now,
                                size_t size)
{
    struct ctl_request ret = *request;
    time_t at = time(NULL);
    struct tm tm;
    for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
        const char *name = ret.params[i].name;
        if (name != NULL && strcmp(name, "to") == 0 &&
            ret.params[i].value == NULL && gmtime_r(&at, &tm) != NULL &&
            strftime(now, size, "%FT%TZ", &tm) > 0)
            ret.params[i].value = now;
    }
    return ret;
}

/* The gateway holds each question for a while. */
enum ctl_exit ctl_ask_long(const struct ctl *ctl, const char *method,
                           const struct ctl_request *request,
                           const json_t *sent, const char *key,
                           const char *phase, json_t **ret)
{
    struct ctl_progress progress;
    enum ctl_exit end;
    json_t *answer = NULL;
    ctl_progress_start(&progress);
    for (;;) {
        double share = 0;
        end = ctl_send(ctl, method, request, sent, &answer);
        if (end != CTL_OK || json_object_get(answer, key) != NULL)
            break;
        const char *told = ctl_text(answer, "phase");
        (void)ctl_number(answer, "share", &share);
        /* a constant, for the bar keeps it */
        ctl_progress_show(&progress, share,
                          told == NULL ? "waiting for others" : phase);
        json_decref(answer);
        answer = NULL;
    }
    ctl_progress_end(&progress);
    if (end == CTL_OK)
        *ret = answer;
    else
        json_decref(answer);
    return end;
}

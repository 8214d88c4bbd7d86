#include "closure_text.h"

#include "http_client.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----------------------------------------------------------------- as typed */
bool ctl_parse_slow(const char *text, double *factor, double *speed_mps)
{
    char *end = NULL;
    double value = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
    *factor = *speed_mps = 0;
    if (end == NULL || !(value > 0))
        return false;
    if (strcmp(end, "%") == 0 && value < 100)
        *factor = value / 100;
    else if (strcmp(end, "km/h") == 0 && value < 360)
        *speed_mps = value / 3.6;
    return *factor > 0 || *speed_mps > 0;
}

/* ---------------------------------------------------------------- as answered
 */
const char *ctl_closure_kind(char *out, size_t size, const json_t *closure)
{
    const char *direction = ctl_text(closure, "direction");
    const char *kind = ctl_text(closure, "kind");
    double factor, speed_mps;
    char how[64];
    if (ctl_number(closure, "factor", &factor))
        snprintf(how, sizeof how, "%.0f %% of the usual speed", factor * 100);
    else if (ctl_number(closure, "speed_mps", &speed_mps))
        snprintf(how, sizeof how, "%.0f km/h", speed_mps * 3.6);
    else
        snprintf(how, sizeof how, "%s", kind != NULL ? kind : "?");
    bool both = direction == NULL || strcmp(direction, "both") == 0;
    snprintf(out, size, "%s%s%s%s", how, both ? "" : ", ",
             both ? "" : direction, both ? "" : " only");
    return out;
}

const char *ctl_local_time(char *out, size_t size, const char *text)
{
    struct tm utc = {0};
    struct tm local;
    if (text == NULL) {
        snprintf(out, size, "until it is removed");
    } else if (strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) == NULL) {
        snprintf(out, size, "?");
    } else {
        time_t when = timegm(&utc);
        localtime_r(&when, &local);
        if (strftime(out, size, "%Y-%m-%d %H:%M", &local) == 0)
            out[0] = '\0';
    }
    return out;
}

void ctl_print_closures(const json_t *answer)
{
    const json_t *closures = json_object_get(answer, "closures");
    for (size_t i = 0; i < json_array_size(closures); i++) {
        const json_t *one = json_array_get(closures, i);
        const char *until = ctl_text(one, "until");
        const char *street = ctl_text(one, "street");
        const char *reason = ctl_text(one, "reason");
        char line[1200], clean[1200], kind[128], when[32];
        snprintf(line, sizeof line,
                 "closure %" JSON_INTEGER_FORMAT ": %s, %s%s%s%s%s",
                 json_integer_value(json_object_get(one, "closure_id")),
                 street != NULL ? street : "?",
                 ctl_closure_kind(kind, sizeof kind, one),
                 until != NULL ? " until " : "",
                 until != NULL ? ctl_local_time(when, sizeof when, until) : "",
                 reason != NULL ? ": " : "", reason != NULL ? reason : "");
        ctl_clean(line, clean, sizeof clean);
        puts(clean);
    }
}

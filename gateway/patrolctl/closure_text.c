#include "closure_text.h"

#include "http_client.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----------------------------------------------------------------- as typed */
static bool two_digits(const char *text, int most, int *ret)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *ret = (text[0] - '0') * 10 + text[1] - '0';
    return *ret <= most;
}

/* By the terminal's clock: today, or tomorrow when that is over. */
static bool next_time_of_day(const char *text, time_t now, time_t *ret)
{
    struct tm local;
    int hour, minute;
    if (strlen(text) != 5 || text[2] != ':' || !two_digits(text, 23, &hour) ||
        !two_digits(text + 3, 59, &minute))
        return false;
    localtime_r(&now, &local);
    for (int day = 0; day < 2; day++) {
        struct tm at = {.tm_year = local.tm_year,
                        .tm_mon = local.tm_mon,
                        .tm_mday = local.tm_mday + day,
                        .tm_hour = hour,
                        .tm_min = minute,
                        .tm_isdst = -1};
        *ret = mktime(&at);
        if (*ret > now)
            return true;
    }
    return false;
}

static bool so_long_from_now(const char *text, time_t now, time_t *ret)
{
    char *end = NULL;
    long count = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    long each = 0;
    if (end == NULL || count < 1 || count > 100000 || strlen(end) != 1)
        return false;
    if (*end == 'm')
        each = 60;
    else if (*end == 'h')
        each = 3600;
    else if (*end == 'd')
        each = 86400;
    *ret = now + count * each;
    return each != 0;
}

bool ctl_parse_when(const char *text, char *ret, size_t size)
{
    struct tm utc;
    time_t now = time(NULL);
    time_t when;
    /* The gateway reads what begins like a date, and says what is wrong. */
    if (strlen(text) >= 20 && text[4] == '-' && text[10] == 'T')
        return (size_t)snprintf(ret, size, "%s", text) < size;
    if (!next_time_of_day(text, now, &when) &&
        !so_long_from_now(text, now, &when))
        return false;
    gmtime_r(&when, &utc);
    return strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0;
}

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

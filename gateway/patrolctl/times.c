/* Times as people type them. */
#include "patrolctl.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool two_digits(const char *text, int most, int *ret)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *ret = (text[0] - '0') * 10 + text[1] - '0';
    return *ret <= most;
}

/* "18:30" */
static bool time_of_day(const char *text, struct tm *ret)
{
    return strlen(text) == 5 && text[2] == ':' &&
           two_digits(text, 23, &ret->tm_hour) &&
           two_digits(text + 3, 59, &ret->tm_min);
}

/* By the terminal's clock: the next time of day, or the last. */
static bool nearest_time_of_day(const char *text, time_t now,
                                enum ctl_tense tense, time_t *ret)
{
    struct tm local, typed = {0};
    if (!time_of_day(text, &typed))
        return false;
    localtime_r(&now, &local);
    int step = tense == CTL_COMING ? 1 : -1;
    for (int day = 0; day < 2; day++) {
        struct tm at = {.tm_year = local.tm_year,
                        .tm_mon = local.tm_mon,
                        .tm_mday = local.tm_mday + step * day,
                        .tm_hour = typed.tm_hour,
                        .tm_min = typed.tm_min,
                        .tm_isdst = -1};
        *ret = mktime(&at);
        if (tense == CTL_COMING ? *ret > now : *ret <= now)
            return true;
    }
    return false;
}

/* "2026-01-31", its first moment, or "2026-01-31 18:30", by the terminal's
 * clock. */
static bool date_and_time(const char *text, time_t *ret)
{
    struct tm at = {.tm_isdst = -1};
    int century, year, month;
    if (strlen(text) < 10 || text[4] != '-' || text[7] != '-' ||
        !two_digits(text, 99, &century) || !two_digits(text + 2, 99, &year) ||
        !two_digits(text + 5, 12, &month) ||
        !two_digits(text + 8, 31, &at.tm_mday) || month == 0 ||
        (text[10] != '\0' && text[10] != ' ' && text[10] != 'T') ||
        (text[10] != '\0' && !time_of_day(text + 11, &at)))
        return false;
    at.tm_year = century * 100 + year - 1900;
    at.tm_mon = month - 1;
    int day = at.tm_mday;
    *ret = mktime(&at);
    /* the 31st of February became a day of March */
    return at.tm_mday == day && at.tm_mon == month - 1;
}

static bool so_long(const char *text, time_t now, enum ctl_tense tense,
                    time_t *ret)
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
    *ret = tense == CTL_COMING ? now + count * each : now - count * each;
    return each != 0;
}

bool ctl_read_time(const char *text, int64_t now_s, enum ctl_tense tense,
                   char ret[CTL_TIME_BYTES])
{
    struct tm utc;
    time_t now = (time_t)now_s, when = now;
    /* Who reads a whole RFC 3339 time says what is wrong with it. */
    if (strlen(text) >= 20 && text[4] == '-' && text[10] == 'T')
        return (size_t)snprintf(ret, CTL_TIME_BYTES, "%s", text) <
               CTL_TIME_BYTES;
    if (strcmp(text, "now") != 0 &&
        !nearest_time_of_day(text, now, tense, &when) &&
        !date_and_time(text, &when) && !so_long(text, now, tense, &when))
        return false;
    gmtime_r(&when, &utc);
    return strftime(ret, CTL_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0;
}

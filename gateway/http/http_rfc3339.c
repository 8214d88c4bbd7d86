#include "http_rfc3339.h"
#include <stddef.h>
#include <time.h>

#define MS_END 253402300800000 /* 10000-01-01T00:00:00Z; date -d ... +%s */

static void two(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

bool rfc3339_format(int64_t time_ms, char ret[RFC3339_SIZE])
{
    if (time_ms < 0 || time_ms >= MS_END)
        return false;
    time_t seconds = (time_t)(time_ms / 1000);
    int ms = (int)(time_ms % 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return false;
    int year = tm.tm_year + 1900;

    two(ret, year / 100);
    two(ret + 2, year % 100);
    ret[4] = '-';
    two(ret + 5, tm.tm_mon + 1);
    ret[7] = '-';
    two(ret + 8, tm.tm_mday);
    ret[10] = 'T';
    two(ret + 11, tm.tm_hour);
    ret[13] = ':';
    two(ret + 14, tm.tm_min);
    ret[16] = ':';
    two(ret + 17, tm.tm_sec);
    ret[19] = '.';
    ret[20] = (char)('0' + ms / 100);
    two(ret + 21, ms % 100);
    ret[23] = 'Z';
    ret[24] = '\0';
    return true;
}

/* Exactly `count` digits within [min, max]; moves on behind them. */
static bool take_number(const char **text, int count, int min, int max,
                        int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        char c = *(*text)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return value >= min && value <= max;
}

/* One of the characters in `set`, which is not empty. */
static bool take_one(const char **text, const char *set)
{
    char c = *(*text)++;

    for (; *set != '\0'; set++)
        if (c == *set)
            return true;
    return false;
}

static bool take_date(const char **text, struct tm *tm)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;

    if (!take_number(text, 4, 1970, 9999, &year) || !take_one(text, "-") ||
        !take_number(text, 2, 1, 12, &month) || !take_one(text, "-") ||
        !take_number(text, 2, 1, days[month - 1], &day))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2 && day == 29 && !leap)
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

/* ".123456": milliseconds; 0 when there is no point. */
static bool take_fraction(const char **text, int *ms)
{
    int digits = 0, scale = 100;

    *ms = 0;
    if (**text != '.')
        return true;
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++) {
        *ms += (**text - '0') * scale;
        scale /= 10;
        digits++;
    }
    return digits >= 1 && digits <= 9;
}

static bool take_offset(const char **text, int *minutes)
{
    int sign, hours, rest;

    *minutes = 0;
    if (**text == 'Z' || **text == 'z') {
        (*text)++;
        return true;
    }
    sign = **text == '-' ? -1 : 1;
    if (!take_one(text, "+-") || !take_number(text, 2, 0, 23, &hours) ||
        !take_one(text, ":") || !take_number(text, 2, 0, 59, &rest))
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

bool rfc3339_parse(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    int ms, offset_min;

    if (!take_date(&text, &tm) || !take_one(&text, "Tt") ||
        !take_number(&text, 2, 0, 23, &tm.tm_hour) || !take_one(&text, ":") ||
        !take_number(&text, 2, 0, 59, &tm.tm_min) || !take_one(&text, ":") ||
        !take_number(&text, 2, 0, 60, &tm.tm_sec) ||
        !take_fraction(&text, &ms) || !take_offset(&text, &offset_min) ||
        *text != '\0')
        return false;
    int64_t time_ms =
        ((int64_t)timegm(&tm) - (int64_t)offset_min * 60) * 1000 + ms;
    if (time_ms < 0 || time_ms >= MS_END)
        return false;
    *ret = time_ms;
    return true;
}

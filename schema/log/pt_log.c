#include "pt_log.h"

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* with the newline */

static enum pt_log_level highest = PT_LOG_INFO;

static const struct {
    const char *word;
    enum pt_log_level level;
} levels[] = {
    {"error", PT_LOG_ERROR}, {"warn", PT_LOG_WARN},   {"notice", PT_LOG_NOTICE},
    {"info", PT_LOG_INFO},   {"debug", PT_LOG_DEBUG},
};

void pt_log_set_level(enum pt_log_level level)
{
    highest = level;
}

_Bool pt_log_level_parse(const char *text, enum pt_log_level *ret)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(text, levels[i].word) == 0) {
            *ret = levels[i].level;
            return true;
        }
    }
    return false;
}

static const char *level_word(enum pt_log_level level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i].level == level)
            return levels[i].word;
    return "?";
}

/* systemd.exec(5): the variable is inherited by whoever redirects standard
 * error, so only device and inode tell. Looked up for each line: standard
 * error may be replaced at any time, and it costs less than the write. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream != NULL &&
           sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == (dev_t)device &&
           st.st_ino == (ino_t)inode;
}

/* "<6>" or "2026-01-31T23:59:59.123Z info "; how many bytes. */
static size_t put_prefix(char line[LINE_MAX_BYTES], enum pt_log_level level)
{
    struct timespec now;
    struct tm utc;
    size_t used;

    if (stderr_is_journal())
        return (size_t)snprintf(line, LINE_MAX_BYTES, "<%d>", (int)level);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = strftime(line, LINE_MAX_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    return used + (size_t)snprintf(line + used, LINE_MAX_BYTES - used,
                                   ".%03ldZ %s ", now.tv_nsec / 1000000,
                                   level_word(level));
}

/* C0, DEL and C1: the latter (U+0080..U+009F) steer terminals, too. */
static bool is_control(const char *at, size_t step)
{
    unsigned char first = (unsigned char)at[0];

    if (step == 1)
        return first < 0x20 || first == 0x7F;
    return step == 2 && first == 0xC2 && (unsigned char)at[1] < 0xA0;
}

/* Adds `text` at `used`, escaped, as far as whole characters fit before the
 * newline; how many bytes the line then has. */
static size_t put_escaped(char line[LINE_MAX_BYTES], size_t used,
                          const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t step = text_utf8_step(text, left);
        bool escape = step == 0 || is_control(text, step);
        size_t take = step == 0 ? 1 : step;

        if (used + (escape ? 4 * take : take) > LINE_MAX_BYTES - 1)
            break;
        for (size_t i = 0; i < take; i++) {
            if (escape) {
                static const char hex[] = "0123456789abcdef";
                unsigned byte = (unsigned char)text[i];
                line[used++] = '\\';
                line[used++] = 'x';
                line[used++] = hex[byte >> 4];
                line[used++] = hex[byte & 15];
            } else {
                line[used++] = text[i];
            }
        }
        text += take;
        left -= take;
    }
    return used;
}

void pt_log(enum pt_log_level level, const char *format, ...)
{
    int saved = errno;
    char line[LINE_MAX_BYTES];
    /* As long as the line: a character that this cuts in two no longer fits
     * behind the shortest prefix ("<6>") and the newline either. */
    char text[LINE_MAX_BYTES];
    size_t used;
    va_list args;

    if (level > highest)
        return;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    used = put_escaped(line, put_prefix(line, level), text);
    line[used++] = '\n';
    /* Nobody is left to be told when standard error is gone. */
    if (write(STDERR_FILENO, line, used) < 0)
        errno = saved;
    errno = saved;
}

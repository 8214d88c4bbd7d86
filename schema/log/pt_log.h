#ifndef PT_LOG_H
#define PT_LOG_H
/* log: one line an event, on standard error.
 *
 * When standard error is the journal's stream (JOURNAL_STREAM names its
 * device and inode) a line starts with the syslog priority ("<6>"), which the
 * journal takes off again; elsewhere with the UTC time and the level's word.
 * Control characters and what is not UTF-8 are written as \xHH, so that
 * nothing a stranger sends can forge a line. Lines are cut at 1024 bytes, the
 * newline included, never inside a character. Any thread: a line is one
 * write(2), and errno is left as it was. */

enum pt_log_level {
    PT_LOG_ERROR = 3,  /* somebody must act */
    PT_LOG_WARN = 4,   /* degraded, mends itself or is refused input */
    PT_LOG_NOTICE = 5, /* a change of state an operator wants to see */
    PT_LOG_INFO = 6,
    PT_LOG_DEBUG = 7,
};

/* Starts at PT_LOG_INFO. Main thread, before others log. */
void pt_log_set_level(enum pt_log_level level);

/* Parses "error", "warn", "notice", "info", "debug" into `ret`; false and
 * `ret` untouched for anything else. */
_Bool pt_log_level_parse(const char *text, enum pt_log_level *ret);

__attribute__((format(printf, 2, 3))) void pt_log(enum pt_log_level level,
                                                  const char *format, ...);

#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pt_log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Standard error goes into a pipe in packet mode (pipe(2), O_DIRECT), where
 * one read gives what one write gave. */
static int pipe_out;
static int real_stderr;

static int catch_stderr(void **context)
{
    int ends[2];

    (void)context;
    if (pipe2(ends, O_DIRECT | O_NONBLOCK) != 0)
        return -1;
    real_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    pipe_out = ends[0];
    unsetenv("JOURNAL_STREAM");
    pt_log_set_level(PT_LOG_INFO);
    return 0;
}

static int release_stderr(void **context)
{
    (void)context;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(pipe_out);
    return 0;
}

/* One write, as a string; "" when there was none. */
static const char *written(void)
{
    static char line[4096];
    ssize_t size = read(pipe_out, line, sizeof line - 1);

    line[size > 0 ? size : 0] = '\0';
    return line;
}

static void say_journal(void)
{
    struct stat st;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
}

static void test_terminal_form(void **context)
{
    regex_t form;

    (void)context;
    assert_int_equal(
        regcomp(&form,
                "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
                "[0-6][0-9]\\.[0-9]{3}Z warn unit 7: no fix\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    pt_log(PT_LOG_WARN, "unit %d: %s", 7, "no fix");
    assert_int_equal(regexec(&form, written(), 0, NULL, 0), 0);
    assert_string_equal(written(), "");
    regfree(&form);
}

static void test_journal_form(void **context)
{
    (void)context;
    say_journal();
    pt_log(PT_LOG_ERROR, "disk full");
    assert_string_equal(written(), "<3>disk full\n");
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, then redirected */
    pt_log(PT_LOG_ERROR, "disk full");
    assert_null(strchr(written(), '<'));
}

static void test_levels(void **context)
{
    enum pt_log_level level = PT_LOG_WARN;

    (void)context;
    pt_log(PT_LOG_DEBUG, "not said");
    assert_string_equal(written(), "");
    assert_true(pt_log_level_parse("debug", &level));
    assert_int_equal(level, PT_LOG_DEBUG);
    pt_log_set_level(level);
    pt_log(PT_LOG_DEBUG, "said");
    assert_non_null(strstr(written(), " debug said\n"));
    assert_false(pt_log_level_parse("Debug", &level));
    assert_false(pt_log_level_parse("", &level));
    assert_int_equal(level, PT_LOG_DEBUG);
}

/* A stranger's newline, escape sequence, Latin-1 and C1 control; UTF-8 text
 * stays readable. */
static void test_escapes(void **context)
{
    (void)context;
    say_journal();
    pt_log(PT_LOG_INFO, "%s", "a\n<3>b\r\t\x1b[2J\x7f");
    assert_string_equal(written(), "<6>a\\x0a<3>b\\x0d\\x09\\x1b[2J\\x7f\n");
    pt_log(PT_LOG_INFO, "%s",
           "\xe9toile \xc2\x9b"
           "1m \xc2\xa1 Línea 3ª \U0001F693");
    assert_string_equal(
        written(), "<6>\\xe9toile \\xc2\\x9b1m \xc2\xa1 Línea 3ª \U0001F693\n");
}

/* Whatever character stands at the cut, the line ends with a newline, is of
 * at most 1024 bytes, and holds only whole characters or escapes. */
static void test_cut(void **context)
{
    char text[1200];
    static const char *const last[] = {"x", "ñ", "€", "\U0001F693", "\n"};

    (void)context;
    say_journal();
    for (size_t start = 1000; start < 1040; start++) {
        for (size_t i = 0; i < sizeof last / sizeof last[0]; i++) {
            const char *line, *escape;
            size_t size;
            memset(text, 'x', sizeof text);
            memset(text + start, 0, sizeof text - start);
            while (strlen(text) < sizeof text - 5)
                strcat(text, last[i]);
            pt_log(PT_LOG_INFO, "%s", text);
            line = written();
            size = strlen(line);
            assert_true(size <= 1024);
            assert_true(size > 1020 - 4 || last[i][0] == '\n');
            assert_int_equal(line[size - 1], '\n');
            escape = strchr(line, '\\');
            if (last[i][0] != '\n')
                assert_null(escape);
            else if (escape != NULL)
                assert_int_equal((size_t)(line + size - 1 - escape) % 4, 0);
            assert_string_equal(written(), "");
        }
    }
}

static void test_errno_stays(void **context)
{
    (void)context;
    errno = ENOSPC;
    pt_log(PT_LOG_INFO, "x");
    assert_int_equal(errno, ENOSPC);
    (void)written();
    close(STDERR_FILENO);
    pt_log(PT_LOG_INFO, "nobody hears this");
    assert_int_equal(errno, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_terminal_form, catch_stderr,
                                        release_stderr),
        cmocka_unit_test_setup_teardown(test_journal_form, catch_stderr,
                                        release_stderr),
        cmocka_unit_test_setup_teardown(test_levels, catch_stderr,
                                        release_stderr),
        cmocka_unit_test_setup_teardown(test_escapes, catch_stderr,
                                        release_stderr),
        cmocka_unit_test_setup_teardown(test_cut, catch_stderr, release_stderr),
        cmocka_unit_test_setup_teardown(test_errno_stays, catch_stderr,
                                        release_stderr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

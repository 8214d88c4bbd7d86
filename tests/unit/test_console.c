/* The files that are built in: what is asked for is there, typed, whole, and
 * nothing else is. */
#include "console.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_files_are_typed(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {CONSOLE_START, "text/html; charset=utf-8"},
        {"main.js", "text/javascript; charset=utf-8"},
        {"console.css", "text/css; charset=utf-8"},
        {"icon.svg", "image/svg+xml"},
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct embed_file *file = console_find(wanted[i][0]);
        assert_non_null(file);
        assert_string_equal(file->content_type, wanted[i][1]);
        assert_int_equal(strlen(file->etag), 18);
    }
}

static void the_bytes_are_the_files(void **state)
{
    (void)state;
    const struct embed_file *file = console_find(CONSOLE_START);
    FILE *in = fopen(CONSOLE_PAGE "/" CONSOLE_START, "rb");

    assert_non_null(file);
    assert_non_null(in);
    char *text = calloc(1, file->size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, file->size + 1, in), file->size);
    assert_memory_equal(text, file->bytes, file->size);
    free(text);
    fclose(in);
}

static void nothing_else_is_there(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",          ".",           "..",         "/",
        "index.htm", "index.html/", "INDEX.HTML", "../console.c",
        "console.h", "package.json"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(console_find(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_are_typed),
        cmocka_unit_test(the_bytes_are_the_files),
        cmocka_unit_test(nothing_else_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

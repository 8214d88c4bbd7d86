/* asking: what fails is one line, and texts become columns; the rest needs a
 * database (tests/integration). */
#include "asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_failure_is_one_line(void **state)
{
    (void)state;
    struct asking a;
    char message[256] = "";
    assert_int_equal(asking_open(&a, "host=/nowhere dbname=none", "test",
                                 message, sizeof(message)),
                     PT_E_DB);
    assert_non_null(strstr(message, "connecting: "));
    assert_null(strchr(message, '\n'));
    assert_int_equal(asking_run(&a, "SELECT 1"), PT_E_DB);
    asking_close(&a);
    asking_close(&a);
}

/* The text format of COPY: PostgreSQL's manual, "File Formats", "Text
 * Format". */
static void texts_become_columns(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(asking_copy_text(NULL, out, sizeof(out)), "\\N");
    assert_string_equal(asking_copy_text("", out, sizeof(out)), "");
    assert_string_equal(asking_copy_text("a\tb\nc\rd\\N", out, sizeof(out)),
                        "a\\tb\\nc\\rd\\\\N");
    assert_string_equal(
        asking_copy_text("Embajada de Espa\xc3\xb1", out, sizeof(out)),
        "Embajada de Espa\xc3\xb1");
}

static void what_is_too_long_is_cut_between_characters(void **state)
{
    (void)state;
    char out[8];
    assert_string_equal(asking_copy_text("abcdefghij", out, 7), "abcde");
    for (size_t size = 3; size <= sizeof(out); size++) {
        asking_copy_text("\xc3\xb1\xc3\xb1\xc3\xb1\xc3\xb1", out, size);
        assert_int_equal(strlen(out) % 2, 0);
        assert_true(strlen(out) < size);
    }
    assert_string_equal(asking_copy_text("\xc3\xb1", out, 3), "");
    assert_string_equal(asking_copy_text("\\\\\\", out, 5), "\\\\\\\\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_one_line),
        cmocka_unit_test(texts_become_columns),
        cmocka_unit_test(what_is_too_long_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

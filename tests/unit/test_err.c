#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pt_err.h"

#include <string.h>

/* Each error has a sentence of its own, and none ends with a full stop. */
static void test_sentences(void **context)
{
    (void)context;
    for (int i = 0; i < PT_E_COUNT; i++) {
        const char *text = pt_strerror((enum pt_err)i);
        assert_non_null(text);
        assert_true(strlen(text) > 0);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(text, pt_strerror((enum pt_err)j));
    }
    assert_string_equal(pt_strerror(PT_OK), "success");
}

static void test_outside(void **context)
{
    (void)context;
    assert_string_equal(pt_strerror(PT_E_COUNT), "unknown error");
    assert_string_equal(pt_strerror((enum pt_err) - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

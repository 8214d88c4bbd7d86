#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The sequence of a code point by Unicode's table 3-6 (bit distribution),
 * whatever the code point; how many bytes. */
static size_t spread(uint32_t code, size_t length, char out[4])
{
    static const uint32_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(length == 1 ? code : lead[length] | code);
    return length;
}

static size_t shortest(uint32_t code)
{
    if (code < 0x80)
        return 1;
    if (code < 0x800)
        return 2;
    return code < 0x10000 ? 3 : 4;
}

/* All code points, in every length that can carry them, also overlong. */
static void test_every_code_point(void **context)
{
    static const uint32_t room[] = {0, 0x80, 0x800, 0x10000, 0x200000};
    char bytes[4];

    (void)context;
    for (uint32_t code = 0; code < 0x200000; code++) {
        int scalar = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        for (size_t length = 1; length <= 4; length++) {
            size_t step;
            if (code >= room[length])
                continue;
            step = text_utf8_step(bytes, spread(code, length, bytes));
            if (step != (scalar && length == shortest(code) ? length : 0))
                fail_msg("U+%04X in %zu bytes: %zu", code, length, step);
        }
    }
}

/* A sequence that is cut or whose later bytes are none is nothing. */
static void test_broken(void **context)
{
    const char truck[] = "\U0001F693";

    (void)context;
    for (size_t left = 0; left < 4; left++)
        assert_int_equal(text_utf8_step(truck, left), 0);
    assert_int_equal(text_utf8_step(truck, 4), 4);
    assert_int_equal(text_utf8_step("\xF0\x9F\x9A(", 4), 0);
    assert_int_equal(text_utf8_step("\xF0\x9F(\x93", 4), 0);
    assert_int_equal(text_utf8_step("\x80", 1), 0);
    assert_int_equal(text_utf8_step("\xFF", 1), 0);
}

static void test_valid(void **context)
{
    (void)context;
    assert_true(text_utf8_valid("", 0));
    assert_true(text_utf8_valid("¡Ánimo, 3ª patrulla!", 23));
    assert_false(text_utf8_valid("a\0b", 3));
    assert_false(text_utf8_valid("abc\xC3", 4));
    assert_false(text_utf8_valid("\xE9toile", 6)); /* Latin-1 */
}

/* As the C library writes them, around each power of ten and of two. */
static void check_int64(int64_t number)
{
    char digits[TEXT_INT64_MAX], expected[32];
    size_t length =
        (size_t)snprintf(expected, sizeof expected, "%" PRId64, number);

    assert_int_equal(text_put_int64(number, digits), length);
    assert_string_equal(digits, expected);
}

static void test_int64(void **context)
{
    int64_t power = 1;

    (void)context;
    check_int64(0);
    check_int64(INT64_MAX);
    check_int64(INT64_MIN);
    for (int i = 0; i < 19; i++, power *= i < 18 ? 10 : 1) {
        check_int64(power);
        check_int64(power - 1);
        check_int64(-power);
        check_int64(1 - power);
    }
    for (int i = 0; i < 63; i++) {
        check_int64((INT64_C(1) << i) - 1);
        check_int64(-(INT64_C(1) << i) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_int64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

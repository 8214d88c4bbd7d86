#ifndef PT_TEXT_H
#define PT_TEXT_H
/* text: whether bytes from strangers are UTF-8; numbers in digits. Pure
 * functions, any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 sequence at `at` (1..4), 0 when none of at
 * most `left` bytes stands there. Unicode 15, table 3-7: no overlong forms,
 * no surrogates, nothing above U+10FFFF. A 0 byte is a character here. */
size_t text_utf8_step(const char *at, size_t left);

/* All of the `size` bytes are UTF-8 and none of them is 0, so that what is
 * stored in a C string or in PostgreSQL is what was sent. */
bool text_utf8_valid(const char *text, size_t size);

/* Decimal digits, a '-' before a negative number, and a final 0. How many
 * bytes without that one. For where so many numbers are written that
 * snprintf(), which takes ten times as long, is most of the work. */
#define TEXT_INT64_MAX 21
size_t text_put_int64(int64_t number, char out[TEXT_INT64_MAX]);

#endif

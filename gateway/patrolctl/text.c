#include "text.h"
#include "patrolctl.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* The code point of the well-formed UTF-8 character of `length` bytes. */
static uint32_t decode(const char *at, size_t length)
{
    uint32_t code = (unsigned char)*at;
    if (length > 1)
        code &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3fu);
    return code;
}

/* What may move the cursor, colour the screen or turn the reading direction
 * of what follows (Unicode's bidirectional controls). */
static bool is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 ||
           code == 0x2029 || code == 0x200e || code == 0x200f;
}

size_t ctl_clean(const char *text, char *out, size_t size)
{
    size_t used = 0;
    size_t left = strlen(text);
    while (*text != 0) {
        size_t length = text_utf8_step(text, left);
        bool bad = length == 0 || is_harmful(decode(text, length));
        size_t wanted = bad ? 1 : length;
        if (used + wanted >= size)
            break;
        if (bad)
            out[used] = '?';
        else
            memcpy(out + used, text, length);
        used += wanted;
        length = length == 0 ? 1 : length;
        text += length;
        left -= length;
    }
    if (size > 0)
        out[used] = 0;
    return used;
}

size_t ctl_cells(const char *text)
{
    size_t cells = 0;
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = text_utf8_step(text, left);
        int width = length == 0 ? 1 : wcwidth((wchar_t)decode(text, length));
        cells += width < 0 ? 1 : (size_t)width;
        length = length == 0 ? 1 : length;
        text += length;
        left -= length;
    }
    return cells;
}

#include "text.h"

#include <stdint.h>
#include <string.h>

/* The second byte's bounds depend on the first (table 3-7); later bytes are
 * always 80..BF. */
struct lead {
    uint8_t first, last; /* of the lead byte */
    uint8_t low, high;   /* of the byte after it */
    uint8_t length;
};

static const struct lead leads[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static const struct lead *lead_of(uint8_t byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

size_t text_utf8_step(const char *at, size_t left)
{
    const unsigned char *byte = (const unsigned char *)at;
    const struct lead *lead;

    if (left == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    lead = lead_of(byte[0]);
    if (lead == NULL || left < lead->length || byte[1] < lead->low ||
        byte[1] > lead->high)
        return 0;
    for (size_t i = 2; i < lead->length; i++)
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
    return lead->length;
}

bool text_utf8_valid(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t step = text_utf8_step(text + at, size - at);
        if (step == 0 || text[at] == '\0')
            return false;
        at += step;
    }
    return true;
}

size_t text_put_int64(int64_t number, char out[TEXT_INT64_MAX])
{
    char digits[TEXT_INT64_MAX];
    size_t count = 0, size = 0;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[count++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        out[size++] = '-';
    while (count > 0)
        out[size++] = digits[--count];
    out[size] = '\0';
    return size;
}

#include "catalog.h"

#include <ctype.h>
#include <string.h>

/* Latin-1 Supplement's letters and Latin Extended-A (U+00C0 to U+017F): the
 * base letter of the canonical decomposition (Unicode 15), and by hand those
 * that have none: ae, oe, ss, th, ij and the letters with a stroke. */
/* clang-format off */
static const char latin[0x180 - 0xc0][3] = {
    /* U+00C0 */
    "a", "a", "a", "a", "a", "a", "ae", "c",
    "e", "e", "e", "e", "i", "i", "i", "i",
    /* U+00D0 */
    "d", "n", "o", "o", "o", "o", "o", "",
    "o", "u", "u", "u", "u", "y", "th", "ss",
    /* U+00E0 */
    "a", "a", "a", "a", "a", "a", "ae", "c",
    "e", "e", "e", "e", "i", "i", "i", "i",
    /* U+00F0 */
    "d", "n", "o", "o", "o", "o", "o", "",
    "o", "u", "u", "u", "u", "y", "th", "y",
    /* U+0100 */
    "a", "a", "a", "a", "a", "a", "c", "c",
    "c", "c", "c", "c", "c", "c", "d", "d",
    /* U+0110 */
    "d", "d", "e", "e", "e", "e", "e", "e",
    "e", "e", "e", "e", "g", "g", "g", "g",
    /* U+0120 */
    "g", "g", "g", "g", "h", "h", "h", "h",
    "i", "i", "i", "i", "i", "i", "i", "i",
    /* U+0130 */
    "i", "i", "ij", "ij", "j", "j", "k", "k",
    "k", "l", "l", "l", "l", "l", "l", "l",
    /* U+0140 */
    "l", "l", "l", "n", "n", "n", "n", "n",
    "n", "n", "n", "n", "o", "o", "o", "o",
    /* U+0150 */
    "o", "o", "oe", "oe", "r", "r", "r", "r",
    "r", "r", "s", "s", "s", "s", "s", "s",
    /* U+0160 */
    "s", "s", "t", "t", "t", "t", "t", "t",
    "u", "u", "u", "u", "u", "u", "u", "u",
    /* U+0170 */
    "u", "u", "u", "u", "w", "w", "y", "y",
    "y", "z", "z", "z", "z", "z", "z", "s",
};
/* clang-format on */

/* The next code point of UTF-8 text and its bytes; a byte that begins none
 * counts as one of its own, 0xFFFD. */
static unsigned next_point(const unsigned char *at, size_t *bytes)
{
    static const unsigned char least[] = {0, 0, 0xc2, 0xe0, 0xf0};
    size_t length = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    unsigned point = length == 1 ? *at : *at & (0xffu >> (length + 1));

    *bytes = 1;
    if (length > 1 && (*at < least[length] || *at > 0xf4))
        return 0xfffd;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) /* also the final 0 */
            return 0xfffd;
        point = point << 6 | (at[i] & 0x3fu);
    }
    *bytes = length;
    return point;
}

/* What a code point becomes: letters and digits, "" for a mark that is
 * dropped, NULL for what parts words. Letters of other scripts (`text` of
 * `bytes` bytes) stay as they are. */
static const char *folded(unsigned point, const char *text, size_t bytes,
                          char room[5])
{
    if (point >= 0xc0 && point < 0x180)
        return *latin[point - 0xc0] ? latin[point - 0xc0] : NULL;
    if (point == 0xaa) /* feminine and masculine ordinal */
        return "a";
    if (point == 0xba)
        return "o";
    if (point == 0x218 || point == 0x219) /* Romanian, comma below */
        return "s";
    if (point == 0x21a || point == 0x21b)
        return "t";
    if (point >= 0x300 && point <= 0x36f) /* accents of decomposed text */
        return "";
    if (point < 0x80 ? !isalnum((int)point)
                     : point < 0xc0 || point == 0xfffd ||
                           (point >= 0x2000 && point <= 0x206f))
        return NULL;
    memcpy(room, text, bytes);
    if (point < 0x80)
        room[0] = (char)tolower((int)point);
    room[bytes] = '\0';
    return room;
}

void catalog_fold(const char *text, char *out, size_t size)
{
    size_t used = 0;
    bool parted = false;

    if (size == 0)
        return;
    while (*text != '\0') {
        char room[5];
        size_t bytes;
        unsigned point = next_point((const unsigned char *)text, &bytes);
        const char *piece = folded(point, text, bytes, room);
        size_t length = piece ? strlen(piece) : 0;
        size_t space = parted && used > 0 && length > 0;

        text += bytes;
        if (!piece)
            parted = true;
        if (length == 0)
            continue;
        if (used + space + length >= size) /* whole characters only */
            break;
        if (space)
            out[used++] = ' ';
        memcpy(out + used, piece, length);
        used += length;
        parted = false;
    }
    out[used] = '\0';
}

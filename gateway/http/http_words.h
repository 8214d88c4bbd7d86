#ifndef HTTP_WORDS_H
#define HTTP_WORDS_H
/* words: reasons in the three languages of those who read them. Pure, any
 * thread. Private to http. */
#include <stdbool.h>
#include <stddef.h>

enum language { LANGUAGE_ES, LANGUAGE_EN, LANGUAGE_FR, LANGUAGE_COUNT };

/* "es", "en", "fr". */
const char *language_word(enum language language);
bool language_parse(const char *word, enum language *ret);
/* Of an Accept-Language header (RFC 9110) the one that is wanted most; English
 * for NULL and where it wants none of ours. */
enum language language_accepted(const char *header);

/* What a reason tells: texts and figures that stand in it by name. */
struct words_figure {
    const char *name; /* "what" stands for {what} */
    const char *text;
};
/* What does not fit is cut off; `out` is terminated. */
void words_fill(char *out, size_t size, const char *sentence,
                const struct words_figure *figures, size_t count);

/* "Mon 08:00", "lun 08:00"; of an hour of the week. */
#define WORDS_HOUR_BYTES 16
void words_hour(enum language language, unsigned hour,
                char out[WORDS_HOUR_BYTES]);

#endif

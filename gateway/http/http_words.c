#include "http_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const languages[LANGUAGE_COUNT] = {"es", "en", "fr"};

const char *language_word(enum language language)
{
    return languages[language];
}

bool language_parse(const char *word, enum language *ret)
{
    for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
        if (strcasecmp(word, languages[i]) == 0) {
            *ret = (enum language)i;
            return true;
        }
    }
    return false;
}

/* One range, "fr-CH;q=0.8": its language and weight. */
static bool parse_range(const char *range, size_t length, enum language *ret,
                        double *weight)
{
    char text[64];
    const char *q;

    if (length >= sizeof text)
        return false;
    memcpy(text, range, length);
    text[length] = '\0';
    *weight = 1;
    q = strstr(text, ";q=");
    if (q != NULL)
        *weight = strtod(q + 3, NULL);
    text[strcspn(text, "-; ")] = '\0';
    return language_parse(text, ret);
}

enum language language_accepted(const char *header)
{
    enum language best = LANGUAGE_EN, one;
    double most = 0, weight;

    while (header != NULL && *header != '\0') {
        header += strspn(header, ", \t");
        size_t length = strcspn(header, ",");
        if (parse_range(header, length, &one, &weight) && weight > most) {
            most = weight;
            best = one;
        }
        header += length;
    }
    return best;
}

static const char *figure_of(const char *name, size_t length,
                             const struct words_figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(figures[i].name) == length &&
            memcmp(figures[i].name, name, length) == 0)
            return figures[i].text;
    return "?";
}

void words_fill(char *out, size_t size, const char *sentence,
                const struct words_figure *figures, size_t count)
{
    size_t used = 0;

    while (*sentence != '\0' && used + 1 < size) {
        size_t length = strcspn(sentence, "{");
        if (length > 0) {
            used += (size_t)snprintf(out + used, size - used, "%.*s",
                                     (int)length, sentence);
            sentence += length;
            continue;
        }
        length = strcspn(++sentence, "}");
        used += (size_t)snprintf(out + used, size - used, "%s",
                                 figure_of(sentence, length, figures, count));
        sentence += length + (sentence[length] == '}');
    }
    out[used < size ? used : size - 1] = '\0';
}

void words_hour(enum language language, unsigned hour,
                char out[WORDS_HOUR_BYTES])
{
    static const char *const days[LANGUAGE_COUNT][7] = {
        {"lun", "mar", "mié", "jue", "vie", "sáb", "dom"},
        {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
        {"lun", "mar", "mer", "jeu", "ven", "sam", "dim"}};

    snprintf(out, WORDS_HOUR_BYTES, "%s %02u:00", days[language][hour / 24 % 7],
             hour % 24);
}

/* Which streets of a network are called as somebody typed. */
#include "closures_internal.h"

#include "catalog.h"
#include "pt_room.h"
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES                                            \
    512 /* names in OpenStreetMap have 255 characters at most \
         */

/* The next word of a folded text, or 0 at its end. */
static size_t word_at(const char **text)
{
    *text += strspn(*text, " ");
    return strcspn(*text, " ");
}

static size_t count_words(const char *text)
{
    size_t count = 0;
    for (size_t length; (length = word_at(&text)) > 0; text += length)
        count++;
    return count;
}

static bool has_word(const char *name, const char *word, size_t length,
                     bool beginning)
{
    for (size_t size; (size = word_at(&name)) > 0; name += size) {
        if (size >= length && strncmp(name, word, length) == 0 &&
            (beginning || size == length))
            return true;
    }
    return false;
}

static bool has_words(const char *name, const char *typed, bool beginnings)
{
    for (size_t length; (length = word_at(&typed)) > 0; typed += length) {
        if (!has_word(name, typed, length, beginnings))
            return false;
    }
    return true;
}

int32_t closures_fit(const char *name, const char *typed)
{
    if (strcmp(name, typed) == 0)
        return 0;
    size_t words = count_words(typed);
    if (words == 0 || !has_words(name, typed, true))
        return CLOSURES_NO_FIT;
    size_t all = count_words(name);
    int32_t more = all > words ? (int32_t)(all - words) : 0;
    more = more >= CLOSURES_BEGINNINGS ? CLOSURES_BEGINNINGS - 1 : more;
    if (!has_words(name, typed, false))
        return CLOSURES_BEGINNINGS + more;
    return more > 0 ? more : 1; /* the same words in another order */
}

/* ------------------------------------------------------------ all that fit */
static enum pt_err add_name(struct closures_streets *streets,
                            const char *folded)
{
    if (pt_room(&streets->names, &streets->name_room, streets->name_count + 1,
                sizeof(*streets->names)) != PT_OK)
        return PT_E_NOMEM;
    char *copy = strdup(folded);
    if (copy == NULL)
        return PT_E_NOMEM;
    streets->names[streets->name_count++] = copy;
    return PT_OK;
}

static enum pt_err add_edge(struct closures_streets *streets, int32_t fit,
                            uint32_t edge)
{
    if (pt_room(&streets->items, &streets->room, streets->count + 1,
                sizeof(*streets->items)) != PT_OK)
        return PT_E_NOMEM;
    streets->items[streets->count++] =
        (struct closures_street){fit, (uint32_t)streets->name_count - 1, edge};
    return PT_OK;
}

/* A name comes up once for each run of edges that bear it. */
static int by_text(const void *left, const void *right, void *names)
{
    char *const *texts = names;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    int order = strcmp(texts[a], texts[b]);
    return order != 0 ? order : a < b ? -1 : a > b;
}

static enum pt_err number_names(struct closures_streets *streets)
{
    size_t count = streets->name_count;
    uint32_t *order = calloc(2 * count + 1, sizeof(*order));
    uint32_t *first = order + count; /* of those that are the same */
    if (order == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    if (count > 1)
        qsort_r(order, count, sizeof(*order), by_text, streets->names);
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && strcmp(streets->names[order[i]],
                                    streets->names[order[i - 1]]) == 0;
        first[order[i]] = same ? first[order[i - 1]] : order[i];
    }
    for (size_t i = 0; i < streets->count; i++)
        streets->items[i].name = first[streets->items[i].name];
    free(order);
    return PT_OK;
}

static int by_fit(const void *left, const void *right)
{
    const struct closures_street *a = left;
    const struct closures_street *b = right;
    if (a->fit != b->fit)
        return a->fit < b->fit ? -1 : 1;
    if (a->name != b->name)
        return a->name < b->name ? -1 : 1;
    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

bool closures_driven(const struct roads *roads, uint32_t edge)
{
    return roads_edge_node(roads, 2 * edge) != 0 ||
           roads_edge_node(roads, 2 * edge + 1) != 0;
}

enum pt_err closures_streets_find(const struct roads *roads, const char *typed,
                                  struct closures_streets *ret)
{
    struct closures_streets streets = {0};
    const char *last = NULL;
    int32_t fit = CLOSURES_NO_FIT;
    char folded[NAME_BYTES];
    enum pt_err err = PT_OK;
    for (size_t e = 0; e < roads_edge_count(roads) && err == PT_OK; e++) {
        const char *name = roads_edge_name(roads, 2 * (uint32_t)e);
        if (name == NULL || !closures_driven(roads, (uint32_t)e))
            continue;
        if (name != last) {
            catalog_fold(name, folded, sizeof(folded));
            fit = closures_fit(folded, typed);
            last = name;
            if (fit != CLOSURES_NO_FIT)
                err = add_name(&streets, folded);
        }
        if (fit != CLOSURES_NO_FIT && err == PT_OK)
            err = add_edge(&streets, fit, (uint32_t)e);
    }
    if (err == PT_OK)
        err = number_names(&streets);
    if (err != PT_OK) {
        closures_streets_clear(&streets);
        return err;
    }
    if (streets.count > 1)
        qsort(streets.items, streets.count, sizeof(*streets.items), by_fit);
    if (streets.count > CLOSURES_FITS_MAX)
        streets.count = CLOSURES_FITS_MAX;
    *ret = streets;
    return PT_OK;
}

void closures_streets_clear(struct closures_streets *streets)
{
    for (size_t i = 0; i < streets->name_count; i++)
        free(streets->names[i]);
    free(streets->names);
    free(streets->items);
    *streets = (struct closures_streets){0};
}

/* A street corner as typed. */
#include "closures_internal.h"

#include "catalog.h"
#include <stdlib.h>
#include <string.h>

#define TYPED_BYTES CLOSURES_STREET_BYTES
#define NAME_BYTES 512
/* Letters of a word in which errors are looked for; longer ones have to be
 * right. */
#define WORD_MAX 31

/* ------------------------------------------------------------------- errors
 */
static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau's distance in its restricted form (neighbours may be swapped), of
 * words of at most WORD_MAX bytes. */
static size_t errors(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *older = rows[0], *old = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *spare = older;
        older = old;
        old = row;
        row = spare;
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(least(old[j], row[j - 1]) + 1,
                           old[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], older[j - 2] + 1);
        }
    }
    return row[b_size];
}

struct word {
    const char *typed;
    size_t size;
    size_t wrong; /* of `best`; what is still forgiven, plus 1, at first */
    char best[WORD_MAX + 1];
};

/* 0: it has to be right. */
static size_t forgiven(size_t size)
{
    if (size > WORD_MAX || size < 4)
        return 0;
    return size < 8 ? 1 : 2;
}

static void look_at_name(struct word *word, const char *name)
{
    for (size_t size;
         name += strspn(name, " "), (size = strcspn(name, " ")) > 0;
         name += size) {
        bool begins =
            size >= word->size && strncmp(name, word->typed, word->size) == 0;
        if (size > WORD_MAX)
            continue;
        size_t wrong = begins ? 0 : errors(word->typed, word->size, name, size);
        if (wrong >= word->wrong)
            continue;
        word->wrong = wrong;
        memcpy(word->best, name, size);
        word->best[size] = '\0';
    }
}

/* The names' word that is nearest to it; as it is when none is near, or when
 * names have it, or begin so. */
static void correct_word(const struct roads *roads, struct word *word)
{
    const char *last = NULL;
    char folded[NAME_BYTES];
    for (size_t e = 0; e < roads_edge_count(roads) && word->wrong > 0; e++) {
        const char *name = roads_edge_name(roads, 2 * (uint32_t)e);
        if (name == NULL || name == last)
            continue;
        last = name;
        catalog_fold(name, folded, sizeof(folded));
        look_at_name(word, folded);
    }
}

/* `typed` with each word of it that is wrong as it is in some name. */
static void correct(const struct roads *roads, const char *typed,
                    char out[TYPED_BYTES])
{
    size_t used = 0;
    for (size_t size;
         typed += strspn(typed, " "), (size = strcspn(typed, " ")) > 0;
         typed += size) {
        struct word word = {.typed = typed, .size = size};
        word.wrong = forgiven(size) + 1;
        if (forgiven(size) > 0)
            correct_word(roads, &word);
        bool better = word.best[0] != '\0' && word.wrong > 0;
        const char *taken = better ? word.best : typed;
        size_t length = better ? strlen(word.best) : size;
        if (used + length + 2 > TYPED_BYTES)
            break;
        if (used > 0)
            out[used++] = ' ';
        memcpy(out + used, taken, length);
        used += length;
    }
    out[used] = '\0';
}

/* Streets called so, or nearly so. */
static enum pt_err find_streets(const struct roads *roads, const char *typed,
                                struct closures_streets *ret)
{
    char corrected[TYPED_BYTES];
    enum pt_err err = closures_streets_find(roads, typed, ret);
    if (err != PT_OK || ret->count > 0)
        return err;
    correct(roads, typed, corrected);
    return closures_streets_find(roads, corrected, ret);
}

/* -------------------------------------------------------------- where they
 * meet
 */
/* An end of an edge of the first street. */
struct end {
    int64_t node;
    const struct closures_street *item;
};

struct corners {
    const struct roads *roads;
    size_t count;
    struct closures_corner *best; /* CLOSURES_CORNERS_MAX */
    int64_t fit[CLOSURES_CORNERS_MAX];
};

static int by_node(const void *left, const void *right)
{
    const struct end *a = left;
    const struct end *b = right;
    return a->node < b->node ? -1 : a->node > b->node;
}

static bool is_same(const struct closures_corner *a,
                    const struct closures_corner *b)
{
    bool along =
        strcmp(a->street, b->street) == 0 && strcmp(a->cross, b->cross) == 0;
    bool across =
        strcmp(a->street, b->cross) == 0 && strcmp(a->cross, b->street) == 0;
    return (along || across) &&
           geo_distance_m(a->at, b->at) <= CLOSURES_SAME_PLACE_M;
}

/* Among the best, in their order; of one place what fits better. */
static void add(struct corners *c, const struct closures_corner *corner,
                int64_t fit)
{
    size_t at = c->count;
    for (size_t i = 0; i < c->count; i++) {
        if (!is_same(&c->best[i], corner))
            continue;
        if (c->fit[i] <= fit)
            return;
        at = i;
    }
    if (at == CLOSURES_CORNERS_MAX) {
        if (c->fit[--at] <= fit)
            return;
    } else if (at == c->count) {
        c->count++;
    }
    for (; at > 0 && c->fit[at - 1] > fit; at--) {
        c->best[at] = c->best[at - 1];
        c->fit[at] = c->fit[at - 1];
    }
    c->best[at] = *corner;
    c->fit[at] = fit;
}

/* A corner of one street with itself is none. */
static void meet(struct corners *c, const struct end *ends, size_t count,
                 const struct closures_street *cross, uint32_t directed)
{
    struct end key = {.node = roads_edge_node(c->roads, directed)};
    const struct end *found =
        key.node == 0 ? NULL
                      : bsearch(&key, ends, count, sizeof(*ends), by_node);
    if (found == NULL)
        return;
    while (found > ends && found[-1].node == key.node)
        found--;
    for (; found < ends + count && found->node == key.node; found++) {
        struct closures_corner corner = {
            .street = roads_edge_name(c->roads, 2 * found->item->edge),
            .cross = roads_edge_name(c->roads, directed),
            .at = roads_place_on(c->roads, directed, 1).at,
        };
        if (strcmp(corner.street, corner.cross) != 0)
            add(c, &corner, (int64_t)found->item->fit + cross->fit);
    }
}

static enum pt_err meet_all(struct corners *c,
                            const struct closures_streets *street,
                            const struct closures_streets *cross)
{
    size_t count = 2 * street->count;
    struct end *ends = calloc(count + 1, sizeof(*ends));
    if (ends == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        ends[i].item = &street->items[i / 2];
        ends[i].node = roads_edge_node(c->roads, 2 * ends[i].item->edge +
                                                     (uint32_t)(i % 2));
    }
    if (count > 0)
        qsort(ends, count, sizeof(*ends), by_node);
    for (size_t i = 0; i < 2 * cross->count; i++)
        meet(c, ends, count, &cross->items[i / 2],
             2 * cross->items[i / 2].edge + (uint32_t)(i % 2));
    free(ends);
    return PT_OK;
}

static enum pt_err look_up(struct corners *c, const char *street,
                           const char *cross)
{
    struct closures_streets streets = {0}, crosses = {0};
    enum pt_err err = find_streets(c->roads, street, &streets);
    if (err == PT_OK && streets.count > 0)
        err = find_streets(c->roads, cross, &crosses);
    if (err == PT_OK && crosses.count > 0)
        err = meet_all(c, &streets, &crosses);
    closures_streets_clear(&streets);
    closures_streets_clear(&crosses);
    return err;
}

/* ----------------------------------------------------------- what was typed */
/* Signs become words before all else but letters is folded away. */
static bool fold_typed(const char *typed, char out[TYPED_BYTES])
{
    char spelt[TYPED_BYTES];
    size_t used = 0;
    for (; *typed != '\0'; typed++) {
        const char *sign = strchr("&/@+", *typed) != NULL ? " y " : NULL;
        size_t size = sign != NULL ? 3 : 1;
        if (used + size >= sizeof(spelt))
            return false;
        memcpy(spelt + used, sign != NULL ? sign : typed, size);
        used += size;
    }
    spelt[used] = '\0';
    catalog_fold(spelt, out, TYPED_BYTES);
    return true;
}

enum pt_err closures_corners(const struct roads *roads, const char *typed,
                             struct closures_corner ret[CLOSURES_CORNERS_MAX],
                             size_t *count)
{
    /* Street names have such words, too: each is tried. */
    static const char *const betweens[] = {
        " y ",         " e ",   " and ",   " et ",     " con ",   " esquina ",
        " esquina a ", " esq ", " esq a ", " corner ", " angle ",
    };
    struct corners c = {.roads = roads, .best = ret};
    char text[TYPED_BYTES];
    enum pt_err err = PT_OK;
    *count = 0;
    if (!fold_typed(typed, text))
        return PT_OK;
    for (size_t i = 0; i < sizeof(betweens) / sizeof(*betweens); i++) {
        size_t size = strlen(betweens[i]);
        for (char *at = strstr(text, betweens[i]); at != NULL && err == PT_OK;
             at = strstr(at + 1, betweens[i])) {
            *at = '\0';
            err = look_up(&c, text, at + size);
            *at = ' ';
        }
    }
    /* "L" begins a word of many names: noise beside a street of that name. */
    while (c.count > 0 && c.fit[0] < CLOSURES_BEGINNINGS &&
           c.fit[c.count - 1] >= CLOSURES_BEGINNINGS)
        c.count--;
    for (size_t i = 0; i < c.count; i++)
        ret[i].best = c.fit[i] == c.fit[0];
    if (err == PT_OK)
        *count = c.count;
    return err;
}

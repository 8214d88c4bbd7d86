#include "closures_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const direction_words[] = {
    [CLOSURES_BOTH] = "both",
    [CLOSURES_FORWARD] = "forward",
    [CLOSURES_BACKWARD] = "backward",
};

const char *closures_direction_word(enum closures_direction direction)
{
    return direction_words[direction];
}

bool closures_direction_parse(const char *word, enum closures_direction *ret)
{
    for (int i = CLOSURES_BOTH; i <= CLOSURES_BACKWARD; i++) {
        if (strcmp(word, direction_words[i]) == 0) {
            *ret = (enum closures_direction)i;
            return true;
        }
    }
    return false;
}

void closures_piece_clear(struct closures_piece *piece)
{
    free(piece->points);
    *piece = (struct closures_piece){0};
}

double closures_line_m(const struct geo_point *points, size_t count)
{
    double sum = 0.0;
    for (size_t i = 1; i < count; i++)
        sum += geo_distance_m(points[i - 1], points[i]);
    return sum;
}

/* ----------------------------------------------------------- all of them */
static void item_clear(struct closure *item)
{
    for (size_t i = 0; i < item->piece_count && item->pieces != NULL; i++)
        closures_piece_clear(&item->pieces[i]);
    free(item->pieces);
    free(item->street);
    free(item->who);
    free(item->reason);
}

static bool copy_text(const char *from, char **to)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

static enum pt_err copy_piece(const struct closures_piece *from,
                              struct closures_piece *to)
{
    *to = *from;
    to->points = calloc(from->point_count, sizeof(*to->points));
    if (to->points == NULL)
        return PT_E_NOMEM;
    memcpy(to->points, from->points, from->point_count * sizeof(*to->points));
    return PT_OK;
}

static enum pt_err copy_item(const struct closure *from, struct closure *to)
{
    enum pt_err err = PT_OK;
    *to = *from;
    to->street = to->who = to->reason = NULL;
    to->pieces = calloc(from->piece_count + 1, sizeof(*to->pieces));
    if (to->pieces == NULL || !copy_text(from->street, &to->street) ||
        !copy_text(from->who, &to->who) ||
        !copy_text(from->reason, &to->reason))
        return PT_E_NOMEM;
    for (size_t i = 0; i < from->piece_count && err == PT_OK; i++)
        err = copy_piece(&from->pieces[i], &to->pieces[i]);
    return err;
}

static int by_id(const void *left, const void *right)
{
    const struct closure *a = left;
    const struct closure *b = right;
    return a->closure_id < b->closure_id ? -1 : a->closure_id > b->closure_id;
}

enum pt_err closures_new(const struct closure *items, size_t count,
                         struct closures **ret)
{
    struct closures *closures = calloc(1, sizeof(*closures));
    if (closures == NULL)
        return PT_E_NOMEM;
    atomic_init(&closures->references, 1);
    closures->items = calloc(count + 1, sizeof(*closures->items));
    enum pt_err err = closures->items == NULL ? PT_E_NOMEM : PT_OK;
    for (size_t i = 0; i < count && err == PT_OK; i++) {
        err = copy_item(&items[i], &closures->items[i]);
        closures->count++; /* what there is of it is freed, too */
    }
    if (err != PT_OK) {
        closures_unref(closures);
        return err;
    }
    if (count > 1)
        qsort(closures->items, count, sizeof(*closures->items), by_id);
    *ret = closures;
    return PT_OK;
}

enum pt_err closures_with(const struct closures *base,
                          const struct closure *items, size_t count,
                          struct closures **ret)
{
    struct closure *all = calloc(base->count + count + 1, sizeof(*all));
    if (all == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < base->count + count; i++)
        all[i] = i < base->count ? base->items[i] : items[i - base->count];
    enum pt_err err = closures_new(all, base->count + count, ret);
    free(all);
    return err;
}

size_t closures_count(const struct closures *closures)
{
    return closures->count;
}

const struct closure *closures_at(const struct closures *closures, size_t index)
{
    return &closures->items[index];
}

struct closures *closures_ref(struct closures *closures)
{
    atomic_fetch_add_explicit(&closures->references, 1, memory_order_relaxed);
    return closures;
}

void closures_unref(struct closures *closures)
{
    if (closures == NULL ||
        atomic_fetch_sub_explicit(&closures->references, 1,
                                  memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < closures->count; i++)
        item_clear(&closures->items[i]);
    free(closures->items);
    free(closures);
}

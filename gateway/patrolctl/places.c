/* Places as lists name them: what every reader checks. */
#include "patrolctl_places.h"
#include "pt_room.h"
#include "text.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum pt_err ctl_fault(struct ctl_places *places, size_t where,
                      const char *format, ...)
{
    if (pt_room(&places->faults, &places->fault_room, places->fault_count + 1,
                sizeof *places->faults) != PT_OK)
        return PT_E_NOMEM;
    struct ctl_fault *fault = &places->faults[places->fault_count++];
    va_list args;
    fault->where = where;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return PT_OK;
}

enum pt_err ctl_places_fault(struct ctl_places *places, size_t where,
                             const char *text)
{
    return ctl_fault(places, where, "%s", text);
}

/* A copy with runs of spaces, line feeds and other control characters as one
 * space and none at the ends; NULL when nothing is left. */
static enum pt_err tidy(const char *text, char **ret)
{
    *ret = NULL;
    if (text == NULL)
        return PT_OK;
    char *copy = malloc(strlen(text) + 1);
    if (copy == NULL)
        return PT_E_NOMEM;
    size_t used = 0;
    bool gap = false;
    for (; *text != 0; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            gap = used > 0;
            continue;
        }
        if (gap)
            copy[used++] = ' ';
        gap = false;
        copy[used++] = *text;
    }
    copy[used] = 0;
    if (used > 0)
        *ret = copy;
    else
        free(copy);
    return PT_OK;
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != 0; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static bool is_utf8(const char *text)
{
    return text == NULL || text_utf8_valid(text, strlen(text));
}

static void place_clear(struct ctl_place *place)
{
    free(place->name);
    free(place->kind);
    free(place->ref);
    free(place->time_zone);
    free(place->geometry);
}

/* The first thing that is wrong; NULL when nothing is. */
static const char *wrong_with(const struct ctl_place *place,
                              const struct ctl_place_draft *draft)
{
    if (!is_utf8(place->name) || !is_utf8(place->kind) ||
        !is_utf8(place->ref) || !is_utf8(place->time_zone))
        return "a text is not UTF-8";
    if (place->name == NULL)
        return "no name";
    if (characters(place->name) > CTL_NAME_MAX)
        return "the name has more than 200 characters";
    if ((place->kind != NULL && characters(place->kind) > CTL_NAME_MAX) ||
        (place->ref != NULL && characters(place->ref) > CTL_NAME_MAX))
        return "kind or ref has more than 200 characters";
    if (draft->geometry != NULL)
        return NULL;
    if (!draft->has_point)
        return "no coordinates";
    if (!(draft->lat_deg >= -90 && draft->lat_deg <= 90 &&
          draft->lon_deg >= -180 && draft->lon_deg <= 180))
        return "the coordinates are not on the globe";
    return NULL;
}

enum pt_err ctl_place_add(struct ctl_places *places,
                          const struct ctl_place_draft *draft, size_t limit)
{
    struct ctl_place place = {
        .where = draft->where,
        .lat_deg = draft->lat_deg,
        .lon_deg = draft->lon_deg,
        .promise_s = draft->promise_s,
    };
    const char *wrong = NULL;
    enum pt_err err = places->count < limit ? PT_OK : PT_E_FULL;
    if (err == PT_OK)
        err = tidy(draft->name, &place.name);
    if (err == PT_OK)
        err = tidy(draft->kind, &place.kind);
    if (err == PT_OK)
        err = tidy(draft->ref, &place.ref);
    if (err == PT_OK)
        err = tidy(draft->time_zone, &place.time_zone);
    if (err == PT_OK && draft->geometry != NULL &&
        (place.geometry = strdup(draft->geometry)) == NULL)
        err = PT_E_NOMEM;
    if (err == PT_OK)
        wrong = wrong_with(&place, draft);
    if (wrong != NULL)
        err = ctl_fault(places, draft->where, "%s", wrong);
    if (err == PT_OK && wrong == NULL) {
        if (pt_room(&places->places, &places->room, places->count + 1,
                    sizeof *places->places) == PT_OK) {
            places->places[places->count++] = place;
            return PT_OK;
        }
        err = PT_E_NOMEM;
    }
    place_clear(&place);
    return err;
}

/* ------------------------------------------------------- repeated keys */
static int by_key(const void *a, const void *b)
{
    const struct ctl_place *left = *(struct ctl_place *const *)a;
    const struct ctl_place *right = *(struct ctl_place *const *)b;
    bool left_ref = left->ref != NULL;
    bool right_ref = right->ref != NULL;
    if (left_ref != right_ref)
        return left_ref ? -1 : 1;
    int order = strcmp(left_ref ? left->ref : left->name,
                       right_ref ? right->ref : right->name);
    if (order != 0)
        return order;
    return left->where < right->where ? -1 : left->where > right->where;
}

static bool same_key(const struct ctl_place *a, const struct ctl_place *b)
{
    if ((a->ref != NULL) != (b->ref != NULL))
        return false;
    return a->ref != NULL ? strcmp(a->ref, b->ref) == 0
                          : strcmp(a->name, b->name) == 0;
}

/* Drops what was marked by taking its name away. */
static void drop_nameless(struct ctl_places *places)
{
    size_t kept = 0;
    for (size_t i = 0; i < places->count; i++) {
        if (places->places[i].name == NULL)
            place_clear(&places->places[i]);
        else
            places->places[kept++] = places->places[i];
    }
    places->count = kept;
}

enum pt_err ctl_places_once(struct ctl_places *places)
{
    enum pt_err err = PT_OK;
    if (places->count < 2)
        return PT_OK;
    struct ctl_place **sorted = malloc(places->count * sizeof(void *));
    if (sorted == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < places->count; i++)
        sorted[i] = &places->places[i];
    qsort(sorted, places->count, sizeof(void *), by_key);
    const struct ctl_place *first = sorted[0];
    for (size_t i = 1; i < places->count && err == PT_OK; i++) {
        if (!same_key(first, sorted[i])) {
            first = sorted[i];
            continue;
        }
        err = ctl_fault(places, sorted[i]->where, "the same %s as in %s %zu",
                        first->ref != NULL ? "ref" : "name", places->unit,
                        first->where);
        free(sorted[i]->name);
        sorted[i]->name = NULL;
    }
    free(sorted);
    drop_nameless(places);
    return err;
}

void ctl_places_clear(struct ctl_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        place_clear(&places->places[i]);
    free(places->places);
    free(places->faults);
    *places = (struct ctl_places){0};
}

/* ------------------------------------------------------------- numbers */
bool ctl_parse_degrees(const char *text, double *ret)
{
    double value = 0;
    double place = 1;
    int digits = 0;
    bool point = false;
    text += strspn(text, " ");
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        /* 15 digits are exact in a double; more are noise here. */
        if (++digits > 15) {
            if (!point)
                return false;
            continue;
        }
        value = value * 10 + (*text - '0');
        place *= point ? 10 : 1;
    }
    text += strspn(text, " ");
    if (digits == 0 || *text != 0)
        return false;
    *ret = (negative ? -value : value) / place;
    return true;
}

bool ctl_parse_point(const char *text, double *lat_deg, double *lon_deg)
{
    char latitude[64];
    double lat;
    double lon;
    size_t comma = strcspn(text, ",");
    if (text[comma] == 0 || comma >= sizeof latitude)
        return false;
    memcpy(latitude, text, comma);
    latitude[comma] = 0;
    if (!ctl_parse_degrees(latitude, &lat) ||
        !ctl_parse_degrees(text + comma + 1, &lon) || lat < -90 || lat > 90 ||
        lon < -180 || lon > 180)
        return false;
    *lat_deg = lat;
    *lon_deg = lon;
    return true;
}

/* What is meant by what was typed: a part of a street, a point, ways. */
#include "closures_internal.h"

#include "catalog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of those, the ones that are so much longer than the shortest lead another
 * way round. */
#define LONGER 1.6

/* A word that so many streets have in their names says too little. */
#define NAMES_MAX 200

#define TYPED_BYTES CLOSURES_STREET_BYTES

/* ----------------------------------------------------------- what was typed */
struct typed {
    char text[TYPED_BYTES]; /* folded, cut up */
    const char *street;
    const char *from, *to; /* NULL: the whole street */
};

/* Cuts `text` at the first `word` (" and ") from `at` on; NULL: none. */
static char *cut(char *text, const char *word)
{
    char *found = strstr(text, word);
    if (found == NULL)
        return NULL;
    *found = '\0';
    return found + strlen(word);
}

static bool take_typed(const char *street, struct typed *ret)
{
    static const char *const betweens[] = {" between ", " entre "};
    static const char *const ands[] = {" and ", " y ", " e ", " et "};
    char *cross = NULL;
    if (strlen(street) >= sizeof(ret->text))
        return false;
    catalog_fold(street, ret->text, sizeof(ret->text));
    ret->street = ret->text;
    ret->from = ret->to = NULL;
    for (size_t i = 0; i < 2 && cross == NULL; i++)
        cross = cut(ret->text, betweens[i]);
    if (cross == NULL)
        return *ret->street != '\0';
    ret->from = cross;
    for (size_t i = 0; i < 4 && ret->to == NULL; i++)
        ret->to = cut(cross, ands[i]);
    return *ret->street != '\0' && ret->to != NULL && *ret->from != '\0' &&
           *ret->to != '\0';
}

/* ------------------------------------------------------------------- pieces */
static enum pt_err add_piece(const struct roads *roads, uint32_t directed,
                             struct closures_found *ret)
{
    size_t count = 0;
    const struct geo_point *line =
        roads_edge_line(roads, directed >> 1, &count);
    if (ret->piece_count == CLOSURES_PIECES_MAX)
        return PT_E_FULL;
    if (ret->pieces == NULL)
        ret->pieces = calloc(CLOSURES_PIECES_MAX, sizeof(*ret->pieces));
    if (ret->pieces == NULL)
        return PT_E_NOMEM;
    struct closures_piece *piece = &ret->pieces[ret->piece_count];
    piece->points = calloc(count, sizeof(*piece->points));
    if (piece->points == NULL)
        return PT_E_NOMEM;
    piece->way_id = roads_edge_way(roads, directed);
    piece->from_node = roads_edge_node(roads, roads_reverse(directed));
    piece->to_node = roads_edge_node(roads, directed);
    piece->point_count = count;
    for (size_t i = 0; i < count; i++)
        piece->points[i] = line[directed & 1u ? count - 1 - i : i];
    ret->piece_count++;
    return PT_OK;
}

void closures_found_clear(struct closures_found *found)
{
    for (size_t i = 0; i < found->piece_count; i++)
        closures_piece_clear(&found->pieces[i]);
    free(found->pieces);
    *found = (struct closures_found){0};
}

static void say_missing(struct closures_found *ret, const char *what)
{
    snprintf(ret->missing, sizeof(ret->missing), "%s", what);
}

/* -------------------------------------------------------------------- places
 */
static bool same_place(const struct closures_section *a,
                       const struct closures_section *b)
{
    return strcmp(a->name, b->name) == 0 &&
           geo_distance_m(a->from, b->from) <= CLOSURES_SAME_PLACE_M &&
           geo_distance_m(a->to, b->to) <= CLOSURES_SAME_PLACE_M;
}

/* One for each place; how many there are. */
static size_t tell_choices(const struct roads *roads,
                           const struct closures_sections *sections,
                           struct closures_found *ret)
{
    size_t places = 0;
    ret->choice_count = 0;
    for (size_t i = 0; i < sections->count; i++) {
        const struct closures_section *s = &sections->items[i];
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = same_place(&sections->items[j], s);
        if (seen)
            continue;
        places++;
        if (ret->choice_count < CLOSURES_CHOICES_MAX)
            ret->choices[ret->choice_count++] = (struct closures_choice){
                s->name,
                roads_place_on(roads, s->directed[s->count / 2], 0.5).at};
    }
    return places;
}

static enum pt_err take_sections(const struct roads *roads,
                                 const struct closures_sections *sections,
                                 struct closures_found *ret)
{
    double shortest_m = sections->items[0].length_m;
    enum pt_err err = PT_OK;
    if (tell_choices(roads, sections, ret) > 1)
        return PT_E_RANGE;
    ret->choice_count = 0;
    for (size_t i = 1; i < sections->count; i++) {
        if (sections->items[i].length_m < shortest_m)
            shortest_m = sections->items[i].length_m;
    }
    for (size_t i = 0; i < sections->count; i++) {
        const struct closures_section *s = &sections->items[i];
        if (s->length_m > LONGER * shortest_m)
            continue;
        for (size_t e = 0; e < s->count && err == PT_OK; e++)
            err = add_piece(roads, s->directed[e], ret);
    }
    const struct closures_section *first = &sections->items[0];
    if (first->from_name != NULL)
        snprintf(ret->street, sizeof(ret->street), "%s (%s - %s)", first->name,
                 first->from_name, first->to_name);
    else
        snprintf(ret->street, sizeof(ret->street), "%s", first->name);
    ret->has_direction = first->from_name != NULL;
    return err;
}

/* ------------------------------------------------------------------- streets
 */
struct search {
    const struct roads *roads;
    struct closures_streets street, from, to;
    bool between;
    struct closures_sections sections;
    unsigned met;
};

/* More names fit as well as that of item `at` than can be meant: some of them
 * are the choices. */
static bool is_vague(const struct search *s, size_t at,
                     struct closures_found *ret)
{
    const struct closures_street *items = s->street.items;
    size_t names = 0;
    ret->choice_count = 0;
    for (size_t i = at; i < s->street.count && items[i].fit == items[at].fit;
         i++) {
        if (i > at && items[i].name == items[i - 1].name)
            continue;
        uint32_t directed = 2 * items[i].edge;
        if (names++ < CLOSURES_CHOICES_MAX)
            ret->choices[ret->choice_count++] = (struct closures_choice){
                roads_edge_name(s->roads, directed),
                roads_place_on(s->roads, directed, 0.5).at};
    }
    if (names <= NAMES_MAX)
        ret->choice_count = 0;
    return names > NAMES_MAX;
}

/* The sections of all streets that fit as well as that of item `*at`, which
 * goes on to the first that fits worse. */
static enum pt_err look_at_fit(struct search *s, size_t *at,
                               struct closures_found *ret)
{
    const struct closures_streets *streets = &s->street;
    int32_t fit = streets->items[*at].fit;
    enum pt_err err = is_vague(s, *at, ret) ? PT_E_RANGE : PT_OK;
    while (*at < streets->count && streets->items[*at].fit == fit &&
           err == PT_OK) {
        const struct closures_street *first = &streets->items[*at];
        size_t count = 0;
        for (; *at < streets->count && streets->items[*at].fit == fit &&
               streets->items[*at].name == first->name;
             ++*at)
            count++;
        if (s->between)
            err = closures_sections_between(s->roads, first, count, &s->from,
                                            &s->to, &s->sections, &s->met);
        else
            err = closures_sections_whole(s->roads, first, count, &s->sections);
    }
    return err;
}

static enum pt_err look_up(struct search *s, const struct typed *typed,
                           struct closures_found *ret)
{
    const struct {
        const char *words;
        struct closures_streets *streets;
    } names[] = {{typed->street, &s->street},
                 {typed->from, &s->from},
                 {typed->to, &s->to}};
    for (size_t i = 0; i < (s->between ? 3 : 1); i++) {
        enum pt_err err =
            closures_streets_find(s->roads, names[i].words, names[i].streets);
        if (err != PT_OK)
            return err;
        if (names[i].streets->count == 0) {
            say_missing(ret, names[i].words);
            return PT_E_NOTFOUND;
        }
    }
    return PT_OK;
}

static enum pt_err find_street(const struct roads *roads, const char *street,
                               struct closures_found *ret)
{
    struct typed typed;
    struct search s = {.roads = roads};
    size_t at = 0;
    if (!take_typed(street, &typed))
        return PT_E_MALFORMED;
    s.between = typed.from != NULL;
    enum pt_err err = look_up(&s, &typed, ret);
    while (err == PT_OK && at < s.street.count && s.sections.count == 0)
        err = look_at_fit(&s, &at, ret);
    if (err == PT_OK && s.sections.count == 0) {
        say_missing(ret, s.met & 1u ? typed.to : typed.from);
        err = PT_E_UNREACHABLE;
    }
    if (err == PT_OK)
        err = take_sections(roads, &s.sections, ret);
    closures_sections_clear(&s.sections);
    closures_streets_clear(&s.street);
    closures_streets_clear(&s.from);
    closures_streets_clear(&s.to);
    return err;
}

/* --------------------------------------------------------------- point, ways
 */
static enum pt_err find_point(const struct roads *roads, struct geo_point at,
                              struct closures_found *ret)
{
    struct roads_place place;
    if (!geo_valid(at))
        return PT_E_MALFORMED;
    enum pt_err err = roads_snap(roads, at, CLOSURES_POINT_REACH_M, &place);
    if (err != PT_OK)
        return err;
    const char *name = roads_edge_name(roads, 2 * place.edge);
    snprintf(ret->street, sizeof(ret->street), "%s (%.6f,%.6f)",
             name != NULL ? name : "-", geo_lat_deg(place.at),
             geo_lon_deg(place.at));
    return add_piece(roads, 2 * place.edge, ret);
}

static enum pt_err find_ways(const struct roads *roads,
                             const struct closures_wish *wish,
                             struct closures_found *ret)
{
    size_t used = 0;
    if (wish->way_count > CLOSURES_WAYS_MAX)
        return PT_E_FULL;
    ret->has_direction = true;
    for (size_t i = 0; i < wish->way_count; i++) {
        size_t before = ret->piece_count;
        for (size_t e = 0; e < roads_edge_count(roads); e++) {
            uint32_t directed = 2 * (uint32_t)e;
            if (roads_edge_way(roads, directed) != wish->ways[i] ||
                !closures_driven(roads, (uint32_t)e))
                continue;
            enum pt_err err = add_piece(roads, directed, ret);
            if (err != PT_OK)
                return err;
        }
        char text[32];
        snprintf(text, sizeof(text), "way %lld", (long long)wish->ways[i]);
        if (ret->piece_count == before) {
            say_missing(ret, text);
            return PT_E_NOTFOUND;
        }
        if (used < sizeof(ret->street)) /* what is cut off is only told */
            used +=
                (size_t)snprintf(ret->street + used, sizeof(ret->street) - used,
                                 "%s%s", i > 0 ? ", " : "", text);
    }
    return PT_OK;
}

enum pt_err closures_find(const struct roads *roads,
                          const struct closures_wish *wish,
                          struct closures_found *ret)
{
    *ret = (struct closures_found){0};
    int ways = (wish->street != NULL) + wish->has_point + (wish->way_count > 0);
    if (ways != 1)
        return PT_E_MALFORMED;
    if (wish->street != NULL)
        return find_street(roads, wish->street, ret);
    return wish->has_point ? find_point(roads, wish->at, ret)
                           : find_ways(roads, wish, ret);
}

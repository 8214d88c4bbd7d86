/* Which edges of a street hang together: all of them, or from one cross street
 * to the next. A dual carriageway is one street in two parts. */
#include "closures_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where no junction of two streets is theirs both (a roundabout of another
 * name, a slip road), they meet where they come so near to each other. */
#define MEETS_M 40.0
#define MEETS_E6 400 /* of latitude: 44 m */
/* A square, a river or a park may part a street. */
#define SAME_STREET_M 200.0
/* Above so many junctions parts are not compared by distance: a name so common
 * is in several places anyway. */
#define COMPARED_MAX 2000

/* A junction of the street. */
struct junction {
    int64_t id;
    struct geo_point at;
    const char *meets[2]; /* the cross street's name, of either; NULL: none */
    uint32_t part;        /* root of its part; itself where it begins */
    double m;             /* from the nearest that meets the first */
};

struct street {
    const struct roads *roads;
    const struct closures_street *edges;
    size_t count;
    size_t junction_count;
    struct junction *junctions; /* by id */
    uint32_t (*ends)[2];        /* of each edge: source, target */
    uint32_t *part;             /* of each edge: of which it is */
};

/* -------------------------------------------------------------- the junctions
 */
static int by_id(const void *left, const void *right)
{
    const struct junction *a = left;
    const struct junction *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static struct geo_point end_of(const struct roads *roads, uint32_t directed)
{
    size_t count = 0;
    const struct geo_point *line =
        roads_edge_line(roads, directed >> 1, &count);
    return directed & 1u ? line[0] : line[count - 1];
}

static uint32_t junction_of(const struct street *s, uint32_t directed)
{
    struct junction key = {.id = roads_edge_node(s->roads, directed)};
    const struct junction *found =
        bsearch(&key, s->junctions, s->junction_count, sizeof(key), by_id);
    return (uint32_t)(found - s->junctions);
}

static void street_clear(struct street *s)
{
    free(s->junctions);
    free(s->ends);
    free(s->part);
}

static enum pt_err street_init(struct street *s, const struct roads *roads,
                               const struct closures_street *edges,
                               size_t count)
{
    *s = (struct street){.roads = roads, .edges = edges, .count = count};
    s->junctions = calloc(2 * count + 1, sizeof(*s->junctions));
    s->ends = calloc(count + 1, sizeof(*s->ends));
    s->part = calloc(count + 1, sizeof(*s->part));
    if (s->junctions == NULL || s->ends == NULL || s->part == NULL) {
        street_clear(s);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < 2 * count; i++) {
        uint32_t directed = 2 * edges[i / 2].edge + (uint32_t)(i % 2);
        s->junctions[i].id = roads_edge_node(roads, directed);
        s->junctions[i].at = end_of(roads, directed);
    }
    if (count > 0)
        qsort(s->junctions, 2 * count, sizeof(*s->junctions), by_id);
    for (size_t i = 0; i < 2 * count; i++) {
        if (i == 0 ||
            s->junctions[i].id != s->junctions[s->junction_count - 1].id)
            s->junctions[s->junction_count++] = s->junctions[i];
    }
    for (size_t i = 0; i < count; i++) {
        s->ends[i][0] = junction_of(s, 2 * edges[i].edge + 1);
        s->ends[i][1] = junction_of(s, 2 * edges[i].edge);
    }
    return PT_OK;
}

/* ------------------------------------------------------- where others meet it
 */
static bool is_own(const struct street *s, uint32_t edge)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->edges[i].edge == edge)
            return true;
    }
    return false;
}

/* The junctions that an edge ends at, which is not of the street. */
static bool meet_at_ends(struct street *s, uint32_t edge, int side)
{
    const char *name = roads_edge_name(s->roads, 2 * edge);
    bool met = false;
    for (uint32_t directed = 2 * edge; directed <= 2 * edge + 1; directed++) {
        struct junction key = {.id = roads_edge_node(s->roads, directed)};
        struct junction *found =
            bsearch(&key, s->junctions, s->junction_count, sizeof(key), by_id);
        if (found == NULL || is_own(s, edge))
            continue;
        found->meets[side] = name;
        met = true;
    }
    return met;
}

static bool meet_nearby(struct street *s, uint32_t edge, int side)
{
    const char *name = roads_edge_name(s->roads, 2 * edge);
    size_t count = 0;
    const struct geo_point *line = roads_edge_line(s->roads, edge, &count);
    bool met = false;
    for (size_t j = 0; j < s->junction_count; j++) {
        for (size_t i = 0; i < count; i++) {
            int64_t apart_e6 =
                (int64_t)line[i].lat_e6 - s->junctions[j].at.lat_e6;
            if (llabs(apart_e6) > MEETS_E6 ||
                geo_distance_m(line[i], s->junctions[j].at) > MEETS_M)
                continue;
            s->junctions[j].meets[side] = name;
            met = true;
            break;
        }
    }
    return met;
}

/* Those of the best-fitting names that meet it at all. */
static bool meet(struct street *s, const struct closures_streets *streets,
                 int side,
                 bool (*how)(struct street *s, uint32_t edge, int side))
{
    bool met = false;
    for (size_t i = 0; i < streets->count; i++) {
        bool next = i > 0 && streets->items[i].fit != streets->items[i - 1].fit;
        if (next && met)
            break;
        met |= how(s, streets->items[i].edge, side);
    }
    return met;
}

/* ------------------------------------------------------------------ the parts
 */
static uint32_t root(struct junction *junctions, uint32_t i)
{
    while (junctions[i].part != i) {
        junctions[i].part = junctions[junctions[i].part].part;
        i = junctions[i].part;
    }
    return i;
}

static bool is_end(const struct junction *j)
{
    return j->meets[0] != NULL || j->meets[1] != NULL;
}

/* Edges that join at a junction where no other street meets them are of one
 * part: parts are told by the roots of such junctions; an edge with none is a
 * part of its own. */
static void join_parts(struct street *s)
{
    for (uint32_t i = 0; i < s->junction_count; i++)
        s->junctions[i].part = i;
    for (size_t e = 0; e < s->count; e++) {
        uint32_t a = s->ends[e][0];
        uint32_t b = s->ends[e][1];
        if (!is_end(&s->junctions[a]) && !is_end(&s->junctions[b]))
            s->junctions[root(s->junctions, a)].part = root(s->junctions, b);
    }
    for (size_t e = 0; e < s->count; e++) {
        uint32_t a = s->ends[e][0];
        uint32_t b = s->ends[e][1];
        if (!is_end(&s->junctions[a]))
            s->part[e] = root(s->junctions, a);
        else if (!is_end(&s->junctions[b]))
            s->part[e] = root(s->junctions, b);
        else
            s->part[e] = (uint32_t)(s->junction_count + e);
    }
}

/* Metres along the part from where the first street meets it. */
static void measure(struct street *s, uint32_t part)
{
    bool lowered = true;
    for (size_t e = 0; e < s->count; e++) {
        for (int i = 0; i < 2 && s->part[e] == part; i++) {
            struct junction *j = &s->junctions[s->ends[e][i]];
            j->m = j->meets[0] != NULL ? 0.0 : INFINITY;
        }
    }
    while (lowered) {
        lowered = false;
        for (size_t e = 0; e < s->count; e++) {
            struct junction *a = &s->junctions[s->ends[e][0]];
            struct junction *b = &s->junctions[s->ends[e][1]];
            double m = roads_edge_length_m(s->roads, 2 * s->edges[e].edge);
            if (s->part[e] != part)
                continue;
            if (a->m + m < b->m) {
                b->m = a->m + m;
                lowered = true;
            } else if (b->m + m < a->m) {
                a->m = b->m + m;
                lowered = true;
            }
        }
    }
}

/* Where a part begins and ends. False: it does not lead from the one street to
 * the other. */
static bool find_ends(const struct street *s, uint32_t part,
                      const struct junction **from, const struct junction **to)
{
    *from = *to = NULL;
    for (size_t e = 0; e < s->count; e++) {
        for (int i = 0; i < 2 && s->part[e] == part; i++) {
            const struct junction *j = &s->junctions[s->ends[e][i]];
            if (j->meets[0] != NULL && *from == NULL)
                *from = j;
            if (j->meets[1] != NULL && j->m > 0.0 && isfinite(j->m) &&
                (*to == NULL || j->m < (*to)->m))
                *to = j;
        }
    }
    return *from != NULL && *to != NULL;
}

/* ----------------------------------------------------------------- the result
 */
void closures_sections_clear(struct closures_sections *sections)
{
    for (size_t i = 0; i < sections->count; i++)
        free(sections->items[i].directed);
    free(sections->items);
    *sections = (struct closures_sections){0};
}

struct along {
    double m;
    uint32_t directed;
};

static int by_m(const void *left, const void *right)
{
    const struct along *a = left;
    const struct along *b = right;
    if (a->m != b->m)
        return a->m < b->m ? -1 : 1;
    return a->directed < b->directed ? -1 : a->directed > b->directed;
}

/* Appends a part, its edges in order and forward. */
static enum pt_err add_section(const struct street *s, uint32_t part,
                               struct closures_section section,
                               struct closures_sections *ret)
{
    struct along *along = calloc(s->count + 1, sizeof(*along));
    section.directed = calloc(s->count + 1, sizeof(*section.directed));
    void *more = reallocarray(ret->items, ret->count + 1, sizeof(*ret->items));
    if (more != NULL)
        ret->items = more;
    if (along == NULL || section.directed == NULL || more == NULL) {
        free(along);
        free(section.directed);
        return PT_E_NOMEM;
    }
    for (size_t e = 0; e < s->count; e++) {
        if (s->part[e] != part)
            continue;
        double a = s->junctions[s->ends[e][0]].m;
        double b = s->junctions[s->ends[e][1]].m;
        along[section.count++] =
            (struct along){fmin(a, b), 2 * s->edges[e].edge + (a <= b ? 0 : 1)};
        section.length_m += roads_edge_length_m(s->roads, 2 * s->edges[e].edge);
    }
    qsort(along, section.count, sizeof(*along), by_m);
    for (size_t i = 0; i < section.count; i++)
        section.directed[i] = along[i].directed;
    section.name = roads_edge_name(s->roads, section.directed[0]);
    ret->items[ret->count++] = section;
    free(along);
    return PT_OK;
}

/* Whether `part` is that of an earlier edge, too. */
static bool seen(const struct street *s, size_t edge)
{
    for (size_t e = 0; e < edge; e++) {
        if (s->part[e] == s->part[edge])
            return true;
    }
    return false;
}

enum pt_err closures_sections_between(const struct roads *roads,
                                      const struct closures_street *edges,
                                      size_t count,
                                      const struct closures_streets *from,
                                      const struct closures_streets *to,
                                      struct closures_sections *ret,
                                      unsigned *met)
{
    struct street s;
    enum pt_err err = street_init(&s, roads, edges, count);
    if (err != PT_OK)
        return err;
    bool met_from =
        meet(&s, from, 0, meet_at_ends) || meet(&s, from, 0, meet_nearby);
    bool met_to = meet(&s, to, 1, meet_at_ends) || meet(&s, to, 1, meet_nearby);
    *met |= (met_from ? 1u : 0u) | (met_to ? 2u : 0u);
    join_parts(&s);
    for (size_t e = 0; e < count && err == PT_OK && met_from && met_to; e++) {
        const struct junction *a;
        const struct junction *b;
        if (seen(&s, e))
            continue;
        measure(&s, s.part[e]);
        if (find_ends(&s, s.part[e], &a, &b))
            err = add_section(&s, s.part[e],
                              (struct closures_section){
                                  .from = a->at,
                                  .to = b->at,
                                  .from_name = a->meets[0],
                                  .to_name = b->meets[1],
                              },
                              ret);
    }
    street_clear(&s);
    return err;
}

/* Parts that come near each other are one. */
static void join_near(struct street *s)
{
    struct junction *j = s->junctions;
    if (s->junction_count > COMPARED_MAX)
        return;
    for (uint32_t a = 0; a < s->junction_count; a++) {
        for (uint32_t b = a + 1; b < s->junction_count; b++) {
            if (root(j, a) != root(j, b) &&
                geo_distance_m(j[a].at, j[b].at) <= SAME_STREET_M)
                j[root(j, a)].part = root(j, b);
        }
    }
    for (size_t e = 0; e < s->count; e++)
        s->part[e] = root(j, s->ends[e][0]);
}

enum pt_err closures_sections_whole(const struct roads *roads,
                                    const struct closures_street *edges,
                                    size_t count, struct closures_sections *ret)
{
    struct street s;
    enum pt_err err = street_init(&s, roads, edges, count);
    if (err != PT_OK)
        return err;
    join_parts(&s);
    join_near(&s);
    for (size_t e = 0; e < count && err == PT_OK; e++) {
        if (seen(&s, e))
            continue;
        struct geo_point at = s.junctions[s.ends[e][0]].at;
        err = add_section(&s, s.part[e],
                          (struct closures_section){.from = at, .to = at}, ret);
    }
    street_clear(&s);
    return err;
}

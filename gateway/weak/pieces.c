/* Which pieces of street are closed together: the carriageways of one street
 * are pieces of their own, cut at junctions of their own, so each is looked at
 * every few metres for what lies beside it. */
#include "weak_internal.h"

#include "pt_room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every so many metres, but at least and at most so often: a blocked street of
 * 600 m is a long piece, and where it is longer half of it is still known. */
#define LOOK_EVERY_M 15.0
#define LOOKS_MIN 3u
#define LOOKS_MAX 40u
#define PARALLEL_DEG 30.0

/* In `looks` of its own an edge has another beside it. */
struct beside {
    uint32_t edge, looks;
};

struct list { /* of an edge, in an array of all lists */
    bool known;
    uint32_t first, count;
};

struct weak_pieces {
    const struct roads_metric *metric;
    const struct roads *roads;
    struct list *looked, *together; /* by edge */
    size_t beside_count, beside_room;
    struct beside *beside;
    size_t count, room;
    uint32_t *edges;
};

enum pt_err weak_pieces_new(const struct roads_metric *metric,
                            struct weak_pieces **ret)
{
    struct weak_pieces *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return PT_E_NOMEM;
    p->metric = metric;
    p->roads = roads_metric_roads(metric);
    size_t edges = roads_edge_count(p->roads);
    p->looked = calloc(edges, sizeof(*p->looked));
    p->together = calloc(edges, sizeof(*p->together));
    if (p->looked == NULL || p->together == NULL) {
        weak_pieces_free(p);
        return PT_E_NOMEM;
    }
    *ret = p;
    return PT_OK;
}

void weak_pieces_free(struct weak_pieces *pieces)
{
    if (pieces == NULL)
        return;
    free(pieces->looked);
    free(pieces->together);
    free(pieces->beside);
    free(pieces->edges);
    free(pieces);
}

/* --------------------------------------------------------------- two of them
 */
static bool is_one_way(const struct weak_pieces *p, uint32_t edge)
{
    return (roads_metric_ms(p->metric, 2 * edge) == ROADS_NONE) !=
           (roads_metric_ms(p->metric, 2 * edge + 1) == ROADS_NONE);
}

static const char *name_of(const struct weak_pieces *p, uint32_t edge)
{
    const char *name = roads_edge_name(p->roads, 2 * edge);
    return name == NULL ? "" : name;
}

/* Course at a place, as it is driven. */
static double course_deg(const struct weak_pieces *p,
                         const struct roads_place *at)
{
    bool back = roads_metric_ms(p->metric, 2 * at->edge) == ROADS_NONE;
    return roads_course_deg(p->roads, 2 * at->edge + back,
                            back ? 1 - at->fraction : at->fraction);
}

/* `other` is the place of another edge that is nearest to a place on one. */
static bool are_carriageways(const struct weak_pieces *p,
                             const struct roads_place *one,
                             const struct roads_place *other)
{
    uint32_t a = one->edge, b = other->edge;
    bool bridges = roads_edge_bridge(p->roads, 2 * a) &&
                   roads_edge_bridge(p->roads, 2 * b);
    bool named = *name_of(p, a) != '\0';
    bool same_name = strcmp(name_of(p, a), name_of(p, b)) == 0;
    /* at its end it is before or behind, not beside */
    if (a == b || !(other->fraction > 0 && other->fraction < 1) ||
        !(bridges || (is_one_way(p, a) && is_one_way(p, b))))
        return false;
    double turned_deg =
        fabs(remainder(course_deg(p, one) - course_deg(p, other), 360));
    bool opposite = turned_deg >= 180 - PARALLEL_DEG;
    if (turned_deg > PARALLEL_DEG && !opposite)
        return false;
    if (same_name && named)
        return other->distance_m <= WEAK_BESIDE_M;
    return (bridges || (same_name && opposite)) &&
           other->distance_m <= WEAK_CLOSE_BESIDE_M;
}

/* ------------------------------------------------------------ looking around
 */
static uint32_t looks_of(const struct weak_pieces *p, uint32_t edge)
{
    double looks = ceil(roads_edge_length_m(p->roads, 2 * edge) / LOOK_EVERY_M);
    return (uint32_t)fmin(fmax(looks, LOOKS_MIN), LOOKS_MAX);
}

static enum pt_err note_beside(struct weak_pieces *p, struct list *list,
                               uint32_t edge)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct beside *known = &p->beside[list->first + i];
        if (known->edge == edge) {
            known->looks++;
            return PT_OK;
        }
    }
    enum pt_err err = pt_room(&p->beside, &p->beside_room, p->beside_count + 1,
                              sizeof(*p->beside));
    if (err != PT_OK)
        return err;
    p->beside[p->beside_count++] = (struct beside){edge, 1};
    list->count++;
    return PT_OK;
}

static enum pt_err look(struct weak_pieces *p, uint32_t edge)
{
    struct list *list = &p->looked[edge];
    enum pt_err err = PT_OK;
    uint32_t looks = looks_of(p, edge);
    if (list->known)
        return PT_OK;
    *list = (struct list){.first = (uint32_t)p->beside_count};
    for (uint32_t i = 0; i < looks && err == PT_OK; i++) {
        struct roads_place around[ROADS_AROUND_MAX];
        struct roads_place at =
            roads_place_on(p->roads, 2 * edge, (i + 0.5) / looks);
        size_t found = 0;
        if (roads_around(p->roads, at.at, WEAK_BESIDE_M, ROADS_AROUND_MAX,
                         around, &found) != PT_OK)
            continue;
        for (size_t j = 0; j < found && err == PT_OK; j++)
            if (are_carriageways(p, &at, &around[j]))
                err = note_beside(p, list, around[j].edge);
    }
    list->known = err == PT_OK;
    return err;
}

/* In how many looks of one the other is beside it; both have been looked at. */
static uint32_t looks_at(const struct weak_pieces *p, uint32_t one,
                         uint32_t other)
{
    const struct list *list = &p->looked[one];
    for (uint32_t i = 0; i < list->count; i++)
        if (p->beside[list->first + i].edge == other)
            return p->beside[list->first + i].looks;
    return 0;
}

static bool are_together(const struct weak_pieces *p, uint32_t a, uint32_t b)
{
    uint32_t of_a = looks_at(p, a, b), of_b = looks_at(p, b, a);
    return of_a > 0 && of_b > 0 &&
           (2 * of_a >= looks_of(p, a) || 2 * of_b >= looks_of(p, b));
}

static enum pt_err find_together(struct weak_pieces *p, uint32_t edge)
{
    struct list found = {.known = true};
    enum pt_err err = look(p, edge);
    struct list looked = p->looked[edge];
    for (uint32_t i = 0; i < looked.count && err == PT_OK; i++)
        err = look(p, p->beside[looked.first + i].edge);
    if (err == PT_OK)
        err = pt_room(&p->edges, &p->room, p->count + looked.count + 1,
                      sizeof(*p->edges));
    if (err != PT_OK)
        return err;
    found.first = (uint32_t)p->count;
    for (uint32_t i = 0; i < looked.count; i++) {
        uint32_t other = p->beside[looked.first + i].edge;
        if (are_together(p, edge, other))
            p->edges[p->count++] = other;
    }
    found.count = (uint32_t)p->count - found.first;
    p->together[edge] = found;
    return PT_OK;
}

enum pt_err weak_pieces_beside(struct weak_pieces *pieces, uint32_t edge,
                               const uint32_t **ret, size_t *count)
{
    struct list *list = &pieces->together[edge];
    enum pt_err err = list->known ? PT_OK : find_together(pieces, edge);
    if (err != PT_OK)
        return err;
    *ret = pieces->edges + list->first;
    *count = list->count;
    return PT_OK;
}

/* ------------------------------------------------------------- between which
 */
static bool ends_at(const struct roads *roads, uint32_t edge, uint32_t junction)
{
    return roads_edge_junction(roads, 2 * edge) == junction ||
           roads_edge_junction(roads, 2 * edge + 1) == junction;
}

/* Streets that meet end in the very same point. */
#define SAME_POINT_M 1.0

const char *weak_cross_street(const struct roads *roads, uint32_t edge,
                              bool at_end)
{
    struct roads_place around[ROADS_AROUND_MAX];
    size_t points = 0, found = 0;
    const struct geo_point *line = roads_edge_line(roads, edge, &points);
    uint32_t junction = roads_edge_junction(roads, 2 * edge + !at_end);
    const char *own = roads_edge_name(roads, 2 * edge);
    if (junction == ROADS_NONE ||
        roads_around(roads, line[at_end ? points - 1 : 0], SAME_POINT_M,
                     ROADS_AROUND_MAX, around, &found) != PT_OK)
        return NULL;
    for (size_t i = 0; i < found; i++) {
        const char *name = roads_edge_name(roads, 2 * around[i].edge);
        if (name != NULL && *name != '\0' &&
            (own == NULL || strcmp(name, own) != 0) &&
            ends_at(roads, around[i].edge, junction))
            return name;
    }
    return NULL;
}

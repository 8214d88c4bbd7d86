/* Which streets are in front of which mission. */
#include "history_internal.h"

#include "pt_room.h"

#include <stdlib.h>
#include <string.h>

/* Of a mission at a corner the other street is hardly farther off. */
#define CORNER_M 10.0

void frontages_free(struct frontages *frontages)
{
    if (frontages == NULL)
        return;
    free(frontages->has_any);
    free(frontages->items);
    free(frontages);
}

static bool same_street(const struct roads *roads, uint32_t a, uint32_t b)
{
    const char *name_a = roads_edge_name(roads, 2 * a);
    const char *name_b = roads_edge_name(roads, 2 * b);
    return roads_edge_way(roads, 2 * a) == roads_edge_way(roads, 2 * b) ||
           (name_a != NULL && name_b != NULL && strcmp(name_a, name_b) == 0);
}

static enum pt_err add_mission(struct frontages *f, size_t *room,
                               const struct roads *roads, struct geo_point at,
                               uint32_t mission)
{
    struct roads_place places[ROADS_AROUND_MAX];
    const struct roads_metric *driven = roads_profile(roads, NULL);
    size_t found = 0;
    const struct roads_place *nearest = NULL;
    enum pt_err err =
        roads_around(roads, at, f->pass_m, ROADS_AROUND_MAX, places, &found);
    if (err != PT_OK)
        return err == PT_E_OFFROAD ? PT_OK : err;
    for (size_t i = 0; i < found && err == PT_OK; i++) {
        const struct roads_place *p = &places[i];
        if (!roads_drives(driven, p->edge))
            continue;
        if (nearest == NULL)
            nearest = p;
        if (p->distance_m > nearest->distance_m + CORNER_M &&
            !same_street(roads, p->edge, nearest->edge))
            continue;
        err = pt_room(&f->items, room, f->count + 1, sizeof(*f->items));
        if (err == PT_OK)
            f->items[f->count++] = (struct frontage){p->edge, mission};
        f->has_any[mission] = true;
    }
    return err;
}

static int by_edge(const void *left, const void *right)
{
    const struct frontage *a = left, *b = right;
    if (a->edge != b->edge)
        return a->edge < b->edge ? -1 : 1;
    return a->mission < b->mission ? -1 : a->mission > b->mission;
}

enum pt_err frontages_new(const struct roads *roads,
                          const struct catalog *catalog, double pass_m,
                          struct frontages **ret)
{
    size_t room = 0, count = catalog_mission_count(catalog);
    struct frontages *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return PT_E_NOMEM;
    f->pass_m = pass_m;
    f->mission_count = count;
    f->has_any = calloc(count + 1, sizeof(*f->has_any));
    enum pt_err err = f->has_any == NULL ? PT_E_NOMEM : PT_OK;
    for (size_t i = 0; i < count && err == PT_OK; i++)
        err = add_mission(f, &room, roads, catalog_mission(catalog, i)->at,
                          (uint32_t)i);
    if (err != PT_OK) {
        frontages_free(f);
        return err;
    }
    if (f->count > 0)
        qsort(f->items, f->count, sizeof(*f->items), by_edge);
    *ret = f;
    return PT_OK;
}

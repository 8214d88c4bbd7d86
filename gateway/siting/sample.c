/* Any street as a post: evenly spread over the streets. */
#include "siting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDER 1.25
#define CELLS 65536u /* a power of two */

struct spot {
    double east_m, north_m;
    uint32_t piece;
    uint32_t next; /* taken, in the same cell; UINT32_MAX: none */
};

struct sample {
    size_t count;
    struct spot *spots; /* all that may be taken, in the order of streets */
    double spacing_m;
    size_t taken_count;
    uint32_t *taken; /* of the spots */
    uint32_t cells[CELLS];
};

static uint32_t cell_of(const struct sample *s, double east_m, double north_m)
{
    uint32_t x = (uint32_t)(int32_t)floor(east_m / s->spacing_m);
    uint32_t y = (uint32_t)(int32_t)floor(north_m / s->spacing_m);
    return (x * 73856093u ^ y * 19349663u) & (CELLS - 1);
}

/* Those of other places in the same cell do no harm: distances are asked. */
static bool is_near_one(const struct sample *s, const struct spot *spot)
{
    for (int x = -1; x <= 1; x++) {
        for (int y = -1; y <= 1; y++) {
            uint32_t cell = cell_of(s, spot->east_m + x * s->spacing_m,
                                    spot->north_m + y * s->spacing_m);
            for (uint32_t i = s->cells[cell]; i != UINT32_MAX;
                 i = s->spots[i].next)
                if (hypot(s->spots[i].east_m - spot->east_m,
                          s->spots[i].north_m - spot->north_m) < s->spacing_m)
                    return true;
        }
    }
    return false;
}

/* False: there are more than `max`. */
static bool take(struct sample *s, size_t max)
{
    memset(s->cells, 0xff, sizeof(s->cells));
    s->taken_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct spot *spot = &s->spots[i];
        if (is_near_one(s, spot))
            continue;
        if (s->taken_count == max)
            return false;
        uint32_t cell = cell_of(s, spot->east_m, spot->north_m);
        spot->next = s->cells[cell];
        s->cells[cell] = (uint32_t)i;
        s->taken[s->taken_count++] = (uint32_t)i;
    }
    return true;
}

static enum pt_err find_spots(struct sample *s,
                              const struct coverage_basis *basis,
                              const struct catalog_zone *zone, size_t max)
{
    size_t pieces = coverage_stop_streets(basis);
    struct geo_plane plane = {0};
    s->spots = calloc(pieces + 1, sizeof(*s->spots));
    s->taken = calloc(max + 1, sizeof(*s->taken));
    if (s->spots == NULL || s->taken == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < pieces; i++) {
        struct geo_point at = coverage_stop_street(basis, i).place.at;
        if (zone != NULL && !catalog_zone_holds(zone, at))
            continue;
        if (s->count == 0)
            plane = geo_plane_at(at);
        struct spot *spot = &s->spots[s->count++];
        geo_to_plane(&plane, at, &spot->east_m, &spot->north_m);
        spot->piece = (uint32_t)i;
    }
    return PT_OK;
}

enum pt_err siting_sample(const struct coverage_basis *basis,
                          const struct catalog_zone *zone, size_t max,
                          double *spacing_m, struct roads_place **ret,
                          size_t *count)
{
    struct sample *s = calloc(1, sizeof(*s));
    struct roads_place *places = calloc(max + 1, sizeof(*places));
    enum pt_err err = s == NULL || places == NULL
                          ? PT_E_NOMEM
                          : find_spots(s, basis, zone, max);
    if (err == PT_OK) {
        bool fits = false;
        s->spacing_m = *spacing_m > 0 ? *spacing_m : SITING_SPACING_MIN_M;
        while (!(fits = take(s, max)) && *spacing_m <= 0 &&
               s->spacing_m < SITING_SPACING_MAX_M)
            s->spacing_m *= WIDER;
        err = fits ? PT_OK : PT_E_FULL;
    }
    for (size_t i = 0; err == PT_OK && i < s->taken_count; i++)
        places[i] =
            coverage_stop_street(basis, s->spots[s->taken[i]].piece).place;
    if (err == PT_OK) {
        *spacing_m = s->spacing_m;
        *count = s->taken_count;
        *ret = places;
    } else {
        free(places);
    }
    if (s != NULL) {
        free(s->spots);
        free(s->taken);
    }
    free(s);
    return err;
}

/* What would be reached from a place where nobody stands. */
#include "coverage_internal.h"

#include <math.h>
#include <stdlib.h>

/* ------------------------------------------------------------ what is reached
 */
struct coverage_stop coverage_stop_at(const struct coverage_basis *basis,
                                      struct geo_point at)
{
    return coverage_stop_on(basis, basis->metrics.first, at);
}

struct coverage_stop coverage_stop_on(const struct coverage_basis *basis,
                                      const struct roads_metric *first,
                                      struct geo_point at)
{
    struct coverage_stop stop = {.place = {.edge = ROADS_NONE}};
    if (roads_snap_open(first, at, basis->settings.reach_m, NULL,
                        &stop.place) != PT_OK) {
        stop.place.edge = ROADS_NONE;
        return stop;
    }
    stop.access_ms = (uint32_t)lround(
        basis->settings.access_s(stop.place.distance_m) * 1000.0);
    stop.promise_ms = coverage_promise_ms(basis, at);
    return stop;
}

struct coverage_stop coverage_stop_mission(const struct coverage_basis *basis,
                                           size_t index)
{
    const struct basis_mission *m = &basis->missions[index];
    return (struct coverage_stop){
        .place = m->place,
        .access_ms = m->access_ms,
        .promise_ms = m->promise_ms,
    };
}

size_t coverage_stop_streets(const struct coverage_basis *basis)
{
    return basis->piece_count;
}

struct coverage_stop coverage_stop_street(const struct coverage_basis *basis,
                                          size_t index)
{
    const struct piece *p = &basis->pieces[index];
    return (struct coverage_stop){
        .place = roads_place_on(basis->roads, 2 * p->edge, (double)p->middle),
        .promise_ms = p->promise_ms,
        .length_m = (double)p->length_m,
    };
}

/* ------------------------------------------------------------------ from where
 */
uint32_t coverage_drive_ms(const struct coverage_basis *basis,
                           uint32_t drive_ms)
{
    return coverage_with_start(basis, drive_ms);
}

/* Of d + min(start, share * d), which grows with d: with the whole of a start
 * it is what is left beside that, unless so short a drive has not the whole. */
uint32_t coverage_longest_drive_ms(const struct coverage_basis *basis,
                                   uint32_t with_start_ms)
{
    uint32_t start_ms = basis->start_ms;
    uint64_t share = basis->settings.start_share;
    if (with_start_ms >= start_ms &&
        share * (with_start_ms - start_ms) >= start_ms)
        return with_start_ms - start_ms;
    return (uint32_t)(with_start_ms / (1 + share));
}

void coverage_reach_missions(const struct coverage_basis *basis,
                             const struct coverage_unit *unit, uint32_t *ret)
{
    roads_tables_from(basis->tables, &unit->place, ret);
    for (size_t m = 0; m < basis->mission_count; m++)
        ret[m] = later(later(coverage_with_start(basis, ret[m]), unit->late_ms),
                       basis->missions[m].access_ms);
}

struct coverage_reach {
    struct coverage_basis *basis;
    struct roads_spread *spread;
    struct roads_standing *standing;
    uint32_t limit_ms, late_ms;
};

static uint32_t longest_promise_ms(const struct coverage_basis *basis)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < basis->piece_count; i++)
        if (basis->pieces[i].promise_ms > longest)
            longest = basis->pieces[i].promise_ms;
    for (size_t i = 0; i < basis->mission_count; i++)
        if (basis->missions[i].promise_ms > longest)
            longest = basis->missions[i].promise_ms;
    return longest;
}

enum pt_err coverage_reach_new(struct coverage_basis *basis,
                               struct coverage_reach **ret)
{
    struct coverage_reach *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return PT_E_NOMEM;
    r->basis = coverage_basis_ref(basis);
    r->limit_ms = longest_promise_ms(basis);
    enum pt_err err = roads_spread_new(basis->roads, 1, 1, &r->spread);
    if (err == PT_OK)
        err = roads_standing_new(basis->roads, 1, &r->standing);
    if (err != PT_OK) {
        coverage_reach_free(r);
        return err;
    }
    *ret = r;
    return PT_OK;
}

void coverage_reach_free(struct coverage_reach *reach)
{
    if (reach == NULL)
        return;
    roads_spread_free(reach->spread);
    roads_standing_free(reach->standing);
    coverage_basis_unref(reach->basis);
    free(reach);
}

enum pt_err coverage_reach_from(struct coverage_reach *reach,
                                const struct coverage_unit *unit)
{
    roads_standing_put(reach->standing, 0, &unit->place);
    reach->late_ms = unit->late_ms;
    return roads_spread_run(reach->spread, reach->basis->metrics.now,
                            reach->standing, reach->limit_ms, NULL, NULL);
}

uint32_t coverage_reach_to(const struct coverage_reach *reach,
                           const struct coverage_stop *stop)
{
    struct roads_reach first;
    if (stop->place.edge == ROADS_NONE)
        return ROADS_NONE;
    roads_spread_to(reach->spread, reach->standing, &stop->place, &first);
    return later(
        later(coverage_with_start(reach->basis, first.ms), reach->late_ms),
        stop->access_ms);
}

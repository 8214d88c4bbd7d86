/* Missions on their streets, their time tables, and what lies in which zone. */
#include "coverage_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- the counted
 */
enum pt_err coverage_basis_new(const struct coverage_settings *settings,
                               struct catalog *catalog,
                               const struct coverage_metrics *metrics,
                               struct coverage_basis **ret)
{
    struct coverage_basis *basis = calloc(1, sizeof(*basis));
    if (basis == NULL)
        return PT_E_NOMEM;
    atomic_init(&basis->references, 1);
    basis->settings = *settings;
    basis->catalog = catalog_ref(catalog);
    basis->metrics = (struct coverage_metrics){
        .now = roads_metric_ref(metrics->now),
        .open = metrics->open,
        .first = roads_metric_ref(metrics->first),
    };
    basis->start_ms = roads_start_ms(metrics->open);
    basis->roads = roads_ref((struct roads *)roads_metric_roads(metrics->now));
    *ret = basis;
    return PT_OK;
}

enum pt_err coverage_basis_share(struct coverage_basis *basis,
                                 struct coverage_basis *of)
{
    if (of->tables == NULL || of->metrics.now != basis->metrics.now ||
        of->metrics.first != basis->metrics.first ||
        catalog_generation(of->catalog) != catalog_generation(basis->catalog))
        return PT_E_RANGE;
    basis->whose = coverage_basis_ref(of);
    basis->tables = of->tables;
    return PT_OK;
}

struct coverage_basis *coverage_basis_ref(struct coverage_basis *basis)
{
    atomic_fetch_add_explicit(&basis->references, 1, memory_order_relaxed);
    return basis;
}

static void clear_members(struct members *members)
{
    free(members->first);
    free(members->items);
}

void coverage_basis_unref(struct coverage_basis *basis)
{
    if (basis == NULL || atomic_fetch_sub_explicit(&basis->references, 1,
                                                   memory_order_acq_rel) != 1)
        return;
    if (basis->whose == NULL)
        roads_tables_free(basis->tables);
    coverage_basis_unref(basis->whose);
    free(basis->zone_promise_s);
    free(basis->missions);
    free(basis->pieces);
    free(basis->first_piece);
    clear_members(&basis->zone_missions);
    clear_members(&basis->zone_pieces);
    clear_members(&basis->mission_zones);
    roads_metric_unref((struct roads_metric *)basis->metrics.now);
    roads_metric_unref((struct roads_metric *)basis->metrics.first);
    roads_unref(basis->roads);
    catalog_free(basis->catalog);
    free(basis);
}

const struct catalog *coverage_basis_catalog(const struct coverage_basis *b)
{
    return b->catalog;
}

const struct coverage_metrics *
coverage_basis_metrics(const struct coverage_basis *basis)
{
    return &basis->metrics;
}

size_t coverage_basis_bytes(const struct coverage_basis *basis)
{
    size_t bytes = sizeof(*basis) +
                   basis->mission_count * sizeof(*basis->missions) +
                   basis->piece_count * sizeof(*basis->pieces);
    if (basis->tables != NULL)
        bytes += roads_tables_bytes(basis->tables);
    return bytes;
}

/* ------------------------------------------------------------------ missions
 */
static int zone_promise_s(const struct coverage_settings *settings,
                          const struct catalog_zone *zone)
{
    for (size_t i = 0; i < settings->promise_count; i++)
        if (settings->promises[i].zone_id == zone->zone_id)
            return settings->promises[i].promise_s;
    return settings->every_promise_s > 0 ? settings->every_promise_s
                                         : zone->promise_s;
}

uint32_t coverage_promise_ms(const struct coverage_basis *basis,
                             struct geo_point at)
{
    const struct catalog_zone *zone = catalog_zone_at(basis->catalog, at);
    const struct coverage_settings *s = &basis->settings;
    int promise_s = s->every_promise_s > 0 ? s->every_promise_s : s->promise_s;
    if (zone != NULL && zone_promise_s(s, zone) > 0)
        promise_s = zone_promise_s(s, zone);
    /* what takes longer than a day is not an answer to a call */
    return promise_s > 86400 ? 86400000u : (uint32_t)promise_s * 1000u;
}

static enum pt_err note_promises(struct coverage_basis *basis)
{
    basis->zone_count = catalog_zone_count(basis->catalog);
    basis->zone_promise_s =
        calloc(basis->zone_count + 1, sizeof(*basis->zone_promise_s));
    if (basis->zone_promise_s == NULL)
        return PT_E_NOMEM;
    for (size_t z = 0; z < basis->zone_count; z++)
        basis->zone_promise_s[z] =
            zone_promise_s(&basis->settings, catalog_zone(basis->catalog, z));
    return PT_OK;
}

static enum pt_err place_missions(struct coverage_basis *basis)
{
    basis->mission_count = catalog_mission_count(basis->catalog);
    basis->missions =
        calloc(basis->mission_count + 1, sizeof(*basis->missions));
    if (basis->missions == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < basis->mission_count; i++) {
        struct basis_mission *m = &basis->missions[i];
        struct geo_point at = catalog_mission(basis->catalog, i)->at;
        m->place.edge = ROADS_NONE;
        if (roads_snap_open(basis->metrics.first, at, basis->settings.reach_m,
                            NULL, &m->place) != PT_OK) {
            m->place.edge = ROADS_NONE;
            continue;
        }
        m->access_ms = (uint32_t)lround(
            basis->settings.access_s(m->place.distance_m) * 1000.0);
        m->promise_ms = coverage_promise_ms(basis, at);
    }
    return PT_OK;
}

static enum pt_err make_tables(struct coverage_basis *basis)
{
    size_t rows = 2 * roads_edge_count(basis->roads) * sizeof(uint16_t);
    if (basis->whose != NULL)
        return PT_OK;
    if (basis->mission_count > basis->settings.tables_max_bytes / rows)
        return PT_E_FULL;
    struct roads_place *places =
        calloc(basis->mission_count + 1, sizeof(*places));
    if (places == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < basis->mission_count; i++)
        places[i] = basis->missions[i].place;
    enum pt_err err = roads_tables_new(basis->metrics.now, places,
                                       basis->mission_count, &basis->tables);
    free(places);
    return err;
}

/* ------------------------------------------------------------------- streets
 */
static uint32_t pieces_of(const struct coverage_basis *basis, uint32_t edge)
{
    if (basis->settings.missions_only ||
        !roads_drives(basis->metrics.open, edge) ||
        roads_edge_apart(basis->roads, 2 * edge))
        return 0;
    double length_m = roads_edge_length_m(basis->roads, 2 * edge);
    return length_m > COVERAGE_PIECE_M
               ? (uint32_t)ceil(length_m / COVERAGE_PIECE_M)
               : 1;
}

static enum pt_err cut_streets(struct coverage_basis *basis)
{
    uint32_t edges = (uint32_t)roads_edge_count(basis->roads);
    size_t count = 0;
    basis->first_piece = calloc((size_t)edges + 1, sizeof(*basis->first_piece));
    if (basis->first_piece == NULL)
        return PT_E_NOMEM;
    for (uint32_t edge = 0; edge < edges; edge++) {
        basis->first_piece[edge] = (uint32_t)count;
        count += pieces_of(basis, edge);
        if (count >= UINT32_MAX / 2)
            return PT_E_FULL;
    }
    basis->first_piece[edges] = (uint32_t)count;
    basis->piece_count = count;
    basis->pieces = calloc(count + 1, sizeof(*basis->pieces));
    if (basis->pieces == NULL)
        return PT_E_NOMEM;
    for (uint32_t edge = 0; edge < edges; edge++) {
        uint32_t n = basis->first_piece[edge + 1] - basis->first_piece[edge];
        for (uint32_t i = 0; i < n; i++) {
            struct piece *p = &basis->pieces[basis->first_piece[edge] + i];
            p->edge = edge;
            p->middle = (float)((i + 0.5) / n);
            p->length_m =
                (float)(roads_edge_length_m(basis->roads, 2 * edge) / n);
            p->promise_ms = coverage_promise_ms(
                basis,
                roads_place_on(basis->roads, 2 * edge, (double)p->middle).at);
        }
    }
    return PT_OK;
}

/* --------------------------------------------------------------------- zones
 */
struct box {
    int32_t south, west, north, east;
};

static struct box box_of(const struct catalog_zone *zone)
{
    struct box box = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};
    uint32_t count =
        zone->ring_count == 0 ? 0 : zone->ring_start[zone->ring_count];
    for (uint32_t i = 0; i < count; i++) {
        struct geo_point p = zone->points[i];
        box.south = p.lat_e6 < box.south ? p.lat_e6 : box.south;
        box.north = p.lat_e6 > box.north ? p.lat_e6 : box.north;
        box.west = p.lon_e6 < box.west ? p.lon_e6 : box.west;
        box.east = p.lon_e6 > box.east ? p.lon_e6 : box.east;
    }
    return box;
}

static bool zone_has(const struct catalog_zone *zone, const struct box *box,
                     struct geo_point p)
{
    return p.lat_e6 >= box->south && p.lat_e6 <= box->north &&
           p.lon_e6 >= box->west && p.lon_e6 <= box->east &&
           catalog_zone_holds(zone, p);
}

static bool in_zone(const struct coverage_basis *basis, bool streets,
                    const struct catalog_zone *zone, const struct box *box,
                    size_t item)
{
    if (!streets) {
        const struct catalog_mission *m = catalog_mission(basis->catalog, item);
        return m->zone == zone || zone_has(zone, box, m->at);
    }
    const struct piece *p = &basis->pieces[item];
    return zone_has(
        zone, box,
        roads_place_on(basis->roads, 2 * p->edge, (double)p->middle).at);
}

/* Zones may lie in each other, so an item may be a member of several. */
static enum pt_err find_members(const struct coverage_basis *basis,
                                bool streets, struct members *ret)
{
    size_t count = streets ? basis->piece_count : basis->mission_count;
    size_t used = 0, room = 0;
    ret->first = calloc(basis->zone_count + 1, sizeof(*ret->first));
    if (ret->first == NULL)
        return PT_E_NOMEM;
    for (size_t z = 0; z < basis->zone_count; z++) {
        const struct catalog_zone *zone = catalog_zone(basis->catalog, z);
        struct box box = box_of(zone);
        if (used + count >= UINT32_MAX)
            return PT_E_FULL;
        if (used + count > room) {
            room = used + 2 * count;
            uint32_t *more = reallocarray(ret->items, room, sizeof(*more));
            if (more == NULL)
                return PT_E_NOMEM;
            ret->items = more;
        }
        for (size_t i = 0; i < count; i++) {
            if (in_zone(basis, streets, zone, &box, i))
                ret->items[used++] = (uint32_t)i;
        }
        ret->first[z + 1] = (uint32_t)used;
    }
    return PT_OK;
}

/* In which zones each mission lies, from which missions lie in each zone. */
static enum pt_err turn_round(struct coverage_basis *basis)
{
    const struct members *by_zone = &basis->zone_missions;
    struct members *by_mission = &basis->mission_zones;
    uint32_t total = by_zone->first[basis->zone_count];
    by_mission->first =
        calloc(basis->mission_count + 2, sizeof(*by_mission->first));
    by_mission->items = calloc((size_t)total + 1, sizeof(*by_mission->items));
    if (by_mission->first == NULL || by_mission->items == NULL)
        return PT_E_NOMEM;
    /* first[m + 1] is where the next of mission m goes, and ends as its end */
    for (uint32_t i = 0; i < total; i++)
        by_mission->first[by_zone->items[i] + 2]++;
    for (size_t m = 0; m < basis->mission_count; m++)
        by_mission->first[m + 2] += by_mission->first[m + 1];
    for (size_t z = 0; z < basis->zone_count; z++) {
        for (uint32_t i = by_zone->first[z]; i < by_zone->first[z + 1]; i++) {
            uint32_t mission = by_zone->items[i];
            by_mission->items[by_mission->first[mission + 1]++] = (uint32_t)z;
        }
    }
    return PT_OK;
}

enum pt_err coverage_basis_fill(struct coverage_basis *basis)
{
    if (!roads_prepared(basis->metrics.now))
        return PT_E_RANGE;
    enum pt_err err = note_promises(basis);
    if (err == PT_OK)
        err = place_missions(basis);
    if (err == PT_OK)
        err = make_tables(basis);
    if (err == PT_OK)
        err = cut_streets(basis);
    if (err == PT_OK)
        err = find_members(basis, false, &basis->zone_missions);
    if (err == PT_OK)
        err = find_members(basis, true, &basis->zone_pieces);
    if (err == PT_OK)
        err = turn_round(basis);
    basis->settings.promises = NULL; /* were borrowed */
    basis->settings.promise_count = 0;
    return err;
}

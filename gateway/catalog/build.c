#include "catalog_internal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 * 1024)

struct block {
    struct block *next;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

/* Zeroed memory that lives as long as the catalog. */
static void *take(struct catalog *catalog, size_t count, size_t size)
{
    struct block *block = catalog->blocks;
    size_t bytes;

    if (size > 0 && count > (PTRDIFF_MAX - BLOCK_BYTES) / size)
        return NULL;
    bytes = (count * size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
            sizeof(max_align_t);
    if (!block || block->size - block->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = catalog->blocks;
        catalog->blocks = block;
    }
    block->used += bytes;
    return block->bytes + block->used - bytes;
}

static char *take_text(struct catalog *catalog, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = take(catalog, size, 1);

    return copy ? memcpy(copy, text, size) : NULL;
}

enum pt_err catalog_new(struct catalog **ret)
{
    static atomic_uint_fast64_t last; /* loads run on the pool */
    struct catalog *catalog = calloc(1, sizeof *catalog);

    if (!catalog)
        return PT_E_NOMEM;
    atomic_init(&catalog->references, 1);
    catalog->generation = atomic_fetch_add(&last, 1) + 1;
    *ret = catalog;
    return PT_OK;
}

struct catalog *catalog_ref(struct catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog || atomic_fetch_sub_explicit(&catalog->references, 1,
                                              memory_order_acq_rel) != 1)
        return;
    while (catalog->blocks) {
        struct block *block = catalog->blocks;

        catalog->blocks = block->next;
        free(block);
    }
    free(catalog);
}

enum pt_err catalog_reserve(struct catalog *c, const struct catalog_counts *n)
{
    if (n->units > CATALOG_UNITS_MAX || n->devices > CATALOG_DEVICES_MAX ||
        n->periods > CATALOG_PERIODS_MAX || n->zones > CATALOG_ZONES_MAX ||
        n->missions > CATALOG_MISSIONS_MAX || n->posts > CATALOG_POSTS_MAX)
        return PT_E_FULL;
    c->units = take(c, n->units, sizeof *c->units);
    c->units_by_id = take(c, n->units, sizeof *c->units_by_id);
    c->devices = take(c, n->devices, sizeof *c->devices);
    c->devices_by_id = take(c, n->devices, sizeof *c->devices_by_id);
    c->periods = take(c, n->periods, sizeof *c->periods);
    c->periods_by_unit = take(c, n->periods, sizeof *c->periods_by_unit);
    c->zones = take(c, n->zones, sizeof *c->zones);
    c->zones_by_area = take(c, n->zones, sizeof *c->zones_by_area);
    c->missions = take(c, n->missions, sizeof *c->missions);
    c->mission_zones = take(c, n->missions, sizeof *c->mission_zones);
    c->posts = take(c, n->posts, sizeof *c->posts);
    return c->units && c->units_by_id && c->devices && c->devices_by_id &&
                   c->periods && c->periods_by_unit && c->zones &&
                   c->zones_by_area && c->missions && c->mission_zones &&
                   c->posts
               ? PT_OK
               : PT_E_NOMEM;
}

/* ---- rows */

/* `name` lives as long as the catalog. */
static uint64_t bit_for(struct catalog *catalog, const char *name)
{
    uint64_t bit = catalog_capability_bit(catalog, name);

    if (bit != 0 || catalog->capability_count == CATALOG_BITS)
        return bit;
    catalog->capability_names[catalog->capability_count] = name;
    return UINT64_C(1) << catalog->capability_count++;
}

enum pt_err catalog_add_unit(struct catalog *catalog, uint32_t unit_id,
                             const char *call_sign, const char *kind,
                             const char *const *capabilities,
                             size_t capability_count)
{
    struct catalog_unit unit = {
        .unit_id = unit_id,
        .call_sign = take_text(catalog, call_sign),
        .kind = take_text(catalog, kind),
        .capabilities =
            take(catalog, capability_count + 1, sizeof *unit.capabilities),
    };

    if (!unit.call_sign || !unit.kind || !unit.capabilities)
        return PT_E_NOMEM;
    for (size_t i = 0; i < capability_count; i++) {
        unit.capabilities[i] = take_text(catalog, capabilities[i]);
        if (!unit.capabilities[i])
            return PT_E_NOMEM;
        unit.capability_bits |= bit_for(catalog, unit.capabilities[i]);
    }
    catalog->units[catalog->unit_count++] = unit;
    return PT_OK;
}

void catalog_set_pace(struct catalog *catalog,
                      const struct pt_settings *settings)
{
    assert(catalog->unit_count > 0);
    catalog->units[catalog->unit_count - 1].pace = *settings;
}

enum pt_err catalog_add_device(struct catalog *catalog, uint32_t device_id,
                               const char *name)
{
    struct catalog_device device = {.device_id = device_id,
                                    .name = take_text(catalog, name)};

    if (!device.name)
        return PT_E_NOMEM;
    catalog->devices[catalog->device_count++] = device;
    return PT_OK;
}

void catalog_add_period(struct catalog *catalog,
                        const struct catalog_period *period)
{
    catalog->periods[catalog->period_count++] = *period;
}

static void bound_zone(struct zone_row *row)
{
    const struct catalog_zone *zone = &row->zone;
    size_t count = zone->ring_start[zone->ring_count];

    row->low = (struct geo_point){INT32_MAX, INT32_MAX};
    row->high = (struct geo_point){INT32_MIN, INT32_MIN};
    for (size_t i = 0; i < count; i++) {
        struct geo_point p = zone->points[i];

        if (p.lat_e6 < row->low.lat_e6)
            row->low.lat_e6 = p.lat_e6;
        if (p.lon_e6 < row->low.lon_e6)
            row->low.lon_e6 = p.lon_e6;
        if (p.lat_e6 > row->high.lat_e6)
            row->high.lat_e6 = p.lat_e6;
        if (p.lon_e6 > row->high.lon_e6)
            row->high.lon_e6 = p.lon_e6;
    }
}

enum pt_err catalog_add_zone(struct catalog *catalog,
                             const struct catalog_zone *zone, double area_m2)
{
    size_t points = zone->ring_start[zone->ring_count];
    size_t starts = zone->ring_count + (size_t)1;
    struct catalog_zone copy = *zone;
    struct zone_row *row = &catalog->zones[catalog->zone_count];

    copy.name = take_text(catalog, zone->name);
    copy.time_zone = take_text(catalog, zone->time_zone);
    copy.geojson = take_text(catalog, zone->geojson);
    copy.points = take(catalog, points, sizeof *copy.points);
    copy.ring_start = take(catalog, starts, sizeof *copy.ring_start);
    if (!copy.name || !copy.time_zone || !copy.geojson || !copy.points ||
        !copy.ring_start)
        return PT_E_NOMEM;
    if (points > 0)
        memcpy(copy.points, zone->points, points * sizeof *copy.points);
    memcpy(copy.ring_start, zone->ring_start, starts * sizeof *copy.ring_start);
    row->zone = copy;
    row->area_m2 = area_m2;
    bound_zone(row);
    catalog->zone_count++;
    return PT_OK;
}

enum pt_err catalog_add_mission(struct catalog *catalog, uint32_t mission_id,
                                const char *ref, const char *name,
                                const char *kind, struct geo_point at,
                                uint32_t zone_id)
{
    /* no letter's folded form has more bytes than the letter */
    size_t room = strlen(name) + 1;
    struct catalog_mission mission = {
        .mission_id = mission_id,
        .ref = ref ? take_text(catalog, ref) : NULL,
        .name = take_text(catalog, name),
        .folded = take(catalog, room, 1),
        .kind = take_text(catalog, kind),
        .at = at,
    };

    if ((ref && !mission.ref) || !mission.name || !mission.folded ||
        !mission.kind)
        return PT_E_NOMEM;
    catalog_fold(name, mission.folded, room);
    catalog->mission_zones[catalog->mission_count] = zone_id;
    catalog->missions[catalog->mission_count++] = mission;
    return PT_OK;
}

enum pt_err catalog_add_post(struct catalog *catalog, uint32_t post_id,
                             const char *ref, const char *name,
                             const char *kind, struct geo_point at)
{
    struct catalog_post post = {
        .post_id = post_id,
        .ref = ref ? take_text(catalog, ref) : NULL,
        .name = take_text(catalog, name),
        .kind = take_text(catalog, kind),
        .at = at,
    };

    if ((ref && !post.ref) || !post.name || !post.kind)
        return PT_E_NOMEM;
    catalog->posts[catalog->post_count++] = post;
    return PT_OK;
}

/* ---- order */

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int by_call_sign(const void *a, const void *b)
{
    return strcmp(((const struct catalog_unit *)a)->call_sign,
                  ((const struct catalog_unit *)b)->call_sign);
}

static int by_device_name(const void *a, const void *b)
{
    return strcmp(((const struct catalog_device *)a)->name,
                  ((const struct catalog_device *)b)->name);
}

static int by_device_and_start(const void *a, const void *b)
{
    const struct catalog_period *x = a;
    const struct catalog_period *y = b;
    int by = COMPARE(x->device_id, y->device_id);

    return by != 0 ? by : COMPARE(x->from_ms, y->from_ms);
}

static int unit_id_order(const void *a, const void *b, void *context)
{
    const struct catalog *c = context;

    return COMPARE(c->units[*(const uint32_t *)a].unit_id,
                   c->units[*(const uint32_t *)b].unit_id);
}

static int device_id_order(const void *a, const void *b, void *context)
{
    const struct catalog *c = context;

    return COMPARE(c->devices[*(const uint32_t *)a].device_id,
                   c->devices[*(const uint32_t *)b].device_id);
}

static int unit_and_start_order(const void *a, const void *b, void *context)
{
    const struct catalog *c = context;
    const struct catalog_period *x = &c->periods[*(const uint32_t *)a];
    const struct catalog_period *y = &c->periods[*(const uint32_t *)b];
    int by = COMPARE(x->unit_id, y->unit_id);

    return by != 0 ? by : COMPARE(x->from_ms, y->from_ms);
}

static int by_zone_name(const void *a, const void *b)
{
    return strcmp(((const struct zone_row *)a)->zone.name,
                  ((const struct zone_row *)b)->zone.name);
}

static int area_order(const void *a, const void *b, void *context)
{
    const struct catalog *c = context;

    return COMPARE(c->zones[*(const uint32_t *)a].area_m2,
                   c->zones[*(const uint32_t *)b].area_m2);
}

static int mission_name_order(const void *a, const void *b)
{
    return strcmp(((const struct catalog_mission *)a)->name,
                  ((const struct catalog_mission *)b)->name);
}

static void index_by(struct catalog *catalog, uint32_t *indexes, size_t count,
                     int (*order)(const void *, const void *, void *))
{
    for (size_t i = 0; i < count; i++)
        indexes[i] = (uint32_t)i;
    if (count > 0)
        qsort_r(indexes, count, sizeof *indexes, order, catalog);
}

static const struct catalog_zone *zone_by_id(const struct catalog *catalog,
                                             uint32_t zone_id)
{
    for (size_t i = 0; i < catalog->zone_count; i++)
        if (catalog->zones[i].zone.zone_id == zone_id)
            return &catalog->zones[i].zone;
    return NULL;
}

static void link_missions(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->mission_count; i++) {
        struct catalog_mission *mission = &catalog->missions[i];

        mission->zone = catalog->mission_zones[i] == CATALOG_NO_ZONE
                            ? catalog_zone_at(catalog, mission->at)
                            : zone_by_id(catalog, catalog->mission_zones[i]);
    }
}

static int post_name_order(const void *a, const void *b)
{
    const struct catalog_post *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order
                      : (x->post_id > y->post_id) - (x->post_id < y->post_id);
}

static void link_posts(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->post_count; i++)
        catalog->posts[i].zone = catalog_zone_at(catalog, catalog->posts[i].at);
}

static void sort_rows(void *rows, size_t count, size_t size,
                      int (*order)(const void *, const void *))
{
    if (count > 0)
        qsort(rows, count, size, order);
}

void catalog_finish(struct catalog *c)
{
    sort_rows(c->units, c->unit_count, sizeof *c->units, by_call_sign);
    sort_rows(c->devices, c->device_count, sizeof *c->devices, by_device_name);
    sort_rows(c->zones, c->zone_count, sizeof *c->zones, by_zone_name);
    sort_rows(c->periods, c->period_count, sizeof *c->periods,
              by_device_and_start);
    index_by(c, c->units_by_id, c->unit_count, unit_id_order);
    index_by(c, c->devices_by_id, c->device_count, device_id_order);
    index_by(c, c->periods_by_unit, c->period_count, unit_and_start_order);
    index_by(c, c->zones_by_area, c->zone_count, area_order);
    link_missions(c); /* while mission_zones stands in the same order */
    sort_rows(c->missions, c->mission_count, sizeof *c->missions,
              mission_name_order);
    link_posts(c);
    sort_rows(c->posts, c->post_count, sizeof *c->posts, post_name_order);
}

/* Gaps as areas: their streets, widened and put together by GEOS, on a plane
 * at each gap. */
#include "coverage_internal.h"

#include "pt_room.h"

#include <geos_c.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a quarter of a circle: at 30 m the outline is up to 2.3 m inside. */
#define QUARTER_SEGMENTS 2
#define MITRE_LIMIT 5.0 /* of joins that are not made */
/* Vertices of one line: what a street has, and what it may at most. */
#define POINTS_MAX 1000000u

struct area {
    uint64_t key;        /* of what it was made of */
    size_t first, count; /* rings */
};

struct ring {
    bool is_hole;
    uint32_t count;
    size_t first; /* point */
};

struct coverage_areas {
    atomic_uint references;
    struct coverage_streets *streets;
    size_t gap_count;
    struct area *areas;
    size_t ring_count, ring_room;
    struct ring *rings;
    size_t point_count, point_room;
    struct geo_point *points;
    struct coverage_ring *told; /* the rings, once points stay where they are */
};

/* A gap at a time. */
struct work {
    GEOSContextHandle_t geos;
    struct coverage_areas *areas;
    const struct coverage_areas *before;
    const struct coverage_basis *basis;
    struct geo_plane plane;
    GEOSGeometry **parts;
    size_t part_count;
    double *xy; /* of the line that is being read */
    size_t xy_count, xy_room;
    enum pt_err err;
};

/* ----------------------------------------------------------------- counted */
enum pt_err coverage_areas_new(struct coverage_streets *streets,
                               struct coverage_areas **ret)
{
    struct coverage_areas *areas = calloc(1, sizeof(*areas));
    if (areas == NULL)
        return PT_E_NOMEM;
    atomic_init(&areas->references, 1);
    areas->streets = coverage_streets_ref(streets);
    *ret = areas;
    return PT_OK;
}

struct coverage_areas *coverage_areas_ref(struct coverage_areas *areas)
{
    atomic_fetch_add_explicit(&areas->references, 1, memory_order_relaxed);
    return areas;
}

void coverage_areas_unref(struct coverage_areas *areas)
{
    if (areas == NULL || atomic_fetch_sub_explicit(&areas->references, 1,
                                                   memory_order_acq_rel) > 1)
        return;
    coverage_streets_unref(areas->streets);
    free(areas->areas);
    free(areas->rings);
    free(areas->points);
    free(areas->told);
    free(areas);
}

struct coverage_streets *
coverage_areas_streets(const struct coverage_areas *areas)
{
    return areas->streets;
}

size_t coverage_area(const struct coverage_areas *areas, size_t gap,
                     const struct coverage_ring **ret)
{
    *ret = areas->told + areas->areas[gap].first;
    return areas->areas[gap].count;
}

/* ----------------------------------------------------------- what was before
 */
/* FNV-1a (draft-eastlake-fnv, 64 bits). */
static uint64_t hash(uint64_t key, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        key = (key ^ at[i]) * UINT64_C(0x100000001b3);
    return key;
}

static uint64_t key_of(const struct coverage_basis *basis,
                       const struct coverage_gap *gap)
{
    uint64_t key = hash(UINT64_C(0xcbf29ce484222325), gap->lines,
                        gap->line_count * sizeof(*gap->lines));
    for (size_t i = 0; i < gap->mission_count; i++) {
        struct geo_point at =
            catalog_mission(basis->catalog, gap->missions[i])->at;
        key = hash(key, &at, sizeof(at));
    }
    return key;
}

static int by_key(const void *left, const void *right)
{
    const struct area *a = *(const struct area *const *)left,
                      *b = *(const struct area *const *)right;
    return a->key < b->key ? -1 : a->key > b->key;
}

/* Those of the same network, by key; NULL: none. */
static const struct area **sort_before(const struct work *w)
{
    const struct coverage_areas *before = w->before;
    if (before == NULL || before->told == NULL ||
        before->streets->basis->roads != w->basis->roads)
        return NULL;
    const struct area **sorted =
        calloc(before->gap_count + 1, sizeof(struct area *));
    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < before->gap_count; i++)
        sorted[i] = &before->areas[i];
    qsort(sorted, before->gap_count, sizeof(*sorted), by_key);
    return sorted;
}

/* ---------------------------------------------------------------- the result
 */
static enum pt_err add_points(struct coverage_areas *areas,
                              const struct geo_point *points, size_t count,
                              bool is_hole)
{
    enum pt_err err = pt_room(&areas->rings, &areas->ring_room,
                              areas->ring_count + 1, sizeof(*areas->rings));
    if (err == PT_OK)
        err = pt_room(&areas->points, &areas->point_room,
                      areas->point_count + count, sizeof(*areas->points));
    if (err != PT_OK)
        return err;
    memcpy(areas->points + areas->point_count, points, count * sizeof(*points));
    areas->rings[areas->ring_count++] =
        (struct ring){is_hole, (uint32_t)count, areas->point_count};
    areas->point_count += count;
    return PT_OK;
}

static enum pt_err copy_area(struct coverage_areas *areas, size_t gap,
                             const struct coverage_areas *before,
                             const struct area *same)
{
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < same->count; i++) {
        const struct ring *ring = &before->rings[same->first + i];
        err = add_points(areas, before->points + ring->first, ring->count,
                         ring->is_hole);
    }
    areas->areas[gap].count = areas->ring_count - areas->areas[gap].first;
    return err;
}

/* ------------------------------------------------------------------ widening
 */
static void add_point(void *context, struct geo_point at)
{
    struct work *w = context;
    if (w->err == PT_OK && w->xy_count / 2 >= POINTS_MAX)
        w->err = PT_E_FULL;
    if (w->err == PT_OK)
        w->err = pt_room(&w->xy, &w->xy_room, w->xy_count + 2, sizeof(*w->xy));
    if (w->err != PT_OK)
        return;
    geo_to_plane(&w->plane, at, &w->xy[w->xy_count], &w->xy[w->xy_count + 1]);
    w->xy_count += 2;
}

/* The line that was read becomes one of the parts. */
static void widen(struct work *w)
{
    GEOSGeometry *line = NULL, *wide = NULL;
    GEOSCoordSequence *points = NULL;
    if (w->err == PT_OK)
        points = GEOSCoordSeq_copyFromBuffer_r(
            w->geos, w->xy, (unsigned)(w->xy_count / 2), 0, 0);
    if (points != NULL)
        line = GEOSGeom_createLineString_r(w->geos, points);
    if (line != NULL)
        wide = GEOSBufferWithStyle_r(w->geos, line, COVERAGE_AREA_M,
                                     QUARTER_SEGMENTS, GEOSBUF_CAP_ROUND,
                                     GEOSBUF_JOIN_ROUND, MITRE_LIMIT);
    if (wide != NULL)
        w->parts[w->part_count++] = wide;
    else if (w->err == PT_OK)
        w->err = PT_E_SYSTEM;
    GEOSGeom_destroy_r(w->geos, line);
    w->xy_count = 0;
}

/* Its streets, and the way to each of its missions. */
static enum pt_err widen_gap(struct work *w, const struct coverage_gap *gap)
{
    const struct coverage_basis *basis = w->basis;
    w->part_count = 0;
    w->parts =
        calloc(gap->line_count + gap->mission_count + 1, sizeof(*w->parts));
    if (w->parts == NULL)
        return PT_E_NOMEM;
    w->plane = geo_plane_at(roads_place_on(basis->roads, 2 * gap->lines[0].edge,
                                           (double)gap->lines[0].from)
                                .at);
    for (size_t i = 0; i < gap->line_count; i++) {
        coverage_line_points(basis->roads, &gap->lines[i], add_point, w);
        widen(w);
    }
    for (size_t i = 0; i < gap->mission_count; i++) {
        add_point(w, basis->missions[gap->missions[i]].place.at);
        add_point(w, catalog_mission(basis->catalog, gap->missions[i])->at);
        widen(w);
    }
    return w->err;
}

/* Takes the parts. */
static GEOSGeometry *join_parts(struct work *w)
{
    GEOSGeometry *all = GEOSGeom_createCollection_r(
        w->geos, GEOS_GEOMETRYCOLLECTION, w->parts, (unsigned)w->part_count);
    if (all == NULL)
        return NULL;
    w->part_count = 0;
    GEOSGeometry *joined = GEOSUnaryUnion_r(w->geos, all);
    GEOSGeom_destroy_r(w->geos, all);
    return joined;
}

/* --------------------------------------------------- to millionths of a degree
 */
static int to_e6(double *x, double *y, void *context)
{
    const struct work *w = context;
    struct geo_point at = geo_from_plane(&w->plane, *x, *y);
    *x = at.lon_e6;
    *y = at.lat_e6;
    return 1;
}

/* Rounding may make two outlines 0.1 m apart cross: those are put together
 * again, on the grid of millionths. */
static GEOSGeometry *round_joined(struct work *w, const GEOSGeometry *joined)
{
    GEOSGeometry *rounded = GEOSGeom_transformXY_r(w->geos, joined, to_e6, w);
    if (rounded == NULL || GEOSisValid_r(w->geos, rounded) == 1)
        return rounded;
    GEOSGeometry *valid = GEOSGeom_setPrecision_r(w->geos, rounded, 1.0, 0);
    GEOSGeom_destroy_r(w->geos, rounded);
    return valid;
}

static enum pt_err add_ring(struct work *w, const GEOSGeometry *ring,
                            bool is_hole)
{
    const GEOSCoordSequence *points =
        ring == NULL ? NULL : GEOSGeom_getCoordSeq_r(w->geos, ring);
    unsigned count = 0;
    char left = 0;
    if (points == NULL || !GEOSCoordSeq_getSize_r(w->geos, points, &count) ||
        !GEOSCoordSeq_isCCW_r(w->geos, points, &left))
        return PT_E_SYSTEM;
    struct geo_point *ours = calloc((size_t)count + 1, sizeof(*ours));
    if (ours == NULL)
        return PT_E_NOMEM;
    for (unsigned i = 0; i < count; i++) {
        double x = 0, y = 0;
        /* RFC 7946, 3.1.6: outlines to the left, holes to the right */
        unsigned from = (left != 0) != is_hole ? i : count - 1 - i;
        GEOSCoordSeq_getXY_r(w->geos, points, from, &x, &y);
        ours[i] = (struct geo_point){(int32_t)lround(y), (int32_t)lround(x)};
    }
    enum pt_err err = add_points(w->areas, ours, count, is_hole);
    free(ours);
    return err;
}

static enum pt_err add_polygon(struct work *w, const GEOSGeometry *polygon)
{
    int holes = GEOSGetNumInteriorRings_r(w->geos, polygon);
    if (holes < 0)
        return PT_E_SYSTEM;
    enum pt_err err =
        add_ring(w, GEOSGetExteriorRing_r(w->geos, polygon), false);
    for (int i = 0; err == PT_OK && i < holes; i++)
        err = add_ring(w, GEOSGetInteriorRingN_r(w->geos, polygon, i), true);
    return err;
}

static enum pt_err make_area(struct work *w, size_t gap_index,
                             const struct coverage_gap *gap)
{
    GEOSGeometry *joined = NULL, *area = NULL;
    struct area *ret = &w->areas->areas[gap_index];
    w->err = PT_OK;
    enum pt_err err = widen_gap(w, gap);
    if (err == PT_OK)
        joined = join_parts(w);
    if (joined != NULL)
        area = round_joined(w, joined);
    int count = area == NULL ? 0 : GEOSGetNumGeometries_r(w->geos, area);
    if (err == PT_OK && count <= 0)
        err = PT_E_SYSTEM;
    for (int i = 0; err == PT_OK && i < count; i++)
        err = add_polygon(w, GEOSGetGeometryN_r(w->geos, area, i));
    ret->count = w->areas->ring_count - ret->first;
    for (size_t i = 0; i < w->part_count; i++)
        GEOSGeom_destroy_r(w->geos, w->parts[i]);
    free(w->parts);
    w->parts = NULL;
    GEOSGeom_destroy_r(w->geos, joined);
    GEOSGeom_destroy_r(w->geos, area);
    return err;
}

/* ------------------------------------------------------------------- filling
 */
static enum pt_err fill(struct work *w, const struct coverage_gap *gaps)
{
    struct coverage_areas *areas = w->areas;
    const struct area **known = sort_before(w);
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < areas->gap_count; i++) {
        struct area *area = &areas->areas[i];
        const struct area **same = NULL, *pattern = area;
        *area = (struct area){.key = key_of(w->basis, &gaps[i]),
                              .first = areas->ring_count};
        if (known != NULL)
            same = bsearch(&pattern, known, w->before->gap_count,
                           sizeof(*known), by_key);
        err = same != NULL ? copy_area(areas, i, w->before, *same)
                           : make_area(w, i, &gaps[i]);
    }
    free(known);
    return err;
}

static enum pt_err tell_rings(struct coverage_areas *areas)
{
    areas->told = calloc(areas->ring_count + 1, sizeof(*areas->told));
    if (areas->told == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < areas->ring_count; i++) {
        const struct ring *ring = &areas->rings[i];
        areas->told[i] = (struct coverage_ring){ring->is_hole, ring->count,
                                                areas->points + ring->first};
    }
    return PT_OK;
}

enum pt_err coverage_areas_fill(struct coverage_areas *areas,
                                const struct coverage_areas *before)
{
    const struct coverage_gap *gaps;
    struct work w = {
        .areas = areas, .before = before, .basis = areas->streets->basis};
    size_t lines = 0;
    enum pt_err err = PT_E_NOMEM;
    areas->gap_count = coverage_streets_gaps(areas->streets, &gaps);
    for (size_t i = 0; i < areas->gap_count; i++)
        lines += gaps[i].line_count;
    if (lines > COVERAGE_AREA_LINES_MAX)
        return PT_E_FULL;
    areas->areas = calloc(areas->gap_count + 1, sizeof(*areas->areas));
    w.geos = GEOS_init_r();
    if (areas->areas != NULL && w.geos != NULL)
        err = fill(&w, gaps);
    if (err == PT_OK)
        err = tell_rings(areas);
    if (w.geos != NULL)
        GEOS_finish_r(w.geos);
    free(w.xy);
    return err;
}

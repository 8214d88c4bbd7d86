#include "mvt.h"

#include "pt_room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct spot {
    int32_t x, y;
};

struct line {
    int32_t values[MVT_KEYS_MAX];
    size_t first, count; /* points */
};

struct mvt {
    const char *layer;
    const char *const *keys;
    size_t key_count;
    double scale; /* of the world to the tile's units */
    double west, north;
    struct geo_plane plane; /* in the tile's middle */
    double radius_m;
    size_t line_count, line_room;
    struct line *lines;
    size_t point_count, point_room;
    struct spot *points;
    size_t open; /* where the points of the line begin that is being told */
    enum pt_err err;
};

/* ------------------------------------------------------------------- places */
/* Web Mercator (EPSG:3857), the whole world from 0 to 1. */
static double world_y(double lat_deg)
{
    double s = sin(lat_deg * M_PI / 180);
    return 0.5 - log((1 + s) / (1 - s)) / (4 * M_PI);
}

static struct spot to_tile(const struct mvt *mvt, struct geo_point at)
{
    double lat_deg = fmax(fmin(geo_lat_deg(at), 85.0511), -85.0511);
    return (struct spot){
        (int32_t)lround((geo_lon_deg(at) / 360 + 0.5) * mvt->scale - mvt->west),
        (int32_t)lround(world_y(lat_deg) * mvt->scale - mvt->north)};
}

static struct geo_point to_ground(const struct mvt *mvt, double x, double y)
{
    double up = M_PI * (1 - 2 * (mvt->north + y) / mvt->scale);
    return geo_from_deg(atan(sinh(up)) * 180 / M_PI,
                        (mvt->west + x) / mvt->scale * 360 - 180);
}

enum pt_err mvt_new(const char *layer, unsigned z, unsigned x, unsigned y,
                    const char *const *keys, size_t key_count, struct mvt **ret)
{
    if (z > 22 || x >> z != 0 || y >> z != 0 || key_count > MVT_KEYS_MAX)
        return PT_E_RANGE;
    struct mvt *mvt = calloc(1, sizeof(*mvt));
    if (mvt == NULL)
        return PT_E_NOMEM;
    mvt->layer = layer;
    mvt->keys = keys;
    mvt->key_count = key_count;
    mvt->scale = (double)MVT_EXTENT * (double)(1u << z);
    mvt->west = (double)MVT_EXTENT * x;
    mvt->north = (double)MVT_EXTENT * y;
    struct geo_point middle =
        to_ground(mvt, MVT_EXTENT / 2.0, MVT_EXTENT / 2.0);
    mvt->plane = geo_plane_at(middle);
    /* the side towards the equator is the longer one */
    struct geo_point a = to_ground(mvt, -MVT_MARGIN, -MVT_MARGIN),
                     b = to_ground(mvt, -MVT_MARGIN, MVT_EXTENT + MVT_MARGIN);
    mvt->radius_m =
        1.01 * fmax(geo_distance_m(middle, a), geo_distance_m(middle, b));
    *ret = mvt;
    return PT_OK;
}

void mvt_free(struct mvt *mvt)
{
    if (mvt == NULL)
        return;
    free(mvt->lines);
    free(mvt->points);
    free(mvt);
}

bool mvt_reaches(const struct mvt *mvt, struct geo_point at, double within_m)
{
    return geo_distance_m(mvt->plane.centre, at) <= mvt->radius_m + within_m;
}

/* -------------------------------------------------------------------- lines */
void mvt_point(void *context, struct geo_point at)
{
    struct mvt *mvt = context;
    struct spot spot = to_tile(mvt, at);
    if (mvt->err == PT_OK && mvt->point_count >= MVT_POINTS_MAX)
        mvt->err = PT_E_FULL;
    if (mvt->err != PT_OK)
        return;
    if (mvt->point_count > mvt->open &&
        memcmp(&mvt->points[mvt->point_count - 1], &spot, sizeof(spot)) == 0)
        return;
    mvt->err = pt_room(&mvt->points, &mvt->point_room, mvt->point_count + 1,
                       sizeof(*mvt->points));
    if (mvt->err == PT_OK)
        mvt->points[mvt->point_count++] = spot;
}

/* By the box around it. */
static bool is_on(const struct spot *points, size_t count)
{
    struct spot low = points[0], high = points[0];
    for (size_t i = 1; i < count; i++) {
        low.x = points[i].x < low.x ? points[i].x : low.x;
        low.y = points[i].y < low.y ? points[i].y : low.y;
        high.x = points[i].x > high.x ? points[i].x : high.x;
        high.y = points[i].y > high.y ? points[i].y : high.y;
    }
    return high.x >= -MVT_MARGIN && high.y >= -MVT_MARGIN &&
           low.x <= MVT_EXTENT + MVT_MARGIN && low.y <= MVT_EXTENT + MVT_MARGIN;
}

void mvt_line(struct mvt *mvt, const int32_t *values)
{
    size_t first = mvt->open, count = mvt->point_count - first;
    if (mvt->err != PT_OK)
        return;
    if (count < 2 || !is_on(mvt->points + first, count)) {
        mvt->point_count = first;
        return;
    }
    mvt->err = pt_room(&mvt->lines, &mvt->line_room, mvt->line_count + 1,
                       sizeof(*mvt->lines));
    if (mvt->err != PT_OK)
        return;
    struct line *line = &mvt->lines[mvt->line_count++];
    *line = (struct line){.first = first, .count = count};
    memcpy(line->values, values, mvt->key_count * sizeof(*values));
    mvt->open = mvt->point_count;
}

/* ----------------------------------------------------------------- encoding
 * Protocol buffers: a field is its number and type, and then a varint or the
 * size of what follows. */
struct bytes {
    char *at;
    size_t size, room;
    enum pt_err err;
};

static void put_bytes(struct bytes *out, const void *bytes, size_t size)
{
    if (out->err == PT_OK)
        out->err = pt_room(&out->at, &out->room, out->size + size + 1, 1);
    if (out->err != PT_OK || size == 0)
        return;
    memcpy(out->at + out->size, bytes, size);
    out->size += size;
}

static void put_varint(struct bytes *out, uint64_t value)
{
    unsigned char text[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        text[size++] = (unsigned char)(value | 0x80);
    text[size++] = (unsigned char)value;
    put_bytes(out, text, size);
}

static void put_number(struct bytes *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_part(struct bytes *out, unsigned field, const void *bytes,
                     size_t size)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    put_bytes(out, bytes, size);
}

static uint64_t zigzag(int32_t value)
{
    return value < 0 ? 2 * (uint64_t)(-(int64_t)value) - 1
                     : 2 * (uint64_t)value;
}

/* ------------------------------------------------------------------ the tile
 */
static int by_values(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    for (size_t i = 0; i < MVT_KEYS_MAX; i++)
        if (a->values[i] != b->values[i])
            return a->values[i] < b->values[i] ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static int by_number(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Each value once; the place of one is what features name it by. */
static enum pt_err list_values(const struct mvt *mvt, int32_t **ret,
                               size_t *ret_count)
{
    int32_t *all = calloc(mvt->line_count * MVT_KEYS_MAX + 1, sizeof(*all));
    size_t count = 0, kept = 0;
    if (all == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < mvt->line_count; i++)
        for (size_t k = 0; k < mvt->key_count; k++)
            if (mvt->lines[i].values[k] != MVT_ABSENT)
                all[count++] = mvt->lines[i].values[k];
    qsort(all, count, sizeof(*all), by_number);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || all[kept - 1] != all[i])
            all[kept++] = all[i];
    *ret = all;
    *ret_count = kept;
    return PT_OK;
}

/* Commands of 4.3: move to the first point, draw to the others; each is told
 * by how far it is from the one before, also from the line before. */
static void put_line(struct bytes *out, const struct mvt *mvt,
                     const struct line *line, struct spot *pen)
{
    const struct spot *points = mvt->points + line->first;
    for (size_t i = 0; i < line->count; i++) {
        if (i == 0)
            put_varint(out, 1 << 3 | 1);
        else if (i == 1)
            put_varint(out, (uint64_t)(line->count - 1) << 3 | 2);
        put_varint(out, zigzag(points[i].x - pen->x));
        put_varint(out, zigzag(points[i].y - pen->y));
        *pen = points[i];
    }
}

/* Lines from `first` on that have the same; returns how many. */
static size_t put_feature(struct bytes *layer, const struct mvt *mvt,
                          size_t first, const int32_t *values,
                          size_t value_count, struct bytes parts[2])
{
    struct bytes *part = &parts[0], *feature = &parts[1];
    const struct line *line = &mvt->lines[first];
    struct spot pen = {0, 0};
    size_t count = 0;
    part->size = feature->size = 0;
    for (size_t k = 0; k < mvt->key_count; k++) {
        const int32_t *value = bsearch(&line->values[k], values, value_count,
                                       sizeof(*values), by_number);
        if (value == NULL)
            continue;
        put_varint(part, k);
        put_varint(part, (uint64_t)(value - values));
    }
    put_part(feature, 2, part->at, part->size);
    put_number(feature, 3, 2); /* LINESTRING */
    part->size = 0;
    while (first + count < mvt->line_count &&
           memcmp(line[count].values, line->values, sizeof(line->values)) == 0)
        put_line(part, mvt, &line[count++], &pen);
    put_part(feature, 4, part->at, part->size);
    if (part->err != PT_OK || feature->err != PT_OK)
        layer->err = PT_E_NOMEM;
    put_part(layer, 2, feature->at, feature->size);
    return count;
}

static void put_layer(struct bytes *layer, const struct mvt *mvt,
                      const int32_t *values, size_t value_count)
{
    struct bytes parts[2] = {{0}, {0}};
    put_number(layer, 15, 2); /* version */
    put_part(layer, 1, mvt->layer, strlen(mvt->layer));
    for (size_t i = 0; i < mvt->line_count && layer->err == PT_OK;)
        i += put_feature(layer, mvt, i, values, value_count, parts);
    for (size_t k = 0; k < mvt->key_count; k++)
        put_part(layer, 3, mvt->keys[k], strlen(mvt->keys[k]));
    for (size_t i = 0; i < value_count; i++) {
        parts[0].size = 0;
        put_number(&parts[0], 6, zigzag(values[i])); /* sint_value */
        put_part(layer, 4, parts[0].at, parts[0].size);
    }
    put_number(layer, 5, MVT_EXTENT);
    if (parts[0].err != PT_OK)
        layer->err = parts[0].err;
    free(parts[0].at);
    free(parts[1].at);
}

enum pt_err mvt_finish(struct mvt *mvt, char **ret, size_t *size)
{
    struct bytes layer = {0}, tile = {0};
    int32_t *values = NULL;
    size_t value_count = 0;
    enum pt_err err = mvt->err;
    if (err == PT_OK)
        err = list_values(mvt, &values, &value_count);
    if (err == PT_OK && mvt->line_count > 0) {
        qsort(mvt->lines, mvt->line_count, sizeof(*mvt->lines), by_values);
        put_layer(&layer, mvt, values, value_count);
        put_part(&tile, 3, layer.at, layer.size);
        err = layer.err != PT_OK ? layer.err : tile.err;
    }
    free(values);
    free(layer.at);
    if (err != PT_OK) {
        free(tile.at);
        return err;
    }
    *ret = tile.at;
    *size = tile.size;
    return PT_OK;
}

#ifndef MVT_H
#define MVT_H
/* mvt: a Mapbox Vector Tile (specification 2.1) of one layer of lines that
 * have whole numbers as properties. Any thread, one at a time. */
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MVT_EXTENT 4096
#define MVT_MARGIN 64 /* of that around a tile: wide lines end outside */
#define MVT_KEYS_MAX 8u
#define MVT_ABSENT INT32_MIN /* a property that a line does not have */
/* Of one tile: what makes some 4 MB. */
#define MVT_POINTS_MAX 1000000u

struct mvt;

/* z up to 22, x and y below 2^z. `layer` and `keys` are borrowed until
 * mvt_finish(). */
PT_MUST_CHECK enum pt_err mvt_new(const char *layer, unsigned z, unsigned x,
                                  unsigned y, const char *const *keys,
                                  size_t key_count, struct mvt **ret);
void mvt_free(struct mvt *mvt); /* NULL is fine */

/* May something within so many metres of the point be on the tile? */
bool mvt_reaches(const struct mvt *mvt, struct geo_point at, double within_m);

/* A line, point by point (`mvt` is a struct mvt, for callbacks), and then what
 * it has. It is left out where it is not on the tile, or no longer than a
 * point of it; lines that have the same become one feature. It is not cut at
 * the margin: callers have short ones. The first failure sticks until
 * mvt_finish(). */
void mvt_point(void *mvt, struct geo_point at);
void mvt_line(struct mvt *mvt, const int32_t *values);

/* The tile; of 0 bytes when nothing is on it. The caller frees it. PT_E_FULL:
 * MVT_POINTS_MAX. */
PT_MUST_CHECK enum pt_err mvt_finish(struct mvt *mvt, char **ret, size_t *size);

#endif

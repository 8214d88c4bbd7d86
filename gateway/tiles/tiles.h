#ifndef TILES_H
#define TILES_H
/* tiles: streets, zones and missions as Mapbox Vector Tiles (specification
 * 2.1), drawn by PostGIS. It has a database connection of its own, so that
 * neither the loop nor what else is asked of the database waits for a tile;
 * tiles drawn are kept in memory. Loop thread only. */
#include "metrics.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Levels that are drawn; a map that shows more detail stretches the last. */
#define TILES_ZOOM_MIN 6
#define TILES_ZOOM_MAX 16
/* A larger tile is an error: 50,000 street pieces of one tile, the most that
 * are drawn, take about 2 MB. */
#define TILES_TILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Of all tiles kept: the 6,000 streets tiles of a city of 2 million. */
#define TILES_KEPT_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* The server gives a tile up after so long. */
#define TILES_WITHIN_MS 4000

#define TILES_LAYERS(X)                                                       \
    X(TILES_STREETS, "streets")                                               \
    X(TILES_ZONES, "zones")                                                   \
    X(TILES_MISSIONS, "missions")                                             \
    X(TILES_COVERAGE, "coverage") /* a name here: not drawn from the database \
                                   */

enum tiles_layer {
#define TILES_LAYER_ENUM(name, word) name,
    TILES_LAYERS(TILES_LAYER_ENUM)
#undef TILES_LAYER_ENUM
        TILES_LAYER_COUNT
};

struct tile {
    enum tiles_layer layer;
    unsigned z, x, y; /* as in web maps: x from 180 W, y from the north */
    /* What the tile shows: the road network's number, the catalog's
     * generation. What was kept of another edition is not used. */
    uint64_t edition;
};

/* "streets/14/4430/7093.mvt"; false when it is not written so, the layer is
 * unknown, or there is no such tile. Leaves `edition` alone. */
bool tiles_parse(const char *text, struct tile *ret);

struct tiles;

PT_MUST_CHECK enum pt_err tiles_new(uv_loop_t *loop, const char *conninfo,
                                    struct metrics *metrics,
                                    struct tiles **ret);
/* What was asked for and not answered ends with PT_E_DB before this returns;
 * `done` comes from the loop. NULL tiles is fine. */
void tiles_close(struct tiles *tiles, void (*done)(void *), void *context);

/* A tile kept in memory: borrowed until the next call to tiles; a tile may be
 * of 0 bytes. False when it is not there. */
bool tiles_kept(struct tiles *tiles, const struct tile *tile, const void **ret,
                size_t *size);

/* `bytes` is borrowed for the call, NULL unless err is PT_OK. PT_E_DB: not to
 * be had now; PT_E_FULL: too large. */
typedef void (*tiles_answer)(void *context, enum pt_err err, const void *bytes,
                             size_t size);

/* Has the tile drawn. PT_E_AGAIN: no connection, or DB_QUEUE_MAX wait;
 * PT_E_NOTFOUND: a layer that is not drawn here; then `answer` is not called.
 */
PT_MUST_CHECK enum pt_err tiles_ask(struct tiles *tiles,
                                    const struct tile *tile,
                                    tiles_answer answer, void *context);

#endif

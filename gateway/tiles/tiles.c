#include "tiles_internal.h"

#include "db.h"
#include "pt_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tiles {
    struct db *db;
    struct kept kept;
    uint64_t drawn, failed, reused;
    void (*done)(void *context);
    void *done_context;
};

/* Waits for its answer. */
struct job {
    struct tiles *tiles;
    struct tile tile;
    tiles_answer answer;
    void *context;
};

/* -------------------------------------------------------------- statements */
#define TEXT_OF(number) #number
#define NUMBER(macro) TEXT_OF(macro)

/* $1 z, $2 x, $3 y. `ground` is the tile with its margin (64 of 4096 parts,
 * so that wide lines do not end at the edge), in degrees for the index. */
#define TILE                                                         \
    "WITH tile AS (SELECT ST_TileEnvelope($1::integer, $2::integer," \
    " $3::integer) AS box, ST_Transform(ST_TileEnvelope("            \
    "$1::integer, $2::integer, $3::integer, margin => 0.015625),"    \
    " 4326) AS ground) "
#define ON_TILE(geom) \
    "ST_AsMVTGeom(ST_Transform(" geom ", 3857), box, 4096, 64)"

/* What is drawn from which level on: whole cities show their main roads.
 * Pieces of one street are one line, which its name can follow. */
static const char streets[] = TILE
    ", piece AS (SELECT class, name, geom FROM patrol.road_edge, tile"
    " WHERE geom && ground AND ($1::integer >= 13 OR class IN ('motorway',"
    " 'motorway_link', 'trunk', 'trunk_link', 'primary', 'primary_link')"
    " OR $1::integer >= 11 AND class IN ('secondary', 'secondary_link',"
    " 'tertiary', 'tertiary_link')) LIMIT 50000),"
    " line AS (SELECT class, name,"
    " ST_LineMerge(ST_Collect(geom)) AS geom FROM piece GROUP BY class, name) "
    "SELECT ST_AsMVT(feature, 'streets') FROM (SELECT class, name, " ON_TILE(
        "geom") " AS geom FROM line, tile) feature WHERE geom IS NOT NULL";

static const char zones[] =
    TILE "SELECT ST_AsMVT(feature, 'zones') FROM (SELECT zone_id, name, "
         "promise_s, " ON_TILE(
             "geom") " AS geom FROM patrol.zone, tile WHERE geom && ground"
                     ") feature WHERE geom IS NOT NULL";

static const char missions[] =
    TILE "SELECT ST_AsMVT(feature, 'missions') FROM (SELECT mission_id, name, "
         "kind, " ON_TILE(
             "geom") " AS geom FROM patrol.mission, tile WHERE geom && ground"
                     " LIMIT 20000) feature WHERE geom IS NOT NULL";

static const char *const statements[TILES_LAYER_COUNT] = {
    [TILES_STREETS] = streets,
    [TILES_ZONES] = zones,
    [TILES_MISSIONS] = missions,
    [TILES_COVERAGE] = NULL,
};

/* ------------------------------------------------------------------ names */
/* A number without sign, space or leading zeros, ended by `end`. */
static bool take_number(const char **text, char end, unsigned max,
                        unsigned *ret)
{
    const char *at = *text;
    size_t digits = strspn(at, "0123456789");
    unsigned value = 0;

    if (digits == 0 || digits > 5 || (at[0] == '0' && digits > 1) ||
        at[digits] != end)
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(at[i] - '0');
    if (value > max)
        return false;
    *ret = value;
    *text = at + digits + 1;
    return true;
}

bool tiles_parse(const char *text, struct tile *ret)
{
    static const char *const words[TILES_LAYER_COUNT] = {
#define TILES_LAYER_WORD(name, word) [name] = word,
        TILES_LAYERS(TILES_LAYER_WORD)
#undef TILES_LAYER_WORD
    };
    size_t length = strcspn(text, "/");
    struct tile tile = {.layer = TILES_LAYER_COUNT, .edition = ret->edition};

    for (size_t i = 0; i < TILES_LAYER_COUNT; i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
            tile.layer = (enum tiles_layer)i;
    if (tile.layer == TILES_LAYER_COUNT || text[length] != '/')
        return false;
    text += length + 1;
    if (!take_number(&text, '/', TILES_ZOOM_MAX, &tile.z) ||
        tile.z < TILES_ZOOM_MIN ||
        !take_number(&text, '/', (1u << tile.z) - 1, &tile.x) ||
        !take_number(&text, '.', (1u << tile.z) - 1, &tile.y) ||
        strcmp(text, "mvt") != 0)
        return false;
    *ret = tile;
    return true;
}

/* ------------------------------------------------------------------ asking */
static enum pt_err read_tile(PGresult *result, unsigned char **ret,
                             size_t *size)
{
    if (PQntuples(result) != 1 || PQnfields(result) != 1)
        return PT_E_DB;
    /* two digits a byte behind "\x" */
    if ((size_t)PQgetlength(result, 0, 0) / 2 > TILES_TILE_BYTES_MAX)
        return PT_E_FULL;
    unsigned char *bytes =
        PQunescapeBytea((const unsigned char *)PQgetvalue(result, 0, 0), size);
    if (bytes == NULL)
        return PT_E_NOMEM;
    *ret = bytes;
    return PT_OK;
}

static void on_drawn(void *context, enum pt_err err, PGresult *result)
{
    struct job *job = context;
    struct tiles *tiles = job->tiles;
    unsigned char *bytes = NULL;
    size_t size = 0;

    if (err == PT_OK)
        err = read_tile(result, &bytes, &size);
    if (err == PT_OK) {
        tiles->drawn++;
        kept_put(&tiles->kept, &job->tile, bytes, size);
    } else {
        tiles->failed++;
        pt_log(PT_LOG_WARN, "tiles: layer %d, %u/%u/%u: %s: %s",
               (int)job->tile.layer, job->tile.z, job->tile.x, job->tile.y,
               pt_strerror(err), tiles->db == NULL ? "" : db_error(tiles->db));
    }
    job->answer(job->context, err, bytes, size);
    PQfreemem(bytes);
    free(job);
}

bool tiles_kept(struct tiles *tiles, const struct tile *tile, const void **ret,
                size_t *size)
{
    const struct kept_slot *slot = kept_find(&tiles->kept, tile);

    if (slot == NULL)
        return false;
    tiles->reused++;
    *ret = slot->bytes;
    *size = slot->size;
    return true;
}

enum pt_err tiles_ask(struct tiles *tiles, const struct tile *tile,
                      tiles_answer answer, void *context)
{
    char z[12], x[12], y[12];
    const char *values[] = {z, x, y};

    if (statements[tile->layer] == NULL)
        return PT_E_NOTFOUND;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return PT_E_NOMEM;
    *job = (struct job){tiles, *tile, answer, context};
    snprintf(z, sizeof z, "%u", tile->z);
    snprintf(x, sizeof x, "%u", tile->x);
    snprintf(y, sizeof y, "%u", tile->y);
    enum pt_err err =
        db_query(tiles->db, statements[tile->layer], 3, values, on_drawn, job);
    if (err != PT_OK)
        free(job);
    return err;
}

/* ---------------------------------------------------------- start and stop */
/* Before any tile of this connection; without it a tile takes as long as it
 * takes, which is no reason to have none. A tile is done in some ms: compiling
 * its statement would take longer than running it. */
static void on_up(void *context)
{
    struct tiles *tiles = context;
    enum pt_err err = db_query(
        tiles->db,
        "SET statement_timeout = " NUMBER(TILES_WITHIN_MS) "; SET jit = off", 0,
        NULL, NULL, NULL);

    if (err != PT_OK)
        pt_log(PT_LOG_WARN, "tiles: no time limit: %s", pt_strerror(err));
}

static enum pt_err add_metrics(struct tiles *tiles, struct metrics *metrics)
{
    const struct {
        enum metrics_type type;
        const char *name, *labels, *help;
        const uint64_t *value;
    } all[] = {
        {METRICS_COUNTER, "patrol_tiles_total", "from=\"database\"",
         "Map tiles answered, by where they came from", &tiles->drawn},
        {METRICS_COUNTER, "patrol_tiles_total", "from=\"memory\"", "",
         &tiles->reused},
        {METRICS_COUNTER, "patrol_tiles_failed_total", NULL,
         "Map tiles that the database did not draw", &tiles->failed},
        {METRICS_GAUGE, "patrol_tiles_kept_bytes", NULL,
         "Map tiles kept in memory", &tiles->kept.bytes},
    };
    enum pt_err err = PT_OK;

    for (size_t i = 0; i < sizeof all / sizeof *all && err == PT_OK; i++)
        err = metrics_add(metrics, all[i].type, all[i].name, all[i].labels,
                          all[i].help, all[i].value);
    return err;
}

static void free_parts(void *context)
{
    struct tiles *tiles = context;

    kept_clear(&tiles->kept);
    if (tiles->done != NULL)
        tiles->done(tiles->done_context);
    free(tiles);
}

void tiles_close(struct tiles *tiles, void (*done)(void *), void *context)
{
    if (tiles == NULL) {
        if (done != NULL)
            done(context);
        return;
    }
    tiles->done = done;
    tiles->done_context = context;
    struct db *db = tiles->db;
    tiles->db = NULL;
    db_close(db, free_parts, tiles);
}

enum pt_err tiles_new(uv_loop_t *loop, const char *conninfo,
                      struct metrics *metrics, struct tiles **ret)
{
    struct tiles *tiles = calloc(1, sizeof *tiles);

    if (tiles == NULL)
        return PT_E_NOMEM;
    struct db_events events = {.context = tiles, .up = on_up};
    enum pt_err err =
        db_new(loop, conninfo, "patrol-gateway tiles", &events, &tiles->db);
    if (err == PT_OK)
        err = add_metrics(tiles, metrics);
    if (err != PT_OK) {
        tiles_close(tiles, NULL, NULL);
        return err;
    }
    *ret = tiles;
    return PT_OK;
}

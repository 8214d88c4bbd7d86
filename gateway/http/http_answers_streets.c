/* Seconds to the nearest units, by piece of street: as GeoJSON and as the
 * map's layer. */
#include "http_made.h"
#include "mvt.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one answer; some 30 MB. */
#define PIECES_MAX 100000u

struct streets_job {
    struct made made; /* first */
    struct coverage_streets *streets;
    struct catalog *catalog; /* that of `zone`; NULL with tiles */
    const struct catalog_zone *zone;
    bool has_box;
    struct geo_point south_west, north_east;
    bool too_many;
    struct tile tile;
    enum pt_err err; /* of a tile */
};

struct coverage_streets *request_streets(struct request *rq)
{
    const struct http *http = rq->http;

    if (coverage_basis_of(http) == NULL ||
        coverage_streets(http->coverage->coverage) == NULL) {
        reply_no_coverage(rq);
        return NULL;
    }
    return coverage_streets(http->coverage->coverage);
}

static void release(struct made *made)
{
    struct streets_job *job = (struct streets_job *)made;

    coverage_streets_unref(job->streets);
    catalog_free(job->catalog);
    free(job);
}

static const struct roads *roads_of(const struct streets_job *job)
{
    const struct coverage_basis *basis = coverage_streets_basis(job->streets);
    return roads_metric_roads(coverage_basis_metrics(basis)->now);
}

/* NULL after a problem. */
static struct streets_job *new_job(struct request *rq)
{
    struct coverage_streets *streets = request_streets(rq);
    struct streets_job *job = NULL;

    if (streets == NULL)
        return NULL;
    job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return NULL;
    }
    job->made.release = release;
    job->streets = coverage_streets_ref(streets);
    return job;
}

/* ------------------------------------------------------------------- GeoJSON
 */
static bool is_wanted(const struct streets_job *job, const struct roads *roads,
                      const struct coverage_piece *piece)
{
    double middle = ((double)piece->line.from + (double)piece->line.to) / 2;
    struct geo_point at =
        roads_place_on(roads, 2 * piece->line.edge, middle).at;

    if (job->has_box && (at.lat_e6 < job->south_west.lat_e6 ||
                         at.lon_e6 < job->south_west.lon_e6 ||
                         at.lat_e6 > job->north_east.lat_e6 ||
                         at.lon_e6 > job->north_east.lon_e6))
        return false;
    return job->zone == NULL || catalog_zone_holds(job->zone, at);
}

static void write_seconds(struct json *json, const struct coverage_piece *piece)
{
    int64_t within = 0;

    jw_array(json, "seconds");
    for (size_t k = 0; k < COVERAGE_FOLD; k++) {
        if (piece->first_ms[k] == ROADS_NONE)
            jw_null(json, NULL);
        else
            jw_real(json, NULL, piece->first_ms[k] / 1e3, 1);
        within += piece->first_ms[k] <= piece->promise_ms;
    }
    jw_array_end(json);
    if (piece->promise_ms == 0) {
        jw_null(json, "promise_s");
        jw_null(json, "within");
    } else {
        jw_int(json, "promise_s", piece->promise_ms / 1000);
        jw_int(json, "within", within);
    }
}

static void write_point(void *context, struct geo_point at)
{
    jw_position(context, at);
}

static void write_piece(struct json *json, const struct roads *roads,
                        const struct coverage_piece *piece)
{
    const char *name = roads_edge_name(roads, 2 * piece->line.edge);

    jw_object(json, NULL);
    jw_text(json, "type", "Feature");
    jw_object(json, "properties");
    jw_int(json, "way_id", roads_edge_way(roads, 2 * piece->line.edge));
    jw_text(json, "name", name);
    jw_real(json, "length_m", piece->length_m, 1);
    write_seconds(json, piece);
    jw_object_end(json);
    jw_object(json, "geometry");
    jw_text(json, "type", "LineString");
    jw_array(json, "coordinates");
    coverage_line_points(roads, &piece->line, write_point, json);
    jw_array_end(json);
    jw_object_end(json);
    jw_object_end(json);
}

/* The features; the rest stands there already. */
static void write_streets(struct made *made) /* on the pool */
{
    struct streets_job *job = (struct streets_job *)made;
    const struct roads *roads = roads_of(job);
    size_t count = coverage_piece_count(job->streets), written = 0;

    jw_array(&made->json, "features");
    for (size_t i = 0; i < count && !job->too_many; i++) {
        struct coverage_piece piece = coverage_piece(job->streets, i);
        if (!is_wanted(job, roads, &piece))
            continue;
        job->too_many = written == PIECES_MAX;
        if (!job->too_many)
            write_piece(&made->json, roads, &piece);
        written++;
    }
    jw_array_end(&made->json);
    jw_object_end(&made->json);
}

static bool refuse_many(struct request *rq, const struct made *made)
{
    char text[96];

    if (!((const struct streets_job *)made)->too_many)
        return false;
    snprintf(text, sizeof text,
             "more than %u pieces of street: ask for a smaller box",
             PIECES_MAX);
    reply_parameter(rq, "bbox", text);
    return true;
}

/* "WEST,SOUTH,EAST,NORTH" in degrees, as GeoJSON has its boxes. */
static bool parse_box(struct request *rq, struct streets_job *job)
{
    const char *text = params_get(&rq->params, "bbox");
    double deg[4];
    char *end;

    if (text == NULL)
        return true;
    for (size_t i = 0; i < 4; i++) {
        size_t length = strspn(text, "+-.0123456789");
        deg[i] = strtod(text, &end);
        if (length == 0 || end != text + length || *end != (i < 3 ? ',' : '\0'))
            goto wrong;
        text = end + 1;
    }
    if (!geo_deg_valid(deg[1], deg[0]) || !geo_deg_valid(deg[3], deg[2]) ||
        deg[0] > deg[2] || deg[1] > deg[3])
        goto wrong;
    job->has_box = true;
    job->south_west = geo_from_deg(deg[1], deg[0]);
    job->north_east = geo_from_deg(deg[3], deg[2]);
    return true;
wrong:
    reply_parameter(rq, "bbox",
                    "WEST,SOUTH,EAST,NORTH in degrees is expected, such as "
                    "-82.42,23.10,-82.35,23.15");
    return false;
}

void answer_coverage_streets(struct request *rq)
{
    struct streets_job *job = new_job(rq);

    if (job == NULL)
        return;
    if (!request_zone(rq, &job->zone) || !parse_box(rq, job)) {
        release(&job->made);
        return;
    }
    job->catalog = catalog_ref(*rq->http->catalog);
    job->made.content_type = "application/geo+json";
    job->made.write = write_streets;
    job->made.refuse = refuse_many;
    if (!made_attach(rq, &job->made))
        return;
    struct json *json = &job->made.json;
    jw_object(json, NULL);
    jw_text(json, "type", "FeatureCollection");
    write_coverage_made_by(json, rq->http,
                           coverage_streets_at_ms(job->streets));
    made_start(&job->made);
}

/* --------------------------------------------------------------------- tiles
 */
/* Where little of a street is to be seen, streets are told apart by ten
 * seconds only: so they make fewer features, and a quarter of the bytes. Never
 * told as less than they are. */
static int32_t seconds_told(uint32_t ms, unsigned zoom)
{
    uint32_t step_ms = zoom < 13 ? 10000 : 1000;

    if (ms == ROADS_NONE)
        return MVT_ABSENT;
    return (int32_t)((ms / step_ms + (ms % step_ms != 0)) * (step_ms / 1000));
}

static void draw_pieces(struct streets_job *job, struct mvt *mvt)
{
    const struct roads *roads = roads_of(job);
    size_t count = coverage_piece_count(job->streets);
    uint32_t edge = ROADS_NONE;
    bool is_near = false;

    for (size_t i = 0; i < count; i++) {
        struct coverage_piece piece = coverage_piece(job->streets, i);
        int32_t values[COVERAGE_FOLD + 1];
        size_t points;
        if (piece.line.edge != edge) {
            edge = piece.line.edge;
            is_near = mvt_reaches(mvt, *roads_edge_line(roads, edge, &points),
                                  roads_edge_length_m(roads, 2 * edge));
        }
        if (!is_near)
            continue;
        for (size_t k = 0; k < COVERAGE_FOLD; k++)
            values[k] = seconds_told(piece.first_ms[k], job->tile.z);
        values[COVERAGE_FOLD] = piece.promise_ms == 0
                                    ? MVT_ABSENT
                                    : (int32_t)(piece.promise_ms / 1000);
        coverage_line_points(roads, &piece.line, mvt_point, mvt);
        mvt_line(mvt, values);
    }
}

static void draw_tile(struct made *made) /* on the pool */
{
    static const char *const keys[] = {"s1", "s2", "s3", "promise_s"};
    struct streets_job *job = (struct streets_job *)made;
    struct mvt *mvt = NULL;
    char *bytes = NULL;
    size_t size = 0;

    job->err = mvt_new("coverage", job->tile.z, job->tile.x, job->tile.y, keys,
                       sizeof keys / sizeof *keys, &mvt);
    if (job->err == PT_OK) {
        draw_pieces(job, mvt);
        job->err = mvt_finish(mvt, &bytes, &size);
    }
    if (job->err == PT_OK)
        jw_bytes(&made->json, bytes, size);
    free(bytes);
    mvt_free(mvt);
}

static bool refuse_tile(struct request *rq, const struct made *made)
{
    enum pt_err err = ((const struct streets_job *)made)->err;

    if (err == PT_OK)
        return false;
    reply_problem(rq, PROBLEM_FAILED, "the tile could not be drawn: %s",
                  pt_strerror(err));
    return true;
}

void answer_coverage_tile(struct request *rq, const struct tile *tile)
{
    struct streets_job *job = new_job(rq);

    if (job == NULL)
        return;
    job->tile = *tile;
    job->made.write = draw_tile;
    job->made.refuse = refuse_tile;
    job->made.reply = reply_tile;
    if (made_attach(rq, &job->made))
        made_start(&job->made);
}

/* Streets that nobody reaches in time, as areas or as lines. */
#include "http_made.h"
#include <stdlib.h>
#include <string.h>

/* An answer; of areas it may have to wait for them. */
struct areas_job {
    struct made made; /* first */
    struct areas_job *next;
    struct coverage_streets *streets; /* counted */
    struct coverage_areas *areas;     /* counted; NULL: lines */
    struct catalog *catalog;          /* counted: that of `zone` */
    const struct catalog_zone *zone;  /* NULL: all */
};

static void release(struct made *made)
{
    struct areas_job *job = (struct areas_job *)made;

    coverage_areas_unref(job->areas);
    coverage_streets_unref(job->streets);
    catalog_free(job->catalog);
    free(job);
}

/* --------------------------------------------------------------- on the pool
 */
static void write_point(void *context, struct geo_point at)
{
    jw_position(context, at);
}

static bool gap_touches(const struct roads *roads,
                        const struct coverage_gap *gap,
                        const struct catalog_zone *zone)
{
    for (size_t i = 0; i < gap->line_count; i++) {
        const struct coverage_line *line = &gap->lines[i];
        double middle = ((double)line->from + (double)line->to) / 2;
        if (catalog_zone_holds(
                zone, roads_place_on(roads, 2 * line->edge, middle).at))
            return true;
    }
    return false;
}

static void write_properties(struct json *json, const struct catalog *catalog,
                             const struct coverage_gap *gap)
{
    jw_object(json, "properties");
    jw_real(json, "length_m", gap->length_m, 0);
    if (gap->worst_ms == ROADS_NONE)
        jw_null(json, "worst_s");
    else
        jw_real(json, "worst_s", gap->worst_ms / 1e3, 1);
    jw_array(json, "missions");
    for (size_t i = 0; i < gap->mission_count; i++) {
        const struct catalog_mission *m =
            catalog_mission(catalog, gap->missions[i]);
        jw_object(json, NULL);
        jw_int(json, "mission_id", m->mission_id);
        jw_text(json, "name", m->name);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
}

static void write_lines(struct json *json, const struct roads *roads,
                        const struct coverage_gap *gap)
{
    jw_text(json, "type", "MultiLineString");
    jw_array(json, "coordinates");
    for (size_t i = 0; i < gap->line_count; i++) {
        jw_array(json, NULL);
        coverage_line_points(roads, &gap->lines[i], write_point, json);
        jw_array_end(json);
    }
    jw_array_end(json);
}

static void write_area(struct json *json, const struct coverage_areas *areas,
                       size_t gap)
{
    const struct coverage_ring *rings;
    size_t count = coverage_area(areas, gap, &rings);

    jw_text(json, "type", "MultiPolygon");
    jw_array(json, "coordinates");
    for (size_t i = 0; i < count; i++) {
        if (!rings[i].is_hole)
            jw_array(json, NULL);
        jw_array(json, NULL);
        for (uint32_t p = 0; p < rings[i].point_count; p++)
            jw_position(json, rings[i].points[p]);
        jw_array_end(json);
        if (i + 1 == count || !rings[i + 1].is_hole)
            jw_array_end(json);
    }
    jw_array_end(json);
}

void write_gaps(struct json *json, const struct coverage_streets *streets,
                const struct coverage_areas *areas,
                const struct catalog_zone *zone)
{
    const struct coverage_basis *basis = coverage_streets_basis(streets);
    const struct roads *roads =
        roads_metric_roads(coverage_basis_metrics(basis)->now);
    const struct coverage_gap *gaps = NULL;
    size_t count = coverage_streets_gaps(streets, &gaps);

    jw_array(json, "features");
    for (size_t i = 0; i < count; i++) {
        if (zone != NULL && !gap_touches(roads, &gaps[i], zone))
            continue;
        jw_object(json, NULL);
        jw_text(json, "type", "Feature");
        write_properties(json, coverage_basis_catalog(basis), &gaps[i]);
        jw_object(json, "geometry");
        if (areas != NULL)
            write_area(json, areas, i);
        else
            write_lines(json, roads, &gaps[i]);
        jw_object_end(json);
        jw_object_end(json);
    }
    jw_array_end(json);
}

/* The rest stands there already. */
static void write_rest(struct made *made)
{
    const struct areas_job *job = (const struct areas_job *)made;

    write_gaps(&made->json, job->streets, job->areas, job->zone);
    jw_object_end(&made->json);
}

/* --------------------------------------------------------------- on the loop
 */
static void begin(struct areas_job *job)
{
    struct json *json = &job->made.json;
    int64_t streets_ms = coverage_streets_at_ms(job->streets);

    jw_object(json, NULL);
    jw_text(json, "type", "FeatureCollection");
    if (job->areas != NULL)
        jw_real(json, "half_width_m", COVERAGE_AREA_M, 0);
    write_coverage_made_by(json, job->made.http, streets_ms);
    made_start(&job->made);
}

void http_areas(struct http *http, enum pt_err err)
{
    struct areas_job *job = http->areas_wanted;

    http->areas_wanted = NULL;
    while (job != NULL) {
        struct areas_job *next = job->next;
        if (err == PT_OK) {
            job->areas = coverage_areas_ref(http->coverage->areas);
            job->streets =
                coverage_streets_ref(coverage_areas_streets(job->areas));
            begin(job);
        } else if (err == PT_E_FULL) {
            made_drop(&job->made, PROBLEM_BUSY,
                      "more streets are out of cover than areas are made of; "
                      "form=lines has them all");
        } else {
            made_drop(&job->made, PROBLEM_FAILED, pt_strerror(err));
        }
        job = next;
    }
}

void areas_end_all(struct http *http)
{
    while (http->areas_wanted != NULL) {
        struct areas_job *job = http->areas_wanted;
        http->areas_wanted = job->next;
        made_drop(&job->made, PROBLEM_BUSY, "the gateway is stopping");
    }
}

static bool parse_form(struct request *rq, bool *as_lines)
{
    const char *form = params_get(&rq->params, "form");

    *as_lines = form != NULL && strcmp(form, "lines") == 0;
    if (form == NULL || *as_lines || strcmp(form, "areas") == 0)
        return true;
    reply_parameter(rq, "form", "areas or lines is expected");
    return false;
}

void answer_coverage_gaps(struct request *rq)
{
    struct http *http = rq->http;
    const struct catalog_zone *zone;
    struct coverage_streets *streets = request_streets(rq);
    bool as_lines;

    if (streets == NULL || !request_zone(rq, &zone) ||
        !parse_form(rq, &as_lines))
        return;
    struct areas_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    job->made = (struct made){.content_type = "application/geo+json",
                              .write = write_rest,
                              .release = release};
    job->zone = zone;
    job->catalog = catalog_ref(*http->catalog);
    if (!made_attach(rq, &job->made))
        return;
    struct coverage_areas *areas = http->coverage->areas;
    bool is_made = areas != NULL && coverage_areas_streets(areas) == streets;
    if (!as_lines && !is_made) {
        http->coverage->areas_wanted = true;
        job->next = http->areas_wanted;
        http->areas_wanted = job;
        return;
    }
    job->streets = coverage_streets_ref(streets);
    job->areas = as_lines ? NULL : coverage_areas_ref(areas);
    begin(job);
}

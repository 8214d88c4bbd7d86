/* What is known now, as tables that other programs open. */
#include "gateway.h"

#include "asking.h"
#include "pt_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Writing takes no more than this share of the time. */
#define SHARE 20
/* A name of 200 letters, each of them escaped. */
#define NAME_BYTES 2048

struct live_mission {
    struct coverage_mission told;
    const char *call_signs[COVERAGE_FOLD]; /* of the catalog; NULL: none */
};

struct live_job {
    struct gateway *gw;
    struct coverage_streets *streets; /* these four are counted */
    struct coverage_areas *areas;     /* NULL: there are none */
    struct coverage_basis *basis;     /* whose missions and zones they are */
    struct catalog *catalog;          /* whose call signs */
    size_t mission_count, zone_count;
    struct live_mission *missions;
    struct coverage_zone *zones;
    int64_t made_ms;
    size_t units;
    uint64_t ns;
    enum pt_err err;
    char message[256];
};

static void free_job(struct live_job *job)
{
    if (job == NULL)
        return;
    coverage_areas_unref(job->areas);
    coverage_streets_unref(job->streets);
    coverage_basis_unref(job->basis);
    catalog_free(job->catalog);
    free(job->missions);
    free(job->zones);
    free(job);
}

/* ------------------------------------------------------------- rows of a COPY
 */
struct rows {
    struct asking_copy copy;
    FILE *out; /* the row that is being written */
    char *text;
    size_t size;
};

static enum pt_err rows_begin(struct rows *rows, const struct asking *a,
                              const char *sql)
{
    *rows = (struct rows){0};
    rows->out = open_memstream(&rows->text, &rows->size);
    if (rows->out == NULL)
        return PT_E_NOMEM;
    return asking_copy_begin(&rows->copy, a, sql);
}

static void row_end(struct rows *rows)
{
    fputc('\n', rows->out);
    if (fflush(rows->out) != 0)
        rows->copy.failed = true;
    else
        asking_copy_bytes(&rows->copy, rows->text, rows->size);
    rewind(rows->out);
}

/* `err` is that of rows_begin(). */
static enum pt_err rows_end(struct rows *rows, enum pt_err err)
{
    if (err == PT_OK)
        err = asking_copy_end(&rows->copy);
    if (rows->out != NULL)
        fclose(rows->out);
    free(rows->text);
    return err;
}

static void put_text(struct rows *rows, const char *text)
{
    char out[NAME_BYTES];
    fprintf(rows->out, "%s\t", asking_copy_text(text, out, sizeof(out)));
}

static void put_seconds(struct rows *rows, uint32_t ms)
{
    if (ms == ROADS_NONE)
        fputs("\\N\t", rows->out);
    else
        fprintf(rows->out, "%.1f\t", ms / 1e3);
}

/* 0: none. */
static void put_promise(struct rows *rows, uint32_t promise_s)
{
    if (promise_s == 0)
        fputs("\\N\t", rows->out);
    else
        fprintf(rows->out, "%" PRIu32 "\t", promise_s);
}

/* 0: it is not below. */
static void put_since(struct rows *rows, bool alarm, int64_t since_ms)
{
    fprintf(rows->out, "%c\t", alarm ? 't' : 'f');
    time_t whole = (time_t)(since_ms / 1000);
    char text[32] = "";
    struct tm tm;
    if (since_ms == 0 || gmtime_r(&whole, &tm) == NULL ||
        strftime(text, sizeof(text), "%F %T", &tm) == 0)
        fputs("\\N\t", rows->out);
    else
        fprintf(rows->out, "%s.%03dZ\t", text, (int)(since_ms % 1000));
}

static void put_point(FILE *out, struct geo_point at, bool first)
{
    fprintf(out, "%s%.6f %.6f", first ? "" : ",", geo_lon_deg(at),
            geo_lat_deg(at));
}

/* ------------------------------------------------------------------- missions
 */
static void put_mission(struct rows *rows, const struct live_mission *mission,
                        unsigned level)
{
    const struct coverage_mission *m = &mission->told;
    bool judged = !m->off_road && m->promise_s > 0;
    fprintf(rows->out, "%" PRIu32 "\t", m->mission->mission_id);
    put_text(rows, m->mission->name);
    put_text(rows, m->mission->kind);
    put_text(rows, m->mission->zone == NULL ? NULL : m->mission->zone->name);
    fprintf(rows->out, "%c\t", m->off_road ? 't' : 'f');
    put_promise(rows, judged ? (uint32_t)m->promise_s : 0);
    fprintf(rows->out, "%zu\t%s\t", m->within,
            !judged              ? "\\N"
            : m->within >= level ? "t"
                                 : "f");
    put_since(rows, m->lost, m->since_ms);
    for (size_t k = 0; k < COVERAGE_FOLD; k++) {
        put_text(rows, k < m->found ? mission->call_signs[k] : NULL);
        put_seconds(rows, k < m->found ? m->first[k].eta_ms : ROADS_NONE);
    }
    fputs("SRID=4326;POINT(", rows->out);
    put_point(rows->out, m->mission->at, true);
    fputc(')', rows->out);
    row_end(rows);
}

static enum pt_err write_missions(const struct live_job *job,
                                  const struct asking *a)
{
    struct rows rows;
    enum pt_err err = asking_run(a, "DELETE FROM patrol.live_mission");
    if (err != PT_OK)
        return err;
    err = rows_begin(&rows, a, "COPY patrol.live_mission FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < job->mission_count; i++)
        put_mission(&rows, &job->missions[i], job->gw->cover.settings.level);
    return rows_end(&rows, err);
}

/* ---------------------------------------------------------------------- zones
 * Their areas are the database's own; a zone that went meanwhile is left out.
 */
static void put_zone(struct rows *rows, const struct coverage_zone *zone)
{
    fprintf(rows->out, "%" PRIu32 "\t", zone->zone->zone_id);
    put_promise(
        rows, zone->zone->promise_s > 0 ? (uint32_t)zone->zone->promise_s : 0);
    fprintf(rows->out, "%zu\t%zu\t", zone->missions, zone->promised);
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        fprintf(rows->out, "%zu\t", zone->within[k]);
    fprintf(rows->out, "%.1f\t", zone->length_m);
    for (size_t k = 0; k < COVERAGE_FOLD; k++) {
        if (zone->length_m > 0)
            fprintf(rows->out, "%.4f\t", zone->within_m[k] / zone->length_m);
        else
            fputs("\\N\t", rows->out);
    }
    put_since(rows, zone->lost, zone->since_ms);
    fputs("t", rows->out);
    row_end(rows);
}

static enum pt_err write_zones(const struct live_job *job,
                               const struct asking *a)
{
    struct rows rows;
    enum pt_err err = asking_run(a, "DELETE FROM patrol.live_zone");
    if (err != PT_OK)
        return err;
    err = asking_run(
        a, "CREATE TEMP TABLE live_zone_said (zone_id integer, promise_s"
           " integer, missions integer, promised integer, within_1 integer,"
           " within_2 integer, within_3 integer, length_m real, share_1 real,"
           " share_2 real, share_3 real, alarm boolean, below_since"
           " timestamptz, ends boolean) ON COMMIT DROP");
    if (err != PT_OK)
        return err;
    err = rows_begin(&rows, a, "COPY live_zone_said FROM STDIN");
    for (size_t z = 0; err == PT_OK && z < job->zone_count; z++)
        put_zone(&rows, &job->zones[z]);
    err = rows_end(&rows, err);
    if (err != PT_OK)
        return err;
    return asking_run(
        a, "INSERT INTO patrol.live_zone SELECT z.zone_id, z.name,"
           " s.promise_s, s.missions, promised, within_1, within_2, within_3,"
           " length_m, share_1, share_2, share_3, alarm, below_since, geom"
           " FROM live_zone_said s JOIN patrol.zone z USING (zone_id)");
}

/* ----------------------------------------------------------------------- gaps
 */
static void put_rings(FILE *out, const struct coverage_ring *rings,
                      size_t count)
{
    fputs("SRID=4326;MULTIPOLYGON(", out);
    for (size_t i = 0; i < count; i++) {
        fputs(rings[i].is_hole ? "," : i == 0 ? "(" : "),(", out);
        fputc('(', out);
        for (uint32_t p = 0; p < rings[i].point_count; p++)
            put_point(out, rings[i].points[p], p == 0);
        fputc(')', out);
    }
    fputs("))", out);
}

static void put_gap(struct rows *rows, const struct live_job *job, size_t index,
                    const struct coverage_gap *gap)
{
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_streets_basis(job->streets));
    const struct coverage_ring *rings;
    char name[NAME_BYTES];
    fprintf(rows->out, "%zu\t%.1f\t", index + 1, gap->length_m);
    put_seconds(rows, gap->worst_ms);
    fprintf(rows->out, "%zu\t{", gap->mission_count);
    for (size_t i = 0; i < gap->mission_count; i++)
        fprintf(rows->out, "%s%" PRIu32, i == 0 ? "" : ",",
                catalog_mission(catalog, gap->missions[i])->mission_id);
    fputs("}\t", rows->out);
    for (size_t i = 0; i < gap->mission_count; i++)
        fprintf(
            rows->out, "%s%s", i == 0 ? "" : "\\n",
            asking_copy_text(catalog_mission(catalog, gap->missions[i])->name,
                             name, sizeof(name)));
    fputc('\t', rows->out);
    size_t count = coverage_area(job->areas, index, &rings);
    put_rings(rows->out, rings, count);
    row_end(rows);
}

static enum pt_err write_gaps(const struct live_job *job,
                              const struct asking *a)
{
    struct rows rows;
    const struct coverage_gap *gaps = NULL;
    size_t count = coverage_streets_gaps(job->streets, &gaps);
    enum pt_err err = asking_run(a, "DELETE FROM patrol.live_gap");
    if (err != PT_OK || job->areas == NULL)
        return err;
    err = rows_begin(&rows, a, "COPY patrol.live_gap FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < count; i++)
        put_gap(&rows, job, i, &gaps[i]);
    return rows_end(&rows, err);
}

/* -------------------------------------------------------------------- streets
 * Their lines are written when they are others, else their times alone. */
static void put_times(struct rows *rows, const struct coverage_piece *piece)
{
    unsigned within = 0;
    put_promise(rows, piece->promise_ms / 1000);
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        within += piece->first_ms[k] <= piece->promise_ms;
    if (piece->promise_ms == 0)
        fputs("\\N\t", rows->out);
    else
        fprintf(rows->out, "%u\t", within);
    for (size_t k = 0; k < COVERAGE_FOLD; k++)
        put_seconds(rows, piece->first_ms[k]);
}

struct line {
    FILE *out;
    bool begun;
};

static void put_corner(void *context, struct geo_point at)
{
    struct line *line = context;
    put_point(line->out, at, !line->begun);
    line->begun = true;
}

static void put_street(struct rows *rows, const struct roads *roads,
                       size_t index, const struct coverage_piece *piece)
{
    struct line line = {.out = rows->out};
    uint32_t directed = 2 * piece->line.edge;
    fprintf(rows->out, "%zu\t%" PRId64 "\t", index + 1,
            roads_edge_way(roads, directed));
    put_text(rows, roads_edge_name(roads, directed));
    fprintf(rows->out, "%.2f\t",
            piece->length_m > 0.01 ? piece->length_m : 0.01);
    put_times(rows, piece);
    fputs("SRID=4326;LINESTRING(", rows->out);
    coverage_line_points(roads, &piece->line, put_corner, &line);
    fputc(')', rows->out);
    row_end(rows);
}

static const struct roads *roads_of(const struct live_job *job)
{
    return roads_metric_roads(
        coverage_basis_metrics(coverage_streets_basis(job->streets))->now);
}

static enum pt_err write_streets(const struct live_job *job,
                                 const struct asking *a)
{
    struct rows rows;
    size_t count = coverage_piece_count(job->streets);
    enum pt_err err = asking_run(a, "DELETE FROM patrol.live_street");
    if (err != PT_OK)
        return err;
    err = rows_begin(&rows, a, "COPY patrol.live_street FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < count; i++) {
        struct coverage_piece piece = coverage_piece(job->streets, i);
        put_street(&rows, roads_of(job), i, &piece);
    }
    return rows_end(&rows, err);
}

static enum pt_err write_times(const struct live_job *job,
                               const struct asking *a)
{
    struct rows rows;
    size_t count = coverage_piece_count(job->streets);
    enum pt_err err = asking_run(
        a, "CREATE TEMP TABLE live_street_said (promise_s integer, within"
           " smallint, first_s real, second_s real, third_s real, piece_id"
           " integer) ON COMMIT DROP");
    if (err != PT_OK)
        return err;
    err = rows_begin(&rows, a, "COPY live_street_said FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < count; i++) {
        struct coverage_piece piece = coverage_piece(job->streets, i);
        put_times(&rows, &piece);
        fprintf(rows.out, "%zu", i + 1);
        row_end(&rows);
    }
    err = rows_end(&rows, err);
    if (err != PT_OK)
        return err;
    return asking_run(
        a, "UPDATE patrol.live_street l SET promise_s = s.promise_s,"
           " within = s.within, first_s = s.first_s, second_s = s.second_s,"
           " third_s = s.third_s FROM live_street_said s"
           " WHERE s.piece_id = l.piece_id AND (l.promise_s, l.within,"
           " l.first_s, l.second_s, l.third_s) IS DISTINCT FROM (s.promise_s,"
           " s.within, s.first_s, s.second_s, s.third_s)");
}

/* ------------------------------------------------------------------ the whole
 */
static const char same_sql[] =
    "SELECT 1 FROM patrol.live_made WHERE network_id = $1::integer AND profile"
    " = $2 AND pieces = $3::integer AND pieces = (SELECT count(*) FROM"
    " patrol.live_street)";

static const char made_sql[] =
    "INSERT INTO patrol.live_made VALUES ('gateway', $4, timestamptz 'epoch' +"
    " $5::bigint * interval '1 ms', timestamptz 'epoch' + $6::bigint * interval"
    " '1 ms', $1::integer, $2, $7::integer, $8::smallint, $3::integer)"
    " ON CONFLICT (made_by) DO UPDATE SET gateway = excluded.gateway,"
    " made_at = excluded.made_at, streets_at = excluded.streets_at, network_id"
    " = excluded.network_id, profile = excluded.profile, units ="
    " excluded.units, level = excluded.level, pieces = excluded.pieces";

/* The parameters of both. */
struct made {
    char network[16], pieces[24], made[24], streets[24], units[24], level[8];
    const char *values[8];
};

static void tell_made(const struct live_job *job, struct made *made)
{
    const struct gateway *gw = job->gw;
    const char *profile = gw->cover.view.profile;
    snprintf(made->network, sizeof(made->network), "%" PRIu32,
             roads_network_id(roads_of(job)));
    snprintf(made->pieces, sizeof(made->pieces), "%zu",
             coverage_piece_count(job->streets));
    snprintf(made->made, sizeof(made->made), "%" PRId64, job->made_ms);
    snprintf(made->streets, sizeof(made->streets), "%" PRId64,
             coverage_streets_at_ms(job->streets));
    snprintf(made->units, sizeof(made->units), "%zu", job->units);
    snprintf(made->level, sizeof(made->level), "%u", gw->cover.settings.level);
    const char *values[] = {
        made->network,
        profile != NULL ? profile : roads_profile_name(roads_of(job), 0),
        made->pieces,
        gw->settings->client_id,
        made->made,
        made->streets,
        made->units,
        made->level};
    memcpy(made->values, values, sizeof(values));
}

/* All of it in one transaction: who reads sees one moment. Of several gateways
 * one writes at a time. */
static enum pt_err write_all(struct live_job *job, const struct asking *a)
{
    static const char *const begin[] = {
        "BEGIN", "SET LOCAL lock_timeout = '10s'",
        "SET LOCAL statement_timeout = '120s'",
        "SELECT pg_advisory_xact_lock(hashtext('patrol.live'))"};
    struct made made;
    tell_made(job, &made);
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < sizeof(begin) / sizeof(*begin); i++)
        err = asking_run(a, begin[i]);
    if (err != PT_OK)
        return err;
    PGresult *same = asking_query(a, same_sql, 3, made.values, false);
    if (same == NULL)
        return PT_E_DB;
    bool known = PQntuples(same) == 1;
    PQclear(same);
    err = write_missions(job, a);
    if (err == PT_OK)
        err = write_zones(job, a);
    if (err == PT_OK)
        err = write_gaps(job, a);
    if (err == PT_OK)
        err = known ? write_times(job, a) : write_streets(job, a);
    if (err != PT_OK)
        return err;
    PGresult *told = asking_query(a, made_sql, 8, made.values, false);
    PQclear(told);
    return told == NULL ? PT_E_DB : asking_run(a, "COMMIT");
}

static void work(uv_work_t *request) /* on the pool */
{
    struct live_job *job = ((struct gateway *)request->data)->live.job;
    struct asking a = {0};
    uint64_t began_ns = uv_hrtime();
    job->err =
        asking_open(&a, job->gw->settings->conninfo, "patrol-gateway live",
                    job->message, sizeof(job->message));
    if (job->err == PT_OK)
        job->err = write_all(job, &a);
    asking_close(&a); /* and what was begun is undone */
    job->ns = uv_hrtime() - began_ns;
}

static void done(uv_work_t *request, int status)
{
    struct gateway *gw = request->data;
    struct live *live = &gw->live;
    struct live_job *job = live->job;
    int64_t every_ms = 1000 * gw->settings->coverage_live_s;
    int64_t took_ms = (int64_t)(job->ns / 1000000u);
    live->job = NULL;
    live->ns += job->ns;
    live->written += status == 0 && job->err == PT_OK;
    live->failed += status == 0 && job->err != PT_OK;
    if (status == 0 && job->err != PT_OK)
        pt_log(PT_LOG_WARN, "gateway: the live tables were not written: %s: %s",
               pt_strerror(job->err), job->message);
    live->due_ms =
        gw->now_ms + (SHARE * took_ms > every_ms ? SHARE * took_ms : every_ms);
    free_job(job);
}

/* ------------------------------------------------------------------- the loop
 */
static void copy_mission(const struct gateway *gw, struct live_mission *ret,
                         size_t index)
{
    ret->told = coverage_mission(gw->cover.view.coverage, index);
    for (size_t k = 0; k < ret->told.found; k++) {
        uint32_t slot = ret->told.first[k].slot;
        const struct catalog_unit *unit = NULL;
        if (slot < fleet_count(gw->fleet))
            unit = catalog_unit_by_id(gw->catalog,
                                      fleet_at(gw->fleet, slot)->unit_id);
        ret->call_signs[k] = unit == NULL ? NULL : unit->call_sign;
    }
}

static struct live_job *make_job(struct gateway *gw)
{
    const struct cover *cover = &gw->cover;
    const struct coverage *coverage = cover->view.coverage;
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis(coverage));
    struct live_job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->gw = gw;
    job->mission_count = catalog_mission_count(catalog);
    job->zone_count = catalog_zone_count(catalog);
    job->missions = calloc(job->mission_count + 1, sizeof(*job->missions));
    job->zones = calloc(job->zone_count + 1, sizeof(*job->zones));
    if (job->missions == NULL || job->zones == NULL) {
        free_job(job);
        return NULL;
    }
    for (size_t i = 0; i < job->mission_count; i++)
        copy_mission(gw, &job->missions[i], i);
    for (size_t z = 0; z < job->zone_count; z++)
        job->zones[z] = coverage_zone(coverage, z);
    if (cover->view.areas != NULL)
        job->areas = coverage_areas_ref(cover->view.areas);
    job->streets = coverage_streets_ref(job->areas != NULL
                                            ? coverage_areas_streets(job->areas)
                                            : coverage_streets(coverage));
    job->basis = coverage_basis_ref(coverage_basis(coverage));
    job->catalog = catalog_ref(gw->catalog);
    job->made_ms = gw->now_ms;
    job->units = coverage_unit_count(coverage);
    return job;
}

/* Areas are made first, or could not be. */
static bool areas_are_there(struct gateway *gw)
{
    struct live *live = &gw->live;
    struct cover *cover = &gw->cover;
    if (!live->waits) {
        live->waits = true;
        cover->view.areas_wanted = true;
        cover->areas_tries = 0;
    }
    if (cover->areas_tries == 0)
        return false;
    live->waits = false;
    return true;
}

void live_follow(struct gateway *gw)
{
    struct live *live = &gw->live;
    const struct coverage *coverage = gw->cover.view.coverage;
    if (gw->settings->coverage_live_s == 0 || live->job != NULL ||
        live->closing || gw->now_ms < live->due_ms ||
        coverage_streets(coverage) == NULL || !db_is_up(gw->db) ||
        !areas_are_there(gw))
        return;
    live->job = make_job(gw);
    live->work.data = gw;
    if (live->job != NULL &&
        uv_queue_work(&gw->loop, &live->work, work, done) != 0) {
        free_job(live->job);
        live->job = NULL;
    }
    if (live->job == NULL)
        live->due_ms = gw->now_ms + 1000 * gw->settings->coverage_live_s;
}

void live_close(struct gateway *gw)
{
    gw->live.closing = true;
    if (gw->live.job != NULL)
        uv_cancel((uv_req_t *)&gw->live.work);
    while (gw->live.job != NULL)
        uv_run(&gw->loop, UV_RUN_ONCE);
}

static double seconds(void *context)
{
    return (double)*(const uint64_t *)context / 1e9;
}

enum pt_err live_metrics(struct gateway *gw)
{
    struct live *live = &gw->live;
    enum pt_err err = metrics_add(
        gw->metrics, METRICS_COUNTER, "patrol_live_tables_total", NULL,
        "How often the live tables were written", &live->written);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_live_tables_failed_total", NULL,
                          "How often they could not be written", &live->failed);
    if (err == PT_OK)
        err = metrics_add_call(
            gw->metrics, METRICS_COUNTER, "patrol_live_tables_seconds_total",
            NULL, "Time that pool threads spent on that", seconds, &live->ns);
    return err;
}

/* Answers in the database. */
#include "history_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIME_BYTES 40
#define TEXT_BYTES 1024

const char *history_clock_word(enum history_clock clock)
{
    return clock == HISTORY_BY_FIX ? "fix" : "received";
}

static const char *profile_of(const struct history_wish *wish)
{
    return wish->profile != NULL ? wish->profile
                                 : roads_profile_name(wish->roads, 0);
}

/* --------------------------------------------------------- what made it */
static char *settings_text(const struct history_wish *wish)
{
    const struct coverage_settings *c = &wish->coverage;
    const struct counts_rule *rule = &wish->rule;
    char *text = NULL;
    if (asprintf(&text,
                 "{\"level\":%u,\"promise_s\":%d,\"zone_percent\":%u,"
                 "\"counts\":\"%s\",\"turnout_s\":%" PRId64
                 ",\"busy_turnout_s\":%" PRId64 ",\"position_max_s\":%" PRId64
                 ",\"pass_m\":%.1f,\"times\":\"%s\",\"followed\":\"%s\"}",
                 c->level, c->promise_s, c->zone_percent,
                 rule->busy_too ? "available_and_busy" : "available",
                 rule->turnout_s, rule->busy_turnout_s, rule->position_max_s,
                 wish->pass_m, wish->basis != NULL ? "given" : "then",
                 wish->at_steps ? "step" : "reports") < 0)
        return NULL;
    return text;
}

static void write_lists(FILE *out, const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog_unit_count(catalog); i++) {
        const struct catalog_unit *u = catalog_unit(catalog, i);
        fprintf(out, "u%" PRIu32 " %s\n", u->unit_id, u->kind);
    }
    for (size_t i = 0; i < catalog_zone_count(catalog); i++) {
        const struct catalog_zone *z = catalog_zone(catalog, i);
        fprintf(out, "z%" PRIu32 " %s %d %s %s\n", z->zone_id, z->name,
                z->promise_s, z->time_zone, z->geojson);
    }
    for (size_t i = 0; i < catalog_mission_count(catalog); i++) {
        const struct catalog_mission *m = catalog_mission(catalog, i);
        fprintf(out, "m%" PRIu32 " %s %" PRId32 " %" PRId32 " %" PRIu32 "\n",
                m->mission_id, m->name, m->at.lat_e6, m->at.lon_e6,
                m->zone == NULL ? 0 : m->zone->zone_id);
    }
}

/* NULL: out of memory. */
static char *made_of_text(const struct history_wish *wish,
                          const struct then *then, const char *settings)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    fprintf(out, "%s\n%" PRId64 " %" PRId64 " %s %" PRId64 "\n%" PRIu32 " %s\n",
            settings, wish->from_ms, wish->to_ms,
            history_clock_word(wish->clock), wish->step_s,
            roads_network_id(wish->roads), profile_of(wish));
    fputs(then_made_of(then), out);
    write_lists(out, wish->catalog);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* One that holds: no report has come in since that would be counted now. A
 * report is stored a little after it came in. */
static const char find_sql[] =
    "SELECT md5($1), now()::text, (SELECT run_id FROM patrol.coverage_run r"
    " WHERE made_of = md5($1) AND NOT EXISTS (SELECT FROM patrol.position"
    "  WHERE fix_time >= to_timestamp(($2::float8 - $4::float8) / 1000)"
    "  AND fix_time < to_timestamp($3::float8 / 1000) +"
    "   CASE $5 WHEN 'fix' THEN interval '0' ELSE interval '1 day' END"
    "  AND received_at > r.read_at - interval '1 minute'"
    "  AND ($5 = 'fix' OR received_at < to_timestamp($3::float8 / 1000)))"
    " AND NOT EXISTS (SELECT FROM patrol.unit_event e"
    "  WHERE event_time >= to_timestamp(($2::float8 - $4::float8) / 1000)"
    "  AND event_time < to_timestamp($3::float8 / 1000)"
    "  AND coalesce(e.received_at, event_time) >"
    "   r.read_at - interval '1 minute')"
    " ORDER BY run_id DESC LIMIT 1)";

enum pt_err keep_find(const struct asking *asking,
                      const struct history_wish *wish, const struct then *then,
                      struct kept *ret, uint32_t *run_id)
{
    char from[24], to[24], lead[24];
    *ret = (struct kept){.settings = settings_text(wish)};
    char *made_of =
        ret->settings == NULL ? NULL : made_of_text(wish, then, ret->settings);
    if (made_of == NULL)
        return PT_E_NOMEM;
    const char *const params[] = {made_of, from, to, lead,
                                  history_clock_word(wish->clock)};
    snprintf(from, sizeof(from), "%" PRId64, wish->from_ms);
    snprintf(to, sizeof(to), "%" PRId64, wish->to_ms);
    snprintf(lead, sizeof(lead), "%" PRId64,
             replay_lead_ms(wish) + 1000 * wish->rule.position_max_s);
    PGresult *rows = asking_query(asking, find_sql, 5, params, false);
    free(made_of);
    if (rows == NULL)
        return PT_E_DB;
    snprintf(ret->made_of, sizeof(ret->made_of), "%s", PQgetvalue(rows, 0, 0));
    snprintf(ret->read_at, sizeof(ret->read_at), "%s", PQgetvalue(rows, 0, 1));
    *run_id = (uint32_t)strtoul(PQgetvalue(rows, 0, 2), NULL, 10);
    PQclear(rows);
    return PT_OK;
}

void keep_clear(struct kept *kept)
{
    free(kept->settings);
    kept->settings = NULL;
}

/* -------------------------------------------------------------- as columns */
/* `out` of TIME_BYTES. Below 0: null. */
static const char *time_text(int64_t time_ms, char *out)
{
    struct tm parts;
    time_t seconds = (time_t)(time_ms / 1000);
    if (time_ms < 0 || gmtime_r(&seconds, &parts) == NULL) {
        snprintf(out, TIME_BYTES, "%s", "\\N");
        return out;
    }
    size_t used = strftime(out, TIME_BYTES, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(out + used, TIME_BYTES - used, ".%03d+00", (int)(time_ms % 1000));
    return out;
}

/* ------------------------------------------------------------------ the run */
static const char run_sql[] =
    "WITH old AS (DELETE FROM patrol.coverage_run WHERE made_of = $6)"
    " INSERT INTO patrol.coverage_run (\"from\", \"to\", clock, step_s,"
    " network_id, profile, made_of, settings, read_at, took_s, fixes, units,"
    " first_fix, last_fix, units_mean, nobody_s, networks)"
    " SELECT to_timestamp($1::float8 / 1000), to_timestamp($2::float8 / 1000),"
    " $3, $4, $5, $7, $6, $8, $9, $10, $11, $12,"
    " to_timestamp($13::float8 / 1000), to_timestamp($14::float8 / 1000),"
    " $15, $16, (SELECT count(*) FROM patrol.road_network"
    "  WHERE imported_at > to_timestamp($1::float8 / 1000))"
    " RETURNING run_id";
#define RUN_PARAMS 16

static size_t units_that_reported(const struct sums *sums)
{
    size_t count = 0;
    for (size_t i = 0; i < catalog_unit_count(sums->wish->catalog); i++)
        count += sums->reported[i];
    return count;
}

static enum pt_err write_run(const struct asking *asking,
                             const struct kept *kept, const struct sums *sums,
                             double took_s, uint32_t *run_id)
{
    const struct history_wish *wish = sums->wish;
    double span_ms = (double)(wish->to_ms - wish->from_ms);
    char text[RUN_PARAMS][TIME_BYTES];
    const char *params[RUN_PARAMS];
    for (size_t i = 0; i < RUN_PARAMS; i++)
        params[i] = text[i];
    snprintf(text[0], TIME_BYTES, "%" PRId64, wish->from_ms);
    snprintf(text[1], TIME_BYTES, "%" PRId64, wish->to_ms);
    params[2] = history_clock_word(wish->clock);
    snprintf(text[3], TIME_BYTES, "%" PRId64, wish->step_s);
    snprintf(text[4], TIME_BYTES, "%" PRIu32, roads_network_id(wish->roads));
    params[5] = kept->made_of;
    params[6] = profile_of(wish);
    params[7] = kept->settings;
    params[8] = kept->read_at;
    snprintf(text[9], TIME_BYTES, "%.3f", took_s);
    snprintf(text[10], TIME_BYTES, "%" PRIu64, sums->fixes);
    snprintf(text[11], TIME_BYTES, "%zu", units_that_reported(sums));
    snprintf(text[12], TIME_BYTES, "%" PRId64, sums->first_fix_ms);
    snprintf(text[13], TIME_BYTES, "%" PRId64, sums->last_fix_ms);
    if (sums->first_fix_ms < 0)
        params[12] = params[13] = NULL;
    snprintf(text[14], TIME_BYTES, "%.6g", sums->unit_ms / span_ms);
    snprintf(text[15], TIME_BYTES, "%.3f", (double)sums->nobody_ms / 1e3);
    PGresult *rows = asking_query(asking, run_sql, RUN_PARAMS, params, false);
    if (rows == NULL)
        return PT_E_DB;
    *run_id = (uint32_t)strtoul(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return PT_OK;
}

/* ----------------------------------------------------------------- missions */
/* What is not judged, or has no street in front, has nulls there. */
static void outage_columns(const struct mission_sum *s, char *out, size_t size)
{
    char from[TIME_BYTES];
    if (!s->judged)
        snprintf(out, size, "\\N\t\\N\t\\N\t\\N");
    else
        snprintf(out, size, "%.3f\t%" PRIu32 "\t%.3f\t%s",
                 (double)s->out_ms / 1e3, s->outages,
                 (double)s->longest_ms / 1e3,
                 time_text(s->longest_ms > 0 ? s->longest_from_ms : -1, from));
}

static void pass_columns(const struct mission_sum *s, bool has_frontage,
                         char *out, size_t size)
{
    char from[TIME_BYTES];
    if (!has_frontage)
        snprintf(out, size, "\\N\t\\N\t\\N");
    else
        snprintf(
            out, size, "%" PRIu32 "\t%.3f\t%s", s->passes,
            (double)s->unpassed_ms / 1e3,
            time_text(s->unpassed_ms > 0 ? s->unpassed_from_ms : -1, from));
}

static void write_mission(struct asking_copy *copy, uint32_t run_id,
                          const struct sums *sums, size_t index,
                          const struct coverage_mission *m, bool has_frontage)
{
    const struct catalog_mission *mission = m->mission;
    const struct catalog_zone *zone = mission->zone;
    char name[TEXT_BYTES], zone_name[TEXT_BYTES], zone_id[16] = "\\N";
    char promise[16] = "\\N", outages[160], passes[120];
    if (zone != NULL)
        snprintf(zone_id, sizeof(zone_id), "%" PRIu32, zone->zone_id);
    if (m->promise_s > 0 && !m->off_road)
        snprintf(promise, sizeof(promise), "%d", m->promise_s);
    outage_columns(&sums->missions[index], outages, sizeof(outages));
    pass_columns(&sums->missions[index], has_frontage, passes, sizeof(passes));
    asking_copy_row(
        copy,
        "%" PRIu32 "\t%" PRIu32 "\t%s\t%s\t%s\t%s\tSRID=4326;POINT(%.6f %.6f)"
        "\t%c\t%s\t%s\t%s\n",
        run_id, mission->mission_id,
        asking_copy_text(mission->name, name, sizeof(name)), zone_id,
        asking_copy_text(zone == NULL ? NULL : zone->name, zone_name,
                         sizeof(zone_name)),
        sums->hours->names[sums->hours->of_mission[index]],
        (double)mission->at.lon_e6 / 1e6, (double)mission->at.lat_e6 / 1e6,
        m->off_road ? 't' : 'f', promise, outages, passes);
}

static enum pt_err write_missions(const struct asking *asking, uint32_t run_id,
                                  const struct sums *sums,
                                  const struct coverage *coverage,
                                  const struct frontages *frontages)
{
    struct asking_copy copy;
    enum pt_err err = asking_copy_begin(
        &copy, asking,
        "COPY patrol.coverage_run_mission (run_id, mission_id, name, zone_id,"
        " zone, time_zone, geom, off_road, promise_s, out_s, outages,"
        " longest_s, longest_from, passes, unpassed_s, unpassed_from)"
        " FROM STDIN");
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < sums->mission_count; i++) {
        struct coverage_mission m = coverage_mission(coverage, i);
        write_mission(&copy, run_id, sums, i, &m,
                      frontages != NULL && frontages->has_any[i]);
    }
    return asking_copy_end(&copy);
}

static uint32_t mission_id(const struct sums *sums, size_t index)
{
    return catalog_mission(sums->wish->catalog, index)->mission_id;
}

/* Hours that the span has nothing of have no row. */
static enum pt_err write_hours(const struct asking *asking, uint32_t run_id,
                               const struct sums *sums)
{
    struct asking_copy copy;
    enum pt_err err =
        asking_copy_begin(&copy, asking,
                          "COPY patrol.coverage_run_hour (run_id, mission_id,"
                          " hour, seconds, passes) FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < sums->mission_count; i++) {
        for (unsigned h = 0; h < LEARN_HOURS; h++) {
            const uint32_t *ms = sums->hour_ms[i][h];
            char passes[16] = "\\N"; /* nobody's were looked for */
            if (!sums->wish->at_steps)
                snprintf(passes, sizeof(passes), "%u", sums->hour_passes[i][h]);
            if (ms[0] + ms[1] + ms[2] + ms[3] > 0)
                asking_copy_row(&copy,
                                "%" PRIu32 "\t%" PRIu32
                                "\t%u\t{%.3f,%.3f,%.3f,%.3f}\t%s\n",
                                run_id, mission_id(sums, i), h, ms[0] / 1e3,
                                ms[1] / 1e3, ms[2] / 1e3, ms[3] / 1e3, passes);
        }
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

static enum pt_err write_gaps(const struct asking *asking, uint32_t run_id,
                              const struct sums *sums)
{
    struct asking_copy copy;
    char from[TIME_BYTES], to[TIME_BYTES];
    enum pt_err err =
        asking_copy_begin(&copy, asking,
                          "COPY patrol.coverage_run_gap (run_id, mission_id,"
                          " started_at, ended_at) FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < sums->gap_count; i++) {
        const struct gap *gap = &sums->gaps[i];
        asking_copy_row(&copy, "%" PRIu32 "\t%" PRIu32 "\t%s\t%s\n", run_id,
                        mission_id(sums, gap->mission),
                        time_text(gap->from_ms, from),
                        time_text(gap->to_ms, to));
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

/* --------------------------------------------------------------------- zones
 */
static const char zone_sql[] =
    "INSERT INTO patrol.coverage_run_zone (run_id, zone_id, name, promise_s,"
    " time_zone, geom, missions, promised) VALUES ($1, $2, $3, $4, $5,"
    " ST_Multi(ST_SetSRID(ST_GeomFromGeoJSON($6), 4326)), $7, $8)";

static enum pt_err write_zone(const struct asking *asking, uint32_t run_id,
                              const struct sums *sums,
                              const struct coverage_zone *zone)
{
    char id[16], zone_id[16], promise[16], missions[24], promised[24];
    const struct catalog_zone *of = zone->zone;
    const char *const params[] = {
        id,
        zone_id,
        of == NULL ? "all" : of->name,
        of == NULL || of->promise_s == 0 ? NULL : promise,
        of == NULL ? sums->hours->names[0] : of->time_zone,
        of == NULL ? NULL : of->geojson,
        missions,
        promised,
    };
    snprintf(id, sizeof(id), "%" PRIu32, run_id);
    snprintf(zone_id, sizeof(zone_id), "%" PRIu32,
             of == NULL ? 0 : of->zone_id);
    snprintf(promise, sizeof(promise), "%d", of == NULL ? 0 : of->promise_s);
    snprintf(missions, sizeof(missions), "%zu", zone->missions);
    snprintf(promised, sizeof(promised), "%zu", zone->promised);
    PGresult *done = asking_query(asking, zone_sql, 8, params, false);
    PQclear(done);
    return done == NULL ? PT_E_DB : PT_OK;
}

static enum pt_err write_zones(const struct asking *asking, uint32_t run_id,
                               const struct sums *sums,
                               const struct coverage *coverage)
{
    enum pt_err err = PT_OK;
    size_t zones = catalog_zone_count(sums->wish->catalog);
    for (size_t z = 0; z <= zones && err == PT_OK; z++) {
        struct coverage_zone zone = coverage_zone(coverage, z);
        err = write_zone(asking, run_id, sums, &zone);
    }
    return err;
}

static uint32_t zone_id(const struct sums *sums, size_t index)
{
    const struct catalog *catalog = sums->wish->catalog;
    return index < catalog_zone_count(catalog)
               ? catalog_zone(catalog, index)->zone_id
               : 0;
}

static enum pt_err write_snapshots(const struct asking *asking, uint32_t run_id,
                                   const struct sums *sums)
{
    struct asking_copy copy;
    char at[TIME_BYTES];
    enum pt_err err = asking_copy_begin(
        &copy, asking,
        "COPY patrol.coverage_run_snapshot (run_id, taken_at, zone_id, units,"
        " within, length_m, within_m) FROM STDIN");
    for (size_t i = 0; err == PT_OK && i < sums->snapshot_count; i++) {
        const struct snapshot *s = &sums->snapshots[i];
        asking_copy_row(&copy,
                        "%" PRIu32 "\t%s\t%" PRIu32 "\t%" PRIu32 "\t{%" PRIu32
                        ",%" PRIu32 ",%" PRIu32 "}\t%.1f\t{%.1f,%.1f,%.1f}\n",
                        run_id, time_text(s->at_ms, at), zone_id(sums, s->zone),
                        s->units, s->within[0], s->within[1], s->within[2],
                        (double)s->length_m, (double)s->within_m[0],
                        (double)s->within_m[1], (double)s->within_m[2]);
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

enum pt_err keep_write(const struct asking *asking, const struct kept *kept,
                       const struct sums *sums, const struct coverage *coverage,
                       const struct frontages *frontages, double took_s,
                       uint32_t *run_id)
{
    uint32_t id = 0;
    enum pt_err err = asking_run(asking, "BEGIN");
    if (err == PT_OK)
        err = write_run(asking, kept, sums, took_s, &id);
    if (err == PT_OK)
        err = write_missions(asking, id, sums, coverage, frontages);
    if (err == PT_OK)
        err = write_hours(asking, id, sums);
    if (err == PT_OK)
        err = write_gaps(asking, id, sums);
    if (err == PT_OK)
        err = write_zones(asking, id, sums, coverage);
    if (err == PT_OK)
        err = write_snapshots(asking, id, sums);
    if (err == PT_OK)
        err = asking_run(asking, "COMMIT");
    if (err == PT_OK)
        *run_id = id;
    return err;
}

/* What the database is told of coverage. */
#include "gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- the database
 */
/* What stood open when an earlier run ended: nobody saw its end. */
static const char cut_sql[] =
    "UPDATE patrol.coverage_gap SET is_cut = true, ended_at = greatest("
    "started_at, coalesce((SELECT max(taken_at) FROM patrol.coverage_snapshot"
    " WHERE gateway = $1), started_at)) WHERE gateway = $1 AND ended_at IS "
    "NULL";

static const char gaps_sql[] =
    "INSERT INTO patrol.coverage_gap (gateway, subject, subject_id, name,"
    " started_at, ended_at)"
    " SELECT $1, r.subject, r.id, CASE r.subject"
    " WHEN 'zone' THEN (SELECT name FROM patrol.zone WHERE zone_id = r.id)"
    " ELSE (SELECT name FROM patrol.mission WHERE mission_id = r.id) END,"
    " timestamptz 'epoch' + r.started * interval '1 ms',"
    " timestamptz 'epoch' + r.ended * interval '1 ms'"
    " FROM jsonb_to_recordset($2::jsonb)"
    " AS r(subject text, id integer, started bigint, ended bigint)"
    " ON CONFLICT (gateway, subject, subject_id, started_at)"
    " DO UPDATE SET ended_at = excluded.ended_at";

static const char snapshot_sql[] =
    "INSERT INTO patrol.coverage_snapshot (gateway, taken_at, streets_at,"
    " zone_id, network_id, units, missions, promised, within, length_m,"
    " within_m)"
    " SELECT $1, timestamptz 'epoch' + $2::bigint * interval '1 ms',"
    " timestamptz 'epoch' + $3::bigint * interval '1 ms', r.zone, $4::integer,"
    " $5::integer, r.missions, r.promised, r.within, r.length_m, r.within_m"
    " FROM jsonb_to_recordset($6::jsonb) AS r(zone integer, missions integer,"
    " promised integer, within integer[], length_m real, within_m real[])"
    " ON CONFLICT DO NOTHING";

static void on_cut(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    (void)rows;
    gw->cover.storing = false;
    gw->cover.has_cut = err == PT_OK;
}

/* Ended ones that were sent are stored with their end; open ones stay. */
static void on_gaps(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    struct cover *cover = &gw->cover;
    size_t kept = 0;
    (void)rows;
    cover->storing = false;
    if (err != PT_OK) {
        cover->unstored = true;
        return;
    }
    for (size_t i = 0; i < cover->record_count; i++) {
        const struct cover_record *r = &cover->records[i];
        if (r->ended_ms == 0 || !r->sent)
            cover->records[kept++] = *r;
    }
    cover->record_count = kept;
}

static char *records_text(struct cover *cover)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < cover->record_count; i++) {
        struct cover_record *r = &cover->records[i];
        fprintf(out,
                "%c{\"subject\":\"%s\",\"id\":%" PRIu32 ",\"started\":%" PRId64,
                i == 0 ? '[' : ',', r->is_zone ? "zone" : "mission", r->id,
                r->started_ms);
        if (r->ended_ms != 0)
            fprintf(out, ",\"ended\":%" PRId64, r->ended_ms);
        fputc('}', out);
        r->sent = r->ended_ms != 0;
    }
    fputc(']', out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* One statement at a time; what comes meanwhile goes with the next. */
static void store_gaps(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    const char *params[2] = {gw->settings->client_id, NULL};
    enum pt_err err = PT_E_NOMEM;
    if (cover->storing || !db_is_up(gw->db))
        return;
    if (!cover->has_cut) {
        cover->storing =
            db_query(gw->db, cut_sql, 1, params, on_cut, gw) == PT_OK;
        return;
    }
    if (!cover->unstored || cover->record_count == 0)
        return;
    char *text = records_text(cover);
    params[1] = text;
    if (text != NULL)
        err = db_query(gw->db, gaps_sql, 2, params, on_gaps, gw);
    free(text);
    cover->storing = err == PT_OK;
    cover->unstored = err != PT_OK;
}

static void write_zone(FILE *out, const struct coverage_zone *zone, bool first)
{
    fprintf(out,
            "%c{\"zone\":%" PRIu32
            ",\"missions\":%zu,\"promised\":%zu,\"within\":[%zu,%zu,%zu],"
            "\"length_m\":%.1f,\"within_m\":[%.1f,%.1f,%.1f]}",
            first ? '[' : ',', zone->zone == NULL ? 0 : zone->zone->zone_id,
            zone->missions, zone->promised, zone->within[0], zone->within[1],
            zone->within[2], zone->length_m, zone->within_m[0],
            zone->within_m[1], zone->within_m[2]);
}

static char *snapshot_text(const struct gateway *gw, size_t zones)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t z = 0; z <= zones; z++) {
        struct coverage_zone zone = coverage_zone(gw->cover.view.coverage, z);
        write_zone(out, &zone, z == 0);
    }
    fputc(']', out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* A snapshot that does not get through is left out: there is a next. */
static void store_snapshot(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    const struct coverage *c = cover->view.coverage;
    struct coverage_basis *basis = coverage_basis(c);
    int64_t every_ms = 1000 * gw->settings->coverage_store_s;
    int64_t since_ms = gw->now_ms - cover->stored_ms;
    if (every_ms == 0 || basis == NULL || coverage_streets_ms(c) == 0 ||
        (since_ms >= 0 && since_ms < every_ms) || !db_is_up(gw->db))
        return;
    char now[24], streets[24], network[16], units[24];
    char *text =
        snapshot_text(gw, catalog_zone_count(coverage_basis_catalog(basis)));
    const char *params[] = {
        gw->settings->client_id, now, streets, network, units, text};
    snprintf(now, sizeof(now), "%" PRId64, gw->now_ms);
    snprintf(streets, sizeof(streets), "%" PRId64, coverage_streets_ms(c));
    snprintf(network, sizeof(network), "%" PRIu32,
             roads_network_id(
                 roads_metric_roads(coverage_basis_metrics(basis)->now)));
    snprintf(units, sizeof(units), "%zu", coverage_unit_count(c));
    if (text != NULL &&
        db_query(gw->db, snapshot_sql, 6, params, NULL, NULL) == PT_OK)
        cover->snapshots++;
    cover->stored_ms = gw->now_ms;
    free(text);
}

void cover_store(struct gateway *gw)
{
    store_gaps(gw);
    store_snapshot(gw);
}

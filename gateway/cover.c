/* Coverage in the gateway: which time tables are wanted, what pool threads are
 * given, what is told and stored of it. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After tables could not be made. */
#define RETRY_MS 10000
/* A unit that leaves uncovers many missions at once: so many lines of log,
 * and a number. */
#define LOGGED_MAX 10
/* What was lost and is not stored yet, while the database is away. */
#define RECORDS_MAX 4096

/* ---------------------------------------------------------------- time tables
 */
static const char *profile_of(const struct gateway *gw)
{
    const char *profile = gw->settings->coverage_profile;
    return profile[0] == '\0' ? NULL : profile;
}

static void basis_work(uv_work_t *work) /* on the pool */
{
    struct cover *cover = &((struct gateway *)work->data)->cover;
    uint64_t began_ns = uv_hrtime();
    cover->basis_err = coverage_basis_fill(cover->building);
    cover->build_ns += uv_hrtime() - began_ns;
}

static void basis_failed(struct gateway *gw, enum pt_err err)
{
    gw->cover.retry_ms = gw->now_ms + RETRY_MS;
    if (err == PT_E_FULL)
        pt_log(PT_LOG_ERROR, "gateway: coverage.tables_max_mb is too small for "
                             "the missions' time tables");
    else
        pt_log(PT_LOG_WARN, "gateway: the missions' time tables: %s",
               pt_strerror(err));
}

static void basis_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct cover *cover = &gw->cover;
    struct coverage_basis *basis = cover->building;
    cover->building = NULL;
    cover->view.renewing = false;
    if (status == 0 && !cover->closing) {
        enum pt_err err = cover->basis_err;
        if (err == PT_OK)
            err = coverage_set_basis(cover->view.coverage, basis,
                                     gateway_wall_ms());
        if (err != PT_OK)
            basis_failed(gw, err);
        cover->builds += err == PT_OK;
        cover->all_moved = true; /* a catalog has other units, too */
        cover->streets_ms = 0;
    }
    coverage_basis_unref(basis);
}

static bool is_current(const struct coverage_basis *basis,
                       const struct catalog *catalog,
                       const struct coverage_metrics *metrics)
{
    if (basis == NULL)
        return false;
    const struct coverage_metrics *has = coverage_basis_metrics(basis);
    return has->now == metrics->now && has->first == metrics->first &&
           catalog_generation(coverage_basis_catalog(basis)) ==
               catalog_generation(catalog);
}

/* Those in use stay until the new ones are there. A basis holds its metrics,
 * so none that comes later can stand at the same address. */
static void seek_basis(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    const struct roads *roads = dispatch_roads(gw->dispatch);
    const struct coverage_metrics metrics = {
        .now = dispatch_metric(gw->dispatch, profile_of(gw)),
        .open = roads == NULL ? NULL : roads_profile(roads, profile_of(gw)),
        .first = dispatch_metric(gw->dispatch, NULL),
    };
    cover->view.no_profile = roads != NULL && metrics.now == NULL;
    if (cover->building != NULL || metrics.now == NULL || !loads_ready(gw) ||
        !roads_prepared(metrics.now) || gw->now_ms < cover->retry_ms ||
        is_current(coverage_basis(cover->view.coverage), gw->catalog, &metrics))
        return;
    enum pt_err err = coverage_basis_new(&cover->settings, gw->catalog,
                                         &metrics, &cover->building);
    cover->basis_work.data = gw;
    if (err == PT_OK && uv_queue_work(&gw->loop, &cover->basis_work, basis_work,
                                      basis_done) != 0) {
        coverage_basis_unref(cover->building);
        cover->building = NULL;
        err = PT_E_SYSTEM;
    }
    cover->view.renewing = err == PT_OK;
    if (err != PT_OK)
        basis_failed(gw, err);
}

/* ---------------------------------------------------------------------- units
 */
static void put_unit(struct gateway *gw, uint32_t slot)
{
    const struct coverage_unit unit = counts_unit(
        &gw->cover.rule, gw->catalog, gw->dispatch, gw->fleet, slot);
    if (coverage_put(gw->cover.view.coverage, slot, &unit, gw->now_ms) != PT_OK)
        gw->cover.dropped++;
}

/* On another network than the tables' no unit has a place; those that it had
 * stay until there are tables. */
static void put_moved(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    struct coverage_basis *basis = coverage_basis(cover->view.coverage);
    const uint32_t *slots;
    size_t count = dispatch_moved(gw->dispatch, &slots);
    if (basis != NULL &&
        roads_metric_roads(coverage_basis_metrics(basis)->now) ==
            dispatch_roads(gw->dispatch)) {
        coverage_trim(cover->view.coverage, fleet_count(gw->fleet), gw->now_ms);
        for (size_t i = 0; !cover->all_moved && i < count; i++)
            put_unit(gw, slots[i]);
        for (size_t i = 0; cover->all_moved && i < fleet_count(gw->fleet); i++)
            put_unit(gw, (uint32_t)i);
        cover->all_moved = false;
    }
    dispatch_moved_take(gw->dispatch);
}

/* --------------------------------------------------------------------- alarms
 */
static struct cover_record *find_open(struct cover *cover,
                                      const struct coverage_alarm *alarm)
{
    for (size_t i = 0; i < cover->record_count; i++) {
        struct cover_record *r = &cover->records[i];
        if (r->is_zone == alarm->is_zone && r->id == alarm->id &&
            r->ended_ms == 0)
            return r;
    }
    return NULL;
}

/* Kept until the database has it, and has its end. */
static void note(struct cover *cover, const struct coverage_alarm *alarm)
{
    struct cover_record *record = find_open(cover, alarm);
    if (record == NULL && cover->record_count == cover->record_room &&
        cover->record_room < RECORDS_MAX) {
        size_t room = 2 * cover->record_room + 64;
        room = room < RECORDS_MAX ? room : RECORDS_MAX;
        struct cover_record *more =
            reallocarray(cover->records, room, sizeof(*more));
        if (more != NULL) {
            cover->records = more;
            cover->record_room = room;
        }
    }
    if (record == NULL && cover->record_count == cover->record_room) {
        cover->dropped++;
        return;
    }
    if (record == NULL)
        record = &cover->records[cover->record_count++];
    *record = (struct cover_record){
        .is_zone = alarm->is_zone,
        .id = alarm->id,
        .started_ms = alarm->since_ms,
        .ended_ms = alarm->lost ? 0 : alarm->at_ms,
    };
    cover->unstored = true;
}

static void on_alarm(void *context, const struct coverage_alarm *alarm)
{
    struct gateway *gw = context;
    struct cover *cover = &gw->cover;
    const char *name = alarm->mission != NULL ? alarm->mission->name
                       : alarm->zone != NULL  ? alarm->zone->name
                                              : "(not on the list any more)";
    cover->alarms[alarm->lost ? 0 : 1]++;
    if (cover->told++ < LOGGED_MAX)
        pt_log(PT_LOG_NOTICE, "gateway: cover of %s %s %s (%zu of %zu in time)",
               alarm->is_zone ? "zone" : "mission", name,
               alarm->lost ? "is lost" : "is regained", alarm->within,
               alarm->of);
    note(cover, alarm);
    http_coverage_alarm(gw->http, alarm);
}

/* -------------------------------------------------------------------- streets
 */
static void streets_work(uv_work_t *work) /* on the pool */
{
    struct cover *cover = &((struct gateway *)work->data)->cover;
    uint64_t began_ns = uv_hrtime();
    cover->streets_err = coverage_streets_run(cover->streets);
    cover->streets_ns += uv_hrtime() - began_ns;
}

static void streets_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct cover *cover = &gw->cover;
    enum pt_err err = status == 0 ? cover->streets_err : PT_E_SYSTEM;
    coverage_streets_end(cover->view.coverage, cover->streets, err);
    cover->streets = NULL;
    cover->streets_runs += err == PT_OK;
    if (status == 0 && err != PT_OK)
        pt_log(PT_LOG_WARN, "gateway: cover of the streets: %s",
               pt_strerror(err));
}

/* In how many ms it is due. */
static int64_t spread_over_streets(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    int64_t every_ms = 1000 * gw->settings->streets_every_s;
    int64_t since_ms = gw->now_ms - cover->streets_ms;
    if (coverage_basis(cover->view.coverage) == NULL || cover->streets != NULL)
        return every_ms;
    if (since_ms >= 0 && since_ms < every_ms)
        return every_ms - since_ms;
    cover->streets_ms = gw->now_ms;
    cover->streets_work.data = gw;
    enum pt_err err = coverage_streets_begin(cover->view.coverage, gw->now_ms,
                                             &cover->streets);
    if (err == PT_OK && uv_queue_work(&gw->loop, &cover->streets_work,
                                      streets_work, streets_done) != 0)
        streets_done(&cover->streets_work, UV_EIO);
    return every_ms;
}

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

/* ------------------------------------------------------------------- the tick
 */
void cover_follow(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    seek_basis(gw);
    put_moved(gw);
    cover->told = 0;
    int64_t wait_ms =
        coverage_follow(cover->view.coverage, gw->now_ms, on_alarm, gw);
    if (cover->told > LOGGED_MAX)
        pt_log(PT_LOG_NOTICE, "gateway: cover of %u more was lost or regained",
               cover->told - LOGGED_MAX);
    int64_t streets_ms = spread_over_streets(gw);
    store_gaps(gw);
    store_snapshot(gw);
    if (wait_ms < 0 || wait_ms > streets_ms)
        wait_ms = streets_ms;
    tick_again(&cover->again, wait_ms);
}

/* -------------------------------------------------------------- start and end
 */
static double missions_within(void *context)
{
    const struct cover *cover = context;
    const struct coverage_basis *basis = coverage_basis(cover->view.coverage);
    if (basis == NULL)
        return NAN;
    struct coverage_zone all =
        coverage_zone(cover->view.coverage,
                      catalog_zone_count(coverage_basis_catalog(basis)));
    return (double)all.within[0];
}

static double streets_within(void *context)
{
    const struct cover *cover = context;
    const struct coverage_basis *basis = coverage_basis(cover->view.coverage);
    if (basis == NULL || coverage_streets_ms(cover->view.coverage) == 0)
        return NAN;
    struct coverage_zone all =
        coverage_zone(cover->view.coverage,
                      catalog_zone_count(coverage_basis_catalog(basis)));
    return all.length_m > 0 ? all.within_m[0] / all.length_m : (double)NAN;
}

static double units_counted(void *context)
{
    const struct cover *cover = context;
    return (double)coverage_unit_count(cover->view.coverage);
}

static double table_bytes(void *context)
{
    const struct cover *cover = context;
    const struct coverage_basis *basis = coverage_basis(cover->view.coverage);
    return basis == NULL ? 0 : (double)coverage_basis_bytes(basis);
}

static double in_seconds(void *context)
{
    const uint64_t *ns = context;
    return (double)*ns / 1e9;
}

static enum pt_err add_metrics(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    const struct {
        enum metrics_type type;
        const char *name, *labels, *help;
        double (*call)(void *context);
        void *context;
    } numbers[] = {
        {METRICS_GAUGE, "patrol_coverage_missions_within", NULL,
         "Missions that a unit reaches within their promise; NaN: not known",
         missions_within, cover},
        {METRICS_GAUGE, "patrol_coverage_streets_share", NULL,
         "Share of street length that a unit reaches within its promise",
         streets_within, cover},
        {METRICS_GAUGE, "patrol_coverage_units", NULL,
         "Units that count for coverage", units_counted, cover},
        {METRICS_GAUGE, "patrol_coverage_table_bytes", NULL,
         "Memory of the missions' time tables and the streets' pieces",
         table_bytes, cover},
        {METRICS_COUNTER, "patrol_coverage_tables_seconds_total", NULL,
         "Time that pool threads spent on the missions' time tables",
         in_seconds, &cover->build_ns},
        {METRICS_COUNTER, "patrol_coverage_streets_seconds_total", NULL,
         "Time that pool threads spent on the cover of streets", in_seconds,
         &cover->streets_ns},
    };
    const struct {
        const char *name, *labels, *help;
        const uint64_t *value;
    } counters[] = {
        {"patrol_coverage_tables_total", NULL,
         "How often the missions' time tables were made", &cover->builds},
        {"patrol_coverage_streets_total", NULL,
         "How often the cover of all streets was worked out",
         &cover->streets_runs},
        {"patrol_coverage_alarms_total", "kind=\"lost\"",
         "Missions and zones whose cover was lost or regained",
         &cover->alarms[0]},
        {"patrol_coverage_alarms_total", "kind=\"regained\"",
         "Missions and zones whose cover was lost or regained",
         &cover->alarms[1]},
        {"patrol_coverage_snapshots_total", NULL,
         "Snapshots given to the database", &cover->snapshots},
        {"patrol_coverage_dropped_total", NULL,
         "Units or alarms that there was no memory or room for",
         &cover->dropped},
    };
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (err == PT_OK)
            err =
                metrics_add_call(gw->metrics, numbers[i].type, numbers[i].name,
                                 numbers[i].labels, numbers[i].help,
                                 numbers[i].call, numbers[i].context);
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        if (err == PT_OK)
            err = metrics_add(gw->metrics, METRICS_COUNTER, counters[i].name,
                              counters[i].labels, counters[i].help,
                              counters[i].value);
    return err;
}

enum pt_err cover_open(struct gateway *gw)
{
    const struct settings *s = gw->settings;
    struct cover *cover = &gw->cover;
    cover->settings = (struct coverage_settings){
        .promise_s = (int)s->coverage_promise_s,
        .level = (unsigned)s->coverage_level,
        .zone_percent = (unsigned)s->zone_percent,
        .lost_after_ms = 1000 * s->lost_after_s,
        .regained_after_ms = 1000 * s->regained_after_s,
        .reach_m = DISPATCH_ACCESS_MAX_M,
        .access_s = dispatch_access_s,
        .start_share = DISPATCH_START_SHARE,
        .tables_max_bytes = (size_t)s->tables_max_mb << 20,
    };
    cover->rule = (struct counts_rule){
        .busy_too = s->coverage_counts == COVER_BUSY_TOO,
        .turnout_s = s->turnout_s,
        .busy_turnout_s = s->busy_turnout_s,
        .position_max_s = s->position_max_s,
    };
    cover->view = (struct http_coverage){
        .profile = profile_of(gw),
        .level = cover->settings.level,
        .zone_percent = cover->settings.zone_percent,
        .rank_weight_s = (int)s->rank_weight_s,
        .rule = &cover->rule,
        .settings = &cover->settings,
        .conninfo = s->conninfo,
    };
    enum pt_err err = coverage_new(&cover->settings, (size_t)s->max_units,
                                   &cover->view.coverage);
    if (err == PT_OK)
        err = add_metrics(gw);
    if (err != PT_OK) {
        coverage_free(cover->view.coverage);
        return err;
    }
    uv_timer_init(&gw->loop, &cover->again);
    return PT_OK;
}

void cover_close(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    cover->closing = true;
    uv_close((uv_handle_t *)&cover->again, NULL);
    /* Refused once it runs; then it ends by itself. */
    if (cover->building != NULL)
        uv_cancel((uv_req_t *)&cover->basis_work);
    if (cover->streets != NULL)
        uv_cancel((uv_req_t *)&cover->streets_work);
    while (cover->building != NULL || cover->streets != NULL)
        uv_run(&gw->loop, UV_RUN_ONCE);
    coverage_free(cover->view.coverage);
    free(cover->records);
}

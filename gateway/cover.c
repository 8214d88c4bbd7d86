/* Coverage in the gateway: which time tables are wanted, what pool threads are
 * given, what is told of it. */
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

static void basis_failed(struct gateway *gw, enum pt_err err, bool next)
{
    int64_t *retry_ms = next ? &gw->cover.next_retry_ms : &gw->cover.retry_ms;
    *retry_ms = gw->now_ms + RETRY_MS;
    if (err == PT_E_FULL)
        pt_log(PT_LOG_ERROR, "gateway: coverage.tables_max_mb is too small for "
                             "the missions' time tables");
    else
        pt_log(PT_LOG_WARN, "gateway: the missions' time tables: %s",
               pt_strerror(err));
}

static void use_basis(struct gateway *gw, struct coverage_basis *basis)
{
    struct cover *cover = &gw->cover;
    enum pt_err err =
        coverage_set_basis(cover->view.coverage, basis, gateway_wall_ms());
    if (err != PT_OK)
        basis_failed(gw, err, false);
    /* of the basis before, which would be held by them */
    coverage_areas_unref(cover->view.areas);
    cover->view.areas = NULL;
    cover->all_moved = true; /* a catalog has other units, too */
    cover->streets_ms = 0;
    coverage_basis_unref(basis);
}

static void basis_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct cover *cover = &gw->cover;
    struct coverage_basis *basis = cover->building;
    cover->building = NULL;
    cover->view.renewing = false;
    if (status != 0 || cover->closing || cover->basis_err != PT_OK) {
        if (status == 0 && !cover->closing)
            basis_failed(gw, cover->basis_err, cover->building_next);
        coverage_basis_unref(basis);
        return;
    }
    cover->builds++;
    if (cover->building_next)
        cover->next = basis;
    else
        use_basis(gw, basis);
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

static void build(struct gateway *gw, const struct coverage_metrics *metrics,
                  bool next)
{
    struct cover *cover = &gw->cover;
    enum pt_err err = coverage_basis_new(&cover->settings, gw->catalog, metrics,
                                         &cover->building);
    cover->building_next = next;
    cover->basis_work.data = gw;
    if (err == PT_OK && uv_queue_work(&gw->loop, &cover->basis_work, basis_work,
                                      basis_done) != 0) {
        coverage_basis_unref(cover->building);
        cover->building = NULL;
        err = PT_E_SYSTEM;
    }
    cover->view.renewing = err == PT_OK && !next;
    if (err != PT_OK)
        basis_failed(gw, err, next);
}

/* The next hour's, once its metrics are there; none else. */
static void seek_next(struct gateway *gw, const struct roads *roads)
{
    struct cover *cover = &gw->cover;
    const struct coverage_metrics metrics = {
        .now = learning_next(gw, profile_of(gw)),
        .open = roads_profile(roads, profile_of(gw)),
        .first = learning_next(gw, NULL),
    };
    if (is_current(cover->next, gw->catalog, &metrics))
        return;
    coverage_basis_unref(cover->next);
    cover->next = NULL;
    if (cover->building == NULL && metrics.now != NULL &&
        roads_prepared(metrics.now) && gw->now_ms >= cover->next_retry_ms)
        build(gw, &metrics, true);
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
    if (metrics.now == NULL || !loads_ready(gw) || !roads_prepared(metrics.now))
        return;
    if (is_current(coverage_basis(cover->view.coverage), gw->catalog,
                   &metrics)) {
        seek_next(gw, roads);
    } else if (is_current(cover->next, gw->catalog, &metrics)) {
        struct coverage_basis *next = cover->next;
        cover->next = NULL;
        use_basis(gw, next);
    } else if (cover->building == NULL && gw->now_ms >= cover->retry_ms) {
        build(gw, &metrics, false);
    }
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

/* ----------------------------------------------------------------------- areas
 */
static void areas_work(uv_work_t *work) /* on the pool */
{
    struct cover *cover = &((struct gateway *)work->data)->cover;
    uint64_t began_ns = uv_hrtime();
    cover->areas_err = coverage_areas_fill(cover->areas, cover->areas_before);
    cover->areas_ns += uv_hrtime() - began_ns;
}

static void areas_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct cover *cover = &gw->cover;
    enum pt_err err = status == 0 ? cover->areas_err : PT_E_SYSTEM;
    struct coverage_areas *made = cover->areas;
    coverage_areas_unref(cover->areas_before);
    cover->areas = cover->areas_before = NULL;
    if (err == PT_OK) {
        coverage_areas_unref(cover->view.areas);
        cover->view.areas = made;
    } else {
        coverage_areas_unref(made);
    }
    cover->areas_runs += err == PT_OK;
    cover->areas_tries++;
    if (status == 0 && err != PT_OK)
        pt_log(PT_LOG_WARN, "gateway: gaps as areas: %s", pt_strerror(err));
    if (gw->http != NULL)
        http_areas(gw->http, err);
}

void cover_serve(struct gateway *gw)
{
    struct cover *cover = &gw->cover;
    struct coverage_streets *streets = coverage_streets(cover->view.coverage);
    if (!cover->view.areas_wanted || cover->areas != NULL || streets == NULL)
        return;
    cover->view.areas_wanted = false;
    enum pt_err err = coverage_areas_new(streets, &cover->areas);
    cover->areas_work.data = gw;
    if (err == PT_OK && cover->view.areas != NULL)
        cover->areas_before = coverage_areas_ref(cover->view.areas);
    if (err == PT_OK && uv_queue_work(&gw->loop, &cover->areas_work, areas_work,
                                      areas_done) != 0)
        areas_done(&cover->areas_work, UV_EIO);
    if (err != PT_OK) {
        cover->areas_tries++;
        http_areas(gw->http, err);
    }
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
    cover_store(gw);
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
    return (basis == NULL ? 0 : (double)coverage_basis_bytes(basis)) +
           (cover->next == NULL ? 0
                                : (double)coverage_basis_bytes(cover->next));
}

static double is_ahead(void *context)
{
    const struct cover *cover = context;
    return cover->next != NULL;
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
        {METRICS_GAUGE, "patrol_coverage_tables_ahead", NULL,
         "The next hour's time tables are ready", is_ahead, cover},
        {METRICS_COUNTER, "patrol_coverage_tables_seconds_total", NULL,
         "Time that pool threads spent on the missions' time tables",
         in_seconds, &cover->build_ns},
        {METRICS_COUNTER, "patrol_coverage_streets_seconds_total", NULL,
         "Time that pool threads spent on the cover of streets", in_seconds,
         &cover->streets_ns},
        {METRICS_COUNTER, "patrol_coverage_areas_seconds_total", NULL,
         "Time that pool threads spent on gaps as areas", in_seconds,
         &cover->areas_ns},
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
        {"patrol_coverage_areas_total", NULL,
         "How often gaps were made into areas", &cover->areas_runs},
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
        .study_limit_ms = 1000 * s->study_limit_s,
        .pass_m = s->pass_m,
        .history_threads = (unsigned)s->history_threads,
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
    live_close(gw);
    uv_close((uv_handle_t *)&cover->again, NULL);
    /* Refused once it runs; then it ends by itself. */
    if (cover->building != NULL)
        uv_cancel((uv_req_t *)&cover->basis_work);
    if (cover->streets != NULL)
        uv_cancel((uv_req_t *)&cover->streets_work);
    if (cover->areas != NULL)
        uv_cancel((uv_req_t *)&cover->areas_work);
    while (cover->building != NULL || cover->streets != NULL ||
           cover->areas != NULL)
        uv_run(&gw->loop, UV_RUN_ONCE);
    coverage_basis_unref(cover->next);
    coverage_areas_unref(cover->view.areas);
    coverage_free(cover->view.coverage);
    free(cover->records);
}

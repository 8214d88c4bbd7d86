#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A script that adds a hundred units sends a hundred notices. */
#define DEBOUNCE_MS 200
/* Strangers at the broker must not have the catalog read all the time. */
#define ASKED_EVERY_MS 2000
/* After a load that failed while the connection stands. */
#define RETRY_MS 2000

static void load_catalog(struct gateway *gw);
static void load_state(struct gateway *gw);
static void load_roads(struct gateway *gw);

bool loads_ready(const struct gateway *gw)
{
    return gw->loads.catalog_loaded && gw->loads.state_loaded;
}

/* Begins what is wanted and not under way; what is under way looks again when
 * it ends. */
static void load_wanted(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    if (loads->closing || !db_is_up(gw->db))
        return; /* loads_database_up() wants everything anew */
    if (loads->catalog.wanted && !loads->catalog.under_way)
        load_catalog(gw);
    if (loads->state.wanted && !loads->state.under_way)
        load_state(gw);
    if (loads->said.wanted && !loads->said.under_way)
        said_load(gw);
    if (loads->roads.wanted && !loads->roads.under_way)
        load_roads(gw);
    closures_turn(gw);
}

static void on_timer(uv_timer_t *timer)
{
    load_wanted(timer->data);
}

void loads_failed(struct gateway *gw, struct loading *loading, const char *what,
                  const char *why)
{
    pt_log(PT_LOG_WARN, "gateway: %s could not be loaded: %s", what, why);
    loading->wanted = true;
    if (!gw->loads.closing)
        uv_timer_start(&gw->loads.retry, on_timer, RETRY_MS, 0);
}

static void prepare_roads(struct gateway *gw);

/* Roads go to dispatch last, and with what is closed: until there are any, it
 * answers that it cannot, which is better than an answer without the units, or
 * over a bridge that is closed. */
bool loads_install_roads(struct gateway *gw, const struct closures_view *view)
{
    struct roads *roads = gw->loads.roads_new;
    size_t count = 0;
    struct roads_metric *const *metrics = closures_view_metrics(view, &count);
    gw->loads.roads_new = NULL;
    enum pt_err err = dispatch_set_roads(gw->dispatch, roads, gw->fleet);
    roads_unref(roads);
    if (err == PT_OK)
        err = dispatch_set_metrics(gw->dispatch, metrics, count, gw->fleet);
    if (err != PT_OK) {
        loads_failed(gw, &gw->loads.roads, "the road network",
                     pt_strerror(err));
        return false;
    }
    pt_log(PT_LOG_NOTICE, "gateway: road network %" PRIu32 ", %zu edges",
           roads_network_id(dispatch_roads(gw->dispatch)),
           roads_edge_count(dispatch_roads(gw->dispatch)));
    if (gw->http != NULL)
        http_event(gw->http, "roads", "{}");
    learning_roads_changed(gw);
    prepare_roads(gw);
    return true;
}

/* ----------------------------------------------------------------------
 * catalog */
static void catalog_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    struct loads *loads = &gw->loads;
    loads->catalog_err =
        catalog_load(gw->settings->conninfo, &loads->catalog_new,
                     loads->catalog_message, sizeof(loads->catalog_message));
}

static bool in_catalog(void *catalog, uint32_t unit_id)
{
    return catalog_unit_by_id(catalog, unit_id) != NULL;
}

static void swap_catalog(struct gateway *gw)
{
    struct catalog *old = gw->catalog;
    gw->catalog = gw->loads.catalog_new;
    gw->loads.catalog_new = NULL;
    gw->loads.catalog_loaded = true;
    catalog_free(old);
    if (gw->intake != NULL)
        intake_catalog(gw->intake, gw->loads.catalog_began_ns);
    fleet_keep(gw->fleet, in_catalog, gw->catalog);
    pt_log(PT_LOG_INFO, "gateway: %zu units, %zu missions, %zu zones",
           catalog_unit_count(gw->catalog), catalog_mission_count(gw->catalog),
           catalog_zone_count(gw->catalog));
    if (gw->http != NULL)
        http_event(gw->http, "catalog", "{}");
}

/* Comes from the loop, so between two ticks: nobody holds the old one. */
static void catalog_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct loads *loads = &gw->loads;
    loads->catalog.under_way = false;
    if (status != 0 || loads->closing) /* cancelled */
        return;
    if (loads->catalog_err != PT_OK)
        loads_failed(gw, &loads->catalog, "the catalog",
                     loads->catalog_message);
    else
        swap_catalog(gw);
    closures_turn(gw);
    if (loads->catalog_err == PT_OK)
        load_wanted(gw);
}

static void load_catalog(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    loads->catalog.wanted = false;
    loads->catalog_message[0] = '\0';
    loads->catalog_began_ns = uv_hrtime();
    loads->catalog_work.data = gw;
    if (uv_queue_work(&gw->loop, &loads->catalog_work, catalog_work,
                      catalog_done) != 0)
        loads_failed(gw, &loads->catalog, "the catalog", "no thread");
    else
        loads->catalog.under_way = true;
}

/* ------------------------------------------------------------------- live
 * state */
enum state_column {
    COL_UNIT,
    COL_FIX_TIME,
    COL_RECEIVED,
    COL_LAT_E6,
    COL_LON_E6,
    COL_SPEED,
    COL_COURSE,
    COL_ACCURACY,
    COL_GENERATION,
    COL_SEQ,
    COL_FLAGS,
    COL_STATUS,
    COL_STATUS_TIME,
    COL_STATUS_GENERATION,
    COL_STATUS_SEQ,
    COL_STATUS_GATEWAY_TIME,
};

/* The newest fix of each unit, and the newest status: the fix's, or that of
 * an event after it. Where an event's time is the
 * gateway's, numbers tell what came after what, as in fleet_apply(). */
static const char state_sql[] =
    "SELECT u.unit_id,"
    " round(extract(epoch FROM l.fix_time) * 1000)::bigint,"
    " round(extract(epoch FROM l.received_at) * 1000)::bigint,"
    " round(ST_Y(l.geom) * 1e6)::integer, round(ST_X(l.geom) * 1e6)::integer,"
    " l.speed_mps, l.course_deg, l.accuracy_m, l.generation, l.seq, l.flags,"
    " CASE WHEN by_event THEN e.status ELSE l.status END,"
    " round(extract(epoch FROM CASE WHEN by_event THEN e.event_time"
    " ELSE l.fix_time END) * 1000)::bigint,"
    " CASE WHEN by_event THEN e.generation ELSE l.generation END,"
    " CASE WHEN by_event THEN e.seq ELSE l.seq END,"
    " (by_event AND e.time_from_gateway)::integer"
    " FROM patrol.unit u"
    " LEFT JOIN patrol.latest_position l USING (unit_id)"
    " LEFT JOIN LATERAL (SELECT generation, seq, time_from_gateway"
    " FROM patrol.unit_event WHERE unit_id = u.unit_id"
    " ORDER BY event_time DESC, generation DESC, seq DESC LIMIT 1) t ON true"
    " LEFT JOIN LATERAL (SELECT * FROM patrol.unit_event"
    " WHERE unit_id = u.unit_id AND generation = t.generation"
    " AND (seq = t.seq OR t.time_from_gateway)"
    " ORDER BY seq DESC LIMIT 1) e ON true"
    " CROSS JOIN LATERAL (SELECT e.seq IS NOT NULL AND (l.seq IS NULL OR"
    " CASE WHEN e.time_from_gateway AND e.generation = l.generation"
    " THEN e.seq > l.seq ELSE (e.event_time, e.generation, e.seq) >"
    " (l.fix_time, l.generation, l.seq) END) AS by_event) w"
    " WHERE l.unit_id IS NOT NULL OR e.unit_id IS NOT NULL";

static int64_t int_at(const PGresult *rows, int row, int column)
{
    return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

static float real_at(const PGresult *rows, int row, int column)
{
    return strtof(PQgetvalue(rows, row, column), NULL);
}

/* A null is the empty text to libpq, hence 0; `flags` say what counts. */
static struct fleet_unit unit_from_row(const PGresult *rows, int row)
{
    struct fleet_unit unit = {
        .unit_id = (uint32_t)int_at(rows, row, COL_UNIT),
        .has_fix = !PQgetisnull(rows, row, COL_FIX_TIME),
        .fix_time_ms = int_at(rows, row, COL_FIX_TIME),
        .received_ms = int_at(rows, row, COL_RECEIVED),
        .at = {.lat_e6 = (int32_t)int_at(rows, row, COL_LAT_E6),
               .lon_e6 = (int32_t)int_at(rows, row, COL_LON_E6)},
        .speed_mps = real_at(rows, row, COL_SPEED),
        .course_deg = real_at(rows, row, COL_COURSE),
        .accuracy_m = real_at(rows, row, COL_ACCURACY),
        .generation = (uint64_t)int_at(rows, row, COL_GENERATION),
        .seq = (uint64_t)int_at(rows, row, COL_SEQ),
        .flags = (uint32_t)int_at(rows, row, COL_FLAGS),
        .status_time_ms = int_at(rows, row, COL_STATUS_TIME),
        .status_generation = (uint64_t)int_at(rows, row, COL_STATUS_GENERATION),
        .status_seq = (uint64_t)int_at(rows, row, COL_STATUS_SEQ),
        .status_gateway_time = int_at(rows, row, COL_STATUS_GATEWAY_TIME) != 0,
        .status = PT_STATUS_UNKNOWN,
    };
    (void)pt_status_parse(PQgetvalue(rows, row, COL_STATUS), &unit.status);
    return unit;
}

static void state_answer(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    struct loads *loads = &gw->loads;
    loads->state.under_way = false;
    if (loads->closing)
        return;
    for (int row = 0; err == PT_OK && row < PQntuples(rows); row++) {
        struct fleet_unit unit = unit_from_row(rows, row);
        err = fleet_restore(gw->fleet, &unit);
    }
    /* What fitted is in; a larger fleet.max_units needs a new start. */
    if (err == PT_E_FULL)
        pt_log(PT_LOG_ERROR, "gateway: fleet.max_units is too small for the "
                             "units in the database");
    else if (err != PT_OK) {
        loads_failed(gw, &loads->state, "live state",
                     err == PT_E_DB ? db_error(gw->db) : pt_strerror(err));
        return;
    }
    said_load(gw);
}

void loads_said(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    if (!loads->state_loaded)
        pt_log(PT_LOG_INFO, "gateway: live state of %zu units",
               fleet_count(gw->fleet));
    loads->state_loaded = true;
    closures_turn(gw);
    load_wanted(gw);
}

static void load_state(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    loads->state.wanted = false;
    enum pt_err err = db_query(gw->db, state_sql, 0, NULL, state_answer, gw);
    if (err != PT_OK)
        loads_failed(gw, &loads->state, "live state", pt_strerror(err));
    else
        loads->state.under_way = true;
}

/* -------------------------------------------------------------------------
 * roads */
static void prepare_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    gw->loads.prepare_err = roads_prepare(gw->loads.preparing);
}

static void prepare_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct loads *loads = &gw->loads;
    const struct roads *in_force = dispatch_roads(gw->dispatch);
    bool again = in_force != loads->preparing; /* another came meanwhile */
    roads_unref(loads->preparing);
    loads->preparing = NULL;
    work->data = NULL;
    if (status != 0 || loads->closing)
        return;
    if (again)
        prepare_roads(gw);
    else if (loads->prepare_err != PT_OK)
        pt_log(PT_LOG_WARN, "gateway: searches over long ways stay slow: %s",
               pt_strerror(loads->prepare_err));
    else {
        pt_log(PT_LOG_INFO, "gateway: road network is ready for long ways");
        learning_load(gw); /* so that theirs are, too */
    }
    closures_turn(gw); /* likewise */
}

/* A network answers from its first moment on; what makes it answer fast over
 * long ways takes a second or more, and comes after. */
static void prepare_roads(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    const struct roads *roads = dispatch_roads(gw->dispatch);
    if (loads->prepare_work.data != NULL || roads == NULL)
        return;
    loads->preparing = roads_ref((struct roads *)roads);
    loads->prepare_work.data = gw;
    if (uv_queue_work(&gw->loop, &loads->prepare_work, prepare_work,
                      prepare_done) != 0)
        prepare_done(&loads->prepare_work, UV_EIO);
}

static void roads_work(uv_work_t *work) /* on the pool */
{
    struct gateway *gw = work->data;
    struct loads *loads = &gw->loads;
    loads->roads_err =
        roads_load(gw->settings->conninfo, &loads->roads_new,
                   loads->roads_message, sizeof(loads->roads_message));
}

static void roads_done(uv_work_t *work, int status)
{
    struct gateway *gw = work->data;
    struct loads *loads = &gw->loads;
    loads->roads.under_way = false;
    work->data = NULL;
    if (status != 0 || loads->closing)
        return;
    if (loads->roads_err != PT_OK) {
        loads_failed(gw, &loads->roads, "the road network",
                     loads->roads_message);
        return;
    }
    closures_turn(gw);
    load_wanted(gw);
}

static uint32_t network_at_hand(const struct gateway *gw)
{
    const struct roads *roads = gw->loads.roads_new;
    if (roads == NULL)
        roads = dispatch_roads(gw->dispatch);
    return roads == NULL ? 0 : roads_network_id(roads);
}

/* After a lost connection the network is mostly the one that we have. */
static void newest_answer(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    struct loads *loads = &gw->loads;
    loads->roads.under_way = false;
    if (loads->closing)
        return;
    if (err != PT_OK) {
        loads_failed(gw, &loads->roads, "the road network", db_error(gw->db));
        return;
    }
    uint32_t newest = (uint32_t)int_at(rows, 0, 0);
    if (newest == 0)
        pt_log(PT_LOG_NOTICE, "gateway: no road network yet; import one with "
                              "patrolctl roads import");
    if (newest == 0 || newest == network_at_hand(gw))
        return;
    roads_unref(loads->roads_new); /* one that still waited for the state */
    loads->roads_new = NULL;
    loads->roads_message[0] = '\0';
    loads->roads_work.data = gw;
    if (uv_queue_work(&gw->loop, &loads->roads_work, roads_work, roads_done) !=
        0)
        loads_failed(gw, &loads->roads, "the road network", "no thread");
    else
        loads->roads.under_way = true;
}

static void load_roads(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    loads->roads.wanted = false;
    enum pt_err err = db_query(
        gw->db, "SELECT coalesce(max(network_id), 0) FROM patrol.road_network",
        0, NULL, newest_answer, gw);
    if (err != PT_OK)
        loads_failed(gw, &loads->roads, "the road network", pt_strerror(err));
    else
        loads->roads.under_way = true;
}

/* ------------------------------------------------------------- from the
 * database */
/* Only now, so that no change falls between the reading and the listening.
 * A server that lets nobody listen (a standby) is read all the same. */
static void listening(void *context, enum pt_err err, PGresult *result)
{
    struct gateway *gw = context;
    struct loads *loads = &gw->loads;
    (void)result;
    if (loads->closing || !db_is_up(gw->db))
        return;
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "gateway: cannot listen for changes: %s",
               db_error(gw->db));
    loads->catalog.wanted = true;
    loads->state.wanted = !loads->state_loaded;
    loads->said.wanted = loads->state_loaded;
    loads->roads.wanted = true;
    loads->closures.wanted = true;
    load_wanted(gw);
    learning_load(gw); /* they may have changed while nobody listened */
}

/* The connection is fresh, so its queue has room. */
void loads_database_up(void *gateway)
{
    struct gateway *gw = gateway;
    enum pt_err err =
        db_query(gw->db, "LISTEN patrol_changed", 0, NULL, listening, gw);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "gateway: cannot listen for changes: %s",
               pt_strerror(err));
}

void loads_notified(void *gateway, const char *channel, const char *payload)
{
    struct gateway *gw = gateway;
    struct loads *loads = &gw->loads;
    if (strcmp(channel, "patrol_changed") != 0 || loads->closing)
        return;
    if (strcmp(payload, "catalog") == 0) {
        loads->catalog.wanted = true;
        if (!uv_is_active((uv_handle_t *)&loads->debounce))
            uv_timer_start(&loads->debounce, on_timer, DEBOUNCE_MS, 0);
    } else if (strcmp(payload, "roads") == 0) {
        loads->roads.wanted = true;
        load_wanted(gw);
    } else if (strcmp(payload, "said") == 0) {
        loads->said.wanted = loads->state_loaded;
        load_wanted(gw);
    } else if (strcmp(payload, "speeds") == 0) {
        learning_load(gw);
    } else if (strcmp(payload, "closures") == 0) {
        loads->closures.wanted = true;
        closures_turn(gw);
    }
}

void loads_ask_catalog(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    uint64_t gone_ms = (uv_hrtime() - loads->catalog_began_ns) / 1000000;
    loads->catalog.wanted = true;
    if (!loads->closing && !uv_is_active((uv_handle_t *)&loads->asked))
        uv_timer_start(&loads->asked, on_timer,
                       gone_ms < ASKED_EVERY_MS ? ASKED_EVERY_MS - gone_ms : 0,
                       0);
}

/* --------------------------------------------------------------- start and end
 */
void loads_open(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    uv_timer_init(&gw->loop, &loads->debounce);
    uv_timer_init(&gw->loop, &loads->retry);
    uv_timer_init(&gw->loop, &loads->asked);
    loads->debounce.data = gw;
    loads->retry.data = gw;
    loads->asked.data = gw;
    loads->open_timers = 3;
}

static void timer_closed(uv_handle_t *handle)
{
    struct gateway *gw = handle->data;
    gw->loads.open_timers--;
}

void loads_stop(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    loads->closing = true;
    uv_close((uv_handle_t *)&loads->debounce, timer_closed);
    uv_close((uv_handle_t *)&loads->retry, timer_closed);
    uv_close((uv_handle_t *)&loads->asked, timer_closed);
    /* Refused once it runs; then it ends by itself. */
    if (loads->catalog.under_way)
        uv_cancel((uv_req_t *)&loads->catalog_work);
    if (loads->roads.under_way && loads->roads_work.data != NULL)
        uv_cancel((uv_req_t *)&loads->roads_work);
    if (loads->prepare_work.data != NULL)
        uv_cancel((uv_req_t *)&loads->prepare_work);
    closures_stop(gw);
}

void loads_close(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    while (loads->open_timers > 0 || loads->catalog.under_way ||
           loads->roads.under_way || loads->prepare_work.data != NULL ||
           closures_under_way(gw))
        uv_run(&gw->loop, UV_RUN_ONCE);
    catalog_free(loads->catalog_new);
    roads_unref(loads->roads_new);
    closures_close(gw);
}

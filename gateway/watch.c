/* Whether broker and database are alive, who falls silent and who comes back,
 * and what the fleet as a whole is like, for alarms. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>

/* A network that fails silences a fleet at once: the log has so many lines
 * and a number. */
#define LOGGED_MAX 10

/* A look at all units takes some tens of microseconds; nothing here is asked
 * for more often. */
#define COUNT_EVERY_MS 1000

/* How often broker and database are looked at; also when nothing else wakes the
 * loop. */
#define LOOK_EVERY_MS 1000

/* ------------------------------------------------------ broker and database */
static void on_alive(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    (void)rows;
    if (err != PT_OK)
        return; /* the connection is lost: watch_database_down() */
    pulse_answered(&gw->watch.database, (int64_t)uv_now(&gw->loop));
    gw->watch.database_life_ms = gateway_wall_ms();
}

void watch_database_up(struct gateway *gw)
{
    int64_t now_ms = (int64_t)uv_now(&gw->loop);
    pulse_connected(&gw->watch.database, now_ms);
    pulse_answered(&gw->watch.database, now_ms); /* connecting was asking */
    gw->watch.database_life_ms = gateway_wall_ms();
}

void watch_database_down(void *gateway)
{
    struct gateway *gw = gateway;
    pulse_lost(&gw->watch.database);
}

/* With a full queue it is asked in a second again: what waits there is waiting
 * for an answer, too, but nobody has told us since when. */
static void ask_database(struct gateway *gw)
{
    int64_t now_ms = (int64_t)uv_now(&gw->loop);
    if (pulse_due(&gw->watch.database, now_ms) &&
        db_query(gw->db, "SELECT 1", 0, NULL, on_alive, gw) == PT_OK)
        pulse_asked(&gw->watch.database, now_ms);
}

/* `life_ms`: when it was last known to be alive, which is since when it is
 * silent. */
static void set_part(struct gateway *gw, enum http_part_id id,
                     enum pulse_state state, int64_t life_ms)
{
    struct http_part *part = &gw->watch.health.parts[id];
    struct http_part before = *part;
    if (before.since_ms != 0 && before.state == state)
        return;
    part->state = state;
    if (before.since_ms == 0 || state == PULSE_UP)
        part->since_ms = gw->now_ms;
    else if (before.state == PULSE_UP)
        part->since_ms = state == PULSE_SILENT ? life_ms : gw->now_ms;
    if (before.since_ms == 0 ||
        (before.state == PULSE_UP) == (state == PULSE_UP))
        return;
    if (state != PULSE_UP)
        gw->watch.losses[id]++;
    if (id != HTTP_ROADS) /* of which "roads" tells */
        http_part_changed(gw->http, id, before.since_ms);
    if (id == HTTP_DATABASE && state == PULSE_SILENT)
        pt_log(PT_LOG_WARN,
               "gateway: the database is connected, but has not "
               "answered for %" PRId64 " s",
               gw->settings->database_probe_s);
    else if (id == HTTP_DATABASE && before.state == PULSE_SILENT)
        pt_log(PT_LOG_NOTICE, "gateway: the database answers again");
}

static void look_at_parts(struct gateway *gw)
{
    struct watch *watch = &gw->watch;
    uint64_t now_ms = uv_now(&gw->loop);
    if (watch->looked_ms == 0 || now_ms - watch->looked_ms >= LOOK_EVERY_MS) {
        watch->looked_ms = now_ms;
        intake_probe(gw->intake);
        ask_database(gw);
    }
    enum pulse_state database = pulse_state(&watch->database, (int64_t)now_ms);
    /* Until what it holds has been read once, answers would be made of
     * nothing. */
    if (!loads_ready(gw))
        database = PULSE_DOWN;
    set_part(gw, HTTP_BROKER, intake_broker(gw->intake),
             intake_life_ms(gw->intake));
    set_part(gw, HTTP_DATABASE, database, watch->database_life_ms);
    set_part(gw, HTTP_ROADS,
             dispatch_roads(gw->dispatch) != NULL ? PULSE_UP : PULSE_DOWN, 0);
}

/* -------------------------------------------------------------------- units */
static void log_hearing(const struct gateway *gw,
                        const struct catalog_unit *unit,
                        const struct fleet_unit *state)
{
    if (state->hearing == FLEET_SILENT)
        pt_log(PT_LOG_NOTICE,
               "gateway: unit %s is silent: last heard %" PRId64
               " s ago, %" PRId64 " s are allowed",
               unit->call_sign, (gw->now_ms - state->heard_ms) / 1000,
               fleet_quiet_ms(gw->fleet, state) / 1000);
    else
        pt_log(PT_LOG_NOTICE, "gateway: unit %s is heard again",
               unit->call_sign);
}

static void on_hearing(void *context, const struct fleet_unit *state)
{
    struct gateway *gw = context;
    const struct catalog_unit *unit =
        catalog_unit_by_id(gw->catalog, state->unit_id);
    if (unit == NULL)
        return;
    if (gw->watch.told++ < LOGGED_MAX)
        log_hearing(gw, unit, state);
    http_hearing(gw->http, unit, state);
}

static void follow_hearing(struct gateway *gw)
{
    struct watch *watch = &gw->watch;
    struct intake_listening listening = intake_listening(gw->intake);
    watch->told = 0;
    fleet_set_listening(gw->fleet, listening.since_ms, listening.until_ms);
    int64_t wait_ms = fleet_listen(gw->fleet, gw->now_ms, on_hearing, gw);
    if (wait_ms < 0 || wait_ms > LOOK_EVERY_MS)
        wait_ms = LOOK_EVERY_MS;
    tick_again(&watch->again, wait_ms);
    if (watch->told > LOGGED_MAX)
        pt_log(PT_LOG_NOTICE,
               "gateway: %u more units fell silent or were heard again",
               watch->told - LOGGED_MAX);
}

/* Each throws the other out at the broker and takes its place; who is which,
 * nobody here can tell. */
static void tell_twins(struct gateway *gw)
{
    char device[LINK_DEVICE_MAX + 1];
    while (intake_next_twin(gw->intake, device)) {
        uint32_t device_id, unit_id;
        const struct catalog_unit *unit = NULL;
        if (catalog_device(gw->catalog, device, &device_id) &&
            catalog_device_unit(gw->catalog, device_id, gw->now_ms, &unit_id))
            unit = catalog_unit_by_id(gw->catalog, unit_id);
        gw->watch.two_places++;
        pt_log(PT_LOG_ERROR,
               "gateway: device %s is in two places: two vehicles report under "
               "its name, and unit %s is shown now here, now there",
               device, unit == NULL ? "-" : unit->call_sign);
        http_two_places(gw->http, device, unit);
    }
}

static void count_up(struct gateway *gw)
{
    struct watch *watch = &gw->watch;
    int64_t since_ms = gw->now_ms - watch->counted_ms;
    if (since_ms >= 0 && since_ms < COUNT_EVERY_MS)
        return;
    watch->counted_ms = gw->now_ms;
    watch->tally = fleet_count_up(gw->fleet);
}

void watch_follow(struct gateway *gw)
{
    look_at_parts(gw);
    tell_twins(gw);
    follow_hearing(gw);
    count_up(gw);
}

static double number(void *context)
{
    const double *value = context;
    return *value;
}

/* Up is alive, not only connected. */
static double is_up(void *context)
{
    const struct http_part *part = context;
    return part->state == PULSE_UP ? 1 : 0;
}

static enum pt_err add_parts(struct gateway *gw)
{
    struct http_part *parts = gw->watch.health.parts;
    const uint64_t *losses = gw->watch.losses;
    enum pt_err err =
        metrics_add_call(gw->metrics, METRICS_GAUGE, "patrol_broker_up", NULL,
                         "1 while connected to a broker that is alive", is_up,
                         &parts[HTTP_BROKER]);
    if (err == PT_OK)
        err = metrics_add_call(gw->metrics, METRICS_GAUGE, "patrol_database_up",
                               NULL,
                               "1 while connected to a database that is alive",
                               is_up, &parts[HTTP_DATABASE]);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_broker_losses_total", NULL,
                          "How often the broker was lost or fell silent",
                          &losses[HTTP_BROKER]);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_database_losses_total", NULL,
                          "How often the database was lost or fell silent",
                          &losses[HTTP_DATABASE]);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_devices_two_places_total", NULL,
                          "Alarms of two vehicles under one device's name",
                          &gw->watch.two_places);
    return err;
}

/* A series for each unit would be as many as there are units; who it is, the
 * API tells. */
enum pt_err watch_metrics(struct gateway *gw)
{
    struct fleet_tally *t = &gw->watch.tally;
    const struct {
        const char *name, *help;
        double *value;
    } numbers[] = {
        {"patrol_units_silent", "Units past their promised interval",
         &t->silent},
        {"patrol_units_without_fix",
         "Units whose receiver was last not seen or without a fix",
         &t->without_fix},
        {"patrol_units_on_battery", "Units last running on their own battery",
         &t->on_battery},
        {"patrol_units_clock_wrong",
         "Units whose clock was last more than 5 s from their receiver's time",
         &t->clock_wrong},
        {"patrol_vehicle_outbox_entries",
         "Entries that vehicles last said to hold", &t->outbox_entries},
        {"patrol_vehicle_outbox_dropped",
         "Entries given up by the outboxes in use, as last said",
         &t->outbox_dropped},
        {"patrol_vehicle_outbox_oldest_seconds",
         "Age of the oldest entry held, as last said; NaN: none is",
         &t->outbox_oldest_s},
    };
    enum pt_err err = add_parts(gw);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (err == PT_OK)
            err = metrics_add_call(gw->metrics, METRICS_GAUGE, numbers[i].name,
                                   NULL, numbers[i].help, number,
                                   numbers[i].value);
    return err;
}

/* Who falls silent and who comes back, and what the fleet as a whole is like,
 * for alarms. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>

/* A network that fails silences a fleet at once: the log has so many lines
 * and a number. */
#define LOGGED_MAX 10

/* A look at all units takes some tens of microseconds; nothing here is asked
 * for more often. */
#define COUNT_EVERY_MS 1000

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
    watch->told = 0;
    fleet_set_listening(gw->fleet, intake_listening_since_ms(gw->intake));
    tick_again(&watch->again,
               fleet_listen(gw->fleet, gw->now_ms, on_hearing, gw));
    if (watch->told > LOGGED_MAX)
        pt_log(PT_LOG_NOTICE,
               "gateway: %u more units fell silent or were heard again",
               watch->told - LOGGED_MAX);
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
    follow_hearing(gw);
    count_up(gw);
}

static double number(void *context)
{
    const double *value = context;
    return *value;
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
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (err == PT_OK)
            err = metrics_add_call(gw->metrics, METRICS_GAUGE, numbers[i].name,
                                   NULL, numbers[i].help, number,
                                   numbers[i].value);
    return err;
}

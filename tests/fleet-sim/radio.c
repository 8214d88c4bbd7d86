/* A unit's way to the gateway: the agent's uplink and the real link, and a
 * network that is lost now and then. What tracker-agent/delivery.c does with
 * an outbox on disk and a timer of its own is done here for thousands: they
 * share the buffers, and one timer asks each about once a second. */
#include "pt_log.h"
#include "sim.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_MAX 500 /* this and the next four: the agent's defaults */
#define HEARTBEAT_MS 90000
#define KEEPALIVE_S 30
#define STATE_EVERY_MS 60000
#define MODE_LASTS_MS 5000
#define RESEND_MAX_MS 600000
#define BACKLOG_MAX 16384

#define PATH_MAX_BYTES 512
/* The last seconds before an outage: sent, and lost on the way. */
#define LOST_S 0.0, 8.0

static int64_t now_of(const struct unit *unit)
{
    return (int64_t)uv_now(&unit->sim->loop);
}

static void tell_held(struct unit *unit)
{
    const struct box *box = &unit->device.box;
    uplink_held(&unit->radio.uplink, box_lowest(box), box_highest(box),
                now_of(unit));
}

static bool is_online(const struct unit *unit)
{
    return unit->radio.uplink.state != UPLINK_OFFLINE;
}

static bool is_losing(const struct unit *unit)
{
    return unit->radio.lost_ms != 0;
}

/* --- what goes out ----------------------------------------------------------
 */

static int64_t utc_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t next_due_s(const struct device *d)
{
    int64_t due_ms = d->mode >= RECEIVER_2D ? pace_next_due_ms(&d->pace) : 0;
    if (due_ms <= 0)
        due_ms = HEARTBEAT_MS;
    return (uint32_t)((due_ms + 999) / 1000);
}

static struct pt_vehicle_state state_of(const struct unit *unit)
{
    const struct device *d = &unit->device;
    int64_t now_ms = utc_now_ms();
    int64_t oldest_ms = box_oldest_ms(&d->box);
    int64_t age_ms = oldest_ms < now_ms ? now_ms - oldest_ms : 0;
    return (struct pt_vehicle_state){
        .present = true,
        .now_ms = now_ms,
        .receiver_mode = (int)d->mode,
        .satellites_used = d->mode >= RECEIVER_2D ? 9 : 0,
        .outbox_depth = d->box.held,
        .oldest_age_s = d->box.held > 0 ? age_ms / 1000 : -1,
        .dropped = d->box.dropped,
        .next_due_s = next_due_s(d),
        .clock_known = d->mode >= RECEIVER_2D, /* it is the receiver's own */
        .power = PT_POWER_EXTERNAL,
        .battery_percent = -1,
    };
}

static bool state_is_due(const struct unit *unit,
                         const struct pt_vehicle_state *state,
                         enum uplink_action_kind kind)
{
    const struct radio *r = &unit->radio;
    if (kind != UPLINK_SEND_NEWEST || r->state_said_ms == 0)
        return true;
    return now_of(unit) - r->state_said_ms >= STATE_EVERY_MS ||
           state->receiver_mode != r->mode_said ||
           state->next_due_s != r->next_due_said_s;
}

static enum pt_err publish(struct unit *unit, const struct pt_report *report)
{
    struct sim *sim = unit->sim;
    size_t size;
    char topic[LINK_TOPIC_MAX];
    if (link_backlog(unit->radio.link) > BACKLOG_MAX)
        return PT_E_AGAIN;
    enum pt_err err =
        pt_report_encode(report, sim->message, PT_REPORT_BYTES_MAX, &size);
    if (err != PT_OK)
        return err;
    sim->counts.messages++;
    if (is_losing(unit)) {
        sim->counts.lost++;
        return PT_OK;
    }
    link_topic(LINK_REPORT, unit->name, topic);
    return link_publish(unit->radio.link, topic, sim->message, size, 0, false);
}

static enum pt_err send_entries(struct unit *unit, enum uplink_action_kind kind,
                                size_t count)
{
    struct radio *r = &unit->radio;
    struct pt_vehicle_state state = state_of(unit);
    struct pt_report report = {
        .generation = unit->device.generation,
        .lowest_held = box_lowest(&unit->device.box),
        .count = count,
        .entries = unit->sim->entries,
    };
    if (state_is_due(unit, &state, kind))
        report.state = state;
    enum pt_err err = publish(unit, &report);
    if (err == PT_OK && report.state.present) {
        r->state_said_ms = now_of(unit);
        r->mode_said = state.receiver_mode;
        r->mode_other_ms = 0;
        r->next_due_said_s = state.next_due_s;
    }
    return err;
}

static void note_sent(struct unit *unit, size_t count)
{
    struct counts *counts = &unit->sim->counts;
    for (size_t i = 0; i < count; i++)
        counts->resent +=
            box_note_sent(&unit->device.box, unit->sim->entries[i].seq);
    counts->sent += count;
}

static void do_send(struct unit *unit, const struct uplink_action *action)
{
    struct radio *r = &unit->radio;
    uint64_t to = action->to;
    size_t count = 0;
    enum pt_err err = PT_OK;
    if (action->kind != UPLINK_SEND_HEARTBEAT) {
        uint32_t max = action->max < r->batch_max ? action->max : r->batch_max;
        count = box_read(&unit->device.box, action->from, action->to, max,
                         unit->sim->entries);
    }
    if (count > 0)
        to = unit->sim->entries[count - 1].seq;
    if (count > 0 || action->kind == UPLINK_SEND_HEARTBEAT)
        err = send_entries(unit, action->kind, count);
    if (err == PT_OK) {
        note_sent(unit, count);
        uplink_sent(&r->uplink, action, to, now_of(unit));
        return;
    }
    unit->sim->counts.refused++;
    if ((err == PT_E_FULL || err == PT_E_RANGE) && r->batch_max > 1)
        r->batch_max /= 2;
    uplink_refused(&r->uplink, action, now_of(unit));
}

/* Each action moves the uplink on or makes it wait, so this ends. */
static void pump(struct unit *unit)
{
    for (;;) {
        struct uplink_action action =
            uplink_next(&unit->radio.uplink, now_of(unit));
        if (action.kind == UPLINK_NOTHING)
            return;
        do_send(unit, &action);
    }
}

void radio_put(struct unit *unit)
{
    struct device *d = &unit->device;
    if (unit->sim->options.dry_run) { /* nobody else would take it out */
        struct pt_receipt all = {.generation = d->generation,
                                 .stored_to = box_highest(&d->box)};
        size_t count = 0;
        if (box_forget(&d->box, &all, &count) == PT_OK)
            unit->sim->counts.receipted += count;
        return;
    }
    tell_held(unit);
    if (is_online(unit))
        pump(unit);
}

/* --- the broker's side -------------------------------------------------------
 */

static void say_presence(struct unit *unit, const char *word)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_PRESENCE, unit->name, topic);
    if (link_publish(unit->radio.link, topic, word, strlen(word), 1, true) !=
        PT_OK)
        pt_log(PT_LOG_INFO, "%s could not say that it is %s", unit->name, word);
}

static void on_connected(void *context)
{
    struct unit *unit = context;
    struct radio *r = &unit->radio;
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_RECEIPT, unit->name, topic);
    if (link_subscribe(r->link, topic, 0) != PT_OK)
        pt_log(PT_LOG_INFO, "%s could not subscribe", unit->name);
    say_presence(unit, "online");
    r->state_said_ms = 0;
    r->mode_said = -1;
    r->batch_max = BATCH_MAX;
    unit->sim->connected += !is_online(unit);
    uplink_connected(&r->uplink, now_of(unit));
    pump(unit);
}

static void go_offline(struct unit *unit)
{
    unit->sim->connected -= is_online(unit);
    uplink_disconnected(&unit->radio.uplink);
}

static void on_disconnected(void *context, bool taken_over)
{
    (void)taken_over; /* link has logged it and waits */
    go_offline(context);
}

static void take_receipt(struct unit *unit, const struct pt_receipt *receipt)
{
    struct box *box = &unit->device.box;
    size_t count = 0;
    if (receipt->generation != unit->device.generation)
        return;
    if (box_forget(box, receipt, &count) != PT_OK) {
        pt_log(PT_LOG_ERROR, "%s: receipt names what was never sent",
               unit->name);
        return;
    }
    unit->sim->counts.receipted += count;
    uplink_receipted(&unit->radio.uplink, receipt, box_lowest(box),
                     now_of(unit));
}

static void on_message(void *context, const char *topic, const void *payload,
                       size_t size, bool retained)
{
    struct unit *unit = context;
    enum link_topic kind;
    char device[LINK_DEVICE_MAX + 1];
    struct pt_receipt receipt;
    (void)retained;
    if (is_losing(unit))
        return;
    if (!link_topic_parse(topic, &kind, device) || kind != LINK_RECEIPT ||
        strcmp(device, unit->name) != 0) {
        pt_log(PT_LOG_WARN, "%s: message on a topic that is not its own",
               unit->name);
        return;
    }
    enum pt_err err = pt_receipt_decode(payload, size, &receipt);
    if (err != PT_OK) {
        pt_log(PT_LOG_WARN, "%s: receipt refused: %s", unit->name,
               pt_strerror(err));
        return;
    }
    take_receipt(unit, &receipt);
    pump(unit);
}

/* --- connections
 * --------------------------------------------------------------- */

struct files {
    char ca[PATH_MAX_BYTES], cert[PATH_MAX_BYTES], key[PATH_MAX_BYTES];
    char presence[LINK_TOPIC_MAX];
};

static struct link_settings settings_of(const struct unit *unit,
                                        struct files *files)
{
    const struct sim_options *options = &unit->sim->options;
    struct link_settings settings = {.brokers = options->brokers,
                                     .client_id = unit->name,
                                     .keepalive_s = KEEPALIVE_S,
                                     .will_topic = files->presence,
                                     .will_text = "offline"};
    link_topic(LINK_PRESENCE, unit->name, files->presence);
    if (options->plain)
        return settings;
    snprintf(files->ca, sizeof(files->ca), "%s/ca.crt", options->certs);
    snprintf(files->cert, sizeof(files->cert), "%s/%s.crt", options->certs,
             unit->name);
    snprintf(files->key, sizeof(files->key), "%s/%s.key", options->certs,
             unit->name);
    settings.ca_file = files->ca;
    settings.cert_file = files->cert;
    settings.key_file = files->key;
    return settings;
}

enum pt_err radio_check(const struct unit *unit)
{
    struct files files;
    char why[256];
    char name[LINK_DEVICE_MAX + 1];
    struct link_settings settings = settings_of(unit, &files);
    enum pt_err err = link_check(&settings, why, sizeof(why));
    if (err == PT_OK && settings.cert_file != NULL) {
        err = link_certificate_name(settings.cert_file, name);
        if (err == PT_OK && strcmp(name, unit->name) != 0)
            err = PT_E_CONFIG;
        snprintf(why, sizeof(why), "%s is not the certificate of %s",
                 settings.cert_file, unit->name);
    }
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "%s: %s", unit->name, why);
    return err;
}

static void dial(struct unit *unit)
{
    struct files files;
    struct link_settings settings = settings_of(unit, &files);
    struct link_events events = {.context = unit,
                                 .connected = on_connected,
                                 .disconnected = on_disconnected,
                                 .message = on_message};
    if (unit->sim->connects_left == 0)
        return;
    unit->sim->connects_left--;
    enum pt_err err =
        link_new(&unit->sim->loop, &settings, &events, &unit->radio.link);
    if (err != PT_OK) /* logged with its reason; tried again */
        pt_log(PT_LOG_INFO, "%s stays offline", unit->name);
}

static void on_gone(void *context)
{
    struct sim *sim = context;
    sim->closing--;
}

/* The will does not come with an orderly end, so it is said. */
void radio_hang_up(struct unit *unit)
{
    struct radio *r = &unit->radio;
    if (r->link == NULL)
        return;
    if (link_is_up(r->link))
        say_presence(unit, "offline");
    unit->sim->closing++;
    link_close(r->link, on_gone, unit->sim);
    r->link = NULL;
    go_offline(unit);
}

/* --- outages
 * --------------------------------------------------------------------- */

static void plan_outage(struct unit *unit, int64_t now_ms)
{
    const struct sim_options *options = &unit->sim->options;
    struct radio *r = &unit->radio;
    r->outage_ms = INT64_MAX;
    if (options->outages_per_hour > 0)
        r->outage_ms =
            now_ms + (int64_t)rng_exponential(
                         &r->rng, 3600e3 / options->outages_per_hour);
}

/* For some seconds what is sent gets lost, then the connection is. */
static void follow_outage(struct unit *unit, int64_t now_ms)
{
    struct radio *r = &unit->radio;
    if (r->outage_ms == 0)
        plan_outage(unit, now_ms);
    if (unit->sim->stopping) {
        r->lost_ms = 0;
        r->silent_ms = 0;
    } else if (r->lost_ms != 0 && now_ms >= r->lost_ms) {
        r->lost_ms = 0;
        r->silent_ms = now_ms + 1000 +
                       (int64_t)rng_exponential(
                           &r->rng, unit->sim->options.outage_s * 1000.0);
        plan_outage(unit, r->silent_ms);
    } else if (now_ms >= r->outage_ms && r->lost_ms == 0) {
        unit->sim->counts.outages++;
        r->lost_ms =
            now_ms + 1 + (int64_t)(1000.0 * rng_between(&r->rng, LOST_S));
        r->outage_ms = INT64_MAX;
    }
}

static bool wants_connection(const struct unit *unit, int64_t now_ms)
{
    if (unit->sim->stopping)
        return unit->radio.link != NULL || unit->device.box.held > 0;
    return !unit->device.asleep && now_ms >= unit->radio.silent_ms;
}

/* A mode that lasts and that the gateway has not been told. */
static void watch_mode(struct unit *unit, int64_t now_ms)
{
    const struct uplink_action beat = {.kind = UPLINK_SEND_HEARTBEAT};
    struct radio *r = &unit->radio;
    if (!is_online(unit) || (int)unit->device.mode == r->mode_said) {
        r->mode_other_ms = 0;
        return;
    }
    if (r->mode_other_ms == 0)
        r->mode_other_ms = now_ms;
    if (now_ms - r->mode_other_ms >= MODE_LASTS_MS)
        do_send(unit, &beat);
}

void radio_tick(struct unit *unit)
{
    int64_t now_ms = now_of(unit);
    if (unit->device.nmea != NULL)
        return;
    follow_outage(unit, now_ms);
    bool wanted = wants_connection(unit, now_ms);
    if (wanted && unit->radio.link == NULL)
        dial(unit);
    else if (!wanted && unit->radio.link != NULL)
        radio_hang_up(unit);
    watch_mode(unit, now_ms);
    pump(unit);
}

/* --- begin and end
 * ---------------------------------------------------------------- */

void radio_init(struct unit *unit)
{
    const struct sim_options *options = &unit->sim->options;
    struct radio *r = &unit->radio;
    struct uplink_settings settings = {
        .resend_ms = options->resend_s * 1000,
        .resend_max_ms = RESEND_MAX_MS,
        .batch_max = BATCH_MAX,
        .heartbeat_ms = HEARTBEAT_MS,
    };
    rng_init(&r->rng, rng_mix(options->seed, 7), unit->index);
    uplink_init(&r->uplink, &settings, rng_next(&r->rng));
    r->batch_max = BATCH_MAX;
    r->mode_said = -1;
    tell_held(unit);
}

enum pt_err radio_open(struct sim *sim)
{
    sim->entries = calloc(BATCH_MAX, sizeof(*sim->entries));
    sim->message = malloc(PT_REPORT_BYTES_MAX);
    if (sim->entries == NULL || sim->message == NULL) {
        radio_close(sim);
        return PT_E_NOMEM;
    }
    return PT_OK;
}

void radio_close(struct sim *sim)
{
    free(sim->entries);
    sim->entries = NULL;
    free(sim->message);
    sim->message = NULL;
}

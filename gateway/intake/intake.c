#include "intake.h"

#include "intake_internal.h"
#include "pt_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One line about refused entries at most so often: a device gone wrong, or a
 * stranger, must not fill the log. The numbers are in the metrics. */
#define REFUSALS_LOGGED_EVERY_MS 10000
/* After the broker took no more: when to try again. */
#define PUBLISH_AGAIN_MS 200
#define PRESENCE_BYTES_MAX 16

int64_t intake_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------- from the broker */
static int64_t steady_ms(const struct intake *intake)
{
    return (int64_t)uv_now(intake->loop);
}

static void subscribe_to(struct intake *intake, const char *topic, int qos)
{
    enum pt_err err = link_subscribe(intake->link, topic, qos);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "intake: cannot subscribe to %s: %s", topic,
               pt_strerror(err));
}

static void subscribe(struct intake *intake, enum link_topic kind, int qos)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(kind, "+", topic);
    subscribe_to(intake, topic, qos);
}

static void on_connected(void *context)
{
    struct intake *intake = context;
    intake->connected_ms = intake->life_ms = intake_wall_ms();
    intake->gone_silent = false;
    pulse_connected(&intake->pulse, steady_ms(intake));
    if (intake->probe_topic[0] != '\0')
        subscribe_to(intake, intake->probe_topic, 0);
    subscribe(intake, LINK_REPORT, 0);
    subscribe(intake, LINK_PRESENCE, 1);
}

static void on_disconnected(void *context, bool taken_over)
{
    struct intake *intake = context;
    pulse_lost(&intake->pulse);
    if (taken_over)
        pt_log(PT_LOG_ERROR, "intake: another client has taken our name at "
                             "the broker; is a second gateway running with "
                             "the same broker.client_id?");
}

/* What is too long to be what it should be waits without its bytes, and is
 * refused in its turn: an empty report is no report. */
static void on_message(void *context, const char *topic, const void *payload,
                       size_t size, bool retained)
{
    struct intake *intake = context;
    struct inbox_message message = {.retained = retained,
                                    .received_ms = intake_wall_ms(),
                                    .payload = payload};
    intake->life_ms = message.received_ms;
    if (strcmp(topic, intake->probe_topic) == 0) {
        pulse_answered(&intake->pulse, steady_ms(intake));
        intake->counts.probes_answered++;
        return;
    }
    pulse_alive(&intake->pulse, steady_ms(intake));
    if (!link_topic_parse(topic, &message.kind, message.device) ||
        (message.kind != LINK_REPORT && message.kind != LINK_PRESENCE)) {
        intake->counts.strange++;
        return;
    }
    size_t most =
        message.kind == LINK_REPORT ? PT_REPORT_BYTES_MAX : PRESENCE_BYTES_MAX;
    message.size = size <= most ? (uint32_t)size : 0;
    if (inbox_put(&intake->inbox, &message) != PT_OK)
        intake->counts.dropped++;
}

/* ---------------------------------------------------------------- the judging
 */
static void count_refusal(struct intake *intake, const struct batch_item *item,
                          int64_t now_ms)
{
    const char *word = batch_refusal_word(item->refusal);
    if (item->entry.kind == PT_KIND_PANIC)
        pt_log(PT_LOG_ERROR, "intake: a panic of %s %s: %s", item->device_name,
               item->act_kept ? "came without a place or time that can be"
                              : "was refused",
               word);
    intake->refusals_unlogged++;
    if (now_ms - intake->refusals_logged_ms < REFUSALS_LOGGED_EVERY_MS &&
        now_ms >= intake->refusals_logged_ms)
        return;
    pt_log(PT_LOG_WARN,
           "intake: refused %" PRIu64 " entries, the last of %s: %s",
           intake->refusals_unlogged, item->device_name, word);
    intake->refusals_unlogged = 0;
    intake->refusals_logged_ms = now_ms;
}

/* The caller has seen to it that the batch has room. */
static void add_item(struct intake *intake, const struct batch_item *item,
                     int64_t now_ms, struct batch *batch)
{
    enum pt_err err = batch_add(batch, item);
    if (err != PT_OK) { /* no memory for a detail: not receipted, comes again */
        intake->counts.dropped++;
        return;
    }
    intake->counts.verdict[item->refusal]++;
    if (item->act_kept)
        intake->counts.acts_kept++;
    if (item->refusal != REFUSED_NOT)
        count_refusal(intake, item, now_ms);
}

/* Against the fix before in the same report; for the first against the
 * fleet's, whichever of the two is older. */
static bool is_jump(const struct intake *intake, const struct fleet *fleet,
                    const struct batch_item *item)
{
    const struct reading *r = &intake->reading;
    const struct pt_entry *e = &item->entry;
    if (r->has_last && r->last_unit_id == item->unit_id)
        return judge_jump(&intake->limits, r->last_at, r->last_ms, e->at,
                          e->time_ms);
    const struct fleet_unit *unit = fleet_find(fleet, item->unit_id);
    return unit != NULL && unit->has_fix &&
           judge_jump(&intake->limits, unit->at, unit->fix_time_ms, e->at,
                      e->time_ms);
}

static void follow_fix(struct intake *intake, const struct fleet *fleet,
                       struct batch_item *item)
{
    struct reading *r = &intake->reading;
    if (!(item->entry.flags & PT_FLAG_POSITION))
        return;
    if (is_jump(intake, fleet, item)) {
        item->flags |= BATCH_FLAG_JUMP;
        intake->counts.jumps++;
    }
    r->has_last = true;
    r->last_unit_id = item->unit_id;
    r->last_at = item->entry.at;
    r->last_ms = item->entry.time_ms;
}

/* Which unit sent it, and what is to be said against it. A time that cannot
 * be also belongs to no unit; that the time is wrong is then what counts. What
 * a crew did holds whatever its receiver and clock say, so an act is the
 * unit's that has the device when it comes in. */
static void judge_item(const struct intake *intake,
                       const struct catalog *catalog, int64_t now_ms,
                       struct batch_item *item)
{
    const struct pt_entry *e = &item->entry;
    bool is_act = e->kind != PT_KIND_FIX;
    if (!catalog_device(catalog, item->device_name, &item->device_id)) {
        item->refusal = REFUSED_UNKNOWN_DEVICE;
        return;
    }
    if (is_act &&
        judge_time(&intake->limits, e->time_ms, now_ms) != REFUSED_NOT)
        item->flags |= BATCH_FLAG_GATEWAY_TIME;
    bool has_unit = catalog_device_unit(catalog, item->device_id,
                                        batch_act_ms(item), &item->unit_id);
    item->refusal = judge_entry(&intake->limits, e, now_ms);
    if (item->refusal == REFUSED_NOT && !has_unit)
        item->refusal = REFUSED_UNKNOWN_DEVICE;
    item->act_kept = is_act && has_unit && item->refusal != REFUSED_NOT;
}

static void take_entry(struct intake *intake, const struct catalog *catalog,
                       const struct fleet *fleet, int64_t now_ms,
                       struct batch *batch)
{
    struct reading *r = &intake->reading;
    const struct pt_entry *e = &r->report.entries[r->next];
    struct batch_item item = {
        .device_id = BATCH_NO_DEVICE,
        .unit_id = BATCH_NO_UNIT,
        .generation = r->report.generation,
        .lowest_held = r->report.lowest_held,
        .received_ms = r->received_ms,
        .flags = e->flags,
        .entry = *e,
    };
    memcpy(item.device_name, r->device, sizeof(item.device_name));
    judge_item(intake, catalog, now_ms, &item);
    if (item.refusal == REFUSED_NOT)
        follow_fix(intake, fleet, &item);
    add_item(intake, &item, now_ms, batch);
}

static void take_entries(struct intake *intake, const struct catalog *catalog,
                         const struct fleet *fleet, int64_t now_ms,
                         struct batch *batch)
{
    struct reading *r = &intake->reading;
    while (r->next < r->report.count && batch->count < batch->capacity) {
        take_entry(intake, catalog, fleet, now_ms, batch);
        r->next++;
    }
    if (r->next < r->report.count)
        return;
    pt_report_clear(&r->report);
    r->under_way = false;
}

/* --------------------------------------------------------------- one message
 */
static void count_full(struct intake *intake, enum pt_err err)
{
    if (err == PT_OK)
        return;
    if (intake->counts.fleet_full++ == 0)
        pt_log(PT_LOG_ERROR, "intake: live state takes no more units: %s",
               pt_strerror(err));
}

/* ------------------------------------------------ devices that nobody knows
 */
/* A vehicle may report before the catalog knows that it was enrolled, and
 * what is refused is receipted: the vehicle would delete it. So its word
 * waits for a catalog that was read after it came. */
static void put_aside(struct intake *intake, struct inbox_message *message)
{
    message->aside_ns = uv_hrtime();
    intake->asks_catalog = true;
    if (inbox_put(&intake->undecided, message) == PT_OK)
        intake->counts.deferred++;
    else
        intake->counts.dropped++; /* without a receipt it comes again */
}

static bool next_decided(const struct intake *intake, struct inbox_message *ret)
{
    return inbox_peek(&intake->undecided, ret) &&
           ret->aside_ns < intake->catalog_ns;
}

void intake_catalog(struct intake *intake, uint64_t read_from_ns)
{
    intake->catalog_ns = read_from_ns;
}

bool intake_asks_catalog(struct intake *intake)
{
    bool asks = intake->asks_catalog;
    intake->asks_catalog = false;
    return asks;
}

/* The unit that the device is at this moment. */
static bool unit_now(const struct catalog *catalog, const char *device,
                     int64_t now_ms, uint32_t *unit_id)
{
    uint32_t device_id;
    return catalog_device(catalog, device, &device_id) &&
           catalog_device_unit(catalog, device_id, now_ms, unit_id);
}

static void take_presence(struct intake *intake, const struct catalog *catalog,
                          struct fleet *fleet, int64_t now_ms,
                          const struct inbox_message *message)
{
    static const char online[] = "online";
    uint32_t unit_id;
    intake->counts.presences++;
    if (!unit_now(catalog, message->device, now_ms, &unit_id))
        return;
    bool is_online = message->size == sizeof(online) - 1 &&
                     memcmp(message->payload, online, message->size) == 0;
    count_full(intake, fleet_connected(fleet, unit_id, is_online));
    if (is_online)
        fleet_seen_again(fleet, unit_id);
}

/* The time of the newest entry that a receiver has dated and that can be; 0:
 * there is none. */
static int64_t newest_dated_ms(const struct intake *intake, int64_t now_ms)
{
    const struct pt_report *report = &intake->reading.report;
    int64_t limit_ms = now_ms + intake->limits.future_max_ms;
    int64_t newest_ms = 0;
    for (size_t i = 0; i < report->count; i++) {
        const struct pt_entry *entry = &report->entries[i];
        if ((entry->flags & PT_FLAG_CLOCK_UNSURE) == 0 &&
            entry->time_ms <= limit_ms && entry->time_ms > newest_ms)
            newest_ms = entry->time_ms;
    }
    return newest_ms;
}

/* Whom the table has no room for, or no memory, is not watched. */
static void watch_for_twins(struct intake *intake,
                            const struct catalog *catalog, int64_t now_ms)
{
    const struct reading *r = &intake->reading;
    int64_t newest_ms = newest_dated_ms(intake, now_ms);
    uint32_t device_id;
    bool alarm;
    if (newest_ms == 0 || !catalog_device(catalog, r->device, &device_id) ||
        twins_hear(intake->twins, device_id, r->report.generation, newest_ms,
                   steady_ms(intake), &alarm) != PT_OK ||
        !alarm || intake->found_twin_count == INTAKE_TWINS_MAX)
        return;
    memcpy(intake->found_twins[intake->found_twin_count++], r->device,
           sizeof(r->device));
}

bool intake_next_twin(struct intake *intake, char device[LINK_DEVICE_MAX + 1])
{
    if (intake->found_twin_count == 0)
        return false;
    memcpy(device, intake->found_twins[--intake->found_twin_count],
           LINK_DEVICE_MAX + 1);
    return true;
}

/* A report that is not a retained one is itself a sign of presence. */
static void hear(struct intake *intake, const struct catalog *catalog,
                 struct fleet *fleet, int64_t now_ms, bool retained)
{
    struct reading *r = &intake->reading;
    uint32_t unit_id;
    if (retained || !unit_now(catalog, r->device, now_ms, &unit_id))
        return;
    count_full(intake,
               fleet_heard(fleet, unit_id, &r->report.state, r->received_ms));
    count_full(intake, fleet_connected(fleet, unit_id, true));
}

static void refuse_malformed(struct intake *intake,
                             const struct catalog *catalog, int64_t now_ms,
                             const struct inbox_message *message,
                             struct batch *batch)
{
    struct batch_item item = {
        .device_id = BATCH_NO_DEVICE,
        .unit_id = BATCH_NO_UNIT,
        .received_ms = message->received_ms,
        .refusal = REFUSED_MALFORMED,
    };
    memcpy(item.device_name, message->device, sizeof(item.device_name));
    uint32_t device_id;
    if (catalog_device(catalog, message->device, &device_id))
        item.device_id = device_id;
    add_item(intake, &item, now_ms, batch);
}

static void begin_report(struct intake *intake, const struct catalog *catalog,
                         struct fleet *fleet, int64_t now_ms,
                         const struct inbox_message *message,
                         struct batch *batch)
{
    struct reading *r = &intake->reading;
    intake->counts.reports++;
    *r = (struct reading){.received_ms = message->received_ms};
    memcpy(r->device, message->device, sizeof(r->device));
    enum pt_err err =
        pt_report_decode(message->payload, message->size, &r->report);
    if (err == PT_E_NOMEM) { /* not the vehicle's fault: it sends again */
        intake->counts.dropped++;
        return;
    }
    if (err == PT_OK && !judge_report(&r->report)) {
        pt_report_clear(&r->report);
        err = PT_E_RANGE;
    }
    if (err != PT_OK) {
        refuse_malformed(intake, catalog, now_ms, message, batch);
        return;
    }
    cost_report(&intake->cost, message->size, r->report.count);
    hear(intake, catalog, fleet, now_ms, message->retained);
    if (!message->retained)
        watch_for_twins(intake, catalog, now_ms);
    r->under_way = true;
}

static void take_message(struct intake *intake, const struct catalog *catalog,
                         struct fleet *fleet, int64_t now_ms,
                         struct inbox_message *message, struct batch *batch)
{
    uint32_t unit_id;
    if (message->kind == LINK_PRESENCE)
        take_presence(intake, catalog, fleet, now_ms, message);
    else if (unit_now(catalog, message->device, now_ms, &unit_id))
        begin_report(intake, catalog, fleet, now_ms, message, batch);
    else
        put_aside(intake, message);
}

void intake_take(struct intake *intake, const struct catalog *catalog,
                 struct fleet *fleet, int64_t now_ms, struct batch *batch)
{
    while (batch->count < batch->capacity) {
        struct inbox_message message;
        if (intake->reading.under_way) {
            take_entries(intake, catalog, fleet, now_ms, batch);
        } else if (next_decided(intake, &message)) {
            begin_report(intake, catalog, fleet, now_ms, &message, batch);
            inbox_drop(&intake->undecided);
        } else if (inbox_peek(&intake->inbox, &message)) {
            take_message(intake, catalog, fleet, now_ms, &message, batch);
            inbox_drop(&intake->inbox);
        } else {
            return;
        }
    }
}

bool intake_has_more(const struct intake *intake)
{
    struct inbox_message message;
    return intake->reading.under_way || intake->inbox.waiting > 0 ||
           next_decided(intake, &message);
}

/* -------------------------------------------------------------------- receipts
 */
static void count_dropped_receipt(struct intake *intake, const char *device,
                                  enum pt_err err)
{
    if (intake->counts.receipts_dropped++ == 0)
        pt_log(PT_LOG_ERROR, "intake: a receipt for %s was dropped: %s", device,
               pt_strerror(err));
}

void intake_receipt(struct intake *intake, const struct store_receipt *receipt)
{
    enum pt_err err =
        receipts_put(intake->receipts, receipt, steady_ms(intake));
    if (err != PT_OK)
        count_dropped_receipt(intake, receipt->device_name, err);
}

int64_t intake_receipts_due(struct intake *intake)
{
    int64_t now_ms = steady_ms(intake);
    struct receipts_due due;
    if (!link_is_up(intake->link)) /* on_connected runs a tick */
        return -1;
    while (receipts_next(intake->receipts, now_ms, &due)) {
        char topic[LINK_TOPIC_MAX];
        link_topic(LINK_RECEIPT, due.device, topic);
        enum pt_err err =
            link_publish(intake->link, topic, due.bytes, due.size, 1, false);
        if (err == PT_E_AGAIN)
            return PUBLISH_AGAIN_MS;
        receipts_sent(intake->receipts, due.slot, now_ms);
        if (err == PT_OK) {
            intake->counts.receipts_sent++;
            cost_receipt(&intake->cost, strlen(topic), due.size);
        } else {
            count_dropped_receipt(intake, due.device, err);
        }
    }
    return receipts_wait(intake->receipts, now_ms);
}

enum pt_err intake_say_settings(struct intake *intake, const char *device,
                                const uint8_t *bytes, size_t size)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_SETTINGS, device, topic);
    return link_publish(intake->link, topic, bytes, size, 1, true);
}

enum pt_err intake_say_receipt(struct intake *intake, const char *device,
                               const uint8_t *bytes, size_t size)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_RECEIPT, device, topic);
    return link_publish(intake->link, topic, bytes, size, 1, false);
}

/* --------------------------------------------------------------------- metrics
 */
static double waiting_messages(void *context)
{
    const struct intake *intake = context;
    return (double)intake->inbox.waiting;
}

static double undecided_messages(void *context)
{
    const struct intake *intake = context;
    return (double)intake->undecided.waiting;
}

static double waiting_receipts(void *context)
{
    const struct intake *intake = context;
    return (double)receipts_waiting(intake->receipts);
}

static const struct {
    size_t offset;
    const char *name;
    const char *help;
} counters[] = {
    {offsetof(struct counts, reports), "patrol_intake_reports_total",
     "Reports taken from the broker"},
    {offsetof(struct counts, presences), "patrol_intake_presences_total",
     "Presence messages taken from the broker"},
    {offsetof(struct counts, strange), "patrol_intake_strange_topics_total",
     "Messages on a topic that is none of ours"},
    {offsetof(struct counts, dropped), "patrol_intake_dropped_total",
     "Messages and entries dropped for want of room; vehicles send them again"},
    {offsetof(struct counts, deferred), "patrol_intake_deferred_total",
     "Reports of devices without a unit, put aside until the catalog is read"},
    {offsetof(struct counts, jumps), "patrol_intake_jumps_total",
     "Fixes flagged as farther from the last than a vehicle can drive"},
    {offsetof(struct counts, acts_kept), "patrol_intake_acts_kept_total",
     "Acts of crews kept though their place or time was refused"},
    {offsetof(struct counts, fleet_full), "patrol_intake_fleet_full_total",
     "Units that live state had no room for"},
    {offsetof(struct counts, receipts_sent), "patrol_receipts_sent_total",
     "Receipts published"},
    {offsetof(struct counts, receipts_dropped), "patrol_receipts_dropped_total",
     "Receipts dropped for want of room; they come again with a repeat"},
    {offsetof(struct counts, probes_answered),
     "patrol_broker_probes_answered_total",
     "Messages to ourselves that the broker gave back"},
};

/* Each refusal's label; the texts live as long as the program. */
#define VERDICT_LABEL(name, word) [name] = "verdict=\"" word "\"",
static const char *const verdict_labels[] = {BATCH_REFUSALS(VERDICT_LABEL)};

static enum pt_err add_verdicts(struct intake *intake, struct metrics *metrics)
{
    for (int i = 0; i < REFUSED_COUNT; i++) {
        if (i == REFUSED_REPEAT_DIFFERS) /* the store finds and counts those */
            continue;
        enum pt_err err = metrics_add(
            metrics, METRICS_COUNTER, "patrol_intake_entries_total",
            verdict_labels[i], "Entries of reports, by what intake said",
            &intake->counts.verdict[i]);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

static enum pt_err add_metrics(struct intake *intake, struct metrics *metrics)
{
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        const uint64_t *value =
            (const uint64_t *)((const char *)&intake->counts +
                               counters[i].offset);
        enum pt_err err =
            metrics_add(metrics, METRICS_COUNTER, counters[i].name, NULL,
                        counters[i].help, value);
        if (err != PT_OK)
            return err;
    }
    enum pt_err err = add_verdicts(intake, metrics);
    if (err == PT_OK)
        err = cost_metrics(&intake->cost, metrics);
    if (err == PT_OK)
        err = metrics_add_call(
            metrics, METRICS_GAUGE, "patrol_intake_waiting_messages", NULL,
            "Messages not yet decoded", waiting_messages, intake);
    if (err == PT_OK)
        err = metrics_add_call(metrics, METRICS_GAUGE,
                               "patrol_intake_undecided_messages", NULL,
                               "Reports that wait for the catalog to be read",
                               undecided_messages, intake);
    if (err == PT_OK)
        err = metrics_add_call(
            metrics, METRICS_GAUGE, "patrol_receipts_waiting", NULL,
            "Receipts not yet published", waiting_receipts, intake);
    return err;
}

/* ----------------------------------------------------------------- start and
 * end */
static void release(struct intake *intake)
{
    if (intake->reading.under_way)
        pt_report_clear(&intake->reading.report);
    receipts_free(intake->receipts);
    twins_free(intake->twins);
    inbox_clear(&intake->inbox);
    inbox_clear(&intake->undecided);
    free(intake);
}

/* The link comes last: nothing needs undoing after it began to connect. */
static enum pt_err open_parts(struct intake *intake,
                              const struct intake_settings *settings,
                              struct metrics *metrics)
{
    struct link_events events = {
        .context = intake,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_message,
    };
    enum pt_err err = inbox_init(&intake->inbox, settings->queue_max_bytes);
    if (err == PT_OK)
        err = inbox_init(&intake->undecided, INTAKE_UNDECIDED_BYTES);
    if (err == PT_OK)
        err = receipts_new(INTAKE_RECEIPTS_MAX, settings->receipt_every_ms,
                           &intake->receipts);
    if (err == PT_OK)
        err = twins_new(CATALOG_UNITS_MAX, &intake->twins);
    if (err == PT_OK)
        err = add_metrics(intake, metrics);
    if (err == PT_OK)
        err = link_new(intake->loop, &settings->link, &events, &intake->link);
    return err;
}

enum pt_err intake_new(uv_loop_t *loop, const struct intake_settings *settings,
                       struct metrics *metrics, struct intake **ret)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    if (intake == NULL)
        return PT_E_NOMEM;
    intake->loop = loop;
    intake->cost.with_tls =
        settings->link.ca_file != NULL && settings->link.ca_file[0] != '\0';
    intake->limits = (struct judge_limits){
        .past_max_ms = settings->past_max_ms,
        .future_max_ms = settings->future_max_ms,
        .jump_mps = settings->jump_mps,
    };
    pulse_init(&intake->pulse, settings->probe_ms);
    if (settings->probe_ms > 0)
        link_topic(LINK_PROBE, settings->link.client_id, intake->probe_topic);
    enum pt_err err = open_parts(intake, settings, metrics);
    if (err != PT_OK) {
        release(intake);
        return err;
    }
    *ret = intake;
    return PT_OK;
}

static void on_link_closed(void *context)
{
    struct intake *intake = context;
    void (*closed)(void *) = intake->closed;
    void *closed_context = intake->closed_context;
    release(intake);
    if (closed != NULL)
        closed(closed_context);
}

void intake_close(struct intake *intake, void (*done)(void *), void *context)
{
    intake->closed = done;
    intake->closed_context = context;
    link_close(intake->link, on_link_closed, intake);
}

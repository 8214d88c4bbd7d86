/* Outbox, uplink and link tied together: what the uplink's state machine says
 * is done here.
 *
 * An entry is sent as soon as it is put, often before it is on disk: the
 * outbox commits in groups (commit_entries, commit_seconds) to spare the
 * vehicle's flash. A power cut so loses at most one such group, and of it only
 * what was not yet sent; a killed process likewise. Nothing is taken out of
 * the outbox but by a receipt. */
#include "agent.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* More than this waiting for the socket: the path is slow or gone, and what
 * is newest by then is worth more than one message more behind it. */
#define BACKLOG_MAX 16384

/* The state goes along at least this often while there are reports; it costs
 * some 30 bytes (report.proto). */
#define STATE_EVERY_MS 60000
/* A clock this far from the receiver's time is wrong; whether it is, is news.
 * The receiver's own delay stays below. */
#define CLOCK_WRONG_MS 5000

#define COMMIT_AGAIN_MS 5000 /* after the disk has refused */
#define OPEN_AGAIN_MS 60000  /* while the outbox has no file */
#define DISK_TOLD_EVERY_MS 600000

struct crew_outbox agent_outbox_now(const struct agent *agent)
{
    return (struct crew_outbox){
        .numbering = outbox_numbering(agent->outbox),
        .lowest = outbox_lowest(agent->outbox),
        .depth = outbox_depth(agent->outbox),
        .dropped = outbox_dropped(agent->outbox),
    };
}

static int64_t now_of(const struct agent *agent)
{
    return (int64_t)uv_now(&agent->loop);
}

/* The outbox has lost sight of its file, or found it again. */
static void follow_numbering(struct agent *agent)
{
    unsigned numbering = outbox_numbering(agent->outbox);
    if (numbering == agent->numbering)
        return;
    pt_log(PT_LOG_WARN, "outbox goes on as generation %016" PRIx64,
           outbox_generation(agent->outbox));
    agent->numbering = numbering;
    uplink_renumbered(&agent->uplink, outbox_lowest(agent->outbox),
                      outbox_highest(agent->outbox), now_of(agent));
}

static void tell_held(struct agent *agent)
{
    follow_numbering(agent);
    uplink_held(&agent->uplink, outbox_lowest(agent->outbox),
                outbox_highest(agent->outbox), now_of(agent));
}

/* --- the disk ------------------------------------------------------------ */

/* When it begins, now and then while it lasts and when it is over, not at
 * each try. */
static void note_disk(struct agent *agent, enum pt_err err)
{
    bool failing = err != PT_OK;
    uint64_t now = uv_now(&agent->loop);
    if (!failing && agent->disk_failing)
        pt_log(PT_LOG_NOTICE, "outbox %s can be written again",
               agent->settings.outbox_path);
    if (failing && (!agent->disk_failing ||
                    now - agent->disk_told_ms >= DISK_TOLD_EVERY_MS)) {
        pt_log(PT_LOG_ERROR,
               "outbox %s: %s; entries are kept in memory, the newest %d of"
               " them",
               agent->settings.outbox_path, pt_strerror(err),
               OUTBOX_PENDING_MAX);
        agent->disk_told_ms = now;
    }
    agent->disk_failing = failing;
}

static uint64_t try_again_ms(const struct agent *agent)
{
    return uv_now(&agent->loop) +
           (outbox_in_memory(agent->outbox) ? OPEN_AGAIN_MS : COMMIT_AGAIN_MS);
}

static void commit(struct agent *agent)
{
    enum pt_err err = outbox_commit(agent->outbox);
    tell_held(agent);
    note_disk(agent, err);
    agent->commit_again_ms = err == PT_OK ? 0 : try_again_ms(agent);
    if (err == PT_OK)
        agent->uncommitted_since_ms = 0;
}

void agent_commit_due(struct agent *agent)
{
    size_t count = outbox_uncommitted(agent->outbox);
    uint64_t now = uv_now(&agent->loop);
    if (now < agent->commit_again_ms)
        return;
    if (outbox_in_memory(agent->outbox)) {
        commit(agent);
        return;
    }
    if (count == 0)
        return;
    if (agent->uncommitted_since_ms == 0)
        agent->uncommitted_since_ms = now;
    uint64_t age_ms = now - agent->uncommitted_since_ms;
    if (count >= (uint64_t)agent->settings.outbox_commit_entries ||
        age_ms >= (uint64_t)agent->settings.outbox_commit_s * 1000)
        commit(agent);
}

void agent_put(struct agent *agent, const struct pt_entry *entry)
{
    uint64_t seq;
    enum pt_err err = outbox_put(agent->outbox, entry, &seq);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "entry lost: %s", pt_strerror(err));
    tell_held(agent);
    agent_commit_due(agent);
    agent_pump(agent);
}

enum pt_err agent_put_act(struct agent *agent, const struct pt_entry *entry,
                          uint64_t *number, struct crew_outbox *box)
{
    enum pt_err err = outbox_put(agent->outbox, entry, number);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "entry lost: %s", pt_strerror(err));
        return err;
    }
    *box = agent_outbox_now(agent);
    tell_held(agent);
    commit(agent);
    return PT_OK;
}

/* --- sending ------------------------------------------------------------- */

enum clock { CLOCK_UNKNOWN, CLOCK_RIGHT, CLOCK_WRONG };

static enum clock clock_of(const struct pt_vehicle_state *state)
{
    if (!state->clock_known)
        return CLOCK_UNKNOWN;
    return llabs(state->clock_offset_ms) > CLOCK_WRONG_MS ? CLOCK_WRONG
                                                          : CLOCK_RIGHT;
}

/* Numbers that change all the time (satellites, depth, charge) are none. */
static bool has_news(const struct pt_vehicle_state *state,
                     const struct pt_vehicle_state *said)
{
    return !said->present || state->receiver_mode != said->receiver_mode ||
           state->next_due_s != said->next_due_s ||
           state->power != said->power || clock_of(state) != clock_of(said);
}

/* The state goes along when it is due, when it has news, and with everything
 * that is not a single live report. */
static bool state_is_due(const struct agent *agent,
                         const struct pt_vehicle_state *state,
                         enum uplink_action_kind kind)
{
    if (kind != UPLINK_SEND_NEWEST || agent->state_said_ms == 0)
        return true;
    return uv_now(&agent->loop) - agent->state_said_ms >= STATE_EVERY_MS ||
           has_news(state, &agent->said);
}

static void note_state_said(struct agent *agent,
                            const struct pt_vehicle_state *state)
{
    agent->state_said_ms = uv_now(&agent->loop);
    agent->said = *state;
    agent->mode_other_since_ms = 0;
}

static enum pt_err publish(struct agent *agent, const struct pt_report *report)
{
    if (link_backlog(agent->link) > BACKLOG_MAX)
        return PT_E_AGAIN;
    size_t size;
    enum pt_err err =
        pt_report_encode(report, agent->message, PT_REPORT_BYTES_MAX, &size);
    if (err != PT_OK)
        return err;
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_REPORT, agent->settings.device_name, topic);
    return link_publish(agent->link, topic, agent->message, size, 0, false);
}

/* `report` is signed. */
static enum pt_err send_report(struct agent *agent,
                               enum uplink_action_kind kind,
                               struct pt_report *report)
{
    struct pt_vehicle_state state = agent_state(agent);
    if (state_is_due(agent, &state, kind))
        report->state = state;
    enum pt_err err = publish(agent, report);
    if (err == PT_OK && report->state.present)
        note_state_said(agent, &state);
    return err;
}

/* Held entries of the action, into agent->entries. */
static enum pt_err read_entries(struct agent *agent,
                                const struct uplink_action *action, size_t *ret)
{
    uint32_t max = action->max;
    if (max > agent->batch_max)
        max = agent->batch_max;
    size_t count = 0;
    enum pt_err err =
        outbox_read(agent->outbox, action->from, max, agent->entries, &count);
    follow_numbering(agent);
    if (err != PT_OK)
        return err;
    while (count > 0 && agent->entries[count - 1].seq > action->to)
        count--;
    *ret = count;
    return PT_OK;
}

/* Too long for our limit or for the broker's: fewer entries the next time.
 * One entry always fits both (PT_DETAIL_BYTES_MAX). */
static void make_smaller(struct agent *agent, enum pt_err err)
{
    bool too_long = err == PT_E_FULL || err == PT_E_RANGE;
    if (!too_long && err != PT_E_AGAIN && err != agent->send_error)
        pt_log(PT_LOG_ERROR, "report not sent: %s", pt_strerror(err));
    agent->send_error = err;
    if (!too_long || agent->batch_max == 1)
        return;
    agent->batch_max /= 2;
    pt_log(PT_LOG_WARN, "report too long; %u entries at a time from now on",
           agent->batch_max);
}

static void do_send(struct agent *agent, const struct uplink_action *action)
{
    struct pt_report report = {.entries = agent->entries};
    uint64_t to = action->to;
    enum pt_err err = PT_OK;
    if (action->kind != UPLINK_SEND_HEARTBEAT)
        err = read_entries(agent, action, &report.count);
    if (err == PT_OK &&
        (report.count > 0 || action->kind == UPLINK_SEND_HEARTBEAT)) {
        uint64_t last = outbox_sign(agent->outbox, &report);
        if (last > 0)
            to = last;
        err = send_report(agent, action->kind, &report);
    }
    if (err == PT_OK) {
        agent->send_error = PT_OK;
        uplink_sent(&agent->uplink, action, to, now_of(agent));
        return;
    }
    make_smaller(agent, err);
    uplink_refused(&agent->uplink, action, now_of(agent));
}

void agent_heartbeat(struct agent *agent)
{
    const struct uplink_action beat = {.kind = UPLINK_SEND_HEARTBEAT};
    if (agent->uplink.state != UPLINK_OFFLINE)
        do_send(agent, &beat);
}

static void on_next(uv_timer_t *timer)
{
    agent_pump(timer->data);
}

/* Each action moves the uplink on or makes it wait, so this ends. */
void agent_pump(struct agent *agent)
{
    for (;;) {
        struct uplink_action action =
            uplink_next(&agent->uplink, now_of(agent));
        if (action.kind == UPLINK_NOTHING)
            break;
        do_send(agent, &action);
    }
    int64_t wait_ms = uplink_wait_ms(&agent->uplink, now_of(agent));
    if (wait_ms < 0)
        uv_timer_stop(&agent->next);
    else
        (void)uv_timer_start(&agent->next, on_next, (uint64_t)wait_ms, 0);
}

/* --- the broker's side --------------------------------------------------- */

/* In the order the broker will see it: from the subscription on no receipt
 * can be missed, then the newest report. */
static void on_connected(void *context)
{
    struct agent *agent = context;
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_RECEIPT, agent->settings.device_name, topic);
    /* At QoS 0: over one connection TCP loses nothing, and what is lost with
     * the connection is said again for the entries sent again. A PUBACK for
     * each would be a tenth of what a city drive costs. */
    enum pt_err err = link_subscribe(agent->link, topic, 0);
    link_topic(LINK_SETTINGS, agent->settings.device_name, topic);
    if (err == PT_OK)
        err = link_subscribe(agent->link, topic, 1);
    if (err == PT_OK) {
        link_topic(LINK_PRESENCE, agent->settings.device_name, topic);
        err = link_publish(agent->link, topic, "online", strlen("online"), 1,
                           true);
    }
    if (err != PT_OK) /* lost again already: disconnected() follows */
        pt_log(PT_LOG_WARN, "could not log on: %s", pt_strerror(err));
    agent->state_said_ms = 0;
    agent->said = (struct pt_vehicle_state){0};
    agent->batch_max = (uint32_t)agent->settings.uplink_batch;
    uplink_connected(&agent->uplink, now_of(agent));
    agent_pump(agent);
}

static void on_disconnected(void *context, bool taken_over)
{
    struct agent *agent = context;
    (void)taken_over; /* link has logged it and waits */
    uplink_disconnected(&agent->uplink);
    agent_pump(agent);
}

static void take_seen(struct agent *agent, const struct pt_receipt *receipt)
{
    for (size_t i = 0; i < receipt->seen_count; i++) {
        const struct pt_seen *seen = &receipt->seen[i];
        if (crew_seen(&agent->crew, receipt->generation, seen->seq,
                      seen->time_ms))
            pt_log(PT_LOG_INFO, "crew: the control room has seen it");
    }
}

static void take_receipt(struct agent *agent, const struct pt_receipt *receipt)
{
    struct pt_receipt placed;
    size_t count = 0;
    if (!outbox_place(agent->outbox, receipt, &placed)) {
        pt_log(PT_LOG_DEBUG, "receipt of another generation");
        return;
    }
    enum pt_err err = outbox_forget(agent->outbox, receipt, &count);
    bool same = outbox_numbering(agent->outbox) == agent->numbering;
    follow_numbering(agent);
    if (err == PT_E_RANGE) {
        pt_log(PT_LOG_ERROR, "receipt names what was never sent; ignored");
        return;
    }
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox: %s", pt_strerror(err));
    agent->receipted += count;
    agent->receipt_ms = uv_now(&agent->loop);
    pt_log(PT_LOG_DEBUG, "%zu receipted, %" PRIu64 " left", count,
           outbox_depth(agent->outbox));
    if (!same)
        return;
    (void)crew_receipted(&agent->crew, &placed, agent->numbering);
    uplink_receipted(&agent->uplink, &placed, outbox_lowest(agent->outbox),
                     now_of(agent));
}

static void on_receipt(struct agent *agent, const void *payload, size_t size)
{
    struct pt_receipt receipt;
    enum pt_err err = pt_receipt_decode(payload, size, &receipt);
    if (err != PT_OK) {
        pt_log(PT_LOG_WARN, "receipt refused: %s", pt_strerror(err));
        return;
    }
    take_seen(agent, &receipt);
    take_receipt(agent, &receipt);
    agent_pump(agent);
}

static void on_message(void *context, const char *topic, const void *payload,
                       size_t size, bool retained)
{
    struct agent *agent = context;
    enum link_topic kind;
    char device[LINK_DEVICE_MAX + 1];
    (void)retained;
    if (!link_topic_parse(topic, &kind, device) ||
        (kind != LINK_RECEIPT && kind != LINK_SETTINGS) ||
        strcmp(device, agent->settings.device_name) != 0) {
        pt_log(PT_LOG_WARN, "message on a topic that is not ours");
        return;
    }
    if (kind == LINK_RECEIPT)
        on_receipt(agent, payload, size);
    else
        agent_remote_take(agent, payload, size);
}

struct link_events agent_link_events(struct agent *agent)
{
    return (struct link_events){
        .context = agent,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_message,
    };
}

/* --- begin and end ------------------------------------------------------- */

enum pt_err agent_delivery_open(struct agent *agent)
{
    struct uplink_settings settings = agent_uplink_settings(&agent->settings);
    uint64_t seed = 0;
    if (uv_random(NULL, NULL, &seed, sizeof(seed), 0, NULL) != 0)
        seed = uv_hrtime();
    agent->batch_max = settings.batch_max;
    size_t live_or_batch = settings.batch_max > UPLINK_LIVE_MAX
                               ? settings.batch_max
                               : UPLINK_LIVE_MAX;
    agent->entries = calloc(live_or_batch, sizeof(*agent->entries));
    agent->message = malloc(PT_REPORT_BYTES_MAX);
    if (agent->entries == NULL || agent->message == NULL) {
        agent_delivery_close(agent);
        return PT_E_NOMEM;
    }
    agent->numbering = outbox_numbering(agent->outbox);
    uplink_init(&agent->uplink, &settings, seed);
    tell_held(agent);
    if (outbox_in_memory(agent->outbox)) {
        note_disk(agent, PT_E_DISK);
        agent->commit_again_ms = try_again_ms(agent);
    }
    return PT_OK;
}

void agent_delivery_close(struct agent *agent)
{
    free(agent->entries);
    agent->entries = NULL;
    free(agent->message);
    agent->message = NULL;
}

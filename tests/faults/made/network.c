/* Links, the broker between them, and what is in flight. A message takes one
 * trip, in which it may be lost, doubled, late and out of order; a broker
 * that restarts takes all of them with it. */
#include "sim.h"

#include "link.h"
#include <stdlib.h>
#include <string.h>

#define FLIGHT_MAX 256
#define BYTES_MAX 4096
#define KEPT_MAX 16 /* reports of old, to be delivered again */
#define NO_GATE GATES

struct link {
    struct link_events events;
    bool used, up, subscribed;
    unsigned vehicle; /* VEHICLES: a gateway's */
    unsigned gate;
    int64_t connect_at_ms; /* NEVER while up */
    int64_t silent_until_ms, lost_at_ms;
    int64_t stuffed_until_ms;
};

struct message {
    enum link_topic kind;
    unsigned vehicle; /* whose topic */
    unsigned gate;    /* to this gateway; NO_GATE: to the vehicle */
    size_t size;
    uint8_t bytes[BYTES_MAX];
};

struct retained {
    size_t size; /* 0: nothing */
    uint8_t bytes[PT_SETTINGS_BYTES_MAX];
};

static struct link links[VEHICLES + GATES];
static struct message flight[FLIGHT_MAX];
static int64_t landing_ms[FLIGHT_MAX]; /* NEVER: a free slot */
static size_t in_flight;               /* slots below this may be used */
static struct message kept[KEPT_MAX];
static size_t kept_count;
static struct retained retained[VEHICLES]; /* settings, by vehicle */
static int64_t broker_down_until_ms;

struct link *network_link(unsigned vehicle)
{
    return &links[vehicle];
}

/* ---- in flight */

static void take_off(enum link_topic kind, unsigned vehicle, unsigned gate,
                     const void *bytes, size_t size)
{
    bool lossy = sim.now_ms < sim.lossy_until_ms;
    bool calm = sim.calm;
    size_t slot = 0;
    if (!calm && strikes(sim.in->loss + (lossy ? 400 : 0))) {
        sim.totals.lost++;
        return;
    }
    while (slot < in_flight && landing_ms[slot] != NEVER)
        slot++;
    if (slot == FLIGHT_MAX) { /* a broker's queue is bounded, too */
        sim.totals.lost++;
        return;
    }
    if (slot >= in_flight)
        in_flight = slot + 1;
    struct message *message = &flight[slot];
    message->kind = kind;
    message->vehicle = vehicle;
    message->gate = gate;
    int64_t delay_ms = sim.in->delay_ms + (lossy ? 20000 : 0);
    landing_ms[slot] =
        sim.now_ms + 1 + (int64_t)draw(calm ? 50 : (uint64_t)delay_ms);
    message->size = size < BYTES_MAX ? size : BYTES_MAX;
    memcpy(message->bytes, bytes, message->size);
}

static void send_off(enum link_topic kind, unsigned vehicle, unsigned gate,
                     const void *bytes, size_t size)
{
    take_off(kind, vehicle, gate, bytes, size);
    bool lossy = sim.now_ms < sim.lossy_until_ms;
    if (!sim.calm && strikes(sim.in->twice + (lossy ? 200 : 0))) {
        sim.totals.doubled++;
        take_off(kind, vehicle, gate, bytes, size);
    }
}

/* The broker gives each subscriber a copy, or one of them by turns. */
static void to_gates(enum link_topic kind, unsigned vehicle, const void *bytes,
                     size_t size)
{
    unsigned only = sim.in->shared ? (unsigned)draw(sim.in->gates) : NO_GATE;
    for (unsigned g = 0; g < sim.in->gates; g++)
        if (only == NO_GATE || only == g)
            send_off(kind, vehicle, g, bytes, size);
}

static void to_gate(const struct message *message)
{
    struct link *link = &links[VEHICLES + message->gate];
    char topic[LINK_TOPIC_MAX];
    if (!link->used || !link->up || sim.now_ms < link->silent_until_ms)
        return;
    link_topic(message->kind, vehicle_name(message->vehicle), topic);
    gate_enter(message->gate);
    link->events.message(link->events.context, topic, message->bytes,
                         message->size, false);
    gate_tick(message->gate);
}

/* The rules broken: what comes is not taken, or whatever comes is. */
static bool is_broken(enum link_topic kind, struct agent *agent)
{
    if (kind == LINK_SETTINGS && sim.broken == BREAK_OLDER_SETTINGS)
        agent->remote.revision = 0;
    return sim.broken == (kind == LINK_RECEIPT ? BREAK_DEAF_TO_RECEIPTS
                                               : BREAK_DEAF_TO_SETTINGS);
}

/* Also to the clone, which has the same name. */
static void to_vehicle(const struct message *message)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(message->kind, vehicle_name(message->vehicle), topic);
    for (unsigned v = 0; v < VEHICLES; v++) {
        struct link *link = &links[v];
        if (!link->used || !link->up || !link->subscribed ||
            sim.now_ms < link->silent_until_ms ||
            vehicle_device(v) != vehicle_device(message->vehicle))
            continue;
        if (is_broken(message->kind, vehicle_agent(v)))
            continue;
        sim.totals.receipts += message->kind == LINK_RECEIPT;
        sim.totals.settings_came += message->kind == LINK_SETTINGS;
        vehicle_enter(v);
        link->events.message(link->events.context, topic, message->bytes,
                             message->size, false);
        vehicle_look(v);
    }
}

static bool land_one(void)
{
    for (size_t i = 0; i < in_flight; i++) {
        static struct message message;
        if (landing_ms[i] > sim.now_ms)
            continue;
        message.kind = flight[i].kind;
        message.vehicle = flight[i].vehicle;
        message.gate = flight[i].gate;
        message.size = flight[i].size;
        memcpy(message.bytes, flight[i].bytes, flight[i].size);
        landing_ms[i] = NEVER;
        while (in_flight > 0 && landing_ms[in_flight - 1] == NEVER)
            in_flight--;
        if (message.gate == NO_GATE)
            to_vehicle(&message);
        else
            to_gate(&message);
        return true;
    }
    return false;
}

/* ---- connections */

static bool is_vehicle(const struct link *link)
{
    return link->vehicle < VEHICLES;
}

static void enter(const struct link *link)
{
    if (is_vehicle(link))
        vehicle_enter(link->vehicle);
    else
        gate_enter(link->gate);
}

static void leave(const struct link *link)
{
    if (is_vehicle(link))
        vehicle_look(link->vehicle);
    else
        gate_tick(link->gate);
}

static void come_down(struct link *link, bool taken_over, int64_t for_ms)
{
    link->lost_at_ms = NEVER;
    link->silent_until_ms = 0;
    if (!link->used)
        return;
    if (!link->up) {
        if (link->connect_at_ms < sim.now_ms + for_ms)
            link->connect_at_ms = sim.now_ms + for_ms;
        return;
    }
    link->up = link->subscribed = false;
    link->connect_at_ms = sim.now_ms + for_ms;
    enter(link);
    link->events.disconnected(link->events.context, taken_over);
    leave(link);
}

/* The same name at the broker again: the older connection goes. */
static void take_over(const struct link *winner)
{
    for (unsigned v = 0; is_vehicle(winner) && v < VEHICLES; v++) {
        struct link *link = &links[v];
        if (link != winner && link->used && link->up &&
            vehicle_device(v) == vehicle_device(winner->vehicle))
            come_down(link, true, 60000);
    }
}

static void come_up(struct link *link)
{
    if (sim.now_ms < broker_down_until_ms) {
        link->connect_at_ms = broker_down_until_ms + (int64_t)draw(3000);
        return;
    }
    take_over(link);
    link->up = true;
    link->connect_at_ms = link->lost_at_ms = NEVER;
    link->silent_until_ms = 0;
    if (is_vehicle(link))
        vehicle_connected(link->vehicle);
    enter(link);
    link->events.connected(link->events.context);
    leave(link);
}

static int64_t link_next_ms(const struct link *link)
{
    if (!link->used)
        return NEVER;
    return link->up ? link->lost_at_ms : link->connect_at_ms;
}

int64_t network_next_ms(void)
{
    int64_t at_ms = NEVER;
    for (size_t i = 0; i < VEHICLES + GATES; i++)
        at_ms = soonest(at_ms, link_next_ms(&links[i]));
    for (size_t i = 0; i < in_flight; i++)
        at_ms = soonest(at_ms, landing_ms[i]);
    return at_ms;
}

bool network_run_one(void)
{
    for (size_t i = 0; i < VEHICLES + GATES; i++) {
        struct link *link = &links[i];
        if (link_next_ms(link) > sim.now_ms)
            continue;
        if (link->up)
            come_down(link, false, 500 + (int64_t)draw(5000));
        else
            come_up(link);
        return true;
    }
    return land_one();
}

/* ---- link.h */

enum pt_err link_new(uv_loop_t *loop, const struct link_settings *settings,
                     const struct link_events *events, struct link **ret)
{
    struct link *link = NULL;
    for (unsigned v = 0; v < VEHICLES; v++)
        if (vehicle_runs(v) && loop == &vehicle_agent(v)->loop)
            link = &links[v];
    unsigned gate = NO_GATE;
    if (link == NULL) {
        gate = gate_starting();
        link = &links[VEHICLES + gate];
    }
    (void)settings;
    *link = (struct link){
        .events = *events,
        .used = true,
        .vehicle = gate == NO_GATE ? (unsigned)(link - links) : VEHICLES,
        .gate = gate,
        .connect_at_ms = sim.now_ms + 10 + (int64_t)draw(2000),
        .lost_at_ms = NEVER,
    };
    *ret = link;
    return PT_OK;
}

bool link_is_up(const struct link *link)
{
    return link->up;
}

size_t link_backlog(const struct link *link)
{
    return sim.now_ms < link->stuffed_until_ms ? 65536 : 0;
}

enum pt_err link_subscribe(struct link *link, const char *topic, int qos)
{
    (void)qos;
    if (strstr(topic, "/receipt") != NULL || !is_vehicle(link))
        link->subscribed = true;
    if (strstr(topic, "/settings") != NULL) {
        const struct retained *r = &retained[link->vehicle];
        if (r->size > 0)
            take_off(LINK_SETTINGS, link->vehicle, NO_GATE, r->bytes, r->size);
    }
    return PT_OK;
}

/* To the broker, which keeps them for who comes later, and on from there. */
static void publish_settings(unsigned vehicle, const void *payload, size_t size)
{
    if (!sim.calm && strikes(sim.in->loss)) {
        sim.totals.lost++;
        return;
    }
    for (unsigned v = 0; v < VEHICLES; v++) {
        if (vehicle_device(v) != vehicle_device(vehicle) ||
            size > sizeof retained[v].bytes)
            continue;
        retained[v].size = size;
        memcpy(retained[v].bytes, payload, size);
    }
    send_off(LINK_SETTINGS, vehicle, NO_GATE, payload, size);
}

static void keep(unsigned vehicle, const void *payload, size_t size)
{
    struct message *message = &kept[kept_count++ % KEPT_MAX];
    message->vehicle = vehicle;
    message->size = size;
    memcpy(message->bytes, payload, size);
}

static void publish_report(struct link *link, const void *payload, size_t size)
{
    struct pt_report report;
    if (pt_report_decode(payload, size, &report) != PT_OK) {
        violated("a report that cannot be decoded");
        return;
    }
    vehicle_sends(link->vehicle, &report);
    pt_report_clear(&report);
    if (link->vehicle != CLONE && size <= BYTES_MAX)
        keep(link->vehicle, payload, size);
}

enum pt_err link_publish(struct link *link, const char *topic,
                         const void *payload, size_t size, int qos, bool retain)
{
    enum link_topic kind;
    char device[LINK_DEVICE_MAX + 1];
    (void)qos;
    (void)retain;
    if (!link->up)
        return PT_E_AGAIN;
    if (is_vehicle(link) && disk_is_dead(link->vehicle))
        return PT_OK; /* no power: nobody hears it */
    if (size > BYTES_MAX)
        return PT_E_RANGE;
    if (!link_topic_parse(topic, &kind, device)) {
        violated("published on %s", topic);
        return PT_OK;
    }
    unsigned vehicle = (unsigned)(device[1] - '1');
    if (kind == LINK_REPORT) {
        sim.totals.sent++;
        publish_report(link, payload, size);
    }
    if (sim.now_ms < link->silent_until_ms)
        return PT_OK;
    if (is_vehicle(link))
        to_gates(kind, vehicle, payload, size);
    else if (kind == LINK_SETTINGS)
        publish_settings(vehicle, payload, size);
    else
        send_off(kind, vehicle, NO_GATE, payload, size);
    return PT_OK;
}

void link_close(struct link *link, void (*done)(void *context), void *context)
{
    if (link == NULL)
        return;
    network_drop(link);
    if (done != NULL)
        done(context);
}

/* ---- faults */

void network_drop(struct link *link)
{
    link->used = link->up = link->subscribed = false;
}

void network_reset(void)
{
    memset(links, 0, sizeof links);
    memset(retained, 0, sizeof retained);
    in_flight = kept_count = 0;
    broker_down_until_ms = 0;
}

void network_cut(unsigned vehicle, int64_t for_ms)
{
    come_down(&links[vehicle], false, for_ms);
}

/* Nothing gets through and nobody is told, until the keepalive runs out. */
void network_silence(unsigned vehicle, int64_t for_ms)
{
    struct link *link = &links[vehicle];
    if (!link->used || !link->up)
        return;
    link->silent_until_ms = NEVER;
    link->lost_at_ms = sim.now_ms + for_ms;
}

void network_stuff(unsigned vehicle, int64_t for_ms)
{
    links[vehicle].stuffed_until_ms = sim.now_ms + for_ms;
}

void network_broker_restart(int64_t for_ms)
{
    in_flight = 0;
    memset(retained, 0, sizeof retained);
    broker_down_until_ms = sim.now_ms + for_ms;
    for (size_t i = 0; i < VEHICLES + GATES; i++)
        come_down(&links[i], false, for_ms + (int64_t)draw(3000));
}

static const struct message *pick(unsigned vehicle, uint32_t which)
{
    size_t count = kept_count < KEPT_MAX ? kept_count : KEPT_MAX;
    if (count == 0)
        return NULL;
    const struct message *message = &kept[which % count];
    return message->vehicle == vehicle ? message : NULL;
}

bool network_replay(unsigned vehicle, uint32_t which)
{
    const struct message *message = pick(vehicle, which);
    if (message == NULL)
        return false;
    to_gates(LINK_REPORT, vehicle, message->bytes, message->size);
    return true;
}

/* Only what is stored already: else the one with the other content would be
 * the first, and the true one the repeat. */
static bool alter(struct pt_report *report, unsigned vehicle)
{
    bool any = false;
    for (size_t i = 0; i < report->count; i++) {
        struct pt_entry *entry = &report->entries[i];
        if (!(entry->flags & PT_FLAG_POSITION) ||
            !database_has(vehicle_device(vehicle), report->generation,
                          entry->seq))
            continue;
        entry->at.lat_e6 -= 5;
        any = true;
    }
    return any;
}

bool network_alter(unsigned vehicle, uint32_t which)
{
    const struct message *message = pick(vehicle, which);
    static uint8_t bytes[BYTES_MAX];
    struct pt_report report;
    size_t size = 0;
    if (message == NULL ||
        pt_report_decode(message->bytes, message->size, &report) != PT_OK)
        return false;
    bool altered =
        alter(&report, vehicle) &&
        pt_report_encode(&report, bytes, sizeof bytes, &size) == PT_OK;
    pt_report_clear(&report);
    if (!altered)
        return false;
    to_gates(LINK_REPORT, vehicle, bytes, size);
    sim.altered++;
    return true;
}

/* ---- the end */

void network_calm(void)
{
    broker_down_until_ms = 0;
    for (size_t i = 0; i < VEHICLES + GATES; i++) {
        struct link *link = &links[i];
        link->stuffed_until_ms = 0;
        if (link->used && !link->up && link->connect_at_ms > sim.now_ms + 3000)
            link->connect_at_ms = sim.now_ms + 1 + (int64_t)draw(3000);
        if (link->used && link->up && link->lost_at_ms != NEVER)
            link->lost_at_ms = soonest(link->lost_at_ms, sim.now_ms + 30000);
    }
}

bool network_quiet(void)
{
    return in_flight == 0;
}

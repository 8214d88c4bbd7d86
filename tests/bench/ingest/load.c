/* Vehicles by the thousand in one process. What the broker sees of each is
 * what an agent sends it: a connection, the codec's reports at QoS 0 under a
 * topic alias, receipts acknowledged; without outbox, pace and client library,
 * which would cost more than what is to be measured. */
#include "bench_ingest.h"

#include "bench.h"
#include "geo.h"
#include "mqtt.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)
#define BACK_DAYS 20 /* a backlog begins so long ago, a fix a second */
#define TICK_MS 1
#define A_TICK 4000    /* messages sent before receipts are looked at */
#define SENT_RING 4096 /* messages of a vehicle whose time is remembered */
#define LATENCIES 120000
#define PATIENCE_NS UINT64_C(60000000000)
#define INPUT 2048 /* a receipt has 1400 bytes at most */
#define READY 256
#define SPEED_MPS 9.0

struct vehicle {
    struct load *load;
    struct peer peer;
    char name[16];
    bool introduced; /* the topic has been written out */
    uint64_t generation;
    uint64_t messages; /* sent */
    uint64_t receipted;
    struct geo_point from, to; /* its street */
    uint64_t leg_ms;           /* from the one to the other */
    uint32_t course_cdeg;
    int64_t time_ms;
    uint32_t sent_ms[SENT_RING]; /* since the begin, by message */
    uint8_t input[INPUT];
    size_t input_size;
};

struct load {
    struct load_settings settings;
    int epoll;
    char line[64];
    size_t line_size;
    struct vehicle *vehicles;
    bool going;
    bool sent_all;
    bool over;
    uint64_t begun_ns;
    uint64_t news_ns; /* the last receipt */
    uint64_t through; /* entries, as told */
    uint64_t sent;    /* entries */
    uint64_t bytes;   /* of payload */
    uint64_t receipted;
    size_t next;
    struct pt_entry *entries;
    uint8_t *message;
    uint64_t *latencies; /* messages by ms */
};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static double seconds_since(uint64_t begun_ns)
{
    return (double)(bench_now_ns() - begun_ns) / 1e9;
}

/* --- fixes */

/* Along its street and back at 9 m/s, with some metres of the receiver's
 * noise, so that the columns' differences are those of a drive: a backlog's
 * fixes a second apart, others as far apart as they are sent. */
static struct pt_entry next_fix(struct vehicle *v, uint64_t seq)
{
    bool live = v->load->settings.entries == 1;
    v->time_ms = live ? wall_ms() : v->time_ms + 1000;
    uint64_t at = (uint64_t)v->time_ms % (2 * v->leg_ms);
    bool back = at >= v->leg_ms;
    int64_t on = (int64_t)(back ? 2 * v->leg_ms - at : at);
    int64_t leg = (int64_t)v->leg_ms;
    int32_t lat_e6 = v->to.lat_e6 - v->from.lat_e6;
    int32_t lon_e6 = v->to.lon_e6 - v->from.lon_e6;
    struct geo_point place = {
        .lat_e6 = v->from.lat_e6 + (int32_t)(lat_e6 * on / leg) +
                  (int32_t)(seq * 7 % 41) - 20,
        .lon_e6 = v->from.lon_e6 + (int32_t)(lon_e6 * on / leg) +
                  (int32_t)(seq * 5 % 43) - 21,
    };
    return (struct pt_entry){
        .seq = seq,
        .time_ms = v->time_ms,
        .at = place,
        .speed_cmps = 900 + (uint32_t)(seq * 31 % 97),
        .course_cdeg =
            (back ? v->course_cdeg + 18000 : v->course_cdeg) % 35900 +
            (uint32_t)(seq * 17 % 100),
        .accuracy_dm = 40 + (uint32_t)(seq % 7),
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE |
                 PT_FLAG_ACCURACY | PT_FLAG_3D,
        .status = PT_STATUS_AVAILABLE,
    };
}

static bool may_send(const struct vehicle *v)
{
    const struct load_settings *s = &v->load->settings;
    uint64_t open = v->messages - v->receipted;
    return open < SENT_RING && (s->ahead == 0 || open < s->ahead);
}

/* There is room for the header before the payload: one write for both. */
static void publish(struct vehicle *v, uint8_t *payload, size_t size)
{
    uint8_t head[PUBLISH_HEAD_MAX];
    char topic[64] = "";
    if (!v->introduced)
        snprintf(topic, sizeof(topic), "patrol/v1/%s/report", v->name);
    v->introduced = true;
    size_t head_size = publish_head(topic, size, head);
    memcpy(payload - head_size, head, head_size);
    peer_put(&v->peer, payload - head_size, head_size + size);
}

static void send_message(struct vehicle *v)
{
    struct load *load = v->load;
    size_t entries = load->settings.entries;
    size_t size = 0;
    for (size_t i = 0; i < entries; i++)
        load->entries[i] = next_fix(v, v->messages * entries + i + 1);
    struct pt_report report = {
        .generation = v->generation,
        .lowest_held = v->receipted * entries + 1,
        .count = entries,
        .entries = load->entries,
    };
    uint8_t *payload = load->message + PUBLISH_HEAD_MAX;
    enum pt_err err =
        pt_report_encode(&report, payload, PT_REPORT_BYTES_MAX, &size);
    if (err != PT_OK)
        bench_die("encoding", pt_strerror(err));
    publish(v, payload, size);
    v->sent_ms[v->messages++ % SENT_RING] =
        (uint32_t)(seconds_since(load->begun_ns) * 1e3);
    load->sent += entries;
    load->bytes += size;
}

/* Entries that may be sent now. */
static uint64_t due(const struct load *load)
{
    const struct load_settings *s = &load->settings;
    uint64_t most = load->through + s->window;
    if (s->per_second > 0) {
        uint64_t by_clock =
            (uint64_t)(seconds_since(load->begun_ns) * s->per_second);
        most = by_clock < most ? by_clock : most;
    }
    return most > load->sent ? most - load->sent : 0;
}

static void send_due(struct load *load)
{
    uint64_t messages = due(load) / load->settings.entries;
    size_t passed = 0; /* vehicles in a row that may not */
    if (messages > A_TICK)
        messages = A_TICK;
    while (messages > 0 && passed < load->settings.devices) {
        struct vehicle *v = &load->vehicles[load->next];
        load->next = (load->next + 1) % load->settings.devices;
        passed++;
        if (!may_send(v))
            continue;
        send_message(v);
        messages--;
        passed = 0;
    }
}

/* --- receipts */

static void note_receipted(struct vehicle *v, uint64_t messages)
{
    struct load *load = v->load;
    uint32_t now_ms = (uint32_t)(seconds_since(load->begun_ns) * 1e3);
    for (; v->receipted < messages; v->receipted++) {
        uint32_t took_ms = now_ms - v->sent_ms[v->receipted % SENT_RING];
        load->latencies[took_ms < LATENCIES ? took_ms : LATENCIES - 1]++;
        load->receipted += load->settings.entries;
        load->news_ns = bench_now_ns();
    }
}

static void take_receipt(struct vehicle *v, const uint8_t *bytes, size_t size)
{
    struct pt_receipt receipt;
    enum pt_err err = pt_receipt_decode(bytes, size, &receipt);
    if (err != PT_OK)
        bench_die("a receipt", pt_strerror(err));
    if (receipt.generation == v->generation)
        note_receipted(v, receipt.stored_to / v->load->settings.entries);
}

/* A PUBLISH's body: topic, packet number at QoS 1, properties, payload. */
static void take_publish(struct vehicle *v, uint8_t flags, const uint8_t *body,
                         size_t size)
{
    size_t at = 2 + (size_t)(body[0] << 8 | body[1]);
    if (flags & 2) {
        const uint8_t puback[] = {0x40, 2, body[at], body[at + 1]};
        peer_put(&v->peer, puback, sizeof(puback));
        at += 2;
    }
    size_t properties = 0;
    at += length_at(body + at, size - at, &properties);
    take_receipt(v, body + at + properties, size - at - properties);
}

static void take_input(struct vehicle *v)
{
    size_t at = 0;
    v->input_size += peer_get(&v->peer, v->input + v->input_size,
                              sizeof(v->input) - v->input_size);
    for (;;) {
        size_t body = 0;
        size_t left = v->input_size - at;
        size_t head =
            left < 2 ? 0 : length_at(v->input + at + 1, left - 1, &body);
        if (head == 0 || left < 1 + head + body)
            break;
        if (v->input[at] >> 4 == 3)
            take_publish(v, v->input[at], v->input + at + 1 + head, body);
        at += 1 + head + body;
    }
    v->input_size -= at;
    memmove(v->input, v->input + at, v->input_size);
    if (v->input_size == sizeof(v->input))
        bench_die(v->name, "was sent something long");
}

static uint64_t latency_ms(const struct load *load, double share)
{
    uint64_t all = load->receipted / load->settings.entries;
    uint64_t rank = (uint64_t)((double)all * share);
    uint64_t seen = 0;
    size_t at = 0;
    if (rank >= all && all > 0)
        rank = all - 1;
    while (at < LATENCIES && (seen += load->latencies[at]) <= rank)
        at++;
    return at;
}

/* --- the end */

static void finish(struct load *load)
{
    if (load->receipted < load->sent && load->settings.receipts)
        printf("missing %" PRIu64 "\n", load->sent - load->receipted);
    else if (load->settings.receipts)
        printf("receipted %" PRIu64 " %.3f %" PRIu64 " %" PRIu64 " %" PRIu64
               "\n",
               load->receipted, (double)(load->news_ns - load->begun_ns) / 1e9,
               latency_ms(load, 0.5), latency_ms(load, 0.99),
               latency_ms(load, 1.0));
    load->over = true;
}

static void go_on(struct load *load)
{
    if (!load->sent_all) {
        send_due(load);
        if (seconds_since(load->begun_ns) < load->settings.seconds)
            return;
        load->sent_all = true;
        load->news_ns = bench_now_ns();
        printf("sent %" PRIu64 " %" PRIu64 " %" PRIu64 " %.3f\n", load->sent,
               load->sent / load->settings.entries, load->bytes,
               seconds_since(load->begun_ns));
    }
    if (!load->settings.receipts || load->receipted >= load->sent ||
        bench_now_ns() - load->news_ns > PATIENCE_NS)
        finish(load);
}

/* --- connections */

static void watch(struct load *load, int fd, struct vehicle *v)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll", strerror(errno));
}

static void dial(struct vehicle *v)
{
    const struct where *where = &v->load->settings.where;
    char topic[64];
    SSL_CTX *tls = peer_tls(where, v->name);
    snprintf(topic, sizeof(topic), "patrol/v1/%s/receipt", v->name);
    peer_open(&v->peer, where, tls, v->name, topic, 1);
    SSL_CTX_free(tls); /* the connection keeps it */
    watch(v->load, v->peer.fd, v);
}

/* --- what is told */

static void obey(struct load *load, const char *line)
{
    if (strcmp(line, "go") == 0) {
        load->going = true;
        load->begun_ns = load->news_ns = bench_now_ns();
        return;
    }
    load->through = strtoull(line, NULL, 10);
}

static void read_orders(struct load *load)
{
    char *start = load->line;
    char *end;
    ssize_t size = read(STDIN_FILENO, load->line + load->line_size,
                        sizeof(load->line) - load->line_size);
    if (size <= 0)
        bench_die("standard input", "ended");
    load->line_size += (size_t)size;
    while ((end = memchr(start, '\n',
                         load->line_size - (size_t)(start - load->line)))) {
        *end = '\0';
        obey(load, start);
        start = end + 1;
    }
    load->line_size -= (size_t)(start - load->line);
    memmove(load->line, start, load->line_size);
    if (load->line_size == sizeof(load->line))
        bench_die("standard input", "a line that is too long");
}

static void take_turn(struct load *load)
{
    struct epoll_event ready[READY];
    int count = epoll_wait(load->epoll, ready, READY, TICK_MS);
    for (int i = 0; i < count; i++) {
        struct vehicle *v = ready[i].data.ptr;
        if (v == NULL) {
            read_orders(load);
            continue;
        }
        do
            take_input(v);
        while (!peer_drained(&v->peer));
    }
    if (load->going)
        go_on(load);
}

static void init_vehicle(struct load *load, size_t index)
{
    struct vehicle *v = &load->vehicles[index];
    int64_t begin_ms = wall_ms() / DAY_MS * DAY_MS - BACK_DAYS * DAY_MS;
    v->load = load;
    device_name(index, v->name);
    if (getrandom(&v->generation, sizeof(v->generation), 0) < 0)
        bench_die("getrandom", "no random numbers");
    v->generation |= 1; /* never 0 */
    v->leg_ms =
        1 + (uint64_t)(geo_distance_m(v->from, v->to) / SPEED_MPS * 1e3);
    double course = geo_course_deg(v->from, v->to);
    v->course_cdeg = (uint32_t)(course * 100.0) % 36000;
    v->time_ms = begin_ms + (int64_t)index;
}

/* "LAT LON LAT LON" in 1e-6 degrees, a street a line; vehicles share when
 * there are fewer. */
static void read_streets(struct load *load)
{
    FILE *file = fopen(load->settings.streets, "r");
    size_t count = 0;
    size_t all = load->settings.devices;
    if (file == NULL)
        bench_die(load->settings.streets, strerror(errno));
    while (count < all) {
        struct vehicle *v = &load->vehicles[count];
        if (fscanf(file, "%" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32,
                   &v->from.lat_e6, &v->from.lon_e6, &v->to.lat_e6,
                   &v->to.lon_e6) != 4)
            break;
        count++;
    }
    fclose(file);
    if (count == 0)
        bench_die(load->settings.streets, "no streets");
    for (size_t i = count; i < all; i++) {
        load->vehicles[i].from = load->vehicles[i % count].from;
        load->vehicles[i].to = load->vehicles[i % count].to;
    }
}

int load(const struct load_settings *settings)
{
    static struct load all;
    all.settings = *settings;
    all.vehicles = calloc(settings->devices, sizeof(*all.vehicles));
    all.entries = calloc(settings->entries, sizeof(*all.entries));
    all.message = malloc(PUBLISH_HEAD_MAX + PT_REPORT_BYTES_MAX);
    all.latencies = calloc(LATENCIES, sizeof(*all.latencies));
    if (all.vehicles == NULL || all.entries == NULL || all.message == NULL ||
        all.latencies == NULL)
        bench_die("load", "out of memory");
    read_streets(&all);
    for (size_t i = 0; i < settings->devices; i++)
        init_vehicle(&all, i);
    all.epoll = epoll_create1(0);
    for (size_t i = 0; i < settings->devices; i++)
        dial(&all.vehicles[i]);
    watch(&all, STDIN_FILENO, NULL);
    puts("ready");
    while (!all.over)
        take_turn(&all);
    /* What we used is counted while we are there. */
    while (read(STDIN_FILENO, all.line, sizeof(all.line)) > 0)
        continue;
    return EXIT_SUCCESS; /* the connections end with the process */
}

#include "feed.h"

#include "bench.h"
#include "report.h"

#include <mosquitto.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ROUND_NS 10000000u /* so often some are sent */

static uint64_t seqs[FEED_UNITS];

void feed_device(size_t unit, char ret[16])
{
    snprintf(ret, 16, "bench-%04u", (unsigned)(unit + 1) % 10000u);
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct pt_entry next_fix(size_t unit, const struct feed_beat *beat,
                                unsigned busy_each)
{
    uint64_t seq = ++seqs[unit];
    bool busy = busy_each != 0 && unit % busy_each == 0;
    return (struct pt_entry){
        .seq = seq,
        .time_ms = wall_ms(),
        .at = seq % 2 == 0 ? beat->to : beat->from,
        .speed_cmps = 900,
        .course_cdeg = 4500,
        .accuracy_dm = 40,
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_COURSE |
                 PT_FLAG_ACCURACY | PT_FLAG_3D,
        .status = busy ? PT_STATUS_BUSY : PT_STATUS_AVAILABLE,
    };
}

static void send_fix(struct mosquitto *broker, uint64_t generation, size_t unit,
                     const struct feed_beat *beat, struct feed_orders *orders)
{
    struct pt_entry entry =
        next_fix(unit, beat, atomic_load(&orders->busy_each));
    struct pt_report report = {.generation = generation,
                               .lowest_held = entry.seq,
                               .count = 1,
                               .entries = &entry};
    uint8_t bytes[256];
    size_t size = 0;
    char device[16];
    char topic[64];
    feed_device(unit, device);
    snprintf(topic, sizeof(topic), "patrol/v1/%s/report", device);
    enum pt_err err = pt_report_encode(&report, bytes, sizeof(bytes), &size);
    if (err != PT_OK)
        bench_die("encoding", pt_strerror(err));
    int rc = mosquitto_publish(broker, NULL, topic, (int)size, bytes, 0, false);
    if (rc != MOSQ_ERR_SUCCESS)
        bench_die("publishing", mosquitto_strerror(rc));
    atomic_fetch_add(&orders->sent, 1);
}

static struct mosquitto *connect_to(int port)
{
    mosquitto_lib_init();
    struct mosquitto *broker = mosquitto_new("bench-feed", true, NULL);
    int rc = broker == NULL ? MOSQ_ERR_NOMEM
                            : mosquitto_connect(broker, "127.0.0.1", port, 60);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_loop_start(broker);
    if (rc != MOSQ_ERR_SUCCESS)
        bench_die("the feeder's broker", mosquitto_strerror(rc));
    return broker;
}

void feed(int broker_port, unsigned per_second,
          const struct feed_beat beats[FEED_UNITS], struct feed_orders *orders)
{
    struct mosquitto *broker = connect_to(broker_port);
    /* Of this run: the ledger of an earlier one is not touched. */
    uint64_t generation = (uint64_t)wall_ms();
    for (size_t unit = 0; unit < FEED_UNITS; unit++)
        send_fix(broker, generation, unit, &beats[unit], orders);
    uint64_t begun_ns = bench_now_ns();
    for (uint64_t count = 0;;) {
        uint64_t due =
            (bench_now_ns() - begun_ns) * per_second / UINT64_C(1000000000);
        for (; count < due; count++)
            send_fix(broker, generation, count % FEED_UNITS,
                     &beats[count % FEED_UNITS], orders);
        struct timespec nap = {.tv_nsec = ROUND_NS};
        nanosleep(&nap, NULL);
    }
}

/* A store on a loop of its own, driven by lines on standard input:
 *
 *   store_probe CONNINFO QUEUE_MAX BATCH_MAX LANES
 *
 *   item NAME DEVICE UNIT GENERATION SEQ LOWEST TIME_MS RECEIVED_MS LAT_E6
 *        LON_E6 SPEED_CMPS FLAGS STATUS KIND REFUSAL [DETAIL]
 *                   one more for the batch; DEVICE and UNIT may be -
 *   append          hands the batch over        -> took N of M
 *   state           -> state up|down QUEUED
 *   metrics         -> the page, then "end"
 *   load DEVICES FIRST_SEQ ROUNDS TIME_MS [RUN]
 *                   ROUNDS fixes of each device, numbered from FIRST_SEQ on,
 *                   RUN (1; a divisor of ROUNDS) of a device in a row,
 *                   handed over as the queue takes them -> loaded N in S s
 *   quit            closes the store (so does the end of the input)
 *
 * Receipts: receipt NAME GENERATION STORED_TO [F-L,...] urgent=0 backlog=0
 * (numbers are decimal, generations hexadecimal). */
#include "batch.h"
#include "metrics.h"
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 20000
#define LINE_MAX_BYTES 1024

struct load {
    uint32_t devices;
    uint32_t device; /* of the next fix */
    uint64_t seq;
    uint64_t last_seq;
    uint64_t run;  /* fixes of a device in a row */
    uint64_t done; /* of them */
    int64_t time_ms;
    uint64_t total;
    uint64_t began_ns;
    bool under_way;
};

struct probe {
    uv_loop_t loop;
    uv_pipe_t input;
    uv_timer_t poll; /* while a load is under way */
    char line[LINE_MAX_BYTES];
    size_t line_size;
    struct metrics *metrics;
    struct store *store;
    struct batch batch;
    struct load load;
    bool quiet; /* no receipts while a load is timed */
};

static void on_stored(void *context, const struct store_receipt *r)
{
    const struct probe *probe = context;

    if (probe->quiet)
        return;
    printf("receipt %s %" PRIx64 " %" PRIu64 " ", r->device_name,
           r->receipt.generation, r->receipt.stored_to);
    for (size_t i = 0; i < r->receipt.range_count; i++)
        printf("%s%" PRIu64 "-%" PRIu64, i ? "," : "",
               r->receipt.ranges[i].first, r->receipt.ranges[i].last);
    printf("%s urgent=%d backlog=%d\n", r->receipt.range_count ? "" : "none",
           r->urgent, r->backlog);
}

static uint32_t number_or(const char *word, uint32_t absent)
{
    return strcmp(word, "-") == 0 ? absent : (uint32_t)strtoul(word, NULL, 10);
}

static void add_item(struct probe *probe, char *words)
{
    struct batch_item item = {0};
    char device[16];
    char unit[16];
    unsigned status;
    unsigned kind;
    unsigned refusal;
    int end = 0;

    if (sscanf(words,
               "%64s %15s %15s %" SCNx64 " %" SCNu64 " %" SCNu64 " %" SCNd64
               " %" SCNd64 " %" SCNd32 " %" SCNd32 " %" SCNu32 " %" SCNu32
               " %u %u %u%n",
               item.device_name, device, unit, &item.generation,
               &item.entry.seq, &item.lowest_held, &item.entry.time_ms,
               &item.received_ms, &item.entry.at.lat_e6, &item.entry.at.lon_e6,
               &item.entry.speed_cmps, &item.flags, &status, &kind, &refusal,
               &end) != 15) {
        puts("error item");
        return;
    }
    item.device_id = number_or(device, BATCH_NO_DEVICE);
    item.unit_id = number_or(unit, BATCH_NO_UNIT);
    item.entry.flags = (uint8_t)item.flags;
    item.entry.status = (uint8_t)status;
    item.entry.kind = (uint8_t)kind;
    item.refusal = (enum batch_refusal)refusal;
    if (words[end] == ' ')
        item.entry.detail = words + end + 1;
    if (batch_add(&probe->batch, &item) != PT_OK)
        puts("error full");
}

static void append(struct probe *probe)
{
    size_t count = probe->batch.count;
    size_t taken = store_append(probe->store, &probe->batch);

    batch_reset(&probe->batch);
    printf("took %zu of %zu\n", taken, count);
}

static void print_metrics(const struct probe *probe)
{
    size_t size;
    char *page = metrics_page(probe->metrics, &size);

    if (page)
        fwrite(page, 1, size, stdout);
    puts("end");
    free(page);
}

/* ---- load */

static void next_fix(struct load *load, struct batch_item *item)
{
    uint32_t id = load->device + 1;
    uint64_t seq = load->seq + load->done;

    *item = (struct batch_item){.device_id = id,
                                .unit_id = id,
                                .generation = 77,
                                .lowest_held = seq,
                                .received_ms = load->time_ms,
                                .flags = PT_FLAG_POSITION | PT_FLAG_SPEED};
    snprintf(item->device_name, sizeof item->device_name, "d%" PRIu32, id);
    item->entry.seq = seq;
    item->entry.time_ms = load->time_ms + (int64_t)seq * 1000;
    item->entry.at.lat_e6 = 23130000 + (int32_t)(seq % 1000);
    item->entry.at.lon_e6 = -82380000 + (int32_t)id;
    item->entry.speed_cmps = 1200;
    item->entry.flags = (uint8_t)item->flags;
    item->entry.status = PT_STATUS_AVAILABLE;
    if (++load->done < load->run)
        return;
    load->done = 0;
    if (++load->device == load->devices) {
        load->device = 0;
        load->seq += load->run;
    }
}

static void feed(struct probe *probe)
{
    struct load *load = &probe->load;
    struct batch_item item;

    while (load->seq <= load->last_seq || probe->batch.count > 0) {
        while (load->seq <= load->last_seq &&
               probe->batch.count < probe->batch.capacity) {
            next_fix(load, &item);
            if (batch_add(&probe->batch, &item) != PT_OK)
                return;
        }
        size_t taken = store_append(probe->store, &probe->batch);

        /* What it did not take stays for the next turn. */
        memmove(probe->batch.items, probe->batch.items + taken,
                (probe->batch.count - taken) * sizeof *probe->batch.items);
        probe->batch.count -= taken;
        if (probe->batch.count > 0)
            return;
    }
}

static void on_poll(uv_timer_t *timer)
{
    struct probe *probe = timer->data;
    struct load *load = &probe->load;
    double seconds;

    feed(probe);
    if (load->seq <= load->last_seq || probe->batch.count > 0 ||
        store_queued(probe->store) > 0)
        return;
    uv_timer_stop(timer);
    probe->quiet = false;
    seconds = (double)(uv_hrtime() - load->began_ns) / 1e9;
    printf("loaded %" PRIu64 " in %.3f s\n", load->total, seconds);
}

static void start_load(struct probe *probe, const char *words)
{
    struct load *load = &probe->load;
    uint64_t rounds;

    *load = (struct load){.run = 1};
    if (sscanf(words,
               "%" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu64,
               &load->devices, &load->seq, &rounds, &load->time_ms,
               &load->run) < 4 ||
        load->run == 0) {
        puts("error load");
        return;
    }
    load->last_seq = load->seq + rounds - 1;
    load->total = rounds * load->devices;
    load->began_ns = uv_hrtime();
    probe->quiet = true;
    uv_timer_start(&probe->poll, on_poll, 0, 1);
}

/* ---- input */

static void quit(struct probe *probe)
{
    if (uv_is_closing((uv_handle_t *)&probe->input))
        return;
    uv_close((uv_handle_t *)&probe->input, NULL);
    uv_close((uv_handle_t *)&probe->poll, NULL);
    store_close(probe->store, NULL, NULL);
}

static void obey(struct probe *probe, char *line)
{
    if (strncmp(line, "item ", 5) == 0)
        add_item(probe, line + 5);
    else if (strcmp(line, "append") == 0)
        append(probe);
    else if (strcmp(line, "state") == 0)
        printf("state %s %zu\n", store_is_up(probe->store) ? "up" : "down",
               store_queued(probe->store));
    else if (strcmp(line, "metrics") == 0)
        print_metrics(probe);
    else if (strncmp(line, "load ", 5) == 0)
        start_load(probe, line + 5);
    else if (strcmp(line, "quit") == 0)
        quit(probe);
    else
        puts("error command");
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(probe->line + probe->line_size,
                       (unsigned)(sizeof probe->line - probe->line_size));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct probe *probe = stream->data;
    char *start = probe->line;
    char *end;

    (void)buf;
    if (count < 0) {
        quit(probe);
        return;
    }
    probe->line_size += (size_t)count;
    while ((end = memchr(start, '\n',
                         probe->line_size - (size_t)(start - probe->line)))) {
        *end = '\0';
        obey(probe, start);
        start = end + 1;
    }
    probe->line_size -= (size_t)(start - probe->line);
    memmove(probe->line, start, probe->line_size);
    if (probe->line_size == sizeof probe->line) {
        puts("error line");
        probe->line_size = 0;
    }
}

static int run(struct probe *probe, const struct store_settings *settings)
{
    const struct store_events events = {.context = probe, .stored = on_stored};

    if (uv_loop_init(&probe->loop) != 0 ||
        metrics_new(&probe->metrics) != PT_OK ||
        batch_init(&probe->batch, BATCH_MAX) != PT_OK ||
        store_new(&probe->loop, settings, &events, probe->metrics,
                  &probe->store) != PT_OK)
        return EXIT_FAILURE;
    uv_timer_init(&probe->loop, &probe->poll);
    uv_pipe_init(&probe->loop, &probe->input, 0);
    probe->poll.data = probe->input.data = probe;
    if (uv_pipe_open(&probe->input, 0) != 0 ||
        uv_read_start((uv_stream_t *)&probe->input, give_room, on_read) != 0)
        return EXIT_FAILURE;
    uv_run(&probe->loop, UV_RUN_DEFAULT);
    batch_clear(&probe->batch);
    metrics_free(probe->metrics);
    return uv_loop_close(&probe->loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct probe probe;
    struct store_settings settings = {
        .lanes = 2, .keep_past_days = 31, .keep_future_days = 2};

    if (argc != 5) {
        fputs("usage: store_probe CONNINFO QUEUE_MAX BATCH_MAX LANES\n",
              stderr);
        return EXIT_FAILURE;
    }
    settings.conninfo = argv[1];
    settings.queue_max = strtoul(argv[2], NULL, 10);
    settings.batch_max = strtoul(argv[3], NULL, 10);
    settings.lanes = strtoul(argv[4], NULL, 10);
    if (settings.queue_max == 0 || settings.batch_max == 0 ||
        settings.lanes == 0 || settings.lanes > STORE_LANES_MAX)
        return EXIT_FAILURE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    return run(&probe, &settings);
}

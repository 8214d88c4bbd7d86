/* patrolctl watch: every change as it comes (server-sent events). On a
 * terminal a table that is drawn again, elsewhere a line a change. */
#include "http_client.h"
#include "unit_text.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_EVERY_S 0.2
#define AGES_EVERY_S 1.0
/* The gateway says something at least every 15 s; after three times that
 * without a byte the connection is dead. */
#define SILENCE_S 45L
#define WAIT_MAX_S 10u

struct watch {
    const struct ctl *ctl;
    CURL *curl;
    struct ctl_sse sse;
    json_t *units; /* call sign -> unit; the table's rows */
    json_t *lost;  /* part -> what was told of its loss */
    json_t *twins; /* device -> what was told of it */
    bool terminal;
    bool ready;         /* the state that a stream begins with has been told */
    bool changed;       /* since the last drawing */
    double drawn_s;     /* monotonic */
    char refusal[2048]; /* the body of an answer that is no stream */
    size_t refusal_size;
    enum pt_err err;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ------------------------------------------------------------ the table */
static void grow(json_t *object, const char *key, double by_s)
{
    double age_s;
    if (ctl_number(object, key, &age_s))
        json_object_set_new(object, key, json_real(age_s + by_s));
}

/* Ages were true when the unit was told; since then they have grown. */
static void grow_ages(json_t *unit, double now)
{
    double told_s;
    if (!ctl_number(unit, "told_s", &told_s))
        return;
    grow(json_object_get(unit, "position"), "age_s", now - told_s);
    grow(unit, "heard_age_s", now - told_s);
    json_object_set_new(unit, "told_s", json_real(now));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys in order; the caller frees the array, not the texts. */
static const char **sorted_keys(json_t *units)
{
    size_t count = 0;
    const char *key;
    json_t *unit;
    const char **keys = malloc((json_object_size(units) + 1) * sizeof *keys);
    if (keys == NULL)
        return NULL;
    json_object_foreach(units, key, unit)
    {
        keys[count++] = key;
    }
    qsort(keys, count, sizeof *keys, by_text);
    return keys;
}

static void print_twins(const json_t *told)
{
    const char *call_sign = ctl_text(told, "call_sign");
    char clean[256], line[512];
    snprintf(line, sizeof line,
             "two vehicles report as unit %s (device %s): one is not what it "
             "says",
             call_sign != NULL ? call_sign : "-", ctl_text(told, "device"));
    ctl_clean(line, clean, sizeof clean);
    printf("! %s\n", clean);
}

static void draw(struct watch *watch)
{
    struct ctl_table *table = NULL;
    const char **keys = sorted_keys(watch->units);
    double now = now_s();
    watch->drawn_s = now;
    watch->changed = false;
    if (keys == NULL || ctl_table_new(CTL_UNIT_COLUMNS, &table) != PT_OK) {
        free(keys);
        return;
    }
    for (size_t i = 0; i < json_object_size(watch->units); i++) {
        json_t *unit = json_object_get(watch->units, keys[i]);
        grow_ages(unit, now);
        ctl_unit_row(table, unit);
    }
    fputs("\033[H\033[2J", stdout);
    const char *part;
    json_t *told;
    json_object_foreach(watch->lost, part, told)
    {
        ctl_print_part(told);
    }
    json_object_foreach(watch->twins, part, told)
    {
        print_twins(told);
    }
    (void)ctl_table_show(table);
    fflush(stdout);
    ctl_table_free(table);
    free(keys);
}

static void draw_when_due(struct watch *watch)
{
    double since = now_s() - watch->drawn_s;
    if (watch->terminal && watch->ready &&
        since >= (watch->changed ? REDRAW_EVERY_S : AGES_EVERY_S))
        draw(watch);
}

/* ------------------------------------------------------------- the lines */
static void print_clean(const char *text)
{
    char clean[256];
    ctl_clean(text != NULL ? text : "-", clean, sizeof clean);
    fputs(clean, stdout);
}

static void print_line(const json_t *unit)
{
    const json_t *position = json_object_get(unit, "position");
    double lat_deg, lon_deg, speed_mps;
    char remarks[CTL_REMARKS_BYTES];
    print_clean(ctl_text(position, "time"));
    fputs("  ", stdout);
    print_clean(ctl_text(unit, "call_sign"));
    fputs("  ", stdout);
    print_clean(ctl_text(unit, "status"));
    if (ctl_number(position, "lat", &lat_deg) &&
        ctl_number(position, "lon", &lon_deg))
        printf("  %.6f,%.6f", lat_deg, lon_deg);
    if (ctl_number(position, "speed_mps", &speed_mps))
        printf("  %.0f km/h", speed_mps * 3.6);
    if (!json_is_true(json_object_get(unit, "connected")))
        fputs("  not connected", stdout);
    ctl_unit_remarks(unit, remarks);
    if (remarks[0] != 0)
        printf("  %s", remarks);
    putchar('\n');
    fflush(stdout);
}

static void print_event(const char *type, json_t *data)
{
    json_t *line = json_pack("{s:s, s:O}", "event", type, "data", data);
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

/* ------------------------------------------------------------ the events */
/* A unit that was overtaken by a newer word of it is passed over. */
static void take_unit(struct watch *watch, json_t *unit)
{
    const char *call_sign = ctl_text(unit, "call_sign");
    if (call_sign == NULL)
        return;
    const json_t *known = json_object_get(watch->units, call_sign);
    double old_revision, revision;
    if (ctl_number(known, "revision", &old_revision) &&
        ctl_number(unit, "revision", &revision) && revision < old_revision)
        return;
    json_object_set_new(unit, "told_s", json_real(now_s()));
    json_object_set(watch->units, call_sign, unit);
    watch->changed = true;
    if (!watch->terminal)
        print_line(unit);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

/* "broker.lost", "database.back", ... */
static void take_part(struct watch *watch, const char *type, json_t *data)
{
    const char *part = ctl_text(data, "part");
    if (part == NULL)
        return;
    if (ends_with(type, ".lost"))
        json_object_set(watch->lost, part, data);
    else
        json_object_del(watch->lost, part);
    watch->changed = true;
    if (!watch->terminal) {
        ctl_print_part(data);
        fflush(stdout);
    }
}

/* On a terminal it stays until the stream begins anew. */
static void take_twins(struct watch *watch, json_t *data)
{
    const char *device = ctl_text(data, "device");
    if (device == NULL)
        return;
    json_object_set(watch->twins, device, data);
    watch->changed = true;
    if (!watch->terminal) {
        print_twins(data);
        fflush(stdout);
    }
}

static void take_event(void *context, const char *type, const char *text)
{
    struct watch *watch = context;
    json_t *data = json_loads(text, JSON_DECODE_ANY, NULL);
    if (data == NULL)
        return;
    if (watch->ctl->json) {
        print_event(type, data);
    } else if (strcmp(type, "unit") == 0) {
        take_unit(watch, data);
    } else if (strcmp(type, "reset") == 0) {
        json_object_clear(watch->units);
        json_object_clear(watch->lost);
        json_object_clear(watch->twins);
        watch->changed = true;
    } else if (strcmp(type, "ready") == 0) {
        watch->ready = true;
        watch->changed = true;
    } else if (ends_with(type, ".lost") || ends_with(type, ".back")) {
        take_part(watch, type, data);
    } else if (strcmp(type, "device.two_places") == 0) {
        take_twins(watch, data);
    } else if (!watch->terminal &&
               (strcmp(type, "roads") == 0 || strcmp(type, "catalog") == 0)) {
        printf("-  %s changed\n", type);
        fflush(stdout);
    }
    json_decref(data);
}

/* ------------------------------------------------------------ the stream */
static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct watch *watch = context;
    size_t more = size * count;
    long status = 0;
    curl_easy_getinfo(watch->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        size_t room = sizeof watch->refusal - watch->refusal_size;
        size_t part = more < room ? more : room;
        memcpy(watch->refusal + watch->refusal_size, bytes, part);
        watch->refusal_size += part;
        return more;
    }
    watch->err = ctl_sse_feed(&watch->sse, bytes, more);
    draw_when_due(watch);
    return watch->err == PT_OK ? more : 0;
}

/* curl calls it about once a second, also when nothing comes. */
static int keep_drawing(void *context, curl_off_t total, curl_off_t now,
                        curl_off_t up_total, curl_off_t up_now)
{
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    draw_when_due(context);
    return 0;
}

/* One connection, until it ends. `*streamed`: it was one. */
static enum ctl_exit follow(struct watch *watch, bool *streamed)
{
    static const struct ctl_request request = {.path = "/v1/events"};
    char error[CURL_ERROR_SIZE];
    long status = 0;
    enum ctl_exit end = CTL_UNREACHABLE;
    watch->curl = ctl_http_new(watch->ctl, &request, error);
    if (watch->curl == NULL)
        return CTL_USAGE;
    watch->refusal_size = 0;
    watch->ready = false;
    watch->sse = (struct ctl_sse){.event = take_event, .context = watch};
    curl_easy_setopt(watch->curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(watch->curl, CURLOPT_WRITEDATA, watch);
    curl_easy_setopt(watch->curl, CURLOPT_XFERINFOFUNCTION, keep_drawing);
    curl_easy_setopt(watch->curl, CURLOPT_XFERINFODATA, watch);
    curl_easy_setopt(watch->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(watch->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(watch->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    CURLcode code = curl_easy_perform(watch->curl);
    curl_easy_getinfo(watch->curl, CURLINFO_RESPONSE_CODE, &status);
    *streamed = status == 200;
    if (status != 0 && status != 200)
        end = ctl_http_refused(watch->ctl, status, watch->refusal,
                               watch->refusal_size);
    else if (watch->err != PT_OK)
        ctl_complain("the stream: %s", pt_strerror(watch->err));
    else if (*streamed)
        ctl_complain("the stream ended; trying again");
    else
        end = ctl_http_failed(watch->ctl, code, error);
    curl_easy_cleanup(watch->curl);
    ctl_sse_clear(&watch->sse);
    return end;
}

enum ctl_exit cmd_watch(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    struct watch watch = {.ctl = ctl};
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    watch.terminal = !ctl->json && isatty(STDOUT_FILENO) == 1;
    watch.units = json_object();
    watch.lost = json_object();
    watch.twins = json_object();
    if (watch.units == NULL || watch.lost == NULL || watch.twins == NULL) {
        ctl_complain("out of memory");
        return CTL_REFUSED;
    }
    /* A gateway that never answered is an error; one that was there is
     * waited for, until somebody presses Ctrl-C. */
    bool was_there = false;
    for (unsigned wait_s = 1;;
         wait_s = wait_s < WAIT_MAX_S ? wait_s * 2 : WAIT_MAX_S) {
        bool streamed = false;
        end = follow(&watch, &streamed);
        was_there = was_there || streamed;
        if (!was_there || end != CTL_UNREACHABLE || watch.err != PT_OK)
            break;
        if (streamed)
            wait_s = 1;
        sleep(wait_s);
    }
    json_decref(watch.units);
    json_decref(watch.lost);
    json_decref(watch.twins);
    return end;
}

/* Learned times on recorded drives: learns from the first ones, judges on the
 * others.
 *
 *   bench_learn MAP TRIPS LEARN_FROM UTC_OFFSET_S
 *
 * MAP: an OpenStreetMap file. TRIPS: "trip latitude longitude seconds" a line,
 * trips in order of time, the last UTC. Of each drive the whole time on its
 * matched way, from its first matched fix to its last, stands against what the
 * patrol profile says for that way (untrained) and what was learned; both by
 * the sum of what a search counts: edges and turns of the metric of the hour in
 * which the drive begins. Says, a line each:
 *
 *   drives LEARNED_FROM JUDGED_ON
 *   untrained MEDIAN_S P90_S MEDIAN_SHARE P90_SHARE BIAS
 *   learned   the same: errors in seconds, in shares of the true time; the
 *             median of predicted / true
 *   range HELD BELOW ABOVE   shares of the drives, in the stated 80 % range
 *   hours N DATES            of the week on which drives to learn from began,
 *                            on how many dates */
#include "city.h"
#include "learn.h"
#include "match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXES_MAX 100000
#define DRIVES_MAX 100000

struct bench {
    struct city city;
    struct learn_streets streets;
    uint8_t *class_of;
    struct match *match;
    struct learn *learn;
    struct learn_table table;
    struct roads_metric *by_hour[LEARN_HOURS];
    int32_t utc_offset_s;
    long learn_from;
    size_t judged;
    double *errors[2], *shares[2], *ratios[2]; /* untrained, learned */
    size_t below, above;
};

static void give_up(const char *what)
{
    fprintf(stderr, "bench_learn: %s\n", what);
    exit(1);
}

static void check(enum pt_err err, const char *what)
{
    if (err == PT_OK)
        return;
    fprintf(stderr, "bench_learn: %s: %s\n", what, pt_strerror(err));
    exit(1);
}

/* Classes are numbered as their names come. */
static void number_classes(struct bench *b)
{
    const struct osm_network *map = b->city.map;
    const char *names[LEARN_CLASSES_MAX];
    size_t count = 0;
    b->class_of = calloc(map->edge_count, 1);
    if (b->class_of == NULL)
        give_up("memory");
    for (size_t i = 0; i < map->edge_count; i++) {
        const char *name = map->streets[map->edges[i].street].highway;
        size_t c = 0;
        while (c < count && strcmp(names[c], name) != 0)
            c++;
        if (c == LEARN_CLASSES_MAX)
            give_up("too many classes");
        if (c == count)
            names[count++] = name;
        b->class_of[i] = (uint8_t)c;
    }
    b->streets =
        (struct learn_streets){roads_profile(b->city.roads, NULL), b->class_of};
}

/* ------------------------------------------------------------------ judging */
static const struct roads_metric *metric_of(struct bench *b, unsigned hour)
{
    if (b->by_hour[hour] == NULL) {
        size_t edges = roads_edge_count(b->city.roads);
        uint32_t *ms = calloc(2 * edges, sizeof(*ms));
        if (ms == NULL)
            give_up("memory");
        check(learn_times(&b->table, &b->streets, hour, ms), "times");
        check(roads_metric_timed(b->streets.metric, ms, &b->by_hour[hour]),
              "metric");
        free(ms);
    }
    return b->by_hour[hour];
}

static double time_s(const struct roads_metric *metric,
                     const struct learn_passage *passages, size_t count)
{
    double ms = 0;
    for (size_t i = 0; i < count; i++)
        ms += passages[i].turn_ms +
              passages[i].share * roads_metric_ms(metric, passages[i].directed);
    return ms / 1000.0;
}

static void judge(struct bench *b, const struct learn_passage *passages,
                  size_t count)
{
    unsigned hour = learn_hour(passages[0].began_ms, b->utc_offset_s);
    const struct roads_metric *metrics[2] = {b->streets.metric,
                                             metric_of(b, hour)};
    double took_s = 0;
    for (size_t i = 0; i < count; i++)
        took_s += passages[i].took_s;
    double said_s[2];
    for (int m = 0; m < 2; m++)
        said_s[m] = time_s(metrics[m], passages, count);
    if (took_s <= 0 || said_s[0] < 1)
        return;
    if (b->judged == DRIVES_MAX)
        give_up("too many drives");
    for (int m = 0; m < 2; m++) {
        b->errors[m][b->judged] = fabs(said_s[m] - took_s);
        b->shares[m][b->judged] = fabs(said_s[m] - took_s) / took_s;
        b->ratios[m][b->judged] = said_s[m] / took_s;
    }
    struct learn_range range = learn_range_of(&b->table, hour, said_s[1], 0, 0);
    b->below += took_s < range.low_s;
    b->above += took_s > range.high_s;
    b->judged++;
}

static void take_drive(struct bench *b, long trip,
                       const struct match_fix *fixes, size_t count)
{
    struct match_drive drive;
    check(match_drive(b->match, fixes, count, &drive), "matching");
    if (trip < b->learn_from) {
        check(learn_add(b->learn, fixes, &drive, b->utc_offset_s), "learning");
    } else {
        struct learn_passage *passages = NULL;
        size_t passage_count = 0;
        if (trip == b->learn_from)
            check(learn_fit(b->learn, &b->table), "fitting");
        check(learn_passages(b->streets.metric, fixes, &drive, &passages,
                             &passage_count),
              "passages");
        if (passage_count > 0)
            judge(b, passages, passage_count);
        free(passages);
    }
    match_drive_clear(&drive);
}

static void take_trips(struct bench *b, FILE *file)
{
    struct match_fix *fixes = calloc(FIXES_MAX, sizeof(*fixes));
    size_t count = 0;
    long trip, last = -1;
    double lat, lon, seconds;
    if (fixes == NULL)
        give_up("memory");
    while (fscanf(file, "%ld %lf %lf %lf", &trip, &lat, &lon, &seconds) == 4) {
        if (trip != last && count > 0) {
            take_drive(b, last, fixes, count);
            count = 0;
        }
        last = trip;
        if (count == FIXES_MAX)
            give_up("a trip has too many fixes");
        fixes[count++] = (struct match_fix){.time_ms = llround(seconds * 1000),
                                            .at = geo_from_deg(lat, lon),
                                            .accuracy_m = -1,
                                            .course_deg = -1,
                                            .speed_mps = -1};
    }
    if (count > 0)
        take_drive(b, last, fixes, count);
    free(fixes);
}

/* ------------------------------------------------------------------ telling */
static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof(*values), by_size);
    double at = share * (double)(count - 1);
    size_t low = (size_t)at;
    size_t high = low + 1 < count ? low + 1 : low;
    return values[low] + (at - (double)low) * (values[high] - values[low]);
}

static void tell(struct bench *b)
{
    size_t n = b->judged;
    unsigned hours = 0, dates = 0;
    if (n == 0)
        give_up("no drive to judge on");
    printf("drives %zu %zu\n", learn_drives(b->learn), n);
    for (int m = 0; m < 2; m++)
        printf("%s %.1f %.1f %.3f %.3f %.3f\n",
               m == 0 ? "untrained" : "learned", quantile(b->errors[m], n, 0.5),
               quantile(b->errors[m], n, 0.9), quantile(b->shares[m], n, 0.5),
               quantile(b->shares[m], n, 0.9), quantile(b->ratios[m], n, 0.5));
    printf("range %.3f %.3f %.3f\n",
           (double)(n - b->below - b->above) / (double)n,
           (double)b->below / (double)n, (double)b->above / (double)n);
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        hours += b->table.hours[h].of.passages > 0;
        if (b->table.hours[h].dates > dates)
            dates = b->table.hours[h].dates;
    }
    printf("hours %u %u\n", hours, dates);
    printf("spread %.4f %.4f\n", b->table.tau2, b->table.phi_s);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 5)
        return 2;
    FILE *file = fopen(argv[2], "r");
    if (file == NULL)
        give_up(argv[2]);
    city_read(argv[1], &b.city);
    number_classes(&b);
    b.learn_from = strtol(argv[3], NULL, 10);
    b.utc_offset_s = (int32_t)strtol(argv[4], NULL, 10);
    for (int m = 0; m < 2; m++) {
        b.errors[m] = calloc(DRIVES_MAX, sizeof(double));
        b.shares[m] = calloc(DRIVES_MAX, sizeof(double));
        b.ratios[m] = calloc(DRIVES_MAX, sizeof(double));
    }
    check(match_new(b.city.roads, &match_defaults, &b.match), "matching");
    check(learn_new(&b.streets, &b.learn), "learning");
    take_trips(&b, file);
    fclose(file);
    tell(&b);
    for (int m = 0; m < 2; m++) {
        free(b.errors[m]);
        free(b.shares[m]);
        free(b.ratios[m]);
    }
    for (unsigned h = 0; h < LEARN_HOURS; h++)
        roads_metric_unref(b.by_hour[h]);
    learn_table_clear(&b.table);
    learn_free(b.learn);
    match_free(b.match);
    free(b.class_of);
    city_clear(&b.city);
    return 0;
}

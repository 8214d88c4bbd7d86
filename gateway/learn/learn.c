/* Drives taken up, and what was learned put onto a network. */
#include "learn.h"

#include "learn_internal.h"
#include "pt_room.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
/* 1970-01-01 was a Thursday: hours since the Monday before. */
#define EPOCH_HOUR 72

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

unsigned learn_hour(int64_t time_ms, int32_t utc_offset_s)
{
    int64_t hours =
        floor_div(time_ms + utc_offset_s * INT64_C(1000), HOUR_MS) + EPOCH_HOUR;
    int64_t hour = hours % LEARN_HOURS;
    return (unsigned)(hour < 0 ? hour + LEARN_HOURS : hour);
}

unsigned learn_period(unsigned hour)
{
    unsigned day = hour / 24, of_day = hour % 24;
    if (day >= 5)
        return of_day < 8 || of_day >= 22 ? 5 : 6;
    if (of_day < 6 || of_day >= 22)
        return 0;
    return of_day < 10 ? 1 : of_day < 16 ? 2 : of_day < 19 ? 3 : 4;
}

/* ------------------------------------------------------------ start and end */
enum pt_err learn_new(const struct learn_streets *streets, struct learn **ret)
{
    size_t edges = roads_edge_count(roads_metric_roads(streets->metric));
    struct learn *learn = calloc(1, sizeof(*learn));
    if (learn == NULL)
        return PT_E_NOMEM;
    learn->driven_of = calloc(2 * edges, sizeof(*learn->driven_of));
    if (learn->driven_of == NULL) {
        free(learn);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < 2 * edges; i++)
        learn->driven_of[i] = ROADS_NONE;
    learn->streets = *streets;
    learn->metric = roads_metric_ref(streets->metric);
    *ret = learn;
    return PT_OK;
}

void learn_free(struct learn *learn)
{
    if (learn == NULL)
        return;
    roads_metric_unref(learn->metric);
    free(learn->driven_of);
    free(learn->driven);
    free(learn->passages);
    free(learn->trips);
    free(learn->street_edges);
    free(learn);
}

size_t learn_drives(const struct learn *learn)
{
    return learn->trip_count;
}

/* ------------------------------------------------------------- taking drives
 */
static enum pt_err driven_at(struct learn *learn, uint32_t directed,
                             uint32_t *ret)
{
    uint32_t *at = &learn->driven_of[directed];
    if (*at == ROADS_NONE) {
        enum pt_err err =
            pt_room(&learn->driven, &learn->driven_room,
                    learn->driven_count + 1, sizeof(*learn->driven));
        if (err != PT_OK)
            return err;
        *at = (uint32_t)learn->driven_count;
        learn->driven[learn->driven_count++] =
            (struct driven){.directed = directed,
                            .class = learn->streets.class_of[directed >> 1]};
    }
    *ret = *at;
    return PT_OK;
}

static enum pt_err add_passage(struct learn *learn, struct trip *trip,
                               const struct learn_passage *p, int32_t offset_s)
{
    uint32_t ms = roads_metric_ms(learn->metric, p->directed);
    double turn_s = p->turn_ms / 1000.0;
    if (ms == ROADS_NONE)
        return PT_OK;
    double expected_s = ms / 1000.0 * p->share;
    trip->turns_s += turn_s;
    trip->took_s += p->took_s;
    struct passage *at = &learn->passages[learn->passage_count];
    enum pt_err err = driven_at(learn, p->directed, &at->driven);
    if (err != PT_OK)
        return err;
    double most_s = STOOD_TIMES * fmax(expected_s, SHORTEST_S) + STOOD_S;
    at->hour = (uint16_t)learn_hour(p->began_ms, offset_s);
    at->expected_s = (float)expected_s;
    at->took_s = (float)fmin(p->took_s - turn_s, most_s);
    learn->passage_count++;
    trip->count++;
    return PT_OK;
}

enum pt_err learn_add(struct learn *learn, const struct match_fix *fixes,
                      const struct match_drive *drive, int32_t utc_offset_s)
{
    struct learn_passage *passages = NULL;
    size_t count = 0;
    enum pt_err err =
        learn_passages(learn->metric, fixes, drive, &passages, &count);
    if (err == PT_OK && learn->passage_count + count > LEARN_PASSAGES_MAX)
        err = PT_E_FULL;
    if (err == PT_OK)
        err = pt_room(&learn->passages, &learn->passage_room,
                      learn->passage_count + count, sizeof(*learn->passages));
    if (err == PT_OK)
        err = pt_room(&learn->trips, &learn->trip_room, learn->trip_count + 1,
                      sizeof(*learn->trips));
    if (err != PT_OK || count == 0) {
        free(passages);
        return err;
    }
    struct trip trip = {.start_ms = passages[0].began_ms,
                        .first = learn->passage_count};
    trip.end_ms = passages[count - 1].began_ms +
                  llround(passages[count - 1].took_s * 1000);
    trip.hour = (uint16_t)learn_hour(trip.start_ms, utc_offset_s);
    trip.day = floor_div(trip.start_ms + utc_offset_s * INT64_C(1000), DAY_MS);
    double expected_s = 0;
    for (size_t i = 0; i < count && err == PT_OK; i++)
        err = add_passage(learn, &trip, &passages[i], utc_offset_s);
    for (size_t i = 0; i < trip.count && err == PT_OK; i++)
        expected_s += (double)learn->passages[trip.first + i].expected_s;
    free(passages);
    if (err == PT_OK && trip.took_s > 0 && expected_s >= 1)
        learn->trips[learn->trip_count++] = trip;
    else
        learn->passage_count = trip.first;
    return err;
}

/* ----------------------------------------------------------------- the table
 */
static int by_start(const void *left, const void *right)
{
    const struct trip *a = left, *b = right;
    if (a->start_ms != b->start_ms)
        return a->start_ms < b->start_ms ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* A street is a way in one direction. */
static int64_t way_of(const struct learn *learn, const struct driven *driven)
{
    return roads_edge_way(roads_metric_roads(learn->metric), driven->directed);
}

struct on_way {
    int64_t way;
    uint32_t backward, driven;
};

static int by_way(const void *left, const void *right)
{
    const struct on_way *a = left, *b = right;
    if (a->way != b->way)
        return a->way < b->way ? -1 : 1;
    if (a->backward != b->backward)
        return a->backward < b->backward ? -1 : 1;
    return a->driven < b->driven ? -1 : a->driven > b->driven;
}

static enum pt_err number_streets(struct learn *learn)
{
    size_t count = learn->driven_count;
    struct on_way *order = calloc(count, sizeof(*order));
    free(learn->street_edges);
    learn->street_edges = calloc(count, sizeof(*learn->street_edges));
    learn->street_count = 0;
    if (order == NULL || learn->street_edges == NULL) {
        free(order);
        return PT_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = (struct on_way){way_of(learn, &learn->driven[i]),
                                   learn->driven[i].directed & 1u, (uint32_t)i};
    qsort(order, count, sizeof(*order), by_way);
    for (size_t i = 0; i < count; i++) {
        struct driven *driven = &learn->driven[order[i].driven];
        if (i == 0 || order[i].way != order[i - 1].way ||
            order[i].backward != order[i - 1].backward)
            learn->street_edges[learn->street_count++] = driven->directed;
        driven->street = (uint32_t)learn->street_count - 1;
    }
    free(order);
    return PT_OK;
}

static int by_place(const void *left, const void *right)
{
    const struct learn_row *a = left, *b = right;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->period < b->period ? -1 : a->period > b->period;
}

/* The rows of a level's places that drives were seen on. */
static void add_rows(const struct learn *learn, const struct fit *fit,
                     enum learn_level level, struct learn_table *table)
{
    static const bool has_period[LEARN_LEVELS] = {
        [LEARN_CLASS_PERIOD] = true, [LEARN_EDGE_PERIOD] = true};
    unsigned periods = has_period[level] ? LEARN_PERIODS : 1;
    for (size_t i = 0; i < fit->places[level]; i++) {
        const struct sums *sums = &fit->sums[level][i];
        if (sums->count == 0)
            continue;
        uint32_t place = (uint32_t)(i / periods);
        if (level == LEARN_STREET)
            place = learn->street_edges[place];
        else if (level == LEARN_EDGE || level == LEARN_EDGE_PERIOD)
            place = learn->driven[place].directed;
        table->rows[table->row_count++] = (struct learn_row){
            .level = level,
            .place = place,
            .period = (uint8_t)(i % periods),
            .of = {fit->factors[level][i], sums->expected_s, sums->count}};
    }
}

static enum pt_err write_table(const struct learn *learn, const struct fit *fit,
                               struct learn_table *table)
{
    size_t most = 0;
    for (int level = 0; level < LEARN_LEVELS; level++)
        most += fit->places[level];
    table->rows = calloc(most, sizeof(*table->rows));
    if (table->rows == NULL)
        return PT_E_NOMEM;
    for (int level = 0; level < LEARN_LEVELS; level++)
        add_rows(learn, fit, (enum learn_level)level, table);
    qsort(table->rows, table->row_count, sizeof(*table->rows), by_place);
    for (unsigned h = 0; h < LEARN_HOURS; h++)
        table->hours[h].of =
            (struct learn_factor){fit->hours[h], fit->hour_sums[h].expected_s,
                                  fit->hour_sums[h].count};
    return PT_OK;
}

enum pt_err learn_fit(struct learn *learn, struct learn_table *ret)
{
    struct learn_table table = {.drives = (uint32_t)learn->trip_count};
    struct fit fit = {0};
    double middles[LEARN_HOURS];
    if (learn->trip_count < LEARN_DRIVES_MIN)
        return PT_E_NOTFOUND;
    qsort(learn->trips, learn->trip_count, sizeof(*learn->trips), by_start);
    enum pt_err err = number_streets(learn);
    if (err == PT_OK)
        err = fit_new(learn, &fit);
    if (err == PT_OK)
        err = range_learn(learn, &fit, &table, middles);
    if (err == PT_OK) {
        fit_run(&fit, learn, learn->trip_count);
        err = write_table(learn, &fit, &table);
    }
    for (unsigned h = 0; h < LEARN_HOURS && err == PT_OK; h++)
        table.hours[h].of.factor *= middles[h];
    table.from_ms = learn->trips[0].start_ms;
    for (size_t i = 0; i < learn->trip_count; i++)
        table.to_ms = learn->trips[i].end_ms > table.to_ms
                          ? learn->trips[i].end_ms
                          : table.to_ms;
    fit_clear(&fit);
    if (err != PT_OK) {
        learn_table_clear(&table);
        return err;
    }
    *ret = table;
    return PT_OK;
}

void learn_table_clear(struct learn_table *table)
{
    free(table->rows);
    *table = (struct learn_table){0};
}

/* ------------------------------------------------------- onto a network */
/* Factors by place, 1 where nothing was seen. */
struct sheet {
    double class[LEARN_CLASSES_MAX];
    float *edges;        /* for each directed edge */
    struct on_way *ways; /* `driven` is the row */
    size_t way_count;
};

static void read_rows(const struct learn_table *table,
                      const struct learn_streets *streets, unsigned period,
                      struct sheet *sheet)
{
    const struct roads *roads = roads_metric_roads(streets->metric);
    size_t directed = 2 * roads_edge_count(roads);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct learn_row *row = &table->rows[i];
        bool is_class = row->level <= LEARN_CLASS_PERIOD;
        bool has_period =
            row->level == LEARN_CLASS_PERIOD || row->level == LEARN_EDGE_PERIOD;
        if ((has_period && row->period != period) ||
            row->place >= (is_class ? LEARN_CLASSES_MAX : directed))
            continue;
        if (is_class)
            sheet->class[row->place] *= row->of.factor;
        else if (row->level == LEARN_STREET)
            sheet->ways[sheet->way_count++] =
                (struct on_way){roads_edge_way(roads, row->place),
                                row->place & 1u, (uint32_t)i};
        else
            sheet->edges[row->place] *= (float)row->of.factor;
    }
    qsort(sheet->ways, sheet->way_count, sizeof(*sheet->ways), by_way);
}

static double street_factor(const struct learn_table *table,
                            const struct sheet *sheet, int64_t way,
                            uint32_t backward)
{
    struct on_way key = {way, backward, 0};
    size_t low = 0, high = sheet->way_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_way(&sheet->ways[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sheet->way_count || sheet->ways[low].way != way ||
        sheet->ways[low].backward != backward)
        return 1.0;
    return table->rows[sheet->ways[low].driven].of.factor;
}

static uint32_t learned_ms(double base_ms, double factor)
{
    double ms = base_ms * fmin(fmax(factor, FACTOR_MIN), FACTOR_MAX);
    return (uint32_t)fmin(fmax(round(ms), 1.0), INT32_MAX);
}

static void write_times(const struct learn_table *table,
                        const struct learn_streets *streets, unsigned hour,
                        const struct sheet *sheet, uint32_t *ret)
{
    const struct roads *roads = roads_metric_roads(streets->metric);
    for (uint32_t d = 0; d < 2 * roads_edge_count(roads); d++) {
        uint32_t ms = roads_metric_ms(streets->metric, d);
        double factor =
            table->hours[hour].of.factor *
            sheet->class[streets->class_of[d >> 1]] * (double)sheet->edges[d] *
            street_factor(table, sheet, roads_edge_way(roads, d), d & 1u);
        ret[d] = ms == ROADS_NONE ? 0 : learned_ms(ms, factor);
    }
}

enum pt_err learn_times(const struct learn_table *table,
                        const struct learn_streets *streets, unsigned hour,
                        uint32_t *ret)
{
    size_t directed = 2 * roads_edge_count(roads_metric_roads(streets->metric));
    struct sheet sheet = {
        .edges = calloc(directed, sizeof(*sheet.edges)),
        .ways = calloc(table->row_count + 1, sizeof(*sheet.ways))};
    enum pt_err err = PT_E_NOMEM;
    if (sheet.edges != NULL && sheet.ways != NULL) {
        err = PT_OK;
        for (size_t i = 0; i < directed; i++)
            sheet.edges[i] = 1;
        for (size_t i = 0; i < LEARN_CLASSES_MAX; i++)
            sheet.class[i] = 1;
        read_rows(table, streets, learn_period(hour), &sheet);
        write_times(table, streets, hour, &sheet, ret);
    }
    free(sheet.edges);
    free(sheet.ways);
    return err;
}

/* How far off predictions are, from drives predicted by older ones. */
#include "learn_internal.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_BLOCK 4u
/* After so many blocks an error counts half. */
#define HALF_AFTER 4.0
/* An hour's quantiles lean on all drives as if so many had been its own. */
#define LEANS_ON 20.0
/* Of squares, above this share of them no more is counted: a car that stood
 * for a long time says little about the others. */
#define SQUARES_TO 0.98
#define QUARTERS 4u
/* 10 % and 90 % points of the normal distribution. */
#define Z_90 1.2815515655446004

struct miss {     /* a drive, or a quarter of one, that was predicted */
    double error; /* logarithm of took / predicted */
    double predicted_s;
    double weight;
    uint16_t hour;
};

struct misses {
    size_t count;
    struct miss *whole;
    size_t quarter_count;
    struct miss *quarters;
};

/* ------------------------------------------------------------- predicting */
static double predicted_s(const struct learn *learn, const struct fit *fit,
                          const struct trip *trip, size_t passage)
{
    const struct passage *p = &learn->passages[passage];
    return (double)p->expected_s * fit_ratio(fit, learn, p->driven, trip->hour);
}

/* Passages have no turns of their own: a drive's are spread over it. Quarters
 * are those of its passages, in order, and take what they took. */
static void judge_quarters(const struct learn *learn, const struct fit *fit,
                           const struct trip *trip, double weight,
                           struct misses *misses)
{
    for (size_t q = 0; q < QUARTERS; q++) {
        size_t from = trip->first + trip->count * q / QUARTERS;
        size_t to = trip->first + trip->count * (q + 1) / QUARTERS;
        double expected_s = 0, took_s = 0;
        for (size_t i = from; i < to; i++) {
            expected_s += predicted_s(learn, fit, trip, i);
            took_s += (double)learn->passages[i].took_s;
        }
        if (expected_s >= 1 && took_s > 0)
            misses->quarters[misses->quarter_count++] =
                (struct miss){log(took_s / expected_s), expected_s,
                              weight / QUARTERS, trip->hour};
    }
}

static void judge_trip(const struct learn *learn, const struct fit *fit,
                       const struct trip *trip, double weight,
                       struct misses *misses)
{
    double expected_s = trip->turns_s;
    for (size_t i = trip->first; i < trip->first + trip->count; i++)
        expected_s += predicted_s(learn, fit, trip, i);
    if (expected_s <= 0)
        return;
    misses->whole[misses->count++] = (struct miss){
        log(trip->took_s / expected_s), expected_s, weight, trip->hour};
    judge_quarters(learn, fit, trip, weight, misses);
}

static void judge_blocks(const struct learn *learn, struct fit *fit,
                         struct misses *misses)
{
    size_t count = learn->trip_count;
    for (size_t block = FIRST_BLOCK; block < LEARN_BLOCKS; block++) {
        size_t from = count * block / LEARN_BLOCKS;
        size_t to = count * (block + 1) / LEARN_BLOCKS;
        double age = (double)(LEARN_BLOCKS - 1 - block);
        fit_run(fit, learn, from);
        for (size_t i = from; i < to; i++)
            judge_trip(learn, fit, &learn->trips[i], exp2(-age / HALF_AFTER),
                       misses);
    }
}

/* ---------------------------------------------------------------- quantiles */
struct weighed {
    double value, weight;
};

static int by_value(const void *left, const void *right)
{
    const struct weighed *a = left, *b = right;
    return a->value < b->value ? -1 : a->value > b->value;
}

/* Each value stands in the middle of its weight; between two it goes
 * straight. `values` ascend. */
static double quantile(const struct weighed *values, size_t count, double share)
{
    double all = 0, before = 0;
    for (size_t i = 0; i < count; i++)
        all += values[i].weight;
    for (size_t i = 0; i < count; i++) {
        double at = (before + values[i].weight / 2) / all;
        if (at >= share) {
            if (i == 0)
                return values[0].value;
            double last = (before - values[i - 1].weight / 2) / all;
            return values[i - 1].value +
                   (values[i].value - values[i - 1].value) * (share - last) /
                       (at - last);
        }
        before += values[i].weight;
    }
    return values[count - 1].value;
}

/* ------------------------------------------------------------------- spread */
/* Weighted least squares of square = tau2 + phi / predicted, neither below
 * 0. */
struct line {
    double weight, x, xx, y, xy;
};

static void add_squares(const struct miss *misses, size_t count, double middle,
                        struct weighed *work, struct line *line)
{
    for (size_t i = 0; i < count; i++) {
        double off = misses[i].error - middle;
        work[i] = (struct weighed){off * off, misses[i].weight};
    }
    qsort(work, count, sizeof(*work), by_value);
    double most = quantile(work, count, SQUARES_TO);
    for (size_t i = 0; i < count; i++) {
        double off = misses[i].error - middle;
        double y = fmin(off * off, most), x = 1.0 / misses[i].predicted_s;
        double w = misses[i].weight;
        line->weight += w;
        line->x += w * x;
        line->xx += w * x * x;
        line->y += w * y;
        line->xy += w * x * y;
    }
}

/* A spread that is none would make every quantile the same. */
#define TAU2_MIN 1e-6
static void solve(const struct line *line, struct learn_table *table)
{
    double det = line->weight * line->xx - line->x * line->x;
    double phi = 0;
    if (det > 0)
        phi = (line->weight * line->xy - line->x * line->y) / det;
    double tau2 = (line->y - phi * line->x) / line->weight;
    if (phi < 0) {
        phi = 0;
        tau2 = line->y / line->weight;
    } else if (tau2 < TAU2_MIN) {
        phi = line->xx > 0 ? line->xy / line->xx : 0;
        tau2 = TAU2_MIN;
    }
    table->tau2 = tau2;
    table->phi_s = phi;
}

static double spread(const struct learn_table *table, double predicted_s)
{
    return sqrt(table->tau2 + table->phi_s / fmax(predicted_s, 1.0));
}

/* --------------------------------------------------------------- every hour */
/* The middle of an hour's errors, then its two ends in spreads from there. */
static void fill_hour(const struct misses *misses, unsigned hour, double all,
                      struct weighed *work, struct learn_table *table,
                      double *middle)
{
    size_t count = misses->count;
    for (size_t i = 0; i < count; i++) {
        const struct miss *m = &misses->whole[i];
        work[i] =
            (struct weighed){m->error, m->weight * (hour_weight(hour, m->hour) +
                                                    LEANS_ON / all)};
    }
    qsort(work, count, sizeof(*work), by_value);
    double m50 = quantile(work, count, 0.5);
    for (size_t i = 0; i < count; i++) {
        const struct miss *m = &misses->whole[i];
        work[i] = (struct weighed){
            (m->error - m50) / spread(table, m->predicted_s),
            m->weight * (hour_weight(hour, m->hour) + LEANS_ON / all)};
    }
    qsort(work, count, sizeof(*work), by_value);
    table->hours[hour].low = fmin(quantile(work, count, 0.1), 0);
    table->hours[hour].high = fmax(quantile(work, count, 0.9), 0);
    *middle = exp(m50);
}

static bool same_hour(unsigned hour, unsigned other)
{
    unsigned day = hour / 24, other_day = other / 24;
    int apart = abs((int)(hour % 24) - (int)(other % 24));
    bool same_day = day == other_day || (day < 5 && other_day < 5);
    return same_day && (apart <= 1 || apart == 23);
}

/* Trips come in order of time, so their days do, but for a change of clock. */
static void count_dates(const struct learn *learn, struct learn_table *table)
{
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        int64_t last = INT64_MIN;
        unsigned dates = 0;
        for (size_t i = 0; i < learn->trip_count; i++) {
            const struct trip *trip = &learn->trips[i];
            if (trip->day == last || !same_hour(h, trip->hour))
                continue;
            last = trip->day;
            dates++;
        }
        table->hours[h].dates = (uint8_t)(dates < 255 ? dates : 255);
    }
}

static void learn_from(const struct misses *misses, struct weighed *work,
                       struct learn_table *table, double middles[LEARN_HOURS])
{
    struct line line = {0};
    double all = 0;
    for (size_t i = 0; i < misses->count; i++) {
        all += misses->whole[i].weight;
        work[i] =
            (struct weighed){misses->whole[i].error, misses->whole[i].weight};
    }
    qsort(work, misses->count, sizeof(*work), by_value);
    double middle = quantile(work, misses->count, 0.5);
    add_squares(misses->whole, misses->count, middle, work, &line);
    if (misses->quarter_count > 0)
        add_squares(misses->quarters, misses->quarter_count, middle, work,
                    &line);
    solve(&line, table);
    for (unsigned h = 0; h < LEARN_HOURS; h++)
        fill_hour(misses, h, all, work, table, &middles[h]);
}

enum pt_err range_learn(const struct learn *learn, struct fit *fit,
                        struct learn_table *table, double middles[LEARN_HOURS])
{
    size_t count = learn->trip_count;
    struct misses misses = {
        .whole = calloc(count, sizeof(*misses.whole)),
        .quarters = calloc(QUARTERS * count, sizeof(*misses.quarters))};
    struct weighed *work = calloc(QUARTERS * count, sizeof(*work));
    enum pt_err err = PT_E_NOMEM;
    if (misses.whole != NULL && misses.quarters != NULL && work != NULL) {
        judge_blocks(learn, fit, &misses);
        err = misses.count > 0 ? PT_OK : PT_E_NOTFOUND;
    }
    if (err == PT_OK) {
        learn_from(&misses, work, table, middles);
        count_dates(learn, table);
    }
    free(misses.whole);
    free(misses.quarters);
    free(work);
    return err;
}

/* ------------------------------------------------------------------ in use */
static double unknown_dates(unsigned dates)
{
    double missing = dates >= LEARN_DATES ? 0.0 : LEARN_DATES - (double)dates;
    return LEARN_DATES_SPREAD * LEARN_DATES_SPREAD * missing /
           (LEARN_DATES - 1.0);
}

struct learn_range learn_range_of(const struct learn_table *table,
                                  unsigned hour, double drive_s, double other_s,
                                  double place_s)
{
    const struct learn_hour_row *row = &table->hours[hour];
    double more = unknown_dates(row->dates);
    if (drive_s > 0)
        more += place_s * place_s / (drive_s * drive_s);
    double all = spread(table, drive_s);
    double below = row->low / Z_90 * all, above = row->high / Z_90 * all;
    struct learn_range range = {.middle_s = drive_s,
                                .spread_below = sqrt(below * below + more),
                                .spread_above = sqrt(above * above + more)};
    range.low_s = other_s + drive_s * exp(-Z_90 * range.spread_below);
    range.high_s = other_s + drive_s * exp(Z_90 * range.spread_above);
    return range;
}

double learn_within(const struct learn_range *range, double other_s,
                    double promise_s)
{
    double left_s = promise_s - other_s;
    if (left_s <= 0)
        return 0.0;
    if (range->middle_s <= 0)
        return 1.0;
    double off = log(left_s / range->middle_s);
    double spread = off < 0 ? range->spread_below : range->spread_above;
    if (spread <= 0)
        return off < 0 ? 0.0 : 1.0;
    return 0.5 * erfc(-off / spread / M_SQRT2);
}

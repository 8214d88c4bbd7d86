/* Factors, level by level. */
#include "learn_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The most that a factor is held back: so many seconds of driving. */
#define CREDIBILITY_MAX_S 10000.0
/* An hour leans on all others with so many seconds. */
#define HOUR_LEANS_S 300.0

/* ----------------------------------------------------------------- the levels
 */
size_t fit_place(const struct learn *learn, enum learn_level level,
                 uint32_t driven, unsigned period)
{
    const struct driven *d = &learn->driven[driven];
    switch (level) {
    case LEARN_CLASS:
        return d->class;
    case LEARN_CLASS_PERIOD:
        return (size_t)d->class * LEARN_PERIODS + period;
    case LEARN_STREET:
        return d->street;
    case LEARN_EDGE:
        return driven;
    default:
        return (size_t)driven * LEARN_PERIODS + period;
    }
}

enum pt_err fit_new(const struct learn *learn, struct fit *ret)
{
    struct fit fit = {0};
    const size_t places[LEARN_LEVELS] = {
        [LEARN_CLASS] = LEARN_CLASSES_MAX,
        [LEARN_CLASS_PERIOD] = (size_t)LEARN_CLASSES_MAX * LEARN_PERIODS,
        [LEARN_STREET] = learn->street_count,
        [LEARN_EDGE] = learn->driven_count,
        [LEARN_EDGE_PERIOD] = learn->driven_count * LEARN_PERIODS};
    bool short_of = false;
    for (int level = 0; level < LEARN_LEVELS; level++) {
        fit.places[level] = places[level];
        fit.sums[level] = calloc(places[level], sizeof(struct sums));
        fit.factors[level] = calloc(places[level], sizeof(double));
        short_of =
            short_of || fit.sums[level] == NULL || fit.factors[level] == NULL;
    }
    fit.expected_s = calloc(learn->passage_count, sizeof(double));
    if (short_of || fit.expected_s == NULL) {
        fit_clear(&fit);
        return PT_E_NOMEM;
    }
    *ret = fit;
    return PT_OK;
}

void fit_clear(struct fit *fit)
{
    for (int level = 0; level < LEARN_LEVELS; level++) {
        free(fit->sums[level]);
        free(fit->factors[level]);
    }
    free(fit->expected_s);
    *fit = (struct fit){0};
}

/* ------------------------------------------------------------------- the hours
 */
static unsigned kind_of_day(unsigned day)
{
    return day < 5 ? 0 : day;
}

double hour_weight(unsigned hour, unsigned other)
{
    unsigned day = hour / 24, other_day = other / 24;
    int apart = abs((int)(hour % 24) - (int)(other % 24));
    double near = exp(-2.0 * (apart > 12 ? 24 - apart : apart));
    if (day == other_day)
        return near;
    return near * (kind_of_day(day) == kind_of_day(other_day) ? 0.5 : 0.05);
}

static void fit_hours(struct fit *fit)
{
    double took_s = 0, expected_s = 0;
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        took_s += fit->hour_sums[h].took_s;
        expected_s += fit->hour_sums[h].expected_s;
    }
    double all = expected_s > 0 ? took_s / expected_s : 1.0;
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        took_s = HOUR_LEANS_S * all;
        expected_s = HOUR_LEANS_S;
        for (unsigned other = 0; other < LEARN_HOURS; other++) {
            double weight = hour_weight(h, other);
            took_s += weight * fit->hour_sums[other].took_s;
            expected_s += weight * fit->hour_sums[other].expected_s;
        }
        fit->hours[h] = fmin(fmax(took_s / expected_s, FACTOR_MIN), FACTOR_MAX);
    }
}

/* ------------------------------------------------------------------- a level
 */
/* A sum over all passages of the first trips. */
struct over {
    const struct learn *learn;
    size_t trips;
};

static size_t place_of(const struct learn *learn, enum learn_level level,
                       const struct passage *p)
{
    return fit_place(learn, level, p->driven, learn_period(p->hour));
}

static void sum_up(struct fit *fit, const struct over *over,
                   enum learn_level level)
{
    const struct learn *learn = over->learn;
    struct sums *sums = fit->sums[level];
    memset(sums, 0, fit->places[level] * sizeof(*sums));
    for (size_t t = 0; t < over->trips; t++) {
        const struct trip *trip = &learn->trips[t];
        for (size_t i = trip->first; i < trip->first + trip->count; i++) {
            const struct passage *p = &learn->passages[i];
            struct sums *at = &sums[place_of(learn, level, p)];
            at->expected_s += fit->expected_s[i];
            at->took_s += (double)p->took_s;
            at->count++;
        }
    }
}

/* sum (took - r expected)^2 / expected; passages in `count`. */
static double differences(const struct fit *fit, const struct over *over,
                          enum learn_level level, size_t *count)
{
    const struct learn *learn = over->learn;
    double sum = 0;
    *count = 0;
    for (size_t t = 0; t < over->trips; t++) {
        const struct trip *trip = &learn->trips[t];
        for (size_t i = trip->first; i < trip->first + trip->count; i++) {
            const struct passage *p = &learn->passages[i];
            const struct sums *at =
                &fit->sums[level][place_of(learn, level, p)];
            if (at->expected_s <= 0)
                continue;
            double off = (double)p->took_s -
                         at->took_s / at->expected_s * fit->expected_s[i];
            sum += off * off / fmax(fit->expected_s[i], 1.0);
            ++*count;
        }
    }
    return sum;
}

/* k of the header. */
static double credibility_s(const struct fit *fit, const struct over *over,
                            enum learn_level level)
{
    size_t passages = 0, places = 0;
    double between = 0, expected_s = 0;
    double within = differences(fit, over, level, &passages);
    for (size_t i = 0; i < fit->places[level]; i++) {
        const struct sums *at = &fit->sums[level][i];
        if (at->expected_s <= 0)
            continue;
        double off = at->took_s / at->expected_s - 1.0;
        between += at->expected_s * off * off;
        expected_s += at->expected_s;
        places++;
    }
    if (passages <= places)
        return CREDIBILITY_MAX_S;
    double s2 = within / (double)(passages - places);
    double a = (between - (double)places * s2) / expected_s;
    if (a * CREDIBILITY_MAX_S <= s2)
        return CREDIBILITY_MAX_S;
    return s2 / a;
}

static void fit_level(struct fit *fit, const struct over *over,
                      enum learn_level level)
{
    const struct learn *learn = over->learn;
    sum_up(fit, over, level);
    double k = credibility_s(fit, over, level);
    for (size_t i = 0; i < fit->places[level]; i++) {
        const struct sums *at = &fit->sums[level][i];
        fit->factors[level][i] =
            at->expected_s + k > 0
                ? fmin(
                      fmax((at->took_s + k) / (at->expected_s + k), FACTOR_MIN),
                      FACTOR_MAX)
                : 1.0;
    }
    for (size_t t = 0; t < over->trips; t++) {
        const struct trip *trip = &learn->trips[t];
        for (size_t i = trip->first; i < trip->first + trip->count; i++)
            fit->expected_s[i] *=
                fit->factors[level]
                            [place_of(learn, level, &learn->passages[i])];
    }
}

void fit_run(struct fit *fit, const struct learn *learn, size_t trips)
{
    struct over over = {learn, trips};
    memset(fit->hour_sums, 0, sizeof(fit->hour_sums));
    for (size_t t = 0; t < trips; t++) {
        const struct trip *trip = &learn->trips[t];
        for (size_t i = trip->first; i < trip->first + trip->count; i++) {
            const struct passage *p = &learn->passages[i];
            struct sums *at = &fit->hour_sums[p->hour];
            at->expected_s += (double)p->expected_s;
            at->took_s += (double)p->took_s;
            at->count++;
        }
    }
    fit_hours(fit);
    for (size_t t = 0; t < trips; t++) {
        const struct trip *trip = &learn->trips[t];
        for (size_t i = trip->first; i < trip->first + trip->count; i++)
            fit->expected_s[i] = (double)learn->passages[i].expected_s *
                                 fit->hours[learn->passages[i].hour];
    }
    for (int level = 0; level < LEARN_LEVELS; level++)
        fit_level(fit, &over, (enum learn_level)level);
}

/* Places that these trips did not see have no sums: their factor is k / k. */
double fit_ratio(const struct fit *fit, const struct learn *learn,
                 uint32_t driven, unsigned hour)
{
    double ratio = fit->hours[hour];
    for (int level = 0; level < LEARN_LEVELS; level++)
        ratio *= fit->factors[level][fit_place(learn, (enum learn_level)level,
                                               driven, learn_period(hour))];
    return fmin(fmax(ratio, FACTOR_MIN), FACTOR_MAX);
}

#ifndef LEARN_INTERNAL_H
#define LEARN_INTERNAL_H
/* What the parts of learn share: learn.c (drives taken up, tables), passages.c
 * (a drive street by street), fit.c (factors), range.c (spread). */
#include "learn.h"

/* What is learned lies within these. */
#define FACTOR_MIN 0.2
#define FACTOR_MAX 5.0
/* A passage that took longer is a car that stood for another reason than
 * traffic: no more is counted. */
#define STOOD_TIMES 4.0
#define STOOD_S 60.0
#define SHORTEST_S 5.0

struct passage {
    uint32_t driven;  /* into learn.driven */
    uint16_t hour;    /* of the week */
    float expected_s; /* the profile's */
    float took_s;     /* without the turn, as far as it counts */
};

struct trip {
    int64_t start_ms, end_ms;
    int64_t day; /* local, since 1970 */
    uint16_t hour;
    size_t first, count; /* passages */
    double turns_s;
    double took_s; /* all of it */
};

struct driven { /* a directed edge that somebody drove */
    uint32_t directed;
    uint32_t street; /* numbered by fit */
    uint8_t class;
};

struct learn {
    struct learn_streets streets;
    struct roads_metric *metric; /* counted */
    uint32_t *driven_of;         /* for each directed edge, or ROADS_NONE */
    size_t driven_count, driven_room;
    struct driven *driven;
    size_t passage_count, passage_room;
    struct passage *passages;
    size_t trip_count, trip_room;
    struct trip *trips;
    size_t street_count;
    uint32_t *street_edges; /* one directed edge of each */
};

struct sums {
    double expected_s, took_s;
    uint32_t count;
};

/* What came of the first so many trips. */
struct fit {
    struct sums hour_sums[LEARN_HOURS];
    double hours[LEARN_HOURS];
    size_t places[LEARN_LEVELS];
    struct sums *sums[LEARN_LEVELS];
    double *factors[LEARN_LEVELS];
    double *expected_s; /* for each passage, while it is made */
};

PT_MUST_CHECK enum pt_err fit_new(const struct learn *learn, struct fit *ret);
void fit_clear(struct fit *fit);
/* Trips 0..trips-1 count. */
void fit_run(struct fit *fit, const struct learn *learn, size_t trips);
double fit_ratio(const struct fit *fit, const struct learn *learn,
                 uint32_t driven, unsigned hour);
size_t fit_place(const struct learn *learn, enum learn_level level,
                 uint32_t driven, unsigned period);

/* How much the hour `other` tells about `hour`. */
double hour_weight(unsigned hour, unsigned other);

/* Fills tau2, phi_s and of each hour low, high and dates; `middles`: by what
 * the hours' factors are to be multiplied. Uses `fit` to work with. */
PT_MUST_CHECK enum pt_err range_learn(const struct learn *learn,
                                      struct fit *fit,
                                      struct learn_table *table,
                                      double middles[LEARN_HOURS]);

#endif

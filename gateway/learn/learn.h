#ifndef LEARN_H
#define LEARN_H
/* learn: how fast the fleet really drives, from drives that were matched to
 * streets. Knows no file and no database; one thread at a time.
 *
 * What is learned is by how much a profile's time for a street is to be
 * multiplied, as a product of factors:
 *
 *   hour of the week x class of street x class in the period
 *     x street (a way, one direction) x edge x edge in the period
 *
 * A factor of which little was seen stays near 1, so that an edge leans on
 * its street, the street on its class, and an hour on the hours beside it and
 * on the same hour of other days. How near: Buehlmann and Straub's
 * credibility ("Glaubwuerdigkeit fuer Schadensaetze", Bulletin of the Swiss
 * Association of Actuaries 70, 1970), an empirical Bayes estimator, level by
 * level (Jewell, "The use of collateral data in credibility theory", 1975):
 *
 *   factor = (took + k) / (expected + k),  k = s2 / a
 *
 * of all passages there, in seconds; expected is the profile's time times
 * the factors of the levels above; s2 how much passages of one place differ
 * among each other, a how much places differ beyond that:
 *
 *   s2 = sum (took - r expected)^2 / expected / (passages - places)
 *   a  = (sum E (r - 1)^2 - places s2) / sum E,  r = took / E of a place
 *
 * An hour's factor is took / expected over all hours, each weighed by how
 * near it is: e^-2 for each hour of the day between, 1 on the same day, 1/2
 * on another one of its kind (working day, Saturday, Sunday), else 1/20.
 *
 * Time at turns is the profile's own and no part of a factor, but what turns
 * took longer is part of the edge that they lead to or from.
 *
 * Ranges come from drives that were predicted from older ones alone: the
 * drives in order of time are cut into LEARN_BLOCKS, and each block after the
 * fourth is predicted from those before it, as will be done in use. The
 * logarithm of took / predicted has the variance tau2 + phi / predicted: a
 * part that a whole drive has in common (the driver, the day), and a part that
 * evens out along it, told apart by the quarters of the same drives. Its
 * quantiles by hour of the week, newer blocks counting more, are a two-piece
 * log-normal distribution: one spread below its middle and one above. */
#include "match.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEARN_HOURS 168u /* of the week, local time; 0 is Monday 00:00 */
#define LEARN_BLOCKS 10u
#define LEARN_DRIVES_MIN 30u /* with fewer nothing is learned */
#define LEARN_PASSAGES_MAX 20000000u
#define LEARN_CLASSES_MAX 64u

/* Hours in which streets are much alike. Working days 22-6, 6-10, 10-16,
 * 16-19, 19-22; weekends 22-8, 8-22. */
#define LEARN_PERIODS 7u
unsigned learn_period(unsigned hour);
/* Of a time and the clock's difference from UTC then. */
unsigned learn_hour(int64_t time_ms, int32_t utc_offset_s);

/* The streets and the profile to which times are relative. */
struct learn_streets {
    const struct roads_metric *metric;
    const uint8_t *class_of; /* for each edge, below LEARN_CLASSES_MAX */
};

/* ------------------------------------------------------------- learning */
struct learn;

/* Counts the metric; `class_of` is borrowed until learn_free(). */
PT_MUST_CHECK enum pt_err learn_new(const struct learn_streets *streets,
                                    struct learn **ret);
void learn_free(struct learn *learn); /* NULL is fine */

/* Takes up a drive that match_drive() made of `fixes`; what takes no time or
 * leads nowhere is passed over. PT_E_FULL beyond LEARN_PASSAGES_MAX, with
 * nothing taken; PT_E_NOMEM. Drives come in any order. */
PT_MUST_CHECK enum pt_err learn_add(struct learn *learn,
                                    const struct match_fix *fixes,
                                    const struct match_drive *drive,
                                    int32_t utc_offset_s);
size_t learn_drives(const struct learn *learn);

/* ------------------------------------------------------ what was learned */
/* A level's factor at one place, and what it rests on. */
struct learn_factor {
    double factor;
    double seconds; /* of driving expected there by the levels above */
    uint32_t passages;
};

enum learn_level {
    LEARN_CLASS,
    LEARN_CLASS_PERIOD,
    LEARN_STREET,
    LEARN_EDGE,
    LEARN_EDGE_PERIOD,
    LEARN_LEVELS
};

struct learn_row {
    enum learn_level level;
    uint32_t place; /* class; or directed edge: a street's is any of it */
    uint8_t period; /* of the levels that have one, else 0 */
    struct learn_factor of;
};

struct learn_hour_row {
    struct learn_factor of;
    /* The logarithm of took / predicted: its 10 % and 90 % points, in
     * multiples of sqrt(tau2 + phi / predicted); low is below 0. */
    double low, high;
    /* Dates of the same kind of day on which drives were seen at this hour or
     * one beside it, up to 255. */
    uint8_t dates;
};

struct learn_table {
    uint32_t drives;
    int64_t from_ms, to_ms; /* when the first began, the last ended */
    struct learn_hour_row hours[LEARN_HOURS];
    double tau2, phi_s;
    size_t row_count;
    struct learn_row *rows; /* by level, place and period */
};

/* PT_E_NOTFOUND: fewer than LEARN_DRIVES_MIN drives. PT_E_NOMEM. Takes about
 * a second for a million passages. The caller gives `ret` to
 * learn_table_clear(). */
PT_MUST_CHECK enum pt_err learn_fit(struct learn *learn,
                                    struct learn_table *ret);
void learn_table_clear(struct learn_table *table); /* cleared is fine */

/* Milliseconds of every directed edge in an hour of the week, as
 * roads_metric_timed() takes them: 0 where the profile does not drive. Rows of
 * other edges than the network has are passed over. PT_E_NOMEM. `ret` has
 * room for two for each edge. */
PT_MUST_CHECK enum pt_err learn_times(const struct learn_table *table,
                                      const struct learn_streets *streets,
                                      unsigned hour, uint32_t *ret);

/* ----------------------------------------------------------------- ranges */
struct learn_range {
    double low_s, high_s; /* 10 % and 90 % */
    double middle_s;
    double spread_below, spread_above; /* of the logarithm */
};

/* Of a drive that takes `predicted_s` by the times of that hour, with
 * `other_s` before or after it that does not vary, and where it begins is
 * known to `place_s` seconds (one standard deviation).
 *
 * Where drives were seen on fewer than LEARN_DATES dates nobody knows how
 * dates differ: then the logarithm has LEARN_DATES_SPREAD more, and half
 * again as much variance where there were none. That is an estimate: of 0.15,
 * 0.2, 0.25 and 0.3 it is the one by which the ranges of one morning in Porto
 * (700 trips learned, 300 judged) came nearest to holding 80 % of those judged,
 * so those trips are no proof of it. */
#define LEARN_DATES 3
#define LEARN_DATES_SPREAD 0.2
struct learn_range learn_range_of(const struct learn_table *table,
                                  unsigned hour, double predicted_s,
                                  double other_s, double place_s);
/* The chance to be there within so many seconds, 0..1. */
double learn_within(const struct learn_range *range, double other_s,
                    double promise_s);

/* --------------------------------------------------------------- passages */
/* A drive, street by street, with the times between fixes shared out as
 * `metric` has them. */
struct learn_passage {
    uint32_t directed;
    double share;     /* of the edge's length, 0..1 */
    uint32_t turn_ms; /* the metric's, to turn into it */
    double took_s;    /* with the turn */
    int64_t began_ms;
};

/* `ret` is the caller's to free(), NULL when there are none. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err learn_passages(const struct roads_metric *metric,
                                         const struct match_fix *fixes,
                                         const struct match_drive *drive,
                                         struct learn_passage **ret,
                                         size_t *count);

#endif

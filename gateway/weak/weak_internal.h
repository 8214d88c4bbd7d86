#ifndef WEAK_INTERNAL_H
#define WEAK_INTERNAL_H
/* What the files of weak share.
 *
 * weak.c    units in time at each mission, and units that fail
 * streets.c which streets to try, and what their closing uncovers
 * past.c    hours of the week, from the database */
#include "weak.h"

struct weak {
    struct weak_wish wish;
    struct coverage_settings settings;
    struct coverage_basis *basis;
    struct roads *roads;
    struct weak_unit *units;
    int64_t began_ms;
    char message[256];

    size_t mission_count;
    struct coverage_stop *stops; /* by mission */
    struct weak_mission *missions;
    struct weak_loss *lost_units;
    size_t lost_unit_count;
    struct weak_loss *lost_streets;
    size_t lost_street_count;
    struct weak_tried tried;
    struct weak_hours hours;
};

bool weak_is_stopped(const struct weak *weak);
int64_t weak_spent_ms(const struct weak *weak);
/* Who is in time at each mission: a bit for each unit, `words` of 64 each. */
size_t weak_words(const struct weak *weak);
PT_MUST_CHECK enum pt_err weak_in_time(const struct weak *weak,
                                       const struct coverage_basis *basis,
                                       const struct coverage_unit *units,
                                       uint64_t *ret);
size_t weak_count(const uint64_t *bits, size_t words);
/* Adds to a list that is kept sorted, of WEAK_LIST_MAX; takes `missions` over.
 */
void weak_note(struct weak_loss *list, size_t *count,
               const struct weak_loss *loss);
bool weak_same(const struct weak_loss *a, const struct weak_loss *b);

PT_MUST_CHECK enum pt_err weak_try_streets(struct weak *weak,
                                           const uint64_t *in_time);
PT_MUST_CHECK enum pt_err weak_read_past(struct weak *weak);

#endif

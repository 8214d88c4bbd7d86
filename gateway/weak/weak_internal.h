#ifndef WEAK_INTERNAL_H
#define WEAK_INTERNAL_H
/* What the files of weak share.
 *
 * weak.c    units in time at each mission, and units that fail
 * pieces.c  which pieces of street are closed together
 * streets.c which of them to try
 * trial.c   what their closing uncovers
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
/* Adds to a list that is kept sorted, of WEAK_LIST_MAX; takes what it holds
 * over. */
void weak_note(struct weak_loss *list, size_t *count, struct weak_loss *loss);
bool weak_same(const struct weak_loss *a, const struct weak_loss *b);

void weak_loss_clear(struct weak_loss *loss);

/* pieces.c: the other carriageways of a piece; worked out when first asked
 * for. If one is another's, the other is its. */
struct weak_pieces;
PT_MUST_CHECK enum pt_err weak_pieces_new(const struct roads_metric *metric,
                                          struct weak_pieces **ret);
void weak_pieces_free(struct weak_pieces *pieces); /* NULL is fine */
/* Borrowed until the next call. */
PT_MUST_CHECK enum pt_err weak_pieces_beside(struct weak_pieces *pieces,
                                             uint32_t edge,
                                             const uint32_t **ret,
                                             size_t *count);

/* trial.c: streets closed for a moment. */
struct weak_trial;
PT_MUST_CHECK enum pt_err weak_trial_new(const struct weak *weak,
                                         struct weak_trial **ret);
void weak_trial_free(struct weak_trial *trial); /* NULL is fine */
PT_MUST_CHECK enum pt_err weak_trial_close(struct weak_trial *trial,
                                           const uint32_t *edges, size_t count);
/* Every unit in time at a mission is met, for each direction in which it may
 * set out for that; false ends it. */
PT_MUST_CHECK enum pt_err weak_trial_meet(struct weak_trial *trial,
                                          size_t mission, roads_met met,
                                          void *context);
/* After it: see roads_trial_way(). */
void weak_trial_way(const struct weak_trial *trial, uint32_t directed,
                    bool ahead, void (*each)(void *context, uint32_t edge),
                    void *context);
/* Whether fewer units than the level are in time at a mission. */
PT_MUST_CHECK enum pt_err weak_trial_uncovers(struct weak_trial *trial,
                                              size_t mission, bool *ret);

PT_MUST_CHECK enum pt_err weak_try_streets(struct weak *weak);
PT_MUST_CHECK enum pt_err weak_read_past(struct weak *weak);

#endif

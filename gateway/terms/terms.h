#ifndef TERMS_H
#define TERMS_H
/* terms: by what cover is judged when it is not as now: in another hour of the
 * week, by another profile, with more streets closed or slowed, or none, by
 * other promises. Made of what is in force, which is not touched: only what
 * differs is made anew, the promises over the same time tables, and a metric
 * with its tables for streets, profile and hour. */
#include "closures.h"
#include "coverage.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMS_NOW (-1) /* no other hour */

/* What is in force: the live coverage's basis, the closures (NULL: there are
 * none), and by profile the metrics and the learned times below them; NULL: the
 * network's own. All of one network. */
struct terms_now {
    struct coverage_basis *basis;
    struct closures *closures;
    struct roads_metric *const *metrics;
    struct roads_metric *const *learned;
    size_t profile_count;
    const char *conninfo; /* for another hour; borrowed; NULL: nothing was
                             learned of any */
};

struct terms;

/* Counts what it holds; any thread. */
PT_MUST_CHECK enum pt_err terms_new(const struct terms_now *now,
                                    struct terms **ret);
void terms_free(struct terms *terms); /* NULL is fine */
struct roads *terms_roads(const struct terms *terms);
struct coverage_basis *terms_live(const struct terms *terms);
/* The network knows it; NULL: the one by which cover is told now. */
bool terms_knows(const struct terms *terms, const char *profile);

/* Borrowed for the call. */
struct terms_wish {
    int64_t now_ms;                           /* UTC */
    const struct coverage_settings *settings; /* with other promises, or not */
    bool open;                  /* what is closed now counts as open */
    const struct closure *more; /* closed or slowed besides */
    size_t more_count;
    const char *profile; /* NULL: as now */
    int hour;            /* of the week, as speeds_load_hour(); TERMS_NOW */
    bool (*go_on)(void *context); /* asked between steps; NULL: always */
    void *context;
};

/* On the pool: nothing where all is as it is now, a second for another metric
 * of a city, and what its time tables take. The caller unrefs `ret`.
 * `hour_learned`: whether the other hour's times were ever learned; else those
 * of the profile count. PT_E_NOTFOUND: there is no such profile; PT_E_FULL: the
 * time tables would be too large; PT_E_DB: the hour's times could not be read
 * (`message` says why); PT_E_AGAIN: told not to go on; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err terms_basis(const struct terms *terms,
                                      const struct terms_wish *wish,
                                      struct coverage_basis **ret,
                                      bool *hour_learned, char *message,
                                      size_t message_size);

#endif

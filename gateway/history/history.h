#ifndef HISTORY_H
#define HISTORY_H
/* history: what cover was, replayed from the stored positions by the code of
 * the live gateway: the same live state, the same matching to streets and
 * moving on along them, the same rule of who counts, the same coverage.
 *
 * What is judged are the missions and zones of today on the network of today:
 * of those before, no map is kept. Streets are closed and slowed as they were
 * then; what was learned for an hour of the week counts in it, as it was
 * learned last: of what was learned before nothing is kept. The closure or hour
 * is another at the very moment, where the live gateway takes some hundred ms.
 *
 * A report counts by one of two clocks: when its fix was made (where units
 * were; late reports are in their place), or when it came in (what the gateway
 * knew then, and what it wrote of it). A closure counts from when it began, or
 * not before it was entered.
 *
 * Missions are followed at every report, and whenever a unit has moved on by
 * DISPATCH_RESNAP_M; streets are looked at every step_s. Positions older than
 * the rule allows count for nobody, so that a replay that begins that long
 * before the span knows at its beginning all there is to know.
 *
 * Everything here blocks, for seconds to minutes: pool threads. */
#include "catalog.h"
#include "counts.h"
#include "coverage.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_DAY_MS INT64_C(86400000)
#define HISTORY_SPAN_MAX_MS (92 * HISTORY_DAY_MS)
#define HISTORY_THREADS_MAX 8u
/* Rows of coverage_run_snapshot: (zones + 1) for every step. */
#define HISTORY_SNAPSHOTS_MAX 2000000
/* Times out of cover, of all missions together. */
#define HISTORY_GAPS_MAX 4000000

enum history_clock { HISTORY_BY_FIX, HISTORY_BY_RECEIVED };
/* "fix", "received". */
const char *history_clock_word(enum history_clock clock);

/* False: stop. `share` is 0..1. Called by the thread that asked. */
typedef bool (*history_progress)(void *context, double share,
                                 const char *phase);

struct history_wish {
    const char *conninfo;
    struct coverage_settings coverage;
    struct counts_rule rule;
    enum history_clock clock;
    int64_t from_ms, to_ms; /* UTC; from before to, to at most now */
    int64_t step_s;         /* between snapshots of streets; 0: none */
    /* Missions, too, are looked at only then, and nobody's passes: every
     * snapshot is what it would be otherwise, and what is between them counts
     * as it was at the one before. step_s is not 0. */
    bool at_steps;
    double pass_m;    /* a unit that comes so near has passed by */
    unsigned threads; /* 1..HISTORY_THREADS_MAX */
    struct catalog *catalog;
    struct roads *roads;          /* prepared */
    const char *profile;          /* NULL: the first */
    struct coverage_basis *basis; /* of these: all is judged by it; NULL: by the
                                     closures and learned times of then */
    history_progress progress;
    void *context;
};

/* Answers the question: by a row of patrol.coverage_run that was made of the
 * same, while no report of the span has come in since; else by a replay, which
 * is kept there. `ret` is its run_id. PT_E_AGAIN: was told to stop. PT_E_RANGE:
 * the span, the step or the profile. PT_E_FULL: a limit above; PT_E_DB,
 * PT_E_NOMEM. `message` says more. */
PT_MUST_CHECK enum pt_err history_run(const struct history_wish *wish,
                                      uint32_t *ret, char *message,
                                      size_t message_size);

/* How it was at a moment of a span; borrowed for the call. */
struct history_look {
    int64_t at_ms;
    unsigned hour; /* of the week, by the clocks of the most zones ... */
    const char *time_zone;           /* ... which are these */
    const struct coverage *coverage; /* units, missions and basis of then */
};
typedef enum pt_err (*history_looker)(void *context,
                                      const struct history_look *look);
/* Goes through the span and looks every step_s, from from_ms on. Nothing is
 * kept. `look` is called by other threads, in any order, but by one at a time;
 * what it returns ends it all unless PT_OK. Errors as above. */
PT_MUST_CHECK enum pt_err history_watch(const struct history_wish *wish,
                                        history_looker look, void *context,
                                        char *message, size_t message_size);

/* How it was at to_ms; from_ms and step_s are passed over. */
struct history_moment {
    struct coverage *coverage; /* with its streets */
    size_t unit_count;
    uint32_t *unit_ids; /* by slot of the coverage */
    uint64_t fixes;     /* that it rests on */
};
/* Errors as above. The caller gives `ret` to history_moment_free(). */
PT_MUST_CHECK enum pt_err history_at(const struct history_wish *wish,
                                     struct history_moment **ret, char *message,
                                     size_t message_size);
void history_moment_free(struct history_moment *moment); /* NULL is fine */

#endif

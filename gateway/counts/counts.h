#ifndef COUNTS_H
#define COUNTS_H
/* counts: which units count for coverage, and from where they would drive,
 * when. One rule for live coverage and for what was or would be. */
#include "catalog.h"
#include "coverage.h"
#include "dispatch.h"
#include "fleet.h"
#include <stdbool.h>
#include <stdint.h>

struct counts_rule {
    bool busy_too; /* units on work that they can leave */
    /* From the order until it drives: an available unit, a busy one. */
    int64_t turnout_s, busy_turnout_s;
    int64_t position_max_s; /* one with an older position does not count */
};

/* Whether a unit of that kind counts with that status; then in `late_ms` how
 * long it takes to set out. Any thread. */
bool counts_sets_out(const struct counts_rule *rule, const char *kind,
                     enum pt_status status, uint32_t *late_ms);

/* The unit of a slot as coverage_put() takes it, where dispatch has put it; its
 * edge is ROADS_NONE when it does not count: not known to the catalog, on foot,
 * without a place on the road, or of another status. The thread of dispatch and
 * fleet. */
struct coverage_unit counts_unit(const struct counts_rule *rule,
                                 const struct catalog *catalog,
                                 const struct dispatch *dispatch,
                                 struct fleet *fleet, uint32_t slot);

#endif

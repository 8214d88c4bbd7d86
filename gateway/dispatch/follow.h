#ifndef DISPATCH_FOLLOW_H
#define DISPATCH_FOLLOW_H
/* follow: on which street each unit is, and which way it drives. Reports are
 * matched to streets in the light of those before (match.h); between reports
 * a unit moves on along its street as it is reckoned to. Loop thread. */
#include "fleet.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct follow;

/* Counts the network. Memory: 1.4 kB a unit that was heard. */
PT_MUST_CHECK enum pt_err follow_new(struct roads *roads, size_t max_units,
                                     struct follow **ret);
void follow_free(struct follow *follow); /* NULL is fine */

struct follow_place {
    struct roads_place place; /* distance_m: of the report from the street */
    uint32_t directed;        /* the way it drives, as far as is known */
};

/* Takes in what it reported, if that is new: what follow_unit() does first.
 * Whether that was put onto a street, and one that it may be on, in `edge`;
 * else follow_unit() looks farther. */
bool follow_report(struct follow *follow, uint32_t slot,
                   const struct fleet_unit *unit, uint32_t *edge);

/* Where `unit`, which has a fix and stands in `slot`, is at `now_ms`. False
 * when no street is within DISPATCH_ACCESS_MAX_M. */
bool follow_unit(struct follow *follow, uint32_t slot,
                 const struct fleet_unit *unit, int64_t now_ms,
                 struct follow_place *ret);

#endif

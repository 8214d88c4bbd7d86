#ifndef PATROLCTL_UNIT_TEXT_H
#define PATROLCTL_UNIT_TEXT_H
/* A unit of the gateway's (Unit of openapi.yaml) for people. */
#include "patrolctl_internal.h"

#define CTL_UNIT_COLUMNS                                                     \
    "unit|kind|status|>position|place|>km/h|connected|>waiting|capabilities" \
    "|remarks"
void ctl_unit_row(struct ctl_table *table, const json_t *unit);

/* What somebody should know or see to, most urgent first; empty: nothing. */
#define CTL_REMARKS_BYTES 256
void ctl_unit_remarks(const json_t *unit, char out[CTL_REMARKS_BYTES]);

/* A line for each part that an answer lacks (its "degraded"), before the table
 * that may be wrong for want of it. */
void ctl_print_degraded(const json_t *answer);
/* One such line, of an element of it or of the data of an event. */
void ctl_print_part(const json_t *part);

/* All that is known: rows of two columns. */
void ctl_unit_facts(struct ctl_table *table, const json_t *unit);

#endif

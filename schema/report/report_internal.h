#ifndef PT_REPORT_INTERNAL_H
#define PT_REPORT_INTERNAL_H
/* What encoder and decoder must agree on. */
#include "report.h"

/* The columns of report.proto, first entry and differences. */
enum column {
    COLUMN_SEQ,
    COLUMN_TIME,
    COLUMN_LAT,
    COLUMN_LON,
    COLUMN_SPEED,
    COLUMN_COURSE,
    COLUMN_ACCURACY,
    COLUMN_FLAGS,
    COLUMN_COUNT
};

/* The difference that stands for "as usual": a column of nothing else is
 * left out. */
static inline int64_t column_usual(enum column column)
{
    return column == COLUMN_SEQ ? 1 : 0;
}

/* The bits that `flags` on the wire may have: flags, status << 8 and
 * kind << 12. */
#define WIRE_FLAGS_MAX 0xFFFF

/* Limits of the fields beside the entries. */
bool state_valid(const struct pt_vehicle_state *state);
bool held_valid(const struct pt_report *report);
bool seen_valid(const struct pt_seen *seen);

#endif

#ifndef SITING_INTERNAL_H
#define SITING_INTERNAL_H
/* What the files of siting share.
 *
 * sample.c  any street as a candidate
 * siting.c  what each candidate covers
 * choose.c  which of them cover most */
#include "siting.h"

#define SITING_UNITS_OF_WEIGHT 1000.0 /* the search counts in whole ones */

struct demand {
    enum siting_kind kind;
    uint32_t index; /* mission, point or piece of street */
    struct coverage_stop stop;
};

struct candidate {
    struct coverage_unit unit; /* as it would stand by there */
    bool kept;
    size_t index;
};

struct siting {
    const struct siting_wish *wish;
    const struct catalog *catalog; /* while it is made */
    size_t mission_count;
    int64_t began_ms, matrix_ms;
    double spacing_m;
    size_t off_road;
    size_t demand_count, demand_room;
    struct demand *demands; /* missions, then the others */
    size_t mission_demands;
    uint64_t *weight; /* by demand */
    size_t weight_room;
    size_t candidate_count;
    struct candidate *candidates; /* kept ones first */
    size_t *first;
    uint32_t *covers;
    size_t pair_count, pair_room;
    uint32_t *eta_ms; /* of one candidate, by mission */
};

int64_t siting_clock_ms(void);

#endif

#ifndef SPEEDS_INTERNAL_H
#define SPEEDS_INTERNAL_H
/* What the parts of speeds share: streets.c (facts about the network),
 * drives.c (positions into drives), write.c and load.c (the tables), speeds.c
 * (learning as a whole). */
#include "asking.h"
#include "speeds.h"

#define CLASS_BYTES 64

/* What the database knows of the streets of a network in force. */
struct streets {
    size_t class_count;
    char classes[LEARN_CLASSES_MAX][CLASS_BYTES];
    uint8_t *class_of; /* for each edge */
    char time_zone[SPEEDS_ZONE_BYTES];
    char emergency[ROADS_PROFILE_NAME]; /* "": no profile is */
};
/* PT_E_AGAIN: another network is in force. */
PT_MUST_CHECK enum pt_err streets_read(const struct asking *a,
                                       const struct roads *roads,
                                       struct streets *ret);
void streets_clear(struct streets *streets);

/* Fixes of all units become drives, and are handed to those who learn. */
struct drives {
    const struct asking *asking;
    const struct speeds_wish *wish;
    struct speeds_told *told;
    const char *time_zone;
    struct match *match;
    struct learn *learners[2]; /* patrol, blue light; the second may be NULL */
    double km[2];
    uint64_t expected; /* fixes, about */
};
PT_MUST_CHECK enum pt_err drives_take(struct drives *drives);

PT_MUST_CHECK enum pt_err tables_write(const struct asking *a,
                                       const struct roads *roads,
                                       const struct streets *streets,
                                       const char *profile,
                                       const struct learn_table *table);
/* PT_E_NOTFOUND: nothing was learned of that profile. */
PT_MUST_CHECK enum pt_err table_read(const struct asking *a,
                                     const char *profile,
                                     struct learn_table *ret);

#endif

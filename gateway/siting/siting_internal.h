#ifndef SITING_INTERNAL_H
#define SITING_INTERNAL_H
/* What the files of siting share.
 *
 * sample.c  any street: which of its pieces are candidates
 * siting.c  what each candidate covers, and the answer */
#include "siting.h"

/* The middles of pieces of street in `zone` (NULL: anywhere), no two nearer to
 * each other than the spacing and no other piece farther than it from one;
 * `*spacing_m` 0: the least of 20 m and up by quarters of which there are no
 * more than `max`. The caller frees `ret`. PT_E_FULL: a given spacing makes
 * more. */
PT_MUST_CHECK enum pt_err siting_sample(const struct coverage_basis *basis,
                                        const struct catalog_zone *zone,
                                        size_t max, double *spacing_m,
                                        struct roads_place **ret,
                                        size_t *count);

#endif

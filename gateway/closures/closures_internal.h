#ifndef CLOSURES_INTERNAL_H
#define CLOSURES_INTERNAL_H
/* What the files of closures share.
 *
 * closures.c  the closures themselves
 * load.c      from the database
 * match.c     their pieces on a network
 * view.c      which are in force, and their metrics
 * names.c     which streets are called as typed
 * corners.c   where two of them meet
 * section.c   which parts of a street hang together, and end where
 * street.c    what is meant by what was typed */
#include "closures.h"
#include <stdatomic.h>

struct closures {
    atomic_uint references;
    size_t count; /* by closure_id */
    struct closure *items;
};

void closures_piece_clear(struct closures_piece *piece);
double closures_line_m(const struct geo_point *points, size_t count);

/* -------------------------------------------------------------- match.c */
/* Where pieces lie on a network. */
struct closures_part {
    uint32_t directed; /* as the piece is written */
    double share;      /* of the edge that the piece covers */
};

/* The edges of the ways that some pieces name. */
struct closures_ways {
    const struct roads *roads;
    size_t count;
    struct closures_way {
        int64_t way_id;
        uint32_t edge;
    } * items; /* by way and edge */
};

PT_MUST_CHECK enum pt_err closures_ways_new(const struct roads *roads,
                                            const struct closures *closures,
                                            struct closures_ways *ret);
void closures_ways_clear(struct closures_ways *ways);

struct closures_parts {
    size_t count, room;
    struct closures_part *items;
};

/* Appends what a piece lies on; `lost_m`: so much of it on nothing. */
PT_MUST_CHECK enum pt_err
closures_match_piece(const struct closures_ways *ways,
                     const struct closures_piece *piece,
                     struct closures_parts *parts, double *lost_m);

/* Two places of the same names so near to each other are one: the two
 * carriageways of a street. */
#define CLOSURES_SAME_PLACE_M 120.0

/* -------------------------------------------------------------- names.c */
/* How well a name fits what was typed, both folded: 0 the very one, then by
 * how many words more it has; CLOSURES_NO_FIT. */
#define CLOSURES_BEGINNINGS 1000 /* and more: words only begin so */
#define CLOSURES_NO_FIT INT32_MAX
int32_t closures_fit(const char *name, const char *typed);

/* Edges of streets that fit, the best first; of equal ones by name. */
struct closures_street {
    int32_t fit;
    uint32_t name; /* number of the folded name, in order of appearance */
    uint32_t edge;
};

struct closures_streets {
    size_t count, room;
    struct closures_street *items;
    size_t name_count, name_room;
    char **names; /* folded */
};

/* By some profile; what nobody drives need not be closed. */
bool closures_driven(const struct roads *roads, uint32_t edge);
/* Of more edges the best; "a" begins half of all names. */
#define CLOSURES_FITS_MAX 20000
PT_MUST_CHECK enum pt_err closures_streets_find(const struct roads *roads,
                                                const char *typed,
                                                struct closures_streets *ret);
void closures_streets_clear(struct closures_streets *streets);

/* ------------------------------------------------------------- section.c */
/* Edges of one street, and what of them hangs together. */
struct closures_section {
    size_t count;
    uint32_t *directed; /* forward */
    double length_m;
    struct geo_point from, to; /* its ends; a whole street: its middle twice */
    const char *name;          /* as the map has it, likewise the next two */
    const char *from_name, *to_name;
};

struct closures_sections {
    size_t count, room;
    struct closures_section *items;
};
void closures_sections_clear(struct closures_sections *sections);

/* Appends the parts of a street, `edges`, that lead from where some edges of
 * `from` meet it to where some of `to` do, without passing either. `*met`:
 * bit 0 `from`, bit 1 `to` meet the street at all. */
PT_MUST_CHECK enum pt_err
closures_sections_between(const struct roads *roads,
                          const struct closures_street *edges, size_t count,
                          const struct closures_streets *from,
                          const struct closures_streets *to,
                          struct closures_sections *ret, unsigned *met);
/* Appends the parts of a street that hang together, or nearly so. */
PT_MUST_CHECK enum pt_err
closures_sections_whole(const struct roads *roads,
                        const struct closures_street *edges, size_t count,
                        struct closures_sections *ret);

#endif

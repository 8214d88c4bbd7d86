#ifndef MATCH_H
#define MATCH_H
/* match: which streets a vehicle drove, from fixes that lie beside them.
 *
 * A hidden Markov model (Newson and Krumm, "Hidden Markov Map Matching
 * Through Noise and Sparseness", ACM GIS 2009): the states are places on
 * directed edges near a fix; a fix is the likelier the nearer it lies (normal
 * in metres, and by its course when it tells one), a move the likelier the
 * less its way by road differs from the straight line (exponential).
 *
 * Two uses: a unit's fixes one at a time, as they come (match_follow), and a
 * whole drive afterwards, where later fixes correct earlier ones
 * (match_drive). One thread at a time per `struct match`. */
#include "geo.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_FIXES_MAX 1000000 /* of one drive */
#define MATCH_CANDIDATES 32     /* places considered for one fix */

struct match_settings {
    double noise_m;  /* standard deviation of a fix, when it tells no worse */
    double detour_m; /* by how much a way differs from the straight line */
    double reach_m;  /* streets farther from a fix are not considered */
    int64_t gap_ms;  /* after a longer silence all begins anew */
};
extern const struct match_settings match_defaults;

struct match_fix {
    int64_t time_ms;
    struct geo_point at;
    double accuracy_m; /* 95 % of the error; below 0: not said */
    double course_deg; /* below 0: not said */
    double speed_mps;  /* below 0: not said */
};

/* A place and which way one drives there. */
struct match_place {
    uint32_t directed; /* edge, or ROADS_NONE: none */
    double travelled;  /* share of the edge that lies behind, 0..1 */
    double distance_m; /* of the fix from it */
};

struct match;
/* Counts the network. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err match_new(struct roads *roads,
                                    const struct match_settings *settings,
                                    struct match **ret);
void match_free(struct match *match); /* NULL is fine */

/* ------------------------------------------------------------ one at a time */
struct match_candidate {
    uint32_t directed;
    uint32_t from; /* candidate of the fix before */
    double travelled;
    double distance_m;
    double score; /* logarithm; the best of a fix has 0 or less */
};
struct match_layer {
    struct match_fix fix;
    size_t count;
    struct match_candidate candidates[MATCH_CANDIDATES];
};
/* What is believed of one unit. Zeroed: nothing yet. It belongs to the
 * network of the `match` it was followed with; zero it for another. */
struct match_track {
    bool begun;
    int64_t heard_ms; /* time of the newest fix, whether it told much or not */
    struct match_layer layer;
};

/* The likeliest place, given this fix and those before it. A fix that is not
 * after the last, or hardly away from it, is placed but changes no belief: a
 * standing car's noise must not turn it round. PT_E_OFFROAD when no street is
 * within reach; the track begins anew with the next. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err match_follow(struct match *match,
                                       struct match_track *track,
                                       const struct match_fix *fix,
                                       struct match_place *ret);

/* Where such a fix would be put if it came; nothing is changed. */
PT_MUST_CHECK enum pt_err match_guess(struct match *match,
                                      const struct match_track *track,
                                      const struct match_fix *fix,
                                      struct match_place *ret);

/* ------------------------------------------------------------ whole drives */
struct match_piece { /* a way without a break */
    size_t first_edge;
    size_t edge_count;
    size_t first_fix, last_fix; /* the fixes it is made of lie among these */
};
struct match_drive {
    size_t piece_count;
    struct match_piece *pieces;
    size_t edge_count;
    uint32_t *edges; /* directed, in order of travel, of all pieces */
    size_t fix_count;
    struct match_place *places; /* for each fix; none where it was not used:
                                   hardly away from the one before, off the
                                   road, or not to be reached */
};

/* `fixes` ascend in time (one that does not is not used). PT_E_RANGE above
 * MATCH_FIXES_MAX, PT_E_NOMEM. A drive without any street near it has no
 * pieces. The caller gives `ret` to match_drive_clear(). */
PT_MUST_CHECK enum pt_err match_drive(struct match *match,
                                      const struct match_fix *fixes,
                                      size_t count, struct match_drive *ret);
void match_drive_clear(struct match_drive *drive); /* cleared is fine */

#endif

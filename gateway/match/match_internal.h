#ifndef MATCH_INTERNAL_H
#define MATCH_INTERNAL_H
/* What the parts of match share: ways.c (shortest ways from a place),
 * match.c (candidates and one step of the model), drive.c (whole drives). */
#include "match.h"

/* Turning round in mid-street costs as much as this many metres of detour. */
#define MATCH_TURN_ROUND_M 60.0

/* Of a directed edge: what a search needs of it, in one place. */
struct match_label {
    uint32_t first_turn; /* those out of it, up to the next label's */
    float length_m;
    uint32_t search; /* that wrote the rest */
    uint32_t wanted; /* layer that has a candidate here */
    uint32_t before; /* directed edge one came by */
    bool driven;
    bool settled;
    bool first;     /* `before` is where the search began */
    double start_m; /* from the beginning to this edge's start */
};

struct match_queued {
    double start_m;
    uint32_t directed;
};

struct match {
    struct roads *roads;
    struct match_settings settings;
    uint32_t *turns;
    struct match_label *labels; /* for each directed edge, and one */
    uint32_t search, layer;     /* counters */
    size_t wanted;              /* edges that the search has not come to */
    size_t heap_count, heap_room;
    struct match_queued *heap;
};

/* Marks the edges where searches may end, until the next call; how many. */
size_t match_want(struct match *match, const struct match_layer *layer);
/* Shortest ways in metres from a place, for `wanted` edges to be known. */
PT_MUST_CHECK enum pt_err match_search(struct match *match,
                                       const struct match_candidate *from,
                                       size_t wanted);
/* Goes on with it until all are known that begin no farther than `limit_m`:
 * what was asked before, or more. `over`: there are no others. PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err match_search_to(struct match *match, double limit_m,
                                          bool *over);
/* As far as it was searched: metres to a place; INFINITY when not found.
 * Slipping back by at most `slack_m` on the same edge is standing still.
 * `straight`: not by the search, but on within the street. */
double match_way_m(const struct match *match,
                   const struct match_candidate *from,
                   const struct match_candidate *to, double slack_m,
                   bool *straight);

double match_spread_m(const struct match *match, const struct match_fix *fix);
/* Farthest way worth looking for between two fixes. */
double match_limit_m(const struct match_layer *from,
                     const struct match_layer *to);
/* The places near a fix, each with the logarithm of how well it fits. */
void match_look(const struct match *match, const struct match_fix *fix,
                struct match_layer *ret);
/* Scores `to` by the moves from `from`; `reached` false when there is none:
 * `to` is as it was then. */
PT_MUST_CHECK enum pt_err match_step(struct match *match,
                                     const struct match_layer *from,
                                     struct match_layer *to, bool *reached);
size_t match_best(const struct match_layer *layer);

#endif

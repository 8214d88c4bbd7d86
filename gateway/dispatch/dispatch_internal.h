#ifndef DISPATCH_INTERNAL_H
#define DISPATCH_INTERNAL_H
/* What the files of dispatch share.
 *
 * dispatch.c  who comes first, and why the others do not
 * stand.c     units onto streets, in the tick
 * around.c    what a closed street has changed in an answer */
#include "dispatch.h"
#include "follow.h"

#define NONE UINT32_MAX
#define NEVER INT64_MAX

/* What is known of a catalog unit while a query runs: a reason to leave it
 * out (enum dispatch_exclusion), or one of these. */
enum verdict {
    WANTED_FRESH = LEFT_OUT_COUNT,
    WANTED_OLD,
    CHOSEN,
    VERDICT_COUNT,
};

/* What of a fleet unit decides whether it may be asked, packed: a query looks
 * at all of them. Written when the unit has changed (stand()). */
struct standing_of {
    int64_t fix_time_ms;
    int64_t old_at_ms; /* fleet_old_at_ms() */
    uint8_t verdict;   /* but for its age: LEFT_OUT_NO_FIX, _STATUS, _OFF_ROAD,
                          or WANTED_FRESH */
};

/* The newest fix when a unit was last put onto a street. */
struct placed {
    int64_t fix_time_ms;
    uint32_t unit_id;
};

/* Who is to be put onto a street once somebody asks: as it was when it would
 * have been otherwise. */
struct unsettled {
    bool waits;
    int64_t now_ms;
    struct fleet_unit unit;
};

/* A unit of the catalog, and where it is in the fleet; kept from query to
 * query until either changes. */
struct known {
    uint64_t capability_bits;
    uint32_t slot; /* or NONE */
    bool on_foot;
};

/* The scratch below is made with the first query that needs it and grows with
 * the fleet and the catalog: a query itself allocates nothing. */
struct dispatch {
    struct dispatch_settings settings;
    size_t max_units;
    struct roads *roads; /* NULL: none loaded */
    /* By profile: with what is closed; NULL: the network's own. */
    struct roads_metric *metrics[ROADS_PROFILES_MAX];
    /* By profile: with the times that were learned; NULL: its own. */
    struct roads_metric *learned[ROADS_PROFILES_MAX];
    struct roads_standing *standing;
    struct roads_search *search;
    size_t stood; /* slots at or above this are not on `standing` */
    struct standing_of *standings; /* by slot; max_units of them */
    struct roads_place *stood_at;  /* likewise; edge ROADS_NONE: nowhere */
    struct roads_place *from_at;   /* likewise; another one where that street
                                      is closed */
    struct placed *placed;         /* likewise */
    struct unsettled *unsettled;   /* likewise; NULL unless when_asked */
    struct follow *follow;         /* on which streets; with the roads */
    int64_t *moved_ms;  /* likewise: when it has moved on enough; or NEVER */
    int64_t now_ms;     /* of the last dispatch_follow() */
    int64_t resnap_ms;  /* nobody has moved on enough before */
    size_t resnap_next; /* slot at which a search under way goes on */
    uint32_t *moved;    /* slots, each once; room for max_units */
    size_t moved_count;
    uint64_t *has_moved; /* a bit for each slot */

    uint64_t catalog_generation; /* what `known` and `index_of` were */
    uint64_t fleet_shape;        /* made of; 0: of nothing yet */

    size_t slot_room;
    uint32_t *index_of; /* by slot: index in the catalog, or NONE */
    struct roads_arrival *arrivals;
    struct ranked *ranked;
    size_t unit_room;
    struct known *known; /* by index in the catalog */
    uint8_t *verdicts;   /* likewise */
    struct dispatch_left_out *left_out;
    struct dispatch_candidate units[DISPATCH_K_MAX];
    uint32_t changed[DISPATCH_CHANGED_MAX];
};

struct ranked {
    uint32_t slot;
    uint32_t drive_ms;
    uint32_t start_ms;
    int64_t eta_ms; /* with start and the unit's access; not the target's */
    double distance_m;
};

void dispatch_drop_roads(struct dispatch *dispatch);

/* What answers would be made of were nothing closed, by the profile of that
 * name. There is a network; NULL when it has no such profile. */
const struct roads_metric *dispatch_open(const struct dispatch *dispatch,
                                         const char *profile);
/* Later searches are those of a profile. PT_E_RANGE: there is none. */
PT_MUST_CHECK enum pt_err dispatch_use(struct dispatch *dispatch,
                                       const struct roads_metric *metric);

/* `answer` is that of `query`, `target` where the query's point meets the road
 * while nothing is closed: fills in what has changed. */
PT_MUST_CHECK enum pt_err dispatch_compare(struct dispatch *dispatch,
                                           struct fleet *fleet,
                                           const struct dispatch_query *query,
                                           const struct roads_place *target,
                                           struct dispatch_answer *answer);

#endif

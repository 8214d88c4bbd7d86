#ifndef COVERAGE_INTERNAL_H
#define COVERAGE_INTERNAL_H
/* What the files of coverage share.
 *
 * basis.c     missions on their streets, time tables, zones' streets
 * coverage.c  units, and who is first at each mission
 * alarms.c    what is below its level, and for how long
 * streets.c   the first at every street
 * gaps.c      streets out of cover that hang together
 * reach.c     from where nobody stands
 * areas.c     those as areas */
#include "coverage.h"
#include <stdatomic.h>

struct piece {
    uint32_t edge;
    uint32_t promise_ms; /* 0: none */
    float length_m;
    float middle; /* share of its edge */
};

struct basis_mission {
    struct roads_place place; /* edge ROADS_NONE: off the road */
    uint32_t access_ms;
    uint32_t promise_ms; /* 0: none, or off the road */
};

/* Which of a number of things lie in each zone: those of zone z are
 * items[first[z]] to items[first[z + 1] - 1]. */
struct members {
    uint32_t *first;
    uint32_t *items;
};

struct coverage_basis {
    atomic_uint references;
    struct coverage_settings settings;
    struct catalog *catalog;
    struct coverage_metrics metrics;
    struct roads *roads; /* held, as are all but `open`, which is its own */
    struct roads_tables *tables;
    uint32_t start_ms; /* that a drive takes beside the driving */

    size_t mission_count, zone_count, piece_count;
    struct basis_mission *missions;
    struct piece *pieces;
    uint32_t *first_piece; /* of each edge; edge_count + 1 */
    struct members zone_missions, zone_pieces, mission_zones;
    int *zone_promise_s;          /* of each zone; 0: none */
    struct coverage_basis *whose; /* counted: the tables are its; NULL: own */
};

/* The first units at a mission, by arrival. Whoever is not in the list needs
 * `floor_ms` at least: the list is full or everybody is in it. It is filled
 * anew when fewer than BEST_NEEDED are left in it and there may be others:
 * COVERAGE_FOLD to tell of, and one to know what is lost without them. */
#define BEST_MAX 16u
#define BEST_NEEDED (COVERAGE_FOLD + 1)
struct best {
    uint32_t count;
    uint32_t slot[BEST_MAX];
    uint32_t ms[BEST_MAX]; /* without the mission's own access */
};

struct watched { /* a mission or a zone */
    bool below;
    bool lost;
    int64_t turned_ms; /* when `below` became what it is */
    int64_t since_ms;  /* when what was lost fell below */
};

struct zone_count {
    size_t missions, off_road, promised;
    size_t within[COVERAGE_FOLD];
};

struct zone_streets {
    double length_m;
    double within_m[COVERAGE_FOLD];
};

struct coverage {
    struct coverage_settings settings;
    size_t max_units;
    struct coverage_basis *basis;

    size_t slots, slot_room;
    struct coverage_unit *units; /* by slot; edge ROADS_NONE: none */
    size_t unit_count;
    int64_t expiry_ms; /* nobody's time is over before */

    size_t words;       /* of 64 missions each */
    uint64_t *in;       /* by slot, `words` each: whose lists it is in */
    struct best *bests; /* by mission */
    uint32_t *floor_ms; /* by mission; ROADS_NONE: everybody is in */
    uint8_t *within;    /* by mission: in time, up to BEST_NEEDED */
    uint32_t *times;    /* of the unit being put, by mission */

    struct watched *missions; /* by index */
    struct watched *zones;
    struct zone_count *counts; /* by zone, and one for all */
    int64_t alarm_ms;          /* no alarm falls due before */
    size_t gone_count;         /* that were lost and are not there any more */
    struct coverage_alarm *gone;

    coverage_turned turned; /* NULL: nobody */
    void *turned_context;

    bool job_under_way;
    struct coverage_streets *streets; /* the last that came to an end */
    struct roads_spread *spread;      /* kept for the next */
    size_t spread_slots;
    struct roads_places *places; /* as well; of the basis' pieces */
};

struct coverage_streets {
    atomic_uint references;
    struct coverage_basis *basis;
    bool figures_only;
    int64_t at_ms;
    size_t slots;
    struct coverage_unit *units;
    struct roads_spread *spread; /* NULL: to be made */
    size_t spread_slots;
    struct roads_places *places; /* with figures_only; NULL: to be made */
    uint32_t (*first_ms)[COVERAGE_FOLD]; /* by piece; not with figures_only */
    struct zone_streets *zones;
    size_t gap_count;
    struct coverage_gap *gaps;
    struct coverage_line *lines;
    uint32_t *missions;
};

static inline uint32_t later(uint32_t ms, uint32_t by_ms)
{
    return ms >= ROADS_NONE - 1 - by_ms ? ROADS_NONE : ms + by_ms;
}

/* A drive with its start. A longer drive never takes less. */
static inline uint32_t coverage_with_start(const struct coverage_basis *basis,
                                           uint32_t drive_ms)
{
    if (drive_ms >= ROADS_FAR_MS)
        return ROADS_NONE;
    return drive_ms + roads_start_of(drive_ms, basis->start_ms,
                                     basis->settings.start_share);
}

/* basis.c: what is promised at a point. */
uint32_t coverage_promise_ms(const struct coverage_basis *basis,
                             struct geo_point at);

/* alarms.c */
void coverage_judge_mission(struct coverage *c, size_t index, int64_t now_ms);
void coverage_judge_zone(struct coverage *c, size_t zone, int64_t now_ms);
/* The states of `before`, whose basis was `old`, become those of the same
 * missions and zones in `c`. */
PT_MUST_CHECK enum pt_err coverage_keep_alarms(struct coverage *c,
                                               const struct coverage_basis *old,
                                               const struct watched *missions,
                                               const struct watched *zones,
                                               int64_t now_ms);

/* gaps.c: on the pool, once first_ms is known. */
PT_MUST_CHECK enum pt_err coverage_find_gaps(struct coverage_streets *job);
bool coverage_out_of_time(const struct piece *piece, uint32_t ms);
uint32_t coverage_piece_of(const struct coverage_basis *basis,
                           const struct roads_place *place);
/* The line of a piece. */
struct coverage_line coverage_piece_line(const struct coverage_basis *basis,
                                         uint32_t piece);

#endif

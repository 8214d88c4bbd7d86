#ifndef COVERAGE_H
#define COVERAGE_H
/* coverage: who would be where in time, by road, were a call to come now.
 *
 * Missions, after every fix: the time tables (roads.h) tell a unit's seconds
 * to all missions by look-ups, and each mission keeps the first units to
 * arrive. Streets, now and then: one spread gives the first three at the
 * middle of every piece of street, a pool thread's work.
 *
 * A unit's time to a place is what it takes to set out (its crew), its way to
 * the road, the drive and what the profile adds to one (roads_start_ms(), at
 * most start_share times the drive), and the way from the road to the place.
 * A mission and a piece of street have one promise each: that of the smallest
 * zone that holds the mission's point, the piece's middle, as dispatch has it;
 * else the setting's. A street is cut into equal pieces of up to
 * COVERAGE_PIECE_M, each judged and counted in its middle; what is apart from
 * the rest of the network (roads_edge_apart()) is not among the streets. Zones
 * count all that lies in them; a mission that is given to a zone counts in it
 * wherever it lies.
 *
 * A basis never changes once filled, and may be shared by threads. A coverage
 * belongs to one thread at a time: the live one to the loop; one of its own
 * answers what was or would be, on the pool. */
#include "catalog.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COVERAGE_FOLD 3u /* so many units a mission and street are told of */
#define COVERAGE_PIECE_M 250.0

struct coverage_promise {
    uint32_t zone_id;
    int promise_s; /* 0: none */
};

struct coverage_settings {
    int promise_s; /* where no zone gives one; 0: none */
    /* What is promised instead, to see what that would mean: in some zones,
     * and, above 0, everywhere else. Borrowed until the basis is filled. */
    const struct coverage_promise *promises;
    size_t promise_count;
    int every_promise_s;
    unsigned level; /* units that a mission is to have in time: 1..3 */
    /* Of a zone's missions so many are to have them: 1..100. */
    unsigned zone_percent;
    /* Below its level, or back at it, for so long before that is told. */
    int64_t lost_after_ms, regained_after_ms;
    double reach_m;                        /* from a place to a road */
    double (*access_s)(double off_road_m); /* any thread */
    unsigned start_share;
    size_t tables_max_bytes;
    /* Of streets nothing is asked: a basis knows none, and
     * coverage_streets_begin() gives PT_E_NOTFOUND. */
    bool missions_only;
};

/* ------------------------------------------------------------------- basis */
/* What does not change with the units: the time tables of a catalog's
 * missions by one metric, and which streets lie in which zone. Counted. */
struct coverage_basis;

struct coverage_metrics {
    const struct roads_metric *now;   /* by whose rules units drive */
    const struct roads_metric *open;  /* the network's own of that profile */
    const struct roads_metric *first; /* of the first profile: where its units
                                         stand and arrive all others' do */
};

/* Holds the catalog and the metrics. Any thread. */
PT_MUST_CHECK enum pt_err coverage_basis_new(
    const struct coverage_settings *settings, struct catalog *catalog,
    const struct coverage_metrics *metrics, struct coverage_basis **ret);
/* On the pool, once, before it is used or shared: some ms a mission and some a
 * ten thousand streets. PT_E_FULL: the tables would be larger than the setting;
 * PT_E_RANGE: the metric is not prepared. */
PT_MUST_CHECK enum pt_err coverage_basis_fill(struct coverage_basis *basis);
/* Before it is filled: it uses the time tables of `of`, a filled one (held).
 * PT_E_RANGE: that is of another catalog, or of other metrics. */
PT_MUST_CHECK enum pt_err coverage_basis_share(struct coverage_basis *basis,
                                               struct coverage_basis *of);
struct coverage_basis *coverage_basis_ref(struct coverage_basis *basis);
void coverage_basis_unref(struct coverage_basis *basis); /* NULL is fine */
const struct catalog *coverage_basis_catalog(const struct coverage_basis *b);
const struct coverage_metrics *
coverage_basis_metrics(const struct coverage_basis *basis);
size_t coverage_basis_bytes(const struct coverage_basis *basis);

/* -------------------------------------------------------------------- live */
struct coverage;

/* Slots are the caller's, below `max_units`. */
PT_MUST_CHECK enum pt_err coverage_new(const struct coverage_settings *settings,
                                       size_t max_units, struct coverage **ret);
void coverage_free(struct coverage *coverage); /* NULL is fine */

/* A new basis (counted) or NULL. What the units are is kept where the network
 * is the same; else all are to be put again. Alarms go on by the missions' and
 * zones' numbers. */
PT_MUST_CHECK enum pt_err coverage_set_basis(struct coverage *coverage,
                                             struct coverage_basis *basis,
                                             int64_t now_ms);
struct coverage_basis *coverage_basis(const struct coverage *coverage);

struct coverage_unit {
    struct roads_place place;
    uint32_t late_ms; /* to set out, and to the road */
    int64_t until_ms; /* UTC: it counts until then */
};

/* Called whenever another number of units is in time at a mission, by its
 * index: up to COVERAGE_FOLD + 1. Not by coverage_set_basis(), after which all
 * may be others. `turned` must not change the coverage; NULL: nobody is told.
 */
typedef void (*coverage_turned)(void *context, size_t mission, unsigned within,
                                int64_t now_ms);
void coverage_on_turn(struct coverage *coverage, coverage_turned turned,
                      void *context);

/* A slot's unit is there, or has moved; NULL: there is none that counts.
 * About 1.5 us with 100 missions. Without a basis nothing is kept. */
PT_MUST_CHECK enum pt_err coverage_put(struct coverage *coverage, uint32_t slot,
                                       const struct coverage_unit *unit,
                                       int64_t now_ms);
/* Slots from `count` on have no unit any more. */
void coverage_trim(struct coverage *coverage, size_t count, int64_t now_ms);
const struct coverage_unit *coverage_unit(const struct coverage *coverage,
                                          uint32_t slot);    /* NULL: none */
size_t coverage_slots(const struct coverage *coverage);      /* all are below */
size_t coverage_unit_count(const struct coverage *coverage); /* that count */

/* What was lost or regained: a mission or a zone, the other one NULL. Both
 * are borrowed from the basis' catalog. */
struct coverage_alarm {
    const struct catalog_mission *mission;
    const struct catalog_zone *zone;
    bool is_zone;
    uint32_t id;      /* the mission's or zone's number */
    bool lost;        /* else regained */
    bool gone;        /* regained, but only for not being there any more: both
                         are NULL then */
    int64_t since_ms; /* it was lost at */
    int64_t at_ms;    /* it was lost or regained at */
    size_t within;    /* units in time; of a zone: missions with enough */
    size_t of;        /* the level; of a zone: its missions */
};
typedef void (*coverage_told)(void *context,
                              const struct coverage_alarm *alarm);

/* Tick step: units whose time is over count no longer, and alarms that are
 * due are told. In how many ms it wants to be called again; -1: not before
 * something changes. `told` must not change the coverage. */
int64_t coverage_follow(struct coverage *coverage, int64_t now_ms,
                        coverage_told told, void *context);

struct coverage_arrival {
    uint32_t slot;
    uint32_t eta_ms;
};

struct coverage_mission {
    const struct catalog_mission *mission;
    bool off_road; /* no road within reach: nobody arrives, no alarm */
    int promise_s; /* 0: none */
    size_t found;  /* the first to arrive, however late */
    struct coverage_arrival first[COVERAGE_FOLD];
    size_t within;    /* of them in time */
    bool lost;        /* an alarm stands */
    int64_t since_ms; /* since then it is below its level; 0: it is not */
};
/* By index in the basis' catalog; there is a basis. */
struct coverage_mission coverage_mission(const struct coverage *coverage,
                                         size_t index);

struct coverage_zone {
    const struct catalog_zone *zone; /* NULL: everything, wherever it lies */
    int promise_s;                   /* its own; 0: none */
    size_t missions, off_road;
    size_t promised;              /* on a road, and with a promise */
    size_t within[COVERAGE_FOLD]; /* of them by 1, 2, 3 units */
    /* Of the streets that the profile drives, as they were at streets_ms. */
    double length_m; /* with a promise */
    double within_m[COVERAGE_FOLD];
    bool lost;
    int64_t since_ms; /* as above */
};
/* By index in the basis' catalog; one past the last: everything. */
struct coverage_zone coverage_zone(const struct coverage *coverage,
                                   size_t index);
/* When the units stood as the streets' figures have them; 0: there are none
 * yet. */
int64_t coverage_streets_ms(const struct coverage *coverage);

struct coverage_loss {
    uint32_t mission; /* index */
    uint32_t next_ms; /* who would be first without it; ROADS_NONE */
};
/* Missions that have enough units in time, and would not have without this
 * one; but for one of them, by index (ROADS_NONE: none). Writes at most `max`,
 * in the catalog's order; returns how many there are. */
size_t coverage_uncovers(const struct coverage *coverage, uint32_t slot,
                         uint32_t except, struct coverage_loss *ret,
                         size_t max);

/* ----------------------------------------------------------------- streets */
struct coverage_streets;

/* On the coverage's thread: the units as they stand. PT_E_NOTFOUND without a
 * basis; PT_E_AGAIN while one is under way. */
PT_MUST_CHECK enum pt_err coverage_streets_begin(struct coverage *coverage,
                                                 int64_t now_ms,
                                                 struct coverage_streets **ret);
/* Before it is run: only the zones' figures are wanted, the same; it has no
 * gaps, and nothing is known of its pieces. Takes about half as long. */
void coverage_streets_figures(struct coverage_streets *job);
/* On the pool. */
PT_MUST_CHECK enum pt_err coverage_streets_run(struct coverage_streets *job);
/* On the coverage's thread, whatever came of it: with PT_OK it becomes the
 * coverage's, unless the basis is another by now. */
void coverage_streets_end(struct coverage *coverage,
                          struct coverage_streets *job, enum pt_err err);

/* Streets that hang together and that nobody reaches in time. */
struct coverage_line {
    uint32_t edge;
    float from, to; /* shares of it */
};
struct coverage_gap {
    double length_m;
    uint32_t worst_ms; /* to the worst piece of it; ROADS_NONE: no way */
    size_t line_count;
    const struct coverage_line *lines;
    size_t mission_count;
    const uint32_t *missions; /* indexes: those whose street it is */
};
/* Longest first; borrowed until the next coverage_streets_end() or set_basis().
 */
size_t coverage_gaps(const struct coverage *coverage,
                     const struct coverage_gap **ret);

/* Streets that came to an end are counted and do not change any more: whoever
 * holds them reads them on any thread, whatever the coverage has by then. Any
 * thread, but for coverage_streets() itself. */
struct coverage_streets *coverage_streets(const struct coverage *coverage);
struct coverage_streets *coverage_streets_ref(struct coverage_streets *streets);
void coverage_streets_unref(
    struct coverage_streets *streets); /* NULL is fine */

struct coverage_basis *
coverage_streets_basis(const struct coverage_streets *streets);
int64_t coverage_streets_at_ms(const struct coverage_streets *streets);
size_t coverage_streets_gaps(const struct coverage_streets *streets,
                             const struct coverage_gap **ret);
struct coverage_piece {
    struct coverage_line line;
    double length_m;
    uint32_t promise_ms; /* 0: none */
    /* The first units to arrive at its middle; ROADS_NONE: no more within an
     * hour and the longest promise. */
    uint32_t first_ms[COVERAGE_FOLD];
};
/* In the order of edges, and along each. */
size_t coverage_piece_count(const struct coverage_streets *streets);
struct coverage_piece coverage_piece(const struct coverage_streets *streets,
                                     size_t index);
/* The points of a line; `each` is called for two at least. */
void coverage_line_points(const struct roads *roads,
                          const struct coverage_line *line,
                          void (*each)(void *context, struct geo_point at),
                          void *context);

/* ------------------------------------------------------------------- reach */
/* For those who look for a place where nobody stands yet: what there is to be
 * reached, and how long it would take from there. Of a filled basis, on the
 * pool. */
struct coverage_stop {
    struct roads_place place; /* edge ROADS_NONE: no road within reach */
    uint32_t access_ms;       /* from the road to it */
    uint32_t promise_ms;      /* 0: none */
    double length_m;          /* of a piece of street; else 0 */
};
/* A point as a mission there would be. */
struct coverage_stop coverage_stop_at(const struct coverage_basis *basis,
                                      struct geo_point at);
/* The same while other streets are open: `first` instead of the basis' own. */
struct coverage_stop coverage_stop_on(const struct coverage_basis *basis,
                                      const struct roads_metric *first,
                                      struct geo_point at);
struct coverage_stop coverage_stop_mission(const struct coverage_basis *basis,
                                           size_t index);
/* The pieces of street: how many, and the middle of one. */
size_t coverage_stop_streets(const struct coverage_basis *basis);
struct coverage_stop coverage_stop_street(const struct coverage_basis *basis,
                                          size_t index);

/* A drive of so many ms with what it takes beside the driving; ROADS_NONE. */
uint32_t coverage_drive_ms(const struct coverage_basis *basis,
                           uint32_t drive_ms);
/* The other way about: the longest drive that takes no more than so much with
 * what it takes beside. */
uint32_t coverage_longest_drive_ms(const struct coverage_basis *basis,
                                   uint32_t with_start_ms);
/* When a unit would be at each mission, in ms, as coverage_mission() has it;
 * ROADS_NONE: never. `ret` has room for all. */
void coverage_reach_missions(const struct coverage_basis *basis,
                             const struct coverage_unit *unit, uint32_t *ret);
/* The same for anything else: a spread over all streets from one unit at a
 * time, as far as the longest promise of any street or mission. */
struct coverage_reach;
PT_MUST_CHECK enum pt_err coverage_reach_new(struct coverage_basis *basis,
                                             struct coverage_reach **ret);
void coverage_reach_free(struct coverage_reach *reach); /* NULL is fine */
PT_MUST_CHECK enum pt_err coverage_reach_from(struct coverage_reach *reach,
                                              const struct coverage_unit *unit);
uint32_t coverage_reach_to(const struct coverage_reach *reach,
                           const struct coverage_stop *stop);

/* ------------------------------------------------------------------- areas */
/* Gaps as areas: all that lies within COVERAGE_AREA_M of a gap's streets and
 * of the ways from them to the missions that it names, so those lie in it.
 * Two gaps' areas may overlap where their streets do not meet. Counted, and
 * read on any thread once they are filled. */
#define COVERAGE_AREA_M 30.0
/* Streets out of cover of which areas are made, in lines: some 10 s of work. */
#define COVERAGE_AREA_LINES_MAX 150000u
struct coverage_areas;

PT_MUST_CHECK enum pt_err coverage_areas_new(struct coverage_streets *streets,
                                             struct coverage_areas **ret);
/* On the pool, once: some 0.1 ms a line. What is as it was in `before` (NULL:
 * nothing was; borrowed for the call) is not made again. PT_E_FULL: there are
 * more lines; PT_E_SYSTEM: a gap's could not be put together. */
PT_MUST_CHECK enum pt_err
coverage_areas_fill(struct coverage_areas *areas,
                    const struct coverage_areas *before);
struct coverage_areas *coverage_areas_ref(struct coverage_areas *areas);
void coverage_areas_unref(struct coverage_areas *areas); /* NULL is fine */
struct coverage_streets *
coverage_areas_streets(const struct coverage_areas *areas);

struct coverage_ring {
    bool is_hole; /* in the last that is none */
    uint32_t point_count;
    const struct geo_point *points; /* the last is the first */
};
/* The rings of a gap's area, by its index: polygons, each followed by its
 * holes; valid as OGC has it, counter-clockwise and holes clockwise. */
size_t coverage_area(const struct coverage_areas *areas, size_t gap,
                     const struct coverage_ring **ret);

#endif

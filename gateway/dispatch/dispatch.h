#ifndef DISPATCH_H
#define DISPATCH_H
/* dispatch: who should go. Ranks units by when they reach a point by road,
 * and says of every other unit why it is not in the list. Loop thread.
 *
 * eta_s = start + access of the unit to the road + drive by road + access from
 * the road to the point. Start is what the profile says that a drive takes
 * whatever its length, but no more than DISPATCH_START_SHARE times the drive:
 * who is around the corner is there sooner, and who is there has no start.
 * Access is the distance beyond DISPATCH_ON_ROAD_M at
 * DISPATCH_ACCESS_MPS; a unit farther than DISPATCH_ACCESS_MAX_M from any
 * road is left out with that reason.
 *
 * Each report is matched to a street in the light of those before (match.h):
 * a bridge is not the road below it, nor one carriageway the other. A unit
 * that moves stands where it is reckoned to be (reckon.h), not where it last
 * reported: in the tick, whenever it has gone DISPATCH_RESNAP_M, it is moved
 * on along its street, and past its end to where matching would put the
 * reckoned place, so that a query finds everybody in place and pays nothing
 * for it. What is too far from any street to be matched is put on the nearest
 * one within DISPATCH_ACCESS_MAX_M. */
#include "catalog.h"
#include "fleet.h"
#include "geo.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPATCH_ON_ROAD_M 30.0     /* carriageway, kerb and receiver error */
#define DISPATCH_ACCESS_MAX_M 300.0 /* yards, forecourts */
#define DISPATCH_ACCESS_MPS 2.8     /* 10 km/h */
/* Fire engines' shortest runs: 59 s, the median, for 150 m, which are 12 s of
 * driving (the data that profiles.ini names at start). */
#define DISPATCH_START_SHARE 4
#define DISPATCH_K_MAX 100
#define DISPATCH_RESNAP_M 10.0
#define DISPATCH_COMPARED_MAX 16 /* a route each: some ms together */
#define DISPATCH_CHANGED_MAX 2048

struct dispatch_settings {
    int64_t stale_after_ms; /* left out beyond this age */
    uint32_t limit_ms;      /* searches stop at this drive time */
    /* Where units stand is worked out by dispatch_settle() alone: for those who
     * look now and then. */
    bool when_asked;
};

#define DISPATCH_EXCLUSIONS(X)                        \
    X(LEFT_OUT_STATUS, "not_available")               \
    X(LEFT_OUT_CAPABILITY, "lacks_capability")        \
    X(LEFT_OUT_NO_FIX, "no_position")                 \
    X(LEFT_OUT_STALE, "position_too_old")             \
    X(LEFT_OUT_OFF_ROAD, "off_the_road_network")      \
    X(LEFT_OUT_NO_WAY, "no_way_by_road_within_limit") \
    X(LEFT_OUT_KIND, "travels_on_foot")               \
    X(LEFT_OUT_FARTHER, "farther") /* found, but behind the k-th: not told */

enum dispatch_exclusion {
#define DISPATCH_EXCLUSION_ENUM(name, word) name,
    DISPATCH_EXCLUSIONS(DISPATCH_EXCLUSION_ENUM)
#undef DISPATCH_EXCLUSION_ENUM
        LEFT_OUT_COUNT
};
const char *dispatch_exclusion_word(enum dispatch_exclusion why);

struct dispatch_candidate {
    const struct catalog_unit *unit; /* borrowed from the catalog */
    const struct fleet_unit *state;  /* borrowed from the fleet */
    double eta_s;
    double drive_s;
    double access_s;
    double start_s;
    double distance_m;         /* by road */
    double position_age_s;     /* of the report */
    struct geo_point believed; /* moved forward to query->now_ms ... */
    double forward_s;          /* ... by so long; 0: as reported */
    bool old; /* since fleet_old_at_ms(): ranked below the others */
    /* 1 yes, 0 no, -1 no promise is known for the point */
    int within_promise;
    size_t changed_count;
    const uint32_t *changed; /* of answer.changed, what lies on its way */
};

struct dispatch_left_out {
    const struct catalog_unit *unit; /* both borrowed, as above */
    const struct fleet_unit *state;  /* NULL: never heard */
    enum dispatch_exclusion why;
};

struct dispatch_answer {
    struct roads_place target;       /* where the point meets the road */
    const struct catalog_zone *zone; /* NULL: outside every zone */
    int promise_s;                   /* 0: none */
    size_t count;
    struct dispatch_candidate *units;
    size_t left_out_count;
    struct dispatch_left_out *left_out;
    /* Directed edges that are closed or slowed, and lie on the ways that units
     * of the answer, or those that would be in it, would take were nothing
     * closed; where that changed nothing for a unit, none of its way. Of at
     * most DISPATCH_COMPARED_MAX units; an edge may stand here more than
     * once. */
    size_t changed_count;
    const uint32_t *changed;
};

struct dispatch;

PT_MUST_CHECK enum pt_err dispatch_new(const struct dispatch_settings *settings,
                                       size_t max_units, struct dispatch **ret);
void dispatch_free(struct dispatch *dispatch);

/* A new network (counted by dispatch) or NULL; every unit is snapped anew. */
PT_MUST_CHECK enum pt_err dispatch_set_roads(struct dispatch *dispatch,
                                             struct roads *roads,
                                             struct fleet *fleet);
const struct roads *dispatch_roads(const struct dispatch *dispatch);

/* The metrics with what is closed now (counted by dispatch): one for each
 * profile of the network in force, in their order; NULL, and those beyond
 * `count`: nothing is. Who or what is on a street that is closed both ways is
 * taken from and to the nearest place on one that is open, within
 * DISPATCH_ACCESS_MAX_M, with access to there. A new network has none of them.
 * PT_E_RANGE: of another network. */
PT_MUST_CHECK enum pt_err
dispatch_set_metrics(struct dispatch *dispatch,
                     struct roads_metric *const *metrics, size_t count,
                     struct fleet *fleet);

/* The metrics with the times that were learned for now (counted by dispatch),
 * in the profiles' order; NULL, and those beyond `count`: the profile's own.
 * They are what answers are made of where nothing is closed. A new network has
 * none of them. PT_E_RANGE: of another network. */
PT_MUST_CHECK enum pt_err
dispatch_set_learned(struct dispatch *dispatch,
                     struct roads_metric *const *metrics, size_t count);

/* Where a point meets the streets that are open. PT_E_NOTFOUND: no network;
 * PT_E_OFFROAD: none within DISPATCH_ACCESS_MAX_M. */
PT_MUST_CHECK enum pt_err dispatch_snap(const struct dispatch *dispatch,
                                        struct geo_point point,
                                        struct roads_place *ret);

/* Tick step: snaps the units that changed since the last tick, and of those
 * that moved on as many as take some hundred microseconds; a unit whose fixes
 * come in faster is snapped twice a second. In how many ms it
 * wants to be called again; -1: not before a unit has changed. `now_ms` is
 * UTC. */
int64_t dispatch_follow(struct dispatch *dispatch, struct fleet *fleet,
                        int64_t now_ms);

/* With `when_asked`: every unit is where it would be now without that, to the
 * last bit. Until then it stands where it did, though dispatch_moved() tells
 * that it has moved. */
void dispatch_settle(struct dispatch *dispatch, struct fleet *fleet);

/* What answers by the profile of that name are made of now, with what is
 * closed; NULL: the first. NULL without a network and for a name that it does
 * not have. Borrowed until the network or the metrics are set. */
const struct roads_metric *dispatch_metric(const struct dispatch *dispatch,
                                           const char *profile);
/* From where searches take the unit of a slot, its distance_m the way to the
 * road; NULL: it has no position or is too far off. Borrowed until the next
 * dispatch_follow(). */
const struct roads_place *dispatch_place(const struct dispatch *dispatch,
                                         uint32_t slot);
/* The same from where it stands by a metric of the same network, which may have
 * other streets closed than those in force: what dispatch_place() would tell
 * were it the first profile's. Any thread. PT_E_OFFROAD. */
PT_MUST_CHECK enum pt_err dispatch_join(const struct roads_metric *first,
                                        const struct roads_place *stood,
                                        struct roads_place *ret);
/* Where it stands itself, also on a street that is closed; NULL and borrowed
 * likewise. */
const struct roads_place *dispatch_stood(const struct dispatch *dispatch,
                                         uint32_t slot);
/* Slots that have been put anywhere, or whose state has changed, since the
 * last dispatch_moved_take(), each once; borrowed until the next call. */
size_t dispatch_moved(const struct dispatch *dispatch, const uint32_t **slots);
void dispatch_moved_take(struct dispatch *dispatch);

/* Seconds to get between a place this far from the road and the road. */
double dispatch_access_s(double off_road_m);

/* A candidate's start_s for a drive by road; 0 without a network. */
double dispatch_start_s(const struct dispatch *dispatch, const char *profile,
                        uint32_t drive_ms);

struct dispatch_query {
    struct geo_point at;
    size_t k;               /* 1..DISPATCH_K_MAX */
    const char *capability; /* NULL: any */
    const char *profile;    /* by whose rules they drive; NULL: the first */
    int64_t now_ms;
};

/* Whether the network knows a profile of that name; NULL: the first one's. */
bool dispatch_knows(const struct dispatch *dispatch, const char *profile);

/* PT_E_NOTFOUND: no network loaded. PT_E_OFFROAD: no road within
 * DISPATCH_ACCESS_MAX_M of the point. PT_E_RANGE: k, the point or the
 * profile. Of each
 * unit the first reason that holds is told, in the order kind, capability, no
 * position, status (unknown is not available), age, off the road, no way;
 * the last only when the answer is short of k units, for otherwise the search
 * stopped before it could know.
 * The answer's arrays live until the next call. */
PT_MUST_CHECK enum pt_err dispatch_nearest(struct dispatch *dispatch,
                                           const struct catalog *catalog,
                                           struct fleet *fleet,
                                           const struct dispatch_query *query,
                                           struct dispatch_answer *ret);

/* The way of one unit from where dispatch_follow() last put it to a point,
 * from road to road: the access at either end
 * is not in it. PT_E_NOTFOUND: no network or no position; PT_E_OFFROAD: one
 * end is too far from any road; PT_E_UNREACHABLE; PT_E_RANGE: the profile.
 * The caller clears `ret`. */
PT_MUST_CHECK enum pt_err
dispatch_route(struct dispatch *dispatch, const struct fleet *fleet,
               const struct fleet_unit *unit, struct geo_point at,
               const char *profile, struct roads_route *ret);

/* Directed edges of the way that the unit would take were nothing closed or
 * slowed, and that are; borrowed until the next call. Errors as above, but a
 * way that there is not has none. */
PT_MUST_CHECK enum pt_err
dispatch_route_changed(struct dispatch *dispatch, const struct fleet *fleet,
                       const struct fleet_unit *unit, struct geo_point at,
                       const char *profile, const uint32_t **ret,
                       size_t *count);

#endif

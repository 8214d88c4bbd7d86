#ifndef PLAN_H
#define PLAN_H
/* plan: where units should stand by, for hours of the week and numbers of units
 * available: the best posts (siting.h) by the times of each hour (terms.h).
 *
 * Hours are put into groups that have the same posts, those that hold most
 * weight over all of the group's hours together. Hours of which every candidate
 * covers the same are worked out once.
 *
 * Everything here blocks, for seconds to minutes: pool threads. */
#include "catalog.h"
#include "coverage.h"
#include "history.h"
#include "pt_err.h"
#include "siting.h"
#include "terms.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_HOURS 168u
#define PLAN_GROUPS_MAX PLAN_HOURS
#define PLAN_UNITS_MAX 40u /* numbers of units */
#define PLAN_SEARCHES_MAX 2000u
#define PLAN_POSTS_MAX 50000u /* of all choices together */
/* What hours' candidates cover, until it is searched. */
#define PLAN_TABLES_MAX_BYTES ((size_t)512 << 20)
#define PLAN_NAME_BYTES 257

struct plan_post {
    struct geo_point at;
    char *street, *zone; /* NULL: none */
    bool kept;
    uint32_t post_id; /* 0: none of the catalog's */
    char *name;       /* of that; NULL */
    double adds, holds, missions;
};

/* Figures are means of the group's hours. */
struct plan_choice {
    unsigned units;
    size_t post_count; /* fewer than units where more would add nothing */
    struct plan_post *posts;
    double weight, weight_of, at_most; /* see posts.h: covered, total, bound */
    double missions, missions_of, streets_m, streets_of_m;
    bool stopped; /* the time of its search was over */
};

struct plan_group {
    char name[PLAN_NAME_BYTES];
    bool hours[PLAN_HOURS]; /* of the week: 0 is Monday's first */
    size_t choice_count;
    struct plan_choice *choices; /* by units, rising */
};

struct plan {
    unsigned hours_learned; /* of which times had been learned */
    size_t group_count;
    struct plan_group *groups;
};

/* False: stop. `share` is 0..1. */
typedef bool (*plan_progress)(void *context, double share, const char *phase);

/* Borrowed while plan_make() runs. */
struct plan_wish {
    const struct terms *terms;
    const struct coverage_settings *settings;
    int64_t now_ms;
    bool with_closures;
    const char *profile; /* NULL: as now */
    /* What is sought; its basis, post_count and limit_ms are not looked at. */
    const struct siting_wish *siting;
    /* What kept ones and candidates are, by index; NULL: none of the catalog's
     * posts. */
    const struct catalog_post *const *kept_posts, *const *candidate_posts;
    /* Names and hours, of which none is in two; NULL: each hour on its own,
     * those that are alike together. */
    size_t group_count;
    const struct plan_group *groups;
    size_t unit_count;
    const unsigned *units; /* rising, not below those that are kept */
    int64_t limit_ms;      /* of each search */
    plan_progress progress;
    void *context;
};

/* PT_E_OFFROAD: `*fault` as siting_new() has it; PT_E_RANGE: no hour, or
 * numbers out of range; PT_E_FULL: a limit above, or of siting.h; PT_E_AGAIN:
 * told to stop; PT_E_NOTFOUND, PT_E_DB as terms_basis(); PT_E_NOMEM. `message`
 * says more, or is "". The caller gives `ret` to plan_free(). */
PT_MUST_CHECK enum pt_err plan_make(const struct plan_wish *wish,
                                    struct plan **ret, size_t *fault,
                                    char *message, size_t message_size);
void plan_free(struct plan *plan); /* NULL is fine */

/* ------------------------------------------------------------ in the database
 */
struct plan_head { /* beside the plan: what made it */
    const char *name;
    uint32_t network_id;
    const char *profile;
    size_t unit_count;
    const unsigned *units;
    const char *settings; /* JSON */
    double took_s;
};
/* Into patrol.coverage_plan and what belongs to it, all or nothing. PT_E_DB. */
PT_MUST_CHECK enum pt_err plan_keep(const char *conninfo,
                                    const struct plan_head *head,
                                    const struct plan *plan, uint32_t *plan_id,
                                    char *message, size_t message_size);
/* PT_E_NOTFOUND: there is no plan of that number. PT_E_DB, PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err plan_load(const char *conninfo, uint32_t plan_id,
                                    struct plan **ret, char *message,
                                    size_t message_size);

/* ------------------------------------------------------------------- replayed
 */
/* Three sides, judged by the same missions, times and level at the same
 * moments: where units really stood; as many at the plan's posts for that hour
 * and number of units, or the next smaller number that was planned; as many at
 * the posts in force, of which those that hold most missions where there are
 * fewer units than posts (of at most SITING_POSTS_MAX). Whoever is more is left
 * out. Moments of hours that are not planned, or with fewer units than the
 * least number, but not none, count on no side. */
enum plan_side { PLAN_REAL, PLAN_PLAN, PLAN_POSTS, PLAN_SIDES };

#define PLAN_NEAR_M 200 /* so near a unit stands at a post, when not said */

struct plan_sums {
    double out_s[PLAN_SIDES]; /* missions out of cover, added up */
    double unit_s[PLAN_SIDES];
    /* A unit that counted stood there: in a straight line; a unit stands at no
     * post but the nearest. */
    double stood_s[PLAN_SIDES];
};

struct plan_hour { /* of the week */
    uint64_t looks, units;
    struct plan_sums sums;
};

struct plan_mission {
    bool judged; /* it has a promise and a road */
    double out_s[PLAN_SIDES];
};

struct plan_stood { /* of one post */
    double unit_s, stood_s;
};

struct plan_replay {
    uint64_t looks, units, unplanned_looks;
    char time_zone[64];
    struct plan_sums sums;
    struct plan_hour hours[PLAN_HOURS];
    size_t mission_count; /* of the catalog, by index */
    struct plan_mission *missions;
    size_t plan_post_count; /* of all groups' choices, in their order */
    struct plan_stood *plan_posts;
    size_t post_count; /* in force: the catalog's, in its order */
    struct plan_stood *posts;
};

struct plan_replay_wish {
    const struct history_wish *history; /* its step_s is that of the looks */
    const struct plan *plan;
    double near_m;
};

/* Errors of history_watch(). The caller gives `ret` to plan_replay_free(). */
PT_MUST_CHECK enum pt_err plan_replay(const struct plan_replay_wish *wish,
                                      struct plan_replay **ret, char *message,
                                      size_t message_size);
void plan_replay_free(struct plan_replay *replay); /* NULL is fine */

#endif

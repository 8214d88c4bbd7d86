#ifndef CATALOG_H
#define CATALOG_H
/* catalog: who and what is known: units, devices and which unit a device is
 * when, zones, missions, posts. A copy of the database's tables in memory,
 * replaced whole when they change. Never changes once loaded: any thread. */
#include "geo.h"
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits: more rows than this are an error of the load, not a crash. */
#define CATALOG_UNITS_MAX 100000
#define CATALOG_DEVICES_MAX 200000
#define CATALOG_MISSIONS_MAX 20000
#define CATALOG_POSTS_MAX 2000
#define CATALOG_ZONES_MAX 5000
#define CATALOG_PERIODS_MAX 1000000    /* rows of unit_device */
#define CATALOG_ZONE_POINTS_MAX 200000 /* corners of one zone */

struct catalog_unit {
    uint32_t unit_id;
    char *call_sign;
    char *kind;
    char **capabilities;      /* NULL-terminated */
    uint64_t capability_bits; /* see catalog_capability_bit() */
    /* How closely it is to report: its own row of pace_setting or the one for
     * all, else nothing, under the revision of that row or of the taking away
     * of an own one since. Revision 0: there never was one. */
    struct pt_settings pace;
};

struct catalog_zone {
    uint32_t zone_id;
    char *name;
    int promise_s; /* 0: none given */
    char *time_zone;
    char *geojson; /* the geometry, as ST_AsGeoJSON gives it */
    /* Rings of all polygons, for catalog_zone_at(). */
    struct geo_point *points;
    uint32_t *ring_start; /* ring_count + 1 indexes into points */
    uint32_t ring_count;
};

struct catalog_mission {
    uint32_t mission_id;
    char *ref; /* NULL when none */
    char *name;
    char *folded; /* catalog_fold(name) */
    char *kind;
    struct geo_point at;
    const struct catalog_zone *zone; /* NULL: outside every zone */
};

struct catalog_post { /* where units stand by */
    uint32_t post_id;
    char *ref; /* NULL when none */
    char *name;
    char *kind;
    struct geo_point at;
    const struct catalog_zone *zone; /* NULL: outside every zone */
};

struct catalog;

/* Reads all tables, as they stood at one moment, over a connection of its
 * own; blocks, so on a pool thread. `conninfo` as libpq takes it. PT_E_DB,
 * PT_E_FULL beyond a limit, PT_E_CORRUPT for a geometry that is none: the
 * reason is in `message` then, on one line. */
PT_MUST_CHECK enum pt_err catalog_load(const char *conninfo,
                                       struct catalog **ret, char *message,
                                       size_t message_size);
/* An empty one, to start with. */
PT_MUST_CHECK enum pt_err catalog_new(struct catalog **ret);
/* Catalogs are counted: catalog_free() gives up one reference, the last frees.
 * Any thread. */
struct catalog *catalog_ref(struct catalog *catalog);
void catalog_free(struct catalog *catalog); /* NULL is fine */
/* No two catalogs of a process have the same: what was drawn from one can be
 * kept until it changes. */
uint64_t catalog_generation(const struct catalog *catalog);

size_t catalog_unit_count(const struct catalog *catalog);
const struct catalog_unit *catalog_unit(const struct catalog *catalog,
                                        size_t index); /* by call sign */
/* NULL when there is none. Borrowed until the catalog is freed. */
const struct catalog_unit *catalog_unit_by_id(const struct catalog *catalog,
                                              uint32_t unit_id);
const struct catalog_unit *
catalog_unit_by_call_sign(const struct catalog *catalog, const char *call_sign);
bool catalog_unit_can(const struct catalog_unit *unit, const char *capability);
/* Which of catalog_unit.capability_bits says that a unit has the capability.
 * 0: no unit has it, or it is beyond the first 64 of them; then
 * catalog_unit_can() tells. */
uint64_t catalog_capability_bit(const struct catalog *catalog,
                                const char *capability);

/* The device of that name; false when unknown. */
bool catalog_device(const struct catalog *catalog, const char *name,
                    uint32_t *device_id);
/* The unit that `device_id` was at that time; false when none. */
bool catalog_device_unit(const struct catalog *catalog, uint32_t device_id,
                         int64_t time_ms, uint32_t *unit_id);
/* No revision of pace settings above this one had been given when the catalog
 * was read: who names a higher one has heard of newer settings than it holds.
 */
uint64_t catalog_pace_revision(const struct catalog *catalog);
/* The device's name that `unit_id` has now; NULL when none. */
const char *catalog_unit_device(const struct catalog *catalog, uint32_t unit_id,
                                int64_t now_ms);
/* A device's name by its number; NULL when unknown. */
const char *catalog_device_name(const struct catalog *catalog,
                                uint32_t device_id);

size_t catalog_zone_count(const struct catalog *catalog);
const struct catalog_zone *catalog_zone(const struct catalog *catalog,
                                        size_t index); /* by name */
/* Zones may lie in each other: a ward in its municipality. A point on the
 * border of two neighbours is in exactly one of them. */
bool catalog_zone_holds(const struct catalog_zone *zone, struct geo_point p);
/* The smallest zone that holds the point; NULL when none does. */
const struct catalog_zone *catalog_zone_at(const struct catalog *catalog,
                                           struct geo_point at);

size_t catalog_mission_count(const struct catalog *catalog);
const struct catalog_mission *catalog_mission(const struct catalog *catalog,
                                              size_t index); /* by name */
/* A mission by its number, or by its name as people type it: accents and
 * case do not matter; the whole name first, then a unique name that holds
 * all the typed words, then a unique one in which words begin so.
 * PT_E_NOTFOUND; PT_E_RANGE when several fit. */
PT_MUST_CHECK enum pt_err
catalog_mission_find(const struct catalog *catalog, const char *typed,
                     const struct catalog_mission **ret);

size_t catalog_post_count(const struct catalog *catalog);
const struct catalog_post *catalog_post(const struct catalog *catalog,
                                        size_t index); /* by name */

/* Lower case without accents (Latin script; letters of others stay as they
 * are), runs of anything but letters and digits as one space, none at the
 * ends. `out` of `size` bytes, always terminated; never longer than `text`. */
void catalog_fold(const char *text, char *out, size_t size);

#endif

#ifndef CATALOG_INTERNAL_H
#define CATALOG_INTERNAL_H
/* How a catalog is filled: rows are added in any order, then
 * catalog_finish() sorts and links them. Any thread that has it to itself. */
#include "catalog.h"
#include <stdatomic.h>

struct catalog_device {
    uint32_t device_id;
    char *name;
};

/* Which unit a device is in [from_ms, to_ms). */
struct catalog_period {
    uint32_t unit_id;
    uint32_t device_id;
    int64_t from_ms; /* INT64_MIN: ever */
    int64_t to_ms;   /* INT64_MAX: open */
};

struct zone_row {
    struct catalog_zone zone;
    double area_m2;
    struct geo_point low; /* of its bounding box */
    struct geo_point high;
};

/* Texts and arrays live in blocks that are freed with the catalog. */
struct block;

#define CATALOG_BITS 64

struct catalog {
    atomic_uint references;
    uint64_t generation;
    uint64_t pace_revision;
    struct block *blocks;

    const char *capability_names[CATALOG_BITS]; /* by bit */
    unsigned capability_count;

    struct catalog_unit *units; /* by call sign */
    size_t unit_count;
    uint32_t *units_by_id; /* indexes */

    struct catalog_device *devices; /* by name */
    size_t device_count;
    uint32_t *devices_by_id;

    struct catalog_period *periods; /* by device and start */
    size_t period_count;
    uint32_t *periods_by_unit; /* by unit and start */

    struct zone_row *zones; /* by name */
    size_t zone_count;
    uint32_t *zones_by_area; /* smallest first */

    struct catalog_mission *missions; /* by name */
    uint32_t *mission_zones;          /* zone_id until they are linked */
    size_t mission_count;

    struct catalog_post *posts; /* by name */
    size_t post_count;
};

#define CATALOG_NO_ZONE UINT32_MAX

/* Room for so many rows of each kind, once, before any is added. PT_E_FULL
 * beyond the limits. */
struct catalog_counts {
    size_t units, devices, periods, zones, missions, posts;
};
PT_MUST_CHECK enum pt_err catalog_reserve(struct catalog *catalog,
                                          const struct catalog_counts *counts);

/* Each copies its texts. PT_E_NOMEM; more rows than reserved is our bug. */
PT_MUST_CHECK enum pt_err
catalog_add_unit(struct catalog *catalog, uint32_t unit_id,
                 const char *call_sign, const char *kind,
                 const char *const *capabilities, size_t capability_count);
/* Of the unit added last. */
void catalog_set_pace(struct catalog *catalog,
                      const struct pt_settings *settings);
PT_MUST_CHECK enum pt_err catalog_add_device(struct catalog *catalog,
                                             uint32_t device_id,
                                             const char *name);
void catalog_add_period(struct catalog *catalog,
                        const struct catalog_period *period);
/* Rings as in struct catalog_zone; a ring's last point may repeat its first
 * one. */
PT_MUST_CHECK enum pt_err catalog_add_zone(struct catalog *catalog,
                                           const struct catalog_zone *zone,
                                           double area_m2);
/* `zone_id` CATALOG_NO_ZONE: the smallest one around it, if any. */
PT_MUST_CHECK enum pt_err
catalog_add_mission(struct catalog *catalog, uint32_t mission_id,
                    const char *ref, const char *name, const char *kind,
                    struct geo_point at, uint32_t zone_id);
/* Its zone is the smallest one around it, if any. */
PT_MUST_CHECK enum pt_err catalog_add_post(struct catalog *catalog,
                                           uint32_t post_id, const char *ref,
                                           const char *name, const char *kind,
                                           struct geo_point at);
void catalog_finish(struct catalog *catalog);

#endif

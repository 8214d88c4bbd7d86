/* What the catalog makes of a database's tables, one line a row:
 *
 *   catalog_probe CONNINFO TIME_MS [MISSION]
 *
 * units with the device they have at TIME_MS, zones, missions with their
 * zones; then what MISSION finds. Exit status 1 with the loader's message
 * when the tables cannot be read. */
#include "catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_units(const struct catalog *c, int64_t time_ms)
{
    for (size_t i = 0; i < catalog_unit_count(c); i++) {
        const struct catalog_unit *unit = catalog_unit(c, i);
        const char *device = catalog_unit_device(c, unit->unit_id, time_ms);
        uint32_t device_id = 0;
        uint32_t unit_id = 0;

        printf("unit|%" PRIu32 "|%s|%s|", unit->unit_id, unit->call_sign,
               unit->kind);
        for (char **can = unit->capabilities; *can; can++)
            printf("%s%s", can == unit->capabilities ? "" : ",", *can);
        if (device && catalog_device(c, device, &device_id))
            (void)catalog_device_unit(c, device_id, time_ms, &unit_id);
        printf("|%s|%" PRIu32 "\n", device ? device : "-", unit_id);
    }
}

static void print_zones(const struct catalog *c)
{
    for (size_t i = 0; i < catalog_zone_count(c); i++) {
        const struct catalog_zone *zone = catalog_zone(c, i);

        printf("zone|%" PRIu32 "|%s|%d|%s|%" PRIu32 "|%s\n", zone->zone_id,
               zone->name, zone->promise_s, zone->time_zone, zone->ring_count,
               zone->geojson);
    }
}

static void print_mission(const char *word, const struct catalog_mission *m)
{
    printf("%s|%" PRIu32 "|%s|%s|%s|%s|%" PRId32 "|%" PRId32 "|%s\n", word,
           m->mission_id, m->ref ? m->ref : "-", m->name, m->folded, m->kind,
           m->at.lat_e6, m->at.lon_e6, m->zone ? m->zone->name : "-");
}

int main(int argc, char **argv)
{
    const struct catalog_mission *found;
    struct catalog *catalog;
    char message[512];
    enum pt_err err;

    if (argc < 3)
        return 2;
    if (catalog_load(argv[1], &catalog, message, sizeof message) != PT_OK) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    print_units(catalog, strtoll(argv[2], NULL, 10));
    print_zones(catalog);
    for (size_t i = 0; i < catalog_mission_count(catalog); i++)
        print_mission("mission", catalog_mission(catalog, i));
    if (argc > 3) {
        err = catalog_mission_find(catalog, argv[3], &found);
        if (err == PT_OK)
            print_mission("found", found);
        else
            printf("error|%s\n", pt_strerror(err));
    }
    catalog_free(catalog);
    return 0;
}

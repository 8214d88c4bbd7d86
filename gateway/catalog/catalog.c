#include "catalog_internal.h"

#include <stdlib.h>
#include <string.h>

#define FOLDED_BYTES                                        \
    512 /* of what is typed; names have at most 200 letters \
         */

/* ---- units */

size_t catalog_unit_count(const struct catalog *catalog)
{
    return catalog->unit_count;
}

const struct catalog_unit *catalog_unit(const struct catalog *catalog,
                                        size_t index)
{
    return &catalog->units[index];
}

const struct catalog_unit *catalog_unit_by_id(const struct catalog *catalog,
                                              uint32_t unit_id)
{
    size_t low = 0;
    size_t high = catalog->unit_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_unit *unit =
            &catalog->units[catalog->units_by_id[middle]];

        if (unit->unit_id == unit_id)
            return unit;
        if (unit->unit_id < unit_id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_unit *
catalog_unit_by_call_sign(const struct catalog *catalog, const char *call_sign)
{
    size_t low = 0;
    size_t high = catalog->unit_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(catalog->units[middle].call_sign, call_sign);

        if (order == 0)
            return &catalog->units[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint64_t catalog_generation(const struct catalog *catalog)
{
    return catalog->generation;
}

uint64_t catalog_pace_revision(const struct catalog *catalog)
{
    return catalog->pace_revision;
}

uint64_t catalog_capability_bit(const struct catalog *catalog,
                                const char *capability)
{
    for (unsigned bit = 0; bit < catalog->capability_count; bit++)
        if (strcmp(catalog->capability_names[bit], capability) == 0)
            return UINT64_C(1) << bit;
    return 0;
}

bool catalog_unit_can(const struct catalog_unit *unit, const char *capability)
{
    for (char **have = unit->capabilities; *have; have++)
        if (strcmp(*have, capability) == 0)
            return true;
    return false;
}

/* ---- devices */

bool catalog_device(const struct catalog *catalog, const char *name,
                    uint32_t *device_id)
{
    size_t low = 0;
    size_t high = catalog->device_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(catalog->devices[middle].name, name);

        if (order == 0) {
            *device_id = catalog->devices[middle].device_id;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

const char *catalog_device_name(const struct catalog *catalog,
                                uint32_t device_id)
{
    size_t low = 0;
    size_t high = catalog->device_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_device *device =
            &catalog->devices[catalog->devices_by_id[middle]];

        if (device->device_id == device_id)
            return device->name;
        if (device->device_id < device_id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool catalog_device_unit(const struct catalog *catalog, uint32_t device_id,
                         int64_t time_ms, uint32_t *unit_id)
{
    const struct catalog_period *period;
    size_t low = 0;
    size_t high = catalog->period_count;

    /* The first period that begins after that time; the one before it, if
     * any, is the only one that can hold it: they do not overlap. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        period = &catalog->periods[middle];
        if (period->device_id < device_id ||
            (period->device_id == device_id && period->from_ms <= time_ms))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    period = &catalog->periods[low - 1];
    if (period->device_id != device_id || time_ms >= period->to_ms)
        return false;
    *unit_id = period->unit_id;
    return true;
}

const char *catalog_unit_device(const struct catalog *catalog, uint32_t unit_id,
                                int64_t now_ms)
{
    size_t low = 0;
    size_t high = catalog->period_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_period *period =
            &catalog->periods[catalog->periods_by_unit[middle]];

        if (period->unit_id < unit_id ||
            (period->unit_id == unit_id && period->from_ms <= now_ms))
            low = middle + 1;
        else
            high = middle;
    }
    /* A unit may have several devices: of those it has now, the newest. */
    while (low-- > 0) {
        const struct catalog_period *period =
            &catalog->periods[catalog->periods_by_unit[low]];

        if (period->unit_id != unit_id)
            break;
        if (now_ms < period->to_ms)
            return catalog_device_name(catalog, period->device_id);
    }
    return NULL;
}

/* ---- zones */

size_t catalog_zone_count(const struct catalog *catalog)
{
    return catalog->zone_count;
}

const struct catalog_zone *catalog_zone(const struct catalog *catalog,
                                        size_t index)
{
    return &catalog->zones[index].zone;
}

/* Whether the edge a-b crosses the ray from `p` eastwards. An edge holds its
 * lower end and not its upper one, so that a corner counts once. Products of
 * differences below 3.6e8 fit 64 bits. */
static bool crosses(struct geo_point a, struct geo_point b, struct geo_point p)
{
    int64_t rise = (int64_t)b.lat_e6 - a.lat_e6;
    int64_t side;

    if ((a.lat_e6 <= p.lat_e6) == (b.lat_e6 <= p.lat_e6))
        return false;
    side = ((int64_t)p.lat_e6 - a.lat_e6) * ((int64_t)b.lon_e6 - a.lon_e6) -
           ((int64_t)p.lon_e6 - a.lon_e6) * rise;
    return rise > 0 ? side > 0 : side < 0;
}

/* Even-odd over all rings: holes lie inside, polygons of a zone apart. */
bool catalog_zone_holds(const struct catalog_zone *zone, struct geo_point p)
{
    bool odd = false;

    for (uint32_t ring = 0; ring < zone->ring_count; ring++) {
        uint32_t end = zone->ring_start[ring + 1];
        uint32_t previous = end - 1;

        for (uint32_t i = zone->ring_start[ring]; i < end; previous = i++)
            odd ^= crosses(zone->points[previous], zone->points[i], p);
    }
    return odd;
}

/* The box first: most zones are elsewhere. */
static bool row_holds(const struct zone_row *row, struct geo_point p)
{
    return p.lat_e6 >= row->low.lat_e6 && p.lat_e6 <= row->high.lat_e6 &&
           p.lon_e6 >= row->low.lon_e6 && p.lon_e6 <= row->high.lon_e6 &&
           catalog_zone_holds(&row->zone, p);
}

const struct catalog_zone *catalog_zone_at(const struct catalog *catalog,
                                           struct geo_point at)
{
    for (size_t i = 0; i < catalog->zone_count; i++) {
        const struct zone_row *row = &catalog->zones[catalog->zones_by_area[i]];

        if (row_holds(row, at))
            return &row->zone;
    }
    return NULL;
}

/* ---- posts */

size_t catalog_post_count(const struct catalog *catalog)
{
    return catalog->post_count;
}

const struct catalog_post *catalog_post(const struct catalog *catalog,
                                        size_t index)
{
    return &catalog->posts[index];
}

/* ---- missions */

size_t catalog_mission_count(const struct catalog *catalog)
{
    return catalog->mission_count;
}

const struct catalog_mission *catalog_mission(const struct catalog *catalog,
                                              size_t index)
{
    return &catalog->missions[index];
}

static const struct catalog_mission *
mission_by_number(const struct catalog *catalog, const char *typed)
{
    unsigned long number;
    char *end;

    if (strspn(typed, "0123456789") != strlen(typed) || strlen(typed) > 9)
        return NULL;
    number = strtoul(typed, &end, 10);
    for (size_t i = 0; end > typed && i < catalog->mission_count; i++)
        if (catalog->missions[i].mission_id == number)
            return &catalog->missions[i];
    return NULL;
}

/* Whether `name` has a word that is `word` (of `length` bytes), or with
 * `begins` one that begins so. Both are folded: one space between words. */
static bool has_word(const char *name, const char *word, size_t length,
                     bool begins)
{
    for (;;) {
        size_t here = strcspn(name, " ");

        if ((begins ? here >= length : here == length) &&
            memcmp(name, word, length) == 0)
            return true;
        if (name[here] == '\0')
            return false;
        name += here + 1;
    }
}

static bool has_words(const char *name, const char *words, bool begins)
{
    for (;;) {
        size_t length = strcspn(words, " ");

        if (!has_word(name, words, length, begins))
            return false;
        if (words[length] == '\0')
            return true;
        words += length + 1;
    }
}

static bool is_name(const char *name, const char *typed)
{
    return strcmp(name, typed) == 0;
}

static bool holds_words(const char *name, const char *typed)
{
    return has_words(name, typed, false);
}

static bool holds_beginnings(const char *name, const char *typed)
{
    return has_words(name, typed, true);
}

static enum pt_err only_one(const struct catalog *catalog, const char *folded,
                            bool (*fits)(const char *, const char *),
                            const struct catalog_mission **ret)
{
    const struct catalog_mission *found = NULL;

    for (size_t i = 0; i < catalog->mission_count; i++) {
        if (!fits(catalog->missions[i].folded, folded))
            continue;
        if (found)
            return PT_E_RANGE;
        found = &catalog->missions[i];
    }
    if (!found)
        return PT_E_NOTFOUND;
    *ret = found;
    return PT_OK;
}

enum pt_err catalog_mission_find(const struct catalog *catalog,
                                 const char *typed,
                                 const struct catalog_mission **ret)
{
    static bool (*const ways[])(const char *, const char *) = {
        is_name, holds_words, holds_beginnings};
    const struct catalog_mission *numbered = mission_by_number(catalog, typed);
    char folded[FOLDED_BYTES];
    enum pt_err err = PT_E_NOTFOUND;

    if (numbered) {
        *ret = numbered;
        return PT_OK;
    }
    catalog_fold(typed, folded, sizeof folded);
    if (*folded == '\0')
        return PT_E_NOTFOUND;
    for (size_t i = 0; i < sizeof ways / sizeof *ways && err == PT_E_NOTFOUND;
         i++)
        err = only_one(catalog, folded, ways[i], ret);
    return err;
}

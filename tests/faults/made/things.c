/* What the vehicles put: entries that can be told apart by their content,
 * wherever they turn up. */
#include "sim.h"

#include <stdlib.h>

#define LON_AT_E6 (-82000000)
#define LAT_AT_E6 23100000

/* An entry's content names it: by its longitude, else by its detail. */
struct thing *thing_of(bool placed, int32_t lon_e6, const char *detail)
{
    size_t index = THINGS_MAX;
    if (placed)
        index = (size_t)(lon_e6 - LON_AT_E6);
    else if (detail != NULL && detail[0] == 'e')
        index = strtoul(detail + 1, NULL, 10);
    return index < sim.thing_count ? &sim.things[index] : NULL;
}

struct thing *thing_of_entry(const struct pt_entry *entry)
{
    return thing_of((entry->flags & PT_FLAG_POSITION) != 0, entry->at.lon_e6,
                    entry->detail);
}

/* What a receiver and a crew say, of every kind there is. */
void thing_make(struct thing *thing, int64_t clock_ahead_ms, uint32_t shape)
{
    struct pt_entry *e = &thing->entry;
    uint32_t kind = shape % 16;
    int64_t time_ms = WALL_AT_START_MS + sim.now_ms + clock_ahead_ms;
    *e = (struct pt_entry){.time_ms = time_ms > 0 ? time_ms : 0};
    e->flags = PT_FLAG_POSITION | PT_FLAG_SPEED;
    e->speed_cmps = shape >> 4 & 0x7FF;
    e->at.lat_e6 = LAT_AT_E6;
    e->at.lon_e6 = LON_AT_E6 + (int32_t)thing_index(thing);
    if (kind == 11)
        e->kind = PT_KIND_STATUS;
    if (kind == 12) {
        e->kind = PT_KIND_STATUS;
        e->flags = 0;
        e->speed_cmps = 0;
        e->at = (struct geo_point){0};
    }
    if (kind == 13)
        e->kind = PT_KIND_PANIC;
    if (kind >= 14) {
        e->at.lat_e6 = 95000000;
        e->kind = kind == 15 ? PT_KIND_STATUS : PT_KIND_FIX;
    }
    if (e->kind != PT_KIND_FIX)
        e->status = PT_STATUS_AVAILABLE;
    if (clock_ahead_ms != 0 && (shape & 1) != 0)
        e->flags |= PT_FLAG_CLOCK_UNSURE;
    thing->refused = kind >= 14 || clock_ahead_ms > 600000 ||
                     clock_ahead_ms < INT64_C(-30) * 86400000;
}

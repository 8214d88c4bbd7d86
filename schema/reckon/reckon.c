#include "reckon.h"

struct reckon reckon_from(int64_t time_ms, struct geo_point at, uint32_t flags,
                          double speed_mps, double course_deg)
{
    struct reckon reckon = {.time_ms = time_ms, .at = at};
    bool has_both = (flags & PT_FLAG_SPEED) && (flags & PT_FLAG_COURSE);
    if (has_both && speed_mps >= RECKON_MOVING_MPS) {
        reckon.speed_mps = speed_mps;
        reckon.course_deg = course_deg;
    }
    return reckon;
}

struct reckon reckon_from_entry(const struct pt_entry *entry)
{
    return reckon_from(entry->time_ms, entry->at, entry->flags,
                       entry->speed_cmps / 100.0, entry->course_cdeg / 100.0);
}

bool reckon_moves(const struct reckon *reckon)
{
    return reckon->speed_mps > 0.0;
}

int64_t reckon_forward_ms(const struct reckon *reckon, int64_t now_ms)
{
    if (!reckon_moves(reckon) || now_ms <= reckon->time_ms)
        return 0;
    /* Both are times of this era, so their difference is none that
     * overflows. */
    int64_t since_ms = now_ms - reckon->time_ms;
    return since_ms < RECKON_HORIZON_MS ? since_ms : RECKON_HORIZON_MS;
}

struct geo_point reckon_at(const struct reckon *reckon, int64_t now_ms)
{
    int64_t forward_ms = reckon_forward_ms(reckon, now_ms);
    if (forward_ms == 0)
        return reckon->at;
    return geo_ahead(reckon->at, reckon->course_deg,
                     reckon->speed_mps * (double)forward_ms / 1000.0);
}

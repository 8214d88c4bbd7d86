#include "counts.h"

#include <math.h>
#include <string.h>

bool counts_sets_out(const struct counts_rule *rule, const char *kind,
                     enum pt_status status, uint32_t *late_ms)
{
    bool busy = rule->busy_too && status == PT_STATUS_BUSY;
    if (strcmp(kind, "foot") == 0 || !(busy || status == PT_STATUS_AVAILABLE))
        return false;
    *late_ms =
        (uint32_t)(1000 * (busy ? rule->busy_turnout_s : rule->turnout_s));
    return true;
}

struct coverage_unit counts_unit(const struct counts_rule *rule,
                                 const struct catalog *catalog,
                                 const struct dispatch *dispatch,
                                 struct fleet *fleet, uint32_t slot)
{
    struct coverage_unit unit = {.place = {.edge = ROADS_NONE}};
    const struct roads_place *place = dispatch_place(dispatch, slot);
    if (place == NULL || slot >= fleet_count(fleet))
        return unit;
    const struct fleet_unit *state = fleet_at(fleet, slot);
    const struct catalog_unit *known =
        catalog_unit_by_id(catalog, state->unit_id);
    if (known == NULL || !state->has_fix ||
        !counts_sets_out(rule, known->kind, state->status, &unit.late_ms))
        return unit;
    unit.place = *place;
    unit.late_ms +=
        (uint32_t)lround(1000 * dispatch_access_s(place->distance_m));
    unit.until_ms = state->fix_time_ms + 1000 * rule->position_max_s;
    return unit;
}

#include "pacing.h"

#include "pt_log.h"
#include "report.h"

#include <inttypes.h>

static bool is_due(const struct fleet_unit *unit, uint64_t revision,
                   int64_t now_ms)
{
    if (unit->settings_said_ms == 0 || unit->settings_said != revision)
        return true;
    int64_t since_ms = now_ms - unit->settings_said_ms;
    return since_ms < 0 || since_ms >= PACING_AGAIN_MS;
}

/* False: to be tried again. */
static bool tell(struct pacing *pacing, const char *device,
                 const struct pt_settings *settings, pacing_say say,
                 void *context)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX];
    size_t size = 0;
    enum pt_err err = PT_OK;
    if (settings->revision != 0)
        err = pt_settings_encode(settings, bytes, sizeof(bytes), &size);
    if (err != PT_OK) { /* the table's checks allow none such */
        pt_log(PT_LOG_ERROR, "pacing: settings %" PRIu64 " for %s: %s",
               settings->revision, device, pt_strerror(err));
        return true;
    }
    err = say(context, device, bytes, size);
    if (err != PT_OK) {
        pacing->unsaid++;
        return false;
    }
    pacing->said++;
    pt_log(PT_LOG_INFO, "pacing: settings %" PRIu64 " said to %s",
           settings->revision, device);
    return true;
}

static bool follow_unit(struct pacing *pacing, const struct catalog *catalog,
                        struct fleet_unit *unit, int64_t now_ms, pacing_say say,
                        void *context)
{
    static const struct pt_settings none;
    const struct catalog_unit *known =
        catalog_unit_by_id(catalog, unit->unit_id);
    uint64_t named = unit->vehicle.settings_revision;
    if (known == NULL || !unit->vehicle.present ||
        known->pace.revision == named)
        return true;
    if (named > catalog_pace_revision(catalog)) {
        pacing->behind++;
        return true;
    }
    const struct pt_settings *settings =
        known->pace.revision < named ? &none : &known->pace;
    const char *device = catalog_unit_device(catalog, unit->unit_id, now_ms);
    if (device == NULL || !is_due(unit, settings->revision, now_ms))
        return true;
    if (!tell(pacing, device, settings, say, context))
        return false;
    unit->settings_said = settings->revision;
    unit->settings_said_ms = now_ms;
    return true;
}

void pacing_follow(struct pacing *pacing, const struct catalog *catalog,
                   struct fleet *fleet, int64_t now_ms, pacing_say say,
                   void *context)
{
    const uint32_t *slots;
    size_t count = fleet_changes(fleet, &slots);
    bool all = catalog_generation(catalog) != pacing->catalog_generation;
    bool good = true;
    if (all)
        count = fleet_count(fleet);
    /* The first that the broker does not take ends it: nor would it take the
     * others. Units come again with their next report. */
    for (size_t i = 0; i < count && good; i++)
        good = follow_unit(pacing, catalog, fleet_at(fleet, all ? i : slots[i]),
                           now_ms, say, context);
    if (all && good)
        pacing->catalog_generation = catalog_generation(catalog);
}

#include "report.h"
#include "report_internal.h"

#include "text.h"

#include <string.h>

static const char *const status_names[PT_STATUS_COUNT] = {
    [PT_STATUS_UNKNOWN] = "unknown",   [PT_STATUS_AVAILABLE] = "available",
    [PT_STATUS_EN_ROUTE] = "en_route", [PT_STATUS_ON_SCENE] = "on_scene",
    [PT_STATUS_BUSY] = "busy",         [PT_STATUS_OFF_DUTY] = "off_duty",
};

static const char *const kind_names[PT_KIND_COUNT] = {
    [PT_KIND_FIX] = "fix",     [PT_KIND_STATUS] = "status",
    [PT_KIND_PANIC] = "panic", [PT_KIND_ANSWER] = "answer",
    [PT_KIND_LOGON] = "logon",
};

const char *pt_status_name(enum pt_status status)
{
    if ((unsigned)status >= PT_STATUS_COUNT)
        return "unknown";
    return status_names[status];
}

const char *pt_kind_name(enum pt_kind kind)
{
    if ((unsigned)kind >= PT_KIND_COUNT)
        return "unknown";
    return kind_names[kind];
}

const char *pt_power_name(enum pt_power power)
{
    switch (power) {
    case PT_POWER_EXTERNAL:
        return "external";
    case PT_POWER_BATTERY:
        return "battery";
    case PT_POWER_UNKNOWN:
    case PT_POWER_COUNT:
        break;
    }
    return NULL;
}

bool pt_status_parse(const char *word, enum pt_status *ret)
{
    for (unsigned i = 0; i < PT_STATUS_COUNT; i++) {
        if (strcmp(word, status_names[i]) == 0) {
            *ret = (enum pt_status)i;
            return true;
        }
    }
    return false;
}

static bool detail_valid(const char *detail)
{
    size_t size;

    if (detail == NULL)
        return true;
    size = strnlen(detail, PT_DETAIL_BYTES_MAX + 1);
    return size <= PT_DETAIL_BYTES_MAX && text_utf8_valid(detail, size);
}

bool pt_entry_valid(const struct pt_entry *entry)
{
    return entry->seq >= 1 && entry->seq <= PT_SEQ_MAX && entry->time_ms >= 0 &&
           entry->time_ms <= PT_TIME_MS_MAX &&
           entry->speed_cmps <= PT_SPEED_CMPS_MAX &&
           entry->course_cdeg < 36000 &&
           entry->accuracy_dm <= PT_ACCURACY_DM_MAX &&
           entry->status < PT_STATUS_COUNT && entry->kind < PT_KIND_COUNT &&
           detail_valid(entry->detail);
}

bool state_valid(const struct pt_vehicle_state *state)
{
    return state->now_ms >= 0 && state->now_ms <= PT_TIME_MS_MAX &&
           state->receiver_mode >= -1 && state->receiver_mode <= 3 &&
           state->satellites_used >= -1 &&
           state->satellites_used <= PT_SATELLITES_MAX &&
           state->outbox_depth <= INT64_MAX && state->oldest_age_s >= -1 &&
           state->dropped <= INT64_MAX &&
           state->settings_revision <= INT64_MAX &&
           state->clock_offset_ms >= -PT_TIME_MS_MAX &&
           state->clock_offset_ms <= PT_TIME_MS_MAX &&
           (unsigned)state->power < PT_POWER_COUNT &&
           state->battery_percent >= -1 && state->battery_percent <= 100;
}

bool held_valid(const struct pt_report *report)
{
    if (report->count == 0)
        return report->lowest_held <= PT_SEQ_MAX;
    return report->lowest_held >= 1 &&
           report->lowest_held <= report->entries[0].seq;
}

bool pt_settings_valid(const struct pt_settings *settings)
{
    return settings->revision >= 1 && settings->revision <= INT64_MAX &&
           settings->bound_dm <= PT_SETTINGS_BOUND_DM_MAX &&
           settings->bound_assigned_dm <= PT_SETTINGS_BOUND_DM_MAX &&
           settings->moving_s <= PT_SETTINGS_INTERVAL_S_MAX &&
           settings->parked_s <= PT_SETTINGS_INTERVAL_S_MAX;
}

bool seen_valid(const struct pt_seen *seen)
{
    return seen->seq > 0 && seen->seq <= PT_SEQ_MAX && seen->time_ms >= 0 &&
           seen->time_ms <= PT_TIME_MS_MAX;
}

/* Hours of the week, local, by each mission's time zone. */
#include "history_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)

static int64_t floor_hour(int64_t time_ms)
{
    int64_t rest = time_ms % HOUR_MS;
    return time_ms - (rest < 0 ? rest + HOUR_MS : rest);
}

void hours_clear(struct hours *hours)
{
    free(hours->names);
    free(hours->offsets_s);
    free(hours->of_mission);
    *hours = (struct hours){.zone_count = 0};
}

/* The clock of the most zones; UTC when there are none. */
static const char *usual_zone(const struct catalog *catalog)
{
    const char *best = "UTC";
    size_t most = 0, count = catalog_zone_count(catalog);
    for (size_t i = 0; i < count; i++) {
        const char *name = catalog_zone(catalog, i)->time_zone;
        size_t n = 0;
        for (size_t j = 0; j < count; j++)
            n += strcmp(catalog_zone(catalog, j)->time_zone, name) == 0;
        if (n > most) {
            most = n;
            best = name;
        }
    }
    return best;
}

static size_t zone_index(struct hours *hours, const char *name)
{
    size_t i = 0;
    while (i < hours->zone_count && strcmp(hours->names[i], name) != 0)
        i++;
    if (i == hours->zone_count)
        snprintf(hours->names[hours->zone_count++], sizeof(*hours->names), "%s",
                 name);
    return i;
}

/* The usual one is the first. */
static enum pt_err name_zones(const struct catalog *catalog,
                              struct hours *hours)
{
    size_t missions = catalog_mission_count(catalog);
    hours->names =
        calloc(catalog_zone_count(catalog) + 1, sizeof(*hours->names));
    hours->of_mission = calloc(missions + 1, sizeof(*hours->of_mission));
    if (hours->names == NULL || hours->of_mission == NULL)
        return PT_E_NOMEM;
    const char *usual = usual_zone(catalog);
    (void)zone_index(hours, usual);
    for (size_t i = 0; i < missions; i++) {
        const struct catalog_zone *zone = catalog_mission(catalog, i)->zone;
        hours->of_mission[i] =
            zone_index(hours, zone == NULL ? usual : zone->time_zone);
    }
    return PT_OK;
}

static enum pt_err read_offsets(const struct asking *asking, size_t zone,
                                struct hours *hours)
{
    char first[24], last[24];
    const char *const params[] = {first, last, hours->names[zone]};
    snprintf(first, sizeof(first), "%" PRId64, hours->first_ms / 1000);
    snprintf(last, sizeof(last), "%" PRId64,
             hours->first_ms / 1000 + 3600 * ((int64_t)hours->hour_count - 1));
    PGresult *rows = asking_query(
        asking,
        "SELECT extract(epoch FROM (t AT TIME ZONE $3::text) -"
        " (t AT TIME ZONE 'UTC'))::integer FROM generate_series($1::bigint,"
        " $2::bigint, 3600) s, to_timestamp(s) t ORDER BY s",
        3, params, false);
    if (rows == NULL)
        return PT_E_DB;
    for (size_t i = 0; i < hours->hour_count && (int)i < PQntuples(rows); i++)
        hours->offsets_s[zone * hours->hour_count + i] =
            (int32_t)strtol(PQgetvalue(rows, (int)i, 0), NULL, 10);
    PQclear(rows);
    return PT_OK;
}

enum pt_err hours_of_zone(const struct asking *asking, const char *time_zone,
                          int64_t from_ms, int64_t to_ms, struct hours *ret)
{
    struct hours hours = {.first_ms = floor_hour(from_ms)};
    enum pt_err err = PT_E_NOMEM;
    hours.hour_count = (size_t)((to_ms - hours.first_ms) / HOUR_MS) + 1;
    hours.names = calloc(1, sizeof(*hours.names));
    hours.offsets_s = calloc(hours.hour_count, sizeof(*hours.offsets_s));
    if (hours.names != NULL && hours.offsets_s != NULL) {
        (void)zone_index(&hours, time_zone);
        err = read_offsets(asking, 0, &hours);
    }
    if (err == PT_OK)
        *ret = hours;
    else
        hours_clear(&hours);
    return err;
}

enum pt_err hours_read(const struct asking *asking,
                       const struct history_wish *wish, struct hours *ret)
{
    struct hours hours = {.first_ms = floor_hour(wish->from_ms)};
    hours.hour_count = (size_t)((wish->to_ms - hours.first_ms) / HOUR_MS) + 1;
    enum pt_err err = name_zones(wish->catalog, &hours);
    if (err == PT_OK) {
        hours.offsets_s = calloc(hours.zone_count * hours.hour_count,
                                 sizeof(*hours.offsets_s));
        err = hours.offsets_s == NULL ? PT_E_NOMEM : PT_OK;
    }
    for (size_t zone = 0; zone < hours.zone_count && err == PT_OK; zone++)
        err = read_offsets(asking, zone, &hours);
    if (err == PT_OK)
        *ret = hours;
    else
        hours_clear(&hours);
    return err;
}

unsigned hours_at(const struct hours *hours, size_t zone, int64_t time_ms,
                  int64_t *end_ms)
{
    size_t i = (size_t)((time_ms - hours->first_ms) / HOUR_MS);
    if (i >= hours->hour_count)
        i = hours->hour_count - 1;
    int32_t offset_s = hours->offsets_s[zone * hours->hour_count + i];
    int64_t local_ms = time_ms + INT64_C(1000) * offset_s;
    int64_t end = floor_hour(local_ms) + HOUR_MS - INT64_C(1000) * offset_s;
    /* where the clock is put on or back, at a full hour of UTC */
    int64_t next = hours->first_ms + ((int64_t)i + 1) * HOUR_MS;
    *end_ms = end < next ? end : next;
    return learn_hour(time_ms, offset_s);
}

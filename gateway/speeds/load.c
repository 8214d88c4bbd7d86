/* What was learned, out of the tables and onto a network. */
#include "speeds_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double real_at(const PGresult *rows, int row, int column)
{
    return strtod(PQgetvalue(rows, row, column), NULL);
}

static uint32_t count_at(const PGresult *rows, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(rows, row, column), NULL, 10);
}

static enum pt_err read_profile(const struct asking *a, const char *profile,
                                struct learn_table *table)
{
    PGresult *rows =
        asking_query(a,
                     "SELECT drives, tau2, phi_s FROM patrol.learned_profile"
                     " WHERE profile = $1",
                     1, &profile, false);
    if (rows == NULL)
        return PT_E_DB;
    enum pt_err err = PQntuples(rows) == 0 ? PT_E_NOTFOUND : PT_OK;
    if (err == PT_OK) {
        table->drives = count_at(rows, 0, 0);
        table->tau2 = real_at(rows, 0, 1);
        table->phi_s = real_at(rows, 0, 2);
    }
    PQclear(rows);
    return err;
}

static enum pt_err read_hours(const struct asking *a, const char *profile,
                              struct learn_table *table)
{
    PGresult *rows = asking_query(
        a,
        "SELECT factor, seconds, passages, low, high, dates"
        " FROM patrol.learned_hour WHERE profile = $1 ORDER BY hour",
        1, &profile, false);
    if (rows == NULL)
        return PT_E_DB;
    enum pt_err err = PT_OK;
    if (PQntuples(rows) != (int)LEARN_HOURS)
        err = asking_fail(a, PT_E_CORRUPT, "learned_hour", "hours are missing");
    for (int h = 0; h < PQntuples(rows) && err == PT_OK; h++) {
        uint32_t dates = count_at(rows, h, 5);
        table->hours[h] = (struct learn_hour_row){
            .of = {real_at(rows, h, 0), real_at(rows, h, 1),
                   count_at(rows, h, 2)},
            .low = real_at(rows, h, 3),
            .high = real_at(rows, h, 4),
            .dates = (uint8_t)(dates < 255 ? dates : 255)};
    }
    PQclear(rows);
    return err;
}

/* Level, place, period, factor, seconds, passages. A street goes by any of its
 * edges that there still are; an edge by its way and its two nodes. */
static const char speed_sql[] =
    "WITH c AS (SELECT class, row_number() OVER (ORDER BY class) - 1 AS n"
    " FROM (SELECT DISTINCT class FROM patrol.road_edge) d)"
    " SELECT CASE level WHEN 'class' THEN 0 ELSE 1 END, c.n,"
    " coalesce(period, 0), factor, seconds, passages"
    " FROM patrol.learned_speed l JOIN c USING (class) WHERE profile = $1"
    " UNION ALL SELECT 2, 2 * (w.edge_id - 1) + backward::integer, 0, factor,"
    " seconds, passages FROM patrol.learned_speed l JOIN (SELECT way_id,"
    " min(edge_id) AS edge_id FROM patrol.road_edge GROUP BY way_id) w"
    " USING (way_id) WHERE profile = $1 AND level = 'street'"
    " UNION ALL SELECT CASE level WHEN 'edge' THEN 3 ELSE 4 END,"
    " 2 * (e.edge_id - 1) + (e.source <> l.source)::integer,"
    " coalesce(period, 0), factor, seconds, passages"
    " FROM patrol.learned_speed l JOIN patrol.road_edge e"
    " ON e.way_id = l.way_id AND least(e.source, e.target) ="
    " least(l.source, l.target) AND greatest(e.source, e.target) ="
    " greatest(l.source, l.target) WHERE profile = $1"
    " AND level IN ('edge', 'edge_period')";

static enum pt_err read_speeds(const struct asking *a, const char *profile,
                               struct learn_table *table)
{
    PGresult *rows = asking_query(a, speed_sql, 1, &profile, false);
    if (rows == NULL)
        return PT_E_DB;
    size_t count = (size_t)PQntuples(rows);
    enum pt_err err = PT_OK;
    table->rows = calloc(count > 0 ? count : 1, sizeof(*table->rows));
    if (table->rows == NULL)
        err = PT_E_NOMEM;
    for (size_t i = 0; i < count && err == PT_OK; i++) {
        int row = (int)i;
        table->rows[table->row_count++] = (struct learn_row){
            .level = (enum learn_level)count_at(rows, row, 0),
            .place = count_at(rows, row, 1),
            .period = (uint8_t)count_at(rows, row, 2),
            .of = {real_at(rows, row, 3), real_at(rows, row, 4),
                   count_at(rows, row, 5)}};
    }
    PQclear(rows);
    return err;
}

/* Rows need no order: whoever reads them looks at all. */
enum pt_err table_read(const struct asking *a, const char *profile,
                       struct learn_table *ret)
{
    struct learn_table table = {0};
    enum pt_err err = read_profile(a, profile, &table);
    if (err == PT_OK)
        err = read_hours(a, profile, &table);
    if (err == PT_OK)
        err = read_speeds(a, profile, &table);
    if (err == PT_OK)
        *ret = table;
    else
        learn_table_clear(&table);
    return err;
}

/* ------------------------------------------------------------------ in use */
struct speeds {
    struct roads *roads;
    unsigned hour;
    int64_t until_ms;
    size_t count; /* of profiles */
    struct learn_table tables[ROADS_PROFILES_MAX];
    struct roads_metric *metrics[ROADS_PROFILES_MAX]; /* NULL: not learned */
};

void speeds_free(struct speeds *speeds)
{
    if (speeds == NULL)
        return;
    for (size_t i = 0; i < speeds->count; i++) {
        learn_table_clear(&speeds->tables[i]);
        roads_metric_unref(speeds->metrics[i]);
    }
    roads_unref(speeds->roads);
    free(speeds);
}

#define HOUR_MS INT64_C(3600000)

static enum pt_err read_clock(const struct asking *a,
                              const struct streets *streets, int64_t now_ms,
                              struct speeds *speeds)
{
    char now[24];
    snprintf(now, sizeof(now), "%lld", (long long)now_ms);
    const char *const params[] = {now, streets->time_zone};
    PGresult *rows =
        asking_query(a,
                     "SELECT extract(epoch FROM (t AT TIME ZONE $2::text) -"
                     " (t AT TIME ZONE 'UTC'))::integer"
                     " FROM to_timestamp($1::float8 / 1000) t",
                     2, params, false);
    if (rows == NULL)
        return PT_E_DB;
    int32_t offset_s = (int32_t)strtol(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    int64_t local_ms = now_ms + offset_s * INT64_C(1000);
    speeds->hour = learn_hour(now_ms, offset_s);
    speeds->until_ms =
        now_ms - (local_ms % HOUR_MS + HOUR_MS) % HOUR_MS + HOUR_MS;
    return PT_OK;
}

static enum pt_err make_metric(const struct streets *streets, size_t index,
                               struct speeds *speeds)
{
    struct learn_streets on = {
        roads_profile(speeds->roads, roads_profile_name(speeds->roads, index)),
        streets->class_of};
    uint32_t *ms = calloc(2 * roads_edge_count(speeds->roads), sizeof(*ms));
    enum pt_err err = PT_E_NOMEM;
    if (ms != NULL)
        err = learn_times(&speeds->tables[index], &on, speeds->hour, ms);
    if (err == PT_OK)
        err = roads_metric_timed(on.metric, ms, &speeds->metrics[index]);
    free(ms);
    return err;
}

static enum pt_err load_profiles(const struct asking *a,
                                 const struct streets *streets,
                                 struct speeds *speeds)
{
    enum pt_err err = PT_OK;
    bool any = false;
    const char *name;
    while (err == PT_OK &&
           (name = roads_profile_name(speeds->roads, speeds->count)) != NULL) {
        size_t index = speeds->count++;
        err = table_read(a, name, &speeds->tables[index]);
        if (err == PT_OK) {
            err = make_metric(streets, index, speeds);
            any = true;
        } else if (err == PT_E_NOTFOUND) {
            err = PT_OK;
        }
    }
    if (err == PT_OK && !any)
        return asking_fail(a, PT_E_NOTFOUND, "speeds", "none were learned yet");
    return err;
}

/* In the hour of `now_ms`; NULL: in that of `hour`. */
static enum pt_err load(const char *conninfo, struct roads *roads,
                        const int64_t *now_ms, unsigned hour,
                        struct speeds **ret, char *message, size_t message_size)
{
    struct asking a;
    struct streets streets = {0};
    struct speeds *speeds = calloc(1, sizeof(*speeds));
    if (speeds == NULL)
        return PT_E_NOMEM;
    speeds->roads = roads_ref(roads);
    speeds->hour = hour;
    enum pt_err err =
        asking_open(&a, conninfo, "patrol speeds", message, message_size);
    if (err == PT_OK)
        err = asking_run(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (err == PT_OK)
        err = streets_read(&a, roads, &streets);
    if (err == PT_OK && now_ms != NULL)
        err = read_clock(&a, &streets, *now_ms, speeds);
    if (err == PT_OK)
        err = load_profiles(&a, &streets, speeds);
    asking_close(&a);
    streets_clear(&streets);
    if (err == PT_OK)
        *ret = speeds;
    else
        speeds_free(speeds);
    return err;
}

enum pt_err speeds_load(const char *conninfo, struct roads *roads,
                        int64_t now_ms, struct speeds **ret, char *message,
                        size_t message_size)
{
    return load(conninfo, roads, &now_ms, 0, ret, message, message_size);
}

enum pt_err speeds_load_hour(const char *conninfo, struct roads *roads,
                             unsigned hour, struct speeds **ret, char *message,
                             size_t message_size)
{
    if (hour >= LEARN_HOURS)
        return PT_E_RANGE;
    return load(conninfo, roads, NULL, hour, ret, message, message_size);
}

const struct roads *speeds_roads(const struct speeds *speeds)
{
    return speeds->roads;
}

int64_t speeds_until_ms(const struct speeds *speeds)
{
    return speeds->until_ms;
}

bool speeds_prepared(const struct speeds *speeds)
{
    for (size_t i = 0; i < speeds->count; i++) {
        if (speeds->metrics[i] != NULL && !roads_prepared(speeds->metrics[i]))
            return false;
    }
    return true;
}

struct roads_metric *const *speeds_metrics(const struct speeds *speeds,
                                           size_t *count)
{
    *count = speeds->count;
    return speeds->metrics;
}

bool speeds_range(const struct speeds *speeds, const char *profile,
                  double drive_s, double other_s, double place_s,
                  struct learn_range *ret)
{
    for (size_t i = 0; i < speeds->count; i++) {
        const char *name = roads_profile_name(speeds->roads, i);
        if (profile != NULL && strcmp(name, profile) != 0)
            continue;
        if (speeds->metrics[i] == NULL)
            return false;
        *ret = learn_range_of(&speeds->tables[i], speeds->hour, drive_s,
                              other_s, place_s);
        return true;
    }
    return false;
}

/* patrolctl coverage history: what cover was over a span of the past. */
#include "http_client.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORST_SHOWN 5

static const char *const mission_keys[] = {
    "mission_id", "name",         "zone",   "lat",        "lon",
    "off_road",   "promise_s",    "out_s",  "out_share",  "outages",
    "longest_s",  "longest_from", "passes", "unpassed_s", "unpassed_from"};
#define MISSION_KEYS (sizeof mission_keys / sizeof *mission_keys)

/* -------------------------------------------------------------------- asking
 */
enum ctl_exit ctl_ask_history(const struct ctl *ctl,
                              const struct ctl_request *request, json_t **ret)
{
    char now[32];
    const struct ctl_request same = ctl_with_end(request, now, sizeof now);
    return ctl_ask_long(ctl, "GET", &same, NULL, "run_id", "replaying", ret);
}

/* ------------------------------------------------------------------- GeoJSON
 */
static json_t *feature_of(json_t *mission)
{
    json_t *properties = json_copy(mission);
    json_t *feature = json_pack(
        "{s:s, s:o, s:{s:s, s:[O, O]}}", "type", "Feature", "properties",
        properties, "geometry", "type", "Point", "coordinates",
        json_object_get(mission, "lon"), json_object_get(mission, "lat"));
    json_object_del(properties, "lat");
    json_object_del(properties, "lon");
    return feature;
}

static enum ctl_exit print_geojson(const json_t *answer)
{
    const json_t *missions = json_object_get(answer, "missions");
    json_t *features = json_array();
    for (size_t i = 0; i < json_array_size(missions); i++)
        json_array_append_new(features,
                              feature_of(json_array_get(missions, i)));
    json_t *all =
        json_pack("{s:s, s:O, s:O, s:o}", "type", "FeatureCollection", "from",
                  json_object_get(answer, "from"), "to",
                  json_object_get(answer, "to"), "features", features);
    if (all == NULL) {
        ctl_complain("out of memory");
        return CTL_REFUSED;
    }
    ctl_print_json(all);
    json_decref(all);
    return CTL_OK;
}

/* -------------------------------------------------------------------- tables
 */
static void cell_share(struct ctl_table *table, const json_t *object,
                       const char *key)
{
    double share;
    if (ctl_number(object, key, &share))
        ctl_table_format(table, "%.1f", share * 100);
    else
        ctl_table_cell(table, "-");
}

static void mission_row(struct ctl_table *table, const json_t *mission)
{
    ctl_cell_text(table, mission, "name");
    ctl_cell_text(table, mission, "zone");
    ctl_cell_span(table, mission, "out_s");
    cell_share(table, mission, "out_share");
    ctl_cell_number(table, mission, "outages", 0);
    ctl_cell_span(table, mission, "longest_s");
    ctl_cell_text(table, mission, "longest_from");
    ctl_cell_number(table, mission, "passes", 0);
    ctl_cell_span(table, mission, "unpassed_s");
    ctl_table_cell(table, json_is_true(json_object_get(mission, "off_road"))
                              ? "no road near"
                              : "");
}

static enum ctl_exit print_missions(const json_t *missions)
{
    struct ctl_table *table = NULL;
    if (json_array_size(missions) == 0) {
        puts("there are no missions");
        return CTL_OK;
    }
    if (ctl_table_new("mission|zone|>out of cover h|>%|>times|>longest|from|"
                      ">passes|>longest without|",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(missions); i++)
        mission_row(table, json_array_get(missions, i));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

/* Mission hours without anybody in time, as a share of those of the hour. */
static double uncovered(const json_t *hour)
{
    const json_t *none = json_array_get(json_object_get(hour, "seconds"), 0);
    double watched = 0;
    if (!ctl_number(hour, "watched_s", &watched) || watched <= 0)
        return -1;
    return json_number_value(none) / watched;
}

static int by_uncovered(const void *left, const void *right)
{
    double a = uncovered(*(json_t *const *)left);
    double b = uncovered(*(json_t *const *)right);
    return a < b ? 1 : a > b ? -1 : 0;
}

static void print_worst_hours(const json_t *hours)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu",
                                       "Fri", "Sat", "Sun"};
    size_t count = json_array_size(hours);
    json_t **sorted = calloc(count + 1, sizeof(json_t *));
    if (sorted == NULL || count == 0) {
        free(sorted);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(hours, i);
    qsort(sorted, count, sizeof(json_t *), by_uncovered);
    puts("\nhours of the week with the most missions that nobody reached in "
         "time, local:");
    for (size_t i = 0; i < count && i < WORST_SHOWN; i++) {
        double hour = 0;
        (void)ctl_number(sorted[i], "hour", &hour);
        unsigned h = (unsigned)hour % 168;
        printf("  %s %02u:00  %.1f %%\n", days[h / 24], h % 24,
               uncovered(sorted[i]) * 100);
    }
    free(sorted);
}

static void print_made_by(const json_t *answer)
{
    const json_t *units = json_object_get(answer, "units");
    char from[64], to[64];
    double fixes = 0, mean = 0, nobody_s = 0, networks = 0;
    const char *clock = ctl_text(answer, "clock");
    const char *text = ctl_text(answer, "from");
    ctl_clean(text != NULL ? text : "?", from, sizeof from);
    text = ctl_text(answer, "to");
    ctl_clean(text != NULL ? text : "?", to, sizeof to);
    (void)ctl_number(answer, "fixes", &fixes);
    (void)ctl_number(answer, "networks_since", &networks);
    (void)ctl_number(units, "counted_mean", &mean);
    (void)ctl_number(units, "nobody_s", &nobody_s);
    printf("%s to %s, %s\n", from, to,
           clock != NULL && strcmp(clock, "received") == 0
               ? "as reports came in"
               : "as units stood");
    printf("%.0f fixes; %.1f units counted on the average, none for %.0f s\n",
           fixes, mean, nobody_s);
    if (networks > 0)
        puts("the street network was renewed since: all is judged by today's");
}

static enum ctl_exit print_tables(const json_t *answer)
{
    print_made_by(answer);
    enum ctl_exit end = print_missions(json_object_get(answer, "missions"));
    if (end == CTL_OK)
        print_worst_hours(json_object_get(answer, "hours"));
    return end;
}

/* ------------------------------------------------------------------- command
 */
enum ctl_exit cmd_coverage_history(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_time from = {0}, to = {0};
    const char *zone = NULL, *mission = NULL;
    const char *clock = NULL, *step = NULL, *follow = NULL;
    bool csv = false, geojson = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"from", 0, CTL_SINCE, &from, "TIME",
         "since then: 2h, 7d, 18:30, a date (a week before the end)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "and before then (now)", 0, 0},
        {"zone", 'z', CTL_TEXT, &zone, "NAME", "only this zone", 0, 0},
        {"mission", 0, CTL_TEXT, &mission, "NAME", "only this mission", 0, 0},
        {"clock", 0, CTL_TEXT, &clock, "CLOCK",
         "fix or received: from when on a report counts", 0, 0},
        {"step", 0, CTL_TEXT, &step, "SECONDS",
         "between looks at the streets (300); 0: none", 0, 0},
        {"follow", 0, CTL_TEXT, &follow, "WHAT",
         "missions at all reports, or each step: some times faster", 0, 0},
        {"csv", 0, CTL_FLAG, &csv, NULL, "the missions as CSV", 0, 0},
        {"geojson", 0, CTL_FLAG, &geojson, NULL, "the missions as GeoJSON", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    if (ctl->json + csv + geojson > 1) {
        ctl_complain("one of --json, --csv and --geojson");
        return CTL_USAGE;
    }
    const struct ctl_request request = {.path = "/v1/coverage/history",
                                        .params = {{"from", from.at},
                                                   {"to", to.at},
                                                   {"zone", zone},
                                                   {"mission", mission},
                                                   {"clock", clock},
                                                   {"step", step},
                                                   {"follow", follow}}};
    end = ctl_ask_history(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK && csv)
        ctl_csv_rows(json_object_get(answer, "missions"), mission_keys,
                     MISSION_KEYS);
    else if (end == CTL_OK && geojson)
        end = print_geojson(answer);
    else if (end == CTL_OK)
        end = print_tables(answer);
    json_decref(answer);
    return end;
}

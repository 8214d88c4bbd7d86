/* patrolctl coverage: what units reach in time now, and what they do not. */
#include "http_client.h"
#include "unit_text.h"
#include <string.h>

static void zone_row(struct ctl_table *table, const json_t *zone,
                     const char *name)
{
    const json_t *missions = json_object_get(zone, "missions");
    const json_t *streets = json_object_get(zone, "streets");
    double length_m;
    ctl_table_cell(table, name);
    ctl_cell_clock(table, zone, "promise_s");
    ctl_cell_number(table, missions, "total", 0);
    for (size_t k = 0; k < 3; k++)
        ctl_cell_share(table, missions, k);
    if (ctl_number(streets, "length_m", &length_m))
        ctl_table_format(table, "%.0f", length_m / 1000);
    else
        ctl_table_cell(table, "-");
    for (size_t k = 0; k < 3; k++)
        ctl_cell_share(table, streets, k);
    ctl_table_cell(table,
                   json_is_true(json_object_get(zone, "alarm")) ? "LOST" : "");
}

static enum ctl_exit print_zones(const json_t *answer)
{
    const json_t *zones = json_object_get(answer, "zones");
    struct ctl_table *table = NULL;
    if (ctl_table_new("zone|>promise|>missions|>1 unit %|>2 %|>3 %|>streets km|"
                      ">1 unit %|>2 %|>3 %|",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(zones); i++) {
        const json_t *zone = json_array_get(zones, i);
        zone_row(table, zone, ctl_text(zone, "name"));
    }
    zone_row(table, json_object_get(answer, "total"), "all");
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static void mission_row(struct ctl_table *table, const json_t *mission)
{
    const json_t *first = json_array_get(json_object_get(mission, "units"), 0);
    bool off_road = json_is_true(json_object_get(mission, "off_road"));
    ctl_cell_text(table, mission, "name");
    ctl_cell_text(table, mission, "zone");
    ctl_cell_clock(table, mission, "promise_s");
    ctl_cell_number(table, mission, "within", 0);
    ctl_table_cell(table, first == NULL ? "-" : ctl_text(first, "call_sign"));
    ctl_cell_clock(table, first, "eta_s");
    ctl_table_cell(table, off_road ? "no road near"
                          : json_is_true(json_object_get(mission, "alarm"))
                              ? "LOST"
                              : "");
    ctl_cell_text(table, mission, "below_since");
}

/* Those out of cover, or all. */
static enum ctl_exit print_missions(const json_t *answer, bool all)
{
    const json_t *missions = json_object_get(answer, "missions");
    struct ctl_table *table = NULL;
    size_t count = 0;
    enum ctl_exit end = CTL_OK;
    if (ctl_table_new("mission|zone|>promise|>in time|first|>m:ss||below since",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const json_t *mission = json_array_get(missions, i);
        if (!all && !json_is_false(json_object_get(mission, "covered")))
            continue;
        mission_row(table, mission);
        count++;
    }
    putchar('\n');
    if (count > 0)
        end = ctl_table_show(table);
    else
        puts(all ? "there are no missions" : "no mission is out of cover");
    ctl_table_free(table);
    return end;
}

static void print_units(const json_t *answer)
{
    const json_t *units = json_object_get(answer, "units");
    double counted;
    if (ctl_number(units, "counted", &counted))
        printf("units that count: %.0f\n", counted);
    if (json_is_true(json_object_get(answer, "renewing")))
        puts("time tables are being made anew: figures are those of before");
}

enum ctl_exit cmd_coverage(struct ctl *ctl, int argc, char **argv)
{
    const char *zone = NULL;
    bool all = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"zone", 'z', CTL_TEXT, &zone, "NAME", "only this zone", 0, 0},
        {"all", 'a', CTL_FLAG, &all, NULL, "all missions, with who is first", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    const struct ctl_request request = {.path = "/v1/coverage",
                                        .params = {{"zone", zone}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json) {
        ctl_print_json(answer);
    } else if (end == CTL_OK) {
        ctl_print_degraded(answer);
        print_units(answer);
        end = print_zones(answer);
        if (end == CTL_OK)
            end = print_missions(answer, all);
    }
    json_decref(answer);
    return end;
}

/* ----------------------------------------------------------------------- gaps
 */
static void gap_row(struct ctl_table *table, const json_t *gap)
{
    const json_t *properties = json_object_get(gap, "properties");
    const json_t *missions = json_object_get(properties, "missions");
    double length_m;
    char names[512] = "";
    size_t used = 0;
    if (ctl_number(properties, "length_m", &length_m))
        ctl_table_format(table, "%.1f", length_m / 1000);
    else
        ctl_table_cell(table, "-");
    ctl_cell_clock(table, properties, "worst_s");
    ctl_table_format(table, "%zu", json_array_size(missions));
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const char *name = ctl_text(json_array_get(missions, i), "name");
        size_t length = name == NULL ? 0 : strlen(name);
        if (length == 0)
            continue;
        if (used + length + 8 > sizeof names) {
            strcpy(names + used, ", ...");
            break;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                 used > 0 ? ", " : "", name);
    }
    ctl_table_cell(table, names);
}

enum ctl_exit cmd_coverage_gaps(struct ctl *ctl, int argc, char **argv)
{
    const char *zone = NULL;
    bool lines = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    struct ctl_table *table = NULL;
    const struct ctl_option options[] = {
        {"zone", 'z', CTL_TEXT, &zone, "NAME", "only gaps that touch this zone",
         0, 0},
        {"lines", 'l', CTL_FLAG, &lines, NULL,
         "with --json the streets themselves, not the areas around them", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    /* a table needs no areas, which take some time to make */
    const struct ctl_request request = {
        .path = "/v1/coverage/gaps",
        .params = {{"zone", zone},
                   {"form", lines || !ctl->json ? "lines" : "areas"}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json) {
        ctl_print_json(answer);
    } else if (end == CTL_OK) {
        const json_t *gaps = json_object_get(answer, "features");
        end = CTL_REFUSED;
        if (json_array_size(gaps) == 0) {
            puts("every street with a promise is within it");
            end = CTL_OK;
        } else if (ctl_table_new(">km|>worst m:ss|>missions|their names",
                                 &table) == PT_OK) {
            for (size_t i = 0; i < json_array_size(gaps); i++)
                gap_row(table, json_array_get(gaps, i));
            end = ctl_table_show(table);
        }
    }
    ctl_table_free(table);
    json_decref(answer);
    return end;
}

/* patrolctl coverage weak: where cover hangs by a thread. */
#include "http_client.h"
#include "unit_text.h"
#include <stdlib.h>
#include <string.h>

static enum ctl_exit print_points(const json_t *answer)
{
    const json_t *points = json_object_get(answer, "points");
    struct ctl_table *table = NULL;
    if (json_array_size(points) == 0) {
        puts("no unit and no street uncovers a mission alone");
        return CTL_OK;
    }
    if (ctl_table_new(">|>missions|why", &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        ctl_cell_number(table, point, "rank", 0);
        ctl_cell_number(table, point, "missions_out",
                        json_object_get(point, "hour") != NULL ? 1 : 0);
        ctl_cell_text(table, point, "reason");
    }
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static int compare_spare(const void *left, const void *right)
{
    const json_t *const *a = left, *const *b = right;
    double spare_a = 0, spare_b = 0;
    if (!ctl_number(*a, "can_fail", &spare_a))
        spare_a = 1e9;
    if (!ctl_number(*b, "can_fail", &spare_b))
        spare_b = 1e9;
    return (spare_a > spare_b) - (spare_a < spare_b);
}

static void mission_row(struct ctl_table *table, const json_t *mission)
{
    const json_t *past = json_object_get(mission, "past");
    double share;
    ctl_cell_text(table, mission, "name");
    ctl_cell_text(table, mission, "zone");
    ctl_cell_number(table, mission, "in_time", 0);
    ctl_cell_number(table, mission, "can_fail", 0);
    if (ctl_number(past, "out_share", &share))
        ctl_table_format(table, "%.1f", share * 100);
    else
        ctl_table_cell(table, "-");
    ctl_cell_text(table, past, "worst_hour");
}

static const char *none_shown(const json_t *missions, bool all)
{
    double spare;
    if (json_array_size(missions) == 0)
        return "there are no missions";
    for (size_t i = 0; !all && i < json_array_size(missions); i++)
        if (ctl_number(json_array_get(missions, i), "can_fail", &spare))
            return "every mission with a promise has a unit to spare";
    return "no mission has a promise and a road to it";
}

/* Those with no unit to spare, or all; the fewest first. */
static enum ctl_exit print_missions(const json_t *answer, bool all)
{
    const json_t *missions = json_object_get(answer, "missions");
    size_t count = json_array_size(missions), shown = 0;
    const json_t **sorted = calloc(count + 1, sizeof(*sorted));
    struct ctl_table *table = NULL;
    enum ctl_exit end = CTL_REFUSED;
    if (sorted == NULL ||
        ctl_table_new("mission|zone|>in time|>may fail|>out %|worst hour",
                      &table) != PT_OK) {
        free(sorted);
        return CTL_REFUSED;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(missions, i);
    qsort(sorted, count, sizeof(*sorted), compare_spare);
    for (size_t i = 0; i < count; i++) {
        double spare = 0;
        bool known = ctl_number(sorted[i], "can_fail", &spare);
        if (!all && (!known || spare > 0))
            continue;
        mission_row(table, sorted[i]);
        shown++;
    }
    putchar('\n');
    if (shown > 0) {
        end = ctl_table_show(table);
    } else {
        puts(none_shown(missions, all));
        end = CTL_OK;
    }
    ctl_table_free(table);
    free(sorted);
    return end;
}

static void print_notes(const json_t *answer)
{
    const json_t *tried = json_object_get(answer, "streets_tried");
    const json_t *hours = json_object_get(answer, "hours");
    double candidates = 0, count = 0;
    if (ctl_number(tried, "candidates", &candidates) &&
        ctl_number(tried, "tried", &count))
        printf("streets: %.0f of %.0f that could uncover any were tried%s\n",
               count, candidates,
               json_is_false(json_object_get(tried, "is_worst"))
                   ? "; another may uncover more"
                   : "");
    if (!json_is_object(hours))
        puts("hours: nothing of the past is stored yet");
}

enum ctl_exit cmd_coverage_weak(struct ctl *ctl, int argc, char **argv)
{
    const char *language = NULL;
    bool all = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"language", 'l', CTL_TEXT, &language, "CODE",
         "of the reasons: en, es, fr; else that of the terminal", 0, 0},
        {"all", 'a', CTL_FLAG, &all, NULL, "all missions", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    language = ctl_language(language);
    if (language == NULL)
        return CTL_USAGE;
    const struct ctl_request request = {.path = "/v1/coverage/weak",
                                        .params = {{"lang", language}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json) {
        ctl_print_json(answer);
    } else if (end == CTL_OK) {
        ctl_print_degraded(answer);
        end = print_points(answer);
        print_notes(answer);
        if (end == CTL_OK)
            end = print_missions(answer, all);
    }
    json_decref(answer);
    return end;
}

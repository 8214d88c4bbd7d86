/* patrolctl coverage plan, plans, replay: where units should stand by, by hour
 * of the week and number of units, and what that would have done. */
#include "posts_wish.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNITS_MAX 40
#define WORST_SHOWN 10
#define NAME_BYTES 64

static const char *const post_keys[] = {"lat",  "lon",     "street", "zone",
                                        "name", "post_id", "kept",   "missions",
                                        "adds", "holds"};
static const char *const mission_keys[] = {
    "mission_id", "name", "zone", "real_out_s", "plan_out_s", "posts_out_s"};
#define COUNT(keys) (sizeof(keys) / sizeof *(keys))

static double number_of(const json_t *object, const char *key)
{
    double value = 0;
    return ctl_number(object, key, &value) ? value : 0;
}

/* -------------------------------------------------------------- what is asked
 */
/* "6-10", "4,6,8": false after a complaint. */
static bool add_units(json_t *body, const char *typed)
{
    json_t *units = json_array();
    const char *at = typed;
    json_object_set_new(body, "units", units);
    while (*at != '\0') {
        char *end = NULL;
        long from = strtol(at, &end, 10), to = from;
        bool good = end != at && from >= 1 && from <= 100;
        if (good && *end == '-') {
            at = end + 1;
            to = strtol(at, &end, 10);
            good = end != at && to >= from && to <= 100;
        }
        if (!good || (*end != ',' && *end != '\0') ||
            json_array_size(units) + (size_t)(to - from) >= UNITS_MAX) {
            ctl_complain("--units: \"%s\" is not like 6-10 or 4,6,8 (1 to 100, "
                         "at most 40)",
                         typed);
            return false;
        }
        for (long n = from; n <= to; n++)
            json_array_append_new(units, json_integer(n));
        at = *end == ',' ? end + 1 : end;
    }
    return true;
}

/* "mon-fri", "sat,sun"; false: no such days. */
static bool add_days(json_t *group, const char *typed, size_t length)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu",
                                       "fri", "sat", "sun"};
    json_t *list = json_array();
    int from = -1;
    json_object_set_new(group, "days", list);
    for (size_t at = 0; at < length; at += 4) {
        int day = 0;
        while (day < 7 &&
               (length - at < 3 || strncasecmp(typed + at, days[day], 3) != 0))
            day++;
        char behind = at + 3 < length ? typed[at + 3] : ',';
        if (day == 7 || (behind != ',' && behind != '-') || day <= from)
            return false;
        for (int d = from < 0 ? day : from + 1; d <= day; d++)
            json_array_append_new(list, json_string(days[d]));
        from = behind == '-' ? day : -1;
    }
    return json_array_size(list) > 0 && from < 0;
}

/* "night=22-06", "rush=mon-fri:07-09"; NULL: it is not like that. */
static json_t *group_of(const char *typed)
{
    const char *equals = strchr(typed, '='), *hours;
    char name[NAME_BYTES];
    int from, to, used = 0;
    if (equals == NULL || equals == typed ||
        (size_t)(equals - typed) >= sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)(equals - typed), typed);
    const char *colon = strchr(equals, ':');
    hours = colon != NULL ? colon + 1 : equals + 1;
    if (sscanf(hours, "%2d-%2d%n", &from, &to, &used) != 2 ||
        hours[used] != '\0' || from < 0 || from > 23 || to < 0 || to > 24)
        return NULL;
    json_t *group =
        json_pack("{s:s, s:i, s:i}", "name", name, "from", from, "to", to);
    if (group == NULL || colon == NULL ||
        add_days(group, equals + 1, (size_t)(colon - equals - 1)))
        return group;
    json_decref(group);
    return NULL;
}

static bool add_groups(json_t *body, const struct ctl_list *groups)
{
    json_t *list = json_array();
    if (groups->count > 0)
        json_object_set(body, "groups", list);
    for (size_t i = 0; i < groups->count; i++) {
        json_t *group = group_of(groups->items[i]);
        if (group == NULL) {
            ctl_complain("--group: \"%s\" is not like night=22-06 or "
                         "rush=mon-fri:07-09",
                         groups->items[i]);
            json_decref(list);
            return false;
        }
        json_array_append_new(list, group);
    }
    json_decref(list);
    return true;
}

/* --------------------------------------------------------------------- a plan
 */
static void choice_row(struct ctl_table *table, const json_t *group,
                       const json_t *choice)
{
    double share = 0;
    bool has_share = ctl_number(choice, "share", &share);
    ctl_cell_text(table, group, "name");
    ctl_table_format(table, "%zu",
                     json_array_size(json_object_get(group, "hours")));
    ctl_cell_number(table, choice, "units", 0);
    ctl_table_format(table, "%zu",
                     json_array_size(json_object_get(choice, "posts")));
    ctl_table_format(table, "%.1f of %.0f", number_of(choice, "missions"),
                     number_of(choice, "missions_of"));
    if (has_share)
        ctl_table_format(table, "%.1f", 100 * share);
    else
        ctl_table_cell(table, "-");
    if (json_is_true(json_object_get(choice, "proved")))
        ctl_table_cell(table, "the best possible");
    else
        ctl_table_format(table, "at least %.1f %% of the best",
                         100 * number_of(choice, "best_share"));
}

static void post_row(struct ctl_table *table, const json_t *group,
                     const json_t *choice, const json_t *post, size_t number)
{
    ctl_cell_text(table, group, "name");
    ctl_cell_number(table, choice, "units", 0);
    ctl_table_format(table, "%zu", number);
    ctl_cell_point(table, post);
    ctl_cell_text(table, post,
                  ctl_text(post, "name") != NULL ? "name" : "street");
    ctl_cell_text(table, post, "zone");
    ctl_cell_number(table, post, "missions", 1);
    ctl_cell_number(table, post, "adds", 1);
}

/* A row for each choice, or for each post. */
static enum ctl_exit print_groups(const json_t *plan, bool posts)
{
    const json_t *groups = json_object_get(plan, "groups");
    struct ctl_table *table = NULL;
    if (ctl_table_new(posts ? "hours|>units|>#|place|street|zone|>missions|"
                              ">adds"
                            : "hours|>of 168|>units|>posts|>missions in cover|"
                              ">% of weight|",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *group = json_array_get(groups, g);
        const json_t *choices = json_object_get(group, "choices");
        for (size_t i = 0; i < json_array_size(choices); i++) {
            const json_t *choice = json_array_get(choices, i);
            const json_t *list = json_object_get(choice, "posts");
            if (!posts)
                choice_row(table, group, choice);
            for (size_t p = 0; posts && p < json_array_size(list); p++)
                post_row(table, group, choice, json_array_get(list, p), p + 1);
        }
    }
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static enum ctl_exit print_plan(const json_t *plan)
{
    char name[512];
    const char *text = ctl_text(plan, "name");
    ctl_clean(text == NULL ? "?" : text, name, sizeof name);
    printf("plan %.0f: %s (times learned for %.0f hours)\n",
           number_of(plan, "plan_id"), name, number_of(plan, "hours_learned"));
    enum ctl_exit end = print_groups(plan, false);
    putchar('\n');
    return end == CTL_OK ? print_groups(plan, true) : end;
}

/* A line a post. */
static void print_plan_csv(const json_t *plan)
{
    static const char *const group_key[] = {"name"};
    static const char *const choice_key[] = {"units"};
    const json_t *groups = json_object_get(plan, "groups");
    printf("group,units,post,");
    ctl_csv_head(post_keys, COUNT(post_keys));
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *group = json_array_get(groups, g);
        const json_t *choices = json_object_get(group, "choices");
        for (size_t i = 0; i < json_array_size(choices); i++) {
            const json_t *choice = json_array_get(choices, i);
            const json_t *posts = json_object_get(choice, "posts");
            for (size_t p = 0; p < json_array_size(posts); p++) {
                ctl_csv_cells(group, group_key, 1);
                putchar(',');
                ctl_csv_cells(choice, choice_key, 1);
                printf(",%zu,", p + 1);
                ctl_csv_cells(json_array_get(posts, p), post_keys,
                              COUNT(post_keys));
                putchar('\n');
            }
        }
    }
}

static enum ctl_exit show_plan(const struct ctl *ctl, const json_t *plan,
                               bool csv)
{
    if (ctl->json)
        ctl_print_json(plan);
    else if (csv)
        print_plan_csv(plan);
    else
        return print_plan(plan);
    return CTL_OK;
}

static bool one_form(const struct ctl *ctl, bool csv)
{
    if (!ctl->json || !csv)
        return true;
    ctl_complain("either --json or --csv");
    return false;
}

enum ctl_exit cmd_coverage_plan(struct ctl *ctl, int argc, char **argv)
{
    struct posts_wish wish = {.fold = 1, .turnout_s = -1};
    struct ctl_list groups = {0};
    const char *units = NULL, *name = NULL;
    bool each_hour = false, closures = false, csv = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"units", 'u', CTL_TEXT, &units, "NUMBERS",
         "that may be available, such as 6-10 or 4,6,8", 0, 0},
        {"name", 0, CTL_TEXT, &name, "NAME", "what it is called", 0, 0},
        {"group", 0, CTL_LIST, &groups, "HOURS",
         "hours with the same posts: night=22-06, rush=mon-fri:07-09", 0, 0},
        {"each-hour", 0, CTL_FLAG, &each_hour, NULL,
         "every hour of the week on its own", 0, 0},
        {"closures", 0, CTL_FLAG, &closures, NULL,
         "with the streets that are closed now", 0, 0},
        POSTS_WISH_OPTIONS(wish, "(5)"),
        {"csv", 0, CTL_FLAG, &csv, NULL, "the posts as CSV", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    if (units == NULL)
        ctl_complain("--units: how many units may be available, such as 6-10");
    if (units == NULL || !one_form(ctl, csv))
        return CTL_USAGE;
    json_t *body = ctl_posts_body(&wish, &end);
    if (body == NULL)
        return end;
    if (name != NULL)
        json_object_set_new(body, "name", json_string(name));
    json_object_set_new(body, "each_hour", json_boolean(each_hour));
    json_object_set_new(body, "with_closures", json_boolean(closures));
    end = CTL_USAGE;
    const struct ctl_request request = {.path = "/v1/coverage/plans"};
    if (add_units(body, units) && add_groups(body, &groups))
        end = ctl_ask_long(ctl, "POST", &request, body, "plan_id", "planning",
                           &answer);
    if (end == CTL_OK)
        end = show_plan(ctl, answer, csv);
    json_decref(body);
    json_decref(answer);
    return end;
}

/* ---------------------------------------------------------------- those kept
 */
static void head_row(struct ctl_table *table, const json_t *plan)
{
    ctl_cell_number(table, plan, "plan_id", 0);
    ctl_cell_text(table, plan, "name");
    ctl_cell_text(table, plan, "made_at");
    ctl_cell_number(table, plan, "group_count", 0);
    const json_t *units = json_object_get(plan, "units");
    ctl_table_format(
        table, "%.0f-%.0f", json_number_value(json_array_get(units, 0)),
        json_number_value(json_array_get(units, json_array_size(units) - 1)));
    ctl_cell_text(table, plan, "profile");
}

static enum ctl_exit print_list(const json_t *answer)
{
    const json_t *plans = json_object_get(answer, "plans");
    struct ctl_table *table = NULL;
    if (json_array_size(plans) == 0) {
        puts("there are no plans (patrolctl coverage plan --units 6-10)");
        return CTL_OK;
    }
    if (ctl_table_new(">#|name|made at|>groups|>units|profile", &table) !=
        PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(plans); i++)
        head_row(table, json_array_get(plans, i));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

enum ctl_exit cmd_coverage_plans(struct ctl *ctl, int argc, char **argv)
{
    bool csv = false, removes = false;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"csv", 0, CTL_FLAG, &csv, NULL, "its posts as CSV", 0, 0},
        {"remove", 0, CTL_FLAG, &removes, NULL, "removes it", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    if (ctl->argc == 0 && (csv || removes))
        ctl_complain("which plan? Its number is needed");
    if (!one_form(ctl, csv) || (ctl->argc == 0 && (csv || removes)))
        return CTL_USAGE;
    const struct ctl_request request = {
        .path = ctl->argc > 0 ? "/v1/coverage/plans/" : "/v1/coverage/plans",
        .name = ctl->argc > 0 ? ctl->argv[0] : NULL};
    end = ctl_send(ctl, removes ? "DELETE" : "GET", &request, NULL, &answer);
    if (end == CTL_OK && removes && !ctl->json)
        puts("the plan was removed");
    else if (end == CTL_OK && ctl->argc > 0 && !removes)
        end = show_plan(ctl, answer, csv);
    else if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_list(answer);
    json_decref(answer);
    return end;
}

/* ------------------------------------------------------------------- replayed
 */
static void side_row(struct ctl_table *table, const char *name,
                     const json_t *side)
{
    double share = 0;
    if (!json_is_object(side))
        return;
    ctl_table_cell(table, name);
    ctl_table_format(table, "%.0f", number_of(side, "out_s") / 60);
    ctl_table_format(table, "%.1f", number_of(side, "unit_s") / 3600);
    if (ctl_number(side, "stood_share", &share))
        ctl_table_format(table, "%.1f", 100 * share);
    else
        ctl_table_cell(table, "-");
}

static enum ctl_exit print_sides(const json_t *answer)
{
    const json_t *sides = json_object_get(answer, "sides");
    struct ctl_table *table = NULL;
    if (ctl_table_new("|>mission minutes out of cover|>unit hours|"
                      ">% of them really there",
                      &table) != PT_OK)
        return CTL_REFUSED;
    side_row(table, "as it was", json_object_get(sides, "real"));
    side_row(table, "the plan", json_object_get(sides, "plan"));
    side_row(table, "posts in force", json_object_get(sides, "posts"));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static void print_avoided(const json_t *answer)
{
    const json_t *avoided = json_object_get(answer, "avoided");
    double beside_posts_s = 0;
    printf("\nminutes out of cover avoided by the plan: %.0f beside what was",
           number_of(avoided, "beside_real_s") / 60);
    if (ctl_number(avoided, "beside_posts_s", &beside_posts_s))
        printf(", %.0f beside the posts in force", beside_posts_s / 60);
    printf("\n%.0f looks, %.1f units on the average",
           number_of(answer, "looks"), number_of(answer, "units_mean"));
    if (number_of(answer, "unplanned_looks") > 0)
        printf("; %.0f more without a plan do not count",
               number_of(answer, "unplanned_looks"));
    puts("\n");
}

static enum ctl_exit print_missions(const json_t *answer, bool all)
{
    const json_t *missions = json_object_get(answer, "missions");
    struct ctl_table *table = NULL;
    if (ctl_table_new("mission|zone|>out of cover h|>with the plan|"
                      ">posts in force",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0;
         i < json_array_size(missions) && (all || i < WORST_SHOWN); i++) {
        const json_t *mission = json_array_get(missions, i);
        ctl_cell_text(table, mission, "name");
        ctl_cell_text(table, mission, "zone");
        ctl_cell_span(table, mission, "real_out_s");
        ctl_cell_span(table, mission, "plan_out_s");
        ctl_cell_span(table, mission, "posts_out_s");
    }
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static enum ctl_exit print_replay(const json_t *answer, bool all)
{
    enum ctl_exit end = print_sides(answer);
    if (end != CTL_OK)
        return end;
    print_avoided(answer);
    return print_missions(answer, all);
}

/* The number of the newest plan, as text. */
static enum ctl_exit newest_plan(const struct ctl *ctl, char *ret, size_t size)
{
    const struct ctl_request request = {.path = "/v1/coverage/plans"};
    json_t *answer = NULL;
    double number = 0;
    enum ctl_exit end = ctl_get(ctl, &request, &answer);
    const json_t *newest = json_array_get(json_object_get(answer, "plans"), 0);
    if (end == CTL_OK && !ctl_number(newest, "plan_id", &number)) {
        ctl_complain("there are no plans (patrolctl coverage plan)");
        end = CTL_REFUSED;
    }
    snprintf(ret, size, "%.0f", number);
    json_decref(answer);
    return end;
}

enum ctl_exit cmd_coverage_replay(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_time from = {0}, to = {0};
    const char *clock = NULL, *step = NULL, *near_m = NULL;
    bool csv = false, all = false;
    char now[32], number[24];
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"from", 0, CTL_SINCE, &from, "TIME",
         "since then: 2h, 7d, 18:30, a date (28 days before the end)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "and before then (now)", 0, 0},
        {"clock", 0, CTL_TEXT, &clock, "CLOCK",
         "fix or received: from when on a report counts", 0, 0},
        {"step", 0, CTL_TEXT, &step, "SECONDS", "between looks (300)", 0, 0},
        {"near", 0, CTL_TEXT, &near_m, "METRES",
         "so near a unit stands at a post (200)", 0, 0},
        {"all", 'a', CTL_FLAG, &all, NULL, "all missions", 0, 0},
        {"csv", 0, CTL_FLAG, &csv, NULL, "the missions as CSV", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    if (!one_form(ctl, csv))
        return CTL_USAGE;
    if (ctl->argc == 0 &&
        (end = newest_plan(ctl, number, sizeof number)) != CTL_OK)
        return end;
    const struct ctl_request request = {.path = "/v1/coverage/plans/",
                                        .name = ctl->argc > 0 ? ctl->argv[0]
                                                              : number,
                                        .behind = "/replay",
                                        .params = {{"from", from.at},
                                                   {"to", to.at},
                                                   {"clock", clock},
                                                   {"step", step},
                                                   {"near_m", near_m}}};
    const struct ctl_request same = ctl_with_end(&request, now, sizeof now);
    end =
        ctl_ask_long(ctl, "GET", &same, NULL, "plan_id", "replaying", &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK && csv)
        ctl_csv_rows(json_object_get(answer, "missions"), mission_keys,
                     COUNT(mission_keys));
    else if (end == CTL_OK)
        end = print_replay(answer, all);
    json_decref(answer);
    return end;
}

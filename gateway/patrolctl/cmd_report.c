/* patrolctl report eta: how right predictions were. */
#include "http_client.h"
#include <string.h>

static void add_share(struct ctl_table *table, const json_t *row,
                      const char *key)
{
    double share;
    if (ctl_number(row, key, &share))
        ctl_table_format(table, "%.0f %%", share * 100);
    else
        ctl_table_cell(table, "-");
}

static void add_row(struct ctl_table *table, const json_t *row)
{
    const char *profile = ctl_text(row, "profile");
    ctl_table_cell(table, profile != NULL ? profile : "all");
    ctl_cell_number(table, row, "arrivals", 0);
    ctl_cell_number(table, row, "bias_s", 1);
    ctl_cell_number(table, row, "median_error_s", 1);
    ctl_cell_number(table, row, "p90_error_s", 1);
    add_share(table, row, "in_range");
    add_share(table, row, "within_promise");
    add_share(table, row, "mean_p_within");
}

static enum ctl_exit print_report(const json_t *answer)
{
    const json_t *profiles = json_object_get(answer, "profiles");
    const char *from = ctl_text(answer, "from");
    const char *to = ctl_text(answer, "to");
    struct ctl_table *table = NULL;
    char clean[2][64];
    ctl_clean(from != NULL ? from : "?", clean[0], sizeof clean[0]);
    ctl_clean(to != NULL ? to : "?", clean[1], sizeof clean[1]);
    printf("%s to %s\n", clean[0], clean[1]);
    if (json_array_size(profiles) == 0) {
        puts("no unit has arrived where it was asked for and went to");
        return CTL_OK;
    }
    if (ctl_table_new("profile|>arrivals|>bias s|>median error s|"
                      ">9 of 10 within s|>in range|>in time|>was expected",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(profiles); i++)
        add_row(table, json_array_get(profiles, i));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

enum ctl_exit cmd_report_eta(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_time from = {0}, to = {0};
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"from", 0, CTL_SINCE, &from, "TIME",
         "predictions since then: 7d, a date (28 days before the end)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "and before then (now)", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    const struct ctl_request request = {
        .path = "/v1/reports/eta",
        .params = {{"from", from.at}, {"to", to.at}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_report(answer);
    json_decref(answer);
    return end;
}

/* patrolctl closure: streets closed, slowed and opened again. */
#include "closure_text.h"
#include "http_client.h"
#include <stdlib.h>
#include <string.h>

/* As given on the command line. */
struct wish {
    const char *street;
    struct ctl_list ways;
    struct ctl_time from, until;
    const char *slow, *one_way, *reason, *who;
};

static bool add_ways(json_t *body, const struct ctl_list *ways)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ways->count; i++) {
        char *end = NULL;
        long long way = strtoll(ways->items[i], &end, 10);
        if (end == ways->items[i] || *end != 0) {
            ctl_complain("--way: \"%s\" is not a number", ways->items[i]);
            json_decref(list);
            return false;
        }
        json_array_append_new(list, json_integer(way));
    }
    json_object_set_new(body, "ways", list);
    return true;
}

static bool add_place(json_t *body, const struct wish *wish)
{
    double lat_deg, lon_deg;
    if ((wish->street != NULL) == (wish->ways.count > 0)) {
        ctl_complain("give either STREET (in quotes) or --way");
        return false;
    }
    if (wish->street == NULL)
        return add_ways(body, &wish->ways);
    if (ctl_parse_point(wish->street, &lat_deg, &lon_deg)) {
        json_object_set_new(body, "lat", json_real(lat_deg));
        json_object_set_new(body, "lon", json_real(lon_deg));
    } else {
        json_object_set_new(body, "street", json_string(wish->street));
    }
    return true;
}

static void add_when(json_t *body, const struct wish *wish)
{
    if (wish->from.at != NULL)
        json_object_set_new(body, "from", json_string(wish->from.at));
    if (wish->until.at != NULL)
        json_object_set_new(body, "until", json_string(wish->until.at));
}

static bool add_how(json_t *body, const struct wish *wish)
{
    double factor, speed_mps;
    if (wish->slow != NULL) {
        if (!ctl_parse_slow(wish->slow, &factor, &speed_mps)) {
            ctl_complain("--slow: \"%s\" is not like 50%% or 20km/h",
                         wish->slow);
            return false;
        }
        if (factor > 0)
            json_object_set_new(body, "factor", json_real(factor));
        else
            json_object_set_new(body, "speed_mps", json_real(speed_mps));
    }
    if (wish->one_way == NULL)
        return true;
    if (strcmp(wish->one_way, "forward") != 0 &&
        strcmp(wish->one_way, "backward") != 0) {
        ctl_complain("--one-way: forward or backward");
        return false;
    }
    json_object_set_new(body, "direction", json_string(wish->one_way));
    return true;
}

static void add_who(json_t *body, const struct wish *wish)
{
    const char *who = ctl_who(wish->who);
    if (who != NULL)
        json_object_set_new(body, "who", json_string(who));
    if (wish->reason != NULL)
        json_object_set_new(body, "reason", json_string(wish->reason));
}

static void print_added(const json_t *answer)
{
    const json_t *properties = json_object_get(answer, "properties");
    double lost_m;
    if (properties == NULL) {
        printf("closure %" JSON_INTEGER_FORMAT
               " is stored; the gateway takes it over as soon as it can\n",
               json_integer_value(json_object_get(answer, "closure_id")));
        return;
    }
    json_t *named = json_pack("{s:[O]}", "closures", properties);
    ctl_print_closures(named);
    json_decref(named);
    if (ctl_number(properties, "lost_m", &lost_m) && lost_m >= 1)
        printf("! %.0f m of it are not on the map in force\n", lost_m);
}

enum ctl_exit cmd_closure_add(struct ctl *ctl, int argc, char **argv)
{
    struct wish wish = {0};
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"until", 'u', CTL_UNTIL, &wish.until, "TIME",
         "18:30, 90m, 2h, 3d or a date; else until it is removed", 0, 0},
        {"from", 0, CTL_UNTIL, &wish.from, "TIME", "likewise; else from now on",
         0, 0},
        {"slow", 0, CTL_TEXT, &wish.slow, "SPEED",
         "not closed: 50% of the usual speed, or 20km/h", 0, 0},
        {"one-way", 0, CTL_TEXT, &wish.one_way, "WORD",
         "forward: only from the first cross street to the second; backward", 0,
         0},
        {"reason", 'r', CTL_TEXT, &wish.reason, "TEXT", "why", 0, 0},
        {"who", 0, CTL_TEXT, &wish.who, "NAME", "who says so (the user)", 0, 0},
        {"way", 0, CTL_LIST, &wish.ways, "ID",
         "an OpenStreetMap way, whole; may be given several times", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    wish.street = ctl->argc > 0 ? ctl->argv[0] : NULL;
    json_t *body = json_object();
    json_t *answer = NULL;
    end = CTL_USAGE;
    if (add_place(body, &wish) && add_how(body, &wish)) {
        add_when(body, &wish);
        add_who(body, &wish);
        const struct ctl_request request = {.path = "/v1/closures"};
        end = ctl_send(ctl, "POST", &request, body, &answer);
    }
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        print_added(answer);
    json_decref(answer);
    json_decref(body);
    return end;
}

/* ----------------------------------------------------------------------- list
 */
static void add_row(struct ctl_table *table, const json_t *closure)
{
    char text[128];
    double lost_m = 0;
    ctl_cell_number(table, closure, "closure_id", 0);
    ctl_cell_text(table, closure, "street");
    ctl_table_cell(table, ctl_closure_kind(text, sizeof text, closure));
    if (json_is_true(json_object_get(closure, "in_force")))
        ctl_table_cell(table, "now");
    else
        ctl_table_cell(table, ctl_local_time(text, sizeof text,
                                             ctl_text(closure, "from")));
    ctl_table_cell(
        table, ctl_local_time(text, sizeof text, ctl_text(closure, "until")));
    ctl_cell_text(table, closure, "who");
    ctl_cell_text(table, closure, "reason");
    if (ctl_number(closure, "lost_m", &lost_m) && lost_m >= 1)
        ctl_table_format(table, "%.0f m are not on the map", lost_m);
    else
        ctl_table_cell(table, "");
}

static enum ctl_exit get_closures(const struct ctl *ctl, json_t **ret)
{
    const struct ctl_request request = {.path = "/v1/closures"};
    return ctl_get(ctl, &request, ret);
}

enum ctl_exit cmd_closure_list(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    struct ctl_table *table = NULL;
    json_t *answer = NULL;
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    end = get_closures(ctl, &answer);
    const json_t *list = json_object_get(answer, "features");
    if (end == CTL_OK && ctl->json) {
        ctl_print_json(answer);
    } else if (end == CTL_OK) {
        end = CTL_REFUSED;
        if (ctl_table_new(">id|street|what|from|until|who|reason|", &table) ==
            PT_OK) {
            for (size_t i = 0; i < json_array_size(list); i++)
                add_row(table,
                        json_object_get(json_array_get(list, i), "properties"));
            end = ctl_table_show(table);
        }
    }
    ctl_table_free(table);
    json_decref(answer);
    return end;
}

/* --------------------------------------------------------------------- remove
 */
static enum ctl_exit remove_one(const struct ctl *ctl, const char *number)
{
    const struct ctl_request request = {.path = "/v1/closures/",
                                        .name = number};
    json_t *answer = NULL;
    enum ctl_exit end = ctl_send(ctl, "DELETE", &request, NULL, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        printf("closure %s: open again\n", number);
    json_decref(answer);
    return end;
}

static enum ctl_exit remove_all(const struct ctl *ctl)
{
    json_t *answer = NULL;
    enum ctl_exit end = get_closures(ctl, &answer);
    const json_t *list = json_object_get(answer, "features");
    for (size_t i = 0; i < json_array_size(list) && end == CTL_OK; i++) {
        char number[24];
        snprintf(
            number, sizeof number, "%" JSON_INTEGER_FORMAT,
            json_integer_value(json_object_get(json_array_get(list, i), "id")));
        end = remove_one(ctl, number);
    }
    json_decref(answer);
    return end;
}

enum ctl_exit cmd_closure_remove(struct ctl *ctl, int argc, char **argv)
{
    bool all = false;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"all", 0, CTL_FLAG, &all, NULL, "all that is closed or slowed", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    const char *number = ctl->argc > 0 ? ctl->argv[0] : "";
    bool good = *number != 0 && strspn(number, "0123456789") == strlen(number);
    if (all == good || all == (ctl->argc > 0)) {
        ctl_complain("give either a closure's number or --all");
        return CTL_USAGE;
    }
    return all ? remove_all(ctl) : remove_one(ctl, number);
}

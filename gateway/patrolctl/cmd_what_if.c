/* patrolctl coverage what-if: cover as it would be, beside as it is. */
#include "closure_text.h"
#include "http_client.h"
#include "unit_text.h"
#include <stdlib.h>
#include <string.h>

/* As given on the command line. */
struct wish {
    struct ctl_list add, remove, move, status, close, slow, promise;
    const char *at, *profile;
};

/* "NAME=VALUE", cut at the last "=": a street may have one in its name. */
static bool cut(const char *option, const char *typed, char *name, size_t size,
                const char **value)
{
    const char *equals = strrchr(typed, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - typed);
    if (length == 0 || length >= size || equals[1] == '\0') {
        ctl_complain("--%s: \"%s\" is not like NAME=VALUE", option, typed);
        return false;
    }
    memcpy(name, typed, length);
    name[length] = '\0';
    *value = equals + 1;
    return true;
}

static bool set_point(json_t *unit, const char *option, const char *typed)
{
    double lat_deg, lon_deg;
    if (!ctl_parse_point(typed, &lat_deg, &lon_deg)) {
        ctl_complain("--%s: \"%s\" is not LAT,LON", option, typed);
        return false;
    }
    json_object_set_new(unit, "lat", json_real(lat_deg));
    json_object_set_new(unit, "lon", json_real(lon_deg));
    return true;
}

/* What is said of one unit by several options is one change of it. */
static json_t *unit_of(json_t *units, const char *call_sign)
{
    for (size_t i = 0; i < json_array_size(units); i++) {
        json_t *unit = json_array_get(units, i);
        const char *name = ctl_text(unit, "call_sign");
        if (name != NULL && strcmp(name, call_sign) == 0)
            return unit;
    }
    json_t *unit = json_pack("{s:s}", "call_sign", call_sign);
    json_array_append_new(units, unit);
    return unit;
}

static bool add_added(json_t *units, const struct ctl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *point = list->items[i];
        char label[64];
        snprintf(label, sizeof label, "added %zu", i + 1);
        if (strchr(point, '=') != NULL &&
            !cut("add", list->items[i], label, sizeof label, &point))
            return false;
        json_t *unit = json_pack("{s:s}", "label", label);
        json_array_append_new(units, unit);
        if (!set_point(unit, "add", point))
            return false;
    }
    return true;
}

static bool add_units(json_t *body, const struct wish *wish)
{
    json_t *units = json_array();
    char name[64];
    const char *value;
    json_object_set_new(body, "units", units);
    for (size_t i = 0; i < wish->remove.count; i++)
        json_object_set_new(unit_of(units, wish->remove.items[i]), "removed",
                            json_true());
    for (size_t i = 0; i < wish->move.count; i++)
        if (!cut("move", wish->move.items[i], name, sizeof name, &value) ||
            !set_point(unit_of(units, name), "move", value))
            return false;
    for (size_t i = 0; i < wish->status.count; i++) {
        if (!cut("status", wish->status.items[i], name, sizeof name, &value))
            return false;
        json_object_set_new(unit_of(units, name), "status", json_string(value));
    }
    return add_added(units, &wish->add);
}

static json_t *closure_of(const char *street)
{
    double lat_deg, lon_deg;
    if (ctl_parse_point(street, &lat_deg, &lon_deg))
        return json_pack("{s:f, s:f}", "lat", lat_deg, "lon", lon_deg);
    return json_pack("{s:s}", "street", street);
}

static bool add_closures(json_t *body, const struct wish *wish)
{
    json_t *closures = json_array();
    char street[512];
    const char *value;
    double factor, speed_mps;
    json_object_set_new(body, "closures", closures);
    for (size_t i = 0; i < wish->close.count; i++)
        json_array_append_new(closures, closure_of(wish->close.items[i]));
    for (size_t i = 0; i < wish->slow.count; i++) {
        if (!cut("slow", wish->slow.items[i], street, sizeof street, &value))
            return false;
        if (!ctl_parse_slow(value, &factor, &speed_mps)) {
            ctl_complain("--slow: \"%s\" is not like 50%% or 20km/h", value);
            return false;
        }
        json_t *closure = closure_of(street);
        json_object_set_new(closure, factor > 0 ? "factor" : "speed_mps",
                            json_real(factor > 0 ? factor : speed_mps));
        json_array_append_new(closures, closure);
    }
    return true;
}

static bool read_seconds(const char *typed, json_int_t *ret)
{
    char *end = NULL;
    long seconds = strtol(typed, &end, 10);
    *ret = seconds;
    if (end != typed && *end == '\0' && seconds >= 1 && seconds <= 86400)
        return true;
    ctl_complain("--promise: \"%s\" is not a number of seconds from 1 to 86400",
                 typed);
    return false;
}

static bool add_promises(json_t *body, const struct ctl_list *list)
{
    json_t *promises = json_array();
    char zone[256];
    const char *value;
    json_int_t seconds;
    json_object_set_new(body, "promises", promises);
    for (size_t i = 0; i < list->count; i++) {
        bool all = strchr(list->items[i], '=') == NULL;
        value = list->items[i];
        if ((!all &&
             !cut("promise", list->items[i], zone, sizeof zone, &value)) ||
            !read_seconds(value, &seconds))
            return false;
        if (all)
            json_object_set_new(body, "promise_s", json_integer(seconds));
        else
            json_array_append_new(
                promises,
                json_pack("{s:s, s:I}", "zone", zone, "promise_s", seconds));
    }
    return true;
}

/* --------------------------------------------------------------- as answered
 */
static void zone_row(struct ctl_table *table, const char *name,
                     const json_t *before, const json_t *after)
{
    const json_t *missions[] = {json_object_get(before, "missions"),
                                json_object_get(after, "missions")};
    const json_t *streets[] = {json_object_get(before, "streets"),
                               json_object_get(after, "streets")};
    ctl_table_cell(table, name);
    ctl_cell_clock(table, after, "promise_s");
    ctl_cell_number(table, missions[1], "total", 0);
    for (size_t k = 0; k < 3; k++) {
        ctl_cell_share(table, missions[0], k);
        ctl_cell_share(table, missions[1], k);
    }
    for (size_t k = 0; k < 2; k++) {
        ctl_cell_share(table, streets[0], k);
        ctl_cell_share(table, streets[1], k);
    }
}

static enum ctl_exit print_zones(const json_t *answer)
{
    const json_t *before = json_object_get(answer, "before");
    const json_t *after = json_object_get(answer, "after");
    const json_t *zones = json_object_get(after, "zones");
    struct ctl_table *table = NULL;
    if (ctl_table_new("zone|>promise|>missions|>1 unit %|>then|>2 %|>then|>3 %|"
                      ">then|>streets: 1 unit %|>then|>2 %|>then",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(zones); i++) {
        const json_t *zone = json_array_get(zones, i);
        zone_row(table, ctl_text(zone, "name"),
                 json_array_get(json_object_get(before, "zones"), i), zone);
    }
    zone_row(table, "all", json_object_get(before, "total"),
             json_object_get(after, "total"));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static void side_cells(struct ctl_table *table, const json_t *side)
{
    const json_t *first = json_array_get(json_object_get(side, "units"), 0);
    ctl_cell_number(table, side, "within", 0);
    ctl_table_cell(table, first == NULL ? "-" : ctl_text(first, "call_sign"));
    ctl_cell_clock(table, first, "eta_s");
}

/* Those that are lost or gained, or all. */
static enum ctl_exit print_missions(const json_t *answer, bool all)
{
    const json_t *missions = json_object_get(answer, "missions");
    struct ctl_table *table = NULL;
    size_t count = 0;
    enum ctl_exit end = CTL_OK;
    if (ctl_table_new("mission|zone||>in time|first|>m:ss|>then|first|>m:ss",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const json_t *mission = json_array_get(missions, i);
        const char *change = ctl_text(mission, "change");
        if (!all && change == NULL)
            continue;
        ctl_cell_text(table, mission, "name");
        ctl_cell_text(table, mission, "zone");
        ctl_table_cell(table, change == NULL                ? ""
                              : strcmp(change, "lost") == 0 ? "LOST"
                                                            : "gained");
        side_cells(table, json_object_get(mission, "before"));
        side_cells(table, json_object_get(mission, "after"));
        count++;
    }
    putchar('\n');
    if (count > 0)
        end = ctl_table_show(table);
    else
        puts(all ? "there are no missions" : "no mission is lost or gained");
    ctl_table_free(table);
    return end;
}

static void print_line(const char *name, const char *what)
{
    char clean[512];
    char line[512];
    snprintf(line, sizeof line, "%s: %s", name == NULL ? "?" : name, what);
    ctl_clean(line, clean, sizeof clean);
    puts(clean);
}

/* What the answer took, where that is not what was meant. */
static void print_notes(const json_t *answer)
{
    const json_t *units = json_object_get(answer, "units");
    const json_t *closures = json_object_get(answer, "closures");
    double before = 0, after = 0;
    for (size_t i = 0; i < json_array_size(closures); i++) {
        const json_t *closure = json_array_get(closures, i);
        char kind[128];
        print_line(ctl_text(closure, "street"),
                   ctl_closure_kind(kind, sizeof kind, closure));
    }
    for (size_t i = 0; i < json_array_size(units); i++) {
        const json_t *unit = json_array_get(units, i);
        const char *name = ctl_text(unit, "call_sign");
        const char *reason = ctl_text(unit, "reason");
        char what[128];
        snprintf(what, sizeof what, "does not count then (%s)",
                 reason == NULL ? "?" : reason);
        if (!json_is_true(json_object_get(unit, "counts_after")))
            print_line(name != NULL ? name : ctl_text(unit, "label"), what);
    }
    if (json_is_false(json_object_get(answer, "hour_learned")))
        puts("no times were learned: every hour is as the profile says");
    if (ctl_number(json_object_get(answer, "before"), "units_counted",
                   &before) &&
        ctl_number(json_object_get(answer, "after"), "units_counted", &after))
        printf("units that count: %.0f, then %.0f\n", before, after);
}

static enum ctl_exit print_answer(const json_t *answer, bool all)
{
    ctl_print_degraded(answer);
    print_notes(answer);
    enum ctl_exit end = print_zones(answer);
    return end == CTL_OK ? print_missions(answer, all) : end;
}

enum ctl_exit cmd_coverage_what_if(struct ctl *ctl, int argc, char **argv)
{
    struct wish wish = {.at = NULL};
    bool all = false, gaps = false;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"add", 0, CTL_LIST, &wish.add, "PLACE",
         "[LABEL=]LAT,LON: with a unit more", 0, 0},
        {"remove", 0, CTL_LIST, &wish.remove, "CALLSIGN", "without this unit",
         0, 0},
        {"move", 0, CTL_LIST, &wish.move, "CHANGE",
         "CALLSIGN=LAT,LON: with this unit there", 0, 0},
        {"status", 0, CTL_LIST, &wish.status, "CHANGE",
         "CALLSIGN=STATUS: available, busy, off_duty, ...", 0, 0},
        {"close", 0, CTL_LIST, &wish.close, "STREET",
         "as in closure add: \"Calle 23 between L and M\", or LAT,LON", 0, 0},
        {"slow", 0, CTL_LIST, &wish.slow, "CHANGE",
         "STREET=50% of the usual speed, or STREET=20km/h", 0, 0},
        {"promise", 0, CTL_LIST, &wish.promise, "PROMISE",
         "[ZONE=]SECONDS: in that zone, or everywhere", 0, 0},
        {"at", 0, CTL_TEXT, &wish.at, "HOUR",
         "drive as in this hour of the week, such as \"Mon 08:00\"", 0, 0},
        {"profile", 0, CTL_TEXT, &wish.profile, "NAME",
         "drive by this profile's rules", 0, 0},
        {"all", 'a', CTL_FLAG, &all, NULL, "all missions, with who is first", 0,
         0},
        {"gaps", 0, CTL_FLAG, &gaps, NULL,
         "with --json: the streets out of time then, too", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    json_t *body = json_object();
    json_t *answer = NULL;
    const struct ctl_request request = {.path = "/v1/coverage/what-if"};
    end = CTL_USAGE;
    if (wish.at != NULL)
        json_object_set_new(body, "at", json_string(wish.at));
    if (wish.profile != NULL)
        json_object_set_new(body, "profile", json_string(wish.profile));
    json_object_set_new(body, "gaps", json_boolean(gaps));
    if (add_units(body, &wish) && add_closures(body, &wish) &&
        add_promises(body, &wish.promise))
        end = ctl_send(ctl, "POST", &request, body, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_answer(answer, all);
    json_decref(answer);
    json_decref(body);
    return end;
}

/* patrolctl units, missions, posts, zones, track: what the gateway knows. */
#include "http_client.h"
#include "unit_text.h"
#include <string.h>

/* A request whose answer holds an array, and how a row of it is shown. */
struct listing {
    const char *array;
    const char *columns;
    void (*row)(struct ctl_table *table, const json_t *item);
};

static enum ctl_exit print_listing(const struct listing *listing,
                                   const json_t *answer)
{
    const json_t *items = json_object_get(answer, listing->array);
    struct ctl_table *table = NULL;
    if (ctl_table_new(listing->columns, &table) != PT_OK)
        return CTL_REFUSED;
    ctl_print_degraded(answer);
    for (size_t i = 0; i < json_array_size(items); i++)
        listing->row(table, json_array_get(items, i));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static enum ctl_exit list(const struct ctl *ctl,
                          const struct ctl_request *request,
                          const struct listing *listing)
{
    json_t *answer = NULL;
    enum ctl_exit end = ctl_get(ctl, request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_listing(listing, answer);
    json_decref(answer);
    return end;
}

/* ---------------------------------------------------------------- units */
enum ctl_exit cmd_units(struct ctl *ctl, int argc, char **argv)
{
    static const struct listing listing = {"units", CTL_UNIT_COLUMNS,
                                           ctl_unit_row};
    const char *status = NULL, *capability = NULL, *zone = NULL;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"status", 's', CTL_TEXT, &status, "WORD",
         "available, en_route, on_scene, busy, off_duty, unknown", 0, 0},
        {"capability", 'c', CTL_TEXT, &capability, "NAME",
         "only units that have it", 0, 0},
        {"zone", 'z', CTL_TEXT, &zone, "NAME", "only units in this zone", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    const struct ctl_request request = {.path = "/v1/units",
                                        .params = {{"status", status},
                                                   {"capability", capability},
                                                   {"zone", zone}}};
    return list(ctl, &request, &listing);
}

enum ctl_exit cmd_unit_show(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    struct ctl_table *table = NULL;
    enum ctl_exit end;
    json_t *unit = NULL;
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    const struct ctl_request request = {.path = "/v1/units/",
                                        .name = ctl->argv[0]};
    end = ctl_get(ctl, &request, &unit);
    if (end == CTL_OK && ctl->json) {
        ctl_print_json(unit);
    } else if (end == CTL_OK) {
        end = CTL_REFUSED;
        if (ctl_table_new("fact|value", &table) == PT_OK) {
            ctl_unit_facts(table, unit);
            end = ctl_table_show(table);
        }
    }
    ctl_table_free(table);
    json_decref(unit);
    return end;
}

/* ------------------------------------------------------- missions, zones */
/* A mission or a post. */
static void place_row(struct ctl_table *table, const json_t *place)
{
    bool is_mission = json_object_get(place, "mission_id") != NULL;
    ctl_cell_number(table, place, is_mission ? "mission_id" : "post_id", 0);
    ctl_cell_text(table, place, "name");
    ctl_cell_text(table, place, "kind");
    ctl_cell_text(table, place, "zone");
    ctl_cell_point(table, place);
    ctl_cell_text(table, place, "ref");
}

enum ctl_exit cmd_missions(struct ctl *ctl, int argc, char **argv)
{
    static const struct listing listing = {
        "missions", ">id|name|kind|zone|place|ref", place_row};
    const char *zone = NULL;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"zone", 'z', CTL_TEXT, &zone, "NAME", "only missions of this zone", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    const struct ctl_request request = {
        .path = "/v1/missions",
        .params = {{"zone", zone}, {"q", ctl->argc > 0 ? ctl->argv[0] : NULL}}};
    return list(ctl, &request, &listing);
}

enum ctl_exit cmd_posts(struct ctl *ctl, int argc, char **argv)
{
    static const struct listing listing = {
        "posts", ">id|name|kind|zone|place|ref", place_row};
    const struct ctl_option options[] = {{.name = NULL}};
    const struct ctl_request request = {.path = "/v1/posts"};
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    return list(ctl, &request, &listing);
}

static void zone_row(struct ctl_table *table, const json_t *zone)
{
    char promise[32];
    double promise_s;
    ctl_cell_number(table, zone, "zone_id", 0);
    ctl_cell_text(table, zone, "name");
    ctl_table_cell(table,
                   ctl_number(zone, "promise_s", &promise_s)
                       ? ctl_format_clock(promise, sizeof promise, promise_s)
                       : "-");
    ctl_cell_text(table, zone, "time_zone");
}

enum ctl_exit cmd_zones(struct ctl *ctl, int argc, char **argv)
{
    static const struct listing listing = {
        "zones", ">id|name|>promise|time zone", zone_row};
    const struct ctl_option options[] = {{.name = NULL}};
    const struct ctl_request request = {.path = "/v1/zones"};
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    return list(ctl, &request, &listing);
}

/* ---------------------------------------------------------------- track */
/* A page holds 20,000 points, an answer 24 hours: this many pages hold a fix
 * every 40 ms. */
#define PAGES_MAX 100

static void point_row(struct ctl_table *table, const json_t *point)
{
    ctl_cell_text(table, point, "time");
    ctl_cell_point(table, point);
    ctl_cell_kmh(table, point);
    ctl_cell_number(table, point, "course_deg", 0);
    ctl_cell_number(table, point, "accuracy_m", 1);
    ctl_cell_text(table, point, "status");
    ctl_table_cell(table,
                   json_is_true(json_object_get(point, "jump")) ? "jump" : "");
}

/* Asks again from where the answer was cut, and puts the points behind
 * those that are there. */
static enum ctl_exit get_track(const struct ctl *ctl, const char *from,
                               const char *to, json_t **ret)
{
    struct ctl_request request = {.path = "/v1/units/",
                                  .name = ctl->argv[0],
                                  .behind = "/track",
                                  .params = {{"from", from}, {"to", to}}};
    json_t *track = NULL;
    enum ctl_exit end = ctl_get(ctl, &request, &track);
    for (int page = 1; end == CTL_OK && page < PAGES_MAX; page++) {
        char next[64], until[64];
        const char *next_from = ctl_text(track, "next_from");
        const char *track_to = ctl_text(track, "to");
        json_t *more = NULL;
        if (next_from == NULL || track_to == NULL)
            break;
        snprintf(next, sizeof next, "%s", next_from);
        snprintf(until, sizeof until, "%s", track_to);
        request.params[0].value = next;
        request.params[1].value = until;
        end = ctl_get(ctl, &request, &more);
        if (end == CTL_OK &&
            (json_array_extend(json_object_get(track, "points"),
                               json_object_get(more, "points")) != 0 ||
             json_object_set(track, "next_from",
                             json_object_get(more, "next_from")) != 0 ||
             json_object_set(track, "truncated",
                             json_object_get(more, "truncated")) != 0))
            end = CTL_REFUSED;
        json_decref(more);
    }
    *ret = track;
    return end;
}

enum ctl_exit cmd_track(struct ctl *ctl, int argc, char **argv)
{
    static const struct listing listing = {
        "points", "time|place|>km/h|>course|>accuracy m|status|", point_row};
    struct ctl_time from = {0}, to = {0};
    enum ctl_exit end;
    json_t *track = NULL;
    const struct ctl_option options[] = {
        {"from", 0, CTL_SINCE, &from, "TIME",
         "90m, 2h, 18:30, \"2026-01-31 18:30\" (an hour before --to)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "at most a day later (now)", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    end = get_track(ctl, from.at, to.at, &track);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(track);
    else if (end == CTL_OK)
        end = print_listing(&listing, track);
    json_decref(track);
    return end;
}

/* patrolctl coverage posts, coverage moves: where units should stand, and who
 * should go there. */
#include "http_client.h"
#include <stdlib.h>
#include <string.h>

/* The gateway works out one at a time: some may stand before this one. */
#define WAIT_S 115

/* As given on the command line. */
struct wish {
    long posts, fold, spacing_m, turnout_s, limit_s;
    const char *candidates, *points, *zone, *mission_weight, *km_weight;
    const char *at, *profile;
    struct ctl_list keep;
};

static json_t *place_of(double lat_deg, double lon_deg)
{
    return json_pack("{s:f, s:f}", "lat", lat_deg, "lon", lon_deg);
}

/* LAT,LON or a post's number. */
static bool add_kept(json_t *body, const struct ctl_list *list)
{
    json_t *kept = json_array();
    json_object_set_new(body, "keep", kept);
    for (size_t i = 0; i < list->count; i++) {
        double lat_deg, lon_deg;
        char *end = NULL;
        long id = strtol(list->items[i], &end, 10);
        if (ctl_parse_point(list->items[i], &lat_deg, &lon_deg)) {
            json_array_append_new(kept, place_of(lat_deg, lon_deg));
        } else if (id > 0 && *end == '\0') {
            json_array_append_new(
                kept, json_pack("{s:I}", "post_id", (json_int_t)id));
        } else {
            ctl_complain("--keep: \"%s\" is neither LAT,LON nor a post's "
                         "number",
                         list->items[i]);
            return false;
        }
    }
    return true;
}

/* Places of a CSV or GeoJSON, as missions import reads them. */
static bool add_file(json_t *body, const char *member, const char *path)
{
    struct ctl_places places = {0};
    char message[256] = "";
    size_t size = 0;
    char *bytes = ctl_read_file(path, &size);
    if (bytes == NULL)
        return false;
    enum pt_err err =
        ctl_ends_with(path, ".csv")
            ? ctl_missions_csv(bytes, size, &places, message, sizeof message)
            : ctl_missions_geojson(bytes, size, &places, message,
                                   sizeof message);
    free(bytes);
    if (err != PT_OK) {
        ctl_complain("%s: %s", path, message);
        return false;
    }
    bool good = places.fault_count == 0 && places.count > 0;
    if (places.fault_count > 0)
        ctl_complain("%s, %s %zu: %s", path, places.unit,
                     places.faults[0].where, places.faults[0].text);
    else if (places.count == 0)
        ctl_complain("%s: there is no place in it", path);
    json_t *list = json_array();
    json_object_set_new(body, member, list);
    for (size_t i = 0; good && i < places.count; i++)
        json_array_append_new(
            list, place_of(places.places[i].lat_deg, places.places[i].lon_deg));
    ctl_places_clear(&places);
    return good;
}

static bool add_weight(json_t *weights, const char *option, const char *member,
                       const char *typed)
{
    char *end = NULL;
    if (typed == NULL)
        return true;
    double weight = strtod(typed, &end);
    if (end == typed || *end != '\0') {
        ctl_complain("--%s: \"%s\" is not a number", option, typed);
        return false;
    }
    json_object_set_new(weights, member, json_real(weight));
    return true;
}

static bool add_candidates(json_t *body, const char *candidates)
{
    if (candidates == NULL || strcmp(candidates, "streets") == 0 ||
        strcmp(candidates, "posts") == 0) {
        json_object_set_new(
            body, "candidates",
            json_string(candidates == NULL ? "streets" : candidates));
        return true;
    }
    return add_file(body, "candidates", candidates);
}

static void add_number(json_t *body, const char *member, long value, long none)
{
    if (value != none)
        json_object_set_new(body, member, json_integer(value));
}

static json_t *body_of(const struct wish *wish, enum ctl_exit *end)
{
    json_t *body = json_pack("{s:I, s:I}", "posts", (json_int_t)wish->posts,
                             "fold", (json_int_t)wish->fold);
    json_t *weights = json_object();
    json_object_set_new(body, "weights", weights);
    add_number(body, "spacing_m", wish->spacing_m, 0);
    add_number(body, "turnout_s", wish->turnout_s, -1);
    add_number(body, "limit_s", wish->limit_s, 0);
    if (wish->zone != NULL)
        json_object_set_new(body, "zone", json_string(wish->zone));
    if (wish->at != NULL)
        json_object_set_new(body, "at", json_string(wish->at));
    if (wish->profile != NULL)
        json_object_set_new(body, "profile", json_string(wish->profile));
    *end = CTL_USAGE;
    if (add_kept(body, &wish->keep) &&
        add_weight(weights, "mission-weight", "mission",
                   wish->mission_weight) &&
        add_weight(weights, "street-weight", "street_km", wish->km_weight)) {
        *end = CTL_BAD_INPUT;
        if (add_candidates(body, wish->candidates) &&
            (wish->points == NULL || add_file(body, "points", wish->points)))
            *end = CTL_OK;
    }
    if (*end == CTL_OK)
        return body;
    json_decref(body);
    return NULL;
}

/* ----------------------------------------------------------------- the answer
 */
static void post_row(struct ctl_table *table, const json_t *post, size_t number)
{
    const char *name = ctl_text(post, "name");
    ctl_table_format(table, "%zu", number);
    ctl_cell_point(table, post);
    ctl_cell_text(table, post, name != NULL ? "name" : "street");
    ctl_cell_text(table, post, "zone");
    ctl_cell_number(table, post, "missions", 0);
    ctl_cell_number(table, post, "adds", 1);
    ctl_cell_number(table, post, "holds", 1);
    ctl_table_cell(table,
                   json_is_true(json_object_get(post, "kept")) ? "kept" : "");
}

static double number_of(const json_t *object, const char *key)
{
    double value = 0;
    return ctl_number(object, key, &value) ? value : 0;
}

static void print_covered(const json_t *answer)
{
    const json_t *c = json_object_get(answer, "covered");
    const json_t *best = json_object_get(answer, "best");
    const char *words = ctl_text(best, "words");
    double asked = number_of(answer, "asked");
    size_t posts = json_array_size(json_object_get(answer, "posts"));
    printf("\nin cover: %.0f of %.0f missions", number_of(c, "missions"),
           number_of(c, "missions_of"));
    if (number_of(c, "streets_of_m") > 0)
        printf(", %.1f of %.1f km of street", number_of(c, "streets_m") / 1000,
               number_of(c, "streets_of_m") / 1000);
    if (number_of(c, "points_of") > 0)
        printf(", %.0f of %.0f points", number_of(c, "points"),
               number_of(c, "points_of"));
    printf("; %s\n", words == NULL ? "-" : words);
    if ((double)posts < asked)
        printf("%zu posts are enough: more would add nothing\n", posts);
    if (number_of(answer, "off_road") > 0)
        printf("no road leads to %.0f of the missions and points\n",
               number_of(answer, "off_road"));
}

static void print_names(const json_t *answer, const char *member,
                        const char *heading)
{
    const json_t *missions = json_object_get(answer, member);
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const char *name = ctl_text(json_array_get(missions, i), "name");
        printf("%s%s", i == 0 ? heading : ", ", name == NULL ? "-" : name);
    }
    if (json_array_size(missions) > 0)
        putchar('\n');
}

static enum ctl_exit show(const json_t *answer)
{
    const json_t *posts = json_object_get(answer, "posts");
    struct ctl_table *table = NULL;
    if (ctl_table_new(">#|place|street|zone|>missions|>adds|>alone|", &table) !=
        PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(posts); i++)
        post_row(table, json_array_get(posts, i), i + 1);
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    if (end == CTL_OK) {
        print_covered(answer);
        print_names(answer, "missed", "not in cover: ");
    }
    return end;
}

enum ctl_exit cmd_coverage_posts(struct ctl *ctl, int argc, char **argv)
{
    struct wish wish = {.posts = 1, .fold = 1, .turnout_s = -1};
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"posts", 'k', CTL_NUMBER, &wish.posts, "N",
         "so many, the kept ones among them (1)", 1, 100},
        {"fold", 0, CTL_NUMBER, &wish.fold, "N",
         "units that are to be there in time (1)", 1, 3},
        {"keep", 0, CTL_LIST, &wish.keep, "PLACE",
         "where one stands by in any case: LAT,LON or a post's number", 0, 0},
        {"candidates", 0, CTL_TEXT, &wish.candidates, "FROM",
         "streets (usual), posts (the database's), or the places of a file", 0,
         0},
        {"spacing", 0, CTL_NUMBER, &wish.spacing_m, "METRES",
         "between candidates on any street (as close as 1,000 allow)", 20,
         20000},
        {"zone", 'z', CTL_TEXT, &wish.zone, "NAME", "only this zone", 0, 0},
        {"mission-weight", 0, CTL_TEXT, &wish.mission_weight, "W",
         "what a mission counts (1)", 0, 0},
        {"street-weight", 0, CTL_TEXT, &wish.km_weight, "W",
         "what a kilometre of street counts (0)", 0, 0},
        {"points", 0, CTL_TEXT, &wish.points, "FILE",
         "more to cover: places of a CSV or GeoJSON, 1 each", 0, 0},
        {"turnout", 0, CTL_NUMBER, &wish.turnout_s, "SECONDS",
         "from the order until a unit drives (as the gateway has it)", 0, 3600},
        {"at", 0, CTL_TEXT, &wish.at, "HOUR",
         "another hour of the week, local: \"Mon 08:00\"", 0, 0},
        {"profile", 0, CTL_TEXT, &wish.profile, "NAME", "by this profile", 0,
         0},
        {"limit", 0, CTL_NUMBER, &wish.limit_s, "SECONDS",
         "then the best so far is the answer (20)", 1, 60},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    json_t *body = body_of(&wish, &end);
    if (body == NULL)
        return end;
    const struct ctl_request request = {.path = "/v1/coverage/posts",
                                        .wait_s = WAIT_S};
    end = ctl_send(ctl, "POST", &request, body, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = show(answer);
    json_decref(body);
    json_decref(answer);
    return end;
}

/* ---------------------------------------------------------------------- moves
 */
static void move_row(struct ctl_table *table, const json_t *move)
{
    char text[32];
    const char *name = ctl_text(move, "name");
    double arrive_s = number_of(move, "arrive_s");
    ctl_cell_text(table, move, "call_sign");
    ctl_cell_point(table, move);
    ctl_cell_text(table, move, name != NULL ? "name" : "street");
    ctl_cell_text(table, move, "zone");
    ctl_table_cell(table, ctl_format_clock(text, sizeof text, arrive_s));
    ctl_table_format(table, "%.1f", number_of(move, "distance_m") / 1000);
    ctl_cell_number(table, move, "gains", 0);
}

static enum ctl_exit show_moves(const json_t *answer)
{
    const json_t *moves = json_object_get(answer, "moves");
    const char *words = ctl_text(answer, "words");
    struct ctl_table *table = NULL;
    enum ctl_exit end = CTL_OK;
    if (json_array_size(moves) > 0) {
        if (ctl_table_new("unit|to|street|zone|>there m:ss|>km|>gains",
                          &table) != PT_OK)
            return CTL_REFUSED;
        for (size_t i = 0; i < json_array_size(moves); i++)
            move_row(table, json_array_get(moves, i));
        end = ctl_table_show(table);
        ctl_table_free(table);
        putchar('\n');
    }
    if (end != CTL_OK)
        return end;
    puts(words == NULL ? "-" : words);
    print_names(answer, "restored", "back in cover: ");
    print_names(answer, "remaining", "still out of cover: ");
    return CTL_OK;
}

enum ctl_exit cmd_coverage_moves(struct ctl *ctl, int argc, char **argv)
{
    long most = 3;
    char number[24];
    const char *places = NULL;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"most", 'k', CTL_NUMBER, &most, "N", "so many moves at most (3)", 1,
         5},
        {"places", 0, CTL_TEXT, &places, "FROM",
         "where units may go: posts (usual, where there are any) or streets", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    snprintf(number, sizeof number, "%ld", most);
    const struct ctl_request request = {
        .path = "/v1/coverage/moves",
        .params = {{"most", number}, {"places", places}},
        .wait_s = WAIT_S};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = show_moves(answer);
    json_decref(answer);
    return end;
}

/* patrolctl nearest, route: who comes first, and which way. */
#include "closure_text.h"
#include "http_client.h"
#include "unit_text.h"
#include <string.h>

/* Where to: a point from the command line, or a mission's name. */
struct aim {
    const char *mission;
    char lat[32], lon[32];
    bool is_point;
};

static void aim_at(struct aim *aim, double lat_deg, double lon_deg)
{
    snprintf(aim->lat, sizeof aim->lat, "%.6f", lat_deg);
    snprintf(aim->lon, sizeof aim->lon, "%.6f", lon_deg);
    aim->is_point = true;
}

/* Several that fit equally well: none is chosen. */
static void complain_of_corners(const char *typed, const json_t *places)
{
    char street[256], cross[256];
    size_t i;
    json_t *place;
    if (json_array_size(places) == 0) {
        ctl_complain("\"%s\" is not LAT,LON in degrees (23.133,-82.383), nor "
                     "a street corner (\"23 y L\")",
                     typed);
        return;
    }
    ctl_complain("several corners are called \"%s\":", typed);
    json_array_foreach(places, i, place)
    {
        double lat = 0, lon = 0;
        if (!json_is_true(json_object_get(place, "best")) ||
            !ctl_number(place, "lat", &lat) || !ctl_number(place, "lon", &lon))
            continue;
        ctl_clean(ctl_text(place, "street"), street, sizeof street);
        ctl_clean(ctl_text(place, "cross_street"), cross, sizeof cross);
        fprintf(stderr, "  %.6f,%.6f  %s / %s\n", lat, lon, street, cross);
    }
}

/* A street corner, as people say it. */
static enum ctl_exit aim_at_corner(const struct ctl *ctl, const char *typed,
                                   struct aim *aim)
{
    const struct ctl_request request = {.path = "/v1/places",
                                        .params = {{"q", typed}}};
    json_t *answer = NULL;
    double lat = 0, lon = 0;
    enum ctl_exit end = ctl_get(ctl, &request, &answer);
    if (end != CTL_OK)
        return end;
    const json_t *places = json_object_get(answer, "places");
    const json_t *first = json_array_get(places, 0);
    const json_t *second = json_array_get(places, 1);
    if (first != NULL && !json_is_true(json_object_get(second, "best")) &&
        ctl_number(first, "lat", &lat) && ctl_number(first, "lon", &lon)) {
        aim_at(aim, lat, lon);
    } else {
        complain_of_corners(typed, places);
        end = CTL_REFUSED;
    }
    json_decref(answer);
    return end;
}

/* From the words at ctl->argv[at]; what is not CTL_OK was complained of. */
static enum ctl_exit take_aim(const struct ctl *ctl, int at, struct aim *aim)
{
    double lat_deg;
    double lon_deg;
    bool has_word = ctl->argc > at;
    if (has_word == (aim->mission != NULL)) {
        ctl_complain(
            "give either LAT,LON or --mission NAME, or a street corner");
        return CTL_USAGE;
    }
    if (!has_word)
        return CTL_OK;
    const char *word = ctl->argv[at];
    if (ctl_parse_point(word, &lat_deg, &lon_deg)) {
        aim_at(aim, lat_deg, lon_deg);
        return CTL_OK;
    }
    if (strpbrk(word, " &/@+") != NULL)
        return aim_at_corner(ctl, word, aim);
    ctl_complain("\"%s\" is not LAT,LON in degrees (23.133,-82.383), nor a "
                 "street corner (\"23 y L\")",
                 word);
    return CTL_USAGE;
}

/* "Canada, 23.118000,-82.424000, Calle 30 (6 m from the road); zone Playa,
 * promise 5:00". */
static void print_target(const json_t *target)
{
    char clean[512];
    char promise[32];
    double lat = 0, lon = 0, off_road_m, promise_s;
    const char *mission = ctl_text(json_object_get(target, "mission"), "name");
    const char *road = ctl_text(target, "road");
    const char *zone = ctl_text(target, "zone");
    if (mission != NULL) {
        ctl_clean(mission, clean, sizeof clean);
        printf("%s, ", clean);
    }
    if (ctl_number(target, "lat", &lat) && ctl_number(target, "lon", &lon))
        printf("%.6f,%.6f", lat, lon);
    ctl_clean(road != NULL ? road : "a street without a name", clean,
              sizeof clean);
    printf(", %s", clean);
    if (ctl_number(target, "off_road_m", &off_road_m))
        printf(" (%.0f m from it)", off_road_m);
    if (zone != NULL) {
        ctl_clean(zone, clean, sizeof clean);
        printf("; zone %s", clean);
        if (ctl_number(target, "promise_s", &promise_s))
            printf(", promise %s",
                   ctl_format_clock(promise, sizeof promise, promise_s));
    }
    putchar('\n');
}

/* -------------------------------------------------------------- nearest */
/* The closures that a unit goes around, or is slowed by. */
static void add_closures(struct ctl_table *table, const json_t *unit)
{
    const json_t *ids = json_object_get(unit, "closures");
    char text[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < json_array_size(ids) && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%s%" JSON_INTEGER_FORMAT, i > 0 ? ", " : "",
                                 json_integer_value(json_array_get(ids, i)));
    ctl_table_cell(table, text);
}

/* What was weighed stands behind the rest. */
static void add_weighed(struct ctl_table *table, const json_t *unit)
{
    ctl_cell_number(table, unit, "uncovers_count", 0);
    ctl_cell_number(table, unit, "cost_s", 1);
}

static void add_range(struct ctl_table *table, const json_t *unit)
{
    double low_s, high_s;
    if (ctl_number(unit, "eta_low_s", &low_s) &&
        ctl_number(unit, "eta_high_s", &high_s))
        ctl_table_format(table, "%.0f-%.0f", low_s, high_s);
    else
        ctl_table_cell(table, "-");
}

static void add_promise(struct ctl_table *table, const json_t *unit)
{
    const json_t *within = json_object_get(unit, "within_promise");
    const char *words = json_is_true(within) ? "within" : "too late";
    double chance;
    if (!json_is_boolean(within))
        ctl_table_cell(table, "-");
    else if (ctl_number(unit, "p_within_promise", &chance))
        ctl_table_format(table, "%s %.0f %%", words, chance * 100);
    else
        ctl_table_cell(table, words);
}

static void add_candidate(struct ctl_table *table, size_t rank,
                          const json_t *unit, bool closed)
{
    bool old = json_is_true(json_object_get(unit, "old"));
    bool silent = json_is_true(json_object_get(unit, "silent"));
    double eta_s, age_s;
    char text[64];
    ctl_table_format(table, "%zu", rank);
    ctl_cell_text(table, unit, "call_sign");
    ctl_cell_number(table, unit, "eta_s", 1);
    ctl_table_cell(table, ctl_number(unit, "eta_s", &eta_s)
                              ? ctl_format_clock(text, sizeof text, eta_s)
                              : "-");
    add_range(table, unit);
    ctl_cell_number(table, unit, "drive_s", 1);
    ctl_cell_number(table, unit, "distance_m", 0);
    if (ctl_number(unit, "position_age_s", &age_s))
        ctl_table_format(table, "%s%s",
                         ctl_format_age(text, sizeof text, age_s),
                         silent ? " (silent)"
                         : old  ? " (old)"
                                : "");
    else
        ctl_table_cell(table, "-");
    add_promise(table, unit);
    ctl_cell_text(table, unit, "status");
    if (closed)
        add_closures(table, unit);
}

static enum ctl_exit print_excluded(const json_t *excluded)
{
    struct ctl_table *table = NULL;
    enum ctl_exit end = CTL_REFUSED;
    if (json_array_size(excluded) == 0)
        return CTL_OK;
    if (ctl_table_new("left out|reason|", &table) != PT_OK)
        return end;
    for (size_t i = 0; i < json_array_size(excluded); i++) {
        const json_t *unit = json_array_get(excluded, i);
        ctl_cell_text(table, unit, "call_sign");
        ctl_cell_text(table, unit, "reason");
        ctl_table_cell(table, ctl_text(unit, "explanation"));
    }
    putchar('\n');
    end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

#define COLUMNS                                         \
    ">#|unit|>eta s|>m:ss|>range s|>drive s|>distance " \
    "m|>position|promise|status"

#define WEIGHED "|>uncovers|>cost s"

static enum ctl_exit print_nearest(const json_t *answer)
{
    const json_t *units = json_object_get(answer, "units");
    bool closed = json_array_size(json_object_get(answer, "closures")) > 0;
    const char *by = ctl_text(json_object_get(answer, "rank"), "by");
    bool weighed = by != NULL && strcmp(by, "coverage") == 0;
    const char *columns = closed && weighed ? COLUMNS "|closures" WEIGHED
                          : closed          ? COLUMNS "|closures"
                          : weighed         ? COLUMNS WEIGHED
                                            : COLUMNS;
    struct ctl_table *table = NULL;
    enum ctl_exit end = CTL_OK;
    ctl_print_degraded(answer);
    print_target(json_object_get(answer, "target"));
    ctl_print_closures(answer);
    if (json_array_size(units) == 0)
        puts("no unit can come");
    else if (ctl_table_new(columns, &table) != PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(units); i++) {
        add_candidate(table, i + 1, json_array_get(units, i), closed);
        if (weighed)
            add_weighed(table, json_array_get(units, i));
    }
    if (table != NULL)
        end = ctl_table_show(table);
    ctl_table_free(table);
    return end == CTL_OK ? print_excluded(json_object_get(answer, "excluded"))
                         : end;
}

#define PROFILE_OPTION(where)                                              \
    {                                                                      \
        "profile", 'p', CTL_TEXT, where, "NAME",                           \
            "by whose rules they drive (patrol); see roads profiles", 0, 0 \
    }

enum ctl_exit cmd_nearest(struct ctl *ctl, int argc, char **argv)
{
    struct aim aim = {0};
    long k = 5;
    const char *capability = NULL, *profile = NULL, *rank = NULL;
    char k_text[24];
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"mission", 'm', CTL_TEXT, &aim.mission, "NAME",
         "a mission's number, or words of its name", 0, 0},
        {"count", 'k', CTL_NUMBER, &k, "N", "how many units (5)", 1, 100},
        {"capability", 'c', CTL_TEXT, &capability, "NAME",
         "only units that have it", 0, 0},
        PROFILE_OPTION(&profile),
        {"rank", 'r', CTL_TEXT, &rank, "WORD",
         "eta (first to arrive), or coverage: what would be uncovered weighs, "
         "too",
         0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    end = take_aim(ctl, 0, &aim);
    if (end != CTL_OK)
        return end;
    snprintf(k_text, sizeof k_text, "%ld", k);
    const struct ctl_request request = {
        .path = "/v1/nearest",
        .params = {{"mission", aim.mission},
                   {"lat", aim.is_point ? aim.lat : NULL},
                   {"lon", aim.is_point ? aim.lon : NULL},
                   {"k", k_text},
                   {"capability", capability},
                   {"profile", profile},
                   {"rank", rank}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_nearest(answer);
    json_decref(answer);
    return end;
}

/* ---------------------------------------------------------------- route */
static enum ctl_exit print_route(const json_t *answer)
{
    const json_t *legs = json_object_get(answer, "legs");
    struct ctl_table *table = NULL;
    char text[32];
    double drive_s, distance_m;
    print_target(json_object_get(answer, "target"));
    ctl_print_closures(answer);
    if (!ctl_number(answer, "drive_s", &drive_s) ||
        !ctl_number(answer, "distance_m", &distance_m) ||
        ctl_table_new("street|>seconds|>metres", &table) != PT_OK)
        return CTL_REFUSED;
    printf("%.1f s (%s), %.0f m by road\n", drive_s,
           ctl_format_clock(text, sizeof text, drive_s), distance_m);
    for (size_t i = 0; i < json_array_size(legs); i++) {
        const json_t *leg = json_array_get(legs, i);
        ctl_cell_text(table, leg, "street");
        ctl_cell_number(table, leg, "seconds", 1);
        ctl_cell_number(table, leg, "metres", 0);
    }
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

enum ctl_exit cmd_route(struct ctl *ctl, int argc, char **argv)
{
    struct aim aim = {0};
    const char *profile = NULL;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"mission", 'm', CTL_TEXT, &aim.mission, "NAME",
         "a mission's number, or words of its name", 0, 0},
        PROFILE_OPTION(&profile),
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 2, &end))
        return end;
    end = take_aim(ctl, 1, &aim);
    if (end != CTL_OK)
        return end;
    const struct ctl_request request = {
        .path = "/v1/route",
        .params = {{"unit", ctl->argv[0]},
                   {"mission", aim.mission},
                   {"lat", aim.is_point ? aim.lat : NULL},
                   {"lon", aim.is_point ? aim.lon : NULL},
                   {"profile", profile}}};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = print_route(answer);
    json_decref(answer);
    return end;
}

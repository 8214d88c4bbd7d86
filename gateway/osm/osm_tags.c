#include "osm_internal.h"
#include <string.h>

/* Speeds where none is tagged: what OSRM's car profile (profiles/car.lua,
 * release 5) takes for each class, averages that hold crossings in them.
 * It gives "road" (class not known) 10 km/h; here it counts as unclassified,
 * since whole imports carry no class and would come out on foot. */
static const struct osm_class classes[] = {
    {"motorway", 90},      {"motorway_link", 45},  {"trunk", 85},
    {"trunk_link", 40},    {"primary", 65},        {"primary_link", 30},
    {"secondary", 55},     {"secondary_link", 25}, {"tertiary", 40},
    {"tertiary_link", 20}, {"unclassified", 25},   {"residential", 25},
    {"living_street", 10}, {"service", 15},        {"road", 25},
};

#define KMH_PER_MPH 1.609344f
#define KMH_PER_KNOT 1.852f
/* "none" is no limit: the speed that Germany advises there. */
#define KMH_NONE 130.0f
#define KMH_WALK 7.0f
/* Above it a tag is a slip of the keyboard: no road allows so much. */
#define KMH_MAX 200.0f

static bool is(const char *value, const char *word)
{
    return value != NULL && strcmp(value, word) == 0;
}

/* `words` separated by single spaces. */
static bool is_one_of(const char *value, size_t length, const char *words)
{
    while (*words != 0) {
        size_t word = strcspn(words, " ");
        if (word == length && memcmp(words, value, word) == 0)
            return true;
        words += word;
        words += *words == ' ';
    }
    return false;
}

const char *osm_tag(const readosm_tag *tags, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (tags[i].key != NULL && strcmp(tags[i].key, key) == 0)
            return tags[i].value;
    }
    return NULL;
}

/* The first of `keys` (most specific first, NULL at the end) that is
 * tagged. */
static const char *first_tag(const readosm_tag *tags, int count,
                             const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const char *value = osm_tag(tags, count, *keys);
        if (value != NULL && *value != 0)
            return value;
    }
    return NULL;
}

/* Tracks are left out: farm and forest ways, mostly barred or impassable
 * for a patrol car, and a search that used one would promise too much. */
static const struct osm_class *drivable_class(const readosm_tag *tags,
                                              int count, uint64_t *tally)
{
    const char *highway = osm_tag(tags, count, "highway");
    if (highway == NULL) {
        tally[OSM_WAYS_NOT_HIGHWAY]++;
        return NULL;
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(classes[i].highway, highway) == 0)
            return &classes[i];
    }
    if (is(highway, "track"))
        tally[OSM_WAYS_TRACK]++;
    else if (is_one_of(highway, strlen(highway),
                       "construction proposed planned abandoned disused razed "
                       "demolished"))
        tally[OSM_WAYS_UNFINISHED]++;
    else
        tally[OSM_WAYS_NOT_FOR_CARS]++;
    return NULL;
}

/* Who may drive there, by the most specific tag that says something. A list
 * ("no;delivery") is open when one of its values is. Destination, delivery,
 * customers and permits stay in: a patrol on its way to a door has business
 * there. What is private or closed stays out: a gate is not opened by a
 * routing engine. */
static bool may_enter(const readosm_tag *tags, int count, uint64_t *tally)
{
    static const char *const keys[] = {"motorcar", "motor_vehicle", "vehicle",
                                       "access", NULL};
    const char *value = first_tag(tags, count, keys);
    if (value == NULL)
        return true;
    enum osm_tally reason = OSM_WAYS_ACCESS_NO;
    for (const char *at = value;;) {
        size_t length = strcspn(at, ";");
        if (is_one_of(at, length, "no"))
            reason = OSM_WAYS_ACCESS_NO;
        else if (is_one_of(at, length, "private"))
            reason = OSM_WAYS_ACCESS_PRIVATE;
        else if (is_one_of(at, length,
                           "agricultural forestry emergency military psv bus "
                           "taxi bicycle foot"))
            reason = OSM_WAYS_ACCESS_OTHERS;
        else
            return true;
        if (at[length] == 0)
            break;
        at += length + 1;
        at += strspn(at, " ");
    }
    tally[reason]++;
    return false;
}

/* False for a way that changes its direction by the clock. Implied one-ways
 * are those of the OpenStreetMap wiki (Key:oneway): roundabouts and
 * motorways, not their links. */
static bool directions(const readosm_tag *tags, int count, uint64_t *tally,
                       struct osm_rule *rule)
{
    static const char *const keys[] = {"oneway:motorcar",
                                       "oneway:motor_vehicle", "oneway:vehicle",
                                       "oneway", NULL};
    const char *oneway = first_tag(tags, count, keys);
    const char *junction = osm_tag(tags, count, "junction");
    rule->forward = true;
    rule->backward = true;
    if (is(oneway, "yes") || is(oneway, "true") || is(oneway, "1")) {
        rule->backward = false;
    } else if (is(oneway, "-1") || is(oneway, "reverse")) {
        rule->forward = false;
    } else if (is(oneway, "reversible") || is(oneway, "alternating")) {
        tally[OSM_WAYS_REVERSIBLE]++;
        return false;
    } else if (!is(oneway, "no") && !is(oneway, "false") && !is(oneway, "0")) {
        if (oneway != NULL)
            tally[OSM_ONEWAY_UNKNOWN]++;
        if (is(junction, "roundabout") || is(junction, "circular") ||
            is(rule->class->highway, "motorway"))
            rule->backward = false;
    }
    return true;
}

float osm_parse_maxspeed(const char *value)
{
    if (is(value, "none"))
        return KMH_NONE;
    if (is(value, "walk"))
        return KMH_WALK;
    /* Not strtod(): the decimal point is a point in every locale. */
    float number = 0;
    float place = 1;
    bool fraction = false;
    const char *at = value;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !fraction); at++) {
        if (*at == '.') {
            fraction = true;
        } else {
            number = number * 10 + (float)(*at - '0');
            place *= fraction ? 10 : 1;
        }
        if (number > 1e6f)
            return 0;
    }
    if (at == value)
        return 0;
    number /= place;
    at += strspn(at, " ");
    if (is(at, "mph") || is(at, "mp/h"))
        number *= KMH_PER_MPH;
    else if (is(at, "knots"))
        number *= KMH_PER_KNOT;
    else if (*at != 0 && !is(at, "km/h") && !is(at, "kmh") && !is(at, "kph"))
        return 0;
    return number >= 1 && number <= KMH_MAX ? number : 0;
}

/* The direction's own tag wins over the one for both. */
static float direction_maxspeed(const char *own, const char *both,
                                bool *unknown)
{
    float kmh = own != NULL ? osm_parse_maxspeed(own) : 0;
    if (own != NULL && kmh > 0)
        return kmh;
    kmh = both != NULL ? osm_parse_maxspeed(both) : 0;
    if ((own != NULL || both != NULL) && kmh <= 0)
        *unknown = true;
    return kmh;
}

static void speeds(const readosm_tag *tags, int count, uint64_t *tally,
                   struct osm_rule *rule)
{
    const char *both = osm_tag(tags, count, "maxspeed");
    bool unknown = false;
    rule->maxspeed_forward_kmh = direction_maxspeed(
        osm_tag(tags, count, "maxspeed:forward"), both, &unknown);
    rule->maxspeed_backward_kmh = direction_maxspeed(
        osm_tag(tags, count, "maxspeed:backward"), both, &unknown);
    if (unknown)
        tally[OSM_MAXSPEED_UNKNOWN]++;
    if (rule->maxspeed_forward_kmh > 0 || rule->maxspeed_backward_kmh > 0)
        tally[OSM_MAXSPEED_USED]++;
}

bool osm_way_rule(const readosm_tag *tags, int count, uint64_t *tally,
                  struct osm_rule *ret)
{
    struct osm_rule rule = {.class = drivable_class(tags, count, tally)};
    if (rule.class == NULL)
        return false;
    if (is(osm_tag(tags, count, "area"), "yes")) {
        tally[OSM_WAYS_AREA]++;
        return false;
    }
    if (is(osm_tag(tags, count, "impassable"), "yes") ||
        is(osm_tag(tags, count, "status"), "impassable") ||
        is(osm_tag(tags, count, "smoothness"), "impassable")) {
        tally[OSM_WAYS_IMPASSABLE]++;
        return false;
    }
    if (!may_enter(tags, count, tally) ||
        !directions(tags, count, tally, &rule))
        return false;
    speeds(tags, count, tally, &rule);
    rule.name = osm_tag(tags, count, "name");
    rule.ref = osm_tag(tags, count, "ref");
    *ret = rule;
    return true;
}

/* "motorcar" and the like among the values of `except`. */
static bool excepts_cars(const char *except)
{
    while (except != NULL && *except != 0) {
        except += strspn(except, "; ");
        size_t length = strcspn(except, "; ");
        if (length > 0 &&
            is_one_of(except, length, "motorcar motor_vehicle vehicle"))
            return true;
        except += length;
    }
    return false;
}

static bool has_key_prefix(const readosm_tag *tags, int count,
                           const char *prefix)
{
    for (int i = 0; i < count; i++) {
        if (tags[i].key != NULL &&
            strncmp(tags[i].key, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

bool osm_restriction_rule(const readosm_tag *tags, int count, uint64_t *tally,
                          enum osm_restriction_sort *ret)
{
    static const char *const keys[] = {"restriction:motorcar",
                                       "restriction:motor_vehicle",
                                       "restriction", NULL};
    const char *type = osm_tag(tags, count, "type");
    if (type == NULL || strncmp(type, "restriction", 11) != 0)
        return false;
    tally[OSM_RESTRICTIONS_READ]++;
    const char *kind = first_tag(tags, count, keys);
    if (kind == NULL) {
        /* restriction:hgv, restriction:conditional, ... */
        tally[osm_tag(tags, count, "restriction:conditional") != NULL
                  ? OSM_RESTRICTIONS_CONDITIONAL
              : has_key_prefix(tags, count, "restriction:")
                  ? OSM_RESTRICTIONS_OTHERS
                  : OSM_RESTRICTIONS_KIND]++;
        return false;
    }
    if (excepts_cars(osm_tag(tags, count, "except")) ||
        !(is(type, "restriction") || is(type, "restriction:motorcar") ||
          is(type, "restriction:motor_vehicle"))) {
        tally[OSM_RESTRICTIONS_OTHERS]++;
        return false;
    }
    /* Times of day beside a plain tag, as they were tagged before
     * restriction:conditional. */
    if (osm_tag(tags, count, "hour_on") != NULL ||
        osm_tag(tags, count, "day_on") != NULL) {
        tally[OSM_RESTRICTIONS_CONDITIONAL]++;
        return false;
    }
    if (is(kind, "no_u_turn")) {
        *ret = OSM_FORBIDS_U_TURN;
    } else if (is_one_of(kind, strlen(kind),
                         "no_left_turn no_right_turn no_straight_on no_entry "
                         "no_exit")) {
        *ret = OSM_FORBIDS;
    } else if (is_one_of(kind, strlen(kind),
                         "only_left_turn only_right_turn only_straight_on "
                         "only_u_turn")) {
        *ret = OSM_DEMANDS;
    } else {
        tally[OSM_RESTRICTIONS_KIND]++;
        return false;
    }
    return true;
}

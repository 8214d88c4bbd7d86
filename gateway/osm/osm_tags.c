/* What tags say. Meanings are those of the OpenStreetMap wiki's page on each
 * key. */
#include "osm_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool osm_is(const char *value, const char *word)
{
    return value != NULL && strcmp(value, word) == 0;
}

bool osm_is_one_of(const char *value, size_t length, const char *words)
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

static bool is_any(const char *value, const char *words)
{
    return value != NULL && osm_is_one_of(value, strlen(value), words);
}

const char *osm_tag(const readosm_tag *tags, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (tags[i].key != NULL && strcmp(tags[i].key, key) == 0)
            return tags[i].value;
    }
    return NULL;
}

const char *osm_first_tag(const readosm_tag *tags, int count,
                          const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const char *value = osm_tag(tags, count, *keys);
        if (value != NULL && *value != 0)
            return value;
    }
    return NULL;
}

static bool is_opened(const char *value)
{
    return is_any(value, "yes designated official permissive destination");
}

/* ------------------------------------------------------- which ways are kept
 */
static bool is_firm(const readosm_tag *tags, int count)
{
    return is_any(osm_tag(tags, count, "tracktype"), "grade1 grade2") ||
           is_any(osm_tag(tags, count, "surface"),
                  "paved asphalt concrete concrete:plates concrete:lanes "
                  "chipseal paving_stones sett compacted fine_gravel");
}

/* A street whose construction tag still names a class was opened, and the tag
 * forgotten. */
static bool is_unfinished(const readosm_tag *tags, int count,
                          const char *highway)
{
    return is_any(highway, "construction proposed planned abandoned disused "
                           "razed demolished") ||
           osm_is(osm_tag(tags, count, "construction"), "yes") ||
           osm_is(osm_tag(tags, count, "disused"), "yes") ||
           osm_is(osm_tag(tags, count, "abandoned"), "yes");
}

static bool skip(uint64_t *tally, enum osm_tally reason)
{
    tally[reason]++;
    return false;
}

/* Whether somebody may drive there by what kind of way it is. */
static bool is_street(const readosm_tag *tags, int count, uint64_t *tally)
{
    const char *highway = osm_tag(tags, count, "highway");
    if (is_any(osm_tag(tags, count, "route"), "ferry shuttle_train"))
        return skip(tally, OSM_WAYS_FERRY);
    if (highway == NULL)
        return skip(tally, OSM_WAYS_NOT_HIGHWAY);
    if (is_unfinished(tags, count, highway))
        return skip(tally, OSM_WAYS_UNFINISHED);
    const char *class = profile_class(highway);
    bool opened = is_opened(osm_tag(tags, count, "emergency"));
    if (class == NULL || (osm_is(class, "footway") && !opened))
        return skip(tally, OSM_WAYS_NOT_FOR_CARS);
    if (osm_is(class, "track") && !opened && !is_firm(tags, count))
        return skip(tally, OSM_WAYS_TRACK);
    if (osm_is(osm_tag(tags, count, "area"), "yes"))
        return skip(tally, OSM_WAYS_AREA);
    if (osm_is(osm_tag(tags, count, "impassable"), "yes") ||
        osm_is(osm_tag(tags, count, "status"), "impassable") ||
        osm_is(osm_tag(tags, count, "smoothness"), "impassable"))
        return skip(tally, OSM_WAYS_IMPASSABLE);
    return true;
}

/* ------------------------------------------------------------------ access */
#define DIRECTED(key) key, key ":forward", key ":backward"
static const char *const access_keys[] = {
    DIRECTED("access"),   DIRECTED("vehicle"),   DIRECTED("motor_vehicle"),
    DIRECTED("motorcar"), DIRECTED("emergency"), DIRECTED("psv"),
    DIRECTED("bus"),
};
#define ACCESS_KEYS (sizeof access_keys / sizeof *access_keys)

/* Adds "key=value", the value without blanks, when there is room. */
static void add_word(char words[OSM_WORDS_MAX], const char *key,
                     const char *value)
{
    size_t used = strlen(words);
    size_t need = strlen(key) + strlen(value) + 3;
    if (*value == 0 || need > OSM_WORDS_MAX - used)
        return;
    used += (size_t)snprintf(words + used, OSM_WORDS_MAX - used,
                             "%s%s=", used > 0 ? " " : "", key);
    for (; *value != 0; value++) {
        if ((unsigned char)*value > ' ')
            words[used++] = *value;
    }
    words[used] = 0;
}

static void add_access(const readosm_tag *tags, int count,
                       char words[OSM_WORDS_MAX])
{
    for (size_t i = 0; i < ACCESS_KEYS; i++) {
        const char *value = osm_tag(tags, count, access_keys[i]);
        if (value != NULL)
            add_word(words, access_keys[i], value);
    }
}

static bool is_access_key(const char *key, size_t size)
{
    for (size_t i = 0; i < ACCESS_KEYS; i++) {
        if (strlen(access_keys[i]) == size &&
            memcmp(access_keys[i], key, size) == 0)
            return true;
    }
    return false;
}

/* What holds at some hours only is not used, and said to be so. */
static void count_conditional(const readosm_tag *tags, int count,
                              uint64_t *tally)
{
    static const char ending[] = ":conditional";
    bool access = false;
    bool oneway = false;
    bool maxspeed = false;
    for (int i = 0; i < count; i++) {
        const char *key = tags[i].key;
        size_t size = key != NULL ? strlen(key) : 0;
        if (size < sizeof ending ||
            strcmp(key + size - strlen(ending), ending) != 0)
            continue;
        size -= strlen(ending);
        access = access || is_access_key(key, size);
        oneway = oneway || strncmp(key, "oneway", 6) == 0;
        maxspeed = maxspeed || strncmp(key, "maxspeed", 8) == 0;
    }
    tally[OSM_ACCESS_CONDITIONAL] += access;
    tally[OSM_ONEWAY_CONDITIONAL] += oneway;
    tally[OSM_MAXSPEED_CONDITIONAL] += maxspeed;
}

/* --------------------------------------------------------------- direction */
/* Implied one-ways are those of the wiki's Key:oneway: roundabouts and
 * motorways, not their links. */
static enum profile_oneway direction(const readosm_tag *tags, int count,
                                     uint64_t *tally, const char *highway)
{
    static const char *const keys[] = {"oneway:motorcar",
                                       "oneway:motor_vehicle", "oneway:vehicle",
                                       "oneway", NULL};
    const char *oneway = osm_first_tag(tags, count, keys);
    if (is_any(oneway, "yes true 1"))
        return PROFILE_FORWARD;
    if (is_any(oneway, "-1 reverse"))
        return PROFILE_BACKWARD;
    if (osm_is(oneway, "reversible"))
        return PROFILE_REVERSIBLE;
    if (osm_is(oneway, "alternating"))
        return PROFILE_ALTERNATING;
    if (is_any(oneway, "no false 0"))
        return PROFILE_BOTH_WAYS;
    if (oneway != NULL)
        tally[OSM_ONEWAY_UNKNOWN]++;
    return is_any(osm_tag(tags, count, "junction"), "roundabout circular") ||
                   osm_is(highway, "motorway")
               ? PROFILE_FORWARD
               : PROFILE_BOTH_WAYS;
}

/* Key:oneway:bus, Key:busway and lanes:psv:backward of the wiki. */
static bool buses_go_against(const readosm_tag *tags, int count)
{
    static const char *const lanes[] = {"lanes:psv:backward",
                                        "lanes:bus:backward"};
    static const char *const busway[] = {"busway", "busway:both", "busway:left",
                                         "busway:right"};
    for (size_t i = 0; i < sizeof busway / sizeof *busway; i++) {
        if (is_any(osm_tag(tags, count, busway[i]), "opposite opposite_lane"))
            return true;
    }
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        const char *value = osm_tag(tags, count, lanes[i]);
        if (value != NULL && *value >= '1' && *value <= '9')
            return true;
    }
    return osm_is(osm_tag(tags, count, "oneway:bus"), "no") ||
           osm_is(osm_tag(tags, count, "oneway:psv"), "no");
}

static const char *against_oneway(const readosm_tag *tags, int count)
{
    bool bus = buses_go_against(tags, count);
    bool emergency = osm_is(osm_tag(tags, count, "oneway:emergency"), "no");
    return bus && emergency ? "bus emergency"
           : bus            ? "bus"
           : emergency      ? "emergency"
                            : NULL;
}

/* ------------------------------------------------------------ the whole way */
/* A whole number of [least, most]; `otherwise` when it is none. */
static int whole(const char *value, int least, int most, int otherwise)
{
    char *end = NULL;
    long number = value != NULL ? strtol(value, &end, 10) : 0;
    return value == NULL || end == value || *end != 0 || number < least ||
                   number > most
               ? otherwise
               : (int)number;
}

static bool is_there(const char *value)
{
    return value != NULL && !osm_is(value, "no");
}

bool osm_way_rule(const readosm_tag *tags, int count, uint64_t *tally,
                  struct osm_rule *ret)
{
    if (!is_street(tags, count, tally))
        return false;
    *ret = (struct osm_rule){0};
    struct osm_street *street = &ret->street;
    street->highway = osm_tag(tags, count, "highway");
    street->name = osm_tag(tags, count, "name");
    street->ref = osm_tag(tags, count, "ref");
    street->surface = osm_tag(tags, count, "surface");
    street->smoothness = osm_tag(tags, count, "smoothness");
    street->tracktype = osm_tag(tags, count, "tracktype");
    street->service = osm_tag(tags, count, "service");
    add_access(tags, count, ret->access);
    street->access = ret->access;
    street->oneway = direction(tags, count, tally, street->highway);
    street->oneway_except = street->oneway != PROFILE_BOTH_WAYS
                                ? against_oneway(tags, count)
                                : NULL;
    street->lanes = (uint8_t)whole(osm_tag(tags, count, "lanes"), 1, 50, 0);
    street->layer = (int8_t)whole(osm_tag(tags, count, "layer"), -99, 99, 0);
    street->bridge = is_there(osm_tag(tags, count, "bridge"));
    street->tunnel = is_there(osm_tag(tags, count, "tunnel"));
    street->roundabout =
        is_any(osm_tag(tags, count, "junction"), "roundabout circular");
    osm_way_speeds(tags, count, tally, street);
    count_conditional(tags, count, tally);
    return true;
}

/* ------------------------------------------------------------------- nodes */
/* "forward" and "backward" are along the way that the node is on. */
static void control_direction(const readosm_tag *tags, int count,
                              struct osm_node_rule *rule)
{
    static const char *const keys[] = {"traffic_signals:direction",
                                       "stop:direction", "give_way:direction",
                                       "direction", NULL};
    const char *value = osm_first_tag(tags, count, keys);
    rule->both_ways = osm_is(value, "both");
    if (osm_is(value, "forward"))
        rule->direction = PROFILE_FORWARD;
    else if (osm_is(value, "backward"))
        rule->direction = PROFILE_BACKWARD;
}

/* Kinds that no car needs to stop for are not kept: OSRM's
 * barrier_whitelist, less what costs time; and kerbs. */
static void node_barrier(const readosm_tag *tags, int count,
                         struct osm_node_rule *rule)
{
    const char *kind = osm_tag(tags, count, "barrier");
    if (kind == NULL || *kind == 0 || strlen(kind) > 60 ||
        strpbrk(kind, " =") != NULL ||
        is_any(kind, "no entrance cattle_grid height_restrictor kerb"))
        return;
    bool rising = osm_is(kind, "bollard") &&
                  osm_is(osm_tag(tags, count, "bollard"), "rising");
    snprintf(rule->barrier, sizeof rule->barrier, "%s",
             rising ? "rising_bollard" : kind);
    add_access(tags, count, rule->barrier);
    const char *locked = osm_tag(tags, count, "locked");
    if (locked != NULL)
        add_word(rule->barrier, "locked", locked);
}

/* A crossing with signals stops cars as any signals do (wiki, crossing=
 * traffic_signals). */
static void node_control(const readosm_tag *tags, int count,
                         struct osm_node_rule *rule)
{
    const char *highway = osm_tag(tags, count, "highway");
    const char *crossing = osm_tag(tags, count, "crossing");
    bool crosses =
        osm_is(highway, "crossing") || osm_is(highway, "traffic_signals");
    if (osm_is(highway, "traffic_signals") ||
        (crosses && (osm_is(crossing, "traffic_signals") ||
                     osm_is(osm_tag(tags, count, "crossing:signals"), "yes"))))
        rule->control = OSM_SIGNALS;
    else if (osm_is(highway, "stop"))
        rule->control = OSM_STOP;
    else if (osm_is(highway, "give_way"))
        rule->control = OSM_GIVE_WAY;
    else if (osm_is(highway, "mini_roundabout"))
        rule->control = OSM_MINI_ROUNDABOUT;
    else if (osm_is(highway, "crossing") && !osm_is(crossing, "no"))
        rule->crossing = true;
    if (rule->control != OSM_NO_CONTROL)
        control_direction(tags, count, rule);
}

bool osm_node_rule(const readosm_tag *tags, int count, uint64_t *tally,
                   struct osm_node_rule *ret)
{
    if (count == 0)
        return false;
    *ret = (struct osm_node_rule){0};
    node_control(tags, count, ret);
    node_barrier(tags, count, ret);
    if (ret->barrier[0] != 0)
        count_conditional(tags, count, tally);
    ret->calming = is_there(osm_tag(tags, count, "traffic_calming"));
    return ret->control != OSM_NO_CONTROL || ret->crossing || ret->calming ||
           ret->barrier[0] != 0;
}

/* ------------------------------------------------------------ restrictions */
/* "motorcar" and the like among the values of `except`. */
static bool excepts_cars(const char *except)
{
    while (except != NULL && *except != 0) {
        except += strspn(except, "; ");
        size_t length = strcspn(except, "; ");
        if (length > 0 &&
            osm_is_one_of(except, length, "motorcar motor_vehicle vehicle"))
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

/* Of a list of prohibitions: between its members all of them forbid the same.
 * A list with only_... would allow more ways on than the relation names. */
static bool sort_of_list(const char *kind, enum osm_restriction_sort *ret)
{
    enum osm_restriction_sort sort = OSM_FORBIDS;
    for (const char *at = kind; *at != 0;) {
        at += strspn(at, "; ");
        size_t size = strcspn(at, "; ");
        if (osm_is_one_of(at, size, "no_u_turn"))
            sort = OSM_FORBIDS_U_TURN;
        else if (size > 0 &&
                 !osm_is_one_of(at, size,
                                "no_left_turn no_right_turn no_straight_on"))
            return false;
        at += size;
    }
    *ret = sort;
    return true;
}

static bool sort_of(const char *kind, enum osm_restriction_sort *ret)
{
    if (strchr(kind, ';') != NULL)
        return sort_of_list(kind, ret);
    if (osm_is(kind, "no_u_turn"))
        *ret = OSM_FORBIDS_U_TURN;
    else if (is_any(kind, "no_left_turn no_right_turn no_straight_on no_entry "
                          "no_exit"))
        *ret = OSM_FORBIDS;
    else if (is_any(kind, "only_left_turn only_right_turn only_straight_on "
                          "only_u_turn"))
        *ret = OSM_DEMANDS;
    else
        return false;
    return true;
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
    const char *kind = osm_first_tag(tags, count, keys);
    if (kind == NULL)
        /* restriction:hgv, restriction:conditional, ... */
        return skip(tally,
                    osm_tag(tags, count, "restriction:conditional") != NULL
                        ? OSM_RESTRICTIONS_CONDITIONAL
                    : has_key_prefix(tags, count, "restriction:")
                        ? OSM_RESTRICTIONS_OTHERS
                        : OSM_RESTRICTIONS_KIND);
    if (excepts_cars(osm_tag(tags, count, "except")) ||
        !(osm_is(type, "restriction") || osm_is(type, "restriction:motorcar") ||
          osm_is(type, "restriction:motor_vehicle")))
        return skip(tally, OSM_RESTRICTIONS_OTHERS);
    /* Times of day beside a plain tag, as they were tagged before
     * restriction:conditional. */
    if (osm_tag(tags, count, "hour_on") != NULL ||
        osm_tag(tags, count, "day_on") != NULL)
        return skip(tally, OSM_RESTRICTIONS_CONDITIONAL);
    return sort_of(kind, ret) || skip(tally, OSM_RESTRICTIONS_KIND);
}

/* maxspeed in the notations that are in use. Sources: the OpenStreetMap
 * wiki's Key:maxspeed (values, units, implicit values) and Default speed
 * limits (what a country's law says). */
#include "osm_internal.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define KMH_PER_MPH 1.609344f
#define KMH_PER_KNOT 1.852f
/* "none" is no limit: the speed that Germany advises there. */
#define KMH_NONE 130.0f
#define KMH_WALK 7.0f
/* "national" is the United Kingdom's word for its limit out of town, here that
 * of a single carriageway: the lower of the two. */
#define KMH_NATIONAL (60 * KMH_PER_MPH)
/* Above it a tag is a slip of the keyboard: no road allows so much. */
#define KMH_MAX 200.0f

/* What the law says where no sign stands, by the second half of a country's
 * code, for countries that are not in the table below. */
static const struct implied {
    const char *code;
    float kmh;
} usual[] = {
    {"urban", 50},     {"rural", 90},         {"trunk", 110},
    {"motorway", 130}, {"living_street", 20}, {"bicycle_road", 30},
};

/* And where a country's differs. Cuba: Ley 109 (Código de Seguridad Vial),
 * article 127. */
static const struct implied country[] = {
    {"AT:rural", 100},
    {"AT:trunk", 100},
    {"BE:motorway", 120},
    {"BE-BRU:urban", 30},
    {"BE-VLG:rural", 70},
    {"BY:urban", 60},
    {"BY:motorway", 110},
    {"CH:rural", 80},
    {"CH:trunk", 100},
    {"CH:motorway", 120},
    {"CU:motorway", 100},
    {"CU:trunk", 90},
    {"DE:living_street", KMH_WALK},
    {"DE:rural", 100},
    {"DE:motorway", KMH_NONE},
    {"DK:rural", 80},
    {"ES:trunk", 90},
    {"ES:motorway", 120},
    {"FI:rural", 80},
    {"FI:motorway", 120},
    {"FR:rural", 80},
    {"GB:national", KMH_NATIONAL},
    {"GB:nsl_restricted", 30 * KMH_PER_MPH},
    {"GB:nsl_single", 60 * KMH_PER_MPH},
    {"GB:nsl_dual", 70 * KMH_PER_MPH},
    {"GB:motorway", 70 * KMH_PER_MPH},
    {"NL:rural", 80},
    {"NL:trunk", 100},
    {"NL:motorway", 100},
    {"NO:rural", 80},
    {"NO:motorway", 110},
    {"PL:trunk", 100},
    {"PL:motorway", 140},
    {"PT:trunk", 100},
    {"PT:motorway", 120},
    {"RO:trunk", 100},
    {"RU:urban", 60},
    {"RU:motorway", 110},
    {"SE:rural", 70},
    {"SE:motorway", 110},
    {"UK:national", KMH_NATIONAL},
    {"UK:nsl_restricted", 30 * KMH_PER_MPH},
    {"UK:nsl_single", 60 * KMH_PER_MPH},
    {"UK:nsl_dual", 70 * KMH_PER_MPH},
    {"UK:motorway", 70 * KMH_PER_MPH},
    {"ZA:urban", 60},
    {"ZA:rural", 100},
    {"ZA:motorway", 120},
};

/* A decimal number; moves `*at` behind it. Not strtod(): the decimal point
 * is a point in every locale. Below 0: none. */
static float take_number(const char **at)
{
    float number = 0;
    float place = 1;
    bool fraction = false;
    const char *start = *at;
    for (; (**at >= '0' && **at <= '9') || (**at == '.' && !fraction); ++*at) {
        if (**at == '.') {
            fraction = true;
        } else {
            number = number * 10 + (float)(**at - '0');
            place *= fraction ? 10 : 1;
        }
        if (number > 1e6f)
            return -1;
    }
    return *at == start ? -1 : number / place;
}

static bool is_word(const char *at, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(at, word, size) == 0;
}

/* "50", "30 mph", "10 knots"; 0 when it is none. */
static float with_unit(const char *at, size_t size)
{
    const char *end = at + size;
    float number = take_number(&at);
    if (number < 0 || at > end)
        return 0;
    while (at < end && *at == ' ')
        at++;
    size = (size_t)(end - at);
    if (is_word(at, size, "mph") || is_word(at, size, "mp/h"))
        number *= KMH_PER_MPH;
    else if (is_word(at, size, "knots"))
        number *= KMH_PER_KNOT;
    else if (size > 0 && !is_word(at, size, "km/h") &&
             !is_word(at, size, "kmh") && !is_word(at, size, "kph"))
        return 0;
    return number >= 1 && number <= KMH_MAX ? number : 0;
}

static float find_code(const struct implied *table, size_t count,
                       const char *code, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (is_word(code, size, table[i].code))
            return table[i].kmh;
    }
    return 0;
}

/* "DE:zone:30", "FR:zone30" (miles in the United Kingdom), "CU:urban"; 0
 * when it is none of them. */
static float by_code(const char *at, size_t size)
{
    const char *colon = memchr(at, ':', size);
    size_t country_size = colon != NULL ? (size_t)(colon - at) : 0;
    if (country_size < 2 || !isalpha((unsigned char)at[0]) ||
        !isalpha((unsigned char)at[1]))
        return 0;
    const char *law = colon + 1;
    const char *end = at + size;
    if (end - law > 4 && strncasecmp(law, "zone", 4) == 0) {
        law += law[4] == ':' ? 5 : 4;
        float kmh = with_unit(law, (size_t)(end - law));
        bool miles =
            is_word(at, country_size, "GB") || is_word(at, country_size, "UK");
        return kmh > 0 && miles && end[-1] != 'h' ? kmh * KMH_PER_MPH : kmh;
    }
    float kmh = find_code(country, sizeof country / sizeof *country, at, size);
    return kmh > 0 ? kmh
                   : find_code(usual, sizeof usual / sizeof *usual, law,
                               (size_t)(end - law));
}

/* One value, blanks around it taken off. */
static float parse_one(const char *at, size_t size, enum profile_limit *limit)
{
    while (size > 0 && *at == ' ') {
        at++;
        size--;
    }
    while (size > 0 && at[size - 1] == ' ')
        size--;
    if (is_word(at, size, "none")) {
        *limit = PROFILE_NO_LIMIT;
        return KMH_NONE;
    }
    if (is_word(at, size, "walk")) {
        *limit = PROFILE_WALK;
        return KMH_WALK;
    }
    if (is_word(at, size, "signals") || is_word(at, size, "variable")) {
        *limit = PROFILE_VARIABLE;
        return 0;
    }
    float kmh = with_unit(at, size);
    *limit = PROFILE_POSTED;
    if (kmh <= 0) {
        kmh = is_word(at, size, "national") ? KMH_NATIONAL : by_code(at, size);
        *limit = kmh > 0 ? PROFILE_IMPLICIT : PROFILE_LIMIT_UNKNOWN;
    }
    return kmh;
}

/* Of a list the lowest that is understood: it does not say where which holds,
 * or in which lane one will drive, and a time that is too short is a promise
 * that is broken. */
float osm_parse_maxspeed(const char *value, enum profile_limit *limit)
{
    float lowest = 0;
    *limit = PROFILE_LIMIT_UNKNOWN;
    for (const char *at = value;;) {
        size_t size = strcspn(at, ";|");
        enum profile_limit one = PROFILE_LIMIT_UNKNOWN;
        float kmh = parse_one(at, size, &one);
        if (one != PROFILE_LIMIT_UNKNOWN &&
            (*limit == PROFILE_LIMIT_UNKNOWN ||
             (kmh > 0 && (lowest <= 0 || kmh < lowest)))) {
            lowest = kmh;
            *limit = one;
        }
        if (at[size] == 0)
            return lowest;
        at += size + 1;
    }
}

/* What is written beside a number to tell where it comes from, or in its
 * place. */
static float implied_limit(const readosm_tag *tags, int count)
{
    static const char *const keys[] = {"maxspeed:type", "source:maxspeed",
                                       "zone:maxspeed", "zone:traffic", NULL};
    for (const char *const *key = keys; *key != NULL; key++) {
        const char *value = osm_tag(tags, count, *key);
        float kmh = value != NULL ? by_code(value, strlen(value)) : 0;
        if (kmh > 0)
            return kmh;
    }
    return 0;
}

struct limits {
    float kmh;
    enum profile_limit kind;
    bool unknown; /* tagged, and not understood */
};

/* The first of the tags that is understood. */
static struct limits limit_of(const readosm_tag *tags, int count,
                              const char *const *keys)
{
    struct limits found = {0};
    for (; *keys != NULL && found.kind == PROFILE_LIMIT_UNKNOWN; keys++) {
        const char *value = osm_tag(tags, count, *keys);
        found.unknown = found.unknown || value != NULL;
        if (value != NULL)
            found.kmh = osm_parse_maxspeed(value, &found.kind);
    }
    found.unknown = found.unknown && found.kind == PROFILE_LIMIT_UNKNOWN;
    return found;
}

void osm_way_speeds(const readosm_tag *tags, int count, uint64_t *tally,
                    struct osm_street *street)
{
    /* The direction's own tag wins over the one for both; the lanes', each
     * with one of its own, are for where neither is. */
    static const char *const keys[PROFILE_DIRECTIONS][5] = {
        {"maxspeed:forward", "maxspeed", "maxspeed:lanes:forward",
         "maxspeed:lanes", NULL},
        {"maxspeed:backward", "maxspeed", "maxspeed:lanes:backward",
         "maxspeed:lanes", NULL},
    };
    struct limits way[PROFILE_DIRECTIONS] = {limit_of(tags, count, keys[0]),
                                             limit_of(tags, count, keys[1])};
    float implied = implied_limit(tags, count);
    const char *variable = osm_tag(tags, count, "maxspeed:variable");
    for (size_t d = 0; d < PROFILE_DIRECTIONS; d++) {
        if (way[d].kind == PROFILE_LIMIT_UNKNOWN && implied > 0)
            way[d] = (struct limits){.kmh = implied, .kind = PROFILE_IMPLICIT};
        else if (way[d].kind == PROFILE_POSTED && implied > 0)
            way[d].kind = PROFILE_IMPLICIT;
        if (variable != NULL && !osm_is(variable, "no"))
            way[d].kind = PROFILE_VARIABLE;
        street->limit_kmh[d] = way[d].kmh;
    }
    street->limit =
        way[0].kind != PROFILE_LIMIT_UNKNOWN ? way[0].kind : way[1].kind;
    tally[OSM_MAXSPEED_UNKNOWN] += way[0].unknown || way[1].unknown;
    tally[OSM_MAXSPEED_USED] += way[0].kmh > 0 || way[1].kmh > 0;
    tally[OSM_MAXSPEED_IMPLICIT] += street->limit == PROFILE_IMPLICIT;
    tally[OSM_MAXSPEED_VARIABLE] +=
        street->limit == PROFILE_VARIABLE && way[0].kmh <= 0 && way[1].kmh <= 0;
}

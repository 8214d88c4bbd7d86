/* The text that profiles come from: sections, found here, and settings, which
 * the programs' common reader takes. */
#include "config.h"
#include "profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct profile, field)
#define LIMIT(key, field, initial, most, help)                         \
    {                                                                  \
        "", key, CONFIG_LIMIT, AT(field), initial, 0, most, NULL, help \
    }
#define SECONDS_MAX 3600
#define KMH_MAX 250
/* A speed of 0 would never end; the slowest is a walk's tenth. */
#define KMH(key, field, initial, help)                                      \
    {                                                                       \
        "", key, CONFIG_LIMIT, AT(field), initial, 0.5, KMH_MAX, NULL, help \
    }
#define SECONDS(key, field, initial, help)                                   \
    {                                                                        \
        "", key, CONFIG_REAL, AT(field), initial, 0, SECONDS_MAX, NULL, help \
    }

#define CLASS_KMH(name, initial) \
    KMH("kmh_" #name, kmh[PROFILE_CLASS_##name], initial, "km/h"),
#define CLASS_SHARE(name, initial)    \
    {"",                              \
     "share_" #name,                  \
     CONFIG_REAL,                     \
     AT(share[PROFILE_CLASS_##name]), \
     "0.8",                           \
     0.05,                            \
     5,                               \
     NULL,                            \
     "of a known limit"},
#define SURFACE(name, initial) \
    KMH("surface_" #name, surface_kmh[PROFILE_SURFACE_##name], initial, "km/h"),
#define SMOOTHNESS(name, initial)                                       \
    KMH("smoothness_" #name, smoothness_kmh[PROFILE_SMOOTHNESS_##name], \
        initial, "km/h"),
#define TRACKTYPE(name, initial)                                              \
    KMH("tracktype_" #name, tracktype_kmh[PROFILE_TRACKTYPE_##name], initial, \
        "km/h"),
#define BARRIER(name, initial)                                          \
    LIMIT("barrier_" #name, barrier_s[PROFILE_BARRIER_##name], initial, \
          SECONDS_MAX, "s"),

/* The patrol profile, which stands in profiles.ini with its sources. */
static const struct config_option keys[] = {
    {"", "emergency", CONFIG_BOOL, AT(is_emergency), "no", 0, 0, NULL, ""},
    {"", "closed", CONFIG_TEXT, AT(closed),
     "no private agricultural forestry emergency military psv bus taxi "
     "bicycle foot",
     0, 0, NULL, ""},
    KMH("closed_kmh", closed_kmh, "no", ""),
    KMH("against_oneway_kmh", against_oneway_kmh, "no", ""),
    KMH("bus_only_kmh", bus_only_kmh, "no", ""),
    {"", "kmh_max", CONFIG_REAL, AT(kmh_max), "130", 1, KMH_MAX, NULL, ""},
    PROFILE_CLASSES(CLASS_KMH) PROFILE_CLASSES(CLASS_SHARE)
        PROFILE_SURFACES(SURFACE) PROFILE_SMOOTHNESSES(SMOOTHNESS)
            PROFILE_TRACKTYPES(TRACKTYPE) PROFILE_BARRIERS(BARRIER) LIMIT(
                "barrier_closed", barrier_closed_s, "no", SECONDS_MAX, ""),
    LIMIT("barrier_locked", barrier_locked_s, "no", SECONDS_MAX, ""),
    SECONDS("turn_ahead", turn_s[PROFILE_AHEAD], "0", ""),
    SECONDS("turn_right", turn_s[PROFILE_RIGHT], "2.1", ""),
    SECONDS("turn_left", turn_s[PROFILE_LEFT], "5.4", ""),
    SECONDS("turn_sharp_right", turn_s[PROFILE_SHARP_RIGHT], "6.7", ""),
    SECONDS("turn_sharp_left", turn_s[PROFILE_SHARP_LEFT], "7.4", ""),
    LIMIT("turn_round_at_dead_end", turn_s[PROFILE_ROUND_AT_DEAD_END], "20",
          SECONDS_MAX, ""),
    LIMIT("turn_round_elsewhere", turn_s[PROFILE_ROUND_ELSEWHERE], "no",
          SECONDS_MAX, ""),
    LIMIT("turn_forbidden", turn_s[PROFILE_FORBIDDEN_TURN], "no", SECONDS_MAX,
          ""),
    SECONDS("no_control", control_s[PROFILE_NO_CONTROL], "0", ""),
    SECONDS("signals", control_s[PROFILE_SIGNALS], "2", ""),
    SECONDS("stop", control_s[PROFILE_STOP], "2", ""),
    SECONDS("give_way", control_s[PROFILE_GIVE_WAY], "1", ""),
    SECONDS("crossing", crossing_s, "0", ""),
    SECONDS("calming", calming_s, "0", ""),
    SECONDS("start", start_s, "64", ""),
};
#define KEY_COUNT (sizeof keys / sizeof *keys)

struct reader {
    const char *source;
    char *message;
    size_t message_size;
    struct profiles *profiles;
    struct config_option *options;
};

static enum pt_err say(struct reader *r, size_t line, const char *what)
{
    if (line > 0)
        snprintf(r->message, r->message_size, "%s:%zu: %s", r->source, line,
                 what);
    else
        snprintf(r->message, r->message_size, "%s: %s", r->source, what);
    return PT_E_CONFIG;
}

/* ------------------------------------------------------------- sections */
/* The name in a line that begins a section; NULL for other lines. */
static const char *section_name(const char *line, size_t *size)
{
    line += strspn(line, " \t");
    if (*line != '[')
        return NULL;
    *size = strcspn(line + 1, "]\r\n");
    return line + 1;
}

static bool is_name(const char *name, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return size > 0 && size <= PROFILE_NAME_MAX && *name >= 'a' &&
           *name <= 'z' && strspn(name, letters) >= size;
}

static enum pt_err add_profile(struct reader *r, const char *name, size_t size,
                               size_t line)
{
    struct profiles *profiles = r->profiles;
    if (!is_name(name, size))
        return say(r, line,
                   "expected a profile's name of small letters, "
                   "digits and _, at most 31");
    if (profiles->count == 0 &&
        (size != strlen("patrol") || memcmp(name, "patrol", size) != 0))
        return say(r, line, "expected [patrol] as the first profile");
    if (profiles->count == PROFILE_COUNT_MAX)
        return say(r, line, "expected at most 8 profiles");
    for (size_t i = 0; i < profiles->count; i++) {
        if (strlen(profiles->items[i].name) == size &&
            memcmp(profiles->items[i].name, name, size) == 0)
            return say(r, line, "this profile was there before");
    }
    memcpy(profiles->items[profiles->count++].name, name, size);
    return PT_OK;
}

/* Names the profiles and keeps each one's part of the text; what stands
 * before the first belongs to it. */
static enum pt_err find_sections(struct reader *r, const char *text)
{
    const char *begin = text;
    size_t line = 0;
    for (const char *at = text; *at != 0;) {
        size_t size = 0;
        const char *name = section_name(at, &size);
        line++;
        if (name != NULL) {
            size_t before = r->profiles->count;
            enum pt_err err = add_profile(r, name, size, line);
            if (err != PT_OK)
                return err;
            if (before > 0) {
                r->profiles->items[before - 1].text =
                    strndup(begin, (size_t)(at - begin));
                begin = at;
            }
        }
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    if (r->profiles->count == 0)
        return say(r, 0, "expected a profile, [patrol]");
    r->profiles->items[r->profiles->count - 1].text = strdup(begin);
    for (size_t i = 0; i < r->profiles->count; i++) {
        if (r->profiles->items[i].text == NULL)
            return PT_E_NOMEM;
    }
    return PT_OK;
}

/* ------------------------------------------------------------- settings */
/* The keys once a profile, each in that profile's section. */
static bool make_options(struct reader *r)
{
    size_t count = r->profiles->count;
    r->options = calloc(count * KEY_COUNT, sizeof *r->options);
    if (r->options == NULL)
        return false;
    for (size_t p = 0; p < count; p++) {
        for (size_t k = 0; k < KEY_COUNT; k++) {
            struct config_option *option = &r->options[p * KEY_COUNT + k];
            *option = keys[k];
            option->section = r->profiles->items[p].name;
            option->offset +=
                offsetof(struct profiles, items) + p * sizeof(struct profile);
        }
    }
    return true;
}

static enum pt_err read_all(struct reader *r, const char *text)
{
    if (strlen(text) > PROFILE_TEXT_MAX)
        return say(r, 0, "expected at most 1 MiB");
    enum pt_err err = find_sections(r, text);
    if (err != PT_OK)
        return err;
    if (!make_options(r))
        return PT_E_NOMEM;
    return config_load_text(r->options, r->profiles->count * KEY_COUNT, text,
                            r->source, r->profiles, r->message,
                            r->message_size);
}

enum pt_err profiles_parse(const char *text, const char *source,
                           struct profiles **ret, char *message,
                           size_t message_size)
{
    struct reader r = {
        .source = source, .message = message, .message_size = message_size};
    enum pt_err err = PT_E_NOMEM;
    r.profiles = calloc(1, sizeof *r.profiles);
    if (r.profiles != NULL)
        err = read_all(&r, text);
    if (err == PT_E_NOMEM)
        snprintf(message, message_size, "%s: %s", source, pt_strerror(err));
    free(r.options);
    if (err == PT_OK)
        *ret = r.profiles;
    else
        profiles_free(r.profiles);
    return err;
}

void profiles_free(struct profiles *profiles)
{
    if (profiles == NULL)
        return;
    for (size_t i = 0; i < profiles->count; i++) {
        free(profiles->items[i].closed);
        free(profiles->items[i].text);
    }
    free(profiles);
}

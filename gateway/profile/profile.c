#include "profile.h"
#include <math.h>
#include <string.h>

#define NAME(name, initial) #name,
static const char *const class_names[] = {PROFILE_CLASSES(NAME)};
static const char *const surface_names[] = {PROFILE_SURFACES(NAME)};
static const char *const smoothness_names[] = {PROFILE_SMOOTHNESSES(NAME)};
static const char *const tracktype_names[] = {PROFILE_TRACKTYPES(NAME)};
static const char *const barrier_names[] = {PROFILE_BARRIERS(NAME)};

/* The place of the `size` bytes among the names; `count` when they are not
 * one. */
static size_t find(const char *const *names, size_t count, const char *word,
                   size_t size)
{
    size_t i = 0;
    while (i < count &&
           (strlen(names[i]) != size || memcmp(names[i], word, size) != 0))
        i++;
    return i;
}

static bool is(const char *value, size_t size, const char *word)
{
    return value != NULL && strlen(word) == size &&
           memcmp(value, word, size) == 0;
}

/* One of `words`, which stand between blanks. */
static bool is_one_of(const char *value, size_t size, const char *words)
{
    while (*words != 0) {
        size_t word = strcspn(words, " ");
        if (word == size && memcmp(words, value, word) == 0)
            return true;
        words += word;
        words += strspn(words, " ");
    }
    return false;
}

const char *profile_class(const char *highway)
{
    size_t size = strlen(highway);
    if (is_one_of(highway, size, "path cycleway bridleway"))
        return class_names[PROFILE_CLASS_footway];
    size_t i = find(class_names, PROFILE_CLASS_COUNT, highway, size);
    return i < PROFILE_CLASS_COUNT ? class_names[i] : NULL;
}

const char *profile_word(const char *words, const char *key, size_t *size)
{
    size_t key_size = strlen(key);
    for (const char *at = words; at != NULL && *at != 0;) {
        size_t length = strcspn(at, " ");
        if (length > key_size && at[key_size] == '=' &&
            memcmp(at, key, key_size) == 0) {
            *size = length - key_size - 1;
            return at + key_size + 1;
        }
        at += length;
        at += strspn(at, " ");
    }
    return NULL;
}

/* ----------------------------------------------------------- who may enter */
enum entry { SILENT, OPEN, CLOSED };

/* The tag for that direction before the one for both. */
static const char *directed_word(const char *words, const char *key,
                                 bool forward, size_t *size)
{
    char own[40];
    size_t length = strlen(key);
    memcpy(own, key, length);
    strcpy(own + length, forward ? ":forward" : ":backward");
    const char *value = profile_word(words, own, size);
    return value != NULL ? value : profile_word(words, key, size);
}

static enum entry entry_of(const char *value, size_t size)
{
    return is_one_of(value, size,
                     "yes designated official permissive "
                     "destination")
               ? OPEN
               : CLOSED;
}

/* By the most specific tag for cars; a list ("no;delivery") is open when one
 * of its values is. */
static enum entry cars_entry(const struct profile *profile, const char *words,
                             bool forward)
{
    static const char *const keys[] = {"motorcar", "motor_vehicle", "vehicle",
                                       "access"};
    const char *value = NULL;
    size_t size = 0;
    if (words == NULL)
        return SILENT;
    for (size_t i = 0; value == NULL && i < sizeof keys / sizeof *keys; i++)
        value = directed_word(words, keys[i], forward, &size);
    if (value == NULL)
        return SILENT;
    for (const char *at = value; at < value + size; at++) {
        size_t length = strcspn(at, "; ");
        if (!is_one_of(at, length, profile->closed))
            return OPEN;
        at += length;
    }
    return CLOSED;
}

/* What the emergency tag says to those whom it is for. */
static enum entry emergency_entry(const struct profile *profile,
                                  const char *words, bool forward)
{
    size_t size = 0;
    const char *value = profile->is_emergency && words != NULL
                            ? directed_word(words, "emergency", forward, &size)
                            : NULL;
    return value == NULL ? SILENT : entry_of(value, size);
}

static bool open_to_buses(const struct profile_facts *facts, bool forward)
{
    static const char *const keys[] = {"bus", "psv"};
    static const char *const car_keys[] = {"motorcar", "motor_vehicle",
                                           "vehicle", "access"};
    size_t size = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value =
            directed_word(facts->access, keys[i], forward, &size);
        if (value != NULL)
            return entry_of(value, size) == OPEN;
    }
    /* "motor_vehicle=psv" closes it to cars by naming whom it is for. */
    for (size_t i = 0; i < sizeof car_keys / sizeof *car_keys; i++) {
        const char *value =
            directed_word(facts->access, car_keys[i], forward, &size);
        if (value != NULL)
            return is(value, size, "psv") || is(value, size, "bus");
    }
    return is(facts->highway, strlen(facts->highway), "busway");
}

/* A speed below 0 is none. */
static double lower(double kmh, double cap_kmh)
{
    return cap_kmh < 0 || kmh < 0 ? -1 : fmin(kmh, cap_kmh);
}

/* The speed that may be driven there, as far as access has a say. */
static double enter(const struct profile *profile,
                    const struct profile_facts *facts, bool forward, double kmh)
{
    enum entry entry = emergency_entry(profile, facts->access, forward);
    if (entry == OPEN)
        return kmh;
    if (entry == CLOSED)
        return -1;
    entry = cars_entry(profile, facts->access, forward);
    size_t service = facts->service != NULL ? strlen(facts->service) : 0;
    if (entry == SILENT && is(facts->service, service, "emergency_access"))
        return profile->is_emergency ? kmh : lower(kmh, profile->closed_kmh);
    if (entry != CLOSED)
        return kmh;
    if (open_to_buses(facts, forward) && profile->bus_only_kmh >= 0)
        return lower(kmh, profile->bus_only_kmh);
    return lower(kmh, profile->closed_kmh);
}

/* -------------------------------------------------------------- which way */
/* Against the traffic of a roundabout or a motorway nobody goes, whatever
 * the light on the roof. */
static bool never_against(const struct profile_facts *facts)
{
    return facts->roundabout ||
           is_one_of(facts->highway, strlen(facts->highway),
                     "motorway motorway_link");
}

static double go_that_way(const struct profile *profile,
                          const struct profile_facts *facts, bool forward,
                          double kmh)
{
    if (facts->oneway == PROFILE_BOTH_WAYS ||
        facts->oneway == (forward ? PROFILE_FORWARD : PROFILE_BACKWARD))
        return kmh;
    size_t size = strlen("emergency");
    const char *except = facts->oneway_except;
    if (except != NULL && profile->is_emergency &&
        is_one_of("emergency", size, except))
        return kmh;
    if (except != NULL && profile->bus_only_kmh >= 0 &&
        is_one_of("bus", strlen("bus"), except))
        return lower(kmh, profile->bus_only_kmh);
    return never_against(facts) ? -1 : lower(kmh, profile->against_oneway_kmh);
}

/* --------------------------------------------------------------- how fast */
static double by_name(const char *const *names, const double *caps,
                      size_t count, const char *value, double kmh)
{
    if (value == NULL)
        return kmh;
    size_t i = find(names, count, value, strlen(value));
    return i < count ? lower(kmh, caps[i]) : kmh;
}

static double on_surface(const struct profile *profile,
                         const struct profile_facts *facts, double kmh)
{
    kmh = by_name(surface_names, profile->surface_kmh, PROFILE_SURFACE_COUNT,
                  facts->surface, kmh);
    kmh = by_name(smoothness_names, profile->smoothness_kmh,
                  PROFILE_SMOOTHNESS_COUNT, facts->smoothness, kmh);
    return by_name(tracktype_names, profile->tracktype_kmh,
                   PROFILE_TRACKTYPE_COUNT, facts->tracktype, kmh);
}

/* A limit that a sign tells says more than the class; one that the law
 * implies holds on streets without the tag as well, so it only lowers. */
static double class_kmh(const struct profile *profile,
                        const struct profile_facts *facts, bool forward)
{
    const char *name = profile_class(facts->highway);
    if (name == NULL)
        return -1;
    size_t i = find(class_names, PROFILE_CLASS_COUNT, name, strlen(name));
    double kmh = profile->kmh[i];
    double limit_kmh = facts->limit_kmh[forward ? 0 : 1];
    if (kmh < 0 || limit_kmh <= 0)
        return kmh;
    double own_kmh = limit_kmh * profile->share[i];
    if (facts->limit == PROFILE_IMPLICIT)
        return fmin(kmh, own_kmh);
    return fmin(own_kmh, profile->kmh_max);
}

/* ---------------------------------------------------------------- barriers */
/* Seconds that the barrier takes; below 0 when it is not passed. */
static double barrier_s(const struct profile *profile, const char *barrier,
                        bool forward)
{
    if (barrier == NULL)
        return 0;
    size_t size = 0;
    const char *locked = profile_word(barrier, "locked", &size);
    enum entry entry = emergency_entry(profile, barrier, forward);
    if (entry == CLOSED)
        return -1;
    if (entry == SILENT && is(locked, size, "yes"))
        return profile->barrier_locked_s;
    if (entry == SILENT)
        entry = cars_entry(profile, barrier, forward);
    if (entry == CLOSED)
        return profile->barrier_closed_s;
    size_t kind = find(barrier_names, PROFILE_BARRIER_COUNT, barrier,
                       strcspn(barrier, " "));
    double seconds =
        profile
            ->barrier_s[kind < PROFILE_BARRIER_COUNT ? kind
                                                     : PROFILE_BARRIER_other];
    return entry == OPEN ? fmax(seconds, 0) : seconds;
}

static double controls_s(const struct profile *profile,
                         const struct profile_facts *facts, bool forward)
{
    size_t way = forward ? 0 : 1;
    const double *control_s = profile->control_s;
    return facts->signals[way] * control_s[PROFILE_SIGNALS] +
           facts->stops[way] * control_s[PROFILE_STOP] +
           facts->give_ways[way] * control_s[PROFILE_GIVE_WAY] +
           facts->crossings * profile->crossing_s +
           facts->calmings * profile->calming_s;
}

static uint32_t refuse(enum profile_why *why, enum profile_why reason)
{
    if (why != NULL)
        *why = reason;
    return 0;
}

uint32_t profile_edge_ms(const struct profile *profile,
                         const struct profile_facts *facts, bool forward,
                         enum profile_why *why)
{
    double kmh = class_kmh(profile, facts, forward);
    if (kmh < 0)
        return refuse(why, PROFILE_NOT_CLASS);
    kmh = on_surface(profile, facts, kmh);
    if (kmh < 0)
        return refuse(why, PROFILE_NOT_SURFACE);
    kmh = enter(profile, facts, forward, kmh);
    if (kmh < 0)
        return refuse(why, PROFILE_NOT_ACCESS);
    kmh = go_that_way(profile, facts, forward, kmh);
    if (kmh < 0)
        return refuse(why, PROFILE_NOT_THAT_WAY);
    double waits_s = barrier_s(profile, facts->barrier, forward);
    if (waits_s < 0)
        return refuse(why, PROFILE_NOT_BARRIER);
    waits_s += controls_s(profile, facts, forward);
    if (why != NULL)
        *why = PROFILE_DRIVEN;
    double ms = round(facts->length_m * 3600.0 / kmh + waits_s * 1000.0);
    return ms < 1 ? 1 : ms > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)ms;
}

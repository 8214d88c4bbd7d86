#ifndef PROFILE_H
#define PROFILE_H
/* profile: who drives, and by which rules: judges what the map says about a
 * piece of street. Knows no file of the map and no database; any thread.
 *
 * Profiles come from one text of sections, the first [patrol]
 * (deploy/config/profiles.ini: every setting, and where its value is from);
 * what a section leaves out is as in the patrol profile that is built in. */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_COUNT_MAX 8
#define PROFILE_NAME_MAX 31
#define PROFILE_TEXT_MAX ((size_t)1 << 20)

/* The highway tag's values that anybody may drive, with the patrol profile's
 * speed where no limit is known ("no": not at all). */
#define PROFILE_CLASSES(X)  \
    X(motorway, "90")       \
    X(motorway_link, "45")  \
    X(trunk, "85")          \
    X(trunk_link, "40")     \
    X(primary, "65")        \
    X(primary_link, "30")   \
    X(secondary, "55")      \
    X(secondary_link, "25") \
    X(tertiary, "40")       \
    X(tertiary_link, "20")  \
    X(unclassified, "25")   \
    X(residential, "25")    \
    X(living_street, "10")  \
    X(service, "15")        \
    X(road, "25")           \
    X(pedestrian, "no")     \
    X(busway, "no")         \
    X(track, "no")          \
    X(footway, "no")

#define PROFILE_SURFACES(X)     \
    X(cement, "80")             \
    X(compacted, "80")          \
    X(fine_gravel, "80")        \
    X(paving_stones, "60")      \
    X(metal, "60")              \
    X(bricks, "60")             \
    X(grass, "40")              \
    X(wood, "40")               \
    X(sett, "40")               \
    X(grass_paver, "40")        \
    X(gravel, "40")             \
    X(unpaved, "40")            \
    X(ground, "40")             \
    X(dirt, "40")               \
    X(pebblestone, "40")        \
    X(cobblestone, "30")        \
    X(unhewn_cobblestone, "30") \
    X(clay, "30")               \
    X(earth, "20")              \
    X(stone, "20")              \
    X(rock, "20")               \
    X(sand, "20")               \
    X(mud, "10")

#define PROFILE_SMOOTHNESSES(X) \
    X(intermediate, "80")       \
    X(bad, "40")                \
    X(very_bad, "20")           \
    X(horrible, "10")           \
    X(very_horrible, "5")

#define PROFILE_TRACKTYPES(X) \
    X(grade1, "60")           \
    X(grade2, "40")           \
    X(grade3, "30")           \
    X(grade4, "25")           \
    X(grade5, "20")

/* Barriers by kind, and the seconds that passing one takes. "other" is any
 * kind that is not listed. */
#define PROFILE_BARRIERS(X) \
    X(gate, "30")           \
    X(lift_gate, "30")      \
    X(swing_gate, "30")     \
    X(sliding_gate, "30")   \
    X(chain, "no")          \
    X(sally_port, "30")     \
    X(rising_bollard, "30") \
    X(toll_booth, "15")     \
    X(border_control, "60") \
    X(checkpoint, "60")     \
    X(bollard, "no")        \
    X(bus_trap, "no")       \
    X(other, "no")

#define PROFILE_ENUM(group, name) PROFILE_##group##_##name
#define PROFILE_CLASS_ENUM(name, initial) PROFILE_ENUM(CLASS, name),
#define PROFILE_SURFACE_ENUM(name, initial) PROFILE_ENUM(SURFACE, name),
#define PROFILE_SMOOTHNESS_ENUM(name, initial) PROFILE_ENUM(SMOOTHNESS, name),
#define PROFILE_TRACKTYPE_ENUM(name, initial) PROFILE_ENUM(TRACKTYPE, name),
#define PROFILE_BARRIER_ENUM(name, initial) PROFILE_ENUM(BARRIER, name),
enum { PROFILE_CLASSES(PROFILE_CLASS_ENUM) PROFILE_CLASS_COUNT };
enum { PROFILE_SURFACES(PROFILE_SURFACE_ENUM) PROFILE_SURFACE_COUNT };
enum { PROFILE_SMOOTHNESSES(PROFILE_SMOOTHNESS_ENUM) PROFILE_SMOOTHNESS_COUNT };
enum { PROFILE_TRACKTYPES(PROFILE_TRACKTYPE_ENUM) PROFILE_TRACKTYPE_COUNT };
enum { PROFILE_BARRIERS(PROFILE_BARRIER_ENUM) PROFILE_BARRIER_COUNT };

/* In the order of road_profile.turn_ms and control_ms. */
enum profile_turn {
    PROFILE_AHEAD,
    PROFILE_RIGHT,
    PROFILE_LEFT,
    PROFILE_SHARP_RIGHT,
    PROFILE_SHARP_LEFT,
    PROFILE_ROUND_AT_DEAD_END,
    PROFILE_ROUND_ELSEWHERE,
    PROFILE_FORBIDDEN_TURN,
    PROFILE_TURN_COUNT
};
enum profile_control {
    PROFILE_NO_CONTROL,
    PROFILE_SIGNALS,
    PROFILE_STOP,
    PROFILE_GIVE_WAY,
    PROFILE_CONTROL_COUNT
};

/* A number below 0 is "no": never, or for surface, smoothness and tracktype
 * no road at all. */
struct profile {
    char name[PROFILE_NAME_MAX + 1];
    bool is_emergency;
    char *closed; /* values of access tags, between blanks */
    double closed_kmh, against_oneway_kmh, bus_only_kmh;
    double kmh_max;
    double kmh[PROFILE_CLASS_COUNT];
    double share[PROFILE_CLASS_COUNT]; /* of a known limit */
    double surface_kmh[PROFILE_SURFACE_COUNT];
    double smoothness_kmh[PROFILE_SMOOTHNESS_COUNT];
    double tracktype_kmh[PROFILE_TRACKTYPE_COUNT];
    double barrier_s[PROFILE_BARRIER_COUNT];
    double barrier_closed_s, barrier_locked_s;
    double turn_s[PROFILE_TURN_COUNT];
    double control_s[PROFILE_CONTROL_COUNT];
    double crossing_s, calming_s;
    double start_s; /* of a drive, whatever its length */
    char *text; /* its part of the file; all of them in a row are the file */
};

struct profiles {
    size_t count; /* at least 1 */
    struct profile items[PROFILE_COUNT_MAX];
};

/* `source` is what messages call the text: "FILE:LINE: ..." tells what is
 * wrong. PT_E_CONFIG, PT_E_NOMEM. The caller gives `ret` to
 * profiles_free(). */
PT_MUST_CHECK enum pt_err profiles_parse(const char *text, const char *source,
                                         struct profiles **ret, char *message,
                                         size_t message_size);
void profiles_free(struct profiles *profiles); /* NULL is fine */

/* deploy/config/profiles.ini as it was when this was built. */
extern const char profiles_built_in[];

/* Keeps its own turn restrictions. */
static inline bool profile_keeps_turns(const struct profile *profile)
{
    return profile->turn_s[PROFILE_FORBIDDEN_TURN] < 0;
}

/* ------------------------------------------------------------- judging */
enum profile_oneway {
    PROFILE_BOTH_WAYS,
    PROFILE_FORWARD,
    PROFILE_BACKWARD,
    PROFILE_REVERSIBLE,
    PROFILE_ALTERNATING
};

enum profile_limit {
    PROFILE_LIMIT_UNKNOWN,
    PROFILE_POSTED,
    PROFILE_IMPLICIT, /* the law's, where no sign stands */
    PROFILE_WALK,
    PROFILE_NO_LIMIT,
    PROFILE_VARIABLE
};

/* Index 0 is forward, from the edge's source to its target; 1 backward. */
#define PROFILE_DIRECTIONS 2

/* What the map says about an edge: the columns of road_edge, where each is
 * described. Texts are borrowed, NULL when not tagged. */
struct profile_facts {
    const char *highway;
    const char *surface, *smoothness, *tracktype, *service;
    const char *access; /* "key=value" between blanks */
    const char *barrier;
    const char *oneway_except;
    enum profile_oneway oneway;
    enum profile_limit limit;
    double limit_kmh[PROFILE_DIRECTIONS]; /* 0: not known */
    unsigned signals[PROFILE_DIRECTIONS];
    unsigned stops[PROFILE_DIRECTIONS];
    unsigned give_ways[PROFILE_DIRECTIONS];
    unsigned crossings, calmings;
    bool roundabout;
    double length_m;
};

enum profile_why { /* an edge is not driven */
                   PROFILE_DRIVEN,
                   PROFILE_NOT_CLASS,
                   PROFILE_NOT_SURFACE,
                   PROFILE_NOT_ACCESS,
                   PROFILE_NOT_BARRIER,
                   PROFILE_NOT_THAT_WAY,
                   PROFILE_WHY_COUNT
};

/* Milliseconds from end to end, 1 to INT32_MAX; 0 when it is not driven that
 * way. `why` may be NULL. */
uint32_t profile_edge_ms(const struct profile *profile,
                         const struct profile_facts *facts, bool forward,
                         enum profile_why *why);

/* The class that a highway value is judged as (path, cycleway and bridleway
 * as footway); NULL when nobody may drive it whatever else is tagged. */
const char *profile_class(const char *highway);

/* The value of a "key=value" word in a facts' access or barrier; its length
 * in `size`. NULL when it is not there. */
const char *profile_word(const char *words, const char *key, size_t *size);

#endif

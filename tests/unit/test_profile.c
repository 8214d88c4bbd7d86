/* What profiles make of the map's facts. Streets are 1 km long, so that the
 * time at v km/h is 3600 / v seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"
#include "profile.h"

#define AT_KMH(kmh) ((uint32_t)(3600000.0 / (kmh) + 0.5))

static struct profiles *profiles; /* those that are built in */
static char message[256];

static const struct profile *patrol(void)
{
    return &profiles->items[0];
}

static const struct profile *emergency(void)
{
    return &profiles->items[1];
}

static struct profile_facts street(void)
{
    return (struct profile_facts){.highway = "residential", .length_m = 1000};
}

static uint32_t ms(const struct profile *profile,
                   const struct profile_facts *facts)
{
    return profile_edge_ms(profile, facts, true, NULL);
}

static enum profile_why why(const struct profile *profile,
                            const struct profile_facts *facts, bool forward)
{
    enum profile_why reason = PROFILE_WHY_COUNT;
    uint32_t time_ms = profile_edge_ms(profile, facts, forward, &reason);
    assert_int_equal(reason == PROFILE_DRIVEN, time_ms > 0);
    return reason;
}

static void assert_refused(const char *text, const char *expected)
{
    struct profiles *read = NULL;
    assert_int_equal(
        profiles_parse(text, "p.ini", &read, message, sizeof message),
        PT_E_CONFIG);
    assert_null(read);
    assert_string_equal(message, expected);
}

/* ------------------------------------------------------------------ text */
static char *whole_file(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    assert_true(size > 1000 && size < sizeof text - 1);
    fclose(file);
    text[size] = 0;
    return text;
}

static void the_file_that_is_installed_is_built_in(void **state)
{
    (void)state;
    const char *text = whole_file(PROFILES_INI);
    assert_string_equal(profiles_built_in, text);
    assert_int_equal(profiles->count, 2);
    assert_string_equal(patrol()->name, "patrol");
    assert_string_equal(emergency()->name, "emergency");
    assert_true(profile_keeps_turns(patrol()));
    assert_false(profile_keeps_turns(emergency()));
    assert_false(patrol()->is_emergency);
    assert_true(emergency()->is_emergency);
    /* each keeps its own part, and all of them are the file */
    size_t first = strlen(patrol()->text);
    assert_int_equal(strncmp(text, patrol()->text, first), 0);
    assert_string_equal(text + first, emergency()->text);
    assert_int_equal(strncmp(emergency()->text, "[emergency]\n", 12), 0);
}

/* What the file says of patrol is what a file says that says nothing. */
static void what_is_left_out_is_as_for_patrol(void **state)
{
    (void)state;
    struct profiles *bare = NULL;
    assert_int_equal(profiles_parse("[patrol]\n[van]\nkmh_max = 80", "p.ini",
                                    &bare, message, sizeof message),
                     PT_OK);
    assert_string_equal(bare->items[0].closed, patrol()->closed);
    for (size_t p = 0; p < 2; p++) {
        struct profile ours = bare->items[p];
        struct profile theirs = *patrol();
        ours.closed = ours.text = theirs.closed = theirs.text = NULL;
        if (p == 1) {
            assert_string_equal(ours.name, "van");
            assert_true(ours.kmh_max == 80);
            ours.kmh_max = theirs.kmh_max;
            memcpy(ours.name, theirs.name, sizeof ours.name);
        }
        assert_memory_equal(&ours, &theirs, sizeof ours);
    }
    profiles_free(bare);
}

static void says_where_it_is_wrong(void **state)
{
    (void)state;
    assert_refused("", "p.ini: expected a profile, [patrol]");
    assert_refused("kmh_max = 5\n", "p.ini: expected a profile, [patrol]");
    assert_refused("[emergency]\n",
                   "p.ini:1: expected [patrol] as the first profile");
    assert_refused("; x\n[patrols]\n",
                   "p.ini:2: expected [patrol] as the first profile");
    assert_refused("[patrol]\n[Blue light]\n",
                   "p.ini:2: expected a profile's name of small letters, "
                   "digits and _, at most 31");
    assert_refused("[patrol]\n[a]\n\n[patrol]\n",
                   "p.ini:4: this profile was there before");
    assert_refused("[patrol]\n[a]\n[b]\n[c]\n[d]\n[e]\n[f]\n[g]\n[h]\n",
                   "p.ini:9: expected at most 8 profiles");
    assert_refused("[patrol]\nkmh_lane = 5\n",
                   "p.ini:2: [patrol] kmh_lane: no such setting");
    assert_refused("[patrol]\n[a]\nkmh_road = 0\n",
                   "p.ini:3: [a] kmh_road: expected a number of 0.5 to 250 or "
                   "no, not \"0\"");
    assert_refused("[patrol]\nturn_left = no\n",
                   "p.ini:2: [patrol] turn_left: expected a number of 0 to "
                   "3600, not \"no\"");
    assert_refused("[patrol]\nturn_forbidden = -1\n",
                   "p.ini:2: [patrol] turn_forbidden: expected a number of 0 "
                   "to 3600 or no, not \"-1\"");
    assert_refused("[patrol]\nsignals = 1\nsignals = 2\n",
                   "p.ini:3: [patrol] signals: given twice");
}

static void survives_any_allocation_that_fails(void **state)
{
    (void)state;
    struct profiles *read = NULL;
    enum pt_err err = PT_E_NOMEM;
    int tries = 0;
    for (; err != PT_OK; tries++) {
        fail_alloc_after((size_t)tries);
        err = profiles_parse("[patrol]\n[a]\nclosed = no\n", "p.ini", &read,
                             message, sizeof message);
        fail_alloc_never();
        if (err != PT_OK)
            assert_int_equal(err, PT_E_NOMEM);
    }
    assert_true(tries > 3);
    profiles_free(read);
}

/* ----------------------------------------------------------------- speeds */
static void speeds_by_class_and_limit(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    assert_int_equal(ms(patrol(), &facts), AT_KMH(25));
    facts.limit = PROFILE_POSTED;
    facts.limit_kmh[0] = 50;
    facts.limit_kmh[1] = 30;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(40)); /* 0.8 of it */
    assert_int_equal(profile_edge_ms(patrol(), &facts, false, NULL),
                     AT_KMH(24));
    facts.limit_kmh[0] = 200;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(130)); /* kmh_max */
    facts.limit_kmh[0] = 0;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(25));
    /* the law's limit holds on streets that do not say so, too */
    facts.limit = PROFILE_IMPLICIT;
    facts.limit_kmh[0] = 50;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(25));
    facts.limit_kmh[0] = 20;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(16));
}

static void speeds_by_surface(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    facts.highway = "primary"; /* 65 */
    facts.surface = "asphalt";
    assert_int_equal(ms(patrol(), &facts), AT_KMH(65));
    facts.surface = "sett";
    assert_int_equal(ms(patrol(), &facts), AT_KMH(40));
    facts.smoothness = "very_bad";
    assert_int_equal(ms(patrol(), &facts), AT_KMH(20));
    facts.surface = "mud";
    assert_int_equal(ms(patrol(), &facts), AT_KMH(10));
    facts = street();
    facts.highway = "track";
    assert_int_equal(why(patrol(), &facts, true), PROFILE_NOT_CLASS);
    facts.tracktype = "grade5";
    assert_int_equal(ms(emergency(), &facts), AT_KMH(20));
}

static void classes_that_are_not_driven(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    static const char *const emergency_only[] = {"pedestrian", "busway",
                                                 "track", "footway", "path"};
    for (size_t i = 0; i < 5; i++) {
        facts.highway = emergency_only[i];
        assert_int_equal(why(patrol(), &facts, true), PROFILE_NOT_CLASS);
        assert_int_equal(why(emergency(), &facts, true), PROFILE_DRIVEN);
    }
    facts.highway = "steps";
    assert_null(profile_class("steps"));
    assert_int_equal(why(emergency(), &facts, true), PROFILE_NOT_CLASS);
    assert_string_equal(profile_class("bridleway"), "footway");
}

/* ----------------------------------------------------------------- access */
static void assert_access(const char *words, bool patrols, double blue_kmh)
{
    struct profile_facts facts = street();
    facts.access = words;
    if ((why(patrol(), &facts, true) == PROFILE_DRIVEN) != patrols)
        fail_msg("%s: patrol", words);
    uint32_t time_ms = ms(emergency(), &facts);
    if (time_ms != (blue_kmh > 0 ? AT_KMH(blue_kmh) : 0))
        fail_msg("%s: emergency %u", words, time_ms);
}

/* Key:access of the wiki; 32 km/h is emergency's residential street. */
static void who_may_enter(void **state)
{
    (void)state;
    const double normal = 32, closed = 15;
    assert_access(NULL, true, normal);
    assert_access("access=yes", true, normal);
    assert_access("access=destination", true, normal);
    assert_access("access=no", false, closed);
    assert_access("access=private", false, closed);
    assert_access("access=no motor_vehicle=yes", true, normal);
    assert_access("vehicle=yes motorcar=private", false, closed);
    assert_access("motor_vehicle=agricultural;forestry", false, closed);
    assert_access("motor_vehicle=no;delivery", true, normal);
    assert_access("access=no emergency=yes", false, normal);
    assert_access("access=private emergency=designated", false, normal);
    assert_access("access=emergency", false, normal);
    assert_access("emergency=no", true, 0);
    assert_access("motor_vehicle:forward=no", false, closed);
    assert_access("motor_vehicle:backward=no", true, normal);
    assert_access("access=no motor_vehicle:forward=yes", true, normal);
    /* a street for buses: 50 km/h is no cap on 32 */
    assert_access("motor_vehicle=no bus=yes", false, normal);
    assert_access("motor_vehicle=psv", false, normal);
    assert_access("access=no psv=no", false, closed);
    struct profile_facts facts = street();
    facts.service = "emergency_access";
    assert_int_equal(why(patrol(), &facts, true), PROFILE_NOT_ACCESS);
    assert_int_equal(ms(emergency(), &facts), AT_KMH(32));
}

/* -------------------------------------------------------------- direction */
static void which_way(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    facts.oneway = PROFILE_FORWARD;
    assert_int_equal(why(patrol(), &facts, true), PROFILE_DRIVEN);
    assert_int_equal(why(patrol(), &facts, false), PROFILE_NOT_THAT_WAY);
    assert_int_equal(profile_edge_ms(emergency(), &facts, false, NULL),
                     AT_KMH(20));
    facts.oneway_except = "bus";
    assert_int_equal(why(patrol(), &facts, false), PROFILE_NOT_THAT_WAY);
    assert_int_equal(profile_edge_ms(emergency(), &facts, false, NULL),
                     AT_KMH(32));
    facts.oneway_except = "emergency";
    assert_int_equal(profile_edge_ms(emergency(), &facts, false, NULL),
                     AT_KMH(32));
    facts = street();
    facts.oneway = PROFILE_BACKWARD;
    assert_int_equal(why(patrol(), &facts, true), PROFILE_NOT_THAT_WAY);
    assert_int_equal(why(patrol(), &facts, false), PROFILE_DRIVEN);
    facts.oneway = PROFILE_REVERSIBLE;
    assert_int_equal(why(patrol(), &facts, true), PROFILE_NOT_THAT_WAY);
    assert_int_equal(why(patrol(), &facts, false), PROFILE_NOT_THAT_WAY);
    assert_int_equal(ms(emergency(), &facts), AT_KMH(20));
    /* never against the traffic of a roundabout or a motorway */
    facts.oneway = PROFILE_FORWARD;
    facts.roundabout = true;
    assert_int_equal(why(emergency(), &facts, false), PROFILE_NOT_THAT_WAY);
    facts.roundabout = false;
    facts.highway = "motorway_link";
    assert_int_equal(why(emergency(), &facts, false), PROFILE_NOT_THAT_WAY);
}

/* --------------------------------------------------------------- barriers */
static void assert_barrier(const char *words, long patrol_s, long blue_s)
{
    struct profile_facts facts = street();
    facts.barrier = words;
    facts.length_m = 0;
    const long expected[] = {patrol_s, blue_s};
    for (size_t p = 0; p < 2; p++) {
        uint32_t time_ms = ms(&profiles->items[p], &facts);
        uint32_t wanted = expected[p] < 0    ? 0
                          : expected[p] == 0 ? 1
                                             : (uint32_t)expected[p] * 1000;
        if (time_ms != wanted)
            fail_msg("%s: %s takes %u ms", words, profiles->items[p].name,
                     time_ms);
    }
}

static void barriers(void **state)
{
    (void)state;
    assert_barrier("gate", 30, 30);
    assert_barrier("bollard", -1, -1);
    assert_barrier("rising_bollard", 30, 30);
    assert_barrier("log", -1, -1);
    assert_barrier("toll_booth", 15, 15);
    assert_barrier("gate access=private", -1, 30);
    assert_barrier("gate access=private motorcar=yes", 30, 30);
    assert_barrier("gate locked=yes", -1, -1);
    assert_barrier("gate locked=no", 30, 30);
    assert_barrier("bollard motor_vehicle=yes", 0, 0);
    assert_barrier("bollard emergency=yes", -1, 0);
    assert_barrier("gate locked=yes emergency=yes", -1, 30);
    assert_barrier("gate emergency=no", 30, -1);
}

static void signs_on_the_way(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    facts.signals[0] = 2;
    facts.stops[1] = 1;
    facts.give_ways[0] = 1;
    facts.crossings = 3;
    assert_int_equal(ms(patrol(), &facts), AT_KMH(25) + 2 * 2000 + 1000);
    assert_int_equal(profile_edge_ms(patrol(), &facts, false, NULL),
                     AT_KMH(25) + 2000);
    assert_int_equal(ms(emergency(), &facts), AT_KMH(32) + 2 * 2200 + 1000);
}

static void times_fit_their_column(void **state)
{
    (void)state;
    struct profile_facts facts = street();
    facts.length_m = 0;
    assert_int_equal(ms(patrol(), &facts), 1);
    facts.length_m = 1e12;
    assert_int_equal(ms(patrol(), &facts), INT32_MAX);
}

static int setup(void **state)
{
    (void)state;
    return profiles_parse(profiles_built_in, "profiles.ini", &profiles, message,
                          sizeof message) != PT_OK;
}

static int teardown(void **state)
{
    (void)state;
    profiles_free(profiles);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_that_is_installed_is_built_in),
        cmocka_unit_test(what_is_left_out_is_as_for_patrol),
        cmocka_unit_test(says_where_it_is_wrong),
        cmocka_unit_test(survives_any_allocation_that_fails),
        cmocka_unit_test(speeds_by_class_and_limit),
        cmocka_unit_test(speeds_by_surface),
        cmocka_unit_test(classes_that_are_not_driven),
        cmocka_unit_test(who_may_enter),
        cmocka_unit_test(which_way),
        cmocka_unit_test(barriers),
        cmocka_unit_test(signs_on_the_way),
        cmocka_unit_test(times_fit_their_column),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* The catalog in memory: names as people type them, who a device is when,
 * points in zones. Reading it from PostgreSQL: tests/integration. */
#include "catalog_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_fold(const char *text, const char *expected)
{
    char out[256];

    catalog_fold(text, out, sizeof out);
    assert_string_equal(out, expected);
}

static void accents_and_case_are_folded(void **state)
{
    (void)state;
    check_fold("Embajada de Canadá", "embajada de canada");
    check_fold("ÁÉÍÓÚÜÑ áéíóúüñ", "aeiouun aeiouun");
    check_fold("ÇÃÕÂÊÔÀ çãõâêôà", "caoaeoa caoaeoa");
    check_fold("Œuvre Æsir Straße Þór Łódź Øre", "oeuvre aesir strasse thor "
                                                 "lodz ore");
    check_fold("Türkiye İstanbul ığdır", "turkiye istanbul igdir");
    check_fold("Česko Österreich Ísland", "cesko osterreich island");
    check_fold("România București", "romania bucuresti");
    check_fold("1.ª Avenida 2.º", "1 a avenida 2 o");
    /* the same word decomposed (U+0061 U+0301) */
    check_fold("Canada\xcc\x81", "canada");
}

/* python3 -c "import unicodedata as u; print(''.join(chr(c) for c in
 * range(0xc0, 0x180) if u.normalize('NFD', chr(c))[0].lower() == 'e'))" */
static void a_whole_letter_of_the_table(void **state)
{
    (void)state;
    check_fold("ÈÉÊËèéêëĒēĔĕĖėĘęĚě", "eeeeeeeeeeeeeeeeee");
}

static void what_is_no_letter_parts_words_once(void **state)
{
    (void)state;
    check_fold("  Côte  d'Ivoire -- (residence) ", "cote d ivoire residence");
    check_fold("Côte d\xe2\x80\x99Ivoire", "cote d ivoire"); /* U+2019 */
    check_fold("a\xc3\x97"
               "b",
               "a b"); /* multiplication sign */
    check_fold("", "");
    check_fold(" -/- ", "");
}

static void other_scripts_stay(void **state)
{
    (void)state;
    check_fold("中国 使馆", "中国 使馆");
}

static void broken_bytes_part_words(void **state)
{
    (void)state;
    check_fold("a\xff"
               "b",
               "a b");
    check_fold("a\xc3", "a");
    check_fold("a\xe2\x80", "a");
    check_fold("a\xc0\xaf"
               "b",
               "a b");
}

static void never_longer_than_its_room(void **state)
{
    char out[8];

    (void)state;
    for (size_t size = 0; size <= sizeof out; size++) {
        memset(out, 'x', sizeof out);
        catalog_fold("ß ab", out, size);
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal(out[i], 'x');
        if (size > 0)
            assert_non_null(memchr(out, '\0', size));
    }
    catalog_fold("ß ab", out, 4); /* "ss a" would need 5 */
    assert_string_equal(out, "ss");
}

/* ---- a catalog */

static void add_zone(struct catalog *catalog, uint32_t id, const char *name,
                     const struct geo_point *points, const uint32_t *starts,
                     uint32_t rings, double area_m2)
{
    const struct catalog_zone zone = {.zone_id = id,
                                      .name = (char *)name,
                                      .promise_s = 300,
                                      .time_zone = (char *)"America/Havana",
                                      .geojson = (char *)"{}",
                                      .points = (struct geo_point *)points,
                                      .ring_start = (uint32_t *)starts,
                                      .ring_count = rings};

    assert_int_equal(catalog_add_zone(catalog, &zone, area_m2), PT_OK);
}

/* A square of 10 with a hole of 2..4, beside it a second square; and a small
 * one inside the first. */
static void add_zones(struct catalog *catalog)
{
    static const struct geo_point big[] = {
        {0, 0},  {0, 10}, {10, 10}, {10, 0}, {0, 0}, /* outer ring */
        {2, 2},  {4, 2},  {4, 4},   {2, 4},  {2, 2}, /* hole */
        {0, 20}, {0, 30}, {10, 30}, {0, 20},         /* a triangle apart */
    };
    static const uint32_t big_starts[] = {0, 5, 10, 14};
    static const struct geo_point small[] = {
        {6, 6}, {6, 8}, {8, 8}, {8, 6}, {6, 6}};
    static const uint32_t small_starts[] = {0, 5};

    add_zone(catalog, 1, "Vedado", big, big_starts, 3, 146);
    add_zone(catalog, 2, "Playa", small, small_starts, 1, 4);
}

static const struct {
    uint32_t id;
    const char *name;
    struct geo_point at;
    uint32_t zone_id;
} missions[] = {
    {1, "Embassy of Canada", {1, 1}, CATALOG_NO_ZONE},
    {2, "Embajada de España", {7, 7}, CATALOG_NO_ZONE},
    {3, "Embassy of Niger", {3, 3}, CATALOG_NO_ZONE}, /* in the hole */
    {4, "Embassy of Nigeria", {50, 50}, 2},
    {5, "Guinea", {1, 1}, CATALOG_NO_ZONE},
    {6, "Equatorial Guinea", {1, 1}, CATALOG_NO_ZONE},
    {7, "Guinea-Bissau", {1, 1}, CATALOG_NO_ZONE},
    {40, "Mission 4", {1, 1}, CATALOG_NO_ZONE},
};

static void add_missions(struct catalog *catalog)
{
    for (size_t i = 0; i < sizeof missions / sizeof *missions; i++)
        assert_int_equal(
            catalog_add_mission(catalog, missions[i].id, NULL, missions[i].name,
                                "embassy", missions[i].at, missions[i].zone_id),
            PT_OK);
}

static int setup(void **state)
{
    static const char *const skills[] = {"armed", "medic"};
    static const struct catalog_period periods[] = {
        {.unit_id = 9, .device_id = 5, .from_ms = 2000, .to_ms = INT64_MAX},
        {.unit_id = 7, .device_id = 5, .from_ms = 1000, .to_ms = 2000},
        {.unit_id = 9, .device_id = 6, .from_ms = INT64_MIN, .to_ms = 1500},
        {.unit_id = 9, .device_id = 4, .from_ms = 3000, .to_ms = 4000},
    };
    struct catalog *c;

    assert_int_equal(catalog_new(&c), PT_OK);
    assert_int_equal(
        catalog_reserve(c, &(struct catalog_counts){.units = 2,
                                                    .devices = 3,
                                                    .periods = 4,
                                                    .zones = 2,
                                                    .missions = 8}),
        PT_OK);
    assert_int_equal(catalog_add_unit(c, 9, "P-2", "car", skills, 2), PT_OK);
    assert_int_equal(catalog_add_unit(c, 7, "P-1", "foot", NULL, 0), PT_OK);
    assert_int_equal(catalog_add_device(c, 6, "alpha"), PT_OK);
    assert_int_equal(catalog_add_device(c, 4, "charlie"), PT_OK);
    assert_int_equal(catalog_add_device(c, 5, "bravo"), PT_OK);
    for (size_t i = 0; i < 4; i++)
        catalog_add_period(c, &periods[i]);
    add_zones(c);
    add_missions(c);
    catalog_finish(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    catalog_free(*state);
    return 0;
}

static void units_are_found(void **state)
{
    const struct catalog *c = *state;

    assert_int_equal(catalog_unit_count(c), 2);
    assert_string_equal(catalog_unit(c, 0)->call_sign, "P-1");
    assert_string_equal(catalog_unit(c, 1)->call_sign, "P-2");
    assert_string_equal(catalog_unit_by_id(c, 9)->call_sign, "P-2");
    assert_int_equal(catalog_unit_by_call_sign(c, "P-1")->unit_id, 7);
    assert_null(catalog_unit_by_id(c, 8));
    assert_null(catalog_unit_by_call_sign(c, "P-3"));
    assert_true(catalog_unit_can(catalog_unit_by_id(c, 9), "medic"));
    assert_false(catalog_unit_can(catalog_unit_by_id(c, 9), "boat"));
    assert_false(catalog_unit_can(catalog_unit_by_id(c, 7), "medic"));
}

static void capabilities_have_bits(void **state)
{
    const struct catalog *c = *state;
    uint64_t medic = catalog_capability_bit(c, "medic");

    assert_true(medic != 0 && (medic & (medic - 1)) == 0);
    assert_true(catalog_unit_by_id(c, 9)->capability_bits & medic);
    assert_int_equal(catalog_unit_by_id(c, 7)->capability_bits, 0);
    assert_int_equal(catalog_capability_bit(c, "boat"), 0);
}

/* The first 64 have a bit each; of the others the names tell. */
static void more_capabilities_than_bits(void **state)
{
    struct catalog_counts counts = {.units = 70};
    struct catalog *c;
    uint64_t all = 0;

    (void)state;
    assert_int_equal(catalog_new(&c), PT_OK);
    assert_int_equal(catalog_reserve(c, &counts), PT_OK);
    for (uint32_t i = 0; i < 70; i++) {
        char name[16];
        const char *names[] = {name};

        snprintf(name, sizeof name, "can-%02u", (unsigned)i);
        assert_int_equal(catalog_add_unit(c, i, name, "car", names, 1), PT_OK);
    }
    catalog_finish(c);
    for (uint32_t i = 0; i < 70; i++) {
        const struct catalog_unit *unit = catalog_unit_by_id(c, i);
        uint64_t bit = catalog_capability_bit(c, unit->call_sign);

        assert_true(catalog_unit_can(unit, unit->call_sign));
        assert_int_equal(unit->capability_bits, bit);
        assert_true((bit == 0) == (i >= 64));
        assert_true((all & bit) == 0); /* nobody else's */
        all |= bit;
    }
    catalog_free(c);
}

static void no_two_generations_are_the_same(void **state)
{
    struct catalog *c;
    uint64_t before;

    assert_int_equal(catalog_new(&c), PT_OK);
    before = catalog_generation(c);
    assert_true(before != 0 && before != catalog_generation(*state));
    catalog_free(c); /* the next may stand at the same address */
    assert_int_equal(catalog_new(&c), PT_OK);
    assert_true(catalog_generation(c) != before);
    catalog_free(c);
}

static void check_unit(const struct catalog *c, uint32_t device_id,
                       int64_t time_ms, uint32_t expected)
{
    uint32_t unit_id = 0;

    assert_int_equal(catalog_device_unit(c, device_id, time_ms, &unit_id),
                     expected != 0);
    assert_int_equal(unit_id, expected);
}

static void a_device_is_another_unit_at_another_time(void **state)
{
    const struct catalog *c = *state;
    uint32_t device_id;

    assert_true(catalog_device(c, "bravo", &device_id));
    assert_int_equal(device_id, 5);
    assert_false(catalog_device(c, "delta", &device_id));
    assert_string_equal(catalog_device_name(c, 6), "alpha");
    assert_null(catalog_device_name(c, 99));
    check_unit(c, 5, 999, 0);
    check_unit(c, 5, 1000, 7); /* from: inclusive */
    check_unit(c, 5, 1999, 7);
    check_unit(c, 5, 2000, 9); /* to: exclusive */
    check_unit(c, 5, INT64_MAX - 1, 9);
    check_unit(c, 6, INT64_MIN, 9);
    check_unit(c, 6, 1500, 0);
    check_unit(c, 1, 1500, 0);
    check_unit(c, 99, 1500, 0);
}

static void a_unit_has_its_newest_device(void **state)
{
    const struct catalog *c = *state;

    assert_string_equal(catalog_unit_device(c, 9, 1000), "alpha");
    assert_null(catalog_unit_device(c, 9, 1700));
    assert_string_equal(catalog_unit_device(c, 9, 2500), "bravo");
    assert_string_equal(catalog_unit_device(c, 9, 3500), "charlie");
    assert_string_equal(catalog_unit_device(c, 9, 4000), "bravo");
    assert_string_equal(catalog_unit_device(c, 7, 1500), "bravo");
    assert_null(catalog_unit_device(c, 7, 2500));
    assert_null(catalog_unit_device(c, 8, 2500));
}

static uint32_t zone_at(const struct catalog *c, int32_t lat, int32_t lon)
{
    const struct catalog_zone *zone =
        catalog_zone_at(c, (struct geo_point){lat, lon});

    return zone ? zone->zone_id : 0;
}

static void points_lie_in_the_smallest_zone(void **state)
{
    const struct catalog *c = *state;

    assert_string_equal(catalog_zone(c, 0)->name, "Playa"); /* by name */
    assert_int_equal(zone_at(c, 1, 1), 1);
    assert_int_equal(zone_at(c, 3, 3), 0);  /* hole */
    assert_int_equal(zone_at(c, 7, 7), 2);  /* the smaller of two */
    assert_int_equal(zone_at(c, 5, 15), 0); /* between the polygons */
    assert_int_equal(zone_at(c, 2, 28), 1); /* the triangle */
    assert_int_equal(zone_at(c, 8, 21), 0); /* its empty half */
    assert_int_equal(zone_at(c, -1, 5), 0);
    assert_int_equal(zone_at(c, 5, -1), 0);
    assert_int_equal(zone_at(c, 90000000, 180000000), 0);
}

/* A ward and its municipality both hold what lies in the ward. */
static void zones_in_each_other_both_hold(void **state)
{
    const struct catalog *c = *state;
    const struct geo_point in_both = {7, 7}, in_the_outer = {1, 1};

    for (size_t i = 0; i < catalog_zone_count(c); i++) {
        const struct catalog_zone *zone = catalog_zone(c, i);

        assert_int_equal(catalog_zone_holds(zone, in_both),
                         zone->zone_id == 1 || zone->zone_id == 2);
        assert_int_equal(catalog_zone_holds(zone, in_the_outer),
                         zone->zone_id == 1);
    }
}

/* A ray through corners must count each once: every whole point of the
 * square's neighbourhood against the definition, half-open on both axes. */
static void corners_count_once(void **state)
{
    static const struct geo_point diamond[] = {
        {0, -4}, {4, 0}, {0, 4}, {-4, 0}, {0, -4}};
    static const uint32_t starts[] = {0, 5};
    struct catalog *c;

    (void)state;
    assert_int_equal(catalog_new(&c), PT_OK);
    assert_int_equal(catalog_reserve(c, &(struct catalog_counts){.zones = 1}),
                     PT_OK);
    add_zone(c, 1, "d", diamond, starts, 1, 32);
    catalog_finish(c);
    for (int32_t lat = -6; lat <= 6; lat++)
        for (int32_t lon = -6; lon <= 6; lon++)
            if (abs(lat) + abs(lon) != 4) /* the edge itself is either */
                assert_int_equal(zone_at(c, lat, lon), abs(lat) + abs(lon) < 4);
    catalog_free(c);
}

static void missions_stand_in_zones(void **state)
{
    const struct catalog *c = *state;
    const struct catalog_mission *m;

    assert_int_equal(catalog_mission_find(c, "1", &m), PT_OK);
    assert_int_equal(m->zone->zone_id, 1);
    assert_int_equal(catalog_mission_find(c, "2", &m), PT_OK);
    assert_int_equal(m->zone->zone_id, 2);
    assert_int_equal(catalog_mission_find(c, "3", &m), PT_OK);
    assert_null(m->zone);
    assert_int_equal(catalog_mission_find(c, "4", &m), PT_OK);
    assert_int_equal(m->zone->zone_id, 2); /* as the table says */
}

static void check_found(const struct catalog *c, const char *typed,
                        uint32_t expected)
{
    const struct catalog_mission *m = NULL;

    assert_int_equal(catalog_mission_find(c, typed, &m), PT_OK);
    assert_int_equal(m->mission_id, expected);
}

static void check_not_found(const struct catalog *c, const char *typed,
                            enum pt_err expected)
{
    const struct catalog_mission *m = NULL;

    assert_int_equal(catalog_mission_find(c, typed, &m), expected);
    assert_null(m);
}

static void missions_are_found_as_people_type(void **state)
{
    const struct catalog *c = *state;

    check_found(c, "canada", 1);
    check_found(c, "CANADÁ", 1);
    check_found(c, "espana", 2);
    check_found(c, "España, embajada", 2); /* all words, any order */
    check_found(c, "niger", 3);            /* a whole word before a part */
    check_found(c, "nigeri", 4);           /* the beginning of one */
    check_found(c, "guinea", 5);           /* the whole name first */
    check_found(c, "guinea bissau", 7);
    check_found(c, "40", 40);
    check_found(c, "mission 4", 40);
    check_not_found(c, "embassy", PT_E_RANGE);
    check_not_found(c, "emb", PT_E_RANGE);
    check_not_found(c, "anada", PT_E_NOTFOUND); /* not inside a word */
    check_not_found(c, "canada spain", PT_E_NOTFOUND);
    check_not_found(c, "", PT_E_NOTFOUND);
    check_not_found(c, "--", PT_E_NOTFOUND);
    check_not_found(c, "99999999999999999999", PT_E_NOTFOUND);
}

static void an_empty_catalog_knows_nothing(void **state)
{
    const struct catalog_mission *m;
    struct catalog *c;
    uint32_t id;

    (void)state;
    assert_int_equal(catalog_new(&c), PT_OK);
    assert_int_equal(catalog_unit_count(c), 0);
    assert_int_equal(catalog_zone_count(c), 0);
    assert_int_equal(catalog_mission_count(c), 0);
    assert_null(catalog_unit_by_id(c, 1));
    assert_null(catalog_unit_by_call_sign(c, "a"));
    assert_false(catalog_device(c, "a", &id));
    assert_false(catalog_device_unit(c, 1, 0, &id));
    assert_null(catalog_unit_device(c, 1, 0));
    assert_null(catalog_zone_at(c, (struct geo_point){0, 0}));
    assert_int_equal(catalog_mission_find(c, "a", &m), PT_E_NOTFOUND);
    catalog_free(c);
    catalog_free(NULL);
}

static void limits_are_errors(void **state)
{
    struct catalog *c;

    (void)state;
    assert_int_equal(catalog_new(&c), PT_OK);
    assert_int_equal(
        catalog_reserve(
            c, &(struct catalog_counts){.units = CATALOG_UNITS_MAX + 1}),
        PT_E_FULL);
    assert_int_equal(
        catalog_reserve(
            c, &(struct catalog_counts){.missions = CATALOG_MISSIONS_MAX + 1}),
        PT_E_FULL);
    catalog_free(c);
}

static void no_database_is_said(void **state)
{
    struct catalog *c = NULL;
    char message[256] = "";

    (void)state;
    assert_int_equal(catalog_load("host=/nonexistent/pt-test-catalog", &c,
                                  message, sizeof message),
                     PT_E_DB);
    assert_null(c);
    assert_non_null(strstr(message, "/nonexistent/pt-test-catalog"));
    assert_null(strchr(message, '\n'));
}

#define WITH_CATALOG(test) \
    cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accents_and_case_are_folded),
        cmocka_unit_test(a_whole_letter_of_the_table),
        cmocka_unit_test(what_is_no_letter_parts_words_once),
        cmocka_unit_test(other_scripts_stay),
        cmocka_unit_test(broken_bytes_part_words),
        cmocka_unit_test(never_longer_than_its_room),
        WITH_CATALOG(units_are_found),
        WITH_CATALOG(capabilities_have_bits),
        cmocka_unit_test(more_capabilities_than_bits),
        WITH_CATALOG(no_two_generations_are_the_same),
        WITH_CATALOG(a_device_is_another_unit_at_another_time),
        WITH_CATALOG(a_unit_has_its_newest_device),
        WITH_CATALOG(points_lie_in_the_smallest_zone),
        WITH_CATALOG(zones_in_each_other_both_hold),
        cmocka_unit_test(corners_count_once),
        WITH_CATALOG(missions_stand_in_zones),
        WITH_CATALOG(missions_are_found_as_people_type),
        cmocka_unit_test(an_empty_catalog_knows_nothing),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(no_database_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

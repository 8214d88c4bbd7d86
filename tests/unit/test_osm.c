/* Small files drawn by hand; what must come of them follows from the
 * OpenStreetMap wiki's pages on the tags, named where it is not plain.
 *
 * The nodes stand on the equator, 0.001 degrees apart:
 *   echo "0 0 0 0.001" | geod -I +ellps=WGS84 -F %.4f   (PROJ): 111.3195
 * so a residential street (25 km/h) takes 16,030 ms from one to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bzlib.h>
#include <cmocka.h>
#include <zlib.h>

#include "fail_alloc.h"
#include "osm.h"

#define STEP_M 111.3195
#define NODES 12
#define OSM_ACCESS_MAX 512

/* libreadosm does not free its XML parser when the XML is damaged. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:XML_ParserCreate\nleak:XML_GetBuffer\nleak:libexpat\n";
}

static void assert_near(double value, double expected, double within)
{
    if (!(value >= expected - within && value <= expected + within))
        fail_msg("%.6f is not %.6f", value, expected);
}

static char place[] = "/tmp/test_osm.XXXXXX";
static char path[128];
static char message[512];

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", place, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static char *document(const char *before, const char *behind)
{
    static char text[20000];
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "<?xml version='1.0'?><osm version='0.6'>"
                                   "%s",
                                   before);
    for (int i = 1; i <= NODES; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "<node id='%d' lat='0' lon='%.3f'/>", i,
                                 i * 0.001);
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "%s</osm>", behind);
    assert_true(used < sizeof text);
    return text;
}

static struct osm_network *read_file(void)
{
    struct osm_network *network = NULL;
    *message = 0;
    enum pt_err err =
        osm_read(path, NULL, NULL, &network, message, sizeof message);
    if (err != PT_OK)
        fail_msg("%s: %s", pt_strerror(err), message);
    return network;
}

/* The network of nodes 1..12 and these ways and relations. */
static struct osm_network *read_ways(const char *ways)
{
    const char *text = document("", ways);
    write_bytes("way.osm", text, strlen(text));
    return read_file();
}

static enum pt_err read_error(void)
{
    struct osm_network *network = NULL;
    *message = 0;
    enum pt_err err =
        osm_read(path, NULL, NULL, &network, message, sizeof message);
    assert_null(network);
    assert_int_not_equal(err, PT_OK);
    assert_int_not_equal(*message, 0);
    return err;
}

#define WAY(id, refs, tags) "<way id='" id "'>" refs tags "</way>"
#define ND(id) "<nd ref='" id "'/>"
#define TAG(key, value) "<tag k='" key "' v='" value "'/>"
#define STREET TAG("highway", "residential")

static uint64_t tally(const struct osm_network *network, const char *what)
{
    for (size_t i = 0; i < network->tally_count; i++) {
        if (strcmp(network->tally[i].what, what) == 0)
            return network->tally[i].count;
    }
    return 0;
}

static const char *name_of(const struct osm_network *network, size_t edge)
{
    return network->streets[network->edges[edge].street].name;
}

/* What the built-in patrol profile makes of an edge. */
static struct profiles *profiles;

static uint32_t patrol_ms(const struct osm_network *network, size_t edge,
                          bool forward)
{
    struct profile_facts facts = osm_edge_facts(network, &network->edges[edge]);
    return profile_edge_ms(&profiles->items[0], &facts, forward, NULL);
}

static int64_t source(const struct osm_network *network, size_t edge)
{
    return network->nodes[network->edges[edge].source].id;
}

static int64_t target(const struct osm_network *network, size_t edge)
{
    return network->nodes[network->edges[edge].target].id;
}

/* The only edge of one way with these tags. */
struct only {
    bool kept;
    uint32_t forward_ms, backward_ms; /* by patrol */
    struct osm_street street;         /* its numbers; texts are gone */
    char access[OSM_ACCESS_MAX];
    char except[32];
};

static void read_only(const char *tags, struct only *only)
{
    char ways[2000];
    snprintf(ways, sizeof ways,
             WAY("1", ND("1") ND("2"), "%s") WAY("2", ND("5") ND("6"), STREET),
             tags);
    struct osm_network *network = read_ways(ways);
    *only = (struct only){.kept = network->edge_count == 2};
    if (only->kept) {
        only->forward_ms = patrol_ms(network, 0, true);
        only->backward_ms = patrol_ms(network, 0, false);
        only->street = network->streets[0];
        if (only->street.access != NULL)
            strcpy(only->access, only->street.access);
        if (only->street.oneway_except != NULL)
            strcpy(only->except, only->street.oneway_except);
    } else {
        /* a second way keeps the file from being empty */
        assert_int_equal(network->edges[0].way_id, 2);
    }
    osm_network_free(network);
}

static void assert_left_out(const char *tags)
{
    struct only only;
    read_only(tags, &only);
    if (only.kept)
        fail_msg("kept: %s", tags);
}

static void assert_directions(const char *tags, bool forward, bool backward)
{
    struct only only;
    read_only(tags, &only);
    if (!only.kept || (only.forward_ms > 0) != forward ||
        (only.backward_ms > 0) != backward)
        fail_msg("%s: kept %d forward %u backward %u", tags, only.kept,
                 only.forward_ms, only.backward_ms);
}

/* In the network, for whom else it is for. */
static void assert_not_for_patrol(const char *tags)
{
    assert_directions(tags, false, false);
}

static void assert_ms(const char *tags, uint32_t forward, uint32_t backward)
{
    struct only only;
    read_only(tags, &only);
    assert_true(only.kept);
    assert_int_equal(only.forward_ms, forward);
    assert_int_equal(only.backward_ms, backward);
}

/* -------------------------------------------------------------- cutting */
static void cuts_at_junctions(void **state)
{
    (void)state;
    /* 1-2-3-4-5 crossed at 3 by 10-3-11, met at 5 by 5-6 */
    struct osm_network *network =
        read_ways(WAY("7", ND("1") ND("2") ND("3") ND("4") ND("5"),
                      STREET TAG("name", "Calle 1") TAG("ref", "A1"))
                      WAY("8", ND("10") ND("3") ND("11"), STREET)
                          WAY("9", ND("5") ND("6"), STREET));
    assert_int_equal(network->edge_count, 5);
    assert_int_equal(network->node_count, 6); /* 1 3 5 6 10 11 */
    assert_int_equal(source(network, 0), 1);
    assert_int_equal(target(network, 0), 3);
    assert_int_equal(source(network, 1), 3);
    assert_int_equal(target(network, 1), 5);
    assert_int_equal(network->edges[0].point_count, 3);
    assert_int_equal(network->points[network->edges[0].first_point + 1].lon_e6,
                     2000);
    assert_near(network->edges[0].length_m, 2 * STEP_M, 0.02);
    assert_int_equal(patrol_ms(network, 0, true), 32060);
    assert_string_equal(name_of(network, 1), "Calle 1");
    assert_string_equal(network->streets[network->edges[1].street].ref, "A1");
    assert_string_equal(network->streets[network->edges[1].street].highway,
                        "residential");
    assert_null(name_of(network, 2));
    assert_int_equal(network->edges[4].way_id, 9);
    assert_int_equal(tally(network, "ways kept"), 3);
    assert_near(network->length_m, (4 + 7 + 8 + 1) * STEP_M, 0.2);
    osm_network_free(network);
}

static void keeps_loops_and_ways_that_meet_themselves(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        WAY("1", ND("1") ND("2") ND("3") ND("1"), STREET)
        /* 4-5-6-7-5-8: node 5 is passed twice */
        WAY("2", ND("4") ND("5") ND("6") ND("7") ND("5") ND("8"), STREET));
    assert_int_equal(network->edge_count, 4);
    assert_int_equal(source(network, 0), 1);
    assert_int_equal(target(network, 0), 1);
    assert_int_equal(network->edges[0].point_count, 4);
    assert_int_equal(source(network, 2), 5);
    assert_int_equal(target(network, 2), 5);
    assert_int_equal(target(network, 3), 8);
    assert_int_equal(tally(network, "edges that end where they start"), 2);
    osm_network_free(network);
}

static void cuts_where_nodes_are_missing(void **state)
{
    (void)state;
    struct osm_network *network =
        read_ways(WAY("1",
                      ND("1") ND("2") ND("900") ND("901") ND("3") ND("902")
                          ND("4") ND("5"),
                      STREET)
                  /* nothing of it can be drawn */
                  WAY("2", ND("6") ND("903") ND("7"), STREET));
    assert_int_equal(network->edge_count, 2);
    assert_int_equal(target(network, 0), 2);
    assert_int_equal(source(network, 1), 4);
    assert_int_equal(tally(network, "way nodes not in the file"), 4);
    assert_int_equal(tally(network, "ways cut where nodes are not in the file"),
                     2);
    assert_int_equal(
        tally(network, "ways skipped: no two nodes in a row in the file"), 1);
    osm_network_free(network);
}

static void survives_repeats(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        WAY("1", ND("1") ND("2") ND("2") ND("3"), STREET)
        /* the same id again: the first counts */
        WAY("1", ND("7") ND("8"), STREET)
        /* one place only */
        WAY("3", ND("4") ND("4"), STREET) WAY("4", ND("5"), STREET)
        /* the same place under another id */
        "<node id='50' lat='0' lon='0.009'/>" WAY(
            "5", ND("9") ND("50"), STREET) "<node id='1' lat='5' lon='5'/>");
    assert_int_equal(network->edge_count, 2);
    assert_int_equal(network->edges[0].point_count, 3);
    assert_near(network->edges[0].length_m, 2 * STEP_M, 0.02);
    assert_int_equal(network->edges[1].way_id, 5);
    assert_int_equal(patrol_ms(network, 1, true), 1);
    assert_int_equal(tally(network, "edges without length"), 1);
    assert_int_equal(tally(network, "ways skipped: id came before"), 1);
    assert_int_equal(tally(network, "ways skipped: fewer than two nodes"), 1);
    assert_int_equal(tally(network, "nodes whose id came before, dropped"), 1);
    osm_network_free(network);
}

static void order_in_the_file_does_not_matter(void **state)
{
    (void)state;
    const char *ways =
        WAY("8", ND("10") ND("3") ND("11"), STREET TAG("name", "B"))
            WAY("-7", ND("1") ND("3") ND("5"), STREET TAG("name", "A"));
    const char *relation =
        "<relation id='4'><member type='way' ref='-7' role='from'/>"
        "<member type='node' ref='3' role='via'/>"
        "<member type='way' ref='-7' role='to'/>" TAG("type", "restriction")
            TAG("restriction", "no_u_turn") "</relation>";
    char both[2000];
    snprintf(both, sizeof both, "%s%s", relation, ways);
    const char *first = document(both, "");
    write_bytes("first.osm", first, strlen(first));
    struct osm_network *a = read_file();
    snprintf(both, sizeof both, "%s%s", ways, relation);
    struct osm_network *b = read_ways(both);
    assert_int_equal(a->edge_count, 4);
    assert_int_equal(a->edges[0].way_id, -7);
    assert_int_equal(a->edge_count, b->edge_count);
    assert_int_equal(a->node_count, b->node_count);
    assert_int_equal(a->turn_count, 2);
    assert_int_equal(b->turn_count, 2);
    for (size_t i = 0; i < a->edge_count; i++) {
        assert_int_equal(a->edges[i].way_id, b->edges[i].way_id);
        assert_int_equal(source(a, i), source(b, i));
        assert_int_equal(target(a, i), target(b, i));
        assert_string_equal(name_of(a, i), name_of(b, i));
    }
    osm_network_free(a);
    osm_network_free(b);
}

/* --------------------------------------------------------- who may drive */
static void only_roads_for_cars(void **state)
{
    (void)state;
    static const char *const out[] = {
        "footway",      "path",     "steps",    "cycleway",  "track",
        "construction", "proposed", "raceway",  "bridleway", "corridor",
        "platform",     "escape",   "rest_area"};
    static const char *const in[] = {
        "motorway_link", "trunk",         "trunk_link", "primary",
        "primary_link",  "secondary",     "tertiary",   "tertiary_link",
        "unclassified",  "living_street", "service",    "road",
        "residential",   "secondary_link"};
    char tags[100];
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        snprintf(tags, sizeof tags, TAG("highway", "%s"), out[i]);
        assert_left_out(tags);
    }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        snprintf(tags, sizeof tags, TAG("highway", "%s"), in[i]);
        assert_directions(tags, true, true);
    }
    /* for blue light: somebody's streets, but not patrol's */
    assert_not_for_patrol(TAG("highway", "pedestrian"));
    assert_not_for_patrol(TAG("highway", "busway"));
    assert_not_for_patrol(TAG("highway", "track") TAG("tracktype", "grade2"));
    assert_not_for_patrol(TAG("highway", "track") TAG("surface", "asphalt"));
    assert_left_out(TAG("highway", "track") TAG("surface", "ground"));
    assert_not_for_patrol(TAG("highway", "path") TAG("emergency", "yes"));
    assert_left_out(TAG("highway", "path") TAG("emergency", "no"));
    assert_left_out(STREET TAG("construction", "yes"));
    assert_left_out(STREET TAG("disused", "yes"));
    assert_left_out(STREET TAG("abandoned", "yes"));
    assert_directions(STREET TAG("construction", "tertiary"), true, true);
    assert_left_out(TAG("building", "yes"));
    assert_left_out(STREET TAG("area", "yes"));
    assert_left_out(STREET TAG("smoothness", "impassable"));
    assert_left_out(TAG("route", "ferry"));
}

static void the_most_specific_access_wins(void **state)
{
    (void)state;
    assert_not_for_patrol(STREET TAG("access", "no"));
    assert_not_for_patrol(STREET TAG("access", "private"));
    assert_not_for_patrol(STREET TAG("vehicle", "no"));
    assert_not_for_patrol(STREET TAG("access", "yes")
                              TAG("motor_vehicle", "no"));
    assert_not_for_patrol(STREET TAG("motor_vehicle", "agricultural;forestry"));
    assert_not_for_patrol(STREET TAG("vehicle", "yes")
                              TAG("motorcar", "private"));
    assert_directions(STREET TAG("access", "no") TAG("motor_vehicle", "yes"),
                      true, true);
    assert_directions(STREET TAG("vehicle", "no") TAG("motorcar", "permit"),
                      true, true);
    assert_directions(STREET TAG("access", "destination"), true, true);
    assert_directions(STREET TAG("access", "customers"), true, true);
    assert_directions(STREET TAG("access", "no;delivery"), true, true);
    assert_directions(STREET TAG("bicycle", "no"), true, true);
    assert_directions(STREET TAG("motor_vehicle:backward", "no"), true, false);
}

/* Key:oneway of the wiki */
static void one_ways(void **state)
{
    (void)state;
    assert_directions(STREET TAG("oneway", "yes"), true, false);
    assert_directions(STREET TAG("oneway", "true"), true, false);
    assert_directions(STREET TAG("oneway", "1"), true, false);
    assert_directions(STREET TAG("oneway", "-1"), false, true);
    assert_directions(STREET TAG("oneway", "reverse"), false, true);
    assert_directions(STREET TAG("oneway", "no"), true, true);
    assert_directions(STREET TAG("oneway", "perhaps"), true, true);
    assert_directions(STREET TAG("junction", "roundabout"), true, false);
    assert_directions(STREET TAG("junction", "circular"), true, false);
    assert_directions(STREET TAG("junction", "roundabout") TAG("oneway", "-1"),
                      false, true);
    assert_directions(TAG("highway", "motorway"), true, false);
    assert_directions(TAG("highway", "motorway") TAG("oneway", "no"), true,
                      true);
    assert_directions(TAG("highway", "motorway_link"), true, true);
    assert_directions(STREET TAG("oneway", "yes")
                          TAG("oneway:motor_vehicle", "no"),
                      true, true);
    assert_directions(STREET TAG("oneway", "yes") TAG("oneway:bicycle", "no"),
                      true, false);
    assert_not_for_patrol(STREET TAG("oneway", "reversible"));
    assert_not_for_patrol(STREET TAG("oneway", "alternating"));
}

/* 111.3195 m * 3600 / km/h, in ms: 25 km/h where no limit is known or what
 * is tagged is not understood, else 0.8 of the limit (profiles.ini). Values
 * as in Key:maxspeed of the wiki. */
#define UNKNOWN 16030
static void speeds(void **state)
{
    (void)state;
    assert_ms(STREET, UNKNOWN, UNKNOWN);
    assert_ms(TAG("highway", "motorway") TAG("oneway", "no"), 4453, 4453);
    assert_ms(TAG("highway", "living_street"), 40075, 40075);
    assert_ms(STREET TAG("maxspeed", "50"), 10019, 10019);
    assert_ms(STREET TAG("maxspeed", "50 km/h"), 10019, 10019);
    assert_ms(STREET TAG("maxspeed", "30 mph"), 10376, 10376);
    assert_ms(STREET TAG("maxspeed", "30mph"), 10376, 10376);
    assert_ms(STREET TAG("maxspeed", "10 knots"), 27048, 27048);
    assert_ms(STREET TAG("maxspeed", "7.5"), 66792, 66792);
    assert_ms(STREET TAG("maxspeed", "none"), 3853, 3853);   /* 130 */
    assert_ms(STREET TAG("maxspeed", "walk"), 71563, 71563); /* 7 */
    assert_ms(STREET TAG("maxspeed", "signals"), UNKNOWN, UNKNOWN);
    assert_ms(STREET TAG("maxspeed", "0"), UNKNOWN, UNKNOWN);
    assert_ms(STREET TAG("maxspeed", "5000"), UNKNOWN, UNKNOWN);
    assert_ms(STREET TAG("maxspeed", "50;30"), 16698, 16698);
    assert_ms(STREET TAG("maxspeed", "30; 50 mph"), 16698, 16698);
    assert_ms(STREET TAG("maxspeed", "-50"), UNKNOWN, UNKNOWN);
    assert_ms(STREET TAG("maxspeed", "99999999999999999999"), UNKNOWN, UNKNOWN);
    assert_ms(STREET TAG("maxspeed:forward", "50")
                  TAG("maxspeed:backward", "100"),
              10019, 5009);
    assert_ms(STREET TAG("maxspeed", "50") TAG("maxspeed:backward", "100"),
              10019, 5009);
    assert_ms(STREET TAG("maxspeed:forward", "50"), 10019, UNKNOWN);
    assert_ms(STREET TAG("maxspeed:lanes:forward", "100|50"), 10019, UNKNOWN);
}

static void assert_limit(const char *tags, enum profile_limit limit, double kmh)
{
    struct only only;
    read_only(tags, &only);
    if (only.street.limit != limit)
        fail_msg("%s: limit %d", tags, (int)only.street.limit);
    assert_near((double)only.street.limit_kmh[0], kmh, 0.01);
    assert_near((double)only.street.limit_kmh[1], kmh, 0.01);
}

/* Key:maxspeed and Default speed limits of the wiki. */
static void limits_of_every_kind(void **state)
{
    (void)state;
    assert_limit(STREET, PROFILE_LIMIT_UNKNOWN, 0);
    assert_limit(STREET TAG("maxspeed", "60"), PROFILE_POSTED, 60);
    assert_limit(STREET TAG("maxspeed", "20 MPH"), PROFILE_POSTED, 32.19);
    assert_limit(STREET TAG("maxspeed", "none"), PROFILE_NO_LIMIT, 130);
    assert_limit(STREET TAG("maxspeed", "walk"), PROFILE_WALK, 7);
    assert_limit(STREET TAG("maxspeed", "variable"), PROFILE_VARIABLE, 0);
    /* the wiki's Lanes: a value a lane, from the left; an empty one says
     * nothing. Which lane is driven is not known. */
    assert_limit(STREET TAG("maxspeed:lanes", "120|100|60"), PROFILE_POSTED,
                 60);
    assert_limit(STREET TAG("maxspeed:lanes", "|80|"), PROFILE_POSTED, 80);
    assert_limit(STREET TAG("maxspeed:lanes", "100|80") TAG("maxspeed", "100"),
                 PROFILE_POSTED, 100);
    assert_limit(STREET TAG("maxspeed:lanes", "||"), PROFILE_LIMIT_UNKNOWN, 0);
    assert_limit(STREET TAG("maxspeed", "100")
                     TAG("maxspeed:variable", "peak_traffic"),
                 PROFILE_VARIABLE, 100);
    /* Cuba: Ley 109, article 127 */
    assert_limit(STREET TAG("maxspeed", "CU:urban"), PROFILE_IMPLICIT, 50);
    assert_limit(STREET TAG("maxspeed", "CU:rural"), PROFILE_IMPLICIT, 90);
    assert_limit(STREET TAG("maxspeed", "CU:motorway"), PROFILE_IMPLICIT, 100);
    assert_limit(STREET TAG("maxspeed", "RU:urban"), PROFILE_IMPLICIT, 60);
    assert_limit(STREET TAG("maxspeed", "be-bru:urban"), PROFILE_IMPLICIT, 30);
    assert_limit(STREET TAG("maxspeed", "GB:nsl_single"), PROFILE_IMPLICIT,
                 96.56);
    /* wiki, Key:maxspeed: 60 mph where the carriageway is single */
    assert_limit(STREET TAG("maxspeed", "national"), PROFILE_IMPLICIT, 96.56);
    assert_limit(STREET TAG("maxspeed:type", "gb:national"), PROFILE_IMPLICIT,
                 96.56);
    assert_limit(STREET TAG("maxspeed", "DE:zone:30"), PROFILE_IMPLICIT, 30);
    assert_limit(STREET TAG("maxspeed", "FR:zone30"), PROFILE_IMPLICIT, 30);
    assert_limit(STREET TAG("maxspeed", "GB:zone20"), PROFILE_IMPLICIT, 32.19);
    assert_limit(STREET TAG("maxspeed", "CU:beach"), PROFILE_LIMIT_UNKNOWN, 0);
    assert_limit(STREET TAG("maxspeed", "C:urban"), PROFILE_LIMIT_UNKNOWN, 0);
    assert_limit(STREET TAG("maxspeed:type", "PT:urban"), PROFILE_IMPLICIT, 50);
    assert_limit(STREET TAG("source:maxspeed", "DE:rural"), PROFILE_IMPLICIT,
                 100);
    assert_limit(STREET TAG("maxspeed", "70") TAG("maxspeed:type", "DE:rural"),
                 PROFILE_IMPLICIT, 70);
    assert_limit(STREET TAG("maxspeed", "70") TAG("source:maxspeed", "sign"),
                 PROFILE_POSTED, 70);
}

static void says_which_maxspeed_was_tagged(void **state)
{
    (void)state;
    struct only only;
    read_only(STREET TAG("maxspeed:forward", "30 mph"), &only);
    assert_near((double)only.street.limit_kmh[0], 48.28032, 0.001);
    assert_near((double)only.street.limit_kmh[1], 0, 0);
    assert_int_equal(only.street.limit, PROFILE_POSTED);
    struct osm_network *network =
        read_ways(WAY("1", ND("1") ND("2"), STREET TAG("maxspeed", "x"))
                      WAY("2", ND("3") ND("4"), STREET TAG("maxspeed", "9")));
    assert_int_equal(
        tally(network, "maxspeed not understood, class default used"), 1);
    assert_int_equal(tally(network, "ways with a maxspeed"), 1);
    osm_network_free(network);
}

static void cuts_names(void **state)
{
    (void)state;
    char ways[3000];
    char name[601];
    for (int i = 0; i < 300; i++)
        memcpy(name + 2 * i, "\xc3\xb1", 2); /* ñ */
    name[600] = 0;
    snprintf(ways, sizeof ways, WAY("1", ND("1") ND("2"), STREET "%s%s%s"),
             "<tag k='name' v='", name, "'/>");
    struct osm_network *network = read_ways(ways);
    assert_int_equal(strlen(name_of(network, 0)), 2 * 255);
    assert_int_equal(tally(network, "names and refs cut to 255 characters"), 1);
    osm_network_free(network);
}

/* ---------------------------------------------------------- restrictions */
/* A crossing at node 5: way 1 from the west (4-5), way 2 to the east (5-6),
 * way 3 to the north (5-20), way 4 to the south (5-21), all both ways.
 * Edges in order of the ways' ids: 0 1 2 3. */
#define CROSSING                                                        \
    "<node id='20' lat='0.001' lon='0.005'/>"                           \
    "<node id='21' lat='-0.001' lon='0.005'/>" WAY(                     \
        "1", ND("4") ND("5"), STREET) WAY("2", ND("5") ND("6"), STREET) \
        WAY("3", ND("5") ND("20"), STREET) WAY("4", ND("5") ND("21"), STREET)
#define MEMBER(type, ref, role) \
    "<member type='" type "' ref='" ref "' role='" role "'/>"
#define RULE(id, members, tags)                                      \
    "<relation id='" id "'>" members TAG("type", "restriction") tags \
        "</relation>"
#define FROM_TO(from, to)       \
    MEMBER("way", from, "from") \
    MEMBER("node", "5", "via") MEMBER("way", to, "to")

static bool forbids(const struct osm_network *network, uint32_t from,
                    bool from_forward, uint32_t to, bool to_forward)
{
    for (size_t i = 0; i < network->turn_count; i++) {
        const struct osm_turn *turn = &network->turns[i];
        if (turn->from_edge == from && turn->from_forward == from_forward &&
            turn->to_edge == to && turn->to_forward == to_forward)
            return true;
    }
    return false;
}

static void forbids_turns(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        CROSSING RULE("70", FROM_TO("1", "3"),
                      TAG("restriction", "no_left_turn"))
        /* backwards along way 2 into way 4 */
        RULE("71", FROM_TO("2", "4"),
             TAG("restriction", "no_left_turn") TAG("except", "psv;bicycle"))
        /* the same once more: one turn, named after the lower relation */
        RULE("69", FROM_TO("2", "4"), TAG("restriction", "no_left_turn")));
    assert_int_equal(network->turn_count, 2);
    assert_true(forbids(network, 0, true, 2, true));
    assert_true(forbids(network, 1, false, 3, true));
    assert_int_equal(network->turns[1].relation_id, 69);
    assert_int_equal(tally(network, "restrictions kept"), 3);
    osm_network_free(network);
}

/* Several signs at one place: whatever they forbid, it is this turn. Of several
 * "only" the relation names one way on. */
static void takes_lists_of_prohibitions(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        CROSSING RULE("70", FROM_TO("1", "3"),
                      TAG("restriction", "no_left_turn;no_u_turn"))
            RULE("71", FROM_TO("2", "2"),
                 TAG("restriction", "no_left_turn; no_u_turn"))
                RULE("72", FROM_TO("1", "2"),
                     TAG("restriction", "only_straight_on;only_right_turn"))
                    RULE("73", FROM_TO("1", "4"),
                         TAG("restriction", "no_right_turn;only_straight_on")));
    assert_int_equal(network->turn_count, 2);
    assert_true(forbids(network, 0, true, 2, true));
    assert_true(forbids(network, 1, false, 1, true));
    assert_int_equal(tally(network, "restrictions kept"), 2);
    osm_network_free(network);
}

static void only_forbids_all_others(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(CROSSING RULE(
        "70", FROM_TO("1", "2"), TAG("restriction", "only_straight_on")));
    assert_int_equal(network->turn_count, 3);
    assert_true(forbids(network, 0, true, 2, true));
    assert_true(forbids(network, 0, true, 3, true));
    assert_true(forbids(network, 0, true, 0, false)); /* and back */
    osm_network_free(network);
}

static void forbids_u_turns(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(CROSSING RULE(
        "70", FROM_TO("1", "1"), TAG("restriction", "no_u_turn")));
    assert_int_equal(network->turn_count, 1);
    assert_true(forbids(network, 0, true, 0, false));
    osm_network_free(network);
    /* between the two carriageways of a road it is a turn like others */
    network = read_ways(CROSSING RULE("70", FROM_TO("1", "3"),
                                      TAG("restriction", "no_u_turn")));
    assert_int_equal(network->turn_count, 1);
    assert_true(forbids(network, 0, true, 2, true));
    osm_network_free(network);
}

static void no_entry_may_have_several_from(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        CROSSING RULE("70",
                      MEMBER("way", "1", "from") MEMBER("way", "2", "from")
                          MEMBER("node", "5", "via") MEMBER("way", "3", "to"),
                      TAG("restriction", "no_entry")));
    assert_int_equal(network->turn_count, 2);
    assert_true(forbids(network, 0, true, 2, true));
    assert_true(forbids(network, 1, false, 2, true));
    osm_network_free(network);
}

static void counts_restrictions_it_does_not_use(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        CROSSING RULE(
            "60", FROM_TO("1", "3"),
            TAG("restriction:conditional",
                "no_left_turn @ (Mo-Fr 07:00-09:00)")) RULE("61",
                                                            FROM_TO("1", "3"),
                                                            TAG("restriction",
                                                                "no_left_turn")
                                                                TAG("except",
                                                                    "motorcar"))
            RULE("62", FROM_TO("1", "3"),
                 TAG("restriction:hgv",
                     "no_left_turn")) RULE("63",
                                           MEMBER("way", "1", "from")
                                               MEMBER("way", "2", "via")
                                                   MEMBER("way", "3", "to"),
                                           TAG("restriction", "no_u_turn"))
                RULE(
                    "64",
                    MEMBER("way", "1", "from")
                        MEMBER("way", "3", "to"),
                    TAG("restriction",
                        "no_left_turn")) RULE("65", FROM_TO("1", "99"),
                                              TAG("restriction",
                                                  "no_left_turn"))
                    RULE("66",
                         MEMBER("way", "1", "from") MEMBER("node", "99", "via")
                             MEMBER("way", "3", "to"),
                         TAG("restriction", "no_left_turn"))
                        RULE(
                            "67", FROM_TO("1", "3"),
                            TAG("restriction",
                                "no_wonder")) "<relation id='68'>" TAG("type",
                                                                       "multip"
                                                                       "olygo"
                                                                       "n") "<"
                                                                            "/"
                                                                            "r"
                                                                            "e"
                                                                            "l"
                                                                            "a"
                                                                            "t"
                                                                            "i"
                                                                            "o"
                                                                            "n"
                                                                            ">");
    assert_int_equal(network->turn_count, 0);
    assert_int_equal(tally(network, "relations read"), 9);
    assert_int_equal(tally(network, "restrictions read"), 8);
    assert_int_equal(tally(network, "restrictions skipped: conditional"), 1);
    assert_int_equal(tally(network, "restrictions skipped: not for cars"), 2);
    /* way 2 leads from way 1 away from way 3 */
    assert_int_equal(
        tally(network, "restrictions skipped: members do not meet"), 1);
    assert_int_equal(
        tally(network, "restrictions skipped: members missing or double"), 1);
    assert_int_equal(
        tally(network, "restrictions skipped: member not in the network"), 2);
    assert_int_equal(
        tally(network, "restrictions skipped: kind not understood"), 1);
    osm_network_free(network);
}

static void needs_no_ban_where_one_ways_forbid(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        WAY("1", ND("4") ND("5"), STREET)
            WAY("2", ND("6") ND("5"), STREET TAG("oneway", "yes"))
                WAY("3", ND("7") ND("5") ND("8"), STREET)
                    RULE("70", FROM_TO("1", "2"),
                         TAG("restriction", "no_right_turn"))
        /* way 3 goes on beyond 5 both ways: which half is meant? */
        RULE("71", FROM_TO("1", "3"), TAG("restriction", "no_left_turn")));
    assert_int_equal(network->turn_count, 0);
    assert_int_equal(
        tally(network, "restrictions that forbid nothing that was allowed"), 1);
    assert_int_equal(
        tally(
            network,
            "restrictions skipped: member goes on beyond the via node or way"),
        1);
    osm_network_free(network);
}

/* The sequence over `via` (directed edges), a turn or not. */
static const struct osm_turn *find_sequence(const struct osm_network *network,
                                            uint32_t from, uint32_t via_count,
                                            const uint32_t *via, uint32_t to)
{
    for (size_t i = 0; i < network->turn_count; i++) {
        const struct osm_turn *turn = &network->turns[i];
        bool same = turn->from_edge * 2 + !turn->from_forward == from &&
                    turn->to_edge * 2 + !turn->to_forward == to &&
                    turn->via_count == via_count;
        for (uint32_t v = 0; same && v < via_count; v++)
            same = network->vias[turn->first_via + v] == via[v];
        if (same)
            return turn;
    }
    return NULL;
}

/* Behind the crossing at 5, way 2 leads to another at 6: way 5 to the north
 * and way 6 to the south. Directed edges: way 1 is 0 and 1, way 2 is 2 and 3,
 * way 5 is 8 and 9, way 6 is 10 and 11. */
#define TWO_CROSSINGS                                        \
    CROSSING "<node id='30' lat='0.001' lon='0.006'/>"       \
             "<node id='31' lat='-0.001' lon='0.006'/>" WAY( \
                 "5", ND("6") ND("30"), STREET)              \
                 WAY("6", ND("6") ND("31"), STREET)
#define OVER(from, via, to)     \
    MEMBER("way", from, "from") \
    MEMBER("way", via, "via") MEMBER("way", to, "to")

/* Relation:restriction of the wiki: from, along the via ways, to. */
static void forbids_over_a_way(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        TWO_CROSSINGS RULE("70", OVER("1", "2", "5"),
                           TAG("restriction", "no_left_turn")
                               TAG("except", "psv; emergency"))
        /* back the other way round: way 2 is driven backward */
        RULE("71", OVER("6", "2", "3"), TAG("restriction", "no_right_turn")));
    assert_int_equal(network->turn_count, 2);
    const struct osm_turn *turn =
        find_sequence(network, 0, 1, (uint32_t[]){2}, 8);
    assert_non_null(turn);
    assert_int_equal(turn->relation_id, 70);
    assert_string_equal(turn->except, "psv; emergency");
    turn = find_sequence(network, 11, 1, (uint32_t[]){3}, 4);
    assert_non_null(turn);
    assert_null(turn->except);
    assert_int_equal(tally(network, "of them via a way"), 2);
    osm_network_free(network);
}

/* Only the end of the way is bound: who leaves it before may. */
static void only_over_a_way_forbids_the_other_exits(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(TWO_CROSSINGS RULE(
        "70", OVER("1", "2", "5"), TAG("restriction", "only_left_turn")));
    assert_int_equal(network->turn_count, 2);
    assert_non_null(find_sequence(network, 0, 1, (uint32_t[]){2}, 10));
    assert_non_null(find_sequence(network, 0, 1, (uint32_t[]){2}, 3));
    assert_null(find_sequence(network, 0, 0, NULL, 4));
    osm_network_free(network);
}

static void a_via_way_may_be_cut_or_many(void **state)
{
    (void)state;
    /* 4-5-7-6 with a street from 7: way 2 is two pieces; then way 8 6-9 */
    struct osm_network *network = read_ways(
        WAY("1", ND("4") ND("5"), STREET) WAY("2", ND("5") ND("7") ND("6"),
                                              STREET)
            WAY("3", ND("7") ND("11"), STREET) WAY("8", ND("9") ND("6"), STREET)
                WAY("9", ND("9") ND("10"), STREET) WAY("10", ND("9") ND("12"),
                                                       STREET)
                    RULE("70",
                         MEMBER("way", "1", "from") MEMBER("way", "2", "via")
                             MEMBER("way", "8", "via") MEMBER("way", "9", "to"),
                         TAG("restriction", "no_straight_on")));
    /* edges: 0 way 1, 1 and 2 way 2, 3 way 3, 4 way 8, 5 way 9 */
    assert_int_equal(network->turn_count, 1);
    assert_non_null(find_sequence(network, 0, 3, (uint32_t[]){2, 4, 9}, 10));
    osm_network_free(network);
}

static void exceptions_that_differ_are_none(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        CROSSING RULE("70", FROM_TO("1", "3"),
                      TAG("restriction", "no_left_turn") TAG("except", "psv"))
            RULE("71", FROM_TO("1", "3"),
                 TAG("restriction", "no_left_turn") TAG("except", "bicycle"))
                RULE("72", FROM_TO("1", "4"),
                     TAG("restriction", "no_right_turn") TAG("except", "psv")));
    assert_int_equal(network->turn_count, 2);
    assert_null(network->turns[0].except);
    assert_string_equal(network->turns[1].except, "psv");
    osm_network_free(network);
}

/* ---------------------------------------------------------- what stands there
 */
#define AT(id, lon, tags) \
    "<node id='" id "' lat='0' lon='" lon "'>" tags "</node>"
#define GATE TAG("barrier", "gate") TAG("access", "private")

/* 2 m are 18 millionths of a degree on the equator. */
static void cuts_at_a_barrier(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        AT("40", "0.040", "") AT("41", "0.041", GATE) AT("42", "0.042", "")
            WAY("1", ND("40") ND("41") ND("42"), STREET));
    assert_int_equal(network->edge_count, 3);
    assert_int_equal(network->node_count, 4);
    assert_int_equal(network->nodes[3].id, OSM_BARRIER_PLACE + 41);
    assert_int_equal(network->nodes[3].at.lon_e6, 41000 - 18);
    assert_string_equal(network->nodes[1].barrier, "gate access=private");
    assert_int_equal(network->edges[0].target, 3);
    assert_int_equal(network->edges[1].source, 3);
    assert_int_equal(network->edges[1].target, 1);
    assert_int_equal(network->edges[2].source, 1);
    assert_null(network->edges[0].barrier);
    assert_string_equal(network->edges[1].barrier, "gate access=private");
    assert_near((double)network->edges[1].length_m, 2, 0.06);
    assert_near(network->length_m, 2 * STEP_M, 0.05);
    /* both sides are driven, the gate is not */
    assert_int_equal(patrol_ms(network, 1, true), 0);
    assert_int_not_equal(patrol_ms(network, 0, true), 0);
    assert_int_not_equal(patrol_ms(network, 2, false), 0);
    assert_int_equal(tally(network, "barriers across a street"), 1);
    osm_network_free(network);
}

static void cuts_once_where_two_ways_meet_at_a_barrier(void **state)
{
    (void)state;
    /* both ways begin at the barrier: the lower one gives the room */
    struct osm_network *network = read_ways(
        AT("40", "0.040", "") AT("41", "0.041", TAG("barrier", "bollard"))
            AT("42", "0.042", "") WAY("1", ND("41") ND("40"), STREET)
                WAY("2", ND("41") ND("42"), STREET));
    assert_int_equal(network->edge_count, 3);
    assert_string_equal(network->edges[0].barrier, "bollard");
    assert_int_equal(source(network, 0), 41);
    assert_int_equal(target(network, 0), OSM_BARRIER_PLACE + 41);
    assert_int_equal(source(network, 1), OSM_BARRIER_PLACE + 41);
    assert_int_equal(target(network, 1), 40);
    assert_int_equal(source(network, 2), 41);
    osm_network_free(network);
    /* one behind the other, 3 m apart; a closed way */
    network = read_ways(
        AT("40", "0.040", "") AT("41", "0.041", TAG("barrier", "bollard"))
            AT("42", "0.041027", TAG("barrier", "bollard"))
                AT("43", "0.043", "")
                    WAY("1", ND("40") ND("41") ND("42") ND("43"), STREET)
                        WAY("2", ND("1") ND("2") ND("50") ND("1"), STREET)
                            AT("50", "0.050", GATE));
    assert_int_equal(network->edge_count, 5 + 3);
    assert_near((double)network->edges[3].length_m, 1, 0.06);
    assert_near(network->length_m, 3 * STEP_M + (1 + 48 + 49) * STEP_M, 0.2);
    osm_network_free(network);
}

static void barriers_whose_street_is_not_known(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        AT("41", "0.041", GATE) AT("42", "0.042", GATE)
            AT("44", "0.044", TAG("barrier", "cattle_grid"))
                WAY("1", ND("1") ND("41") ND("2"), STREET)
                    WAY("2", ND("41") ND("3"), STREET)
                        WAY("3", ND("4") ND("42"), STREET)
                            WAY("4", ND("5") ND("44") ND("6"), STREET));
    assert_int_equal(network->edge_count, 5);
    assert_int_equal(
        tally(network, "barriers where three or more meet, not used"), 1);
    assert_int_equal(
        tally(network, "barriers at the end of a street, not used"), 1);
    osm_network_free(network);
}

/* highway=traffic_signals, stop and give_way of the wiki: signals stop both
 * directions unless they say; a sign those who come to the nearer end. */
static void counts_what_stands_on_the_way(void **state)
{
    (void)state;
    struct osm_network *network = read_ways(
        AT("41", "0.041", TAG("highway", "traffic_signals")) AT(
            "42", "0.042",
            TAG("highway", "traffic_signals")
                TAG("traffic_signals:direction", "backward"))
            AT("43", "0.043", TAG("highway", "stop")) AT(
                "44", "0.044",
                TAG("highway", "crossing") TAG("crossing", "zebra"))
                AT("45", "0.045",
                   TAG("highway", "crossing")
                       TAG("crossing", "traffic_signals"))
                    AT("46", "0.046",
                       TAG("highway", "give_way") TAG("direction", "backward"))
                        AT("47", "0.047", TAG("highway", "stop")) AT(
                            "48", "0.048", TAG("traffic_calming", "hump"))
                            AT("49", "0.049", TAG("highway", "mini_roundabout"))
                                AT("40", "0.040", TAG("highway", "stop"))
                                    WAY("1",
                                        ND("40") ND("41") ND("42") ND("43")
                                            ND("44") ND("45") ND("46") ND("47")
                                                ND("48") ND("4"
                                                            "9"),
                                        STREET));
    assert_int_equal(network->edge_count, 1);
    const struct osm_edge *edge = &network->edges[0];
    assert_int_equal(edge->signals[0], 2);
    assert_int_equal(edge->signals[1], 3);
    assert_int_equal(edge->stops[0], 1); /* at 47, the nearer end is 49 */
    assert_int_equal(edge->stops[1], 1);
    assert_int_equal(edge->give_ways[0], 0);
    assert_int_equal(edge->give_ways[1], 1);
    assert_int_equal(edge->crossings, 1);
    assert_int_equal(edge->calmings, 1);
    assert_int_equal(network->nodes[0].control, OSM_STOP);
    assert_int_equal(network->nodes[1].control, OSM_MINI_ROUNDABOUT);
    osm_network_free(network);
}

/* ----------------------------------------------------------------- facts */
static void keeps_what_profiles_judge(void **state)
{
    (void)state;
    struct only only;
    read_only(STREET TAG("surface", "sett") TAG("lanes", "3") TAG("layer", "-1")
                  TAG("tunnel", "yes") TAG("bridge", "no")
                      TAG("access", "no; delivery") TAG("bus", "yes")
                          TAG("oneway", "yes") TAG("oneway:bus", "no"),
              &only);
    assert_string_equal(only.access, "access=no;delivery bus=yes");
    assert_int_equal(only.street.lanes, 3);
    assert_int_equal(only.street.layer, -1);
    assert_true(only.street.tunnel);
    assert_false(only.street.bridge);
    assert_false(only.street.roundabout);
    assert_int_equal(only.street.oneway, PROFILE_FORWARD);
    assert_string_equal(only.except, "bus");
    read_only(STREET TAG("oneway", "-1") TAG("busway", "opposite_lane")
                  TAG("oneway:emergency", "no") TAG("lanes", "many"),
              &only);
    assert_int_equal(only.street.oneway, PROFILE_BACKWARD);
    assert_string_equal(only.except, "bus emergency");
    assert_int_equal(only.street.lanes, 0);
    read_only(STREET TAG("junction", "circular"), &only);
    assert_true(only.street.roundabout);
}

static void says_what_holds_at_some_hours_only(void **state)
{
    (void)state;
    /* a gate, too; but not what is no barrier */
    struct osm_network *network = read_ways(
        AT("41", "0.041", GATE TAG("access:conditional", "no @ (22:00-06:00)"))
            AT("42", "0.042", TAG("access:conditional", "no @ (22:00-06:00)"))
                WAY("1", ND("1") ND("41") ND("42") ND("2"),
                    STREET TAG("access:conditional", "no @ (Mo-Fr)")
                        TAG("motor_vehicle:conditional", "no @ (Sa)")
                            TAG("maxspeed:conditional", "30 @ (22:00-06:00)"))
                    WAY("2", ND("3") ND("4"),
                        STREET TAG("oneway:conditional", "yes @ (Mo-Fr)") TAG(
                            "motor_vehicle:backward:conditional", "no @ (Sa)"))
                        WAY("3", ND("5") ND("6"),
                            TAG("route", "ferry") TAG("highway", "service")));
    assert_int_equal(
        tally(network, "access:conditional and the like passed over"), 3);
    assert_int_equal(tally(network, "maxspeed:conditional passed over"), 1);
    assert_int_equal(tally(network, "oneway:conditional passed over"), 1);
    assert_int_equal(tally(network, "ways skipped: ferry or car train"), 1);
    assert_int_equal(network->edge_count, 4);
    osm_network_free(network);
}

/* ----------------------------------------------------------------- parts */
static void finds_islands(void **state)
{
    (void)state;
    struct osm_network *network =
        read_ways(WAY("1", ND("1") ND("2") ND("3"), STREET)
                      WAY("2", ND("2") ND("4"), STREET)
                  /* no way back from 7, and none into 9 */
                  WAY("3", ND("3") ND("7"), STREET TAG("oneway", "yes"))
                      WAY("4", ND("9") ND("1"), STREET TAG("oneway", "yes"))
                          WAY("5", ND("5") ND("6"), STREET)
                              WAY("6", ND("10") ND("12"), STREET)
                                  WAY("7", ND("12") ND("11"),
                                      STREET TAG("access", "private")));
    uint32_t ms[8][2];
    struct osm_parts parts = {0};
    assert_int_equal(network->edge_count, 8);
    for (size_t e = 0; e < 8; e++) {
        ms[e][0] = patrol_ms(network, e, true);
        ms[e][1] = patrol_ms(network, e, false);
    }
    assert_int_equal(osm_find_parts(network, (const uint32_t(*)[2])ms, &parts),
                     PT_OK);
    assert_int_equal(parts.count, 3);
    assert_int_equal(parts.items[0].edge_count, 3);
    assert_near(parts.items[0].length_m, (1 + 1 + 2) * STEP_M, 0.05);
    assert_int_equal(parts.items[1].edge_count, 1);
    assert_near(parts.items[1].length_m, 2 * STEP_M, 0.05);
    assert_int_equal(parts.items[1].at.lon_e6, 10000);
    assert_int_equal(parts.items[2].edge_count, 1);
    for (size_t n = 0; n < network->node_count; n++) {
        int64_t id = network->nodes[n].id;
        uint32_t expected = id <= 4                ? 0
                            : id == 5 || id == 6   ? 2
                            : id == 10 || id == 12 ? 1
                                                   : UINT32_MAX;
        assert_int_equal(parts.of_node[n], expected);
    }
    osm_parts_clear(&parts);
    osm_parts_clear(&parts);
    osm_network_free(network);
}

/* ----------------------------------------------------------------- files */
static void reads_gzip_and_bzip2(void **state)
{
    (void)state;
    const char *text = document("", WAY("1", ND("1") ND("2"), STREET));
    snprintf(path, sizeof path, "%s/a.osm.gz", place);
    gzFile gz = gzopen(path, "wb");
    assert_int_equal(gzwrite(gz, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(gz), Z_OK);
    struct osm_network *network = read_file();
    assert_int_equal(network->edge_count, 1);
    osm_network_free(network);

    /* Two streams one behind the other, as pbzip2 writes them. */
    char packed[20000];
    unsigned half = (unsigned)strlen(text) / 2;
    unsigned first = sizeof packed;
    assert_int_equal(
        BZ2_bzBuffToBuffCompress(packed, &first, (char *)text, half, 9, 0, 0),
        BZ_OK);
    unsigned second = (unsigned)sizeof packed - first;
    assert_int_equal(
        BZ2_bzBuffToBuffCompress(packed + first, &second, (char *)text + half,
                                 (unsigned)strlen(text) - half, 9, 0, 0),
        BZ_OK);
    write_bytes("a.osm.bz2", packed, first + second);
    network = read_file();
    assert_int_equal(network->edge_count, 1);
    osm_network_free(network);

    write_bytes("short.osm.bz2", packed, first + second - 20);
    assert_int_equal(read_error(), PT_E_CORRUPT);
    write_bytes("plain.osm.gz", text, strlen(text));
    assert_int_equal(read_error(), PT_E_CORRUPT);
}

static void leaves_nothing_in_tmpdir(void **state)
{
    (void)state;
    char directory[160];
    snprintf(directory, sizeof directory, "%s/tmp", place);
    assert_int_equal(mkdtemp(strcat(directory, "XXXXXX")) != NULL, 1);
    setenv("TMPDIR", directory, 1);
    reads_gzip_and_bzip2(state);
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(directory), 0); /* fails unless empty */
}

static void damaged_gzip(void **state)
{
    (void)state;
    const char *text = document("", WAY("1", ND("1") ND("2"), STREET));
    char name[128];
    snprintf(path, sizeof path, "%s/b.osm.gz", place);
    gzFile gz = gzopen(path, "wb");
    gzwrite(gz, text, (unsigned)strlen(text));
    gzclose(gz);
    char bytes[20000];
    FILE *file = fopen(path, "r");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    snprintf(name, sizeof name, "c.osm.gz");
    write_bytes(name, bytes, size - 12);
    assert_int_equal(read_error(), PT_E_CORRUPT);
    bytes[size / 2] ^= 0x55;
    write_bytes(name, bytes, size);
    assert_int_equal(read_error(), PT_E_CORRUPT);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/absent.osm", place);
    assert_int_equal(read_error(), PT_E_DISK);
    assert_non_null(strstr(message, "No such file"));
    snprintf(path, sizeof path, "%s", place);
    assert_int_equal(read_error(), PT_E_RANGE); /* its ending */
    write_bytes("empty.osm", "", 0);
    assert_int_equal(read_error(), PT_E_CORRUPT);
    assert_non_null(strstr(message, "empty"));
    write_bytes("cut.osm", "<osm><node id='1'", 17);
    assert_int_equal(read_error(), PT_E_CORRUPT);
    write_bytes("garbage.osm.pbf", "garbage garbage garbage", 23);
    assert_int_equal(read_error(), PT_E_CORRUPT);
    const char *text =
        document("", WAY("1", ND("1") ND("2"), TAG("highway", "footway")));
    write_bytes("foot.osm", text, strlen(text));
    assert_int_equal(read_error(), PT_E_NOTFOUND);
    assert_non_null(strstr(message, "no drivable road"));
    text = document("", "<node id='77' lat='91' lon='0'/>" WAY(
                            "1", ND("1") ND("77"), STREET));
    write_bytes("pole.osm", text, strlen(text));
    assert_int_equal(read_error(), PT_E_CORRUPT);
    assert_non_null(strstr(message, "node 77"));
    text = "<osm>" WAY("1", ND("1") ND("2"), STREET) "</osm>";
    write_bytes("nodes.osm", text, strlen(text));
    assert_int_equal(read_error(), PT_E_CORRUPT);
}

/* Messages by hand, after wiki.openstreetmap.org/wiki/PBF_Format: BlobHeader
 * {1: type, 3: datasize}, Blob {1: raw}. */
static size_t put_blob(unsigned char *out, const char *type,
                       const unsigned char *raw, unsigned char raw_size)
{
    unsigned char type_size = (unsigned char)strlen(type);
    unsigned char *at = out;
    memcpy(at, "\0\0\0", 3);
    at[3] = (unsigned char)(type_size + 4);
    at[4] = 0x0a;
    at[5] = type_size;
    memcpy(at + 6, type, type_size);
    at += 6 + type_size;
    *at++ = 0x18;
    *at++ = (unsigned char)(raw_size + 2);
    *at++ = 0x0a;
    *at++ = raw_size;
    memcpy(at, raw, raw_size);
    return (size_t)(at - out) + raw_size;
}

static void refuses_a_pbf_it_would_misread(void **state)
{
    (void)state;
    unsigned char bytes[300];
    /* HeaderBlock {4: required_features, 5: optional_features} */
    static const unsigned char history[] = "\x22\x15HistoricalInformation";
    static const unsigned char on_ways[] = "\x22\x0e"
                                           "OsmSchema-V0.6\x2a\x0f"
                                           "LocationsOnWays";
    static const unsigned char plain[] = "\x22\x0e"
                                         "OsmSchema-V0.6\x22\x0a"
                                         "DenseNodes";
    /* PrimitiveBlock {17: granularity = 1000, 19: lat_offset = 5} */
    static const unsigned char coarse[] = {0x88, 0x01, 0xe8, 0x07};
    static const unsigned char moved[] = {0x98, 0x01, 0x05};
    static const unsigned char usual[] = {0x88, 0x01, 0x64, 0x98, 0x01, 0x00};
    write_bytes("h.osm.pbf", bytes,
                put_blob(bytes, "OSMHeader", history, sizeof history - 1));
    assert_int_equal(read_error(), PT_E_MALFORMED);
    assert_non_null(strstr(message, "\"HistoricalInformation\""));
    write_bytes("l.osm.pbf", bytes,
                put_blob(bytes, "OSMHeader", on_ways, sizeof on_ways - 1));
    assert_int_equal(read_error(), PT_E_MALFORMED);
    assert_non_null(strstr(message, "\"LocationsOnWays\""));
    size_t header = put_blob(bytes, "OSMHeader", plain, sizeof plain - 1);
    write_bytes("g.osm.pbf", bytes,
                header +
                    put_blob(bytes + header, "OSMData", coarse, sizeof coarse));
    assert_int_equal(read_error(), PT_E_MALFORMED);
    assert_non_null(strstr(message, "granularity"));
    write_bytes("o.osm.pbf", bytes,
                header +
                    put_blob(bytes + header, "OSMData", moved, sizeof moved));
    assert_int_equal(read_error(), PT_E_MALFORMED);
    write_bytes("u.osm.pbf", bytes,
                header +
                    put_blob(bytes + header, "OSMData", usual, sizeof usual));
    assert_int_not_equal(read_error(), PT_E_MALFORMED); /* it is empty */
}

static void survives_any_allocation_that_fails(void **state)
{
    (void)state;
    const char *text =
        document("", CROSSING RULE("70", FROM_TO("1", "2"),
                                   TAG("restriction", "only_straight_on"))
                         WAY("9", ND("8") ND("9"), STREET TAG("name", "A")));
    struct osm_network *network = NULL;
    enum pt_err err = PT_E_NOMEM;
    int tries = 0;
    write_bytes("memory.osm", text, strlen(text));
    for (; err != PT_OK; tries++) {
        fail_alloc_after((size_t)tries);
        err = osm_read(path, NULL, NULL, &network, message, sizeof message);
        fail_alloc_never();
        if (err != PT_OK) {
            assert_int_equal(err, PT_E_NOMEM);
            assert_non_null(strstr(message, "out of memory"));
            assert_null(network);
        }
    }
    assert_true(tries > 12); /* there are as many arrays */
    assert_int_equal(network->turn_count, 3);
    osm_network_free(network);
}

struct seen {
    double last;
    int calls;
    bool ended;
};

static void watch(void *context, double share, const char *phase)
{
    struct seen *seen = context;
    assert_true(share >= 0 && share <= 1);
    assert_non_null(phase);
    seen->calls++;
    seen->ended = share >= 1;
}

static void tells_progress(void **state)
{
    (void)state;
    struct osm_network *network = NULL;
    struct seen seen = {0};
    const char *text = document("", WAY("1", ND("1") ND("2"), STREET));
    write_bytes("progress.osm", text, strlen(text));
    assert_int_equal(
        osm_read(path, watch, &seen, &network, message, sizeof message), PT_OK);
    assert_true(seen.calls >= 2);
    assert_true(seen.ended);
    osm_network_free(network);
}

static int setup(void **state)
{
    (void)state;
    if (profiles_parse(profiles_built_in, "built-in", &profiles, message,
                       sizeof message) != PT_OK)
        return -1;
    return mkdtemp(place) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    profiles_free(profiles);
    snprintf(command, sizeof command, "rm -rf '%s'", place);
    return system(command); /* NOLINT: a path of our own making */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_at_junctions),
        cmocka_unit_test(keeps_loops_and_ways_that_meet_themselves),
        cmocka_unit_test(cuts_where_nodes_are_missing),
        cmocka_unit_test(survives_repeats),
        cmocka_unit_test(order_in_the_file_does_not_matter),
        cmocka_unit_test(only_roads_for_cars),
        cmocka_unit_test(the_most_specific_access_wins),
        cmocka_unit_test(one_ways),
        cmocka_unit_test(speeds),
        cmocka_unit_test(limits_of_every_kind),
        cmocka_unit_test(says_which_maxspeed_was_tagged),
        cmocka_unit_test(cuts_names),
        cmocka_unit_test(forbids_turns),
        cmocka_unit_test(takes_lists_of_prohibitions),
        cmocka_unit_test(only_forbids_all_others),
        cmocka_unit_test(forbids_u_turns),
        cmocka_unit_test(no_entry_may_have_several_from),
        cmocka_unit_test(counts_restrictions_it_does_not_use),
        cmocka_unit_test(needs_no_ban_where_one_ways_forbid),
        cmocka_unit_test(forbids_over_a_way),
        cmocka_unit_test(only_over_a_way_forbids_the_other_exits),
        cmocka_unit_test(a_via_way_may_be_cut_or_many),
        cmocka_unit_test(exceptions_that_differ_are_none),
        cmocka_unit_test(cuts_at_a_barrier),
        cmocka_unit_test(cuts_once_where_two_ways_meet_at_a_barrier),
        cmocka_unit_test(barriers_whose_street_is_not_known),
        cmocka_unit_test(counts_what_stands_on_the_way),
        cmocka_unit_test(keeps_what_profiles_judge),
        cmocka_unit_test(says_what_holds_at_some_hours_only),
        cmocka_unit_test(finds_islands),
        cmocka_unit_test(reads_gzip_and_bzip2),
        cmocka_unit_test(leaves_nothing_in_tmpdir),
        cmocka_unit_test(damaged_gzip),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(refuses_a_pbf_it_would_misread),
        cmocka_unit_test(survives_any_allocation_that_fails),
        cmocka_unit_test(tells_progress),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

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

static int64_t source(const struct osm_network *network, size_t edge)
{
    return network->nodes[network->edges[edge].source].id;
}

static int64_t target(const struct osm_network *network, size_t edge)
{
    return network->nodes[network->edges[edge].target].id;
}

/* The only edge of one way with these tags; NULL when it was left out (a
 * second way keeps the file from being empty). */
static struct osm_edge only_edge(const char *tags, bool *kept)
{
    char ways[2000];
    snprintf(ways, sizeof ways,
             WAY("1", ND("1") ND("2"), "%s") WAY("2", ND("5") ND("6"), STREET),
             tags);
    struct osm_network *network = read_ways(ways);
    struct osm_edge edge = network->edges[0];
    *kept = network->edge_count == 2;
    if (!*kept)
        assert_int_equal(edge.way_id, 2);
    edge.name = NULL;
    edge.ref = NULL;
    osm_network_free(network);
    return edge;
}

static void assert_left_out(const char *tags)
{
    bool kept;
    only_edge(tags, &kept);
    if (kept)
        fail_msg("kept: %s", tags);
}

static void assert_directions(const char *tags, bool forward, bool backward)
{
    bool kept;
    struct osm_edge edge = only_edge(tags, &kept);
    if (!kept || (edge.forward_ms > 0) != forward ||
        (edge.backward_ms > 0) != backward)
        fail_msg("%s: kept %d forward %u backward %u", tags, kept,
                 edge.forward_ms, edge.backward_ms);
}

static void assert_ms(const char *tags, uint32_t forward, uint32_t backward)
{
    bool kept;
    struct osm_edge edge = only_edge(tags, &kept);
    assert_true(kept);
    assert_int_equal(edge.forward_ms, forward);
    assert_int_equal(edge.backward_ms, backward);
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
    assert_int_equal(network->edges[0].forward_ms, 32060);
    assert_string_equal(network->edges[1].name, "Calle 1");
    assert_string_equal(network->edges[1].ref, "A1");
    assert_string_equal(network->edges[1].highway, "residential");
    assert_null(network->edges[2].name);
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
    assert_int_equal(network->edges[1].forward_ms, 1);
    assert_int_equal(tally(network, "edges without length, 1 ms used"), 1);
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
        assert_string_equal(a->edges[i].name, b->edges[i].name);
    }
    osm_network_free(a);
    osm_network_free(b);
}

/* --------------------------------------------------------- who may drive */
static void only_roads_for_cars(void **state)
{
    (void)state;
    static const char *const out[] = {
        "pedestrian", "footway",      "path",     "steps",   "cycleway",
        "track",      "construction", "proposed", "raceway", "busway",
        "bridleway",  "corridor",     "platform", "escape",  "rest_area"};
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
    assert_left_out(TAG("building", "yes"));
    assert_left_out(STREET TAG("area", "yes"));
    assert_left_out(STREET TAG("smoothness", "impassable"));
    assert_left_out(TAG("route", "ferry"));
}

static void the_most_specific_access_wins(void **state)
{
    (void)state;
    assert_left_out(STREET TAG("access", "no"));
    assert_left_out(STREET TAG("access", "private"));
    assert_left_out(STREET TAG("vehicle", "no"));
    assert_left_out(STREET TAG("access", "yes") TAG("motor_vehicle", "no"));
    assert_left_out(STREET TAG("motor_vehicle", "agricultural;forestry"));
    assert_left_out(STREET TAG("vehicle", "yes") TAG("motorcar", "private"));
    assert_directions(STREET TAG("access", "no") TAG("motor_vehicle", "yes"),
                      true, true);
    assert_directions(STREET TAG("vehicle", "no") TAG("motorcar", "permit"),
                      true, true);
    assert_directions(STREET TAG("access", "destination"), true, true);
    assert_directions(STREET TAG("access", "customers"), true, true);
    assert_directions(STREET TAG("access", "no;delivery"), true, true);
    assert_directions(STREET TAG("bicycle", "no"), true, true);
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
    assert_left_out(STREET TAG("oneway", "reversible"));
    assert_left_out(STREET TAG("oneway", "alternating"));
}

/* 111.3195 m * 3600 / km/h, in ms */
static void speeds(void **state)
{
    (void)state;
    assert_ms(STREET, 16030, 16030);
    assert_ms(TAG("highway", "motorway") TAG("oneway", "no"), 4453, 4453);
    assert_ms(TAG("highway", "living_street"), 40075, 40075);
    assert_ms(STREET TAG("maxspeed", "50"), 8015, 8015);
    assert_ms(STREET TAG("maxspeed", "50 km/h"), 8015, 8015);
    assert_ms(STREET TAG("maxspeed", "30 mph"), 8300, 8300); /* 48.28 km/h */
    assert_ms(STREET TAG("maxspeed", "30mph"), 8300, 8300);
    assert_ms(STREET TAG("maxspeed", "10 knots"), 21639, 21639); /* 18.52 */
    assert_ms(STREET TAG("maxspeed", "7.5"), 53433, 53433);
    assert_ms(STREET TAG("maxspeed", "none"), 3083, 3083);   /* 130 km/h */
    assert_ms(STREET TAG("maxspeed", "walk"), 57250, 57250); /* 7 km/h */
    assert_ms(STREET TAG("maxspeed", "RU:urban"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed", "0"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed", "5000"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed", "50;30"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed", "-50"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed", "99999999999999999999"), 16030, 16030);
    assert_ms(STREET TAG("maxspeed:forward", "50")
                  TAG("maxspeed:backward", "100"),
              8015, 4008);
    assert_ms(STREET TAG("maxspeed", "50") TAG("maxspeed:backward", "100"),
              8015, 4008);
    assert_ms(STREET TAG("maxspeed:forward", "50"), 8015, 16030);
}

static void says_which_maxspeed_was_tagged(void **state)
{
    (void)state;
    bool kept;
    struct osm_edge edge =
        only_edge(STREET TAG("maxspeed:forward", "30 mph"), &kept);
    assert_near(edge.maxspeed_forward_kmh, 48.28032, 0.001);
    assert_near(edge.maxspeed_backward_kmh, 0, 0);
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
    assert_int_equal(strlen(network->edges[0].name), 2 * 255);
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
    assert_int_equal(tally(network, "restrictions skipped: via a way"), 1);
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
        tally(network,
              "restrictions skipped: member goes on beyond the via node"),
        1);
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
    return mkdtemp(place) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
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
        cmocka_unit_test(says_which_maxspeed_was_tagged),
        cmocka_unit_test(cuts_names),
        cmocka_unit_test(forbids_turns),
        cmocka_unit_test(only_forbids_all_others),
        cmocka_unit_test(forbids_u_turns),
        cmocka_unit_test(no_entry_may_have_several_from),
        cmocka_unit_test(counts_restrictions_it_does_not_use),
        cmocka_unit_test(needs_no_ban_where_one_ways_forbid),
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

/* closures: streets as people type them, pieces found again on other maps of
 * the same town, and what is closed when. */
#include "closures.h"
#include "fail_alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_EDGES 400
#define MAX_POINTS 64
#define NOW_MS INT64_C(1718000000000)

/* --------------------------------------------------------------- the streets
 */
struct town {
    size_t edges;
    struct roads_edge_row rows[MAX_EDGES];
    struct geo_point points[MAX_EDGES][MAX_POINTS];
};

static struct geo_point at(double east_m, double north_m)
{
    struct geo_plane plane =
        geo_plane_at((struct geo_point){23130000, -82380000});
    return geo_from_plane(&plane, east_m, north_m);
}

/* 10 m/s both ways, from one place to another. */
static uint32_t street(struct town *t, int64_t way, const char *name,
                       int64_t from, struct geo_point a, int64_t to,
                       struct geo_point b)
{
    uint32_t edge = (uint32_t)t->edges++;
    double length_m = geo_distance_m(a, b);
    assert_true(t->edges <= MAX_EDGES);
    t->points[edge][0] = a;
    t->points[edge][1] = b;
    t->rows[edge] = (struct roads_edge_row){
        .way_id = way,
        .source = from,
        .target = to,
        .name = name,
        .forward_ms = (uint32_t)(length_m * 100),
        .backward_ms = (uint32_t)(length_m * 100),
        .length_m = (float)length_m,
        .points = t->points[edge],
        .point_count = 2,
    };
    return edge;
}

static struct roads *make(struct town *t)
{
    struct roads *roads = NULL;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = t->rows,
                                                    .edge_count = t->edges},
                               &roads),
                     PT_OK);
    return roads;
}

/* Columns 0..4 are the calles K L M N O, 100 m apart, rows 0..2 the streets
 * Calle 21, 23, 25; way 100 + row and 200 + column; junctions 10 * row +
 * column; `east_m` moves it all, `more` is added to the ids. Edges of a row
 * are first: 4 * row + column leads east from there. */
static const char *const row_names[] = {"Calle 21", "Calle 23", "Calle 25"};
static const char *const column_names[] = {"Calle K", "Calle L", "Calle M",
                                           "Calle Ñ", "Avenida de los Niños"};

static void draw_grid(struct town *t, double east_m, int64_t more)
{
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 4; column++)
            (void)street(t, more + 100 + row, row_names[row],
                         more + 10 * row + column,
                         at(east_m + 100 * column, 100 * row),
                         more + 10 * row + column + 1,
                         at(east_m + 100 * (column + 1), 100 * row));
    for (int column = 0; column < 5; column++)
        for (int row = 0; row < 2; row++)
            (void)street(t, more + 200 + column, column_names[column],
                         more + 10 * row + column,
                         at(east_m + 100 * column, 100 * row),
                         more + 10 * (row + 1) + column,
                         at(east_m + 100 * column, 100 * (row + 1)));
}

/* The grid alone, where it begins. */
static struct roads *make_grid(struct town *t)
{
    memset(t, 0, sizeof(*t));
    draw_grid(t, 0, 0);
    return make(t);
}

static enum pt_err find(const struct roads *roads, const char *typed,
                        struct closures_found *ret)
{
    return closures_find(roads, &(struct closures_wish){.street = typed}, ret);
}

/* The piece from one junction to the next, whichever way it is drawn. */
static void assert_piece(const struct closures_found *found, size_t index,
                         int64_t way, int64_t from, int64_t to)
{
    assert_true(index < found->piece_count);
    const struct closures_piece *piece = &found->pieces[index];
    assert_int_equal(piece->way_id, way);
    assert_int_equal(piece->from_node, from);
    assert_int_equal(piece->to_node, to);
}

/* ----------------------------------------------------------- what is typed */
static void finds_what_lies_between(void **state)
{
    (void)state;
    static struct town t;
    struct closures_found found;
    struct roads *roads = make_grid(&t);
    static const char *const same[] = {
        "Calle 23 between L and M",
        "calle 23 BETWEEN calle l and calle m",
        "Calle 23 entre L y M",
        "calle 23 entre L et M",
        "  Calle  23, between (L) and M ",
        "23 between l and m",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        assert_int_equal(find(roads, same[i], &found), PT_OK);
        assert_int_equal(found.piece_count, 1);
        assert_piece(&found, 0, 101, 11, 12);
        assert_string_equal(found.street, "Calle 23 (Calle L - Calle M)");
        assert_true(found.has_direction);
        assert_memory_equal(&found.pieces[0].points[0], &t.points[5][0],
                            sizeof(struct geo_point));
        closures_found_clear(&found);
    }
    /* forward is from the first to the second */
    assert_int_equal(find(roads, "Calle 23 between N and K", &found), PT_OK);
    assert_int_equal(found.piece_count, 3);
    assert_piece(&found, 0, 101, 13, 12);
    assert_piece(&found, 1, 101, 12, 11);
    assert_piece(&found, 2, 101, 11, 10);
    assert_memory_equal(&found.pieces[0].points[0], &t.points[6][1],
                        sizeof(struct geo_point));
    closures_found_clear(&found);
    assert_int_equal(find(roads, "calle l entre 21 y ninos", &found),
                     PT_E_UNREACHABLE); /* never meets it */
    assert_string_equal(found.missing, "ninos");
    closures_found_clear(&found);
    assert_int_equal(find(roads, "avenida ninos entre 25 y 21", &found), PT_OK);
    assert_int_equal(found.piece_count, 2);
    assert_piece(&found, 1, 204, 14, 4);
    closures_found_clear(&found);
    roads_unref(roads);
}

/* ---- corners */

static size_t corners(const struct roads *roads, const char *typed,
                      struct closures_corner ret[CLOSURES_CORNERS_MAX])
{
    size_t count = 99;
    assert_int_equal(closures_corners(roads, typed, ret, &count), PT_OK);
    return count;
}

static void corners_as_people_say_them(void **state)
{
    (void)state;
    static struct town t;
    struct closures_corner found[CLOSURES_CORNERS_MAX];
    struct roads *roads = make_grid(&t);
    static const char *const same[] = {
        "23 y L",
        "l Y 23",
        "Calle 23 and L",
        "23 et calle L",
        "23 & L",
        "23/L",
        "23 esquina L",
        "23 esquina a L",
        "23, esq. a L",
        "CALLE  23   y   CALLE  L",
        "Cale 23 y L",        /* a letter missing */
        "clale 23 y calle L", /* two swapped */
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        assert_int_equal(corners(roads, same[i], found), 1);
        assert_true(found[0].best);
        assert_memory_equal(&found[0].at, &t.points[5][0],
                            sizeof(struct geo_point)); /* junction 11 */
    }
    assert_int_equal(corners(roads, "23 y L", found), 1);
    assert_string_equal(found[0].street, "Calle 23");
    assert_string_equal(found[0].cross, "Calle L");
    /* accents; of eight letters and more two may be wrong */
    assert_int_equal(corners(roads, "avneida de los ninos y 21", found), 1);
    assert_string_equal(found[0].street, "Avenida de los Niños");
    assert_int_equal(corners(roads, "Ñ y 25", found), 1);
    assert_string_equal(found[0].street, "Calle Ñ");
    roads_unref(roads);
}

static void corners_that_are_none(void **state)
{
    (void)state;
    static struct town t;
    struct closures_corner found[CLOSURES_CORNERS_MAX];
    struct roads *roads = make_grid(&t);
    static const char *const none[] = {
        "",        "y",       " y ",    "23",     "23 y",        "y L",  "23 L",
        "23 y 21", "23 y 23", "23 y Q", "99 y L", "Kale 99 y L", "&&&&",
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_int_equal(corners(roads, none[i], found), 0);
    char longest[2000];
    memset(longest, '&', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(corners(roads, longest, found), 0);
    roads_unref(roads);
}

/* The same grid twice, 5 km apart: each is as good as the other. */
static void corners_of_two_towns(void **state)
{
    (void)state;
    static struct town t;
    struct closures_corner found[CLOSURES_CORNERS_MAX];
    memset(&t, 0, sizeof(t));
    draw_grid(&t, 0, 0);
    draw_grid(&t, 5000, 1000);
    struct roads *roads = make(&t);
    assert_int_equal(corners(roads, "23 y L", found), 2);
    assert_true(found[0].best && found[1].best);
    assert_true(geo_distance_m(found[0].at, found[1].at) > 4900);
    /* every street is a calle: more than there is room for */
    assert_int_equal(corners(roads, "calle y calle", found),
                     CLOSURES_CORNERS_MAX);
    roads_unref(roads);
}

static void says_what_it_does_not_find(void **state)
{
    (void)state;
    static struct town t;
    struct closures_found found;
    struct roads *roads = make_grid(&t);
    const struct {
        const char *typed;
        enum pt_err err;
        const char *missing;
    } cases[] = {
        {"Calle 99 between L and M", PT_E_NOTFOUND, "calle 99"},
        {"Calle 23 between Q and M", PT_E_NOTFOUND, "q"},
        {"Calle 23 between L and R", PT_E_NOTFOUND, "r"},
        {"Calle 23 between 21 and M", PT_E_UNREACHABLE, "21"},
        {"Calle 23 between L and L", PT_E_UNREACHABLE, "l"},
        {"Calle 23 between L", PT_E_MALFORMED, ""},
        {"Calle 23 between and M", PT_E_MALFORMED, ""},
        {"between L and M", PT_E_NOTFOUND, "between l and m"},
        {"", PT_E_MALFORMED, ""},
        {" ,.; ", PT_E_MALFORMED, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(find(roads, cases[i].typed, &found), cases[i].err);
        assert_string_equal(found.missing, cases[i].missing);
        assert_int_equal(found.piece_count, 0);
        closures_found_clear(&found);
    }
    char longest[2000];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(find(roads, longest, &found), PT_E_MALFORMED);
    closures_found_clear(&found);
    struct closures_wish none = {0};
    assert_int_equal(closures_find(roads, &none, &found), PT_E_MALFORMED);
    struct closures_wish two = {.street = "Calle 23", .has_point = true};
    assert_int_equal(closures_find(roads, &two, &found), PT_E_MALFORMED);
    roads_unref(roads);
}

static void several_of_a_name_are_listed(void **state)
{
    (void)state;
    static struct town t;
    struct closures_found found;
    memset(&t, 0, sizeof(t));
    draw_grid(&t, 0, 0);
    draw_grid(&t, 5000, 1000);
    /* only here is there a Calle P */
    (void)street(&t, 1300, "Calle P", 1014, at(5400, 100), 1999, at(5400, 300));
    struct roads *roads = make(&t);
    assert_int_equal(find(roads, "Calle 23 between L and M", &found),
                     PT_E_RANGE);
    assert_int_equal(found.choice_count, 2);
    assert_string_equal(found.choices[0].name, "Calle 23");
    assert_true(geo_distance_m(found.choices[0].at, at(150, 100)) < 1);
    assert_true(geo_distance_m(found.choices[1].at, at(5150, 100)) < 1);
    assert_int_equal(found.piece_count, 0);
    closures_found_clear(&found);
    assert_int_equal(find(roads, "Calle 23", &found), PT_E_RANGE);
    assert_int_equal(found.choice_count, 2);
    closures_found_clear(&found);
    /* no "Calle", and both of "Calle 21" and "Calle 25": too little said */
    assert_int_equal(find(roads, "calle between k and l", &found), PT_E_RANGE);
    assert_int_equal(found.choice_count, 6);
    closures_found_clear(&found);
    assert_int_equal(find(roads, "Calle P", &found), PT_OK);
    assert_int_equal(found.piece_count, 1);
    assert_false(found.has_direction);
    assert_string_equal(found.street, "Calle P");
    closures_found_clear(&found);
    assert_int_equal(find(roads, "Calle 23 between P and N", &found), PT_OK);
    assert_piece(&found, 0, 1101, 1014, 1013);
    closures_found_clear(&found);
    roads_unref(roads);
}

/* Both carriageways, each a way of its own; Calle L crosses both, Calle M
 * begins at a roundabout that is none of its junctions. */
static void a_dual_carriageway_is_one_street(void **state)
{
    (void)state;
    static struct town t;
    struct closures_found found;
    memset(&t, 0, sizeof(t));
    (void)street(&t, 1, "Avenida Central", 1, at(0, 0), 2, at(200, 0));
    (void)street(&t, 1, "Avenida Central", 2, at(200, 0), 3, at(400, 0));
    (void)street(&t, 2, "Avenida Central", 13, at(400, 16), 12, at(200, 16));
    (void)street(&t, 2, "Avenida Central", 12, at(200, 16), 11, at(0, 16));
    (void)street(&t, 3, "Calle L", 2, at(200, 0), 12, at(200, 16));
    (void)street(&t, 3, "Calle L", 12, at(200, 16), 22, at(200, 200));
    (void)street(&t, 4, "Rotonda", 3, at(400, 0), 13, at(400, 16));
    (void)street(&t, 4, "Rotonda", 3, at(400, 0), 31, at(420, 8));
    (void)street(&t, 5, "Calle M", 31, at(420, 8), 32, at(420, 200));
    struct roads *roads = make(&t);
    assert_int_equal(find(roads, "Central between L and M", &found), PT_OK);
    assert_int_equal(found.piece_count, 2);
    assert_piece(&found, 0, 1, 2, 3);
    assert_piece(&found, 1, 2, 12, 13);
    closures_found_clear(&found);
    /* a whole street, both parts */
    assert_int_equal(find(roads, "avenida central", &found), PT_OK);
    assert_int_equal(found.piece_count, 4);
    closures_found_clear(&found);
    roads_unref(roads);
}

static void finds_points_and_ways(void **state)
{
    (void)state;
    static struct town t;
    struct closures_found found;
    struct roads *roads = make_grid(&t);
    struct closures_wish wish = {.has_point = true, .at = at(130, 108)};
    assert_int_equal(closures_find(roads, &wish, &found), PT_OK);
    assert_int_equal(found.piece_count, 1);
    assert_piece(&found, 0, 101, 11, 12);
    assert_false(found.has_direction);
    assert_int_equal(strncmp(found.street, "Calle 23 (23.13", 15), 0);
    closures_found_clear(&found);
    wish.at = at(150, 300);
    assert_int_equal(closures_find(roads, &wish, &found), PT_E_OFFROAD);
    wish.at.lat_e6 = INT32_MAX;
    assert_int_equal(closures_find(roads, &wish, &found), PT_E_MALFORMED);

    const int64_t ways[] = {203, 101};
    wish = (struct closures_wish){.ways = ways, .way_count = 2};
    assert_int_equal(closures_find(roads, &wish, &found), PT_OK);
    assert_int_equal(found.piece_count, 6);
    assert_piece(&found, 0, 203, 3, 13);
    assert_piece(&found, 2, 101, 10, 11);
    assert_true(found.has_direction);
    assert_string_equal(found.street, "way 203, way 101");
    closures_found_clear(&found);
    const int64_t unknown[] = {101, 9};
    wish.ways = unknown;
    assert_int_equal(closures_find(roads, &wish, &found), PT_E_NOTFOUND);
    assert_string_equal(found.missing, "way 9");
    closures_found_clear(&found);
    wish.way_count = CLOSURES_WAYS_MAX + 1;
    assert_int_equal(closures_find(roads, &wish, &found), PT_E_FULL);
    closures_found_clear(&found);
    roads_unref(roads);
}

static void a_street_has_so_many_pieces(void **state)
{
    (void)state;
    static struct roads_edge_row rows[CLOSURES_PIECES_MAX + 1];
    static struct geo_point lines[CLOSURES_PIECES_MAX + 1][2];
    for (size_t i = 0; i <= CLOSURES_PIECES_MAX; i++) {
        lines[i][0] = at((double)i * 20, 0);
        lines[i][1] = at((double)(i + 1) * 20, 0);
        rows[i] = (struct roads_edge_row){
            .way_id = 1,
            .source = (int64_t)i + 1,
            .target = (int64_t)i + 2,
            .forward_ms = 1000,
            .length_m = 20,
            .name = "Vía Blanca",
            .points = lines[i],
            .point_count = 2,
        };
    }
    for (size_t count = CLOSURES_PIECES_MAX; count <= CLOSURES_PIECES_MAX + 1;
         count++) {
        struct roads *roads = NULL;
        struct closures_found found;
        assert_int_equal(
            roads_new(&(struct roads_rows){.edges = rows, .edge_count = count},
                      &roads),
            PT_OK);
        assert_int_equal(find(roads, "via blanca", &found),
                         count > CLOSURES_PIECES_MAX ? PT_E_FULL : PT_OK);
        assert_int_equal(found.piece_count, CLOSURES_PIECES_MAX);
        closures_found_clear(&found);
        roads_unref(roads);
    }
}

/* ------------------------------------------------------------ on a new map */
/* Closed from `from` to `to`, both ways; its line may be borrowed. */
static struct closures *close_piece(int64_t way, int64_t from, int64_t to,
                                    struct geo_point *points, size_t count)
{
    struct closures_piece piece = {way, from, to, count, points};
    struct closure closure = {.closure_id = 7,
                              .closed = true,
                              .from_ms = 0,
                              .until_ms = INT64_MAX,
                              .street = (char *)"Calle 23",
                              .piece_count = 1,
                              .pieces = &piece};
    struct closures *closures = NULL;
    assert_int_equal(closures_new(&closure, 1, &closures), PT_OK);
    return closures;
}

static struct closures_view *view_of(struct closures *closures,
                                     struct roads *roads, int64_t now_ms)
{
    struct closures_view *view = NULL;
    assert_int_equal(closures_view_new(closures, roads, NULL, 0, now_ms, &view),
                     PT_OK);
    return view;
}

static bool is_closed(const struct closures_view *view, uint32_t directed)
{
    size_t count = 0;
    struct roads_metric *const *metrics = closures_view_metrics(view, &count);
    assert_int_equal(count, 1);
    return metrics[0] != NULL &&
           roads_metric_ms(metrics[0], directed) == ROADS_NONE;
}

/* Which edges are closed, one letter each: "-x--". */
static void assert_closed(struct closures *closures, struct town *t,
                          const char *expected)
{
    struct roads *roads = make(t);
    struct closures_view *view = view_of(closures, roads, NOW_MS);
    assert_int_equal(strlen(expected), t->edges);
    for (uint32_t e = 0; e < t->edges; e++) {
        assert_int_equal(is_closed(view, 2 * e), expected[e] == 'x');
        assert_int_equal(is_closed(view, 2 * e + 1), expected[e] == 'x');
    }
    const struct closures_match *match = closures_view_at(view, 0);
    bool found = strchr(expected, 'x') != NULL;
    assert_int_equal(match->lost_count, found ? 0 : 1);
    assert_true(found ? match->lost_m < 1 : match->lost_m > 90);
    closures_view_free(view);
    roads_unref(roads);
}

/* Calle 23 with junctions 1 to 5, 100 m apart; closed from 2 to 3. */
static void is_found_again_on_another_map(void **state)
{
    (void)state;
    static struct town t;
    struct geo_point line[] = {at(100, 0), at(200, 0)};
    struct closures *closures = close_piece(10, 2, 3, line, 2);
    const struct geo_point p[] = {at(0, 0),   at(100, 0), at(200, 0),
                                  at(300, 0), at(400, 0), at(150, 0)};
    memset(&t, 0, sizeof(t));
    /* the same */
    (void)street(&t, 10, "23", 1, p[0], 2, p[1]);
    (void)street(&t, 10, "23", 2, p[1], 3, p[2]);
    (void)street(&t, 10, "23", 3, p[2], 5, p[4]);
    assert_closed(closures, &t, "-x-");
    /* drawn the other way, and moved by 40 m: the ids count */
    t.edges = 0;
    (void)street(&t, 10, "23", 3, at(200, 40), 2, at(100, 40));
    (void)street(&t, 10, "23", 2, at(100, 40), 1, at(0, 40));
    assert_closed(closures, &t, "x-");
    /* a junction more within it */
    t.edges = 0;
    (void)street(&t, 10, "23", 1, p[0], 2, p[1]);
    (void)street(&t, 10, "23", 2, p[1], 9, p[5]);
    (void)street(&t, 10, "23", 9, p[5], 3, p[2]);
    (void)street(&t, 11, "Calle L", 9, p[5], 99, at(150, 100));
    (void)street(&t, 10, "23", 3, p[2], 4, p[3]);
    assert_closed(closures, &t, "-xx--");
    /* a junction less: the whole piece is closed to who drives through */
    t.edges = 0;
    (void)street(&t, 10, "23", 1, p[0], 3, p[2]);
    (void)street(&t, 10, "23", 3, p[2], 5, p[4]);
    assert_closed(closures, &t, "x-");
    /* the way was split, its other half has a new id */
    t.edges = 0;
    (void)street(&t, 10, "23", 1, p[0], 2, p[1]);
    (void)street(&t, 77, "23", 2, p[1], 3, p[2]);
    (void)street(&t, 77, "23", 3, p[2], 4, p[3]);
    assert_closed(closures, &t, "-x-");
    /* drawn anew, 5 m aside, beside another street and one that crosses */
    t.edges = 0;
    (void)street(&t, 80, "23", 801, at(0, 5), 802, at(100, 5));
    (void)street(&t, 80, "23", 802, at(100, 5), 803, at(200, 5));
    (void)street(&t, 81, "21", 811, at(0, 40), 812, at(400, 40));
    (void)street(&t, 82, "L", 821, at(150, -90), 822, at(150, 90));
    assert_closed(closures, &t, "-x--");
    /* no longer there */
    t.edges = 0;
    (void)street(&t, 81, "21", 811, at(0, 40), 812, at(400, 40));
    (void)street(&t, 82, "L", 821, at(150, -90), 822, at(150, 90));
    assert_closed(closures, &t, "--");
    closures_unref(closures);
}

/* Two pieces of one way join the same junctions: the nearer line is meant. */
static void knows_the_sides_of_a_loop(void **state)
{
    (void)state;
    static struct town t;
    struct geo_point west[] = {at(0, 0), at(-50, 50), at(0, 100)};
    struct geo_point east[] = {at(0, 0), at(50, 50), at(0, 100)};
    struct geo_point ring[] = {at(0, 100), at(60, 150), at(0, 200),
                               at(-60, 150), at(0, 100)};
    for (int side = 0; side < 2; side++) {
        memset(&t, 0, sizeof(t));
        (void)street(&t, 10, "x", 1, west[0], 2, west[2]);
        (void)street(&t, 10, "x", 1, west[0], 2, west[2]);
        (void)street(&t, 10, "x", 2, west[2], 2, west[2]);
        memcpy(t.points[0], west, sizeof(west));
        memcpy(t.points[1], east, sizeof(east));
        memcpy(t.points[2], ring, sizeof(ring));
        t.rows[0].point_count = t.rows[1].point_count = 3;
        t.rows[2].point_count = 5;
        t.rows[2].forward_ms = t.rows[2].backward_ms = 5000;
        t.rows[2].length_m = 340;
        struct closures *closures =
            close_piece(10, 1, 2, side == 0 ? west : east, 3);
        assert_closed(closures, &t, side == 0 ? "x--" : "-x-");
        closures_unref(closures);
        closures = close_piece(10, 2, 2, ring, 5);
        assert_closed(closures, &t, "--x");
        closures_unref(closures);
    }
}

/* Marsaglia, "Xorshift RNGs" (2003): the same numbers on every machine. */
static uint64_t random_state = 1;

static uint32_t any(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % below);
}

#define CORNERS 24

struct cut_up {
    size_t count;
    int from[CORNERS], to[CORNERS]; /* corners, of each edge */
};

/* A winding way of corners, cut into edges at random. */
static void cut_way(struct town *t, const struct geo_point *corners,
                    int64_t way, struct cut_up *ret)
{
    t->edges = 0;
    ret->count = 0;
    for (int from = 0; from < CORNERS - 1;) {
        int to = from + 1 + (int)any(5);
        to = to < CORNERS ? to : CORNERS - 1;
        uint32_t e =
            street(t, way, "x", from + 1, corners[from], to + 1, corners[to]);
        double length_m = 0;
        for (int i = from; i <= to; i++) {
            t->points[e][i - from] = corners[i];
            if (i > from)
                length_m += geo_distance_m(corners[i - 1], corners[i]);
        }
        t->rows[e].point_count = (uint32_t)(to - from + 1);
        t->rows[e].length_m = (float)length_m;
        ret->from[ret->count] = from;
        ret->to[ret->count++] = to;
        from = to;
    }
}

static double corners_m(const struct geo_point *corners, int from, int to)
{
    double sum = 0;
    for (int i = from; i < to; i++)
        sum += geo_distance_m(corners[i], corners[i + 1]);
    return sum;
}

/* A way cut in two manners: what is closed on the one is closed on the other
 * where the two pieces are mostly the same, and nowhere else. */
static void finds_what_is_cut_otherwise(void **state)
{
    (void)state;
    static struct town a, b;
    struct cut_up cut_a, cut_b;
    struct geo_point corners[CORNERS];
    unsigned closed = 0, cut = 0;
    for (int round = 0; round < 300; round++) {
        double course_deg = 0;
        corners[0] = at(0, 0);
        for (int i = 1; i < CORNERS; i++) {
            course_deg += (double)any(50) - 25;
            corners[i] = geo_ahead(corners[i - 1], course_deg, 20 + any(80));
        }
        cut_way(&a, corners, 5, &cut_a);
        cut_way(&b, corners, round % 2 == 0 ? 5 : 6, &cut_b);
        size_t e = any((uint32_t)cut_a.count);
        int from = cut_a.from[e], to = cut_a.to[e];
        double piece_m = corners_m(corners, from, to);
        struct closures *closures = close_piece(
            5, from + 1, to + 1, a.points[e], a.rows[e].point_count);
        struct roads *roads = make(&b);
        struct closures_view *view = view_of(closures, roads, NOW_MS);
        for (size_t i = 0; i < cut_b.count; i++) {
            int low = cut_b.from[i] > from ? cut_b.from[i] : from;
            int high = cut_b.to[i] < to ? cut_b.to[i] : to;
            double both_m = low < high ? corners_m(corners, low, high) : 0;
            double edge_m = corners_m(corners, cut_b.from[i], cut_b.to[i]);
            double share = both_m / fmin(edge_m, piece_m);
            bool is = is_closed(view, 2 * (uint32_t)i);
            if (share > 0.65)
                assert_true(is);
            if (share < 0.35)
                assert_false(is);
            closed += is;
            cut += is && share < 0.999;
        }
        closures_view_free(view);
        roads_unref(roads);
        closures_unref(closures);
    }
    assert_true(closed > 300 && cut > 30); /* it was put to the test */
}

/* ------------------------------------------------------------- what is closed
 */
static void each_has_its_time(void **state)
{
    (void)state;
    static struct town t;
    struct geo_point line[] = {at(0, 0), at(100, 0)};
    struct closures_piece piece = {1, 1, 2, 2, line};
    struct closure items[] = {
        {.closure_id = 9,
         .closed = true,
         .from_ms = 1000,
         .until_ms = 2000,
         .street = (char *)"x",
         .piece_count = 1,
         .pieces = &piece},
        {.closure_id = 4,
         .factor = 0.5,
         .from_ms = 500,
         .until_ms = INT64_MAX,
         .street = (char *)"x",
         .piece_count = 1,
         .pieces = &piece},
    };
    struct closures *closures = NULL;
    memset(&t, 0, sizeof(t));
    (void)street(&t, 1, "x", 1, line[0], 2, line[1]);
    t.rows[0].forward_ms = t.rows[0].backward_ms = 10000;
    struct roads *roads = make(&t);
    assert_int_equal(closures_new(items, 2, &closures), PT_OK);
    const struct {
        int64_t now_ms, next_ms;
        uint32_t ms; /* 0: as without closures */
        unsigned in_force;
    } moments[] = {{0, 500, 0, 0},
                   {499, 500, 0, 0},
                   {500, 1000, 20000, 1},
                   {999, 1000, 20000, 1},
                   {1000, 2000, ROADS_NONE, 3},
                   {1999, 2000, ROADS_NONE, 3},
                   {2000, INT64_MAX, 20000, 1}};
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        struct closures_view *view =
            view_of(closures, roads, moments[i].now_ms);
        const struct closures_match *on[4];
        size_t count = 0;
        struct roads_metric *const *metrics =
            closures_view_metrics(view, &count);
        assert_int_equal(closures_view_next_ms(view), moments[i].next_ms);
        if (moments[i].ms == 0)
            assert_null(metrics[0]);
        else
            assert_int_equal(roads_metric_ms(metrics[0], 1), moments[i].ms);
        assert_int_equal(closures_view_count(view), 2);
        assert_int_equal(closures_view_at(view, 0)->closure->closure_id, 4);
        assert_int_equal(closures_view_at(view, 0)->in_force,
                         (moments[i].in_force & 1u) != 0);
        assert_int_equal(closures_view_at(view, 1)->in_force,
                         (moments[i].in_force & 2u) != 0);
        assert_int_equal(closures_view_on(view, 1, on, 4),
                         moments[i].in_force / 2 + moments[i].in_force % 2);
        assert_int_equal(closures_view_on(view, 2, on, 4), 0);
        assert_ptr_equal(closures_view_find(view, 9),
                         closures_view_at(view, 1));
        assert_null(closures_view_find(view, 5));
        assert_null(closures_view_find(view, 10));
        closures_view_free(view);
    }
    closures_unref(closures);
    roads_unref(roads);
}

static void slows_as_it_says(void **state)
{
    (void)state;
    static struct town t;
    struct geo_point line[] = {at(0, 0), at(100, 0)};
    struct geo_point half[] = {at(0, 0), at(50, 0)};
    struct closures_piece pieces[] = {{1, 1, 2, 2, line}, {1, 1, 99, 2, half}};
    memset(&t, 0, sizeof(t));
    (void)street(&t, 1, "x", 1, line[0], 2, line[1]);
    t.rows[0].forward_ms = 10000; /* 100 m at 10 m/s; back at 20 */
    t.rows[0].backward_ms = 5000;
    struct roads *roads = make(&t);
    const struct {
        bool half;
        double factor, speed_mps;
        enum closures_direction direction;
        uint32_t forward_ms, backward_ms;
    } cases[] = {
        {false, 0.5, 0, CLOSURES_BOTH, 20000, 10000},
        {false, 0.25, 0, CLOSURES_FORWARD, 40000, 5000},
        {false, 0, 5, CLOSURES_BOTH, 20000, 20000},
        {false, 0, 15, CLOSURES_BOTH, 10000, 6667}, /* no faster by it */
        {false, 0, 5, CLOSURES_BACKWARD, 10000, 20000},
        {false, 0, 0, CLOSURES_BACKWARD, 10000, ROADS_NONE}, /* closed */
        {true, 0.5, 0, CLOSURES_BOTH, 15000, 7500},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct closure item = {.closure_id = 1,
                               .closed =
                                   cases[i].factor + cases[i].speed_mps == 0.0,
                               .factor = cases[i].factor,
                               .speed_mps = cases[i].speed_mps,
                               .direction = cases[i].direction,
                               .until_ms = INT64_MAX,
                               .street = (char *)"x",
                               .piece_count = 1,
                               .pieces = &pieces[cases[i].half]};
        struct closures *closures = NULL;
        size_t count = 0;
        assert_int_equal(closures_new(&item, 1, &closures), PT_OK);
        struct closures_view *view = view_of(closures, roads, NOW_MS);
        struct roads_metric *const *metrics =
            closures_view_metrics(view, &count);
        /* the lines are of whole 0.1 m */
        assert_true(fabs((double)roads_metric_ms(metrics[0], 0) -
                         (double)cases[i].forward_ms) <= 30);
        assert_true(fabs((double)roads_metric_ms(metrics[0], 1) -
                         (double)cases[i].backward_ms) <= 30);
        closures_view_free(view);
        closures_unref(closures);
    }
    roads_unref(roads);
}

/* Of every profile, in its own times; and of a network that is prepared. */
static void every_profile_has_its_metric(void **state)
{
    (void)state;
    static struct town t;
    struct geo_point line[] = {at(0, 0), at(100, 0)};
    struct closures_piece piece = {1, 1, 2, 2, line};
    const uint32_t fast[] = {4000, 4000, 4000, 4000};
    const struct roads_profile profiles[] = {
        {.name = "patrol"}, {.name = "emergency", .edge_ms = fast}};
    struct closure item = {.closure_id = 1,
                           .factor = 0.5,
                           .until_ms = INT64_MAX,
                           .street = (char *)"x",
                           .piece_count = 1,
                           .pieces = &piece};
    struct closures *closures = NULL;
    struct roads *roads = NULL;
    size_t count = 0;
    memset(&t, 0, sizeof(t));
    (void)street(&t, 1, "x", 1, line[0], 2, line[1]);
    (void)street(&t, 1, "x", 2, line[1], 3, at(200, 0));
    t.rows[0].forward_ms = 10000;
    assert_int_equal(roads_new(&(struct roads_rows){.edges = t.rows,
                                                    .edge_count = 2,
                                                    .profiles = profiles,
                                                    .profile_count = 2},
                               &roads),
                     PT_OK);
    assert_int_equal(closures_new(&item, 1, &closures), PT_OK);
    struct closures_view *view = view_of(closures, roads, NOW_MS);
    struct roads_metric *const *metrics = closures_view_metrics(view, &count);
    assert_int_equal(count, 2);
    assert_int_equal(roads_metric_ms(metrics[0], 0), 20000);
    assert_int_equal(roads_metric_ms(metrics[1], 0), 8000);
    assert_int_equal(roads_metric_ms(metrics[1], 2), 4000);
    assert_true(closures_view_prepared(view)); /* as much as the network is */
    assert_int_equal(roads_prepare(roads), PT_OK);
    assert_false(closures_view_prepared(view));
    closures_view_free(view);
    view = view_of(closures, roads, NOW_MS);
    assert_true(closures_view_prepared(view));
    assert_ptr_equal(closures_view_roads(view), roads);
    assert_ptr_equal(closures_view_of(view), closures);
    assert_null(closures_view_base(view, 0));
    closures_view_free(view);

    /* on learned times of one of them, and of no other network */
    const struct roads_slowing learned[] = {{0, 14000}};
    struct roads_metric *bases[2] = {NULL};
    assert_int_equal(
        roads_metric_slowed(roads_profile(roads, NULL), learned, 1, &bases[0]),
        PT_OK);
    assert_int_equal(
        closures_view_new(closures, roads, bases, 2, NOW_MS, &view), PT_OK);
    assert_ptr_equal(closures_view_base(view, 0), bases[0]);
    metrics = closures_view_metrics(view, &count);
    assert_int_equal(roads_metric_ms(metrics[0], 0), 28000);
    assert_int_equal(roads_metric_ms(metrics[1], 0), 8000);
    closures_view_free(view);
    struct roads *other = make(&t);
    assert_int_equal(
        closures_view_new(closures, other, bases, 2, NOW_MS, &view),
        PT_E_RANGE);
    roads_unref(other);
    roads_metric_unref(bases[0]);
    closures_unref(closures);
    roads_unref(roads);
}

static void words_of_directions(void **state)
{
    (void)state;
    enum closures_direction direction = CLOSURES_BOTH;
    assert_true(closures_direction_parse("backward", &direction));
    assert_int_equal(direction, CLOSURES_BACKWARD);
    assert_string_equal(closures_direction_word(CLOSURES_FORWARD), "forward");
    assert_false(closures_direction_parse("west", &direction));
    closures_unref(NULL);
    closures_view_free(NULL);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    static struct town t;
    struct roads *roads = make_grid(&t);
    enum pt_err err = PT_E_NOMEM;
    size_t fail;
    for (fail = 0; err == PT_E_NOMEM && fail < 400; fail++) {
        struct closures_found found;
        struct closures *closures = NULL;
        struct closures_view *view = NULL;
        fail_alloc_after(fail);
        err = find(roads, "Calle 23 between K and N", &found);
        struct closure item = {.closure_id = 1,
                               .closed = true,
                               .until_ms = INT64_MAX,
                               .street = (char *)"x",
                               .who = (char *)"who",
                               .piece_count = found.piece_count,
                               .pieces = found.pieces};
        if (err == PT_OK)
            err = closures_new(&item, 1, &closures);
        if (err == PT_OK)
            err = closures_view_new(closures, roads, NULL, 0, NOW_MS, &view);
        fail_alloc_never();
        closures_view_free(view);
        closures_unref(closures);
        closures_found_clear(&found);
    }
    assert_int_equal(err, PT_OK);
    assert_true(fail > 20); /* it did fail here and there */
    roads_unref(roads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_lies_between),
        cmocka_unit_test(corners_as_people_say_them),
        cmocka_unit_test(corners_that_are_none),
        cmocka_unit_test(corners_of_two_towns),
        cmocka_unit_test(says_what_it_does_not_find),
        cmocka_unit_test(several_of_a_name_are_listed),
        cmocka_unit_test(a_dual_carriageway_is_one_street),
        cmocka_unit_test(finds_points_and_ways),
        cmocka_unit_test(a_street_has_so_many_pieces),
        cmocka_unit_test(is_found_again_on_another_map),
        cmocka_unit_test(knows_the_sides_of_a_loop),
        cmocka_unit_test(finds_what_is_cut_otherwise),
        cmocka_unit_test(each_has_its_time),
        cmocka_unit_test(slows_as_it_says),
        cmocka_unit_test(every_profile_has_its_metric),
        cmocka_unit_test(words_of_directions),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

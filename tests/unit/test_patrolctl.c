/* The parts of patrolctl that read what others wrote, and its tables. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fail_alloc.h"
#include "patrolctl.h"

/* ----------------------------------------------------------------- text */
static void cleans_what_a_terminal_would_obey(void **state)
{
    (void)state;
    char out[64];
    static const char *const pairs[][2] = {
        {"P-12", "P-12"},
        {"Embajada del Canad\xc3\xa1", "Embajada del Canad\xc3\xa1"},
        {"\x1b[2J\x07 x\r\n", "?[2J? x??"},
        {"a\x7f"
         "b",
         "a?b"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, /* CSI as one character */
        {"\xe2\x80\xae"
         "txt",
         "?txt"}, /* U+202E, right to left from here */
        {"\xff\xc3x", "??x"},
        {"\xed\xa0\x80", "???"}, /* a surrogate */
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(ctl_clean(pairs[i][0], out, sizeof out),
                         strlen(pairs[i][1]));
        assert_string_equal(out, pairs[i][1]);
    }
    /* cut between characters, not inside of one */
    assert_int_equal(ctl_clean("a\xc3\xb1z", out, 3), 1);
    assert_string_equal(out, "a");
}

static void counts_cells(void **state)
{
    (void)state;
    assert_int_equal(ctl_cells("abc"), 3);
    assert_int_equal(ctl_cells("Canad\xc3\xa1"), 6);
    assert_int_equal(ctl_cells("e\xcc\x81"), 1); /* e and an accent */
    assert_int_equal(ctl_cells("\xe4\xb8\xad\xe5\x9b\xbd"), 4); /* wide */
}

/* ---------------------------------------------------------------- table */
static void aligns_columns(void **state)
{
    (void)state;
    struct ctl_table *table = NULL;
    char text[300] = "";
    assert_int_equal(ctl_table_new("name|>metres|note", &table), PT_OK);
    ctl_table_cell(table, "Canad\xc3\xa1");
    ctl_table_format(table, "%d", 7);
    ctl_table_cell(table, NULL);
    ctl_table_cell(table, "X\n\x1b");
    ctl_table_format(table, "%.1f", 1234567.5);
    ctl_table_cell(table, "far");
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_int_equal(ctl_table_print(table, out), PT_OK);
    fclose(out);
    assert_string_equal(text, "name       metres  note\n"
                              "Canad\xc3\xa1          7\n"
                              "X??     1234567.5  far\n");
    ctl_table_free(table);
    assert_int_equal(
        ctl_table_new("1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17", &table),
        PT_E_RANGE);
    ctl_table_free(NULL);
}

/* ------------------------------------------------------------------ csv */
/* Records as "[field][field]|...", faults as "!line:why". */
static const char *read_csv(const char *text, size_t size)
{
    static char shown[4000];
    static char bytes[4000];
    struct ctl_csv csv;
    struct ctl_csv_record record;
    size_t used = 0;
    memcpy(bytes, text, size);
    ctl_csv_start(&csv, bytes, size);
    *shown = 0;
    while (ctl_csv_next(&csv, &record)) {
        if (record.fault != NULL)
            used += (size_t)snprintf(shown + used, sizeof shown - used,
                                     "!%zu:%s", record.line, record.fault);
        for (size_t i = 0; i < record.count; i++)
            used += (size_t)snprintf(shown + used, sizeof shown - used, "[%s]",
                                     record.fields[i]);
        used += (size_t)snprintf(shown + used, sizeof shown - used, "|");
    }
    return shown;
}

#define CSV(text) read_csv(text, sizeof text - 1)

/* RFC 4180, section 2, and what spreadsheets make of it */
static void reads_csv(void **state)
{
    (void)state;
    assert_string_equal(CSV("a,b\r\nc,d\r\n"), "[a][b]|[c][d]|");
    assert_string_equal(CSV("a,b\nc,d"), "[a][b]|[c][d]|");
    assert_string_equal(CSV("\xef\xbb\xbf"
                            "a,,\n"),
                        "[a][][]|");
    assert_string_equal(CSV("\"a,\"\"b\"\"\",\"c\r\nd\"\n"),
                        "[a,\"b\"][c\r\nd]|");
    assert_string_equal(CSV("\"\",\"\"\"\"\n"), "[][\"]|");
    assert_string_equal(CSV("\n\r\n\na\n\n"), "[a]|");
    assert_string_equal(CSV("a\"b,c\n"), "[a\"b][c]|");
    assert_string_equal(CSV(""), "");
    assert_string_equal(CSV("\xef\xbb\xbf"), "");
    assert_string_equal(CSV(","), "[][]|");
    assert_string_equal(CSV("a\rb\r"), "[a]|[b]|");
}

static void goes_on_behind_a_bad_record(void **state)
{
    (void)state;
    assert_string_equal(CSV("a\n\"b\"c,d\ne\n"),
                        "[a]|!2:text behind a closing quote|[e]|");
    /* nothing of what follows may be lost or changed */
    assert_string_equal(CSV("a\n\"b,c\nd,\"\"e\nf\n"),
                        "[a]|!2:a quote is not closed|"
                        "!3:text behind a closing quote|[f]|");
    assert_string_equal(CSV("a\nb\0c\nd\n"), "[a]|!2:a zero byte|[d]|");
    char many[600];
    memset(many, ',', 300);
    strcpy(many + 300, "\nz\n");
    assert_string_equal(read_csv(many, strlen(many)),
                        "!1:more than 256 fields|[z]|");
}

static void counts_lines_within_quotes(void **state)
{
    (void)state;
    assert_string_equal(CSV("\"1\n2\n3\",x\n\"y"),
                        "[1\n2\n3][x]|!4:a quote is not closed|");
}

/* --------------------------------------------------------------- places */
static char message[200];

static struct ctl_places missions_csv(const char *text)
{
    struct ctl_places places = {0};
    static char bytes[8000];
    strcpy(bytes, text);
    assert_int_equal(
        ctl_missions_csv(bytes, strlen(text), &places, message, sizeof message),
        PT_OK);
    return places;
}

static void assert_fault(const struct ctl_places *places, size_t index,
                         size_t where, const char *text)
{
    assert_true(index < places->fault_count);
    assert_int_equal(places->faults[index].where, where);
    assert_string_equal(places->faults[index].text, text);
}

static void reads_missions_from_csv(void **state)
{
    (void)state;
    struct ctl_places places = missions_csv(
        "\xef\xbb\xbfsending_state,TYPE, Latitude ,longitude,wikidata_qid\r\n"
        "Algeria,embassy,23.1191,-82.4256,Q1\r\n"
        "\"Bolivia,  \n Plurinational State of\",,-16.5,-68.15,\r\n");
    assert_int_equal(places.fault_count, 0);
    assert_int_equal(places.count, 2);
    assert_string_equal(places.unit, "line");
    assert_string_equal(places.places[0].name, "Algeria");
    assert_string_equal(places.places[0].kind, "embassy");
    assert_string_equal(places.places[0].ref, "Q1");
    assert_true(places.places[0].lat_deg == 23.1191);
    assert_true(places.places[0].lon_deg == -82.4256);
    assert_string_equal(places.places[1].name,
                        "Bolivia, Plurinational State of");
    assert_null(places.places[1].kind);
    assert_null(places.places[1].ref);
    assert_int_equal(places.places[1].where, 3);
    ctl_places_clear(&places);
}

static void says_what_is_wrong_with_which_line(void **state)
{
    (void)state;
    char long_name[260];
    memset(long_name, 'x', 201);
    long_name[201] = 0;
    char text[2000];
    snprintf(text, sizeof text,
             "name,lat,lon,ref\n"
             "A,23,-82,1\n"
             ",23,-82,2\n"
             "C,,,3\n"
             "D,23,,4\n"
             "E,23.1,-82.4,1\n"
             "F,91,-82,6\n"
             "G,23,181,7\n"
             "H,23,1e2,8\n"
             "I,23,-82\n"
             "%s,23,-82,10\n"
             "\xff,23,-82,11\n"
             "L,nan,inf,12\n"
             "M,23,-82,13\n",
             long_name);
    struct ctl_places places = missions_csv(text);
    assert_int_equal(places.count, 2);
    assert_string_equal(places.places[1].name, "M");
    assert_int_equal(places.fault_count, 11);
    assert_fault(&places, 0, 3, "no name");
    assert_fault(&places, 1, 4, "no coordinates");
    assert_fault(&places, 2, 5, "the coordinates are not decimal numbers");
    assert_fault(&places, 3, 7, "the coordinates are not on the globe");
    assert_fault(&places, 4, 8, "the coordinates are not on the globe");
    assert_fault(&places, 5, 9, "the coordinates are not decimal numbers");
    assert_fault(&places, 6, 10, "3 fields where the first line has 4");
    assert_fault(&places, 7, 11, "the name has more than 200 characters");
    assert_fault(&places, 8, 12, "a text is not UTF-8");
    assert_fault(&places, 9, 13, "the coordinates are not decimal numbers");
    assert_fault(&places, 10, 6, "the same ref as in line 2");
    ctl_places_clear(&places);
}

static void knows_a_place_by_name_when_it_has_no_ref(void **state)
{
    (void)state;
    struct ctl_places places = missions_csv("name,lat,lon,ref\n"
                                            "A,1,1,\n"
                                            "A,2,2,q\n"
                                            "A,3,3,\n");
    assert_int_equal(places.count, 2);
    assert_int_equal(places.fault_count, 1);
    assert_fault(&places, 0, 4, "the same name as in line 2");
    ctl_places_clear(&places);
}

static void refuses_a_csv_without_its_columns(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", "the file is empty"},
        {"lat,lon\n1,2\n", "the first line names no column \"name\""},
        {"name,lon\nA,2\n", "the first line names no column \"latitude\""},
        {"name,lat\nA,2\n", "the first line names no column \"longitude\""},
        {"\"name,lat\n", "line 1: a quote is not closed"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ctl_places places = {0};
        char bytes[100];
        strcpy(bytes, texts[i][0]);
        assert_int_equal(ctl_missions_csv(bytes, strlen(bytes), &places,
                                          message, sizeof message),
                         PT_E_MALFORMED);
        assert_string_equal(message, texts[i][1]);
    }
}

static void refuses_more_missions_than_a_gateway_takes(void **state)
{
    (void)state;
    struct ctl_places places = {0};
    size_t room = 40 * (CTL_MISSIONS_MAX + 2);
    char *bytes = malloc(room);
    assert_non_null(bytes);
    size_t used = (size_t)sprintf(bytes, "name,lat,lon\n");
    for (int i = 0; i <= CTL_MISSIONS_MAX; i++)
        used += (size_t)sprintf(bytes + used, "m%d,1,1\n", i);
    assert_int_equal(
        ctl_missions_csv(bytes, used, &places, message, sizeof message),
        PT_E_FULL);
    free(bytes);
}

#define COLLECTION(features) \
    "{\"type\":\"FeatureCollection\",\"features\":[" features "]}"
#define FEATURE(properties, geometry)                   \
    "{\"type\":\"Feature\",\"properties\":{" properties \
    "},\"geometry\":" geometry "}"
#define POINT(coordinates) \
    "{\"type\":\"Point\",\"coordinates\":[" coordinates "]}"

static void reads_missions_from_geojson(void **state)
{
    (void)state;
    static const char text[] = COLLECTION(FEATURE(
        "\"operator\":\"Algeria\",\"type\":\"embassy\","
        "\"qid\":\"Q1\"",
        POINT(
            "-82.4256,23.1191")) "," FEATURE("\"name\":\"B\",\"@id\":42",
                                             POINT(
                                                 "1,2,3")) "," FEATURE("\"name"
                                                                       "\":"
                                                                       "\"C\"",
                                                                       "null") "," FEATURE("\"name\":\"D\"",
                                                                                           "{\"type\":\"LineString\",\"coordinates\":[[0,0],[1,1]]}") "," FEATURE("",
                                                                                                                                                                  POINT(
                                                                                                                                                                      "1,2")) "," FEATURE("\"name\":\"F\"",
                                                                                                                                                                                          POINT(
                                                                                                                                                                                              "200,2")) "," FEATURE("\"name\":\"G\"",
                                                                                                                                                                                                                    POINT(
                                                                                                                                                                                                                        "\"1\",2")) ",17");
    struct ctl_places places = {0};
    assert_int_equal(ctl_missions_geojson(text, strlen(text), &places, message,
                                          sizeof message),
                     PT_OK);
    assert_int_equal(places.count, 2);
    assert_string_equal(places.unit, "feature");
    assert_string_equal(places.places[0].name, "Algeria");
    assert_string_equal(places.places[0].ref, "Q1");
    assert_true(places.places[0].lat_deg == 23.1191);
    assert_string_equal(places.places[1].ref, "42");
    assert_true(places.places[1].lon_deg == 1);
    assert_int_equal(places.fault_count, 6);
    assert_fault(&places, 0, 3, "no coordinates");
    assert_fault(&places, 1, 4, "its geometry is no Point");
    assert_fault(&places, 2, 5, "no name");
    assert_fault(&places, 3, 6, "the coordinates are not on the globe");
    assert_fault(&places, 4, 7, "no coordinates");
    assert_fault(&places, 5, 8, "no Feature");
    ctl_places_clear(&places);
}

#define SQUARE "[[[0,0],[1,0],[1,1],[0,1],[0,0]]]"
#define POLYGON(rings) "{\"type\":\"Polygon\",\"coordinates\":" rings "}"

static void reads_zones(void **state)
{
    (void)state;
    static const char
        text[] =
            COLLECTION(
                FEATURE("\"name\":\"Playa\",\"promise_s\":300,"
                        "\"time_zone\":\"America/Havana\"",
                        POLYGON(SQUARE)) "," FEATURE("\"name\":\"M\"",
                                                     "{\"type\":"
                                                     "\"MultiPolygon\","
                                                     "\"coordinates\":[" SQUARE
                                                     "],\"crs\":{}}") "," FEATURE("\"name\":\"a\"", POLYGON("[[[0,0],[1,0],[1,1],[0,1]]]")) "," FEATURE("\"name\":\"b\"", POLYGON("[[[0,0],[1,0],[0,0]]]")) "," FEATURE("\"name\":\"c\"", POLYGON("[]")) "," FEATURE("\"name\":\"d\"", POLYGON("[[[0,0],[1,0],[1,91],[0,0]]]")) "," FEATURE("\"name\":\"e\"", POINT("0,0")) "," FEATURE("\"name\":\"f\",\"promise_s\":0", POLYGON(SQUARE)) "," FEATURE("\"name\":\"Playa\"",
                                                                                                                                                                                                                                                                                                                                                                                                                                                       POLYGON(SQUARE)) "," FEATURE("\"name\":\"g\"", POLYGON("[[[0,0],[1,\"x\"],[1,1],[0,0]]]")));
    struct ctl_places places = {0};
    assert_int_equal(
        ctl_zones_geojson(text, strlen(text), &places, message, sizeof message),
        PT_OK);
    assert_int_equal(places.count, 2);
    assert_int_equal(places.places[0].promise_s, 300);
    assert_string_equal(places.places[0].time_zone, "America/Havana");
    assert_string_equal(places.places[1].geometry,
                        "{\"type\":\"MultiPolygon\",\"coordinates\":[" SQUARE
                        "]}");
    assert_int_equal(places.fault_count, 8);
    assert_fault(&places, 0, 3, "a ring does not end where it begins");
    assert_fault(&places, 1, 4, "a ring has fewer than four positions");
    assert_fault(&places, 2, 5, "an area without a ring");
    assert_fault(&places, 3, 6, "a position is not on the globe");
    assert_fault(&places, 4, 7, "its geometry is no Polygon or MultiPolygon");
    assert_fault(&places, 5, 8, "promise_s is not a number from 1 to 86400");
    assert_fault(&places, 6, 10, "a position is not two numbers");
    assert_fault(&places, 7, 9, "the same name as in feature 1");
    ctl_places_clear(&places);
}

static void refuses_what_is_no_geojson(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "[]",
        "{}",         "{\"type\":\"FeatureCollection\"}",
        "{\"type\":", "{\"type\":\"Topology\",\"features\":[]}",
        "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ctl_places places = {0};
        *message = 0;
        assert_int_equal(ctl_zones_geojson(texts[i], strlen(texts[i]), &places,
                                           message, sizeof message),
                         PT_E_MALFORMED);
        assert_int_not_equal(*message, 0);
    }
}

/* -------------------------------------------------------------- numbers */
static void parses_degrees(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      ".",
                                      "1,5",
                                      "1e2",
                                      "0x1",
                                      "nan",
                                      "1.2.3",
                                      "--1",
                                      "1 2",
                                      "9999999999999999"};
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ctl_parse_degrees(bad[i], &value));
    assert_true(ctl_parse_degrees(" -82.425600 ", &value));
    assert_true(value == -82.4256);
    assert_true(ctl_parse_degrees("+.5", &value));
    assert_true(value == 0.5);
    assert_true(ctl_parse_degrees("23.11910000000000000001", &value));
    assert_true(value == 23.1191);
    double lat, lon;
    assert_true(ctl_parse_point("-23.5, -46.6", &lat, &lon));
    assert_true(lat == -23.5 && lon == -46.6);
    assert_false(ctl_parse_point("91,0", &lat, &lon));
    assert_false(ctl_parse_point("0,181", &lat, &lon));
    assert_false(ctl_parse_point("1 2", &lat, &lon));
    assert_false(ctl_parse_point("1,2,3", &lat, &lon));
}

/* ------------------------------------------------------------------ sse */
static char heard[2000];

/* now: date -u -d '2026-11-21 15:00' +%s, ten o'clock in Havana; the others:
 * date -u -d "$(TZ=America/Havana date -d '2026-11-20 18:30' +%FT%T%z)" */
static void reads_times(void **state)
{
    (void)state;
    const int64_t now_s = 1795273200;
    static const struct {
        const char *typed, *past, *coming;
    } times[] = {
        {"now", "2026-11-21T15:00:00Z", "2026-11-21T15:00:00Z"},
        {"90m", "2026-11-21T13:30:00Z", "2026-11-21T16:30:00Z"},
        {"2h", "2026-11-21T13:00:00Z", "2026-11-21T17:00:00Z"},
        {"3d", "2026-11-18T15:00:00Z", "2026-11-24T15:00:00Z"},
        {"18:30", "2026-11-20T23:30:00Z", "2026-11-21T23:30:00Z"},
        {"09:30", "2026-11-21T14:30:00Z", "2026-11-22T14:30:00Z"},
        {"10:00", "2026-11-21T15:00:00Z", "2026-11-22T15:00:00Z"},
        {"2026-01-31", "2026-01-31T05:00:00Z", "2026-01-31T05:00:00Z"},
        {"2026-07-01 18:30", "2026-07-01T22:30:00Z", "2026-07-01T22:30:00Z"},
        {"2026-07-01T18:30", "2026-07-01T22:30:00Z", "2026-07-01T22:30:00Z"},
        {"2026-07-01T18:30:00-04:00", "2026-07-01T18:30:00-04:00",
         "2026-07-01T18:30:00-04:00"},
    };
    static const char *const wrong[] = {
        "",           "soon",     "25:00",       "18:60",
        "8:30",       "0m",       "-2h",         "2w",
        "100001m",    "2h30m",    "2026-02-29",  "2026-13-01",
        "2026-00-01", "2026-1-1", "2026-01-31x", "2026-01-31 1830",
    };
    char said[CTL_TIME_BYTES];
    char *zone = getenv("TZ");
    zone = zone == NULL ? NULL : strdup(zone);
    setenv("TZ", "CST5CDT,M3.2.0/0,M11.1.0/1", 1); /* Havana's */
    tzset();
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_true(ctl_read_time(times[i].typed, now_s, CTL_PAST, said));
        assert_string_equal(said, times[i].past);
        assert_true(ctl_read_time(times[i].typed, now_s, CTL_COMING, said));
        assert_string_equal(said, times[i].coming);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(ctl_read_time(wrong[i], now_s, CTL_PAST, said));
    if (zone != NULL)
        setenv("TZ", zone, 1);
    else
        unsetenv("TZ");
    free(zone);
    tzset();
}

static void hear(void *context, const char *type, const char *data)
{
    (void)context;
    strcat(heard, type);
    strcat(heard, "(");
    strcat(heard, data);
    strcat(heard, ")");
}

/* The examples of WHATWG HTML, 9.2.6, and their like; in pieces of every
 * size the events are the same. */
static void hears_events(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"data: YHOO\ndata: +2\ndata: 10\n\n", "message(YHOO\n+2\n10)"},
        {"data: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
         "message(first)message(second)message( third)"},
        {"data\n\ndata\ndata\n\ndata:", "message()message(\n)"},
        {"event: unit\r\ndata: {}\r\n\r\n: still here\r\n\r\n", "unit({})"},
        {"event: a\rdata: 1\r\rdata: 2\r\r", "a(1)message(2)"},
        {"\xef\xbb\xbf"
         "data: x\n\n",
         "message(x)"},
        {"event: lost\n\ndata: y\n\n", "message(y)"},
        {"other: z\nretry: 10\n\n", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t size = strlen(pairs[i][0]);
        for (size_t piece = 1; piece <= size; piece++) {
            struct ctl_sse sse = {.event = hear};
            *heard = 0;
            for (size_t at = 0; at < size; at += piece)
                assert_int_equal(
                    ctl_sse_feed(&sse, pairs[i][0] + at,
                                 piece < size - at ? piece : size - at),
                    PT_OK);
            assert_string_equal(heard, pairs[i][1]);
            ctl_sse_clear(&sse);
        }
    }
}

static void refuses_an_endless_event(void **state)
{
    (void)state;
    struct ctl_sse sse = {.event = hear};
    char piece[4096];
    enum pt_err err = PT_OK;
    memset(piece, 'x', sizeof piece);
    for (size_t fed = 0; err == PT_OK && fed <= 2 * CTL_SSE_BYTES_MAX;
         fed += sizeof piece)
        err = ctl_sse_feed(&sse, piece, sizeof piece);
    assert_int_equal(err, PT_E_FULL);
    ctl_sse_clear(&sse);
}

static enum pt_err read_all(void)
{
    static const char zones[] = COLLECTION(FEATURE(
        "\"name\":\"Z\"", POLYGON(SQUARE)) "," FEATURE("", POLYGON(SQUARE)));
    char csv[] = "name,lat,lon,ref,kind\nA,1,1,r,k\nB,1,1,r,k\nC,,,,\n";
    struct ctl_places places = {0};
    struct ctl_table *table = NULL;
    struct ctl_sse sse = {.event = hear};
    *heard = 0;
    enum pt_err err =
        ctl_missions_csv(csv, sizeof csv - 1, &places, message, sizeof message);
    ctl_places_clear(&places);
    if (err == PT_OK)
        err = ctl_zones_geojson(zones, sizeof zones - 1, &places, message,
                                sizeof message);
    ctl_places_clear(&places);
    if (err == PT_OK)
        err = ctl_table_new("a|b", &table);
    if (err == PT_OK) {
        ctl_table_cell(table, "1");
        ctl_table_cell(table, "2");
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        err = ctl_table_print(table, out);
        fclose(out);
    }
    ctl_table_free(table);
    if (err == PT_OK)
        err = ctl_sse_feed(&sse, "event: a\ndata: b\n\n", 18);
    ctl_sse_clear(&sse);
    return err;
}

static void survives_any_allocation_that_fails(void **state)
{
    (void)state;
    enum pt_err err = PT_E_NOMEM;
    int tries = 0;
    for (; err != PT_OK; tries++) {
        fail_alloc_after((size_t)tries);
        err = read_all();
        fail_alloc_never();
        if (err != PT_OK)
            assert_int_equal(err, PT_E_NOMEM);
    }
    assert_true(tries > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_what_a_terminal_would_obey),
        cmocka_unit_test(counts_cells),
        cmocka_unit_test(aligns_columns),
        cmocka_unit_test(reads_csv),
        cmocka_unit_test(goes_on_behind_a_bad_record),
        cmocka_unit_test(counts_lines_within_quotes),
        cmocka_unit_test(reads_missions_from_csv),
        cmocka_unit_test(says_what_is_wrong_with_which_line),
        cmocka_unit_test(knows_a_place_by_name_when_it_has_no_ref),
        cmocka_unit_test(refuses_a_csv_without_its_columns),
        cmocka_unit_test(refuses_more_missions_than_a_gateway_takes),
        cmocka_unit_test(reads_missions_from_geojson),
        cmocka_unit_test(reads_zones),
        cmocka_unit_test(refuses_what_is_no_geojson),
        cmocka_unit_test(parses_degrees),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(hears_events),
        cmocka_unit_test(refuses_an_endless_event),
        cmocka_unit_test(survives_any_allocation_that_fails),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

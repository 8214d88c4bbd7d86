/* http without its sockets: addresses and parameters, times, JSON, problems,
 * the events' ring, and what every handler says to a wrong question. */
#include "http_closure_body.h"
#include "http_internal.h"
#include "http_rfc3339.h"
#include "http_said_body.h"
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------------- times */
/* date -u -d @SECONDS +%FT%T.%3NZ and date -u -d TEXT +%s%3N (coreutils). */
static const struct {
    int64_t ms;
    const char *text;
} moments[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1000000000000, "2001-09-09T01:46:40.000Z"},
    {1709251199123, "2024-02-29T23:59:59.123Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
};

static void times_are_written_and_read(void **state)
{
    (void)state;
    char text[RFC3339_SIZE];

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        int64_t ms = -1;
        assert_true(rfc3339_format(moments[i].ms, text));
        assert_string_equal(text, moments[i].text);
        assert_true(rfc3339_parse(moments[i].text, &ms));
        assert_int_equal(ms, moments[i].ms);
    }
    assert_false(rfc3339_format(-1, text));
    assert_false(rfc3339_format(253402300800000, text));
}

static void times_with_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        /* date -u -d 2024-05-01T12:00:00+02:30 +%s: 1714555800 */
        {"2024-05-01T12:00:00+02:30", 1714555800000},
        {"2024-05-01t09:30:00z", 1714555800000},
        {"2024-05-01T09:30:00.5Z", 1714555800500},
        {"2024-05-01T09:30:00.123456789Z", 1714555800123},
        {"2024-04-30T23:30:00-10:00", 1714555800000},
        /* the leap second before 2017-01-01T00:00:00Z, 1483228800 */
        {"2016-12-31T23:59:60Z", 1483228800000},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        assert_true(rfc3339_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
}

static void times_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "2024-05-01",
                                      "2024-05-01T12:00:00",
                                      "2024-05-01 12:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-00-01T00:00:00Z",
                                      "2024-04-31T00:00:00Z",
                                      "2023-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2024-05-01T24:00:00Z",
                                      "2024-05-01T12:60:00Z",
                                      "2024-05-01T12:00:61Z",
                                      "2024-05-01T12:00:00.Z",
                                      "2024-05-01T12:00:00.1234567890Z",
                                      "2024-05-01T12:00:00+24:00",
                                      "2024-05-01T12:00:00+0200",
                                      "2024-05-01T12:00:00Zx",
                                      "2024-05-01T12:00:00 02:00",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+01:00",
                                      "20240501T120000Z",
                                      "+024-05-01T12:00:00Z",
                                      "2024-05-01T12:00:00ZZ",
                                      "2024-5-1T12:00:00Z",
                                      "10000-01-01T00:00:00Z"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms = 42;
        assert_false(rfc3339_parse(bad[i], &ms));
        assert_int_equal(ms, 42);
    }
}

/* -------------------------------------------------------------------- JSON */
static void assert_json(struct json *json, const char *expected)
{
    assert_false(json->failed);
    assert_int_equal(json->size, strlen(expected));
    assert_memory_equal(json->text, expected, strlen(expected));
}

static void json_nests_and_separates(void **state)
{
    (void)state;
    struct json json = {0};

    jw_object(&json, NULL);
    jw_array(&json, "a");
    jw_int(&json, NULL, -9223372036854775807 - 1);
    jw_int(&json, NULL, 0);
    jw_object(&json, NULL);
    jw_object_end(&json);
    jw_array(&json, NULL);
    jw_array_end(&json);
    jw_array_end(&json);
    jw_bool(&json, "b", true);
    jw_null(&json, "c");
    jw_raw(&json, "d", "[1]", 3);
    jw_time(&json, "e", 1709251199123);
    jw_time(&json, "f", -1);
    jw_object_end(&json);
    assert_json(&json, "{\"a\":[-9223372036854775808,0,{},[]],\"b\":true,"
                       "\"c\":null,\"d\":[1],"
                       "\"e\":\"2024-02-29T23:59:59.123Z\",\"f\":null}");
    jw_clear(&json);
}

/* Expected: printf("%.*f"), which rounds these the same way. */
static void json_writes_decimals(void **state)
{
    (void)state;
    struct json json = {0};
    struct geo_point at = {-1, -82383000};

    jw_array(&json, NULL);
    jw_real(&json, NULL, 0.05, 3);
    jw_real(&json, NULL, -0.05, 3);
    jw_real(&json, NULL, 12.3456, 1);
    jw_real(&json, NULL, 1e12, 0);
    jw_real(&json, NULL, (double)NAN, 1);
    jw_real(&json, NULL, (double)INFINITY, 1);
    jw_real(&json, NULL, 1e300, 1);
    jw_position(&json, at);
    jw_array_end(&json);
    assert_json(&json, "[0.050,-0.050,12.3,1000000000000,null,null,null,"
                       "[-82.383000,-0.000001]]");
    jw_clear(&json);
}

/* RFC 8259, section 7; the replacement character is U+FFFD. */
static void json_escapes_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } texts[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\r\t\x01\x1f\x7f",
         "\"\\u000a\\u000d\\u0009\\u0001\\u001f\\u007f\""},
        {"Canad\xc3\xa1 \xf0\x9f\x9a\x93",
         "\"Canad\xc3\xa1 \xf0\x9f\x9a\x93\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xc0\x80x", "\"\xef\xbf\xbd\xef\xbf\xbdx\""},
        {"\xff\xc3\xa1", "\"\xef\xbf\xbd\xc3\xa1\""},
        {NULL, "null"},
    };
    struct json json = {0};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        jw_reset(&json);
        jw_text(&json, NULL, texts[i].text);
        assert_json(&json, texts[i].expected);
    }
    jw_clear(&json);
}

static void json_stops_at_its_limit(void **state)
{
    (void)state;
    static char block[1024 * 1024];
    struct json json = {0};
    size_t size = 1;

    for (size_t i = 0; i < JSON_BYTES_MAX / sizeof block; i++)
        jw_bytes(&json, block, sizeof block);
    assert_false(json.failed);
    jw_bytes(&json, block, 1);
    assert_true(json.failed);
    assert_null(jw_take(&json, &size));
    assert_int_equal(size, 1);
}

/* -------------------------------------------------------------- parameters */
static void parameters_are_taken_apart(void **state)
{
    (void)state;
    struct params params;
    struct params_fault fault;

    assert_true(params_parse("/v1/units?status=en_route&q=a+b%20c%2Bd&z=%C3%A1",
                             &params, &fault));
    assert_string_equal(params.path, "/v1/units");
    assert_int_equal(params.count, 3);
    assert_string_equal(params_get(&params, "status"), "en_route");
    assert_string_equal(params_get(&params, "q"), "a b c+d");
    assert_string_equal(params_get(&params, "z"), "\xc3\xa1");
    assert_null(params_get(&params, "Status"));
    assert_true(params_parse("/healthz", &params, &fault));
    assert_int_equal(params.count, 0);
    assert_true(params_parse("/healthz?", &params, &fault));
    assert_int_equal(params.count, 0);
    assert_true(params_parse("/?a=b=c&", &params, &fault));
    assert_string_equal(params_get(&params, "a"), "b=c");
}

static void parameters_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *target, *parameter;
    } bad[] = {
        {"/?a=1&a=2", "a"},   {"/?a", "a"},
        {"/?a=", "a"},        {"/?=1", ""},
        {"/?&a=1", ""},       {"/?a=%00", "a"},
        {"/?a=%", "a"},       {"/?a=%4", "a"},
        {"/?a=%4x", "a"},     {"/?a=%0a", "a"},
        {"/?a=%C3", "a"},     {"/?a=%ED%A0%80", "a"},
        {"/?%61=1&a=2", "a"}, {"/?%C3%A1=", "\xc3\xa1"},
        {"/?%zz=1", ""},      {"/?a=\xff", "a"},
        {"/?a=%7f", "a"},     {"/?%00=1", ""},
    };
    struct params params;
    struct params_fault fault;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(params_parse(bad[i].target, &params, &fault));
        assert_string_equal(fault.parameter, bad[i].parameter);
        assert_non_null(fault.what);
    }
}

static void parameters_have_limits(void **state)
{
    (void)state;
    struct params params;
    struct params_fault fault;
    char target[PARAMS_TARGET_BYTES_MAX + 2];

    memset(target, 'a', sizeof target);
    memcpy(target, "/?a=", 4);
    target[4 + PARAMS_VALUE_BYTES_MAX] = '\0';
    assert_true(params_parse(target, &params, &fault));
    target[4 + PARAMS_VALUE_BYTES_MAX] = 'a';
    target[5 + PARAMS_VALUE_BYTES_MAX] = '\0';
    assert_false(params_parse(target, &params, &fault));
    assert_string_equal(fault.parameter, "a");

    /* a name of 300 bytes in two-byte characters: cut between two of them */
    memcpy(target, "/?", 3);
    for (int i = 0; i < 150; i++)
        strcat(target, "\xc3\xa1");
    assert_false(params_parse(target, &params, &fault));
    assert_int_equal(strlen(fault.parameter), 62);

    memcpy(target, "/?", 3);
    for (char c = 'a'; c < 'a' + PARAMS_COUNT_MAX; c++)
        strcat(target, (char[]){c, '=', '1', '&', '\0'});
    assert_true(params_parse(target, &params, &fault));
    assert_int_equal(params.count, PARAMS_COUNT_MAX);
    strcat(target, "zz=1");
    assert_false(params_parse(target, &params, &fault));
    assert_string_equal(fault.parameter, "zz");

    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[PARAMS_TARGET_BYTES_MAX] = '\0';
    assert_true(params_parse(target, &params, &fault));
    target[PARAMS_TARGET_BYTES_MAX] = 'a';
    target[PARAMS_TARGET_BYTES_MAX + 1] = '\0';
    assert_false(params_parse(target, &params, &fault));
}

static void numbers_are_plain_decimals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "nan", "NaN",   "inf",
        "-inf",      "1e2", "1e400", "0x10",
        "+1",        " 1",  "1 ",    "1.",
        ".5",        "-",   "--1",   "1,5",
        "90.000001", "-91", "1.2.3", "000000000000000000000000000000000001"};
    double number = 7;
    uint32_t count = 7;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(params_number(bad[i], -90, 90, &number));
    assert_true(number == 7.0);
    assert_true(params_number("-23.113593", -90, 90, &number));
    assert_true(number == -23.113593);
    assert_true(params_number("90", -90, 90, &number));
    assert_true(number == 90.0);

    assert_true(params_count("100", 1, 100, &count));
    assert_int_equal(count, 100);
    assert_false(params_count("0", 1, 100, &count));
    assert_false(params_count("101", 1, 100, &count));
    assert_false(params_count("-1", 1, 100, &count));
    assert_false(params_count("1.0", 1, 100, &count));
    assert_false(params_count("18446744073709551617", 1, 100, &count));
    assert_false(params_count("4294967297", 1, UINT32_MAX, &count));
    assert_false(params_count("", 1, 100, &count));
}

static void hosts_and_addresses_to_listen_on(void **state)
{
    (void)state;
    static const char *const ours[] = {"localhost", "LOCALHOST:8080",
                                       "127.0.0.1", "127.9.9.9:1",
                                       "[::1]",     "[::1]:8080"};
    static const char *const foreign[] = {"",
                                          "evil.example",
                                          "127.0.0.1.evil.example",
                                          "localhost.evil.example",
                                          "::1",
                                          "[::1",
                                          "[::1]x",
                                          "[::2]",
                                          "10.0.0.1",
                                          "0.0.0.0",
                                          "127.0.0.1:",
                                          "127.0.0.1:x",
                                          "127.0.0.1:0",
                                          "127.0.0.1:65536",
                                          "127.1",
                                          "[127.0.0.1]",
                                          "localhost:80:80",
                                          " localhost",
                                          "2130706433",
                                          "[::ffff:127.0.0.1]"};
    static const char *const no_listen[] = {"127.0.0.1",
                                            "0.0.0.0:80",
                                            "[::]:80",
                                            "192.168.1.2:80",
                                            ":80",
                                            "80",
                                            "[::1]",
                                            "example.org:80",
                                            "127.0.0.1:65536",
                                            "127.0.0.1:-1",
                                            ""};
    struct sockaddr_storage address;
    socklen_t size;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(params_host_is_loopback(ours[i]));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_false(params_host_is_loopback(foreign[i]));
    for (size_t i = 0; i < sizeof no_listen / sizeof *no_listen; i++)
        assert_false(params_listen(no_listen[i], &address, &size));
    assert_true(params_listen("localhost:8080", &address, &size));
    const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
    assert_int_equal(four->sin_family, AF_INET);
    assert_int_equal(ntohl(four->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(four->sin_port), 8080);
    assert_true(params_listen("[::1]:0", &address, &size));
    assert_int_equal(address.ss_family, AF_INET6);
    assert_int_equal(size, sizeof(struct sockaddr_in6));
}

/* ---------------------------------------------------------------- the ring */
static void ring_forgets_the_oldest(void **state)
{
    (void)state;
    struct http_ring *ring;
    size_t size;

    assert_int_equal(http_ring_new(100, 4, 10, &ring), PT_OK);
    assert_int_equal(http_ring_next_id(ring), 100);
    assert_null(http_ring_get(ring, 100, &size));
    for (int i = 0; i < 5; i++)
        assert_int_equal(http_ring_put(ring, &"ab"[i % 2], 1), PT_OK);
    assert_int_equal(http_ring_first_id(ring), 101); /* 4 events fit */
    assert_int_equal(http_ring_next_id(ring), 105);
    assert_null(http_ring_get(ring, 100, &size));
    assert_memory_equal(http_ring_get(ring, 103, &size), "b", 1);
    assert_int_equal(size, 1);
    assert_int_equal(http_ring_put(ring, "12345678", 8), PT_OK);
    assert_int_equal(http_ring_first_id(ring), 103); /* 10 bytes fit: b, a, 8 */
    assert_memory_equal(http_ring_get(ring, 105, &size), "12345678", 8);

    /* too long: nobody may think that nothing was missed */
    assert_int_equal(http_ring_put(ring, "12345678901", 11), PT_E_RANGE);
    assert_int_equal(http_ring_first_id(ring), 107);
    assert_int_equal(http_ring_next_id(ring), 107);
    http_ring_forget(ring);
    assert_int_equal(http_ring_first_id(ring), 108);
    assert_null(http_ring_get(ring, UINT64_MAX, &size));
    http_ring_free(ring);
    http_ring_free(NULL);
}

/* ------------------------------------------------------------- the handlers */
/* A gateway that has just been started with an empty database. */
struct world {
    struct catalog *catalog;
    struct closures_view *closures; /* none yet: there is no network */
    struct http http;
    struct http_health health;
    struct request rq;
    struct client client;
};

static int open_world(void **state)
{
    static const struct dispatch_settings settings = {600000, 3600000, false};
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    assert_int_equal(catalog_new(&w->catalog), PT_OK);
    assert_int_equal(fleet_new(10, &w->http.fleet), PT_OK);
    assert_int_equal(dispatch_new(&settings, 10, &w->http.dispatch), PT_OK);
    assert_int_equal(metrics_new(&w->http.metrics), PT_OK);
    w->http.catalog = (struct catalog *const *)&w->catalog;
    w->http.closures = &w->closures;
    w->http.health = &w->health;
    w->http.connections_max = 1;
    w->rq.http = &w->http;
    w->rq.client = &w->client;
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    jw_clear(&w->rq.reply.body);
    dispatch_free(w->http.dispatch);
    fleet_free(w->http.fleet);
    metrics_free(w->http.metrics);
    catalog_free(w->catalog);
    free(w);
    return 0;
}

static void ask(struct world *w, const char *method, const char *target,
                const char *host)
{
    struct json body = w->rq.reply.body;

    w->rq.reply = (struct reply){.body = body};
    jw_reset(&w->rq.reply.body);
    free(w->rq.target);
    w->rq.target = strdup(target);
    assert_non_null(w->rq.target);
    routes_answer(&w->rq, method, host);
    jw_bytes(&w->rq.reply.body, "", 1); /* ends it, for strstr() */
    free(w->rq.target);
    w->rq.target = NULL;
}

static void assert_problem(struct world *w, const char *target, unsigned status,
                           const char *expected)
{
    ask(w, "GET", target, "localhost");
    assert_int_equal(w->rq.reply.status, status);
    assert_string_equal(w->rq.reply.content_type, "application/problem+json");
    assert_non_null(strstr(w->rq.reply.body.text, expected));
}

static void wrong_questions(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *target;
        unsigned status;
        const char *expected;
    } wrong[] = {
        {"/console", 404, "no-such-path"},
        {"/console/", 404, "no-such-path"},
        {"/console/none.js", 404, "no-such-path"},
        {"/console/%00", 404, "no-such-path"},
        {"/?x=1", 400, "\"parameter\":\"x\""},
        {"/v1/tiles/streets/14/4430/7093", 404, "no-such-path"},
        {"/v1/tiles/streets/5/0/0.mvt", 404, "no-such-path"},
        {"/v1/tiles/streets/14/4430/7093.mvt?x=1", 400, "\"parameter\":\"x\""},
        {"/v1/unit", 404, "no-such-path"},
        {"/v1/units/", 404, "no-such-path"},
        {"/v1/units/P-1/x", 404, "no-such-path"},
        {"/v1/units/P-1", 404, "no unit has the call sign P-1"},
        {"/v1/units/P-1/track", 404, "no-such-unit"},
        {"/v1/units/%00", 404, "no-such-unit"},
        {"/v1/units?foo=1", 400, "\"parameter\":\"foo\""},
        {"/v1/units?status=asleep", 400, "\"parameter\":\"status\""},
        {"/v1/units?zone=nowhere", 400, "\"parameter\":\"zone\""},
        {"/v1/nearest", 400, "\"parameter\":\"lat\""},
        {"/v1/nearest?lat=91&lon=0", 400, "\"parameter\":\"lat\""},
        {"/v1/nearest?lat=NaN&lon=0", 400, "\"parameter\":\"lat\""},
        {"/v1/nearest?lat=1&lon=1e400", 400, "\"parameter\":\"lon\""},
        {"/v1/nearest?lat=1", 400, "\"parameter\":\"lon\""},
        {"/v1/nearest?lat=1&lon=1&k=101", 400, "\"parameter\":\"k\""},
        {"/v1/nearest?lat=1&lon=1&k=-1", 400, "\"parameter\":\"k\""},
        /* which profiles there are, a network would say */
        {"/v1/nearest?lat=1&lon=1&profile=foot", 503, "no-road-network"},
        {"/v1/nearest?mission=x&lat=1", 400, "\"parameter\":\"mission\""},
        {"/v1/nearest?mission=x", 404, "no-such-mission"},
        {"/v1/nearest?lat=1&lon=1", 503, "no-road-network"},
        {"/v1/route?lat=1&lon=1", 400, "\"parameter\":\"unit\""},
        {"/v1/route?unit=P-1&lat=1&lon=1", 404, "no-such-unit"},
        {"/v1/closures", 503, "no-road-network"},
        {"/v1/closures/7", 405, "allowed here: DELETE"},
        {"/healthz?x=1", 400, "\"parameter\":\"x\""},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_problem(w, wrong[i].target, wrong[i].status, wrong[i].expected);
}

/* A closure is made of JSON, and said to be: what a foreign page can have a
 * browser send without asking is neither. */
static void closures_are_made_of_json(void **state)
{
    struct world *w = *state;
    static const char *const others[] = {
        NULL, "text/plain",        "application/x-www-form-urlencoded",
        "",   "application/jsonp", "multipart/form-data; boundary=x"};
    static const char *const ours[] = {"application/json",
                                       "Application/JSON; charset=utf-8"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        w->rq.content_type = others[i];
        ask(w, "POST", "/v1/closures", "localhost");
        assert_int_equal(w->rq.reply.status, 415);
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        w->rq.content_type = ours[i];
        ask(w, "POST", "/v1/closures", "localhost");
        assert_int_equal(w->rq.reply.status, 400);
        w->rq.body = (char *)"{\"street\":\"x\"}";
        w->rq.body_bytes = strlen(w->rq.body);
        ask(w, "POST", "/v1/closures", "localhost");
        assert_int_equal(w->rq.reply.status, 503); /* no network */
        w->rq.body = NULL;
        w->rq.body_bytes = 0;
    }
    ask(w, "PUT", "/v1/closures", "localhost");
    assert_int_equal(w->rq.reply.status, 405);
    assert_string_equal(w->rq.reply.allow, "GET, HEAD, POST");
    ask(w, "POST", "/v1/units", "localhost");
    assert_int_equal(w->rq.reply.status, 405);
    assert_string_equal(w->rq.reply.allow, "GET, HEAD");
    static const char *const numbers[] = {"x",          "0",   "-1",  "1.5",
                                          "2147483648", "%20", "1%00"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/closures/%s", numbers[i]);
        ask(w, "DELETE", target, "localhost");
        assert_int_equal(w->rq.reply.status, 404);
        assert_non_null(strstr(w->rq.reply.body.text, "no-such-closure"));
    }
}

/* 2024-06-15T12:00:00Z: date -u -d @1718452800 */
#define CLOSING_MS 1718452800000

static bool read_body(const char *text, struct closure_body *ret,
                      struct body_fault *fault)
{
    return closure_body_parse(text, strlen(text), CLOSING_MS, ret, fault);
}

static void bodies_of_closures(void **state)
{
    (void)state;
    struct closure_body body;
    struct body_fault fault;

    assert_true(read_body("{\"street\":\"Calle 23\"}", &body, &fault));
    assert_string_equal(body.street, "Calle 23");
    assert_true(body.closed);
    assert_int_equal(body.direction, CLOSURES_BOTH);
    assert_int_equal(body.from_ms, CLOSING_MS);
    assert_true(body.until_ms == INT64_MAX);
    assert_string_equal(body.who, "");
    assert_true(read_body(
        "{\"lat\":23.1,\"lon\":-82.4,\"factor\":0.5,\"reason\":\"bache\","
        "\"who\":null,\"until\":\"2024-06-15T14:30:00+02:00\","
        "\"direction\":\"backward\"}",
        &body, &fault));
    assert_true(body.has_point);
    assert_int_equal(body.at.lat_e6, 23100000);
    assert_false(body.closed);
    assert_true(body.factor == 0.5);
    assert_int_equal(body.until_ms, CLOSING_MS + 30 * 60 * 1000);
    assert_int_equal(body.direction, CLOSURES_BACKWARD);
    assert_string_equal(body.reason, "bache");
    assert_true(read_body("{\"ways\":[5,-7],\"kind\":\"slowed\","
                          "\"speed_mps\":5,"
                          "\"from\":\"2024-06-15T11:56:00Z\"}",
                          &body, &fault));
    assert_int_equal(body.way_count, 2);
    assert_int_equal(body.ways[1], -7);
}

static void wrong_bodies_of_closures(void **state)
{
    (void)state;
    static const struct {
        const char *text, *member;
    } wrong[] = {
        {"", ""},
        {"[]", ""},
        {"{", ""},
        {"{\"street\":\"x\"} x", ""},
        {"{\"street\":\"x\",\"street\":\"y\"}", ""},
        {"{\"street\":\"\\u0000\"}", ""},
        {"{\"street\":\"\xff\"}", ""},
        {"{\"street\":\"x\",\"closed\":true}", "closed"},
        {"{\"street\":\"x\",\"<b>\":true}", ""},
        {"{}", "street"},
        {"{\"street\":7}", "street"},
        {"{\"street\":\"\"}", "street"},
        {"{\"street\":\"a\\nb\"}", "street"},
        {"{\"street\":\"x\",\"lat\":1,\"lon\":1}", "street"},
        {"{\"lat\":1}", "lon"},
        {"{\"lat\":91,\"lon\":1}", "lat"},
        {"{\"lat\":1,\"lon\":\"1\"}", "lon"},
        {"{\"ways\":[]}", "ways"},
        {"{\"ways\":7}", "ways"},
        {"{\"ways\":[1.5]}", "ways"},
        {"{\"ways\":[1e400]}", ""},
        {"{\"ways\":[99999999999999999999]}", ""},
        {"{\"street\":\"x\",\"kind\":\"open\"}", "kind"},
        {"{\"street\":\"x\",\"kind\":\"closed\",\"factor\":0.5}", "kind"},
        {"{\"street\":\"x\",\"kind\":\"slowed\"}", "factor"},
        {"{\"street\":\"x\",\"factor\":0.5,\"speed_mps\":5}", "factor"},
        {"{\"street\":\"x\",\"factor\":0}", "factor"},
        {"{\"street\":\"x\",\"factor\":1}", "factor"},
        {"{\"street\":\"x\",\"factor\":\"0.5\"}", "factor"},
        {"{\"street\":\"x\",\"speed_mps\":-3}", "speed_mps"},
        {"{\"street\":\"x\",\"speed_mps\":1000}", "speed_mps"},
        {"{\"street\":\"x\",\"direction\":\"north\"}", "direction"},
        {"{\"street\":\"x\",\"until\":\"18:30\"}", "until"},
        {"{\"street\":\"x\",\"until\":1718452801}", "until"},
        {"{\"street\":\"x\",\"until\":\"2024-06-15T12:00:00Z\"}", "until"},
        {"{\"street\":\"x\",\"until\":\"2025-06-17T12:00:00Z\"}", "until"},
        {"{\"street\":\"x\",\"from\":\"2024-06-15T11:54:59Z\"}", "from"},
        {"{\"street\":\"x\",\"from\":\"2025-06-17T12:00:00Z\"}", "from"},
        {"{\"street\":\"x\",\"from\":\"2024-06-15T13:00:00Z\","
         "\"until\":\"2024-06-15T12:30:00Z\"}",
         "until"},
        {"{\"street\":\"x\",\"who\":5}", "who"},
        {"{\"street\":\"x\",\"reason\":\"a\\u001bb\"}", "reason"},
    };
    struct closure_body body;
    struct body_fault fault;
    char longest[1000];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(read_body(wrong[i].text, &body, &fault));
        assert_string_equal(fault.member, wrong[i].member);
        assert_true(strlen(fault.what) > 0);
    }
    /* 64 bytes of a name are taken, 65 are not */
    for (int more = 0; more < 2; more++) {
        snprintf(longest, sizeof longest, "{\"street\":\"x\",\"who\":\"%0*d\"}",
                 64 + more, 0);
        assert_int_equal(read_body(longest, &body, &fault), more == 0);
    }
}

static void refusals_before_any_handler(void **state)
{
    struct world *w = *state;

    ask(w, "GET", "/healthz", "evil.example");
    assert_int_equal(w->rq.reply.status, 403);
    assert_int_equal(w->http.refused_hosts, 1);
    ask(w, "GET", "/healthz", NULL);
    assert_int_equal(w->rq.reply.status, 400);
    ask(w, "DELETE", "/healthz", "localhost");
    assert_int_equal(w->rq.reply.status, 405);
    w->client.surplus = true;
    ask(w, "GET", "/healthz", "localhost");
    assert_int_equal(w->rq.reply.status, 503);
    assert_int_equal(w->rq.reply.retry_after_s, 5);
    assert_true(w->rq.reply.close);
}

static void answers_of_an_empty_gateway(void **state)
{
    struct world *w = *state;

    ask(w, "GET", "/v1/missions?q=%22", "[::1]:80");
    assert_int_equal(w->rq.reply.status, 200);
    assert_string_equal(w->rq.reply.body.text, "{\"missions\":[]}");
    ask(w, "GET", "/v1/zones", "localhost");
    assert_string_equal(w->rq.reply.body.text, "{\"zones\":[]}");
    ask(w, "HEAD", "/healthz", "localhost");
    assert_int_equal(w->rq.reply.status, 200);
    ask(w, "GET", "/readyz", "localhost");
    assert_int_equal(w->rq.reply.status, 503);
    assert_string_equal(w->rq.reply.body.text,
                        "{\"ready\":false,\"parts\":{\"broker\":\"down\","
                        "\"database\":\"down\",\"roads\":\"down\"},"
                        "\"since\":{\"broker\":\"1970-01-01T00:00:00.000Z\","
                        "\"database\":\"1970-01-01T00:00:00.000Z\","
                        "\"roads\":\"1970-01-01T00:00:00.000Z\"}}");
    ask(w, "GET", "/v1/events", "localhost"); /* streams_max is 0 */
    assert_int_equal(w->rq.reply.status, 503);
}

/* RFC 9457: type, title, status, detail; what is echoed is escaped. */
static void problems_are_json(void **state)
{
    struct world *w = *state;

    ask(w, "GET", "/v1/units/a%22%5C%C3%A1", "localhost");
    assert_string_equal(w->rq.reply.body.text,
                        "{\"type\":\"urn:patrol:problem:no-such-unit\","
                        "\"title\":\"No such unit\",\"status\":404,"
                        "\"detail\":\"no unit has the call sign "
                        "a\\\"\\\\\xc3\xa1\"}");
}

/* A unit that was never heard of has no position: null, never 0, 0. */
static void absent_is_null(void **state)
{
    (void)state;
    char *capabilities[] = {"armed", NULL};
    struct catalog_unit unit = {.unit_id = 1,
                                .call_sign = "P-1",
                                .kind = "car",
                                .capabilities = capabilities};
    struct json json = {0};

    write_unit(&json, &unit, NULL, 0);
    assert_json(&json, "{\"call_sign\":\"P-1\",\"kind\":\"car\","
                       "\"capabilities\":[\"armed\"],\"status\":\"unknown\","
                       "\"status_time\":null,\"panic_at\":null,"
                       "\"panic_seen_at\":null,\"panic_seen_by\":null,"
                       "\"connected\":false,\"heard_at\":null,"
                       "\"heard_age_s\":null,\"heard_by\":null,\"silent\":null,"
                       "\"revision\":0,\"position\":null,\"vehicle\":null,"
                       "\"pace\":{\"wanted_revision\":null,"
                       "\"acknowledged_revision\":null,\"bound_m\":null,"
                       "\"bound_assigned_m\":null,\"moving_s\":null,"
                       "\"parked_s\":null,\"assigned\":false},"
                       "\"crew\":null,\"said_place\":null,"
                       "\"radio\":null}");
    jw_clear(&json);
}

static bool heard_of(const char *json, struct heard_body *ret,
                     struct body_fault *fault)
{
    return heard_body_parse(json, strlen(json), 1718452800000, ret, fault);
}

static void what_was_heard_is_made_of_json(void **state)
{
    (void)state;
    struct heard_body body;
    struct body_fault fault;

    assert_true(heard_of("{}", &body, &fault)); /* that it was heard, now */
    assert_int_equal(body.radio.heard_ms, 1718452800000);
    assert_int_equal(body.radio.status, PT_STATUS_UNKNOWN);
    assert_false(body.radio.has_point);
    assert_true(heard_of("{\"at\":\"2024-06-15T11:57:00Z\",\"status\":\"busy\","
                         "\"lat\":23.1,\"lon\":-82.4,\"who\":\"Ana\"}",
                         &body, &fault));
    /* date -u -d 2024-06-15T11:57:00Z +%s: 1718452620 */
    assert_int_equal(body.radio.heard_ms, 1718452620000);
    assert_int_equal(body.radio.status, PT_STATUS_BUSY);
    assert_int_equal(body.radio.at.lat_e6, 23100000);
    assert_true(heard_of("{\"mission\":7}", &body, &fault));
    assert_string_equal(body.mission, "7");
    /* half a minute ahead is our clock's fault, an hour is not */
    assert_true(heard_of("{\"at\":\"2024-06-15T12:00:30Z\"}", &body, &fault));
    assert_int_equal(body.radio.heard_ms, 1718452800000);
    assert_false(heard_of("{\"at\":\"2024-06-15T13:00:00Z\"}", &body, &fault));
    assert_string_equal(fault.member, "at");
    assert_false(heard_of("{\"at\":\"2024-06-14T11:59:59Z\"}", &body, &fault));
    assert_false(heard_of("{\"status\":\"unknown\"}", &body, &fault));
    assert_string_equal(fault.member, "status");
    assert_false(heard_of("[]", &body, &fault));
}

/* An agent of the first version, whose state ends with next_due_s, and one
 * that says all: what it is is not what is not known. */
static void what_vehicles_say(void **state)
{
    (void)state;
    struct catalog_unit unit = {
        .unit_id = 1, .call_sign = "P-1", .kind = "car"};
    struct fleet_unit live = {.edge = FLEET_NO_EDGE,
                              .heard_ms = 1718452800000,
                              .vehicle_said_ms = 1718452800000,
                              .vehicle = PT_VEHICLE_STATE_UNSAID};
    struct json json = {0};

    live.vehicle.present = true;
    write_unit(&json, &unit, &live, 1718452802500);
    json.text[json.size - 1] = '\0';
    assert_non_null(strstr(
        json.text, "\"vehicle\":{\"said_at\":\"2024-06-15T12:00:00.000Z\","
                   "\"next_due_s\":null,\"receiver_mode\":null,"
                   "\"satellites_used\":null,\"clock_offset_ms\":null,"
                   "\"power\":null,\"battery_percent\":null,"
                   "\"outbox_depth\":0,\"outbox_oldest_age_s\":null,"
                   "\"outbox_dropped\":0}"));
    assert_non_null(strstr(json.text, "\"heard_age_s\":2.5,"));
    jw_reset(&json);
    live.vehicle.clock_known = true;
    live.vehicle.clock_offset_ms = -1718452800000; /* it is 1970 there */
    live.vehicle.power = PT_POWER_BATTERY;
    live.vehicle.battery_percent = 0;
    live.vehicle.oldest_age_s = 0;
    live.vehicle.outbox_depth = 7;
    write_unit(&json, &unit, &live, 1718452802500);
    json.text[json.size - 1] = '\0';
    assert_non_null(strstr(json.text,
                           "\"clock_offset_ms\":-1718452800000,"
                           "\"power\":\"battery\",\"battery_percent\":0,"
                           "\"outbox_depth\":7,\"outbox_oldest_age_s\":0,"));
    jw_clear(&json);
}

static void words_of_a_search(void **state)
{
    (void)state;
    assert_true(folded_has_words("embassy of canada", ""));
    assert_true(folded_has_words("embassy of canada", "canada embassy"));
    assert_true(folded_has_words("embassy of canada", " cana "));
    assert_false(folded_has_words("embassy of canada", "embassy chile"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_and_read),
        cmocka_unit_test(times_with_offsets),
        cmocka_unit_test(times_that_are_none),
        cmocka_unit_test(json_nests_and_separates),
        cmocka_unit_test(json_writes_decimals),
        cmocka_unit_test(json_escapes_text),
        cmocka_unit_test(json_stops_at_its_limit),
        cmocka_unit_test(parameters_are_taken_apart),
        cmocka_unit_test(parameters_that_are_refused),
        cmocka_unit_test(parameters_have_limits),
        cmocka_unit_test(numbers_are_plain_decimals),
        cmocka_unit_test(hosts_and_addresses_to_listen_on),
        cmocka_unit_test(ring_forgets_the_oldest),
        cmocka_unit_test_setup_teardown(wrong_questions, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(refusals_before_any_handler, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(answers_of_an_empty_gateway, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(problems_are_json, open_world,
                                        close_world),
        cmocka_unit_test(absent_is_null),
        cmocka_unit_test(what_was_heard_is_made_of_json),
        cmocka_unit_test(what_vehicles_say),
        cmocka_unit_test(words_of_a_search),
        cmocka_unit_test_setup_teardown(closures_are_made_of_json, open_world,
                                        close_world),
        cmocka_unit_test(bodies_of_closures),
        cmocka_unit_test(wrong_bodies_of_closures),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}

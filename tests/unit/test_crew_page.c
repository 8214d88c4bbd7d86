/* crew_page: how a request is read, who is let in, and what is answered. */
#include "crew_page_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "192.168.8.1:8090"
#define HEAD "Host: " HOST "\r\n"
#define OURS HEAD "Origin: http://" HOST "\r\n"

/* ---- reading: each case in memory of its own size, so that a byte read too
 * far is found. */

static int parse(const char *text, struct page_request *rq, char **bytes)
{
    size_t size = strlen(text);
    *bytes = malloc(size + (size == 0));
    assert_non_null(*bytes);
    memcpy(*bytes, text, size);
    return page_parse(*bytes, size, rq);
}

static void assert_status(const char *text, int status)
{
    struct page_request rq;
    char *bytes;
    assert_int_equal(parse(text, &rq, &bytes), status);
    free(bytes);
}

static void a_whole_request(void **state)
{
    (void)state;
    struct page_request rq;
    char *bytes;
    assert_int_equal(
        parse("POST /acts?x=1 HTTP/1.1\r\nhost:  a:1 \r\nOrigin: http://a:1\r\n"
              "Content-Type: application/json\r\nX-Other: \t\r\n"
              "Authorization: Bearer t\r\nContent-Length: 2\r\n"
              "Connection: Close\r\n\r\n{}GET",
              &rq, &bytes),
        200);
    assert_int_equal(rq.method, PAGE_POST);
    assert_string_equal(rq.path, "/acts");
    assert_string_equal(rq.host, "a:1");
    assert_string_equal(rq.origin, "http://a:1");
    assert_string_equal(rq.content_type, "application/json");
    assert_string_equal(rq.authorization, "Bearer t");
    assert_null(rq.if_none_match);
    assert_true(rq.close);
    assert_int_equal(rq.body_bytes, 2);
    assert_memory_equal(rq.body, "{}", 2);
    assert_memory_equal(bytes + rq.bytes, "GET", 3);
    free(bytes);
}

/* Every beginning of it: more is wanted, and nothing of it is changed. */
static void in_pieces(void **state)
{
    (void)state;
    static const char whole[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 3\r\n\r\nabc";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        struct page_request rq;
        char *bytes = malloc(size + (size == 0));
        memcpy(bytes, whole, size);
        assert_int_equal(page_parse(bytes, size, &rq), 0);
        assert_memory_equal(bytes, whole, size);
        free(bytes);
    }
    assert_status(whole, 200);
}

static void what_could_be_read_two_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 200},
        {"\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 505},
        {"GET /\r\n\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\n\r\n", 400},
        {"GET /\x80 HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 505},
        {"GET / HTTP/2\r\n\r\n", 505},
        {"GET / FTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
         400},
        {"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nContent-Length: 1025\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
         413},
        {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", 417},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_status(cases[i].text, cases[i].status);
}

static void limits(void **state)
{
    (void)state;
    static char text[CREW_PAGE_HEAD_MAX + 2];
    struct page_request rq;
    int size = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nX: ");
    memset(text + size, 'x', sizeof text - (size_t)size);
    assert_int_equal(page_parse(text, CREW_PAGE_HEAD_MAX - 1, &rq), 0);
    assert_int_equal(page_parse(text, CREW_PAGE_HEAD_MAX, &rq), 431);
    memcpy(text + CREW_PAGE_HEAD_MAX - 3, "\r\n\r\n", 4); /* a byte too long */
    assert_int_equal(page_parse(text, CREW_PAGE_HEAD_MAX + 1, &rq), 431);
    memcpy(text + CREW_PAGE_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(page_parse(text, CREW_PAGE_HEAD_MAX, &rq), 200);
}

static void json_or_not(void **state)
{
    (void)state;
    assert_true(page_is_json("application/json"));
    assert_true(page_is_json("Application/JSON ; charset=utf-8"));
    assert_false(page_is_json("application/jsonp"));
    assert_false(page_is_json("text/plain"));
    assert_false(page_is_json(""));
    assert_false(page_is_json(NULL));
}

/* ---- settings */

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *pin;
        enum pt_err err;
    } cases[] = {
        {"", "", PT_OK},
        {HOST, "", PT_OK},
        {"[fd00::1]:8090", "1234", PT_OK},
        {"127.0.0.1:1", "123456789012", PT_OK},
        {"0.0.0.0:8090", "", PT_E_CONFIG},
        {"[::]:8090", "", PT_E_CONFIG},
        {"fd00::1:8090", "", PT_E_CONFIG},
        {"localhost:8090", "", PT_E_CONFIG},
        {"192.168.8.1", "", PT_E_CONFIG},
        {"192.168.8.1:", "", PT_E_CONFIG},
        {"192.168.8.1:0", "", PT_E_CONFIG},
        {"192.168.8.1:65536", "", PT_E_CONFIG},
        {"192.168.8.1:80x", "", PT_E_CONFIG},
        {":8090", "", PT_E_CONFIG},
        {HOST, "123", PT_E_CONFIG},
        {HOST, "12a4", PT_E_CONFIG},
        {HOST, "1234567890123", PT_E_CONFIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct crew_page_settings settings = {
            .listen = cases[i].listen, .pin = cases[i].pin, .socket = ""};
        char message[200] = "";
        assert_int_equal(crew_page_check(&settings, message, sizeof message),
                         cases[i].err);
        assert_int_equal(message[0] != '\0', cases[i].err != PT_OK);
    }
}

/* ---- the number */

static void the_number_opens(void **state)
{
    (void)state;
    struct page_pin pin = {.number = "4711"};
    char token[PAGE_TOKEN_TEXT], words[80];
    assert_false(page_pin_knows(&pin, NULL, 0));
    assert_false(page_pin_knows(&pin, "Bearer ", 0)); /* a free place's */
    assert_int_equal(page_pin_open(&pin, "4712", 0, token), PT_E_RANGE);
    assert_int_equal(page_pin_open(&pin, "4711", 0, token), PT_OK);
    assert_int_equal(strlen(token), 32);
    snprintf(words, sizeof words, "Bearer %s", token);
    assert_true(page_pin_knows(&pin, words, 1));
    assert_false(page_pin_knows(&pin, token, 1));
    words[10] = (char)(words[10] == 'a' ? 'b' : 'a');
    assert_false(page_pin_knows(&pin, words, 1));
    snprintf(words, sizeof words, "Bearer %s", token);
    assert_true(page_pin_knows(&pin, words, CREW_PAGE_SESSION_MS));
    assert_false(page_pin_knows(&pin, words, 2 * CREW_PAGE_SESSION_MS + 1));
}

static void guessing_is_slow(void **state)
{
    (void)state;
    struct page_pin pin = {.number = "4711"};
    char token[PAGE_TOKEN_TEXT];
    for (int i = 0; i < CREW_PAGE_WRONG_MAX; i++)
        assert_int_equal(page_pin_open(&pin, "0000", 9, token), PT_E_RANGE);
    assert_int_equal(page_pin_open(&pin, "4711", 9, token), PT_E_AGAIN);
    assert_int_equal(
        page_pin_open(&pin, "4711", 9 + CREW_PAGE_LOCKED_MS, token), PT_OK);
}

static void the_one_not_used_longest_goes(void **state)
{
    (void)state;
    struct page_pin pin = {.number = "4711"};
    char tokens[CREW_PAGE_SESSIONS_MAX + 1][PAGE_TOKEN_TEXT], words[80];
    for (uint64_t i = 0; i <= CREW_PAGE_SESSIONS_MAX; i++)
        assert_int_equal(page_pin_open(&pin, "4711", i, tokens[i]), PT_OK);
    for (int i = 0; i <= CREW_PAGE_SESSIONS_MAX; i++) {
        snprintf(words, sizeof words, "Bearer %.32s", tokens[i]);
        assert_int_equal(page_pin_knows(&pin, words, 20), i > 0);
    }
}

/* ---- answers */

struct world {
    struct page_desk desk;
    int said;
    struct crew_say last;
    enum pt_err err;
};

static char *tell_state(void *context, bool locked,
                        const struct crew_page_refused *refused)
{
    (void)context;
    (void)refused;
    return strdup(locked ? "{\"locked\":true}" : "{\"locked\":false}");
}

static enum pt_err take_act(void *context, const struct crew_say *say)
{
    struct world *world = context;
    world->said++;
    world->last = *say;
    return world->err;
}

static void a_world(struct world *world, const char *pin)
{
    *world = (struct world){
        .desk = {.host = HOST, .calls = {world, tell_state, take_act}}};
    snprintf(world->desk.pin.number, sizeof world->desk.pin.number, "%s", pin);
}

static int ask(struct world *world, const char *text, bool local,
               struct page_reply *ret)
{
    struct page_request rq;
    char *bytes;
    int status = parse(text, &rq, &bytes);
    rq.local = local;
    if (status == 200) {
        page_answer(&world->desk, &rq, 5, ret);
        status = ret->status;
    }
    free(bytes);
    return status;
}

static int status_of(struct world *world, const char *text)
{
    struct page_reply reply = {0};
    int status = ask(world, text, false, &reply);
    free(reply.owned);
    return status;
}

#define PANIC "{\"key\":\"k\",\"act\":\"panic\"}"
#define PANIC_BODY \
    "Content-Type: application/json\r\nContent-Length: 25\r\n\r\n" PANIC

static void pages_and_state(void **state)
{
    (void)state;
    struct world world;
    struct page_reply reply = {0};
    a_world(&world, "");
    assert_int_equal(
        ask(&world, "GET / HTTP/1.1\r\n" HEAD "\r\n", false, &reply), 200);
    assert_string_equal(reply.content_type, "text/html; charset=utf-8");
    FILE *in = fopen(CREW_PAGE_FILES "/index.html", "rb");
    char *text = calloc(1, reply.size + 1);
    assert_non_null(in);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, reply.size + 1, in), reply.size);
    assert_memory_equal(text, reply.body, reply.size);
    free(text);
    fclose(in);
    char again[200];
    snprintf(again, sizeof again,
             "GET / HTTP/1.1\r\n" HEAD "If-None-Match: %s\r\n\r\n", reply.etag);
    assert_int_equal(status_of(&world, again), 304);
    assert_int_equal(
        ask(&world, "HEAD /state HTTP/1.1\r\n" HEAD "\r\n", false, &reply),
        200);
    assert_null(reply.body);
    assert_int_equal(reply.size, strlen("{\"locked\":false}"));
    free(reply.owned);
    assert_int_equal(status_of(&world, "GET /crew.c HTTP/1.1\r\n" HEAD "\r\n"),
                     404);
    assert_int_equal(
        status_of(&world, "GET /../crew.js HTTP/1.1\r\n" HEAD "\r\n"), 404);
    assert_int_equal(status_of(&world, "PUT / HTTP/1.1\r\n" HEAD "\r\n"), 405);
    assert_int_equal(status_of(&world, "POST / HTTP/1.1\r\n" OURS "\r\n"), 405);
}

static void another_site_is_refused(void **state)
{
    (void)state;
    struct world world;
    a_world(&world, "");
    static const char *const hosts[] = {
        "GET /state HTTP/1.1\r\n\r\n",
        "GET /state HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /state HTTP/1.1\r\nHost: 192.168.8.1\r\n\r\n",
        "GET /state HTTP/1.1\r\nHost: " HOST ".evil.example\r\n\r\n",
    };
    static const char *const origins[] = {
        "GET /state HTTP/1.1\r\n" HEAD "Origin: http://evil.example\r\n\r\n",
        "POST /acts HTTP/1.1\r\n" HEAD PANIC_BODY,
        "POST /acts HTTP/1.1\r\n" HEAD "Origin: null\r\n" PANIC_BODY,
        "POST /acts HTTP/1.1\r\n" HEAD "Origin: https://" HOST
        "\r\n" PANIC_BODY,
        "POST /acts HTTP/1.1\r\n" HEAD "Origin: http://" HOST
        ".evil\r\n" PANIC_BODY,
    };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(status_of(&world, hosts[i]), 403);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(status_of(&world, origins[i]), 403);
    assert_int_equal(world.desk.refused.host, 4);
    assert_int_equal(world.desk.refused.origin, 5);
    assert_int_equal(world.said, 0);
}

static void acts_are_handed_on(void **state)
{
    (void)state;
    struct world world;
    a_world(&world, "");
    assert_int_equal(strlen(PANIC), 25);
    assert_int_equal(
        status_of(&world, "POST /acts HTTP/1.1\r\n" OURS PANIC_BODY), 200);
    assert_int_equal(world.said, 1);
    assert_int_equal(world.last.what, CREW_PANIC);
    assert_string_equal(world.last.key, "k");
    world.err = PT_E_NOMEM;
    assert_int_equal(
        status_of(&world, "POST /acts HTTP/1.1\r\n" OURS PANIC_BODY), 503);
    assert_int_equal(status_of(&world, "POST /acts HTTP/1.1\r\n" OURS
                                       "Content-Type: text/plain\r\n"
                                       "Content-Length: 25\r\n\r\n" PANIC),
                     415);
    assert_int_equal(status_of(&world, "POST /acts HTTP/1.1\r\n" OURS
                                       "Content-Type: application/json\r\n"
                                       "Content-Length: 2\r\n\r\n{}"),
                     400);
    assert_int_equal(world.said, 2);
    assert_int_equal(world.desk.refused.malformed, 1);
}

#define BUSY "{\"key\":\"k\",\"act\":\"status\",\"status\":\"busy\"}"
#define BUSY_BODY \
    "Content-Type: application/json\r\nContent-Length: 42\r\n\r\n" BUSY

static void without_the_number_only_a_panic(void **state)
{
    (void)state;
    struct world world;
    struct page_reply reply = {0};
    a_world(&world, "4711");
    assert_int_equal(strlen(BUSY), 42);
    assert_int_equal(
        status_of(&world, "POST /acts HTTP/1.1\r\n" OURS BUSY_BODY), 401);
    assert_int_equal(world.said, 0);
    assert_int_equal(
        ask(&world, "POST /acts HTTP/1.1\r\n" OURS PANIC_BODY, false, &reply),
        200);
    assert_string_equal(reply.body, "{\"locked\":true}");
    free(reply.owned);
    assert_int_equal(world.said, 1);
    /* by the socket nobody asks for it */
    assert_int_equal(ask(&world, "POST /acts HTTP/1.1\r\nHost: x\r\n" BUSY_BODY,
                         true, &reply),
                     200);
    free(reply.owned);
    assert_int_equal(world.said, 2);
    assert_int_equal(world.desk.refused.locked, 1);
    assert_int_equal(status_of(&world, "POST /session HTTP/1.1\r\n" OURS
                                       "Content-Type: application/json\r\n"
                                       "Content-Length: 14\r\n\r\n"
                                       "{\"pin\":\"0000\"}"),
                     401);
    assert_int_equal(ask(&world,
                         "POST /session HTTP/1.1\r\n" OURS
                         "Content-Type: application/json\r\n"
                         "Content-Length: 14\r\n\r\n{\"pin\":\"4711\"}",
                         false, &reply),
                     200);
    char text[400];
    snprintf(text, sizeof text,
             "POST /acts HTTP/1.1\r\n" OURS
             "Authorization: Bearer %.32s\r\n" BUSY_BODY,
             reply.body + strlen("{\"token\":\""));
    free(reply.owned);
    assert_int_equal(status_of(&world, text), 200);
    assert_int_equal(world.last.status, PT_STATUS_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_request),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(what_could_be_read_two_ways),
        cmocka_unit_test(limits),
        cmocka_unit_test(json_or_not),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_number_opens),
        cmocka_unit_test(guessing_is_slow),
        cmocka_unit_test(the_one_not_used_longest_goes),
        cmocka_unit_test(pages_and_state),
        cmocka_unit_test(another_site_is_refused),
        cmocka_unit_test(acts_are_handed_on),
        cmocka_unit_test(without_the_number_only_a_panic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

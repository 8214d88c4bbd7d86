#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link_internal.h"
#include <stdlib.h>
#include <string.h>

/* The topics of DESIGN.md, section 3. */
static void topics_are_the_contract(void **state)
{
    (void)state;
    static const char *const expected[LINK_TOPIC_COUNT] = {
        [LINK_REPORT] = "patrol/v1/car-7/report",
        [LINK_RECEIPT] = "patrol/v1/car-7/receipt",
        [LINK_ORDER] = "patrol/v1/car-7/order",
        [LINK_SETTINGS] = "patrol/v1/car-7/settings",
        [LINK_PRESENCE] = "patrol/v1/car-7/presence",
    };
    for (int i = 0; i < LINK_TOPIC_COUNT; i++) {
        char topic[LINK_TOPIC_MAX];
        link_topic((enum link_topic)i, "car-7", topic);
        assert_string_equal(topic, expected[i]);
        enum link_topic kind = LINK_TOPIC_COUNT;
        char device[LINK_DEVICE_MAX + 1] = "";
        assert_true(link_topic_parse(topic, &kind, device));
        assert_int_equal(kind, i);
        assert_string_equal(device, "car-7");
    }
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_REPORT, "+", topic);
    assert_string_equal(topic, "patrol/v1/+/report");
}

static void longest_device_fits_its_topic(void **state)
{
    (void)state;
    char name[LINK_DEVICE_MAX + 1];
    memset(name, 'x', LINK_DEVICE_MAX);
    name[LINK_DEVICE_MAX] = '\0';
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_PRESENCE, name, topic);
    assert_int_equal(strlen(topic),
                     strlen("patrol/v1//presence") + LINK_DEVICE_MAX);
    enum link_topic kind;
    char device[LINK_DEVICE_MAX + 1];
    assert_true(link_topic_parse(topic, &kind, device));
    assert_string_equal(device, name);
}

static void foreign_topics_are_none_of_ours(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "",
        "patrol/v1/",
        "patrol/v1/car",
        "patrol/v1//report",
        "patrol/v1/car/",
        "patrol/v1/car/reports",
        "patrol/v1/car/report/x",
        "patrol/v2/car/report",
        "xpatrol/v1/car/report",
        "patrol/v1/+/report",
        "patrol/v1/ca r/report",
        "patrol/v1/c\xc3\xa4r/report",
        "$SYS/broker/uptime",
        /* 65 characters: one more than a name may have */
        "patrol/v1/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaa/report",
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        enum link_topic kind = LINK_TOPIC_COUNT;
        char device[LINK_DEVICE_MAX + 1] = "untouched";
        assert_false(link_topic_parse(foreign[i], &kind, device));
        assert_int_equal(kind, LINK_TOPIC_COUNT);
        assert_string_equal(device, "untouched");
    }
}

static void device_names(void **state)
{
    (void)state;
    assert_true(link_device_valid("P-12"));
    assert_true(link_device_valid("unit_1.havana"));
    assert_true(link_device_valid("x"));
    assert_false(link_device_valid(NULL));
    assert_false(link_device_valid(""));
    assert_false(link_device_valid("a b"));
    assert_false(link_device_valid("a/b"));
    assert_false(link_device_valid("+"));
    assert_false(link_device_valid("#"));
    assert_false(link_device_valid("a\n"));
    char name[LINK_DEVICE_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[LINK_DEVICE_MAX + 1] = '\0';
    assert_false(link_device_valid(name));
    name[LINK_DEVICE_MAX] = '\0';
    assert_true(link_device_valid(name));
}

static void broker_lists(void **state)
{
    (void)state;
    struct link_broker b[LINK_BROKERS_MAX];
    size_t count = 0;
    assert_int_equal(
        link_brokers_parse("  one two:1 , 10.0.0.1:65535\t[::1]:77 fe80::1 "
                           "[2001:db8::5]",
                           8883, b, &count),
        PT_OK);
    assert_int_equal(count, 6);
    static const struct {
        const char *host;
        int port;
    } expected[] = {
        {"one", 8883}, {"two", 1},        {"10.0.0.1", 65535},
        {"::1", 77},   {"fe80::1", 8883}, {"2001:db8::5", 8883},
    };
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(b[i].host, expected[i].host);
        assert_int_equal(b[i].port, expected[i].port);
    }
}

static void bad_broker_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "   ",     ",",     "host:",   "host:0",  "host:65536",
        "host:x", "host:1x", ":1883", "[::1",    "[::1]x",  "[]",
        "[::1]:", "host:-1", "ok :2", "host: 1", "host:+1",
    };
    struct link_broker b[LINK_BROKERS_MAX];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t count = 99;
        assert_int_equal(link_brokers_parse(bad[i], 1883, b, &count),
                         PT_E_CONFIG);
        assert_int_equal(count, 99);
    }
    size_t count = 99;
    assert_int_equal(link_brokers_parse("a b c d e f g h i", 1, b, &count),
                     PT_E_FULL);
    char name[400];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(link_brokers_parse(name, 1, b, &count), PT_E_CONFIG);
    name[LINK_HOST_MAX + 1] = '\0';
    assert_int_equal(link_brokers_parse(name, 1, b, &count), PT_E_CONFIG);
    name[LINK_HOST_MAX] = '\0';
    assert_int_equal(link_brokers_parse(name, 1, b, &count), PT_OK);
    assert_int_equal(count, 1);
}

/* 1 s doubled up to 60 s; a try waits for the upper half of it. */
static void waits_double_up_to_a_minute(void **state)
{
    (void)state;
    static const uint64_t longest[] = {1000,  2000,  4000,  8000, 16000,
                                       32000, 60000, 60000, 60000};
    for (unsigned i = 0; i < sizeof(longest) / sizeof(longest[0]); i++) {
        for (uint32_t r = 0; r < 100000; r += 997) {
            uint64_t wait = link_wait_ms(i + 1, 1, false, r);
            assert_in_range(wait, longest[i] / 2, longest[i]);
        }
        assert_int_equal(link_wait_ms(i + 1, 1, false, 0), longest[i] / 2);
        assert_int_equal(
            link_wait_ms(i + 1, 1, false, (uint32_t)longest[i] / 2),
            longest[i]);
    }
    assert_in_range(link_wait_ms(UINT32_MAX, 1, false, 12345), 30000, 60000);
}

static void a_round_through_the_list_counts_once(void **state)
{
    (void)state;
    for (unsigned failures = 1; failures <= 3; failures++)
        assert_int_equal(link_wait_ms(failures, 3, false, 0), 500);
    assert_int_equal(link_wait_ms(4, 3, false, 0), 1000);
}

static void taken_over_waits_a_minute(void **state)
{
    (void)state;
    for (uint32_t r = 0; r < 100000; r += 997)
        assert_in_range(link_wait_ms(1, 2, true, r), 60000, 75000);
}

static void waiting_counts_what_is_under_way(void **state)
{
    (void)state;
    struct link_waiting *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    *link_waiting_push(w, 10) = 1;
    *link_waiting_push(w, 20) = 2;
    *link_waiting_push(w, 40) = 3;
    assert_int_equal(w->bytes, 70);
    link_waiting_done(w, 2); /* out of order: its place is kept */
    assert_int_equal(w->bytes, 50);
    assert_int_equal(w->count, 3);
    link_waiting_done(w, 77); /* unknown: no harm */
    assert_int_equal(w->bytes, 50);
    link_waiting_done(w, 1);
    assert_int_equal(w->bytes, 40);
    assert_int_equal(w->count, 1);
    (void)link_waiting_push(w, 5);
    link_waiting_unpush(w);
    assert_int_equal(w->bytes, 40);
    link_waiting_done(w, 3);
    assert_int_equal(w->bytes, 0);
    assert_int_equal(w->count, 0);
    link_waiting_unpush(w); /* empty: no harm */
    assert_int_equal(w->count, 0);
    free(w);
}

static void waiting_is_bounded(void **state)
{
    (void)state;
    struct link_waiting *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    /* bytes */
    assert_true(link_waiting_room(w, LINK_WAITING_BYTES_MAX + 100));
    *link_waiting_push(w, LINK_WAITING_BYTES_MAX) = 1;
    assert_false(link_waiting_room(w, 1));
    link_waiting_done(w, 1);
    /* number, and round the ring more than once */
    int next = 1;
    for (int i = 0; i < LINK_WAITING_MAX; i++)
        *link_waiting_push(w, 1) = next++;
    assert_false(link_waiting_room(w, 1));
    for (int i = 1; i <= 3 * LINK_WAITING_MAX; i++) {
        link_waiting_done(w, i);
        assert_true(link_waiting_room(w, 1));
        *link_waiting_push(w, 1) = next++;
        assert_int_equal(w->bytes, LINK_WAITING_MAX);
    }
    link_waiting_clear(w);
    assert_int_equal(w->bytes, 0);
    assert_true(link_waiting_room(w, 1));
    free(w);
}

static void nothing_to_watch(void *context)
{
    (void)context;
}

static void nothing_lost(void *context, bool taken_over)
{
    (void)context;
    (void)taken_over;
}

static void count_call(void *context)
{
    ++*(int *)context;
}

/* Settings that cannot work are refused at once, and leave the loop empty. */
static void wrong_settings_are_refused(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct link_events events = {.connected = nothing_to_watch,
                                       .disconnected = nothing_lost};
    const struct link_settings good = {
        .brokers = "localhost", .client_id = "car", .keepalive_s = 30};
    struct link *link = NULL;
    char why[200] = "untouched";
    assert_int_equal(link_check(&good, why, sizeof(why)), PT_OK);
    assert_string_equal(why, "untouched");
    struct link_settings s = good;
    s.brokers = NULL;
    assert_int_equal(link_check(&s, why, sizeof(why)), PT_E_CONFIG);
    assert_string_equal(why, "no broker named");
    s.brokers = "a:b";
    assert_int_equal(link_check(&s, why, sizeof(why)), PT_E_CONFIG);
    assert_string_equal(why, "broker list \"a:b\": not \"host[:port] ...\"");
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_CONFIG);
    s = good;
    s.client_id = "";
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_CONFIG);
    s = good;
    s.keepalive_s = 4;
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_CONFIG);
    s = good;
    s.ca_file = "/nonexistent/ca.crt";
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_TLS);
    s.ca_file = "/dev/null";
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_TLS);
    s = good;
    s.cert_file = "/dev/null"; /* neither key nor CA */
    assert_int_equal(link_new(&loop, &s, &events, &link), PT_E_CONFIG);
    char name[LINK_DEVICE_MAX + 1];
    assert_int_equal(link_certificate_name("/nonexistent", name), PT_E_TLS);
    assert_int_equal(link_certificate_name("/dev/null", name), PT_E_TLS);
    assert_null(link);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Closed before it ever connected; port 1 on loopback is nobody's. */
static void closes_at_any_time(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    const struct link_events events = {.connected = nothing_to_watch,
                                       .disconnected = nothing_lost};
    const struct link_settings settings = {
        .brokers = "127.0.0.1:1", .client_id = "car", .keepalive_s = 30};
    for (int turns = 0; turns < 4; turns++) {
        struct link *link = NULL;
        assert_int_equal(link_new(&loop, &settings, &events, &link), PT_OK);
        assert_false(link_is_up(link));
        assert_int_equal(link_publish(link, "t", "x", 1, 0, false), PT_E_AGAIN);
        assert_int_equal(link_subscribe(link, "t", 1), PT_E_AGAIN);
        assert_int_equal(link_backlog(link), 0);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_ONCE);
        int closed = 0;
        link_close(link, count_call, &closed);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(closed, 1);
    }
    link_close(NULL, NULL, NULL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_the_contract),
        cmocka_unit_test(longest_device_fits_its_topic),
        cmocka_unit_test(foreign_topics_are_none_of_ours),
        cmocka_unit_test(device_names),
        cmocka_unit_test(broker_lists),
        cmocka_unit_test(bad_broker_lists),
        cmocka_unit_test(waits_double_up_to_a_minute),
        cmocka_unit_test(a_round_through_the_list_counts_once),
        cmocka_unit_test(taken_over_waits_a_minute),
        cmocka_unit_test(waiting_counts_what_is_under_way),
        cmocka_unit_test(waiting_is_bounded),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(closes_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

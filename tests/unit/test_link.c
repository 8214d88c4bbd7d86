#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link_internal.h"
#include <arpa/inet.h>
#include <stdio.h>
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
        [LINK_PROBE] = "patrol/v1/car-7/probe",
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

/* A radio that comes and goes, or a broker started again every half minute:
 * each connection was one, and the next is tried at once. */
static void connection_that_lasted_forgets_what_was_before(void **state)
{
    (void)state;
    struct link_tries tries = {0};
    for (unsigned i = 1; i <= 5; i++) {
        assert_false(link_tries_lost(&tries, 0, false));
        assert_int_equal(tries.failures, i);
    }
    for (int i = 0; i < 5; i++) {
        assert_false(link_tries_lost(&tries, LINK_STABLE_MS, i % 2 == 0));
        assert_int_equal(tries.failures, 1);
    }
    assert_false(link_tries_lost(&tries, LINK_STABLE_MS - 1, false));
    assert_int_equal(tries.failures, 2);
}

/* Each is back after at most 1, 2, 4 s, and throws the other one out. */
static void closed_early_three_times_is_another_client(void **state)
{
    (void)state;
    struct link_tries tries = {0};
    assert_false(link_tries_lost(&tries, 1000, true));
    assert_false(link_tries_lost(&tries, 2000, true));
    assert_true(link_tries_lost(&tries, 4000, true));

    tries = (struct link_tries){0};
    for (int i = 0; i < 5; i++) { /* a broker that falls over at once */
        assert_false(link_tries_lost(&tries, 1000, true));
        assert_false(link_tries_lost(&tries, 2000, true));
        assert_false(link_tries_lost(&tries, 0, true));
    }
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

/* A broker that answers CONNECT with the given CONNACK and keeps what comes
 * after it. It speaks by the bytes of the MQTT 5 standard, sections 3.2 and
 * 3.3, so that libmosquitto is not checked against itself. */
struct fake_broker {
    uv_loop_t loop;
    uv_tcp_t listener, peer;
    uv_write_t write;
    const char *connack;
    size_t connack_size, size, wanted;
    size_t heard; /* on all connections, CONNECT with them */
    bool answered;
    unsigned char bytes[512];
    char read_into[512];
    struct link *link;
    char address[32];
};

static void fake_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    (void)size;
    struct fake_broker *fake = handle->data;
    *ret = uv_buf_init(fake->read_into, sizeof(fake->read_into));
}

static void fake_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct fake_broker *fake = stream->data;
    if (size <= 0)
        return;
    fake->heard += (size_t)size;
    if (!fake->answered) { /* CONNECT comes in one piece on loopback */
        uv_buf_t answer = uv_buf_init((char *)(uintptr_t)fake->connack,
                                      (unsigned)fake->connack_size);
        fake->answered = true;
        assert_int_equal(uv_write(&fake->write, stream, &answer, 1, NULL), 0);
        return;
    }
    assert_true(fake->size + (size_t)size <= sizeof(fake->bytes));
    memcpy(fake->bytes + fake->size, from->base, (size_t)size);
    fake->size += (size_t)size;
    if (fake->size >= fake->wanted)
        uv_stop(&fake->loop);
}

static void fake_accept(uv_stream_t *listener, int status)
{
    struct fake_broker *fake = listener->data;
    assert_int_equal(status, 0);
    assert_int_equal(uv_tcp_init(&fake->loop, &fake->peer), 0);
    fake->peer.data = fake;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&fake->peer), 0);
    assert_int_equal(
        uv_read_start((uv_stream_t *)&fake->peer, fake_buffer, fake_read), 0);
}

static void fake_start(struct fake_broker *fake)
{
    *fake = (struct fake_broker){0};
    assert_int_equal(uv_loop_init(&fake->loop), 0);
    assert_int_equal(uv_tcp_init(&fake->loop, &fake->listener), 0);
    fake->listener.data = fake;
    struct sockaddr_in at;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(
        uv_tcp_bind(&fake->listener, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 1, fake_accept),
                     0);
    int size = sizeof(at);
    assert_int_equal(
        uv_tcp_getsockname(&fake->listener, (struct sockaddr *)&at, &size), 0);
    snprintf(fake->address, sizeof(fake->address), "127.0.0.1:%d",
             ntohs(at.sin_port));
}

static void send_four(void *context)
{
    struct fake_broker *fake = context;
    const char *topic = "patrol/v1/car-7/report";
    assert_int_equal(link_publish(fake->link, topic, "a", 1, 0, false), PT_OK);
    assert_int_equal(link_publish(fake->link, topic, "b", 1, 0, false), PT_OK);
    assert_int_equal(link_publish(fake->link, "other", "c", 1, 0, false),
                     PT_OK);
    assert_int_equal(link_publish(fake->link, topic, "d", 1, 1, false), PT_OK);
}

/* Until `wanted` bytes have come after CONNECT on one connection. */
static void fake_hear(struct fake_broker *fake, const char *connack,
                      size_t connack_size, size_t wanted)
{
    fake->connack = connack;
    fake->connack_size = connack_size;
    fake->answered = false;
    fake->size = 0;
    fake->wanted = wanted;
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    assert_int_equal(fake->size, wanted);
    uv_close((uv_handle_t *)&fake->peer, NULL);
}

#define TOPIC "\0\x16patrol/v1/car-7/report"
#define OTHER "\x30\x09\0\x05other\0c"
/* Message number 4: libmosquitto counts those at QoS 0 too. */
#define ACKNOWLEDGED "\x32\x1c" TOPIC "\0\4\0d"
#define WRITTEN_OUT "\x30\x1d" TOPIC "\3\x23\0\1a"
#define BY_ALIAS "\x30\x07\0\0\3\x23\0\1b"
#define WITHOUT "\x30\x1a" TOPIC "\0a\x30\x1a" TOPIC "\0b"

/* Property 0x22 of CONNACK: Topic Alias Maximum; 0x23 of PUBLISH: Topic
 * Alias. */
static void topic_is_sent_once_a_connection(void **state)
{
    (void)state;
    static const char allows[] = "\x20\x06\0\0\3\x22\0\x0a";
    static const char silent[] = "\x20\x03\0\0\0";
    static const char aliased[] = WRITTEN_OUT BY_ALIAS OTHER ACKNOWLEDGED;
    static const char plain[] = WITHOUT OTHER ACKNOWLEDGED;
    struct fake_broker fake;
    fake_start(&fake);
    const struct link_events events = {
        .context = &fake, .connected = send_four, .disconnected = nothing_lost};
    const struct link_settings settings = {
        .brokers = fake.address, .client_id = "car-7", .keepalive_s = 30};
    assert_int_equal(link_new(&fake.loop, &settings, &events, &fake.link),
                     PT_OK);
    for (int turn = 0; turn < 2; turn++) { /* anew after a lost connection */
        fake_hear(&fake, allows, sizeof(allows) - 1, sizeof(aliased) - 1);
        assert_memory_equal(fake.bytes, aliased, sizeof(aliased) - 1);
    }
    fake_hear(&fake, silent, sizeof(silent) - 1, sizeof(plain) - 1);
    assert_memory_equal(fake.bytes, plain, sizeof(plain) - 1);
    struct link_traffic traffic = link_traffic(fake.link);
    assert_int_equal(traffic.connections, 3);
    assert_int_equal(traffic.messages_out, 3 * 4);
    assert_int_equal(traffic.payload_out, 3 * 4);
    assert_int_equal(traffic.publish_out,
                     2 * (sizeof(aliased) - 1) + sizeof(plain) - 1);
    assert_int_equal(traffic.stream_out, fake.heard);
    /* The kernel counts a FIN's number as a byte: the peer has closed all. */
    assert_int_equal(traffic.stream_in,
                     2 * (sizeof(allows) - 1) + sizeof(silent) - 1 + 3);
    assert_true(traffic.segments_out >= 3 * 3); /* SYN, ACK, CONNECT */
    link_close(fake.link, NULL, NULL);
    uv_close((uv_handle_t *)&fake.listener, NULL);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake.loop), 0);
}

/* MQTT 5, 3.3: one byte, the length in one to four bytes, the topic behind two
 * of its length, the number above QoS 0, the properties' length, the payload.
 * A length takes two bytes from 128 on, three from 16,384 on (1.5.5). */
static void packets_have_mqtts_size(void **state)
{
    (void)state;
    assert_int_equal(link_publish_bytes(22, 1, 0, false), 2 + 2 + 22 + 1 + 1);
    assert_int_equal(link_publish_bytes(22, 1, 1, false),
                     2 + 2 + 22 + 2 + 1 + 1);
    assert_int_equal(link_publish_bytes(0, 40, 0, true), 2 + 2 + 1 + 3 + 40);
    assert_int_equal(link_publish_bytes(0, 124, 0, false), 2 + 2 + 1 + 124);
    assert_int_equal(link_publish_bytes(0, 125, 0, false), 3 + 2 + 1 + 125);
    assert_int_equal(link_publish_bytes(0, 16380, 0, false), 3 + 2 + 1 + 16380);
    assert_int_equal(link_publish_bytes(0, 16381, 0, false), 4 + 2 + 1 + 16381);
}

/* ------------------------------------------------- a peer that reads no more
 */
#define PUBLISHED 200 /* messages of 1,000 bytes */
#define PEER_ROOM 8192

static void publish_many(void *context)
{
    struct fake_broker *fake = context;
    char payload[1000] = {0};
    uv_read_stop((uv_stream_t *)&fake->peer);
    for (int i = 0; i < PUBLISHED; i++)
        assert_int_equal(
            link_publish(fake->link, "t", payload, sizeof(payload), 0, false),
            PT_OK);
}

static void stop_loop(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* The kernel's buffer would take all of it by itself. */
static void little_waits_in_the_kernel(void **state)
{
    (void)state;
    static const char silent[] = "\x20\x03\0\0\0";
    struct fake_broker fake;
    uv_timer_t timer;
    uv_os_fd_t fd;
    int room = PEER_ROOM;
    fake_start(&fake);
    fake.connack = silent;
    fake.connack_size = sizeof(silent) - 1;
    assert_int_equal(uv_fileno((uv_handle_t *)&fake.listener, &fd), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)),
                     0);
    const struct link_events events = {.context = &fake,
                                       .connected = publish_many,
                                       .disconnected = nothing_lost};
    const struct link_settings settings = {
        .brokers = fake.address, .client_id = "car-7", .keepalive_s = 30};
    assert_int_equal(link_new(&fake.loop, &settings, &events, &fake.link),
                     PT_OK);
    uv_timer_init(&fake.loop, &timer);
    uv_timer_start(&timer, stop_loop, 500, 0);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    size_t waiting = link_backlog(fake.link);
    /* The peer's window (twice what was asked for, socket(7)), what may be
     * unsent, a write of a whole message more. */
    assert_in_range(PUBLISHED * 1000 - waiting, 1,
                    2 * PEER_ROOM + LINK_UNSENT_MAX + 2 * 1000);
    link_close(fake.link, NULL, NULL);
    uv_close((uv_handle_t *)&fake.peer, NULL);
    uv_close((uv_handle_t *)&fake.listener, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake.loop), 0);
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
        cmocka_unit_test(connection_that_lasted_forgets_what_was_before),
        cmocka_unit_test(closed_early_three_times_is_another_client),
        cmocka_unit_test(waiting_counts_what_is_under_way),
        cmocka_unit_test(waiting_is_bounded),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(closes_at_any_time),
        cmocka_unit_test(topic_is_sent_once_a_connection),
        cmocka_unit_test(packets_have_mqtts_size),
        cmocka_unit_test(little_waits_in_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

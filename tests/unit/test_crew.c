/* crew: what is said becomes an entry, and how far it has come. */
#include "crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS 1718452800000

static struct crew_say say_of(enum crew_what what, const char *text)
{
    static int number;
    struct crew_say say = {.what = what};
    snprintf(say.key, sizeof say.key, "key-%d", ++number);
    snprintf(say.text, sizeof say.text, "%s", text);
    return say;
}

static void said(struct crew *crew, const struct crew_say *say, int64_t time_ms,
                 uint64_t number, uint64_t dropped)
{
    struct crew_outbox box = {.numbering = 1, .dropped = dropped};
    struct pt_entry entry = crew_entry(crew, say, time_ms);
    assert_true((entry.seq = number, pt_entry_valid(&entry)));
    struct crew_held held = {number, 0xbeef, number + 100};
    crew_said(crew, say, &entry, &held, &box);
}

/* ---- saying */

static void a_status_is_an_entry(void **state)
{
    (void)state;
    struct crew crew;
    struct crew_say say = say_of(CREW_STATUS, "");
    say.status = PT_STATUS_BUSY;
    crew_init(&crew, PT_STATUS_AVAILABLE);
    struct pt_entry entry = crew_entry(&crew, &say, NOW_MS);
    assert_int_equal(entry.kind, PT_KIND_STATUS);
    assert_int_equal(entry.status, PT_STATUS_BUSY);
    assert_int_equal(entry.time_ms, NOW_MS);
    assert_null(entry.detail);
    assert_int_equal(crew.status, PT_STATUS_AVAILABLE); /* not said yet */
    said(&crew, &say, NOW_MS, 7, 0);
    assert_int_equal(crew.status, PT_STATUS_BUSY);
    assert_int_equal(crew.status_ms, NOW_MS);
    assert_true(crew_has(&crew, say.key));
    assert_false(crew_has(&crew, "another"));
    assert_false(crew_has(&crew, ""));
}

static void a_panic_leaves_the_status(void **state)
{
    (void)state;
    struct crew crew;
    struct crew_say say = say_of(CREW_PANIC, "");
    crew_init(&crew, PT_STATUS_ON_SCENE);
    struct pt_entry entry = crew_entry(&crew, &say, NOW_MS);
    assert_int_equal(entry.kind, PT_KIND_PANIC);
    assert_int_equal(entry.status, PT_STATUS_ON_SCENE);
    said(&crew, &say, NOW_MS, 1, 0);
    assert_int_equal(crew.status, PT_STATUS_ON_SCENE);
    assert_int_equal(crew.status_ms, 0);
}

static void logging_on_and_off(void **state)
{
    (void)state;
    struct crew crew;
    struct crew_say on = say_of(CREW_LOGON, "P\u00e9rez, 1402");
    struct crew_say place = say_of(CREW_PLACE, "23 y L");
    struct crew_say off = say_of(CREW_LOGOFF, "");
    crew_init(&crew, PT_STATUS_OFF_DUTY);
    struct pt_entry entry = crew_entry(&crew, &on, NOW_MS);
    assert_int_equal(entry.kind, PT_KIND_LOGON);
    assert_string_equal(entry.detail, "P\u00e9rez, 1402");
    said(&crew, &on, NOW_MS, 1, 0);
    assert_int_equal(crew.status, PT_STATUS_AVAILABLE);
    assert_string_equal(crew.name, "P\u00e9rez, 1402");
    assert_int_equal(crew.name_ms, NOW_MS);

    entry = crew_entry(&crew, &place, NOW_MS + 1);
    assert_int_equal(entry.kind, PT_KIND_STATUS);
    assert_string_equal(entry.detail, "23 y L");
    said(&crew, &place, NOW_MS + 1, 2, 0);
    assert_string_equal(crew.place, "23 y L");
    assert_int_equal(crew.status_ms, NOW_MS); /* a place is no new status */

    entry = crew_entry(&crew, &off, NOW_MS + 2);
    assert_int_equal(entry.kind, PT_KIND_LOGON);
    assert_string_equal(entry.detail, "");
    said(&crew, &off, NOW_MS + 2, 3, 0);
    assert_int_equal(crew.status, PT_STATUS_OFF_DUTY);
    assert_int_equal(crew.name_ms, 0);
    assert_int_equal(crew.place_ms, 0);
    assert_string_equal(crew.place, "");
}

static void who_is_at_work_stays_so(void **state)
{
    (void)state;
    struct crew crew;
    struct crew_say on = say_of(CREW_LOGON, "x");
    crew_init(&crew, PT_STATUS_BUSY);
    assert_int_equal(crew_entry(&crew, &on, NOW_MS).status, PT_STATUS_BUSY);
}

static void the_newest_are_remembered(void **state)
{
    (void)state;
    struct crew crew;
    crew_init(&crew, PT_STATUS_AVAILABLE);
    struct crew_say first = say_of(CREW_PANIC, "");
    said(&crew, &first, NOW_MS, 1, 0);
    for (uint64_t i = 2; i <= CREW_ACTS_MAX; i++) {
        struct crew_say say = say_of(CREW_PANIC, "");
        said(&crew, &say, NOW_MS, i, 0);
    }
    assert_true(crew_has(&crew, first.key));
    struct crew_say last = say_of(CREW_PANIC, "");
    said(&crew, &last, NOW_MS, CREW_ACTS_MAX + 1, 0);
    assert_false(crew_has(&crew, first.key));
    assert_int_equal(crew.count, CREW_ACTS_MAX);
    assert_string_equal(crew.acts[0].key, last.key);
    assert_int_equal(crew.acts[CREW_ACTS_MAX - 1].held.number, 2);
}

/* ---- delivery */

static void stored_by_a_receipt(void **state)
{
    (void)state;
    struct crew crew;
    struct pt_receipt receipt = {
        .stored_to = 3, .range_count = 1, .ranges = {{.first = 6, .last = 8}}};
    crew_init(&crew, PT_STATUS_AVAILABLE);
    for (uint64_t number = 3; number <= 9; number++) {
        struct crew_say say = say_of(CREW_PANIC, "");
        said(&crew, &say, NOW_MS, number, 0);
    }
    assert_false(crew_receipted(&crew, &receipt, 2)); /* of other numbers */
    assert_true(crew_receipted(&crew, &receipt, 1));
    assert_false(crew_receipted(&crew, &receipt, 1)); /* no news */
    static const bool stored[] = {true, false, false, true, true, true, false};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(crew.acts[6 - i].delivery,
                         stored[i] ? CREW_STORED : CREW_QUEUED);
}

/* By what the gateway knows it by, whatever became of it before. */
static void seen_by_the_control_room(void **state)
{
    (void)state;
    struct crew crew;
    struct pt_receipt receipt = {.stored_to = 9};
    struct crew_say a = say_of(CREW_PANIC, ""), b = say_of(CREW_PANIC, "");
    crew_init(&crew, PT_STATUS_AVAILABLE);
    said(&crew, &a, NOW_MS, 4, 0);
    said(&crew, &b, NOW_MS, 5, 0);
    assert_false(crew_seen(&crew, 0xbee, 104, NOW_MS + 7));
    assert_false(crew_seen(&crew, 0xbeef, 4, NOW_MS + 7));
    assert_true(crew_seen(&crew, 0xbeef, 104, NOW_MS + 7));
    assert_false(crew_seen(&crew, 0xbeef, 104, NOW_MS + 7)); /* no news */
    assert_true(crew_receipted(&crew, &receipt, 1));
    assert_int_equal(crew.acts[1].delivery, CREW_SEEN); /* and stays so */
    assert_int_equal(crew.acts[1].seen_ms, NOW_MS + 7);
    assert_int_equal(crew.acts[0].delivery, CREW_STORED);
    assert_int_equal(crew.acts[0].seen_ms, 0);
}

/* "" is said, too: it takes the place back. */
static void a_place_taken_back(void **state)
{
    (void)state;
    struct crew crew;
    struct crew_say say = say_of(CREW_PLACE, "");
    crew_init(&crew, PT_STATUS_BUSY);
    struct pt_entry entry = crew_entry(&crew, &say, NOW_MS);
    assert_int_equal(entry.kind, PT_KIND_STATUS);
    assert_string_equal(entry.detail, "");
}

static void gone_from_the_outbox(void **state)
{
    (void)state;
    struct crew crew;
    crew_init(&crew, PT_STATUS_AVAILABLE);
    struct crew_say a = say_of(CREW_PANIC, ""), b = say_of(CREW_PANIC, "");
    said(&crew, &a, NOW_MS, 4, 0);
    said(&crew, &b, NOW_MS, 5, 2); /* two were dropped between them */
    struct crew_outbox box = {
        .numbering = 1, .lowest = 4, .depth = 2, .dropped = 2};
    assert_false(crew_follow(&crew, &box));
    box.lowest = 6;
    assert_true(crew_follow(&crew, &box));
    assert_int_equal(crew.acts[0].delivery, CREW_STORED);
    assert_int_equal(crew.acts[1].delivery, CREW_LOST);
}

static void other_numbers_tell_nothing_until_it_is_empty(void **state)
{
    (void)state;
    struct crew crew;
    crew_init(&crew, PT_STATUS_AVAILABLE);
    struct crew_say a = say_of(CREW_PANIC, "");
    said(&crew, &a, NOW_MS, 4, 0);
    struct crew_outbox box = {.numbering = 2, .lowest = 900, .depth = 1};
    assert_false(crew_follow(&crew, &box));
    box.depth = 0;
    assert_true(crew_follow(&crew, &box));
    assert_int_equal(crew.acts[0].delivery, CREW_STORED);
}

static void found_again_after_a_start(void **state)
{
    (void)state;
    struct crew crew;
    const struct crew_outbox box = {.numbering = 1, .lowest = 1, .depth = 4};
    const struct pt_entry held[] = {
        {.seq = 1, .kind = PT_KIND_FIX},
        {.seq = 2, .kind = PT_KIND_LOGON, .detail = "P\u00e9rez"},
        {.seq = 3, .kind = PT_KIND_STATUS, .status = PT_STATUS_BUSY},
        {.seq = 4, .kind = PT_KIND_STATUS, .detail = "23 y L"},
        {.seq = 5, .kind = PT_KIND_STATUS, .detail = ""},
        {.seq = 6, .kind = PT_KIND_LOGON, .detail = ""},
    };
    static const enum crew_what whats[] = {CREW_LOGOFF, CREW_PLACE, CREW_PLACE,
                                           CREW_STATUS, CREW_LOGON};
    crew_init(&crew, PT_STATUS_AVAILABLE);
    for (size_t i = 0; i < 6; i++) {
        struct crew_held at = {held[i].seq, 0xbeef, held[i].seq + 100};
        crew_found(&crew, &held[i], &at, &box);
    }
    assert_int_equal(crew.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(crew.acts[i].what, whats[i]);
    assert_string_equal(crew.acts[1].text, "");
    assert_string_equal(crew.acts[2].text, "23 y L");
    assert_int_equal(crew.acts[3].status, PT_STATUS_BUSY);
    assert_int_equal(crew.acts[4].held.number, 2);
    assert_true(crew_seen(&crew, 0xbeef, 104, NOW_MS));
    assert_int_equal(crew.acts[2].delivery, CREW_SEEN);
    assert_int_equal(crew.status, PT_STATUS_AVAILABLE);
}

/* ---- what is kept */

static void kept_and_read_again(void **state)
{
    (void)state;
    char bytes[CREW_KEPT_MAX];
    struct crew crew = {.status = PT_STATUS_OFF_DUTY,
                        .status_ms = PT_TIME_MS_MAX,
                        .name_ms = PT_TIME_MS_MAX,
                        .place_ms = PT_TIME_MS_MAX};
    memset(crew.name, 'n', CREW_TEXT_MAX);
    memset(crew.place, 'p', CREW_TEXT_MAX);
    struct crew read = {0};
    size_t size = crew_write(&crew, bytes);
    assert_true(size < CREW_KEPT_MAX);
    assert_true(crew_read(&read, bytes, size));
    assert_memory_equal(&read, &crew, sizeof crew);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(crew_read(&read, bytes, cut));
}

static void what_is_not_ours_is_not_believed(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "status 0 busy\ncrew 0 \n",
        "status 0 drunk\ncrew 0 \nplace 0 \n",
        "status -1 busy\ncrew 0 \nplace 0 \n",
        "status 99999999999999999999 busy\ncrew 0 \nplace 0 \n",
        "status 0 busy\ncrew 0 \nplace 0 \nmore 0 \n",
        "status 0 busy\ncrew 0 \xff\nplace 0 \n",
        "status 0\ncrew 0 \nplace 0 \n",
    };
    struct crew crew;
    crew_init(&crew, PT_STATUS_AVAILABLE);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(crew_read(&crew, others[i], strlen(others[i])));
    assert_int_equal(crew.status, PT_STATUS_AVAILABLE);
}

/* ---- a page's body */

static void bodies_that_say_something(void **state)
{
    (void)state;
    struct crew_say say;
    static const char status[] =
        "{\"key\":\"k\",\"act\":\"status\",\"status\":\"en_route\","
        "\"ago_ms\":3600000}";
    assert_int_equal(crew_body_parse(status, strlen(status), &say), PT_OK);
    assert_int_equal(say.what, CREW_STATUS);
    assert_int_equal(say.status, PT_STATUS_EN_ROUTE);
    assert_int_equal(say.ago_ms, 3600000);
    static const char place[] =
        "{\"key\":\"k\",\"act\":\"place\",\"text\":\"\"}";
    assert_int_equal(crew_body_parse(place, strlen(place), &say), PT_OK);
    assert_int_equal(say.what, CREW_PLACE);
    assert_string_equal(say.text, "");
    static const char logon[] =
        "{\"key\":\"k\",\"act\":\"logon\",\"text\":\"<b>\u202e\"}";
    assert_int_equal(crew_body_parse(logon, strlen(logon), &say), PT_OK);
    assert_string_equal(say.text, "<b>\u202e"); /* text, whatever it says */
}

static void bodies_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum pt_err err;
    } cases[] = {
        {"", PT_E_MALFORMED},
        {"[]", PT_E_MALFORMED},
        {"{\"key\":\"k\",\"act\":\"panic\"", PT_E_MALFORMED},
        {"{\"key\":\"k\",\"key\":\"k\",\"act\":\"panic\"}", PT_E_MALFORMED},
        {"{\"act\":\"panic\"}", PT_E_RANGE},
        {"{\"key\":\"\",\"act\":\"panic\"}", PT_E_RANGE},
        {"{\"key\":\"a b\",\"act\":\"panic\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"panik\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"panic\",\"text\":\"x\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"status\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"status\",\"status\":\"unknown\"}",
         PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"logon\",\"text\":\"\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"logon\",\"text\":7}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"place\",\"text\":\"a\\nb\"}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"panic\",\"ago_ms\":-1}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"panic\",\"ago_ms\":3600001}", PT_E_RANGE},
        {"{\"key\":\"k\",\"act\":\"panic\",\"ago_ms\":1.5}", PT_E_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct crew_say say;
        assert_int_equal(
            crew_body_parse(cases[i].body, strlen(cases[i].body), &say),
            cases[i].err);
    }
}

static void texts_to_their_limit(void **state)
{
    (void)state;
    char body[CREW_BODY_MAX + 2], text[CREW_TEXT_MAX + 2];
    struct crew_say say;
    memset(text, 'x', sizeof text);
    text[CREW_TEXT_MAX] = '\0';
    int size =
        snprintf(body, sizeof body,
                 "{\"key\":\"k\",\"act\":\"place\",\"text\":\"%s\"}", text);
    assert_int_equal(crew_body_parse(body, (size_t)size, &say), PT_OK);
    assert_string_equal(say.text, text);
    text[CREW_TEXT_MAX] = 'x';
    text[CREW_TEXT_MAX + 1] = '\0';
    size = snprintf(body, sizeof body,
                    "{\"key\":\"k\",\"act\":\"place\",\"text\":\"%s\"}", text);
    assert_int_equal(crew_body_parse(body, (size_t)size, &say), PT_E_RANGE);
    memset(body, ' ', sizeof body);
    assert_int_equal(crew_body_parse(body, CREW_BODY_MAX + 1, &say),
                     PT_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_an_entry),
        cmocka_unit_test(a_panic_leaves_the_status),
        cmocka_unit_test(logging_on_and_off),
        cmocka_unit_test(who_is_at_work_stays_so),
        cmocka_unit_test(the_newest_are_remembered),
        cmocka_unit_test(stored_by_a_receipt),
        cmocka_unit_test(seen_by_the_control_room),
        cmocka_unit_test(a_place_taken_back),
        cmocka_unit_test(gone_from_the_outbox),
        cmocka_unit_test(other_numbers_tell_nothing_until_it_is_empty),
        cmocka_unit_test(found_again_after_a_start),
        cmocka_unit_test(kept_and_read_again),
        cmocka_unit_test(what_is_not_ours_is_not_believed),
        cmocka_unit_test(bodies_that_say_something),
        cmocka_unit_test(bodies_that_are_refused),
        cmocka_unit_test(texts_to_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

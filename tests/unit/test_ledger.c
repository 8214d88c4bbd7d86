/* A ledger and a row of flags, one for each number, are asked the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger.h"

#include <stdio.h>
#include <string.h>

#define MODEL_MAX 400 /* numbers 1..MODEL_MAX */

struct model {
    bool stored[MODEL_MAX + 2];
};

static uint64_t random_state = 88172645463325252;

/* Marsaglia's xorshift64: the same numbers in every run. */
static uint64_t below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static uint64_t model_stored_to(const struct model *model)
{
    uint64_t to = 0;

    while (to < MODEL_MAX && model->stored[to + 1])
        to++;
    return to;
}

/* Ranges above stored_to. */
static size_t model_ranges(const struct model *model)
{
    size_t count = 0;

    for (uint64_t i = model_stored_to(model) + 1; i <= MODEL_MAX; i++)
        if (model->stored[i] && !model->stored[i - 1])
            count++;
    return count;
}

static void assert_same(const struct ledger *ledger, const struct model *model)
{
    uint64_t end = ledger->stored_to;

    for (uint64_t i = 1; i <= MODEL_MAX; i++)
        if (ledger_has(ledger, i) != model->stored[i])
            fail_msg("number %zu", (size_t)i);
    assert_int_equal(ledger->stored_to, model_stored_to(model));
    assert_int_equal(ledger->range_count, model_ranges(model));
    for (size_t i = 0; i < ledger->range_count; i++) {
        assert_true(ledger->ranges[i].first > end + 1);
        assert_true(ledger->ranges[i].last >= ledger->ranges[i].first);
        end = ledger->ranges[i].last;
    }
}

/* Adds to both, and says whether the ledger was right to refuse. */
static void add_both(struct ledger *ledger, struct model *model, uint64_t seq)
{
    struct model after = *model;

    after.stored[seq] = true;
    if (model_ranges(&after) > LEDGER_RANGES_MAX) {
        assert_int_equal(ledger_add(ledger, seq), PT_E_FULL);
    } else {
        assert_int_equal(ledger_add(ledger, seq), PT_OK);
        *model = after;
    }
}

static void close_both(struct ledger *ledger, struct model *model,
                       uint64_t lowest)
{
    uint64_t lost = 0;

    for (uint64_t i = 1; i < lowest; i++) {
        lost += !model->stored[i];
        model->stored[i] = true;
    }
    assert_int_equal(ledger_close_below(ledger, lowest), lost);
}

static void merge_both(struct ledger *ledger, struct model *model)
{
    struct ledger other;
    struct model other_model = {0}, after = *model;
    struct pt_receipt receipt;

    ledger_init(&other);
    for (uint64_t n = below(200); n > 0; n--)
        add_both(&other, &other_model, 1 + below(MODEL_MAX));
    ledger_to_receipt(&other, 7, &receipt);
    assert_int_equal(receipt.generation, 7);
    for (size_t i = 1; i <= MODEL_MAX; i++)
        after.stored[i] = model->stored[i] || other_model.stored[i];
    if (model_ranges(&after) > LEDGER_RANGES_MAX) {
        assert_int_equal(ledger_merge(ledger, &receipt), PT_E_FULL);
    } else {
        assert_int_equal(ledger_merge(ledger, &receipt), PT_OK);
        *model = after;
    }
}

/* Through the database's text and back: nothing changes. */
static void pass_through_text(struct ledger *ledger)
{
    char text[LEDGER_TEXT_MAX];
    struct ledger back;

    assert_int_equal(ledger_ranges_text(ledger, text, sizeof text), PT_OK);
    assert_int_equal(ledger_parse(ledger->stored_to, text, &back), PT_OK);
    *ledger = back;
}

static void test_random_operations(void **context)
{
    size_t fullest = 0;

    (void)context;
    for (int round = 0; round < 60; round++) {
        struct ledger ledger;
        struct model model = {0};
        /* From nearly in order to all over the place. */
        uint64_t spread = 1 + below(MODEL_MAX);
        ledger_init(&ledger);
        for (int step = 0; step < 250; step++) {
            uint64_t from = ledger.stored_to + 1 + below(spread);
            switch (below(40)) {
            case 0:
                close_both(&ledger, &model, below(MODEL_MAX / 4));
                break;
            case 1:
                merge_both(&ledger, &model);
                break;
            case 2:
                pass_through_text(&ledger);
                break;
            default:
                add_both(&ledger, &model,
                         from <= MODEL_MAX ? from : 1 + below(MODEL_MAX));
            }
            assert_same(&ledger, &model);
            if (ledger.range_count > fullest)
                fullest = ledger.range_count;
        }
    }
    assert_int_equal(fullest, LEDGER_RANGES_MAX);
}

static void test_limits(void **context)
{
    struct ledger ledger;

    (void)context;
    ledger_init(&ledger);
    assert_int_equal(ledger_add(&ledger, 0), PT_E_RANGE);
    assert_int_equal(ledger_add(&ledger, PT_SEQ_MAX + 1), PT_E_RANGE);
    assert_int_equal(ledger_add(&ledger, UINT64_MAX), PT_E_RANGE);
    assert_int_equal(ledger_add(&ledger, PT_SEQ_MAX), PT_OK);
    assert_int_equal(ledger_add(&ledger, PT_SEQ_MAX - 1), PT_OK);
    assert_int_equal(ledger.range_count, 1);
    assert_false(ledger_has(&ledger, PT_SEQ_MAX - 2));
    /* 2^63 - 2 numbers, two of them stored. */
    assert_int_equal(ledger_close_below(&ledger, UINT64_MAX), PT_SEQ_MAX - 2);
    assert_int_equal(ledger.stored_to, PT_SEQ_MAX);
    assert_int_equal(ledger.range_count, 0);
    assert_int_equal(ledger_close_below(&ledger, UINT64_MAX), 0);
    assert_int_equal(ledger_close_below(&ledger, 0), 0);
    assert_int_equal(ledger_add(&ledger, PT_SEQ_MAX), PT_OK);
}

/* All ranges taken: a number that joins is still welcome, and a close makes
 * room again. */
static void test_full(void **context)
{
    struct ledger ledger;

    (void)context;
    ledger_init(&ledger);
    for (uint64_t i = 0; i < LEDGER_RANGES_MAX; i++)
        assert_int_equal(ledger_add(&ledger, 10 + 10 * i), PT_OK);
    assert_int_equal(ledger_add(&ledger, 5), PT_E_FULL);
    assert_false(ledger_has(&ledger, 5));
    assert_int_equal(ledger_add(&ledger, 5000), PT_E_FULL);
    assert_int_equal(ledger_add(&ledger, 10), PT_OK);
    assert_int_equal(ledger_add(&ledger, 11), PT_OK);
    assert_int_equal(ledger_add(&ledger, 19), PT_OK);
    assert_int_equal(ledger_add(&ledger, 1), PT_OK);
    assert_int_equal(ledger_close_below(&ledger, 11), 8);
    assert_int_equal(ledger.stored_to, 11);
    assert_int_equal(ledger_add(&ledger, 5000), PT_OK);
}

static void test_text(void **context)
{
    struct ledger ledger;
    char text[LEDGER_TEXT_MAX];

    (void)context;
    ledger_init(&ledger);
    assert_int_equal(ledger_ranges_text(&ledger, text, sizeof text), PT_OK);
    assert_string_equal(text, "{}");
    for (uint64_t seq = 5; seq <= 7; seq++)
        assert_int_equal(ledger_add(&ledger, seq), PT_OK);
    assert_int_equal(ledger_add(&ledger, 10), PT_OK);
    /* psql -Atc "SELECT '{[5,7],[10,10]}'::int8multirange" */
    assert_int_equal(ledger_ranges_text(&ledger, text, sizeof text), PT_OK);
    assert_string_equal(text, "{[5,8),[10,11)}");
    for (size_t size = 0; size < sizeof "{[5,8),[10,11)}"; size++)
        assert_int_equal(ledger_ranges_text(&ledger, text, size), PT_E_FULL);
    assert_int_equal(
        ledger_ranges_text(&ledger, text, sizeof "{[5,8),[10,11)}"), PT_OK);
}

/* The longest numbers in as many ranges as fit: the stated size suffices. */
static void test_text_longest(void **context)
{
    struct ledger ledger;

    (void)context;
    ledger_init(&ledger);
    for (uint64_t i = 0; i < LEDGER_RANGES_MAX; i++)
        assert_int_equal(ledger_add(&ledger, PT_SEQ_MAX - 2 * i), PT_OK);
    pass_through_text(&ledger);
    assert_int_equal(ledger.range_count, LEDGER_RANGES_MAX);
    assert_true(ledger_has(&ledger, PT_SEQ_MAX));
}

static void test_parse_refuses(void **context)
{
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "{}x",
        "{ }",
        "{[5,8)",
        "{[5,8),}",
        "{,[5,8)}",
        "{[5,8]}",
        "{(5,8)}",
        "{[5,5)}",
        "{[8,5)}",
        "{[05,8)}",
        "{[+5,8)}",
        "{[-5,8)}",
        "{[ 5,8)}",
        "{[5,)}",
        "{[,8)}",
        "{[0,8)}",
        "{[4,8)}",
        "{[3,4)}",
        "{[5,8),[8,9)}",
        "{[5,8),[6,7)}",
        "{[9,10),[6,7)}",
        "{[5,9223372036854775808)}",
        "{[5,99999999999999999999999)}",
        "{[5,8)[10,11)}",
        "empty",
    };
    struct ledger ledger = {.stored_to = 42};
    char many[LEDGER_TEXT_MAX + 44];
    size_t used = 1;

    (void)context;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (ledger_parse(3, bad[i], &ledger) != PT_E_MALFORMED)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(ledger_parse(PT_SEQ_MAX + 1, "{}", &ledger),
                     PT_E_MALFORMED);
    many[0] = '{';
    for (int i = 0; i <= LEDGER_RANGES_MAX; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "%s[%d,%d)",
                                 i > 0 ? "," : "", 10 * i + 5, 10 * i + 6);
    memcpy(many + used, "}", 2);
    assert_int_equal(ledger_parse(3, many, &ledger), PT_E_MALFORMED);
    assert_int_equal(ledger.stored_to, 42);
    assert_int_equal(ledger_parse(3, "{[5,9223372036854775807)}", &ledger),
                     PT_OK);
    assert_true(ledger_has(&ledger, PT_SEQ_MAX));
    assert_false(ledger_has(&ledger, 4));
}

static void test_merge_refuses(void **context)
{
    const struct pt_receipt bad[] = {
        {.stored_to = PT_SEQ_MAX + 1},
        {.range_count = PT_RECEIPT_RANGES_MAX + 1},
        {.stored_to = 5, .range_count = 1, .ranges = {{5, 9}}},
        {.range_count = 1, .ranges = {{0, 9}}},
        {.range_count = 1, .ranges = {{9, 8}}},
        {.range_count = 2, .ranges = {{8, 9}, {3, 4}}},
        {.range_count = 1, .ranges = {{8, UINT64_MAX}}},
    };
    struct ledger ledger;

    (void)context;
    ledger_init(&ledger);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ledger_merge(&ledger, &bad[i]), PT_E_RANGE);
    assert_int_equal(ledger.stored_to, 0);
    assert_int_equal(ledger.range_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_longest),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_merge_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

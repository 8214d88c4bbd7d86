/* What becomes of each entry of a transaction, and the bytes that are sent:
 * the parts of the store that need no database. The rest stands in
 * tests/integration/test_store.py. */
#include "store_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 INT64_C(1795178096789) /* 2026-11-20 12:34:56.789 UTC */

/* An accepted fix of device `device_id`, which is the unit of that number. */
static struct batch_item fix(uint32_t device_id, uint64_t generation,
                             uint64_t seq)
{
    struct batch_item item = {.device_id = device_id,
                              .unit_id = device_id,
                              .generation = generation,
                              .received_ms = T0,
                              .flags = PT_FLAG_POSITION};

    snprintf(item.device_name, sizeof item.device_name, "car-%u",
             (unsigned)device_id);
    item.entry.seq = seq;
    item.entry.time_ms = T0 + (int64_t)(seq % 1000000);
    item.entry.at = (struct geo_point){23133000, -82383000};
    item.entry.flags = PT_FLAG_POSITION;
    return item;
}

/* Every ledger has a row, as it was before: nothing stored. */
static void give_rows(struct plan *plan)
{
    size_t cursor = 0;

    for (size_t i = 0; i < plan->ledger_groups; i++)
        assert_int_equal(plan_row(plan, &cursor, plan->groups[i].device_id,
                                  plan->groups[i].generation, 0, "{}", 0),
                         PT_OK);
}

static void begin(struct plan *plan, const struct batch_item *items,
                  size_t count)
{
    assert_int_equal(plan_init(plan, count), PT_OK);
    plan_begin(plan, items, count, 0, count);
}

static const struct planned *planned_of(const struct plan *plan,
                                        const struct batch_item *item)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].item == item)
            return &plan->items[i];
    return NULL;
}

#define CHECK_VERDICT(plan, item, expected) \
    assert_int_equal(planned_of(plan, item)->verdict, expected)

static void groups_come_in_the_order_of_the_key(void **state)
{
    /* bigint is signed: 2^63 and above come first */
    struct batch_item items[] = {fix(2, 1, 1), fix(1, 1, 2),
                                 fix(1, UINT64_C(1) << 63, 1), fix(1, 1, 1),
                                 fix(BATCH_NO_DEVICE, 1, 1)};
    struct plan plan;

    (void)state;
    items[4].refusal = REFUSED_UNKNOWN_DEVICE;
    begin(&plan, items, 5);
    assert_int_equal(plan.group_count, 4);
    assert_int_equal(plan.ledger_groups, 3);
    assert_int_equal(plan.groups[0].generation, UINT64_C(1) << 63);
    assert_int_equal(plan.groups[1].device_id, 1);
    assert_int_equal(plan.groups[1].count, 2);
    assert_ptr_equal(plan.items[1].item, &items[3]); /* by number */
    assert_int_equal(plan.groups[2].device_id, 2);
    assert_int_equal(plan.groups[3].device_id, BATCH_NO_DEVICE);
    plan_clear(&plan);
}

static void the_ring_wraps(void **state)
{
    struct batch_item items[] = {fix(1, 1, 3), fix(1, 1, 4), fix(1, 1, 1),
                                 fix(1, 1, 2)};
    struct plan plan;

    (void)state;
    assert_int_equal(plan_init(&plan, 3), PT_OK);
    plan_begin(&plan, items, 4, 2, 3);
    assert_ptr_equal(plan.items[0].item, &items[2]);
    assert_ptr_equal(plan.items[1].item, &items[3]);
    assert_ptr_equal(plan.items[2].item, &items[0]);
    plan_clear(&plan);
}

static void new_ones_are_stored_and_repeats_are_not(void **state)
{
    struct batch_item items[] = {fix(1, 7, 4), fix(1, 7, 6), fix(1, 7, 9),
                                 fix(1, 7, 10)};
    struct store_receipt receipt;
    struct plan plan;
    size_t cursor = 0;

    (void)state;
    begin(&plan, items, 4);
    assert_int_equal(plan_row(&plan, &cursor, 1, 7, 5, "{[9,10)}", 3), PT_OK);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[0], VERDICT_REPEAT);
    CHECK_VERDICT(&plan, &items[1], VERDICT_STORE);
    CHECK_VERDICT(&plan, &items[2], VERDICT_REPEAT);
    CHECK_VERDICT(&plan, &items[3], VERDICT_STORE);
    assert_true(planned_of(&plan, &items[2])->ask);
    assert_true(plan.groups[0].changed);
    assert_true(plan.groups[0].backlog); /* a receipt was lost */
    assert_int_equal(plan.groups[0].lost, 3);
    plan_receipt(&plan, &plan.groups[0], &receipt);
    assert_string_equal(receipt.device_name, "car-1");
    assert_int_equal(receipt.receipt.generation, 7);
    assert_int_equal(receipt.receipt.stored_to, 6);
    assert_int_equal(receipt.receipt.range_count, 1);
    assert_int_equal(receipt.receipt.ranges[0].first, 9);
    assert_int_equal(receipt.receipt.ranges[0].last, 10);
    plan_clear(&plan);
}

static void one_batch_twice_the_same_number(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1), fix(1, 7, 1), fix(1, 7, 2),
                                 fix(1, 7, 2)};
    struct plan plan;

    (void)state;
    items[1].received_ms++;
    items[3].received_ms++;
    items[3].entry.at.lat_e6++;
    begin(&plan, items, 4);
    give_rows(&plan);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[0], VERDICT_STORE);
    CHECK_VERDICT(&plan, &items[1], VERDICT_REPEAT);
    CHECK_VERDICT(&plan, &items[2], VERDICT_STORE);
    CHECK_VERDICT(&plan, &items[3], VERDICT_DIFFERS);
    assert_false(planned_of(&plan, &items[1])->ask); /* known already */
    assert_int_equal(plan_reason(&plan, planned_of(&plan, &items[3])),
                     REFUSED_REPEAT_DIFFERS);
    plan_clear(&plan);
}

static void refused_ones_are_quarantined_once(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1), fix(1, 7, 2), fix(1, 7, 2)};
    struct plan plan;

    (void)state;
    items[1].refusal = items[2].refusal = REFUSED_TIME_FUTURE;
    begin(&plan, items, 3);
    give_rows(&plan);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[0], VERDICT_STORE);
    assert_int_equal(plan.items[1].verdict, VERDICT_QUARANTINE);
    assert_int_equal(plan.items[2].verdict, VERDICT_REPEAT);
    assert_int_equal(plan.groups[0].ledger.stored_to, 2); /* receipted */
    assert_int_equal(plan.latest_count, 1);
    assert_ptr_equal(plan.latest[0], &items[0]);
    plan_clear(&plan);
}

/* The place goes to quarantine, the act to unit_event, the number into the
 * ledger: once each, whatever is repeated. */
static void an_act_outlives_its_place(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1), fix(1, 7, 2), fix(1, 7, 2),
                                 fix(1, 7, 3), fix(1, 7, 4)};
    struct copy copy;
    struct plan plan;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        items[i].entry.kind = PT_KIND_PANIC;
    for (size_t i = 0; i < 5; i++)
        items[i].refusal = REFUSED_COORDINATES;
    items[0].act_kept = items[1].act_kept = items[2].act_kept = true;
    begin(&plan, items, 5);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(plan.items[0].verdict, VERDICT_ACT);
    assert_int_equal(plan.items[1].verdict, VERDICT_ACT);
    assert_int_equal(plan.items[2].verdict, VERDICT_REPEAT);
    assert_int_equal(plan.items[3].verdict, VERDICT_QUARANTINE); /* not kept */
    assert_int_equal(plan.items[4].verdict, VERDICT_QUARANTINE);
    assert_int_equal(plan_reason(&plan, &plan.items[0]), REFUSED_COORDINATES);
    assert_int_equal(plan.groups[0].ledger.stored_to, 4);
    assert_true(plan.groups[0].urgent);
    assert_int_equal(plan.latest_count, 0);
    assert_int_equal(copy_positions(&plan, &copy), PT_OK);
    assert_null(copy.data);
    assert_int_equal(copy_events(&plan, &copy), PT_OK);
    assert_int_equal(copy.rows, 2);
    free(copy.data);
    assert_int_equal(copy_quarantine(&plan, &copy), PT_OK);
    assert_int_equal(copy.rows, 4);
    free(copy.data);
    plan_clear(&plan);
}

/* Deleted since intake looked: there is no ledger that could keep repeats
 * out of unit_event. */
static void an_act_of_a_deleted_device_is_quarantined(void **state)
{
    struct batch_item item = fix(1, 7, 1);
    struct plan plan;

    (void)state;
    item.entry.kind = PT_KIND_STATUS;
    item.refusal = REFUSED_TIME_PAST;
    item.act_kept = true;
    begin(&plan, &item, 1);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &item, VERDICT_QUARANTINE);
    plan_clear(&plan);
}

static void unknown_devices_are_receipted_from_what_they_sent(void **state)
{
    struct batch_item items[] = {fix(BATCH_NO_DEVICE, 7, 4),
                                 fix(BATCH_NO_DEVICE, 7, 5)};
    struct store_receipt receipt;
    struct plan plan;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        items[i].refusal = REFUSED_UNKNOWN_DEVICE;
        items[i].lowest_held = 4;
    }
    begin(&plan, items, 2);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[0], VERDICT_QUARANTINE);
    CHECK_VERDICT(&plan, &items[1], VERDICT_QUARANTINE);
    assert_true(plan.groups[0].receipted);
    plan_receipt(&plan, &plan.groups[0], &receipt);
    assert_int_equal(receipt.receipt.stored_to, 0); /* nothing more than 4, 5 */
    assert_int_equal(receipt.receipt.range_count, 1);
    assert_int_equal(receipt.receipt.ranges[0].first, 4);
    assert_int_equal(receipt.receipt.ranges[0].last, 5);
    plan_clear(&plan);
}

static void a_device_deleted_meanwhile_is_unknown(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1), fix(2, 7, 1)};
    struct plan plan;
    size_t cursor = 0;

    (void)state;
    begin(&plan, items, 2);
    assert_int_equal(plan_row(&plan, &cursor, 2, 7, 0, "{}", 0), PT_OK);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[0], VERDICT_QUARANTINE);
    assert_int_equal(plan_reason(&plan, planned_of(&plan, &items[0])),
                     REFUSED_UNKNOWN_DEVICE);
    CHECK_VERDICT(&plan, &items[1], VERDICT_STORE);
    plan_clear(&plan);
}

static void what_has_no_number_gets_no_receipt(void **state)
{
    struct batch_item items[] = {fix(1, 0, 0), fix(1, 7, UINT64_MAX)};
    struct plan plan;

    (void)state;
    items[0].refusal = REFUSED_MALFORMED;
    items[1].refusal = REFUSED_VALUE;
    begin(&plan, items, 2);
    assert_int_equal(plan.ledger_groups, 0);
    plan_judge(&plan);
    for (size_t i = 0; i < plan.group_count; i++)
        assert_false(plan.groups[i].receipted);
    CHECK_VERDICT(&plan, &items[0], VERDICT_QUARANTINE);
    CHECK_VERDICT(&plan, &items[1], VERDICT_QUARANTINE);
    plan_clear(&plan);
}

static void below_what_is_held_the_ledger_closes(void **state)
{
    struct batch_item items[] = {fix(1, 7, 10), fix(1, 7, 3)};
    struct plan plan;

    (void)state;
    items[0].lowest_held = 8;
    begin(&plan, items, 2);
    give_rows(&plan);
    plan_judge(&plan);
    /* 3 is in this batch; 1, 2, 4, 5, 6, 7 are lost, 8 and 9 still come */
    CHECK_VERDICT(&plan, &items[1], VERDICT_STORE);
    assert_int_equal(plan.closed, 6);
    assert_int_equal(plan.groups[0].lost, 6);
    assert_int_equal(plan.groups[0].ledger.stored_to, 7);
    assert_int_equal(plan.groups[0].ledger.ranges[0].first, 10);
    plan_clear(&plan);
}

static void a_lie_about_what_is_held_closes_no_more_than_it_sends(void **state)
{
    struct batch_item items[] = {fix(1, 7, 10)};
    struct plan plan;

    (void)state;
    items[0].lowest_held = UINT64_MAX;
    begin(&plan, items, 1);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(plan.groups[0].ledger.stored_to, 10);
    assert_int_equal(plan.closed, 9);
    plan_clear(&plan);
}

static void lost_stays_at_the_columns_end(void **state)
{
    struct batch_item items[] = {fix(1, 7, PT_SEQ_MAX)};
    struct plan plan;
    size_t cursor = 0;

    (void)state;
    items[0].lowest_held = PT_SEQ_MAX;
    begin(&plan, items, 1);
    assert_int_equal(plan_row(&plan, &cursor, 1, 7, 0, "{}", 5), PT_OK);
    plan_judge(&plan);
    assert_int_equal(plan.groups[0].lost, (uint64_t)INT64_MAX);
    plan_clear(&plan);
}

/* 70 numbers with holes between them: more ranges than a ledger keeps. */
static void a_full_ledger_sends_the_farthest_away(void **state)
{
    static struct batch_item items[70];
    struct plan plan;

    (void)state;
    for (uint64_t i = 0; i < 70; i++)
        items[i] = fix(1, 7, 2 * i + 2);
    begin(&plan, items, 70);
    give_rows(&plan);
    plan_judge(&plan);
    CHECK_VERDICT(&plan, &items[LEDGER_RANGES_MAX - 1], VERDICT_STORE);
    CHECK_VERDICT(&plan, &items[LEDGER_RANGES_MAX], VERDICT_NONE);
    assert_int_equal(plan.ledger_full, 70 - LEDGER_RANGES_MAX);
    plan_clear(&plan);
}

/* The same, but the vehicle no longer holds what is missing: nothing of the
 * batch may be lost for that. */
static void holes_close_before_anything_is_sent_away(void **state)
{
    static struct batch_item items[70];
    struct plan plan;

    (void)state;
    for (uint64_t i = 0; i < 70; i++) {
        items[i] = fix(1, 7, 2 * i + 2);
        items[i].lowest_held = 2 * i + 2;
    }
    begin(&plan, items, 70);
    give_rows(&plan);
    plan_judge(&plan);
    for (size_t i = 0; i < 70; i++)
        CHECK_VERDICT(&plan, &items[i], VERDICT_STORE);
    assert_int_equal(plan.closed, 70); /* the odd numbers to 139 */
    assert_int_equal(plan.groups[0].ledger.stored_to, 140);
    plan_clear(&plan);
}

static void acts_and_backlogs_are_told(void **state)
{
    struct batch_item items[13];
    struct plan plan;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        items[i] = fix(1, 7, i + 1);
    items[8] = fix(2, 7, 1);
    items[8].entry.kind = PT_KIND_PANIC;
    items[9] = fix(3, 7, 1);
    items[10] = fix(4, 7, 1);
    items[11] = fix(4, 7, 2);
    items[10].entry.time_ms = T0 - LATE_MS - 1;
    items[12] = fix(5, 7, 1);
    items[12].entry.kind = PT_KIND_STATUS;
    begin(&plan, items, 13);
    give_rows(&plan);
    plan_judge(&plan);
    assert_true(plan.groups[0].backlog);
    assert_false(plan.groups[0].urgent);
    assert_true(plan.groups[1].urgent);
    assert_false(plan.groups[1].backlog);
    assert_false(plan.groups[2].urgent || plan.groups[2].backlog);
    assert_true(plan.groups[3].backlog); /* late, and not alone */
    assert_true(plan.groups[4].urgent);
    plan_clear(&plan);
}

static void the_newest_fix_of_each_unit(void **state)
{
    struct batch_item items[] = {fix(2, 7, 5), fix(2, 7, 4), fix(1, 7, 1),
                                 fix(3, 7, 1), fix(1, 8, 1), fix(9, 7, 1)};
    struct plan plan;

    (void)state;
    items[3].entry.flags = 0; /* no position */
    items[4].entry.time_ms = T0 - 5;
    items[5].unit_id = 2; /* a second device of the unit, newer */
    items[5].entry.time_ms = T0 + 1000;
    begin(&plan, items, 6);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(plan.latest_count, 2);
    assert_ptr_equal(plan.latest[0], &items[2]);
    assert_ptr_equal(plan.latest[1], &items[5]);
    plan_clear(&plan);
}

/* Nowhere else would the status stand that an entry without a fix says. */
static void what_leaves_which_row(void **state)
{
    struct batch_item item = fix(1, 7, 1);

    (void)state;
    assert_true(plan_has_position(&item));
    assert_false(plan_has_event(&item));
    item.entry.kind = PT_KIND_PANIC;
    assert_true(plan_has_event(&item));
    item.entry.flags = 0;
    assert_true(plan_has_event(&item));
    item.entry.kind = PT_KIND_FIX;
    assert_false(plan_has_position(&item));
    assert_true(plan_has_event(&item));
}

static void rows_that_were_not_asked_for_are_an_error(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1)};
    struct plan plan;
    size_t cursor = 0;

    (void)state;
    begin(&plan, items, 1);
    assert_int_equal(plan_row(&plan, &cursor, 2, 7, 0, "{}", 0), PT_E_CORRUPT);
    cursor = 0;
    assert_int_equal(plan_row(&plan, &cursor, 1, 7, 0, "nonsense", 0),
                     PT_E_MALFORMED);
    plan_clear(&plan);
}

/* ---- random batches against a plain set: what was stored, how often */

#define MODEL_DEVICES 3
#define MODEL_SEQS 200

struct model {
    unsigned stored[MODEL_DEVICES][MODEL_SEQS + 1];
    struct ledger ledgers[MODEL_DEVICES]; /* as the database keeps them */
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u; /* Numerical Recipes, 7.1 */
    return *seed >> 8;
}

static void run_batch(struct model *model, const struct batch_item *items,
                      size_t count, bool commits)
{
    struct plan plan;
    size_t cursor = 0;

    begin(&plan, items, count);
    for (size_t i = 0; i < plan.ledger_groups; i++) {
        uint32_t device_id = plan.groups[i].device_id;
        const struct ledger *ledger = &model->ledgers[device_id - 1];
        char ranges[LEDGER_TEXT_MAX];

        assert_int_equal(ledger_ranges_text(ledger, ranges, sizeof ranges),
                         PT_OK);
        assert_int_equal(plan_row(&plan, &cursor, device_id, 7,
                                  ledger->stored_to, ranges, 0),
                         PT_OK);
    }
    plan_judge(&plan);
    for (size_t i = 0; commits && i < plan.count; i++) {
        const struct batch_item *item = plan.items[i].item;

        if (plan.items[i].verdict == VERDICT_STORE)
            model->stored[item->device_id - 1][item->entry.seq]++;
        if (plan.items[i].verdict != VERDICT_NONE)
            assert_true(ledger_has(&plan.groups[plan.items[i].group].ledger,
                                   item->entry.seq));
    }
    for (size_t i = 0; commits && i < plan.ledger_groups; i++)
        model->ledgers[plan.groups[i].device_id - 1] = plan.groups[i].ledger;
    plan_clear(&plan);
}

static void random_repeats_are_stored_once(void **state)
{
    static struct model model;
    struct batch_item items[40];
    uint32_t seed = 20261120;

    (void)state;
    memset(&model, 0, sizeof model);
    for (int round = 0; round < 2000; round++) {
        size_t count = next_random(&seed) % 40 + 1;

        for (size_t i = 0; i < count; i++)
            items[i] = fix(next_random(&seed) % MODEL_DEVICES + 1, 7,
                           next_random(&seed) % MODEL_SEQS + 1);
        run_batch(&model, items, count, next_random(&seed) % 4 != 0);
    }
    /* what was sent away from a full ledger comes again */
    for (uint64_t seq = 1; seq <= MODEL_SEQS; seq++) {
        for (uint32_t device = 1; device <= MODEL_DEVICES; device++)
            items[device - 1] = fix(device, 7, seq);
        run_batch(&model, items, MODEL_DEVICES, true);
    }
    for (size_t device = 0; device < MODEL_DEVICES; device++)
        for (size_t seq = 1; seq <= MODEL_SEQS; seq++)
            assert_int_equal(model.stored[device][seq], 1);
}

/* ---- bytes */

static void check_bytes(struct copy *copy, const char *hex)
{
    assert_int_equal(copy->rows, 1);
    assert_int_equal(copy->size, strlen(hex) / 2);
    for (size_t i = 0; i < copy->size; i++) {
        char pair[3];

        snprintf(pair, sizeof pair, "%02x", (unsigned char)copy->data[i]);
        assert_memory_equal(pair, hex + 2 * i, 2);
    }
    free(copy->data);
}

/* The expected bytes are PostgreSQL 15's own, from
 * psql -c "COPY (SELECT ...) TO STDOUT WITH (FORMAT binary)" | xxd -p
 * with what stands in each comment. */
static void positions_are_written_as_postgresql_does(void **state)
{
    /* 258, timestamptz '2026-11-20 12:34:56.789+00',
     * timestamptz '2026-11-20 12:34:57.001+00',
     * ST_SetSRID(ST_MakePoint(-82.383, 23.133), 4326), 12.5::real,
     * NULL::real, 3.5::real, 'en_route'::patrol.unit_status, -2::bigint,
     * 4294967298::bigint, 65547 */
    static const char expected[] =
        "5047434f50590aff0d0a000000000000000000000b000000"
        "040000010200000008000303b33d8ca60800000008000303"
        "b33d8fe228000000190101000020e61000008d976e128398"
        "54c0355eba490c2237400000000441480000ffffffff0000"
        "00044060000000000008656e5f726f75746500000008ffff"
        "fffffffffffe000000080000000100000002000000040001"
        "000bffff";
    struct batch_item item = fix(258, (uint64_t)-2, 4294967298);
    struct copy copy;
    struct plan plan;

    (void)state;
    item.received_ms = 1795178097001;
    item.entry.time_ms = T0;
    item.entry.flags = PT_FLAG_POSITION | PT_FLAG_SPEED | PT_FLAG_ACCURACY;
    item.flags = item.entry.flags | BATCH_FLAG_JUMP;
    item.entry.speed_cmps = 1250;
    item.entry.accuracy_dm = 35;
    item.entry.status = PT_STATUS_EN_ROUTE;
    begin(&plan, &item, 1);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(copy_positions(&plan, &copy), PT_OK);
    check_bytes(&copy, expected);
    assert_int_equal(copy_events(&plan, &copy), PT_OK);
    assert_null(copy.data); /* a plain fix is no event */
    plan_clear(&plan);
}

static void events_are_written_as_postgresql_does(void **state)
{
    /* 258, -2::bigint, 7::bigint,
     * timestamptz '1970-01-01 00:00:00.001+00', 'panic',
     * 'busy'::patrol.unit_status, 'ñ', false,
     * timestamptz '2026-11-20 12:34:56.789+00' */
    static const char expected[] =
        "5047434f50590aff0d0a0000000000000000000009000000"
        "040000010200000008fffffffffffffffe00000008000000"
        "000000000700000008fffca2fec4c823e80000000570616e"
        "6963000000046275737900000002c3b10000000100000000"
        "08000303b33d8ca608ffff";
    /* the same at '2026-11-20 12:34:56.789+00', true */
    static const char from_gateway[] =
        "5047434f50590aff0d0a0000000000000000000009000000"
        "040000010200000008fffffffffffffffe00000008000000"
        "000000000700000008000303b33d8ca6080000000570616e"
        "6963000000046275737900000002c3b10000000101000000"
        "08000303b33d8ca608ffff";
    struct batch_item item = fix(258, (uint64_t)-2, 7);
    struct copy copy;
    struct plan plan;

    (void)state;
    item.entry.flags = 0;
    item.entry.time_ms = 1;
    item.entry.kind = PT_KIND_PANIC;
    item.entry.status = PT_STATUS_BUSY;
    item.entry.detail = "\xc3\xb1";
    begin(&plan, &item, 1);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(copy_events(&plan, &copy), PT_OK);
    check_bytes(&copy, expected);
    assert_int_equal(copy_positions(&plan, &copy), PT_OK);
    assert_null(copy.data); /* an act without a fix has no position */
    plan_clear(&plan);
    item.refusal = REFUSED_TIME_PAST;
    item.act_kept = true;
    item.flags = BATCH_FLAG_GATEWAY_TIME;
    begin(&plan, &item, 1);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(copy_events(&plan, &copy), PT_OK);
    check_bytes(&copy, from_gateway);
    plan_clear(&plan);
}

static void quarantine_is_written_as_postgresql_does(void **state)
{
    /* timestamptz '2026-11-20 12:34:57.001+00', 'car?7',
     * 'impossible_coordinates', 9::bigint, 7::bigint,
     * 1795178096789::bigint, 91000000, -200000000, NULL::text */
    static const char expected[] =
        "5047434f50590aff0d0a0000000000000000000009000000"
        "08000303b33d8fe228000000056361723f3700000016696d"
        "706f737369626c655f636f6f7264696e6174657300000008"
        "000000000000000900000008000000000000000700000008"
        "000001a1f8f3e89500000004056c8cc000000004f4143e00"
        "ffffffffffff";
    struct batch_item item = fix(258, 9, 7);
    struct copy copy;
    struct plan plan;

    (void)state;
    strcpy(item.device_name, "car\xff"
                             "7");
    item.received_ms = 1795178097001;
    item.refusal = REFUSED_COORDINATES;
    item.entry.time_ms = T0;
    item.entry.at = (struct geo_point){91000000, -200000000};
    begin(&plan, &item, 1);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(copy_quarantine(&plan, &copy), PT_OK);
    check_bytes(&copy, expected);
    plan_clear(&plan);
}

static void texts_in_arrays_are_quoted(void **state)
{
    struct batch_item items[] = {fix(1, 7, 1), fix(1, 7, 3)};
    struct plan plan;
    struct sql sql;

    (void)state;
    items[0].entry.kind = items[1].entry.kind = PT_KIND_ANSWER;
    items[0].entry.detail = "say \"a\\b\", {NULL}";
    begin(&plan, items, 2);
    give_rows(&plan);
    plan_judge(&plan);
    assert_int_equal(sql_write_rows(&plan, &sql), PT_OK);
    assert_int_equal(sql.rows, 1);
    assert_string_equal(sql.params[0], "{1}");
    assert_string_equal(sql.params[1], "{7}");
    assert_string_equal(sql.params[2], "{1}");
    assert_string_equal(sql.params[3], "{\"{[3,4)}\"}");
    free(sql.memory);
    plan.items[0].ask = plan.items[1].ask = true;
    assert_int_equal(sql_compare(&plan, &sql), PT_OK);
    /* PostgreSQL manual, 8.15.6: quotes and backslashes are escaped */
    assert_string_equal(sql.params[8], "{\"say \\\"a\\\\b\\\", {NULL}\",NULL}");
    free(sql.memory);
    plan_clear(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_in_the_order_of_the_key),
        cmocka_unit_test(the_ring_wraps),
        cmocka_unit_test(new_ones_are_stored_and_repeats_are_not),
        cmocka_unit_test(one_batch_twice_the_same_number),
        cmocka_unit_test(refused_ones_are_quarantined_once),
        cmocka_unit_test(an_act_outlives_its_place),
        cmocka_unit_test(an_act_of_a_deleted_device_is_quarantined),
        cmocka_unit_test(unknown_devices_are_receipted_from_what_they_sent),
        cmocka_unit_test(a_device_deleted_meanwhile_is_unknown),
        cmocka_unit_test(what_has_no_number_gets_no_receipt),
        cmocka_unit_test(below_what_is_held_the_ledger_closes),
        cmocka_unit_test(a_lie_about_what_is_held_closes_no_more_than_it_sends),
        cmocka_unit_test(lost_stays_at_the_columns_end),
        cmocka_unit_test(a_full_ledger_sends_the_farthest_away),
        cmocka_unit_test(holes_close_before_anything_is_sent_away),
        cmocka_unit_test(acts_and_backlogs_are_told),
        cmocka_unit_test(the_newest_fix_of_each_unit),
        cmocka_unit_test(what_leaves_which_row),
        cmocka_unit_test(rows_that_were_not_asked_for_are_an_error),
        cmocka_unit_test(random_repeats_are_stored_once),
        cmocka_unit_test(positions_are_written_as_postgresql_does),
        cmocka_unit_test(events_are_written_as_postgresql_does),
        cmocka_unit_test(quarantine_is_written_as_postgresql_does),
        cmocka_unit_test(texts_in_arrays_are_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

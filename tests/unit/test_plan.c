/* plan: in a small town (small_town.h) whose corners are 20 s apart, with
 * everybody promised 30 s: a post at a crossing has the missions there and at
 * the next ones in time. Missions stand at 1, 4, 5 and 6: from 2 those at 1 and
 * 5 are, from 3 those at 4 and 6, from 6 that at 6 alone (5 is 60 s away). */
#include "plan.h"

#include "fail_alloc.h"
#include "small_town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1718000000000)

static const int at_crossings[] = {1, 4, 5, 6};
static const unsigned units[] = {1, 2, 3};

struct town {
    struct roads *roads;
    struct catalog *catalog;
    struct coverage_settings settings;
    struct terms *terms;
    struct siting_point candidates[3]; /* 2, 3 and 6 */
    struct siting_wish siting;
    struct plan_group groups[2];
    struct plan_wish wish;
};

static void build(struct town *t)
{
    static struct roads_metric *own[2]; /* none in force but the network's */
    *t = (struct town){.roads = make_small_town(),
                       .catalog = make_missions(at_crossings, 4),
                       .settings = small_town_settings,
                       .candidates = {{.at = at_block(1, 0)},
                                      {.at = at_block(2, 0)},
                                      {.at = at_block(2, 1)}},
                       .groups = {{.name = "day"}, {.name = "night"}}};
    struct coverage_basis *basis = make_basis(t->roads, t->catalog);
    const struct terms_now now = {
        .basis = basis, .metrics = own, .learned = own, .profile_count = 2};
    assert_int_equal(terms_new(&now, &t->terms), PT_OK);
    coverage_basis_unref(basis);
    t->settings.every_promise_s = 30;
    t->siting = (struct siting_wish){.fold = 1,
                                     .candidate_count = 3,
                                     .candidates = t->candidates,
                                     .mission_weight = 1};
    for (unsigned h = 0; h < PLAN_HOURS; h++)
        t->groups[h % 24 >= 6 && h % 24 < 22 ? 0 : 1].hours[h] = h < 48;
    t->wish = (struct plan_wish){.terms = t->terms,
                                 .settings = &t->settings,
                                 .now_ms = NOW_MS,
                                 .siting = &t->siting,
                                 .group_count = 2,
                                 .groups = t->groups,
                                 .unit_count = 3,
                                 .units = units,
                                 .limit_ms = 60000};
}

static void tear_down(struct town *t)
{
    terms_free(t->terms);
    catalog_free(t->catalog);
    roads_unref(t->roads);
}

static enum pt_err make(const struct town *t, struct plan **ret, size_t *fault)
{
    char message[256];
    return plan_make(&t->wish, ret, fault, message, sizeof(message));
}

static struct plan *made(const struct town *t)
{
    struct plan *plan;
    size_t fault;
    assert_int_equal(make(t, &plan, &fault), PT_OK);
    return plan;
}

static void check_choice(const struct plan_choice *choice, unsigned wanted,
                         size_t posts, double missions)
{
    assert_int_equal(choice->units, wanted);
    assert_int_equal(choice->post_count, posts);
    assert_true(choice->missions_of > 3.999 && choice->missions_of < 4.001);
    assert_true(choice->missions > missions - 1e-6 &&
                choice->missions < missions + 1e-6);
    assert_true(choice->weight > missions - 1e-6 &&
                choice->at_most < missions + 1e-6); /* it is the best */
    assert_false(choice->stopped);
}

static bool has_post(const struct plan_choice *choice, struct geo_point at)
{
    for (size_t i = 0; i < choice->post_count; i++)
        if (geo_distance_m(choice->posts[i].at, at) < 1)
            return true;
    return false;
}

/* Nothing was learned: all hours are alike. */
static void groups_have_the_best_posts(void **state)
{
    (void)state;
    struct town t;
    build(&t);
    struct plan *plan = made(&t);
    assert_int_equal(plan->group_count, 2);
    assert_int_equal(plan->hours_learned, 0);
    for (size_t g = 0; g < 2; g++) {
        const struct plan_group *group = &plan->groups[g];
        assert_string_equal(group->name, t.groups[g].name);
        assert_memory_equal(group->hours, t.groups[g].hours,
                            sizeof(group->hours));
        assert_int_equal(group->choice_count, 3);
        check_choice(&group->choices[0], 1, 1, 2);
        check_choice(&group->choices[1], 2, 2, 4);
        check_choice(&group->choices[2], 3, 2, 4); /* a third adds nothing */
        assert_true(has_post(&group->choices[1], at_block(1, 0)));
        assert_true(has_post(&group->choices[1], at_block(2, 0)));
        assert_true(group->choices[1].posts[0].missions > 1.999);
        assert_true(group->choices[1].posts[1].adds > 1.999);
    }
    plan_free(plan);
    tear_down(&t);
}

static void hours_that_are_alike_are_one_group(void **state)
{
    (void)state;
    struct town t;
    build(&t);
    t.wish.groups = NULL;
    t.wish.group_count = 0;
    struct plan *plan = made(&t);
    assert_int_equal(plan->group_count, 1);
    assert_string_equal(plan->groups[0].name, "Mon 00:00 and 167 more");
    for (unsigned h = 0; h < PLAN_HOURS; h++)
        assert_true(plan->groups[0].hours[h]);
    check_choice(&plan->groups[0].choices[1], 2, 2, 4);
    plan_free(plan);
    tear_down(&t);
}

static void kept_ones_stay_and_are_named(void **state)
{
    (void)state;
    struct town t;
    const struct catalog_post post = {.post_id = 9,
                                      .name = (char *)(uintptr_t) "Six"};
    const struct catalog_post *kept_posts[] = {&post};
    const struct siting_point kept = {.at = at_block(2, 1)};
    build(&t);
    t.siting.kept_count = 1;
    t.siting.kept = &kept;
    t.wish.kept_posts = kept_posts;
    struct plan *plan = made(&t);
    const struct plan_choice *choices = plan->groups[0].choices;
    check_choice(&choices[0], 1, 1, 1);
    check_choice(&choices[1], 2, 2, 3); /* and 1 with 5 */
    check_choice(&choices[2], 3, 3, 4);
    assert_true(choices[0].posts[0].kept);
    assert_int_equal(choices[0].posts[0].post_id, 9);
    assert_string_equal(choices[0].posts[0].name, "Six");
    assert_false(choices[1].posts[1].kept);
    assert_null(choices[1].posts[1].name);
    plan_free(plan);
    tear_down(&t);
}

static bool never(void *context, double share, const char *phase)
{
    (void)context;
    assert_true(share >= 0 && share <= 1 && phase != NULL);
    return false;
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    struct town t;
    struct plan *plan;
    size_t fault = 99;
    static const unsigned twice[] = {2, 2}, many[] = {101};
    build(&t);
    t.wish.units = twice;
    t.wish.unit_count = 2;
    assert_int_equal(make(&t, &plan, &fault), PT_E_RANGE);
    t.wish.units = many;
    t.wish.unit_count = 1;
    assert_int_equal(make(&t, &plan, &fault), PT_E_RANGE);
    t.wish.units = units;
    t.wish.unit_count = 0;
    assert_int_equal(make(&t, &plan, &fault), PT_E_RANGE);
    t.wish.unit_count = 3;
    t.wish.progress = never;
    assert_int_equal(make(&t, &plan, &fault), PT_E_AGAIN);
    t.wish.progress = NULL;
    t.candidates[2].at = at_block(40, 40);
    assert_int_equal(make(&t, &plan, &fault), PT_E_OFFROAD);
    assert_int_equal(fault, 2);
    t.candidates[2].at = at_block(2, 1);
    memset(t.groups[1].hours, 0, sizeof(t.groups[1].hours));
    assert_int_equal(make(&t, &plan, &fault), PT_E_RANGE); /* no hours */
    tear_down(&t);
}

static void without_a_database_nothing_is_kept(void **state)
{
    (void)state;
    struct town t;
    uint32_t id = 0;
    char message[256];
    build(&t);
    struct plan *plan = made(&t), *loaded;
    const struct plan_head head = {.name = "n",
                                   .profile = "patrol",
                                   .unit_count = 3,
                                   .units = units,
                                   .settings = "{}"};
    assert_int_equal(
        plan_keep("host=/nowhere", &head, plan, &id, message, sizeof(message)),
        PT_E_DB);
    assert_true(message[0] != '\0');
    assert_int_equal(
        plan_load("host=/nowhere", 1, &loaded, message, sizeof(message)),
        PT_E_DB);
    plan_free(plan);
    tear_down(&t);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    struct town t;
    build(&t);
    t.wish.unit_count = 2;
    enum pt_err err = PT_E_NOMEM;
    for (size_t n = 0; err != PT_OK; n += 1 + n / 40) {
        struct plan *plan = NULL;
        size_t fault;
        fail_alloc_after(n);
        err = make(&t, &plan, &fault);
        fail_alloc_never();
        assert_true(err == PT_OK || err == PT_E_NOMEM);
        plan_free(plan);
        assert_true(n < 100000);
    }
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_have_the_best_posts),
        cmocka_unit_test(hours_that_are_alike_are_one_group),
        cmocka_unit_test(kept_ones_stay_and_are_named),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(without_a_database_nothing_is_kept),
        cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* posts: against trying every choice, and against published instances whose
 * best answers are known. */
#include "posts.h"

#include "fail_alloc.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CANDIDATES_MAX 402
#define DEMAND_MAX 402
#define SMALL_DEMAND 40 /* where every choice is tried */
#define ROUNDS 150

static const struct posts_limits limits = {
    .seed = 1,
    .beginnings = 20,
    .relaxed_pairs = 1000000,
};

/* A problem with its lists. */
struct own {
    struct posts_problem problem;
    uint64_t weight[DEMAND_MAX];
    size_t first[CANDIDATES_MAX + 1];
    uint32_t covers[CANDIDATES_MAX * DEMAND_MAX];
    uint32_t kept[CANDIDATES_MAX];
};

static void point_to_own(struct own *o)
{
    o->problem.weight = o->weight;
    o->problem.first = o->first;
    o->problem.covers = o->covers;
    o->problem.kept = o->kept;
}

static uint32_t any(unsigned *seed, uint32_t below)
{
    return (uint32_t)rand_r(seed) % below;
}

static void make_any(struct own *o, unsigned *seed, uint32_t candidates,
                     uint32_t demands)
{
    struct posts_problem *p = &o->problem;
    uint32_t percent = 10 + any(seed, 50), most = 1 + any(seed, 9);
    size_t used = 0;
    *p = (struct posts_problem){
        .demand_count = demands,
        .candidate_count = candidates,
        .fold = 1 + any(seed, POSTS_FOLD_MAX),
    };
    for (uint32_t d = 0; d < demands; d++)
        o->weight[d] = 7 * any(seed, most + 1);
    for (uint32_t c = 0; c < candidates; c++) {
        o->first[c] = used;
        for (uint32_t d = 0; d < demands; d++)
            if (any(seed, 100) < percent)
                o->covers[used++] = d;
    }
    o->first[candidates] = used;
    for (uint32_t c = 0; c < candidates; c++)
        if (any(seed, 12) == 0)
            o->kept[p->kept_count++] = c;
    p->post_count = p->kept_count + any(seed, 4);
    point_to_own(o);
}

/* What the posts of a set of bits cover. */
static uint64_t covered_by(const struct posts_problem *p, uint32_t set)
{
    uint64_t sum = 0;
    unsigned cover[SMALL_DEMAND] = {0};
    for (uint32_t c = 0; c < p->candidate_count; c++)
        for (size_t i = p->first[c]; set >> c & 1 && i < p->first[c + 1]; i++)
            cover[p->covers[i]]++;
    for (size_t d = 0; d < p->demand_count; d++)
        sum += cover[d] >= p->fold ? p->weight[d] : 0;
    return sum;
}

static uint64_t best_of_all(const struct posts_problem *p)
{
    uint32_t kept = 0;
    uint64_t best = 0;
    for (size_t i = 0; i < p->kept_count; i++)
        kept |= 1u << p->kept[i];
    for (uint32_t set = 0; set < 1u << p->candidate_count; set++) {
        if ((set & kept) != kept ||
            (size_t)__builtin_popcount(set) > p->post_count)
            continue;
        uint64_t covered = covered_by(p, set);
        best = covered > best ? covered : best;
    }
    return best;
}

/* What the answer says of itself is so. */
static void check_answer(const struct posts_problem *p,
                         const struct posts_answer *a)
{
    uint32_t set = 0;
    uint64_t sum = 0, total = 0;
    assert_true(a->count <= p->post_count && a->count >= p->kept_count);
    for (size_t i = 0; i < a->count; i++) {
        assert_true(a->posts[i] < p->candidate_count);
        assert_false(set >> a->posts[i] & 1);
        uint64_t before = covered_by(p, set);
        set |= 1u << a->posts[i];
        assert_int_equal(a->adds[i], covered_by(p, set) - before);
        sum += a->adds[i];
    }
    for (size_t i = 0; i < a->count; i++)
        assert_int_equal(a->holds[i],
                         covered_by(p, set) -
                             covered_by(p, set & ~(1u << a->posts[i])));
    for (size_t i = 0; i < p->kept_count; i++)
        assert_int_equal(a->posts[i], p->kept[i]);
    for (size_t d = 0; d < p->demand_count; d++)
        total += p->weight[d];
    assert_int_equal(a->covered, covered_by(p, set));
    assert_int_equal(a->covered, sum);
    assert_int_equal(a->total, total);
    assert_true(a->bound >= a->covered);
}

static void test_every_choice(void **state)
{
    static struct own o;
    unsigned seed = 11;
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct posts_answer a;
        make_any(&o, &seed, 1 + any(&seed, 13), 1 + any(&seed, SMALL_DEMAND));
        assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
        check_answer(&o.problem, &a);
        assert_int_equal(a.covered, best_of_all(&o.problem));
        assert_int_equal(a.bound, a.covered);
        assert_false(a.stopped);
        posts_answer_clear(&a);
    }
}

/* ------------------------------------------------------------ bounds alone */
static bool at_once(void *context)
{
    (void)context;
    return true;
}

/* Without the relaxation, and when it is stopped: the bound holds. */
static void test_bounds_hold(void **state)
{
    static struct own o;
    unsigned seed = 12;
    const struct posts_limits without = {.seed = 1};
    const struct posts_limits stopped = {
        .beginnings = 20, .relaxed_pairs = 1000000, .enough = at_once};
    int stopped_count = 0;
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct posts_answer a, b;
        make_any(&o, &seed, 1 + any(&seed, 13), 1 + any(&seed, SMALL_DEMAND));
        uint64_t best = best_of_all(&o.problem);
        assert_int_equal(posts_solve(&o.problem, &without, &a), PT_OK);
        assert_int_equal(posts_solve(&o.problem, &stopped, &b), PT_OK);
        check_answer(&o.problem, &a);
        check_answer(&o.problem, &b);
        assert_true(a.covered <= best && best <= a.bound);
        assert_true(b.covered <= best && best <= b.bound);
        stopped_count += b.stopped;
        posts_answer_clear(&a);
        posts_answer_clear(&b);
    }
    /* the others had nothing to choose */
    assert_true(stopped_count > ROUNDS / 2);
}

/* -------------------------------------------------------- published instances
 */
struct plane_point {
    double x, y;
    uint64_t demand;
};

/* Lines of x, y and demand; the first is a heading. How many; 0: no file. */
static size_t read_points(const char *path, struct plane_point *ret)
{
    FILE *in = fopen(path, "r");
    char line[200];
    size_t count = 0;
    if (in == NULL)
        return 0;
    assert_non_null(fgets(line, sizeof(line), in));
    while (count < CANDIDATES_MAX && fgets(line, sizeof(line), in) != NULL) {
        char *at = line;
        ret[count].x = strtod(at, &at);
        ret[count].y = strtod(at, &at);
        ret[count].demand = strtoul(at, &at, 10);
        count += at > line + 3;
    }
    fclose(in);
    return count;
}

static void make_published(struct own *o, const struct plane_point *points,
                           size_t count, double radius_m, size_t post_count)
{
    size_t used = 0;
    o->problem = (struct posts_problem){
        .demand_count = count,
        .candidate_count = count,
        .post_count = post_count,
        .fold = 1,
    };
    for (size_t c = 0; c < count; c++) {
        o->first[c] = used;
        o->weight[c] = points[c].demand;
        for (uint32_t d = 0; d < count; d++) {
            double dx = points[c].x - points[d].x;
            double dy = points[c].y - points[d].y;
            if (dx * dx + dy * dy <= radius_m * radius_m)
                o->covers[used++] = d;
        }
    }
    o->first[count] = used;
    point_to_own(o);
}

static void check_published(const char *folder, unsigned n, double radius_m,
                            size_t post_count, uint64_t total, uint64_t proven)
{
    static struct own o;
    static struct plane_point points[CANDIDATES_MAX];
    char path[500];
    struct posts_answer a;
    snprintf(path, sizeof(path), "%s/SJC%u.txt", folder, n);
    assert_int_equal(read_points(path, points), n);
    make_published(&o, points, n, radius_m, post_count);
    assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
    print_message("SJC%u, %g m, %zu posts: %lu covered, at most %lu, "
                  "published %lu; %u nodes\n",
                  n, radius_m, post_count, a.covered, a.bound, proven, a.nodes);
    assert_int_equal(a.total, total);
    assert_true(a.covered <= proven && proven <= a.bound);
    assert_true(100 * a.covered >= 99 * proven);
    posts_answer_clear(&a);
}

/* The best answers as CBC proved them, in optima.csv. */
static void test_published(void **state)
{
    const char *folder = POSTS_DATA;
    char path[500], line[200];
    size_t count = 0;
    (void)state;
    snprintf(path, sizeof(path), "%s/optima.csv", folder);
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        print_message("skipped: no data\n");
        skip();
    }
    assert_non_null(fgets(line, sizeof(line), in));
    while (fgets(line, sizeof(line), in) != NULL) {
        unsigned n;
        size_t post_count;
        double radius_m;
        unsigned long total, proven;
        assert_int_equal(sscanf(line, "%u,%lf,%zu,%lu,%lu", &n, &radius_m,
                                &post_count, &total, &proven),
                         5);
        check_published(folder, n, radius_m, post_count, total, proven);
        count++;
    }
    fclose(in);
    assert_true(count > 0);
}

/* ------------------------------------------------------------------- the rest
 */
static void test_edges(void **state)
{
    static struct own o;
    struct posts_answer a;
    (void)state;
    memset(&o, 0, sizeof(o));
    point_to_own(&o);
    o.problem.fold = 1;
    assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.bound, 0);
    posts_answer_clear(&a);

    /* two candidates that cover the same: one of them is enough */
    o.problem.demand_count = 2;
    o.problem.candidate_count = 2;
    o.problem.post_count = 2;
    o.weight[0] = o.weight[1] = 5;
    memcpy(o.covers, (uint32_t[]){0, 1, 0, 1}, 4 * sizeof(*o.covers));
    o.first[1] = 2;
    o.first[2] = 4;
    assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.covered, 10);
    assert_int_equal(a.bound, 10);
    posts_answer_clear(&a);

    /* and both are needed for twofold cover; for three there are too few */
    o.problem.fold = 2;
    assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.adds[0], 0);
    assert_int_equal(a.adds[1], 10);
    assert_int_equal(a.holds[0], 10);
    posts_answer_clear(&a);
    o.problem.fold = 3;
    assert_int_equal(posts_solve(&o.problem, &limits, &a), PT_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.bound, 0);
    assert_int_equal(a.total, 10);
    posts_answer_clear(&a);
}

static enum pt_err solve(const struct own *o)
{
    struct posts_answer a;
    enum pt_err err = posts_solve(&o->problem, &limits, &a);
    if (err == PT_OK)
        posts_answer_clear(&a);
    return err;
}

static void test_refused(void **state)
{
    static struct own o;
    (void)state;
    memset(&o, 0, sizeof(o));
    point_to_own(&o);
    o.problem = (struct posts_problem){
        .demand_count = 3,
        .weight = o.weight,
        .candidate_count = 2,
        .first = o.first,
        .covers = o.covers,
        .kept = o.kept,
        .post_count = 2,
        .fold = 1,
    };
    memcpy(o.covers, (uint32_t[]){0, 1, 1, 2}, 4 * sizeof(*o.covers));
    o.first[1] = 2;
    o.first[2] = 4;
    assert_int_equal(solve(&o), PT_OK);
    o.problem.fold = 0;
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.problem.fold = POSTS_FOLD_MAX + 1;
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.problem.fold = 1;
    o.covers[1] = 0; /* not in rising order */
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.covers[1] = 3; /* no such demand */
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.covers[1] = 1;
    o.first[1] = 5; /* lists that run backwards */
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.first[1] = 2;
    o.problem.kept_count = 2; /* one of them twice */
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.kept[1] = 2; /* no such candidate */
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.problem.kept_count = 1;
    o.problem.post_count = 0;
    assert_int_equal(solve(&o), PT_E_RANGE);
    o.problem.post_count = 1;
    o.weight[0] = POSTS_WEIGHT_MAX;
    o.weight[1] = 1;
    assert_int_equal(solve(&o), PT_E_FULL);
    o.weight[0] = UINT64_MAX; /* whose sum would overflow */
    assert_int_equal(solve(&o), PT_E_FULL);
    o.problem.demand_count = POSTS_DEMAND_MAX + (size_t)1;
    assert_int_equal(solve(&o), PT_E_FULL);
    o.problem.demand_count = 3;
    o.problem.candidate_count = POSTS_CANDIDATES_MAX + (size_t)1;
    assert_int_equal(solve(&o), PT_E_FULL);
}

/* One that needs the relaxation with rows added to it, and branching. */
static void make_hard(struct own *o)
{
    unsigned seed = 5;
    make_any(o, &seed, 60, 90);
    o->problem.kept_count = 1;
    o->kept[0] = 3;
    o->problem.fold = 2;
    o->problem.post_count = 6;
}

static void test_no_memory(void **state)
{
    static struct own o;
    (void)state;
    make_hard(&o);
    assert_int_equal(solve(&o), PT_OK);
    size_t failed = 0;
    for (size_t i = 0; i < 5000; i += i < 100 ? 1 : 61) {
        fail_alloc_after(i);
        enum pt_err err = solve(&o);
        fail_alloc_never();
        if (err == PT_OK)
            break;
        assert_int_equal(err, PT_E_NOMEM);
        failed++;
    }
    assert_true(failed > 20);
}

/* CLP writes what it does to standard output unless it is told not to. */
static void test_silent(void **state)
{
    static struct own o;
    char name[] = "/tmp/test_posts_XXXXXX";
    struct stat info;
    (void)state;
    make_hard(&o);
    int file = mkstemp(name);
    assert_true(file >= 0);
    unlink(name);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    assert_true(dup2(file, STDOUT_FILENO) >= 0);
    enum pt_err err = solve(&o);
    fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    assert_int_equal(err, PT_OK);
    assert_int_equal(fstat(file, &info), 0);
    assert_int_equal(info.st_size, 0);
    close(before);
    close(file);
}

/* ------------------------------------------------------------ two at a time */
#define THREADS 3
#define EACH 8

struct thread {
    pthread_t id;
    struct own own;
    uint64_t covered[EACH], bound[EACH];
    uint32_t post[EACH];
};

static void *solve_some(void *context)
{
    struct thread *t = context;
    unsigned seed = 77;
    for (int i = 0; i < EACH; i++) {
        struct posts_answer a;
        make_any(&t->own, &seed, 30, 50);
        t->own.problem.fold = 1 + (unsigned)i % 2;
        t->own.problem.post_count = t->own.problem.kept_count + 3;
        if (posts_solve(&t->own.problem, &limits, &a) != PT_OK)
            return t;
        t->covered[i] = a.covered;
        t->bound[i] = a.bound;
        t->post[i] = a.count == 0 ? 0 : a.posts[a.count - 1];
        posts_answer_clear(&a);
    }
    return NULL;
}

/* And the same each time. */
static void test_threads(void **state)
{
    static struct thread threads[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i].id, NULL, solve_some, &threads[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i].id, &failed), 0);
        assert_null(failed);
    }
    for (int i = 1; i < THREADS; i++) {
        assert_memory_equal(threads[i].covered, threads[0].covered,
                            sizeof(threads[0].covered));
        assert_memory_equal(threads[i].bound, threads[0].bound,
                            sizeof(threads[0].bound));
        assert_memory_equal(threads[i].post, threads[0].post,
                            sizeof(threads[0].post));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_choice), cmocka_unit_test(test_bounds_hold),
        cmocka_unit_test(test_published),    cmocka_unit_test(test_edges),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_silent),       cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

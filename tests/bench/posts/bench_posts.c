/* What it costs to find posts: 10 of 1,000 candidates for 500 missions, and how
 * good the answer is at least. Beside it, in the same run, CBC on the same
 * problem until it has proved the best, or for half a minute; `bench_posts
 * alone` leaves it out.
 *
 * A city of 12 by 12 km: missions in quarters, candidates anywhere; who has a
 * mission in time is as far from it as a radius, with the detour that streets
 * make, a tenth to six tenths more. */
#include "bench.h"
#include "posts.h"

#include <Cbc_C_Interface.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANDIDATES 1000
#define MISSIONS 500
#define POSTS 10
#define CITY_M 12000
#define QUARTERS 25
#define QUARTER_M 900
#define SECONDS_MAX "30"

static unsigned seed;

static double any(double below)
{
    return below * rand_r(&seed) / RAND_MAX;
}

struct city {
    double east[MISSIONS], north[MISSIONS];
    uint64_t weight[MISSIONS];
    size_t first[CANDIDATES + 1];
    uint32_t covers[CANDIDATES * MISSIONS];
    struct posts_problem problem;
};

static void make_city(struct city *c, double radius_m, unsigned fold,
                      unsigned weights)
{
    size_t used = 0;
    for (int m = 0; m < MISSIONS; m++) {
        unsigned quarter = (unsigned)m % QUARTERS;
        c->east[m] = 1000 + quarter % 5 * 2300 + any(2 * QUARTER_M);
        c->north[m] = 1000 + quarter / 5 * 2300 + any(2 * QUARTER_M);
        c->weight[m] = 1000 * (1 + (uint64_t)any(weights));
    }
    for (int k = 0; k < CANDIDATES; k++) {
        double east = any(CITY_M), north = any(CITY_M);
        c->first[k] = used;
        for (uint32_t m = 0; m < MISSIONS; m++)
            if (hypot(c->east[m] - east, c->north[m] - north) *
                    (1.1 + any(0.5)) <=
                radius_m)
                c->covers[used++] = m;
    }
    c->first[CANDIDATES] = used;
    c->problem = (struct posts_problem){
        .demand_count = MISSIONS,
        .weight = c->weight,
        .candidate_count = CANDIDATES,
        .first = c->first,
        .covers = c->covers,
        .post_count = POSTS,
        .fold = fold,
    };
}

/* ------------------------------------------------------------------------ CBC
 */
static void *room(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        bench_die("CBC", "out of memory");
    return memory;
}

static Cbc_Model *model_of(const struct posts_problem *p)
{
    size_t columns = CANDIDATES + MISSIONS;
    size_t pairs = p->first[CANDIDATES] + columns;
    CoinBigIndex *start = room(columns, sizeof(*start));
    int *row = room(pairs, sizeof(*row));
    double *factor = room(pairs, sizeof(*factor));
    double *upper = room(columns, sizeof(*upper));
    double *cost = room(columns, sizeof(*cost));
    double lower_row[MISSIONS + 1] = {0}, upper_row[MISSIONS + 1];
    int used = 0;
    for (size_t c = 0; c < CANDIDATES; c++) {
        row[used] = 0;
        factor[used++] = 1;
        for (size_t i = p->first[c]; i < p->first[c + 1]; i++) {
            row[used] = (int)p->covers[i] + 1;
            factor[used++] = 1;
        }
        start[c + 1] = used;
        upper[c] = 1;
    }
    upper_row[0] = (double)p->post_count;
    for (size_t m = 0; m < MISSIONS; m++) {
        row[used] = (int)m + 1;
        factor[used++] = p->fold;
        start[CANDIDATES + m + 1] = used;
        upper[CANDIDATES + m] = 1;
        cost[CANDIDATES + m] = (double)p->weight[m] / 1000;
        lower_row[m + 1] = p->fold;
        upper_row[m + 1] = INFINITY;
    }
    Cbc_Model *model = Cbc_newModel();
    Cbc_loadProblem(model, (int)columns, MISSIONS + 1, start, row, factor, NULL,
                    upper, cost, lower_row, upper_row);
    for (int c = 0; c < (int)columns; c++)
        Cbc_setInteger(model, c);
    free(start);
    free(row);
    free(factor);
    free(upper);
    free(cost);
    return model;
}

struct exact {
    double covered; /* in the problem's weight */
    bool proved;
    uint64_t took_ns;
};

/* It writes to standard output whatever it is told. */
static struct exact ask_cbc(const struct posts_problem *p)
{
    double total = 0;
    for (size_t m = 0; m < MISSIONS; m++)
        total += (double)p->weight[m];
    fflush(stdout);
    int before = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    if (before < 0 || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        bench_die("CBC", "no descriptor");
    uint64_t began_ns = bench_now_ns();
    Cbc_Model *model = model_of(p);
    Cbc_setParameter(model, "log", "0");
    Cbc_setParameter(model, "sec", SECONDS_MAX);
    Cbc_solve(model);
    struct exact exact = {
        .covered = total - 1000 * Cbc_getObjValue(model),
        .proved = Cbc_isProvenOptimal(model),
        .took_ns = bench_now_ns() - began_ns,
    };
    Cbc_deleteModel(model);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    close(nowhere);
    return exact;
}

/* ----------------------------------------------------------------------- ours
 */
static bool is_late(void *context)
{
    const uint64_t *until_ns = context;
    return bench_now_ns() >= *until_ns;
}

static bool alone; /* without CBC */

static void compare(unsigned number, double radius_m, unsigned fold,
                    unsigned weights)
{
    static struct city city;
    struct posts_answer a;
    seed = number;
    make_city(&city, radius_m, fold, weights);
    uint64_t began_ns = bench_now_ns();
    uint64_t until_ns = began_ns + UINT64_C(20000000000);
    const struct posts_limits limits = {
        .seed = 1,
        .beginnings = 40,
        .relaxed_pairs = 400000,
        .enough = is_late,
        .context = &until_ns,
    };
    enum pt_err err = posts_solve(&city.problem, &limits, &a);
    if (err != PT_OK)
        bench_die("posts", pt_strerror(err));
    double took_s = (double)(bench_now_ns() - began_ns) / 1e9;
    struct exact exact = {.covered = (double)a.covered};
    if (!alone)
        exact = ask_cbc(&city.problem);
    printf(
        "%4u %6.0f m %4u %7zu | %8.3f s %7.2f %% %9.3f %% %6u | %8.3f s %9.3f "
        "%%%s\n",
        number, radius_m, fold, city.first[CANDIDATES], took_s,
        100.0 * (double)a.covered / (double)a.total,
        100.0 * (double)a.covered / (double)a.bound, a.nodes,
        (double)exact.took_ns / 1e9, 100.0 * (double)a.covered / exact.covered,
        exact.proved ? "" : " (not proved)");
    posts_answer_clear(&a);
}

int main(int argc, char **argv)
{
    alone = argc > 1 && strcmp(argv[1], "alone") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("posts: %d of %d candidates, %d missions\n", POSTS, CANDIDATES,
           MISSIONS);
    printf("city  radius fold   pairs |      time   cover  of bound  nodes |   "
           "   CBC of CBC's best\n");
    for (unsigned i = 1; i <= 2; i++) {
        compare(i, 1500, 1, 1);
        compare(i, 2500, 1, 1);
        compare(i, 2500, 1, 9);
        compare(i, 2500, 2, 1);
    }
    return 0;
}

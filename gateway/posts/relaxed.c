/* The linear relaxation, by CLP: what is missed of each demand's weight is to
 * be least, posts may be there in part.
 *
 * CLP's solve functions (Clp_dual() here; not Clp_initialSolve(), which takes
 * over SIGINT for as long as it runs) keep all they know in the model, so
 * models of several threads do not meet. Its time limit is one of the whole
 * process's processor time, so it is given turns of it until enough is. */
#include "posts_internal.h"

#include <Clp_C_Interface.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the process's processor time; each turn begins the work on the basis that
 * the last one left, which costs some of it again. */
#define TURN_FIRST_S 1.0
#define TURN_MAX_S 4.0
#define OPTIMAL 0 /* Clp_status() */
#define OUT_OF_TIME 3
#define ROUNDS_MAX 40      /* of rows that are added */
#define ROWS_PER_DEMAND 4u /* at most, of those */
#define VIOLATED_BY 1e-4   /* and more, to be worth a row */

struct relaxed {
    const struct instance *instance;
    Clp_Simplex *lp; /* candidates, then what is missed of each demand */
    double scale;    /* weight of 1 there */
    struct prices *prices;
    struct row *rows;
    enum fix *fix;
};

void relaxed_free(struct relaxed *relaxed)
{
    if (relaxed == NULL)
        return;
    if (relaxed->lp != NULL)
        Clp_deleteModel(relaxed->lp);
    prices_free(relaxed->prices);
    free(relaxed->rows);
    free(relaxed->fix);
    free(relaxed);
}

/* ------------------------------------------------------------------ the model
 */
/* By column: where it begins, its rows and their factors. Row 0 counts the
 * posts, row d + 1 is demand d's. */
struct columns {
    CoinBigIndex *start;
    int *row;
    double *factor, *upper, *cost;
    double *row_lower, *row_upper;
};

static void clear_columns(struct columns *c)
{
    free(c->start);
    free(c->row);
    free(c->factor);
    free(c->upper);
    free(c->cost);
    free(c->row_lower);
    free(c->row_upper);
}

static enum pt_err make_columns(const struct instance *in, struct columns *ret)
{
    size_t columns = in->candidates + in->demands;
    size_t pairs = in->first[in->candidates] + columns;
    *ret = (struct columns){
        .start = calloc(columns + 1, sizeof(*ret->start)),
        .row = calloc(pairs + 1, sizeof(*ret->row)),
        .factor = calloc(pairs + 1, sizeof(*ret->factor)),
        .upper = calloc(columns + 1, sizeof(*ret->upper)),
        .cost = calloc(columns + 1, sizeof(*ret->cost)),
        .row_lower = calloc(in->demands + 1, sizeof(*ret->row_lower)),
        .row_upper = calloc(in->demands + 1, sizeof(*ret->row_upper)),
    };
    return ret->start == NULL || ret->row == NULL || ret->factor == NULL ||
                   ret->upper == NULL || ret->cost == NULL ||
                   ret->row_lower == NULL || ret->row_upper == NULL
               ? PT_E_NOMEM
               : PT_OK;
}

static void add_factor(struct columns *c, int *used, size_t row, double factor)
{
    c->row[*used] = (int)row;
    c->factor[(*used)++] = factor;
}

static void fill_columns(const struct relaxed *r, struct columns *c)
{
    const struct instance *in = r->instance;
    int used = 0;
    for (size_t x = 0; x < in->candidates; x++) {
        add_factor(c, &used, 0, 1);
        for (size_t i = in->first[x]; i < in->first[x + 1]; i++)
            add_factor(c, &used, in->covers[i] + (size_t)1, 1);
        c->start[x + 1] = used;
        c->upper[x] = 1;
    }
    c->row_upper[0] = (double)in->post_count;
    for (size_t d = 0; d < in->demands; d++) {
        size_t column = in->candidates + d;
        add_factor(c, &used, d + 1, in->fold);
        c->start[column + 1] = used;
        c->upper[column] = 1;
        c->cost[column] = (double)in->weight[d] / r->scale;
        c->row_lower[d + 1] = in->fold;
        c->row_upper[d + 1] = INFINITY;
    }
}

static enum pt_err load(struct relaxed *r)
{
    const struct instance *in = r->instance;
    struct columns c;
    enum pt_err err = make_columns(in, &c);
    if (err == PT_OK)
        r->lp = Clp_newModel();
    if (err == PT_OK && r->lp == NULL)
        err = PT_E_NOMEM;
    if (err == PT_OK) {
        Clp_setLogLevel(r->lp, 0); /* it would write to standard output */
        fill_columns(r, &c);
        Clp_loadProblem(r->lp, (int)(in->candidates + in->demands),
                        (int)in->demands + 1, c.start, c.row, c.factor, NULL,
                        c.upper, c.cost, c.row_lower, c.row_upper);
    }
    clear_columns(&c);
    return err;
}

enum pt_err relaxed_new(const struct instance *instance, struct relaxed **ret)
{
    struct relaxed *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return PT_E_NOMEM;
    r->instance = instance;
    r->scale = 1;
    for (size_t d = 0; d < instance->demands; d++)
        r->scale = fmax(r->scale, (double)instance->weight[d]);
    r->fix = calloc(instance->candidates + 1, sizeof(*r->fix));
    enum pt_err err = r->fix == NULL ? PT_E_NOMEM : PT_OK;
    if (err == PT_OK)
        err = prices_new(instance, &r->prices);
    if (err == PT_OK)
        err = load(r);
    if (err != PT_OK) {
        relaxed_free(r);
        return err;
    }
    for (size_t c = 0; c < instance->candidates; c++)
        if (instance->kept[c])
            relaxed_fix(r, (uint32_t)c, FIX_IN);
    *ret = r;
    return PT_OK;
}

void relaxed_fix(struct relaxed *relaxed, uint32_t candidate, enum fix fix)
{
    relaxed->fix[candidate] = fix;
    Clp_columnLower(relaxed->lp)[candidate] = fix == FIX_IN ? 1 : 0;
    Clp_columnUpper(relaxed->lp)[candidate] = fix == FIX_OUT ? 0 : 1;
}

/* -------------------------------------------------------- rows that are added
 */
/* The candidates of a demand with the greatest shares, and the sum of all. */
struct shares {
    uint32_t top[POSTS_FOLD_MAX - 1];
    double sum;
};

static struct shares shares_of(const struct relaxed *r, const double *x,
                               uint32_t demand)
{
    const struct instance *in = r->instance;
    struct shares s = {.sum = 0};
    size_t room = in->fold - 1, held = 0;
    for (size_t i = in->demand_first[demand]; i < in->demand_first[demand + 1];
         i++) {
        uint32_t c = in->by[i];
        s.sum += x[c];
        if (held == room && !(x[c] > x[s.top[room - 1]]))
            continue;
        size_t at = held < room ? held++ : room - 1;
        for (; at > 0 && x[s.top[at - 1]] < x[c]; at--)
            s.top[at] = s.top[at - 1];
        s.top[at] = c;
    }
    return s;
}

/* The row of a demand that its shares violate most; false: none. */
static bool find_row(const struct relaxed *r, const double *x, uint32_t demand,
                     struct row *ret)
{
    const struct instance *in = r->instance;
    double missed = x[in->candidates + demand];
    struct shares s = shares_of(r, x, demand);
    double most = VIOLATED_BY, rest = s.sum;
    bool found = false;
    for (uint32_t n = 1; n < in->fold; n++) {
        rest -= x[s.top[n - 1]];
        double by = (in->fold - n) * (1 - missed) - rest;
        if (by <= most)
            continue;
        most = by;
        found = true;
        *ret = (struct row){.demand = demand, .without_count = n};
        memcpy(ret->without, s.top, n * sizeof(*s.top));
    }
    return found;
}

static enum pt_err add_row(struct relaxed *r, const struct row *row)
{
    const struct instance *in = r->instance;
    size_t from = in->demand_first[row->demand];
    size_t count = in->demand_first[row->demand + 1] - from;
    int *column = calloc(count + 1, sizeof(*column));
    double *factor = calloc(count + 1, sizeof(*factor));
    if (column == NULL || factor == NULL) {
        free(column);
        free(factor);
        return PT_E_NOMEM;
    }
    int used = 0;
    for (size_t i = from; i < from + count; i++) {
        bool left_out = false;
        for (uint32_t w = 0; w < row->without_count; w++)
            left_out = left_out || row->without[w] == in->by[i];
        if (left_out)
            continue;
        column[used] = (int)in->by[i];
        factor[used++] = 1;
    }
    const double needs = in->fold - row->without_count;
    const double no_limit = INFINITY;
    column[used] = (int)(in->candidates + row->demand);
    factor[used++] = needs;
    const CoinBigIndex starts[2] = {0, used};
    Clp_addRows(r->lp, 1, &needs, &no_limit, starts, column, factor);
    r->rows[r->prices->row_count++] = *row;
    free(column);
    free(factor);
    return PT_OK;
}

static enum pt_err make_room(struct relaxed *r)
{
    if (r->rows != NULL)
        return PT_OK;
    size_t most = r->instance->demands * ROWS_PER_DEMAND;
    r->rows = calloc(most + 1, sizeof(*r->rows));
    double *price = calloc(r->instance->demands + most + 1, sizeof(*price));
    if (r->rows == NULL || price == NULL) {
        free(price);
        return PT_E_NOMEM;
    }
    free(r->prices->price);
    r->prices->price = price;
    r->prices->rows = r->rows;
    return PT_OK;
}

/* Some more rows that the solution violates; how many. */
static enum pt_err add_rows(struct relaxed *r, size_t *added)
{
    const struct instance *in = r->instance;
    size_t most = in->demands * ROWS_PER_DEMAND;
    *added = 0;
    if (in->fold == 1)
        return PT_OK;
    size_t columns = in->candidates + in->demands;
    double *x = malloc((columns + 1) * sizeof(*x));
    enum pt_err err = x == NULL ? PT_E_NOMEM : make_room(r);
    if (err == PT_OK) /* adding a row may move the solution */
        memcpy(x, Clp_primalColumnSolution(r->lp), columns * sizeof(*x));
    for (uint32_t d = 0; err == PT_OK && d < in->demands; d++) {
        struct row row;
        if (r->prices->row_count == most || !find_row(r, x, d, &row))
            continue;
        err = add_row(r, &row);
        *added += err == PT_OK;
    }
    free(x);
    return err;
}

/* ------------------------------------------------------------------- solving
 */
static bool run(struct relaxed *r, struct pacer *pacer)
{
    double turn_s = TURN_FIRST_S;
    do {
        Clp_setMaximumSeconds(r->lp, turn_s);
        Clp_dual(r->lp, 0);
        turn_s = fmin(2 * turn_s, TURN_MAX_S);
    } while (Clp_status(r->lp) == OUT_OF_TIME && !pacer_enough(pacer));
    return Clp_status(r->lp) == OPTIMAL;
}

enum pt_err relaxed_solve(struct relaxed *relaxed, struct pacer *pacer,
                          bool *solved, const double **share, struct bound *ret)
{
    struct relaxed *r = relaxed;
    size_t added = 0;
    enum pt_err err = PT_OK;
    bool done = run(r, pacer);
    for (unsigned i = 0; done && i < ROUNDS_MAX && !pacer_enough(pacer); i++) {
        err = add_rows(r, &added);
        if (err != PT_OK || added == 0)
            break;
        done = run(r, pacer);
    }
    if (err != PT_OK)
        return err;
    const double *dual = Clp_dualRowSolution(r->lp);
    for (size_t d = 0; d < r->instance->demands + r->prices->row_count; d++)
        r->prices->price[d] =
            isfinite(dual[d + 1]) ? dual[d + 1] * r->scale : 0;
    *solved = done;
    *share = Clp_primalColumnSolution(r->lp);
    return prices_bound(r->prices, r->fix, ret);
}

/* Bounds from prices on the demand.
 *
 * A demand d of weight w that needs n posts is in cover (y = 1) only if
 * n y <= the posts x that cover it. At a price p of every such row nothing
 * covers more than
 *     sum over demands of max(0, w - n p)  +  the most that any allowed choice
 * of posts is worth, a post being worth the prices of the rows it is on. The
 * rows that leave out s candidates say (n - s) y <= the others. Any prices that
 * are not negative give a bound that holds; good ones give a low one. See
 * Galvao and ReVelle, A Lagrangean heuristic for the maximal covering location
 * problem, European Journal of Operational Research 88 (1996). */
#include "posts_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of the subgradient method: the step's factor is halved when the bound
 * has not come down for so many, and it ends when that is below its least. */
#define STEPS_MAX 600
#define STEPS_PATIENCE 12
#define FACTOR_MIN 0.003

void prices_free(struct prices *prices)
{
    if (prices == NULL)
        return;
    free(prices->price);
    free(prices->charge);
    free(prices->worth);
    free(prices);
}

enum pt_err prices_new(const struct instance *instance, struct prices **ret)
{
    struct prices *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return PT_E_NOMEM;
    p->instance = instance;
    p->price = calloc(instance->demands + 1, sizeof(*p->price));
    p->charge = calloc(instance->demands + 1, sizeof(*p->charge));
    p->worth = calloc(instance->candidates + 1, sizeof(*p->worth));
    if (p->price == NULL || p->charge == NULL || p->worth == NULL) {
        prices_free(p);
        return PT_E_NOMEM;
    }
    *ret = p;
    return PT_OK;
}

/* --------------------------------------------------------------- the bound */
static bool leaves_out(const struct row *row, uint32_t candidate)
{
    for (uint32_t i = 0; i < row->without_count; i++)
        if (row->without[i] == candidate)
            return true;
    return false;
}

static void charge_row(struct prices *p, size_t index)
{
    const struct instance *in = p->instance;
    struct row plain = {.demand = (uint32_t)index};
    const struct row *row =
        index < in->demands ? &plain : &p->rows[index - in->demands];
    double price = p->price[index] > 0 ? p->price[index] : 0;
    if (price == 0)
        return;
    p->charge[row->demand] += price * (in->fold - row->without_count);
    for (size_t i = in->demand_first[row->demand];
         i < in->demand_first[row->demand + 1]; i++)
        if (row->without_count == 0 || !leaves_out(row, in->by[i]))
            p->worth[in->by[i]] += price;
}

static void charge_all(struct prices *p)
{
    memset(p->charge, 0, (p->instance->demands + 1) * sizeof(*p->charge));
    memset(p->worth, 0, (p->instance->candidates + 1) * sizeof(*p->worth));
    for (size_t r = 0; r < p->instance->demands + p->row_count; r++)
        charge_row(p, r);
}

/* The `count` greatest worths of the free, in falling order; the one after
 * them at top[count], -1 where there is none. */
static void find_top(const struct prices *p, const enum fix *fix, size_t count,
                     double *top)
{
    size_t held = 0;
    for (size_t i = 0; i <= count; i++)
        top[i] = -1;
    for (size_t c = 0; c < p->instance->candidates; c++) {
        double worth = p->worth[c];
        if (fix[c] != FIX_FREE || worth <= top[count])
            continue;
        size_t at = held <= count ? held++ : count;
        for (; at > 0 && top[at - 1] < worth; at--)
            top[at] = top[at - 1];
        top[at] = worth;
    }
}

/* Sums of a few hundred thousand doubles are right to some 1e-11: the bound
 * is raised by more than that before it is cut down to whole units. */
static uint64_t whole(const struct instance *in, double value)
{
    double raised = value * (1 + 1e-10) + 1e-6;
    uint64_t unit = in->unit > 0 ? in->unit : 1;
    return raised < 0 ? 0 : (uint64_t)(raised / (double)unit) * unit;
}

enum pt_err prices_bound(struct prices *prices, const enum fix *fix,
                         struct bound *ret)
{
    const struct instance *in = prices->instance;
    size_t left = in->post_count;
    double value = 0;
    charge_all(prices);
    for (size_t d = 0; d < in->demands; d++)
        value += fmax(0, (double)in->weight[d] - prices->charge[d]);
    for (size_t c = 0; c < in->candidates; c++) {
        if (fix[c] == FIX_IN) {
            value += prices->worth[c];
            left -= left > 0;
        }
    }
    double *top = calloc(left + 2, sizeof(*top));
    if (top == NULL)
        return PT_E_NOMEM;
    find_top(prices, fix, left, top);
    for (size_t i = 0; i < left; i++)
        value += fmax(0, top[i]);
    *ret = (struct bound){
        .most = whole(in, value),
        .value = value,
        .last_in = left > 0 ? fmax(0, top[left - 1]) : INFINITY,
        .first_out = fmax(0, top[left]),
    };
    free(top);
    return PT_OK;
}

void prices_rule_out(const struct prices *prices, const struct bound *bound,
                     uint64_t covered, bool *out, bool *in)
{
    const struct instance *inst = prices->instance;
    for (size_t c = 0; c < inst->candidates; c++) {
        double worth = prices->worth[c];
        double with = bound->value - bound->last_in + worth;
        double without = bound->value - worth + bound->first_out;
        out[c] = !inst->kept[c] && worth < bound->last_in &&
                 whole(inst, with) <= covered;
        in[c] = inst->kept[c] ||
                (worth > bound->first_out && worth >= bound->last_in &&
                 whole(inst, without) <= covered);
    }
}

/* -------------------------------------------------------- subgradient steps
 */
struct steps {
    struct prices *prices;
    const enum fix *fix;
    double *slope, *best; /* by demand */
    struct bound lowest;
    double factor;
    unsigned idle;
};

/* By how much the bound would rise with each price: the posts that it takes
 * are those worth at least last_in, as many as there are places. */
static double find_slope(const struct steps *s, const struct bound *at)
{
    const struct instance *in = s->prices->instance;
    size_t left = in->post_count - in->kept_count;
    double square = 0;
    for (size_t d = 0; d < in->demands; d++)
        s->slope[d] = s->prices->charge[d] < (double)in->weight[d]
                          ? -(double)in->fold
                          : 0;
    for (size_t c = 0; c < in->candidates; c++) {
        bool taken = s->fix[c] == FIX_IN;
        if (!taken && left > 0 && s->prices->worth[c] >= at->last_in) {
            taken = true;
            left--;
        }
        for (size_t i = in->first[c]; taken && i < in->first[c + 1]; i++)
            s->slope[in->covers[i]] += 1;
    }
    for (size_t d = 0; d < in->demands; d++)
        square += s->slope[d] * s->slope[d];
    return square;
}

static enum pt_err step(struct steps *s, uint64_t covered, bool *done)
{
    struct prices *p = s->prices;
    const struct instance *in = p->instance;
    struct bound at;
    enum pt_err err = prices_bound(p, s->fix, &at);
    if (err != PT_OK)
        return err;
    bool lower = at.value < s->lowest.value * (1 - 1e-7);
    if (at.value < s->lowest.value) {
        s->lowest = at;
        memcpy(s->best, p->price, in->demands * sizeof(*s->best));
    }
    s->idle = lower ? 0 : s->idle + 1;
    if (s->idle >= STEPS_PATIENCE) {
        s->idle = 0;
        s->factor /= 2;
        memcpy(p->price, s->best, in->demands * sizeof(*s->best));
        err = prices_bound(p, s->fix, &at);
    }
    double square = find_slope(s, &at);
    *done = s->lowest.most <= covered || square == 0 || s->factor < FACTOR_MIN;
    double length = s->factor * (at.value - (double)covered) / square;
    for (size_t d = 0; !*done && d < in->demands; d++) {
        double price = p->price[d] - length * s->slope[d];
        p->price[d] = fmin(fmax(price, 0), (double)in->weight[d] / in->fold);
    }
    return err;
}

enum pt_err prices_lower(struct prices *prices, uint64_t covered,
                         struct pacer *pacer, struct bound *ret)
{
    const struct instance *in = prices->instance;
    enum fix *fix = calloc(in->candidates + 1, sizeof(*fix));
    struct steps s = {
        .prices = prices,
        .fix = fix,
        .slope = calloc(in->demands + 1, sizeof(*s.slope)),
        .best = calloc(in->demands + 1, sizeof(*s.best)),
        .lowest = {.value = INFINITY},
        .factor = 1,
    };
    bool done = false;
    enum pt_err err =
        fix == NULL || s.slope == NULL || s.best == NULL ? PT_E_NOMEM : PT_OK;
    for (size_t c = 0; err == PT_OK && c < in->candidates; c++)
        fix[c] = in->kept[c] ? FIX_IN : FIX_FREE;
    for (size_t d = 0; err == PT_OK && d < in->demands; d++)
        prices->price[d] = (double)in->weight[d] / (2 * in->fold);
    for (unsigned i = 0; err == PT_OK && !done && i < STEPS_MAX &&
                         (i == 0 || !pacer_enough(pacer));
         i++)
        err = step(&s, covered, &done);
    if (err == PT_OK && in->demands > 0)
        memcpy(prices->price, s.best, in->demands * sizeof(*s.best));
    if (err == PT_OK)
        err = prices_bound(prices, fix, ret);
    free(fix);
    free(s.slope);
    free(s.best);
    return err;
}

/* Sets of moves, tried in order of their number. */
#include "moves_internal.h"

#include "roads.h"

#include <stdlib.h>
#include <string.h>

/* `enough` is asked after so many tries. */
#define ASK_EVERY 4096u

struct option {
    uint32_t unit, place, arrive_ms;
};

struct search {
    const struct moves_problem *p;
    const uint64_t *beyond;
    uint16_t *count;  /* by mission: units in time, as the moves leave it */
    uint16_t *before; /* by mission: without any move */
    uint64_t *wanted; /* missions that are to have enough */
    bool *moved;      /* by unit */
    size_t option_count;
    struct option *options; /* soonest first */
    uint64_t **ways;        /* by option; NULL: not asked yet, or none */
    bool *asked;            /* by option */
    uint16_t *left;         /* by mission, while ways are looked at */
    bool no_memory;
    size_t chosen[MOVES_MAX]; /* options */
    size_t best[MOVES_MAX];
    size_t best_count;
    uint32_t best_ms; /* until the last of them is there */
    uint64_t best_sum_ms;
    uint64_t tried;
    bool stopped;
};

static const uint64_t *there(const struct moves_problem *p,
                             const struct option *o)
{
    return &p->there[(p->class_of[o->unit] * p->places + o->place) * p->words];
}

static const uint64_t *now(const struct moves_problem *p, uint32_t unit)
{
    return &p->now[unit * p->words];
}

/* ------------------------------------------------------------ doing and
 * undoing
 */
static void add(const struct moves_problem *p, uint16_t *count,
                const uint64_t *bits, int by)
{
    for (size_t w = 0; w < p->words; w++)
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            size_t m = 64 * w + (size_t)__builtin_ctzll(left);
            count[m] = (uint16_t)(count[m] + by);
        }
}

static void apply(struct search *s, size_t option, int by)
{
    const struct option *o = &s->options[option];
    add(s->p, s->count, now(s->p, o->unit), -by);
    add(s->p, s->count, there(s->p, o), by);
    s->moved[o->unit] = by > 0;
}

/* SIZE_MAX: none lacks any. */
static size_t first_lacking(const struct search *s)
{
    const struct moves_problem *p = s->p;
    for (size_t m = 0; m < p->missions; m++)
        if (s->count[m] < p->level && moves_has(s->wanted, m))
            return m;
    return SIZE_MAX;
}

static bool within_tries(struct search *s)
{
    s->tried++;
    if (s->tried >= MOVES_TRIED_MAX ||
        (s->tried % ASK_EVERY == 0 && s->p->enough != NULL &&
         s->p->enough(s->p->context)))
        s->stopped = true;
    return !s->stopped;
}

/* ------------------------------------------------------------------ on the way
 */
static const uint64_t *way_of(struct search *s, size_t option)
{
    const struct moves_problem *p = s->p;
    const struct option *o = &s->options[option];
    if (s->asked[option])
        return s->ways[option];
    uint64_t *way = calloc(p->words, sizeof(*way));
    s->asked[option] = true;
    s->no_memory = s->no_memory || way == NULL;
    if (way != NULL && p->on_way(p->context, o->unit, o->place, way))
        s->ways[option] = way;
    else
        free(way);
    return s->ways[option];
}

/* False: the way of one of them is not known. */
static bool add_ways(struct search *s, size_t chosen)
{
    for (size_t i = 0; i < chosen; i++) {
        const uint64_t *way = way_of(s, s->chosen[i]);
        if (way == NULL)
            return false;
        add(s->p, s->left, way, 1);
    }
    return true;
}

/* No mission that has enough now has too few while the chosen are driving, in
 * whatever order they come along. Ways are asked for only where those who stay
 * are too few. */
static bool keeps_on_way(struct search *s, size_t chosen)
{
    const struct moves_problem *p = s->p;
    bool with_ways = false;
    memcpy(s->left, s->before, p->missions * sizeof(*s->left));
    for (size_t i = 0; i < chosen; i++)
        add(p, s->left, now(p, s->options[s->chosen[i]].unit), -1);
    for (size_t m = 0; m < p->missions; m++) {
        if (!moves_has(p->promised, m) || s->before[m] < p->level ||
            s->left[m] >= p->level)
            continue;
        if (!with_ways && !add_ways(s, chosen))
            return false;
        with_ways = true;
        if (s->left[m] < p->level)
            return false;
    }
    return true;
}

/* --------------------------------------------------------------------- all
 * sets
 */
static void note(struct search *s, size_t chosen)
{
    uint32_t last_ms = 0;
    uint64_t sum_ms = 0;
    for (size_t i = 0; i < chosen; i++) {
        uint32_t ms = s->options[s->chosen[i]].arrive_ms;
        last_ms = ms > last_ms ? ms : last_ms;
        sum_ms += ms;
    }
    if (s->best_count > 0 &&
        (last_ms > s->best_ms ||
         (last_ms == s->best_ms && sum_ms >= s->best_sum_ms)))
        return;
    if (!keeps_on_way(s, chosen))
        return;
    memcpy(s->best, s->chosen, chosen * sizeof(*s->best));
    s->best_count = chosen;
    s->best_ms = last_ms;
    s->best_sum_ms = sum_ms;
}

/* Somebody has to come for the first that lacks one, whatever else moves: so
 * all sets are met. `left` moves may follow. What a set lacks on the way no
 * further move makes good, for who moves has no more in time on its way than
 * where it stands. */
static void descend(struct search *s, size_t chosen, size_t left)
{
    const struct moves_problem *p = s->p;
    size_t m = first_lacking(s);
    if (m == SIZE_MAX) {
        note(s, chosen);
        return;
    }
    if (left == 0 || s->count[m] + left < p->level)
        return;
    for (size_t i = 0; i < s->option_count && !s->stopped; i++) {
        const struct option *o = &s->options[i];
        if (s->best_count > 0 && o->arrive_ms > s->best_ms)
            break;
        if (s->moved[o->unit] || !moves_has(there(p, o), m) ||
            moves_has(now(p, o->unit), m))
            continue;
        if (!within_tries(s))
            break;
        apply(s, i, 1);
        s->chosen[chosen] = i;
        descend(s, chosen + 1, left - 1);
        apply(s, i, -1);
    }
}

/* ------------------------------------------------------------- one by one
 */
/* How many more have enough with one more move; 0 also when one that has
 * enough, now or by the moves before, would have too few. */
static size_t gain_of(struct search *s, size_t option)
{
    const struct moves_problem *p = s->p;
    const struct option *o = &s->options[option];
    const uint64_t *to = there(p, o), *from = now(p, o->unit);
    size_t gained = 0;
    for (size_t m = 0; m < p->missions; m++) {
        if (!moves_has(p->promised, m))
            continue;
        int change = (int)moves_has(to, m) - (int)moves_has(from, m);
        bool had = s->count[m] >= p->level;
        bool has = s->count[m] + change >= (int)p->level;
        if (had && !has)
            return 0;
        gained += !had && has;
    }
    return gained;
}

static void one_by_one(struct search *s)
{
    while (s->best_count < s->p->most && !s->stopped) {
        size_t best = SIZE_MAX, most = 0;
        for (size_t i = 0; i < s->option_count && within_tries(s); i++) {
            if (s->moved[s->options[i].unit])
                continue;
            size_t gained = gain_of(s, i);
            s->chosen[s->best_count] = i;
            if (gained > most && keeps_on_way(s, s->best_count + 1)) {
                most = gained;
                best = i;
            }
        }
        if (best == SIZE_MAX)
            return;
        apply(s, best, 1);
        s->chosen[s->best_count] = best;
        s->best[s->best_count++] = best;
    }
}

/* ----------------------------------------------------------------- beginning
 */
static int by_arrival(const void *a, const void *b)
{
    const struct option *x = a, *y = b;
    if (x->arrive_ms != y->arrive_ms)
        return x->arrive_ms < y->arrive_ms ? -1 : 1;
    if (x->unit != y->unit)
        return x->unit < y->unit ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Is anything in time from there that is not now? Else nobody gains by it. */
static bool may_help(const struct search *s, const struct option *o)
{
    const struct moves_problem *p = s->p;
    const uint64_t *to = there(p, o), *from = now(p, o->unit);
    for (size_t w = 0; w < p->words; w++)
        if (to[w] & ~from[w] & p->promised[w])
            return true;
    return false;
}

static enum pt_err find_options(struct search *s)
{
    const struct moves_problem *p = s->p;
    size_t room = p->units * p->places;
    s->options = calloc(room + 1, sizeof(*s->options));
    if (s->options == NULL)
        return PT_E_NOMEM;
    for (uint32_t u = 0; u < p->units; u++) {
        for (uint32_t c = 0; p->may_move[u] && c < p->places; c++) {
            struct option o = {u, c, p->arrive_ms[u * p->places + c]};
            if (o.arrive_ms != ROADS_NONE && may_help(s, &o))
                s->options[s->option_count++] = o;
        }
    }
    qsort(s->options, s->option_count, sizeof(*s->options), by_arrival);
    s->ways = calloc(s->option_count + 1, sizeof(*s->ways));
    s->asked = calloc(s->option_count + 1, sizeof(*s->asked));
    return s->ways == NULL || s->asked == NULL ? PT_E_NOMEM : PT_OK;
}

/* Enough units that may move could stand where they have the mission in time.
 */
static bool is_within_reach(const struct search *s, size_t mission,
                            size_t *seen_for)
{
    const struct moves_problem *p = s->p;
    size_t could = s->count[mission];
    for (size_t i = 0; i < s->option_count && could < p->level; i++) {
        const struct option *o = &s->options[i];
        if (seen_for[o->unit] == mission + 1 ||
            moves_has(now(p, o->unit), mission) ||
            !moves_has(there(p, o), mission))
            continue;
        seen_for[o->unit] = mission + 1;
        could++;
    }
    return could >= p->level;
}

static enum pt_err find_lacking(struct search *s, uint64_t *lacking,
                                uint64_t *beyond)
{
    const struct moves_problem *p = s->p;
    size_t *seen_for = calloc(p->units + 1, sizeof(*seen_for));
    if (seen_for == NULL)
        return PT_E_NOMEM;
    for (size_t m = 0; m < p->missions; m++) {
        if (!moves_has(p->promised, m))
            continue;
        if (s->count[m] >= p->level) {
            moves_set(s->wanted, m);
            continue;
        }
        moves_set(lacking, m);
        if (is_within_reach(s, m, seen_for))
            moves_set(s->wanted, m);
        else
            moves_set(beyond, m);
    }
    free(seen_for);
    return PT_OK;
}

static void clear(struct search *s)
{
    for (size_t i = 0; s->ways != NULL && i < s->option_count; i++)
        free(s->ways[i]);
    free(s->count);
    free(s->before);
    free(s->wanted);
    free(s->moved);
    free(s->options);
    free(s->ways);
    free(s->asked);
    free(s->left);
}

static enum pt_err begin(struct search *s)
{
    const struct moves_problem *p = s->p;
    s->count = calloc(p->missions + 1, sizeof(*s->count));
    s->before = calloc(p->missions + 1, sizeof(*s->before));
    s->left = calloc(p->missions + 1, sizeof(*s->left));
    s->wanted = calloc(p->words + 1, sizeof(*s->wanted));
    s->moved = calloc(p->units + 1, sizeof(*s->moved));
    if (s->count == NULL || s->before == NULL || s->left == NULL ||
        s->wanted == NULL || s->moved == NULL)
        return PT_E_NOMEM;
    for (uint32_t u = 0; u < p->units; u++)
        add(p, s->count, now(p, u), 1);
    memcpy(s->before, s->count, p->missions * sizeof(*s->count));
    return find_options(s);
}

/* Of one move, of two and so on; true: one was found. What is found before the
 * tries are over has the fewest, too: all smaller ones were tried. */
static bool try_sets(struct search *s)
{
    for (size_t n = 1; n <= s->p->most && !s->stopped && s->best_count == 0;
         n++)
        descend(s, 0, n);
    return s->best_count > 0;
}

enum pt_err moves_search(const struct moves_problem *problem, uint64_t *lacking,
                         uint64_t *beyond, struct moves_found *ret)
{
    struct search s = {.p = problem};
    enum pt_err err = begin(&s);
    *ret = (struct moves_found){0};
    if (err == PT_OK)
        err = find_lacking(&s, lacking, beyond);
    if (err == PT_OK) {
        ret->complete = first_lacking(&s) == SIZE_MAX || try_sets(&s);
        ret->stopped = s.stopped;
        if (!ret->complete) {
            s.stopped = false;
            s.tried = 0;
            one_by_one(&s);
        }
        for (ret->count = 0; ret->count < s.best_count; ret->count++) {
            const struct option *o = &s.options[s.best[ret->count]];
            ret->unit[ret->count] = o->unit;
            ret->place[ret->count] = o->place;
        }
        err = s.no_memory ? PT_E_NOMEM : PT_OK;
    }
    clear(&s);
    return err;
}

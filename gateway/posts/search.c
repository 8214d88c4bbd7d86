/* Greedy, exchange, new beginnings. */
#include "posts_internal.h"

bool pacer_enough(struct pacer *pacer)
{
    const struct posts_limits *limits = pacer->limits;
    if (!pacer->stopped && limits->enough != NULL)
        pacer->stopped = limits->enough(limits->context);
    return pacer->stopped;
}

/* The one that adds most, among equals the first; UINT32_MAX: all are in. */
static uint32_t best_to_add(const struct state *s)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t c = 0; c < s->instance->candidates; c++)
        if (!s->in[c] &&
            (best == UINT32_MAX || is_worth_more(s->worth[c], s->worth[best])))
            best = c;
    return best;
}

void search_greedy(struct state *state)
{
    while (state->count < state->instance->post_count)
        state_add(state, best_to_add(state));
}

/* Takes one out, and the best in for it; false: that is the same one, or no
 * better. A post that goes out comes in again at the end, so the order does
 * not tell which was tried. */
static bool exchange_one(struct state *s, size_t index)
{
    uint32_t leaves = s->posts[index];
    struct worth loss = s->worth[leaves];
    state_remove(s, index);
    uint32_t comes = best_to_add(s);
    bool better = is_worth_more(s->worth[comes], loss);
    state_add(s, better ? comes : leaves);
    return better;
}

void search_exchange(struct state *state, struct pacer *pacer)
{
    size_t kept = state->instance->kept_count;
    size_t since = 0; /* a better one was found; the first not kept is next */
    while (since < state->count - kept && !pacer_enough(pacer))
        since = exchange_one(state, kept) ? 0 : since + 1;
}

/* ---------------------------------------------------------- new beginnings */
/* SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number
 * generators (2014). */
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One of those that add at least seven tenths of the most; UINT32_MAX: nobody
 * adds anything. */
static uint32_t any_good(const struct state *s, uint64_t *seed)
{
    uint32_t best = best_to_add(s), chosen = UINT32_MAX;
    uint64_t seen = 0;
    if (best == UINT32_MAX || s->worth[best].nearer == 0)
        return best;
    struct worth most = s->worth[best];
    for (uint32_t c = 0; c < s->instance->candidates; c++) {
        if (s->in[c] || 10 * s->worth[c].covered < 7 * most.covered ||
            10 * s->worth[c].nearer < 7 * most.nearer)
            continue;
        if (draw(seed) % ++seen == 0)
            chosen = c;
    }
    return chosen == UINT32_MAX ? best : chosen;
}

static void shake(struct state *s, uint64_t *seed)
{
    size_t kept = s->instance->kept_count, movable = s->count - kept;
    size_t leave = 1 + draw(seed) % (1 + movable / 2);
    for (size_t i = 0; i < leave && s->count > kept; i++)
        state_remove(s, kept + draw(seed) % (s->count - kept));
    while (s->count < s->instance->post_count)
        state_add(s, any_good(s, seed));
}

enum pt_err search_again(struct state *best, struct pacer *pacer)
{
    uint64_t seed = pacer->limits->seed;
    struct state *s = NULL;
    enum pt_err err = state_new(best->instance, &s);
    if (err != PT_OK)
        return err;
    if (best->count > best->instance->kept_count)
        state_copy(s, best);
    for (unsigned i = 0;
         i < pacer->limits->beginnings &&
         best->count > best->instance->kept_count && !pacer_enough(pacer);
         i++) {
        shake(s, &seed);
        search_exchange(s, pacer);
        if (s->covered >= best->covered)
            state_copy(best, s);
        else
            state_copy(s, best);
    }
    state_free(s);
    return PT_OK;
}

/* A choice of posts, and what a change to it would bring. */
#include "posts_internal.h"

#include <stdlib.h>
#include <string.h>

void state_free(struct state *state)
{
    if (state == NULL)
        return;
    free(state->posts);
    free(state->in);
    free(state->cover);
    free(state->worth);
    free(state);
}

/* What a demand with that much cover counts for a candidate on its list. */
static struct worth counts(const struct state *s, bool is_in, uint32_t cover,
                           uint64_t weight)
{
    uint32_t without = cover - is_in; /* this candidate */
    return (struct worth){
        .covered = without + 1 == s->instance->fold ? weight : 0,
        .nearer = without < s->instance->fold ? weight : 0,
    };
}

static void weigh(struct state *s, uint32_t candidate)
{
    const struct instance *in = s->instance;
    struct worth sum = {0, 0};
    for (size_t i = in->first[candidate]; i < in->first[candidate + 1]; i++) {
        uint32_t d = in->covers[i];
        struct worth w =
            counts(s, s->in[candidate], s->cover[d], in->weight[d]);
        sum.covered += w.covered;
        sum.nearer += w.nearer;
    }
    s->worth[candidate] = sum;
}

/* A demand has other cover: it counts otherwise for all on its list. */
static void recount(struct state *s, uint32_t demand, uint32_t cover)
{
    const struct instance *in = s->instance;
    uint64_t weight = in->weight[demand];
    uint32_t was = s->cover[demand];
    s->cover[demand] = cover;
    for (size_t i = in->demand_first[demand]; i < in->demand_first[demand + 1];
         i++) {
        uint32_t c = in->by[i];
        struct worth before = counts(s, s->in[c], was, weight);
        struct worth after = counts(s, s->in[c], cover, weight);
        s->worth[c].covered += after.covered - before.covered;
        s->worth[c].nearer += after.nearer - before.nearer;
    }
}

/* Above fold + 1 nothing counts otherwise than at it. */
static bool matters(const struct state *s, uint32_t a, uint32_t b)
{
    uint32_t lower = a < b ? a : b;
    return lower <= s->instance->fold;
}

static void set(struct state *s, uint32_t candidate, bool is_in)
{
    const struct instance *in = s->instance;
    for (size_t i = in->first[candidate]; i < in->first[candidate + 1]; i++) {
        uint32_t d = in->covers[i];
        uint32_t cover = is_in ? s->cover[d] + 1 : s->cover[d] - 1;
        if (matters(s, s->cover[d], cover))
            recount(s, d, cover);
        else
            s->cover[d] = cover;
    }
    s->in[candidate] = is_in;
    weigh(s, candidate);
}

void state_add(struct state *state, uint32_t candidate)
{
    state->covered += state->worth[candidate].covered;
    set(state, candidate, true);
    state->posts[state->count++] = candidate;
}

void state_remove(struct state *state, size_t index)
{
    uint32_t candidate = state->posts[index];
    state->covered -= state->worth[candidate].covered;
    set(state, candidate, false);
    memmove(&state->posts[index], &state->posts[index + 1],
            (state->count - index - 1) * sizeof(*state->posts));
    state->count--;
}

enum pt_err state_new(const struct instance *instance, struct state **ret)
{
    struct state *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PT_E_NOMEM;
    s->instance = instance;
    s->posts = calloc(instance->candidates + 1, sizeof(*s->posts));
    s->in = calloc(instance->candidates + 1, sizeof(*s->in));
    s->cover = calloc(instance->demands + 1, sizeof(*s->cover));
    s->worth = calloc(instance->candidates + 1, sizeof(*s->worth));
    if (s->posts == NULL || s->in == NULL || s->cover == NULL ||
        s->worth == NULL) {
        state_free(s);
        return PT_E_NOMEM;
    }
    for (size_t c = 0; c < instance->candidates; c++)
        weigh(s, (uint32_t)c);
    for (size_t c = 0; c < instance->candidates; c++)
        if (instance->kept[c])
            state_add(s, (uint32_t)c);
    *ret = s;
    return PT_OK;
}

void state_copy(struct state *to, const struct state *from)
{
    const struct instance *in = from->instance;
    memcpy(to->posts, from->posts, (in->candidates + 1) * sizeof(*to->posts));
    memcpy(to->in, from->in, (in->candidates + 1) * sizeof(*to->in));
    memcpy(to->cover, from->cover, (in->demands + 1) * sizeof(*to->cover));
    memcpy(to->worth, from->worth, (in->candidates + 1) * sizeof(*to->worth));
    to->count = from->count;
    to->covered = from->covered;
}

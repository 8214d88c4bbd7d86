/* Directed edges that somebody may drive, and their ghosts, become arcs,
 * numbered by the junction they lead to. */
#include "roads_internal.h"
#include <stdlib.h>
#include <string.h>

static uint32_t row_ms(const struct roads_rows *rows, size_t profile,
                       uint32_t directed)
{
    if (rows->profile_count > 0 && rows->profiles[profile].edge_ms != NULL)
        return rows->profiles[profile].edge_ms[directed];
    const struct roads_edge_row *row = &rows->edges[directed >> 1];
    return directed & 1u ? row->backward_ms : row->forward_ms;
}

static bool driven(const struct roads_rows *rows, uint32_t directed)
{
    bool by_any = row_ms(rows, 0, directed) > 0;
    for (size_t p = 1; p < rows->profile_count && !by_any; p++)
        by_any = row_ms(rows, p, directed) > 0;
    return by_any;
}

/* The arcs that lead to each junction, counted, then where they begin. */
static size_t count_in(struct roads_builder *b)
{
    struct roads *roads = b->roads;
    size_t count = 0;
    for (uint32_t d = 0; d < 2 * roads->edge_count; d++) {
        bool is_arc = driven(b->rows, d);
        roads->edges[d >> 1].arc[d & 1u] = is_arc ? 0 : ROADS_NONE;
        roads->first_in[b->tail[d ^ 1u] + 1] += is_arc;
        count += is_arc;
    }
    for (uint32_t i = 0; i < b->states->count; i++)
        roads->first_in[b->tail[b->states->states[i].directed ^ 1u] + 1]++;
    for (uint32_t n = 0; n < roads->node_count; n++)
        roads->first_in[n + 1] += roads->first_in[n];
    return count + b->states->count;
}

static uint32_t add_arc(struct roads_builder *b, uint32_t *next,
                        uint32_t directed, uint32_t ghost)
{
    uint32_t head = b->tail[directed ^ 1u];
    uint32_t arc = next[head]++;
    b->roads->arcs[arc] = (struct roads_arc){
        .tail = b->tail[directed], .head = head, .bits = directed | ghost};
    return arc;
}

/* `next` is room for a number for each junction. */
static void number_arcs(struct roads_builder *b, uint32_t *next)
{
    struct roads *roads = b->roads;
    struct roads_state *state = b->states->states;
    const struct roads_state *end = state + b->states->count;
    memcpy(next, roads->first_in, roads->node_count * sizeof(*next));
    for (uint32_t d = 0; d < 2 * roads->edge_count; d++) {
        uint32_t *arc = &roads->edges[d >> 1].arc[d & 1u];
        if (*arc != ROADS_NONE)
            *arc = add_arc(b, next, d, 0);
        for (; state < end && state->directed == d; state++) {
            state->arc = add_arc(b, next, d, ARC_GHOST);
            roads->ghosts[roads->ghost_count++] =
                (struct roads_ghost){d, state->arc};
        }
    }
}

static void list_out(struct roads *roads, uint32_t *next)
{
    for (uint32_t arc = 0; arc < roads->arc_count; arc++)
        roads->first_out[roads->arcs[arc].tail + 1]++;
    for (uint32_t n = 0; n < roads->node_count; n++)
        roads->first_out[n + 1] += roads->first_out[n];
    memcpy(next, roads->first_out, roads->node_count * sizeof(*next));
    for (uint32_t arc = 0; arc < roads->arc_count; arc++)
        roads->out[next[roads->arcs[arc].tail]++] = arc;
}

enum pt_err roads_arcs_build(struct roads_builder *b)
{
    struct roads *roads = b->roads;
    size_t nodes = (size_t)roads->node_count + 1;
    uint32_t *next = calloc(nodes, sizeof(*next));
    roads->first_in = calloc(nodes, sizeof(*roads->first_in));
    roads->first_out = calloc(nodes, sizeof(*roads->first_out));
    enum pt_err err = PT_E_NOMEM;
    if (next == NULL || roads->first_in == NULL || roads->first_out == NULL)
        goto out;
    size_t count = count_in(b);
    err = PT_E_RANGE; /* nobody may drive anywhere; or the ghosts are legion */
    if (count == 0 || count >= ARC_GHOST)
        goto out;

    err = PT_E_NOMEM;
    roads->arc_count = (uint32_t)count;
    roads->arcs = calloc(count, sizeof(*roads->arcs));
    roads->out = calloc(count, sizeof(*roads->out));
    roads->ghosts = calloc(b->states->count + 1u, sizeof(*roads->ghosts));
    if (roads->arcs == NULL || roads->out == NULL || roads->ghosts == NULL)
        goto out;
    roads->bytes += count * (sizeof(*roads->arcs) + sizeof(*roads->out)) +
                    2 * nodes * sizeof(uint32_t) +
                    (b->states->count + 1u) * sizeof(*roads->ghosts);
    number_arcs(b, next);
    list_out(roads, next);
    err = PT_OK;
out:
    free(next);
    return err;
}

/* ---------------------------------------------------------------- metrics */
static bool profile_possible(const struct roads_rows *rows, size_t index)
{
    const struct roads_profile *profile = &rows->profiles[index];
    if (profile->name[0] == '\0' ||
        memchr(profile->name, '\0', sizeof(profile->name)) == NULL)
        return false;
    for (size_t i = 0; i < index; i++) {
        if (strcmp(rows->profiles[i].name, profile->name) == 0)
            return false;
    }
    for (int i = 0; i < ROADS_TURNS; i++) {
        if (profile->turn_ms[i] > ROADS_TURN_MS_MAX &&
            profile->turn_ms[i] != ROADS_NONE)
            return false;
    }
    for (int i = 0; i < ROADS_CONTROLS; i++) {
        if (profile->control_ms[i] > ROADS_TURN_MS_MAX)
            return false;
    }
    return profile->start_ms <= ROADS_TURN_MS_MAX &&
           (profile->forbidden_ms <= ROADS_TURN_MS_MAX ||
            profile->forbidden_ms == ROADS_NONE);
}

static uint32_t turn_ms(const struct roads_profile *profile, uint32_t turn)
{
    uint32_t class = turn & TURN_CLASS;
    if (class >= ROADS_TURNS || turn & ~0x7fu ||
        profile->turn_ms[class] == ROADS_NONE)
        return ROADS_NONE;
    uint32_t ms = profile->turn_ms[class];
    if (class != ROADS_ROUND && class != ROADS_ROUND_AT_END)
        ms += profile->control_ms[turn >> TURN_CONTROL_SHIFT & 3u];
    bool forbidden = (turn & TURN_FORBIDDEN) != 0 ||
                     (turn & TURN_NOT_EMERGENCY && !profile->emergency);
    if (forbidden && profile->forbidden_ms == ROADS_NONE)
        return ROADS_NONE;
    return forbidden ? ms + profile->forbidden_ms : ms;
}

static enum pt_err take_times(const struct roads_builder *b, size_t profile,
                              struct roads_metric *metric)
{
    const struct roads *roads = b->roads;
    bool any = false;
    for (uint32_t arc = 0; arc < roads->arc_count; arc++) {
        uint32_t ms =
            row_ms(b->rows, profile, roads_arc_directed(&roads->arcs[arc]));
        if (ms > INT32_MAX)
            return PT_E_RANGE;
        metric->ms[arc] = ms > 0 ? ms : ROADS_NONE;
        any = any || ms > 0;
    }
    /* Whoever asks without saying how is asking about the first. */
    return any || profile > 0 ? PT_OK : PT_E_RANGE;
}

static enum pt_err metric_of(const struct roads_builder *b,
                             const struct roads_profile *profile, size_t index,
                             struct roads_metric **ret)
{
    struct roads_metric *metric = NULL;
    enum pt_err err = roads_metric_new(b->roads, &metric);
    if (err != PT_OK)
        return err;
    metric->own = true;
    metric->start_ms = profile->start_ms;
    memcpy(metric->name, profile->name, sizeof(metric->name));
    for (uint32_t turn = 0; turn < 256; turn++)
        metric->turn_ms[turn] = turn_ms(profile, turn);
    err = take_times(b, index, metric);
    if (err != PT_OK) {
        roads_metric_free(metric);
        return err;
    }
    roads_metric_settle(metric);
    *ret = metric;
    return PT_OK;
}

enum pt_err roads_metrics_build(struct roads_builder *b)
{
    static const struct roads_profile plain = {
        .name = "patrol",
        .turn_ms = {[ROADS_ROUND] = ROADS_NONE},
        .forbidden_ms = ROADS_NONE,
    };
    const struct roads_rows *rows = b->rows;
    struct roads *roads = b->roads;
    size_t count = rows->profile_count > 0 ? rows->profile_count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct roads_profile *profile = &plain;
        if (rows->profile_count > 0) {
            profile = &rows->profiles[i];
            if (!profile_possible(rows, i))
                return PT_E_RANGE;
        }
        enum pt_err err = metric_of(b, profile, i, &roads->profiles[i]);
        if (err != PT_OK)
            return err;
        roads->profile_count++;
    }
    return PT_OK;
}

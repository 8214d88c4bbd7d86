/* Which streets to try, and what their closing uncovers. */
#include "weak_internal.h"

#include "pt_room.h"

#include <stdlib.h>
#include <string.h>

/* A unit in time at a mission sets out so. */
struct way {
    uint32_t slot, directed;
    bool ahead;
};

/* Closing the edge could uncover the mission. */
struct pair {
    uint32_t edge, mission;
};

struct candidate {
    uint32_t edge;
    size_t first, most; /* pairs: missions that it could uncover */
};

/* Of a piece, with what is closed with it. */
struct crossed {
    uint64_t unit;  /* number of the unit and mission that are looked at */
    uint32_t ways;  /* of its first ways so many depend on it */
    uint32_t units; /* that depend on it, of the mission */
};

struct search {
    struct weak *weak;
    struct weak_trial *trial;
    struct weak_pieces *pieces;
    struct way *ways;
    size_t way_count, way_room;
    struct crossed *crossed; /* by edge */
    uint64_t unit;           /* as above */
    uint32_t way;            /* of its */
    uint32_t *on_first;      /* edges: the first way of the unit depends on */
    size_t on_first_count, on_first_room;
    uint32_t *touched; /* edges on which a unit depends */
    size_t touched_count, touched_room;
    struct pair *pairs;
    size_t pair_count, pair_room;
    struct candidate *candidates;
    size_t candidate_count;
    enum pt_err err; /* of callbacks */
};

static enum pt_err append(uint32_t **array, size_t *count, size_t *room,
                          uint32_t what)
{
    enum pt_err err = pt_room(array, room, *count + 1, sizeof(**array));
    if (err == PT_OK)
        (*array)[(*count)++] = what;
    return err;
}

/* ------------------------------------------------------------- who goes where
 */
static bool note_way(void *context, uint32_t slot, uint32_t directed,
                     bool ahead)
{
    struct search *s = context;
    s->err =
        pt_room(&s->ways, &s->way_room, s->way_count + 1, sizeof(*s->ways));
    if (s->err != PT_OK)
        return false;
    s->ways[s->way_count++] = (struct way){slot, directed, ahead};
    return true;
}

static int by_slot(const void *left, const void *right)
{
    const struct way *a = left, *b = right;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static void cross(struct search *s, uint32_t edge)
{
    struct crossed *c = &s->crossed[edge];
    if (c->unit != s->unit) {
        if (s->way > 0 || s->err != PT_OK)
            return;
        c->unit = s->unit;
        c->ways = 0;
        s->err =
            append(&s->on_first, &s->on_first_count, &s->on_first_room, edge);
    }
    if (c->ways == s->way)
        c->ways++;
}

/* A way depends on an edge: so it does on each piece with which that is closed.
 */
static void cross_all(void *context, uint32_t edge)
{
    struct search *s = context;
    const uint32_t *beside = NULL;
    size_t count = 0;
    if (s->err == PT_OK)
        s->err = weak_pieces_beside(s->pieces, edge, &beside, &count);
    if (s->err != PT_OK)
        return;
    cross(s, edge);
    for (size_t i = 0; i < count; i++)
        cross(s, beside[i]);
}

/* A unit depends on what all of its ways depend on. */
static enum pt_err follow_unit(struct search *s, const struct way *ways,
                               size_t count)
{
    s->unit++;
    s->on_first_count = 0;
    for (s->way = 0; s->way < count; s->way++)
        weak_trial_way(s->trial, ways[s->way].directed, ways[s->way].ahead,
                       cross_all, s);
    for (size_t i = 0; i < s->on_first_count && s->err == PT_OK; i++) {
        struct crossed *c = &s->crossed[s->on_first[i]];
        if (c->ways == count && c->units++ == 0)
            s->err = append(&s->touched, &s->touched_count, &s->touched_room,
                            s->on_first[i]);
    }
    return s->err;
}

static enum pt_err follow_units(struct search *s, size_t mission)
{
    s->way_count = 0;
    enum pt_err err = weak_trial_meet(s->trial, mission, note_way, s);
    err = err == PT_OK ? s->err : err;
    if (err != PT_OK)
        return err;
    if (s->way_count > 1)
        qsort(s->ways, s->way_count, sizeof(*s->ways), by_slot);
    for (size_t i = 0, end = 0; i < s->way_count && err == PT_OK; i = end) {
        while (end < s->way_count && s->ways[end].slot == s->ways[i].slot)
            end++;
        err = follow_unit(s, s->ways + i, end - i);
    }
    return err;
}

/* Without those that depend on it fewer than the level are left. */
static enum pt_err take_pairs(struct search *s, size_t mission)
{
    size_t needed = (size_t)s->weak->missions[mission].can_fail + 1;
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < s->touched_count; i++) {
        uint32_t edge = s->touched[i];
        if (err == PT_OK && s->crossed[edge].units >= needed) {
            err = pt_room(&s->pairs, &s->pair_room, s->pair_count + 1,
                          sizeof(*s->pairs));
            if (err == PT_OK)
                s->pairs[s->pair_count++] =
                    (struct pair){edge, (uint32_t)mission};
        }
        s->crossed[edge].units = 0;
    }
    s->touched_count = 0;
    return err;
}

static enum pt_err find_pairs(struct search *s)
{
    struct weak *w = s->weak;
    enum pt_err err = PT_OK;
    for (size_t m = 0; m < w->mission_count && err == PT_OK; m++) {
        const struct weak_mission *mission = &w->missions[m];
        if (!mission->judged || mission->can_fail < 0)
            continue;
        if (weak_is_stopped(w) || weak_spent_ms(w) > w->wish.limit_ms / 2)
            return PT_E_AGAIN;
        err = follow_units(s, m);
        if (err == PT_OK)
            err = take_pairs(s, m);
    }
    return err;
}

/* ----------------------------------------------------------------- candidates
 */
static int by_edge(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->edge != b->edge)
        return a->edge < b->edge ? -1 : 1;
    return a->mission < b->mission ? -1 : a->mission > b->mission;
}

/* Of as many missions in the order of the network. */
static int by_most(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->most != b->most)
        return a->most > b->most ? -1 : 1;
    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

static enum pt_err rank_candidates(struct search *s)
{
    s->candidates = calloc(s->pair_count + 1, sizeof(*s->candidates));
    if (s->candidates == NULL)
        return PT_E_NOMEM;
    if (s->pair_count > 1)
        qsort(s->pairs, s->pair_count, sizeof(*s->pairs), by_edge);
    for (size_t i = 0; i < s->pair_count; i++) {
        if (i == 0 || s->pairs[i].edge != s->pairs[i - 1].edge)
            s->candidates[s->candidate_count++] =
                (struct candidate){s->pairs[i].edge, i, 0};
        s->candidates[s->candidate_count - 1].most++;
    }
    if (s->candidate_count > 1)
        qsort(s->candidates, s->candidate_count, sizeof(*s->candidates),
              by_most);
    return PT_OK;
}

/* -------------------------------------------------------------------- closing
 */
static enum pt_err find_lost(struct search *s, const struct candidate *c,
                             struct weak_loss *ret)
{
    enum pt_err err = PT_OK;
    ret->missions = calloc(c->most + 1, sizeof(*ret->missions));
    if (ret->missions == NULL)
        return PT_E_NOMEM;
    for (size_t i = c->first; i < c->first + c->most && err == PT_OK; i++) {
        bool uncovers = false;
        err = weak_trial_uncovers(s->trial, s->pairs[i].mission, &uncovers);
        if (uncovers)
            ret->missions[ret->count++] = s->pairs[i].mission;
    }
    return err;
}

/* `with` begins with the piece itself while it is closed. */
static enum pt_err try_piece(struct search *s, const struct candidate *c,
                             struct weak_loss *ret)
{
    const uint32_t *beside = NULL;
    size_t count = 0;
    enum pt_err err = weak_pieces_beside(s->pieces, c->edge, &beside, &count);
    if (err != PT_OK)
        return err;
    ret->what = c->edge;
    ret->with = calloc(count + 1, sizeof(*ret->with));
    if (ret->with == NULL)
        return PT_E_NOMEM;
    ret->with[0] = c->edge;
    if (count > 0)
        memcpy(ret->with + 1, beside, count * sizeof(*beside));
    err = weak_trial_close(s->trial, ret->with, count + 1);
    if (err == PT_OK)
        err = find_lost(s, c, ret);
    enum pt_err opened = weak_trial_close(s->trial, NULL, 0);
    if (count > 0)
        memmove(ret->with, ret->with + 1, count * sizeof(*ret->with));
    ret->with_count = count;
    return err == PT_OK ? opened : err;
}

/* Streets in a row uncover the same: one of them is told, the longest. */
static bool is_known(const struct weak *w, struct weak_loss *loss)
{
    for (size_t i = 0; i < w->lost_street_count; i++) {
        struct weak_loss *known = &w->lost_streets[i], before = *known;
        if (!weak_same(known, loss))
            continue;
        if (roads_edge_length_m(w->roads, 2 * loss->what) >
            roads_edge_length_m(w->roads, 2 * known->what)) {
            *known = *loss;
            *loss = before;
        }
        return true;
    }
    return false;
}

static void note_street(struct weak *w, struct weak_loss *loss)
{
    if (loss->count == 0 || is_known(w, loss))
        weak_loss_clear(loss);
    else
        weak_note(w->lost_streets, &w->lost_street_count, loss);
}

static enum pt_err try_candidates(struct search *s)
{
    struct weak *w = s->weak;
    enum pt_err err = PT_OK;
    size_t i = 0;
    for (; i < s->candidate_count && err == PT_OK; i++) {
        struct weak_loss loss = {0};
        if (weak_spent_ms(w) > w->wish.limit_ms / 2)
            break;
        if (weak_is_stopped(w))
            return PT_E_AGAIN;
        err = try_piece(s, &s->candidates[i], &loss);
        if (err == PT_OK)
            note_street(w, &loss);
        else
            weak_loss_clear(&loss);
    }
    size_t worst = w->lost_street_count == 0 ? 0 : w->lost_streets[0].count;
    w->tried = (struct weak_tried){
        .candidates = s->candidate_count,
        .tried = i,
        .is_worst = i == s->candidate_count || s->candidates[i].most <= worst,
    };
    return err;
}

enum pt_err weak_try_streets(struct weak *weak)
{
    struct search s = {.weak = weak};
    s.crossed = calloc(roads_edge_count(weak->roads), sizeof(*s.crossed));
    enum pt_err err =
        s.crossed == NULL
            ? PT_E_NOMEM
            : weak_pieces_new(coverage_basis_metrics(weak->basis)->now,
                              &s.pieces);
    if (err == PT_OK)
        err = weak_trial_new(weak, &s.trial);
    if (err == PT_OK)
        err = find_pairs(&s);
    if (err == PT_OK)
        err = rank_candidates(&s);
    if (err == PT_OK)
        err = try_candidates(&s);
    weak_trial_free(s.trial);
    weak_pieces_free(s.pieces);
    free(s.ways);
    free(s.crossed);
    free(s.on_first);
    free(s.touched);
    free(s.pairs);
    free(s.candidates);
    return err;
}

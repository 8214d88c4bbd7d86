/* Whole drives: the likeliest sequence of places (Viterbi), and the streets
 * between them. */
#include "match_internal.h"
#include "pt_room.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So many fixes in a row that no way leads to are taken for strays; then the
 * way is broken off and begins anew. */
#define STRAYS_MAX 4

struct link { /* a used fix */
    size_t fix;
    size_t first; /* candidate */
    size_t count;
};

struct work {
    struct match *match;
    const struct match_fix *fixes;
    struct match_drive *drive;
    struct match_layer last, next;
    int64_t heard_ms; /* the newest fix, used or not */
    size_t link_count, link_room;
    struct link *links; /* of the piece under way */
    size_t candidate_count, candidate_room;
    struct match_candidate *candidates;
    size_t *chosen; /* for each link */
    size_t edge_room, piece_room, chosen_room;
};

static enum pt_err keep_layer(struct work *w, size_t fix)
{
    const struct match_layer *layer = &w->last;
    enum pt_err err =
        pt_room(&w->links, &w->link_room, w->link_count + 1, sizeof(*w->links));
    if (err == PT_OK)
        err =
            pt_room(&w->candidates, &w->candidate_room,
                    w->candidate_count + layer->count, sizeof(*w->candidates));
    if (err != PT_OK)
        return err;
    memcpy(&w->candidates[w->candidate_count], layer->candidates,
           layer->count * sizeof(*layer->candidates));
    w->links[w->link_count++] =
        (struct link){fix, w->candidate_count, layer->count};
    w->candidate_count += layer->count;
    return PT_OK;
}

/* ------------------------------------------------------- the way of a piece */
static enum pt_err add_edge(struct work *w, uint32_t directed)
{
    struct match_drive *drive = w->drive;
    struct match_piece *piece = &drive->pieces[drive->piece_count];
    if (piece->edge_count > 0 &&
        drive->edges[drive->edge_count - 1] == directed)
        return PT_OK;
    enum pt_err err = pt_room(&drive->edges, &w->edge_room,
                              drive->edge_count + 1, sizeof(*drive->edges));
    if (err == PT_OK) {
        drive->edges[drive->edge_count++] = directed;
        piece->edge_count++;
    }
    return err;
}

/* The search's labels lead from the end back to the beginning: counts them
 * first, writes them in order then. */
static enum pt_err add_way(struct work *w, const struct match_candidate *from,
                           const struct match_candidate *to)
{
    struct match_drive *drive = w->drive;
    const struct match_label *labels = w->match->labels;
    size_t count = 1;
    uint32_t at = to->directed;
    for (; !labels[at].first; at = labels[at].before)
        count++;
    enum pt_err err = add_edge(w, labels[at].before); /* turned round or not */
    if (err == PT_OK)
        err = pt_room(&drive->edges, &w->edge_room, drive->edge_count + count,
                      sizeof(*drive->edges));
    if (err != PT_OK)
        return err;
    (void)from;
    drive->edge_count += count;
    drive->pieces[drive->piece_count].edge_count += count;
    at = to->directed;
    for (size_t i = 1; i <= count; i++, at = labels[at].before)
        drive->edges[drive->edge_count - i] = at;
    return PT_OK;
}

static enum pt_err connect(struct work *w, size_t link)
{
    struct match_layer from = {.fix = w->fixes[w->links[link - 1].fix]};
    struct match_layer to = {.fix = w->fixes[w->links[link].fix], .count = 1};
    const struct match_candidate *a = &w->candidates[w->chosen[link - 1]];
    const struct match_candidate *b = &w->candidates[w->chosen[link]];
    bool straight = false, over;
    to.candidates[0] = *b;
    size_t wanted = match_want(w->match, &to);
    enum pt_err err = match_search(w->match, a, wanted);
    if (err == PT_OK)
        err = match_search_to(w->match, match_limit_m(&from, &to), &over);
    if (err != PT_OK)
        return err;
    (void)match_way_m(w->match, a, b, 2.0 * match_spread_m(w->match, &to.fix),
                      &straight);
    return straight ? add_edge(w, b->directed) : add_way(w, a, b);
}

static void choose(struct work *w)
{
    size_t link = w->link_count - 1;
    size_t best = w->links[link].first;
    for (size_t i = 1; i < w->links[link].count; i++) {
        if (w->candidates[w->links[link].first + i].score >
            w->candidates[best].score)
            best = w->links[link].first + i;
    }
    for (;; link--) {
        const struct match_candidate *c = &w->candidates[best];
        w->chosen[link] = best;
        w->drive->places[w->links[link].fix] =
            (struct match_place){c->directed, c->travelled, c->distance_m};
        if (link == 0)
            return;
        best = w->links[link - 1].first + c->from;
    }
}

/* The links so far become a piece. */
static enum pt_err end_piece(struct work *w)
{
    struct match_drive *drive = w->drive;
    if (w->link_count == 0)
        return PT_OK;
    enum pt_err err =
        pt_room(&w->chosen, &w->chosen_room, w->link_count, sizeof(*w->chosen));
    if (err == PT_OK)
        err = pt_room(&drive->pieces, &w->piece_room, drive->piece_count + 1,
                      sizeof(*drive->pieces));
    if (err != PT_OK)
        return err;
    choose(w);
    drive->pieces[drive->piece_count] = (struct match_piece){
        .first_edge = drive->edge_count,
        .first_fix = w->links[0].fix,
        .last_fix = w->links[w->link_count - 1].fix,
    };
    err = add_edge(w, w->candidates[w->chosen[0]].directed);
    for (size_t link = 1; link < w->link_count && err == PT_OK; link++)
        err = connect(w, link);
    drive->piece_count++;
    w->link_count = w->candidate_count = 0;
    return err;
}

/* ------------------------------------------------------------ fix after fix */
/* One that tells nothing new: too near to the last, or not after it. The
 * drive's last counts, so that its end is not cut off. */
static bool is_idle(const struct work *w, size_t fix, size_t count)
{
    const struct match_fix *f = &w->fixes[fix];
    if (w->link_count == 0)
        return false;
    if (f->time_ms <= w->last.fix.time_ms)
        return true;
    return fix + 1 < count && geo_distance_m(w->last.fix.at, f->at) <
                                  2.0 * match_spread_m(w->match, f);
}

static enum pt_err begin_piece(struct work *w, size_t fix)
{
    enum pt_err err = end_piece(w);
    match_look(w->match, &w->fixes[fix], &w->last);
    if (err == PT_OK && w->last.count > 0)
        err = keep_layer(w, fix);
    return err;
}

/* `strays`: fixes in a row, this one included, that could not be reached. */
static enum pt_err take_fix(struct work *w, size_t fix, size_t *strays)
{
    const struct match_fix *f = &w->fixes[fix];
    bool reached = false;
    if (w->link_count == 0 ||
        f->time_ms - w->heard_ms > w->match->settings.gap_ms) {
        *strays = 0;
        return begin_piece(w, fix);
    }
    match_look(w->match, f, &w->next);
    enum pt_err err = PT_OK;
    if (w->next.count > 0)
        err = match_step(w->match, &w->last, &w->next, &reached);
    if (err != PT_OK)
        return err;
    if (reached) {
        *strays = 0;
        w->last = w->next;
        return keep_layer(w, fix);
    }
    if (++*strays <= STRAYS_MAX)
        return PT_OK;
    *strays = 0;
    return begin_piece(w, fix);
}

enum pt_err match_drive(struct match *match, const struct match_fix *fixes,
                        size_t count, struct match_drive *ret)
{
    if (count > MATCH_FIXES_MAX)
        return PT_E_RANGE;
    struct match_drive drive = {.fix_count = count};
    struct work *w = calloc(1, sizeof(*w));
    drive.places = calloc(count > 0 ? count : 1, sizeof(*drive.places));
    enum pt_err err = PT_E_NOMEM;
    size_t strays = 0;
    if (w == NULL || drive.places == NULL)
        goto out;
    for (size_t i = 0; i < count; i++)
        drive.places[i].directed = ROADS_NONE;
    w->match = match;
    w->fixes = fixes;
    w->drive = &drive;
    err = PT_OK;
    for (size_t i = 0; i < count && err == PT_OK; i++) {
        if (!is_idle(w, i, count))
            err = take_fix(w, i, &strays);
        if (i == 0 || fixes[i].time_ms > w->heard_ms)
            w->heard_ms = fixes[i].time_ms;
    }
    if (err == PT_OK)
        err = end_piece(w);
out:
    if (w != NULL) {
        free(w->links);
        free(w->candidates);
        free(w->chosen);
    }
    free(w);
    if (err == PT_OK)
        *ret = drive;
    else
        match_drive_clear(&drive);
    return err;
}

void match_drive_clear(struct match_drive *drive)
{
    free(drive->pieces);
    free(drive->edges);
    free(drive->places);
    *drive = (struct match_drive){0};
}

/* Streets out of cover that hang together: pieces that follow each other on an
 * edge or meet in a junction are of one gap. */
#include "coverage_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool coverage_out_of_time(const struct piece *piece, uint32_t ms)
{
    return piece->promise_ms > 0 &&
           (ms == ROADS_NONE || ms > piece->promise_ms);
}

uint32_t coverage_piece_of(const struct coverage_basis *basis,
                           const struct roads_place *place)
{
    if (place->edge == ROADS_NONE)
        return ROADS_NONE;
    uint32_t first = basis->first_piece[place->edge];
    uint32_t count = basis->first_piece[place->edge + 1] - first;
    if (count == 0)
        return ROADS_NONE;
    uint32_t at = (uint32_t)(place->fraction * count);
    return first + (at < count ? at : count - 1);
}

/* --------------------------------------------------------- what hangs together
 */
struct found { /* of a gap, by its root: a piece or a mission */
    uint32_t root;
    uint32_t item;
};

struct work {
    struct coverage_streets *job;
    uint32_t *parent;   /* by piece */
    uint32_t *at;       /* by junction: a piece that comes to it */
    uint32_t *next_out; /* by root: where its next piece goes, in out */
    size_t out_count, named_count;
    struct found *out;   /* pieces */
    struct found *named; /* missions */
};

static uint32_t root_of(uint32_t *parent, uint32_t piece)
{
    while (parent[piece] != piece) {
        parent[piece] = parent[parent[piece]];
        piece = parent[piece];
    }
    return piece;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

static bool is_out(const struct work *w, uint32_t piece)
{
    return coverage_out_of_time(&w->job->basis->pieces[piece],
                                w->job->first_ms[piece][0]);
}

static void join_at(struct work *w, uint32_t junction, uint32_t piece)
{
    if (w->at[junction] == ROADS_NONE)
        w->at[junction] = piece;
    else
        join(w->parent, piece, w->at[junction]);
}

static void join_all(struct work *w)
{
    const struct coverage_basis *basis = w->job->basis;
    for (uint32_t i = 0; i < basis->piece_count; i++) {
        uint32_t edge = basis->pieces[i].edge;
        w->parent[i] = i;
        if (!is_out(w, i))
            continue;
        w->out_count++;
        if (i > basis->first_piece[edge] && is_out(w, i - 1))
            join(w->parent, i, i - 1);
        if (i == basis->first_piece[edge])
            join_at(w, roads_edge_junction(basis->roads, 2 * edge + 1), i);
        if (i + 1 == basis->first_piece[edge + 1])
            join_at(w, roads_edge_junction(basis->roads, 2 * edge), i);
    }
}

/* By root, and of one root in their order: counted first, then put where they
 * belong. A root is the first of its pieces. */
static void write_out(struct work *w)
{
    uint32_t pieces = (uint32_t)w->job->basis->piece_count, next = 0;
    for (uint32_t i = 0; i < pieces; i++) {
        if (is_out(w, i))
            w->next_out[root_of(w->parent, i)]++;
    }
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t count = w->next_out[i];
        w->next_out[i] = next;
        next += count;
    }
    for (uint32_t i = 0; i < pieces; i++) {
        if (is_out(w, i)) {
            uint32_t root = root_of(w->parent, i);
            w->out[w->next_out[root]++] = (struct found){root, i};
        }
    }
}

static int by_root(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->root != b->root)
        return a->root < b->root ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static void find_roots(struct work *w)
{
    const struct coverage_basis *basis = w->job->basis;
    write_out(w);
    for (uint32_t m = 0; m < basis->mission_count; m++) {
        uint32_t piece = coverage_piece_of(basis, &basis->missions[m].place);
        if (piece != ROADS_NONE && is_out(w, piece))
            w->named[w->named_count++] =
                (struct found){root_of(w->parent, piece), m};
    }
    qsort(w->named, w->named_count, sizeof(*w->named), by_root);
}

/* ------------------------------------------------------------------ the result
 */
/* Pieces that follow each other on an edge are one line. */
static void add_piece(struct work *w, struct coverage_gap *gap, uint32_t i,
                      size_t *lines)
{
    const struct coverage_basis *basis = w->job->basis;
    const struct piece *piece = &basis->pieces[i];
    struct coverage_line line = coverage_piece_line(basis, i);
    uint32_t ms = w->job->first_ms[i][0];
    struct coverage_line *last = &w->job->lines[*lines - (*lines > 0)];
    gap->length_m += (double)piece->length_m;
    if (gap->worst_ms < ms) /* none is the worst of all */
        gap->worst_ms = ms;
    if (gap->line_count > 0 && last->edge == piece->edge &&
        i > basis->first_piece[piece->edge] && is_out(w, i - 1)) {
        last->to = line.to;
        return;
    }
    w->job->lines[(*lines)++] = line;
    gap->line_count++;
}

static int by_length(const void *left, const void *right)
{
    const struct coverage_gap *a = left, *b = right;
    if (a->length_m < b->length_m || a->length_m > b->length_m)
        return a->length_m > b->length_m ? -1 : 1;
    return a->lines < b->lines ? -1 : a->lines > b->lines;
}

static void write_gaps(struct work *w)
{
    struct coverage_streets *job = w->job;
    size_t lines = 0, named = 0;
    for (size_t i = 0; i < w->out_count;) {
        uint32_t root = w->out[i].root;
        struct coverage_gap *gap = &job->gaps[job->gap_count++];
        gap->lines = job->lines + lines;
        for (; i < w->out_count && w->out[i].root == root; i++)
            add_piece(w, gap, w->out[i].item, &lines);
        while (named < w->named_count && w->named[named].root < root)
            named++;
        gap->missions = job->missions + named;
        for (; named < w->named_count && w->named[named].root == root; named++)
            gap->mission_count++;
    }
    for (size_t i = 0; i < w->named_count; i++)
        job->missions[i] = w->named[i].item;
    qsort(job->gaps, job->gap_count, sizeof(*job->gaps), by_length);
}

enum pt_err coverage_find_gaps(struct coverage_streets *job)
{
    size_t pieces = job->basis->piece_count + 1;
    size_t missions = job->basis->mission_count + 1;
    size_t junctions = roads_node_count(job->basis->roads);
    struct work w = {
        .job = job,
        .parent = calloc(pieces, sizeof(*w.parent)),
        .at = malloc(junctions * sizeof(*w.at)),
        .next_out = calloc(pieces, sizeof(*w.next_out)),
        .out = calloc(pieces, sizeof(*w.out)),
        .named = calloc(missions, sizeof(*w.named)),
    };
    enum pt_err err = PT_E_NOMEM;
    if (w.parent == NULL || w.at == NULL || w.next_out == NULL ||
        w.out == NULL || w.named == NULL)
        goto out;
    memset(w.at, 0xff, junctions * sizeof(*w.at)); /* ROADS_NONE */
    join_all(&w);
    find_roots(&w);
    job->lines = calloc(w.out_count + 1, sizeof(*job->lines));
    job->gaps = calloc(w.out_count + 1, sizeof(*job->gaps));
    job->missions = calloc(missions, sizeof(*job->missions));
    if (job->lines == NULL || job->gaps == NULL || job->missions == NULL)
        goto out;
    write_gaps(&w);
    err = PT_OK;
out:
    free(w.parent);
    free(w.at);
    free(w.next_out);
    free(w.out);
    free(w.named);
    return err;
}

/* ------------------------------------------------------------------- its lines
 */
static double length_of(const struct geo_point *points, size_t count)
{
    double length_m = 0;
    for (size_t i = 1; i < count; i++)
        length_m += geo_distance_m(points[i - 1], points[i]);
    return length_m;
}

void coverage_line_points(const struct roads *roads,
                          const struct coverage_line *line,
                          void (*each)(void *context, struct geo_point at),
                          void *context)
{
    size_t count;
    const struct geo_point *points = roads_edge_line(roads, line->edge, &count);
    double length_m = length_of(points, count), gone_m = 0;
    each(context, roads_place_on(roads, 2 * line->edge, (double)line->from).at);
    for (size_t i = 1; i + 1 < count; i++) {
        gone_m += geo_distance_m(points[i - 1], points[i]);
        if (gone_m > (double)line->from * length_m &&
            gone_m < (double)line->to * length_m)
            each(context, points[i]);
    }
    each(context, roads_place_on(roads, 2 * line->edge, (double)line->to).at);
}

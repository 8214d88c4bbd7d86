/* A matched drive, street by street. */
#include "learn_internal.h"

#include <stdlib.h>

/* The way of one piece on a line: every edge begins where the one before it
 * ends, measured in the metric's milliseconds, with the turn at its start. */
struct line {
    const struct roads_metric *metric;
    const uint32_t *edges;
    size_t count;
    double *starts_ms; /* count + 1 */
    uint32_t *turns_ms;
};

struct mark { /* a fix on the line */
    int64_t time_ms;
    double at_ms;
    size_t edge;
    double travelled;
};

static double edge_ms(const struct roads_metric *metric, uint32_t directed)
{
    uint32_t ms = roads_metric_ms(metric, directed);
    return ms == ROADS_NONE ? 0.0 : ms;
}

static void lay(struct line *line)
{
    line->starts_ms[0] = 0;
    for (size_t i = 0; i < line->count; i++) {
        uint32_t turn = 0;
        if (i > 0)
            turn = roads_metric_turn_ms(line->metric, line->edges[i - 1],
                                        line->edges[i]);
        line->turns_ms[i] = turn == ROADS_NONE ? 0 : turn;
        line->starts_ms[i + 1] = line->starts_ms[i] + line->turns_ms[i] +
                                 edge_ms(line->metric, line->edges[i]);
    }
}

/* Which edge of the line a place is on, at `from` or later; count: none. A
 * place well behind the last one is on the next turn round the same street;
 * a little behind is the receiver's noise. */
#define NOISE_SHARE 0.5
static size_t find(const struct line *line, size_t from, double travelled,
                   const struct match_place *place)
{
    bool here = line->edges[from] == place->directed;
    if (here && place->travelled >= travelled - NOISE_SHARE)
        return from;
    for (size_t i = from + 1; i < line->count; i++)
        if (line->edges[i] == place->directed)
            return i;
    return here ? from : line->count;
}

static size_t put_marks(const struct line *line, const struct match_fix *fixes,
                        const struct match_drive *drive,
                        const struct match_piece *piece, struct mark *marks)
{
    size_t count = 0;
    size_t edge = 0;
    double travelled = 0;
    for (size_t i = piece->first_fix; i <= piece->last_fix; i++) {
        const struct match_place *place = &drive->places[i];
        if (place->directed == ROADS_NONE)
            continue;
        size_t at = find(line, edge, travelled, place);
        if (at == line->count)
            continue;
        travelled = at == edge && place->travelled < travelled
                        ? travelled
                        : place->travelled;
        edge = at;
        double ms = edge_ms(line->metric, line->edges[at]);
        marks[count++] = (struct mark){fixes[i].time_ms,
                                       line->starts_ms[at] +
                                           line->turns_ms[at] + travelled * ms,
                                       at, travelled};
    }
    return count;
}

/* When the line's `at_ms` was passed; `*next` is the first mark not before it
 * and only grows. Who stood there left with the last mark. */
static double time_at(const struct mark *marks, size_t count, double at_ms,
                      size_t *next)
{
    while (*next < count && marks[*next].at_ms <= at_ms)
        ++*next;
    if (*next == 0)
        return (double)marks[0].time_ms;
    const struct mark *a = &marks[*next - 1];
    if (*next == count)
        return (double)a->time_ms;
    const struct mark *b = &marks[*next];
    double share = (at_ms - a->at_ms) / (b->at_ms - a->at_ms);
    return (double)a->time_ms + share * (double)(b->time_ms - a->time_ms);
}

static size_t write_passages(const struct line *line, const struct mark *marks,
                             size_t count, struct learn_passage *ret)
{
    const struct mark *first = &marks[0];
    const struct mark *last = &marks[count - 1];
    double entered_ms = (double)first->time_ms;
    size_t written = 0;
    size_t next = 0;
    for (size_t i = first->edge; i <= last->edge; i++) {
        bool ends = i == last->edge;
        double left_ms =
            ends ? (double)last->time_ms
                 : time_at(marks, count, line->starts_ms[i + 1], &next);
        double from = i == first->edge ? first->travelled : 0.0;
        double to = ends ? last->travelled : 1.0;
        ret[written++] = (struct learn_passage){
            .directed = line->edges[i],
            .share = to > from ? to - from : 0.0,
            .turn_ms = i == first->edge ? 0 : line->turns_ms[i],
            .took_s = (left_ms - entered_ms) / 1000.0,
            .began_ms = (int64_t)entered_ms};
        entered_ms = left_ms;
    }
    return written;
}

static enum pt_err add_piece(const struct roads_metric *metric,
                             const struct match_fix *fixes,
                             const struct match_drive *drive,
                             const struct match_piece *piece,
                             struct learn_passage *ret, size_t *count)
{
    size_t fix_count = piece->last_fix - piece->first_fix + 1;
    struct line line = {
        .metric = metric,
        .edges = drive->edges + piece->first_edge,
        .count = piece->edge_count,
        .starts_ms = calloc(piece->edge_count + 1, sizeof(*line.starts_ms)),
        .turns_ms = calloc(piece->edge_count + 1, sizeof(*line.turns_ms)),
    };
    struct mark *marks = calloc(fix_count, sizeof(*marks));
    enum pt_err err = PT_E_NOMEM;
    if (line.starts_ms != NULL && line.turns_ms != NULL && marks != NULL) {
        err = PT_OK;
        lay(&line);
        size_t known = put_marks(&line, fixes, drive, piece, marks);
        if (known >= 2)
            *count += write_passages(&line, marks, known, ret + *count);
    }
    free(line.starts_ms);
    free(line.turns_ms);
    free(marks);
    return err;
}

enum pt_err learn_passages(const struct roads_metric *metric,
                           const struct match_fix *fixes,
                           const struct match_drive *drive,
                           struct learn_passage **ret, size_t *count)
{
    struct learn_passage *passages = NULL;
    enum pt_err err = PT_OK;
    size_t written = 0;
    if (drive->edge_count > 0) {
        passages = calloc(drive->edge_count, sizeof(*passages));
        if (passages == NULL)
            return PT_E_NOMEM;
    }
    for (size_t i = 0; i < drive->piece_count && err == PT_OK; i++) {
        if (drive->pieces[i].edge_count > 0)
            err = add_piece(metric, fixes, drive, &drive->pieces[i], passages,
                            &written);
    }
    if (err != PT_OK) {
        free(passages);
        return err;
    }
    *ret = passages;
    *count = written;
    return PT_OK;
}

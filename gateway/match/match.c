/* Candidates of a fix, one step of the model, and following unit by unit. */
#include "match.h"

#include "match_internal.h"
#include <math.h>
#include <string.h>

/* Newson and Krumm measured 4 m for a car's receiver under open sky; streets
 * drawn by hand and houses beside them add to it. */
const struct match_settings match_defaults = {
    .noise_m = 8.0, .detour_m = 6.0, .reach_m = 60.0, .gap_ms = 180000};

#define EDGES_AROUND 24
/* Where nothing is within reach, look so much farther, as a receiver between
 * high houses may be. */
#define FARTHER 3.0
/* Below this speed a receiver's course is mostly noise. */
#define COURSE_MIN_MPS 3.0
/* A car against the street's direction is as unlikely as this many standard
 * deviations squared, halved. */
#define COURSE_WEIGHT 4.0
/* A junction is the end of the street one came by and the start of all that
 * leave it; that one of these was entered is not known yet. */
#define NOT_YET_ENTERED 0.5
/* Candidates so much unlikelier than the best are not gone on from. */
#define HOPELESS 25.0
/* How far a search goes at first: a little more than the straight line. */
#define NEAR_SHARE 1.25
#define NEAR_M 50.0
/* More than all that is lost by rounding in lengths of ways. */
#define ROUNDING_M 0.01

double match_spread_m(const struct match *match, const struct match_fix *fix)
{
    double noise_m = match->settings.noise_m;
    double spread_m = fix->accuracy_m / 2.0; /* 95 %: two deviations */
    return fmin(fmax(spread_m, noise_m), 4.0 * noise_m);
}

/* -------------------------------------------------------------- candidates */
static double fit(const struct match *match, const struct match_fix *fix,
                  const struct match_candidate *c)
{
    double z = c->distance_m / match_spread_m(match, fix);
    double score = -0.5 * z * z;
    if (fix->course_deg >= 0 && fix->speed_mps >= COURSE_MIN_MPS) {
        double street_deg =
            roads_course_deg(match->roads, c->directed, c->travelled);
        double off = geo_course_difference_deg(fix->course_deg, street_deg);
        score -= COURSE_WEIGHT * 0.5 * (1.0 - cos(off * M_PI / 180.0));
    }
    return score;
}

static void add_candidate(const struct match *match,
                          const struct roads_place *place, uint32_t way,
                          struct match_layer *layer)
{
    struct match_candidate c = {
        .directed = 2 * place->edge + way,
        .travelled = way == 0 ? place->fraction : 1.0 - place->fraction,
        .distance_m = place->distance_m,
    };
    if (layer->count == MATCH_CANDIDATES ||
        roads_edge_ms(match->roads, c.directed) == ROADS_NONE)
        return;
    c.score = fit(match, &layer->fix, &c);
    layer->candidates[layer->count++] = c;
}

void match_look(const struct match *match, const struct match_fix *fix,
                struct match_layer *ret)
{
    struct roads_place places[EDGES_AROUND];
    size_t found = 0;
    double reach_m = match->settings.reach_m;
    ret->fix = *fix;
    ret->count = 0;
    if (roads_around(match->roads, fix->at, reach_m, EDGES_AROUND, places,
                     &found) != PT_OK &&
        roads_around(match->roads, fix->at, FARTHER * reach_m, EDGES_AROUND,
                     places, &found) != PT_OK)
        return;
    for (size_t i = 0; i < found; i++) {
        add_candidate(match, &places[i], 0, ret);
        add_candidate(match, &places[i], 1, ret);
    }
}

size_t match_best(const struct match_layer *layer)
{
    size_t best = 0;
    for (size_t i = 1; i < layer->count; i++) {
        if (layer->candidates[i].score > layer->candidates[best].score)
            best = i;
    }
    return best;
}

/* -------------------------------------------------------------------- a step
 */
double match_limit_m(const struct match_layer *from,
                     const struct match_layer *to)
{
    double straight_m = geo_distance_m(from->fix.at, to->fix.at);
    return fmin(4.0 * straight_m + 200.0, straight_m + 2000.0);
}

/* The moves to a fix's candidates, as far as they are known. */
struct moves {
    double limit_m, straight_m, slack_m;
    double detour_m;
    double best[MATCH_CANDIDATES];
    uint32_t best_from[MATCH_CANDIDATES];
    double top; /* the best move with how well its end fits */
};

static struct moves moves_between(const struct match *match,
                                  const struct match_layer *from,
                                  const struct match_layer *to)
{
    struct moves moves = {
        .limit_m = match_limit_m(from, to),
        .straight_m = geo_distance_m(from->fix.at, to->fix.at),
        .slack_m = 2.0 * match_spread_m(match, &to->fix),
        .top = -INFINITY,
    };
    /* The longer the way unseen, the more it may wind. */
    moves.detour_m =
        match->settings.detour_m * (1.0 + moves.straight_m / 200.0);
    for (size_t i = 0; i < to->count; i++)
        moves.best[i] = -INFINITY;
    return moves;
}

/* Of equally good moves that of the first counts, in whatever order they are
 * looked at. */
static void take_moves(const struct match *match, struct moves *moves,
                       const struct match_candidate *c, uint32_t index,
                       const struct match_layer *to)
{
    for (size_t i = 0; i < to->count; i++) {
        bool straight;
        double way_m = match_way_m(match, c, &to->candidates[i], moves->slack_m,
                                   &straight);
        double score =
            c->score - fabs(way_m - moves->straight_m) / moves->detour_m;
        if (to->candidates[i].travelled <= 0.0)
            score -= NOT_YET_ENTERED;
        if (score == -INFINITY || score < moves->best[i] ||
            (score == moves->best[i] && index > moves->best_from[i]))
            continue;
        moves->best[i] = score;
        moves->best_from[i] = index;
        moves->top = fmax(moves->top, to->candidates[i].score + score);
    }
}

/* Edges that begin farther from a candidate are not worth looking for: by such
 * a way nothing at their end comes to more than it has, or it stays hopeless.
 */
static double worth_m(const struct match *match, const struct moves *moves,
                      const struct match_candidate *c,
                      const struct match_layer *to)
{
    double most_m = 0.0;
    for (size_t i = 0; i < to->count; i++) {
        const struct match_candidate *end = &to->candidates[i];
        double needed =
            fmax(moves->best[i], moves->top - HOPELESS - end->score);
        double on_m =
            end->travelled * (double)match->labels[end->directed].length_m;
        most_m = fmax(most_m, moves->straight_m - on_m +
                                  (c->score - needed) * moves->detour_m);
    }
    return fmin(moves->limit_m, most_m + ROUNDING_M);
}

/* First to where the true way mostly ends, which then says how far others are
 * worth it. */
static enum pt_err score_from(struct match *match,
                              const struct match_layer *from, size_t index,
                              const struct match_layer *to, size_t wanted,
                              struct moves *moves)
{
    const struct match_candidate *c = &from->candidates[index];
    double near_m = NEAR_SHARE * moves->straight_m + NEAR_M;
    bool over = false;
    enum pt_err err = match_search(match, c, wanted);
    double reach_m = fmin(worth_m(match, moves, c, to), near_m);
    while (err == PT_OK) {
        err = match_search_to(match, reach_m, &over);
        if (err == PT_OK)
            take_moves(match, moves, c, (uint32_t)index, to);
        double worth = worth_m(match, moves, c, to);
        if (over || worth <= reach_m)
            break;
        reach_m = worth;
    }
    return err;
}

/* Scores stay near 0: what counts is how they differ. */
static void take_scores(struct match_layer *to, const double *best,
                        const uint32_t *best_from)
{
    size_t kept = 0;
    double top = -INFINITY;
    for (size_t i = 0; i < to->count; i++) {
        if (best[i] == -INFINITY)
            continue;
        struct match_candidate c = to->candidates[i];
        c.score += best[i];
        c.from = best_from[i];
        top = fmax(top, c.score);
        to->candidates[kept++] = c;
    }
    to->count = kept;
    for (size_t i = 0; i < kept; i++)
        to->candidates[i].score -= top;
}

/* Indexes of those to go on from, the best first: what it leaves for the others
 * to improve on spares most of their searches. */
static size_t sort_hopeful(const struct match_layer *from,
                           uint8_t order[MATCH_CANDIDATES])
{
    double top = from->candidates[match_best(from)].score;
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        double score = from->candidates[i].score;
        if (!(score > top - HOPELESS))
            continue;
        size_t at = count++;
        for (; at > 0 && from->candidates[order[at - 1]].score < score; at--)
            order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
    return count;
}

enum pt_err match_step(struct match *match, const struct match_layer *from,
                       struct match_layer *to, bool *reached)
{
    uint8_t order[MATCH_CANDIDATES];
    struct moves moves = moves_between(match, from, to);
    size_t count = sort_hopeful(from, order);
    size_t wanted = match_want(match, to);
    enum pt_err err = PT_OK;
    for (size_t i = 0; i < count && err == PT_OK; i++)
        err = score_from(match, from, order[i], to, wanted, &moves);
    *reached = moves.top > -INFINITY;
    if (err == PT_OK && *reached)
        take_scores(to, moves.best, moves.best_from);
    return err;
}

/* ------------------------------------------------------------ one at a time */
static bool goes_on(const struct match *match, const struct match_track *track,
                    const struct match_fix *fix)
{
    return track->begun && fix->time_ms > track->layer.fix.time_ms &&
           fix->time_ms - track->heard_ms <= match->settings.gap_ms;
}

/* The fix's candidates, scored by what was believed before if that leads to
 * any of them. */
static enum pt_err look_on(struct match *match, const struct match_track *track,
                           const struct match_fix *fix,
                           struct match_layer *next, bool *reached)
{
    *reached = false;
    match_look(match, fix, next);
    if (next->count == 0)
        return PT_E_OFFROAD;
    return goes_on(match, track, fix)
               ? match_step(match, &track->layer, next, reached)
               : PT_OK;
}

static struct match_place likeliest(const struct match_layer *layer)
{
    const struct match_candidate *best = &layer->candidates[match_best(layer)];
    return (struct match_place){best->directed, best->travelled,
                                best->distance_m};
}

enum pt_err match_guess(struct match *match, const struct match_track *track,
                        const struct match_fix *fix, struct match_place *ret)
{
    struct match_layer next;
    bool reached;
    enum pt_err err = look_on(match, track, fix, &next, &reached);
    if (err == PT_OK)
        *ret = likeliest(&next);
    return err;
}

enum pt_err match_follow(struct match *match, struct match_track *track,
                         const struct match_fix *fix, struct match_place *ret)
{
    struct match_layer next;
    bool reached;
    bool late = track->begun && fix->time_ms <= track->layer.fix.time_ms;
    enum pt_err err = look_on(match, track, fix, &next, &reached);
    if (err == PT_E_OFFROAD)
        track->begun = false;
    if (err != PT_OK)
        return err;
    *ret = likeliest(&next);
    if (late)
        return PT_OK;
    double moved_m =
        track->begun ? geo_distance_m(track->layer.fix.at, fix->at) : INFINITY;
    if (!reached || moved_m >= 2.0 * match_spread_m(match, fix)) {
        track->begun = true;
        track->layer = next;
    }
    track->heard_ms = fix->time_ms;
    return PT_OK;
}

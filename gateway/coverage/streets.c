/* The first to arrive at every street, and what zones have of it. */
#include "coverage_internal.h"

#include <stdlib.h>
#include <string.h>

/* Who needs longer than this and than every promise does not arrive. */
#define LIMIT_MS 3600000u

struct coverage_streets *coverage_streets_ref(struct coverage_streets *streets)
{
    atomic_fetch_add_explicit(&streets->references, 1, memory_order_relaxed);
    return streets;
}

void coverage_streets_unref(struct coverage_streets *streets)
{
    struct coverage_streets *job = streets;
    if (job == NULL || atomic_fetch_sub_explicit(&job->references, 1,
                                                 memory_order_acq_rel) > 1)
        return;
    coverage_basis_unref(job->basis);
    roads_spread_free(job->spread);
    roads_places_free(job->places);
    free(job->units);
    free(job->first_ms);
    free(job->zones);
    free(job->gaps);
    free(job->lines);
    free(job->missions);
    free(job);
}

enum pt_err coverage_streets_begin(struct coverage *coverage, int64_t now_ms,
                                   struct coverage_streets **ret)
{
    struct coverage *c = coverage;
    if (c->basis == NULL || c->basis->settings.missions_only)
        return PT_E_NOTFOUND;
    if (c->job_under_way)
        return PT_E_AGAIN;
    struct coverage_streets *job = calloc(1, sizeof(*job));
    struct coverage_unit *units = calloc(c->slots + 1, sizeof(*units));
    if (job == NULL || units == NULL) {
        free(job);
        free(units);
        return PT_E_NOMEM;
    }
    if (c->slots > 0)
        memcpy(units, c->units, c->slots * sizeof(*units));
    atomic_init(&job->references, 1);
    job->basis = coverage_basis_ref(c->basis);
    job->at_ms = now_ms;
    job->slots = c->slots;
    job->units = units;
    job->spread = c->spread;
    job->spread_slots = c->spread_slots;
    c->spread = NULL;
    job->places = c->places;
    c->places = NULL;
    c->job_under_way = true;
    *ret = job;
    return PT_OK;
}

void coverage_streets_figures(struct coverage_streets *job)
{
    job->figures_only = true;
}

/* ----------------------------------------------------------------- the sweep
 */
static enum pt_err make_spread(struct coverage_streets *job)
{
    if (job->spread != NULL && job->spread_slots >= job->slots)
        return PT_OK;
    roads_spread_free(job->spread);
    job->spread = NULL;
    job->spread_slots = 2 * job->slots + 16;
    return roads_spread_new(job->basis->roads, job->spread_slots, COVERAGE_FOLD,
                            &job->spread);
}

static uint32_t longest_promise_ms(const struct coverage_basis *basis,
                                   uint32_t shortest_ms)
{
    uint32_t longest = shortest_ms;
    for (size_t i = 0; i < basis->piece_count; i++)
        if (basis->pieces[i].promise_ms > longest)
            longest = basis->pieces[i].promise_ms;
    return longest;
}

static enum pt_err sweep(struct coverage_streets *job,
                         struct roads_standing *standing)
{
    for (size_t slot = 0; slot < job->slots; slot++) {
        roads_standing_put(standing, (uint32_t)slot, &job->units[slot].place);
        roads_spread_late(job->spread, (uint32_t)slot,
                          job->units[slot].late_ms);
    }
    roads_spread_start(job->spread, job->basis->start_ms,
                       job->basis->settings.start_share);
    /* of who is late nothing is counted but that */
    uint32_t limit_ms =
        longest_promise_ms(job->basis, job->figures_only ? 0 : LIMIT_MS);
    return roads_spread_run(job->spread, job->basis->metrics.now, standing,
                            limit_ms, NULL, NULL);
}

static struct roads_place middle_of(const struct piece *piece)
{
    return (struct roads_place){.edge = piece->edge,
                                .fraction = (double)piece->middle};
}

/* Who is first at each piece, and how many arrive in time, into `within`. */
static void judge_pieces(struct coverage_streets *job,
                         const struct roads_standing *standing, uint8_t *within)
{
    const struct coverage_basis *basis = job->basis;
    struct roads_reach first[COVERAGE_FOLD];
    for (size_t i = 0; i < basis->piece_count; i++) {
        const struct piece *p = &basis->pieces[i];
        struct roads_place place = middle_of(p);
        roads_spread_to(job->spread, standing, &place, first);
        for (size_t k = 0; k < COVERAGE_FOLD; k++)
            job->first_ms[i][k] =
                first[k].slot == ROADS_NONE ? ROADS_NONE : first[k].ms;
        while (within[i] < COVERAGE_FOLD &&
               first[within[i]].slot != ROADS_NONE &&
               first[within[i]].ms <= p->promise_ms)
            within[i]++;
    }
}

static enum pt_err prepare_pieces(struct coverage_streets *job)
{
    const struct coverage_basis *basis = job->basis;
    if (job->places != NULL)
        return PT_OK;
    struct roads_place *places =
        calloc(basis->piece_count + 1, sizeof(*places));
    uint32_t *promise_ms = calloc(basis->piece_count + 1, sizeof(*promise_ms));
    enum pt_err err = PT_E_NOMEM;
    for (size_t i = 0;
         places != NULL && promise_ms != NULL && i < basis->piece_count; i++) {
        places[i] = middle_of(&basis->pieces[i]);
        promise_ms[i] = basis->pieces[i].promise_ms;
    }
    if (places != NULL && promise_ms != NULL)
        err = roads_places_new(basis->metrics.now, places, promise_ms,
                               basis->piece_count, &job->places);
    free(places);
    free(promise_ms);
    return err;
}

static enum pt_err count_pieces(struct coverage_streets *job,
                                const struct roads_standing *standing,
                                uint8_t *within)
{
    enum pt_err err = prepare_pieces(job);
    return err == PT_OK
               ? roads_spread_count(job->spread, standing, job->places, within)
               : err;
}

static void add_piece(struct zone_streets *zone, const struct piece *piece,
                      uint8_t within)
{
    if (piece->promise_ms == 0)
        return;
    zone->length_m += (double)piece->length_m;
    for (uint8_t k = 0; k < within; k++)
        zone->within_m[k] += (double)piece->length_m;
}

static void add_up(struct coverage_streets *job, const uint8_t *within)
{
    const struct coverage_basis *basis = job->basis;
    const struct members *in = &basis->zone_pieces;
    for (size_t i = 0; i < basis->piece_count; i++)
        add_piece(&job->zones[basis->zone_count], &basis->pieces[i], within[i]);
    for (size_t z = 0; z < basis->zone_count; z++) {
        for (uint32_t i = in->first[z]; i < in->first[z + 1]; i++)
            add_piece(&job->zones[z], &basis->pieces[in->items[i]],
                      within[in->items[i]]);
    }
}

enum pt_err coverage_streets_run(struct coverage_streets *job)
{
    const struct coverage_basis *basis = job->basis;
    struct roads_standing *standing = NULL;
    uint8_t *within = calloc(basis->piece_count + 1, sizeof(*within));
    if (!job->figures_only)
        job->first_ms = calloc(basis->piece_count + 1, sizeof(*job->first_ms));
    job->zones = calloc(basis->zone_count + 1, sizeof(*job->zones));
    enum pt_err err = PT_E_NOMEM;
    if (within != NULL && job->zones != NULL &&
        (job->figures_only || job->first_ms != NULL))
        err = make_spread(job);
    if (err == PT_OK)
        err = roads_standing_new(basis->roads, job->spread_slots, &standing);
    if (err == PT_OK)
        err = sweep(job, standing);
    if (err == PT_OK && job->figures_only)
        err = count_pieces(job, standing, within);
    if (err == PT_OK) {
        if (!job->figures_only)
            judge_pieces(job, standing, within);
        add_up(job, within);
        err = job->figures_only ? PT_OK : coverage_find_gaps(job);
    }
    roads_standing_free(standing);
    free(within);
    return err;
}

/* ------------------------------------------------------------------- the end
 */
void coverage_streets_end(struct coverage *coverage,
                          struct coverage_streets *job, enum pt_err err)
{
    struct coverage *c = coverage;
    c->job_under_way = false;
    if (c->basis != NULL && c->basis->roads == job->basis->roads) {
        roads_spread_free(c->spread);
        c->spread = job->spread;
        c->spread_slots = job->spread_slots;
        job->spread = NULL;
    }
    if (c->basis == job->basis) {
        c->places = job->places;
        job->places = NULL;
    }
    if (err != PT_OK || c->basis != job->basis) {
        coverage_streets_unref(job);
        return;
    }
    coverage_streets_unref(c->streets);
    c->streets = job;
}

int64_t coverage_streets_ms(const struct coverage *coverage)
{
    return coverage->streets == NULL ? 0 : coverage->streets->at_ms;
}

/* ------------------------------------------------------------- what is told
 */
struct coverage_streets *coverage_streets(const struct coverage *coverage)
{
    return coverage->streets;
}

struct coverage_basis *
coverage_streets_basis(const struct coverage_streets *streets)
{
    return streets->basis;
}

int64_t coverage_streets_at_ms(const struct coverage_streets *streets)
{
    return streets->at_ms;
}

size_t coverage_streets_gaps(const struct coverage_streets *streets,
                             const struct coverage_gap **ret)
{
    *ret = streets->gaps;
    return streets->gap_count;
}

size_t coverage_gaps(const struct coverage *coverage,
                     const struct coverage_gap **ret)
{
    return coverage->streets == NULL
               ? 0
               : coverage_streets_gaps(coverage->streets, ret);
}

size_t coverage_piece_count(const struct coverage_streets *streets)
{
    return streets->basis->piece_count;
}

struct coverage_line coverage_piece_line(const struct coverage_basis *basis,
                                         uint32_t piece)
{
    uint32_t edge = basis->pieces[piece].edge;
    uint32_t first = basis->first_piece[edge];
    float count = (float)(basis->first_piece[edge + 1] - first);
    return (struct coverage_line){edge, (float)(piece - first) / count,
                                  (float)(piece - first + 1) / count};
}

struct coverage_piece coverage_piece(const struct coverage_streets *streets,
                                     size_t index)
{
    const struct piece *piece = &streets->basis->pieces[index];
    struct coverage_piece ret = {
        .line = coverage_piece_line(streets->basis, (uint32_t)index),
        .length_m = (double)piece->length_m,
        .promise_ms = piece->promise_ms,
    };
    memcpy(ret.first_ms, streets->first_ms[index], sizeof(ret.first_ms));
    return ret;
}

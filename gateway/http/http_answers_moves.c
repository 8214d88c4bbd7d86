/* The fewest moves that bring missions back into cover. */
#include "http_internal.h"
#include "http_study.h"
#include "moves.h"
#include <stdlib.h>
#include <string.h>

#define MOST_USUAL 3u
#define LIMIT_MS 10000
#define NAMED_MAX 100 /* missions of each list */

struct moves_job {
    struct study study;
    struct coverage_basis *basis; /* counted, as is the catalog */
    struct catalog *catalog;
    const char *profile;
    bool any_street;
    uint32_t *unit_ids; /* by unit of the wish */
    struct moves_unit *units;
    struct coverage_stop *places;
    const struct catalog_post **posts; /* by place */
    struct moves_wish wish;
    struct moves_answer found;
    enum pt_err err;
};

static void release(struct study *study)
{
    struct moves_job *job = (struct moves_job *)study;

    moves_clear(&job->found);
    coverage_basis_unref(job->basis);
    catalog_free(job->catalog);
    free(job->unit_ids);
    free(job->units);
    free(job->places);
    free(job->posts);
    free(job);
}

static void run(struct study *study) /* on the pool */
{
    struct moves_job *job = (struct moves_job *)study;

    job->wish.cancelled = &study->stop;
    job->err = moves_run(&job->wish, &job->found);
}

/* ------------------------------------------------------------------- the wish
 */
/* Units that count now; those on other work may not be sent away from it. */
static void take_unit(const struct http *http, struct moves_job *job,
                      uint32_t slot)
{
    const struct coverage_unit *unit =
        coverage_unit(http->coverage->coverage, slot);
    if (unit == NULL || unit->place.edge == ROADS_NONE ||
        slot >= fleet_count(http->fleet))
        return;
    const struct fleet_unit *state = fleet_at(http->fleet, slot);
    const struct catalog_unit *known =
        catalog_unit_by_id(job->catalog, state->unit_id);
    struct moves_unit *taken = &job->units[job->wish.unit_count];
    uint32_t turnout_ms = 0;
    if (known == NULL || !counts_sets_out(http->coverage->rule, known->kind,
                                          state->status, &turnout_ms))
        turnout_ms = unit->late_ms;
    *taken = (struct moves_unit){
        .unit = *unit,
        .turnout_ms = turnout_ms,
        .may_move = known != NULL && state->status == PT_STATUS_AVAILABLE,
    };
    job->unit_ids[job->wish.unit_count++] = state->unit_id;
}

static bool take_units(struct request *rq, struct moves_job *job)
{
    const struct http *http = rq->http;
    const struct coverage *coverage = http->coverage->coverage;
    size_t count = coverage_unit_count(coverage);

    if (count > MOVES_UNITS_MAX) {
        reply_problem(rq, PROBLEM_BUSY,
                      "moves of more than %u units are not searched",
                      MOVES_UNITS_MAX);
        return false;
    }
    job->units = calloc(count + 1, sizeof *job->units);
    job->unit_ids = calloc(count + 1, sizeof *job->unit_ids);
    if (job->units == NULL || job->unit_ids == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t slot = 0;
         slot < coverage_slots(coverage) && job->wish.unit_count < count;
         slot++)
        take_unit(http, job, (uint32_t)slot);
    return true;
}

/* Posts that a road leads to, the first MOVES_PLACES_MAX by name. */
static bool take_posts(struct request *rq, struct moves_job *job)
{
    const struct catalog *catalog = coverage_basis_catalog(job->basis);
    size_t count = catalog_post_count(catalog);

    job->places = calloc(MOVES_PLACES_MAX, sizeof *job->places);
    job->posts = calloc(MOVES_PLACES_MAX, sizeof *job->posts);
    if (job->places == NULL || job->posts == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count && job->wish.place_count < MOVES_PLACES_MAX;
         i++) {
        const struct catalog_post *post = catalog_post(catalog, i);
        struct coverage_stop stop = coverage_stop_at(job->basis, post->at);
        if (stop.place.edge == ROADS_NONE)
            continue;
        job->places[job->wish.place_count] = stop;
        job->posts[job->wish.place_count++] = post;
    }
    return true;
}

static bool plan(struct request *rq, struct moves_job *job)
{
    const struct http_coverage *live = rq->http->coverage;
    const char *places = params_get(&rq->params, "places");
    const char *typed = params_get(&rq->params, "most");
    uint32_t most = MOST_USUAL;

    if (typed != NULL && !params_count(typed, 1, MOVES_MAX, &most)) {
        reply_parameter(rq, "most", "a number from 1 to 5 is expected");
        return false;
    }
    bool posts = places != NULL && strcmp(places, "posts") == 0;
    if (places != NULL && !posts && strcmp(places, "streets") != 0) {
        reply_parameter(rq, "places", "posts or streets is expected");
        return false;
    }
    job->basis = coverage_basis_ref(coverage_basis(live->coverage));
    job->catalog = catalog_ref(*rq->http->catalog);
    job->profile = live->profile;
    job->wish = (struct moves_wish){
        .basis = job->basis,
        .level = live->level,
        .most = most,
        .limit_ms = LIMIT_MS,
    };
    if (!take_units(rq, job) ||
        ((places == NULL || posts) && !take_posts(rq, job)))
        return false;
    if (posts && job->wish.place_count == 0) {
        reply_parameter(rq, "places",
                        "there are no posts (patrolctl posts import)");
        return false;
    }
    job->wish.units = job->units;
    job->wish.places = job->places;
    job->any_street = job->wish.place_count == 0;
    return true;
}

/* ----------------------------------------------------------------- the answer
 */
static void write_move(struct json *json, const struct moves_job *job,
                       const struct moves_move *move)
{
    const struct roads *roads =
        roads_metric_roads(coverage_basis_metrics(job->basis)->now);
    const struct catalog_unit *unit =
        catalog_unit_by_id(job->catalog, job->unit_ids[move->unit]);
    const struct catalog_zone *zone =
        catalog_zone_at(coverage_basis_catalog(job->basis), move->to.at);
    const struct catalog_post *post =
        job->any_street ? NULL : job->posts[move->place];

    jw_object(json, NULL);
    jw_text(json, "call_sign", unit == NULL ? NULL : unit->call_sign);
    jw_lat_lon(json, move->to.at);
    jw_text(json, "street", roads_edge_name(roads, 2 * move->to.edge));
    jw_text(json, "zone", zone == NULL ? NULL : zone->name);
    if (post != NULL)
        jw_int(json, "post_id", post->post_id);
    else
        jw_null(json, "post_id");
    jw_text(json, "name", post == NULL ? NULL : post->name);
    jw_real(json, "arrive_s", move->arrive_ms / 1e3, 0);
    jw_real(json, "drive_s", move->drive_ms / 1e3, 0);
    jw_real(json, "distance_m", move->distance_m, 0);
    jw_int(json, "gains", (int64_t)move->gained_count);
    jw_object_end(json);
}

static void write_missions(struct json *json, const struct moves_job *job,
                           const char *key, const uint32_t *missions,
                           size_t count)
{
    const struct catalog *catalog = coverage_basis_catalog(job->basis);

    jw_array(json, key);
    for (size_t i = 0; i < count && i < NAMED_MAX; i++) {
        const struct catalog_mission *m = catalog_mission(catalog, missions[i]);
        jw_object(json, NULL);
        jw_int(json, "mission_id", m->mission_id);
        jw_text(json, "name", m->name);
        jw_text(json, "zone", m->zone == NULL ? NULL : m->zone->name);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static bool any_promised(const struct coverage_basis *basis)
{
    size_t count = catalog_mission_count(coverage_basis_catalog(basis));
    size_t m = 0;

    while (m < count && coverage_stop_mission(basis, m).promise_ms == 0)
        m++;
    return m < count;
}

static bool any_may_move(const struct moves_wish *wish)
{
    size_t u = 0;

    while (u < wish->unit_count && !wish->units[u].may_move)
        u++;
    return u < wish->unit_count;
}

static const char *words_of(const struct moves_job *job)
{
    const struct moves_answer *a = &job->found;

    if (a->lacking == 0)
        return any_promised(job->basis)
                   ? "every mission with a promise has enough units in time"
                   : "there is no mission with a promise and a road to it";
    if (!any_may_move(&job->wish))
        return "no move helps: there is no available unit to move";
    if (a->complete && a->count == 0)
        return "no move helps: what is out of cover is beyond reach from every "
               "place looked at, for all units that may move";
    if (a->complete)
        return "the fewest moves that restore all that can be restored from "
               "these places";
    if (a->stopped)
        return a->count == 0
                   ? "none was found before the time was over"
                   : "not all sets of moves were tried: these restore some";
    return a->count == 0 ? "no move restores any without stripping another "
                           "mission"
                         : "so few moves do not restore all without stripping "
                           "another mission: these restore some";
}

static bool refuse(struct request *rq, const struct made *made)
{
    const struct moves_job *job = (const struct moves_job *)made;

    if (job->err != PT_OK)
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(job->err));
    return job->err != PT_OK;
}

static void write_answer(struct study *study) /* on the pool */
{
    const struct moves_job *job = (const struct moves_job *)study;
    const struct moves_answer *a = &job->found;
    const struct roads *roads =
        roads_metric_roads(coverage_basis_metrics(job->basis)->now);
    struct json *json = &study->made.json;

    if (job->err != PT_OK)
        return;
    jw_object(json, NULL);
    jw_array(json, "moves");
    for (size_t i = 0; i < a->count; i++)
        write_move(json, job, &a->moves[i]);
    jw_array_end(json);
    jw_text(json, "words", words_of(job));
    jw_bool(json, "complete", a->complete);
    jw_bool(json, "stopped", a->stopped);
    jw_int(json, "level", job->wish.level);
    jw_int(json, "lacking", (int64_t)a->lacking);
    jw_int(json, "beyond", (int64_t)a->beyond);
    write_missions(json, job, "restored", a->restored, a->restored_count);
    jw_int(json, "restored_count", (int64_t)a->restored_count);
    write_missions(json, job, "remaining", a->remaining, a->remaining_count);
    jw_int(json, "remaining_count", (int64_t)a->remaining_count);
    jw_text(json, "places", job->any_street ? "streets" : "posts");
    jw_int(json, "network_id", roads_network_id(roads));
    jw_text(json, "profile",
            job->profile != NULL ? job->profile : roads_profile_name(roads, 0));
    jw_time(json, "answered_at", http_wall_ms());
    jw_object_end(json);
}

static const struct study_kind kind = {run, write_answer, refuse, release};

void answer_moves(struct request *rq)
{
    const struct http *http = rq->http;

    if (http->coverage == NULL ||
        coverage_basis(http->coverage->coverage) == NULL) {
        reply_no_coverage(rq);
        return;
    }
    struct moves_job *job = study_new(rq, sizeof *job, &kind);
    if (job == NULL)
        return;
    if (study_room(rq) && plan(rq, job))
        study_begin(rq, &job->study);
    else
        release(&job->study);
}

/* Where units stand by, and where they had better stand. */
#include "http_internal.h"
#include "http_posts_body.h"
#include "http_study.h"
#include "http_terms.h"
#include "http_words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any street: a thousand candidates are searched in a second or two. */
#define CANDIDATES_MAX 1000u
#define NAMED_MAX 100 /* missions that stay uncovered */

/* ------------------------------------------------------------- where they are
 */
void answer_posts(struct request *rq)
{
    const struct catalog *catalog = *rq->http->catalog;
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_array(json, "posts");
    for (size_t i = 0; i < catalog_post_count(catalog); i++) {
        const struct catalog_post *post = catalog_post(catalog, i);
        jw_object(json, NULL);
        jw_int(json, "post_id", post->post_id);
        jw_text(json, "ref", post->ref);
        jw_text(json, "name", post->name);
        jw_text(json, "kind", post->kind);
        jw_lat_lon(json, post->at);
        jw_text(json, "zone", post->zone == NULL ? NULL : post->zone->name);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
}

/* ------------------------------------------------------------------ the search
 */
struct posts_job {
    struct study study;
    struct terms *terms;
    struct coverage_settings settings;
    struct coverage_basis *basis; /* counted; NULL until it is worked out */
    int64_t now_ms;
    bool hour_learned;
    char message[256];
    struct posts_body body;
    /* As the search wants them; `named` is the post a place is, or NULL. */
    struct siting_point *kept, *candidates;
    const struct catalog_post **kept_posts, **candidate_posts;
    size_t candidate_count;
    struct siting_wish wish;
    struct siting_answer found;
    size_t fault;
    enum pt_err err;
};

static void release(struct study *study)
{
    struct posts_job *job = (struct posts_job *)study;

    siting_clear(&job->found);
    posts_body_clear(&job->body);
    coverage_basis_unref(job->basis);
    terms_free(job->terms);
    free(job->kept);
    free(job->candidates);
    free(job->kept_posts);
    free(job->candidate_posts);
    free(job);
}

static bool go_on(void *context)
{
    const struct posts_job *job = context;

    return !atomic_load(&job->study.stop);
}

static void run(struct study *study) /* on the pool */
{
    struct posts_job *job = (struct posts_job *)study;

    const struct terms_wish terms = {
        .now_ms = job->now_ms,
        .settings = &job->settings,
        .profile = job->body.profile[0] == '\0' ? NULL : job->body.profile,
        .hour = job->body.hour,
        .go_on = go_on,
        .context = job,
    };
    job->err = terms_basis(job->terms, &terms, &job->basis, &job->hour_learned,
                           job->message, sizeof job->message);
    job->wish.basis = job->basis;
    job->wish.cancelled = &study->stop;
    if (job->err == PT_OK)
        job->err = siting_run(&job->wish, &job->found, &job->fault);
}

static const struct catalog_post *post_by_id(const struct catalog *catalog,
                                             uint32_t id)
{
    for (size_t i = 0; i < catalog_post_count(catalog); i++)
        if (catalog_post(catalog, i)->post_id == id)
            return catalog_post(catalog, i);
    return NULL;
}

/* False after a problem. */
static bool find_places(struct request *rq, const struct catalog *catalog,
                        const char *member, const struct posts_place *places,
                        size_t count, struct siting_point **ret,
                        const struct catalog_post ***posts)
{
    char where[40];

    *ret = calloc(count + 1, sizeof **ret);
    *posts = calloc(count + 1, sizeof **posts);
    if (*ret == NULL || *posts == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        (*ret)[i].at = places[i].at;
        if (!places[i].by_id)
            continue;
        (*posts)[i] = post_by_id(catalog, places[i].post_id);
        if ((*posts)[i] == NULL) {
            snprintf(where, sizeof where, "%s[%zu].post_id", member, i);
            reply_parameter(rq, where, "there is no post of that number");
            return false;
        }
        (*ret)[i].at = (*posts)[i]->at;
    }
    return true;
}

/* All posts of the catalog as candidates; false after a problem. */
static bool take_all_posts(struct request *rq, const struct catalog *catalog,
                           struct posts_job *job)
{
    size_t count = catalog_post_count(catalog);

    if (count == 0) {
        reply_parameter(rq, "candidates",
                        "there are no posts (patrolctl posts import)");
        return false;
    }
    job->candidates = calloc(count, sizeof *job->candidates);
    job->candidate_posts = calloc(count, sizeof *job->candidate_posts);
    if (job->candidates == NULL || job->candidate_posts == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        job->candidate_posts[i] = catalog_post(catalog, i);
        job->candidates[i].at = job->candidate_posts[i]->at;
    }
    job->candidate_count = count;
    return true;
}

/* By what it is judged; false after a problem. */
static bool take_terms(struct request *rq, struct posts_job *job)
{
    const char *profile = job->body.profile;
    struct in_force in_force;

    take_in_force(rq->http, &in_force);
    job->now_ms = http_wall_ms();
    job->settings = *rq->http->coverage->settings;
    enum pt_err err = terms_new(&in_force.now, &job->terms);
    if (err != PT_OK) {
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
        return false;
    }
    if (*profile == '\0' || terms_knows(job->terms, profile))
        return true;
    reply_parameter(rq, "profile", "the network has no such profile");
    return false;
}

/* The job's wish, from its body; false after a problem. */
static bool plan(struct request *rq, struct posts_job *job)
{
    const struct http_coverage *live = rq->http->coverage;
    const struct posts_body *body = &job->body;
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis(live->coverage));
    const struct catalog_zone *zone = NULL;

    if (body->zone[0] != '\0' &&
        (zone = zone_of(catalog, body->zone)) == NULL) {
        reply_parameter(rq, "zone", "no zone has that number or name");
        return false;
    }
    job->candidate_count = body->candidate_count;
    if (!find_places(rq, catalog, "keep", body->kept, body->kept_count,
                     &job->kept, &job->kept_posts) ||
        !(body->from_posts
              ? take_all_posts(rq, catalog, job)
              : find_places(rq, catalog, "candidates", body->candidates,
                            body->candidate_count, &job->candidates,
                            &job->candidate_posts)))
        return false;
    if (!take_terms(rq, job))
        return false;
    int64_t turnout_s =
        body->turnout_s >= 0 ? body->turnout_s : live->rule->turnout_s;
    job->wish = (struct siting_wish){
        .late_ms = (uint32_t)(1000 * turnout_s),
        .post_count = body->post_count,
        .fold = body->fold,
        .kept_count = body->kept_count,
        .kept = job->kept,
        .candidate_count = job->candidate_count,
        .candidates = job->candidates,
        .spacing_m = body->spacing_m,
        .candidates_max =
            body->spacing_m > 0 ? SITING_STREETS_MAX : CANDIDATES_MAX,
        .zone = zone,
        .mission_weight = body->mission_weight,
        .km_weight = body->km_weight,
        .weight_count = body->weight_count,
        .weights = body->weights,
        .point_count = body->point_count,
        .points = body->points,
        .limit_ms = (int64_t)1000 * body->seconds,
    };
    return true;
}

/* ------------------------------------------------------------------- problems
 */
static void reply_failed(struct request *rq, const struct posts_job *job)
{
    size_t kept = job->body.kept_count;
    char where[40];

    if (job->basis == NULL) {
        reply_no_terms(rq, job->err, job->message);
        return;
    }
    switch (job->err) {
    case PT_E_OFFROAD:
        if (job->fault < kept)
            snprintf(where, sizeof where, "keep[%zu]", job->fault);
        else
            snprintf(where, sizeof where, "candidates[%zu]", job->fault - kept);
        reply_problem(rq, PROBLEM_OFF_ROAD, "%s: no road within %.0f m", where,
                      DISPATCH_ACCESS_MAX_M);
        return;
    case PT_E_FULL:
        if (job->wish.candidate_count == 0 && job->body.spacing_m > 0)
            reply_parameter(rq, "spacing_m",
                            "more streets than can be looked at: take a wider "
                            "one, or a zone");
        else
            reply_parameter(rq, "",
                            "more than can be searched: take fewer candidates, "
                            "or a zone");
        return;
    case PT_E_AGAIN:
        reply_parameter(rq, "limit_s",
                        "the time was over before there was an answer");
        return;
    default:
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(job->err));
    }
}

/* ----------------------------------------------------------------- the answer
 */
static const struct catalog_post *named(const struct posts_job *job,
                                        const struct siting_post *post)
{
    if (post->kept)
        return job->kept_posts[post->index];
    return job->candidate_count > 0 ? job->candidate_posts[post->index] : NULL;
}

static void write_post(struct json *json, const struct posts_job *job,
                       const struct siting_post *post)
{
    const struct roads *roads =
        roads_metric_roads(coverage_basis_metrics(job->basis)->now);
    const struct catalog_zone *zone =
        catalog_zone_at(coverage_basis_catalog(job->basis), post->place.at);
    const struct catalog_post *known = named(job, post);

    jw_object(json, NULL);
    jw_lat_lon(json, post->place.at);
    jw_text(json, "street", roads_edge_name(roads, 2 * post->place.edge));
    jw_text(json, "zone", zone == NULL ? NULL : zone->name);
    jw_bool(json, "kept", post->kept);
    if (known != NULL)
        jw_int(json, "post_id", known->post_id);
    else
        jw_null(json, "post_id");
    jw_text(json, "name", known == NULL ? NULL : known->name);
    if (!post->kept && job->body.candidate_count > 0)
        jw_int(json, "candidate", (int64_t)post->index);
    else
        jw_null(json, "candidate");
    jw_real(json, "adds", post->adds, 3);
    jw_real(json, "holds", post->holds, 3);
    jw_int(json, "missions", (int64_t)post->missions);
    jw_object_end(json);
}

static void write_covered(struct json *json, const struct siting_answer *a)
{
    jw_object(json, "covered");
    jw_real(json, "weight", a->covered, 3);
    jw_real(json, "weight_of", a->total, 3);
    if (a->total > 0)
        jw_real(json, "share", a->covered / a->total, 4);
    else
        jw_null(json, "share");
    jw_int(json, "missions", (int64_t)a->within[SITING_MISSION].count);
    jw_int(json, "missions_of", (int64_t)a->all[SITING_MISSION].count);
    jw_real(json, "streets_m", a->within[SITING_STREET].length_m, 0);
    jw_real(json, "streets_of_m", a->all[SITING_STREET].length_m, 0);
    jw_int(json, "points", (int64_t)a->within[SITING_POINT].count);
    jw_int(json, "points_of", (int64_t)a->all[SITING_POINT].count);
    jw_object_end(json);
}

/* In tenths of a percent, never rounded up: what is said is proved. */
static double proved_share(const struct siting_answer *a)
{
    return a->bound > 0 ? floor(1000 * a->covered / a->bound) / 1000 : 1;
}

static void write_best(struct json *json, const struct posts_job *job)
{
    const struct siting_answer *a = &job->found;
    const char *of = job->candidate_count > 0 ? "of these candidates"
                                              : "of the streets looked at";
    bool proved = a->covered >= a->bound;
    char words[120];

    if (a->total <= 0)
        snprintf(words, sizeof words, "there is nothing to cover");
    else if (proved)
        snprintf(words, sizeof words, "the best possible %s", of);
    else
        snprintf(words, sizeof words,
                 "at least %.1f %% of the best possible %s",
                 100 * proved_share(a), of);
    jw_object(json, "best");
    jw_real(json, "at_most", a->bound, 3);
    jw_real(json, "share", proved ? 1 : proved_share(a), 3);
    jw_bool(json, "proved", proved);
    jw_text(json, "words", words);
    jw_object_end(json);
}

static void write_missed(struct json *json, const struct posts_job *job)
{
    const struct siting_answer *a = &job->found;
    const struct catalog *catalog = coverage_basis_catalog(job->basis);

    jw_array(json, "missed");
    for (size_t i = 0; i < a->missed_count && i < NAMED_MAX; i++) {
        const struct catalog_mission *m =
            catalog_mission(catalog, a->missed[i]);
        jw_object(json, NULL);
        jw_int(json, "mission_id", m->mission_id);
        jw_text(json, "name", m->name);
        jw_text(json, "zone", m->zone == NULL ? NULL : m->zone->name);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_int(json, "missed_count", (int64_t)a->missed_count);
    jw_int(json, "off_road", (int64_t)a->off_road);
}

static void write_made_by(struct json *json, const struct posts_job *job)
{
    const struct siting_answer *a = &job->found;
    const struct coverage_metrics *metrics = coverage_basis_metrics(job->basis);
    const struct roads *roads = roads_metric_roads(metrics->now);
    char hour[WORDS_HOUR_BYTES];

    jw_object(json, "candidates");
    jw_int(json, "count", (int64_t)a->candidate_count);
    if (a->spacing_m > 0)
        jw_real(json, "spacing_m", a->spacing_m, 0);
    else
        jw_null(json, "spacing_m");
    jw_object_end(json);
    jw_real(json, "turnout_s", job->wish.late_ms / 1e3, 0);
    jw_bool(json, "stopped", a->stopped);
    jw_object(json, "took_s");
    jw_real(json, "reach", (double)a->matrix_ms / 1e3, 3);
    jw_real(json, "search", (double)a->search_ms / 1e3, 3);
    jw_object_end(json);
    jw_int(json, "network_id", roads_network_id(roads));
    jw_text(json, "profile", profile_name(metrics));
    if (job->body.hour == TERMS_NOW) {
        jw_null(json, "at");
        jw_null(json, "hour_learned");
    } else {
        words_hour(LANGUAGE_EN, (unsigned)job->body.hour, hour);
        jw_text(json, "at", hour);
        jw_bool(json, "hour_learned", job->hour_learned);
    }
    jw_time(json, "answered_at", http_wall_ms());
}

static bool refuse(struct request *rq, const struct made *made)
{
    const struct posts_job *job = (const struct posts_job *)made;

    if (job->err != PT_OK)
        reply_failed(rq, job);
    return job->err != PT_OK;
}

static void write_answer(struct study *study) /* on the pool */
{
    const struct posts_job *job = (const struct posts_job *)study;
    struct json *json = &study->made.json;

    if (job->err != PT_OK)
        return;
    jw_object(json, NULL);
    jw_int(json, "asked", (int64_t)job->body.post_count);
    jw_int(json, "fold", job->body.fold);
    jw_array(json, "posts");
    for (size_t i = 0; i < job->found.post_count; i++)
        write_post(json, job, &job->found.posts[i]);
    jw_array_end(json);
    write_covered(json, &job->found);
    write_best(json, job);
    write_missed(json, job);
    write_made_by(json, job);
    jw_object_end(json);
}

static const struct study_kind kind = {run, write_answer, refuse, release};

void answer_posts_search(struct request *rq)
{
    struct body_fault fault;

    if (!request_is_json(rq))
        return;
    struct posts_job *job = study_new(rq, sizeof *job, &kind);
    if (job == NULL)
        return;
    bool good = false;
    if (!posts_body_parse(rq->body, rq->body_bytes, &job->body, &fault))
        reply_parameter(rq, fault.member, fault.what);
    else
        good = request_coverage_now(rq) && study_room(rq) && plan(rq, job);
    if (good)
        study_begin(rq, &job->study);
    else
        release(&job->study);
}

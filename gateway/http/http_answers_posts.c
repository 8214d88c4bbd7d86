/* Where units stand by, and where they had better stand. */
#include "http_internal.h"
#include "http_sought.h"
#include "http_study.h"
#include "http_terms.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct posts_body body;
    struct posts_sought sought;
    struct coverage_basis *basis; /* counted; NULL until it is worked out */
    bool hour_learned;
    char message[256];
    struct siting_answer found;
    size_t fault;
    enum pt_err err;
};

static void release(struct study *study)
{
    struct posts_job *job = (struct posts_job *)study;

    siting_clear(&job->found);
    coverage_basis_unref(job->basis);
    posts_sought_clear(&job->sought);
    posts_body_clear(&job->body);
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
    struct posts_sought *sought = &job->sought;
    const struct terms_wish terms = {
        .now_ms = sought->now_ms,
        .settings = &sought->settings,
        .profile = job->body.profile[0] == '\0' ? NULL : job->body.profile,
        .hour = job->body.hour,
        .go_on = go_on,
        .context = job,
    };
    job->err =
        terms_basis(sought->terms, &terms, &job->basis, &job->hour_learned,
                    job->message, sizeof job->message);
    sought->wish.basis = job->basis;
    sought->wish.cancelled = &study->stop;
    if (job->err == PT_OK)
        job->err = siting_run(&sought->wish, &job->found, &job->fault);
}

/* ----------------------------------------------------------------- the answer
 */
static const struct catalog_post *named(const struct posts_job *job,
                                        const struct siting_post *post)
{
    if (post->kept)
        return job->sought.kept_posts[post->index];
    return job->sought.candidate_count > 0
               ? job->sought.candidate_posts[post->index]
               : NULL;
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
    const char *of = job->sought.candidate_count > 0
                         ? "of these candidates"
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

    jw_object(json, "candidates");
    jw_int(json, "count", (int64_t)a->candidate_count);
    if (a->spacing_m > 0)
        jw_real(json, "spacing_m", a->spacing_m, 0);
    else
        jw_null(json, "spacing_m");
    jw_object_end(json);
    jw_real(json, "turnout_s", job->sought.wish.late_ms / 1e3, 0);
    jw_bool(json, "stopped", a->stopped);
    jw_object(json, "took_s");
    jw_real(json, "reach", (double)a->matrix_ms / 1e3, 3);
    jw_real(json, "search", (double)a->search_ms / 1e3, 3);
    jw_object_end(json);
    jw_int(json, "network_id", roads_network_id(roads));
    jw_text(json, "profile", profile_name(metrics));
    write_hour(json, job->body.hour, job->hour_learned);
    jw_time(json, "answered_at", http_wall_ms());
}

static bool refuse(struct request *rq, const struct made *made)
{
    const struct posts_job *job = (const struct posts_job *)made;

    if (job->err != PT_OK && job->basis == NULL)
        reply_no_terms(rq, job->err, job->message);
    else if (job->err != PT_OK)
        reply_not_found(rq, job->err, job->fault, &job->body, &job->sought);
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
        good = request_coverage_now(rq) && study_room(rq) &&
               posts_seek(rq, &job->body, &job->sought);
    if (good)
        study_begin(rq, &job->study);
    else
        release(&job->study);
}

#include "http_sought.h"
#include "http_terms.h"
#include <stdio.h>
#include <stdlib.h>

/* Any street: a thousand candidates are searched in a second or two. */
#define CANDIDATES_MAX 1000u

void posts_sought_clear(struct posts_sought *sought)
{
    terms_free(sought->terms);
    free(sought->kept);
    free(sought->candidates);
    free(sought->kept_posts);
    free(sought->candidate_posts);
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
                           struct posts_sought *ret)
{
    size_t count = catalog_post_count(catalog);

    if (count == 0) {
        reply_parameter(rq, "candidates",
                        "there are no posts (patrolctl posts import)");
        return false;
    }
    ret->candidates = calloc(count, sizeof *ret->candidates);
    ret->candidate_posts = calloc(count, sizeof *ret->candidate_posts);
    if (ret->candidates == NULL || ret->candidate_posts == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        ret->candidate_posts[i] = catalog_post(catalog, i);
        ret->candidates[i].at = ret->candidate_posts[i]->at;
    }
    ret->candidate_count = count;
    return true;
}

/* By what it is judged; false after a problem. */
static bool take_terms(struct request *rq, const char *profile,
                       struct posts_sought *ret)
{
    struct in_force in_force;

    take_in_force(rq->http, &in_force);
    ret->now_ms = http_wall_ms();
    ret->conninfo = rq->http->coverage->conninfo;
    ret->settings = *rq->http->coverage->settings;
    enum pt_err err = terms_new(&in_force.now, &ret->terms);
    if (err != PT_OK) {
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
        return false;
    }
    if (*profile == '\0' || terms_knows(ret->terms, profile))
        return true;
    reply_parameter(rq, "profile", "the network has no such profile");
    return false;
}

bool posts_seek(struct request *rq, const struct posts_body *body,
                struct posts_sought *ret)
{
    const struct http_coverage *live = rq->http->coverage;
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis(live->coverage));
    const struct catalog_zone *zone = NULL;

    if (body->zone[0] != '\0' &&
        (zone = zone_of(catalog, body->zone)) == NULL) {
        reply_parameter(rq, "zone", "no zone has that number or name");
        return false;
    }
    ret->candidate_count = body->candidate_count;
    if (!find_places(rq, catalog, "keep", body->kept, body->kept_count,
                     &ret->kept, &ret->kept_posts) ||
        !(body->from_posts
              ? take_all_posts(rq, catalog, ret)
              : find_places(rq, catalog, "candidates", body->candidates,
                            body->candidate_count, &ret->candidates,
                            &ret->candidate_posts)))
        return false;
    if (!take_terms(rq, body->profile, ret))
        return false;
    int64_t turnout_s =
        body->turnout_s >= 0 ? body->turnout_s : live->rule->turnout_s;
    ret->wish = (struct siting_wish){
        .late_ms = (uint32_t)(1000 * turnout_s),
        .post_count = body->post_count,
        .fold = body->fold,
        .kept_count = body->kept_count,
        .kept = ret->kept,
        .candidate_count = ret->candidate_count,
        .candidates = ret->candidates,
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
void reply_not_found(struct request *rq, enum pt_err err, size_t fault,
                     const struct posts_body *body,
                     const struct posts_sought *sought)
{
    size_t kept = body->kept_count;
    char where[40];

    switch (err) {
    case PT_E_OFFROAD:
        if (fault < kept)
            snprintf(where, sizeof where, "keep[%zu]", fault);
        else
            snprintf(where, sizeof where, "candidates[%zu]", fault - kept);
        reply_problem(rq, PROBLEM_OFF_ROAD, "%s: no road within %.0f m", where,
                      DISPATCH_ACCESS_MAX_M);
        return;
    case PT_E_FULL:
        if (sought->wish.candidate_count == 0 && body->spacing_m > 0)
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
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
    }
}

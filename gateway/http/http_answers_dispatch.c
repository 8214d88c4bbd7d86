/* Who reaches a point first, and by which way. */
#include "http_internal.h"
#include <stdio.h>
#include <string.h>

#define K_DEFAULT 5u

/* By whose rules units drive. Without a network there is no telling: that is
 * answered later. */
static bool check_profile(struct request *rq, const char **ret)
{
    const struct roads *roads = dispatch_roads(rq->http->dispatch);
    const char *profile = params_get(&rq->params, "profile");
    char names[ROADS_PROFILES_MAX * (ROADS_PROFILE_NAME + 2) + 32];

    *ret = profile;
    if (profile == NULL || roads == NULL ||
        dispatch_knows(rq->http->dispatch, profile))
        return true;
    char *at = stpcpy(names, "the profiles are: ");
    for (size_t i = 0; roads_profile_name(roads, i) != NULL; i++)
        at = stpcpy(stpcpy(at, i == 0 ? "" : ", "),
                    roads_profile_name(roads, i));
    reply_parameter(rq, "profile", names);
    return false;
}

static void write_profile(struct json *json, const struct roads *roads,
                          const char *profile)
{
    jw_text(json, "profile",
            profile != NULL ? profile : roads_profile_name(roads, 0));
}

static void reply_no_way(struct request *rq, enum pt_err err)
{
    bool closed = closures_in_force(rq->http);

    switch (err) {
    case PT_E_NOTFOUND:
        reply_problem(rq, PROBLEM_NO_ROADS,
                      "patrolctl roads import brings one in");
        return;
    case PT_E_OFFROAD:
        reply_problem(rq, PROBLEM_OFF_ROAD,
                      "no %sroad within %.0f m of the point",
                      closed ? "open " : "", DISPATCH_ACCESS_MAX_M);
        return;
    case PT_E_UNREACHABLE:
        reply_problem(rq, PROBLEM_NO_WAY,
                      "the roads that cars may use do not lead there%s",
                      closed ? "; some are closed: GET /v1/closures" : "");
        return;
    default:
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
        return;
    }
}

/* ------------------------------------------------------------------ nearest */
/* How candidates are ranked. By coverage, a unit costs its time and so much
 * more for each mission that falls out of cover while it is gone; who keeps the
 * promise stays before who does not, and a fresh position before an old one. */
struct ranking {
    bool by_coverage;
    int weight_s;
    const struct catalog_mission *target; /* which it would cover; NULL */
};

static double cost_s(const struct http *http, const struct ranking *ranking,
                     const struct dispatch_candidate *candidate)
{
    int64_t lost = uncovers_count(http, candidate->state, ranking->target);
    return candidate->eta_s +
           (lost > 0 ? (double)ranking->weight_s * (double)lost : 0.0);
}

static bool goes_before(const struct http *http, const struct ranking *ranking,
                        const struct dispatch_candidate *a,
                        const struct dispatch_candidate *b)
{
    if (a->old != b->old)
        return b->old;
    if (a->within_promise != b->within_promise)
        return a->within_promise > b->within_promise;
    return cost_s(http, ranking, a) < cost_s(http, ranking, b);
}

/* Those that cost alike keep the order of their times. */
static void rank_by_coverage(const struct http *http,
                             const struct ranking *ranking,
                             struct dispatch_answer *answer)
{
    for (size_t i = 1; i < answer->count; i++) {
        struct dispatch_candidate moved = answer->units[i];
        size_t at = i;
        for (; at > 0 &&
               goes_before(http, ranking, &moved, &answer->units[at - 1]);
             at--)
            answer->units[at] = answer->units[at - 1];
        answer->units[at] = moved;
    }
}

static void write_ranking(struct json *json, const struct ranking *ranking)
{
    jw_object(json, "rank");
    jw_text(json, "by", ranking->by_coverage ? "coverage" : "eta");
    if (ranking->by_coverage) {
        jw_int(json, "weight_s", ranking->weight_s);
        jw_text(json, "cost_s", "eta_s + weight_s * uncovers_count");
        jw_text(json, "order",
                "fresh positions, then within the promise, then cost_s");
    }
    jw_object_end(json);
}

static void write_candidate(struct json *json, const struct http *http,
                            const struct ranking *ranking,
                            const struct dispatch_candidate *candidate,
                            const struct eta *eta)
{
    const struct catalog_unit *unit = candidate->unit;

    jw_object(json, NULL);
    jw_text(json, "call_sign", unit->call_sign);
    jw_text(json, "kind", unit->kind);
    jw_array(json, "capabilities");
    for (char **c = unit->capabilities; c != NULL && *c != NULL; c++)
        jw_text(json, NULL, *c);
    jw_array_end(json);
    jw_real(json, "eta_s", candidate->eta_s, 3);
    jw_real(json, "drive_s", candidate->drive_s, 3);
    jw_real(json, "access_s", candidate->access_s, 3);
    jw_real(json, "start_s", candidate->start_s, 3);
    write_eta(json, eta);
    jw_real(json, "distance_m", candidate->distance_m, 1);
    jw_real(json, "position_age_s", candidate->position_age_s, 1);
    jw_time(json, "position_time", candidate->state->fix_time_ms);
    jw_lat_lon(json, candidate->state->at);
    write_believed(json, candidate->believed, candidate->forward_s);
    jw_bool(json, "old", candidate->old);
    write_silent(json, candidate->state);
    jw_text(json, "status", pt_status_name(candidate->state->status));
    if (candidate->within_promise < 0)
        jw_null(json, "within_promise");
    else
        jw_bool(json, "within_promise", candidate->within_promise > 0);
    write_uncovers(json, http, candidate->state, ranking->target);
    if (ranking->by_coverage)
        jw_real(json, "cost_s", cost_s(http, ranking, candidate), 3);
    write_closure_ids(json, http, candidate->changed, candidate->changed_count);
    jw_object_end(json);
}

/* What the word of the reason leaves open; NULL when nothing. */
static const char *explanation(enum dispatch_exclusion why,
                               const struct fleet_unit *state, int64_t now_ms,
                               char text[64])
{
    if (state == NULL)
        return NULL;
    switch (why) {
    case LEFT_OUT_STATUS: /* of the most units, so not by printf() */
        stpcpy(stpcpy(text, "status "), pt_status_name(state->status));
        return text;
    case LEFT_OUT_STALE:
        snprintf(text, 64, "position %lld s old",
                 (long long)((now_ms - state->fix_time_ms) / 1000));
        return text;
    case LEFT_OUT_OFF_ROAD:
        snprintf(text, 64, "more than %.0f m from any road",
                 DISPATCH_ACCESS_MAX_M);
        return text;
    default:
        return NULL;
    }
}

static void write_left_out(struct json *json,
                           const struct dispatch_left_out *left, int64_t now_ms)
{
    char text[64];
    const char *more = explanation(left->why, left->state, now_ms, text);

    jw_object(json, NULL);
    jw_text(json, "call_sign", left->unit->call_sign);
    jw_text(json, "reason", dispatch_exclusion_word(left->why));
    if (more != NULL)
        jw_text(json, "explanation", more);
    jw_object_end(json);
}

static void write_target(struct json *json, const struct http *http,
                         struct geo_point at,
                         const struct catalog_mission *mission,
                         const struct dispatch_answer *answer)
{
    const struct roads *roads = dispatch_roads(http->dispatch);

    jw_object(json, "target");
    jw_lat_lon(json, at);
    jw_text(json, "road", roads_edge_name(roads, 2 * answer->target.edge));
    jw_real(json, "off_road_m", answer->target.distance_m, 1);
    jw_text(json, "zone", answer->zone == NULL ? NULL : answer->zone->name);
    if (answer->promise_s > 0)
        jw_int(json, "promise_s", answer->promise_s);
    else
        jw_null(json, "promise_s");
    if (mission != NULL)
        write_mission(json, "mission", mission);
    jw_object_end(json);
}

/* Those that a dispatcher is likely to send. */
#define PREDICTIONS_NOTED 3u

static struct eta eta_of(struct http *http, const struct dispatch_query *query,
                         const struct dispatch_answer *answer, size_t index)
{
    const struct dispatch_candidate *candidate = &answer->units[index];
    struct eta eta = {.unit = candidate->unit,
                      .state = candidate->state,
                      .profile = query->profile,
                      .drive_s = candidate->drive_s,
                      .access_s = candidate->access_s,
                      .start_s = candidate->start_s,
                      .distance_m = candidate->distance_m,
                      .promise_s = answer->promise_s,
                      .now_ms = query->now_ms};
    eta_judge(http, &eta);
    return eta;
}

static void write_nearest(struct request *rq,
                          const struct dispatch_query *query,
                          const struct ranking *ranking,
                          const struct dispatch_answer *answer)
{
    struct http *http = rq->http;
    struct json *json = reply_json(rq);

    jw_object(json, NULL);
    jw_array(json, "units");
    for (size_t i = 0; i < answer->count; i++) {
        struct eta eta = eta_of(http, query, answer, i);
        write_candidate(json, http, ranking, &answer->units[i], &eta);
        if (i < PREDICTIONS_NOTED)
            eta_note(http, &eta, query->at, ranking->target);
    }
    jw_array_end(json);
    jw_array(json, "excluded");
    for (size_t i = 0; i < answer->left_out_count; i++)
        if (answer->left_out[i].why != LEFT_OUT_FARTHER)
            write_left_out(json, &answer->left_out[i], query->now_ms);
    jw_array_end(json);
    write_ranking(json, ranking);
    write_target(json, http, query->at, ranking->target, answer);
    write_closures_on(json, http, answer->changed, answer->changed_count);
    write_degraded(json, http);
    jw_int(json, "network_id",
           roads_network_id(dispatch_roads(http->dispatch)));
    write_profile(json, dispatch_roads(http->dispatch), query->profile);
    jw_time(json, "answered_at", query->now_ms);
    jw_object_end(json);
}

/* For the weighing there is more to choose from than what is answered. */
#define CHOICE 2u
#define CHOICE_MORE 10u

static bool check_ranking(struct request *rq, struct ranking *ret)
{
    const struct http_coverage *coverage = rq->http->coverage;
    const char *typed = params_get(&rq->params, "rank");

    *ret = (struct ranking){.by_coverage = typed != NULL &&
                                           strcmp(typed, "coverage") == 0};
    if (typed != NULL && !ret->by_coverage && strcmp(typed, "eta") != 0) {
        reply_parameter(rq, "rank", "eta or coverage");
        return false;
    }
    if (!ret->by_coverage)
        return true;
    if (coverage == NULL || coverage_basis(coverage->coverage) == NULL) {
        reply_problem(rq, PROBLEM_NO_COVERAGE,
                      "what would be uncovered is not known yet");
        return false;
    }
    ret->weight_s = coverage->rank_weight_s;
    return true;
}

void answer_nearest(struct request *rq)
{
    struct http *http = rq->http;
    const char *typed_k = params_get(&rq->params, "k");
    const struct catalog_mission *mission;
    struct dispatch_query query = {
        .capability = params_get(&rq->params, "capability"),
        .now_ms = http_wall_ms(),
    };
    struct dispatch_answer answer;
    struct ranking ranking;
    uint32_t k = K_DEFAULT;

    if (typed_k != NULL && !params_count(typed_k, 1, DISPATCH_K_MAX, &k)) {
        reply_parameter(rq, "k", "a whole number from 1 to 100 is expected");
        return;
    }
    if (!check_profile(rq, &query.profile) ||
        !request_target(rq, &query.at, &mission) ||
        !check_ranking(rq, &ranking))
        return;
    ranking.target = mission;
    query.k = k;
    if (ranking.by_coverage)
        query.k = CHOICE * k + CHOICE_MORE < DISPATCH_K_MAX
                      ? CHOICE * k + CHOICE_MORE
                      : DISPATCH_K_MAX;
    enum pt_err err = dispatch_nearest(http->dispatch, *http->catalog,
                                       http->fleet, &query, &answer);
    if (err != PT_OK) {
        reply_no_way(rq, err);
        return;
    }
    if (ranking.by_coverage)
        rank_by_coverage(http, &ranking, &answer);
    if (answer.count > k)
        answer.count = k;
    write_nearest(rq, &query, &ranking, &answer);
}

/* -------------------------------------------------------------------- route */
static bool same_name(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

/* Pieces of one street in a row are one leg for people. */
static void write_legs(struct json *json, const struct roads *roads,
                       const struct roads_route *route)
{
    jw_array(json, "legs");
    for (size_t i = 0; i < route->leg_count;) {
        const char *name = roads_edge_name(roads, route->legs[i].directed);
        int64_t ms = 0;
        double length_m = 0;
        for (; i < route->leg_count &&
               same_name(name, roads_edge_name(roads, route->legs[i].directed));
             i++) {
            ms += (int64_t)route->legs[i].turn_ms + route->legs[i].ms;
            length_m += route->legs[i].length_m;
        }
        jw_object(json, NULL);
        jw_text(json, "street", name);
        jw_real(json, "seconds", (double)ms / 1e3, 3);
        jw_real(json, "metres", length_m, 1);
        jw_object_end(json);
    }
    jw_array_end(json);
}

/* A LineString has two positions at least; a unit that stands at the target
 * has none of its own. */
static void write_line(struct json *json, const struct roads_route *route,
                       struct geo_point place)
{
    jw_object(json, "geometry");
    jw_text(json, "type", "LineString");
    jw_array(json, "coordinates");
    for (size_t i = 0; i < route->point_count; i++)
        jw_position(json, route->points[i]);
    for (size_t i = route->point_count; i < 2; i++)
        jw_position(json,
                    i > 0 && route->point_count > 0 ? route->points[0] : place);
    jw_array_end(json);
    jw_object_end(json);
}

/* Where the unit and the target meet the road. */
struct ends {
    const struct catalog_unit *unit;
    const struct fleet_unit *state;
    struct geo_point at;
    const struct catalog_mission *mission;
    const char *profile;
    struct roads_place target;
};

static bool find_ends(struct request *rq, struct ends *ret)
{
    struct http *http = rq->http;
    const char *call_sign = params_get(&rq->params, "unit");
    const struct roads *roads = dispatch_roads(http->dispatch);

    if (call_sign == NULL) {
        reply_parameter(rq, "unit", "the unit's call sign is needed");
        return false;
    }
    if (!check_profile(rq, &ret->profile) ||
        !request_target(rq, &ret->at, &ret->mission))
        return false;
    ret->unit = request_unit(rq, call_sign);
    if (ret->unit == NULL)
        return false;
    ret->state = fleet_find(http->fleet, ret->unit->unit_id);
    enum pt_err err = roads == NULL ? PT_E_NOTFOUND
                                    : dispatch_snap(rq->http->dispatch, ret->at,
                                                    &ret->target);
    if (err != PT_OK) {
        reply_no_way(rq, err);
        return false;
    }
    if (ret->state == NULL || !ret->state->has_fix) {
        reply_problem(rq, PROBLEM_UNIT_PLACE,
                      "unit %s has not told a position yet", call_sign);
        return false;
    }
    return true;
}

/* As nearest has it: with the ways from and to the road, and in their zone. */
static struct eta eta_of_route(struct http *http, const struct ends *ends,
                               const struct roads_route *route, int64_t now_ms)
{
    const struct catalog_zone *zone = catalog_zone_at(*http->catalog, ends->at);
    struct eta eta = {.unit = ends->unit,
                      .state = ends->state,
                      .profile = ends->profile,
                      .drive_s = (double)route->drive_ms / 1e3,
                      .access_s =
                          dispatch_access_s((double)ends->state->off_road_m) +
                          dispatch_access_s(ends->target.distance_m),
                      .distance_m = route->distance_m,
                      .promise_s = zone == NULL ? 0 : zone->promise_s,
                      .now_ms = now_ms};
    eta_judge(http, &eta);
    return eta;
}

/* What is closed or slowed where the unit would drive were it not. */
static void write_changed(struct json *json, const struct http *http,
                          const struct ends *ends)
{
    const uint32_t *changed = NULL;
    size_t count = 0;

    if (dispatch_route_changed(http->dispatch, http->fleet, ends->state,
                               ends->at, ends->profile, &changed,
                               &count) != PT_OK)
        count = 0; /* the way itself was found: this is out of memory */
    write_closures_on(json, http, changed, count);
}

static void write_route(struct request *rq, const struct ends *ends,
                        const struct roads_route *route)
{
    const struct roads *roads = dispatch_roads(rq->http->dispatch);
    int64_t now_ms = http_wall_ms();
    struct json *json = reply_json(rq);
    struct eta eta = eta_of_route(rq->http, ends, route, now_ms);

    eta_note(rq->http, &eta, ends->at, ends->mission);
    jw_object(json, NULL);
    jw_text(json, "unit", ends->unit->call_sign);
    jw_real(json, "eta_s", eta.drive_s + eta.access_s + eta.start_s, 3);
    jw_real(json, "drive_s", eta.drive_s, 3);
    jw_real(json, "access_s", eta.access_s, 3);
    jw_real(json, "start_s", eta.start_s, 3);
    write_eta(json, &eta);
    jw_real(json, "distance_m", route->distance_m, 1);
    jw_real(json, "position_age_s",
            (double)(now_ms - ends->state->fix_time_ms) / 1e3, 1);
    jw_object(json, "target");
    jw_lat_lon(json, ends->at);
    jw_text(json, "road", roads_edge_name(roads, 2 * ends->target.edge));
    jw_real(json, "off_road_m", ends->target.distance_m, 1);
    if (ends->mission != NULL)
        write_mission(json, "mission", ends->mission);
    jw_object_end(json);
    write_line(json, route, ends->target.at);
    write_legs(json, roads, route);
    write_changed(json, rq->http, ends);
    jw_int(json, "network_id", roads_network_id(roads));
    write_profile(json, roads, ends->profile);
    jw_time(json, "answered_at", now_ms);
    jw_object_end(json);
}

void answer_route(struct request *rq)
{
    struct roads_route route = {0};
    struct ends ends;

    if (!find_ends(rq, &ends))
        return;
    enum pt_err err = dispatch_route(rq->http->dispatch, rq->http->fleet,
                                     ends.state, ends.at, ends.profile, &route);
    if (err == PT_E_OFFROAD) /* the target is near one: find_ends() looked */
        reply_problem(rq, PROBLEM_UNIT_PLACE,
                      "unit %s is more than %.0f m from any road",
                      ends.unit->call_sign, DISPATCH_ACCESS_MAX_M);
    else if (err != PT_OK)
        reply_no_way(rq, err);
    else
        write_route(rq, &ends, &route);
    if (err == PT_OK)
        roads_route_clear(&route);
}

#include "http_internal.h"
#include <stdio.h>
#include <string.h>

#define PARAMETERS_MAX 8

/* "{}" stands for one segment, which becomes request.argument. Without a method
 * before it, a path is for GET and HEAD. */
static const struct route {
    const char *path;
    enum http_route id;
    void (*answer)(struct request *rq);
    const char *parameters[PARAMETERS_MAX]; /* NULL-terminated */
} routes[] = {
    {"/v1/nearest",
     ROUTE_NEAREST,
     answer_nearest,
     {"lat", "lon", "mission", "k", "capability", "profile", "rank"}},
    {"/v1/units", ROUTE_UNITS, answer_units, {"status", "capability", "zone"}},
    {"/v1/units/{}", ROUTE_UNIT, answer_unit, {NULL}},
    {"/v1/units/{}/track", ROUTE_TRACK, answer_track, {"from", "to"}},
    {"PUT /v1/units/{}/heard", ROUTE_HEARD, answer_heard, {NULL}},
    {"DELETE /v1/units/{}/heard", ROUTE_UNHEARD, answer_unheard, {"who"}},
    {"PUT /v1/units/{}/seen", ROUTE_SEEN, answer_seen, {NULL}},
    {"/v1/route",
     ROUTE_ROUTE,
     answer_route,
     {"unit", "lat", "lon", "mission", "profile"}},
    {"/v1/missions", ROUTE_MISSIONS, answer_missions, {"zone", "q"}},
    {"/v1/places", ROUTE_PLACES, answer_places, {"q"}},
    {"/v1/zones", ROUTE_ZONES, answer_zones, {NULL}},
    {"/v1/closures", ROUTE_CLOSURES, answer_closures, {NULL}},
    {"POST /v1/closures", ROUTE_CLOSE, answer_close, {NULL}},
    {"DELETE /v1/closures/{}", ROUTE_REOPEN, answer_reopen, {NULL}},
    {"/v1/coverage", ROUTE_COVERAGE, answer_coverage, {"zone", "at", "clock"}},
    {"/v1/coverage/gaps", ROUTE_GAPS, answer_coverage_gaps, {"zone", "form"}},
    {"/v1/coverage/streets",
     ROUTE_STREETS,
     answer_coverage_streets,
     {"zone", "bbox"}},
    {"POST /v1/coverage/what-if", ROUTE_WHATIF, answer_whatif, {NULL}},
    {"/v1/coverage/history",
     ROUTE_PAST,
     answer_coverage_history,
     {"from", "to", "zone", "mission", "clock", "step", "follow"}},
    {"POST /v1/coverage/posts", ROUTE_SITING, answer_posts_search, {NULL}},
    {"/v1/coverage/moves", ROUTE_MOVES, answer_moves, {"most", "places"}},
    {"/v1/posts", ROUTE_POSTS, answer_posts, {NULL}},
    {"/v1/coverage/weak", ROUTE_WEAK, answer_weak, {"lang", "hours"}},
    {"/v1/coverage/plans", ROUTE_PLANS, answer_plans, {NULL}},
    {"POST /v1/coverage/plans", ROUTE_PLAN_MAKE, answer_plan_make, {NULL}},
    {"/v1/coverage/plans/{}", ROUTE_PLAN, answer_plan, {NULL}},
    {"/v1/coverage/plans/{}/replay",
     ROUTE_PLAN_REPLAY,
     answer_plan_replay,
     {"from", "to", "clock", "step", "near_m"}},
    {"DELETE /v1/coverage/plans/{}",
     ROUTE_PLAN_REMOVE,
     answer_plan_remove,
     {NULL}},
    {"/v1/reports/eta", ROUTE_ETA, answer_eta_report, {"from", "to"}},
    {"/v1/events", ROUTE_EVENTS, answer_events, {"after"}},
    {"/healthz", ROUTE_HEALTHZ, answer_health, {NULL}},
    {"/readyz", ROUTE_READYZ, answer_ready, {NULL}},
    {"/metrics", ROUTE_METRICS, answer_metrics, {NULL}},
    {"/v1/tiles/{}/{}/{}/{}", ROUTE_TILE, answer_tile, {NULL}},
    {"/", ROUTE_PAGE, answer_page, {NULL}},
    {"/console/{}", ROUTE_PAGE, answer_page, {NULL}},
};

const char *routes_operation(enum http_route route)
{
    static const char *const names[ROUTE_COUNT] = {
#define ROUTE_NAME(name, operation) [name] = operation,
        HTTP_ROUTES(ROUTE_NAME)
#undef ROUTE_NAME
    };
    return names[route];
}

/* Does `path` follow `pattern`? The argument stays percent-encoded. */
static bool matches(const char *pattern, const char *path,
                    const char **argument, size_t *argument_size)
{
    while (*pattern != '\0') {
        if (strncmp(pattern, "{}", 2) == 0) {
            *argument = path;
            *argument_size = strcspn(path, "/");
            path += *argument_size;
            pattern += 2;
            if (*argument_size == 0)
                return false;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static const char *path_of(const struct route *route)
{
    return strchr(route->path, '/');
}

static bool takes(const struct route *route, const char *method)
{
    size_t length = (size_t)(path_of(route) - route->path);

    if (length == 0)
        return strcmp(method, MHD_HTTP_METHOD_GET) == 0;
    return strlen(method) == length - 1 &&
           strncmp(route->path, method, length - 1) == 0;
}

/* Another method of the path: "GET, HEAD, POST". */
static void allow(struct reply *reply, const struct route *route)
{
    size_t used = strlen(reply->allow);
    int length = (int)(path_of(route) - route->path);

    snprintf(reply->allow + used, sizeof reply->allow - used, "%s%.*s",
             used > 0 ? ", " : "", length == 0 ? 9 : length - 1,
             length == 0 ? "GET, HEAD" : route->path);
}

/* NULL, with the reply's `allow` set, when the path has other methods only. */
static const struct route *find_route(struct request *rq, const char *method,
                                      bool *malformed)
{
    rq->reply.allow[0] = '\0';
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *segment = NULL;
        size_t size = 0;
        if (!matches(path_of(&routes[i]), rq->params.path, &segment, &size))
            continue;
        allow(&rq->reply, &routes[i]);
        if (!takes(&routes[i], method))
            continue;
        rq->argument = segment == NULL ? NULL : rq->argument_text;
        *malformed = segment != NULL &&
                     !params_segment(segment, size, rq->argument_text);
        return &routes[i];
    }
    return NULL;
}

/* What holds for every request, whatever it asks for. */
static bool acceptable(struct request *rq, const char *host)
{
    struct params_fault fault;

    if (host == NULL) {
        reply_problem(rq, PROBLEM_REQUEST, "the Host header is missing");
        return false;
    }
    if (!params_host_is_loopback(host)) {
        rq->http->refused_hosts++;
        reply_problem(rq, PROBLEM_HOST,
                      "the Host header does not name this machine's loopback "
                      "address; the API has no accounts yet");
        return false;
    }
    if (strlen(rq->target) > PARAMS_TARGET_BYTES_MAX) {
        reply_problem(rq, PROBLEM_TOO_LONG, "at most %d bytes",
                      PARAMS_TARGET_BYTES_MAX);
        return false;
    }
    if (!params_parse(rq->target, &rq->params, &fault)) {
        reply_parameter(rq, fault.parameter, fault.what);
        return false;
    }
    return true;
}

void routes_answer(struct request *rq, const char *method, const char *host)
{
    struct params_fault fault;
    bool malformed = false;

    if (rq->client->surplus) {
        reply_problem(rq, PROBLEM_BUSY, "more than %u connections",
                      rq->http->connections_max);
        rq->reply.close = true;
        return;
    }
    if (!acceptable(rq, host))
        return;
    rq->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (rq->head)
        method = MHD_HTTP_METHOD_GET;
    const struct route *route = find_route(rq, method, &malformed);
    if (route == NULL && rq->reply.allow[0] != '\0') {
        reply_problem(rq, PROBLEM_METHOD, "allowed here: %s", rq->reply.allow);
        return;
    }
    if (route == NULL) {
        reply_problem(rq, PROBLEM_NO_PATH,
                      "schema/openapi.yaml lists the addresses");
        return;
    }
    rq->route = route->id;
    if (malformed && route->id == ROUTE_REOPEN)
        reply_problem(rq, PROBLEM_NO_CLOSURE, "its number is malformed");
    else if (malformed && strstr(route->path, "/plans/") != NULL)
        reply_problem(rq, PROBLEM_NO_PLAN, "its number is malformed");
    else if (malformed && route->answer == answer_page)
        reply_problem(rq, PROBLEM_NO_PATH, "the address is malformed");
    else if (malformed)
        reply_problem(rq, PROBLEM_NO_UNIT, "the call sign is malformed");
    else if (!params_known(&rq->params, route->parameters, &fault))
        reply_parameter(rq, fault.parameter, fault.what);
    else
        route->answer(rq);
}

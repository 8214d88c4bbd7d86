/* Places by what people call them: street corners. */
#include "http_made.h"
#include <stdlib.h>
#include <string.h>

struct corners_job {
    struct made made; /* first */
    struct roads *roads;
    char typed[PARAMS_VALUE_BYTES_MAX + 1];
};

static void release(struct made *made)
{
    struct corners_job *job = (struct corners_job *)made;

    roads_unref(job->roads);
    free(job);
}

static void write_corner(struct json *json,
                         const struct closures_corner *corner)
{
    jw_object(json, NULL);
    jw_text(json, "kind", "corner");
    jw_text(json, "street", corner->street);
    jw_text(json, "cross_street", corner->cross);
    jw_lat_lon(json, corner->at);
    jw_bool(json, "best", corner->best);
    jw_object_end(json);
}

/* Without memory what is written is cut off, and told as that. */
static void write_places(struct made *made)
{
    struct corners_job *job = (struct corners_job *)made;
    struct closures_corner corners[CLOSURES_CORNERS_MAX];
    size_t count;

    if (closures_corners(job->roads, job->typed, corners, &count) != PT_OK) {
        made->json.failed = true;
        return;
    }
    jw_object(&made->json, NULL);
    jw_array(&made->json, "places");
    for (size_t i = 0; i < count; i++)
        write_corner(&made->json, &corners[i]);
    jw_array_end(&made->json);
    jw_object_end(&made->json);
}

void answer_places(struct request *rq)
{
    const struct roads *roads = dispatch_roads(rq->http->dispatch);
    const char *typed = params_get(&rq->params, "q");

    if (typed == NULL || *typed == '\0') {
        reply_parameter(rq, "q", "a street corner is needed, such as 23 y L");
        return;
    }
    if (roads == NULL) {
        reply_problem(rq, PROBLEM_NO_ROADS,
                      "patrolctl roads import brings one in");
        return;
    }
    struct corners_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    job->made = (struct made){
        .content_type = PLAIN_JSON, .write = write_places, .release = release};
    job->roads = roads_ref((struct roads *)roads);
    strcpy(job->typed, typed); /* params_get() bounds it */
    if (made_attach(rq, &job->made))
        made_start(&job->made);
}

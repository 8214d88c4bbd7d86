/* Where a planner would like units to stand comes from whoever reaches the
 * port: the body of POST /v1/coverage/posts. What is taken is within the stated
 * limits. */
#include "fuzz.h"
#include "http_posts_body.h"

#include <string.h>

static void check_places(const struct posts_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(places[i].by_id ? places[i].post_id > 0
                                   : geo_valid(places[i].at));
}

static bool is_weight(double weight)
{
    return weight >= 0 && weight <= SITING_WEIGHT_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct posts_body body;
    struct body_fault fault;
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    bool taken = posts_body_parse(bytes, size, &body, &fault);
    free(bytes);
    if (!taken) {
        FUZZ_CHECK(*fault.what != '\0');
        FUZZ_CHECK(strlen(fault.member) < sizeof fault.member);
        return 0;
    }
    FUZZ_CHECK(body.post_count >= 1 && body.post_count <= SITING_POSTS_MAX);
    FUZZ_CHECK(body.fold >= 1 && body.fold <= COVERAGE_FOLD);
    FUZZ_CHECK(body.kept_count <= body.post_count);
    FUZZ_CHECK(body.candidate_count <= SITING_GIVEN_MAX);
    FUZZ_CHECK(body.point_count <= SITING_POINTS_MAX);
    FUZZ_CHECK(body.seconds >= 1 && body.seconds <= POSTS_BODY_SECONDS_MAX);
    FUZZ_CHECK(is_weight(body.mission_weight) && is_weight(body.km_weight));
    check_places(body.kept, body.kept_count);
    check_places(body.candidates, body.candidate_count);
    for (size_t i = 0; i < body.weight_count; i++)
        FUZZ_CHECK(is_weight(body.weights[i].weight));
    for (size_t i = 0; i < body.point_count; i++)
        FUZZ_CHECK(is_weight(body.points[i].weight) &&
                   geo_valid(body.points[i].at));
    posts_body_clear(&body);
    return 0;
}

/* What a planner would like to have planned comes from whoever reaches the
 * port: the body of POST /v1/coverage/plans. What is taken is within the stated
 * limits, no hour is in two groups, and what is kept of it is JSON. */
#include "fuzz.h"
#include "http_plan_body.h"

#include <string.h>

static void check_groups(const struct plan_body *body)
{
    for (unsigned h = 0; h < PLAN_HOURS; h++) {
        unsigned times = 0;
        for (size_t g = 0; g < body->group_count; g++)
            times += body->groups[g].hours[h];
        FUZZ_CHECK(times <= 1);
    }
    for (size_t g = 0; g < body->group_count; g++)
        FUZZ_CHECK(memchr(body->groups[g].hours, true, PLAN_HOURS) != NULL &&
                   body->groups[g].name[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan_body body;
    struct body_fault fault;
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    bool taken = plan_body_parse(bytes, size, 90, &body, &fault);
    free(bytes);
    if (!taken) {
        FUZZ_CHECK(*fault.what != '\0');
        FUZZ_CHECK(strlen(fault.member) < sizeof fault.member);
        return 0;
    }
    FUZZ_CHECK(body.unit_count >= 1 && body.unit_count <= PLAN_UNITS_MAX);
    for (size_t i = 0; i < body.unit_count; i++)
        FUZZ_CHECK(body.units[i] >= 1 && body.units[i] <= SITING_POSTS_MAX &&
                   (i == 0 || body.units[i] > body.units[i - 1]));
    FUZZ_CHECK(body.posts.kept_count <= body.units[0]);
    FUZZ_CHECK(body.posts.hour == TERMS_NOW);
    FUZZ_CHECK(body.group_count <= PLAN_GROUPS_MAX);
    check_groups(&body);
    json_t *settings = json_loads(body.settings, 0, NULL);
    FUZZ_CHECK(json_is_object(settings));
    json_decref(settings);
    plan_body_clear(&body);
    return 0;
}

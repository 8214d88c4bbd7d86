/* What would be comes from whoever reaches the port: the body of
 * POST /v1/coverage/what-if. What is taken is within the stated limits. */
#include "fuzz.h"
#include "http_whatif_body.h"
#include "http_words.h"

#include <string.h>

static void check_change(const struct whatif_change *change)
{
    FUZZ_CHECK(change->name[0] != '\0' && strlen(change->name) < 65);
    FUZZ_CHECK(!change->has_point || geo_valid(change->at));
    FUZZ_CHECK(change->status < PT_STATUS_COUNT);
    FUZZ_CHECK(!change->added || (change->has_point && !change->removed));
    FUZZ_CHECK(!change->removed || (!change->has_point && !change->has_status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whatif_body body;
    struct body_fault fault;
    char hour[WORDS_HOUR_BYTES];
    int again = 0;
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    bool taken = whatif_body_parse(bytes, size, &body, &fault);
    free(bytes);
    FUZZ_CHECK(taken || *fault.what != '\0');
    FUZZ_CHECK(memchr(fault.member, '\0', sizeof fault.member) != NULL);
    FUZZ_CHECK(body.change_count <= WHATIF_CHANGES_MAX);
    FUZZ_CHECK(body.closure_count <= WHATIF_CLOSURES_MAX);
    FUZZ_CHECK(body.promise_count <= WHATIF_PROMISES_MAX);
    for (size_t i = 0; taken && i < body.change_count; i++)
        check_change(&body.changes[i]);
    for (size_t i = 0; taken && i < body.promise_count; i++)
        FUZZ_CHECK(body.promises[i].promise_s >= 1 &&
                   body.promises[i].promise_s <= 86400);
    if (taken && body.hour != TERMS_NOW) {
        words_hour(LANGUAGE_EN, (unsigned)body.hour, hour);
        FUZZ_CHECK(whatif_hour_parse(hour, &again) && again == body.hour);
    }
    whatif_body_clear(&body);
    return 0;
}

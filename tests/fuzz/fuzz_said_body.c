/* What was heard by radio, and what was seen, come from whoever reaches the
 * port: the bodies of PUT /v1/units/{call_sign}/heard and seen. What is taken
 * is within the stated limits. */
#include "fuzz.h"
#include "http_said_body.h"

#include <string.h>

#define NOW_MS INT64_C(1718452800000)

static void check_fault(const struct body_fault *fault)
{
    FUZZ_CHECK(*fault->what != '\0');
    FUZZ_CHECK(strlen(fault->member) < sizeof fault->member);
}

static void check_heard(const struct fleet_radio *radio)
{
    FUZZ_CHECK(radio->heard_ms <= NOW_MS);
    FUZZ_CHECK(radio->heard_ms >= NOW_MS - FLEET_RADIO_MAX_MS);
    FUZZ_CHECK(radio->status < PT_STATUS_COUNT);
    FUZZ_CHECK(!radio->has_point || geo_valid(radio->at));
    FUZZ_CHECK(strlen(radio->place) < sizeof radio->place);
    FUZZ_CHECK(strlen(radio->note) < sizeof radio->note);
    FUZZ_CHECK(strlen(radio->who) < sizeof radio->who);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard_body heard;
    struct seen_body seen;
    struct body_fault fault;
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    if (heard_body_parse(bytes, size, NOW_MS, &heard, &fault))
        check_heard(&heard.radio);
    else
        check_fault(&fault);
    if (seen_body_parse(bytes, size, &seen, &fault))
        FUZZ_CHECK(seen.what < FLEET_SAYINGS && seen.at_ms >= 0 &&
                   strlen(seen.who) < sizeof seen.who);
    else
        check_fault(&fault);
    free(bytes);
    return 0;
}

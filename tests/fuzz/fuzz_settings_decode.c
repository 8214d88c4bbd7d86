/* A vehicle takes settings from whoever the broker lets write to it. What
 * decodes is within the limits, and encodes and decodes to the same again. */
#include "fuzz.h"
#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX];
    struct pt_settings settings, again;
    size_t used;

    if (pt_settings_decode(data, size, &settings) != PT_OK)
        return 0;
    FUZZ_CHECK(pt_settings_valid(&settings));
    FUZZ_CHECK(pt_settings_encode(&settings, bytes, sizeof bytes, &used) ==
               PT_OK);
    FUZZ_CHECK(pt_settings_decode(bytes, used, &again) == PT_OK);
    FUZZ_CHECK(again.revision == settings.revision);
    FUZZ_CHECK(again.bound_dm == settings.bound_dm);
    FUZZ_CHECK(again.bound_assigned_dm == settings.bound_assigned_dm);
    FUZZ_CHECK(again.moving_s == settings.moving_s);
    FUZZ_CHECK(again.parked_s == settings.parked_s);
    FUZZ_CHECK(again.assigned == settings.assigned);
    return 0;
}

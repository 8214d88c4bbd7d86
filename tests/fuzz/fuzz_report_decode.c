/* Any device with a certificate can send any bytes as its report. What
 * decodes must be within the stated limits, and encode and decode to the
 * same again. */
#include "fuzz.h"
#include "report.h"

#include <string.h>

static void check_same(const struct pt_report *a, const struct pt_report *b)
{
    FUZZ_CHECK(a->generation == b->generation);
    FUZZ_CHECK(a->lowest_held == b->lowest_held);
    FUZZ_CHECK(a->count == b->count);
    FUZZ_CHECK(a->state.present == b->state.present);
    for (size_t i = 0; i < a->count; i++) {
        struct pt_entry x = a->entries[i], y = b->entries[i];
        FUZZ_CHECK((x.detail == NULL) == (y.detail == NULL));
        FUZZ_CHECK(x.detail == NULL || strcmp(x.detail, y.detail) == 0);
        FUZZ_CHECK(x.seq == y.seq && x.time_ms == y.time_ms);
        FUZZ_CHECK(x.at.lat_e6 == y.at.lat_e6 && x.at.lon_e6 == y.at.lon_e6);
        FUZZ_CHECK(x.speed_cmps == y.speed_cmps);
        FUZZ_CHECK(x.course_cdeg == y.course_cdeg);
        FUZZ_CHECK(x.accuracy_dm == y.accuracy_dm);
        FUZZ_CHECK(x.flags == y.flags && x.status == y.status);
        FUZZ_CHECK(x.kind == y.kind);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[PT_REPORT_BYTES_MAX];
    struct pt_report report, again;
    size_t used;
    enum pt_err err;

    if (pt_report_decode(data, size, &report) != PT_OK)
        return 0;
    for (size_t i = 0; i < report.count; i++)
        FUZZ_CHECK(pt_entry_valid(&report.entries[i]));
    err = pt_report_encode(&report, bytes, sizeof bytes, &used);
    if (err == PT_OK) {
        FUZZ_CHECK(used <= pt_report_bound(&report));
        FUZZ_CHECK(pt_report_decode(bytes, used, &again) == PT_OK);
        check_same(&report, &again);
        pt_report_clear(&again);
    } else {
        /* Two coordinates more than 2^31 apart, with an entry that has none
         * half-way between them: needs coordinates off the globe. */
        bool off_globe = false;
        for (size_t i = 0; i < report.count; i++)
            off_globe = off_globe || !geo_valid(report.entries[i].at);
        FUZZ_CHECK(err == PT_E_FULL || (err == PT_E_RANGE && off_globe));
    }
    pt_report_clear(&report);
    return 0;
}

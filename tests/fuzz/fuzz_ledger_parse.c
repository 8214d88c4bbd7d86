/* The receipt row of a database that somebody else may have written to: byte
 * 0 is stored_to, the rest the ranges' text. There is one text for a ledger,
 * so what is taken must be written again byte for byte. */
#include "fuzz.h"
#include "ledger.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[LEDGER_TEXT_MAX];
    struct ledger ledger;
    char *ranges;

    if (size == 0)
        return 0;
    ranges = strndup((const char *)data + 1, size - 1);
    FUZZ_CHECK(ranges != NULL);
    if (ledger_parse(data[0], ranges, &ledger) == PT_OK) {
        FUZZ_CHECK(ledger.stored_to == data[0]);
        FUZZ_CHECK(ledger_ranges_text(&ledger, text, sizeof text) == PT_OK);
        FUZZ_CHECK(strcmp(text, ranges) == 0);
        for (size_t i = 0; i < ledger.range_count; i++) {
            FUZZ_CHECK(ledger_has(&ledger, ledger.ranges[i].first));
            FUZZ_CHECK(!ledger_has(&ledger, ledger.ranges[i].first - 1));
            FUZZ_CHECK(ledger_has(&ledger, ledger.ranges[i].last));
            FUZZ_CHECK(!ledger_has(&ledger, ledger.ranges[i].last + 1));
        }
        (void)ledger_close_below(&ledger, UINT64_MAX);
        FUZZ_CHECK(ledger.range_count == 0 && ledger.stored_to == PT_SEQ_MAX);
    }
    free(ranges);
    return 0;
}

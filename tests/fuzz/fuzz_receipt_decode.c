/* A vehicle takes receipts from whoever the broker lets write to it. A
 * receipt that decodes must encode and decode to the same again, and go
 * through a ledger unchanged. */
#include "fuzz.h"
#include "ledger.h"
#include "report.h"

#include <string.h>

static void check_same(const struct pt_receipt *a, const struct pt_receipt *b)
{
    FUZZ_CHECK(a->generation == b->generation);
    FUZZ_CHECK(a->stored_to == b->stored_to);
    FUZZ_CHECK(a->range_count == b->range_count);
    FUZZ_CHECK(memcmp(a->ranges, b->ranges,
                      a->range_count * sizeof a->ranges[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[PT_RECEIPT_BYTES_MAX];
    struct pt_receipt receipt, again;
    struct ledger ledger;
    size_t used;

    if (pt_receipt_decode(data, size, &receipt) != PT_OK)
        return 0;
    FUZZ_CHECK(pt_receipt_encode(&receipt, bytes, sizeof bytes, &used) ==
               PT_OK);
    FUZZ_CHECK(pt_receipt_decode(bytes, used, &again) == PT_OK);
    check_same(&receipt, &again);
    ledger_init(&ledger);
    FUZZ_CHECK(ledger_merge(&ledger, &receipt) == PT_OK);
    FUZZ_CHECK(ledger_merge(&ledger, &receipt) == PT_OK);
    ledger_to_receipt(&ledger, receipt.generation, &again);
    check_same(&receipt, &again);
    return 0;
}

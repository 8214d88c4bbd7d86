#ifndef PT_LEDGER_H
#define PT_LEDGER_H
/* ledger: which sequence numbers of one generation are stored. The gateway's
 * memory of a (device, generation), and the agent's of what was receipted.
 * No I/O, no clock. One thread at a time per ledger. */
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ranges kept above stored_to. A sender that leaves more holes than this has
 * its furthest entries refused until the holes close (it sends again). */
#define LEDGER_RANGES_MAX PT_RECEIPT_RANGES_MAX

struct ledger {
    uint64_t stored_to; /* 1..stored_to are stored or closed */
    size_t range_count;
    struct pt_range ranges[LEDGER_RANGES_MAX]; /* ascending, apart, above */
};

void ledger_init(struct ledger *ledger);

bool ledger_has(const struct ledger *ledger, uint64_t seq);

/* Marks one number stored. PT_OK also when it was already. PT_E_FULL when it
 * would need one range more than fit; PT_E_RANGE for 0 and above
 * PT_SEQ_MAX. */
PT_MUST_CHECK enum pt_err ledger_add(struct ledger *ledger, uint64_t seq);

/* The sender no longer holds anything below `lowest`: closes every hole
 * below it. Returns how many numbers were closed that had not been stored
 * (lost with a full outbox). */
uint64_t ledger_close_below(struct ledger *ledger, uint64_t lowest);

void ledger_to_receipt(const struct ledger *ledger, uint64_t generation,
                       struct pt_receipt *ret);

/* Takes a receipt over (union). PT_E_FULL when the ranges do not fit,
 * PT_E_RANGE when the receipt's do not ascend; `ledger` is untouched then. */
PT_MUST_CHECK enum pt_err ledger_merge(struct ledger *ledger,
                                       const struct pt_receipt *receipt);

/* PostgreSQL's text form of an int8multirange of the ranges above stored_to,
 * "{[5,8),[10,11)}"; "{}" when none. PT_E_FULL when `size` is too small:
 * LEDGER_TEXT_MAX always suffices. */
#define LEDGER_TEXT_MAX (LEDGER_RANGES_MAX * 44 + 3)
PT_MUST_CHECK enum pt_err ledger_ranges_text(const struct ledger *ledger,
                                             char *out, size_t size);
/* The way back, for the text as PostgreSQL writes it (no blanks, bounds as
 * above). PT_E_MALFORMED, also for ranges that overlap, touch or do not
 * ascend, leaves `ret` untouched. */
PT_MUST_CHECK enum pt_err ledger_parse(uint64_t stored_to, const char *ranges,
                                       struct ledger *ret);

#endif

#ifndef PT_REPORT_H
#define PT_REPORT_H
/* report: the codec of schema/report/report.proto. Pure functions, any
 * thread. What comes in is from strangers: every count, number and text is
 * checked before it is believed. */
#include "geo.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits, also of the decoder. */
#define PT_REPORT_ENTRIES_MAX 4096 /* a batch; about 40 kB on the wire */
#define PT_REPORT_BYTES_MAX 262144 /* a message that is longer is refused */
#define PT_DETAIL_BYTES_MAX 240
#define PT_RECEIPT_RANGES_MAX 64
#define PT_RECEIPT_SEEN_MAX 8
/* One past it, the end of a range, still fits PostgreSQL's int8. */
#define PT_SEQ_MAX ((uint64_t)INT64_MAX - 1)
#define PT_TIME_MS_MAX 253402300799999 /* the end of year 9999 */
#define PT_SPEED_CMPS_MAX ((uint32_t)INT32_MAX)
#define PT_ACCURACY_DM_MAX ((uint32_t)INT32_MAX)
#define PT_SATELLITES_MAX 1000

/* Entry flags, bits 0..7. */
enum pt_flag {
    PT_FLAG_POSITION = 1u << 0, /* lat/lon are a fix of the receiver */
    PT_FLAG_SPEED = 1u << 1,
    PT_FLAG_COURSE = 1u << 2,
    PT_FLAG_ACCURACY = 1u << 3,
    PT_FLAG_3D = 1u << 4,           /* else a 2D fix */
    PT_FLAG_CLOCK_UNSURE = 1u << 5, /* time is the system's, not a receiver's */
    PT_FLAG_UNSAFE = 1u << 6, /* the outbox could not be written when made */
};

enum pt_status { /* bits 8..11 of the flags on the wire */
                 PT_STATUS_UNKNOWN = 0,
                 PT_STATUS_AVAILABLE,
                 PT_STATUS_EN_ROUTE,
                 PT_STATUS_ON_SCENE,
                 PT_STATUS_BUSY,
                 PT_STATUS_OFF_DUTY,
                 PT_STATUS_COUNT
};

enum pt_kind { /* bits 12..15 of the flags on the wire */
               PT_KIND_FIX = 0,
               PT_KIND_STATUS, /* the crew changed its status */
               PT_KIND_PANIC,
               PT_KIND_ANSWER, /* to an order; detail names it */
               PT_KIND_LOGON,  /* detail names the crew */
               PT_KIND_COUNT
};

/* The words of the database and of the API: "available", "en_route", ... and
 * "fix", "status", ... Never NULL; "unknown" outside the lists. */
const char *pt_status_name(enum pt_status status);
const char *pt_kind_name(enum pt_kind kind);
/* False and `ret` untouched when the word is none of them. */
bool pt_status_parse(const char *word, enum pt_status *ret);

/* One thing worth sending. A value whose flag is off is 0 and means
 * nothing. */
struct pt_entry {
    uint64_t seq;    /* 1..PT_SEQ_MAX, ascending within a report */
    int64_t time_ms; /* UTC since 1970, 0..PT_TIME_MS_MAX */
    struct geo_point at;
    uint32_t speed_cmps;
    uint32_t course_cdeg; /* 0..35999 */
    uint32_t accuracy_dm;
    uint8_t flags;      /* enum pt_flag */
    uint8_t status;     /* enum pt_status */
    uint8_t kind;       /* enum pt_kind */
    const char *detail; /* NULL, or UTF-8 of at most PT_DETAIL_BYTES_MAX */
};

/* All limits of one entry, its detail's bytes included: whoever queues
 * entries asks this first, because a report with an entry that breaks one is
 * neither encoded nor decoded. Coordinates may be any number. */
bool pt_entry_valid(const struct pt_entry *entry);

enum pt_power {
    PT_POWER_UNKNOWN = 0,
    PT_POWER_EXTERNAL, /* ignition, mains, USB: fed from outside */
    PT_POWER_BATTERY,  /* its own */
    PT_POWER_COUNT
};
/* "external", "battery"; NULL when unknown or outside the list. */
const char *pt_power_name(enum pt_power power);

/* Absent is never 0: each has its own "not said". */
struct pt_vehicle_state {
    bool present;
    int64_t now_ms;
    int receiver_mode;     /* -1 not said, else gpsd's 0..3 */
    int satellites_used;   /* -1 not said */
    uint64_t outbox_depth; /* to INT64_MAX, as is `dropped` */
    int64_t oldest_age_s;  /* -1 not said: none is held, or no clock to tell */
    uint64_t dropped;
    uint32_t next_due_s;        /* 0 not said */
    uint64_t settings_revision; /* of pt_settings; 0 none; to INT64_MAX */
    bool clock_known;           /* the next is said */
    int64_t clock_offset_ms;    /* now_ms less the receiver's time, within
                                   +-PT_TIME_MS_MAX */
    enum pt_power power;
    int battery_percent; /* -1 not said, else 0..100 */
};

/* Says nothing: what a state begins as. */
#define PT_VEHICLE_STATE_UNSAID                                         \
    {                                                                   \
        .receiver_mode = -1, .satellites_used = -1, .oldest_age_s = -1, \
        .battery_percent = -1,                                          \
    }

struct pt_report {
    uint64_t generation;  /* not 0 */
    uint64_t lowest_held; /* lowest number the outbox still holds, at most
                             the first entry's; with no entries: 0 when not
                             said */
    struct pt_vehicle_state state;
    size_t count;
    struct pt_entry *entries; /* ascending seq */
    void *memory;             /* what pt_report_clear() frees */
};

/* Bytes that pt_report_encode() may need at most for this report. */
size_t pt_report_bound(const struct pt_report *report);

/* Writes at most `size` bytes to `out`; `ret` is how many. PT_E_RANGE when an
 * entry or the state breaks a limit above, seq does not ascend, or two
 * coordinates lie farther apart than 2^31; PT_E_FULL when `size` or
 * PT_REPORT_BYTES_MAX is too small. Allocates nothing. */
PT_MUST_CHECK enum pt_err pt_report_encode(const struct pt_report *report,
                                           uint8_t *out, size_t size,
                                           size_t *ret);

/* Decodes one message. On success the caller owns `ret` and gives it to
 * pt_report_clear(); entries and their details live inside it.
 * PT_E_MALFORMED: not a report. PT_E_RANGE: a number or count that cannot be
 * (generation 0, seq 0, columns of unequal length, unknown status or kind,
 * course over 359.99, ...), a detail that is not UTF-8, a message of more
 * than PT_REPORT_BYTES_MAX bytes or one that would need more than 2 MiB to
 * take apart. PT_E_NOMEM. Positions outside the globe are decoded as they
 * are: whether to believe them is intake's matter. Fields that are not known
 * are passed over. */
PT_MUST_CHECK enum pt_err pt_report_decode(const uint8_t *bytes, size_t size,
                                           struct pt_report *ret);
void pt_report_clear(struct pt_report *report); /* zeroed or decoded */

/* "Stored": closed ranges [first, last] of sequence numbers. */
struct pt_range {
    uint64_t first;
    uint64_t last;
};

/* An act of the crew that somebody in the control room has seen, and when. */
struct pt_seen {
    uint64_t seq;    /* 1..PT_SEQ_MAX */
    int64_t time_ms; /* UTC since 1970, 0..PT_TIME_MS_MAX */
};

struct pt_receipt {
    uint64_t generation;
    uint64_t stored_to; /* all numbers 1..stored_to; 0: none */
    size_t range_count;
    struct pt_range ranges[PT_RECEIPT_RANGES_MAX]; /* ascending, apart */
    size_t seen_count;
    struct pt_seen seen[PT_RECEIPT_SEEN_MAX];
};

/* Always suffices; longer is refused: 9 for the generation, 11 for stored_to,
 * 64 ranges and 8 times seen of at most 20 each, two lengths of 3. */
#define PT_RECEIPT_BYTES_MAX 1466

/* PT_E_RANGE when ranges touch or do not ascend, generation is 0, or what was
 * seen breaks a limit above. */
PT_MUST_CHECK enum pt_err pt_receipt_encode(const struct pt_receipt *receipt,
                                            uint8_t *out, size_t size,
                                            size_t *ret);
/* Errors as pt_report_decode(). */
PT_MUST_CHECK enum pt_err pt_receipt_decode(const uint8_t *bytes, size_t size,
                                            struct pt_receipt *ret);

/* How closely the control room wants to be told: report.proto's Settings. What
 * is 0 is not said. */
#define PT_SETTINGS_BOUND_DM_MAX 100000u
#define PT_SETTINGS_INTERVAL_S_MAX 3600u
/* Always suffices, with room for what a later version says as well; longer is
 * refused. */
#define PT_SETTINGS_BYTES_MAX 256

struct pt_settings {
    uint64_t revision; /* 1..INT64_MAX */
    uint32_t bound_dm;
    uint32_t bound_assigned_dm;
    uint32_t moving_s;
    uint32_t parked_s;
    bool assigned;
};

/* All limits: what breaks one is neither encoded nor decoded. */
bool pt_settings_valid(const struct pt_settings *settings);
/* PT_E_RANGE, PT_E_FULL. */
PT_MUST_CHECK enum pt_err pt_settings_encode(const struct pt_settings *settings,
                                             uint8_t *out, size_t size,
                                             size_t *ret);
/* Errors as pt_report_decode(); fields that are not known are passed over. */
PT_MUST_CHECK enum pt_err pt_settings_decode(const uint8_t *bytes, size_t size,
                                             struct pt_settings *ret);

#endif

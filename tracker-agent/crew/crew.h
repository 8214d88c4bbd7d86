#ifndef CREW_H
#define CREW_H
/* crew: what the crew says, and what has become of it. Pure, no I/O and no
 * clock of its own; one thread.
 *
 * What is said becomes an entry of the outbox and goes the way of every fix.
 * The newest CREW_ACTS_MAX are remembered so that the crew sees how far each
 * has come. */
#include "pt_err.h"
#include "report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREW_ACTS_MAX 16
/* Bytes of UTF-8 without control characters, of the crew's name and of a
 * place in words; both go as an entry's detail. */
#define CREW_TEXT_MAX 120
/* What tells an act said again from another one: printable ASCII. */
#define CREW_KEY_MAX 40
/* Of an act that was said while nothing took it. */
#define CREW_AGO_MAX_MS 3600000
#define CREW_BODY_MAX 1024 /* bytes of crew_body_parse() */

enum crew_what {
    CREW_STATUS, /* `status` */
    CREW_PANIC,
    CREW_LOGON,  /* `text` names the crew */
    CREW_LOGOFF, /* nobody is logged on, off duty */
    CREW_PLACE,  /* `text`: where we are, in words; "" takes it back */
    CREW_WHAT_COUNT
};
/* "status", "panic", "logon", "logoff", "place". */
const char *crew_what_name(enum crew_what what);

struct crew_say {
    char key[CREW_KEY_MAX + 1];
    enum crew_what what;
    enum pt_status status;
    char text[CREW_TEXT_MAX + 1];
    int64_t ago_ms; /* said so long ago, 0..CREW_AGO_MAX_MS */
};

/* An act as the crew's page sends it, {"key","act"[,"status"][,"text"]
 * [,"ago_ms"]}: what an act does not need must not be there. PT_E_MALFORMED:
 * not JSON, or not an object; PT_E_RANGE: a member is missing, unknown or
 * outside its limits; PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err crew_body_parse(const char *bytes, size_t size,
                                          struct crew_say *ret);

enum crew_delivery {
    CREW_QUEUED, /* in the vehicle, not yet receipted */
    CREW_STORED, /* the control room's database has it */
    CREW_LOST,   /* the outbox gave up entries, and this may be one */
    CREW_SEEN,   /* somebody in the control room has said that he saw it */
};
const char *crew_delivery_name(enum crew_delivery delivery);

/* Where the outbox holds an act, and what the gateway knows it by. */
struct crew_held {
    uint64_t number; /* the outbox's own */
    uint64_t generation, seq;
};

struct crew_act {
    char key[CREW_KEY_MAX + 1]; /* "": found in the outbox at start */
    enum crew_what what;
    enum pt_status status; /* since then */
    char text[CREW_TEXT_MAX + 1];
    int64_t time_ms; /* of the entry */
    enum crew_delivery delivery;
    int64_t seen_ms;         /* UTC, of the gateway's clock; 0: not seen */
    struct crew_held held;   /* under this numbering ... */
    unsigned numbering;      /* ... of an outbox ... */
    uint64_t dropped_before; /* ... that had dropped so many by then */
};

/* Callers read; crew_*() write. */
struct crew {
    enum pt_status status;
    int64_t status_ms; /* said then; 0: by the settings */
    char name[CREW_TEXT_MAX + 1];
    int64_t name_ms; /* 0: nobody is logged on */
    char place[CREW_TEXT_MAX + 1];
    int64_t place_ms; /* 0: none was said */
    size_t count;
    struct crew_act acts[CREW_ACTS_MAX]; /* newest first */
};

/* Nobody is logged on, nothing was said. */
void crew_init(struct crew *crew, enum pt_status status);

/* Said before under this key, and still remembered. */
bool crew_has(const struct crew *crew, const char *key);

/* The entry that says it: its time is `time_ms`, its status the one after it.
 * Position, speed and so on are the caller's; `entry->detail` is borrowed from
 * `say`. Changes nothing. */
struct pt_entry crew_entry(const struct crew *crew, const struct crew_say *say,
                           int64_t time_ms);

/* An outbox as far as an act's delivery hangs on it. */
struct crew_outbox {
    unsigned numbering;
    uint64_t lowest, depth, dropped;
};

/* It is said: `entry` is held. */
void crew_said(struct crew *crew, const struct crew_say *say,
               const struct pt_entry *entry, const struct crew_held *held,
               const struct crew_outbox *box);

/* At start: an act that the outbox still holds, older ones first. What is no
 * act is passed over. Changes neither status nor name. */
void crew_found(struct crew *crew, const struct pt_entry *entry,
                const struct crew_held *held, const struct crew_outbox *box);

/* A receipt in the outbox's numbers (outbox_place()). True: an act is stored
 * that was not. */
bool crew_receipted(struct crew *crew, const struct pt_receipt *placed,
                    unsigned numbering);

/* The control room says that it was seen. True: that is news. What this
 * program does not remember (it was started since) is passed over. */
bool crew_seen(struct crew *crew, uint64_t generation, uint64_t seq,
               int64_t time_ms);

/* What is no longer held is stored or, if the outbox has dropped anything
 * since, lost. True: that changed anything. */
bool crew_follow(struct crew *crew, const struct crew_outbox *box);

/* ---- what outlives the program: status, crew and place */

#define CREW_KEPT_MAX 512 /* bytes, always suffices */
/* Lines "word time text"; returns the bytes. */
size_t crew_write(const struct crew *crew, char out[CREW_KEPT_MAX]);
/* False, and nothing changed, when it is not what crew_write() wrote. */
bool crew_read(struct crew *crew, const char *bytes, size_t size);

#endif

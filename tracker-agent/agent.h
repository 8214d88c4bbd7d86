#ifndef AGENT_H
#define AGENT_H
/* agent: what the parts of the in-vehicle program share. Loop thread only.
 *
 *   receiver -> position.c -> outbox -> delivery.c -> link
 *                                          ^-- receipts --'
 *                             pace <-- remote.c <-- settings --'
 */
#include "crew.h"
#include "crew_page.h"
#include "outbox.h"
#include "pace.h"
#include "power.h"
#include "receiver.h"
#include "settings.h"
#include "uplink.h"
#include <uv.h>

struct agent {
    struct agent_settings settings;
    uv_loop_t loop;
    uv_signal_t on_term, on_int;
    uv_timer_t tick; /* once a second */
    uv_timer_t next; /* when the uplink may have something */

    struct outbox *outbox;
    struct receiver *receiver;
    struct power *power;
    struct link *link;
    struct pace pace;
    struct uplink uplink;
    struct crew crew;
    struct crew_page *page;

    /* The control room's settings (remote.c); revision 0: none. */
    struct pt_settings remote;
    uint64_t remote_kept; /* the revision on disk, which is acknowledged */
    uint64_t remote_refused, remote_late;

    /* Position (position.c). */
    bool gpsd_up, device_present;
    enum receiver_mode fix_mode; /* of the last TPV */
    int satellites_used;         /* -1: not said */
    struct receiver_fix fix;     /* the newest with a position ... */
    uint64_t fix_ms;             /* ... came then; 0: none yet */
    bool receiver_time_known;
    int64_t receiver_ahead_ms;    /* its UTC less the loop's clock, at a fix */
    uint64_t mode_other_since_ms; /* differs from what was said; 0: no */

    /* Delivery (delivery.c). */
    unsigned numbering;            /* of the outbox, that the uplink knows */
    uint64_t uncommitted_since_ms; /* 0: all is on disk */
    uint64_t commit_again_ms;      /* after a failure; 0: none */
    bool disk_failing;
    uint64_t disk_told_ms;        /* when the log last said so */
    struct pt_entry *entries;     /* settings.uplink_batch */
    uint32_t batch_max;           /* halved when a broker refuses the size */
    uint8_t *message;             /* PT_REPORT_BYTES_MAX */
    enum pt_err send_error;       /* of the last try, so that it is told once */
    uint64_t state_said_ms;       /* when a message last carried the state; 0 */
    struct pt_vehicle_state said; /* that state; not present: none yet on this
                                     connection */

    uint64_t receipted;       /* entries, since the start */
    uint64_t receipt_ms;      /* when the last receipt came; 0: none yet */
    uint64_t traffic_told_ms; /* when the log last said what it cost */

    int closing; /* handles and modules not yet gone */
};

/* --- position.c ---------------------------------------------------------- */

struct receiver_events agent_receiver_events(struct agent *agent);
/* UTC; of the receiver's time where it was ever heard, else the clock's, and
 * then `unsure`. */
int64_t agent_utc_ms(const struct agent *agent, bool *unsure);
/* There is a position, and `fix` is it, no older than that. */
bool agent_has_fix(const struct agent *agent, uint64_t age_max_ms);
/* What the vehicle knows of itself, for a message. */
struct pt_vehicle_state agent_state(const struct agent *agent);
/* Once a second: a mode that the gateway has not been told for a while is
 * said without waiting for the next report. */
void agent_watch_mode(struct agent *agent);

/* --- remote.c ------------------------------------------------------------ */

/* The settings kept from before, into the pace, which is initialized. */
void agent_remote_open(struct agent *agent);
/* A message on our settings topic: kept, in force and acknowledged; what
 * cannot be is logged, counted and changes nothing. Late is a revision below
 * the one in force, when that was not withdrawn (no bytes) in between. What
 * the disk does not take is in force, and not acknowledged. */
void agent_remote_take(struct agent *agent, const void *payload, size_t size);
/* After the crew's status has changed: en route is assigned. */
void agent_assign(struct agent *agent);

/* --- kept.c -------------------------------------------------------------- */

/* Writes the file beside the outbox that ends in `suffix`, whole or not at
 * all; no bytes: there is none. False, and told in the log: the old one
 * stays. */
bool agent_keep(const struct agent *agent, const char *suffix,
                const void *bytes, size_t size);
/* At most `size` of its bytes; 0: there is none, or it cannot be read, which
 * the log tells. */
size_t agent_kept(const struct agent *agent, const char *suffix, void *bytes,
                  size_t size);

/* --- saying.c ------------------------------------------------------------ */

/* What the crew said before, and what of it the outbox still holds; after
 * agent_delivery_open(). */
void agent_crew_open(struct agent *agent);
/* The crew says something. PT_OK: it is held, and on disk unless the log says
 * that the disk fails; also when it was said before under that key. */
PT_MUST_CHECK enum pt_err agent_say(struct agent *agent,
                                    const struct crew_say *say);
/* Once a second: what has become of it. */
void agent_crew_follow(struct agent *agent);
/* crew_page_calls.state; `context` is the agent. */
char *agent_crew_state(void *context, bool locked,
                       const struct crew_page_refused *refused);

/* --- traffic.c ----------------------------------------------------------- */

/* Logs what all connections since the start have cost. */
void agent_traffic_tell(struct agent *agent);
/* Once a second: tells it once an hour. */
void agent_traffic_due(struct agent *agent);

/* --- delivery.c ---------------------------------------------------------- */

PT_MUST_CHECK enum pt_err agent_delivery_open(struct agent *agent);
void agent_delivery_close(struct agent *agent);
struct link_events agent_link_events(struct agent *agent);
/* Holds the entry and sends what is due. */
void agent_put(struct agent *agent, const struct pt_entry *entry);
/* The same for what the crew does: written to disk now, with all before it.
 * Its number, and the outbox just after it took it. */
struct crew_outbox agent_outbox_now(const struct agent *agent);
PT_MUST_CHECK enum pt_err agent_put_act(struct agent *agent,
                                        const struct pt_entry *entry,
                                        uint64_t *number,
                                        struct crew_outbox *box);
/* Says the state now; nothing happens while offline. */
void agent_heartbeat(struct agent *agent);
/* Once a second: commits what is due. */
void agent_commit_due(struct agent *agent);
/* Does what the uplink says until it has nothing more, and arms `next`. */
void agent_pump(struct agent *agent);

#endif

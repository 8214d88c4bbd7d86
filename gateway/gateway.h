#ifndef GATEWAY_H
#define GATEWAY_H
/* gateway: the program's own parts: its settings, what it holds, the steps of
 * its start and its tick. Loop thread only, unless it says so. */
#include "arrivals.h"
#include "batch.h"
#include "catalog.h"
#include "closures.h"
#include "config.h"
#include "counts.h"
#include "coverage.h"
#include "db.h"
#include "dispatch.h"
#include "fleet.h"
#include "http.h"
#include "intake.h"
#include "metrics.h"
#include "pacing.h"
#include "pt_err.h"
#include "pulse.h"
#include "roads.h"
#include "speeds.h"
#include "store.h"
#include "tiles.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Entries a tick carries at most: what is decoded in some milliseconds. */
#define GATEWAY_BATCH_MAX 8192

/* ------------------------------------------------------------------- settings
 */
struct settings {
    char *conninfo;
    int64_t database_probe_s;

    char *brokers;
    char *ca_file;
    char *cert_file;
    char *key_file;
    char *client_id;
    int64_t keepalive_s;
    int64_t broker_probe_s;

    char *listen;
    int64_t connections_max;
    int64_t streams_max;

    int64_t past_max_days;
    int64_t future_max_s;
    double jump_mps;
    int64_t receipt_every_s;
    int64_t intake_queue_mb;

    int64_t store_connections;
    int64_t store_queue_max;
    int64_t store_batch_max;
    int64_t keep_future_days;

    int64_t stale_after_s;
    int64_t limit_s;

    int64_t learn_every_h;
    int64_t learn_after_s;
    int64_t learn_days;

    char *coverage_profile; /* "": the network's first */
    int coverage_counts;    /* enum cover_counts */
    int64_t turnout_s;
    int64_t busy_turnout_s;
    int64_t position_max_s;
    int64_t coverage_promise_s;
    int64_t coverage_level;
    int64_t zone_percent;
    int64_t lost_after_s;
    int64_t regained_after_s;
    int64_t rank_weight_s;
    int64_t streets_every_s;
    int64_t coverage_store_s;
    int64_t coverage_live_s;
    int64_t tables_max_mb;
    int64_t study_limit_s;
    double pass_m;
    int64_t positions_days;
    int64_t answers_days;
    int64_t history_threads;

    int64_t max_units;
    double silent_factor;

    int log_level; /* index into "error warn notice info debug" */
};

struct command {
    const char *file; /* -c; NULL: defaults only */
    bool check_only;  /* -n */
    bool debug;       /* -d */
    int exit_code;    /* 0 or more: print nothing more, leave */
};

/* Reads the command line and the file it names, tells on standard output or
 * error what there is to tell. `settings` needs settings_clear() when
 * exit_code stays below 0. */
struct command settings_from(int argc, char **argv, struct settings *settings);
void settings_clear(struct settings *settings);

/* -------------------------------------------------------------------- loading
 */
/* What the database tells the gateway: each part is loaded when the
 * connection comes up and whenever the database says that it changed; one at
 * a time of each kind. */
struct loading {
    bool wanted;
    bool under_way;
};

/* Closures read, or looked for on a network, on the pool. */
struct closures_job {
    bool read;
    struct closures *closures; /* counted; what is read takes its place */
    struct roads *roads;       /* counted; NULL: none to look on */
    struct roads_metric *learned[ROADS_PROFILES_MAX]; /* counted */
    struct closures_view *view;
    enum pt_err read_err, view_err;
    char message[256];
};

struct loads {
    bool closing;
    uv_timer_t debounce; /* catalog: a script changes many rows */
    uv_timer_t retry;
    uv_timer_t asked; /* catalog: a report of somebody unknown waits */
    int open_timers;

    struct loading catalog;
    uv_work_t catalog_work;
    uint64_t catalog_began_ns; /* the load under way, or the last */
    struct catalog *catalog_new;
    enum pt_err catalog_err;
    char catalog_message[256];
    bool catalog_loaded; /* once, at least */

    struct loading state;
    struct loading said; /* follows the state, and on its own */
    bool state_loaded;   /* both */

    struct loading roads;
    uv_work_t roads_work;
    struct roads *roads_new;
    enum pt_err roads_err;
    char roads_message[256];
    uv_work_t prepare_work;  /* its data is set while it is under way */
    struct roads *preparing; /* the network in force, for long searches */
    enum pt_err prepare_err;

    struct loading closures; /* from the database */
    uv_work_t closures_work; /* its data is set while it is under way */
    struct closures_job job; /* which that is */
    struct closures *closed; /* as last read; NULL: never yet */
    bool closures_unread;    /* they could not be read */
};

/* ------------------------------------------------------------- learned times
 */
struct learned_hour {
    struct speeds *speeds;      /* NULL: none */
    struct closures_view *view; /* on it, made with it ahead; NULL: none */
};

struct learning {
    bool closing;
    int open_timers;

    /* On the network in force, in this hour of the week. */
    struct speeds *speeds;    /* NULL: none */
    struct learned_hour next; /* in the next hour, once that is near */
    int64_t ahead_after_ms;   /* it is not tried before; UTC */
    uv_timer_t hour;
    uv_work_t load_work; /* its data is set while it is under way */
    bool load_wanted;    /* again, when that is done */
    struct roads *load_roads;
    struct closures *load_closed; /* NULL: it is not for the next hour, */
    int64_t load_at_ms;           /* which begins then; UTC */
    struct learned_hour loaded;
    enum pt_err load_err;
    char load_message[256];

    /* Anew from the positions. */
    uv_timer_t look;
    bool asking;
    bool tried;
    int64_t began_ms; /* loop time */
    uv_work_t learn_work;
    atomic_bool stop;
    struct speeds_told told;
    enum pt_err learn_err;
    char learn_message[256];
    uint64_t learned, failed, switched;
};

/* Predictions that came true, on their way into the database. */
struct predictions {
    uint64_t kept, lost;
};

/* ------------------------------------------------------------------- coverage
 */
enum cover_counts { COVER_AVAILABLE, COVER_BUSY_TOO }; /* as in settings.c */

/* Cover that was lost, until the database has it and its end. */
struct cover_record {
    bool is_zone;
    bool sent; /* with its end */
    uint32_t id;
    int64_t started_ms, ended_ms; /* ended 0: it lasts */
};

struct cover {
    struct coverage_settings settings;
    struct counts_rule rule;
    struct http_coverage view; /* with the coverage itself */
    uv_timer_t again;
    bool closing;
    unsigned told; /* alarms of this tick */
    bool all_moved;
    int64_t retry_ms; /* time tables are not tried before */

    uv_work_t basis_work;
    struct coverage_basis *building; /* NULL: none is under way */
    enum pt_err basis_err;
    /* The next hour's, made ahead; NULL: none. */
    struct coverage_basis *next;
    bool building_next;
    int64_t next_retry_ms;
    uv_work_t streets_work;
    struct coverage_streets *streets; /* NULL: likewise */
    enum pt_err streets_err;
    uv_work_t areas_work;
    uint64_t areas_tries;                        /* that came to an end */
    struct coverage_areas *areas, *areas_before; /* NULL: likewise */
    enum pt_err areas_err;
    int64_t streets_ms; /* the last were begun at */

    bool has_cut; /* what an earlier run left open has been ended */
    bool storing, unstored;
    size_t record_count, record_room;
    struct cover_record *records;
    int64_t stored_ms; /* the last snapshot */

    uint64_t builds, streets_runs, areas_runs, snapshots, dropped;
    uint64_t alarms[2]; /* lost, regained */
    /* Written by the pool while its work is under way. */
    uint64_t build_ns, streets_ns, areas_ns;
};

/* What other programs read from the database, written now and then. */
struct live {
    bool closing;
    bool waits;     /* for areas, since it fell due */
    int64_t due_ms; /* UTC */
    uv_work_t work;
    struct live_job *job; /* NULL: none is under way */
    uint64_t written, failed, ns;
};

/* ------------------------------------------------------------------- retention
 */
struct retention {
    uv_timer_t timer;
    bool closing, asking;
    uint64_t rows, days, failed;
};

/* ------------------------------------------------------------------- the fleet
 * as a whole */
struct watch {
    uv_timer_t again;   /* when the next unit falls silent */
    unsigned told;      /* units that fell silent or came back, this tick */
    uint64_t looked_ms; /* loop time of the last look at the parts */
    struct pulse database;
    int64_t database_life_ms; /* UTC, when it last answered */
    struct http_health health;
    uint64_t losses[HTTP_PART_COUNT];
    uint64_t two_places; /* alarms */
    int64_t counted_ms;
    struct fleet_tally tally;
};

/* ------------------------------------------------------------------ the
 * gateway */
#define TICK_STAGES_MAX 16

struct gateway {
    const struct settings *settings;
    uv_loop_t loop;
    uv_signal_t on_term;
    uv_signal_t on_int;
    uv_timer_t wake; /* for receipts that fall due */
    uv_timer_t move; /* for units that have moved on by the clock alone */
    bool stop;

    struct metrics *metrics;
    struct catalog *catalog;
    struct fleet *fleet;
    struct dispatch *dispatch;
    struct closures_view *closures; /* on dispatch's network; NULL: none */
    struct store *store;
    struct intake *intake;
    struct db *db;
    struct loads loads;
    struct learning learning;
    struct tiles *tiles;
    struct arrivals *arrivals;
    struct predictions predictions;
    struct http *http;
    struct pacing pacing;
    struct watch watch;
    struct cover cover;
    struct retention retention;
    struct live live;

    int64_t now_ms; /* UTC, the same for a whole tick */
    struct batch batch;
    uint64_t ticks;
    uint64_t dropped; /* entries that the store's queue had no room for */
    bool dropping;
    uint64_t seen_told; /* to vehicles */
    uint64_t stage_ns[TICK_STAGES_MAX];
};

/* Start and end, in this order and the reverse of it. */
struct step {
    const char *name;
    enum pt_err (*open)(struct gateway *gw);
    void (*close)(struct gateway *gw);
};
extern const struct step gateway_steps[];
extern const size_t gateway_step_count;

/* The timers; the loading comes once the database is connected. */
void loads_open(struct gateway *gw);
void loads_stop(struct gateway *gw);
/* After loads_stop() and the database's end: waits for what is under way. */
void loads_close(struct gateway *gw);
void loads_database_up(void *gateway);
void loads_notified(void *gateway, const char *channel, const char *payload);
/* Devices and live state are known: reports can be judged. */
/* The catalog is to be read again, soon. */
void loads_ask_catalog(struct gateway *gw);

bool loads_ready(const struct gateway *gw);

/* Learned times: read when a network comes into force, when they change, and
 * some minutes before every hour; learned anew every learn.every_h hours. */
void learning_open(struct gateway *gw);
void learning_load(struct gateway *gw);
void learning_roads_changed(struct gateway *gw);
/* What answers by that profile will be made of in the next hour, as
 * dispatch_metric() for this one; NULL while it is not near or not made yet. */
const struct roads_metric *learning_next(const struct gateway *gw,
                                         const char *profile);
void learning_stop(struct gateway *gw);
/* After learning_stop() and the database's end: waits for what is under way. */
void learning_close(struct gateway *gw);
PT_MUST_CHECK enum pt_err learning_metrics(struct gateway *gw);
/* loads_closures.c: begins what is to be done for closures, when nothing is
 * under way: they are read, and found on the network that waits to be
 * installed, or again on the one in force. */
void closures_turn(struct gateway *gw);
/* Other learned times are in force: so is `view` (taken over) at once if it is
 * still what it should be, else one that is made now. NULL: none was made. */
void closures_use(struct gateway *gw, struct closures_view *view);
/* Tick step: what begins or ends by the clock. */
void closures_follow(struct gateway *gw);
void closures_stop(struct gateway *gw);
bool closures_under_way(const struct gateway *gw);
void closures_close(struct gateway *gw);
PT_MUST_CHECK enum pt_err closures_metrics(struct gateway *gw);
/* A network that was read takes over with its closures. False, and it waits
 * on, when it could not. */
bool loads_install_roads(struct gateway *gw, const struct closures_view *view);
void loads_failed(struct gateway *gw, struct loading *loading, const char *what,
                  const char *why);
/* said_load() has ended well. */
void loads_said(struct gateway *gw);

/* Reads what crews said last and what was heard and seen of it. */
void said_load(struct gateway *gw);
/* Tick step: vehicles are told what was seen of what their crews said. */
void said_follow(struct gateway *gw);
PT_MUST_CHECK enum pt_err said_metrics(struct gateway *gw);

/* Tick step: which units are where it was said that they would be; what came
 * true is written to patrol.eta_prediction. */
void predictions_follow(struct gateway *gw);
PT_MUST_CHECK enum pt_err predictions_metrics(struct gateway *gw);

/* Tick step: broker and database are looked at and asked for signs of life; who
 * falls silent and who is heard again is told, and now and then counted up what
 * vehicles say of themselves. */
void watch_follow(struct gateway *gw);
void watch_database_up(struct gateway *gw);
void watch_database_down(void *gateway);
PT_MUST_CHECK enum pt_err watch_metrics(struct gateway *gw);

/* Tick step: units that moved count from where they are, time tables and the
 * cover of streets are made on the pool when they are due, and what was lost
 * or regained is told and stored. */
void cover_follow(struct gateway *gw);
/* Tick step: areas that answers wait for are begun. */
void cover_serve(struct gateway *gw);
/* cover_store.c: what was lost or regained, and snapshots now and then. */
void cover_store(struct gateway *gw);
PT_MUST_CHECK enum pt_err cover_open(struct gateway *gw);
void cover_close(struct gateway *gw);

/* Once an hour what is older than the settings say is deleted. */
PT_MUST_CHECK enum pt_err retention_open(struct gateway *gw);
void retention_close(struct gateway *gw);

/* The next tick is in `wait_ms`, whatever else happens; -1: it need not. */
void tick_again(uv_timer_t *timer, int64_t wait_ms);

/* Tick step: the live_ tables are written on the pool when they are due. */
void live_follow(struct gateway *gw);
void live_close(struct gateway *gw); /* before coverage goes */
PT_MUST_CHECK enum pt_err live_metrics(struct gateway *gw);

/* Waits for events, unless intake has work left. */
void gateway_wait(struct gateway *gw);
void gateway_tick(struct gateway *gw);
int64_t gateway_wall_ms(void); /* UTC; within a tick `now_ms` is it */
PT_MUST_CHECK enum pt_err tick_metrics(struct gateway *gw);

#endif

#ifndef SIM_H
#define SIM_H
/* fleet-sim: a fleet that drives itself. What its parts share; loop thread
 * only.
 *
 *   world (roads, missions)
 *     -> patrol (what a unit does) -> path (how it drives there)
 *        -> device (receiver's error, pace) -> box -> radio (uplink, link)
 *                                          \-> nmea (a pty for a real gpsd)
 *
 * Two clocks. What units do happens in simulated UTC, in steps of a second a
 * unit, in an order that depends on nothing but the seed, the network and
 * the start: `patrol`, `path`, `device` and `box_put` know no other. What
 * the radio does (connections, outages, receipts) happens in real time. */
#include "link.h"
#include "pace.h"
#include "pt_err.h"
#include "report.h"
#include "roads.h"
#include "uplink.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

/* A unit takes about 1 kB here and up to 64 bytes for each entry not yet
 * receipted, its connection some 30 kB without and 70 kB with TLS (nearly all
 * of it libmosquitto's and OpenSSL's), and a descriptor. Client ports of one
 * address to one broker end at 28,000. */
#define SIM_UNITS_MAX 20000
#define SIM_NMEA_MAX 64
#define SIM_STEP_MS 1000 /* a receiver's fix a second */

/* --------------------------------------------------------------- random.c */
/* SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators"): any seed is good, streams are told apart by theirs. */
struct rng {
    uint64_t state;
};
uint64_t rng_mix(uint64_t a, uint64_t b); /* one number of two, well mixed */
void rng_init(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *rng);
double rng_share(struct rng *rng); /* [0, 1) */
double rng_between(struct rng *rng, double from, double to);
size_t rng_below(struct rng *rng, size_t count); /* count 1 or more */
double rng_normal(struct rng *rng);              /* mean 0, deviation 1 */
double rng_exponential(struct rng *rng, double mean);

/* -------------------------------------------------------------- options.c */
struct sim_nmea_option {
    const char *name;
    const char *link;
};

struct sim_options {
    const char *database;
    const char *brokers;
    const char *certs; /* directory, or NULL: without TLS */
    const char *prefix;
    long units, first;
    uint64_t seed;
    int64_t start_ms;    /* 0: now, or the duration before now */
    int64_t duration_ms; /* 0: endless */
    double speed;
    double calls_per_hour, on_duty, noise_m;
    double outages_per_hour, outage_s;
    const char *truth;
    struct sim_nmea_option nmea[SIM_NMEA_MAX];
    size_t nmea_count;
    long drain_s, outbox_max, resend_s;
    long every_s; /* a fix at least so often; 0: the agent's pace */
    bool dry_run, plain, verbose;
};

/* Exits for --help and --version, and with a sentence when called wrongly. */
void options_parse(int argc, char **argv, struct sim_options *ret);

/* ---------------------------------------------------------------- world.c */
/* Where units go: missions, and street corners drawn from the seed so that a
 * large fleet spreads over the city. From each of them the others can be
 * reached, but for one-way traps, which show when a route is planned. */
struct world {
    struct roads *roads;
    struct roads_search *search;
    struct roads_place *places; /* missions first */
    size_t mission_count, place_count;
    double longitude_deg; /* of the middle: the hour of day is the sun's */
};

/* Blocks. Logs what is wrong. */
PT_MUST_CHECK enum pt_err world_load(const struct sim_options *options,
                                     struct world *ret);
void world_clear(struct world *world);
/* 0..24, by the sun. */
double world_hour(const struct world *world, int64_t time_ms);

/* ----------------------------------------------------------------- path.c */
struct path_point {
    struct geo_point at;
    float along_m;
    float most_mps;       /* at this point: corners, and room to brake */
    uint16_t cruise_cmps; /* on the piece that follows */
    uint16_t tunnel;      /* 1: that piece is one; receivers hear nothing */
};

/* A drive under way; all 0: none. */
struct path {
    struct path_point *points;
    uint32_t count;
    uint32_t piece; /* between points[piece] and the next */
    double along_m, speed_mps;
};

/* `haste`: times the streets' own speeds. Errors as roads_route(). */
PT_MUST_CHECK enum pt_err path_plan(struct world *world,
                                    const struct roads_place *from,
                                    const struct roads_place *to, double haste,
                                    struct path *ret);
/* Drives on; false: arrived. */
bool path_drive(struct path *path, double seconds);
struct geo_point path_at(const struct path *path);
double path_course_deg(const struct path *path);
bool path_in_tunnel(const struct path *path);
void path_clear(struct path *path);

/* ------------------------------------------------------------------ box.c
 * The outbox's promises (numbers, receipts, oldest dropped first and
 * counted), in memory. */
struct box_slot {
    struct pt_entry entry; /* seq 0: receipted, not yet at the ring's end */
    bool sent;
};
struct box {
    struct box_slot *slots; /* a ring */
    size_t capacity, first, used;
    uint64_t next; /* number */
    uint64_t held, dropped;
};
void box_init(struct box *box);
void box_clear(struct box *box);
/* PT_E_NOMEM: not taken. `max`: beyond it the oldest is dropped. */
PT_MUST_CHECK enum pt_err box_put(struct box *box, const struct pt_entry *entry,
                                  size_t max, uint64_t *seq);
/* Up to `max` held entries of from..to. */
size_t box_read(const struct box *box, uint64_t from, uint64_t to, size_t max,
                struct pt_entry *entries);
/* Notes that the entry was sent; true: not for the first time. */
bool box_note_sent(struct box *box, uint64_t seq);
/* PT_E_RANGE: names numbers never given; nothing is forgotten. */
PT_MUST_CHECK enum pt_err
box_forget(struct box *box, const struct pt_receipt *receipt, size_t *ret);
uint64_t box_lowest(const struct box *box); /* next number when empty */
uint64_t box_highest(const struct box *box);
int64_t box_oldest_ms(const struct box *box); /* 0 when empty */

/* ---------------------------------------------------------------- nmea.c */
struct nmea {
    int master, slave;
    const char *link;
};
/* The pty, `link` a symbolic link to it. Logs what is wrong. */
PT_MUST_CHECK enum pt_err nmea_open(const char *link, struct nmea **ret);
void nmea_close(struct nmea *nmea);
/* One second's sentences; false when nobody took them. */
bool nmea_say(struct nmea *nmea, const struct receiver_fix *fix);
#define NMEA_BYTES_MAX 512
/* The same as text; `fix->mode` below 2D: sentences without a fix. */
size_t nmea_text(const struct receiver_fix *fix, char ret[NMEA_BYTES_MAX]);

/* --------------------------------------------------------------- the units */
enum doing {
    DOING_BEAT,  /* from one place of its beat to the next, and stops there */
    DOING_CALL,  /* drives to one */
    DOING_SCENE, /* at it */
    DOING_PAPERWORK,
    DOING_HOMEWARD,
    DOING_OFF,
};

#define BEAT_MAX 8

struct patrol { /* patrol.c */
    struct rng rng;
    enum doing doing;
    struct roads_place place; /* where it stands or set out from */
    struct roads_place target;
    struct path path;
    int64_t until_ms;  /* stands so long */
    int64_t asleep_ms; /* off duty: its device sleeps from then on; 0: never */
    int64_t shift_offset_ms;
    double temper; /* times what others drive */
    uint32_t beat[BEAT_MAX];
    uint32_t beat_count, beat_next;
    uint32_t home;
};

struct device { /* device.c */
    struct rng rng;
    struct pace pace;
    double error_east_m, error_north_m, sigma_m;
    int64_t gap_until_ms; /* no fix so long */
    enum receiver_mode mode;
    uint8_t status;
    bool asleep;
    uint64_t generation;
    struct box box;
    struct nmea *nmea; /* NULL: its own radio */
};

struct radio { /* radio.c */
    struct rng rng;
    struct link *link;
    struct uplink uplink;
    int64_t outage_ms;     /* when the next begins, on the loop's clock */
    int64_t lost_ms;       /* from then on what is sent is lost; 0: not yet */
    int64_t silent_ms;     /* disconnected until then; 0: no outage */
    int64_t state_said_ms; /* 0: not on this connection */
    int64_t mode_other_ms; /* differs from what was said since; 0: no */
    int mode_said;
    uint32_t next_due_said_s;
    uint32_t batch_max;
};

struct sim;
struct unit {
    struct sim *sim;
    uint32_t index;
    uint32_t phase_ms; /* of each second, when its receiver reports */
    char name[LINK_DEVICE_MAX + 1];
    struct patrol patrol;
    struct device device;
    struct radio radio;
};

struct counts {
    uint64_t fixes, said, entries, receipted, dropped, resent, sent, messages;
    uint64_t lost, outages, routes, no_route, refused;
};

struct sim {
    struct sim_options options;
    struct world world;
    struct unit *units; /* by phase */
    size_t unit_count;
    FILE *truth;
    bool truth_failed;
    struct counts counts;

    /* The simulated clock: the next step is `second_ms` plus the phase of
     * units[next_unit]. */
    int64_t start_ms, end_ms; /* end 0: endless */
    int64_t second_ms;
    size_t next_unit;

    uv_loop_t loop;
    uv_signal_t on_term, on_int;
    uv_timer_t step, radio, status;
    uint64_t begun_ms; /* the loop's clock when start_ms was */
    bool stopping;
    bool in_a_hurry; /* told twice: what is not receipted stays so */
    uint64_t stop_ms;
    int closing; /* handles and links not yet gone */
    size_t radio_next;
    size_t connected;
    unsigned connects_left; /* in this turn of the radio's timer */
    struct pt_entry *entries;
    uint8_t *message;
    struct counts before; /* at the last status line */
    uint64_t before_ms;
};

/* patrol.c */
PT_MUST_CHECK enum pt_err patrol_init(struct unit *unit, int64_t now_ms);
void patrol_step(struct unit *unit, int64_t now_ms);
struct geo_point patrol_at(const struct unit *unit);
uint8_t patrol_status(const struct unit *unit);

/* device.c: one second of the receiver, and what is worth sending of it. */
void device_init(struct unit *unit, uint64_t nonce);
void device_step(struct unit *unit, int64_t now_ms);

/* radio.c */
PT_MUST_CHECK enum pt_err radio_open(struct sim *sim);
void radio_close(struct sim *sim); /* frees; links are gone before */
/* What link_new() would refuse, and a certificate of another name. Logs. */
PT_MUST_CHECK enum pt_err radio_check(const struct unit *unit);
void radio_init(struct unit *unit);
void radio_put(struct unit *unit); /* the box has a new entry */
/* About once a second a unit: connects, disconnects, sends what is due. */
void radio_tick(struct unit *unit);
void radio_hang_up(struct unit *unit);

/* truth.c: every entry that the box took, and every fix that was said on a
 * pty (generation and number 0). */
PT_MUST_CHECK enum pt_err truth_open(struct sim *sim);
void truth_write(struct sim *sim, const struct unit *unit,
                 const struct pt_entry *entry);
bool truth_close(struct sim *sim); /* false: not all is on disk */

/* fleet.c */
PT_MUST_CHECK enum pt_err fleet_open(struct sim *sim);
void fleet_close(struct sim *sim);
/* Does at most `max` steps of units that are due up to now_ms; false when
 * there are more. */
bool fleet_advance(struct sim *sim, int64_t now_ms, size_t max);
uint64_t fleet_waiting(const struct sim *sim); /* entries not receipted */

#endif

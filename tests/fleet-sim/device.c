/* The receiver as it errs, and the vehicle's side of the agent: what of its
 * fixes is worth sending, and the outbox it goes to. */
#include "pt_log.h"
#include "sim.h"
#include <math.h>

/* The error of a receiver between houses wanders: a first-order Gauss-Markov
 * process in each direction (Gelb, "Applied Optimal Estimation", 3.8). */
#define ERROR_TIME_S 40.0
#define SIGMA_TIME_S 300.0 /* and so does its size, from street to street */
#define SIGMA_SPREAD 0.5   /* standard deviation of its logarithm */
#define P95 2.45 /* sqrt(-2 ln 0.05): 95 % of a plane's normal errors */
#define SPEED_NOISE_MPS 0.15
#define COURSE_FROM_MPS 0.5   /* slower, receivers give none */
#define COURSE_NOISE_DEG 20.0 /* at 1 m/s, less when faster */

#define GAPS_PER_HOUR 1.5 /* besides tunnels */
#define GAP_S 5.0, 40.0

/* The agent's defaults (tracker-agent --sample). */
static const struct pace_settings pace_settings = {
    .bound_m = 25.0,
    .bound_assigned_m = 10.0,
    .moving_ms = 10000,
    .parked_ms = 60000,
    .accuracy_max_m = 100.0,
};

static double drift(struct rng *rng, double now, double sigma, double time_s)
{
    double keep = exp(-1.0 / time_s);
    return now * keep + sigma * sqrt(1.0 - keep * keep) * rng_normal(rng);
}

/* Same draws whether there is a fix or not. */
static void err_on(struct device *d, double noise_m)
{
    double log_sigma = d->sigma_m > 0 ? log(d->sigma_m / noise_m) : 0.0;
    log_sigma = drift(&d->rng, log_sigma, SIGMA_SPREAD, SIGMA_TIME_S);
    d->sigma_m = noise_m * exp(log_sigma);
    d->error_east_m = drift(&d->rng, d->error_east_m, d->sigma_m, ERROR_TIME_S);
    d->error_north_m =
        drift(&d->rng, d->error_north_m, d->sigma_m, ERROR_TIME_S);
}

static bool hears_nothing(struct unit *unit, int64_t now_ms)
{
    struct device *d = &unit->device;
    const struct path *path = &unit->patrol.path;
    if (rng_share(&d->rng) < GAPS_PER_HOUR / 3600.0)
        d->gap_until_ms =
            now_ms + (int64_t)(1000.0 * rng_between(&d->rng, GAP_S));
    return now_ms < d->gap_until_ms ||
           (path->points != NULL && path_in_tunnel(path));
}

static void observe_motion(struct unit *unit, struct receiver_fix *fix)
{
    struct device *d = &unit->device;
    const struct path *path = &unit->patrol.path;
    double speed_noise = rng_normal(&d->rng) * SPEED_NOISE_MPS;
    double course_noise = rng_normal(&d->rng) * COURSE_NOISE_DEG;
    bool noisy = unit->sim->options.noise_m > 0;
    fix->flags |= PT_FLAG_SPEED;
    if (path->points == NULL) {
        fix->speed_mps = noisy ? fabs(speed_noise) : 0.0;
        return;
    }
    fix->speed_mps = fmax(path->speed_mps + (noisy ? speed_noise : 0.0), 0.0);
    if (path->speed_mps < COURSE_FROM_MPS)
        return;
    double course = path_course_deg(path);
    if (noisy)
        course += course_noise / fmax(path->speed_mps, 1.0);
    fix->course_deg = fmod(course + 360.0, 360.0);
    fix->flags |= PT_FLAG_COURSE;
}

static struct receiver_fix observe(struct unit *unit, int64_t now_ms)
{
    struct device *d = &unit->device;
    double noise_m = unit->sim->options.noise_m;
    struct receiver_fix fix = {.mode = RECEIVER_NO_FIX, .time_ms = now_ms};
    struct receiver_fix heard = {.mode = RECEIVER_3D,
                                 .time_ms = now_ms,
                                 .at = patrol_at(unit),
                                 .flags = PT_FLAG_POSITION | PT_FLAG_3D};
    observe_motion(unit, &heard);
    if (noise_m > 0) {
        struct geo_plane plane = geo_plane_at(heard.at);
        err_on(d, noise_m);
        heard.at = geo_from_plane(&plane, d->error_east_m, d->error_north_m);
        heard.accuracy_m = d->sigma_m * P95;
        heard.flags |= PT_FLAG_ACCURACY;
    }
    return hears_nothing(unit, now_ms) ? fix : heard;
}

/* --- entries ----------------------------------------------------------------
 */

static void put(struct unit *unit, struct pt_entry *entry)
{
    struct sim *sim = unit->sim;
    struct box *box = &unit->device.box;
    uint64_t dropped = box->dropped;
    enum pt_err err =
        box_put(box, entry, (size_t)sim->options.outbox_max, &entry->seq);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "%s: entry lost: %s", unit->name,
               pt_strerror(err));
        return;
    }
    sim->counts.dropped += box->dropped - dropped;
    sim->counts.entries++;
    truth_write(sim, unit, entry);
    radio_put(unit);
}

/* The crew says what it does now. */
static void say_status(struct unit *unit, const struct receiver_fix *fix)
{
    uint8_t status = patrol_status(unit);
    if (status == unit->device.status)
        return;
    unit->device.status = status;
    pace_assign(&unit->device.pace, status == PT_STATUS_EN_ROUTE);
    pace_sent(&unit->device.pace, fix);
    struct pt_entry entry = receiver_entry(fix, unit->device.status);
    entry.kind = PT_KIND_STATUS;
    put(unit, &entry);
}

/* A real gpsd and a real agent take it from here. */
static void say_nmea(struct unit *unit, const struct receiver_fix *fix)
{
    if (!nmea_say(unit->device.nmea, fix) || fix->mode < RECEIVER_2D)
        return;
    struct pt_entry said = receiver_entry(fix, unit->device.status);
    unit->sim->counts.said++;
    truth_write(unit->sim, unit, &said);
}

void device_step(struct unit *unit, int64_t now_ms)
{
    struct device *d = &unit->device;
    struct receiver_fix fix = observe(unit, now_ms);
    if (d->asleep)
        return;
    d->mode = fix.mode;
    unit->sim->counts.fixes++;
    if (d->nmea != NULL) {
        say_nmea(unit, &fix);
        return;
    }
    say_status(unit, &fix);
    if (!pace_due(&d->pace, &fix))
        return;
    struct pt_entry entry = receiver_entry(&fix, unit->device.status);
    put(unit, &entry);
}

/* `nonce` 0: the generation, too, follows from the seed. */
void device_init(struct unit *unit, uint64_t nonce)
{
    struct device *d = &unit->device;
    uint64_t seed = unit->sim->options.seed;
    rng_init(&d->rng, seed, 2 * (uint64_t)unit->index + 1);
    struct pace_settings pace = pace_settings;
    if (unit->sim->options.every_s > 0)
        pace.moving_ms = pace.parked_ms = unit->sim->options.every_s * 1000;
    pace_init(&d->pace, &pace);
    box_init(&d->box);
    d->mode = RECEIVER_NOT_SEEN;
    d->status = PT_STATUS_UNKNOWN;
    d->generation = (rng_mix(rng_mix(seed, unit->index),
                             rng_mix((uint64_t)unit->sim->start_ms, nonce)) &
                     INT64_MAX) |
                    1;
}

#include "pace.h"
#include "geo.h"
#include "report.h"
#include <math.h>

/* A clock that goes back further than this was wrong before, not repeated. */
#define CLOCK_BACK_MS 60000
/* The next fix is expected after as long as this one took, within these. */
#define AHEAD_MIN_MS 100
#define AHEAD_MAX_MS 2000
/* Two fixes farther apart say nothing about how speed changes. */
#define TREND_MAX_MS 2500
/* So far a standing receiver's place moves from one fix to the next without
 * being taken for a leap: houses throw it farther. */
#define LEAP_M 10.0

static const double rad_per_deg = 0.017453292519943295; /* pi / 180 */

struct way { /* metres, or metres a second */
    double east, north;
};

static bool has(const struct receiver_fix *fix, enum pt_flag flag)
{
    return (fix->flags & flag) != 0;
}

static bool has_place_and_time(const struct receiver_fix *fix)
{
    return fix->mode >= RECEIVER_2D && has(fix, PT_FLAG_POSITION) &&
           fix->time_ms > 0;
}

static struct way along(double course_deg, double length)
{
    return (struct way){length * sin(course_deg * rad_per_deg),
                        length * cos(course_deg * rad_per_deg)};
}

static bool is_vague(const struct pace *pace, const struct receiver_fix *fix)
{
    return has(fix, PT_FLAG_ACCURACY) &&
           fix->accuracy_m > pace->settings.accuracy_max_m;
}

/* Since the fix before; 0: none, or not after it. */
static int64_t step_ms(const struct pace *pace, const struct receiver_fix *fix)
{
    if (!pace->has_before || fix->time_ms <= pace->before_ms)
        return 0;
    return fix->time_ms - pace->before_ms;
}

static bool is_fast(const struct pace *pace, const struct receiver_fix *fix)
{
    int64_t since_ms = fix->time_ms - pace->sent.time_ms;
    double mps = 0.0;
    if (has(fix, PT_FLAG_SPEED))
        mps = fix->speed_mps;
    else if (pace->has_sent && since_ms > 0)
        mps =
            geo_distance_m(pace->sent.at, fix->at) * 1000.0 / (double)since_ms;
    return mps >= RECKON_MOVING_MPS;
}

/* --- how wrong the gateway is, and soon will be --------------------------- */

/* From where the gateway believes us to be to where we are. */
static struct way error_now(const struct pace *pace,
                            const struct receiver_fix *fix)
{
    struct geo_plane plane = geo_plane_at(reckon_at(&pace->sent, fix->time_ms));
    struct way error;
    geo_to_plane(&plane, fix->at, &error.east, &error.north);
    return error;
}

/* A single fast fix is no motion yet, and tells nothing of the next. */
static struct pace_motion motion_of(const struct receiver_fix *fix, bool fast,
                                    bool fast_before)
{
    if (!fast)
        return (struct pace_motion){.known = true};
    if (!fast_before || !has(fix, PT_FLAG_SPEED) || !has(fix, PT_FLAG_COURSE))
        return (struct pace_motion){.known = false};
    struct way way = along(fix->course_deg, fix->speed_mps);
    return (struct pace_motion){true, way.east, way.north};
}

static struct way believed_motion(const struct pace *pace, int64_t time_ms)
{
    if (time_ms - pace->sent.time_ms >= RECKON_HORIZON_MS)
        return (struct way){0, 0};
    return along(pace->sent.course_deg, pace->sent.speed_mps);
}

/* The error when the next fix is expected: what grows goes on growing, and
 * speed goes on changing as it does. */
static double error_ahead_m(const struct pace *pace,
                            const struct receiver_fix *fix, struct way error,
                            const struct pace_motion *motion)
{
    const struct pace_motion *before = &pace->motion_before;
    int64_t taken_ms = step_ms(pace, fix);
    double ahead_ms = taken_ms > 0 ? (double)taken_ms : 1000.0;
    double ahead_s = fmin(fmax(ahead_ms, AHEAD_MIN_MS), AHEAD_MAX_MS) / 1000.0;
    struct way believed = believed_motion(pace, fix->time_ms);
    if (!motion->known)
        return hypot(error.east, error.north);
    error.east += (motion->east_mps - believed.east) * ahead_s;
    error.north += (motion->north_mps - believed.north) * ahead_s;
    if (before->known && taken_ms > 0 && taken_ms <= TREND_MAX_MS) {
        double share = ahead_s * ahead_s / 2.0 * 1000.0 / (double)taken_ms;
        error.east += (motion->east_mps - before->east_mps) * share;
        error.north += (motion->north_mps - before->north_mps) * share;
    }
    return hypot(error.east, error.north);
}

/* --- what is worth sending ------------------------------------------------ */

static double bound_m(const struct pace *pace)
{
    return pace->assigned ? pace->settings.bound_assigned_m
                          : pace->settings.bound_m;
}

/* What is allowed before it is sent. Two fixes of one that stands differ by
 * what the receiver errs: sending that would be noise. */
static double allowed_m(const struct pace *pace, const struct receiver_fix *fix,
                        bool fast)
{
    double allowed = bound_m(pace);
    if (!fast && !reckon_moves(&pace->sent) && has(fix, PT_FLAG_ACCURACY))
        allowed = fmax(allowed, fix->accuracy_m);
    return allowed;
}

static bool is_wrong(const struct pace *pace, const struct receiver_fix *fix,
                     bool fast, const struct pace_motion *motion)
{
    struct way error = error_now(pace, fix);
    double allowed = allowed_m(pace, fix, fast);
    return hypot(error.east, error.north) >= allowed ||
           error_ahead_m(pace, fix, error, motion) >= allowed;
}

/* A leap: far from the fix before though it says that it stands. */
static bool is_doubtful(const struct pace *pace, const struct receiver_fix *fix,
                        bool fast)
{
    int64_t taken_ms = step_ms(pace, fix);
    if (taken_ms == 0 || taken_ms > TREND_MAX_MS || reckon_moves(&pace->sent))
        return false;
    if (fast)
        return has(fix, PT_FLAG_SPEED) && !pace->fast_before;
    return !pace->fast_before && has(fix, PT_FLAG_SPEED) &&
           geo_distance_m(pace->before_at, fix->at) > LEAP_M;
}

static bool is_worth_it(const struct pace *pace, const struct receiver_fix *fix,
                        bool fast, const struct pace_motion *motion)
{
    const struct pace_settings *s = &pace->settings;
    int64_t since_ms = fix->time_ms - pace->sent.time_ms;
    bool moving = fast && pace->fast_before;
    if (!pace->has_sent || since_ms < -CLOCK_BACK_MS)
        return true;
    if (since_ms <= 0)
        return false;
    if (since_ms >= (moving ? s->moving_ms : pace_next_due_ms(pace)))
        return true;
    return !is_vague(pace, fix) && is_wrong(pace, fix, fast, motion);
}

/* --- the module ------------------------------------------------------------
 */

void pace_init(struct pace *pace, const struct pace_settings *settings)
{
    *pace = (struct pace){.settings = *settings};
}

void pace_set(struct pace *pace, const struct pace_settings *settings)
{
    pace->settings = *settings;
}

void pace_assign(struct pace *pace, bool assigned)
{
    pace->assigned = assigned;
}

void pace_sent(struct pace *pace, const struct receiver_fix *fix)
{
    if (!has_place_and_time(fix))
        return;
    /* The status is none of the reckoning's. */
    struct pt_entry entry = receiver_entry(fix, PT_STATUS_UNKNOWN);
    pace->sent = reckon_from_entry(&entry);
    pace->has_sent = true;
    pace->held = false;
}

bool pace_due(struct pace *pace, const struct receiver_fix *fix)
{
    if (!has_place_and_time(fix))
        return false;
    bool fast = is_fast(pace, fix);
    struct pace_motion motion = motion_of(fix, fast, pace->fast_before);
    bool due = is_worth_it(pace, fix, fast, &motion);
    bool hold =
        due && pace->has_sent && !pace->held && is_doubtful(pace, fix, fast);
    pace->held = hold;
    if (due && !hold)
        pace_sent(pace, fix);
    pace->has_before = true;
    pace->before_ms = fix->time_ms;
    pace->before_at = fix->at;
    pace->fast_before = fast;
    pace->motion_before = motion;
    return due && !hold;
}

int64_t pace_next_due_ms(const struct pace *pace)
{
    if (!pace->has_sent)
        return 0;
    return reckon_moves(&pace->sent) ? pace->settings.moving_ms
                                     : pace->settings.parked_ms;
}

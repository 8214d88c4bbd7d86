#include "pace.h"
#include "geo.h"
#include "report.h"
#include <math.h>

/* A clock that goes back further than this was wrong before, not repeated. */
#define CLOCK_BACK_MS 60000

static bool has(const struct receiver_fix *fix, enum pt_flag flag)
{
    return (fix->flags & flag) != 0;
}

static bool has_place_and_time(const struct receiver_fix *fix)
{
    return fix->mode >= RECEIVER_2D && has(fix, PT_FLAG_POSITION) &&
           fix->time_ms > 0;
}

/* 0..180: the short way round. */
static double turn_deg(double a_deg, double b_deg)
{
    return fabs(remainder(a_deg - b_deg, 360.0));
}

static double way_m(const struct pace *pace, const struct receiver_fix *fix)
{
    return geo_distance_m(pace->sent.at, fix->at);
}

static bool is_fast(const struct pace *pace, const struct receiver_fix *fix)
{
    double mps = 0.0;
    if (has(fix, PT_FLAG_SPEED))
        mps = fix->speed_mps;
    else if (pace->has_sent && fix->time_ms > pace->sent.time_ms)
        mps = way_m(pace, fix) * 1000.0 /
              (double)(fix->time_ms - pace->sent.time_ms);
    return mps > pace->settings.moving_mps;
}

/* A course means something only where there was speed, at both ends. */
static bool has_turned(const struct pace *pace, const struct receiver_fix *fix,
                       bool moving)
{
    return moving && pace->sent_moving && has(fix, PT_FLAG_COURSE) &&
           has(&pace->sent, PT_FLAG_COURSE) &&
           turn_deg(fix->course_deg, pace->sent.course_deg) >=
               pace->settings.heading_deg;
}

static bool is_vague(const struct pace *pace, const struct receiver_fix *fix)
{
    return has(fix, PT_FLAG_ACCURACY) &&
           fix->accuracy_m > pace->settings.accuracy_max_m;
}

static bool is_worth_it(const struct pace *pace, const struct receiver_fix *fix,
                        bool moving)
{
    const struct pace_settings *s = &pace->settings;
    int64_t since_ms = fix->time_ms - pace->sent.time_ms;
    if (!pace->has_sent || since_ms < -CLOCK_BACK_MS)
        return true;
    if (since_ms <= 0)
        return false;
    if (since_ms >= (moving ? s->moving_ms : pace_next_due_ms(pace)))
        return true;
    if (is_vague(pace, fix))
        return false;
    return way_m(pace, fix) >= s->distance_m || has_turned(pace, fix, moving);
}

void pace_init(struct pace *pace, const struct pace_settings *settings)
{
    *pace = (struct pace){.settings = *settings};
}

bool pace_due(struct pace *pace, const struct receiver_fix *fix)
{
    if (!has_place_and_time(fix))
        return false;
    bool fast = is_fast(pace, fix);
    bool moving = fast && pace->fast_before;
    pace->fast_before = fast;
    if (!is_worth_it(pace, fix, moving))
        return false;
    pace->has_sent = true;
    pace->sent = *fix;
    pace->sent_moving = moving;
    return true;
}

int64_t pace_next_due_ms(const struct pace *pace)
{
    if (!pace->has_sent)
        return 0;
    return pace->sent_moving ? pace->settings.moving_ms
                             : pace->settings.parked_ms;
}

#include "intake_internal.h"

#include <math.h>

bool judge_report(const struct pt_report *report)
{
    if (report->lowest_held > INT64_MAX)
        return false;
    /* Ascending, so the last is the highest. */
    return report->count == 0 ||
           report->entries[report->count - 1].seq <= INT64_MAX;
}

/* 0,0 lies in the Gulf of Guinea, and is what receivers and programs say that
 * do not know. */
static bool possible_position(struct geo_point at)
{
    return geo_valid(at) && (at.lat_e6 != 0 || at.lon_e6 != 0);
}

/* The window as the header says; an unsure clock gets no wider one, because a
 * wrong time would put the unit's track out of order for good. */
enum batch_refusal judge_time(const struct judge_limits *limits,
                              int64_t time_ms, int64_t now_ms)
{
    if (time_ms < now_ms - limits->past_max_ms)
        return REFUSED_TIME_PAST;
    if (time_ms > now_ms + limits->future_max_ms)
        return REFUSED_TIME_FUTURE;
    return REFUSED_NOT;
}

enum batch_refusal judge_entry(const struct judge_limits *limits,
                               const struct pt_entry *entry, int64_t now_ms)
{
    if ((entry->flags & PT_FLAG_POSITION) && !possible_position(entry->at))
        return REFUSED_COORDINATES;
    if ((entry->flags & PT_FLAG_SPEED) &&
        entry->speed_cmps > JUDGE_SPEED_MAX_CMPS)
        return REFUSED_VALUE;
    if ((entry->flags & PT_FLAG_ACCURACY) &&
        entry->accuracy_dm > JUDGE_ACCURACY_MAX_DM)
        return REFUSED_VALUE;
    return judge_time(limits, entry->time_ms, now_ms);
}

bool judge_jump(const struct judge_limits *limits, struct geo_point from,
                int64_t from_ms, struct geo_point to, int64_t to_ms)
{
    double beyond_m = geo_distance_m(from, to) - JUDGE_JUMP_SLACK_M;
    double apart_s = fabs((double)(to_ms - from_ms)) / 1000.0;
    return beyond_m > limits->jump_mps * apart_s;
}

#include "backoff.h"
#include "receiver_internal.h"
#include <math.h>
#include <string.h>

/* The largest accuracy that is said: beyond 1000 km a fix is a rumour. */
#define ACCURACY_MAX_DM 10000000.0

/* gpsd's errors are "guessed to be 95% confidence" (gpsd_json(5)), and eph is
 * the two-dimensional one. Receivers that give none get it from gpsd as
 * HDOP times a range error. epx and epy are the same along each axis; their
 * root sum of squares overstates the 95 % radius by up to 13 % (2.77 against
 * 2.45 sigma), which is the side to err on. */
static bool accuracy_of(const struct gps_fix_t *tpv, double *ret)
{
    double accuracy = tpv->eph;
    if (!isfinite(accuracy) || accuracy <= 0)
        accuracy = hypot(tpv->epx, tpv->epy);
    if (!isfinite(accuracy) || accuracy <= 0)
        return false;
    *ret = accuracy;
    return true;
}

/* libgps makes the nanoseconds from decimals, so x.095 comes as 94,999,999:
 * rounded, not cut. */
static int64_t time_ms_of(const struct gps_fix_t *tpv)
{
    if (tpv->time.tv_sec <= 0 || tpv->time.tv_sec > PT_TIME_MS_MAX / 1000 - 1)
        return 0;
    return (int64_t)tpv->time.tv_sec * 1000 +
           (tpv->time.tv_nsec + 500000) / 1000000;
}

static bool has_position(const struct gps_fix_t *tpv)
{
    return tpv->mode >= MODE_2D && time_ms_of(tpv) > 0 &&
           geo_deg_valid(tpv->latitude, tpv->longitude);
}

void receiver_fix_from_tpv(const struct gps_fix_t *tpv,
                           struct receiver_fix *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->time_ms = time_ms_of(tpv);
    if (!has_position(tpv)) {
        ret->mode =
            tpv->mode == MODE_NOT_SEEN ? RECEIVER_NOT_SEEN : RECEIVER_NO_FIX;
        return;
    }
    ret->mode = tpv->mode == MODE_2D ? RECEIVER_2D : RECEIVER_3D;
    ret->flags = PT_FLAG_POSITION;
    if (ret->mode == RECEIVER_3D)
        ret->flags |= PT_FLAG_3D;
    ret->at = geo_from_deg(tpv->latitude, tpv->longitude);
    if (isfinite(tpv->speed) && tpv->speed >= 0) {
        ret->speed_mps = tpv->speed;
        ret->flags |= PT_FLAG_SPEED;
    }
    if (isfinite(tpv->track) && tpv->track >= 0 && tpv->track <= 360) {
        ret->course_deg = tpv->track == 360 ? 0 : tpv->track;
        ret->flags |= PT_FLAG_COURSE;
    }
    if (accuracy_of(tpv, &ret->accuracy_m))
        ret->flags |= PT_FLAG_ACCURACY;
}

static uint32_t rounded(double value, double max)
{
    return (uint32_t)lround(fmin(value, max));
}

struct pt_entry receiver_entry(const struct receiver_fix *fix,
                               enum pt_status status)
{
    struct pt_entry entry = {
        .time_ms = fix->time_ms,
        .at = fix->at,
        .flags = fix->flags,
        .status = (uint8_t)status,
        .kind = PT_KIND_FIX,
    };
    if ((fix->flags & PT_FLAG_SPEED) != 0)
        entry.speed_cmps = rounded(fix->speed_mps * 100, UINT16_MAX);
    if ((fix->flags & PT_FLAG_COURSE) != 0)
        entry.course_cdeg = rounded(fix->course_deg * 100, 36000) % 36000;
    if ((fix->flags & PT_FLAG_ACCURACY) != 0)
        entry.accuracy_dm = rounded(fix->accuracy_m * 10, ACCURACY_MAX_DM);
    return entry;
}

bool receiver_device_is_ours(const char *path, const char *wanted)
{
    return wanted == NULL || wanted[0] == '\0' || strcmp(path, wanted) == 0;
}

bool receiver_list_has_ours(const struct gps_data_t *data, const char *wanted)
{
    for (int i = 0; i < data->devices.ndevices && i < MAXUSERDEVS; i++)
        if (receiver_device_is_ours(data->devices.list[i].path, wanted) &&
            data->devices.list[i].activated.tv_sec > 0)
            return true;
    return false;
}

/* libgps counts both from the list of satellites; a receiver that sends no
 * such list has not said that it uses none. */
int receiver_satellites_used(const struct gps_data_t *data)
{
    return data->satellites_visible > 0 ? data->satellites_used : -1;
}

/* No chance in it: each vehicle has its own gpsd, so nobody is to be kept out
 * of step. */
uint64_t receiver_wait_ms(unsigned failures)
{
    static const struct backoff retry = {.first_ms = 1000, .max_ms = 15000};
    return failures == 0 ? 0 : backoff_longest_ms(&retry, failures - 1);
}

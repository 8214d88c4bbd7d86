/* A recorded drive through the agent's pace: how many reports an hour, how
 * much of the time the gateway's idea of the place is within the bound, and
 * the worst error with its cause.
 *
 *   bench_pace FILE [BOUND_M]
 *
 * FILE as Newson and Krumm published theirs: a line of names, then date, time,
 * latitude, longitude, with tabs between. The recording has no speed and
 * course, which every receiver gives: here they are the slope of a line through
 * the places of SLOPE_MS before and after (a receiver measures them from
 * the Doppler shift, without such a delay), or with SLOPE=back of those before
 * alone. Errors are looked at PARTS times between two fixes, the truth on the
 * straight line between them; what the link takes is not in them. */
#include "bench.h"
#include "pace.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAP_MS 2000 /* from here on it is the receiver's gap */
#define SLOPE_MS 2000
#define PARTS 10

struct drive {
    struct receiver_fix *fixes;
    size_t count;
};

struct tally {
    size_t sent;
    int64_t all_ms, watched_ms;
    double within_ms;   /* of watched_ms */
    double worst_m;     /* outside gaps */
    double gap_worst_m; /* in them */
    size_t worst_at, gap_worst_at;
};

/* --- the recording -------------------------------------------------------- */

static bool parse_line(const char *line, struct receiver_fix *ret)
{
    struct tm when = {0};
    double lat_deg, lon_deg;
    const char *rest = strptime(line, "%d-%b-%Y\t%H:%M:%S", &when);
    if (rest == NULL || sscanf(rest, "%lf%lf", &lat_deg, &lon_deg) != 2 ||
        !geo_deg_valid(lat_deg, lon_deg))
        return false;
    *ret = (struct receiver_fix){
        .mode = RECEIVER_3D,
        .time_ms = (int64_t)timegm(&when) * 1000,
        .at = geo_from_deg(lat_deg, lon_deg),
        .flags = PT_FLAG_POSITION | PT_FLAG_3D,
    };
    return true;
}

static void read_drive(const char *file, struct drive *drive)
{
    char line[256];
    size_t room = 0;
    FILE *in = fopen(file, "r");
    if (in == NULL)
        bench_die(file, "cannot be read");
    while (fgets(line, sizeof(line), in) != NULL) {
        struct receiver_fix fix;
        if (!parse_line(line, &fix))
            continue;
        if (drive->count == room) {
            room = room == 0 ? 4096 : 2 * room;
            drive->fixes =
                reallocarray(drive->fixes, room, sizeof(*drive->fixes));
            if (drive->fixes == NULL)
                bench_die(file, "no memory");
        }
        drive->fixes[drive->count++] = fix;
    }
    fclose(in);
    if (drive->count < 2)
        bench_die(file, "no drive in it");
}

/* Least squares: place over time, in either direction. */
static void put_motion(struct drive *drive, size_t at, bool back_only)
{
    struct receiver_fix *fix = &drive->fixes[at];
    struct geo_plane plane = geo_plane_at(fix->at);
    double n = 0, t_sum = 0, tt = 0, e_sum = 0, te = 0, n_sum = 0, tn = 0;
    for (size_t i = at < 10 ? 0 : at - 10; i < drive->count && i <= at + 10;
         i++) {
        int64_t off_ms = drive->fixes[i].time_ms - fix->time_ms;
        if (llabs(off_ms) > SLOPE_MS || (back_only && off_ms > 0))
            continue;
        double t = (double)off_ms / 1000.0, east, north;
        geo_to_plane(&plane, drive->fixes[i].at, &east, &north);
        n += 1;
        t_sum += t;
        tt += t * t;
        e_sum += east;
        te += t * east;
        n_sum += north;
        tn += t * north;
    }
    double spread = n * tt - t_sum * t_sum;
    if (spread <= 0.0)
        return;
    double east_mps = (n * te - t_sum * e_sum) / spread;
    double north_mps = (n * tn - t_sum * n_sum) / spread;
    fix->speed_mps = hypot(east_mps, north_mps);
    fix->course_deg = atan2(east_mps, north_mps) * 180.0 / 3.14159265358979;
    if (fix->course_deg < 0)
        fix->course_deg += 360.0;
    fix->flags |= PT_FLAG_SPEED | PT_FLAG_COURSE;
}

/* --- the replay ----------------------------------------------------------- */

static void watch(const struct pace *pace, const struct drive *drive, size_t at,
                  struct tally *tally)
{
    const struct receiver_fix *from = &drive->fixes[at - 1];
    const struct receiver_fix *to = &drive->fixes[at];
    int64_t step_ms = to->time_ms - from->time_ms;
    bool gap = step_ms >= GAP_MS;
    struct geo_plane plane = geo_plane_at(from->at);
    double east, north;
    geo_to_plane(&plane, to->at, &east, &north);
    tally->all_ms += step_ms;
    if (!gap)
        tally->watched_ms += step_ms;
    for (int part = 1; part <= PARTS; part++) {
        double share = (double)part / PARTS;
        int64_t time_ms = from->time_ms + step_ms * part / PARTS;
        struct geo_point truth =
            geo_from_plane(&plane, east * share, north * share);
        double error_m = geo_distance_m(truth, reckon_at(&pace->sent, time_ms));
        if (!gap && error_m <= pace->settings.bound_m)
            tally->within_ms += (double)step_ms / PARTS;
        if (!gap && error_m > tally->worst_m) {
            tally->worst_m = error_m;
            tally->worst_at = at;
        }
        if (gap && error_m > tally->gap_worst_m) {
            tally->gap_worst_m = error_m;
            tally->gap_worst_at = at;
        }
    }
}

static void tell_cause(const struct drive *drive, const char *what,
                       double error_m, size_t at)
{
    const struct receiver_fix *a = &drive->fixes[at == 0 ? 0 : at - 1];
    const struct receiver_fix *b = &drive->fixes[at];
    time_t when_s = (time_t)(b->time_ms / 1000);
    char clock[16];
    struct tm when;
    strftime(clock, sizeof(clock), "%H:%M:%S", gmtime_r(&when_s, &when));
    printf("%s %.1f m at %s: %.1f s between two fixes that lie %.1f m apart, "
           "%.1f -> %.1f m/s, turned %.0f degrees\n",
           what, error_m, clock, (double)(b->time_ms - a->time_ms) / 1000.0,
           geo_distance_m(a->at, b->at), a->speed_mps, b->speed_mps,
           geo_course_difference_deg(a->course_deg, b->course_deg));
}

static void tell(const struct drive *drive, const struct tally *tally,
                 double bound_m)
{
    double hours = (double)tally->all_ms / 3600000.0;
    printf("%zu fixes in %.2f h, bound %.0f m: %zu reports, %.0f an hour\n",
           drive->count, hours, bound_m, tally->sent,
           (double)tally->sent / hours);
    printf("within the bound %.2f %% of the %.2f h without gaps of 2 s\n",
           100.0 * tally->within_ms / (double)tally->watched_ms,
           (double)tally->watched_ms / 3600000.0);
    tell_cause(drive, "worst", tally->worst_m, tally->worst_at);
    if (tally->gap_worst_m > 0)
        tell_cause(drive, "worst in a gap", tally->gap_worst_m,
                   tally->gap_worst_at);
}

int main(int argc, char **argv)
{
    struct drive drive = {0};
    struct tally tally = {0};
    const char *slope = getenv("SLOPE");
    struct pace_settings settings = {
        .bound_m = argc > 2 ? atof(argv[2]) : 25.0,
        .bound_assigned_m = 10.0,
        .moving_ms = 10000,
        .parked_ms = 60000,
        .accuracy_max_m = 100.0,
    };
    struct pace pace;
    if (argc < 2 || settings.bound_m <= 0.0)
        bench_die("usage", "bench_pace FILE [BOUND_M]");
    read_drive(argv[1], &drive);
    for (size_t i = 0; i < drive.count; i++)
        put_motion(&drive, i, slope != NULL && strcmp(slope, "back") == 0);
    pace_init(&pace, &settings);
    for (size_t i = 0; i < drive.count; i++) {
        if (i > 0)
            watch(&pace, &drive, i, &tally);
        tally.sent += pace_due(&pace, &drive.fixes[i]);
    }
    tell(&drive, &tally, settings.bound_m);
    free(drive.fixes);
    return EXIT_SUCCESS;
}

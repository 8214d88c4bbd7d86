/* A receiver on a pty: NMEA 0183 for a real gpsd, which a real agent reads. */
#include "pt_log.h"
#include "sim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define UNREAD_MAX 2048
#define KNOTS_PER_MPS (3600.0 / 1852.0)

/* --- sentences -------------------------------------------------------------
 */

struct text {
    char *out;
    size_t used;
};

/* "$body*hh": the sum of all bytes between, exclusive or. */
__attribute__((format(printf, 2, 3))) static void say(struct text *text,
                                                      const char *format, ...)
{
    char body[160];
    va_list values;
    unsigned sum = 0;
    va_start(values, format);
    vsnprintf(body, sizeof(body), format, values);
    va_end(values);
    for (const char *c = body; *c != '\0'; c++)
        sum ^= (unsigned char)*c;
    int length = snprintf(text->out + text->used, NMEA_BYTES_MAX - text->used,
                          "$%s*%02X\r\n", body, sum);
    if (length > 0 && text->used + (size_t)length < NMEA_BYTES_MAX)
        text->used += (size_t)length;
}

/* Degrees and minutes; a millionth of a degree is 60 millionths of a minute,
 * so six decimals lose nothing. */
static void say_angle(char *out, size_t size, int32_t e6, int width,
                      const char *ends)
{
    int64_t micro_minutes = llabs((int64_t)e6) * 60;
    snprintf(out, size, "%0*d%02d.%06d,%c", width,
             (int)(micro_minutes / 60000000),
             (int)(micro_minutes % 60000000 / 1000000),
             (int)(micro_minutes % 1000000), ends[e6 < 0]);
}

static void say_fix(struct text *text, const struct receiver_fix *fix,
                    const char *clock, const char *date)
{
    char lat[32];
    char lon[32];
    say_angle(lat, sizeof(lat), fix->at.lat_e6, 2, "NS");
    say_angle(lon, sizeof(lon), fix->at.lon_e6, 3, "EW");
    char course[16] = "";
    if ((fix->flags & PT_FLAG_COURSE) != 0)
        snprintf(course, sizeof(course), "%.1f", fix->course_deg);
    /* gpsd takes 95 % of two dimensions from these standard deviations. */
    double sigma_m = fix->accuracy_m > 0 ? fix->accuracy_m / 2.45 : 1.0;
    say(text, "GPRMC,%s,A,%s,%s,%.2f,%s,%s,,,A", clock, lat, lon,
        fix->speed_mps * KNOTS_PER_MPS, course, date);
    say(text, "GPGGA,%s,%s,%s,1,09,0.9,12.0,M,-20.0,M,,", clock, lat, lon);
    say(text, "GPGSA,A,3,03,07,08,11,14,18,22,27,30,,,,1.6,0.9,1.3");
    say(text, "GPGST,%s,%.1f,%.1f,%.1f,0.0,%.1f,%.1f,%.1f", clock, sigma_m,
        sigma_m, sigma_m, sigma_m, sigma_m, 2.0 * sigma_m);
}

size_t nmea_text(const struct receiver_fix *fix, char ret[NMEA_BYTES_MAX])
{
    struct text text = {.out = ret};
    time_t seconds = (time_t)(fix->time_ms / 1000);
    struct tm utc;
    char clock[16];
    char date[40];
    gmtime_r(&seconds, &utc);
    size_t n = strftime(clock, sizeof(clock), "%H%M%S", &utc);
    snprintf(clock + n, sizeof(clock) - n, ".%02d",
             (int)(fix->time_ms % 1000 / 10));
    snprintf(date, sizeof(date), "%02d%02d%02d", utc.tm_mday, utc.tm_mon + 1,
             utc.tm_year % 100);
    ret[0] = '\0';
    if (fix->mode >= RECEIVER_2D) {
        say_fix(&text, fix, clock, date);
    } else {
        say(&text, "GPRMC,%s,V,,,,,,,%s,,,N", clock, date);
        say(&text, "GPGGA,%s,,,,,0,00,,,M,,M,,", clock);
        say(&text, "GPGSA,A,1,,,,,,,,,,,,,,,");
    }
    return text.used;
}

/* A pty holds 4 kB. With half of it unread nobody listens, and what is said
 * is lost, as on a cable that is not plugged in; half an epoch, as a full pty
 * would take it, could pass for a fix that was never said. */
bool nmea_say(struct nmea *nmea, const struct receiver_fix *fix)
{
    char text[NMEA_BYTES_MAX];
    int unread = 0;
    if (ioctl(nmea->slave, FIONREAD, &unread) != 0 || unread > UNREAD_MAX)
        return false;
    size_t size = nmea_text(fix, text);
    return write(nmea->master, text, size) == (ssize_t)size;
}

/* --- the pty ---------------------------------------------------------------
 */

static bool set_raw(int fd)
{
    struct termios mode;
    if (tcgetattr(fd, &mode) != 0)
        return false;
    cfmakeraw(&mode);
    return tcsetattr(fd, TCSANOW, &mode) == 0;
}

/* The slave stays open: without one the master reads as hung up until gpsd
 * comes. gpsd started by root goes on as its own user, hence the mode. */
static bool open_pair(struct nmea *nmea, char *name, size_t size)
{
    nmea->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (nmea->master < 0 || grantpt(nmea->master) != 0 ||
        unlockpt(nmea->master) != 0 || ptsname_r(nmea->master, name, size) != 0)
        return false;
    nmea->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return nmea->slave >= 0 && set_raw(nmea->slave) && chmod(name, 0666) == 0;
}

/* Replaces a symbolic link, and nothing else. */
static bool point_link(const char *link, const char *name)
{
    struct stat there;
    if (lstat(link, &there) == 0 && S_ISLNK(there.st_mode))
        unlink(link);
    return symlink(name, link) == 0;
}

enum pt_err nmea_open(const char *link, struct nmea **ret)
{
    char name[64];
    struct nmea *nmea = calloc(1, sizeof(*nmea));
    if (nmea == NULL)
        return PT_E_NOMEM;
    nmea->master = nmea->slave = -1;
    if (!open_pair(nmea, name, sizeof(name)) || !point_link(link, name)) {
        pt_log(PT_LOG_ERROR, "%s: %s", link, strerror(errno));
        nmea_close(nmea);
        return PT_E_SYSTEM;
    }
    nmea->link = link;
    *ret = nmea;
    return PT_OK;
}

void nmea_close(struct nmea *nmea)
{
    if (nmea == NULL)
        return;
    if (nmea->link != NULL)
        unlink(nmea->link);
    if (nmea->slave >= 0)
        close(nmea->slave);
    if (nmea->master >= 0)
        close(nmea->master);
    free(nmea);
}

/* The past in a coverage report: hours of the week, and missions. */
#include "report.h"
#include <math.h>
#include <string.h>

#define HOURS 168
#define CELL 38.0
#define LEFT 52.0

/* --------------------------------------------------------- hours of the week
 * A week as seven rows: shade and number are the share of the missions' time
 * without enough units. */
struct week {
    bool known[HOURS];
    double share[HOURS]; /* per cent */
    double most;
};

static struct week read_week(const struct report *r)
{
    const json_t *hours = json_object_get(r->past, "hours");
    struct week week = {.most = 0};
    double level = 1;
    (void)ctl_number(r->coverage, "level", &level);
    for (size_t i = 0; i < json_array_size(hours); i++) {
        const json_t *one = json_array_get(hours, i);
        const json_t *seconds = json_object_get(one, "seconds");
        double hour, watched, out = 0;
        if (!ctl_number(one, "hour", &hour) || hour < 0 || hour >= HOURS ||
            !ctl_number(one, "watched_s", &watched) || watched <= 0)
            continue;
        for (size_t k = 0; k < 4 && (double)k < level; k++)
            out += json_number_value(json_array_get(seconds, k));
        week.known[(size_t)hour] = true;
        week.share[(size_t)hour] = 100 * out / watched;
        week.most = fmax(week.most, week.share[(size_t)hour]);
    }
    return week;
}

static void put_hour(const struct report *r, const struct week *week,
                     size_t hour)
{
    double x = LEFT + CELL * (double)(hour % 24),
           y = 22 + 26 * (double)(hour / 24);
    double dark = week->most > 0 ? week->share[hour] / week->most : 0;
    if (!week->known[hour]) {
        fprintf(r->out, "<text x=\"%.0f\" y=\"%.0f\" class=\"quiet\">·</text>",
                x + CELL / 2, y + 18);
        return;
    }
    /* white to the orange of what is out of cover */
    fprintf(r->out,
            "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"24\" "
            "fill=\"rgb(%.0f,%.0f,%.0f)\" stroke=\"#c9ced4\"/>",
            x, y, CELL - 2, 255 - 63 * dark, 255 - 181 * dark,
            255 - 255 * dark);
    fprintf(r->out, "<text x=\"%.0f\" y=\"%.0f\"%s>%.0f</text>\n",
            x + CELL / 2 - 1, y + 17, dark > 0.6 ? " fill=\"#fff\"" : "",
            week->share[hour]);
}

static void put_week(const struct report *r)
{
    struct week week = read_week(r);
    const char *day = report_say(r, WORD_DAYS);
    fprintf(r->out,
            "<figure><figcaption><b>%s</b> %s</figcaption>\n<svg role=\"img\" "
            "aria-label=\"%s\" viewBox=\"0 0 968 208\"><style>svg text{font:"
            "13px sans-serif;text-anchor:middle}.day{text-anchor:start "
            "!important}.quiet{fill:#4b535d}</style>\n",
            report_say(r, WORD_BY_HOUR), report_say(r, WORD_LOCAL_HOURS),
            report_say(r, WORD_BY_HOUR));
    for (int hour = 0; hour < 24; hour++)
        fprintf(r->out, "<text x=\"%.0f\" y=\"14\" class=\"quiet\">%d</text>",
                LEFT + CELL * hour + CELL / 2, hour);
    for (int row = 0; row < 7; row++) {
        size_t length = strcspn(day, "|");
        fprintf(r->out, "<text x=\"0\" y=\"%d\" class=\"day\">%.*s</text>\n",
                39 + 26 * row, (int)length, day);
        day += length + (day[length] == '|');
    }
    for (size_t hour = 0; hour < HOURS; hour++)
        put_hour(r, &week, hour);
    fputs("</svg></figure>\n", r->out);
}

/* ------------------------------------------------------------------- missions
 */
static void cell(const struct report *r, const json_t *mission, const char *key,
                 double by, int decimals)
{
    double value = 0;
    bool known = ctl_number(mission, key, &value);
    report_number(r, known, value * by, decimals);
}

static void mission_row(const struct report *r, const json_t *mission)
{
    char time[REPORT_TIME_SIZE];
    fputs("<tr>", r->out);
    report_cell(r, ctl_text(mission, "name"));
    report_cell(r, ctl_text(mission, "zone"));
    cell(r, mission, "out_s", 1 / 60.0, 1);
    cell(r, mission, "out_share", 100, 1);
    cell(r, mission, "outages", 1, 0);
    cell(r, mission, "longest_s", 1 / 60.0, 1);
    report_cell(r, report_time(ctl_text(mission, "longest_from"), time));
    cell(r, mission, "passes", 1, 0);
    cell(r, mission, "unpassed_s", 1 / 3600.0, 1);
    fputs("</tr>\n", r->out);
}

static void put_missions(const struct report *r)
{
    static const int head[] = {WORD_MISSION,      WORD_ZONE,
                               WORD_MINUTES_OUT,  WORD_SHARE_OUT,
                               WORD_OUTAGES,      WORD_LONGEST,
                               WORD_LONGEST_FROM, WORD_PASSES,
                               WORD_UNPASSED,     -1};
    const json_t *missions = json_object_get(r->past, "missions");
    fputs("<table>", r->out);
    report_head(r, head);
    for (size_t i = 0; i < json_array_size(missions); i++)
        mission_row(r, json_array_get(missions, i));
    fputs("</tbody></table>\n", r->out);
}

static void sentence(const struct report *r, enum report_word word)
{
    fputs("<p>", r->out);
    report_text(r, report_say(r, word));
    fputs("</p>\n", r->out);
}

void report_past(const struct report *r)
{
    char times[4][REPORT_TIME_SIZE];
    const char *const texts[] = {
        report_time(ctl_text(r->past, "from"), times[0]),
        report_time(ctl_text(r->past, "to"), times[1]),
        report_time(ctl_text(r->past, "first_fix"), times[2]),
        report_time(ctl_text(r->past, "last_fix"), times[3])};
    double fixes = 0, networks = 0;
    (void)ctl_number(r->past, "fixes", &fixes);
    (void)ctl_number(r->past, "networks_since", &networks);
    fputs("<p>", r->out);
    report_fill(r, WORD_SPAN, texts);
    fputs("</p>\n", r->out);
    if (fixes <= 0) {
        sentence(r, WORD_NOTHING_KNOWN);
        return;
    }
    fputs("<p>", r->out);
    report_fill(r, WORD_STORED, texts + 2);
    fputs("</p>\n", r->out);
    if (networks > 0)
        sentence(r, WORD_OTHER_STREETS);
    put_week(r);
    put_missions(r);
}

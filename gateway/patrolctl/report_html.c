/* A coverage report: its words, its figures and lists. */
#include "report.h"
#include <string.h>

/* ---------------------------------------------------------------------- words
 */
const char *report_say(const struct report *r, enum report_word word)
{
    static const char *const words[][REPORT_LANGUAGES] = {
#define REPORT_WORD_ROW(name, en, es, fr) [WORD_##name] = {en, es, fr},
        REPORT_WORDS(REPORT_WORD_ROW)
#undef REPORT_WORD_ROW
    };
    return words[word][r->language];
}

void report_text(const struct report *r, const char *text)
{
    char clean[1024];
    ctl_clean(text, clean, sizeof clean);
    for (const char *c = clean; *c != '\0'; c++) {
        switch (*c) {
        case '&':
            fputs("&amp;", r->out);
            break;
        case '<':
            fputs("&lt;", r->out);
            break;
        case '>':
            fputs("&gt;", r->out);
            break;
        case '"':
            fputs("&quot;", r->out);
            break;
        case '\'':
            fputs("&#39;", r->out);
            break;
        default:
            fputc(*c, r->out);
        }
    }
}

void report_fill(const struct report *r, enum report_word word,
                 const char *const *texts)
{
    const char *at = report_say(r, word), *mark;
    while ((mark = strstr(at, "%s")) != NULL) {
        fprintf(r->out, "%.*s", (int)(mark - at), at);
        report_text(r, *texts++);
        at = mark + 2;
    }
    fputs(at, r->out);
}

/* ---------------------------------------------------------------------- cells
 */
void report_cell(const struct report *r, const char *text)
{
    fputs("<td>", r->out);
    report_text(r, text == NULL ? "–" : text);
    fputs("</td>", r->out);
}

void report_number(const struct report *r, bool known, double value,
                   int decimals)
{
    char text[64] = "–";
    if (known)
        snprintf(text, sizeof text, "%.*f", decimals, value);
    if (r->language != REPORT_EN && strchr(text, '.') != NULL)
        *strchr(text, '.') = ',';
    fprintf(r->out, "<td class=\"n\">%s</td>", text);
}

const char *report_time(const char *text, char out[REPORT_TIME_SIZE])
{
    snprintf(out, REPORT_TIME_SIZE, "%.16s", text == NULL ? "–" : text);
    if (strlen(out) == 16 && out[10] == 'T')
        out[10] = ' ';
    return out;
}

void report_head(const struct report *r, const int *words)
{
    fputs("<thead><tr>", r->out);
    for (; *words != -1; words++) {
        if (*words < 0)
            fputs("<td></td>", r->out);
        else
            fprintf(r->out, "<th scope=\"col\">%s</th>",
                    report_say(r, (enum report_word) * words));
    }
    fputs("</tr></thead><tbody>\n", r->out);
}

static void number_of(const struct report *r, const json_t *object,
                      const char *key, double by, int decimals)
{
    double value = 0;
    bool known = ctl_number(object, key, &value);
    report_number(r, known, value * by, decimals);
}

static void clock_cell(const struct report *r, const json_t *object,
                       const char *key)
{
    char text[32];
    double seconds;
    fputs("<td class=\"n\">", r->out);
    report_text(r, ctl_number(object, key, &seconds)
                       ? ctl_format_clock(text, sizeof text, seconds)
                       : "–");
    fputs("</td>", r->out);
}

static void heading(const struct report *r, enum report_word word)
{
    fputs("<h2>", r->out);
    report_text(r, report_say(r, word));
    fputs("</h2>\n", r->out);
}

/* ----------------------------------------------------------------- the figures
 */
static double share_of(const json_t *part, size_t k)
{
    const json_t *share = json_array_get(json_object_get(part, "share"), k);
    return json_is_number(share) ? json_number_value(share) : -1;
}

static void zone_row(const struct report *r, const json_t *zone,
                     const char *name)
{
    const json_t *missions = json_object_get(zone, "missions");
    const json_t *streets = json_object_get(zone, "streets");
    bool alarm = json_is_true(json_object_get(zone, "alarm"));
    fputs(alarm ? "<tr class=\"bad\">" : "<tr>", r->out);
    report_cell(r, name);
    clock_cell(r, zone, "promise_s");
    number_of(r, missions, "total", 1, 0);
    for (size_t k = 0; k < 3; k++)
        report_number(r, share_of(missions, k) >= 0,
                      share_of(missions, k) * 100, 0);
    number_of(r, streets, "length_m", 1e-3, 1);
    for (size_t k = 0; k < 3; k++)
        report_number(r, share_of(streets, k) >= 0, share_of(streets, k) * 100,
                      0);
    report_cell(r, alarm ? report_say(r, WORD_LOST) : "");
    fputs("</tr>\n", r->out);
}

static void write_zones(const struct report *r)
{
    static const int head[] = {WORD_ZONE,       WORD_PROMISE, WORD_MISSIONS,
                               WORD_BY_1,       WORD_BY_2,    WORD_BY_3,
                               WORD_STREETS_KM, WORD_BY_1,    WORD_BY_2,
                               WORD_BY_3,       -2,           -1};
    const json_t *zones = json_object_get(r->coverage, "zones");
    heading(r, WORD_ZONES);
    fputs("<table>", r->out);
    report_head(r, head);
    for (size_t i = 0; i < json_array_size(zones); i++)
        zone_row(r, json_array_get(zones, i),
                 ctl_text(json_array_get(zones, i), "name"));
    if (r->zone == NULL)
        zone_row(r, json_object_get(r->coverage, "total"),
                 report_say(r, WORD_ALL));
    fputs("</tbody></table>\n", r->out);
}

static size_t count_missions(const struct report *r, bool out)
{
    const json_t *missions = json_object_get(r->coverage, "missions");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const json_t *m = json_array_get(missions, i);
        const json_t *within = json_object_get(m, "within");
        count += out ? json_is_false(json_object_get(m, "covered"))
                     : json_integer_value(within) > 0;
    }
    return count;
}

static void figure(const struct report *r, const char *value,
                   enum report_word word)
{
    fprintf(r->out, "<li><b>%s</b> ", value);
    report_text(r, report_say(r, word));
    fputs("</li>\n", r->out);
}

static void write_figures(const struct report *r)
{
    const json_t *all =
        r->zone == NULL
            ? json_object_get(r->coverage, "total")
            : json_array_get(json_object_get(r->coverage, "zones"), 0);
    double counted = 0, share = share_of(json_object_get(all, "streets"), 0);
    size_t total = json_array_size(json_object_get(r->coverage, "missions"));
    char text[64];
    (void)ctl_number(json_object_get(r->coverage, "units"), "counted",
                     &counted);
    fputs("<ul class=\"figures\">", r->out);
    snprintf(text, sizeof text, "%.0f", counted);
    figure(r, text, WORD_UNITS_COUNT);
    snprintf(text, sizeof text, "%zu / %zu", count_missions(r, false), total);
    figure(r, text, WORD_MISSIONS_IN);
    snprintf(text, sizeof text, "%zu", count_missions(r, true));
    figure(r, text, WORD_MISSIONS_OUT);
    snprintf(text, sizeof text, share < 0 ? "–" : "%.0f %%", share * 100);
    figure(r, text, WORD_STREETS_IN);
    fputs("</ul>\n", r->out);
}

static void write_made_by(const struct report *r)
{
    char network[32], level[48];
    double id = 0, wanted = 1;
    (void)ctl_number(r->coverage, "network_id", &id);
    (void)ctl_number(r->coverage, "level", &wanted);
    snprintf(network, sizeof network, "%.0f", id);
    if (wanted > 1)
        snprintf(level, sizeof level, "%.0f %s", wanted,
                 report_say(r, WORD_IN_TIME_UNITS));
    else
        snprintf(level, sizeof level, "%s", report_say(r, WORD_ONE_UNIT));
    const char *profile = ctl_text(r->coverage, "profile");
    const char *const texts[] = {profile == NULL ? "?" : profile, network,
                                 level};
    fputs("<p>", r->out);
    report_fill(r, WORD_MADE_BY, texts);
    fputs("</p>\n", r->out);
    if (json_array_size(json_object_get(r->coverage, "degraded")) > 0) {
        fputs("<p class=\"bad\">", r->out);
        report_text(r, report_say(r, WORD_INCOMPLETE));
        fputs("</p>\n", r->out);
    }
}

/* ----------------------------------------------------------------- the lists
 */
static void gap_row(const struct report *r, size_t number, const json_t *gap)
{
    const json_t *properties = json_object_get(gap, "properties");
    const json_t *missions = json_object_get(properties, "missions");
    fprintf(r->out, "<tr><td class=\"n\">%zu</td>", number);
    number_of(r, properties, "length_m", 1e-3, 1);
    clock_cell(r, properties, "worst_s");
    fputs("<td>", r->out);
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const char *name = ctl_text(json_array_get(missions, i), "name");
        fputs(i == 0 ? "<bdi>" : "</bdi>; <bdi>", r->out);
        report_text(r, name == NULL ? "?" : name);
    }
    fputs(json_array_size(missions) > 0 ? "</bdi></td></tr>\n"
                                        : "–</td></tr>\n",
          r->out);
}

static void write_gaps(const struct report *r)
{
    const json_t *gaps = json_object_get(r->gaps, "features");
    size_t count = json_array_size(gaps), number = 0;
    heading(r, WORD_GAPS);
    if (count == 0) {
        fprintf(r->out, "<p>%s</p>\n", report_say(r, WORD_NO_GAPS));
        return;
    }
    fputs("<table><thead><tr><th scope=\"col\">#</th>", r->out);
    for (enum report_word w = WORD_LENGTH; w <= WORD_THEIR_MISSIONS; w++)
        fprintf(r->out, "<th scope=\"col\">%s</th>", report_say(r, w));
    fputs("</tr></thead><tbody>\n", r->out);
    for (; number < count && number < REPORT_GAPS_MAX; number++)
        gap_row(r, number + 1, json_array_get(gaps, number));
    fputs("</tbody></table>\n", r->out);
    if (number < count) {
        char text[32];
        const char *const texts[] = {text};
        snprintf(text, sizeof text, "%zu", count - number);
        fputs("<p>", r->out);
        report_fill(r, WORD_MORE_GAPS, texts);
        fputs("</p>\n", r->out);
    }
}

static void unit_cell(const struct report *r, const json_t *unit)
{
    char text[32];
    double seconds;
    const char *name = ctl_text(unit, "call_sign");
    fputs("<td>", r->out);
    if (ctl_number(unit, "eta_s", &seconds)) {
        fputs("<bdi>", r->out);
        report_text(r, name == NULL ? "?" : name);
        fprintf(r->out, "</bdi> %s",
                ctl_format_clock(text, sizeof text, seconds));
    } else {
        fputs("–", r->out);
    }
    fputs("</td>", r->out);
}

static void mission_row(const struct report *r, const json_t *mission)
{
    const json_t *units = json_object_get(mission, "units");
    bool out = json_is_false(json_object_get(mission, "covered"));
    fputs(out ? "<tr class=\"bad\">" : "<tr>", r->out);
    report_cell(r, ctl_text(mission, "name"));
    report_cell(r, ctl_text(mission, "zone"));
    clock_cell(r, mission, "promise_s");
    if (json_is_true(json_object_get(mission, "off_road")))
        report_cell(r, report_say(r, WORD_NO_ROAD));
    else
        number_of(r, mission, "within", 1, 0);
    for (size_t k = 0; k < 3; k++)
        unit_cell(r, json_array_get(units, k));
    fputs("</tr>\n", r->out);
}

/* Those out of cover first. */
static void write_missions(const struct report *r)
{
    static const int head[] = {WORD_MISSION, WORD_ZONE,  WORD_PROMISE,
                               WORD_IN_TIME, WORD_FIRST, WORD_SECOND,
                               WORD_THIRD,   -1};
    const json_t *missions = json_object_get(r->coverage, "missions");
    heading(r, WORD_MISSIONS);
    fputs("<table>", r->out);
    report_head(r, head);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < json_array_size(missions); i++) {
            const json_t *m = json_array_get(missions, i);
            if (json_is_false(json_object_get(m, "covered")) == (pass == 0))
                mission_row(r, m);
        }
    fputs("</tbody></table>\n", r->out);
}

/* ------------------------------------------------------------------- the page
 */
static const char style[] =
    "@page{size:A4;margin:14mm}"
    "body{font:10.5pt/1.35 system-ui,'DejaVu Sans',sans-serif;color:#14181d;"
    "background:#fff;max-width:190mm;margin:0 auto;padding:6mm}"
    "h1{font-size:19pt;margin:0 0 2mm}h2{font-size:13pt;margin:7mm 0 2mm;"
    "border-bottom:1px solid #8b929c;break-after:avoid}"
    "table{border-collapse:collapse;width:100%;font-size:9pt}"
    "th,td{border-bottom:1px solid #c9ced4;padding:1mm 1.5mm;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{font-weight:600;"
    "overflow-wrap:normal;vertical-align:bottom}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:"
    "nowrap}thead{display:table-header-group}tr{break-inside:avoid}"
    ".bad td,.bad{font-weight:600;background:#fff0e6}"
    ".figures{list-style:none;margin:3mm 0;padding:0;display:grid;"
    "grid-template-columns:repeat(4,1fr);gap:3mm}"
    ".figures li{border:1px solid #8b929c;border-radius:2mm;padding:2mm;"
    "font-size:9pt}.figures b{display:block;font-size:16pt}"
    "figure{margin:2mm 0;break-inside:avoid}svg{width:100%;height:auto;"
    "max-height:225mm;display:block}"
    ".legend{list-style:none;margin:2mm 0;padding:0;display:flex;flex-wrap:"
    "wrap;gap:1mm 5mm;font-size:8.5pt}.legend svg{width:12mm;height:3.5mm;"
    "display:inline-block;vertical-align:middle;margin-right:1.5mm}"
    "footer{margin-top:8mm;font-size:8pt;color:#4b535d}"
    "@media print{body{padding:0;max-width:none;print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}";

static void write_top(const struct report *r)
{
    static const char *const tags[] = {"en", "es", "fr"};
    const char *at = ctl_text(r->coverage, "answered_at");
    const char *title = report_say(r, WORD_TITLE);
    char as_of[REPORT_TIME_SIZE];
    fprintf(
        r->out,
        "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src"
        " 'none'; style-src 'unsafe-inline'\">\n<meta name=\"viewport\" "
        "content=\"width=device-width\">\n<title>%s</title>\n<style>%s"
        "</style></head><body>\n<h1>%s</h1>\n<p>%s <b>",
        tags[r->language], title, style, title, report_say(r, WORD_AS_OF));
    report_text(r, report_time(at, as_of));
    fprintf(r->out, "</b>. %s", report_say(r, WORD_ALL_TIMES));
    if (r->zone != NULL) {
        fprintf(r->out, " %s <b>", report_say(r, WORD_ONLY_ZONE));
        report_text(r, r->zone);
        fputs("</b>.", r->out);
    }
    fputs("</p>\n", r->out);
}

void report_page(const struct report *r)
{
    write_top(r);
    heading(r, WORD_NOW);
    write_figures(r);
    write_made_by(r);
    write_zones(r);
    heading(r, WORD_MAP);
    report_map(r);
    write_gaps(r);
    write_missions(r);
    if (r->past != NULL) {
        heading(r, WORD_PAST);
        report_past(r);
    }
    fprintf(r->out, "<footer>%s</footer>\n</body></html>\n",
            report_say(r, WORD_CREDIT));
}

/* patrolctl report coverage: cover on paper, now and in the past. */
#include "report.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As the gateway answered; owned. */
struct answers {
    json_t *coverage, *gaps, *streets, *missions, *zones, *past;
};

static void clear(struct answers *a)
{
    json_decref(a->coverage);
    json_decref(a->gaps);
    json_decref(a->streets);
    json_decref(a->missions);
    json_decref(a->zones);
    json_decref(a->past);
}

static bool choose_language(const char *asked, enum report_language *ret)
{
    static const char *const names[] = {"en", "es", "fr"};
    const char *language = ctl_language(asked);
    for (int i = 0; language != NULL && i < REPORT_LANGUAGES; i++)
        if (strcmp(language, names[i]) == 0)
            *ret = (enum report_language)i;
    return language != NULL;
}

static enum ctl_exit ask_now(const struct ctl *ctl, struct report *r,
                             struct answers *a)
{
    const struct {
        struct ctl_request request;
        json_t **ret;
    } questions[] = {
        {{.path = "/v1/coverage", .params = {{"zone", r->zone}}}, &a->coverage},
        {{.path = "/v1/coverage/gaps", .params = {{"zone", r->zone}}},
         &a->gaps},
        {{.path = "/v1/missions"}, &a->missions},
        {{.path = "/v1/zones"}, &a->zones},
    };
    enum ctl_exit end = CTL_OK;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (end == CTL_OK)
            end = ctl_get(ctl, &questions[i].request, questions[i].ret);
    r->coverage = a->coverage;
    r->gaps = a->gaps;
    r->missions = json_object_get(a->missions, "missions");
    r->zones = json_object_get(a->zones, "zones");
    return end;
}

/* Those that the map shows. */
static enum ctl_exit ask_streets(const struct ctl *ctl, struct report *r,
                                 struct answers *a)
{
    double box[4];
    char text[128];
    if (!report_box(r, box))
        return CTL_OK;
    snprintf(text, sizeof text, "%.6f,%.6f,%.6f,%.6f", box[0], box[1], box[2],
             box[3]);
    const struct ctl_request request = {.path = "/v1/coverage/streets",
                                        .params = {{"bbox", text}}};
    enum ctl_exit end = ctl_get(ctl, &request, &a->streets);
    r->streets = a->streets;
    return end;
}

static enum ctl_exit write_page(struct report *r, const char *path)
{
    r->out = path == NULL ? stdout : fopen(path, "w");
    if (r->out == NULL) {
        ctl_complain("%s: %s", path, strerror(errno));
        return CTL_REFUSED;
    }
    report_page(r);
    bool good = fflush(r->out) == 0 && !ferror(r->out);
    if (path != NULL && fclose(r->out) != 0)
        good = false;
    if (!good)
        ctl_complain("the report could not be written");
    return good ? CTL_OK : CTL_REFUSED;
}

enum ctl_exit cmd_report_coverage(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_time from = {0}, to = {0};
    const char *language = NULL, *path = NULL;
    bool only_now = false;
    struct report report = {0};
    struct answers answers = {0};
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"zone", 'z', CTL_TEXT, &report.zone, "NAME", "only this zone", 0, 0},
        {"from", 0, CTL_SINCE, &from, "TIME",
         "the past since then: 2h, 7d, a date (7 days before the end)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "and before then (now)", 0, 0},
        {"now", 'n', CTL_FLAG, &only_now, NULL, "without the past", 0, 0},
        {"language", 'l', CTL_TEXT, &language, "CODE",
         "en, es or fr (that of the terminal)", 0, 0},
        {"output", 'o', CTL_TEXT, &path, "FILE",
         "where to write it (standard output)", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    if (ctl->json) {
        ctl_complain("it is a page, not JSON: coverage, coverage gaps and "
                     "coverage history have that");
        return CTL_USAGE;
    }
    if (!choose_language(language, &report.language))
        return CTL_USAGE;
    const struct ctl_request past = {
        .path = "/v1/coverage/history",
        .params = {{"from", from.at}, {"to", to.at}, {"zone", report.zone}}};
    end = ask_now(ctl, &report, &answers);
    if (end == CTL_OK)
        end = ask_streets(ctl, &report, &answers);
    if (end == CTL_OK && !only_now)
        end = ctl_ask_history(ctl, &past, &answers.past);
    report.past = answers.past;
    if (end == CTL_OK)
        end = write_page(&report, path);
    clear(&answers);
    return end;
}

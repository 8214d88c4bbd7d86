#include "http_terms.h"
#include "http_words.h"
#include "pt_log.h"

void take_in_force(const struct http *http, struct in_force *ret)
{
    const struct closures_view *view = *http->closures;
    const struct roads *roads = dispatch_roads(http->dispatch);
    struct speeds *speeds = http->speeds == NULL ? NULL : *http->speeds;
    struct roads_metric *const *known = NULL;
    const char *name;
    size_t count = 0, known_count = 0;

    *ret = (struct in_force){.now = {.basis = coverage_basis_of(http)}};
    if (speeds != NULL && speeds_roads(speeds) == roads)
        known = speeds_metrics(speeds, &known_count);
    for (; count < ROADS_PROFILES_MAX &&
           (name = roads_profile_name(roads, count)) != NULL;
         count++) {
        ret->metrics[count] =
            (struct roads_metric *)dispatch_metric(http->dispatch, name);
        ret->learned[count] = count < known_count ? known[count] : NULL;
    }
    ret->now.closures =
        view == NULL ? NULL : (struct closures *)closures_view_of(view);
    ret->now.metrics = ret->metrics;
    ret->now.learned = ret->learned;
    ret->now.profile_count = count;
    ret->now.conninfo = http->coverage->conninfo;
}

const char *profile_name(const struct coverage_metrics *metrics)
{
    const struct roads *roads = roads_metric_roads(metrics->now);
    const char *name = NULL;

    for (size_t i = 0; (name = roads_profile_name(roads, i)) != NULL; i++)
        if (roads_profile(roads, name) == metrics->open)
            break;
    return name;
}

void write_hour(struct json *json, int hour, bool learned)
{
    char text[WORDS_HOUR_BYTES];

    if (hour == TERMS_NOW) {
        jw_null(json, "at");
        jw_null(json, "hour_learned");
        return;
    }
    words_hour(LANGUAGE_EN, (unsigned)hour, text);
    jw_text(json, "at", text);
    jw_bool(json, "hour_learned", learned);
}

void reply_no_terms(struct request *rq, enum pt_err err, const char *message)
{
    switch (err) {
    case PT_E_AGAIN:
        reply_problem(rq, PROBLEM_BUSY,
                      "it took longer than coverage.study_limit_s");
        return;
    case PT_E_FULL:
        reply_problem(rq, PROBLEM_BUSY,
                      "the time tables would be larger than "
                      "coverage.tables_max_mb");
        return;
    case PT_E_DB:
        reply_problem(rq, PROBLEM_DATABASE,
                      "the times of that hour could not be read: %s", message);
        return;
    default:
        pt_log(PT_LOG_WARN, "http: cover as it would be: %s", pt_strerror(err));
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
    }
}

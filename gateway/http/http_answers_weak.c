/* GET /v1/coverage/weak: where cover hangs by a thread, the worst first. */
#include "http_study.h"
#include "http_words.h"
#include "pt_log.h"
#include "weak.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what one point uncovers so many missions are named. */
#define NAMED_MAX 20u
#define REASON_BYTES 1024

struct weak_job {
    struct study study;
    enum language language;
    bool by_hour;
    struct catalog *catalog; /* counted: that of the names */
    const char **names;      /* by unit */
    struct weak_unit *units;
    size_t unit_count;
    unsigned level;
    int64_t now_ms;
    struct coverage_basis *basis; /* counted */
    struct weak *weak;
    enum pt_err err;
};

static void release(struct study *study)
{
    struct weak_job *job = (struct weak_job *)study;

    weak_free(job->weak);
    coverage_basis_unref(job->basis);
    catalog_free(job->catalog);
    free(job->names);
    free(job->units);
    free(job);
}

static void run(struct study *study) /* on the pool */
{
    struct weak_job *job = (struct weak_job *)study;

    job->err = weak_run(job->weak);
}

/* ---------------------------------------------------------------- the points
 */
enum kind { OUT_NOW, STREET, UNIT, HOUR, HOUR_ONLY_OUT, KINDS };

static const char *const sentences[LANGUAGE_COUNT][KINDS] = {
    {"Sin cobertura ahora: {n} de {of} misiones",
     "Si se cierra {what}, misiones que pierden la cobertura: {n}",
     "Si falla la unidad {what}, misiones que pierden la cobertura: {n}",
     "La peor hora de la semana, {what}: misiones sin cobertura, de media: "
     "{n}; "
     "sin ninguna unidad de reserva: {thin}",
     "La peor hora de la semana, {what}: misiones sin cobertura, de media: "
     "{n}"},
    {"Out of cover now: {n} of {of} missions",
     "If {what} is closed, missions that lose their cover: {n}",
     "If unit {what} fails, missions that lose their cover: {n}",
     "The worst hour of the week, {what}: missions out of cover on average: "
     "{n}; without a unit to spare: {thin}",
     "The worst hour of the week, {what}: missions out of cover on average: "
     "{n}"},
    {"Sans couverture maintenant : {n} des {of} missions",
     "Si l'on ferme {what}, missions qui perdent leur couverture : {n}",
     "Si l'unité {what} fait défaut, missions qui perdent leur couverture : "
     "{n}",
     "La pire heure de la semaine, {what} : missions sans couverture en "
     "moyenne "
     ": {n} ; sans aucune unité de réserve : {thin}",
     "La pire heure de la semaine, {what} : missions sans couverture en "
     "moyenne "
     ": {n}"}};

static const char *const nameless[LANGUAGE_COUNT] = {
    "una calle sin nombre (vía {way} de OpenStreetMap)",
    "a street without a name (way {way} of OpenStreetMap)",
    "une rue sans nom (chemin {way} d'OpenStreetMap)"};

static const char *const bridges[LANGUAGE_COUNT] = {
    "{name} (puente)", "{name} (bridge)", "{name} (pont)"};

/* One line of the list, however it came about. */
struct point {
    enum kind kind;
    double missions; /* out of cover then */
    const struct weak_loss *loss;
    size_t order; /* among its like */
};

#define POINTS_MAX (2 * WEAK_LIST_MAX + 2)

static int by_missions(const void *left, const void *right)
{
    const struct point *a = left, *b = right;

    if (a->missions < b->missions || a->missions > b->missions)
        return a->missions > b->missions ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Missions out of cover now, and those that could be in it. */
static size_t count_missions(const struct weak_job *job, bool out_only)
{
    const struct catalog *catalog = coverage_basis_catalog(job->basis);
    size_t count = 0;

    for (size_t m = 0; m < catalog_mission_count(catalog); m++) {
        const struct weak_mission *mission = weak_mission(job->weak, m);
        count += mission->judged && (!out_only || mission->can_fail < 0);
    }
    return count;
}

static size_t add_losses(struct point *points, size_t count, enum kind kind,
                         const struct weak_loss *losses, size_t loss_count)
{
    for (size_t i = 0; i < loss_count; i++)
        points[count + i] =
            (struct point){kind, (double)losses[i].count, &losses[i], i};
    return count + loss_count;
}

static size_t rank_points(const struct weak_job *job,
                          struct point points[POINTS_MAX])
{
    const struct weak_hours *hours = weak_hours(job->weak);
    const struct weak_loss *losses;
    size_t out = count_missions(job, true), count = 0;

    if (out > 0)
        points[count++] = (struct point){OUT_NOW, (double)out, NULL, 0};
    size_t streets = weak_streets(job->weak, &losses);
    count = add_losses(points, count, STREET, losses, streets);
    size_t units = weak_units(job->weak, &losses);
    count = add_losses(points, count, UNIT, losses, units);
    if (hours->worst >= 0 &&
        (hours->out[hours->worst] > 0 || hours->thin[hours->worst] > 0))
        points[count++] =
            (struct point){hours->thin[hours->worst] < 0 ? HOUR_ONLY_OUT : HOUR,
                           hours->out[hours->worst], NULL, 0};
    qsort(points, count, sizeof *points, by_missions);
    return count;
}

static const struct roads *roads_of(const struct weak_job *job)
{
    return roads_metric_roads(coverage_basis_metrics(job->basis)->now);
}

static void name_street(const struct weak_job *job, uint32_t edge, char *out,
                        size_t size)
{
    char way[24], plain[400];
    const char *name = roads_edge_name(roads_of(job), 2 * edge);

    snprintf(way, sizeof way, "%lld",
             (long long)roads_edge_way(roads_of(job), 2 * edge));
    const struct words_figure by_way = {"way", way}, by_name = {"name", plain};
    if (name != NULL && *name != '\0')
        snprintf(plain, sizeof plain, "%s", name);
    else
        words_fill(plain, sizeof plain, nameless[job->language], &by_way, 1);
    words_fill(out, size,
               roads_edge_bridge(roads_of(job), 2 * edge)
                   ? bridges[job->language]
                   : "{name}",
               &by_name, 1);
    size_t used = strlen(out);
    const char *from = weak_cross_street(roads_of(job), edge, false);
    const char *to = weak_cross_street(roads_of(job), edge, true);
    if (from != NULL || to != NULL)
        snprintf(out + used, size - used, " (%s%s%s)", from == NULL ? "" : from,
                 from == NULL || to == NULL ? "" : " \xe2\x80\x93 ",
                 to == NULL ? "" : to);
}

/* What fails, is closed or passes, by name. */
static void name_point(const struct weak_job *job, const struct point *point,
                       char *out, size_t size)
{
    out[0] = '\0';
    if (point->kind == UNIT) {
        snprintf(out, size, "%s", job->names[point->loss->what]);
    } else if (point->kind == STREET) {
        name_street(job, point->loss->what, out, size);
    } else if (point->kind != OUT_NOW) {
        words_hour(job->language, (unsigned)weak_hours(job->weak)->worst, out);
    }
}

static void write_reason(struct json *json, const struct weak_job *job,
                         const struct point *point)
{
    const struct weak_hours *hours = weak_hours(job->weak);
    char what[512], n[16], of[16], thin[16] = "", reason[REASON_BYTES];
    bool is_hour = point->kind >= HOUR;

    name_point(job, point, what, sizeof what);
    snprintf(n, sizeof n, "%.*f", is_hour ? 1 : 0, point->missions);
    snprintf(of, sizeof of, "%zu", count_missions(job, false));
    if (point->kind == HOUR)
        snprintf(thin, sizeof thin, "%.1f",
                 fmax(0, hours->thin[hours->worst] - point->missions));
    const struct words_figure figures[] = {
        {"what", what}, {"n", n}, {"of", of}, {"thin", thin}};
    words_fill(reason, sizeof reason, sentences[job->language][point->kind],
               figures, sizeof figures / sizeof *figures);
    jw_text(json, "reason", reason);
}

/* The object is begun, and ended here. */
static void write_piece(struct json *json, const struct roads *roads,
                        uint32_t edge)
{
    size_t count = 0;
    const struct geo_point *line = roads_edge_line(roads, edge, &count);

    jw_int(json, "way_id", roads_edge_way(roads, 2 * edge));
    jw_real(json, "length_m", roads_edge_length_m(roads, 2 * edge), 0);
    jw_object(json, "geometry");
    jw_text(json, "type", "LineString");
    jw_array(json, "coordinates");
    for (size_t i = 0; i < count; i++)
        jw_position(json, line[i]);
    jw_array_end(json);
    jw_object_end(json);
    jw_object_end(json);
}

static void write_street(struct json *json, const struct weak_job *job,
                         const struct weak_loss *loss)
{
    const struct roads *roads = roads_of(job);

    jw_object(json, "street");
    jw_text(json, "name", roads_edge_name(roads, 2 * loss->what));
    jw_bool(json, "bridge", roads_edge_bridge(roads, 2 * loss->what));
    jw_array(json, "between");
    for (int end = 0; end < 2; end++)
        jw_text(json, NULL, weak_cross_street(roads, loss->what, end == 1));
    jw_array_end(json);
    jw_array(json, "with");
    for (size_t i = 0; i < loss->with_count; i++) {
        jw_object(json, NULL);
        write_piece(json, roads, loss->with[i]);
    }
    jw_array_end(json);
    write_piece(json, roads, loss->what);
}

static void write_named(struct json *json, const struct weak_job *job,
                        uint32_t index)
{
    const struct catalog_mission *mission =
        catalog_mission(coverage_basis_catalog(job->basis), index);

    jw_object(json, NULL);
    jw_int(json, "mission_id", mission->mission_id);
    jw_text(json, "name", mission->name);
    jw_object_end(json);
}

static void write_lost(struct json *json, const struct weak_job *job,
                       const struct weak_loss *loss)
{
    size_t named = 0;
    size_t missions = catalog_mission_count(coverage_basis_catalog(job->basis));

    jw_array(json, "missions");
    for (size_t i = 0; loss != NULL && i < loss->count && i < NAMED_MAX; i++)
        write_named(json, job, loss->missions[i]);
    for (uint32_t m = 0; loss == NULL && m < missions && named < NAMED_MAX;
         m++) {
        const struct weak_mission *mission = weak_mission(job->weak, m);
        if (!mission->judged || mission->can_fail >= 0)
            continue;
        write_named(json, job, m);
        named++;
    }
    jw_array_end(json);
}

static void write_point(struct json *json, const struct weak_job *job,
                        const struct point *point, size_t rank)
{
    static const char *const codes[KINDS] = {"out_of_cover", "street_closed",
                                             "unit_fails", "worst_hour",
                                             "worst_hour"};
    const struct weak_hours *hours = weak_hours(job->weak);
    bool is_hour = point->kind >= HOUR;
    char hour[WORDS_HOUR_BYTES];

    jw_object(json, NULL);
    jw_int(json, "rank", (int64_t)rank);
    jw_text(json, "code", codes[point->kind]);
    write_reason(json, job, point);
    jw_real(json, "missions_out", point->missions, is_hour ? 2 : 0);
    if (point->kind == STREET)
        write_street(json, job, point->loss);
    if (point->kind == UNIT)
        jw_text(json, "call_sign", job->names[point->loss->what]);
    if (is_hour) {
        words_hour(LANGUAGE_EN, (unsigned)hours->worst, hour);
        jw_text(json, "hour", hour);
        if (hours->thin[hours->worst] < 0)
            jw_null(json, "missions_thin");
        else
            jw_real(json, "missions_thin", hours->thin[hours->worst], 2);
    } else {
        write_lost(json, job, point->loss);
    }
    jw_object_end(json);
}

/* ------------------------------------------------------------------ missions
 */
static void write_past(struct json *json, const struct weak_job *job,
                       const struct weak_mission *mission)
{
    char hour[WORDS_HOUR_BYTES];

    if (!mission->has_past) {
        jw_null(json, "past");
        return;
    }
    jw_object(json, "past");
    jw_real(json, "out_share", mission->out_share, 4);
    if (mission->worst_hour < 0) {
        jw_null(json, "worst_hour");
        jw_null(json, "worst_share");
    } else {
        words_hour(LANGUAGE_EN, (unsigned)mission->worst_hour, hour);
        jw_text(json, "worst_hour", hour);
        jw_real(json, "worst_share", mission->worst_share, 4);
    }
    if (job->by_hour) {
        jw_array(json, "can_fail");
        for (size_t h = 0; h < WEAK_HOURS; h++) {
            if (mission->by_hour[h] == WEAK_UNKNOWN)
                jw_null(json, NULL);
            else
                jw_int(json, NULL, mission->by_hour[h]);
        }
        jw_array_end(json);
    }
    jw_object_end(json);
}

static void write_missions(struct json *json, const struct weak_job *job)
{
    const struct catalog *catalog = coverage_basis_catalog(job->basis);

    jw_array(json, "missions");
    for (size_t m = 0; m < catalog_mission_count(catalog); m++) {
        const struct catalog_mission *known = catalog_mission(catalog, m);
        const struct weak_mission *mission = weak_mission(job->weak, m);
        jw_object(json, NULL);
        jw_int(json, "mission_id", known->mission_id);
        jw_text(json, "name", known->name);
        jw_text(json, "zone", known->zone == NULL ? NULL : known->zone->name);
        if (mission->judged) {
            jw_int(json, "in_time", (int64_t)mission->in_time);
            jw_int(json, "can_fail", mission->can_fail);
        } else {
            jw_null(json, "in_time");
            jw_null(json, "can_fail");
        }
        write_past(json, job, mission);
        jw_object_end(json);
    }
    jw_array_end(json);
}

/* --------------------------------------------------------------------- hours
 */
static void write_series(struct json *json, const char *key,
                         const double values[WEAK_HOURS])
{
    jw_array(json, key);
    for (size_t h = 0; h < WEAK_HOURS; h++) {
        if (values[h] < 0)
            jw_null(json, NULL);
        else
            jw_real(json, NULL, values[h], 2);
    }
    jw_array_end(json);
}

static void write_hours(struct json *json, const struct weak_job *job)
{
    const struct weak_hours *hours = weak_hours(job->weak);

    if (hours->source == WEAK_NO_PAST) {
        jw_null(json, "hours");
        return;
    }
    jw_object(json, "hours");
    jw_text(json, "source",
            hours->source == WEAK_RUN ? "history" : "snapshots");
    jw_time(json, "from", hours->from_ms);
    jw_time(json, "to", hours->to_ms);
    jw_text(json, "time_zone", hours->time_zone);
    write_series(json, "missions_out", hours->out);
    write_series(json, "missions_thin", hours->thin);
    jw_object_end(json);
}

/* ------------------------------------------------------------------ the answer
 */
static bool refuse(struct request *rq, const struct made *made)
{
    const struct weak_job *job = (const struct weak_job *)made;

    if (job->err == PT_E_AGAIN)
        reply_problem(rq, PROBLEM_BUSY,
                      "it took longer than coverage.study_limit_s");
    else if (job->err == PT_E_DB)
        reply_problem(rq, PROBLEM_DATABASE, "past cover could not be read: %s",
                      weak_message(job->weak));
    else if (job->err != PT_OK)
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(job->err));
    return job->err != PT_OK;
}

/* The object is begun, with what the loop knows. */
static void write_answer(struct study *study) /* on the pool */
{
    struct weak_job *job = (struct weak_job *)study;
    struct json *json = &study->made.json;
    struct point points[POINTS_MAX];

    if (job->err != PT_OK)
        return;
    size_t count = rank_points(job, points);
    struct weak_tried tried = weak_tried(job->weak);
    jw_text(json, "language", language_word(job->language));
    jw_array(json, "points");
    for (size_t i = 0; i < count; i++)
        write_point(json, job, &points[i], i + 1);
    jw_array_end(json);
    write_missions(json, job);
    write_hours(json, job);
    jw_object(json, "streets_tried");
    jw_int(json, "candidates", (int64_t)tried.candidates);
    jw_int(json, "tried", (int64_t)tried.tried);
    jw_bool(json, "is_worst", tried.is_worst);
    jw_object_end(json);
    jw_int(json, "units_counted", (int64_t)job->unit_count);
    jw_int(json, "level", job->level);
    jw_int(json, "network_id", roads_network_id(roads_of(job)));
    jw_time(json, "as_of", job->now_ms);
    jw_real(json, "took_s", (double)job->study.took_ns / 1e9, 3);
    jw_object_end(json);
}

/* ----------------------------------------------------------------- the request
 */
static bool take_units(struct weak_job *job, const struct http *http)
{
    const struct counts_rule *rule = http->coverage->rule;
    size_t slots = fleet_count(http->fleet);

    job->units = calloc(slots + 1, sizeof *job->units);
    job->names = calloc(slots + 1, sizeof *job->names);
    if (job->units == NULL || job->names == NULL)
        return false;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct fleet_unit *state = fleet_at(http->fleet, slot);
        const struct catalog_unit *known =
            catalog_unit_by_id(job->catalog, state->unit_id);
        const struct roads_place *stood = dispatch_stood(http->dispatch, slot);
        struct weak_unit unit = {.now = counts_unit(rule, job->catalog,
                                                    http->dispatch, http->fleet,
                                                    slot)};
        if (unit.now.place.edge == ROADS_NONE || known == NULL ||
            stood == NULL || unit.now.until_ms <= job->now_ms ||
            !counts_sets_out(rule, known->kind, state->status,
                             &unit.turnout_ms))
            continue;
        unit.stood = *stood;
        job->names[job->unit_count] = known->call_sign;
        job->units[job->unit_count++] = unit;
    }
    return true;
}

static enum pt_err make_weak(struct weak_job *job, const struct http *http)
{
    if (!take_units(job, http))
        return PT_E_NOMEM;
    const struct weak_wish wish = {
        .now_ms = job->now_ms,
        .basis = job->basis,
        .settings = http->coverage->settings,
        .units = job->units,
        .unit_count = job->unit_count,
        .conninfo = http->coverage->conninfo,
        .limit_ms = http->coverage->study_limit_ms,
        .stop = &job->study.stop,
    };
    return weak_new(&wish, &job->weak);
}

static bool take_language(struct request *rq, enum language *ret)
{
    const char *lang = params_get(&rq->params, "lang");

    *ret = language_accepted(MHD_lookup_connection_value(
        rq->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_LANGUAGE));
    if (lang == NULL || language_parse(lang, ret))
        return true;
    reply_parameter(rq, "lang", "es, en or fr is expected");
    return false;
}

static bool take_hours(struct request *rq, bool *ret)
{
    const char *hours = params_get(&rq->params, "hours");

    *ret = hours != NULL && strcmp(hours, "true") == 0;
    if (hours == NULL || *ret || strcmp(hours, "false") == 0)
        return true;
    reply_parameter(rq, "hours", "true or false is expected");
    return false;
}

static const struct study_kind kind = {run, write_answer, refuse, release};

void answer_weak(struct request *rq)
{
    const struct http *http = rq->http;
    enum language language;
    bool by_hour;

    if (!take_language(rq, &language) || !take_hours(rq, &by_hour) ||
        !request_coverage_now(rq) || !study_room(rq))
        return;
    struct weak_job *job = study_new(rq, sizeof *job, &kind);
    if (job == NULL)
        return;
    job->language = language;
    job->by_hour = by_hour;
    job->level = http->coverage->level;
    job->now_ms = http_wall_ms();
    job->catalog = catalog_ref(*http->catalog);
    job->basis = coverage_basis_ref(coverage_basis_of(http));
    enum pt_err err = make_weak(job, http);
    if (err != PT_OK) {
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
        release(&job->study);
        return;
    }
    jw_object(&job->study.made.json, NULL);
    write_degraded(&job->study.made.json, http);
    study_begin(rq, &job->study);
}

/* POST /v1/coverage/what-if: cover as it is, beside what it would be. */
#include "http_study.h"
#include "http_terms.h"
#include "http_whatif_body.h"
#include "pt_log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A unit of the answer: of the fleet, by its slot; of the catalog, but never
 * heard; or one that is added. */
struct planned {
    const char *name;                   /* of the catalog, or as typed */
    const struct whatif_change *change; /* NULL: it stays as it is */
    const char *kind;
    enum pt_status status;
    bool has_place;
};

struct whatif_job {
    struct study study;
    struct whatif_body body;
    struct catalog *catalog; /* counted */
    struct planned *planned;
    struct whatif_unit *units;
    size_t unit_count;
    struct whatif_closure *closures;
    struct coverage_promise *promises;
    unsigned level;
    int64_t now_ms;
    struct whatif *whatif;
    enum pt_err err;
};

static void release(struct study *study)
{
    struct whatif_job *job = (struct whatif_job *)study;

    whatif_free(job->whatif);
    whatif_body_clear(&job->body);
    catalog_free(job->catalog);
    free(job->planned);
    free(job->units);
    free(job->closures);
    free(job->promises);
    free(job);
}

static void run(struct study *study) /* on the pool */
{
    struct whatif_job *job = (struct whatif_job *)study;

    job->err = whatif_run(job->whatif);
}

/* --------------------------------------------------------------------- units
 */
/* What is to happen to the unit of that name; NULL: nothing. */
static const struct whatif_change *change_of(const struct whatif_job *job,
                                             const char *name, bool added)
{
    for (size_t i = 0; i < job->body.change_count; i++) {
        const struct whatif_change *change = &job->body.changes[i];
        if (change->added == added && strcmp(change->name, name) == 0)
            return change;
    }
    return NULL;
}

static void plan_unit(struct whatif_job *job, const struct counts_rule *rule,
                      struct planned *planned, struct whatif_unit *unit)
{
    const struct whatif_change *change = planned->change;

    if (change != NULL && change->has_status)
        planned->status = change->status;
    if (change != NULL && change->has_point) {
        unit->placed = planned->has_place = true;
        unit->at = change->at;
        unit->until_ms = INT64_MAX;
    }
    unit->counts = !(change != NULL && change->removed) && planned->has_place &&
                   counts_sets_out(rule, planned->kind, planned->status,
                                   &unit->turnout_ms);
    job->unit_count++;
}

static void plan_slot(struct whatif_job *job, const struct http *http,
                      uint32_t slot)
{
    const struct counts_rule *rule = http->coverage->rule;
    const struct fleet_unit *state = fleet_at(http->fleet, slot);
    const struct catalog_unit *known =
        catalog_unit_by_id(job->catalog, state->unit_id);
    const struct roads_place *stood = dispatch_stood(http->dispatch, slot);
    struct planned *planned = &job->planned[slot];
    struct whatif_unit *unit = &job->units[slot];

    *unit = (struct whatif_unit){
        .now =
            counts_unit(rule, job->catalog, http->dispatch, http->fleet, slot),
        .until_ms = state->fix_time_ms + 1000 * rule->position_max_s,
        .stood = {.edge = ROADS_NONE},
    };
    if (stood != NULL)
        unit->stood = *stood;
    if (known == NULL) {
        job->unit_count++;
        return;
    }
    *planned = (struct planned){known->call_sign,
                                change_of(job, known->call_sign, false),
                                known->kind, state->status, state->has_fix};
    plan_unit(job, rule, planned, unit);
}

static bool is_planned(const struct whatif_job *job,
                       const struct whatif_change *change)
{
    for (size_t i = 0; i < job->unit_count; i++)
        if (job->planned[i].change == change)
            return true;
    return false;
}

/* Those that are not in the fleet: never heard, or added. */
static void plan_others(struct whatif_job *job, const struct http *http)
{
    for (size_t i = 0; i < job->body.change_count; i++) {
        const struct whatif_change *change = &job->body.changes[i];
        const struct catalog_unit *known =
            change->added
                ? NULL
                : catalog_unit_by_call_sign(job->catalog, change->name);
        if (is_planned(job, change))
            continue;
        struct planned *planned = &job->planned[job->unit_count];
        struct whatif_unit *unit = &job->units[job->unit_count];
        unit->now.place.edge = unit->stood.edge = ROADS_NONE;
        *planned = (struct planned){
            change->name, change,
            known != NULL             ? known->kind
            : change->kind[0] != '\0' ? change->kind
                                      : "car",
            known != NULL ? PT_STATUS_UNKNOWN : PT_STATUS_AVAILABLE, false};
        plan_unit(job, http->coverage->rule, planned, unit);
    }
}

static enum pt_err plan_units(struct whatif_job *job, const struct http *http)
{
    size_t slots = fleet_count(http->fleet);
    size_t most = slots + job->body.change_count + 1;

    job->planned = calloc(most, sizeof *job->planned);
    job->units = calloc(most, sizeof *job->units);
    if (job->planned == NULL || job->units == NULL)
        return PT_E_NOMEM;
    for (size_t slot = 0; slot < slots; slot++)
        plan_slot(job, http, (uint32_t)slot);
    plan_others(job, http);
    return PT_OK;
}

/* Names that fit, each once. False with a problem. */
static bool check_units(struct request *rq, const struct whatif_job *job)
{
    char member[48];

    for (size_t i = 0; i < job->body.change_count; i++) {
        const struct whatif_change *change = &job->body.changes[i];
        bool known =
            catalog_unit_by_call_sign(job->catalog, change->name) != NULL;
        const char *what = NULL;
        if (change->added && known)
            what = "a unit has that call sign: move it, or take another label";
        else if (!change->added && !known)
            what = "no unit has that call sign";
        else if (change_of(job, change->name, change->added) != change)
            what = "it is named twice";
        if (what != NULL) {
            snprintf(member, sizeof member, "units[%zu].%s", i,
                     change->added ? "label" : "call_sign");
            reply_parameter(rq, member, what);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------- all the others
 */
static bool plan_promises(struct request *rq, struct whatif_job *job)
{
    char member[48];

    job->promises = calloc(job->body.promise_count + 1, sizeof *job->promises);
    if (job->promises == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return false;
    }
    for (size_t i = 0; i < job->body.promise_count; i++) {
        const struct whatif_zone_promise *promise = &job->body.promises[i];
        const struct catalog_zone *zone = zone_of(job->catalog, promise->zone);
        snprintf(member, sizeof member, "promises[%zu].zone", i);
        if (zone == NULL) {
            reply_parameter(rq, member, "no zone has that number or name");
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (job->promises[j].zone_id == zone->zone_id) {
                reply_parameter(rq, member, "it is named twice");
                return false;
            }
        }
        job->promises[i] =
            (struct coverage_promise){zone->zone_id, promise->promise_s};
    }
    return true;
}

static enum pt_err plan_closures(struct whatif_job *job)
{
    job->closures = calloc(job->body.closure_count + 1, sizeof *job->closures);
    if (job->closures == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < job->body.closure_count; i++) {
        const struct closure_body *body = &job->body.closures[i];
        job->closures[i] = (struct whatif_closure){
            .where = {.street = body->street[0] == '\0' ? NULL : body->street,
                      .has_point = body->has_point,
                      .at = body->at,
                      .way_count = body->way_count,
                      .ways = body->ways},
            .closed = body->closed,
            .factor = body->factor,
            .speed_mps = body->speed_mps,
            .direction = body->direction,
        };
    }
    return PT_OK;
}

/* The job is complete but for what is in force. */
static enum pt_err make_whatif(struct whatif_job *job, const struct http *http)
{
    struct in_force in_force;
    take_in_force(http, &in_force);
    const struct whatif_wish wish = {
        .now_ms = job->now_ms,
        .in_force = in_force.now,
        .settings = http->coverage->settings,
        .units = job->units,
        .unit_count = job->unit_count,
        .more_closures = job->closures,
        .more_closure_count = job->body.closure_count,
        .promises = job->promises,
        .promise_count = job->body.promise_count,
        .every_promise_s = job->body.every_promise_s,
        .profile = job->body.profile[0] == '\0' ? NULL : job->body.profile,
        .hour = job->body.hour,
        .limit_ms = http->coverage->study_limit_ms,
        .stop = &job->study.stop,
    };
    return whatif_new(&wish, &job->whatif);
}

/* ------------------------------------------------------------------ the answer
 */
static const char *name_of(const void *context, uint32_t slot)
{
    const struct whatif_job *job = context;

    return job->planned[slot].name;
}

static void write_side(struct json *json, const char *key,
                       const struct coverage *coverage)
{
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis(coverage));
    size_t zones = catalog_zone_count(catalog);

    jw_object(json, key);
    jw_int(json, "units_counted", (int64_t)coverage_unit_count(coverage));
    write_cover_zone(json, "total", coverage, zones, false);
    jw_array(json, "zones");
    for (size_t z = 0; z < zones; z++)
        write_cover_zone(json, NULL, coverage, z, false);
    jw_array_end(json);
    jw_object_end(json);
}

static void write_mission_side(struct json *json, const char *key,
                               const struct whatif_job *job,
                               const struct coverage_mission *mission)
{
    jw_object(json, key);
    write_cover(json, mission, job->level);
    write_arrivals(json, mission, name_of, job);
    jw_object_end(json);
}

/* Out of cover, or back in it; what has no promise, or no road, is neither. */
static const char *change_word(const struct whatif_job *job,
                               const struct coverage_mission *before,
                               const struct coverage_mission *after)
{
    int was = is_covered(before, job->level),
        is = is_covered(after, job->level);

    if (was == 1 && is != 1)
        return "lost";
    return was != 1 && is == 1 ? "gained" : NULL;
}

static void write_missions(struct json *json, const struct whatif_job *job)
{
    const struct coverage *before = whatif_before(job->whatif);
    const struct coverage *after = whatif_after(job->whatif);
    const struct catalog *catalog =
        coverage_basis_catalog(coverage_basis(before));
    int64_t lost = 0, gained = 0;

    jw_array(json, "missions");
    for (size_t i = 0; i < catalog_mission_count(catalog); i++) {
        struct coverage_mission was = coverage_mission(before, i);
        struct coverage_mission is = coverage_mission(after, i);
        const char *word = change_word(job, &was, &is);
        lost += word != NULL && *word == 'l';
        gained += word != NULL && *word == 'g';
        jw_object(json, NULL);
        jw_int(json, "mission_id", was.mission->mission_id);
        jw_text(json, "name", was.mission->name);
        jw_text(json, "zone",
                was.mission->zone == NULL ? NULL : was.mission->zone->name);
        jw_text(json, "change", word);
        write_mission_side(json, "before", job, &was);
        write_mission_side(json, "after", job, &is);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_int(json, "lost", lost);
    jw_int(json, "gained", gained);
}

/* Why a unit that is named would not count. */
static const char *reason_of(const struct whatif_job *job, size_t index)
{
    const struct planned *planned = &job->planned[index];
    const struct whatif_unit *unit = &job->units[index];

    if (planned->change->removed)
        return "removed";
    if (strcmp(planned->kind, "foot") == 0)
        return dispatch_exclusion_word(LEFT_OUT_KIND);
    if (!planned->has_place)
        return dispatch_exclusion_word(LEFT_OUT_NO_FIX);
    if (!unit->counts)
        return dispatch_exclusion_word(LEFT_OUT_STATUS);
    if (unit->until_ms <= job->now_ms)
        return dispatch_exclusion_word(LEFT_OUT_STALE);
    return dispatch_exclusion_word(LEFT_OUT_OFF_ROAD);
}

static void write_units(struct json *json, const struct whatif_job *job)
{
    jw_array(json, "units");
    for (size_t i = 0; i < job->unit_count; i++) {
        const struct whatif_change *change = job->planned[i].change;
        uint32_t slot = (uint32_t)i;
        if (change == NULL)
            continue;
        bool counts = coverage_unit(whatif_after(job->whatif), slot) != NULL;
        jw_object(json, NULL);
        jw_text(json, change->added ? "label" : "call_sign", change->name);
        jw_bool(json, "counts_before",
                coverage_unit(whatif_before(job->whatif), slot) != NULL);
        jw_bool(json, "counts_after", counts);
        jw_text(json, "reason", counts ? NULL : reason_of(job, i));
        jw_object_end(json);
    }
    jw_array_end(json);
}

static void write_closed(struct json *json, const struct whatif_job *job)
{
    jw_array(json, "closures");
    for (size_t i = 0; i < job->body.closure_count; i++) {
        const struct closures_found *found = whatif_closure(job->whatif, i);
        const struct closure_body *body = &job->body.closures[i];
        jw_object(json, NULL);
        jw_text(json, "street", found->street);
        jw_text(json, "kind", body->closed ? "closed" : "slowed");
        write_positive(json, "factor", body->factor);
        write_positive(json, "speed_mps", body->speed_mps);
        jw_text(json, "direction", closures_direction_word(body->direction));
        jw_int(json, "pieces", (int64_t)found->piece_count);
        write_pieces(json, found->pieces, found->piece_count);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static void write_made_by(struct json *json, const struct whatif_job *job)
{
    const struct coverage_metrics *metrics =
        coverage_basis_metrics(coverage_basis(whatif_after(job->whatif)));
    const struct roads *roads = roads_metric_roads(metrics->now);

    jw_int(json, "level", job->level);
    jw_text(json, "profile", profile_name(metrics));
    write_hour(json, job->body.hour, whatif_hour_learned(job->whatif));
    jw_int(json, "network_id", roads_network_id(roads));
    jw_time(json, "as_of", job->now_ms);
    jw_real(json, "took_s", (double)job->study.took_ns / 1e9, 3);
}

static void reply_failed(struct request *rq, const struct whatif_job *job)
{
    struct whatif_fault fault = whatif_fault(job->whatif);
    char member[48];

    if (fault.at_closure) {
        snprintf(member, sizeof member, "closures[%zu].%s", fault.index,
                 fault.direction ? "direction" : "street");
        if (fault.direction)
            reply_parameter(rq, member,
                            "which way is forward is known between two streets "
                            "only (and of ways)");
        else
            reply_no_street(rq, job->err, fault.found, member);
        return;
    }
    reply_no_terms(rq, job->err, whatif_message(job->whatif));
}

static bool refuse(struct request *rq, const struct made *made)
{
    const struct whatif_job *job = (const struct whatif_job *)made;

    if (job->err != PT_OK)
        reply_failed(rq, job);
    return job->err != PT_OK;
}

/* The object is begun, with what the loop knows. */
static void write_answer(struct study *study) /* on the pool */
{
    struct whatif_job *job = (struct whatif_job *)study;
    struct json *json = &study->made.json;

    if (job->err != PT_OK)
        return;
    write_side(json, "before", whatif_before(job->whatif));
    write_side(json, "after", whatif_after(job->whatif));
    write_missions(json, job);
    write_units(json, job);
    write_closed(json, job);
    if (job->body.gaps) {
        jw_object(json, "gaps");
        jw_text(json, "type", "FeatureCollection");
        write_gaps(json, coverage_streets(whatif_after(job->whatif)), NULL,
                   NULL);
        jw_object_end(json);
    } else {
        jw_null(json, "gaps");
    }
    write_made_by(json, job);
    jw_object_end(json);
}

/* ----------------------------------------------------------------- the request
 */
/* Its names are looked up. False with a problem. */
static bool plan(struct request *rq, struct whatif_job *job)
{
    const struct http *http = rq->http;
    const char *profile = job->body.profile;

    if (!check_units(rq, job) || !plan_promises(rq, job))
        return false;
    if (*profile != '\0' && !dispatch_knows(http->dispatch, profile)) {
        reply_parameter(rq, "profile", "the network has no such profile");
        return false;
    }
    enum pt_err err = plan_units(job, http);
    if (err == PT_OK)
        err = plan_closures(job);
    if (err == PT_OK)
        err = make_whatif(job, http);
    if (err != PT_OK)
        reply_problem(rq, PROBLEM_FAILED, "%s", pt_strerror(err));
    return err == PT_OK;
}

static const struct study_kind kind = {run, write_answer, refuse, release};

void answer_whatif(struct request *rq)
{
    struct body_fault fault;

    if (!request_is_json(rq))
        return;
    struct whatif_job *job = study_new(rq, sizeof *job, &kind);
    if (job == NULL)
        return;
    job->catalog = catalog_ref(*rq->http->catalog);
    job->level = rq->http->coverage == NULL ? 1 : rq->http->coverage->level;
    job->now_ms = http_wall_ms();
    bool good = false;
    if (!whatif_body_parse(rq->body, rq->body_bytes, &job->body, &fault))
        reply_parameter(rq, fault.member, fault.what);
    else
        good = request_coverage_now(rq) && study_room(rq) && plan(rq, job);
    if (!good) {
        release(&job->study);
        return;
    }
    jw_object(&job->study.made.json, NULL);
    write_degraded(&job->study.made.json, rq->http);
    study_begin(rq, &job->study);
}

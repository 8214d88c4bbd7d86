/* What is known of units, now. */
#include "http_made.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So few units are written at once: about 0.2 ms. */
#define AT_ONCE_MAX 100u

static void write_capabilities(struct json *json,
                               const struct catalog_unit *unit)
{
    jw_array(json, "capabilities");
    for (char **c = unit->capabilities; c != NULL && *c != NULL; c++)
        jw_text(json, NULL, *c);
    jw_array_end(json);
}

/* A value whose flag is off is not known: null. */
static void write_if(struct json *json, const char *key, bool known,
                     double value, unsigned decimals)
{
    if (known)
        jw_real(json, key, value, decimals);
    else
        jw_null(json, key);
}

/* 0 means "never" in the fleet. */
static void write_moment(struct json *json, const char *key, int64_t time_ms)
{
    if (time_ms == 0)
        jw_null(json, key);
    else
        jw_time(json, key, time_ms);
}

void write_believed(struct json *json, struct geo_point at, double forward_s)
{
    jw_object(json, "believed");
    jw_lat_lon(json, at);
    jw_real(json, "forward_s", forward_s, 1);
    jw_object_end(json);
}

static void write_fix(struct json *json, const struct fleet_unit *state,
                      int64_t now_ms)
{
    bool on_road = state->edge != FLEET_NO_EDGE;
    struct reckon reckon = fleet_reckon(state);

    jw_object(json, "position");
    jw_lat_lon(json, state->at);
    jw_time(json, "time", state->fix_time_ms);
    jw_time(json, "received_at", state->received_ms);
    jw_real(json, "age_s", (double)(now_ms - state->fix_time_ms) / 1e3, 1);
    write_believed(json, reckon_at(&reckon, now_ms),
                   (double)reckon_forward_ms(&reckon, now_ms) / 1e3);
    write_if(json, "speed_mps", state->flags & PT_FLAG_SPEED,
             (double)state->speed_mps, 2);
    write_if(json, "course_deg", state->flags & PT_FLAG_COURSE,
             (double)state->course_deg, 2);
    write_if(json, "accuracy_m", state->flags & PT_FLAG_ACCURACY,
             (double)state->accuracy_m, 1);
    jw_bool(json, "three_dimensional", state->flags & PT_FLAG_3D);
    jw_bool(json, "clock_unsure", state->flags & PT_FLAG_CLOCK_UNSURE);
    write_if(json, "off_road_m", on_road, (double)state->off_road_m, 1);
    jw_object_end(json);
}

/* The wire has more bits than JSON's readers. */
static void write_count(struct json *json, const char *key, uint64_t count)
{
    jw_int(json, key, (int64_t)(count < INT32_MAX ? count : INT32_MAX));
}

static void write_int_if(struct json *json, const char *key, bool known,
                         int64_t value)
{
    if (known)
        jw_int(json, key, value < INT32_MAX ? value : INT32_MAX);
    else
        jw_null(json, key);
}

static void write_vehicle(struct json *json, const struct fleet_unit *state)
{
    const struct pt_vehicle_state *v = &state->vehicle;

    jw_object(json, "vehicle");
    write_moment(json, "said_at", state->vehicle_said_ms);
    write_int_if(json, "next_due_s", v->next_due_s > 0, v->next_due_s);
    write_int_if(json, "receiver_mode", v->receiver_mode >= 0,
                 v->receiver_mode);
    write_int_if(json, "satellites_used", v->satellites_used >= 0,
                 v->satellites_used);
    write_if(json, "clock_offset_ms", v->clock_known,
             (double)v->clock_offset_ms, 0);
    jw_text(json, "power", pt_power_name(v->power));
    write_int_if(json, "battery_percent", v->battery_percent >= 0,
                 v->battery_percent);
    write_count(json, "outbox_depth", v->outbox_depth);
    write_int_if(json, "outbox_oldest_age_s", v->oldest_age_s >= 0,
                 v->oldest_age_s);
    write_count(json, "outbox_dropped", v->dropped);
    jw_object_end(json);
}

/* 0: not said, the vehicle's own counts. */
static void write_wanted(struct json *json, const char *key, uint32_t value,
                         double unit, unsigned decimals)
{
    write_if(json, key, value > 0, value * unit, decimals);
}

static void write_revision(struct json *json, const char *key, bool known,
                           uint64_t revision)
{
    if (known && revision > 0)
        jw_int(json, key, (int64_t)revision);
    else
        jw_null(json, key);
}

/* What is wanted of it and what its vehicle says is in force. */
static void write_pace(struct json *json, const struct pt_settings *wanted,
                       const struct pt_vehicle_state *vehicle)
{
    jw_object(json, "pace");
    write_revision(json, "wanted_revision", true, wanted->revision);
    write_revision(json, "acknowledged_revision", vehicle->present,
                   vehicle->settings_revision);
    write_wanted(json, "bound_m", wanted->bound_dm, 0.1, 1);
    write_wanted(json, "bound_assigned_m", wanted->bound_assigned_dm, 0.1, 1);
    write_wanted(json, "moving_s", wanted->moving_s, 1, 0);
    write_wanted(json, "parked_s", wanted->parked_s, 1, 0);
    jw_bool(json, "assigned", wanted->assigned);
    jw_object_end(json);
}

void write_silent(struct json *json, const struct fleet_unit *state)
{
    if (state->hearing == FLEET_UNKNOWN)
        jw_null(json, "silent");
    else
        jw_bool(json, "silent", state->hearing == FLEET_SILENT);
}

/* "": not said. */
static void write_text_if(struct json *json, const char *key, const char *text)
{
    jw_text(json, key, *text == '\0' ? NULL : text);
}

static void write_seen(struct json *json, const char *at_key,
                       const char *by_key, const struct fleet_said *said)
{
    write_moment(json, at_key, said == NULL ? 0 : said->seen_ms);
    write_text_if(json, by_key, said == NULL ? "" : said->seen_by);
}

static void write_panic(struct json *json, const struct fleet_unit *state)
{
    const struct fleet_said *panic = fleet_said(state, FLEET_PANIC);

    write_moment(json, "panic_at", panic == NULL ? 0 : panic->time_ms);
    write_seen(json, "panic_seen_at", "panic_seen_by", panic);
}

/* What was taken back is as if it had not been said. */
static void write_words(struct json *json, const char *key,
                        const struct fleet_said *said)
{
    if (said == NULL || said->text[0] == '\0') {
        jw_null(json, key);
        return;
    }
    jw_object(json, key);
    jw_text(json, "text", said->text);
    jw_time(json, "at", said->time_ms);
    write_seen(json, "seen_at", "seen_by", said);
    jw_object_end(json);
}

void write_radio(struct json *json, const struct fleet_radio *radio,
                 enum pt_status status, int64_t now_ms)
{
    jw_object(json, "radio");
    jw_time(json, "at", radio->heard_ms);
    jw_real(json, "age_s", (double)(now_ms - radio->heard_ms) / 1e3, 1);
    jw_text(json, "status",
            status == PT_STATUS_UNKNOWN ? NULL : pt_status_name(status));
    write_text_if(json, "place", radio->place);
    if (radio->has_point) {
        jw_lat_lon(json, radio->at);
    } else {
        jw_null(json, "lat");
        jw_null(json, "lon");
    }
    write_int_if(json, "mission_id", radio->mission_id != 0, radio->mission_id);
    write_text_if(json, "note", radio->note);
    write_text_if(json, "who", radio->who);
    jw_time(json, "noted_at", radio->noted_ms);
    jw_object_end(json);
}

/* A status that the vehicle said later counts, and not what was heard. */
static void write_radio_of(struct json *json, const struct fleet_unit *state,
                           int64_t now_ms)
{
    const struct fleet_radio *radio = fleet_radio(state, now_ms);

    if (radio == NULL)
        jw_null(json, "radio");
    else
        write_radio(json, radio,
                    state->status_time_ms < radio->heard_ms ? radio->status
                                                            : PT_STATUS_UNKNOWN,
                    now_ms);
}

void write_unit(struct json *json, const struct catalog_unit *unit,
                const struct fleet_unit *state, int64_t now_ms)
{
    static const struct fleet_unit never_heard = {.edge = FLEET_NO_EDGE};

    if (state == NULL)
        state = &never_heard;
    jw_object(json, NULL);
    jw_text(json, "call_sign", unit->call_sign);
    jw_text(json, "kind", unit->kind);
    write_capabilities(json, unit);
    jw_text(json, "status", pt_status_name(state->status));
    write_moment(json, "status_time", state->status_time_ms);
    write_panic(json, state);
    jw_bool(json, "connected", state->connected);
    write_moment(json, "heard_at", state->heard_ms);
    write_if(json, "heard_age_s", state->heard_ms != 0,
             (double)(now_ms - state->heard_ms) / 1e3, 1);
    jw_text(json, "heard_by",
            state->heard_ms == 0    ? NULL
            : state->heard_restored ? "database"
                                    : "gateway");
    write_silent(json, state);
    jw_int(json, "revision", (int64_t)state->revision);
    if (state->has_fix)
        write_fix(json, state, now_ms);
    else
        jw_null(json, "position");
    if (state->vehicle.present)
        write_vehicle(json, state);
    else
        jw_null(json, "vehicle");
    write_pace(json, &unit->pace, &state->vehicle);
    write_words(json, "crew", fleet_said(state, FLEET_CREW));
    write_words(json, "said_place", fleet_said(state, FLEET_PLACE));
    write_radio_of(json, state, now_ms);
    jw_object_end(json);
}

const struct catalog_unit *request_unit(struct request *rq,
                                        const char *call_sign)
{
    const struct catalog_unit *unit =
        catalog_unit_by_call_sign(*rq->http->catalog, call_sign);

    if (unit == NULL)
        reply_problem(rq, PROBLEM_NO_UNIT, "no unit has the call sign %s",
                      call_sign);
    return unit;
}

struct unit_filter {
    bool by_status;
    enum pt_status status;
    const char *capability;
    const struct catalog_zone *zone;
};

static bool parse_filter(struct request *rq, struct unit_filter *ret)
{
    const char *status = params_get(&rq->params, "status");

    *ret = (struct unit_filter){
        .by_status = status != NULL,
        .capability = params_get(&rq->params, "capability"),
    };
    if (status != NULL && !pt_status_parse(status, &ret->status)) {
        reply_parameter(rq, "status",
                        "one of unknown, available, en_route, on_scene, "
                        "busy, off_duty is expected");
        return false;
    }
    return request_zone(rq, &ret->zone);
}

static bool passes(const struct unit_filter *filter,
                   const struct catalog_unit *unit,
                   const struct fleet_unit *state)
{
    enum pt_status status = state == NULL ? PT_STATUS_UNKNOWN : state->status;

    if (filter->by_status && status != filter->status)
        return false;
    return filter->capability == NULL ||
           catalog_unit_can(unit, filter->capability);
}

/* ------------------------------------------------------------------ all units
 * 2,000 of them are 1.4 MB, which take some ms to write: they are copied, and
 * written by a pool thread. */
struct listed {
    const struct catalog_unit *unit;
    bool is_known;
    struct fleet_unit state; /* when it is known */
};

struct units_job {
    struct made made; /* first */
    struct catalog *catalog;
    const struct catalog_zone *zone; /* only those in it; NULL: all */
    int64_t now_ms;
    size_t count;
    struct listed *units;
};

static void release_units(struct made *made)
{
    struct units_job *job = (struct units_job *)made;

    for (size_t i = 0; i < job->count; i++)
        fleet_words_unref(job->units[i].state.words);
    catalog_free(job->catalog);
    free(job->units);
    free(job);
}

/* The units; the rest stands there already. */
static void write_units(struct made *made) /* on the pool */
{
    const struct units_job *job = (const struct units_job *)made;

    jw_array(&made->json, "units");
    for (size_t i = 0; i < job->count; i++) {
        const struct listed *one = &job->units[i];
        const struct fleet_unit *state = one->is_known ? &one->state : NULL;
        if (job->zone == NULL || (state != NULL && state->has_fix &&
                                  catalog_zone_holds(job->zone, state->at)))
            write_unit(&made->json, one->unit, state, job->now_ms);
    }
    jw_array_end(&made->json);
    jw_object_end(&made->json);
}

static void list_units(struct units_job *job, struct fleet *fleet,
                       const struct unit_filter *filter)
{
    for (size_t i = 0; i < catalog_unit_count(job->catalog); i++) {
        const struct catalog_unit *unit = catalog_unit(job->catalog, i);
        const struct fleet_unit *state = fleet_find(fleet, unit->unit_id);
        if (!passes(filter, unit, state))
            continue;
        struct listed *one = &job->units[job->count++];
        one->unit = unit;
        one->is_known = state != NULL;
        if (state != NULL) {
            one->state = *state;
            fleet_words_ref(state->words);
        }
    }
}

void answer_units(struct request *rq)
{
    char last_id[24];
    struct catalog *catalog = *rq->http->catalog;
    struct unit_filter filter;

    if (!parse_filter(rq, &filter))
        return;
    struct units_job *job = calloc(1, sizeof *job);
    struct listed *units =
        calloc(catalog_unit_count(catalog) + 1, sizeof *units);
    if (job == NULL || units == NULL) {
        free(job);
        free(units);
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    *job = (struct units_job){
        .made = {.content_type = PLAIN_JSON,
                 .write = write_units,
                 .release = release_units},
        .catalog = catalog_ref(catalog),
        .zone = filter.zone,
        .now_ms = http_wall_ms(),
        .units = units,
    };
    list_units(job, rq->http->fleet, &filter);
    jw_object(&job->made.json, NULL);
    write_degraded(&job->made.json, rq->http);
    jw_time(&job->made.json, "answered_at", job->now_ms);
    snprintf(last_id, sizeof last_id, "%" PRIu64,
             http_ring_next_id(rq->http->ring) - 1);
    jw_text(&job->made.json, "last_event_id", last_id);
    if (job->count <= AT_ONCE_MAX)
        made_now(rq, &job->made);
    else if (made_attach(rq, &job->made))
        made_start(&job->made);
}

void answer_unit(struct request *rq)
{
    const struct catalog_unit *unit = request_unit(rq, rq->argument);

    if (unit == NULL)
        return;
    write_unit(reply_json(rq), unit, fleet_find(rq->http->fleet, unit->unit_id),
               http_wall_ms());
}

/* GET /v1/coverage?at=: how it was at a moment of the past. */
#include "http_past.h"
#include "http_rfc3339.h"
#include "http_study.h"
#include <stdlib.h>

struct moment_job {
    struct study study;
    struct history_wish wish;
    uint32_t zone_id; /* 0: all */
    unsigned level;
    struct history_moment *moment;
    enum pt_err err;
    char message[256];
};

static void release(struct study *study)
{
    struct moment_job *job = (struct moment_job *)study;

    history_moment_free(job->moment);
    past_wish_clear(&job->wish);
    free(job);
}

static void run(struct study *study) /* on the pool */
{
    struct moment_job *job = (struct moment_job *)study;

    job->err =
        history_at(&job->wish, &job->moment, job->message, sizeof job->message);
}

static bool go_on(void *context, double share, const char *phase)
{
    struct moment_job *job = context;

    (void)share;
    (void)phase;
    return !atomic_load(&job->study.stop);
}

static bool refuse(struct request *rq, const struct made *made)
{
    const struct moment_job *job = (const struct moment_job *)made;

    if (job->err != PT_OK)
        reply_no_past(rq, job->err, job->message);
    return job->err != PT_OK;
}

/* ---------------------------------------------------------------- the answer
 */
static const char *call_sign_of(const void *context, uint32_t slot)
{
    const struct moment_job *job = context;
    const struct catalog_unit *unit = NULL;

    if (slot < job->moment->unit_count)
        unit =
            catalog_unit_by_id(job->wish.catalog, job->moment->unit_ids[slot]);
    return unit == NULL ? NULL : unit->call_sign;
}

static const struct catalog_zone *zone_by_id(const struct catalog *catalog,
                                             uint32_t zone_id)
{
    for (size_t z = 0; z < catalog_zone_count(catalog); z++)
        if (catalog_zone(catalog, z)->zone_id == zone_id)
            return catalog_zone(catalog, z);
    return NULL;
}

static void write_missions(struct json *json, const struct moment_job *job)
{
    const struct catalog *catalog = job->wish.catalog;
    const struct catalog_zone *wanted = zone_by_id(catalog, job->zone_id);

    jw_array(json, "missions");
    for (size_t i = 0; i < catalog_mission_count(catalog); i++) {
        struct coverage_mission m = coverage_mission(job->moment->coverage, i);
        const struct catalog_zone *zone = m.mission->zone;
        if (wanted != NULL && zone != wanted &&
            !catalog_zone_holds(wanted, m.mission->at))
            continue;
        jw_object(json, NULL);
        jw_int(json, "mission_id", m.mission->mission_id);
        jw_text(json, "name", m.mission->name);
        jw_text(json, "zone", zone == NULL ? NULL : zone->name);
        write_cover(json, &m, job->level);
        write_arrivals(json, &m, call_sign_of, job);
        jw_object_end(json);
    }
    jw_array_end(json);
}

static void write_answer(struct study *study) /* on the pool */
{
    const struct moment_job *job = (const struct moment_job *)study;
    struct json *json = &study->made.json;

    if (job->err != PT_OK)
        return;
    const struct coverage *coverage = job->moment->coverage;
    const struct catalog *catalog = job->wish.catalog;
    size_t zones = catalog_zone_count(catalog);
    const char *profile = job->wish.profile != NULL
                              ? job->wish.profile
                              : roads_profile_name(job->wish.roads, 0);
    write_cover_zone(json, "total", coverage, zones, false);
    jw_array(json, "zones");
    for (size_t z = 0; z < zones; z++)
        if (job->zone_id == 0 ||
            catalog_zone(catalog, z)->zone_id == job->zone_id)
            write_cover_zone(json, NULL, coverage, z, false);
    jw_array_end(json);
    write_missions(json, job);
    jw_time(json, "at", job->wish.to_ms);
    jw_text(json, "clock", history_clock_word(job->wish.clock));
    jw_int(json, "fixes", (int64_t)job->moment->fixes);
    jw_int(json, "units_counted", (int64_t)coverage_unit_count(coverage));
    jw_int(json, "level", job->level);
    jw_int(json, "network_id", roads_network_id(job->wish.roads));
    jw_text(json, "profile", profile);
    jw_real(json, "took_s", (double)study->took_ns / 1e9, 3);
    jw_object_end(json);
}

/* ----------------------------------------------------------------- the request
 */
static bool read_moment(struct request *rq, const char *at,
                        struct history_wish *wish)
{
    if (!rfc3339_parse(at, &wish->to_ms)) {
        reply_parameter(rq, "at",
                        "an RFC 3339 date-time is expected, such as "
                        "2024-05-01T12:00:00Z (a + of an offset is written "
                        "%2B)");
        return false;
    }
    if (wish->to_ms > http_wall_ms()) {
        reply_parameter(rq, "at", "it lies in the future");
        return false;
    }
    return past_clock(rq, &wish->clock);
}

static const struct study_kind kind = {run, write_answer, refuse, release};

void answer_coverage_at(struct request *rq, const char *at)
{
    const struct catalog_zone *zone;
    struct moment_job *job = study_new(rq, sizeof *job, &kind);

    if (job == NULL)
        return;
    if (!past_wish(rq, &job->wish) || !read_moment(rq, at, &job->wish) ||
        !request_zone(rq, &zone) || !study_room(rq)) {
        release(&job->study);
        return;
    }
    job->wish.from_ms = job->wish.to_ms;
    job->wish.progress = go_on;
    job->wish.context = job;
    job->zone_id = zone == NULL ? 0 : zone->zone_id;
    job->level = rq->http->coverage->level;
    jw_object(&job->study.made.json, NULL);
    study_begin(rq, &job->study);
}

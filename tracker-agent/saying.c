/* What the crew says: into the outbox, at once on disk, and kept over a
 * restart. */
#include "agent.h"
#include "pt_log.h"
#include <jansson.h>
#include <string.h>

#define SUFFIX ".crew"
/* A fix no older than this says where the crew acted: two of a receiver's
 * usual seconds. */
#define FIX_FRESH_MS 2000
/* Of the numbers below the highest, looked through at start for acts. */
#define LOOK_BACK 4096

/* --- begin --------------------------------------------------------------- */

static struct crew_held held_of(const struct agent *agent, uint64_t number)
{
    struct pt_entry entry = {.seq = number};
    struct pt_report report = {.count = 1, .entries = &entry};
    (void)outbox_sign(agent->outbox, &report);
    return (struct crew_held){number, report.generation, entry.seq};
}

static void find_acts(struct agent *agent)
{
    struct crew_outbox box = agent_outbox_now(agent);
    uint64_t highest = outbox_highest(agent->outbox);
    uint64_t from = highest > LOOK_BACK ? highest - LOOK_BACK : 0;
    size_t count = 0;
    do {
        if (outbox_read(agent->outbox, from, agent->batch_max, agent->entries,
                        &count) != PT_OK ||
            outbox_numbering(agent->outbox) != box.numbering)
            return;
        for (size_t i = 0; i < count; i++) {
            struct crew_held held = held_of(agent, agent->entries[i].seq);
            crew_found(&agent->crew, &agent->entries[i], &held, &box);
        }
        if (count > 0)
            from = agent->entries[count - 1].seq + 1;
    } while (count > 0);
}

void agent_crew_open(struct agent *agent)
{
    char kept[CREW_KEPT_MAX + 1];
    crew_init(&agent->crew, agent_status(&agent->settings));
    size_t size = agent_kept(agent, SUFFIX, kept, sizeof(kept));
    if (size > 0 && !crew_read(&agent->crew, kept, size))
        pt_log(PT_LOG_WARN, "%s" SUFFIX " ignored: %s",
               agent->settings.outbox_path, pt_strerror(PT_E_CORRUPT));
    agent_assign(agent);
    find_acts(agent);
    pt_log(PT_LOG_INFO, "crew: %s, %s", pt_status_name(agent->crew.status),
           agent->crew.name_ms > 0 ? "logged on" : "nobody logged on");
}

/* --- saying -------------------------------------------------------------- */

static struct pt_entry entry_of(struct agent *agent, const struct crew_say *say)
{
    bool unsure = false;
    int64_t now_ms = agent_utc_ms(agent, &unsure);
    int64_t time_ms = now_ms > say->ago_ms ? now_ms - say->ago_ms : 0;
    struct pt_entry entry = crew_entry(&agent->crew, say, time_ms);
    if (unsure)
        entry.flags = PT_FLAG_CLOCK_UNSURE;
    if (say->ago_ms > 0 || !agent_has_fix(agent, FIX_FRESH_MS))
        return entry;
    struct pt_entry at =
        receiver_entry(&agent->fix, (enum pt_status)entry.status);
    at.kind = entry.kind;
    at.detail = entry.detail;
    pace_sent(&agent->pace, &agent->fix);
    return at;
}

static void keep(struct agent *agent)
{
    char kept[CREW_KEPT_MAX];
    size_t size = crew_write(&agent->crew, kept);
    (void)agent_keep(agent, SUFFIX, kept, size); /* has told why not */
}

/* An act said late has its own time, and what the vehicle has told since
 * stands for now: so the status is told once more, as of now. */
static void tell_status(struct agent *agent)
{
    if (!agent_has_fix(agent, FIX_FRESH_MS)) {
        agent_heartbeat(agent);
        return;
    }
    struct pt_entry entry = receiver_entry(&agent->fix, agent->crew.status);
    pace_sent(&agent->pace, &agent->fix);
    agent_put(agent, &entry);
}

enum pt_err agent_say(struct agent *agent, const struct crew_say *say)
{
    if (crew_has(&agent->crew, say->key))
        return PT_OK;
    struct pt_entry entry = entry_of(agent, say);
    struct crew_outbox box;
    uint64_t number;
    enum pt_err err = agent_put_act(agent, &entry, &number, &box);
    if (err != PT_OK)
        return err;
    struct crew_held held = held_of(agent, number);
    crew_said(&agent->crew, say, &entry, &held, &box);
    agent_assign(agent);
    keep(agent);
    if (say->ago_ms > 0)
        tell_status(agent);
    agent_pump(agent);
    pt_log(say->what == CREW_PANIC ? PT_LOG_WARN : PT_LOG_INFO,
           "crew: %s, now %s", crew_what_name(say->what),
           pt_status_name(agent->crew.status));
    return PT_OK;
}

void agent_crew_follow(struct agent *agent)
{
    struct crew_outbox box = agent_outbox_now(agent);
    (void)crew_follow(&agent->crew, &box);
}

/* --- what the crew sees -------------------------------------------------- */

/* A value that is not there is null. */
static json_t *real_or_null(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *time_or_null(int64_t time_ms)
{
    return time_ms > 0 ? json_integer(time_ms) : json_null();
}

static json_t *receiver_state(const struct agent *agent)
{
    static const char *const modes[] = {
        [RECEIVER_NOT_SEEN] = "not_seen",
        [RECEIVER_NO_FIX] = "no_fix",
        [RECEIVER_2D] = "2d",
        [RECEIVER_3D] = "3d",
    };
    const struct receiver_fix *fix = &agent->fix;
    bool ever = agent->fix_ms > 0;
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o}", "mode",
        modes[agent_state(agent).receiver_mode], "satellites",
        agent->satellites_used >= 0 ? json_integer(agent->satellites_used)
                                    : json_null(),
        "age_s",
        real_or_null(ever,
                     (double)(uv_now(&agent->loop) - agent->fix_ms) / 1e3),
        "lat", real_or_null(ever, fix->at.lat_e6 / 1e6), "lon",
        real_or_null(ever, fix->at.lon_e6 / 1e6), "accuracy_m",
        real_or_null(ever && (fix->flags & PT_FLAG_ACCURACY) != 0,
                     fix->accuracy_m));
}

static json_t *link_state(const struct agent *agent)
{
    static const char *const states[] = {
        [UPLINK_OFFLINE] = "down",
        [UPLINK_LIVE] = "up",
        [UPLINK_CATCHING_UP] = "catching_up",
    };
    return json_pack(
        "{s:s, s:o}", "state", states[agent->uplink.state], "receipt_age_s",
        real_or_null(agent->receipt_ms > 0,
                     (double)(uv_now(&agent->loop) - agent->receipt_ms) / 1e3));
}

static json_t *outbox_state(const struct agent *agent)
{
    struct pt_vehicle_state state = agent_state(agent);
    return json_pack("{s:I, s:o, s:I, s:b}", "entries",
                     (json_int_t)state.outbox_depth, "oldest_age_s",
                     state.oldest_age_s >= 0 ? json_integer(state.oldest_age_s)
                                             : json_null(),
                     "dropped", (json_int_t)state.dropped, "on_disk",
                     !outbox_in_memory(agent->outbox) && !agent->disk_failing);
}

/* To somebody without the number: only how a panic fares. */
static json_t *acts_state(const struct agent *agent, bool locked)
{
    json_t *acts = json_array();
    for (size_t i = 0; i < agent->crew.count; i++) {
        const struct crew_act *act = &agent->crew.acts[i];
        if (locked && act->what != CREW_PANIC)
            continue;
        if (json_array_append_new(
                acts, json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:o}", "key",
                                act->key, "act", crew_what_name(act->what),
                                "status", pt_status_name(act->status), "text",
                                text_or_null(act->text), "at",
                                (json_int_t)act->time_ms, "delivery",
                                crew_delivery_name(act->delivery), "seen_at",
                                time_or_null(act->seen_ms))) != 0) {
            json_decref(acts);
            return NULL;
        }
    }
    return acts;
}

static json_t *crew_state(const struct agent *agent)
{
    const struct crew *crew = &agent->crew;
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o}", "status",
        pt_status_name(crew->status), "status_at",
        time_or_null(crew->status_ms), "name", text_or_null(crew->name),
        "logged_on_at", time_or_null(crew->name_ms), "place",
        text_or_null(crew->place), "place_at", time_or_null(crew->place_ms));
}

static json_t *refused_state(const struct crew_page_refused *r)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "foreign_host",
        (json_int_t)r->host, "foreign_origin", (json_int_t)r->origin,
        "malformed", (json_int_t)r->malformed, "too_long",
        (json_int_t)r->too_long, "slow", (json_int_t)r->slow, "crowd",
        (json_int_t)r->crowd, "locked", (json_int_t)r->locked);
}

char *agent_crew_state(void *context, bool locked,
                       const struct crew_page_refused *refused)
{
    const struct agent *agent = context;
    bool unsure;
    const char *call_sign = agent->settings.unit_call_sign;
    json_t *state = json_pack(
        "{s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "unit",
        call_sign[0] != '\0' ? call_sign : agent->settings.device_name, "now",
        (json_int_t)agent_utc_ms(agent, &unsure), "clock_unsure", unsure,
        "locked", locked, "crew", locked ? json_null() : crew_state(agent),
        "receiver", locked ? json_null() : receiver_state(agent), "link",
        link_state(agent), "outbox", outbox_state(agent), "acts",
        acts_state(agent, locked), "refused", refused_state(refused));
    char *text = state == NULL ? NULL : json_dumps(state, JSON_COMPACT);
    json_decref(state);
    return text;
}

/* From the receiver's fixes to entries, and what to say when there are
 * none. */
#include "agent.h"
#include "pt_log.h"
#include <time.h>

/* A mode has to last this long before it is worth a message of its own: a
 * bridge is no tunnel. Half of what a moving vehicle promises by default. */
#define MODE_LASTS_MS 5000
/* So much the newest entry may be ahead of the time it is now: receivers are
 * right to a fraction of a second, clocks set by them to some. */
#define CLOCKS_DIFFER_MS 60000

static int64_t utc_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum receiver_mode mode_now(const struct agent *agent)
{
    if (!agent->gpsd_up || !agent->device_present)
        return RECEIVER_NOT_SEEN;
    return agent->fix_mode;
}

static void on_fix(void *context, const struct receiver_fix *fix)
{
    struct agent *agent = context;
    agent->fix_mode = fix->mode;
    if (fix->mode >= RECEIVER_2D) {
        agent->fix = *fix;
        agent->fix_ms = uv_now(&agent->loop);
        agent->receiver_time_known = true;
        agent->receiver_ahead_ms = fix->time_ms - (int64_t)uv_now(&agent->loop);
    }
    if (!pace_due(&agent->pace, fix))
        return;
    struct pt_entry entry = receiver_entry(fix, agent->crew.status);
    agent_put(agent, &entry);
}

static void on_satellites(void *context, int used)
{
    struct agent *agent = context;
    agent->satellites_used = used;
}

static void on_state(void *context, bool gpsd_up, bool device_present)
{
    struct agent *agent = context;
    agent->gpsd_up = gpsd_up;
    agent->device_present = device_present;
    if (gpsd_up && device_present)
        return;
    /* Whatever comes back begins anew. */
    agent->fix_mode = RECEIVER_NOT_SEEN;
    agent->satellites_used = -1;
}

struct receiver_events agent_receiver_events(struct agent *agent)
{
    return (struct receiver_events){
        .context = agent,
        .fix = on_fix,
        .satellites = on_satellites,
        .state = on_state,
    };
}

int64_t agent_utc_ms(const struct agent *agent, bool *unsure)
{
    *unsure = !agent->receiver_time_known;
    if (agent->receiver_time_known)
        return (int64_t)uv_now(&agent->loop) + agent->receiver_ahead_ms;
    int64_t wall_ms = utc_now_ms();
    return wall_ms > 0 ? wall_ms : 0;
}

bool agent_has_fix(const struct agent *agent, uint64_t age_max_ms)
{
    return mode_now(agent) >= RECEIVER_2D && agent->fix_ms > 0 &&
           uv_now(&agent->loop) - agent->fix_ms <= age_max_ms;
}

/* With a fix the pace is the promise, without one the heartbeat is. */
static uint32_t next_due_s(const struct agent *agent)
{
    int64_t due_ms = 0;
    if (mode_now(agent) >= RECEIVER_2D)
        due_ms = pace_next_due_ms(&agent->pace);
    if (due_ms <= 0)
        due_ms = agent->settings.uplink_heartbeat_s * 1000;
    return (uint32_t)((due_ms + 999) / 1000);
}

/* By the receiver's time where it was ever heard, which a clock set back or
 * forward since does not touch: the loop's clock counts on from it. An entry
 * from the future says that no clock here tells the time. */
static int64_t oldest_age_s(const struct agent *agent, int64_t true_now_ms)
{
    int64_t age_ms = true_now_ms - outbox_oldest_ms(agent->outbox);
    if (outbox_depth(agent->outbox) == 0 || age_ms < -CLOCKS_DIFFER_MS)
        return -1;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

struct pt_vehicle_state agent_state(const struct agent *agent)
{
    int64_t wall_ms = utc_now_ms();
    int64_t now_ms = wall_ms > 0 ? wall_ms : 0;
    int64_t true_now_ms = now_ms;
    if (agent->receiver_time_known)
        true_now_ms = (int64_t)uv_now(&agent->loop) + agent->receiver_ahead_ms;
    struct power_state power = power_last(agent->power);
    return (struct pt_vehicle_state){
        .present = true,
        .now_ms = now_ms,
        .receiver_mode = (int)mode_now(agent),
        .satellites_used = agent->satellites_used,
        .outbox_depth = outbox_depth(agent->outbox),
        .oldest_age_s = oldest_age_s(agent, true_now_ms),
        .dropped = outbox_dropped(agent->outbox),
        .next_due_s = next_due_s(agent),
        .settings_revision = agent->remote_kept,
        .clock_known = agent->receiver_time_known,
        .clock_offset_ms = now_ms - true_now_ms,
        .power = power.source,
        .battery_percent = power.battery_percent,
    };
}

void agent_watch_mode(struct agent *agent)
{
    uint64_t now = uv_now(&agent->loop);
    if (!link_is_up(agent->link) ||
        (agent->said.present &&
         (int)mode_now(agent) == agent->said.receiver_mode)) {
        agent->mode_other_since_ms = 0;
        return;
    }
    if (agent->mode_other_since_ms == 0)
        agent->mode_other_since_ms = now;
    if (now - agent->mode_other_since_ms >= MODE_LASTS_MS)
        agent_heartbeat(agent);
}

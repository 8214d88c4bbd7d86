/* The control room's settings: how closely it wants to be told. They stand
 * beside the outbox, so that a restart without network keeps them, as the
 * message came; whatever else is found there is not believed. */
#include "agent.h"
#include "pt_log.h"
#include <inttypes.h>

/* What is possible and yet not sensible becomes the nearest of these: a
 * control room's typing error must neither silence a vehicle nor spend its
 * month's data in a day. */
#define BOUND_MIN_DM 50u
#define BOUND_MAX_DM 10000u
#define MOVING_MAX_S 120u
#define PARKED_MIN_S 5u
#define PARKED_MAX_S 900u

#define SUFFIX ".settings"

/* --- what counts -----------------------------------------------------------
 */

static uint32_t within(uint32_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* The vehicle's own, and over them what the control room says. */
static struct pace_settings in_force(const struct agent *agent)
{
    const struct pt_settings *r = &agent->remote;
    struct pace_settings pace = agent_pace_settings(&agent->settings);
    if (r->bound_dm > 0)
        pace.bound_m = within(r->bound_dm, BOUND_MIN_DM, BOUND_MAX_DM) / 10.0;
    if (r->bound_assigned_dm > 0)
        pace.bound_assigned_m =
            within(r->bound_assigned_dm, BOUND_MIN_DM, BOUND_MAX_DM) / 10.0;
    if (r->moving_s > 0)
        pace.moving_ms = (int64_t)within(r->moving_s, 1, MOVING_MAX_S) * 1000;
    if (r->parked_s > 0)
        pace.parked_ms =
            (int64_t)within(r->parked_s, PARKED_MIN_S, PARKED_MAX_S) * 1000;
    return pace;
}

void agent_assign(struct agent *agent)
{
    pace_assign(&agent->pace, agent->crew.status == PT_STATUS_EN_ROUTE ||
                                  agent->remote.assigned);
}

static void apply(struct agent *agent)
{
    struct pace_settings pace = in_force(agent);
    pace_set(&agent->pace, &pace);
    agent_assign(agent);
    pt_log(PT_LOG_INFO,
           "pace: settings %" PRIu64 ": %.1f m, %.1f m while assigned%s, every "
           "%" PRId64 " s moving and %" PRId64 " s parked",
           agent->remote.revision, pace.bound_m, pace.bound_assigned_m,
           agent->pace.assigned ? " (now)" : "", pace.moving_ms / 1000,
           pace.parked_ms / 1000);
}

/* --- the file ---------------------------------------------------------------
 */

/* What cannot be written is in force all the same. It is not acknowledged, so
 * that the gateway says it again, and here it is tried again. Withdrawn: there
 * is no file. */
static void keep(struct agent *agent)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX];
    size_t size = 0;
    if (agent->remote.revision > 0 &&
        pt_settings_encode(&agent->remote, bytes, sizeof(bytes), &size) !=
            PT_OK)
        return;
    if (agent_keep(agent, SUFFIX, bytes, size))
        agent->remote_kept = agent->remote.revision;
}

static bool load(const struct agent *agent, struct pt_settings *ret)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX + 1];
    size_t size = agent_kept(agent, SUFFIX, bytes, sizeof(bytes));
    if (size == 0)
        return false;
    enum pt_err err = pt_settings_decode(bytes, size, ret);
    if (err != PT_OK)
        pt_log(PT_LOG_WARN, "settings %s" SUFFIX " ignored: %s",
               agent->settings.outbox_path, pt_strerror(err));
    return err == PT_OK;
}

/* --- what the rest of the agent calls ---------------------------------------
 */

void agent_remote_open(struct agent *agent)
{
    struct pt_settings found;
    agent->remote = (struct pt_settings){0};
    if (load(agent, &found))
        agent->remote = found;
    agent->remote_kept = agent->remote.revision;
    apply(agent);
}

static bool same(const struct pt_settings *a, const struct pt_settings *b)
{
    return a->revision == b->revision && a->bound_dm == b->bound_dm &&
           a->bound_assigned_dm == b->bound_assigned_dm &&
           a->moving_s == b->moving_s && a->parked_s == b->parked_s &&
           a->assigned == b->assigned;
}

/* No bytes: withdrawn. The broker hands the retained ones over with each
 * connection, so the same again is usual. */
void agent_remote_take(struct agent *agent, const void *payload, size_t size)
{
    struct pt_settings said = {0};
    enum pt_err err = PT_OK;
    if (size > 0)
        err = pt_settings_decode(payload, size, &said);
    if (err != PT_OK) {
        agent->remote_refused++;
        pt_log(PT_LOG_WARN, "settings refused: %s (%" PRIu64 " so far)",
               pt_strerror(err), agent->remote_refused);
        return;
    }
    if (size > 0 && said.revision < agent->remote.revision) {
        agent->remote_late++;
        pt_log(PT_LOG_INFO,
               "settings %" PRIu64 " come late: %" PRIu64
               " are in force (%" PRIu64 " so far)",
               said.revision, agent->remote.revision, agent->remote_late);
        return;
    }
    if (same(&said, &agent->remote) && agent->remote_kept == said.revision)
        return;
    agent->remote = said;
    keep(agent);
    apply(agent);
    agent_heartbeat(agent); /* says the revision */
}

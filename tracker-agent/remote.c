/* The control room's settings: how closely it wants to be told. They stand
 * beside the outbox, so that a restart without network keeps them, as the
 * message came: written aside, flushed, renamed. A power cut so leaves the old
 * or the new ones; whatever else is found there is not believed. Written on
 * the loop, as the outbox is: it happens when the control room changes its
 * mind. */
#include "agent.h"
#include "pt_log.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is possible and yet not sensible becomes the nearest of these: a
 * control room's typing error must neither silence a vehicle nor spend its
 * month's data in a day. */
#define BOUND_MIN_DM 50u
#define BOUND_MAX_DM 10000u
#define MOVING_MAX_S 120u
#define PARKED_MIN_S 5u
#define PARKED_MAX_S 900u

/* ".new" and the final 0 as well. */
#define SUFFIX ".settings"
#define FILE_MAX (PATH_MAX + 16)

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

static void apply(struct agent *agent)
{
    struct pace_settings pace = in_force(agent);
    bool en_route = agent_status(&agent->settings) == PT_STATUS_EN_ROUTE;
    pace_set(&agent->pace, &pace);
    pace_assign(&agent->pace, en_route || agent->remote.assigned);
    pt_log(PT_LOG_INFO,
           "pace: settings %" PRIu64 ": %.1f m, %.1f m while assigned%s, every "
           "%" PRId64 " s moving and %" PRId64 " s parked",
           agent->remote.revision, pace.bound_m, pace.bound_assigned_m,
           agent->pace.assigned ? " (now)" : "", pace.moving_ms / 1000,
           pace.parked_ms / 1000);
}

/* --- the file ---------------------------------------------------------------
 */

static bool file_name(const struct agent *agent, const char *suffix,
                      char ret[FILE_MAX])
{
    int length = snprintf(ret, FILE_MAX, "%s" SUFFIX "%s",
                          agent->settings.outbox_path, suffix);
    return length > 0 && length < FILE_MAX;
}

static bool write_and_flush(const char *name, const void *bytes, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* So that the new name, too, survives a power cut. */
static bool flush_directory(const char *name)
{
    char directory[FILE_MAX];
    const char *slash = strrchr(name, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - name);
    snprintf(directory, sizeof(directory), "%.*s", length > 0 ? (int)length : 1,
             length > 0      ? name
             : slash != NULL ? "/"
                             : ".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    return close(fd) == 0 && good;
}

static bool save(const char *name, const char *aside,
                 const struct pt_settings *settings)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX];
    size_t size;
    if (settings->revision == 0) /* withdrawn */
        return (unlink(name) == 0 || errno == ENOENT) && flush_directory(name);
    return pt_settings_encode(settings, bytes, sizeof(bytes), &size) == PT_OK &&
           write_and_flush(aside, bytes, size) && rename(aside, name) == 0 &&
           flush_directory(name);
}

/* What cannot be written is in force all the same. It is not acknowledged, so
 * that the gateway says it again, and here it is tried again. */
static void keep(struct agent *agent)
{
    char name[FILE_MAX], aside[FILE_MAX];
    if (!file_name(agent, "", name) || !file_name(agent, ".new", aside))
        return;
    errno = 0;
    if (save(name, aside, &agent->remote))
        agent->remote_kept = agent->remote.revision;
    else
        pt_log(PT_LOG_ERROR, "settings %s could not be kept: %s", name,
               strerror(errno));
}

static bool load(const char *name, struct pt_settings *ret)
{
    uint8_t bytes[PT_SETTINGS_BYTES_MAX + 1];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            pt_log(PT_LOG_WARN, "settings %s ignored: %s", name,
                   strerror(errno));
        return false;
    }
    ssize_t size = read(fd, bytes, sizeof(bytes));
    close(fd);
    enum pt_err err = PT_E_CORRUPT;
    if (size > 0)
        err = pt_settings_decode(bytes, (size_t)size, ret);
    if (err != PT_OK)
        pt_log(PT_LOG_WARN, "settings %s ignored: %s", name, pt_strerror(err));
    return err == PT_OK;
}

/* --- what the rest of the agent calls ---------------------------------------
 */

void agent_remote_open(struct agent *agent)
{
    char name[FILE_MAX];
    struct pt_settings found;
    agent->remote = (struct pt_settings){0};
    if (file_name(agent, "", name) && load(name, &found))
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

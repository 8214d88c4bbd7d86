#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H
/* What can be set about the agent: one table, one struct. */
#include "config.h"
#include "crew_page.h"
#include "link.h"
#include "outbox.h"
#include "pace.h"
#include "uplink.h"

struct agent_settings {
    char *device_name;
    char *unit_call_sign;
    int unit_status; /* index into the choices: enum pt_status less one */

    char *gpsd_host, *gpsd_port, *gpsd_device;

    char *power_supplies;

    char *broker_list, *broker_ca, *broker_cert, *broker_key;
    int64_t broker_keepalive_s;

    char *outbox_path;
    int64_t outbox_entries_max, outbox_age_max_days;
    int64_t outbox_commit_entries, outbox_commit_s;

    double pace_bound_m, pace_bound_assigned_m, pace_accuracy_max_m;
    int64_t pace_moving_s, pace_parked_s;

    int64_t uplink_resend_s, uplink_resend_max_s;
    int64_t uplink_batch, uplink_heartbeat_s;

    char *page_listen, *page_pin, *page_socket;

    int log_level; /* index into the choices, from "error" on */
};

extern const struct config_option agent_options[];
extern const size_t agent_option_count;

/* Loads and checks all that can be checked without opening anything but the
 * files of the certificates. `message` says what is wrong. On success the
 * caller calls agent_settings_clear(). */
PT_MUST_CHECK enum pt_err
agent_settings_load(const char *file, const char *const *overrides,
                    size_t override_count, struct agent_settings *ret,
                    char *message, size_t message_size);
void agent_settings_clear(struct agent_settings *settings);

/* The settings as the modules take them; texts are borrowed. The will's topic
 * is written to `presence`. */
struct link_settings agent_link_settings(const struct agent_settings *s,
                                         char presence[LINK_TOPIC_MAX]);
struct outbox_settings agent_outbox_settings(const struct agent_settings *s);
struct pace_settings agent_pace_settings(const struct agent_settings *s);
struct uplink_settings agent_uplink_settings(const struct agent_settings *s);
struct crew_page_settings agent_page_settings(const struct agent_settings *s);
enum pt_status agent_status(const struct agent_settings *s);

#endif

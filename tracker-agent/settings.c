#include "settings.h"
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct agent_settings, field)
#define TEXT(section, name, field, initial, help)                        \
    {                                                                    \
        section, name, CONFIG_TEXT, AT(field), initial, 0, 0, NULL, help \
    }
#define INT(section, name, field, initial, min, max, help)                  \
    {                                                                       \
        section, name, CONFIG_INT, AT(field), initial, min, max, NULL, help \
    }
#define REAL(section, name, field, initial, min, max, help)                  \
    {                                                                        \
        section, name, CONFIG_REAL, AT(field), initial, min, max, NULL, help \
    }
#define CHOICE(section, name, field, initial, choices, help)                  \
    {                                                                         \
        section, name, CONFIG_CHOICE, AT(field), initial, 0, 0, choices, help \
    }

/* clang-format off */
const struct config_option agent_options[] = {
    TEXT("device", "name", device_name, "",
         "this device, for ever: 1..64 of A-Z a-z 0-9 . _ - as in the "
         "certificate's common name"),
    CHOICE("unit", "status", unit_status, "available",
           "available en_route on_scene busy off_duty",
           "what the unit is doing until its crew says otherwise"),
    TEXT("unit", "call_sign", unit_call_sign, "",
         "what the crew's page calls this unit; empty: device.name"),
    TEXT("gpsd", "host", gpsd_host, "localhost", "where gpsd listens"),
    TEXT("gpsd", "port", gpsd_port, "2947", "port or service name"),
    TEXT("gpsd", "device", gpsd_device, "",
         "only this one of gpsd's devices, such as /dev/ttyACM0; empty: all"),
    TEXT("power", "supplies", power_supplies, "/sys/class/power_supply",
         "where the kernel says what feeds this computer; empty: not asked"),
    TEXT("broker", "list", broker_list, "localhost",
         "host[:port] host[:port] ..., tried in turn; port 8883 with TLS, "
         "else 1883"),
    TEXT("broker", "ca", broker_ca, "/etc/patrol/ca.crt",
         "PEM file of the authority; empty: no TLS, for loopback only"),
    TEXT("broker", "cert", broker_cert, "/etc/patrol/device.crt",
         "this device's certificate, PEM"),
    TEXT("broker", "key", broker_key, "/etc/patrol/device.key",
         "its key, PEM without a password"),
    /* Longer than a parked vehicle is silent: libmosquitto pings when it has
     * heard or said nothing for so long, and at 30 s, as often as receipts
     * come, pings were a fifth of what a city drive costs. */
    INT("broker", "keepalive", broker_keepalive_s, "75", 5, 3600,
        "seconds without a message, either way, until the connection is "
        "probed"),
    TEXT("outbox", "path", outbox_path,
         "/var/lib/patrol-tracker/outbox.sqlite",
         "file of what is not yet receipted"),
    INT("outbox", "entries_max", outbox_entries_max, "500000", 1, 100000000,
        "beyond it the oldest is dropped and counted"),
    INT("outbox", "age_max_days", outbox_age_max_days, "30", 0, 3650,
        "what is older is dropped and counted; 0: never"),
    INT("outbox", "commit_entries", outbox_commit_entries, "10", 1, 1000,
        "write to disk after so many entries ..."),
    INT("outbox", "commit_seconds", outbox_commit_s, "10", 1, 300,
        "... or so many seconds: a power cut loses no more than that"),
    REAL("pace", "bound_m", pace_bound_m, "25", PACE_BOUND_MIN_M,
         PACE_BOUND_MAX_M,
         "report before the control room's idea of the place is wrong by more "
         "than so many metres"),
    REAL("pace", "bound_assigned_m", pace_bound_assigned_m, "10",
         PACE_BOUND_MIN_M, PACE_BOUND_MAX_M,
         "the same while assigned: en route, or when the control room says so"),
    INT("pace", "moving", pace_moving_s, "10", 1, 3600,
        "at least after so many seconds, moving"),
    INT("pace", "parked", pace_parked_s, "60", 1, 3600,
        "at least after so many seconds, standing still"),
    REAL("pace", "accuracy_max", pace_accuracy_max_m, "100", 1, 100000,
         "a fix vaguer than so many metres is sent only when due by time"),
    INT("uplink", "resend", uplink_resend_s, "45", 1, 3600,
        "seconds without a receipt until entries are sent again"),
    INT("uplink", "resend_max", uplink_resend_max_s, "600", 1, 86400,
        "at most, after doubling"),
    INT("uplink", "batch", uplink_batch, "500", 1, PT_REPORT_ENTRIES_MAX,
        "entries in a message of the backlog"),
    INT("uplink", "heartbeat", uplink_heartbeat_s, "90", 1, 3600,
        "seconds of silence after which a message says that we are here"),
    TEXT("crew_page", "listen", page_listen, "",
         "ADDRESS:PORT of the vehicle's own link where the crew's page is "
         "served; empty: nowhere"),
    TEXT("crew_page", "pin", page_pin, "",
         "4 to 12 digits that the page asks for; empty: whoever is on the link "
         "is the crew"),
    TEXT("crew_page", "socket", page_socket, "",
         "socket by which patrol-crew speaks on this computer; empty: none"),
    CHOICE("log", "level", log_level, "info", "error warn notice info debug",
           "the least that is logged"),
};
/* clang-format on */
const size_t agent_option_count =
    sizeof(agent_options) / sizeof(agent_options[0]);

static enum pt_err check_device(const struct agent_settings *s, char *message,
                                size_t size)
{
    if (s->device_name[0] == '\0') {
        snprintf(message, size, "device.name is missing");
        return PT_E_CONFIG;
    }
    if (!link_device_valid(s->device_name)) {
        snprintf(message, size,
                 "device.name \"%s\": expected 1..%d of A-Z a-z 0-9 . _ -",
                 s->device_name, LINK_DEVICE_MAX);
        return PT_E_CONFIG;
    }
    return PT_OK;
}

/* The broker lets a device write under its certificate's name only, and says
 * nothing when it throws a message away: a wrong name is told here. */
static enum pt_err check_certificate(const struct agent_settings *s,
                                     char *message, size_t size)
{
    char name[LINK_DEVICE_MAX + 1];
    if (s->broker_cert[0] == '\0')
        return PT_OK;
    if (link_certificate_name(s->broker_cert, name) != PT_OK) {
        snprintf(message, size, "%s: no common name that a device can have",
                 s->broker_cert);
        return PT_E_TLS;
    }
    if (strcmp(name, s->device_name) != 0) {
        snprintf(message, size,
                 "%s is the certificate of \"%s\", device.name is \"%s\"",
                 s->broker_cert, name, s->device_name);
        return PT_E_CONFIG;
    }
    return PT_OK;
}

static enum pt_err check(const struct agent_settings *s, char *message,
                         size_t size)
{
    enum pt_err err = check_device(s, message, size);
    if (err != PT_OK)
        return err;
    if (s->outbox_path[0] == '\0') {
        snprintf(message, size, "outbox.path is missing");
        return PT_E_CONFIG;
    }
    if (s->uplink_resend_max_s < s->uplink_resend_s) {
        snprintf(message, size, "uplink.resend_max is below uplink.resend");
        return PT_E_CONFIG;
    }
    char presence[LINK_TOPIC_MAX];
    struct link_settings link = agent_link_settings(s, presence);
    err = link_check(&link, message, size);
    struct crew_page_settings page = agent_page_settings(s);
    if (err == PT_OK)
        err = crew_page_check(&page, message, size);
    return err == PT_OK ? check_certificate(s, message, size) : err;
}

enum pt_err agent_settings_load(const char *file, const char *const *overrides,
                                size_t override_count,
                                struct agent_settings *ret, char *message,
                                size_t message_size)
{
    struct agent_settings s;
    memset(&s, 0, sizeof(s));
    enum pt_err err =
        config_load(agent_options, agent_option_count, file, overrides,
                    override_count, &s, message, message_size);
    if (err != PT_OK)
        return err;
    err = check(&s, message, message_size);
    if (err != PT_OK) {
        agent_settings_clear(&s);
        return err;
    }
    *ret = s;
    return PT_OK;
}

void agent_settings_clear(struct agent_settings *settings)
{
    config_clear(agent_options, agent_option_count, settings);
}

struct link_settings agent_link_settings(const struct agent_settings *s,
                                         char presence[LINK_TOPIC_MAX])
{
    link_topic(LINK_PRESENCE, s->device_name, presence);
    return (struct link_settings){
        .brokers = s->broker_list,
        .client_id = s->device_name,
        .ca_file = s->broker_ca,
        .cert_file = s->broker_cert,
        .key_file = s->broker_key,
        .keepalive_s = (int)s->broker_keepalive_s,
        .will_topic = presence,
        .will_text = "offline",
    };
}

struct outbox_settings agent_outbox_settings(const struct agent_settings *s)
{
    return (struct outbox_settings){
        .path = s->outbox_path,
        .entries_max = (uint64_t)s->outbox_entries_max,
        .age_max_ms = s->outbox_age_max_days * 86400000,
    };
}

struct pace_settings agent_pace_settings(const struct agent_settings *s)
{
    return (struct pace_settings){
        .bound_m = s->pace_bound_m,
        .bound_assigned_m = s->pace_bound_assigned_m,
        .moving_ms = s->pace_moving_s * 1000,
        .parked_ms = s->pace_parked_s * 1000,
        .accuracy_max_m = s->pace_accuracy_max_m,
    };
}

struct uplink_settings agent_uplink_settings(const struct agent_settings *s)
{
    return (struct uplink_settings){
        .resend_ms = s->uplink_resend_s * 1000,
        .resend_max_ms = s->uplink_resend_max_s * 1000,
        .batch_max = (uint32_t)s->uplink_batch,
        .heartbeat_ms = s->uplink_heartbeat_s * 1000,
    };
}

struct crew_page_settings agent_page_settings(const struct agent_settings *s)
{
    return (struct crew_page_settings){
        .listen = s->page_listen,
        .pin = s->page_pin,
        .socket = s->page_socket,
    };
}

enum pt_status agent_status(const struct agent_settings *s)
{
    return (enum pt_status)(PT_STATUS_AVAILABLE + s->unit_status);
}

/* patrolctl ca ..., unit enroll: certificates. */
#include "ca.h"
#include "patrolctl_internal.h"
#include <stdlib.h>
#include <string.h>

#define SERVER_DAYS 825 /* what TLS clients commonly accept at most */
#define CLIENT_DAYS 730

static enum ctl_exit ca_exit(enum pt_err err, const char *message)
{
    if (err == PT_OK)
        return CTL_OK;
    ctl_complain("%s", message);
    return err == PT_E_RANGE ? CTL_USAGE : CTL_REFUSED;
}

enum ctl_exit cmd_ca_init(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    enum ctl_exit end;
    char message[512] = "";
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    end = ca_exit(ca_init(ctl->argv[0], message, sizeof message), message);
    if (end == CTL_OK && !ctl->json)
        printf("made %s/ca.crt and ca.key; keep the key off line\n",
               ctl->argv[0]);
    return end;
}

static enum ctl_exit issue(struct ctl *ctl, const char *dir, const char *out,
                           const struct ca_request *request)
{
    char message[512] = "";
    if (dir == NULL || out == NULL) {
        ctl_complain("--ca DIR and --out DIR are needed");
        return CTL_USAGE;
    }
    enum ctl_exit end =
        ca_exit(ca_issue(dir, out, request, message, sizeof message), message);
    if (end == CTL_OK && ctl->json)
        printf("{\"name\": \"%s\", \"certificate\": \"%s.crt\", \"key\": "
               "\"%s.key\"}\n",
               request->name, request->name, request->name);
    else if (end == CTL_OK)
        printf("wrote %s/%s.crt, %s.key and ca.crt, valid %d days\n", out,
               request->name, request->name, request->days);
    return end;
}

enum ctl_exit cmd_ca_server(struct ctl *ctl, int argc, char **argv)
{
    const char *dir = NULL, *out = NULL, *name = "broker";
    long days = SERVER_DAYS;
    bool replace = false;
    const struct ctl_option options[] = {
        {"ca", 0, CTL_TEXT, &dir, "DIR", "the authority's directory", 0, 0},
        {"out", 0, CTL_TEXT, &out, "DIR", "where the files go", 0, 0},
        {"name", 0, CTL_TEXT, &name, "NAME", "of the files (broker)", 0, 0},
        {"days", 0, CTL_NUMBER, &days, "N", "of validity (825)", 1, 3650},
        {"replace", 0, CTL_FLAG, &replace, NULL, "replace files of that name",
         0, 0},
        {.name = NULL},
    };
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 1, CTL_LIST_MAX, &end))
        return end;
    const struct ca_request request = {.name = name,
                                       .role = CA_SERVER,
                                       .days = (int)days,
                                       .host_count = (size_t)ctl->argc,
                                       .hosts = (const char *const *)ctl->argv,
                                       .replace = replace};
    return issue(ctl, dir, out, &request);
}

enum ctl_exit cmd_ca_client(struct ctl *ctl, int argc, char **argv)
{
    const char *dir = NULL, *out = NULL;
    long days = CLIENT_DAYS;
    bool replace = false;
    const struct ctl_option options[] = {
        {"ca", 0, CTL_TEXT, &dir, "DIR", "the authority's directory", 0, 0},
        {"out", 0, CTL_TEXT, &out, "DIR", "where the files go", 0, 0},
        {"days", 0, CTL_NUMBER, &days, "N", "of validity (730)", 1, 3650},
        {"replace", 0, CTL_FLAG, &replace, NULL, "replace files of that name",
         0, 0},
        {.name = NULL},
    };
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    const struct ca_request request = {.name = ctl->argv[0],
                                       .role = CA_CLIENT,
                                       .days = (int)days,
                                       .replace = replace};
    return issue(ctl, dir, out, &request);
}

/* ------------------------------------------------------------ unit enroll */
struct enrolment {
    const char *call_sign;
    const char *device;
    bool move;
};

/* The unit's number as text ("" when there is none), or NULL after a
 * complaint. */
static PGresult *find_unit(PGconn *conn, const char *call_sign)
{
    const char *const params[] = {call_sign};
    PGresult *unit =
        ctl_query(conn, "SELECT unit_id FROM patrol.unit WHERE call_sign = $1",
                  1, params);
    if (unit != NULL && PQntuples(unit) == 0) {
        ctl_complain("no unit \"%s\": patrolctl unit add first", call_sign);
        PQclear(unit);
        return NULL;
    }
    return unit;
}

/* Who has the device now, if anybody else. */
static bool device_is_free(PGconn *conn, const struct enrolment *enrolment,
                           const char *unit_id)
{
    const char *const params[] = {enrolment->device, unit_id};
    PGresult *holder = ctl_query(
        conn,
        "SELECT call_sign FROM patrol.unit_device JOIN patrol.unit USING "
        "(unit_id) JOIN patrol.device USING (device_id) WHERE device.name = "
        "$1 AND unit_id <> $2::integer AND (\"to\" IS NULL OR \"to\" > now())",
        2, params);
    bool is_free =
        holder != NULL && (PQntuples(holder) == 0 || enrolment->move);
    if (holder != NULL && !is_free)
        ctl_complain("device %s is in %s; --move takes it from there",
                     enrolment->device, PQgetvalue(holder, 0, 0));
    PQclear(holder);
    return is_free;
}

/* From now on the device is this unit, and no other. */
static bool assign(PGconn *conn, const struct enrolment *enrolment,
                   const char *unit_id)
{
    static const char *const statements[] = {
        "INSERT INTO patrol.device (name) VALUES ($1) "
        "ON CONFLICT (name) DO NOTHING",
        "UPDATE patrol.unit_device SET \"to\" = now() FROM patrol.device "
        "WHERE device.device_id = unit_device.device_id AND device.name = $1 "
        "AND unit_id <> $2::integer AND \"from\" < now() "
        "AND (\"to\" IS NULL OR \"to\" > now())",
        "INSERT INTO patrol.unit_device (unit_id, device_id) "
        "SELECT $2::integer, device_id FROM patrol.device WHERE name = $1 "
        "AND NOT EXISTS (SELECT FROM patrol.unit_device d WHERE d.device_id = "
        "device.device_id AND d.unit_id = $2::integer AND (d.\"to\" IS NULL "
        "OR d.\"to\" > now()))",
    };
    const char *const params[] = {enrolment->device, unit_id};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        PGresult *result =
            ctl_query(conn, statements[i], i == 0 ? 1 : 2, params);
        PQclear(result);
        if (result == NULL)
            return false;
    }
    return true;
}

/* The certificate is written before COMMIT: when it cannot be, the database
 * says nothing of the device either. */
static enum ctl_exit enrol(struct ctl *ctl, PGconn *conn,
                           const struct enrolment *enrolment, const char *dir,
                           const char *out, const struct ca_request *request)
{
    if (!ctl_run(conn, "BEGIN"))
        return ctl_database_exit(conn);
    PGresult *unit = find_unit(conn, enrolment->call_sign);
    if (unit == NULL)
        return CTL_REFUSED;
    enum ctl_exit end = CTL_REFUSED;
    const char *unit_id = PQgetvalue(unit, 0, 0);
    if (device_is_free(conn, enrolment, unit_id) &&
        assign(conn, enrolment, unit_id))
        end = issue(ctl, dir, out, request);
    PQclear(unit);
    if (end == CTL_OK && !ctl_run(conn, "COMMIT"))
        end = ctl_database_exit(conn);
    return end;
}

enum ctl_exit cmd_unit_enroll(struct ctl *ctl, int argc, char **argv)
{
    struct enrolment enrolment = {0};
    const char *dir = NULL, *out = NULL;
    long days = CLIENT_DAYS;
    bool replace = false;
    const struct ctl_option options[] = {
        {"ca", 0, CTL_TEXT, &dir, "DIR", "the authority's directory", 0, 0},
        {"out", 0, CTL_TEXT, &out, "DIR", "where the files go", 0, 0},
        {"device", 0, CTL_TEXT, &enrolment.device, "NAME",
         "the device's name for ever (the call sign)", 0, 0},
        {"days", 0, CTL_NUMBER, &days, "N", "of validity (730)", 1, 3650},
        {"move", 0, CTL_FLAG, &enrolment.move, NULL,
         "take the device from the unit that has it", 0, 0},
        {"replace", 0, CTL_FLAG, &replace, NULL,
         "replace the device's key and certificate", 0, 0},
        {.name = NULL},
    };
    enum ctl_exit end;
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    enrolment.call_sign = ctl->argv[0];
    if (enrolment.device == NULL)
        enrolment.device = enrolment.call_sign;
    if (!ca_name_valid(enrolment.device) ||
        ca_name_reserved(enrolment.device)) {
        ctl_complain("\"%s\" cannot be a device's name: 1 to %d of A-Z a-z "
                     "0-9 . _ -, and none of the gateway's; choose another "
                     "with --device",
                     enrolment.device, CA_NAME_MAX);
        return CTL_USAGE;
    }
    const struct ca_request request = {.name = enrolment.device,
                                       .role = CA_CLIENT,
                                       .days = (int)days,
                                       .replace = replace};
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    end = enrol(ctl, conn, &enrolment, dir, out, &request);
    PQfinish(conn); /* without a COMMIT, rolls back */
    return end;
}

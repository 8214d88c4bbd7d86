/* patrolctl unit add, unit list: who is who. */
#include "ca.h"
#include "patrolctl_internal.h"
#include <stdlib.h>
#include <string.h>

#define UNITS_AT_ONCE 100000 /* as many as a gateway's catalog takes */

static bool device_name_fits(const char *name)
{
    if (ca_name_valid(name) && !ca_name_reserved(name))
        return true;
    ctl_complain("\"%s\" cannot be a device's name: 1 to %d of A-Z a-z 0-9 "
                 ". _ -, and none of the gateway's",
                 name, CA_NAME_MAX);
    return false;
}

static bool kind_fits(const char *kind)
{
    static const char *const kinds[] = {"car", "motorcycle", "van", "foot",
                                        "other"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return true;
    }
    ctl_complain("\"%s\" is no kind of unit (car, motorcycle, van, foot, "
                 "other)",
                 kind);
    return false;
}

/* The list as PostgreSQL's array text; the caller frees it. */
static char *array_text(const struct ctl_list *list)
{
    size_t size = 3;
    for (size_t i = 0; i < list->count; i++)
        size += strlen(list->items[i]) * 2 + 3;
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    char *out = text;
    *out++ = '{';
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            *out++ = ',';
        *out++ = '"';
        for (const char *in = list->items[i]; *in != 0; in++) {
            if (*in == '"' || *in == '\\')
                *out++ = '\\';
            *out++ = *in;
        }
        *out++ = '"';
    }
    *out++ = '}';
    *out = 0;
    return text;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ------------------------------------------------------------ unit add */
/* 1: made, 0: a unit that is the same was there, -1: complained. */
static int add_unit(PGconn *conn, const char *call_sign, const char *kind,
                    const char *capabilities)
{
    const char *const params[] = {call_sign, kind, capabilities};
    PGresult *result =
        ctl_query(conn,
                  "INSERT INTO patrol.unit (call_sign, kind, capabilities) "
                  "VALUES ($1, $2, $3::text[]) "
                  "ON CONFLICT (call_sign) DO NOTHING RETURNING unit_id",
                  3, params);
    if (result == NULL)
        return -1;
    int made = PQntuples(result);
    PQclear(result);
    if (made == 1)
        return 1;
    result = ctl_query(conn,
                       "SELECT FROM patrol.unit WHERE call_sign = $1 AND "
                       "kind = $2 AND capabilities = $3::text[]",
                       3, params);
    bool same = result != NULL && PQntuples(result) == 1;
    if (result != NULL && !same)
        ctl_complain("%s is there already, with another kind or other "
                     "capabilities",
                     call_sign);
    PQclear(result);
    return same ? 0 : -1;
}

static bool run(PGconn *conn, const char *sql, int count,
                const char *const *params)
{
    PGresult *result = ctl_query(conn, sql, count, params);
    PQclear(result);
    return result != NULL;
}

/* Whose the device is, now or later: 1 this unit's, 0 nobody's, -1 another
 * one's or the question failed (complained). */
static int owner(PGconn *conn, const char *call_sign, const char *device)
{
    const char *const params[] = {device};
    PGresult *result =
        ctl_query(conn,
                  "SELECT u.call_sign FROM patrol.unit_device ud "
                  "JOIN patrol.device d USING (device_id) "
                  "JOIN patrol.unit u USING (unit_id) WHERE d.name = $1 AND "
                  "(ud.\"to\" IS NULL OR ud.\"to\" > now())",
                  1, params);
    if (result == NULL)
        return -1;
    int answer = 0;
    for (int row = 0; row < PQntuples(result) && answer >= 0; row++) {
        const char *unit = PQgetvalue(result, row, 0);
        answer = strcmp(unit, call_sign) == 0 ? 1 : -1;
        if (answer < 0)
            ctl_complain("device %s is unit %s (unit enroll --move takes it "
                         "from there)",
                         device, unit);
    }
    PQclear(result);
    return answer;
}

/* The device is this unit from then on; `since` NULL: from now on. */
static bool give_device(PGconn *conn, const char *call_sign, const char *device,
                        const char *since)
{
    const char *const params[] = {device, call_sign, since};
    if (!run(conn,
             "INSERT INTO patrol.device (name) VALUES ($1) "
             "ON CONFLICT (name) DO NOTHING",
             1, params))
        return false;
    int whose = owner(conn, call_sign, device);
    if (whose != 0)
        return whose > 0;
    return run(conn,
               "INSERT INTO patrol.unit_device (unit_id, device_id, \"from\") "
               "SELECT unit_id, device_id, coalesce($3::timestamptz, now()) "
               "FROM patrol.unit, patrol.device "
               "WHERE name = $1 AND call_sign = $2",
               3, params);
}

static void say_unit(const struct ctl *ctl, const char *call_sign,
                     const char *device, const char *people)
{
    if (ctl->json) {
        json_t *answer =
            json_pack("{s:s, s:s?}", "call_sign", call_sign, "device", device);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(answer);
        return;
    }
    char clean[256];
    ctl_clean(call_sign, clean, sizeof clean);
    printf("%s %s%s%s\n", clean, people, device != NULL ? ", device " : "",
           device != NULL ? device : "");
}

struct newcomer {
    const char *call_sign, *kind, *capabilities;
    const char *device; /* NULL: none */
    const char *since;  /* it carries it since then; NULL: now */
    long count;         /* 0: one, and the call sign is all of it */
};

/* Made or there already, with its device; -1: complained. */
static int add_one(PGconn *conn, const struct newcomer *newcomer,
                   const char *call_sign, const char *device)
{
    int made =
        add_unit(conn, call_sign, newcomer->kind, newcomer->capabilities);
    if (made >= 0 && device != NULL &&
        !give_device(conn, call_sign, device, newcomer->since))
        return -1;
    return made;
}

/* "P-" becomes P-01, P-02, ...: as many digits as the last one needs, two at
 * least. */
static bool number_name(const char *prefix, long number, long last, char *out,
                        size_t size)
{
    int width = snprintf(NULL, 0, "%ld", last);
    int length =
        snprintf(out, size, "%s%0*ld", prefix, width < 2 ? 2 : width, number);
    if (length > 0 && (size_t)length < size)
        return true;
    ctl_complain("\"%s\" is too long", prefix);
    return false;
}

/* How many were new, or -1. */
static long add_many(PGconn *conn, const struct newcomer *newcomer)
{
    char call_sign[256];
    char device[CA_NAME_MAX + 1];
    long made = 0;
    for (long i = 1; i <= newcomer->count; i++) {
        bool carries = newcomer->device != NULL;
        if (!number_name(newcomer->call_sign, i, newcomer->count, call_sign,
                         sizeof call_sign) ||
            (carries && !number_name(newcomer->device, i, newcomer->count,
                                     device, sizeof device)))
            return -1;
        int one = add_one(conn, newcomer, call_sign, carries ? device : NULL);
        if (one < 0)
            return -1;
        made += one;
    }
    return made;
}

static void say_many(const struct ctl *ctl, const struct newcomer *newcomer,
                     long made)
{
    if (ctl->json)
        printf("{\"added\":%ld,\"there\":%ld}\n", made, newcomer->count - made);
    else
        printf("%ld units added, %ld there already\n", made,
               newcomer->count - made);
}

/* All of them in one transaction. */
static enum ctl_exit add(struct ctl *ctl, PGconn *conn,
                         const struct newcomer *newcomer)
{
    long made = -1;
    if (ctl_run(conn, "BEGIN"))
        made = newcomer->count > 0
                   ? add_many(conn, newcomer)
                   : add_one(conn, newcomer, newcomer->call_sign,
                             newcomer->device);
    if (made < 0 || !ctl_run(conn, "COMMIT"))
        return ctl_database_exit(conn);
    if (newcomer->count > 0)
        say_many(ctl, newcomer, made);
    else
        say_unit(ctl, newcomer->call_sign, newcomer->device,
                 made == 1 ? "added" : "is there already");
    return CTL_OK;
}

enum ctl_exit cmd_unit_add(struct ctl *ctl, int argc, char **argv)
{
    struct newcomer newcomer = {.kind = "car"};
    struct ctl_list capabilities = {0};
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"kind", 0, CTL_TEXT, &newcomer.kind, "KIND",
         "car (default), motorcycle, van, foot, other", 0, 0},
        {"capability", 0, CTL_LIST, &capabilities, "NAME",
         "what it can do; may be repeated", 0, 0},
        {"device", 0, CTL_TEXT, &newcomer.device, "NAME",
         "the device it carries from now on", 0, 0},
        {"since", 0, CTL_TEXT, &newcomer.since, "TIME",
         "or since then, as PostgreSQL reads times", 0, 0},
        {"count", 0, CTL_NUMBER, &newcomer.count, "N",
         "so many: the call sign (and the device) is what their names begin "
         "with, before 01, 02, ...",
         1, UNITS_AT_ONCE},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    newcomer.call_sign = ctl->argv[0];
    if (!kind_fits(newcomer.kind) ||
        (newcomer.device != NULL && !device_name_fits(newcomer.device)))
        return CTL_USAGE;
    qsort(capabilities.items, capabilities.count, sizeof *capabilities.items,
          compare_text);
    char *array = array_text(&capabilities);
    newcomer.capabilities = array;
    PGconn *conn = array != NULL ? ctl_database(ctl) : NULL;
    end = conn != NULL ? add(ctl, conn, &newcomer) : CTL_UNREACHABLE;
    PQfinish(conn); /* without a COMMIT, rolls back */
    free(array);
    return end;
}

/* ----------------------------------------------------------- unit list */
enum ctl_exit cmd_unit_list(struct ctl *ctl, int argc, char **argv)
{
    const struct ctl_option options[] = {{.name = NULL}};
    enum ctl_exit end;
    struct ctl_table *table = NULL;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    PGresult *result = ctl_query(
        conn,
        ctl->json
            ? "SELECT coalesce(json_agg(json_build_object('call_sign', "
              "call_sign, 'kind', kind, 'capabilities', capabilities, "
              "'devices', devices) ORDER BY call_sign), '[]') FROM "
              "patrol.unit u, LATERAL (SELECT coalesce(array_agg(d.name "
              "ORDER BY d.name), '{}') AS devices FROM patrol.unit_device ud "
              "JOIN patrol.device d USING (device_id) WHERE ud.unit_id = "
              "u.unit_id AND ud.\"from\" <= now() AND (ud.\"to\" IS NULL OR "
              "ud.\"to\" > now())) l"
            : "SELECT call_sign, kind, array_to_string(capabilities, ', '), "
              "(SELECT string_agg(d.name, ', ' ORDER BY d.name) FROM "
              "patrol.unit_device ud JOIN patrol.device d USING (device_id) "
              "WHERE ud.unit_id = u.unit_id AND ud.\"from\" <= now() AND "
              "(ud.\"to\" IS NULL OR ud.\"to\" > now())) "
              "FROM patrol.unit u ORDER BY call_sign",
        0, NULL);
    end = result != NULL ? CTL_OK : ctl_database_exit(conn);
    if (result != NULL && ctl->json) {
        puts(PQgetvalue(result, 0, 0));
    } else if (result != NULL &&
               ctl_table_new("call sign|kind|capabilities|device", &table) ==
                   PT_OK) {
        for (int row = 0; row < PQntuples(result); row++) {
            for (int column = 0; column < 4; column++)
                ctl_table_cell(table, PQgetvalue(result, row, column));
        }
        end = ctl_table_show(table);
    }
    ctl_table_free(table);
    PQclear(result);
    PQfinish(conn);
    return end;
}

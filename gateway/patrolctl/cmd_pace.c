/* patrolctl unit pace: how closely units are to report. */
#include "patrolctl_internal.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 24

/* What is NULL stays as it is. */
struct wish {
    const char *call_sign; /* NULL: the row for all */
    const char *bound_m, *bound_assigned_m, *moving_s, *parked_s, *assigned;
};

static const char change_sql[] =
    "INSERT INTO patrol.pace_setting AS s (unit_id, bound_m, bound_assigned_m,"
    " moving_s, parked_s, assigned)"
    " SELECT w.unit_id, $2::real, $3::real, $4::integer, $5::integer,"
    " coalesce($6::boolean, false) FROM (SELECT unit_id FROM patrol.unit"
    " WHERE call_sign = $1 UNION ALL SELECT NULL WHERE $1 IS NULL) w"
    " ON CONFLICT (unit_id) DO UPDATE SET"
    " bound_m = coalesce($2::real, s.bound_m),"
    " bound_assigned_m = coalesce($3::real, s.bound_assigned_m),"
    " moving_s = coalesce($4::integer, s.moving_s),"
    " parked_s = coalesce($5::integer, s.parked_s),"
    " assigned = coalesce($6::boolean, s.assigned)";

static const char remove_sql[] =
    "DELETE FROM patrol.pace_setting WHERE unit_id IS NOT DISTINCT FROM"
    " (SELECT unit_id FROM patrol.unit WHERE call_sign = $1)";

/* The row that counts for the unit; for all: the one without a unit. */
static const char show_sql[] =
    "SELECT CASE WHEN s.unit_id IS NULL THEN 'all' ELSE $1 END, s.bound_m,"
    " s.bound_assigned_m, s.moving_s, s.parked_s,"
    " CASE WHEN s.assigned THEN 'yes' ELSE 'no' END, s.revision,"
    " json_build_object('of', CASE WHEN s.unit_id IS NULL THEN NULL ELSE"
    " $1::text END, 'bound_m', s.bound_m, 'bound_assigned_m',"
    " s.bound_assigned_m, 'moving_s', s.moving_s, 'parked_s', s.parked_s,"
    " 'assigned', s.assigned, 'revision', s.revision)"
    " FROM patrol.pace_setting s WHERE s.unit_id IS NULL OR s.unit_id ="
    " (SELECT unit_id FROM patrol.unit WHERE call_sign = $1)"
    " ORDER BY s.unit_id NULLS LAST LIMIT 1";

static bool knows_unit(PGconn *conn, const char *call_sign)
{
    const char *const params[] = {call_sign};
    PGresult *result = ctl_query(
        conn, "SELECT FROM patrol.unit WHERE call_sign = $1", 1, params);
    bool known = result != NULL && PQntuples(result) == 1;
    if (result != NULL && !known)
        ctl_complain("no unit has the call sign %s", call_sign);
    PQclear(result);
    return known;
}

static bool change(PGconn *conn, const struct wish *wish, bool none)
{
    const char *const params[] = {wish->call_sign,        wish->bound_m,
                                  wish->bound_assigned_m, wish->moving_s,
                                  wish->parked_s,         wish->assigned};
    bool any = wish->bound_m != NULL || wish->bound_assigned_m != NULL ||
               wish->moving_s != NULL || wish->parked_s != NULL ||
               wish->assigned != NULL;
    if (!any && !none)
        return true;
    PGresult *result = none ? ctl_query(conn, remove_sql, 1, params)
                            : ctl_query(conn, change_sql, 6, params);
    PQclear(result);
    return result != NULL;
}

static enum ctl_exit show_row(const struct ctl *ctl, const PGresult *result)
{
    struct ctl_table *table = NULL;
    if (ctl->json) {
        puts(PQntuples(result) == 0 ? "null" : PQgetvalue(result, 0, 7));
        return CTL_OK;
    }
    if (PQntuples(result) == 0) {
        puts("nothing is set: vehicles report as they are configured");
        return CTL_OK;
    }
    if (ctl_table_new("set for|bound m|assigned m|moving s|parked s|assigned|"
                      "revision",
                      &table) != PT_OK)
        return CTL_REFUSED;
    for (int column = 0; column < 7; column++)
        ctl_table_cell(table, PQgetisnull(result, 0, column)
                                  ? "-"
                                  : PQgetvalue(result, 0, column));
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    return end;
}

static enum ctl_exit pace(const struct ctl *ctl, PGconn *conn,
                          const struct wish *wish, bool none)
{
    const char *const params[] = {wish->call_sign};
    if ((wish->call_sign != NULL && !knows_unit(conn, wish->call_sign)) ||
        !change(conn, wish, none))
        return ctl_database_exit(conn);
    PGresult *result = ctl_query(conn, show_sql, 1, params);
    enum ctl_exit end =
        result != NULL ? show_row(ctl, result) : ctl_database_exit(conn);
    PQclear(result);
    return end;
}

/* 0 was not given: stays as it is. */
static const char *number_text(long value, char text[TEXT_MAX])
{
    if (value == 0)
        return NULL;
    snprintf(text, TEXT_MAX, "%ld", value);
    return text;
}

enum ctl_exit cmd_unit_pace(struct ctl *ctl, int argc, char **argv)
{
    long bound_m = 0, bound_assigned_m = 0, moving_s = 0, parked_s = 0;
    bool all = false, none = false;
    char text[4][TEXT_MAX];
    struct wish wish = {0};
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"all", 0, CTL_FLAG, &all, NULL,
         "of all units that have none of their own", 0, 0},
        {"bound", 0, CTL_NUMBER, &bound_m, "METRES",
         "the error that a unit's place may have here", 1, 10000},
        {"bound-assigned", 0, CTL_NUMBER, &bound_assigned_m, "METRES",
         "the same while assigned", 1, 10000},
        {"moving", 0, CTL_NUMBER, &moving_s, "SECONDS",
         "at least a report in so long, moving", 1, 3600},
        {"parked", 0, CTL_NUMBER, &parked_s, "SECONDS",
         "the same, standing still", 1, 3600},
        {"assigned", 0, CTL_TEXT, &wish.assigned, "WORD",
         "yes: counts as assigned whatever its status; no", 0, 0},
        {"none", 0, CTL_FLAG, &none, NULL, "take away what was set", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 1, &end))
        return end;
    if (all == (ctl->argc == 1)) {
        ctl_complain("a call sign or --all is needed");
        return CTL_USAGE;
    }
    if (wish.assigned != NULL && strcmp(wish.assigned, "yes") != 0 &&
        strcmp(wish.assigned, "no") != 0) {
        ctl_complain("--assigned: yes or no is expected");
        return CTL_USAGE;
    }
    wish.call_sign = all ? NULL : ctl->argv[0];
    wish.bound_m = number_text(bound_m, text[0]);
    wish.bound_assigned_m = number_text(bound_assigned_m, text[1]);
    wish.moving_s = number_text(moving_s, text[2]);
    wish.parked_s = number_text(parked_s, text[3]);
    PGconn *conn = ctl_database(ctl);
    end = conn != NULL ? pace(ctl, conn, &wish, none) : CTL_UNREACHABLE;
    PQfinish(conn);
    return end;
}

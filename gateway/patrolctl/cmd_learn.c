/* patrolctl roads learn: how fast the fleet really drives. */
#include "patrolctl_internal.h"
#include "speeds.h"

#include <stdlib.h>
#include <string.h>

#define DAYS_DEFAULT "28 days"
#define FEW_DATES ((unsigned)LEARN_DATES)

/* Since when, until when; either may be left out. */
static const char window_sql[] =
    "SELECT (extract(epoch FROM coalesce($1::timestamptz, least(now(),"
    " coalesce($2::timestamptz, now())) - interval '" DAYS_DEFAULT "')) *"
    " 1000)::bigint, (extract(epoch FROM coalesce($2::timestamptz, now())) *"
    " 1000)::bigint";

static bool show(void *context, double share, const char *phase)
{
    ctl_progress_show(context, share, phase);
    return true;
}

static enum ctl_exit find_window(const struct ctl *ctl, const char *from,
                                 const char *to, struct speeds_wish *wish)
{
    const char *const params[] = {from, to};
    PGconn *conn = ctl_database(ctl);
    if (conn == NULL)
        return CTL_UNREACHABLE;
    enum ctl_exit ret = CTL_REFUSED;
    PGresult *rows = ctl_query(conn, window_sql, 2, params);
    if (rows != NULL) {
        wish->from_ms = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
        wish->to_ms = strtoll(PQgetvalue(rows, 0, 1), NULL, 10);
        ret = CTL_OK;
    }
    PQclear(rows);
    PQfinish(conn);
    if (ret == CTL_OK && wish->from_ms >= wish->to_ms) {
        ctl_complain("--from is not before --to");
        return CTL_USAGE;
    }
    return ret;
}

/* ------------------------------------------------------------------ telling */
static json_t *kind_json(const struct speeds_kind *kind)
{
    json_t *json = json_pack("{s:s, s:I, s:f, s:b}", "profile", kind->profile,
                             "drives", (json_int_t)kind->drives, "km", kind->km,
                             "learned", kind->learned);
    if (kind->learned)
        json_object_update_new(
            json,
            json_pack("{s:f, s:I, s:i, s:i, s:[f, f]}", "ratio", kind->ratio,
                      "edges", (json_int_t)kind->edges, "hours_of_the_week",
                      (int)kind->hours, "dates", (int)kind->dates,
                      "range_of_300_s", kind->low, kind->high));
    return json;
}

static enum ctl_exit tell_json(const struct speeds_told *told)
{
    json_t *kinds = json_array();
    for (size_t i = 0; i < told->kind_count; i++)
        json_array_append_new(kinds, kind_json(&told->kinds[i]));
    json_t *json =
        json_pack("{s:I, s:s, s:o}", "fixes", (json_int_t)told->fixes,
                  "time_zone", told->time_zone, "profiles", kinds);
    bool good = json != NULL && json_dumpf(json, stdout, JSON_INDENT(2)) == 0;
    puts("");
    json_decref(json);
    return good ? CTL_OK : CTL_REFUSED;
}

static void tell_limits(const struct speeds_kind *kind)
{
    if (kind->hours < LEARN_HOURS)
        printf("  not learned: %u of the week's %u hours, in which nobody "
               "drove; they lean on the hours beside them\n",
               LEARN_HOURS - kind->hours, LEARN_HOURS);
    if (kind->dates < FEW_DATES)
        printf("  cannot be learned from %u date(s): how dates differ, nor "
               "days of the week; ranges are wider for it\n",
               kind->dates);
}

static void tell_kind(const struct speeds_kind *kind)
{
    printf("%s: %zu drives, %.1f km\n", kind->profile, kind->drives, kind->km);
    if (!kind->learned) {
        printf("  nothing learned: fewer than %u drives; what was learned "
               "before stays\n",
               LEARN_DRIVES_MIN);
        return;
    }
    printf("  streets take %.2f times as long as the profile says; %zu pieces "
           "of street, one way each, were driven\n",
           kind->ratio, kind->edges);
    printf("  of 300 s predicted: %.0f to %.0f s for eight drives in ten\n",
           kind->low, kind->high);
    tell_limits(kind);
}

static void tell(const struct speeds_told *told)
{
    printf("%llu fixes; hours are those of %s\n",
           (unsigned long long)told->fixes, told->time_zone);
    if (told->newest_only)
        printf("more than %d fixes: only the newest days counted\n",
               SPEEDS_FIXES_MAX);
    if (told->every > 1)
        printf("and of the units one in %u\n", told->every);
    for (size_t i = 0; i < told->kind_count; i++)
        tell_kind(&told->kinds[i]);
}

/* ---------------------------------------------------------------- command */
static enum ctl_exit exit_of(enum pt_err err)
{
    return err == PT_E_NOTFOUND ? CTL_BAD_INPUT : CTL_REFUSED;
}

enum ctl_exit cmd_roads_learn(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_time from = {0}, to = {0};
    const struct ctl_option options[] = {
        {"from", 0, CTL_SINCE, &from, "TIME",
         "fixes since then: 7d, a date (28 days before the end)", 0, 0},
        {"to", 0, CTL_SINCE, &to, "TIME", "fixes before then (now)", 0, 0},
        {NULL, 0, CTL_FLAG, NULL, NULL, NULL, 0, 0}};
    enum ctl_exit ret;
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &ret))
        return ret;
    struct ctl_progress progress;
    struct speeds_wish wish = {
        .conninfo = ctl->database, .progress = show, .context = &progress};
    struct speeds_told told;
    char message[512] = "";
    ret = find_window(ctl, from.at, to.at, &wish);
    if (ret != CTL_OK)
        return ret;
    ctl_progress_start(&progress);
    enum pt_err err = speeds_learn(&wish, &told, message, sizeof message);
    ctl_progress_end(&progress);
    if (err != PT_OK) {
        ctl_complain("%s", message);
        return exit_of(err);
    }
    if (ctl->json)
        return tell_json(&told);
    tell(&told);
    return CTL_OK;
}

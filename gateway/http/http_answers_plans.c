/* Plans that are kept: listed, read, removed. */
#include "http_plans.h"
#include "http_sql.h"
#include "pt_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */ /* it would cut the statements into syllables */
#define HEAD \
    "'plan_id', p.plan_id, 'name', p.name, 'made_at', " SQL_TIME("p.made_at") \
    ", 'time_zone', p.time_zone, 'network_id', p.network_id," \
    " 'profile', p.profile, 'hours_learned', p.hours_learned," \
    " 'units', p.units, 'settings', p.settings," \
    " 'took_s', round(p.took_s::numeric, 3), 'group_count', (SELECT count(*)" \
    "  FROM patrol.coverage_plan_group g WHERE g.plan_id = p.plan_id)"

static const char list_sql[] =
    "SELECT json_build_object('plans', coalesce(json_agg(x.o), '[]')) FROM"
    " (SELECT json_build_object(" HEAD ") AS o FROM patrol.coverage_plan p"
    "  ORDER BY p.plan_id DESC LIMIT 200) x";

static const char plan_sql[] =
    "WITH posts AS (SELECT group_no, units, json_agg(json_build_object("
    "  'lat', round(ST_Y(geom)::numeric, 6),"
    "  'lon', round(ST_X(geom)::numeric, 6), 'street', street, 'zone', zone,"
    "  'kept', kept, 'post_id', post_id, 'name', name,"
    "  'adds', round(adds::numeric, 3), 'holds', round(holds::numeric, 3),"
    "  'missions', round(missions::numeric, 3)) ORDER BY post_no) AS list"
    "  FROM patrol.coverage_plan_post WHERE plan_id = $1::integer"
    "  GROUP BY 1, 2),"
    " choices AS (SELECT c.group_no, json_agg(json_build_object("
    "  'units', c.units, 'posts', coalesce(posts.list, '[]'),"
    "  'weight', round(weight::numeric, 3),"
    "  'weight_of', round(weight_of::numeric, 3), 'share', CASE"
    "   WHEN weight_of > 0 THEN round((weight / weight_of)::numeric, 4) END,"
    "  'missions', round(missions::numeric, 3),"
    "  'missions_of', round(missions_of::numeric, 3),"
    "  'streets_m', round(streets_m), 'streets_of_m', round(streets_of_m),"
    "  'at_most', round(at_most::numeric, 3), 'best_share', CASE"
    "   WHEN weight >= at_most THEN 1 ELSE"
    "   floor(1000 * weight / at_most) / 1000 END,"
    "  'proved', weight >= at_most, 'stopped', stopped) ORDER BY c.units)"
    "   AS list FROM patrol.coverage_plan_choice c LEFT JOIN posts"
    "   USING (group_no, units) WHERE plan_id = $1::integer GROUP BY 1)"
    " SELECT json_build_object(" HEAD ", 'groups', (SELECT json_agg("
    "  json_build_object('name', g.name, 'hours', g.hours, 'choices',"
    "   coalesce(choices.list, '[]')) ORDER BY group_no)"
    "  FROM patrol.coverage_plan_group g LEFT JOIN choices USING (group_no)"
    "  WHERE g.plan_id = p.plan_id))"
    " FROM patrol.coverage_plan p WHERE plan_id = $1::integer";

static const char remove_sql[] =
    "DELETE FROM patrol.coverage_plan WHERE plan_id = $1::integer"
    " RETURNING json_build_object('plan_id', plan_id)";
/* clang-format on */

static void on_rows(void *context, enum pt_err err, PGresult *result)
{
    struct long_waiter *waiter = context;
    struct request *rq = later_take(&waiter->later);

    free(waiter);
    if (rq == NULL)
        return;
    if (err != PT_OK) {
        pt_log(PT_LOG_WARN, "http: plans: %s", pt_strerror(err));
        reply_problem(rq, PROBLEM_DATABASE, "the plans could not be read");
    } else if (PQntuples(result) != 1) {
        reply_problem(rq, PROBLEM_NO_PLAN, "there is no plan of that number");
    } else {
        struct json *json = reply_json(rq);
        jw_raw(json, NULL, PQgetvalue(result, 0, 0),
               (size_t)PQgetlength(result, 0, 0));
    }
    later_done(rq);
}

/* The waiter is attached; `plan_id` 0: there is no such parameter. */
static void ask(struct http *http, const char *sql, uint32_t plan_id,
                struct long_waiter *waiter)
{
    char id[16];
    const char *const values[] = {id};

    snprintf(id, sizeof id, "%" PRIu32, plan_id);
    if (db_query(http->db, sql, plan_id > 0, values, on_rows, waiter) == PT_OK)
        return;
    struct request *rq = later_take(&waiter->later);
    if (rq != NULL) {
        reply_problem(rq, PROBLEM_DATABASE, "the database does not answer");
        later_done(rq);
    }
    free(waiter);
}

void plan_answer(struct http *http, uint32_t plan_id,
                 struct long_waiter *waiter)
{
    ask(http, plan_sql, plan_id, waiter);
}

bool request_plan(struct request *rq, uint32_t *ret)
{
    if (params_count(rq->argument, 1, INT32_MAX, ret))
        return true;
    reply_problem(rq, PROBLEM_NO_PLAN, "its number is malformed");
    return false;
}

static void ask_for(struct request *rq, const char *sql, uint32_t plan_id)
{
    struct long_waiter *waiter = calloc(1, sizeof *waiter);

    if (waiter == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    later_attach(rq, &waiter->later);
    ask(rq->http, sql, plan_id, waiter);
}

void answer_plans(struct request *rq)
{
    ask_for(rq, list_sql, 0);
}

void answer_plan(struct request *rq)
{
    uint32_t id;

    if (request_plan(rq, &id))
        ask_for(rq, plan_sql, id);
}

void answer_plan_remove(struct request *rq)
{
    uint32_t id;

    if (request_plan(rq, &id))
        ask_for(rq, remove_sql, id);
}

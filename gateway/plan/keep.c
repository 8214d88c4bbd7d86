/* Plans in the database. */
#include "plan.h"

#include "asking.h"
#include "pt_room.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 1024
#define LIST_BYTES 1024 /* 168 numbers of up to three digits */

/* -------------------------------------------------------------------- written
 */
static const char head_sql[] =
    "INSERT INTO patrol.coverage_plan (name, took_s, network_id, profile,"
    " time_zone, hours_learned, units, settings) SELECT $1, $2, $3, $4,"
    " coalesce((SELECT time_zone FROM patrol.zone GROUP BY 1"
    "  ORDER BY count(*) DESC, 1 LIMIT 1), 'UTC'), $5, $6, $7"
    " RETURNING plan_id";

static void add_number(char list[LIST_BYTES], unsigned number)
{
    size_t used = strlen(list);
    snprintf(list + used, LIST_BYTES - used, "%s%u", used > 1 ? "," : "",
             number);
}

static void end_list(char list[LIST_BYTES])
{
    size_t used = strlen(list);
    snprintf(list + used, LIST_BYTES - used, "}");
}

static enum pt_err write_head(const struct asking *asking,
                              const struct plan_head *head,
                              const struct plan *plan, uint32_t *plan_id)
{
    char took[32], network[16], learned[16], units[LIST_BYTES] = "{";
    const char *const params[] = {head->name,    took,    network,
                                  head->profile, learned, units,
                                  head->settings};
    snprintf(took, sizeof(took), "%.3f", head->took_s);
    snprintf(network, sizeof(network), "%" PRIu32, head->network_id);
    snprintf(learned, sizeof(learned), "%u", plan->hours_learned);
    for (size_t i = 0; i < head->unit_count; i++)
        add_number(units, head->units[i]);
    end_list(units);
    PGresult *rows = asking_query(asking, head_sql, 7, params, false);
    if (rows == NULL)
        return PT_E_DB;
    *plan_id = (uint32_t)strtoul(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return PT_OK;
}

static enum pt_err write_groups(const struct asking *asking, uint32_t id,
                                const struct plan *plan)
{
    struct asking_copy copy;
    char name[TEXT_BYTES];
    enum pt_err err = asking_copy_begin(
        &copy, asking,
        "COPY patrol.coverage_plan_group (plan_id, group_no, name, hours)"
        " FROM STDIN");
    for (size_t g = 0; err == PT_OK && g < plan->group_count; g++) {
        char hours[LIST_BYTES] = "{";
        for (unsigned h = 0; h < PLAN_HOURS; h++)
            if (plan->groups[g].hours[h])
                add_number(hours, h);
        end_list(hours);
        asking_copy_row(
            &copy, "%" PRIu32 "\t%zu\t%s\t%s\n", id, g + 1,
            asking_copy_text(plan->groups[g].name, name, sizeof(name)), hours);
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

static enum pt_err write_choices(const struct asking *asking, uint32_t id,
                                 const struct plan *plan)
{
    struct asking_copy copy;
    enum pt_err err = asking_copy_begin(
        &copy, asking,
        "COPY patrol.coverage_plan_choice (plan_id, group_no, units, weight,"
        " weight_of, at_most, missions, missions_of, streets_m, streets_of_m,"
        " stopped) FROM STDIN");
    for (size_t g = 0; err == PT_OK && g < plan->group_count; g++) {
        for (size_t i = 0; i < plan->groups[g].choice_count; i++) {
            const struct plan_choice *c = &plan->groups[g].choices[i];
            asking_copy_row(
                &copy,
                "%" PRIu32
                "\t%zu\t%u\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%c\n",
                id, g + 1, c->units, c->weight, c->weight_of, c->at_most,
                c->missions, c->missions_of, c->streets_m, c->streets_of_m,
                c->stopped ? 't' : 'f');
        }
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

static void write_post(struct asking_copy *copy, uint32_t id, size_t group_no,
                       unsigned units, size_t post_no,
                       const struct plan_post *post)
{
    char street[TEXT_BYTES], zone[TEXT_BYTES], name[TEXT_BYTES];
    char number[16] = "\\N";
    if (post->post_id > 0)
        snprintf(number, sizeof(number), "%" PRIu32, post->post_id);
    asking_copy_row(copy,
                    "%" PRIu32
                    "\t%zu\t%u\t%zu\tSRID=4326;POINT(%.6f %.6f)\t%s\t%s\t%c\t%s"
                    "\t%s\t%.9g\t%.9g\t%.9g\n",
                    id, group_no, units, post_no, (double)post->at.lon_e6 / 1e6,
                    (double)post->at.lat_e6 / 1e6,
                    asking_copy_text(post->street, street, sizeof(street)),
                    asking_copy_text(post->zone, zone, sizeof(zone)),
                    post->kept ? 't' : 'f', number,
                    asking_copy_text(post->name, name, sizeof(name)),
                    post->adds, post->holds, post->missions);
}

static enum pt_err write_posts(const struct asking *asking, uint32_t id,
                               const struct plan *plan)
{
    struct asking_copy copy;
    enum pt_err err = asking_copy_begin(
        &copy, asking,
        "COPY patrol.coverage_plan_post (plan_id, group_no, units, post_no,"
        " geom, street, zone, kept, post_id, name, adds, holds, missions)"
        " FROM STDIN");
    for (size_t g = 0; err == PT_OK && g < plan->group_count; g++) {
        for (size_t i = 0; i < plan->groups[g].choice_count; i++) {
            const struct plan_choice *c = &plan->groups[g].choices[i];
            for (size_t p = 0; p < c->post_count; p++)
                write_post(&copy, id, g + 1, c->units, p + 1, &c->posts[p]);
        }
    }
    return err == PT_OK ? asking_copy_end(&copy) : err;
}

enum pt_err plan_keep(const char *conninfo, const struct plan_head *head,
                      const struct plan *plan, uint32_t *plan_id, char *message,
                      size_t message_size)
{
    struct asking asking = {0};
    uint32_t id = 0;
    message[0] = '\0';
    enum pt_err err =
        asking_open(&asking, conninfo, "patrol plans", message, message_size);
    if (err == PT_OK)
        err = asking_run(&asking, "BEGIN");
    if (err == PT_OK)
        err = write_head(&asking, head, plan, &id);
    if (err == PT_OK)
        err = write_groups(&asking, id, plan);
    if (err == PT_OK)
        err = write_choices(&asking, id, plan);
    if (err == PT_OK)
        err = write_posts(&asking, id, plan);
    if (err == PT_OK)
        err = asking_run(&asking, "COMMIT");
    asking_close(&asking);
    if (err == PT_OK)
        *plan_id = id;
    return err;
}

/* ----------------------------------------------------------------------- read
 */
/* A row for each hour of each group; for each post; choices without any have
 * one row. */
static const char hours_sql[] =
    "SELECT group_no, name, unnest(hours) FROM patrol.coverage_plan_group"
    " WHERE plan_id = $1 ORDER BY 1";
static const char posts_sql[] =
    "SELECT group_no, units, weight, weight_of, at_most, c.missions,"
    " missions_of, streets_m, streets_of_m, stopped, ST_Y(geom), ST_X(geom),"
    " street, zone, kept, post_id, name, adds, holds, p.missions"
    " FROM patrol.coverage_plan_choice c"
    " LEFT JOIN patrol.coverage_plan_post p USING (plan_id, group_no, units)"
    " WHERE plan_id = $1 ORDER BY group_no, units, post_no";

enum column {
    GROUP_NO,
    UNITS,
    WEIGHT,
    WEIGHT_OF,
    AT_MOST,
    MISSIONS,
    MISSIONS_OF,
    STREETS_M,
    STREETS_OF_M,
    STOPPED,
    LAT,
    LON,
    STREET,
    ZONE,
    KEPT,
    POST_ID,
    NAME,
    ADDS,
    HOLDS,
    POST_MISSIONS,
};

static double real_at(const PGresult *rows, int row, enum column column)
{
    return strtod(PQgetvalue(rows, row, (int)column), NULL);
}

static unsigned whole_at(const PGresult *rows, int row, int column)
{
    return (unsigned)strtoul(PQgetvalue(rows, row, column), NULL, 10);
}

static enum pt_err text_at(const PGresult *rows, int row, enum column column,
                           char **ret)
{
    if (PQgetisnull(rows, row, (int)column))
        return PT_OK;
    *ret = strdup(PQgetvalue(rows, row, (int)column));
    return *ret == NULL ? PT_E_NOMEM : PT_OK;
}

static enum pt_err take_groups(const PGresult *rows, struct plan *plan)
{
    int count = PQntuples(rows);
    if (count == 0)
        return PT_E_NOTFOUND;
    size_t groups = whole_at(rows, count - 1, 0);
    if (groups < 1 || groups > PLAN_GROUPS_MAX)
        return PT_E_CORRUPT;
    plan->groups = calloc(groups, sizeof(*plan->groups));
    if (plan->groups == NULL)
        return PT_E_NOMEM;
    plan->group_count = groups;
    for (int row = 0; row < count; row++) {
        size_t g = whole_at(rows, row, 0) - 1;
        unsigned hour = whole_at(rows, row, 2);
        if (g >= groups || hour >= PLAN_HOURS)
            return PT_E_CORRUPT;
        snprintf(plan->groups[g].name, sizeof(plan->groups[g].name), "%s",
                 PQgetvalue(rows, row, 1));
        plan->groups[g].hours[hour] = true;
    }
    return PT_OK;
}

static enum pt_err take_post(const PGresult *rows, int row,
                             struct plan_choice *choice, size_t *room)
{
    if (PQgetisnull(rows, row, LAT))
        return PT_OK;
    enum pt_err err = pt_room(&choice->posts, room, choice->post_count + 1,
                              sizeof(*choice->posts));
    if (err != PT_OK)
        return err;
    struct plan_post *post = &choice->posts[choice->post_count++];
    *post = (struct plan_post){
        .at = {.lat_e6 = (int32_t)lround(real_at(rows, row, LAT) * 1e6),
               .lon_e6 = (int32_t)lround(real_at(rows, row, LON) * 1e6)},
        .kept = *PQgetvalue(rows, row, KEPT) == 't',
        .post_id = whole_at(rows, row, POST_ID),
        .adds = real_at(rows, row, ADDS),
        .holds = real_at(rows, row, HOLDS),
        .missions = real_at(rows, row, POST_MISSIONS),
    };
    err = text_at(rows, row, STREET, &post->street);
    if (err == PT_OK)
        err = text_at(rows, row, ZONE, &post->zone);
    if (err == PT_OK)
        err = text_at(rows, row, NAME, &post->name);
    return err;
}

/* The one of the row, which may be the last or a new one. */
static enum pt_err take_choice(const PGresult *rows, int row,
                               struct plan_group *group, size_t *post_room)
{
    unsigned units = whole_at(rows, row, UNITS);
    if (group->choice_count > 0 &&
        group->choices[group->choice_count - 1].units == units)
        return PT_OK;
    struct plan_choice *more =
        reallocarray(group->choices, group->choice_count + 1, sizeof(*more));
    if (more == NULL)
        return PT_E_NOMEM;
    group->choices = more;
    *post_room = 0;
    more[group->choice_count++] = (struct plan_choice){
        .units = units,
        .weight = real_at(rows, row, WEIGHT),
        .weight_of = real_at(rows, row, WEIGHT_OF),
        .at_most = real_at(rows, row, AT_MOST),
        .missions = real_at(rows, row, MISSIONS),
        .missions_of = real_at(rows, row, MISSIONS_OF),
        .streets_m = real_at(rows, row, STREETS_M),
        .streets_of_m = real_at(rows, row, STREETS_OF_M),
        .stopped = *PQgetvalue(rows, row, STOPPED) == 't',
    };
    return PT_OK;
}

static enum pt_err take_posts(const PGresult *rows, struct plan *plan)
{
    enum pt_err err = PT_OK;
    size_t room = 0;
    for (int row = 0; err == PT_OK && row < PQntuples(rows); row++) {
        size_t g = whole_at(rows, row, GROUP_NO) - 1;
        if (g >= plan->group_count)
            return PT_E_CORRUPT;
        struct plan_group *group = &plan->groups[g];
        err = take_choice(rows, row, group, &room);
        if (err == PT_OK)
            err = take_post(rows, row, &group->choices[group->choice_count - 1],
                            &room);
    }
    return err;
}

static enum pt_err
read_rows(const struct asking *asking, uint32_t plan_id, const char *sql,
          enum pt_err (*take)(const PGresult *rows, struct plan *plan),
          struct plan *plan)
{
    char id[16];
    const char *const params[] = {id};
    snprintf(id, sizeof(id), "%" PRIu32, plan_id);
    PGresult *rows = asking_query(asking, sql, 1, params, false);
    if (rows == NULL)
        return PT_E_DB;
    enum pt_err err = take(rows, plan);
    PQclear(rows);
    return err;
}

enum pt_err plan_load(const char *conninfo, uint32_t plan_id, struct plan **ret,
                      char *message, size_t message_size)
{
    struct asking asking = {0};
    struct plan *plan = calloc(1, sizeof(*plan));
    message[0] = '\0';
    enum pt_err err = plan == NULL
                          ? PT_E_NOMEM
                          : asking_open(&asking, conninfo, "patrol plans",
                                        message, message_size);
    if (err == PT_OK)
        err = asking_run(&asking,
                         "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (err == PT_OK)
        err = read_rows(&asking, plan_id, hours_sql, take_groups, plan);
    if (err == PT_OK)
        err = read_rows(&asking, plan_id, posts_sql, take_posts, plan);
    asking_close(&asking);
    if (err == PT_OK)
        *ret = plan;
    else
        plan_free(plan);
    return err;
}

/* What was learned, into the tables. */
#include "speeds_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMES_BYTES 128
#define PARAM_BYTES 40

/* ---------------------------------------------------------------- the tables
 */
static enum pt_err write_profile(const struct asking *a,
                                 const struct streets *streets,
                                 const char *profile,
                                 const struct learn_table *table)
{
    char from[PARAM_BYTES], to[PARAM_BYTES], drives[PARAM_BYTES];
    char tau2[PARAM_BYTES], phi[PARAM_BYTES];
    snprintf(from, sizeof(from), "%" PRId64, table->from_ms);
    snprintf(to, sizeof(to), "%" PRId64, table->to_ms);
    snprintf(drives, sizeof(drives), "%" PRIu32, table->drives);
    snprintf(tau2, sizeof(tau2), "%.17g", table->tau2);
    snprintf(phi, sizeof(phi), "%.17g", table->phi_s);
    const char *const params[] = {profile, from, to, drives, streets->time_zone,
                                  tau2,    phi};
    PGresult *done =
        asking_query(a, "DELETE FROM patrol.learned_profile WHERE profile = $1",
                     1, params, false);
    PQclear(done);
    if (done == NULL)
        return PT_E_DB;
    done = asking_query(
        a,
        "INSERT INTO patrol.learned_profile (profile, from_time, to_time,"
        " drives, time_zone, tau2, phi_s) VALUES ($1,"
        " to_timestamp($2::float8 / 1000), to_timestamp($3::float8 / 1000),"
        " $4, $5, $6, $7)",
        7, params, false);
    PQclear(done);
    return done == NULL ? PT_E_DB : PT_OK;
}

static enum pt_err write_hours(const struct asking *a, const char *profile,
                               const struct learn_table *table)
{
    struct asking_copy copy;
    enum pt_err err = asking_copy_begin(
        &copy, a,
        "COPY patrol.learned_hour (profile, hour, factor, seconds,"
        " passages, low, high, dates) FROM STDIN");
    if (err != PT_OK)
        return err;
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        const struct learn_hour_row *row = &table->hours[h];
        asking_copy_row(&copy,
                        "%s\t%u\t%.9g\t%.9g\t%" PRIu32 "\t%.9g\t%.9g\t%u\n",
                        profile, h, row->of.factor, row->of.seconds,
                        row->of.passages, row->low, row->high, row->dates);
    }
    return asking_copy_end(&copy);
}

/* A ring that is one edge begins and ends in the same node: its two ways round
 * have one name, so it leans on its street. */
static bool has_name(const struct roads *roads, const struct learn_row *row)
{
    return row->level < LEARN_EDGE ||
           roads_edge_node(roads, row->place) !=
               roads_edge_node(roads, roads_reverse(row->place));
}

#define NONE "\\N\t"
static void write_row(struct asking_copy *copy, const char *profile,
                      const struct roads *roads, const struct streets *streets,
                      const struct learn_row *row)
{
    char period[8] = "\\N";
    char names[NAMES_BYTES];
    const char *level = "class";
    if (row->level == LEARN_CLASS_PERIOD || row->level == LEARN_EDGE_PERIOD)
        snprintf(period, sizeof(period), "%u", row->period);
    if (row->level <= LEARN_CLASS_PERIOD) {
        level = row->level == LEARN_CLASS ? "class" : "class_period";
        snprintf(names, sizeof(names), "%s\t" NONE NONE NONE NONE,
                 streets->classes[row->place]);
    } else if (row->level == LEARN_STREET) {
        level = "street";
        snprintf(names, sizeof(names), NONE "%" PRId64 "\t%c\t" NONE NONE,
                 roads_edge_way(roads, row->place),
                 row->place & 1u ? 't' : 'f');
    } else {
        level = row->level == LEARN_EDGE ? "edge" : "edge_period";
        snprintf(names, sizeof(names),
                 NONE "%" PRId64 "\t" NONE "%" PRId64 "\t%" PRId64 "\t",
                 roads_edge_way(roads, row->place),
                 roads_edge_node(roads, roads_reverse(row->place)),
                 roads_edge_node(roads, row->place));
    }
    asking_copy_row(copy, "%s\t%s\t%s%s\t%.9g\t%.9g\t%" PRIu32 "\n", profile,
                    level, names, period, row->of.factor, row->of.seconds,
                    row->of.passages);
}

enum pt_err tables_write(const struct asking *a, const struct roads *roads,
                         const struct streets *streets, const char *profile,
                         const struct learn_table *table)
{
    struct asking_copy copy;
    enum pt_err err = write_profile(a, streets, profile, table);
    if (err == PT_OK)
        err = write_hours(a, profile, table);
    if (err == PT_OK)
        err = asking_copy_begin(
            &copy, a,
            "COPY patrol.learned_speed (profile, level, class,"
            " way_id, backward, source, target, period, factor,"
            " seconds, passages) FROM STDIN");
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < table->row_count; i++) {
        if (has_name(roads, &table->rows[i]))
            write_row(&copy, profile, roads, streets, &table->rows[i]);
    }
    return asking_copy_end(&copy);
}

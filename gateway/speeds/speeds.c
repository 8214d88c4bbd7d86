/* Learning as a whole. */
#include "speeds_internal.h"

#include "match.h"

#include <stdio.h>
#include <string.h>

struct learning {
    const struct speeds_wish *wish;
    struct asking asking;
    struct roads *roads;
    struct streets streets;
    struct match *match;
    struct learn *learners[2];
    struct learn_table tables[2];
    struct speeds_told told;
};

#define FIVE_MINUTES_S 300.0

static enum pt_err begin(struct learning *l)
{
    const struct asking *a = &l->asking;
    enum pt_err err = asking_run(a, "BEGIN");
    if (err != PT_OK)
        return err;
    PGresult *rows = asking_query(
        a, "SELECT pg_try_advisory_xact_lock(hashtext('patrol.learn'))", 0,
        NULL, false);
    if (rows == NULL)
        return PT_E_DB;
    bool locked = *PQgetvalue(rows, 0, 0) == 't';
    PQclear(rows);
    return locked ? PT_OK
                  : asking_fail(a, PT_E_AGAIN, "learning",
                                "another one is under way");
}

static enum pt_err make_learners(struct learning *l)
{
    const char *names[2] = {roads_profile_name(l->roads, 0),
                            l->streets.emergency};
    enum pt_err err = match_new(l->roads, &match_defaults, &l->match);
    for (size_t i = 0; i < 2 && err == PT_OK; i++) {
        const struct roads_metric *metric = roads_profile(l->roads, names[i]);
        if (metric == NULL || (i == 1 && strcmp(names[0], names[1]) == 0))
            continue;
        struct learn_streets streets = {metric, l->streets.class_of};
        err = learn_new(&streets, &l->learners[i]);
    }
    return err;
}

static enum pt_err take_drives(struct learning *l, double km[2])
{
    struct drives drives = {.asking = &l->asking,
                            .wish = l->wish,
                            .told = &l->told,
                            .time_zone = l->streets.time_zone,
                            .match = l->match,
                            .learners = {l->learners[0], l->learners[1]}};
    enum pt_err err = drives_take(&drives);
    memcpy(km, drives.km, sizeof(drives.km));
    if (err == PT_E_FULL)
        return asking_fail(&l->asking, err, "learning",
                           "more drives than there is room for; ask for a "
                           "shorter time");
    return err;
}

static void tell_table(const struct learn_table *table,
                       struct speeds_kind *kind)
{
    double expected_s = 0, took_s = 0;
    unsigned best = 0;
    for (unsigned h = 0; h < LEARN_HOURS; h++) {
        const struct learn_hour_row *row = &table->hours[h];
        kind->hours += row->of.passages > 0;
        expected_s += row->of.seconds;
        took_s += row->of.seconds * row->of.factor;
        if (row->dates > table->hours[best].dates)
            best = h;
    }
    struct learn_range range =
        learn_range_of(table, best, FIVE_MINUTES_S, 0, 0);
    kind->dates = table->hours[best].dates;
    kind->ratio = expected_s > 0 ? took_s / expected_s : 1;
    kind->low = range.low_s;
    kind->high = range.high_s;
    for (size_t i = 0; i < table->row_count; i++)
        kind->edges += table->rows[i].level == LEARN_EDGE;
}

static enum pt_err learn_kind(struct learning *l, size_t index, double km)
{
    struct speeds_kind *kind = &l->told.kinds[l->told.kind_count++];
    const char *name =
        index == 0 ? roads_profile_name(l->roads, 0) : l->streets.emergency;
    *kind = (struct speeds_kind){.drives = learn_drives(l->learners[index]),
                                 .km = km};
    snprintf(kind->profile, sizeof(kind->profile), "%s", name);
    enum pt_err err = learn_fit(l->learners[index], &l->tables[index]);
    if (err == PT_E_NOTFOUND)
        return PT_OK;
    if (err != PT_OK)
        return err;
    kind->learned = true;
    tell_table(&l->tables[index], kind);
    return tables_write(&l->asking, l->roads, &l->streets, name,
                        &l->tables[index]);
}

static enum pt_err learn_all(struct learning *l)
{
    double km[2] = {0};
    enum pt_err err = streets_read(&l->asking, l->roads, &l->streets);
    if (err == PT_OK)
        err = make_learners(l);
    if (err == PT_OK)
        err = take_drives(l, km);
    if (err == PT_OK && l->wish->progress != NULL)
        (void)l->wish->progress(l->wish->context, 1.0, "learning");
    for (size_t i = 0; i < 2 && err == PT_OK; i++) {
        if (l->learners[i] != NULL)
            err = learn_kind(l, i, km[i]);
    }
    if (err == PT_OK)
        err = asking_run(&l->asking, "COMMIT");
    return err;
}

enum pt_err speeds_learn(const struct speeds_wish *wish,
                         struct speeds_told *ret, char *message,
                         size_t message_size)
{
    struct learning l = {.wish = wish};
    enum pt_err err = asking_open(&l.asking, wish->conninfo, "patrol speeds",
                                  message, message_size);
    if (err == PT_OK)
        err = begin(&l);
    if (err == PT_OK)
        err = roads_load(wish->conninfo, &l.roads, message, message_size);
    if (err == PT_OK)
        err = learn_all(&l);
    if (err == PT_OK) {
        snprintf(l.told.time_zone, sizeof(l.told.time_zone), "%s",
                 l.streets.time_zone);
        *ret = l.told;
        snprintf(message, message_size, "%s", "");
    } else if (err == PT_E_NOMEM) {
        (void)asking_fail(&l.asking, err, "learning", pt_strerror(err));
    }
    for (size_t i = 0; i < 2; i++) {
        learn_table_clear(&l.tables[i]);
        learn_free(l.learners[i]);
    }
    match_free(l.match);
    streets_clear(&l.streets);
    roads_unref(l.roads);
    asking_close(&l.asking);
    return err;
}

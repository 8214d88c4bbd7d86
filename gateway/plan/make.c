/* Tables of all hours, each kind of hour once; then the searches. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the whole, for the bar: half of it is tables, as a rule. */
#define TABLES_SHARE 0.5

struct work {
    const struct plan_wish *wish;
    struct siting_wish siting; /* with the basis of the hour */
    struct plan *plan;
    const struct roads *roads;
    const struct catalog *catalog;
    /* Hours that are alike have the same one. */
    size_t table_count;
    struct siting *tables[PLAN_HOURS];
    int table_of[PLAN_HOURS]; /* -1: of none of the groups */
    size_t table_bytes;
    bool nothing_learned; /* then all hours are alike */
    size_t post_count;
    double done;
    size_t *fault;
    char *message;
    size_t message_size;
};

static enum pt_err look(const struct work *w, double share, const char *phase)
{
    const struct plan_wish *wish = w->wish;
    return wish->progress == NULL || wish->progress(wish->context, share, phase)
               ? PT_OK
               : PT_E_AGAIN;
}

static bool go_on(void *context)
{
    const struct work *w = context;
    return look(w, w->done, "tables") == PT_OK;
}

/* --------------------------------------------------------------------- tables
 */
static enum pt_err new_table(struct work *w, unsigned hour, struct siting **ret)
{
    struct coverage_basis *basis = NULL;
    bool learned = false;
    const struct terms_wish wish = {
        .now_ms = w->wish->now_ms,
        .settings = w->wish->settings,
        .open = !w->wish->with_closures,
        .profile = w->wish->profile,
        .hour = (int)hour,
        .go_on = go_on,
        .context = w,
    };
    enum pt_err err = terms_basis(w->wish->terms, &wish, &basis, &learned,
                                  w->message, w->message_size);
    if (err == PT_OK) {
        w->siting.basis = basis;
        err = siting_new(&w->siting, ret, w->fault);
    }
    w->siting.basis = NULL;
    w->nothing_learned = !learned;
    w->plan->hours_learned += learned;
    coverage_basis_unref(basis);
    return err;
}

/* The table of an hour like it, or its own. */
static enum pt_err take_table(struct work *w, unsigned hour)
{
    struct siting *table;
    enum pt_err err = new_table(w, hour, &table);
    if (err != PT_OK)
        return err;
    for (size_t t = 0; t < w->table_count; t++) {
        if (!siting_same(w->tables[t], table))
            continue;
        w->table_of[hour] = (int)t;
        siting_free(table);
        return PT_OK;
    }
    w->table_bytes += siting_bytes(table);
    w->table_of[hour] = (int)w->table_count;
    w->tables[w->table_count++] = table;
    return w->table_bytes <= PLAN_TABLES_MAX_BYTES ? PT_OK : PT_E_FULL;
}

static bool is_wanted(const struct plan_wish *wish, unsigned hour)
{
    bool wanted = wish->groups == NULL;
    for (size_t g = 0; g < wish->group_count && wish->groups != NULL; g++)
        wanted |= wish->groups[g].hours[hour];
    return wanted;
}

static enum pt_err make_tables(struct work *w)
{
    enum pt_err err = PT_OK;
    for (unsigned h = 0; h < PLAN_HOURS && err == PT_OK; h++) {
        w->table_of[h] = -1;
        w->done = TABLES_SHARE * h / PLAN_HOURS;
        if (!is_wanted(w->wish, h))
            continue;
        if (w->nothing_learned && w->table_count > 0)
            w->table_of[h] = 0;
        else
            err = take_table(w, h);
    }
    if (err == PT_OK && w->table_count == 0)
        err = PT_E_RANGE;
    return err;
}

/* --------------------------------------------------------------------- groups
 */
/* "Mon 08:00 and 3 more" */
static void name_hours(struct plan_group *group)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu",
                                       "Fri", "Sat", "Sun"};
    unsigned first = PLAN_HOURS, count = 0;
    for (unsigned h = PLAN_HOURS; h-- > 0;) {
        if (group->hours[h]) {
            first = h;
            count++;
        }
    }
    int used = snprintf(group->name, sizeof(group->name), "%s %02u:00",
                        days[first / 24 % 7], first % 24);
    if (count > 1)
        snprintf(group->name + used, sizeof(group->name) - (size_t)used,
                 " and %u more", count - 1);
}

static enum pt_err make_groups(struct work *w)
{
    const struct plan_wish *wish = w->wish;
    size_t count = wish->groups != NULL ? wish->group_count : w->table_count;
    struct plan_group *groups = calloc(count + 1, sizeof(*groups));
    if (groups == NULL)
        return PT_E_NOMEM;
    w->plan->groups = groups;
    w->plan->group_count = count;
    for (size_t g = 0; g < count && wish->groups != NULL; g++) {
        memcpy(groups[g].name, wish->groups[g].name, sizeof(groups[g].name));
        memcpy(groups[g].hours, wish->groups[g].hours, sizeof(groups[g].hours));
    }
    if (wish->groups != NULL)
        return PT_OK;
    for (unsigned h = 0; h < PLAN_HOURS; h++)
        groups[w->table_of[h]].hours[h] = true;
    for (size_t g = 0; g < count; g++)
        name_hours(&groups[g]);
    return PT_OK;
}

/* --------------------------------------------------------------------- search
 */
/* NULL stays NULL. */
static enum pt_err copy_text(const char *text, char **ret)
{
    *ret = text == NULL || *text == '\0' ? NULL : strdup(text);
    return *ret != NULL || text == NULL || *text == '\0' ? PT_OK : PT_E_NOMEM;
}

static const struct catalog_post *known(const struct plan_wish *wish,
                                        const struct siting_post *post)
{
    const struct catalog_post *const *list =
        post->kept ? wish->kept_posts : wish->candidate_posts;
    bool given = post->kept || wish->siting->candidate_count > 0;
    return list == NULL || !given ? NULL : list[post->index];
}

static enum pt_err take_post(const struct work *w, double hours,
                             const struct siting_post *from,
                             struct plan_post *ret)
{
    const struct catalog_post *post = known(w->wish, from);
    const struct catalog_zone *zone =
        catalog_zone_at(w->catalog, from->place.at);
    *ret = (struct plan_post){
        .at = from->place.at,
        .kept = from->kept,
        .post_id = post == NULL ? 0 : post->post_id,
        .adds = from->adds / hours,
        .holds = from->holds / hours,
        .missions = (double)from->missions / hours,
    };
    enum pt_err err = copy_text(roads_edge_name(w->roads, 2 * from->place.edge),
                                &ret->street);
    if (err == PT_OK)
        err = copy_text(zone == NULL ? NULL : zone->name, &ret->zone);
    if (err == PT_OK)
        err = copy_text(post == NULL ? NULL : post->name, &ret->name);
    return err;
}

static enum pt_err take_choice(struct work *w, double hours,
                               const struct siting_answer *from,
                               struct plan_choice *ret)
{
    const struct siting_sum *all = from->all, *within = from->within;
    enum pt_err err = PT_OK;
    w->post_count += from->post_count;
    if (w->post_count > PLAN_POSTS_MAX)
        return PT_E_FULL;
    ret->posts = calloc(from->post_count + 1, sizeof(*ret->posts));
    if (ret->posts == NULL)
        return PT_E_NOMEM;
    ret->weight = from->covered / hours;
    ret->weight_of = from->total / hours;
    ret->at_most = from->bound / hours;
    ret->missions = (double)within[SITING_MISSION].count / hours;
    ret->missions_of = (double)all[SITING_MISSION].count / hours;
    ret->streets_m = within[SITING_STREET].length_m / hours;
    ret->streets_of_m = all[SITING_STREET].length_m / hours;
    ret->stopped = from->stopped;
    for (size_t i = 0; i < from->post_count && err == PT_OK; i++) {
        err = take_post(w, hours, &from->posts[i], &ret->posts[i]);
        ret->post_count++;
    }
    return err;
}

/* The group's tables, each with how many of its hours have it. */
static size_t parts_of(const struct work *w, const struct plan_group *group,
                       struct siting_part parts[PLAN_HOURS], unsigned *hours)
{
    unsigned times[PLAN_HOURS] = {0};
    size_t count = 0;
    *hours = 0;
    for (unsigned h = 0; h < PLAN_HOURS; h++) {
        if (group->hours[h]) {
            times[w->table_of[h]]++;
            ++*hours;
        }
    }
    for (size_t t = 0; t < w->table_count; t++)
        if (times[t] > 0)
            parts[count++] = (struct siting_part){w->tables[t], times[t]};
    return count;
}

static enum pt_err search_group(struct work *w, size_t index)
{
    const struct plan_wish *wish = w->wish;
    struct plan_group *group = &w->plan->groups[index];
    struct siting_part parts[PLAN_HOURS];
    unsigned hours;
    size_t count = parts_of(w, group, parts, &hours);
    enum pt_err err = PT_OK;
    group->choices = calloc(wish->unit_count, sizeof(*group->choices));
    if (group->choices == NULL)
        return PT_E_NOMEM;
    if (hours == 0)
        return PT_E_RANGE;
    for (size_t i = 0; i < wish->unit_count && err == PT_OK; i++) {
        struct siting_answer found = {0};
        double done = (double)(index * wish->unit_count + i) /
                      (double)(w->plan->group_count * wish->unit_count);
        err = look(w, TABLES_SHARE + (1 - TABLES_SHARE) * done, "searching");
        if (err == PT_OK)
            err = siting_search(parts, count, wish->units[i], wish->limit_ms,
                                &found);
        struct plan_choice *choice = &group->choices[i];
        choice->units = wish->units[i];
        group->choice_count++;
        if (err == PT_OK)
            err = take_choice(w, hours, &found, choice);
        siting_clear(&found);
    }
    return err;
}

/* ------------------------------------------------------------------ all of it
 */
static bool is_within(const struct plan_wish *wish)
{
    bool right = wish->unit_count >= 1 && wish->unit_count <= PLAN_UNITS_MAX &&
                 wish->group_count <= PLAN_GROUPS_MAX &&
                 (wish->groups == NULL || wish->group_count >= 1);
    for (size_t i = 0; i < wish->unit_count && right; i++)
        right = wish->units[i] >= 1 && wish->units[i] <= SITING_POSTS_MAX &&
                wish->units[i] >= wish->siting->kept_count &&
                (i == 0 || wish->units[i] > wish->units[i - 1]);
    return right;
}

static enum pt_err make(struct work *w)
{
    enum pt_err err = make_tables(w);
    if (err == PT_OK)
        err = make_groups(w);
    if (err == PT_OK &&
        w->plan->group_count * w->wish->unit_count > PLAN_SEARCHES_MAX)
        err = PT_E_FULL;
    for (size_t g = 0; err == PT_OK && g < w->plan->group_count; g++)
        err = search_group(w, g);
    return err;
}

enum pt_err plan_make(const struct plan_wish *wish, struct plan **ret,
                      size_t *fault, char *message, size_t message_size)
{
    struct work *w = calloc(1, sizeof(*w));
    struct plan *plan = calloc(1, sizeof(*plan));
    enum pt_err err = w == NULL || plan == NULL ? PT_E_NOMEM
                      : is_within(wish)         ? PT_OK
                                                : PT_E_RANGE;
    message[0] = '\0';
    if (err == PT_OK) {
        w->wish = wish;
        w->siting = *wish->siting;
        w->siting.post_count = wish->units[0];
        w->siting.limit_ms = INT64_MAX; /* of the tables; `go_on` is asked */
        w->plan = plan;
        w->roads = terms_roads(wish->terms);
        w->catalog = coverage_basis_catalog(terms_live(wish->terms));
        w->fault = fault;
        w->message = message;
        w->message_size = message_size;
        err = make(w);
    }
    for (size_t t = 0; w != NULL && t < w->table_count; t++)
        siting_free(w->tables[t]);
    free(w);
    if (err == PT_OK)
        *ret = plan;
    else
        plan_free(plan);
    return err;
}

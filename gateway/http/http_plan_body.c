#include "http_plan_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_USUAL 5
#define DAY_HOURS 24u
#define DAYS 7u

static const char *const days[DAYS] = {"mon", "tue", "wed", "thu",
                                       "fri", "sat", "sun"};

/* --------------------------------------------------------------------- units
 */
static int by_number(const void *left, const void *right)
{
    const unsigned *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static bool take_units(const json_t *body, struct plan_body *ret,
                       struct body_fault *fault)
{
    const json_t *units = body_given(body, "units");

    if (!json_is_array(units) || json_array_size(units) == 0)
        return body_refuse(fault, "units",
                           "numbers of units are needed, from 1 to 100");
    if (json_array_size(units) > PLAN_UNITS_MAX)
        return body_refuse(fault, "units", "there are too many");
    for (size_t i = 0; i < json_array_size(units); i++) {
        const json_t *one = json_array_get(units, i);
        json_int_t number = json_integer_value(one);
        if (!json_is_integer(one) || number < 1 ||
            number > (json_int_t)SITING_POSTS_MAX)
            return body_refuse(fault, "units",
                               "whole numbers from 1 to 100 are expected");
        ret->units[ret->unit_count++] = (unsigned)number;
    }
    qsort(ret->units, ret->unit_count, sizeof *ret->units, by_number);
    for (size_t i = 1; i < ret->unit_count; i++)
        if (ret->units[i] == ret->units[i - 1])
            return body_refuse(fault, "units", "one of them is there twice");
    return true;
}

/* -------------------------------------------------------------------- groups
 */
/* From an hour of a day on, so many hours. */
static void add_hours(struct plan_group *group, unsigned day, unsigned from,
                      unsigned to)
{
    unsigned count = to > from ? to - from : to + DAY_HOURS - from;

    for (unsigned i = 0; i < count; i++)
        group->hours[(day * DAY_HOURS + from + i) % PLAN_HOURS] = true;
}

static bool take_hour(const json_t *group, const char *member, json_int_t most,
                      unsigned *ret, struct body_fault *fault)
{
    const json_t *value = body_given(group, member);

    *ret = (unsigned)json_integer_value(value);
    return (json_is_integer(value) && json_integer_value(value) >= 0 &&
            json_integer_value(value) <= most) ||
           body_refuse(fault, member, "an hour of the day is expected");
}

static bool take_days(const json_t *group, bool ret[DAYS],
                      struct body_fault *fault)
{
    const json_t *list = body_given(group, "days");

    for (unsigned d = 0; d < DAYS; d++)
        ret[d] = list == NULL;
    if (list != NULL && json_array_size(list) == 0)
        return body_refuse(fault, "days", "days are expected, as mon, tue");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        unsigned d = 0;
        while (d < DAYS && (word == NULL || strcmp(word, days[d]) != 0))
            d++;
        if (d == DAYS || ret[d])
            return body_refuse(fault, "days",
                               "days are expected, each once, as mon, tue");
        ret[d] = true;
    }
    return true;
}

static bool take_group(const json_t *item, struct plan_group *ret,
                       struct body_fault *fault)
{
    static const char *const names[] = {"name", "days", "from", "to"};
    bool on[DAYS];
    unsigned from, to;

    if (!json_is_object(item))
        return body_refuse(fault, "", "an object is expected");
    if (!body_known(item, names, sizeof names / sizeof *names, fault) ||
        !body_text(item, "name", ret->name, sizeof ret->name, fault) ||
        !take_days(item, on, fault) ||
        !take_hour(item, "from", DAY_HOURS - 1, &from, fault) ||
        !take_hour(item, "to", DAY_HOURS, &to, fault))
        return false;
    if (ret->name[0] == '\0')
        return body_refuse(fault, "name", "it needs a name");
    for (unsigned d = 0; d < DAYS; d++)
        if (on[d])
            add_hours(ret, d, from, to);
    return true;
}

static bool is_apart(const struct plan_body *body, size_t index)
{
    for (size_t g = 0; g < index; g++)
        for (unsigned h = 0; h < PLAN_HOURS; h++)
            if (body->groups[g].hours[h] && body->groups[index].hours[h])
                return false;
    return true;
}

static bool take_given(const json_t *groups, struct plan_body *ret,
                       struct body_fault *fault)
{
    size_t count = json_array_size(groups);

    if (count == 0 || count > PLAN_GROUPS_MAX)
        return body_refuse(fault, "groups", "1 to 168 groups are expected");
    ret->groups = calloc(count, sizeof *ret->groups);
    if (ret->groups == NULL)
        return body_refuse(fault, "groups", "out of memory");
    for (size_t g = 0; g < count; g++) {
        if (!take_group(json_array_get(groups, g), &ret->groups[g], fault))
            return body_refuse_in(fault, "groups", g);
        if (!is_apart(ret, g)) {
            body_refuse(fault, "", "an hour of it is in another group, too");
            return body_refuse_in(fault, "groups", g);
        }
        ret->group_count++;
    }
    return true;
}

/* Three shifts, of working days and of weekends. */
static bool usual_groups(struct plan_body *ret, struct body_fault *fault)
{
    static const struct {
        const char *name;
        unsigned first, last, from, to;
    } usual[] = {
        {"Mon-Fri 06-14", 0, 4, 6, 14},  {"Mon-Fri 14-22", 0, 4, 14, 22},
        {"Mon-Fri 22-06", 0, 4, 22, 6},  {"Sat-Sun 06-14", 5, 6, 6, 14},
        {"Sat-Sun 14-22", 5, 6, 14, 22}, {"Sat-Sun 22-06", 5, 6, 22, 6}};
    size_t count = sizeof usual / sizeof *usual;

    ret->groups = calloc(count, sizeof *ret->groups);
    if (ret->groups == NULL)
        return body_refuse(fault, "groups", "out of memory");
    ret->group_count = count;
    for (size_t g = 0; g < count; g++) {
        snprintf(ret->groups[g].name, sizeof ret->groups[g].name, "%s",
                 usual[g].name);
        for (unsigned d = usual[g].first; d <= usual[g].last; d++)
            add_hours(&ret->groups[g], d, usual[g].from, usual[g].to);
    }
    return true;
}

static bool take_flag(const json_t *body, const char *member, bool *ret,
                      struct body_fault *fault)
{
    const json_t *value = body_given(body, member);

    *ret = json_is_true(value);
    return value == NULL || json_is_boolean(value) ||
           body_refuse(fault, member, "true or false is expected");
}

static bool take_groups(const json_t *body, struct plan_body *ret,
                        struct body_fault *fault)
{
    const json_t *groups = body_given(body, "groups");
    bool each = false;

    if (!take_flag(body, "each_hour", &each, fault))
        return false;
    if (groups != NULL && (each || !json_is_array(groups)))
        return body_refuse(fault, each ? "each_hour" : "groups",
                           "either groups, an array, or each hour");
    if (groups != NULL)
        return take_given(groups, ret, fault);
    return each || usual_groups(ret, fault);
}

/* ------------------------------------------------------------------ all of it
 */
static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0u) != 0x80u;
    return count;
}

/* The members about posts alone, with what is usual where they do not say. */
static json_t *posts_part(const json_t *body, int turnout_s)
{
    static const char *const ours[] = {"name", "units", "groups", "each_hour",
                                       "with_closures"};
    json_t *ret = json_copy((json_t *)body);
    json_t *usual =
        json_pack("{s:i, s:s, s:i, s:i}", "fold", 1, "candidates", "streets",
                  "turnout_s", turnout_s, "limit_s", SECONDS_USUAL);
    const char *key;
    json_t *value;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        json_object_del(ret, ours[i]);
    json_object_foreach(usual, key, value)
    {
        if (body_given(body, key) == NULL)
            json_object_set(ret, key, value);
    }
    json_decref(usual);
    return ret;
}

static bool take_posts(const json_t *body, int turnout_s, struct plan_body *ret,
                       struct body_fault *fault)
{
    json_t *part = posts_part(body, turnout_s);
    bool good = part != NULL;

    if (!good)
        return body_refuse(fault, "", "out of memory");
    if (json_object_get(part, "posts") != NULL)
        good = body_refuse(fault, "posts", "units say how many");
    else if (json_object_get(part, "at") != NULL)
        good = body_refuse(fault, "at", "groups say at which hours");
    json_object_set_new(part, "with_closures",
                        json_boolean(ret->with_closures));
    ret->settings = json_dumps(part, JSON_COMPACT | JSON_SORT_KEYS);
    json_object_del(part, "with_closures");
    json_object_set_new(part, "posts",
                        json_integer(ret->units[ret->unit_count - 1]));
    good = good && posts_body_take(part, &ret->posts, fault);
    json_decref(part);
    if (good && ret->posts.kept_count > ret->units[0])
        good = body_refuse(fault, "keep",
                           "more are kept than the least number of units");
    return good &&
           (ret->settings != NULL || body_refuse(fault, "", "out of memory"));
}

static bool take_all(const json_t *body, int turnout_s, struct plan_body *ret,
                     struct body_fault *fault)
{
    if (!body_text(body, "name", ret->name, sizeof ret->name, fault))
        return false;
    if (characters(ret->name) > PLAN_BODY_NAME_CHARS)
        return body_refuse(fault, "name", "the text is too long");
    return take_units(body, ret, fault) && take_groups(body, ret, fault) &&
           take_flag(body, "with_closures", &ret->with_closures, fault) &&
           take_posts(body, turnout_s, ret, fault);
}

bool plan_body_parse(const char *bytes, size_t size, int turnout_s,
                     struct plan_body *ret, struct body_fault *fault)
{
    json_t *body = body_parse(bytes, size, fault);

    *ret = (struct plan_body){.unit_count = 0};
    bool good = body != NULL && take_all(body, turnout_s, ret, fault);
    json_decref(body);
    if (!good)
        plan_body_clear(ret);
    return good;
}

void plan_body_clear(struct plan_body *body)
{
    posts_body_clear(&body->posts);
    free(body->groups);
    free(body->settings);
    *body = (struct plan_body){.unit_count = 0};
}

/* patrolctl unit heard, unit seen: what the control room heard of a unit by
 * voice radio, and what it has seen of what the crew said. */
#include "http_client.h"
#include <stdlib.h>
#include <string.h>

struct wish {
    const char *place; /* words or LAT,LON; NULL: none */
    struct ctl_time at;
    const char *status, *mission, *note, *who;
    bool withdraw;
};

static void add_text(json_t *body, const char *member, const char *value)
{
    if (value != NULL)
        json_object_set_new(body, member, json_string(value));
}

static void add_place(json_t *body, const char *place)
{
    double lat_deg, lon_deg;
    if (place != NULL && ctl_parse_point(place, &lat_deg, &lon_deg)) {
        json_object_set_new(body, "lat", json_real(lat_deg));
        json_object_set_new(body, "lon", json_real(lon_deg));
    } else {
        add_text(body, "place", place);
    }
}

static json_t *heard_body(const struct wish *wish)
{
    json_t *body = json_object();
    add_place(body, wish->place);
    add_text(body, "at", wish->at.at);
    add_text(body, "status", wish->status);
    add_text(body, "mission", wish->mission);
    add_text(body, "note", wish->note);
    add_text(body, "who", ctl_who(wish->who));
    return body;
}

static void print_heard(const json_t *answer)
{
    const json_t *radio = json_object_get(answer, "radio");
    char name[256], age[32];
    double age_s = 0;
    ctl_clean(ctl_text(answer, "call_sign"), name, sizeof name);
    (void)ctl_number(radio, "age_s", &age_s);
    printf("%s was heard by radio %s ago\n", name,
           ctl_format_age(age, sizeof age, age_s));
    if (json_is_false(json_object_get(answer, "shown")))
        puts("! it is noted, and not shown: a newer position is known");
}

static enum ctl_exit note(const struct ctl *ctl, const struct wish *wish)
{
    const struct ctl_request request = {
        .path = "/v1/units/", .name = ctl->argv[0], .behind = "/heard"};
    json_t *body = heard_body(wish), *answer = NULL;
    enum ctl_exit end = ctl_send(ctl, "PUT", &request, body, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        print_heard(answer);
    json_decref(answer);
    json_decref(body);
    return end;
}

static enum ctl_exit withdraw(const struct ctl *ctl, const struct wish *wish)
{
    const struct ctl_request request = {
        .path = "/v1/units/",
        .name = ctl->argv[0],
        .behind = "/heard",
        .params = {{"who", ctl_who(wish->who)}}};
    json_t *answer = NULL;
    enum ctl_exit end = ctl_send(ctl, "DELETE", &request, NULL, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        puts("the last note is taken back");
    json_decref(answer);
    return end;
}

enum ctl_exit cmd_unit_heard(struct ctl *ctl, int argc, char **argv)
{
    struct wish wish = {0};
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"at", 0, CTL_SINCE, &wish.at, "TIME",
         "when: 18:30, 3m or a date; else now", 0, 0},
        {"status", 's', CTL_TEXT, &wish.status, "STATUS",
         "what it said it does: available, en_route, ...", 0, 0},
        {"mission", 'm', CTL_TEXT, &wish.mission, "NAME",
         "where: a mission, by its number or words of its name", 0, 0},
        {"note", 'n', CTL_TEXT, &wish.note, "TEXT", "what else it said", 0, 0},
        {"who", 0, CTL_TEXT, &wish.who, "NAME", "who notes it (the user)", 0,
         0},
        {"take-back", 0, CTL_FLAG, &wish.withdraw, NULL,
         "the last note of the unit was a mistake", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 2, &end))
        return end;
    wish.place = ctl->argc > 1 ? ctl->argv[1] : NULL;
    return wish.withdraw ? withdraw(ctl, &wish) : note(ctl, &wish);
}

/* --------------------------------------------------------------------- seen */
/* When it was said; NULL: it was not. */
static const char *time_of(const json_t *unit, const char *what)
{
    if (strcmp(what, "panic") == 0)
        return ctl_text(unit, "panic_at");
    return ctl_text(json_object_get(unit, "said_place"), "at");
}

static void print_seen(const json_t *answer)
{
    char name[256], who[256];
    const char *by = ctl_text(answer, "seen_by");
    ctl_clean(ctl_text(answer, "call_sign"), name, sizeof name);
    if (ctl_text(answer, "seen_at") == NULL) {
        printf("%s has said nothing that is to be seen\n", name);
        return;
    }
    ctl_clean(by == NULL ? "somebody" : by, who, sizeof who);
    printf("%s is told: seen at %s by %s\n", name, ctl_text(answer, "seen_at"),
           who);
}

static enum ctl_exit tell(const struct ctl *ctl, const char *what,
                          const char *at, const char *who, json_t **ret)
{
    const struct ctl_request request = {
        .path = "/v1/units/", .name = ctl->argv[0], .behind = "/seen"};
    json_t *body = json_pack("{s:s, s:s}", "what", what, "at", at);
    add_text(body, "who", ctl_who(who));
    enum ctl_exit end = ctl_send(ctl, "PUT", &request, body, ret);
    json_decref(body);
    return end;
}

enum ctl_exit cmd_unit_seen(struct ctl *ctl, int argc, char **argv)
{
    const char *who = NULL;
    bool place = false;
    json_t *unit = NULL, *answer = NULL;
    enum ctl_exit end;
    const struct ctl_option options[] = {
        {"place", 0, CTL_FLAG, &place, NULL,
         "the place that its crew said, not its panic", 0, 0},
        {"who", 0, CTL_TEXT, &who, "NAME", "who has seen it (the user)", 0, 0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 1, 1, &end))
        return end;
    const struct ctl_request request = {.path = "/v1/units/",
                                        .name = ctl->argv[0]};
    end = ctl_get(ctl, &request, &unit);
    if (end == CTL_OK) {
        const char *what = place ? "place" : "panic";
        const char *at = time_of(unit, what);
        if (at != NULL)
            end = tell(ctl, what, at, who, &answer);
        else
            answer = json_pack("{s:O, s:n, s:n}", "call_sign",
                               json_object_get(unit, "call_sign"), "seen_at",
                               "seen_by");
    }
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        print_seen(answer);
    json_decref(answer);
    json_decref(unit);
    return end;
}

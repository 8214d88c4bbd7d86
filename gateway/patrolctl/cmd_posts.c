/* patrolctl coverage posts, coverage moves: where units should stand, and who
 * should go there. */
#include "posts_wish.h"
#include <stdlib.h>
#include <string.h>

/* The gateway works out one at a time: some may stand before this one. */
#define WAIT_S 115

/* ----------------------------------------------------------------- the answer
 */
static void post_row(struct ctl_table *table, const json_t *post, size_t number)
{
    const char *name = ctl_text(post, "name");
    ctl_table_format(table, "%zu", number);
    ctl_cell_point(table, post);
    ctl_cell_text(table, post, name != NULL ? "name" : "street");
    ctl_cell_text(table, post, "zone");
    ctl_cell_number(table, post, "missions", 0);
    ctl_cell_number(table, post, "adds", 1);
    ctl_cell_number(table, post, "holds", 1);
    ctl_table_cell(table,
                   json_is_true(json_object_get(post, "kept")) ? "kept" : "");
}

static double number_of(const json_t *object, const char *key)
{
    double value = 0;
    return ctl_number(object, key, &value) ? value : 0;
}

static void print_covered(const json_t *answer)
{
    const json_t *c = json_object_get(answer, "covered");
    const json_t *best = json_object_get(answer, "best");
    const char *words = ctl_text(best, "words");
    double asked = number_of(answer, "asked");
    size_t posts = json_array_size(json_object_get(answer, "posts"));
    printf("\nin cover: %.0f of %.0f missions", number_of(c, "missions"),
           number_of(c, "missions_of"));
    if (number_of(c, "streets_of_m") > 0)
        printf(", %.1f of %.1f km of street", number_of(c, "streets_m") / 1000,
               number_of(c, "streets_of_m") / 1000);
    if (number_of(c, "points_of") > 0)
        printf(", %.0f of %.0f points", number_of(c, "points"),
               number_of(c, "points_of"));
    printf("; %s\n", words == NULL ? "-" : words);
    if ((double)posts < asked)
        printf("%zu posts are enough: more would add nothing\n", posts);
    if (number_of(answer, "off_road") > 0)
        printf("no road leads to %.0f of the missions and points\n",
               number_of(answer, "off_road"));
}

static void print_names(const json_t *answer, const char *member,
                        const char *heading)
{
    const json_t *missions = json_object_get(answer, member);
    for (size_t i = 0; i < json_array_size(missions); i++) {
        const char *name = ctl_text(json_array_get(missions, i), "name");
        printf("%s%s", i == 0 ? heading : ", ", name == NULL ? "-" : name);
    }
    if (json_array_size(missions) > 0)
        putchar('\n');
}

static enum ctl_exit show(const json_t *answer)
{
    const json_t *posts = json_object_get(answer, "posts");
    struct ctl_table *table = NULL;
    if (ctl_table_new(">#|place|street|zone|>missions|>adds|>alone|", &table) !=
        PT_OK)
        return CTL_REFUSED;
    for (size_t i = 0; i < json_array_size(posts); i++)
        post_row(table, json_array_get(posts, i), i + 1);
    enum ctl_exit end = ctl_table_show(table);
    ctl_table_free(table);
    if (end == CTL_OK) {
        print_covered(answer);
        print_names(answer, "missed", "not in cover: ");
    }
    return end;
}

enum ctl_exit cmd_coverage_posts(struct ctl *ctl, int argc, char **argv)
{
    struct posts_wish wish = {.fold = 1, .turnout_s = -1};
    long posts = 1;
    const char *at = NULL;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"posts", 'k', CTL_NUMBER, &posts, "N",
         "so many, the kept ones among them (1)", 1, 100},
        {"at", 0, CTL_TEXT, &at, "HOUR",
         "another hour of the week, local: \"Mon 08:00\"", 0, 0},
        POSTS_WISH_OPTIONS(wish, "(20)"),
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    json_t *body = ctl_posts_body(&wish, &end);
    if (body == NULL)
        return end;
    json_object_set_new(body, "posts", json_integer(posts));
    if (at != NULL)
        json_object_set_new(body, "at", json_string(at));
    const struct ctl_request request = {.path = "/v1/coverage/posts",
                                        .wait_s = WAIT_S};
    end = ctl_send(ctl, "POST", &request, body, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = show(answer);
    json_decref(body);
    json_decref(answer);
    return end;
}

/* ---------------------------------------------------------------------- moves
 */
static void move_row(struct ctl_table *table, const json_t *move)
{
    char text[32];
    const char *name = ctl_text(move, "name");
    double arrive_s = number_of(move, "arrive_s");
    ctl_cell_text(table, move, "call_sign");
    ctl_cell_point(table, move);
    ctl_cell_text(table, move, name != NULL ? "name" : "street");
    ctl_cell_text(table, move, "zone");
    ctl_table_cell(table, ctl_format_clock(text, sizeof text, arrive_s));
    ctl_table_format(table, "%.1f", number_of(move, "distance_m") / 1000);
    ctl_cell_number(table, move, "gains", 0);
}

static enum ctl_exit show_moves(const json_t *answer)
{
    const json_t *moves = json_object_get(answer, "moves");
    const char *words = ctl_text(answer, "words");
    struct ctl_table *table = NULL;
    enum ctl_exit end = CTL_OK;
    if (json_array_size(moves) > 0) {
        if (ctl_table_new("unit|to|street|zone|>there m:ss|>km|>gains",
                          &table) != PT_OK)
            return CTL_REFUSED;
        for (size_t i = 0; i < json_array_size(moves); i++)
            move_row(table, json_array_get(moves, i));
        end = ctl_table_show(table);
        ctl_table_free(table);
        putchar('\n');
    }
    if (end != CTL_OK)
        return end;
    puts(words == NULL ? "-" : words);
    print_names(answer, "restored", "back in cover: ");
    print_names(answer, "remaining", "still out of cover: ");
    return CTL_OK;
}

enum ctl_exit cmd_coverage_moves(struct ctl *ctl, int argc, char **argv)
{
    long most = 3;
    char number[24];
    const char *places = NULL;
    enum ctl_exit end;
    json_t *answer = NULL;
    const struct ctl_option options[] = {
        {"most", 'k', CTL_NUMBER, &most, "N", "so many moves at most (3)", 1,
         5},
        {"places", 0, CTL_TEXT, &places, "FROM",
         "where units may go: posts (usual, where there are any) or streets", 0,
         0},
        {.name = NULL},
    };
    if (!ctl_parse(ctl, options, argc, argv, 0, 0, &end))
        return end;
    snprintf(number, sizeof number, "%ld", most);
    const struct ctl_request request = {
        .path = "/v1/coverage/moves",
        .params = {{"most", number}, {"places", places}},
        .wait_s = WAIT_S};
    end = ctl_get(ctl, &request, &answer);
    if (end == CTL_OK && ctl->json)
        ctl_print_json(answer);
    else if (end == CTL_OK)
        end = show_moves(answer);
    json_decref(answer);
    return end;
}

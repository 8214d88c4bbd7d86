#ifndef PATROLCTL_POSTS_WISH_H
#define PATROLCTL_POSTS_WISH_H
/* What posts are sought, as given on the command line. */
#include "http_client.h"

struct posts_wish {
    long fold, spacing_m, turnout_s, limit_s; /* turnout_s -1: not given */
    const char *candidates, *points, *zone, *mission_weight, *km_weight;
    const char *profile;
    struct ctl_list keep;
};

/* Rows of a table of options. */
#define POSTS_WISH_OPTIONS(wish, limit)                                        \
    {"fold",     0,                                                            \
     CTL_NUMBER, &(wish).fold,                                                 \
     "N",        "units that are to be there in time (1)",                     \
     1,          3},                                                           \
        {"keep",                                                               \
         0,                                                                    \
         CTL_LIST,                                                             \
         &(wish).keep,                                                         \
         "PLACE",                                                              \
         "where one stands by in any case: LAT,LON or a post's number",        \
         0,                                                                    \
         0},                                                                   \
        {"candidates",                                                         \
         0,                                                                    \
         CTL_TEXT,                                                             \
         &(wish).candidates,                                                   \
         "FROM",                                                               \
         "streets (usual), posts (the database's), or the places of a file",   \
         0,                                                                    \
         0},                                                                   \
        {"spacing",                                                            \
         0,                                                                    \
         CTL_NUMBER,                                                           \
         &(wish).spacing_m,                                                    \
         "METRES",                                                             \
         "between candidates on any street (as close as 1,000 allow)",         \
         20,                                                                   \
         20000},                                                               \
        {"zone", 'z', CTL_TEXT, &(wish).zone, "NAME", "only this zone", 0, 0}, \
        {"mission-weight",                                                     \
         0,                                                                    \
         CTL_TEXT,                                                             \
         &(wish).mission_weight,                                               \
         "W",                                                                  \
         "what a mission counts (1)",                                          \
         0,                                                                    \
         0},                                                                   \
        {"street-weight",                                                      \
         0,                                                                    \
         CTL_TEXT,                                                             \
         &(wish).km_weight,                                                    \
         "W",                                                                  \
         "what a kilometre of street counts (0)",                              \
         0,                                                                    \
         0},                                                                   \
        {"points", 0,                                                          \
         CTL_TEXT, &(wish).points,                                             \
         "FILE",   "more to cover: places of a CSV or GeoJSON, 1 each",        \
         0,        0},                                                         \
        {"turnout",                                                            \
         0,                                                                    \
         CTL_NUMBER,                                                           \
         &(wish).turnout_s,                                                    \
         "SECONDS",                                                            \
         "from the order until a unit drives (as the gateway has it)",         \
         0,                                                                    \
         3600},                                                                \
        {"profile",         0, CTL_TEXT, &(wish).profile, "NAME",              \
         "by this profile", 0, 0},                                             \
    {                                                                          \
        "limit", 0, CTL_NUMBER, &(wish).limit_s, "SECONDS",                    \
            "of a search: then the best so far is taken " limit, 1, 60         \
    }

/* NULL after a complaint: `end` is how the command ends. */
json_t *ctl_posts_body(const struct posts_wish *wish, enum ctl_exit *end);

#endif

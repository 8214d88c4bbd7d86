#ifndef HTTP_POSTS_BODY_H
#define HTTP_POSTS_BODY_H
/* posts_body: what strangers send to learn where units should stand, taken
 * apart and checked. Pure, any thread. Private to http. */
#include "http_body.h"
#include "siting.h"
#include "terms.h"

#define POSTS_BODY_ZONE_BYTES 256
#define POSTS_BODY_SECONDS_MAX 60 /* of the search */
#define POSTS_BODY_TURNOUT_MAX_S 3600

struct posts_place { /* a post by its number, or a point */
    bool by_id;
    uint32_t post_id;
    struct geo_point at;
};

/* The arrays are the caller's to free, by posts_body_clear(). */
struct posts_body {
    size_t post_count;
    unsigned fold;
    size_t kept_count;
    struct posts_place *kept;
    bool from_posts; /* all posts of the database are candidates */
    size_t candidate_count;
    struct posts_place *candidates;   /* none, and not from_posts: any street */
    double spacing_m;                 /* 0: as fits */
    char zone[POSTS_BODY_ZONE_BYTES]; /* "": anywhere */
    double mission_weight, km_weight;
    size_t weight_count;
    struct siting_weight *weights;
    size_t point_count;
    struct siting_point *points;
    int turnout_s;                    /* -1: as for an available unit */
    int seconds;                      /* of the search at most */
    int hour;                         /* of the week, or TERMS_NOW */
    char profile[ROADS_PROFILE_NAME]; /* "": not given */
};

/* False with the reason in `fault`; `ret` is cleared then. */
bool posts_body_parse(const char *bytes, size_t size, struct posts_body *ret,
                      struct body_fault *fault);
/* The same of an object. */
bool posts_body_take(const json_t *body, struct posts_body *ret,
                     struct body_fault *fault);
void posts_body_clear(struct posts_body *body);

#endif

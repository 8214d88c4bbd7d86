#ifndef HTTP_SOUGHT_H
#define HTTP_SOUGHT_H
/* What a body about posts seeks, with its names looked up. Private to http;
 * loop thread. */
#include "http_internal.h"
#include "http_posts_body.h"

struct posts_sought {
    struct terms *terms;
    struct coverage_settings settings;
    const char *conninfo;
    int64_t now_ms;
    /* As the search wants them; what of the catalog's posts each is, or NULL:
     * they are there as long as `terms`. */
    struct siting_point *kept, *candidates;
    const struct catalog_post **kept_posts, **candidate_posts;
    size_t candidate_count;
    struct siting_wish wish; /* but for its basis; borrows the body */
};

/* There is a basis. False after a problem; posts_sought_clear() either way. */
bool posts_seek(struct request *rq, const struct posts_body *body,
                struct posts_sought *ret);
void posts_sought_clear(struct posts_sought *sought); /* zeroed is fine */
/* siting failed at such a wish: `fault` of PT_E_OFFROAD. */
void reply_not_found(struct request *rq, enum pt_err err, size_t fault,
                     const struct posts_body *body,
                     const struct posts_sought *sought);

#endif

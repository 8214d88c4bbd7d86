/* What the console's map is made of: its pages and the map's tiles. */
#include "console.h"
#include "http_internal.h"
#include "roads.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing but what this gateway serves is ever asked for or run; the map
 * library draws what it has loaded from blobs. */
#define PAGE_POLICY                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; "   \
    "img-src 'self' data: blob:; connect-src 'self'; worker-src " \
    "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

bool reply_unchanged(struct request *rq, const char *etag)
{
    struct reply *reply = &rq->reply;
    const char *known = rq->if_none_match;

    snprintf(reply->etag, sizeof reply->etag, "%s", etag);
    /* A list of tags, weak ones too (RFC 9110, 13.1.2): ours has characters
     * that no other can end or begin with. */
    if (known == NULL ||
        (strcmp(known, "*") != 0 && strstr(known, reply->etag) == NULL))
        return false;
    reply->kind = REPLY_FIXED;
    reply->status = MHD_HTTP_NOT_MODIFIED;
    reply->fixed_size = 0;
    reply->content_type = NULL;
    return true;
}

/* ------------------------------------------------------------------- pages */
void answer_page(struct request *rq)
{
    struct reply *reply = &rq->reply;
    const struct embed_file *file =
        console_find(rq->argument == NULL ? CONSOLE_START : rq->argument);

    if (file == NULL) {
        reply_problem(rq, PROBLEM_NO_PATH, "the console has no such file");
        return;
    }
    reply->policy = PAGE_POLICY;
    if (reply_unchanged(rq, file->etag))
        return;
    reply->kind = REPLY_FIXED;
    reply->status = MHD_HTTP_OK;
    reply->content_type = file->content_type;
    reply->fixed = file->bytes;
    reply->fixed_size = file->size;
}

/* ------------------------------------------------------------------- tiles */
struct tile_job {
    struct later later;
};

/* FNV-1a (draft-eastlake-fnv, 64 bits): tells a tile from the same tile of
 * another day, which is all that a browser asks. */
static void tag_of(const void *bytes, size_t size, char ret[REPLY_ETAG_SIZE])
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    snprintf(ret, REPLY_ETAG_SIZE, "\"%016" PRIx64 "\"", hash);
}

void reply_tile(struct request *rq, const void *bytes, size_t size)
{
    struct reply *reply = &rq->reply;
    char etag[REPLY_ETAG_SIZE];

    tag_of(bytes, size, etag);
    if (reply_unchanged(rq, etag))
        return;
    reply->status = MHD_HTTP_OK;
    reply->content_type = "application/vnd.mapbox-vector-tile";
    reply->fixed_size = 0;
    reply->kind = size == 0 ? REPLY_FIXED : REPLY_BODY;
    jw_reset(&reply->body);
    jw_bytes(&reply->body, bytes, size);
}

static void on_tile(void *context, enum pt_err err, const void *bytes,
                    size_t size)
{
    struct tile_job *job = context;
    struct request *rq = later_take(&job->later);

    free(job);
    if (rq == NULL)
        return;
    if (err == PT_OK)
        reply_tile(rq, bytes, size);
    else
        reply_problem(rq, PROBLEM_DATABASE, "the tile could not be drawn: %s",
                      pt_strerror(err));
    later_done(rq);
}

static void ask_for_tile(struct request *rq, const struct tile *tile)
{
    struct tile_job *job = calloc(1, sizeof *job);
    enum pt_err err = PT_E_NOMEM;

    if (job != NULL)
        err = tiles_ask(rq->http->tiles, tile, on_tile, job);
    if (err != PT_OK) {
        free(job);
        reply_problem(rq, err == PT_E_NOMEM ? PROBLEM_FAILED : PROBLEM_DATABASE,
                      "the tile cannot be drawn now: %s", pt_strerror(err));
        rq->reply.retry_after_s = err == PT_E_NOMEM ? 0 : 1;
        return;
    }
    later_attach(rq, &job->later);
}

void answer_tile(struct request *rq)
{
    const struct http *http = rq->http;
    const struct roads *roads = dispatch_roads(http->dispatch);
    struct tile tile = {.edition = 0};
    const void *bytes;
    size_t size;

    if (!tiles_parse(rq->params.path + strlen("/v1/tiles/"), &tile)) {
        reply_problem(
            rq, PROBLEM_NO_PATH,
            "streets, zones, missions or coverage, a level from %d to %d, "
            "column and row of a tile there, and .mvt are expected",
            TILES_ZOOM_MIN, TILES_ZOOM_MAX);
        return;
    }
    if (tile.layer == TILES_COVERAGE) {
        answer_coverage_tile(rq, &tile);
        return;
    }
    if (tile.layer != TILES_STREETS)
        tile.edition = catalog_generation(*http->catalog);
    else if (roads != NULL)
        tile.edition = roads_network_id(roads);
    if (tiles_kept(http->tiles, &tile, &bytes, &size))
        reply_tile(rq, bytes, size);
    else
        ask_for_tile(rq, &tile);
}

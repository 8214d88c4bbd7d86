/* What is closed, to be seen; and which closures changed another answer. */
#include "http_internal.h"

/* ------------------------------------------------------------ one as an object
 */
void write_pieces(struct json *json, const struct closures_piece *pieces,
                  size_t count)
{
    jw_object(json, "geometry");
    jw_text(json, "type", "MultiLineString");
    jw_array(json, "coordinates");
    for (size_t i = 0; i < count; i++) {
        jw_array(json, NULL);
        for (size_t p = 0; p < pieces[i].point_count; p++)
            jw_position(json, pieces[i].points[p]);
        jw_array_end(json);
    }
    jw_array_end(json);
    jw_object_end(json);
}

static void write_lost(struct json *json, const struct closures_match *match)
{
    jw_array(json, "lost");
    for (size_t i = 0; i < match->lost_count; i++) {
        const struct closures_piece *piece =
            &match->closure->pieces[match->lost[i]];
        jw_object(json, NULL);
        jw_int(json, "way_id", piece->way_id);
        jw_int(json, "from_node", piece->from_node);
        jw_int(json, "to_node", piece->to_node);
        jw_object_end(json);
    }
    jw_array_end(json);
    jw_real(json, "lost_m", match->lost_m, 1);
}

void write_positive(struct json *json, const char *key, double value)
{
    if (value > 0)
        jw_real(json, key, value, 3);
    else
        jw_null(json, key);
}

static void write_until(struct json *json, const struct closure *closure)
{
    if (closure->until_ms == INT64_MAX)
        jw_null(json, "until");
    else
        jw_time(json, "until", closure->until_ms);
}

/* The members that all objects of a closure have. */
static void write_head(struct json *json, const struct closure *closure)
{
    jw_int(json, "closure_id", closure->closure_id);
    jw_text(json, "street", closure->street);
    jw_text(json, "kind", closure->closed ? "closed" : "slowed");
    jw_text(json, "direction", closures_direction_word(closure->direction));
    write_until(json, closure);
    jw_text(json, "reason", closure->reason);
}

/* A GeoJSON feature (RFC 7946). */
void write_closure(struct json *json, const char *key,
                   const struct closures_match *match)
{
    const struct closure *closure = match->closure;

    jw_object(json, key);
    jw_text(json, "type", "Feature");
    jw_int(json, "id", closure->closure_id);
    write_pieces(json, closure->pieces, closure->piece_count);
    jw_object(json, "properties");
    write_head(json, closure);
    write_positive(json, "factor", closure->factor);
    write_positive(json, "speed_mps", closure->speed_mps);
    jw_time(json, "from", closure->from_ms);
    jw_text(json, "who", closure->who);
    jw_time(json, "created_at", closure->created_ms);
    jw_bool(json, "in_force", match->in_force);
    jw_int(json, "pieces", (int64_t)closure->piece_count);
    jw_int(json, "edges", (int64_t)match->edge_count);
    write_lost(json, match);
    jw_object_end(json);
    jw_object_end(json);
}

/* --------------------------------------------------------- in other answers */
bool closures_in_force(const struct http *http)
{
    const struct closures_view *view = *http->closures;

    for (size_t i = 0; view != NULL && i < closures_view_count(view); i++)
        if (closures_view_at(view, i)->in_force)
            return true;
    return false;
}

static size_t
name_closures(const struct http *http, const uint32_t *directed, size_t count,
              const struct closures_match *ret[CLOSURES_NAMED_MAX])
{
    const struct closures_view *view = *http->closures;
    size_t named = 0;

    for (size_t i = 0; view != NULL && i < count; i++) {
        const struct closures_match *on[CLOSURES_NAMED_MAX];
        size_t found =
            closures_view_on(view, directed[i], on, CLOSURES_NAMED_MAX);
        for (size_t j = 0; j < found; j++) {
            size_t k = 0;
            while (k < named && ret[k] != on[j])
                k++;
            if (k == named && named < CLOSURES_NAMED_MAX)
                ret[named++] = on[j];
        }
    }
    return named;
}

void write_closures_on(struct json *json, const struct http *http,
                       const uint32_t *directed, size_t count)
{
    const struct closures_match *named[CLOSURES_NAMED_MAX];
    size_t found = name_closures(http, directed, count, named);

    jw_array(json, "closures");
    for (size_t i = 0; i < found; i++) {
        jw_object(json, NULL);
        write_head(json, named[i]->closure);
        jw_object_end(json);
    }
    jw_array_end(json);
}

void write_closure_ids(struct json *json, const struct http *http,
                       const uint32_t *directed, size_t count)
{
    const struct closures_match *named[CLOSURES_NAMED_MAX];
    size_t found = name_closures(http, directed, count, named);

    jw_array(json, "closures");
    for (size_t i = 0; i < found; i++)
        jw_int(json, NULL, named[i]->closure->closure_id);
    jw_array_end(json);
}

/* ----------------------------------------------------------------- all of them
 */
void answer_closures(struct request *rq)
{
    const struct closures_view *view = *rq->http->closures;
    int64_t now_ms = http_wall_ms();

    if (view == NULL) {
        reply_problem(rq, PROBLEM_NO_ROADS,
                      "what is closed is known once there is a network");
        return;
    }
    struct json *json = reply_json(rq);
    jw_object(json, NULL);
    jw_text(json, "type", "FeatureCollection");
    jw_array(json, "features");
    for (size_t i = 0; i < closures_view_count(view); i++) {
        const struct closures_match *match = closures_view_at(view, i);
        if (match->closure->until_ms > now_ms)
            write_closure(json, NULL, match);
    }
    jw_array_end(json);
    jw_int(json, "network_id", roads_network_id(closures_view_roads(view)));
    write_degraded(json, rq->http);
    jw_object_end(json);
}

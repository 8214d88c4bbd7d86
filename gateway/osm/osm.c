#include "osm_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------- between the two */
static int by_way_id(const void *a, const void *b)
{
    const struct osm_way *left = a;
    const struct osm_way *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    /* The one that came first in the file stays. */
    return left->first_ref < right->first_ref   ? -1
           : left->first_ref > right->first_ref ? 1
                                                : 0;
}

/* In order of their ids, so that the same objects in another order in the
 * file make the same network. */
static void sort_ways(struct osm_work *work)
{
    size_t kept = 0;
    if (work->way_count > 0)
        qsort(work->ways, work->way_count, sizeof *work->ways, by_way_id);
    for (size_t i = 0; i < work->way_count; i++) {
        if (kept > 0 && work->ways[kept - 1].id == work->ways[i].id)
            work->tally[OSM_WAYS_REPEATED]++;
        else
            work->ways[kept++] = work->ways[i];
    }
    work->way_count = kept;
}

static int by_id(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* The ids of all nodes that kept ways go through. */
static enum pt_err list_needed(struct osm_work *work)
{
    size_t count = 0;
    work->ids = malloc((work->ref_count + 1) * sizeof *work->ids);
    if (work->ids == NULL)
        return PT_E_NOMEM;
    for (size_t w = 0; w < work->way_count; w++) {
        const struct osm_way *way = &work->ways[w];
        for (size_t i = 0; i < way->ref_count; i++)
            work->ids[count++] = work->refs[way->first_ref + i];
    }
    if (count > 0)
        qsort(work->ids, count, sizeof *work->ids, by_id);
    for (size_t i = 0; i < count; i++) {
        if (work->id_count == 0 ||
            work->ids[work->id_count - 1] != work->ids[i])
            work->ids[work->id_count++] = work->ids[i];
    }
    if (work->id_count > OSM_NODES_MAX)
        return PT_E_RANGE;
    work->at = calloc(work->id_count + 1, sizeof *work->at);
    work->flags = calloc(work->id_count + 1, sizeof *work->flags);
    return work->at != NULL && work->flags != NULL ? PT_OK : PT_E_NOMEM;
}

uint32_t osm_node_index(const struct osm_work *work, int64_t id)
{
    const int64_t *at =
        bsearch(&id, work->ids, work->id_count, sizeof *work->ids, by_id);
    return at != NULL ? (uint32_t)(at - work->ids) : OSM_NO_NODE;
}

const struct osm_way *osm_find_way(const struct osm_work *work, int64_t id)
{
    size_t low = 0;
    size_t high = work->way_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (work->ways[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < work->way_count && work->ways[low].id == id ? &work->ways[low]
                                                             : NULL;
}

struct osm_mark *osm_find_mark(const struct osm_work *work, uint32_t node)
{
    if ((work->flags[node] & OSM_NODE_MARKED) == 0)
        return NULL;
    size_t low = 0;
    size_t high = work->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (work->marks[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return &work->marks[low];
}

const char *osm_text_at(const struct osm_work *work, uint32_t offset)
{
    return offset == OSM_NO_TEXT ? NULL : work->texts + offset;
}

static int by_node(const void *a, const void *b)
{
    const struct osm_mark *left = a;
    const struct osm_mark *right = b;
    return left->node < right->node ? -1 : left->node > right->node;
}

/* ---------------------------------------------------------- the whole way */
static enum pt_err run_pass(struct osm_work *work, int pass, const char *path,
                            char *message, size_t message_size)
{
    work->pass = pass;
    int code = readosm_parse(
        work->file->handle[pass], work, pass == 0 ? NULL : osm_take_node,
        pass == 0 ? osm_take_way : NULL, pass == 0 ? osm_take_relation : NULL);
    if (work->err != PT_OK) {
        snprintf(message, message_size, "%s: %s", path, work->message);
        return work->err;
    }
    if (code != READOSM_OK)
        return osm_file_error(code, path, message, message_size);
    if (work->progress != NULL)
        work->progress(work->context, 1, pass == 0 ? "ways" : "nodes");
    return PT_OK;
}

static enum pt_err nothing_there(const struct osm_work *work, const char *path,
                                 char *message, size_t message_size)
{
    snprintf(message, message_size,
             "%s: no drivable road in it (%llu ways read)", path,
             (unsigned long long)work->tally[OSM_WAYS_READ]);
    return PT_E_NOTFOUND;
}

static enum pt_err read_passes(struct osm_work *work, const char *path,
                               char *message, size_t message_size)
{
    enum pt_err err = run_pass(work, 0, path, message, message_size);
    if (err != PT_OK)
        return err;
    if (work->way_count == 0)
        return nothing_there(work, path, message, message_size);
    sort_ways(work);
    err = list_needed(work);
    if (err != PT_OK) {
        snprintf(message, message_size, "%s: %s", path, pt_strerror(err));
        return err;
    }
    err = run_pass(work, 1, path, message, message_size);
    if (err != PT_OK)
        return err;
    if (work->mark_count > 0)
        qsort(work->marks, work->mark_count, sizeof *work->marks, by_node);
    /* libreadosm passes over nodes that stand outside DenseNodes without a
     * word; a network without places must not come of it. */
    if (work->tally[OSM_NODES_READ] == 0) {
        snprintf(message, message_size,
                 "%s: ways but no nodes, or nodes not stored as DenseNodes "
                 "(osmium cat writes them so)",
                 path);
        return PT_E_CORRUPT;
    }
    return PT_OK;
}

static struct osm_street street_of(const struct osm_work *work,
                                   const struct osm_way *way)
{
    return (struct osm_street){
        .highway = osm_text_at(work, way->text[OSM_HIGHWAY]),
        .name = osm_text_at(work, way->text[OSM_NAME]),
        .ref = osm_text_at(work, way->text[OSM_REF]),
        .surface = osm_text_at(work, way->text[OSM_SURFACE]),
        .smoothness = osm_text_at(work, way->text[OSM_SMOOTHNESS]),
        .tracktype = osm_text_at(work, way->text[OSM_TRACKTYPE]),
        .service = osm_text_at(work, way->text[OSM_SERVICE]),
        .access = osm_text_at(work, way->text[OSM_ACCESS]),
        .oneway_except = way->oneway_except,
        .oneway = (enum profile_oneway)way->oneway,
        .limit = (enum profile_limit)way->limit,
        .limit_kmh = {way->limit_kmh[0], way->limit_kmh[1]},
        .lanes = way->lanes,
        .layer = way->layer,
        .bridge = way->bridge,
        .tunnel = way->tunnel,
        .roundabout = way->roundabout,
    };
}

/* Texts have stopped moving, so their offsets become pointers. */
static enum pt_err hand_over_streets(struct osm_work *work,
                                     struct osm_network *network)
{
    network->streets = calloc(work->way_count + 1, sizeof *network->streets);
    if (network->streets == NULL)
        return PT_E_NOMEM;
    for (size_t w = 0; w < work->way_count; w++)
        network->streets[w] = street_of(work, &work->ways[w]);
    network->street_count = work->way_count;
    network->memory = work->texts;
    work->texts = NULL;
    return PT_OK;
}

struct profile_facts osm_edge_facts(const struct osm_network *network,
                                    const struct osm_edge *edge)
{
    const struct osm_street *street = &network->streets[edge->street];
    return (struct profile_facts){
        .highway = street->highway,
        .surface = street->surface,
        .smoothness = street->smoothness,
        .tracktype = street->tracktype,
        .service = street->service,
        .access = street->access,
        .barrier = edge->barrier,
        .oneway_except = street->oneway_except,
        .oneway = street->oneway,
        .limit = street->limit,
        .limit_kmh = {(double)street->limit_kmh[0],
                      (double)street->limit_kmh[1]},
        .signals = {edge->signals[0], edge->signals[1]},
        .stops = {edge->stops[0], edge->stops[1]},
        .give_ways = {edge->give_ways[0], edge->give_ways[1]},
        .crossings = edge->crossings,
        .calmings = edge->calmings,
        .roundabout = street->roundabout,
        .length_m = (double)edge->length_m,
    };
}

static enum pt_err hand_over_tally(const struct osm_work *work,
                                   struct osm_network *network)
{
    static const char *const words[] = {
#define OSM_TALLY_WORDS(name, words) words,
        OSM_TALLY(OSM_TALLY_WORDS)
#undef OSM_TALLY_WORDS
    };
    network->tally = calloc(OSM_TALLY_COUNT, sizeof *network->tally);
    if (network->tally == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < OSM_TALLY_COUNT; i++) {
        if (work->tally[i] > 0)
            network->tally[network->tally_count++] =
                (struct osm_count){.what = words[i], .count = work->tally[i]};
    }
    return PT_OK;
}

static enum pt_err build(struct osm_work *work, const char *path,
                         struct osm_network *network, char *message,
                         size_t message_size)
{
    enum pt_err err = PT_E_NOMEM;
    uint32_t *vertex = malloc((work->id_count + 1) * sizeof *vertex);
    if (vertex != NULL)
        err = osm_cut(work, network, vertex);
    if (err == PT_OK && network->edge_count == 0) {
        free(vertex);
        return nothing_there(work, path, message, message_size);
    }
    if (err == PT_OK)
        err = osm_turns(work, vertex, network);
    if (err == PT_OK)
        err = hand_over_tally(work, network);
    if (err == PT_OK)
        err = hand_over_streets(work, network);
    if (err != PT_OK)
        snprintf(message, message_size, "%s: %s", path, pt_strerror(err));
    free(vertex);
    return err;
}

static void work_clear(struct osm_work *work)
{
    free(work->ways);
    free(work->refs);
    free(work->restrictions);
    free(work->members);
    free(work->texts);
    free(work->ids);
    free(work->at);
    free(work->flags);
    free(work->marks);
    free(work->recent);
}

enum pt_err osm_read(const char *path, osm_progress progress, void *context,
                     struct osm_network **ret, char *message,
                     size_t message_size)
{
    struct osm_file file;
    struct osm_work work = {
        .file = &file, .progress = progress, .context = context};
    enum pt_err err =
        osm_file_open(&file, path, progress, context, message, message_size);
    if (err != PT_OK)
        return err;
    struct osm_network *network = calloc(1, sizeof *network);
    work.recent = calloc(OSM_RECENT_TEXTS, sizeof *work.recent);
    if (network == NULL || work.recent == NULL) {
        err = PT_E_NOMEM;
        snprintf(message, message_size, "%s: out of memory", path);
    }
    if (err == PT_OK)
        err = read_passes(&work, path, message, message_size);
    if (err == PT_OK)
        err = build(&work, path, network, message, message_size);
    if (err == PT_OK)
        *ret = network;
    else
        osm_network_free(network);
    work_clear(&work);
    osm_file_close(&file);
    return err;
}

void osm_network_free(struct osm_network *network)
{
    if (network == NULL)
        return;
    free(network->nodes);
    free(network->streets);
    free(network->edges);
    free(network->points);
    free(network->turns);
    free(network->vias);
    free(network->tally);
    free(network->memory);
    free(network);
}

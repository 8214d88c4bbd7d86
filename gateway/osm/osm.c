#include "osm_internal.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The callbacks look at the clock of progress this often. */
#define PROGRESS_EVERY 4096
/* OpenStreetMap allows 255 characters in a tag's value. */
#define TEXT_CHARACTERS_MAX 255
/* no_entry and no_exit may name several ways; more than this is no
 * restriction but a mistake. */
#define MEMBERS_MAX 16

enum pt_err osm_grow(void **items, size_t *room, size_t count, size_t more,
                     size_t size)
{
    if (more <= *room - count)
        return PT_OK;
    size_t want = *room < 1024 ? 1024 : *room;
    while (want - count < more) {
        if (want > SIZE_MAX / 2 / size)
            return PT_E_NOMEM;
        want *= 2;
    }
    void *grown = realloc(*items, want * size);
    if (grown == NULL)
        return PT_E_NOMEM;
    *items = grown;
    *room = want;
    return PT_OK;
}

/* A callback that gives up tells readosm by a value that is not 0. */
static int give_up(struct osm_work *work, enum pt_err err, const char *message)
{
    work->err = err;
    snprintf(work->message, sizeof work->message, "%s", message);
    return READOSM_ABORT;
}

static void tick(struct osm_work *work)
{
    if (++work->objects % PROGRESS_EVERY == 0 && work->progress != NULL)
        work->progress(work->context, osm_file_share(work->file, work->pass),
                       work->pass == 0 ? "ways" : "nodes");
}

/* --------------------------------------------- pass one: ways, relations */
/* Keeps a name; `ret` is where it stands in the texts. What the database
 * would refuse (and with it the whole import) is dropped here. */
static enum pt_err keep_text(struct osm_work *work, const char *text,
                             size_t *ret)
{
    *ret = OSM_NO_TEXT;
    if (text == NULL || *text == 0)
        return PT_OK;
    size_t size = 0;
    size_t left = strlen(text);
    for (int characters = 0; text[size] != 0; characters++) {
        if (characters == TEXT_CHARACTERS_MAX) {
            work->tally[OSM_TEXTS_CUT]++;
            break;
        }
        size_t length = text_utf8_step(text + size, left - size);
        if (length == 0) {
            work->tally[OSM_TEXTS_DROPPED]++;
            return PT_OK;
        }
        size += length;
    }
    enum pt_err err = osm_grow((void **)&work->texts, &work->text_room,
                               work->text_size, size + 1, 1);
    if (err != PT_OK)
        return err;
    memcpy(work->texts + work->text_size, text, size);
    work->texts[work->text_size + size] = 0;
    *ret = work->text_size;
    work->text_size += size + 1;
    return PT_OK;
}

static enum pt_err keep_way(struct osm_work *work, const readosm_way *way,
                            const struct osm_rule *rule)
{
    struct osm_way kept = {
        .id = way->id,
        .first_ref = work->ref_count,
        .ref_count = (uint32_t)way->node_ref_count,
        .forward = rule->forward,
        .backward = rule->backward,
        .class = rule->class,
        .maxspeed_forward_kmh = rule->maxspeed_forward_kmh,
        .maxspeed_backward_kmh = rule->maxspeed_backward_kmh,
    };
    size_t count = (size_t)way->node_ref_count;
    if (count >= OSM_NO_NODE - work->ref_count)
        return PT_E_RANGE; /* places of points are 32 bits wide */
    enum pt_err err = keep_text(work, rule->name, &kept.name);
    if (err == PT_OK)
        err = keep_text(work, rule->ref, &kept.ref);
    if (err == PT_OK)
        err = osm_grow((void **)&work->refs, &work->ref_room, work->ref_count,
                       count, sizeof *work->refs);
    if (err == PT_OK)
        err = osm_grow((void **)&work->ways, &work->way_room, work->way_count,
                       1, sizeof *work->ways);
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        work->refs[work->ref_count + i] = way->node_refs[i];
    work->ref_count += count;
    work->ways[work->way_count++] = kept;
    return PT_OK;
}

static int take_way(const void *context, const readosm_way *way)
{
    struct osm_work *work = (struct osm_work *)context;
    struct osm_rule rule;
    tick(work);
    work->tally[OSM_WAYS_READ]++;
    if (!osm_way_rule(way->tags, way->tag_count, work->tally, &rule))
        return READOSM_OK;
    if (way->node_ref_count < 2) {
        work->tally[OSM_WAYS_TOO_SHORT]++;
        return READOSM_OK;
    }
    enum pt_err err = keep_way(work, way, &rule);
    if (err == PT_E_RANGE)
        return give_up(work, err, "more street nodes than can be held");
    if (err != PT_OK)
        return give_up(work, err, "out of memory");
    return READOSM_OK;
}

static enum pt_err keep_member(struct osm_work *work, int64_t way_id)
{
    enum pt_err err = osm_grow((void **)&work->members, &work->member_room,
                               work->member_count, 1, sizeof *work->members);
    if (err == PT_OK)
        work->members[work->member_count++] = way_id;
    return err;
}

/* Keeps the ways of one role; the count, or -1 when out of memory. */
static int keep_role(struct osm_work *work, const readosm_relation *relation,
                     const char *role)
{
    int count = 0;
    for (int i = 0; i < relation->member_count; i++) {
        const readosm_member *member = &relation->members[i];
        if (member->member_type != READOSM_MEMBER_WAY || member->role == NULL ||
            strcmp(member->role, role) != 0)
            continue;
        if (keep_member(work, member->id) != PT_OK)
            return -1;
        count++;
    }
    return count;
}

/* The via node; false when there is not exactly one. `via_way` tells of a
 * way in that role. */
static bool find_via(const readosm_relation *relation, int64_t *ret,
                     bool *via_way)
{
    int count = 0;
    *via_way = false;
    for (int i = 0; i < relation->member_count; i++) {
        const readosm_member *member = &relation->members[i];
        if (member->role == NULL || strcmp(member->role, "via") != 0)
            continue;
        if (member->member_type == READOSM_MEMBER_WAY)
            *via_way = true;
        *ret = member->id;
        count++;
    }
    return count == 1 && !*via_way;
}

static int take_relation(const void *context, const readosm_relation *relation)
{
    struct osm_work *work = (struct osm_work *)context;
    struct osm_restriction kept = {.relation_id = relation->id,
                                   .first_member = work->member_count};
    bool via_way = false;
    tick(work);
    work->tally[OSM_RELATIONS_READ]++;
    if (!osm_restriction_rule(relation->tags, relation->tag_count, work->tally,
                              &kept.sort))
        return READOSM_OK;
    if (!find_via(relation, &kept.via, &via_way)) {
        work->tally[via_way ? OSM_RESTRICTIONS_VIA_WAY
                            : OSM_RESTRICTIONS_MEMBERS]++;
        return READOSM_OK;
    }
    int from = keep_role(work, relation, "from");
    int to = from < 0 ? -1 : keep_role(work, relation, "to");
    if (to < 0 ||
        osm_grow((void **)&work->restrictions, &work->restriction_room,
                 work->restriction_count, 1, sizeof kept) != PT_OK)
        return give_up(work, PT_E_NOMEM, "out of memory");
    /* Several ways in a role have a meaning only for no_entry and no_exit,
     * and there in one role. */
    if (from < 1 || to < 1 || from > MEMBERS_MAX || to > MEMBERS_MAX ||
        (from > 1 && to > 1) ||
        (kept.sort != OSM_FORBIDS && (from > 1 || to > 1))) {
        work->tally[OSM_RESTRICTIONS_MEMBERS]++;
        work->member_count = kept.first_member;
        return READOSM_OK;
    }
    kept.from_count = (uint32_t)from;
    kept.to_count = (uint32_t)to;
    work->restrictions[work->restriction_count++] = kept;
    return READOSM_OK;
}

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
    work->found = calloc(work->id_count + 1, sizeof *work->found);
    return work->at != NULL && work->found != NULL ? PT_OK : PT_E_NOMEM;
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

/* -------------------------------------------------------- pass two: nodes */
static int take_node(const void *context, const readosm_node *node)
{
    struct osm_work *work = (struct osm_work *)context;
    tick(work);
    work->tally[OSM_NODES_READ]++;
    uint32_t index = osm_node_index(work, node->id);
    if (index == OSM_NO_NODE)
        return READOSM_OK;
    if (work->found[index]) {
        work->tally[OSM_NODES_REPEATED]++;
        return READOSM_OK;
    }
    if (!geo_deg_valid(node->latitude, node->longitude)) {
        char text[120];
        snprintf(text, sizeof text, "node %lld of a street is not on the globe",
                 node->id);
        return give_up(work, PT_E_CORRUPT, text);
    }
    work->at[index] = geo_from_deg(node->latitude, node->longitude);
    work->found[index] = true;
    return READOSM_OK;
}

/* ---------------------------------------------------------- the whole way */
static enum pt_err run_pass(struct osm_work *work, int pass, const char *path,
                            char *message, size_t message_size)
{
    work->pass = pass;
    int code = readosm_parse(
        work->file->handle[pass], work, pass == 0 ? NULL : take_node,
        pass == 0 ? take_way : NULL, pass == 0 ? take_relation : NULL);
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

/* Texts stop moving here, so offsets become pointers. */
static void hand_over_texts(struct osm_work *work, struct osm_network *network)
{
    for (size_t w = 0; w < work->way_count; w++) {
        const struct osm_way *way = &work->ways[w];
        for (uint32_t e = 0; e < way->edge_count; e++) {
            struct osm_edge *edge = &network->edges[way->first_edge + e];
            edge->name =
                way->name == OSM_NO_TEXT ? NULL : work->texts + way->name;
            edge->ref = way->ref == OSM_NO_TEXT ? NULL : work->texts + way->ref;
        }
    }
    network->memory = work->texts;
    work->texts = NULL;
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
        hand_over_texts(work, network);
    else
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
    free(work->found);
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
    if (network == NULL) {
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
    free(network->edges);
    free(network->points);
    free(network->turns);
    free(network->tally);
    free(network->memory);
    free(network);
}

/* What readosm calls while it reads the file: ways and relations in pass one,
 * the nodes that streets need in pass two. */
#include "osm_internal.h"
#include "pt_room.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The callbacks look at the clock of progress this often. */
#define PROGRESS_EVERY 4096
/* OpenStreetMap allows 255 characters in a tag's value. */
#define TEXT_CHARACTERS_MAX 255
/* no_entry and no_exit may name several ways, and a way may lead over some;
 * more than this is no restriction but a mistake. */
#define MEMBERS_MAX 16

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
/* Texts repeat a lot, mostly soon: surfaces, names of the next piece. One
 * that was kept lately is found by its hash and not kept again. */
static uint32_t hash_of(const char *text, size_t size)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static enum pt_err append_text(struct osm_work *work, const char *text,
                               size_t size, uint32_t *ret)
{
    uint32_t *slot = &work->recent[hash_of(text, size) % OSM_RECENT_TEXTS];
    const char *kept = work->texts + *slot;
    if (*slot < work->text_size && strlen(kept) == size &&
        memcmp(kept, text, size) == 0) {
        *ret = *slot;
        return PT_OK;
    }
    if (size + 1 >= OSM_NO_TEXT - work->text_size)
        return PT_E_RANGE; /* places of texts are 32 bits wide */
    enum pt_err err =
        pt_room(&work->texts, &work->text_room, work->text_size + size + 1, 1);
    if (err != PT_OK)
        return err;
    memcpy(work->texts + work->text_size, text, size);
    work->texts[work->text_size + size] = 0;
    *ret = *slot = (uint32_t)work->text_size;
    work->text_size += size + 1;
    return PT_OK;
}

/* Keeps a text; `ret` is where it stands among the texts. What the database
 * would refuse (and with it the whole import) is dropped here. */
static enum pt_err keep_text(struct osm_work *work, const char *text,
                             uint32_t *ret)
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
    return append_text(work, text, size, ret);
}

static enum pt_err keep_texts(struct osm_work *work,
                              const struct osm_street *street,
                              struct osm_way *way)
{
    const char *const texts[OSM_TEXT_COUNT] = {
        [OSM_HIGHWAY] = street->highway,
        [OSM_NAME] = street->name,
        [OSM_REF] = street->ref,
        [OSM_SURFACE] = street->surface,
        [OSM_SMOOTHNESS] = street->smoothness,
        [OSM_TRACKTYPE] = street->tracktype,
        [OSM_SERVICE] = street->service,
        [OSM_ACCESS] = street->access,
    };
    enum pt_err err = PT_OK;
    for (size_t i = 0; err == PT_OK && i < OSM_TEXT_COUNT; i++)
        err = keep_text(work, texts[i], &way->text[i]);
    return err;
}

static enum pt_err keep_way(struct osm_work *work, const readosm_way *way,
                            const struct osm_street *street)
{
    struct osm_way kept = {
        .id = way->id,
        .first_ref = work->ref_count,
        .ref_count = (uint32_t)way->node_ref_count,
        .oneway_except = street->oneway_except,
        .limit_kmh = {street->limit_kmh[0], street->limit_kmh[1]},
        .oneway = (uint8_t)street->oneway,
        .limit = (uint8_t)street->limit,
        .lanes = street->lanes,
        .layer = street->layer,
        .bridge = street->bridge,
        .tunnel = street->tunnel,
        .roundabout = street->roundabout,
    };
    size_t count = (size_t)way->node_ref_count;
    if (count >= OSM_NO_NODE - work->ref_count)
        return PT_E_RANGE; /* places of points are 32 bits wide */
    enum pt_err err = keep_texts(work, street, &kept);
    if (err == PT_OK)
        err = pt_room(&work->refs, &work->ref_room, work->ref_count + count,
                      sizeof *work->refs);
    if (err == PT_OK)
        err = pt_room(&work->ways, &work->way_room, work->way_count + 1,
                      sizeof *work->ways);
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        work->refs[work->ref_count + i] = way->node_refs[i];
    work->ref_count += count;
    work->ways[work->way_count++] = kept;
    return PT_OK;
}

static int give_up_keeping(struct osm_work *work, enum pt_err err)
{
    return give_up(work, err,
                   err == PT_E_RANGE ? "more streets than can be held"
                                     : "out of memory");
}

int osm_take_way(const void *context, const readosm_way *way)
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
    enum pt_err err = keep_way(work, way, &rule.street);
    return err == PT_OK ? READOSM_OK : give_up_keeping(work, err);
}

static enum pt_err keep_member(struct osm_work *work, int64_t way_id)
{
    enum pt_err err = pt_room(&work->members, &work->member_room,
                              work->member_count + 1, sizeof *work->members);
    if (err == PT_OK)
        work->members[work->member_count++] = way_id;
    return err;
}

/* Keeps the ways of one role, in their order; how many. */
static enum pt_err keep_role(struct osm_work *work,
                             const readosm_relation *relation, const char *role,
                             uint32_t *ret)
{
    uint32_t count = 0;
    for (int i = 0; i < relation->member_count; i++) {
        const readosm_member *member = &relation->members[i];
        if (member->member_type != READOSM_MEMBER_WAY ||
            !osm_is(member->role, role))
            continue;
        if (keep_member(work, member->id) != PT_OK)
            return PT_E_NOMEM;
        count++;
    }
    *ret = count;
    return PT_OK;
}

/* How many via members are no ways; `node` is the last that is a node. */
static uint32_t via_nodes(const readosm_relation *relation, int64_t *node)
{
    uint32_t count = 0;
    for (int i = 0; i < relation->member_count; i++) {
        const readosm_member *member = &relation->members[i];
        if (!osm_is(member->role, "via") ||
            member->member_type == READOSM_MEMBER_WAY)
            continue;
        /* a relation as via counts twice: it is none of ours */
        count += member->member_type == READOSM_MEMBER_NODE ? 1 : 2;
        *node = member->id;
    }
    return count;
}

/* Several ways as from or to have a meaning only for no_entry and no_exit,
 * and there in one role; via is one node, or ways. */
static bool is_complete(const struct osm_restriction *restriction,
                        uint32_t nodes)
{
    uint32_t from = restriction->from_count;
    uint32_t to = restriction->to_count;
    uint32_t via = restriction->via_count;
    if (from < 1 || to < 1 || from > MEMBERS_MAX || to > MEMBERS_MAX ||
        via > MEMBERS_MAX || (from > 1 && to > 1))
        return false;
    if (restriction->sort != OSM_FORBIDS && (from > 1 || to > 1))
        return false;
    return via > 0 ? nodes == 0 : nodes == 1;
}

int osm_take_relation(const void *context, const readosm_relation *relation)
{
    struct osm_work *work = (struct osm_work *)context;
    struct osm_restriction kept = {.relation_id = relation->id,
                                   .first_member = work->member_count};
    tick(work);
    work->tally[OSM_RELATIONS_READ]++;
    if (!osm_restriction_rule(relation->tags, relation->tag_count, work->tally,
                              &kept.sort))
        return READOSM_OK;
    enum pt_err err =
        keep_text(work, osm_tag(relation->tags, relation->tag_count, "except"),
                  &kept.except);
    if (err == PT_OK)
        err = keep_role(work, relation, "from", &kept.from_count);
    if (err == PT_OK)
        err = keep_role(work, relation, "to", &kept.to_count);
    if (err == PT_OK)
        err = keep_role(work, relation, "via", &kept.via_count);
    if (err == PT_OK)
        err = pt_room(&work->restrictions, &work->restriction_room,
                      work->restriction_count + 1, sizeof kept);
    if (err != PT_OK)
        return give_up_keeping(work, err);
    if (!is_complete(&kept, via_nodes(relation, &kept.via))) {
        work->tally[OSM_RESTRICTIONS_MEMBERS]++;
        work->member_count = kept.first_member;
        return READOSM_OK;
    }
    work->restrictions[work->restriction_count++] = kept;
    return READOSM_OK;
}

/* -------------------------------------------------------- pass two: nodes */
static enum pt_err keep_mark(struct osm_work *work, uint32_t node,
                             const struct osm_node_rule *rule)
{
    struct osm_mark kept = {
        .node = node,
        .control = (uint8_t)rule->control,
        .direction = (uint8_t)rule->direction,
        .both_ways = rule->both_ways,
        .crossing = rule->crossing,
        .calming = rule->calming,
        .place = OSM_NO_NODE,
    };
    enum pt_err err = keep_text(work, rule->barrier, &kept.barrier);
    if (err == PT_OK)
        err = pt_room(&work->marks, &work->mark_room, work->mark_count + 1,
                      sizeof *work->marks);
    if (err != PT_OK)
        return err;
    work->marks[work->mark_count++] = kept;
    work->flags[node] |= OSM_NODE_MARKED;
    return PT_OK;
}

int osm_take_node(const void *context, const readosm_node *node)
{
    struct osm_work *work = (struct osm_work *)context;
    struct osm_node_rule rule;
    tick(work);
    work->tally[OSM_NODES_READ]++;
    uint32_t index = osm_node_index(work, node->id);
    if (index == OSM_NO_NODE)
        return READOSM_OK;
    if (work->flags[index] != 0) {
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
    work->flags[index] = OSM_NODE_FOUND;
    if (!osm_node_rule(node->tags, node->tag_count, work->tally, &rule))
        return READOSM_OK;
    enum pt_err err = keep_mark(work, index, &rule);
    return err == PT_OK ? READOSM_OK : give_up_keeping(work, err);
}

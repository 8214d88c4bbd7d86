#ifndef OSM_TURNS_INTERNAL_H
#define OSM_TURNS_INTERNAL_H
/* What osm_turns.c (via a node, order, repeats) and osm_via.c (via ways)
 * share. */
#include "osm_internal.h"

/* Edges that a sequence may lead over; more is a mistake in the map. */
#define OSM_VIA_EDGES_MAX 64

struct osm_turns {
    struct osm_work *work;
    struct osm_network *network;
    uint32_t *first; /* of each vertex: its ends begin here */
    uint32_t *ends;  /* directed edges that leave the vertex, legal or not */
    size_t turn_room, via_room;
    const struct osm_restriction *restriction; /* at hand */
    bool off;                                  /* a member is not there */
    bool apart;     /* the members do not follow each other */
    bool ambiguous; /* more than one way to read it */
};

struct osm_sequence { /* all but its last edge */
    uint32_t from;
    uint32_t via_count;
    uint32_t via[OSM_VIA_EDGES_MAX];
};

/* Not against a one-way; whoever may drive there. */
bool osm_turns_legal(const struct osm_turns *turns, uint32_t directed);
uint32_t osm_turns_start(const struct osm_network *network, uint32_t directed);
bool osm_turns_is_of(const struct osm_way *way, uint32_t directed);
/* A legal directed edge of `way` that leaves `vertex` (or with `enters`, that
 * arrives there); `count` says how many there are. */
uint32_t osm_turns_member_edge(const struct osm_turns *turns,
                               const struct osm_way *way, uint32_t vertex,
                               bool enters, size_t *count);
PT_MUST_CHECK enum pt_err osm_turns_forbid(struct osm_turns *turns,
                                           const struct osm_sequence *sequence,
                                           uint32_t to);
/* Forbids or demands `to` behind the sequence, which ends at `vertex`. */
PT_MUST_CHECK enum pt_err osm_turns_apply(struct osm_turns *turns,
                                          const struct osm_sequence *sequence,
                                          const struct osm_way *to,
                                          uint32_t vertex);
/* The restriction at hand, from one way over its via ways to another. */
PT_MUST_CHECK enum pt_err osm_turns_via_ways(struct osm_turns *turns,
                                             const struct osm_way *from,
                                             const struct osm_way *to);

#endif

#ifndef CLOSURES_H
#define CLOSURES_H
/* closures: streets that a dispatcher has closed or slowed until a time.
 *
 * A closure is kept by what OpenStreetMap calls its pieces (way and node ids)
 * and by their lines, so that it outlives the network that it was made on: on
 * each network in force its pieces are looked for anew, by the ids, then along
 * the way, then by the line; what is not found again is said to be lost. The
 * database holds the closures; this module reads them, finds streets by what
 * people type, and makes the metrics that searches run on. */
#include "geo.h"
#include "pt_err.h"
#include "roads.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits. The schema does not enforce them: whoever adds closures does, and
 * what is over them is not loaded (PT_E_FULL). */
#define CLOSURES_MAX 1000             /* that are not over */
#define CLOSURES_PIECES_MAX 1000      /* of one closure */
#define CLOSURES_ALL_PIECES_MAX 20000 /* of all that are not over */
#define CLOSURES_STREET_BYTES 400     /* with its end, as the texts below */
#define CLOSURES_WHO_BYTES 65
#define CLOSURES_REASON_BYTES 257
#define CLOSURES_SPEED_MAX_MPS 100.0

enum closures_direction {
    CLOSURES_BOTH,
    CLOSURES_FORWARD, /* only those who drive as the pieces are written */
    CLOSURES_BACKWARD
};
/* "both", "forward", "backward". */
const char *closures_direction_word(enum closures_direction direction);
bool closures_direction_parse(const char *word, enum closures_direction *ret);

/* A piece of street from junction to junction. */
struct closures_piece {
    int64_t way_id;
    int64_t from_node, to_node;
    size_t point_count;       /* 2 or more */
    struct geo_point *points; /* from `from_node` to `to_node` */
};

struct closure {
    uint32_t closure_id;
    bool closed;      /* else slowed: by one of the next two */
    double factor;    /* of the usual speed, between 0 and 1; 0: not given */
    double speed_mps; /* at most this; 0: not given */
    enum closures_direction direction;
    int64_t from_ms, until_ms; /* UTC; INT64_MAX: until it is removed */
    int64_t created_ms;
    char *street; /* in words */
    char *who;    /* NULL: not said */
    char *reason; /* likewise */
    size_t piece_count;
    struct closures_piece *pieces;
};

/* ------------------------------------------------------- what is closed, when
 */
/* All that are not over. Never changes; any thread; counted. */
struct closures;

/* Reads them over a connection of its own; blocks: pool thread. PT_E_DB,
 * PT_E_FULL, PT_E_CORRUPT: the reason is in `message`, on one line. */
PT_MUST_CHECK enum pt_err closures_load(const char *conninfo,
                                        struct closures **ret, char *message,
                                        size_t message_size);
/* Those of the past that were in force at any time of a span, until they were
 * over or removed; `as_known`: and not before they were entered. Else the same.
 */
PT_MUST_CHECK enum pt_err
closures_load_past(const char *conninfo, int64_t from_ms, int64_t to_ms,
                   bool as_known, struct closures **ret, char *message,
                   size_t message_size);
/* From an array, whose texts and pieces are copied: for what makes its own. */
PT_MUST_CHECK enum pt_err closures_new(const struct closure *items,
                                       size_t count, struct closures **ret);
/* All of `base` and some more, copied likewise. */
PT_MUST_CHECK enum pt_err closures_with(const struct closures *base,
                                        const struct closure *items,
                                        size_t count, struct closures **ret);
size_t closures_count(const struct closures *closures);
/* By closure_id. */
const struct closure *closures_at(const struct closures *closures,
                                  size_t index);
struct closures *closures_ref(struct closures *closures);
void closures_unref(struct closures *closures); /* NULL is fine */

/* ------------------------------------------------------------ on a network */
struct closures_match {
    const struct closure *closure;
    bool in_force;
    size_t edge_count;
    const uint32_t *edges; /* directed as `forward` is */
    /* Pieces that were not found again, or for less than 80 % of their length,
     * and the metres that are missing. */
    size_t lost_count;
    const uint32_t *lost; /* of closure->pieces */
    double lost_m;
};

/* Closures on one network at one moment, with their metrics. Never changes;
 * any thread. Counts the closures and the network. */
struct closures_view;

/* Pool thread: looks for all pieces, and makes a metric for each profile when
 * any closure is in force at `now_ms`; as long as roads_metric_slowed() takes
 * for each. `bases` are what the closures change: one for each profile, in
 * their order (counted); NULL, and those beyond `base_count`: the network's
 * own. PT_E_RANGE: one of another network. */
PT_MUST_CHECK enum pt_err closures_view_new(struct closures *closures,
                                            struct roads *roads,
                                            struct roads_metric *const *bases,
                                            size_t base_count, int64_t now_ms,
                                            struct closures_view **ret);
void closures_view_free(struct closures_view *view); /* NULL is fine */
const struct roads *closures_view_roads(const struct closures_view *view);
/* NULL: the network's own. */
const struct roads_metric *closures_view_base(const struct closures_view *view,
                                              size_t profile);
const struct closures *closures_view_of(const struct closures_view *view);

/* By closure_id. */
size_t closures_view_count(const struct closures_view *view);
const struct closures_match *closures_view_at(const struct closures_view *view,
                                              size_t index);
/* NULL: no such closure. */
const struct closures_match *
closures_view_find(const struct closures_view *view, uint32_t closure_id);

/* When one begins or ends next; INT64_MAX: never. */
int64_t closures_view_next_ms(const struct closures_view *view);

/* One for each profile of the network, in their order; NULL where nothing in
 * force changes it. Borrowed. */
struct roads_metric *const *
closures_view_metrics(const struct closures_view *view, size_t *count);
/* Whether its metrics answer as fast as the network's own do. */
bool closures_view_prepared(const struct closures_view *view);

/* Those in force that change the time of a directed edge: at most `max`, how
 * many were written. */
size_t closures_view_on(const struct closures_view *view, uint32_t directed,
                        const struct closures_match **ret, size_t max);

/* ------------------------------------------------------- streets as typed */
/* One of: `street` ("Calle 23 between L and M", "Calle 23"), a point (the
 * piece of street nearest to it), or ways by OpenStreetMap's ids.
 *
 * Between: also "entre ... y" and "entre ... et". Accents and case do not
 * matter. Of the streets with the best-fitting name: the very name, else one
 * that has all the typed words and the fewest others, else one in which words
 * begin as typed. */
struct closures_wish {
    const char *street; /* UTF-8; NULL: not this */
    bool has_point;
    struct geo_point at;
    size_t way_count;
    const int64_t *ways;
};
#define CLOSURES_WAYS_MAX 100
#define CLOSURES_POINT_REACH_M 50.0

/* A street that fits, and one place on it. */
struct closures_choice {
    const char *name; /* borrowed from the network */
    struct geo_point at;
};
#define CLOSURES_CHOICES_MAX 20

struct closures_found {
    /* "Calle 23 (Calle L - Calle M)"; names as the map has them. */
    char street[CLOSURES_STREET_BYTES];
    /* Between two streets: forward is from the first to the second. Of ways:
     * as they are drawn. Else: a mere piece has no way that people know. */
    bool has_direction;
    size_t piece_count;
    struct closures_piece *pieces;
    /* What was not found, of what was typed: after a failure. */
    char missing[CLOSURES_STREET_BYTES];
    size_t choice_count; /* after PT_E_RANGE; at most CLOSURES_CHOICES_MAX */
    struct closures_choice choices[CLOSURES_CHOICES_MAX];
};

/* Finds the pieces. Looks at all names: pool thread. PT_E_NOTFOUND: no street
 * (or way) is called `missing`. PT_E_UNREACHABLE: `missing` does not meet the
 * street. PT_E_RANGE: several places fit, of which `choices` has some.
 * PT_E_OFFROAD: no street within CLOSURES_POINT_REACH_M. PT_E_MALFORMED: not
 * one of the three, or not to be understood. PT_E_FULL: more than
 * CLOSURES_PIECES_MAX. `ret` is written whatever comes; the caller gives it to
 * closures_found_clear(). */
PT_MUST_CHECK enum pt_err closures_find(const struct roads *roads,
                                        const struct closures_wish *wish,
                                        struct closures_found *ret);
void closures_found_clear(struct closures_found *found);

/* Where two streets meet; names borrowed from the network. */
struct closures_corner {
    const char *street, *cross;
    struct geo_point at;
    bool best; /* no other fits better */
};
#define CLOSURES_CORNERS_MAX 8

/* The corners meant by "23 y L", "Calle 23 and L", "23 et L", "23 esquina a L",
 * "23 & L", the best first; how many. Accents and case do not matter, names fit
 * as in closures_wish, and a word of four letters and more may have an error,
 * of eight and more two (a letter wrong, missing, too many, or two swapped)
 * when no street has it as typed. Corners of equal names less than 120 m apart
 * are one. Looks at all names: pool thread. PT_E_NOMEM. None: no error. */
PT_MUST_CHECK enum pt_err
closures_corners(const struct roads *roads, const char *typed,
                 struct closures_corner ret[CLOSURES_CORNERS_MAX],
                 size_t *count);

#endif

#ifndef PATROLCTL_H
#define PATROLCTL_H
/* patrolctl: the parts of the operators' tool that need neither database nor
 * gateway: lists of missions and zones, tables, server-sent events. What comes
 * in is from strangers. One thread. */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --------------------------------------------------------------- text.c */
/* Copies `text` to `out` (of `size` bytes, always terminated) so that a
 * terminal cannot be made to do anything: control characters (C0, DEL, C1),
 * bidirectional overrides and bytes that are not UTF-8 become "?". Never
 * cuts inside a character. Returns the length of what it wrote. */
size_t ctl_clean(const char *text, char *out, size_t size);

/* Terminal cells that clean UTF-8 takes (wcwidth(), so LC_CTYPE must be a
 * UTF-8 one). */
size_t ctl_cells(const char *text);

/* ------------------------------------------------------------- times.c */
enum ctl_tense { CTL_PAST, CTL_COMING };
#define CTL_TIME_BYTES 64
/* A time as RFC 3339, UTC. Typed as "now", "90m", "2h", "3d" ago or from now,
 * by the terminal's clock and time zone as "18:30" (the last or the next),
 * "2026-01-31" (its first moment) or "2026-01-31 18:30", or as RFC 3339, which
 * is handed on as it is. `now_s`: seconds since 1970. False: none of them. */
bool ctl_read_time(const char *text, int64_t now_s, enum ctl_tense tense,
                   char ret[CTL_TIME_BYTES]);

/* -------------------------------------------------------------- table.c */
/* Columns as wide as their widest cell, in terminal cells. */
struct ctl_table;

#define CTL_COLUMNS_MAX 16

/* `columns`: the headings, separated by '|'; one that begins with '>' is
 * aligned right. */
PT_MUST_CHECK enum pt_err ctl_table_new(const char *columns,
                                        struct ctl_table **ret);
void ctl_table_free(struct ctl_table *table);
/* The next cell, row after row; NULL is an empty one. Copied, cleaned, cut
 * at 512 bytes. Out of memory is remembered for ctl_table_print(). */
void ctl_table_cell(struct ctl_table *table, const char *text);
__attribute__((format(printf, 2, 3))) void
ctl_table_format(struct ctl_table *table, const char *format, ...);
PT_MUST_CHECK enum pt_err ctl_table_print(const struct ctl_table *table,
                                          FILE *out);

/* ---------------------------------------------------------------- csv.c */
/* RFC 4180: quotes, commas, CRLF or LF; a byte order mark is passed over.
 * Reads in place: `bytes` is written to, bytes[size] too, and must outlive
 * the reader. */
#define CTL_CSV_FIELDS_MAX 256

struct ctl_csv {
    char *at;
    char *end;
    size_t line; /* of `at` */
};

struct ctl_csv_record {
    size_t line; /* where it begins, from 1 */
    size_t count;
    char *fields[CTL_CSV_FIELDS_MAX]; /* terminated */
    const char *fault;                /* NULL, or why it cannot be believed */
};

void ctl_csv_start(struct ctl_csv *csv, char *bytes, size_t size);
/* False at the end. Lines without any character are passed over. A record
 * with a fault is followed by the next line's. */
bool ctl_csv_next(struct ctl_csv *csv, struct ctl_csv_record *ret);

/* ------------------------------------------------------------- places.c */
/* Lists of missions (CSV or GeoJSON points) and of zones (GeoJSON areas).
 * What is wrong with one of them is a fault with its line or number, the
 * others are taken. */
#define CTL_FILE_MAX ((size_t)64 << 20) /* bytes */
#define CTL_MISSIONS_MAX 20000          /* what a gateway takes */
#define CTL_ZONES_MAX 5000
#define CTL_NAME_MAX 200 /* characters */

struct ctl_place {
    size_t where; /* line, or number of the feature from 1 */
    char *name;
    char *kind; /* NULL: not said */
    char *ref;  /* NULL: not said */
    double lat_deg, lon_deg;
    char *time_zone; /* zones only; NULL: not said */
    long promise_s;  /* zones only; 0: not said */
    char *geometry;  /* zones only: GeoJSON, Polygon or MultiPolygon */
};

struct ctl_fault {
    size_t where;
    char text[160];
};

struct ctl_places {
    size_t count, room;
    struct ctl_place *places;
    size_t fault_count, fault_room;
    struct ctl_fault *faults;
    const char *unit; /* what `where` counts: "line", "feature" */
};

/* PT_E_MALFORMED: not such a file at all; `message` says why. PT_E_FULL:
 * more than the limits above. On success the caller gives `ret` to
 * ctl_places_clear(). Of a CSV `bytes` is written to, bytes[size] too. */
PT_MUST_CHECK enum pt_err ctl_missions_csv(char *bytes, size_t size,
                                           struct ctl_places *ret,
                                           char *message, size_t message_size);
PT_MUST_CHECK enum pt_err ctl_missions_geojson(const char *bytes, size_t size,
                                               struct ctl_places *ret,
                                               char *message,
                                               size_t message_size);
PT_MUST_CHECK enum pt_err ctl_zones_geojson(const char *bytes, size_t size,
                                            struct ctl_places *ret,
                                            char *message, size_t message_size);
/* Adds what was found to be wrong later. */
PT_MUST_CHECK enum pt_err ctl_places_fault(struct ctl_places *places,
                                           size_t where, const char *text);
void ctl_places_clear(struct ctl_places *places);

/* A decimal number, the whole of `text` (spaces around it apart), with a
 * point whatever the locale; false for anything else. */
bool ctl_parse_degrees(const char *text, double *ret);
/* "LAT,LON" within the globe. */
bool ctl_parse_point(const char *text, double *lat_deg, double *lon_deg);

/* ---------------------------------------------------------------- sse.c */
/* Server-sent events (WHATWG HTML, 9.2.6), from pieces of any size. */
#define CTL_SSE_BYTES_MAX ((size_t)1 << 20) /* a line, an event's data */

struct ctl_sse {
    void (*event)(void *context, const char *type, const char *data);
    void *context;
    char *line;
    size_t line_size, line_room;
    char *data;
    size_t data_size, data_room;
    char type[64];
    bool after_return; /* a line feed that follows belongs to it */
    bool started;      /* a byte order mark would be over */
};

/* PT_E_FULL: a line or an event is longer than the limit. */
PT_MUST_CHECK enum pt_err ctl_sse_feed(struct ctl_sse *sse, const char *bytes,
                                       size_t size);
void ctl_sse_clear(struct ctl_sse *sse);

#endif

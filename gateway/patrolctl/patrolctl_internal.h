#ifndef PATROLCTL_INTERNAL_H
#define PATROLCTL_INTERNAL_H
/* What patrolctl's commands share: how they are called, how they end, and
 * their way to the database and to the gateway. A command runs once, in one
 * thread, and may block: there is a person (or a script) waiting for it. */
#include "geo.h"
#include "patrolctl.h"
#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ctl_exit { /* documented in --help */
                CTL_OK = 0,
                CTL_REFUSED = 1,     /* answered, with an error */
                CTL_USAGE = 2,       /* called wrongly */
                CTL_UNREACHABLE = 3, /* no gateway or database */
                CTL_BAD_INPUT = 4,   /* the input file is of no use */
};

struct ctl;

struct ctl_command {
    const char *words;     /* "roads import" */
    const char *arguments; /* "FILE" */
    const char *summary;   /* one line, for the list of commands */
    const char *about;     /* what --help says */
    const char *example;
    enum ctl_exit (*run)(struct ctl *ctl, int argc, char **argv);
};

enum ctl_option_type {
    CTL_FLAG,   /* bool */
    CTL_TEXT,   /* const char * */
    CTL_NUMBER, /* long, at least `least` and at most `most` */
    CTL_SINCE,  /* struct ctl_time: a time of the past */
    CTL_UNTIL,  /* struct ctl_time: a time to come */
    CTL_LIST,   /* struct ctl_list: may be given several times */
};

struct ctl_time {
    const char *at; /* RFC 3339, UTC; NULL: not given */
    char text[CTL_TIME_BYTES];
};

#define CTL_LIST_MAX 32
struct ctl_list {
    size_t count;
    const char *items[CTL_LIST_MAX];
};

struct ctl_option {
    const char *name; /* without "--"; NULL ends the table */
    char letter;      /* 0: none */
    enum ctl_option_type type;
    void *value;
    const char *argument; /* "SECONDS" */
    const char *help;
    long least, most;
};

/* One call of the program. Texts are borrowed from argv and environment. */
struct ctl {
    const struct ctl_command *command;
    const char *database;
    const char *gateway;
    bool json;
    int argc; /* what is left beside the options */
    char **argv;
};

/* Sorts `argv` into options (those of the command and those of every
 * command) and the rest, between `least` and `most` words. False when the
 * command is over: wrongly called or asked for help; `*ret` is how it ends. */
bool ctl_parse(struct ctl *ctl, const struct ctl_option *options, int argc,
               char **argv, int least, int most, enum ctl_exit *ret);

/* "en", "es" or "fr": what is asked for (--language), else what the terminal
 * speaks, else English. NULL after a complaint. */
const char *ctl_language(const char *asked);

/* One line on standard error, "patrolctl: ...", control characters made
 * harmless. */
__attribute__((format(printf, 1, 2))) void ctl_complain(const char *format,
                                                        ...);

/* ---------------------------------------------------------- commands */
enum ctl_exit cmd_ca_init(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_ca_server(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_ca_client(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_enroll(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_pace(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_roads_import(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_roads_learn(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_roads_profiles(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_missions_import(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_posts_import(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_posts(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_zones_import(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_add(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_closure_add(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_closure_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_closure_remove(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_nearest(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_weak(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_what_if(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_gaps(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_history(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_moves(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_plan(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_plans(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_posts(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_coverage_replay(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_report_coverage(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_report_eta(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_route(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_units(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_show(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_heard(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_unit_seen(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_missions(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_zones(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_track(struct ctl *ctl, int argc, char **argv);
enum ctl_exit cmd_watch(struct ctl *ctl, int argc, char **argv);

/* -------------------------------------------------------- what they share */
/* Prints the table to standard output. */
enum ctl_exit ctl_table_show(const struct ctl_table *table);
bool ctl_ends_with(const char *path, const char *ending);
/* The file's bytes ("-": standard input), terminated; NULL, and a complaint
 * made, when it cannot be read or is longer than CTL_FILE_MAX. The caller
 * frees them. */
char *ctl_read_file(const char *path, size_t *size);

/* ---------------------------------------------------------- progress */
/* A bar on a terminal; elsewhere a line where a phase begins. Standard
 * error. */
struct ctl_progress {
    bool terminal;
    int percent;       /* last drawn; -1: nothing */
    const char *phase; /* last drawn */
};
void ctl_progress_start(struct ctl_progress *progress);
void ctl_progress_show(struct ctl_progress *progress, double share,
                       const char *phase);
/* Wipes the bar, so that what follows starts on a clean line. */
void ctl_progress_end(struct ctl_progress *progress);

/* ---------------------------------------------------------- database */
/* NULL, and a complaint made, when there is none. PQfinish() it. */
PGconn *ctl_database(const struct ctl *ctl);
/* Runs a command or a query; parameters as text, NULL for null. NULL, and a
 * complaint made, when the database refused. PQclear() it. */
PGresult *ctl_query(PGconn *conn, const char *sql, int param_count,
                    const char *const *params);
/* The same where only success counts. */
bool ctl_run(PGconn *conn, const char *sql);
/* How the command ends after a query failed. */
enum ctl_exit ctl_database_exit(const PGconn *conn);

/* COPY ... FROM STDIN (FORMAT binary), row by row (PostgreSQL's manual,
 * COPY, "Binary Format"). The first failure sticks; later calls are
 * harmless, and ctl_copy_end() tells. */
#define CTL_COPY_BYTES ((size_t)1 << 16)
struct ctl_copy {
    PGconn *conn;
    bool failed;
    size_t used;
    unsigned char buffer[CTL_COPY_BYTES];
};
void ctl_copy_begin(struct ctl_copy *copy, PGconn *conn, const char *sql);
void ctl_copy_row(struct ctl_copy *copy, int fields);
void ctl_copy_null(struct ctl_copy *copy);
void ctl_copy_bool(struct ctl_copy *copy, bool value);
void ctl_copy_int2(struct ctl_copy *copy, int16_t value);
void ctl_copy_int4(struct ctl_copy *copy, int32_t value);
void ctl_copy_int8(struct ctl_copy *copy, int64_t value);
void ctl_copy_real(struct ctl_copy *copy, float value);
void ctl_copy_text(struct ctl_copy *copy, const char *text); /* or NULL */
void ctl_copy_int4_array(struct ctl_copy *copy, const int32_t *values,
                         uint32_t count);
/* The words of a text that `;` separates, blanks around them taken off, as a
 * text[]; of NULL an empty one. */
void ctl_copy_words(struct ctl_copy *copy, const char *text);
/* Geometry in EPSG:4326 as PostGIS' extended WKB; one point is a Point,
 * more are a LineString. */
void ctl_copy_geometry(struct ctl_copy *copy, const struct geo_point *points,
                       uint32_t count);
bool ctl_copy_end(struct ctl_copy *copy);

#endif

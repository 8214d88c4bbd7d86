#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H
/* What the files of db share: db.c makes and loses connections, db_request.c
 * moves requests through one. */
#include "db.h"

#define ERROR_BYTES 512

enum state {
    STATE_CONNECTING, /* on the pool */
    STATE_UP,
    STATE_WAITING, /* for the next try */
    STATE_CLOSING,
};

struct request {
    char *sql;
    size_t param_count;
    char **params; /* one block with the texts; NULL without parameters */
    char *copy;    /* NULL: a query */
    size_t copy_size;
    size_t copy_sent;
    db_answer answer;
    void *context;
};

struct db {
    uv_loop_t *loop;
    char *conninfo;
    char *name;
    struct db_events events;
    enum state state;

    uv_work_t connect;
    bool connect_pending;
    PGconn *fresh; /* the pool's; ours once its work is done */

    PGconn *conn;
    uv_poll_t *poll;  /* one per connection: closing takes a turn of the loop */
    int polled;       /* events asked for */
    uv_timer_t timer; /* next try; or, while up, a loss found while sending */
    unsigned handles; /* not closed yet */
    unsigned tries;

    struct request *queue[DB_QUEUE_MAX]; /* ring; the first is under way */
    size_t first;
    size_t count;
    bool sent;        /* the first one has been handed to libpq */
    bool copying;     /* its data is being sent */
    PGresult *result; /* of it: the first failure, else the last answer */

    char sqlstate[6];
    char error[ERROR_BYTES];
    void (*done)(void *context);
    void *done_context;
};

/* Keeps the reason of a failure, on one line. `sqlstate` may be NULL. */
void db_keep_error(struct db *db, const char *sqlstate, const char *message);

/* The connection is gone: every request fails, the next try is set. */
void db_lost(struct db *db);

/* Sends what can be sent and watches for what it waits for. */
void db_progress(struct db *db);

/* Ends every request with PT_E_DB. */
void db_fail_requests(struct db *db);

bool db_is_failure(const PGresult *result);

#endif

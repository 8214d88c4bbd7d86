#ifndef DB_H
#define DB_H
/* db: one PostgreSQL connection on a libuv loop. Connecting (name look-up,
 * TLS, password) happens on libuv's pool, everything else without blocking
 * on the loop; a lost connection is made again with bounded back-off and
 * jitter. One request at a time, in order, from a bounded queue. Loop thread
 * only. */
#include "pt_err.h"
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct db;

struct db_events {
    void *context;
    /* Each may be NULL. */
    void (*up)(void *context);   /* connected (again): LISTEN here */
    void (*down)(void *context); /* every request under way has failed */
    void (*notified)(void *context, const char *channel, const char *payload);
};

/* `name` appears in logs and as application_name. Copies the settings. */
PT_MUST_CHECK enum pt_err db_new(uv_loop_t *loop, const char *conninfo,
                                 const char *name,
                                 const struct db_events *events,
                                 struct db **ret);
/* Requests not yet answered end with PT_E_DB before this returns; `done` (may
 * be NULL) comes from the loop when all handles are closed. NULL db is
 * fine. Not twice. */
void db_close(struct db *db, void (*done)(void *context), void *context);
bool db_is_up(const struct db *db);
size_t db_waiting(const struct db *db); /* requests not yet answered */

/* `result` is NULL unless err is PT_OK; borrowed for the call. */
typedef void (*db_answer)(void *context, enum pt_err err, PGresult *result);

#define DB_QUEUE_MAX 64

/* Text parameters (NULL: null) and text results, both copied or borrowed as
 * said. Without parameters `sql` may be several statements: the answer is
 * the first failure or the last result. PT_E_AGAIN when down or when
 * DB_QUEUE_MAX are waiting; then `answer`, which may be NULL, is not called.
 * Sessions have the time zone UTC, ISO dates and UTF-8. */
PT_MUST_CHECK enum pt_err db_query(struct db *db, const char *sql,
                                   size_t param_count,
                                   const char *const *params, db_answer answer,
                                   void *context);

/* COPY ... FROM STDIN: `data` (owned by db from here on, also when this
 * fails; freed by free()) is sent as it is. The answer comes when the server
 * has said COPY n. PT_E_AGAIN as above. */
PT_MUST_CHECK enum pt_err db_copy(struct db *db, const char *sql, char *data,
                                  size_t size, db_answer answer, void *context);

/* The server's SQLSTATE of the last failure ("" when it was the
 * connection), for telling a bad row from a lost database. */
const char *db_sqlstate(const struct db *db);
const char *db_error(const struct db *db); /* one line, for the log */

#endif

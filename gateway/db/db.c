#include "db_internal.h"

#include "backoff.h"
#include "pt_log.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Seconds that one host may take to accept us, and the times after which a
 * peer that vanished without a word counts as lost (libpq's names). What the
 * settings say themselves goes before these. */
#define CONNECT_TIMEOUT_S "10"
#define TCP_USER_TIMEOUT_MS "30000"
#define KEEPALIVE_S "10"

/* So that gateways do not come back in step, half of a wait is chance. */
static const struct backoff retry = {.first_ms = 100, .max_ms = 10000};

static void try_connect(struct db *db);

static void forget_error(struct db *db)
{
    db->sqlstate[0] = '\0';
    db->error[0] = '\0';
}

/* libpq's messages have several lines; the log wants one. */
void db_keep_error(struct db *db, const char *sqlstate, const char *message)
{
    size_t length = strlen(message);

    if (length >= sizeof db->error)
        length = sizeof db->error - 1;
    memcpy(db->error, message, length);
    db->error[length] = '\0';
    for (char *c = db->error; *c != '\0'; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    while (length > 0 && db->error[length - 1] == ' ')
        db->error[--length] = '\0';
    strncpy(db->sqlstate, sqlstate ? sqlstate : "", sizeof db->sqlstate - 1);
    db->sqlstate[sizeof db->sqlstate - 1] = '\0';
}

/* ---- connections */

static void on_notice(void *context, const PGresult *result)
{
    const struct db *db = context;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    pt_log(PT_LOG_DEBUG, "database (%s): %s", db->name, text ? text : "notice");
}

static void finish_close(struct db *db);

static void on_poll_closed(uv_handle_t *handle)
{
    struct db *db = handle->data;

    free(handle);
    db->handles--;
    finish_close(db);
}

static void drop_connection(struct db *db)
{
    /* uv_close() stops watching at once, so the descriptor may go. */
    if (db->poll)
        uv_close((uv_handle_t *)db->poll, on_poll_closed);
    db->poll = NULL;
    db->polled = 0;
    PQclear(db->result);
    db->result = NULL;
    PQfinish(db->conn);
    db->conn = NULL;
}

static void on_retry(uv_timer_t *timer)
{
    try_connect(timer->data);
}

static void wait_for_retry(struct db *db)
{
    uint64_t wait_ms = backoff_wait_ms(&retry, db->tries++, backoff_random());

    db->state = STATE_WAITING;
    uv_timer_start(&db->timer, on_retry, wait_ms, 0);
}

void db_lost(struct db *db)
{
    const char *message = PQerrorMessage(db->conn);

    /* The server's last word ("terminating connection due to ...") says more
     * than the end of the stream. */
    if (db->result && db_is_failure(db->result))
        message = PQresultErrorMessage(db->result);
    if (*message != '\0' || db->error[0] == '\0')
        db_keep_error(db, NULL, *message != '\0' ? message : "connection lost");
    db->sqlstate[0] = '\0';
    pt_log(PT_LOG_WARN, "database (%s): connection lost: %s", db->name,
           db->error);
    drop_connection(db);
    wait_for_retry(db);
    db_fail_requests(db);
    if (db->state != STATE_CLOSING && db->events.down)
        db->events.down(db->events.context);
}

/* Times and floats as text must not depend on the server's settings. */
static const char session_sql[] =
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = "
    "'postgres'; SET extra_float_digits = 1";

/* On the pool. What fails leaves its reason in the connection. */
static void connect_work(uv_work_t *work)
{
    struct db *db = work->data;
    /* A later word goes before an earlier one. */
    const char *const keywords[] = {"connect_timeout",
                                    "tcp_user_timeout",
                                    "keepalives_idle",
                                    "dbname",
                                    "application_name",
                                    "client_encoding",
                                    NULL};
    const char *const values[] = {CONNECT_TIMEOUT_S,
                                  TCP_USER_TIMEOUT_MS,
                                  KEEPALIVE_S,
                                  db->conninfo,
                                  db->name,
                                  "UTF8",
                                  NULL};

    db->fresh = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(db->fresh) == CONNECTION_OK)
        PQclear(PQexec(db->fresh, session_sql));
}

static bool watch(struct db *db)
{
    db->poll = malloc(sizeof *db->poll);
    if (!db->poll)
        return false;
    if (uv_poll_init(db->loop, db->poll, PQsocket(db->conn)) != 0) {
        free(db->poll);
        db->poll = NULL;
        return false;
    }
    db->poll->data = db;
    db->handles++;
    return true;
}

static void connect_done(uv_work_t *work, int status)
{
    struct db *db = work->data;

    db->connect_pending = false;
    db->conn = db->fresh;
    db->fresh = NULL;
    if (db->state == STATE_CLOSING) {
        drop_connection(db);
        finish_close(db);
        return;
    }
    if (status != 0 || PQstatus(db->conn) != CONNECTION_OK ||
        PQsetnonblocking(db->conn, 1) != 0 || !watch(db)) {
        db_keep_error(db, NULL,
                      db->conn ? PQerrorMessage(db->conn) : "out of memory");
        pt_log(PT_LOG_WARN, "database (%s): no connection: %s", db->name,
               db->error);
        drop_connection(db);
        wait_for_retry(db);
        return;
    }
    PQsetNoticeReceiver(db->conn, on_notice, db);
    forget_error(db);
    db->tries = 0;
    db->state = STATE_UP;
    pt_log(PT_LOG_NOTICE, "database (%s): connected", db->name);
    db_progress(db);
    if (db->events.up)
        db->events.up(db->events.context);
}

static void try_connect(struct db *db)
{
    db->state = STATE_CONNECTING;
    db->connect.data = db;
    if (uv_queue_work(db->loop, &db->connect, connect_work, connect_done) != 0)
        wait_for_retry(db);
    else
        db->connect_pending = true;
}

/* ---- life and end */

enum pt_err db_new(uv_loop_t *loop, const char *conninfo, const char *name,
                   const struct db_events *events, struct db **ret)
{
    struct db *db = calloc(1, sizeof *db);

    if (!db)
        return PT_E_NOMEM;
    db->loop = loop;
    db->conninfo = strdup(conninfo);
    db->name = strdup(name);
    if (!db->conninfo || !db->name) {
        free(db->conninfo);
        free(db->name);
        free(db);
        return PT_E_NOMEM;
    }
    if (events)
        db->events = *events;
    uv_timer_init(loop, &db->timer);
    db->timer.data = db;
    db->handles = 1;
    try_connect(db);
    *ret = db;
    return PT_OK;
}

static void finish_close(struct db *db)
{
    if (db->state != STATE_CLOSING || db->handles > 0 || db->connect_pending)
        return;
    if (db->done)
        db->done(db->done_context);
    free(db->conninfo);
    free(db->name);
    free(db);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct db *db = handle->data;

    db->handles--;
    finish_close(db);
}

void db_close(struct db *db, void (*done)(void *context), void *context)
{
    if (!db) {
        if (done)
            done(context);
        return;
    }
    assert(db->state != STATE_CLOSING);
    db->done = done;
    db->done_context = context;
    db->state = STATE_CLOSING;
    db_keep_error(db, NULL, "closing");
    if (db->connect_pending)
        uv_cancel((uv_req_t *)&db->connect); /* connect_done() comes anyway */
    drop_connection(db);
    db_fail_requests(db);
    uv_close((uv_handle_t *)&db->timer, on_timer_closed);
}

bool db_is_up(const struct db *db)
{
    return db->state == STATE_UP;
}

size_t db_waiting(const struct db *db)
{
    return db->count;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

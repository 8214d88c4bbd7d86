#include "db_internal.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* COPY data goes to libpq in pieces, so that no more than this is buffered
 * there beyond what the socket takes. */
#define COPY_PIECE ((size_t)64 * 1024)

/* ---- requests */

static void request_free(struct request *request)
{
    if (!request)
        return;
    free(request->sql);
    free(request->params);
    free(request->copy);
    free(request);
}

/* The pointers and the texts in one block. */
static char **copy_params(size_t count, const char *const *params)
{
    size_t size = count * sizeof(char *);
    char **copy;
    char *text;

    for (size_t i = 0; i < count; i++)
        size += params[i] ? strlen(params[i]) + 1 : 0;
    copy = malloc(size);
    if (!copy)
        return NULL;
    text = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = params[i] ? strlen(params[i]) + 1 : 0;

        copy[i] = params[i] ? memcpy(text, params[i], length) : NULL;
        text += length;
    }
    return copy;
}

static void enqueue(struct db *db, struct request *request)
{
    db->queue[(db->first + db->count) % DB_QUEUE_MAX] = request;
    db->count++;
    if (db->count == 1) /* else the one under way calls for it */
        db_progress(db);
}

static struct request *dequeue(struct db *db)
{
    struct request *request = db->queue[db->first];

    db->first = (db->first + 1) % DB_QUEUE_MAX;
    db->count--;
    db->sent = false;
    db->copying = false;
    return request;
}

static bool accepts(const struct db *db)
{
    return db->state == STATE_UP && db->count < DB_QUEUE_MAX;
}

enum pt_err db_query(struct db *db, const char *sql, size_t param_count,
                     const char *const *params, db_answer answer, void *context)
{
    struct request *request;

    assert(param_count <= UINT16_MAX); /* the protocol's limit */
    if (!accepts(db))
        return PT_E_AGAIN;
    request = calloc(1, sizeof *request);
    if (!request)
        return PT_E_NOMEM;
    request->sql = strdup(sql);
    request->param_count = param_count;
    if (param_count > 0)
        request->params = copy_params(param_count, params);
    if (!request->sql || (param_count > 0 && !request->params)) {
        request_free(request);
        return PT_E_NOMEM;
    }
    request->answer = answer;
    request->context = context;
    enqueue(db, request);
    return PT_OK;
}

enum pt_err db_copy(struct db *db, const char *sql, char *data, size_t size,
                    db_answer answer, void *context)
{
    struct request *request;

    if (!accepts(db)) {
        free(data);
        return PT_E_AGAIN;
    }
    request = calloc(1, sizeof *request);
    if (!request) {
        free(data);
        return PT_E_NOMEM;
    }
    request->copy = data;
    request->copy_size = size;
    request->sql = strdup(sql);
    if (!request->sql) {
        request_free(request);
        return PT_E_NOMEM;
    }
    request->answer = answer;
    request->context = context;
    enqueue(db, request);
    return PT_OK;
}

void db_fail_requests(struct db *db)
{
    while (db->count > 0) {
        struct request *request = dequeue(db);

        if (request->answer)
            request->answer(request->context, PT_E_DB, NULL);
        request_free(request);
    }
}

/* ---- sending and receiving */

bool db_is_failure(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
           status != PGRES_EMPTY_QUERY;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void on_doomed(uv_timer_t *timer)
{
    db_lost(timer->data);
}

/* A loss met while a caller is handing us a request: told from the loop, so
 * that no answer comes before db_query() has returned. */
static void doom(struct db *db)
{
    db_keep_error(db, NULL, PQerrorMessage(db->conn));
    uv_timer_start(&db->timer, on_doomed, 0, 0);
}

static void poll_for(struct db *db, int events)
{
    if (events == db->polled)
        return;
    db->polled = events;
    if (uv_poll_start(db->poll, events, on_ready) != 0)
        doom(db);
}

/* Hands more of the COPY to libpq while the socket takes it. Returns
 * PQflush()'s word: 0 all gone, 1 wait for the socket, -1 lost. */
static int send_copy(struct db *db, struct request *request)
{
    while (request->copy_sent < request->copy_size) {
        size_t piece = request->copy_size - request->copy_sent;
        int flushed = PQflush(db->conn);
        int put;

        if (flushed != 0)
            return flushed;
        if (piece > COPY_PIECE)
            piece = COPY_PIECE;
        put = PQputCopyData(db->conn, request->copy + request->copy_sent,
                            (int)piece);
        if (put <= 0)
            return put < 0 ? -1 : 1;
        request->copy_sent += piece;
    }
    switch (PQputCopyEnd(db->conn, NULL)) {
    case 1:
        db->copying = false;
        return PQflush(db->conn);
    case 0:
        return 1;
    default:
        return -1;
    }
}

static int send_request(struct db *db, const struct request *request)
{
    /* Without parameters by the simple protocol, which takes several
     * statements at once. */
    if (request->param_count == 0)
        return PQsendQuery(db->conn, request->sql);
    return PQsendQueryParams(db->conn, request->sql, (int)request->param_count,
                             NULL, (const char *const *)request->params, NULL,
                             NULL, 0);
}

/* Sends what can be sent and asks for the events that it waits for. */
void db_progress(struct db *db)
{
    int flushed = 0;

    if (db->state != STATE_UP)
        return;
    if (db->count > 0 && !db->sent) {
        db->sent = true;
        if (!send_request(db, db->queue[db->first])) {
            doom(db);
            return;
        }
    }
    flushed =
        db->copying ? send_copy(db, db->queue[db->first]) : PQflush(db->conn);
    if (flushed < 0) {
        doom(db);
        return;
    }
    poll_for(db, flushed ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void answer_first(struct db *db)
{
    struct request *request = dequeue(db);
    PGresult *result = db->result;
    enum pt_err err = PT_OK;

    db->result = NULL;
    if (!result || db_is_failure(result)) {
        err = PT_E_DB;
        db_keep_error(
            db, result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL,
            result ? PQresultErrorMessage(result) : "no result");
    }
    if (request->answer)
        request->answer(request->context, err, err == PT_OK ? result : NULL);
    PQclear(result);
    request_free(request);
}

/* The first failure of a request stays, else its last result. */
static void keep_result(struct db *db, PGresult *result)
{
    if (db->result && db_is_failure(db->result)) {
        PQclear(result);
        return;
    }
    PQclear(db->result);
    db->result = result;
}

/* One result of the request under way; false when that was an error of the
 * protocol, after which nothing on this connection can be trusted. */
static bool take_result(struct db *db, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COPY_IN:
        PQclear(result);
        if (db->queue[db->first]->copy) {
            db->copying = true;
            return true;
        }
        return PQputCopyEnd(db->conn, "no data was given") != -1;
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        PQclear(result);
        return false;
    default:
        keep_result(db, result);
        return true;
    }
}

static void tell_notifications(struct db *db)
{
    PGnotify *notify;

    while (db->state == STATE_UP && (notify = PQnotifies(db->conn)) != NULL) {
        if (db->events.notified)
            db->events.notified(db->events.context, notify->relname,
                                notify->extra);
        PQfreemem(notify);
    }
}

/* Takes every result that has come in whole. False: connection lost. */
static bool take_results(struct db *db)
{
    while (db->state == STATE_UP && db->sent && !db->copying &&
           !PQisBusy(db->conn)) {
        PGresult *result = PQgetResult(db->conn);

        if (result) {
            if (!take_result(db, result))
                return false;
        } else if (PQstatus(db->conn) == CONNECTION_BAD) {
            return false;
        } else {
            answer_first(db);
            db_progress(db);
        }
    }
    return db->state != STATE_UP || PQstatus(db->conn) != CONNECTION_BAD;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct db *db = poll->data;
    bool alive = true;
    bool copied;

    if (db->state != STATE_UP || db->poll != poll)
        return;
    /* libuv stops to watch a socket with an error. That need not show below:
     * what the server said last is read first, and its end only after it. */
    if (status < 0)
        db->polled = 0;
    if (status < 0 || (events & UV_READABLE)) /* an error shows when read */
        alive = PQconsumeInput(db->conn) == 1;
    tell_notifications(db);
    do {
        /* Also after a loss: what the server said last is the reason. */
        alive = take_results(db) && alive;
        if (db->state != STATE_UP)
            return;
        if (!alive) {
            db_lost(db);
            return;
        }
        copied = db->copying;
        db_progress(db);
        /* A COPY refused half-way has its answer in libpq's hands by the
         * time the data ends; the socket will not call again. */
    } while (copied && !db->copying);
    /* libpq looks no further than a result that is not taken yet: what came
     * behind it, such as the notice of our own change, is seen only now. */
    tell_notifications(db);
}

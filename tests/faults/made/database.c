/* PostgreSQL as store sees it: a session for each lane, requests answered in
 * order, connections that get lost with whatever they were at. */
#include "database_internal.h"

#include <stdlib.h>
#include <string.h>

struct db *sessions[SESSIONS];
static struct db memory[SESSIONS];
static int64_t away_until_ms;

/* ---- the connection */

/* The first of the queue is on its way to the server. */
static void ask(struct db *db)
{
    db->phase = PHASE_ASKED;
    db->lock_until_ms = 0;
    db->at_ms = sim.now_ms + (int64_t)draw(3);
    if (!sim.calm && strikes(3))
        db->at_ms += (int64_t)draw(15000);
}

static void pop(struct db *db, struct request *ret)
{
    *ret = db->queue[0];
    db->count--;
    memmove(db->queue, db->queue + 1, db->count * sizeof db->queue[0]);
    if (db->count > 0)
        ask(db);
    else
        db->lock_until_ms = 0;
}

/* All that is not answered fails; what the server was at may be done. */
static void lose_connection(struct db *db, int64_t away_ms)
{
    if (!db->up)
        return;
    if (db->count > 0 && db->phase == PHASE_ASKED && strikes(300) &&
        sql_execute(db, &db->queue[0]) == PT_OK &&
        sql_begins(&db->queue[0], "COMMIT"))
        sim.totals.faults[EV_COMMIT_LOST]++;
    sql_forget_transaction(db);
    db->up = false;
    db->up_at_ms = sim.now_ms + away_ms;
    db->sqlstate[0] = '\0';
    size_t failed = db->count;
    for (size_t i = 0; i < failed; i++) {
        struct request request;
        pop(db, &request);
        free(request.memory);
        if (request.answer != NULL)
            request.answer(request.context, PT_E_DB, NULL);
    }
    if (db->events.down != NULL)
        db->events.down(db->events.context);
}

static void come_up(struct db *db)
{
    if (sim.now_ms < away_until_ms) {
        db->up_at_ms = away_until_ms + (int64_t)draw(3000);
        return;
    }
    db->up = true;
    if (db->events.up != NULL)
        db->events.up(db->events.context);
}

static void answer_first(struct db *db)
{
    struct request request;
    enum pt_err err = db->err;
    bool lose = db->lose_commit && sql_begins(&db->queue[0], "COMMIT");
    if (lose && !sim.calm) {
        db->lose_commit = false;
        sim.totals.faults[EV_COMMIT_LOST]++;
        lose_connection(db, 100 + (int64_t)draw(2000));
        return;
    }
    pop(db, &request);
    if (request.answer != NULL)
        request.answer(request.context, err, err == PT_OK ? &db->result : NULL);
    free(request.memory);
}

/* On the server; the gateway hears of it later. */
static void execute_first(struct db *db)
{
    db->err = sql_execute(db, &db->queue[0]);
    if (db->err == PT_E_AGAIN) { /* released locks wake it */
        db->at_ms = db->lock_until_ms;
        return;
    }
    db->phase = PHASE_DONE;
    db->at_ms = sim.now_ms + (int64_t)draw(3);
}

static void advance(struct db *db)
{
    if (db->up && db->phase == PHASE_ASKED) {
        execute_first(db);
        return;
    }
    gate_enter(db->gate);
    if (db->up)
        answer_first(db);
    else
        come_up(db);
    gate_tick(db->gate);
}

static int64_t session_next_ms(const struct db *db)
{
    if (db == NULL)
        return NEVER;
    if (!db->up)
        return db->up_at_ms;
    return db->count > 0 ? db->at_ms : NEVER;
}

int64_t database_next_ms(void)
{
    int64_t at_ms = NEVER;
    for (unsigned i = 0; i < SESSIONS; i++)
        at_ms = soonest(at_ms, session_next_ms(sessions[i]));
    return at_ms;
}

bool database_run_one(void)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (sessions[i] == NULL || session_next_ms(sessions[i]) > sim.now_ms)
            continue;
        advance(sessions[i]);
        return true;
    }
    return false;
}

/* ---- db.h */

enum pt_err db_new(uv_loop_t *loop, const char *conninfo, const char *name,
                   const struct db_events *events, struct db **ret)
{
    unsigned session = gate_starting() * STORE_LANES;
    while (sessions[session] != NULL) /* its other lanes */
        session++;
    struct db *db = &memory[session];
    (void)loop;
    (void)conninfo;
    (void)name;
    db->gate = gate_starting();
    db->session = session;
    db->events = *events;
    db->up = db->lose_commit = false;
    db->refuse[0] = db->sqlstate[0] = '\0';
    db->count = db->pending_count = db->latest_count = 0;
    db->phase = PHASE_ASKED;
    db->lock_until_ms = 0;
    db->in_transaction = db->aborted = false;
    db->up_at_ms = sim.now_ms + 1 + (int64_t)draw(50);
    sessions[session] = db;
    *ret = db;
    return PT_OK;
}

void db_close(struct db *db, void (*done)(void *context), void *context)
{
    db->events = (struct db_events){0};
    lose_connection(db, 0);
    sessions[db->session] = NULL;
    if (done != NULL)
        done(context);
}

/* Its first connection stands for the one by which the catalog is read. */
bool database_is_up(unsigned gate)
{
    const struct db *db = sessions[gate * STORE_LANES];
    return db != NULL && db->up;
}

bool db_is_up(const struct db *db)
{
    return db->up;
}

static struct request *next_request(struct db *db, db_answer answer,
                                    void *context)
{
    if (!db->up || db->count == DB_QUEUE_MAX)
        return NULL;
    struct request *request = &db->queue[db->count++];
    *request = (struct request){.answer = answer, .context = context};
    if (db->count == 1)
        ask(db);
    return request;
}

enum pt_err db_query(struct db *db, const char *sql, size_t param_count,
                     const char *const *params, db_answer answer, void *context)
{
    struct request *request = next_request(db, answer, context);
    size_t size = 1;
    if (request == NULL)
        return PT_E_AGAIN;
    for (size_t i = 0; i < param_count; i++)
        size += strlen(params[i]) + 1;
    request->sql = sql; /* store's are constants */
    request->memory = malloc(size);
    if (request->memory == NULL)
        abort();
    char *at = request->memory;
    for (size_t i = 0; i < param_count; i++) {
        size_t length = strlen(params[i]) + 1;
        request->params[i] = memcpy(at, params[i], length);
        at += length;
    }
    return PT_OK;
}

enum pt_err db_copy(struct db *db, const char *sql, char *data, size_t size,
                    db_answer answer, void *context)
{
    struct request *request = next_request(db, answer, context);
    if (request == NULL) {
        free(data);
        return PT_E_AGAIN;
    }
    request->sql = sql;
    request->memory = data;
    request->size = size;
    request->copy = true;
    return PT_OK;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

const char *db_error(const struct db *db)
{
    return db->sqlstate;
}

/* ---- libpq's results */

int PQntuples(const PGresult *result)
{
    return (int)result->rows;
}

char *PQgetvalue(const PGresult *result, int row, int column)
{
    const struct pg_result *r = result;
    if (column == 3) /* a ledger's ranges may be long */
        return (char *)r->ranges[row];
    return (char *)r->cells[row][column];
}

char *PQcmdStatus(PGresult *result)
{
    return (char *)result->status;
}

/* ---- faults */

void database_reset(void)
{
    for (unsigned i = 0; i < SESSIONS; i++)
        sessions[i] = NULL;
    sql_reset();
    away_until_ms = 0;
}

static void cut(struct db *db, int64_t away_ms)
{
    if (db == NULL)
        return;
    gate_enter(db->gate);
    lose_connection(db, away_ms);
    gate_tick(db->gate);
}

void database_away(int64_t until_ms)
{
    away_until_ms = until_ms;
    for (unsigned i = 0; i < SESSIONS; i++)
        cut(sessions[i], until_ms - sim.now_ms);
}

/* One of the gateway's, or all. */
void database_cut(unsigned gate, int64_t away_ms)
{
    unsigned which = (unsigned)draw(STORE_LANES + 1);
    for (unsigned i = 0; i < STORE_LANES; i++)
        if (which == i || which == STORE_LANES)
            cut(sessions[gate * STORE_LANES + i], away_ms);
}

static struct db *one_of(unsigned gate)
{
    return sessions[gate * STORE_LANES + draw(STORE_LANES)];
}

void database_lose_commit(unsigned gate)
{
    struct db *db = one_of(gate);
    if (db != NULL)
        db->lose_commit = true;
}

void database_refuse(unsigned gate, const char *sqlstate)
{
    struct db *db = one_of(gate);
    if (db != NULL)
        snprintf(db->refuse, sizeof db->refuse, "%s", sqlstate);
}

void database_connect(unsigned gate)
{
    away_until_ms = 0;
    for (unsigned i = gate * STORE_LANES; i < (gate + 1) * STORE_LANES; i++)
        if (sessions[i] != NULL && !sessions[i]->up)
            sessions[i]->up_at_ms = sim.now_ms + 1;
}

#ifndef DATABASE_INTERNAL_H
#define DATABASE_INTERNAL_H
/* database.c: sessions and their faults; database_sql.c: tables and what the
 * statements do to them. */
#include "sim.h"

#include "db.h"
#include "store_internal.h"

struct pg_result {
    size_t rows;
    const char *status;
    char cells[64][5][24];
    const char *ranges[64];
};

struct request {
    char *memory; /* sql, then parameters; or COPY's data */
    const char *sql;
    const char *params[SQL_PARAMS_MAX];
    size_t size;
    bool copy;
    db_answer answer;
    void *context;
};

enum phase { PHASE_ASKED, PHASE_DONE };

struct db {
    unsigned gate;
    unsigned session;
    struct db_events events;
    bool up;
    int64_t up_at_ms;
    struct request queue[DB_QUEUE_MAX];
    size_t count;
    /* of the first request: */
    enum phase phase;
    int64_t at_ms;
    int64_t lock_until_ms; /* waits for a lock at most so long; 0: does not */
    int waits_for;         /* session that has it */
    enum pt_err err;
    struct pg_result result;
    char sqlstate[6];
    /* the server's side */
    bool in_transaction, aborted;
    size_t pending_count;
    struct row pending[1024];
    size_t latest_count;
    struct latest latest[VEHICLES + 1];
    uint32_t latest_unit[VEHICLES + 1];
    /* faults that wait for their moment */
    bool lose_commit;
    char refuse[6];
};

/* Those of a gateway stand together; NULL: it does not run. */
#define SESSIONS (GATES * STORE_LANES)
extern struct db *sessions[SESSIONS];

/* The first request of the session, on the server. PT_E_DB with a SQLSTATE,
 * or PT_E_AGAIN when it has to wait for a lock. */
PT_MUST_CHECK enum pt_err sql_execute(struct db *db,
                                      const struct request *request);
/* Whether the statement begins with `word`. */
bool sql_begins(const struct request *request, const char *word);
/* Rolls back what the session has under way. */
void sql_forget_transaction(struct db *db);
/* Empty tables. */
void sql_reset(void);

/* database_copy.c: the row at `at`, of whichever table, and what follows it;
 * NULL at the end. The first stands after the header. */
#define COPY_HEADER 19
const uint8_t *copy_row(const uint8_t *at, struct row *ret);

#endif

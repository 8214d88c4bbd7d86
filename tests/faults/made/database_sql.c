/* Tables, row locks, transactions and COPY, as far as store asks for them.
 * What store's statements mean is written down here once more: this is all
 * of the model that could be wrong together with them, and the reason why
 * tests/integration runs the same statements against the real thing. */
#include "database_internal.h"

#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 4096
#define LEDGERS_MAX 64
#define CELLS_MAX 1024
#define DAYS_MAX 4096
#define DAY_MS INT64_C(86400000)
#define LOCK_TIMEOUT_MS 10000
#define NOBODY (-1)

struct ledger_row {
    bool used;
    bool committed;
    int locked_by;
    uint32_t device;
    uint64_t generation;
    uint64_t stored_to, lost;
    char ranges[LEDGER_TEXT_MAX];
    bool changed; /* in the transaction that has it locked */
    uint64_t new_stored_to, new_lost;
    char new_ranges[LEDGER_TEXT_MAX];
};

static struct ledger_row ledgers[LEDGERS_MAX];
static struct row rows[ROWS_MAX];
static size_t row_count;
static struct latest latest[VEHICLES + 1];
static int64_t days[DAYS_MAX];
static size_t day_count;

/* ---- arrays of parameters, and COPY's fields */

struct cells {
    size_t count;
    char *cell[CELLS_MAX]; /* NULL: null */
};

/* Takes "{1,NULL,"a\"b"}" apart in place. */
static void take_apart(const char *text, char *room, struct cells *ret)
{
    char *out = room;
    const char *at = text + 1;
    ret->count = 0;
    while (*at != '}' && *at != '\0') {
        bool quoted = *at == '"';
        char *begin = out;
        if (quoted)
            at++;
        while (*at != '\0' &&
               (quoted ? *at != '"' : *at != ',' && *at != '}')) {
            if (quoted && *at == '\\')
                at++;
            *out++ = *at++;
        }
        *out++ = '\0';
        if (quoted)
            at++;
        if (ret->count == CELLS_MAX)
            abort();
        bool null = !quoted && strcmp(begin, "NULL") == 0;
        ret->cell[ret->count++] = null ? NULL : begin;
        if (*at == ',')
            at++;
    }
}

static struct cells columns[SQL_PARAMS_MAX];
static char *cell_room;
static size_t cell_room_size;

static void take_params(const struct request *request, size_t count)
{
    size_t need = 0;
    for (size_t i = 0; i < count; i++)
        need += strlen(request->params[i]) + 2;
    if (need > cell_room_size) {
        cell_room = own_realloc(cell_room, need * 2);
        cell_room_size = need * 2;
        if (cell_room == NULL)
            abort();
    }
    char *room = cell_room;
    for (size_t i = 0; i < count; i++) {
        take_apart(request->params[i], room, &columns[i]);
        room += strlen(request->params[i]) + 1;
    }
}

static int64_t number(size_t column, size_t row)
{
    const char *text = columns[column].cell[row];
    if (text == NULL)
        return 0;
    bool negative = *text == '-';
    uint64_t value = 0;
    for (text += negative; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return (int64_t)(negative ? 0 - value : value);
}

/* ---- tables */

static bool same_number(const struct row *row, enum table table, uint32_t unit,
                        uint64_t generation, uint64_t seq)
{
    return row->table == table && row->seq == seq &&
           row->generation == generation && row->unit == unit;
}

static const struct row *find_row(enum table table, uint32_t unit,
                                  uint64_t generation, uint64_t seq)
{
    for (size_t i = row_count; i-- > 0;)
        if (same_number(&rows[i], table, unit, generation, seq))
            return &rows[i];
    return NULL;
}

bool database_has(uint32_t device, uint64_t generation, uint64_t seq)
{
    for (int table = TABLE_POSITION; table <= TABLE_QUARANTINE; table++)
        if (find_row((enum table)table, device, generation, seq) != NULL)
            return true;
    return false;
}

size_t database_rows(const struct row **ret)
{
    *ret = rows;
    return row_count;
}

const struct latest *database_latest(uint32_t unit)
{
    return &latest[unit];
}

size_t database_ranges_max(void)
{
    size_t most = 0;
    for (size_t i = 0; i < LEDGERS_MAX; i++) {
        size_t count = 0;
        if (!ledgers[i].used)
            break;
        for (const char *c = ledgers[i].ranges; *c != '\0'; c++)
            count += *c == '[';
        if (count > most)
            most = count;
    }
    return most;
}

static bool has_day(int64_t time_ms)
{
    for (size_t i = 0; i < day_count; i++)
        if (days[i] == time_ms / DAY_MS)
            return true;
    return false;
}

static void make_day(int64_t day)
{
    if (!has_day(day * DAY_MS) && day_count < DAYS_MAX)
        days[day_count++] = day;
}

/* ---- a transaction's end */

/* Who waits for a lock looks again whether it is free. */
static void wake_others(const struct db *db)
{
    for (unsigned i = 0; i < SESSIONS; i++)
        if (sessions[i] != NULL && sessions[i] != db &&
            sessions[i]->lock_until_ms != 0)
            sessions[i]->at_ms = sim.now_ms;
}

static void release_locks(struct db *db, bool commit)
{
    bool any = false;
    for (size_t i = 0; i < LEDGERS_MAX && ledgers[i].used; i++) {
        struct ledger_row *row = &ledgers[i];
        if (row->locked_by != (int)db->session)
            continue;
        any = true;
        row->locked_by = NOBODY;
        if (commit)
            row->committed = true;
        if (commit && row->changed) {
            row->stored_to = row->new_stored_to;
            row->lost = row->new_lost;
            memcpy(row->ranges, row->new_ranges, sizeof row->ranges);
        }
        row->changed = false;
    }
    if (any)
        wake_others(db);
}

void sql_forget_transaction(struct db *db)
{
    release_locks(db, false);
    db->in_transaction = db->aborted = false;
    db->pending_count = db->latest_count = 0;
}

static bool is_newer(const struct latest *a, const struct latest *b)
{
    if (a->time_ms != b->time_ms)
        return a->time_ms > b->time_ms;
    if (a->generation != b->generation)
        return (int64_t)a->generation > (int64_t)b->generation;
    return a->seq > b->seq;
}

static void count_row(const struct row *row)
{
    struct thing *thing = thing_of(row->placed, row->lon_e6, row->detail);
    if (strcmp(row->reason, "repeat_differs") == 0) {
        sim.totals.repeats_differ++;
        return;
    }
    if (thing == NULL) {
        violated("a row of table %d that nobody put", (int)row->table);
        return;
    }
    uint16_t *count = row->table == TABLE_POSITION ? &thing->positions
                      : row->table == TABLE_ACT    ? &thing->acts
                                                   : &thing->quarantined;
    (*count)++;
}

static void commit(struct db *db)
{
    for (size_t i = 0; i < db->pending_count; i++) {
        if (row_count == ROWS_MAX) {
            violated("more rows than %d", ROWS_MAX);
            break;
        }
        rows[row_count++] = db->pending[i];
        count_row(&db->pending[i]);
    }
    for (size_t i = 0; i < db->latest_count; i++) {
        struct latest *known = &latest[db->latest_unit[i]];
        if (!known->any || is_newer(&db->latest[i], known))
            *known = db->latest[i];
    }
    sim.totals.commits++;
    release_locks(db, true);
    db->in_transaction = false;
    db->pending_count = db->latest_count = 0;
}

/* ---- statements; each returns PT_E_DB with a SQLSTATE, or PT_E_AGAIN when
 * it has to wait for a lock */

static enum pt_err refuse(struct db *db, const char *sqlstate)
{
    snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate);
    if (db->in_transaction)
        db->aborted = true;
    return PT_E_DB;
}

static struct ledger_row *find_ledger(uint32_t device, uint64_t generation)
{
    for (size_t i = 0; i < LEDGERS_MAX && ledgers[i].used; i++)
        if (ledgers[i].device == device && ledgers[i].generation == generation)
            return &ledgers[i];
    return NULL;
}

/* Whether `holder` waits, directly or not, for `db`. */
static bool is_deadlock(const struct db *db, int holder)
{
    for (int links = 0; links < SESSIONS; links++) {
        const struct db *other = sessions[holder];
        if (other == NULL || other->phase != PHASE_ASKED ||
            other->lock_until_ms == 0)
            return false;
        holder = other->waits_for;
        if (holder == (int)db->session)
            return true;
    }
    return false;
}

static enum pt_err must_wait(struct db *db, const struct ledger_row *row)
{
    if (row->locked_by == NOBODY || row->locked_by == (int)db->session)
        return PT_OK;
    if (db->lock_until_ms == 0 && is_deadlock(db, row->locked_by)) {
        sim.totals.conflicts++;
        return refuse(db, "40P01");
    }
    if (db->lock_until_ms == 0)
        db->lock_until_ms = sim.now_ms + LOCK_TIMEOUT_MS;
    db->waits_for = row->locked_by;
    if (sim.now_ms >= db->lock_until_ms) {
        sim.totals.conflicts++;
        return refuse(db, "55P03");
    }
    return PT_E_AGAIN;
}

static enum pt_err make_rows(struct db *db, const struct request *request)
{
    take_params(request, 2);
    for (size_t i = 0; i < columns[0].count; i++) {
        uint32_t device = (uint32_t)number(0, i);
        uint64_t generation = (uint64_t)number(1, i);
        struct ledger_row *row = find_ledger(device, generation);
        if (row != NULL && row->committed)
            continue;
        if (row != NULL && row->locked_by != NOBODY) {
            enum pt_err err = must_wait(db, row);
            if (err != PT_OK)
                return err;
            continue;
        }
        for (size_t k = 0; row == NULL; k++) {
            if (k == LEDGERS_MAX)
                abort();
            if (!ledgers[k].used)
                row = &ledgers[k];
        }
        *row = (struct ledger_row){.used = true,
                                   .locked_by = (int)db->session,
                                   .device = device,
                                   .generation = generation,
                                   .ranges = "{}"};
    }
    return PT_OK;
}

static enum pt_err lock_rows(struct db *db, const struct request *request)
{
    struct pg_result *result = &db->result;
    take_params(request, 2);
    for (size_t i = 0; i < columns[0].count; i++) {
        uint32_t device = (uint32_t)number(0, i);
        uint64_t generation = (uint64_t)number(1, i);
        struct ledger_row *row = find_ledger(device, generation);
        if (row == NULL ||
            (!row->committed && row->locked_by != (int)db->session))
            continue;
        enum pt_err err = must_wait(db, row);
        if (err != PT_OK)
            return err;
        row->locked_by = (int)db->session;
        bool forget = sim.broken == BREAK_FORGET_LEDGER;
        if (result->rows == 64)
            abort();
        char(*cell)[24] = result->cells[result->rows];
        text_put_int64(device, cell[0]);
        text_put_int64((int64_t)generation, cell[1]);
        text_put_int64(forget ? 0 : (int64_t)row->stored_to, cell[2]);
        result->ranges[result->rows] = forget ? "{}" : row->ranges;
        text_put_int64((int64_t)row->lost, cell[4]);
        result->rows++;
    }
    return PT_OK;
}

/* The rule broken: the receipt is said while COMMIT is still to come. */
static void say_receipt_early(struct db *db, const struct ledger_row *row)
{
    struct store_receipt receipt = {.urgent = true};
    struct ledger ledger;
    if (sim.broken != BREAK_RECEIPT_BEFORE_COMMIT ||
        ledger_parse(row->new_stored_to, row->new_ranges, &ledger) != PT_OK)
        return;
    snprintf(receipt.device_name, sizeof receipt.device_name, "%s",
             vehicle_name(row->device - 1));
    ledger_to_receipt(&ledger, row->generation, &receipt.receipt);
    gate_is_stored(db->gate, &receipt);
}

static enum pt_err write_rows(struct db *db, const struct request *request)
{
    take_params(request, 5);
    for (size_t i = 0; i < columns[0].count; i++) {
        struct ledger_row *row =
            find_ledger((uint32_t)number(0, i), (uint64_t)number(1, i));
        if (row == NULL || row->locked_by != (int)db->session) {
            violated("a ledger is written that is not locked");
            return PT_OK;
        }
        row->changed = true;
        row->new_stored_to = (uint64_t)number(2, i);
        if (strlen(columns[3].cell[i]) >= sizeof row->new_ranges)
            abort();
        strcpy(row->new_ranges, columns[3].cell[i]);
        row->new_lost = (uint64_t)number(4, i);
        if (row->new_stored_to < row->stored_to || row->new_lost < row->lost)
            violated("a ledger goes back");
        say_receipt_early(db, row);
    }
    return PT_OK;
}

static enum pt_err write_latest(struct db *db, const struct request *request)
{
    take_params(request, 12);
    for (size_t i = 0; i < columns[0].count; i++) {
        if (db->latest_count > VEHICLES)
            abort();
        db->latest_unit[db->latest_count] = (uint32_t)number(0, i);
        db->latest[db->latest_count++] =
            (struct latest){.any = true,
                            .time_ms = number(1, i),
                            .lon_e6 = (int32_t)number(3, i),
                            .lat_e6 = (int32_t)number(4, i),
                            .generation = (uint64_t)number(9, i),
                            .seq = (uint64_t)number(10, i)};
    }
    return PT_OK;
}

static bool place_differs(const struct row *p, size_t i)
{
    return columns[5].cell[i] == NULL || p->lat_e6 != number(5, i) ||
           p->lon_e6 != number(6, i);
}

static const char *compared(size_t i)
{
    uint32_t unit = (uint32_t)number(1, i);
    uint64_t generation = (uint64_t)number(3, i), seq = (uint64_t)number(4, i);
    const struct row *p = find_row(TABLE_POSITION, unit, generation, seq);
    const struct row *e = find_row(TABLE_ACT, unit, generation, seq);
    const char *kind = columns[7].cell[i], *detail = columns[8].cell[i];
    if (p != NULL && p->time_ms != number(2, i))
        p = NULL;
    if (e != NULL && e->time_ms != number(2, i) && !e->time_from_gateway)
        e = NULL;
    if (p == NULL && e == NULL)
        return "stray";
    if (p != NULL && place_differs(p, i))
        return "differs";
    if (strcmp(e != NULL ? e->kind : "", kind != NULL ? kind : "") != 0 ||
        strcmp(e != NULL ? e->detail : "", detail != NULL ? detail : "") != 0)
        return "differs";
    return "same";
}

static void answer_row(struct db *db, size_t i, const char *word)
{
    if (db->result.rows == 64)
        abort();
    text_put_int64(number(0, i), db->result.cells[db->result.rows][0]);
    strcpy(db->result.cells[db->result.rows++][1], word);
}

static enum pt_err compare(struct db *db, const struct request *request)
{
    take_params(request, 9);
    for (size_t i = 0; i < columns[0].count; i++)
        answer_row(db, i, compared(i));
    return PT_OK;
}

static enum pt_err find_strays(struct db *db, const struct request *request)
{
    take_params(request, 5);
    for (size_t i = 0; i < columns[0].count; i++) {
        uint32_t unit = (uint32_t)number(1, i);
        uint64_t generation = (uint64_t)number(3, i),
                 seq = (uint64_t)number(4, i);
        const struct row *p = find_row(TABLE_POSITION, unit, generation, seq);
        int64_t apart_ms = p != NULL ? p->time_ms - number(2, i) : 0;
        if (apart_ms < -DAY_MS || apart_ms > DAY_MS)
            p = NULL;
        if (p != NULL || find_row(TABLE_ACT, unit, generation, seq) != NULL)
            answer_row(db, i, "");
    }
    return PT_OK;
}

static enum pt_err make_partitions(struct db *db, const struct request *request)
{
    int64_t today = (WALL_AT_START_MS + sim.now_ms) / DAY_MS;
    (void)db;
    if (strncmp(request->sql, "SELECT patrol.make_partitions(d", 31) != 0) {
        int64_t past = atoi(request->params[0]);
        for (int64_t day = -past; day <= atoi(request->params[1]); day++)
            make_day(today + day);
        return PT_OK;
    }
    take_params(request, 1);
    for (size_t i = 0; i < columns[0].count; i++)
        if (number(0, i) / DAY_MS >= today - 3660 &&
            number(0, i) / DAY_MS <= today + 31)
            make_day(number(0, i) / DAY_MS);
    return PT_OK;
}

/* ---- COPY */

static bool is_there(const struct db *db, const struct row *row)
{
    if (row->table == TABLE_QUARANTINE)
        return false;
    if (find_row(row->table, row->unit, row->generation, row->seq) != NULL)
        return true;
    for (size_t i = 0; i < db->pending_count; i++)
        if (same_number(&db->pending[i], row->table, row->unit, row->generation,
                        row->seq))
            return true;
    return false;
}

static enum pt_err take_copy(struct db *db, const struct request *request)
{
    const uint8_t *at = (const uint8_t *)request->memory + COPY_HEADER;
    struct row row;
    while ((at = copy_row(at, &row)) != NULL) {
        if (row.table == TABLE_POSITION && !has_day(row.time_ms))
            return refuse(db, "23514");
        if (is_there(db, &row)) {
            violated("number %" PRIu64 " of unit %" PRIu32
                     " is written to table %d twice",
                     row.seq, row.unit, (int)row.table);
            return refuse(db, "23505");
        }
        if (db->pending_count == 1024)
            abort();
        db->pending[db->pending_count++] = row;
    }
    return PT_OK;
}

static const struct statement {
    const char *begin;
    enum pt_err (*run)(struct db *db, const struct request *request);
} statements[] = {
    {"INSERT INTO patrol.receipt", make_rows},
    {"SELECT r.device_id", lock_rows},
    {"UPDATE patrol.receipt", write_rows},
    {"INSERT INTO patrol.latest_position", write_latest},
    {"SELECT k.i, CASE", compare},
    {"SELECT k.i FROM", find_strays},
    {"SELECT patrol.make_partitions", make_partitions},
    {"COPY ", take_copy},
};

bool sql_begins(const struct request *request, const char *word)
{
    return strncmp(request->sql, word, strlen(word)) == 0;
}

enum pt_err sql_execute(struct db *db, const struct request *request)
{
    db->result.rows = 0;
    db->result.status = "";
    if (sql_begins(request, "BEGIN")) {
        db->in_transaction = true;
        return PT_OK;
    }
    if (sql_begins(request, "ROLLBACK")) {
        sim.totals.rollbacks++;
        sql_forget_transaction(db);
        return PT_OK;
    }
    if (sql_begins(request, "COMMIT")) {
        db->result.status = db->aborted ? "ROLLBACK" : "COMMIT";
        if (db->aborted)
            sql_forget_transaction(db);
        else
            commit(db);
        return PT_OK;
    }
    if (db->aborted)
        return refuse(db, "25P02");
    if (db->refuse[0] != '\0' && db->in_transaction && !sim.calm) {
        enum pt_err err = refuse(db, db->refuse);
        db->refuse[0] = '\0';
        sim.totals.faults[EV_DB_ERROR]++;
        return err;
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        if (sql_begins(request, statements[i].begin))
            return statements[i].run(db, request);
    violated("a statement this database does not know: %.60s", request->sql);
    return refuse(db, "42601");
}

void sql_reset(void)
{
    for (size_t i = 0; i < LEDGERS_MAX; i++)
        ledgers[i].used = false;
    memset(latest, 0, sizeof latest);
    row_count = day_count = 0;
}

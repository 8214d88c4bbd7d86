#include "outbox_file_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x50544f42 /* "PTOB" */
#define USER_VERSION 2

/* locking_mode first: in exclusive mode the write-ahead log's index lives on
 * the heap and no -shm file is mapped. 64 pages of log are 256 kB: some
 * hundred commits of ten entries between checkpoints. */
static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
                              "PRAGMA cache_size=-256;"
                              "PRAGMA mmap_size=0;"
                              "PRAGMA temp_store=MEMORY;"
                              "PRAGMA cell_size_check=ON;"
                              "PRAGMA trusted_schema=OFF;"
                              "PRAGMA wal_autocheckpoint=64;"
                              "PRAGMA journal_size_limit=262144;";

/* Of version 1 there may be files: of one generation, with no word on it. */
#define ERA_SCHEMA                                           \
    "CREATE TABLE outbox_era (first INTEGER PRIMARY KEY,"    \
    " generation INTEGER NOT NULL, shift INTEGER NOT NULL);" \
    "PRAGMA user_version=2;"

/* `sum` is a checksum over the other columns, in outbox_meta also over
 * outbox_era: SQLite has none, and a bit that flips in a coordinate is a
 * coordinate all the same. */
static const char schema[] =
    "CREATE TABLE outbox_meta (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " generation INTEGER NOT NULL, reserved_to INTEGER NOT NULL,"
    " dropped INTEGER NOT NULL, sum INTEGER NOT NULL);"
    "CREATE TABLE outbox_entry (seq INTEGER PRIMARY KEY,"
    " time_ms INTEGER NOT NULL, lat_e6 INTEGER NOT NULL,"
    " lon_e6 INTEGER NOT NULL, speed_cmps INTEGER NOT NULL,"
    " course_cdeg INTEGER NOT NULL, accuracy_dm INTEGER NOT NULL,"
    " marks INTEGER NOT NULL, sum INTEGER NOT NULL, detail TEXT);" ERA_SCHEMA
    "PRAGMA application_id=0x50544f42;";

static const char *const texts[FILE_STATEMENTS] = {
    [FILE_BEGIN] = "BEGIN IMMEDIATE",
    [FILE_COMMIT] = "COMMIT",
    [FILE_ROLLBACK] = "ROLLBACK",
    [FILE_CHECKPOINT] = "PRAGMA wal_checkpoint(FULL)",
    [FILE_PUT] = "INSERT INTO outbox_entry VALUES (?,?,?,?,?,?,?,?,?,?)",
    [FILE_READ] = "SELECT * FROM outbox_entry WHERE seq >= ? ORDER BY seq"
                  " LIMIT ?",
    [FILE_COUNT] = "SELECT count(*) FROM outbox_entry"
                   " WHERE seq BETWEEN ? AND ?",
    [FILE_DELETE] = "DELETE FROM outbox_entry WHERE seq BETWEEN ? AND ?",
    [FILE_META_READ] =
        "SELECT generation, reserved_to, dropped, sum,"
        " (SELECT ifnull(max(seq), 0) FROM outbox_entry),"
        " (SELECT ifnull(min(seq), 9223372036854775807) FROM outbox_entry)"
        " FROM outbox_meta WHERE id = 1",
    [FILE_META_WRITE] = "INSERT OR REPLACE INTO outbox_meta"
                        " VALUES (1, ?, ?, ?, ?)",
    [FILE_ERAS_READ] = "SELECT first, generation, shift FROM outbox_era"
                       " ORDER BY first",
    [FILE_ERAS_DELETE] = "DELETE FROM outbox_era",
    [FILE_ERA_PUT] = "INSERT INTO outbox_era VALUES (?, ?, ?)",
};

/* A file that cannot be read is as good as damaged, and putting it aside
 * reads nothing. A statement that no longer compiles (SQLITE_ERROR) or finds
 * its number taken (CONSTRAINT) means the same: ours would. */
enum pt_err file_err_of(int rc)
{
    if (rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ ||
        rc == SQLITE_IOERR_CORRUPTFS)
        return PT_E_CORRUPT;
    if (rc == SQLITE_IOERR_NOMEM)
        return PT_E_NOMEM;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return PT_OK;
    case SQLITE_NOMEM:
        return PT_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PT_E_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
        return PT_E_CORRUPT;
    default:
        return PT_E_DISK;
    }
}

/* FNV-1a, 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv). */
#define SUM_START UINT32_C(2166136261)

static uint32_t sum_bytes(uint32_t sum, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * UINT32_C(16777619);
    return sum;
}

uint32_t file_sum(const int64_t *numbers, size_t count)
{
    uint32_t sum = SUM_START;
    for (size_t i = 0; i < count; i++) {
        for (int shift = 0; shift < 64; shift += 8) {
            uint8_t byte = (uint8_t)((uint64_t)numbers[i] >> shift);
            sum = sum_bytes(sum, &byte, 1);
        }
    }
    return sum;
}

/* The columns before `sum`. */
enum { SEQ, TIME, LAT, LON, SPEED, COURSE, ACCURACY, MARKS, SUM, DETAIL };

static uint32_t sum_row(const int64_t columns[SUM], const char *detail)
{
    uint32_t sum = file_sum(columns, SUM);
    return detail != NULL ? sum_bytes(sum, detail, strlen(detail) + 1) : sum;
}

sqlite3_stmt *file_bound(struct file *file, enum file_statement which,
                         const int64_t *values, int count)
{
    sqlite3_stmt *statement = file->statements[which];
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
    return statement;
}

enum pt_err file_run(struct file *file, enum file_statement which,
                     const int64_t *values, int count)
{
    sqlite3_stmt *statement = file_bound(file, which, values, count);
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return file_err_of(rc);
}

static enum pt_err execute(struct file *file, const char *sql)
{
    return file_err_of(sqlite3_exec(file->db, sql, NULL, NULL, NULL));
}

/* After a failed step SQLite may have rolled back by itself. */
static void undo(struct file *file)
{
    enum pt_err err = PT_OK;
    if (!sqlite3_get_autocommit(file->db))
        err = file_run(file, FILE_ROLLBACK, NULL, 0);
    (void)err; /* the step that failed is what the caller hears of */
}

/* The first value of a query's first row, as a number and as "ok" or not. */
static enum pt_err query(struct file *file, const char *sql, int64_t *number,
                         bool *is_ok)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        *is_ok = text != NULL && strcmp((const char *)text, "ok") == 0;
        *number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? PT_E_CORRUPT : file_err_of(rc);
}

enum look { LOOK_NEW, LOOK_OURS, LOOK_OLDER, LOOK_FOREIGN };

/* One flipped bit in the header must not make our file a stranger's: it
 * takes both the number and the table to be missing. */
static enum pt_err look_at(struct file *file, enum look *ret)
{
    int64_t id = 0, version = 0, tables = 0, ours = 0;
    bool ok = false;
    enum pt_err err = query(file, "PRAGMA application_id", &id, &ok);
    if (err == PT_OK)
        err = query(file, "PRAGMA user_version", &version, &ok);
    if (err == PT_OK)
        err = query(file, "SELECT count(*) FROM sqlite_schema", &tables, &ok);
    if (err == PT_OK)
        err = query(file,
                    "SELECT count(*) FROM sqlite_schema"
                    " WHERE name IN ('outbox_meta', 'outbox_entry')",
                    &ours, &ok);
    if (err != PT_OK)
        return err;
    if (id == APPLICATION_ID && version == USER_VERSION)
        *ret = LOOK_OURS;
    else if (id == APPLICATION_ID && version == 1)
        *ret = LOOK_OLDER;
    else if (id == APPLICATION_ID || ours > 0)
        return PT_E_CORRUPT;
    else
        *ret = tables == 0 ? LOOK_NEW : LOOK_FOREIGN;
    return PT_OK;
}

static enum pt_err check_pages(struct file *file)
{
    int64_t number = 0;
    bool ok = false;
    enum pt_err err = query(file, "PRAGMA quick_check(1)", &number, &ok);
    return err == PT_OK && !ok ? PT_E_CORRUPT : err;
}

static enum pt_err prepare_all(struct file *file)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < FILE_STATEMENTS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(file->db, texts[i], -1,
                                SQLITE_PREPARE_PERSISTENT, &file->statements[i],
                                NULL);
    return file_err_of(rc);
}

/* Tables and first meta in one transaction: a power cut leaves a file that
 * is either empty or whole. */
static enum pt_err make(struct file *file, const struct file_meta *meta)
{
    enum pt_err err = execute(file, "BEGIN IMMEDIATE");
    if (err == PT_OK)
        err = execute(file, schema);
    if (err == PT_OK)
        err = prepare_all(file);
    if (err == PT_OK)
        err = meta_write(file, meta);
    if (err == PT_OK)
        err = execute(file, "COMMIT");
    return err;
}

static enum pt_err take_up(struct file *file, enum look look)
{
    enum pt_err err = check_pages(file);
    if (err == PT_OK && look == LOOK_OLDER)
        err = execute(file, "BEGIN IMMEDIATE;" ERA_SCHEMA "COMMIT");
    if (err == PT_OK)
        err = prepare_all(file);
    return err;
}

/* Where the vehicle has been is nobody else's to read. Only a file that is
 * not there is opened here: closing another descriptor of it would drop
 * SQLite's locks. */
static enum pt_err touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? PT_OK : PT_E_DISK;
    close(fd);
    return PT_OK;
}

static enum pt_err connect_to(struct file *file, const char *path)
{
    enum pt_err err = touch(path);
    if (err != PT_OK)
        return err;
    int rc = sqlite3_open_v2(path, &file->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return file_err_of(rc);
    /* SQLite falls back to reading; told before the pages are checked, for
     * this is tried again and again while a card is write-protected. */
    if (sqlite3_db_readonly(file->db, "main") == 1)
        return PT_E_DISK;
    sqlite3_extended_result_codes(file->db, 1);
    /* Some 100 kB of look-aside for a handful of small statements. */
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    return execute(file, pragmas);
}

static enum pt_err open_checked(struct file *file, const char *path,
                                struct file_meta *meta)
{
    enum look look = LOOK_FOREIGN;
    enum pt_err err = connect_to(file, path);
    if (err == PT_OK)
        err = look_at(file, &look);
    if (err == PT_OK && look == LOOK_FOREIGN)
        err = PT_E_CONFIG;
    /* It was writable when it was opened: the header's write version says
     * otherwise, which ours never does. */
    if (err == PT_OK && sqlite3_db_readonly(file->db, "main") == 1)
        err = PT_E_CORRUPT;
    if (err == PT_OK)
        err = execute(file, "PRAGMA journal_mode=WAL;"
                            "PRAGMA synchronous=FULL");
    if (err == PT_OK)
        err = look == LOOK_NEW ? make(file, meta) : take_up(file, look);
    if (err == PT_OK)
        err = meta_read(file, meta);
    return err;
}

enum pt_err file_open(struct file *file, const char *path,
                      struct file_meta *meta)
{
    *file = (struct file){0};
    enum pt_err err = open_checked(file, path, meta);
    if (err != PT_OK)
        file_close(file);
    return err;
}

void file_close(struct file *file)
{
    for (size_t i = 0; i < FILE_STATEMENTS; i++)
        sqlite3_finalize(file->statements[i]);
    sqlite3_close(file->db);
    *file = (struct file){0};
}

static enum pt_err put_row(struct file *file, const struct pt_entry *entry)
{
    int64_t values[] = {
        [SEQ] = (int64_t)entry->seq,
        [TIME] = entry->time_ms,
        [LAT] = entry->at.lat_e6,
        [LON] = entry->at.lon_e6,
        [SPEED] = entry->speed_cmps,
        [COURSE] = entry->course_cdeg,
        [ACCURACY] = entry->accuracy_dm,
        [MARKS] = entry->flags | entry->status << 8 | entry->kind << 16,
        [SUM] = 0,
    };
    values[SUM] = sum_row(values, entry->detail);
    sqlite3_stmt *statement = file_bound(file, FILE_PUT, values, DETAIL);
    int rc = sqlite3_bind_text(statement, DETAIL + 1, entry->detail, -1,
                               SQLITE_STATIC); /* NULL binds NULL */
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return file_err_of(rc);
}

static enum pt_err delete_range(struct file *file, struct pt_range range)
{
    int64_t values[] = {(int64_t)range.first, (int64_t)range.last};
    return file_run(file, FILE_DELETE, values, 2);
}

/* A pragma takes effect when it is compiled, so it cannot be prepared. */
static enum pt_err begin(struct file *file, bool lazy)
{
    enum pt_err err = PT_OK;
    undo(file); /* should a rollback have failed for want of memory */
    if (file->lazy != lazy)
        err = execute(file, lazy ? "PRAGMA synchronous=NORMAL"
                                 : "PRAGMA synchronous=FULL");
    if (err != PT_OK)
        return err;
    file->lazy = lazy;
    return file_run(file, FILE_BEGIN, NULL, 0);
}

enum pt_err file_write(struct file *file, uint64_t floor,
                       const struct pt_entry *entries, size_t count,
                       const struct file_meta *meta, bool reserve)
{
    enum pt_err err = begin(file, false);
    if (err == PT_OK && floor > 0)
        err = delete_range(file, (struct pt_range){0, floor});
    for (size_t i = 0; i < count && err == PT_OK; i++)
        err = put_row(file, &entries[i]);
    if (err == PT_OK)
        err = meta_write(file, meta);
    if (err == PT_OK)
        err = file_run(file, FILE_COMMIT, NULL, 0);
    if (err != PT_OK) {
        undo(file);
        return err;
    }
    meta_note_eras(file, meta);
    /* The transaction stands, whatever becomes of the checkpoint. */
    if (reserve)
        err = file_run(file, FILE_CHECKPOINT, NULL, 0);
    (void)err;
    return PT_OK;
}

enum pt_err file_delete(struct file *file, const struct pt_range *ranges,
                        size_t count)
{
    enum pt_err err = begin(file, true);
    for (size_t i = 0; i < count && err == PT_OK; i++)
        err = delete_range(file, ranges[i]);
    if (err == PT_OK)
        err = file_run(file, FILE_COMMIT, NULL, 0);
    if (err != PT_OK)
        undo(file);
    return err;
}

enum pt_err file_count(struct file *file, struct pt_range range, uint64_t *ret)
{
    int64_t values[] = {(int64_t)range.first, (int64_t)range.last};
    sqlite3_stmt *statement = file_bound(file, FILE_COUNT, values, 2);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return file_err_of(rc);
}

void details_free(struct detail *details)
{
    while (details != NULL) {
        struct detail *next = details->next;
        free(details);
        details = next;
    }
}

static enum pt_err keep_detail(const char *text, struct detail **details,
                               const char **ret)
{
    size_t size = strlen(text) + 1;
    struct detail *detail = malloc(sizeof *detail + size);
    if (detail == NULL)
        return PT_E_NOMEM;
    memcpy(detail->text, text, size);
    detail->next = *details;
    *details = detail;
    *ret = detail->text;
    return PT_OK;
}

/* The current row of a reading; `bad` as in file_read(). */
static enum pt_err take_row(sqlite3_stmt *statement, struct pt_entry *entry,
                            struct detail **details, uint64_t *bad)
{
    int64_t values[DETAIL];
    for (int i = 0; i < DETAIL; i++)
        values[i] = sqlite3_column_int64(statement, i);
    const char *text = (const char *)sqlite3_column_text(statement, DETAIL);
    if (text == NULL && sqlite3_column_type(statement, DETAIL) != SQLITE_NULL)
        return PT_E_NOMEM;
    *entry = (struct pt_entry){
        .seq = (uint64_t)values[SEQ],
        .time_ms = values[TIME],
        .at = {(int32_t)values[LAT], (int32_t)values[LON]},
        .speed_cmps = (uint32_t)values[SPEED],
        .course_cdeg = (uint32_t)values[COURSE],
        .accuracy_dm = (uint32_t)values[ACCURACY],
        .flags = (uint8_t)values[MARKS],
        .status = (uint8_t)(values[MARKS] >> 8),
        .kind = (uint8_t)(values[MARKS] >> 16),
        .detail = text,
    };
    if (sum_row(values, text) != values[SUM] || !pt_entry_valid(entry)) {
        *bad = (uint64_t)values[SEQ];
        return PT_OK;
    }
    return text != NULL ? keep_detail(text, details, &entry->detail) : PT_OK;
}

enum pt_err file_read(struct file *file, uint64_t from, size_t max,
                      struct pt_entry *entries, struct detail **details,
                      size_t *ret, uint64_t *bad)
{
    int64_t values[] = {(int64_t)from,
                        max < INT64_MAX ? (int64_t)max : INT64_MAX};
    sqlite3_stmt *statement = file_bound(file, FILE_READ, values, 2);
    enum pt_err err = PT_OK;
    size_t count = 0;
    int rc = SQLITE_ROW;
    *bad = 0;
    while (count < max && err == PT_OK && *bad == 0) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        err = take_row(statement, &entries[count], details, bad);
        if (*bad == 0)
            count++;
    }
    sqlite3_reset(statement);
    if (err == PT_OK)
        err = file_err_of(rc);
    if (err == PT_OK)
        *ret = count;
    return err;
}

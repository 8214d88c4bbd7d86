#include "asking.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum pt_err asking_fail(const struct asking *a, enum pt_err err,
                        const char *what, const char *detail)
{
    snprintf(a->message, a->message_size, "%s: %s", what, detail);
    for (char *c = a->message; a->message_size > 0 && *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c; /* libpq's texts have several lines */
    return err;
}

enum pt_err asking_open(struct asking *a, const char *conninfo,
                        const char *name, char *message, size_t message_size)
{
    /* Before `dbname`, so that what the setting says prevails. */
    const char *const keys[] = {"connect_timeout", "application_name",
                                "client_encoding", "dbname", NULL};
    const char *const values[] = {"10", name, "UTF8", conninfo, NULL};
    *a = (struct asking){.message = message, .message_size = message_size};
    a->db = PQconnectdbParams(keys, values, 1);
    if (a->db == NULL)
        return PT_E_NOMEM;
    if (PQstatus(a->db) != CONNECTION_OK)
        return asking_fail(a, PT_E_DB, "connecting", PQerrorMessage(a->db));
    return asking_run(a, "SET TimeZone = 'UTC'");
}

void asking_close(struct asking *a)
{
    PQfinish(a->db);
    a->db = NULL;
}

PGresult *asking_query(const struct asking *a, const char *sql, int count,
                       const char *const *params, bool binary)
{
    PGresult *result =
        PQexecParams(a->db, sql, count, NULL, params, NULL, NULL, binary);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    (void)asking_fail(a, PT_E_DB, "database", PQerrorMessage(a->db));
    PQclear(result);
    return NULL;
}

enum pt_err asking_run(const struct asking *a, const char *sql)
{
    PGresult *result = asking_query(a, sql, 0, NULL, false);
    PQclear(result);
    return result == NULL ? PT_E_DB : PT_OK;
}

/* -------------------------------------------------------------------- rows */
enum pt_err asking_copy_begin(struct asking_copy *copy, const struct asking *a,
                              const char *sql)
{
    PGresult *result = PQexec(a->db, sql);
    bool good = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    *copy = (struct asking_copy){a, false};
    return good ? PT_OK
                : asking_fail(a, PT_E_DB, "database", PQerrorMessage(a->db));
}

void asking_copy_row(struct asking_copy *copy, const char *format, ...)
{
    char row[ASKING_ROW_BYTES];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(row, sizeof(row), format, args);
    va_end(args);
    if (size < 0 || size >= (int)sizeof(row) ||
        PQputCopyData(copy->asking->db, row, size) != 1)
        copy->failed = true;
}

void asking_copy_bytes(struct asking_copy *copy, const char *row, size_t size)
{
    if (size > INT_MAX || PQputCopyData(copy->asking->db, row, (int)size) != 1)
        copy->failed = true;
}

enum pt_err asking_copy_end(struct asking_copy *copy)
{
    const struct asking *a = copy->asking;
    enum pt_err err = PT_OK;
    PGresult *result;
    if (PQputCopyEnd(a->db, copy->failed ? "given up" : NULL) != 1)
        copy->failed = true;
    while ((result = PQgetResult(a->db)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            copy->failed = true;
        PQclear(result);
    }
    if (copy->failed)
        err = asking_fail(a, PT_E_DB, "database", PQerrorMessage(a->db));
    return err;
}

/* What a byte of a text becomes within a row; 0: itself. */
static char escaped(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    default:
        return '\0';
    }
}

const char *asking_copy_text(const char *text, char *out, size_t size)
{
    size_t used = 0;
    if (text == NULL) {
        snprintf(out, size, "%s", "\\N");
        return out;
    }
    for (; *text != '\0' && used + 3 <= size; text++) {
        char c = escaped(*text);
        if (c != '\0')
            out[used++] = '\\';
        out[used++] = c != '\0' ? c : *text;
    }
    /* what follows would end in the middle of a character */
    if (((unsigned char)*text & 0xc0u) == 0x80u) {
        while (used > 0 && ((unsigned char)out[used - 1] & 0xc0u) == 0x80u)
            used--;
        used -= used > 0;
    }
    out[used] = '\0';
    return out;
}

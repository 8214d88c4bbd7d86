/* The way to the database: blocking libpq, and binary COPY. */
#include "patrolctl_internal.h"
#include <string.h>

PGconn *ctl_database(const struct ctl *ctl)
{
    const char *const keys[] = {"dbname", "fallback_application_name",
                                "client_encoding", NULL};
    const char *const values[] = {ctl->database, "patrolctl", "UTF8", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(conn) == CONNECTION_OK) {
        PQclear(PQexec(conn, "SET client_min_messages = warning"));
        return conn;
    }
    ctl_complain("no database (-d, PATROL_DATABASE): %s", PQerrorMessage(conn));
    PQfinish(conn);
    return NULL;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

PGresult *ctl_query(PGconn *conn, const char *sql, int param_count,
                    const char *const *params)
{
    PGresult *result =
        PQexecParams(conn, sql, param_count, NULL, params, NULL, NULL, 0);
    if (is_good(result))
        return result;
    ctl_complain("database: %s", PQerrorMessage(conn));
    PQclear(result);
    return NULL;
}

bool ctl_run(PGconn *conn, const char *sql)
{
    PGresult *result = ctl_query(conn, sql, 0, NULL);
    PQclear(result);
    return result != NULL;
}

enum ctl_exit ctl_database_exit(const PGconn *conn)
{
    return PQstatus(conn) == CONNECTION_OK ? CTL_REFUSED : CTL_UNREACHABLE;
}

/* ------------------------------------------------------------- COPY */
static void flush(struct ctl_copy *copy)
{
    if (!copy->failed && copy->used > 0 &&
        PQputCopyData(copy->conn, (const char *)copy->buffer,
                      (int)copy->used) != 1)
        copy->failed = true;
    copy->used = 0;
}

static void put(struct ctl_copy *copy, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    while (size > 0) {
        size_t part = CTL_COPY_BYTES - copy->used;
        part = part < size ? part : size;
        memcpy(copy->buffer + copy->used, at, part);
        copy->used += part;
        at += part;
        size -= part;
        if (copy->used == CTL_COPY_BYTES)
            flush(copy);
    }
}

static void put_be(struct ctl_copy *copy, uint64_t value, size_t size)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
    put(copy, bytes, size);
}

static void put_le(struct ctl_copy *copy, uint64_t value, size_t size)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put(copy, bytes, size);
}

void ctl_copy_begin(struct ctl_copy *copy, PGconn *conn, const char *sql)
{
    static const char mark[] = "PGCOPY\n\377\r\n"; /* and its final zero */
    copy->conn = conn;
    copy->used = 0;
    PGresult *result = PQexec(conn, sql);
    copy->failed = PQresultStatus(result) != PGRES_COPY_IN;
    if (copy->failed)
        ctl_complain("database: %s", PQerrorMessage(conn));
    PQclear(result);
    put(copy, mark, sizeof mark);
    put_be(copy, 0, 4); /* flags */
    put_be(copy, 0, 4); /* length of the header's extension */
}

void ctl_copy_row(struct ctl_copy *copy, int fields)
{
    put_be(copy, (uint64_t)fields, 2);
}

void ctl_copy_null(struct ctl_copy *copy)
{
    put_be(copy, UINT32_MAX, 4);
}

void ctl_copy_bool(struct ctl_copy *copy, bool value)
{
    put_be(copy, 1, 4);
    put_be(copy, value, 1);
}

void ctl_copy_int2(struct ctl_copy *copy, int16_t value)
{
    put_be(copy, 2, 4);
    put_be(copy, (uint16_t)value, 2);
}

void ctl_copy_int4(struct ctl_copy *copy, int32_t value)
{
    put_be(copy, 4, 4);
    put_be(copy, (uint32_t)value, 4);
}

void ctl_copy_int8(struct ctl_copy *copy, int64_t value)
{
    put_be(copy, 8, 4);
    put_be(copy, (uint64_t)value, 8);
}

void ctl_copy_real(struct ctl_copy *copy, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_be(copy, 4, 4);
    put_be(copy, bits, 4);
}

void ctl_copy_text(struct ctl_copy *copy, const char *text)
{
    if (text == NULL) {
        ctl_copy_null(copy);
        return;
    }
    size_t size = strlen(text);
    put_be(copy, size, 4);
    put(copy, text, size);
}

/* The head of an array of one dimension (array_send() in PostgreSQL's
 * sources): dimensions, whether nulls are in it, the elements' type, how many,
 * the first one's number. `bytes` is what the elements take. */
#define INT4_OID 23u
#define TEXT_OID 25u

static void put_array(struct ctl_copy *copy, uint32_t oid, uint32_t count,
                      size_t bytes)
{
    put_be(copy, (count > 0 ? 20u : 12u) + bytes, 4);
    put_be(copy, count > 0, 4);
    put_be(copy, 0, 4);
    put_be(copy, oid, 4);
    if (count > 0) {
        put_be(copy, count, 4);
        put_be(copy, 1, 4);
    }
}

void ctl_copy_int4_array(struct ctl_copy *copy, const int32_t *values,
                         uint32_t count)
{
    put_array(copy, INT4_OID, count, (size_t)count * 8);
    for (uint32_t i = 0; i < count; i++)
        ctl_copy_int4(copy, values[i]);
}

/* The next word, or NULL; moves `*at` behind it. */
static const char *next_word(const char **at, size_t *size)
{
    while (*at != NULL && **at != 0) {
        const char *word = *at + strspn(*at, "; ");
        size_t length = strcspn(word, ";");
        *at = word + length;
        while (length > 0 && word[length - 1] == ' ')
            length--;
        *size = length;
        if (length > 0)
            return word;
    }
    return NULL;
}

void ctl_copy_words(struct ctl_copy *copy, const char *text)
{
    uint32_t count = 0;
    size_t bytes = 0;
    size_t size = 0;
    for (const char *at = text; next_word(&at, &size) != NULL; count++)
        bytes += size + 4;
    put_array(copy, TEXT_OID, count, bytes);
    const char *word;
    for (const char *at = text; (word = next_word(&at, &size)) != NULL;) {
        put_be(copy, size, 4);
        put(copy, word, size);
    }
}

static void put_degrees(struct ctl_copy *copy, double degrees)
{
    uint64_t bits;
    memcpy(&bits, &degrees, sizeof bits);
    put_le(copy, bits, 8);
}

void ctl_copy_geometry(struct ctl_copy *copy, const struct geo_point *points,
                       uint32_t count)
{
    const uint32_t with_srid = 0x20000000;
    bool line = count > 1;
    put_be(copy, (line ? 13u : 9u) + (uint64_t)count * 16, 4);
    put_le(copy, 1, 1); /* little endian */
    put_le(copy, with_srid | (line ? 2 : 1), 4);
    put_le(copy, 4326, 4);
    if (line)
        put_le(copy, count, 4);
    for (uint32_t i = 0; i < count; i++) {
        put_degrees(copy, geo_lon_deg(points[i]));
        put_degrees(copy, geo_lat_deg(points[i]));
    }
}

bool ctl_copy_end(struct ctl_copy *copy)
{
    put_be(copy, 0xffff, 2); /* no more rows */
    flush(copy);
    if (PQputCopyEnd(copy->conn, copy->failed ? "given up" : NULL) != 1)
        copy->failed = true;
    for (PGresult *result; (result = PQgetResult(copy->conn)) != NULL;) {
        if (!is_good(result)) {
            if (!copy->failed)
                ctl_complain("database: %s", PQerrorMessage(copy->conn));
            copy->failed = true;
        }
        PQclear(result);
    }
    return !copy->failed;
}

/* Binary COPY. What comes is checked field by field: a table may have been
 * filled by anybody. */
#include "copy.h"
#include "pt_room.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pt_err copy_tell(const struct telling *t, enum pt_err err,
                      const char *what, const char *detail)
{
    snprintf(t->message, t->size, "%s: %s", what, detail);
    for (char *p = t->message; t->size > 0 && *p != '\0'; p++)
        *p = *p == '\n' ? ' ' : *p; /* libpq's texts have several lines */
    return err;
}

enum pt_err copy_tell_row(const struct telling *t, const char *table,
                          size_t row, const char *what)
{
    snprintf(t->message, t->size, "%s, row %zu: %s", table, row, what);
    return PT_E_CORRUPT;
}

/* ----------------------------------------------------------------- cursor */
const unsigned char *copy_bytes(struct cursor *c, size_t n)
{
    if (c->left < n)
        c->short_of = true;
    if (c->short_of || c->malformed)
        return NULL;
    const unsigned char *at = c->at;
    c->at += n;
    c->left -= n;
    return at;
}

uint64_t copy_int(struct cursor *c, size_t n, bool little)
{
    const unsigned char *at = copy_bytes(c, n);
    uint64_t v = 0;
    for (size_t i = 0; at != NULL && i < n; i++)
        v = v << 8 | at[little ? n - 1 - i : i];
    return v;
}

uint64_t copy_be(struct cursor *c, size_t n)
{
    return copy_int(c, n, false);
}

double copy_double(struct cursor *c, bool little)
{
    uint64_t bits = copy_int(c, 8, little);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

bool copy_field(struct cursor *c, struct cursor *field)
{
    int32_t size = (int32_t)copy_be(c, 4);
    *field = (struct cursor){0};
    if (size == -1)
        return false;
    if (size < 0 || (uint32_t)size > COPY_ROW_MAX) {
        c->malformed = true;
        return false;
    }
    field->at = copy_bytes(c, (size_t)size);
    field->left = field->at != NULL ? (size_t)size : 0;
    return true;
}

int64_t copy_column(struct cursor *c, size_t n, const int64_t *null)
{
    struct cursor field;
    bool present = copy_field(c, &field);
    if (c->short_of || c->malformed)
        return 0;
    if (!present && null != NULL)
        return *null;
    c->malformed = !present || field.left != n;
    uint64_t v = copy_be(&field, n);
    return n == 4 ? (int32_t)v : (int64_t)v;
}

/* PostgreSQL's array_send(): dimensions, whether there are NULLs, the type's
 * oid; of each dimension its size and lower bound; the elements as fields. */
#define INT4_OID 23u
uint32_t copy_array(struct cursor *c, int32_t *ret, uint32_t max)
{
    struct cursor field;
    bool present = copy_field(c, &field);
    if (c->short_of || c->malformed)
        return 0;
    uint64_t dimensions = copy_be(&field, 4);
    uint64_t nulls = copy_be(&field, 4);
    uint64_t type = copy_be(&field, 4);
    uint64_t count = 0;
    if (dimensions == 1) {
        count = copy_be(&field, 4);
        copy_be(&field, 4);
    }
    c->malformed = !present || dimensions > 1 || nulls != 0 ||
                   type != INT4_OID || count > max;
    for (uint64_t i = 0; !c->malformed && i < count; i++)
        ret[i] = (int32_t)copy_column(&field, 4, NULL);
    c->malformed =
        c->malformed || field.short_of || field.malformed || field.left > 0;
    return c->malformed ? 0 : (uint32_t)count;
}

/* ------------------------------------------------------------------- COPY */
struct reading { /* bytes may be cut anywhere between two messages */
    const struct copy *copy;
    const struct telling *t;
    bool header_seen, trailer_seen;
    size_t row_count;
    char *pending;
    size_t size, room;
};

/* The signature, flags and the extension's length of a binary COPY. */
static void take_header(struct reading *r, struct cursor *c)
{
    const unsigned char *signature = copy_bytes(c, 11);
    uint64_t flags = copy_be(c, 4);
    uint64_t extension = copy_be(c, 4);
    copy_bytes(c, extension);
    if (c->short_of)
        return;
    c->malformed = c->malformed ||
                   memcmp(signature, "PGCOPY\n\377\r\n", 11) != 0 ||
                   (flags & 0xffff0000u) != 0;
    r->header_seen = true;
}

/* Takes up what is complete among the pending bytes. */
static enum pt_err take_rows(struct reading *r)
{
    struct cursor c = {(const unsigned char *)r->pending, r->size, false,
                       false};
    enum pt_err err = PT_OK;
    struct cursor done = c;
    while (err == PT_OK && !c.short_of && !c.malformed) {
        done = c;
        if (!r->header_seen) {
            take_header(r, &c);
            continue;
        }
        int64_t columns = (int16_t)copy_be(&c, 2);
        if (c.short_of)
            break;
        c.malformed =
            r->trailer_seen || (columns != r->copy->columns && columns != -1);
        if (columns == -1)
            r->trailer_seen = true;
        else if (!c.malformed)
            err = r->copy->row(r->copy->context, &c);
        r->row_count += !c.short_of && !c.malformed;
    }
    if (err == PT_OK && c.malformed)
        return copy_tell_row(r->t, r->copy->table, r->row_count + 1,
                             "unexpected form");
    r->size = done.left;
    memmove(r->pending, done.at, done.left);
    if (err == PT_OK && r->size > COPY_ROW_MAX)
        return copy_tell_row(r->t, r->copy->table, r->row_count + 1,
                             "too long");
    return err;
}

static enum pt_err take_message(struct reading *r, const char *bytes,
                                size_t size)
{
    if (pt_room(&r->pending, &r->room, r->size + size, 1) != PT_OK)
        return PT_E_NOMEM;
    memcpy(r->pending + r->size, bytes, size);
    r->size += size;
    return take_rows(r);
}

static enum pt_err read_out(PGconn *db, struct reading *r)
{
    enum pt_err err = PT_OK;
    char *bytes = NULL;
    int size;
    while (err == PT_OK && (size = PQgetCopyData(db, &bytes, 0)) > 0) {
        err = take_message(r, bytes, (size_t)size);
        PQfreemem(bytes);
    }
    if (err != PT_OK)
        return err; /* the connection is in the middle of it */
    if (size == -2)
        return copy_tell(r->t, PT_E_DB, r->copy->table, PQerrorMessage(db));
    PGresult *result;
    while ((result = PQgetResult(db)) != NULL) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            err = copy_tell(r->t, PT_E_DB, r->copy->table, PQerrorMessage(db));
        PQclear(result);
    }
    if (err == PT_OK && (!r->trailer_seen || r->size > 0))
        err =
            copy_tell_row(r->t, r->copy->table, r->row_count + 1, "cut short");
    return err;
}

enum pt_err copy_out(PGconn *db, const char *sql, const struct copy *copy,
                     const struct telling *t)
{
    PGresult *result = PQexec(db, sql);
    bool started = PQresultStatus(result) == PGRES_COPY_OUT;
    PQclear(result);
    if (!started)
        return copy_tell(t, PT_E_DB, copy->table, PQerrorMessage(db));
    struct reading r = {.copy = copy, .t = t};
    enum pt_err err = read_out(db, &r);
    free(r.pending);
    return err;
}

#ifndef ROADS_COPY_H
#define ROADS_COPY_H
/* A table read by binary COPY, row by row, field by field. */
#include "roads_internal.h"
#include <libpq-fe.h>

/* One row: a street's line has at most some 2,000 points in OpenStreetMap
 * (16 bytes each); more than this is damage. */
#define COPY_ROW_MAX (16u << 20)

/* The first failure sticks; later reads are harmless and return 0. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool short_of;  /* ended before its last field: more may come */
    bool malformed; /* no more bytes will mend it */
};

/* `n` bytes, or NULL. */
const unsigned char *copy_bytes(struct cursor *c, size_t n);
uint64_t copy_int(struct cursor *c, size_t n, bool little);
uint64_t copy_be(struct cursor *c, size_t n);
double copy_double(struct cursor *c, bool little);
/* The next field of a row as a cursor of its own. False: NULL. */
bool copy_field(struct cursor *c, struct cursor *field);
/* An integer column of `n` bytes; `null` is what NULL stands for, or the row
 * is malformed when there is none. */
int64_t copy_column(struct cursor *c, size_t n, const int64_t *null);
/* A column of integer[] without NULLs, of at most `max`; how many. */
uint32_t copy_array(struct cursor *c, int32_t *ret, uint32_t max);

/* Where failures are told. */
struct telling {
    char *message;
    size_t size;
};
enum pt_err copy_tell(const struct telling *t, enum pt_err err,
                      const char *what, const char *detail);
enum pt_err copy_tell_row(const struct telling *t, const char *table,
                          size_t row, const char *what);

struct copy {
    const char *table; /* as failures name it */
    int columns;
    /* Takes up the row whose fields stand at the cursor; nothing when it
     * comes out short or malformed. */
    enum pt_err (*row)(void *context, struct cursor *c);
    void *context;
};
/* Blocks. When it fails the connection is of no more use. */
PT_MUST_CHECK enum pt_err copy_out(PGconn *db, const char *sql,
                                   const struct copy *copy,
                                   const struct telling *t);

#endif

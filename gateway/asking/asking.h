#ifndef ASKING_H
#define ASKING_H
/* asking: a database connection for work that takes its time. Every call
 * blocks: a pool thread, or a program of its own. One thread at a time for
 * each connection. What fails is told as one line in the asker's message. */
#include "pt_err.h"
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct asking {
    PGconn *db;
    char *message; /* of `message_size` bytes; the caller's */
    size_t message_size;
};

/* `name` is the application_name. Times of the session are UTC. PT_E_DB,
 * PT_E_NOMEM; asking_close() either way. */
PT_MUST_CHECK enum pt_err asking_open(struct asking *a, const char *conninfo,
                                      const char *name, char *message,
                                      size_t message_size);
void asking_close(struct asking *a); /* zeroed is fine */
/* Tells "what: detail"; returns `err`. */
enum pt_err asking_fail(const struct asking *a, enum pt_err err,
                        const char *what, const char *detail);
/* Parameters as text (NULL: null); rows as text, or as binary. NULL: told.
 * The caller gives it to PQclear(). */
PGresult *asking_query(const struct asking *a, const char *sql, int count,
                       const char *const *params, bool binary);
/* The same where only success counts. */
PT_MUST_CHECK enum pt_err asking_run(const struct asking *a, const char *sql);

/* One COPY ... FROM STDIN in text form. A failure sticks, and is told at the
 * end. */
struct asking_copy {
    const struct asking *asking;
    bool failed;
};
#define ASKING_ROW_BYTES 4096 /* of a row; a longer one fails */
PT_MUST_CHECK enum pt_err asking_copy_begin(struct asking_copy *copy,
                                            const struct asking *a,
                                            const char *sql);
/* A row's columns, separated by tabs and ended by a new line; texts as
 * asking_copy_text() gives them. */
__attribute__((format(printf, 2, 3))) void
asking_copy_row(struct asking_copy *copy, const char *format, ...);
/* A row of any size, ended by its new line. */
void asking_copy_bytes(struct asking_copy *copy, const char *row, size_t size);
PT_MUST_CHECK enum pt_err asking_copy_end(struct asking_copy *copy);
/* `text` (NULL: null) as a column of a row; of one that is too long, what
 * fits, never half a character. Returns `out`. */
const char *asking_copy_text(const char *text, char *out, size_t size);

#endif

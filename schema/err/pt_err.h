#ifndef PT_ERR_H
#define PT_ERR_H
/* err: the one error type of both programs.
 *
 * Zero is success. A result leaves through the last parameter, named `ret`,
 * and is untouched on failure. Libraries return errors; programs log them,
 * once, where the context is known. Any thread. */

#define PT_ERRORS(X)                                     \
    X(PT_E_NOMEM, "out of memory")                       \
    X(PT_E_FULL, "configured limit reached")             \
    X(PT_E_SHORT, "message ends before its last field")  \
    X(PT_E_MALFORMED, "message is not well formed")      \
    X(PT_E_RANGE, "value outside its stated range")      \
    X(PT_E_NOTFOUND, "no such thing")                    \
    X(PT_E_AGAIN, "not possible now, try again")         \
    X(PT_E_DISK, "file could not be read or written")    \
    X(PT_E_CORRUPT, "stored data is damaged")            \
    X(PT_E_CONFIG, "configuration is wrong")             \
    X(PT_E_NETWORK, "network peer not reachable")        \
    X(PT_E_TLS, "TLS credentials refused or unreadable") \
    X(PT_E_DB, "database refused or lost the request")   \
    X(PT_E_OFFROAD, "no road within reach")              \
    X(PT_E_UNREACHABLE, "no way by road")                \
    X(PT_E_SYSTEM, "operating system refused")

enum pt_err {
    PT_OK = 0,
#define PT_ERR_ENUM(name, text) name,
    PT_ERRORS(PT_ERR_ENUM)
#undef PT_ERR_ENUM
        PT_E_COUNT
};

/* The compiler nags when a caller drops the result. */
#define PT_MUST_CHECK __attribute__((warn_unused_result))

/* A constant sentence without a full stop; "unknown error" outside the
 * list. Never NULL. */
const char *pt_strerror(enum pt_err err);

#endif

#ifndef CREW_PAGE_INTERNAL_H
#define CREW_PAGE_INTERNAL_H
#include "crew_page.h"

/* ---- crew_page_request.c: pure ------------------------------------------ */

enum page_method { PAGE_GET, PAGE_HEAD, PAGE_POST, PAGE_OTHER };

/* All texts lie in the bytes that were parsed; NULL: not there. */
struct page_request {
    enum page_method method;
    char *path; /* without a query */
    const char *host, *origin, *content_type, *authorization, *if_none_match;
    bool close; /* Connection: close */
    const char *body;
    size_t body_bytes;
    size_t bytes; /* of all of it */
    bool local;   /* by the socket; the server's to say */
};

/* What `size` bytes begin with: 200 and `ret`, or 0: not complete yet, or the
 * status that it is refused with: 400 not HTTP, or with something in it that
 * two readers could read two ways; 413 body, 431 head too long; 417 expects
 * what we do not do; 501 chunks and the like; 505 not HTTP/1.1. Once it is
 * complete the bytes are changed. */
int page_parse(char *bytes, size_t size, struct page_request *ret);

/* "application/json", whatever follows a semicolon. */
bool page_is_json(const char *content_type);

/* ---- crew_page_pin.c: who knows the number ------------------------------- */

#define PAGE_TOKEN_BYTES 16
#define PAGE_TOKEN_TEXT (2 * PAGE_TOKEN_BYTES + 1)

struct page_session {
    char token[PAGE_TOKEN_TEXT]; /* "": free */
    uint64_t used_ms;
};

struct page_pin {
    char number[CREW_PAGE_PIN_MAX + 1]; /* "": none is asked for */
    unsigned wrong;                     /* in a row */
    uint64_t locked_until_ms;
    struct page_session sessions[CREW_PAGE_SESSIONS_MAX];
};

bool page_pin_valid(const char *number);
/* PT_E_AGAIN: locked; PT_E_RANGE: wrong; PT_E_SYSTEM: no random number. */
PT_MUST_CHECK enum pt_err page_pin_open(struct page_pin *pin,
                                        const char *number, uint64_t now_ms,
                                        char ret[PAGE_TOKEN_TEXT]);
/* `authorization` as in the header, or NULL. */
bool page_pin_knows(struct page_pin *pin, const char *authorization,
                    uint64_t now_ms);

/* ---- crew_page_answer.c: what is answered -------------------------------- */

struct page_reply {
    int status;
    const char *content_type;
    const char *etag; /* or NULL */
    const char *body; /* `size` bytes; in `owned`, or for ever */
    size_t size;
    char *owned;
};

/* What an answer hangs on. */
struct page_desk {
    char host[CREW_PAGE_LISTEN_MAX + 1]; /* as Host must have it */
    struct page_pin pin;
    struct crew_page_calls calls;
    struct crew_page_refused refused;
};

/* Never fails: without memory it is a 503. */
void page_answer(struct page_desk *desk, const struct page_request *rq,
                 uint64_t now_ms, struct page_reply *ret);
/* The same for what page_parse() refused. */
void page_refuse(struct page_desk *desk, int status, struct page_reply *ret);
const char *page_reason(int status);

#endif

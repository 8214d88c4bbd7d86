#ifndef CREW_PAGE_H
#define CREW_PAGE_H
/* crew_page: the page that the agent serves to its own crew, on the vehicle's
 * own link, and the same for patrol-crew by a socket of this machine. Loop
 * thread only.
 *
 * HTTP/1.1 by hand and no more of it than this page needs, because a library
 * costs every vehicle: libmicrohttpd with the TLS library it brings 2.7 MB of
 * memory where nobody else maps them, half of what the agent may use.
 *
 * Trust. Whoever is on the vehicle's link is the crew; with `pin` only who
 * knows that, but for a panic, which anybody there may raise. The link itself
 * has to be the vehicle's own (its cable, its Wi-Fi with a password): nothing
 * here is encrypted. By the socket speaks whoever the file's rights (0660) let.
 * A page of another site cannot speak for the crew: a request must name the
 * listening address as its host (a foreign name that resolves to it is
 * refused), and one that changes anything must come from this very page
 * (Origin) and say that it is JSON.
 *
 * Limits. CREW_PAGE_VISITORS_MAX connections; one more takes the place of the
 * one that has been quiet longest. A head of CREW_PAGE_HEAD_MAX bytes, a body
 * of CREW_BODY_MAX, no chunks. A request must be complete CREW_PAGE_SLOW_MS
 * after its first byte and its answer taken as long after it was made; between
 * two a connection may be quiet for CREW_PAGE_QUIET_MS. One answer at a time:
 * what a connection sends meanwhile waits in the kernel. After
 * CREW_PAGE_WRONG_MAX wrong numbers in a row none is looked at for
 * CREW_PAGE_LOCKED_MS. CREW_PAGE_SESSIONS_MAX pages are logged on with the
 * number; one more takes the place of the one not used longest. */
#include "crew.h"
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define CREW_PAGE_VISITORS_MAX 16
#define CREW_PAGE_HEAD_MAX 4096
#define CREW_PAGE_SLOW_MS 5000
#define CREW_PAGE_QUIET_MS 30000
#define CREW_PAGE_WRONG_MAX 5
#define CREW_PAGE_LOCKED_MS 60000
#define CREW_PAGE_SESSIONS_MAX 8
#define CREW_PAGE_SESSION_MS 43200000 /* not used for so long: over */
#define CREW_PAGE_PIN_MAX 12          /* digits, 4 at least */
#define CREW_PAGE_AGAIN_MS 10000
#define CREW_PAGE_LISTEN_MAX 64
#define CREW_PAGE_SOCKET_MAX 107 /* sockaddr_un's */

struct crew_page_settings {
    const char *listen; /* "ADDRESS:PORT", IPv6 in brackets */
    const char *pin;    /* "": none */
    const char *socket; /* a path of at most CREW_PAGE_SOCKET_MAX; "": none */
};

/* Refused, since the start. */
struct crew_page_refused {
    uint64_t host, origin; /* another site's */
    uint64_t malformed;    /* no request, or no act */
    uint64_t too_long;
    uint64_t slow;   /* cut off: request not complete, answer not taken */
    uint64_t crowd;  /* cut off for a newcomer */
    uint64_t locked; /* without the number, or with a wrong one */
};

struct crew_page_calls {
    void *context;
    /* What the page shows, as JSON that free() frees; NULL: no memory.
     * `locked`: to somebody without the number. */
    char *(*state)(void *context, bool locked,
                   const struct crew_page_refused *refused);
    /* Says it; PT_OK also when it was said before. */
    enum pt_err (*act)(void *context, const struct crew_say *say);
};

/* What is wrong with the settings, in `message`: an address that is none or
 * stands for every one of the machine, a number that is none. */
PT_MUST_CHECK enum pt_err
crew_page_check(const struct crew_page_settings *settings, char *message,
                size_t size);

struct crew_page;

/* Listens at once; neither address nor socket: `ret` is NULL, which
 * crew_page_close() takes. An address that the machine does not have yet (the
 * Wi-Fi is still coming up), or a socket that cannot be made, is told and tried
 * again every CREW_PAGE_AGAIN_MS: the reports do not depend on the page. What
 * stands at `socket` and is a socket is replaced. Copies its arguments.
 * PT_E_CONFIG, PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err
crew_page_new(uv_loop_t *loop, const struct crew_page_settings *settings,
              const struct crew_page_calls *calls, struct crew_page **ret);

/* `done` is called from the loop when all is freed, at once for NULL. */
void crew_page_close(struct crew_page *page, void (*done)(void *),
                     void *context);

#endif

#ifndef CA_H
#define CA_H
/* ca: a small certificate authority of our own, in one directory, on
 * libcrypto. It says who is the broker, who is a gateway and who is which
 * device; nothing outside the service needs to believe it. Blocks; one
 * thread.
 *
 * Keys are EC on P-256 (FIPS 186-4), files 0600 and without a password: the
 * programs that read them start without anybody at hand. Serial numbers are
 * 127 random bits (RFC 5280, 4.1.2.2: positive, at most 20 bytes). Each
 * certificate issued is a line in DIR/index: serial, role, not after, name.
 */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>

/* Common names: 1..64 of [A-Za-z0-9._-], not beginning with a dot. */
#define CA_NAME_MAX 64
bool ca_name_valid(const char *name);

/* Names of gateways and of this tool's own files, which no device may have:
 * the broker's access list gives rights to patrol-gateway, and devices'
 * files would take the place of theirs. */
bool ca_name_reserved(const char *name);

enum ca_role {
    CA_SERVER, /* the broker: serverAuth */
    CA_CLIENT, /* a gateway or a device: clientAuth */
};

struct ca_request {
    const char *name; /* common name; files are NAME.key and NAME.crt */
    enum ca_role role;
    int days; /* of validity, 1..3650, from five minutes ago (a vehicle's
                 clock may be a little behind) */
    /* CA_SERVER: host names and addresses one connects to. */
    size_t host_count;
    const char *const *hosts;
    bool replace; /* else files that are there already are left alone */
};

/* Makes DIR (0700) with ca.key and ca.crt, valid for ten years. PT_E_FULL:
 * there is an authority already. `message` says what was refused. */
PT_MUST_CHECK enum pt_err ca_init(const char *dir, char *message,
                                  size_t message_size);

/* Writes NAME.key, NAME.crt and a copy of ca.crt into `out` (made when
 * missing, 0700). PT_E_RANGE: a name or a number that cannot be; PT_E_FULL:
 * the files are there; PT_E_DISK; PT_E_TLS: the authority is damaged. */
PT_MUST_CHECK enum pt_err ca_issue(const char *dir, const char *out,
                                   const struct ca_request *request,
                                   char *message, size_t message_size);

#endif

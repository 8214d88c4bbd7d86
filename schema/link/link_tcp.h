#ifndef LINK_TCP_H
#define LINK_TCP_H
/* What the kernel has counted of a TCP connection. A header of its own:
 * <linux/tcp.h> and the C library's, which <uv.h> includes, define the same
 * things, and the latter's struct tcp_info is too old. */
#include <stdbool.h>
#include <stdint.h>

struct link_tcp {
    uint64_t bytes_out, bytes_in; /* of the stream; out: sent again, too; in: a
                                     FIN as one byte */
    uint64_t segments_out, segments_in;
    bool has_timestamps; /* an option in every segment (RFC 7323) */
};

/* False when `fd` is no TCP socket that is connected. */
bool link_tcp_look(int fd, struct link_tcp *ret);

#endif

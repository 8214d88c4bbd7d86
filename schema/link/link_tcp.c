#include "link_tcp.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

bool link_tcp_look(int fd, struct link_tcp *ret)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    *ret = (struct link_tcp){
        .bytes_out = info.tcpi_bytes_sent,
        .bytes_in = info.tcpi_bytes_received,
        .segments_out = info.tcpi_segs_out,
        .segments_in = info.tcpi_segs_in,
        .has_timestamps = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0,
    };
    return true;
}

/* What the connection costs: by the kernel's count of TCP, and by MQTT's
 * format for what goes through link_publish() and comes back. */
#include "link_internal.h"
#include "link_tcp.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* Variable byte integer (MQTT 5, 1.5.5). */
static size_t integer_bytes(size_t value)
{
    size_t bytes = 1;
    while (value >= 128) {
        value /= 128;
        bytes++;
    }
    return bytes;
}

size_t link_publish_bytes(size_t topic_length, size_t size, int qos,
                          bool has_alias)
{
    size_t properties = has_alias ? 3 : 0; /* 3.3.2.3.4 */
    size_t rest = 2 + topic_length + (qos > 0 ? 2 : 0) + 1 + properties + size;
    return 1 + integer_bytes(rest) + rest;
}

void link_traffic_out(struct link *link, size_t payload, size_t packet)
{
    link->past.messages_out++;
    link->past.payload_out += payload;
    link->past.publish_out += packet;
}

void link_traffic_in(struct link *link, const struct mosquitto_message *message)
{
    size_t payload = (size_t)message->payloadlen;
    link->past.messages_in++;
    link->past.payload_in += payload;
    link->past.publish_in += link_publish_bytes(strlen(message->topic), payload,
                                                message->qos, false);
}

/* IPv4 or IPv6 and TCP without options, and time stamps (10, padded to 12). */
static uint64_t header_bytes(int fd, const struct link_tcp *tcp)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    uint64_t ip = 20;
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        address.ss_family == AF_INET6)
        ip = 40;
    return (ip + 20 + (tcp->has_timestamps ? 12 : 0)) *
           (tcp->segments_out + tcp->segments_in);
}

void link_traffic_sample(struct link *link)
{
    struct link_tcp tcp;
    int fd = link->mosq == NULL ? -1 : mosquitto_socket(link->mosq);
    if (!link_tcp_look(fd, &tcp))
        return;
    link->present = (struct link_traffic){
        .stream_out = tcp.bytes_out,
        .stream_in = tcp.bytes_in,
        .segments_out = tcp.segments_out,
        .segments_in = tcp.segments_in,
        .header_bytes = header_bytes(fd, &tcp),
    };
}

static void add(struct link_traffic *sum, const struct link_traffic *more)
{
    sum->stream_out += more->stream_out;
    sum->stream_in += more->stream_in;
    sum->segments_out += more->segments_out;
    sum->segments_in += more->segments_in;
    sum->header_bytes += more->header_bytes;
}

void link_traffic_end(struct link *link)
{
    link_traffic_sample(link);
    add(&link->past, &link->present);
    link->present = (struct link_traffic){0};
}

struct link_traffic link_traffic(struct link *link)
{
    link_traffic_sample(link);
    struct link_traffic traffic = link->past;
    add(&traffic, &link->present);
    return traffic;
}

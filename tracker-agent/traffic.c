/* What reporting costs the vehicle's contract, told in its log: the control
 * room sees neither its TCP nor its tries to connect. */
#include "agent.h"
#include "pt_log.h"
#include <inttypes.h>

#define TELL_EVERY_MS 3600000

static double kb(uint64_t bytes)
{
    return (double)bytes / 1000.0;
}

static void tell_each(const struct link_traffic *t, uint64_t receipted)
{
    uint64_t payload = t->payload_out + t->payload_in;
    uint64_t publish = t->publish_out + t->publish_in;
    uint64_t stream = t->stream_out + t->stream_in;
    uint64_t all = stream + t->header_bytes;
    /* What still waits in a buffer is in `publish` and not in `stream`. */
    uint64_t tls = stream > publish ? stream - publish : 0;
    pt_log(PT_LOG_INFO,
           "traffic since the start: %.3f kB (payload %.3f, MQTT %.3f, TLS "
           "%.3f, TCP/IP %.3f) in %" PRIu64 " messages and %" PRIu64
           " packets, %" PRIu64 " connections; %" PRIu64
           " entries stored, %.0f B each",
           kb(all), kb(payload), kb(publish - payload), kb(tls),
           kb(t->header_bytes), t->messages_out + t->messages_in,
           t->segments_out + t->segments_in, t->connections, receipted,
           receipted > 0 ? (double)all / (double)receipted : 0.0);
}

void agent_traffic_tell(struct agent *agent)
{
    struct link_traffic traffic = link_traffic(agent->link);
    agent->traffic_told_ms = uv_now(&agent->loop);
    tell_each(&traffic, agent->receipted);
}

void agent_traffic_due(struct agent *agent)
{
    if (uv_now(&agent->loop) - agent->traffic_told_ms >= TELL_EVERY_MS)
        agent_traffic_tell(agent);
}

/* What messages cost between a vehicle and the broker. The gateway sees their
 * payloads; the rest follows from the formats:
 *
 *   MQTT    a PUBLISH packet at QoS 0 (MQTT 5, 3.3): a report under its topic
 *           alias (schema/link), a receipt under its topic
 *   TLS     1.3 with a cipher whose tag has 16 bytes: 22 bytes a record of at
 *           most 16 kB (RFC 8446, 5.1 and 5.2: header 5, inner type 1, tag 16)
 *   TCP/IP  IPv4 with TCP's time stamps: 52 bytes a packet of at most 1500,
 *           and an acknowledgement of its own for every other packet, one at
 *           the least (RFC 9293, 3.8.6.3)
 *
 * Not in it: connecting, pings, and what the network loses. tests/bench/wire
 * holds these numbers against the packets themselves. */
#include "intake_internal.h"

#define TLS_RECORD_BYTES 22u
#define TLS_RECORD_MAX 16384u
#define HEADERS_BYTES 52u
#define SEGMENT_MAX (1500u - HEADERS_BYTES)

static const char *const kind_labels[COST_KINDS] = {
    [COST_FIX] = "kind=\"fix\"",
    [COST_BATCH] = "kind=\"batch\"",
    [COST_HEARTBEAT] = "kind=\"heartbeat\"",
    [COST_RECEIPT] = "kind=\"receipt\"",
};

#define LAYERS_OF(kind)                                         \
    {                                                           \
        [COST_PAYLOAD] = "kind=\"" kind "\",layer=\"payload\"", \
        [COST_MQTT] = "kind=\"" kind "\",layer=\"mqtt\"",       \
        [COST_TLS] = "kind=\"" kind "\",layer=\"tls\"",         \
        [COST_TCP_IP] = "kind=\"" kind "\",layer=\"tcp_ip\"",   \
    }
static const char *const layer_labels[COST_KINDS][COST_LAYERS] = {
    [COST_FIX] = LAYERS_OF("fix"),
    [COST_BATCH] = LAYERS_OF("batch"),
    [COST_HEARTBEAT] = LAYERS_OF("heartbeat"),
    [COST_RECEIPT] = LAYERS_OF("receipt"),
};

static size_t parts(size_t bytes, size_t at_most)
{
    return (bytes + at_most - 1) / at_most;
}

static void count(struct cost *cost, enum cost_kind kind, size_t payload,
                  size_t packet)
{
    uint64_t *bytes = cost->bytes[kind];
    size_t tls = 0;
    if (cost->with_tls)
        tls = TLS_RECORD_BYTES * parts(packet, TLS_RECORD_MAX);
    size_t segments = parts(packet + tls, SEGMENT_MAX);
    size_t answers = (segments + 1) / 2;
    cost->messages[kind]++;
    bytes[COST_PAYLOAD] += payload;
    bytes[COST_MQTT] += packet - payload;
    bytes[COST_TLS] += tls;
    bytes[COST_TCP_IP] += HEADERS_BYTES * (segments + answers);
}

void cost_report(struct cost *cost, size_t payload, size_t entries)
{
    enum cost_kind kind = COST_HEARTBEAT;
    if (entries > 0)
        kind = entries == 1 ? COST_FIX : COST_BATCH;
    cost->entries[kind] += entries;
    count(cost, kind, payload, link_publish_bytes(0, payload, 0, true));
}

void cost_receipt(struct cost *cost, size_t topic_length, size_t payload)
{
    count(cost, COST_RECEIPT, payload,
          link_publish_bytes(topic_length, payload, 0, false));
}

static enum pt_err add_layers(const struct cost *cost, enum cost_kind kind,
                              struct metrics *metrics)
{
    for (int layer = 0; layer < COST_LAYERS; layer++) {
        enum pt_err err = metrics_add(
            metrics, METRICS_COUNTER, "patrol_wire_bytes_total",
            layer_labels[kind][layer],
            "Bytes between vehicles and the broker: the payload as it is, the "
            "layers below by their formats; without connecting and pings",
            &cost->bytes[kind][layer]);
        if (err != PT_OK)
            return err;
    }
    return PT_OK;
}

enum pt_err cost_metrics(const struct cost *cost, struct metrics *metrics)
{
    enum pt_err err = PT_OK;
    for (int kind = 0; kind < COST_KINDS && err == PT_OK; kind++) {
        err = metrics_add(metrics, METRICS_COUNTER,
                          "patrol_wire_messages_total", kind_labels[kind],
                          "Reports with one entry, with several, with none, "
                          "and receipts",
                          &cost->messages[kind]);
        if (err == PT_OK && (kind == COST_FIX || kind == COST_BATCH))
            err = metrics_add(metrics, METRICS_COUNTER,
                              "patrol_wire_entries_total", kind_labels[kind],
                              "Entries in those reports, repeats included",
                              &cost->entries[kind]);
        if (err == PT_OK)
            err = add_layers(cost, (enum cost_kind)kind, metrics);
    }
    return err;
}

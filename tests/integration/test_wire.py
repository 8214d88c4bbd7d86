"""What a fix costs, as gateway and agent count it; and a backlog, which never
stands before the present."""
import re

from lib_common import wait_for
from lib_vehicle import encode, entry

CAR = "car-1"
AT = (23.13, -82.38)
# Known of the formats: MQTT's PUBLISH with a topic alias and with a topic
# written out (MQTT 5, 3.3), a TLS 1.3 record (RFC 8446, 5), IPv4 and TCP with
# time stamps for a packet and its acknowledgement.
ALIASED, WRITTEN = 2 + 2 + 4, 2 + 2 + 1
TLS, HEADERS = 22, 2 * 52


def wire(gateway, kind):
    return [gateway.metric(f'patrol_wire_bytes_total{{kind="{kind}",'
                           f'layer="{layer}"}}')
            for layer in ("payload", "mqtt", "tls", "tcp_ip")]


def test_the_gateway_counts_what_messages_cost(database, make_gateway,
                                               make_vehicle):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    vehicle = make_vehicle(CAR)
    fix = encode(vehicle.generation, [entry(1, AT)])
    some = encode(vehicle.generation, [entry(n, AT) for n in (2, 3, 4)])
    none = encode(vehicle.generation, [])
    for payload in (fix, some, none):
        vehicle.publish(payload)
    vehicle.wait_stored(4)
    wait_for(lambda: gateway.metric(
        'patrol_wire_messages_total{kind="heartbeat"}') == 1)
    assert wire(gateway, "fix") == [len(fix), ALIASED, TLS, HEADERS]
    assert wire(gateway, "batch") == [len(some), ALIASED, TLS, HEADERS]
    assert wire(gateway, "heartbeat") == [len(none), ALIASED, TLS, HEADERS]
    assert gateway.metric('patrol_wire_entries_total{kind="fix"}') == 1
    assert gateway.metric('patrol_wire_entries_total{kind="batch"}') == 3
    # however many receipts that took
    count = gateway.metric('patrol_wire_messages_total{kind="receipt"}')
    assert count == gateway.metric("patrol_receipts_sent_total") > 0
    assert wire(gateway, "receipt")[1:] == [
        count * (WRITTEN + len(f"patrol/v1/{CAR}/receipt")), count * TLS,
        count * HEADERS]


TRAFFIC = re.compile(
    r"traffic since the start: (\S+) kB \(payload (\S+), MQTT (\S+), TLS (\S+),"
    r" TCP/IP (\S+)\) in (\d+) messages and (\d+) packets, (\d+) connections;"
    r" (\d+) entries stored")


def test_the_agent_counts_its_own_traffic(make_agent, make_peer, receiver,
                                          proxy):
    """Beside what a forwarder between it and the broker has passed on, over
    two connections."""
    peer = make_peer(receipts=True)
    agent = make_agent(CAR, broker__list=proxy.address).start()
    wait_for(lambda: peer.entries(CAR), 20, agent.process.log)
    proxy.cut()
    agent.process.wait_log("lost broker")
    proxy.mend()
    agent.process.wait_log("connected to broker", count=2)
    receiver.mode = 1  # nothing new is said
    before = len(peer.entries(CAR))
    wait_for(lambda: len(peer.entries(CAR)) > before or
             "0 left" in agent.process.log(), 20, agent.process.log)
    agent.wait_empty()
    assert agent.stop() == 0
    found = TRAFFIC.search(agent.process.log())
    all_kb, payload, mqtt, tls, headers = map(float, found.groups()[:5])
    messages, packets, connections, stored = map(int, found.groups()[5:])
    assert connections == 2
    assert stored == len({e.seq for e in peer.entries(CAR)})
    assert abs(all_kb - (payload + mqtt + tls + headers)) < 0.003
    # 20 IP, 20 TCP, 12 time stamps (loopback has them, as the world has)
    assert round(headers * 1000) == 52 * packets
    assert messages >= stored
    # Each connection's end may be a byte, and its last words (offline and
    # DISCONNECT, after it told): 34 + 2 x 22 + 2 of TLS and MQTT.
    stream = round((all_kb - headers) * 1000)
    assert -4 <= proxy.forwarded - stream <= 250

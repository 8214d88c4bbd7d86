"""A device's side of the broker, without an agent: what it sends is the
test's, also what no agent would."""
import secrets
import socket
import ssl
import threading
import time

import paho.mqtt.client as mqtt

import lib_wire as wire
from lib_common import wait_for

CLOCK_UNSURE = 32
STATUS = {"unknown": 0, "available": 1, "en_route": 2, "on_scene": 3,
          "busy": 4, "off_duty": 5}
KIND = {"fix": 0, "status": 1, "panic": 2, "answer": 3, "logon": 4}


def now_ms():
    return int(time.time() * 1000)


def entry(seq, at=None, time_ms=None, status="available", kind="fix",
          detail=None, **values):
    """What stands in one entry; `flags` may add CLOCK_UNSURE."""
    flags = values.get("flags", 0)
    if at is not None:
        flags |= wire.POSITION
    for name, bit in (("speed_cmps", wire.SPEED),
                      ("course_cdeg", wire.COURSE),
                      ("accuracy_dm", wire.ACCURACY)):
        if name in values:
            flags |= bit
    lat, lon = at if at is not None else (0, 0)
    return {"seq": seq, "time_ms": now_ms() if time_ms is None else time_ms,
            "lat_e6": round(lat * 1e6), "lon_e6": round(lon * 1e6),
            "speed_cmps": values.get("speed_cmps", 0),
            "course_cdeg": values.get("course_cdeg", 0),
            "accuracy_dm": values.get("accuracy_dm", 0),
            "flags": flags | STATUS[status] << 8 | KIND[kind] << 12,
            "detail": detail}


def encode(generation, entries, lowest_held=None, state=None):
    """The bytes of a Report."""
    report = wire.pb.Report(generation=generation, count=len(entries))
    if entries:
        lowest = entries[0]["seq"] if lowest_held is None else lowest_held
        report.held_below = entries[0]["seq"] - lowest
        for name, column, _ in wire.COLUMNS:
            setattr(report, name, entries[0][name])
            getattr(report, column).extend(
                b[name] - a[name] for a, b in zip(entries, entries[1:]))
        for index, e in enumerate(entries):
            if e["detail"] is not None:
                report.details.add(index=index, text=e["detail"])
    for name, value in (state or {}).items():
        setattr(report.state, name, value)
    return report.SerializeToString()


def decode_receipt(payload):
    """(generation, stored_to, [(first, last), ...])"""
    receipt = wire.pb.Receipt()
    receipt.ParseFromString(payload)
    ranges, at = [], receipt.stored_to
    for gap, length in zip(receipt.ranges[::2], receipt.ranges[1::2]):
        ranges.append((at + gap + 1, at + gap + length))
        at += gap + length
    return receipt.generation, receipt.stored_to, ranges


class Vehicle:
    """A device's MQTT side, without an agent: what to send is the test's."""

    def __init__(self, broker, authority, name):
        self.name = name
        self.generation = secrets.randbelow(2 ** 63 - 1) + 1
        self.receipts = []
        self.subscribed = threading.Event()
        cert, key = authority.issue(name)
        self.client = mqtt.Client(name, protocol=mqtt.MQTTv5)
        self.client.tls_set(authority.ca, cert, key,
                            tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.will_set(self.topic("presence"), "offline", 1, True)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._message
        self.client.reconnect_delay_set(0.2, 1)
        self.client.connect("localhost", broker.port, keepalive=20)
        self.client.loop_start()
        assert self.subscribed.wait(10)

    def topic(self, leaf):
        return f"patrol/v1/{self.name}/{leaf}"

    def _connected(self, client, *_):
        client.subscribe(self.topic("receipt"), 1)
        client.publish(self.topic("presence"), "online", 1, True)

    def _message(self, _client, _userdata, message):
        self.receipts.append(decode_receipt(message.payload))

    def publish(self, payload):
        self.client.publish(self.topic("report"), payload, 0).wait_for_publish()

    def send(self, *entries, **report):
        self.publish(encode(report.pop("generation", self.generation),
                            list(entries), **report))

    def stored_to(self, generation=None):
        """The highest number up to which all is receipted."""
        wanted = self.generation if generation is None else generation
        return max([to for g, to, _ in list(self.receipts) if g == wanted],
                   default=0)

    def wait_stored(self, seq, timeout=10):
        wait_for(lambda: self.stored_to() >= seq, timeout,
                 f"{self.name}: a receipt for {seq}")

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """As out of coverage: no DISCONNECT, so the broker says the will."""
        self.client.loop_stop()
        self.client.socket().shutdown(socket.SHUT_RDWR)

"""Hears all reports at the broker, beside the gateway and with its rights."""
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass

import paho.mqtt.client as mqtt

import lib_wire as wire


@dataclass
class Heard:
    messages: int = 0
    entries: int = 0
    payload_bytes: int = 0


class Ear:
    def __init__(self, broker, authority):
        self._heard = defaultdict(Heard)
        self._lock = threading.Lock()
        self._ready = threading.Event()
        cert, key = authority.issue("patrol-gateway")
        self._client = mqtt.Client("bench-ear", protocol=mqtt.MQTTv5)
        self._client.tls_set(authority.ca, cert, key,
                             tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.on_connect = lambda *_: self._client.subscribe(
            "patrol/v1/+/report", 0)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._message
        self._client.connect("localhost", broker.port)
        self._client.loop_start()
        assert self._ready.wait(20)

    def _message(self, _client, _context, message):
        heard = wire.decode(message.payload)
        with self._lock:
            of = self._heard[message.topic.split("/")[2]]
            of.messages += 1
            of.entries += heard.count
            of.payload_bytes += len(message.payload)

    def forget(self):
        with self._lock:
            self._heard.clear()

    def of(self, device):
        with self._lock:
            return self._heard[device]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

"""The gateway's side of the broker, played by a Python client."""
import ssl
import threading
import time

import paho.mqtt.client as mqtt

import lib_wire as wire


class Peer:
    """Logged on as the gateway; keeps all reports and presences. With
    `receipts` set each report is receipted at once."""

    def __init__(self, broker, authority, name="patrol-gateway",
                 receipts=False):
        self.receipts = receipts
        self.lock = threading.Lock()
        self.reports = []   # (device, arrival, decoded Report)
        self.presence = {}  # device -> text
        self.stored = {}    # (device, generation) -> numbers
        cert, key = authority.issue(name)
        self.client = mqtt.Client(name, protocol=mqtt.MQTTv5)
        self.client.tls_set(authority.ca, cert, key,
                            tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self.up.clear()
        self.client.on_message = self._on_message
        self.up = threading.Event()
        self.client.connect_async("localhost", broker.port)
        self.client.loop_start()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def wait_up(self):
        assert self.up.wait(15), "the test's own client cannot log on"
        return self

    def _on_connect(self, client, _context, _flags, reason, _properties):
        if reason == 0:
            client.subscribe([("patrol/v1/+/report", 0),
                              ("patrol/v1/+/presence", 1)])
            self.up.set()

    def _on_message(self, _client, _context, message):
        device, kind = message.topic.split("/")[2:]
        with self.lock:
            if kind == "presence":
                self.presence[device] = message.payload.decode()
                return
            report = wire.decode(message.payload)
            self.reports.append((device, time.time(), report))
            if self.receipts:
                self._store(device, report)

    def _store(self, device, report):
        """Also closes what the device no longer holds, as the gateway's
        ledger does."""
        numbers = self.stored.setdefault((device, report.generation), set())
        numbers.update(entry.seq for entry in wire.entries(report))
        numbers.update(range(1, report.seq - report.held_below))
        self.receipt(device, report.generation, numbers)

    def catch_up(self):
        """Receipts all that came so far, and each report from now on."""
        with self.lock:
            self.receipts = True
            for device, _, report in self.reports:
                self._store(device, report)

    def receipt(self, device, generation, numbers):
        self.client.publish(f"patrol/v1/{device}/receipt",
                            wire.receipt(generation, numbers), qos=1)

    def entries(self, device):
        """All entries that came, with repeats, in order."""
        with self.lock:
            return [entry for name, _, report in self.reports
                    if name == device for entry in wire.entries(report)]

    def states(self, device):
        with self.lock:
            return [report.state for name, _, report in self.reports
                    if name == device and report.HasField("state")]

    def forget(self):
        with self.lock:
            self.reports.clear()

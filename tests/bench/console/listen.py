#!/usr/bin/python3
"""Many open consoles, as far as the gateway sees them: event streams that are
read as they come.

    listen.py HOST PORT STREAMS SECONDS PID

Events have consecutive ids, so that the first and the last of each stream say
how many came between; one stream is read whole and its ids looked at. PID's
processor time is taken meanwhile. One line of JSON."""
import calendar
import json
import os
import random
import re
import selectors
import socket
import sys
import time

ID = re.compile(rb"\nid: (\d+)\n")
RECEIVED = re.compile(rb'"received_at":"([0-9-]+)T([0-9:]+)(\.\d+)?Z"')
SETTLE_S = 5


def epoch_s(found):
    day, clock, fraction = found.groups()
    return calendar.timegm(time.strptime(
        (day + b"T" + clock).decode(), "%Y-%m-%dT%H:%M:%S")) + \
        float(fraction or b"0")


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stream:
    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost:%d\r\n"
                            b"Accept: text/event-stream\r\n\r\n" % address[1])
        self.socket.setblocking(False)
        self.tail = b""
        self.last = None
        self.bytes = self.resets = 0

    def read(self, lags):
        """False: it is over."""
        try:
            piece = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        if not piece:
            return False
        self.take(piece, lags)
        return True

    def take(self, piece, lags):
        now_s = time.time()
        self.bytes += len(piece)
        text = self.tail + piece
        at = text.rfind(b"\nid: ")
        found = ID.match(text, at) if at >= 0 else None
        if found is None and at > 0:  # the last one is not whole yet
            found = ID.match(text, text.rfind(b"\nid: ", 0, at))
        if found:
            self.last = int(found.group(1))
        self.resets += text.count(b"event: reset\n", max(len(self.tail) - 12, 0))
        # any of the events in it, not always the newest or the oldest
        said = RECEIVED.search(text, random.randrange(len(text)))
        if said and self.last is not None:
            lags.append(now_s - epoch_s(said))
        self.tail = text[-64:]


class Whole:
    """One stream's ids, all of them: chunks put together, then read."""

    def __init__(self):
        self.raw = self.text = b""
        self.last = None
        self.events = self.holes = 0

    def take(self, piece):
        self.raw += piece
        while True:
            head, line, rest = self.raw.partition(b"\r\n")
            if not line or not re.fullmatch(rb"[0-9A-Fa-f]+", head):
                break
            size = int(head, 16)
            if len(rest) < size + 2:
                break
            self.text += rest[:size]
            self.raw = rest[size + 2:]
        *events, self.text = self.text.split(b"\n\n")
        for event in events:
            said = re.match(rb"id: (\d+)\n", event)
            if said is None:
                continue
            if self.last is not None:
                self.events += 1
                self.holes += int(said.group(1)) != self.last + 1
            self.last = int(said.group(1))


class WholeStream(Stream):
    def __init__(self, address):
        super().__init__(address)
        self.whole = Whole()
        self.socket.setblocking(True)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        self.socket.setblocking(False)

    def take(self, piece, lags):
        super().take(piece, lags)
        self.whole.take(piece)


def pump(watched, streams, until_s, lags):
    while (left_s := until_s - time.monotonic()) > 0:
        for key, _ in watched.select(left_s):
            if not key.data.read(lags):
                sys.exit("listen: a stream ended")
    return [(stream.last, stream.bytes, stream.resets) for stream in streams]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] \
        if ordered else None


def main():
    host, port, count, seconds, pid = sys.argv[1], *map(int, sys.argv[2:])
    address = (host, port)
    watched = selectors.DefaultSelector()
    streams = [WholeStream(address)]
    streams += [Stream(address) for _ in range(count - 1)]
    for stream in streams:
        watched.register(stream.socket, selectors.EVENT_READ, stream)
    lags = []
    pump(watched, streams, time.monotonic() + SETTLE_S, [])
    begun_s, spent_s = time.monotonic(), processor_s(pid)
    own_s = time.process_time()
    before = pump(watched, streams, begun_s + 0.001, [])
    after = pump(watched, streams, begun_s + seconds, lags)
    took_s, spent_s = time.monotonic() - begun_s, processor_s(pid) - spent_s
    events = sum(b[0] - a[0] for a, b in zip(before, after))
    whole = streams[0].whole
    print(json.dumps({
        "streams": count, "seconds": round(took_s, 2), "events": events,
        "events_s": round(events / took_s),
        "bytes_s": round(sum(b[1] - a[1] for a, b in zip(before, after))
                         / took_s),
        "resets": sum(b[2] - a[2] for a, b in zip(before, after)),
        "gateway_core": round(spent_s / took_s, 3),
        "gateway_us_per_event": round(spent_s / max(events, 1) * 1e6, 3),
        "lag_p50_ms": round(percentile(lags, 0.5) * 1e3, 1),
        "lag_p99_ms": round(percentile(lags, 0.99) * 1e3, 1),
        "lags": len(lags), "reader_core": round(
            (time.process_time() - own_s) / took_s, 3),
        "read_whole": whole.events, "holes": whole.holes}))


main()

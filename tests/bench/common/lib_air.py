"""The way between vehicles and a control room: a network namespace for each,
a TUN device in each, and a forwarder between the two that counts what passes
and may be slow, far or cut.

    car 198.19.0.2 --TUN-- Air --TUN-- room 198.18.0.1 ...

The process that makes an Air moves into the room's namespace for good and
starts its servers there; `with air.car():` is the vehicle's. The addresses are
those that RFC 2544 sets aside for measuring. Packets have at most 1500 bytes,
each with its headers: a TUN device takes no larger ones to cut later. IP and
TCP headers are counted as they are, resent packets again; there is no frame of
Ethernet's, as in a mobile network. Needs root."""
import contextlib
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SYN = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def possible():
    """Whether this process may make namespaces and devices in them."""
    return os.access("/dev/net/tun", os.W_OK) and subprocess.run(
        ["unshare", "-n", "true"], check=False,
        stderr=subprocess.DEVNULL).returncode == 0


def _run(words):
    subprocess.run(words.split(), check=True)


def _tun(name):
    """A device of this thread's namespace; each read is a packet."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(),
                                           IFF_TUN | IFF_NO_PI))
    return fd


def _namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _new_namespace():
    """Made by a thread, which ends; the descriptor keeps it."""
    made = []

    def make():
        _checked(_libc.unshare(CLONE_NEWNET))
        made.append(_namespace())
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Lane:
    """One direction: packets in the order they came, each when it is due.
    `on_take` sees each that came, `on_give` each that arrives."""

    def __init__(self, source, target, on_take=None, on_give=None):
        self.source, self.target = source, target
        self.on_take, self.on_give = on_take, on_give
        self.bytes_a_second = self.delay_s = 0
        self.queue_bytes = 1 << 20
        self.dropped = 0
        self._waiting = deque()  # (leaves the queue, arrives, packet)
        self._free_s = 0         # when the last one has left

    def take(self, now_s, is_cut):
        """What its source has. IPv6 has things to say to itself: not ours."""
        while True:
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            if self.on_take:
                self.on_take(packet)
            queued = sum(len(packet) for leaves_s, _, packet in self._waiting
                         if leaves_s > now_s)
            if is_cut or queued + len(packet) > self.queue_bytes:
                self.dropped += 1
                continue
            self._free_s = max(self._free_s, now_s)
            if self.bytes_a_second:
                self._free_s += len(packet) / self.bytes_a_second
            self._waiting.append((self._free_s, self._free_s + self.delay_s,
                                  packet))

    def give(self, now_s, is_cut):
        """What is due goes on; how long until the next."""
        while self._waiting and self._waiting[0][1] <= now_s:
            packet = self._waiting.popleft()[2]
            if is_cut:
                self.dropped += 1
                continue
            if self.on_give:
                self.on_give(packet)
            os.write(self.target, packet)
        return self._waiting[0][1] - now_s if self._waiting else 1


class Air:
    def __init__(self, rooms=1):
        """The room has the addresses 198.18.0.1 and on, `rooms` of them: one
        for each vehicle makes their packets easy to tell apart."""
        self._car = _new_namespace()
        _checked(_libc.unshare(CLONE_NEWNET))
        room = _tun("room")
        _run("ip link set lo up")
        _run("ip link set room up")
        for number in range(1, rooms + 1):
            _run(f"ip addr add {self.room(number)}/16 dev room")
        _run("ip route add 198.19.0.0/16 dev room")
        with self.car():
            car = _tun("car")
            _run("ip link set lo up")
            _run("ip link set car up")
            _run("ip addr add 198.19.0.2/16 dev car")
            _run("ip route add 198.18.0.0/16 dev car")
        self.tap = Tap()
        self._cut = False
        self._lanes = (
            Lane(car, room,
                 on_take=lambda packet: self.tap.packet("up", packet)),
            Lane(room, car,
                 on_give=lambda packet: self.tap.packet("down", packet)))
        self._running = True
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    @staticmethod
    def room(number):
        return f"198.18.0.{number}"

    @contextlib.contextmanager
    def car(self):
        """For this thread, and what it starts."""
        before = _namespace()
        _checked(_libc.setns(self._car, CLONE_NEWNET))
        try:
            yield
        finally:
            _checked(_libc.setns(before, CLONE_NEWNET))
            os.close(before)

    def cut(self):
        """Out of coverage: whatever is sent is lost."""
        self._cut = True

    def mend(self):
        self._cut = False

    def far(self, delay_s):
        """So long to get there, either way."""
        for lane in self._lanes:
            lane.delay_s = delay_s

    def slow(self, kbit_s, queue_s):
        """So much each way, and a queue that takes so long to empty."""
        for lane in self._lanes:
            lane.bytes_a_second = kbit_s * 125
            lane.queue_bytes = queue_s * lane.bytes_a_second

    def interface(self):
        """(packets, bytes) that the vehicle's interface itself has counted."""
        with self.car():
            shown = subprocess.run(
                "ip -s -j link show dev car".split(), check=True,
                stdout=subprocess.PIPE).stdout
        counts = json.loads(shown)[0]["stats64"].values()
        return (sum(way["packets"] for way in counts),
                sum(way["bytes"] for way in counts))

    def dropped(self):
        return sum(lane.dropped for lane in self._lanes)

    def close(self):
        self._running = False
        self._thread.join()
        for lane in self._lanes:
            os.close(lane.source)

    def _forward(self):
        wait_s = 1
        sources = [lane.source for lane in self._lanes]
        while self._running:
            select.select(sources, [], [], max(min(wait_s, 0.2), 0))
            now_s = time.time()
            for lane in self._lanes:
                lane.take(now_s, self._cut)
            wait_s = min(lane.give(now_s, self._cut) for lane in self._lanes)


# ------------------------------------------------------------------ counting
@dataclass
class Way:
    """One direction of one vehicle's traffic."""
    packets: int = 0
    ip_bytes: int = 0
    tcp_bytes: int = 0  # what TCP carried, resent ones again
    resent: int = 0     # packets that carried nothing new
    record_bytes: int = 0  # of whole TLS records
    plain_bytes: int = 0
    plains: list = field(default_factory=list)  # of each record
    _next: int = None   # sequence number
    _kept: dict = field(default_factory=dict)
    _bytes: bytes = b""

    def snapshot(self):
        return {name: getattr(self, name) for name in
                ("packets", "ip_bytes", "tcp_bytes", "resent", "record_bytes",
                 "plain_bytes")} | {"records": len(self.plains)}

    def packet(self, ip_length, flags, seq, data):
        self.packets += 1
        self.ip_bytes += ip_length
        self.tcp_bytes += len(data)
        if flags & SYN:
            self._next, self._kept, self._bytes = seq + 1, {}, b""
        if not data or self._next is None:
            return
        ahead = (seq - self._next) % 2 ** 32
        if ahead >= 2 ** 31:  # begins before what is wanted
            behind = 2 ** 32 - ahead
            if behind >= len(data):
                self.resent += 1
                return
            seq, data = self._next, data[behind:]
        self._kept[seq % 2 ** 32] = data
        while self._next % 2 ** 32 in self._kept:
            part = self._kept.pop(self._next % 2 ** 32)
            self._bytes += part
            self._next += len(part)
        self._take_records()

    def _take_records(self):
        """RFC 8446, 5.1 and 5.2: type, version, length; what is encrypted
        (type 23) has one byte of type and a tag of 16 in its length."""
        while len(self._bytes) >= 5:
            kind, _, length = struct.unpack_from(">BHH", self._bytes)
            if len(self._bytes) < 5 + length:
                break
            self._bytes = self._bytes[5 + length:]
            plain = length - 17 if kind == 23 else length
            self.plains.append(plain)
            self.record_bytes += 5 + length
            self.plain_bytes += plain


@dataclass
class Traffic:
    """Of one vehicle: one address of the room."""
    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)

    def snapshot(self):
        return {"up": self.up.snapshot(), "down": self.down.snapshot()}


class Tap:
    """What has passed the vehicles' interface."""

    def __init__(self):
        self.traffic = {}  # address of the room -> Traffic
        self.packets = self.ip_bytes = self.longest = 0

    def of(self, address):
        return self.traffic.setdefault(address, Traffic())

    def packet(self, direction, data):
        length = struct.unpack_from(">H", data, 2)[0]
        self.packets += 1
        self.ip_bytes += length
        self.longest = max(self.longest, length)
        header = (data[0] & 15) * 4
        if data[9] != socket.IPPROTO_TCP:
            return
        is_up = direction == "up"
        room = socket.inet_ntoa(data[16:20] if is_up else data[12:16])
        seq = struct.unpack_from(">I", data, header + 4)[0]
        offset, flags = data[header + 12] >> 4, data[header + 13]
        traffic = self.of(room)
        way = traffic.up if is_up else traffic.down
        way.packet(length, flags, seq, data[header + offset * 4:length])

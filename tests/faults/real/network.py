"""Network namespaces, and in each the way from a vehicle to the broker: a TUN
device at either end and our relay between them. What the kernel can spoil
itself it does (tc tbf, nftables, a device that is down); what needs a memory,
delay and order and connections that are forgotten, the relay does, with or
without netem."""
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time

from shell import possible, run
from lib_common import wait_for  # pylint: disable=wrong-import-order

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
TUNSETIFF = 0x400454ca     # <linux/if_tun.h>
IFF_TUN_NO_PI = 0x1001
TCP = 6
PACKET_MAX = 65536
WAITING_MAX = 4096  # packets on their way; beyond it they are lost

HOME = "10.77.0.1"  # the broker, seen from every vehicle
_libc = ctypes.CDLL(None, use_errno=True)


def set_up_home():
    """The address that vehicles know, in the network of the control room."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "replace", HOME + "/32", "dev", "lo")


class Namespace:
    """Alive as long as a process that only sleeps in it."""

    def __init__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"],
            stdin=subprocess.DEVNULL)
        self.path = f"/proc/{self._holder.pid}/ns/net"
        self.enter = ["nsenter", "--net=" + self.path]
        wait_for(self._is_new, 60, "unshare --net")
        self.run("ip", "link", "set", "lo", "up")

    def _is_new(self):
        return os.readlink(self.path) != os.readlink("/proc/self/ns/net")

    def run(self, *words):
        return run(*self.enter, *words)

    def make(self, maker):
        """What `maker` makes there: a descriptor stays in its namespace."""
        made = []

        def enter_and_make():
            with open(self.path, "rb") as there:
                if _libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(maker())

        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        return made[0]

    def close(self):
        self._holder.kill()
        self._holder.wait()


def _tun(name):
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF,
                struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return end


def missing_tun():
    """Why there is no TUN device here; empty: there is."""
    try:
        os.close(_tun("probe"))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    return ""


def missing_shaper():
    return possible("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate",
                    "1mbit", "burst", "4000", "latency", "1s") or \
        possible("tc", "qdisc", "del", "dev", "lo", "root")


def missing_filter():
    return possible("nft", "add", "table", "inet", "probe") or \
        possible("nft", "delete", "table", "inet", "probe")


class Radio:
    """`delay_s` one way, of (least, most): where these differ packets overtake
    each other. Counts are of packets since the start."""

    def __init__(self, number):
        self.ns = Namespace()
        self.mast = f"mast{number}"
        self.subnet = f"10.77.{number}"
        self.host = 1
        self.delay_s = (0.0, 0.0)
        self.passed = self.forgotten = self.late = self.overtaken = 0
        self.refused = 0  # the device at the other end was down
        self._flows, self._dead = {}, set()
        self._newest = {}  # by end: the last that was handed on
        self._noise = None
        # each end of the way, and what comes out of the other
        self.near = self.ns.make(lambda: _tun("radio0"))
        self.far = _tun(self.mast)
        run("ip", "link", "set", self.mast, "up")
        run("ip", "route", "replace", self.subnet + ".0/24", "dev", self.mast)
        self.move()
        self.connect()

    # ------------------------------------------------------- what is done here
    @property
    def address(self):
        return f"{self.subnet}.{self.host}"

    def move(self):
        """Another address from now on."""
        before = self.address
        self.host = self.host % 250 + 1
        self.ns.run("ip", "address", "add", self.address + "/32", "dev",
                    "radio0")
        self.ns.run("ip", "link", "set", "radio0", "up")
        self.connect()
        run(*self.ns.enter, "ip", "address", "del", before + "/32", "dev",
            "radio0", check=False)

    def connect(self):
        self.ns.run("ip", "link", "set", "radio0", "up")
        self.ns.run("ip", "route", "replace", "default", "dev", "radio0",
                    "src", self.address)

    def disconnect(self):
        self.ns.run("ip", "link", "set", "radio0", "down")

    def is_connected(self):
        told = json.loads(self.ns.run("ip", "-json", "link", "show", "radio0"))
        return "UP" in told[0]["flags"]

    def forget(self):
        """As a NAT that has lost its table: what is open hears nothing more,
        for ever; what is new gets through."""
        self._dead |= set(self._flows)

    def flows_from(self, address):
        """Connections that had an answer from home."""
        return sum(1 for flow, answered in list(self._flows.items())
                   if flow[0] == address and answered)

    def _ends(self):
        return ((self.ns.enter, "radio0"), ([], self.mast))

    def shape(self, rate):
        for enter, device in self._ends():
            run(*enter, "tc", "qdisc", "replace", "dev", device, "root", "tbf",
                "rate", rate, "burst", "1600", "latency", "1s")
        self._noise = Noise(self)

    def unshape(self):
        """How many packets had to wait or were dropped for it."""
        self._noise.close()
        held = 0
        for enter, device in self._ends():
            told = json.loads(run(*enter, "tc", "-json", "-s", "qdisc", "show",
                                  "dev", device))
            held += told[0]["overlimits"] + told[0]["drops"]
            run(*enter, "tc", "qdisc", "del", "dev", device, "root")
        return held

    def drop(self, percent):
        """Where packets come in, at both ends: their sender never knows."""
        for enter, device in self._ends():
            table = f"{device}_faults"
            share = [] if percent == 100 else \
                ["numgen", "random", "mod", "100", "<", percent]
            run(*enter, "nft", "add", "table", "inet", table)
            run(*enter, "nft", "add", "counter", "inet", table, "dropped")
            run(*enter, "nft", "add", "chain", "inet", table, "arrivals",
                "{ type filter hook prerouting priority -300 ; }")
            run(*enter, "nft", "add", "rule", "inet", table, "arrivals",
                "iifname", device, *share, "counter", "name", "dropped",
                "drop")

    def undrop(self):
        """How many packets were dropped."""
        dropped = 0
        for enter, device in self._ends():
            table = f"{device}_faults"
            told = json.loads(run(*enter, "nft", "-json", "list", "counter",
                                  "inet", table, "dropped"))
            dropped += sum(item["counter"]["packets"]
                           for item in told["nftables"] if "counter" in item)
            run(*enter, "nft", "delete", "table", "inet", table)
        return dropped

    # ------------------------------------------------------------ the relay's
    def is_dead(self, end, packet):
        """A packet of a connection that is forgotten; keeps the list."""
        start = (packet[0] & 15) * 4
        if packet[9] != TCP or len(packet) < start + 4:
            return False
        source, target = packet[12:16], packet[16:20]
        ports = struct.unpack_from(">HH", packet, start)
        if end == self.far:
            source, target, ports = target, source, ports[::-1]
        flow = (socket.inet_ntoa(source), ports)
        if flow in self._dead:
            self.forgotten += 1
            return True
        self._flows[flow] = self._flows.get(flow, False) or end == self.far
        return False

    def note_passed(self, end, number):
        self.passed += 1
        if number < self._newest.get(end, 0):
            self.overtaken += 1
        self._newest[end] = max(number, self._newest.get(end, 0))

    def close(self):
        if self._noise is not None:
            self._noise.close()
        os.close(self.near)
        os.close(self.far)
        self.ns.close()


class Noise:
    """What else goes over the same radio: 80 kbit/s each way, to nobody."""

    def __init__(self, radio):
        make = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._up, self._down = radio.ns.make(make), make()
        self._sink = make()
        self._sink.bind((HOME, 0))
        self._to = (HOME, self._sink.getsockname()[1]), (radio.address, 9)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end.wait(0.1):
            for end, to in zip((self._up, self._down), self._to):
                try:
                    end.sendto(bytes(1000), to)
                except OSError:
                    continue  # the device is down, or says that nobody is there

    def close(self):
        if not self._end.is_set():
            self._end.set()
            self._thread.join()
            for end in (self._up, self._down, self._sink):
                end.close()


class Relay:
    """Carries packets between the two ends of each radio; one thread."""

    def __init__(self, radios, seed):
        self._random = random.Random(seed)
        self._across = {}  # descriptor: (radio, the other end)
        for radio in radios:
            self._across[radio.near] = (radio, radio.far)
            self._across[radio.far] = (radio, radio.near)
        self._waiting = []  # (due, number, radio, from, to, packet)
        self._number = 0
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while self._running:
            now = time.monotonic()
            wait_s = 0.2
            if self._waiting:
                wait_s = max(0.0, min(wait_s, self._waiting[0][0] - now))
            ready, _, _ = select.select(list(self._across), [], [], wait_s)
            for end in ready:
                self._take(end)
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                self._hand_on(*heapq.heappop(self._waiting)[1:])

    def _take(self, end):
        radio, other = self._across[end]
        try:
            packet = os.read(end, PACKET_MAX)
        except OSError:
            return  # the device is down
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return  # IPv6 looks for neighbours that do not exist
        if radio.is_dead(end, packet):
            return
        self._number += 1
        wait_s = self._random.uniform(*radio.delay_s)
        if wait_s == 0.0:
            self._hand_on(self._number, radio, end, other, packet)
        elif len(self._waiting) < WAITING_MAX:
            radio.late += 1
            heapq.heappush(self._waiting,
                           (time.monotonic() + wait_s, self._number, radio,
                            end, other, packet))

    @staticmethod
    def _hand_on(number, radio, end, other, packet):
        try:
            os.write(other, packet)
            radio.note_passed(end, number)
        except OSError:
            radio.refused += 1

    def close(self):
        self._running = False
        self._thread.join()

"""A vehicle: a receiver whose truth is known, gpsd, the tap, the real agent
with an outbox on a disk of its own, and a radio."""
import os
import shutil
import signal
import socket
import time

from network import HOME
from shell import run
from tap import Tap
from lib_agent import Agent  # pylint: disable=wrong-import-order
from lib_gpsd import Gpsd, Receiver

# Handed over so shortly before the agent's end that it may not have been read.
READ_S = 2.0
DISK_SIZE = "2m"
PLENTY = 10000  # entries: more than any round has
# Every fix is sent: the interval of the receiver, whatever the bound.
EVERY_FIX = {"pace__moving": 1, "pace__parked": 1, "pace__bound_m": 1,
             "broker__keepalive": 8}


class Address:
    """What Agent wants to know of gpsd and of the broker."""

    def __init__(self, port, host="localhost"):
        self.port, self.address = port, f"{host}:{port}"


class Vehicle:
    """`group_s`: entries are written in groups that are at most so old; 0:
    each at once. `held_max`: what the outbox holds at most. `radio` None:
    loopback. `mounts`: its disk is its own."""

    def __init__(self, directory, number, authority, broker_port, radio=None,
                 mounts=False, group_s=0, held_max=PLENTY):
        self.name = f"car-{number}"
        self.dir = os.path.join(directory, self.name)
        self.disk = os.path.join(self.dir, "disk")
        os.makedirs(self.disk)
        if mounts:
            run("mount", "-t", "tmpfs", "-o", "size=" + DISK_SIZE,
                "patrol-outbox", self.disk)
        self.radio, self.authority = radio, authority
        self.group_s, self.held_max = group_s, held_max
        self.counts_losses = held_max < PLENTY
        self.certain_to = {}  # by life that has ended: see is_in_doubt()
        self.receiver = Receiver(os.path.join(self.dir, "tty"))
        self.receiver.lat += number * 0.01
        self.receiver.step = (0.0001, 0.00005)
        self.receiver.speed_mps, self.receiver.course_deg = 12.25, 24.5
        self.gpsd = Gpsd(os.path.join(self.dir, "gpsd"), self.receiver.link)
        make = radio.ns.make if radio else lambda maker: maker()
        self.tap = Tap(make(socket.socket), self.gpsd.port)
        self._prepare_agent(broker_port)

    def _prepare_agent(self, broker_port):
        home = os.path.join(self.dir, "agent")
        os.makedirs(home)
        self.renew(*self.authority.issue(self.name), home=home)
        grouped = {"outbox__commit_entries": 1000,
                   "outbox__commit_seconds": self.group_s}
        at_once = {"outbox__commit_entries": 1}
        broker = Address(broker_port, HOME if self.radio else "localhost")
        self.agent = Agent(
            home, self.name, broker, Address(self.tap.port), self.authority,
            outbox__path=os.path.join(self.disk, "outbox.sqlite"),
            outbox__entries_max=self.held_max,
            broker__cert=os.path.join(home, "device.crt"),
            broker__key=os.path.join(home, "device.key"),
            **(grouped if self.group_s else at_once), **EVERY_FIX)
        self.process = self.agent.process
        if self.radio:
            self.process.command = self.radio.ns.enter + self.process.command

    def renew(self, cert, key, home=None):
        """Another certificate, in place of the one it has: as a file that is
        there whole or not."""
        home = home or self.agent.dir
        for source, name in ((key, "device.key"), (cert, "device.crt")):
            target = os.path.join(home, name)
            shutil.copy(source, target + ".new")
            os.rename(target + ".new", target)

    def start(self):
        self.receiver.plug()
        self.gpsd.start()
        self.process.start()
        return self

    def drive(self):
        self.receiver.mode = 3

    def rest(self):
        """The receiver says that it has no fix: nothing new to report."""
        self.receiver.mode = 1

    # -------------------------------------------------------- the agent's ends
    def _note_end(self):
        self.certain_to[self.tap.lives] = \
            time.monotonic() - READ_S - self.group_s

    def kill(self):
        """True: it did die of it."""
        child = self.process.child
        self._note_end()
        self.process.kill()
        return child is not None and child.returncode == -signal.SIGKILL

    def stop(self):
        self._note_end()
        return self.process.stop()

    def revive(self):
        if not self.process.runs():
            self.process.child = None
            self.process.start()

    def is_in_doubt(self, given):
        """Handed over so shortly before the agent was ended that it had to
        keep it neither in the database nor on its disk."""
        return given.at > self.certain_to.get(given.life, float("inf"))

    # ---------------------------------------------------------------- its disk
    def starts(self):
        """How often the agent has opened its outbox."""
        return self.process.log().count("entries not yet receipted")

    def has_written(self):
        """Since its start: the log of writes is gone at a clean end."""
        try:
            return os.path.getsize(
                os.path.join(self.disk, "outbox.sqlite-wal")) > 0
        except FileNotFoundError:
            return False

    def fill_disk(self):
        fill(os.path.join(self.disk, "ballast"))

    def free_disk(self):
        os.unlink(os.path.join(self.disk, "ballast"))

    def close(self):
        if self.process.runs():
            self.process.stop()
        self.gpsd.stop()
        self.receiver.unplug()
        self.tap.close()


def fill(path):
    """All that is left on the disk of `path`. Returns the bytes."""
    size = 0
    with open(path, "wb", buffering=0) as ballast:
        for chunk in (1 << 16, 1 << 12, 1 << 8, 1):
            try:
                while True:
                    size += ballast.write(bytes(chunk))
            except OSError:
                continue  # full, by this measure
    return size

"""A real gpsd, and a receiver on a pty that it reads."""
import os
import pty
import select
import socket
import threading
import time
import tty

from lib_common import Server, free_port
from lib_nmea import epoch


class Port:
    """A pty under a name that stays, for gpsd to read as a serial port."""

    def __init__(self, link):
        self.link = str(link)
        self._ends = None

    def plug(self):
        assert self._ends is None
        master, slave = pty.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        # gpsd started by root goes on as its own user
        os.chmod(name, 0o666)
        if os.path.islink(self.link):
            os.unlink(self.link)
        os.symlink(name, self.link)
        os.set_blocking(master, False)
        self._ends = (master, slave)
        return self

    def unplug(self):
        if self._ends is None:
            return
        for end in self._ends:
            os.close(end)
        os.unlink(self.link)
        self._ends = None

    def write(self, data, timeout_s=10):
        """All of it, as fast as it is read. What gpsd says to the receiver is
        thrown away."""
        end = time.monotonic() + timeout_s
        while data:
            assert time.monotonic() < end, "nobody reads"
            can_read, can_write, _ = select.select(
                self._ends[:1], self._ends[:1], [], 1)
            if can_read:
                os.read(self._ends[0], 65536)
            if can_write:
                data = data[os.write(self._ends[0], data):]


class Receiver(Port):
    """Says once a second where it is, from a thread of its own. What it said
    is kept in `said`: (time_ms, lat, lon) of the epochs with a fix."""

    def __init__(self, link):
        super().__init__(link)
        self.lat, self.lon = 23.1301, -82.3601
        self.speed_mps, self.course_deg = 0.0, 0.0
        self.step = (0.0, 0.0)  # degrees a second
        self.mode = 3
        self.said = []
        self._stop = threading.Event()
        self._thread = None

    def plug(self):
        super().plug()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def unplug(self):
        if self._ends is None:
            return
        self._stop.set()
        self._thread.join()
        super().unplug()

    def _run(self):
        while not self._stop.is_set():
            now = time.time()
            when = int(now) + 1
            if self._stop.wait(when - now):
                return
            self.lat += self.step[0]
            self.lon += self.step[1]
            mode = self.mode  # once: others change it
            text = epoch(when, self.lat, self.lon, self.speed_mps,
                         self.course_deg, mode)
            try:
                os.write(self._ends[0], text.encode())
            except BlockingIOError:
                continue  # nobody reads
            if mode >= 2:
                self.said.append((when * 1000, self.lat, self.lon))


class Gpsd(Server):
    def __init__(self, directory, *devices, environment=None):
        self.dir = str(directory)
        os.makedirs(self.dir, exist_ok=True)
        port = free_port()
        self.control = os.path.join(self.dir, "gpsd.sock")
        super().__init__(
            port, ["/usr/sbin/gpsd", "-N", "-n", "-S", port, "-F",
                   self.control, *devices],
            os.path.join(self.dir, "gpsd.log"), env=environment)

    def _tell(self, text):
        """The control socket, as the udev rule of Debian's gpsd does."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.control)
            control.sendall(text.encode() + b"\r\n")
            return control.recv(100)

    def add(self, device):
        assert self._tell("+" + str(device)).startswith(b"OK")

    def remove(self, device):
        return self._tell("-" + str(device))

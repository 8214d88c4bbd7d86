"""What all helpers need: places, ports, waiting, processes that end."""
import os
import random
import signal
import socket
import subprocess
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BIN = os.environ.get("PATROL_BIN", os.path.join(TOP, "build/dev/bin"))


def free_port():
    """A loopback port below the range the kernel gives to clients, so that
    nobody takes it while what listened on it is being restarted."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def wait_for(what, timeout_s=15.0, why="", every_s=0.05):
    """The first true value of what(); AssertionError with `why` (text, or a
    function that makes it) when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            reason = why() if callable(why) else why
            raise AssertionError(f"not within {timeout_s} s: {reason}")
        time.sleep(every_s)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A program with its output in a file; ended by what started it."""

    def __init__(self, command, log_file, **options):
        self.command = [str(word) for word in command]
        self.log_file = str(log_file)
        self.options = options
        self.child = None

    def start(self):
        assert self.child is None
        with open(self.log_file, "ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, **self.options)
        return self

    @property
    def pid(self):
        return self.child.pid

    def runs(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8",
                      errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, text, timeout_s=15.0, count=1):
        wait_for(lambda: self.log().count(text) >= count, timeout_s,
                 lambda: f"{text!r} x{count} in:\n{self.log()}")

    def kill(self):
        """As a crash does: no time to tidy up."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None

    def stop(self, timeout_s=15.0):
        """SIGTERM; the exit status. Does not end in time: killed, and an
        AssertionError."""
        if self.child is None:
            return None
        self.child.send_signal(signal.SIGTERM)
        try:
            status = self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.command[0]} did not stop:\n{self.log()}") from None
        self.child = None
        return status


class Server:
    """A Process that is there once it listens on its loopback port."""

    def __init__(self, port, command, log_file, **options):
        self.port = port
        self.process = Process(command, log_file, **options)

    def start(self):
        self.process.start()
        wait_for(lambda: listens(self.port), 10, self.process.log)
        return self

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()

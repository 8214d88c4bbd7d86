"""A TCP forwarder that a test can cut, as a tunnel cuts the radio."""
import select
import socket
import threading
import time

from lib_common import free_port


class Proxy:
    """host:port to 127.0.0.1:target. cut() closes what is open and
    refuses what comes; freeze() forwards nothing and closes nothing. With
    `slow_s` connections are not even accepted so long, as over a far radio:
    the queue of the listener is full and the kernel drops the SYN."""

    def __init__(self, target, host="localhost", slow_s=0):
        self.host = host
        self.slow_s = slow_s
        self.target = target
        self.port = free_port()
        self.open = True
        self.frozen = False
        self.forwarded = 0  # bytes, both ways
        self.pairs = []
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, self.port),
                                             backlog=0 if slow_s else 100)
        self.crowd = [self._push_in() for _ in range(2 if slow_s else 0)]
        self.listener.settimeout(0.1)
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def cut(self):
        with self.lock:
            self.open = False
            self._drop()

    def mend(self):
        with self.lock:
            self.open = True
            self.frozen = False

    def freeze(self):
        self.frozen = True

    def close(self):
        self.running = False
        self.thread.join()
        self.listener.close()
        self._drop()

    def _drop(self):
        for pair in self.pairs:
            for end in pair:
                end.close()
        self.pairs = []

    def _push_in(self):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((self.host, self.port))
        return one

    def _run(self):
        time.sleep(self.slow_s)
        for one in self.crowd:
            one.close()
        while self.running:
            with self.lock:
                ends = {end: pair for pair in self.pairs for end in pair}
            watched = [self.listener] + ([] if self.frozen else list(ends))
            try:
                ready, _, _ = select.select(watched, [], [], 0.05)
            except (OSError, ValueError):
                continue  # cut meanwhile
            for end in ready:
                if end is self.listener:
                    self._accept()
                else:
                    self._forward(end, ends[end])

    def _accept(self):
        near, _ = self.listener.accept()
        with self.lock:
            if not self.open:
                near.close()
                return
            if self.frozen:  # the far side never hears of it
                self.pairs.append((near, socket.socket()))
                return
        try:
            far = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            near.close()
            return
        with self.lock:
            self.pairs.append((near, far))

    def _forward(self, end, pair):
        other = pair[1] if end is pair[0] else pair[0]
        try:
            data = end.recv(65536)
            if data:
                other.sendall(data)
                self.forwarded += len(data)
                return
        except OSError:
            pass
        with self.lock:
            if pair in self.pairs:
                self.pairs.remove(pair)
        pair[0].close()
        pair[1].close()

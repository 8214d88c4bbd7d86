"""Between gpsd and the agent: passes on what gpsd says, and keeps which fixes
the agent was handed, and when. That is what must be in the database."""
import datetime
import json
import socket
import threading
import time
from dataclasses import dataclass

BYTES_MAX = 65536


@dataclass
class Given:
    """A fix that was handed to an agent, once whatever gpsd repeats."""
    time_ms: int
    lat: float
    lon: float
    at: float  # time.monotonic() after the hand-over
    life: int  # which of the agent's lives it was handed to


def _milliseconds(text):
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(when.timestamp() * 1000)


class Tap:
    """Listens on a loopback port of the network that `listener`, a socket, was
    made in; one agent at a time."""

    def __init__(self, listener, gpsd_port):
        self.given = {}  # by time_ms
        self.lives = 0
        self._gpsd_port = gpsd_port
        self._listener = listener
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                gpsd = socket.create_connection(
                    ("127.0.0.1", self._gpsd_port), 10)
            except OSError:
                agent.close()
                continue
            gpsd.settimeout(None)
            self.lives += 1
            threading.Thread(target=self._ask, args=(agent, gpsd),
                             daemon=True).start()
            threading.Thread(target=self._tell, daemon=True,
                             args=(gpsd, agent, self.lives)).start()

    @staticmethod
    def _ask(agent, gpsd):
        """What the agent wants of gpsd, until either end goes."""
        try:
            while True:
                data = agent.recv(BYTES_MAX)
                if not data:
                    break
                gpsd.sendall(data)
        except OSError:
            pass
        _shut(agent, gpsd)

    def _tell(self, gpsd, agent, life):
        line = b""
        try:
            while True:
                data = gpsd.recv(BYTES_MAX)
                if not data:
                    break
                agent.sendall(data)
                *whole, line = (line + data).split(b"\n")
                for text in whole:
                    self._note(text, life)
        except OSError:
            pass
        _shut(agent, gpsd)

    def _note(self, text, life):
        report = json.loads(text)
        if report.get("class") != "TPV" or report.get("mode", 0) < 2 or \
                "time" not in report or "lat" not in report:
            return
        time_ms = _milliseconds(report["time"])
        self.given.setdefault(time_ms, Given(
            time_ms, report["lat"], report["lon"], time.monotonic(), life))

    def close(self):
        self._listener.close()


def _shut(*ends):
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()

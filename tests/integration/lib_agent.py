"""The real tracker-agent with a directory, a certificate and settings."""
import contextlib
import os
import re
import sqlite3
import subprocess

from lib_common import BIN, Process, wait_for

PROGRAM = os.path.join(BIN, "tracker-agent")

# Tests do not wait a minute for what a vehicle may; what measures takes the
# agent's own settings instead (`usual` = {}).
QUICK = {"uplink.resend": 3, "uplink.resend_max": 6, "uplink.heartbeat": 3,
         "pace.moving": 1, "pace.parked": 2, "pace.bound_m": 5,
         "outbox.commit_seconds": 1}


class Agent:
    def __init__(self, directory, device, broker, gpsd, authority,
                 certificate_of=None, usual=None, environment=None,
                 **settings):
        self.dir = str(directory)
        os.makedirs(self.dir, exist_ok=True)
        self.device = device
        self.outbox = os.path.join(self.dir, "outbox.sqlite")
        self.conf = os.path.join(self.dir, "tracker-agent.conf")
        cert, key = authority.issue(certificate_of or device)
        values = {
            "device.name": device, "gpsd.host": "127.0.0.1",
            "gpsd.port": gpsd.port, "broker.list": broker.address,
            "broker.ca": authority.ca, "broker.cert": cert,
            "broker.key": key, "outbox.path": self.outbox,
            "power.supplies": os.path.join(self.dir, "power_supply"),
            "log.level": "debug", **(QUICK if usual is None else usual),
            **{name.replace("__", "."): value
               for name, value in settings.items()}}
        self.write(values)
        self.process = Process([PROGRAM, "-c", self.conf],
                               os.path.join(self.dir, "agent.log"),
                               env=environment)

    def write(self, values):
        sections = {}
        for name, value in values.items():
            section, option = name.split(".")
            sections.setdefault(section, []).append(f"{option} = {value}")
        with open(self.conf, "w", encoding="utf-8") as conf:
            for section, lines in sections.items():
                conf.write(f"[{section}]\n" + "\n".join(lines) + "\n")

    def start(self):
        self.process.start()
        return self

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.kill()

    def held(self):
        """Entries on disk; the agent must not run."""
        assert not self.process.runs()
        with contextlib.closing(sqlite3.connect(self.outbox)) as box:
            return box.execute("SELECT count(*) FROM outbox_entry").fetchone()[0]

    def wait_empty(self):
        """All that it holds is receipted (log.level debug says so)."""
        def last():
            left = re.findall(r"receipted, (\d+) left", self.process.log())
            return left and left[-1] == "0"
        wait_for(last, 15, self.process.log)

    def check(self, *words):
        """tracker-agent -n: (exit status, what it said)."""
        done = subprocess.run([PROGRAM, "-n", "-c", self.conf, *words],
                              capture_output=True, text=True, timeout=30,
                              check=False)
        return done.returncode, done.stdout + done.stderr

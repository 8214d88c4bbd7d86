"""The control room's real programs and the vehicles, in one directory."""
import os
import shutil
import subprocess

import psycopg2
import requests

import network
from network import HOME, Radio, Relay
from shell import run
from vehicle import Vehicle, fill
from lib_broker import Broker  # pylint: disable=wrong-import-order
from lib_common import BIN, TOP, Process, wait_for
from lib_database import POSTGRES, Database, crossing
from lib_gateway import Gateway
from lib_pki import Authority

DATABASE_SIZE = "400m"
# What it must not need: a tmpfs of DATABASE_SIZE holds the log, too. What a
# session says it is tells in the server's log whom an error has hit.
POSTGRES_SETTINGS = """shared_buffers = 32MB
max_wal_size = 64MB
min_wal_size = 32MB
log_lock_waits = on
"""
LOAD_DRAIN_S = 120
SMALL_HELD_MAX = 8  # the first vehicle's outbox: what it costs is counted
GROUP_S = 3         # the second vehicle writes to its disk in groups


class Means:
    """What this machine lets us do; why not, where it does not."""

    def __init__(self, own_world):
        self.own_world = own_world
        none = "" if own_world else "no permission (namespaces)"
        self.mounts = none
        self.tun = none or _no_permission(network.missing_tun())
        self.shaper = self.tun or \
            _no_permission(network.missing_shaper(), "tc tbf")
        self.filter = self.tun or \
            _no_permission(network.missing_filter(), "nftables")


def _no_permission(why, what=""):
    return f"no permission ({what + ': ' if what else ''}{why})" if why else ""


class World:
    def __init__(self, directory, vehicles, seed, means):
        self.dir, self.means = directory, means
        self.authority = Authority(os.path.join(directory, "certificates"))
        self.authority.issue("localhost",
                             f"DNS:localhost,IP:127.0.0.1,IP:{HOME}", "broker")
        self.relay = self.load = None
        if means.own_world:
            network.set_up_home()
        self._start_database()
        self._start_broker()
        self.gateway = Gateway(
            os.path.join(directory, "gateway"), self.database, self.broker,
            self.authority, intake__receipt_every_s=1)
        self.gateway.start()
        self._start_vehicles(vehicles, seed)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def _start_database(self):
        place = self.path("database")
        os.makedirs(place)
        os.chmod(place, 0o755)
        if not self.means.mounts:
            run("mount", "-t", "tmpfs", "-o", "mode=755,size=" + DATABASE_SIZE,
                "patrol-database", place)
        os.environ["PATROL_PG_EXTRA"] = POSTGRES_SETTINGS
        self.database = Database(place)
        self.database.add_grid()
        for number in range(4):  # somewhere for fleet-sim's to drive to
            lat, lon = crossing(2 * number + 1, 3)
            self.database.query(
                "INSERT INTO patrol.mission (name, geom) VALUES (%s,"
                " ST_SetSRID(ST_MakePoint(%s, %s), 4326))",
                f"mission {number}", lon, lat)

    def _start_broker(self):
        self.broker = Broker(self.path("broker"), self.authority)
        if not self.means.tun:
            # this network is ours alone: every address of it will do
            conf = self.path("broker", "mosquitto.conf")
            with open(conf, encoding="utf-8") as old:
                text = old.read()
            with open(conf, "w", encoding="utf-8") as new:
                new.write(text.replace(
                    f"listener {self.broker.port} 127.0.0.1",
                    f"listener {self.broker.port}"))
        self.broker.start()

    def _start_vehicles(self, count, seed):
        radios = [None if self.means.tun else Radio(number + 1)
                  for number in range(count)]
        self.vehicles = [Vehicle(
            self.dir, number + 1, self.authority, self.broker.port,
            radios[number], mounts=not self.means.mounts,
            group_s=GROUP_S if number == 1 else 0,
            **({"held_max": SMALL_HELD_MAX} if number == 0 else {}))
            for number in range(count)]
        if not self.means.tun:
            self.relay = Relay(radios, seed)
        for vehicle in self.vehicles:
            self.database.add_unit(vehicle.name)
            vehicle.start()
        for vehicle in self.vehicles:
            wait_for(lambda v=vehicle: v.tap.given, 120, vehicle.process.log)

    # -------------------------------------------------- what can be done to it
    def postmaster(self):
        """Its process, or None."""
        try:
            with open(self.path("database/data/postmaster.pid"),
                      encoding="ascii") as file:
                pid = int(file.readline())
        except (FileNotFoundError, ValueError):
            return None
        return pid if os.path.exists(f"/proc/{pid}") else None

    def server_log(self):
        with open(self.path("database/data/server.log"), encoding="utf-8",
                  errors="replace") as log:
            return log.read()

    def fill_database_disk(self):
        fill(self.path("database/ballast"))

    def free_database_disk(self):
        os.unlink(self.path("database/ballast"))

    def revive_database(self):
        """As a service manager: again and again until it stays."""
        def up():
            try:
                run(POSTGRES, "start", self.database.dir)
                self.database.one("SELECT 1")
                return True
            except (RuntimeError, psycopg2.Error):
                return False
        wait_for(up, 120, self.server_log, every_s=0.5)

    def revive_broker(self):
        if not self.broker.process.runs():
            self.broker.process.child = None
            self.broker.start()

    def revive_gateway(self):
        if not self.gateway.process.runs():
            self.gateway.process.child = None
            self.gateway.start(ready=False)

    def revive(self):
        """Whatever has ended runs again."""
        self.revive_database()
        self.revive_broker()
        self.revive_gateway()
        for vehicle in self.vehicles:
            vehicle.revive()

    # ----------------------------------------------------------------- its load
    def start_load(self, units):
        """fleet-sim: as many more, on the control room's own network."""
        width = max(2, len(str(units)))
        for number in range(1, units + 1):
            name = f"SIM-{number:0{width}d}"
            self.authority.issue(name)
            self.database.add_unit(name)
        self.truth = self.path("load.csv")
        self.load = Process(
            [os.path.join(BIN, "fleet-sim"), "--database", self.database.url,
             "--broker", self.broker.address, "--certs", self.authority.dir,
             "--units", units, "--on-duty", 1, "--prefix", "SIM-", "--truth", self.truth,
             "--drain", LOAD_DRAIN_S],
            self.path("load.log")).start()

    def end_load(self):
        """(whether each of its entries is stored once, what the check said)."""
        if self.load is None:
            return True, "none"
        ended = self.load.stop(LOAD_DRAIN_S + 30)
        done = subprocess.run(
            [os.path.join(TOP, "tests/fleet-sim/check"), self.truth,
             "--database", self.database.url], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return ended == 0 and done.returncode == 0, done.stdout

    # ------------------------------------------------------------- what it says
    def units(self):
        """Live state of the vehicles by call sign; None while it cannot be
        had."""
        ours = {vehicle.name for vehicle in self.vehicles}
        try:
            answer = self.gateway.http.get(self.gateway.url + "/v1/units",
                                           timeout=5)
            if answer.status_code != 200:
                return None
            return {unit["call_sign"]: unit for unit in answer.json()["units"]
                    if unit["call_sign"] in ours}
        except requests.RequestException:
            return None

    def close(self):
        if self.load is not None:
            self.load.kill()
        for vehicle in self.vehicles:
            vehicle.close()
        if self.relay is not None:
            self.relay.close()
            for vehicle in self.vehicles:
                vehicle.radio.close()
        self.gateway.stop()
        self.broker.stop()
        self.database.stop()
        if not self.means.mounts:
            self._keep_what_mounts_hold()

    def _keep_what_mounts_hold(self):
        """They go with the namespace; what tells of a failure stays."""
        shutil.copy(self.path("database/data/server.log"),
                    self.path("postgres.log"))
        for vehicle in self.vehicles:
            shutil.copytree(vehicle.disk, vehicle.disk + ".kept",
                            dirs_exist_ok=True)
        for place in [self.path("database")] + \
                [vehicle.disk for vehicle in self.vehicles]:
            run("umount", place)

"""A city, a broker, a database, a gateway and a fleet, of their own."""
import os
import subprocess
import sys
import urllib.request

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/integration"))
# pylint: disable=wrong-import-position
from lib_common import BIN, Process, free_port, listens, wait_for
from lib_database import Database

PREFIX = "SIM-"


def run(*command):
    subprocess.run([str(word) for word in command], check=True,
                   stdout=subprocess.DEVNULL)


def shared_data():
    return os.environ.get("PATROL_SHARED_DATA",
                          os.path.join(TOP, "../shared/data"))


class Services:
    """`options` has units, minutes, seed, outages and on_duty, of fleet-sim,
    and tls."""

    truth = "truth.csv"  # what every entry was, for check; None: not kept
    fleet_options = ()   # more of fleet-sim's
    gateway_settings = ""

    def __init__(self, options, directory):
        self.options = options
        self.dir = directory
        self.port, self.http = free_port(), free_port()
        self.broker = self.gateway = self.fleet = None
        self.database = None

    def path(self, name):
        return os.path.join(self.dir, name)

    # ------------------------------------------------------------- bringing up
    def start(self):
        self.database = Database(self.path("db"))
        os.environ["PATROL_DATABASE"] = self.database.url
        self.import_city()
        self.enrol()
        self.start_broker()
        self.start_gateway()
        self.start_fleet()

    def import_city(self):
        ctl = os.path.join(BIN, "patrolctl")
        city = os.path.join(shared_data(), "havana")
        if os.path.isdir(city):
            run(ctl, "roads", "import", os.path.join(city, "havana.osm.pbf"))
            run(ctl, "missions", "import", os.path.join(
                city, "havana_diplomatic_missions_wikidata.geojson"))
            return
        print("no shared data: the drawn town")
        run(os.path.join(TOP, "tests/town/make"), self.path("town"))
        run(ctl, "roads", "import", self.path("town/town.osm"))
        run(ctl, "missions", "import", self.path("town/missions.csv"))

    def enrol(self):
        ctl = os.path.join(BIN, "patrolctl")
        run(ctl, "unit", "add", PREFIX, "--count", self.options.units,
            "--device", PREFIX)
        if not self.options.tls:
            return
        authority, out = self.path("ca"), self.path("certs")
        os.makedirs(out)
        run(ctl, "ca", "init", authority)
        run(ctl, "ca", "server", "--ca", authority, "--out", out, "--name",
            "broker", "localhost", "127.0.0.1")
        run(ctl, "ca", "client", "--ca", authority, "--out", out,
            "patrol-gateway")
        width = max(2, len(str(self.options.units)))
        for number in range(1, self.options.units + 1):
            run(ctl, "ca", "client", "--ca", authority, "--out", out,
                f"{PREFIX}{number:0{width}d}")

    def start_broker(self):
        private = os.path.join(TOP, "deploy/private/broker")
        if self.options.tls:
            run(private, "conf", self.path("broker"), self.port,
                self.path("certs"))
            command = [private, "run", self.path("broker")]
        else:
            os.makedirs(self.path("broker"), exist_ok=True)
            conf = self.path("broker/mosquitto.conf")
            with open(conf, "w", encoding="ascii") as out:
                out.write(f"listener {self.port} 127.0.0.1\n"
                          "allow_anonymous true\npersistence false\n"
                          "max_queued_messages 0\nset_tcp_nodelay true\n")
            command = ["/usr/sbin/mosquitto", "-c", conf]
        self.broker = Process(command, self.path("broker.log")).start()
        wait_for(lambda: listens(self.port), 10, self.broker.log)

    def start_gateway(self):
        conf = self.path("gateway.conf")
        tls = "" if not self.options.tls else (
            f"ca = {self.path('certs/ca.crt')}\n"
            f"cert = {self.path('certs/patrol-gateway.crt')}\n"
            f"key = {self.path('certs/patrol-gateway.key')}\n")
        with open(conf, "w", encoding="utf-8") as out:
            out.write(f"[database]\nconninfo = {self.database.url}\n"
                      f"[broker]\nlist = localhost:{self.port}\n{tls}"
                      f"[http]\nlisten = 127.0.0.1:{self.http}\n"
                      f"{self.gateway_settings}")
        self.gateway = Process([os.path.join(BIN, "patrol-gateway"), "-c",
                                conf], self.path("gateway.log")).start()
        wait_for(self.is_ready, 60, self.gateway.log)

    def is_ready(self):
        try:
            return self.get("/readyz") is not None
        except OSError:
            assert self.gateway.runs(), self.gateway.log()
            return False

    def start_fleet(self):
        options = self.options
        security = ["--certs", self.path("certs")] if options.tls \
            else ["--plain"]
        command = [os.path.join(BIN, "fleet-sim"), "--broker",
                   f"localhost:{self.port}", *security,
                   "--units", options.units, "--minutes", options.minutes,
                   "--prefix", PREFIX, "--seed", options.seed,
                   "--outages", options.outages, "--on-duty", options.on_duty,
                   "--drain", 300, *self.fleet_options]
        if self.truth:
            command += ["--truth", self.path(self.truth)]
        self.fleet = Process(command, self.path("fleet.log")).start()

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.http}{path}",
                         timeout=20) as answer:
            return answer.read().decode()

    def stop(self):
        for process in (self.fleet, self.gateway, self.broker):
            if process is not None and process.runs():
                process.stop(330)
        if self.database is not None:
            self.database.stop()

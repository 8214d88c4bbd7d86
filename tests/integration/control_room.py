"""A control room of our own for the tests: PostgreSQL, mosquitto with TLS and
its ACL, a gateway, and vehicles that a test drives by hand."""
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import paho.mqtt.client as mqtt
import psycopg2
import requests

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BIN = os.environ.get("PATROL_BIN", os.path.join(TOP, "build/dev/bin"))
POSTGRES = os.path.join(TOP, "deploy/private/postgres")
BROKER = os.path.join(TOP, "deploy/private/broker")
SANITIZED = "asan" in BIN or "tsan" in BIN

# schema/report.proto: bits of the flags column
POSITION, SPEED, COURSE, ACCURACY, CLOCK_UNSURE = 1, 2, 4, 8, 32
STATUS = {"unknown": 0, "available": 1, "en_route": 2, "on_scene": 3,
          "busy": 4, "off_duty": 5}
KIND = {"fix": 0, "status": 1, "panic": 2, "answer": 3, "logon": 4}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true, timeout=10, what="what was awaited"):
    """Calls `true` until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = true()
        if result:
            return result
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.02)


def now_ms():
    return int(time.time() * 1000)


# ------------------------------------------------------------- database
class Database:
    def __init__(self, directory):
        self.dir = directory
        self.start()
        self.url = subprocess.run([POSTGRES, "url", directory], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(self):
        subprocess.run([POSTGRES, "start", self.dir], check=True)

    def stop(self):
        subprocess.run([POSTGRES, "stop", self.dir], check=True)

    def connect(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        return connection

    def query(self, sql, *params):
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, params or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def one(self, sql, *params):
        return self.query(sql, *params)[0][0]

    def clear(self):
        self.query("TRUNCATE patrol.unit, patrol.device, patrol.unit_device,"
                   " patrol.position, patrol.unit_event, patrol.receipt,"
                   " patrol.latest_position, patrol.quarantine, patrol.zone,"
                   " patrol.mission RESTART IDENTITY CASCADE")

    def add_unit(self, call_sign, device=None, since="-infinity", **columns):
        unit = self.one("INSERT INTO patrol.unit (call_sign, kind, capabilities)"
                        " VALUES (%s, %s, %s) RETURNING unit_id", call_sign,
                        columns.get("kind", "car"), columns.get("capabilities", []))
        device_id = self.one("INSERT INTO patrol.device (name) VALUES (%s)"
                             " RETURNING device_id", device or call_sign)
        self.query('INSERT INTO patrol.unit_device (unit_id, device_id, "from")'
                   " VALUES (%s, %s, %s)", unit, device_id, since)
        return unit

    def add_grid(self, side=10, ms=10000):
        """Streets of 0.001 degree, `ms` each way; the corner is LAT, LON."""
        self.query(
            """
            BEGIN;
            TRUNCATE patrol.road_turn, patrol.road_edge, patrol.road_node;
            INSERT INTO patrol.road_node
            SELECT y * %(side)s + x + 1, ST_SetSRID(ST_MakePoint(
                %(lon)s + x * 0.001, %(lat)s + y * 0.001), 4326)
            FROM generate_series(0, %(side)s - 1) x,
                 generate_series(0, %(side)s - 1) y;
            INSERT INTO patrol.road_edge (edge_id, way_id, source, target, class,
                name, length_m, forward_ms, backward_ms, geom)
            SELECT row_number() OVER (ORDER BY a.node_id, b.node_id),
                1000 + a.node_id, a.node_id, b.node_id, 'residential', 'Calle',
                ST_Length(ST_MakeLine(a.geom, b.geom)::geography),
                %(ms)s, %(ms)s, ST_MakeLine(a.geom, b.geom)
            FROM patrol.road_node a JOIN patrol.road_node b
              ON b.node_id = a.node_id + 1 AND a.node_id %% %(side)s <> 0
              OR b.node_id = a.node_id + %(side)s;
            INSERT INTO patrol.road_network
                (source, nodes, edges, turns, length_m, summary)
            SELECT 'grid', (SELECT count(*) FROM patrol.road_node), count(*), 0,
                sum(length_m), '{}' FROM patrol.road_edge;
            COMMIT
            """ % {"side": side, "lat": LAT, "lon": LON, "ms": ms})


LAT, LON = 23.1, -82.4


def crossing(x, y):
    """Where a crossing of the grid stands, in degrees."""
    return LAT + y * 0.001, LON + x * 0.001


# --------------------------------------------------------------- broker
class Certificates:
    """A certificate authority and what it signs, made by openssl."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.ca = self.path("ca.crt")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                  "/CN=test authority", "-keyout", self.path("ca.key"), "-out",
                  self.ca)
        self.make("broker", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.make("patrol-gateway")

    def path(self, name):
        return os.path.join(self.dir, name)

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=self.dir,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make(self, name, extension="basicConstraints=CA:FALSE"):
        if os.path.exists(self.path(name + ".crt")):
            return
        common_name = "localhost" if name == "broker" else name
        with open(self.path(name + ".ext"), "w") as out:
            out.write(extension + "\n")
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-nodes", "-subj", "/CN=" + common_name, "-keyout",
                  name + ".key", "-out", name + ".csr")
        self._run("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt",
                  "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                  "-extfile", name + ".ext", "-out", name + ".crt")


class Broker:
    def __init__(self, directory, certificates):
        self.dir, self.certificates = directory, certificates
        self.port = free_port()
        self.process = None
        subprocess.run([BROKER, "conf", directory, str(self.port),
                        certificates.dir], check=True)
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen([BROKER, "run", self.dir],
                                            stdout=log, stderr=log)

        def answers():
            assert self.process.poll() is None, "mosquitto ended"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until(answers, what="mosquitto")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


# -------------------------------------------------------------- gateway
class Gateway:
    def __init__(self, directory, database, broker, **settings):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = os.path.join(directory, "gateway.conf")
        self.log_path = os.path.join(directory, "gateway.log")
        self.process = None
        self.http = requests.Session()
        self.http.trust_env = False
        lines = {"database.conninfo": database.url,
                 "broker.list": f"localhost:{broker.port}",
                 "broker.ca": broker.certificates.ca,
                 "broker.cert": broker.certificates.path("patrol-gateway.crt"),
                 "broker.key": broker.certificates.path("patrol-gateway.key"),
                 "http.listen": f"127.0.0.1:{self.port}",
                 "log.level": "debug"}
        lines.update({name.replace("__", "."): value
                      for name, value in settings.items()})
        with open(self.config, "w") as out:
            for name, value in lines.items():
                section, option = name.split(".")
                out.write(f"[{section}]\n{option} = {value}\n")

    def start(self, ready=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, "patrol-gateway"), "-c", self.config],
                stdout=log, stderr=log)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        wait_until(lambda: self.status("/readyz") == 200, timeout, "/readyz")

    def status(self, path):
        assert self.process.poll() is None, "the gateway ended: " + self.log()[-2000:]
        try:
            return self.http.get(self.url + path, timeout=10).status_code
        except requests.ConnectionError:
            return None

    def get(self, path):
        answer = self.http.get(self.url + path, timeout=10)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def nearest(self, at, k=5, more=""):
        return self.get(f"/v1/nearest?lat={at[0]:.6f}&lon={at[1]:.6f}&k={k}{more}")

    def metric(self, name):
        """The sum over the lines whose name and labels begin so."""
        page = self.http.get(self.url + "/metrics", timeout=10).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                   if line.startswith(name))

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.http.close()

    def stop(self):
        """The exit status after SIGTERM."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.terminate()
        return self.process.wait(30)


# ------------------------------------------------------------- vehicles
def protoc(direction, text_or_bytes, message):
    return subprocess.run(
        ["protoc", f"--{direction}=patrol.v1.{message}", "-I",
         os.path.join(TOP, "schema/report"), "report.proto"],
        input=text_or_bytes, stdout=subprocess.PIPE, check=True,
        cwd=os.path.join(TOP, "schema/report")).stdout


def entry(seq, at=None, time_ms=None, status="available", kind="fix",
          detail=None, **values):
    """What stands in one entry; `flags` may add CLOCK_UNSURE."""
    flags = values.get("flags", 0)
    if at is not None:
        flags |= POSITION
    for name, bit in (("speed_cmps", SPEED), ("course_cdeg", COURSE),
                      ("accuracy_dm", ACCURACY)):
        if name in values:
            flags |= bit
    lat, lon = at if at is not None else (0, 0)
    return {"seq": seq, "time_ms": now_ms() if time_ms is None else time_ms,
            "lat_e6": round(lat * 1e6), "lon_e6": round(lon * 1e6),
            "speed_cmps": values.get("speed_cmps", 0),
            "course_cdeg": values.get("course_cdeg", 0),
            "accuracy_dm": values.get("accuracy_dm", 0),
            "flags": flags | STATUS[status] << 8 | KIND[kind] << 12,
            "detail": detail}


COLUMNS = {"seq": "seq_delta", "time_ms": "time_delta_ms",
           "lat_e6": "lat_delta_e6", "lon_e6": "lon_delta_e6",
           "speed_cmps": "speed_delta_cmps", "course_cdeg": "course_delta_cdeg",
           "accuracy_dm": "accuracy_delta_dm", "flags": "flags_delta"}


def encode_report(generation, entries, lowest_held=None, state=None):
    """By protoc, which knows nothing of our codec but the .proto file."""
    lines = [f"generation: {generation}", f"count: {len(entries)}"]
    if entries:
        lowest = entries[0]["seq"] if lowest_held is None else lowest_held
        lines.append(f"held_below: {entries[0]['seq'] - lowest}")
        lines += [f"{name}: {entries[0][name]}" for name in COLUMNS]
        for name, column in COLUMNS.items():
            lines += [f"{column}: {b[name] - a[name]}"
                      for a, b in zip(entries, entries[1:])]
        for index, e in enumerate(entries):
            if e["detail"] is not None:
                lines.append(f'details {{ index: {index} text: "{e["detail"]}" }}')
    if state is not None:
        lines.append("state { " + " ".join(f"{k}: {v}" for k, v in state.items())
                     + " }")
    return protoc("encode", "\n".join(lines).encode(), "Report")


def decode_receipt(payload):
    """(generation, stored_to, [(first, last), ...])"""
    generation = stored_to = 0
    numbers = []
    for line in protoc("decode", payload, "Receipt").decode().splitlines():
        name, value = line.split(": ")
        if name == "generation":
            generation = int(value)
        elif name == "stored_to":
            stored_to = int(value)
        elif name == "ranges":
            numbers.append(int(value))
    ranges, at = [], stored_to
    for gap, length in zip(numbers[::2], numbers[1::2]):
        ranges.append((at + gap + 1, at + gap + length))
        at += gap + length
    return generation, stored_to, ranges


class Vehicle:
    """A device's MQTT side, without an agent: what to send is the test's."""

    def __init__(self, broker, name):
        self.name = name
        self.generation = secrets.randbelow(2 ** 63 - 1) + 1
        self.receipts = []
        self.subscribed = threading.Event()
        certificates = broker.certificates
        certificates.make(name)
        self.client = mqtt.Client(name, protocol=mqtt.MQTTv5)
        self.client.tls_set(certificates.ca, certificates.path(name + ".crt"),
                            certificates.path(name + ".key"),
                            tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.will_set(self.topic("presence"), "offline", 1, True)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._message
        self.client.reconnect_delay_set(0.2, 1)
        self.client.connect("localhost", broker.port, keepalive=20)
        self.client.loop_start()
        assert self.subscribed.wait(10)

    def topic(self, leaf):
        return f"patrol/v1/{self.name}/{leaf}"

    def _connected(self, client, *_):
        client.subscribe(self.topic("receipt"), 1)
        client.publish(self.topic("presence"), "online", 1, True)

    def _message(self, _client, _userdata, message):
        self.receipts.append(decode_receipt(message.payload))

    def publish(self, payload):
        self.client.publish(self.topic("report"), payload, 0).wait_for_publish()

    def send(self, *entries, **report):
        self.publish(encode_report(report.pop("generation", self.generation),
                                   list(entries), **report))

    def stored_to(self, generation=None):
        """The highest number up to which all is receipted."""
        wanted = self.generation if generation is None else generation
        return max([to for g, to, _ in list(self.receipts) if g == wanted],
                   default=0)

    def wait_stored(self, seq, timeout=10):
        wait_until(lambda: self.stored_to() >= seq, timeout,
                   f"{self.name}: a receipt for {seq}")

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """As out of coverage: no DISCONNECT, so the broker says the will."""
        self.client._sock_close()
        self.client.loop_stop()


def make_directory(parent, name):
    """A directory that postgres and mosquitto, as their own users, reach."""
    directory = os.path.join(parent, name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    return directory

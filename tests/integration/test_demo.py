"""deploy/demo as a newcomer runs it, on ports and in a directory of its own."""
import csv
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.request

import psycopg2
import pytest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
DEMO = os.path.join(TOP, "deploy/demo")
POSTGRES = os.path.join(TOP, "deploy/private/postgres")


RESERVED = []  # locks on blocks of ports, held until the process ends


def free_ports(count):
    """The first of `count` neighbouring ports that nobody listens on, below the
    range that the kernel gives to clients: one of those takes a port while the
    demo is still on its way to it. Tests run side by side, so a block of ports
    is locked before it is tried."""
    for base in range(20000, 32000, count):
        lock = open(f"{tempfile.gettempdir()}/patrol-ports-{base}.lock", "a",
                    encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        taken = False
        for port in range(base, base + count):
            with socket.socket() as probe:
                taken = taken or probe.connect_ex(("127.0.0.1", port)) == 0
        if not taken:
            RESERVED.append(lock)
            return base
        lock.close()
    raise RuntimeError("no free ports")


class Demo:
    def __init__(self, directory):
        self.dir = directory
        base = free_ports(12)  # gpsd and crew: four each
        self.http, self.broker, gpsd, self.crew = base, base + 1, base + 2, base + 6
        self.options = ["--dir", directory, "--http", str(self.http),
                        "--broker", str(self.broker), "--gpsd", str(gpsd),
                        "--crew", str(self.crew)]
        if "PATROL_BIN" in os.environ:
            self.options += ["--bin", os.environ["PATROL_BIN"]]

    def run(self, *arguments, timeout=200):
        return subprocess.run([DEMO, *arguments, *self.options], timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)

    def processes(self):
        """Command lines of all that runs on the demo's directory."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as source:
                    line = source.read().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if self.dir in line and "pytest" not in line:
                found.append(line)
        return found

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.http}{path}") as answer:
            return json.load(answer)


@pytest.fixture
def demo():
    directory = tempfile.mkdtemp(prefix="patrol-demo-")
    os.chmod(directory, 0o711)
    one = Demo(os.path.join(directory, "d"))
    yield one
    one.run("reset")
    shutil.rmtree(directory, ignore_errors=True)


def truth_of(demo):
    """(call sign, time in ms) -> what the receiver said, millionths of a
    degree. Numbers count for the simulated part of the fleet only."""
    with open(f"{demo.dir}/log/truth.csv", encoding="ascii") as source:
        return {(row["device"], int(row["time_ms"])):
                (int(row["lat_e6"]), int(row["lon_e6"]))
                for row in csv.DictReader(source)}


def stored_positions(demo):
    subprocess.run([POSTGRES, "start", f"{demo.dir}/db"], check=True)
    try:
        url = subprocess.run([POSTGRES, "url", f"{demo.dir}/db"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        with psycopg2.connect(url) as database, database.cursor() as cursor:
            cursor.execute("""
                SELECT call_sign, round(extract(epoch FROM fix_time) * 1000)::bigint,
                       ST_Y(geom), ST_X(geom),
                       extract(epoch FROM received_at - fix_time)::float8
                FROM patrol.position JOIN patrol.unit USING (unit_id)""")
            return cursor.fetchall()
    finally:
        subprocess.run([POSTGRES, "stop", f"{demo.dir}/db"], check=True)


def test_once_answers_and_leaves_nothing_running(demo):
    done = demo.run("--once")
    assert done.returncode == 0, done.stdout
    table = re.findall(r"^\d  (P-\d\d)\s+(\d+\.\d)\s", done.stdout, re.M)
    assert len(table) == 5, done.stdout
    seconds = [float(eta) for _, eta in table]
    assert seconds == sorted(seconds)
    assert demo.processes() == []

    rows = stored_positions(demo)
    said = truth_of(demo)
    real = {"P-01", "P-02", "P-03", "P-04"}  # with gpsd and the real agent
    assert real <= {row[0] for row in rows}
    assert len({row[0] for row in rows}) >= 20
    for call_sign, when, lat, lon, _delay in rows:
        assert (call_sign, when) in said
        at = said[call_sign, when]
        # a receiver says 6 decimals of a minute, the wire 6 of a degree
        assert abs(round(lat * 1e6) - at[0]) <= 1
        assert abs(round(lon * 1e6) - at[1]) <= 1
    # each fix once; where the crew logs on, the simulated part sends two
    # entries about one moment
    times = [row[:2] for row in rows if row[0] in real]
    assert len(set(times)) == len(times)


def test_runs_on_and_starts_a_second_time(demo):
    first = demo.run("--units", "6")
    assert first.returncode == 0, first.stdout
    answer = demo.get("/v1/nearest?mission=canada&k=3")
    assert len(answer["units"]) == 3
    etas = [unit["eta_s"] for unit in answer["units"]]
    assert etas == sorted(etas) and etas[-1] > 0

    # a municipality's missions, though each has its ward as its zone
    url = subprocess.run([POSTGRES, "url", f"{demo.dir}/db"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    with psycopg2.connect(url) as database, database.cursor() as cursor:
        cursor.execute("""
            SELECT m.mission_id FROM patrol.mission m JOIN patrol.zone z
            ON ST_Covers(z.geom, m.geom) WHERE z.name = 'Playa'""")
        inside = {row[0] for row in cursor}
    missions = demo.get("/v1/missions?zone=playa")["missions"]
    assert {mission["mission_id"] for mission in missions} == inside
    assert inside

    again = demo.run("--units", "6")  # all of it is running already
    assert again.returncode == 0, again.stdout
    status = demo.run("status")
    assert status.returncode == 0 and "down" not in status.stdout, status.stdout

    stopped = demo.run("stop")
    assert stopped.returncode == 0, stopped.stdout
    assert demo.processes() == []
    assert demo.run("status").returncode == 1

    second = demo.run("--once", "--units", "6")
    assert second.returncode == 0, second.stdout
    assert demo.processes() == []


def test_a_city_of_ones_own(demo, tmp_path):
    subprocess.run([os.path.join(TOP, "tests/town/make"), tmp_path], check=True)
    files = ["--roads", f"{tmp_path}/town.osm",
             "--missions", f"{tmp_path}/missions.csv",
             "--zones", f"{tmp_path}/zones.geojson"]
    done = demo.run("--once", "--units", "2", *files)
    assert done.returncode == 0, done.stdout
    assert "Embassy of Ruritania" in done.stdout
    assert "zone Banda Occidental" in done.stdout
    half = demo.run("--once", *files[:2])
    assert half.returncode == 1
    assert "needs --roads and --missions" in half.stdout


def test_port_in_use_is_said(demo):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", demo.http))
        other.listen()
        done = demo.run("--once")
    assert done.returncode == 1
    assert f"port {demo.http} is in use" in done.stdout
    assert "--http" in done.stdout
    assert demo.processes() == []


def test_directory_that_cannot_be_made(demo):
    with open(demo.dir, "w", encoding="ascii") as blocker:
        blocker.write("a file, where the directory would be\n")
    done = demo.run("--once")
    assert done.returncode == 1
    assert "choose another with --dir" in done.stdout
    os.unlink(demo.dir)


def test_no_root_and_packages_missing_is_said():
    """A dpkg-query that knows no package, asked by an ordinary user."""
    place = tempfile.mkdtemp(prefix="patrol-fake-")  # reachable to all
    os.chmod(place, 0o755)
    fake = os.path.join(place, "dpkg-query")
    with open(fake, "w", encoding="ascii") as script:
        script.write("#!/bin/sh\nexit 1\n")
    os.chmod(fake, 0o755)
    environment = dict(os.environ, PATH=f"{place}:{os.environ['PATH']}")
    command = [os.path.join(TOP, "deploy/install-packages"), "run"]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "65534", "--clear-groups", *command]
    try:
        done = subprocess.run(command, env=environment, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as problem:
        pytest.skip(f"cannot drop root here: {problem}")
    finally:
        shutil.rmtree(place)
    if "Permission denied" in done.stdout:
        pytest.skip("the checkout is not readable to an ordinary user")
    assert done.returncode == 1
    assert "only root can install" in done.stdout
    assert "postgresql-15-postgis-3" in done.stdout

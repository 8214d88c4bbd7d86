"""fleet-sim: what it says is what is stored, the same seed drives the same
tracks, and a real gpsd and agent believe its NMEA."""
import csv
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from lib_agent import Agent
from lib_common import BIN, TOP, Process, free_port, wait_for
from lib_database import Database
from lib_gateway import Gateway
from lib_gpsd import Gpsd

PROGRAM = os.path.join(BIN, "fleet-sim")
PATROLCTL = os.path.join(BIN, "patrolctl")
CHECK = os.path.join(TOP, "tests/fleet-sim/check")
START = 1790000000  # 2026-09-21, 09:33 by the sun of the drawn town


class Town(Database):
    """The drawn town, imported as an operator does it."""

    def __init__(self, directory):
        super().__init__(os.path.join(directory, "db"))
        drawn = os.path.join(directory, "town")
        subprocess.run([os.path.join(TOP, "tests/town/make"), drawn],
                       check=True)
        self.ctl("roads", "import", os.path.join(drawn, "town.osm"))
        self.ctl("missions", "import", os.path.join(drawn, "missions.csv"))

    def ctl(self, *words):
        return subprocess.run(
            [PATROLCTL, *map(str, words)], check=True, text=True,
            stdout=subprocess.PIPE,
            env=dict(os.environ, PATROL_DATABASE=self.url)).stdout

    def add_units(self, count):
        return self.ctl("unit", "add", "SIM-", "--count", count, "--device",
                        "SIM-", "--since", "2026-01-01")


@pytest.fixture(scope="module")
def town():
    directory = tempfile.mkdtemp(prefix="patrol-test-")
    os.chmod(directory, 0o755)
    town = Town(directory)
    yield town
    town.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def gateway(place, town, broker, authority):
    town.query("TRUNCATE patrol.position, patrol.unit_event, patrol.receipt,"
               " patrol.latest_position, patrol.quarantine, patrol.unit,"
               " patrol.device CASCADE")
    one = Gateway(os.path.join(place, "gateway"), town, broker, authority,
                  intake__receipt_every_s=1).start()
    yield one
    assert one.stop() == 0, one.log()
    assert "Sanitizer" not in one.log(), one.log()


def fleet(place, town, *words):
    return Process([PROGRAM, "--database", town.url, *words],
                   os.path.join(place, "fleet.log"))


def through(broker, authority, count):
    """Options that lead to the broker, with a certificate a unit."""
    for number in range(1, count + 1):
        authority.issue(f"SIM-{number:02d}")
    return ["--broker", broker.address, "--certs", authority.dir,
            "--units", count, "--resend", "3"]


def ended(process, timeout_s=120):
    """Its exit status, by itself."""
    status = process.child.wait(timeout_s)
    assert "Sanitizer" not in process.log(), process.log()
    return status


def last_line(process):
    line = [line for line in process.log().splitlines() if " units=" in line][-1]
    return {name: float(value)
            for name, value in re.findall(r"(\S+)=([\d.]+)", line)}


def check(truth, town):
    done = subprocess.run(["/usr/bin/python3", CHECK, truth, "--database",
                           town.url], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    counts = {name: int(value) for name, value in re.findall(
        r"^([a-z ]+) (\d+)$", done.stdout, re.MULTILINE)}
    return done.returncode, counts, done.stdout


def rows_of(truth):
    with open(truth, encoding="ascii", newline="") as source:
        return list(csv.DictReader(source))


def dry_run(place, town, name, *words):
    truth = os.path.join(place, name)
    subprocess.run([PROGRAM, "--database", town.url, "--dry-run", "--start",
                    str(START), "--truth", truth, *map(str, words)],
                   check=True, stdout=subprocess.DEVNULL)
    with open(truth, "rb") as source:
        return source.read()


# ------------------------------------------------------------------ delivery
def test_all_is_stored_once_through_outages(place, town, broker, gateway,
                                            authority):
    """50 units, 30 s, each with its network lost about every 40 s. Then the
    checker itself: what is done to the table, it finds."""
    assert town.add_units(50) == "50 units added, 0 there already\n"
    truth = os.path.join(place, "truth.csv")
    sim = fleet(place, town, *through(broker, authority, 50), "--minutes",
                "0.5", "--outages", "90", "--outage", "4", "--calls", "30",
                "--truth", truth, "--drain", "60").start()
    assert ended(sim) == 0, sim.log()
    line = last_line(sim)
    assert line["outages"] > 10 and line["lost"] > 0, line
    assert line["resent"] > 0 and line["waiting"] == 0, line
    assert line["receipted"] == line["entries"] == len(rows_of(truth)), line
    status, counts, text = check(truth, town)
    assert status == 0, text
    assert counts["positions sent"] == counts["positions stored"] > 50, text
    assert counts["events sent"] == counts["events stored"] > 30, text

    town.query("DELETE FROM patrol.position WHERE ctid = (SELECT ctid FROM"
               " patrol.position WHERE flags & 1 = 1 LIMIT 1)")
    status, counts, text = check(truth, town)
    assert status == 1 and counts["missing"] == 1, text
    town.query("UPDATE patrol.position SET geom = ST_Translate(geom, 1e-6, 0)"
               " WHERE (generation, seq) = (SELECT generation, seq FROM"
               " patrol.position LIMIT 1)")
    assert check(truth, town)[1]["different"] == 1
    town.query("INSERT INTO patrol.position SELECT unit_id, fix_time +"
               " interval '1 s', received_at, geom, speed_mps, course_deg,"
               " accuracy_m, status, generation, seq, flags FROM"
               " patrol.position ORDER BY fix_time LIMIT 1")
    assert check(truth, town)[1]["twice"] == 1
    town.query("INSERT INTO patrol.position SELECT unit_id, fix_time,"
               " received_at, geom, speed_mps, course_deg, accuracy_m, status,"
               " generation, 1000000, flags FROM patrol.position LIMIT 1")
    assert check(truth, town)[1]["never sent"] == 1


def test_the_past_is_caught_up_with(place, town, broker, gateway, authority):
    town.add_units(10)
    truth = os.path.join(place, "truth.csv")
    sim = fleet(place, town, *through(broker, authority, 10), "--minutes",
                "10", "--speed", "60", "--truth", truth).start()
    begun = time.time()
    assert ended(sim) == 0, sim.log()
    assert time.time() - begun < 60
    status, counts, text = check(truth, town)
    assert status == 0 and counts["positions stored"] > 100, text
    times = [int(row["time_ms"]) / 1000 for row in rows_of(truth)]
    assert max(times) - min(times) > 500 and max(times) <= begun + 1


def test_without_receipts_it_says_so(place, town, authority):
    authority.issue("SIM-01")
    sim = fleet(place, town, "--broker", f"localhost:{free_port()}",
                "--certs", authority.dir, "--units", "1", "--on-duty", "1",
                "--drain", "2").start()
    time.sleep(3)
    begun = time.time()
    assert sim.stop() == 1
    assert 1 < time.time() - begun < 10
    assert "entries were not receipted" in sim.log()


# -------------------------------------------------------------------- driving
def test_the_same_seed_drives_the_same_tracks(place, town):
    hour = ["--units", 20, "--hours", 1]
    first = dry_run(place, town, "a", *hour, "--seed", 7)
    assert first == dry_run(place, town, "b", *hour, "--seed", 7)
    assert first != dry_run(place, town, "c", *hour, "--seed", 8)
    assert len(first) > 20 * 60 * 40


def test_units_drive_on_roads_as_patrols_do(place, town):
    """Without noise each fix lies on a street (a millionth of a degree is
    0.11 m), nobody is faster than the town's fastest street allows in a hurry
    (60 km/h, 1.3 and 1.1 times), and a day shows each kind of work."""
    dry_run(place, town, "day", "--units", 20, "--hours", 24, "--noise", 0,
            "--calls", 2)
    rows = rows_of(os.path.join(place, "day"))
    with town.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE fix (device text, at bigint,"
                       " geom geometry(Point, 4326))")
        with open(os.path.join(place, "copy"), "w+", encoding="ascii") as copy:
            for row in rows[::7]:
                if row["lat_e6"]:
                    copy.write(f"{row['device']}\t{row['time_ms']}\tSRID=4326;"
                               f"POINT({int(row['lon_e6']) / 1e6}"
                               f" {int(row['lat_e6']) / 1e6})\n")
            copy.seek(0)
            cursor.copy_from(copy, "fix")
        cursor.execute("""
            SELECT count(*), max(d) FROM fix, LATERAL (
                SELECT ST_Distance(e.geom::geography, fix.geom::geography) d
                FROM patrol.road_edge e ORDER BY e.geom <-> fix.geom LIMIT 1) n""")
        count, off_road_m = cursor.fetchone()
        assert count > 1000 and off_road_m < 0.3
        cursor.execute("""
            SELECT max(d / (t / 1000.0)) FROM (
                SELECT ST_Distance(geom::geography,
                           lag(geom) OVER w ::geography) d,
                       at - lag(at) OVER w t FROM fix
                WINDOW w AS (PARTITION BY device ORDER BY at)) s WHERE t > 0""")
        assert 8 < cursor.fetchone()[0] < 60 / 3.6 * 1.3 * 1.1
    statuses = {int(row["flags"]) >> 8 & 15 for row in rows}
    assert statuses == {1, 2, 3, 4, 5}  # available ... off duty
    acts = sum(int(row["flags"]) >> 12 == 1 for row in rows)
    assert acts > 20 * 4


# ----------------------------------------------------------------------- nmea
def test_a_real_gpsd_and_agent_believe_its_nmea(place, town, broker, gateway,
                                                authority):
    town.add_units(2)
    truth, tty = os.path.join(place, "truth.csv"), os.path.join(place, "tty")
    sim = fleet(place, town, *through(broker, authority, 2), "--minutes",
                "0.5", "--on-duty", "1", "--calls", "60", "--truth", truth,
                "--nmea", f"SIM-01={tty}").start()
    wait_for(lambda: os.path.exists(tty), 10, sim.log)
    gpsd = Gpsd(os.path.join(place, "gpsd"), os.path.realpath(tty)).start()
    agent = Agent(os.path.join(place, "agent"), "SIM-01", broker, gpsd,
                  authority).start()
    assert ended(sim) == 0, sim.log()
    assert not os.path.lexists(tty)
    agent.wait_empty()
    assert agent.stop() == 0
    gpsd.stop()
    status, counts, text = check(truth, town)
    assert status == 0, text
    assert counts["receiver said"] > 20 and counts["receiver stored"] > 5, text


# ---------------------------------------------------------------- called wrongly
@pytest.mark.parametrize("words, said", [
    ([], "--broker is needed"),
    (["--broker", "localhost"], "either --certs DIR or --plain"),
    (["--units", "0"], "--units takes a number from 1 to 20000, not '0'"),
    (["--units", "2.5"], "--units takes a whole number, not '2.5'"),
    (["--dry-run"], "--dry-run needs --hours or --minutes"),
    (["--broker", "x", "--plain", "--speed", "5"], "--speed needs a past"),
    (["--broker", "x", "--plain", "--nmea", "y"], "--nmea takes UNIT=LINK"),
    (["--prefix", "a/b", "--dry-run", "--hours", "1"], "no device's name"),
    (["more"], "'more' is not an option"),
])
def test_called_wrongly(town, words, said):
    done = subprocess.run([PROGRAM, "--database", town.url, *words], text=True,
                          check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert said in done.stderr


def test_what_is_not_there_is_said(place, town, authority):
    def fails(*words):
        done = subprocess.run(
            [PROGRAM, *words], text=True, check=False, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1, done.stderr
        return done.stderr
    here = ["--database", town.url]
    dry = ["--dry-run", "--minutes", "1"]
    assert "roads:" in fails("--database", "host=/nowhere", *dry)
    assert "No such file" in fails(*here, *dry, "--truth", "/nowhere/t")
    assert "ca.crt: No such file" in fails(
        *here, "--broker", "localhost", "--certs", place)
    shutil.copy(os.path.join(authority.dir, "ca.crt"), place)
    for ending in ("crt", "key"):
        shutil.copy(authority.issue("other")[ending == "key"],
                    os.path.join(place, f"SIM-01.{ending}"))
    assert "is not the certificate of SIM-01" in fails(
        *here, "--units", "1", "--broker", "localhost", "--certs", place)
    assert "--nmea names a unit" in fails(
        *here, "--broker", "localhost", "--plain", "--nmea", "Q=/tmp/q")

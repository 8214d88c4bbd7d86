"""How closely vehicles report: what a dispatcher sees between two reports
against where the vehicle was, and the control room's settings from an
operator's terminal to the vehicle and back."""
import datetime
import json
import math
import os
import subprocess
import time

import pytest

import lib_replay as replay
from lib_common import BIN, wait_for
from lib_nmea import epoch
from lib_vehicle import entry

CAR = "car-1"
BOUND_M = 25
HORIZON_S = 20
EARTH_M = 6371009  # mean radius: 0.6 % off at the most, over some 100 m
LAT, LON = 23.13, -82.38


def ctl(database, *words):
    return subprocess.run(
        [os.path.join(BIN, "patrolctl"), *words, "-d", database.url],
        capture_output=True, text=True, timeout=60, check=False)


def apart_m(a, b):
    north = math.radians(a[0] - b[0])
    east = math.radians(a[1] - b[1]) * math.cos(math.radians(a[0]))
    return math.hypot(north, east) * EARTH_M


def ahead(lat, lon, course_deg, way_m):
    """A second implementation, on the sphere."""
    course = math.radians(course_deg)
    return (lat + math.degrees(way_m * math.cos(course) / EARTH_M),
            lon + math.degrees(way_m * math.sin(course) / EARTH_M /
                               math.cos(math.radians(lat))))


def believed(report, at_s):
    time_s, lat, lon, speed_mps, course_deg = report
    if speed_mps is None or course_deg is None or speed_mps < 1.5:
        return lat, lon
    return ahead(lat, lon, course_deg,
                 speed_mps * min(max(at_s - time_s, 0), HORIZON_S))


# ------------------------------------------------------------------ a drive
def drive(begin_s, seconds):
    """(time, lat, lon, speed, course), one a second: blocks of 150 m at up to
    14 m/s, a right turn in four seconds, a red light at each third corner."""
    at, speed, course = (LAT, LON), 0.0, 0.0
    way, corner, wait, turn = 0.0, 0, 5, 0
    for second in range(seconds):
        yield begin_s + second, *at, speed, course
        if wait > 0:
            wait -= 1
            goal = 0.0
        elif turn > 0:
            turn -= 1
            course = (course + 22.5) % 360
            goal = 6.0
        elif way >= 150:
            way, corner, turn = 0.0, corner + 1, 4
            wait = 15 if corner % 3 == 0 else 0
            goal = 6.0
        else:
            goal = 6.0 if way > 110 else 14.0
        before = speed
        speed += min(max(goal - speed, -3.0), 2.0)
        at = ahead(*at, course, (before + speed) / 2)
        way += (before + speed) / 2


@pytest.fixture
def receiver(place):
    """In place of the one that drives: gpsd and agent read from this."""
    receiver = replay.Replay(os.path.join(place, "receiver")).plug()
    yield receiver
    receiver.unplug()


def reports(database):
    return database.query(
        "SELECT extract(epoch FROM fix_time)::float8, ST_Y(geom), ST_X(geom),"
        " speed_mps, course_deg FROM patrol.position ORDER BY fix_time")


def test_what_a_dispatcher_sees_is_within_the_bound(
        database, make_gateway, make_agent, receiver, gpsd):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    agent = make_agent(CAR, pace__bound_m=BOUND_M, pace__moving=10,
                       pace__parked=60).start()
    receiver.identify(gpsd)
    agent.process.wait_log("receiver attached")
    truth = list(drive(int(time.time()) - 600, 600))
    receiver.play([epoch(*fix).encode() for fix in truth], 0.005)
    # What closes the drive: far away, so it is reported.
    receiver.play([epoch(time.time() + s, 10.5, 20.25).encode()
                   for s in (-2, -1, 0)], 0.1)
    wait_for(lambda: reports(database) and
             apart_m(reports(database)[-1][1:3], (10.5, 20.25)) < 1, 60,
             agent.process.log)
    agent.wait_empty()
    rows = [row for row in reports(database) if row[0] <= truth[-1][0]]
    # 10 minutes: each 10 s, and what stopping, starting and turning ask for
    assert 60 <= len(rows) < 200
    errors = []
    for at_s, lat, lon, *_ in truth[1:]:
        known = [row for row in rows if row[0] < at_s]  # before it came in
        if known:
            errors.append(apart_m(believed(known[-1], at_s), (lat, lon)))
    within = sum(error <= BOUND_M for error in errors) / len(errors)
    print(f"{len(rows)} reports, {100 * within:.2f} % within {BOUND_M} m, "
          f"worst {max(errors):.1f} m")
    assert len(errors) > 580
    assert within >= 0.99
    assert gateway.process.runs()


def test_believed_place_is_the_reported_one_moved_forward(
        database, make_gateway, make_vehicle):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    vehicle = make_vehicle(CAR)
    begin_ms = int(time.time() * 1000) - 3000
    vehicle.send(entry(1, (LAT, LON), begin_ms, speed_cmps=1250,
                       course_cdeg=6000))

    def position():
        answer = gateway.get("/v1/units")
        unit = answer["units"][0]
        return unit["position"] and (answer["answered_at"], unit["position"])
    said, shown = wait_for(position)
    at_s = datetime.datetime.fromisoformat(
        said.replace("Z", "+00:00")).timestamp()
    assert (shown["lat"], shown["lon"]) == (LAT, LON)  # as reported
    at = (shown["believed"]["lat"], shown["believed"]["lon"])
    expected = believed((begin_ms / 1000, LAT, LON, 12.5, 60), at_s)
    assert apart_m(at, expected) < 2
    forward_s = shown["believed"]["forward_s"]
    assert abs(forward_s - min(at_s - begin_ms / 1000, HORIZON_S)) < 0.11
    # latest_position stays as reported
    assert database.query("SELECT ST_Y(geom), ST_X(geom) FROM"
                          " patrol.latest_position") in ([(LAT, LON)], [])


# --------------------------------------------------------------- settings
def test_settings_from_the_terminal_to_the_vehicle(
        database, make_gateway, make_agent):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    agent = make_agent(CAR).start()

    def pace():
        return gateway.get(f"/v1/units/{CAR}")["pace"]

    def in_force():
        said = pace()
        return said["acknowledged_revision"] == said["wanted_revision"] and said

    wait_for(lambda: gateway.get(f"/v1/units/{CAR}")["vehicle"], 20,
             agent.process.log)
    assert pace()["wanted_revision"] is None
    done = ctl(database, "unit", "pace", CAR, "--bound", "40", "--assigned",
               "yes", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)["revision"]
    wait_for(lambda: pace()["wanted_revision"] == first)
    said = wait_for(in_force, 20, agent.process.log)
    assert (said["bound_m"], said["moving_s"], said["assigned"]) == \
        (40, None, True)
    assert f"settings {first}: 40.0 m" in agent.process.log()
    # While the vehicle is away the wanted one changes; it hears of it at once.
    assert agent.stop() == 0
    ctl(database, "unit", "pace", CAR, "--assigned", "no")
    wait_for(lambda: pace()["wanted_revision"] > first)
    agent.start()
    said = wait_for(in_force, 20, agent.process.log)
    assert said["bound_m"] == 40 and not said["assigned"]
    # One for all counts where the unit's own is taken away; then none at all.
    ctl(database, "unit", "pace", "--all", "--bound", "60")
    ctl(database, "unit", "pace", CAR, "--none")
    wait_for(lambda: in_force() and pace()["bound_m"] == 60, 20,
             agent.process.log)
    before = pace()["wanted_revision"]
    ctl(database, "unit", "pace", "--all", "--none")
    wait_for(lambda: in_force() and pace()["wanted_revision"] > before, 20,
             agent.process.log)
    assert pace()["bound_m"] is None and "come late" not in agent.process.log()
    assert gateway.metric("patrol_settings_said_total") >= 4


@pytest.mark.parametrize("words, said", [
    ([], "a call sign or --all is needed"),
    (["--all", CAR], "a call sign or --all is needed"),
    ([CAR, "--assigned", "maybe"], "yes or no is expected"),
    ([CAR, "--bound", "0"], "--bound"),
])
def test_wrong_calls(database, words, said):
    done = ctl(database, "unit", "pace", *words)
    assert done.returncode == 2 and said in done.stderr


def test_unknown_unit(database):
    done = ctl(database, "unit", "pace", "Q-77", "--bound", "10")
    assert done.returncode == 1 and "Q-77" in done.stderr
    assert "nothing is set" in ctl(database, "unit", "pace", "--all").stdout

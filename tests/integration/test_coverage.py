"""Coverage in the running gateway: who reaches which mission in time, what
falls out of cover and is told, what would if a unit went. The town is a grid
of streets of 10 s each, so times are counted in streets."""
import json
import threading

import pytest
import requests

from lib_common import wait_for
from lib_database import LAT, LON, crossing
from lib_vehicle import entry, now_ms


def add_mission(database, name, at):
    return database.one(
        "INSERT INTO patrol.mission (name, geom, zone_id) SELECT %s, p, (SELECT zone_id"
        " FROM patrol.zone WHERE ST_Contains(geom, p) ORDER BY ST_Area(geom) LIMIT 1)"
        " FROM ST_SetSRID(ST_MakePoint(%s, %s), 4326) p RETURNING mission_id",
        name, at[1], at[0])


def add_zone(database, name, low, high, promise_s):
    """From crossing `low` to `high`, with a quarter street around it."""
    (south, west), (north, east) = crossing(*low), crossing(*high)
    return database.one(
        "INSERT INTO patrol.zone (name, promise_s, geom) VALUES (%s, %s,"
        " ST_Multi(ST_MakeEnvelope(%s, %s, %s, %s, 4326))) RETURNING zone_id", name,
        promise_s, west - 25e-5, south - 25e-5, east + 25e-5, north + 25e-5)


FAST = {"coverage__lost_after_s": 0, "coverage__regained_after_s": 0,
        "coverage__streets_every_s": 1, "coverage__store_every_s": 1}


def coverage_of(gateway, path="/v1/coverage"):
    return wait_for(lambda: gateway.status(path) == 200 and gateway.get(path), 20,
                    gateway.log)


def first_units(answer):
    return {m["name"]: [(u["call_sign"], round(u["eta_s"])) for u in m["units"]]
            for m in answer["missions"]}


def put(make_vehicle, call_sign, at, status="available"):
    car = make_vehicle(call_sign)
    car.send(entry(1, at, status=status))
    car.wait_stored(1)
    return car


@pytest.fixture
def town(database):
    add_zone(database, "West", (0, 0), (4, 9), 30)
    add_zone(database, "East", (5, 0), (9, 9), 50)
    for name, at in (("Alpha", (0, 0)), ("Beta", (2, 0)), ("Gamma", (9, 0))):
        add_mission(database, name, crossing(*at))
    for call_sign in ("A1", "A2", "A3"):
        database.add_unit(call_sign)
    return database


def test_each_mission_has_its_first_units(town, make_gateway, make_vehicle):
    gateway = make_gateway(**FAST).start()
    answer = coverage_of(gateway)
    assert first_units(answer) == {"Alpha": [], "Beta": [], "Gamma": []}
    assert answer["units"]["counted"] == 0
    put(make_vehicle, "A1", crossing(1, 0))
    put(make_vehicle, "A2", crossing(4, 0))
    put(make_vehicle, "A3", crossing(4, 1), status="busy")
    answer = wait_for(lambda: (a := gateway.get("/v1/coverage"))["units"]["counted"] == 2
                      and a, why=gateway.log)
    assert first_units(answer) == {"Alpha": [("A1", 10), ("A2", 40)],
                                   "Beta": [("A1", 10), ("A2", 20)],
                                   "Gamma": [("A2", 50), ("A1", 80)]}
    assert [(m["name"], m["promise_s"], m["within"], m["covered"])
            for m in answer["missions"]] == [
        ("Alpha", 30, 1, True), ("Beta", 30, 2, True), ("Gamma", 50, 1, True)]
    zones = {z["name"]: z for z in answer["zones"]}
    assert zones["West"]["missions"] == {
        "total": 2, "off_road": 0, "promised": 2, "within": [2, 1, 0],
        "share": [1, 0.5, 0]}
    assert zones["East"]["missions"]["within"] == [1, 0, 0]
    assert answer["total"]["missions"]["within"] == [3, 1, 0]
    only = gateway.get("/v1/coverage?zone=east")
    assert [z["name"] for z in only["zones"]] == ["East"]
    assert [m["name"] for m in only["missions"]] == ["Gamma"]
    assert gateway.metric("patrol_coverage_missions_within") == 3
    assert gateway.status("/v1/coverage?zone=north") == 400


def test_busy_units_count_where_they_are_set_to(town, make_gateway, make_vehicle):
    gateway = make_gateway(coverage__counts="available_and_busy", coverage__turnout_s=5,
                           coverage__busy_turnout_s=15, **FAST).start()
    put(make_vehicle, "A1", crossing(1, 0), status="busy")
    put(make_vehicle, "A2", crossing(3, 0))
    put(make_vehicle, "A3", crossing(3, 0), status="on_scene")
    answer = wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 2
                      and gateway.get("/v1/coverage"), why=gateway.log)
    assert first_units(answer)["Alpha"] == [("A1", 25), ("A2", 35)]
    assert answer["units"]["statuses"] == ["available", "busy"]


def test_streets_and_gaps_follow_the_units(town, make_gateway, make_vehicle):
    """One unit in the south-western corner of a grid of streets of 10 s. In the
    west 30 s are promised: a street's middle is reached in time when its nearer
    end is up to two streets away, which are two streets from each of 6
    crossings. The streets between the zones have no promise."""
    gateway = make_gateway(coverage__promise_s=0, **FAST).start()
    put(make_vehicle, "A1", crossing(0, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 1)
    answer = wait_for(
        lambda: (a := gateway.get("/v1/coverage"))["total"]["streets"]
        and a["total"]["streets"]["within_m"][0] > 0 and a, why=gateway.log)
    east_m, north_m = sorted(length for length, in town.query(
        "SELECT length_m FROM patrol.road_edge WHERE 1 IN (source, target)"))
    near_m = 6 * north_m + 6 * east_m
    lengths = dict(town.query(
        "SELECT z.name, sum(length_m) FROM patrol.road_edge e JOIN patrol.zone z ON"
        " ST_Contains(z.geom, ST_LineInterpolatePoint(e.geom, 0.5)) GROUP BY 1"))
    streets = {z["name"]: z["streets"] for z in answer["zones"]}
    streets["all"] = answer["total"]["streets"]
    for name, length_m, within_m in (("West", lengths["West"], near_m),
                                     ("East", lengths["East"], 0),
                                     ("all", sum(lengths.values()), near_m)):
        assert streets[name]["length_m"] == pytest.approx(length_m, rel=1e-3), name
        assert streets[name]["within_m"] == [pytest.approx(within_m, rel=1e-3), 0, 0], name
    gaps = gateway.get("/v1/coverage/gaps?form=lines")
    assert gaps["type"] == "FeatureCollection"
    assert [([m["name"] for m in g["properties"]["missions"]], g["properties"]["length_m"])
            for g in gaps["features"]] == [
        (["Gamma"], pytest.approx(lengths["East"], rel=1e-3)),
        ([], pytest.approx(lengths["West"] - near_m, rel=1e-3))]
    for gap in gaps["features"]:
        assert gap["geometry"]["type"] == "MultiLineString"
        line = json.dumps(gap["geometry"])
        assert town.one("SELECT ST_Length(ST_SetSRID(ST_GeomFromGeoJSON(%s), 4326)"
                        "::geography)", line) == pytest.approx(
            gap["properties"]["length_m"], rel=1e-3)
        # nothing of it where the unit is
        assert town.one("SELECT ST_Distance(ST_SetSRID(ST_GeomFromGeoJSON(%s), 4326)"
                        "::geography, ST_SetSRID(ST_MakePoint(%s, %s), 4326)::geography)",
                        line, LON, LAT) > 200
    one = gateway.get("/v1/coverage/gaps?zone=West")
    assert [g["properties"]["missions"] for g in one["features"]] == [[]]
    check_areas(town, gateway, gaps)
    check_pieces(town, gateway)


# As good as a circle's, which PostGIS makes with 8 corners a quarter: 2.3 m of 30
# are missing where ours has two sides; and 0.2 m for rounding.
AREA = """
SELECT ST_IsValid(area), ST_IsPolygonCCW(area), ST_Covers(area, inner_part),
    ST_Covers(outer_part, area), (SELECT array_agg(name ORDER BY name) FROM patrol.mission
                                  WHERE ST_Contains(area, geom))
FROM (SELECT ST_SetSRID(ST_GeomFromGeoJSON(%s), 4326) AS area,
    ST_Buffer(line::geography, 27.4)::geometry AS inner_part,
    ST_Buffer(line::geography, 30.3)::geometry AS outer_part
    FROM (SELECT ST_SetSRID(ST_GeomFromGeoJSON(%s), 4326) AS line) l) a"""


def check_areas(town, gateway, lines):
    """Against PostGIS' own areas around the same lines; the missions of this town
    stand on their streets."""
    areas = gateway.get("/v1/coverage/gaps")
    assert areas["half_width_m"] == 30 and "half_width_m" not in lines
    assert [f["properties"] for f in areas["features"]] == [
        f["properties"] for f in lines["features"]]
    for area, line in zip(areas["features"], lines["features"]):
        [row] = town.query(AREA, json.dumps(area["geometry"]), json.dumps(line["geometry"]))
        assert row[:4] == (True, True, True, True)
        assert row[4] == ([m["name"] for m in area["properties"]["missions"]] or None)
    made = gateway.metric("patrol_coverage_areas_total")
    assert made >= 1 and gateway.metric("patrol_coverage_areas_seconds_total") > 0


def check_pieces(town, gateway):
    """One unit at the south-western crossing: a street's middle is half a street
    beyond its nearer end, which is as many streets away as there are in either
    direction, each of 10 s."""
    answer = gateway.get("/v1/coverage/streets")
    assert len(answer["features"]) == town.one("SELECT count(*) FROM patrol.road_edge")
    zones = {"West": 30, "East": 50}
    for piece in answer["features"]:
        ends = [(round((lon - LON) * 1000, 2), round((lat - LAT) * 1000, 2))
                for lon, lat in piece["geometry"]["coordinates"]]
        nearer = min(x + y for x, y in ends)
        assert piece["properties"]["seconds"] == [
            pytest.approx(10 * nearer + 5, abs=0.1), None, None]
        middle = sum(x for x, _ in ends) / len(ends)
        promise = zones["West"] if middle < 4.3 else zones["East"] if middle > 4.7 else None
        assert piece["properties"]["promise_s"] == promise
        assert piece["properties"]["within"] == (
            None if promise is None else int(10 * nearer + 5 <= promise))
    some = gateway.get(f"/v1/coverage/streets?bbox={LON - 1},{LAT - 1},{LON + .0001},{LAT + 1}")
    assert len(some["features"]) == 9  # the western side
    east = gateway.get("/v1/coverage/streets?zone=east")
    assert {p["properties"]["promise_s"] for p in east["features"]} == {50}


def test_what_would_be_uncovered_is_said_and_weighed(town, make_gateway, make_vehicle):
    gateway = make_gateway(coverage__rank_weight_s=15, **FAST).start()
    put(make_vehicle, "A1", crossing(1, 0))  # alone in time for Alpha
    put(make_vehicle, "A2", crossing(4, 1))
    put(make_vehicle, "A3", crossing(4, 1))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 3, why=gateway.log)

    def ask(more=""):
        return gateway.nearest(crossing(2, 0), 2, more)
    answer = ask()
    assert answer["rank"] == {"by": "eta"}
    assert [(u["call_sign"], round(u["eta_s"]), u["uncovers_count"])
            for u in answer["units"]] == [("A1", 10, 1), ("A2", 30, 0)]
    assert answer["units"][0]["uncovers"] == [
        {"mission_id": 1, "name": "Alpha", "next_eta_s": 50}]
    # 10 + 15 s still comes before 30; with 25 s it does not
    assert [u["call_sign"] for u in ask("&rank=coverage")["units"]] == ["A1", "A2"]
    gateway.stop()
    gateway = make_gateway(coverage__rank_weight_s=25, **FAST).start()
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 3, why=gateway.log)
    answer = ask("&rank=coverage")
    assert [(u["call_sign"], round(u["cost_s"])) for u in answer["units"]] == [
        ("A2", 30), ("A3", 30)]
    assert answer["rank"]["weight_s"] == 25
    # the mission that it goes to is not uncovered by that
    answer = gateway.get("/v1/nearest?mission=Alpha&k=1&rank=coverage")
    assert [(u["call_sign"], u["uncovers"]) for u in answer["units"]] == [("A1", [])]
    bad = requests.get(gateway.url + "/v1/nearest?mission=Alpha&rank=age", timeout=10)
    assert bad.status_code == 400 and bad.json()["parameter"] == "rank"


class Ear:
    """The event stream, in a thread of its own."""

    def __init__(self, gateway):
        self.events = []
        self.answer = requests.get(gateway.url + "/v1/events", stream=True, timeout=60)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        kind = None
        try:
            for line in self.answer.iter_lines():
                if line.startswith(b"event: "):
                    kind = line[7:].decode()
                elif line.startswith(b"data: "):
                    self.events.append((kind, json.loads(line[6:])))
        except (requests.RequestException, OSError, ValueError):
            return  # the gateway has stopped

    def of(self, kind):
        return [data for name, data in self.events if name == kind]


def test_alarms_are_told_and_stored(town, make_gateway, make_vehicle):
    gateway = make_gateway(**FAST).start()
    coverage_of(gateway)
    ear = Ear(gateway)
    wait_for(lambda: town.one("SELECT count(*) FROM patrol.coverage_gap"
                              " WHERE ended_at IS NULL") == 5, why=gateway.log)
    assert town.query("SELECT subject, name FROM patrol.coverage_gap ORDER BY 1, 2") == [
        ("mission", "Alpha"), ("mission", "Beta"), ("mission", "Gamma"),
        ("zone", "East"), ("zone", "West")]
    wait_for(lambda: ear.of("ready"))
    car = put(make_vehicle, "A1", crossing(1, 0))
    wait_for(lambda: len(ear.of("coverage.regained")) == 3, why=gateway.log)
    told = {(e.get("mission_id"), e.get("zone_id")): e for e in ear.of("coverage.regained")}
    assert {e["name"] for e in told.values()} == {"Alpha", "Beta", "West"}
    wait_for(lambda: town.one("SELECT count(*) FROM patrol.coverage_gap"
                              " WHERE ended_at IS NULL") == 2, why=gateway.log)
    assert town.one("SELECT bool_and(ended_at > started_at) FROM patrol.coverage_gap")
    car.send(entry(2, crossing(1, 0), now_ms(), status="off_duty"))
    car.wait_stored(2)
    wait_for(lambda: len(ear.of("coverage.lost")) == 3, why=gateway.log)
    wait_for(lambda: town.one("SELECT count(*) FROM patrol.coverage_gap") == 8)
    total = wait_for(lambda: town.query(
        "SELECT missions, promised, within, units FROM patrol.coverage_snapshot"
        " WHERE zone_id = 0 ORDER BY taken_at DESC LIMIT 1"), why=gateway.log)
    assert total[0][:2] == (3, 3)
    assert gateway.metric('patrol_coverage_alarms_total{kind="lost"}') == 8
    # what stands open when the gateway ends is cut at the next start
    assert gateway.stop() == 0
    gateway = make_gateway(**FAST).start()
    wait_for(lambda: town.one("SELECT count(*) FROM patrol.coverage_gap WHERE is_cut") == 5
             and town.one("SELECT count(*) FROM patrol.coverage_gap WHERE ended_at IS NULL")
             == 5, why=gateway.log)


def test_new_missions_and_streets_are_taken_up(town, make_gateway, make_vehicle):
    gateway = make_gateway(**FAST).start()
    put(make_vehicle, "A1", crossing(1, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 1)
    add_mission(town, "Delta", crossing(1, 2))
    add_mission(town, "Sea", (LAT - 1, LON - 1))
    answer = wait_for(lambda: len((a := gateway.get("/v1/coverage"))["missions"]) == 5 and a,
                      why=gateway.log)
    assert first_units(answer)["Delta"] == [("A1", 20)]
    sea = [m for m in answer["missions"] if m["name"] == "Sea"][0]
    assert (sea["off_road"], sea["covered"], sea["units"], sea["alarm"]) == (
        True, None, [], False)
    try:
        town.add_grid(ms=20000)
        wait_for(lambda: first_units(gateway.get("/v1/coverage"))["Delta"] == [("A1", 40)],
                 20, gateway.log)
    finally:
        town.add_grid()


def test_nothing_there_has_clear_answers(database, make_gateway):
    """No units, no missions, and a zone without streets."""
    add_zone(database, "Sea", (200, 200), (210, 210), 60)
    gateway = make_gateway(**FAST).start()
    answer = coverage_of(gateway)
    assert answer["missions"] == [] and answer["units"]["counted"] == 0
    zone = wait_for(lambda: (z := gateway.get("/v1/coverage")["zones"][0])["streets"] and z)
    assert zone["missions"]["share"] == [None] * 3
    assert zone["streets"] == {"length_m": 0, "within_m": [0] * 3, "share": [None] * 3}
    assert not zone["alarm"]
    gaps = coverage_of(gateway, "/v1/coverage/gaps")
    assert len(gaps["features"]) == 1
    assert gaps["features"][0]["properties"]["worst_s"] is None
    assert gaps["features"][0]["properties"]["missions"] == []


def test_without_an_answer_the_reason_is_said(database, make_gateway):
    gateway = make_gateway(coverage__profile="horse", **FAST).start()
    problem = requests.get(gateway.url + "/v1/coverage", timeout=10)
    assert problem.status_code == 503
    assert problem.json()["type"].endswith("coverage-not-ready")
    assert '"horse"' in problem.json()["detail"]
    assert gateway.status("/v1/coverage/gaps") == 503

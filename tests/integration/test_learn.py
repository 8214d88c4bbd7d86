"""patrolctl roads learn: from positions in the database to times that the
gateway counts with."""
import datetime
import json
import os
import subprocess
import time

import pytest

from lib_clock import Clock
from lib_common import BIN, wait_for
from lib_database import crossing
from lib_drives import Fleet, days_later
from lib_vehicle import entry
from test_http import check

FULL = os.environ.get("PATROL_FULL") == "1"

PATROLCTL = os.path.join(BIN, "patrolctl")


def learn(database, *more, code=0):
    done = subprocess.run(
        [PATROLCTL, "roads", "learn", "-d", database.url, "--from",
         "2026-10-01", "--to", "2026-12-31", *more],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def fleet(database):
    yield Fleet(database)
    database.query("TRUNCATE patrol.learned_profile, patrol.eta_prediction"
                   " CASCADE")
    database.query("DELETE FROM patrol.road_profile")
    database.query("DELETE FROM patrol.road_cost")


def factor(database, source, target, hour):
    """Of the piece of street between two nodes, as speeds.sql says."""
    return database.one(
        "SELECT (SELECT factor FROM patrol.learned_hour WHERE hour = %s AND"
        " profile = 'patrol') * exp(sum(ln(factor))) FROM patrol.learned_speed"
        " l, patrol.road_edge e WHERE profile = 'patrol' AND (e.source, e.target)"
        " = (%s, %s) AND (l.class = e.class AND l.period IS NULL OR"
        " (l.class = e.class OR (l.way_id, l.source, l.target) ="
        " (e.way_id, %s, %s)) AND l.period = 2 OR (l.way_id, l.backward) ="
        " (e.way_id, false) OR (l.way_id, l.source, l.target) ="
        " (e.way_id, %s, %s) AND l.period IS NULL)",
        hour, source, target, source, target, source, target)


def test_learns_what_was_driven(database, fleet):
    """Streets of 10 s a piece by the profile: y = 2 takes 20 s, y = 7 takes
    10; eastwards, on 40 days at noon."""
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
        fleet.add(days_later(day, 12.5), 7, 10)
    fleet.store()
    told = json.loads(learn(database, "--json"))
    assert told["fixes"] == 40 * (37 + 19)
    (kind,) = told["profiles"]
    assert (kind["profile"], kind["drives"]) == ("patrol", 80)
    # 18 pieces; at either end the next may be touched. 9 of 102.4 m, 80 times
    assert kind["learned"] and 18 <= kind["edges"] <= 24
    assert 73 < kind["km"] < 75
    # Node 10 y + x + 1; hour 12 of Monday.
    assert 1.9 < factor(database, 23, 24, 12) < 2.1
    assert 0.95 < factor(database, 73, 74, 12) < 1.05
    assert database.one("SELECT dates FROM patrol.learned_hour WHERE hour = 12"
                        ) == 30  # of 40 days from a Monday on
    text = learn(database)
    assert "not learned: " in text and "cannot be learned" not in text
    assert "only the newest" not in text and "one in" not in text


def test_blue_light_is_apart(database, fleet):
    """En route at twice the profile's speed, patrols at half of it."""
    database.query(
        "INSERT INTO patrol.road_profile SELECT n, name, n = 2, n = 1,"
        " CASE WHEN n = 1 THEN ARRAY[0,0,0,0,0,20000,NULL,NULL] ELSE"
        " ARRAY[0,0,0,0,0,20000,20000,5000] END, ARRAY[0,0,0,0], ''"
        " FROM (VALUES (1, 'patrol'), (2, 'emergency')) p (n, name)")
    database.query("INSERT INTO patrol.road_cost SELECT n, edge_id, forward_ms,"
                   " backward_ms FROM patrol.road_edge, generate_series(1, 2) n")
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
        fleet.add(days_later(day, 13), 2, 5, status="en_route")
    fleet.store()
    told = {kind["profile"]: kind
            for kind in json.loads(learn(database, "--json"))["profiles"]}
    assert told["patrol"]["drives"] == told["emergency"]["drives"] == 40
    assert 1.9 < told["patrol"]["ratio"] < 2.1
    assert 0.45 < told["emergency"]["ratio"] < 0.55


def test_says_what_cannot_be_learned(database, fleet):
    for n in range(10):
        fleet.add(days_later(n), 2, 20)
    fleet.store()
    assert "nothing learned: fewer than 30 drives" in learn(database)
    assert database.one("SELECT count(*) FROM patrol.learned_profile") == 0
    database.query("TRUNCATE patrol.position")
    for n in range(40):  # one morning, every nine minutes
        fleet.add(days_later(20, 4 + n * 0.15), 4, 20)
    fleet.store()
    assert "cannot be learned from 1 date(s)" in learn(database)
    # A window without drives takes nothing away.
    learn(database, "--to", "2026-10-02")
    assert database.one("SELECT count(*) FROM patrol.learned_profile") == 1


def test_who_stands_does_not_drive(database, fleet):
    """Ten minutes at a post in the middle of every drive."""
    for day in range(40):
        fleet.add(days_later(day), 2, 20, 0, 4)
        fleet.add(days_later(day, 12 + 680 / 3600), 2, 20, 4, 9)
    fleet.store()
    (kind,) = json.loads(learn(database, "--json"))["profiles"]
    assert kind["drives"] == 80 and 1.9 < kind["ratio"] < 2.1


def test_calls_it_wrongly(database):
    assert "--from is not before --to" in learn(database, "--to", "2026-09-01",
                                                code=2)
    assert '"soon" is not a time' in learn(database, "--to", "soon", code=2)


def drive_s(gateway, x, y):
    (unit,) = gateway.nearest(crossing(x, y), 1)["units"]
    return unit["drive_s"]


def stand(database, unit, x, y):
    """Parked and available at a crossing."""
    lat, lon = crossing(x, y)
    database.query(
        "INSERT INTO patrol.latest_position (unit_id, fix_time, received_at,"
        " geom, status, generation, seq, flags) VALUES (%s, now(), now(),"
        " ST_SetSRID(ST_MakePoint(%s, %s), 4326), 'available', 2, 1, 1)",
        unit, lon, lat)


def test_the_gateway_counts_with_it(database, fleet, make_gateway):
    """By itself after a second; and on a map whose edges have other numbers
    and are drawn the other way, by the ways' and nodes' ids."""
    for day in range(40):
        fleet.add(days_later(day - 50), 2, 20)
    now = database.one("SELECT now()")
    fleet.rows = [(row[0], row[1] + (now - days_later(-6)), *row[2:])
                  for row in fleet.rows]
    fleet.store()
    stand(database, fleet.unit, 1, 2)
    gateway = make_gateway(learn__after_s=1, learn__days=60).start()
    wait_for(lambda: gateway.metric("patrol_speeds_learned_total") == 1, 60,
             gateway.log)
    wait_for(lambda: gateway.metric("patrol_speeds_in_use") == 1, 60,
             gateway.log)
    wait_for(lambda: 56 < drive_s(gateway, 4, 2) < 64, 10, gateway.log)
    learned_s = drive_s(gateway, 4, 2)
    database.query(
        """
        BEGIN;
        CREATE TEMP TABLE old AS SELECT * FROM patrol.road_edge;
        DELETE FROM patrol.road_edge;
        INSERT INTO patrol.road_edge (edge_id, way_id, source, target, class,
            name, length_m, forward_ms, backward_ms, geom)
        SELECT (SELECT count(*) FROM old) - edge_id + 1, way_id, target, source,
            class, name, length_m, backward_ms, forward_ms, ST_Reverse(geom)
        FROM old;
        DROP TABLE old;
        INSERT INTO patrol.road_network (source, nodes, edges, turns, length_m,
            summary) SELECT 'turned', nodes, edges, turns, length_m, '{}'
        FROM patrol.road_network ORDER BY network_id DESC LIMIT 1;
        COMMIT
        """)
    try:
        number = database.one("SELECT max(network_id) FROM patrol.road_network")
        wait_for(lambda: gateway.nearest(crossing(4, 2), 1)["network_id"]
                 == number, 20, gateway.log)
        # Streets in one direction go by the way's; pieces by their nodes.
        wait_for(lambda: abs(drive_s(gateway, 4, 2) - learned_s) < 2, 20,
                 gateway.log)
    finally:
        database.add_grid()


def test_it_is_gone_when_it_is_taken_away(database, fleet, make_gateway):
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
    fleet.store()
    stand(database, fleet.unit, 1, 2)
    gateway = make_gateway(learn__every_h=0).start()
    assert drive_s(gateway, 4, 2) == pytest.approx(30, abs=0.1)
    learn(database)
    wait_for(lambda: drive_s(gateway, 4, 2) > 50, 20, gateway.log)
    database.query("TRUNCATE patrol.learned_profile CASCADE")
    wait_for(lambda: abs(drive_s(gateway, 4, 2) - 30) < 0.1, 20, gateway.log)


def first_eta_s(gateway):
    (mission,) = gateway.get("/v1/coverage")["missions"]
    return mission["units"][0]["eta_s"] if mission["units"] else None


@pytest.mark.parametrize("closed", [False, True] if FULL else [True])
def test_the_next_hour_is_ready_when_it_begins(
        database, fleet, make_gateway, place, closed):
    """Streets take twice as long in every other hour. Nothing is made at the
    change: the time tables that were made before it are in use after it."""
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
    fleet.store()
    learn(database)
    database.query("UPDATE patrol.learned_hour SET factor = 1 + hour % 2")
    change = (time.time() + 300) // 3600 * 3600 + 3600
    clock = Clock(place)
    clock.set(change - 200)
    stand(database, fleet.unit, 1, 2)
    database.query("UPDATE patrol.latest_position SET fix_time ="
                   " to_timestamp(%s)", change - 210)
    lat, lon = crossing(4, 2)
    database.query("INSERT INTO patrol.mission (name, geom) VALUES ('Alpha',"
                   " ST_SetSRID(ST_MakePoint(%s, %s), 4326))", lon, lat)
    gateway = make_gateway(learn__every_h=0)
    gateway.process.options["env"] = clock.environment()
    gateway.start()
    if closed:
        at = crossing(2.5, 2)
        answer = gateway.http.post(gateway.url + "/v1/closures",
                                   json={"lat": at[0], "lon": at[1]})
        assert answer.status_code == 201, answer.text

    def is_ready():
        """With what is closed, on the tables of this hour and the next."""
        return gateway.metric("patrol_closures_in_force") == closed and \
            gateway.metric("patrol_coverage_tables_ahead") == 1 and \
            first_eta_s(gateway) is not None

    wait_for(is_ready, 60, gateway.log)
    drive, eta = drive_s(gateway, 4, 2), first_eta_s(gateway)
    assert eta == pytest.approx(drive, rel=0.1)
    made = gateway.metric("patrol_coverage_tables_total")
    assert made >= 2
    clock.set(change + 1)
    wait_for(lambda: gateway.metric("patrol_speeds_switched_total") == 1, 60,
             gateway.log)
    times = drive_s(gateway, 4, 2) / drive
    assert times == pytest.approx(2 if change // 3600 % 2 else 0.5, rel=0.1)
    wait_for(lambda: first_eta_s(gateway) == pytest.approx(times * eta, rel=0.1),
             20, gateway.log)
    assert gateway.metric("patrol_coverage_tables_total") == made
    assert gateway.metric("patrol_coverage_tables_ahead") == 0


def ask(gateway, path, at, more=""):
    return check(gateway.http.get(
        f"{gateway.url}{path}?lat={at[0]:.6f}&lon={at[1]:.6f}{more}",
        timeout=10))


def test_answers_have_a_range(database, fleet, make_gateway):
    """Drives of 20 s a piece, every other one 10 % faster or slower: for three
    pieces 54 to 66 s, more where the position is not known well."""
    stand(database, fleet.unit, 1, 2)
    database.query("INSERT INTO patrol.zone (name, promise_s, geom) VALUES ('Z',"
                   " 60, ST_Multi(ST_MakeEnvelope(-83, 23, -82, 24, 4326)))")
    gateway = make_gateway(learn__every_h=0).start()
    (unit,) = ask(gateway, "/v1/nearest", crossing(4, 2))["units"]
    assert (unit["eta_low_s"], unit["eta_high_s"], unit["p_within_promise"]
            ) == (None, None, None)
    now = database.one("SELECT now()")
    for week in range(1, 5):  # at this hour of the week
        for n in range(-5, 5):
            fleet.add(now - datetime.timedelta(weeks=week, minutes=7 * n), 2,
                      18 if n % 2 else 22)
    fleet.store()
    learn(database, "--from", "2020-01-01", "--to", "2100-01-01")
    wait_for(lambda: drive_s(gateway, 4, 2) > 50, 20, gateway.log)
    (unit,) = ask(gateway, "/v1/nearest", crossing(4, 2))["units"]
    assert 48 < unit["eta_low_s"] < 58 and 62 < unit["eta_high_s"] < 75
    assert 53 < unit["eta_s"] < 67
    assert 0.2 < unit["p_within_promise"] < 0.9
    route = ask(gateway, "/v1/route", crossing(4, 2), "&unit=L-01")
    assert abs(route["eta_low_s"] - unit["eta_low_s"]) < 0.2
    assert route["eta_s"] == pytest.approx(route["drive_s"] + route["access_s"])
    # Two minutes without a word when it should be heard each minute: a minute
    # and a half by the factor, so it may be thirty seconds on or back.
    database.query("UPDATE patrol.latest_position SET fix_time = now() -"
                   " interval '120 s', accuracy_m = 100, flags = 9")
    gateway.stop()
    gateway = make_gateway(learn__every_h=0).start()
    wait_for(lambda: gateway.metric("patrol_speeds_in_use") == 1, 20,
             gateway.log)
    (vague,) = ask(gateway, "/v1/nearest", crossing(4, 2))["units"]
    assert vague["eta_low_s"] < unit["eta_low_s"] - 5
    assert vague["eta_high_s"] > unit["eta_high_s"] + 5


def test_predictions_are_kept_with_the_arrival(database, fleet, make_gateway,
                                               make_vehicle):
    gateway = make_gateway(learn__every_h=0).start()
    car = make_vehicle("L-01")
    car.send(entry(1, crossing(1, 2)))
    car.wait_stored(1)
    path = f"{gateway.url}/v1/reports/eta"
    assert check(gateway.http.get(path, timeout=10))["profiles"] == []
    assert drive_s(gateway, 4, 2) == pytest.approx(30, abs=0.1)
    car.send(entry(2, crossing(1, 2), status="en_route", kind="status"))
    car.wait_stored(2)
    wait_for(lambda: gateway.metric("patrol_predictions_waiting") == 1, 10)
    car.send(entry(3, crossing(3, 2), status="en_route"))  # 102 m before it
    car.wait_stored(3)
    car.send(entry(4, crossing(3.6, 2), status="en_route"))
    wait_for(lambda: gateway.metric("patrol_predictions_kept_total") == 1, 10,
             gateway.log)
    ((eta_s, low_s, took_s, away_m),) = database.query(
        "SELECT eta_s, low_s, took_s, arrived_m FROM patrol.eta_prediction")
    assert eta_s == pytest.approx(30, abs=0.1) and low_s is None
    assert 0 <= took_s < 60 and 38 < away_m < 43
    report = check(gateway.http.get(path, timeout=10))
    (every, patrol) = report["profiles"]
    assert (every["profile"], patrol["profile"]) == (None, "patrol")
    assert every["arrivals"] == patrol["arrivals"] == 1
    assert every["bias_s"] == pytest.approx(eta_s - took_s, abs=0.1)
    assert every["in_range"] is None and every["with_range"] == 0


def test_report_counts_as_it_says(database, fleet, make_gateway):
    """Ten arrivals: predicted 100 s, taken 91 to 100; in the range 95 to 105
    six of them, within 96 s six."""
    for n in range(10):
        database.query(
            "INSERT INTO patrol.eta_prediction VALUES (%s, now() - interval"
            " '1 h', NULL, ST_SetSRID(ST_MakePoint(0, 0), 4326), 'patrol', 100,"
            " 95, 105, 96, 0.5, 0, now(), now(), 0, %s)", n + 1, 91 + n)
    gateway = make_gateway(learn__every_h=0).start()
    every = check(gateway.http.get(f"{gateway.url}/v1/reports/eta", timeout=10)
                  )["profiles"][0]
    assert every["arrivals"] == every["with_range"] == 10
    # errors 0 to 9: median 4.5, nine in ten by interpolation 8.1
    assert (every["bias_s"], every["median_error_s"], every["p90_error_s"]
            ) == (4.5, 4.5, 8.1)
    assert every["in_range"] == 0.6 and every["within_promise"] == 0.6
    assert every["mean_p_within"] == 0.5
    none = check(gateway.http.get(f"{gateway.url}/v1/reports/eta",
                                  params={"to": "2020-01-01T00:00:00Z"},
                                  timeout=10))
    assert none["profiles"] == []
    assert check(gateway.http.get(f"{gateway.url}/v1/reports/eta",
                                  params={"from": "soon"}, timeout=10)
                 )["status"] == 400
